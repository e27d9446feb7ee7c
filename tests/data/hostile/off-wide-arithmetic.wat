;; Numbers of 128 bits.
(module (memory (export "memory") 1) (func (export "_start")
  (i64.const 1) (i64.const 1) (i64.mul_wide_u) (drop) (drop)))
