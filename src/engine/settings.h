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

/*
 * What a slot of the pool holds, by what stock components have: C, Rust and QuickJS fit, CPython
 * and StarlingMonkey need more and gain nothing. Virtual until touched; a memory's slot takes 4 GiB
 * of address space in any case. A guest goes to the pool only if its limits are below these, so
 * that a slot is never what makes memory.grow or table.grow fail.
 */
#define THEATER__SLOT_INSTANCES 16u
#define THEATER__SLOT_MEMORIES 2u
#define THEATER__SLOT_TABLES 4u
#define THEATER__SLOT_MEMORY_BYTES ((uint64_t)256 << 20)
#define THEATER__SLOT_TABLE_ELEMENTS 32768u

typedef struct theater__pool_size {
    uint32_t guests; /* 0: no pool */
    uint32_t stacks;
} theater__pool_size;

#define THEATER__NO_POOL ((theater__pool_size){0, 0})

/* An engine of its own; NULL and *out_error on failure. With a pool, it takes what guests need from
 * there; compiled code, and what it computes, is the same. */
wasm_engine_t *theater__settings_engine(theater__pool_size pool, wasmtime_error_t **out_error);

/* The settings that change what a guest computes, one line. */
const char *theater__settings_semantics(void);

#endif
