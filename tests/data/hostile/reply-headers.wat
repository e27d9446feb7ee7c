;; Sets more header fields than a server can hold.
(module
  (memory (export "memory") 1)
  (func (export "oh_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "oh_handle") (param i32 i32) (result i64)
    (local $at i32)
    (loop $l
      (i32.store (local.get $at) (i32.const 0x0a623a61)) ;; "a:b\n"
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $l (i32.lt_u (local.get $at) (i32.const 65532))))
    (i32.store8 (i32.const 65532) (i32.const 10))
    (i64.const 65533)))
