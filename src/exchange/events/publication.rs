//! PUBLISH: what phones say of their users (RFC 3903). Of a document only what is shown again is
//! kept: whether the user is open, what it is doing, and a note.

use super::*;
use crate::base::TimerTable;
use crate::markup::{self, Element};
use crate::sip::HeaderName;
use crate::sip::header::Via;
use crate::sip::subscription::{EventType, MAX_LIFETIME, MIN_LIFETIME};

/// The type of presence documents (RFC 3863 section 4.1).
const PIDF: &str = "application/pidf+xml";

/// Documents of one user: one of each phone.
const MAX_PUBLICATIONS: usize = 10;

/// The bytes of a document; phones send 500.
const MAX_DOCUMENT: usize = 16 * 1024;

/// Vias that are looked at to tell a device: those of the proxies between, and its own.
const MAX_VIAS: usize = 4;

/// The characters of a note.
const MAX_NOTE: usize = 200;

/// Activities of one document.
const MAX_ACTIVITIES: usize = 4;

/// RFC 4480 section 3.2: no other word is shown to watchers.
const ACTIVITIES: [&str; 26] = [
    "appointment",
    "away",
    "breakfast",
    "busy",
    "dinner",
    "holiday",
    "in-transit",
    "looking-for-work",
    "lunch",
    "meal",
    "meeting",
    "on-the-phone",
    "performance",
    "permanent-absence",
    "playing",
    "presentation",
    "shopping",
    "sleeping",
    "spectator",
    "steering",
    "travel",
    "tv",
    "vacation",
    "working",
    "worship",
    "unknown",
];

/// What a user's phones say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Published {
    /// Whether it is open for calls; `None` if no phone says.
    pub open: Option<bool>,
    pub activities: Vec<&'static str>,
    pub note: Option<String>,
}

/// What tells a user's phones apart: whence a PUBLISH comes, and through whom.
///
/// Nothing in a document does. A tuple's `id` is unique in its document only (RFC 3863 section
/// 4.1.2), and its contact is mostly the user's address: some makers write the same two in every
/// phone, others draw a new `id` for each document. PUBLISH has no Contact either, and Call-ID and
/// From's tag are new for each request outside a dialog. Phones behind one proxy share the flow, but
/// not the Via below the proxy's.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Device {
    flow: Flow,
    /// Sent-by and, where a proxy filled it in, the source of each Via.
    vias: String,
}

impl Device {
    fn of(flow: Flow, request: &Message) -> Device {
        let mut vias = String::new();
        for via in request.values(HeaderName::Via).take(MAX_VIAS).filter_map(Via::parse) {
            // Our own note of the source in the topmost says no more than the flow.
            let noted = !vias.is_empty();
            let received = via.received().filter(|_| noted).unwrap_or_default();
            let rport = via.rport().filter(|_| noted).unwrap_or_default();
            let port = via.port().unwrap_or_default();
            let host = via.host().to_ascii_lowercase();
            vias.push_str(&format!("{host}:{port}:{received}:{rport} "));
        }
        Device { flow, vias }
    }
}

#[derive(Clone, Debug)]
struct Publication {
    /// `None`: it cannot be told from others.
    device: Option<Device>,
    /// Names it and what it says (RFC 3903 section 8.1).
    etag: String,
    expires_at: Instant,
    says: Published,
}

/// All of them.
#[derive(Default)]
pub(super) struct Publications {
    users: BTreeMap<Arc<str>, Vec<Publication>>,
    /// The next expiry of each user.
    timers: TimerTable<Arc<str>>,
}

