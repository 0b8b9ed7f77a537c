/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theater's own chain file, read by a parser for exactly this format. A general JSON library would
 * build a tree of a hundred times the file's size before anything is checked, takes numbers out of
 * range for other numbers, and reports a byte where we owe the number of an event. The format has a
 * fixed depth of three, so nothing here nests, and a hostile file costs no more than its size.
 *
 *     { "events": [ { "hash": [20 numbers], "parent_hash": null | [20 numbers], "event_type": text,
 *                     "data": [numbers], "timestamp": u64, "description": null | text }, ... ],
 *       "current_hash": null | [20 numbers] }
 *
 * White space and the order of keys are free, as they are for Theater; a missing, repeated or
 * unknown key is damage. What is compared is the meaning: strings are unescaped and hashed in the
 * spelling that Theater writes.
 */
#include "foreign.h"

#include <base/assert.h>
#include <base/error.h>
#include <base/value.h>

#include <inttypes.h>
#include <string.h>

enum {
    KEY_HASH = 1 << 0,
    KEY_PARENT_HASH = 1 << 1,
    KEY_EVENT_TYPE = 1 << 2,
    KEY_DATA = 1 << 3,
    KEY_TIMESTAMP = 1 << 4,
    KEY_DESCRIPTION = 1 << 5,
    KEYS_ALL = (1 << 6) - 1
};

void theater__foreign_reader_init(theater__foreign_reader *reader, const uint8_t *text, size_t size)
{
    THEATER_ASSERT(reader != NULL);
    THEATER_ASSERT(text != NULL || size == 0);
    memset(reader, 0, sizeof(*reader));
    reader->text = text;
    reader->size = size;
    reader->place = THEATER__FOREIGN_AT_START;
}

void theater__foreign_reader_deinit(theater__foreign_reader *reader)
{
    if (reader != NULL) {
        theater__buffer_deinit(&reader->event_type);
        theater__buffer_deinit(&reader->data);
        theater__buffer_deinit(&reader->description);
        theater__buffer_deinit(&reader->scratch);
    }
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static void skip_space(theater__foreign_reader *reader)
{
    while (reader->offset < reader->size) {
        uint8_t c = reader->text[reader->offset];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
            return;
        }
        reader->offset++;
    }
}

/*
 * Consumes c, with white space in front of it; false and nothing but white space consumed if not.
 */
static bool accept(theater__foreign_reader *reader, char c)
{
    skip_space(reader);
    if (reader->offset < reader->size && reader->text[reader->offset] == (uint8_t)c) {
        reader->offset++;
        return true;
    }
    return false;
}

static bool accept_null(theater__foreign_reader *reader)
{
    skip_space(reader);
    if (reader->size - reader->offset < 4 ||
        memcmp(reader->text + reader->offset, "null", 4) != 0) {
        return false;
    }
    reader->offset += 4;
    return true;
}

/* A number of digits only, in its one spelling, at most max. */
static bool read_number(theater__foreign_reader *reader, uint64_t max, uint64_t *out)
{
    skip_space(reader);
    size_t start = reader->offset;
    uint64_t number = 0;
    while (reader->offset < reader->size) {
        uint8_t c = reader->text[reader->offset];
        if (c < '0' || c > '9') {
            break;
        }
        if (__builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(c - '0'), &number) || number > max) {
            return false;
        }
        reader->offset++;
    }
    size_t digits = reader->offset - start;
    *out = number;
    return digits == 1 || (digits > 1 && reader->text[start] != '0');
}

static bool read_byte_array(theater__foreign_reader *reader, theater__buffer *out)
{
    theater__buffer_clear(out);
    if (!accept(reader, '[')) {
        return false;
    }
    if (accept(reader, ']')) {
        return true;
    }
    do {
        uint64_t number;
        if (!read_number(reader, UINT8_MAX, &number)) {
            return false;
        }
        theater__buffer_put_u8(out, (uint8_t)number);
    } while (accept(reader, ','));
    return accept(reader, ']');
}

