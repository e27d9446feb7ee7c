;; Overflows its stack before anybody called it.
(module
  (memory (export "memory") 1)
  (func $s (call $s) (call $s))
  (start $s)
  (func (export "_start")))
