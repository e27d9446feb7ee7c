//! Guests that misbehave: each is stopped within its limits, and the next one runs as if nothing
//! had happened.

use super::*;

/// Runs `body` as a handler, then a good one in the same sandbox.
fn abuse(body: &str) -> Response {
    let bench = Bench::new(&[("good.js", &handler("callback(null, 'fine');"))]);
    let response = bench.run(body);
    assert_eq!(text(&bench.invoke("good", &[])), "fine");
    response
}

/// Runs a text module, then a good one in the same sandbox.
fn abuse_wat(wat: &str) -> Response {
    let bench = Bench::new(&[("bad.wat", wat), ("good.wat", LIBRARY)]);
    let response = bench.invoke("bad", &[]);
    assert_eq!(bench.invoke("good", &[]).status, 200);
    response
}

fn library(body: &str) -> String {
    format!(
        r#"(module (import "offhook" "log" (func $log (param i32 i32 i32))) (memory (export "memory") 1)
          (func (export "oh_alloc") (param i32) (result i32) (i32.const 1024))
          (func (export "oh_handle") (param i32 i32) (result i64) {body}))"#
    )
}

#[track_caller]
fn assert_stopped(response: &Response, failure: &Failure) {
    assert_eq!((response.status, response.failure.as_ref()), (500, Some(failure)));
    let last = response.log.last().expect("the reason");
    assert_eq!((last.level, &last.text), (Level::Error, &failure.to_string()));
    assert!(response.cost.memory <= MAX_MEMORY, "{:?}", response.cost);
}

#[test]
fn endless_loops_run_out_of_time() {
    let response = abuse("for (;;) {}");
    assert_stopped(&response, &Failure::RunningTime);
    assert!(response.cost.wall >= Limits::default().running, "{:?}", response.cost);
    let response = abuse_wat(&library("(loop $l (br $l)) (i64.const 0)"));
    assert_stopped(&response, &Failure::RunningTime);
}

#[test]
fn a_regular_expression_bomb_runs_out_of_time() {
    let response = abuse("callback(null, /^(a+)+$/.test('a'.repeat(40) + '!'));");
    assert_stopped(&response, &Failure::RunningTime);
}

#[test]
fn an_endless_promise_chain_runs_out_of_time() {
    let response = abuse("(function next() { Promise.resolve().then(next); })();");
    assert_stopped(&response, &Failure::RunningTime);
}

#[test]
fn a_promise_chain_after_the_callback_does_not_hold_the_answer() {
    let response =
        abuse("(function next() { Promise.resolve().then(next); })(); callback(null, 'x');");
    assert_eq!((response.status, text(&response)), (200, "x"));
}

#[test]
fn a_memory_bomb_stays_within_its_memory() {
    let limits = Limits { running: Duration::from_secs(5), ..Limits::default() };
    let bench = Bench::with(&[], 2, limits);
    let response = bench.run("var a = []; for (;;) a.push(new Uint8Array(1 << 20).fill(1));");
    assert_eq!(response.status, 500);
    assert!(text(&response).contains("out of memory"), "{}", text(&response));
    assert!(response.cost.memory <= MAX_MEMORY);

    let grow = library(
        "(loop $l (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable)) (br $l)) (i64.const 0)",
    );
    bench.write("grow.wat", &grow);
    assert_stopped(&bench.invoke("grow", &[]), &Failure::Memory);
    bench.write("good.wat", LIBRARY);
    assert_eq!(bench.invoke("good", &[]).cost.memory, 65_536);
}

#[test]
fn deep_recursion_is_an_error_that_scripts_can_catch() {
    let response =
        abuse("try { (function f() { f(); })(); } catch (e) { callback(null, e.name); }");
    assert_eq!(text(&response), "RangeError");
    let response = abuse_wat(
        r#"(module (memory (export "memory") 1) (func $f (export "_start") (call $f) (call $f)))"#,
    );
    assert!(matches!(&response.failure, Some(Failure::Trap(why)) if why.contains("stack")));
}

#[test]
fn deeply_nested_json_harms_only_itself() {
    let response =
        abuse("try { JSON.parse('['.repeat(200000)); } catch (e) { callback(null, e.name); }");
    assert!(response.failure.is_some() || response.status == 200, "{response:?}");
}

#[test]
fn log_floods_are_cut_off() {
    let response = abuse("for (;;) console.log('x'.repeat(1000));");
    assert_stopped(&response, &Failure::LogFlood);
    let bytes: usize = response.log.iter().map(|line| line.text.len()).sum();
    assert!(bytes <= Limits::default().log, "{bytes}");
    // Empty lines cost, too.
    let flood = library(
        "(loop $l (call $log (i32.const 1) (i32.const 0) (i32.const 0)) (br $l)) (i64.const 0)",
    );
    assert_stopped(&abuse_wat(&flood), &Failure::LogFlood);
}

