use super::*;
use crate::directory::Handler;

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
        (trunk("uri = \"sip:h;transport=ws\""), "transport=udp, tcp or tls"),
        (trunk("uri = \"sips:h;transport=udp\""), "transport=udp, tcp or tls"),
        (trunk("uri = \"sips:h\"\ntls_key = \"no.key\""), "cannot read "),
        (trunk("uri = \"sips:h\"\ntls_key = \"offhook.toml\""), "belong together"),
        (trunk("uri = \"sip:h\"\nclient_name = \"h\""), "client_certificates"),
        ("[sip]\nlisten = [\"wss:127.0.0.1:0\"]\n".to_owned(), "wants a certificate"),
        ("[sip]\nlisten = [\"sctp:127.0.0.1:0\"]\n".to_owned(), "tls:, ws: or wss:"),
        ("[sip]\norigins = [\"phone.example\"]\n".to_owned(), "expected https://HOST"),
        ("[sip]\nflow_timer = 5\n".to_owned(), "30 to 3600"),
        ("[tls]\nclient_certificates = \"yes\"\n".to_owned(), "\"optional\" or"),
        ("[tls]\nclient_certificates = \"required\"\n".to_owned(), "set `client_ca`"),
        ("[tls]\ncertificates = [{ key = \"x\" }]\n".to_owned(), "wants `certificate`"),
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
fn tls_and_its_trunks_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["one.pem", "one.key", "ca.pem"] {
        std::fs::write(folder.path().join(file), "").expect("written");
    }
    let text = "[sip]\nlisten = [\"tls:127.0.0.1:5061\", \"wss:127.0.0.1:443\"]\n\
        force_rport = true\nflow_timer = 0\nconnections_per_source = 7\n\
        origins = [\"https://Phone.example/\"]\n\
        [tls]\ncertificates = [{ certificate = \"one.pem\", key = \"one.key\" }]\n\
        ca = \"ca.pem\"\nsystem_roots = false\nclient_ca = [\"ca.pem\"]\n\
        client_certificates = \"optional\"\n\
        [[trunk]]\nname = \"a\"\nuri = \"sips:Carrier.example\"\nclient_name = \"c.example\"\n\
        tls_certificate = \"one.pem\"\ntls_key = \"one.key\"\n\
        [[trunk]]\nname = \"b\"\nuri = \"sip:192.0.2.1;transport=TLS\"\ntls_name = \"b.example\"\n";
    let file = folder.path().join(FILE);
    let config = Config::parse(folder.path(), &file, text, &|_| None).expect("sound");
    let names: Vec<_> = config.sip.listen.iter().map(|(transport, _)| *transport).collect();
    assert_eq!(names, [Transport::Tls, Transport::Wss]);
    assert!(config.sip.force_rport && config.sip.flow_timer == 0);
    assert_eq!(config.sip.connections_per_source, 7);
    assert_eq!(config.sip.origins, ["https://phone.example"]);
    let own =
        KeyPair { certificate: folder.path().join("one.pem"), key: folder.path().join("one.key") };
    assert_eq!(config.tls.certificates, std::slice::from_ref(&own));
    assert_eq!(config.tls.client_certificates, ClientCertificates::Optional);
    assert!(!config.tls.system_roots && config.tls.ca == config.tls.client_ca);
    let tls: Vec<_> = config.trunks.iter().filter_map(|trunk| trunk.tls.clone()).collect();
    assert_eq!((tls[0].name.as_str(), &tls[0].identity), ("carrier.example", &Some(own)));
    assert_eq!((tls[1].name.as_str(), &tls[1].identity), ("b.example", &None));
    assert_eq!(config.trunks[0].client_name.as_deref(), Some("c.example"));
}

#[test]
fn the_sample_shows_every_key() {
    let sample = include_str!("../../samples/first/offhook.toml");
    let shown = |key: &str| {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        sample.split(|c| !word(c)).any(|found| found == key)
    };
    let tables = ["server", "http", "sip", "tls", "media", "speech", "webhook", "functions"];
    let lists = ["credential_list", "domain", "number", "trunk"];
    let tables = tables.map(|name| (name, format!("[{name}]\n?\n")));
    let lists = lists.map(|name| (name, format!("[[{name}]]\n?\n")));
    let pair = ("certificates", "[tls]\ncertificates = [{ ? }]\n".to_owned());
    for (table, text) in tables.into_iter().chain(lists).chain([pair]) {
        let said = problems(&text.replace('?', "zzzzzzzzzzzz = 1"));
        let known = said.iter().find_map(|line| line.split_once("known: "));
        let (_, known) = known.unwrap_or_else(|| panic!("{table}: {said:?}"));
        assert!(shown(table), "[{table}] is missing in the sample");
        for key in known.split(", ") {
            assert!(shown(key), "{key} of [{table}] is missing in the sample");
        }
    }
}
