use super::*;
use crate::sip::Transport;
use crate::sip::transaction::{GIVE_UP, T1, ack};
use crate::sip::write::Builder;
use crate::sip::{HeaderName, Parsed};

fn flow(transport: Transport) -> Flow {
    let local = "192.0.2.1:5060".parse().expect("an address");
    let remote = "192.0.2.2:5060".parse().expect("an address");
    Flow { transport, local, remote, connection: 0 }
}

fn request(method: &str, branch: &str) -> Bytes {
    Builder::request(method, "sip:b@192.0.2.2")
        .header("Via", &format!("SIP/2.0/UDP 192.0.2.1;branch={branch}"))
        .header("Max-Forwards", "70")
        .header("Route", "<sip:p1;lr>")
        .header("From", "<sip:a@192.0.2.1>;tag=f")
        .header("To", "<sip:b@192.0.2.2>")
        .header("Call-ID", "c1")
        .header("CSeq", &format!("9 {method}"))
        .build()
}

fn read(bytes: Bytes) -> Message {
    match Message::parse(bytes) {
        Parsed::Valid(message) => message,
        other => panic!("{other:?}"),
    }
}

fn response(request: &Bytes, status: u16, tag: &str) -> Message {
    read(Builder::response_to(&read(request.clone()), status, "x", Some(tag)).build())
}

/// Runs all timers to the end; the times at which something was sent, in milliseconds.
fn sent_until_quiet(table: &mut Transactions) -> Vec<u64> {
    let mut times = Vec::new();
    let mut now = Instant::ZERO;
    loop {
        while let Some(notice) = table.poll() {
            if matches!(notice, Notice::Transmit(..)) {
                times.push(now.as_millis());
            }
        }
        let Some(next) = table.timeout() else { return times };
        now = next;
        table.handle_timeout(now);
    }
}

