use super::*;
use crate::base::id::RecordingSid;
use crate::media::RecordingEnd;
use crate::sip::{Flow, Parsed, TransactionId, Transport};

mod extensions;

const NOW: Instant = Instant::ZERO;
const LEG: LegId = LegId(7);
const DIALOG: DialogId = DialogId(DialogId::INCOMING | 1);

fn message(head: &str, content_type: &str, body: &str) -> Message {
    let to = if head.starts_with("SIP/2.0") { "" } else { "Max-Forwards: 70\r\n" };
    let text = format!(
        "{head}\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n{to}\
         From: <sip:alice@example.com>;tag=a\r\nCall-ID: c1\r\n\
         Contact: <sip:alice@192.0.2.9>\r\nContent-Type: {content_type}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    match Message::parse(Bytes::from(text)) {
        Parsed::Valid(message) => message,
        other => panic!("{other:?}"),
    }
}

fn request(method: &str, content_type: &str, body: &str) -> Message {
    let head = format!("{method} sip:b@h SIP/2.0\r\nTo: <sip:b@h>\r\nCSeq: 1 {method}");
    message(&head, content_type, body)
}

fn response(status: u16, tag: &str, body: &str) -> Message {
    let head = format!("SIP/2.0 {status} X\r\nTo: <sip:b@h>;tag={tag}\r\nCSeq: 1 INVITE");
    message(&head, "application/sdp", body)
}

/// A description at `port` with one codec and a direction.
fn sdp(port: u16, codec: u8, direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {codec}\r\na={direction}\r\n"
    )
}

fn address() -> MediaAddress {
    let ip = IpAddr::from([192, 0, 2, 1]);
    MediaAddress { bind: ip, advertise: ip, peer: None, leeway: media::Leeway::None }
}

/// A leg, and what it said so far.
struct Stage {
    leg: SipLeg,
    said: Vec<Output>,
}

impl Stage {
    fn incoming(invite: &Message) -> Stage {
        let mut rng = Rng::from_number(1);
        let leg = SipLeg::incoming(LEG, invite, DIALOG, address(), &mut rng);
        Stage { leg, said: vec![] }
    }

    /// An outgoing leg whose branches have been invited.
    fn outgoing(branches: usize) -> Stage {
        let leg = SipLeg::outgoing(LEG, address(), &mut Rng::from_number(1));
        let mut stage = Stage { leg, said: vec![] };
        stage.give(Input::Targets(Ok(vec![target(); branches])));
        stage.opened();
        stage
    }

    fn give(&mut self, input: Input) {
        self.said.clear();
        self.leg.handle(NOW, input);
        while let Some(output) = self.leg.poll() {
            self.said.push(output);
        }
    }

    fn order(&mut self, command: Command) {
        self.give(Input::Command(command));
    }

    fn sip(&mut self, event: sip::Event) {
        self.give(Input::Sip(event));
    }

    fn media(&mut self, event: media::Event) {
        self.give(Input::Media(event));
    }

    fn opened(&mut self) {
        let local = SocketAddr::from(([192, 0, 2, 1], 20_000));
        self.media(media::Event::Opened { session: SipLeg::session_of(LEG), local });
    }

    fn closed(&mut self) {
        let session = SipLeg::session_of(LEG);
        self.media(media::Event::Closed { session, received: 0, sent: 0, lost: 0 });
    }

    fn within(&mut self, message: Message) {
        let transaction = TransactionId(5);
        self.sip(sip::Event::InDialog { dialog: DIALOG, transaction, message });
    }

    fn ended(&mut self, dialog: DialogId, ending: Ending) {
        self.sip(sip::Event::Ended { dialog, ending, message: None });
    }

    fn progress(&mut self, branch: usize, message: Message) {
        self.sip(sip::Event::Progress { dialog: SipLeg::dialog_of(LEG, branch), message });
    }

    fn accepted(&mut self, branch: usize, message: Message) {
        self.sip(sip::Event::Accepted { dialog: SipLeg::dialog_of(LEG, branch), message });
    }

