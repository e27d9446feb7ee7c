use super::*;
use crate::sip::{Parsed, Transport};

/// A registration, and what it asked for since it was last given something.
struct Stage {
    registration: Registration,
    now: Instant,
    said: Vec<Output>,
    /// The number of the latest request.
    id: u64,
}

fn way(last: u8) -> Way {
    let local = ([192, 0, 2, 1], 5060).into();
    let remote = ([198, 51, 100, last], 5060).into();
    let flow = Flow { transport: Transport::Udp, local, remote, connection: 0 };
    Way { flow, contact: "<sip:token@192.0.2.1:5060>".to_owned() }
}

fn response(line: &str, headers: &str) -> Message {
    let text = format!(
        "SIP/2.0 {line}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:a@b>;tag=2\r\nCall-ID: i\r\nCSeq: 1 REGISTER\r\n{headers}Content-Length: 0\r\n\r\n"
    );
    match Message::parse(text.into()) {
        Parsed::Valid(message) => message,
        other => panic!("{other:?}"),
    }
}

impl Stage {
    fn new() -> Stage {
        let settings = Settings {
            id: 16,
            registrar: "sip:provider.example".to_owned(),
            address_of_record: "sip:12345@provider.example".to_owned(),
            route: Some("<sip:edge.example;lr>".to_owned()),
            expires: 600,
            login: None,
            keep_alive: None,
            instance: None,
        };
        Stage::of(settings)
    }

    fn of(settings: Settings) -> Stage {
        let registration = Registration::new(settings, Rng::from_number(1));
        let mut stage = Stage { registration, now: Instant::ZERO, said: vec![], id: 0 };
        stage.give(Input::Start);
        assert!(matches!(stage.said[..], [Output::Locate, Output::Changed]));
        stage
    }

    /// One that has been granted `seconds` by the first of two servers.
    fn granted(seconds: u32) -> Stage {
        let mut stage = Stage::new();
        stage.give(Input::Located(Ok(vec![way(1), way(2)])));
        stage.reply("200 OK", &format!("Expires: {seconds}\r\n"));
        stage
    }

    fn give(&mut self, input: Input) {
        self.said.clear();
        self.registration.handle(self.now, input);
        self.listen();
    }

    fn reply(&mut self, line: &str, headers: &str) {
        self.give(Input::Reply(self.id, Some(response(line, headers))));
    }

    fn listen(&mut self) {
        while let Some(output) = self.registration.poll() {
            if let Output::Send(send) = &output {
                self.id = send.id;
            }
            self.said.push(output);
        }
    }

    /// Goes to the next deadline; gives how many seconds that took.
    fn wait(&mut self) -> u64 {
        self.said.clear();
        let before = self.now;
        self.now = self.registration.timeout().expect("a deadline");
        self.registration.handle_timeout(self.now);
        self.listen();
        (self.now - before).as_secs()
    }

    /// The last octet of the server that was sent to, and the Expires that was asked for.
    fn sent(&self) -> Option<(u8, u32)> {
        self.said.iter().find_map(|output| match output {
            Output::Send(send) => {
                let expires = send.headers.iter().find(|(name, _)| name == "Expires");
                let octet = send.flow.remote.to_string().split(['.', ':']).nth(3)?.parse().ok()?;
                Some((octet, expires?.1.parse().ok()?))
            }
            _ => None,
        })
    }

