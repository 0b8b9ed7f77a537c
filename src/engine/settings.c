/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deterministic where WebAssembly leaves a choice (NaN bits, relaxed SIMD), without what is not
 * (threads), preemptible (epochs), and with room for host callbacks above the guest's stack.
 *
 * Concurrency support stays off: it costs twice the time at each call, and values that only it
 * knows (streams, futures) abort the process in the C API of this version.
 */
#include "settings.h"

/* A host callback may use THEATER__CALLBACK_STACK_MAX (64 KiB) of the margin; the rest is for
 * Wasmtime's own conversion of values, which runs on the same fiber. */
_Static_assert(THEATER__FIBER_STACK_BYTES >= THEATER__WASM_STACK_BYTES + ((size_t)256 << 10),
               "margin for host callbacks");

const char *theater__settings_semantics(void)
{
    return "wasm=component nan=canonical relaxed-simd=deterministic threads=off "
           "component-async=off stack=524288";
}

/* Cleared in place when a guest is gone, and kept: the pages that a small guest writes. The rest
 * goes back, so that a guest that went deep or wide leaves nothing behind: 84 KiB a slot. */
#define STACK_RESIDENT_BYTES ((uint64_t)16 << 10)
#define MEMORY_RESIDENT_BYTES ((uint64_t)64 << 10)
#define TABLE_RESIDENT_BYTES ((uint64_t)4 << 10)

wasm_engine_t *theater__settings_engine(theater__pool_size size, wasmtime_error_t **out_error)
{
    wasm_config_t *config = wasm_config_new();
    wasmtime_config_wasm_component_model_set(config, true);
    wasmtime_config_wasm_component_model_async_set(config, false);
    wasmtime_config_concurrency_support_set(config, false);
    wasmtime_config_cranelift_nan_canonicalization_set(config, true);
    wasmtime_config_wasm_relaxed_simd_deterministic_set(config, true);
    wasmtime_config_shared_memory_set(config, false);
    wasmtime_config_epoch_interruption_set(config, true);
    wasmtime_config_max_wasm_stack_set(config, THEATER__WASM_STACK_BYTES);
    wasmtime_config_async_stack_size_set(config, THEATER__FIBER_STACK_BYTES);
    wasmtime_config_parallel_compilation_set(config, true);
    theater_engine_config_apply(config);
    if (size.guests > 0) {
        const theater_engine_pool_t pool = {
            .guests = size.guests,
            .stacks = size.stacks,
            .instances = THEATER__SLOT_INSTANCES,
            .memories = THEATER__SLOT_MEMORIES,
            .tables = THEATER__SLOT_TABLES,
            .memory_bytes = THEATER__SLOT_MEMORY_BYTES,
            .table_elements = THEATER__SLOT_TABLE_ELEMENTS,
            .stack_resident = STACK_RESIDENT_BYTES,
            .memory_resident = MEMORY_RESIDENT_BYTES,
            .table_resident = TABLE_RESIDENT_BYTES,
        };
        theater_engine_config_pool(config, &pool);
    }
    wasm_engine_t *engine = NULL;
    *out_error = theater_engine_new(config, &engine);
    return *out_error == NULL ? engine : NULL;
}
