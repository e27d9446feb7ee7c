;; Has a file's state written behind its memory.
(module
  (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fd_fdstat_get (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $fd_fdstat_get (i32.const 0) (i32.const 65530)))))
