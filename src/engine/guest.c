/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call in an instance of its own. A poll runs the guest, instantiation and then the call, until
 * it ends, waits in an import, or gives way at an epoch:
 *
 *     RUNNING ──ready──> DONE
 *        └──────error──> TRAPPED
 *
 * A guest takes a slot of the pool if there is one and its limits are within what the slot has, or
 * is served on demand. That is decided once, before it runs: a pool cannot run out in the middle of
 * a guest, for a slot holds all that its component can ask for (engine.c, component.c).
 *
 * What a host call may move is limited twice. Each lift from the guest is charged to a fuel: a
 * string or list<u8> its bytes, any other list 40 bytes an item, whatever the item is. A fuel that
 * lets a list<bool> of the limit pass would let 40 times as much string pass; so the fuel is that
 * high only for components that can give us such a list at all, and a count of our own (values.h)
 * holds the limit that the user has set.
 */
#include "internal.h"
#include "settings.h"
#include "trap.h"
#include "types.h"
#include "values.h"
#include "wasm_store.h"

#include <string.h>

/* What the fuel charges an item of a list, a field and a payload. */
#define HOST_VALUE_BYTES 40u
/* A signature without lists has a few fields and payloads. */
#define FUEL_SLACK ((uint64_t)64 << 10)

static const wasmtime_component_val_t NO_VALUE = {.kind = WASMTIME_COMPONENT_BOOL,
                                                  .of = {.boolean = false}};

/* ---- on the guest's fiber -------------------------------------------------------------------- */

static wasmtime_error_t *on_epoch(wasmtime_context_t *context, void *userdata, uint64_t *out_delta,
                                  wasmtime_update_deadline_kind_t *out_kind)
{
    (void)context;
    theater__guest *guest = ((const theater__wasm_store *)userdata)->guest;
    THEATER_ASSERT(guest != NULL);
    /* Always one tick away: a longer deadline may be cached in a frame that loops for ever. */
    *out_delta = 1;
    *out_kind = WASMTIME_UPDATE_DEADLINE_CONTINUE;
    switch (guest->ops->epoch(guest->userdata)) {
    case THEATER__EPOCH_CONTINUE:
        return NULL;
    case THEATER__EPOCH_YIELD:
        *out_kind = WASMTIME_UPDATE_DEADLINE_YIELD;
        return NULL;
    case THEATER__EPOCH_END:
        break;
    }
    return theater__trap_end(guest, THEATER__TRAP_HOST, "ended by the host");
}

void theater__guest_watch_epoch(theater__wasm_store *store)
{
    wasmtime_store_epoch_deadline_callback(store->wasm, on_epoch, store, NULL);
}

static wasmtime_error_t *trap_convert(theater__guest *guest, const theater__import *import,
                                      theater__converted converted, const char *what)
{
    if (converted == THEATER__CONVERT_TOO_MUCH) {
        return theater__trap_end(guest, THEATER__TRAP_LIMIT, THEATER__MOVED_TEXT,
                                 guest->limits.host_call_bytes_max);
    }
    return theater__trap_end(guest, THEATER__TRAP_MACHINE, "%s of '%.*s' %s", what,
                             (int)import->name.size, import->name.data,
                             theater__converted_text(converted));
}

static theater__converted lift_args(theater__guest *guest, const theater__signature *signature,
                                    const wasmtime_component_val_t *args, size_t args_count,
                                    theater_value *out)
{
    theater__budget budget = theater__budget_of(guest->limits.host_call_bytes_max);
    theater__converted converted = THEATER__CONVERTED;
    for (size_t i = 0; converted == THEATER__CONVERTED && i < args_count; i++) {
        converted = theater__value_lift(signature->params[i].type, &args[i], &guest->arena, &budget,
                                        &out[i]);
    }
    return converted;
}

