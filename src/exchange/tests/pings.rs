//! Pings to phones behind translators.

use super::*;

const EVERY: u32 = 25;

/// The seconds at which OPTIONS went out in two minutes, and to which ports.
fn pinged(stage: &mut Stage) -> Vec<(u64, u16)> {
    stage.sent.clear();
    let mut seen = vec![];
    for second in 1..=120 {
        stage.now = Instant::from_millis(second * 1_000);
        stage.exchange.handle_timeout(stage.now);
        stage.listen();
        let pings = std::mem::take(&mut stage.sent);
        for (flow, message) in pings.iter().filter(|(_, m)| m.method_name() == "OPTIONS") {
            seen.push((second, flow.remote.port()));
            let ok = response(message, 200, "p", "");
            stage.give(Input::Sip(sip::Input::Received { flow: *flow, bytes: ok.into() }));
        }
    }
    seen
}

fn stage() -> Stage {
    let mut stage = Stage::new();
    stage.exchange = stage.exchange.with_nat_ping(EVERY);
    stage
}

#[test]
fn a_phone_behind_a_translator_is_pinged_over_its_flow() {
    let mut stage = stage();
    let local = SocketAddr::from(([192, 0, 2, 1], 5060));
    let behind = |port| {
        let remote = SocketAddr::from((PHONE, port));
        Some(Flow { transport: Transport::Udp, local, remote, connection: 0 })
    };
    stage.flow = behind(40_001);
    stage.register("bob", "sip:desk@10.0.0.7:5060");
    stage.flow = behind(40_002);
    stage.register("alice", "sip:alice@desk.invalid");
    let pings = pinged(&mut stage);
    let ports: BTreeSet<u16> = pings.iter().map(|(_, port)| *port).collect();
    assert_eq!(ports.len(), 2, "both, where they came from: {pings:?}");
    for port in ports {
        let times: Vec<u64> = pings.iter().filter(|p| p.1 == port).map(|p| p.0).collect();
        assert!(times.len() >= 4, "{times:?}");
        let late = times.windows(2).any(|pair| pair[1] - pair[0] > 2 * u64::from(EVERY) - 1);
        assert!(!late, "{times:?}");
    }
}

#[test]
fn who_is_reached_directly_or_keeps_its_flow_itself_is_left_alone() {
    let mut stage = stage();
    let local = SocketAddr::from(([192, 0, 2, 1], 5060));
    let remote = SocketAddr::from((PHONE, 5060));
    stage.flow = Some(Flow { transport: Transport::Udp, local, remote, connection: 0 });
    stage.register("bob", "sip:desk@192.0.2.50:5060");
    assert_eq!(pinged(&mut stage), []);
    let mut off = Stage::new();
    off.register("bob", "sip:desk@10.0.0.7:5060");
    assert_eq!(pinged(&mut off), [], "nobody asked for it");
}
