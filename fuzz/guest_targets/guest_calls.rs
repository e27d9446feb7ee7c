//! Guests that call all there is to import, in any order and with any pointers and lengths: each
//! invocation ends as documented and within its limits, and an innocent one after it is none the
//! worse.
//!
//! The guest is an interpreter, compiled once, which takes its program from `random`. Time passes
//! with every look at it, so that nothing depends on the machine.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use offhook::base::{Duration, Instant, WallTime};
use offhook::directory::grants::HostGrant;
use offhook::source::function::ask::{Answer, Asks, MOST_IN_ALL, MOST_UNDER_WAY, Operation};
use offhook::source::function::{
    Event, Failure, Functions, Grants, Host, Limits, Response, Sandbox, Setup,
};

const INTERPRETER: &str = include_str!("guest_calls.wat");
const COMMAND: &str = r#"(func (export "_start") (call $program))"#;
const LIBRARY: &str = r#"(func (export "oh_alloc") (param i32) (result i32)
    (if (i32.load8_u (i32.const 0)) (then (return (i32.const -8)))) (i32.const 32768))
  (func (export "oh_handle") (param i32 i32) (result i64) (call $program) (global.get $reply))"#;
const INNOCENT: &str = r#"(module (memory (export "memory") 1)
  (data (i32.const 0) "innocent")
  (func (export "oh_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "oh_handle") (param i32 i32) (result i64) (i64.const 8)))"#;

const LIMITS: Limits = Limits {
    wall: Duration::from_secs(2),
    running: Duration::from_millis(200),
    memory: 1 << 20,
    log: 4 << 10,
    response: 16 << 10,
};

/// Random bytes are the program; a millisecond passes with every look at the time.
#[derive(Default)]
struct World {
    program: Mutex<VecDeque<u8>>,
    micros: AtomicU64,
    sandbox: OnceLock<Sandbox>,
}

impl Host for World {
    fn now(&self) -> Instant {
        let now = self.micros.fetch_add(1_000, Ordering::Relaxed);
        Instant::ZERO + Duration::from_micros(now)
    }
    fn wall(&self) -> WallTime {
        WallTime::from_unix_millis(u64::MAX)
    }
    fn random(&self, bytes: &mut [u8]) {
        let mut program = lock(&self.program);
        bytes.fill_with(|| program.pop_front().unwrap_or(0xa5));
        if let Some(sandbox) = self.sandbox.get() {
            sandbox.tick();
        }
    }
    fn wait(&self, time: Duration) {
        self.micros.fetch_add(time.as_micros() as u64, Ordering::Relaxed);
    }
    fn asks(&self, function: &str, _: &Arc<Grants>) -> Option<Box<dyn Asks>> {
        assert_ne!(function, "innocent");
        Some(Box::new(Outside::default()))
    }
}

#[derive(Default)]
struct Outside {
    going: VecDeque<u32>,
    begun: u32,
}

impl Asks for Outside {
    fn begin(&mut self, id: u32, _: Operation) {
        self.going.push_back(id);
        self.begun += 1;
        assert!(self.going.len() <= MOST_UNDER_WAY && self.begun <= MOST_IN_ALL);
    }
    fn cancel(&mut self, id: u32) {
        self.going.retain(|going| *going != id);
    }
    fn next(&mut self, _: Duration) -> Option<(u32, Answer)> {
        Some((self.going.pop_front()?, Ok(Default::default())))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sandbox, made once; and one run at a time.
struct Place {
    world: Arc<World>,
    functions: Functions,
    folder: PathBuf,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn place() -> &'static Mutex<Place> {
    static PLACE: OnceLock<Mutex<Place>> = OnceLock::new();
    PLACE.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("offhook-guests-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        for (name, text) in [
            ("command", INTERPRETER.replace("DOOR", COMMAND)),
            ("library", INTERPRETER.replace("DOOR", LIBRARY)),
            ("innocent", INNOCENT.to_owned()),
        ] {
            std::fs::write(folder.join(format!("{name}.wat")), text).expect("written");
        }
        let world = Arc::new(World::default());
        let setup = Setup { cache: None, slots: 1, host: world.clone() };
        let sandbox = Sandbox::new(setup).expect("a sandbox");
        assert!(world.sandbox.set(sandbox.clone()).is_ok());
        let environment = vec![("NAME".to_owned(), "value".to_owned())];
        let grants = ["command", "library"].map(|name| {
            let host = HostGrant::parse("a.example").expect("a host");
            let store = Some(String::new());
            (name.to_owned(), Grants { hosts: vec![host], store, ..Grants::default() })
        });
        let functions = Functions::new(folder.clone(), environment, sandbox);
        let functions = functions.with_grants(grants.into()).with_limits(LIMITS);
        for name in functions.names() {
            assert_eq!(functions.check(&name), Ok(()), "{name}");
        }
        Mutex::new(Place { world, functions, folder })
    })
}

pub fn run(bytes: &[u8]) {
    if let Some((door, program)) = bytes.split_first() {
        answer(*door, program);
    }
}

/// What a program brought; the door is a command's when it is even.
pub fn answer(door: u8, program: &[u8]) -> Response {
    let place = lock(place());
    let length = (program.len() as u16).to_le_bytes();
    *lock(&place.world.program) = length.iter().chain(program).copied().collect();
    let name = if door.is_multiple_of(2) { "command" } else { "library" };
    let answer = place.functions.invoke(name, &Event::default());
    let answer = answer.expect("its place is free and its file is sound");
    check(name, &answer);
    let innocent = place.functions.invoke("innocent", &Event::default()).expect("an answer");
    assert_eq!((innocent.status, &innocent.body[..]), (200, &b"innocent"[..]));
    assert_eq!((innocent.cost.memory, innocent.log.len(), innocent.failure), (65_536, 0, None));
    answer
}

fn check(name: &str, answer: &Response) {
    let said = answer.log.iter().map(|line| line.text.len()).sum::<usize>();
    // Bytes that are no UTF-8 become three; and why it was stopped stands there, too.
    assert!(said <= 3 * LIMITS.log + 4_000, "{said} bytes of log");
    assert!(answer.cost.memory <= LIMITS.memory && answer.body.len() <= LIMITS.response);
    // A look at the time for each part of each call, and one more.
    let late = Duration::from_millis(100);
    assert!(answer.cost.wall <= LIMITS.wall + late, "{:?}", answer.cost);
    match &answer.failure {
        None => assert!((200..600).contains(&answer.status)),
        // A command that exits with 0 has ended well; a library has not answered.
        Some(Failure::Exit(code)) => assert!(*code != 0 || name == "library"),
        Some(failure) => assert_eq!((answer.status, failure.to_string().is_empty()), (500, false)),
    }
}
