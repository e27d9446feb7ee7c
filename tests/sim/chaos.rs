//! Random documents, people and networks: whatever happens, every call ends and is written whole.

use std::time::Duration;

use offhook::base::Rng;
use offhook::leg::Refusal;

use crate::world::{Link, NUMBER, OWN_NUMBER, Office, Page, Pickup, VOICE, World};

const ACTION: &str = "https://app.example/action";
const FALLBACK: &str = "https://spare.example/voice";

fn pick<'a>(rng: &mut Rng, choices: &[&'a str]) -> &'a str {
    choices[rng.below(choices.len() as u64) as usize]
}

fn target(rng: &mut Rng) -> String {
    let bob = "<Sip>sip:bob@office.localhost</Sip>";
    let screened = "<Sip url='/screen'>sip:carol@office.localhost</Sip>";
    let number = "<Number sendDigits='w1'>+14155551212</Number>";
    let nobody = "<Sip>sip:nobody@office.localhost</Sip>";
    pick(rng, &[bob, screened, number, nobody]).to_owned()
}

fn verb(rng: &mut Rng) -> String {
    let action = pick(rng, &["action='/action'", ""]);
    match rng.below(9) {
        0 => "<Say>Some words to be said</Say>".to_owned(),
        1 => "<Play loop='2'>/tune.wav</Play>".to_owned(),
        2 => "<Pause length='2'/>".to_owned(),
        3 => format!("<Gather {action} timeout='2'><Say>Press</Say></Gather>"),
        4 => {
            format!("<Record {action} maxLength='5' timeout='2' recordingStatusCallback='/told'/>")
        }
        5 => "<Play digits='1w2'/>".to_owned(),
        6 => pick(rng, &["<Redirect>/action</Redirect>", "<Hangup/>", "<Reject/>"]).to_owned(),
        _ => {
            let mode =
                pick(rng, &["sequential='true'", "answerOnBridge='true'", "hangupOnStar='true'"]);
            let record = pick(
                rng,
                &["", "record='record-from-ringing'", "record='record-from-answer-dual'"],
            );
            let targets: String = (0..=rng.below(2)).map(|_| target(rng)).collect();
            format!(
                "<Dial {action} {mode} {record} timeout='6' timeLimit='9' callerId='{OWN_NUMBER}'>{targets}</Dial>"
            )
        }
    }
}

fn page(rng: &mut Rng) -> Page {
    let verbs: String = (0..=rng.below(3)).map(|_| verb(rng)).collect();
    let page = Page::xml(&verbs);
    match rng.below(12) {
        0 => Page::Status(500),
        1 => Page::Dead,
        2 => Page::Late(Duration::from_secs(rng.below(18)), Box::new(page)),
        3 => Page::Body("<Response><Say>".to_owned(), "text/xml"),
        _ => page,
    }
}

fn people(world: &mut World, rng: &mut Rng) {
    for user in ["bob", "carol"] {
        world.phone(user);
    }
    world.stranger("carrier", "+14155550100", "198.51.100.1:5060");
    world.stranger("caller", "+14155550101", "198.51.100.2:5060");
    for name in ["bob", "carol", "carrier"] {
        let pickup = match rng.below(6) {
            0 => Pickup::Never,
            1 => Pickup::Refuse(Refusal::Busy),
            2 => Pickup::Refuse(Refusal::Declined),
            _ => Pickup::After(Duration::from_millis(rng.below(6_100))),
        };
        world.pickup(name, pickup);
    }
}

/// One call with everything left to chance.
fn chaos(seed: u64, sound: bool) -> World {
    ordered(seed, sound, None)
}

/// The same, which somebody places or changes from outside, too; by chance of its own.
fn ordered(seed: u64, sound: bool, mut orders: Option<Rng>) -> World {
    let mut rng = Rng::from_number(seed ^ 0xc4a05);
    let office = Office::new()
        .fallback(FALLBACK)
        .status_callback("https://app.example/status", &[])
        .trunk("second", "198.51.100.2:5060", &["+9"], None);
    let mut world = World::with(seed, office.build(), sound);
    people(&mut world, &mut rng);
    let loss = [0.0, 0.0, 0.05, 0.1][rng.below(4) as usize];
    world.network.usual = if rng.below(3) == 0 { Link::default() } else { Link::bad(loss) };
    for _ in 0..3 {
        world.web.page(VOICE, page(&mut rng));
        world.web.page(ACTION, page(&mut rng));
    }
    world.web.page(ACTION, Page::xml("<Hangup/>"));
    world.web.page(FALLBACK, Page::xml("<Say>Spare</Say>"));
    let screen = pick(
        &mut rng,
        &["", "<Hangup/>", "<Gather numDigits='1' timeout='3'/><Hangup/>", "<Say>Call</Say>"],
    );
    world.web.page("https://app.example/screen", Page::xml(screen));
    let places = orders.as_mut().is_some_and(|orders| orders.below(2) == 0);
    match orders.as_mut().filter(|_| places) {
        Some(orders) => place(&mut world, orders),
        None => world.dial("caller", NUMBER),
    }
    for _ in 0..rng.below(5) {
        world.millis(rng.below(5_000));
        act(&mut world, &mut rng);
        if let Some(orders) = &mut orders {
            change(&mut world, orders);
        }
    }
    // A document may well ask for itself for ever; people do not listen for ever.
    world.seconds(5);
    if !world.until(60, |world| world.calls() == 0) {
        world.hang_up("caller");
        if orders.is_some() {
            ["bob", "carol", "carrier"].iter().for_each(|name| world.hang_up(name));
        }
    }
    world.end();
    world
}

