//! Who may call: trunks by their address, phones by their domain's lists and addresses.

use super::calls::Admitted;
use super::refusal::Refused;
use super::trunks::Key;
use super::*;
use crate::base::id::DomainSid;
use crate::directory::{Domain, Number, Trunk, Voice};
use crate::leg::sip::{objection, x_headers};
use crate::leg::{Incoming, SipCaller};
use crate::sip::Message;
use crate::sip::auth::{RefusedReason, Verdict};
use crate::sip::uri::{SipUri, escape_user};
use crate::verb::normalise;

impl Exchange {
    pub(super) fn handle_invite(
        &mut self,
        now: Instant,
        dialog: DialogId,
        flow: Flow,
        invite: &Message,
    ) {
        match self.admit(now, flow, invite) {
            Ok(admitted) => self.start_call(now, dialog, flow, invite, admitted),
            Err(refused) => {
                self.note_refusal(now, "INVITE", flow, &refused);
                let Refused { status, headers, .. } = refused;
                let reject = sip::Command::Reject { dialog, status, headers };
                self.agent.handle(now, sip::Input::Command(reject));
            }
        }
    }

    fn admit(&mut self, now: Instant, flow: Flow, invite: &Message) -> Result<Admitted, Refused> {
        if self.draining || self.calls.table.len() >= MAX_CALLS {
            let mut busy = Refused::new(503, 0, "draining or full");
            busy.headers.push(("Retry-After".to_owned(), "10".to_owned()));
            return Err(busy);
        }
        let directory = Arc::clone(&self.directory);
        let uri = SipUri::parse(invite.request_uri())
            .ok_or_else(|| Refused::new(400, 32100, "the Request-URI is not a SIP URI"))?;
        let source = flow.remote.ip().to_canonical();
        let trunk = directory.trunk_from(source);
        let registered = self.admit_registered(invite, &uri, &directory);
        let admitted = match (caller_domain(&directory, trunk, &uri, invite), trunk) {
            _ if let Some(admitted) = registered => admitted,
            (Some(domain), _) => self.admit_phone(now, flow, invite, &directory, domain),
            (None, Some(trunk)) => admit_trunk(invite, &uri, &directory, trunk)
                .and_then(|admitted| self.with_channel(&directory, admitted)),
            (None, None) => {
                let host = uri.host();
                let reason = format!(
                    "no domain {host:?} is configured, and {source} is in no trunk's inbound_ips"
                );
                Err(Refused::new(404, 32002, reason))
            }
        }?;
        // Nobody's handler runs for a call that could not be answered anyway.
        match objection(invite) {
            Some((status, headers, reason)) => {
                Err(Refused { status, headers, code: 32100, reason })
            }
            None => Ok(admitted),
        }
    }

    fn admit_phone(
        &mut self,
        now: Instant,
        flow: Flow,
        invite: &Message,
        directory: &Directory,
        domain: &Domain,
    ) -> Result<Admitted, Refused> {
        let username = self.check_caller(now, flow, invite, directory, domain)?;
        let from = invite.from().ok_or_else(|| Refused::new(400, 32100, "no From"))?;
        let incoming = Incoming {
            from: caller_uri(&username, domain, from.uri()),
            to: who::plain_uri(invite.request_uri()),
            caller_name: from.display_name().map(|name| name.into_owned()),
            sip: Some(SipCaller {
                domain: domain.name.clone(),
                domain_sid: domain_sid(&domain.name).to_string(),
                username,
                call_id: invite.call_id().to_owned(),
                source_ip: flow.remote.ip().to_string(),
                headers: x_headers(invite),
            }),
            forwarded_from: who::diverted_from(invite),
        };
        Ok(Admitted {
            incoming,
            voice: domain.voice.clone(),
            any_caller_id: domain.any_caller_id,
            domain: Some(domain.name.clone()),
            channel: None,
        })
    }

    /// Addresses first, then the password; gives who authenticated, empty by address only.
    pub(super) fn check_caller(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Message,
        directory: &Directory,
        domain: &Domain,
    ) -> Result<String, Refused> {
        check_address(flow, domain)?;
        if domain.calls.is_empty() {
            if domain.allowed_ips.is_empty() {
                let reason = format!(
                    "domain {} allows no calls: set its `calls` or `allowed_ips`",
                    domain.name
                );
                return Err(Refused::new(403, 32200, reason));
            }
            return Ok(String::new());
        }
        self.check_password(now, flow, request, directory, domain, &domain.calls)
    }

