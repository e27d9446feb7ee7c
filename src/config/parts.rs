//! The tables of `offhook.toml`, one function each.

use toml_edit::Item;

use super::calls::hold_music;
use super::handlers::WrittenHandler;
use super::limits::caps;
use super::reader::{Reader, Source};
use super::seeing;
use super::sip::{check_listeners, check_servers, check_trunks, sip, tls};
use super::trunk::{line, trunk};
use super::*;
use crate::directory::{Caps, Handler, Voice, Watching};

/// Where a value stands in the text.
pub(super) type Span = Option<std::ops::Range<usize>>;

/// Events that a status callback can ask for.
const EVENTS: [&str; 4] = ["initiated", "ringing", "answered", "completed"];

pub(super) fn read(
    project: &Path,
    file: &Path,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, Vec<Problem>> {
    let mut source = Source {
        file,
        text,
        env,
        folder: project,
        problems: vec![],
        warnings: vec![],
        tls_servers: vec![],
        handlers: vec![],
        grants: vec![],
    };
    let document = match toml_edit::Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            source.error(error.span(), error.message().trim());
            return Err(source.problems);
        }
    };
    let mut root = Reader::new("", Some(document.as_table()), None);
    let s = &mut source;
    let table = root.table(s, "server");
    let server = server(s, table, project);
    let table = root.table(s, "http");
    let http = http(s, table);
    let table = root.table(s, "sip");
    let sip = sip(s, table);
    let table = root.table(s, "tls");
    let tls = tls(s, table, project);
    check_listeners(s, &root, &sip, &tls);
    let table = root.table(s, "stir");
    let verify = super::stir::stir(s, table, project);
    let table = root.table(s, "dns");
    let dns = dns(s, table);
    let table = root.table(s, "media");
    let mut media = media(s, table);
    let table = root.table(s, "webhook");
    let webhook_allow = webhook(s, table);
    let table = root.table(s, "speech");
    let speech = speech(s, table, project);
    let table = root.table(s, "story");
    let story = seeing::story(s, table);
    let table = root.table(s, "metrics");
    let metrics_allow = seeing::metrics(s, table);
    let table = root.table(s, "hep");
    let hep = seeing::hep(s, table);
    let table = root.table(s, "otel");
    let otel = seeing::otel(s, table);
    let table = root.table(s, "functions");
    let (function_env, function_origins) = functions::env(s, table);
    let function_grants = functions::grants(s, &mut root, &function_env);
    let (domains, music): (Vec<Domain>, Vec<_>) =
        each(s, &mut root, "domain", domain).into_iter().unzip();
    media.hold_music.domains = music.into_iter().flatten().collect();
    let mut config = Config {
        project: project.to_owned(),
        server,
        http,
        sip,
        tls,
        dns,
        media,
        webhook_allow,
        speech,
        story,
        metrics_allow,
        hep,
        otel,
        function_env,
        function_origins,
        function_grants,
        lists: each(s, &mut root, "credential_list", list),
        domains,
        numbers: each(s, &mut root, "number", number),
        trunks: each(s, &mut root, "trunk", trunk),
        lines: each(s, &mut root, "line", line),
        handlers: vec![],
        grants: vec![],
        warnings: vec![],
    };
    check_names(s, &root, &config);
    check_trunks(s, &config);
    check_servers(s, &config.sip);
    super::stir::hand_out(s, verify, &mut config.trunks);
    root.finish(s);
    (config.handlers, config.warnings) = (source.handlers, source.warnings);
    config.grants = source.grants;
    if source.problems.is_empty() { Ok(config) } else { Err(source.problems) }
}

/// The sound entries of a list of tables.
fn each<T>(
    source: &mut Source<'_>,
    root: &mut Reader<'_>,
    key: &'static str,
    read: fn(&mut Source<'_>, Reader<'_>) -> Option<T>,
) -> Vec<T> {
    let tables = root.tables(source, key);
    tables.into_iter().filter_map(|table| read(source, table)).collect()
}

