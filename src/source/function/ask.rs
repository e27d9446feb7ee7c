//! What a guest asks of the world while it runs: operations that go on outside, beside it.
//!
//! This side reads the request, holds it against the grants and counts; [`Asks`], the node's, does
//! it. Answers wait outside until the guest looks. Nothing of it outlives the invocation.

mod read;

use std::collections::VecDeque;

use serde_json::{Value, json};
use url::Url;

use super::error::plain;
use crate::base::Duration;
use crate::base::id::{CallSid, RecordingSid};
use crate::call::order::{Change, Denied, Placement};
use crate::directory::grants::Grants;

use read::operation;
pub use read::permit;

/// Operations under way at one time; further ones wait for their turn. Their answers are buffered,
/// so that this bounds memory, too.
pub const MOST_UNDER_WAY: usize = 8;
/// Operations of one invocation: a decision about a call needs a handful.
pub const MOST_IN_ALL: u32 = 256;
/// Bytes of one operation as the guest writes it.
pub const MOST_REQUEST: usize = 512 << 10;
/// Bytes of the operations that wait for their turn.
pub const MOST_WAITING: usize = 4 << 20;
/// Header fields of one request: more than any server takes.
pub const MOST_FIELDS: usize = 128;
/// Bytes of one answer's content.
pub const MOST_ANSWER: usize = 1 << 20;
/// Bytes of a stored value, as JSON.
pub const MOST_VALUE: usize = 64 << 10;
/// Bytes of a stored value's key.
pub const MOST_KEY: usize = 256;
/// Values that one list gives.
pub const MOST_LISTED: usize = 1_000;

/// An operation that is granted, ready to be carried out.
#[derive(Clone, Debug)]
pub enum Operation {
    /// An HTTP request.
    Fetch(Fetch),
    /// Something about stored values, in the store of that name.
    Store(String, StoreOperation),
    /// Something about calls and recordings.
    Control(ControlOperation),
}

/// An operation on calls or recordings.
#[derive(Clone, Debug)]
pub enum ControlOperation {
    /// One call.
    Call(CallSid),
    /// The newest calls, newest first.
    Calls {
        /// At most so many.
        limit: usize,
        /// Only of this status.
        status: Option<String>,
        /// Only from there.
        from: Option<String>,
        /// Only to there.
        to: Option<String>,
    },
    /// Places a call.
    Place(Box<Placement>),
    /// Changes what becomes of a call.
    Change(CallSid, Box<Change>),
    /// One recording.
    Recording(RecordingSid),
    /// The newest recordings, newest first.
    Recordings {
        /// At most so many.
        limit: usize,
        /// Only of this call.
        call: Option<CallSid>,
    },
    /// Removes a recording and its file.
    RemoveRecording(RecordingSid),
}

/// An HTTP request of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetch {
    /// Where to; the grants cover it.
    pub url: Url,
    /// The method, a token.
    pub method: String,
    /// Header fields.
    pub headers: Vec<(String, String)>,
    /// The body; none is not an empty one.
    pub body: Option<Vec<u8>>,
    /// What to do with a redirect.
    pub redirect: Redirect,
}

/// What to do with a redirect, as the Fetch standard names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirect {
    /// Go there, if the grants cover it.
    Follow,
    /// Fail.
    Error,
    /// Give the redirect itself.
    Manual,
}

/// An operation on stored values.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreOperation {
    /// The value of a key.
    Get {
        /// The key.
        key: String,
    },
    /// Sets a value.
    Set {
        /// The key.
        key: String,
        /// The value, as JSON.
        value: String,
        /// It is gone after this.
        ttl: Option<Duration>,
        /// Only when the revision there is this one; 0 when there must be none.
        revision: Option<i64>,
    },
    /// Removes a value.
    Delete {
        /// The key.
        key: String,
    },
    /// Removes all whose keys begin so.
    Clear {
        /// What they begin with.
        prefix: String,
    },
    /// Values in the order of their keys.
    List {
        /// What their keys begin with.
        prefix: String,
        /// Only keys behind this one.
        after: String,
        /// At most so many.
        limit: usize,
    },
}