impl Publications {
    /// What is said of a user: it is open if one phone says so, and the latest note counts.
    pub(super) fn of(&self, now: Instant, user: &str) -> Published {
        let mut all = Published::default();
        let alive = self.users.get(user).into_iter().flatten().filter(|p| p.expires_at > now);
        for Publication { says, .. } in alive {
            all.open = says.open.map(|open| open || all.open == Some(true)).or(all.open);
            for activity in &says.activities {
                if !all.activities.contains(activity) {
                    all.activities.push(activity);
                }
            }
            all.note = says.note.clone().or(all.note);
        }
        all
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Forgets what has expired; whose.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Vec<Arc<str>> {
        let mut users = Vec::new();
        while let Some(user) = self.timers.pop(now) {
            self.keep(&user, |publication| publication.expires_at > now);
            users.push(user);
        }
        users
    }

    fn keep(&mut self, user: &Arc<str>, wanted: impl Fn(&Publication) -> bool) {
        let Some(publications) = self.users.get_mut(user) else { return };
        publications.retain(wanted);
        match publications.iter().map(|publication| publication.expires_at).min() {
            Some(at) => self.timers.set(user.clone(), at),
            None => {
                self.users.remove(user);
                self.timers.clear(user);
            }
        }
    }

    /// Takes what a phone says now, in place of what it said under `before`; without a tag, in
    /// place of all that it said: it began anew, or had no answer yet. Else its old word would
    /// stand beside its new one, until it expires. How publications become one state is ours to
    /// say (RFC 3903 section 1); the tag that was replaced gets 412 from now on (section 6 step 4).
    fn put(&mut self, user: &Arc<str>, before: Option<&str>, publication: Publication) {
        let device = &publication.device;
        self.keep(user, |known| match before {
            Some(etag) => known.etag != etag,
            None => device.is_none() || known.device != *device,
        });
        let publications = self.users.entry(user.clone()).or_default();
        // From ever new addresses: the oldest gives way.
        if publications.len() >= MAX_PUBLICATIONS {
            publications.remove(0);
        }
        publications.push(publication);
        self.keep(user, |_| true);
    }

    fn find(&self, now: Instant, user: &str, etag: &str) -> Option<&Publication> {
        let mut all = self.users.get(user).into_iter().flatten();
        all.find(|known| known.etag == etag && known.expires_at > now)
    }
}

impl Exchange {
    /// The device that publishes, where it can be told from the user's others: proxies that hide
    /// what is behind them make several look like one, which would take turns to unsay each other.
    fn device(&self, now: Instant, flow: Flow, request: &Message, address: &str) -> Option<Device> {
        let bindings = self.registrar.bindings(now, address);
        let here = bindings.iter().filter(|binding| binding.flow == flow).count();
        (here <= 1).then(|| Device::of(flow, request))
    }

