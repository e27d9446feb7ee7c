;; Moves all its memory, again and again.
(module
  (memory (export "memory") 1)
  (func (export "oh_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "oh_handle") (param i32 i32) (result i64)
    (drop (memory.grow (i32.const 1023)))
    (loop $l
      (memory.copy (i32.const 0) (i32.const 1) (i32.const 0x3ffffff))
      (br $l))
    (i64.const 0)))
