/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The import and export lists of a component, flattened: one entry a function, with the interface
 * it belongs to. Wasmtime numbers items but has no iterator, so the lists are walked twice, once to
 * count and once to fill.
 *
 *   import item ─┬─ function                  interface ""
 *                ├─ instance ─┬─ function     interface "ntwk:theater/timing"
 *                │            ├─ resource     a foreign
 *                │            └─ type         nothing to serve
 *                └─ module, component         a foreign
 */
#include "component.h"

#include "types.h"

#include <string.h>

/* What a walk does with each leaf of a list; interface.size 0 at the root. */
typedef struct visitor {
    theater__component *component;
    theater__type_builder types;
    bool filling; /* else counting */
    bool exports; /* else imports */
    size_t functions;
    size_t foreigns;
} visitor;

typedef wasmtime_component_item_t item;

/* The index of an export in one engine's component; they are not interchangeable. */
static theater_status fill_index(const wasmtime_component_t *component, const theater__export *out,
                                 wasmtime_component_export_index_t **out_index, theater_error *err)
{
    wasmtime_component_export_index_t *outer = NULL;
    if (out->interface.size > 0) {
        outer = wasmtime_component_get_export_index(component, NULL, out->interface.data,
                                                    out->interface.size);
    }
    *out_index =
        wasmtime_component_get_export_index(component, outer, out->name.data, out->name.size);
    if (outer != NULL) {
        wasmtime_component_export_index_delete(outer);
    }
    if (*out_index == NULL) {
        return theater__fail(err, THEATER_ERR_ENGINE, "the export '%.*s' has no index",
                             (int)out->name.size, out->name.data);
    }
    return THEATER_OK;
}

static theater_status fill_export(theater__component *component, size_t index, theater_error *err)
{
    theater_status status = THEATER_OK;
    for (size_t way = 0; status == THEATER_OK && way < THEATER__WAYS; way++) {
        const theater__loaded *loaded = &component->loaded[way];
        if (loaded->wasm != NULL) {
            status = fill_index(loaded->wasm, &component->exports[index],
                                &loaded->export_indexes[index], err);
        }
    }
    return status;
}

static theater_status visit_function(visitor *visit, theater_text interface, theater_text name,
                                     const item *found, theater_error *err)
{
    theater__component *component = visit->component;
    size_t index = visit->functions++;
    if (!visit->filling) {
        return THEATER_OK;
    }
    theater__signature signature;
    theater_status status =
        theater__types_signature(&visit->types, found->of.component_func, &signature, err);
    theater_text kept = theater__types_text(&component->arena, name.data, name.size);
    if (status != THEATER_OK || kept.data == NULL) {
        return status != THEATER_OK ? status : theater__fail_nomem(err);
    }
    if (visit->exports) {
        component->exports[index] = (theater__export){interface, kept, signature};
        component->exports_count = index + 1;
        return fill_export(component, index, err);
    }
    component->imports[index] = (theater__import){interface, kept, signature};
    component->bindings[index] = (theater__binding){
        component, (uint32_t)index, theater_engine_flat_params(found->of.component_func)};
    component->imports_count = index + 1;
    component->import_takes_list =
        component->import_takes_list || theater__types_params_have(&signature, THEATER__TRAIT_LIST);
    return THEATER_OK;
}

static theater_status visit_foreign(visitor *visit, theater_text interface, theater_text name,
                                    const item *found, theater_error *err)
{
    theater__component *component = visit->component;
    size_t index = visit->foreigns++;
    if (!visit->filling || visit->exports) {
        return THEATER_OK;
    }
    theater_text kept = theater__types_text(&component->arena, name.data, name.size);
    if (kept.data == NULL) {
        return theater__fail_nomem(err);
    }
    bool resource = found->kind == WASMTIME_COMPONENT_ITEM_RESOURCE;
    component->foreigns[index] = (theater__foreign){
        .interface = interface,
        .name = kept,
        .resource = resource ? wasmtime_component_resource_type_clone(found->of.resource) : NULL,
    };
    component->foreigns_count = index + 1;
    return THEATER_OK;
}

static theater_status visit_leaf(visitor *visit, theater_text interface, theater_text name,
                                 const item *found, theater_error *err)
{
    switch (found->kind) {
    case WASMTIME_COMPONENT_ITEM_COMPONENT_FUNC:
        return visit_function(visit, interface, name, found, err);
    case WASMTIME_COMPONENT_ITEM_TYPE:
        return THEATER_OK;
    default:
        return visit_foreign(visit, interface, name, found, err);
    }
}

