//! How calls are answered, refused, given up.

use crate::world::{NUMBER, Page, VOICE, World};

#[test]
fn a_caller_hears_a_sentence_and_is_hung_up() {
    for sounding in [false, true] {
        let mut world = if sounding { World::sounding(1) } else { World::new(1) };
        world.web.page(VOICE, Page::xml("<Say>Hello caller</Say>"));
        world.carrier();
        world.dial("carrier", NUMBER);
        world.end();
        assert_eq!(world.heard("carrier"), ["Hello caller"]);
        assert_eq!(world.rows.statuses(), ["completed"]);
        assert_eq!(world.web.parameter(VOICE, "From"), ["+14155550100"]);
    }
}
