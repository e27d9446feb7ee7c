//! Who may call: trunks by their address, phones by their domain's lists and addresses.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::calls::Admitted;
use super::guard::{Failure, Strike};
use super::peers::Say;
use super::refusal::Refused;
use super::trunks::Key;
use super::*;
use crate::base::id::DomainSid;
use crate::call::Owner;
use crate::directory::{Domain, Number, Trunk, Voice};
use crate::leg::sip::{objection, x_headers};
use crate::leg::{Incoming, SipCaller};
use crate::sip::auth::{RefusedReason, Verdict};
use crate::sip::uri::{SipUri, escape_user};
use crate::sip::{HeaderName, Message, Method};
use crate::verb::normalise;

/// How often a call may have been forwarded before it came here. More is a loop that some element
/// keeps alive by renewing Max-Forwards.
const MAX_FORWARDED: usize = 10;

/// A host name is no longer (RFC 1035 section 2.3.4); a realm echoes no more.
const MAX_REALM: usize = 255;

/// A password that was right.
pub(super) enum Proof {
    /// In a message that is new.
    First(String),
    /// In the repeat of a message whose answer was lost.
    Again(String),
}

impl Exchange {
    /// The INVITE that was just let in.
    pub(super) fn handle_invite(
        &mut self,
        now: Instant,
        dialog: DialogId,
        flow: Flow,
        invite: &Message,
    ) {
        match self.admitted.take() {
            Some(admitted) if invite.has(HeaderName::Replaces) => {
                self.replace_leg(now, dialog, flow, invite, &admitted);
            }
            Some(admitted) => self.identify(now, dialog, flow, invite, *admitted),
            None => {
                let reject = sip::Command::Reject { dialog, status: 500, headers: vec![] };
                self.agent.handle(now, sip::Input::Command(reject));
            }
        }
    }

    /// Who calls, or why the call is refused.
    pub(super) fn admit_invite(
        &mut self,
        now: Instant,
        flow: Flow,
        invite: &Message,
    ) -> Result<Admitted, Refused> {
        if self.draining || self.calls() >= MAX_CALLS {
            self.guard.counters.busy_invites += 1;
            return Err(Refused::busy(10, "draining or full"));
        }
        let admitted = self.admit(now, flow, invite)?;
        let forwarded = who::forwarded(invite);
        if forwarded > MAX_FORWARDED {
            let reason = format!("the call was forwarded {forwarded} times: it goes in circles");
            return Err(Refused::new(483, 32100, reason));
        }
        if let Some(min) = self.too_short_for(&admitted, invite) {
            let headers = vec![("Min-SE".to_owned(), min.as_secs().to_string())];
            let reason = "its session would be shorter than min_se".to_owned();
            return Err(Refused { status: 422, headers, code: 32100, reason });
        }
        // Nobody's handler runs for a call that could not be answered anyway.
        match objection(invite) {
            Some((status, headers, reason)) => {
                Err(Refused { status, headers, code: 32100, reason })
            }
            None => {
                self.guard.admitted(now, Method::Invite);
                Ok(admitted)
            }
        }
    }

