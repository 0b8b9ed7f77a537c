/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON into values, by the types of a function's parameters.
 *
 * The walk of value.c once more, over three trees at a time: a frame holds the members that say
 * what the items' types are, the JSON that they are read from, and the array that they go to.
 *
 *     kind            members             json               items
 *     LIST            the one             array              as many as the array has
 *     TUPLE           all                 array              as many as the type has
 *     RECORD          all                 object             as many as the type has
 *     OPTION RESULT   the one that was    the payload        one
 *     VARIANT         chosen
 *
 * Nothing is converted on the way: 250.0 is no integer, "1" is no number, 300 is no u8, a missing
 * or unknown field is an error and no default. An error names the place as one would write it in a
 * program ('request.headers[2].name'), says what was expected there and what stood there.
 */
#include <base/type.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/bytes.h>
#include <base/error.h>
#include <base/limits.h>
#include <base/value.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "json_text.h"
#include "kinds.h"

#define PATH_BYTES_MAX 96u /* leaves an error message room for what was expected */
#define GOT_BYTES_MAX 48u
#define LISTED_BYTES_MAX 96u

typedef struct from_frame {
    theater_value_kind kind;
    const theater__type_member *members;
    json_object *json;
    theater_value *items;
    size_t count;
    size_t next;
} from_frame;

typedef struct from {
    theater__arena *arena;
    theater_error *err;
    from_frame frames[THEATER__VALUE_DEPTH_MAX + 1];
    size_t depth;
    size_t items_left;
} from;

static const theater__type_member *member_at(const from_frame *frame, size_t index)
{
    bool all = frame->kind == THEATER_VALUE_TUPLE || frame->kind == THEATER_VALUE_RECORD;
    return &frame->members[all ? index : 0];
}

/* ---- messages -------------------------------------------------------------------------------- */

typedef struct path {
    char text[PATH_BYTES_MAX];
} path;

/* Where the item that is being read stands: `name.field[3]`. */
static path where(const from *state)
{
    path place = {{0}};
    size_t used = 0;
    for (size_t i = 0; i < state->depth && used < sizeof place.text - 1; i++) {
        const from_frame *frame = &state->frames[i];
        size_t index = frame->next - 1;
        theater_text name = member_at(frame, index)->name;
        char *to = place.text + used;
        size_t room = sizeof place.text - used;
        int length = 0;
        if (i == 0 && name.size == 0) {
            length = snprintf(to, room, "%zu", index + 1);
        } else if (i == 0) {
            length = snprintf(to, room, "%.*s", (int)name.size, name.data);
        } else if (frame->kind == THEATER_VALUE_LIST || frame->kind == THEATER_VALUE_TUPLE) {
            length = snprintf(to, room, "[%zu]", index);
        } else if (name.size > 0) {
            length = snprintf(to, room, ".%.*s", (int)name.size, name.data);
        }
        used += length > 0 ? (size_t)length : 0;
    }
    return place;
}

typedef struct got {
    char text[GOT_BYTES_MAX];
} got;

static got what_stood_there(json_object *json)
{
    got found = {{0}};
    switch (json_object_get_type(json)) {
    case json_type_null:
        (void)snprintf(found.text, sizeof found.text, "null");
        break;
    case json_type_boolean:
    case json_type_int:
    case json_type_double:
        (void)snprintf(found.text, sizeof found.text, "%.32s", json_object_get_string(json));
        break;
    case json_type_string:
        (void)snprintf(found.text, sizeof found.text, "a string");
        break;
    case json_type_array:
        (void)snprintf(found.text, sizeof found.text, "an array of %zu",
                       json_object_array_length(json));
        break;
    case json_type_object:
        (void)snprintf(found.text, sizeof found.text, "an object");
        break;
    }
    return found;
}

static theater_status expected(const from *state, const char *wanted, json_object *json)
{
    return theater__fail(state->err, THEATER_ERR_INVALID, "parameter '%s': expected %s, got %s",
                         where(state).text, wanted, what_stood_there(json).text);
}

