//! Client and server over real loopback sockets.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::base::Secret;
use crate::base::id::{AccountSid, CallSid, RecordingSid};
use crate::call::Method;

use super::client::{Authorities, DOCUMENT_LIMIT, MOST_REDIRECTS};
use super::loopback::{Loopback, answer, client, with_headers};
use super::recordings::{Recordings, routes};
use super::resolver::Lookup;
use super::*;

fn outgoing(url: &str, method: Method) -> Outgoing {
    Outgoing {
        call: Some(CallSid::from_bytes([1; 16])),
        url: url.to_owned(),
        method,
        parameters: vec![("From".to_owned(), "+1 5".to_owned()), ("A".to_owned(), "b".to_owned())],
        headers: Vec::new(),
        token: "token-1".to_owned(),
        stranger: false,
        limit: DOCUMENT_LIMIT,
    }
}

fn redirect(status: u16, location: &str) -> Option<Vec<u8>> {
    Some(with_headers(status, &[("Location", location)], ""))
}

#[tokio::test]
async fn a_request_for_a_stranger_says_nothing_of_us() {
    let server = Loopback::new(vec![redirect(302, "/voice?Digits=1"), None]);
    let plain = Outgoing {
        stranger: true,
        parameters: vec![],
        ..outgoing(&format!("{}/cert.pem", server.url), Method::Get)
    };
    let reply = client().send(&plain).await.unwrap();
    assert_eq!(reply.status, 302, "nor does it go where it is sent");
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    for name in ["X-Twilio-Signature", "I-Twilio-Idempotency-Token", "Cookie"] {
        assert_eq!(seen[0].headers.first(name), None, "{name}");
    }
}

/// Serves `ok` over TLS; gives its address and a folder with its authority.
async fn over_tls() -> (String, tempfile::TempDir) {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::rustls::{self, pki_types::PrivateKeyDer};

    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let shown = names.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![shown.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/cert.pem", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "the other side of a socket")]
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 4_096]).await;
            let _ = stream.write_all(&answer(200, "text/plain", "ok")).await;
            let _ = stream.shutdown().await;
        }
    });
    (url, folder)
}

#[tokio::test]
async fn a_strangers_server_may_be_vouched_for_by_a_named_authority() {
    let (url, folder) = over_tls().await;
    let plain = Outgoing { stranger: true, parameters: vec![], ..outgoing(&url, Method::Get) };
    let allow = || Config::new(vec!["127.0.0.0/8".parse().unwrap()], Secret::default());
    let path = folder.path().join("ca.pem");
    let right = std::fs::read(&path).unwrap();
    let authorities = Arc::new(Authorities::new(vec![path.clone()]));
    let named = Client::new(Config { authorities: Arc::clone(&authorities), ..allow() });
    assert_eq!(named.send(&plain).await.map(|reply| reply.status), Ok(200));
    assert!(Client::new(allow()).send(&plain).await.is_err(), "nobody vouches for it");
    let ours = Outgoing { stranger: false, ..plain };
    assert!(named.send(&ours).await.is_err(), "webhooks are vouched for by the system's alone");

    // Another authority takes its place while the server runs, and it again.
    let plain = Outgoing { stranger: true, ..ours };
    let (_, other) = over_tls().await;
    std::fs::copy(other.path().join("ca.pem"), &path).unwrap();
    assert_eq!(named.send(&plain).await.map(|reply| reply.status), Ok(200), "not told yet");
    assert_eq!(authorities.reload(), Ok(()));
    assert!(named.send(&plain).await.is_err(), "no longer vouched for");
    std::fs::write(&path, right).unwrap();
    assert_eq!(authorities.reload(), Ok(()));
    assert_eq!(named.send(&plain).await.map(|reply| reply.status), Ok(200));
    std::fs::write(&path, "no certificate").unwrap();
    assert!(authorities.reload().is_err());
    assert_eq!(named.send(&plain).await.map(|reply| reply.status), Ok(200), "the last good one");
}

