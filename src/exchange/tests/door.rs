//! What strangers, guessers and floods meet at the door, and what they leave behind: nothing.

use super::*;
use crate::directory::Rate;

/// A message without what differs from one moment and one request to the next.
fn form(message: &Message, hide: &[&str]) -> String {
    let text = String::from_utf8_lossy(message.as_bytes()).into_owned();
    let text = hide.iter().fold(text, |text, word| text.replace(word, "*"));
    let lines = text.lines().filter(|line| !line.starts_with("Via") && !line.starts_with("CSeq"));
    let masked = lines.map(|line| {
        let start = ["nonce=\"", ";tag=", "Call-ID: "].iter().find_map(|m| line.find(m));
        let end = start.and_then(|at| line[at..].find("\", ").map(|end| at + end));
        match (start, end) {
            (Some(at), Some(end)) => format!("{}{}", &line[..at], &line[end..]),
            (Some(at), None) => line[..at].to_owned(),
            _ => line.to_owned(),
        }
    });
    masked.collect::<Vec<_>>().join("\n")
}

fn nothing_is_kept(stage: &Stage) {
    let agent = &stage.exchange.agent;
    assert_eq!((agent.dialogs(), agent.transactions(), agent.pending()), (0, 0, 0));
}

fn with_limits(limits: Limits) -> Stage {
    let mut stage = Stage::new();
    stage.give(Input::Directory(Arc::new(Directory { limits, ..directory() })));
    stage
}

fn tcp(connection: u64) -> Flow {
    let local = SocketAddr::from(([192, 0, 2, 1], 5060));
    let remote = SocketAddr::from((PHONE, 40_000));
    Flow { transport: Transport::Tcp, local, remote, connection }
}

#[test]
fn users_domains_and_what_does_not_exist_are_answered_alike() {
    let table = [
        ("alice", "office.example"),
        ("nobody", "office.example"),
        ("tom", "office.example"),
        ("alice", "nowhere.example"),
        ("alice", "closed.example"),
        ("alice", "pbx.example"),
    ];
    for method in ["REGISTER", "INVITE", "MESSAGE", "SUBSCRIBE", "REFER", "PUBLISH"] {
        let mut seen: Vec<(String, String)> = vec![];
        for (user, domain) in table {
            let mut stage = Stage::new();
            let (uri, from) = (format!("sip:{domain}"), format!("sip:{user}@{domain}"));
            let request = stage.request(method, &uri, &from, "", "");
            let first = stage.answer(STRANGER, &request).expect("an answer");
            let again = stage.with_password(STRANGER, &request, user, "wrong").expect("one more");
            assert_eq!((first.status(), again.status()), (Some(401), Some(401)), "{method} {from}");
            let hide = [domain, user];
            seen.push((form(&first, &hide), form(&again, &hide)));
            nothing_is_kept(&stage);
        }
        assert!(seen.iter().all(|one| *one == seen[0]), "{method}: {seen:#?}");
    }
}

#[test]
fn an_unauthenticated_request_leaves_nothing_behind_and_its_ack_ends_there() {
    let mut stage = Stage::new();
    let invite = stage.invite("sip:1@office.example", "sip:alice@office.example");
    let first = stage.answer(STRANGER, &invite).expect("a challenge");
    nothing_is_kept(&stage);
    let again = stage.answer(STRANGER, &invite).expect("the same");
    assert_eq!(first.header_by_name("To"), again.header_by_name("To"), "one tag for a repeat");
    let other = stage.invite("sip:1@office.example", "sip:alice@office.example");
    let other = stage.answer(STRANGER, &other).expect("a challenge");
    assert_ne!(first.header_by_name("To"), other.header_by_name("To"));
    let to = first.header_by_name("To").expect("a To");
    let ack =
        invite.replace("INVITE", "ACK").replace("To: <sip:1@office.example>", &format!("To: {to}"));
    assert!(stage.receive(STRANGER, &ack).is_empty());
    nothing_is_kept(&stage);
}

