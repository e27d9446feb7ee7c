//! Counters and gauges in the text format of Prometheus. Labels come from fixed lists: never a
//! number, a user, an address or anything else that a peer could make many of.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Observer;
use super::wire::{METHODS, Start};
use crate::base::Duration;
use crate::call::{Direction as CallDirection, Status};
use crate::exchange::{Figures, RefusedRequest};
use crate::http::message::{Request, Response};
use crate::http::route::{BoxFuture, Handler};
use crate::media;
use crate::node::trace::Direction;
use crate::sip::{ShardId, Shards};
use ipnet::IpNet;

/// A number that only grows, or a gauge.
#[derive(Debug, Default)]
pub struct Series(AtomicU64);

impl Series {
    /// Counts on.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Shows another value.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of the buckets, in microseconds: from a bin's answer to a webhook's last chance.
const BOUNDS: [u64; 13] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000,
    15_000_000,
];

/// How long something took, in buckets.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Series; BOUNDS.len()],
    count: Series,
    micros: Series,
}

impl Histogram {
    /// Notes one.
    pub fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = BOUNDS.iter().position(|bound| micros <= *bound) {
            self.buckets[bucket].add(1);
        }
        self.count.add(1);
        self.micros.add(micros);
    }

    fn write(&self, out: &mut String, name: &str, labels: &str) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut below = 0;
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS) {
            below += bucket.value();
            let bound = bound as f64 / 1e6;
            let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {below}");
        }
        let (count, seconds) = (self.count.value(), self.micros.value() as f64 / 1e6);
        let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}");
        let _ = writeln!(out, "{name}_sum{braces} {seconds}\n{name}_count{braces} {count}");
    }
}

/// Where documents come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// An https or http URL.
    Webhook,
    /// `bin:NAME`.
    Bin,
    /// `function:NAME`.
    Function,
}

impl Source {
    const NAMES: [&str; 3] = ["webhook", "bin", "function"];

    /// By the scheme of a URL, or by its path where it is our own: those never leave the process.
    pub fn of(url: &str, public_url: &str) -> Source {
        match url.strip_prefix(public_url) {
            Some(own) if own.starts_with("/bins/") => return Source::Bin,
            Some(own) if own.starts_with("/functions/") => return Source::Function,
            _ => {}
        }
        match url.split_once(':') {
            Some(("bin", _)) => Source::Bin,
            Some(("function", _)) => Source::Function,
            _ => Source::Webhook,
        }
    }
}

/// Final statuses, as labels.
const OUTCOMES: [Status; 5] =
    [Status::Completed, Status::Busy, Status::Failed, Status::NoAnswer, Status::Canceled];

/// Why requests are refused, as labels.
const REFUSALS: [&str; 7] = [
    "credentials",
    "address",
    "unknown_domain",
    "unknown_number",
    "not_allowed",
    "capacity",
    "malformed",
];

/// What waits somewhere, as labels.
const QUEUES: [&str; 8] =
    ["results", "rows", "effects", "media_events", "exchange", "seeing", "arrivals", "bindings"];

/// What was lost because something did not keep up, as labels.
const DROPS: [&str; 5] = ["sights", "stories", "refusals", "hep", "spans"];

/// Shards of a server.
const MOST_SHARDS: usize = Shards::MAX as usize;

/// Everything that is counted here; the rest are [`Figures`] of the exchange.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: [[Series; METHODS.len() + 1]; 2],
    responses: [[Series; 7]; 2],
    calls: [Series; OUTCOMES.len()],
    dialled: [Series; OUTCOMES.len()],
    /// By method, as in [`METHODS`]; the last is all others.
    refused: [[Series; REFUSALS.len()]; METHODS.len() + 1],
    registered: Series,
    unreachable: Series,
    media: Media,
    documents: [[Histogram; 2]; 3],
    /// A transaction of the store.
    pub store: Histogram,
    queues: [[Series; QUEUES.len()]; MOST_SHARDS],
    drops: [Series; DROPS.len()],
    /// By shard.
    figures: [Shown; MOST_SHARDS],
    /// What one thread's queue to another had no room for: what would begin something, the rest.
    crowded: [Series; 2],
}

/// Media, counted as sessions open and close.
#[derive(Debug, Default)]
struct Media {
    opened: Series,
    closed: Series,
    failed: Series,
    received: Series,
    sent: Series,
    lost: Series,
    silent: Series,
}

/// The exchange's figures as they were last shown.
#[derive(Debug, Default)]
struct Shown {
    calls: Series,
    legs: Series,
    registrations: Series,
    transactions: Series,
    dialogs: Series,
    rejected: Series,
    discarded: Series,
    repeats_received: Series,
    repeats_sent: Series,
    overloaded: Series,
    late: Series,
    lost: Series,
    over_budget: Series,
    silenced: Series,
    muted: Series,
}

