//! Names of callers: from headers to what handlers are told, and back to what peers are shown.

use crate::sip::Message;
use crate::sip::header::scan::List;
use crate::sip::uri::SipUri;
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

/// The caller of a trunk's call: asserted identity first (RFC 3325), then From; its name.
pub(super) fn trunk_caller(invite: &Message) -> (String, Option<String>) {
    let asserted = invite.header_by_name("P-Asserted-Identity").and_then(|value| {
        let address = crate::sip::header::NameAddr::parse(value.split(',').next()?)?;
        Some((number_of(address.uri())?, address.display_name().map(|name| name.into_owned())))
    });
    if let Some(found) = asserted {
        return found;
    }
    let Some(from) = invite.from() else { return ("anonymous".to_owned(), None) };
    let name = from.display_name().map(|name| name.into_owned());
    (number_of(from.uri()).unwrap_or_else(|| "anonymous".to_owned()), name)
}

/// Who diverted the call here: the first Diversion (RFC 5806 section 4).
pub(super) fn diverted_from(invite: &Message) -> Option<String> {
    let value = invite.header_by_name("Diversion")?;
    number_of(crate::sip::header::NameAddr::parse(value.split(',').next()?)?.uri())
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

/// The number of a URI in E.164, else its user part.
fn number_of(uri: &str) -> Option<String> {
    if uri.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("tel:")) {
        return normalise(uri.split(';').next()?);
    }
    let user = SipUri::parse(uri)?.user()?.into_owned();
    Some(normalise(&user).unwrap_or(user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhook_uris_lose_parameters_but_keep_users() {
        assert_eq!(plain_uri("sip:alice@example.com;transport=tcp"), "sip:alice@example.com");
        assert_eq!(plain_uri("sip:alice@example.com:5070?a=b"), "sip:alice@example.com:5070");
        assert_eq!(plain_uri("sip:+1555;x=1@example.com;ob"), "sip:+1555;x=1@example.com");
        assert_eq!(plain_uri("nonsense"), "nonsense");
    }
}