#[test]
fn a_registration_and_its_repeat_keep_nothing_but_the_binding() {
    let mut stage = Stage::new();
    let request = stage
        .request("REGISTER", "sip:office.example", "sip:alice@office.example", "", "")
        .replace("sip:me@", "sip:alice@");
    let challenge = stage.answer(PHONE, &request).expect("a challenge");
    let login = Login { username: "alice".into(), password: Secret::new("secret"), realm: None };
    let fields = answer(&challenge, "REGISTER", "sip:office.example", &login, "c", 1).expect("met");
    let header = format!("Authorization: {}\r\nContent-Length", fields[0].1);
    let request = request.replace("Content-Length", &header).replace("CSeq: 1", "CSeq: 2");
    let first = stage.answer(PHONE, &request).expect("an answer");
    assert_eq!(first.status(), Some(200));
    let again = stage.answer(PHONE, &request).expect("the answer once more");
    assert_eq!(again.status(), Some(200));
    assert_eq!(first.header_by_name("Contact"), again.header_by_name("Contact"));
    assert_eq!(first.header_by_name("To"), again.header_by_name("To"));
    assert_eq!((stage.registered.len(), stage.exchange.registrations()), (1, 1));
    // The same credentials around another contact are a replay, and change nothing.
    let thief = request.replace("sip:alice@192.0.2.50", "sip:thief@192.0.2.50");
    let refused = stage.answer(PHONE, &thief).expect("an answer");
    assert_eq!(refused.status(), Some(401));
    assert!(refused.header_by_name("WWW-Authenticate").expect("one").contains("stale=true"));
    assert_eq!((stage.registered.len(), stage.exchange.registrations()), (1, 1));
    nothing_is_kept(&stage);
}

#[test]
fn an_admitted_call_is_not_admitted_twice() {
    let mut stage = Stage::new();
    let invite = stage.invite("sip:5551234@office.example", "sip:alice@office.example");
    assert!(stage.with_password(PHONE, &invite, "alice", "secret").is_none(), "it goes on");
    assert_eq!((stage.exchange.calls(), stage.fetches.len()), (1, 1));
    let sent = stage.exchange.agent.transactions();
    assert_eq!(sent, 1, "the one that was challenged left none");
}

#[test]
fn strangers_do_nothing_outside_dialogs_and_users_what_is_theirs() {
    let mut stage = Stage::new();
    // What a stranger hears, and what a user hears who asks about another that is not registered.
    let table = [
        ("OPTIONS", 200, 200),
        ("REFER", 401, 405),
        ("NOTIFY", 405, 405),
        ("BYE", 481, 481),
        ("INFO", 481, 481),
        ("UPDATE", 481, 481),
        ("FROBNICATE", 501, 501),
        ("MESSAGE", 401, 480),
        ("SUBSCRIBE", 401, 200),
        ("PUBLISH", 401, 403),
    ];
    let (uri, from) = ("sip:bob@office.example", "sip:alice@office.example");
    let request =
        |stage: &mut Stage, method| stage.request(method, uri, from, "Event: presence\r\n", "");
    for (method, stranger, _) in table {
        let request = request(&mut stage, method);
        assert_eq!(stage.status(STRANGER, &request), stranger, "{method}");
    }
    nothing_is_kept(&stage);
    for (method, _, user) in table.iter().filter(|(_, stranger, _)| *stranger == 401) {
        let request = request(&mut stage, method);
        let answer = stage.with_password(PHONE, &request, "alice", "secret");
        assert_eq!(answer.and_then(|a| a.status()), Some(*user), "{method}");
    }
    assert_eq!(stage.exchange.subscriptions(), 1);
    assert!(stage.fetches.is_empty() && stage.registered.is_empty());
}

#[test]
fn who_guesses_is_met_with_silence_and_nobody_else_is() {
    let mut stage = Stage::new();
    let from = "sip:alice@office.example";
    let register =
        |stage: &mut Stage| stage.request("REGISTER", "sip:office.example", from, "", "");
    assert!(stage.register("bob", "sip:bob@192.0.2.50").is_some(), "a phone of another address");
    for guess in 0..10 {
        let request = register(&mut stage);
        let answer = stage.with_password(STRANGER, &request, "alice", &format!("guess{guess}"));
        assert_eq!(answer.and_then(|answer| answer.status()), Some(401), "{guess}");
    }
    for method in ["REGISTER", "OPTIONS", "INVITE", "BYE", "CANCEL", "MESSAGE"] {
        let request = stage.request(method, "sip:office.example", from, "", "");
        assert!(stage.receive(STRANGER, &request).is_empty(), "{method}");
    }
    assert!(stage.receive(STRANGER, "REGISTER sip:x SIP/2.0\r\nVia: broken\r\n\r\n").is_empty());
    let lines: Vec<_> = stage.notes.iter().filter(|note| note.contains("silenced")).collect();
    let line = "source 198.51.100.1 silenced for 900 s: 10 failed logins in a minute";
    assert_eq!(lines, [line]);
    let counters = stage.exchange.counters();
    assert_eq!((counters.failed_logins, counters.silenced, counters.muted), (10, 1, 7));
    let figures = stage.exchange.figures();
    assert_eq!((figures.silenced, figures.muted), (1, 7), "for the metrics, too");
    assert_eq!(stage.exchange.silenced(), 1);
    // The account is not locked: who knows the password gets in, from anywhere else.
    let answer = stage.register("alice", "sip:alice@192.0.2.50").expect("an answer");
    assert_eq!(answer.status(), Some(200));
    stage.now += Duration::from_secs(900);
    let request = register(&mut stage);
    assert_eq!(stage.status(STRANGER, &request), 401, "it is over");
}

