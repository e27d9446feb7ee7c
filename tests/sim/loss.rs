//! Networks that lose, repeat, delay and reorder; and runs that repeat to the byte.

use crate::world::{Link, NUMBER, Page, VOICE, World};

const BODY: &str = "<Say>Hello</Say><Dial action='/dialled' record='record-from-answer'>\
                    <Sip>sip:bob@office.localhost</Sip></Dial>";

/// A stranger is joined with bob, and one of them hangs up, over such links.
fn joined(seed: u64, sound: bool, link: Link) -> World {
    let mut world = if sound { World::sounding(seed) } else { World::new(seed) };
    world.network.usual = link;
    world.web.page(VOICE, Page::xml(BODY));
    world.web.page("https://app.example/dialled", Page::xml("<Say>Goodbye</Say>"));
    world.phone_of("bob", "bob", "Secret-of-bob-1");
    world.register("bob");
    assert!(world.until(60, |world| world.is_registered("bob")));
    world.answers_after("bob", 1);
    world.carrier();
    world.dial("carrier", NUMBER);
    // Recording and media for real take a moment to be sure of; resends of SIP take longer.
    let up = world.until(60, |world| world.talk_together("carrier", "bob"));
    assert!(up, "they never talk");
    world.seconds(2);
    world.hang_up("bob");
    world.end();
    world
}

#[test]
fn every_call_completes_at_a_tenth_lost() {
    for seed in 0..60 {
        let mut world = joined(seed, false, Link::bad(0.1));
        assert_eq!(world.rows.statuses(), ["completed", "completed"], "seed {seed}");
        assert_eq!(world.heard("carrier").last().map(String::as_str), Some("Goodbye"));
        assert_eq!(world.web.urls(), [VOICE, "https://app.example/dialled"]);
    }
}

#[test]
fn every_call_completes_when_everything_comes_twice() {
    for seed in 0..20 {
        let link = Link { duplication: 1.0, ..Link::default() };
        let world = joined(seed, false, link);
        assert_eq!(world.rows.statuses(), ["completed", "completed"]);
        assert_eq!(world.rings("bob"), 1);
    }
}

#[test]
fn every_call_completes_out_of_order() {
    for seed in 0..20 {
        let link = Link { reordering: 0.3, ..Link::bad(0.0) };
        let world = joined(seed, false, link);
        assert_eq!(world.rows.statuses(), ["completed", "completed"]);
    }
}

#[test]
fn sound_survives_a_bad_network() {
    let mut world = joined(5, true, Link::bad(0.1));
    let heard = world.heard("carrier");
    assert_eq!(heard.first().map(String::as_str), Some("Hello"), "{heard:?}");
    assert_eq!(heard.last().map(String::as_str), Some("Goodbye"), "{heard:?}");
    assert_eq!(world.rows.recording(0).status.as_str(), "completed");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for sound in [false, true] {
        let run = |seed| joined(seed, sound, Link::bad(0.05)).transcript();
        let (one, two) = (run(21), run(21));
        assert!(one.len() > 20, "{}", one.len());
        for (line, again) in one.iter().zip(&two) {
            assert_eq!(line, again);
        }
        assert_eq!(one.len(), two.len());
        assert_ne!(one, run(22), "another seed is another run");
    }
}
