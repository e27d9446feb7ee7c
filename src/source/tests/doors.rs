//! The door of functions and bins: methods, preflights, signatures, views, and who watches.

use super::*;
use crate::source::seen::{Seen, Watcher, Watchers};

/// What a request for a function is answered.
pub(super) async fn ask(
    project: &Arc<Project>,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
) -> Response {
    let mut request = Request::get(target);
    request.method = method.to_owned();
    for (name, value) in fields {
        request.headers.push(*name, *value);
    }
    Project::routes(project).handle(request).await
}

#[tokio::test]
async fn functions_take_every_method_and_preflights_are_answered_for_them() {
    let site = site();
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(
            ask(&site.project, method, "/functions/route", &[]).await.status,
            200,
            "{method}"
        );
    }
    let seen =
        site.functions.0.lock().unwrap().iter().map(|i| i.method.clone()).collect::<Vec<_>>();
    assert_eq!(seen, ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);
    assert_eq!(ask(&site.project, "TRACE", "/functions/route", &[]).await.status, 405);
    for name in ["route", "guarded"] {
        let target = format!("/functions/{name}");
        let preflight = ask(&site.project, "OPTIONS", &target, &[("Origin", "http://x")]).await;
        assert_eq!((preflight.status, preflight.body.len()), (204, 0));
        for (field, value) in [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-methods", "GET, POST, OPTIONS"),
            ("access-control-expose-headers", "ETag"),
            ("access-control-max-age", "86400"),
            ("access-control-allow-credentials", "true"),
            ("content-type", "text/plain; charset=UTF-8"),
        ] {
            assert_eq!(preflight.headers.first(field), Some(value), "{field}");
        }
    }
    assert_eq!(site.functions.0.lock().unwrap().len(), 6, "no handler saw a preflight");
    // Nothing tells a private function from one that is not there.
    let hidden = ask(&site.project, "OPTIONS", "/functions/hidden", &[]).await;
    let unknown = ask(&site.project, "OPTIONS", "/functions/hiddem", &[]).await;
    let text = |r: &Response| String::from_utf8_lossy(&r.body).replace("hiddem", "hidden");
    assert_eq!((hidden.status, text(&hidden)), (404, text(&unknown)));
    let answer = ask(&site.project, "GET", "/functions/route", &[("Origin", "http://x")]).await;
    assert_eq!(answer.headers.first("access-control-allow-origin"), None, "handlers say it");
}

