/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The owner's side of the log: opening, taking batches, handing out completions, closing.
 *
 * Invariants:
 * - A record's place is final when submit returns; places grow, so `previous < place` for every
 * link.
 * - The queue holds groups in the order of their places; the open group is its last member.
 * - Completions of batches come out in the order of submission, each exactly once.
 * - After a failure nothing more reaches the disk; every batch that was taken still completes.
 */
#include "logstore.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const theater__store_operations log_operations;

static void destroy(theater__logstore *log);
static theater_status start(theater__logstore *log, theater_error *err);
static void tell_notice(theater__logstore *log);
static char *full_url(const char *directory);

/* ---- open and close -------------------------------------------------------------------------- */

/* An object with nothing opened yet, which destroy() can take apart. */
static theater__logstore *new_logstore(const theater__logstore_options *options)
{
    theater__logstore *log = theater__alloc_zeroed(1, sizeof(*log));
    if (log == NULL) {
        return NULL;
    }
    log->base.operations = &log_operations;
    log->base.log = options->store->log;
    log->io = options->io != NULL ? options->io : theater__io_system();
    log->segment_size = options->segment_size != 0 ? options->segment_size : FORMAT_SEGMENT_SIZE;
    log->threadless = options->threadless;
    log->is_shard = options->is_shard;
    memcpy(log->boot, options->store->boot, sizeof(log->boot));
    log->wall = options->store->wall;
    log->lock_fd = -1;
    log->write_fd = -1;
    log->wake_fd = -1;
    log->done_fd = -1;
    log->ahead_fd = -1;
    theater__log_reader_init(&log->reader, log, LOGSTORE_READ_FILES);
    log->next_ticket = 1;
    (void)pthread_mutex_init(&log->mutex, NULL);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&log->keeper_wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_cond_init(&log->readers_wake, NULL);
    theater__log_actors_init(&log->actors);
    log->directory = theater__strndup(options->directory, strlen(options->directory));
    log->trails = theater__alloc_zeroed(LOGSTORE_TRAILS, sizeof(log->trails[0]));
    if (log->directory == NULL || log->trails == NULL) {
        destroy(log);
        return NULL;
    }
    return log;
}

theater_status theater__logstore_open_with(const theater__logstore_options *options,
                                           theater__store **out_store, theater_error *err)
{
    THEATER_ASSERT(options->store != NULL);
    THEATER_ASSERT(options->directory != NULL);
    theater__logstore *log = new_logstore(options);
    if (log == NULL) {
        return theater__fail_nomem(err);
    }
    theater_status status = theater__logstore_enter(log, options->store, err);
    if (status == THEATER_OK) {
        status = theater__logstore_recover(log, err);
    }
    if (status == THEATER_OK) {
        log->base.url = full_url(log->directory);
        status = log->base.url == NULL ? theater__fail_nomem(err) : THEATER_OK;
    }
    if (status == THEATER_OK) {
        theater__keeper_begin(log, log->actors.count);
        tell_notice(log);
        status = start(log, err);
    }
    if (status != THEATER_OK) {
        theater__logstore_undo(log);
        theater__free(log->base.url);
        destroy(log);
        return status;
    }
    THEATER_ASSERT(log->write_fd >= 0);
    *out_store = &log->base;
    return THEATER_OK;
}

/* "log:" and the absolute directory, or the directory as given if it has no absolute form. */
static char *full_url(const char *directory)
{
    char *absolute = realpath(directory, NULL);
    const char *shown = absolute != NULL ? absolute : directory;
    size_t size = strlen(shown);
    char *url = theater__alloc(size + 5);
    if (url != NULL) {
        memcpy(url, "log:", 4);
        memcpy(url + 4, shown, size + 1);
    }
    free(absolute); /* tidy-allow: alloc: realpath() allocates by itself */
    return url;
}

int theater__logstore_thread(theater__logstore *log, pthread_t *out_thread, void *(*main)(void *))
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(out_thread, NULL, main, log);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

