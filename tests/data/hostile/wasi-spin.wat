;; Asks for ever whether it may write, a thousand times at once, and calls that sleeping.
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (func (export "_start") (local $at i32)
    (loop $l
      (i32.store8 offset=8 (local.get $at) (i32.const 2))
      (i32.store offset=16 (local.get $at) (i32.const 1))
      (local.set $at (i32.add (local.get $at) (i32.const 48)))
      (br_if $l (i32.lt_u (local.get $at) (i32.const 48000))))
    (loop $l
      (drop (call $poll_oneoff (i32.const 0) (i32.const 65536) (i32.const 1000) (i32.const 131068)))
      (br $l))))