    /// Digest over the domain's realm; the user must call under its own name.
    pub(super) fn check_password(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Message,
        directory: &Directory,
        domain: &Domain,
        lists: &[String],
    ) -> Result<String, Refused> {
        let source = flow.remote.ip();
        let verdict = self
            .challenger
            .verify(now, request, &domain.name, source, |user| directory.password(lists, user));
        let (reason, stale) = match verdict {
            Verdict::Accepted { username } => {
                self.old_digest.answered(source, &claimed_user(request));
                let own = request.from().and_then(|from| {
                    Some(from.sip_uri()?.user().is_some_and(|user| user == username))
                });
                if own == Some(true) {
                    return Ok(username);
                }
                let reason = format!(
                    "user {username:?} of domain {} wrote another user into From",
                    domain.name
                );
                return Err(Refused::new(403, 32202, reason));
            }
            Verdict::Missing => (String::new(), false),
            Verdict::Stale => (String::new(), true),
            Verdict::Refused { username, reason } => {
                let reason = match reason {
                    RefusedReason::Malformed => "unreadable credentials",
                    RefusedReason::OtherUri => "credentials for another request",
                    RefusedReason::WrongPassword => "unknown user or wrong password",
                };
                (format!("{reason} for {username:?} in domain {}", domain.name), false)
            }
        };
        let user = claimed_user(request);
        let user_agent = request.header_by_name("User-Agent").unwrap_or_default();
        let unanswered = reason.is_empty() && !stale;
        if !unanswered {
            self.old_digest.answered(source, &user);
        }
        let md5 = unanswered && self.old_digest.challenge(now, source, &user, user_agent);
        let headers = match md5 {
            true => self.challenger.challenge_md5(now, &domain.name, source, stale),
            false => self.challenger.challenge(now, &domain.name, source, stale),
        };
        Err(Refused { status: 401, headers, code: 32202, reason })
    }
}

/// The user that a request says it is of, proven or not.
fn claimed_user(request: &Message) -> String {
    let user = request.from().and_then(|from| Some(from.sip_uri()?.user()?.into_owned()));
    user.unwrap_or_default()
}

/// The domain whose rules an INVITE is under, if it is a phone's: that which it calls at, or, for
/// a phone that uses us as its outbound proxy, that which it calls from. A trunk may write our
/// domain too, as the place of the number or as a forwarded caller's; a phone may sit at a
/// trunk's address (a test machine). Whoever names domains of ours on both sides is a phone.
fn caller_domain<'a>(
    directory: &'a Directory,
    trunk: Option<&Trunk>,
    uri: &SipUri<'_>,
    invite: &Message,
) -> Option<&'a Domain> {
    let called = directory.domain(uri.host());
    let calling =
        invite.from().and_then(|from| directory.domain(from.sip_uri()?.host().to_owned().as_str()));
    let both = called.is_some() && calling.is_some();
    if trunk.is_some() && !both && number_called(directory, uri, trunk).is_some() {
        return None;
    }
    called.or(calling)
}

/// The number of ours that a Request-URI asks for.
fn number_called<'a>(
    directory: &'a Directory,
    uri: &SipUri<'_>,
    trunk: Option<&Trunk>,
) -> Option<&'a Number> {
    let user = uri.user()?;
    let read = trunk.and_then(|trunk| trunk.numbers.read(&user));
    directory.numbers.get(&read.or_else(|| normalise(&user))?)
}

/// Who calls, for the handler: who proved it, at the domain where it was proved. The host in From
/// is only what a phone wrote, so another domain's user cannot be played.
fn caller_uri(username: &str, domain: &Domain, written: &str) -> String {
    match username {
        "" => who::plain_uri(written),
        user => format!("sip:{}@{}", escape_user(user), domain.name),
    }
}

pub(super) fn check_address(flow: Flow, domain: &Domain) -> Result<(), Refused> {
    let source = flow.remote.ip().to_canonical();
    let listed = domain.allowed_ips.iter().any(|net| net.contains(&source));
    if listed || domain.allowed_ips.is_empty() {
        return Ok(());
    }
    let reason = format!("{source} is not among the allowed_ips of domain {}", domain.name);
    Err(Refused::new(403, 32201, reason))
}

/// A call from the telephone network: to one of our numbers.
fn admit_trunk(
    invite: &Message,
    uri: &SipUri<'_>,
    directory: &Directory,
    trunk: &Trunk,
) -> Result<Admitted, Refused> {
    let user = uri.user().unwrap_or_default();
    let Some(number) = number_called(directory, uri, Some(trunk)) else {
        let reason = format!(
            "trunk {} calls {user:?}, which is no [[number]] of the configuration",
            trunk.name
        );
        return Err(Refused::new(404, 32010, reason));
    };
    let (from, caller_name) = who::trunk_caller(invite);
    let from = trunk.numbers.read(&from).unwrap_or(from);
    let incoming = Incoming {
        from,
        to: number.number.clone(),
        caller_name,
        sip: None,
        forwarded_from: who::diverted_from(invite),
    };
    let voice: Voice = number.voice.clone();
    let channel = Some(Key::trunk(&trunk.name));
    Ok(Admitted { incoming, voice, any_caller_id: false, domain: None, channel })
}

/// A domain's SID follows from its name, so that it stays the same without being stored.
pub fn domain_sid(name: &str) -> DomainSid {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(name.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    DomainSid::from_bytes(bytes)
}