wasmtime_error_t *theater__guest_import(theater__guest *guest, uint32_t import_index,
                                        const wasmtime_component_val_t *args, size_t args_count,
                                        wasmtime_component_val_t *out_result)
{
    const theater__import *import = &guest->component->imports[import_index];
    THEATER_ASSERT(args_count == import->signature.params_count);
    THEATER_ASSERT(!guest->waiting);
    theater__arena_reset(&guest->arena);
    theater_value inline_values[THEATER__ARGS_INLINE];
    theater_value *values = inline_values;
    if (args_count > THEATER__ARGS_INLINE) {
        values = theater__arena_array(&guest->arena, args_count, sizeof *values);
        if (values == NULL) {
            return trap_convert(guest, import, THEATER__CONVERT_NOMEM, "an argument");
        }
    }
    theater__converted converted = lift_args(guest, &import->signature, args, args_count, values);
    if (converted != THEATER__CONVERTED) {
        return trap_convert(guest, import, converted, "an argument");
    }
    theater_value result = {0};
    theater_values given = {values, args_count};
    switch (guest->ops->import(guest->userdata, import_index, given, &result)) {
    case THEATER__IMPORT_RETURN:
        break;
    case THEATER__IMPORT_WAIT:
        THEATER_ASSERT(guest->component->modes[import_index] == THEATER__IMPORT_ASYNC);
        guest->waiting = true;
        guest->waiting_import = import_index;
        guest->waiting_result = import->signature.result != NULL ? out_result : NULL;
        return NULL;
    case THEATER__IMPORT_END:
        return theater__trap_end(guest, THEATER__TRAP_HOST, "ended by the host");
    }
    if (import->signature.result == NULL) {
        return NULL;
    }
    converted = theater__value_lower(import->signature.result, &result, out_result);
    if (converted != THEATER__CONVERTED) {
        return trap_convert(guest, import, converted, "the result");
    }
    return NULL;
}

/* ---- starting -------------------------------------------------------------------------------- */

static uint64_t times(uint64_t number, uint64_t factor)
{
    uint64_t product = 0;
    return __builtin_mul_overflow(number, factor, &product) ? UINT64_MAX : product;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    uint64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* What the call's own result may weigh: the state, and as much beside it as a host call. */
static uint64_t result_bytes_max(const theater__guest *guest)
{
    return plus(guest->limits.state_bytes_max, guest->limits.host_call_bytes_max);
}

static size_t fuel_of(const theater__guest *guest, const theater__signature *signature)
{
    uint64_t imports = times(guest->limits.host_call_bytes_max,
                             guest->component->import_takes_list ? HOST_VALUE_BYTES : 1);
    uint64_t result =
        times(result_bytes_max(guest),
              theater__types_result_has(signature, THEATER__TRAIT_LIST) ? HOST_VALUE_BYTES : 1);
    uint64_t fuel = plus(imports > result ? imports : result, FUEL_SLACK);
    return fuel < SIZE_MAX ? (size_t)fuel : SIZE_MAX;
}

static void copy_limits(theater__guest *guest, const theater_limits *limits)
{
    /* A caller of an older version has a shorter struct: the rest keeps its defaults. */
    static const theater_limits DEFAULTS = THEATER_LIMITS_INIT;
    guest->limits = DEFAULTS;
    size_t size = limits->struct_size < sizeof *limits ? limits->struct_size : sizeof *limits;
    memcpy(&guest->limits, limits, size);
}

static theater_status copy_args(theater__guest *guest, const theater__signature *signature,
                                theater_values args, theater_error *err)
{
    guest->args = theater__alloc_zeroed(args.count > 0 ? args.count : 1, sizeof *guest->args);
    if (guest->args == NULL) {
        return theater__fail_nomem(err);
    }
    for (size_t i = 0; i < args.count; i++) {
        guest->args[i] = NO_VALUE;
        guest->args_count = i + 1;
        theater__converted converted =
            theater__value_lower(signature->params[i].type, &args.data[i], &guest->args[i]);
        if (converted != THEATER__CONVERTED) {
            return theater__fail(err, THEATER_ERR_INVALID, "parameter '%.*s' %s",
                                 (int)signature->params[i].name.size,
                                 signature->params[i].name.data,
                                 theater__converted_text(converted));
        }
    }
    return THEATER_OK;
}

static theater_status check_callable(const theater__export *export, theater_values args,
                                     theater_error *err)
{
    if (theater__types_params_have(&export->signature, THEATER__TRAIT_OPAQUE) ||
        theater__types_result_has(&export->signature, THEATER__TRAIT_OPAQUE)) {
        return theater__fail(err, THEATER_ERR_UNSUPPORTED,
                             "'%.*s' cannot be called from outside: its signature has resources",
                             (int)export->name.size, export->name.data);
    }
    if (args.count != export->signature.params_count) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "'%.*s' takes %zu parameters, %zu were given", (int)export->name.size,
                             export->name.data, export->signature.params_count, args.count);
    }
    return THEATER_OK;
}

