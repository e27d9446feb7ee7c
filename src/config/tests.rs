use super::*;
use crate::directory::{Caps, Handler};

fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    let env = |name: &str| (name == "TOKEN").then(|| "from-environment".to_owned());
    Config::parse(Path::new("project"), Path::new(FILE), text, &env)
}

/// The problems as a user reads them.
fn problems(text: &str) -> Vec<String> {
    parse(text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn every_key_has_a_default() {
    let config = parse("").expect("an empty file");
    assert_eq!(config.http.listen, ["127.0.0.1:8080".parse().expect("an address")]);
    assert_eq!(config.sip.listen.len(), 2);
    assert_eq!(config.media.ports, (16_384, 32_767));
    assert_eq!(config.server.data, Path::new("project/data"));
}

#[test]
fn digest_algorithms_are_offered_as_listed() {
    let digest = |text: &str| parse(text).map(|config| config.sip.digest).ok();
    assert_eq!(digest(""), Some(vec![Algorithm::Sha256, Algorithm::Md5]));
    assert_eq!(digest("[sip]\ndigest = [\"MD5\"]"), Some(vec![Algorithm::Md5]));
    let unknown = problems("[sip]\ndigest = [\"SHA1\"]");
    assert!(unknown.len() == 1 && unknown[0].contains("SHA-256"), "{unknown:?}");
    assert_eq!(problems("[sip]\ndigest = []").len(), 1);
}

#[test]
fn a_whole_file_is_read() {
    let config = parse(
        r#"
        [server]
        auth_token = { env = "TOKEN" }
        [webhook]
        allow = ["127.0.0.0/8", "10.1.2.3"]
        [[credential_list]]
        name = "staff"
        credentials = [{ username = "home", password = "Correct-Horse-1" }]
        [[domain]]
        name = "Office.localhost"
        registration = ["staff"]
        calls = ["staff"]
        voice = "function:sip-outbound"
        fallback = "bin:sorry"
        [[number]]
        number = "+12223331234"
        voice = "https://example.com/voice"
        voice_method = "GET"
        [[trunk]]
        name = "carrier"
        uri = "sip:127.0.0.1:5070;transport=tcp"
        inbound_ips = ["127.0.0.1/32"]
        prefixes = ["+1", "+44"]
        [functions]
        env = { GREETING = "hello" }
        "#,
    )
    .expect("a sound file");
    assert_eq!(config.server.auth_token, Some(Secret::new("from-environment")));
    assert_eq!(config.webhook_allow.len(), 2);
    assert_eq!(config.domains[0].name, "office.localhost");
    let get = Handler::Document { url: "https://example.com/voice".into(), get: true };
    assert_eq!(config.numbers[0].voice.handler, Some(get));
    assert!(config.trunks[0].tcp);
    assert_eq!(config.function_env[0].0, "GREETING");
}

#[test]
fn an_unknown_key_names_its_place_and_the_nearest() {
    let said = problems("[http]\nlisen = [\"127.0.0.1:80\"]\n");
    assert_eq!(
        said,
        [
            "offhook.toml:2:1: error config: unknown key \"lisen\" in [http]; did you mean \"listen\"?"
        ]
    );
    let said = problems("[htttp]\n");
    assert!(said[0].contains("did you mean \"http\"?"), "{said:?}");
}

#[test]
fn every_mistake_is_told_at_its_place() {
    let text =
        "[sip]\nlisten = [\"udp:127.0.0.1\", \"tls:0.0.0.0:5061\"]\n[media]\nports = \"9\"\n";
    let said = problems(text);
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].starts_with("offhook.toml:2:11: error"), "{said:?}");
    assert!(said[1].starts_with("offhook.toml:2:28: error"), "{said:?}");
    assert!(said[2].starts_with("offhook.toml:4:9: error"), "{said:?}");
    let said = problems(
        "[[domain]]\nname = \"a\"\ncalls = [\"staf\"]\n[[credential_list]]\nname = \"staff\"\n",
    );
    assert!(said[0].contains("did you mean \"staff\"?"), "{said:?}");
    assert!(problems("[[number]]\nnumber = \"123\"\n")[0].contains("E.164"));
    assert!(problems("[[number]]\n")[0].contains("\"number\" is missing"));
    assert!(problems("[server]\nauth_token = { env = \"NONE\" }\n")[0].contains("no NONE"));
    assert!(problems("x = \n")[0].starts_with("offhook.toml:1:"));
    let twice = "[[number]]\nnumber=\"+12223331234\"\n[[number]]\nnumber=\"+12223331234\"\n";
    assert!(problems(twice)[0].contains("written twice"));
}

