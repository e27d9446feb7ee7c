//! Every way in which a series of digits ends.

use crate::world::{Page, World};
use crate::{called, sounding};

const DONE: &str = "https://app.example/done";

fn with_menu(mut world: World) -> World {
    world.web.page(DONE, Page::xml("<Say>Done</Say>"));
    world.seconds(2);
    world
}

fn gather(attributes: &str) -> World {
    with_menu(called(&format!(
        "<Gather action='/done' {attributes}><Say>Press</Say></Gather><Say>Nothing</Say>"
    )))
}

#[test]
fn the_wanted_number_of_digits() {
    let mut world = gather("numDigits='3'");
    world.press("carrier", "12345");
    world.end();
    assert_eq!(world.web.parameter(DONE, "Digits"), ["123"]);
    assert_eq!(world.web.parameter(DONE, "FinishedOnKey"), [""]);
    assert_eq!(world.heard("carrier"), ["Press", "Done"]);
}

#[test]
fn the_finishing_key() {
    let mut world = gather("");
    world.press("carrier", "42#");
    world.end();
    assert_eq!(world.web.parameter(DONE, "Digits"), ["42"]);
    assert_eq!(world.web.parameter(DONE, "FinishedOnKey"), ["#"]);
}

#[test]
fn another_finishing_key() {
    let mut world = gather("finishOnKey='*'");
    world.press("carrier", "4#*");
    world.end();
    assert_eq!(world.web.parameter(DONE, "Digits"), ["4#"]);
}

#[test]
fn silence_after_some_digits() {
    let mut world = gather("timeout='3'");
    world.press("carrier", "9");
    world.seconds(2);
    assert!(world.web.parameter(DONE, "Digits").is_empty());
    world.end();
    assert_eq!(world.web.parameter(DONE, "Digits"), ["9"]);
}

#[test]
fn silence_without_any_goes_on_with_the_document() {
    let mut world = gather("timeout='2'");
    world.end();
    assert_eq!(world.heard("carrier"), ["Press", "Nothing"]);
    assert_eq!(world.web.asked.len(), 1);
}

#[test]
fn silence_without_any_may_ask_the_action() {
    let mut world = gather("timeout='2' actionOnEmptyResult='true'");
    world.end();
    assert_eq!(world.web.parameter(DONE, "Digits"), [""]);
    assert_eq!(world.heard("carrier"), ["Press", "Done"]);
}

#[test]
fn a_key_cuts_the_prompt_short() {
    let long = "This is a very long prompt that nobody wants to hear to its very end, ever";
    let body = format!("<Gather numDigits='1' action='/done'><Say>{long}</Say></Gather>");
    for mut world in [called(&body), sounding(&body)] {
        world.web.page(DONE, Page::xml("<Say>Done</Say>"));
        world.seconds(2);
        let begun = world.now;
        world.press("carrier", "5");
        world.end();
        assert_eq!(world.web.parameter(DONE, "Digits"), ["5"]);
        let asked = world.web.asked.iter().find(|(_, fetch)| fetch.url == DONE).expect("asked").0;
        assert!(asked - begun < std::time::Duration::from_millis(500), "{:?}", asked - begun);
        assert_eq!(world.heard("carrier").last().map(String::as_str), Some("Done"));
    }
}

#[test]
fn an_action_of_its_own_document_asks_it_again() {
    let mut world = World::new(3);
    let first = Page::xml("<Gather numDigits='1'/>");
    world.web.page(crate::VOICE, first);
    world.web.page(crate::VOICE, Page::xml("<Say>Again</Say>"));
    world.carrier();
    world.dial("carrier", crate::NUMBER);
    world.seconds(1);
    world.press("carrier", "1");
    world.end();
    assert_eq!(world.web.parameter(crate::VOICE, "Digits"), ["", "1"]);
    assert_eq!(world.heard("carrier"), ["Again"]);
}