#[test]
fn huge_answers_are_refused() {
    assert_stopped(&abuse("callback(null, 'x'.repeat(2 << 20));"), &Failure::ResponseSize);
    let huge = library("(drop (memory.grow (i32.const 100))) (i64.const 5000000)");
    assert_stopped(&abuse_wat(&huge), &Failure::ResponseSize);
    let flood = COMMAND.replace(
        "(call $exit (i32.const 0))",
        "(loop $l (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32))) (br $l))",
    );
    assert_stopped(&abuse_wat(&flood), &Failure::ResponseSize);
}

#[test]
fn forged_pointers_reach_nothing() {
    for reply in ["-1", "0x0000ffff_00000002", "0xffffffff_00000001"] {
        assert_stopped(&abuse_wat(&library(&format!("(i64.const {reply})"))), &Failure::Pointer);
    }
    let log = library("(call $log (i32.const 1) (i32.const 65530) (i32.const 100)) (i64.const 0)");
    assert_stopped(&abuse_wat(&log), &Failure::Pointer);
    let alloc = library("(i64.const 0)").replace("(i32.const 1024)", "(i32.const -16)");
    assert_stopped(&abuse_wat(&alloc), &Failure::Pointer);
    let read = COMMAND.replace(r#""\00\04\00\00\00\f0\00\00""#, r#""\ff\ff\00\00\00\f0\00\00""#);
    assert_stopped(&abuse_wat(&read), &Failure::Pointer);
    let list = COMMAND.replace("(i32.const 16) (i32.const 1)", "(i32.const -8) (i32.const 2)");
    assert_stopped(&abuse_wat(&list), &Failure::Pointer);
}

#[test]
fn traps_are_failures() {
    let response = abuse_wat(&library("unreachable"));
    assert!(matches!(&response.failure, Some(Failure::Trap(why)) if why.contains("unreachable")));
    assert_eq!(response.status, 500);
}

#[test]
fn start_functions_run_under_the_same_limits() {
    let endless = r#"(module (memory (export "memory") 1) (func $s (loop $l (br $l))) (start $s)
        (func (export "_start")))"#;
    assert_stopped(&abuse_wat(endless), &Failure::RunningTime);
}

#[test]
fn top_level_code_runs_under_the_same_limits() {
    let bench = Bench::new(&[
        ("endless.js", "for (;;) {}"),
        ("flood.js", "for (;;) console.log('x'.repeat(1000));"),
    ]);
    assert!(bench.load_error("endless").reason.contains("ran longer"));
    assert!(bench.load_error("flood").reason.contains("more log"));
    assert_eq!(text(&bench.run("callback(null, 'fine');")), "fine");
}

#[test]
fn timers_cannot_outlast_the_wall_time() {
    let response = abuse("setInterval(function () {}, 700);");
    assert_stopped(&response, &Failure::WallTime);
    assert!(response.cost.wall >= Limits::default().wall);
}

#[test]
fn nothing_survives_an_invocation() {
    let bench = Bench::new(&[(
        "count.js",
        "let n = 0;\n\
         exports.handler = (context, event, callback) => {\n\
           n += 1; globalThis.m = (globalThis.m || 0) + 1;\n\
           callback(null, n + ' ' + m);\n\
         };",
    )]);
    for _ in 0..3 {
        assert_eq!(text(&bench.invoke("count", &[])), "1 1");
    }
    let counter = library(
        "(i32.store8 (i32.const 8) (i32.add (i32.load8_u (i32.const 8)) (i32.const 49))) (i64.const 0x8_00000001)",
    );
    bench.write("memory.wat", &counter);
    for _ in 0..3 {
        assert_eq!(text(&bench.invoke("memory", &[])), "1");
    }
}

#[test]
fn a_full_sandbox_is_busy_and_recovers() {
    let bench = Bench::with(&[("good.wat", LIBRARY)], 1, Limits::default());
    let slot = bench.sandbox.take_slot().expect("free");
    let refused = bench.functions.invoke("good", &Event::default()).expect_err("full");
    assert_eq!((refused.status(), refused.is_transient()), (503, true));
    drop(slot);
    assert_eq!(bench.invoke("good", &[]).status, 200);
}

#[test]
fn invocations_at_once_do_not_disturb_each_other() {
    let bench = Bench::new(&[("loop.js", &handler("for (;;) {}")), ("dial.js", DIAL)]);
    std::thread::scope(|scope| {
        let bad = scope.spawn(|| bench.invoke("loop", &[]));
        for number in 0..50 {
            let to = format!("1555010{number:04}");
            let response = bench.invoke("dial", &[("From", "+15550100001"), ("To", &to)]);
            assert!(text(&response).contains(&to));
        }
        assert_eq!(bad.join().expect("no panic").failure, Some(Failure::RunningTime));
    });
}
