//! Events: lamps that follow calls, presence, what waits, registrations.

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

#[test]
fn a_watcher_that_vanishes_is_forgotten() {
    let mut world = office(12, Watching::Lamps);
    subscribe(&mut world, "raw", "bob", "dialog");
    world.expect("raw", "NOTIFY");
    assert_eq!(world.subscriptions(), 1);
    world.seconds(33);
    assert_eq!(world.subscriptions(), 0, "nobody answered for 32 s");
    subscribe(&mut world, "raw", "bob", "presence");
    let notify = world.expect("raw", "NOTIFY");
    let unknown = respond(&notify, "481 Gone", world.raw("raw").local, "", "");
    world.say("raw", &unknown);
    world.seconds(1);
    assert_eq!(world.subscriptions(), 0, "it says that it has none");
}

#[test]
fn a_subscription_that_is_not_refreshed_ends_with_a_word() {
    let mut world = office(13, Watching::Lamps);
    subscribe(&mut world, "raw", "bob", "dialog");
    notified(&mut world, "raw");
    world.seconds(598);
    assert_eq!(world.subscriptions(), 1);
    let last = notified(&mut world, "raw");
    assert_eq!(header(&last, "Subscription-State"), "terminated;reason=timeout");
    assert_eq!(world.subscriptions(), 0);
}

#[test]
fn a_fetch_is_told_once_and_leaves_nothing() {
    let mut world = office(14, Watching::Lamps);
    let headers = "Event: presence;id=7\r\nExpires: 0\r\n";
    let answer = ask(&mut world, "raw", &Ask { headers, ..Ask::default() });
    assert!(answer.starts_with("SIP/2.0 200") && header(&answer, "Expires") == "0", "{answer}");
    let only = notified(&mut world, "raw");
    assert_eq!(header(&only, "Event"), "presence;id=7");
    assert_eq!(header(&only, "Subscription-State"), "terminated;reason=timeout");
    assert!(only.contains("<basic>open</basic>"));
    assert_eq!(world.subscriptions(), 0);
}

#[test]
fn packages_that_there_are_not_get_the_list_of_those_that_there_are() {
    let mut world = office(15, Watching::Lamps);
    for (number, event) in ["as-feature-event", "ua-profile", "refer", "Dialog"].iter().enumerate()
    {
        let (headers, dialog) = (format!("Event: {event}\r\n"), format!("x{number}"));
        let what = Ask { headers: &headers, dialog: &dialog, ..Ask::default() };
        let answer = ask(&mut world, "raw", &what);
        assert!(answer.starts_with("SIP/2.0 489"), "{event}: {answer}");
        let allowed = "dialog, presence, message-summary, reg";
        assert_eq!(header(&answer, "Allow-Events"), allowed);
    }
    let options = world.request("raw", "OPTIONS", "sip:192.0.2.1", "o1", &Rest::default());
    world.say("raw", &options);
    let answer = world.expect("raw", "SIP/2.0 200");
    assert!(header(&answer, "Allow-Events").contains("dialog"), "{answer}");
    for method in ["SUBSCRIBE", "PUBLISH", "MESSAGE", "NOTIFY", "REFER"] {
        assert!(header(&answer, "Allow").contains(method), "{answer}");
    }
}

#[test]
pub fn after_a_restart_phones_learn_that_they_must_subscribe_anew() {
    let mut world = office(16, Watching::Lamps);
    let tag = "ffffffffffffffff";
    let headers = "Event: dialog\r\n";
    let refresh = Ask { tag, headers, dialog: "old", cseq: 9, ..Ask::default() };
    let answer = try_once(&mut world, "raw", &refresh, 9, "");
    assert!(answer.starts_with("SIP/2.0 481"), "no password is asked for: {answer}");
    subscribe(&mut world, "raw", "bob", "dialog");
    notified(&mut world, "raw");
    world.tell(Input::Shutdown);
    let last = notified(&mut world, "raw");
    let state = header(&last, "Subscription-State");
    assert!(state.starts_with("terminated;reason=probation;retry-after="), "{state}");
    assert_eq!(world.subscriptions(), 0);
}

#[test]
pub fn what_a_new_directory_forbids_ends() {
    let mut world = office(17, Watching::Lamps);
    subscribe(&mut world, "raw", "bob", "dialog");
    notified(&mut world, "raw");
    let without = Office::new().change(|directory| {
        directory.credential_lists.values_mut().for_each(|users| {
            users.remove("bob");
        });
    });
    world.tell(Input::Directory(without.build().into()));
    let gone = notified(&mut world, "raw");
    assert_eq!(header(&gone, "Subscription-State"), "terminated;reason=noresource");
    assert!(!gone.contains("<dialog-info"), "{gone}");
    subscribe(&mut world, "raw", "alice", "dialog");
    notified(&mut world, "raw");
    let off = Office::new().change(|directory| {
        directory.domains.values_mut().for_each(|d| d.watching = Watching::Nothing);
    });
    world.tell(Input::Directory(off.build().into()));
    let over = notified(&mut world, "raw");
    assert_eq!(header(&over, "Subscription-State"), "terminated;reason=rejected");
    let headers = "Event: dialog\r\n";
    let again = ask(&mut world, "raw", &Ask { headers, dialog: "n", ..Ask::default() });
    assert!(again.starts_with("SIP/2.0 403"), "{again}");
}

