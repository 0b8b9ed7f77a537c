/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both directions walk type and value together, with a stack of our own: a frame is an array of
 * values that is being filled. The depth is the type's, and types are cut at
 * THEATER__VALUE_DEPTH_MAX (types.c).
 *
 *   frame of  list<T>      n values of type T
 *             record       n values, each of its field's type, in entries with a name
 *             some(x), ok(x), case(x)     one value
 *
 * The memory that Wasmtime frees is Wasmtime's: arrays and strings for it come from its functions.
 * It trusts what it is given and aborts the process on bad UTF-8 or a char that is none, so all of
 * that is checked here.
 */
#include "values.h"

#include <base/value.h>
#include <string.h>

static const size_t DEPTH = THEATER__VALUE_DEPTH_MAX + 1;

const char *theater__converted_text(theater__converted converted)
{
    switch (converted) {
    case THEATER__CONVERTED:
        return "fits";
    case THEATER__CONVERT_MISMATCH:
        return "is not of its type";
    case THEATER__CONVERT_TOO_MUCH:
        return "is too large";
    case THEATER__CONVERT_NOMEM:
        break;
    }
    return "had no memory";
}

/* The type of the index-th value in a frame. */
static const theater__type *item_type(const theater__type *type, const theater__type *single,
                                      size_t index)
{
    if (single != NULL) {
        return single;
    }
    return type->kind == THEATER_VALUE_LIST ? type->members[0].type : type->members[index].type;
}

/* The index of the member with this name, or members_count. */
static size_t find_member(const theater__type *type, theater_text name)
{
    for (size_t i = 0; i < type->members_count; i++) {
        const theater_text *known = &type->members[i].name;
        if (known->size == name.size && memcmp(known->data, name.data, name.size) == 0) {
            return i;
        }
    }
    return type->members_count;
}

/* What Wasmtime calls a kind; 255 for none. */
static wasmtime_component_valkind_t wasm_kind(theater_value_kind kind)
{
    static const uint8_t KINDS[] = {
        [0] = 255,
        [THEATER_VALUE_BOOL] = WASMTIME_COMPONENT_BOOL,
        [THEATER_VALUE_S8] = WASMTIME_COMPONENT_S8,
        [THEATER_VALUE_U8] = WASMTIME_COMPONENT_U8,
        [THEATER_VALUE_S16] = WASMTIME_COMPONENT_S16,
        [THEATER_VALUE_U16] = WASMTIME_COMPONENT_U16,
        [THEATER_VALUE_S32] = WASMTIME_COMPONENT_S32,
        [THEATER_VALUE_U32] = WASMTIME_COMPONENT_U32,
        [THEATER_VALUE_S64] = WASMTIME_COMPONENT_S64,
        [THEATER_VALUE_U64] = WASMTIME_COMPONENT_U64,
        [THEATER_VALUE_F32] = WASMTIME_COMPONENT_F32,
        [THEATER_VALUE_F64] = WASMTIME_COMPONENT_F64,
        [THEATER_VALUE_CHAR] = WASMTIME_COMPONENT_CHAR,
        [THEATER_VALUE_STRING] = WASMTIME_COMPONENT_STRING,
        [THEATER_VALUE_BYTES] = WASMTIME_COMPONENT_STRING, /* see theater_engine.h */
        [THEATER_VALUE_LIST] = WASMTIME_COMPONENT_LIST,
        [THEATER_VALUE_TUPLE] = WASMTIME_COMPONENT_TUPLE,
        [THEATER_VALUE_RECORD] = WASMTIME_COMPONENT_RECORD,
        [THEATER_VALUE_VARIANT] = WASMTIME_COMPONENT_VARIANT,
        [THEATER_VALUE_ENUM] = WASMTIME_COMPONENT_ENUM,
        [THEATER_VALUE_OPTION] = WASMTIME_COMPONENT_OPTION,
        [THEATER_VALUE_RESULT] = WASMTIME_COMPONENT_RESULT,
        [THEATER_VALUE_FLAGS] = WASMTIME_COMPONENT_FLAGS,
    };
    return (size_t)kind < sizeof KINDS ? KINDS[kind] : 255;
}