#[tokio::test]
async fn configured_origins_may_read_answers_and_others_may_not() {
    let site = site();
    let own = "https://app.example";
    let project = Arc::new(Project {
        bins: Bins::new(site.folder.path().join("bins"), wall),
        functions: site.functions.clone(),
        assets: site.folder.path().join("assets"),
        public_url: "https://voice.example".to_owned(),
        auth_token: Secret::new("12345"),
        origins: vec![own.to_owned()],
        watchers: Watchers::default(),
        wall,
    });
    for (method, name, origin, allowed) in [
        ("OPTIONS", "route", own, Some(own)),
        ("OPTIONS", "route", "https://other.example", None),
        ("GET", "route", own, Some(own)),
        ("GET", "route", "https://app.example.evil", None),
        ("GET", "open", own, Some("*")),
        ("GET", "guarded", own, Some(own)),
        ("GET", "guarded", "https://other.example", None),
        ("POST", "none", own, Some(own)),
        ("GET", "hidden", own, Some(own)),
    ] {
        let answer =
            ask(&project, method, &format!("/functions/{name}"), &[("Origin", origin)]).await;
        let given = answer.headers.first("Access-Control-Allow-Origin");
        assert_eq!(given, allowed, "{method} {name} {origin}");
        let varies = answer.headers.iter().filter(|(name, _)| *name == "Vary").count();
        assert_eq!(varies, usize::from(name != "open"), "{method} {name} {origin}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_form_must_be_vouched_for_by_the_signed_url() {
    let site = site();
    let routes = Project::routes(&site.project);
    let signed = |target: &str, body: &str| {
        let mut request = Request::get(target);
        request.method = "POST".to_owned();
        request.body = body.to_owned().into();
        request.headers.push("Content-Type", "application/json");
        let url = format!("https://voice.example{target}");
        let signature = signature::sign(&Secret::new("12345"), &url, &[]);
        request.headers.push(signature::HEADER, signature);
        request
    };
    // Of the official library, for the body {"a":1}.
    let hash = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862";
    let vouched = format!("/functions/guarded?bodySHA256={hash}");
    for (target, body, status) in [
        (vouched.as_str(), "{\"a\":1}", 200),
        (vouched.as_str(), "{\"a\":2}", 403),
        ("/functions/guarded", "{\"a\":1}", 403),
        ("/functions/guarded", "", 200),
    ] {
        let answer = routes.handle(signed(target, body)).await;
        assert_eq!(answer.status, status, "{target} {body}");
    }
    // The hash counts whatever comes in the place of the body that was signed.
    for (body, kind) in
        [("", "application/json"), ("&&&", form::CONTENT_TYPE), ("{\"a\":1}", form::CONTENT_TYPE)]
    {
        let mut replayed = signed(&vouched, body);
        let fields = replayed.headers.iter().filter(|(name, _)| *name != "Content-Type");
        let mut fields: Vec<_> = fields.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        fields.push(("Content-Type".to_owned(), kind.to_owned()));
        replayed.headers = crate::http::Headers::new(fields);
        assert_eq!(routes.handle(replayed).await.status, 403, "{kind} {body}");
    }
    // What each was let in to goes along: the file may be stricter when its turn has come.
    routes.handle(Request::get("/functions/route")).await;
    routes.handle(signed("/functions/route", "")).await;
    fetch(&site, "function:route", Method::Post).await.unwrap();
    let admitted = site.functions.0.lock().unwrap().iter().map(|i| i.admitted).collect::<Vec<_>>();
    let (open, strict) = (Access::Public, Access::Protected);
    assert_eq!(admitted, [strict, strict, open, strict, strict]);
}

#[tokio::test]
async fn plain_text_shows_documents_and_explanations_stay_behind_the_signature() {
    let site = site();
    let plain = [("Accept", "text/plain")];
    let text = |response: &Response| String::from_utf8_lossy(&response.body).into_owned();
    for target in ["/bins/hello?From=%2B1", "/functions/route"] {
        let view = ask(&site.project, "GET", target, &plain).await;
        assert_eq!(view.headers.first("content-type"), Some("text/plain; charset=utf-8"));
        assert!(text(&view).contains("a caller would notice:"), "{}", text(&view));
        let whole = ask(&site.project, "GET", target, &[("Accept", "*/*")]).await;
        assert_eq!(whole.headers.first("content-type"), Some("text/xml; charset=utf-8"));
    }
    let explained = text(&ask(&site.project, "GET", "/bins/hello?_explain=1&x=2", &[]).await);
    for line in ["GET /bins/hello?_explain=1&x=2", "file      bins/hello.xml, public", "version   "]
    {
        assert!(explained.contains(line), "{explained}");
    }
    ask(&site.project, "GET", "/functions/route?_explain=1&x=2", &[]).await;
    let seen = site.functions.0.lock().unwrap().last().unwrap().query.clone();
    assert_eq!(seen, pairs(&[("x", "2")]), "handlers do not see it");
    for target in ["/functions/guarded?_explain=1", "/functions/guarded"] {
        assert_eq!(ask(&site.project, "GET", target, &plain).await.status, 403, "{target}");
    }
    let hidden = ask(&site.project, "GET", "/functions/hidden?_explain=1", &plain).await;
    assert_eq!(hidden.status, 404);
    // A call hears the document, whatever its URL says.
    let fetched = fetch(&site, "function:route?_explain=1", Method::Post).await;
    assert_eq!(fetched.unwrap().document.verbs().len(), 1);
}

/// Keeps why nothing ran.
#[derive(Default)]
struct Failures(Mutex<Vec<String>>);

impl Watcher for Failures {
    fn shows(&self) -> bool {
        false
    }

    fn saw(&self, seen: &Seen<'_>) {
        self.0.lock().unwrap().extend(seen.report.failure.clone());
    }
}

#[tokio::test]
async fn what_is_logged_of_a_refused_request_is_short() {
    let site = site();
    let failures = Arc::new(Failures::default());
    site.project.watchers.add(failures.clone());
    let signed = [(signature::HEADER, "wrong")];
    let target = format!("/functions/guarded?{}", "Ä".repeat(6_000));
    let refused = ask(&site.project, "GET", &target, &signed).await;
    assert!(refused.status == 403 && refused.body.len() > 6_000, "who asks is told the whole");
    let told = failures.0.lock().unwrap().concat();
    assert!(told.starts_with("not run: 403: /functions/guarded wants a valid"), "{told}");
    assert!(told.contains("https://voice.example/functions/guarded?Ä") && told.ends_with("Ä…"));
    assert!(told.chars().count() < 400, "{told}");
}

/// Keeps who answered what.
#[derive(Default)]
struct Watching(Mutex<Vec<(String, u16, bool)>>);

impl Watcher for Watching {
    fn shows(&self) -> bool {
        true
    }

    fn saw(&self, seen: &Seen<'_>) {
        let Seen { name, call, response, .. } = seen;
        self.0.lock().unwrap().push(((*name).to_owned(), response.status, *call));
    }
}

#[tokio::test]
async fn whoever_watches_sees_requests_of_calls_and_of_others_and_what_was_refused() {
    let site = site();
    let watching = Arc::new(Watching::default());
    site.project.watchers.add(watching.clone());
    for target in ["/functions/guarded", "/functions/none", "/functions/route", "/bins/hello"] {
        ask(&site.project, "GET", target, &[]).await;
    }
    fetch(&site, "function:guarded", Method::Post).await.unwrap();
    fetch(&site, "bin:hello", Method::Post).await.unwrap();
    let seen = watching.0.lock().unwrap().clone();
    let wanted = [
        ("guarded", 403, false),
        ("none", 404, false),
        ("route", 200, false),
        ("hello", 200, false),
        ("guarded", 200, true),
        ("hello", 200, true),
    ];
    assert_eq!(seen, wanted.map(|(name, status, call)| (name.to_owned(), status, call)));
}