    /// Who sends a request that only those may send who may call. Whoever is nobody here is
    /// challenged like a user who has not logged in yet: domains and users cannot be told apart
    /// from what does not exist.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Message,
    ) -> Result<Admitted, Refused> {
        let directory = Arc::clone(&self.directory);
        let uri = SipUri::parse(request.request_uri())
            .ok_or_else(|| Refused::new(400, 32100, "the Request-URI is not a SIP URI"))?;
        let source = flow.remote.ip().to_canonical();
        // One that proves its name by certificate is known by nothing less.
        let proven = |trunk: &&Trunk| trunk.client_name.is_none() || flow.transport.is_secure();
        let trunk = directory.trunk_from(source).filter(proven);
        // Calls over our own registrations come to a Contact that only the registrar knows.
        if let Some(admitted) = self.admit_registered(request, &uri, &directory) {
            return admitted;
        }
        match (caller_domain(&directory, trunk, &uri, request), trunk) {
            (Some(domain), _) => self.admit_phone(now, flow, request, domain),
            (None, Some(trunk)) => admit_trunk(request, &uri, &directory, trunk)
                .and_then(|admitted| self.with_channel(&directory, admitted)),
            (None, None) => {
                let host = uri.host();
                let reason = format!(
                    "no domain {host:?} is configured, and {source} is in no trunk's inbound_ips"
                );
                Err(self.turn_away(now, flow, request, host, 32002, reason))
            }
        }
    }

    fn admit_phone(
        &mut self,
        now: Instant,
        flow: Flow,
        invite: &Message,
        domain: &Domain,
    ) -> Result<Admitted, Refused> {
        let username = self.check_caller(now, flow, invite, domain)?;
        let user = (!username.is_empty()).then(|| format!("{username}@{}", domain.name));
        let from = invite.from().ok_or_else(|| Refused::new(400, 32100, "no From"))?;
        let incoming = Incoming {
            from: caller_uri(&username, domain, from.uri()),
            to: who::called_uri(invite.request_uri()),
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
            stir: None,
        };
        Ok(Admitted {
            incoming,
            voice: domain.voice.clone(),
            any_caller_id: domain.any_caller_id,
            owner: Owner { domain: Some(domain.name.clone()), user },
            channel: None,
        })
    }

    /// Who proved to be a user of the domain; empty where the address is proof enough.
    fn check_caller(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Message,
        domain: &Domain,
    ) -> Result<String, Refused> {
        if domain.calls.is_empty() {
            if !domain.allowed_ips.is_empty() && domain.allows(flow.remote.ip()) {
                return Ok(String::new());
            }
            let (code, reason) = match domain.allowed_ips.is_empty() {
                true => (
                    32200,
                    format!(
                        "domain {} allows no calls: set its `calls` or `allowed_ips`",
                        domain.name
                    ),
                ),
                false => (32201, not_allowed(flow, domain)),
            };
            return Err(self.turn_away(now, flow, request, &domain.name, code, reason));
        }
        match self.check_password(now, flow, request, &domain.name, &domain.calls)? {
            Proof::First(username) => {
                check_address(flow, domain)?;
                Ok(username)
            }
            // Its transaction is over long since: a replay.
            Proof::Again(_) => Err(self.challenge(now, flow, request, &domain.name, true)),
        }
    }

    /// Digest over a realm; the user must speak under its own name. An unknown user, a user of
    /// other lists and a realm without any cost the same and hear the same.
    pub(super) fn check_password(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Message,
        realm: &str,
        lists: &[String],
    ) -> Result<Proof, Refused> {
        let source = flow.remote.ip();
        let directory = &self.directory;
        let verdict = self
            .challenger
            .verify(now, request, realm, source, |user| directory.password(lists, user));
        let proof = match verdict {
            Verdict::Accepted { username } => Proof::First(username),
            Verdict::Repeated { username } => Proof::Again(username),
            Verdict::Missing => return Err(self.challenge(now, flow, request, realm, false)),
            Verdict::Stale => {
                self.old_digest.answered(source, &claimed_user(request));
                // `stale` says that the password was right. Who brings a nonce of its own is told
                // nothing of it; nor is a phone with one from before a restart, which logs in
                // with the new nonce of a plain 401 just as well.
                let stale = self.challenger.is_answer(request, realm, source);
                return Err(self.challenge(now, flow, request, realm, stale));
            }
            Verdict::Refused { username, reason } => {
                self.old_digest.answered(source, &claimed_user(request));
                let what = self.flaw(lists, &username, reason);
                let reason = self.login_failed(now, flow, request, realm, &username, what);
                let refused = self.challenge(now, flow, request, realm, false);
                return Err(Refused { reason, ..refused });
            }
        };
        self.guard.counters.logins += 1;
        self.old_digest.answered(source, &claimed_user(request));
        let (Proof::First(username) | Proof::Again(username)) = &proof;
        let own = request
            .from()
            .and_then(|from| Some(from.sip_uri()?.user().is_some_and(|user| user == *username)));
        if own == Some(true) {
            return Ok(proof);
        }
        let reason = format!("user {username:?} of domain {realm} wrote another user into From");
        Err(Refused::new(403, 32202, reason))
    }

    /// 401 with nothing said; it costs no memory but a mark for phones with old digests.
    pub(super) fn challenge(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Message,
        realm: &str,
        stale: bool,
    ) -> Refused {
        let phone = self.is_phone(now, flow);
        let (method, directory) = (request.method(), &self.directory);
        if !self.guard.may_challenge(now, method, flow, directory, || phone) {
            return self.above_total();
        }
        self.guard.counters.challenges += 1;
        let source = flow.remote.ip();
        let user_agent = request.header_by_name("User-Agent").unwrap_or_default();
        let answered = request.header_by_name("Authorization").is_some();
        let user = claimed_user(request);
        let md5 = !answered && self.old_digest.challenge(now, source, &user, user_agent);
        let headers = match md5 {
            true => self.challenger.challenge_md5(now, realm, source, stale),
            false => self.challenger.challenge(now, realm, source, stale),
        };
        Refused { status: 401, headers, code: 32202, reason: String::new() }
    }

    /// Challenges who could not log in with any password, and says in the log why.
    pub(super) fn turn_away(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Message,
        realm: &str,
        code: u32,
        reason: String,
    ) -> Refused {
        let realm = realm.get(..realm.floor_char_boundary(MAX_REALM)).unwrap_or_default();
        let realm = realm.to_ascii_lowercase();
        match self.check_password(now, flow, request, &realm, &[]) {
            Ok(_) => Refused::new(403, code, reason),
            Err(refused) => Refused { code, reason, ..refused },
        }
    }

    /// What was wrong with a login, for the log alone: who asks hears the same of all.
    fn flaw(&self, lists: &[String], username: &str, reason: RefusedReason) -> &'static str {
        match reason {
            RefusedReason::Malformed => "unreadable credentials for",
            RefusedReason::OtherUri => "credentials of another request for",
            RefusedReason::WrongPassword => match self.directory.password(lists, username) {
                Some(_) => "wrong password for",
                None => "no user",
            },
        }
    }

    /// Counts a failed login, and gives the line for the log.
    fn login_failed(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Message,
        realm: &str,
        username: &str,
        what: &str,
    ) -> String {
        let source = flow.remote.ip().to_canonical();
        let ours = self.challenger.is_answer(request, realm, source);
        let account = account_of(realm, username);
        let phone = self.is_phone(now, flow);
        let directory = &self.directory;
        let how_often = match self.guard.failed(now, flow, account, ours, directory, || phone) {
            Failure::Counted(count) => format!("{count} in a minute"),
            Failure::Forged => "on no challenge of ours".to_owned(),
            Failure::Silenced(count) => {
                self.note_silence(flow, count);
                format!("{count} in a minute")
            }
        };
        if ours {
            self.say_all(|| Say::Strike(Strike { flow, account, phone }));
        }
        format!("{what} {username:?} in domain {realm} ({how_often})")
    }
}