/// Why an operation brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind, for programs.
    pub name: &'static str,
    /// What is wrong and what to do, for people.
    pub message: String,
    /// The HTTP status and the vendor's code, where that is what the REST API answers.
    pub rest: Option<(u16, u32)>,
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Refusal {
        let Denied { status, code, message } = denied;
        Refusal { name: "Denied", message, rest: Some((status, code)) }
    }
}

impl Refusal {
    /// Of that kind; what the guest wrote may be a part of the message.
    pub fn new(name: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { name, message: plain(&message.into()), rest: None }
    }
}

/// What an operation brought.
pub type Answer = Result<Value, Refusal>;

/// Carries the operations of one invocation out. Dropping it cancels what is under way.
pub trait Asks: Send {
    /// Begins; at most [`MOST_UNDER_WAY`] whose answers were not taken.
    fn begin(&mut self, id: u32, operation: Operation);
    /// Gives up one that is under way; its answer never comes.
    fn cancel(&mut self, id: u32);
    /// Holds this thread until one has ended or so long has passed.
    fn next(&mut self, time: Duration) -> Option<(u32, Answer)>;
}

/// The operations of one invocation, as its guest sees them.
pub struct Asked {
    function: String,
    outside: Option<Box<dyn Asks>>,
    begun: u32,
    under_way: Vec<u32>,
    /// With the bytes that each was written in.
    queued: VecDeque<(u32, Operation, usize)>,
    queued_bytes: usize,
    /// Answers that need nobody outside.
    ready: VecDeque<(u32, Answer)>,
}

impl Asked {
    /// None yet; without anybody outside each is refused.
    pub fn new(function: &str, outside: Option<Box<dyn Asks>>) -> Asked {
        Asked {
            function: function.to_owned(),
            outside,
            begun: 0,
            under_way: vec![],
            queued: VecDeque::new(),
            queued_bytes: 0,
            ready: VecDeque::new(),
        }
    }

    /// Begins what `text` says; every number is answered once, unless it is cancelled.
    pub fn begin(&mut self, grants: &Grants, text: &[u8]) -> u32 {
        // What is given up costs nothing, and a loop of it is bounded by the running time.
        let request = if text.len() > MOST_REQUEST {
            let message = format!("the request is larger than {MOST_REQUEST} bytes");
            Err(Refusal::new("TooLarge", message))
        } else {
            serde_json::from_slice::<Value>(text)
                .map_err(|error| Refusal::new("BadOperation", format!("not JSON: {error}")))
        };
        if let Ok(request) = &request
            && request["op"] == "cancel"
        {
            self.cancel(request["id"].as_u64());
            return 0;
        }
        self.begun = self.begun.saturating_add(1);
        let id = self.begun;
        if id > MOST_IN_ALL {
            let message = format!("more than {MOST_IN_ALL} operations in one invocation");
            // What no answer is kept of costs no memory.
            if self.ready.len() < MOST_UNDER_WAY {
                self.ready.push_back((id, Err(Refusal::new("TooMany", message))));
            }
            return id;
        }
        match request.and_then(|request| operation(&self.function, grants, &request)) {
            Err(refusal) => self.ready.push_back((id, Err(refusal))),
            Ok(_) if self.outside.is_none() => {
                let message = "operations can be asked for only while a handler runs on a server";
                self.ready.push_back((id, Err(Refusal::new("NotHere", message))));
            }
            Ok(_) if self.queued_bytes + text.len() > MOST_WAITING => {
                let message = format!("more than {MOST_WAITING} bytes of operations wait");
                self.ready.push_back((id, Err(Refusal::new("TooMany", message))));
            }
            Ok(operation) => {
                self.queued.push_back((id, operation, text.len()));
                self.queued_bytes += text.len();
                self.advance();
            }
        }
        id
    }

    fn advance(&mut self) {
        let Some(outside) = &mut self.outside else { return };
        while self.under_way.len() < MOST_UNDER_WAY
            && let Some((id, operation, bytes)) = self.queued.pop_front()
        {
            self.queued_bytes -= bytes;
            self.under_way.push(id);
            outside.begin(id, operation);
        }
    }

