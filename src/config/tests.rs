use super::*;
use crate::directory::{Caps, Handler, Watching};

mod trunks;

fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    let env = |name: &str| (name == "TOKEN").then(|| "from-environment".to_owned());
    Config::parse(Path::new("project"), Path::new(FILE), text, &env)
}

/// A certificate with its key, in files of these names.
fn write_pair(folder: &Path, certificate: &str, key: &str) {
    let pair = rcgen::KeyPair::generate().expect("a key");
    let signed = rcgen::CertificateParams::new(vec![]).expect("params").self_signed(&pair);
    let text = signed.expect("a certificate").pem();
    std::fs::write(folder.join(certificate), text).expect("written");
    std::fs::write(folder.join(key), pair.serialize_pem()).expect("written");
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
    assert_eq!(config.trunks[0].uri, "sip:127.0.0.1:5070;transport=tcp");
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
        (trunk("uri = \"sip:h;transport=ws\""), "transport=udp, tcp or tls"),
        (trunk("uri = \"sips:h;transport=udp\""), "transport=udp, tcp or tls"),
        (trunk("uri = \"sips:h\"\ntls_key = \"no.key\""), "cannot read "),
        (trunk("uri = \"sips:h\"\ntls_key = \"offhook.toml\""), "belong together"),
        (trunk("uri = \"sip:h\"\nclient_name = \"h\""), "client_certificates"),
        ("[sip]\nlisten = [\"wss:127.0.0.1:0\"]\n".to_owned(), "wants a certificate"),
        ("[sip]\nlisten = [\"sctp:127.0.0.1:0\"]\n".to_owned(), "tls:, ws: or wss:"),
        ("[sip]\norigins = [\"phone.example\"]\n".to_owned(), "expected https://HOST"),
        ("[sip]\nflow_timer = 5\n".to_owned(), "30 to 3600"),
        ("[sip]\nnat_ping = 2\n".to_owned(), "5 to 600"),
        ("[tls]\nclient_certificates = \"yes\"\n".to_owned(), "\"optional\" or"),
        ("[tls]\nclient_certificates = \"required\"\n".to_owned(), "set `client_ca`"),
        ("[tls]\ncertificates = [{ key = \"x\" }]\n".to_owned(), "wants `certificate`"),
        (trunk("uri = \"tel:+1\""), "expected sip:HOST"),
        (trunk("uri = \"sip:h\"\nusername = \"u\""), "both username and password"),
        (list("[\"alice\"]"), "expected a table"),
        ("[number]\nnumber = \"+1\"\n".to_owned(), "several: write [[number]] in the place of"),
        ("[[server]]\n".to_owned(), "only one: write [server] in the place of [[server]]"),
        (list("[{ username = \"a\", password = \"\" }]"), "wants a password"),
        (list(&format!("[{user}, {user}]")), "written twice"),
        ("[[domain]]\nname = \"office.example:5060\"\n".to_owned(), "without a port"),
        ("[server.auth_token]\nvalue = \"x\"\n".to_owned(), "auth_token: expected"),
        ("[functions.env.deep]\nvalue = \"x\"\n".to_owned(), "deep: expected"),
        ("[sip]\nlisten = []\n".to_owned(), "at least one"),
        (trunk("uri = \"sip:h\"\nregister = true"), "wants username and password"),
        (trunk("uri = \"sip:h\"\nproxy = \"sip:p;transport=ws\""), "proxy: servers are reached by"),
        (trunk("uri = \"sip:h\"\ncodecs = [\"G729\"]"), "known: PCMU, PCMA"),
        (trunk("uri = \"sip:h\"\nheaders = { Via = \"x\" }"), "written by the server"),
        (trunk("uri = \"sip:h\"\nheaders = { \"X Y\" = \"x\" }"), "cannot be sent"),
        (trunk("uri = \"sip:h\"\nnumber_format = \"national\""), "wants a country_code"),
        (trunk("uri = \"sip:h\"\nnumber_format = \"us\""), "\"digits\" or"),
        (trunk("uri = \"sip:h\"\nweight = -1"), "0 to 65535"),
        (trunk("uri = \"sip:h\"\nexpires = 5"), "60 to 86400"),
        ("[[line]]\nname = \"l\"\nuser = \"alice\"\n".to_owned(), "user@domain of ours"),
        ("[dns]\nservers = [\"ns.example\"]\n".to_owned(), "expected an address"),
        ("[dns]\nprefer = \"ipx\"\n".to_owned(), "\"ipv4\" or \"ipv6\""),
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
         calls_per_second = 20\ntransfer_out = true\nnat = true\n[[trunk]]\nname = \"c\"\nuri = \"sip:192.0.2.1\"\n\
         max_calls = 30\nrealm = \"carrier\"",
    )
    .expect("sound");
    assert_eq!(config.domains[0].caps, Caps::USER);
    assert_eq!([0, 1].map(|at| config.domains[at].transfer_out), [false, true]);
    assert_eq!([0, 1].map(|at| config.domains[at].nat), [false, true]);
    assert_eq!(config.domains[0].watching, Watching::Lamps);
    assert!(config.domains[0].messages);
    let quiet = "[[domain]]\nname = \"a.example\"\nevents = \"parties\"\nmessages = false";
    let quiet = parse(quiet).expect("sound");
    assert_eq!((quiet.domains[0].watching, quiet.domains[0].messages), (Watching::Parties, false));
    let wrong = problems("[[domain]]\nname = \"a.example\"\nvoice = \"bin:x\"\nevents = \"all\"");
    assert!(wrong.iter().any(|said| said.contains("expected \"off\", \"lamps\"")), "{wrong:?}");
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