    /// What went to the far end in short: a status, `BYE/CANCEL` of a branch …
    fn signalled(&self) -> Vec<String> {
        let short = |output: &Output| match output {
            Output::Sip(sip::Command::Respond { status, .. }) => Some(format!("{status}")),
            Output::Sip(sip::Command::Reject { status, .. }) => Some(format!("reject {status}")),
            Output::Sip(sip::Command::Progress { status, .. }) => Some(format!("{status}")),
            Output::Sip(sip::Command::Accept { .. }) => Some("accept".to_owned()),
            Output::Sip(sip::Command::Invite(_)) => Some("invite".to_owned()),
            Output::Sip(sip::Command::Hangup { dialog, .. }) => {
                let branch = if dialog.incoming() { 0 } else { dialog.0 & 15 };
                Some(format!("hang up {branch}"))
            }
            _ => None,
        };
        self.said.iter().filter_map(short).collect()
    }

    fn events(&self) -> Vec<&Event> {
        let mut events = vec![];
        for output in &self.said {
            if let Output::Event(event) = output {
                events.push(event);
            }
        }
        events
    }

    fn connected(&self) -> Option<&Remote> {
        self.said.iter().rev().find_map(|output| match output {
            Output::Media(media::Command::Connect { remote, .. }) => Some(remote),
            _ => None,
        })
    }

    fn body(&self) -> String {
        let body = self.said.iter().find_map(|output| match output {
            Output::Sip(sip::Command::Respond { body, .. } | sip::Command::Accept { body, .. }) => {
                body.as_ref()
            }
            _ => None,
        });
        String::from_utf8(body.expect("a body").bytes.to_vec()).expect("text")
    }

    fn is_gone(&self) -> bool {
        matches!(self.said.last(), Some(Output::Gone))
    }
}

fn target() -> Target {
    let peer = SocketAddr::from(([192, 0, 2, 9], 5060));
    let local = SocketAddr::from(([192, 0, 2, 1], 5060));
    Target {
        uri: "sip:b@192.0.2.9".into(),
        to: "sip:b@h".into(),
        from: "sip:a@h".into(),
        display_name: None,
        flow: Flow { transport: Transport::Udp, local, remote: peer, connection: 0 },
        route: vec![],
        max_forwards: 70,
        login: None,
        session: None,
        leeway: media::Leeway::None,
        headers: vec![],
    }
}

/// An incoming leg that was answered and confirmed.
fn talking() -> Stage {
    let mut stage =
        Stage::incoming(&request("INVITE", "application/sdp", &sdp(4000, 0, "sendrecv")));
    stage.order(Command::Answer);
    stage.opened();
    assert_eq!(stage.signalled(), ["accept"]);
    stage.sip(sip::Event::Confirmed { dialog: DIALOG, message: request("ACK", "x/y", "") });
    assert!(matches!(stage.events()[..], [Event::Answered { .. }]));
    stage
}

fn record(recording: RecordingSid) -> Command {
    Command::Record(super::super::Record {
        recording,
        tracks: Tracks::Own,
        max: Duration::from_secs(60),
        silence: None,
        trim: false,
    })
}

fn cause(stage: &Stage) -> Option<(Cause, Option<u16>)> {
    stage.events().iter().find_map(|event| match event {
        Event::Ended { cause, sip_status, .. } => Some((*cause, *sip_status)),
        _ => None,
    })
}

#[test]
fn a_call_that_comes_in_rings_is_answered_and_hung_up() {
    let mut stage =
        Stage::incoming(&request("INVITE", "application/sdp", &sdp(4000, 8, "sendrecv")));
    stage.order(Command::Ring);
    assert_eq!(stage.signalled(), ["180"]);
    stage.order(Command::Answer);
    assert_eq!(stage.signalled(), [""; 0], "only once the socket is bound");
    stage.opened();
    assert_eq!(stage.signalled(), ["accept"]);
    assert_eq!(stage.connected().expect("connected").codec, Codec::Pcma);
    assert!(stage.body().contains("m=audio 20000 RTP/AVP 8"));
    stage.sip(sip::Event::Confirmed { dialog: DIALOG, message: request("ACK", "x/y", "") });
    stage.order(Command::Hangup);
    assert_eq!(stage.signalled(), ["hang up 0"]);
    assert_eq!(cause(&stage), Some((Cause::Local, None)));
    stage.ended(DIALOG, Ending::Local);
    assert!(!stage.is_gone(), "the socket is still open");
    stage.closed();
    assert!(stage.is_gone());
}

