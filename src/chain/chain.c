/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chain in memory: loading from bytes, and walking it event by event.
 *
 * Loading judges only what kind of file it is. Damage stays in the chain for verification to name,
 * with one exception: bytes that resemble no chain at all are refused. A file counts as ours if at
 * least seven of its first eight bytes are the magic, so that a damaged magic is reported as a
 * damaged header and not as a strange file.
 *
 *     0          8         9            25
 *     +----------+---------+------------+--------+--------+----
 *     | magic    | version | actor (16) | frame  | frame  | ...
 *     +----------+---------+------------+--------+--------+----
 */
#include "walk.h"

#include "foreign.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>

#include <stdio.h>
#include <string.h>

const uint8_t theater__file_magic[THEATER__FILE_MAGIC_SIZE] = {'T', 'H', 'E', 'A',
                                                               'T', 'E', 'R', '\n'};

void theater_chain_free(theater_chain *chain)
{
    if (chain == NULL) {
        return;
    }
    theater__free(chain->data);
    theater__free(chain->damage);
    theater__free(chain->cursor);
    theater__free(chain);
}

theater_id theater_chain_actor(const theater_chain *chain)
{
    THEATER_ASSERT(chain != NULL);
    return chain->actor;
}

theater_bytes theater__chain_frames(const theater_chain *chain)
{
    THEATER_ASSERT(chain != NULL);
    THEATER_ASSERT(chain->frames_offset <= chain->size);
    theater_bytes frames = {NULL, 0};
    if (!chain->is_foreign && chain->data != NULL) {
        frames.data = chain->data + chain->frames_offset;
        frames.size = chain->size - chain->frames_offset;
    }
    return frames;
}

/* A chain with a copy of the bytes; NULL without memory. */
static theater_chain *new_chain(const uint8_t *data, size_t size)
{
    theater_chain *chain = theater__alloc_zeroed(1, sizeof(*chain));
    if (chain == NULL) {
        return NULL;
    }
    chain->cursor = theater__alloc_zeroed(1, sizeof(*chain->cursor));
    chain->data = size > 0 ? theater__memdup(data, size) : NULL;
    chain->size = size;
    if (chain->cursor == NULL || (size > 0 && chain->data == NULL)) {
        theater_chain_free(chain);
        return NULL;
    }
    return chain;
}

/* Sets the cursor to the beginning, and the actor from an intact genesis if no header names it. */
static void begin(theater_chain *chain)
{
    theater_bytes frames = theater__chain_frames(chain);
    theater__chain_reader_init(chain->cursor, frames.data, frames.size, NULL, 0);
    theater__chain_reader reader = *chain->cursor;
    theater_event event;
    theater__genesis genesis;
    if (!chain->has_header && theater__chain_read(&reader, &event, NULL) == THEATER_OK &&
        event.kind == THEATER_KIND_GENESIS &&
        theater__genesis_decode(event.payload, &genesis, NULL) == THEATER_OK) {
        chain->actor = genesis.actor;
    }
}

theater_status theater__chain_from_frames(const uint8_t *frames, size_t size, const char *damage,
                                          theater_chain **out_chain, theater_error *err)
{
    THEATER_ASSERT(frames != NULL || size == 0);
    THEATER_ASSERT(out_chain != NULL);
    theater_chain *chain = new_chain(frames, size);
    if (chain == NULL) {
        return theater__fail_nomem(err);
    }
    if (damage != NULL) {
        chain->damage = theater__strndup(damage, strlen(damage));
        if (chain->damage == NULL) {
            theater_chain_free(chain);
            return theater__fail_nomem(err);
        }
    }
    begin(chain);
    *out_chain = chain;
    return THEATER_OK;
}

/* How many of the first bytes are those of the magic. */
static size_t magic_matches(const uint8_t *data, size_t size)
{
    size_t matches = 0;
    for (size_t i = 0; i < size && i < THEATER__FILE_MAGIC_SIZE; i++) {
        matches += data[i] == theater__file_magic[i] ? 1 : 0;
    }
    return matches;
}

