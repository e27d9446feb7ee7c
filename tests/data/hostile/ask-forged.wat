;; Asks for what lies behind its memory.
(module
  (import "offhook" "ask" (func $ask (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "oh_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "oh_handle") (param i32 i32) (result i64)
    (drop (call $ask (i32.const 65535) (i32.const 2)))
    (i64.const 0)))
