//! A claim about a call, judged: first by what the message says, then by the signer's key.

use super::header::Identity;
use super::passport::{self, Claims, Head};
use super::{Algorithms, Attest, Flaw, Signer, canonical};

/// Seconds by which a token's time may differ from ours (RFC 8224 section 12.1).
pub(super) const FRESH: u64 = 60;

/// Identity headers of one message that are looked at.
const MAX_HEADERS: usize = 8;

/// The longest address of a certificate.
const MAX_URL: usize = 512;

/// The longest origination identifier that is told on; it is a UUID (RFC 8588 section 5).
const MAX_ORIGID: usize = 64;

/// Ports of certificates' servers (ATIS-1000074 section 5.3.1), besides those that are configured.
const PORTS: [u16; 2] = [443, 8443];

/// What a token must be about. Numbers are digits alone; empty for what is no number.
#[derive(Clone, Copy, Debug, Default)]
pub struct Call<'a> {
    /// Who calls.
    pub caller: &'a str,
    /// The number of ours that is called.
    pub called: &'a str,
    /// The number in To.
    pub to: &'a str,
    /// The Date header, for compact forms.
    pub date: Option<u64>,
    /// Seconds since 1970.
    pub now: u64,
    /// Ports where certificates may be, besides the usual.
    pub ports: &'a [u16],
}

/// A claim that fits its call. Whether it is true only its signer's key can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The token in full form.
    pub token: String,
    /// Where the certificate is.
    pub x5u: String,
    /// How sure the signer is; only SHAKEN's tokens say.
    pub attest: Option<Attest>,
    /// Where the call entered the signer's network.
    pub origid: Option<String>,
    /// The caller's number, digits alone.
    pub orig: String,
    /// It was made for a call to the number in To, and the call was turned to us on its way.
    pub retargeted: bool,
    signature: [u8; 64],
}

/// A claim that proves nothing, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong.
    pub flaw: Flaw,
    /// The level that it claims, as far as that could be read.
    pub attest: Option<Attest>,
    /// The token, if it is one.
    pub token: Option<String>,
}

impl From<Flaw> for Refused {
    fn from(flaw: Flaw) -> Refused {
        Refused { flaw, attest: None, token: None }
    }
}