/* ---- from the guest -------------------------------------------------------------------------- */

typedef struct lift_frame {
    const theater__type *type;
    const theater__type *single; /* of the one value of some, ok, err, a case */
    const char *from;            /* the first wasmtime_component_val_t */
    size_t stride;
    size_t count;
    size_t next;
    theater_value *to;
} lift_frame;

typedef struct lifting {
    theater__arena *arena;
    theater__budget *budget;
    lift_frame frames[THEATER__VALUE_DEPTH_MAX + 1];
    size_t depth;
} lifting;

static bool spend(theater__budget *budget, uint64_t bytes)
{
    if (bytes > budget->bytes) {
        return false;
    }
    budget->bytes -= bytes;
    return true;
}

static theater__converted lift_items(lifting *state, const theater__type *type,
                                     const theater__type *single, const void *from, size_t stride,
                                     size_t count, theater_value *out)
{
    out->of.items = (theater_values){NULL, count};
    if (count == 0) {
        return THEATER__CONVERTED;
    }
    if (count > state->budget->items || state->depth == DEPTH) {
        return THEATER__CONVERT_TOO_MUCH;
    }
    state->budget->items -= count;
    theater_value *items = theater__arena_array(state->arena, count, sizeof *items);
    if (items == NULL) {
        return THEATER__CONVERT_NOMEM;
    }
    out->of.items.data = items;
    state->frames[state->depth++] =
        (lift_frame){type, single, (const char *)from, stride, count, 0, items};
    return THEATER__CONVERTED;
}

static theater__converted lift_bytes(lifting *state, const wasm_byte_vec_t *bytes,
                                     theater_value *out)
{
    out->of.bytes = (theater_bytes){(const uint8_t *)bytes->data, bytes->size};
    return spend(state->budget, bytes->size) ? THEATER__CONVERTED : THEATER__CONVERT_TOO_MUCH;
}

static theater__converted lift_flags(lifting *state, const wasmtime_component_valflags_t *flags,
                                     theater_value *out)
{
    theater_value *items = theater__arena_array(state->arena, flags->size, sizeof *items);
    if (items == NULL) {
        return THEATER__CONVERT_NOMEM;
    }
    for (size_t i = 0; i < flags->size; i++) {
        items[i].kind = THEATER_VALUE_BOOL;
        items[i].of.boolean = true;
        items[i].name = (theater_text){flags->data[i].data, flags->data[i].size};
    }
    out->of.items = (theater_values){items, flags->size};
    return spend(state->budget, (flags->size + 7) / 8) ? THEATER__CONVERTED
                                                       : THEATER__CONVERT_TOO_MUCH;
}

/* A payload of the case that type's index-th member describes. */
static theater__converted lift_payload(lifting *state, const theater__type *type, size_t index,
                                       const wasmtime_component_val_t *payload, theater_value *out)
{
    if (!spend(state->budget, 1)) {
        return THEATER__CONVERT_TOO_MUCH;
    }
    if (payload == NULL) {
        return THEATER__CONVERTED;
    }
    return lift_items(state, type, type->members[index].type, payload, sizeof *payload, 1, out);
}

static theater__converted lift_variant(lifting *state, const theater__type *type,
                                       const wasmtime_component_valvariant_t *variant,
                                       theater_value *out)
{
    out->case_name = (theater_text){variant->discriminant.data, variant->discriminant.size};
    size_t index = find_member(type, out->case_name);
    if (index == type->members_count) {
        return THEATER__CONVERT_MISMATCH;
    }
    return lift_payload(state, type, index, variant->val, out);
}

