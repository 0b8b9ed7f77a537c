;; An actor: exports `ntwk:theater/actor` { init }. It logs its id and returns no state, or, if its
;; id ends with `e`, the id as an error.
(component
  (import "ntwk:theater/runtime" (instance $runtime
    (export "log" (func (param "msg" string)))))
  (core module $libc
    (memory (export "memory") 2)
    (global $heap (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $p i32)
      (local.set $p (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
      (global.set $heap (i32.add (local.get $p) (local.get 3)))
      (local.get $p)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $mem))
  (alias core export $libc "realloc" (core func $realloc))
  (alias export $runtime "log" (func $log))
  (core func $log_core (canon lower (func $log) (memory $mem) (realloc $realloc)))
  (core module $guest
    (import "libc" "memory" (memory 2))
    (import "host" "log" (func $log (param i32 i32)))
    ;; state: discriminant, pointer, size; params: the id's pointer and size
    (func (export "init") (param i32 i32 i32 i32 i32) (result i32)
      (call $log (local.get 3) (local.get 4))
      (i32.store8 (i32.const 16) (i32.const 0))
      (i32.store8 (i32.const 20) (i32.const 0))
      (if (i32.eq (i32.const 101)
                  (i32.load8_u (i32.add (local.get 3) (i32.sub (local.get 4) (i32.const 1)))))
        (then
          (i32.store8 (i32.const 16) (i32.const 1))
          (i32.store (i32.const 20) (local.get 3))
          (i32.store (i32.const 24) (local.get 4))))
      (i32.const 16)))
  (core instance $guest (instantiate $guest
    (with "libc" (instance (export "memory" (memory $mem))))
    (with "host" (instance (export "log" (func $log_core))))))
  (alias core export $guest "init" (core func $init_core))
  (func $init (param "state" (option (list u8))) (param "params" (tuple string))
              (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $init_core) (memory $mem) (realloc $realloc)))
  (instance $actor (export "init" (func $init)))
  (export "ntwk:theater/actor" (instance $actor))
)
