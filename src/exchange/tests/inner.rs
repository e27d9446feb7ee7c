//! Calls between two exchanges of one server.

use super::*;
use crate::exchange::peers::Say;
use crate::sip::Shards;

/// The first of three exchanges, and a Call-ID that is its own.
fn first_of_three() -> (Exchange, String) {
    let local = SocketAddr::from(([192, 0, 2, 1], 5060));
    let shards = Shards::new(0, 3, 7);
    let mut agent = user_agent::Config::new(vec![Listener::new(Transport::Udp, local)], "test");
    agent.shards = shards;
    let config = Config {
        agent,
        listeners: vec![(Transport::Udp, local)],
        public_address: None,
        own_addresses: vec![],
        epoch: Epoch::new(WallTime::from_unix_millis(1_700_000_000_000)),
        ledger: Default::default(),
    };
    let ours = (0..).map(|n| format!("call{n}")).find(|id| shards.of_call(id.as_bytes()).0 == 0);
    let exchange = Exchange::new(config, Arc::new(directory()), Rng::from_number(1));
    (exchange, ours.expect("one of three"))
}

/// Where it is sent to inside, if it is.
fn forwarded(exchange: &mut Exchange) -> Vec<(u8, Bytes)> {
    let outputs = std::iter::from_fn(|| exchange.poll());
    let inside = |output| match output {
        Output::Peer(to, PeerMessage(Say::Inside(_, bytes))) => Some((to.0, bytes)),
        _ => None,
    };
    outputs.filter_map(inside).collect()
}

#[test]
fn a_cancel_inside_follows_its_invite_to_whoever_has_it() {
    let (mut exchange, call_id) = first_of_three();
    let now = Instant::from_millis(1);
    let cancel = Bytes::from(format!(
        "CANCEL sip:bob@office.example SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK20\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@office.example>;tag=00\r\n\
         To: <sip:bob@office.example>\r\nCall-ID: {call_id}\r\nCSeq: 1 CANCEL\r\n\
         Content-Length: 0\r\n\r\n"
    ));
    let inner = Flow::inner(SocketAddr::from(([192, 0, 2, 1], 5060)));
    let from_third =
        || Input::Peer(ShardId(2), PeerMessage(Say::Inside(inner, Bytes::clone(&cancel))));
    // As long as nobody else is known to have it, it is answered here: 481, to the branch's owner.
    exchange.handle(now, from_third());
    let answered = forwarded(&mut exchange);
    assert!(answered.iter().all(|(_, bytes)| bytes.starts_with(b"SIP/2.0 481")), "{answered:?}");

    let taken = Say::Taken(call_id.as_bytes().into());
    exchange.handle(now, Input::Peer(ShardId(1), PeerMessage(taken)));
    exchange.handle(now, from_third());
    assert_eq!(forwarded(&mut exchange), [(1, cancel.clone())]);
    // One of this exchange's own.
    exchange.send_inside(inner, cancel.clone());
    assert_eq!(forwarded(&mut exchange), [(1, cancel)]);
}
