//! Who callers are: what is believed of calls that come in, and what is told of those that go out.
//!
//! Signatures are judged here with certificates that the node fetches; a call waits for one a
//! moment and never longer. RFC 8224, RFC 3325, RFC 3323, RFC 5806, RFC 7044.

use std::sync::LazyLock;

use super::*;
use crate::sip::identity::{Algorithms, Replays};

mod certificates;
mod inbound;
mod origin;
mod outbound;

pub use certificates::Certificate;
pub(super) use origin::Origin;

use certificates::Certificates;
use inbound::Waiting;

/// Calls that wait for a certificate at one time; more go on without a verdict.
const MAX_WAITING: usize = 1_000;

/// "Call verification failed", of the TwiML reference's error codes.
const UNPROVEN: u32 = 32_020;

/// What there is to know of signers.
#[derive(Default)]
pub(super) struct Identities {
    certificates: Certificates,
    replays: Replays,
    /// Admitted calls that wait for a certificate, by their dialogs.
    waiting: BTreeMap<DialogId, Waiting>,
    timers: TimerTable<DialogId>,
}

impl Identities {
    pub(super) fn timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// How many calls wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

/// Only public keys are used here: a verdict depends on nothing but what it judges.
fn algorithms() -> Algorithms {
    static ALL: LazyLock<Algorithms> = LazyLock::new(|| {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.all
    });
    *ALL
}
