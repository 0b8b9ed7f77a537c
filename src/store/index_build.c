/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making indexes, in the background and in little memory.
 *
 * An actor's last record in a segment is the one that no later record of the segment names as its
 * previous. So one pass over the segment with a bit for each multiple of eight bytes (1 MiB for a
 * segment) finds them all: a record sets its own bit and clears that of its previous. The ids of
 * what is left are sorted, 24 bytes each, and the entries are written from the records' headers in
 * that order. Merging two sorted indexes needs a block of each.
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

/* Copied out of the page cache in one call: a tenth of a millisecond. */
#define WINDOW_BYTES ((size_t)256 << 10)
#define BLOCK_ENTRIES 1024u
#define BLOCK_BYTES ((size_t)BLOCK_ENTRIES * FORMAT_INDEX_ENTRY_SIZE)

/* ---- writing an index ------------------------------------------------------------------------ */

typedef struct index_writer {
    theater__logstore *log;
    theater__format_index header;
    int fd;
    char *path; /* under which it is made */
    char *path_final;
    uint8_t *block;
    size_t used;
    uint64_t offset;
} index_writer;

static int writer_begin(index_writer *writer, theater__logstore *log, uint32_t from, uint32_t to)
{
    memset(writer, 0, sizeof(*writer));
    writer->log = log;
    writer->fd = -1;
    writer->header.from = from;
    writer->header.to = to;
    writer->header.crc = log->seed;
    writer->offset = FORMAT_INDEX_HEADER_SIZE;
    theater__log_span span = {.from = from, .to = to};
    char name[INDEX_NAME_SIZE];
    theater__index_name(&span, name);
    writer->path_final = theater__path_in(log->directory, name);
    writer->path = theater__path_in(log->directory, "index.new");
    writer->block = theater__alloc(BLOCK_BYTES);
    if (writer->path_final == NULL || writer->path == NULL || writer->block == NULL) {
        return -ENOMEM;
    }
    writer->fd = log->io->open(log->io, writer->path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    return writer->fd < 0 ? writer->fd : 0;
}

static int writer_flush(index_writer *writer)
{
    theater__io *io = writer->log->io;
    int result = theater__io_write_all(io, writer->fd, writer->block, writer->used, writer->offset);
    writer->header.crc = theater__crc32c(writer->header.crc, writer->block, writer->used);
    writer->offset += writer->used;
    writer->used = 0;
    return result;
}

static int writer_put(index_writer *writer, const uint8_t *entry)
{
    memcpy(writer->block + writer->used, entry, FORMAT_INDEX_ENTRY_SIZE);
    writer->used += FORMAT_INDEX_ENTRY_SIZE;
    writer->header.count++;
    return writer->used == BLOCK_BYTES ? writer_flush(writer) : 0;
}

/* Header last, synced, renamed: an index is there whole or not at all. */
static int writer_finish(index_writer *writer)
{
    theater__io *io = writer->log->io;
    int result = writer_flush(writer);
    uint8_t header[FORMAT_INDEX_HEADER_SIZE];
    theater__format_index_encode(writer->log->seed, &writer->header, header);
    if (result == 0) {
        result = theater__io_write_all(io, writer->fd, header, sizeof(header), 0);
    }
    if (result == 0) {
        result = io->fdatasync(io, writer->fd);
    }
    if (result == 0) {
        result = io->rename(io, writer->path, writer->path_final);
    }
    return result == 0 ? io->fsync_directory(io, writer->log->directory) : result;
}

static void writer_end(index_writer *writer, int result)
{
    theater__io *io = writer->log->io;
    if (writer->fd >= 0) {
        (void)io->close(io, writer->fd);
    }
    if (result < 0 && writer->path != NULL) {
        (void)io->unlink(io, writer->path);
    }
    theater__free(writer->path);
    theater__free(writer->path_final);
    theater__free(writer->block);
}

/* ---- reading a segment ----------------------------------------------------------------------- */

typedef struct segment_reader {
    theater__logstore *log;
    uint32_t number;
    int fd;
    uint64_t size;
    uint8_t *window;
    size_t capacity;
    uint64_t begin;
    size_t filled;
    uint8_t *bits;
    uint64_t sequence;
    uint64_t last_group;
    uint64_t end;
} segment_reader;

static int open_segment(theater__logstore *log, uint32_t number)
{
    char name[SEGMENT_NAME_SIZE];
    theater__segment_name(number, name);
    THEATER_AUTOFREE char *path = theater__path_in(log->directory, name);
    return path == NULL ? -ENOMEM : log->io->open(log->io, path, O_RDONLY, 0);
}

/* At least `wanted` bytes from offset on, or what is there up to the end of the file. */
static int bytes_at(segment_reader *reader, uint64_t offset, size_t wanted, const uint8_t **out,
                    size_t *out_size)
{
    bool has = offset >= reader->begin && offset - reader->begin <= reader->filled &&
               reader->filled - (size_t)(offset - reader->begin) >= wanted;
    if (!has) {
        if (wanted > reader->capacity) {
            uint8_t *grown = theater__realloc_array(reader->window, wanted, 1);
            if (grown == NULL) {
                return -ENOMEM;
            }
            reader->window = grown;
            reader->capacity = wanted;
        }
        int result = theater__io_read_all(reader->log->io, reader->fd, reader->window,
                                          reader->capacity, offset, &reader->filled);
        if (result < 0) {
            return result;
        }
        reader->begin = offset;
    }
    size_t skipped = (size_t)(offset - reader->begin);
    *out = reader->window + skipped;
    *out_size = reader->filled - skipped;
    return 0;
}

static void set_bit(segment_reader *reader, uint64_t offset, bool on)
{
    uint64_t bit = offset / FORMAT_ALIGNMENT;
    uint8_t mask = (uint8_t)(1u << (bit % 8));
    if (bit / 8 > reader->size / FORMAT_ALIGNMENT / 8) {
        return;
    }
    if (on) {
        reader->bits[bit / 8] |= mask;
    } else {
        reader->bits[bit / 8] &= (uint8_t)~mask;
    }
}

static int visit_group(segment_reader *reader, uint64_t offset, const theater__format_group *group)
{
    uint64_t at = offset + FORMAT_GROUP_HEADER_SIZE;
    for (uint32_t i = 0; i < group->records_count; i++) {
        const uint8_t *data = NULL;
        size_t size = 0;
        int result = bytes_at(reader, at, FORMAT_RECORD_HEADER_SIZE, &data, &size);
        uint64_t whole = result == 0 && size >= 4 ? theater__format_record_size_field(data) : 0;
        if (result == 0 && whole > size && whole <= group->size) {
            result = bytes_at(reader, at, (size_t)whole, &data, &size);
        }
        if (result < 0) {
            return result;
        }
        theater__format_record record;
        if (!theater__format_record_decode(reader->log->seed, format_place(reader->number, at),
                                           data, size, &record)) {
            return -EBADMSG;
        }
        set_bit(reader, at, true);
        if (record.previous != THEATER__PLACE_NONE &&
            format_place_segment(record.previous) == reader->number) {
            set_bit(reader, format_place_offset(record.previous), false);
        }
        at += record.size;
        theater__idle_step(reader->log, record.size);
    }
    return at == offset + FORMAT_GROUP_HEADER_SIZE + group->size ? 0 : -EBADMSG;
}

/* Where the segment ends is known from the header of the one behind it. */
static int read_segment(segment_reader *reader, const theater__format_segment *next)
{
    uint64_t offset = FORMAT_SEGMENT_HEADER_SIZE;
    for (;;) {
        if (theater__idle_is_cancelled(reader->log)) {
            return -ECANCELED;
        }
        const uint8_t *data = NULL;
        size_t size = 0;
        theater__format_group group;
        int result = bytes_at(reader, offset, FORMAT_GROUP_HEADER_SIZE, &data, &size);
        if (result < 0) {
            return result;
        }
        if (!theater__format_group_decode(reader->log->seed, format_place(reader->number, offset),
                                          data, size, &group)) {
            return -EBADMSG;
        }
        result = visit_group(reader, offset, &group);
        if (result < 0) {
            return result;
        }
        offset += FORMAT_GROUP_HEADER_SIZE + group.size;
        if (group.place == next->previous_group) {
            reader->sequence = group.sequence;
            reader->last_group = group.place;
            reader->end = offset;
            return group.sequence + 1 == next->first_sequence ? 0 : -EBADMSG;
        }
    }
}

/* ---- one segment's index --------------------------------------------------------------------- */

typedef struct build_item {
    theater_id actor;
    uint64_t offset;
} build_item;

static int compare_items(const void *left, const void *right, void *userdata)
{
    theater__idle_step(userdata, sizeof(build_item));
    return memcmp(left, right, sizeof(theater_id));
}

/* The records whose bit is left, with their actors. */
static int list_items(segment_reader *reader, build_item **out_items, size_t *out_count)
{
    size_t count = 0;
    size_t bytes = (size_t)(reader->size / FORMAT_ALIGNMENT / 8 + 1);
    for (size_t i = 0; i < bytes; i++) {
        count += (size_t)__builtin_popcount(reader->bits[i]);
    }
    build_item *items = theater__alloc_zeroed(count + 1, sizeof(items[0]));
    if (items == NULL) {
        return -ENOMEM;
    }
    size_t found = 0;
    for (size_t i = 0; i < bytes; i++) {
        for (unsigned bit = 0; reader->bits[i] != 0 && bit < 8; bit++) {
            if ((reader->bits[i] & (1u << bit)) == 0) {
                continue;
            }
            items[found].offset = ((uint64_t)i * 8 + bit) * FORMAT_ALIGNMENT;
            const uint8_t *data = NULL;
            size_t size = 0;
            int result =
                bytes_at(reader, items[found].offset, FORMAT_RECORD_HEADER_SIZE, &data, &size);
            theater__format_record record;
            if (result < 0 || size < FORMAT_RECORD_HEADER_SIZE) {
                theater__free(items);
                return result < 0 ? result : -EBADMSG;
            }
            (void)theater__format_record_peek(data, size, &record);
            items[found].actor = record.actor;
            found++;
            theater__idle_step(reader->log, FORMAT_RECORD_HEADER_SIZE);
        }
    }
    THEATER_ASSERT(found == count);
    qsort_r(items, count, sizeof(items[0]), compare_items, reader->log);
    *out_items = items;
    *out_count = count;
    return 0;
}

static int write_items(segment_reader *reader, const build_item *items, size_t count,
                       index_writer *writer)
{
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        uint8_t header[FORMAT_RECORD_HEADER_SIZE];
        size_t got = 0;
        result = theater__io_read_all(reader->log->io, reader->fd, header, sizeof(header),
                                      items[i].offset, &got);
        if (result < 0 || got != sizeof(header)) {
            return result < 0 ? result : -EBADMSG;
        }
        theater__format_record record;
        (void)theater__format_record_peek(header, sizeof(header), &record);
        theater__recovered entry = {
            .actor = record.actor,
            .head = record.head,
            .next_seq = record.first_seq + record.events_count,
            .place = format_place(reader->number, items[i].offset),
            .standing = record.standing,
        };
        uint8_t bytes[FORMAT_INDEX_ENTRY_SIZE];
        theater__format_entry_encode(&entry, bytes);
        result = writer_put(writer, bytes);
        theater__idle_step(reader->log, FORMAT_RECORD_HEADER_SIZE);
    }
    return result;
}

