//! Transactions: one request, its retransmissions and its responses.
//!
//! Four machines (RFC 3261 section 17, corrected by RFC 6026), each a pure table from state and
//! input to next state and actions, and [`Transactions`], which keeps them by branch, runs their
//! timers and carries their actions out. It never reads a dialog and never answers by itself,
//! except that it repeats what was said before and acknowledges failures of INVITE.

mod derive;
mod invite_client;
mod invite_server;
mod key;
mod non_invite_client;
mod non_invite_server;
mod table;

pub use derive::{ack, cancel};
pub use key::{Names, ServerKey};
pub use table::{Arrival, ClientId, Kind, Notice, Transactions};

use crate::base::Duration;

/// The estimate of a round trip (RFC 3261 section 17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
/// The longest interval between retransmissions, but for INVITE requests.
pub const T2: Duration = Duration::from_secs(4);
/// How long a message may stay in the network.
pub const T4: Duration = Duration::from_secs(5);
/// When a request or a 2xx is given up: 64·T1.
pub const GIVE_UP: Duration = Duration::from_secs(32);
/// When an unanswered INVITE gets its 100 (RFC 3261 section 17.2.1).
pub const TRYING_AFTER: Duration = Duration::from_millis(200);

/// The timers, named as in RFC 3261 table 4 and RFC 6026.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    /// Repeats an INVITE.
    A,
    /// Gives an INVITE up.
    B,
    /// Absorbs repeated failures of an INVITE.
    D,
    /// Repeats another request.
    E,
    /// Gives another request up.
    F,
    /// Repeats a failure of an INVITE.
    G,
    /// Gives up to wait for the ACK of a failure.
    H,
    /// Absorbs repeated ACKs.
    I,
    /// Absorbs repeats of another request.
    J,
    /// Absorbs repeated responses to another request.
    K,
    /// Absorbs repeats of an accepted INVITE.
    L,
    /// Lets 2xx of further forks come through.
    M,
    /// Ends an INVITE whose dialog is over, when the peer said 1xx and never more.
    Abandoned,
    /// Says 100 when nobody else says anything.
    Trying,
    /// Forgets another request that nobody answered: 64·T1 after it came its sender has given
    /// up, and a late answer is noise (RFC 4320 section 4.2).
    Unanswered,
}

/// What happens to a transaction; responses by class, whichever side sends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    /// The request, again.
    Request,
    /// The ACK with the request's own branch.
    Ack,
    /// 100 to 199.
    Provisional,
    /// 200 to 299.
    Success,
    /// 300 to 699.
    Failure,
    /// A timer fired.
    Fired(Timer),
    /// The transport cannot deliver.
    TransportError,
}

impl Input {
    fn response(status: u16) -> Input {
        match status {
            ..200 => Input::Provisional,
            200..300 => Input::Success,
            300.. => Input::Failure,
        }
    }
}

/// What a transaction wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// Send the request (client) or the latest response (server), again.
    Send,
    /// Acknowledge the failure (client).
    Ack,
    /// Hand what came to whoever started the transaction.
    Tell,
    /// Say that no response, or no ACK, came in time.
    TellTimeout,
    /// Say that the transport failed.
    TellTransportError,
    /// Ask for the 100.
    Trying,
    /// Start a timer.
    Start(Timer, Duration),
    /// Start a timer with twice its last interval, at most T2 except for timer A.
    Double(Timer),
    /// Stop a timer.
    Stop(Timer),
}

/// The next state and what to do on the way.
type Step<S> = (S, &'static [Action]);