#[tokio::test]
async fn a_post_carries_form_signature_token_and_name() {
    let server = Loopback::always(answer(200, "text/xml", "<Response/>"));
    let url = format!("{}/voice?b=2&a=1#section", server.url);
    let reply = client().send(&outgoing(&url, Method::Post)).await.unwrap();
    assert_eq!((reply.status, &reply.body[..]), (200, &b"<Response/>"[..]));
    let sent = format!("{}/voice?b=2&a=1", server.url);
    assert_eq!(reply.url, sent);
    let seen = &server.seen()[0];
    assert_eq!(seen.line, "POST /voice?b=2&a=1 HTTP/1.1");
    assert_eq!(seen.body, "From=%2B1+5&A=b");
    let header = |name: &str| seen.headers.first(name).unwrap_or("").to_owned();
    assert_eq!(header("User-Agent"), "TwilioProxy/1.1");
    assert_eq!(header("Content-Type"), form::CONTENT_TYPE);
    assert_eq!(header("I-Twilio-Idempotency-Token"), "token-1");
    let parameters = outgoing("", Method::Post).parameters;
    let signed = signature::sign(&Secret::new("12345"), &sent, &parameters);
    assert_eq!(header("X-Twilio-Signature"), signed);
}

#[tokio::test]
async fn a_get_appends_its_parameters_and_signs_the_url_alone() {
    let server = Loopback::always(answer(200, "text/xml", "<Response/>"));
    let url = format!("{}/voice?z=1", server.url);
    let reply = client().send(&outgoing(&url, Method::Get)).await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.line, "GET /voice?z=1&From=%2B1+5&A=b HTTP/1.1");
    assert_eq!(seen.body, "");
    let signed = signature::sign(&Secret::new("12345"), &reply.url, &[]);
    assert_eq!(seen.headers.first(signature::HEADER), Some(signed.as_str()));
}

#[tokio::test]
async fn redirects_change_or_keep_the_method() {
    for (status, line, body) in [
        (301, "GET /next?x=1 HTTP/1.1", ""),
        (302, "GET /next?x=1 HTTP/1.1", ""),
        (303, "GET /next?x=1 HTTP/1.1", ""),
        (307, "POST /next?x=1 HTTP/1.1", "From=%2B1+5&A=b"),
        (308, "POST /next?x=1 HTTP/1.1", "From=%2B1+5&A=b"),
    ] {
        let done = Some(answer(200, "text/xml", "<Response/>"));
        let server = Loopback::new(vec![redirect(status, "/next?x=1#top"), done]);
        let reply = client().send(&outgoing(&server.url, Method::Post)).await.unwrap();
        assert_eq!(reply.url, format!("{}/next?x=1", server.url));
        let seen = server.seen();
        assert_eq!((seen[1].line.as_str(), seen[1].body.as_str()), (line, body), "{status}");
        assert_eq!(seen[1].headers.first("I-Twilio-Idempotency-Token"), Some("token-1"));
    }
}

#[tokio::test]
async fn redirect_loops_and_bad_redirects_end() {
    let server = Loopback::new(vec![redirect(302, "/again")]);
    let error = client().send(&outgoing(&server.url, Method::Get)).await.unwrap_err();
    assert_eq!(error, Error::TooManyRedirects);
    assert_eq!(server.seen().len(), MOST_REDIRECTS + 1);
    for (location, code) in [("", 11200), ("http://", 11200), ("ftp://a.example/", 11100)] {
        let server = Loopback::new(vec![redirect(302, location)]);
        let error = client().send(&outgoing(&server.url, Method::Get)).await.unwrap_err();
        assert_eq!(error.code(), code, "{location:?}");
    }
}

#[tokio::test]
async fn cookies_stay_within_their_call() {
    let set = with_headers(200, &[("Set-Cookie", "session=abc; Path=/")], "");
    let server = Loopback::always(set);
    let client = client();
    let mut request = outgoing(&server.url, Method::Post);
    client.send(&request).await.unwrap();
    client.send(&request).await.unwrap();
    request.call = Some(CallSid::from_bytes([2; 16]));
    client.send(&request).await.unwrap();
    client.forget(CallSid::from_bytes([1; 16]));
    request.call = Some(CallSid::from_bytes([1; 16]));
    client.send(&request).await.unwrap();
    let cookies: Vec<_> =
        server.seen().iter().map(|seen| seen.headers.first("Cookie").map(str::to_owned)).collect();
    assert_eq!(cookies, [None, Some("session=abc".to_owned()), None, None]);
}

