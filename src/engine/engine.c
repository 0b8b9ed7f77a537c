/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine of one host: Wasmtime's own, where the compile cache lies, and the epoch.
 */
#include <engine/engine.h>

#include "cache.h"
#include "internal.h"
#include "settings.h"
#include "trap.h"

#include <string.h>

/* CPython (18 MB) takes 340 MB and 8 s here; the rest is for slower machines and larger guests. */
static const uint64_t COMPILE_MEMORY_DEFAULT = (uint64_t)4 << 30;
static const uint64_t COMPILE_CPU_S_DEFAULT = 120;

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
    engine->wasm = theater__settings_engine(&error);
    if (engine->wasm == NULL) {
        status = theater__trap_fail(error, THEATER_ERR_ENGINE, "the engine did not start", err);
        goto fail;
    }
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
    if (engine->wasm != NULL) {
        wasm_engine_delete(engine->wasm);
    }
    theater__free(engine->cache_directory);
    theater__free(engine->compiler_path);
    theater__free(engine);
}

void theater__engine_bump(theater__engine *engine)
{
    /* One atomic addition, hence allowed in any thread and in a signal handler. */
    wasmtime_engine_increment_epoch(engine->wasm);
}

const char *theater__engine_version(void)
{
    return THEATER__ENGINE_VERSION;
}

const char *theater__engine_semantics(void)
{
    return theater__settings_semantics();
}
