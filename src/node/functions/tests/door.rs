//! Requests from outside, up to the thread that a function runs on.

use std::sync::Mutex;

use super::*;
use crate::http::{BoxFuture, Response};
use crate::node::clock::Clock;
use crate::source::seen::Watchers;
use crate::source::{Bins, FunctionRunner};

/// Knows which threads looked for functions at the door.
struct Looking {
    runner: Arc<dyn FunctionRunner>,
    threads: Mutex<Vec<std::thread::ThreadId>>,
}

impl FunctionRunner for Looking {
    fn access(&self, name: &str) -> Option<Access> {
        self.threads.lock().expect("whole").push(std::thread::current().id());
        self.runner.access(name)
    }

    fn invoke<'a>(&'a self, name: &'a str, invocation: Invocation) -> BoxFuture<'a, Response> {
        self.runner.invoke(name, invocation)
    }

    fn let_in<'a>(
        &'a self,
        name: &'a str,
        invocation: Invocation,
    ) -> BoxFuture<'a, Result<Response, Option<Access>>> {
        self.runner.let_in(name, invocation)
    }
}

#[test]
fn who_asks_for_an_explanation_has_no_more_read_than_what_answers() {
    let bench = Bench::new("");
    bench.write("hi.js", "exports.handler = () => {};");
    bench.write("large.js", "");
    for (file, length) in [("hi.wat", 700 << 20), ("large.js", 17 << 20)] {
        let path = bench.folder.path().join("functions").join(file);
        let file = std::fs::File::create(path).expect("made");
        file.set_len(length).expect("of that length");
    }
    let versions = |name: &str| {
        let candidates = bench.opened.project.functions.candidates(name).into_iter();
        candidates.map(|c| (c.file, c.version.is_some())).collect::<Vec<_>>()
    };
    let files = [("functions/hi.js".to_owned(), true), ("functions/hi.wat".to_owned(), false)];
    assert_eq!(versions("hi"), files);
    assert_eq!(versions("large"), [("functions/large.js".to_owned(), false)]);
}

#[tokio::test]
async fn the_thread_that_serves_requests_never_looks_for_a_function() {
    let bench = Bench::new("");
    bench.run("return 'ran';").await;
    let closed = bench.folder.path().join("functions/closed.protected.js");
    std::fs::write(closed, "exports.handler = () => {};").expect("written");
    let opened = &bench.opened.project;
    let looking =
        Arc::new(Looking { runner: Arc::clone(&opened.functions), threads: Mutex::default() });
    let project = Arc::new(Project {
        bins: Bins::new(bench.folder.path().join("bins"), Clock::on_the_wall),
        functions: looking.clone(),
        assets: opened.assets.clone(),
        public_url: opened.public_url.clone(),
        auth_token: opened.auth_token.clone(),
        origins: vec![],
        watchers: Watchers::default(),
        wall: opened.wall,
    });
    let routes = Project::routes(&project);
    for (method, target, status) in [
        ("GET", "/functions/f", 200),
        ("GET", "/functions/none", 404),
        ("GET", "/functions/closed", 403),
        ("OPTIONS", "/functions/f", 204),
        ("OPTIONS", "/functions/none", 404),
        ("GET", "/f", 200),
        ("GET", "/none", 404),
    ] {
        let request = Request { method: method.to_owned(), ..Request::get(target) };
        assert_eq!(routes.handle(request).await.status, status, "{method} {target}");
    }
    let threads = looking.threads.lock().expect("whole");
    let own = std::thread::current().id();
    assert!(!threads.is_empty() && threads.iter().all(|thread| *thread != own));
}