impl Shown {
    fn all(&self) -> [&Series; 15] {
        [
            &self.calls,
            &self.legs,
            &self.registrations,
            &self.transactions,
            &self.dialogs,
            &self.rejected,
            &self.discarded,
            &self.repeats_received,
            &self.repeats_sent,
            &self.overloaded,
            &self.late,
            &self.lost,
            &self.over_budget,
            &self.silenced,
            &self.muted,
        ]
    }
}

impl Metrics {
    pub(super) fn message(&self, direction: Direction, start: Start) {
        let way = usize::from(direction == Direction::Sent);
        match start {
            Start::Request(method) => self.requests[way][method.min(METHODS.len())].add(1),
            Start::Response(class) => self.responses[way][class.min(6)].add(1),
            Start::Neither => {}
        }
    }

    /// A leg is over.
    pub(super) fn ended(&self, direction: CallDirection, status: Status) {
        let table = match direction {
            CallDirection::Inbound => &self.calls,
            CallDirection::OutboundApi | CallDirection::OutboundDial => &self.dialled,
        };
        if let Some(outcome) = OUTCOMES.iter().position(|outcome| *outcome == status) {
            table[outcome].add(1);
        }
    }

    /// A request was not admitted.
    pub(super) fn refused(&self, refused: &RefusedRequest) {
        let why = match (refused.status, refused.code) {
            (503, _) => 5,
            // Whoever is told 403 has logged in.
            (403, 32202) => 4,
            (_, 32202) => 0,
            (_, 32201) => 1,
            (_, 32002) => 2,
            (_, 32010) => 3,
            (_, 32100) => 6,
            _ => 4,
        };
        let known = METHODS.iter().position(|known| *known == refused.method);
        self.refused[known.unwrap_or(METHODS.len())][why].add(1);
    }

    /// A user's registrations changed.
    pub fn registered(&self) {
        self.registered.add(1);
    }

    /// A transport said that a message cannot be sent.
    pub fn unreachable(&self) {
        self.unreachable.add(1);
    }

    /// A document came, or did not.
    pub fn document(&self, source: Source, took: Duration, right: bool) {
        self.documents[source as usize][usize::from(!right)].observe(took);
    }

    /// Something happened to media.
    pub fn media(&self, event: &media::Event) {
        match event {
            media::Event::Opened { .. } => self.media.opened.add(1),
            media::Event::Failed { .. } => self.media.failed.add(1),
            media::Event::Silent { .. } => self.media.silent.add(1),
            media::Event::Closed { received, sent, lost, .. } => {
                self.media.closed.add(1);
                self.media.received.add(*received);
                self.media.sent.add(*sent);
                self.media.lost.add(*lost);
            }
            _ => {}
        }
    }

    /// How many wait in a queue, by its name in the list.
    pub fn queue(&self, shard: ShardId, name: &str, waiting: usize) {
        if let Some(queue) = QUEUES.iter().position(|known| *known == name) {
            self.queues[usize::from(shard.0) % MOST_SHARDS][queue].set(waiting as u64);
        }
    }

    /// How many messages of a shard found no room to wait in.
    pub fn lost(&self, shard: ShardId, total: u64) {
        self.figures[usize::from(shard.0) % MOST_SHARDS].lost.set(total);
    }

    /// Something was lost, by its name in the list.
    pub(super) fn dropped(&self, name: &str, total: u64) {
        if let Some(drop) = DROPS.iter().position(|known| *known == name) {
            self.drops[drop].set(total);
        }
    }

    /// Something for another shard found no room in its queue.
    pub(in crate::node) fn crowded(&self, is_new: bool) {
        self.crowded[usize::from(!is_new)].add(1);
    }

    /// Shows how the exchange of a shard stands.
    pub fn show(&self, shard: ShardId, figures: &Figures) {
        let shard = usize::from(shard.0) % MOST_SHARDS;
        let shown = &self.figures[shard];
        shown.calls.set(figures.calls as u64);
        shown.legs.set(figures.legs as u64);
        shown.registrations.set(figures.registrations as u64);
        shown.transactions.set(figures.transactions as u64);
        shown.dialogs.set(figures.dialogs as u64);
        shown.rejected.set(figures.sip.rejected);
        shown.discarded.set(figures.sip.discarded);
        shown.repeats_received.set(figures.sip.repeats_received);
        shown.repeats_sent.set(figures.sip.repeats_sent);
        shown.overloaded.set(figures.sip.overloaded);
        shown.late.set(figures.late);
        shown.over_budget.set(figures.over_budget);
        shown.silenced.set(figures.silenced);
        shown.muted.set(figures.muted);
        self.queues[shard][4].set(figures.outputs as u64);
    }

