//! The commands that need no server: `new`, `check`, `preview`, `test`, and two phones on loopback.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_offhook");

/// Runs the program in a folder; gives exit code, standard output and standard error.
fn offhook(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let cache = env!("CARGO_TARGET_TMPDIR");
    let run = Command::new(PROGRAM)
        .args(arguments)
        .current_dir(folder)
        .env("XDG_CACHE_HOME", cache)
        .output();
    let Output { status, stdout, stderr } = run.expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (status.code().expect("an exit code"), text(stdout), text(stderr))
}

/// A fresh sample project.
fn project() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, told, errors) = offhook(folder.path(), &["new", "."]);
    assert_eq!((code, errors.as_str()), (0, ""), "{told}");
    folder
}

fn write(folder: &TempDir, name: &str, text: &str) {
    fs::write(folder.path().join(name), text).expect("written");
}

fn replace(folder: &TempDir, name: &str, from: &str, to: &str) {
    let text = fs::read_to_string(folder.path().join(name)).expect("read");
    assert!(text.contains(from), "{name} has no {from}");
    write(folder, name, &text.replacen(from, to, 1));
}

#[test]
fn a_new_project_is_sound_and_its_flows_pass() {
    let folder = project();
    let (code, told, errors) = offhook(folder.path(), &["check"]);
    // A machine without any voice is told so; nothing else is wrong.
    let others: Vec<&str> =
        errors.lines().filter(|line| !line.contains("warning speech")).collect();
    assert_eq!((code, others), (0, vec![]), "{told}");
    assert!(told.contains("6 bins, 2 functions, 3 flows"), "{told}");

    let (code, told, errors) = offhook(folder.path(), &["test", "--junit", "junit.xml"]);
    assert_eq!((code, errors.as_str()), (0, ""), "{told}");
    assert!(told.ends_with("3 flows, 11 tests of tables: 14 passed, 0 failed\n"), "{told}");
    let xml = fs::read_to_string(folder.path().join("junit.xml")).expect("written");
    assert!(xml.contains("<testsuites tests=\"14\" failures=\"0\">"), "{xml}");

    let (code, told, _) = offhook(folder.path(), &["test", "leaves a message"]);
    assert_eq!(code, 0);
    assert!(told.ends_with("1 flow: 1 passed, 0 failed\n"), "{told}");
    let (code, told, _) = offhook(folder.path(), &["test", "California"]);
    assert_eq!(code, 0);
    assert!(told.contains("ok    functions/outbound.routes.toml: 650 is California"), "{told}");
    assert!(told.ends_with("0 flows, 1 test of tables: 1 passed, 0 failed\n"), "{told}");
    let (code, _, errors) = offhook(folder.path(), &["test", "nothing like it"]);
    assert_eq!(code, 1);
    assert!(errors.starts_with("offhook: no flow in flows has \"nothing like it\""), "{errors}");
}

#[test]
fn a_folder_with_something_in_it_is_not_overwritten() {
    let folder = project();
    let (code, _, errors) = offhook(folder.path(), &["new", "."]);
    assert_eq!(code, 1);
    assert!(errors.contains("is not empty; name a folder that does not exist yet"), "{errors}");
}

#[test]
fn bad_configuration_names_its_place_and_the_nearest_key() {
    let folder = project();
    replace(
        &folder,
        "offhook.toml",
        "listen = [\"127.0.0.1:8080\"]",
        "lisen = [\"127.0.0.1:8080\"]",
    );
    for command in ["check", "test", "serve"] {
        let (code, _, errors) = offhook(folder.path(), &[command]);
        assert_eq!(code, 1, "{command}");
        let wanted = "offhook.toml:10:1: error config: unknown key \"lisen\" in [http]; did you mean \"listen\"?";
        assert!(errors.contains(wanted), "{command}: {errors}");
    }
    let (code, _, errors) = offhook(folder.path(), &["check", "-C", "nowhere"]);
    assert_eq!(code, 1);
    assert!(errors.starts_with("nowhere/offhook.toml: error config: cannot be read"), "{errors}");
}

