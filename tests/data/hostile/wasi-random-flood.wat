;; Fills its memory with random bytes, again and again.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (memory.grow (i32.const 255)))
    (loop $l
      (drop (call $random_get (i32.const 0) (i32.mul (memory.size) (i32.const 65536))))
      (br $l))))
