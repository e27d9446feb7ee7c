//! How subscriptions end, and whose are refused.

use super::*;

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