#[test]
fn every_kind_of_mistake_is_found_in_one_check() {
    let folder = project();
    replace(&folder, "offhook.toml", "voice = \"bin:voicemail\"", "voice = \"bin:voicemial\"");
    replace(&folder, "offhook.toml", "function:sip-outbound", "function:sip-outbond");
    write(&folder, "bins/static.xml", "<Response>\n  <Sya>Hi</Sya>\n</Response>\n");
    write(&folder, "bins/open.xml", "<Response>\n  <Say>Hi</Response>\n");
    write(&folder, "bins/tag.xml", "<Response>{{From</Response>\n");
    write(&folder, "bins/partial.xml", "<Response>\n {{>x}}</Response>\n");
    write(&folder, "bins/lost.xml", "<Response>\n<Redirect>/bins/welcom</Redirect>\n</Response>\n");
    write(&folder, "bins/rendered.xml", "<Response><Say>{{From}}</Say><Hangpu/></Response>\n");
    write(&folder, "bins/no name.xml", "<Response/>");
    write(&folder, "bins/Up.XML", "<Response/>");
    fs::create_dir(folder.path().join("bins/deep")).expect("made");
    write(&folder, "functions/odd name.js", "exports.handler = () => {};\n");
    write(&folder, "functions/keys.private.js", "exports.handler = () => {};\n");
    write(&folder, "bins/keys.xml", "<Response><Redirect>/functions/keys</Redirect></Response>\n");
    replace(&folder, "offhook.toml", "fallback = \"bin:sorry\"", "fallback = \"function:keys\"");
    replace(&folder, "offhook.toml", "voice = \"bin:welcome\"", "voice = \"app:welcome\"");
    write(&folder, "functions/broken.js", "exports.handler = function (a {\n};\n");
    write(&folder, "flows/bad.flow", "flow \"x\"\n  cal from +1 to +2\n");
    let (code, told, errors) = offhook(folder.path(), &["check"]);
    assert_eq!(code, 1);
    let text = fs::read_to_string(folder.path().join("offhook.toml")).expect("the configuration");
    let line = text.lines().position(|line| line.contains("voicemial")).expect("the slip") + 1;
    let place = format!("offhook.toml:{line}:9: error config: there is no bin");
    assert!(errors.contains(&place), "{place}\n{errors}");
    for wanted in [
        "error config: there is no bin \"voicemial\"; did you mean \"voicemail\"?",
        "error config: there is no function \"sip-outbond\"; did you mean \"sip-outbound\"?",
        "bins/static.xml:2:3: warning 12200: <Sya> is not a verb and is skipped",
        "bins/open.xml:2:10: error 12100: </Response> closes nothing",
        "bins/tag.xml:1:11: error 11320:",
        "bins/partial.xml:2:2: error 11310:",
        "bins/lost.xml:2:11: warning 11200: there is no bin \"welcom\"; did you mean \"welcome\"?",
        "bins/rendered.xml:1:34: warning 12200: <Hangpu> is not a verb and is skipped (expected <Hangup>) (as rendered for a sample call)",
        "bins/no name.xml: warning 11200: is not served: a bin's name has letters, digits, _ - . only; rename it no-name.xml",
        "bins/Up.XML: warning 11200: is not served",
        "bins/deep: warning 11200: is not served: bins lie in this folder itself",
        "bins/keys.xml:1:21: warning 11200: function \"keys\" is private by its file name",
        "functions/odd name.js: warning function: cannot be called: a function's name has letters",
        "error config: function \"keys\" is private by its file name, so that no call can run it;",
        "error config: app:welcome: apps are not supported yet; use bin: or function:",
        "functions/broken.js:1:31: error function: SyntaxError",
        "flows/bad.flow:2:3: error flow: unknown step \"cal\"; did you mean \"call\"?",
    ] {
        assert!(errors.contains(wanted), "{wanted}\n{errors}");
    }
    assert!(told.contains("9 errors, "), "{told}{errors}");
}

