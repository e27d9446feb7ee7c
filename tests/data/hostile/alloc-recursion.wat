;; Overflows its stack when the host asks it for memory.
(module
  (memory (export "memory") 1)
  (func $f (param i32) (result i32) (i32.add (call $f (local.get 0)) (i32.const 1)))
  (func (export "oh_alloc") (param i32) (result i32) (call $f (local.get 0)))
  (func (export "oh_handle") (param i32 i32) (result i64)
    (i64.const 0)))
