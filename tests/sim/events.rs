//! Events: lamps that follow calls, presence, what waits, registrations.

pub mod endings;

use offhook::base::Duration;
use offhook::directory::Watching;
use offhook::exchange::Input;
use offhook::phone::Command;

use crate::register::register_device;
use crate::world::raw::{Rest, digest, parameter};
use crate::world::{Office, Page, VOICE, World, header, respond};

pub const DOMAIN: &str = "office.localhost";

/// A request of a user, sent by the peer of its name; logs in when it is asked to.
pub struct Ask<'a> {
    pub user: &'a str,
    pub method: &'a str,
    /// Of the domain.
    pub about: &'a str,
    pub dialog: &'a str,
    pub cseq: u32,
    /// The tag in To, in a dialog.
    pub tag: &'a str,
    pub headers: &'a str,
    pub body: (&'a str, &'a str),
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Ask {
            user: "carol",
            method: "SUBSCRIBE",
            about: "bob",
            dialog: "d1",
            cseq: 1,
            tag: "",
            headers: "",
            body: ("", ""),
        }
    }
}

impl Ask<'_> {
    /// The Request-URI: of a user of the domain, or whatever URI it is.
    pub fn uri(&self) -> String {
        match self.about.starts_with("sip:") {
            true => self.about.to_owned(),
            false => format!("sip:{}@{DOMAIN}", self.about),
        }
    }
}

/// Sends it; the final answer.
pub fn ask(world: &mut World, peer: &str, what: &Ask<'_>) -> String {
    let answer = try_once(world, peer, what, what.cseq, "");
    if !answer.starts_with("SIP/2.0 401") {
        return answer;
    }
    let uri = what.uri();
    let nonce = parameter(&answer, "nonce");
    let password = format!("Secret-of-{}-1", what.user);
    let login = digest(DOMAIN, &nonce, what.user, &password, what.method, &uri, "raw");
    let login = format!("Authorization: {login}\r\n");
    try_once(world, peer, what, what.cseq + 1, &login)
}

pub fn try_once(world: &mut World, peer: &str, what: &Ask<'_>, cseq: u32, login: &str) -> String {
    let request = written(world, peer, what, cseq, login);
    world.say(peer, &request);
    world.expect(peer, "SIP/2.0 ")
}

pub fn written(world: &World, peer: &str, what: &Ask<'_>, cseq: u32, login: &str) -> String {
    let uri = what.uri();
    let from = format!("sip:{}@{DOMAIN}", what.user);
    let tag = if what.tag.is_empty() { String::new() } else { format!(";tag={}", what.tag) };
    let (to, headers) = (format!("<{uri}>{tag}"), format!("{login}{}", what.headers));
    let rest = Rest { from: &from, to: &to, cseq, headers: &headers, ..Rest::default() };
    let request = world.request(peer, what.method, &uri, what.dialog, &rest);
    let (kind, body) = what.body;
    let end = format!("Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    match body {
        "" => request,
        _ => request.replace("Content-Length: 0\r\n\r\n", &end),
    }
}

/// Subscribes a peer; the tag of the dialog.
pub fn subscribe(world: &mut World, peer: &str, about: &str, event: &str) -> String {
    let headers = format!("Event: {event}\r\nExpires: 600\r\n");
    let dialog = format!("{peer}-{about}-{event}");
    let user = if peer == "raw" { "carol" } else { peer };
    let what = Ask { user, about, dialog: &dialog, headers: &headers, ..Ask::default() };
    let answer = ask(world, peer, &what);
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    assert_eq!(header(&answer, "Expires"), "600");
    assert_eq!(header(&answer, "Contact"), "<sip:192.0.2.1:5060>");
    let (_, tag) = header(&answer, "To").rsplit_once("tag=").map(own).expect("a tag");
    tag
}

fn own((one, two): (&str, &str)) -> (String, String) {
    (one.to_owned(), two.to_owned())
}

/// The next NOTIFY, answered.
pub fn notified(world: &mut World, peer: &str) -> String {
    let notify = world.expect(peer, "NOTIFY");
    let me = world.raw(peer).local;
    let ok = respond(&notify, "200 OK", me, "", "");
    world.say(peer, &ok);
    notify
}

/// An attribute's first value, or the text of an element's first beginning.
pub fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let rest = text.split_once(start).map_or("", |(_, rest)| rest);
    rest.split_once(end).map_or("", |(value, _)| value)
}

fn version(notify: &str) -> u32 {
    between(notify, "\" version=\"", "\"").parse().expect("a version")
}

/// The states of the dialogs in a NOTIFY.
pub fn states(notify: &str) -> Vec<&str> {
    notify.split("<state").skip(1).map(|part| between(part, ">", "</state>")).collect()
}

