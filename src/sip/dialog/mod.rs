//! Dialogs: what two user agents remember about each other (RFC 3261 section 12).
//!
//! A [`Usage`] is one dialog of ours, or the attempt at one, with all its early forks. It holds
//! state and answers questions about it; the user agent writes the messages. Bodies pass through
//! unread: offers and answers are the leg's business.

mod credentials;
pub mod reliable;
mod remote;
mod route;
pub mod session_timer;
mod unacked;
mod usage;

pub use credentials::Credentials;
pub use remote::Remote;
pub use route::{RouteSet, request_uri};
pub use unacked::{Unacked, UnackedQueue};
pub use usage::{Attempt, Calling, Confirmed, Fork, Offering, Order, Phase, Ringing, Usage};

/// Forks of one INVITE that are told of and kept; a proxy that rings more phones than this has
/// their early media and their provisional responses ignored, never their 200.
pub const MAX_FORKS: usize = 8;

/// Unanswered requests of a peer inside one dialog; more are refused with 500.
pub const MAX_SERVING: usize = 8;

/// Orders that wait until a re-INVITE may be sent; more fail at once.
pub const MAX_WAITING: usize = 4;
