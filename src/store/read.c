/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records by place. A read walks an actor's back links from its last record to the one that holds
 * the wanted event, and gives the frames in chain order. Each record read from disk is checked; one
 * that is still in a group in memory needs no check.
 *
 * A read happens at the call, on the owner's thread, if all it wants is in the page cache, as it
 * mostly is; the completion comes with the next poll. One that had to wait for the disk would hold
 * up everyone who is due: it is left, and begun again by another thread (readers.c).
 *
 *     genesis <── … <── record of from_seq <── record <── record at place
 *                       └───────────── what is given ───────────┘
 */
#include "logstore.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* The smallest amount that is read: what a record and its header mostly fit into. */
#define WINDOW_BYTES_MIN ((size_t)4096)

/* ---- windows --------------------------------------------------------------------------------- */

static theater_status fail_at(theater__logstore *log, uint64_t place, const char *what,
                              theater_error *err)
{
    char name[SEGMENT_NAME_SIZE] = "?";
    uint32_t segment = format_place_segment(place);
    if (segment > 0 && segment <= FORMAT_SEGMENT_NUMBER_MAX) {
        theater__segment_name(segment, name);
    }
    return theater__fail(err, THEATER_ERR_CORRUPT,
                         "%s at %s:%llu of store '%s'; run 'theater verify'", what, name,
                         (unsigned long long)format_place_offset(place), log->directory);
}

/*
 * A descriptor of that segment for reading. -errno on failure.
 *
 * The system does not read ahead on it, read_ahead() does. It would read megabytes of the zeros in
 * front of the log's end, and a read or a write of one of these pages waits until they are there.
 */
static int read_file(theater__log_reader *reader, uint32_t segment)
{
    theater__logstore *log = reader->log;
    unsigned slot = segment % reader->files_count;
    if (reader->files[slot].fd >= 0 && reader->files[slot].segment == segment) {
        return reader->files[slot].fd;
    }
    char name[SEGMENT_NAME_SIZE];
    theater__segment_name(segment, name);
    THEATER_AUTOFREE char *path = theater__path_in(log->directory, name);
    if (path == NULL) {
        return -ENOMEM;
    }
    int fd = log->io->open(log->io, path, O_RDONLY, 0);
    if (fd < 0) {
        return fd;
    }
    log->io->will_jump(log->io, fd);
    if (reader->files[slot].fd >= 0) {
        (void)log->io->close(log->io, reader->files[slot].fd);
    }
    reader->files[slot].segment = segment;
    reader->files[slot].fd = fd;
    return fd;
}

/* Bytes of the window from place on; NULL if place is not in it. */
static const uint8_t *in_window(const theater__log_window *window, uint64_t place, size_t *out_size)
{
    uint64_t offset = format_place_offset(place);
    if (window->segment != format_place_segment(place) || offset < window->offset ||
        offset >= window->offset + window->size) {
        return NULL;
    }
    size_t skipped = (size_t)(offset - window->offset);
    *out_size = window->size - skipped;
    return window->data + skipped;
}

/* Reads [offset, offset + size) of a segment into the window; less at the end of the file. */
static theater_status fill_window(theater__log_reader *reader, uint32_t segment, uint64_t offset,
                                  size_t size, theater_error *err)
{
    theater__logstore *log = reader->log;
    theater__log_window *window = &reader->window;
    window->size = 0;
    if (size > window->capacity) {
        uint8_t *grown = theater__realloc_array(window->data, size, 1);
        if (grown == NULL) {
            return theater__fail_nomem(err);
        }
        window->data = grown;
        window->capacity = size;
    }
    int fd = read_file(reader, segment);
    if (fd == -ENOMEM) {
        return theater__fail_nomem(err);
    }
    if (fd < 0) {
        return theater__fail_errno(err, THEATER_ERR_STORE, -fd,
                                   "segment %u of store '%s' cannot be opened", (unsigned)segment,
                                   log->directory);
    }
    size_t got = 0;
    int result = reader->may_wait
                     ? theater__io_read_all(log->io, fd, window->data, size, offset, &got)
                     : theater__io_read_cached(log->io, fd, window->data, size, offset, &got);
    if (result == -EAGAIN && !reader->may_wait) {
        reader->would_wait = true;
        return THEATER_ERR_STORE; /* seen by nobody: the read is begun again */
    }
    if (result < 0) {
        return theater__fail_errno(err, THEATER_ERR_STORE, -result,
                                   "segment %u of store '%s' cannot be read", (unsigned)segment,
                                   log->directory);
    }
    window->segment = segment;
    window->offset = offset;
    window->size = got;
    return THEATER_OK;
}

