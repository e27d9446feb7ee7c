//! The INVITE server transaction: RFC 3261 figure 7 as replaced by RFC 6026 figure 2.

use super::Action::{Double, Send, Start, Stop, Tell, TellTimeout, TellTransportError, Trying};
use super::Input::{Ack, Failure, Fired, Provisional, Request, Success, TransportError};
use super::Timer::{G, H, I, L};
use super::{GIVE_UP, Input, Step, T1, T4, TRYING_AFTER, Timer};

/// Where the transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No response was sent yet: Proceeding before its 100.
    Fresh,
    /// A 1xx was sent.
    Proceeding,
    /// A failure was sent; its ACK is awaited.
    Completed,
    /// The ACK of the failure came.
    Confirmed,
    /// A 2xx was sent, which the dialog repeats.
    Accepted,
    /// Over.
    Terminated,
}
use State::{Accepted, Completed, Confirmed, Fresh, Proceeding, Terminated};

/// The timers that may run.
pub(super) const TIMERS: &[Timer] = &[G, H, I, L, Timer::Trying];

/// How it begins.
pub(super) fn start() -> Step<State> {
    (Fresh, &[Start(Timer::Trying, TRYING_AFTER)])
}

/// How it goes on. Timers G and I are absent or zero on a reliable transport.
pub(super) fn step(state: State, input: Input, reliable: bool) -> Step<State> {
    match (state, input) {
        (Fresh, Fired(Timer::Trying) | Request) => (Fresh, &[Stop(Timer::Trying), Trying]),
        (Fresh | Proceeding, Provisional) => (Proceeding, &[Stop(Timer::Trying), Send]),
        (Proceeding, Request) => (Proceeding, &[Send]),
        (Fresh | Proceeding, Success) => {
            (Accepted, &[Stop(Timer::Trying), Start(L, GIVE_UP), Send])
        }
        (Fresh | Proceeding, Failure) if reliable => {
            (Completed, &[Stop(Timer::Trying), Start(H, GIVE_UP), Send])
        }
        (Fresh | Proceeding, Failure) => {
            (Completed, &[Stop(Timer::Trying), Start(G, T1), Start(H, GIVE_UP), Send])
        }
        (Completed, Request) => (Completed, &[Send]),
        (Completed, Fired(G)) => (Completed, &[Send, Double(G)]),
        (Completed, Fired(H)) => (Terminated, &[TellTimeout]),
        (Completed, Ack) if reliable => (Terminated, &[]),
        (Completed, Ack) => (Confirmed, &[Stop(G), Stop(H), Start(I, T4)]),
        (Confirmed, Fired(I)) => (Terminated, &[]),
        (Accepted, Success) => (Accepted, &[Send]),
        // Only senders older than RFC 3261 acknowledge a 2xx under the INVITE's branch.
        (Accepted, Ack) => (Accepted, &[Tell]),
        (Accepted, Fired(L)) => (Terminated, &[]),
        // RFC 6026 section 7.1: a transport error is told and changes nothing, since the repeats
        // of the request may come over a way that works.
        (Fresh | Proceeding | Completed | Accepted, TransportError) => {
            (state, &[TellTransportError])
        }
        (state, _) => (state, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6026 figure 2, arrow by arrow; everything not listed stays and does nothing.
    #[test]
    fn every_arrow_of_the_figure() {
        let trying = &[Stop(Timer::Trying), Trying][..];
        let progress = &[Stop(Timer::Trying), Send][..];
        let accept = &[Stop(Timer::Trying), Start(L, GIVE_UP), Send][..];
        let fail = &[Stop(Timer::Trying), Start(G, T1), Start(H, GIVE_UP), Send][..];
        let arrows: &[(State, Input, Step<State>)] = &[
            (Fresh, Fired(Timer::Trying), (Fresh, trying)),
            (Fresh, Request, (Fresh, trying)),
            (Fresh, Provisional, (Proceeding, progress)),
            (Fresh, Success, (Accepted, accept)),
            (Fresh, Failure, (Completed, fail)),
            (Proceeding, Provisional, (Proceeding, progress)),
            (Proceeding, Request, (Proceeding, &[Send])),
            (Proceeding, Success, (Accepted, accept)),
            (Proceeding, Failure, (Completed, fail)),
            (Completed, Request, (Completed, &[Send])),
            (Completed, Fired(G), (Completed, &[Send, Double(G)])),
            (Completed, Fired(H), (Terminated, &[TellTimeout])),
            (Completed, Ack, (Confirmed, &[Stop(G), Stop(H), Start(I, T4)])),
            (Confirmed, Fired(I), (Terminated, &[])),
            (Accepted, Success, (Accepted, &[Send])),
            (Accepted, Ack, (Accepted, &[Tell])),
            (Accepted, Fired(L), (Terminated, &[])),
            (Fresh, TransportError, (Fresh, &[TellTransportError])),
            (Proceeding, TransportError, (Proceeding, &[TellTransportError])),
            (Completed, TransportError, (Completed, &[TellTransportError])),
            (Accepted, TransportError, (Accepted, &[TellTransportError])),
        ];
        super::super::table::check_arrows(
            &[Fresh, Proceeding, Completed, Confirmed, Accepted, Terminated],
            arrows,
            |state, input| step(state, input, false),
        );
        assert_eq!(step(Completed, Ack, true), (Terminated, &[][..]));
        assert!(!step(Fresh, Failure, true).1.contains(&Start(G, T1)), "no repeats on a stream");
    }
}
