//! What tables decide, at which hours, and what is told of those that are wrong.

use std::path::Path;

use jiff::tz::TimeZone;

use super::*;
use crate::base::WallTime;

fn compile(text: &str) -> Compiled {
    Table::compile(Path::new("t.routes.toml"), text)
}

fn table(text: &str) -> Table {
    let Compiled { table, problems } = compile(text);
    assert_eq!(problems, [], "{text}");
    table.expect("a sound table")
}

/// The findings as `line:column: message`, warnings with a `w` before.
fn found(text: &str) -> Vec<String> {
    let told = |p: Problem| {
        let warning = if p.severity == Severity::Warning { "w " } else { "" };
        format!("{warning}{}:{}: {}", p.line, p.column, p.message)
    };
    compile(text).problems.into_iter().map(told).collect()
}

fn at(text: &str) -> WallTime {
    hours::parse_moment(text, &TimeZone::UTC).expect("a moment")
}

fn owned(parameters: &[(&str, &str)]) -> Vec<(String, String)> {
    parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn decide(table: &Table, parameters: &[(&str, &str)], now: WallTime) -> Decision {
    let body = owned(parameters);
    table.decide(&Parameters { body: &body, query: &[] }, now).decision
}

/// What becomes of a call to a number: the target, the words, the reason or the URL.
fn becomes(table: &Table, from: &str, to: &str, now: &str) -> String {
    let Decision { says, action } = decide(table, &[("From", from), ("To", to)], at(now));
    let action = match action {
        Action::Hangup => String::new(),
        Action::Reject(reason) => reason.to_owned(),
        Action::Redirect(url) => url,
        Action::Dial { target, .. } => target,
    };
    format!("{}{action}", says.map(|text| text + "|").unwrap_or_default())
}

fn dialled(table: &Table, to: &str) -> String {
    becomes(table, "sip:home@office", to, "2026-01-01T00:00:00Z")
}

#[test]
fn rules_are_asked_in_order_and_may_go_on() {
    let table = table(
        "[[rewrite]]\nprefix = \"9\"\nresult = \"{rest}\"\ngo_on = true\n\
         [[rewrite]]\nprefix = [\"00\", \"011\"]\nresult = \"+{rest}\"\n\
         [[rewrite]]\nusers = [\"lab@office\"]\nlength = \"3-4\"\nresult = \"+4930{number}\"\n\
         [[rewrite]]\nexact = \"112\"\nresult = \"911\"\n\
         [[rewrite]]\nlength = \"10-\"\nexcept = [\"+\", \"*\"]\nresult = \"{e164}\"\n",
    );
    assert_eq!(dialled(&table, "900442071838750"), "+442071838750");
    assert_eq!(dialled(&table, "011442071838750"), "+442071838750");
    assert_eq!(dialled(&table, "sip:94155550100@office;user=phone"), "+14155550100");
    assert_eq!(dialled(&table, "112"), "911");
    assert_eq!(dialled(&table, "113"), "113", "no rule is about it");
    assert_eq!(dialled(&table, "*1234567890"), "*1234567890");
    let now = "2026-01-01T00:00:00Z";
    assert_eq!(becomes(&table, "sip:lab@OFFICE:5061", "113", now), "+4930113");
    assert_eq!(becomes(&table, "sip:lab@elsewhere", "113", now), "113");
    // As URIs write what cannot stand in them, and as queries lose their plus.
    assert_eq!(dialled(&table, "sip:%2B442071838750;phone-context=x@office"), "+442071838750");
    assert_eq!(dialled(&table, " 442071838750"), "+442071838750");
    assert_eq!(dialled(&table, "tel:+442071838750"), "+442071838750");
}

#[test]
fn the_caller_id_is_of_the_user_and_an_override_may_have_to_be_ours() {
    let text = "[caller_id]\noverride = \"as\"\nOWNED\ndefault = \"+15550100000\"\n\
                numbers = [\"+15550100009\"]\n[caller_id.users]\n\
                home = \"+15550100001\"\n\"home@lab\" = \"+15550100002\"\n\"+15550100003\" = \"{From}\"\n";
    let id = |table: &Table, from: &str, over: &str| {
        let parameters = [("From", from), ("To", "+15550109999"), ("as", over)];
        match decide(table, &parameters, WallTime::default()).action {
            Action::Dial { caller_id, .. } => caller_id.unwrap_or_default(),
            other => panic!("{other:?}"),
        }
    };
    let open = table(&text.replace("OWNED", ""));
    assert_eq!(id(&open, "sip:home@office", ""), "+15550100001");
    assert_eq!(id(&open, "sip:home@lab", ""), "+15550100002", "the whole address says more");
    assert_eq!(id(&open, "sip:Home@office", ""), "+15550100000", "users differ by case");
    assert_eq!(id(&open, "+15550100003", ""), "+15550100003");
    assert_eq!(id(&open, "sip:home@office", "+442071838750"), "+442071838750");
    assert_eq!(id(&open, "sip:home@office", " 442071838750"), "+442071838750", "a lost plus");
    let strict = table(&text.replace("OWNED", "owned = true"));
    assert_eq!(id(&strict, "sip:home@office", "+442071838750"), "+15550100001");
    for ours in ["+15550100009", "+15550100002", "+15550100000"] {
        assert_eq!(id(&strict, "sip:home@office", ours), ours);
    }
}

#[test]
fn who_is_blocked_hears_why_or_is_refused() {
    let table = table(
        "[[block]]\nusers = [\"lobby\"]\nexcept = [\"911\", \"112\"]\nlength = \"4-\"\n\
         say = \"Not from {user} to {number}.\"\n\
         [[block]]\npremium = true\nprefix = \"+4418\"\n\
         [[block]]\ncallers = [\"anonymous\", \"+1900\"]\nreject = \"busy\"\n\
         [[block]]\nexact = [\"+15550100002\", \"+15550100001\"]\nredirect = \"bin:sorry\"\n",
    );
    let now = "2026-01-01T00:00:00Z";
    assert_eq!(becomes(&table, "sip:lobby@o", "+1555", now), "Not from lobby to +1555.|");
    assert_eq!(becomes(&table, "sip:lobby@o", "911", now), "911");
    for paid in ["+19005550100", "+449012345678", "+979123", "+44181"] {
        assert_eq!(becomes(&table, "sip:a@o", paid, now), "rejected");
    }
    assert_eq!(becomes(&table, "anonymous", "+442071838750", now), "busy");
    assert_eq!(becomes(&table, "sip:a@o", "+15550100001", now), "bin:sorry");
    assert_eq!(becomes(&table, "sip:a@o", "+15550100003", now), "+15550100003");
}

#[test]
fn documents_hold_what_the_table_says_and_escape_what_callers_say() {
    let table = table(
        "[say]\nlanguage = \"de-DE\"\n[caller_id]\ndefault = \"+15550100000\"\n\
         [users]\nuri = \"sip:{dialled}@office\"\ndial.timeout = 15\n\
         dial.sip = { statusCallback = \"/functions/s?a=1&b=2\", statusCallbackEvent = [\"ringing\", \"completed\"] }\n\
         [dial]\nrecord = \"record-from-answer\"\naction = \"/functions/after\"\nhangupOnStar = true\n\
         [dial.number]\nurl = \"bin:whisper\"\n\
         [[hours]]\nzone = \"UTC\"\ndates = [\"2026-12-25\"]\nsay = \"Nobody <here>, {user}.\"\nredirect = \"bin:voicemail\"\n",
    );
    let xml = |to: &str, now: &str| {
        let body = owned(&[("From", "sip:a&%22b@o"), ("To", to)]);
        let xml = table.decide(&Parameters { body: &body, query: &[] }, at(now)).xml;
        crate::verb::Document::parse(xml.as_bytes(), None).expect("a document");
        xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").expect("its head").to_owned()
    };
    let (day, feast) = ("2026-12-24T12:00:00Z", "2026-12-25T12:00:00Z");
    assert_eq!(
        xml("+15551231234", day),
        "<Response><Dial callerId=\"+15550100000\" record=\"record-from-answer\" \
         action=\"/functions/after\" hangupOnStar=\"true\"><Number url=\"bin:whisper\">+15551231234\
         </Number></Dial></Response>"
    );
    assert_eq!(
        xml("sip:bob@x", day),
        "<Response><Dial callerId=\"+15550100000\" timeout=\"15\"><Sip \
         statusCallback=\"/functions/s?a=1&amp;b=2\" statusCallbackEvent=\"ringing completed\">\
         sip:bob@office</Sip></Dial></Response>"
    );
    assert_eq!(
        xml("+15551231234", feast),
        "<Response><Say language=\"de-DE\">Nobody &lt;here&gt;, a&amp;\"b.</Say>\
         <Redirect>bin:voicemail</Redirect></Response>"
    );
}

#[test]
fn incoming_calls_find_users_and_the_night_another_number() {
    let table = table(
        "zone = \"Europe/Berlin\"\n\
         [[rewrite]]\nwhy = \"front desk\"\nexact = \"+4930123456\"\nresult = \"sip:desk@office\"\n\
         [[hours]]\nwhen = \"outside\"\ndays = [\"mon-thu\", \"friday\"]\n\
         times = [\"09:00-12:00\", \"13:00-17:30\"]\ndial = \"+491701234567\"\n",
    );
    let goes = |now: &str| becomes(&table, "+15550100001", "+4930123456", now);
    assert_eq!(goes("2026-11-20T08:00:00Z"), "sip:desk@office", "Friday, nine in Berlin");
    assert_eq!(goes("2026-11-20T07:59:59Z"), "+491701234567");
    assert_eq!(goes("2026-11-20T11:30:00Z"), "+491701234567", "lunch");
    assert_eq!(goes("2026-11-20T16:29:59Z"), "sip:desk@office");
    assert_eq!(goes("2026-11-20T16:30:00Z"), "+491701234567");
    assert_eq!(goes("2026-11-21T10:00:00Z"), "+491701234567", "Saturday");
}

/// A table that rejects as busy at some hours.
fn closed(hours: &str) -> impl Fn(&str) -> bool {
    let table = table(&format!("[[hours]]\nreject = \"busy\"\n{hours}\n"));
    move |now| becomes(&table, "", "+15550100001", now) == "busy"
}

#[test]
fn clocks_that_change_move_no_office_hours() {
    let open = closed("zone = \"Europe/Berlin\"\nfrom = 09:00:00\nto = 17:00:00");
    // Winter time until 29 March 2026, summer time until 25 October.
    assert!(!open("2026-03-28T07:59:59Z") && open("2026-03-28T08:00:00Z"));
    assert!(!open("2026-03-29T06:59:59Z") && open("2026-03-29T07:00:00Z"));
    assert!(open("2026-03-29T14:59:59Z") && !open("2026-03-29T15:00:00Z"));
    assert!(!open("2026-10-25T07:59:59Z") && open("2026-10-25T08:00:00Z"));

    // The hour that is left out never comes; the hour that comes twice is twice as long.
    let two = closed("zone = \"Europe/Berlin\"\nfrom = \"02:00\"\nto = \"03:00\"");
    assert!(!two("2026-03-29T00:59:59Z") && !two("2026-03-29T01:00:00Z"));
    assert!(two("2026-10-25T00:00:00Z") && two("2026-10-25T01:59:59Z"));
    assert!(!two("2026-10-24T23:59:59Z") && !two("2026-10-25T02:00:00Z"));

    // South of the equator it is the other way round, on other days.
    let south = closed("zone = \"Pacific/Auckland\"\nfrom = \"09:00\"\nto = \"17:00\"");
    assert!(!south("2026-04-03T19:59:59Z") && south("2026-04-03T20:00:00Z"), "NZDT, +13");
    assert!(!south("2026-04-05T20:59:59Z") && south("2026-04-05T21:00:00Z"), "NZST, +12");
    assert!(!south("2026-09-27T19:59:59Z") && south("2026-09-27T20:00:00Z"));
    // Far years have the rules of now, and the end of the calendar is no panic.
    assert!(open("2090-07-03T07:30:00Z") && !open("2090-01-03T07:30:00Z"));
    let table = self::table("zone = \"Asia/Kolkata\"\n[[hours]]\nreject = \"busy\"\n");
    decide(&table, &[("To", "1")], WallTime::from_unix_millis(u64::MAX));
}

#[test]
fn nights_belong_to_the_day_on_which_they_begin() {
    let night = closed("zone = \"UTC\"\ndays = \"fri\"\nfrom = \"22:00\"\nto = \"06:00\"");
    assert!(!night("2026-11-20T21:59:59Z") && night("2026-11-20T22:00:00Z"), "Friday");
    assert!(night("2026-11-21T05:59:59Z") && !night("2026-11-21T06:00:00Z"));
    assert!(!night("2026-11-20T05:00:00Z") && !night("2026-11-21T22:00:00Z"));
    let weekend = closed("zone = \"UTC\"\ndays = [\"sat-mon\"]");
    assert!(!weekend("2026-11-20T23:59:59Z") && weekend("2026-11-21T00:00:00Z"));
    assert!(weekend("2026-11-23T23:59:59Z") && !weekend("2026-11-24T00:00:00Z"));
    let all = closed("zone = \"UTC\"\nto = \"24:00\"");
    assert!(all("2026-11-20T23:59:59Z") && all("2026-11-20T00:00:00Z"));
}

#[test]
fn holidays_are_closed_and_some_come_every_year() {
    let shut = closed(
        "zone = \"America/New_York\"\nwhen = \"outside\"\ndays = \"mon-fri\"\nfrom = \"09:00\"\n\
         to = \"17:00\"\nholidays = [2026-11-26, \"12-24..01-02\", \"2027-07-05..2027-07-06\"]",
    );
    assert!(!shut("2026-11-25T15:00:00Z") && shut("2026-11-26T15:00:00Z"));
    assert!(shut("2026-12-24T15:00:00Z") && shut("2027-01-01T15:00:00Z"));
    assert!(shut("2031-12-31T15:00:00Z") && !shut("2027-01-04T15:00:00Z"));
    assert!(shut("2027-07-05T15:00:00Z") && shut("2027-07-06T15:00:00Z"));
    assert!(!shut("2027-07-07T15:00:00Z") && !shut("2028-07-05T15:00:00Z"));
}

#[test]
fn an_explanation_goes_rule_by_rule_with_lines() {
    let table = table(
        "[caller_id]\ndefault = \"+15550100000\"\n\
         [[rewrite]]\nwhy = \"New Zealand\"\nprefix = \"64\"\nlength = 10\nresult = \"+{number}\"\n\
         [[rewrite]]\nwhy = \"Singapore\"\nprefix = \"65\"\nresult = \"+{number}\"\n\
         [[hours]]\nwhy = \"night\"\nzone = \"Asia/Singapore\"\nfrom = \"20:00\"\nto = \"07:00\"\n\
         reject = \"busy\"\n",
    );
    let body = owned(&[("From", "sip:a@o"), ("To", "sip:6591234567@o")]);
    let parameters = Parameters { body: &body, query: &[] };
    let explanation = table.decide(&parameters, at("2026-11-21T03:00:00Z"));
    assert_eq!(
        explanation.to_string(),
        "t.routes.toml: From \"sip:a@o\", To \"sip:6591234567@o\", Sat, 21 Nov 2026 03:00:00 +0000\n\
         > line 1    caller_id: nothing for the user \"a\": +15550100000 by default\n\
         \x20 line 3    rewrite \"New Zealand\": no, it does not begin with 64\n\
         > line 8    rewrite \"Singapore\": 6591234567 becomes +6591234567\n\
         \x20 line 12   hours \"night\": no, Sat 2026-11-21 11:00 +08 is not every day 20:00-07:00 \
         Asia/Singapore\n\
         > end       dial: +6591234567 as +15550100000\n\
         decided by line 8: rewrite \"Singapore\"\n"
    );
    assert_eq!(
        explanation.log().collect::<Vec<_>>(),
        [
            "t.routes.toml:1: caller_id: nothing for the user \"a\": +15550100000 by default",
            "t.routes.toml:8: rewrite \"Singapore\": 6591234567 becomes +6591234567",
            "dial: +6591234567 as +15550100000",
        ]
    );
    let explanation = table.decide(&parameters, at("2026-11-21T13:00:00Z"));
    let text = explanation.to_string();
    let wanted = "> line 12   hours \"night\": Sat 2026-11-21 21:00 +08: every day 20:00-07:00";
    assert!(text.contains(wanted), "{text}");
    assert!(text.ends_with("decided by line 12: hours \"night\"\n"), "{text}");
    assert_eq!(explanation.decision.action, Action::Reject("busy"));
}

#[test]
fn tests_beside_the_rules_name_the_rule_that_decided() {
    let text = "zone = \"Europe/Berlin\"\n\
                [[rewrite]]\nwhy = \"Singapore\"\nprefix = \"65\"\nresult = \"+{number}\"\n\
                [[hours]]\nwhy = \"lunch\"\nfrom = \"12:00\"\nto = \"13:00\"\nsay = \"At lunch.\"\n\
                [[test]]\nname = \"Singapore\"\nto = \"6591234567\"\nat = \"2026-11-21 10:00\"\n";
    let with = |more: &str| found(&format!("{text}{more}"));
    assert_eq!(with("dials = \"+6591234567\"\nrule = \"Singapore\"\n"), [""; 0]);
    assert_eq!(
        with("dials = \"+16591234567\"\n"),
        ["15:9: test \"Singapore\" fails: expected that it dials \"+16591234567\", but it dials \
          \"+6591234567\"; line 2 decided at Sat 2026-11-21 10:00 CET, rewrite \"Singapore\": \
          6591234567 becomes +6591234567"]
    );
    assert_eq!(
        with("caller_id = \"+1\"\n"),
        [
            "15:13: test \"Singapore\" fails: expected that it calls as \"+1\", but it sets no caller ID; \
          line 2 decided at Sat 2026-11-21 10:00 CET, rewrite \"Singapore\": 6591234567 becomes \
          +6591234567"
        ]
    );
    let lunch = text.replace("10:00\"", "12:59\"");
    assert_eq!(found(&format!("{lunch}says = \"lunch\"\n")), [""; 0]);
    let told = found(&format!("{lunch}dials = \"+6591234567\"\n"));
    assert!(told[0].contains("but it says \"At lunch.\" and hangs up; line 6 decided"), "{told:?}");
    let timeless = text.replace("at = \"2026-11-21 10:00\"\n", "dials = \"+6591234567\"\n");
    let told = found(&timeless);
    assert!(
        told[0].starts_with("11:1: test \"Singapore\" fails: what it expects depends"),
        "{told:?}"
    );
    assert!(with("")[0].starts_with("11:1: test: expects nothing; write dials"));
}

#[test]
fn mistakes_are_found_at_their_places_with_the_nearest_word() {
    for (text, wanted) in [
        ("[dail]\n", "1:2: unknown key \"dail\"; did you mean \"dial\"?"),
        (
            "[dial]\ntimeuot = 3\n",
            "2:1: unknown key \"timeuot\" in [dial]; did you mean \"timeout\"?",
        ),
        (
            "[[rewrite]]\nprefx = \"1\"\nresult = \"+{number}\"\n",
            "2:1: unknown key \"prefx\" in [rewrite]; did you mean \"prefix\"?",
        ),
        (
            "[[rewrite]]\nprefix = \"1x\"\nresult = \"+{number}\"\n",
            "2:10: \"1x\" cannot be dialled; write digits, +, * and # only",
        ),
        (
            "[[rewrite]]\nresult = \"+{nummer}\"\n",
            "2:10: result: nothing is named {nummer}; did you mean \"number\"?",
        ),
        (
            "[[rewrite]]\nresult = \"+{rest}\"\n",
            "2:10: result: {rest} is what comes after the prefix, and this rule has none",
        ),
        (
            "[[rewrite]]\nlength = \"11-8\"\nresult = \"911\"\n",
            "2:10: length: ends before it begins",
        ),
        (
            "[[rewrite]]\nprefix = \"1\"\n",
            "1:1: result: what does it become? Write such as result = \"+1{number}\"",
        ),
        (
            "[caller_id]\ndefault = \"415-555-0100\"\n",
            "2:11: \"415-555-0100\" is not in E.164; did you mean \"+14155550100\"?",
        ),
        (
            "[caller_id.users]\nhome = \"home\"\n",
            "2:8: \"home\" is no number in E.164, such as \"+14155550100\"",
        ),
        (
            "[caller_id]\ndefault = \"+15550100000\"\n[dial]\ncallerId = \"+1\"\n",
            "4:1: callerId is decided by [caller_id]; take it out here",
        ),
        (
            "[dial]\nrecord = \"maybe\"\n",
            "2:1: record of <Dial> is \"maybe\"; do-not-record is taken (expected do-not-record, \
          record-from-answer, record-from-ringing, record-from-answer-dual, \
          record-from-ringing-dual, true, false)",
        ),
        (
            "[dial]\nreferUrl = \"/x\"\n",
            "w 2:1: referUrl of <Dial> is not supported here yet and is ignored",
        ),
        ("[[block]]\nreject = \"bsy\"\n", "2:10: reject: expected \"rejected\" or \"busy\""),
        (
            "[[hours]]\nzone = \"Europe/Berln\"\nsay = \"x\"\n",
            "2:8: zone: there is no time zone \"Europe/Berln\"; did you mean \"Europe/Berlin\"?",
        ),
        ("[[hours]]\nfrom = \"9\"\nsay = \"x\"\n", "2:8: from: \"9\" is no time; write \"09:00\""),
        (
            "[[hours]]\ndays = \"mon-fry\"\nsay = \"x\"\n",
            "2:8: days: \"mon-fry\" is no day; write \"mon\" or \"mon-fri\"",
        ),
        (
            "[[hours]]\nholidays = [\"02-30\"]\nsay = \"x\"\n",
            "2:13: holidays: \"02-30\" is no date; write \"2026-12-25\", \"12-25\" or \"12-24..12-26\"",
        ),
        (
            "[[hours]]\nfrom = \"09:00\"\n",
            "1:1: nothing happens here: write say, dial, redirect or reject",
        ),
        (
            "[[hours]]\nsay = \"x\"\nreject = \"busy\"\n",
            "3:10: reject: who is refused hears nothing; take out `say` or this",
        ),
        (
            "[users]\ncaller_id = false\n",
            "1:1: users: write uri = \"sip:{dialled}@office.example\"",
        ),
    ] {
        assert_eq!(found(text), [wanted], "{text}");
    }
    assert!(found("[dial\n")[0].starts_with("1:6: "), "{:?}", found("[dial\n"));
}

#[test]
fn rules_that_never_speak_or_not_always_are_told_of() {
    let rule = |more: &str| format!("[[rewrite]]\n{more}\nresult = \"+{{number}}\"\n");
    let two = |one: &str, other: &str| found(&(rule(one) + &rule(other)));
    assert_eq!(
        two("prefix = \"65\"", "prefix = \"650\"\nlength = 10"),
        ["w 4:1: rewrite: it can never speak: line 1 takes all of it"]
    );
    assert_eq!(two("prefix = \"650\"\nlength = 10", "prefix = \"65\""), [""; 0], "an exception");
    assert_eq!(
        two("prefix = \"64\"\nlength = \"8-10\"", "prefix = \"64\"\nlength = \"10-12\""),
        [
            "w 5:1: rewrite: line 1 takes numbers that begin with 64 and have a length of 10 before it, \
          by its place"
        ]
    );
    assert_eq!(
        two("why = \"short\"\nlength = 10", "prefix = \"+\""),
        [
            "w 5:1: rewrite: line 1, \"short\", takes numbers that begin with + and have a length of 10 \
          before it, by its place"
        ]
    );
    assert_eq!(two("prefix = \"64\"\ngo_on = true", "prefix = \"64\""), [""; 0]);
    assert_eq!(two("users = [\"a\"]", "prefix = \"64\""), [""; 0]);
    assert_eq!(two("users = [\"a\"]\nprefix = \"6\"", "users = [\"b\"]\nprefix = \"64\""), [""; 0]);
    assert_eq!(two("prefix = \"6\"\nexcept = [\"64\"]", "prefix = \"64\""), [""; 0]);
    assert_eq!(
        two("prefix = \"6\"", "exact = [\"64\", \"65\"]"),
        ["w 4:1: rewrite: it can never speak: line 1 takes all of it"]
    );
    assert_eq!(
        found(&rule("prefix = \"6500\"\nlength = 3")),
        ["w 1:1: rewrite: it can never speak: no number is so short with that prefix"]
    );
    let blocks = "[[block]]\nprefix = \"+1\"\n[[block]]\nprefix = \"+1900\"\nsay = \"No.\"\n";
    assert_eq!(found(blocks), ["w 3:1: block: it can never speak: line 1 takes all of it"]);
}

#[test]
fn the_samples_are_sound() {
    for text in [
        include_str!("../../../samples/first/functions/outbound.routes.toml"),
        include_str!("../../../functions/samples/outbound.routes.toml"),
        include_str!("../../../functions/samples/caller-id.routes.toml"),
    ] {
        assert_eq!(found(text), [""; 0]);
    }
}

/// The chapter about tables shows one with everything in it; it is as sound as it looks.
#[test]
fn the_documented_table_is_sound() {
    let chapter = include_str!("../../../docs/tables.md");
    let lines = chapter.lines().skip_while(|line| !line.starts_with("    zone"));
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
    let text: Vec<&str> = lines.map(str::trim_start).collect();
    let table = table(&text.join("\n"));
    assert_eq!(table.run_tests().len(), 1);
    let saturday = at("2026-11-21T00:00:00Z");
    let decision = decide(&table, &[("From", "sip:home@x"), ("To", "+15550100001")], saturday);
    assert_eq!(decision.says.as_deref(), Some("We are closed."));
    assert_eq!(decision.action, Action::Redirect("bin:voicemail".to_owned()));
}

#[test]
fn long_tables_are_refused_rather_than_compared_for_ever() {
    let many = "[[rewrite]]\nresult = \"{number}\"\ngo_on = true\n".repeat(1001);
    assert!(found(&many)[0].ends_with("more than 1000 of [[rewrite]]"));
    let numbers: Vec<String> = (0..5000).map(|n| format!("\"+1555{n:07}\"")).collect();
    let list = format!("[[block]]\nexact = [{}]\n", numbers.join(", "));
    let table = table(&list);
    assert_eq!(dialled(&table, "+15550004999"), "rejected");
    assert_eq!(dialled(&table, "+15550005000"), "+15550005000");
}

/// One number in the ways in which callers can write it, which `<Dial>` all reads as the same.
const PAID: [&str; 13] = [
    "+19005550100",
    "sip:+1-900-555-0100@x",
    "sip:%2B1%20(900)%20555.0100@x",
    "+1.900.5550100",
    "+1(900)5550100",
    "1-900-555-0100",
    "9005550100",
    "01119005550100",
    "0019005550100",
    " 19005550100",
    "+1\u{a0}900/555-0100",
    "+1\u{1}900\t5550100",
    "sip:tel:+19005550100@x",
];

#[test]
fn no_way_of_writing_a_number_passes_what_keeps_it() {
    let now = "2026-01-01T00:00:00Z";
    for condition in [
        "premium = true",
        "prefix = \"+1900\"",
        "exact = [\"+19005550100\", \"+442071838750\"]",
        "prefix = \"+1900\"\nlength = 12",
        "prefix = \"+1900\"\nexcept = [\"+1900666\"]",
    ] {
        let gate = table(&format!("[[block]]\n{condition}\n"));
        let night = table(&format!("zone = \"UTC\"\n[[hours]]\nreject = \"busy\"\n{condition}\n"));
        for to in PAID {
            assert_eq!(becomes(&gate, "sip:a@o", to, now), "rejected", "{condition}: {to:?}");
            assert_eq!(becomes(&night, "sip:a@o", to, now), "busy", "{condition}: {to:?}");
        }
        assert_eq!(becomes(&gate, "sip:a@o", "1-800-555-0100", now), "18005550100");
    }
    // What is left out is left out however it is written, too.
    let gate = table("[[block]]\nprefix = [\"1\", \"+1\"]\nexcept = [\"+1800\", \"911\"]\n");
    for to in ["18005550100", "+1 800 555 0100", "800-555-0100", "911"] {
        assert!(!becomes(&gate, "sip:a@o", to, now).contains("rejected"), "{to}");
    }
    // Callers write theirs as they like.
    let callers = table("[[block]]\ncallers = [\"+1900\"]\n");
    for from in PAID {
        assert_eq!(becomes(&callers, from, "+442071838750", now), "rejected", "{from:?}");
    }
    // A gateway is called with the number in its address.
    let gateway = table(
        "[[rewrite]]\nresult = \"sip:{number}@gateway.example\"\n[[block]]\npremium = true\n",
    );
    assert_eq!(becomes(&gateway, "sip:a@o", "1-900-555-0100", now), "rejected");
    let called = becomes(&gateway, "sip:a@o", "1-800-555-0100", now);
    assert_eq!(called, "sip:18005550100@gateway.example");
}

#[test]
fn rewriting_sees_digits_without_what_stands_between_them() {
    let table = table(
        "[users]\nuri = \"sip:{dialled}@office\"\n\
         [[rewrite]]\nprefix = \"64\"\nlength = 10\nresult = \"+{number}\"\n\
         [[rewrite]]\nexact = \"4155550100\"\nresult = \"+1-{number}\"\ngo_on = true\n\
         [[rewrite]]\nprefix = \"+1415\"\nresult = \"+1510{rest}\"\n\
         [[rewrite]]\nprefix = \"9\"\nexcept = [\"911\"]\nresult = \"{rest}\"\n",
    );
    for (to, target) in [
        ("sip:64-21 123.456@x", "+6421123456"),
        ("(415) 555-0100", "+15105550100"),
        ("9-1-1", "911"),
        ("9 020-7183", "0207183"),
        ("*9-8", "*98"),
        ("sip:john.smith-2@x", "sip:john.smith-2@office"),
    ] {
        assert_eq!(dialled(&table, to), target, "{to}");
    }
}

#[test]
fn an_empty_table_is_no_table() {
    for text in ["", "\n\n", "# Whom we call.\n"] {
        let told = found(text);
        assert!(told.len() == 1 && told[0].starts_with("1:1: is empty: "), "{told:?}");
    }
    assert_eq!(found("[dial]\n"), [""; 0], "this one says that it lets everything through");
}

#[test]
fn one_table_and_many_of_them_are_told_apart() {
    for (wrong, wanted) in [
        (
            "[rewrite]\nexact = \"1\"\nresult = \"2\"\n",
            "write [[rewrite]] in the place of [rewrite]",
        ),
        ("[hours]\nfrom = \"20:00\"\n", "write [[hours]] in the place of [hours]"),
        ("[test]\nto = \"1\"\n", "write [[test]] in the place of [test]"),
        ("[[dial]]\nrecord = true\n", "write [dial] in the place of [[dial]]"),
        ("[[caller_id]]\n", "write [caller_id] in the place of [[caller_id]]"),
    ] {
        let found = found(wrong);
        assert!(
            matches!(&found[..], [only] if only.starts_with("1:1: ") && only.ends_with(wanted)),
            "{found:?}"
        );
    }
}