    /// The figures of all shards together.
    fn together(&self) -> Shown {
        let sum = Shown::default();
        for one in &self.figures {
            for (sum, one) in sum.all().into_iter().zip(one.all()) {
                sum.add(one.value());
            }
        }
        sum
    }

    /// All of it in the text format, version 0.0.4.
    pub fn render(&self) -> String {
        let mut text = Text(String::with_capacity(16 << 10));
        self.render_calls(&mut text);
        self.render_sip(&mut text);
        self.render_media(&mut text);
        self.render_rest(&mut text);
        text.0
    }

    fn render_calls(&self, text: &mut Text) {
        let shown = &self.together();
        text.one("offhook_calls", "gauge", "Calls up or being set up.", &shown.calls);
        text.one("offhook_legs", "gauge", "Legs, closing ones included.", &shown.legs);
        let outcomes = OUTCOMES.map(Status::as_str);
        text.head("offhook_calls_total", "counter", "Incoming calls that are over.");
        text.table("offhook_calls_total", "outcome", &outcomes, &self.calls, "");
        text.head("offhook_dialled_legs_total", "counter", "Dialled legs that are over.");
        text.table("offhook_dialled_legs_total", "outcome", &outcomes, &self.dialled, "");
        let help = "Requests that were not admitted.";
        text.head("offhook_refused_total", "counter", help);
        for (method, cells) in METHODS.iter().chain(&["other"]).zip(&self.refused) {
            let also = format!("method=\"{method}\",");
            text.table("offhook_refused_total", "reason", &REFUSALS, cells, &also);
        }
        let failures = self.refused.iter().map(|cells| cells[0].value()).sum();
        text.head("offhook_auth_failures_total", "counter", "Wrong or unusable credentials.");
        text.line("offhook_auth_failures_total", "", failures);
        text.one("offhook_registrations", "gauge", "Bindings of phones.", &shown.registrations);
        let help = "Changes of users' registrations.";
        text.one("offhook_registration_changes_total", "counter", help, &self.registered);
    }

    fn render_sip(&self, text: &mut Text) {
        let mut methods = METHODS.to_vec();
        methods.push("other");
        let ways = ["received", "sent"];
        text.head("offhook_sip_requests_total", "counter", "SIP requests, repeats included.");
        for (way, cells) in ways.iter().zip(&self.requests) {
            let also = format!("direction=\"{way}\",");
            text.table("offhook_sip_requests_total", "method", &methods, cells, &also);
        }
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx", "6xx"];
        text.head("offhook_sip_responses_total", "counter", "SIP responses, repeats included.");
        for (way, cells) in ways.iter().zip(&self.responses) {
            let also = format!("direction=\"{way}\",");
            text.table("offhook_sip_responses_total", "class", &classes, &cells[1..], &also);
        }
        let shown = &self.together();
        let name = "offhook_sip_retransmissions_total";
        text.head(name, "counter", "Requests received again, messages sent again.");
        text.line(name, "direction=\"received\"", shown.repeats_received.value());
        text.line(name, "direction=\"sent\"", shown.repeats_sent.value());
        let name = "offhook_sip_parse_rejects_total";
        text.head(name, "counter", "Malformed messages: answered, or thrown away.");
        text.line(name, "fate=\"answered\"", shown.rejected.value());
        text.line(name, "fate=\"discarded\"", shown.discarded.value());
        let help = "Requests answered 503 for want of room.";
        text.one("offhook_sip_overloaded_total", "counter", help, &shown.overloaded);
        let help = "New requests answered 503 because they came faster than they could be served.";
        text.one("offhook_sip_late_total", "counter", help, &shown.late);
        let help = "Messages that were lost because too many waited to be read.";
        text.one("offhook_sip_lost_total", "counter", help, &shown.lost);
        let help = "Messages dropped unread because their source was over its budget.";
        text.one("offhook_sip_over_budget_total", "counter", help, &shown.over_budget);
        let help = "Sources silenced for guessing passwords.";
        text.one("offhook_sip_silenced_total", "counter", help, &shown.silenced);
        let help = "Messages of silenced sources: only those of what had begun are heard.";
        text.one("offhook_sip_muted_total", "counter", help, &shown.muted);
        let help = "Messages that a transport could not send.";
        text.one("offhook_sip_unreachable_total", "counter", help, &self.unreachable);
        let help = "SIP transactions, those that absorb repeats included.";
        text.one("offhook_sip_transactions", "gauge", help, &shown.transactions);
        let help = "SIP dialogs and attempts at one.";
        text.one("offhook_sip_dialogs", "gauge", help, &shown.dialogs);
    }