    fn cancel(&mut self, id: Option<u64>) {
        let Some(id) = id.and_then(|id| u32::try_from(id).ok()) else { return };
        self.queued.retain(|(queued, ..)| *queued != id);
        self.queued_bytes = self.queued.iter().map(|(.., bytes)| bytes).sum();
        self.ready.retain(|(ready, _)| *ready != id);
        if let Some(at) = self.under_way.iter().position(|going| *going == id) {
            self.under_way.swap_remove(at);
            if let Some(outside) = &mut self.outside {
                outside.cancel(id);
            }
            self.advance();
        }
    }

    /// Whether an answer is still to come.
    pub fn is_waiting(&self) -> bool {
        !self.ready.is_empty() || !self.under_way.is_empty()
    }

    /// The next answer; holds the thread for so long where there is none yet.
    pub fn next(&mut self, time: Duration) -> Option<(u32, Answer)> {
        if let Some(answered) = self.ready.pop_front() {
            return Some(answered);
        }
        let (id, answer) = self.outside.as_mut()?.next(time)?;
        self.under_way.retain(|going| *going != id);
        self.advance();
        Some((id, answer))
    }
}

/// What the guest reads of an answer.
pub(super) fn spell(id: u32, answer: Answer, waited: Duration) -> String {
    let waited = waited.as_secs_f64() * 1000.0;
    let answer = match answer {
        Ok(value) => json!({ "id": id, "waited": waited, "value": value }),
        Err(Refusal { name, message, rest }) => {
            let mut error = json!({ "name": name, "message": message });
            if let Some((status, code)) = rest {
                (error["status"], error["code"]) = (status.into(), code.into());
            }
            json!({ "id": id, "waited": waited, "error": error })
        }
    };
    answer.to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::directory::grants::{Control, HostGrant};

    /// Remembers what was begun, and ends the oldest when asked.
    #[derive(Clone, Default)]
    struct Slow(Arc<Mutex<VecDeque<u32>>>);

    impl Asks for Slow {
        fn begin(&mut self, id: u32, _: Operation) {
            self.0.lock().expect("whole").push_back(id);
        }
        fn cancel(&mut self, id: u32) {
            self.0.lock().expect("whole").retain(|going| *going != id);
        }
        fn next(&mut self, _: Duration) -> Option<(u32, Answer)> {
            Some((self.0.lock().expect("whole").pop_front()?, Ok(Value::Null)))
        }
    }

    fn grants() -> Grants {
        let host = HostGrant::parse("api.example.com").expect("a host");
        Grants { hosts: vec![host], store: Some(String::new()), ..Grants::default() }
    }

    fn refused(grants: &Grants, request: Value) -> Refusal {
        operation("menu", grants, &request).expect_err("refused")
    }

    #[test]
    fn what_is_not_granted_is_refused_with_the_line_that_would_grant_it() {
        let nothing = Grants::default();
        let fetch = json!({ "op": "fetch", "url": "https://api.example.com:8443/x" });
        let told = refused(&nothing, fetch.clone());
        assert_eq!(told.name, "NotGranted");
        assert!(told.message.contains("hosts = [\"api.example.com:8443\"]"), "{}", told.message);
        assert!(told.message.contains("name = \"menu\""));
        assert_eq!(refused(&grants(), fetch).name, "NotGranted", "another port");
        let told = refused(&nothing, json!({ "op": "kv.get", "key": "a" }));
        assert!(told.message.contains("store = true"));
        let told = refused(&grants(), json!({ "op": "control", "what": "calls" }));
        assert!(told.message.contains("control = \"read\""));
        let control = Grants { control: Control::Full, ..Grants::default() };
        let told = refused(&control, json!({ "op": "control", "what": "end", "sid": "CA1" }));
        assert_eq!(told.name, "NotFound");
        for url in ["file:///etc/passwd", "https://u:p@api.example.com/", "nonsense", ""] {
            refused(&grants(), json!({ "op": "fetch", "url": url }));
        }
    }

    #[test]
    fn keys_and_values_are_bounded() {
        let get = |key: &str| json!({ "op": "kv.get", "key": key });
        assert!(operation("f", &grants(), &get(&"k".repeat(MOST_KEY))).is_ok());
        refused(&grants(), get(&"k".repeat(MOST_KEY + 1)));
        refused(&grants(), get(""));
        let set =
            |length: usize| json!({ "op": "kv.set", "key": "k", "value": "v".repeat(length) });
        assert!(operation("f", &grants(), &set(MOST_VALUE - 2)).is_ok());
        assert_eq!(refused(&grants(), set(MOST_VALUE)).name, "TooLarge");
    }

    #[test]
    fn few_are_under_way_and_not_many_in_all() {
        let slow = Slow::default();
        let mut asked = Asked::new("f", Some(Box::new(slow.clone())));
        let get = json!({ "op": "kv.get", "key": "a" }).to_string();
        for _ in 0..MOST_IN_ALL {
            asked.begin(&grants(), get.as_bytes());
        }
        assert_eq!(slow.0.lock().expect("whole").len(), MOST_UNDER_WAY);
        let over = asked.begin(&grants(), get.as_bytes());
        let (id, answer) = asked.next(Duration::ZERO).expect("refused at once");
        assert_eq!((id, answer.expect_err("refused").name), (over, "TooMany"));
        asked.begin(&grants(), br#"{"op":"cancel","id":2}"#);
        let mut ended = vec![];
        while let Some((id, _)) = asked.next(Duration::ZERO) {
            ended.push(id);
            assert!(slow.0.lock().expect("whole").len() <= MOST_UNDER_WAY);
        }
        ended.sort_unstable();
        let wanted: Vec<u32> = (1..=MOST_IN_ALL).filter(|id| *id != 2).collect();
        assert_eq!(ended, wanted, "each once, but for the one given up");
        assert!(!asked.is_waiting());
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_too() {
        let slow = Slow::default();
        let mut asked = Asked::new("f", Some(Box::new(slow)));
        let body = "x".repeat(MOST_REQUEST / 2);
        let post = json!({ "op": "fetch", "url": "https://api.example.com/", "body": body });
        let post = post.to_string();
        for _ in 0..MOST_IN_ALL {
            asked.begin(&grants(), post.as_bytes());
            let kept: usize = asked.queued.iter().map(|(.., bytes)| bytes).sum();
            assert!(kept <= MOST_WAITING && kept == asked.queued_bytes);
        }
        let (mut refused, mut taken) = (0, 0);
        while let Some((_, answer)) = asked.next(Duration::ZERO) {
            match answer {
                Ok(_) => taken += 1,
                Err(refusal) => refused += u32::from(refusal.name == "TooMany"),
            }
        }
        assert!(taken > MOST_UNDER_WAY as u32 && taken + refused == MOST_IN_ALL);
        assert_eq!(asked.queued_bytes, 0);
    }

    #[test]
    fn what_a_refusal_quotes_is_short() {
        let long = "x\u{1b}".repeat(100_000);
        for request in [
            json!({ "op": long }),
            json!({ "op": "fetch", "url": format!("https://u@{long}") }),
            json!({ "op": "fetch", "url": long }),
            json!({ "op": "fetch", "url": "https://api.example.com", "redirect": long }),
            json!({ "op": "fetch", "url": "https://api.example.com",
                "headers": vec![["a", "b"]; 50_000] }),
        ] {
            let told = refused(&grants(), request).message;
            assert!(told.len() < 10_000 && !told.contains('\u{1b}'), "{}", told.len());
        }
    }

    #[test]
    fn what_is_no_operation_is_answered_too() {
        let mut asked = Asked::new("f", None);
        for (text, name) in [
            (&b"\xff"[..], "BadOperation"),
            (b"{}", "BadOperation"),
            (&vec![b' '; MOST_REQUEST + 1], "TooLarge"),
            (br#"{"op":"kv.get","key":"a"}"#, "NotHere"),
        ] {
            let id = asked.begin(&grants(), text);
            let (answered, answer) = asked.next(Duration::ZERO).expect("an answer");
            assert_eq!((answered, answer.expect_err("refused").name), (id, name));
        }
    }
}
