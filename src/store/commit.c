/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The committer: one thread that takes the gathered group, writes it with one call, syncs it, and
 * hands it back. A group closes when the sync before it returns, so the busier the log, the larger
 * the groups, and a lone batch waits for nothing but its own sync. On a fast disk a storm of
 * batches would still be cut into small groups, whose syncs and interrupts take the time of whoever
 * submits: after a group of several records the next one is left open for a moment, for a longer
 * one as long as groups grow to its end, and not if somebody inside waits for it. 16,700 wakes a
 * second in two shards took 7,500 syncs a second without that, a third of two processors, and take
 * 1,250.
 *
 * The first error ends the store. After a failed fdatasync nobody knows which pages are on the
 * disk, and a second call may say yes about pages that were given up: so nothing is retried,
 * everything in flight fails, and the reason is kept.
 *
 * Waking: the committer says under the mutex that it is going to sleep (`waiting`), then polls its
 * eventfd. Who adds work sees `waiting` under the same mutex, takes it back, and writes to the
 * eventfd. The counter of the eventfd holds the wake-up if it comes first, so none is lost; and a
 * busy committer, which looks at the queue before it sleeps, costs submitters no system call.
 */
#include "logstore.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

/* A group of so many records says that the log is busy; who writes alone stays below. */
#define GATHER_RECORDS_MIN 6u
/* So many say so although somebody waits for the next one: 64 actors that wait for each other's
 * syncs stay below. */
#define GATHER_AWAITED_MIN 96u
/* The next group is left open so long. In the last piece of that it is seen whether it still grows:
 * if so, the group after it is left open twice as long. */
#define GATHER_US_MIN 100u
#define GATHER_US_MAX 800u
#define GATHER_PIECE_US 100u

static void gather(theater__logstore *log);
static void write_group(theater__logstore *log, theater__log_group *group);
static void complete_group(theater__logstore *log, theater__log_group *group);
static int put_on_disk(theater__logstore *log, const theater__log_group *group,
                       const char **out_what);
static int next_segment(theater__logstore *log, uint32_t segment);
static int write_at(theater__logstore *log, const theater__log_group *group, uint64_t offset);
static int write_zeros(theater__logstore *log, uint64_t end);
static void stop(theater__logstore *log, int os_errno, const char *what);

/* ---- queues ---------------------------------------------------------------------------------- */

void theater__logstore_queue_push(theater__log_queue *queue, theater__log_group *group)
{
    group->next = NULL;
    if (queue->last == NULL) {
        queue->first = group;
    } else {
        queue->last->next = group;
    }
    queue->last = group;
}

theater__log_group *theater__logstore_queue_pop(theater__log_queue *queue)
{
    theater__log_group *group = queue->first;
    if (group == NULL) {
        return NULL;
    }
    queue->first = group->next;
    if (queue->first == NULL) {
        queue->last = NULL;
    }
    group->next = NULL;
    return group;
}

void theater__logstore_group_free(theater__log_group *group)
{
    if (group == NULL) {
        return;
    }
    theater__buffer_deinit(&group->bytes);
    theater__free(group->entries);
    theater__free(group);
}

