/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest has an instance of its own, always. Its store, in Wasmtime's sense, is what the instance
 * lives in: the code that is registered there, the stack that the guest runs on, a dozen of tables.
 * Making and taking down all that costs more than the instance itself, so a store whose guest has
 * come to its end serves the next one:
 *
 *     take ──> guest 1 ──leave──> spare ──take──> guest 2 ──leave──> spare … guest 8 ──> gone
 *                 └── trapped, or taken down amid its call ────────────────────────────────^
 *
 * What nobody can tell from it: the next guest is one of the same component under the same limits,
 * so what Wasmtime counts in a store (instances, memories, tables) is what the first one was found
 * to be allowed, and its memory and tables are its own. Handles are counted in a store, too, and
 * how many a guest leaves is its own affair: one that leaves any takes its store with it. The stack
 * is not cleared in between; no guest can read what it has not written there.
 *
 * A guest that is over stays in its store until the store goes, with its slot of the pool and its
 * memory. So this is for small guests in the pool alone: one that has more takes its store with it,
 * and all who are over hold the slots at most that the pool has beside those of the living.
 */
#include "wasm_store.h"

#include "settings.h"

#include <string.h>

uint32_t theater__wasm_store_over_max(uint32_t pooled_max)
{
    uint32_t share = pooled_max / THEATER__WASM_STORE_OVER_SHARE;
    return pooled_max == 0 || share > 0 ? share : 1;
}

static bool is_for(const theater__wasm_store *store, const theater__guest *guest)
{
    return store->component == guest->component &&
           memcmp(&store->limits, &guest->limits, sizeof store->limits) == 0;
}

static theater__wasm_store *remove_spare(theater__engine *engine, uint32_t index)
{
    theater__wasm_store *store = engine->spares[index];
    engine->spares_count--;
    memmove(&engine->spares[index], &engine->spares[index + 1],
            (engine->spares_count - index) * sizeof(engine->spares[0]));
    return store;
}

static theater__wasm_store *take_spare(theater__guest *guest)
{
    theater__engine *engine = guest->component->engine;
    /* The last one first: its stack is in the processor's cache. */
    for (uint32_t i = engine->spares_count; i > 0; i--) {
        if (is_for(engine->spares[i - 1], guest)) {
            return remove_spare(engine, i - 1);
        }
    }
    return NULL;
}

static void limit(theater__wasm_store *store)
{
    const theater_limits *limits = &store->limits;
    bool is_first = store->over_count == 0;
    store->growth = (theater_engine_limits_t){
        .memory_bytes_max = limits->memory_bytes_max,
        .table_elements_max = limits->table_elements_max,
        /* Numbers that only a component decides: the first guest was allowed them. */
        .instances_max = is_first ? limits->instances_max : UINT32_MAX,
        .tables_max = is_first ? limits->tables_max : UINT32_MAX,
        .memories_max = is_first ? limits->memories_max : UINT32_MAX,
    };
    if (store->over_count <= 1) { /* the numbers are read here, the rest at each growth */
        theater_engine_store_limit(store->wasm, &store->growth);
    }
}

static theater__wasm_store *make(theater__guest *guest)
{
    theater__wasm_store *store = theater__alloc_zeroed(1, sizeof *store);
    if (store == NULL) {
        return NULL;
    }
    store->component = guest->component;
    store->way = guest->way;
    store->limits = guest->limits;
    store->wasm = wasmtime_store_new(guest->component->engine->wasm[guest->way], store, NULL);
    theater_engine_store_handles_max(store->wasm, guest->limits.handles_max);
    theater__guest_watch_epoch(store);
    return store;
}

theater__wasm_store *theater__wasm_store_take(theater__guest *guest)
{
    theater__wasm_store *store = guest->way == THEATER__WAY_POOLED ? take_spare(guest) : NULL;
    if (store == NULL) {
        store = make(guest);
    }
    if (store != NULL) {
        THEATER_ASSERT(store->guest == NULL);
        store->guest = guest;
        limit(store);
    }
    return store;
}

static void drop(theater__wasm_store *store)
{
    theater__engine *engine = store->component->engine;
    THEATER_ASSERT(engine->over_count >= store->over_count);
    engine->over_count -= store->over_count;
    wasmtime_store_delete(store->wasm);
    theater__free(store);
}

/* Whom it has served is over, and the next one would not notice. */
static bool is_clean(const theater__wasm_store *store)
{
    return store->way == THEATER__WAY_POOLED && store->guest->phase == THEATER__PHASE_DONE &&
           store->growth.grown_bytes <= THEATER__WASM_STORE_GUEST_BYTES_MAX &&
           store->over_count + 1 < THEATER__WASM_STORE_GUESTS_MAX &&
           !theater_engine_store_has_handles(store->wasm);
}

static bool is_full(const theater__engine *engine)
{
    return engine->over_count >= engine->over_max ||
           engine->spares_count == THEATER__WASM_STORE_SPARES_MAX;
}

/* The one that was used least recently goes: it may be of a component that nobody calls now. */
static bool make_room(theater__engine *engine)
{
    while (is_full(engine) && engine->spares_count > 0) {
        drop(remove_spare(engine, 0));
    }
    return !is_full(engine);
}

void theater__wasm_store_leave(theater__guest *guest)
{
    theater__wasm_store *store = guest->store;
    theater__engine *engine = guest->component->engine;
    THEATER_ASSERT(store->guest == guest);
    THEATER_ASSERT(guest->call == NULL);
    guest->store = NULL;
    bool is_kept = is_clean(store) && make_room(engine);
    store->guest = NULL;
    if (!is_kept) {
        drop(store);
        return;
    }
    store->over_count++;
    engine->over_count++;
    engine->spares[engine->spares_count++] = store;
}

void theater__wasm_store_drop_spares(theater__component *component)
{
    theater__engine *engine = component->engine;
    for (uint32_t i = engine->spares_count; i > 0; i--) {
        if (engine->spares[i - 1]->component == component) {
            drop(remove_spare(engine, i - 1));
        }
    }
}
