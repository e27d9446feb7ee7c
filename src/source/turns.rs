//! Whose turn it is to run: functions share the sandbox's places, and none starves another.
//!
//! One function runs in so many places at once and no more, the last places are kept for functions
//! of which nothing runs, and what must wait waits in a queue of its own function; free places go
//! round among the queues. Requests from outside and calls' documents stand in the same queues.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::http::Response;

/// How much may run and wait.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Invocations of all functions at one time.
    pub places: usize,
    /// Of these, one function's.
    pub each: usize,
    /// The last places, for functions of which nothing runs.
    pub kept: usize,
    /// One function's requests that wait.
    pub waiting: usize,
    /// All functions' requests that wait.
    pub all_waiting: usize,
    /// The longest that one waits: a caller hangs up sooner than hear of it later.
    pub patience: Duration,
}

impl Bounds {
    /// For so many places: a function may take half of them, a fifth is kept for others.
    pub fn of_places(places: usize) -> Bounds {
        Bounds {
            places,
            each: (places / 2).max(1),
            kept: places / 5,
            // Some seconds' worth of a quick function's burst; a body is at most 1 MiB.
            waiting: 128,
            all_waiting: 1_024,
            patience: Duration::from_secs(5),
        }
    }
}

/// Why a request gets no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Too many wait already.
    Full,
    /// It waited as long as one may.
    Late,
}

impl Refused {
    /// The answer: 503, and to come again in a second.
    pub fn response(self, name: &str) -> Response {
        let why = match self {
            Refused::Full => "too many requests wait for it",
            Refused::Late => "it is too busy",
        };
        let text = format!("503: function {name} cannot run now: {why}; try again");
        Response::text(503, &text).with("Retry-After", "1")
    }
}

/// The queues of all functions.
#[derive(Debug)]
pub struct Turns {
    bounds: Bounds,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    /// Names with something running or waiting; no other entries.
    functions: HashMap<String, Function>,
    /// Names with something waiting, the next to be served first.
    round: VecDeque<String>,
    waiting: usize,
    tickets: u64,
}

#[derive(Debug, Default)]
struct Function {
    running: usize,
    /// May run at one time, as its last request was told.
    most: usize,
    queue: VecDeque<(u64, oneshot::Sender<()>)>,
}

/// The right to run once; given back when dropped.
#[derive(Debug)]
pub struct Turn {
    turns: Arc<Turns>,
    name: String,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.lock().release(&self.turns.bounds, &self.name);
    }
}

/// What entering gives.
#[derive(Debug)]
pub enum Entered {
    /// It may run.
    Now(Turn),
    /// It stands in the queue.
    Later(Waiting),
}

/// A request in a queue, out of it when dropped.
#[derive(Debug)]
pub struct Waiting {
    place: Place,
    given: oneshot::Receiver<()>,
}

impl Waiting {
    /// Waits for the turn, for as long as one may.
    pub async fn turn(mut self) -> Result<Turn, Refused> {
        let patience = self.place.turns.bounds.patience;
        match tokio::time::timeout(patience, &mut self.given).await {
            Ok(Ok(())) => {
                self.place.kept = false;
                let Place { turns, name, .. } = &self.place;
                Ok(Turn { turns: Arc::clone(turns), name: name.clone() })
            }
            _ => Err(Refused::Late),
        }
    }
}

/// A place in a queue, left when dropped; it may have become a turn by then.
#[derive(Debug)]
struct Place {
    turns: Arc<Turns>,
    name: String,
    ticket: u64,
    kept: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.kept {
            self.turns.lock().leave(&self.turns.bounds, &self.name, self.ticket);
        }
    }
}

impl Turns {
    /// Nothing runs or waits yet.
    pub fn new(bounds: Bounds) -> Arc<Turns> {
        Arc::new(Turns { bounds, state: Mutex::default() })
    }

    /// Takes a turn, or a place in the queue. So many of this function run at one time at most: none
    /// means as [`Bounds::each`] says. Never waits.
    pub fn enter(self: &Arc<Self>, name: &str, most: Option<u32>) -> Result<Entered, Refused> {
        let most = most.map_or(self.bounds.each, |most| most as usize);
        let (turns, name) = (Arc::clone(self), name.to_owned());
        let entered = self.lock().enter(&self.bounds, &name, most)?;
        Ok(match entered {
            None => Entered::Now(Turn { turns, name }),
            Some((ticket, given)) => {
                let place = Place { turns, name, ticket, kept: true };
                Entered::Later(Waiting { place, given })
            }
        })
    }

