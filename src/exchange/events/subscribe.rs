//! SUBSCRIBE and NOTIFY: who may watch whom, and what is shown (RFC 6665 section 4.2).

use super::package::{Package, Rights, View};
use super::*;
use crate::directory::Watching;
use crate::sip::registrar::Gruu;
use crate::sip::subscription::{Due, EventType, Reason, Refusal, Wish};
use crate::sip::uri::escape_user;

/// The longest that phones wait before they subscribe to a server that has stopped: long enough that
/// a thousand do not come at once, short enough that no lamp is wrong for long.
const COME_BACK_WITHIN: u64 = 30;

impl Exchange {
    pub(super) fn subscribe(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        flow: Flow,
        request: &Message,
        user: &User,
    ) -> Result<Answer, Refused> {
        let found = self.events.subscriptions.find(request);
        let found = found.map(|(id, watcher, _)| (id, *watcher == *user.address));
        let granted = match found {
            Some((id, true)) => self.events.subscriptions.refresh(now, id, request, flow),
            Some((_, false)) => {
                let reason = format!("{} refreshes another's subscription", user.address);
                return Err(Refused::new(403, 32202, reason));
            }
            // It ended while its user was asked for the password.
            None if request.to().is_some_and(|to| to.tag().is_some()) => {
                return Ok(Some((481, vec![])));
            }
            None => {
                let (package, whom) = self.watchable(now, request, user)?;
                let resource: Arc<str> = whom.address_of_record.as_str().into();
                let entity = shown_as(&whom, user).into();
                let tag = self.agent.tag_of(transaction).unwrap_or_default().into();
                let watcher = user.address.clone();
                let wish = Wish { watcher, resource, entity, package: package.kind, tag };
                self.events.subscriptions.subscribe(now, request, flow, wish)
            }
        };
        let seconds = granted.map_err(|refusal| {
            let Refusal { status, headers, reason } = refusal;
            let reason = format!("{}: {reason}", user.address);
            Refused { status, headers, code: 32100, reason }
        })?;
        // RFC 6665 section 4.2.1.1: how long, and (section 8.1.1) where we are.
        let contact = self.agent.contact(flow, request.request_uri());
        let expires = ("Expires".to_owned(), seconds.to_string());
        Ok(Some((200, vec![expires, ("Contact".to_owned(), contact)])))
    }

    /// What a SUBSCRIBE asks for, if its user may have that.
    fn watchable(
        &self,
        now: Instant,
        request: &Message,
        user: &User,
    ) -> Result<(&'static Package, Whom), Refused> {
        let event = EventType::of(request);
        let Some(package) = event.and_then(|event| package::find(event.package)) else {
            // No news for the log: phones ask for all that their makers thought of.
            let refused = Refused::new(489, 32100, "");
            return Err(Refused { headers: vec![allow_events()], ..refused });
        };
        let whom = self.resource(request, user)?;
        let resource = &whom.address_of_record;
        // RFC 5627 section 6.1: a temporary GRUU ends with its registration.
        if let Some(gruu) = whom.gruu.as_ref().filter(|gruu| gruu.is_temporary())
            && self.phones_of(now, resource, Some(gruu)).is_empty()
        {
            let reason = format!("{} asks about a temporary GRUU that is over", user.address);
            return Err(Refused::new(404, 32202, reason));
        }
        match self.may_watch(&user.address, resource, package) {
            Ok(()) => Ok((package, whom)),
            Err(_) => {
                let name = package.kind.name;
                let reason = format!("{} may not watch {name} of {resource}", user.address);
                Err(Refused::new(403, 32202, reason))
            }
        }
    }

    /// Whether a user may watch another, or why not. Both are of one domain: [`Exchange::resource`]
    /// saw to that, and a directory that changes is asked again.
    fn may_watch(&self, watcher: &str, resource: &str, package: &Package) -> Result<(), Reason> {
        let (user, domain) = resource.rsplit_once('@').ok_or(Reason::Noresource)?;
        let domain = self.directory.domain(domain).ok_or(Reason::Noresource)?;
        if !self.is_user(domain, user) {
            return Err(Reason::Noresource);
        }
        let (watcher_user, _) = watcher.rsplit_once('@').ok_or(Reason::Rejected)?;
        let own = watcher == resource;
        let may = own || package.rights == Rights::Colleagues;
        match domain.watching != Watching::Nothing && may && self.is_user(domain, watcher_user) {
            true => Ok(()),
            false => Err(Reason::Rejected),
        }
    }

    /// Tells a watcher what there is to tell.
    pub(in crate::exchange) fn notify(&mut self, now: Instant, due: &Due) {
        let Some(package) = package::find(due.package) else { return };
        let view = self.view(now, due);
        let write = |version| (package.write)(&view, version);
        let Some(mut notify) = self.events.subscriptions.notify(now, due.id, write) else { return };
        notify.id |= NOTIFY;
        let command = sip::Command::Notify(Box::new(notify));
        self.agent.handle(now, sip::Input::Command(command));
    }

    /// The next watcher to whom something is to be told.
    pub(in crate::exchange) fn next_due(&mut self) -> Option<Due> {
        self.events.subscriptions.poll()
    }

    fn view(&self, now: Instant, due: &Due) -> View {
        let Due { watcher, resource, entity, .. } = due;
        let domain = resource.rsplit_once('@').and_then(|(_, name)| self.directory.domain(name));
        let open = domain.is_some_and(|domain| domain.watching == Watching::Parties);
        View {
            user: resource.clone(),
            entity: entity.clone(),
            now,
            parties: open || watcher == resource,
            dialogs: self.events.dialogs.of(now, resource),
            bindings: self.registrar.bindings(now, resource),
            published: self.events.publications.of(now, resource),
        }
    }

    /// Ends what a new directory no longer allows.
    pub(in crate::exchange) fn review_subscriptions(&mut self, now: Instant) {
        let mut subscriptions = std::mem::take(&mut self.events.subscriptions);
        subscriptions.end_where(now, |watcher, resource, name| {
            let package = package::find(name)?;
            self.may_watch(watcher, resource, package).err()
        });
        self.events.subscriptions = subscriptions;
    }

    /// Tells all watchers to subscribe anew, to whoever takes this server's place.
    pub(in crate::exchange) fn end_subscriptions(&mut self, now: Instant) {
        let Exchange { events, rng, .. } = self;
        events.subscriptions.end_where(now, |_, _, _| {
            let seconds = 1 + rng.below(COME_BACK_WITHIN) as u32;
            Some(Reason::Probation(seconds))
        });
    }

    /// How many subscriptions there are.
    pub fn subscriptions(&self) -> usize {
        self.events.subscriptions.len()
    }
}

/// The URI by which documents name whom they are about. Who knows a colleague by a temporary GRUU
/// alone does not learn from them who that is (RFC 5627 section 3.1.2).
fn shown_as(whom: &Whom, watcher: &User) -> String {
    let hidden = whom.gruu.as_ref().is_some_and(Gruu::is_temporary);
    if hidden && whom.address_of_record != *watcher.address {
        return format!("sip:{}@{};gr", escape_user(&whom.user), whom.domain);
    }
    let named = whom.address_of_record.rsplit_once('@');
    let (user, domain) = named.unwrap_or((&whom.address_of_record, ""));
    format!("sip:{}@{domain}", escape_user(user))
}
