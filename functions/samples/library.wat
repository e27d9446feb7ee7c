;; The smallest function with the two-function door: whatever the event, it answers and hangs up.
(module
  (memory (export "memory") 1)
  (data (i32.const 16) "<Response><Say>Closed today</Say><Hangup/></Response>")
  ;; Events come behind the answer; there is one per instance, so that nothing is ever freed.
  (func (export "oh_alloc") (param $length i32) (result i32)
    (i32.const 1024))
  (func (export "oh_handle") (param $event i32) (param $length i32) (result i64)
    (i64.or (i64.shl (i64.const 16) (i64.const 32)) (i64.const 53))))
