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

/* Slots that are laid out when the engine is made and used again by one guest after another. */
typedef struct theater_engine_pool {
    uint32_t guests;         /* at a time, those included that are over and in a store still */
    uint32_t stacks;         /* one for each store that has run a guest */
    uint32_t instances;      /* core instances of one guest */
    uint32_t memories;       /* of one guest, each with 4 GiB of address space */
    uint32_t tables;         /* of one guest */
    uint64_t memory_bytes;   /* of one memory; none of a guest may be allowed more */
    uint64_t table_elements; /* of one table; no table of a guest may be allowed more */
    /* Bytes that are cleared in place after a guest, and not given back to the machine as the rest
     * is: */
    uint64_t stack_resident;
    uint64_t memory_resident;
    uint64_t table_resident;
} theater_engine_pool_t;

/* The engine takes stacks, memories and tables from a pool. Compiled code is the same either way;
 * a component that has more than a slot is refused when it is loaded. */
void theater_engine_config_pool(wasm_config_t *config, const theater_engine_pool_t *pool);

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
    uint32_t refused;     /* growths that a limit above has refused */
    uint64_t grown_bytes; /* that memories and tables have taken */
    bool machine_failed;  /* a growth that was allowed failed: the guest was trapped */
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

/* Whether instances in the store have left handles: these count against those of the next one. */
bool theater_engine_store_has_handles(wasmtime_store_t *store);

/* An error taken apart. */
typedef struct theater_engine_error {
    int32_t trap_code;    /* wasmtime_trap_code_t, -1 if the error is no trap of the code */
    bool out_of_memory;   /* an allocation or a system call for memory failed */
    wasm_byte_vec_t text; /* its innermost cause, one line; wasm_byte_vec_delete() it */
} theater_engine_error_t;

void theater_engine_error_read(const wasmtime_error_t *error, theater_engine_error_t *out);

/* ---- values, imports, calls ------------------------------------------------------------------ */

/*
 * Below, wasmtime_component_val_t holds values as the C API does, with two exceptions: a list<u8>
 * has the kind STRING and any bytes, both ways; and the names of record fields are empty when they
 * come from the guest, and not looked at on the way to it.
 */

/* How many flat values the parameters of a function take; 17 if they lie in memory. */
uint32_t theater_engine_flat_params(const wasmtime_component_func_type_t *function);

/*
 * An import. args live until it returns; out_result holds a bool that may be overwritten. One that
 * may wait sets *out_waiting to a flag of its own and leaves it true until *out_result is there:
 * out_result stays valid until then. Returns an error that traps, or NULL.
 */
typedef wasmtime_error_t *(*theater_engine_import_fn)(void *env, wasmtime_context_t *context,
                                                      const wasmtime_component_val_t *args,
                                                      size_t args_count,
                                                      wasmtime_component_val_t *out_result,
                                                      const bool **out_waiting);

/* No type of the function may hold a resource. flat_params as above; another number is refused when
 * the component is prepared. */
wasmtime_error_t *theater_engine_define(wasmtime_component_linker_instance_t *into,
                                        const char *name, size_t name_size, uint32_t flat_params,
                                        bool has_result, bool may_wait,
                                        theater_engine_import_fn callback, void *env);

/*
 * A component with its imports resolved and checked once, for all its instances. Borrows nothing.
 */
typedef struct theater_engine_prepared theater_engine_prepared_t;
wasmtime_error_t *theater_engine_prepare(const wasmtime_component_linker_t *linker,
                                         const wasmtime_component_t *component,
                                         theater_engine_prepared_t **out_prepared);
void theater_engine_prepared_delete(theater_engine_prepared_t *prepared);

/* One instance and one call of an export in it. Borrows everything until it is deleted. */
typedef struct theater_engine_call theater_engine_call_t;
theater_engine_call_t *theater_engine_call_new(
    const theater_engine_prepared_t *prepared,
    const wasmtime_component_export_index_t *export_index, wasmtime_context_t *context,
    const wasmtime_component_val_t *args, size_t args_count);
/* True when it has ended: with an error, with a result, or, if the function has none, without. */
bool theater_engine_call_poll(theater_engine_call_t *call, wasmtime_component_val_t *out_result,
                              wasmtime_error_t **out_error);
void theater_engine_call_delete(theater_engine_call_t *call);

#endif
