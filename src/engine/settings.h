/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place where Wasmtime is configured. The host and the compiling child are two programs,
 * and compiled code is only accepted by an engine with the same settings: both call this.
 */
#ifndef ENGINE_SETTINGS_H
#define ENGINE_SETTINGS_H

#include <theater_engine.h>

/* The crate is pinned to it; a test compares it with what is linked. */
#define THEATER__ENGINE_VERSION "wasmtime 48.0.8"

/* Stack of the guest's own code; beyond it the guest traps with "call stack exhausted". */
#define THEATER__WASM_STACK_BYTES ((size_t)512 << 10)
/* Stack of the fiber: what is left above the guest's belongs to host callbacks. */
#define THEATER__FIBER_STACK_BYTES ((size_t)1 << 20)

/* Exit statuses of theater-compile; with REFUSED and FAILED its stderr holds one line. */
#define THEATER__COMPILE_EXIT_DONE 0
#define THEATER__COMPILE_EXIT_REFUSED 3 /* the component is at fault */
#define THEATER__COMPILE_EXIT_FAILED 4  /* the machine is */

/* An engine of its own; NULL and *out_error on failure. */
wasm_engine_t *theater__settings_engine(wasmtime_error_t **out_error);

/* The settings that change what a guest computes, one line. */
const char *theater__settings_semantics(void);

#endif
