//! Kamailio in the middle: as the edge that phones and trunks see, and as dispatcher over two of us.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use super::baresip;
use super::offers::calls;
use super::scenario::{SDP, Scenario, sdp_of};
use super::server::Project;
use super::stage::Stage;
use super::tools::{Running, eventually, free_port};
use super::wire;

const NUMBER: &str = "12223331234";
const TO_MYUSER: &str =
    "<Dial timeout=\"15\" answerOnBridge=\"true\"><Sip>myuser@office.localhost</Sip></Dial>";
/// It is ready well before.
const READY: Duration = Duration::from_secs(20);

/// What both roles need.
const COMMON: &str = r#"#!KAMAILIO
debug=1
log_stderror=yes
fork=yes
children=2
auto_aliases=no
disable_tcp=yes
loadmodule "pv.so"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "path.so"
loadmodule "maxfwd.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "xlog.so"
loadmodule "nathelper.so"
modparam("tm", "fr_timer", 4000)
modparam("tm", "fr_inv_timer", 30000)
modparam("path", "use_received", 1)
modparam("rr", "enable_full_lr", 1)
"#;

/// In-dialog requests go by their Route; what is new goes to `route(NEW)`.
const ROUTING: &str = r#"
request_route {
    if (!mf_process_maxfwd_header("70")) { sl_send_reply("483", "Too Many Hops"); exit; }
    if (is_method("OPTIONS") && uri == myself) { sl_send_reply("200", "Keepalive"); exit; }
    if (is_method("CANCEL")) { if (t_check_trans()) { t_relay(); } exit; }
    if (has_totag()) {
        if (loose_route()) { t_relay(); exit; }
        if (is_method("ACK")) { if (t_check_trans()) { t_relay(); } exit; }
        sl_send_reply("404", "Not here");
        exit;
    }
    t_check_trans();
    if (is_method("INVITE|SUBSCRIBE")) { record_route(); }
    route(NEW);
}
"#;

/// An edge: phones reach the core through it, and the core reaches phones by their Path.
fn edge(project: &Project, core: SocketAddr) -> (Running, SocketAddr) {
    let new = format!(
        r#"
route[NEW] {{
    if ($si == "{ip}" && $sp == {port}) {{
        # From the core: Path led here, and says where the phone is.
        loose_route();
        t_relay();
        exit;
    }}
    if (is_method("REGISTER") && !add_path_received()) {{ sl_send_reply("503", "No path"); exit; }}
    $du = "sip:{core}";
    t_relay();
}}
"#,
        ip = core.ip(),
        port = core.port()
    );
    kamailio(project, &format!("{ROUTING}{new}"), "")
}

/// A dispatcher: the first core that is well gets the call, and the next if it says 503.
fn dispatcher(project: &Project, cores: &[SocketAddr]) -> (Running, SocketAddr) {
    let list = project.folder().join("dispatcher.list");
    let lines: String = cores
        .iter()
        .enumerate()
        .map(|(at, core)| format!("1 sip:{core} 0 {}\n", cores.len() - at))
        .collect();
    fs::write(&list, lines).unwrap();
    let settings = format!(
        r#"
loadmodule "dispatcher.so"
modparam("dispatcher", "list_file", "{}")
modparam("dispatcher", "flags", 2)
modparam("dispatcher", "ds_ping_interval", 1)
modparam("dispatcher", "ds_probing_mode", 1)
modparam("dispatcher", "ds_probing_threshold", 1)
modparam("dispatcher", "ds_inactive_threshold", 1)
modparam("dispatcher", "ds_ping_reply_codes", "class=2")
"#,
        list.display()
    );
    let routes = r#"
route[NEW] {
    if (!ds_select_dst("1", "8")) { sl_send_reply("500", "No core"); exit; }
    t_on_failure("NEXT");
    t_relay();
}
failure_route[NEXT] {
    if (t_is_canceled()) { exit; }
    if ((t_check_status("503") || t_branch_timeout()) && ds_next_dst()) {
        t_on_failure("NEXT");
        t_relay();
        exit;
    }
}
"#;
    kamailio(project, &format!("{ROUTING}{routes}"), &settings)
}

/// Starts one and waits until it answers.
fn kamailio(project: &Project, routes: &str, settings: &str) -> (Running, SocketAddr) {
    let at = SocketAddr::from(([127, 0, 0, 1], free_port("127.0.0.1")));
    let file = project.folder().join("kamailio.cfg");
    fs::write(&file, format!("{COMMON}{settings}listen=udp:{at}\n{routes}")).unwrap();
    let mut command = Command::new("kamailio");
    // In the foreground, as children of ours, with little memory.
    command.args(["-DD", "-E", "-m", "32", "-M", "4", "-f"]).arg(&file);
    command.arg("-Y").arg(project.folder());
    command.arg("-w").arg(project.folder());
    let mut running = Running::start(&mut command, "kamailio", project.folder());
    eventually("kamailio", READY, || {
        let ended = running.child.try_wait().unwrap();
        assert!(ended.is_none(), "kamailio: {ended:?}: {}", running.said());
        running.said().contains("Listening on").then_some(())
    });
    assert!(wire::options(at).starts_with("SIP/2.0 200"), "{}", running.said());
    (running, at)
}

