/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a start finds. All segments are read in order, each group is checked whole, and every
 * actor's last record is kept. Where a group is not intact there are two cases:
 *
 * - Some later group says that the log was durable beyond this place. Then what is broken was
 *   promised to someone: corruption. The open is refused, with file and offset.
 * - No later group says so. Then the last write was torn by a crash and nobody was told that it had
 *   succeeded: the tail is saved beside the log, cut off, and reported.
 *
 * Only whole groups count. What was read may still be in the page cache alone, if the process was
 * killed and not the machine: the last segment is synced before anything is built on it.
 *
 * Invariants checked on the way: segments are numbered without gaps from the one that begins the
 * log, groups without gaps and linked, each record follows its actor's last one.
 */
#include "index.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* More torn tails at one and the same offset than this are not kept apart. */
#define TORN_FILES_MAX 16

/* ---- actors ---------------------------------------------------------------------------------- */

static const theater_id *actor_key(uint32_t number, const void *userdata)
{
    const theater__log_actors *actors = userdata;
    return &actors->items[number].actor;
}

void theater__log_actors_init(theater__log_actors *actors)
{
    memset(actors, 0, sizeof(*actors));
    uint64_t seed = 0;
    /* Without random numbers yet (early boot) the map works all the same, with a known seed. */
    (void)!getrandom(&seed, sizeof(seed), GRND_NONBLOCK);
    theater__map_init(&actors->map, seed, actor_key, actors);
}

void theater__log_actors_deinit(theater__log_actors *actors)
{
    theater__map_deinit(&actors->map);
    theater__free(actors->items);
    theater__log_actors_init(actors);
}

theater__recovered *theater__log_actors_find(theater__log_actors *actors, const theater_id *id)
{
    uint32_t number = theater__map_find(&actors->map, id);
    return number == UINT32_MAX ? NULL : &actors->items[number];
}

bool theater__log_actors_put(theater__log_actors *actors, const theater__recovered *actor)
{
    theater__recovered *item = theater__log_actors_find(actors, &actor->actor);
    if (item == NULL) {
        if (actors->count == actors->capacity) {
            uint32_t capacity = actors->capacity == 0 ? 64 : actors->capacity * 2;
            theater__recovered *grown =
                theater__realloc_array(actors->items, capacity, sizeof(actors->items[0]));
            if (grown == NULL) {
                return false;
            }
            actors->items = grown;
            actors->capacity = capacity;
        }
        THEATER_ASSERT(actors->items != NULL);
        item = &actors->items[actors->count];
        item->actor = actor->actor;
        if (!theater__map_add(&actors->map, actors->count)) {
            return false;
        }
        actors->count++;
    }
    *item = *actor;
    return true;
}

bool theater__log_actors_put_record(theater__log_actors *actors, uint64_t place,
                                    const theater__format_record *record)
{
    theater__recovered actor = {
        .actor = record->actor,
        .head = record->head,
        .next_seq = record->first_seq + record->events_count,
        .place = place,
        .standing = record->standing,
    };
    return theater__log_actors_put(actors, &actor);
}

bool theater__record_follows(const theater__recovered *before, const theater__format_record *record)
{
    if (before == NULL) {
        return record->first_seq == 0 && record->previous == THEATER__PLACE_NONE;
    }
    return record->previous == before->place && record->first_seq == before->next_seq &&
           memcmp(&record->parent, &before->head, sizeof(before->head)) == 0;
}

/* ---- one segment ----------------------------------------------------------------------------- */

/* What recovery knows while it goes from segment to segment. */
typedef struct recovery_run {
    theater__logstore *log;
    const uint32_t *numbers;
    size_t count;
    theater__buffer bytes; /* of the segment at hand */
    uint64_t sequence;     /* of the last intact group */
    uint64_t previous_group;
    bool unclosed;
    uint32_t tail_segment; /* where the log ends, as far as it is known */
    uint64_t tail_offset;
    bool tail_clean;          /* nothing but zeros behind it, if anything */
    theater__log_span *spans; /* indexes that there are */
    size_t spans_count;
} recovery_run;