/* ---- one record ------------------------------------------------------------------------------ */

/* The group in memory that holds place, or NULL. Under the mutex. */
static const theater__log_group *group_of(const theater__logstore *log, uint64_t place)
{
    const theater__log_group *group = log->writing;
    if (group != NULL && place >= group->place && place - group->place < group->bytes.size) {
        return group;
    }
    for (group = log->queue.first; group != NULL; group = group->next) {
        if (place >= group->place && place - group->place < group->bytes.size) {
            return group;
        }
    }
    return NULL;
}

/* Up to where everything is in its file; behind it stand groups that are not, or not yet whole. */
static uint64_t end_of_written(const theater__logstore *log)
{
    if (log->writing != NULL) {
        return log->writing->place;
    }
    return log->queue.first != NULL ? log->queue.first->place : log->end;
}

/*
 * Copies a record that is not written yet into the window, where the reader looks for it. False if
 * it is not in memory; true without a window (size 0) if memory has run out. Says where the bytes
 * end that are written.
 */
static bool copy_from_memory(theater__log_reader *reader, uint64_t place, uint64_t *out_written_end)
{
    theater__logstore *log = reader->log;
    bool found = false;
    (void)pthread_mutex_lock(&log->mutex);
    *out_written_end = end_of_written(log);
    const theater__log_group *group = group_of(log, place);
    if (group != NULL && place - group->place >= FORMAT_GROUP_HEADER_SIZE) {
        found = true;
        const uint8_t *data = group->bytes.data + (place - group->place);
        size_t size = theater__format_record_size_field(data);
        theater__log_window *window = &reader->window;
        window->size = 0;
        if (size > window->capacity) {
            uint8_t *grown = theater__realloc_array(window->data, size, 1);
            if (grown != NULL) {
                window->data = grown;
                window->capacity = size;
            }
        }
        if (window->data != NULL && size <= window->capacity) {
            memcpy(window->data, data, size);
            window->segment = format_place_segment(place);
            window->offset = format_place_offset(place);
            window->size = size;
        }
    }
    (void)pthread_mutex_unlock(&log->mutex);
    return found;
}

/* A group whose write has failed is neither in memory nor on the disk: that is the store's failure,
 * and no damage of the log. */
static theater_status fail_missing(theater__logstore *log, uint64_t place, theater_error *err)
{
    (void)pthread_mutex_lock(&log->mutex);
    bool failed = log->failed;
    if (failed && err != NULL) {
        *err = log->failure;
    }
    (void)pthread_mutex_unlock(&log->mutex);
    return failed ? THEATER_ERR_STORE : fail_at(log, place, "there is no intact record", err);
}

/* How much is read from a record on: not of pages behind those that were written, whose zeros may
 * be on the disk alone. */
static size_t window_size(uint64_t place, uint64_t written_end)
{
    uint64_t page = LOGSTORE_PAGE_BYTES;
    uint64_t upto = (written_end + page - 1) / page * page;
    return upto > place && upto - place < WINDOW_BYTES_MIN ? (size_t)(upto - place)
                                                           : WINDOW_BYTES_MIN;
}

/*
 * The record at place, borrowed from the window until the next call. low: how far back neighbours
 * are likely to be wanted next (place itself if none are).
 */