/* `field 'x' is missing` and its kin. */
static theater_status misnamed(const from *state, const char *what, const char *name, size_t size,
                               const char *problem)
{
    return theater__fail(state->err, THEATER_ERR_INVALID, "parameter '%s': %s '%.*s' %s",
                         where(state).text, what, (int)(size < 64 ? size : 64), name, problem);
}

typedef struct listed {
    char text[LISTED_BYTES_MAX];
} listed;

/* The names that would have been right, as many as fit. */
static listed names_of(const theater__type *type)
{
    listed names = {{0}};
    size_t used = 0;
    for (size_t i = 0; i < type->members_count; i++) {
        theater_text name = type->members[i].name;
        size_t room = sizeof names.text - used;
        if (name.size + 8 > room) {
            (void)snprintf(names.text + used, room, ", ...");
            break;
        }
        int length = snprintf(names.text + used, room, "%s'%.*s'", i > 0 ? ", " : "",
                              (int)name.size, name.data);
        used += (size_t)length;
    }
    return names;
}

static theater_status unknown_name(const from *state, const theater__type *type, const char *what,
                                   json_object *name)
{
    char problem[LISTED_BYTES_MAX + 32];
    (void)snprintf(problem, sizeof problem, "is unknown; there are %s", names_of(type).text);
    return misnamed(state, what, json_object_get_string(name),
                    (size_t)json_object_get_string_len(name), problem);
}

static theater_status out_of_memory(const from *state, size_t size)
{
    const theater__arena *arena = state->arena;
    size_t used_max = arena->used_max > 0 ? arena->used_max : THEATER__ARENA_BYTES_MAX;
    if (size > used_max - arena->used) {
        return theater__fail(state->err, THEATER_ERR_LIMIT,
                             "arguments take more memory than arena_bytes_max (%zu bytes)",
                             used_max);
    }
    return theater__fail_nomem(state->err);
}

/* ---- helpers --------------------------------------------------------------------------------- */

/* The text again, in the arena, with a NUL behind it; NULL without memory. */
static char *copy_text(const from *state, const char *data, size_t size)
{
    char *copy = theater__arena_alloc(state->arena, size + 1);
    if (copy == NULL) {
        return NULL;
    }
    if (size > 0) {
        memcpy(copy, data, size);
    }
    copy[size] = '\0';
    return copy;
}

static theater_status set_text(const from *state, theater_text from_text, theater_text *out_text)
{
    char *copy = copy_text(state, from_text.data, from_text.size);
    if (copy == NULL) {
        return out_of_memory(state, from_text.size + 1);
    }
    *out_text = (theater_text){copy, from_text.size};
    return THEATER_OK;
}

static theater_text text_of(json_object *string)
{
    return (theater_text){json_object_get_string(string),
                          (size_t)json_object_get_string_len(string)};
}

/* The index of the member with that name, or members_count. */
static size_t find_member(const theater__type *type, theater_text name)
{
    for (size_t i = 0; i < type->members_count; i++) {
        theater_text other = type->members[i].name;
        if (other.size == name.size && memcmp(other.data, name.data, name.size) == 0) {
            return i;
        }
    }
    return type->members_count;
}

/* The only member of an object; NULL if json is no object or has another number of them. */
static const char *only_key(json_object *json, json_object **out_payload)
{
    if (json_object_get_type(json) != json_type_object || json_object_object_length(json) != 1) {
        return NULL;
    }
    struct json_object_iterator at = json_object_iter_begin(json);
    *out_payload = json_object_iter_peek_value(&at);
    return json_object_iter_peek_name(&at);
}

/* ---- leaves ---------------------------------------------------------------------------------- */

typedef struct range {
    const char *words;
    int64_t least;
    uint64_t most;
} range;

