;; Has random bytes written behind its memory.
(module
  (import "offhook" "random" (func $random (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "oh_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "oh_handle") (param i32 i32) (result i64)
    (call $random (i32.const -1) (i32.const 1))
    (i64.const 0)))
