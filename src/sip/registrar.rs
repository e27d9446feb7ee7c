//! Who is reachable where (RFC 3261 section 10, RFC 3327, RFC 5626, RFC 5627).
//!
//! A value that the driver asks and that answers: it decides about bindings and gives status and
//! headers for the reply, never about who may register. A binding keeps the flow it came on,
//! which is how a phone behind a translator is reached.

mod binding;
mod gruu;
mod kept;
#[cfg(test)]
mod tests;

pub use binding::Binding;
pub use gruu::Gruu;
pub use kept::{BindingChange, BindingKey, LAG, StoredBinding};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

use binding::{Change, Source};

use super::header::NameAddr;
use super::uri::SipUri;
use super::{Flow, HeaderField, HeaderName, Message};
use crate::base::{Duration, Epoch, Instant, TimerTable};
use gruu::Gruus;

/// Bindings of one address-of-record; a person has fewer telephones.
pub const MAX_CONTACTS: usize = 10;

/// The text of one binding in bytes (URI, instance, Path, Call-ID), so that with all else it
/// stays below 1 KB. What phones send has a quarter of that.
pub const MAX_TEXT: usize = 600;

/// The bytes of User-Agent that are kept: enough to know a phone by.
pub const MAX_USER_AGENT: usize = 64;

/// How long bindings may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Shorter wishes get 423 with Min-Expires.
    pub min: Duration,
    /// For those who wish nothing.
    pub default: Duration,
    /// Longer wishes are granted only this much.
    pub max: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Lifetimes {
            min: Duration::from_secs(60),
            default: Duration::from_secs(3600),
            max: Duration::from_secs(86_400),
        }
    }
}

/// What came of a REGISTER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The status to answer with.
    pub status: u16,
    /// The headers of the answer.
    pub headers: Vec<HeaderField>,
    /// Whether any binding was added, removed, refreshed or moved.
    pub changed: bool,
    /// Whether that was more than a refresh.
    pub moved: bool,
}

/// All bindings.
#[derive(Debug, Default)]
pub struct Registrar {
    lifetimes: Lifetimes,
    users: BTreeMap<Arc<str>, Vec<Binding>>,
    /// The next expiry of each user.
    timers: TimerTable<Arc<str>>,
    /// Whose bindings came over a flow, by its hash: a tenth of what the flow itself takes.
    by_flow: BTreeSet<(u64, Arc<str>)>,
    count: usize,
    capacity: Option<usize>,
    /// What phones with RFC 5626 are told as Flow-Timer, in seconds.
    flow_timer: Option<u32>,
    gruus: Option<Gruus>,
    /// Ties bindings that are to outlive the process to wall time; `None` where none are.
    epoch: Option<Epoch>,
    /// What is to be kept, for [`Registrar::poll`].
    changes: VecDeque<BindingChange>,
}

impl Registrar {
    /// An empty one.
    pub fn new(lifetimes: Lifetimes) -> Registrar {
        Registrar { lifetimes, ..Registrar::default() }
    }

    /// Keeps at most so many bindings in all; then new ones get 503.
    pub fn with_capacity_for(self, bindings: usize) -> Registrar {
        Registrar { capacity: Some(bindings), ..self }
    }

    /// Tells phones with RFC 5626 to show every so many seconds that they live; 0 tells nothing.
    pub fn with_flow_timer(self, seconds: u32) -> Registrar {
        Registrar { flow_timer: (seconds > 0).then_some(seconds), ..self }
    }

    /// Gives devices URIs of their own (RFC 5627), sealed with a key that outlives the process.
    pub fn with_gruus(self, key: [u8; 32]) -> Registrar {
        Registrar { gruus: Some(Gruus::new(&key)), ..self }
    }

    /// Says what is to be kept of bindings, see [`Registrar::poll`].
    pub fn keeping(self, epoch: Epoch) -> Registrar {
        Registrar { epoch: Some(epoch), ..self }
    }

