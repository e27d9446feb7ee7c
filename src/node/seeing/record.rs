//! One line of a story as it is kept: JSON, one object a line, readable by other programs too.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::node::trace::Direction;
use crate::sip::Flow;

/// Something of a story, and when it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Microseconds since 1970.
    pub at: u64,
    /// Tells which came first of what was at the same moment.
    #[serde(default)]
    pub order: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum What {
    /// A SIP message, credentials taken off.
    Message(Captured),
    /// Messages of that Call-ID are the call's.
    Dialog {
        /// The caller's SID.
        call: String,
        /// The leg's number.
        leg: u64,
        /// The Call-ID.
        call_id: String,
    },
    /// The row of a leg as it became.
    Party(Party),
    /// A line of the engine.
    Note {
        /// The call.
        call: String,
        /// The error code, or 0.
        code: u32,
        /// In plain words.
        text: String,
    },
    /// A verb's turn came.
    Verb {
        /// The call.
        call: String,
        /// Who hears it.
        leg: u64,
        /// The verb.
        name: String,
        /// Document, line and column.
        place: String,
    },
    /// A document was asked for.
    Asked {
        /// The call.
        call: String,
        /// From where.
        url: String,
        /// GET or POST.
        method: String,
    },
    /// A document came, or did not.
    Fetched {
        /// The call.
        call: String,
        /// From where.
        url: String,
        /// Microseconds between question and answer.
        took: u64,
        /// The error's code and text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<(u32, String)>,
    },
    /// A request that was not admitted.
    Refused(Refused),
}

/// The row of a leg.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Party {
    /// The leg's SID.
    pub sid: String,
    /// The leg that dialled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// From, as in webhooks.
    pub from: String,
    /// To, as in webhooks.
    pub to: String,
    /// Which way.
    pub direction: String,
    /// How far.
    pub status: String,
    /// Why it ended, in plain words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The SIP status that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sip_status: Option<u16>,
    /// The Call-ID on the wire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
}

/// A request that was not admitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// `INVITE` or `REGISTER`.
    pub method: String,
    /// Its Call-ID.
    pub call_id: String,
    /// The user that it said it was of.
    pub user: String,
    /// What it asked for.
    pub uri: String,
    /// The address it came from.
    pub source: SocketAddr,
    /// The status of the answer.
    pub status: u16,
    /// An error code.
    pub code: u32,
    /// In plain words: what was wrong, from where, and how often lately.
    pub reason: String,
    /// How often this user was refused at this address lately.
    pub times: u32,
}

/// A message on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Captured {
    /// Its Call-ID.
    pub call_id: String,
    /// Whether we sent it.
    pub sent: bool,
    /// `udp`, `tcp` …
    pub transport: String,
    /// Our address.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// The message, where it is text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The message, where it is not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub base64: String,
}

impl Captured {
    /// Takes a message that credentials were already taken off.
    pub fn new(call_id: String, direction: Direction, flow: Flow, redacted: Vec<u8>) -> Captured {
        let (text, base64) = match String::from_utf8(redacted) {
            Ok(text) => (text, String::new()),
            Err(error) => (String::new(), STANDARD.encode(error.as_bytes())),
        };
        Captured {
            call_id,
            sent: direction == Direction::Sent,
            transport: flow.transport.name().to_owned(),
            local: flow.local,
            remote: flow.remote,
            text,
            base64,
        }
    }

    /// The bytes as they were on the wire, credentials aside.
    pub fn bytes(&self) -> Vec<u8> {
        match self.base64.is_empty() {
            true => self.text.clone().into_bytes(),
            false => STANDARD.decode(&self.base64).unwrap_or_default(),
        }
    }

    /// Who sent it.
    pub fn source(&self) -> SocketAddr {
        if self.sent { self.local } else { self.remote }
    }

    /// Who got it.
    pub fn destination(&self) -> SocketAddr {
        if self.sent { self.remote } else { self.local }
    }
}

impl Record {
    /// Appends it as a line.
    pub fn write(&self, out: &mut Vec<u8>) {
        // Maps with text keys and no writer that could fail: there is nothing to go wrong.
        if serde_json::to_writer(&mut *out, self).is_ok() {
            out.push(b'\n');
        }
    }

    /// Reads a line; `None` for one that was cut off or is not of this version.
    pub fn read(line: &[u8]) -> Option<Record> {
        serde_json::from_slice(line).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Transport;

    #[test]
    fn lines_read_back_what_was_written() {
        let flow = Flow {
            transport: Transport::Tcp,
            local: "127.0.0.1:5060".parse().expect("an address"),
            remote: "[::1]:5062".parse().expect("an address"),
            connection: 7,
        };
        for bytes in [&b"OPTIONS sip:a SIP/2.0\r\n\r\n\"\\"[..], &b"\xff\x00binary"[..]] {
            let what =
                Captured::new("a\"b@c".to_owned(), Direction::Received, flow, bytes.to_vec());
            assert_eq!(what.bytes(), bytes);
            assert_eq!(what.transport, "tcp");
            let record = Record { at: 5, order: 0, what: What::Message(what) };
            let mut line = vec![];
            record.write(&mut line);
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
            assert_eq!(Record::read(&line), Some(record));
            assert_eq!(Record::read(&line[..line.len() / 2]), None, "cut off");
        }
        let fetched = What::Fetched {
            call: "CA1".to_owned(),
            url: "bin:x".to_owned(),
            took: 9,
            error: Some((11200, "no".to_owned())),
        };
        let mut line = vec![];
        Record { at: 1, order: 7, what: fetched.clone() }.write(&mut line);
        assert_eq!(Record::read(&line), Some(Record { at: 1, order: 7, what: fetched }));
    }
}