fn server(source: &mut Source<'_>, mut table: Reader<'_>, project: &Path) -> Server {
    let data = table.text(source, "data").map_or_else(|| "data".to_owned(), |(text, _)| text);
    let account_sid = table.text(source, "account_sid").and_then(|(text, span)| {
        let parsed = text.parse();
        parsed.map_err(|error| source.error(span, format!("account_sid: {error}"))).ok()
    });
    let auth_token = table.secret(source, "auth_token");
    table.finish(source);
    Server { data: project.join(data), account_sid, auth_token }
}

fn http(source: &mut Source<'_>, mut table: Reader<'_>) -> Http {
    let listen = match table.texts(source, "listen") {
        Some(texts) => texts
            .into_iter()
            .filter_map(|(t, span)| {
                parsed(
                    source,
                    &t,
                    span,
                    "listen: expected an address and port, such as 127.0.0.1:8080",
                )
            })
            .collect(),
        None => vec![SocketAddr::from(([127, 0, 0, 1], 8080))],
    };
    let place = table.item("public_url").or_else(|| table.item("listen")).and_then(Item::span);
    let public_url =
        table.text(source, "public_url").and_then(|(text, span)| match url::Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => {
                Some(text.trim_end_matches('/').to_owned())
            }
            _ => {
                source.error(span, "public_url: expected http://HOST or https://HOST");
                None
            }
        });
    warn_of_nowhere(source, place, public_url.as_deref(), &listen);
    table.finish(source);
    Http { listen, public_url }
}

/// An address that means "all of mine" is none that others can reach: signatures are made for it
/// and documents' URLs begin with it, but nothing that is sent there arrives here.
fn warn_of_nowhere(
    source: &mut Source<'_>,
    place: Span,
    public_url: Option<&str>,
    listen: &[SocketAddr],
) {
    let nowhere = |host: url::Host<&str>| match host {
        url::Host::Ipv4(address) => address.is_unspecified(),
        url::Host::Ipv6(address) => address.is_unspecified(),
        url::Host::Domain(_) => false,
    };
    let advice = "set it to the address under which others reach this server, such as \
                  https://voice.example.com";
    let message = match (public_url, listen.first()) {
        (Some(text), _) => {
            let url = url::Url::parse(text).ok();
            let is_nowhere = url.as_ref().and_then(url::Url::host).is_some_and(nowhere);
            is_nowhere.then(|| format!("public_url: nobody can reach {text}; {advice}"))
        }
        (None, Some(first)) => first.ip().is_unspecified().then(|| {
            format!("public_url is not set and would be http://{first}, which nobody can reach; {advice}")
        }),
        (None, None) => None,
    };
    if let Some(message) = message {
        source.warning(place, message);
    }
}

fn dns(source: &mut Source<'_>, mut table: Reader<'_>) -> Dns {
    let mut servers = vec![];
    for (text, span) in table.texts(source, "servers").unwrap_or_default() {
        let alone = text.parse().map(|ip: IpAddr| SocketAddr::new(ip, 53));
        let wanted = "servers: expected an address, such as 192.0.2.53 or 127.0.0.1:5353";
        servers.extend(alone.ok().or_else(|| parsed(source, &text, span, wanted)));
    }
    let prefer = match table.text(source, "prefer") {
        None => Family::V4First,
        Some((text, span)) => match text.as_str() {
            "ipv4" => Family::V4First,
            "ipv6" => Family::V6First,
            _ => {
                source.error(span, "prefer: expected \"ipv4\" or \"ipv6\"");
                Family::V4First
            }
        },
    };
    table.finish(source);
    Dns { servers, prefer }
}

