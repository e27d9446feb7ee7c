use std::net::SocketAddr;

use super::*;
use crate::sip::Transport;
use crate::sip::user_agent::{self, Listener};

/// A phone whose server never answers, and what it sent.
fn phone() -> Phone {
    let local = SocketAddr::from(([192, 0, 2, 50], 5060));
    let config = Config {
        user: "alice".into(),
        domain: "office.example".into(),
        password: None,
        server: SocketAddr::from(([192, 0, 2, 1], 5060)),
        transport: Transport::Udp,
        local,
        agent: user_agent::Config::new(vec![Listener::new(Transport::Udp, local)], "test"),
    };
    Phone::new(config, 0, Rng::from_number(1))
}

/// Lets time pass and sockets be bound; what was told, and the methods of what was sent.
fn run(phone: &mut Phone, now: Instant) -> (Vec<Event>, Vec<String>) {
    phone.handle_timeout(now);
    let (mut told, mut sent) = (vec![], vec![]);
    while let Some(output) = phone.poll() {
        match output {
            Output::Event(event) => told.push(event),
            Output::Transmit(_, bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                sent.push(text.split(' ').next().unwrap_or_default().to_owned());
            }
            Output::Media(media::Command::Open { session, ip }) => {
                let local = SocketAddr::new(ip, 4000);
                phone.handle(now, Input::Media(media::Event::Opened { session, local }));
            }
            Output::Media(media::Command::Close { session }) => {
                let closed = media::Event::Closed { session, received: 0, sent: 0, lost: 0 };
                phone.handle(now, Input::Media(closed));
            }
            Output::Media(_) => {}
        }
    }
    (told, sent)
}

#[test]
fn a_registration_that_failed_is_tried_again() {
    let mut phone = phone();
    let mut now = Instant::ZERO;
    phone.handle(now, Input::Command(Command::Register));
    let (mut told, mut tries) = (vec![], 0);
    while now < Instant::ZERO + Duration::from_secs(120) {
        let (events, sent) = run(&mut phone, now);
        told.extend(events);
        tries += usize::from(sent.contains(&"REGISTER".to_owned()));
        now = phone.timeout().expect("it does not give up");
    }
    let failed = told.iter().filter(|event| **event == Event::NotRegistered(None)).count();
    assert!(failed == 2 && tries > 11, "{failed} failures, {tries} datagrams");
}

#[test]
fn dialling_anew_ends_the_call_before() {
    let mut phone = phone();
    phone.handle(Instant::ZERO, Input::Command(Command::Dial("1".into())));
    let first = phone.session();
    assert_eq!(run(&mut phone, Instant::ZERO).1, ["INVITE"]);
    phone.handle(Instant::ZERO, Input::Command(Command::Dial("2".into())));
    let (told, sent) = run(&mut phone, Instant::ZERO);
    assert!(matches!(told[..], [Event::Leg(leg::Event::Ended { .. })]), "{told:?}");
    assert_eq!(sent, ["INVITE"]);
    assert!(phone.is_busy() && phone.session() != first);
}
