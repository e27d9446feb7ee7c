;; Takes an answer that there is none of, far outside its memory.
(module
  (import "offhook" "take" (func $take (param i32)))
  (memory (export "memory") 1)
  (func (export "oh_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "oh_handle") (param i32 i32) (result i64)
    (call $take (i32.const -1))
    (i64.const 0)))
