use super::*;
use crate::base::{Rng, WallTime};
use crate::sip::Transport;

fn flow(port: u16) -> Flow {
    Flow {
        transport: Transport::Udp,
        local: ([127, 0, 0, 1], 5060).into(),
        remote: ([192, 0, 2, 7], port).into(),
        connection: 0,
    }
}

fn message(at: u64, call_id: &str, first: &str) -> Seen {
    let text = format!(
        "{first}\r\nCall-ID: {call_id}\r\nAuthorization: Digest response=\"5ec4e7\"\r\n\r\n"
    );
    let sight = Sight::Message {
        direction: Direction::Received,
        flow: flow(5062),
        bytes: Bytes::from(text),
    };
    Seen { at: Instant::from_millis(at), sight }
}

fn told(at: u64, told: Told) -> Seen {
    Seen { at: Instant::from_millis(at), sight: Sight::Told(told) }
}

fn dialog(call: CallSid, call_id: &str) -> Told {
    Told::Dialog { call, leg: crate::base::id::LegId(1), call_id: call_id.to_owned() }
}

fn refused(call_id: &str, user: &str) -> Told {
    Told::Refused(Box::new(RefusedRequest {
        method: "REGISTER",
        call_id: call_id.to_owned(),
        flow: flow(5062),
        user: user.to_owned(),
        uri: "sip:office".to_owned(),
        status: 401,
        code: 32202,
        reason: format!("password wrong for {user:?}"),
    }))
}

fn recorder() -> Recorder {
    Recorder::new(Epoch::new(WallTime::from_unix_millis(1_800_000_000_000)))
}

fn records(recorder: &mut Recorder) -> Vec<Record> {
    let Lines { calls, refusals } = recorder.drain();
    let lines = [calls, refusals].concat();
    lines.split(|byte| *byte == b'\n').filter_map(Record::read).collect()
}

fn first_lines(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| match &record.what {
        What::Message(message) => message.text.lines().next().map(str::to_owned),
        _ => None,
    };
    records.iter().filter_map(text).collect()
}

#[test]
fn messages_that_came_before_their_call_are_its_own() {
    let mut recorder = recorder();
    let call = CallSid::random(&mut Rng::from_number(1));
    recorder.take(message(1, "a", "INVITE sip:x SIP/2.0"));
    recorder.take(message(2, "other", "OPTIONS sip:x SIP/2.0"));
    recorder.take(told(3, dialog(call, "a")));
    recorder.take(message(4, "a", "BYE sip:x SIP/2.0"));
    let records = records(&mut recorder);
    assert_eq!(first_lines(&records), ["INVITE sip:x SIP/2.0", "BYE sip:x SIP/2.0"]);
    let times: Vec<u64> = records.iter().map(|record| record.at % 1_000_000).collect();
    assert_eq!(times, [3_000, 1_000, 4_000], "times are those of the wire, in microseconds");
    let text = format!("{records:?}");
    assert!(!text.contains("5ec4e7"), "credentials are taken off: {text}");
    assert_eq!(recorder.call_of(b"x\r\nCall-ID: a\r\n\r\n"), Some(call));
}

#[test]
fn what_is_of_one_moment_keeps_its_order_whenever_it_is_written() {
    let mut recorder = recorder();
    let call = CallSid::random(&mut Rng::from_number(1));
    let note = |text: &str| Seen {
        at: Instant::from_millis(1),
        sight: Sight::Note(crate::call::Note { call, code: 0, text: text.to_owned() }),
    };
    recorder.take(message(1, "a", "INVITE sip:x SIP/2.0"));
    recorder.take(note("first"));
    recorder.take(message(1, "a", "SIP/2.0 183 Session Progress"));
    recorder.take(told(1, dialog(call, "a")));
    recorder.take(note("second"));
    recorder.take(message(1, "a", "SIP/2.0 200 OK"));
    let mut records = records(&mut recorder);
    records.sort_by_key(|record| (record.at, record.order));
    let drawn: Vec<&str> = records
        .iter()
        .filter_map(|record| match &record.what {
            What::Message(message) => message.text.lines().next(),
            What::Note { text, .. } => Some(text),
            _ => None,
        })
        .collect();
    let (invite, early, ok) =
        ("INVITE sip:x SIP/2.0", "SIP/2.0 183 Session Progress", "SIP/2.0 200 OK");
    assert_eq!(drawn, [invite, "first", early, "second", ok]);
}

#[test]
fn one_endless_dialog_does_not_fill_the_disk() {
    let mut recorder = recorder();
    let call = CallSid::random(&mut Rng::from_number(1));
    recorder.take(told(0, dialog(call, "a")));
    for at in 0..3_000 {
        recorder.take(message(at, "a", "INFO sip:x SIP/2.0"));
    }
    let kept = first_lines(&records(&mut recorder)).len();
    assert_eq!(kept, (DIALOG_MESSAGES + MOST_BEFORE) as usize);
}

#[test]
fn strangers_and_finished_calls_are_forgotten() {
    let mut recorder = recorder();
    for at in 0..10_000 {
        recorder.take(message(at, &at.to_string(), "OPTIONS sip:x SIP/2.0"));
    }
    assert!(recorder.strays.len() <= MOST_STRAYS && recorder.stray_bytes <= MOST_STRAY_BYTES);
    assert_eq!(records(&mut recorder), [], "nobody's messages are not written");
    let mut rng = Rng::from_number(1);
    for number in 0..3 * MOST_FINISHED {
        let call = CallSid::random(&mut rng);
        recorder.take(told(0, dialog(call, &format!("call {number}"))));
        recorder.take(told(0, Told::Over { call }));
    }
    assert!(recorder.known() <= MOST_FINISHED, "{}", recorder.known());
    assert!(recorder.calls.is_empty());
}