/// An office whose handler rings bob, with alice's and bob's phones, and a peer that watches.
fn office(seed: u64, watching: Watching) -> World {
    let directory = Office::new().change(|directory| {
        directory.domains.values_mut().for_each(|domain| domain.watching = watching);
    });
    let mut world = World::with(seed, directory.build(), false);
    world.web.page(VOICE, Page::xml("<Dial><Sip>sip:bob@office.localhost</Sip></Dial>"));
    world.peer("raw", "192.0.2.99:5060");
    world.phone("alice");
    world.phone("bob");
    world
}

#[test]
pub fn a_lamp_follows_a_call_from_ringing_to_its_end() {
    let mut world = office(1, Watching::Lamps);
    let tag = subscribe(&mut world, "raw", "bob", "dialog");
    let first = notified(&mut world, "raw");
    assert_eq!(header(&first, "Subscription-State"), "active;expires=600");
    assert_eq!(header(&first, "Event"), "dialog");
    assert_eq!(header(&first, "Content-Type"), "application/dialog-info+xml");
    assert!(!header(&first, "Contact").is_empty(), "{first}");
    assert!(
        first.contains("state=\"full\"") && first.contains("entity=\"sip:bob@office.localhost\"")
    );
    assert_eq!((version(&first), states(&first)), (0, vec![]));

    world.answers_after("bob", 3);
    world.dial("alice", "500");
    let early = notified(&mut world, "raw");
    assert_eq!((version(&early), states(&early)), (1, vec!["early"]));
    assert!(early.contains("direction=\"recipient\""));
    assert!(!early.contains("alice"), "a lamp does not say who calls: {early}");
    let talking = notified(&mut world, "raw");
    assert_eq!((version(&talking), states(&talking)), (2, vec!["confirmed"]));
    let id = |notify: &str| between(notify, "<dialog id=\"", "\"").to_owned();
    assert_eq!(id(&early), id(&talking), "one call, one name");

    let refresh = Ask {
        dialog: "raw-bob-dialog",
        cseq: 3,
        tag: &tag,
        headers: "Event: dialog\r\nExpires: 300\r\n",
        ..Ask::default()
    };
    let answer = ask(&mut world, "raw", &refresh);
    assert!(answer.starts_with("SIP/2.0 200") && header(&answer, "Expires") == "300", "{answer}");
    let full = notified(&mut world, "raw");
    assert_eq!((version(&full), states(&full)), (3, vec!["confirmed"]));
    assert_eq!(header(&full, "Subscription-State"), "active;expires=300");

    world.seconds(2);
    world.hang_up("alice");
    let over = notified(&mut world, "raw");
    assert_eq!((version(&over), states(&over)), (4, vec!["terminated"]));
    world.seconds(10);
    let again = Ask { cseq: 5, ..refresh };
    assert!(ask(&mut world, "raw", &again).starts_with("SIP/2.0 200"));
    let dark = notified(&mut world, "raw");
    assert_eq!((version(&dark), states(&dark)), (5, vec![]));
    world.end();
}

#[test]
pub fn a_lamp_follows_a_call_to_a_name_that_hides_its_user() {
    let directory = Office::new().change(|directory| {
        directory.domains.values_mut().for_each(|domain| domain.watching = Watching::Lamps);
    });
    let mut world = World::with(10, directory.build(), false);
    world.peer("raw", "192.0.2.99:5060");
    let (_, temporary) = register_device(&mut world, 1);
    world.web.page(VOICE, Page::xml(&format!("<Dial><Sip>{temporary}</Sip></Dial>")));
    world.phone("alice");
    subscribe(&mut world, "raw", "bob", "dialog");
    assert_eq!(states(&notified(&mut world, "raw")).len(), 0);
    world.dial("alice", "500");
    let invite = world.expect("raw", "INVITE");
    assert!(header(&invite, "To").contains("tgruu."), "{invite}");
    let me = world.raw("raw").local;
    let ringing = respond(&invite, "180 Ringing", me, "", "");
    world.say("raw", &ringing);
    assert_eq!(states(&notified(&mut world, "raw")), ["early"]);
}

#[test]
fn a_lamp_that_changes_often_is_told_once_a_second() {
    let mut world = office(2, Watching::Lamps);
    subscribe(&mut world, "raw", "bob", "dialog");
    notified(&mut world, "raw");
    world.seconds(2);
    let told = world.raw("raw").all("NOTIFY").len();
    let mut answered = 0;
    for _ in 0..5 {
        world.dial("alice", "500");
        world.millis(150);
        world.hang_up("alice");
        world.millis(50);
        while world.raw("raw").all("NOTIFY").len() > told + answered {
            notified(&mut world, "raw");
            answered += 1;
        }
    }
    let during = world.raw("raw").all("NOTIFY").len() - told;
    assert!((1..=2).contains(&during), "{during} in one second");
    world.end();
}

