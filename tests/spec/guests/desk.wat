;; SPDX-License-Identifier: Apache-2.0
;; Waits for what only the embedder can give: a number.
(component
  (import "acme:desk/answers" (instance $desk
    (export "ask" (func (param "question" u64) (result u64)))))
  (alias export $desk "ask" (func $ask))
  (core func $ask_core (canon lower (func $ask)))
  (core module $guest
    (import "host" "ask" (func $ask (param i64) (result i64)))
    (func (export "run") (param $question i64) (result i64)
      (i64.add (call $ask (local.get $question)) (call $ask (i64.const 2)))))
  (core instance $guest (instantiate $guest
    (with "host" (instance (export "ask" (func $ask_core))))))
  (func $run (param "question" u64) (result u64) (canon lift (core func $guest "run")))
  (export "run" (func $run))
)