#[tokio::test]
async fn logins_of_the_url_travel_in_a_header_and_to_the_same_origin_alone() {
    let other = Loopback::always(answer(200, "text/xml", ""));
    let server = Loopback::new(vec![redirect(307, "/same"), redirect(307, &other.url)]);
    let url = server.url.replace("http://", "http://us%40er:p%3Ass@");
    let reply = client().send(&outgoing(&url, Method::Post)).await.unwrap();
    assert!(!reply.url.contains("ss@"));
    let basic = Some("Basic dXNAZXI6cDpzcw==");
    for seen in server.seen() {
        assert_eq!(seen.headers.first("Authorization"), basic);
    }
    assert_eq!(server.seen().len(), 2);
    assert_eq!(other.seen()[0].headers.first("Authorization"), None);
}

#[tokio::test]
async fn a_digest_challenge_is_answered_once() {
    let challenge = "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"";
    let refused = with_headers(401, &[("WWW-Authenticate", challenge)], "");
    let fine = Some(answer(200, "text/xml", "<Response/>"));
    let server = Loopback::new(vec![Some(refused.clone()), fine]);
    let url = format!("{}/v?x=1", server.url.replace("http://", "http://u:p@"));
    assert_eq!(client().send(&outgoing(&url, Method::Post)).await.unwrap().status, 200);
    let seen = server.seen();
    let given = |n: usize| seen[n].headers.first("Authorization").unwrap();
    assert!(given(0).starts_with("Basic "));
    assert!(given(1).starts_with("Digest username=\"u\"") && given(1).contains("uri=\"/v?x=1\""));
    assert_eq!(seen[1].body, seen[0].body);
    let server = Loopback::always(refused);
    let url = server.url.replace("http://", "http://u:p@");
    assert_eq!(client().send(&outgoing(&url, Method::Post)).await.unwrap().status, 401);
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn overrides_set_retries_and_times() {
    let failing = answer(503, "text/plain", "");
    let fine = Some(answer(200, "text/xml", ""));
    let server = Loopback::new(vec![Some(failing.clone()), Some(failing.clone()), fine]);
    let url = format!("{}/#rc=2&rp=5xx", server.url);
    assert_eq!(client().send(&outgoing(&url, Method::Post)).await.unwrap().status, 200);
    let tokens: Vec<_> = server.seen();
    assert!(
        tokens.iter().all(|s| s.headers.first("I-Twilio-Idempotency-Token") == Some("token-1"))
    );
    let server = Loopback::always(failing);
    assert_eq!(client().send(&outgoing(&server.url, Method::Post)).await.unwrap().status, 503);
    assert_eq!(server.seen().len(), 1, "answers are not asked for twice by default");
    let silent = Loopback::new(vec![None]);
    for (overrides, error, tries) in
        [("tt=150", Error::TotalTimeout, 1), ("rt=100&rp=rt&rc=2", Error::ReadTimeout, 4)]
    {
        let url = format!("{}/#{overrides}", silent.url);
        assert_eq!(client().send(&outgoing(&url, Method::Post)).await.unwrap_err(), error);
        assert_eq!(silent.seen().len(), tries, "{overrides}");
    }
}

#[tokio::test]
async fn bodies_are_bounded_with_and_without_a_length() {
    let long = "x".repeat(DOCUMENT_LIMIT + 1);
    let unframed = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{long}").into_bytes();
    for bytes in [answer(200, "text/xml", &long), unframed] {
        let server = Loopback::always(bytes);
        let error = client().send(&outgoing(&server.url, Method::Post)).await.unwrap_err();
        assert_eq!(error, Error::TooLarge(DOCUMENT_LIMIT));
    }
    let server = Loopback::always(answer(200, "text/xml", &long[1..]));
    assert!(client().send(&outgoing(&server.url, Method::Post)).await.is_ok());
}

/// Every way to write a private address in a URL; `Url` itself reads the odd numbers.
#[tokio::test]
async fn forbidden_addresses_are_refused_however_they_are_written() {
    let guarded = Client::new(Config::new(Vec::new(), Secret::default()));
    for host in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "127.0.0.01",
        "%31%32%37.0.0.1",
        "１２７.0.0.1",
        "127。0。0。1",
        "0",
        "0.0.0.0",
        "10.0.0.1",
        "167772161",
        "0xa.0.0.1",
        "192.168.0.1",
        "0300.0250.0.1",
        "172.16.0.1",
        "169.254.169.254",
        "0xa9fea9fe",
        "2852039166",
        "0251.0376.0251.0376",
        "100.64.0.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:a9fe:a9fe]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fd00::1]",
        "[0:0:0:0:0:ffff:10.0.0.1]",
        "user:pw@127.0.0.1",
        "8.8.8.8@127.0.0.1",
        "localhost",
        "LOCALHOST",
    ] {
        let url = format!("http://{host}:9/");
        let error = guarded.send(&outgoing(&url, Method::Get)).await.unwrap_err();
        assert!(matches!(error, Error::Forbidden(_)), "{host}: {error:?}");
        assert_eq!(error.code(), 11210);
    }
}