#[test]
fn an_invite_without_a_description_gets_an_offer_that_the_ack_answers() {
    let mut stage = Stage::incoming(&request("INVITE", "x/y", ""));
    stage.order(Command::Answer);
    stage.opened();
    assert!(stage.body().contains("RTP/AVP 0 8 101"));
    assert!(stage.connected().is_none());
    let ack = request("ACK", "application/sdp", &sdp(4000, 8, "sendrecv"));
    stage.sip(sip::Event::Confirmed { dialog: DIALOG, message: ack });
    assert_eq!(stage.connected().expect("connected").address.port(), 4000);

    let mut stage = Stage::incoming(&request("INVITE", "x/y", ""));
    stage.order(Command::Answer);
    stage.opened();
    stage.sip(sip::Event::Confirmed { dialog: DIALOG, message: request("ACK", "x/y", "") });
    assert_eq!(stage.signalled(), ["hang up 0"], "an ACK without the answer");
}

#[test]
fn hold_is_answered_by_its_complement_and_nonsense_changes_nothing() {
    let mut stage = talking();
    stage.within(request("INVITE", "application/sdp", &sdp(4000, 0, "sendonly")));
    assert_eq!(stage.signalled(), ["200"]);
    assert!(stage.body().contains("a=recvonly"));
    assert_eq!(stage.connected().expect("changed").direction, Direction::RecvOnly);
    stage.within(request("INVITE", "application/sdp", &sdp(4000, 0, "inactive")));
    assert!(stage.body().contains("a=inactive"));
    stage.within(request("UPDATE", "application/sdp", &sdp(4002, 0, "sendrecv")));
    assert_eq!(stage.connected().expect("moved").address.port(), 4002);
    for (body, status) in [(sdp(4000, 9, "sendrecv"), "488"), ("nonsense".to_owned(), "400")] {
        stage.within(request("INVITE", "application/sdp", &body));
        assert_eq!(stage.signalled(), [status]);
        assert!(stage.connected().is_none() && stage.events().is_empty());
    }
    stage.within(request("INVITE", "multipart/mixed", "--x"));
    assert_eq!(stage.signalled(), ["415"]);
    stage.within(request("UPDATE", "x/y", ""));
    assert_eq!(stage.signalled(), ["200"]);
}

#[test]
fn only_the_ack_of_our_own_offer_brings_an_answer() {
    let mut stage = talking();
    let stray = request("ACK", "application/sdp", &sdp(6666, 0, "sendrecv"));
    stage.sip(sip::Event::Confirmed { dialog: DIALOG, message: stray.clone() });
    assert!(stage.connected().is_none(), "nobody asked for it");
    stage.within(request("INVITE", "x/y", ""));
    assert!(stage.body().contains("m=audio 20000 RTP/AVP 0 "), "the codec stays");
    stage.sip(sip::Event::Confirmed { dialog: DIALOG, message: stray });
    assert_eq!(stage.connected().expect("answered").address.port(), 6666);
}

#[test]
fn an_offer_without_anything_for_us_fails_the_call() {
    for (body, status) in [(sdp(4000, 9, "sendrecv"), 488), ("v=0".to_owned(), 400)] {
        let invite = request("INVITE", "application/sdp", &body);
        let (refused, headers, _) = objection(&invite).expect("an objection");
        assert_eq!((refused, headers[0].0.as_str()), (status, "Warning"));
        let mut stage = Stage::incoming(&invite);
        stage.order(Command::Answer);
        stage.opened();
        assert_eq!(stage.signalled(), [format!("reject {status}")]);
        assert_eq!(cause(&stage), Some((Cause::Failed, Some(status))));
    }
    let (status, headers, _) =
        objection(&request("INVITE", "text/plain", "hello")).expect("an objection");
    assert_eq!((status, headers[0].1.as_str()), (415, "application/sdp"));
    assert_eq!(objection(&request("INVITE", "x/y", "")), None);
}

#[test]
fn digits_by_info_reach_the_call() {
    let mut stage = talking();
    stage.within(request("INFO", "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"));
    assert_eq!(stage.signalled(), ["200"]);
    assert_eq!(stage.events(), [&Event::Digit('5')]);
    stage.within(request("INFO", "application/dtmf", "#"));
    assert_eq!(stage.events(), [&Event::Digit('#')]);
    stage.within(request("INFO", "application/dtmf", "xyz"));
    assert_eq!(stage.signalled(), ["400"]);
    stage.within(request("INFO", "application/media_control+xml", "<x/>"));
    assert_eq!(stage.signalled(), ["415"]);
    stage.within(request("INFO", "x/y", ""));
    assert_eq!(stage.signalled(), ["200"]);
}

