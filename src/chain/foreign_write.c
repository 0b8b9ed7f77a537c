/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theater's own chain file, written byte for byte as Theater writes it: serde_json's pretty printer
 * (two spaces, one array element a line, `[]` for an empty array, no newline at the end).
 *
 * An event's hash is the SHA-1 of the event's compact JSON with an empty hash, description
 * included, so the wording of descriptions matters as much as the data. Both the compact text (into
 * the hash) and the pretty one (into the file) are streamed: neither is ever in memory as a whole.
 */
#include "foreign.h"

#include <base/assert.h>

#include <string.h>

static int hash_piece(const void *data, size_t size, void *userdata)
{
    theater__sha1_update(userdata, data, size);
    return 0;
}

/*
 * Elements of an array are put together here before they go to the sink: most of a file is these.
 */
#define CHUNK_ELEMENTS 64u
#define ELEMENT_SIZE_MAX 24u /* ",\n", the deepest indentation, three digits */

/* Writes the digits of a byte; returns how many. */
static size_t put_digits(char *out, uint8_t number)
{
    size_t size = 0;
    if (number >= 100) {
        out[size++] = (char)('0' + number / 100);
    }
    if (number >= 10) {
        out[size++] = (char)('0' + number / 10 % 10);
    }
    out[size++] = (char)('0' + number % 10);
    return size;
}

/* The numbers with commas between them, and before in front of each. */
static void put_elements(theater__sink *sink, const uint8_t *data, size_t size, const char *before)
{
    char chunk[CHUNK_ELEMENTS * ELEMENT_SIZE_MAX];
    size_t before_size = strlen(before);
    size_t used = 0;
    THEATER_ASSERT(before_size + 4 <= ELEMENT_SIZE_MAX);
    for (size_t i = 0; i < size; i++) {
        if (i > 0) {
            chunk[used++] = ',';
        }
        memcpy(chunk + used, before, before_size);
        used += before_size;
        used += put_digits(chunk + used, data[i]);
        if (sizeof(chunk) - used < ELEMENT_SIZE_MAX) {
            theater__sink_put(sink, chunk, used);
            used = 0;
        }
    }
    theater__sink_put(sink, chunk, used);
}

void theater__foreign_put_bytes(theater__sink *sink, const uint8_t *data, size_t size)
{
    theater__sink_put(sink, "[", 1);
    put_elements(sink, data, size, "");
    theater__sink_put(sink, "]", 1);
}

void theater__foreign_hash(const theater__foreign_event *event,
                           uint8_t out_hash[THEATER__SHA1_SIZE])
{
    THEATER_ASSERT(event != NULL);
    THEATER_ASSERT(out_hash != NULL);
    theater__sha1 sha1;
    theater__sink sink;
    theater__sha1_init(&sha1);
    theater__sink_init(&sink, hash_piece, &sha1);
    theater__sink_put_text(&sink, "{\"hash\":[],\"parent_hash\":");
    if (event->has_parent) {
        theater__foreign_put_bytes(&sink, event->parent, sizeof(event->parent));
    } else {
        theater__sink_put_text(&sink, "null");
    }
    theater__sink_put_text(&sink, ",\"event_type\":");
    theater__sink_put_json_string(&sink, event->event_type.data, event->event_type.size);
    theater__sink_put_text(&sink, ",\"data\":");
    theater__foreign_put_bytes(&sink, event->data.data, event->data.size);
    theater__sink_put_text(&sink, ",\"timestamp\":");
    theater__sink_put_u64(&sink, event->timestamp);
    theater__sink_put_text(&sink, ",\"description\":");
    if (event->has_description) {
        theater__sink_put_json_string(&sink, event->description.data, event->description.size);
    } else {
        theater__sink_put_text(&sink, "null");
    }
    theater__sink_put_text(&sink, "}");
    theater_status status = theater__sink_flush(&sink, NULL);
    THEATER_ASSERT(status == THEATER_OK);
    theater__sha1_final(&sha1, out_hash);
}

/* One element a line. indent is a newline and the indentation of the line that the array is on. */
static void put_pretty_bytes(theater__sink *sink, const char *indent, const uint8_t *data,
                             size_t size)
{
    char before[ELEMENT_SIZE_MAX];
    size_t length = strlen(indent);
    THEATER_ASSERT(length + 2 < sizeof(before));
    memcpy(before, indent, length);
    memcpy(before + length, "  ", 3);
    theater__sink_put(sink, "[", 1);
    if (size > 0) {
        put_elements(sink, data, size, before);
        theater__sink_put(sink, indent, length);
    }
    theater__sink_put(sink, "]", 1);
}

void theater__foreign_begin(theater__foreign_writer *writer, theater__sink *sink)
{
    THEATER_ASSERT(writer != NULL && sink != NULL);
    memset(writer, 0, sizeof(*writer));
    writer->sink = sink;
    theater__sink_put_text(sink, "{\n  \"events\": [");
}

void theater__foreign_put(theater__foreign_writer *writer, const theater__foreign_event *event)
{
    THEATER_ASSERT(writer != NULL && writer->sink != NULL);
    THEATER_ASSERT(event != NULL);
    theater__foreign_event linked = *event;
    linked.has_parent = writer->has_head;
    memcpy(linked.parent, writer->head, sizeof(linked.parent));
    theater__foreign_hash(&linked, linked.hash);

    theater__sink *sink = writer->sink;
    theater__sink_put_text(sink, writer->has_head ? ",\n    {" : "\n    {");
    theater__sink_put_text(sink, "\n      \"hash\": ");
    put_pretty_bytes(sink, "\n      ", linked.hash, sizeof(linked.hash));
    theater__sink_put_text(sink, ",\n      \"parent_hash\": ");
    if (linked.has_parent) {
        put_pretty_bytes(sink, "\n      ", linked.parent, sizeof(linked.parent));
    } else {
        theater__sink_put_text(sink, "null");
    }
    theater__sink_put_text(sink, ",\n      \"event_type\": ");
    theater__sink_put_json_string(sink, linked.event_type.data, linked.event_type.size);
    theater__sink_put_text(sink, ",\n      \"data\": ");
    put_pretty_bytes(sink, "\n      ", linked.data.data, linked.data.size);
    theater__sink_put_text(sink, ",\n      \"timestamp\": ");
    theater__sink_put_u64(sink, linked.timestamp);
    theater__sink_put_text(sink, ",\n      \"description\": ");
    if (linked.has_description) {
        theater__sink_put_json_string(sink, linked.description.data, linked.description.size);
    } else {
        theater__sink_put_text(sink, "null");
    }
    theater__sink_put_text(sink, "\n    }");
    writer->has_head = true;
    memcpy(writer->head, linked.hash, sizeof(writer->head));
}

void theater__foreign_end(theater__foreign_writer *writer)
{
    THEATER_ASSERT(writer != NULL && writer->sink != NULL);
    theater__sink *sink = writer->sink;
    theater__sink_put_text(sink, writer->has_head ? "\n  ],\n" : "],\n");
    theater__sink_put_text(sink, "  \"current_hash\": ");
    if (writer->has_head) {
        put_pretty_bytes(sink, "\n  ", writer->head, sizeof(writer->head));
    } else {
        theater__sink_put_text(sink, "null");
    }
    theater__sink_put_text(sink, "\n}");
}
