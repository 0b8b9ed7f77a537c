/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the engine's static library exports beside Wasmtime's C API: a few functions, each for
 * something that the Rust API offers and the C API of 48.0.8 does not.
 */
#ifndef THEATER_ENGINE_H
#define THEATER_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include <wasmtime.h>

/* The version of the wasmtime crate inside, such as "48.0.8": static text. */
const char *theater_engine_wasmtime_version(void);

/*
 * Settings for which the C API has no function: no backtraces (they cost time at each trap, and
 * their text is not deterministic).
 */
void theater_engine_config_apply(wasm_config_t *config);

/*
 * wasm_engine_new_with_config(), but a failure is an error and not an abort of the process.
 * Consumes config.
 */
wasmtime_error_t *theater_engine_new(wasm_config_t *config, wasm_engine_t **out_engine);

/* Bounds of one store. Owned by the caller and outliving the store, which keeps the pointer. */
typedef struct theater_engine_limits {
    uint64_t memory_bytes_max;   /* each linear memory: beyond it memory.grow gives -1 */
    uint64_t table_elements_max; /* each table: beyond it table.grow gives -1 */
    uint32_t instances_max;
    uint32_t tables_max;
    uint32_t memories_max;
    /* Set by the store. */
    uint32_t refused;    /* growths that a limit above has refused */
    bool machine_failed; /* a growth that was allowed failed: the guest was trapped */
} theater_engine_limits_t;

/*
 * A limiter which tells the guest's limit (-1) from the machine's: a growth that was within the
 * limits and that the operating system refused traps the guest, for a guest must never see a result
 * that depends on the machine.
 */
void theater_engine_store_limit(wasmtime_store_t *store, theater_engine_limits_t *limits);

/* Store::set_hostcall_fuel: what one lift from the guest may cost, see src/engine/guest.c. */
void theater_engine_store_host_call_fuel(wasmtime_store_t *store, size_t fuel);

/* Store::set_max_component_handles: resources that the guest may hold at a time. */
void theater_engine_store_handles_max(wasmtime_store_t *store, size_t handles);

/* An error taken apart. */
typedef struct theater_engine_error {
    int32_t trap_code;    /* wasmtime_trap_code_t, -1 if the error is no trap of the code */
    bool out_of_memory;   /* an allocation or a system call for memory failed */
    wasm_byte_vec_t text; /* its innermost cause, one line; wasm_byte_vec_delete() it */
} theater_engine_error_t;

void theater_engine_error_read(const wasmtime_error_t *error, theater_engine_error_t *out);

#endif
