//! `[[trunk]]`: a way to and from the telephone network. `[[line]]`: a user's account elsewhere.

use super::calls::{early_media, session_timers};
use super::limits::caps;
use super::pair::check_pair;
use super::parts::{Span, networks, required, voice};
use super::reader::{Reader, Source};
use super::sip::file;
use super::stir::{callers, check_headers, signatures};
use super::*;
use crate::audio::codec::Codec;
use crate::base::Duration;
use crate::directory::{NumberFormat, NumberStyle, Ping, Registration};
use crate::sip::HeaderName;
use crate::sip::uri::{Scheme, SipUri, escape_user};

/// Seconds for which a registration is asked; carriers grant between a minute and an hour.
const EXPIRES: u32 = 600;

pub(super) fn trunk(source: &mut Source<'_>, mut table: Reader<'_>) -> Option<Trunk> {
    let name = required(source, &mut table, "name");
    let uri = required(source, &mut table, "uri");
    let secure_enough = uri.as_deref().is_none_or(|uri| place(source, table.at("uri"), "uri", uri));
    let username = table.text(source, "username").map(|(text, _)| text);
    let auth_name = table.text(source, "auth_name").map(|(text, _)| text);
    let password = table.secret(source, "password");
    let register = table.flag(source, "register") == Some(true);
    let expires = expires(source, &mut table);
    let keep_alive = keep_alive(source, &mut table, 0);
    let inbound_ips = networks(source, &mut table, "inbound_ips");
    let client_name = table.text(source, "client_name").map(|(text, _)| text);
    let prefixes = prefixes(source, &mut table);
    // One that is written but cannot be had was told of already.
    if username.is_some() != table.item("password").is_some() {
        let advice = "a login wants both username and password; a trunk without one wants neither";
        source.error(table.span(), advice);
    }
    if register && username.is_none() {
        source.error(table.at("register"), "register: to register wants username and password");
    }
    let registration = username.clone().filter(|_| register).map(|user| Registration {
        user: escape_user(&user).into_owned(),
        expires,
        keep_alive,
    });
    let settings = common(source, &mut table, Trunk::new("", uri.as_deref().unwrap_or_default()));
    let callers = signatures(source, &mut table, settings.callers.clone());
    let (priority, weight) =
        (small(source, &mut table, "priority", 0), small(source, &mut table, "weight", 1));
    table.finish(source);
    Some(Trunk {
        name: name?,
        uri: uri.filter(|_| secure_enough)?,
        login: auth_name.or(username).zip(password),
        client_name,
        inbound_ips,
        prefixes,
        registration,
        priority,
        weight,
        callers,
        ..settings
    })
}

pub(super) fn line(source: &mut Source<'_>, mut table: Reader<'_>) -> Option<Line> {
    let name = required(source, &mut table, "name");
    let user = required(source, &mut table, "user");
    if let Some(user) = &user
        && !user.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
    {
        source
            .error(table.at("user"), format!("user: expected user@domain of ours, not \"{user}\""));
    }
    let domain = required(source, &mut table, "domain");
    let port = table.number(source, "port");
    let transport = table.text(source, "transport").map(|(text, _)| text);
    let uri = domain.map(|domain| {
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        let transport = transport.map_or_else(String::new, |name| format!(";transport={name}"));
        format!("sip:{domain}{port}{transport}")
    });
    let sound = uri.as_deref().is_none_or(|uri| place(source, table.at("domain"), "domain", uri));
    let login = required(source, &mut table, "login");
    let auth_name = table.text(source, "auth_name").map(|(text, _)| text);
    let password = table.secret(source, "password");
    if table.item("password").is_none() {
        source.error(table.span(), "\"password\" is missing here");
    }
    let expires = expires(source, &mut table);
    // Lines are what stands at home, behind a NAT.
    let keep_alive = keep_alive(source, &mut table, 25);
    let prefixes = match table.item("prefixes") {
        // The account is the user's own: whatever its owner may dial.
        None => vec!["+".to_owned()],
        Some(_) => prefixes(source, &mut table),
    };
    let number = table.text(source, "number").map(|(text, _)| text).unwrap_or_default();
    let voice = voice(source, &mut table);
    let settings = common(source, &mut table, Trunk::new("", uri.as_deref().unwrap_or_default()));
    table.finish(source);
    let login = login?;
    let registration =
        Some(Registration { user: escape_user(&login).into_owned(), expires, keep_alive });
    let account = Trunk {
        name: name?,
        uri: uri.filter(|_| sound)?,
        login: Some((auth_name.unwrap_or(login), password?)),
        prefixes,
        registration,
        ..settings
    };
    Some(Line { user: lower_domain(&user?), number, voice, account })
}

/// `user@Domain` with its domain as the directory spells it.
fn lower_domain(user: &str) -> String {
    match user.rsplit_once('@') {
        Some((user, domain)) => format!("{user}@{}", domain.to_ascii_lowercase()),
        None => user.to_owned(),
    }
}

