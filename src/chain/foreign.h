/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theater's own chain files: read, hashed and written exactly as Theater does it. "Foreign" in
 * names means that format; docs/formats/chain.md ("Theater's own files") describes it.
 */
#ifndef CHAIN_FOREIGN_H
#define CHAIN_FOREIGN_H

#include "hash.h"
#include "sink.h"

#include <base/bytes.h>
#include <theater/chain.h>

typedef struct theater__foreign_event {
    uint8_t hash[THEATER__SHA1_SIZE];
    bool has_parent;
    uint8_t parent[THEATER__SHA1_SIZE];
    theater_text event_type;
    theater_bytes data; /* the bytes of a JSON text */
    uint64_t timestamp;
    bool has_description;
    theater_text description;
} theater__foreign_event;

/* The SHA-1 of the event's compact JSON with an empty hash. */
void theater__foreign_hash(const theater__foreign_event *event,
                           uint8_t out_hash[THEATER__SHA1_SIZE]);

/* ---- reading --------------------------------------------------------------------------------- */

typedef enum theater__foreign_place {
    THEATER__FOREIGN_AT_START,
    THEATER__FOREIGN_AT_EVENT,
    THEATER__FOREIGN_AFTER_EVENT,
    THEATER__FOREIGN_AT_END
} theater__foreign_place;

typedef struct theater__foreign_reader {
    const uint8_t *text;
    size_t size;
    size_t offset;
    theater__foreign_place place;
    uint64_t next_seq;
    uint8_t head[THEATER__SHA1_SIZE]; /* of the event before the next */
    bool has_events_key;
    bool has_current_key;
    bool has_current; /* current_hash is not null */
    uint8_t current[THEATER__SHA1_SIZE];
    theater__buffer event_type; /* what the last event read borrows from */
    theater__buffer data;
    theater__buffer description;
    theater__buffer scratch;
} theater__foreign_reader;

/* True if the text begins like such a file: an object whose first key is one of the two it has. */
bool theater__foreign_probe(const uint8_t *text, size_t size);
void theater__foreign_reader_init(theater__foreign_reader *reader, const uint8_t *text,
                                  size_t size);
void theater__foreign_reader_deinit(theater__foreign_reader *reader);
/*
 * The next event, verified: shape, parent and hash; borrows from the reader until the next call.
 * NOTFOUND at the end of an intact file, current_hash included. CORRUPT names the event.
 */
theater_status theater__foreign_read(theater__foreign_reader *reader,
                                     theater__foreign_event *out_event, theater_error *err);

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct theater__foreign_writer {
    theater__sink *sink;
    bool has_head;
    uint8_t head[THEATER__SHA1_SIZE];
} theater__foreign_writer;

void theater__foreign_begin(theater__foreign_writer *writer, theater__sink *sink);
/* Links the event (its hash and parent are ignored), and writes it. */
void theater__foreign_put(theater__foreign_writer *writer, const theater__foreign_event *event);
/* Bytes as Theater writes them, a compact JSON array of numbers. */
void theater__foreign_put_bytes(theater__sink *sink, const uint8_t *data, size_t size);
void theater__foreign_end(theater__foreign_writer *writer);

#endif