#[test]
fn a_call_that_is_up_is_not_hurt_by_its_sources_silence() {
    let mut stage = Stage::new();
    let invite = stage.invite("sip:1@pbx.example", "sip:a@pbx.example");
    stage.receive(PHONE, &invite);
    stage.document("<Record/>");
    let answer = stage.sent.iter().find(|(_, m)| m.status() == Some(200)).expect("an answer");
    let to = answer.1.header_by_name("To").expect("a To").to_owned();
    for _ in 0..10 {
        let from = "sip:alice@office.example";
        let request = stage.request("REGISTER", "sip:office.example", from, "", "");
        stage.with_password(PHONE, &request, "alice", "guess");
    }
    assert_eq!(stage.exchange.silenced(), 1);
    let call = stage.exchange.calls();
    let in_dialog = |method: &str, cseq: u32| {
        invite
            .replace("INVITE", method)
            .replace("To: <sip:1@pbx.example>", &format!("To: {to}"))
            .replace("CSeq: 1", &format!("CSeq: {cseq}"))
            .replace("branch=z9hG4bK", &format!("branch=z9hG4bK{method}"))
            .replace("application/sdp\r\n", "text/plain\r\n")
    };
    stage.receive(PHONE, &in_dialog("ACK", 1));
    let answer = stage.answer(PHONE, &in_dialog("BYE", 2)).expect("an answer");
    assert_eq!((answer.status(), call), (Some(200), 1));
}

#[test]
fn guesses_without_a_challenge_of_ours_silence_nobody_and_learn_nothing() {
    let mut stage = Stage::new();
    let forged = |stage: &mut Stage, password: &str| {
        let from = "sip:alice@office.example";
        let request = stage.request("REGISTER", "sip:office.example", from, "", "");
        let text = "SIP/2.0 401 x\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
                    To: <sip:a@b>;tag=2\r\nCall-ID: i\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: Digest \
                    realm=\"office.example\", nonce=\"0123456789abcdef0\", algorithm=MD5, \
                    qop=\"auth\"\r\nContent-Length: 0\r\n\r\n";
        let password = Secret::new(password);
        let login = Login { username: "alice".into(), password, realm: None };
        let challenge = read(Bytes::from_static(text.as_bytes()));
        let fields =
            answer(&challenge, "REGISTER", "sip:office.example", &login, "c", 1).expect("met");
        let header = format!("Authorization: {}\r\nContent-Length", fields[0].1);
        let answer = stage.answer(STRANGER, &request.replace("Content-Length", &header));
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), Some(401));
        answer
    };
    let look = |answer: &Message| form(answer, &[]);
    let right = forged(&mut stage, "secret");
    for _ in 0..50 {
        let wrong = forged(&mut stage, "guess");
        assert_eq!(look(&wrong), look(&right), "the right guess looks like the others");
    }
    assert!(!look(&right).contains("stale"), "{}", look(&right));
    assert_eq!(look(&forged(&mut stage, "secret")), look(&right), "nor does it count");
    assert_eq!(stage.exchange.silenced(), 0, "anybody may have sent these in his name");
    // The real phone at that address answers a challenge of ours, and is heard.
    let from = "sip:alice@office.example";
    let request = stage.request("REGISTER", "sip:office.example", from, "", "");
    let answer = stage.with_password(STRANGER, &request, "alice", "secret").expect("an answer");
    assert_eq!(answer.status(), Some(200));
}

