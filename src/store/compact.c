/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy of a log without some of its actors, in DIR/compact. The records of the others are copied
 * in the order in which they lie, so that what one actor's record says of the time before it stays
 * true; what is new is where they lie:
 *
 *     00000001.log … 00000004.log     groups 1 … 900, the log
 *     compact/00000005.log …          groups 901 …    the copy, which begins a log: no group before
 *
 * Segments and groups are numbered on, so places go on growing, and no place ever means two things.
 * Places stand in three links of a record, `previous`, `genesis` and `call`, which are followed to
 * the copy; frames, heads and standings are what they were. Each group says that all in front of it
 * is durable, and a closing group follows the last one: a copy is never torn, only damaged.
 *
 * Before it may count, the copy is read back: each group, and where each actor stands.
 */
#include "compact.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* Records are gathered up to this size: what is written and checked at once. */
#define GROUP_BYTES_MAX ((uint64_t)1 << 20)

theater_status theater__compact_tell(theater__compact_progress *progress, uint64_t bytes,
                                     theater_error *err)
{
    progress->done += bytes;
    if (progress->tell != NULL &&
        progress->tell(progress->done, progress->total, progress->userdata) != 0) {
        return theater__fail(err, THEATER_ERR_CANCELLED,
                             "interrupted; what was not pruned yet is as it was");
    }
    return THEATER_OK;
}

/* ---- walking over a whole log ---------------------------------------------------------------- */

static theater_status fail_damaged(const theater__compact_walk *walk, uint32_t number,
                                   uint64_t offset, theater_error *err)
{
    char name[SEGMENT_NAME_SIZE];
    theater__segment_name(number, name);
    return theater__fail(err, THEATER_ERR_CORRUPT,
                         "store '%s' is damaged at %s:%llu; run 'theater verify'", walk->directory,
                         name, (unsigned long long)offset);
}

static theater_status visit_group(const theater__compact_walk *walk, const theater__scan *scan,
                                  size_t offset, const theater__format_group *group,
                                  theater_error *err)
{
    size_t at = offset + FORMAT_GROUP_HEADER_SIZE;
    theater_status status = THEATER_OK;
    for (uint32_t i = 0; i < group->records_count && status == THEATER_OK; i++) {
        theater__format_record record;
        (void)theater__format_record_peek(scan->data + at, scan->size - at, &record);
        status = walk->visit(format_place(scan->segment, at), &record, walk->userdata, err);
        at += record.size;
    }
    return status;
}

static theater_status walk_segment(theater__compact_walk *walk, uint32_t number,
                                   const theater__buffer *bytes, uint64_t *previous_group,
                                   theater_error *err)
{
    theater__format_segment header;
    bool is_first = number == walk->first;
    if (theater__format_segment_decode(bytes->data, bytes->size, &header) != THEATER_OK ||
        header.number != number || header.previous_group != *previous_group ||
        memcmp(header.store_id, walk->log->store_id, sizeof(header.store_id)) != 0 ||
        header.first_sequence == 0 || (!is_first && header.first_sequence != walk->sequence + 1)) {
        return fail_damaged(walk, number, 0, err);
    }
    walk->sequence = header.first_sequence - 1;
    theater__scan scan;
    theater__scan_init(&scan, walk->log->seed, number, bytes->data, bytes->size);
    size_t offset = FORMAT_SEGMENT_HEADER_SIZE;
    theater__format_group group;
    size_t bad = 0;
    while (theater__scan_group_intact(&scan, offset, &group, &bad)) {
        if (group.sequence != walk->sequence + 1 || group.previous != *previous_group) {
            return fail_damaged(walk, number, offset, err);
        }
        theater_status status = visit_group(walk, &scan, offset, &group, err);
        if (status != THEATER_OK) {
            return status;
        }
        walk->sequence = group.sequence;
        *previous_group = group.place;
        offset += FORMAT_GROUP_HEADER_SIZE + group.size;
    }
    return theater__all_zero(bytes->data + offset, bytes->size - offset)
               ? THEATER_OK
               : fail_damaged(walk, number, bad, err);
}

