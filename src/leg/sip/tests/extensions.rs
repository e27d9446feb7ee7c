//! Early sound, refreshed sessions, transfers.

use super::*;

/// What went out as body of a 183.
fn early_body(stage: &Stage) -> Option<Body> {
    stage.said.iter().find_map(|output| match output {
        Output::Sip(sip::Command::Progress { status: 183, body, .. }) => body.clone(),
        _ => None,
    })
}

fn accepted_body(stage: &Stage) -> Option<Body> {
    stage.said.iter().find_map(|output| match output {
        Output::Sip(sip::Command::Accept { body, .. }) => body.clone(),
        _ => None,
    })
}

#[test]
fn early_sound_is_described_once_and_the_answer_says_the_same() {
    let offer = sdp(4000, 0, "sendrecv");
    let mut stage = Stage::incoming(&request("INVITE", "application/sdp", &offer));
    stage.order(Command::Ring);
    stage.order(Command::EarlyMedia);
    stage.opened();
    assert_eq!(stage.signalled(), ["183"]);
    assert!(stage.connected().is_some(), "sound flows before the answer");
    let early = early_body(&stage).expect("a description");
    stage.order(Command::Answer);
    assert_eq!(stage.signalled(), ["accept"]);
    assert_eq!(accepted_body(&stage), Some(early), "RFC 3261 section 13.2.1");

    let mut stage = Stage::incoming(&request("INVITE", "application/sdp", &offer));
    stage.order(Command::EarlyMedia);
    stage.order(Command::Answer);
    stage.opened();
    assert_eq!(stage.signalled(), ["accept"], "answered before the socket was there");
    stage.ended(DIALOG, Ending::Bye);

    let mut stage = Stage::incoming(&request("INVITE", "application/sdp", &offer));
    stage.order(Command::EarlyMedia);
    stage.opened();
    stage.order(Command::Refuse(Refusal::Busy));
    assert_eq!(stage.signalled(), ["reject 486"]);
}

#[test]
fn an_update_before_the_answer_is_not_taken_back_by_it() {
    let offer = sdp(4000, 0, "sendrecv");
    let mut stage = Stage::incoming(&request("INVITE", "application/sdp", &offer));
    stage.order(Command::EarlyMedia);
    stage.opened();
    stage.within(request("UPDATE", "application/sdp", &sdp(4002, 0, "sendrecv")));
    assert_eq!(stage.signalled(), ["200"]);
    assert_eq!(stage.connected().expect("moved").address.port(), 4002);
    stage.order(Command::Answer);
    assert_eq!((stage.signalled(), accepted_body(&stage)), (vec!["accept".to_owned()], None));
}

#[test]
fn without_an_offer_early_sound_needs_a_prack_that_answers_ours() {
    let mut stage = Stage::incoming(&request("INVITE", "x/y", ""));
    stage.order(Command::EarlyMedia);
    assert_eq!(stage.signalled(), ["180"], "its side could not answer an offer in time");
    assert_eq!(early_body(&stage), None);
    waits_for_the_answer(stage);

    // Nor does a trunk get any that is to hear ringing alone.
    let offer = sdp(4000, 0, "sendrecv");
    let mut stage = Stage::incoming(&request("INVITE", "application/sdp", &offer));
    stage.leg.set_early_media(EarlyMedia::Ring);
    stage.order(Command::EarlyMedia);
    assert_eq!((stage.signalled(), early_body(&stage)), (vec!["180".to_owned()], None));

    let reliable = "INVITE sip:b@h SIP/2.0\r\nTo: <sip:b@h>\r\nCSeq: 1 INVITE\r\nSupported: 100rel";
    let mut stage = Stage::incoming(&message(reliable, "x/y", ""));
    stage.order(Command::EarlyMedia);
    stage.opened();
    assert!(early_body(&stage).is_some() && stage.connected().is_none());
    let prack = request("PRACK", "application/sdp", &sdp(4000, 8, "sendrecv"));
    stage.sip(sip::Event::Acknowledged { dialog: DIALOG, message: prack });
    assert_eq!(stage.connected().expect("answered").codec, Codec::Pcma);
    stage.order(Command::Answer);
    assert_eq!(accepted_body(&stage), None, "offer and answer are through");
    stage.sip(sip::Event::Confirmed { dialog: DIALOG, message: request("ACK", "x/y", "") });
    assert!(matches!(stage.events()[..], [Event::Answered { .. }]));
}

