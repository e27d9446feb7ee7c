//! TLS: names, authorities, both sides' certificates, and new files.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair as Key};

use super::*;
use crate::base::Secret;
use crate::base::id::AccountSid;
use crate::config::ClientCertificates;
use crate::directory::{KeyPair, Limits, TlsPeer, Trunk};

/// An authority with a folder for what it signs.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, Key>,
    folder: tempfile::TempDir,
}

impl Authority {
    pub(super) fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = Key::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("written");
        Authority { issuer, folder }
    }

    pub(super) fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate of these names with its key, in files of that name.
    pub(super) fn sign(&self, file: &str, names: &[&str]) -> KeyPair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("names");
        let key = Key::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("signed");
        let path = |end: &str| self.folder.path().join(format!("{file}.{end}"));
        let pair = KeyPair { certificate: path("pem"), key: path("key") };
        std::fs::write(&pair.certificate, signed.pem()).expect("written");
        std::fs::write(&pair.key, key.serialize_pem()).expect("written");
        pair
    }

    /// Shows these certificates, and believes this authority alone.
    pub(super) fn settings(&self, certificates: Vec<KeyPair>) -> Settings {
        let tls = config::Tls { certificates, ca: vec![self.file()], ..config::Tls::default() };
        Settings { tls, ..plain() }
    }
}

/// A request from one to the other, and an answer on the flow that it came by.
pub(super) async fn exchange(client: &mut SipIo, server: &mut SipIo, flow: Flow) -> Flow {
    assert!(client.send(flow, &Bytes::from_static(OPTIONS)).is_none());
    let (came, bytes) = said(client, server, flow).await;
    assert_eq!((came.transport, bytes), (flow.transport, Bytes::from_static(OPTIONS)));
    assert!(server.send(came, &Bytes::from_static(OPTIONS)).is_none());
    let (back, bytes) = said(client, server, flow).await;
    assert_eq!((back.remote, bytes), (flow.remote, Bytes::from_static(OPTIONS)));
    came
}

/// The next message at either end; earlier connections may end meanwhile, but not this way.
async fn said(client: &mut SipIo, server: &mut SipIo, flow: Flow) -> (Flow, Bytes) {
    loop {
        match either(client, server).await {
            Arrival::Message(flow, bytes) => return (flow, bytes),
            Arrival::Unreachable(lost) => assert_ne!(lost, flow, "there is a way"),
        }
    }
}

/// Tries to reach a server; it must not come about.
async fn refused(client: &mut SipIo, server: &mut SipIo, flow: Flow, why: &str) {
    assert!(client.send(flow, &Bytes::from_static(OPTIONS)).is_none());
    loop {
        match either(client, server).await {
            Arrival::Unreachable(lost) if lost == flow => return,
            Arrival::Unreachable(_) => {}
            Arrival::Message(..) => panic!("{why}"),
        }
    }
}

#[test]
fn a_server_must_bear_the_name_that_it_was_called_by() {
    run(async {
        let authority = Authority::new();
        let pair = authority.sign("server", &["pbx.example"]);
        let mut server = bound(&[Transport::Tls], authority.settings(vec![pair]));
        let mut client = bound(&[Transport::Tls], authority.settings(vec![]));
        let remote = address_of(&server, Transport::Tls);
        let flow = towards(&client, Transport::Tls, remote);

        refused(&mut client, &mut server, flow, "its address is not in the certificate").await;
        client.expect(remote, Expected::Named("pbx.example".to_owned()));
        let first = exchange(&mut client, &mut server, flow).await;
        let second = exchange(&mut client, &mut server, flow).await;
        assert_eq!(first, second, "one connection serves both");
        // The same address by another name is another server.
        client.expect(remote, Expected::Named("other.example".to_owned()));
        refused(&mut client, &mut server, flow, "the name is another's").await;

        let strangers = Authority::new();
        let mut stranger = bound(&[Transport::Tls], strangers.settings(vec![]));
        stranger.expect(remote, Expected::Named("pbx.example".to_owned()));
        let flow = towards(&stranger, Transport::Tls, remote);
        refused(&mut stranger, &mut server, flow, "nobody vouches for it").await;
    });
}