    /// The next change of what is to outlive the process.
    pub fn poll(&mut self) -> Option<BindingChange> {
        self.changes.pop_front()
    }

    /// Takes back what was kept, as far as it still counts; gives how many. What does not is to be
    /// kept no more. `listener` gives the listener of today that stands for the one of then.
    pub fn restore(
        &mut self,
        now: Instant,
        kept: Vec<StoredBinding>,
        listener: impl Fn(Flow) -> Option<Flow>,
    ) -> usize {
        let Some(epoch) = self.epoch else { return 0 };
        let before = self.count;
        let mut kept = kept.into_iter().peekable();
        while let Some(first) = kept.next() {
            let aor = Arc::clone(&first.address_of_record);
            let mut bindings = self.users.get(&aor).cloned().unwrap_or_default();
            let mut next = Some(first);
            while let Some(stored) = next {
                let key = stored.key();
                let room = bindings.len() < MAX_CONTACTS
                    && self.capacity.is_none_or(|most| self.count + bindings.len() < most);
                match stored.revived(now, epoch, &listener).filter(|_| room) {
                    // Who has registered anew already knows better.
                    Some(binding) if !bindings.iter().any(|known| known.same(&binding)) => {
                        bindings.push(binding);
                    }
                    Some(_) => {}
                    None => self.changes.push_back(BindingChange::Remove(key)),
                }
                next = kept.next_if(|next| next.address_of_record == aor);
            }
            self.store(&aor, bindings);
        }
        self.count - before
    }

    /// What a URI of a domain of ours says of one device, where it does.
    pub fn gruu(&self, uri: &SipUri<'_>) -> Option<Gruu> {
        self.gruus.as_ref()?.read(uri)
    }

    /// Who hides behind the user part of a temporary GRUU.
    pub fn hidden_user(&self, named: &str) -> Option<String> {
        Some(self.gruus.as_ref()?.unseal(named)?.user)
    }

    /// Where the device of a GRUU is reachable now: nowhere, when it started anew or has gone.
    pub fn device(&self, now: Instant, aor: &str, gruu: &Gruu) -> Vec<Binding> {
        let Some(gruus) = &self.gruus else { return vec![] };
        let mut bindings = self.bindings(now, aor);
        bindings.retain(|binding| gruus.leads_to(gruu, aor, binding));
        bindings
    }

    /// Carries out a REGISTER for `aor`, whose sender is allowed to. Either everything that it
    /// asks for happens, or nothing (RFC 3261 section 10.3 step 7).
    pub fn register(&mut self, now: Instant, aor: &str, message: &Message, flow: Flow) -> Outcome {
        self.expire(now, aor);
        let changes = match self.changes(now, aor, message, flow) {
            Ok(changes) => changes,
            Err(outcome) => return outcome,
        };
        let changed = !changes.is_empty();
        let mut bindings = self.users.get(aor).cloned().unwrap_or_default();
        let before = bindings.len();
        let moved = changes.iter().any(|change| change.moves(&bindings));
        for change in changes {
            change.apply(&mut bindings);
        }
        if bindings.len() > MAX_CONTACTS {
            return refusal(403, ("Warning", "399 offhook \"too many contacts\""));
        }
        let total = self.count - before + bindings.len();
        if bindings.len() > before && self.capacity.is_some_and(|most| total > most) {
            return refusal(503, ("Retry-After", "60"));
        }
        let headers = self.listing(now, aor, &bindings, message);
        if changed {
            self.store(aor, bindings);
        }
        Outcome { status: 200, headers, changed, moved }
    }

    /// The answer to a REGISTER that came before and whose answer was lost: the same refusal, or
    /// what is registered now. It changes nothing.
    pub fn repeat(&mut self, now: Instant, aor: &str, message: &Message, flow: Flow) -> Outcome {
        self.expire(now, aor);
        let bindings = self.users.get(aor).map_or(&[][..], |bindings| bindings);
        let Some(source) = Source::of(message, flow) else { return plain(400) };
        let known = bindings.iter().any(|binding| source.made(binding));
        if !known && let Err(outcome) = self.changes(now, aor, message, flow) {
            return outcome;
        }
        let headers = self.listing(now, aor, bindings, message);
        Outcome { status: 200, headers, changed: false, moved: false }
    }

