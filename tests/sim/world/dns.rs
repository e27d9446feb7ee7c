//! The DNS by script: a zone, how long its answers hold, and whether it answers at all.

use std::collections::HashMap;
use std::net::IpAddr;

use offhook::base::{Duration, Instant};
use offhook::sip::locate::{Answer, Kind, Naptr, Question, Record, Srv, Unanswered};

/// A zone.
pub struct Dns {
    records: HashMap<Question, Vec<Record>>,
    /// The TTL of every answer.
    pub ttl: Duration,
    /// How long an answer takes.
    pub delay: Duration,
    /// Whether no name server answers.
    pub dead: bool,
    /// What was asked, and when.
    pub asked: Vec<(Instant, Question)>,
}

impl Default for Dns {
    fn default() -> Self {
        let (records, ttl) = (HashMap::new(), Duration::from_secs(60));
        let delay = Duration::from_millis(3);
        Dns { records, ttl, delay, dead: false, asked: Vec::new() }
    }
}

impl Dns {
    /// A service of a domain.
    pub fn naptr(&mut self, domain: &str, order: u16, service: &str, replacement: &str) {
        let naptr = Naptr {
            order,
            preference: 0,
            flags: "s".to_owned(),
            service: service.to_owned(),
            replacement: replacement.to_owned(),
        };
        self.add(Kind::Naptr, domain, Record::Naptr(naptr));
    }

    /// A server of a service.
    pub fn srv(&mut self, service: &str, priority: u16, weight: u16, port: u16, target: &str) {
        let srv = Srv { priority, weight, port, target: target.to_owned() };
        self.add(Kind::Srv, service, Record::Srv(srv));
    }

    /// An address of a host.
    pub fn a(&mut self, host: &str, address: &str) {
        self.add(Kind::A, host, Record::Address(address.parse().expect("an address")));
    }

    /// Takes the addresses of a host away.
    pub fn clear(&mut self, host: &str) {
        self.records.remove(&Question::new(Kind::A, host));
    }

    fn add(&mut self, kind: Kind, name: &str, record: Record) {
        self.records.entry(Question::new(kind, name)).or_default().push(record);
    }

    pub fn answer(
        &mut self,
        now: Instant,
        question: &Question,
        names: &HashMap<String, Vec<IpAddr>>,
    ) -> Result<Answer, Unanswered> {
        self.asked.push((now, question.clone()));
        if self.dead {
            return Err(Unanswered);
        }
        let mut records = self.records.get(question).cloned().unwrap_or_default();
        let fits = |address: &&IpAddr| match question.kind {
            Kind::A => address.is_ipv4(),
            Kind::Aaaa => address.is_ipv6(),
            Kind::Naptr | Kind::Srv => false,
        };
        let named = names.get(&question.name).into_iter().flatten().filter(fits);
        records.extend(named.map(|address| Record::Address(*address)));
        Ok(Answer::new(records, self.ttl))
    }
}
