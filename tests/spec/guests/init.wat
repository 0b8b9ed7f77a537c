;; SPDX-License-Identifier: Apache-2.0
;; An actor in the specification's sense: `ntwk:theater/actor.init`. It sleeps 10 ms and returns its
;; state, whose first byte it counts up; without a state it makes one of the byte 7.
(component
  (import "ntwk:theater/timing@0.1.0" (instance $timing
    (export "sleep" (func (param "duration" u64) (result (result (error string)))))))
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
  (alias export $timing "sleep" (func $sleep))
  (core func $sleep_core
    (canon lower (func $sleep) (memory $mem) (realloc $realloc) string-encoding=utf8))
  (core module $guest
    (import "libc" "memory" (memory 1))
    (import "host" "sleep" (func $sleep (param i64 i32)))
    ;; The result at 32: case, 36 option's case, 40 pointer, 44 size.
    (func (export "init") (param $has i32) (param $state i32) (param $size i32)
                          (param $id i32) (param $id_size i32) (result i32)
      (call $sleep (i64.const 10) (i32.const 16))
      (if (i32.eqz (local.get $has))
        (then
          (local.set $state (i32.const 64))
          (local.set $size (i32.const 1))
          (i32.store8 (i32.const 64) (i32.const 6))))
      (if (i32.ne (local.get $id_size) (i32.const 36)) (then (unreachable)))
      (i32.store8 (local.get $state) (i32.add (i32.load8_u (local.get $state)) (i32.const 1)))
      (i32.store8 (i32.const 32) (i32.const 0))
      (i32.store8 (i32.const 36) (i32.const 1))
      (i32.store (i32.const 40) (local.get $state))
      (i32.store (i32.const 44) (local.get $size))
      (i32.const 32)))
  (core instance $guest (instantiate $guest
    (with "libc" (instance (export "memory" (memory $mem))))
    (with "host" (instance (export "sleep" (func $sleep_core))))))
  (func $init (param "state" (option (list u8))) (param "params" (tuple string))
              (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $guest "init") (memory $mem) (realloc $realloc) string-encoding=utf8))
  (instance $actor (export "init" (func $init)))
  (export "ntwk:theater/actor" (instance $actor))
)
