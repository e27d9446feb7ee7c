//! All subscriptions of one notifier: found by tag and by what they watch, paced by one clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::{Dialog, EventType, Limits, MAX_LIFETIME, MIN_LIFETIME, Notify, PACE, Package};
use super::{Reason, Refusal};
use crate::base::{Duration, Instant, TimerTable};
use crate::sip::{Body, Flow, HeaderName, Message};

/// What a SUBSCRIBE asks for, as its driver has judged it.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Who asks.
    pub watcher: Arc<str>,
    /// Who is watched.
    pub resource: Arc<str>,
    /// By what URI its watcher knows it.
    pub entity: Arc<str>,
    /// For what.
    pub package: Package,
    /// The tag that the answer carries.
    pub tag: Arc<str>,
}

/// A subscription to which something may be told now: [`Subscriptions::notify`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its number.
    pub id: u64,
    /// Who watches.
    pub watcher: Arc<str>,
    /// Who is watched.
    pub resource: Arc<str>,
    /// By what URI its watcher knows it.
    pub entity: Arc<str>,
    /// The package's name.
    pub package: &'static str,
}

/// All subscriptions.
#[derive(Debug, Default)]
pub struct Subscriptions {
    limits: Limits,
    table: BTreeMap<u64, Subscription>,
    by_tag: BTreeMap<Arc<str>, u64>,
    by_resource: BTreeSet<(Arc<str>, &'static str, u64)>,
    of_watcher: BTreeMap<Arc<str>, usize>,
    /// The expiry of each, or the end of its pause if that is sooner.
    timers: TimerTable<u64>,
    due: VecDeque<u64>,
    last: u64,
}

#[derive(Debug)]
struct Subscription {
    watcher: Arc<str>,
    resource: Arc<str>,
    entity: Arc<str>,
    package: Package,
    event_id: Option<Box<str>>,
    dialog: Dialog,
    expires_at: Instant,
    /// Not before this does a change leave.
    quiet_until: Instant,
    /// The number of its next body.
    version: u32,
    /// What its latest body said, as a hash.
    shown: u64,
    owed: Owed,
    notify: Transaction,
}

/// What is to be told next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owed {
    Nothing,
    /// What changed, unless it changed back.
    Change,
    /// Everything, to one who has just subscribed or refreshed.
    All,
    /// That it is over.
    End(Reason),
}

/// Whether a NOTIFY waits for its answer: the next one leaves after it, or they could overtake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transaction {
    None,
    UnderWay,
}