#[test]
fn a_refusal_says_why_from_where_and_how_often() {
    let mut recorder = recorder();
    for (at, expected) in [(0, ""), (1_000, ", 2nd time"), (2_000, ", 3rd time")] {
        recorder.take(message(at, "r", "REGISTER sip:office SIP/2.0"));
        recorder.take(told(at, refused("r", "home")));
        recorder.take(message(at, "r", "SIP/2.0 401 Unauthorized"));
        let records = records(&mut recorder);
        let reason = records.iter().find_map(|record| match &record.what {
            What::Refused(refused) => Some(refused.reason.clone()),
            _ => None,
        });
        let wanted = format!("password wrong for \"home\", from 192.0.2.7{expected}");
        assert_eq!(reason.as_deref(), Some(wanted.as_str()));
        let wanted = ["REGISTER sip:office SIP/2.0", "SIP/2.0 401 Unauthorized"];
        assert_eq!(first_lines(&records), wanted, "with its messages");
    }
    recorder.take(told(2_500, refused("r2", "other")));
    let text = String::from_utf8(recorder.drain().refusals).expect("text");
    assert!(!text.contains("time\""), "another user counts for itself: {text}");
    let mut forbidden = refused("r4", "home");
    if let Told::Refused(refused) = &mut forbidden {
        (refused.status, refused.code) = (403, 32201);
    }
    recorder.take(told(2_600, forbidden));
    let text = String::from_utf8(recorder.drain().refusals).expect("text");
    assert!(!text.contains("time\""), "another reason counts for itself: {text}");
    recorder.take(told(10_000_000, refused("r3", "home")));
    let text = String::from_utf8(recorder.drain().refusals).expect("text");
    assert!(!text.contains("4th time"), "what is long ago is forgiven: {text}");
}

#[test]
fn a_scanner_does_not_fill_the_disk() {
    let mut recorder = recorder();
    for number in 0..5_000 {
        recorder.take(told(5, refused(&number.to_string(), &number.to_string())));
    }
    assert_eq!(records(&mut recorder).len(), REFUSALS_PER_SECOND as usize);
    assert_eq!(recorder.hidden, 5_000 - u64::from(REFUSALS_PER_SECOND));
    assert!(recorder.offenders.counts.len() <= MOST_OFFENDERS);
    assert_eq!(ordinal(11) + &ordinal(21) + &ordinal(112), ", 11th time, 21st time, 112th time");
}

#[test]
fn little_is_kept_of_a_refusal_and_not_among_the_calls() {
    let mut recorder = recorder();
    let long = "é".repeat(30_000);
    for (number, name) in ["r".to_owned(), long.clone()].into_iter().enumerate() {
        for _ in 0..3 {
            let seen = message(0, &name, &format!("REGISTER sip:{long} SIP/2.0"));
            recorder.take(seen);
        }
        recorder.take(told(1_000 * number as u64, refused(&name, &long)));
        let Lines { calls, refusals } = recorder.drain();
        assert!(calls.is_empty(), "{}", String::from_utf8_lossy(&calls));
        assert!(refusals.starts_with(b"{") && refusals.len() < 8_000, "{}", refusals.len());
        assert!(String::from_utf8_lossy(&refusals).contains("REGISTER sip:é"));
    }
    // A call with the same Call-ID is a call, with all its room.
    let call = CallSid::random(&mut Rng::from_number(1));
    recorder.take(told(9, dialog(call, "r")));
    recorder.take(message(9, "r", &format!("INVITE sip:{long} SIP/2.0")));
    let Lines { calls, refusals } = recorder.drain();
    assert!(calls.len() > long.len() && refusals.is_empty());
}

#[test]
fn a_call_that_no_rule_was_asked_about_is_explained_by_its_answer() {
    let mut recorder = recorder();
    let answer = |at, status: &str, method: &str| {
        let text = format!(
            "SIP/2.0 {status}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:eve@h>;tag=a\r\n\
             To: <sip:x@office>;tag=b\r\nCall-ID: u\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
        );
        let (direction, bytes) = (Direction::Sent, Bytes::from(text));
        let sight = Sight::Message { direction, flow: flow(5062), bytes };
        Seen { at: Instant::from_millis(at), sight }
    };
    recorder.take(message(1, "u", "INVITE sip:x@office SIP/2.0"));
    recorder.take(answer(2, "401 Unauthorized", "INVITE"));
    recorder.take(answer(3, "489 Bad Event", "SUBSCRIBE"));
    assert_eq!(records(&mut recorder), [], "a challenge is no news, a SUBSCRIBE no call");
    recorder.take(answer(4, "420 Bad Extension", "INVITE"));
    let records = records(&mut recorder);
    let Some(What::Refused(refused)) = records.first().map(|record| &record.what) else {
        panic!("{records:?}")
    };
    let wanted = "the message itself was refused: Bad Extension, from 192.0.2.7";
    assert_eq!((refused.reason.as_str(), refused.user.as_str()), (wanted, "eve"));
    let first = first_lines(&records);
    assert_eq!(first.first().map(String::as_str), Some("INVITE sip:x@office SIP/2.0"));
    assert_eq!(first.last().map(String::as_str), Some("SIP/2.0 420 Bad Extension"));
}