static theater__converted lift_text(lifting *state, const wasm_name_t *text, theater_value *out)
{
    out->of.text = (theater_text){text->data, text->size};
    return spend(state->budget, text->size) ? THEATER__CONVERTED : THEATER__CONVERT_TOO_MUCH;
}

static theater__converted lift_compound(lifting *state, const theater__type *type,
                                        const wasmtime_component_val_t *val, theater_value *out)
{
    switch (type->kind) {
    case THEATER_VALUE_BYTES:
        return lift_bytes(state, &val->of.string, out);
    case THEATER_VALUE_LIST:
        return lift_items(state, type, NULL, val->of.list.data, sizeof *val, val->of.list.size,
                          out);
    case THEATER_VALUE_TUPLE:
        return lift_items(state, type, NULL, val->of.tuple.data, sizeof *val, val->of.tuple.size,
                          out);
    case THEATER_VALUE_RECORD:
        /* An entry is a name and a value: walk the values. */
        return lift_items(state, type, NULL,
                          (const char *)val->of.record.data +
                              offsetof(wasmtime_component_valrecord_entry_t, val),
                          sizeof(wasmtime_component_valrecord_entry_t), val->of.record.size, out);
    case THEATER_VALUE_VARIANT:
        return lift_variant(state, type, &val->of.variant, out);
    case THEATER_VALUE_OPTION:
        return lift_payload(state, type, 0, val->of.option, out);
    case THEATER_VALUE_RESULT:
        out->is_ok = val->of.result.is_ok;
        return lift_payload(state, type, out->is_ok ? 0 : 1, val->of.result.val, out);
    case THEATER_VALUE_FLAGS:
        return lift_flags(state, &val->of.flags, out);
    default:
        return THEATER__CONVERT_MISMATCH;
    }
}

static theater__converted spent(bool within)
{
    return within ? THEATER__CONVERTED : THEATER__CONVERT_TOO_MUCH;
}

/* One value; pushes a frame if it has items. */
static theater__converted lift_one(lifting *state, const theater__type *type,
                                   const wasmtime_component_val_t *val, theater_value *out)
{
    if (val->kind != wasm_kind(type->kind)) {
        return THEATER__CONVERT_MISMATCH;
    }
    out->kind = type->kind;
    switch (type->kind) {
    case THEATER_VALUE_U64:
        out->of.u64 = val->of.u64;
        return spent(spend(state->budget, 8));
    case THEATER_VALUE_STRING:
        return lift_text(state, &val->of.string, out);
    case THEATER_VALUE_BOOL:
        out->of.boolean = val->of.boolean;
        return spent(spend(state->budget, 1));
    case THEATER_VALUE_S8:
        out->of.s64 = val->of.s8;
        return spent(spend(state->budget, 1));
    case THEATER_VALUE_U8:
        out->of.u64 = val->of.u8;
        return spent(spend(state->budget, 1));
    case THEATER_VALUE_S16:
        out->of.s64 = val->of.s16;
        return spent(spend(state->budget, 2));
    case THEATER_VALUE_U16:
        out->of.u64 = val->of.u16;
        return spent(spend(state->budget, 2));
    case THEATER_VALUE_S32:
        out->of.s64 = val->of.s32;
        return spent(spend(state->budget, 4));
    case THEATER_VALUE_U32:
        out->of.u64 = val->of.u32;
        return spent(spend(state->budget, 4));
    case THEATER_VALUE_S64:
        out->of.s64 = val->of.s64;
        return spent(spend(state->budget, 8));
    case THEATER_VALUE_F32:
        out->of.f32 = val->of.f32;
        return spent(spend(state->budget, 4));
    case THEATER_VALUE_F64:
        out->of.f64 = val->of.f64;
        return spent(spend(state->budget, 8));
    case THEATER_VALUE_CHAR:
        out->of.u64 = val->of.character;
        return spent(spend(state->budget, 4));
    case THEATER_VALUE_ENUM:
        out->case_name = (theater_text){val->of.enumeration.data, val->of.enumeration.size};
        return spent(spend(state->budget, 1));
    default:
        return lift_compound(state, type, val, out);
    }
}

