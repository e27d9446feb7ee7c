;; Opens a file of the machine in each of the folders that it may have been given; its status is the first error.
(module
  (import "wasi_snapshot_preview1" "path_open" (func $path_open
    (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "/etc/passwd")
  (func (export "_start") (local $folder i32) (local $error i32)
    (loop $l
      (local.set $error (call $path_open (local.get $folder) (i32.const 0) (i32.const 16) (i32.const 11)
        (i32.const 0) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 64)))
      (if (i32.eqz (local.get $error)) (then (call $proc_exit (i32.const 99))))
      (local.set $folder (i32.add (local.get $folder) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $folder) (i32.const 16))))
    (call $proc_exit (local.get $error))))