/* True for our files, also with one damaged byte of magic or cut inside of it. */
static bool is_ours(const uint8_t *data, size_t size)
{
    size_t matches = magic_matches(data, size);
    return size < THEATER__FILE_MAGIC_SIZE ? size > 0 && matches == size
                                           : matches + 1 >= THEATER__FILE_MAGIC_SIZE;
}

static void read_header(theater_chain *chain)
{
    const uint8_t *data = chain->data;
    chain->has_header = true;
    if (chain->size < THEATER__FILE_HEADER_SIZE) {
        (void)snprintf(chain->header_damage, sizeof(chain->header_damage),
                       "the header of the file is cut off after %zu bytes", chain->size);
        chain->frames_offset = chain->size;
        return;
    }
    chain->frames_offset = THEATER__FILE_HEADER_SIZE;
    memcpy(chain->actor.bytes, data + THEATER__FILE_MAGIC_SIZE + 1, sizeof(chain->actor.bytes));
    if (magic_matches(data, chain->size) != THEATER__FILE_MAGIC_SIZE) {
        (void)snprintf(chain->header_damage, sizeof(chain->header_damage),
                       "the header of the file is damaged");
    } else if (data[THEATER__FILE_MAGIC_SIZE] != THEATER__CHAIN_VERSION) {
        (void)snprintf(chain->header_damage, sizeof(chain->header_damage),
                       "the header of the file names version %u, which is unknown here",
                       data[THEATER__FILE_MAGIC_SIZE]);
    }
}

theater_status theater__chain_from_file_bytes(const uint8_t *data, size_t size,
                                              theater_chain **out_chain, theater_error *err)
{
    THEATER_ASSERT(data != NULL || size == 0);
    THEATER_ASSERT(out_chain != NULL);
    bool is_binary = is_ours(data, size);
    if (!is_binary && !theater__foreign_probe(data, size)) {
        return theater__fail(err, THEATER_ERR_CORRUPT,
                             "this is no chain: neither a binary export nor Theater's own JSON");
    }
    theater_chain *chain = new_chain(data, size);
    if (chain == NULL) {
        return theater__fail_nomem(err);
    }
    chain->is_foreign = !is_binary;
    if (is_binary) {
        read_header(chain);
        begin(chain);
    }
    *out_chain = chain;
    return THEATER_OK;
}

/* Brings the memo to a position by reading from the beginning; false if no event begins there. */
static bool seek(const theater_chain *chain, size_t position)
{
    theater_bytes frames = theater__chain_frames(chain);
    theater_event event;
    theater__chain_reader_init(chain->cursor, frames.data, frames.size, NULL, 0);
    while (chain->cursor->offset < position) {
        if (theater__chain_read(chain->cursor, &event, NULL) != THEATER_OK) {
            return false;
        }
    }
    return chain->cursor->offset == position;
}

theater_status theater_chain_next(const theater_chain *chain, size_t *position,
                                  theater_event *out_event, theater_error *err)
{
    THEATER_ASSERT(chain != NULL && position != NULL);
    THEATER_ASSERT(out_event != NULL);
    if (chain->is_foreign) {
        return theater__fail(err, THEATER_ERR_UNSUPPORTED,
                             "Theater's own files have no events of ours: verify or export them");
    }
    if (chain->header_damage[0] != '\0') {
        return theater__fail(err, THEATER_ERR_CORRUPT, "event 0: %s", chain->header_damage);
    }
    if (chain->cursor->offset != *position && !seek(chain, *position)) {
        return theater__fail(err, THEATER_ERR_INVALID, "no event begins at position %zu",
                             *position);
    }
    theater_status status = theater__chain_read(chain->cursor, out_event, err);
    if (status == THEATER_ERR_NOTFOUND && chain->damage != NULL) {
        return theater__fail(err, THEATER_ERR_CORRUPT, "event %llu: %s",
                             (unsigned long long)chain->cursor->next_seq, chain->damage);
    }
    if (status == THEATER_OK) {
        *position = chain->cursor->offset;
    }
    return status;
}
