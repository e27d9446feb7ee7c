//! The two requests that are made from an INVITE: its CANCEL and the ACK of its failure.

use bytes::Bytes;

use crate::sip::write::Builder;
use crate::sip::{HeaderName, Message, Parsed};

/// The ACK of a failure: same URI, top Via, Route and From as the INVITE, and the To of the
/// response (RFC 3261 section 17.1.1.3).
pub fn ack(invite: &Bytes, response: &Message) -> Option<Bytes> {
    let invite = own(invite)?;
    let to = response.header(HeaderName::To)?;
    Some(derived("ACK", &invite, to)?.build())
}

/// The CANCEL of an INVITE: all as in the INVITE, the To without a tag too (RFC 3261
/// section 9.1), so that it takes the same way and finds the same transaction.
pub fn cancel(invite: &Bytes, headers: &[(String, String)]) -> Option<Bytes> {
    let invite = own(invite)?;
    let to = invite.header(HeaderName::To)?;
    let fields = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Some(derived("CANCEL", &invite, to)?.headers(fields).build())
}

fn derived(method: &str, invite: &Message, to: &str) -> Option<Builder> {
    let number = invite.cseq()?.number;
    let mut builder = Builder::request(method, invite.request_uri())
        .header("Via", invite.values(HeaderName::Via).next()?)
        .header("Max-Forwards", "70");
    for route in invite.values(HeaderName::Route) {
        builder = builder.header("Route", route);
    }
    Some(
        builder
            .header("From", invite.header(HeaderName::From)?)
            .header("To", to)
            .header("Call-ID", invite.call_id())
            .header("CSeq", &format!("{number} {method}")),
    )
}

/// What we wrote ourselves is read back rather than kept twice: both requests are rare.
fn own(bytes: &Bytes) -> Option<Message> {
    match Message::parse(bytes.clone()) {
        Parsed::Valid(message) => Some(message),
        _ => None,
    }
}