static const range *range_of(theater_value_kind kind)
{
    static const range ranges[] = {
        [THEATER_VALUE_S8] = {"s8 (-128 to 127)", INT8_MIN, INT8_MAX},
        [THEATER_VALUE_U8] = {"u8 (0 to 255)", 0, UINT8_MAX},
        [THEATER_VALUE_S16] = {"s16 (-32768 to 32767)", INT16_MIN, INT16_MAX},
        [THEATER_VALUE_U16] = {"u16 (0 to 65535)", 0, UINT16_MAX},
        [THEATER_VALUE_S32] = {"s32 (-2147483648 to 2147483647)", INT32_MIN, INT32_MAX},
        [THEATER_VALUE_U32] = {"u32 (0 to 4294967295)", 0, UINT32_MAX},
        [THEATER_VALUE_S64] = {"s64 (whole number)", INT64_MIN, INT64_MAX},
        [THEATER_VALUE_U64] = {"u64 (whole number, not negative)", 0, UINT64_MAX},
    };
    THEATER_ASSERT(kind >= THEATER_VALUE_S8 && kind <= THEATER_VALUE_U64);
    return &ranges[kind];
}

static bool is_signed(theater_value_kind kind)
{
    return kind == THEATER_VALUE_S8 || kind == THEATER_VALUE_S16 || kind == THEATER_VALUE_S32 ||
           kind == THEATER_VALUE_S64;
}

static theater_status read_integer(const from *state, json_object *json, theater_value *value)
{
    const range *bounds = range_of(value->kind);
    if (json_object_get_type(json) != json_type_int) {
        return expected(state, bounds->words, json);
    }
    int64_t low = json_object_get_int64(json);    /* exact if negative */
    uint64_t high = json_object_get_uint64(json); /* exact if not */
    bool fits = low < 0 ? low >= bounds->least : high <= bounds->most;
    if (!fits) {
        return expected(state, bounds->words, json);
    }
    if (is_signed(value->kind)) {
        value->of.s64 = low;
    } else {
        value->of.u64 = high;
    }
    return THEATER_OK;
}

static bool special_number(json_object *json, double *out_number)
{
    if (json_object_get_type(json) != json_type_string) {
        return false;
    }
    const char *text = json_object_get_string(json);
    if (strcmp(text, "NaN") == 0) {
        *out_number = (double)NAN;
    } else if (strcmp(text, "Infinity") == 0) {
        *out_number = (double)INFINITY;
    } else if (strcmp(text, "-Infinity") == 0) {
        *out_number = -(double)INFINITY;
    } else {
        return false;
    }
    return true;
}

static theater_status read_float(const from *state, json_object *json, theater_value *value)
{
    const char *words = value->kind == THEATER_VALUE_F32
                            ? "f32 (a number, \"NaN\", \"Infinity\" or \"-Infinity\")"
                            : "f64 (a number, \"NaN\", \"Infinity\" or \"-Infinity\")";
    double number = 0;
    bool special = special_number(json, &number);
    json_type type = json_object_get_type(json);
    if (!special) {
        if (type != json_type_double && type != json_type_int) {
            return expected(state, words, json);
        }
        number = json_object_get_double(json);
    }
    bool in_range = value->kind == THEATER_VALUE_F32 ? isfinite((float)number) : isfinite(number);
    if (!special && !in_range) {
        return expected(state, words, json);
    }
    if (value->kind == THEATER_VALUE_F32) {
        value->of.f32 = (float)number;
    } else {
        value->of.f64 = number;
    }
    return THEATER_OK;
}

static uint64_t scalar_of(const uint8_t *data, size_t length)
{
    uint64_t scalar = length == 1 ? data[0] : data[0] & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        scalar = scalar << 6 | (data[i] & 0x3Fu);
    }
    return scalar;
}

