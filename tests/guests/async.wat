;; SPDX-License-Identifier: Apache-2.0
;; A component of WASI 0.3's kind: an async function type.
(component
  (import "test:async/host" (instance
    (export "wait" (func async (param "ms" u64)))
  ))
)
