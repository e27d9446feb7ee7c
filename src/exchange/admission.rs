//! Who may call: trunks by their address, phones by their domain's lists and addresses.

use super::calls::Admitted;
use super::*;
use crate::base::id::{CallSid, DomainSid};
use crate::directory::{Domain, Trunk, Voice};
use crate::leg::sip::x_headers;
use crate::leg::{Incoming, SipCaller};
use crate::sip::auth::{RefusedReason, Verdict};
use crate::sip::uri::SipUri;
use crate::sip::{HeaderField, Message};

/// Why an INVITE is not admitted: status, headers, and plain words for the log.
pub(super) struct Refused {
    pub status: u16,
    pub headers: Vec<HeaderField>,
    pub code: u32,
    pub reason: String,
}

impl Refused {
    pub(super) fn new(status: u16, code: u32, reason: impl Into<String>) -> Self {
        Refused { status, headers: vec![], code, reason: reason.into() }
    }
}

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
                if !refused.reason.is_empty() {
                    let from = flow.remote.ip();
                    let text = format!(
                        "INVITE from {from} refused with {}: {}",
                        refused.status, refused.reason
                    );
                    self.note(CallSid::from_bytes([0; 16]), refused.code, text);
                }
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
        let source = flow.remote.ip();
        // A phone may sit at a trunk's address (a test machine): a domain that it names comes first.
        let named =
            directory.domain(uri.host()).or_else(|| self.domain_of_from(&directory, invite));
        if let Some(domain) = named {
            return self.admit_phone(now, flow, invite, &directory, domain);
        }
        match directory.trunk_from(source) {
            Some(trunk) => admit_trunk(invite, &uri, &directory, trunk),
            None => Err(Refused::new(
                404,
                32002,
                format!(
                    "no domain \"{}\" is configured, and {source} is no trunk's address",
                    uri.host()
                ),
            )),
        }
    }

    /// A phone that uses us as its outbound proxy names its domain in From only.
    fn domain_of_from<'a>(&self, directory: &'a Directory, invite: &Message) -> Option<&'a Domain> {
        directory.domain(invite.from()?.sip_uri()?.host())
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
            from: from.uri().to_owned(),
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
                let own = request.from().and_then(|from| {
                    Some(from.sip_uri()?.user().is_some_and(|user| user == username))
                });
                if own == Some(true) {
                    return Ok(username);
                }
                let reason = format!("user {username} calls under another name (From)");
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
                (format!("{reason} for \"{username}\" in domain {}", domain.name), false)
            }
        };
        let headers = self.challenger.challenge(now, &domain.name, source, stale);
        Err(Refused { status: 401, headers, code: 32202, reason })
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
    let dialled = who::e164(&user);
    let number = dialled.as_deref().and_then(|number| directory.numbers.get(number));
    let Some(number) = number else {
        let reason = format!("trunk {} calls {user}, which is none of our numbers", trunk.name);
        return Err(Refused::new(404, 32010, reason));
    };
    let (from, caller_name) = who::trunk_caller(invite);
    let incoming = Incoming {
        from,
        to: number.number.clone(),
        caller_name,
        sip: None,
        forwarded_from: who::diverted_from(invite),
    };
    let voice: Voice = number.voice.clone();
    Ok(Admitted { incoming, voice, any_caller_id: false, domain: None })
}

/// A domain's SID follows from its name, so that it stays the same without being stored.
pub fn domain_sid(name: &str) -> DomainSid {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(name.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    DomainSid::from_bytes(bytes)
}
