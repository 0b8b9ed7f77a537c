/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening: digest, cache, else compile and keep, then load the code (mapped from the file, so that
 * all processes share it) and read the lists.
 */
#include "component.h"

#include "cache.h"
#include "compile.h"
#include "settings.h"
#include "trap.h"
#include "wasm_store.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Compiled code larger than this is not loaded for the pool: stock components of that size gain
 * nothing there (the figures are those of CPython and StarlingMonkey, 33 MB each). */
#define POOLED_CODE_BYTES_MAX ((off_t)16 << 20)

/*
 * Maps the code behind a descriptor: through /proc, so that it is the very file that was checked.
 * For the pool as well, if it fits into a slot.
 */
static wasmtime_error_t *load(theater__component *component, int file)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    const theater__engine *engine = component->engine;
    theater__loaded *loaded = component->loaded;
    wasmtime_error_t *error = wasmtime_component_deserialize_file(
        engine->wasm[THEATER__WAY_ON_DEMAND], path, &loaded[THEATER__WAY_ON_DEMAND].wasm);
    struct stat status;
    if (error != NULL || engine->wasm[THEATER__WAY_POOLED] == NULL || fstat(file, &status) != 0 ||
        status.st_size > POOLED_CODE_BYTES_MAX) {
        return error;
    }
    wasmtime_error_t *misfit = wasmtime_component_deserialize_file(
        engine->wasm[THEATER__WAY_POOLED], path, &loaded[THEATER__WAY_POOLED].wasm);
    if (misfit != NULL) {
        loaded[THEATER__WAY_POOLED].wasm = NULL;
        wasmtime_error_delete(misfit);
    }
    return NULL;
}

/* True if the cache had an entry that Wasmtime accepts. */
static bool load_cached(theater__component *component)
{
    int file = theater__cache_find(component->engine, &component->digest);
    if (file < 0) {
        return false;
    }
    wasmtime_error_t *error = load(component, file);
    close(file);
    if (error == NULL) {
        return true;
    }
    theater_error reason = THEATER_ERROR_INIT;
    theater__trap_fail(error, THEATER_ERR_CORRUPT, "compile cache entry refused", &reason);
    theater__log_write(&component->engine->log, THEATER_LOG_WARNING, "%s; compiling again",
                       reason.message);
    return false;
}

static theater_status load_compiled(theater__component *component, const uint8_t *data, size_t size,
                                    theater_error *err)
{
    int file = -1;
    size_t code_size = 0;
    theater_status status = theater__compile(component->engine, data, size, &file, &code_size, err);
    if (status != THEATER_OK) {
        return status;
    }
    void *code = MAP_FAILED;
    if (component->engine->cache_directory != NULL) {
        code = mmap(NULL, code_size, PROT_READ, MAP_PRIVATE, file, 0);
    }
    if (code != MAP_FAILED) {
        theater__cache_store(component->engine, &component->digest, code, code_size);
        munmap(code, code_size);
    }
    wasmtime_error_t *error = load(component, file);
    close(file);
    if (error != NULL) {
        return theater__trap_fail(error, THEATER_ERR_ENGINE, "compiled code was refused", err);
    }
    return THEATER_OK;
}

theater_status theater__component_open(theater__engine *engine, const uint8_t *data, size_t size,
                                       theater__component **out_component, theater_error *err)
{
    THEATER_ASSERT(engine != NULL);
    THEATER_ASSERT(out_component != NULL);
    if (size == 0) {
        return theater__fail(err, THEATER_ERR_INVALID, "the component is empty");
    }
    if (size > THEATER__COMPONENT_BYTES_MAX) {
        return theater__fail(err, THEATER_ERR_LIMIT,
                             "the component has %zu bytes, more than %zu (limit "
                             "component_bytes_max)",
                             size, THEATER__COMPONENT_BYTES_MAX);
    }
    theater__component *component = theater__alloc_zeroed(1, sizeof *component);
    if (component == NULL) {
        return theater__fail_nomem(err);
    }
    component->engine = engine;
    engine->components_count++;
    theater_status status = theater__cache_hash(data, size, &component->digest, err);
    if (status == THEATER_OK && !load_cached(component)) {
        status = load_compiled(component, data, size, err);
    }
    if (status == THEATER_OK) {
        status = theater__component_describe(component, err);
    }
    if (status != THEATER_OK) {
        theater__component_close(component);
        return status;
    }
    *out_component = component;
    return THEATER_OK;
}

