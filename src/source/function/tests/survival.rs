//! Nothing of one invocation is there in the next, of the same function or of another; and those
//! that run at one time are apart.

use super::*;

/// One place for all: each invocation gets what the one before it left.
fn bench(files: &[(&str, &str)]) -> Bench {
    Bench::with(files, 1, Limits { running: Duration::from_secs(10), ..Limits::default() })
}

/// Counts in every place that a script can write to, and answers with the counts.
const MARKS: &str = r"
let inModule = 0;
const held = { object: {}, map: new Map(), list: [], set: new WeakSet(), bytes: Buffer.alloc(8) };
const other = require('./other.private');
class Counter { static #count = 0; static next() { return ++Counter.#count; } }
exports.count = 0;
const bump = (object) => object.mark = (Object.hasOwn(object, 'mark') ? object.mark : 0) + 1;
exports.handler = (context, event, callback) => {
  const counts = [inModule += 1, bump(globalThis)];
  for (const type of [Object, Array, Function, String, Promise, Map, Twilio.Response, Error]) {
    counts.push(bump(type), bump(type.prototype));
  }
  counts.push(bump(held.object));
  counts.push(held.map.set('mark', (held.map.get('mark') || 0) + 1).get('mark'));
  counts.push(held.list.push(1), held.bytes[0] += 1, Counter.next(), other.next());
  counts.push(exports.count += 1, module.exports.count);
  counts.push(process.env.MARK = Number(process.env.MARK || 0) + 1);
  counts.push(bump(context), bump(event), bump(console), bump(Math));
  counts.push(bump(require.cache[Object.keys(require.cache)[0]]));
  JSON.parse = JSON.stringify = undefined;
  Object.defineProperty(globalThis, 'Twilio', { value: null, configurable: true });
  callback(null, counts.join(''));
};
";

#[test]
fn what_a_script_writes_is_gone_wherever_it_writes() {
    let bench = bench(&[
        ("marks.js", MARKS),
        ("other.private.js", "let count = 0; exports.next = () => count += 1;"),
        (
            "third.js",
            &handler("callback(null, [typeof mark, typeof Twilio, JSON.stringify({})].join());"),
        ),
    ]);
    // JSON is broken by then, so that the answer is what it throws: say it by a body of one's own.
    let told = MARKS.replace("  JSON.parse = JSON.stringify = undefined;\n", "");
    bench.write("told.js", &told);
    for _ in 0..3 {
        let answer = bench.invoke("told", &[]);
        assert_eq!(answer.status, 200, "{}", text(&answer));
        assert!(text(&answer).bytes().all(|count| count == b'1'), "{}", text(&answer));
        bench.invoke("marks", &[]);
        assert_eq!(text(&bench.invoke("third", &[])), "undefined,function,{}");
    }
}

#[test]
fn what_a_script_begins_ends_with_it() {
    let begins = "setTimeout(() => { console.log('late'); }, 1);\n\
                  setInterval(() => { console.log('again'); }, 1);\n\
                  Promise.resolve().then(() => new Promise(() => {})).finally(() => console.log('x'));\n\
                  console.group('inner'); console.time('t'); console.count('c');\n\
                  Error.prepareStackTrace = () => 'mine'; Error.stackTraceLimit = 0;\n\
                  callback(null, 'begun');";
    let looks = "console.log('line'); console.count('c');\n\
                 callback(null, new Error('e').stack.includes('    at '));";
    let bench = bench(&[("begins.js", &handler(begins)), ("looks.js", &handler(looks))]);
    for _ in 0..3 {
        assert_eq!(text(&bench.invoke("begins", &[])), "begun");
        let looked = bench.invoke("looks", &[]);
        let log: Vec<&str> = looked.log.iter().map(|line| line.text.as_str()).collect();
        assert_eq!((text(&looked), &log[..]), ("true", &["line", "c: 1"][..]));
    }
}

/// Counts in memory, a global and a table, and how much memory and what of its segments there is.
const GUEST: &str = r#"(module
  (memory (export "memory") 1)
  (global $count (mut i32) (i32.const 0))
  (table $table 2 funcref)
  (elem $segment func $f)
  (data $bytes "x")
  (func $f)
  (func (export "oh_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "oh_handle") (param i32 i32) (result i64)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (i32.store8 (i32.const 8) (i32.add (global.get $count) (i32.const 48)))
    (i32.store8 (i32.const 9) (i32.add (i32.load8_u (i32.const 40)) (i32.const 49)))
    (i32.store8 (i32.const 40) (i32.const 1))
    (i32.store8 (i32.const 10) (i32.add (ref.is_null (table.get $table (i32.const 1))) (i32.const 48)))
    (table.init $table $segment (i32.const 1) (i32.const 0) (i32.const 1))
    (elem.drop $segment)
    (memory.init $bytes (i32.const 41) (i32.const 0) (i32.const 1))
    (data.drop $bytes)
    (i32.store8 (i32.const 11) (i32.add (memory.size) (i32.const 48)))
    (i32.store8 (i32.const 12) (i32.add (table.size $table) (i32.const 47)))
    (drop (memory.grow (i32.const 100)))
    (drop (table.grow $table (ref.func $f) (i32.const 100)))
    (memory.fill (i32.const 65536) (i32.const 255) (i32.const 6553600))
    (i64.const 0x8_00000005)))"#;

#[test]
fn what_a_guest_writes_is_gone_wherever_it_writes() {
    let bench = bench(&[("guest.wat", GUEST), ("kind.js", &handler("callback(null, 'kind');"))]);
    for _ in 0..3 {
        assert_eq!(text(&bench.invoke("guest", &[])), "11111");
        assert_eq!(text(&bench.invoke("guest", &[])), "11111");
        assert_eq!(text(&bench.invoke("kind", &[])), "kind");
    }
}

/// Takes all the memory there is, answers whether any byte of it is not zero, and fills it.
const FINDER: &str = r#"(module
  (memory (export "memory") 1)
  (func (export "oh_alloc") (param i32) (result i32) (i32.const 8))
  (func (export "oh_handle") (param $at i32) (param $length i32) (result i64) (local $found i64)
    (memory.fill (local.get $at) (i32.const 0) (local.get $length))
    (drop (memory.grow (i32.const 1023)))
    (local.set $at (i32.const 0))
    (loop $l
      (local.set $found (i64.or (local.get $found) (i64.load (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $l (i32.lt_u (local.get $at) (i32.const 0x4000000))))
    (memory.fill (i32.const 0) (i32.const 0x5a) (i32.const 0x4000000))
    (i32.store8 (i32.const 0) (select (i32.const 48) (i32.const 49) (i64.eqz (local.get $found))))
    (i64.const 1)))"#;

#[test]
fn a_place_in_the_pool_is_blank_whoever_was_there_before() {
    let secret = "const held = []; for (let n = 0; n < 40; n += 1) \
                  held.push(new Uint8Array(1 << 20).fill(0x5a)); callback(null, 'kept');";
    let bench = bench(&[("finder.wat", FINDER), ("secret.js", &handler(secret))]);
    for _ in 0..2 {
        assert_eq!(text(&bench.invoke("finder", &[])), "0", "after another function");
        assert_eq!(text(&bench.invoke("finder", &[])), "0", "after itself");
        assert_eq!(text(&bench.invoke("secret", &[])), "kept");
    }
}

#[test]
fn what_was_too_slow_to_load_is_tried_again() {
    let host = TestHost::new();
    let slow = format!("for (let i = 0; i < 3e6; i++);\n{}", handler("callback(null, 'loaded');"));
    let bench = Bench::with_host(&[("f.js", &slow)], 1, host.clone());
    // The engine starts first, in peace.
    bench.write("other.js", &handler("callback();"));
    bench.invoke("other", &[]);
    host.busy.store(true, Ordering::Relaxed);
    let error = bench.load_error("f");
    assert_eq!(
        error.reason,
        "top-level code ran longer than the 2 s it may; a later request tries again"
    );
    host.busy.store(false, Ordering::Relaxed);
    assert!(bench.load_error("f").late, "not at once");
    *host.waited.lock().expect("not poisoned") += Duration::from_secs(6);
    assert_eq!(text(&bench.invoke("f", &[])), "loaded");
}

#[test]
fn a_script_holds_little_more_than_what_lives_in_its_heap() {
    let bench = Bench::new(&[
        ("small.js", &handler("callback();")),
        // Megabytes are made and left while it is loaded.
        (
            "waste.js",
            &format!(
                "for (let i = 0; i < 9; i++) new Uint8Array(1 << 20).fill(i);\n{}",
                handler("callback();")
            ),
        ),
    ]);
    for (name, most) in [("small", 1_100_000), ("waste", 1_300_000)] {
        bench.invoke(name, &[]);
        let known = bench.functions.known().get(name).cloned().expect("it is known");
        let program = known.good.as_ref().map(|good| Arc::clone(&good.program));
        let Some(Program::Script(script)) = program.as_deref() else { panic!("a script") };
        assert!((700_000..most).contains(&script.size()), "{name}: {} bytes", script.size());
    }
}

#[test]
fn chance_is_another_every_time() {
    let chance = "callback(null, [Math.random(), crypto.randomUUID(), require('crypto')\
                  .randomBytes(8).toString('hex')].join());";
    let guest = r#"(module (import "offhook" "random" (func $random (param i32 i32)))
      (memory (export "memory") 1)
      (func (export "oh_alloc") (param i32) (result i32) (i32.const 1024))
      (func (export "oh_handle") (param i32 i32) (result i64)
        (call $random (i32.const 0) (i32.const 16)) (i64.const 16)))"#;
    let script = format!("const early = Math.random();\n{}", handler(chance));
    let bench = bench(&[("a.js", &script), ("b.js", &script), ("c.wat", guest)]);
    let mut seen = std::collections::HashSet::new();
    for name in ["a", "b", "a", "b", "c", "c"] {
        let answer = bench.invoke(name, &[]);
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        for number in answer.body.split(|byte| *byte == b',') {
            assert!(seen.insert(number.to_vec()), "{name}: {number:?} again");
        }
    }
}

#[test]
fn a_full_sandbox_is_busy_and_recovers() {
    let bench = bench(&[("good.wat", LIBRARY)]);
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

#[test]
fn a_promise_chain_after_the_callback_does_not_hold_the_answer() {
    let chain = "(function next() { Promise.resolve().then(next); })(); callback(null, 'x');";
    let answer = bench(&[]).run(chain);
    assert_eq!((answer.status, text(&answer)), (200, "x"));
}