static theater_status fail_damaged(const recovery_run *recovery, uint32_t number, uint64_t offset,
                                   const char *what, theater_error *err)
{
    char name[SEGMENT_NAME_SIZE];
    theater__segment_name(number, name);
    return theater__fail(err, THEATER_ERR_CORRUPT,
                         "store '%s' is damaged: %s at %s:%llu; run 'theater verify'",
                         recovery->log->directory, what, name, (unsigned long long)offset);
}

/* A log begins with segment 1, or, after a compaction, with one that says so: settle.c. */
static theater_status check_first(const recovery_run *recovery,
                                  const theater__format_segment *header, theater_error *err)
{
    if (header->previous_group != THEATER__PLACE_NONE ||
        (header->number == 1 && header->first_sequence != 1)) {
        return fail_damaged(recovery, header->number, 0, "segments are missing in front", err);
    }
    return THEATER_OK;
}

static theater_status check_header(recovery_run *recovery, uint32_t number, bool is_first,
                                   theater_error *err)
{
    theater__format_segment header;
    theater_status status =
        theater__format_segment_decode(recovery->bytes.data, recovery->bytes.size, &header);
    if (status == THEATER_ERR_UNSUPPORTED) {
        return theater__fail(err, status, "store '%s' was written by a newer version",
                             recovery->log->directory);
    }
    if (status != THEATER_OK || header.number != number) {
        return fail_damaged(recovery, number, 0, "the segment's header", err);
    }
    if (memcmp(header.store_id, recovery->log->store_id, sizeof(header.store_id)) != 0) {
        return fail_damaged(recovery, number, 16, "a segment of another store", err);
    }
    if (is_first) {
        status = check_first(recovery, &header, err);
        if (status != THEATER_OK) {
            return status;
        }
        recovery->sequence = header.first_sequence - 1;
        recovery->previous_group = header.previous_group;
    } else if (header.first_sequence != recovery->sequence + 1 ||
               header.previous_group != recovery->previous_group) {
        return fail_damaged(recovery, number, 0, "groups are missing in front", err);
    }
    return THEATER_OK;
}

/* Takes over the records of a group that was found intact. */
static theater_status apply_group(recovery_run *recovery, const theater__scan *scan, size_t offset,
                                  const theater__format_group *group, theater_error *err)
{
    if (group->sequence != recovery->sequence + 1 || group->previous != recovery->previous_group) {
        return fail_damaged(recovery, scan->segment, offset, "a group out of order", err);
    }
    theater__log_actors *actors = &recovery->log->actors;
    size_t at = offset + FORMAT_GROUP_HEADER_SIZE;
    for (uint32_t i = 0; i < group->records_count; i++) {
        theater__format_record record;
        (void)theater__format_record_peek(scan->data + at, scan->size - at, &record);
        if (!theater__record_follows(theater__log_actors_find(actors, &record.actor), &record)) {
            return fail_damaged(recovery, scan->segment, at,
                                "a record that does not follow its actor's last one", err);
        }
        if (!theater__log_actors_put_record(actors, format_place(scan->segment, at), &record)) {
            return theater__fail_nomem(err);
        }
        at += record.size;
    }
    recovery->sequence = group->sequence;
    recovery->previous_group = group->place;
    recovery->unclosed = group->records_count > 0;
    return THEATER_OK;
}

/* ---- torn or corrupt ------------------------------------------------------------------------- */

/* True if a group at or behind offset says that the log was durable beyond `place`. */
static bool promised_in(const theater__scan *scan, size_t offset, uint64_t place)
{
    theater__format_group group;
    while ((offset = theater__scan_find_group(scan, offset, &group)) != SIZE_MAX) {
        if (group.durable_upto > place) {
            return true;
        }
        offset += FORMAT_ALIGNMENT;
    }
    return false;
}

