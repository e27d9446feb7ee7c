//! Sources over real loopback servers and a real project folder.

use std::sync::{Arc, Mutex};

use crate::base::id::CallSid;
use crate::base::{Rng, Secret, WallTime};
use crate::call::{Fetch, FetchError, Fetched, Method};
use crate::http::loopback::{Loopback, answer, client, with_headers};
use crate::http::{BoxFuture, Request, Response, form, signature};

use super::project::{FunctionRunner, Invocation, Project};
use super::{Bins, Sources};
use crate::directory::paths::Access;

mod doors;
mod root;

const XML: &str = "text/xml";
const GOOD: &str = "<Response><Hangup/></Response>";

/// Functions in Rust.
#[derive(Default)]
struct Functions(Mutex<Vec<Invocation>>);

impl FunctionRunner for Functions {
    fn access(&self, name: &str) -> Option<Access> {
        match name {
            "route" | "move" | "spin" | "fail" | "out" | "open" => Some(Access::Public),
            "guarded" => Some(Access::Protected),
            "hidden" => Some(Access::Private),
            _ => None,
        }
    }

    fn invoke<'a>(&'a self, name: &'a str, invocation: Invocation) -> BoxFuture<'a, Response> {
        let target = invocation.query.iter().find(|(name, _)| name == "to");
        let target = target.map(|(_, to)| to.clone()).unwrap_or_default();
        self.0.lock().unwrap().push(invocation);
        Box::pin(async move {
            match name {
                "move" => Response::text(303, "").with("Location", "/bins/hello?x=1"),
                "out" => Response::text(307, "").with("Location", target),
                "open" => Response::markup(GOOD).with("Access-Control-Allow-Origin", "*"),
                "spin" => Response::text(302, "").with("Location", "spin"),
                "fail" => Response::text(500, "it threw"),
                _ => Response::markup(GOOD),
            }
        })
    }
}

/// Long before whatever a test writes: its files count as just saved.
fn wall() -> WallTime {
    WallTime::from_unix_millis(0)
}

struct Site {
    folder: tempfile::TempDir,
    functions: Arc<Functions>,
    project: Arc<Project>,
    sources: Sources,
}

