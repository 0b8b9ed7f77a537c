/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the exports share: the walk over the chain, the sink to the receiver, and memory for one
 * event's texts. An exporter is large (its sinks hold their blocks) and lives on the heap.
 */
#ifndef CHAIN_EXPORTER_H
#define CHAIN_EXPORTER_H

#include "foreign.h"
#include "sink.h"
#include "walk.h"

typedef struct theater__exporter {
    const theater_chain *chain;
    theater__walk walk;
    theater__walked walked; /* the event at hand */
    theater__sink sink;     /* to the receiver */
    theater__sink draft;    /* into text: what has to be complete before it goes out */
    theater__buffer text;   /* bounded by one payload's size */
    theater__buffer value;  /* one value's JSON */
    theater__buffer description;
    theater__foreign_writer foreign;
} theater__exporter;

/* NULL without memory. */
theater__exporter *theater__exporter_new(const theater_chain *chain, theater_chain_write_fn *write,
                                         void *userdata);
void theater__exporter_free(theater__exporter *exporter);

/* Each writes the event at hand; a failed allocation shows in the buffers. */
void theater__export_event_text(theater__exporter *exporter);
void theater__export_event_jsonl(theater__exporter *exporter);
void theater__export_event_theater(theater__exporter *exporter);
/* The same for an event of Theater's own files. */
void theater__export_foreign_text(theater__exporter *exporter, uint64_t seq,
                                  const theater__foreign_event *event);
void theater__export_foreign_jsonl(theater__exporter *exporter, uint64_t seq,
                                   const theater__foreign_event *event);

/* Directs the draft into a buffer, which is emptied. */
void theater__draft_begin(theater__exporter *exporter, theater__buffer *buffer);
void theater__draft_end(theater__exporter *exporter);

/* The compact JSON of a value, and of values as an array's items with separator between them. */
void theater__put_value(theater__exporter *exporter, theater__sink *sink,
                        const theater_value *value);
void theater__put_values(theater__exporter *exporter, theater__sink *sink, theater_values values,
                         const char *separator);

/* `2026-11-23T19:20:52.123Z`; far from our time the plain number, `@18446744073709551615`. */
#define THEATER__TIME_TEXT_SIZE 48u
void theater__wall_format(theater_wall wall, char out_text[THEATER__TIME_TEXT_SIZE]);

#endif