#[test]
pub fn colleagues_see_with_whom_one_talks_where_the_domain_says_so() {
    let mut world = office(3, Watching::Parties);
    subscribe(&mut world, "raw", "bob", "dialog");
    notified(&mut world, "raw");
    world.dial("alice", "500");
    let early = notified(&mut world, "raw");
    assert!(early.contains("sip:alice@office.localhost</identity>"), "{early}");
    world.hang_up("alice");
    world.end();
}

#[test]
fn a_caller_who_wants_privacy_is_shown_to_nobody() {
    let mut world = office(4, Watching::Parties);
    world.peer("dave", "192.0.2.98:5060");
    subscribe(&mut world, "raw", "bob", "dialog");
    notified(&mut world, "raw");
    let sdp = world.raw("dave").sdp("sendrecv");
    let invite = Ask {
        user: "dave",
        method: "INVITE",
        about: "500",
        headers: "Privacy: id\r\n",
        body: ("application/sdp", &sdp),
        ..Ask::default()
    };
    let challenge = try_once(&mut world, "dave", &invite, 1, "");
    let uri = format!("sip:500@{DOMAIN}");
    let nonce = parameter(&challenge, "nonce");
    let login = digest(DOMAIN, &nonce, "dave", "Secret-of-dave-1", "INVITE", &uri, "raw");
    let again = written(&world, "dave", &invite, 2, &format!("Authorization: {login}\r\n"));
    world.say("dave", &again);
    let early = notified(&mut world, "raw");
    assert_eq!(states(&early), ["early"]);
    assert!(!early.contains("dave") && !early.contains("<remote>"), "{early}");
}

#[test]
pub fn presence_follows_phones_and_calls_and_what_is_published() {
    let mut world = office(5, Watching::Lamps);
    subscribe(&mut world, "raw", "bob", "presence");
    let first = notified(&mut world, "raw");
    assert!(first.contains("<basic>open</basic>") && !first.contains("on-the-phone"), "{first}");
    world.answers_after("bob", 2);
    world.dial("alice", "500");
    let busy = notified(&mut world, "raw");
    assert!(busy.contains("<basic>open</basic>") && busy.contains("<rpid:on-the-phone/>"));
    // That it was answered changes nothing here: nobody is told.
    world.seconds(5);
    world.hang_up("alice");
    let free = notified(&mut world, "raw");
    assert!(!free.contains("on-the-phone"), "{free}");

    world.peer("bob2", "192.0.2.97:5060");
    let document = "<?xml version=\"1.0\"?><presence xmlns=\"urn:ietf:params:xml:ns:pidf\" \
        entity=\"sip:bob@office.localhost\"><tuple id=\"a\"><status><basic>closed</basic></status>\
        <note>at lunch &amp; out</note></tuple></presence>";
    let publish = Ask {
        user: "bob",
        method: "PUBLISH",
        dialog: "p1",
        headers: "Event: presence\r\nExpires: 120\r\n",
        body: ("application/pidf+xml", document),
        ..Ask::default()
    };
    let answer = ask(&mut world, "bob2", &publish);
    assert!(answer.starts_with("SIP/2.0 200") && header(&answer, "Expires") == "120", "{answer}");
    let etag = header(&answer, "SIP-ETag");
    let closed = notified(&mut world, "raw");
    assert!(closed.contains("<basic>closed</basic>"), "{closed}");
    assert!(closed.contains("<note>at lunch &amp; out</note>"), "{closed}");

    let stale = "Event: presence\r\nSIP-If-Match: wrong\r\n";
    let wrong = Ask { headers: stale, body: ("", ""), cseq: 3, ..publish };
    assert!(ask(&mut world, "bob2", &wrong).starts_with("SIP/2.0 412"));
    let mine = format!("Event: presence\r\nExpires: 0\r\nSIP-If-Match: {etag}\r\n");
    let back = Ask { headers: &mine, body: ("", ""), cseq: 5, ..publish };
    assert!(ask(&mut world, "bob2", &back).starts_with("SIP/2.0 200"));
    assert!(notified(&mut world, "raw").contains("<basic>open</basic>"));
    let other = Ask { user: "bob", about: "alice", cseq: 7, ..publish };
    assert!(ask(&mut world, "bob2", &other).starts_with("SIP/2.0 403"));

    world.order("bob", Command::Unregister);
    assert!(notified(&mut world, "raw").contains("<basic>closed</basic>"));
    world.end();
}

