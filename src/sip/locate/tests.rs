use std::collections::HashMap;

use super::*;

/// A locator, the zone that its questions are answered from, and what it gave.
struct Stage {
    locator: Locator,
    now: Instant,
    zone: HashMap<(Kind, &'static str), Vec<Record>>,
    dead: bool,
    asked: Vec<String>,
    last: u64,
}

fn naptr(order: u16, preference: u16, service: &str, replacement: &str) -> Record {
    let (flags, service) = ("S".to_owned(), service.to_owned());
    Record::Naptr(Naptr { order, preference, flags, service, replacement: replacement.to_owned() })
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Record {
    Record::Srv(Srv { priority, weight, port, target: target.to_owned() })
}

fn address(text: &str) -> Record {
    Record::Address(text.parse().expect("an address"))
}

impl Stage {
    fn new(protocols: &[Protocol], family: Family) -> Stage {
        let config = Config { protocols: protocols.to_vec(), family };
        Stage {
            locator: Locator::new(config, Rng::from_number(1)),
            now: Instant::ZERO,
            zone: HashMap::new(),
            dead: false,
            asked: vec![],
            last: 0,
        }
    }

    /// UDP and TCP, IPv4 alone.
    fn plain() -> Stage {
        Stage::new(&[Protocol::Udp, Protocol::Tcp], Family::V4Only)
    }

    fn with(mut self, kind: Kind, name: &'static str, records: Vec<Record>) -> Stage {
        self.zone.insert((kind, name), records);
        self
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.locator.handle_timeout(self.now);
    }

    fn give(&mut self, input: Input) {
        self.locator.handle(self.now, input);
    }

    /// The servers of a URI as text; questions are answered from the zone for a minute.
    fn locate(&mut self, uri: &str) -> Result<Vec<String>, LocateError> {
        self.last += 1;
        self.asked.clear();
        self.give(Input::Locate(Lookup(self.last), uri.to_owned()));
        loop {
            match self.locator.poll().expect("an output") {
                Output::Ask(question) => {
                    self.asked.push(format!("{:?} {}", question.kind, question.name));
                    let found = self.zone.get(&(question.kind, question.name.as_str()));
                    let records = found.cloned().unwrap_or_default();
                    let answer = Answer::new(records, Duration::from_secs(60));
                    let answer = if self.dead { Err(Unanswered) } else { Ok(answer) };
                    self.give(Input::Answered(question, answer));
                }
                Output::Located(lookup, found) => {
                    assert_eq!(lookup, Lookup(self.last));
                    return found.map(|hops| hops.iter().map(Hop::to_string).collect());
                }
            }
        }
    }
}

fn hop(text: &str) -> Hop {
    Hop::new(Protocol::Udp, text.parse().expect("an address"))
}

#[test]
fn addresses_need_no_dns() {
    let mut stage = Stage::plain();
    let table = [
        ("sip:a@192.0.2.1", "udp:192.0.2.1:5060"),
        ("sip:192.0.2.1:5070", "udp:192.0.2.1:5070"),
        ("sip:192.0.2.1;transport=tcp", "tcp:192.0.2.1:5060"),
        ("sip:[2001:db8::1]", "udp:[2001:db8::1]:5060"),
        ("sip:example.com;maddr=192.0.2.9", "udp:192.0.2.9:5060"),
    ];
    for (uri, wanted) in table {
        assert_eq!(stage.locate(uri), Ok(vec![wanted.to_owned()]), "{uri}");
        assert!(stage.asked.is_empty());
    }
    assert_eq!(stage.locate("sips:192.0.2.1"), Err(LocateError::Unsupported));
    let mut stage = Stage::new(&[Protocol::Udp, Protocol::Tls], Family::V4Only);
    assert_eq!(stage.locate("sips:192.0.2.1"), Ok(vec!["tls:192.0.2.1:5061".to_owned()]));
    assert_eq!(
        stage.locate("sip:192.0.2.1;transport=tls"),
        Ok(vec!["tls:192.0.2.1:5061".to_owned()])
    );
}

#[test]
fn naptr_leads_to_srv_leads_to_addresses() {
    // The zone of RFC 3263 section 4.1, whose domain prefers TLS, then TCP, then UDP.
    let mut stage = Stage::plain()
        .with(
            Kind::Naptr,
            "example.com",
            vec![
                naptr(90, 50, "SIP+D2U", "_sip._udp.example.com."),
                naptr(50, 50, "SIPS+D2T", "_sips._tcp.example.com."),
                naptr(90, 40, "SIP+D2T", "_sip._tcp.example.com."),
                naptr(10, 1, "E2U+sip", "elsewhere.example.com."),
            ],
        )
        .with(
            Kind::Srv,
            "_sip._tcp.example.com",
            vec![srv(0, 1, 5070, "server1.example.com."), srv(1, 2, 5060, "server2.example.com.")],
        )
        .with(Kind::Srv, "_sip._udp.example.com", vec![srv(0, 0, 5060, "server1.example.com")])
        .with(Kind::A, "server1.example.com", vec![address("192.0.2.1"), address("192.0.2.2")])
        .with(Kind::A, "server2.example.com", vec![address("192.0.2.3")]);
    let all = [
        "tcp:192.0.2.1:5070",
        "tcp:192.0.2.2:5070",
        "tcp:192.0.2.3:5060",
        "udp:192.0.2.1:5060",
        "udp:192.0.2.2:5060",
    ];
    assert_eq!(stage.locate("sip:Example.COM"), Ok(all.map(str::to_owned).to_vec()));
    assert_eq!(stage.asked.len(), 5, "{:?}", stage.asked);
    assert_eq!(stage.asked[0], "Naptr example.com");
    assert_eq!(stage.locate("sip:bob@example.com"), Ok(all.map(str::to_owned).to_vec()));
    assert!(stage.asked.is_empty(), "all was known");
    stage.wait(60);
    assert!(stage.locate("sip:example.com").is_ok());
    assert_eq!(stage.asked.len(), 5, "all was too old");
    let udp = stage.locate("sip:example.com;transport=udp").expect("servers");
    assert_eq!(udp[0], "udp:192.0.2.1:5060", "the URI's transport goes before the zone's wish");
}

#[test]
fn without_naptr_srv_is_asked_for_what_can_be_used() {
    let zone = |stage: Stage| {
        stage
            .with(Kind::Srv, "_sip._tcp.example.com", vec![srv(0, 1, 5080, "s.example.com")])
            .with(Kind::Srv, "_sips._tcp.example.com", vec![srv(0, 1, 5081, "s.example.com")])
            .with(Kind::A, "s.example.com", vec![address("192.0.2.1")])
    };
    let mut stage = zone(Stage::plain());
    assert_eq!(stage.locate("sip:example.com"), Ok(vec!["tcp:192.0.2.1:5080".to_owned()]));
    assert!(!stage.asked.contains(&"Srv _sips._tcp.example.com".to_owned()));
    let mut stage = zone(Stage::new(&[Protocol::Tls, Protocol::Udp], Family::V4Only));
    assert_eq!(stage.locate("sips:example.com"), Ok(vec!["tls:192.0.2.1:5081".to_owned()]));
    assert!(!stage.asked.contains(&"Srv _sip._udp.example.com".to_owned()), "never in the clear");
}

#[test]
fn a_host_alone_is_asked_for_addresses_of_both_families() {
    let zone = |family| {
        Stage::new(&[Protocol::Udp], family)
            .with(Kind::A, "pbx.example", vec![address("192.0.2.1")])
            .with(Kind::Aaaa, "pbx.example", vec![address("2001:db8::1")])
    };
    let (four, six) = ("udp:192.0.2.1:5060".to_owned(), "udp:[2001:db8::1]:5060".to_owned());
    let table = [
        (Family::V4First, vec![four.clone(), six.clone()]),
        (Family::V6First, vec![six.clone(), four.clone()]),
        (Family::V4Only, vec![four]),
        (Family::V6Only, vec![six]),
    ];
    for (family, wanted) in table {
        assert_eq!(zone(family).locate("sip:pbx.example"), Ok(wanted), "{family:?}");
    }
    let mut stage = zone(Family::V4Only);
    let found = stage.locate("sip:pbx.example:5099");
    assert_eq!(found, Ok(vec!["udp:192.0.2.1:5099".to_owned()]));
    assert_eq!(stage.asked, ["A pbx.example"], "a port leaves nothing for NAPTR and SRV");
}

#[test]
fn a_service_that_is_decidedly_not_there_is_not_replaced_by_its_host() {
    let mut stage = Stage::plain()
        .with(Kind::Srv, "_sip._udp.example.com", vec![srv(0, 0, 0, ".")])
        .with(Kind::A, "example.com", vec![address("192.0.2.1")]);
    assert_eq!(stage.locate("sip:example.com;transport=udp"), Err(LocateError::NoAddress));
}

#[test]
fn names_that_mean_nothing_are_not_asked() {
    let mut stage = Stage::plain();
    assert_eq!(stage.locate("sip:df7jal23ls0d.invalid"), Err(LocateError::NoAddress));
    assert_eq!(stage.locate("sip:h;transport=sctp"), Err(LocateError::Unsupported));
    assert_eq!(stage.locate("mailto:a@b"), Err(LocateError::Unsupported));
    assert!(stage.asked.is_empty());
    assert_eq!(stage.locate("sip:nowhere.example"), Err(LocateError::NoAddress));
}

#[test]
fn a_dead_dns_is_told_from_a_name_without_address() {
    let mut stage = Stage::plain().with(Kind::A, "pbx.example", vec![address("192.0.2.1")]);
    stage.dead = true;
    assert_eq!(stage.locate("sip:pbx.example"), Err(LocateError::Dead));
    stage.wait(1);
    assert_eq!(stage.locate("sip:pbx.example"), Err(LocateError::Dead));
    assert!(stage.asked.is_empty(), "not asked again at once");
    stage.dead = false;
    stage.wait(5);
    let found = Ok(vec!["udp:192.0.2.1:5060".to_owned()]);
    assert_eq!(stage.locate("sip:pbx.example"), found);
    stage.dead = true;
    stage.wait(300);
    assert_eq!(stage.locate("sip:pbx.example"), found, "the last good answer");
    stage.wait(60);
    assert_eq!(stage.locate("sip:pbx.example"), Err(LocateError::Dead), "is kept five minutes");
}

#[test]
fn a_driver_that_says_nothing_is_a_dead_dns() {
    let mut stage = Stage::plain();
    stage.give(Input::Locate(Lookup(1), "sip:pbx.example:5060".to_owned()));
    stage.give(Input::Locate(Lookup(2), "sip:pbx.example:5070".to_owned()));
    stage.give(Input::Forget(Lookup(2)));
    assert!(matches!(stage.locator.poll(), Some(Output::Ask(_))));
    assert_eq!(stage.locator.poll(), None, "one question for both");
    assert_eq!(stage.locator.timeout(), Some(Instant::ZERO + PATIENCE));
    stage.wait(10);
    let told = Output::Located(Lookup(1), Err(LocateError::Dead));
    assert_eq!(stage.locator.poll(), Some(told));
    assert_eq!((stage.locator.poll(), stage.locator.lookups()), (None, 0));
    let late = Question::new(Kind::A, "pbx.example");
    stage.give(Input::Answered(late, Ok(Answer::default())));
    assert_eq!(stage.locator.poll(), None, "too late to matter");
}

#[test]
fn servers_that_failed_come_last_until_they_answer() {
    let mut stage = Stage::plain().with(
        Kind::A,
        "pbx.example",
        vec![address("192.0.2.1"), address("192.0.2.2")],
    );
    let first = |stage: &mut Stage| stage.locate("sip:pbx.example").expect("servers")[0].clone();
    assert_eq!(first(&mut stage), "udp:192.0.2.1:5060");
    stage.give(Input::Failed(hop("192.0.2.1:5060"), None));
    assert_eq!(first(&mut stage), "udp:192.0.2.2:5060");
    stage.give(Input::Worked(hop("192.0.2.1:5060")));
    assert_eq!(first(&mut stage), "udp:192.0.2.1:5060");
    stage.give(Input::Failed(hop("192.0.2.1:5060"), Some(Duration::from_secs(5))));
    assert_eq!(first(&mut stage), "udp:192.0.2.2:5060");
    stage.wait(5);
    assert_eq!(first(&mut stage), "udp:192.0.2.1:5060", "Retry-After is over");
}

#[test]
fn a_flood_of_names_is_refused_and_forgotten() {
    let mut stage = Stage::plain();
    for number in 0..2 * MOST_QUESTIONS as u64 {
        let uri = format!("sip:{number}.example:5060");
        stage.give(Input::Locate(Lookup(number), uri));
    }
    let mut refused = 0;
    while let Some(output) = stage.locator.poll() {
        refused += usize::from(matches!(output, Output::Located(_, Err(LocateError::Busy))));
    }
    assert_eq!((refused, stage.locator.lookups()), (MOST_QUESTIONS, MOST_QUESTIONS));
    stage.wait(10);
    assert_eq!(stage.locator.lookups(), 0);
}

#[test]
fn a_hostile_zone_costs_a_bounded_amount() {
    let many = (0..1_000).map(|n| srv(n, 1, 5060, &format!("s{n}.example.com"))).collect();
    let mut stage = Stage::plain()
        .with(Kind::Naptr, "example.com", vec![naptr(1, 1, "SIP+D2U", "example.com")])
        .with(Kind::Srv, "example.com", many)
        .with(Kind::A, "s0.example.com", vec![address("192.0.2.1"); 1_000]);
    let found = stage.locate("sip:example.com").expect("servers");
    assert!(found.len() <= 16 && stage.asked.len() <= 18, "{} {}", found.len(), stage.asked.len());
}
