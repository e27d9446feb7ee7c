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
fn imports_that_nobody_gets_are_named_at_load_with_what_to_do() {
    let refused = |imports: &str| {
        let text = format!(
            r#"(module {imports} (func (export "_start")) (memory $m 1) (export "memory" (memory $m)))"#
        );
        let bench = Bench::new(&[("greedy.wat", &text)]);
        bench.load_error("greedy").reason
    };
    let function = |name: &str| {
        let (module, name) = name.rsplit_once('.').expect("two names");
        format!(r#"(import "{module}" "{name}" (func))"#)
    };
    for (name, told) in [
        ("env.x", "imports env.x: nothing offers this"),
        ("offhook.fetch", "imports offhook.fetch: nothing offers this"),
        (
            "wasi_unstable.fd_write",
            "imports wasi_unstable.fd_write: build for WASI preview 1 (wasm32-wasip1)",
        ),
        (
            "wasi:cli/stdout@0.2.0.get-stdout",
            "imports wasi:cli/stdout@0.2.0.get-stdout: build for WASI preview 1 (wasm32-wasip1)",
        ),
        (
            "wasi_snapshot_preview1.sock_open",
            "imports wasi_snapshot_preview1.sock_open: WASI preview 1 has no such function",
        ),
        (
            "__wbindgen_placeholder__.__wbindgen_throw",
            "imports __wbindgen_placeholder__.__wbindgen_throw: build without wasm-bindgen",
        ),
        ("gojs.wasmExit", "imports gojs.wasmExit: build with GOOS=wasip1"),
    ] {
        assert_eq!(refused(&function(name)), told);
    }
    let both = function("offhook.ask") + &function("env.x") + &function("env.y");
    assert_eq!(
        refused(&both),
        "imports what is not granted: offhook.ask; to grant HTTP or the store, write `hosts = \
         [\"HOST\"]` or `store = true` under [[function]] name = \"greedy\" in offhook.toml; imports \
         env.x, env.y: nothing offers this"
    );
    let memory = r#"(module (import "env" "memory" (memory $m 1)) (func (export "_start"))
      (export "memory" (memory $m)))"#;
    let bench = Bench::new(&[("shared.wat", memory)]);
    assert_eq!(
        bench.load_error("shared").reason,
        "imports env.memory: export the memory instead (AssemblyScript: \
         without --importMemory, clang: without --import-memory)"
    );
}

#[test]
fn what_an_assemblyscript_program_throws_is_logged_with_its_place() {
    let utf16 = |text: &str| -> String {
        let bytes: Vec<_> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let length = (bytes.len() as u32).to_le_bytes();
        length.iter().chain(&bytes).map(|byte| format!("\\{byte:02x}")).collect()
    };
    let aborted = |message: u32, file: u32| {
        let guest = format!(
            r#"(module (import "env" "abort" (func $abort (param i32 i32 i32 i32)))
              (memory (export "memory") 1)
              (data (i32.const 60) "{}") (data (i32.const 252) "{}") (data (i32.const 508) "\ff\ff\ff\7f")
              (func (export "_start")
                (call $abort (i32.const {message}) (i32.const {file}) (i32.const 3) (i32.const 5))))"#,
            utf16("no such caller \u{260e}"),
            utf16("assembly/index.ts"),
        );
        let bench = Bench::new(&[("thrown.wat", &guest)]);
        let response = bench.invoke("thrown", &[]);
        assert_eq!(response.failure, Some(Failure::Trap("aborted".to_owned())));
        assert_eq!(response.log[0].level, Level::Error);
        response.log[0].text.clone()
    };
    assert_eq!(aborted(64, 256), "abort: no such caller \u{260e} (assembly/index.ts:3:5)");
    assert_eq!(aborted(0, 256), "abort (assembly/index.ts:3:5)");
    // Neither a length nor an address is believed.
    for forged in [3, 512, 65_536, u32::MAX] {
        assert_eq!(aborted(forged, forged), "abort (?:3:5)", "{forged}");
    }
}

#[test]
fn chance_in_assemblyscript_begins_anew_each_time() {
    let guest = r#"(module (import "env" "seed" (func $seed (result f64)))
      (memory (export "memory") 1)
      (func (export "oh_alloc") (param i32) (result i32) (i32.const 1024))
      (func (export "oh_handle") (param i32 i32) (result i64)
        (i64.store (i32.const 64) (i64.reinterpret_f64 (call $seed)))
        (i64.const 0x4000000008)))"#;
    let bench = Bench::new(&[("chance.wat", guest)]);
    let (one, other) = (bench.invoke("chance", &[]), bench.invoke("chance", &[]));
    assert_eq!((one.status, one.body.len()), (200, 8));
    assert_ne!(one.body, other.body);
}

#[test]
fn a_document_that_is_not_utf_8_is_remarked() {
    let guest = |start: &str| {
        format!(
            r#"(module (memory (export "memory") 1) (data (i32.const 64) "{start}caf\e9")
              (func (export "oh_alloc") (param i32) (result i32) (i32.const 1024))
              (func (export "oh_handle") (param i32 i32) (result i64) (i64.const 0x4000000005)))"#
        )
    };
    let bench = Bench::new(&[("xml.wat", &guest("<")), ("plain.wat", &guest("-"))]);
    let response = bench.invoke("xml", &[]);
    assert_eq!((response.status, &*response.body), (200, &b"<caf\xe9"[..]));
    let text = "the answer is not UTF-8: byte 0xe9 at offset 4".to_owned();
    assert_eq!(response.log, [LogLine { level: Level::Warning, text }]);
    assert_eq!(bench.invoke("plain", &[]).log, []);
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
