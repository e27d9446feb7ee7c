//! sipp (Debian's sip-tester) as phone, trunk and callee, with scenarios of our own.

use super::stage::{LIMIT, Stage};
use super::tools::{self, free_port};
use super::web::Web;

fn web_of(markup: &'static str) -> Web {
    Web::start(move |request| match request.path.as_str() {
        "/voice" => format!("<Response>{markup}</Response>"),
        _ => "<Response/>".to_owned(),
    })
}

const TO_MYUSER: &str = "<Dial timeout=\"20\"><Sip>myuser@office.localhost</Sip></Dial>";

#[test]
#[ignore = "interop"]
fn a_phone_registers_and_unregisters_by_digest() {
    let stage = Stage::new(|project| project);
    let port = free_port("127.0.0.1");
    stage.register("home", "Correct-Horse-1", port);
    let keys = [
        "-key",
        "user",
        "home",
        "-key",
        "expires",
        "0",
        "-auth_uri",
        "office.localhost",
        "-au",
        "home",
    ];
    stage.passes(stage.sipp("register", port, &[&keys[..], &["-ap", "Correct-Horse-1"]].concat()));
    // A wrong password is never let in: the scenario's 200 does not come.
    let mut wrong = stage.sipp("register", port, &[&keys[..], &["-ap", "wrong"]].concat());
    let status = tools::ended(&mut wrong.child, LIMIT).expect("an end");
    assert!(!status.success(), "a wrong password registers");
    stage.server.said();
}

#[test]
#[ignore = "interop"]
fn a_registered_phone_calls_through_a_function_to_the_trunk() {
    // The function's caller ID must be a number of ours.
    let stage = Stage::new(|project| project.number("+12223331234", "<Hangup/>"));
    let port = free_port("127.0.0.1");
    stage.register("home", "Correct-Horse-1", port);
    let trunk = stage.sipp("rings_and_answers", stage.trunk, &["-d", "500"]);
    let keys = ["-s", "5551231234", "-key", "user", "home", "-au", "home"];
    let more = ["-ap", "Correct-Horse-1", "-d", "1500", "-auth_uri", "5551231234@office.localhost"];
    let phone = stage.sipp("phone_calls", port, &[&keys[..], &more].concat());
    stage.passes(phone);
    stage.passes(trunk);
    let messages = std::fs::read_to_string(
        stage.project.folder().join(format!("rings_and_answers-{}.messages", stage.trunk)),
    )
    .unwrap();
    assert!(messages.contains("INVITE sip:+15551231234@127.0.0.1"), "{messages}");
    assert!(messages.contains("sip:+12223331234@"), "the caller ID: {messages}");
    stage.server.said();
}

#[test]
#[ignore = "interop"]
fn a_number_rings_a_registered_phone() {
    let stage = Stage::new(|project| project.number("+12223331234", TO_MYUSER));
    let port = free_port("127.0.0.1");
    stage.register("myuser", "Battery-Staple-2", port);
    let phone = stage.sipp("rings_and_answers", port, &["-d", "500"]);
    let caller = stage.sipp("trunk_calls", stage.trunk, &["-s", "12223331234", "-d", "1500"]);
    stage.passes(caller);
    stage.passes(phone);

    // The other side may say BYE, too.
    let phone = stage.sipp("answers_and_hangs_up", port, &["-d", "1000"]);
    let caller = stage.sipp("trunk_is_hung_up", stage.trunk, &["-s", "12223331234"]);
    stage.passes(phone);
    stage.passes(caller);
    stage.server.said();
}

#[test]
#[ignore = "interop"]
fn a_webhook_hears_of_a_busy_phone() {
    let web = web_of("<Dial action=\"/after\"><Sip>myuser@office.localhost</Sip></Dial>");
    let url = web.url("/voice");
    let stage = Stage::new(|project| {
        project.more(&format!("[[number]]\nnumber = \"+12223331234\"\nvoice = \"{url}\"\n"))
    });
    let port = free_port("127.0.0.1");
    stage.register("myuser", "Battery-Staple-2", port);
    let phone = stage.sipp("is_busy", port, &[]);
    let caller = stage.sipp("trunk_is_hung_up", stage.trunk, &["-s", "12223331234"]);
    stage.passes(phone);
    stage.passes(caller);
    let asked = web.wait("webhook", |r| r.path == "/voice");
    assert_eq!(asked.parameter("From"), "+15550001111");
    assert_eq!(asked.parameter("To"), "+12223331234");
    assert!(asked.parameter("CallSid").starts_with("CA"), "{asked:?}");
    let after = web.wait("action", |r| r.path == "/after");
    assert_eq!(after.parameter("DialCallStatus"), "busy");
    assert_eq!(after.parameter("CallSid"), asked.parameter("CallSid"));
    stage.server.said();
}