/// A name that changes its mind: what was checked is what is connected to.
struct Rebinding(std::sync::Mutex<Vec<Vec<IpAddr>>>);

impl Lookup for Rebinding {
    fn lookup<'a>(&'a self, _: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        let next = self.0.lock().unwrap().remove(0);
        Box::pin(async move { Ok(next) })
    }
}

#[tokio::test]
async fn names_and_redirects_that_lead_inside_are_refused() {
    let inside = Loopback::always(answer(200, "text/xml", "secret"));
    let port = inside.url.rsplit_once(':').unwrap().1.to_owned();
    let local: IpAddr = "127.0.0.1".parse().unwrap();
    let config = |allow: &str, answers: Vec<Vec<IpAddr>>| Config {
        lookup: Arc::new(Rebinding(answers.into())),
        ..Config::new(vec![allow.parse().unwrap()], Secret::default())
    };
    let guarded = Client::new(config("192.0.2.0/24", vec![vec![local], vec![local]]));
    let url = format!("http://inside.example:{port}/");
    let error = guarded.send(&outgoing(&url, Method::Get)).await.unwrap_err();
    assert!(matches!(error, Error::Forbidden(_)), "{error:?}");
    assert!(inside.seen().is_empty());
    // 127.0.0.1 is allowed, 127.0.0.2 is not: only the redirect offends.
    let target = format!("http://127.0.0.2:{port}/");
    let outside = Loopback::new(vec![redirect(302, &target)]);
    let guarded = Client::new(config("127.0.0.1/32", Vec::new()));
    let error = guarded.send(&outgoing(&outside.url, Method::Get)).await.unwrap_err();
    assert!(matches!(error, Error::Forbidden(_)), "{error:?}");
    assert_eq!(outside.seen().len(), 1);
    // A name that leads to both kinds is reached by its good address.
    let both = vec!["10.0.0.1".parse().unwrap(), local];
    let guarded = Client::new(config("127.0.0.1/32", vec![both]));
    assert_eq!(guarded.send(&outgoing(&url, Method::Get)).await.unwrap().status, 200);
}

