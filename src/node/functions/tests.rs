//! What functions ask for, against real servers on loopback and a real database.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::base::Rng;
use crate::config::Config;
use crate::http::Request;
use crate::node::project::Opened;
use crate::source::{Access, Invocation, Project};
use crate::store::Sqlite;

mod control;
mod door;
mod http;
mod values;

/// How long `/slow` takes.
const SLOW: Duration = Duration::from_millis(200);

/// A server with a thread for each connection; tells of connections that their client gave up.
struct Server {
    port: u16,
    given_up: Receiver<()>,
    /// Of requests for `/slow`.
    most_at_once: Arc<AtomicUsize>,
}

impl Server {
    fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let (sender, given_up) = channel();
        let (slow, most_at_once) = (Arc::new(AtomicUsize::new(0)), Arc::<AtomicUsize>::default());
        let most = most_at_once.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (sender, slow, most) = (sender.clone(), slow.clone(), most.clone());
                std::thread::spawn(move || serve(stream, &sender, (&slow, &most)));
            }
        });
        Server { port, given_up, most_at_once }
    }
}

fn serve(
    stream: TcpStream,
    given_up: &Sender<()>,
    (slow, most): (&AtomicUsize, &AtomicUsize),
) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut lines = vec![];
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let field = |line: &String| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_ascii_lowercase(), json!(value)))
    };
    let headers: serde_json::Map<String, Value> = lines.iter().filter_map(field).collect();
    let length = headers.get("content-length").and_then(|l| l.as_str()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let mut request = lines.first()?.split(' ');
    let (method, target) = (request.next()?, request.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let echo = || {
        let body = String::from_utf8_lossy(&body);
        json!({ "method": method, "path": target, "headers": headers, "body": body }).to_string()
    };
    let (status, extra, content) = match path {
        "/to" => (302, format!("Location: {query}\r\n"), vec![]),
        "/keep" => (307, format!("Location: {query}\r\n"), vec![]),
        "/loop" => (302, "Location: /loop\r\n".to_owned(), vec![]),
        "/binary" => (200, String::new(), vec![0xff, 0, 0x41]),
        "/big" => (200, String::new(), vec![b'x'; 2 << 20]),
        "/teapot" => (418, "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n".to_owned(), echo().into()),
        "/hang" => {
            // Ends when the client goes.
            let _ = reader.read(&mut [0]);
            let _ = given_up.send(());
            return None;
        }
        "/slow" => {
            most.fetch_max(slow.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            let (_hold, wait) = channel::<()>();
            let _ = wait.recv_timeout(SLOW);
            slow.fetch_sub(1, Ordering::Relaxed);
            (200, String::new(), b"slow".to_vec())
        }
        "/crm" => (200, String::new(), br#"{"name":"Ada & Co"}"#.to_vec()),
        _ => (200, "Content-Type: application/json\r\n".to_owned(), echo().into()),
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nConnection: close\r\n{extra}Content-Length: {}\r\n\r\n",
        content.len()
    );
    let mut stream = reader.into_inner();
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&content).ok()
}

/// A project that is served.
struct Bench {
    folder: tempfile::TempDir,
    opened: Opened,
    server: Server,
}

const ALLOW: &str = "[webhook]\nallow = [\"127.0.0.0/8\"]\n";

fn config(folder: &Path, text: &str) -> Config {
    Config::parse(folder, &folder.join("offhook.toml"), text, &|_| None).expect("sound")
}

impl Bench {
    /// `PORT` in the configuration is the server's.
    fn new(text: &str) -> Bench {
        let (folder, server) = (tempfile::tempdir().expect("a folder"), Server::start());
        let text = text.replace("PORT", &server.port.to_string());
        let config = config(folder.path(), &text);
        let opened = Opened::open_to_serve(config, "http://127.0.0.1:1".to_owned());
        Bench { opened: opened.expect("opened"), folder, server }
    }

    /// One with everything granted to the function `f`.
    fn granted() -> Bench {
        Bench::new(&format!(
            "{ALLOW}[[function]]\nname = \"f\"\nhosts = [\"127.0.0.1:PORT\"]\nstore = true\n"
        ))
    }

    async fn keep_on_disk(&self) {
        let database = self.folder.path().join("data/offhook.db");
        let store = Sqlite::open(&database, &mut Rng::from_number(3)).await.expect("opened");
        self.opened.keep_values_in(Arc::new(store));
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.folder.path().join("functions").join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        // A new inode each time: edits within one clock tick are seen, too.
        let beside = path.with_extension("new");
        std::fs::write(&beside, text).expect("written");
        std::fs::rename(&beside, &path).expect("renamed");
    }

    async fn invoke(&self, name: &str) -> (u16, String) {
        let ran = self.opened.project.functions.invoke(name, Invocation::default()).await;
        (ran.status, String::from_utf8_lossy(&ran.body).into_owned())
    }

    /// What the body of an async function gives, with `url` the server's.
    async fn run_as(&self, name: &str, body: &str) -> Value {
        let script = format!(
            "exports.handler = async (context, event, callback) => {{\n\
             const url = 'http://127.0.0.1:{}';\n\
             const failure = async (act) => {{ try {{ await act(); }} catch (e) {{\n\
             return [e.name, e.message, e.cause ? e.cause.name : null]; }} return 'none'; }};\n\
             callback(null, {{ got: await (async () => {{ {body} }})() }}); }};",
            self.server.port
        );
        self.write(&format!("{name}.js"), &script);
        let (status, text) = self.invoke(name).await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str::<Value>(&text).expect("JSON")["got"].take()
    }

    async fn run(&self, body: &str) -> Value {
        self.run_as("f", body).await
    }
}

#[tokio::test]
async fn three_requests_take_the_time_of_one() {
    let bench = Bench::granted();
    bench.run("await fetch(url + '/echo'); return 1;").await;
    let got = bench
        .run(
            "const start = Date.now();\n\
             const all = await Promise.all([1, 2, 3].map((n) => fetch(url + '/slow?' + n)));\n\
             const texts = await Promise.all(all.map((one) => one.text()));\n\
             return { texts, took: Date.now() - start };",
        )
        .await;
    assert_eq!(got["texts"], json!(["slow", "slow", "slow"]));
    let took = got["took"].as_u64().expect("milliseconds");
    assert!((190..400).contains(&took), "{took} ms");
}

#[tokio::test]
async fn a_request_goes_out_as_it_is_written_and_its_answer_is_whole() {
    let bench = Bench::granted();
    let got = bench
        .run(
            "const r = await fetch(url + '/echo?x=1#part', { method: 'post',\n\
             headers: { 'X-Own': 'a', Host: 'evil.example', 'Content-Length': '99' },\n\
             body: new URLSearchParams({ a: 'b c' }) });\n\
             const copy = r.clone();\n\
             return { ok: r.ok, status: r.status, type: r.headers.get('CONTENT-type'),\n\
             seen: await r.json(), used: r.bodyUsed, again: (await copy.text()).length > 0,\n\
             twice: await failure(() => r.text()) };",
        )
        .await;
    let seen = &got["seen"];
    assert_eq!((&seen["method"], &seen["path"]), (&json!("POST"), &json!("/echo?x=1")));
    assert_eq!(seen["body"], "a=b+c");
    assert_eq!(seen["headers"]["x-own"], "a");
    assert_eq!(seen["headers"]["content-length"], "5");
    assert_eq!(seen["headers"]["host"], format!("127.0.0.1:{}", bench.server.port));
    assert_eq!(seen["headers"]["content-type"], "application/x-www-form-urlencoded;charset=UTF-8");
    assert!(seen["headers"].get("x-twilio-signature").is_none(), "it is not ours");
    assert_eq!(got["ok"], true);
    assert_eq!(got["type"], "application/json");
    assert_eq!(got["twice"][0], "TypeError");

    let got = bench
        .run(
            "const r = await fetch(url + '/teapot'), b = await fetch(url + '/binary');\n\
             const bytes = new Uint8Array(await b.clone().arrayBuffer());\n\
             const sent = await fetch(url + '/echo', { method: 'PUT', body: new Uint8Array([104, 105]) });\n\
             return { ok: r.ok, status: r.status, text: r.statusText, cookies: r.headers.getSetCookie(),\n\
             bytes: [...bytes], lossy: await b.text(), sent: (await sent.json()).body };",
        )
        .await;
    let wanted = json!({ "ok": false, "status": 418, "text": "I'm a teapot", "cookies": ["a=1", "b=2"],
        "bytes": [255, 0, 65], "lossy": "\u{fffd}\u{0}A", "sent": "hi" });
    assert_eq!(got, wanted);
}

#[tokio::test]
async fn a_redirect_is_followed_only_where_requests_may_go() {
    let bench = Bench::granted();
    let other = Server::start();
    let got = bench
        .run(&format!(
            "const other = 'http://127.0.0.1:{}/echo';\n\
             const good = await fetch(url + '/to?/echo', {{ method: 'POST', body: 'x' }});\n\
             const kept = await fetch(url + '/keep?/echo', {{ method: 'POST', body: 'x' }});\n\
             const manual = await fetch(url + '/to?' + other, {{ redirect: 'manual' }});\n\
             return {{ redirected: good.redirected, url: good.url, good: await good.json(),\n\
             kept: await kept.json(), manual: [manual.status, manual.headers.get('location')],\n\
             elsewhere: await failure(() => fetch(url + '/to?' + other)),\n\
             name: await failure(() => fetch(url + '/to?http://localhost:{}/')),\n\
             error: await failure(() => fetch(url + '/to?/echo', {{ redirect: 'error' }})),\n\
             loop: await failure(() => fetch(url + '/loop')) }};",
            other.port, bench.server.port
        ))
        .await;
    assert_eq!(got["redirected"], true);
    assert_eq!(got["url"], format!("http://127.0.0.1:{}/echo", bench.server.port));
    assert_eq!((&got["good"]["method"], &got["good"]["body"]), (&json!("GET"), &json!("")));
    assert_eq!((&got["kept"]["method"], &got["kept"]["body"]), (&json!("POST"), &json!("x")));
    assert_eq!(got["manual"][0], 302);
    assert_eq!(got["elsewhere"][2], "NotGranted", "{got}");
    assert_eq!(got["name"][2], "NotGranted", "{got}");
    assert_eq!(got["error"][2], "Redirected");
    assert_eq!(got["loop"][2], "Redirected");
}

#[tokio::test]
async fn private_addresses_want_the_guard_s_leave_besides_the_grant() {
    let bench = Bench::new(
        "[[function]]\nname = \"f\"\nhosts = [\"127.0.0.1:PORT\", \"localhost:PORT\"]\n",
    );
    let port = bench.server.port;
    for host in ["127.0.0.1", "localhost", "2130706433", "0x7f.1"] {
        let got =
            bench.run(&format!("return failure(() => fetch('http://{host}:{port}/'));")).await;
        assert_eq!(got[2], "Forbidden", "{host}: {got}");
        assert!(got[1].as_str().is_some_and(|m| m.contains("[webhook] allow")), "{got}");
    }
}

#[tokio::test]
async fn without_a_grant_nothing_goes_out_and_the_line_that_grants_it_is_named() {
    let bench = Bench::granted();
    let got = bench.run_as("other", "return failure(() => fetch(url + '/echo'));").await;
    let line = format!("hosts = [\"127.0.0.1:{}\"]", bench.server.port);
    assert_eq!((&got[0], &got[2]), (&json!("TypeError"), &json!("NotGranted")));
    assert!(got[1].as_str().is_some_and(|m| m.contains(&line) && m.contains("\"other\"")), "{got}");
    let got = bench.run_as("other", "return failure(() => Offhook.store.get('k'));").await;
    assert!(got[1].as_str().is_some_and(|m| m.contains("store = true")), "{got}");

    // A grant that is added is in force at the next run, and so is one that is taken away.
    let mut bench = bench;
    let granted = config(bench.folder.path(), "[[function]]\nname = \"other\"\nstore = true\n");
    bench.opened.reconfigure(granted);
    assert_eq!(
        bench.run_as("other", "return failure(() => Offhook.store.get('k'));").await,
        "none"
    );
    let got = bench.run("return failure(() => Offhook.store.get('k'));").await;
    assert_eq!(got[0], "NotGranted");
}

#[tokio::test]
async fn what_would_break_the_lines_of_a_request_is_refused() {
    let bench = Bench::granted();
    let got = bench
        .run(
            "const bad = [{ headers: { 'x-a': 'b\\r\\nHost: evil' } }, { headers: { 'x\\na': 'b' } },\n\
             { method: 'GET / HTTP/1.1\\r\\nX: y\\r\\n\\r\\nPOST' }, { method: 'CONNECT' }, { body: 'x' },\n\
             { headers: { 'x-a': '\\u0100' } }];\n\
             return Promise.all(bad.map((init) => failure(() => fetch(url + '/echo', init))));",
        )
        .await;
    for (at, told) in got.as_array().expect("a list").iter().enumerate() {
        assert_eq!(told[0], "TypeError", "{at}: {told}");
    }
    let got = bench.run("return (await (await fetch(url + '/a b\\r\\nX: y')).json()).path;").await;
    assert_eq!(got, "/a%20bX:%20y", "a URL has no line ends");
    let got = bench.run("return failure(() => fetch(url + '/big'));").await;
    assert_eq!(got[2], "TooLarge");
}

#[tokio::test]
async fn a_request_can_be_given_up_and_ends_with_its_invocation() {
    let bench = Bench::new(&format!(
        "{ALLOW}[[function]]\nname = \"f\"\nhosts = [\"127.0.0.1:PORT\"]\nwall = \"3s\"\n\
         [[function]]\nname = \"brief\"\nhosts = [\"127.0.0.1:PORT\"]\nwall = \"400ms\"\n"
    ));
    let got = bench
        .run(
            "const controller = new AbortController();\n\
             const hang = (signal) => failure(() => fetch(url + '/hang', { signal }));\n\
             setTimeout(() => controller.abort(), 20);\n\
             return [await hang(controller.signal), await hang(AbortSignal.timeout(20)),\n\
             await hang(AbortSignal.abort(new RangeError('mine')))];",
        )
        .await;
    assert_eq!((&got[0][0], &got[1][0]), (&json!("AbortError"), &json!("TimeoutError")));
    assert_eq!((&got[2][0], &got[2][1]), (&json!("RangeError"), &json!("mine")));
    let patience = Duration::from_secs(5);
    for _ in 0..2 {
        bench.server.given_up.recv_timeout(patience).expect("the connection is closed");
    }

    // Answered before its request was: nobody goes on with that.
    let got =
        bench.run("fetch(url + '/hang').catch(() => {}); await fetch(url + '/slow'); return 1;");
    assert_eq!(got.await, 1);
    bench.server.given_up.recv_timeout(patience).expect("the connection is closed");

    let hang = format!(
        "exports.handler = async (c, e, callback) => {{\n\
         callback(null, await (await fetch('http://127.0.0.1:{}/hang')).text()); }};",
        bench.server.port
    );
    bench.write("brief.js", &hang);
    let (status, text) = bench.invoke("brief").await;
    assert_eq!((status, text.contains("took longer than its limit")), (500, true), "{text}");
    bench.server.given_up.recv_timeout(patience).expect("the connection is closed");
}

#[tokio::test]
async fn waiting_is_not_running() {
    let bench = Bench::granted();
    // Twice 200 ms, with 250 ms of running.
    let got = bench.run("await fetch(url + '/slow'); await fetch(url + '/slow'); return 'done';");
    assert_eq!(got.await, "done");
}

#[tokio::test]
async fn timers_and_answers_come_in_their_order() {
    let bench = Bench::granted();
    let got = bench
        .run(
            "const order = [];\n\
             const at = (ms, name) => new Promise((resolve) => setTimeout(() => { order.push(name); resolve(); }, ms));\n\
             await Promise.all([at(600, 'late'), at(10, 'early'), fetch(url + '/slow').then(() => order.push('answer')), at(0, 'now')]);\n\
             return order;",
        )
        .await;
    assert_eq!(got, json!(["now", "early", "answer", "late"]));
}

#[tokio::test]
async fn nothing_can_be_asked_for_while_a_script_is_loaded() {
    let bench = Bench::granted();
    bench.write(
        "f.js",
        "let told = 'nothing';\n\
         const asked = Offhook.store.get('k').catch((e) => { told = e.message; });\n\
         exports.handler = async (c, e, callback) => { await asked; callback(null, told); };",
    );
    let (_, text) = bench.invoke("f").await;
    assert!(text.contains("only while a handler runs"), "{text}");
}

/// All files below a folder.
fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        match entry.path() {
            path if path.is_dir() => files(&path, found),
            path => found.push(path),
        }
    }
}

