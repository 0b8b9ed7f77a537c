;; Imports a function that nobody offers, and calls it when `run` is called.
(component
  (import "acme:billing/ledger@1.2.0" (instance $ledger (export "charge" (func (param "cents" u64)))))
  (alias export $ledger "charge" (func $charge))
  (core func $charge_core (canon lower (func $charge)))
  (core module $guest
    (import "host" "charge" (func $charge (param i64)))
    (func (export "run") (param i64) (call $charge (local.get 0)))
    (func (export "idle")))
  (core instance $guest (instantiate $guest
    (with "host" (instance (export "charge" (func $charge_core))))))
  (alias core export $guest "run" (core func $run))
  (alias core export $guest "idle" (core func $idle))
  (func (export "run") (param "cents" u64) (canon lift (core func $run)))
  (func (export "idle") (canon lift (core func $idle)))
)