static theater_status read_char(const from *state, json_object *json, theater_value *value)
{
    const char *words = "char (a string of one character)";
    if (json_object_get_type(json) != json_type_string) {
        return expected(state, words, json);
    }
    theater_text text = text_of(json);
    const uint8_t *data = (const uint8_t *)text.data;
    if (text.size == 0 || theater__utf8_length(data, text.size) != text.size) {
        return expected(state, words, json);
    }
    value->of.u64 = scalar_of(data, text.size);
    return THEATER_OK;
}

static theater_status read_string(const from *state, json_object *json, theater_value *value)
{
    if (json_object_get_type(json) != json_type_string) {
        return expected(state, "string", json);
    }
    return set_text(state, text_of(json), &value->of.text);
}

static theater_status read_bytes(const from *state, json_object *json, theater_value *value)
{
    const char *words = "list<u8> (an array of numbers from 0 to 255)";
    if (json_object_get_type(json) != json_type_array) {
        return expected(state, words, json);
    }
    size_t size = json_object_array_length(json);
    uint8_t *bytes = theater__arena_alloc(state->arena, size);
    if (bytes == NULL) {
        return out_of_memory(state, size);
    }
    for (size_t i = 0; i < size; i++) {
        json_object *item = json_object_array_get_idx(json, i);
        int64_t number = json_object_get_int64(item);
        bool fits = json_object_get_type(item) == json_type_int && number >= 0 && number <= 255;
        if (!fits) {
            return theater__fail(state->err, THEATER_ERR_INVALID,
                                 "parameter '%s[%zu]': expected u8 (0 to 255), got %s",
                                 where(state).text, i, what_stood_there(item).text);
        }
        bytes[i] = (uint8_t)number;
    }
    value->of.bytes = (theater_bytes){bytes, size};
    return THEATER_OK;
}

static theater_status read_enum(const from *state, const theater__type *type, json_object *json,
                                theater_value *value)
{
    if (json_object_get_type(json) != json_type_string) {
        return expected(state, "enum (one of its names as a string)", json);
    }
    size_t index = find_member(type, text_of(json));
    if (index == type->members_count) {
        return unknown_name(state, type, "case", json);
    }
    return set_text(state, type->members[index].name, &value->case_name);
}

/* Marks which flags are named; counts them. */
static theater_status mark_flags(const from *state, const theater__type *type, json_object *json,
                                 bool *marks, size_t *out_count)
{
    size_t count = json_object_array_length(json);
    for (size_t i = 0; i < count; i++) {
        json_object *name = json_object_array_get_idx(json, i);
        if (json_object_get_type(name) != json_type_string) {
            return expected(state, "flags (an array of names)", json);
        }
        theater_text text = text_of(name);
        size_t index = find_member(type, text);
        if (index == type->members_count) {
            return unknown_name(state, type, "flag", name);
        }
        if (marks[index]) {
            return misnamed(state, "flag", text.data, text.size, "is given twice");
        }
        marks[index] = true;
    }
    *out_count = count;
    return THEATER_OK;
}

/* In the order of the type, not of the text: one value, one encoding. */
static theater_status read_flags(const from *state, const theater__type *type, json_object *json,
                                 theater_value *value)
{
    if (json_object_get_type(json) != json_type_array) {
        return expected(state, "flags (an array of names)", json);
    }
    bool *marks = theater__arena_array(state->arena, type->members_count, sizeof *marks);
    if (marks == NULL) {
        return out_of_memory(state, type->members_count);
    }
    size_t count = 0;
    theater_status status = mark_flags(state, type, json, marks, &count);
    if (status != THEATER_OK) {
        return status;
    }
    theater_value *items = theater__arena_array(state->arena, count, sizeof *items);
    if (items == NULL) {
        return out_of_memory(state, count * sizeof *items);
    }
    size_t filled = 0;
    for (size_t i = 0; i < type->members_count; i++) {
        if (!marks[i]) {
            continue;
        }
        items[filled].kind = THEATER_VALUE_BOOL;
        items[filled].of.boolean = true;
        status = set_text(state, type->members[i].name, &items[filled].name);
        if (status != THEATER_OK) {
            return status;
        }
        filled++;
    }
    THEATER_ASSERT(filled == count);
    value->of.items = (theater_values){items, count};
    return THEATER_OK;
}

