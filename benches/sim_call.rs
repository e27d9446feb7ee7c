//! How long one core takes for a whole simulated call: INVITE to BYE with one document, both user
//! agents, legs, call, rows and links included; media by script.
//!
//! Target: 2 ms. `cargo bench --bench sim_call`

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::time::{Duration, Instant};

#[path = "../tests/sim/world/mod.rs"]
mod world;

use world::{NUMBER, Page, VOICE, World};

/// Calls of one world; what they leave behind is part of the figure.
const CALLS: u32 = 50;
/// The best batch counts: others share their core with somebody.
const BATCHES: u32 = 40;

fn main() {
    println!("answered by Say    {:?}", best(NUMBER, "<Say>Hello caller</Say>"));
    let body = "<Dial><Sip>sip:bob@office.localhost</Sip></Dial>";
    println!("joined with a user {:?}", best(NUMBER, body));
}

fn best(number: &str, body: &str) -> Duration {
    let mut best = Duration::MAX;
    for seed in 0..BATCHES {
        let mut world = World::new(u64::from(seed));
        world.keep = false;
        world.web.page(VOICE, Page::xml(body));
        world.phone("bob");
        world.answers_after("bob", 1);
        world.carrier();
        let start = Instant::now();
        for _ in 0..CALLS {
            one_call(&mut world, number);
        }
        best = best.min(start.elapsed() / CALLS);
        let whole = world.rows.statuses().iter().all(|status| *status == "completed");
        assert!(whole, "every call is answered and ended");
    }
    best
}

/// From the INVITE until nobody holds the line any more.
fn one_call(world: &mut World, number: &str) {
    world.dial("carrier", number);
    world.until(1, |world| world.calls() > 0);
    world.until(4, |world| world.calls() == 0);
    if world.calls() > 0 {
        world.hang_up("carrier");
    }
    let over = |world: &World| {
        let phones = ["bob", "carrier"].map(|name| world.handset(name).is_busy());
        world.calls() == 0 && phones == [false, false]
    };
    assert!(world.until(5, over), "the call does not end");
}
