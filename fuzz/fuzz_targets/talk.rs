//! SIP as a peer of ill will might speak it: new requests, answers to what it heard, requests in
//! dialogs that it has heard of, repeats and damaged copies. What sequences are made of.

use bytes::Bytes;
use offhook::sip::{HeaderName, Message, Parsed};

use super::steps::Steps;

/// Messages of ours that a peer remembers.
const REMEMBERED: usize = 24;

pub const METHODS: [&str; 15] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "INFO",
    "UPDATE",
    "REGISTER",
    "PRACK",
    "REFER",
    "NOTIFY",
    "SUBSCRIBE",
    "MESSAGE",
    "PUBLISH",
    "X",
];

const STATUSES: [u16; 32] = [
    100, 180, 181, 183, 183, 199, 200, 200, 200, 202, 204, 302, 400, 401, 404, 407, 408, 412, 420,
    421, 422, 423, 480, 481, 486, 487, 489, 491, 500, 503, 600, 603,
];

const EXTRAS: [&str; 20] = [
    "",
    "Require: 100rel\r\nRSeq: 1\r\n",
    "Require: 100rel\r\nRSeq: 2\r\n",
    "RSeq: 4294967295\r\nRequire: 100rel\r\n",
    "Supported: 100rel, timer, replaces\r\n",
    "Session-Expires: 90;refresher=uac\r\nSupported: timer\r\n",
    "Session-Expires: 90;refresher=uas\r\nRequire: timer\r\n",
    "Session-Expires: 1\r\n",
    "Min-SE: 4294967295\r\n",
    "RAck: 1 1 INVITE\r\n",
    "Retry-After: 1\r\n",
    "Refer-To: <sip:c@192.0.2.9?Replaces=1%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\n",
    "Refer-To: sip:+14155550100@office.localhost\r\n",
    "Event: refer\r\nSubscription-State: active\r\n",
    "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\n",
    "Record-Route: <sip:192.0.2.8;lr>, <sip:192.0.2.7>\r\n",
    "WWW-Authenticate: Digest realm=\"x\", nonce=\"y\", qop=\"auth\"\r\n",
    "Require: nothing\r\n",
    "Replaces: 1;to-tag=1;from-tag=2\r\n",
    "Reason: Q.850;cause=16\r\nDiversion: <sip:+14155550123@a>;reason=busy\r\n",
];

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
const HELD: &str = "v=0\r\no=- 1 2 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n";

/// A peer: what it has heard, and what it has said.
#[derive(Default)]
pub struct Peer {
    heard: Vec<Message>,
    said: Vec<Bytes>,
    /// New requests have branches of their own, as RFC 3261 section 8.1.1.7 demands.
    branches: u32,
}

impl Peer {
    /// Something of ours arrived: whole, and nobody else's lines in it.
    pub fn hear(&mut self, bytes: &Bytes) {
        let Parsed::Valid(message) = Message::parse(bytes.clone()) else {
            // Whoever is refused for what is missing gets an answer in which that is missing too.
            assert!(bytes.starts_with(b"SIP/2.0 400 "), "{}", String::from_utf8_lossy(bytes));
            return;
        };
        assert!(!message.all_headers().any(|(name, _)| name == "Evil"), "a line was slipped in");
        if self.heard.len() == REMEMBERED {
            self.heard.remove(0);
        }
        self.heard.push(message);
    }

    /// The latest message that fits.
    pub fn latest(&self, fits: impl Fn(&Message) -> bool) -> Option<&Message> {
        self.heard.iter().rev().find(|message| fits(message))
    }

    /// What it says next. `to` is where it believes us.
    pub fn say(&mut self, steps: &mut Steps<'_>, to: &str) -> Bytes {
        let bytes = match steps.below(8) {
            0 | 1 => self.request(steps, to),
            2 | 3 => self.answer(steps).unwrap_or_else(|| self.request(steps, to)),
            4 | 5 => self.within(steps, to).unwrap_or_else(|| self.request(steps, to)),
            6 if !self.said.is_empty() => return self.said[steps.below(self.said.len())].clone(),
            _ => self.damaged(steps).unwrap_or_else(|| self.request(steps, to)),
        };
        if self.said.len() == REMEMBERED {
            self.said.remove(0);
        }
        self.said.push(bytes.clone());
        bytes
    }

    fn branch(&mut self) -> u32 {
        self.branches += 1;
        self.branches
    }

