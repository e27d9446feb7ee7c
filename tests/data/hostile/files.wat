;; Opens files.
(module (import "wasi_snapshot_preview1" "path_open" (func))
  (memory (export "memory") 1) (func (export "_start")))
