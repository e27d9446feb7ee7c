//! Bad networks and mad peers, by seed: calls end, nothing stays, nothing panics.

use bytes::Bytes;

use super::net::*;
use crate::base::{Duration, Instant, Machine, Rng};
use crate::sip::{Command, DialogId, Event, Input, Message, Method, Transport};

/// Answers whatever the agents told since the last look.
fn act(net: &mut Net, rng: &mut Rng, seen: &mut [usize; 2]) {
    for (side, seen) in seen.iter_mut().enumerate() {
        while let Some(event) = net.events[side].get(*seen).cloned() {
            *seen += 1;
            match event {
                Event::Invite { dialog, .. } => {
                    match rng.below(2) {
                        0 => net.command(side, ring(dialog)),
                        _ => net.command(side, early(dialog)),
                    }
                    match rng.below(4) {
                        0 => net.command(side, hangup(dialog)),
                        _ => net.command(side, accept(dialog)),
                    }
                }
                Event::InDialog { transaction, .. } | Event::Request { transaction, .. } => {
                    let body = Some(sdp());
                    let answer =
                        Command::Respond { transaction, status: 200, headers: vec![], body };
                    net.command(side, answer);
                }
                _ => {}
            }
        }
    }
}

#[test]
fn every_call_ends_once_on_both_sides_whatever_the_network_does() {
    for seed in 0..60 {
        let transport = if seed % 5 == 0 { Transport::Tcp } else { Transport::Udp };
        let mut net = Net::new(seed, transport);
        if transport == Transport::Udp {
            net.weather = Weather { lost: 100 + seed * 3, repeated: 100, jitter_ms: 400 };
        }
        let (mut rng, mut seen) = (Rng::from_number(seed), [0, 0]);
        for call in 1..=8 {
            let flow = net.flow(0);
            net.command(0, Command::Invite(Box::new(invite(call, flow))));
        }
        for _ in 0..400 {
            net.run_for(Duration::from_millis(100));
            act(&mut net, &mut rng, &mut seen);
            let dialog = DialogId(1 + rng.below(8));
            match rng.below(40) {
                0 => net.command(0, hangup(dialog)),
                1 => net.command(0, reinvite(dialog)),
                2 => net.incoming(1).map(|d| net.command(1, reinvite(d))).unwrap_or_default(),
                3 => net.command(0, update(dialog, true)),
                4 => net.incoming(1).map(|d| net.command(1, update(d, true))).unwrap_or_default(),
                _ => {}
            }
        }
        for call in 1..=8 {
            net.command(0, hangup(DialogId(call)));
        }
        net.run_for(Duration::from_secs(40));
        act(&mut net, &mut rng, &mut seen);
        // A BYE may be lost for good; whoever did not hear it hangs up by itself.
        let standing: Vec<DialogId> = net.agents[1].usages.keys().copied().collect();
        standing.into_iter().for_each(|dialog| net.command(1, hangup(dialog)));
        net.run_out();
        for side in 0..2 {
            let mut ended: Vec<DialogId> = net.events[side]
                .iter()
                .filter_map(|event| match event {
                    Event::Ended { dialog, .. } => Some(*dialog),
                    _ => None,
                })
                .collect();
            let count = ended.len();
            ended.sort();
            ended.dedup();
            assert_eq!(ended.len(), count, "told once, seed {seed}");
            if side == 0 {
                assert_eq!(count, 8, "seed {seed}");
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = || {
        let mut net = Net::new(3, Transport::Udp);
        net.weather = Weather { lost: 200, repeated: 100, jitter_ms: 400 };
        let flow = net.flow(0);
        net.command(0, Command::Invite(Box::new(invite(1, flow))));
        net.run_for(Duration::from_secs(5));
        net.command(0, hangup(DialogId(1)));
        net.run_for(Duration::from_secs(5));
        net.sent.iter().map(|s| (s.at, s.message.as_bytes().clone())).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

/// A message out of a few parts that meet each other often.
fn nonsense(rng: &mut Rng, heard: &[Bytes]) -> Bytes {
    if rng.below(2) == 0 && !heard.is_empty() {
        let one = rng.below(heard.len() as u64) as usize;
        return mangled(rng, &heard[one]);
    }
    let method =
        ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE", "REGISTER", "PRACK", "X"]
            [rng.below(10) as usize];
    let start = match rng.below(4) {
        0 => {
            format!("SIP/2.0 {} x", [100, 180, 200, 302, 401, 481, 491, 603][rng.below(8) as usize])
        }
        _ => format!("{method} sip:b@198.51.100.2 SIP/2.0"),
    };
    let tag = |rng: &mut Rng| ["", ";tag=1", ";tag=2"][rng.below(3) as usize];
    let text = format!(
        "{start}\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK{}\r\nFrom: <sip:a@b>{}\r\n\
         To: <sip:b@c>{}\r\nCall-ID: {}\r\nCSeq: {} {method}\r\nContact: <sip:a@198.51.100.1>\r\n\
         Content-Length: 0\r\n\r\n",
        rng.below(30),
        tag(rng),
        tag(rng),
        rng.below(3),
        rng.below(5),
    );
    text.into()
}

/// What the agent said itself, sent back as the other side might: with another start line,
/// another CSeq, or bytes damaged.
fn mangled(rng: &mut Rng, bytes: &Bytes) -> Bytes {
    let text = String::from_utf8_lossy(bytes).into_owned();
    match rng.below(5) {
        0 => {
            let rest = text.split_once("\r\n").map_or("", |(_, rest)| rest);
            let status = [100, 180, 183, 200, 401, 408, 481, 487, 491][rng.below(9) as usize];
            format!("SIP/2.0 {status} x\r\nContact: <sip:z@198.51.100.1>\r\n{rest}").into()
        }
        1 => text.replace("CSeq: 1", "CSeq: 2").replace("z9hG4bK", "z9hG4bKz").into(),
        2 => {
            // From and To change places: a request from the far side of the dialog.
            let turned = text.replace("From:", "F0:").replace("To:", "From:").replace("F0:", "To:");
            let method = ["BYE", "ACK", "INVITE", "INFO"][rng.below(4) as usize];
            let rest = turned.split_once("\r\n").map_or("", |(_, rest)| rest);
            let number = rng.below(6);
            let rest: String = rest
                .split_inclusive("\r\n")
                .map(|line| match line.starts_with("CSeq:") {
                    true => format!("CSeq: {number} {method}\r\n"),
                    false => line.to_owned(),
                })
                .collect();
            format!("{method} sip:b@198.51.100.2 SIP/2.0\r\n{rest}").into()
        }
        3 => {
            let mut bytes = bytes.to_vec();
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] = rng.next_u32() as u8;
            bytes.into()
        }
        _ => bytes.clone(),
    }
}

fn whim(rng: &mut Rng, net: &Net) -> Command {
    let mut dialogs: Vec<DialogId> = net.agents[0].usages.keys().copied().collect();
    dialogs.push(DialogId(rng.below(20)));
    let dialog = dialogs[rng.below(dialogs.len() as u64) as usize];
    let pending = net.agents[0].pending.keys().next().copied();
    let headers = vec![("Reason".to_owned(), "Q.850;cause=16\r\nEvil: 1".to_owned())];
    let status = [99, 100, 180, 200, 401, 487, 491, 700][rng.below(8) as usize];
    match rng.below(9) {
        0 => Command::Invite(Box::new(invite(rng.below(20), net.flow(0)))),
        1 => Command::Progress { dialog, status, headers, body: None },
        2 => accept(dialog),
        3 => Command::Reject { dialog, status, headers },
        4 => Command::Hangup { dialog, headers },
        5 => reinvite(dialog),
        6 => Command::Request { dialog, method: "INFO", headers, body: Some(sdp()) },
        _ => match pending {
            Some(transaction) => Command::Respond { transaction, status, headers, body: None },
            None => hangup(dialog),
        },
    }
}

#[test]
fn mad_peers_and_mad_commands_do_no_harm() {
    for seed in 0..25 {
        let mut net = Net::new(seed, Transport::Udp);
        net.drop = |_| true;
        let mut rng = Rng::from_number(1000 + seed);
        for _ in 0..600 {
            let heard: Vec<Bytes> =
                net.sent.iter().rev().take(12).map(|s| s.message.as_bytes().clone()).collect();
            match rng.below(6) {
                0 => {
                    let command = whim(&mut rng, &net);
                    net.command(0, command);
                }
                1 => net.run_for(Duration::from_millis(rng.below(3000))),
                2 if rng.below(10) == 0 => {
                    let flow = net.flow(0);
                    net.agents[0].handle(net.now, Input::Unreachable { flow });
                }
                _ => {
                    let bytes = nonsense(&mut rng, &heard);
                    net.deliver(0, bytes);
                }
            }
            check(&net, seed);
        }
        // Whoever drives the agent ends what it still knows of.
        for _ in 0..3 {
            let standing: Vec<DialogId> = net.agents[0].usages.keys().copied().collect();
            standing.into_iter().for_each(|dialog| net.command(0, hangup(dialog)));
            net.run_for(Duration::from_secs(70));
        }
        net.run_out();
        let evil = |m: &Message| m.all_headers().any(|(name, _)| name == "Evil");
        assert!(!net.sent.iter().any(|sent| evil(&sent.message)));
        assert!(
            net.sent.iter().all(|sent| sent.message.method() != Method::Other || sent.from == 0)
        );
    }
}

/// Between any two inputs: what lives has a deadline or is in someone's hands, and the indexes
/// agree with what they point to.
fn check(net: &Net, seed: u64) {
    let agent = &net.agents[0];
    assert_eq!(agent.by_tag.len(), agent.usages.len(), "seed {seed}");
    assert!(agent.pending.keys().all(|id| agent.transactions.serves(*id)), "seed {seed}");
    assert!(agent.purposes.len() <= agent.transactions(), "seed {seed}");
    // Each dialog may have one INVITE of ours to which the peer said 1xx; its end is in the hands
    // of whoever drives the agent.
    if agent.transactions() > agent.pending() + agent.dialogs() {
        assert!(agent.timeout().is_some_and(|at| at > Instant::ZERO), "seed {seed}");
    }
}