theater__converted theater__value_lift(const theater__type *type,
                                       const wasmtime_component_val_t *val, theater__arena *arena,
                                       theater__budget *budget, theater_value *out)
{
    lifting state;
    state.arena = arena;
    state.budget = budget;
    state.depth = 0;
    *out = (theater_value){0};
    theater__converted converted = lift_one(&state, type, val, out);
    while (converted == THEATER__CONVERTED && state.depth > 0) {
        lift_frame *top = &state.frames[state.depth - 1];
        if (top->next == top->count) {
            state.depth--;
            continue;
        }
        size_t index = top->next++;
        const theater__type *inner = item_type(top->type, top->single, index);
        theater_value *to = &top->to[index];
        const void *from = top->from + index * top->stride;
        if (inner == NULL) {
            return THEATER__CONVERT_MISMATCH;
        }
        converted = lift_one(&state, inner, from, to);
        if (top->single == NULL && top->type->kind == THEATER_VALUE_RECORD) {
            to->name = top->type->members[index].name;
        }
    }
    return converted;
}

/* ---- to the guest ---------------------------------------------------------------------------- */

typedef struct lower_frame {
    const theater__type *type;
    const theater__type *single;
    const theater_value *from;
    size_t count;
    size_t next;
    char *to; /* the first wasmtime_component_val_t */
    size_t stride;
} lower_frame;

typedef struct lowering {
    lower_frame frames[THEATER__VALUE_DEPTH_MAX + 1];
    size_t depth;
} lowering;

static theater__converted push_items(lowering *state, const theater__type *type,
                                     const theater__type *single, theater_values items, void *to,
                                     size_t stride)
{
    if (items.count == 0) {
        return THEATER__CONVERTED;
    }
    if (state->depth == DEPTH || items.data == NULL) {
        return THEATER__CONVERT_MISMATCH;
    }
    state->frames[state->depth++] =
        (lower_frame){type, single, items.data, items.count, 0, to, stride};
    return THEATER__CONVERTED;
}

static theater__converted lower_name(theater_text text, wasm_name_t *out)
{
    if (!theater__utf8_valid((const uint8_t *)text.data, text.size)) {
        return THEATER__CONVERT_MISMATCH;
    }
    wasm_byte_vec_new(out, text.size, text.data);
    return THEATER__CONVERTED;
}

static theater__converted lower_record(lowering *state, const theater__type *type,
                                       const theater_value *value,
                                       wasmtime_component_valrecord_t *out)
{
    if (value->of.items.count != type->members_count) {
        return THEATER__CONVERT_MISMATCH;
    }
    wasmtime_component_valrecord_new_uninit(out, type->members_count);
    for (size_t i = 0; i < type->members_count; i++) {
        theater_text name = type->members[i].name;
        theater_text given = value->of.items.data[i].name;
        if (given.size != name.size || memcmp(given.data, name.data, name.size) != 0) {
            return THEATER__CONVERT_MISMATCH;
        }
        wasm_byte_vec_new_empty(&out->data[i].name); /* nobody looks at it */
    }
    if (out->size == 0) {
        return THEATER__CONVERTED;
    }
    return push_items(state, type, NULL, value->of.items, &out->data[0].val, sizeof out->data[0]);
}

static theater__converted lower_flags(const theater__type *type, theater_values items,
                                      wasmtime_component_valflags_t *out)
{
    if (items.count > type->members_count) {
        return THEATER__CONVERT_MISMATCH;
    }
    wasmtime_component_valflags_new_uninit(out, items.count);
    for (size_t i = 0; i < items.count; i++) {
        theater_text name = items.data[i].name;
        if (items.data[i].kind != THEATER_VALUE_BOOL || !items.data[i].of.boolean ||
            find_member(type, name) == type->members_count) {
            return THEATER__CONVERT_MISMATCH;
        }
        wasm_byte_vec_new(&out->data[i], name.size, name.data);
    }
    return THEATER__CONVERTED;
}

