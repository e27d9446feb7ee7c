;; Wants what only the JavaScript engine has.
(module (import "offhook" "load" (func (param i32 i32) (result i32)))
  (memory (export "memory") 1) (func (export "_start")))
