/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The linker of a component is built from its own import list, one definition an import: a fixed
 * table of everything we know fails on real components, which import functions they never call.
 */
#include "internal.h"
#include "trap.h"
#include "types.h"
#include "wasm_store.h"

#include <stdio.h>
#include <string.h>

/* Names listed in a refusal; the rest is a number. */
#define NAMES_BYTES_MAX 150

/* ---- callbacks, on the guest's fiber --------------------------------------------------------- */

static theater__guest *guest_of(const wasmtime_context_t *context)
{
    const theater__wasm_store *store = wasmtime_context_get_data(context);
    THEATER_ASSERT(store->guest != NULL);
    return store->guest;
}

static wasmtime_error_t *on_import(void *env, wasmtime_context_t *context,
                                   const wasmtime_component_val_t *args, size_t args_count,
                                   wasmtime_component_val_t *out_result, const bool **out_waiting)
{
    const theater__binding *binding = env;
    theater__guest *guest = guest_of(context);
    wasmtime_error_t *error =
        theater__guest_import(guest, binding->import_index, args, args_count, out_result);
    if (guest->waiting) {
        *out_waiting = &guest->waiting;
    }
    return error;
}

static wasmtime_error_t *on_trap(void *env, wasmtime_context_t *context,
                                 const wasmtime_component_func_type_t *type,
                                 wasmtime_component_val_t *args, size_t args_count,
                                 wasmtime_component_val_t *results, size_t results_count)
{
    (void)type;
    (void)args;
    (void)args_count;
    (void)results;
    (void)results_count;
    const theater__binding *binding = env;
    const theater__import *import = &binding->component->imports[binding->import_index];
    return theater__trap_end(guest_of(context), THEATER__TRAP_GUEST,
                             "%.*s%s%.*s is not offered by this host", (int)import->interface.size,
                             import->interface.data, import->interface.size > 0 ? "." : "",
                             (int)import->name.size, import->name.data);
}

/* A resource of an interface that traps: no handle of it can come into being. */
static wasmtime_error_t *on_drop(void *env, wasmtime_context_t *context, uint32_t rep)
{
    (void)env;
    (void)context;
    (void)rep;
    return NULL;
}

/* ---- what is refused ------------------------------------------------------------------------- */

typedef struct refusal {
    char names[NAMES_BYTES_MAX];
    size_t used;
    size_t listed;
    size_t count;
} refusal;

static void refuse(refusal *refused, theater_text interface, theater_text name)
{
    refused->count++;
    size_t left = sizeof refused->names - refused->used;
    int size = snprintf(refused->names + refused->used, left, "%s%.*s%s%.*s",
                        refused->used > 0 ? ", " : "", (int)interface.size, interface.data,
                        interface.size > 0 ? "." : "", (int)name.size, name.data);
    if (size > 0 && ((size_t)size < left || refused->listed == 0)) {
        refused->used += (size_t)size < left ? (size_t)size : left - 1;
        refused->listed++;
    } else {
        refused->names[refused->used] = '\0'; /* whole names only, except for the first */
    }
}

/*
 * A resource whose interface serves nothing, in a component where something traps, can stay away.
 */
static bool may_be_absent(const theater__component *component, const theater__foreign *foreign,
                          const theater__import_mode *modes)
{
    bool traps = false;
    for (size_t i = 0; i < component->imports_count; i++) {
        bool same = component->imports[i].interface.data == foreign->interface.data;
        if (same && modes[i] != THEATER__IMPORT_TRAP) {
            return false;
        }
        traps = traps || modes[i] == THEATER__IMPORT_TRAP;
    }
    return traps && foreign->resource != NULL;
}

static theater_status check(const theater__component *component, const theater__import_mode *modes,
                            theater_error *err)
{
    refusal refused = {.used = 0, .listed = 0, .count = 0};
    for (size_t i = 0; i < component->imports_count; i++) {
        const theater__import *import = &component->imports[i];
        bool opaque = theater__types_params_have(&import->signature, THEATER__TRAIT_OPAQUE) ||
                      theater__types_result_has(&import->signature, THEATER__TRAIT_OPAQUE);
        if (modes[i] == THEATER__IMPORT_UNKNOWN || (opaque && modes[i] != THEATER__IMPORT_TRAP)) {
            refuse(&refused, import->interface, import->name);
        }
    }
    for (size_t i = 0; i < component->foreigns_count; i++) {
        const theater__foreign *foreign = &component->foreigns[i];
        if (!may_be_absent(component, foreign, modes)) {
            refuse(&refused, foreign->interface, foreign->name);
        }
    }
    if (refused.count == 0) {
        return THEATER_OK;
    }
    char more[32] = "";
    if (refused.count > refused.listed) {
        snprintf(more, sizeof more, " and %zu more", refused.count - refused.listed);
    }
    return theater__fail(err, THEATER_ERR_UNSUPPORTED,
                         "imports that this host does not offer: %s%s; register a handler, or let "
                         "them trap when called",
                         refused.names, more);
}

/* ---- definitions ----------------------------------------------------------------------------- */

typedef wasmtime_component_linker_instance_t linker_instance;

