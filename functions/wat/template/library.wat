;; A function by hand, through the door of two functions: greets who calls. Save it as
;; functions/NAME.wat; there is nothing to build.
;;
;; The host calls oh_alloc for room, writes the event there as JSON, calls oh_handle, and reads the
;; answer from where its result says: address << 32 | length. Every event has an instance of its own.
(module
  (import "offhook" "log" (func $log (param $level i32) (param $at i32) (param $length i32)))
  (memory (export "memory") 1)                                   ;; one page, then the event
  (data (i32.const 1200) "greeting")                                                    ;; 8

  ;; --- The answer's parts: address and length of each are used below. ---
  (data (i32.const 1024) "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Say>Hello, ")  ;; 60 bytes
  (data (i32.const 1088) "</Say></Response>")                                           ;; 17
  (data (i32.const 1120) "stranger")                                                    ;; 8
  (data (i32.const 1136) "&amp;")                                                       ;; 5
  (data (i32.const 1144) "&lt;")                                                        ;; 4
  (data (i32.const 1152) "&gt;")                                                        ;; 4
  (data (i32.const 1160) "event")                                                       ;; 5
  (data (i32.const 1168) "From")                                                        ;; 4

  ;; --- JSON. The host writes it: it is well formed, and has no blanks between its parts. ---

  ;; Behind the string whose opening quote is at $i.
  (func $string_end (param $i i32) (result i32) (local $c i32)
    (loop $next
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (local.set $c (i32.load8_u (local.get $i)))
      (if (i32.eq (local.get $c) (i32.const 92))                 ;; a backslash and what it hides
        (then (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $next)))
      (br_if $next (i32.ne (local.get $c) (i32.const 34))))
    (i32.add (local.get $i) (i32.const 1)))

  ;; The comma or bracket behind the value at $i.
  (func $value_end (param $i i32) (result i32) (local $c i32) (local $depth i32)
    (loop $next (result i32)
      (local.set $c (i32.load8_u (local.get $i)))
      (if (i32.eq (local.get $c) (i32.const 34))
        (then (local.set $i (call $string_end (local.get $i))) (br $next)))
      (if (i32.eqz (local.get $depth))
        (then
          (if (i32.eq (local.get $c) (i32.const 44)) (then (return (local.get $i))))
          (if (i32.eq (i32.or (local.get $c) (i32.const 32)) (i32.const 125))      ;; ] or }
            (then (return (local.get $i))))))
      (if (i32.eq (i32.or (local.get $c) (i32.const 32)) (i32.const 123))          ;; [ or {
        (then (local.set $depth (i32.add (local.get $depth) (i32.const 1)))))
      (if (i32.eq (i32.or (local.get $c) (i32.const 32)) (i32.const 125))
        (then (local.set $depth (i32.sub (local.get $depth) (i32.const 1)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next)))

  (func $equal (param $a i32) (param $b i32) (param $length i32) (result i32)
    (block $differ
      (loop $next
        (if (i32.eqz (local.get $length)) (then (return (i32.const 1))))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br_if $differ (i32.ne
          (i32.load8_u (i32.add (local.get $a) (local.get $length)))
          (i32.load8_u (i32.add (local.get $b) (local.get $length)))))
        (br $next)))
    (i32.const 0))

  ;; The value of a member of the object at $i; 0 where there is none.
  (func $member (param $i i32) (param $name i32) (param $length i32) (result i32)
    (local $end i32)
    (if (i32.eqz (local.get $i)) (then (return (i32.const 0))))
    (loop $next
      (local.set $i (i32.add (local.get $i) (i32.const 1)))      ;; over the bracket or comma
      (if (i32.ne (i32.load8_u (local.get $i)) (i32.const 34)) (then (return (i32.const 0))))
      (local.set $end (call $string_end (local.get $i)))
      (if (i32.eq (i32.sub (local.get $end) (local.get $i)) (i32.add (local.get $length) (i32.const 2)))
        (then (if (call $equal
            (i32.add (local.get $i) (i32.const 1)) (local.get $name) (local.get $length))
          (then (return (i32.add (local.get $end) (i32.const 1)))))))
      (local.set $i (call $value_end (i32.add (local.get $end) (i32.const 1))))
      (br_if $next (i32.eq (i32.load8_u (local.get $i)) (i32.const 44))))
    (i32.const 0))

  ;; --- Writing. ---

  (global $out (mut i32) (i32.const 0))                          ;; where the next byte goes

  (func $put (param $c i32)
    (i32.store8 (global.get $out) (local.get $c))
    (global.set $out (i32.add (global.get $out) (i32.const 1))))

  (func $write (param $at i32) (param $length i32)
    (memory.copy (global.get $out) (local.get $at) (local.get $length))
    (global.set $out (i32.add (global.get $out) (local.get $length))))

  ;; The JSON string at $i as text of the document. Of JSON's escapes it knows \" \\ and \/; the
  ;; others, which stand for characters that nobody's number has, become spaces.
  (func $write_string (param $i i32) (local $end i32) (local $c i32)
    (local.set $end (i32.sub (call $string_end (local.get $i)) (i32.const 1)))
    (loop $next
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (if (i32.ge_u (local.get $i) (local.get $end)) (then (return)))
      (local.set $c (i32.load8_u (local.get $i)))
      (if (i32.eq (local.get $c) (i32.const 92)) (then
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (local.set $c (i32.load8_u (local.get $i)))
        (if (i32.eq (local.get $c) (i32.const 117))              ;; \u and four digits
          (then (local.set $i (i32.add (local.get $i) (i32.const 4)))))
        (if (i32.gt_u (i32.or (local.get $c) (i32.const 32)) (i32.const 96))
          (then (if (i32.ne (local.get $c) (i32.const 92)) (then (local.set $c (i32.const 32))))))))
      (if (i32.eq (local.get $c) (i32.const 38))
        (then (call $write (i32.const 1136) (i32.const 5)) (br $next)))
      (if (i32.eq (local.get $c) (i32.const 60))
        (then (call $write (i32.const 1144) (i32.const 4)) (br $next)))
      (if (i32.eq (local.get $c) (i32.const 62))
        (then (call $write (i32.const 1152) (i32.const 4)) (br $next)))
      (call $put (local.get $c))
      (br $next)))

  ;; --- What this function decides. ---

  ;; From the event of $length bytes at 65536 to an answer that begins behind it.
  (func $decide (param $length i32) (local $from i32)
    ;; At most five bytes are written for one that is read.
    (drop (memory.grow (i32.add
      (i32.shr_u (i32.mul (local.get $length) (i32.const 5)) (i32.const 16)) (i32.const 2))))
    (global.set $out (i32.add (i32.const 65536) (local.get $length)))
    (local.set $from (call $member
      (call $member (i32.const 65536) (i32.const 1160) (i32.const 5))   ;; event
      (i32.const 1168) (i32.const 4)))                                  ;; From
    (call $write (i32.const 1024) (i32.const 60))
    ;; A name that comes more than once has an array, which begins with its first string.
    (if (local.get $from) (then (if (i32.eq (i32.load8_u (local.get $from)) (i32.const 91))
      (then (local.set $from (i32.add (local.get $from) (i32.const 1)))))))
    (if (local.get $from)
      (then (call $write_string (local.get $from)))
      (else (call $write (i32.const 1120) (i32.const 8))))
    (call $write (i32.const 1088) (i32.const 17)))

  ;; --- The door. ---

  (func (export "oh_alloc") (param $length i32) (result i32)
    (drop (memory.grow
      (i32.add (i32.shr_u (local.get $length) (i32.const 16)) (i32.const 1))))
    (i32.const 65536))

  (func (export "oh_handle") (param $event i32) (param $length i32) (result i64) (local $at i32)
    (call $log (i32.const 1) (i32.const 1200) (i32.const 8))
    (call $decide (local.get $length))
    (local.set $at (i32.add (i32.const 65536) (local.get $length)))
    (i64.or
      (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32))
      (i64.extend_i32_u (i32.sub (global.get $out) (local.get $at))))))
