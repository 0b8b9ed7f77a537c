/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values as JSON text.
 *
 * Written by hand and not through json-c: the text goes into the buffer that the caller has anyway,
 * integers keep all 64 bits, and memory cannot run out in a second place. The walk is the one of
 * value.c, with punctuation: a frame remembers how it is to be closed, and what stands between its
 * items. (Reading is in type.c: it takes the types to know what a number or an array means.)
 */
#include <base/value.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <base/limits.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kinds.h"

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */
#define NUMBER_BYTES_MAX 40u       /* "-1.7976931348623157e+308" is 24 */

static void put(theater__buffer *buffer, const char *text)
{
    theater__buffer_put(buffer, text, strlen(text));
}

/* ---- leaves ---------------------------------------------------------------------------------- */

static void put_control(theater__buffer *buffer, uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";
    static const char letters[] = "btn\0fr"; /* 8 to 13; 11 has none */
    THEATER_ASSERT(byte < 0x20u);
    if (byte >= 8 && byte <= 13 && letters[byte - 8] != '\0') {
        const char escape[2] = {'\\', letters[byte - 8]};
        theater__buffer_put(buffer, escape, sizeof escape);
        return;
    }
    const char escape[6] = {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15u]};
    theater__buffer_put(buffer, escape, sizeof escape);
}

/* How many bytes from the start of data can be copied as they are. */
static size_t plain_size(const uint8_t *data, size_t size)
{
    size_t i = 0;
    while (i < size && data[i] >= 0x20u && data[i] < 0x80u && data[i] != '"' && data[i] != '\\') {
        i++;
    }
    return i;
}

void theater__json_put_string(theater__buffer *buffer, const char *data, size_t size)
{
    THEATER_ASSERT(buffer != NULL);
    THEATER_ASSERT(data != NULL || size == 0);
    const uint8_t *bytes = (const uint8_t *)data;
    theater__buffer_put_u8(buffer, '"');
    size_t i = 0;
    while (i < size) {
        size_t plain = plain_size(bytes + i, size - i);
        theater__buffer_put(buffer, bytes + i, plain);
        i += plain;
        if (i == size) {
            break;
        }
        size_t length = theater__utf8_length(bytes + i, size - i);
        if (length > 1) {
            theater__buffer_put(buffer, bytes + i, length);
        } else if (length == 0) {
            put(buffer, REPLACEMENT);
        } else if (bytes[i] < 0x20u) {
            put_control(buffer, bytes[i]);
        } else {
            theater__buffer_put_u8(buffer, '\\');
            theater__buffer_put_u8(buffer, bytes[i]);
        }
        i += length > 0 ? length : 1;
    }
    theater__buffer_put_u8(buffer, '"');
}

static void put_signed(theater__buffer *buffer, int64_t number)
{
    char text[NUMBER_BYTES_MAX];
    (void)snprintf(text, sizeof text, "%" PRId64, number);
    put(buffer, text);
}

static void put_unsigned(theater__buffer *buffer, uint64_t number)
{
    char text[NUMBER_BYTES_MAX];
    (void)snprintf(text, sizeof text, "%" PRIu64, number);
    put(buffer, text);
}

/* printf writes the decimal point of the process's locale, whatever bytes that is: JSON has '.'. */
static void put_with_point(theater__buffer *buffer, const char *text)
{
    bool foreign = false;
    for (const char *at = text; *at != '\0'; at++) {
        if (strchr("0123456789+-eE.", *at) != NULL) {
            theater__buffer_put_u8(buffer, (uint8_t)*at);
            foreign = false;
        } else if (!foreign) {
            theater__buffer_put_u8(buffer, '.');
            foreign = true;
        }
    }
}

