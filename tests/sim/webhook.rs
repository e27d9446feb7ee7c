//! Handlers that are slow, dead, wrong, or go round in circles.

use std::time::Duration;

use crate::world::{NUMBER, Office, Page, VOICE, World};

const FALLBACK: &str = "https://spare.example/voice";
/// What a caller hears when nothing can be had.
const SORRY: &str = "We are sorry. An application error has occurred. Goodbye.";

/// A stranger calls while the handler answers `page`.
fn called_at(page: Page, fallback: Option<Page>) -> World {
    let office = match fallback {
        Some(_) => Office::new().fallback(FALLBACK),
        None => Office::new(),
    };
    let mut world = World::with(1, office.build(), false);
    world.web.page(VOICE, page);
    if let Some(page) = fallback {
        world.web.page(FALLBACK, page);
    }
    world.carrier();
    world.dial("carrier", NUMBER);
    world
}

fn spare() -> Option<Page> {
    Some(Page::xml("<Say>Spare</Say>"))
}

fn late(seconds: u64) -> Page {
    Page::Late(Duration::from_secs(seconds), Box::new(Page::xml("<Say>Late</Say>")))
}

#[test]
fn a_slow_handler_keeps_the_caller_ringing() {
    let mut world = called_at(late(9), spare());
    world.seconds(8);
    assert!(!world.answered("carrier"));
    world.end();
    assert_eq!(world.heard("carrier"), ["Late"]);
}

#[test]
fn a_handler_that_is_too_slow_falls_back() {
    let mut world = called_at(late(20), spare());
    world.end();
    assert_eq!(world.heard("carrier"), ["Spare"]);
    assert_eq!(world.web.parameter(FALLBACK, "ErrorCode"), ["11203"]);
    assert_eq!(world.web.parameter(FALLBACK, "ErrorUrl"), [VOICE]);
}

#[test]
fn a_handler_that_never_says_anything_falls_back_as_well() {
    let mut world = called_at(Page::Never, spare());
    world.end();
    assert_eq!(world.heard("carrier"), ["Spare"]);
    let answered = world.rows.leg(0).answered.expect("answered").unix_millis();
    let rang = answered - world.rows.leg(0).started.unix_millis();
    assert!((30_000..31_000).contains(&rang), "{rang}");
}

#[test]
fn a_dead_handler_falls_back() {
    let mut world = called_at(Page::Dead, spare());
    world.end();
    assert_eq!(world.heard("carrier"), ["Spare"]);
    assert_eq!(world.web.parameter(FALLBACK, "ErrorCode"), ["11202"]);
}

#[test]
fn an_error_of_the_handler_falls_back() {
    let mut world = called_at(Page::Status(500), spare());
    world.end();
    assert_eq!(world.heard("carrier"), ["Spare"]);
    assert_eq!(world.web.parameter(FALLBACK, "ErrorCode"), ["11200"]);
    assert!(world.noted(11200));
}

#[test]
fn broken_markup_falls_back_and_its_place_is_told() {
    let body = "<Response>\n  <Say>Hello</Sai>\n</Response>".to_owned();
    let mut world = called_at(Page::Body(body, "text/xml"), spare());
    world.end();
    assert_eq!(world.heard("carrier"), ["Spare"]);
    assert_eq!(world.web.parameter(FALLBACK, "ErrorCode"), ["12100"]);
    let note = &world.notes.iter().find(|(_, note)| note.code == 12100).expect("noted").1;
    assert!(note.text.contains("2:"), "{}", note.text);
}

#[test]
fn a_foreign_content_type_falls_back() {
    let mut world = called_at(Page::Body("{}".to_owned(), "application/json"), spare());
    world.end();
    assert_eq!(world.web.parameter(FALLBACK, "ErrorCode"), ["12300"]);
}

#[test]
fn a_dead_fallback_leaves_a_spoken_error() {
    let mut world = called_at(Page::Dead, Some(Page::Status(503)));
    world.end();
    assert_eq!(world.heard("carrier"), [SORRY]);
    assert_eq!(world.rows.statuses(), ["completed"]);
    assert_eq!(world.web.asked.len(), 2);
}

