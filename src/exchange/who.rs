//! Names of callers: from headers to what handlers are told, and back to what peers are shown.

use crate::sip::header::NameAddr;
use crate::sip::header::scan::List;
use crate::sip::uri::SipUri;
use crate::sip::{HeaderName, Message};
use crate::verb::normalise;

/// `sip:user@host` without parameters and headers: the To and From of webhooks.
pub(super) fn plain_uri(uri: &str) -> String {
    match SipUri::parse(uri) {
        Some(view) => {
            let end = uri.find([';', '?']).unwrap_or(uri.len());
            // A `;` inside the user part belongs to it (RFC 3261 section 19.1.1).
            let at = uri.rfind('@').map_or(0, |at| at + view.host().len());
            uri.get(..end.max(at + usize::from(at > 0)).min(uri.len())).unwrap_or(uri).to_owned()
        }
        None => uri.to_owned(),
    }
}

/// The same of a URI that is called: what makes it one device's stays (RFC 5627 section 4.3).
pub(super) fn called_uri(uri: &str) -> String {
    let device = SipUri::parse(uri).and_then(|view| view.params().get("gr"));
    match device {
        Some("") => format!("{};gr", plain_uri(uri)),
        Some(name) => format!("{};gr={name}", plain_uri(uri)),
        None => plain_uri(uri),
    }
}

/// The caller of a trunk's call: asserted identity first (RFC 3325), then From; its name.
pub(super) fn trunk_caller(invite: &Message) -> (String, Option<String>) {
    if is_private(invite) {
        return ("anonymous".to_owned(), None);
    }
    asserted(invite).unwrap_or_else(|| {
        let name = invite.from().and_then(|from| Some(from.display_name()?.into_owned()));
        ("anonymous".to_owned(), name)
    })
}

/// The same for a caller who wants privacy, which only those may know who are trusted with it.
pub(super) fn asserted(invite: &Message) -> Option<(String, Option<String>)> {
    let read = |address: NameAddr<'_>| {
        Some((number_of(address.uri())?, address.display_name().map(|name| name.into_owned())))
    };
    let asserted = invite.values(HeaderName::PAssertedIdentity).next();
    asserted.and_then(NameAddr::parse).and_then(read).or_else(|| read(invite.from()?))
}

/// Whether the caller asked not to be shown to the called (RFC 3323 section 4.2, RFC 3325
/// section 9.3): a trunk asserts the identity to us, and our handlers are the called's.
pub(super) fn is_private(invite: &Message) -> bool {
    let value = invite.header(HeaderName::Privacy).unwrap_or_default();
    value.split(';').any(|word| {
        let word = word.trim();
        ["id", "header", "user"].iter().any(|known| known.eq_ignore_ascii_case(word))
    })
}

/// Who diverted the call here: the first Diversion (RFC 5806 section 4), else the last but one
/// that History-Info names (RFC 7044 section 10.3).
pub(super) fn diverted_from(invite: &Message) -> Option<String> {
    let uri = |value| Some(number_of(NameAddr::parse(value)?.uri()));
    if let Some(diversion) = invite.values(HeaderName::Diversion).next() {
        return uri(diversion)?;
    }
    let history: Vec<&str> = invite.values(HeaderName::HistoryInfo).collect();
    let [.., before, _] = history[..] else { return None };
    uri(before)?
}

/// How often a call was forwarded, by what it brings along: an entry of History-Info for each place
/// where it was, the first one included (RFC 7044 section 5), or a Diversion for each time (RFC 5806).
pub(super) fn forwarded(invite: &Message) -> usize {
    let entries = |name: &str| {
        let fields = invite.all_headers().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| List::new(value).count()).sum::<usize>()
    };
    entries("Diversion").max(entries("History-Info").saturating_sub(1))
}

/// The number of an address, likewise.
pub(super) fn number_at(value: &str) -> Option<String> {
    number_of(NameAddr::parse(value)?.uri())
}

/// The number of a URI in E.164, else its user part.
pub(super) fn number_of(uri: &str) -> Option<String> {
    if uri.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("tel:")) {
        return normalise(uri.split(';').next()?);
    }
    let user = SipUri::parse(uri)?.user()?.into_owned();
    let number = subscriber(&user);
    Some(normalise(number).unwrap_or_else(|| number.to_owned()))
}

/// The number of a user part that is one, without what carriers write behind it: `;verstat=…`,
/// `;npdi` (RFC 3261 section 19.1.6). A name may hold a semicolon.
pub(super) fn subscriber(user: &str) -> &str {
    let number = user.split(';').next().unwrap_or_default();
    let digits = number.strip_prefix('+').unwrap_or(number);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { number } else { user }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite(headers: &str) -> Message {
        let text = format!(
            "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             From: <sip:+15551234567@b>;tag=f\r\nTo: <sip:b@c>\r\nCall-ID: i\r\nCSeq: 1 INVITE\r\n\
             {headers}Contact: <sip:a@h>\r\nContent-Length: 0\r\n\r\n"
        );
        match crate::sip::Message::parse(text.into()) {
            crate::sip::Parsed::Valid(message) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_caller_who_wants_privacy_has_it() {
        let asserted = "P-Asserted-Identity: \"Ann\" <sip:+15557654321@carrier>\r\n";
        let shown = trunk_caller(&invite(asserted));
        assert_eq!(shown, ("+15557654321".to_owned(), Some("Ann".to_owned())));
        let hidden = invite(&format!("{asserted}Privacy: none;id\r\n"));
        assert_eq!(trunk_caller(&hidden), ("anonymous".to_owned(), None));
        let open = invite(&format!("{asserted}Privacy: none\r\n"));
        assert_eq!(trunk_caller(&open).0, "+15557654321");
    }

    #[test]
    fn who_diverted_a_call_is_told_by_either_header() {
        let diversion = "Diversion: <sip:+15550000001@h>;reason=no-answer, <tel:+15550000002>\r\n";
        assert_eq!(diverted_from(&invite(diversion)).as_deref(), Some("+15550000001"));
        let history = "History-Info: <sip:+15550000003@h>;index=1, \
                       <sip:b@h;cause=302>;index=1.1;mp=1\r\n";
        assert_eq!(diverted_from(&invite(history)).as_deref(), Some("+15550000003"));
        assert_eq!(diverted_from(&invite("History-Info: <sip:b@h>;index=1\r\n")), None);
        assert_eq!(diverted_from(&invite("")), None);
    }

    #[test]
    fn a_number_loses_its_parameters_and_a_name_keeps_them() {
        let of = |uri| number_of(uri).unwrap_or_default();
        assert_eq!(of("sip:+15550001111;verstat=TN-Validation-Passed@h"), "+15550001111");
        assert_eq!(of("sip:100;phone-context=office@h"), "100");
        assert_eq!(of("tel:+15550001111;npdi"), "+15550001111");
        assert_eq!(of("sip:ann;x@h"), "ann;x");
    }

    #[test]
    fn webhook_uris_lose_parameters_but_keep_users() {
        assert_eq!(plain_uri("sip:alice@example.com;transport=tcp"), "sip:alice@example.com");
        assert_eq!(plain_uri("sip:alice@example.com:5070?a=b"), "sip:alice@example.com:5070");
        assert_eq!(plain_uri("sip:+1555;x=1@example.com;ob"), "sip:+1555;x=1@example.com");
        assert_eq!(plain_uri("nonsense"), "nonsense");
    }
}
