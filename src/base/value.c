/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The canonical encoding of values, to and from bytes.
 *
 * A value is a tree, and both directions walk it with a stack of their own instead of recursion:
 *
 *     stack[0]   the values asked for              next ------> end
 *     stack[1]   items of the value just entered   next --> end
 *     ...        one frame a level, THEATER__VALUE_DEPTH_MAX of them
 *
 * Each step takes the next value of the topmost frame, handles its head (the kind byte and what
 * follows up to the first item) and, if the kind has items, puts a frame on top. A finished frame
 * is dropped. No byte follows the last item, so leaving a value needs no work.
 *
 * Invariant: what the decoder refuses, the encoder does not write (its buffer fails instead). A
 * chain therefore never holds a value that cannot be read back, whatever a handler hands in.
 */
#include <base/value.h>

#include <base/assert.h>
#include <base/error.h>
#include <base/limits.h>
#include <math.h>
#include <string.h>

#include "kinds.h"

#define F32_NAN_BITS 0x7FC00000u
#define F64_NAN_BITS 0x7FF8000000000000u

_Static_assert(sizeof(float) == 4 && sizeof(double) == 8, "IEEE 754 bits are copied");

bool theater__utf8_valid(const uint8_t *data, size_t size)
{
    size_t i = 0;
    while (i < size) {
        uint64_t eight = 0;
        if (size - i >= sizeof eight) {
            memcpy(&eight, data + i, sizeof eight);
            if ((eight & 0x8080808080808080u) == 0) {
                i += sizeof eight;
                continue;
            }
        }
        size_t length = theater__utf8_length(data + i, size - i);
        if (length == 0) {
            return false;
        }
        i += length;
    }
    return true;
}

size_t theater__utf8_length(const uint8_t *data, size_t size)
{
    uint8_t lead = data[0];
    if (lead < 0x80u) {
        return 1;
    }
    size_t length = lead >= 0xF0u ? 4 : lead >= 0xE0u ? 3 : 2;
    if (lead < 0xC2u || lead > 0xF4u || length > size) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((data[i] & 0xC0u) != 0x80u) {
            return 0;
        }
    }
    bool overlong = (lead == 0xE0u && data[1] < 0xA0u) || (lead == 0xF0u && data[1] < 0x90u);
    bool surrogate = lead == 0xEDu && data[1] >= 0xA0u;
    bool beyond = lead == 0xF4u && data[1] >= 0x90u;
    return overlong || surrogate || beyond ? 0 : length;
}

static bool text_valid(theater_text text)
{
    return theater__utf8_valid((const uint8_t *)text.data, text.size);
}

static bool is_scalar_value(uint64_t number)
{
    return number <= 0x10FFFFu && (number < 0xD800u || number > 0xDFFFu);
}

/* Bits of an integer kind, 0 for any other kind. */
static unsigned unsigned_bits(theater_value_kind kind)
{
    switch (kind) {
    case THEATER_VALUE_U8:
        return 8;
    case THEATER_VALUE_U16:
        return 16;
    case THEATER_VALUE_U32:
        return 32;
    case THEATER_VALUE_U64:
        return 64;
    default:
        return 0;
    }
}

static unsigned signed_bits(theater_value_kind kind)
{
    switch (kind) {
    case THEATER_VALUE_S8:
        return 8;
    case THEATER_VALUE_S16:
        return 16;
    case THEATER_VALUE_S32:
        return 32;
    case THEATER_VALUE_S64:
        return 64;
    default:
        return 0;
    }
}

static bool unsigned_fits(uint64_t number, unsigned bits)
{
    return bits == 64 || number >> bits == 0;
}

static bool signed_fits(int64_t number, unsigned bits)
{
    int64_t most = (int64_t)(UINT64_MAX >> (65 - bits));
    return number <= most && number >= -most - 1;
}

