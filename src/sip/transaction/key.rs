//! What tells transactions apart: RFC 3261 section 17.2.3, and its fallback for RFC 2543 peers.

use crate::base::fingerprint::{Fingerprint, Fingerprinter};
use crate::sip::{Message, Method};

/// The name of a server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerKey {
    name: Fingerprint,
    branch: Fingerprint,
}

/// Names transactions, with the secret of one user agent.
#[derive(Clone, Debug, Default)]
pub struct Names(Fingerprinter);

impl Names {
    /// With a secret.
    pub fn new(secret: [u8; 16]) -> Names {
        Names(Fingerprinter::new(secret))
    }

    /// The key of a request; `None` when it has no Via. ACK has the key of its INVITE.
    pub fn server(&self, request: &Message) -> Option<ServerKey> {
        match request.method() {
            Method::Ack => self.with_method(request, "INVITE"),
            _ => self.with_method(request, request.method_name()),
        }
    }

    /// The key of the INVITE that a CANCEL means (RFC 3261 section 9.2).
    pub fn cancelled_by(&self, cancel: &Message) -> Option<ServerKey> {
        self.with_method(cancel, "INVITE")
    }

    fn with_method(&self, request: &Message, method: &str) -> Option<ServerKey> {
        let via = request.via()?;
        let host = via.host().to_ascii_lowercase();
        let port = via.port().unwrap_or(5060).to_le_bytes();
        let name = match (via.branch(), via.branch_after_cookie()) {
            (Some(branch), Some(unique)) if !unique.is_empty() => {
                self.0.of(&[branch.as_bytes(), host.as_bytes(), &port, method.as_bytes()])
            }
            // RFC 2543 senders repeat the whole top Via, and their ACK differs in its To tag only.
            _ => self.0.of(&[
                request.request_uri().as_bytes(),
                request.from().and_then(|from| from.tag()).unwrap_or_default().as_bytes(),
                request.call_id().as_bytes(),
                &request.cseq().map_or(0, |cseq| cseq.number).to_le_bytes(),
                via.branch().unwrap_or_default().as_bytes(),
                host.as_bytes(),
                &port,
                method.as_bytes(),
            ]),
        };
        Some(ServerKey { name, branch: self.branch(via.branch().unwrap_or_default()) })
    }

    fn branch(&self, branch: &str) -> Fingerprint {
        self.0.of(&[branch.as_bytes()])
    }

    /// Of a client transaction (RFC 3261 section 17.1.3).
    pub fn client(&self, branch: &str, method: Method) -> Fingerprint {
        self.0.of(&[branch.as_bytes(), method.name().as_bytes()])
    }

    /// What stays the same when one request comes over several ways (RFC 3261 section 8.2.2.2),
    /// and when a NAT changes the sent-by of a CANCEL: From tag, Call-ID and CSeq.
    pub fn request(&self, request: &Message, method: &str) -> Fingerprint {
        let from = request.from();
        let tag = from.and_then(|from| from.tag()).unwrap_or_default();
        let number = request.cseq().map_or(0, |cseq| cseq.number).to_le_bytes();
        self.0.of(&[request.call_id().as_bytes(), tag.as_bytes(), &number, method.as_bytes()])
    }
}

impl ServerKey {
    /// What it is found by.
    pub fn name(&self) -> Fingerprint {
        self.name
    }

    /// Whether both are of the same branch.
    pub fn has_branch_of(&self, other: &ServerKey) -> bool {
        self.branch == other.branch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Parsed;

    fn request(method: &str, via: &str, to_tag: &str) -> Message {
        let text = format!(
            "{method} sip:b@c SIP/2.0\r\nVia: {via}\r\nFrom: <sip:a@b>;tag=f\r\nTo: <sip:b@c>{to_tag}\r\n\
             Call-ID: i\r\nCSeq: 7 {method}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        match Message::parse(text.into()) {
            Parsed::Valid(message) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_branch_the_sender_and_the_method_make_the_key() {
        let key = |method, via| Names::default().server(&request(method, via, ""));
        let invite = key("INVITE", "SIP/2.0/UDP H:5060;branch=z9hG4bKx");
        assert_eq!(invite, key("ACK", "SIP/2.0/UDP h;branch=z9hG4bKx"));
        assert_ne!(invite, key("INVITE", "SIP/2.0/UDP h;branch=z9hG4bKy"));
        assert_ne!(invite, key("INVITE", "SIP/2.0/UDP h:5070;branch=z9hG4bKx"));
        assert_ne!(invite, key("CANCEL", "SIP/2.0/UDP h;branch=z9hG4bKx"));
        let cancel = request("CANCEL", "SIP/2.0/UDP h;branch=z9hG4bKx", "");
        assert_eq!(invite, Names::default().cancelled_by(&cancel));
    }

    #[test]
    fn old_peers_are_told_apart_without_a_branch() {
        let invite = Names::default().server(&request("INVITE", "SIP/2.0/UDP h", ""));
        assert_eq!(invite, Names::default().server(&request("ACK", "SIP/2.0/UDP h", ";tag=t")));
        assert_ne!(invite, Names::default().server(&request("INVITE", "SIP/2.0/UDP g", "")));
        assert_ne!(
            invite,
            Names::default().server(&request("INVITE", "SIP/2.0/UDP h;branch=1", ""))
        );
    }
}
