//! What programs find that were compiled for WASI: three streams, clocks, a name, and no files.

use super::*;

/// A command whose `_start` is `body`. `$put` writes bytes to a descriptor; what it wants in memory
/// is from 1024 on.
fn command(imports: &str, data: &[u8], body: &str) -> String {
    format!(
        r#"(module {imports}
          (import "wasi_snapshot_preview1" "fd_write"
            (func $write (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 2)
          (data (i32.const 1024) "{}")
          (func $put (param $fd i32) (param $at i32) (param $length i32)
            (i32.store (i32.const 0) (local.get $at))
            (i32.store (i32.const 4) (local.get $length))
            (if (call $write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))
              (then unreachable)))
          {body})"#,
        escaped(data)
    )
}

fn escaped(data: &[u8]) -> String {
    data.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

/// Calls of `$put` that write the pieces one after the other.
fn puts(fd: u32, pieces: &[&[u8]]) -> (Vec<u8>, String) {
    let mut at = 1024;
    let put = |piece: &&[u8]| {
        at += piece.len();
        format!(
            "(call $put (i32.const {fd}) (i32.const {}) (i32.const {}))",
            at - piece.len(),
            piece.len()
        )
    };
    (pieces.concat(), pieces.iter().map(put).collect())
}

fn start(body: &str) -> String {
    format!(r#"(func (export "_start") {body})"#)
}

fn ran(text: &str) -> Response {
    let bench = Bench::new(&[("calls/guest.wat", text)]);
    bench.invoke("calls/guest", &[("From", "5")])
}

fn lines(response: &Response) -> Vec<&str> {
    response.log.iter().map(|line| line.text.as_str()).collect()
}

#[test]
fn what_is_written_to_the_log_in_pieces_is_logged_in_lines() {
    let pieces: &[&[u8]] =
        &[b"caller", b" ", b"5", b" of 7 is known \r\n\nsecond\n", b"h\xc3", b"\xa9", b" end "];
    let (data, body) = puts(2, pieces);
    let response = ran(&command("", &data, &start(&body)));
    assert_eq!(response.failure, None);
    assert_eq!(lines(&response), ["caller 5 of 7 is known ", "second", "h\u{e9} end "]);
    assert!(response.log.iter().all(|line| line.level == Level::Info));
}

#[test]
fn a_line_that_does_not_end_is_cut_and_one_that_traps_is_kept() {
    let piece = "\u{e9}".repeat(5_000);
    let (data, body) = puts(2, &[piece.as_bytes(); 2]);
    let response = ran(&command("", &data, &start(&(body + " unreachable"))));
    assert_eq!(response.status, 500);
    assert_eq!(lines(&response)[..1], [&piece.repeat(2)]);
    let (data, body) = puts(2, &[b"last words"]);
    let response = ran(&command("", &data, &start(&(body + " unreachable"))));
    assert_eq!(lines(&response)[0], "last words");
    assert_eq!(response.log.len(), 2);
}

#[test]
fn lines_that_are_never_ended_are_paid_for_like_others() {
    let body = "(loop $l (call $put (i32.const 2) (i32.const 1024) (i32.const 3)) (br $l))";
    let response = ran(&command("", b"abc", &start(body)));
    assert_eq!(response.failure, Some(Failure::LogFlood));
    let logged: usize = response.log.iter().map(|line| line.text.len()).sum();
    assert!((60 << 10..=65 << 10).contains(&logged), "{logged}");
}

const LIBRARY_DOOR: &str =
    r#"(func (export "oh_alloc") (param i32) (result i32) (i32.const 4096))"#;

#[test]
fn a_library_s_standard_output_is_its_log() {
    let (mut data, put) = puts(1, &[b"known\n", b"caller"]);
    data.extend_from_slice(b"<Response/>");
    let door = format!(
        r#"{LIBRARY_DOOR} (func (export "oh_handle") (param i32 i32) (result i64)
          {put} (i64.const {}))"#,
        (1024u64 + 12) << 32 | 11
    );
    let response = ran(&command("", &data, &door));
    assert_eq!(text(&response), "<Response/>");
    assert_eq!(lines(&response), ["known", "caller"]);
}

#[test]
fn a_library_that_exits_has_not_answered() {
    let exit = r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#;
    let door = format!(
        r#"{LIBRARY_DOOR} (func (export "oh_handle") (param i32 i32) (result i64)
          (call $exit (i32.const 0)) (i64.const 0))"#
    );
    let response = ran(&command(exit, b"", &door));
    assert_eq!((response.status, response.failure), (500, Some(Failure::Exit(0))));
}