#[test]
fn a_phone_with_a_nonce_from_before_a_restart_logs_in_with_the_next() {
    let (mut before, mut stage) = (Stage::new(), Stage::new());
    // Another start has another secret.
    stage.exchange.challenger = Challenger::new(Rng::from_number(2).bytes());
    let from = "sip:alice@office.example";
    let request = before.request("REGISTER", "sip:office.example", from, "", "");
    let mut challenge = before.answer(STRANGER, &request).expect("a challenge");
    for (turn, status) in [(0, 401), (1, 200)] {
        let password = Secret::new("secret");
        let login = Login { username: "alice".into(), password, realm: None };
        let fields =
            answer(&challenge, "REGISTER", "sip:office.example", &login, "c", 1).expect("met");
        let header = format!("Authorization: {}\r\nContent-Length", fields[0].1);
        challenge =
            stage.answer(STRANGER, &request.replace("Content-Length", &header)).expect("an answer");
        assert_eq!(challenge.status(), Some(status), "{turn}");
        let told = challenge.header_by_name("WWW-Authenticate").unwrap_or_default();
        assert!(!told.contains("stale"), "{told}");
    }
    let counters = stage.exchange.counters();
    assert_eq!((counters.failed_logins, counters.silenced), (0, 0));
}

#[test]
fn what_waits_was_heard_before_and_is_not_counted_again() {
    let source = Rate { per_second: 10, burst: 8 };
    let mut stage = with_limits(Limits { source, ..Limits::default() });
    let flow = |host| Flow {
        transport: Transport::Udp,
        local: SocketAddr::from(([192, 0, 2, 1], 5060)),
        remote: SocketAddr::from(([198, 51, 100, host], 5060)),
        connection: 0,
    };
    let options = stage.request("OPTIONS", "sip:office.localhost", "sip:x@y", "", "");
    let hear =
        |stage: &mut Stage, host| stage.exchange.hear(stage.now, flow(host), options.as_bytes());
    let heard = (0..50).filter(|_| hear(&mut stage, 7) == Some(false)).count();
    assert_eq!((heard, hear(&mut stage, 8)), (6, Some(false)), "a quarter is for what has begun");
    for _ in 0..heard {
        let request = stage.request("OPTIONS", "sip:office.localhost", "sip:x@y", "", "");
        let bytes = Bytes::from(request);
        stage.give(Input::Heard { flow: flow(7), bytes, muted: false, late: false });
    }
    assert_eq!(stage.sent.len(), heard, "each is answered, though the budget is empty");
    assert_eq!(stage.exchange.counters().over_budget, 44);
    assert_eq!(stage.exchange.figures().over_budget, 44, "for the metrics, too");
    let late = Bytes::from(options);
    stage.give(Input::Heard { flow: flow(8), bytes: late, muted: false, late: true });
    let last = stage.sent.last().and_then(|(_, answer)| answer.status());
    assert_eq!(last, Some(503));
}

#[test]
fn a_source_over_its_budget_is_not_read_and_others_are() {
    let source = Rate { per_second: 10, burst: 8 };
    let mut stage = with_limits(Limits { source, ..Limits::default() });
    let from = "sip:alice@office.example";
    let options = |stage: &mut Stage| stage.request("OPTIONS", "sip:office.example", from, "", "");
    let mut heard = 0;
    for _ in 0..50 {
        let request = options(&mut stage);
        heard += usize::from(stage.status(STRANGER, &request) == 200);
    }
    assert!((6..=7).contains(&heard), "{heard} of 50 within 50 ms");
    for _ in 0..50 {
        let request = options(&mut stage);
        assert_eq!(stage.status(TRUNK, &request), 200, "a trunk has more");
    }
    assert_eq!(stage.exchange.counters().over_budget, 50 - heard as u64);
}