/* ---- what has items -------------------------------------------------------------------------- */

/* Puts a frame for count items that are read from json. */
static theater_status push(from *state, theater_value *value, const theater__type_member *members,
                           json_object *json, size_t count)
{
    if (state->depth > THEATER__VALUE_DEPTH_MAX) {
        return theater__fail(state->err, THEATER_ERR_LIMIT,
                             "parameter '%s': nested deeper than value_depth_max (%u)",
                             where(state).text, THEATER__VALUE_DEPTH_MAX);
    }
    if (count > state->items_left) {
        return theater__fail(state->err, THEATER_ERR_LIMIT,
                             "arguments have more items than value_items_max (%u)",
                             THEATER__VALUE_ITEMS_MAX);
    }
    state->items_left -= count;
    theater_value *items = theater__arena_array(state->arena, count, sizeof *items);
    if (items == NULL) {
        return out_of_memory(state, count * sizeof *items);
    }
    value->of.items = (theater_values){items, count};
    state->frames[state->depth] = (from_frame){value->kind, members, json, items, count, 0};
    state->depth++;
    return THEATER_OK;
}

static theater_status open_list(from *state, const theater__type *type, json_object *json,
                                theater_value *value)
{
    THEATER_ASSERT(type->members_count == 1);
    if (json_object_get_type(json) != json_type_array) {
        return expected(state, "list (an array)", json);
    }
    return push(state, value, type->members, json, json_object_array_length(json));
}

static theater_status open_tuple(from *state, const theater__type *type, json_object *json,
                                 theater_value *value)
{
    bool fits = json_object_get_type(json) == json_type_array &&
                json_object_array_length(json) == type->members_count;
    if (!fits) {
        char words[48];
        (void)snprintf(words, sizeof words, "tuple (an array of %zu)", type->members_count);
        return expected(state, words, json);
    }
    return push(state, value, type->members, json, type->members_count);
}

static theater_status open_record(from *state, const theater__type *type, json_object *json,
                                  theater_value *value)
{
    if (json_object_get_type(json) != json_type_object) {
        return expected(state, "record (an object)", json);
    }
    json_object_object_foreach(json, key, field)
    {
        (void)field;
        theater_text name = {key, strlen(key)};
        if (find_member(type, name) == type->members_count) {
            return misnamed(state, "field", name.data, name.size, "is unknown");
        }
    }
    return push(state, value, type->members, json, type->members_count);
}

static theater_status open_option(from *state, const theater__type *type, json_object *json,
                                  theater_value *value)
{
    THEATER_ASSERT(type->members_count == 1);
    THEATER_ASSERT(type->members[0].type != NULL);
    if (json_object_get_type(json) == json_type_null) {
        return push(state, value, type->members, NULL, 0);
    }
    json_object *payload = json;
    if (type->members[0].type->kind == THEATER_VALUE_OPTION) {
        const char *key = only_key(json, &payload);
        if (key == NULL || strcmp(key, "some") != 0) {
            return expected(state, "option of an option ({\"some\": ...} or null)", json);
        }
    }
    return push(state, value, type->members, payload, 1);
}

/* The payload of a case, which has to be null if the case has none. */
static theater_status open_payload(from *state, const theater__type_member *member,
                                   json_object *payload, theater_value *value)
{
    if (member->type != NULL) {
        return push(state, value, member, payload, 1);
    }
    if (json_object_get_type(payload) != json_type_null) {
        return expected(state, "null, since this case has no value", payload);
    }
    return push(state, value, member, NULL, 0);
}