static theater_status start(theater__logstore *log, theater_error *err)
{
    if (log->threadless) {
        return THEATER_OK;
    }
    log->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    log->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (log->wake_fd < 0 || log->done_fd < 0) {
        return theater__fail_errno(err, THEATER_ERR_STORE, errno, "the store has no descriptors");
    }
    int result = theater__logstore_thread(log, &log->thread, theater__logstore_commit_main);
    log->thread_started = result == 0;
    if (result == 0) {
        (void)pthread_mutex_lock(&log->mutex);
        result = theater__logstore_thread(log, &log->keeper, theater__keeper_main);
        log->keeper_started = result == 0;
        (void)pthread_mutex_unlock(&log->mutex);
    }
    if (result != 0) {
        return theater__fail_errno(err, THEATER_ERR_STORE, result, "the store has no thread");
    }
    return THEATER_OK;
}

/* What the other threads have to say is said on the owner's. */
static void tell_notice(theater__logstore *log)
{
    char text[sizeof(log->notice)] = "";
    (void)pthread_mutex_lock(&log->mutex);
    memcpy(text, log->notice, sizeof(text));
    log->notice[0] = '\0';
    (void)pthread_mutex_unlock(&log->mutex);
    if (text[0] != '\0') {
        theater__log_write(&log->base.log, THEATER_LOG_WARNING, "store '%s': %s", log->directory,
                           text);
    }
}

static void log_close(theater__store *store)
{
    theater__logstore *log = (theater__logstore *)store;
    if (log->threadless) {
        while (theater__logstore_commit_one(log)) {
        }
        theater__logstore_commit_close(log);
    }
    destroy(log);
}

static void free_queue(theater__log_group *group)
{
    while (group != NULL) {
        theater__log_group *next = group->next;
        theater__logstore_group_free(group);
        group = next;
    }
}

static void stop_keeper(theater__logstore *log)
{
    if (!log->keeper_started) {
        return;
    }
    (void)pthread_mutex_lock(&log->mutex);
    atomic_store_explicit(&log->keeper_stop, true, memory_order_relaxed);
    (void)pthread_cond_signal(&log->keeper_wake);
    (void)pthread_mutex_unlock(&log->mutex);
    (void)pthread_join(log->keeper, NULL);
    (void)pthread_mutex_lock(&log->mutex);
    log->keeper_started = false;
    (void)pthread_mutex_unlock(&log->mutex);
}

static void wake_committer(theater__logstore *log)
{
    uint64_t one = 1;
    (void)!write(log->wake_fd, &one, sizeof(one));
}

static void stop_thread(theater__logstore *log)
{
    if (!log->thread_started) {
        return;
    }
    (void)pthread_mutex_lock(&log->mutex);
    log->stopping = true;
    (void)pthread_mutex_unlock(&log->mutex);
    wake_committer(log);
    (void)pthread_join(log->thread, NULL);
    log->thread_started = false;
}

/*
 * A store at rest takes no more space than it needs. Nothing depends on it: the log ends where the
 * zeros begin.
 */
static void give_back_zeros(theater__logstore *log)
{
    uint64_t end = format_place_offset(log->end);
    /* An open that failed does not know yet where the log ends. */
    bool is_known = end >= FORMAT_SEGMENT_HEADER_SIZE;
    if (!log->failed && is_known && format_place_segment(log->end) == log->write_segment &&
        log->allocated > end) {
        (void)log->io->ftruncate(log->io, log->write_fd, end);
    }
}

static void destroy(theater__logstore *log)
{
    theater__readers_end(log);
    stop_keeper(log);
    stop_thread(log);
    theater__keeper_end(log);
    free_queue(log->queue.first);
    free_queue(log->done.first);
    free_queue(log->spare);
    theater__logstore_group_free(log->delivering);
    theater__log_answers_free(&log->answers);
    theater__log_answers_free(&log->asked);
    theater__log_answers_free(&log->answered);
    theater__log_reader_deinit(&log->reader);
    if (log->write_fd >= 0) {
        give_back_zeros(log);
        (void)log->io->close(log->io, log->write_fd);
    }
    if (log->wake_fd >= 0) {
        (void)close(log->wake_fd);
    }
    if (log->done_fd >= 0) {
        (void)close(log->done_fd);
    }
    theater__logstore_leave(log);
    theater__log_actors_deinit(&log->actors);
    theater__free(log->trails);
    theater__free(log->directory);
    (void)pthread_cond_destroy(&log->keeper_wake);
    (void)pthread_cond_destroy(&log->readers_wake);
    (void)pthread_mutex_destroy(&log->mutex);
    theater__free(log);
}

