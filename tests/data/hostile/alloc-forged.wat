;; Has the event written over what lies behind its memory.
(module
  (memory (export "memory") 1)
  (func (export "oh_alloc") (param i32) (result i32) (i32.const -16))
  (func (export "oh_handle") (param i32 i32) (result i64)
    (i64.const 0)))