static theater_status load_record(theater__log_reader *reader, uint64_t place, uint64_t low,
                                  theater__format_record *out_record, theater_error *err)
{
    theater__logstore *log = reader->log;
    uint32_t segment = format_place_segment(place);
    uint64_t offset = format_place_offset(place);
    if (segment == 0 || segment > FORMAT_SEGMENT_NUMBER_MAX ||
        offset < FORMAT_SEGMENT_HEADER_SIZE || offset % FORMAT_ALIGNMENT != 0) {
        return fail_at(log, place, "a link leads nowhere", err);
    }
    size_t size = 0;
    const uint8_t *data = in_window(&reader->window, place, &size);
    if (data != NULL && theater__format_record_decode(log->seed, place, data, size, out_record)) {
        return THEATER_OK;
    }
    uint64_t upto = 0;
    if (copy_from_memory(reader, place, &upto)) {
        data = in_window(&reader->window, place, &size);
        if (data == NULL) {
            return theater__fail_nomem(err);
        }
    } else {
        uint64_t begin = offset;
        if (format_place_segment(low) == segment && low < place &&
            place - low < LOGSTORE_WINDOW_BYTES) {
            begin = format_place_offset(low);
        }
        size_t wanted = (size_t)(offset - begin) + window_size(place, upto);
        theater_status status = fill_window(reader, segment, begin, wanted, err);
        if (status != THEATER_OK) {
            return status;
        }
        data = in_window(&reader->window, place, &size);
        uint64_t whole = data != NULL && size >= 4 ? theater__format_record_size_field(data) : 0;
        if (whole > size && whole <= FORMAT_RECORD_SIZE_MAX) {
            status = fill_window(reader, segment, offset, (size_t)whole, err);
            if (status != THEATER_OK) {
                return status;
            }
            data = in_window(&reader->window, place, &size);
        }
    }
    if (data == NULL || !theater__format_record_decode(log->seed, place, data, size, out_record)) {
        return fail_missing(log, place, err);
    }
    return THEATER_OK;
}

/* ---- trails ---------------------------------------------------------------------------------- */

static theater__log_trail *trail_slot(theater__logstore *log, uint64_t place)
{
    uint64_t mixed = place * UINT64_C(0x9e3779b97f4a7c15);
    return &log->trails[mixed >> 51];
}
_Static_assert(LOGSTORE_TRAILS == (1u << (64 - 51)), "a slot is chosen by the upper 13 bits");

void theater__logstore_remember(theater__logstore *log, const theater__log_trail *trail)
{
    *trail_slot(log, trail->place) = *trail;
}

static theater__log_trail trail_of(uint64_t place, const theater__format_record *record)
{
    return (theater__log_trail){
        .place = place,
        .actor = record->actor,
        .head = record->head,
        .next_seq = record->first_seq + record->events_count,
        .genesis = record->genesis,
        .call_seq = record->standing.call_seq,
        .call = record->call,
    };
}

theater_status theater__logstore_trail(theater__logstore *log, uint64_t place,
                                       theater__log_trail *out_trail, theater_error *err)
{
    if (trail_slot(log, place)->place != place) {
        theater__format_record record = {0};
        log->reader.may_wait = true;
        theater_status status = load_record(&log->reader, place, place, &record, err);
        if (status != THEATER_OK) {
            return status;
        }
        theater__log_trail trail = trail_of(place, &record);
        theater__logstore_remember(log, &trail);
    }
    *out_trail = *trail_slot(log, place);
    return THEATER_OK;
}

/* ---- walking back ---------------------------------------------------------------------------- */

/* Frames of one record, held until all earlier ones are there too. */
typedef struct walk_piece {
    uint8_t *data;
    size_t size;
} walk_piece;

/* Pieces from the latest (dropped first when there are too many bytes) to the earliest. */
typedef struct frames_walk {
    walk_piece *pieces;
    size_t first;
    size_t count;
    size_t capacity;
    size_t bytes;
    bool whole; /* nothing is dropped */
} frames_walk;

static void walk_deinit(frames_walk *walk)
{
    for (size_t i = walk->first; i < walk->count; i++) {
        theater__free(walk->pieces[i].data);
    }
    theater__free(walk->pieces);
}

static bool walk_push(frames_walk *walk, theater_bytes frames)
{
    if (walk->count == walk->capacity) {
        size_t capacity = walk->capacity == 0 ? 32 : walk->capacity * 2;
        walk_piece *grown = theater__realloc_array(walk->pieces, capacity, sizeof(walk->pieces[0]));
        if (grown == NULL) {
            return false;
        }
        walk->pieces = grown;
        walk->capacity = capacity;
    }
    uint8_t *copy = theater__memdup(frames.data, frames.size);
    if (copy == NULL) {
        return false;
    }
    walk->pieces[walk->count].data = copy;
    walk->pieces[walk->count].size = frames.size;
    walk->count++;
    walk->bytes += frames.size;
    /* The earliest records are the ones that are given: later ones make room for them. */
    while (!walk->whole && walk->bytes > THEATER__STORE_READ_BYTES_MAX &&
           walk->count - walk->first > 1) {
        walk->bytes -= walk->pieces[walk->first].size;
        theater__free(walk->pieces[walk->first].data);
        walk->first++;
    }
    return true;
}

