//! What is told for the stories of calls.

use super::*;

/// The Call-IDs that were told to be a call's, in order.
fn dialogs(stage: &Stage) -> Vec<(CallSid, String)> {
    let dialog = |told: &Told| match told {
        Told::Dialog { call, call_id, .. } => Some((*call, call_id.clone())),
        _ => None,
    };
    stage.told.iter().filter_map(dialog).collect()
}

#[test]
fn every_dialog_of_a_call_is_told_with_its_caller() {
    let mut stage = Stage::new();
    stage.register("bob", "sip:bob@192.0.2.50:5070").expect("registered");
    stage.register("bob", "sip:bob@192.0.2.50:5072").expect("registered");
    assert_eq!(stage.told, [], "a registration is nobody's call");
    let invite = stage.invite("sip:+12223331234@192.0.2.1", "sip:+15550001111@192.0.2.60");
    stage.receive(TRUNK, &invite);
    stage.document("<Dial><Sip>sip:bob@office.example</Sip></Dial>");
    let forks: Vec<String> =
        stage.requests("INVITE").iter().map(|(_, fork)| fork.call_id().to_owned()).collect();
    let told = dialogs(&stage);
    let sids: Vec<CallSid> = told.iter().map(|(sid, _)| *sid).collect();
    assert_eq!(sids, [sids[0]; 3], "one call");
    let call_ids: Vec<&str> = told.iter().map(|(_, call_id)| call_id.as_str()).collect();
    let caller = read(Bytes::from(invite)).call_id().to_owned();
    assert_eq!(call_ids, [&caller, &forks[0], &forks[1]]);
    let verb = stage.told.iter().find_map(|told| match told {
        Told::Verb { name, position, .. } => Some((*name, position.line)),
        _ => None,
    });
    assert_eq!(verb, Some(("Dial", 1)));
    let figures = stage.exchange.figures();
    assert_eq!((figures.calls, figures.legs, figures.dialogs), (1, 2, 3));
    assert_eq!(figures.registrations, 2);
    stage.give(Input::Shutdown);
    for _ in 0..1_000 {
        let Some(at) = stage.exchange.timeout() else { break };
        stage.now = at;
        stage.exchange.handle_timeout(at);
        stage.listen();
    }
    assert_eq!(stage.told.last(), Some(&Told::Over { call: sids[0] }));
    assert!(stage.exchange.figures().sip.repeats_sent > 0, "nobody answered the INVITEs");
}

#[test]
fn refusals_are_told_with_what_their_sender_never_hears() {
    let mut stage = Stage::new();
    let invite = stage.invite("sip:x@nobody.example", "sip:eve@nobody.example");
    assert_eq!(stage.status(PHONE, &invite), 401);
    let Some(Told::Refused(refused)) = stage.told.pop() else { panic!("{:?}", stage.told) };
    assert_eq!((refused.method, refused.status, refused.code), ("INVITE", 401, 32002));
    assert_eq!(refused.user, "eve");
    assert_eq!(refused.call_id, read(Bytes::from(invite)).call_id());
    assert!(refused.reason.contains("no domain \"nobody.example\""), "{}", refused.reason);

    let first = stage.request("REGISTER", "sip:office.example", "sip:bob@office.example", "", "");
    assert_eq!(stage.status(PHONE, &first), 401);
    assert_eq!(stage.told, [], "a first request without credentials is no news");
}

#[test]
fn noise_faults_and_repeats_are_counted_apart() {
    let mut stage = Stage::new();
    stage.receive(PHONE, "no SIP at all\r\n\r\n");
    let options = stage.request("OPTIONS", "sip:192.0.2.1", "sip:bob@office.example", "", "");
    let malformed = options.replacen("Max-Forwards: 70", "Max-Forwards: 700", 1);
    assert!(malformed != options, "{options}");
    assert_eq!(stage.status(PHONE, &malformed), 400);
    let invite = stage.invite("sip:+12223331234@192.0.2.1", "sip:+15550001111@192.0.2.60");
    stage.receive(TRUNK, &invite);
    stage.receive(TRUNK, &invite);
    let counted = stage.exchange.figures().sip;
    assert_eq!((counted.discarded, counted.rejected), (1, 1));
    assert_eq!(counted.repeats_received, 1);
}