/// The keys that trunks and lines share.
fn common(source: &mut Source<'_>, table: &mut Reader<'_>, start: Trunk) -> Trunk {
    let proxy = table.text(source, "proxy").map(|(text, span)| (proxy_uri(&text), span));
    let proxy = proxy.and_then(|(uri, span)| place(source, span, "proxy", &uri).then_some(uri));
    let realm = table.text(source, "realm").map(|(text, _)| text);
    let from_domain = table.text(source, "from_domain").map(|(text, _)| text);
    let answer_within = match table.number(source, "answer_within") {
        None => start.answer_within,
        Some(seconds @ 1..=32) => Duration::from_secs(seconds.unsigned_abs()),
        Some(_) => {
            source.error(table.at("answer_within"), "answer_within: expected 1 to 32 seconds");
            start.answer_within
        }
    };
    let channels = table.number(source, "channels").and_then(|channels| {
        let read = u32::try_from(channels).ok();
        if read.is_none() {
            source.error(table.at("channels"), "channels: expected how many calls at one time");
        }
        read
    });
    let tls_name = table.text(source, "tls_name").map(|(text, _)| text.to_ascii_lowercase());
    let identity = identity(source, table, proxy.as_deref().unwrap_or(&start.uri));
    let trunk = Trunk {
        proxy,
        tls_name,
        identity,
        realm,
        from_domain,
        answer_within,
        channels,
        caps: caps(source, table, start.caps),
        ping: ping(source, table),
        codecs: codecs(source, table),
        headers: headers(source, table),
        callers: callers(source, table),
        numbers: numbers(source, table),
        session_timers: session_timers(source, table),
        early_media: early_media(source, table),
        nat: table.flag(source, "nat").unwrap_or(false),
        ..start
    };
    check_headers(source, table, &trunk);
    trunk
}

/// A proxy is written as a URI or as a host alone.
fn proxy_uri(text: &str) -> String {
    match SipUri::parse(text) {
        Some(uri) if uri.scheme() != Scheme::Other => text.to_owned(),
        _ => format!("sip:{text}"),
    }
}

/// The certificate that a server is shown, if it is to be shown one.
fn identity(source: &mut Source<'_>, table: &mut Reader<'_>, uri: &str) -> Option<KeyPair> {
    let folder = source.folder;
    let certificate = file(source, table, "tls_certificate", folder);
    let key = file(source, table, "tls_key", folder);
    if certificate.is_some() != key.is_some() {
        source.error(table.at("tls_certificate"), "tls_certificate and tls_key belong together");
    }
    let pair = KeyPair { certificate: certificate?, key: key? };
    let shown = ("tls_certificate", pair.certificate.as_path());
    check_pair(source, table, shown, ("tls_key", &pair.key));
    let asked = SipUri::parse(uri).map(|uri| Transport::of_uri(&uri));
    if asked != Some(Ok(Some(Transport::Tls))) {
        source.error(
            table.at("tls_certificate"),
            "tls_certificate: the uri wants sips: or ;transport=tls",
        );
    }
    Some(pair)
}

/// Whether a URI names a place that we can reach. One that wants TLS never goes out in the clear.
fn place(source: &mut Source<'_>, span: Span, key: &str, uri: &str) -> bool {
    let parsed = SipUri::parse(uri)
        .filter(|uri| !uri.host().is_empty() && matches!(uri.scheme(), Scheme::Sip | Scheme::Sips));
    match parsed.map(|uri| Transport::of_uri(&uri)) {
        Some(Ok(asked)) if !asked.is_some_and(Transport::is_websocket) => {
            if asked == Some(Transport::Tls) {
                source.tls_servers.push((key.to_owned(), span));
            }
            return true;
        }
        Some(_) => {
            source.error(span, format!("{key}: servers are reached by transport=udp, tcp or tls"));
        }
        None => {
            source.error(span, format!("{key}: expected sip:HOST, sips:HOST or sip:HOST:PORT"));
        }
    }
    false
}

fn expires(source: &mut Source<'_>, table: &mut Reader<'_>) -> u32 {
    match table.number(source, "expires") {
        None => EXPIRES,
        Some(seconds @ 60..=86_400) => u32::try_from(seconds).unwrap_or(EXPIRES),
        Some(_) => {
            source.error(table.at("expires"), "expires: expected 60 to 86400 seconds");
            EXPIRES
        }
    }
}

fn keep_alive(source: &mut Source<'_>, table: &mut Reader<'_>, usual: u16) -> Option<Duration> {
    let seconds = small(source, table, "keep_alive", usual);
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}

fn prefixes(source: &mut Source<'_>, table: &mut Reader<'_>) -> Vec<String> {
    let prefixes = table.texts(source, "prefixes").unwrap_or_default();
    for (prefix, span) in &prefixes {
        if !prefix.strip_prefix('+').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit())) {
            source
                .error(span.clone(), format!("prefixes: expected + and digits, not \"{prefix}\""));
        }
    }
    prefixes.into_iter().map(|(prefix, _)| prefix).collect()
}