    pub(super) fn publish_presence(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Message,
        user: &User,
    ) -> Result<Answer, Refused> {
        if EventType::of(request).is_none_or(|event| event.package != "presence") {
            let allow = ("Allow-Events".to_owned(), "presence".to_owned());
            return Err(Refused { headers: vec![allow], ..Refused::new(489, 32100, "") });
        }
        if self.resource(request, user)?.address_of_record != *user.address {
            let reason = format!("{} publishes for another user", user.address);
            return Err(Refused::new(403, 32202, reason));
        }
        let before = request.header_by_name("SIP-If-Match").map(str::trim);
        let known = before.map(|etag| self.events.publications.find(now, &user.address, etag));
        // RFC 3903 section 6 step 4.
        if matches!(known, Some(None)) {
            return Ok(Some((412, vec![])));
        }
        let lifetime = lifetime(request)?;
        let says = match (request.body().is_empty(), known.flatten()) {
            (true, Some(known)) => known.says.clone(),
            (true, None) => return Err(Refused::new(400, 32100, "a PUBLISH without a document")),
            (false, _) => read(request)?,
        };
        let etag = self.rng.hex(16);
        let answer = vec![
            ("SIP-ETag".to_owned(), etag.clone()),
            ("Expires".to_owned(), lifetime.as_secs().to_string()),
        ];
        let expires_at = now + lifetime;
        let device = self.device(now, flow, request, &user.address);
        let publications = &mut self.events.publications;
        match lifetime.is_zero() {
            true => publications.keep(&user.address, |p| Some(p.etag.as_str()) != before),
            false => {
                let publication = Publication { device, etag, expires_at, says };
                publications.put(&user.address, before, publication);
            }
        }
        self.events.subscriptions.changed(now, &user.address, "presence");
        Ok(Some((200, answer)))
    }
}

/// For how long; zero takes it back (RFC 3903 section 4.5).
fn lifetime(request: &Message) -> Result<Duration, Refused> {
    let wish = request.expires().map_or(MAX_LIFETIME, |s| Duration::from_secs(s.into()));
    if !wish.is_zero() && wish < MIN_LIFETIME {
        let least = ("Min-Expires".to_owned(), MIN_LIFETIME.as_secs().to_string());
        return Err(Refused { headers: vec![least], ..Refused::new(423, 32100, "") });
    }
    Ok(wish.min(MAX_LIFETIME))
}

/// What a presence document says.
fn read(request: &Message) -> Result<Published, Refused> {
    if !request.is_content_type(PIDF) {
        let accept = ("Accept".to_owned(), PIDF.to_owned());
        return Err(Refused { headers: vec![accept], ..Refused::new(415, 32100, "") });
    }
    let body = request.body();
    if body.len() > MAX_DOCUMENT {
        return Err(Refused::new(413, 32100, "a presence document is too long"));
    }
    let tree = markup::parse(&body)
        .map_err(|_| Refused::new(400, 32100, "a presence document is not well-formed"))?;
    let mut says = Published::default();
    gather(&tree.root, &mut says);
    Ok(says)
}

/// Reads what is known, wherever it stands; the reader of markup bounds the depth.
fn gather(element: &Element, says: &mut Published) {
    for child in element.elements() {
        match local(&child.name) {
            "basic" => {
                let open = child.text().eq_ignore_ascii_case("open");
                says.open = Some(open || says.open == Some(true));
            }
            "note" if says.note.is_none() => {
                let note: String = child.text().chars().take(MAX_NOTE).collect();
                says.note = Some(note).filter(|note| !note.is_empty());
            }
            "activities" => {
                for activity in child.elements() {
                    let known = ACTIVITIES.into_iter().find(|a| *a == local(&activity.name));
                    let room = says.activities.len() < MAX_ACTIVITIES;
                    says.activities.extend(known.filter(|_| room));
                }
            }
            _ => gather(child, says),
        }
    }
}

/// A name without its namespace's prefix.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publication(etag: &str, seconds: u64, open: bool, note: &str) -> Publication {
        let note = (!note.is_empty()).then(|| note.to_owned());
        let says = Published { open: Some(open), activities: vec!["away"], note };
        let expires_at = Instant::from_millis(seconds * 1_000);
        // Each from a phone of its own.
        let device = Some(device(&format!("SIP/2.0/UDP {etag}.example")));
        Publication { device, etag: etag.to_owned(), expires_at, says }
    }

    fn device(vias: &str) -> Device {
        let listener: SocketAddr = "192.0.2.1:5060".parse().expect("an address");
        let (transport, remote) = (Transport::Tcp, "192.0.2.7:40000".parse().expect("an address"));
        let flow = Flow { transport, local: listener, remote, connection: 7 };
        let head = "From: <sip:bob@h>;tag=1\r\nTo: <sip:bob@h>\r\nCall-ID: c\r\nCSeq: 1 PUBLISH";
        let text = format!("PUBLISH sip:bob@h SIP/2.0\r\nVia: {vias}\r\n{head}\r\n\r\n");
        match Message::parse(text.into()) {
            sip::Parsed::Valid(message) => Device::of(flow, &message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_phone_is_told_by_its_way_and_not_by_its_branches() {
        let own = device("SIP/2.0/TCP 10.0.0.7:5060;branch=z9hG4bKa;rport");
        assert_eq!(own, device("SIP/2.0/TCP 10.0.0.7:5060;branch=z9hG4bKb;rport"));
        let behind = |via: &str| device(&format!("SIP/2.0/TCP proxy;branch=z9hG4bKp, {via}"));
        let (one, two) = ("SIP/2.0/UDP 10.0.0.8", "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKx");
        assert_ne!(behind(one), behind(two));
        let translated = |port| behind(&format!("{one};received=192.0.2.44;rport={port}"));
        assert_ne!(translated(1_024), translated(1_025));
        assert_eq!(translated(1_024), translated(1_024));
    }

    #[test]
    fn what_a_phone_says_anew_takes_the_place_of_what_it_said() {
        let (mut all, user): (_, Arc<str>) = (Publications::default(), "bob@h".into());
        let (now, open) = (Instant::from_millis(0), |all: &Publications| {
            all.of(Instant::from_millis(0), "bob@h").open
        });
        let first = publication("a", 100, true, "");
        let second =
            Publication { device: first.device.clone(), ..publication("b", 100, true, "") };
        let closed =
            Publication { device: first.device.clone(), ..publication("c", 100, false, "") };
        all.put(&user, None, first);
        all.put(&user, None, second);
        assert!(all.find(now, &user, "a").is_none() && all.find(now, &user, "b").is_some());
        all.put(&user, Some("b"), closed);
        assert_eq!(open(&all), Some(false), "nothing that it said before is left");
        all.put(&user, None, publication("other", 100, true, ""));
        assert_eq!(open(&all), Some(true), "another phone speaks for itself");
        assert!(all.find(now, &user, "c").is_some());
    }

    #[test]
    fn phones_that_look_alike_unsay_nothing_of_one_another() {
        let (mut all, user): (_, Arc<str>) = (Publications::default(), "bob@h".into());
        let now = Instant::from_millis(0);
        let alike = |etag: &str| Publication { device: None, ..publication(etag, 100, true, "") };
        all.put(&user, None, alike("a"));
        all.put(&user, None, alike("b"));
        assert!(all.find(now, &user, "a").is_some() && all.find(now, &user, "b").is_some());
        // A tag names what it replaces, and nothing else of its device.
        let first = publication("c", 100, true, "");
        let again = |etag: &str| Publication {
            device: first.device.clone(),
            ..publication(etag, 100, true, "")
        };
        let (second, third) = (again("d"), again("e"));
        all.put(&user, None, first.clone());
        all.put(&user, Some("a"), second);
        all.put(&user, Some("b"), third);
        for (etag, stands) in [("a", false), ("b", false), ("c", true), ("d", true), ("e", true)] {
            assert_eq!(all.find(now, &user, etag).is_some(), stands, "{etag}");
        }
    }

    #[test]
    fn phones_together_say_one_thing_and_each_ends_in_its_time() {
        let (mut all, user): (_, Arc<str>) = (Publications::default(), "bob@h".into());
        let at = |seconds: u64| Instant::from_millis(seconds * 1_000);
        all.put(&user, None, publication("a", 100, true, "first"));
        all.put(&user, None, publication("b", 200, false, "second"));
        let said = all.of(at(0), &user);
        assert_eq!((said.open, said.note.as_deref()), (Some(true), Some("second")));
        assert_eq!(said.activities, ["away"]);
        assert_eq!(all.timeout(), Some(at(100)));
        assert_eq!(all.handle_timeout(at(100)), std::slice::from_ref(&user));
        assert_eq!(all.of(at(100), &user).open, Some(false));
        all.put(&user, Some("b"), publication("c", 300, true, ""));
        assert!(all.find(at(100), &user, "b").is_none() && all.find(at(100), &user, "c").is_some());
        all.keep(&user, |_| false);
        assert_eq!((all.timeout(), all.of(at(100), &user)), (None, Published::default()));
        for number in 0..20 {
            all.put(&user, None, publication(&number.to_string(), 400, true, ""));
        }
        assert!(all.find(at(0), &user, "9").is_none() && all.find(at(0), &user, "10").is_some());
    }

    #[test]
    fn of_a_document_only_known_words_are_kept() {
        let text = "<p:presence xmlns:p='urn:ietf:params:xml:ns:pidf'><p:tuple><p:status><p:basic> OPEN \
                    </p:basic></p:status><p:note>in</p:note></p:tuple><d:person><r:activities>\
                    <r:meeting/><r:evil-word/><r:away/></r:activities><d:note>no</d:note></d:person>\
                    </p:presence>";
        let mut says = Published::default();
        gather(&markup::parse(text.as_bytes()).expect("sound").root, &mut says);
        assert_eq!(says.open, Some(true));
        assert_eq!((says.activities, says.note.as_deref()), (vec!["meeting", "away"], Some("in")));
    }
}
