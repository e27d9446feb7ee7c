//! Events of users: who watches whom, what is told, and messages from user to user.
//!
//! All of it belongs to the user who is watched or written to, and lives where its registrations
//! live. Calls say what they do by [`Exchange::publish`] alone, and registrations by
//! [`Exchange::registrations_changed`]. Only users who have logged in may ask for anything, and only
//! about users of their own domain: nothing comes from trunks (RFC 6665, RFC 3903, RFC 3428).

use super::admission::{Proof, check_address};
use super::door::Welcome;
use super::refusal::Refused;
use super::registration::Whom;
use super::*;
use crate::directory::Domain;
use crate::sip::subscription::Subscriptions;
use crate::sip::uri::SipUri;
use crate::sip::{HeaderField, Message, Method, TransactionId};

mod dialogs;
mod message;
mod package;
mod publication;
mod subscribe;

pub(super) use dialogs::DialogInfo;
pub(super) use package::allow_events;

/// Numbers of our NOTIFYs have this bit, apart from those of other requests of ours.
const NOTIFY: u64 = 1 << 62;

/// Numbers of MESSAGEs that we pass on, likewise.
const MESSAGE: u64 = 1 << 61;

/// Whether a reply is to a request that was sent from here.
pub(super) const fn is_ours(id: u64) -> bool {
    id & (NOTIFY | MESSAGE) != 0
}

/// Everything about events.
#[derive(Default)]
pub(super) struct Events {
    subscriptions: Subscriptions,
    /// What users are doing in calls.
    dialogs: dialogs::Dialogs,
    /// What phones say of their users.
    publications: publication::Publications,
    relays: message::Relays,
    /// Who sends the request that is being let in.
    admitted: Option<User>,
}

impl Events {
    pub(super) fn timeout(&self) -> Option<Instant> {
        let own = [self.subscriptions.timeout(), self.publications.timeout()];
        let own = own.into_iter().chain([self.relays.timeout(), self.dialogs.timeout()]);
        own.flatten().min()
    }
}

/// A user who has logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    /// `user@domain`.
    address: Arc<str>,
    /// The domain where that was proved.
    domain: String,
}

/// The answer to a request; `None` when it comes later.
type Answer = Option<(u16, Vec<HeaderField>)>;

impl Exchange {
    /// Lets a user's request in, or says why not. A SUBSCRIBE in a dialog that is not there is
    /// told so at once: after a restart phones then subscribe anew (RFC 6665 section 4.1.2.2).
    pub(super) fn admit_user(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Message,
    ) -> Result<Welcome, Refused> {
        let tagged = request.to().is_some_and(|to| to.tag().is_some());
        if tagged && self.events.subscriptions.find(request).is_none() {
            return Ok(Welcome::Answer(481, vec![]));
        }
        let directory = Arc::clone(&self.directory);
        let uri = SipUri::parse(request.request_uri())
            .ok_or_else(|| Refused::new(400, 32100, "the Request-URI is not a SIP URI"))?;
        let Some(domain) = domain_of(&directory, request) else {
            let source = flow.remote.ip().to_canonical();
            if let Some(trunk) = directory.trunk_from(source) {
                let reason = format!("trunk {} may only call", trunk.name);
                return Err(Refused::new(403, 32100, reason));
            }
            let reason = format!("no domain {:?} is configured", uri.host());
            return Err(self.turn_away(now, flow, request, uri.host(), 32002, reason));
        };
        let lists = lists_of(domain);
        if lists.is_empty() {
            let reason = format!("nobody can log in at domain {}", domain.name);
            return Err(self.turn_away(now, flow, request, &domain.name, 32202, reason));
        }
        match self.check_password(now, flow, request, &domain.name, &lists)? {
            Proof::First(username) => {
                check_address(flow, domain)?;
                let address = format!("{username}@{}", domain.name).into();
                Ok(Welcome::Request(User { address, domain: domain.name.clone() }))
            }
            // Its transaction is over long since: a replay.
            Proof::Again(_) => Err(self.challenge(now, flow, request, &domain.name, true)),
        }
    }

    /// Who sends the request that [`admit_user`](Exchange::admit_user) let in.
    pub(super) fn let_in(&mut self, user: User) {
        self.events.admitted = Some(user);
    }