#[test]
fn previews_show_the_document_its_faults_and_its_outline() {
    let folder = project();
    let run = |arguments: &[&str]| offhook(folder.path(), arguments);
    let (code, xml, errors) = run(&["preview", "bin:menu", "-d", "Digits=7"]);
    assert_eq!(code, 0, "{errors}");
    assert!(xml.contains("<Say>You pressed 7.</Say>"), "{xml}");
    assert!(errors.contains("say \"You pressed 7.\"\n  redirect /bins/voicemail"), "{errors}");

    // A number stands for its handler, and is who was called.
    write(
        &folder,
        "bins/welcome.xml",
        "<Response><Say>{{To}} {{CallStatus}} {{Direction}}</Say></Response>",
    );
    let (code, xml, _) = run(&["preview", "+1 222 333 9999"]);
    assert_eq!(code, 0);
    assert!(xml.contains("<Say>+12223339999 ringing inbound</Say>"), "{xml}");

    let caller =
        ["--from", "sip:home@office.localhost", "--to", "sip:15551231234@office.localhost"];
    let outbound = [&["preview", "function:sip-outbound"], &caller[..]].concat();
    let (code, xml, errors) = run(&outbound);
    assert_eq!(code, 0, "{errors}");
    assert!(xml.contains("callerId=\"+12223331234\""), "{xml}");
    assert!(errors.contains("  dial +15551231234 caller-id +12223331234"), "{errors}");

    write(
        &folder,
        "bins/sip.xml",
        "<Response>\n<Sya/><Say>{{SipDomain}}/{{SipUsername}}</Say></Response>",
    );
    let (_, xml, errors) = run(&[&["preview", "bin:sip"], &caller[..]].concat());
    assert!(xml.contains("<Say>office.localhost/home</Say>"), "{xml}");
    assert!(errors.contains("2:1: warning 12200: <Sya> is not a verb"), "{errors}");
}

#[test]
fn previews_that_fail_give_the_code_and_advice() {
    let folder = project();
    write(&folder, "bins/broken.xml", "<Response>{{#x}}</Response>");
    for (target, code, wanted) in [
        ("bin:none", 1, "there is no bin:none; known: bin:"),
        ("bin:welcom", 1, "there is no bin:welcom; did you mean \"bin:welcome\"?"),
        ("welcome", 1, "\"welcome\" is no target; did you mean \"bin:welcome\"?"),
        ("bin:broken", 1, "mend the bin's template"),
        ("function:none", 1, "there is no function:none; "),
        ("http://10.0.0.1/x", 1, "add its network to [webhook] allow"),
        ("+12223330000", 1, "is none of the configured numbers"),
        ("nonsense", 1, "\"nonsense\" is no target; known: bin:"),
    ] {
        let (status, xml, errors) = offhook(folder.path(), &["preview", target]);
        assert_eq!((status, xml.as_str()), (code, ""), "{target}: {errors}");
        assert!(errors.contains(wanted), "{target}: {errors}");
    }
    let (code, _, errors) = offhook(folder.path(), &["preview", "bin:x", "-d", "nonsense"]);
    assert_eq!(code, 2);
    assert!(errors.contains("expected NAME=VALUE"), "{errors}");
}

#[test]
fn a_flow_that_fails_tells_what_came_and_exits_1() {
    let folder = project();
    let flow =
        "flow \"wrong\"\n  call from +15550001111 to +12223339999\n  expect say \"Press two\"\n";
    write(&folder, "flows/route.flow", flow);
    let (code, told, errors) = offhook(folder.path(), &["test"]);
    assert_eq!(code, 1);
    assert!(told.starts_with("FAIL  flows/route.flow: wrong"), "{told}");
    assert!(told.ends_with("1 flow, 11 tests of tables: 11 passed, 1 failed\n"), "{told}");
    for wanted in [
        "flows/route.flow:3:3: error flow: expect say \"Press two\": it did not come before",
        "say \"Press one to leave a message.\"   (bins/welcome:4)",
        "  >   3 |     <Say>Welcome. You are calling from +15550001111.</Say>",
    ] {
        assert!(errors.contains(wanted), "{wanted}\n{errors}");
    }
    write(&folder, "flows/route.flow", "flow \"x\"\n  anser\n");
    let (code, _, errors) = offhook(folder.path(), &["test"]);
    assert_eq!(code, 1);
    let wanted =
        "flows/route.flow:2:3: error flow: unknown step \"anser\"; did you mean \"answer\"?";
    assert!(errors.starts_with(wanted), "{errors}");
}