#[test]
fn the_name_asked_for_chooses_the_certificate() {
    run(async {
        let authority = Authority::new();
        let pairs = vec![
            authority.sign("one", &["one.example", "127.0.0.1"]),
            authority.sign("two", &["two.example", "*.two.example"]),
        ];
        let mut server = bound(&[Transport::Tls], authority.settings(pairs));
        let remote = address_of(&server, Transport::Tls);
        for name in ["two.example", "sip.two.example", "one.example", "127.0.0.1"] {
            let mut client = bound(&[Transport::Tls], authority.settings(vec![]));
            client.expect(remote, Expected::Named(name.to_owned()));
            let flow = towards(&client, Transport::Tls, remote);
            exchange(&mut client, &mut server, flow).await;
        }
    });
}

/// Waits until the certificate file's time can differ from what it was.
fn write_later(path: &Path, text: &str) {
    let before = std::fs::metadata(path).and_then(|known| known.modified()).expect("a time");
    std::fs::write(path, text).expect("written");
    let file = std::fs::File::options().write(true).open(path).expect("opened");
    file.set_modified(before + std::time::Duration::from_secs(2)).expect("a later time");
}

#[test]
fn a_renewed_certificate_counts_for_new_connections_and_a_bad_one_never() {
    run(async {
        let authority = Authority::new();
        let pair = authority.sign("server", &["old.example"]);
        let mut server = bound(&[Transport::Tls], authority.settings(vec![pair.clone()]));
        let remote = address_of(&server, Transport::Tls);
        let mut old = bound(&[Transport::Tls], authority.settings(vec![]));
        old.expect(remote, Expected::Named("old.example".to_owned()));
        let flow = towards(&old, Transport::Tls, remote);
        let held = exchange(&mut old, &mut server, flow).await;

        let new = authority.sign("new", &["new.example"]);
        let read = |path: &Path| std::fs::read_to_string(path).expect("readable");
        // Only half of the pair: the key is still the old one's.
        write_later(&pair.certificate, &read(&new.certificate));
        let settings = authority.settings(vec![]);
        looks(&mut old, &mut server).await;
        let mut late = bound(&[Transport::Tls], settings.clone());
        late.expect(remote, Expected::Named("old.example".to_owned()));
        let way = towards(&late, Transport::Tls, remote);
        exchange(&mut late, &mut server, way).await;

        write_later(&pair.key, &read(&new.key));
        let mut newcomer = bound(&[Transport::Tls], settings);
        newcomer.expect(remote, Expected::Named("new.example".to_owned()));
        let way = towards(&newcomer, Transport::Tls, remote);
        looks(&mut old, &mut server).await;
        exchange(&mut newcomer, &mut server, way).await;
        assert_eq!(exchange(&mut old, &mut server, flow).await, held, "and none was dropped");
    });
}

/// Serves both ends for as long as the files are looked at twice, well below the 5 s that a
/// renewal may take.
async fn looks(one: &mut SipIo, two: &mut SipIo) {
    let three = std::time::Duration::from_secs(3);
    let arrival = tokio::time::timeout(three, either(one, two)).await;
    assert!(arrival.is_err(), "{arrival:?}");
}

/// A configuration with one trunk, which must prove a name when it connects to us.
fn with_trunk(client_name: &str) -> Directory {
    let trunk = Trunk {
        client_name: Some(client_name.to_owned()),
        inbound_ips: vec!["127.0.0.0/8".parse().expect("a network")],
        ..Trunk::new("carrier", "sips:carrier.example")
    };
    Directory {
        account_sid: AccountSid::from_bytes([1; 16]),
        auth_token: Secret::new("x"),
        public_url: String::new(),
        credential_lists: Default::default(),
        domains: Default::default(),
        numbers: Default::default(),
        trunks: vec![trunk],
        lines: Default::default(),
        limits: Limits::default(),
        hold_music: Default::default(),
    }
}

fn upstream(name: &str, identity: Option<KeyPair>) -> Expected {
    Expected::Upstream(TlsPeer { name: name.to_owned(), identity })
}