#[test]
fn a_library_is_initialized_once_before_anything_else() {
    // Answers with as many bytes as the initialization came to.
    let door = r#"(global $n (mut i32) (i32.const 0))
      (func (export "_initialize")
        (global.set $n (i32.add (global.get $n) (i32.const 3))))
      (func (export "oh_alloc") (param i32) (result i32)
        (if (i32.ne (global.get $n) (i32.const 3)) (then unreachable))
        (i32.const 4096))
      (func (export "oh_handle") (param i32 i32) (result i64)
        (i64.or (i64.const 0x40000000000) (i64.extend_i32_u (global.get $n))))"#;
    let bench = Bench::new(&[("guest.wat", &command("", b"abcdef", door))]);
    // Of every request's instance, which is a fresh one.
    for _ in 0..2 {
        assert_eq!(text(&bench.invoke("guest", &[])), "abc");
    }
    let other = door
        .replace("(func (export \"_initialize\")", "(func (export \"_initialize\") (param i32)");
    bench.write("other.wat", &command("", b"", &other));
    assert_eq!(
        bench.load_error("other").to_string(),
        "other.wat: exports _initialize(i32), wanted _initialize()"
    );
}

/// A subscription, with `tag` as what tells it from others.
fn subscription(tag: u8, kind: u8, which: u32, timeout: u64, flags: u16) -> [u8; 48] {
    let mut record = [0; 48];
    (record[0], record[8]) = (tag, kind);
    record[16..20].copy_from_slice(&which.to_le_bytes());
    record[24..32].copy_from_slice(&timeout.to_le_bytes());
    record[40..42].copy_from_slice(&flags.to_le_bytes());
    record
}

/// Of each event: its tag, error, kind, bytes and flags.
type Told = (u8, u16, u8, u64, u16);