#[test]
fn above_the_total_new_requests_are_told_to_come_again_and_calls_go_on() {
    let invites = Rate { per_second: 1, burst: 1 };
    let registers = Rate { per_second: 1, burst: 1 };
    let mut stage = with_limits(Limits { invites, registers, ..Limits::default() });
    let invite = |stage: &mut Stage| {
        stage.invite("sip:+12223331234@192.0.2.1", "sip:+15550001111@192.0.2.60")
    };
    let first = invite(&mut stage);
    assert_eq!(stage.status(TRUNK, &first), 0);
    let second = invite(&mut stage);
    let refused = stage.answer(TRUNK, &second).expect("an answer");
    assert_eq!(refused.status(), Some(503));
    let seconds: u32 =
        refused.header_by_name("Retry-After").and_then(|v| v.parse().ok()).expect("a number");
    assert!((5..=15).contains(&seconds));
    assert!(stage.register("alice", "sip:alice@192.0.2.50").is_some());
    let from = "sip:alice@office.example";
    let request = stage.request("REGISTER", "sip:office.example", from, "", "");
    assert_eq!(stage.status(PHONE, &request), 503);
    let cancel = first.replace("INVITE", "CANCEL");
    let sent = stage.receive(TRUNK, &cancel);
    let statuses: Vec<_> = sent.iter().filter_map(|(_, message)| message.status()).collect();
    assert_eq!(statuses, [200, 487], "the call that was being set up can end");
    let counters = stage.exchange.counters();
    assert_eq!((counters.busy_invites, counters.busy_registers), (1, 1));
}

#[test]
fn what_comes_too_late_begins_nothing_and_ends_what_has_begun() {
    let mut stage = Stage::new();
    let invite = |stage: &mut Stage| {
        stage.invite("sip:+12223331234@192.0.2.1", "sip:+15550001111@192.0.2.60")
    };
    let first = invite(&mut stage);
    assert_eq!(stage.status(TRUNK, &first), 0);
    let second = invite(&mut stage);
    let refused = stage.late(TRUNK, &second);
    assert_eq!(refused[0].1.status(), Some(503));
    let seconds = refused[0].1.header_by_name("Retry-After").and_then(|v| v.parse().ok());
    assert!((5..=15).contains(&seconds.unwrap_or(0)));
    let from = "sip:alice@office.example";
    let register = stage.request("REGISTER", "sip:office.example", from, "", "");
    assert_eq!(stage.late(PHONE, &register)[0].1.status(), Some(503), "no challenge either");
    let again: Vec<_> = stage.late(TRUNK, &first).iter().filter_map(|(_, m)| m.status()).collect();
    assert_eq!(again, [180], "a repeat of what has begun begins nothing: it is answered as ever");
    let sent = stage.late(TRUNK, &first.replace("INVITE", "CANCEL"));
    let statuses: Vec<_> = sent.iter().filter_map(|(_, message)| message.status()).collect();
    assert_eq!(statuses, [200, 487]);
    assert_eq!(stage.exchange.figures().late, 2);
    let in_time = invite(&mut stage);
    assert_eq!(stage.status(TRUNK, &in_time), 0, "what comes in time is served");
}

#[test]
fn a_flood_of_strangers_uses_up_nothing_of_trunks_and_users() {
    let rate = Rate { per_second: 1, burst: 8 };
    let source = Rate::UNLIMITED;
    let limits = Limits { invites: rate, registers: rate, source, ..Limits::default() };
    let mut stage = with_limits(limits);
    let from = "sip:eve@office.example";
    for method in ["INVITE", "REGISTER"] {
        let mut statuses = vec![];
        for _ in 0..100 {
            let request = stage.request(method, "sip:office.example", from, "", "");
            statuses.push(stage.status(STRANGER, &request));
        }
        let challenged = statuses.iter().filter(|status| **status == 401).count();
        assert_eq!(challenged, 6, "{method}: {statuses:?}");
        assert!(statuses[6..].iter().all(|status| *status == 503), "{method}: {statuses:?}");
    }
    let invite = stage.invite("sip:+12223331234@192.0.2.1", "sip:+15550001111@192.0.2.60");
    assert_eq!((stage.status(TRUNK, &invite), stage.exchange.calls()), (0, 1), "a trunk");
    // An address that the configuration names: of a domain's allowed_ips.
    let answer = stage.register("alice", "sip:alice@192.0.2.50").expect("an answer");
    assert_eq!(answer.status(), Some(200));
    let invite = stage.invite("sip:5551234@office.example", "sip:alice@office.example");
    assert!(stage.with_password(PHONE, &invite, "alice", "secret").is_none(), "it goes on");
    assert_eq!(stage.exchange.calls(), 2);
}