/* ---- recovery -------------------------------------------------------------------------------- */

static theater_status log_recover_next(theater__store *store, theater__recovered *out_actor,
                                       theater_error *err)
{
    theater__logstore *log = (theater__logstore *)store;
    if (log->actors.next < log->actors.count) {
        *out_actor = log->actors.items[log->actors.next];
        log->actors.next++;
        return THEATER_OK;
    }
    theater__log_actors_deinit(&log->actors);
    return theater__fail(err, THEATER_ERR_NOTFOUND, "no further actor");
}

/* ---- submit ---------------------------------------------------------------------------------- */

/* Fills in what the record knows of its predecessors; false if the batch does not follow them. */
static bool link_record(const theater__batch *batch, const theater__log_trail *trail,
                        theater__format_record *record)
{
    static const theater_hash no_parent = {{0}};
    record->genesis = THEATER__PLACE_NONE;
    record->call = THEATER__PLACE_NONE;
    if (batch->previous_place == THEATER__PLACE_NONE) {
        return batch->first_seq == 0 && memcmp(&batch->parent, &no_parent, sizeof(no_parent)) == 0;
    }
    if (memcmp(&trail->actor, &batch->actor, sizeof(trail->actor)) != 0 ||
        memcmp(&trail->head, &batch->parent, sizeof(trail->head)) != 0 ||
        trail->next_seq != batch->first_seq) {
        return false;
    }
    record->genesis = trail->genesis;
    if (trail->call_seq == batch->standing.call_seq) {
        record->call = trail->call;
    }
    return true;
}

/* A batch that does not follow completes like any other one, but nothing of it is written. */
static theater_status submit_fenced(theater__logstore *log, const theater__batch *batch,
                                    theater__ticket *out_ticket, uint64_t *out_place,
                                    theater_error *err)
{
    theater__log_answer *answer = theater__alloc_zeroed(1, sizeof(*answer));
    if (answer == NULL) {
        return theater__fail_nomem(err);
    }
    answer->completion.type = THEATER__COMPLETED_BATCH;
    answer->completion.ticket = log->next_ticket;
    answer->completion.userdata = batch->userdata;
    answer->completion.status = theater__fail(&answer->completion.error, THEATER_ERR_FENCED,
                                              "the batch does not follow the actor's last one");
    *out_ticket = log->next_ticket;
    *out_place = THEATER__PLACE_NONE;
    log->next_ticket++;
    theater__logstore_answer(log, answer);
    return THEATER_OK;
}

/* The group that takes the next record of this size, made if need be. Under the mutex. */
static theater__log_group *open_group(theater__logstore *log, uint64_t record_size)
{
    uint64_t offset = format_place_offset(log->end);
    uint64_t needed = record_size + (log->open == NULL ? FORMAT_GROUP_HEADER_SIZE : 0);
    bool rolls = offset > FORMAT_SEGMENT_HEADER_SIZE && offset + needed > log->segment_size;
    if (log->open != NULL && !rolls) {
        return log->open;
    }
    theater__log_group *group = log->spare;
    if (group != NULL) {
        log->spare = group->next;
        log->spare_count--;
        group->next = NULL;
    } else {
        group = theater__alloc_zeroed(1, sizeof(*group));
    }
    if (group == NULL || theater__buffer_extend(&group->bytes, FORMAT_GROUP_HEADER_SIZE) == NULL) {
        theater__logstore_group_free(group);
        return NULL;
    }
    if (rolls) {
        log->end = format_place(format_place_segment(log->end) + 1, FORMAT_SEGMENT_HEADER_SIZE);
    }
    group->place = log->end;
    log->end += FORMAT_GROUP_HEADER_SIZE;
    theater__logstore_queue_push(&log->queue, group);
    log->open = group;
    return group;
}