/// A number for an account, known or not.
fn account_of(realm: &str, username: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (realm, username).hash(&mut hasher);
    hasher.finish()
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
    let user = who::subscriber(&user);
    let read = trunk.and_then(|trunk| trunk.numbers.read(user));
    directory.numbers.get(&read.or_else(|| normalise(user))?)
}

/// Who calls, for the handler: who proved it, at the domain where it was proved. The host in From
/// is only what a phone wrote, so another domain's user cannot be played.
fn caller_uri(username: &str, domain: &Domain, written: &str) -> String {
    match username {
        "" => who::plain_uri(written),
        user => format!("sip:{}@{}", escape_user(user), domain.name),
    }
}

/// Addresses are checked after the password, so that only users learn of them.
pub(super) fn check_address(flow: Flow, domain: &Domain) -> Result<(), Refused> {
    match domain.allows(flow.remote.ip()) {
        true => Ok(()),
        false => Err(Refused::new(403, 32201, not_allowed(flow, domain))),
    }
}

fn not_allowed(flow: Flow, domain: &Domain) -> String {
    let source = flow.remote.ip().to_canonical();
    format!("{source} is not among the allowed_ips of domain {}", domain.name)
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
        forwarded_from: who::diverted_from(invite),
        ..Incoming::default()
    };
    let voice: Voice = number.voice.clone();
    let channel = Some(Key::trunk(&trunk.name));
    Ok(Admitted { incoming, voice, any_caller_id: false, owner: Owner::default(), channel })
}

/// A domain's SID follows from its name, so that it stays the same without being stored.
pub fn domain_sid(name: &str) -> DomainSid {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(name.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    DomainSid::from_bytes(bytes)
}
