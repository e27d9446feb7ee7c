//! `[[trunk]]`: a way to and from the telephone network.

use super::limits::caps;
use super::parts::{Span, networks, required};
use super::reader::{Reader, Source};
use super::sip::file;
use super::*;
use crate::directory::{Caps, TrunkTls};
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
    let transport = uri.as_deref().and_then(|uri| transport(source, table.span(), uri));
    let name_or_host = table.text(source, "tls_name").map(|(text, _)| text).or_else(|| {
        let uri = SipUri::parse(uri.as_deref()?)?;
        Some(uri.host().to_ascii_lowercase())
    });
    let identity = identity(source, &mut table);
    let client_name = table.text(source, "client_name").map(|(text, _)| text);
    let secure = transport == Some(Transport::Tls);
    if !secure && identity.is_some() {
        source.error(table.span(), "tls_certificate: the uri wants sips: or ;transport=tls");
    }
    let tls = name_or_host.filter(|_| secure).map(|name| TrunkTls { name, identity });
    let realm = table.text(source, "realm").map(|(text, _)| text);
    let caps = caps(source, &mut table, Caps::TRUNK);
    if username.is_some() != password.is_some() {
        let advice = "a login wants both username and password; a trunk without one wants neither";
        source.error(table.span(), advice);
    }
    table.finish(source);
    Some(Trunk {
        name: name?,
        uri: uri?,
        addresses: vec![],
        tcp: transport == Some(Transport::Tcp),
        tls,
        client_name,
        login: username.zip(password),
        realm,
        inbound_ips,
        prefixes: prefixes.into_iter().map(|(prefix, _)| prefix).collect(),
        caps,
    })
}

/// The certificate that a trunk is shown, if it is to be shown one.
fn identity(source: &mut Source<'_>, table: &mut Reader<'_>) -> Option<KeyPair> {
    let folder = source.folder;
    let certificate = file(source, table, "tls_certificate", folder);
    let key = file(source, table, "tls_key", folder);
    if certificate.is_some() != key.is_some() {
        source.error(table.span(), "tls_certificate and tls_key belong together");
    }
    Some(KeyPair { certificate: certificate?, key: key? })
}

/// The transport of a trunk's URI; datagrams where it says nothing.
fn transport(source: &mut Source<'_>, span: Span, uri: &str) -> Option<Transport> {
    let parsed = SipUri::parse(uri)
        .filter(|uri| !uri.host().is_empty() && matches!(uri.scheme(), Scheme::Sip | Scheme::Sips));
    let Some(parsed) = parsed else {
        source.error(span, "uri: expected sip:HOST, sips:HOST or sip:HOST:PORT");
        return None;
    };
    match Transport::of_uri(&parsed) {
        Ok(found) if !found.is_some_and(Transport::is_websocket) => {
            Some(found.unwrap_or(Transport::Udp))
        }
        _ => {
            source.error(span, "uri: a trunk is reached by transport=udp, tcp or tls");
            None
        }
    }
}
