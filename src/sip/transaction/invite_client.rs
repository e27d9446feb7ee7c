//! The INVITE client transaction: RFC 3261 figure 5 as replaced by RFC 6026 figure 1.

use super::Action::{Ack, Double, Send, Start, Stop, Tell, TellTimeout, TellTransportError};
use super::Input::{Failure, Fired, Provisional, Success, TransportError};
use super::Timer::{A, Abandoned, B, D, M};
use super::{GIVE_UP, Input, Step, T1, Timer};

/// Where the transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Sent, nothing heard.
    Calling,
    /// A 1xx came.
    Proceeding,
    /// A failure came and is acknowledged.
    Completed,
    /// A 2xx came; others may follow from other forks.
    Accepted,
    /// Over.
    Terminated,
}
use State::{Accepted, Calling, Completed, Proceeding, Terminated};

/// The timers that may run.
pub(super) const TIMERS: &[Timer] = &[A, B, D, M, Abandoned];

/// How it begins.
pub(super) fn start(reliable: bool) -> Step<State> {
    match reliable {
        false => (Calling, &[Send, Start(A, T1), Start(B, GIVE_UP)]),
        true => (Calling, &[Send, Start(B, GIVE_UP)]),
    }
}

/// How it goes on. Timer D is zero on a reliable transport, so there a failure ends it at once.
pub(super) fn step(state: State, input: Input, reliable: bool) -> Step<State> {
    match (state, input) {
        (Calling, Fired(A)) => (Calling, &[Send, Double(A)]),
        (Calling, Fired(B)) => (Terminated, &[TellTimeout]),
        (Calling, Provisional) => (Proceeding, &[Stop(A), Stop(B), Tell]),
        (Proceeding, Provisional) => (Proceeding, &[Tell]),
        (Calling | Proceeding, Success) => (Accepted, &[Stop(A), Stop(B), Start(M, GIVE_UP), Tell]),
        (Calling | Proceeding, Failure) if reliable => (Terminated, &[Ack, Tell]),
        (Calling | Proceeding, Failure) => {
            (Completed, &[Stop(A), Stop(B), Start(D, GIVE_UP), Ack, Tell])
        }
        (Completed, Failure) => (Completed, &[Ack]),
        (Completed, Fired(D)) => (Terminated, &[]),
        // Not in the figure: the wait for the final response ends 64·T1 after the dialog did.
        (Calling | Proceeding, Fired(Abandoned)) => (Terminated, &[]),
        (Accepted, Success) => (Accepted, &[Tell]),
        (Accepted, Fired(M)) => (Terminated, &[]),
        (Calling | Proceeding | Completed, TransportError) => (Terminated, &[TellTransportError]),
        (state, _) => (state, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6026 figure 1, arrow by arrow; everything not listed stays and does nothing.
    #[test]
    fn every_arrow_of_the_figure() {
        let stop_and_accept = &[Stop(A), Stop(B), Start(M, GIVE_UP), Tell][..];
        let stop_and_complete = &[Stop(A), Stop(B), Start(D, GIVE_UP), Ack, Tell][..];
        let arrows: &[(State, Input, Step<State>)] = &[
            (Calling, Fired(A), (Calling, &[Send, Double(A)])),
            (Calling, Fired(B), (Terminated, &[TellTimeout])),
            (Calling, TransportError, (Terminated, &[TellTransportError])),
            (Calling, Provisional, (Proceeding, &[Stop(A), Stop(B), Tell])),
            (Calling, Success, (Accepted, stop_and_accept)),
            (Calling, Failure, (Completed, stop_and_complete)),
            (Calling, Fired(Abandoned), (Terminated, &[])),
            (Proceeding, Fired(Abandoned), (Terminated, &[])),
            (Proceeding, Provisional, (Proceeding, &[Tell])),
            (Proceeding, Success, (Accepted, stop_and_accept)),
            (Proceeding, Failure, (Completed, stop_and_complete)),
            (Proceeding, TransportError, (Terminated, &[TellTransportError])),
            (Completed, Failure, (Completed, &[Ack])),
            (Completed, TransportError, (Terminated, &[TellTransportError])),
            (Completed, Fired(D), (Terminated, &[])),
            (Accepted, Success, (Accepted, &[Tell])),
            (Accepted, Fired(M), (Terminated, &[])),
        ];
        super::super::table::check_arrows(
            &[Calling, Proceeding, Completed, Accepted, Terminated],
            arrows,
            |state, input| step(state, input, false),
        );
        assert_eq!(step(Proceeding, Failure, true), (Terminated, &[Ack, Tell][..]));
    }
}
