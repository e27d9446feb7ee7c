use std::sync::Arc;

use super::*;
use crate::base::Instant;
use crate::sip::{Flow, Message, Parsed, Transport};

const DIALOG: Package = Package { name: "dialog", content_type: "application/dialog-info+xml" };

fn parsed(text: String) -> Message {
    match Message::parse(text.into()) {
        Parsed::Valid(message) => message,
        other => panic!("{other:?}"),
    }
}

fn subscribe(cseq: u32, tag: &str, headers: &str) -> Message {
    let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    parsed(format!(
        "SUBSCRIBE sip:bob@h SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{cseq}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:carol@h>;tag=f\r\nTo: <sip:bob@h>{tag}\r\nCall-ID: i\r\n\
         CSeq: {cseq} SUBSCRIBE\r\nContact: <sip:c@192.0.2.9>\r\n{headers}Content-Length: 0\r\n\r\n"
    ))
}

fn reply(status: u16, headers: &str) -> Message {
    parsed(format!(
        "SIP/2.0 {status} x\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:bob@h>;tag=t\r\n\
         To: <sip:carol@h>;tag=f\r\nCall-ID: i\r\nCSeq: 1 NOTIFY\r\n{headers}Content-Length: 0\r\n\r\n"
    ))
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// A notifier, and what its watcher reads.
struct Stage {
    subscriptions: Subscriptions,
    now: Instant,
    state: String,
}

impl Stage {
    fn new() -> Stage {
        let subscriptions = Subscriptions::new(Limits::default());
        Stage { subscriptions, now: at(0), state: "one".into() }
    }

    fn flow() -> Flow {
        let address = |text: &str| text.parse().expect("an address");
        let (local, remote) = (address("192.0.2.1:5060"), address("192.0.2.9:5060"));
        Flow { transport: Transport::Udp, local, remote, connection: 0 }
    }

    fn wish(watcher: &str, tag: &str) -> Wish {
        let (watcher, resource, tag) = (watcher.into(), "bob@h".into(), tag.into());
        Wish { watcher, resource, entity: "sip:bob@h".into(), package: DIALOG, tag }
    }

    fn subscribe(&mut self, headers: &str) -> Result<u32, Refusal> {
        let request = subscribe(1, "", headers);
        let wish = Stage::wish("carol@h", "t");
        self.subscriptions.subscribe(self.now, &request, Stage::flow(), wish)
    }

    fn refresh(&mut self, cseq: u32, headers: &str) -> Result<u32, Refusal> {
        let request = subscribe(cseq, "t", headers);
        let (id, watcher, _) = self.subscriptions.find(&request).expect("the dialog");
        assert_eq!(watcher, "carol@h");
        self.subscriptions.refresh(self.now, id, &request, Stage::flow())
    }

    /// Lets time pass up to then, answering NOTIFYs with that status; what they said.
    fn until(&mut self, end: Instant, status: u16, headers: &str) -> Vec<(u64, String, String)> {
        let mut said = Vec::new();
        loop {
            while let Some(due) = self.subscriptions.poll() {
                let state = self.state.clone();
                let write = |version| format!("{version} {state}");
                let Some(notify) = self.subscriptions.notify(self.now, due.id, write) else {
                    continue;
                };
                let [(_, event), (_, told)] = &notify.headers[..] else { panic!("two headers") };
                assert_eq!(event, "dialog");
                let body =
                    notify.body.map(|body| String::from_utf8_lossy(&body.bytes).into_owned());
                let when = self.now.since(at(0)).as_millis() as u64;
                said.push((when, told.clone(), body.unwrap_or_default()));
                let reply = (status > 0).then(|| reply(status, headers));
                self.subscriptions.answered(self.now, due.id, reply.as_ref());
            }
            match self.subscriptions.timeout().filter(|due| *due <= end) {
                Some(due) => self.now = self.now.max(due),
                None => break,
            }
            self.subscriptions.handle_timeout(self.now);
        }
        self.now = end;
        said
    }

    fn change(&mut self, state: &str) {
        self.state = state.to_owned();
        self.subscriptions.changed(self.now, "bob@h", "dialog");
    }
}

fn told(when: u64, state: &str, body: &str) -> (u64, String, String) {
    (when, state.to_owned(), body.to_owned())
}

#[test]
fn changes_are_told_at_once_and_then_once_a_second_in_one() {
    let mut stage = Stage::new();
    assert_eq!(stage.subscribe("Event: dialog\r\nExpires: 600\r\n"), Ok(600));
    assert_eq!(stage.until(at(2_000), 200, ""), [told(0, "active;expires=600", "0 one")]);
    stage.change("two");
    assert_eq!(stage.until(at(2_000), 200, ""), [told(2_000, "active;expires=598", "1 two")]);
    for (number, state) in ["three", "four", "five"].iter().enumerate() {
        stage.now = at(2_100 + 100 * number as u64);
        stage.change(state);
    }
    assert_eq!(stage.until(at(5_000), 200, ""), [told(3_000, "active;expires=597", "2 five")]);
    stage.change("six");
    stage.change("five");
    assert_eq!(stage.until(at(9_000), 200, ""), [], "it changed back before anybody saw it");
    stage.subscriptions.changed(stage.now, "bob@h", "presence");
    stage.subscriptions.changed(stage.now, "bob@hh", "dialog");
    assert_eq!(stage.until(at(10_000), 200, ""), [], "that is not what it watches");
}

#[test]
fn no_notify_overtakes_another() {
    let mut stage = Stage::new();
    stage.subscribe("Event: dialog\r\n").expect("room");
    let due = stage.subscriptions.poll().expect("the first");
    assert!(stage.subscriptions.notify(stage.now, due.id, |_| "one".into()).is_some());
    stage.now = at(5_000);
    stage.change("two");
    stage.refresh(2, "Event: dialog\r\n").expect("in order");
    assert_eq!(stage.subscriptions.poll(), None, "the first is not answered");
    stage.subscriptions.answered(stage.now, due.id, Some(&reply(200, "")));
    let next = stage.until(at(5_000), 200, "");
    assert_eq!(next, [told(5_000, "active;expires=3600", "1 two")]);
}

#[test]
fn a_subscription_ends_in_time_or_when_its_watcher_says() {
    let mut stage = Stage::new();
    stage.subscribe("Event: dialog\r\nExpires: 60\r\n").expect("room");
    stage.until(at(1_000), 200, "");
    stage.now = at(30_000);
    assert_eq!(stage.refresh(2, "Event: dialog\r\nExpires: 90\r\n"), Ok(90));
    let said = stage.until(at(200_000), 200, "");
    let end = told(120_000, "terminated;reason=timeout", "2 one");
    assert_eq!(said, [told(30_000, "active;expires=90", "1 one"), end]);
    assert!(stage.subscriptions.is_empty());
    stage.subscribe("Event: dialog\r\n").expect("room");
    stage.until(stage.now, 200, "");
    assert_eq!(stage.refresh(2, "Event: dialog\r\nExpires: 0\r\n"), Ok(0));
    let said = stage.until(stage.now, 200, "");
    assert_eq!(said, [told(200_000, "terminated;reason=timeout", "1 one")]);
    assert!(stage.subscriptions.is_empty() && stage.subscriptions.timeout().is_none());
}

#[test]
fn watchers_that_refuse_or_are_silent_are_forgotten_and_busy_ones_asked_later() {
    for (status, left) in [(200, 1), (481, 0), (0, 0), (489, 0), (604, 0), (500, 1), (503, 1)] {
        let mut stage = Stage::new();
        stage.subscribe("Event: dialog\r\n").expect("room");
        stage.until(at(0), status, "Retry-After: 20\r\n");
        assert_eq!(stage.subscriptions.len(), left, "{status}");
    }
    let mut stage = Stage::new();
    stage.subscribe("Event: dialog\r\n").expect("room");
    stage.until(at(1_000), 503, "Retry-After: 20\r\n");
    let again = stage.until(at(60_000), 200, "");
    assert_eq!(again, [told(20_000, "active;expires=3580", "1 one")], "it was not heard");
}

#[test]
fn lifetimes_events_and_types_are_judged() {
    let mut stage = Stage::new();
    let status = |refused: Result<u32, Refusal>| refused.map_err(|refusal| refusal.status);
    let brief = stage.subscribe("Event: dialog\r\nExpires: 59\r\n").expect_err("too brief");
    assert_eq!((brief.status, &*brief.headers[0].1), (423, "60"));
    let html = "Event: dialog\r\nAccept: text/html, application/pidf+xml\r\n";
    assert_eq!(status(stage.subscribe(html)), Err(406));
    let any =
        "Event: dialog\r\nAccept: text/html\r\nAccept: application/*;q=0.1\r\nExpires: 9999\r\n";
    assert_eq!(stage.subscribe(any), Ok(3600), "no longer than an hour");
    assert_eq!(status(stage.refresh(2, "Event: dialog;id=2\r\n")), Err(481));
    assert_eq!(status(stage.refresh(2, "Event: presence\r\n")), Err(481));
    assert_eq!(status(stage.refresh(3, "Event: dialog\r\n")), Ok(3600));
    assert_eq!(status(stage.refresh(3, "Event: dialog\r\n")), Err(500), "out of order");
    let mine = subscribe(4, "t", "");
    let text = std::str::from_utf8(mine.as_bytes()).expect("text");
    let other = parsed(text.replace("tag=f", "tag=g"));
    assert!(stage.subscriptions.find(&other).is_none(), "another's dialog");
    let long = format!("Event: dialog\r\nRecord-Route: <sip:{};lr>\r\n", "x".repeat(MAX_TEXT));
    assert_eq!(status(stage.subscribe(&long)), Err(400));
}

#[test]
fn events_are_read_as_they_stand() {
    let event = |headers: &str| {
        let message = subscribe(1, "", headers);
        EventType::of(&message).map(|event| (event.package.to_owned(), event.id.map(str::to_owned)))
    };
    let named = |package: &str, id: Option<&str>| Some((package.to_owned(), id.map(str::to_owned)));
    assert_eq!(event("Event: dialog\r\n"), named("dialog", None));
    assert_eq!(event("o: dialog ; sla;ID = 7\r\n"), named("dialog", Some("7")));
    assert_eq!(event("Event: presence.winfo\r\n"), named("presence.winfo", None));
    for wrong in
        ["", "Event: \r\n", "Event: a b\r\n", "Event: dialog;id=1;id=2\r\n", "Event: d;id=\"\"\r\n"]
    {
        assert_eq!(event(wrong), None, "{wrong}");
    }
}

#[test]
fn ten_thousand_subscriptions_are_kept_and_there_are_bounds() {
    let limits = Limits { total: 10_000, of_watcher: 100 };
    let mut subscriptions = Subscriptions::new(limits);
    let request = subscribe(1, "", "Event: dialog\r\n");
    let mut subscribe = |watcher: usize, tag: usize| {
        let wish = Stage::wish(&format!("user{watcher}@h"), &format!("t{tag}"));
        let taken = subscriptions.subscribe(at(0), &request, Stage::flow(), wish);
        taken.map_err(|refusal| (refusal.status, refusal.headers.len()))
    };
    for number in 0..100 {
        assert_eq!(subscribe(0, number), Ok(3600));
    }
    assert_eq!(subscribe(0, 100), Err((403, 0)), "one user has its share");
    for number in 100..10_000 {
        assert_eq!(subscribe(number / 100, number), Ok(3600), "{number}");
    }
    assert_eq!(subscribe(200, 10_000), Err((503, 1)), "with Retry-After");
    assert_eq!(subscriptions.len(), 10_000);
    let mut first = 0;
    while let Some(due) = subscriptions.poll() {
        assert!(subscriptions.notify(at(0), due.id, |_| "one".into()).is_some());
        subscriptions.answered(at(0), due.id, Some(&reply(200, "")));
        first += 1;
    }
    assert_eq!(first, 10_000);
    subscriptions.changed(at(5_000), "bob@h", "dialog");
    assert_eq!(std::iter::from_fn(|| subscriptions.poll()).count(), 10_000);
    subscriptions.end_where(at(6_000), |_, _, _| Some(Reason::Probation(9)));
    while let Some(due) = subscriptions.poll() {
        let notify = subscriptions.notify(at(6_000), due.id, |_| "two".into());
        let state = notify.map(|notify| notify.headers[1].1.clone());
        assert_eq!(state.as_deref(), Some("terminated;reason=probation;retry-after=9"));
    }
    assert!(subscriptions.is_empty() && subscriptions.timeout().is_none());
    let sizes = (size_of::<Arc<str>>(), size_of::<Dialog>());
    assert!(sizes.1 < 400, "a dialog of a subscription takes {} bytes and its text", sizes.1);
}
