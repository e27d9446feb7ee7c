;; Reads a program and calls what it says, in its order and with its arguments: the host's side of
;; the interface is what is tried, so that this side is compiled once.
;;
;; The program comes from `random`: a step is a byte that names a call and two bytes for each of its
;; arguments: how, and a number. A number is shifted left by the low five bits of how; with bit 5 it
;; is what the last call gave, with bit 6 it is added to the size of the memory, with bit 7 negated.
(module
  (import "offhook" "log" (func $log (param i32 i32 i32)))
  (import "offhook" "random" (func $random (param i32 i32)))
  (import "offhook" "ask" (func $ask (param i32 i32) (result i32)))
  (import "offhook" "next" (func $next (param f64) (result i32)))
  (import "offhook" "take" (func $take (param i32)))
  (import "env" "abort" (func $abort (param i32 i32 i32 i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fd_fdstat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_get" (func $fd_filestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_set_flags" (func $set_flags (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_dir_name"
    (func $fd_prestat_dir_name (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_res_get" (func $clock_res_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $sched_yield (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))

  ;; 4096: the program. 8192: operations to ask for, of 128 bytes each. 16384: floats for `next`.
  (memory (export "memory") 1)
  (data (i32.const 8192) "{\22op\22:\22kv.set\22,\22key\22:\22k\22,\22value\22:[1,2,3]}")
  (data (i32.const 8320) "{\22op\22:\22kv.get\22,\22key\22:\22k\22}")
  (data (i32.const 8448) "{\22op\22:\22fetch\22,\22url\22:\22http://a.example/\22}")
  (data (i32.const 8576) "{\22op\22:\22cancel\22,\22id\22:1}")
  (data (i32.const 8704) "{\22op\22:\22cancel\22,\22id\22:4294967297}")
  (data (i32.const 8832) "{\22op\22:\22control\22,\22what\22:\22calls\22}")
  (data (i32.const 8960) "Status: 404\0aX-A: b\0a\0a<Response/>")
  (data (i32.const 16384) "\00\00\00\00\00\00\f8\7f\00\00\00\00\00\00\f0\7f\00\00\00\00\00\00\f0\ff\00\00\00\00\00\00\00\80")
  (data (i32.const 16416) "\01\00\00\00\00\00\00\00\00\00\00\00\00\00\f0\bf\00\00\00\00\00\00\24\40\9c\75\00\88\3c\e4\37\7e")
  (table $table 1 funcref)
  (global $at (mut i32) (i32.const 4096))
  (global $last (mut i32) (i32.const 0))
  (global $done (mut i32) (i32.const 0))
  (global $reply (mut i64) (i64.const 0))

  (func $byte (result i32)
    (if (i32.ge_u (global.get $at) (i32.const 8192)) (then (return (i32.const 255))))
    (i32.load8_u (global.get $at))
    (global.set $at (i32.add (global.get $at) (i32.const 1))))

  (func $arg (result i32) (local $how i32) (local $number i32)
    (local.set $how (call $byte))
    (local.set $number (i32.shl (call $byte) (i32.and (local.get $how) (i32.const 31))))
    (if (i32.and (local.get $how) (i32.const 32)) (then (local.set $number (global.get $last))))
    (if (i32.and (local.get $how) (i32.const 128))
      (then (local.set $number (i32.sub (i32.const 0) (local.get $number)))))
    (if (i32.and (local.get $how) (i32.const 64))
      (then (local.set $number
        (i32.add (local.get $number) (i32.mul (memory.size) (i32.const 65536))))))
    (local.get $number))

  (func $step (param $op i32)
    (block $out (block $31 (block $30 (block $29 (block $28 (block $27 (block $26 (block $25 (block $24
    (block $23 (block $22 (block $21 (block $20 (block $19 (block $18 (block $17 (block $16 (block $15
    (block $14 (block $13 (block $12 (block $11 (block $10 (block $9 (block $8 (block $7 (block $6
    (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $6 $7 $8 $9 $10 $11 $12 $13 $14 $15 $16 $17 $18 $19 $20 $21 $22 $23 $24
        $25 $26 $27 $28 $29 $30 $31 $out (local.get $op)))
      (call $log (call $arg) (call $arg) (call $arg)) (return))
      (call $random (call $arg) (call $arg)) (return))
      (global.set $last (call $ask (call $arg) (call $arg))) (return))
      (global.set $last (call $next (f64.load
        (i32.add (i32.const 16384) (i32.shl (i32.and (call $byte) (i32.const 7)) (i32.const 3)))))) (return))
      (call $take (call $arg)) (return))
      (call $abort (call $arg) (call $arg) (call $arg) (call $arg)) (return))
      (global.set $last (call $fd_write (call $arg) (call $arg) (call $arg) (call $arg))) (return))
      (global.set $last (call $fd_read (call $arg) (call $arg) (call $arg) (call $arg))) (return))
      (global.set $last (call $fd_fdstat_get (call $arg) (call $arg))) (return))
      (global.set $last (call $fd_filestat_get (call $arg) (call $arg))) (return))
      (global.set $last (call $set_flags (call $arg) (call $arg))) (return))
      (global.set $last (call $fd_close (call $arg))) (return))
      (global.set $last (call $fd_seek (call $arg) (i64.extend_i32_s (call $arg)) (call $arg) (call $arg))) (return))
      (global.set $last (call $fd_prestat_get (call $arg) (call $arg))) (return))
      (global.set $last (call $fd_prestat_dir_name (call $arg) (call $arg) (call $arg))) (return))
      (global.set $last (call $environ_sizes_get (call $arg) (call $arg))) (return))
      (global.set $last (call $environ_get (call $arg) (call $arg))) (return))
      (global.set $last (call $args_sizes_get (call $arg) (call $arg))) (return))
      (global.set $last (call $args_get (call $arg) (call $arg))) (return))
      (global.set $last (call $clock_time_get (call $arg) (i64.extend_i32_s (call $arg)) (call $arg))) (return))
      (global.set $last (call $clock_res_get (call $arg) (call $arg))) (return))
      (global.set $last (call $random_get (call $arg) (call $arg))) (return))
      (global.set $last (call $sched_yield)) (return))
      (global.set $last (call $poll_oneoff (call $arg) (call $arg) (call $arg) (call $arg))) (return))
      (call $proc_exit (call $arg)) (return))
      (global.set $last (memory.grow (call $arg))) (return))
      (i32.store (call $arg) (call $arg)) (return))
      (memory.fill (call $arg) (call $arg) (call $arg)) (return))
      (memory.copy (call $arg) (call $arg) (call $arg)) (return))
      (global.set $last (table.grow $table (ref.null func) (call $arg))) (return))
      ;; The answer of a library, and the end.
      (global.set $reply (i64.or (i64.shl (i64.extend_i32_u (call $arg)) (i64.const 32))
        (i64.extend_i32_u (call $arg))))
      (global.set $done (i32.const 1)) (return))
      unreachable))

  ;; The first two bytes are the program's length.
  (func $program (local $end i32)
    (call $random (i32.const 4094) (i32.const 2))
    (local.set $end (i32.and (i32.load16_u (i32.const 4094)) (i32.const 4095)))
    (call $random (i32.const 4096) (local.get $end))
    (local.set $end (i32.add (local.get $end) (i32.const 4096)))
    (loop $steps
      (if (i32.and (i32.eqz (global.get $done)) (i32.lt_u (global.get $at) (local.get $end)))
        (then (call $step (call $byte)) (br $steps)))))

  DOOR)