theater_status theater__compact_walk_log(theater__compact_walk *walk, theater_error *err)
{
    THEATER_ASSERT(walk->first > 0 && walk->first <= walk->last);
    theater__buffer bytes = {0};
    uint64_t previous_group = THEATER__PLACE_NONE;
    theater_status status = THEATER_OK;
    for (uint32_t number = walk->first; number <= walk->last && status == THEATER_OK; number++) {
        status = theater__segment_load(walk->log->io, walk->directory, number, &bytes, err);
        if (status == THEATER_OK) {
            status = walk_segment(walk, number, &bytes, &previous_group, err);
        }
        if (status == THEATER_OK) {
            status = theater__compact_tell(walk->progress, bytes.size, err);
        }
    }
    theater__buffer_deinit(&bytes);
    return status;
}

/* ---- writing the copy ------------------------------------------------------------------------ */

typedef struct copy_writer {
    theater__logstore *log;
    theater__compact_fate *fates;
    char *directory;
    uint32_t number; /* of the segment that is written; 0: none yet */
    int fd;
    uint64_t offset;       /* in it, of the group that is gathered */
    theater__buffer group; /* room for its header, then its records */
    uint32_t records_count;
    uint64_t sequence; /* of the last group written, as is: */
    uint64_t previous_group;
} copy_writer;

uint64_t theater__compact_space(const theater__logstore *log, uint64_t records_size)
{
    /* Of two neighbours, groups or segments, the second one began because both are larger. */
    uint64_t room = log->segment_size - FORMAT_SEGMENT_HEADER_SIZE - FORMAT_GROUP_HEADER_SIZE;
    uint64_t segments = 2 * (records_size / room) + 1;
    uint64_t groups = 2 * (records_size / GROUP_BYTES_MAX) + 2 * segments + 1;
    return records_size + segments * FORMAT_SEGMENT_HEADER_SIZE + groups * FORMAT_GROUP_HEADER_SIZE;
}

static int end_segment(copy_writer *writer)
{
    int result = writer->log->io->fdatasync(writer->log->io, writer->fd);
    (void)writer->log->io->close(writer->log->io, writer->fd);
    writer->fd = -1;
    return result;
}