#[tokio::test]
async fn a_secret_is_its_function_s_alone_and_never_on_the_disk() {
    let secret = "swordfish-7261";
    let text = format!(
        "[functions]\nenv = {{ GREETING = \"hello\", KEY = \"{secret}\" }}\n\
         [[function]]\nname = \"f\"\nsecrets = [\"KEY\"]\n"
    );
    let mut bench = Bench::new(&text);
    let seen = "return [context.KEY, process.env.KEY, context.GREETING].map((v) => v || null);";
    assert_eq!(bench.run(seen).await, json!([secret, secret, "hello"]));
    assert_eq!(bench.run_as("g", seen).await, json!([null, null, "hello"]));
    let wat = include_str!("../../../functions/samples/library.wat");
    bench.write("w.wat", wat);
    assert_eq!(bench.invoke("w").await.0, 200);
    let mut found = vec![];
    files(bench.folder.path(), &mut found);
    assert!(
        found.iter().any(|file| file.extension().is_some_and(|end| end == "cwasm")),
        "{found:?}"
    );
    for file in found {
        let bytes = std::fs::read(&file).expect("read");
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{file:?}");
    }

    // What is broken now falls back on nothing that holds what is hidden by now.
    bench.run_as("g", "return 1;").await;
    let plain = text.replace("name = \"f\"", "name = \"g\"");
    bench.write("f.js", "exports.handler = (");
    bench.opened.reconfigure(config(bench.folder.path(), &plain));
    let (status, text) = bench.invoke("f").await;
    assert_eq!(status, 500, "{text}");
    assert!(!text.contains(secret));
}