#[test]
#[ignore = "interop"]
fn a_caller_cancels_while_the_phone_rings() {
    let stage = Stage::new(|project| {
        let markup = TO_MYUSER.replace("<Dial", "<Dial answerOnBridge=\"true\"");
        project.number("+12223331234", &markup)
    });
    let port = free_port("127.0.0.1");
    stage.register("myuser", "Battery-Staple-2", port);
    let phone = stage.sipp("rings_and_is_cancelled", port, &[]);
    let caller = stage.sipp("trunk_cancels", stage.trunk, &["-s", "12223331234", "-d", "700"]);
    stage.passes(caller);
    stage.passes(phone);
    stage.server.said();
}

#[test]
#[ignore = "interop"]
fn three_shards_are_one_server() {
    let stage = Stage::new(|project| project.shards(3).number("+12223331234", TO_MYUSER));
    let ports = [free_port("127.0.0.1"), free_port("127.0.0.1")];
    stage.register("home", "Correct-Horse-1", ports[0]);
    stage.register("myuser", "Battery-Staple-2", ports[1]);
    // Each call lives on one of three, whoever keeps the phone and whoever got the datagram.
    for round in 0..9 {
        let phone = stage.sipp("rings_and_answers", ports[1], &["-d", "200"]);
        let call = ["-s", "12223331234", "-d", "600"];
        let caller = match round % 3 {
            0 => {
                let call = [&call[..], &["-t", "t1"]].concat();
                stage.sipp_at(stage.server.tcp(), "trunk_calls", stage.trunk, &call)
            }
            _ => stage.sipp("trunk_calls", free_port("127.0.0.1"), &call),
        };
        stage.passes(caller);
        stage.passes(phone);
    }
    stage.server.said();
}

#[test]
#[ignore = "interop"]
fn a_call_is_held_and_resumed() {
    let stage = Stage::new(|project| project.number("+12223331234", "<Gather timeout=\"20\"/>"));
    let caller = stage.sipp("trunk_holds", stage.trunk, &["-s", "12223331234", "-d", "500"]);
    stage.passes(caller);
    stage.server.said();
}

#[test]
#[ignore = "interop"]
fn options_and_unknown_methods_are_answered_over_udp_tcp_and_ipv6() {
    let stage = Stage::new(|project| project);
    for scenario in ["options", "unknown_method"] {
        let port = free_port("127.0.0.1");
        stage.passes(stage.sipp(scenario, port, &[]));
        stage.passes(stage.sipp_at(stage.server.tcp(), scenario, port + 1, &["-t", "t1"]));
        stage.passes(stage.sipp_at(stage.server.udp6(), scenario, port, &[]));
    }
    stage.server.said();
}

#[test]
#[ignore = "interop"]
fn calls_come_over_tcp_and_ipv6() {
    let stage = Stage::new(|project| {
        project
            .number("+12223331234", "<Gather timeout=\"20\"/>")
            .number("+12223335678", "<Gather timeout=\"1\"/>")
    });
    let (tcp, six) = (stage.server.tcp(), stage.server.udp6());
    for (server, more) in [(tcp, &["-t", "t1"][..]), (six, &[])] {
        let stays = [&["-s", "12223331234", "-d", "700"], more].concat();
        let port = free_port("127.0.0.1");
        stage.passes(stage.sipp_at(server, "trunk_calls", port, &stays));
        let ends = [&["-s", "12223335678"], more].concat();
        let port = free_port("127.0.0.1");
        stage.passes(stage.sipp_at(server, "trunk_is_hung_up", port, &ends));
    }
    stage.server.said();
}