/// REGISTER by a phone whose Contact nobody could reach: only the Path leads to it.
fn register(stage: &Stage, edge: SocketAddr, port: u16) {
    let contact = "Contact: <sip:myuser@10.255.255.1:5060>";
    let aor = "<sip:myuser@office.localhost>";
    let phone = Scenario::calling("sip:office.localhost", aor, aor)
        .outside("REGISTER", &format!("{contact}\nExpires: 300\nSupported: path"), "")
        .challenged(401)
        .outside(
            "REGISTER",
            &format!("{contact}\nExpires: 300\nSupported: path\n[authentication]"),
            "",
        )
        .receive_with(200, &[("Path", "lr;received=sip"), ("Contact", "10.255.255.1")]);
    let login = ["-au", "myuser", "-ap", "Battery-Staple-2", "-auth_uri", "office.localhost"];
    stage.passes(stage.play_at(edge, "registers", &phone, port, &login));
}

#[test]
#[ignore = "interop"]
fn two_baresips_talk_through_an_edge_proxy() {
    let project = baresip::project().tls();
    let server = project.serve();
    let (_kamailio, edge) = edge(&project, server.udp());
    baresip::talk(&project, &server, "udp", edge, 1);
}

#[test]
#[ignore = "interop"]
fn calls_come_back_down_the_path_and_either_side_ends_them() {
    let stage = Stage::new(|project| project.number("+12223331234", TO_MYUSER));
    let (_kamailio, edge) = edge(&stage.project, stage.server.udp());
    let port = free_port("127.0.0.1");
    register(&stage, edge, port);
    let both = |name: &str, caller: &Scenario, phone: &Scenario| {
        let phone = stage.play_at(edge, &format!("phone-{name}"), phone, port, &[]);
        let caller = stage.play_at(
            edge,
            &format!("caller-{name}"),
            caller,
            free_port("127.0.0.1"),
            &["-s", NUMBER],
        );
        stage.passes(caller);
        stage.passes(phone);
    };
    let held = calls()
        .pause(200)
        .request("INVITE", "", &sdp_of("sendonly"))
        .may_receive(&[100])
        .receive_with(200, &[("body", "a=recvonly")])
        .ack()
        .pause(200)
        .request("INVITE", "", SDP)
        .may_receive(&[100])
        .receive(200)
        .ack()
        .pause(200)
        .bye();
    both("held", &held, &answers_any_reinvite());
    let hangs_up = Scenario::called_through_a_proxy()
        .answer_recorded("180 Ringing", "")
        .answer_recorded("200 OK", SDP)
        .wants("ACK")
        .pause(300)
        .request("BYE", "", "")
        .receive(200);
    let is_hung_up = calls().wants("BYE").reply("200 OK", "", "");
    both("hung-up", &is_hung_up, &hangs_up);
    let cancels = Scenario::caller()
        .invite("", SDP)
        .may_receive(&[100])
        .receive(180)
        .pause(300)
        .cancel()
        // The proxy's own 200 for the CANCEL may come before or after.
        .may_receive(&[200])
        .receive(487)
        .ack_refusal();
    let cancelled = Scenario::called_through_a_proxy()
        .answer_recorded("180 Ringing", "")
        .wants("CANCEL")
        .reply("200 OK", "", "")
        .answer_recorded("487 Request Terminated", "")
        .wants("ACK");
    both("cancelled", &cancels, &cancelled);
    stage.server.said();
}

/// A phone that takes the call; what the other side holds is not its matter.
fn answers_any_reinvite() -> Scenario {
    Scenario::called_through_a_proxy()
        .answer_recorded("180 Ringing", "")
        .pause(200)
        .answer_recorded("200 OK", SDP)
        .wants("ACK")
        .wants("BYE")
        .reply("200 OK", "", "")
}

#[test]
#[ignore = "interop"]
fn a_dispatcher_probes_two_of_us_and_passes_over_one_that_drains() {
    let markup = "<Gather timeout=\"20\"/>";
    let other = Project::new(9).number("+12223331234", markup);
    let mut first = other.serve();
    let stage = Stage::new(|project| project.number("+12223331234", markup));
    let cores = [first.udp(), stage.server.udp()];
    let (_kamailio, at) = dispatcher(&stage.project, &cores);
    let call = |name: &str, by: SocketAddr, milliseconds: u32| {
        let contact = format!("{by}");
        let caller = Scenario::caller()
            .invite("", SDP)
            .may_receive(&[100, 180])
            .receive_with(200, &[("Contact", &contact)])
            .ack()
            .pause(milliseconds)
            .bye();
        stage.play_at(at, name, &caller, free_port("127.0.0.1"), &["-s", NUMBER])
    };
    stage.passes(call("well", cores[0], 200));
    let long = call("long", cores[0], 3_000);
    std::thread::sleep(Duration::from_millis(500));
    first.terminate();
    std::thread::sleep(Duration::from_millis(300));
    stage.passes(call("draining", cores[1], 200));
    // The call that was up ends as its parties want, and then the server.
    stage.passes(long);
    let status = first.ended(Duration::from_secs(10)).expect("an end");
    assert!(status.success(), "{status}");
    // Its pings are answered no more: the first one that is tried is the one that is well.
    std::thread::sleep(Duration::from_millis(2_500));
    stage.passes(call("gone", cores[1], 200));
    let invites = |core: SocketAddr| stage.messages("gone").contains(&core.to_string());
    assert!(invites(cores[1]) && !invites(cores[0]));
    stage.server.said();
}
