//! `[story]`, `[metrics]`, `[hep]` and `[otel]`: what is kept of calls, and who may see or gets it.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::parts::networks;
use super::reader::{Reader, Source};
use crate::base::{Duration, Secret};

/// `[story]`: what is kept of calls for `offhook call show`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Story {
    /// Of all calls together; 0 keeps nothing.
    pub bytes: u64,
    /// For so long.
    pub age: Duration,
}

/// `[hep]`: a capture server that gets every SIP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hep {
    /// Where it listens, over UDP.
    pub collector: SocketAddr,
    /// Who we are to it.
    pub capture_id: u32,
    /// What it wants to hear first.
    pub password: Option<Secret>,
}

/// `[otel]`: an OpenTelemetry collector that gets spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otel {
    /// Its base URL, without a slash at the end; spans go to `/v1/traces` below it.
    pub endpoint: String,
    /// Our name there.
    pub service: String,
    /// Headers of each request, such as an API key.
    pub headers: Vec<(String, Secret)>,
}

/// A day of an office, an hour of a carrier.
const STORY_MEGABYTES: i64 = 256;
const STORY_DAYS: i64 = 7;
/// More is a question for a capture server.
const MOST_MEGABYTES: i64 = 1 << 20;
const MOST_DAYS: i64 = 3_650;
/// The capture identifier that examples of collectors use.
const CAPTURE_ID: u32 = 2001;

pub(super) fn story(source: &mut Source<'_>, mut table: Reader<'_>) -> Story {
    let mut bounded = |key, default, least, most| match table.number(source, key) {
        Some(number) if (least..=most).contains(&number) => number,
        Some(_) => {
            source.error(table.at(key), format!("{key}: expected {least} to {most}"));
            default
        }
        None => default,
    };
    let megabytes = bounded("keep_megabytes", STORY_MEGABYTES, 0, MOST_MEGABYTES);
    let days = bounded("keep_days", STORY_DAYS, 1, MOST_DAYS);
    table.finish(source);
    Story {
        bytes: megabytes.unsigned_abs() << 20,
        age: Duration::from_secs(days.unsigned_abs() * 86_400),
    }
}

/// Who may read `/metrics`: this machine, unless others are listed.
pub(super) fn metrics(source: &mut Source<'_>, mut table: Reader<'_>) -> Vec<IpNet> {
    let written = table.item("allow").is_some();
    let allow = networks(source, &mut table, "allow");
    table.finish(source);
    match written {
        true => allow,
        false => ["127.0.0.0/8", "::1/128"].iter().filter_map(|net| net.parse().ok()).collect(),
    }
}

pub(super) fn hep(source: &mut Source<'_>, mut table: Reader<'_>) -> Option<Hep> {
    let written = table.text(source, "collector");
    let collector = written.and_then(|(text, span)| {
        let address = text.strip_prefix("udp:").unwrap_or(&text).parse();
        if address.is_err() {
            let wanted = "collector: expected an address and port, such as 192.0.2.10:9060";
            source.error(span, format!("{wanted}, not \"{text}\""));
        }
        address.ok()
    });
    let mut capture_id = CAPTURE_ID;
    if let Some(number) = table.number(source, "capture_id") {
        match u32::try_from(number) {
            Ok(number) => capture_id = number,
            Err(_) => source.error(table.at("capture_id"), "capture_id: expected 0 to 4294967295"),
        }
    }
    let password = table.secret(source, "password");
    table.finish(source);
    collector.map(|collector| Hep { collector, capture_id, password })
}

pub(super) fn otel(source: &mut Source<'_>, mut table: Reader<'_>) -> Option<Otel> {
    let endpoint = table.text(source, "endpoint").and_then(|(text, span)| {
        let right = url::Url::parse(&text)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !right {
            source
                .error(span, "endpoint: expected http://HOST:PORT, such as http://127.0.0.1:4318");
        }
        right.then(|| text.trim_end_matches('/').to_owned())
    });
    let service = table.text(source, "service").map_or_else(|| "offhook".to_owned(), |(s, _)| s);
    let headers = table.table(source, "headers").secrets(source);
    table.finish(source);
    endpoint.map(|endpoint| Otel { endpoint, service, headers })
}