/// Our own server and client, one kept connection, over a real socket.
#[tokio::test]
async fn the_server_answers_over_a_socket_and_stops_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let (account, recording) = (AccountSid::from_bytes([3; 16]), RecordingSid::from_bytes([4; 16]));
    std::fs::write(folder.path().join(format!("{recording}.wav")), "RIFFsound").unwrap();
    let auth_token = Secret::new("token");
    let recordings = Recordings { folder: folder.path().into(), account_sid: account, auth_token };
    let routes = routes(recordings, Arc::new(AtomicBool::new(true)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = async {
        let (stream, peer) = listener.accept().await.unwrap();
        let shutdown = async { drop(stopped.await) };
        let bodies = Arc::default();
        let peer = Some(peer.ip());
        let idle = Arc::default();
        server::serve_connection(stream, peer, routes, bodies, idle, shutdown).await.unwrap();
    };
    let asking = async {
        let client = client();
        let path = format!("/2010-04-01/Accounts/{account}/Recordings/{recording}");
        let login = format!("{account}:token@");
        let url = |login: &str, path: &str| base.replace("://", &format!("://{login}")) + path;
        for (url, method, status, body) in [
            (url("", "/healthz"), Method::Get, 200, "ok\n"),
            (url("", "/readyz"), Method::Get, 200, "ready\n"),
            (url("", "/healthz"), Method::Post, 405, "405: POST"),
            (url("", "/nothing"), Method::Get, 404, "404: nothing is served at /nothing"),
            (url(&login, &path), Method::Get, 200, "RIFFsound"),
            (url(&login, &format!("{path}.wav")), Method::Get, 200, "RIFFsound"),
            (url("", &path), Method::Get, 401, "{\"code\":20003"),
            (url("x:token@", &path), Method::Get, 401, "{\"code\":20003"),
            (url(&login, &format!("{path}0")), Method::Get, 404, "{\"code\":20404"),
            (url(&login, "/2010-04-01/Accounts.json"), Method::Get, 404, "{\"code\":20404"),
        ] {
            let mut request = outgoing(&url, method);
            request.parameters.clear();
            let reply = client.send(&request).await.unwrap();
            assert_eq!(reply.status, status, "{url:.60}");
            assert!(reply.body.starts_with(body.as_bytes()), "{url:.60}: {:?}", reply.body);
        }
        stop.send(()).ok();
    };
    tokio::join!(serving, asking);
}

#[tokio::test]
async fn failures_before_any_answer_have_their_codes() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    // Answers in plain text to whoever speaks TLS, as a wrong port does.
    let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tls = format!("https://{}/", plain.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in plain.incoming() {
            let _ = std::io::Write::write_all(&mut stream.unwrap(), b"HTTP/1.1 400 Bad\r\n\r\n");
        }
    });
    for (url, code) in [
        (refused.as_str(), 11202),
        (tls.as_str(), 11220),
        ("http://a_b.example/", 11210),
        ("http://nothing.invalid/", 11210),
        ("http:///", 11100),
        ("ftp://a.example/", 11100),
        ("not a url", 11100),
        ("http://a.example/#rc=9", 11243),
    ] {
        let error = client().send(&outgoing(url, Method::Post)).await.unwrap_err();
        assert_eq!(error.code(), code, "{url}: {error:?}");
    }
}

/// What the server answers to raw bytes, up to the end of the connection.
async fn raw(bytes: Vec<u8>) -> String {
    struct Echo;
    impl Handler for Echo {
        fn handle<'a>(&'a self, request: Request, _: Vec<String>) -> BoxFuture<'a, Response> {
            let text = format!("{} bytes", request.body.len());
            let smuggled = "0\r\n\r\nHTTP/1.1 200 OK";
            Box::pin(async move {
                Response::text(200, &text)
                    .with("Content-Length", "1")
                    .with("X-Bad", smuggled)
                    .with("X-Good", "1")
            })
        }
    }
    let mut routes = Routes::new();
    routes.add(&["GET", "POST"], "/echo", Arc::new(Echo));
    exchange(routes, bytes).await
}