/* An array of exactly the bytes of a hash. */
static bool read_hash(theater__foreign_reader *reader, uint8_t out[THEATER__SHA1_SIZE])
{
    if (!read_byte_array(reader, &reader->scratch) || reader->scratch.failed ||
        reader->scratch.size != THEATER__SHA1_SIZE) {
        return false;
    }
    memcpy(out, reader->scratch.data, THEATER__SHA1_SIZE);
    return true;
}

static bool read_hex4(theater__foreign_reader *reader, uint32_t *out)
{
    uint32_t number = 0;
    if (reader->size - reader->offset < 4) {
        return false;
    }
    for (size_t i = 0; i < 4; i++) {
        uint8_t c = reader->text[reader->offset++];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16u;
        if (digit == 16) {
            return false;
        }
        number = number << 4 | digit;
    }
    *out = number;
    return true;
}

static void put_utf8(theater__buffer *out, uint32_t code)
{
    if (code < 0x80) {
        theater__buffer_put_u8(out, (uint8_t)code);
        return;
    }
    if (code < 0x800) {
        theater__buffer_put_u8(out, (uint8_t)(0xc0 | code >> 6));
    } else if (code < 0x10000) {
        theater__buffer_put_u8(out, (uint8_t)(0xe0 | code >> 12));
        theater__buffer_put_u8(out, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
    } else {
        theater__buffer_put_u8(out, (uint8_t)(0xf0 | code >> 18));
        theater__buffer_put_u8(out, (uint8_t)(0x80 | (code >> 12 & 0x3f)));
        theater__buffer_put_u8(out, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
    }
    theater__buffer_put_u8(out, (uint8_t)(0x80 | (code & 0x3f)));
}

/* What follows "\u": a character, or the first of a pair of surrogates with its second. */
static bool read_unicode_escape(theater__foreign_reader *reader, theater__buffer *out)
{
    uint32_t code;
    if (!read_hex4(reader, &code)) {
        return false;
    }
    if (code >= 0xdc00 && code <= 0xdfff) {
        return false;
    }
    if (code >= 0xd800 && code <= 0xdbff) {
        uint32_t low;
        if (reader->size - reader->offset < 2 || reader->text[reader->offset] != '\\' ||
            reader->text[reader->offset + 1] != 'u') {
            return false;
        }
        reader->offset += 2;
        if (!read_hex4(reader, &low) || low < 0xdc00 || low > 0xdfff) {
            return false;
        }
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    put_utf8(out, code);
    return true;
}

/* What follows a backslash. */
static bool read_escape(theater__foreign_reader *reader, theater__buffer *out)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    if (reader->offset == reader->size) {
        return false;
    }
    uint8_t c = reader->text[reader->offset++];
    if (c == 'u') {
        return read_unicode_escape(reader, out);
    }
    const char *found = c != 0 ? strchr(letters, c) : NULL;
    if (found == NULL) {
        return false;
    }
    theater__buffer_put_u8(out, (uint8_t)meanings[found - letters]);
    return true;
}

static bool read_string(theater__foreign_reader *reader, theater__buffer *out)
{
    theater__buffer_clear(out);
    if (!accept(reader, '"')) {
        return false;
    }
    size_t plain = reader->offset; /* where the run of plain characters began */
    while (reader->offset < reader->size) {
        uint8_t c = reader->text[reader->offset];
        if (c < 0x20) {
            return false;
        }
        if (c != '"' && c != '\\') {
            reader->offset++;
            continue;
        }
        theater__buffer_put(out, reader->text + plain, reader->offset - plain);
        reader->offset++;
        if (c == '"') {
            return out->failed || theater__utf8_valid(out->data, out->size);
        }
        if (!read_escape(reader, out)) {
            return false;
        }
        plain = reader->offset;
    }
    return false;
}

static bool is_text(const theater__buffer *buffer, const char *text)
{
    size_t size = strlen(text);
    return !buffer->failed && buffer->size == size && memcmp(buffer->data, text, size) == 0;
}

/* ---- events ---------------------------------------------------------------------------------- */

static bool read_member(theater__foreign_reader *reader, theater__foreign_event *event, int key)
{
    switch (key) {
    case KEY_HASH:
        return read_hash(reader, event->hash);
    case KEY_PARENT_HASH:
        event->has_parent = !accept_null(reader);
        return !event->has_parent || read_hash(reader, event->parent);
    case KEY_EVENT_TYPE:
        return read_string(reader, &reader->event_type);
    case KEY_DATA:
        return read_byte_array(reader, &reader->data);
    case KEY_TIMESTAMP:
        return read_number(reader, UINT64_MAX, &event->timestamp);
    case KEY_DESCRIPTION:
        event->has_description = !accept_null(reader);
        return !event->has_description || read_string(reader, &reader->description);
    default:
        return false;
    }
}

static int key_of(const theater__buffer *name)
{
    static const char *const names[] = {"hash", "parent_hash", "event_type",
                                        "data", "timestamp",   "description"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (is_text(name, names[i])) {
            return 1 << i;
        }
    }
    return 0;
}

/* One event's object; its texts lie in the reader's buffers. */
static bool read_event(theater__foreign_reader *reader, theater__foreign_event *event)
{
    int seen = 0;
    if (!accept(reader, '{')) {
        return false;
    }
    do {
        if (!read_string(reader, &reader->scratch)) {
            return false;
        }
        int key = key_of(&reader->scratch);
        if ((seen & key) != 0 || !accept(reader, ':') || !read_member(reader, event, key)) {
            return false;
        }
        seen |= key;
    } while (accept(reader, ','));
    event->event_type.data = (const char *)reader->event_type.data;
    event->event_type.size = reader->event_type.size;
    event->data.data = reader->data.data;
    event->data.size = reader->data.size;
    event->description.data = (const char *)reader->description.data;
    event->description.size = event->has_description ? reader->description.size : 0;
    return accept(reader, '}') && seen == KEYS_ALL;
}

static bool is_out_of_memory(const theater__foreign_reader *reader)
{
    return reader->event_type.failed || reader->data.failed || reader->description.failed ||
           reader->scratch.failed;
}

static theater_status fail_shape(const theater__foreign_reader *reader, theater_error *err)
{
    if (is_out_of_memory(reader)) {
        return theater__fail_nomem(err);
    }
    return theater__fail(err, THEATER_ERR_CORRUPT,
                         "event %" PRIu64 ": the JSON at byte %zu is not what Theater writes",
                         reader->next_seq, reader->offset);
}

/*
 * The keys of the outermost object, up to the first event or the end. needs_comma: some were read
 * before.
 */
static bool read_keys(theater__foreign_reader *reader, bool needs_comma)
{
    while (!accept(reader, '}')) {
        if (needs_comma && !accept(reader, ',')) {
            return false;
        }
        needs_comma = true;
        if (!read_string(reader, &reader->scratch)) {
            return false;
        }
        bool is_events = is_text(&reader->scratch, "events");
        bool *seen = is_events ? &reader->has_events_key : &reader->has_current_key;
        if ((!is_events && !is_text(&reader->scratch, "current_hash")) || *seen ||
            !accept(reader, ':')) {
            return false;
        }
        *seen = true;
        if (!is_events) {
            reader->has_current = !accept_null(reader);
            if (reader->has_current && !read_hash(reader, reader->current)) {
                return false;
            }
            continue;
        }
        if (!accept(reader, '[')) {
            return false;
        }
        if (!accept(reader, ']')) {
            reader->place = THEATER__FOREIGN_AT_EVENT;
            return true;
        }
    }
    skip_space(reader);
    reader->place = THEATER__FOREIGN_AT_END;
    return reader->offset == reader->size && reader->has_events_key && reader->has_current_key;
}

/* Moves to the next event or to the end. */
static bool advance(theater__foreign_reader *reader)
{
    switch (reader->place) {
    case THEATER__FOREIGN_AT_START:
        return accept(reader, '{') && read_keys(reader, false);
    case THEATER__FOREIGN_AFTER_EVENT:
        if (accept(reader, ',')) {
            reader->place = THEATER__FOREIGN_AT_EVENT;
            return true;
        }
        return accept(reader, ']') && read_keys(reader, true);
    case THEATER__FOREIGN_AT_EVENT:
    case THEATER__FOREIGN_AT_END:
    default:
        return true;
    }
}

static theater_status check_end(const theater__foreign_reader *reader, theater_error *err)
{
    bool is_empty = reader->next_seq == 0;
    if (reader->has_current == is_empty ||
        (!is_empty && memcmp(reader->current, reader->head, sizeof(reader->head)) != 0)) {
        return theater__fail(err, THEATER_ERR_CORRUPT,
                             "event %" PRIu64 ": it is missing, or current_hash is damaged: that "
                             "is not the hash of the last event",
                             reader->next_seq);
    }
    return theater__fail(err, THEATER_ERR_NOTFOUND, "the chain has no event %" PRIu64,
                         reader->next_seq);
}

static theater_status check_links(const theater__foreign_reader *reader,
                                  const theater__foreign_event *event, theater_error *err)
{
    uint64_t seq = reader->next_seq;
    if (event->has_parent != (seq > 0)) {
        return theater__fail(err, THEATER_ERR_CORRUPT,
                             seq > 0 ? "event %" PRIu64 ": it has no parent_hash"
                                     : "event %" PRIu64 ": it is the first and has a parent_hash",
                             seq);
    }
    if (seq > 0 && memcmp(event->parent, reader->head, sizeof(reader->head)) != 0) {
        return theater__fail(err, THEATER_ERR_CORRUPT,
                             "event %" PRIu64 ": its parent_hash does not link to event %" PRIu64,
                             seq, seq - 1);
    }
    uint8_t hash[THEATER__SHA1_SIZE];
    theater__foreign_hash(event, hash);
    if (memcmp(event->hash, hash, sizeof(hash)) != 0) {
        return theater__fail(err, THEATER_ERR_CORRUPT,
                             "event %" PRIu64 ": its hash is not the hash of its content", seq);
    }
    return THEATER_OK;
}

theater_status theater__foreign_read(theater__foreign_reader *reader,
                                     theater__foreign_event *out_event, theater_error *err)
{
    THEATER_ASSERT(reader != NULL && out_event != NULL);
    THEATER_ASSERT(reader->offset <= reader->size);
    if (!advance(reader)) {
        return fail_shape(reader, err);
    }
    if (reader->place == THEATER__FOREIGN_AT_END) {
        return check_end(reader, err);
    }
    THEATER_ASSERT(reader->place == THEATER__FOREIGN_AT_EVENT);
    theater__foreign_event event = {0};
    if (!read_event(reader, &event) || is_out_of_memory(reader)) {
        return fail_shape(reader, err);
    }
    theater_status status = check_links(reader, &event, err);
    if (status != THEATER_OK) {
        return status;
    }
    reader->place = THEATER__FOREIGN_AFTER_EVENT;
    reader->next_seq++;
    memcpy(reader->head, event.hash, sizeof(reader->head));
    *out_event = event;
    return THEATER_OK;
}

bool theater__foreign_probe(const uint8_t *text, size_t size)
{
    static const char *const keys[] = {"\"events\"", "\"current_hash\""};
    theater__foreign_reader reader;
    theater__foreign_reader_init(&reader, text, size);
    if (!accept(&reader, '{')) {
        return false;
    }
    skip_space(&reader);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        size_t length = strlen(keys[i]);
        if (size - reader.offset >= length && memcmp(text + reader.offset, keys[i], length) == 0) {
            return true;
        }
    }
    return false;
}