static theater_status open_result(from *state, const theater__type *type, json_object *json,
                                  theater_value *value)
{
    THEATER_ASSERT(type->members_count == 2);
    json_object *payload = NULL;
    const char *key = only_key(json, &payload);
    bool ok = key != NULL && strcmp(key, "ok") == 0;
    bool error = key != NULL && strcmp(key, "err") == 0;
    if (!ok && !error) {
        return expected(state, "result ({\"ok\": ...} or {\"err\": ...})", json);
    }
    value->is_ok = ok;
    return open_payload(state, &type->members[ok ? 0 : 1], payload, value);
}

static theater_status open_variant(from *state, const theater__type *type, json_object *json,
                                   theater_value *value)
{
    bool bare = json_object_get_type(json) == json_type_string;
    json_object *payload = NULL;
    const char *key = bare ? NULL : only_key(json, &payload);
    if (!bare && key == NULL) {
        return expected(state, "variant ({\"case\": ...}, or \"case\" for one without a value)",
                        json);
    }
    theater_text name = bare ? text_of(json) : (theater_text){key, strlen(key)};
    size_t index = find_member(type, name);
    if (index == type->members_count) {
        char problem[LISTED_BYTES_MAX + 32];
        (void)snprintf(problem, sizeof problem, "is unknown; there are %s", names_of(type).text);
        return misnamed(state, "case", name.data, name.size, problem);
    }
    const theater__type_member *member = &type->members[index];
    if (bare && member->type != NULL) {
        return misnamed(state, "case", name.data, name.size, "needs a value: {\"case\": ...}");
    }
    if (!bare && member->type == NULL) {
        return misnamed(state, "case", name.data, name.size, "has no value: write \"case\"");
    }
    theater_status status = set_text(state, member->name, &value->case_name);
    return status != THEATER_OK ? status : open_payload(state, member, payload, value);
}

/* ---- the walk -------------------------------------------------------------------------------- */

static theater_status read_value(from *state, const theater__type *type, json_object *json,
                                 theater_value *value)
{
    value->kind = type->kind;
    switch (type->kind) {
    case THEATER_VALUE_BOOL:
        value->of.boolean = json_object_get_boolean(json);
        return json_object_get_type(json) == json_type_boolean
                   ? THEATER_OK
                   : expected(state, "bool (true or false)", json);
    case THEATER_VALUE_S8:
    case THEATER_VALUE_S16:
    case THEATER_VALUE_S32:
    case THEATER_VALUE_S64:
    case THEATER_VALUE_U8:
    case THEATER_VALUE_U16:
    case THEATER_VALUE_U32:
    case THEATER_VALUE_U64:
        return read_integer(state, json, value);
    case THEATER_VALUE_F32:
    case THEATER_VALUE_F64:
        return read_float(state, json, value);
    case THEATER_VALUE_CHAR:
        return read_char(state, json, value);
    case THEATER_VALUE_STRING:
        return read_string(state, json, value);
    case THEATER_VALUE_BYTES:
        return read_bytes(state, json, value);
    case THEATER_VALUE_ENUM:
        return read_enum(state, type, json, value);
    case THEATER_VALUE_FLAGS:
        return read_flags(state, type, json, value);
    case THEATER_VALUE_LIST:
        return open_list(state, type, json, value);
    case THEATER_VALUE_TUPLE:
        return open_tuple(state, type, json, value);
    case THEATER_VALUE_RECORD:
        return open_record(state, type, json, value);
    case THEATER_VALUE_OPTION:
        return open_option(state, type, json, value);
    case THEATER_VALUE_RESULT:
        return open_result(state, type, json, value);
    case THEATER_VALUE_VARIANT:
        return open_variant(state, type, json, value);
    }
    return theater__fail(state->err, THEATER_ERR_UNSUPPORTED,
                         "parameter '%s': a handle, stream or future cannot be given as JSON",
                         where(state).text);
}