static wasmtime_error_t *define_function(theater__component *component, size_t index,
                                         linker_instance *into)
{
    theater_text name = component->imports[index].name;
    theater__binding *binding = &component->bindings[index];
    bool has_result = component->imports[index].signature.result != NULL;
    switch (component->modes[index]) {
    case THEATER__IMPORT_SYNC:
    case THEATER__IMPORT_ASYNC:
        return theater_engine_define(into, name.data, name.size, binding->flat_params, has_result,
                                     component->modes[index] == THEATER__IMPORT_ASYNC, on_import,
                                     binding);
    case THEATER__IMPORT_TRAP:
        return wasmtime_component_linker_instance_add_func(into, name.data, name.size, on_trap,
                                                           binding, NULL);
    case THEATER__IMPORT_UNKNOWN:
        break;
    }
    THEATER_UNREACHABLE("an unknown import was let through");
}

/* One definition a type: where other interfaces `use` it, Wasmtime finds the first. */
static wasmtime_error_t *define_resource(const theater__component *component, size_t index,
                                         linker_instance *into)
{
    const theater__foreign *foreign = &component->foreigns[index];
    for (size_t i = 0; i < index; i++) {
        const wasmtime_component_resource_type_t *seen = component->foreigns[i].resource;
        if (seen != NULL && wasmtime_component_resource_type_equal(seen, foreign->resource)) {
            return NULL;
        }
    }
    wasmtime_component_resource_type_t *type =
        wasmtime_component_resource_type_new_host((uint32_t)index);
    wasmtime_error_t *error = wasmtime_component_linker_instance_add_resource(
        into, foreign->name.data, foreign->name.size, type, on_drop, NULL, NULL);
    wasmtime_component_resource_type_delete(type);
    return error;
}

/* All that belongs to one interface. Texts of one interface are one text in the arena. */
static wasmtime_error_t *define_interface(theater__component *component, theater_text interface,
                                          linker_instance *into)
{
    wasmtime_error_t *error = NULL;
    for (size_t i = 0; error == NULL && i < component->foreigns_count; i++) {
        if (component->foreigns[i].interface.data == interface.data) {
            error = define_resource(component, i, into);
        }
    }
    for (size_t i = 0; error == NULL && i < component->imports_count; i++) {
        if (component->imports[i].interface.data == interface.data) {
            error = define_function(component, i, into);
        }
    }
    return error;
}

static wasmtime_error_t *open_interface(theater__component *component,
                                        wasmtime_component_linker_t *linker, theater_text interface)
{
    linker_instance *root = wasmtime_component_linker_root(linker);
    linker_instance *inner = NULL;
    wasmtime_error_t *error = NULL;
    if (interface.size == 0) {
        error = define_interface(component, interface, root);
    } else {
        error = wasmtime_component_linker_instance_add_instance(root, interface.data,
                                                                interface.size, &inner);
        if (error == NULL) {
            error = define_interface(component, interface, inner);
            wasmtime_component_linker_instance_delete(inner);
        }
    }
    wasmtime_component_linker_instance_delete(root);
    return error;
}

static wasmtime_error_t *define_all(theater__component *component,
                                    wasmtime_component_linker_t *linker)
{
    wasmtime_error_t *error = NULL;
    const char *done = NULL;
    /* Entries of one interface stand together, so a change of interface begins a new one. */
    for (size_t i = 0; error == NULL && i < component->imports_count; i++) {
        theater_text interface = component->imports[i].interface;
        if (interface.data != done) {
            error = open_interface(component, linker, interface);
            done = interface.data;
        }
    }
    for (size_t i = 0; error == NULL && i < component->foreigns_count; i++) {
        theater_text interface = component->foreigns[i].interface;
        bool has_functions = false;
        for (size_t k = 0; k < component->imports_count; k++) {
            has_functions = has_functions || component->imports[k].interface.data == interface.data;
        }
        bool first = i == 0 || component->foreigns[i - 1].interface.data != interface.data;
        if (first && !has_functions) {
            error = open_interface(component, linker, interface);
        }
    }
    return error;
}

/* The linker is only a means: what is prepared with it holds what it needs. */
static wasmtime_error_t *prepare(theater__component *component, theater__way way)
{
    theater__loaded *loaded = &component->loaded[way];
    wasmtime_component_linker_t *linker =
        wasmtime_component_linker_new(component->engine->wasm[way]);
    wasmtime_error_t *error = define_all(component, linker);
    if (error == NULL) {
        error = theater_engine_prepare(linker, loaded->wasm, &loaded->prepared);
    }
    wasmtime_component_linker_delete(linker);
    return error;
}

theater_status theater__component_link(theater__component *component,
                                       const theater__import_mode *modes, size_t modes_count,
                                       theater_error *err)
{
    THEATER_ASSERT(component->loaded[THEATER__WAY_ON_DEMAND].prepared == NULL);
    THEATER_ASSERT(modes_count == component->imports_count);
    theater_status status = check(component, modes, err);
    if (status != THEATER_OK) {
        return status;
    }
    for (size_t i = 0; i < modes_count; i++) {
        component->modes[i] = modes[i];
    }
    wasmtime_error_t *error = prepare(component, THEATER__WAY_ON_DEMAND);
    if (error == NULL && component->loaded[THEATER__WAY_POOLED].wasm != NULL) {
        error = prepare(component, THEATER__WAY_POOLED);
    }
    if (error != NULL) {
        return theater__trap_fail(error, THEATER_ERR_ENGINE, "the component was not linked", err);
    }
    return THEATER_OK;
}