static bool fits_slot(const theater_limits *limits)
{
    return limits->memory_bytes_max <= THEATER__SLOT_MEMORY_BYTES &&
           limits->table_elements_max <= THEATER__SLOT_TABLE_ELEMENTS;
}

static void take_way(theater__guest *guest)
{
    const theater__component *component = guest->component;
    theater__engine *engine = component->engine;
    if (component->loaded[THEATER__WAY_POOLED].prepared != NULL &&
        engine->pooled_count < engine->pooled_max && fits_slot(&guest->limits)) {
        guest->way = THEATER__WAY_POOLED;
        engine->pooled_count++;
    }
}

static void leave_way(const theater__guest *guest)
{
    theater__engine *engine = guest->component->engine;
    if (guest->way == THEATER__WAY_POOLED) {
        THEATER_ASSERT(engine->pooled_count > 0);
        engine->pooled_count--;
    }
}

static theater_status open_store(theater__guest *guest, const theater__signature *signature,
                                 theater_error *err)
{
    const theater__loaded *loaded = &guest->component->loaded[guest->way];
    guest->store = theater__wasm_store_take(guest);
    if (guest->store == NULL) {
        return theater__fail_nomem(err);
    }
    theater_engine_store_host_call_fuel(guest->store->wasm, fuel_of(guest, signature));
    wasmtime_context_t *context = wasmtime_store_context(guest->store->wasm);
    wasmtime_context_set_epoch_deadline(context, 1);
    guest->call =
        theater_engine_call_new(loaded->prepared, loaded->export_indexes[guest->export_index],
                                context, guest->args, guest->args_count);
    return THEATER_OK;
}

theater_status theater__guest_start(theater__component *component, size_t export_index,
                                    theater_values args, const theater_limits *limits,
                                    const theater__guest_ops *ops, void *userdata,
                                    theater__guest **out_guest, theater_error *err)
{
    THEATER_ASSERT(component->loaded[THEATER__WAY_ON_DEMAND].prepared != NULL);
    THEATER_ASSERT(export_index < component->exports_count);
    THEATER_ASSERT(ops->import != NULL && ops->epoch != NULL);
    const theater__export *export = &component->exports[export_index];
    theater_status status = check_callable(export, args, err);
    if (status != THEATER_OK) {
        return status;
    }
    theater__guest *guest = theater__alloc_zeroed(1, sizeof *guest);
    if (guest == NULL) {
        return theater__fail_nomem(err);
    }
    guest->component = component;
    guest->export_index = export_index;
    guest->ops = ops;
    guest->userdata = userdata;
    guest->returned = NO_VALUE;
    component->guests_count++;
    copy_limits(guest, limits);
    take_way(guest);
    status = copy_args(guest, &export->signature, args, err);
    if (status == THEATER_OK) {
        status = open_store(guest, &export->signature, err);
    }
    if (status != THEATER_OK) {
        theater__guest_delete(guest);
        return status;
    }
    *out_guest = guest;
    return THEATER_OK;
}

/* ---- polling --------------------------------------------------------------------------------- */

static theater__guest_status end_trapped(theater__guest *guest, wasmtime_error_t *error)
{
    theater__trap_of(guest, error);
    guest->phase = THEATER__PHASE_TRAPPED;
    return THEATER__GUEST_TRAPPED;
}