    fn trouble(&self) -> String {
        match self.registration.state() {
            State::Failed { reason, .. } => reason,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn it_registers_and_refreshes_in_time() {
    let mut stage = Stage::new();
    stage.give(Input::Located(Ok(vec![way(1)])));
    assert_eq!(stage.sent(), Some((1, 600)));
    let Some(Output::Send(send)) = stage.said.first() else { panic!("{:?}", stage.said) };
    assert_eq!((send.id, send.method, send.uri.as_str()), (16, "REGISTER", "sip:provider.example"));
    let header = |name: &str| {
        let found = send.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(header("Contact"), Some("<sip:token@192.0.2.1:5060>"));
    assert_eq!(header("Route"), Some("<sip:edge.example;lr>"));
    // The registrar lists another phone too, and grants less than was asked for.
    stage.reply(
        "200 OK",
        "Contact: <sip:other@192.0.2.9>;expires=60, <sip:token@192.0.2.1:5060>;expires=300\r\n\
         Service-Route: <sip:core.example;lr>\r\nPath: <sip:edge.example;lr>\r\n",
    );
    let until = Instant::from_millis(300_000);
    assert_eq!(stage.registration.state(), State::Registered { until });
    assert!(matches!(stage.said[..], [Output::Worked(_), Output::Changed]));
    assert_eq!(stage.registration.service_route(), ["<sip:core.example;lr>"]);
    assert!((225..=270).contains(&stage.wait()), "before it ends");
    assert!(matches!(stage.said[..], [Output::Locate]), "a refresh is no news: {:?}", stage.said);
    stage.give(Input::Located(Ok(vec![way(2), way(1)])));
    assert_eq!(stage.sent(), Some((1, 600)), "who holds it is asked first");
    stage.reply("200 OK", "");
    assert!((450..=540).contains(&stage.wait()), "as long as asked for when nothing is said");
}

#[test]
fn a_short_registration_is_refreshed_at_half_its_time() {
    assert_eq!(Stage::granted(60).wait(), 30);
    assert_eq!(Stage::granted(120).wait(), 60);
}

#[test]
fn a_longer_time_that_is_asked_for_is_granted_once() {
    let mut stage = Stage::new();
    stage.give(Input::Located(Ok(vec![way(1)])));
    stage.reply("423 Interval Too Brief", "Min-Expires: 3600\r\n");
    assert_eq!(stage.sent(), Some((1, 3600)));
    stage.reply("200 OK", "Expires: 3600\r\n");
    stage.wait();
    stage.give(Input::Located(Ok(vec![way(1)])));
    assert_eq!(stage.sent(), Some((1, 3600)), "remembered");
    for nonsense in ["", "Min-Expires: 10\r\n", "Min-Expires: 99999999\r\n"] {
        let mut stage = Stage::new();
        stage.give(Input::Located(Ok(vec![way(1)])));
        stage.reply("423 Interval Too Brief", nonsense);
        assert!(stage.sent().is_none() && stage.trouble().contains("423"), "{nonsense}");
    }
}

#[test]
fn servers_are_tried_in_turn_then_it_waits_longer_each_time() {
    let mut stage = Stage::new();
    let mut waits = vec![];
    for _ in 0..9 {
        stage.give(Input::Located(Ok(vec![way(1), way(2)])));
        assert_eq!(stage.sent(), Some((1, 600)));
        stage.reply("503 Service Unavailable", "Retry-After: 20 (busy)\r\n");
        let failed = Output::Failed(way(1).flow, Some(Duration::from_secs(20)));
        assert_eq!(format!("{:?}", stage.said[0]), format!("{failed:?}"));
        assert_eq!(stage.sent(), Some((2, 600)));
        stage.give(Input::Reply(stage.id, None));
        assert!(stage.trouble().contains("198.51.100.2:5060 does not answer"));
        waits.push(stage.wait());
        assert!(matches!(stage.said[..], [Output::Locate]), "{:?}", stage.said);
    }
    assert!((15..=30).contains(&waits[0]) && (30..=60).contains(&waits[1]), "{waits:?}");
    assert!((900..=1_800).contains(&waits[8]), "{waits:?}");
    stage.give(Input::Located(Err("the host has no address".to_owned())));
    assert_eq!(stage.trouble(), "the host has no address");
}

#[test]
fn a_silent_server_is_left_early_and_its_late_answer_passed_over() {
    let mut stage = Stage::new();
    stage.give(Input::Located(Ok(vec![way(1), way(2)])));
    let first = stage.id;
    assert_eq!(stage.wait(), 6);
    assert!(matches!(stage.said[..], [Output::Failed(..), Output::Send(_)]), "{:?}", stage.said);
    assert_eq!((stage.sent(), stage.registration.timeout()), (Some((2, 600)), None), "the last");
    stage.give(Input::Reply(first, Some(response("403 Forbidden", ""))));
    assert_eq!(stage.registration.state(), State::Trying);
    stage.reply("200 OK", "Expires: 600\r\n");
    assert_eq!(stage.registration.flow(), Some(way(2).flow));
    stage.give(Input::Reply(first, None));
    assert!(stage.said.is_empty());
}

#[test]
fn a_wrong_password_is_not_tried_again_at_once() {
    let mut stage = Stage::new();
    stage.give(Input::Located(Ok(vec![way(1), way(2)])));
    stage.reply("401 Unauthorized", "");
    assert!(stage.sent().is_none(), "no other server knows another password");
    assert!(stage.trouble().contains("password is wrong"), "{}", stage.trouble());
    assert!(stage.wait() >= 150);
    let mut stage = Stage::new();
    stage.give(Input::Located(Ok(vec![way(1)])));
    stage.reply("404 Not Found", "");
    assert!(stage.trouble().contains("404 Not Found") && stage.wait() >= 150);
}

#[test]
fn a_refresh_that_is_refused_is_not_pressed() {
    let mut stage = Stage::granted(600);
    let begun = stage.wait();
    stage.give(Input::Located(Ok(vec![way(1)])));
    stage.reply("401 Unauthorized", "");
    let mut asked = 0;
    while stage.now < Instant::from_millis((begun + 600) * 1_000) {
        stage.wait();
        if stage.said.iter().any(|said| matches!(said, Output::Locate)) {
            asked += 1;
            stage.give(Input::Located(Ok(vec![way(1)])));
            stage.reply("401 Unauthorized", "");
        }
    }
    assert!((1..=3).contains(&asked), "registrars shut out who guesses: {asked}");
    assert!(stage.trouble().contains("password is wrong"));
}

#[test]
fn a_refresh_that_fails_is_tried_again_while_it_lasts() {
    let mut stage = Stage::granted(600);
    stage.wait();
    stage.give(Input::Located(Ok(vec![way(1)])));
    stage.give(Input::Reply(stage.id, None));
    assert!(matches!(stage.registration.state(), State::Registered { .. }));
    assert!(!stage.said.iter().any(|said| matches!(said, Output::Changed)), "{:?}", stage.said);
    let mut left = 20;
    while matches!(stage.registration.state(), State::Registered { .. }) {
        stage.wait();
        stage.give(Input::Located(Ok(vec![way(1)])));
        stage.give(Input::Reply(stage.id, None));
        left -= 1;
        assert!(left > 0, "it ends at last");
    }
    assert!(stage.now <= Instant::from_millis(700_000), "{:?}", stage.now);
    assert!(stage.trouble().contains("does not answer"));
}

#[test]
fn it_is_taken_back_at_the_end() {
    let mut stage = Stage::granted(600);
    stage.give(Input::Stop);
    assert_eq!((stage.sent(), stage.registration.state()), (Some((1, 0)), State::Leaving));
    stage.give(Input::Stop);
    assert!(stage.said.is_empty(), "once");
    stage.give(Input::Reply(stage.id, None));
    assert_eq!((stage.registration.state(), stage.registration.timeout()), (State::Off, None));

    let mut stage = Stage::new();
    stage.give(Input::Stop);
    assert!(stage.sent().is_none(), "nothing was asked for yet");
    assert_eq!(stage.registration.state(), State::Off);
    stage.give(Input::Located(Ok(vec![way(1)])));
    assert!(stage.said.is_empty(), "too late");
}

#[test]
fn registrars_of_uris() {
    let of = |uri: &str| registrar_of(uri).expect("a registrar");
    assert_eq!(of("sip:a@h.example:5070;transport=tcp?x=y"), "sip:h.example:5070");
    assert_eq!(of("sip:[2001:db8::1]"), "sip:[2001:db8::1]");
    assert_eq!(registrar_of("h.example"), None);
}

#[test]
fn a_nat_is_kept_open_while_it_is_registered() {
    let settings = Stage::new().registration.settings().clone();
    let every = Some(Duration::from_secs(25));
    let mut stage = Stage::of(Settings { keep_alive: every, ..settings });
    stage.give(Input::Located(Ok(vec![way(1)])));
    stage.reply("200 OK", "Expires: 60\r\n");
    assert_eq!(stage.wait(), 25);
    assert!(matches!(stage.said[..], [Output::KeepAlive(flow)] if flow == way(1).flow));
    assert_eq!(stage.wait(), 5, "the refresh");
    assert_eq!(stage.wait(), 20);
    assert!(matches!(stage.said[..], [Output::KeepAlive(_)]), "{:?}", stage.said);
    stage.give(Input::Stop);
    assert_eq!(stage.registration.timeout(), None);
}

/// One with a flow of its own over TCP, where the registrar says these headers.
fn over_a_connection(headers: &str) -> (Stage, Flow) {
    let mut settings = Stage::new().registration.settings.clone();
    settings.instance = Some("urn:uuid:1".to_owned());
    let mut stage = Stage::of(settings);
    let flow = Flow { transport: Transport::Tcp, ..way(1).flow };
    stage.give(Input::Located(Ok(vec![Way { flow, ..way(1) }])));
    stage.reply("200 OK", &format!("Expires: 600\r\n{headers}"));
    (stage, Flow { connection: 9, ..flow })
}

#[test]
fn a_lost_connection_is_registered_anew_where_calls_came_over_it_alone() {
    let (mut stage, flow) = over_a_connection("Require: outbound\r\n");
    stage.give(Input::Lost(Flow { remote: way(2).flow.remote, ..flow }));
    assert!(matches!(stage.registration.state(), State::Registered { .. }), "another's");
    stage.give(Input::Lost(flow));
    assert_eq!(stage.trouble(), "the connection to 198.51.100.1:5060 was lost");
    // RFC 5626 section 4.5: not all at once.
    let waited = stage.wait();
    assert!((15..=30).contains(&waited), "{waited}");
    assert!(stage.said.iter().any(|output| matches!(output, Output::Locate)));

    let (mut stage, flow) = over_a_connection("");
    stage.give(Input::Lost(flow));
    assert!(matches!(stage.registration.state(), State::Registered { .. }), "it calls our Contact");
}
