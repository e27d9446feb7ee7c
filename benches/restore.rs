//! How long a start takes to know 100,000 registered phones again: from the open database file to
//! a registrar that answers, and what each costs in the file and in memory.
//!
//! Target: 2 s, 1 KB of memory each. `cargo bench --bench restore`

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::time::Instant as Clock;

use offhook::base::{Duration, Epoch, Instant, Rng, WallTime};
use offhook::sip::registrar::{BindingChange, Lifetimes, Registrar, StoredBinding};
use offhook::sip::{Flow, Transport};
use offhook::store::{Sqlite, Store};

const PHONES: u32 = 100_000;
/// As the server writes them.
const TOGETHER: usize = 2_048;
/// The best start counts: others share their core with somebody.
const STARTS: u32 = 5;
const BEGINNING: WallTime = WallTime::from_unix_millis(1_795_237_266_000);

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("offhook.db");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()
        .expect("a runtime");
    let begun = Clock::now();
    runtime.block_on(write(&path));
    let wrote = begun.elapsed();
    let size = std::fs::metadata(&path).map_or(0, |file| file.len());
    println!(
        "written  {PHONES} in {wrote:.2?}: {:.0} a second, {} B each in the file",
        f64::from(PHONES) / wrote.as_secs_f64(),
        size / u64::from(PHONES),
    );
    let mut best = Duration::MAX;
    for _ in 0..STARTS {
        let before = resident();
        let begun = Clock::now();
        let (registrar, read) = runtime.block_on(start(&path));
        let took = begun.elapsed();
        assert_eq!(registrar.len(), PHONES as usize, "every phone is back");
        let memory = resident().saturating_sub(before);
        println!("restored {PHONES} in {took:.2?} (read {read:.2?}), {memory} KB more resident");
        best = best.min(took);
    }
    println!("best     {best:.2?}, wanted 2 s");
}

/// Opens the file and restores all of it, as a server does before it is ready.
async fn start(path: &std::path::Path) -> (Registrar, Duration) {
    let begun = Clock::now();
    let store = Sqlite::open(path, &mut Rng::from_number(1)).await.expect("opened");
    let kept = store.bindings().await.expect("read");
    let read = begun.elapsed();
    let mut registrar = Registrar::new(Lifetimes::default()).keeping(Epoch::new(BEGINNING));
    registrar.restore(Instant::ZERO, kept.bindings, Some);
    store.close().await.expect("closed");
    (registrar, read)
}

async fn write(path: &std::path::Path) {
    let store = Sqlite::open(path, &mut Rng::from_number(1)).await.expect("opened");
    let all: Vec<BindingChange> =
        (0..PHONES).map(|n| BindingChange::Set(Box::new(phone(n)))).collect();
    for some in all.chunks(TOGETHER) {
        store.keep(some.into()).await.expect("written");
    }
    store.close().await.expect("closed");
}

/// A phone as they are in the field; users come in no order, as they register.
fn phone(number: u32) -> StoredBinding {
    let user = number.wrapping_mul(2_654_435_761);
    let remote = ([192, 168, (number >> 8) as u8, number as u8], 5060 + (number >> 16) as u16);
    StoredBinding {
        address_of_record: format!("user{user:010}@office.example.com").into(),
        uri: format!("sip:user{user:010}@192.168.1.{}:5062;transport=udp", number % 250),
        flow: Flow {
            transport: Transport::Udp,
            local: ([192, 0, 2, 1], 5060).into(),
            remote: remote.into(),
            connection: 0,
        },
        path: vec![],
        expires: WallTime::from_unix_millis(BEGINNING.unix_millis() + 3_600_000),
        updated: BEGINNING,
        q: 1_000,
        instance: Some(format!("<urn:uuid:00000000-0000-1000-8000-{number:012x}>")),
        reg_id: None,
        user_agent: "Yealink SIP-T46U 108.86.0.20".to_owned(),
        call_id: format!("0_{user}@192.168.1.20"),
        cseq: 2,
    }
}

/// Resident memory in kilobytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}