/// The same with other routes.
async fn exchange(routes: Routes, bytes: Vec<u8>) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (near, far) = tokio::io::duplex(64 * 1024);
    let bodies = Arc::default();
    let (idle, never) = (Arc::default(), std::future::pending());
    let serving = server::serve_connection(far, None, routes, bodies, idle, never);
    let (mut reader, mut writer) = tokio::io::split(near);
    let asking = async {
        // The server may hang up before it has read all.
        let _ = writer.write_all(&bytes).await;
        let _ = writer.shutdown().await;
    };
    let mut answer = Vec::new();
    let (_, _, read) = tokio::join!(serving, asking, reader.read_to_end(&mut answer));
    read.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn the_server_bounds_what_it_reads_and_frames_what_it_sends() {
    let post = |length: usize, body: &str| {
        format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}")
            .into_bytes()
    };
    let fine = raw(post(5, "12345")).await;
    assert!(
        fine.starts_with("HTTP/1.1 200 OK\r\n") && fine.ends_with("\r\n\r\n5 bytes\n"),
        "{fine}"
    );
    assert!(fine.contains("content-length: 8\r\n") && fine.contains("x-good: 1\r\n"), "{fine}");
    assert!(!fine.contains("x-bad"), "{fine}");
    let large = raw(post(2_000_000, &"x".repeat(2_000_000))).await;
    assert!(large.starts_with("HTTP/1.1 413 "), "{large}");
    let many: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    let many = raw(format!("GET /echo HTTP/1.1\r\nHost: a\r\n{many}\r\n").into_bytes()).await;
    assert!(many.starts_with("HTTP/1.1 431 "), "{many}");
    let long =
        raw(format!("GET /echo HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(100_000)).into()).await;
    assert!(long.starts_with("HTTP/1.1 431 "), "{long}");
    assert!(raw(b"garbage\r\n\r\n".to_vec()).await.starts_with("HTTP/1.1 400 "));
    assert_eq!(raw(Vec::new()).await, "");
    let two = b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\nHEAD /echo HTTP/1.1\r\nHost: a\r\n\r\n";
    let two = raw(two.to_vec()).await;
    assert_eq!((two.matches("200 OK").count(), two.matches("0 bytes").count()), (2, 1), "{two}");
}

/// A client would read the content of 205 as the beginning of the next answer.
#[tokio::test]
async fn answers_without_content_leave_without_it() {
    struct Reset;
    impl Handler for Reset {
        fn handle<'a>(&'a self, _: Request, arguments: Vec<String>) -> BoxFuture<'a, Response> {
            let status = arguments.concat().parse().unwrap();
            Box::pin(async move { Response::text(status, "content") })
        }
    }
    for status in ["204", "205"] {
        let mut routes = Routes::new();
        routes.add(&["GET"], "/{status}", Arc::new(Reset));
        let request = format!("GET /{status} HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = exchange(routes, request.into_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_recording_is_sent_whole_in_part_or_as_its_head() {
    use base64::Engine;
    let folder = tempfile::tempdir().unwrap();
    let (account, recording) = (AccountSid::from_bytes([3; 16]), RecordingSid::from_bytes([4; 16]));
    // Several pieces of it, so that it is not read at one stroke.
    let sound: String = (0..40_000).map(|number| format!("{number:05}")).collect();
    std::fs::write(folder.path().join(format!("{recording}.wav")), &sound).unwrap();
    let login = base64::engine::general_purpose::STANDARD.encode(format!("{account}:token"));
    let ask = async |method: &str, field: &str| {
        let auth_token = Secret::new("token");
        let folder = folder.path().into();
        let routes = routes(
            Recordings { folder, account_sid: account, auth_token },
            Arc::new(AtomicBool::new(true)),
        );
        let request = format!(
            "{method} /2010-04-01/Accounts/{account}/Recordings/{recording} HTTP/1.1\r\n\
             Host: a\r\nAuthorization: Basic {login}\r\n{field}\r\n"
        );
        let answer = exchange(routes, request.into_bytes()).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("a whole head");
        (head.to_owned(), body.to_owned())
    };
    let (head, body) = ask("GET", "").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && body == sound, "{head}");
    assert!(head.contains("content-length: 200000\r\n") && !head.contains("chunked"), "{head}");
    assert!(head.contains("accept-ranges: bytes"), "{head}");
    let (head, body) = ask("HEAD", "Range: bytes=0-9\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && body.is_empty(), "{head}");
    assert!(head.contains("content-length: 200000\r\n"), "{head}");
    let (head, body) = ask("GET", "Range: bytes=99995-100004\r\n").await;
    assert!(head.starts_with("HTTP/1.1 206 ") && body == "1999920000", "{head}: {body:.40}");
    assert!(head.contains("content-range: bytes 99995-100004/200000"), "{head}");
    let (head, _) = ask("GET", "Range: bytes=200000-\r\n").await;
    assert!(head.starts_with("HTTP/1.1 416 "), "{head}");
    assert!(head.contains("content-range: bytes */200000"), "{head}");
}
