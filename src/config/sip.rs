//! `[sip]` and `[tls]`: where to listen, how to reach back, whom to believe.

use super::pair::{check_authorities, check_pair};
use super::parts::{Span, parsed};
use super::reader::{Reader, Source};
use super::*;
use crate::sip::Shards;

pub(super) fn sip(source: &mut Source<'_>, mut table: Reader<'_>) -> Sip {
    let listen: Vec<(Transport, SocketAddr)> = match table.texts(source, "listen") {
        Some(texts) => {
            if texts.is_empty() {
                let wanted = "listen: expected at least one, such as udp:127.0.0.1:5060";
                source.error(table.at("listen"), wanted);
            }
            texts.into_iter().filter_map(|(text, span)| listener(source, &text, span)).collect()
        }
        None => {
            let local = SocketAddr::from(([127, 0, 0, 1], 5060));
            vec![(Transport::Udp, local), (Transport::Tcp, local)]
        }
    };
    let public_address = table.text(source, "public_address").and_then(|(text, span)| {
        parsed(source, &text, span, "public_address: expected an IP address")
    });
    let digest = match table.texts(source, "digest") {
        Some(texts) if texts.is_empty() => {
            source.error(table.at("digest"), "digest: offer at least one, or leave it out");
            vec![]
        }
        Some(texts) => {
            texts.iter().filter_map(|(text, span)| digest(source, text, span.clone())).collect()
        }
        None => Challenger::OFFERS.to_vec(),
    };
    let mut sip = Sip { listen, public_address, digest, ..Sip::default() };
    if let Some(force) = table.flag(source, "force_rport") {
        sip.force_rport = force;
    }
    if let Some(seconds) = table.number(source, "flow_timer") {
        match u32::try_from(seconds) {
            Ok(seconds) if seconds == 0 || (30..=3600).contains(&seconds) => {
                sip.flow_timer = seconds;
            }
            _ => source
                .error(table.at("flow_timer"), "flow_timer: expected 30 to 3600 seconds, or 0"),
        }
    }
    if let Some(seconds) = table.number(source, "nat_ping") {
        match u32::try_from(seconds) {
            Ok(seconds) if seconds == 0 || (5..=600).contains(&seconds) => sip.nat_ping = seconds,
            _ => source.error(table.at("nat_ping"), "nat_ping: expected 5 to 600 seconds, or 0"),
        }
    }
    if let Some(most) = table.number(source, "connections_per_source") {
        match usize::try_from(most) {
            Ok(most) if most > 0 => sip.connections_per_source = most,
            _ => source.error(
                table.at("connections_per_source"),
                "connections_per_source: expected 1 or more",
            ),
        }
    }
    for (origin, span) in table.texts(source, "origins").unwrap_or_default() {
        match origin.starts_with("https://") || origin.starts_with("http://") {
            true => sip.origins.push(origin.trim_end_matches('/').to_ascii_lowercase()),
            false => source.error(span, "origins: expected https://HOST or http://HOST:PORT"),
        }
    }
    if let Some(count) = table.number(source, "shards") {
        match u8::try_from(count) {
            Ok(count) if count <= Shards::MAX => sip.shards = count,
            _ => {
                source.error(table.at("shards"), "shards: expected 1 to 16, or 0 for one each core")
            }
        }
    }
    sip.session_timers = super::calls::session_timers(source, &mut table);
    let limits = table.table(source, "limits");
    sip.limits = super::limits::limits(source, limits);
    table.finish(source);
    sip
}

fn digest(source: &mut Source<'_>, name: &str, span: Span) -> Option<Algorithm> {
    let known = Challenger::OFFERS.into_iter().find(|known| known.name() == name);
    if known.is_none() {
        source.error(span, "digest: expected \"SHA-256\" or \"MD5\"");
    }
    known
}

fn listener(source: &mut Source<'_>, text: &str, span: Span) -> Option<(Transport, SocketAddr)> {
    let wanted = "listen: expected udp:, tcp:, tls:, ws: or wss: before ADDRESS:PORT";
    let split = text.split_once(':');
    let Some((transport, address)) =
        split.and_then(|(name, rest)| Some((Transport::of_name(name)?, rest)))
    else {
        source.error(span, wanted);
        return None;
    };
    parsed(source, address, span, wanted).map(|address| (transport, address))
}