/* Room for one more entry and for size more bytes. */
static uint8_t *extend_group(theater__log_group *group, uint64_t size)
{
    if (group->entries_count == group->entries_capacity) {
        uint32_t capacity = group->entries_capacity == 0 ? 64 : group->entries_capacity * 2;
        theater__log_entry *grown =
            theater__realloc_array(group->entries, capacity, sizeof(group->entries[0]));
        if (grown == NULL) {
            return NULL;
        }
        group->entries = grown;
        group->entries_capacity = capacity;
    }
    size_t before = group->bytes.size;
    /* Room for the rest of its last page as well: fill_page() in commit.c. */
    uint8_t *out = theater__buffer_extend(&group->bytes, (size_t)size + LOGSTORE_PAGE_BYTES);
    if (out == NULL) {
        /* The records that are in it already are whole; only this one did not fit. */
        group->bytes.size = before;
        group->bytes.failed = false;
        return NULL;
    }
    group->bytes.size = before + (size_t)size;
    return out;
}

/* An open group without records must not be left in the queue: the committer writes none such. */
static void drop_if_empty(theater__logstore *log)
{
    theater__log_group *group = log->open;
    if (group == NULL || group->records_count > 0) {
        return;
    }
    theater__log_group *before = NULL;
    for (theater__log_group *each = log->queue.first; each != group; each = each->next) {
        before = each;
    }
    if (before == NULL) {
        log->queue.first = NULL;
    } else {
        before->next = NULL;
    }
    log->queue.last = before;
    log->open = NULL;
    /* If this began a segment, the segment simply begins with the next group instead. */
    log->end = group->place;
    theater__logstore_group_free(group);
}

/* Puts the record at the end of the log. Under the mutex. */
static theater_status append(theater__logstore *log, theater__format_record *record,
                             const theater__batch *batch, uint64_t *out_place, theater_error *err)
{
    if (log->failed) {
        if (err != NULL) {
            *err = log->failure;
        }
        return THEATER_ERR_STORE;
    }
    if (log->full && record->previous == THEATER__PLACE_NONE) {
        return theater__fail_errno(err, THEATER_ERR_STORE, ENOSPC,
                                   "the disk of store '%s' is full: no new actor is taken; make "
                                   "space, then spawn again",
                                   log->directory);
    }
    theater__log_group *group = open_group(log, record->size);
    uint8_t *out = group == NULL ? NULL : extend_group(group, record->size);
    if (out == NULL) {
        drop_if_empty(log);
        return theater__fail_nomem(err);
    }
    uint64_t place = log->end;
    THEATER_ASSERT(place == group->place + (uint64_t)(out - group->bytes.data));
    if (record->previous == THEATER__PLACE_NONE) {
        record->genesis = place;
        theater__keeper_count_actor(log, 1);
    }
    if (record->standing.call_seq >= record->first_seq &&
        record->standing.call_seq - record->first_seq < record->events_count) {
        record->call = place;
    }
    theater__format_record_encode(log->seed, place, record, out);
    theater__log_entry *entry = &group->entries[group->entries_count];
    entry->ticket = log->next_ticket;
    entry->userdata = batch->userdata;
    entry->size = record->size;
    group->entries_count++;
    group->records_count++;
    group->is_awaited = group->is_awaited || batch->is_awaited;
    log->end += record->size;
    log->unclosed = true;
    *out_place = place;
    return THEATER_OK;
}

/* Under the mutex; whoever is told so wakes it without the mutex, once. */
static bool wakes_committer(theater__logstore *log, bool is_awaited)
{
    bool wakes = log->waiting || (log->gathering && is_awaited);
    log->waiting = log->waiting && !wakes;
    log->gathering = log->gathering && !wakes;
    return wakes;
}