/* The pieces in chain order. */
static bool walk_join(const frames_walk *walk, theater__buffer *out_frames)
{
    for (size_t i = walk->count; i > walk->first; i--) {
        theater__buffer_put(out_frames, walk->pieces[i - 1].data, walk->pieces[i - 1].size);
    }
    return !out_frames->failed;
}

static theater_status fail_too_long(theater_error *err)
{
    return theater__fail(err, THEATER_ERR_LIMIT,
                         "the events of one call exceed BUFFER_BYTES_MAX (%zu bytes)",
                         THEATER__BUFFER_BYTES_MAX);
}

/* True if earlier is what later says came before it. */
static bool precedes(const theater__format_record *earlier, uint64_t later_first_seq,
                     const theater_hash *later_parent)
{
    return earlier->first_seq + earlier->events_count == later_first_seq &&
           memcmp(&earlier->head, later_parent, sizeof(*later_parent)) == 0;
}

/*
 * From where on to read when the record at `wanted` is read, to which the walk comes from `place`.
 * A walk reads ahead as a kernel does: as little as it can, and twice as much each time that the
 * next record was missed but near. A few records far apart cost a small read each, a long history
 * that lies together some large ones; a window that is read for one record would cost more than
 * the replay itself.
 */
static uint64_t read_ahead(const theater__log_reader *reader, uint64_t place, uint64_t wanted,
                           uint64_t *reach)
{
    size_t size = 0;
    if (in_window(&reader->window, wanted, &size) != NULL) {
        return wanted;
    }
    uint64_t distance = place - wanted;
    if (distance > *reach * 4) {
        *reach = WINDOW_BYTES_MIN;
        return wanted;
    }
    uint64_t most = LOGSTORE_WINDOW_BYTES - WINDOW_BYTES_MIN;
    *reach = *reach * 2 < most ? *reach * 2 : most;
    uint64_t offset = format_place_offset(wanted);
    uint64_t room = offset > FORMAT_SEGMENT_HEADER_SIZE ? offset - FORMAT_SEGMENT_HEADER_SIZE : 0;
    return wanted - (room < *reach ? room : *reach);
}

static theater_status walk_back(theater__log_reader *reader, const theater__read *read,
                                frames_walk *walk, theater__log_answer *answer)
{
    theater__logstore *log = reader->log;
    theater__store_completion *completion = &answer->completion;
    theater_error *err = &completion->error;
    uint64_t place = read->place;
    uint64_t low = place;
    uint64_t reach = WINDOW_BYTES_MIN;
    bool is_last = true;
    for (;;) {
        if (atomic_load_explicit(&log->readers_stop, memory_order_relaxed)) {
            return theater__fail(err, THEATER_ERR_CANCELLED, "the store is being closed");
        }
        theater__format_record record = {0};
        theater_status status = load_record(reader, place, low, &record, err);
        if (status != THEATER_OK) {
            return status;
        }
        if (memcmp(&record.actor, &read->actor, sizeof(record.actor)) != 0) {
            return fail_at(log, place, "there is a record of another actor", err);
        }
        if (is_last) {
            answer->trail = trail_of(place, &record);
            uint64_t next_seq = record.first_seq + record.events_count;
            if (read->from_seq >= next_seq) {
                completion->parent = record.head;
                completion->first_seq = next_seq;
                return THEATER_OK;
            }
        } else if (!precedes(&record, completion->first_seq, &completion->parent)) {
            return fail_at(log, place, "there is a record that does not fit the next one", err);
        }
        is_last = false;
        completion->parent = record.parent;
        completion->first_seq = record.first_seq;
        if (record.events_count > 0 && !walk_push(walk, record.frames)) {
            return theater__fail_nomem(err);
        }
        if (walk->bytes > THEATER__BUFFER_BYTES_MAX) {
            return fail_too_long(err);
        }
        if (record.events_count > 0 && record.first_seq <= read->from_seq) {
            return THEATER_OK;
        }
        if (record.previous >= place) {
            return fail_at(log, place, "there is a record with a broken link", err);
        }
        low = read_ahead(reader, place, record.previous, &reach);
        place = record.previous;
    }
}