/* As few digits as read back as the same number, from the number that every decimal survives. */
static void put_float(theater__buffer *buffer, double number, bool single)
{
    if (isnan(number)) {
        put(buffer, "\"NaN\"");
        return;
    }
    if (isinf(number)) {
        put(buffer, number > 0 ? "\"Infinity\"" : "\"-Infinity\"");
        return;
    }
    char text[NUMBER_BYTES_MAX];
    int precision_max = single ? 9 : 17;
    for (int precision = single ? 6 : 15; precision <= precision_max; precision++) {
        (void)snprintf(text, sizeof text, "%.*g", precision, number);
        bool same = single ? strtof(text, NULL) == (float)number : strtod(text, NULL) == number;
        if (same) {
            break;
        }
    }
    put_with_point(buffer, text);
}

static void put_char(theater__buffer *buffer, uint64_t scalar)
{
    char text[4];
    size_t size = 0;
    if (scalar < 0x80u) {
        text[0] = (char)scalar;
        size = 1;
    } else if (scalar < 0x800u) {
        text[0] = (char)(0xC0u | scalar >> 6);
        size = 2;
    } else if (scalar < 0x10000u) {
        text[0] = (char)(0xE0u | scalar >> 12);
        size = 3;
    } else {
        text[0] = (char)(0xF0u | (scalar >> 18 & 7u));
        size = 4;
    }
    for (size_t i = 1; i < size; i++) {
        text[i] = (char)(0x80u | (scalar >> (6 * (size - 1 - i)) & 0x3Fu));
    }
    theater__json_put_string(buffer, text, size);
}

static void put_bytes(theater__buffer *buffer, theater_bytes bytes)
{
    theater__buffer_put_u8(buffer, '[');
    for (size_t i = 0; i < bytes.size; i++) {
        if (i > 0) {
            theater__buffer_put_u8(buffer, ',');
        }
        put_unsigned(buffer, bytes.data[i]);
    }
    theater__buffer_put_u8(buffer, ']');
}

static void put_text(theater__buffer *buffer, theater_text text)
{
    theater__json_put_string(buffer, text.data, text.size);
}

static void put_flags(theater__buffer *buffer, theater_values flags)
{
    theater__buffer_put_u8(buffer, '[');
    for (size_t i = 0; i < flags.count; i++) {
        if (i > 0) {
            theater__buffer_put_u8(buffer, ',');
        }
        put_text(buffer, flags.data[i].name);
    }
    theater__buffer_put_u8(buffer, ']');
}

/* ---- the walk -------------------------------------------------------------------------------- */

typedef struct json_frame {
    const theater_value *next;
    const theater_value *end;
    const char *close;
    bool named;   /* each item after its name */
    bool started; /* the next item needs a comma in front */
} json_frame;

/*
 * Writes a value, or what opens it; returns true if items follow, with the frame for them.
 * Kinds with at most one item write their whole text if they have none.
 */
static bool open_payload(theater__buffer *buffer, const theater_value *value, json_frame *frame)
{
    bool some = value->of.items.count > 0;
    frame->close = "}";
    switch (value->kind) {
    case THEATER_VALUE_VARIANT:
        if (some) {
            put(buffer, "{");
        }
        put_text(buffer, value->case_name);
        if (some) {
            put(buffer, ":");
        }
        return some;
    case THEATER_VALUE_RESULT:
        put(buffer, value->is_ok ? "{\"ok\":" : "{\"err\":");
        if (!some) {
            put(buffer, "null}");
        }
        return some;
    default:
        THEATER_ASSERT(value->kind == THEATER_VALUE_OPTION);
        if (!some) {
            put(buffer, "null");
        } else if (value->of.items.data[0].kind == THEATER_VALUE_OPTION) {
            put(buffer, "{\"some\":"); /* a bare null would say none where some(none) is meant */
        } else {
            frame->close = "";
        }
        return some;
    }
}