    /// Where a user is reachable now, the one that it prefers first (by q, then the latest).
    pub fn bindings(&self, now: Instant, aor: &str) -> Vec<Binding> {
        let all = self.users.get(aor).into_iter().flatten();
        let mut alive: Vec<Binding> = all.filter(|b| b.expires_at > now).cloned().collect();
        alive.sort_by_key(|b| (std::cmp::Reverse(b.q), std::cmp::Reverse(b.updated_at)));
        alive
    }

    /// Everyone and their bindings, in order of the address-of-record.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Binding])> {
        self.users.iter().map(|(aor, bindings)| (&**aor, &bindings[..]))
    }

    /// Users in order of the address-of-record, those after one.
    pub fn users_after(&self, aor: &str) -> impl Iterator<Item = (&Arc<str>, &[Binding])> {
        let after = (Bound::Excluded(aor), Bound::Unbounded);
        self.users.range::<str, _>(after).map(|(aor, bindings)| (aor, &bindings[..]))
    }

    /// How many users there are.
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// How many bindings there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// A stream connection is closed: its bindings are reached at their Contact from here on, or
    /// end, where nothing else led there (RFC 5626 section 5.3). Gives the users who lost one.
    pub fn close(&mut self, flow: Flow) -> Vec<Arc<str>> {
        let mut losers = Vec::new();
        for user in self.users_of(flow) {
            let Some(bindings) = self.users.get(&user) else { continue };
            let stays = |binding: &Binding| match binding.flow == flow {
                true => Some(Binding { flow: binding.flow_when_closed()?, ..binding.clone() }),
                false => Some(binding.clone()),
            };
            let kept: Vec<Binding> = bindings.iter().filter_map(stays).collect();
            let fewer = kept.len() < bindings.len();
            self.store(&user, kept);
            if fewer {
                losers.push(user);
            }
        }
        losers
    }

    /// Whose bindings came over a flow.
    pub fn users_of(&self, flow: Flow) -> Vec<Arc<str>> {
        let came = |aor: &str| {
            self.users.get(aor).is_some_and(|bindings| bindings.iter().any(|b| b.flow == flow))
        };
        self.on_flow(flow).filter(|aor| came(aor)).cloned().collect()
    }

    /// Whether a binding that is alive came over a flow.
    pub fn has_flow(&self, now: Instant, flow: Flow) -> bool {
        let alive = |b: &Binding| b.flow == flow && b.expires_at > now;
        let of_user = |aor: &str| self.users.get(aor).is_some_and(|b| b.iter().any(alive));
        // The first decides: a proxy may hold thousands of users on one flow, and whoever judges
        // messages asks for each.
        self.on_flow(flow).any(|aor| of_user(aor))
    }

    /// The users whose bindings came on that flow, and on whichever have the same hash.
    fn on_flow(&self, flow: Flow) -> impl Iterator<Item = &Arc<str>> {
        let hash = hash_of(flow);
        let of_hash = self.by_flow.range((hash, Arc::from(""))..);
        of_hash.take_while(move |(h, _)| *h == hash).map(|(_, aor)| aor)
    }

    /// The next expiry.
    pub fn timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Removes what has expired; the users concerned.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<String> {
        let mut expired = Vec::new();
        while let Some(aor) = self.timers.pop(now) {
            self.expire(now, &aor);
            expired.push(aor.to_string());
        }
        expired
    }

    /// What a REGISTER asks for, or why it gets nothing.
    fn changes(
        &self,
        now: Instant,
        aor: &str,
        message: &Message,
        flow: Flow,
    ) -> Result<Vec<Change>, Outcome> {
        let bindings = self.users.get(aor).map_or(&[][..], |bindings| bindings);
        let source = Source::of(message, flow).ok_or_else(|| plain(400))?;
        if source.outbound && !first_hop_knows(message) {
            // RFC 5626 section 6: 439 First Hop Lacks Outbound Support.
            return Err(plain(439));
        }
        let in_order = |b: &Binding| {
            if source.supersedes(b) { Ok(()) } else { Err(plain(500)) }
        };
        if message.has_star_contact() {
            // RFC 3261 section 10.3 step 6.
            let alone = message.values(HeaderName::Contact).count() == 1;
            if !alone || message.expires() != Some(0) {
                return Err(plain(400));
            }
            bindings.iter().try_for_each(in_order)?;
            let removals = bindings.iter().map(|b| Change::Remove(b.identity()));
            return Ok(removals.collect());
        }
        let mut changes = Vec::new();
        let mut flows = 0;
        for contact in message.contacts() {
            if changes.len() > MAX_CONTACTS {
                return Err(plain(403));
            }
            let granted = self.granted(message, contact.params().get("expires"))?;
            flows += usize::from(granted.is_some() && source.is_flow(&contact));
            // RFC 5626 section 6: one REGISTER makes one flow.
            if flows > 1 {
                return Err(plain(400));
            }
            let binding = source
                .binding(&contact, now, granted.unwrap_or_default())
                .ok_or_else(|| plain(400))?;
            for known in bindings.iter().filter(|known| known.same(&binding)) {
                in_order(known)?;
            }
            match granted {
                Some(_) => changes.push(Change::Put(Box::new(binding))),
                None => changes.push(Change::Remove(binding.identity())),
            }
        }
        // Removing what is not there changes nothing.
        changes.retain(|change| change.concerns(bindings));
        Ok(changes)
    }

    /// How long a contact is kept; `None` removes it. A malformed wish counts as none (RFC 3261
    /// section 10.2.1.1). Zero is never too brief.
    fn granted(
        &self,
        message: &Message,
        parameter: Option<&str>,
    ) -> Result<Option<Duration>, Outcome> {
        let own = parameter.map(|text| text.parse::<u32>().unwrap_or(3600));
        let wish = own.or_else(|| message.expires());
        let wish = wish.map_or(self.lifetimes.default, |s| Duration::from_secs(s.into()));
        if wish.is_zero() {
            return Ok(None);
        }
        if wish < self.lifetimes.min {
            let seconds = self.lifetimes.min.as_secs().to_string();
            return Err(refusal(423, ("Min-Expires", &seconds)));
        }
        Ok(Some(wish.min(self.lifetimes.max)))
    }

    /// The headers of a 200: every binding with what is left of it (RFC 3261 section 10.3
    /// step 8), and what was made of extensions (RFC 3327 section 5.3, RFC 5626 section 6).
    fn listing(
        &self,
        now: Instant,
        aor: &str,
        bindings: &[Binding],
        message: &Message,
    ) -> Vec<HeaderField> {
        // RFC 5627 section 5.1: for those who say that they know what it is.
        let gruus = self.gruus.as_ref().filter(|_| supports(message, "gruu"));
        let more = |b: &Binding| gruus.and_then(|gruus| gruus.parameters(aor, b));
        let contact = |b: &Binding| b.contact(now, &more(b).unwrap_or_default());
        let mut headers: Vec<HeaderField> =
            bindings.iter().map(|b| ("Contact".to_owned(), contact(b))).collect();
        for path in message.values(HeaderName::Path) {
            headers.push(("Path".to_owned(), path.to_owned()));
        }
        if outbound(message) && message.contacts().any(|contact| binding::names_flow(&contact)) {
            headers.push(("Require".to_owned(), "outbound".to_owned()));
            // Only the first hop knows its flow (RFC 5626 section 5.4).
            let direct = message.values(HeaderName::Path).next().is_none();
            if let Some(seconds) = self.flow_timer.filter(|_| direct) {
                headers.push(("Flow-Timer".to_owned(), seconds.to_string()));
            }
        }
        headers
    }

    fn expire(&mut self, now: Instant, aor: &str) {
        let Some(bindings) = self.users.get(aor) else { return };
        if bindings.iter().any(|binding| binding.expires_at <= now) {
            let alive = bindings.iter().filter(|b| b.expires_at > now).cloned().collect();
            self.store(aor, alive);
        }
    }

    fn store(&mut self, aor: &str, mut bindings: Vec<Binding>) {
        let known = self.users.get_key_value(aor).map(|(key, _)| key.clone());
        let key = known.unwrap_or_else(|| aor.into());
        let next = bindings.iter().map(|binding| binding.expires_at).min();
        self.count += bindings.len();
        // A list that grew by one has room for four, and most users have one phone.
        bindings.shrink_to_fit();
        let before = self.users.remove(&key).unwrap_or_default();
        self.count -= before.len();
        self.keep(&key, &before, &mut bindings);
        for binding in before {
            self.by_flow.remove(&(hash_of(binding.flow), key.clone()));
        }
        for binding in &bindings {
            self.by_flow.insert((hash_of(binding.flow), key.clone()));
        }
        match next {
            Some(at) => {
                self.timers.set(key.clone(), at);
                self.users.insert(key, bindings);
            }
            None => self.timers.clear(&key),
        }
    }
}

