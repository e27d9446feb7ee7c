;; Asks for the same thing for ever, and never looks at an answer.
(module
  (import "offhook" "ask" (func $ask (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "{\"op\":\"kv.set\",\"key\":\"k\",\"value\":1}")
  (func (export "oh_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "oh_handle") (param i32 i32) (result i64)
    (loop $l
      (drop (call $ask (i32.const 0) (i32.const 35)))
      (br $l))
    (i64.const 0)))