/// What was to be heard before the answer, and could not be, is heard after it.
fn waits_for_the_answer(mut stage: Stage) {
    stage.opened();
    stage.order(Command::Bridge(LegId(9)));
    assert!(stage.said.is_empty());
    stage.order(Command::Answer);
    assert_eq!(stage.signalled(), ["accept"]);
    let ack = request("ACK", "application/sdp", &sdp(4000, 0, "sendrecv"));
    stage.sip(sip::Event::Confirmed { dialog: DIALOG, message: ack });
    let joined = |output: &Output| matches!(output, Output::Media(media::Command::Bridge { .. }));
    assert!(stage.connected().is_some() && stage.said.iter().any(joined));
}

#[test]
fn a_trunk_that_only_rings_is_heard_when_it_answers() {
    let mut stage = Stage::outgoing(1);
    stage.leg.set_early_media(EarlyMedia::Ring);
    stage.opened();
    stage.progress(0, response(183, "a", &sdp(4000, 0, "sendrecv")));
    assert_eq!(stage.events(), [&Event::Ringing]);
    assert!(stage.connected().is_none());
    stage.progress(0, response(180, "a", ""));
    assert!(stage.events().is_empty(), "told once");
    // Its answer was in the 183.
    stage.accepted(0, response(200, "a", ""));
    assert!(stage.connected().is_some());
    assert!(matches!(stage.events()[..], [Event::Answered { .. }]));
}

#[test]
fn one_fork_is_heard_and_may_change_its_mind() {
    let mut stage = Stage::outgoing(1);
    let muted = "SIP/2.0 183 X\r\nTo: <sip:b@h>;tag=z\r\nCSeq: 1 INVITE\r\nP-Early-Media: inactive";
    let dialog = SipLeg::dialog_of(LEG, 0);
    let muted = message(muted, "application/sdp", &sdp(3000, 0, "sendrecv"));
    stage.sip(sip::Event::Progress { dialog, message: muted });
    assert!(stage.connected().is_none() && stage.events().is_empty(), "RFC 5009");
    stage.progress(0, response(183, "x", &sdp(4000, 0, "sendrecv")));
    assert_eq!(stage.events(), [&Event::EarlyMedia]);
    stage.progress(0, response(183, "y", &sdp(5000, 0, "sendrecv")));
    assert!(stage.connected().is_none(), "another fork is not heard");
    stage.progress(0, response(183, "x", &sdp(4002, 0, "sendrecv")));
    assert_eq!(stage.connected().expect("moved").address.port(), 4002);
    assert!(stage.events().is_empty(), "told once");
    let update = |tag: &str| {
        let head = format!(
            "UPDATE sip:a@h SIP/2.0\r\nTo: <sip:a@h>;tag=us\r\nCSeq: 2 UPDATE\r\n\
             X-From: {tag}"
        );
        let text = message(&head, "application/sdp", &sdp(4004, 0, "sendrecv"));
        let text = String::from_utf8_lossy(text.as_bytes())
            .replace(";tag=a\r\n", &format!(";tag={tag}\r\n"));
        match Message::parse(Bytes::from(text)) {
            Parsed::Valid(message) => message,
            other => panic!("{other:?}"),
        }
    };
    let within = |message| sip::Event::InDialog { dialog, transaction: TransactionId(5), message };
    stage.sip(within(update("y")));
    assert_eq!(stage.signalled(), ["500"], "it is answered, and moves nothing");
    stage.sip(within(update("x")));
    assert_eq!((stage.signalled(), stage.connected().is_some()), (vec!["200".to_owned()], true));
}

#[test]
fn a_session_is_renewed_as_it_is_and_a_failure_changes_nothing() {
    let mut stage = talking();
    let version = stage.leg.description.version();
    for status in [488, 200] {
        stage.sip(sip::Event::Refresh { dialog: DIALOG });
        let offered = stage.said.iter().any(|output| {
            matches!(
                output,
                Output::Sip(sip::Command::Request { method: "INVITE", body: Some(_), .. })
            )
        });
        assert!(offered);
        let body = if status == 200 { sdp(4000, 0, "sendrecv") } else { String::new() };
        let message = Some(response(status, "a", &body));
        stage.sip(sip::Event::Response { dialog: DIALOG, method: "INVITE".into(), message });
        assert!(stage.events().is_empty() && stage.signalled().is_empty());
        assert!(stage.connected().is_none(), "nothing changed");
        if status == 488 {
            assert_eq!(stage.leg.description.version(), version);
        }
    }
}

