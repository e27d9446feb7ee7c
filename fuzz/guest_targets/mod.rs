//! What is fuzzed in the sandbox itself, which brings a compiler along: built apart from the others.

pub mod guest_calls;

/// A target: its name, which is also that of its folder in `corpus/`, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All of them, by name.
pub const TARGETS: &[Target] = &[("guest_calls", guest_calls::run)];
