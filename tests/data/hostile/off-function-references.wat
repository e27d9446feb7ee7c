;; References to functions of one type.
(module (type $f (func)) (memory (export "memory") 1)
  (func (export "_start") (call_ref $f (ref.func 0))) (elem declare func 0))
