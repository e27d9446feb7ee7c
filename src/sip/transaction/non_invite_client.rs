//! The client transaction of every other request: RFC 3261 figure 6.

use super::Action::{Double, Send, Start, Stop, Tell, TellTimeout, TellTransportError};
use super::Input::{Failure, Fired, Provisional, Success, TransportError};
use super::Timer::{E, F, K};
use super::{GIVE_UP, Input, Step, T1, T2, T4, Timer};

/// Where the transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Sent, nothing heard.
    Trying,
    /// A 1xx came.
    Proceeding,
    /// The final response came; its repeats are absorbed.
    Completed,
    /// Over.
    Terminated,
}
use State::{Completed, Proceeding, Terminated, Trying};

/// The timers that may run.
pub(super) const TIMERS: &[Timer] = &[E, F, K];

/// How it begins.
pub(super) fn start(reliable: bool) -> Step<State> {
    match reliable {
        false => (Trying, &[Send, Start(E, T1), Start(F, GIVE_UP)]),
        true => (Trying, &[Send, Start(F, GIVE_UP)]),
    }
}

/// How it goes on. Timer K is zero on a reliable transport.
pub(super) fn step(state: State, input: Input, reliable: bool) -> Step<State> {
    match (state, input) {
        (Trying, Fired(E)) => (Trying, &[Send, Double(E)]),
        (Proceeding, Fired(E)) => (Proceeding, &[Send, Start(E, T2)]),
        (Trying | Proceeding, Fired(F)) => (Terminated, &[TellTimeout]),
        (Trying | Proceeding, TransportError) => (Terminated, &[TellTransportError]),
        (Trying | Proceeding, Provisional) => (Proceeding, &[Tell]),
        (Trying | Proceeding, Success | Failure) if reliable => (Terminated, &[Tell]),
        (Trying | Proceeding, Success | Failure) => {
            (Completed, &[Stop(E), Stop(F), Start(K, T4), Tell])
        }
        (Completed, Fired(K)) => (Terminated, &[]),
        (state, _) => (state, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3261 figure 6, arrow by arrow; everything not listed stays and does nothing.
    #[test]
    fn every_arrow_of_the_figure() {
        let complete = &[Stop(E), Stop(F), Start(K, T4), Tell][..];
        let arrows: &[(State, Input, Step<State>)] = &[
            (Trying, Fired(E), (Trying, &[Send, Double(E)])),
            (Trying, Fired(F), (Terminated, &[TellTimeout])),
            (Trying, TransportError, (Terminated, &[TellTransportError])),
            (Trying, Provisional, (Proceeding, &[Tell])),
            (Trying, Success, (Completed, complete)),
            (Trying, Failure, (Completed, complete)),
            (Proceeding, Fired(E), (Proceeding, &[Send, Start(E, T2)])),
            (Proceeding, Fired(F), (Terminated, &[TellTimeout])),
            (Proceeding, TransportError, (Terminated, &[TellTransportError])),
            (Proceeding, Provisional, (Proceeding, &[Tell])),
            (Proceeding, Success, (Completed, complete)),
            (Proceeding, Failure, (Completed, complete)),
            (Completed, Fired(K), (Terminated, &[])),
        ];
        super::super::table::check_arrows(
            &[Trying, Proceeding, Completed, Terminated],
            arrows,
            |state, input| step(state, input, false),
        );
        assert_eq!(step(Trying, Success, true), (Terminated, &[Tell][..]));
    }
}