/// What a guest is told that waits for these, and how it ended.
fn polled(subscriptions: &[[u8; 48]]) -> (Vec<Told>, Response) {
    let import = r#"(import "wasi_snapshot_preview1" "poll_oneoff"
        (func $poll (param i32 i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#;
    let body = format!(
        "(local $error i32)
         (local.set $error
           (call $poll (i32.const 1024) (i32.const 8192) (i32.const {}) (i32.const 16)))
         (if (local.get $error) (then (call $exit (local.get $error))))
         (call $put (i32.const 1) (i32.const 8192) (i32.mul (i32.load (i32.const 16)) (i32.const 32)))",
        subscriptions.len()
    );
    let response = ran(&command(import, &subscriptions.concat(), &start(&body)));
    let short = |bytes: &[u8]| u16::from_le_bytes(bytes.try_into().expect("two"));
    let read = |event: &[u8]| {
        let bytes = u64::from_le_bytes(event[16..24].try_into().expect("eight"));
        (event[0], short(&event[8..10]), event[10], bytes, short(&event[24..26]))
    };
    let told = match response.failure {
        None => response.body.chunks_exact(32).map(read).collect(),
        Some(_) => Vec::new(),
    };
    (told, response)
}

const MONOTONIC: u32 = 1;
const SECOND: u64 = 1_000_000_000;

#[test]
fn a_guest_sleeps_until_the_earliest_of_what_it_waits_for() {
    let clock = |tag, timeout| subscription(tag, 0, MONOTONIC, timeout, 0);
    let (told, response) = polled(&[clock(7, 6 * SECOND), clock(8, 5 * SECOND)]);
    assert_eq!(told, [(8, 0, 0, 0, 0)]);
    // Longer than it may run: waiting is not running.
    assert_eq!(response.failure, None);
    let wall = response.cost.wall;
    assert!((Duration::from_secs(5)..Duration::from_secs(6)).contains(&wall), "{wall:?}");
    let (told, response) = polled(&[clock(7, 11 * SECOND)]);
    assert_eq!((told, response.failure), (Vec::new(), Some(Failure::WallTime)));
    assert!(response.cost.wall >= Duration::from_secs(10));
}

#[test]
fn times_of_a_clock_are_times_of_that_clock() {
    let wall = 1_795_237_266_123 * 1_000_000;
    let (told, response) = polled(&[
        subscription(1, 0, 0, wall + 3 * SECOND, 1),
        subscription(2, 0, 0, 4 * SECOND, 0),
    ]);
    assert_eq!(told, [(1, 0, 0, 0, 0)]);
    assert!(response.cost.wall >= Duration::from_secs(3));
    // One that is over.
    let (told, response) = polled(&[subscription(3, 0, 0, wall - 1, 1)]);
    assert_eq!(told, [(3, 0, 0, 0, 0)]);
    assert!(response.cost.wall < Duration::from_secs(3));
}

#[test]
fn streams_are_ready_at_once_and_errors_are_each_its_own() {
    let (told, response) = polled(&[
        subscription(1, 1, 0, 0, 0),
        subscription(2, 2, 2, 0, 0),
        subscription(3, 0, MONOTONIC, 3 * SECOND, 0),
        subscription(4, 1, 5, 0, 0),
        subscription(5, 2, 0, 0, 0),
        subscription(6, 0, 9, 0, 0),
        subscription(7, 0, 2, 0, 0),
    ]);
    let event = super::event(&[("From", "5")]);
    let length = event.to_json(&[("GREETING".to_owned(), "hello".to_owned())]).len() as u64;
    assert_eq!(
        told,
        [
            (1, 0, 1, length, 0),
            (2, 0, 2, 65_536, 0),
            (4, 8, 1, 0, 0),
            (5, 8, 2, 0, 0),
            (6, 28, 0, 0, 0),
            (7, 58, 0, 0, 0)
        ]
    );
    assert!(response.cost.wall < Duration::from_secs(3));
}

#[test]
fn there_is_no_waiting_for_nothing_or_for_what_there_is_not() {
    assert_eq!(polled(&[]).1.failure, Some(Failure::Exit(28)));
    assert_eq!(polled(&[subscription(1, 3, 0, 0, 0)]).1.failure, Some(Failure::Exit(28)));
    assert_eq!(polled(&[[0; 48]; 1025]).1.failure, Some(Failure::Exit(28)));
}

/// What C libraries link whether they need it or not: its parameters, with `fd` for a descriptor, and
/// what it answers for standard output.
const LINKED: &[(&str, &str, u8)] = &[
    ("fd_advise", "fd i64 i64 i32", 70),
    ("fd_allocate", "fd i64 i64", 70),
    ("fd_datasync", "fd", 0),
    ("fd_fdstat_set_flags", "fd i32", 0),
    ("fd_fdstat_set_rights", "fd i64 i64", 58),
    ("fd_filestat_set_size", "fd i64", 28),
    ("fd_filestat_set_times", "fd i64 i64 i32", 76),
    ("fd_pread", "fd i32 i32 i64 i32", 70),
    ("fd_prestat_dir_name", "fd i32 i32", 8),
    ("fd_prestat_get", "fd i32", 8),
    ("fd_pwrite", "fd i32 i32 i64 i32", 70),
    ("fd_readdir", "fd i32 i32 i64 i32", 54),
    ("fd_renumber", "fd i32", 58),
    ("fd_seek", "fd i64 i32 i32", 70),
    ("fd_sync", "fd", 0),
    ("fd_tell", "fd i32", 70),
    ("path_create_directory", "fd i32 i32", 54),
    ("path_filestat_get", "fd i32 i32 i32 i32", 54),
    ("path_filestat_set_times", "fd i32 i32 i32 i64 i64 i32", 54),
    ("path_link", "fd i32 i32 i32 i32 i32 i32", 54),
    ("path_open", "fd i32 i32 i32 i32 i64 i64 i32 i32", 54),
    ("path_readlink", "fd i32 i32 i32 i32 i32", 54),
    ("path_remove_directory", "fd i32 i32", 54),
    ("path_rename", "fd i32 i32 i32 i32 i32", 54),
    ("path_symlink", "i32 i32 fd i32 i32", 54),
    ("path_unlink_file", "fd i32 i32", 54),
    ("sock_accept", "fd i32 i32", 57),
    ("sock_recv", "fd i32 i32 i32 i32 i32", 57),
    ("sock_send", "fd i32 i32 i32 i32", 57),
    ("sock_shutdown", "fd i32", 57),
];

#[test]
fn what_wants_files_or_sockets_loads_and_is_told_that_there_are_none() {
    let import = |(name, parameters, _): &(&str, &str, u8)| {
        format!(
            r#"(import "wasi_snapshot_preview1" "{name}" (func ${name} (param {}) (result i32)))"#,
            parameters.replace("fd", "i32")
        )
    };
    // The answers for 1, which is there, and for 3, which is not, from 2048 on.
    let call = |(at, &(name, parameters, _)): (usize, &(&str, &str, u8))| {
        let call = |fd: usize| {
            let value = |kind| match kind {
                "fd" => format!("(i32.const {fd}) "),
                kind => format!("({kind}.const 0) "),
            };
            let values: String = parameters.split(' ').map(value).collect();
            let at = 2048 + 2 * at + fd / 2;
            format!("(i32.store8 (i32.const {at}) (call ${name} {values}))")
        };
        call(1) + &call(3)
    };
    let imports: String = LINKED.iter().map(import).collect();
    let raise = r#"(import "wasi_snapshot_preview1" "proc_raise"
      (func $raise (param i32) (result i32)))"#;
    let calls: String = LINKED.iter().enumerate().map(call).collect();
    let put =
        format!("(call $put (i32.const 1) (i32.const 2048) (i32.const {}))", 2 * LINKED.len());
    let response = ran(&command(&(imports + raise), b"", &start(&(calls + &put))));
    assert_eq!(response.failure, None);
    let told: Vec<_> = response.body.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    for ((name, _, expected), told) in LINKED.iter().zip(told) {
        assert_eq!(told, (*expected, 8), "{name}");
    }
}

#[test]
fn a_program_has_its_function_s_name() {
    let imports = r#"
      (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))"#;
    // The number, the name at its address, and the end.
    let body = "(drop (call $sizes (i32.const 2048) (i32.const 16)))
      (drop (call $args (i32.const 20) (i32.const 4000)))
      (i32.store8 (i32.const 2048) (i32.add (i32.load8_u (i32.const 2048)) (i32.const 48)))
      (call $put (i32.const 1) (i32.const 2048) (i32.const 1))
      (call $put (i32.const 1) (i32.load (i32.const 20)) (i32.load (i32.const 16)))";
    let response = ran(&command(imports, b"", &start(body)));
    assert_eq!(text(&response), "1calls/guest\0");
}

