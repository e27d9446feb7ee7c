//! What functions ask of the world, carried out: HTTP requests and values that they keep.
//!
//! It runs on a thread of its own, not on one that carries calls; guests hold their own threads
//! and look at a bounded channel. Every hop of a request is held against the grants again, and
//! every address against the guard at the time of connecting.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::runtime::{Handle, Runtime};
use tokio::task::AbortHandle;

use super::control::Served;
use crate::base::{Duration, Instant};
use crate::http::client::{Client, MOST_REDIRECTS};
use crate::http::fetch::{Fetching, PERSONAL, location, reason};
use crate::http::{Error, Reply};
use crate::node::clock::Clock;
use crate::source::function::Grants;
use crate::source::function::ask::{
    Answer, Asks, ControlOperation, Fetch, MOST_ANSWER, MOST_UNDER_WAY, Operation, Redirect,
    Refusal, StoreOperation, permit,
};
use crate::store::StoreError;
use crate::store::values::{Kept, KeptValue, NewValue, ShortLived, Values};

/// Bytes of values that one list gives; the rest comes with the next.
const MOST_LISTED_BYTES: usize = 256 << 10;

/// What a server has that functions may ask for, once it has it; a project that is only looked at
/// never does.
#[derive(Default)]
pub(in crate::node) struct Backing {
    /// Where values are kept.
    pub(in crate::node) values: OnceLock<Arc<dyn Values>>,
    /// Whose calls and recordings there are.
    pub(in crate::node) served: OnceLock<Served>,
}

/// Carries operations out.
pub(super) struct Outside {
    hands: Arc<Hands>,
    /// From the first operation on; none when the system gives no thread.
    runtime: OnceLock<Option<Runtime>>,
}

/// What an operation needs.
struct Hands {
    client: Arc<Client>,
    backing: Arc<Backing>,
    /// For projects that are looked at and not served.
    short_lived: ShortLived,
    clock: Clock,
}

impl Outside {
    pub(super) fn new(client: Arc<Client>, backing: Arc<Backing>, clock: Clock) -> Outside {
        let short_lived = ShortLived::default();
        let hands = Arc::new(Hands { client, backing, short_lived, clock });
        Outside { hands, runtime: OnceLock::new() }
    }

    /// Whoever carries out what one invocation asks for.
    pub(super) fn asks(&self, function: &str, grants: &Arc<Grants>) -> Option<Box<dyn Asks>> {
        let handle = self.runtime.get_or_init(start).as_ref()?.handle().clone();
        // Twice as many as can be under way: answers that nobody wants any more lie in it, too,
        // until the next operation begins.
        let (sender, receiver) = sync_channel(2 * MOST_UNDER_WAY);
        Some(Box::new(Asking {
            hands: Arc::clone(&self.hands),
            handle,
            function: function.into(),
            grants: Arc::clone(grants),
            sender,
            receiver,
            under_way: HashMap::new(),
            ready: VecDeque::new(),
        }))
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        // Waiting for its thread is not allowed where this may be dropped.
        if let Some(runtime) = self.runtime.take().flatten() {
            runtime.shutdown_background();
        }
    }
}

fn start() -> Option<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    // It waits; one thread waits for everybody.
    let runtime = builder.worker_threads(1).thread_name("function-io").enable_all().build();
    runtime.inspect_err(|error| tracing::error!("functions cannot ask for anything: {error}")).ok()
}

/// The operations of one invocation.
struct Asking {
    hands: Arc<Hands>,
    handle: Handle,
    function: Arc<str>,
    grants: Arc<Grants>,
    sender: SyncSender<(u32, Answer)>,
    receiver: Receiver<(u32, Answer)>,
    under_way: HashMap<u32, AbortHandle>,
    /// Out of the channel, but not taken.
    ready: VecDeque<(u32, Answer)>,
}

impl Asking {
    /// Makes room in the channel.
    fn collect(&mut self) {
        while let Ok((id, answer)) = self.receiver.try_recv() {
            if self.under_way.contains_key(&id) {
                self.ready.push_back((id, answer));
            }
        }
    }

    fn taken(&mut self, id: u32, answer: Answer) -> Option<(u32, Answer)> {
        self.under_way.remove(&id).map(|_| (id, answer))
    }
}

impl Asks for Asking {
    fn begin(&mut self, id: u32, operation: Operation) {
        self.collect();
        let (hands, sender) = (Arc::clone(&self.hands), self.sender.clone());
        let (function, grants) = (Arc::clone(&self.function), Arc::clone(&self.grants));
        let task = self.handle.spawn(async move {
            let answer = match operation {
                Operation::Fetch(fetch) => hands.fetch(&function, &grants, fetch).await,
                Operation::Control(operation) => hands.control(operation).await,
                Operation::Store(store, operation) => hands.store(store, operation).await,
            };
            // Full or closed only when nobody wants it.
            let _ = sender.try_send((id, answer));
        });
        self.under_way.insert(id, task.abort_handle());
    }

    fn cancel(&mut self, id: u32) {
        if let Some(task) = self.under_way.remove(&id) {
            task.abort();
        }
        self.ready.retain(|(ready, _)| *ready != id);
        self.collect();
    }