static int read_header(theater__logstore *log, uint32_t number, theater__format_segment *out_header)
{
    int fd = open_segment(log, number);
    if (fd < 0) {
        return fd;
    }
    uint8_t bytes[FORMAT_SEGMENT_HEADER_SIZE];
    size_t got = 0;
    int result = theater__io_read_all(log->io, fd, bytes, sizeof(bytes), 0, &got);
    (void)log->io->close(log->io, fd);
    if (result < 0) {
        return result;
    }
    bool fine = theater__format_segment_decode(bytes, got, out_header) == THEATER_OK;
    return fine && out_header->number == number ? 0 : -EBADMSG;
}

static int build(segment_reader *reader, index_writer *writer)
{
    theater__logstore *log = reader->log;
    theater__format_segment next;
    int result = read_header(log, reader->number + 1, &next);
    if (result == 0) {
        reader->fd = open_segment(log, reader->number);
        result = reader->fd < 0 ? reader->fd : log->io->size(log->io, reader->fd, &reader->size);
    }
    if (result == 0 && reader->size > FORMAT_SEGMENT_SIZE_MAX) {
        result = -EBADMSG;
    }
    if (result < 0) {
        return result;
    }
    reader->capacity = WINDOW_BYTES;
    reader->window = theater__alloc(reader->capacity);
    reader->bits = theater__alloc_zeroed((size_t)(reader->size / FORMAT_ALIGNMENT / 8 + 1), 1);
    if (reader->window == NULL || reader->bits == NULL) {
        return -ENOMEM;
    }
    result = read_segment(reader, &next);
    build_item *items = NULL;
    size_t count = 0;
    if (result == 0) {
        result = list_items(reader, &items, &count);
    }
    if (result == 0) {
        result = writer_begin(writer, log, reader->number, reader->number);
    }
    if (result == 0) {
        writer->header.sequence = reader->sequence;
        writer->header.last_group = reader->last_group;
        writer->header.end = reader->end;
        result = write_items(reader, items, count, writer);
    }
    theater__free(items);
    return result == 0 ? writer_finish(writer) : result;
}