fn media(source: &mut Source<'_>, mut table: Reader<'_>) -> Media {
    let everybody = hold_music(source, &mut table);
    let hold_music = HoldMusic { everybody, ..HoldMusic::default() };
    let mut media = Media { ports: (16_384, 32_767), tick_ms: 1, hold_music };
    if let Some((text, span)) = table.text(source, "ports") {
        let ports = text
            .split_once('-')
            .and_then(|(from, to)| Some((from.trim().parse().ok()?, to.trim().parse().ok()?)));
        match ports {
            Some((from, to)) if from > 0 && from < to => media.ports = (from, to),
            _ => source.error(span, "ports: expected FROM-TO, such as \"16384-32767\""),
        }
    }
    if let Some(tick) = table.number(source, "tick_ms") {
        match u32::try_from(tick) {
            Ok(tick) if tick <= 20 => media.tick_ms = tick,
            _ => source.error(table.at("tick_ms"), "tick_ms: expected 0 to 20"),
        }
    }
    table.finish(source);
    media
}

fn webhook(source: &mut Source<'_>, mut table: Reader<'_>) -> Vec<IpNet> {
    let allow = networks(source, &mut table, "allow");
    table.finish(source);
    allow
}

fn speech(source: &mut Source<'_>, mut table: Reader<'_>, project: &Path) -> Speech {
    let voices = table.texts(source, "voices").unwrap_or_default();
    table.finish(source);
    Speech { voices: voices.into_iter().map(|(folder, _)| project.join(folder)).collect() }
}

fn list(source: &mut Source<'_>, mut table: Reader<'_>) -> Option<(String, Vec<(String, Secret)>)> {
    let name = required(source, &mut table, "name");
    let mut users: Vec<(String, Secret)> = vec![];
    for mut credential in table.tables(source, "credentials") {
        let username = required(source, &mut credential, "username");
        let password = credential.secret(source, "password");
        let written = credential.item("password").is_some();
        if !written || password.as_ref().is_some_and(Secret::is_empty) {
            source.error(credential.at("password"), "a credential wants a password");
        }
        if let Some(name) = &username
            && users.iter().any(|(known, _)| known == name)
        {
            source
                .error(credential.at("username"), format!("username \"{name}\" is written twice"));
        }
        credential.finish(source);
        users.extend(username.zip(password));
    }
    table.finish(source);
    Some((name?, users))
}

/// A domain, and its hold music where it has its own.
fn domain(
    source: &mut Source<'_>,
    mut table: Reader<'_>,
) -> Option<(Domain, Option<(String, String)>)> {
    let name = required(source, &mut table, "name");
    let place = table.item("name").and_then(Item::span);
    let names = |texts: Option<Vec<(String, Span)>>| -> Vec<String> {
        texts.unwrap_or_default().into_iter().map(|(text, _)| text).collect()
    };
    let domain = Domain {
        name: name.clone().unwrap_or_default().to_ascii_lowercase(),
        registration: names(table.texts(source, "registration")),
        calls: names(table.texts(source, "calls")),
        allowed_ips: networks(source, &mut table, "allowed_ips"),
        voice: voice(source, &mut table),
        any_caller_id: table.flag(source, "any_caller_id").unwrap_or(false),
        transfer_out: table.flag(source, "transfer_out").unwrap_or(false),
        nat: table.flag(source, "nat").unwrap_or(false),
        watching: watching(source, &mut table),
        messages: table.flag(source, "messages").unwrap_or(true),
        caps: caps(source, &mut table, Caps::USER),
    };
    warn_of_silence(source, place, &domain.name, &domain.voice);
    // A port or blank would make a name that no request ever names.
    let host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if !domain.name.bytes().all(host) && domain.name.parse::<IpAddr>().is_err() {
        let wanted = "name: expected a host name such as office.example, without a port";
        source.error(table.at("name"), format!("{wanted}, not \"{}\"", domain.name));
    }
    let music = hold_music(source, &mut table).map(|url| (domain.name.clone(), url));
    table.finish(source);
    name.map(|_| (domain, music))
}

