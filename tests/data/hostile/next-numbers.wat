;; Waits for times that are none.
(module
  (import "offhook" "next" (func $next (param f64) (result i32)))
  (import "offhook" "take" (func $take (param i32)))
  (memory (export "memory") 1)
  (func (export "oh_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "oh_handle") (param i32 i32) (result i64)
    (drop (call $next (f64.const nan)))
    (drop (call $next (f64.const -nan)))
    (drop (call $next (f64.const -0)))
    (drop (call $next (f64.const -inf)))
    (drop (call $next (f64.const 5e-324)))
    (call $take (i32.const 65536)) ;; nothing fits just behind the end
    (i64.const 0)))