impl Subscriptions {
    /// An empty table with these bounds.
    pub fn new(limits: Limits) -> Subscriptions {
        Subscriptions { limits, ..Subscriptions::default() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Who watches whom in the dialog of a request with our tag in To; `None` where there is no
    /// such dialog (481).
    pub fn find(&self, request: &Message) -> Option<(u64, &str, &str)> {
        let to = request.to()?;
        let id = *self.by_tag.get(to.tag()?)?;
        let found = self.table.get(&id).filter(|found| found.dialog.is_of(request))?;
        Some((id, &found.watcher, &found.resource))
    }

    /// Carries out a SUBSCRIBE that makes a dialog; the seconds granted. Zero is a fetch: one
    /// NOTIFY, and nothing more (RFC 6665 section 4.4.3).
    pub fn subscribe(
        &mut self,
        now: Instant,
        request: &Message,
        flow: Flow,
        wish: Wish,
    ) -> Result<u32, Refusal> {
        let granted = granted(request)?;
        acceptable(request, wish.package)?;
        if self.table.len() >= self.limits.total {
            let refusal = Refusal::new(503, "there are too many subscriptions");
            return Err(refusal.with("Retry-After", "60"));
        }
        let of_watcher = self.of_watcher.get(&wish.watcher).copied().unwrap_or(0);
        if of_watcher >= self.limits.of_watcher {
            return Err(Refusal::new(403, "its user has too many subscriptions"));
        }
        let dialog = Dialog::of_request(request, &wish.tag, flow)
            .ok_or_else(|| Refusal::new(400, "no Contact, or one too long"))?;
        let event_id = EventType::of(request).and_then(|event| event.id).map(Into::into);
        let Wish { watcher, resource, entity, package, tag } = wish;
        self.last += 1;
        let id = self.last;
        self.by_tag.insert(tag, id);
        self.by_resource.insert((resource.clone(), package.name, id));
        *self.of_watcher.entry(watcher.clone()).or_default() += 1;
        let subscription = Subscription {
            watcher,
            resource,
            entity,
            package,
            event_id,
            dialog,
            expires_at: now + granted,
            quiet_until: now,
            version: 0,
            shown: 0,
            owed: owed(granted),
            notify: Transaction::None,
        };
        self.table.insert(id, subscription);
        self.wake(now, id);
        Ok(granted.as_secs() as u32)
    }

    /// Carries out a SUBSCRIBE in a dialog that [`find`](Subscriptions::find) has found: a
    /// refresh, or with zero seconds its end.
    pub fn refresh(
        &mut self,
        now: Instant,
        id: u64,
        request: &Message,
        flow: Flow,
    ) -> Result<u32, Refusal> {
        let unknown = || Refusal::new(481, "no such subscription");
        let subscription = self.table.get_mut(&id).ok_or_else(unknown)?;
        let event = EventType::of(request).ok_or_else(|| Refusal::new(400, "no Event"))?;
        // RFC 6665 section 4.5.2: one dialog, one subscription.
        if event.package != subscription.package.name
            || event.id != subscription.event_id.as_deref()
        {
            return Err(unknown());
        }
        // It is over, and only its last NOTIFY still waits.
        if matches!(subscription.owed, Owed::End(_)) {
            return Err(unknown());
        }
        let granted = granted(request)?;
        acceptable(request, subscription.package)?;
        if !subscription.dialog.advance(request, flow) {
            return Err(Refusal::new(500, "out of order"));
        }
        subscription.expires_at = now + granted;
        subscription.owed = owed(granted);
        self.wake(now, id);
        Ok(granted.as_secs() as u32)
    }

    /// Something about a resource changed: those who watch that are told, as soon as they may.
    pub fn changed(&mut self, now: Instant, resource: &str, package: &'static str) {
        for id in self.watching(resource, package) {
            if let Some(subscription) = self.table.get_mut(&id)
                && subscription.owed == Owed::Nothing
            {
                subscription.owed = Owed::Change;
                self.wake(now, id);
            }
        }
    }

    /// Ends those for which there is a reason: who watches, who is watched, for what.
    pub fn end_where(
        &mut self,
        now: Instant,
        mut reason: impl FnMut(&str, &str, &'static str) -> Option<Reason>,
    ) {
        let mut ended = Vec::new();
        for (id, subscription) in &mut self.table {
            let Subscription { watcher, resource, package, owed, .. } = subscription;
            if !matches!(owed, Owed::End(_))
                && let Some(reason) = reason(watcher, resource, package.name)
            {
                *owed = Owed::End(reason);
                ended.push(*id);
            }
        }
        for id in ended {
            self.wake(now, id);
        }
    }

    /// The next one to which something is to be told.
    pub fn poll(&mut self) -> Option<Due> {
        loop {
            let id = self.due.pop_front()?;
            if let Some(found) = self.table.get(&id) {
                let (watcher, resource) = (found.watcher.clone(), found.resource.clone());
                let (entity, package) = (found.entity.clone(), found.package.name);
                return Some(Due { id, watcher, resource, entity, package });
            }
        }
    }

    /// The NOTIFY for a [`Due`], whose body `write` gives for its number; `None` where nothing
    /// has changed after all. A subscription that is over is forgotten with it.
    pub fn notify(
        &mut self,
        now: Instant,
        id: u64,
        write: impl Fn(u32) -> String,
    ) -> Option<Notify> {
        let subscription =
            self.table.get_mut(&id).filter(|found| found.notify == Transaction::None)?;
        let owed = std::mem::replace(&mut subscription.owed, Owed::Nothing);
        let said = hash_of(&write(0));
        if owed == Owed::Nothing || owed == Owed::Change && said == subscription.shown {
            self.wake(now, id);
            return None;
        }
        subscription.shown = said;
        subscription.quiet_until = now + PACE;
        subscription.notify = Transaction::UnderWay;
        subscription.dialog.cseq += 1;
        let state = match owed {
            Owed::End(reason) => format!("terminated;reason={reason}"),
            // Rounded up: a phone that waits that long finds it gone, not still there.
            _ => {
                let left = subscription.expires_at.since(now).as_millis().div_ceil(1000);
                format!("active;expires={left}")
            }
        };
        let event = match &subscription.event_id {
            Some(event_id) => format!("{};id={event_id}", subscription.package.name),
            None => subscription.package.name.to_owned(),
        };
        // Of what somebody may no longer see, not even the last is shown.
        let silent = matches!(owed, Owed::End(Reason::Rejected | Reason::Noresource));
        let body = (!silent).then(|| Body {
            content_type: subscription.package.content_type.to_owned(),
            bytes: write(subscription.version).into(),
        });
        subscription.version = subscription.version.wrapping_add(1);
        let headers = vec![("Event".to_owned(), event), ("Subscription-State".to_owned(), state)];
        let dialog = subscription.dialog.clone();
        if matches!(owed, Owed::End(_)) {
            self.remove(id);
        } else {
            self.wake(now, id);
        }
        Some(Notify { id, dialog, headers, body })
    }

    /// The final response to a NOTIFY, or that none came. A subscriber who does not know the
    /// subscription, or is gone, has none any more (RFC 6665 section 4.2.2, RFC 5057).
    pub fn answered(&mut self, now: Instant, id: u64, response: Option<&Message>) {
        let Some(subscription) = self.table.get_mut(&id) else { return };
        subscription.notify = Transaction::None;
        match response.and_then(Message::status) {
            Some(200..300) => {}
            None | Some(401 | 404 | 405 | 407 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 604) => {
                return self.remove(id);
            }
            Some(_) => {
                let pause = response.and_then(Message::retry_after).unwrap_or(PACE);
                let pause = pause.min(MAX_LIFETIME);
                subscription.quiet_until = subscription.quiet_until.max(now + pause);
                // What it said was not heard.
                subscription.shown = 0;
                if subscription.owed == Owed::Nothing {
                    subscription.owed = Owed::Change;
                }
            }
        }
        self.wake(now, id);
    }

    /// The next deadline.
    pub fn timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Ends what has expired, and lets go what has waited long enough.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(id) = self.timers.pop(now) {
            let Some(subscription) = self.table.get_mut(&id) else { continue };
            let over = subscription.expires_at <= now;
            if over && !matches!(subscription.owed, Owed::End(_)) {
                subscription.owed = Owed::End(Reason::Timeout);
            }
            self.wake(now, id);
        }
    }

    /// Lets what is owed go, or notes when it may.
    fn wake(&mut self, now: Instant, id: u64) {
        let Some(subscription) = self.table.get(&id) else { return };
        let expiry = subscription.expires_at;
        let at = match (subscription.notify, subscription.owed) {
            // The answer, or that none came, wakes it; that takes no longer than timer F.
            (Transaction::UnderWay, Owed::End(_)) => return self.timers.clear(&id),
            (Transaction::UnderWay, _) | (Transaction::None, Owed::Nothing) => expiry,
            (Transaction::None, Owed::All | Owed::End(_)) => now,
            (Transaction::None, Owed::Change) => subscription.quiet_until,
        };
        let idle = subscription.notify == Transaction::None && subscription.owed != Owed::Nothing;
        if idle && at <= now {
            self.timers.clear(&id);
            self.due.push_back(id);
        } else {
            self.timers.set(id, at.min(expiry));
        }
    }

    fn watching(&self, resource: &str, package: &'static str) -> Vec<u64> {
        let from = (Arc::from(resource), package, 0);
        let ours = |(who, what, _): &&(Arc<str>, &'static str, u64)| {
            **who == *resource && *what == package
        };
        self.by_resource.range(from..).take_while(ours).map(|(_, _, id)| *id).collect()
    }

    fn remove(&mut self, id: u64) {
        let Some(gone) = self.table.remove(&id) else { return };
        self.timers.clear(&id);
        self.by_tag.remove(&gone.dialog.local_tag);
        self.by_resource.remove(&(gone.resource, gone.package.name, id));
        if let Some(count) = self.of_watcher.get_mut(&gone.watcher) {
            *count -= 1;
            if *count == 0 {
                self.of_watcher.remove(&gone.watcher);
            }
        }
    }
}

/// For how long; zero for a fetch or an end.
fn granted(request: &Message) -> Result<Duration, Refusal> {
    let wish = request.expires().map_or(MAX_LIFETIME, |s| Duration::from_secs(s.into()));
    // RFC 6665 section 4.2.1.1.
    if !wish.is_zero() && wish < MIN_LIFETIME {
        let refusal = Refusal::new(423, "it wants to refresh too often");
        return Err(refusal.with("Min-Expires", MIN_LIFETIME.as_secs().to_string()));
    }
    Ok(wish.min(MAX_LIFETIME))
}

const fn owed(granted: Duration) -> Owed {
    if granted.is_zero() { Owed::End(Reason::Timeout) } else { Owed::All }
}

/// Whether the subscriber can read the package's bodies; without Accept it can (RFC 6665 section
/// 3.1.3).
fn acceptable(request: &Message, package: Package) -> Result<(), Refusal> {
    let (kind, _) = package.content_type.split_once('/').unwrap_or_default();
    let fits = |range: &str| {
        let range = range.split(';').next().unwrap_or_default().trim();
        range == "*/*"
            || range.eq_ignore_ascii_case(package.content_type)
            || range.strip_suffix("/*").is_some_and(|wanted| wanted.eq_ignore_ascii_case(kind))
    };
    let mut ranges = request.values(HeaderName::Accept).peekable();
    match ranges.peek().is_none() || ranges.any(fits) {
        true => Ok(()),
        false => Err(Refusal::new(406, "it cannot read the bodies of its package")
            .with("Accept", package.content_type)),
    }
}

fn hash_of(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
