//! Answers of the DNS, in any order and to questions nobody asked: every look-up gets one answer.

use std::collections::BTreeMap;

use offhook::base::{Duration, Instant, Machine, Rng};
use offhook::sip::locate::{
    Answer, Config, Family, Hop, Input, Kind, Locator, Lookup, Naptr, Output, Protocol, Question,
    Record, Srv, Unanswered,
};

use super::steps::Steps;

const NAMES: [&str; 10] = [
    "a.example",
    "b.example",
    "_sip._udp.a.example",
    "_sip._tcp.a.example",
    "_sips._tcp.b.example",
    "",
    ".",
    "A.EXAMPLE.",
    "c.example",
    "_sip._udp.c.example",
];

pub fn run(bytes: &[u8]) {
    let mut steps = Steps::new(bytes);
    let protocols = [Protocol::Udp, Protocol::Tcp, Protocol::Tls];
    let family = steps.pick(&[Family::V4First, Family::V6First, Family::V4Only, Family::V6Only]);
    let config = Config { protocols: protocols[..1 + steps.below(3)].to_vec(), family };
    let mut locator = Locator::new(config, Rng::from_number(3));
    let (mut now, mut last) = (Instant::from_millis(1), 0);
    let (mut waiting, mut asked) = (BTreeMap::new(), Vec::new());
    for _ in 0..Steps::MOST {
        let Some(step) = steps.next() else { break };
        match step % 8 {
            0 | 1 => {
                last += 1;
                waiting.insert(Lookup(last), ());
                let scheme = steps.pick(&["sip:", "sips:", "tel:", ""]);
                let port = steps.pick(&["", ":5070", ":0", ";transport=tcp", ";maddr=192.0.2.9"]);
                let uri = format!("{scheme}u@{}{port}", steps.pick(&NAMES));
                locator.handle(now, Input::Locate(Lookup(last), uri));
            }
            2..=4 if !asked.is_empty() => {
                let question = asked.swap_remove(steps.below(asked.len()));
                let answer = answer(&mut steps);
                locator.handle(now, Input::Answered(question, answer));
            }
            5 => {
                let question = Question::new(steps.pick(&KINDS), steps.pick(&NAMES));
                let answer = answer(&mut steps);
                locator.handle(now, Input::Answered(question, answer));
            }
            6 => {
                let hop = Hop::new(steps.pick(&protocols), ([192, 0, 2, 1], 5060).into());
                let wait = Some(Duration::from_secs(u64::from(steps.number())));
                match steps.flag() {
                    true => locator.handle(now, Input::Failed(hop, wait)),
                    false => locator.handle(now, Input::Worked(hop)),
                }
            }
            _ => {
                now += Duration::from_millis(u64::from(steps.number()));
                locator.handle_timeout(now);
                drain(&mut locator, &mut waiting, &mut asked);
                if steps.flag() {
                    let gone = Lookup(1 + steps.below(8) as u64);
                    locator.handle(now, Input::Forget(gone));
                    waiting.remove(&gone);
                }
            }
        }
        drain(&mut locator, &mut waiting, &mut asked);
    }
    while let Some(at) = locator.timeout() {
        now = now.max(at);
        locator.handle_timeout(now);
        drain(&mut locator, &mut waiting, &mut asked);
    }
    assert!(waiting.is_empty() && locator.lookups() == 0, "each is told: {waiting:?}");
}

fn drain(locator: &mut Locator, waiting: &mut BTreeMap<Lookup, ()>, asked: &mut Vec<Question>) {
    while let Some(output) = locator.poll() {
        match output {
            Output::Ask(question) => {
                asked.push(question);
            }
            Output::Located(lookup, found) => {
                assert!(waiting.remove(&lookup).is_some(), "told once, and only who asked");
                assert!(found.is_err() || found.is_ok_and(|hops| !hops.is_empty()));
            }
        }
    }
}

const KINDS: [Kind; 4] = [Kind::Naptr, Kind::Srv, Kind::A, Kind::Aaaa];

fn answer(steps: &mut Steps<'_>) -> Result<Answer, Unanswered> {
    let count = steps.below(6);
    if count == 5 {
        return Err(Unanswered);
    }
    let records = (0..count).map(|_| record(steps)).collect();
    let ttl = steps.flag().then(|| Duration::from_secs(u64::from(steps.number())));
    Ok(Answer { records, ttl })
}

fn record(steps: &mut Steps<'_>) -> Record {
    match steps.below(4) {
        0 => Record::Naptr(Naptr {
            order: steps.number(),
            preference: steps.number(),
            flags: steps.pick(&["s", "a", "S", "u", ""]).to_owned(),
            service: steps.pick(&["SIP+D2U", "SIP+D2T", "SIPS+D2T", "sip+d2u", "x"]).to_owned(),
            replacement: steps.pick(&NAMES).to_owned(),
        }),
        1 => Record::Srv(Srv {
            priority: steps.number(),
            weight: steps.number(),
            port: steps.number(),
            target: steps.pick(&NAMES).to_owned(),
        }),
        2 => Record::Address([192, 0, 2, steps.next().unwrap_or_default()].into()),
        _ => Record::Address(std::net::IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1])),
    }
}
