;; SPDX-License-Identifier: Apache-2.0
;; until(timestamp) = deadline(timestamp), then now().
(component
  (import "ntwk:theater/timing" (instance $timing
    (export "now" (func (result u64)))
    (export "deadline" (func (param "timestamp" u64) (result (result (error string)))))))
  (core module $libc
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $mem))
  (alias core export $libc "realloc" (core func $realloc))
  (alias export $timing "now" (func $now))
  (alias export $timing "deadline" (func $deadline))
  (core func $now_core (canon lower (func $now)))
  (core func $deadline_core
    (canon lower (func $deadline) (memory $mem) (realloc $realloc) string-encoding=utf8))
  (core module $guest
    (import "host" "now" (func $now (result i64)))
    (import "host" "deadline" (func $deadline (param i64 i32)))
    (func (export "until") (param $timestamp i64) (result i64)
      (call $deadline (local.get $timestamp) (i32.const 16))
      (call $now)))
  (core instance $guest (instantiate $guest
    (with "host" (instance
      (export "now" (func $now_core))
      (export "deadline" (func $deadline_core))))))
  (func (export "until") (param "timestamp" u64) (result u64)
    (canon lift (core func $guest "until")))
)
