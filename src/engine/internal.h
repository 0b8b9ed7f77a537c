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

/* Where a guest's stack, memories and tables come from. */
typedef enum theater__way {
    THEATER__WAY_ON_DEMAND = 0, /* made for it, and unmapped after it */
    THEATER__WAY_POOLED = 1     /* a slot of the pool */
} theater__way;
#define THEATER__WAYS 2

/* Stores without a guest that are kept: as many as one look of prefetching makes ready. */
#define THEATER__WASM_STORE_SPARES_MAX 32u

typedef struct theater__wasm_store theater__wasm_store; /* wasm_store.h */

struct theater__engine {
    wasm_engine_t *wasm[THEATER__WAYS]; /* of the same settings; POOLED may be NULL */
    uint32_t pooled_max;
    uint32_t pooled_count;
    theater__wasm_store *spares[THEATER__WASM_STORE_SPARES_MAX]; /* the last used last */
    uint32_t spares_count;
    uint32_t over_max; /* slots that guests that are over may hold, and do */
    uint32_t over_count;
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
    uint32_t flat_params;
} theater__binding;

/* A resource type among the imports: known, not offered (yet). */
typedef struct theater__foreign {
    theater_text interface;
    theater_text name;
    wasmtime_component_resource_type_t *resource; /* NULL: a module or component */
} theater__foreign;

/* A component in one of the engines. */
typedef struct theater__loaded {
    wasmtime_component_t *wasm; /* NULL: not loaded there */
    wasmtime_component_export_index_t **export_indexes;
    theater_engine_prepared_t *prepared; /* NULL until linked */
} theater__loaded;

struct theater__component {
    theater__engine *engine;
    theater__loaded loaded[THEATER__WAYS];
    theater__digest digest;
    theater__arena arena; /* names, types, lists below */
    theater__import *imports;
    theater__import_mode *modes;
    theater__binding *bindings;
    size_t imports_count;
    theater__foreign *foreigns;
    size_t foreigns_count;
    theater__export *exports;
    size_t exports_count;
    bool import_takes_list; /* a parameter of some import holds a list of other than bytes */
    size_t guests_count;
};

typedef enum theater__guest_phase {
    THEATER__PHASE_RUNNING = 0, /* instantiation, then the call */
    THEATER__PHASE_DONE = 1,
    THEATER__PHASE_TRAPPED = 2
} theater__guest_phase;

struct theater__guest {
    theater__component *component;
    size_t export_index;
    const theater__guest_ops *ops;
    void *userdata;
    theater_limits limits;

    theater__way way;
    theater__wasm_store *store;
    theater_engine_call_t *call; /* NULL when DONE or TRAPPED */
    theater__guest_phase phase;
    wasmtime_component_val_t *args;
    size_t args_count;
    wasmtime_component_val_t returned;

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

/* Sets the store's epoch callback, which asks its guest; in guest.c. */
void theater__guest_watch_epoch(theater__wasm_store *store);

/* The import callback of the linker ends here; in guest.c. Returns an error that traps, or NULL. If
 * guest->waiting is set afterwards, out_result is kept until it is not. */
wasmtime_error_t *theater__guest_import(theater__guest *guest, uint32_t import_index,
                                        const wasmtime_component_val_t *args, size_t args_count,
                                        wasmtime_component_val_t *out_result);

#endif
