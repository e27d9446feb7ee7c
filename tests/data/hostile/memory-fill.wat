;; Fills all its memory, an instruction that nothing interrupts, again and again.
(module
  (memory (export "memory") 1)
  (func (export "oh_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "oh_handle") (param i32 i32) (result i64)
    (drop (memory.grow (i32.const 1023)))
    (loop $l
      (memory.fill (i32.const 0) (i32.const 7) (i32.const 0x4000000))
      (br $l))
    (i64.const 0)))