static bool open_items(theater__buffer *buffer, const theater_value *value, json_frame *frame)
{
    theater_values items = value->of.items;
    *frame = (json_frame){.next = items.data, .end = items.data};
    if (items.count > 0) {
        frame->end = items.data + items.count;
    }
    switch (value->kind) {
    case THEATER_VALUE_LIST:
    case THEATER_VALUE_TUPLE:
        put(buffer, "[");
        frame->close = "]";
        return true;
    case THEATER_VALUE_RECORD:
        put(buffer, "{");
        frame->close = "}";
        frame->named = true;
        return true;
    case THEATER_VALUE_FLAGS:
        put_flags(buffer, items);
        return false;
    default:
        return open_payload(buffer, value, frame);
    }
}

static void put_leaf(theater__buffer *buffer, const theater_value *value)
{
    switch (value->kind) {
    case THEATER_VALUE_BOOL:
        put(buffer, value->of.boolean ? "true" : "false");
        return;
    case THEATER_VALUE_S8:
    case THEATER_VALUE_S16:
    case THEATER_VALUE_S32:
    case THEATER_VALUE_S64:
        put_signed(buffer, value->of.s64);
        return;
    case THEATER_VALUE_U8:
    case THEATER_VALUE_U16:
    case THEATER_VALUE_U32:
    case THEATER_VALUE_U64:
        put_unsigned(buffer, value->of.u64);
        return;
    case THEATER_VALUE_F32:
        put_float(buffer, (double)value->of.f32, true);
        return;
    case THEATER_VALUE_F64:
        put_float(buffer, value->of.f64, false);
        return;
    case THEATER_VALUE_CHAR:
        put_char(buffer, value->of.u64);
        return;
    case THEATER_VALUE_STRING:
        put_text(buffer, value->of.text);
        return;
    case THEATER_VALUE_BYTES:
        put_bytes(buffer, value->of.bytes);
        return;
    case THEATER_VALUE_ENUM:
        put_text(buffer, value->case_name);
        return;
    default:
        buffer->failed = true; /* no value */
        return;
    }
}

void theater__value_to_json(theater__buffer *buffer, const theater_value *value)
{
    THEATER_ASSERT(buffer != NULL);
    THEATER_ASSERT(value != NULL);
    json_frame stack[THEATER__VALUE_DEPTH_MAX + 1];
    stack[0] = (json_frame){.next = value, .end = value + 1, .close = ""};
    size_t depth = 1;
    while (depth > 0 && !buffer->failed) {
        json_frame *top = &stack[depth - 1];
        if (top->next == top->end) {
            put(buffer, top->close);
            depth--;
            continue;
        }
        const theater_value *at = top->next;
        top->next++;
        if (top->started) {
            theater__buffer_put_u8(buffer, ',');
        }
        top->started = true;
        if (top->named) {
            put_text(buffer, at->name);
            theater__buffer_put_u8(buffer, ':');
        }
        if (!theater__kind_has_items(at->kind)) {
            put_leaf(buffer, at);
            continue;
        }
        if (depth > THEATER__VALUE_DEPTH_MAX) {
            buffer->failed = true;
            return;
        }
        if (open_items(buffer, at, &stack[depth])) {
            depth++;
        }
    }
}

theater_status theater_value_write_json(const theater_value *value,
                                        int (*write)(const void *data, size_t size, void *userdata),
                                        void *userdata, theater_error *err)
{
    THEATER_ASSERT(value != NULL);
    THEATER_ASSERT(write != NULL);
    THEATER_CLEANUP(theater__buffer_deinit) theater__buffer buffer = {0};
    theater__value_to_json(&buffer, value);
    if (buffer.failed) {
        return theater__fail(err, THEATER_ERR_NOMEM,
                             "the value could not be written: out of memory, or it is nested "
                             "deeper than value_depth_max (%u)",
                             THEATER__VALUE_DEPTH_MAX);
    }
    if (write(buffer.data, buffer.size, userdata) != 0) {
        return theater__fail(err, THEATER_ERR_CANCELLED, "writing the value was stopped");
    }
    return THEATER_OK;
}
