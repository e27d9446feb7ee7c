use super::*;
use crate::base::Rng;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Law {
    Mu,
    A,
}

impl Encoding for Law {
    fn name(self) -> &'static str {
        if self == Law::Mu { "PCMU" } else { "PCMA" }
    }

    fn payload_type(self) -> u8 {
        if self == Law::Mu { 0 } else { 8 }
    }

    fn clock(self) -> u32 {
        8_000
    }
}

const CODECS: [Law; 2] = [Law::Mu, Law::A];
const HEAD: &str = "v=0\r\no=- 7 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n";

fn local() -> SocketAddr {
    "198.51.100.1:30000".parse().unwrap()
}

fn answered(media: &str) -> Result<(String, Agreed<Law>), Refusal> {
    let mut description = LocalDescription::new(5);
    let offer = format!("{HEAD}{media}");
    let (bytes, agreed) = answer(offer.as_bytes(), local(), &CODECS, &mut description)?;
    Ok((String::from_utf8(bytes).unwrap(), agreed))
}

#[test]
fn a_telephone_is_answered_with_one_codec_and_its_own_payload_types() {
    let (text, agreed) = answered(
        "m=audio 4000 RTP/AVP 9 98 8 96\r\na=rtpmap:98 pcmu/8000\r\na=rtpmap:96 \
         telephone-event/8000\r\na=ptime:30\r\n",
    )
    .unwrap();
    assert_eq!(
        text,
        "v=0\r\no=offhook 5 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
         m=audio 30000 RTP/AVP 98 96\r\na=rtpmap:98 PCMU/8000\r\na=rtpmap:96 \
         telephone-event/8000\r\na=fmtp:96 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    );
    let expected = Agreed {
        address: "192.0.2.7:4000".parse().unwrap(),
        codec: Law::Mu,
        payload_type: 98,
        telephone_event: Some(96),
        direction: Direction::SendRecv,
        ptime: 30,
    };
    assert_eq!(agreed, expected);
}

#[test]
fn our_order_of_codecs_decides_and_events_are_not_invented() {
    let (text, agreed) = answered("m=audio 4000 RTP/AVP 8 0\r\n").unwrap();
    assert_eq!((agreed.codec, agreed.telephone_event), (Law::Mu, None));
    assert!(text.contains("m=audio 30000 RTP/AVP 0\r\n") && !text.contains("telephone-event"));
}

#[test]
fn other_streams_are_declined_in_their_places() {
    let (text, agreed) = answered(
        "m=video 5000 RTP/AVP 96 97\r\nm=audio 4002 RTP/SAVP 0\r\nm=audio 4000 RTP/AVP 8\r\n\
         m=application 6000 UDP/BFCP *\r\nm=audio 4004 RTP/AVP 0\r\n",
    )
    .unwrap();
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("m=")).collect();
    let expected = [
        "m=video 0 RTP/AVP 96",
        "m=audio 0 RTP/SAVP 0",
        "m=audio 30000 RTP/AVP 8",
        "m=application 0 UDP/BFCP *",
        "m=audio 0 RTP/AVP 0",
    ];
    assert_eq!(lines, expected);
    assert_eq!(agreed.address.port(), 4000);
}

#[test]
fn hold_is_complemented_whichever_way_it_is_said() {
    let cases = [
        ("a=sendonly", Direction::RecvOnly),
        ("a=recvonly", Direction::SendOnly),
        ("a=inactive", Direction::Inactive),
        ("a=sendrecv", Direction::SendRecv),
        ("c=IN IP4 0.0.0.0", Direction::RecvOnly),
        ("c=IN IP4 0.0.0.0\r\na=inactive", Direction::Inactive),
        ("c=IN IP6 ::ffff:0.0.0.0", Direction::RecvOnly),
    ];
    for (line, direction) in cases {
        let (text, agreed) = answered(&format!("m=audio 4000 RTP/AVP 0\r\n{line}\r\n")).unwrap();
        assert_eq!(agreed.direction, direction, "{line}");
        assert!(text.ends_with(&format!("a={}\r\n", direction.as_str())), "{line}: {text}");
    }
}