#[test]
fn a_stream_that_is_gone_takes_its_registrations_with_it() {
    let mut stage = Stage::new();
    let register = |stage: &mut Stage, flow: Flow| {
        let from = "sip:alice@office.example";
        let request = stage
            .request("REGISTER", "sip:office.example", from, "", "")
            .replace("SIP/2.0/UDP", "SIP/2.0/TCP")
            // Behind a translator: nothing but the stream leads there.
            .replace("sip:me@192.0.2.50", "sip:me@10.0.0.9;transport=tcp");
        let receive = |stage: &mut Stage, text: String| {
            stage.now += Duration::from_millis(1);
            stage.sent.clear();
            stage.give(Input::Sip(sip::Input::Received { flow, bytes: text.into() }));
            stage.sent.last().map(|(_, message)| message.clone()).expect("an answer")
        };
        let challenge = receive(stage, request.clone());
        let login =
            Login { username: "alice".into(), password: Secret::new("secret"), realm: None };
        let fields =
            answer(&challenge, "REGISTER", "sip:office.example", &login, "c", 1).expect("met");
        let header = format!("Authorization: {}\r\nContent-Length", fields[0].1);
        let answer = receive(stage, request.replace("Content-Length", &header));
        assert_eq!(answer.status(), Some(200));
    };
    register(&mut stage, tcp(1));
    stage.register("bob", "sip:bob@192.0.2.50");
    assert_eq!(stage.exchange.registrations(), 2);
    stage.give(Input::Sip(sip::Input::Unreachable { flow: tcp(2) }));
    stage.give(Input::Sip(sip::Input::Unreachable { flow: tcp(0) }));
    assert_eq!(stage.exchange.registrations(), 2, "others' streams");
    stage.give(Input::Sip(sip::Input::Unreachable { flow: tcp(1) }));
    assert_eq!(stage.exchange.registrations(), 1);
    let last = stage.registered.last().expect("told");
    assert_eq!((last.user.as_str(), last.phones), ("alice@office.example", 0));
}

#[test]
fn a_call_that_was_forwarded_in_circles_is_cut() {
    let mut stage = Stage::new();
    let (uri, from) = ("sip:+12223331234@192.0.2.1", "sip:+15550001111@192.0.2.60");
    let diverted =
        |times: usize| "Diversion: <tel:+15550001111>;reason=no-answer\r\n".repeat(times);
    let history = |times: usize| {
        let entries: Vec<_> =
            (0..=times).map(|n| format!("<sip:+1555000{n}@h>;index=1.{n}")).collect();
        format!("History-Info: {}\r\n", entries.join(", "))
    };
    for (headers, status) in
        [(diverted(10), 0), (diverted(11), 483), (history(10), 0), (history(11), 483)]
    {
        let extra = format!("{headers}Content-Type: application/sdp\r\n");
        let invite = stage.request("INVITE", uri, from, &extra, OFFER);
        assert_eq!(stage.status(TRUNK, &invite), status, "{headers}");
    }
}

#[test]
fn a_user_has_so_many_calls_into_the_telephone_network() {
    let mut directory = directory();
    let caps = Caps { calls: 2, ..Caps::USER };
    directory.domains.get_mut("office.example").expect("there").caps = caps;
    let mut stage = Stage::new();
    stage.give(Input::Directory(Arc::new(directory)));
    for (number, made) in [1, 1, 0].into_iter().enumerate() {
        let invite = stage.invite("sip:5551234@office.example", "sip:alice@office.example");
        assert!(stage.with_password(PHONE, &invite, "alice", "secret").is_none());
        let dial = "<Dial callerId='+12223331234'><Number>+15557654321</Number></Dial>";
        stage.document(dial);
        assert_eq!(stage.requests("INVITE").len(), made, "call {number}");
    }
    assert!(stage.notes.iter().any(|note| note.contains("alice@office.example has 2 calls out")));
    assert_eq!(stage.exchange.counters().capped_calls, 1);
}

#[test]
fn the_log_tells_a_wrong_password_from_nobody_and_the_answer_does_not() {
    let mut stage = Stage::new();
    let mut answers = vec![];
    for user in ["alice", "homer"] {
        let from = format!("sip:{user}@office.example");
        let request = stage.request("REGISTER", "sip:office.example", &from, "", "");
        let answer = stage.with_password(STRANGER, &request, user, "guess").expect("an answer");
        let names: Vec<String> = answer.all_headers().map(|(name, _)| name.to_owned()).collect();
        answers.push((answer.status(), answer.reason_phrase().to_owned(), names));
    }
    assert_eq!(answers[0], answers[1]);
    let said = |text: &str| stage.notes.iter().filter(|note| note.contains(text)).count();
    assert_eq!(said("wrong password for \"alice\" in domain office.example"), 1);
    assert_eq!(said("no user \"homer\" in domain office.example"), 1, "{:?}", stage.notes);
}
