;; Several stacks.
(module (type $f (func)) (type $c (cont $f)) (memory (export "memory") 1) (func (export "_start")))