#[test]
fn a_caller_that_gives_up_while_the_socket_is_bound_leaves_nothing() {
    let mut stage =
        Stage::incoming(&request("INVITE", "application/sdp", &sdp(4000, 0, "sendrecv")));
    stage.order(Command::Answer);
    stage.ended(DIALOG, Ending::Cancelled);
    assert_eq!(cause(&stage), Some((Cause::Cancelled, None)));
    stage.opened();
    assert_eq!(stage.signalled(), [""; 0], "too late to answer");
    stage.closed();
    assert!(stage.is_gone());
}

#[test]
fn a_recording_that_never_began_ends_before_its_leg() {
    let mut stage =
        Stage::incoming(&request("INVITE", "application/sdp", &sdp(4000, 0, "sendrecv")));
    let recording = RecordingSid::from_bytes([1; 16]);
    stage.order(Command::Answer);
    stage.order(record(recording));
    stage.ended(DIALOG, Ending::Cancelled);
    let events = stage.events();
    let failed = matches!(events[0], Event::Recorded { recording: r, end: RecordingEnd::Failed, .. } if *r == recording);
    assert!(failed && matches!(events[1], Event::Ended { .. }), "{events:?}");
    stage.closed();
    assert!(stage.is_gone());
}

#[test]
fn the_end_waits_for_recordings_and_comes_once() {
    let mut stage = talking();
    let recording = RecordingSid::from_bytes([1; 16]);
    stage.order(record(recording));
    stage.ended(DIALOG, Ending::Bye);
    assert!(stage.events().is_empty(), "the recording is still being closed");
    stage.closed();
    assert!(!stage.is_gone());
    let recorded = media::Event::Recorded {
        session: SipLeg::session_of(LEG),
        recording,
        end: RecordingEnd::Stopped,
        length: Duration::from_secs(1),
        heard: true,
    };
    stage.media(recorded.clone());
    assert!(matches!(stage.events()[..], [Event::Recorded { .. }, Event::Ended { .. }]));
    assert!(stage.is_gone());
    stage.media(recorded);
    assert!(stage.events().is_empty(), "nothing comes after the end");
}

#[test]
fn the_first_phone_to_answer_wins_and_the_others_stop() {
    let mut stage = Stage::outgoing(3);
    assert_eq!(stage.signalled(), ["invite"; 3]);
    stage.progress(0, response(180, "x", ""));
    assert_eq!(stage.events(), [&Event::Ringing]);
    stage.progress(1, response(180, "y", ""));
    assert!(stage.events().is_empty(), "told once");
    stage.accepted(1, response(200, "y", &sdp(4000, 0, "sendrecv")));
    assert_eq!(stage.signalled(), ["hang up 0", "hang up 2"]);
    assert!(matches!(stage.events()[..], [Event::Answered { .. }]));
    stage.accepted(2, response(200, "z", &sdp(5000, 0, "sendrecv")));
    assert_eq!(stage.signalled(), ["hang up 2"], "picked up at the same moment");
    assert!(stage.connected().is_none());
    for branch in [0, 2] {
        stage.ended(SipLeg::dialog_of(LEG, branch), Ending::Local);
        assert!(stage.events().is_empty());
    }
    stage.ended(SipLeg::dialog_of(LEG, 1), Ending::Bye);
    assert_eq!(cause(&stage), Some((Cause::Hangup, None)));
    stage.closed();
    assert!(stage.is_gone());
}

#[test]
fn early_media_of_one_phone_is_no_answer_of_another() {
    let mut stage = Stage::outgoing(2);
    stage.progress(0, response(183, "x", &sdp(4000, 0, "sendrecv")));
    assert_eq!(stage.events(), [&Event::EarlyMedia]);
    stage.accepted(1, response(200, "y", ""));
    assert_eq!(stage.signalled(), ["hang up 0", "hang up 1"], "a 200 without an answer");
    assert_eq!(cause(&stage), Some((Cause::Failed, Some(488))));

    let mut stage = Stage::outgoing(2);
    stage.progress(0, response(183, "x", &sdp(4000, 0, "sendrecv")));
    stage.progress(1, response(183, "y", &sdp(5000, 0, "sendrecv")));
    assert!(stage.connected().is_none(), "the first is heard");
    stage.accepted(1, response(200, "y", ""));
    assert_eq!(stage.connected().expect("its own").address.port(), 5000);
    assert!(matches!(stage.events()[..], [Event::Answered { .. }]));
}

