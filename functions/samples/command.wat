;; A WASI command by hand: reads the event from standard input, notes on standard error that it
;; did, answers on standard output with a header block, and leaves through proc_exit.
(module
  (import "wasi_snapshot_preview1" "fd_read"
    (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\00\04\00\00\00\f0\00\00")            ;; buffer: 1024, 61440 bytes
  (data (i32.const 8) "\40\00\00\00\42\00\00\00")            ;; answer: 64, 66 bytes
  (data (i32.const 16) "\b0\00\00\00\0a\00\00\00")           ;; note: 176, 10 bytes
  (data (i32.const 64)
    "Content-Type: text/xml\nStatus: 201\n\n<Response><Hangup/></Response>")
  (data (i32.const 176) "event read")
  (func (export "_start")
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 32)))
    ;; An event is never empty.
    (if (i32.eqz (i32.load (i32.const 32))) (then (call $exit (i32.const 3))))
    (drop (call $write (i32.const 2) (i32.const 16) (i32.const 1) (i32.const 32)))
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 32)))
    (call $exit (i32.const 0))))