#[test]
fn a_table_of_routes_is_checked_tested_and_previewed() {
    let folder = project();
    let run = |arguments: &[&str]| offhook(folder.path(), arguments);
    let call = ["--from", "sip:home@office.localhost", "--to", "sip:6591234567@office.localhost"];
    let (code, xml, errors) = run(&[&["preview", "function:outbound"], &call[..]].concat());
    assert_eq!(code, 0, "{errors}");
    let dial = "<Dial callerId=\"+12223331234\" record=\"do-not-record\">+6591234567</Dial>";
    assert!(xml.contains(dial), "{xml}");

    // A rule too many takes what another was for: its own test says so, with the rule's line.
    let file = "functions/outbound.routes.toml";
    replace(&folder, file, "prefix = \"650\"\nlength = 10", "prefix = \"6508\"\nlength = 9");
    let (code, told, errors) = run(&["test"]);
    assert_eq!(code, 1);
    assert!(told.contains("FAIL  functions/outbound.routes.toml: 650 is California"), "{told}");
    assert!(told.ends_with("11 tests of tables: 13 passed, 1 failed\n"), "{told}");
    let wanted = "expected that it dials \"+16508662222\", but it dials \"+6508662222\"; line 50 \
                  decided, rewrite \"Singapore without its plus\": 6508662222 becomes +6508662222";
    assert!(errors.contains(wanted), "{errors}");
    let (code, _, errors) = run(&["check"]);
    assert_eq!(code, 1);
    let found = format!("{file}:99:9: error routes: test \"650 is California, and no Singapore\"");
    assert!(errors.contains(&found) && errors.contains(wanted), "{errors}");
    assert!(!errors.contains("error function"), "told once: {errors}");

    // Mistakes are all told, each at its place.
    replace(&folder, file, "length = 9", "lenght = 9");
    replace(&folder, file, "reject = \"busy\"", "redirect = \"bin:welcom\"");
    replace(&folder, file, "\"+12223335678\"", "\"2223335678\"");
    let (_, _, errors) = run(&["check"]);
    for wanted in [
        ":23:10: error routes: \"2223335678\" is not in E.164; did you mean \"+12223335678\"?",
        ":47:1: error routes: unknown key \"lenght\" in [rewrite]; did you mean \"length\"?",
    ] {
        assert!(errors.contains(&format!("{file}{wanted}")), "{errors}");
    }
    let (code, _, errors) = run(&["test"]);
    assert_eq!(code, 1);
    assert!(
        errors.ends_with("offhook: 2 mistakes in the tables; mend and try again\n"),
        "{errors}"
    );
    let table =
        "[[block]]\nredirect = \"bin:welcom\"\n[caller_id.users]\nmyusr = \"+12223335678\"\n";
    write(&folder, file, table);
    let (code, _, errors) = run(&["check"]);
    assert_eq!(code, 0, "{errors}");
    for wanted in [
        ":1:1: warning 11200: there is no bin \"welcom\"; did you mean \"welcome\"?",
        ":4:1: warning routes: no list of credentials has \"myusr\"; did you mean \"myuser\"?",
    ] {
        assert!(errors.contains(&format!("{file}{wanted}")), "{errors}");
    }
}

#[test]
fn looking_at_a_project_makes_nothing_in_it() {
    let folder = project();
    for arguments in [&["check"][..], &["preview", "bin:menu"], &["test"]] {
        let (code, told, errors) = offhook(folder.path(), arguments);
        assert_eq!(code, 0, "{told}{errors}");
        assert!(!folder.path().join("data").exists(), "{arguments:?} made data/");
    }
}

#[test]
fn bad_usage_exits_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let phone = ["phone", "--server", "127.0.0.1:9", "--user", "a", "--domain", "b"];
    let twice = [&phone[..], &["--dial", "x", "--answer"]].concat();
    for arguments in [&["chekc"][..], &["preview"], &phone, &twice] {
        let (code, _, errors) = offhook(folder.path(), arguments);
        assert_eq!(code, 2, "{arguments:?}: {errors}");
        assert!(!errors.is_empty());
    }
}

/// A child that is ended with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn two_phones_call_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let common = ["phone", "--domain", "phones.localhost", "--patience", "20s"];
    let heard = folder.path().join("heard.wav");
    let callee = Command::new(PROGRAM)
        .args(common)
        .args(["--server", "127.0.0.1:9", "--user", "callee", "--answer", "--record"])
        .arg(&heard)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut callee = Running(callee);
    let mut told = BufReader::new(callee.0.stdout.take().expect("a pipe"));
    let mut first = String::new();
    told.read_line(&mut first).expect("a line");
    let address = first.trim().strip_prefix("listening ").expect("an address").to_owned();

    let caller =
        [&common[..], &["--server", &address, "--user", "caller", "--dial", "callee"]].concat();
    let talking = ["--digits", "5", "--hum", "440", "--hangup-after", "1500ms"];
    let (code, said, errors) = offhook(folder.path(), &[&caller[..], &talking].concat());
    assert_eq!(code, 0, "{said}{errors}");
    for line in ["dialling callee", "answered", "digits sent", "hanging up", "ended: hung up here"]
    {
        assert!(said.lines().any(|told| told.starts_with(line)), "{line}\n{said}");
    }
    let mut rest = String::new();
    told.read_to_string(&mut rest).expect("lines");
    assert!(callee.0.wait().expect("an end").success(), "{rest}");
    for line in
        ["incoming from sip:caller@phones.localhost", "answered", "digit 5", "recorded", "wrote"]
    {
        assert!(rest.lines().any(|told| told.starts_with(line)), "{line}\n{rest}");
    }
    // A second of sound at least, and not silence.
    let recording = fs::read(&heard).expect("the recording");
    let clip = offhook::audio::wav::read(&recording).expect("a WAV file");
    assert!(clip.duration().as_millis() > 900, "{:?}", clip.duration());
    assert!(clip.samples().iter().any(|sample| sample.unsigned_abs() > 2_000));
}