#[test]
fn handlers_are_told_apart() {
    assert!(matches!(Handler::parse("bin:hello"), Some(Handler::Document { .. })));
    assert!(matches!(Handler::parse("sip:alice@office"), Some(Handler::Sip(_))));
    for wrong in ["hello", "bin:", "ftp://x", "http:x", "sip:alice", "https://"] {
        assert_eq!(Handler::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn nothing_that_is_written_is_passed_over() {
    let trunk = |more: &str| format!("[[trunk]]\nname = \"t\"\n{more}\n");
    let list = |users: &str| format!("[[credential_list]]\nname = \"l\"\ncredentials = {users}\n");
    let user = "{ username = \"a\", password = \"b\" }";
    let table = [
        (trunk("uri = \"sips:h\""), "only sip: over udp and tcp"),
        (trunk("uri = \"sip:h;transport=tls\""), "only sip: over udp and tcp"),
        (trunk("uri = \"tel:+1\""), "expected sip:HOST"),
        (trunk("uri = \"sip:h\"\nusername = \"u\""), "both username and password"),
        (list("[\"alice\"]"), "expected a table"),
        (list("[{ username = \"a\", password = \"\" }]"), "wants a password"),
        (list(&format!("[{user}, {user}]")), "written twice"),
        ("[[domain]]\nname = \"office.example:5060\"\n".to_owned(), "without a port"),
        ("[server.auth_token]\nvalue = \"x\"\n".to_owned(), "auth_token: expected"),
        ("[functions.env.deep]\nvalue = \"x\"\n".to_owned(), "deep: expected"),
        ("[sip]\nlisten = []\n".to_owned(), "at least one"),
    ];
    for (text, wanted) in table {
        let said = problems(&text);
        assert!(said.iter().any(|line| line.contains(wanted)), "{text}: {said:?}");
    }
    assert!(parse("[[domain]]\nname = \"192.0.2.1\"\n").is_ok());
}

#[test]
fn a_public_url_that_nobody_can_reach_is_warned_of() {
    let warnings = |text: &str| -> Vec<String> {
        let config = parse(&format!("[http]\n{text}\n")).expect("a sound file");
        config.warnings.iter().map(ToString::to_string).collect()
    };
    for sound in [
        "public_url = \"https://voice.example.com/x\"",
        "public_url = \"http://127.0.0.1:8080\"\nlisten = [\"0.0.0.0:80\"]",
        "listen = [\"127.0.0.1:0\", \"0.0.0.0:80\"]",
        "",
    ] {
        assert_eq!(warnings(sound), [""; 0], "{sound}");
    }
    let advice = "set it to the address under which others reach this server, such as \
                  https://voice.example.com";
    for url in ["http://0.0.0.0:8080", "https://[::]"] {
        let wanted = format!(
            "offhook.toml:2:14: warning config: public_url: nobody can reach {url}; {advice}"
        );
        assert_eq!(warnings(&format!("public_url = \"{url}\"")), [wanted]);
    }
    for listen in ["0.0.0.0:8080", "[::]:80"] {
        let wanted = format!(
            "offhook.toml:2:10: warning config: public_url is not set and would be \
             http://{listen}, which nobody can reach; {advice}"
        );
        assert_eq!(warnings(&format!("listen = [\"{listen}\"]")), [wanted]);
    }
}

#[test]
fn limits_have_defaults_and_say_what_they_take() {
    let limits = |text: &str| parse(text).map(|config| config.sip.limits).ok();
    assert_eq!(limits(""), Some(Limits::default()));
    let read = limits(
        "[sip.limits]\nsource_rate = 50\nknown_rate = 0\nexempt = [\"192.0.2.0/24\"]\n\
         login_failures = 5\nsilence_seconds = 60",
    )
    .expect("sound");
    assert_eq!((read.source.per_second, read.source.burst), (50, 1000));
    assert_eq!(read.known.per_second, 0);
    assert_eq!((read.failures, read.silence.as_secs()), (5, 60));
    assert_eq!(read.exempt.len(), 1);
    let wrong = problems("[sip.limits]\nsource_rate = -1\nsilence_seconds = 0\nflood = 1");
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    assert!(wrong.iter().any(|said| said.contains("unknown key \"flood\"")), "{wrong:?}");
}

#[test]
fn users_and_trunks_have_caps() {
    let config = parse(
        "[[domain]]\nname = \"a.example\"\n[[domain]]\nname = \"b.example\"\nmax_calls = 0\n\
         calls_per_second = 20\ntransfer_out = true\n[[trunk]]\nname = \"c\"\nuri = \"sip:192.0.2.1\"\n\
         max_calls = 30\nrealm = \"carrier\"",
    )
    .expect("sound");
    assert_eq!(config.domains[0].caps, Caps::USER);
    assert_eq!([0, 1].map(|at| config.domains[at].transfer_out), [false, true]);
    assert_eq!(
        (config.domains[1].caps.calls, config.domains[1].caps.new_calls.per_second),
        (0, 20)
    );
    assert_eq!((config.trunks[0].caps.calls, config.trunks[0].caps.new_calls.per_second), (30, 0));
    assert_eq!(config.trunks[0].realm.as_deref(), Some("carrier"));
}

#[test]
fn mapped_networks_are_those_of_ipv4() {
    let text =
        "[[domain]]\nname = \"a\"\nallowed_ips = [\"::ffff:192.0.2.0/120\", \"2001:db8::/32\"]";
    let domain = parse(text).expect("sound").domains.remove(0);
    let source = |text: &str| text.parse::<IpAddr>().expect("an address");
    assert!(domain.allows(source("192.0.2.9")) && domain.allows(source("::ffff:192.0.2.9")));
    assert!(domain.allows(source("2001:db8::9")));
    assert!(!domain.allows(source("192.0.3.9")) && !domain.allows(source("::ffff:192.0.3.9")));
    assert!(!domain.allows(source("2001:db9::9")));
}

#[test]
fn what_is_seen_is_configured() {
    let config = parse("").expect("an empty file");
    assert_eq!(config.story.bytes, 256 << 20);
    assert_eq!(config.story.age.as_secs(), 7 * 86_400);
    assert_eq!((config.hep, config.otel), (None, None));
    let own = |text: &str| text.parse::<IpAddr>().expect("an address");
    assert!(config.metrics_allow.iter().any(|net| net.contains(&own("127.0.0.9"))));
    assert!(!config.metrics_allow.iter().any(|net| net.contains(&own("192.0.2.1"))));
    let config = parse(
        "[story]\nkeep_megabytes = 0\nkeep_days = 1\n[metrics]\nallow = [\"10.0.0.0/8\"]\n\
         [hep]\ncollector = \"192.0.2.10:9060\"\ncapture_id = 7\npassword = \"p\"\n\
         [otel]\nendpoint = \"http://127.0.0.1:4318/\"\nservice = \"s\"\n\
         headers = { X-Key = { env = \"TOKEN\" } }\n",
    )
    .expect("a sound file");
    assert_eq!((config.story.bytes, config.metrics_allow.len()), (0, 1));
    let hep = config.hep.expect("a collector");
    assert_eq!((hep.collector.port(), hep.capture_id), (9060, 7));
    let otel = config.otel.expect("a collector");
    assert_eq!(otel.endpoint, "http://127.0.0.1:4318", "without the slash");
    assert_eq!(otel.headers, [("X-Key".to_owned(), Secret::new("from-environment"))]);
    for (text, wanted) in [
        ("[story]\nkeep_days = 0", "keep_days: expected 1 to 3650"),
        ("[story]\nkeep_megabytes = -1", "keep_megabytes: expected 0"),
        ("[hep]\ncollector = \"capture.example\"", "expected an address and port"),
        ("[hep]\ncapture_id = -1", "capture_id: expected"),
        ("[otel]\nendpoint = \"127.0.0.1:4318\"", "endpoint: expected http://"),
        ("[metrics]\nallow = [\"here\"]", "allow: expected an address or network"),
    ] {
        let said = problems(text);
        assert!(said.len() == 1 && said[0].contains(wanted), "{text}: {said:?}");
    }
}

/// The reference of the configuration is the sample: what is not in it nobody finds.
#[test]
fn the_sample_shows_every_key() {
    const TABLES: [&str; 16] = [
        "[server]",
        "[http]",
        "[sip]",
        "[sip.limits]",
        "[media]",
        "[speech]",
        "[webhook]",
        "[story]",
        "[metrics]",
        "[hep]",
        "[otel]",
        "[functions]",
        "[[credential_list]]",
        "[[domain]]",
        "[[number]]",
        "[[trunk]]",
    ];
    let sample = include_str!("../../samples/first/offhook.toml");
    let tables = problems("qqqqqqqqqqqqqqqq = 1");
    let (_, names) = tables[0].split_once("known: ").expect("a list of tables");
    for name in names.split(", ") {
        assert!(TABLES.iter().any(|table| table.trim_matches(['[', ']']) == name), "{name}");
    }
    for table in TABLES {
        assert!(sample.lines().any(|line| line == table), "{table}");
        let said = problems(&format!("{table}\nqqqqqqqqqqqqqqqq = 1\n"));
        let known = said.iter().find_map(|line| Some(line.split_once("known: ")?.1));
        for key in known.expect("a list of keys").split(", ") {
            let own_table = format!("[{}.{key}]", table.trim_matches(['[', ']']));
            let shown = |line: &str| {
                let line = line.trim_start_matches(['#', ' ']);
                line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
            };
            let shown = sample.lines().any(|line| line == own_table || shown(line));
            assert!(shown, "{table}: {key} is not in the sample");
        }
    }
}