    /// Waits for a turn, as [`Turns::enter`] gives it.
    pub async fn take(self: &Arc<Self>, name: &str, most: Option<u32>) -> Result<Turn, Refused> {
        match self.enter(name, most)? {
            Entered::Now(turn) => Ok(turn),
            Entered::Later(waiting) => waiting.turn().await,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// None when it may run at once.
    fn enter(
        &mut self,
        bounds: &Bounds,
        name: &str,
        most: usize,
    ) -> Result<Option<(u64, oneshot::Receiver<()>)>, Refused> {
        let function = self.functions.entry(name.to_owned()).or_default();
        function.most = most;
        let queued = function.queue.len();
        if queued == 0 && self.may_run(bounds, name) {
            self.run(name);
            return Ok(None);
        }
        if queued >= bounds.waiting || self.waiting >= bounds.all_waiting {
            self.forget_idle(name);
            return Err(Refused::Full);
        }
        if queued == 0 {
            self.round.push_back(name.to_owned());
        }
        self.tickets += 1;
        self.waiting += 1;
        let (give, given) = oneshot::channel();
        let function = self.functions.entry(name.to_owned()).or_default();
        function.queue.push_back((self.tickets, give));
        Ok(Some((self.tickets, given)))
    }

    fn may_run(&self, bounds: &Bounds, name: &str) -> bool {
        let Some(&Function { running, most, .. }) = self.functions.get(name) else { return false };
        let free = bounds.places.saturating_sub(self.running);
        let kept = if running == 0 { 0 } else { bounds.kept };
        running < most && free > kept
    }

    fn run(&mut self, name: &str) {
        self.running += 1;
        self.functions.entry(name.to_owned()).or_default().running += 1;
    }

    /// One has ended.
    fn release(&mut self, bounds: &Bounds, name: &str) {
        self.running = self.running.saturating_sub(1);
        if let Some(function) = self.functions.get_mut(name) {
            function.running = function.running.saturating_sub(1);
        }
        self.forget_idle(name);
        self.serve(bounds);
    }

    /// Who waited waits no longer; if the turn came meanwhile, it goes to the next.
    fn leave(&mut self, bounds: &Bounds, name: &str, ticket: u64) {
        let Some(function) = self.functions.get_mut(name) else { return };
        let Some(at) = function.queue.iter().position(|(known, _)| *known == ticket) else {
            return self.release(bounds, name);
        };
        function.queue.remove(at);
        self.waiting = self.waiting.saturating_sub(1);
        if function.queue.is_empty() {
            self.round.retain(|waiting| waiting != name);
        }
        self.forget_idle(name);
    }

    /// Gives free places to those who wait, by turns.
    fn serve(&mut self, bounds: &Bounds) {
        let mut passed = 0;
        while passed < self.round.len() {
            let Some(name) = self.round.pop_front() else { return };
            if !self.may_run(bounds, &name) {
                self.round.push_back(name);
                passed += 1;
                continue;
            }
            passed = 0;
            let Some(function) = self.functions.get_mut(&name) else { continue };
            let next = function.queue.pop_front();
            let more = !function.queue.is_empty();
            if let Some((_, give)) = next {
                self.waiting = self.waiting.saturating_sub(1);
                self.run(&name);
                // Whoever went away meanwhile leaves, and gives the turn back.
                let _ = give.send(());
            }
            if more {
                self.round.push_back(name);
            }
        }
    }

    fn forget_idle(&mut self, name: &str) {
        let idle = |function: &Function| function.running == 0 && function.queue.is_empty();
        if self.functions.get(name).is_some_and(idle) {
            self.functions.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    fn turns(places: usize, each: usize, kept: usize) -> Arc<Turns> {
        let patience = Duration::from_millis(20);
        Turns::new(Bounds { each, kept, waiting: 3, all_waiting: 5, patience, places })
    }

    type Asking<'a> = Pin<Box<dyn Future<Output = Result<Turn, Refused>> + 'a>>;

    /// A request as far as it comes at once.
    fn ask<'a>(
        turns: &'a Arc<Turns>,
        name: &'a str,
    ) -> (Asking<'a>, Option<Result<Turn, Refused>>) {
        let mut asked: Asking<'a> = Box::pin(turns.take(name, None));
        let now = poll(&mut asked);
        (asked, now)
    }

    fn poll(waiting: &mut Asking<'_>) -> Option<Result<Turn, Refused>> {
        match pin!(waiting).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }

    fn at_once<'a>(turns: &'a Arc<Turns>, name: &'a str) -> Option<Turn> {
        ask(turns, name).1.and_then(Result::ok)
    }

    #[tokio::test]
    async fn a_slow_function_leaves_places_to_others() {
        let turns = turns(10, 6, 2);
        let slow: Vec<Turn> = (0..6).filter_map(|_| at_once(&turns, "slow")).collect();
        assert_eq!(slow.len(), 6);
        let (_waits, now) = ask(&turns, "slow");
        assert!(now.is_none(), "a seventh waits though places are free");
        // Another slow one takes all but the kept places.
        let other: Vec<Turn> = (0..2).filter_map(|_| at_once(&turns, "other")).collect();
        assert_eq!(other.len(), 2);
        assert!(at_once(&turns, "other").is_none());
        let quick = at_once(&turns, "quick").expect("a kept place");
        assert!(at_once(&turns, "quick").is_none(), "the last is for one of which nothing runs");
        assert!(at_once(&turns, "fourth").is_some());
        drop(quick);
        drop((slow, other));
    }

    #[tokio::test]
    async fn a_function_with_a_bound_of_its_own_waits_for_itself() {
        let turns = turns(10, 6, 0);
        let first = turns.take("one", Some(1)).await.expect("free");
        let mut second: Asking<'_> = Box::pin(turns.take("one", Some(1)));
        assert!(poll(&mut second).is_none(), "nine places are free, but not for it");
        drop(first);
        assert!(matches!(poll(&mut second), Some(Ok(_))));
        let many: Vec<_> = (0..9)
            .map(|_| poll(&mut (Box::pin(turns.take("many", Some(9))) as Asking<'_>)))
            .collect();
        assert!(many.iter().all(|turn| matches!(turn, Some(Ok(_)))), "more than `each`, too");
    }

    #[tokio::test]
    async fn free_places_go_round() {
        let turns = turns(1, 1, 0);
        let running = at_once(&turns, "a").expect("free");
        let mut waiting: Vec<(&str, Asking<'_>)> = Vec::new();
        for name in ["a", "a", "a", "b", "c"] {
            let (waits, now) = ask(&turns, name);
            assert!(now.is_none());
            waiting.push((name, waits));
        }
        drop(running);
        let mut order = Vec::new();
        while !waiting.is_empty() {
            let given = waiting
                .iter_mut()
                .enumerate()
                .find_map(|(at, (_, waits))| Some((at, poll(waits)?.ok()?)));
            let (at, turn) = given.expect("somebody's turn");
            order.push(waiting.remove(at).0);
            drop(turn);
        }
        assert_eq!(order, ["a", "b", "c", "a", "a"]);
        let state = turns.lock();
        assert_eq!((state.running, state.waiting, state.functions.len()), (0, 0, 0));
    }

    #[tokio::test]
    async fn queues_are_bounded_and_who_leaves_holds_nothing() {
        let turns = turns(1, 1, 0);
        let running = at_once(&turns, "a").expect("free");
        let queued: Vec<_> = (0..3).map(|_| ask(&turns, "a")).collect();
        assert!(queued.iter().all(|(_, now)| now.is_none()));
        let (_, now) = ask(&turns, "a");
        assert_eq!(now.map(|r| r.err()), Some(Some(Refused::Full)));
        let more: Vec<_> = (0..2).map(|_| ask(&turns, "b")).collect();
        assert!(more.iter().all(|(_, now)| now.is_none()));
        assert_eq!(ask(&turns, "c").1.map(|r| r.err()), Some(Some(Refused::Full)), "all together");
        drop((queued, more));
        assert_eq!(turns.lock().waiting, 0);
        // One that goes away just as its turn comes gives it to the next.
        let (first, _) = ask(&turns, "a");
        let (mut second, _) = ask(&turns, "b");
        drop(running);
        drop(first);
        assert!(matches!(poll(&mut second), Some(Ok(_))));
        assert_eq!(turns.lock().running, 0);
        let response = Refused::Full.response("a");
        assert_eq!((response.status, response.headers.first("retry-after")), (503, Some("1")));
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let turns = turns(1, 1, 0);
        let _running = at_once(&turns, "a").expect("free");
        assert_eq!(turns.take("a", None).await.err(), Some(Refused::Late));
        assert_eq!(turns.lock().waiting, 0);
    }
}