/// `[tls]`: who we are, and whom we believe.
pub(super) fn tls(source: &mut Source<'_>, mut table: Reader<'_>, project: &Path) -> Tls {
    let mut tls = Tls { system_roots: true, ..Tls::default() };
    for mut pair in table.tables(source, "certificates") {
        let certificate = file(source, &mut pair, "certificate", project);
        let key = file(source, &mut pair, "key", project);
        match (certificate, key) {
            (Some(certificate), Some(key)) => {
                check_pair(source, &pair, ("certificate", &certificate), ("key", &key));
                tls.certificates.push(KeyPair { certificate, key });
            }
            _ => source
                .error(pair.at("certificates"), "certificates: each wants `certificate` and `key`"),
        }
        pair.finish(source);
    }
    tls.ca = files(source, &mut table, "ca", project);
    check_authorities(source, &table, "ca", &tls.ca);
    if let Some(system_roots) = table.flag(source, "system_roots") {
        tls.system_roots = system_roots;
    }
    tls.client_ca = files(source, &mut table, "client_ca", project);
    check_authorities(source, &table, "client_ca", &tls.client_ca);
    if let Some((text, span)) = table.text(source, "client_certificates") {
        match ClientCertificates::of_name(&text) {
            Some(wish) => tls.client_certificates = wish,
            None => source.error(
                span,
                "client_certificates: expected \"none\", \"optional\" or \"required\"",
            ),
        }
    }
    if tls.client_certificates != ClientCertificates::None && tls.client_ca.is_empty() {
        source.error(
            table.at("client_certificates"),
            "client_certificates: set `client_ca` to those who sign them",
        );
    }
    table.finish(source);
    tls
}

/// A file that must be there; relative paths start from the project folder.
pub(super) fn file(
    source: &mut Source<'_>,
    table: &mut Reader<'_>,
    key: &'static str,
    project: &Path,
) -> Option<PathBuf> {
    let (text, span) = table.text(source, key)?;
    Some(existing(source, key, project.join(text), span))
}

pub(super) fn files(
    source: &mut Source<'_>,
    table: &mut Reader<'_>,
    key: &'static str,
    project: &Path,
) -> Vec<PathBuf> {
    let texts = table.texts(source, key).unwrap_or_default();
    texts.into_iter().map(|(text, span)| existing(source, key, project.join(text), span)).collect()
}

fn existing(source: &mut Source<'_>, key: &str, path: PathBuf, span: Span) -> PathBuf {
    if let Err(error) = std::fs::metadata(&path) {
        source.error(span, format!("{key}: cannot read {}: {error}", path.display()));
    }
    path
}

/// Listeners for TLS want a certificate.
pub(super) fn check_listeners(source: &mut Source<'_>, root: &Reader<'_>, sip: &Sip, tls: &Tls) {
    let secure = sip.listen.iter().find(|(transport, _)| transport.is_secure());
    if let Some((transport, address)) = secure
        && tls.certificates.is_empty()
    {
        let (name, table) = (transport.name(), "[tls] certificates");
        let text = format!("listen: {name}:{address} wants a certificate: set {table}");
        let at = source.text.find(&format!("\"{name}:")).map(|at| at..at + 1);
        source.error(at.or(root.span()), text);
    }
}

/// Trunks that prove their name must be asked to.
pub(super) fn check_trunks(source: &mut Source<'_>, config: &Config) {
    let proves = config.trunks.iter().find(|trunk| trunk.client_name.is_some());
    if let Some(trunk) = proves
        && config.tls.client_certificates == ClientCertificates::None
    {
        let at = source.text.find("client_name").map(|at| at..at + 1);
        let advice = "set [tls] client_certificates to \"optional\" or \"required\"";
        source.error(at, format!("trunk {}: client_name: {advice}", trunk.name));
    }
}

/// Whoever is reached over TLS reaches us over TLS: a server that does not listen for it can only
/// be spoken to on connections of its own making.
pub(super) fn check_servers(source: &mut Source<'_>, sip: &Sip) {
    let listens = sip.listen.iter().any(|(transport, _)| *transport == Transport::Tls);
    for (message, span) in std::mem::take(&mut source.tls_servers).into_iter().filter(|_| !listens)
    {
        let advice = "add \"tls:ADDRESS:5061\" there and a pair to [tls] certificates";
        let lack = "over TLS, but [sip] listen has no tls: listener for what comes back";
        source.warning(span, format!("{message}: {lack}; {advice}"));
    }
}
