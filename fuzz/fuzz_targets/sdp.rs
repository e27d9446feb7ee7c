//! A session description, as an offer and as the answer to ours.

use offhook::sdp::session::{MAX_MEDIA, Session};
use offhook::sdp::{Direction, LocalDescription, accept_answer, answer, offer};

use super::law::Law;

pub fn run(bytes: &[u8]) {
    if let Ok(session) = Session::parse(bytes) {
        assert!(session.media.len() <= MAX_MEDIA);
        for media in &session.media {
            let _ = (session.address_of(media), session.direction_of(media));
            let _ = (media.payload_type_of("PCMU", 8_000, Some(0)), media.payload_types().count());
        }
    }
    let local = ([192, 0, 2, 1], 4_000).into();
    let mut ours = LocalDescription::new(1);
    if let Ok((said, agreed)) = answer(bytes, local, &[Law::Mu], &mut ours) {
        let said = Session::parse(&said).expect("what we say can be read");
        let offered = Session::parse(bytes).expect("what we answered can be read");
        // RFC 3264 section 6: an answer has as many streams as its offer.
        assert_eq!(said.media.len(), offered.media.len());
        assert!(agreed.payload_type < 128 && agreed.telephone_event.is_none_or(|pt| pt < 128));
    }
    let mut ours = LocalDescription::new(2);
    let _ = offer(local, &[Law::Mu], Direction::SendRecv, &mut ours);
    let _ = accept_answer(bytes, &[Law::Mu], &ours);
}