/// The tables of the configuration.
const TABLES: [&str; 21] = [
    "[server]",
    "[http]",
    "[sip]",
    "[sip.limits]",
    "[tls]",
    "[stir]",
    "[dns]",
    "[media]",
    "[speech]",
    "[webhook]",
    "[story]",
    "[metrics]",
    "[hep]",
    "[otel]",
    "[functions]",
    "[[function]]",
    "[[credential_list]]",
    "[[domain]]",
    "[[number]]",
    "[[trunk]]",
    "[[line]]",
];

/// The sample with everything in it that is commented out.
fn whole_sample() -> String {
    let sample = include_str!("../../samples/first/offhook.toml");
    let shown = |line: &str| {
        let rest = line.strip_prefix("# ").unwrap_or_default();
        let key = rest.split_once(" = ").map_or(rest, |(key, _)| key);
        key.starts_with("[[")
            || !key.is_empty() && key.bytes().all(|b| b"_".contains(&b) || b.is_ascii_lowercase())
    };
    let lines = sample.lines().map(|line| if shown(line) { &line[2..] } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

/// The reference of the configuration is the sample: what is not in it nobody finds.
#[test]
fn the_sample_shows_every_key_and_every_key_of_it_is_right() {
    let sample = whole_sample();
    let env = |_: &str| Some("secret".to_owned());
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("tls")).expect("made");
    for (certificate, key) in [
        ("fullchain.pem", "privkey.pem"),
        ("client.pem", "client.key"),
        ("ca.pem", "ca.key"),
        ("clients.pem", "clients.key"),
        ("sti.pem", "sti.key"),
        ("sti-roots.pem", "sti-roots.key"),
    ] {
        write_pair(&folder.path().join("tls"), certificate, key);
    }
    std::fs::create_dir(folder.path().join("assets")).expect("made");
    std::fs::write(folder.path().join("assets/hold.wav"), "").expect("written");
    // Its trunk has no TLS, whose keys are only shown.
    let with_tls = sample
        .replace("uri = \"sip:127.0.0.1:5070\"", "uri = \"sips:127.0.0.1:5070\"")
        .replace("proxy = \"sip:", "proxy = \"sips:")
        .replace("client_certificates = \"none\"", "client_certificates = \"optional\"");
    let said = Config::parse(folder.path(), Path::new(FILE), &with_tls, &env).err();
    let said: Vec<String> = said.unwrap_or_default().iter().map(ToString::to_string).collect();
    // `AC…` stands for a SID.
    assert!(said.iter().all(|line| line.contains("account_sid")), "{said:?}");
    let unknown = problems("qqqqqqqqqqqqqqqq = 1").join("\n");
    let (_, tables) = unknown.split_once("known: ").expect("a list of tables");
    for name in tables.split(", ") {
        assert!(TABLES.iter().any(|table| table.trim_matches(['[', ']']) == name), "{name}");
    }
    for table in TABLES {
        let said = problems(&format!("{table}\nqqqqqqqqqqqq = 1\n")).join("\n");
        let (_, known) = said.split_once("known: ").expect("what is known");
        let known = known.lines().next().unwrap_or_default();
        let at = sample.find(&format!("\n{table}")).expect("the table");
        let rest = &sample[at + 1 + table.len()..];
        // Numbers take the keys of domains, and lines those of trunks, which are shown there.
        let shared = matches!(table, "[[number]]" | "[[line]]");
        let end = rest.find("\n[").unwrap_or(rest.len());
        let shown = if shared { &sample[..] } else { &rest[..end] };
        for key in known.split(", ") {
            let written = shown.lines().any(|line| line.starts_with(&format!("{key} = ")));
            let own = [format!("[[{key}]]"), format!("[{}.{key}]", table.trim_matches(['[', ']']))];
            let listed = own.iter().any(|own| sample.contains(own));
            assert!(written || listed, "{table} {key} is not in the sample");
        }
    }
    // The keys of tables that are written in one line.
    let one = "{ qqqqqqqqqqqqqqqq = 1 }";
    for (list, value) in [
        ("[tls]\ncertificates", &*format!("[{one}]")),
        ("[[credential_list]]\ncredentials", &format!("[{one}]")),
        ("[[trunk]]\nstir_sign", one),
    ] {
        let said = problems(&format!("{list} = {value}\n"));
        let known = said.iter().find_map(|line| Some(line.split_once("known: ")?.1));
        for key in known.expect("a list of keys").split(", ") {
            assert!(sample.contains(&format!(" {key} = ")), "{list}: {key} is not in the sample");
        }
    }
}

#[test]
fn a_value_out_of_range_is_blamed_where_it_stands() {
    let trunk = "[[trunk]]\nname = \"t\"\nuri = \"sip:h\"\n";
    for (text, place, message) in [
        ("[sip]\nshards = 1\nmin_se = 5\n", "3:10", "min_se: expected 90"),
        ("[sip]\n\n  shards = 40\n", "3:12", "shards: expected"),
        ("[sip]\n[sip.limits]\ninvite_rate = -1\n", "3:15", "invite_rate: expected"),
        ("[story]\nkeep_days = 0\n", "2:13", "keep_days: expected"),
        ("[media]\ntick_ms = 21\n", "2:11", "tick_ms: expected"),
        ("[stir]\nwait_ms = 9999\n", "2:11", "wait_ms: expected"),
        (&format!("{trunk}answer_within = 0\n"), "4:17", "answer_within: expected"),
        (&format!("{trunk}priority = -1\n"), "4:12", "priority: expected"),
        (&format!("{trunk}headers = {{ Via = \"x\" }}\n"), "4:19", "headers: Via"),
        ("[[trunk]]\nname = \"t\"\nuri = \"tel:1\"\n", "3:7", "uri: expected"),
    ] {
        let said = problems(text);
        let start = format!("offhook.toml:{place}: error config: {message}");
        assert!(said.len() == 1 && said[0].starts_with(&start), "{start}: {said:?}");
    }
}

#[test]
fn a_missing_secret_is_one_error() {
    let gone = "password = { env = \"GONE\" }";
    let office = "[[credential_list]]\nname = \"staff\"\ncredentials = [{ username = \"a\", \
                  password = \"x\" }]\n[[domain]]\nname = \"b\"\nregistration = [\"staff\"]\n";
    for text in [
        format!("[[trunk]]\nname = \"t\"\nuri = \"sip:h\"\nusername = \"u\"\n{gone}\n"),
        format!(
            "{office}[[line]]\nname = \"l\"\nuser = \"a@b\"\ndomain = \"p\"\nlogin = \"x\"\n{gone}\n"
        ),
        format!(
            "[[credential_list]]\nname = \"l\"\ncredentials = [{{ username = \"u\", {gone} }}]"
        ),
    ] {
        let said = problems(&text);
        assert!(said.len() == 1 && said[0].contains("has no GONE"), "{text}: {said:?}");
    }
}