/// `events` of a domain.
fn watching(source: &mut Source<'_>, table: &mut Reader<'_>) -> Watching {
    let Some((text, span)) = table.text(source, "events") else { return Watching::default() };
    match text.as_str() {
        "off" => Watching::Nothing,
        "lamps" => Watching::Lamps,
        "parties" => Watching::Parties,
        _ => {
            source.error(span, "events: expected \"off\", \"lamps\" or \"parties\"");
            Watching::default()
        }
    }
}

fn number(source: &mut Source<'_>, mut table: Reader<'_>) -> Option<Number> {
    let number = required(source, &mut table, "number");
    let place = table.item("number").and_then(Item::span);
    let voice = voice(source, &mut table);
    warn_of_silence(source, place, number.as_deref().unwrap_or_default(), &voice);
    let number = number.filter(|text| {
        let digits = text.strip_prefix('+').unwrap_or_default();
        let good = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if !good {
            source.error(
                table.at("number"),
                format!("number: expected E.164 such as +12223331234, not \"{text}\""),
            );
        }
        good
    });
    table.finish(source);
    Some(Number { number: number?, voice })
}

/// `voice`, `fallback`, `status_callback` of a domain or number.
pub(super) fn voice(source: &mut Source<'_>, table: &mut Reader<'_>) -> Voice {
    let mut voice = Voice {
        handler: handler(source, table, "voice"),
        fallback: handler(source, table, "fallback"),
        status_callback: None,
        status_callback_events: vec![],
    };
    // GET for the handler, as a console's "HTTP GET" choice has it.
    if let Some((method, span)) = table.text(source, "voice_method") {
        match (method.to_ascii_uppercase().as_str(), &mut voice.handler) {
            ("GET", Some(Handler::Document { get, .. })) => *get = true,
            ("GET" | "POST", _) => {}
            _ => source.error(span, "voice_method: expected GET or POST"),
        }
    }
    if let Some((url, span)) = table.text(source, "status_callback") {
        if url.starts_with("http://") || url.starts_with("https://") {
            voice.status_callback = Some(url);
        } else {
            source.error(span, "status_callback: expected an http or https URL");
        }
    }
    for (event, span) in table.texts(source, "status_callback_event").unwrap_or_default() {
        if EVENTS.contains(&event.as_str()) {
            voice.status_callback_events.push(event);
        } else {
            source.error(
                span,
                format!("status_callback_event: expected one of {}", EVENTS.join(", ")),
            );
        }
    }
    voice
}

fn warn_of_silence(source: &mut Source<'_>, place: Span, owner: &str, voice: &Voice) {
    if voice.handler.is_none() {
        let message = format!("{owner} has no `voice` handler: calls to it are refused");
        source.warning(place, message);
    }
}

fn handler(source: &mut Source<'_>, table: &mut Reader<'_>, key: &'static str) -> Option<Handler> {
    let (text, span) = table.text(source, key)?;
    match Handler::parse(&text) {
        Some(handler) => {
            let (line, column) = source.place(span);
            source.handlers.push(WrittenHandler { handler: handler.clone(), line, column });
            Some(handler)
        }
        None => {
            let wanted = match text.split_once(':') {
                Some(("bin", name)) if !name.is_empty() => super::BIN_NAMES,
                _ => "expected https://…, http://…, bin:NAME, function:NAME or sip:user@domain",
            };
            source.error(span, format!("{key}: \"{text}\" is no handler; {wanted}"));
            None
        }
    }
}

pub(super) fn networks(
    source: &mut Source<'_>,
    table: &mut Reader<'_>,
    key: &'static str,
) -> Vec<IpNet> {
    let texts = table.texts(source, key).unwrap_or_default();
    let mut networks = vec![];
    for (text, span) in texts {
        let single = text.parse::<IpAddr>().map(IpNet::from);
        match text.parse::<IpNet>().ok().or(single.ok()) {
            Some(network) => networks.push(canonical(network)),
            None => source.error(
                span,
                format!("{key}: expected an address or network such as 10.0.0.0/8, not \"{text}\""),
            ),
        }
    }
    networks
}