#[test]
fn a_phone_that_is_refused_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    // Nothing listens there: a TCP connection is refused at once.
    let arguments = [
        "phone",
        "--server",
        "127.0.0.1:1",
        "--transport",
        "tcp",
        "--user",
        "a",
        "--domain",
        "b.localhost",
        "--dial",
        "c",
    ];
    let (code, _, errors) = offhook(folder.path(), &arguments);
    assert_eq!(code, 1);
    assert!(errors.starts_with("offhook: the call could not be made"), "{errors}");
}

#[test]
fn registrations_and_lines_can_be_asked_for_without_a_server() {
    let folder = project();
    let left = "no server runs here; this is what the last one left";
    let start = "no server runs here; start one";
    let carrier = "trunk carrier: not watched\n";
    let (code, told, errors) = offhook(folder.path(), &["registrations", "myuser"]);
    assert_eq!((code, told.as_str()), (0, ""));
    assert!(errors.contains("nobody is registered as myuser\n"), "{errors}");
    let (code, told, errors) = offhook(folder.path(), &["registrations", "myusr", "--json"]);
    assert_eq!((code, told.as_str()), (1, ""));
    assert!(errors.contains("there is no user myusr: did you mean myuser?"), "{errors}");
    let (code, _, errors) = offhook(folder.path(), &["registrations", "home@elsewhere.example"]);
    assert!(code == 1 && errors.contains("there is no user home@elsewhere.example: "), "{errors}");
    for (command, wanted, note) in [("registrations", "", left), ("lines", carrier, start)] {
        let (code, told, errors) = offhook(folder.path(), &[command]);
        assert_eq!((code, told.as_str()), (0, wanted), "{command}: {errors}");
        assert!(errors.contains(note), "{errors}");
        let (code, told, _) = offhook(folder.path(), &[command, "--json"]);
        assert!(code == 0 && told.starts_with('[') && told.ends_with("]\n"), "{told}");
        let (code, help, _) = offhook(folder.path(), &[command, "--help"]);
        assert!(code == 0 && help.contains("--json") && help.contains("--project"), "{help}");
    }
}

const GREET: &str = "exports.handler = (context, event, callback) => {\n  console.log('asked');\n  \
                     const twiml = new Twilio.twiml.VoiceResponse();\n  twiml.say(`Hi ${event.From}`);\n  \
                     callback(null, twiml);\n};\n";