/* The next item of the topmost frame: its JSON, and for a field its name. */
static theater_status next_item(const from *state, from_frame *top, json_object **out_json,
                                theater_value *value)
{
    size_t index = top->next;
    top->next++;
    if (top->kind == THEATER_VALUE_LIST || top->kind == THEATER_VALUE_TUPLE) {
        *out_json = json_object_array_get_idx(top->json, index);
        return THEATER_OK;
    }
    if (top->kind != THEATER_VALUE_RECORD) {
        *out_json = top->json;
        return THEATER_OK;
    }
    theater_status status = set_text(state, top->members[index].name, &value->name);
    if (status != THEATER_OK) {
        return status;
    }
    if (!json_object_object_get_ex(top->json, value->name.data, out_json)) {
        return theater__fail(state->err, THEATER_ERR_INVALID,
                             "parameter '%s': the field is missing", where(state).text);
    }
    return THEATER_OK;
}

static theater_status read_all(from *state)
{
    while (state->depth > 0) {
        from_frame *top = &state->frames[state->depth - 1];
        if (top->next == top->count) {
            state->depth--;
            continue;
        }
        theater_value *value = &top->items[top->next];
        const theater__type *type = member_at(top, top->next)->type;
        json_object *json = NULL;
        theater_status status = next_item(state, top, &json, value);
        if (status != THEATER_OK) {
            return status;
        }
        THEATER_ASSERT(type != NULL);
        status = read_value(state, type, json, value);
        if (status != THEATER_OK) {
            return status;
        }
    }
    return THEATER_OK;
}

/* `(duration: u64, unit: string)`, to show what was expected. */
static void signature_to_text(theater__buffer *buffer, const theater__signature *signature)
{
    theater__buffer_put_u8(buffer, '(');
    for (size_t i = 0; i < signature->params_count; i++) {
        const theater__type_member *param = &signature->params[i];
        theater__buffer_put(buffer, ", ", i > 0 ? 2 : 0);
        theater__buffer_put(buffer, param->name.data, param->name.size);
        theater__buffer_put(buffer, ": ", param->name.size > 0 ? 2 : 0);
        theater__type_to_text(buffer, param->type);
    }
    theater__buffer_put_u8(buffer, ')');
}

static theater_status wrong_count(const theater__signature *signature, json_object *json,
                                  theater_error *err)
{
    THEATER_CLEANUP(theater__buffer_deinit) theater__buffer buffer = {0};
    signature_to_text(&buffer, signature);
    if (buffer.failed) {
        return theater__fail_nomem(err);
    }
    int shown = buffer.size < 128 ? (int)buffer.size : 128;
    return theater__fail(
        err, THEATER_ERR_INVALID, "arguments: expected an array of %zu for %.*s, got %s",
        signature->params_count, shown, (const char *)buffer.data, what_stood_there(json).text);
}

theater_status theater__values_from_json(const char *json, size_t size,
                                         const theater__signature *signature, theater__arena *arena,
                                         theater_values *out_values, theater_error *err)
{
    THEATER_ASSERT(signature != NULL);
    THEATER_ASSERT(arena != NULL && out_values != NULL);
    THEATER_CLEANUP(theater__json_put) json_object *root = NULL;
    theater_status status = theater__json_parse(json, size, &root, err);
    if (status != THEATER_OK) {
        (void)theater__fail_in(err, "arguments");
        return status;
    }
    bool fits = json_object_get_type(root) == json_type_array &&
                json_object_array_length(root) == signature->params_count;
    if (!fits) {
        return wrong_count(signature, root, err);
    }
    from state = {.arena = arena, .err = err, .items_left = THEATER__VALUE_ITEMS_MAX};
    theater_value arguments = {.kind = THEATER_VALUE_TUPLE};
    status = push(&state, &arguments, signature->params, root, signature->params_count);
    if (status == THEATER_OK) {
        status = read_all(&state);
    }
    if (status != THEATER_OK) {
        return status;
    }
    *out_values = arguments.of.items;
    return THEATER_OK;
}
