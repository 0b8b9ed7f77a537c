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

static void put_compact_bytes(theater__sink *sink, const uint8_t *data, size_t size)
{
    theater__sink_put(sink, "[", 1);
    for (size_t i = 0; i < size; i++) {
        if (i > 0) {
            theater__sink_put(sink, ",", 1);
        }
        theater__sink_put_u64(sink, data[i]);
    }
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
        put_compact_bytes(&sink, event->parent, sizeof(event->parent));
    } else {
        theater__sink_put_text(&sink, "null");
    }
    theater__sink_put_text(&sink, ",\"event_type\":");
    theater__sink_put_json_string(&sink, event->event_type.data, event->event_type.size);
    theater__sink_put_text(&sink, ",\"data\":");
    put_compact_bytes(&sink, event->data.data, event->data.size);
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

/* One element a line; indent is that of the line which the array begins on. */
static void put_pretty_bytes(theater__sink *sink, const char *indent, const uint8_t *data,
                             size_t size)
{
    if (size == 0) {
        theater__sink_put(sink, "[]", 2);
        return;
    }
    theater__sink_put(sink, "[", 1);
    for (size_t i = 0; i < size; i++) {
        theater__sink_put_text(sink, i > 0 ? ",\n" : "\n");
        theater__sink_put_text(sink, indent);
        theater__sink_put(sink, "  ", 2);
        theater__sink_put_u64(sink, data[i]);
    }
    theater__sink_put(sink, "\n", 1);
    theater__sink_put_text(sink, indent);
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
    put_pretty_bytes(sink, "      ", linked.hash, sizeof(linked.hash));
    theater__sink_put_text(sink, ",\n      \"parent_hash\": ");
    if (linked.has_parent) {
        put_pretty_bytes(sink, "      ", linked.parent, sizeof(linked.parent));
    } else {
        theater__sink_put_text(sink, "null");
    }
    theater__sink_put_text(sink, ",\n      \"event_type\": ");
    theater__sink_put_json_string(sink, linked.event_type.data, linked.event_type.size);
    theater__sink_put_text(sink, ",\n      \"data\": ");
    put_pretty_bytes(sink, "      ", linked.data.data, linked.data.size);
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
        put_pretty_bytes(sink, "  ", writer->head, sizeof(writer->head));
    } else {
        theater__sink_put_text(sink, "null");
    }
    theater__sink_put_text(sink, "\n}");
}
