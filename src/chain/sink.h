/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where exports go: a block of fixed size in front of a write callback, so that a chain of any
 * length is written with bounded memory and few calls. After the callback asked to stop, writes are
 * ignored; theater__sink_flush() at the end tells.
 */
#ifndef CHAIN_SINK_H
#define CHAIN_SINK_H

#include <theater/chain.h>

/* One system call's worth: larger blocks gained nothing when exporting to a pipe or a file. */
#define THEATER__SINK_BLOCK_SIZE 16384u

typedef struct theater__sink {
    theater_chain_write_fn *write;
    void *userdata;
    bool is_stopped;
    size_t used;
    char block[THEATER__SINK_BLOCK_SIZE];
} theater__sink;

void theater__sink_init(theater__sink *sink, theater_chain_write_fn *write, void *userdata);
void theater__sink_put(theater__sink *sink, const void *data, size_t size);
void theater__sink_put_text(theater__sink *sink, const char *text);
void theater__sink_put_u64(theater__sink *sink, uint64_t number);
void theater__sink_put_hex(theater__sink *sink, const uint8_t *data, size_t size);
/* A JSON string exactly as serde_json writes it; the text has to be UTF-8. */
void theater__sink_put_json_string(theater__sink *sink, const char *data, size_t size);
/* Writes what is left. CANCELLED if the callback stopped the export at any time. */
theater_status theater__sink_flush(theater__sink *sink, theater_error *err);

#endif
