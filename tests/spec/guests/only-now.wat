;; SPDX-License-Identifier: Apache-2.0
;; Imports one function of the interface, under its versioned name, and nothing else.
(component
  (import "ntwk:theater/timing@0.1.0" (instance $timing (export "now" (func (result u64)))))
  (alias export $timing "now" (func $now))
  (core func $now_core (canon lower (func $now)))
  (core module $guest
    (import "host" "now" (func $now (result i64)))
    (func (export "run") (result i64) (call $now)))
  (core instance $guest (instantiate $guest
    (with "host" (instance (export "now" (func $now_core))))))
  (func $run (result u64) (canon lift (core func $guest "run")))
  (export "run" (func $run))
)