/// Asks for what its data segment says, and answers with what comes.
fn guest(operation: &str) -> String {
    let text = operation.replace('"', "\\22");
    let length = operation.len();
    format!(
        r#"(module
      (import "offhook" "ask" (func $ask (param i32 i32) (result i32)))
      (import "offhook" "next" (func $next (param f64) (result i32)))
      (import "offhook" "take" (func $take (param i32)))
      (memory (export "memory") 2)
      (data (i32.const 1024) "{text}")
      (func (export "oh_alloc") (param i32) (result i32) (i32.const 4096))
      (func (export "oh_handle") (param i32 i32) (result i64) (local $length i32)
        (drop (call $ask (i32.const 1024) (i32.const {length})))
        (local.set $length (call $next (f64.const -1)))
        (call $take (i32.const 65536))
        (if (i32.ne (call $next (f64.const -1)) (i32.const -1)) (then unreachable))
        (i64.or (i64.shl (i64.const 65536) (i64.const 32)) (i64.extend_i32_u (local.get $length)))))"#
    )
}

#[tokio::test]
async fn a_webassembly_guest_asks_where_something_is_granted() {
    let bench = Bench::granted();
    bench.write("f.wat", &guest(r#"{"op":"kv.set","key":"k","value":[1]}"#));
    let (status, text) = bench.invoke("f").await;
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((status, &answer["id"]), (200, &json!(1)), "{text}");
    assert!(answer["value"]["revision"].as_i64().is_some_and(|revision| revision > 0));

    let url = format!("http://127.0.0.1:{}/echo", bench.server.port);
    bench.write("f.wat", &guest(&json!({ "op": "fetch", "url": url }).to_string()));
    let answer: Value = serde_json::from_str(&bench.invoke("f").await.1).expect("JSON");
    assert_eq!(answer["value"]["status"], 200);

    bench.write("other.wat", &guest("{}"));
    let (status, text) = bench.invoke("other").await;
    assert_eq!(status, 500);
    assert!(text.contains("offhook.ask, offhook.next, offhook.take; to grant"), "{text}");
    assert!(text.contains("[[function]] name = \"other\" in offhook.toml"), "{text}");
}

#[tokio::test]
async fn limits_of_one_function_are_its_own() {
    let bench = Bench::new(
        "[[function]]\nname = \"f\"\nlog = \"1KiB\"\nresponse = \"1KiB\"\nmemory = \"4MiB\"\n",
    );
    for (body, told) in [
        ("for (;;) console.log('x'.repeat(100));", "wrote more log"),
        ("callback(null, 'x'.repeat(2000));", "more than its limit"),
    ] {
        let script = format!("exports.handler = (context, event, callback) => {{ {body} }};");
        bench.write("f.js", &script);
        let (status, text) = bench.invoke("f").await;
        assert_eq!((status, text.contains(told)), (500, true), "{text}");
    }
    let wide = bench.run_as("g", "return 'x'.repeat(2000).length;").await;
    assert_eq!(wide, 2000);
}

#[tokio::test]
async fn so_many_run_at_one_time_and_no_more() {
    let bench = Bench::new(&format!(
        "{ALLOW}[[function]]\nname = \"f\"\nhosts = [\"127.0.0.1:PORT\"]\nconcurrency = 2\n"
    ));
    bench.run("return (await fetch(url + '/slow')).text();").await;
    let answers = tokio::join!(bench.invoke("f"), bench.invoke("f"), bench.invoke("f"));
    assert_eq!([answers.0.0, answers.1.0, answers.2.0], [200, 200, 200], "one waited");
    assert_eq!(bench.server.most_at_once.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_function_that_is_closed_while_requests_wait_answers_none_of_them() {
    let bench = Bench::new(&format!(
        "{ALLOW}[[function]]\nname = \"f\"\nhosts = [\"127.0.0.1:PORT\"]\nconcurrency = 1\n\
         running = \"5s\"\n"
    ));
    bench.run("return (await fetch(url + '/slow')).text();").await;
    bench.server.most_at_once.store(0, Ordering::Relaxed);
    let routes = Project::routes(&bench.opened.project);
    let ask = || routes.handle(Request::get("/functions/f?_explain=1"));
    let runs = async || {
        while bench.server.most_at_once.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
    };
    let waits = std::cell::Cell::new(false);
    let public = Invocation { admitted: Access::Public, ..Invocation::default() };
    let queued = async {
        runs().await;
        waits.set(true);
        // Stands in the queue before anybody else goes on.
        bench.opened.project.functions.invoke("f", public).await
    };
    let close = async {
        // One runs then, and one waits for sure: the other is let in by then, or never.
        while !waits.get() {
            tokio::task::yield_now().await;
        }
        let folder = bench.folder.path().join("functions");
        let secret = "exports.handler = (c, e, callback) => callback(null, 'secret');";
        std::fs::write(folder.join("f.protected.js"), secret).expect("written");
    };
    let (one, other, queued, ()) = tokio::join!(ask(), ask(), queued, close);
    assert_eq!(queued.status, 403);
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403]);
    let refused = if one.status == 403 { one } else { other };
    let text = "403: /functions/f wants a valid X-Twilio-Signature, made over \
                http://127.0.0.1:1/functions/f?_explain=1";
    let told = String::from_utf8_lossy(&refused.body);
    // At the door, or when its turn had come: neither answer nor explanation.
    assert!(told.starts_with(text) && told.lines().count() == 1, "{told}");

    let invoke = async |admitted: Access| {
        let invocation = Invocation { admitted, ..Invocation::default() };
        let ran = bench.opened.project.functions.invoke("f", invocation).await;
        (ran.status, String::from_utf8_lossy(&ran.body).into_owned())
    };
    assert_eq!(invoke(Access::Protected).await, (200, "secret".to_owned()), "calls' own");
    let name = |access: &str| bench.folder.path().join(format!("functions/f.{access}.js"));
    std::fs::rename(name("protected"), name("private")).expect("renamed");
    let none = invoke(Access::Protected).await;
    let unknown = routes.handle(Request::get("/functions/g")).await;
    let unknown = String::from_utf8_lossy(&unknown.body).replace("function g", "function f");
    assert_eq!(none, (404, unknown.replace("/g.js", "/f.js")));
    assert_eq!(invoke(Access::Private).await.0, 200);
}

#[tokio::test]
async fn a_function_says_nothing_in_the_server_s_name() {
    let bench = Bench::granted();
    let script = "exports.handler = (context, event, callback) => {\n\
                  const response = new Twilio.Response();\n\
                  response.appendHeader('Offhook-Stale', 'mine');\n\
                  response.appendHeader('OFFHOOK-error', '11200');\n\
                  response.appendHeader('X-Offhook-Error', 'kept');\n\
                  callback(null, response); };";
    bench.write("f.js", script);
    let ran = bench.opened.project.functions.invoke("f", Invocation::default()).await;
    let field = |name: &str| ran.headers.first(name).map(str::to_owned);
    assert_eq!((ran.status, field("X-Offhook-Error").as_deref()), (200, Some("kept")));
    assert_eq!((field("Offhook-Stale"), field("Offhook-Error")), (None, None));
}

#[test]
fn what_a_function_logs_is_one_entry_and_no_order_to_a_terminal() {
    let forged = "one\n2026-11-21T20:48:01Z ERROR call CA1 failed\r\n\x1b[2Jthree\n\n";
    assert_eq!(
        super::within_one(forged),
        "one\n    2026-11-21T20:48:01Z ERROR call CA1 failed\u{fffd}\n    \u{fffd}[2Jthree"
    );
    let turned = "\u{202e}eno\u{2066}\u{2028}2026-11-21T20:48:01Z ERROR";
    assert_eq!(super::within_one(turned), "\u{fffd}eno\u{fffd}\u{fffd}2026-11-21T20:48:01Z ERROR");
}