/* Small numbers of either sign become small unsigned ones: 0 -1 1 -2 -> 0 1 2 3. */
static uint64_t zigzag(int64_t number)
{
    uint64_t bits = (uint64_t)number;
    return number < 0 ? ~(bits << 1) : bits << 1;
}

static int64_t unzigzag(uint64_t bits)
{
    uint64_t half = bits >> 1;
    return (int64_t)((bits & 1) != 0 ? ~half : half);
}

static uint32_t f32_bits(float number)
{
    uint32_t bits = F32_NAN_BITS;
    if (!isnan(number)) {
        memcpy(&bits, &number, sizeof bits);
    }
    return bits;
}

static uint64_t f64_bits(double number)
{
    uint64_t bits = F64_NAN_BITS;
    if (!isnan(number)) {
        memcpy(&bits, &number, sizeof bits);
    }
    return bits;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void put_text(theater__buffer *buffer, theater_text text)
{
    if (!text_valid(text)) {
        buffer->failed = true;
        return;
    }
    theater__buffer_put_sized(buffer, text.data, text.size);
}

/* No name in WIT is empty: an empty one is a name that somebody forgot to set. */
static void put_name(theater__buffer *buffer, theater_text name)
{
    buffer->failed |= name.size == 0;
    put_text(buffer, name);
}

static void put_number(theater__buffer *buffer, const theater_value *value)
{
    unsigned bits = signed_bits(value->kind);
    if (bits > 0) {
        buffer->failed |= !signed_fits(value->of.s64, bits);
        theater__buffer_put_varint(buffer, zigzag(value->of.s64));
        return;
    }
    bits = unsigned_bits(value->kind);
    THEATER_ASSERT(bits > 0);
    buffer->failed |= !unsigned_fits(value->of.u64, bits);
    theater__buffer_put_varint(buffer, value->of.u64);
}

/* 0 or 1, for kinds that hold one item or none. */
static void put_presence(theater__buffer *buffer, const theater_value *value)
{
    buffer->failed |= value->of.items.count > 1;
    theater__buffer_put_u8(buffer, value->of.items.count > 0 ? 1 : 0);
}

/* The kind byte and what follows it, up to the first item. */
static void put_head(theater__buffer *buffer, const theater_value *value)
{
    theater__buffer_put_u8(buffer, (uint8_t)value->kind);
    switch (value->kind) {
    case THEATER_VALUE_BOOL:
        theater__buffer_put_u8(buffer, value->of.boolean ? 1 : 0);
        return;
    case THEATER_VALUE_S8:
    case THEATER_VALUE_S16:
    case THEATER_VALUE_S32:
    case THEATER_VALUE_S64:
    case THEATER_VALUE_U8:
    case THEATER_VALUE_U16:
    case THEATER_VALUE_U32:
    case THEATER_VALUE_U64:
        put_number(buffer, value);
        return;
    case THEATER_VALUE_CHAR:
        buffer->failed |= !is_scalar_value(value->of.u64);
        theater__buffer_put_varint(buffer, value->of.u64);
        return;
    case THEATER_VALUE_F32:
        theater__buffer_put_u32(buffer, f32_bits(value->of.f32));
        return;
    case THEATER_VALUE_F64:
        theater__buffer_put_u64(buffer, f64_bits(value->of.f64));
        return;
    case THEATER_VALUE_STRING:
        put_text(buffer, value->of.text);
        return;
    case THEATER_VALUE_BYTES:
        theater__buffer_put_sized(buffer, value->of.bytes.data, value->of.bytes.size);
        return;
    case THEATER_VALUE_LIST:
    case THEATER_VALUE_TUPLE:
    case THEATER_VALUE_RECORD:
    case THEATER_VALUE_FLAGS:
        theater__buffer_put_varint(buffer, value->of.items.count);
        return;
    case THEATER_VALUE_ENUM:
        put_name(buffer, value->case_name);
        return;
    case THEATER_VALUE_VARIANT:
        put_name(buffer, value->case_name);
        put_presence(buffer, value);
        return;
    case THEATER_VALUE_RESULT:
        theater__buffer_put_u8(buffer, value->is_ok ? 1 : 0);
        put_presence(buffer, value);
        return;
    case THEATER_VALUE_OPTION:
        put_presence(buffer, value);
        return;
    }
    buffer->failed = true; /* a kind that is none */
}

typedef struct written_frame {
    const theater_value *next;
    const theater_value *end;
    theater_value_kind parent;
} written_frame;

static void encode_all(theater__buffer *buffer, const theater_value *values, size_t count)
{
    written_frame stack[THEATER__VALUE_DEPTH_MAX + 1];
    stack[0] = (written_frame){values, values + count, THEATER_VALUE_TUPLE};
    size_t depth = 1;
    size_t items_left = THEATER__VALUE_ITEMS_MAX;
    while (depth > 0 && !buffer->failed) {
        written_frame *top = &stack[depth - 1];
        if (top->next == top->end) {
            depth--;
            continue;
        }
        const theater_value *value = top->next;
        top->next++;
        if (theater__kind_names_items(top->parent)) {
            put_name(buffer, value->name);
        }
        if (top->parent == THEATER_VALUE_FLAGS) {
            buffer->failed |= value->kind != THEATER_VALUE_BOOL || !value->of.boolean;
        }
        put_head(buffer, value);
        if (!theater__kind_has_items(value->kind)) {
            continue;
        }
        theater_values items = value->of.items;
        if (depth > THEATER__VALUE_DEPTH_MAX || items.count > items_left) {
            buffer->failed = true;
            return;
        }
        items_left -= items.count;
        const theater_value *end = items.count > 0 ? items.data + items.count : items.data;
        stack[depth] = (written_frame){items.data, end, value->kind};
        depth++;
    }
}

void theater__value_encode(theater__buffer *buffer, const theater_value *value)
{
    THEATER_ASSERT(buffer != NULL);
    THEATER_ASSERT(value != NULL);
    encode_all(buffer, value, 1);
}

void theater__values_encode(theater__buffer *buffer, const theater_value *values, size_t count)
{
    THEATER_ASSERT(buffer != NULL);
    THEATER_ASSERT(values != NULL || count == 0);
    if (count > THEATER__VALUE_ITEMS_MAX) {
        buffer->failed = true;
        return;
    }
    theater__buffer_put_varint(buffer, count);
    if (count > 0) {
        encode_all(buffer, values, count);
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Each read_ function gives the reason for refusing, as a fixed text; NULL while all is well. */
#define TOO_SHORT "it ends early, or a length is spelled wrong"

_Static_assert(THEATER__VALUE_DEPTH_MAX == 32 && THEATER__VALUE_ITEMS_MAX == 1048576,
               "the texts below say these numbers");

static const char *read_text(theater__reader *reader, theater_text *out_text)
{
    theater_bytes bytes = theater__reader_sized(reader);
    if (reader->failed) {
        return TOO_SHORT;
    }
    if (!theater__utf8_valid(bytes.data, bytes.size)) {
        return "a text is not UTF-8";
    }
    out_text->data = (const char *)bytes.data;
    out_text->size = bytes.size;
    return NULL;
}

static const char *read_name(theater__reader *reader, theater_text *out_name)
{
    const char *why = read_text(reader, out_name);
    return why == NULL && out_name->size == 0 ? "a name is empty" : why;
}

static const char *read_bool(theater__reader *reader, bool *out_bool)
{
    uint8_t byte = theater__reader_u8(reader);
    if (byte > 1) {
        return "a byte that is 0 or 1 is neither";
    }
    *out_bool = byte == 1;
    return NULL;
}

static const char *read_number(theater__reader *reader, theater_value *value)
{
    uint64_t number = theater__reader_varint(reader);
    unsigned bits = signed_bits(value->kind);
    bool fits = true;
    if (bits > 0) {
        value->of.s64 = unzigzag(number);
        fits = signed_fits(value->of.s64, bits);
    } else if (value->kind == THEATER_VALUE_CHAR) {
        value->of.u64 = number;
        fits = is_scalar_value(number);
    } else {
        value->of.u64 = number;
        fits = unsigned_fits(number, unsigned_bits(value->kind));
    }
    return fits ? NULL : "a number is outside its type";
}

static const char *read_float(theater__reader *reader, theater_value *value)
{
    bool canonical = true;
    if (value->kind == THEATER_VALUE_F32) {
        uint32_t bits = theater__reader_u32(reader);
        memcpy(&value->of.f32, &bits, sizeof bits);
        canonical = bits == f32_bits(value->of.f32);
    } else {
        uint64_t bits = theater__reader_u64(reader);
        memcpy(&value->of.f64, &bits, sizeof bits);
        canonical = bits == f64_bits(value->of.f64);
    }
    return canonical ? NULL : "a NaN is not the canonical one";
}

/* How many items follow; no more than there are bytes for, so that a lie allocates nothing. */
static const char *read_count(theater__reader *reader, size_t *out_count)
{
    uint64_t count = theater__reader_varint(reader);
    if (count > theater__reader_left(reader) / THEATER__VALUE_BYTES_MIN) {
        return "more items than bytes";
    }
    *out_count = (size_t)count;
    return NULL;
}

static const char *read_presence(theater__reader *reader, size_t *out_count)
{
    bool present = false;
    const char *why = read_bool(reader, &present);
    *out_count = present ? 1 : 0;
    return why;
}

/* Everything between the kind byte and the first item. */
static const char *read_head(theater__reader *reader, theater_value *value, size_t *out_count)
{
    const char *why = NULL;
    switch (value->kind) {
    case THEATER_VALUE_BOOL:
        return read_bool(reader, &value->of.boolean);
    case THEATER_VALUE_S8:
    case THEATER_VALUE_S16:
    case THEATER_VALUE_S32:
    case THEATER_VALUE_S64:
    case THEATER_VALUE_U8:
    case THEATER_VALUE_U16:
    case THEATER_VALUE_U32:
    case THEATER_VALUE_U64:
    case THEATER_VALUE_CHAR:
        return read_number(reader, value);
    case THEATER_VALUE_F32:
    case THEATER_VALUE_F64:
        return read_float(reader, value);
    case THEATER_VALUE_STRING:
        return read_text(reader, &value->of.text);
    case THEATER_VALUE_BYTES:
        value->of.bytes = theater__reader_sized(reader);
        return NULL;
    case THEATER_VALUE_LIST:
    case THEATER_VALUE_TUPLE:
    case THEATER_VALUE_RECORD:
    case THEATER_VALUE_FLAGS:
        return read_count(reader, out_count);
    case THEATER_VALUE_ENUM:
        return read_name(reader, &value->case_name);
    case THEATER_VALUE_VARIANT:
        why = read_name(reader, &value->case_name);
        return why != NULL ? why : read_presence(reader, out_count);
    case THEATER_VALUE_RESULT:
        why = read_bool(reader, &value->is_ok);
        return why != NULL ? why : read_presence(reader, out_count);
    case THEATER_VALUE_OPTION:
        return read_presence(reader, out_count);
    }
    return "a kind of value that is none";
}

typedef struct read_frame {
    theater_value *next;
    theater_value *end;
    theater_value_kind parent;
} read_frame;

static theater_status refuse(const theater__reader *reader, const char *why, theater_error *err)
{
    return theater__fail(err, THEATER_ERR_CORRUPT, "value refused at byte %zu: %s", reader->offset,
                         why);
}

/* One value without its items, whose number is given back. */
static const char *read_one(theater__reader *reader, theater_value_kind parent,
                            theater_value *value, size_t *out_count)
{
    const char *why = theater__kind_names_items(parent) ? read_name(reader, &value->name) : NULL;
    if (why != NULL) {
        return why;
    }
    value->kind = (theater_value_kind)theater__reader_u8(reader);
    if (reader->failed) {
        return TOO_SHORT;
    }
    why = read_head(reader, value, out_count);
    if (reader->failed) {
        return TOO_SHORT;
    }
    bool set = value->kind == THEATER_VALUE_BOOL && value->of.boolean;
    if (why == NULL && parent == THEATER_VALUE_FLAGS && !set) {
        return "a flag that is listed is not set";
    }
    return why;
}

/* An arena gives NULL for two reasons; the caller can act on one of them. */
static theater_status arena_failed(const theater__arena *arena, size_t size, theater_error *err)
{
    size_t used_max = arena->used_max > 0 ? arena->used_max : THEATER__ARENA_BYTES_MAX;
    if (size > used_max - arena->used) {
        return theater__fail(err, THEATER_ERR_LIMIT,
                             "values take more memory than arena_bytes_max (%zu bytes)", used_max);
    }
    return theater__fail_nomem(err);
}

/* Fills count values, and everything below them. */
static theater_status decode_all(theater__reader *reader, theater__arena *arena,
                                 theater_value *values, size_t count, theater_error *err)
{
    read_frame stack[THEATER__VALUE_DEPTH_MAX + 1];
    stack[0] = (read_frame){values, values + count, THEATER_VALUE_TUPLE};
    size_t depth = 1;
    size_t items_left = THEATER__VALUE_ITEMS_MAX;
    while (depth > 0) {
        read_frame *top = &stack[depth - 1];
        if (top->next == top->end) {
            depth--;
            continue;
        }
        theater_value *value = top->next;
        top->next++;
        size_t items_count = 0;
        const char *why = read_one(reader, top->parent, value, &items_count);
        if (why != NULL) {
            return refuse(reader, why, err);
        }
        if (!theater__kind_has_items(value->kind)) {
            continue;
        }
        if (depth > THEATER__VALUE_DEPTH_MAX) {
            return refuse(reader, "nested deeper than value_depth_max (32)", err);
        }
        if (items_count > items_left) {
            return refuse(reader, "more items than value_items_max (1048576)", err);
        }
        items_left -= items_count;
        theater_value *items = theater__arena_array(arena, items_count, sizeof *items);
        if (items == NULL) {
            return arena_failed(arena, items_count * sizeof *items, err);
        }
        value->of.items.data = items;
        value->of.items.count = items_count;
        stack[depth] = (read_frame){items, items + items_count, value->kind};
        depth++;
    }
    return THEATER_OK;
}

theater_status theater__value_decode(theater__reader *reader, theater__arena *arena,
                                     theater_value *out_value, theater_error *err)
{
    THEATER_ASSERT(reader != NULL && arena != NULL);
    THEATER_ASSERT(out_value != NULL);
    theater_value value = {0};
    theater_status status = decode_all(reader, arena, &value, 1, err);
    if (status != THEATER_OK) {
        return status;
    }
    THEATER_ASSERT(!reader->failed);
    *out_value = value;
    return THEATER_OK;
}

theater_status theater__values_decode(theater__reader *reader, theater__arena *arena,
                                      theater_values *out_values, theater_error *err)
{
    THEATER_ASSERT(reader != NULL && arena != NULL);
    THEATER_ASSERT(out_values != NULL);
    size_t count = 0;
    const char *why = read_count(reader, &count);
    if (why == NULL && reader->failed) {
        why = TOO_SHORT;
    }
    if (why == NULL && count > THEATER__VALUE_ITEMS_MAX) {
        why = "more items than value_items_max (1048576)";
    }
    if (why != NULL) {
        return refuse(reader, why, err);
    }
    theater_value *values = theater__arena_array(arena, count, sizeof *values);
    if (values == NULL) {
        return arena_failed(arena, count * sizeof *values, err);
    }
    theater_status status = decode_all(reader, arena, values, count, err);
    if (status != THEATER_OK) {
        return status;
    }
    THEATER_ASSERT(!reader->failed);
    *out_values = (theater_values){values, count};
    return THEATER_OK;
}