#[test]
fn streams_are_terminals_until_they_are_closed() {
    let imports = r#"
      (import "wasi_snapshot_preview1" "fd_filestat_get" (func $stat (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
      (import "wasi_snapshot_preview1" "fd_read"
        (func $read (param i32 i32 i32 i32) (result i32)))"#;
    let calls = [
        "(call $stat (i32.const 0) (i32.const 4096))",
        "(i32.load8_u (i32.const 4112))",
        "(call $stat (i32.const 3) (i32.const 4096))",
        "(call $close (i32.const 0))",
        "(call $close (i32.const 0))",
        "(call $close (i32.const 3))",
        "(call $read (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4096))",
        "(call $stat (i32.const 0) (i32.const 4096))",
        "(call $close (i32.const 2))",
        "(call $write (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 4096))",
        "(call $stat (i32.const 1) (i32.const 4096))",
    ];
    let store =
        |(at, call): (usize, &&str)| format!("(i32.store8 (i32.const {}) {call})", 2048 + at);
    let body: String = calls.iter().enumerate().map(store).collect();
    let body = body + "(call $put (i32.const 1) (i32.const 2048) (i32.const 11))";
    let response = ran(&command(imports, b"", &start(&body)));
    assert_eq!(response.body, [0, 2, 8, 0, 8, 8, 8, 8, 0, 8, 0]);
}
