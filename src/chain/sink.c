/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block in front of an export's callback, and the few shapes of text that all exports write.
 */
#include "sink.h"

#include <base/assert.h>
#include <base/error.h>

#include <string.h>

void theater__sink_init(theater__sink *sink, theater_chain_write_fn *write, void *userdata)
{
    THEATER_ASSERT(sink != NULL && write != NULL);
    sink->write = write;
    sink->userdata = userdata;
    sink->is_stopped = false;
    sink->used = 0;
}

static void empty_block(theater__sink *sink)
{
    if (!sink->is_stopped && sink->used > 0) {
        sink->is_stopped = sink->write(sink->block, sink->used, sink->userdata) != 0;
    }
    sink->used = 0;
}

void theater__sink_put(theater__sink *sink, const void *data, size_t size)
{
    THEATER_ASSERT(data != NULL || size == 0);
    const char *from = data;
    while (size > 0 && !sink->is_stopped) {
        size_t room = sizeof(sink->block) - sink->used;
        size_t piece = size < room ? size : room;
        memcpy(sink->block + sink->used, from, piece);
        sink->used += piece;
        from += piece;
        size -= piece;
        if (sink->used == sizeof(sink->block)) {
            empty_block(sink);
        }
    }
    THEATER_ASSERT(sink->used < sizeof(sink->block));
}

void theater__sink_put_text(theater__sink *sink, const char *text)
{
    theater__sink_put(sink, text, strlen(text));
}

void theater__sink_put_u64(theater__sink *sink, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    theater__sink_put(sink, digits + at, sizeof(digits) - at);
}

void theater__sink_put_hex(theater__sink *sink, const uint8_t *data, size_t size)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        char pair[2] = {hex[data[i] >> 4], hex[data[i] & 15]};
        theater__sink_put(sink, pair, sizeof(pair));
    }
}

/* The letter of a short escape, or 0. */
static char short_escape(unsigned char c)
{
    switch (c) {
    case '"':
        return '"';
    case '\\':
        return '\\';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

void theater__sink_put_json_string(theater__sink *sink, const char *data, size_t size)
{
    THEATER_ASSERT(data != NULL || size == 0);
    theater__sink_put(sink, "\"", 1);
    size_t plain = 0; /* where the run of characters that need no escape began */
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)data[i];
        char letter = short_escape(c);
        if (letter == 0 && c >= 0x20) {
            continue;
        }
        if (i > plain) {
            theater__sink_put(sink, data + plain, i - plain);
        }
        plain = i + 1;
        if (letter != 0) {
            char escape[2] = {'\\', letter};
            theater__sink_put(sink, escape, sizeof(escape));
        } else {
            theater__sink_put(sink, "\\u00", 4);
            theater__sink_put_hex(sink, &c, 1);
        }
    }
    if (size > plain) {
        theater__sink_put(sink, data + plain, size - plain);
    }
    theater__sink_put(sink, "\"", 1);
}

theater_status theater__sink_flush(theater__sink *sink, theater_error *err)
{
    THEATER_ASSERT(sink != NULL);
    empty_block(sink);
    if (sink->is_stopped) {
        return theater__fail(err, THEATER_ERR_CANCELLED, "the export was stopped by its receiver");
    }
    return THEATER_OK;
}
