//! Whole calls in virtual time: one exchange, its media, and a world around it by script.
//!
//! A scenario is a document, the phones' behaviour, what each party hears, and which rows and
//! reports were written. The same seed gives the same bytes twice; a failing scenario prints its
//! seed and the ladder of its messages.

mod answers;
mod chaos;
mod dial;
mod early;
mod endings;
mod events;
mod flows;
mod gather;
mod hold;
mod identity;
mod latch;
mod lines;
mod loss;
mod messages;
mod orders;
mod protocol;
mod record;
mod refer;
mod register;
mod rights;
mod servers;
mod sessions;
mod shards;
mod transfer;
mod trunk;
mod webhook;
mod world;

use world::{NUMBER, Page, VOICE, World};

/// A stranger calls our number, which is answered by that document.
fn called(body: &str) -> World {
    let mut world = World::new(1);
    begin(&mut world, body);
    world
}

/// The same with sound.
fn sounding(body: &str) -> World {
    let mut world = World::sounding(1);
    begin(&mut world, body);
    world
}

fn begin(world: &mut World, body: &str) {
    world.web.page(VOICE, Page::xml(body));
    world.carrier();
    world.dial("carrier", NUMBER);
}