/*
 * True if anything behind the bad group, in this segment or a later one, says that it was durable.
 */
static theater_status promised(recovery_run *recovery, const theater__scan *scan, size_t index,
                               size_t bad_group, bool *out_promised, theater_error *err)
{
    uint64_t place = format_place(scan->segment, bad_group);
    *out_promised = promised_in(scan, bad_group + FORMAT_ALIGNMENT, place);
    theater__buffer later = {0};
    theater_status status = THEATER_OK;
    for (size_t i = index + 1; i < recovery->count && !*out_promised && status == THEATER_OK; i++) {
        status = theater__segment_load(recovery->log->io, recovery->log->directory,
                                       recovery->numbers[i], &later, err);
        if (status == THEATER_OK) {
            theater__scan scan_later;
            theater__scan_init(&scan_later, recovery->log->seed, recovery->numbers[i], later.data,
                               later.size);
            /* A later segment is begun when all in front of it is durable. */
            theater__format_group group;
            *out_promised = theater__scan_find_group(&scan_later, FORMAT_SEGMENT_HEADER_SIZE,
                                                     &group) != SIZE_MAX;
        }
    }
    theater__buffer_deinit(&later);
    return status;
}

/* Writes the torn bytes to a file of their own. -errno on failure. */
static int save_torn(theater__logstore *log, uint32_t segment, uint64_t offset, const uint8_t *data,
                     size_t size, char *out_name, size_t out_size)
{
    int fd = -EEXIST;
    for (int i = 1; i <= TORN_FILES_MAX && fd == -EEXIST; i++) {
        (void)snprintf(out_name, out_size, i == 1 ? "torn-%08u-%llu.bin" : "torn-%08u-%llu-%d.bin",
                       (unsigned)segment, (unsigned long long)offset, i);
        THEATER_AUTOFREE char *path = theater__path_in(log->directory, out_name);
        if (path == NULL) {
            return -ENOMEM;
        }
        fd = log->io->open(log->io, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    }
    if (fd < 0) {
        return fd;
    }
    int result = theater__io_write_all(log->io, fd, data, size, 0);
    if (result == 0) {
        result = log->io->fdatasync(log->io, fd);
    }
    (void)log->io->close(log->io, fd);
    if (result < 0) {
        THEATER_AUTOFREE char *path = theater__path_in(log->directory, out_name);
        if (path != NULL) {
            (void)log->io->unlink(log->io, path);
        }
        return result;
    }
    return log->io->fsync_directory(log->io, log->directory);
}

/* The tail from offset on was never promised: keeps a copy. It is cut when the file is opened. */
static theater_status set_aside(recovery_run *recovery, uint32_t segment, size_t offset,
                                theater_error *err)
{
    theater__logstore *log = recovery->log;
    size_t end = recovery->bytes.size;
    while (end > offset && recovery->bytes.data[end - 1] == 0) {
        end--;
    }
    char name[64];
    int result = save_torn(log, segment, offset, recovery->bytes.data + offset, end - offset, name,
                           sizeof(name));
    if (result == -ENOSPC || result == -EDQUOT) {
        /* A start on a full disk has to work, and these bytes are owed to nobody. */
        theater__log_write(&log->base.log, THEATER_LOG_WARNING,
                           "store '%s': the last write was torn; %zu bytes that nobody was "
                           "promised were cut off at %08u.log:%zu, and no space was left to keep "
                           "them",
                           log->directory, end - offset, (unsigned)segment, offset);
        return THEATER_OK;
    }
    if (result < 0) {
        return theater__fail_errno(err, THEATER_ERR_IO, -result,
                                   "the torn end of store '%s' cannot be set aside",
                                   log->directory);
    }
    theater__log_write(&log->base.log, THEATER_LOG_WARNING,
                       "store '%s': the last write was torn; %zu bytes that nobody was promised "
                       "were cut off at %08u.log:%zu and kept as %s",
                       log->directory, end - offset, (unsigned)segment, offset, name);
    return THEATER_OK;
}

/* ---- all segments ---------------------------------------------------------------------------- */

/*
 * Reads one segment. out_ended is set if the log cannot go on behind it: the tail is torn here, or
 * this is a segment in which nothing was written yet.
 */
static theater_status read_segment(recovery_run *recovery, size_t index, bool *out_ended,
                                   theater_error *err)
{
    uint32_t number = recovery->numbers[index];
    theater__logstore *log = recovery->log;
    theater_status status =
        theater__segment_load(log->io, log->directory, number, &recovery->bytes, err);
    if (status != THEATER_OK) {
        return status;
    }
    theater__scan scan;
    theater__scan_init(&scan, log->seed, number, recovery->bytes.data, recovery->bytes.size);
    theater_error header_error = THEATER_ERROR_INIT;
    status = check_header(recovery, number, index == 0, &header_error);
    if (status != THEATER_OK) {
        theater__format_group group;
        bool used = theater__scan_find_group(&scan, FORMAT_SEGMENT_HEADER_SIZE, &group) != SIZE_MAX;
        if (status == THEATER_ERR_CORRUPT && index > 0 && index + 1 == recovery->count && !used) {
            /* It was being made: its header was not synced, so no group was ever written to it. */
            *out_ended = true;
            return THEATER_OK;
        }
        if (err != NULL) {
            *err = header_error;
        }
        return status;
    }
    size_t offset = FORMAT_SEGMENT_HEADER_SIZE;
    recovery->tail_segment = number;
    recovery->tail_offset = offset;
    recovery->tail_clean = false;
    theater__format_group group;
    size_t bad = 0;
    while (theater__scan_group_intact(&scan, offset, &group, &bad)) {
        status = apply_group(recovery, &scan, offset, &group, err);
        if (status != THEATER_OK) {
            return status;
        }
        offset += FORMAT_GROUP_HEADER_SIZE + group.size;
        recovery->tail_offset = offset;
    }
    if (theater__all_zero(scan.data + offset, scan.size - offset)) {
        recovery->tail_clean = true;
        return THEATER_OK;
    }
    bool was_promised = false;
    status = promised(recovery, &scan, index, offset, &was_promised, err);
    if (status != THEATER_OK) {
        return status;
    }
    if (was_promised) {
        return fail_damaged(recovery, number, bad, bad == offset ? "a group" : "a record", err);
    }
    *out_ended = true;
    return set_aside(recovery, number, offset, err);
}

/* Removes segments behind the tail: none of them holds a group. */
static theater_status remove_unused(recovery_run *recovery, size_t from, theater_error *err)
{
    theater__logstore *log = recovery->log;
    for (size_t i = recovery->count; i > from; i--) {
        char name[SEGMENT_NAME_SIZE];
        theater__segment_name(recovery->numbers[i - 1], name);
        THEATER_AUTOFREE char *path = theater__path_in(log->directory, name);
        if (path == NULL) {
            return theater__fail_nomem(err);
        }
        int result = log->io->unlink(log->io, path);
        if (result < 0) {
            return theater__fail_errno(err, THEATER_ERR_IO, -result, "'%s' cannot be removed",
                                       path);
        }
    }
    return THEATER_OK;
}

/* Opens the last segment, cuts it where the log ends, makes durable what was read of it. */
static theater_status open_tail(const recovery_run *recovery, theater_error *err)
{
    theater__logstore *log = recovery->log;
    char name[SEGMENT_NAME_SIZE];
    theater__segment_name(recovery->tail_segment, name);
    THEATER_AUTOFREE char *path = theater__path_in(log->directory, name);
    if (path == NULL) {
        return theater__fail_nomem(err);
    }
    int fd = log->io->open(log->io, path, O_RDWR, 0);
    if (fd < 0) {
        return theater__fail_errno(err, THEATER_ERR_IO, -fd, "'%s' cannot be opened", path);
    }
    log->write_fd = fd;
    uint64_t size = 0;
    int result = log->io->size(log->io, fd, &size);
    log->allocated = size;
    if (result == 0 && size > recovery->tail_offset && !recovery->tail_clean) {
        result = log->io->ftruncate(log->io, fd, recovery->tail_offset);
        log->allocated = recovery->tail_offset;
    }
    if (result == 0) {
        result = log->io->fdatasync(log->io, fd);
    }
    if (result == 0) {
        result = log->io->fsync_directory(log->io, log->directory);
    }
    if (result < 0) {
        return theater__fail_errno(err, THEATER_ERR_IO, -result, "'%s' cannot be written", path);
    }
    log->write_segment = recovery->tail_segment;
    log->sequence = recovery->sequence;
    log->previous_group = recovery->previous_group;
    log->end = format_place(recovery->tail_segment, recovery->tail_offset);
    log->durable_upto = log->end;
    log->unclosed = recovery->unclosed;
    return THEATER_OK;
}

/* ---- indexes --------------------------------------------------------------------------------- */

/* Takes over the best index that begins at this segment, if there is one; out_to is 0 if not. */
static theater_status use_index(recovery_run *recovery, uint32_t number, uint32_t *out_to,
                                theater_error *err)
{
    theater__logstore *log = recovery->log;
    uint32_t last = recovery->numbers[recovery->count - 1];
    *out_to = 0;
    for (size_t i = 0; i < recovery->spans_count; i++) {
        theater__log_span *span = &recovery->spans[i];
        /* What is said of the last segment is old: it was not sealed, or is so no longer. */
        if (span->from != number || span->to >= last) {
            continue;
        }
        theater__format_index index;
        bool nomem = false;
        if (theater__index_load(log, span, &index, &nomem)) {
            recovery->sequence = index.sequence;
            recovery->previous_group = index.last_group;
            recovery->tail_segment = index.to;
            recovery->tail_offset = index.end;
            recovery->tail_clean = false;
            span->count = index.count;
            *out_to = index.to;
            return theater__keeper_add_span(log, span) ? THEATER_OK : theater__fail_nomem(err);
        }
        if (nomem) {
            return theater__fail_nomem(err);
        }
        theater__log_write(&log->base.log, THEATER_LOG_WARNING,
                           "store '%s': the index of segments %u to %u is damaged; they are read "
                           "whole instead",
                           log->directory, (unsigned)span->from, (unsigned)span->to);
    }
    return THEATER_OK;
}

static bool is_in_use(const theater__logstore *log, const theater__log_span *span)
{
    for (uint32_t i = 0; i < log->spans_count; i++) {
        if (log->spans[i].from == span->from && log->spans[i].to == span->to) {
            return true;
        }
    }
    return false;
}

/*
 * Indexing goes on behind the indexes that lie without a gap from the first segment on; all other
 * files go, damaged ones and those that a merge was about to remove.
 */
static void keep_spans(recovery_run *recovery)
{
    theater__logstore *log = recovery->log;
    uint32_t kept = 0;
    log->indexed_upto = recovery->numbers[0] - 1;
    while (kept < log->spans_count && log->spans[kept].from == log->indexed_upto + 1 &&
           log->spans[kept].to < recovery->tail_segment) {
        log->indexed_upto = log->spans[kept].to;
        kept++;
    }
    log->spans_count = kept;
    for (size_t i = 0; i < recovery->spans_count; i++) {
        if (!is_in_use(log, &recovery->spans[i])) {
            (void)theater__index_remove(log, &recovery->spans[i]);
        }
    }
}

/* What can be seen of a segment without reading it: that it is there, and is what it should be. */
static theater_status look_at_header(recovery_run *recovery, size_t index, theater_error *err)
{
    theater__logstore *log = recovery->log;
    uint32_t number = recovery->numbers[index];
    theater__format_segment header;
    int result = theater__segment_header(log->io, log->directory, number, &header);
    if (result == -ENOMEM) {
        return theater__fail_nomem(err);
    }
    if (theater__is_denied(-result)) {
        return theater__fail_denied_segment(err, -result, log->directory, number);
    }
    if (result < 0 && result != -EBADMSG) {
        return theater__fail_errno(err, THEATER_ERR_IO, -result,
                                   "segment %u of store '%s' cannot be read", (unsigned)number,
                                   log->directory);
    }
    if (result < 0 || memcmp(header.store_id, log->store_id, sizeof(header.store_id)) != 0) {
        return fail_damaged(recovery, number, 0, "the segment's header", err);
    }
    return index == 0 ? check_first(recovery, &header, err) : THEATER_OK;
}

/* True if the segment at index follows the one before it; else err says what is missing. */
static theater_status check_gap(recovery_run *recovery, size_t index, theater_error *err)
{
    if (index > 0 && recovery->numbers[index] != recovery->numbers[index - 1] + 1) {
        return fail_damaged(recovery, recovery->numbers[index - 1] + 1, 0,
                            "a segment is missing:", err);
    }
    return THEATER_OK;
}

/* All segments but the ones that an index stands for. */
static theater_status read_or_skip(recovery_run *recovery, size_t *index, bool *out_ended,
                                   theater_error *err)
{
    theater_status status = check_gap(recovery, *index, err);
    uint32_t to = 0;
    if (status == THEATER_OK) {
        status = use_index(recovery, recovery->numbers[*index], &to, err);
    }
    if (status != THEATER_OK) {
        return status;
    }
    if (to == 0) {
        return read_segment(recovery, *index, out_ended, err);
    }
    status = look_at_header(recovery, *index, err);
    while (status == THEATER_OK && recovery->numbers[*index] < to) {
        (*index)++;
        status = check_gap(recovery, *index, err);
        if (status == THEATER_OK) {
            status = look_at_header(recovery, *index, err);
        }
    }
    return status;
}

static theater_status read_segments(recovery_run *recovery, theater_error *err)
{
    bool ended = false;
    size_t index = 0;
    for (; index < recovery->count && !ended; index++) {
        theater_status status = read_or_skip(recovery, &index, &ended, err);
        if (status != THEATER_OK) {
            return status;
        }
    }
    while (index > 0 && recovery->numbers[index - 1] != recovery->tail_segment) {
        index--;
    }
    return remove_unused(recovery, index, err);
}

theater_status theater__logstore_recover(theater__logstore *log, theater_error *err)
{
    THEATER_ASSERT(log->lock_fd >= 0);
    THEATER_ASSERT(log->write_fd < 0);
    uint32_t *numbers = NULL;
    recovery_run recovery = {.log = log};
    theater_status status =
        theater__segment_list(log->io, log->directory, &numbers, &recovery.count, err);
    if (status == THEATER_OK && recovery.count == 0) {
        status = theater__fail(err, THEATER_ERR_CORRUPT,
                               "store '%s' is damaged: it has no segments", log->directory);
    }
    if (status == THEATER_OK) {
        recovery.numbers = numbers;
        /* Without them it is slower, not worse. */
        (void)theater__index_list(log->io, log->directory, &recovery.spans, &recovery.spans_count);
        status = read_segments(&recovery, err);
    }
    if (status == THEATER_OK) {
        status = open_tail(&recovery, err);
    }
    if (status == THEATER_OK) {
        keep_spans(&recovery);
    }
    theater__free(recovery.spans);
    theater__buffer_deinit(&recovery.bytes);
    theater__free(numbers);
    return status;
}
