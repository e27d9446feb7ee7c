//! The one shape of every core: input in, output out, and the next deadline.

use super::time::Instant;

/// A machine of values. The driver calls [`handle`](Machine::handle), drains
/// [`poll`](Machine::poll) until it is `None`, then asks [`timeout`](Machine::timeout)
/// and calls [`handle_timeout`](Machine::handle_timeout) no earlier than that.
///
/// Input never calls out and output is never a callback; `now` never goes backwards.
pub trait Machine {
    /// What arrives.
    type Input;
    /// What is asked for.
    type Output;

    /// Takes one input that arrived at `now`.
    fn handle(&mut self, now: Instant, input: Self::Input);

    /// Does what is due at `now`; harmless when nothing is.
    fn handle_timeout(&mut self, now: Instant);

    /// The next output, or `None` when all is drained.
    fn poll(&mut self) -> Option<Self::Output>;

    /// When [`handle_timeout`](Machine::handle_timeout) is next wanted.
    fn timeout(&self) -> Option<Instant>;
}