/// A network of IPv4 addresses in IPv6's clothes as what it is: sources are compared so.
fn canonical(network: IpNet) -> IpNet {
    let bits = network.prefix_len().checked_sub(96);
    match (network.addr().to_canonical(), bits) {
        (address @ IpAddr::V4(_), Some(bits)) if network.addr().is_ipv6() => {
            IpNet::new(address, bits).unwrap_or(network)
        }
        _ => network,
    }
}

pub(super) fn required(
    source: &mut Source<'_>,
    table: &mut Reader<'_>,
    key: &'static str,
) -> Option<String> {
    if table.item(key).is_none() {
        source.error(table.span(), format!("\"{key}\" is missing here"));
        return None;
    }
    table.text(source, key).map(|(text, _)| text)
}

pub(super) fn parsed<T: std::str::FromStr>(
    source: &mut Source<'_>,
    text: &str,
    span: Span,
    wanted: &str,
) -> Option<T> {
    let value = text.parse().ok();
    if value.is_none() {
        source.error(span, format!("{wanted}, not \"{text}\""));
    }
    value
}

/// Whether anybody can be that user: a line is its user's own.
fn has_user(config: &Config, domain: &Domain, user: &str) -> bool {
    let named = |name: &String| domain.registration.contains(name) || domain.calls.contains(name);
    let lists = config.lists.iter().filter(|(name, _)| named(name));
    lists.flat_map(|(_, users)| users).any(|(known, _)| known == user)
}

/// Lists that domains name must exist, and names must be used once.
fn check_names(source: &mut Source<'_>, root: &Reader<'_>, config: &Config) {
    let known: Vec<&str> = config.lists.iter().map(|(name, _)| name.as_str()).collect();
    for domain in &config.domains {
        for list in domain.registration.iter().chain(&domain.calls) {
            if !known.contains(&list.as_str()) {
                let hint = crate::base::nearest(list, known.iter().copied()).map_or_else(
                    || "write a [[credential_list]] of that name".to_owned(),
                    |near| format!("did you mean \"{near}\"?"),
                );
                let at = source.text.find(&format!("\"{list}\"")).map(|at| at..at + 1);
                source.error(
                    at.or(root.span()),
                    format!("domain {}: no credential list \"{list}\"; {hint}", domain.name),
                );
            }
        }
    }
    for line in &config.lines {
        let (user, domain) = line.user.rsplit_once('@').unwrap_or_default();
        let flaw = match config.domains.iter().find(|known| known.name == domain) {
            None => format!("no [[domain]] \"{domain}\""),
            Some(domain) if !has_user(config, domain, user) => {
                format!("domain {} has no user \"{user}\" in its credential lists", domain.name)
            }
            Some(_) => continue,
        };
        let at = source.text.find(&format!("\"{}\"", line.user)).map(|at| at..at + 1);
        source.error(at.or(root.span()), format!("line {}: user: {flaw}", line.account.name));
    }
    let names: Vec<(&str, &str)> = config
        .domains
        .iter()
        .map(|domain| ("domain", domain.name.as_str()))
        .chain(config.numbers.iter().map(|number| ("number", number.number.as_str())))
        .chain(config.trunks.iter().map(|trunk| ("trunk", trunk.name.as_str())))
        .chain(config.lines.iter().map(|line| ("line", line.account.name.as_str())))
        .chain(known.iter().map(|list| ("credential_list", *list)))
        .collect();
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            let at = source.text.rfind(name.1).map(|at| at..at + 1);
            source.error(at, format!("{} \"{}\" is written twice", name.0, name.1));
        }
    }
}
