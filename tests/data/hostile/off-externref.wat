;; References to what is the host's.
(module (global externref (ref.null extern)) (memory (export "memory") 1) (func (export "_start")))
