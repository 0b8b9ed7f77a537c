;; SPDX-License-Identifier: Apache-2.0
;; Sleeps while it is being instantiated.
(component
  (import "test:hostile/host" (instance $host
    (export "now" (func (result u64)))
    (export "sleep" (func (param "ms" u64)))
  ))
  (alias export $host "now" (func $now))
  (alias export $host "sleep" (func $sleep))
  (core func $now-core (canon lower (func $now)))
  (core func $sleep-core (canon lower (func $sleep)))
  (core module $guest
    (import "host" "now" (func $now (result i64)))
    (import "host" "sleep" (func $sleep (param i64)))
    (func $start (call $sleep (i64.const 70)))
    (start $start)
    (func (export "run") (result i64) (call $now)))
  (core instance $guest (instantiate $guest (with "host" (instance
    (export "now" (func $now-core))
    (export "sleep" (func $sleep-core))))))
  (func $run (result u64) (canon lift (core func $guest "run")))
  (export "run" (func $run))
)
