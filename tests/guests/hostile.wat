;; SPDX-License-Identifier: Apache-2.0
;; A guest that misbehaves in every way that was seen to hurt a host. One export an attack.
(component
  (import "test:hostile/host" (instance $host
    (export "now" (func (result u64)))
    (export "sleep" (func (param "ms" u64) (result (result (error string)))))
    (export "log" (func (param "text" string)))
    (export "put" (func (param "data" (list u8))))
  ))
  ;; Memory, and an allocator that only goes forward: each call has an instance of its own.
  (core module $libc
    (memory (export "memory") 2)
    (global $heap (mut i32) (i32.const 65536))
    (func (export "realloc") (param $old i32) (param $old_size i32) (param $align i32)
                             (param $new_size i32) (result i32)
      (local $p i32) (local $end i32)
      (local.set $p
        (i32.and (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
                 (i32.sub (i32.const 0) (local.get $align))))
      (local.set $end (i32.add (local.get $p) (local.get $new_size)))
      (if (i32.gt_u (local.get $end) (i32.mul (memory.size) (i32.const 65536)))
        (then
          (if (i32.eq (i32.const -1)
                (memory.grow (i32.add (i32.div_u (local.get $new_size) (i32.const 65536))
                                      (i32.const 1))))
            (then (unreachable)))))
      (global.set $heap (local.get $end))
      (memory.copy (local.get $p) (local.get $old)
        (select (local.get $old_size) (local.get $new_size)
          (i32.lt_u (local.get $old_size) (local.get $new_size))))
      (local.get $p)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $mem))
  (alias core export $libc "realloc" (core func $realloc))

  (alias export $host "now" (func $now))
  (alias export $host "sleep" (func $sleep))
  (alias export $host "log" (func $log))
  (alias export $host "put" (func $put))
  (core func $now-core (canon lower (func $now)))
  (core func $sleep-core
    (canon lower (func $sleep) (memory $mem) (realloc $realloc) string-encoding=utf8))
  (core func $log-core (canon lower (func $log) (memory $mem) string-encoding=utf8))
  (core func $put-core (canon lower (func $put) (memory $mem)))

  (core module $guest
    (import "libc" "memory" (memory 2))
    (import "host" "now" (func $now (result i64)))
    (import "host" "sleep" (func $sleep (param i64 i32)))
    (import "host" "log" (func $log (param i32 i32)))
    (import "host" "put" (func $put (param i32 i32)))
    (table $table 1 funcref)
    (table $narrow 1 8 funcref)

    (func (export "spin") (loop $again (br $again)))

    ;; Loops, but only through calls of the host.
    (func (export "call-forever") (loop $again (drop (call $now)) (br $again)))

    ;; One page at a time until the answer is -1; the size in pages.
    (func (export "grow-memory") (result i32)
      (loop $again
        (br_if $again (i32.ne (i32.const -1) (memory.grow (i32.const 1)))))
      (memory.size))

    ;; A size that no 32-bit memory can have.
    (func (export "grow-absurdly") (result i32) (memory.grow (i32.const 65536)))

    (func (export "grow-table") (result i32)
      (loop $again
        (br_if $again
          (i32.ne (i32.const -1) (table.grow $table (ref.null func) (i32.const 100)))))
      (table.size $table))

    ;; Beyond the maximum that the table itself declares.
    (func (export "grow-narrow") (result i32)
      (table.grow $narrow (ref.null func) (i32.const 100)))

    (func $dive (param $depth i32)
      (if (local.get $depth)
        (then (call $dive (i32.sub (local.get $depth) (i32.const 1))))
        (else (drop (call $now)))))
    (func (export "dive") (param i32) (call $dive (local.get 0)))

    (func $fall (param i64) (result i64)
      (i64.add (call $fall (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))
    (func (export "fall") (drop (call $fall (i64.const 0))))

    (func $room (param $size i32)
      (drop (memory.grow (i32.div_u (i32.add (local.get $size) (i32.const 65535))
                                    (i32.const 65536)))))
    (func (export "log-size") (param $size i32)
      (call $room (local.get $size))
      (call $log (i32.const 0) (local.get $size)))
    (func (export "put-size") (param $size i32)
      (call $room (local.get $size))
      (call $put (i32.const 0) (local.get $size)))
    (func (export "log-forged") (call $log (i32.const 65536) (i32.const 0x7fffffff)))
    (func (export "put-forged") (call $put (i32.const -16) (i32.const -1)))
    (func (export "log-bad-text")
      (i32.store8 (i32.const 16) (i32.const 0xff))
      (call $log (i32.const 16) (i32.const 1)))
    (func (export "sleep-then-trap") (param i64)
      (call $sleep (local.get 0) (i32.const 32))
      (unreachable))
    (func (export "trap") (unreachable))
    (func (export "divide") (param i32) (result i32)
      (i32.div_u (i32.const 1) (local.get 0)))

    ;; Returns a list<u8> of this size.
    (func (export "give") (param $size i32) (result i32)
      (call $room (local.get $size))
      (i32.store (i32.const 64) (i32.const 0))
      (i32.store (i32.const 68) (local.get $size))
      (i32.const 64))
    (func (export "give-forged") (result i32)
      (i32.store (i32.const 64) (i32.const 1024))
      (i32.store (i32.const 68) (i32.const 0x7fffffff))
      (i32.const 64))
    (func (export "size-of") (param i32 i32) (result i32) (local.get 1))
  )
  (core instance $guest (instantiate $guest
    (with "libc" (instance (export "memory" (memory $mem))))
    (with "host" (instance
      (export "now" (func $now-core))
      (export "sleep" (func $sleep-core))
      (export "log" (func $log-core))
      (export "put" (func $put-core))))))

  (func $spin
    (canon lift (core func $guest "spin") (memory $mem) (realloc $realloc)))
  (export "spin" (func $spin))
  (func $call-forever
    (canon lift (core func $guest "call-forever") (memory $mem) (realloc $realloc)))
  (export "call-forever" (func $call-forever))
  (func $grow-memory (result u32)
    (canon lift (core func $guest "grow-memory") (memory $mem) (realloc $realloc)))
  (export "grow-memory" (func $grow-memory))
  (func $grow-absurdly (result s32)
    (canon lift (core func $guest "grow-absurdly") (memory $mem) (realloc $realloc)))
  (export "grow-absurdly" (func $grow-absurdly))
  (func $grow-table (result u32)
    (canon lift (core func $guest "grow-table") (memory $mem) (realloc $realloc)))
  (export "grow-table" (func $grow-table))
  (func $grow-narrow (result s32)
    (canon lift (core func $guest "grow-narrow") (memory $mem) (realloc $realloc)))
  (export "grow-narrow" (func $grow-narrow))
  (func $dive (param "depth" u32)
    (canon lift (core func $guest "dive") (memory $mem) (realloc $realloc)))
  (export "dive" (func $dive))
  (func $fall
    (canon lift (core func $guest "fall") (memory $mem) (realloc $realloc)))
  (export "fall" (func $fall))
  (func $log-size (param "size" u32)
    (canon lift (core func $guest "log-size") (memory $mem) (realloc $realloc)))
  (export "log-size" (func $log-size))
  (func $put-size (param "size" u32)
    (canon lift (core func $guest "put-size") (memory $mem) (realloc $realloc)))
  (export "put-size" (func $put-size))
  (func $log-forged
    (canon lift (core func $guest "log-forged") (memory $mem) (realloc $realloc)))
  (export "log-forged" (func $log-forged))
  (func $put-forged
    (canon lift (core func $guest "put-forged") (memory $mem) (realloc $realloc)))
  (export "put-forged" (func $put-forged))
  (func $log-bad-text
    (canon lift (core func $guest "log-bad-text") (memory $mem) (realloc $realloc)))
  (export "log-bad-text" (func $log-bad-text))
  (func $sleep-then-trap (param "ms" u64)
    (canon lift (core func $guest "sleep-then-trap") (memory $mem) (realloc $realloc)))
  (export "sleep-then-trap" (func $sleep-then-trap))
  (func $trap
    (canon lift (core func $guest "trap") (memory $mem) (realloc $realloc)))
  (export "trap" (func $trap))
  (func $divide (param "by" u32) (result u32)
    (canon lift (core func $guest "divide") (memory $mem) (realloc $realloc)))
  (export "divide" (func $divide))
  (func $give (param "size" u32) (result (list u8))
    (canon lift (core func $guest "give") (memory $mem) (realloc $realloc)))
  (export "give" (func $give))
  (func $give-forged (result (list u8))
    (canon lift (core func $guest "give-forged") (memory $mem) (realloc $realloc)))
  (export "give-forged" (func $give-forged))
  (func $size-of (param "data" (list u8)) (result u32)
    (canon lift (core func $guest "size-of") (memory $mem) (realloc $realloc)))
  (export "size-of" (func $size-of))
)