#[test]
fn an_unanswered_invite_is_sent_seven_times() {
    let mut table = Transactions::default();
    let bytes = request("INVITE", "z9hG4bK1");
    table.send(Instant::ZERO, Method::Invite, "z9hG4bK1", flow(Transport::Udp), bytes);
    let times = sent_until_quiet(&mut table);
    assert_eq!(times, [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
    assert!(table.is_empty());
}

#[test]
fn an_unanswered_bye_is_sent_eleven_times_and_once_on_a_stream() {
    for (transport, expected) in [
        (
            Transport::Udp,
            &[0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500][..],
        ),
        (Transport::Tcp, &[0][..]),
    ] {
        let mut table = Transactions::default();
        let bytes = request("BYE", "z9hG4bK1");
        let id = table.send(Instant::ZERO, Method::Bye, "z9hG4bK1", flow(transport), bytes);
        assert_eq!(sent_until_quiet(&mut table), expected);
        assert!(table.request(id).is_none() && table.is_empty());
    }
}

#[test]
fn a_failure_is_acknowledged_each_time_it_comes() {
    let mut table = Transactions::default();
    let bytes = request("INVITE", "z9hG4bK1");
    let udp = flow(Transport::Udp);
    let id = table.send(Instant::ZERO, Method::Invite, "z9hG4bK1", udp, bytes.clone());
    assert!(matches!(table.poll(), Some(Notice::Transmit(..))));
    let busy = response(&bytes, 486, "t");
    assert_eq!(table.receive_response(Instant::ZERO, &busy), Some(id));
    assert_eq!(table.receive_response(Instant::ZERO, &busy), None, "told once");
    for _ in 0..2 {
        let Some(Notice::Transmit(_, ack)) = table.poll() else { panic!("no ACK") };
        let ack = read(ack);
        assert_eq!(ack.method(), Method::Ack);
        assert_eq!(ack.via().and_then(|via| via.branch()), Some("z9hG4bK1"));
        assert_eq!(ack.to().and_then(|to| to.tag()), Some("t"));
        assert_eq!(ack.header(HeaderName::Route), Some("<sip:p1;lr>"));
        assert_eq!(ack.cseq().map(|cseq| cseq.number), Some(9));
    }
    assert_eq!(table.timeout(), Some(Instant::ZERO + GIVE_UP), "timer D runs alone");
    table.handle_timeout(Instant::ZERO + GIVE_UP);
    assert!(table.is_empty());
}

#[test]
fn a_refusal_is_repeated_until_its_ack_comes() {
    let udp = flow(Transport::Udp);
    let bytes = request("INVITE", "z9hG4bK1");
    let invite = read(bytes.clone());
    let mut table = Transactions::default();
    let id = table.accept(Instant::ZERO, &invite, udp).expect("a Via");
    table.respond(Instant::ZERO, id, 486, Bytes::from_static(b"x"));
    let times = sent_until_quiet(&mut table);
    assert_eq!(times, [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert!(table.is_empty());

    let mut table = Transactions::default();
    let id = table.accept(Instant::ZERO, &invite, udp).expect("a Via");
    table.respond(Instant::ZERO, id, 486, Bytes::from_static(b"x"));
    let ack = read(ack(&bytes, &response(&bytes, 486, "t")).expect("an ACK"));
    assert_eq!(table.receive_request(Instant::ZERO + T1, &ack), Arrival::Absorbed);
    assert_eq!(sent_until_quiet(&mut table), [0]);
    assert!(table.is_empty());
}

#[test]
fn repeats_are_absorbed_and_another_branch_is_a_merged_request() {
    let udp = flow(Transport::Udp);
    let mut table = Transactions::default();
    let options = read(request("OPTIONS", "z9hG4bK1"));
    assert_eq!(table.receive_request(Instant::ZERO, &options), Arrival::Unknown);
    let id = table.accept(Instant::ZERO, &options, udp).expect("a Via");
    assert_eq!(table.receive_request(Instant::ZERO, &options), Arrival::Absorbed);
    assert!(table.poll().is_none(), "nothing to repeat yet");
    table.respond(Instant::ZERO, id, 200, Bytes::from_static(b"ok"));
    table.respond(Instant::ZERO, id, 500, Bytes::from_static(b"late"));
    assert_eq!(table.receive_request(Instant::ZERO, &options), Arrival::Absorbed);
    for _ in 0..2 {
        assert!(matches!(table.poll(), Some(Notice::Transmit(_, b)) if b == "ok"));
    }
    assert!(table.poll().is_none());
    assert!(table.merged(&read(request("OPTIONS", "z9hG4bK2"))));
    assert!(!table.merged(&read(request("BYE", "z9hG4bK2"))));
}

#[test]
fn a_cancel_finds_its_invite_even_from_another_port() {
    let mut table = Transactions::default();
    let bytes = request("INVITE", "z9hG4bK1");
    let id = table.accept(Instant::ZERO, &read(bytes.clone()), flow(Transport::Udp));
    let cancel = crate::sip::transaction::cancel(&bytes, &[]).expect("a CANCEL");
    assert_eq!(table.cancelled(&read(cancel.clone())), id);
    let text = String::from_utf8_lossy(&cancel).replace("UDP 192.0.2.1;", "UDP 192.0.2.1:9999;");
    assert_eq!(table.cancelled(&read(text.clone().into())), id);
    let other = text.replace("z9hG4bK1", "z9hG4bK2");
    assert_eq!(table.cancelled(&read(other.into())), None);
}

#[test]
fn an_unreachable_peer_fails_what_waits_for_it() {
    let mut table = Transactions::default();
    let (udp, tcp) = (flow(Transport::Udp), flow(Transport::Tcp));
    let bytes = request("BYE", "z9hG4bK1");
    let id = table.send(Instant::ZERO, Method::Bye, "z9hG4bK1", udp, bytes.clone());
    table.send(Instant::ZERO, Method::Bye, "z9hG4bK2", tcp, bytes);
    table.unreachable(Instant::ZERO, udp);
    let notices: Vec<Notice> = std::iter::from_fn(|| table.poll()).collect();
    assert!(notices.iter().any(|notice| matches!(notice, Notice::Failed(hit) if *hit == id)));
    assert_eq!(table.len(), 1, "the other flow's transaction goes on");
}

#[test]
fn a_connection_that_fails_fails_those_who_asked_for_any() {
    let mut table = Transactions::default();
    let any = flow(Transport::Tcp);
    let (chosen, other) = (Flow { connection: 7, ..any }, Flow { connection: 8, ..any });
    for (number, flow) in [(1, any), (2, chosen), (3, other)] {
        let branch = format!("z9hG4bK{number}");
        let bytes = request("BYE", &branch);
        table.send(Instant::ZERO, Method::Bye, &branch, flow, bytes);
    }
    table.unreachable(Instant::ZERO, chosen);
    let notices = std::iter::from_fn(|| table.poll());
    assert_eq!(notices.filter(|notice| matches!(notice, Notice::Failed(_))).count(), 2);
    assert_eq!(table.len(), 1, "the other connection's transaction goes on");
}

#[test]
fn what_only_absorbs_repeats_keeps_no_messages() {
    let mut table = Transactions::default();
    let udp = flow(Transport::Udp);
    let id = table.send(Instant::ZERO, Method::Bye, "z9hG4bK1", udp, request("BYE", "z9hG4bK1"));
    table.drive_client(Instant::ZERO, id.0, Input::Success, None);
    assert!(table.request(id).is_some_and(|(request, _)| request.is_empty()));
    let Parsed::Valid(invite) = Message::parse(request("INVITE", "z9hG4bK2")) else {
        panic!("an INVITE")
    };
    let id = table.accept(Instant::ZERO, &invite, udp).expect("a Via");
    table.respond(Instant::ZERO, id, 200, Bytes::from_static(b"200"));
    let sent = |table: &mut Transactions| {
        let notices = std::iter::from_fn(|| table.poll());
        notices
            .filter(|notice| matches!(notice, Notice::Transmit(_, bytes) if bytes == "200"))
            .count()
    };
    assert_eq!(sent(&mut table), 1);
    assert!(table.servers[&id.0].response.is_none());
    assert_eq!(table.receive_request(Instant::ZERO, &invite), Arrival::Absorbed);
    table.respond(Instant::ZERO, id, 200, Bytes::from_static(b"200"));
    assert_eq!(sent(&mut table), 1, "the dialog repeats it");
}