/* The value of some, ok, err or a case: *to_payload is to own it. */
static theater__converted lower_payload(lowering *state, const theater__type *type, size_t index,
                                        theater_values items, wasmtime_component_val_t **to_payload)
{
    const theater__type *inner = type->members[index].type;
    if (items.count != (inner != NULL ? 1 : 0)) {
        return THEATER__CONVERT_MISMATCH;
    }
    if (inner == NULL) {
        return THEATER__CONVERTED;
    }
    wasmtime_component_val_t nothing = {.kind = WASMTIME_COMPONENT_BOOL, .of = {.boolean = false}};
    *to_payload = wasmtime_component_val_new(&nothing);
    return push_items(state, type, inner, items, *to_payload, sizeof **to_payload);
}

static theater__converted lower_variant(lowering *state, const theater__type *type,
                                        const theater_value *value,
                                        wasmtime_component_valvariant_t *out)
{
    size_t index = find_member(type, value->case_name);
    wasm_byte_vec_new_empty(&out->discriminant);
    out->val = NULL;
    if (index == type->members_count) {
        return THEATER__CONVERT_MISMATCH;
    }
    wasm_byte_vec_new(&out->discriminant, value->case_name.size, value->case_name.data);
    return lower_payload(state, type, index, value->of.items, &out->val);
}

static theater__converted lower_compound(lowering *state, const theater__type *type,
                                         const theater_value *value, wasmtime_component_val_t *out)
{
    /* Each case leaves out complete enough to be deleted before it can fail. */
    out->kind = wasm_kind(type->kind);
    switch (type->kind) {
    case THEATER_VALUE_BYTES:
        wasm_byte_vec_new(&out->of.string, value->of.bytes.size,
                          (const wasm_byte_t *)value->of.bytes.data);
        return THEATER__CONVERTED;
    case THEATER_VALUE_LIST:
        wasmtime_component_vallist_new_uninit(&out->of.list, value->of.items.count);
        return push_items(state, type, NULL, value->of.items, out->of.list.data,
                          sizeof(wasmtime_component_val_t));
    case THEATER_VALUE_TUPLE:
        wasmtime_component_valtuple_new_uninit(&out->of.tuple, type->members_count);
        if (value->of.items.count != type->members_count) {
            return THEATER__CONVERT_MISMATCH;
        }
        return push_items(state, type, NULL, value->of.items, out->of.tuple.data,
                          sizeof(wasmtime_component_val_t));
    case THEATER_VALUE_RECORD:
        wasmtime_component_valrecord_new_empty(&out->of.record);
        return lower_record(state, type, value, &out->of.record);
    case THEATER_VALUE_VARIANT:
        return lower_variant(state, type, value, &out->of.variant);
    case THEATER_VALUE_OPTION:
        out->of.option = NULL;
        if (value->of.items.count == 0) {
            return THEATER__CONVERTED;
        }
        return lower_payload(state, type, 0, value->of.items, &out->of.option);
    case THEATER_VALUE_RESULT:
        out->of.result.is_ok = value->is_ok;
        out->of.result.val = NULL;
        return lower_payload(state, type, value->is_ok ? 0 : 1, value->of.items,
                             &out->of.result.val);
    case THEATER_VALUE_FLAGS:
        wasmtime_component_valflags_new_empty(&out->of.flags);
        return lower_flags(type, value->of.items, &out->of.flags);
    default:
        THEATER_UNREACHABLE("a kind that is no compound");
    }
}

/* The widest value of an unsigned kind, 0 for the other kinds. */
static uint64_t unsigned_max(theater_value_kind kind)
{
    switch (kind) {
    case THEATER_VALUE_U8:
        return UINT8_MAX;
    case THEATER_VALUE_U16:
        return UINT16_MAX;
    case THEATER_VALUE_U32:
        return UINT32_MAX;
    case THEATER_VALUE_CHAR:
        return 0x10ffff;
    case THEATER_VALUE_U64:
        return UINT64_MAX;
    default:
        return 0;
    }
}

