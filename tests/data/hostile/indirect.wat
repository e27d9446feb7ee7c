;; Calls itself for ever through a table.
(module
  (memory (export "memory") 1)
  (type $t (func))
  (table 1 funcref)
  (elem (i32.const 0) $f)
  (func $f (loop $l (br $l)))
  (func (export "oh_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "oh_handle") (param i32 i32) (result i64)
    (call_indirect (type $t) (i32.const 0))
    (i64.const 0)))