    fn render_media(&self, text: &mut Text) {
        let media = &self.media;
        let open = media.opened.value().saturating_sub(media.closed.value());
        text.head("offhook_media_sessions", "gauge", "Media sessions that are open.");
        text.line("offhook_media_sessions", "", open);
        let help = "Media sessions that could not be opened.";
        text.one("offhook_media_failures_total", "counter", help, &media.failed);
        let help = "Parties that sent no sound for a minute.";
        text.one("offhook_media_silent_total", "counter", help, &media.silent);
        let name = "offhook_media_packets_total";
        text.head(name, "counter", "RTP packets of sessions that are over.");
        text.line(name, "direction=\"received\"", media.received.value());
        text.line(name, "direction=\"sent\"", media.sent.value());
        let help = "RTP packets that never came, of sessions that are over.";
        text.one("offhook_media_packets_lost_total", "counter", help, &media.lost);
    }

    fn render_rest(&self, text: &mut Text) {
        let name = "offhook_document_seconds";
        text.head(name, "histogram", "From asking for a document to having it read.");
        for (source, results) in Source::NAMES.iter().zip(&self.documents) {
            for (result, histogram) in ["ok", "error"].iter().zip(results) {
                let labels = format!("source=\"{source}\",result=\"{result}\"");
                histogram.write(&mut text.0, name, &labels);
            }
        }
        text.head("offhook_store_write_seconds", "histogram", "Transactions of the store.");
        self.store.write(&mut text.0, "offhook_store_write_seconds", "");
        text.head("offhook_queue_depth", "gauge", "What waits, by queue.");
        let waiting: [Series; QUEUES.len()] = Default::default();
        for shard in &self.queues {
            waiting.iter().zip(shard).for_each(|(sum, one)| sum.add(one.value()));
        }
        text.table("offhook_queue_depth", "queue", &QUEUES, &waiting, "");
        let help = "What found no room on its way from one shard to another.";
        text.head("offhook_shard_drops_total", "counter", help);
        text.table("offhook_shard_drops_total", "class", &["new", "ongoing"], &self.crowded, "");
        text.head("offhook_dropped_total", "counter", "Lost because something was too slow.");
        text.table("offhook_dropped_total", "what", &DROPS, &self.drops, "");
        text.head("offhook_build_info", "gauge", "Always 1; the version is the label.");
        text.line("offhook_build_info", concat!("version=\"", env!("CARGO_PKG_VERSION"), "\""), 1);
        if let Some(bytes) = resident_bytes() {
            text.head("process_resident_memory_bytes", "gauge", "Memory in use.");
            text.line("process_resident_memory_bytes", "", bytes);
        }
    }
}

/// A page of the text format.
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: u64) {
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            _ => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, series: &Series) {
        self.head(name, kind, help);
        self.line(name, "", series.value());
    }

    fn table(&mut self, name: &str, label: &str, names: &[&str], cells: &[Series], also: &str) {
        for (value, cell) in names.iter().zip(cells) {
            self.line(name, &format!("{also}{label}=\"{value}\""), cell.value());
        }
    }
}

/// The second number of `/proc/self/statm` counts pages of 4 KiB on the machines we build for.
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(text.split_whitespace().nth(1)?.parse::<u64>().ok()? * 4_096)
}

/// `/metrics`, for who asks from an allowed address.
pub struct Page {
    observer: Observer,
    allow: Vec<IpNet>,
}

impl Page {
    /// For those networks.
    pub fn new(observer: Observer, allow: Vec<IpNet>) -> Arc<Page> {
        Arc::new(Page { observer, allow })
    }

    /// A request that a proxy passed on is not from the proxy's address, whatever it seems.
    fn allows(&self, request: &Request) -> bool {
        let passed_on = ["Forwarded", "X-Forwarded-For"];
        let direct = passed_on.iter().all(|name| request.headers.first(name).is_none());
        let peer = request.peer.map(|peer| peer.to_canonical());
        direct && peer.is_some_and(|peer| self.allow.iter().any(|net| net.contains(&peer)))
    }
}

impl Handler for Page {
    fn handle<'a>(&'a self, request: Request, _: Vec<String>) -> BoxFuture<'a, Response> {
        Box::pin(async move {
            if !self.allows(&request) {
                let advice = "403: not from here; list the address under [metrics] allow";
                return Response::text(403, advice);
            }
            let (waiting, lost) = self.observer.backlog();
            let metrics = self.observer.metrics();
            metrics.queue(ShardId::default(), "seeing", waiting);
            metrics.dropped("sights", lost);
            Response::new(200, "text/plain; version=0.0.4; charset=utf-8", metrics.render())
        })
    }
}

#[cfg(test)]
mod tests;