static theater_status log_submit(theater__store *store, const theater__batch *batch,
                                 theater__ticket *out_ticket, uint64_t *out_place,
                                 theater_error *err)
{
    theater__logstore *log = (theater__logstore *)store;
    uint64_t size = format_record_size(batch->frames.size);
    if (size > THEATER__STORE_INFLIGHT_MAX - log->inflight) {
        return theater__fail(err, THEATER_ERR_LIMIT, "STORE_INFLIGHT_MAX bytes are in flight");
    }
    theater__log_trail trail = {0};
    if (batch->previous_place != THEATER__PLACE_NONE) {
        theater_status status = theater__logstore_trail(log, batch->previous_place, &trail, err);
        if (status != THEATER_OK) {
            return status;
        }
    }
    theater__format_record record = {
        .size = (uint32_t)size,
        .actor = batch->actor,
        .first_seq = batch->first_seq,
        .events_count = batch->events_count,
        .parent = batch->parent,
        .head = batch->head,
        .previous = batch->previous_place,
        .standing = batch->standing,
        .frames = batch->frames,
    };
    if (!link_record(batch, &trail, &record)) {
        return submit_fenced(log, batch, out_ticket, out_place, err);
    }
    uint64_t place = 0;
    (void)pthread_mutex_lock(&log->mutex);
    theater_status status = append(log, &record, batch, &place, err);
    bool wake = status == THEATER_OK && wakes_committer(log, batch->is_awaited);
    (void)pthread_mutex_unlock(&log->mutex);
    if (status != THEATER_OK) {
        return status;
    }
    if (wake) {
        wake_committer(log);
    }
    theater__log_trail next = {
        .place = place,
        .actor = batch->actor,
        .head = batch->head,
        .next_seq = batch->first_seq + batch->events_count,
        .genesis = record.genesis,
        .call_seq = batch->standing.call_seq,
        .call = record.call,
    };
    theater__logstore_remember(log, &next);
    *out_ticket = log->next_ticket;
    *out_place = place;
    log->next_ticket++;
    log->inflight += size;
    return THEATER_OK;
}

/* Groups before the open one are not waited with anyway. */
static void log_hurry(theater__store *store)
{
    theater__logstore *log = (theater__logstore *)store;
    (void)pthread_mutex_lock(&log->mutex);
    bool wake = false;
    if (log->open != NULL) {
        log->open->is_awaited = true;
        wake = wakes_committer(log, true);
    }
    (void)pthread_mutex_unlock(&log->mutex);
    if (wake) {
        wake_committer(log);
    }
}

/* ---- completions ----------------------------------------------------------------------------- */

void theater__logstore_signal(theater__logstore *log)
{
    uint64_t one = 1;
    (void)!write(log->done_fd, &one, sizeof(one));
}

void theater__logstore_answer(theater__logstore *log, theater__log_answer *answer)
{
    theater__log_answers_push(&log->answers, answer);
}

/* Keeps a delivered group's memory for the next one. Under the mutex. */
static void recycle(theater__logstore *log, theater__log_group *group)
{
    if (group == NULL) {
        return;
    }
    if (log->spare_count >= LOGSTORE_SPARE_GROUPS_MAX ||
        group->bytes.capacity > LOGSTORE_SPARE_BYTES_MAX) {
        theater__logstore_group_free(group);
        return;
    }
    theater__buffer_clear(&group->bytes);
    group->records_count = 0;
    group->entries_count = 0;
    group->delivered = 0;
    group->is_awaited = false;
    group->failed = false;
    group->next = log->spare;
    log->spare = group;
    log->spare_count++;
}

/*
 * Takes the next finished group, and what the readers have; drains the descriptor if there is
 * nothing left to give. The committer writes to it without the mutex, so that who is woken does not
 * run into its holder: the count may still be on its way, and the store stays signalled until it
 * was read.
 */
static bool next_group(theater__logstore *log)
{
    (void)pthread_mutex_lock(&log->mutex);
    recycle(log, log->delivering);
    log->delivering = theater__logstore_queue_pop(&log->done);
    bool found = log->delivering != NULL;
    theater__readers_take(log);
    if (!found && log->answers.first == NULL && log->signalled) {
        uint64_t count;
        log->signalled = read(log->done_fd, &count, sizeof(count)) < 0;
    }
    if (log->failed) {
        log->failure_seen = log->failure;
    }
    bool has_notice = log->notice[0] != '\0';
    (void)pthread_mutex_unlock(&log->mutex);
    if (has_notice) {
        tell_notice(log);
    }
    return found;
}

