;; SPDX-License-Identifier: Apache-2.0
;; Waits, effects and work in every order that the host has to keep apart.
(component
  (import "ntwk:theater/timing" (instance $timing
    (export "sleep" (func (param "duration" u64) (result (result (error string)))))
    (export "deadline" (func (param "timestamp" u64) (result (result (error string)))))))
  (import "ntwk:theater/runtime" (instance $runtime
    (export "log" (func (param "msg" string)))))
  (import "acme:desk/calls" (instance $calls
    (export "ask" (func (result u64)))
    (export "take" (func (result u64)))))

  (core module $libc
    (memory (export "memory") 2)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $mem))
  (alias core export $libc "realloc" (core func $realloc))
  (alias export $timing "sleep" (func $sleep))
  (alias export $timing "deadline" (func $deadline))
  (alias export $runtime "log" (func $log))
  (alias export $calls "ask" (func $ask))
  (alias export $calls "take" (func $take))
  (core func $sleep_core
    (canon lower (func $sleep) (memory $mem) (realloc $realloc) string-encoding=utf8))
  (core func $deadline_core
    (canon lower (func $deadline) (memory $mem) (realloc $realloc) string-encoding=utf8))
  (core func $log_core (canon lower (func $log) (memory $mem) string-encoding=utf8))
  (core func $ask_core (canon lower (func $ask)))
  (core func $take_core (canon lower (func $take)))

  (core module $guest
    (import "libc" "memory" (memory 1))
    (import "host" "sleep" (func $sleep (param i64 i32)))
    (import "host" "deadline" (func $deadline (param i64 i32)))
    (import "host" "log" (func $log (param i32 i32)))
    (import "host" "ask" (func $ask (result i64)))
    (import "host" "take" (func $take (result i64)))
    (func $spin (param $rounds i64)
      (block $done
        (loop $again
          (br_if $done (i64.eqz (local.get $rounds)))
          (local.set $rounds (i64.sub (local.get $rounds) (i64.const 1)))
          (br $again))))
    ;; How the wait ended: 0 ok, 1 an error.
    (func (export "nap") (param $ms i64) (result i64)
      (call $sleep (local.get $ms) (i32.const 16))
      (i64.extend_i32_u (i32.load8_u (i32.const 16))))
    (func (export "until") (param $ms i64)
      (call $deadline (local.get $ms) (i32.const 16)))
    ;; A line, a wait, work.
    (func (export "say-nap-work") (param $ms i64) (param $rounds i64)
      (call $log (i32.const 4096) (i32.const 1))
      (call $sleep (local.get $ms) (i32.const 16))
      (call $spin (local.get $rounds)))
    ;; Turns of work with a wait between.
    (func (export "work") (param $turns i64) (param $rounds i64)
      (loop $again
        (call $spin (local.get $rounds))
        (call $sleep (i64.const 1) (i32.const 16))
        (local.set $turns (i64.sub (local.get $turns) (i64.const 1)))
        (br_if $again (i64.ne (local.get $turns) (i64.const 0)))))
    (func (export "ask") (result i64) (call $ask))
    (func (export "take") (result i64) (call $take))
    (data (i32.const 4096) "x")
  )
  (core instance $guest (instantiate $guest
    (with "libc" (instance (export "memory" (memory $mem))))
    (with "host" (instance
      (export "sleep" (func $sleep_core))
      (export "deadline" (func $deadline_core))
      (export "log" (func $log_core))
      (export "ask" (func $ask_core))
      (export "take" (func $take_core))))))

  (func (export "nap") (param "ms" u64) (result u64) (canon lift (core func $guest "nap")))
  (func (export "until") (param "ms" u64) (canon lift (core func $guest "until")))
  (func (export "say-nap-work") (param "ms" u64) (param "rounds" u64)
    (canon lift (core func $guest "say-nap-work")))
  (func (export "work") (param "turns" u64) (param "rounds" u64)
    (canon lift (core func $guest "work")))
  (func (export "ask") (result u64) (canon lift (core func $guest "ask")))
  (func (export "take") (result u64) (canon lift (core func $guest "take")))
)