impl Registrar {
    /// Says what is to be written of a user's bindings: what is new or moved, and what is gone. A
    /// refresh that changes nothing but the end waits until that is worth a write.
    fn keep(&mut self, aor: &Arc<str>, before: &[Binding], bindings: &mut [Binding]) {
        let Some(epoch) = self.epoch else { return };
        for binding in &mut *bindings {
            let known = before.iter().find(|known| known.same_key(binding));
            match known {
                Some(known) if binding.is_kept_as(known) => binding.kept_until = known.kept_until,
                // It was read back just now.
                None if binding.kept_until.is_some() => {}
                _ => {
                    binding.kept_until = Some(binding.expires_at);
                    let stored = StoredBinding::of(aor, binding, epoch);
                    self.changes.push_back(BindingChange::Set(Box::new(stored)));
                }
            }
        }
        for gone in before {
            if !bindings.iter().any(|binding| binding.same_key(gone)) {
                self.changes.push_back(BindingChange::Remove(gone.key(aor)));
            }
        }
    }
}

/// Whether the phone speaks RFC 5626.
fn outbound(message: &Message) -> bool {
    supports(message, "outbound")
}

/// Whether the phone names an extension.
fn supports(message: &Message, option: &str) -> bool {
    let names = |name| message.values(name).any(|tag: &str| tag.eq_ignore_ascii_case(option));
    names(HeaderName::Supported) || names(HeaderName::Require)
}

/// Whether the hop that the phone itself reached keeps its flow: we, when nobody is between, or a
/// proxy that says so by `ob` in its Path (RFC 5626 section 5.1).
fn first_hop_knows(message: &Message) -> bool {
    let names_flow = message.contacts().any(|contact| binding::names_flow(&contact));
    if !names_flow || message.values(HeaderName::Via).count() < 2 {
        return true;
    }
    let first = message.values(HeaderName::Path).last().and_then(NameAddr::parse);
    first.and_then(|path| Some(path.sip_uri()?.params().has("ob"))).unwrap_or(false)
}

/// A short name for a flow. Two may share it, so what it finds is looked at.
fn hash_of(flow: Flow) -> u64 {
    let mut hasher = DefaultHasher::new();
    flow.hash(&mut hasher);
    hasher.finish()
}

fn plain(status: u16) -> Outcome {
    Outcome { status, headers: Vec::new(), changed: false, moved: false }
}

fn refusal(status: u16, (name, value): (&str, &str)) -> Outcome {
    Outcome { headers: vec![(name.to_owned(), value.to_owned())], ..plain(status) }
}