#[test]
fn strangers_trunks_and_other_users_may_not_watch_or_write() {
    let mut world = office(18, Watching::Lamps);
    world.peer("trunk", "198.51.100.1:5060");
    for method in ["SUBSCRIBE", "MESSAGE", "PUBLISH"] {
        let headers = "Event: dialog\r\n";
        let rest = Rest { headers, ..Rest::default() };
        let uri = "sip:+12223331234@192.0.2.1";
        let request = world.request("trunk", method, uri, method, &rest);
        world.say("trunk", &request);
        let answer = world.expect("trunk", "SIP/2.0 ");
        assert!(answer.starts_with("SIP/2.0 403"), "{method}: {answer}");
        // A phone may sit at its address, as with calls: who names a domain is asked for the password
        // of a user, and a trunk has none.
        let dialog = format!("{method}-of-bob");
        let request =
            world.request("trunk", method, "sip:bob@office.localhost", &dialog, &Rest::default());
        world.say("trunk", &request);
        let answer = world.expect("trunk", "SIP/2.0 ");
        assert!(answer.starts_with("SIP/2.0 401"), "{method}: {answer}");
    }
    // Whoever learns the tags of another's subscription cannot end it with a password of its own.
    let tag = subscribe(&mut world, "raw", "bob", "dialog");
    notified(&mut world, "raw");
    let theft = Ask {
        user: "dave",
        dialog: "raw-bob-dialog",
        cseq: 20,
        tag: &tag,
        headers: "Event: dialog\r\nExpires: 0\r\n",
        ..Ask::default()
    };
    let answer = ask(&mut world, "raw", &theft);
    assert!(answer.starts_with("SIP/2.0 403"), "{answer}");
    assert_eq!(world.subscriptions(), 1);
}

#[test]
fn a_watcher_hears_of_a_long_office_day_in_order() {
    let mut world = office(19, Watching::Lamps);
    subscribe(&mut world, "raw", "bob", "dialog");
    let mut versions = vec![version(&notified(&mut world, "raw"))];
    world.answers_after("bob", 1);
    for _ in 0..4 {
        world.dial("alice", "500");
        for _ in 0..2 {
            versions.push(version(&notified(&mut world, "raw")));
        }
        world.run(Duration::from_secs(2));
        world.hang_up("alice");
        versions.push(version(&notified(&mut world, "raw")));
        world.run(Duration::from_secs(2));
    }
    let expected: Vec<u32> = (0..versions.len() as u32).collect();
    assert_eq!(versions, expected);
    world.end();
}

#[test]
fn what_is_not_for_calls_is_refused_in_calls() {
    let mut world = World::new(20);
    world.web.page(VOICE, Page::xml("<Say>Hello</Say><Pause length='60'/>"));
    world.peer("raw", "192.0.2.99:5060");
    let sdp = world.raw("raw").sdp("sendrecv");
    let invite =
        Ask { method: "INVITE", about: "500", body: ("application/sdp", &sdp), ..Ask::default() };
    let challenge = try_once(&mut world, "raw", &invite, 1, "");
    let uri = format!("sip:500@{DOMAIN}");
    let nonce = parameter(&challenge, "nonce");
    let login = digest(DOMAIN, &nonce, "carol", "Secret-of-carol-1", "INVITE", &uri, "raw");
    let again = written(&world, "raw", &invite, 2, &format!("Authorization: {login}\r\n"));
    world.say("raw", &again);
    let ok = world.expect("raw", "SIP/2.0 200");
    let (_, tag) = header(&ok, "To").rsplit_once("tag=").map(own).expect("a tag");
    let within =
        |method, headers| Ask { method, about: "500", tag: &tag, headers, ..Ask::default() };
    let ack = written(&world, "raw", &within("ACK", ""), 2, "");
    world.say("raw", &ack);
    let mut try_it = |cseq, method, headers| {
        let answer = try_once(&mut world, "raw", &within(method, headers), cseq, "");
        (answer[8..11].to_owned(), answer)
    };
    let (status, answer) = try_it(3, "INFO", "Info-Package: conference\r\n");
    assert!(status == "469" && answer.contains("\r\nRecv-Info:"), "{answer}");
    let (status, answer) = try_it(4, "MESSAGE", "");
    assert_eq!(status, "405");
    let allow = header(&answer, "Allow");
    assert!(allow.contains("INFO") && !allow.contains("MESSAGE"), "{allow}");
    assert_eq!(try_it(5, "SUBSCRIBE", "Event: dialog\r\n").0, "481", "a call is no subscription");
    assert_eq!(try_it(6, "INFO", "").0, "200");
    assert_eq!(try_it(7, "BYE", "").0, "200");
    world.end();
}