fn place(world: &mut World, rng: &mut Rng) {
    let to =
        pick(rng, &["client:bob", "sip:carol@office.localhost", "+14155550100", "+9111222333"]);
    let more = pick(rng, &["Timeout", "TimeLimit"]);
    let number = pick(rng, &["4", "9"]);
    let digits = pick(rng, &["", "w1#"]);
    let order = [
        ("To", to),
        ("From", OWN_NUMBER),
        ("Url", VOICE),
        ("FallbackUrl", FALLBACK),
        ("StatusCallback", "https://app.example/status"),
        ("SendDigits", digits),
        (more, number),
    ];
    world.place(&order).expect("it is sound");
}

/// Any leg that there ever was may be meant, and more than one at a time.
fn change(world: &mut World, rng: &mut Rng) {
    for _ in 0..rng.below(3) {
        let legs: Vec<_> = world.rows.calls.keys().copied().collect();
        if legs.is_empty() {
            return;
        }
        let sid = match rng.below(2) {
            0 => legs[rng.below(legs.len() as u64) as usize],
            _ => world.rows.leg(legs.len() - 1).sid,
        };
        let twiml = format!("<Response>{}{}</Response>", verb(rng), verb(rng));
        let parameters = match rng.below(8) {
            0 => [("Status", "completed")],
            1 => [("Status", "canceled")],
            2 | 3 => [("Url", ACTION)],
            _ => [("Twiml", twiml.as_str())],
        };
        let over = world.rows.calls[&sid].status.is_final();
        let changed = world.change(sid, &parameters);
        assert!(!over || !matches!(changed, Some(Ok(_))), "{sid} is over");
        if let Some(Err(denied)) = changed {
            assert_eq!(denied.code, 21220, "{denied}");
        }
    }
}

fn act(world: &mut World, rng: &mut Rng) {
    let name = pick(rng, &["caller", "caller", "bob", "carol", "carrier"]);
    match rng.below(5) {
        0 => world.hang_up(name),
        1 => world.press(name, pick(rng, &["1", "*", "12#"])),
        2 if !world.media.is_sounding() => world.talk(name, rng.below(2) == 0),
        3 if rng.below(3) == 0 => world.unplug(name),
        _ => {}
    }
}

fn check(world: &World, seed: u64) {
    for row in world.rows.calls.values() {
        let ended = row.ended.expect("checked");
        assert!(row.started <= ended, "seed {seed}: {row:?}");
        if let Some(answered) = row.answered {
            assert!(row.started <= answered && answered <= ended, "seed {seed}: {row:?}");
            assert_eq!(row.status.as_str(), "completed", "seed {seed}: {row:?}");
        } else {
            assert_ne!(row.status.as_str(), "completed", "seed {seed}: {row:?}");
        }
    }
    for row in world.rows.recordings.values() {
        assert_ne!(row.status.as_str(), "in-progress", "seed {seed}: {row:?}");
        assert!(row.duration.is_some(), "seed {seed}: {row:?}");
    }
    let ends = world.rows.reported("https://app.example/status", "CallStatus");
    assert_eq!(ends.len(), 1, "seed {seed}: one report of the end");
    for name in ["bob", "carol", "carrier", "caller"] {
        let handset = world.handset(name);
        assert!(handset.dead || !handset.is_busy(), "seed {seed}: {name} still holds the line");
    }
}

/// How many seeds a run takes; nights set `OFFHOOK_SIM_SEEDS` to more.
fn seeds(usual: u64) -> u64 {
    std::env::var("OFFHOOK_SIM_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

#[test]
fn every_call_ends_whole() {
    for seed in 0..seeds(300) {
        check(&chaos(seed, false), seed);
    }
}

#[test]
fn every_call_that_is_placed_or_changed_from_outside_ends_whole() {
    let (mut turned, mut left, mut placed) = (0, 0, 0);
    for seed in 0..seeds(300) {
        let orders = Rng::from_number(seed ^ 0x04de4);
        World::among(1 + (seed % 3) as u8, seed, || {
            let world = ordered(seed, seed % 20 == 0, Some(orders));
            check(&world, seed);
            turned += usize::from(world.told("another document was ordered"));
            left += usize::from(world.told("the leg left the call that dialled it"));
            placed += usize::from(world.rows.leg(0).direction.as_str() == "outbound-api");
        });
    }
    assert!(turned > 40 && left > 4 && placed > 100, "{turned} {left} {placed}");
}

#[test]
fn every_call_ends_whole_with_sound() {
    for seed in 0..seeds(25) {
        check(&chaos(seed, true), seed);
    }
}
