;; SPDX-License-Identifier: Apache-2.0
;; An actor for examples/own_function.c: looks a price up, asks for an approval, and returns what was
;; decided. Whether the answer takes 200 ms or a month, and whether the host lived through it, is
;; nothing that it can notice.
(component
  (import "acme:desk/approval" (instance $desk
    (export "price" (func (param "item" string) (result u64)))
    (export "approve" (func (param "item" string) (param "price" u64) (result string)))
  ))

  (core module $libc
    (memory (export "memory") 1)
    (global $heap (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $p i32)
      (local.set $p (global.get $heap))
      (global.set $heap (i32.and (i32.add (i32.add (global.get $heap) (local.get 3)) (i32.const 15))
                                 (i32.const -16)))
      (local.get $p)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $mem))
  (alias core export $libc "realloc" (core func $realloc))

  (alias export $desk "price" (func $price))
  (alias export $desk "approve" (func $approve))
  (core func $price_core (canon lower (func $price) (memory $mem) string-encoding=utf8))
  (core func $approve_core
    (canon lower (func $approve) (memory $mem) (realloc $realloc) string-encoding=utf8))

  (core module $guest
    (import "desk" "price" (func $price (param i32 i32) (result i64)))
    (import "desk" "approve" (func $approve (param i32 i32 i64 i32)))
    ;; The string that `approve` leaves at 16 is the string that `buy` returns.
    (func (export "buy") (param $item i32) (param $size i32) (result i32)
      (call $approve (local.get $item) (local.get $size)
        (call $price (local.get $item) (local.get $size))
        (i32.const 16))
      (i32.const 16)))
  (core instance $guest (instantiate $guest (with "desk" (instance
    (export "price" (func $price_core))
    (export "approve" (func $approve_core))))))

  (func $buy (param "item" string) (result string)
    (canon lift (core func $guest "buy") (memory $mem) (realloc $realloc) string-encoding=utf8))
  (export "buy" (func $buy))
)
