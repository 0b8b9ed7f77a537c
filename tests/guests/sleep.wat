;; SPDX-License-Identifier: Apache-2.0
;; A hand-written component: imports the instance `ntwk:theater/timing` and exports
;; `run: func(ms: u64) -> result<u64, string>`.
;; run(ms) = { t0 = now(); sleep(ms)?; Ok(now() - t0) }.
;;
;; Shape of every hand-written component with a string in a host result:
;;   1. component-level import of the instance, with its WIT types;
;;   2. a small core module that owns memory + realloc ("libc"), instantiated first, because
;;      `canon lower` of a function that returns a string needs both as options;
;;   3. `canon lower` of each import to a core func;
;;   4. the guest core module, which gets memory, realloc and the lowered funcs as imports;
;;   5. `canon lift` of its core export to a component func, and the component-level export.
(component
  ;; 1 -- the import, spelled as WIT spells it (no version: package `ntwk:theater`).
  (import "ntwk:theater/timing" (instance $timing
    (export "now" (func (result u64)))
    (export "sleep" (func (param "duration" u64) (result (result (error string)))))
    (export "deadline" (func (param "timestamp" u64) (result (result (error string)))))
  ))

  ;; 2 -- memory and a bump allocator; `run`'s post-return resets it.
  (core module $libc
    (memory (export "memory") 1 16)
    (global $heap (mut i32) (i32.const 1024))
    (func (export "reset") (global.set $heap (i32.const 1024)))
    ;; cabi_realloc(old_ptr, old_size, align, new_size) -> ptr
    (func (export "realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $new_size i32)
                             (result i32)
      (local $p i32) (local $end i32)
      ;; p = round_up(heap, align)
      (local.set $p
        (i32.and
          (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
          (i32.sub (i32.const 0) (local.get $align))))
      (local.set $end (i32.add (local.get $p) (local.get $new_size)))
      (block $fits
        (br_if $fits (i32.le_u (local.get $end) (i32.mul (memory.size) (i32.const 65536))))
        (if (i32.eq (i32.const -1)
                    (memory.grow (i32.add (i32.div_u (local.get $new_size) (i32.const 65536)) (i32.const 1))))
          (then (unreachable))))
      (global.set $heap (local.get $end))
      ;; grow-in-place is never done: copy what was there
      (if (local.get $old_size)
        (then (memory.copy (local.get $p) (local.get $old)
                (select (local.get $old_size) (local.get $new_size)
                        (i32.lt_u (local.get $old_size) (local.get $new_size))))))
      (local.get $p))
  )
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $mem))
  (alias core export $libc "realloc" (core func $realloc))
  (alias core export $libc "reset" (core func $reset))

  ;; 3 -- lower the imports. `now` is flat (u64 in a register): no options needed.
  ;; `sleep` returns result<_, string>: 3 flat values > MAX_FLAT_RESULTS (1), so the core
  ;; signature is (param i64 i32) with a return pointer, and memory+realloc are required.
  (alias export $timing "now" (func $now))
  (alias export $timing "sleep" (func $sleep))
  (core func $now_core (canon lower (func $now)))
  (core func $sleep_core (canon lower (func $sleep) (memory $mem) (realloc $realloc) string-encoding=utf8))

  ;; 4 -- the guest proper.
  (core module $guest
    (import "libc" "memory" (memory 1))
    (import "timing" "now" (func $now (result i64)))
    (import "timing" "sleep" (func $sleep (param i64 i32)))
    ;; scratch for sleep's result<_, string>: disc u8 @16, ptr i32 @20, len i32 @24
    ;; return area of run's result<u64, string>: disc u8 @32, payload @40 (u64, or ptr/len)
    (func (export "run") (param $ms i64) (result i32)
      (local $t0 i64)
      (local.set $t0 (call $now))
      (call $sleep (local.get $ms) (i32.const 16))
      (if (i32.load8_u (i32.const 16))
        (then ;; Err(message): hand the host's string straight back
          (i32.store8 (i32.const 32) (i32.const 1))
          (i32.store (i32.const 40) (i32.load (i32.const 20)))
          (i32.store (i32.const 44) (i32.load (i32.const 24))))
        (else
          (i32.store8 (i32.const 32) (i32.const 0))
          (i64.store (i32.const 40) (i64.sub (call $now) (local.get $t0)))))
      (i32.const 32))
  )
  (core instance $guest (instantiate $guest
    (with "libc" (instance (export "memory" (memory $mem))))
    (with "timing" (instance
      (export "now" (func $now_core))
      (export "sleep" (func $sleep_core))))))

  ;; post-return takes the core result (the return pointer) and frees what `run` allocated
  (core module $post
    (import "libc" "reset" (func $reset))
    (func (export "post") (param i32) (call $reset)))
  (core instance $post (instantiate $post
    (with "libc" (instance (export "reset" (func $reset))))))

  ;; 5 -- lift and export.
  (alias core export $guest "run" (core func $run_core))
  (alias core export $post "post" (core func $run_post))
  (func $run (param "ms" u64) (result (result u64 (error string)))
    (canon lift (core func $run_core) (memory $mem) string-encoding=utf8 (post-return $run_post)))
  (export "run" (func $run))
)