int theater__index_build(theater__logstore *log, uint32_t segment, uint64_t *out_count)
{
    segment_reader reader = {.log = log, .number = segment, .fd = -1};
    index_writer writer = {.log = log, .fd = -1};
    int result = build(&reader, &writer);
    *out_count = writer.header.count;
    writer_end(&writer, result);
    if (reader.fd >= 0) {
        (void)log->io->close(log->io, reader.fd);
    }
    theater__free(reader.window);
    theater__free(reader.bits);
    return result;
}

/* ---- merging --------------------------------------------------------------------------------- */

typedef struct index_reader {
    theater__logstore *log;
    theater__format_index header;
    int fd;
    uint8_t *block;
    size_t filled;
    size_t at;
    uint64_t offset;
    uint64_t left; /* bytes behind the block */
    uint32_t crc;
} index_reader;

static int reader_begin(index_reader *reader, theater__logstore *log, const theater__log_span *span)
{
    memset(reader, 0, sizeof(*reader));
    reader->log = log;
    char name[INDEX_NAME_SIZE];
    theater__index_name(span, name);
    THEATER_AUTOFREE char *path = theater__path_in(log->directory, name);
    reader->block = theater__alloc(BLOCK_BYTES);
    reader->fd = path == NULL ? -ENOMEM : log->io->open(log->io, path, O_RDONLY, 0);
    if (reader->fd < 0) {
        return reader->fd;
    }
    uint8_t header[FORMAT_INDEX_HEADER_SIZE];
    size_t got = 0;
    int result = theater__io_read_all(log->io, reader->fd, header, sizeof(header), 0, &got);
    if (result < 0 || reader->block == NULL) {
        return result < 0 ? result : -ENOMEM;
    }
    if (!theater__format_index_decode(log->seed, header, got, &reader->header)) {
        return -EBADMSG;
    }
    reader->crc = log->seed;
    reader->offset = FORMAT_INDEX_HEADER_SIZE;
    reader->left = reader->header.count * FORMAT_INDEX_ENTRY_SIZE;
    return 0;
}

