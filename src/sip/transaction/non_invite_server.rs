//! The server transaction of every other request: RFC 3261 figure 8.

use super::Action::{Send, Start, Stop, TellTransportError};
use super::Input::{Failure, Fired, Provisional, Request, Success, TransportError};
use super::Timer::{J, Unanswered};
use super::{GIVE_UP, Input, Step, Timer};

/// Where the transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Came, and is with whoever answers it.
    Trying,
    /// A 1xx was sent.
    Proceeding,
    /// The final response was sent.
    Completed,
    /// Over.
    Terminated,
}
use State::{Completed, Proceeding, Terminated, Trying};

/// The timers that may run.
pub(super) const TIMERS: &[Timer] = &[J, Unanswered];

/// How it begins.
pub(super) fn start() -> Step<State> {
    (Trying, &[Start(Unanswered, GIVE_UP)])
}

/// How it goes on. Timer J is zero on a reliable transport.
pub(super) fn step(state: State, input: Input, reliable: bool) -> Step<State> {
    match (state, input) {
        (Trying | Proceeding, Provisional) => (Proceeding, &[Send]),
        (Proceeding, Request) => (Proceeding, &[Send]),
        (Trying | Proceeding, Success | Failure) if reliable => (Terminated, &[Send]),
        (Trying | Proceeding, Success | Failure) => {
            (Completed, &[Stop(Unanswered), Start(J, GIVE_UP), Send])
        }
        (Trying | Proceeding, Fired(Unanswered)) => (Terminated, &[]),
        (Completed, Request) => (Completed, &[Send]),
        (Completed, Fired(J)) => (Terminated, &[]),
        (Proceeding | Completed, TransportError) => (Terminated, &[TellTransportError]),
        (state, _) => (state, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3261 figure 8, arrow by arrow; everything not listed stays and does nothing.
    #[test]
    fn every_arrow_of_the_figure() {
        let complete = &[Stop(Unanswered), Start(J, GIVE_UP), Send][..];
        let arrows: &[(State, Input, Step<State>)] = &[
            (Trying, Provisional, (Proceeding, &[Send])),
            (Trying, Success, (Completed, complete)),
            (Trying, Failure, (Completed, complete)),
            (Trying, Fired(Unanswered), (Terminated, &[])),
            (Proceeding, Request, (Proceeding, &[Send])),
            (Proceeding, Provisional, (Proceeding, &[Send])),
            (Proceeding, Success, (Completed, complete)),
            (Proceeding, Failure, (Completed, complete)),
            (Proceeding, Fired(Unanswered), (Terminated, &[])),
            (Proceeding, TransportError, (Terminated, &[TellTransportError])),
            (Completed, Request, (Completed, &[Send])),
            (Completed, Fired(J), (Terminated, &[])),
            (Completed, TransportError, (Terminated, &[TellTransportError])),
        ];
        super::super::table::check_arrows(
            &[Trying, Proceeding, Completed, Terminated],
            arrows,
            |state, input| step(state, input, false),
        );
        assert_eq!(step(Trying, Success, true), (Terminated, &[Send][..]));
    }
}
