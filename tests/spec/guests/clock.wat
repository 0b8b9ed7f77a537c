;; SPDX-License-Identifier: Apache-2.0
;; Everything of the timing interface, one export a question. Each returns what passed, in ms, or the
;; text that it was given.
(component
  (import "ntwk:theater/timing" (instance $timing
    (export "now" (func (result u64)))
    (export "sleep" (func (param "duration" u64) (result (result (error string)))))
    (export "deadline" (func (param "timestamp" u64) (result (result (error string)))))))
  (import "ntwk:theater/runtime" (instance $runtime
    (export "log" (func (param "msg" string)))))

  (core module $libc
    (memory (export "memory") 1)
    (global $heap (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $p i32)
      (local.set $p (global.get $heap))
      (global.set $heap (i32.and (i32.add (i32.add (global.get $heap) (local.get 3)) (i32.const 15))
                                 (i32.const -16)))
      (local.get $p)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $mem))
  (alias core export $libc "realloc" (core func $realloc))

  (alias export $timing "now" (func $now))
  (alias export $timing "sleep" (func $sleep))
  (alias export $timing "deadline" (func $deadline))
  (alias export $runtime "log" (func $log))
  (core func $now_core (canon lower (func $now)))
  (core func $sleep_core
    (canon lower (func $sleep) (memory $mem) (realloc $realloc) string-encoding=utf8))
  (core func $deadline_core
    (canon lower (func $deadline) (memory $mem) (realloc $realloc) string-encoding=utf8))
  (core func $log_core (canon lower (func $log) (memory $mem) string-encoding=utf8))

  (core module $guest
    (import "libc" "memory" (memory 1))
    (import "host" "now" (func $now (result i64)))
    (import "host" "sleep" (func $sleep (param i64 i32)))
    (import "host" "deadline" (func $deadline (param i64 i32)))
    (import "host" "log" (func $log (param i32 i32)))

    ;; The host's result is at 16 (case, 20 pointer, 24 size), ours at 32 (case, 40 payload).
    (func $failed (result i32) (i32.load8_u (i32.const 16)))
    (func $answer (param $t0 i64) (result i32)
      (if (call $failed)
        (then
          (i32.store8 (i32.const 32) (i32.const 1))
          (i32.store (i32.const 40) (i32.load (i32.const 20)))
          (i32.store (i32.const 44) (i32.load (i32.const 24))))
        (else
          (i32.store8 (i32.const 32) (i32.const 0))
          (i64.store (i32.const 40) (i64.sub (call $now) (local.get $t0)))))
      (i32.const 32))

    (func (export "sleep") (param $ms i64) (result i32)
      (local $t0 i64)
      (local.set $t0 (call $now))
      (call $sleep (local.get $ms) (i32.const 16))
      (call $answer (local.get $t0)))
    ;; To an instant.
    (func (export "until") (param $timestamp i64) (result i32)
      (local $t0 i64)
      (local.set $t0 (call $now))
      (call $deadline (local.get $timestamp) (i32.const 16))
      (call $answer (local.get $t0)))
    ;; To an instant that is so far away.
    (func (export "ahead") (param $ms i64) (result i32)
      (local $t0 i64)
      (local.set $t0 (call $now))
      (call $deadline (i64.add (local.get $t0) (local.get $ms)) (i32.const 16))
      (call $answer (local.get $t0)))
    ;; Many sleeps in a row; the first that fails is the last.
    (func (export "naps") (param $count i32) (param $ms i64) (result i32)
      (local $t0 i64)
      (local.set $t0 (call $now))
      (block $done
        (loop $again
          (br_if $done (i32.eqz (local.get $count)))
          (call $sleep (local.get $ms) (i32.const 16))
          (br_if $done (call $failed))
          (local.set $count (i32.sub (local.get $count) (i32.const 1)))
          (br $again)))
      (call $answer (local.get $t0)))
    ;; Readings without a wait.
    (func (export "ask") (param $count i32) (result i64)
      (local $last i64)
      (loop $again
        (local.set $last (call $now))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br_if $again (local.get $count)))
      (local.get $last))
    ;; A log line of one letter, a sleep, the next letter.
    (func (export "talk") (param $count i32) (param $ms i64) (result i32)
      (local $t0 i64)
      (local.set $t0 (call $now))
      (i32.store8 (i32.const 64) (i32.const 97))
      (block $done
        (loop $again
          (br_if $done (i32.eqz (local.get $count)))
          (call $log (i32.const 64) (i32.const 1))
          (i32.store8 (i32.const 64) (i32.add (i32.load8_u (i32.const 64)) (i32.const 1)))
          (call $sleep (local.get $ms) (i32.const 16))
          (br_if $done (call $failed))
          (local.set $count (i32.sub (local.get $count) (i32.const 1)))
          (br $again)))
      (call $answer (local.get $t0))))
  (core instance $guest (instantiate $guest
    (with "libc" (instance (export "memory" (memory $mem))))
    (with "host" (instance
      (export "now" (func $now_core))
      (export "sleep" (func $sleep_core))
      (export "deadline" (func $deadline_core))
      (export "log" (func $log_core))))))

  (func $lift_sleep (param "ms" u64) (result (result u64 (error string)))
    (canon lift (core func $guest "sleep") (memory $mem) string-encoding=utf8))
  (func $lift_until (param "timestamp" u64) (result (result u64 (error string)))
    (canon lift (core func $guest "until") (memory $mem) string-encoding=utf8))
  (func $lift_ahead (param "ms" u64) (result (result u64 (error string)))
    (canon lift (core func $guest "ahead") (memory $mem) string-encoding=utf8))
  (func $lift_naps (param "count" u32) (param "ms" u64) (result (result u64 (error string)))
    (canon lift (core func $guest "naps") (memory $mem) string-encoding=utf8))
  (func $lift_ask (param "count" u32) (result u64) (canon lift (core func $guest "ask")))
  (func $lift_talk (param "count" u32) (param "ms" u64) (result (result u64 (error string)))
    (canon lift (core func $guest "talk") (memory $mem) string-encoding=utf8))
  (export "sleep" (func $lift_sleep))
  (export "until" (func $lift_until))
  (export "ahead" (func $lift_ahead))
  (export "naps" (func $lift_naps))
  (export "ask" (func $lift_ask))
  (export "talk" (func $lift_talk))
)
