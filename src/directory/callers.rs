//! What a trunk is told of callers, and what of its word on them is believed.

use std::sync::Arc;

use crate::base::{Duration, SigningKey};

/// Settings of a trunk about callers' identities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Callers {
    /// Where a caller's number stands, besides From.
    pub header: CallerHeader,
    /// Whether it is in our trust domain (RFC 3325 section 3): then it is told who a caller is who
    /// withholds that from the called.
    pub trust_domain: bool,
    /// How it is told that a call was forwarded.
    pub diversion: DiversionHeader,
    /// Whether signatures of its calls are verified.
    pub verify: Option<Arc<Verify>>,
    /// Which of its calls are refused for what came of that.
    pub refuse: Refuse,
    /// Whether its own word is taken for whether a caller's number is proven.
    pub trust_verstat: bool,
    /// How calls to it are signed.
    pub sign: Option<Signing>,
}

/// The header that names a caller, besides From.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallerHeader {
    /// None.
    #[default]
    From,
    /// P-Asserted-Identity: we vouch for it (RFC 3325 section 9.1).
    Asserted,
    /// P-Preferred-Identity: the trunk may vouch for it (RFC 3325 section 9.2).
    Preferred,
    /// Remote-Party-ID, as older systems have it.
    RemoteParty,
}

impl CallerHeader {
    /// The name of the header.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            CallerHeader::From => None,
            CallerHeader::Asserted => Some("P-Asserted-Identity"),
            CallerHeader::Preferred => Some("P-Preferred-Identity"),
            CallerHeader::RemoteParty => Some("Remote-Party-ID"),
        }
    }
}

/// The header that tells who forwarded a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiversionHeader {
    /// None.
    #[default]
    Nothing,
    /// Diversion (RFC 5806).
    Diversion,
    /// History-Info (RFC 7044).
    History,
}

/// How signatures are verified; the same for all trunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verify {
    /// Who may vouch for signers: certificates in DER.
    pub anchors: Vec<Vec<u8>>,
    /// Ports from which certificates may be fetched, besides 443 and 8443.
    pub ports: Vec<u16>,
    /// How long a call waits for a certificate.
    pub wait: Duration,
}

/// Which calls of a trunk are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refuse {
    /// None: handlers are told, and decide.
    #[default]
    Nothing,
    /// Those whose signature is wrong.
    Failed,
    /// All whose caller is not proven.
    Unproven,
}

/// How calls are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signing {
    /// The key.
    pub key: SigningKey,
    /// Where its certificate can be fetched (`x5u`).
    pub url: String,
    /// The most that is attested.
    pub most: Attestation,
    /// The origination identifier; `None`: one for each user, and one for the rest.
    pub origid: Option<String>,
}

/// How sure a signer is of a caller, best first (RFC 8588 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attestation {
    /// `A`: caller and number are known.
    Full,
    /// `B`: the caller is known.
    Partial,
    /// `C`: it came through here.
    Gateway,
}