static int begin_segment(copy_writer *writer, uint32_t number)
{
    if (number > FORMAT_SEGMENT_NUMBER_MAX) {
        return -EFBIG;
    }
    uint8_t bytes[FORMAT_SEGMENT_HEADER_SIZE];
    theater__segment_encode(writer->log, number, writer->sequence + 1, writer->previous_group,
                            bytes);
    char name[SEGMENT_NAME_SIZE];
    theater__segment_name(number, name);
    THEATER_AUTOFREE char *path = theater__path_in(writer->directory, name);
    if (path == NULL) {
        return -ENOMEM;
    }
    theater__io *io = writer->log->io;
    writer->fd = io->open(io, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (writer->fd < 0) {
        return writer->fd;
    }
    writer->number = number;
    writer->offset = FORMAT_SEGMENT_HEADER_SIZE;
    return theater__io_write_all(io, writer->fd, bytes, sizeof(bytes), 0);
}

/* Writes what was gathered; with nothing gathered, a closing group. */
static int flush_group(copy_writer *writer)
{
    theater__format_group group = {
        .sequence = writer->sequence + 1,
        .place = format_place(writer->number, writer->offset),
        .durable_upto = format_place(writer->number, writer->offset),
        .previous = writer->previous_group,
        .size = (uint32_t)(writer->group.size - FORMAT_GROUP_HEADER_SIZE),
        .records_count = writer->records_count,
    };
    theater__format_group_encode(writer->log->seed, &group, writer->group.data);
    int result = theater__io_write_all(writer->log->io, writer->fd, writer->group.data,
                                       writer->group.size, writer->offset);
    writer->offset += writer->group.size;
    writer->sequence = group.sequence;
    writer->previous_group = group.place;
    writer->records_count = 0;
    writer->group.size = FORMAT_GROUP_HEADER_SIZE;
    return result;
}

/* Makes room for a record of this size behind those that were gathered. */
static int make_room(copy_writer *writer, uint64_t size)
{
    int result = 0;
    if (writer->records_count > 0 && writer->group.size + size > GROUP_BYTES_MAX) {
        result = flush_group(writer);
    }
    /* In the group that it would be in now, a header further if that one has just begun. */
    uint64_t end = writer->offset + writer->group.size + size;
    bool is_begun = writer->records_count > 0 || writer->offset > FORMAT_SEGMENT_HEADER_SIZE;
    bool fills_segment = is_begun && end > writer->log->segment_size;
    if (result == 0 && fills_segment && writer->records_count > 0) {
        result = flush_group(writer);
    }
    if (result == 0 && fills_segment) {
        result = end_segment(writer);
        if (result == 0) {
            result = begin_segment(writer, writer->number + 1);
        }
    }
    return result;
}

/* A link to the record that holds the call's event, or that it is not known. */
static uint64_t follow_call(theater__compact_fate *fate, uint64_t place_old, uint64_t place,
                            uint64_t call_old)
{
    if (call_old == place_old) {
        fate->call_old = place_old;
        fate->call = place;
    }
    return call_old == fate->call_old ? fate->call : THEATER__PLACE_NONE;
}

static theater_status fail_copy(const copy_writer *writer, int result, theater_error *err)
{
    return result == -ENOMEM ? theater__fail_nomem(err)
                             : theater__fail_errno(err, THEATER_ERR_IO, -result,
                                                   "the log of store '%s' cannot be copied",
                                                   writer->log->directory);
}

static theater_status copy_record(uint64_t place_old, const theater__format_record *record,
                                  void *userdata, theater_error *err)
{
    copy_writer *writer = userdata;
    const theater__log_actors *actors = &writer->log->actors;
    uint32_t number = theater__map_find(&actors->map, &record->actor);
    if (number == UINT32_MAX) {
        return theater__fail(err, THEATER_ERR_CORRUPT, "store '%s' changed while it was copied",
                             writer->log->directory);
    }
    theater__compact_fate *fate = &writer->fates[number];
    if (fate->goes) {
        return THEATER_OK;
    }
    int result = make_room(writer, record->size);
    if (result < 0) {
        return fail_copy(writer, result, err);
    }
    uint64_t place = format_place(writer->number, writer->offset + writer->group.size);
    uint8_t *out = theater__buffer_extend(&writer->group, record->size);
    if (out == NULL) {
        return theater__fail_nomem(err);
    }
    bool is_genesis = record->previous == THEATER__PLACE_NONE;
    theater__format_record moved = *record;
    moved.previous = is_genesis ? THEATER__PLACE_NONE : fate->place;
    fate->genesis = is_genesis ? place : fate->genesis;
    moved.genesis = fate->genesis;
    moved.call = follow_call(fate, place_old, place, record->call);
    theater__format_record_encode(writer->log->seed, place, &moved, out);
    fate->place = place;
    writer->records_count++;
    return THEATER_OK;
}

/* The last group, a closing one, and all of it on the disk. */
static int end_copy(copy_writer *writer)
{
    int result = writer->records_count > 0 ? flush_group(writer) : 0;
    if (result == 0) {
        result = flush_group(writer);
    }
    if (result == 0) {
        result = end_segment(writer);
    }
    theater__io *io = writer->log->io;
    return result == 0 ? io->fsync_directory(io, writer->directory) : result;
}

static theater_status write_copy(copy_writer *writer, const theater__compact_walk *walk,
                                 theater_error *err)
{
    theater__logstore *log = writer->log;
    int result = log->io->mkdir_inside(log->io, writer->directory, 0700);
    if (result == 0) {
        result = begin_segment(writer, walk->last + 1);
    }
    if (result == 0 && theater__buffer_extend(&writer->group, FORMAT_GROUP_HEADER_SIZE) == NULL) {
        result = -ENOMEM;
    }
    if (result < 0) {
        return fail_copy(writer, result, err);
    }
    theater__compact_walk again = *walk;
    again.visit = copy_record;
    again.userdata = writer;
    theater_status status = theater__compact_walk_log(&again, err);
    if (status == THEATER_OK) {
        result = end_copy(writer);
        status = result < 0 ? fail_copy(writer, result, err) : THEATER_OK;
    }
    return status;
}

/* ---- reading it back ------------------------------------------------------------------------- */

static theater_status check_record(uint64_t place, const theater__format_record *record,
                                   void *userdata, theater_error *err)
{
    theater__log_actors *found = userdata;
    if (!theater__record_follows(theater__log_actors_find(found, &record->actor), record)) {
        return theater__fail(err, THEATER_ERR_CORRUPT,
                             "the copy of the log does not read back: a record does not follow");
    }
    return theater__log_actors_put_record(found, place, record) ? THEATER_OK
                                                                : theater__fail_nomem(err);
}

/* Every actor that stays, and no other, stands in the copy as it does in the log. */
static theater_status compare_actors(const copy_writer *writer, theater__log_actors *found,
                                     theater_error *err)
{
    const theater__log_actors *actors = &writer->log->actors;
    uint32_t stay_count = 0;
    for (uint32_t i = 0; i < actors->count; i++) {
        if (writer->fates[i].goes) {
            continue;
        }
        const theater__recovered *before = &actors->items[i];
        const theater__recovered *after = theater__log_actors_find(found, &before->actor);
        if (after == NULL || after->next_seq != before->next_seq ||
            memcmp(&after->head, &before->head, sizeof(after->head)) != 0) {
            return theater__fail(err, THEATER_ERR_CORRUPT,
                                 "the copy of the log does not read back: an actor is missing");
        }
        stay_count++;
    }
    return stay_count == found->count
               ? THEATER_OK
               : theater__fail(err, THEATER_ERR_CORRUPT,
                               "the copy of the log does not read back: an actor too many");
}

static theater_status read_back(const copy_writer *writer, const theater__compact_walk *walk,
                                theater_error *err)
{
    theater__log_actors found;
    theater__log_actors_init(&found);
    theater__compact_walk again = *walk;
    again.directory = writer->directory;
    again.first = walk->last + 1;
    again.last = writer->number;
    again.visit = check_record;
    again.userdata = &found;
    theater_status status = theater__compact_walk_log(&again, err);
    if (status == THEATER_OK) {
        status = compare_actors(writer, &found, err);
    }
    theater__log_actors_deinit(&found);
    return status;
}

theater_status theater__compact_copy(const theater__compact_walk *walk,
                                     theater__compact_fate *fates, theater__format_mark *out_mark,
                                     theater_error *err)
{
    copy_writer writer = {
        .log = walk->log,
        .fates = fates,
        .fd = -1,
        .sequence = walk->sequence,
        .previous_group = THEATER__PLACE_NONE,
        .directory = theater__path_in(walk->log->directory, COMPACT_NAME),
    };
    theater_status status = THEATER_OK;
    if (writer.directory == NULL) {
        status = theater__fail_nomem(err);
    }
    if (status == THEATER_OK) {
        status = write_copy(&writer, walk, err);
    }
    if (writer.fd >= 0) {
        (void)walk->log->io->close(walk->log->io, writer.fd);
    }
    if (status == THEATER_OK) {
        status = read_back(&writer, walk, err);
    }
    if (status == THEATER_OK) {
        memset(out_mark, 0, sizeof(*out_mark));
        memcpy(out_mark->store_id, walk->log->store_id, sizeof(out_mark->store_id));
        out_mark->old_first = walk->first;
        out_mark->old_last = walk->last;
        out_mark->new_first = walk->last + 1;
        out_mark->new_last = writer.number;
        out_mark->old_sequence = walk->sequence;
        out_mark->new_sequence = writer.sequence;
    }
    theater__buffer_deinit(&writer.group);
    theater__free(writer.directory);
    return status;
}