static void unload(theater__loaded *loaded, size_t exports_count)
{
    if (loaded->prepared != NULL) {
        theater_engine_prepared_delete(loaded->prepared);
    }
    for (size_t i = 0; i < exports_count; i++) {
        if (loaded->export_indexes[i] != NULL) {
            wasmtime_component_export_index_delete(loaded->export_indexes[i]);
        }
    }
    if (loaded->wasm != NULL) {
        wasmtime_component_delete(loaded->wasm);
    }
}

void theater__component_close(theater__component *component)
{
    if (component == NULL) {
        return;
    }
    THEATER_ASSERT(component->guests_count == 0);
    THEATER_ASSERT(component->engine->components_count > 0);
    theater__wasm_store_drop_spares(component);
    component->engine->components_count--;
    for (size_t way = 0; way < THEATER__WAYS; way++) {
        unload(&component->loaded[way], component->exports_count);
    }
    for (size_t i = 0; i < component->foreigns_count; i++) {
        if (component->foreigns[i].resource != NULL) {
            wasmtime_component_resource_type_delete(component->foreigns[i].resource);
        }
    }
    theater__arena_deinit(&component->arena);
    theater__free(component);
}

theater__digest theater__component_digest(const theater__component *component)
{
    return component->digest;
}

size_t theater__component_imports_count(const theater__component *component)
{
    return component->imports_count;
}

const theater__import *theater__component_import(const theater__component *component, size_t index)
{
    THEATER_ASSERT(index < component->imports_count);
    return &component->imports[index];
}

size_t theater__component_exports_count(const theater__component *component)
{
    return component->exports_count;
}

const theater__export *theater__component_export(const theater__component *component, size_t index)
{
    THEATER_ASSERT(index < component->exports_count);
    return &component->exports[index];
}

/* True if text begins with the interface's name, with or without its version; *out_size is how much
 * of text that took. */
static bool begins_with_interface(const char *text, theater_text interface, size_t *out_size)
{
    const char *version = memchr(interface.data, '@', interface.size);
    size_t bare = version != NULL ? (size_t)(version - interface.data) : interface.size;
    const size_t sizes[] = {interface.size, bare};
    for (size_t i = 0; i < 2; i++) {
        bool same = strncmp(text, interface.data, sizes[i]) == 0;
        if (same && (text[sizes[i]] == '.' || text[sizes[i]] == '#')) {
            *out_size = sizes[i] + 1;
            return true;
        }
    }
    return false;
}

static bool is_named(const theater__export *export, const char *name)
{
    size_t skip = 0;
    if (export->interface.size > 0 && !begins_with_interface(name, export->interface, &skip)) {
        return false;
    }
    return strlen(name + skip) == export->name.size &&
           memcmp(name + skip, export->name.data, export->name.size) == 0;
}

static theater_status fail_listing(const theater__component *component, const char *name,
                                   theater_error *err)
{
    char list[THEATER_ERROR_MESSAGE_MAX] = "";
    size_t used = 0;
    for (size_t i = 0; i < component->exports_count && used < sizeof list; i++) {
        const theater__export *export = &component->exports[i];
        int size = snprintf(list + used, sizeof list - used, "%s%.*s%s%.*s", i > 0 ? ", " : "",
                            (int)export->interface.size, export->interface.data,
                            export->interface.size > 0 ? "." : "", (int)export->name.size,
                            export->name.data);
        used += size > 0 ? (size_t)size : 0;
    }
    return theater__fail(err, THEATER_ERR_NOTFOUND, "no exported function '%s'; there %s: %s", name,
                         component->exports_count == 1 ? "is" : "are",
                         component->exports_count > 0 ? list : "none");
}

theater_status theater__component_find_export(const theater__component *component, const char *name,
                                              size_t *out_index, theater_error *err)
{
    THEATER_ASSERT(name != NULL);
    THEATER_ASSERT(out_index != NULL);
    for (size_t i = 0; i < component->exports_count; i++) {
        if (is_named(&component->exports[i], name)) {
            *out_index = i;
            return THEATER_OK;
        }
    }
    return fail_listing(component, name, err);
}
