;; Throws 64 MiB of text.
(module
  (import "env" "abort" (func $abort (param i32 i32 i32 i32)))
  (memory (export "memory") 1024)
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 0x3fffff0))
    (call $abort (i32.const 4) (i32.const 4) (i32.const -1) (i32.const -1))))
