;; Objects that somebody else collects.
(module (type $s (struct (field i32))) (memory (export "memory") 1)
  (func (export "_start") (drop (struct.new $s (i32.const 1)))))
