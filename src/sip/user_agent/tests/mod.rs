//! Two user agents over a simulated network: loss, repeats, reordering, virtual time.

mod calls;
mod chaos;
mod extensions;
mod net;
mod races;
mod refusals;
mod sessions;