#[test]
fn without_a_fallback_the_error_is_spoken_at_once() {
    let mut world = called_at(Page::Status(404), None);
    world.end();
    assert_eq!(world.heard("carrier"), [SORRY]);
}

#[test]
fn redirects_of_the_web_are_followed_and_move_the_base() {
    let other = "https://other.example/deep/voice";
    let mut world = called_at(Page::Moved(other.to_owned()), None);
    world.web.page(other, Page::xml("<Redirect>next</Redirect>"));
    world.web.page("https://other.example/deep/next", Page::xml("<Say>There</Say>"));
    world.end();
    assert_eq!(world.heard("carrier"), ["There"]);
}

#[test]
fn a_web_that_redirects_in_circles_is_an_error() {
    let mut world = called_at(Page::Moved(VOICE.to_owned()), spare());
    world.end();
    assert_eq!(world.web.parameter(FALLBACK, "ErrorCode"), ["11215"]);
}

#[test]
fn documents_that_redirect_in_circles_are_ended() {
    let mut world = called_at(Page::xml("<Redirect/>"), None);
    world.end();
    assert!(world.noted(14106));
    assert_eq!(world.web.asked.len(), 100);
    assert_eq!(world.rows.leg(0).reason, "the documents form a loop");
}

#[test]
fn an_action_that_fails_in_mid_call_falls_back() {
    let mut world = called_at(
        Page::xml("<Say>Hi</Say><Redirect>/broken</Redirect>"),
        Some(Page::xml("<Say>Spare</Say>")),
    );
    world.web.page("https://app.example/broken", Page::Status(500));
    world.end();
    assert_eq!(world.heard("carrier"), ["Hi", "Spare"]);
    assert_eq!(world.web.parameter(FALLBACK, "ErrorUrl"), ["https://app.example/broken"]);
    assert_eq!(world.web.parameter(FALLBACK, "CallStatus"), ["in-progress"]);
}

#[test]
fn plain_text_is_spoken() {
    let mut world = called_at(Page::Body("Just some words.".to_owned(), "text/plain"), None);
    world.end();
    assert_eq!(world.heard("carrier"), ["Just some words."]);
}

#[test]
fn an_empty_document_hangs_up_without_an_answer() {
    let mut world = called_at(Page::xml(""), None);
    world.end();
    assert!(!world.answered("carrier"));
    assert_eq!(world.rows.statuses(), ["no-answer"]);
}

#[test]
fn the_sample_bins_take_a_message() {
    let office = Office::new().handler("bin:welcome").build();
    let mut world = World::with(2, office, true);
    world.carrier();
    world.dial("carrier", NUMBER);
    world.seconds(5);
    world.press("carrier", "1");
    assert!(world.until(30, |world| !world.rows.recordings.is_empty()));
    world.seconds(4);
    world.quiet("carrier");
    world.end();
    let urls = world.web.urls();
    assert_eq!(urls, ["bin:welcome", "bin:menu", "bin:voicemail", "bin:thanks"]);
    let heard = world.heard("carrier");
    assert!(heard.contains(&"Please leave a message after the tone.".to_owned()), "{heard:?}");
    assert_eq!(heard.last().map(String::as_str), Some("Thank you. Goodbye."));
    assert_eq!(world.rows.recording(0).status.as_str(), "completed");
}

#[test]
fn the_end_of_a_call_is_reported() {
    let url = "https://app.example/ended";
    for events in [&[][..], &["initiated", "ringing", "answered", "completed"][..]] {
        let office = Office::new().status_callback(url, events).build();
        let mut world = World::with(3, office, false);
        crate::begin(&mut world, "<Say>Hello there, dear caller</Say>");
        world.end();
        let statuses = world.rows.reported(url, "CallStatus");
        match events.len() {
            0 => assert_eq!(statuses, ["completed"]),
            _ => assert_eq!(statuses, ["ringing", "ringing", "in-progress", "completed"]),
        }
        let durations = world.rows.reported(url, "CallDuration");
        assert_eq!(durations.last().map(String::as_str), Some("2"));
        let (at, _) = world.rows.callbacks.last().expect("a report");
        let row = world.rows.history.iter().find(|(_, p)| !p.callbacks.is_empty()).expect("a row");
        assert!(row.0 <= *at && !row.1.calls.is_empty(), "report and row are one change");
    }
}
