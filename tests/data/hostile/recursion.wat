;; Calls itself for ever.
(module
  (memory (export "memory") 1)
  (func $f (call $f) (call $f))
  (func (export "oh_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "oh_handle") (param i32 i32) (result i64)
    (call $f)
    (i64.const 0)))