static theater_status read_genesis(theater__log_reader *reader, const theater__read *read,
                                   theater__log_answer *answer)
{
    theater__store_completion *completion = &answer->completion;
    theater_error *err = &completion->error;
    theater__format_record record = {0};
    theater_status status = load_record(reader, read->place, read->place, &record, err);
    if (status != THEATER_OK) {
        return status;
    }
    answer->trail = trail_of(read->place, &record);
    uint64_t genesis = answer->trail.genesis;
    status = load_record(reader, genesis, genesis, &record, err);
    if (status != THEATER_OK) {
        return status;
    }
    if (memcmp(&record.actor, &read->actor, sizeof(record.actor)) != 0 || record.first_seq != 0) {
        return fail_at(reader->log, genesis, "there is no genesis of this actor", err);
    }
    completion->parent = record.parent;
    completion->first_seq = record.first_seq;
    theater__buffer_put(&completion->frames, record.frames.data, record.frames.size);
    return completion->frames.failed ? theater__fail_nomem(err) : THEATER_OK;
}

static theater_status read_chain(theater__log_reader *reader, const theater__read *read,
                                 theater__log_answer *answer)
{
    theater__store_completion *completion = &answer->completion;
    frames_walk walk = {.whole = read->whole};
    theater_status status = walk_back(reader, read, &walk, answer);
    if (status == THEATER_OK && !walk_join(&walk, &completion->frames)) {
        status = theater__fail_nomem(&completion->error);
    }
    walk_deinit(&walk);
    return status;
}

/* ---- reads ----------------------------------------------------------------------------------- */

void theater__log_reader_init(theater__log_reader *reader, theater__logstore *log,
                              unsigned files_count)
{
    memset(reader, 0, sizeof(*reader));
    reader->log = log;
    reader->files_count = files_count;
    for (unsigned i = 0; i < LOGSTORE_READ_FILES; i++) {
        reader->files[i].fd = -1;
    }
}

void theater__log_reader_deinit(theater__log_reader *reader)
{
    for (unsigned i = 0; i < LOGSTORE_READ_FILES; i++) {
        if (reader->files[i].fd >= 0) {
            (void)reader->log->io->close(reader->log->io, reader->files[i].fd);
        }
    }
    theater__free(reader->window.data);
}

bool theater__log_reader_read(theater__log_reader *reader, theater__log_answer *answer)
{
    const theater__read *read = &answer->read;
    theater__store_completion *completion = &answer->completion;
    reader->would_wait = false;
    completion->status =
        read->genesis_only ? read_genesis(reader, read, answer) : read_chain(reader, read, answer);
    if (completion->status != THEATER_OK) {
        theater__buffer_deinit(&completion->frames);
    }
    return !reader->would_wait;
}

theater_status theater__logstore_read(theater__store *store, const theater__read *read,
                                      theater__ticket *out_ticket, theater_error *err)
{
    theater__logstore *log = (theater__logstore *)store;
    theater__log_answer *answer = theater__alloc_zeroed(1, sizeof(*answer));
    if (answer == NULL) {
        return theater__fail_nomem(err);
    }
    answer->read = *read;
    answer->completion.type = THEATER__COMPLETED_READ;
    answer->completion.ticket = log->next_ticket;
    answer->completion.userdata = read->userdata;
    *out_ticket = log->next_ticket;
    log->next_ticket++;
    log->reader.may_wait = log->threadless || read->at_once;
    if (!theater__log_reader_read(&log->reader, answer)) {
        if (theater__readers_ask(log, answer)) {
            return THEATER_OK;
        }
        log->reader.may_wait = true;
        (void)theater__log_reader_read(&log->reader, answer);
    }
    theater__logstore_answer(log, answer);
    return THEATER_OK;
}
