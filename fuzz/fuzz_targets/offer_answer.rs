//! Offers and answers of one dialog, one after another, by both sides (RFC 3264 section 8).

use offhook::sdp::session::Session;
use offhook::sdp::{Direction, LocalDescription, accept_answer, answer, offer};

use super::law::Law;
use super::steps::Steps;

const LINES: [&str; 28] = [
    "m=audio 4000 RTP/AVP 0 101",
    "m=audio 4000 RTP/AVP 8 0 96",
    "m=audio 0 RTP/AVP 0",
    "m=video 4002 RTP/AVP 31",
    "m=audio 4004 RTP/SAVP 0",
    "m=audio 4004 RTP/AVPF 0 101",
    "m=image 4006 udptl t38",
    "c=IN IP4 192.0.2.9",
    "c=IN IP4 0.0.0.0",
    "c=IN IP6 2001:db8::9",
    "a=sendrecv",
    "a=sendonly",
    "a=recvonly",
    "a=inactive",
    "a=rtpmap:0 PCMU/8000",
    "a=rtpmap:8 PCMA/8000",
    "a=rtpmap:101 telephone-event/8000",
    "a=fmtp:101 0-15",
    "a=rtpmap:96 telephone-event/48000",
    "a=rtpmap:0 opus/48000/2",
    "a=ptime:20",
    "a=rtcp-mux",
    "b=AS:64",
    "k=clear:x",
    "t=0 0",
    "a=setup:actpass",
    "m=audio 70000 RTP/AVP 0",
    "a=mid:0",
];

pub fn run(bytes: &[u8]) {
    let mut steps = Steps::new(bytes);
    let local = ([192, 0, 2, 1], 4_000).into();
    let mut ours = LocalDescription::new(7);
    let (mut version, mut last) = (ours.version(), Vec::new());
    for _ in 0..Steps::MOST {
        let Some(step) = steps.next() else { break };
        let said = match step % 3 {
            0 => {
                let way = [
                    Direction::SendRecv,
                    Direction::SendOnly,
                    Direction::RecvOnly,
                    Direction::Inactive,
                ][usize::from(step / 3 % 4)];
                let said = offer(local, &[Law::Mu, Law::A], way, &mut ours);
                let answer = description(&mut steps);
                if let Ok(agreed) = accept_answer(&answer, &[Law::Mu, Law::A], &ours) {
                    // What we did not offer to send or hear is not agreed on either.
                    assert!(way.sends() || !agreed.direction.sends());
                    assert!(way.receives() || !agreed.direction.receives());
                }
                said
            }
            _ => {
                let offered = description(&mut steps);
                match answer(&offered, local, &[Law::A, Law::Mu], &mut ours) {
                    Ok((said, _)) => said,
                    Err(refusal) => {
                        assert!((400..500).contains(&refusal.status()));
                        continue;
                    }
                }
            }
        };
        Session::parse(&said).expect("what we say can be read");
        // RFC 3264 section 8: the version counts what differs, one at a time.
        assert_eq!(ours.version(), version + u64::from(said != last && !last.is_empty()));
        (version, last) = (ours.version(), said);
    }
}

/// A description of lines that meet each other often.
fn description(steps: &mut Steps<'_>) -> Vec<u8> {
    let mut text = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\n".to_owned();
    for _ in 0..steps.below(12) {
        text.push_str(steps.pick(&LINES));
        text.push_str("\r\n");
    }
    text.into_bytes()
}