#[test]
fn a_document_that_is_published_ends_when_it_is_not_renewed() {
    let mut world = office(6, Watching::Lamps);
    world.peer("bob2", "192.0.2.97:5060");
    let closed = "<presence><tuple><status><basic>closed</basic></status></tuple></presence>";
    let publish = Ask {
        user: "bob",
        method: "PUBLISH",
        headers: "Event: presence\r\nExpires: 60\r\n",
        body: ("application/pidf+xml", closed),
        ..Ask::default()
    };
    assert!(ask(&mut world, "bob2", &publish).starts_with("SIP/2.0 200"));
    subscribe(&mut world, "raw", "bob", "presence");
    assert!(notified(&mut world, "raw").contains("<basic>closed</basic>"));
    world.seconds(58);
    assert!(notified(&mut world, "raw").contains("<basic>open</basic>"));
}

/// As some phones do: it publishes twice before it has heard of a tag.
#[test]
pub fn a_phone_that_publishes_twice_at_once_can_take_both_back() {
    let mut world = office(21, Watching::Lamps);
    world.peer("bob2", "192.0.2.97:5060");
    world.peer("bob3", "192.0.2.96:5060");
    let document = |basic: &str| {
        format!(
            "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\"><tuple id=\"t4109\"><status><basic>\
             {basic}</basic></status><contact>sip:bob@office.localhost</contact></tuple></presence>"
        )
    };
    let (open, closed) = (document("open"), document("closed"));
    let headers = "Event: presence\r\nExpires: 120\r\n";
    let body = ("application/pidf+xml", open.as_str());
    let publish = Ask { user: "bob", method: "PUBLISH", headers, body, ..Ask::default() };
    let mut tags = vec![];
    for dialog in ["p1", "p2"] {
        let answer = ask(&mut world, "bob2", &Ask { dialog, ..publish });
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
        tags.push(header(&answer, "SIP-ETag"));
    }
    subscribe(&mut world, "raw", "bob", "presence");
    assert!(notified(&mut world, "raw").contains("<basic>open</basic>"));
    let under = |tag: &str| format!("{headers}SIP-If-Match: {tag}\r\n");
    let body = ("application/pidf+xml", closed.as_str());
    let (headers, dialog) = (under(&tags[1]), "p3");
    let answer = ask(&mut world, "bob2", &Ask { headers: &headers, dialog, body, ..publish });
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    assert!(notified(&mut world, "raw").contains("<basic>closed</basic>"), "nothing stands beside");
    // RFC 3903 section 4.4: who refreshes what is no more, is told so.
    let (headers, dialog, body) = (under(&tags[0]), "p4", ("", ""));
    let answer = ask(&mut world, "bob2", &Ask { headers: &headers, dialog, body, ..publish });
    assert!(answer.starts_with("SIP/2.0 412"), "{answer}");
    // The same document from another phone takes nothing's place.
    let (body, dialog) = (("application/pidf+xml", open.as_str()), "p5");
    assert!(ask(&mut world, "bob3", &Ask { body, dialog, ..publish }).starts_with("SIP/2.0 200"));
    assert!(notified(&mut world, "raw").contains("<basic>open</basic>"));
}

#[test]
pub fn no_message_waits_and_nobody_else_is_told_even_that() {
    let mut world = office(7, Watching::Lamps);
    let headers = "Event: message-summary\r\n";
    let other = ask(&mut world, "raw", &Ask { headers, ..Ask::default() });
    assert!(other.starts_with("SIP/2.0 403"), "{other}");
    subscribe(&mut world, "raw", "carol", "message-summary");
    let notify = notified(&mut world, "raw");
    assert_eq!(header(&notify, "Content-Type"), "application/simple-message-summary");
    let body = notify.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let lines: Vec<&str> = body.lines().collect();
    let account = "Message-Account: sip:carol@office.localhost";
    assert_eq!(lines, ["Messages-Waiting: no", account, "Voice-Message: 0/0 (0/0)"]);
}

#[test]
pub fn a_user_sees_where_it_is_registered_and_others_do_not() {
    let mut world = office(8, Watching::Lamps);
    world.peer("bob2", "192.0.2.97:5060");
    let other = ask(&mut world, "raw", &Ask { headers: "Event: reg\r\n", ..Ask::default() });
    assert!(other.starts_with("SIP/2.0 403"), "{other}");
    let headers = "Event: reg\r\nExpires: 600\r\n";
    let what = Ask { user: "bob", headers, dialog: "own", ..Ask::default() };
    assert!(ask(&mut world, "bob2", &what).starts_with("SIP/2.0 200"));
    let first = notified(&mut world, "bob2");
    assert_eq!((version(&first), first.matches("<contact ").count()), (0, 1), "{first}");
    assert!(
        first.contains("aor=\"sip:bob@office.localhost\"") && first.contains("state=\"active\"")
    );
    world.order("bob", Command::Unregister);
    let gone = notified(&mut world, "bob2");
    assert_eq!((version(&gone), gone.matches("<contact ").count()), (1, 0));
    assert!(gone.contains("state=\"terminated\""), "{gone}");
}
