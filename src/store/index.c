/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Index files: names, listing, loading at a start. See index.h.
 *
 * A file is read twice, once for its CRC and once for its entries: so nothing of a damaged one is
 * ever taken over, and no memory is needed beside one block.
 */
#include "index.h"

#include "crc32c.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_ENTRIES 1024u
#define BLOCK_BYTES ((size_t)BLOCK_ENTRIES * FORMAT_INDEX_ENTRY_SIZE)

void theater__index_name(const theater__log_span *span, char out_name[INDEX_NAME_SIZE])
{
    THEATER_ASSERT(span->from > 0);
    THEATER_ASSERT(span->from <= span->to);
    (void)snprintf(out_name, INDEX_NAME_SIZE, "index-%08u-%08u.idx", (unsigned)span->from,
                   (unsigned)span->to);
}

/* ---- listing --------------------------------------------------------------------------------- */

typedef struct index_listing {
    theater__log_span *spans;
    size_t count;
    size_t capacity;
} index_listing;

static bool parse_name(const char *name, theater__log_span *out_span)
{
    uint32_t numbers[2] = {0, 0};
    const char *at = name;
    for (unsigned i = 0; i < 2; i++) {
        const char *front = i == 0 ? "index-" : "-";
        if (strncmp(at, front, strlen(front)) != 0) {
            return false;
        }
        at += strlen(front);
        for (unsigned k = 0; k < 8; k++, at++) {
            if (*at < '0' || *at > '9') {
                return false;
            }
            numbers[i] = numbers[i] * 10 + (uint32_t)(*at - '0');
        }
    }
    out_span->from = numbers[0];
    out_span->to = numbers[1];
    out_span->count = 0;
    return strcmp(at, ".idx") == 0 && numbers[0] > 0 && numbers[0] <= numbers[1] &&
           numbers[1] <= FORMAT_SEGMENT_NUMBER_MAX;
}

static int visit_name(const char *name, void *userdata)
{
    index_listing *listing = userdata;
    theater__log_span span;
    if (!parse_name(name, &span)) {
        return 0;
    }
    if (listing->count == listing->capacity) {
        size_t capacity = listing->capacity == 0 ? 16 : listing->capacity * 2;
        theater__log_span *grown =
            theater__realloc_array(listing->spans, capacity, sizeof(listing->spans[0]));
        if (grown == NULL) {
            return -ENOMEM;
        }
        listing->spans = grown;
        listing->capacity = capacity;
    }
    listing->spans[listing->count] = span;
    listing->count++;
    return 0;
}

static int compare_spans(const void *left, const void *right)
{
    const theater__log_span *a = left;
    const theater__log_span *b = right;
    if (a->from != b->from) {
        return a->from < b->from ? -1 : 1;
    }
    return a->to > b->to ? -1 : a->to < b->to;
}

int theater__index_list(theater__io *io, const char *directory, theater__log_span **out_spans,
                        size_t *out_count)
{
    index_listing listing = {0};
    int result = io->list(io, directory, visit_name, &listing);
    if (result < 0) {
        theater__free(listing.spans);
        return result;
    }
    if (listing.count > 1) {
        qsort(listing.spans, listing.count, sizeof(listing.spans[0]), compare_spans);
    }
    *out_spans = listing.spans;
    *out_count = listing.count;
    return 0;
}

int theater__index_remove(theater__logstore *log, const theater__log_span *span)
{
    char name[INDEX_NAME_SIZE];
    theater__index_name(span, name);
    THEATER_AUTOFREE char *path = theater__path_in(log->directory, name);
    return path == NULL ? -ENOMEM : log->io->unlink(log->io, path);
}

/* ---- loading --------------------------------------------------------------------------------- */

/* Takes over a block of entries. False without memory. */
static bool take_entries(theater__log_actors *actors, const uint8_t *block, size_t size)
{
    for (size_t at = 0; at < size; at += FORMAT_INDEX_ENTRY_SIZE) {
        theater__recovered entry;
        (void)theater__format_entry_decode(block + at, &entry);
        if (!theater__log_actors_put(actors, &entry)) {
            return false;
        }
    }
    return true;
}

/*
 * Entries that are not sorted, have no standing or stand outside of the segments were not written
 * by index_build.c, whatever their CRC says.
 */
