;; A core module: no component.
(module (func (export "run")))
