;; Asks for a larger table for ever.
(module
  (memory (export "memory") 1)
  (table $t 1 funcref)
  (func (export "oh_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "oh_handle") (param i32 i32) (result i64)
    (loop $l
      (drop (table.grow $t (ref.null func) (i32.const 1000)))
      (table.fill $t (i32.const 0) (ref.null func) (table.size $t))
      (br $l))
    (i64.const 0)))