    /// Carries out a request that was let in.
    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        flow: Flow,
        request: &Message,
    ) {
        let answer = match (self.events.admitted.take(), request.method()) {
            (Some(user), Method::Subscribe) => {
                self.subscribe(now, transaction, flow, request, &user)
            }
            (Some(user), Method::Publish) => self.publish_presence(now, flow, request, &user),
            (Some(user), Method::Message) => {
                self.pass_message(now, transaction, flow, request, &user)
            }
            _ => Ok(Some((500, vec![]))),
        };
        let (status, headers) = match answer {
            Ok(Some(answer)) => answer,
            Ok(None) => return,
            Err(refused) => {
                self.note_refusal(now, request.method_name(), flow, &refused);
                self.tell_refusal(request.method().name(), flow, request, &refused);
                (refused.status, refused.headers)
            }
        };
        self.answer(now, transaction, status, headers);
    }

    fn answer(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        status: u16,
        headers: Vec<HeaderField>,
    ) {
        let respond = sip::Command::Respond { transaction, status, headers, body: None };
        self.agent.handle(now, sip::Input::Command(respond));
    }

    /// Whom a request of a user is about: a user of its domain, or one of that user's devices (RFC
    /// 5627). A URI without a user part means the sender itself.
    fn resource(&self, request: &Message, user: &User) -> Result<Whom, Refused> {
        let uri = SipUri::parse(request.request_uri())
            .ok_or_else(|| Refused::new(400, 32100, "the Request-URI is not a SIP URI"))?;
        let host = self.directory.domain(uri.host());
        if host.is_some_and(|host| host.name != user.domain) {
            let reason = format!("{} asks about a user of another domain", user.address);
            return Err(Refused::new(403, 32202, reason));
        }
        let mut whom = self.whom(&uri, &user.domain);
        if whom.user.is_empty() {
            whom.address_of_record = user.address.to_string();
        }
        let domain = self.directory.domain(&user.domain);
        let meant = whom.address_of_record.rsplit_once('@').map_or("", |(meant, _)| meant);
        let known = domain.is_some_and(|domain| self.is_user(domain, meant));
        if !known {
            let reason = format!("{} asks about {:?}, who is no user", user.address, whom.user);
            return Err(Refused::new(404, 32202, reason));
        }
        Ok(whom)
    }

    fn is_user(&self, domain: &Domain, user: &str) -> bool {
        self.directory.password(&lists_of(domain), user).is_some()
    }

    /// A user's registrations changed.
    pub(super) fn registrations_changed(&mut self, now: Instant, user: &str) {
        for package in ["reg", "presence"] {
            self.events.subscriptions.changed(now, user, package);
        }
    }

    /// The answer to a request of ours.
    pub(super) fn event_reply(&mut self, now: Instant, id: u64, message: Option<&Message>) {
        match id & NOTIFY != 0 {
            true => self.events.subscriptions.answered(now, id & !NOTIFY, message),
            false => self.message_answered(now, id & !MESSAGE, message),
        }
    }

    pub(super) fn events_timeout(&mut self, now: Instant) {
        self.events.subscriptions.handle_timeout(now);
        for user in self.events.publications.handle_timeout(now) {
            self.events.subscriptions.changed(now, &user, "presence");
        }
        self.give_messages_up(now);
        self.dialogs_timeout(now);
    }
}

/// The domain that a request is about: of its Request-URI, or of To where a phone writes the
/// address of its server there, or of From.
fn domain_of<'a>(directory: &'a Directory, request: &Message) -> Option<&'a Domain> {
    let asked = SipUri::parse(request.request_uri());
    let asked = asked.and_then(|uri| directory.domain(uri.host()));
    let of = |address: Option<sip::header::NameAddr<'_>>| {
        let address = address?;
        directory.domain(address.sip_uri()?.host())
    };
    asked.or_else(|| of(request.to())).or_else(|| of(request.from()))
}

/// Where the users of a domain have their passwords: those who register and those who call.
fn lists_of(domain: &Domain) -> Vec<String> {
    domain.registration.iter().chain(&domain.calls).cloned().collect()
}
