//! The two doors of WebAssembly.

use super::*;

#[test]
fn a_library_answers() {
    let bench = Bench::new(&[("closed.wat", LIBRARY)]);
    let response = bench.invoke("closed", &[("From", "+15550100001")]);
    assert_eq!(text(&response), "<Response><Say>Closed today</Say><Hangup/></Response>");
    assert_eq!((response.status, &*response.content_type), (200, "text/xml; charset=utf-8"));
    assert_eq!(response.cost.memory, 65_536);
}

#[test]
fn a_command_reads_the_event_and_sets_status_and_type() {
    let bench = Bench::new(&[("command.wat", COMMAND)]);
    let response = bench.invoke("command", &[]);
    assert_eq!(response.failure, None);
    assert_eq!((response.status, &*response.content_type), (201, "text/xml"));
    assert_eq!(text(&response), "<Response><Hangup/></Response>");
    assert_eq!(response.log, [LogLine { level: Level::Info, text: "event read".to_owned() }]);
}

#[test]
fn a_guest_gets_the_whole_event() {
    // Answers with the bytes it was given.
    let echo = r#"(module (memory (export "memory") 2)
      (func (export "oh_alloc") (param i32) (result i32) (i32.const 4096))
      (func (export "oh_handle") (param i32 i32) (result i64)
        (i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32))
                (i64.extend_i32_u (local.get 1)))))"#;
    let bench = Bench::new(&[("echo.wat", echo)]);
    let mut event = event(&[("To", "body"), ("Tag", "a"), ("Tag", "b")]);
    event.query = vec![("q".to_owned(), "1".to_owned())];
    event.headers.push(("X-Forwarded-For".to_owned(), "10.0.0.1".to_owned()));
    event.cookies = vec![("c".to_owned(), "2".to_owned())];
    let response = bench.functions.invoke("echo", &event).expect("a response");
    assert_eq!(response.content_type, "application/json; charset=utf-8");
    let seen: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
    let expected = serde_json::json!({
        "context": { "GREETING": "hello", "DOMAIN_NAME": "localhost" },
        "event": {
            "request": { "method": "POST", "headers": { "user-agent": "test" }, "cookies": { "c": "2" } },
            "To": "body", "Tag": ["a", "b"]
        }
    });
    assert_eq!(seen, expected);
}

#[test]
fn an_exit_code_other_than_zero_is_a_failure() {
    let exit = COMMAND.replace("(call $exit (i32.const 0))", "(call $exit (i32.const 7))");
    let bench = Bench::new(&[("exit.wat", &exit)]);
    let response = bench.invoke("exit", &[]);
    assert_eq!((response.status, response.failure), (500, Some(Failure::Exit(7))));
}

#[test]
fn imports_that_are_not_granted_are_named_at_load() {
    let wat = r#"(module
      (import "wasi_snapshot_preview1" "sock_accept" (func))
      (import "offhook" "fetch" (func))
      (memory (export "memory") 1) (func (export "_start")))"#;
    let bench = Bench::new(&[("greedy.wat", wat)]);
    let error = bench.load_error("greedy").to_string();
    assert_eq!(
        error,
        "greedy.wat: imports what is not granted: wasi_snapshot_preview1.sock_accept, offhook.fetch"
    );
}

#[test]
fn a_module_without_a_door_or_memory_is_refused() {
    let bench = Bench::new(&[
        ("doorless.wat", r#"(module (memory (export "memory") 1) (func (export "main")))"#),
        ("blind.wat", r#"(module (func (export "_start")))"#),
        ("typo.wat", "(module\n  (func $f (result i32) (i32.constt 1)))"),
        ("vast.wat", r#"(module (memory (export "memory") 2000) (func (export "_start")))"#),
    ]);
    assert!(bench.load_error("doorless").reason.contains("exports neither _start()"));
    assert_eq!(bench.load_error("blind").to_string(), "blind.wat: exports no memory");
    let typo = bench.load_error("typo");
    assert_eq!((typo.line, typo.column), (2, 26), "{typo}");
    assert!(bench.load_error("vast").reason.contains("memory"), "{}", bench.load_error("vast"));
}

#[test]
fn a_door_of_another_type_is_told_with_the_one_it_should_have() {
    let with = |inside: &str| format!(r#"(module (memory (export "memory") 1) {inside})"#);
    let alloc = r#"(func (export "oh_alloc") (param i32) (result i32) (i32.const 8))"#;
    let handle = "(func (export \"oh_handle\") (param i32 i32) (result i32) (i32.const 0))";
    let bench = Bench::new(&[
        ("handle.wat", &with(&format!("{alloc} {handle}"))),
        ("start.wat", &with(r#"(func (export "_start") (param i32))"#)),
        ("global.wat", &with(r#"(global (export "_start") i32 (i32.const 0))"#)),
    ]);
    assert_eq!(
        bench.load_error("handle").reason,
        "exports oh_handle(i32, i32) -> i32, wanted oh_handle(i32, i32) -> i64"
    );
    assert_eq!(bench.load_error("start").reason, "exports _start(i32), wanted _start()");
    assert!(bench.load_error("global").reason.contains("is no function"));
}

#[test]
fn what_is_no_module_is_told_so() {
    let bench = Bench::new(&[]);
    for (name, bytes, why) in [
        ("text", &b"(module)"[..], "is no WebAssembly module"),
        ("gzip", b"\x1f\x8b\x08\0garbage", "is no WebAssembly module"),
        ("component", b"\0asm\x0d\0\x01\0", "wasm32-wasip1"),
    ] {
        fs::write(bench.dir.path().join(format!("{name}.wasm")), bytes).expect("written");
        assert!(bench.load_error(name).reason.contains(why), "{}", bench.load_error(name));
    }
    let vast = [&b"\0asm\x0d\0\x01\0"[..], &vec![0; 17 << 20]].concat();
    fs::write(bench.dir.path().join("vast.wasm"), vast).expect("written");
    assert!(bench.load_error("vast").reason.contains("is a component"));
}

#[test]
fn a_trap_names_its_function() {
    let traps = r#"(module (memory (export "memory") 1)
      (func $undefined_weak:main (unreachable))
      (func (export "_start") (call $undefined_weak:main)))"#;
    // With memory filled in parts, so that it is written anew.
    let fills = traps.replace(
        "(unreachable)",
        "(memory.fill (i32.const 0) (i32.const 0) (memory.size)) unreachable",
    );
    let bench = Bench::new(&[("traps.wat", traps), ("fills.wat", &fills)]);
    for name in ["traps", "fills"] {
        let Some(Failure::Trap(why)) = bench.invoke(name, &[]).failure else { panic!("{name}") };
        assert!(why.ends_with("in `undefined_weak:main`"), "{why}");
    }
}

#[test]
fn imports_are_refused_before_anything_is_compiled() {
    let wat = r#"(module (import "env" "emscripten_resize_heap" (func (param i32) (result i32)))
      (memory (export "memory") 1) (func (export "_start")))"#;
    let bench = Bench::new(&[("greedy.wat", wat)]);
    let wasm = wat::parse_str(wat).expect("sound");
    let before = bench.sandbox.cache().holds(&wasm);
    assert!(bench.load_error("greedy").reason.contains("emscripten_resize_heap"));
    assert_eq!((before, bench.sandbox.cache().holds(&wasm)), (false, false));
}