/// A NOTIFY of a transfer.
fn report(state: &str, line: &str) -> Message {
    let head = format!(
        "NOTIFY sip:b@h SIP/2.0\r\nTo: <sip:b@h>\r\nCSeq: 1 NOTIFY\r\n\
         Event: refer;id=1\r\nSubscription-State: {state}"
    );
    message(&head, "message/sipfrag", line)
}

#[test]
fn a_party_that_we_refer_reports_until_it_is_through() {
    let mut stage = talking();
    stage.within(report("active", "SIP/2.0 100 Trying"));
    assert_eq!(stage.signalled(), ["481"], "nobody subscribed to it");
    stage.order(Command::Refer { to: "sip:carol@example.com".into() });
    let referred = stage.said.iter().any(|output| {
        matches!(output, Output::Sip(sip::Command::Request { method: "REFER", headers, .. })
            if headers[0].1 == "<sip:carol@example.com>")
    });
    assert!(referred);
    stage.order(Command::Refer { to: "sip:dave@example.com".into() });
    assert_eq!(stage.events(), [&Event::ReferAnswered(491)], "one at a time");
    stage.within(report("active;expires=60", "SIP/2.0 180 Ringing"));
    assert_eq!(
        (stage.signalled(), stage.events()),
        (vec!["200".into()], vec![&Event::Referred(180)])
    );
    stage.within(report("terminated;reason=noresource", "SIP/2.0 200 OK"));
    assert_eq!(stage.events(), [&Event::Referred(200)]);
    // Another, which is refused, and one that ends without a word.
    let refused = |status| sip::Event::Response {
        dialog: DIALOG,
        method: "REFER".into(),
        message: Some(response(status, "a", "")),
    };
    stage.order(Command::Refer { to: "sip:carol@example.com".into() });
    stage.sip(refused(603));
    assert_eq!(stage.events(), [&Event::ReferAnswered(603)], "and the call goes on");
    stage.order(Command::Refer { to: "sip:carol@example.com".into() });
    stage.sip(refused(202));
    assert_eq!(stage.events(), [&Event::ReferAnswered(202)]);
    stage.within(report("terminated;reason=timeout", "SIP/2.0 180 Ringing"));
    assert_eq!(stage.events(), [&Event::Referred(480)]);
}

#[test]
fn a_transfer_is_asked_for_once_and_reported_to_its_end() {
    let mut stage = talking();
    let refer = "REFER sip:b@h SIP/2.0\r\nTo: <sip:b@h>\r\nCSeq: 7 REFER\r\nRefer-To: <sip:c@h>";
    let refer = message(refer, "x/y", "");
    stage.within(refer.clone());
    assert_eq!(stage.events(), [&Event::Transfer { to: "sip:c@h".into(), replaces: None }]);
    assert!(stage.signalled().is_empty(), "it waits for the call's word");
    stage.within(refer.clone());
    assert_eq!(stage.signalled(), ["491"]);
    stage.order(Command::TransferStatus(100));
    assert_eq!(stage.signalled(), ["202"]);
    let report = |stage: &Stage| {
        stage.said.iter().find_map(|output| match output {
            Output::Sip(sip::Command::Request { method: "NOTIFY", headers, body, .. }) => {
                let line = body.as_ref().map(|body| body.bytes.clone()).unwrap_or_default();
                Some((headers.clone(), String::from_utf8_lossy(&line).into_owned()))
            }
            _ => None,
        })
    };
    let (headers, line) = report(&stage).expect("a report");
    assert_eq!((headers[0].1.as_str(), line.as_str()), ("refer;id=7", "SIP/2.0 100 Trying\r\n"));
    stage.order(Command::TransferStatus(486));
    let (headers, _) = report(&stage).expect("the last report");
    assert!(headers[1].1.starts_with("terminated"));
    stage.order(Command::TransferStatus(200));
    assert!(stage.said.is_empty(), "nothing after the last");
    stage.within(refer);
    stage.order(Command::TransferStatus(403));
    assert_eq!(stage.signalled(), ["403"]);
}
