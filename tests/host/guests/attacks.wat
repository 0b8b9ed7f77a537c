;; SPDX-License-Identifier: Apache-2.0
;; What a hostile actor may try with the interfaces that theater offers. One export an attack.
(component
  (import "ntwk:theater/timing" (instance $timing
    (export "now" (func (result u64)))
    (export "sleep" (func (param "duration" u64) (result (result (error string)))))))
  (import "ntwk:theater/runtime" (instance $runtime
    (export "log" (func (param "msg" string)))))

  (core module $libc
    (memory (export "memory") 80)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $mem))
  (alias core export $libc "realloc" (core func $realloc))
  (alias export $timing "now" (func $now))
  (alias export $timing "sleep" (func $sleep))
  (alias export $runtime "log" (func $log))
  (core func $now_core (canon lower (func $now)))
  (core func $sleep_core
    (canon lower (func $sleep) (memory $mem) (realloc $realloc) string-encoding=utf8))
  (core func $log_core (canon lower (func $log) (memory $mem) string-encoding=utf8))

  (core module $guest
    (import "libc" "memory" (memory 1))
    (import "host" "now" (func $now (result i64)))
    (import "host" "sleep" (func $sleep (param i64 i32)))
    (import "host" "log" (func $log (param i32 i32)))
    (table $table 1 funcref)
    (global $depth (mut i64) (i64.const 0))

    ;; For ever, without a call.
    (func (export "spin") (loop $again (br $again)))
    ;; For ever, asking for the time.
    (func (export "ask") (loop $again (drop (call $now)) (br $again)))
    ;; For ever, logging.
    (func (export "shout") (loop $again (call $log (i32.const 4096) (i32.const 200)) (br $again)))
    ;; To the end of the stack, with a call of the host at every level.
    (func $deep (export "recurse")
      (drop (call $now))
      (call $deep))
    ;; To the end of the stack, then a log line from as deep as it goes.
    (func $bottom (param $left i64)
      (if (i64.eqz (local.get $left)) (then (call $log (i32.const 4096) (i32.const 4000)) (return)))
      (call $bottom (i64.sub (local.get $left) (i64.const 1)))
      (global.set $depth (local.get $left)))
    (func (export "recurse-to") (param $depth i64)
      (call $bottom (local.get $depth)))
    ;; Tables until it is told no; how many elements it got.
    (func (export "tables") (result i64)
      (block $done
        (loop $again
          (br_if $done (i32.eq (i32.const -1) (table.grow $table (ref.null func) (i32.const 1000))))
          (br $again)))
      (i64.extend_i32_u (table.size $table)))
    ;; A string of 4 MB.
    (func (export "long-line") (call $log (i32.const 4096) (i32.const 4194304)))
    ;; A trap, after a wait.
    (func (export "fall") (param $ms i64)
      (call $sleep (local.get $ms) (i32.const 16))
      (unreachable))
    ;; Work, then a wait.
    (func (export "toil") (param $rounds i64) (param $ms i64)
      (loop $again
        (local.set $rounds (i64.sub (local.get $rounds) (i64.const 1)))
        (br_if $again (i64.ne (local.get $rounds) (i64.const 0))))
      (call $sleep (local.get $ms) (i32.const 16)))
    ;; Little work, then a short wait, often: no turn of it is long.
    (func (export "sip") (param $rounds i64) (param $count i64)
      (local $left i64)
      (loop $next
        (local.set $left (local.get $rounds))
        (loop $again
          (local.set $left (i64.sub (local.get $left) (i64.const 1)))
          (br_if $again (i64.ne (local.get $left) (i64.const 0))))
        (call $sleep (i64.const 1) (i32.const 16))
        (local.set $count (i64.sub (local.get $count) (i64.const 1)))
        (br_if $next (i64.ne (local.get $count) (i64.const 0)))))
    ;; A log line before and after each of three waits.
    (func (export "talk") (param $ms i64)
      (local $i i32)
      (loop $again
        (i32.store8 (i32.const 4096) (i32.add (i32.const 97) (local.get $i)))
        (call $log (i32.const 4096) (i32.const 1))
        (call $sleep (local.get $ms) (i32.const 16))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 3))))
      (i32.store8 (i32.const 4096) (i32.const 122))
      (call $log (i32.const 4096) (i32.const 1)))
  )
  (core instance $guest (instantiate $guest
    (with "libc" (instance (export "memory" (memory $mem))))
    (with "host" (instance
      (export "now" (func $now_core))
      (export "sleep" (func $sleep_core))
      (export "log" (func $log_core))))))

  (func (export "spin") (canon lift (core func $guest "spin")))
  (func (export "ask") (canon lift (core func $guest "ask")))
  (func (export "shout") (canon lift (core func $guest "shout")))
  (func (export "recurse") (canon lift (core func $guest "recurse")))
  (func (export "recurse-to") (param "depth" u64) (canon lift (core func $guest "recurse-to")))
  (func (export "tables") (result u64) (canon lift (core func $guest "tables")))
  (func (export "long-line") (canon lift (core func $guest "long-line")))
  (func (export "fall") (param "ms" u64) (canon lift (core func $guest "fall")))
  (func (export "toil") (param "rounds" u64) (param "ms" u64)
    (canon lift (core func $guest "toil")))
  (func (export "sip") (param "rounds" u64) (param "count" u64)
    (canon lift (core func $guest "sip")))
  (func (export "talk") (param "ms" u64) (canon lift (core func $guest "talk")))
)
