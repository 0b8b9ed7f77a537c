;; SPDX-License-Identifier: Apache-2.0
;; The small component of the figures about many actors: one page of memory, two imports.
(component
  (import "ntwk:theater/timing" (instance $timing
    (export "now" (func (result u64)))
    (export "sleep" (func (param "duration" u64) (result (result (error string)))))
    (export "deadline" (func (param "timestamp" u64) (result (result (error string)))))))

  (core module $libc
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $mem))
  (alias core export $libc "realloc" (core func $realloc))
  (alias export $timing "now" (func $now))
  (alias export $timing "sleep" (func $sleep))
  (alias export $timing "deadline" (func $deadline))
  (core func $now_core (canon lower (func $now)))
  (core func $sleep_core
    (canon lower (func $sleep) (memory $mem) (realloc $realloc) string-encoding=utf8))
  (core func $deadline_core
    (canon lower (func $deadline) (memory $mem) (realloc $realloc) string-encoding=utf8))

  (core module $guest
    (import "host" "now" (func $now (result i64)))
    (import "host" "sleep" (func $sleep (param i64 i32)))
    (import "host" "deadline" (func $deadline (param i64 i32)))
    ;; A reading, then so many sleeps.
    (func (export "sleep") (param $n i64) (param $ms i64)
      (drop (call $now))
      (loop $again
        (call $sleep (local.get $ms) (i32.const 16))
        (br_if $again
          (i64.ne (i64.const 0) (local.tee $n (i64.sub (local.get $n) (i64.const 1)))))))
    (func (export "until") (param $timestamp i64)
      (call $deadline (local.get $timestamp) (i32.const 16)))
    (func (export "spin") (loop $again (br $again))))
  (core instance $guest (instantiate $guest
    (with "host" (instance
      (export "now" (func $now_core))
      (export "sleep" (func $sleep_core))
      (export "deadline" (func $deadline_core))))))

  (func (export "sleep") (param "n" u64) (param "ms" u64)
    (canon lift (core func $guest "sleep")))
  (func (export "until") (param "timestamp" u64) (canon lift (core func $guest "until")))
  (func (export "spin") (canon lift (core func $guest "spin")))
)
