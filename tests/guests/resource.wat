;; SPDX-License-Identifier: Apache-2.0
;; Imports a resource and uses it in a second interface; `run` touches neither.
(component
  (import "test:db/types" (instance $types
    (export "handle" (type $handle (sub resource)))
    (export "[method]handle.size" (func (param "self" (borrow $handle)) (result u64)))
  ))
  (alias export $types "handle" (type $handle))
  (import "test:db/sql" (instance $sql
    (alias outer 1 $handle (type $outer))
    (export "handle" (type $handle (eq $outer)))
    (export "query" (func (param "text" u64) (result (own $handle))))
    (export "ping" (func (result u64)))
  ))
  (alias export $sql "ping" (func $ping))
  (core func $ping-core (canon lower (func $ping)))
  (core module $guest
    (import "sql" "ping" (func $ping (result i64)))
    (func (export "run") (result i64) (i64.const 7))
    (func (export "touch") (result i64) (call $ping)))
  (core instance $guest (instantiate $guest (with "sql" (instance
    (export "ping" (func $ping-core))))))
  (func $run (result u64) (canon lift (core func $guest "run")))
  (func $touch (result u64) (canon lift (core func $guest "touch")))
  (export "run" (func $run))
  (export "touch" (func $touch))
)