void theater__logstore_step_back(int policy)
{
    if (sched_getscheduler(0) == SCHED_OTHER) {
        (void)pthread_setschedparam(pthread_self(), policy, &(struct sched_param){0});
    }
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* Sleeps until there is work, at most until a closing group is due. True if that time is over. */
static bool wait_for_work(theater__logstore *log, bool unclosed)
{
    struct pollfd wanted = {.fd = log->wake_fd, .events = POLLIN};
    int ready = poll(&wanted, 1, unclosed ? LOGSTORE_CLOSE_AFTER_MS : -1);
    if (ready > 0) {
        uint64_t count;
        (void)!read(log->wake_fd, &count, sizeof(count));
    }
    return ready == 0;
}

void *theater__logstore_commit_main(void *userdata)
{
    theater__logstore *log = userdata;
    /* The same share of the processors, but it interrupts nobody: a host that is due would be, for
     * a group that it made itself. */
    theater__logstore_step_back(SCHED_BATCH);
    log->gather_us = GATHER_US_MIN;
    for (;;) {
        if (log->last_count >= GATHER_RECORDS_MIN) {
            gather(log);
        }
        if (theater__logstore_commit_one(log)) {
            continue;
        }
        (void)pthread_mutex_lock(&log->mutex);
        bool idle = log->queue.first == NULL;
        bool stopping = log->stopping;
        bool unclosed = log->unclosed && !log->failed;
        log->waiting = idle && !stopping;
        (void)pthread_mutex_unlock(&log->mutex);
        if (!idle) {
            continue;
        }
        if (stopping) {
            theater__logstore_commit_close(log);
            return NULL;
        }
        if (wait_for_work(log, unclosed)) {
            theater__logstore_commit_close(log);
        }
    }
}

/* The records of the open group, or 0 if it is to be written now; else who adds one that is waited
 * for rings. */
static uint32_t gathered(theater__logstore *log)
{
    (void)pthread_mutex_lock(&log->mutex);
    bool is_over = log->stopping || log->failed || log->open == NULL ||
                   log->queue.first != log->open ||
                   (log->open->is_awaited && log->last_count < GATHER_AWAITED_MIN);
    uint32_t count = is_over ? 0 : log->open->records_count;
    log->gathering = !is_over && log->last_count < GATHER_AWAITED_MIN;
    (void)pthread_mutex_unlock(&log->mutex);
    return count;
}

/* False if somebody rang. */
static bool leave_open(theater__logstore *log, uint32_t us)
{
    const struct timespec time = {0, (long)us * 1000};
    struct pollfd bell = {.fd = log->wake_fd, .events = POLLIN};
    int rung = ppoll(&bell, 1, &time, NULL);
    if (rung > 0) {
        uint64_t count;
        (void)!read(log->wake_fd, &count, sizeof(count));
    }
    return rung == 0;
}

/*
 * A group that is waited for by all who write stops growing, and is not left open for long. Two
 * looks a group: each costs the processor a switch to this thread and one back.
 */
static void gather(theater__logstore *log)
{
    uint32_t before = gathered(log);
    if (before == 0) {
        return;
    }
    if (log->gather_us > GATHER_US_MIN) {
        if (!leave_open(log, log->gather_us - GATHER_PIECE_US)) {
            return;
        }
        before = gathered(log);
    }
    if (before == 0 || !leave_open(log, GATHER_PIECE_US)) {
        return;
    }
    bool has_grown = gathered(log) > before;
    (void)pthread_mutex_lock(&log->mutex);
    log->gathering = false; /* nobody has to ring any more */
    (void)pthread_mutex_unlock(&log->mutex);
    log->gather_us = has_grown ? log->gather_us * 2 : log->gather_us / 2;
    log->gather_us = log->gather_us < GATHER_US_MAX ? log->gather_us : GATHER_US_MAX;
    log->gather_us = log->gather_us > GATHER_US_MIN ? log->gather_us : GATHER_US_MIN;
}

bool theater__logstore_commit_one(theater__logstore *log)
{
    (void)pthread_mutex_lock(&log->mutex);
    log->waiting = false;
    log->gathering = false;
    theater__log_group *group = theater__logstore_queue_pop(&log->queue);
    if (group == log->open) {
        log->open = NULL;
    }
    log->writing = group;
    (void)pthread_mutex_unlock(&log->mutex);
    if (group == NULL) {
        return false;
    }
    THEATER_ASSERT(group->records_count > 0);
    log->last_count = group->records_count;
    write_group(log, group);
    complete_group(log, group);
    return true;
}

void theater__logstore_commit_close(theater__logstore *log)
{
    theater__log_group *group = theater__alloc_zeroed(1, sizeof(*group));
    if (group == NULL || theater__buffer_extend(&group->bytes, FORMAT_GROUP_HEADER_SIZE) == NULL) {
        /* Without memory the log stays open, which costs certainty about its last group only. */
        theater__logstore_group_free(group);
        return;
    }
    (void)pthread_mutex_lock(&log->mutex);
    bool due = log->unclosed && !log->failed && log->queue.first == NULL;
    if (due) {
        group->place = log->end;
        log->end += FORMAT_GROUP_HEADER_SIZE;
        log->unclosed = false;
        log->writing = group;
    }
    (void)pthread_mutex_unlock(&log->mutex);
    if (due) {
        write_group(log, group);
        (void)pthread_mutex_lock(&log->mutex);
        log->writing = NULL;
        (void)pthread_mutex_unlock(&log->mutex);
    }
    theater__logstore_group_free(group);
}

/* ---- one group ------------------------------------------------------------------------------- */

/* Fills in the header, writes, syncs; marks the group, and stops the store, if that fails. */
static void write_group(theater__logstore *log, theater__log_group *group)
{
    THEATER_ASSERT(group->bytes.size >= FORMAT_GROUP_HEADER_SIZE);
    THEATER_ASSERT(log->durable_upto <= group->place);
    (void)pthread_mutex_lock(&log->mutex);
    bool failed = log->failed;
    (void)pthread_mutex_unlock(&log->mutex);
    if (failed) {
        group->failed = true;
        return;
    }
    theater__format_group header = {
        .sequence = log->sequence + 1,
        .place = group->place,
        .durable_upto = log->durable_upto,
        .previous = log->previous_group,
        .size = (uint32_t)(group->bytes.size - FORMAT_GROUP_HEADER_SIZE),
        .records_count = group->records_count,
    };
    theater__format_group_encode(log->seed, &header, group->bytes.data);
    const char *what = NULL;
    int result = put_on_disk(log, group, &what);
    if (result < 0) {
        group->failed = true;
        stop(log, -result, what);
        return;
    }
    log->sequence = header.sequence;
    log->previous_group = group->place;
    log->durable_upto = group->place + group->bytes.size;
}

static int put_on_disk(theater__logstore *log, const theater__log_group *group,
                       const char **out_what)
{
    uint32_t segment = format_place_segment(group->place);
    if (segment != log->write_segment) {
        THEATER_ASSERT(segment == log->write_segment + 1);
        THEATER_ASSERT(format_place_offset(group->place) == FORMAT_SEGMENT_HEADER_SIZE);
        *out_what = "a new segment could not be made";
        int fd = next_segment(log, segment);
        if (fd < 0) {
            return fd;
        }
        (void)log->io->close(log->io, log->write_fd);
        log->write_fd = fd;
        log->write_segment = segment;
        theater__keeper_sealed(log, segment - 1);
    }
    *out_what = "the log could not be written";
    uint64_t offset = format_place_offset(group->place);
    int result = write_at(log, group, offset);
    if (result == 0) {
        result = write_zeros(log, offset + group->bytes.size);
    }
    if (result < 0) {
        return result;
    }
    *out_what = "the log could not be synced";
    return log->io->fdatasync(log->io, log->write_fd);
}

static bool no_space(int result)
{
    return result == -ENOSPC || result == -EDQUOT;
}

/* A write that found no space has not happened and can be tried again, unlike a failed sync. */
static int next_segment(theater__logstore *log, uint32_t segment)
{
    int fd = theater__segment_make(log, segment, &log->allocated);
    if (no_space(fd) && theater__keeper_release_reserve(log)) {
        fd = theater__segment_make(log, segment, &log->allocated);
    }
    return fd;
}

/*
 * Zeros behind the group up to the next page, where zeros are already: the last page is written
 * whole, so it is not read first, though what was made ahead went around the page cache. There is
 * room for them (extend_group()); the owner may be reading the group, and does not see them.
 */
static size_t fill_page(const theater__logstore *log, const theater__log_group *group,
                        uint64_t offset)
{
    size_t size = group->bytes.size;
    size_t rest = (size_t)((offset + size) % LOGSTORE_PAGE_BYTES);
    size_t zeros = rest > 0 ? LOGSTORE_PAGE_BYTES - rest : 0;
    if (zeros > group->bytes.capacity - size || offset + size + zeros > log->allocated) {
        return size;
    }
    memset(group->bytes.data + size, 0, zeros);
    return size + zeros;
}

static int write_at(theater__logstore *log, const theater__log_group *group, uint64_t offset)
{
    size_t size = fill_page(log, group, offset);
    const uint8_t *data = group->bytes.data;
    int result = theater__io_write_all(log->io, log->write_fd, data, size, offset);
    if (no_space(result) && theater__keeper_release_reserve(log)) {
        result = theater__io_write_all(log->io, log->write_fd, data, size, offset);
    }
    return result;
}

/*
 * Keeps zeros on the disk behind the log, so that a sync of the groups to come finds the file's
 * size and its blocks as they are and has nothing to write but the groups. The step is made with a
 * group's own sync. Behind the middle of a segment the next one is made ahead instead.
 */
static int write_zeros(theater__logstore *log, uint64_t end)
{
    if (end > log->segment_size / 2) {
        theater__keeper_want_ahead(log, end > log->segment_size / 4 * 3);
    }
    if (end <= log->allocated) {
        return 0;
    }
    log->allocated = end;
    uint64_t step = end > LOGSTORE_ZEROS_BYTES_MAX ? LOGSTORE_ZEROS_BYTES_MAX : end;
    step = step < LOGSTORE_ZEROS_BYTES_MIN ? LOGSTORE_ZEROS_BYTES_MIN : step;
    if (end >= log->segment_size) {
        return 0;
    }
    step = log->segment_size - end < step ? log->segment_size - end : step;
    THEATER_AUTOFREE uint8_t *zeros = theater__alloc_zeroed((size_t)step, 1);
    if (zeros == NULL) {
        return 0;
    }
    int result = theater__io_write_all(log->io, log->write_fd, zeros, (size_t)step, end);
    if (no_space(result)) {
        theater__keeper_disk_is_full(log);
        return 0;
    }
    log->allocated = result == 0 ? end + step : end;
    return result;
}

static void stop(theater__logstore *log, int os_errno, const char *what)
{
    theater_error failure = THEATER_ERROR_INIT;
    if (os_errno == ENOSPC || os_errno == EDQUOT) {
        (void)theater__fail_errno(&failure, THEATER_ERR_STORE, os_errno,
                                  "the disk of store '%s' is full; make space, then resume",
                                  log->directory);
    } else {
        (void)theater__fail_errno(&failure, THEATER_ERR_STORE, os_errno,
                                  "the store '%s' has stopped: %s", log->directory, what);
    }
    (void)pthread_mutex_lock(&log->mutex);
    log->failed = true;
    log->failure = failure;
    (void)pthread_mutex_unlock(&log->mutex);
}

/* Hands the group over to poll, and tells the owner. */
static void complete_group(theater__logstore *log, theater__log_group *group)
{
    (void)pthread_mutex_lock(&log->mutex);
    log->writing = NULL;
    theater__logstore_queue_push(&log->done, group);
    bool signals = !log->signalled && !log->threadless;
    log->signalled = log->signalled || signals;
    (void)pthread_mutex_unlock(&log->mutex);
    if (signals) {
        theater__logstore_signal(log);
    }
}
