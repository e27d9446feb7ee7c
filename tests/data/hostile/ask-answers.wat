;; Asks and looks at answers, more often than anybody may.
(module
  (import "offhook" "ask" (func $ask (param i32 i32) (result i32)))
  (import "offhook" "next" (func $next (param f64) (result i32)))
  (import "offhook" "take" (func $take (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "{\"op\":\"kv.set\",\"key\":\"k\",\"value\":1}")
  (func (export "oh_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "oh_handle") (param i32 i32) (result i64)
    (loop $l
      (drop (call $ask (i32.const 0) (i32.const 35)))
      (drop (call $next (f64.const 0)))
      (call $take (i32.const 1024))
      (br $l))
    (i64.const 0)))
