//! The requests that the user agent writes.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;

use super::{ALLOW, SUPPORTED, UserAgent};
use crate::sip::dialog::{Order, Remote, Usage};
use crate::sip::header::Via;
use crate::sip::write::Builder;
use crate::sip::{Flow, HeaderField, HeaderName, Message};

/// All that a request is made of, but for what is the same in each.
pub(super) struct Draft<'a> {
    pub method: &'a str,
    pub uri: &'a str,
    pub routes: &'a [String],
    pub from: &'a str,
    pub to: &'a str,
    pub call_id: &'a str,
    pub cseq: u32,
    pub max_forwards: u8,
    pub flow: Flow,
}

/// Our side of a dialog, as far as a request needs it.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub from: &'a str,
    pub call_id: &'a str,
    pub cseq: u32,
    pub flow: Flow,
}

impl<'a> From<&'a Usage> for Side<'a> {
    fn from(usage: &'a Usage) -> Side<'a> {
        let Usage { local, call_id, cseq, flow, .. } = usage;
        Side { from: local, call_id, cseq: *cseq, flow: *flow }
    }
}

impl UserAgent {
    /// The request as far as its headers go that every request has, and its branch.
    pub(super) fn draft(&mut self, draft: &Draft<'_>) -> (String, Builder) {
        let branch = self.branch(draft.uri);
        let listener = self.config.listener(draft.flow);
        let transport = listener.transport.via_name();
        let via = format!("SIP/2.0/{transport} {};branch={branch};rport", listener.host_port());
        let mut builder = Builder::request(draft.method, draft.uri)
            .header("Via", &via)
            .header("Max-Forwards", &draft.max_forwards.to_string());
        for route in draft.routes {
            builder = builder.header("Route", route);
        }
        builder = builder
            .header("From", draft.from)
            .header("To", draft.to)
            .header("Call-ID", draft.call_id)
            .header("CSeq", &format!("{} {}", draft.cseq, draft.method));
        // Requests that may move our target carry it (RFC 3261 section 12.2, RFC 3311).
        if matches!(draft.method, "INVITE" | "UPDATE") {
            builder = builder
                .header("Contact", &listener.contact_towards(draft.uri))
                .header("Allow", ALLOW)
                .header("Supported", &SUPPORTED.join(", "));
        }
        (branch, builder.header("User-Agent", &self.config.user_agent_name))
    }

    /// A request in a dialog: its branch, where it goes, and its bytes.
    pub(super) fn write_order(
        &mut self,
        side: Side<'_>,
        remote: &Remote,
        order: &Order,
        session: &[HeaderField],
    ) -> (String, Flow, Bytes) {
        let (uri, routes) = remote.routes.apply(&remote.target);
        let flow = self.hop(remote, side.flow);
        let (branch, builder) = self.draft(&Draft {
            method: order.method,
            uri: &uri,
            routes: &routes,
            from: side.from,
            to: &remote.header,
            call_id: side.call_id,
            cseq: side.cseq,
            max_forwards: 70,
            flow,
        });
        // They make or refresh a target (RFC 3515 section 2.2, RFC 6665 section 4.1.2.1).
        let builder = match order.method {
            "REFER" | "NOTIFY" | "SUBSCRIBE" => {
                builder.header("Contact", &self.config.listener(flow).contact_towards(&uri))
            }
            _ => builder,
        };
        let builder = extend(builder, order.credentials.fields());
        let builder = extend(extend(builder, session), &order.headers);
        let bytes = match &order.body {
            Some(body) => builder.body(&body.content_type, body.bytes.clone()).build(),
            None => builder.build(),
        };
        (branch, flow, bytes)
    }

    /// The ACK of a 2xx: a request of its own, with the CSeq number and the credentials of its
    /// INVITE (RFC 3261 sections 13.2.2.4 and 22.1).
    pub(super) fn write_ack(
        &mut self,
        side: Side<'_>,
        remote: &Remote,
        credentials: &[HeaderField],
    ) -> (Flow, Bytes) {
        let (uri, routes) = remote.routes.apply(&remote.target);
        let flow = self.hop(remote, side.flow);
        let (_, builder) = self.draft(&Draft {
            method: "ACK",
            uri: &uri,
            routes: &routes,
            from: side.from,
            to: &remote.header,
            call_id: side.call_id,
            cseq: side.cseq,
            max_forwards: 70,
            flow,
        });
        // They are a hash of the password, for whoever asked for it and for nobody else.
        let own = flow.remote.ip() == side.flow.remote.ip();
        (flow, extend(builder, if own { credentials } else { &[] }).build())
    }

    /// A branch that nobody guesses. It carries our cookie and the Request-URI's hash, so that
    /// the very request is known when a loop brings it back.
    fn branch(&mut self, uri: &str) -> String {
        let unique = self.config.shards.sign(self.rng.hex(16));
        format!("z9hG4bK{}{:016x}{unique}", self.cookie, hash(&[&self.cookie, uri]))
    }

    /// Whether a request is one of ours that came back with its Request-URI unchanged: a loop
    /// (RFC 3261 section 16.3). One with another URI is a spiral, which Max-Forwards bounds.
    pub(super) fn is_loop(&self, message: &Message) -> bool {
        let uri = message.request_uri();
        let ours = format!("z9hG4bK{}{:016x}", self.cookie, hash(&[&self.cookie, uri]));
        message.values(HeaderName::Via).any(|via| {
            let via = Via::parse(via);
            via.and_then(|via| via.branch()).is_some_and(|branch| branch.starts_with(&ours))
        })
    }

    /// The To tag of responses that leave nothing behind: the same for each repeat of a request,
    /// another for each request (RFC 3261 section 8.2.7).
    pub(super) fn stateless_tag(&self, message: &Message) -> String {
        let from = message.from().and_then(|from| from.tag()).unwrap_or_default().to_owned();
        let branch = message.via().and_then(|via| via.branch()).unwrap_or_default().to_owned();
        let tag = format!("{:016x}", hash(&[&self.cookie, message.call_id(), &from, &branch]));
        self.config.shards.sign(tag)
    }
}

/// Adds headers, but none that the user agent writes itself.
pub(super) fn extend(mut builder: Builder, fields: &[HeaderField]) -> Builder {
    for (name, value) in fields {
        let ours = OURS.contains(&HeaderName::from_bytes(name.as_bytes()));
        if !ours {
            builder = builder.header(name, value);
        }
    }
    builder
}

/// A second one of these would make the message ambiguous.
const OURS: [HeaderName; 10] = [
    HeaderName::Via,
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::MaxForwards,
    HeaderName::Route,
    HeaderName::Contact,
    HeaderName::ContentLength,
    HeaderName::ContentType,
];

/// A keyed hash, when the first part is secret.
pub(super) fn hash(parts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}
