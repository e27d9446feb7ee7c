//! Functions and assets at the root of the host, and who may read what is refused.

use super::doors::ask;
use super::*;
use crate::http::{Handler, Routes};

struct Health;

impl Handler for Health {
    fn handle<'a>(&'a self, _: Request, _: Vec<String>) -> BoxFuture<'a, Response> {
        Box::pin(async { Response::text(200, "ok") })
    }
}

fn text(response: &Response) -> String {
    String::from_utf8_lossy(&response.body).into_owned()
}

#[tokio::test]
async fn functions_and_assets_are_served_at_the_root_too() {
    let site = site();
    std::fs::write(site.folder.path().join("assets/route"), "hidden by the function").unwrap();
    for (method, target, status) in [
        ("GET", "/route", 200),
        ("HEAD", "/route?a=1", 200),
        ("POST", "/%72oute", 200),
        ("DELETE", "/route", 200),
        ("OPTIONS", "/route", 204),
        ("TRACE", "/route", 405),
        ("GET", "/guarded", 403),
        ("GET", "/hidden", 404),
        ("GET", "/nope", 404),
        ("GET", "/", 404),
        ("GET", "//route", 404),
        ("GET", "/../bins/hello.xml", 404),
        ("GET", "/hello.wav", 200),
        ("POST", "/hello.wav", 405),
        ("GET", "/own.wav", 403),
        ("GET", "/own.protected.wav", 404),
    ] {
        let answer = ask(&site.project, method, target, &[]).await;
        assert_eq!(answer.status, status, "{method} {target}: {}", text(&answer));
    }
    assert_eq!(text(&ask(&site.project, "GET", "/route", &[]).await), GOOD);
    assert_eq!(text(&ask(&site.project, "GET", "/hello.wav", &[]).await), "RIFFhello");
    let seen = site.functions.0.lock().unwrap()[1].clone();
    assert_eq!((seen.method.as_str(), seen.query), ("HEAD", pairs(&[("a", "1")])));
    // Nothing tells a private function from one that is not there.
    let hidden = text(&ask(&site.project, "GET", "/hidden", &[]).await);
    assert_eq!(hidden, text(&ask(&site.project, "GET", "/hiddem", &[]).await).replace('m', "n"));
}

#[tokio::test]
async fn the_servers_own_paths_come_before_the_root() {
    let site = site();
    std::fs::create_dir(site.folder.path().join("assets/bins")).unwrap();
    for name in ["healthz", "console", "bins/hello.wav"] {
        std::fs::write(site.folder.path().join("assets").join(name), "an asset").unwrap();
    }
    let mut routes: Routes = Project::routes(&site.project);
    routes.add(&["GET"], "/healthz", Arc::new(Health));
    assert_eq!(text(&routes.handle(Request::get("/healthz")).await).trim(), "ok");
    assert_eq!(routes.handle(Request::post("/healthz", &[])).await.status, 405);
    for target in ["/console", "/bins/hello.wav", "/bins/route", "/assets/route"] {
        assert_eq!(routes.handle(Request::get(target)).await.status, 404, "{target}");
    }
}

#[tokio::test]
async fn the_signature_covers_the_url_that_was_asked_for() {
    let site = site();
    let form = pairs(&[("a", "2"), ("a", "1"), ("b", "x")]);
    let url = "https://voice.example/guarded?q=1";
    // As the official library makes it of { a: ['2', '1'], b: 'x' }.
    let signature = signature::sign(&Secret::new("12345"), &format!("{url}a1a2bx"), &[]);
    let routes = Project::routes(&site.project);
    for (target, status) in [("/guarded?q=1", 200), ("/functions/guarded?q=1", 403)] {
        let mut request = Request::post(target, &form);
        request.headers.push(signature::HEADER, signature.clone());
        let answer = routes.handle(request).await;
        assert_eq!(answer.status, status, "{target}");
        if status == 403 {
            let over = "X-Twilio-Signature, made over https://voice.example/functions/guarded?q=1";
            assert!(text(&answer).contains(over), "{}", text(&answer));
            assert!(!text(&answer).contains(&signature));
        }
    }
}

#[tokio::test]
async fn calls_find_functions_and_assets_at_the_root_in_this_process() {
    let site = site();
    std::fs::write(site.folder.path().join("assets/next.xml"), GOOD).unwrap();
    for url in [
        "https://voice.example/route",
        "https://voice.example/guarded?x=1",
        "https://voice.example/next.xml",
        "/route",
    ] {
        let fetched = fetch(&site, url, Method::Post).await;
        assert_eq!(fetched.expect(url).document.verbs().len(), 1, "{url}");
    }
    assert_eq!(site.functions.0.lock().unwrap().len(), 3);
    let fetched = fetch(&site, "https://voice.example/route", Method::Post).await.unwrap();
    assert_eq!(fetched.base, "https://voice.example/route", "relative URLs resolve against it");
    let call = CallSid::from_bytes([7; 16]);
    let sound = site.sources.load_sound(call, "https://voice.example/hello.wav").await;
    assert_eq!(&sound.expect("a sound").bytes[..], b"RIFFhello");
    for url in ["https://voice.example/nope", "https://voice.example/hidden", "https://h/route"] {
        assert!(!site.sources.is_own(url), "{url}");
    }
}