static void deliver(theater__logstore *log, theater__store_completion *out_completion)
{
    theater__log_group *group = log->delivering;
    const theater__log_entry *entry = &group->entries[group->delivered];
    group->delivered++;
    THEATER_ASSERT(log->inflight >= entry->size);
    log->inflight -= entry->size;
    memset(out_completion, 0, sizeof(*out_completion));
    out_completion->type = THEATER__COMPLETED_BATCH;
    out_completion->ticket = entry->ticket;
    out_completion->userdata = entry->userdata;
    out_completion->status = THEATER_OK;
    if (group->failed) {
        out_completion->status = THEATER_ERR_STORE;
        out_completion->error = log->failure_seen;
    }
}

static void hand_out(theater__logstore *log, theater__log_answer *answer,
                     theater__store_completion *out_completion)
{
    if (answer->trail.place != 0) {
        theater__logstore_remember(log, &answer->trail);
    }
    *out_completion = answer->completion;
    theater__free(answer);
}

static bool take_answer(theater__logstore *log, theater__store_completion *out_completion)
{
    theater__log_answer *answer = theater__log_answers_pop(&log->answers);
    if (answer != NULL) {
        hand_out(log, answer, out_completion);
    }
    return answer != NULL;
}

static bool log_poll(theater__store *store, theater__store_completion *out_completion)
{
    theater__logstore *log = (theater__logstore *)store;
    if (log->threadless) {
        while (theater__logstore_commit_one(log)) {
            theater__keeper_work(log, false);
        }
    }
    if (log->delivering != NULL && log->delivering->delivered < log->delivering->entries_count) {
        deliver(log, out_completion);
        return true;
    }
    if (take_answer(log, out_completion)) {
        return true;
    }
    if (!next_group(log)) {
        return take_answer(log, out_completion);
    }
    THEATER_ASSERT(log->delivering->entries_count > 0);
    deliver(log, out_completion);
    return true;
}

/* It was answered when it was asked. */
static void log_take_read(theater__store *store, theater__ticket ticket,
                          theater__store_completion *out_completion)
{
    theater__logstore *log = (theater__logstore *)store;
    theater__log_answer *answer = theater__log_answers_find(&log->answers, ticket);
    THEATER_ASSERT(answer != NULL);
    hand_out(log, answer, out_completion);
}

static bool log_wants_poll(const theater__store *store)
{
    const theater__logstore *log = (const theater__logstore *)store;
    return log->answers.first != NULL || (log->threadless && log->inflight > 0);
}

static uint32_t log_waiting_reads(const theater__store *store)
{
    return ((const theater__logstore *)store)->asked_count;
}

static int log_fd(const theater__store *store)
{
    return ((const theater__logstore *)store)->done_fd;
}

static uint64_t log_inflight(const theater__store *store)
{
    return ((const theater__logstore *)store)->inflight;
}

static const theater_error *log_failure(const theater__store *store)
{
    /* Only the copy that is lent is written to; what the store does is not changed by looking. */
    theater__logstore *log = (theater__logstore *)(uintptr_t)store;
    (void)pthread_mutex_lock(&log->mutex);
    bool failed = log->failed;
    if (failed) {
        log->failure_seen = log->failure;
    }
    (void)pthread_mutex_unlock(&log->mutex);
    return failed ? &log->failure_seen : NULL;
}

static const theater__store_operations log_operations = {
    .level = "durable",
    .close = log_close,
    .recover_next = log_recover_next,
    .submit = log_submit,
    .hurry = log_hurry,
    .read = theater__logstore_read,
    .wants_poll = log_wants_poll,
    .waiting_reads = log_waiting_reads,
    .fd = log_fd,
    .poll = log_poll,
    .take_read = log_take_read,
    .inflight = log_inflight,
    .failure = log_failure,
    .put_component = theater__logstore_put_component,
    .get_component = theater__logstore_get_component,
};