static bool in_range(const theater_value *value)
{
    int64_t number = value->of.s64;
    switch (value->kind) {
    case THEATER_VALUE_S8:
        return number >= INT8_MIN && number <= INT8_MAX;
    case THEATER_VALUE_S16:
        return number >= INT16_MIN && number <= INT16_MAX;
    case THEATER_VALUE_S32:
        return number >= INT32_MIN && number <= INT32_MAX;
    case THEATER_VALUE_CHAR:
        if (value->of.u64 >= 0xd800 && value->of.u64 <= 0xdfff) {
            return false;
        }
        break;
    default:
        break;
    }
    uint64_t max = unsigned_max(value->kind);
    return max == 0 || value->of.u64 <= max;
}

/* One value; pushes a frame if it has items. */
static theater__converted lower_one(lowering *state, const theater__type *type,
                                    const theater_value *value, wasmtime_component_val_t *out)
{
    if (value->kind != type->kind || type->kind == 0 || !in_range(value)) {
        return THEATER__CONVERT_MISMATCH;
    }
    theater__converted converted = THEATER__CONVERTED;
    switch (type->kind) {
    case THEATER_VALUE_BOOL:
        out->of.boolean = value->of.boolean;
        break;
    case THEATER_VALUE_S8:
        out->of.s8 = (int8_t)value->of.s64;
        break;
    case THEATER_VALUE_U8:
        out->of.u8 = (uint8_t)value->of.u64;
        break;
    case THEATER_VALUE_S16:
        out->of.s16 = (int16_t)value->of.s64;
        break;
    case THEATER_VALUE_U16:
        out->of.u16 = (uint16_t)value->of.u64;
        break;
    case THEATER_VALUE_S32:
        out->of.s32 = (int32_t)value->of.s64;
        break;
    case THEATER_VALUE_U32:
        out->of.u32 = (uint32_t)value->of.u64;
        break;
    case THEATER_VALUE_S64:
        out->of.s64 = value->of.s64;
        break;
    case THEATER_VALUE_U64:
        out->of.u64 = value->of.u64;
        break;
    case THEATER_VALUE_F32:
        out->of.f32 = value->of.f32;
        break;
    case THEATER_VALUE_F64:
        out->of.f64 = value->of.f64;
        break;
    case THEATER_VALUE_CHAR:
        out->of.character = (uint32_t)value->of.u64;
        break;
    case THEATER_VALUE_STRING:
        converted = lower_name(value->of.text, &out->of.string);
        break;
    case THEATER_VALUE_ENUM:
        converted = find_member(type, value->case_name) < type->members_count
                        ? lower_name(value->case_name, &out->of.enumeration)
                        : THEATER__CONVERT_MISMATCH;
        break;
    default:
        return lower_compound(state, type, value, out);
    }
    if (converted == THEATER__CONVERTED) { /* else out is what it was */
        out->kind = wasm_kind(type->kind);
    }
    return converted;
}

theater__converted theater__value_lower(const theater__type *type, const theater_value *value,
                                        wasmtime_component_val_t *out)
{
    lowering state;
    state.depth = 0;
    theater__converted converted = lower_one(&state, type, value, out);
    while (converted == THEATER__CONVERTED && state.depth > 0) {
        lower_frame *top = &state.frames[state.depth - 1];
        if (top->next == top->count) {
            state.depth--;
            continue;
        }
        size_t index = top->next++;
        const theater__type *inner = item_type(top->type, top->single, index);
        void *to = top->to + index * top->stride;
        converted = inner != NULL ? lower_one(&state, inner, &top->from[index], to)
                                  : THEATER__CONVERT_MISMATCH;
    }
    return converted;
}