static theater_status visit_instance(visitor *visit, theater_text name, const item *found,
                                     theater_error *err)
{
    const wasm_engine_t *engine = visit->component->engine->wasm[THEATER__WAY_ON_DEMAND];
    const wasmtime_component_instance_type_t *instance = found->of.component_instance;
    theater_text interface = name;
    if (visit->filling) {
        interface = theater__types_text(&visit->component->arena, name.data, name.size);
        if (interface.data == NULL) {
            return theater__fail_nomem(err);
        }
    }
    size_t count = wasmtime_component_instance_type_export_count(instance, engine);
    theater_status status = THEATER_OK;
    for (size_t i = 0; status == THEATER_OK && i < count; i++) {
        theater_text inner_name = {NULL, 0};
        item inner;
        (void)wasmtime_component_instance_type_export_nth(instance, engine, i, &inner_name.data,
                                                          &inner_name.size, &inner);
        status = visit_leaf(visit, interface, inner_name, &inner, err);
        wasmtime_component_item_delete(&inner);
    }
    return status;
}

static theater_status visit_all(visitor *visit, const wasmtime_component_type_t *type,
                                theater_error *err)
{
    const wasm_engine_t *engine = visit->component->engine->wasm[THEATER__WAY_ON_DEMAND];
    visit->functions = 0;
    visit->foreigns = 0;
    size_t count = visit->exports ? wasmtime_component_type_export_count(type, engine)
                                  : wasmtime_component_type_import_count(type, engine);
    theater_status status = THEATER_OK;
    for (size_t i = 0; status == THEATER_OK && i < count; i++) {
        theater_text name = {NULL, 0};
        item found;
        if (visit->exports) {
            (void)wasmtime_component_type_export_nth(type, engine, i, &name.data, &name.size,
                                                     &found);
        } else {
            (void)wasmtime_component_type_import_nth(type, engine, i, &name.data, &name.size,
                                                     &found);
        }
        status = found.kind == WASMTIME_COMPONENT_ITEM_COMPONENT_INSTANCE
                     ? visit_instance(visit, name, &found, err)
                     : visit_leaf(visit, (theater_text){"", 0}, name, &found, err);
        wasmtime_component_item_delete(&found);
    }
    return status;
}

static bool make_room(theater__component *component, const visitor *counted)
{
    theater__arena *arena = &component->arena;
    size_t count = counted->functions;
    if (counted->exports) {
        component->exports = theater__arena_array(arena, count, sizeof *component->exports);
        bool complete = component->exports != NULL;
        for (size_t way = 0; way < THEATER__WAYS; way++) {
            component->loaded[way].export_indexes =
                theater__arena_array(arena, count, sizeof(wasmtime_component_export_index_t *));
            complete = complete && component->loaded[way].export_indexes != NULL;
        }
        return complete;
    }
    component->imports = theater__arena_array(arena, count, sizeof *component->imports);
    component->modes = theater__arena_array(arena, count, sizeof *component->modes);
    component->bindings = theater__arena_array(arena, count, sizeof *component->bindings);
    component->foreigns =
        theater__arena_array(arena, counted->foreigns, sizeof *component->foreigns);
    return component->imports != NULL && component->modes != NULL && component->bindings != NULL &&
           component->foreigns != NULL;
}

static theater_status describe_list(visitor *visit, const wasmtime_component_type_t *type,
                                    theater_error *err)
{
    visit->filling = false;
    theater_status status = visit_all(visit, type, err);
    if (status != THEATER_OK) {
        return status;
    }
    if (visit->functions + visit->foreigns > THEATER__FUNCTIONS_MAX) {
        return theater__fail(err, THEATER_ERR_LIMIT,
                             "the component %s %zu functions, more than %u (limit functions_max)",
                             visit->exports ? "exports" : "imports",
                             visit->functions + visit->foreigns, THEATER__FUNCTIONS_MAX);
    }
    if (!make_room(visit->component, visit)) {
        return theater__fail_nomem(err);
    }
    visit->filling = true;
    return visit_all(visit, type, err);
}

theater_status theater__component_describe(theater__component *component, theater_error *err)
{
    const wasmtime_component_t *wasm = component->loaded[THEATER__WAY_ON_DEMAND].wasm;
    THEATER_ASSERT(wasm != NULL);
    wasmtime_component_type_t *type = wasmtime_component_type(wasm);
    visitor visit = {.component = component, .types = {&component->arena, 0}};
    theater_status status = describe_list(&visit, type, err);
    if (status == THEATER_OK) {
        visit.exports = true;
        status = describe_list(&visit, type, err);
    }
    wasmtime_component_type_delete(type);
    return status;
}
