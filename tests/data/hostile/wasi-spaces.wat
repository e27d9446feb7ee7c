;; Writes its whole memory, all spaces, to its log a thousand times at once.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (local $at i32)
    (drop (memory.grow (i32.const 1023)))
    (loop $l
      (i32.store (i32.add (local.get $at) (i32.const 4)) (i32.const 0x3ff0000))
      (i32.store (local.get $at) (i32.const 65536))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $l (i32.lt_u (local.get $at) (i32.const 8192))))
    (memory.fill (i32.const 65536) (i32.const 32) (i32.const 0x3ff0000))
    (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1024) (i32.const 65000)))))