#[test]
fn a_new_function_is_listed_tested_and_measured() {
    let folder = project();
    let run = |arguments: &[&str]| offhook(folder.path(), arguments);
    let (code, told, errors) = run(&["fn", "new", "greet"]);
    assert_eq!((code, errors.as_str()), (0, ""), "{told}");
    assert!(
        told.contains("wrote functions/greet.js\nwrote functions/greet.test/call.json"),
        "{told}"
    );
    let (code, told, _) = run(&["fn", "new", "vip/greet", "--protected"]);
    assert!(code == 0 && told.contains("wrote functions/vip/greet.protected.js"), "{told}");
    for (arguments, wanted) in [
        (&["fn", "new", "greet"][..], "functions/greet.js is there already"),
        (&["fn", "new", "x.protected"], "write `offhook fn new x --protected`"),
        (&["fn", "new", "y.ts"], "\"y.ts\" is a file: write the name, y,"),
        (&["fn", "new", "../x"], "\"../x\" is no name of a function"),
        (&["fn", "new", "x", "--lang", "jss"], "there is no language jss; did you mean \"js\"?"),
        (&["fn", "new", "x", "-C", "functions"], "is no project folder"),
        (&["fn", "test", "gret"], "there is no function gret; did you mean \"greet\"?"),
    ] {
        let (code, _, errors) = run(arguments);
        assert!(code == 1 && errors.contains(wanted), "{arguments:?}: {errors}");
    }
    let (code, told, errors) = run(&["fn", "list"]);
    assert_eq!((code, errors.as_str()), (0, ""), "{told}");
    for line in
        ["greet  public  functions/greet.js  ok", "vip/greet  protected  functions/vip/greet"]
    {
        assert!(told.contains(line), "{told}");
    }

    let (code, told, _) = run(&["fn", "test", "greet"]);
    let wanted =
        "FAIL  greet: call\n  nothing is expected: write functions/greet.test/call.xml, or";
    assert!(code == 1 && told.starts_with(wanted), "{told}");
    let (code, told, errors) = run(&["fn", "test", "greet", "--write"]);
    assert!(code == 0 && told.starts_with("wrote greet: call: functions/greet.test/call.xml\n"));
    write(
        &folder,
        "functions/fails.js",
        "exports.handler = (context, event, callback) => callback('no');",
    );
    fs::create_dir(folder.path().join("functions/fails.test")).expect("made");
    write(&folder, "functions/fails.test/call.json", "{}");
    let (code, told, _) = run(&["fn", "test", "fails", "--accept"]);
    let wanted =
        "move the event to functions/fails.test.json with \"status\": 500. What came:\n    no\n";
    assert!(code == 1 && told.contains(wanted), "{told}");
    fs::remove_dir_all(folder.path().join("functions/fails.test")).expect("removed");
    assert_eq!(errors, "");
    let (code, told, _) = run(&["fn", "test", "greet"]);
    assert_eq!((code, told.as_str()), (0, "ok    greet: call\n1 fixture: 1 passed, 0 failed\n"));
    replace(&folder, "functions/greet.test/call.xml", "Hello. You", "Good day. You");
    let cases = "[{\"name\": \"nobody\", \"event\": {}, \"expected\": \"<Response>\\n<Say>Hello. You \
                 are calling from nowhere.</Say><Hangup/></Response>\"}, {\"status\": 200}]";
    write(&folder, "functions/greet.test.json", cases);
    let (code, told, errors) = run(&["fn", "test"]);
    assert_eq!(code, 1);
    assert!(told.contains("\nok    greet: nobody\nok    greet: 2\nok    sip-"), "{told}{errors}");
    assert!(told.contains("\n6 fixtures: 4 passed, 2 failed\n"), "{told}");
    let wanted = "FAIL  greet: call\n  - functions/greet.test/call.xml\n  + what came\n    \
                  <Response>\n  -   <Say>Good day. You are calling from +15550001111.</Say>\n  \
                  +   <Say>Hello. You are calling from +15550001111.</Say>\n";
    assert!(told.contains(wanted), "{told}");
    fixtures_that_are_none_keep_no_other_from_running(&folder);

    let (code, told, errors) = run(&["fn", "bench", "greet", "-n", "30", "--json"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(told.starts_with("{\"function\":\"greet\",\"runs\":30,\"per_second\":"), "{told}");
    let (_, told, _) = run(&["fn", "bench", "greet", "-n", "30"]);
    assert!(told.contains("\ntime    p50 ") && told.contains("\nmemory  "), "{told}");

    write(&folder, "functions/greet.js", "exports.handler = (a {\n");
    let (code, told, _) = run(&["fn", "list"]);
    assert!(code == 1 && told.contains("BROKEN functions/greet.js:1:"), "{told}");
    let (code, _, errors) = run(&["fn", "bench", "greet"]);
    assert!(code == 1 && errors.contains("greet does not run: 500: function cannot be loaded"));
    let (code, _, errors) = run(&["fn", "bench", "fails"]);
    assert!(code == 1 && errors.contains("fails answers its event with 500: no"), "{errors}");
    let (code, told, _) = run(&["fn", "test", "greet", "call"]);
    let wanted = "FAIL  greet: call\n  there is no answer: function cannot be loaded: greet.js:1:";
    assert!(code == 1 && told.starts_with(wanted), "{told}");
    assert!(!told.contains("--accept"), "{told}");
    assert!(!folder.path().join("data").exists(), "looking makes nothing");
}

/// Of what the test before this wrote.
fn fixtures_that_are_none_keep_no_other_from_running(folder: &TempDir) {
    let run = |arguments: &[&str]| offhook(folder.path(), arguments);
    write(folder, "functions/greet.test/cut.json", "{\n  \"From\": ");
    fs::create_dir(folder.path().join("functions/gone.test")).expect("made");
    let (code, told, errors) = run(&["fn", "test"]);
    assert_eq!((code, errors.as_str()), (1, ""), "{told}");
    for line in [
        "FAIL  greet: cut\n  functions/greet.test/cut.json:2:10: not JSON: EOF while parsing a value\n",
        "FAIL  gone: all of its fixtures\n  functions/gone.test: there is no function gone; ",
        "\nok    greet: nobody\n",
        "\n8 fixtures: 4 passed, 4 failed\nif what came is right, --accept writes it over",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    let (code, told, _) = run(&["fn", "test", "greet", "--json"]);
    assert!(code == 1 && told.contains("\"case\":\"cut\",\"verdict\":\"unusable\""), "{told}");
    let (code, told, _) = run(&["fn", "test", "greet", "call", "--accept"]);
    assert_eq!(code, 0, "{told}");
    let (code, told, _) = run(&["fn", "test", "greet", "call"]);
    assert_eq!((code, told.as_str()), (0, "ok    greet: call\n1 fixture: 1 passed, 0 failed\n"));
    for (arguments, wanted) in [
        (&["fn", "test", "greet", "cal"][..], "there is no fixture cal; did you mean \"call\"?"),
        (&["fn", "test", "functions/greet.js"], "is a function's file; its name is greet"),
        (&["fn", "bench", "vip/greet.protected.js"], "file; its name is vip/greet"),
        (&["fn", "bench", "greet", "--event", "x.json"], "x.json: cannot be read: No such file"),
        (&["fn", "rollback", "../greet"], "there is no function ../greet; "),
        (
            &["fn", "rollback", "greet"],
            "no versions of greet are kept: a server keeps those that load well",
        ),
        (&["fn", "versions", "grete"], "there is no function grete; did you mean \"greet\"?"),
        (&["fn", "test", "outbound"], "its own [[test]]s run with `offhook test`"),
    ] {
        let (code, _, errors) = run(arguments);
        assert!(code == 1 && errors.contains(wanted), "{arguments:?}: {errors}");
    }
    fs::remove_file(folder.path().join("functions/greet.test/cut.json")).expect("removed");
    let (code, told, errors) = run(&["fn", "logs"]);
    assert_eq!((code, told.as_str()), (0, ""));
    assert!(errors.contains("no server runs here, and none left a log; `offhook dev`"), "{errors}");
}

#[test]
fn secrets_are_told_and_so_is_who_reads_one_without_seeing_it() {
    let folder = project();
    let grants = "\n[[function]]\nname = \"pay\"\nsecrets = [\"KEY\"]\n";
    replace(&folder, "offhook.toml", "env = { GREETING", "env = { KEY = \"k\", GREETING");
    let text = fs::read_to_string(folder.path().join("offhook.toml")).expect("read");
    write(&folder, "offhook.toml", &(text + grants));
    let script =
        "exports.handler = (context, event, callback) =>\n  callback(null, context.KEY);\n";
    write(&folder, "functions/pay.js", script);
    write(&folder, "functions/menu.js", script);
    let warning = "functions/menu.js:2:26: warning config: KEY is undefined here: it is a secret that \
                   only pay sees; add secrets = [\"KEY\"] to the [[function]] table of \"menu\"";
    let (code, told, errors) = offhook(folder.path(), &["check"]);
    assert!(code == 0 && told.contains("\nsecret KEY: seen by pay alone\n"), "{told}{errors}");
    assert!(errors.contains(warning) && !errors.contains("pay.js"), "{errors}");
    let (code, told, errors) = offhook(folder.path(), &["fn", "list"]);
    assert!(
        code == 0 && told.contains("pay  public  functions/pay.js, secrets KEY  ok\n"),
        "{told}"
    );
    assert!(
        told.ends_with("secret KEY: seen by pay alone\n") && errors.contains(warning),
        "{told}"
    );
    let (_, told, _) = offhook(folder.path(), &["fn", "list", "--json"]);
    assert!(told.contains("\"secrets\":[\"KEY\"],\"warnings\":[]"), "{told}");
    assert!(told.contains("\"secrets\":[],\"warnings\":[\"functions/menu.js:2:26"), "{told}");
}

/// A server of a project on free ports, and its HTTP address.
fn serve(
    folder: &TempDir,
    command: &str,
) -> (Running, String, BufReader<std::process::ChildStdout>) {
    replace(folder, "offhook.toml", "listen = [\"127.0.0.1:8080\"]", "listen = [\"127.0.0.1:0\"]");
    let text = fs::read_to_string(folder.path().join("offhook.toml")).expect("read");
    let sip =
        text.lines().find(|line| line.starts_with("listen = [\"udp:")).expect("SIP").to_owned();
    replace(folder, "offhook.toml", &sip, "listen = [\"udp:127.0.0.1:0\"]");
    let child = Command::new(PROGRAM)
        .arg(command)
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = Running(child.expect("it starts"));
    let mut told = BufReader::new(child.0.stdout.take().expect("a pipe"));
    let mut http = String::new();
    loop {
        let mut line = String::new();
        assert!(told.read_line(&mut line).expect("a line") > 0, "it ended");
        match line.trim().strip_prefix("http http://") {
            Some(address) => http = address.to_owned(),
            None if line.trim() == "ready" => break,
            None => {}
        }
    }
    (child, http, told)
}

/// One request; gives the whole answer.
fn get(address: &str, target: &str, fields: &str) -> String {
    use std::io::Write as _;
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    let request = format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Tries again until a condition holds; a server looks at files now and then.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..200 {
        if holds() {
            return;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    panic!("never: {what}");
}

#[test]
fn dev_shows_each_request_and_versions_can_be_rolled_back() {
    let folder = project();
    write(&folder, "functions/greet.js", GREET);
    let (_server, address, mut told) = serve(&folder, "dev");
    let answer = get(&address, "/functions/greet?From=%2B1", "Accept: text/plain\r\n");
    assert!(answer.contains("  <Say>Hi +1</Say>\n</Response>\n"), "{answer}");
    assert!(answer.contains("a caller would notice:\n  say \"Hi +1\""), "{answer}");
    let mut block = String::new();
    while !block.contains("  cost    ") {
        assert!(told.read_line(&mut block).expect("a line") > 0, "{block}");
    }
    for line in [
        "GET /functions/greet?From=%2B1 200 text/xml; charset=utf-8\n",
        "  event   request: ",
        "          From: \"+1\"\n",
        "  xml     <Response>\n            <Say>Hi +1</Say>\n          </Response>\n",
        "  log     info: asked\n",
    ] {
        assert!(block.contains(line), "{line}\n{block}");
    }
    let explained = get(&address, "/functions/greet?_explain=1", "");
    for line in
        ["function  greet\n", "file      functions/greet.js, public\n", "run       ", "memory    "]
    {
        assert!(explained.contains(line), "{line}\n{explained}");
    }
    // A table explains itself below that, rule by rule, by way of the query and of a body.
    let asked = "From=sip:home@office.localhost&To=sip:6591234567@office.localhost";
    let explained = get(&address, &format!("/functions/outbound?{asked}&_explain=1"), "");
    for line in
        ["file      functions/outbound.routes.toml, public\n", "<Dial callerId=\"+12223331234\""]
    {
        assert!(explained.contains(line), "{line}\n{explained}");
    }
    let run = |arguments: &[&str]| offhook(folder.path(), arguments);
    eventually("a line in the log", || run(&["fn", "logs", "greet"]).1.contains("greet: asked"));
    let (code, _, errors) = run(&["fn", "logs", "gret"]);
    assert!(code == 1 && errors.contains("there is no function gret"), "{code} {errors}");
    eventually("the first version", || run(&["fn", "versions", "greet"]).1.starts_with("* "));

    write(&folder, "functions/greet.js", &GREET.replace("Hi", "Good day"));
    eventually("the second version", || run(&["fn", "versions", "greet"]).1.lines().count() == 2);
    write(&folder, "functions/greet.js", "exports.handler = (a {\n");
    eventually("the last good version, and why", || {
        let answer = get(&address, "/functions/greet", "");
        answer.contains("Good day") && answer.contains("offhook-stale: functions/greet.js:1:")
    });
    let (code, said, errors) = run(&["fn", "rollback", "greet"]);
    assert_eq!((code, errors.as_str()), (0, ""), "{said}");
    assert!(said.contains("what was there is kept: offhook fn rollback greet "), "{said}");
    let answer = get(&address, "/functions/greet", "");
    assert!(answer.contains("Good day") && !answer.contains("offhook-stale"), "{answer}");
    let (_, versions, _) = run(&["fn", "versions", "greet"]);
    assert!(versions.contains("not known to be good"), "{versions}");
}