#[test]
fn what_cannot_be_agreed_to_is_refused() {
    let refusal = |media| answered(media).unwrap_err();
    assert_eq!(refusal("m=audio 4000 RTP/AVP 18\r\n"), Refusal::NoCodec);
    assert_eq!(refusal("m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/16000\r\n"), Refusal::NoCodec);
    assert_eq!(refusal("m=video 4000 RTP/AVP 0\r\n"), Refusal::NoAudio);
    assert_eq!(refusal("m=audio 0 RTP/AVP 0\r\n"), Refusal::NoAudio);
    assert_eq!(refusal("m=audio 4000 RTP/SAVP 0\r\n"), Refusal::NoAudio);
    assert_eq!(refusal("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 a.example\r\n").status(), 200 + 288);
    assert_eq!(refusal("").status(), 400);
}

#[test]
fn streams_to_many_or_to_nobody_are_refused() {
    for address in [
        "IP4 224.2.1.1/127",
        "IP4 239.255.255.250/1/3",
        "IP4 255.255.255.255",
        "IP4 0.0.0.1",
        "IP6 ff15::101/3",
        "IP6 ff02::1",
        "IP6 ::",
        "IP6 ::ffff:224.2.1.1",
    ] {
        let refusal = answered(&format!("m=audio 4000 RTP/AVP 0\r\nc=IN {address}\r\n"));
        let refusal = refusal.expect_err(address);
        assert_eq!((refusal, refusal.status()), (Refusal::NotUnicast, 488), "{address}");
        let mut caller = LocalDescription::new(1);
        offer(local(), &CODECS, Direction::SendRecv, &mut caller);
        let reply = format!("{HEAD}m=audio 4000 RTP/AVP 0\r\nc=IN {address}\r\n");
        let accepted = accept_answer(reply.as_bytes(), &CODECS, &caller);
        assert_eq!(accepted, Err(Refusal::NotUnicast), "{address}");
    }
    // The address of a stream that is declined anyway is nobody's business.
    let both = "m=video 5000 RTP/AVP 96\r\nc=IN IP4 224.2.1.1/127\r\nm=audio 4000 RTP/AVP 0\r\n";
    assert!(answered(both).is_ok());
}

#[test]
fn a_stream_that_is_off_stays_off_and_the_next_one_is_taken() {
    let (text, agreed) = answered("m=audio 0 RTP/AVP 0\r\nm=audio 4002 RTP/AVP 8\r\n").unwrap();
    assert!(text.contains("m=audio 0 RTP/AVP 0\r\nm=audio 30000 RTP/AVP 8\r\n"), "{text}");
    assert_eq!(agreed.address, "192.0.2.7:4002".parse().unwrap());
    let refusal = answered("m=audio 0 RTP/AVP 0\r\n").unwrap_err();
    assert_eq!((refusal, refusal.status()), (Refusal::NoAudio, 488));
}

#[test]
fn the_version_counts_changes_only_and_the_id_stays() {
    let mut description = LocalDescription::new(99);
    let ask = |description: &mut LocalDescription, line: &str| {
        let offer = format!("{HEAD}m=audio 4000 RTP/AVP 0\r\n{line}");
        answer(offer.as_bytes(), local(), &CODECS, description).unwrap().0
    };
    let first = ask(&mut description, "");
    assert_eq!(ask(&mut description, ""), first, "a session refresh changes nothing");
    assert_eq!(description.version(), 1);
    let held = ask(&mut description, "a=sendonly\r\n");
    assert!(String::from_utf8(held).unwrap().contains("o=offhook 99 2 IN IP4"));
    ask(&mut description, "");
    assert_eq!((description.version(), description.id()), (3, 99));
}

