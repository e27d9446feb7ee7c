;; As malloc does when there is none.
(module
  (memory (export "memory") 1)
  (func (export "oh_alloc") (param i32) (result i32) (i32.const 0))
  (func (export "oh_handle") (param i32 i32) (result i64) (i64.const 0)))
