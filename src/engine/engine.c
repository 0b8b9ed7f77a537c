/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine of one host: Wasmtime's own, where the compile cache lies, and the epoch.
 */
#include <engine/engine.h>

#include "cache.h"
#include "internal.h"
#include "settings.h"
#include "trap.h"
#include "wasm_store.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* CPython (18 MB) takes 340 MB and 8 s here; the rest is for slower machines and larger guests. */
static const uint64_t COMPILE_MEMORY_DEFAULT = (uint64_t)4 << 30;
static const uint64_t COMPILE_CPU_S_DEFAULT = 120;

/* Enough for the guests that come and go beside a few hundred that stay; 4 ms to lay out. */
#define POOLED_GUESTS_DEFAULT 1024u
/* The kernel's own, if it does not say what it has. */
#define MAPS_DEFAULT 65530u
/* Memory maps that one slot can take: two for the stack from the beginning, up to three for each
 * memory and one for each table. */
#define MAPS_PER_SLOT (2u + 3u * THEATER__SLOT_MEMORIES + THEATER__SLOT_TABLES)
/* The part of vm.max_map_count that the pool may take: guests on demand need the most of it. */
#define MAPS_SHARE 4u

static theater_status copy_options(theater__engine *engine, const theater__engine_options *options,
                                   theater_error *err)
{
    engine->log = options->log;
    engine->compile_memory_max =
        options->compile_memory_max != 0 ? options->compile_memory_max : COMPILE_MEMORY_DEFAULT;
    engine->compile_cpu_s_max =
        options->compile_cpu_s_max != 0 ? options->compile_cpu_s_max : COMPILE_CPU_S_DEFAULT;
    if (options->compiler_path != NULL) {
        engine->compiler_path =
            theater__strndup(options->compiler_path, strlen(options->compiler_path));
        if (engine->compiler_path == NULL) {
            return theater__fail_nomem(err);
        }
    }
    if (options->cache_directory == NULL) {
        return THEATER_OK;
    }
    return theater__cache_path(options->cache_directory, &engine->cache_directory, err);
}

/* A pool that is too large is no error of the engine but ends the process, so it is sized here: by
 * the maps there are, and none where address space is rationed. */
static uint32_t pool_size(uint32_t wanted, uint32_t engines)
{
    struct rlimit space;
    if (wanted == THEATER__POOLED_GUESTS_NONE || getrlimit(RLIMIT_AS, &space) != 0 ||
        space.rlim_cur != RLIM_INFINITY) {
        return 0;
    }
    uint64_t room =
        theater__engine_maps_max() / MAPS_SHARE / MAPS_PER_SLOT / (engines != 0 ? engines : 1);
    /* For guests that are over, rounded up. */
    room -= (room + THEATER__WASM_STORE_OVER_SHARE) / (THEATER__WASM_STORE_OVER_SHARE + 1);
    uint32_t size = wanted != 0 ? wanted : POOLED_GUESTS_DEFAULT;
    return size < room ? size : (uint32_t)room;
}

/* Without a pool everything works, only slower. */
static void open_pool(theater__engine *engine, uint32_t wanted, uint32_t engines)
{
    uint32_t size = pool_size(wanted, engines);
    if (size == 0) {
        return;
    }
    wasmtime_error_t *error = NULL;
    uint32_t over_max = theater__wasm_store_over_max(size);
    /* A store that waits for a guest has a stack, and one at least that is over. */
    const theater__pool_size slots = {.guests = size + over_max, .stacks = size + over_max};
    engine->wasm[THEATER__WAY_POOLED] = theater__settings_engine(slots, &error);
    if (engine->wasm[THEATER__WAY_POOLED] != NULL) {
        engine->pooled_max = size;
        engine->over_max = over_max;
        return;
    }
    theater_error reason = THEATER_ERROR_INIT;
    theater__trap_fail(error, THEATER_ERR_ENGINE, "no pool for guests", &reason);
    theater__log_write(&engine->log, THEATER_LOG_WARNING, "%s; all are served on demand",
                       reason.message);
}

theater_status theater__engine_open(const theater__engine_options *options,
                                    theater__engine **out_engine, theater_error *err)
{
    THEATER_ASSERT(options != NULL);
    THEATER_ASSERT(out_engine != NULL);
    theater__engine *engine = theater__alloc_zeroed(1, sizeof *engine);
    if (engine == NULL) {
        return theater__fail_nomem(err);
    }
    theater_status status = copy_options(engine, options, err);
    if (status != THEATER_OK) {
        goto fail;
    }
    wasmtime_error_t *error = NULL;
    engine->wasm[THEATER__WAY_ON_DEMAND] = theater__settings_engine(THEATER__NO_POOL, &error);
    if (engine->wasm[THEATER__WAY_ON_DEMAND] == NULL) {
        status = theater__trap_fail(error, THEATER_ERR_ENGINE, "the engine did not start", err);
        goto fail;
    }
    open_pool(engine, options->pooled_guests_max, options->engines_count);
    *out_engine = engine;
    return THEATER_OK;
fail:
    theater__engine_close(engine);
    return status;
}

void theater__engine_close(theater__engine *engine)
{
    if (engine == NULL) {
        return;
    }
    THEATER_ASSERT(engine->components_count == 0);
    THEATER_ASSERT(engine->pooled_count == 0);
    THEATER_ASSERT(engine->spares_count == 0 && engine->over_count == 0);
    for (size_t way = 0; way < THEATER__WAYS; way++) {
        if (engine->wasm[way] != NULL) {
            wasm_engine_delete(engine->wasm[way]);
        }
    }
    theater__free(engine->cache_directory);
    theater__free(engine->compiler_path);
    theater__free(engine);
}

void theater__engine_bump(theater__engine *engine)
{
    /* Atomic additions, hence allowed in any thread and in a signal handler. */
    wasmtime_engine_increment_epoch(engine->wasm[THEATER__WAY_ON_DEMAND]);
    if (engine->wasm[THEATER__WAY_POOLED] != NULL) {
        wasmtime_engine_increment_epoch(engine->wasm[THEATER__WAY_POOLED]);
    }
}

uint64_t theater__engine_maps_max(void)
{
    unsigned long long maps = MAPS_DEFAULT;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    if (file != NULL) {
        unsigned long long found = 0;
        maps = fscanf(file, "%llu", &found) == 1 && found > 0 ? found : maps;
        (void)fclose(file);
    }
    return maps;
}

uint32_t theater__engine_pooled_max(const theater__engine *engine)
{
    return engine->pooled_max;
}

uint32_t theater__engine_pooled(const theater__engine *engine)
{
    return engine->pooled_count;
}

const char *theater__engine_version(void)
{
    return THEATER__ENGINE_VERSION;
}

const char *theater__engine_semantics(void)
{
    return theater__settings_semantics();
}