#[test]
fn an_offer_of_ours_and_an_answer_of_ours_agree() {
    let (mut caller, mut callee) = (LocalDescription::new(1), LocalDescription::new(2));
    let here = "[2001:db8::5]:40000".parse().unwrap();
    let offered = offer(here, &CODECS, Direction::SendRecv, &mut caller);
    let text = String::from_utf8(offered.clone()).unwrap();
    assert!(text.contains("c=IN IP6 2001:db8::5\r\n"), "{text}");
    assert!(text.contains("m=audio 40000 RTP/AVP 0 8 101\r\n"), "{text}");
    let (reply, theirs) = answer(&offered, local(), &[Law::A], &mut callee).unwrap();
    let ours = accept_answer(&reply, &CODECS, &caller).unwrap();
    assert_eq!((ours.codec, theirs.codec), (Law::A, Law::A));
    assert_eq!((ours.address, theirs.address), (local(), here));
    assert_eq!((ours.telephone_event, ours.direction), (Some(101), Direction::SendRecv));
}

#[test]
fn an_answer_never_widens_what_we_offered() {
    let mut caller = LocalDescription::new(1);
    offer(local(), &CODECS, Direction::SendOnly, &mut caller);
    let reply = format!("{HEAD}m=audio 4000 RTP/AVP 8 0\r\n");
    let agreed = accept_answer(reply.as_bytes(), &CODECS, &caller).unwrap();
    assert_eq!((agreed.direction, agreed.codec), (Direction::SendOnly, Law::A));
    assert_eq!(agreed.telephone_event, None);
    let declined = format!("{HEAD}m=audio 0 RTP/AVP 0\r\n");
    assert_eq!(accept_answer(declined.as_bytes(), &CODECS, &caller), Err(Refusal::NoAudio));
    let foreign = format!("{HEAD}m=audio 4000 RTP/AVP 18\r\n");
    assert_eq!(accept_answer(foreign.as_bytes(), &CODECS, &caller), Err(Refusal::NoCodec));
}

#[test]
fn a_later_offer_keeps_declined_streams_and_the_peers_event_number() {
    let mut description = LocalDescription::new(1);
    let first = format!(
        "{HEAD}m=video 5000 RTP/AVP 96\r\nm=audio 4000 RTP/AVP 0 97\r\n\
         a=rtpmap:97 telephone-event/8000\r\n"
    );
    answer(first.as_bytes(), local(), &CODECS, &mut description).unwrap();
    let later = offer(local(), &CODECS, Direction::Inactive, &mut description);
    let later = String::from_utf8(later).unwrap();
    assert!(later.contains("m=video 0 RTP/AVP 96\r\nm=audio 30000 RTP/AVP 0 8 97\r\n"), "{later}");
    let reply = format!("{HEAD}m=video 0 RTP/AVP 96\r\nm=audio 4000 RTP/AVP 0\r\na=inactive\r\n");
    let agreed = accept_answer(reply.as_bytes(), &CODECS, &description).unwrap();
    assert_eq!(agreed.direction, Direction::Inactive);
}

#[test]
fn mutated_offers_never_panic_and_answers_can_always_be_read() {
    let mut rng = Rng::from_number(3264);
    let base = format!(
        "{HEAD}m=video 5000 RTP/AVP 96\r\nm=audio 4000 RTP/AVP 0 8 97\r\n\
         a=rtpmap:97 telephone-event/8000\r\na=sendonly\r\n"
    );
    for _ in 0..10_000 {
        let mut bytes = base.clone().into_bytes();
        for _ in 0..=rng.below(4) {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] = rng.next_u32() as u8;
        }
        let mut description = LocalDescription::new(rng.next_u64());
        let Ok((reply, _)) = answer(&bytes, local(), &CODECS, &mut description) else { continue };
        let read = Session::parse(&reply).unwrap();
        assert_eq!(read.media.len(), Session::parse(&bytes).unwrap().media.len());
        assert_eq!(read.media.iter().filter(|media| media.port != 0).count(), 1);
    }
}
