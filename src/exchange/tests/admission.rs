//! Who may call and register, and what those hear who may not.

use super::*;

#[test]
fn strangers_learn_nothing_of_users() {
    let mut stage = Stage::new();
    for user in ["alice", "nobody"] {
        let from = format!("sip:{user}@office.example");
        let invite = stage.invite("sip:5551234@office.example", &from);
        let refused = stage.with_password(STRANGER, &invite, user, "wrong").expect("an answer");
        assert_eq!(refused.status(), Some(401), "{user}");
        assert!(!refused.header_by_name("WWW-Authenticate").expect("again").contains("stale"));
        let register = stage.request("REGISTER", "sip:office.example", &from, "", "");
        let refused = stage.with_password(STRANGER, &register, user, "wrong").expect("an answer");
        assert_eq!(refused.status(), Some(401), "{user}");
    }
    assert_eq!(stage.exchange.calls(), 0);
}

#[test]
fn the_table_of_who_is_admitted() {
    let mut stage = Stage::new();
    let table = [
        // A domain that nobody configured looks like one that somebody did.
        (STRANGER, "sip:1@elsewhere.example", "sip:a@elsewhere.example", 401),
        // Calls are off; by address from a right and a wrong one.
        (PHONE, "sip:1@closed.example", "sip:a@closed.example", 401),
        (STRANGER, "sip:1@pbx.example", "sip:a@pbx.example", 401),
        (PHONE, "sip:1@pbx.example", "sip:a@pbx.example", 0),
        // A stranger who plays the trunk, and the trunk itself.
        (STRANGER, "sip:+12223331234@192.0.2.1", "sip:+15550001111@192.0.2.60", 401),
        (TRUNK, "sip:+12223331234@192.0.2.1", "sip:+15550001111@192.0.2.60", 0),
        (TRUNK, "sip:12223331234@192.0.2.1", "sip:+15550001111@192.0.2.60", 0),
        (TRUNK, "sip:+19998887777@192.0.2.1", "sip:+15550001111@192.0.2.60", 404),
        // The trunk writes our domain where it may: it is still the trunk.
        (TRUNK, "sip:+12223331234@office.example", "sip:+15550001111@192.0.2.60", 0),
        (TRUNK, "sip:+12223331234@192.0.2.1", "sip:alice@office.example", 0),
        // A phone at the trunk's address, and one behind an outbound proxy setting.
        (TRUNK, "sip:+12223331234@office.example", "sip:alice@office.example", 401),
        (PHONE, "sip:+12223331234@192.0.2.1", "sip:alice@office.example", 401),
    ];
    for (source, uri, from, status) in table {
        let invite = stage.invite(uri, from);
        let before = stage.exchange.calls();
        assert_eq!(stage.status(source, &invite), status, "{uri} from {from}");
        assert_eq!(stage.exchange.calls(), before + usize::from(status == 0), "{uri} from {from}");
    }
}

#[test]
fn a_caller_is_told_to_handlers_as_who_proved_it() {
    let mut stage = Stage::new();
    let invite = stage.invite("sip:5551234@office.example", "sip:alice@bank.example");
    assert!(stage.with_password(PHONE, &invite, "alice", "secret").is_none(), "it goes on");
    assert_eq!(stage.parameter("From"), "sip:alice@office.example");
    assert_eq!(stage.parameter("SipUsername"), "alice");
    assert_eq!(stage.parameter("SipDomain"), "office.example");

    let invite = stage.invite("sip:5551234@office.example", "sip:bob@office.example");
    let refused = stage.with_password(PHONE, &invite, "alice", "secret").expect("an answer");
    assert_eq!(refused.status(), Some(403), "alice may not call as bob");
}

#[test]
fn what_could_not_be_answered_is_refused_before_a_handler_runs() {
    let mut stage = Stage::new();
    let (uri, from) = ("sip:+12223331234@192.0.2.1", "sip:+15550001111@192.0.2.60");
    let srtp = OFFER.replace("RTP/AVP", "RTP/SAVP");
    let table = [
        ("application/sdp", srtp.as_str(), 488),
        ("application/sdp", "hello", 400),
        ("text/plain", "hello", 415),
    ];
    for (kind, body, status) in table {
        let extra = format!("Content-Type: {kind}\r\n");
        let invite = stage.request("INVITE", uri, from, &extra, body);
        assert_eq!(stage.status(TRUNK, &invite), status);
    }
    assert!(stage.fetches.is_empty());
    assert_eq!(stage.exchange.calls(), 0);
}

#[test]
fn phones_register_under_their_own_name_only() {
    let mut stage = Stage::new();
    let answer = stage.register("alice", "sip:alice@192.0.2.50:5070").expect("an answer");
    assert_eq!(answer.status(), Some(200));
    assert!(answer.header_by_name("Contact").expect("listed").contains("192.0.2.50:5070"));
    assert_eq!(stage.registered.len(), 1);
    assert_eq!(
        (stage.registered[0].user.as_str(), stage.registered[0].phones),
        ("alice@office.example", 1)
    );

    let register =
        stage.request("REGISTER", "sip:office.example", "sip:bob@office.example", "", "");
    let refused = stage.with_password(PHONE, &register, "alice", "secret").expect("an answer");
    assert_eq!(refused.status(), Some(403));
    let table = [("sip:a@elsewhere.example", 401), ("sip:a@closed.example", 401)];
    for (who, status) in table {
        let register = stage.request("REGISTER", "sip:elsewhere.example", who, "", "");
        assert_eq!(stage.status(PHONE, &register), status);
    }
    assert_eq!(stage.registered.len(), 1, "nothing changed");
}

#[test]
fn the_log_tells_refusals_without_being_filled_or_fooled() {
    let mut stage = Stage::new();
    for _ in 0..100 {
        let from = "sip:+15550001111@192.0.2.60";
        let invite = stage.invite("sip:x%0d%0aERROR%1b[2J@192.0.2.1", from);
        assert_eq!(stage.status(TRUNK, &invite), 404);
    }
    assert_eq!(stage.notes.len(), 10);
    assert!(stage.notes.iter().all(|note| !note.contains(char::is_control)), "{:?}", stage.notes);
    stage.now += Duration::from_secs(1);
    let invite = stage.invite("sip:1@192.0.2.1", "sip:a@elsewhere.example");
    stage.status(STRANGER, &invite);
    assert!(stage.notes[10].contains("(90 refusals before this"), "{}", stage.notes[10]);
}