fn small(source: &mut Source<'_>, table: &mut Reader<'_>, key: &'static str, usual: u16) -> u16 {
    let Some(number) = table.number(source, key) else { return usual };
    u16::try_from(number).unwrap_or_else(|_| {
        source.error(table.at(key), format!("{key}: expected 0 to 65535"));
        usual
    })
}

fn ping(source: &mut Source<'_>, table: &mut Reader<'_>) -> Option<Ping> {
    let interval = small(source, table, "ping_interval", 0);
    let down_after = u32::from(small(source, table, "ping_down_after", 2)).max(1);
    let up_after = u32::from(small(source, table, "ping_up_after", 2)).max(1);
    let interval = Duration::from_secs(u64::from(interval));
    (!interval.is_zero()).then_some(Ping { interval, down_after, up_after })
}

fn codecs(source: &mut Source<'_>, table: &mut Reader<'_>) -> Vec<String> {
    let known: Vec<&str> = Codec::ALL.into_iter().map(Codec::name).collect();
    let mut names = vec![];
    for (name, span) in table.texts(source, "codecs").unwrap_or_default() {
        match known.iter().find(|known| known.eq_ignore_ascii_case(&name)) {
            Some(known) => names.push((*known).to_owned()),
            None => {
                let known = known.join(", ");
                source.error(span, format!("codecs: no codec \"{name}\"; known: {known}"));
            }
        }
    }
    names
}

/// `headers = { "X-Account" = "42" }`.
fn headers(source: &mut Source<'_>, table: &mut Reader<'_>) -> Vec<(String, String)> {
    let reader = table.table(source, "headers");
    let mut headers = vec![];
    for (name, value) in reader.secrets(source) {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
        let ours = RESERVED.contains(&HeaderName::from_bytes(name.as_bytes()));
        let value = value.expose();
        if name.is_empty() || !name.bytes().all(token) || value.contains(['\r', '\n', '\0']) {
            source.error(reader.at(&name), format!("headers: \"{name}\" cannot be sent"));
        } else if ours {
            source.error(reader.at(&name), format!("headers: {name} is written by the server"));
        } else {
            headers.push((name, value.to_owned()));
        }
    }
    headers
}

/// Headers that make a dialog, or say what we do in it: a second one would break it.
const RESERVED: [HeaderName; 29] = [
    HeaderName::Via,
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::MaxForwards,
    HeaderName::Route,
    HeaderName::RecordRoute,
    HeaderName::Contact,
    HeaderName::ContentLength,
    HeaderName::ContentType,
    HeaderName::Require,
    HeaderName::Authorization,
    HeaderName::ProxyAuthorization,
    HeaderName::ProxyRequire,
    HeaderName::Supported,
    HeaderName::Allow,
    HeaderName::AllowEvents,
    HeaderName::Event,
    HeaderName::Expires,
    HeaderName::SessionExpires,
    HeaderName::MinSe,
    HeaderName::RAck,
    HeaderName::RSeq,
    HeaderName::Replaces,
    HeaderName::ReferTo,
    HeaderName::ContentEncoding,
    HeaderName::Identity,
    HeaderName::Date,
];

fn numbers(source: &mut Source<'_>, table: &mut Reader<'_>) -> NumberFormat {
    let usual = NumberFormat::default();
    let style = match table.text(source, "number_format") {
        None => usual.style,
        Some((text, span)) => match text.as_str() {
            "e164" => NumberStyle::E164,
            "digits" => NumberStyle::Digits,
            "national" => NumberStyle::National,
            _ => {
                let wanted = "number_format: expected \"e164\", \"digits\" or \"national\"";
                source.error(span, wanted);
                usual.style
            }
        },
    };
    let country_code = dialled(source, table, "country_code", "");
    let format = NumberFormat {
        style,
        country_code,
        national_prefix: dialled(source, table, "national_prefix", &usual.national_prefix),
        international_prefix: dialled(
            source,
            table,
            "international_prefix",
            &usual.international_prefix,
        ),
        dial_prefix: dialled(source, table, "dial_prefix", ""),
    };
    if style == NumberStyle::National && format.country_code.is_empty() {
        source.error(
            table.at("number_format"),
            "number_format: \"national\" wants a country_code, such as \"49\"",
        );
    }
    format
}

/// A few digits, `*` and `#`.
fn dialled(
    source: &mut Source<'_>,
    table: &mut Reader<'_>,
    key: &'static str,
    usual: &str,
) -> String {
    let Some((text, span)) = table.text(source, key) else { return usual.to_owned() };
    let code = key == "country_code";
    if !text.bytes().all(|b| b.is_ascii_digit() || !code && matches!(b, b'*' | b'#' | b'+')) {
        source.error(span, format!("{key}: expected digits, not \"{text}\""));
    }
    text
}