#[test]
fn trunks_prove_their_names_to_each_other() {
    run(async {
        let authority = Authority::new();
        let mut settings = authority.settings(vec![authority.sign("us", &["us.example"])]);
        settings.tls.client_ca = vec![authority.file()];
        settings.tls.client_certificates = ClientCertificates::Required;
        let mut server = bound(&[Transport::Tls], settings);
        let remote = address_of(&server, Transport::Tls);
        server.know(&with_trunk("carrier.example"));

        let pair = |name: &str| Some(authority.sign(name, &[name]));
        for (identity, welcome) in
            [(None, false), (pair("mallory.example"), false), (pair("carrier.example"), true)]
        {
            let name = format!("{identity:?}");
            let mut client = bound(&[Transport::Tls], authority.settings(vec![]));
            client.expect(remote, upstream("us.example", identity));
            client.expect(remote, Expected::Named("evil.example".to_owned()));
            let flow = towards(&client, Transport::Tls, remote);
            match welcome {
                true => drop(exchange(&mut client, &mut server, flow).await),
                false => refused(&mut client, &mut server, flow, &name).await,
            }
        }
    });
}

#[test]
fn a_proven_trunk_is_reached_over_its_own_connection() {
    run(async {
        let authority = Authority::new();
        let mut settings = authority.settings(vec![authority.sign("us", &["us.example"])]);
        settings.tls.client_ca = vec![authority.file()];
        settings.tls.client_certificates = ClientCertificates::Optional;
        let mut server = bound(&[Transport::Tls], settings);
        let remote = address_of(&server, Transport::Tls);
        // Nobody listens where the trunk says that it does.
        let port = "127.0.0.1:9".parse().expect("an address");
        let name = "carrier.example";
        server.know(&with_trunk(name));
        server.expect(port, upstream(name, None));

        for (via, welcome) in [("h:9;branch", false), ("h:9;alias;branch", true)] {
            let mut trunk = bound(&[Transport::Tls], authority.settings(vec![]));
            let identity = Some(authority.sign(name, &[name]));
            trunk.expect(remote, upstream("us.example", identity));
            let flow = towards(&trunk, Transport::Tls, remote);
            let request = String::from_utf8_lossy(OPTIONS).replace("h;branch", via);
            assert!(trunk.send(flow, &Bytes::from(request)).is_none());
            let (came, _) = said(&mut trunk, &mut server, flow).await;
            let back = Flow { remote: port, connection: 0, ..came };
            if welcome {
                assert!(server.send(back, &Bytes::from_static(OPTIONS)).is_none());
                assert_eq!(said(&mut trunk, &mut server, back).await.0.remote, remote);
            } else {
                refused(&mut server, &mut trunk, back, "it did not ask for that").await;
            }
        }
    });
}

#[test]
fn a_pair_that_does_not_belong_together_is_named_at_the_start() {
    run(async {
        let authority = Authority::new();
        let (one, two) =
            (authority.sign("one", &["a.example"]), authority.sign("two", &["b.example"]));
        let mixed = KeyPair { certificate: one.certificate.clone(), key: two.key.clone() };
        let settings = authority.settings(vec![mixed]);
        let error = SipIo::bind(&[(Transport::Tls, LOOPBACK)], settings).err().expect("refused");
        assert!(error.to_string().contains("one.pem with "), "{error}");
        std::fs::write(&one.key, "no key").expect("written");
        let settings = authority.settings(vec![one]);
        let error = SipIo::bind(&[(Transport::Tls, LOOPBACK)], settings).err().expect("refused");
        assert!(error.to_string().contains("one.key: "), "{error}");
    });
}

#[test]
fn plain_text_on_a_tls_port_ends_there() {
    run(async {
        let authority = Authority::new();
        let pair = authority.sign("server", &["pbx.example"]);
        let mut server = bound(&[Transport::Tls], authority.settings(vec![pair]));
        let address = address_of(&server, Transport::Tls);
        let mut peer = tokio::net::TcpStream::connect(address).await.expect("connected");
        tokio::io::AsyncWriteExt::write_all(&mut peer, OPTIONS).await.expect("written");
        lost(&mut server).await;
    });
}
