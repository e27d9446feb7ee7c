;; Sets a header field with an order to a terminal in it.
(module
  (memory (export "memory") 1)
  (data (i32.const 0) "X-A: \1b[2J\n\nhi")
  (func (export "oh_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "oh_handle") (param i32 i32) (result i64)
    (i64.const 13)))
