//! Session descriptions in messages: found, written, and judged before anybody acts on them.

use std::net::Ipv4Addr;

use super::sound::CODECS_OFFERED;
use super::*;

/// What forbids a request because of its body: a kind that we do not read (RFC 3261 section
/// 8.2.3), or an offer without anything for us (section 21.4.26). Status, headers, and why.
pub fn objection(request: &Message) -> Option<(u16, Vec<HeaderField>, String)> {
    let Some(offer) = sdp_of(request) else {
        return has_foreign_body(request).then(|| {
            let kind = request.content_type().unwrap_or("of no type");
            let accept = ("Accept".to_owned(), "application/sdp".to_owned());
            (415, vec![accept], format!("the body is {kind:?}, not application/sdp"))
        });
    };
    // Where and as whom we would answer does not matter for whether we could.
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9));
    let mut draft = LocalDescription::new(0);
    let refusal = sdp::answer(&offer, nowhere, &CODECS_OFFERED, &mut draft).err()?;
    let warning = ("Warning".to_owned(), format!("399 offhook \"{refusal}\""));
    Some((refusal.status(), vec![warning], refusal.to_string()))
}

/// A body that is no session description and that its sender wants understood.
fn has_foreign_body(request: &Message) -> bool {
    let disposition = request.header_by_name("Content-Disposition").unwrap_or_default();
    let optional = disposition.to_ascii_lowercase().contains("handling=optional");
    !request.body().is_empty() && sdp_of(request).is_none() && !optional
}

/// A body of session description.
pub(super) fn sdp_body(description: Vec<u8>) -> Option<Body> {
    Some(Body { content_type: "application/sdp".to_owned(), bytes: Bytes::from(description) })
}

/// The session description that a message carries, if it carries one.
pub(super) fn sdp_of(message: &Message) -> Option<Bytes> {
    let body = message.body();
    let is_sdp = message.content_type().is_some_and(|t| {
        // Blanks may stand around the slash (RFC 3261 section 25.1: SLASH).
        let kind = t.split(';').next().and_then(|kind| kind.split_once('/'));
        kind.is_some_and(|(kind, own)| {
            kind.trim().eq_ignore_ascii_case("application")
                && own.trim().eq_ignore_ascii_case("sdp")
        })
    });
    (is_sdp && !body.is_empty()).then_some(body)
}