    fn next(&mut self, time: Duration) -> Option<(u32, Answer)> {
        if let Some((id, answer)) = self.ready.pop_front() {
            return self.taken(id, answer);
        }
        let clock = self.hands.clock;
        let end: Instant = clock.now() + time;
        loop {
            match self.receiver.recv_timeout(end.since(clock.now())) {
                Ok((id, answer)) => match self.taken(id, answer) {
                    None => {}
                    answered => return answered,
                },
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.under_way.values().for_each(AbortHandle::abort);
    }
}

impl Hands {
    async fn fetch(&self, function: &str, grants: &Grants, mut fetch: Fetch) -> Answer {
        let mut redirects = 0;
        loop {
            let reply = self
                .client
                .fetch(&Fetching {
                    url: &fetch.url,
                    method: &fetch.method,
                    headers: &fetch.headers,
                    body: fetch.body.as_deref(),
                    limit: MOST_ANSWER,
                })
                .await
                .map_err(refused)?;
            let next = match fetch.redirect {
                Redirect::Manual => None,
                Redirect::Follow | Redirect::Error => {
                    location(&fetch.url, reply.status, &reply.headers).map_err(refused)?
                }
            };
            let Some(url) = next else { return Ok(shown(&reply, redirects > 0)) };
            redirects += 1;
            if fetch.redirect == Redirect::Error {
                return Err(Refusal::new("Redirected", format!("redirected to {url}")));
            }
            if redirects > MOST_REDIRECTS {
                return Err(refused(Error::TooManyRedirects));
            }
            permit(function, grants, &url)?;
            redirect(&mut fetch, reply.status, url);
        }
    }

    async fn control(&self, operation: ControlOperation) -> Answer {
        match self.backing.served.get() {
            Some(served) => served.control(operation).await,
            None => {
                Err(Refusal::new("NotHere", "calls can be controlled only on a running server"))
            }
        }
    }

    fn values(&self) -> &dyn Values {
        self.backing.values.get().map_or(&self.short_lived, |values| &**values)
    }

    async fn store(&self, store: String, operation: StoreOperation) -> Answer {
        let (values, now) = (self.values(), Clock::on_the_wall());
        match operation {
            StoreOperation::Get { key } => {
                let found = values.value(store, key, now).await.map_err(broken)?;
                Ok(found.as_ref().map_or(Value::Null, entry))
            }
            StoreOperation::Set { key, value, ttl, revision } => {
                let ends = |ttl: Duration| {
                    let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
                    let end = now.unix_millis().saturating_add(millis);
                    crate::base::WallTime::from_unix_millis(end)
                };
                let new = NewValue { store, key, value, expires: ttl.map(ends), revision };
                match values.keep_value(new, now).await.map_err(broken)? {
                    Kept::As(revision) => Ok(json!({ "revision": revision })),
                    Kept::Conflict(0) => Err(Refusal::new("Conflict", "there is no value there")),
                    Kept::Conflict(_) => {
                        Err(Refusal::new("Conflict", "another value is there already"))
                    }
                    Kept::Full => {
                        let most = crate::store::values::MOST_VALUES;
                        let message = format!("the store is full: it has {most} values");
                        Err(Refusal::new("Full", message))
                    }
                }
            }
            StoreOperation::Delete { key } => {
                Ok(json!(values.remove_value(store, key, now).await.map_err(broken)?))
            }
            StoreOperation::Clear { prefix } => {
                Ok(json!(values.remove_values(store, prefix).await.map_err(broken)?))
            }
            StoreOperation::List { prefix, after, limit } => {
                let found = values.values(store, prefix, after, limit, now).await;
                let mut bytes = 0;
                let within = |kept: &&KeptValue| {
                    bytes += kept.value.len();
                    // One at least, so that whoever goes on behind the last comes forward.
                    bytes <= MOST_LISTED_BYTES || bytes == kept.value.len()
                };
                Ok(found.map_err(broken)?.iter().take_while(within).map(entry).collect())
            }
        }
    }
}

fn entry(kept: &KeptValue) -> Value {
    // What is there was JSON when it was kept.
    let value: Value = serde_json::from_str(&kept.value).unwrap_or_default();
    json!({ "key": kept.key, "value": value, "revision": kept.revision })
}

fn broken(error: StoreError) -> Refusal {
    Refusal::new("Unavailable", error.to_string())
}

fn refused(error: Error) -> Refusal {
    let name = match error {
        Error::Forbidden(_) => "Forbidden",
        Error::TooLarge(_) => "TooLarge",
        Error::TooManyRedirects | Error::BadRedirect(_) => "Redirected",
        Error::BadUrl(_) | Error::BadRequest(_) => "BadOperation",
        _ => "Network",
    };
    Refusal::new(name, error.to_string())
}

/// The request as it goes on to `url` (RFC 9110 section 15.4): as the Fetch standard has it, a
/// POST that was answered 301 or 302 goes on as GET, and what was meant for one origin stays there.
fn redirect(fetch: &mut Fetch, status: u16, url: url::Url) {
    let get = match status {
        301 | 302 => fetch.method == "POST",
        303 => !matches!(&*fetch.method, "GET" | "HEAD"),
        _ => false,
    };
    if get {
        "GET".clone_into(&mut fetch.method);
        fetch.body = None;
        fetch.headers.retain(|(name, _)| !name.to_ascii_lowercase().starts_with("content-"));
    }
    if url.origin() != fetch.url.origin() {
        let personal = |name: &str| PERSONAL.iter().any(|own| own.eq_ignore_ascii_case(name));
        fetch.headers.retain(|(name, _)| !personal(name));
    }
    fetch.url = url;
}

/// A reply as functions see it; a body that is no UTF-8 comes as it is, too.
fn shown(reply: &Reply, redirected: bool) -> Value {
    let headers: Vec<_> = reply.headers.iter().map(|(name, value)| json!([name, value])).collect();
    let mut shown = json!({
        "status": reply.status,
        "statusText": reason(reply.status),
        "url": reply.url,
        "redirected": redirected,
        "headers": headers,
        "text": String::from_utf8_lossy(&reply.body),
    });
    if std::str::from_utf8(&reply.body).is_err() {
        shown["base64"] = STANDARD.encode(&reply.body).into();
    }
    shown
}