static void reader_end(index_reader *reader)
{
    if (reader->fd >= 0) {
        (void)reader->log->io->close(reader->log->io, reader->fd);
    }
    theater__free(reader->block);
}

/* The entry at hand, NULL at the end or, with *out_result set, on failure. */
static const uint8_t *reader_entry(index_reader *reader, int *out_result)
{
    if (reader->at == reader->filled && reader->left > 0) {
        size_t size = reader->left < BLOCK_BYTES ? (size_t)reader->left : BLOCK_BYTES;
        size_t got = 0;
        int result = theater__io_read_all(reader->log->io, reader->fd, reader->block, size,
                                          reader->offset, &got);
        if (result < 0 || got != size) {
            *out_result = result < 0 ? result : -EBADMSG;
            return NULL;
        }
        reader->crc = theater__crc32c(reader->crc, reader->block, size);
        reader->offset += size;
        reader->left -= size;
        reader->filled = size;
        reader->at = 0;
    }
    return reader->at < reader->filled ? reader->block + reader->at : NULL;
}

/* The newer one's entry counts where both have one. */
static int merge(index_reader *older, index_reader *newer, index_writer *writer)
{
    int result = 0;
    while (result == 0) {
        if (theater__idle_is_cancelled(writer->log)) {
            return -ECANCELED;
        }
        const uint8_t *a = reader_entry(older, &result);
        const uint8_t *b = reader_entry(newer, &result);
        if (result < 0 || (a == NULL && b == NULL)) {
            break;
        }
        int order = 0;
        if (a == NULL || b == NULL) {
            order = a == NULL ? 1 : -1;
        } else {
            order = memcmp(a, b, sizeof(theater_id));
        }
        result = writer_put(writer, order < 0 ? a : b);
        older->at += order <= 0 ? FORMAT_INDEX_ENTRY_SIZE : 0;
        newer->at += order >= 0 ? FORMAT_INDEX_ENTRY_SIZE : 0;
        theater__idle_step(writer->log, FORMAT_INDEX_ENTRY_SIZE);
    }
    if (result == 0 && (older->crc != older->header.crc || newer->crc != newer->header.crc)) {
        result = -EBADMSG;
    }
    return result;
}

int theater__index_merge(theater__logstore *log, const theater__log_span *older,
                         const theater__log_span *newer, theater__log_span *out_merged)
{
    THEATER_ASSERT(older->to + 1 == newer->from);
    index_reader reader_older = {.log = log, .fd = -1};
    index_reader reader_newer = {.log = log, .fd = -1};
    index_writer writer = {.log = log, .fd = -1};
    int result = reader_begin(&reader_older, log, older);
    if (result == 0) {
        result = reader_begin(&reader_newer, log, newer);
    }
    if (result == 0) {
        result = writer_begin(&writer, log, older->from, newer->to);
    }
    if (result == 0) {
        writer.header.sequence = reader_newer.header.sequence;
        writer.header.last_group = reader_newer.header.last_group;
        writer.header.end = reader_newer.header.end;
        result = merge(&reader_older, &reader_newer, &writer);
    }
    if (result == 0) {
        result = writer_finish(&writer);
    }
    out_merged->from = older->from;
    out_merged->to = newer->to;
    out_merged->count = writer.header.count;
    writer_end(&writer, result);
    reader_end(&reader_older);
    reader_end(&reader_newer);
    if (result == 0) {
        (void)theater__index_remove(log, older);
        (void)theater__index_remove(log, newer);
    }
    return result;
}
