;; Exports something else as its memory.
(module (global (export "memory") i32 (i32.const 0)) (func (export "_start")))
