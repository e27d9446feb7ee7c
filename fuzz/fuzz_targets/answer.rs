//! What a function says: an answer of either door, or operations that it asks for.
//!
//! The first byte chooses: bytes on standard output, JSON of the prelude, or operations with zero
//! bytes between them, after each of which an answer is looked at or not.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use offhook::base::Duration;
use offhook::directory::grants::{Control, Grants, HostGrant};
use offhook::source::function::Response;
use offhook::source::function::ask::{
    Answer, Asked, Asks, MOST_FIELDS, MOST_IN_ALL, MOST_KEY, MOST_UNDER_WAY, MOST_VALUE, Operation,
    StoreOperation,
};

pub fn run(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    match choice % 3 {
        0 => answered(Response::from_output(rest.to_vec()).ok()),
        1 => answered(Response::from_json(rest).ok()),
        _ => asked(rest),
    }
}

/// Nothing in it splits a response, and none of it is the server's business.
fn answered(answer: Option<Response>) {
    let Some(answer) = answer else { return };
    assert!((200..600).contains(&answer.status));
    assert!(answer.headers.len() <= 128);
    let whole = |text: &str| !text.bytes().any(|b| (b < b' ' && b != b'\t') || b == 0x7f);
    assert!(!answer.content_type.is_empty() && whole(&answer.content_type));
    for (name, value) in &answer.headers {
        assert!(!name.is_empty() && whole(name) && !name.contains([':', ' ']) && whole(value));
        assert!(!name.eq_ignore_ascii_case("transfer-encoding"));
        assert!(!name.eq_ignore_ascii_case("content-length"));
    }
}

#[derive(Clone, Default)]
struct Outside(Arc<Mutex<VecDeque<u32>>>);

impl Asks for Outside {
    fn begin(&mut self, id: u32, operation: Operation) {
        let mut going = self.0.lock().expect("whole");
        going.push_back(id);
        assert!(going.len() <= MOST_UNDER_WAY && id <= MOST_IN_ALL);
        match operation {
            Operation::Fetch(fetch) => {
                assert!(grants().may_reach(&fetch.url), "{}", fetch.url);
                assert!(fetch.url.username().is_empty() && fetch.url.password().is_none());
                assert!(fetch.headers.len() <= MOST_FIELDS);
            }
            Operation::Store(_, StoreOperation::Set { key, value, .. }) => {
                assert!(!key.is_empty() && key.len() <= MOST_KEY && value.len() <= MOST_VALUE);
            }
            Operation::Store(..) | Operation::Control(_) => {}
        }
    }
    fn cancel(&mut self, id: u32) {
        self.0.lock().expect("whole").retain(|going| *going != id);
    }
    fn next(&mut self, _: Duration) -> Option<(u32, Answer)> {
        Some((self.0.lock().expect("whole").pop_front()?, Ok(Default::default())))
    }
}

fn grants() -> Grants {
    let hosts = ["a.example", "*.b.example", "https://c.example:8443", "[::1]:80"];
    let hosts = hosts.iter().map(|host| HostGrant::parse(host).expect("a host")).collect();
    Grants { hosts, store: Some("s".to_owned()), control: Control::Full, ..Grants::default() }
}

fn asked(bytes: &[u8]) {
    let mut asked = Asked::new("f", Some(Box::new(Outside::default())));
    let grants = grants();
    let mut answered = BTreeSet::new();
    let mut look = |asked: &mut Asked| {
        let Some((id, answer)) = asked.next(Duration::ZERO) else { return false };
        assert!(answered.insert(id), "answered twice");
        if let Err(refusal) = answer {
            assert!(!refusal.message.is_empty() && refusal.message.len() < 10_000);
        }
        true
    };
    for (at, text) in bytes.split(|byte| *byte == 0).enumerate() {
        asked.begin(&grants, text);
        if at % 3 == 0 {
            look(&mut asked);
        }
    }
    while look(&mut asked) {}
    assert!(!asked.is_waiting());
}
