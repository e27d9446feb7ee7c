//! Trunks, lines, and the TLS that they speak.

use super::*;

#[test]
fn tls_and_its_trunks_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    write_pair(folder.path(), "one.pem", "one.key");
    write_pair(folder.path(), "ca.pem", "ca.key");
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
    let tls: Vec<_> =
        config.trunks.iter().map(|trunk| (trunk.tls_name.as_deref(), &trunk.identity)).collect();
    assert_eq!(tls, [(None, &Some(own)), (Some("b.example"), &None)]);
    assert_eq!(config.trunks[0].client_name.as_deref(), Some("c.example"));
}

#[test]
fn trunks_and_lines_are_read_with_all_their_keys() {
    let config = parse(
        r#"
        [dns]
        servers = ["192.0.2.53", "127.0.0.1:5353"]
        prefer = "ipv6"
        [[credential_list]]
        name = "staff"
        credentials = [{ username = "alice", password = "secret" }]
        [[domain]]
        name = "office.example"
        registration = ["staff"]
        [[trunk]]
        name = "carrier"
        uri = "sip:carrier.example"
        username = "us"
        auth_name = "us-auth"
        password = "secret"
        register = true
        expires = 300
        proxy = "edge.carrier.example"
        realm = "carrier"
        priority = 10
        weight = 3
        ping_interval = 30
        ping_up_after = 5
        answer_within = 6
        codecs = ["pcma"]
        headers = { "X-Account" = "42" }
        number_format = "national"
        country_code = "49"
        channels = 30
        from_domain = "us.example"
        [[line]]
        name = "alice-home"
        user = "alice@Office.example"
        domain = "provider.example"
        port = 5080
        transport = "tls"
        login = "12345"
        auth_name = "a12345"
        password = "secret"
        number = "+4930123456"
        "#,
    )
    .expect("a sound file");
    assert_eq!(config.dns.servers[0], "192.0.2.53:53".parse().expect("an address"));
    assert_eq!((config.dns.servers[1].port(), config.dns.prefer), (5353, Family::V6First));
    let trunk = &config.trunks[0];
    let login = trunk.login.as_ref().map(|(user, _)| user.as_str());
    let registration = trunk.registration.as_ref().map(|r| (r.user.as_str(), r.expires));
    assert_eq!((login, registration), (Some("us-auth"), Some(("us", 300))));
    assert_eq!(trunk.proxy.as_deref(), Some("sip:edge.carrier.example"));
    let ping = trunk.ping.expect("a ping");
    assert_eq!((ping.interval.as_secs(), ping.down_after, ping.up_after), (30, 2, 5));
    assert_eq!((trunk.priority, trunk.weight, trunk.channels), (10, 3, Some(30)));
    assert_eq!((trunk.codecs.concat(), trunk.answer_within.as_secs()), ("PCMA".to_owned(), 6));
    assert_eq!(trunk.numbers.write("+4930123456"), "030123456");
    let line = &config.lines[0];
    assert_eq!((line.user.as_str(), line.number.as_str()), ("alice@office.example", "+4930123456"));
    assert_eq!(line.account.uri, "sip:provider.example:5080;transport=tls");
    assert_eq!(line.account.login.as_ref().map(|(user, _)| user.as_str()), Some("a12345"));
    let keep_alive = |trunk: &Trunk| trunk.registration.as_ref().and_then(|r| r.keep_alive);
    assert_eq!(keep_alive(&line.account).map(|every| every.as_secs()), Some(25));
    assert_eq!(keep_alive(trunk), None);
    assert_eq!(line.account.prefixes, ["+"], "whatever its owner may dial");
    let elsewhere = "[[line]]\nname = \"l\"\nuser = \"a@b\"\ndomain = \"p\"\nlogin = \"x\"\n\
                     password = \"y\"\n";
    assert!(problems(elsewhere)[0].contains("no [[domain]] \"b\""), "{:?}", problems(elsewhere));
}

#[test]
fn certificates_that_cannot_be_served_are_blamed_where_they_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    write_pair(folder.path(), "one.pem", "one.key");
    write_pair(folder.path(), "two.pem", "two.key");
    std::fs::write(folder.path().join("empty"), "").expect("written");
    let said = |text: &str| -> Vec<String> {
        let read = Config::parse(folder.path(), Path::new(FILE), text, &|_| None);
        read.err().unwrap_or_default().iter().map(ToString::to_string).collect()
    };
    let pair = |certificate: &str, key: &str| {
        said(&format!("[[tls.certificates]]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n"))
    };
    assert_eq!(pair("one.pem", "one.key"), [""; 0]);
    for (said, place, words) in [
        (pair("one.pem", "two.key"), "3:7", "this key is not that of the certificate"),
        (pair("one.pem", "empty"), "3:7", "key: "),
        (pair("empty", "one.key"), "2:15", "no certificate in it"),
        (said("[tls]\nca = \"empty\"\n"), "2:6", "no certificate in it"),
        (
            said(
                "[[trunk]]\nname = \"t\"\nuri = \"sips:h\"\ntls_certificate = \"one.pem\"\n\
                 tls_key = \"two.key\"\n",
            ),
            "5:11",
            "this key is not that of the certificate",
        ),
    ] {
        let start = format!("offhook.toml:{place}: error config: ");
        assert!(said.len() == 1 && said[0].starts_with(&start), "{start}: {said:?}");
        assert!(said[0].contains(words), "{words}: {said:?}");
    }
}

#[test]
fn servers_over_tls_without_a_listener_for_it_are_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    write_pair(folder.path(), "one.pem", "one.key");
    let warnings = |text: &str| -> Vec<String> {
        let read = Config::parse(folder.path(), Path::new(FILE), text, &|_| None);
        read.expect("sound").warnings.iter().map(ToString::to_string).collect()
    };
    for uri in ["sips:h", "sip:h;transport=tls"] {
        let trunk = format!("[[trunk]]\nname = \"t\"\nuri = \"{uri}\"\n");
        let said = warnings(&trunk);
        assert!(said.len() == 1 && said[0].contains("3:7: warning"), "{said:?}");
        assert!(said[0].contains("no tls: listener"), "{said:?}");
        let with_listener = "[sip]\nlisten = [\"tls:127.0.0.1:5061\"]\n[tls]\ncertificates = \
                             [{ certificate = \"one.pem\", key = \"one.key\" }]\n";
        assert_eq!(warnings(&format!("{with_listener}{trunk}")), [""; 0]);
    }
    assert_eq!(warnings("[[trunk]]\nname = \"t\"\nuri = \"sip:h\"\n"), [""; 0]);
}

#[test]
fn a_line_is_a_users_own() {
    let office = "[[credential_list]]\nname = \"staff\"\ncredentials = [{ username = \"home\", \
                  password = \"x\" }]\n[[domain]]\nname = \"b.example\"\nregistration = \"staff\"\n";
    let line = |user: &str| {
        problems(&format!(
            "{office}[[line]]\nname = \"l\"\nuser = \"{user}\"\ndomain = \"p\"\nlogin = \"x\"\n\
             password = \"y\"\n"
        ))
    };
    assert_eq!(line("home@b.example"), [""; 0]);
    let said = line("homer@b.example");
    let wanted =
        "offhook.toml:9:8: error config: line l: user: domain b.example has no user \"homer\"";
    assert!(said.len() == 1 && said[0].starts_with(wanted), "{said:?}");
}
