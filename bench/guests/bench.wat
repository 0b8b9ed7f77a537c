;; SPDX-License-Identifier: Apache-2.0
;; The guest of host_bench: each export calls one host function so many times.
;; `bench:host/calls` is the benchmark's own interface, see bench/stage.h.
(component
  (import "ntwk:theater/timing" (instance $timing
    (export "now" (func (result u64)))
    (export "sleep" (func (param "duration" u64) (result (result (error string)))))))
  (import "bench:host/calls" (instance $calls
    (export "same" (func (result u64)))
    (export "next" (func (result u64)))
    (export "nap" (func))
    (export "pause" (func))
    (export "sync" (func (result u64)))))

  (core module $libc
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $mem))
  (alias core export $libc "realloc" (core func $realloc))
  (alias export $timing "now" (func $now))
  (alias export $timing "sleep" (func $sleep))
  (alias export $calls "same" (func $same))
  (alias export $calls "next" (func $next))
  (alias export $calls "nap" (func $nap))
  (alias export $calls "pause" (func $pause))
  (alias export $calls "sync" (func $sync))
  (core func $now_core (canon lower (func $now)))
  (core func $sleep_core
    (canon lower (func $sleep) (memory $mem) (realloc $realloc) string-encoding=utf8))
  (core func $same_core (canon lower (func $same)))
  (core func $next_core (canon lower (func $next)))
  (core func $nap_core (canon lower (func $nap)))
  (core func $pause_core (canon lower (func $pause)))
  (core func $sync_core (canon lower (func $sync)))

  (core module $guest
    (import "host" "now" (func $now (result i64)))
    (import "host" "sleep" (func $sleep (param i64 i32)))
    (import "host" "same" (func $same (result i64)))
    (import "host" "next" (func $next (result i64)))
    (import "host" "nap" (func $nap))
    (import "host" "pause" (func $pause))
    (import "host" "sync" (func $sync (result i64)))

    (func $more (param $n i64) (result i32) (i64.ne (local.get $n) (i64.const 0)))
    (func (export "same") (param $n i64)
      (loop $again
        (drop (call $same))
        (br_if $again (call $more (local.tee $n (i64.sub (local.get $n) (i64.const 1)))))))
    (func (export "now") (param $n i64)
      (loop $again
        (drop (call $now))
        (br_if $again (call $more (local.tee $n (i64.sub (local.get $n) (i64.const 1)))))))
    (func (export "next") (param $n i64)
      (loop $again
        (drop (call $next))
        (br_if $again (call $more (local.tee $n (i64.sub (local.get $n) (i64.const 1)))))))
    (func (export "nap") (param $n i64)
      (loop $again
        (call $nap)
        (br_if $again (call $more (local.tee $n (i64.sub (local.get $n) (i64.const 1)))))))
    (func (export "pause") (param $n i64)
      (loop $again
        (call $pause)
        (br_if $again (call $more (local.tee $n (i64.sub (local.get $n) (i64.const 1)))))))
    (func (export "sleep") (param $n i64) (param $ms i64)
      (loop $again
        (call $sleep (local.get $ms) (i32.const 16))
        (br_if $again (call $more (local.tee $n (i64.sub (local.get $n) (i64.const 1)))))))
    ;; Readings that sleeps of nothing keep apart.
    (func (export "now-sleep") (param $n i64)
      (loop $again
        (drop (call $now))
        (call $sleep (i64.const 0) (i32.const 16))
        (br_if $again (call $more (local.tee $n (i64.sub (local.get $n) (i64.const 1)))))))
    ;; Sleeps, each followed by an effect: it runs when everything before it is durable.
    (func (export "sleep-sync") (param $n i64) (param $ms i64)
      (loop $again
        (call $sleep (local.get $ms) (i32.const 16))
        (drop (call $sync))
        (br_if $again (call $more (local.tee $n (i64.sub (local.get $n) (i64.const 1)))))))
    ;; A history of so many events, then one sleep.
    (func (export "history") (param $n i64) (param $ms i64)
      (loop $again
        (drop (call $next))
        (br_if $again (call $more (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))
      (call $sleep (local.get $ms) (i32.const 16))))
  (core instance $guest (instantiate $guest
    (with "host" (instance
      (export "now" (func $now_core))
      (export "sleep" (func $sleep_core))
      (export "same" (func $same_core))
      (export "next" (func $next_core))
      (export "nap" (func $nap_core))
      (export "pause" (func $pause_core))
      (export "sync" (func $sync_core))))))

  (func (export "same") (param "n" u64) (canon lift (core func $guest "same")))
  (func (export "now") (param "n" u64) (canon lift (core func $guest "now")))
  (func (export "next") (param "n" u64) (canon lift (core func $guest "next")))
  (func (export "nap") (param "n" u64) (canon lift (core func $guest "nap")))
  (func (export "pause") (param "n" u64) (canon lift (core func $guest "pause")))
  (func (export "sleep") (param "n" u64) (param "ms" u64)
    (canon lift (core func $guest "sleep")))
  (func (export "now-sleep") (param "n" u64) (canon lift (core func $guest "now-sleep")))
  (func (export "sleep-sync") (param "n" u64) (param "ms" u64)
    (canon lift (core func $guest "sleep-sync")))
  (func (export "history") (param "n" u64) (param "ms" u64)
    (canon lift (core func $guest "history")))
)