static bool entries_sound(const theater__log_span *span, const uint8_t *block, size_t size)
{
    for (size_t at = 0; at < size; at += FORMAT_INDEX_ENTRY_SIZE) {
        theater__recovered entry;
        if (!theater__format_entry_decode(block + at, &entry) ||
            format_place_segment(entry.place) < span->from ||
            format_place_segment(entry.place) > span->to ||
            format_place_offset(entry.place) < FORMAT_SEGMENT_HEADER_SIZE ||
            entry.place % FORMAT_ALIGNMENT != 0 ||
            (at > 0 && memcmp(block + at - FORMAT_INDEX_ENTRY_SIZE, block + at,
                              sizeof(entry.actor.bytes)) >= 0)) {
            return false;
        }
    }
    return true;
}

/* One pass over all entries: with actors they are taken over, without they are only checked. */
static bool pass(const theater__index_source *from, int fd, const theater__log_span *span,
                 const theater__format_index *index, uint8_t *block, theater__log_actors *actors,
                 bool *out_nomem)
{
    uint64_t left = index->count * FORMAT_INDEX_ENTRY_SIZE;
    uint64_t offset = FORMAT_INDEX_HEADER_SIZE;
    uint32_t crc = from->seed;
    while (left > 0) {
        size_t size = left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
        size_t got = 0;
        if (theater__io_read_all(from->io, fd, block, size, offset, &got) < 0 || got != size) {
            return false;
        }
        crc = theater__crc32c(crc, block, size);
        if (actors == NULL && !entries_sound(span, block, size)) {
            return false;
        }
        if (actors != NULL && !take_entries(actors, block, size)) {
            *out_nomem = true;
            return false;
        }
        offset += size;
        left -= size;
    }
    return crc == index->crc;
}

/* A start goes on, and may cut the log, where an index says that its segments end. */
static bool end_is_there(const theater__index_source *from, const theater__format_index *index)
{
    char name[SEGMENT_NAME_SIZE];
    theater__segment_name(index->to, name);
    THEATER_AUTOFREE char *path = theater__path_in(from->directory, name);
    int fd = path == NULL ? -ENOMEM : from->io->open(from->io, path, O_RDONLY, 0);
    if (fd < 0) {
        return false;
    }
    uint8_t bytes[FORMAT_GROUP_HEADER_SIZE];
    size_t got = 0;
    theater__format_group group;
    uint64_t offset = format_place_offset(index->last_group);
    int result = theater__io_read_all(from->io, fd, bytes, sizeof(bytes), offset, &got);
    (void)from->io->close(from->io, fd);
    return result == 0 &&
           theater__format_group_decode(from->seed, index->last_group, bytes, got, &group) &&
           group.sequence == index->sequence &&
           offset + FORMAT_GROUP_HEADER_SIZE + group.size == index->end;
}

static bool load(const theater__index_source *from, int fd, const theater__log_span *span,
                 theater__log_actors *actors, theater__format_index *out_index, bool *out_nomem)
{
    uint8_t header[FORMAT_INDEX_HEADER_SIZE];
    size_t got = 0;
    uint64_t size = 0;
    theater__format_index index;
    if (theater__io_read_all(from->io, fd, header, sizeof(header), 0, &got) < 0 ||
        from->io->size(from->io, fd, &size) < 0 ||
        !theater__format_index_decode(from->seed, header, got, &index) ||
        index.from != span->from || index.to != span->to ||
        size != FORMAT_INDEX_HEADER_SIZE + index.count * FORMAT_INDEX_ENTRY_SIZE ||
        !end_is_there(from, &index)) {
        return false;
    }
    THEATER_AUTOFREE uint8_t *block = theater__alloc(BLOCK_BYTES);
    if (block == NULL) {
        *out_nomem = true;
        return false;
    }
    if (!pass(from, fd, span, &index, block, NULL, out_nomem) ||
        !pass(from, fd, span, &index, block, actors, out_nomem)) {
        return false;
    }
    *out_index = index;
    return true;
}

bool theater__index_read(const theater__index_source *from, const theater__log_span *span,
                         theater__log_actors *actors, theater__format_index *out_index,
                         bool *out_nomem)
{
    *out_nomem = false;
    char name[INDEX_NAME_SIZE];
    theater__index_name(span, name);
    THEATER_AUTOFREE char *path = theater__path_in(from->directory, name);
    if (path == NULL) {
        *out_nomem = true;
        return false;
    }
    int fd = from->io->open(from->io, path, O_RDONLY, 0);
    if (fd < 0) {
        return false;
    }
    bool fine = load(from, fd, span, actors, out_index, out_nomem);
    (void)from->io->close(from->io, fd);
    return fine;
}

bool theater__index_load(theater__logstore *log, const theater__log_span *span,
                         theater__format_index *out_index, bool *out_nomem)
{
    theater__index_source from = {.io = log->io, .directory = log->directory, .seed = log->seed};
    return theater__index_read(&from, span, &log->actors, out_index, out_nomem);
}
