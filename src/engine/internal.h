/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room know of each other. Ownership goes down: an engine outlives its
 * components, a component its guests, and each counts them so that a mistake is noticed.
 */
#ifndef ENGINE_INTERNAL_H
#define ENGINE_INTERNAL_H

#include <base/alloc.h>
#include <base/arena.h>
#include <base/assert.h>
#include <base/error.h>
#include <base/limits.h>
#include <base/log.h>
#include <engine/engine.h>
#include <theater_engine.h>

/* Types of one component, as trees: a type that uses another twice holds it twice, and twenty such
 * steps are a million nodes. This many take 6 MB. */
#define THEATER__TYPE_NODES_MAX (1u << 17)

/* Imported or exported functions of one component: ten times what any stock component has. */
#define THEATER__FUNCTIONS_MAX 4096u

/* Parameters that are converted on the stack; more of them go to the arena. */
#define THEATER__ARGS_INLINE 8u

/* What a digest or an engine key looks like as a file name. */
#define THEATER__HEX_SIZE 65

struct theater__engine {
    wasm_engine_t *wasm;
    theater__log log;
    char *cache_directory; /* of this engine's key, NULL: no cache */
    char *compiler_path;   /* as given, NULL: to be looked for */
    uint64_t compile_memory_max;
    uint64_t compile_cpu_s_max;
    size_t components_count;
};

/* What the linker hands to a callback. */
typedef struct theater__binding {
    theater__component *component;
    uint32_t import_index;
} theater__binding;

/* A resource type among the imports: known, not offered (yet). */
typedef struct theater__foreign {
    theater_text interface;
    theater_text name;
    wasmtime_component_resource_type_t *resource; /* NULL: a module or component */
} theater__foreign;

struct theater__component {
    theater__engine *engine;
    wasmtime_component_t *wasm;
    wasmtime_component_linker_t *linker; /* NULL until linked */
    theater__digest digest;
    theater__arena arena; /* names, types, lists below */
    theater__import *imports;
    theater__import_mode *modes;
    theater__binding *bindings;
    size_t imports_count;
    theater__foreign *foreigns;
    size_t foreigns_count;
    theater__export *exports;
    wasmtime_component_export_index_t **export_indexes;
    size_t exports_count;
    bool import_takes_list; /* a parameter of some import holds a list */
    size_t guests_count;
};

typedef enum theater__guest_phase {
    THEATER__PHASE_INSTANTIATE = 0,
    THEATER__PHASE_CALL = 1,
    THEATER__PHASE_DONE = 2,
    THEATER__PHASE_TRAPPED = 3
} theater__guest_phase;

struct theater__guest {
    theater__component *component;
    size_t export_index;
    const theater__guest_ops *ops;
    void *userdata;
    theater_limits limits;
    theater_engine_limits_t growth; /* the store keeps a pointer */

    wasmtime_store_t *store;
    wasmtime_call_future_t *future; /* of the phase; NULL when DONE or TRAPPED */
    theater__guest_phase phase;
    wasmtime_component_instance_t instance;
    wasmtime_component_func_t function;
    wasmtime_error_t *error; /* written by the future */
    wasmtime_component_val_t *args;
    size_t args_count;
    wasmtime_component_val_t returned; /* written by the future */
    bool returned_set;

    /* The import that waits. */
    bool waiting;
    uint32_t waiting_import;
    wasmtime_component_val_t *waiting_result; /* NULL: it has none */

    /* Why a callback ended the guest; kind 0: it did not. */
    theater__trap cause;
    theater__trap trap;
    char trap_text[THEATER__REASON_BYTES_MAX];

    theater__arena arena; /* arguments of one host call; in the end, the result */
    theater_value result;
};

/* The import callbacks of the linker end here; in guest.c. Returns an error that traps, or NULL. */
wasmtime_error_t *theater__guest_import(theater__guest *guest, uint32_t import_index, bool may_wait,
                                        const wasmtime_component_val_t *args, size_t args_count,
                                        wasmtime_component_val_t *results, size_t results_count);

#endif
