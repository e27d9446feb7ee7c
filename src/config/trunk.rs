//! `[[trunk]]`: a way to and from the telephone network.

use super::limits::caps;
use super::parts::{Span, networks, required};
use super::reader::{Reader, Source};
use super::*;
use crate::directory::Caps;
use crate::sip::uri::{Scheme, SipUri};

pub(super) fn trunk(source: &mut Source<'_>, mut table: Reader<'_>) -> Option<Trunk> {
    let name = required(source, &mut table, "name");
    let uri = required(source, &mut table, "uri");
    let username = table.text(source, "username").map(|(text, _)| text);
    let password = table.secret(source, "password");
    if table.flag(source, "register") == Some(true) {
        source.error(
            table.span(),
            "register: trunks that register are not supported yet; set it to false",
        );
    }
    let prefixes = table.texts(source, "prefixes").unwrap_or_default();
    for (prefix, span) in &prefixes {
        if !prefix.strip_prefix('+').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit())) {
            source
                .error(span.clone(), format!("prefixes: expected + and digits, not \"{prefix}\""));
        }
    }
    let inbound_ips = networks(source, &mut table, "inbound_ips");
    let realm = table.text(source, "realm").map(|(text, _)| text);
    let caps = caps(source, &mut table, Caps::TRUNK);
    let tcp = uri.as_deref().is_some_and(|uri| trunk_takes_tcp(source, table.span(), uri));
    if username.is_some() != password.is_some() {
        let advice = "a login wants both username and password; a trunk without one wants neither";
        source.error(table.span(), advice);
    }
    table.finish(source);
    Some(Trunk {
        name: name?,
        uri: uri?,
        addresses: vec![],
        tcp,
        login: username.zip(password),
        realm,
        inbound_ips,
        prefixes: prefixes.into_iter().map(|(prefix, _)| prefix).collect(),
        caps,
    })
}

/// Whether a trunk's URI says TCP. One that wants TLS must not go out in the clear.
fn trunk_takes_tcp(source: &mut Source<'_>, span: Span, uri: &str) -> bool {
    let parsed = SipUri::parse(uri).filter(|uri| !uri.host().is_empty());
    let transport = parsed.and_then(|uri| uri.transport()).map(str::to_ascii_lowercase);
    match (parsed.map(|uri| uri.scheme()), transport.as_deref()) {
        (Some(Scheme::Sip), None | Some("udp")) => return false,
        (Some(Scheme::Sip), Some("tcp")) => return true,
        (Some(Scheme::Sip | Scheme::Sips), _) => {
            source.error(span, "uri: only sip: over udp and tcp is supported yet");
        }
        _ => source.error(span, "uri: expected sip:HOST or sip:HOST:PORT"),
    }
    false
}