impl Claim {
    /// Reads the Identity headers of a message: SHAKEN's first, else a plain one (RFC 8224
    /// section 6.2). `None` when there is none, or none of a kind that says who calls.
    pub fn read<'a>(
        values: impl Iterator<Item = &'a str>,
        call: &Call<'_>,
    ) -> Result<Option<Claim>, Refused> {
        let (mut plain, mut broken) = (None, None);
        for value in values.take(MAX_HEADERS) {
            match Identity::parse(value) {
                Ok(one) if one.ppt == Some("shaken") => return Claim::of(&one, call).map(Some),
                Ok(one) if one.ppt.is_none() => plain = plain.or(Some(one)),
                // Of a kind that says something else of the call (RFC 8224 section 6.2 step 1).
                Ok(_) => {}
                Err(flaw) => broken = broken.or(Some(flaw)),
            }
        }
        match (plain, broken) {
            (Some(one), _) => Claim::of(&one, call).map(Some),
            (None, Some(flaw)) => Err(flaw.into()),
            (None, None) => Ok(None),
        }
    }

    /// The first of the signature's two numbers: no two signings share it. The second does not
    /// tell tokens apart, for whoever sees one can write it in another way that counts as well.
    pub fn signing(&self) -> &[u8] {
        self.signature.split_at(32).0
    }

    /// Whether the signer speaks for the caller, and signed this.
    pub fn check(&self, signer: &Signer, algorithms: Algorithms) -> Result<(), Flaw> {
        if !signer.authority.covers(&self.orig) {
            return Err(Flaw::Unauthorised);
        }
        let text = self.token.rsplit_once('.').map_or("", |(text, _)| text);
        match signer.signed(algorithms, text.as_bytes(), &self.signature) {
            true => Ok(()),
            false => Err(Flaw::Signature),
        }
    }

    fn of(identity: &Identity<'_>, call: &Call<'_>) -> Result<Claim, Refused> {
        if identity.alg.is_some_and(|alg| alg != "ES256") {
            return Err(Flaw::Unsupported("the algorithm is not ES256").into());
        }
        let info =
            identity.info.ok_or(Flaw::Malformed("it does not say where its certificate is"))?;
        let signature = passport::signature_of(identity.signature)?;
        match identity.is_compact() {
            true => Claim::of_compact(identity, info, signature, call),
            false => Claim::of_full(identity, info, signature, call),
        }
    }

    fn of_full(
        identity: &Identity<'_>,
        info: &str,
        signature: [u8; 64],
        call: &Call<'_>,
    ) -> Result<Claim, Refused> {
        let head = Head::read(identity.head)?;
        let claims = Claims::read(identity.claims)?;
        let attest = claims.attest.as_deref().and_then(Attest::of_name);
        let refused = |flaw| Refused { flaw, attest, token: Some(identity.token.to_owned()) };
        let shaken = head.ppt.as_deref() == Some("shaken");
        if !shaken && (head.ppt.is_some() || identity.ppt.is_some()) {
            return Err(refused(Flaw::Malformed("header and token are of different kinds")));
        }
        // RFC 8224 section 4: the two name one place.
        if head.x5u != info {
            return Err(refused(Flaw::Malformed("header and token name different certificates")));
        }
        // RFC 8588 section 4 and 5.
        if shaken && (attest.is_none() || claims.origid.is_none()) {
            return Err(refused(Flaw::Malformed("attest or origid is missing")));
        }
        check_url(info, call.ports).map_err(refused)?;
        fresh(claims.iat, call.now).map_err(refused)?;
        let orig = claims.orig.tn.as_deref().and_then(canonical);
        let orig = orig
            .filter(|orig| !orig.is_empty() && orig == call.caller)
            .ok_or_else(|| refused(Flaw::OtherCaller))?;
        let named = |number: &str| {
            !number.is_empty()
                && claims.dest.numbers().any(|tn| canonical(tn).as_deref() == Some(number))
        };
        let retargeted = !named(call.called);
        if retargeted && !named(call.to) {
            return Err(refused(Flaw::OtherCalled));
        }
        Ok(Claim {
            token: identity.token.to_owned(),
            x5u: head.x5u,
            attest: attest.filter(|_| shaken),
            origid: claims.origid.map(|origid| origid.chars().take(MAX_ORIGID).collect()),
            orig,
            retargeted,
            signature,
        })
    }

    /// What the signer did not write is taken from the call (RFC 8224 section 4.1), so it fits by
    /// itself. SHAKEN has no such form (RFC 8588 section 7).
    fn of_compact(
        identity: &Identity<'_>,
        info: &str,
        signature: [u8; 64],
        call: &Call<'_>,
    ) -> Result<Claim, Refused> {
        if identity.ppt.is_some() {
            return Err(Flaw::Malformed("a compact form says no attestation").into());
        }
        check_url(info, call.ports)?;
        let iat = call.date.ok_or(Flaw::Malformed("a compact form wants a Date"))?;
        fresh(iat, call.now)?;
        if call.caller.is_empty() {
            return Err(Flaw::OtherCaller.into());
        }
        let dest = if call.to.is_empty() { call.called } else { call.to };
        let text = passport::rebuilt(info, call.caller, dest, iat);
        Ok(Claim {
            token: format!("{text}.{}", identity.signature),
            x5u: info.to_owned(),
            attest: None,
            origid: None,
            orig: call.caller.to_owned(),
            retargeted: dest != call.called,
            signature,
        })
    }
}

/// Both too old and from the future: clocks differ both ways.
fn fresh(iat: u64, now: u64) -> Result<(), Flaw> {
    match iat.abs_diff(now) {
        0..=FRESH => Ok(()),
        apart => Err(Flaw::Stale(apart)),
    }
}

/// Whether a certificate may be fetched from there (ATIS-1000074 section 5.3.1): https, a host, a
/// usual port, a path, and nothing that would make it a request of the signer's choice.
pub fn check_url(url: &str, ports: &[u16]) -> Result<(), Flaw> {
    let wrong = |why: &str| Err(Flaw::Unreachable(format!("its address {why}")));
    if url.len() > MAX_URL || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return wrong("is too long or no URL");
    }
    let https = url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
    let Some(rest) = url.get(8..).filter(|_| https) else { return wrong("is not https") };
    let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
    if path.is_empty() {
        return wrong("names no file");
    }
    if place.contains('@') || rest.contains(['?', '#', '\\', '"', '<', '>']) {
        return wrong("has a login, a query or a fragment");
    }
    let after_host = place.rsplit_once(']').map_or(place, |(_, after)| after);
    let (host, port) = after_host.split_once(':').map_or((after_host, None), |(h, p)| (h, Some(p)));
    if host.is_empty() && !place.starts_with('[') {
        return wrong("names no host");
    }
    match port.map(str::parse::<u16>) {
        None => Ok(()),
        Some(Ok(port)) if PORTS.contains(&port) || ports.contains(&port) => Ok(()),
        Some(_) => wrong("names a port that is not 443, 8443 or among `[stir] ports`"),
    }
}
