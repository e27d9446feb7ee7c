//! What tells transactions apart: RFC 3261 section 17.2.3, and its fallback for RFC 2543 peers.

use std::sync::Arc;

use crate::sip::{Message, Method};

/// The name of a server transaction.
///
/// Parts are joined by line feeds, which no header value can hold, so that two different
/// transactions never share a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerKey(Arc<str>);

impl ServerKey {
    /// The key of a request; `None` when it has no Via. ACK has the key of its INVITE.
    pub fn of(request: &Message) -> Option<ServerKey> {
        match request.method() {
            Method::Ack => ServerKey::with_method(request, "INVITE"),
            _ => ServerKey::with_method(request, request.method_name()),
        }
    }

    /// The key of the INVITE that a CANCEL means (RFC 3261 section 9.2).
    pub fn cancelled_by(cancel: &Message) -> Option<ServerKey> {
        ServerKey::with_method(cancel, "INVITE")
    }

    /// Whether it is the key of a transaction with this branch.
    pub fn has_branch(&self, branch: &str) -> bool {
        self.0.split('\n').next() == Some(branch)
    }

    fn with_method(request: &Message, method: &str) -> Option<ServerKey> {
        let via = request.via()?;
        let host = via.host().to_ascii_lowercase();
        let port = via.port().unwrap_or(5060);
        let text = match (via.branch(), via.branch_after_cookie()) {
            (Some(branch), Some(unique)) if !unique.is_empty() => {
                format!("{branch}\n{host}\n{port}\n{method}")
            }
            // RFC 2543 senders repeat the whole top Via, and their ACK differs in its To tag only.
            _ => format!(
                "{}\n{}\n{}\n{}\n{}\n{host}\n{port}\n{method}",
                request.request_uri(),
                request.from().and_then(|from| from.tag()).unwrap_or_default(),
                request.call_id(),
                request.cseq().map_or(0, |cseq| cseq.number),
                via.branch().unwrap_or_default(),
            ),
        };
        Some(ServerKey(text.into()))
    }
}

/// What stays the same when one request comes over several ways (RFC 3261 section 8.2.2.2), and
/// when a NAT changes the sent-by of a CANCEL: From tag, Call-ID and CSeq.
pub fn request_key(request: &Message, method: &str) -> Arc<str> {
    let tag = request.from().and_then(|from| from.tag()).unwrap_or_default().to_owned();
    let number = request.cseq().map_or(0, |cseq| cseq.number);
    format!("{}\n{tag}\n{number}\n{method}", request.call_id()).into()
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
        let key = |method, via| ServerKey::of(&request(method, via, ""));
        let invite = key("INVITE", "SIP/2.0/UDP H:5060;branch=z9hG4bKx");
        assert_eq!(invite, key("ACK", "SIP/2.0/UDP h;branch=z9hG4bKx"));
        assert_ne!(invite, key("INVITE", "SIP/2.0/UDP h;branch=z9hG4bKy"));
        assert_ne!(invite, key("INVITE", "SIP/2.0/UDP h:5070;branch=z9hG4bKx"));
        assert_ne!(invite, key("CANCEL", "SIP/2.0/UDP h;branch=z9hG4bKx"));
        let cancel = request("CANCEL", "SIP/2.0/UDP h;branch=z9hG4bKx", "");
        assert_eq!(invite, ServerKey::cancelled_by(&cancel));
    }

    #[test]
    fn old_peers_are_told_apart_without_a_branch() {
        let invite = ServerKey::of(&request("INVITE", "SIP/2.0/UDP h", ""));
        assert_eq!(invite, ServerKey::of(&request("ACK", "SIP/2.0/UDP h", ";tag=t")));
        assert_ne!(invite, ServerKey::of(&request("INVITE", "SIP/2.0/UDP g", "")));
        assert_ne!(invite, ServerKey::of(&request("INVITE", "SIP/2.0/UDP h;branch=1", "")));
    }
}