fn site() -> Site {
    let folder = tempfile::tempdir().unwrap();
    for name in ["bins", "assets"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("bins/hello.xml", "<Response><Say>{{From}}{{x}}</Say></Response>");
    write("bins/bad.xml", "<Response>{{#a}}</Response>");
    write("assets/hello.wav", "RIFFhello");
    write("assets/page.html", "<html></html>");
    write("assets/own.protected.wav", "RIFFown");
    let functions = Arc::new(Functions::default());
    let project = Arc::new(Project {
        bins: Bins::new(folder.path().join("bins"), wall),
        functions: functions.clone(),
        assets: folder.path().join("assets"),
        public_url: "https://voice.example".to_owned(),
        auth_token: Secret::new("12345"),
        origins: vec![],
        watchers: crate::source::seen::Watchers::default(),
        wall,
    });
    let sources = Sources::new(Arc::new(client()), project.clone(), Rng::from_number(1));
    Site { folder, functions, project, sources }
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

async fn fetch(site: &Site, url: &str, method: Method) -> Result<Fetched, FetchError> {
    let call = CallSid::from_bytes([7; 16]);
    let parameters = pairs(&[("From", "+1555"), ("To", "+1666")]);
    site.sources.fetch(&Fetch { call, url: url.to_owned(), method, parameters }).await
}

fn raw(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

/// What a call makes of each answer: 0 for a document, else the error code.
#[tokio::test]
async fn every_answer_is_a_document_or_its_error_code() {
    let long = format!("<Response>{}</Response>", " ".repeat(64 * 1024));
    let table: Vec<(&str, u32, Vec<u8>)> = vec![
        ("xml", 0, answer(200, XML, GOOD)),
        ("application/xml", 0, answer(200, "application/xml", GOOD)),
        ("html type", 0, answer(200, "text/html", GOOD)),
        ("parameters of the type", 0, answer(200, "Text/XML; charset=utf-8", GOOD)),
        ("declaration", 0, answer(200, XML, &format!("<?xml version=\"1.0\"?>\n{GOOD}"))),
        ("comment first", 0, answer(200, XML, &format!("<!-- hi -->{GOOD}"))),
        ("byte order mark", 0, answer(200, XML, &format!("\u{feff}{GOOD}"))),
        ("leading space", 0, answer(200, XML, &format!("\n  {GOOD}"))),
        ("201", 0, answer(201, XML, GOOD)),
        ("299", 0, answer(299, XML, GOOD)),
        ("audio", 0, answer(200, "audio/mpeg", "ID3")),
        ("wave", 0, answer(200, "audio/x-wav", "RIFF")),
        ("plain text", 0, answer(200, "text/plain", "hello there")),
        ("plain markup", 0, answer(200, "text/plain", GOOD)),
        (
            "chunked",
            0,
            raw(&format!(
                "HTTP/1.1 200 OK\nContent-Type: text/xml\nTransfer-Encoding: chunked\n\n{:x}\n{GOOD}\n0\n\n",
                GOOD.len()
            )),
        ),
        ("no length", 0, raw(&format!("HTTP/1.1 200 OK\nContent-Type: text/xml\n\n{GOOD}"))),
        ("HTTP/1.0", 0, raw(&format!("HTTP/1.0 200 OK\nContent-Type: text/xml\n\n{GOOD}"))),
        ("204", 12300, answer(204, "", "")),
        ("no type", 12300, answer(200, "", GOOD)),
        ("json", 12300, answer(200, "application/json", "{}")),
        ("image", 12300, answer(200, "image/png", "x")),
        ("octets", 12300, answer(200, "application/octet-stream", GOOD)),
        ("empty", 11770, answer(200, XML, "")),
        ("white space", 11770, answer(200, XML, " \r\n ")),
        ("empty text", 11770, answer(200, "text/plain", "")),
        ("not markup", 12100, answer(200, XML, "hello")),
        ("broken off markup", 12100, answer(200, XML, "<Response><Say>hi")),
        ("other root", 12102, answer(200, XML, "<Reply></Reply>")),
        ("error page", 12102, answer(200, "text/html", "<html><body>oops</body></html>")),
        ("too large", 11750, answer(200, XML, &long)),
        (
            "too large by far",
            11750,
            raw("HTTP/1.1 200 OK\nContent-Type: text/xml\nContent-Length: 99999999999\n\n"),
        ),
        ("400", 11200, answer(400, XML, GOOD)),
        ("401", 11200, answer(401, XML, GOOD)),
        ("403", 11200, answer(403, XML, GOOD)),
        ("404", 11200, answer(404, XML, GOOD)),
        ("410", 11200, answer(410, XML, GOOD)),
        ("429", 11200, answer(429, XML, GOOD)),
        ("500", 11200, answer(500, XML, GOOD)),
        ("502", 11200, answer(502, XML, GOOD)),
        ("503", 11200, answer(503, XML, GOOD)),
        ("304 unasked", 11200, answer(304, XML, "")),
        ("300 without a place", 11200, answer(300, XML, GOOD)),
        ("redirect without a place", 11200, answer(302, XML, GOOD)),
        ("redirect to a bad place", 11200, with_headers(302, &[("Location", "http://:x")], "")),
        (
            "redirect to another scheme",
            11100,
            with_headers(302, &[("Location", "file:///etc")], ""),
        ),
        ("redirect inside", 11210, with_headers(302, &[("Location", "http://10.0.0.1/")], "")),
        (
            "redirect to metadata",
            11210,
            with_headers(301, &[("Location", "http://[::ffff:a9fe:a9fe]/")], ""),
        ),
        ("redirect loop", 11215, with_headers(302, &[("Location", "/")], "")),
        ("not HTTP", 11206, raw("SSH-2.0-OpenSSH_9.6\n")),
        ("bad status line", 11206, raw("HTTP/1.1 abc OK\n\n")),
        ("bad header", 11206, raw("HTTP/1.1 200 OK\nbad header\u{1}\n\n")),
        ("closed without a word", 11206, Vec::new()),
        ("closed within the head", 11206, raw("HTTP/1.1 200 OK\nContent-Ty")),
        (
            "closed within the body",
            11206,
            raw("HTTP/1.1 200 OK\nContent-Type: text/xml\nContent-Length: 100\n\n<Response>"),
        ),
        (
            "bad chunk",
            11206,
            raw(
                "HTTP/1.1 200 OK\nContent-Type: text/xml\nTransfer-Encoding: chunked\n\nzz\n<Response/>\n",
            ),
        ),
    ];
    assert!(table.len() >= 40);
    let site = site();
    for (name, code, bytes) in table {
        let server = Loopback::always(bytes);
        let result = fetch(&site, &server.url, Method::Post).await;
        let got = result.as_ref().err().map_or(0, |error| error.code);
        assert_eq!(got, code, "{name}: {result:?}");
        if let Err(error) = result {
            assert!(error.message.len() > 10, "{name}");
        }
    }
}

#[tokio::test]
async fn bins_and_functions_answer_calls_without_a_socket() {
    let site = site();
    for (url, base) in [
        ("bin:hello", "https://voice.example/bins/hello"),
        ("bin:hello?x=2", "https://voice.example/bins/hello?x=2"),
        ("/bins/hello", "https://voice.example/bins/hello"),
        ("https://voice.example/bins/hello", "https://voice.example/bins/hello"),
        ("https://voice.example:443/bins/hello#rc=1", "https://voice.example/bins/hello"),
        ("function:route", "https://voice.example/functions/route"),
        ("function:guarded", "https://voice.example/functions/guarded"),
        ("function:move", "https://voice.example/bins/hello?x=1"),
    ] {
        let fetched = fetch(&site, url, Method::Post).await;
        assert_eq!(fetched.unwrap().base, base, "{url}");
    }
    let sid = format!("https://voice.example/twiml/{}", Bins::sid("hello"));
    assert!(fetch(&site, &sid, Method::Get).await.is_ok());
    for (url, code) in [
        ("bin:none", 11200),
        ("bin:bad", 11320),
        ("function:none", 11200),
        ("function:hidden", 11200),
        ("function:fail", 11200),
        ("function:spin", 11215),
        ("nonsense", 11100),
    ] {
        let error = fetch(&site, url, Method::Post).await.unwrap_err();
        assert_eq!(error.code, code, "{url}: {}", error.message);
    }
    let error = fetch(&site, "bin:bad", Method::Post).await.unwrap_err();
    assert!(error.message.contains("it answered 500: bins/bad.xml:1:11: "), "{}", error.message);
    assert!(!error.message.contains("11320"), "the code stands beside it: {}", error.message);
    let error = fetch(&site, "function:none", Method::Post).await.unwrap_err();
    assert!(error.message.contains("it answered 404: there is no"), "{}", error.message);
    let error = fetch(&site, "function:fail", Method::Post).await.unwrap_err();
    assert!(error.message.contains("it answered 500: it threw"), "{}", error.message);
}

#[tokio::test]
async fn functions_get_the_parameters_as_a_web_request_would_bring_them() {
    let site = site();
    fetch(&site, "function:route?a=1", Method::Post).await.unwrap();
    fetch(&site, "function:route?a=1", Method::Get).await.unwrap();
    let seen = site.functions.0.lock().unwrap().clone();
    assert_eq!((seen[0].method.as_str(), &seen[0].query), ("POST", &pairs(&[("a", "1")])));
    assert_eq!(seen[0].content_type, form::CONTENT_TYPE);
    assert_eq!(form::decode(&seen[0].body), pairs(&[("From", "+1555"), ("To", "+1666")]));
    assert_eq!(seen[1].query, pairs(&[("a", "1"), ("From", "+1555"), ("To", "+1666")]));
    assert!(seen[1].body.is_empty());
    // A function may send the call on to a web server; a 307 takes the form along.
    let server = Loopback::always(answer(200, XML, GOOD));
    let url = format!("function:out?to={}/x", server.url);
    let fetched = fetch(&site, &url, Method::Post).await.unwrap();
    assert_eq!(fetched.base, format!("{}/x", server.url));
    assert_eq!(server.seen()[0].body, "From=%2B1555&To=%2B1666");
}

#[tokio::test]
async fn browsers_get_the_same_markup_and_protected_things_want_a_signature() {
    let site = site();
    let routes = Project::routes(&site.project);
    let get = async |target: &str| {
        let response = routes.handle(Request::get(target)).await;
        (response.status, String::from_utf8_lossy(&response.body).into_owned())
    };
    let hello = "<Response><Say>+1&amp;2</Say></Response>";
    assert_eq!(get("/bins/hello?From=%2B1%26&x=2").await, (200, hello.to_owned()));
    let form = pairs(&[("From", "+1&"), ("x", "2")]);
    let posted = routes.handle(Request::post("/bins/hello", &form)).await;
    assert_eq!(posted.headers.first("content-type"), Some("text/xml; charset=utf-8"));
    assert_eq!(&posted.body[..], hello.as_bytes());
    let sid = format!("/twiml/{}?From=%2B1%26&x=2", Bins::sid("hello"));
    assert_eq!(get(&sid).await, (200, hello.to_owned()));
    for (target, status) in [
        ("/bins/none", 404),
        ("/bins/bad", 500),
        ("/twiml/EH00", 404),
        ("/functions/route", 200),
        ("/functions/none", 404),
        ("/functions/hidden", 404),
        ("/functions/guarded?a=1", 403),
        ("/assets/hello.wav", 200),
        ("/assets/own.wav", 403),
        ("/assets/own.protected.wav", 404),
        ("/assets/../bins/hello.xml", 404),
        ("/assets/%2e%2e/bins/hello.xml", 404),
        ("/assets/..%2fbins%2fhello.xml", 404),
    ] {
        assert_eq!(get(target).await.0, status, "{target}");
    }
    let mut signed = Request::post("/functions/guarded?a=1", &form);
    let url = "https://voice.example/functions/guarded?a=1";
    signed.headers.push(signature::HEADER, signature::sign(&Secret::new("12345"), url, &form));
    assert_eq!(routes.handle(signed.clone()).await.status, 200);
    signed.query = "a=2".to_owned();
    assert_eq!(routes.handle(signed).await.status, 403);
}

#[tokio::test]
async fn sounds_are_checked_and_kept_while_the_server_says_so() {
    let site = site();
    let call = CallSid::from_bytes([7; 16]);
    let load = async |url: &str| site.sources.load_sound(call, url).await;
    assert_eq!(&load("/assets/hello.wav").await.unwrap().bytes[..], b"RIFFhello");
    let own = load("https://voice.example/assets/own.wav").await.unwrap();
    assert_eq!(own.media_type, "audio/wav");
    std::fs::write(site.folder.path().join("assets/hello.wav"), "RIFFchanged").unwrap();
    assert_eq!(&load("/assets/hello.wav").await.unwrap().bytes[..], b"RIFFchanged");
    assert_eq!(load("/assets/page.html").await.unwrap_err().code, 13420);
    assert_eq!(load("/assets/none.wav").await.unwrap_err().code, 11200);
    let first = with_headers(200, &[("Content-Type", "audio/mpeg"), ("ETag", "\"1\"")], "ID3");
    let server = Loopback::new(vec![Some(first), Some(with_headers(304, &[], ""))]);
    let url = format!("{}/a.mp3", server.url);
    let sound = load(&url).await.unwrap();
    assert_eq!(load(&url).await.unwrap(), sound);
    let seen = server.seen();
    assert_eq!(seen[0].line, "GET /a.mp3 HTTP/1.1", "no webhook parameters");
    assert_eq!(seen[0].headers.first("If-None-Match"), None);
    assert_eq!(seen[1].headers.first("If-None-Match"), Some("\"1\""));
    for (kind, body, code) in [
        ("text/html", "x", 13420),
        ("", "x", 13420),
        ("audio/wav", "", 11770),
        ("audio/ogg", "x", 13420),
    ] {
        let server = Loopback::always(answer(200, kind, body));
        assert_eq!(load(&server.url).await.unwrap_err().code, code, "{kind}");
    }
    let octets = Loopback::always(answer(200, "application/octet-stream", "RIFFsound"));
    assert_eq!(load(&octets.url).await.unwrap().media_type, "audio/wav");
    assert_eq!(load("http://10.0.0.1/a.wav").await.unwrap_err().code, 11210);
}
