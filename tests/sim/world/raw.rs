//! Peers that speak scripted bytes. They share no line of code with the stack under test, so that
//! a misunderstanding cannot hide on both sides.

use std::net::SocketAddr;

use bytes::Bytes;
use md5::{Digest as _, Md5};
use offhook::base::Instant;

use super::{Endpoint, SERVER, World};

/// Whoever sits at an address and reads what comes.
pub struct Peer {
    pub name: String,
    pub local: SocketAddr,
    /// Everything that came, as text.
    pub inbox: Vec<(Instant, String)>,
    read: usize,
}

impl Peer {
    pub fn receive(&mut self, now: Instant, _from: SocketAddr, bytes: &[u8]) {
        self.inbox.push((now, String::from_utf8_lossy(bytes).into_owned()));
    }

    /// What nobody has looked at.
    pub fn unread(&self) -> impl Iterator<Item = &str> {
        self.inbox.iter().skip(self.read).map(|(_, text)| text.as_str())
    }

    /// All that came with that beginning.
    pub fn all(&self, start: &str) -> Vec<&str> {
        let texts = self.inbox.iter().map(|(_, text)| text.as_str());
        texts.filter(|text| text.starts_with(start)).collect()
    }

    /// What it says about its own media.
    pub fn sdp(&self, direction: &str) -> String {
        let ip = self.local.ip();
        format!(
            "v=0\r\no=- 1 {} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 101\r\n\
             a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na={direction}\r\n",
            self.inbox.len() + 1
        )
    }
}

impl World {
    /// A peer at an address.
    pub fn peer(&mut self, name: &str, address: &str) {
        let local: SocketAddr = address.parse().expect("an address");
        self.addresses.insert(local, Endpoint::Peer(self.peers.len()));
        self.peers.push(Peer { name: name.to_owned(), local, inbox: Vec::new(), read: 0 });
    }

    pub fn raw(&self, name: &str) -> &Peer {
        self.peers.iter().find(|peer| peer.name == name).expect("a peer of that name")
    }

    /// Sends bytes to the exchange.
    pub fn say(&mut self, name: &str, text: &str) {
        let (from, to) = (self.raw(name).local, SERVER.parse().expect("an address"));
        self.send(from, to, Bytes::copy_from_slice(text.as_bytes()));
    }

    /// The next unread message with that beginning, within five seconds.
    pub fn expect(&mut self, name: &str, start: &str) -> String {
        self.expect_within(name, start, 5)
    }

    /// The same within so many seconds.
    pub fn expect_within(&mut self, name: &str, start: &str, seconds: u64) -> String {
        let unread = |world: &World| {
            let peer = world.raw(name);
            let mut texts = peer.inbox.iter().enumerate().skip(peer.read);
            texts.find(|(_, (_, text))| text.starts_with(start)).map(|(at, _)| at)
        };
        let came = self.until(seconds, |world| unread(world).is_some());
        assert!(came, "{name} expected {start}, and read {:#?}", self.raw(name).inbox);
        let at = unread(self).expect("it came");
        let peer = self.peers.iter_mut().find(|peer| peer.name == name).expect("known");
        peer.read = at + 1;
        peer.inbox[at].1.clone()
    }

    /// A request of a peer. `dialog` is Call-ID and From tag; `to` the whole To header.
    pub fn request(
        &self,
        name: &str,
        method: &str,
        uri: &str,
        dialog: &str,
        rest: &Rest<'_>,
    ) -> String {
        let me = self.raw(name).local;
        let cseq_method = if method == "ACK" { "ACK" } else { method };
        let branch = match (method, rest.branch) {
            (_, branch) if !branch.is_empty() => branch.to_owned(),
            _ => format!("{dialog}-{method}-{}", rest.cseq),
        };
        let kind = if rest.body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{branch}\r\n\
             Max-Forwards: 70\r\nFrom: <{}>;tag={dialog}\r\nTo: {}\r\nCall-ID: {dialog}\r\n\
             CSeq: {} {cseq_method}\r\nContact: <sip:raw@{me}>\r\n{}{kind}Content-Length: {}\r\n\r\n{}",
            rest.from,
            rest.to,
            rest.cseq,
            rest.headers,
            rest.body.len(),
            rest.body
        )
    }
}

/// What else a request says.
#[derive(Clone, Debug)]
pub struct Rest<'a> {
    pub from: &'a str,
    pub to: &'a str,
    pub cseq: u32,
    pub headers: &'a str,
    pub body: &'a str,
    /// Of the transaction, when it is that of another request.
    pub branch: &'a str,
}

impl Default for Rest<'_> {
    fn default() -> Self {
        Rest {
            from: "sip:+14155550199@198.51.100.9",
            to: "<sip:+12223331234@192.0.2.1>",
            cseq: 1,
            headers: "",
            body: "",
            branch: "",
        }
    }
}

/// A header's value in a message; the first one, empty if there is none.
pub fn header(message: &str, name: &str) -> String {
    let head = message.split("\r\n\r\n").next().unwrap_or_default();
    let found = head.lines().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    });
    found.unwrap_or_default()
}

/// A response to a request that came; `line` is such as `180 Ringing`.
pub fn respond(
    request: &str,
    line: &str,
    contact: SocketAddr,
    headers: &str,
    body: &str,
) -> String {
    let head = request.split("\r\n\r\n").next().unwrap_or_default();
    let mut text = format!("SIP/2.0 {line}\r\n");
    for name in ["via", "from", "to", "call-id", "cseq", "record-route"] {
        let mine = head.lines().skip(1).filter(|line| {
            line.split(':').next().is_some_and(|known| known.eq_ignore_ascii_case(name))
        });
        for line in mine {
            text.push_str(line);
            if name == "to" && !line.contains("tag=") {
                text.push_str(";tag=raw");
            }
            text.push_str("\r\n");
        }
    }
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    text + &format!(
        "Contact: <sip:raw@{contact}>\r\n{headers}{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The value of a parameter such as `nonce="…"` of a challenge.
pub fn parameter(challenge: &str, name: &str) -> String {
    let start = format!("{name}=");
    let found = challenge.split([',', ' ']).find_map(|part| part.trim().strip_prefix(&start));
    found.unwrap_or_default().trim_matches('"').to_owned()
}

fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A login by MD5 with qop=auth (RFC 2617 section 3.2.2.1).
pub fn digest(
    realm: &str,
    nonce: &str,
    user: &str,
    password: &str,
    method: &str,
    uri: &str,
    cnonce: &str,
) -> String {
    let secret = md5(&format!("{user}:{realm}:{password}"));
    let what = md5(&format!("{method}:{uri}"));
    let response = md5(&format!("{secret}:{nonce}:00000001:{cnonce}:auth:{what}"));
    format!(
        "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"{cnonce}\""
    )
}

/// Whatever the server says has each header that RFC 3261 allows once no more than once.
pub fn assert_single(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let request = !head.starts_with("SIP/2.0");
    let single =
        ["From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Type", "Content-Length"];
    let single = single.into_iter().chain(["Expires", "Event", "Subscription-State"]);
    for name in single.chain(request.then_some("Contact")) {
        let is_it = |line: &&str| {
            line.split_once(':').is_some_and(|(header, _)| header.eq_ignore_ascii_case(name))
        };
        let count = head.lines().filter(is_it).count();
        assert!(count < 2, "{count} of {name}: {head}");
    }
}
