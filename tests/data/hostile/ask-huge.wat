;; Asks with all its memory as the text, and for ever.
(module
  (import "offhook" "ask" (func $ask (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "oh_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "oh_handle") (param i32 i32) (result i64)
    (drop (memory.grow (i32.const 1023)))
    (memory.fill (i32.const 0) (i32.const 91) (i32.mul (memory.size) (i32.const 65536))) ;; "["
    (loop $l
      (drop (call $ask (i32.const 0) (i32.mul (memory.size) (i32.const 65536))))
      (drop (call $ask (i32.const 0) (i32.const 500000)))
      (br $l))
    (i64.const 0)))