    /// A new request out of a few parts that meet each other often.
    fn request(&mut self, steps: &mut Steps<'_>, to: &str) -> Bytes {
        let method = steps.pick(&METHODS);
        let tag = ["", ";tag=1", ";tag=2"];
        let user = steps.pick(&["+12223331234", "alice", "bob", "+14155550100", "x"]);
        let (from_tag, to_tag) = (steps.pick(&tag[1..]), steps.pick(&["", "", "", ";tag=1"]));
        let (call, number) = (steps.below(4), steps.below(5));
        let (extra, body) = (steps.pick(&EXTRAS), body(steps));
        let branch = self.branch();
        let text = format!(
            "{method} sip:{user}@{to} SIP/2.0\r\n\
             Via: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:alice@office.localhost>{from_tag}\r\nTo: <sip:{user}@{to}>{to_tag}\r\n\
             Call-ID: {call}\r\nCSeq: {number} {method}\r\nContact: <sip:a@198.51.100.1>\r\n\
             {extra}{body}"
        );
        text.into()
    }

    /// A response to a request of ours, by one of two forks.
    fn answer(&mut self, steps: &mut Steps<'_>) -> Option<Bytes> {
        let requests: Vec<&Message> = self.heard.iter().filter(|m| m.is_request()).collect();
        let request =
            *requests.get(requests.len().checked_sub(1 + steps.below(requests.len()))?)?;
        let status = steps.pick(&STATUSES);
        let mut text = format!("SIP/2.0 {status} x\r\n");
        for (name, value) in request.all_headers() {
            let untagged = name == "To" && !value.contains(";tag=");
            match HeaderName::from_bytes(name.as_bytes()) {
                HeaderName::To if untagged => {
                    let tag = steps.pick(&[";tag=f1", ";tag=f2", ""]);
                    text.push_str(&format!("To: {value}{tag}\r\n"));
                }
                HeaderName::Via
                | HeaderName::From
                | HeaderName::To
                | HeaderName::CallId
                | HeaderName::CSeq
                | HeaderName::RecordRoute => text.push_str(&format!("{name}: {value}\r\n")),
                _ => {}
            }
        }
        let contact = steps.pick(&["Contact: <sip:z@198.51.100.1>\r\n", "", "Contact: *\r\n"]);
        text.push_str(contact);
        text.push_str(steps.pick(&EXTRAS));
        text.push_str(&body(steps));
        Some(text.into())
    }

    /// A request from the far side of a dialog that a message of ours speaks of.
    fn within(&mut self, steps: &mut Steps<'_>, to: &str) -> Option<Bytes> {
        let back = 1 + steps.below(self.heard.len().max(1));
        let heard = self.heard.get(self.heard.len().checked_sub(back)?)?;
        // What we sent as a request names us in From, what we answered names us in To.
        let (theirs, ours) = match heard.is_request() {
            true => (HeaderName::To, HeaderName::From),
            false => (HeaderName::From, HeaderName::To),
        };
        let (theirs, ours) = (heard.header(theirs)?.to_owned(), heard.header(ours)?.to_owned());
        let theirs = match theirs.contains(";tag=") {
            true => theirs,
            false => format!("{theirs}{}", steps.pick(&[";tag=f1", ";tag=f2"])),
        };
        let call = heard.call_id().to_owned();
        let method = steps.pick(&METHODS[..13]);
        let heard_number = heard.cseq().map_or(1, |cseq| cseq.number);
        let number = match method {
            "ACK" | "CANCEL" if steps.flag() => heard_number,
            _ => [heard_number, heard_number.wrapping_add(1) & 0x7fff_ffff, 1, 900][steps.below(4)],
        };
        let (extra, body) = (steps.pick(&EXTRAS), body(steps));
        let branch = match method {
            "CANCEL" => self.branches,
            _ => self.branch(),
        };
        let text = format!(
            "{method} sip:b@{to} SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK{branch}\r\n\
             Max-Forwards: 70\r\nFrom: {theirs}\r\nTo: {ours}\r\nCall-ID: {call}\r\n\
             CSeq: {number} {method}\r\nContact: <sip:b@198.51.100.1>\r\n{extra}{body}"
        );
        Some(text.into())
    }

    /// Something that it said or heard, with a byte or a piece of it changed; what can then still
    /// be answered with 400 is left out, since that is no transaction.
    fn damaged(&self, steps: &mut Steps<'_>) -> Option<Bytes> {
        let known: Vec<&Bytes> =
            self.said.iter().chain(self.heard.iter().map(Message::as_bytes)).collect();
        let mut bytes = known.get(steps.below(known.len()))?.to_vec();
        let at = usize::from(steps.number()) % bytes.len().max(1);
        match steps.flag() {
            true => *bytes.get_mut(at)? = steps.next()?,
            false => drop(bytes.splice(at..at, steps.piece().iter().copied())),
        }
        let bytes = Bytes::from(bytes);
        (!matches!(Message::parse(bytes.clone()), Parsed::Reject { .. })).then_some(bytes)
    }
}

fn body(steps: &mut Steps<'_>) -> String {
    let sdp = match steps.below(4) {
        0 | 1 => OFFER,
        2 => HELD,
        _ => return "Content-Length: 0\r\n\r\n".to_owned(),
    };
    format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len())
}