#[test]
fn the_best_refusal_is_reported_and_a_decline_stops_the_rest() {
    let mut stage = Stage::outgoing(3);
    stage.ended(SipLeg::dialog_of(LEG, 0), Ending::Timeout);
    stage.ended(SipLeg::dialog_of(LEG, 1), Ending::Rejected(486));
    assert!(stage.events().is_empty());
    stage.ended(SipLeg::dialog_of(LEG, 2), Ending::Rejected(404));
    assert_eq!(cause(&stage), Some((Cause::Busy, Some(486))));

    let mut stage = Stage::outgoing(2);
    stage.ended(SipLeg::dialog_of(LEG, 0), Ending::Rejected(603));
    assert_eq!(stage.signalled(), ["hang up 1"]);
    stage.ended(SipLeg::dialog_of(LEG, 1), Ending::Local);
    assert_eq!(cause(&stage), Some((Cause::NoAnswer, Some(603))));
}

#[test]
fn a_leg_that_is_hung_up_before_it_has_a_way_or_a_socket_goes_at_once() {
    let leg = SipLeg::outgoing(LEG, address(), &mut Rng::from_number(1));
    let mut stage = Stage { leg, said: vec![] };
    stage.order(Command::Hangup);
    assert!(stage.is_gone());

    let leg = SipLeg::outgoing(LEG, address(), &mut Rng::from_number(1));
    let mut stage = Stage { leg, said: vec![] };
    stage.give(Input::Targets(Ok(vec![target()])));
    stage.order(Command::Hangup);
    stage.opened();
    assert_eq!(stage.signalled(), [""; 0], "nobody is invited any more");
    stage.closed();
    assert!(stage.is_gone());

    let leg = SipLeg::outgoing(LEG, address(), &mut Rng::from_number(1));
    let mut stage = Stage { leg, said: vec![] };
    stage.give(Input::Targets(Err(480)));
    assert_eq!(cause(&stage), Some((Cause::NoAnswer, Some(480))));
    assert!(stage.is_gone());
}

#[test]
fn without_a_socket_the_caller_may_try_again() {
    let mut stage =
        Stage::incoming(&request("INVITE", "application/sdp", &sdp(4000, 0, "sendrecv")));
    stage.order(Command::Answer);
    let session = SipLeg::session_of(LEG);
    stage.media(media::Event::Failed { session, reason: "no port".into() });
    assert_eq!(stage.signalled(), ["reject 503"]);
    assert_eq!(cause(&stage), Some((Cause::Failed, Some(503))));
}

#[test]
fn silence_on_the_line_ends_the_dialog_too() {
    let mut stage = talking();
    stage.media(media::Event::Silent { session: SipLeg::session_of(LEG) });
    assert_eq!(stage.signalled(), ["hang up 0"]);
    assert_eq!(cause(&stage), Some((Cause::Lost, None)));
}

#[test]
fn a_call_that_nobody_takes_may_be_tried_elsewhere() {
    let offer = sdp(4000, 0, "sendrecv");
    let mut stage = Stage::incoming(&request("INVITE", "application/sdp", &offer));
    stage.order(Command::Ring);
    stage.order(Command::Hangup);
    // 603 would forbid the carrier every other way (RFC 3261 section 21.6.2).
    assert_eq!(stage.signalled(), ["reject 480"]);
    assert_eq!(cause(&stage), Some((Cause::Local, None)));
}

#[test]
fn a_hang_up_that_overtakes_the_answer_waits_for_it() {
    let offer = sdp(4000, 0, "sendrecv");
    let mut stage = Stage::incoming(&request("INVITE", "application/sdp", &offer));
    stage.order(Command::Answer);
    stage.order(Command::Hangup);
    assert!(stage.signalled().is_empty() && stage.events().is_empty());
    stage.opened();
    assert_eq!(stage.signalled(), ["accept", "hang up 0"]);
    assert_eq!(cause(&stage), Some((Cause::Local, None)));
}

#[test]
fn a_description_is_known_however_its_type_is_written() {
    for written in ["application/sdp", "Application / SDP ; charset=utf-8", "APPLICATION/sdp;v=0"] {
        let invite = request("INVITE", written, &sdp(4000, 0, "sendrecv"));
        assert!(super::offer::sdp_of(&invite).is_some(), "{written}");
        assert!(objection(&invite).is_none(), "{written}");
    }
    for other in ["application/sdpx", "sdp", "text/sdp"] {
        let invite = request("INVITE", other, &sdp(4000, 0, "sendrecv"));
        assert_eq!(objection(&invite).map(|(status, ..)| status), Some(415), "{other}");
    }
}
