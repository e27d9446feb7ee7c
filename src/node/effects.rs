//! What the exchange asks of the world, carried out: documents, speech, sounds, rows.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::bindings::{self, Bindings};
use super::orders::Orders;
use super::seeing::Observer;
use super::{RESULTS, rows};
use crate::audio::Clip;
use crate::audio::wav;
use crate::base::Epoch;
use crate::call::{FetchError, Persist, Speech};
use crate::exchange::{Input, Output};
use crate::source::Sources;
use crate::speech::Voices;
use crate::store::Store;

/// Changes that wait for the disk: a minute of 500 calls a second.
const ROWS: usize = 65_536;

/// The longest that a signer's certificate may take; the calls that wait for it went on before.
const CERTIFICATE: std::time::Duration = std::time::Duration::from_secs(5);

/// Everything that effects need.
pub(super) struct Effects {
    pub(super) sources: Arc<Sources>,
    pub(super) voices: Arc<Voices>,
    pub(super) store: Arc<dyn Store>,
    pub(super) observer: Observer,
    orders: Arc<Orders>,
    results: mpsc::Sender<Input>,
    tasks: RefCell<JoinSet<()>>,
    pending: Cell<usize>,
    done: Notify,
    /// Wakes the outbox when rows with callbacks were written.
    pub(super) outbox: Arc<Notify>,
    persists: mpsc::Sender<Persist>,
    /// What of it waits for the store.
    pub(super) unwritten: rows::Unwritten,
    /// Registrations and the states of trunks, which nobody waits for.
    pub(super) bindings: Bindings,
}

impl Effects {
    pub(super) fn new(
        sources: Arc<Sources>,
        voices: Arc<Voices>,
        store: Arc<dyn Store>,
        observer: Observer,
        orders: Arc<Orders>,
        outbox: Arc<Notify>,
        epoch: Epoch,
    ) -> (std::rc::Rc<Self>, mpsc::Receiver<Input>) {
        let (results, receiver) = mpsc::channel(RESULTS);
        let (persists, changes) = mpsc::channel(ROWS);
        let effects = std::rc::Rc::new(Effects {
            sources,
            voices,
            store,
            observer,
            orders,
            results,
            tasks: RefCell::new(JoinSet::new()),
            pending: Cell::new(0),
            done: Notify::new(),
            outbox,
            persists,
            unwritten: rows::Unwritten::default(),
            bindings: Bindings::new(epoch),
        });
        let (writer, keeper) = (std::rc::Rc::clone(&effects), std::rc::Rc::clone(&effects));
        effects.tasks.borrow_mut().spawn_local(rows::write(writer, changes));
        effects.tasks.borrow_mut().spawn_local(bindings::write(keeper));
        (effects, receiver)
    }

    /// A way into the exchange for what is not asked for by it.
    pub(super) fn sender(&self) -> mpsc::Sender<Input> {
        self.results.clone()
    }

    /// Starts one; its result comes through the channel.
    pub(super) fn start(self: &std::rc::Rc<Self>, output: Output) {
        let own = std::rc::Rc::clone(self);
        match output {
            Output::Fetch(ticket, fetch) => self.spawn(async move {
                let asked = own.observer.asked(&fetch);
                let result = own.sources.fetch(&fetch).await;
                own.observer.fetched(asked, (fetch.call, &fetch.url), &result);
                Some(Input::Fetched(ticket, result))
            }),
            Output::Speak(ticket, speech) => self.spawn(async move {
                let result = own.speak(speech).await;
                Some(Input::Sound(ticket, result))
            }),
            Output::Load(ticket, call, url) => self.spawn(async move {
                let result = own.load(call, &url).await;
                Some(Input::Sound(ticket, result))
            }),
            Output::Certificate(url) => self.spawn(async move {
                let fetched =
                    tokio::time::timeout(CERTIFICATE, own.sources.certificate(&url)).await;
                let result = fetched.unwrap_or_else(|_| Err("its server is too slow".to_owned()));
                Some(Input::Certificate(url, result))
            }),
            Output::Persist(persist) => {
                // Calls go on when the disk does not keep up (reliability before bookkeeping).
                let rows = rows::sids(&persist);
                match self.persists.try_send(persist) {
                    Ok(()) => {
                        self.unwritten.add(rows);
                        self.pending.set(self.pending.get() + 1);
                    }
                    Err(_) => rows::tell_lost(&rows, "the disk does not keep up"),
                }
            }
            Output::Binding(change) => self.bindings.put(change),
            Output::Trunk(change) => self.bindings.put_trunk(change),
            Output::Ordered(number, outcome) => self.orders.told(number, outcome),
            // Carried out where they arise.
            Output::Transmit(..)
            | Output::Expect(..)
            | Output::Media(_)
            | Output::Ask(_)
            | Output::Note(_)
            | Output::Registered(_)
            | Output::Peer(..)
            | Output::Told(_) => {}
        }
    }

    fn spawn(self: &std::rc::Rc<Self>, effect: impl Future<Output = Option<Input>> + 'static) {
        let own = std::rc::Rc::clone(self);
        self.pending.set(self.pending.get() + 1);
        let mut tasks = self.tasks.borrow_mut();
        while tasks.try_join_next().is_some() {}
        tasks.spawn_local(async move {
            if let Some(input) = effect.await {
                let _ = own.results.send(input).await;
            }
            own.finished();
        });
    }

    fn finished(&self) {
        self.pending.set(self.pending.get().saturating_sub(1));
        self.done.notify_one();
    }

    /// So many changes were written; with reports, the outbox has something to do.
    pub(super) fn written(&self, count: usize, reports: bool) {
        if reports {
            self.outbox.notify_one();
        }
        self.pending.set(self.pending.get().saturating_sub(count));
        self.done.notify_one();
    }

    /// Changes that wait for the disk.
    pub(super) fn rows_waiting(&self) -> usize {
        self.persists.max_capacity() - self.persists.capacity()
    }

    /// Effects under way.
    pub(super) fn pending(&self) -> usize {
        self.pending.get()
    }

    /// Resolves when an effect ends.
    pub(super) async fn one_done(&self) {
        self.done.notified().await;
    }

    pub(super) async fn close(&self) {
        self.tasks.borrow_mut().abort_all();
    }

    async fn speak(&self, speech: Speech) -> Result<Clip, FetchError> {
        let voices = Arc::clone(&self.voices);
        let spoken = tokio::task::spawn_blocking(move || voices.speak(&speech)).await;
        match spoken {
            Ok(Ok(clip)) => Ok(clip),
            Ok(Err(error)) => Err(FetchError { code: 13520, message: error.to_string() }),
            Err(_) => Err(FetchError { code: 12400, message: "the voice crashed".to_owned() }),
        }
    }

    async fn load(&self, call: crate::base::id::CallSid, url: &str) -> Result<Clip, FetchError> {
        let sound = self.sources.load_sound(call, url).await?;
        let raw = matches!(sound.media_type.as_str(), "audio/basic" | "audio/ulaw");
        let decode = move || match sound.bytes.starts_with(b"RIFF") || !raw {
            true => wav::read(&sound.bytes),
            false => wav::read_ulaw(&sound.bytes),
        };
        match tokio::task::spawn_blocking(decode).await {
            Ok(Ok(clip)) => Ok(clip),
            Ok(Err(error)) => Err(FetchError { code: 13420, message: format!("{url}: {error}") }),
            Err(_) => {
                Err(FetchError { code: 12400, message: format!("{url}: the reader crashed") })
            }
        }
    }
}
