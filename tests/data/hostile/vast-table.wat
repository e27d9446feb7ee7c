;; A larger table than there is.
(module (table 10000000 funcref) (memory (export "memory") 1) (func (export "_start")))