static theater__guest_status finish(theater__guest *guest)
{
    const theater__type *type = guest->component->exports[guest->export_index].signature.result;
    if (type != NULL) {
        theater__arena_reset(&guest->arena);
        theater__budget budget = theater__budget_of(result_bytes_max(guest));
        theater__converted converted =
            theater__value_lift(type, &guest->returned, &guest->arena, &budget, &guest->result);
        if (converted != THEATER__CONVERTED) {
            bool large = converted == THEATER__CONVERT_TOO_MUCH;
            return end_trapped(
                guest,
                theater__trap_end(guest, large ? THEATER__TRAP_LIMIT : THEATER__TRAP_MACHINE,
                                  "the call's result %s", theater__converted_text(converted)));
        }
    }
    guest->phase = THEATER__PHASE_DONE;
    return THEATER__GUEST_DONE;
}

theater__guest_status theater__guest_poll(theater__guest *guest)
{
    THEATER_ASSERT(guest->phase == THEATER__PHASE_RUNNING);
    THEATER_ASSERT(guest->call != NULL);
    if (guest->waiting) {
        return THEATER__GUEST_WAITING;
    }
    wasmtime_error_t *error = NULL;
    if (!theater_engine_call_poll(guest->call, &guest->returned, &error)) {
        return guest->waiting ? THEATER__GUEST_WAITING : THEATER__GUEST_YIELDED;
    }
    theater_engine_call_delete(guest->call);
    guest->call = NULL;
    return error != NULL ? end_trapped(guest, error) : finish(guest);
}

theater_status theater__guest_complete(theater__guest *guest, const theater_value *result,
                                       theater_error *err)
{
    THEATER_ASSERT(guest->waiting);
    THEATER_ASSERT(guest->call != NULL);
    const theater__import *import = &guest->component->imports[guest->waiting_import];
    THEATER_ASSERT((guest->waiting_result != NULL) == (import->signature.result != NULL));
    if (guest->waiting_result != NULL) {
        if (result == NULL) {
            return theater__fail(err, THEATER_ERR_INVALID, "'%.*s' has a result; none was given",
                                 (int)import->name.size, import->name.data);
        }
        theater__converted converted =
            theater__value_lower(import->signature.result, result, guest->waiting_result);
        if (converted != THEATER__CONVERTED) {
            wasmtime_component_val_delete(guest->waiting_result);
            *guest->waiting_result = NO_VALUE;
            return theater__fail(err, THEATER_ERR_INVALID, "the result of '%.*s' %s",
                                 (int)import->name.size, import->name.data,
                                 theater__converted_text(converted));
        }
    }
    guest->waiting = false;
    guest->waiting_result = NULL;
    return THEATER_OK;
}

const theater_value *theater__guest_result(const theater__guest *guest)
{
    THEATER_ASSERT(guest->phase == THEATER__PHASE_DONE);
    const theater__export *export = &guest->component->exports[guest->export_index];
    return export->signature.result != NULL ? &guest->result : NULL;
}

theater__trap theater__guest_trap(const theater__guest *guest)
{
    THEATER_ASSERT(guest->phase == THEATER__PHASE_TRAPPED);
    THEATER_ASSERT(guest->trap.kind != 0);
    return guest->trap;
}

bool theater__guest_is_pooled(const theater__guest *guest)
{
    return guest->way == THEATER__WAY_POOLED;
}

void theater__guest_delete(theater__guest *guest)
{
    if (guest == NULL) {
        return;
    }
    THEATER_ASSERT(guest->component->guests_count > 0);
    guest->component->guests_count--;
    /* The call first: it borrows all the rest, and unwinds the fiber it is suspended in. */
    if (guest->call != NULL) {
        theater_engine_call_delete(guest->call);
        guest->call = NULL;
    }
    wasmtime_component_val_delete(&guest->returned);
    for (size_t i = 0; i < guest->args_count; i++) {
        wasmtime_component_val_delete(&guest->args[i]);
    }
    theater__free(guest->args);
    if (guest->store != NULL) {
        theater__wasm_store_leave(guest);
    }
    leave_way(guest);
    theater__arena_deinit(&guest->arena);
    theater__free(guest);
}
