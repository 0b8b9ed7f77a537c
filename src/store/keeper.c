/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper: a second thread for what the log needs and nobody waits for.
 *
 *     ahead     the next segment's file, full of zeros and synced, before this one is full: a
 *               write into it changes no metadata, so its sync is one write to the disk
 *     reserve   a file that only takes up space; when the disk is full it is given up, so that
 *               those who run and sleep can finish (new actors are refused from then on)
 *     indexes   of sealed segments, so that a start need not read them (index.h)
 *
 * None of this may stop the store. What fails is told once (`notice`, handed to the log by the
 * owner's thread) and left: without a file ahead a new segment is made when it is needed, without
 * an index a start reads more.
 *
 * Without a thread (simulations) the committer's caller does one job after the other.
 */
#include "index.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define AHEAD_NAME "ahead.new"
#define RESERVE_NAME "reserve"
/* Of the keeper itself, which holds the mutex now and then, for a few loads. */
#define KEEPER_NICE 10
/* Zeros written with one call, around the page cache if the file system can: it wants pages. */
#define ZEROS_BYTES ((size_t)1 << 20)
/* How long until a full disk is asked again whether it has space. */
#define FULL_RETRY_SECONDS 1

typedef enum keeper_job {
    JOB_NONE = 0,
    JOB_AHEAD,
    JOB_RESERVE,
    JOB_INDEX,
    JOB_MERGE
} keeper_job;

static bool no_space(int result)
{
    return result == -ENOSPC || result == -EDQUOT;
}

/* Under the mutex; the first one that was not yet told stays. */
static void leave_notice(theater__logstore *log, const char *what, int result)
{
    if (log->notice[0] == '\0') {
        const char *reason = result < 0 ? theater__errno_text(-result) : NULL;
        (void)snprintf(log->notice, sizeof(log->notice), "%.100s%s%.60s", what,
                       reason != NULL ? ": " : "", reason != NULL ? reason : "");
    }
}

/* ---- the reserve ----------------------------------------------------------------------------- */

static uint64_t reserve_for(uint64_t actors_count)
{
    uint64_t wanted = LOGSTORE_RESERVE_BYTES_MIN;
    while (wanted < LOGSTORE_RESERVE_BYTES_MAX &&
           wanted / LOGSTORE_RESERVE_BYTES_PER_ACTOR < actors_count) {
        wanted *= 2;
    }
    return wanted;
}

/*
 * On a full disk the reserve is made again only when there is plenty of space: else it would take
 * from those for whom it was given up.
 */
static bool has_plenty(theater__logstore *log, uint64_t size)
{
    uint64_t space = 0;
    return log->io->space(log->io, log->directory, &space) < 0 ||
           space >= 2 * size + LOGSTORE_RESERVE_MARGIN_BYTES;
}

/* Makes or grows the file; out_size: how large it is if there is no space for more. */
static int allocate_reserve(theater__logstore *log, uint64_t size, uint64_t *out_size)
{
    theater__io *io = log->io;
    THEATER_AUTOFREE char *path = theater__path_in(log->directory, RESERVE_NAME);
    if (path == NULL) {
        return -ENOMEM;
    }
    int fd = io->open(io, path, O_RDWR | O_CREAT, 0600);
    if (fd < 0) {
        return fd;
    }
    uint64_t there = 0;
    int result = io->size(io, fd, &there);
    if (result == 0 && there < size) {
        result = io->allocate(io, fd, size);
        if (no_space(result)) {
            (void)io->ftruncate(io, fd, there);
        }
        if (result == 0) {
            result = io->fdatasync(io, fd);
        }
    }
    (void)io->close(io, fd);
    if (no_space(result)) {
        /* What it took in vain goes back; what was there before stays in reserve. */
        *out_size = there;
        if (there == 0) {
            (void)io->unlink(io, path);
        }
    }
    return result;
}

void theater__keeper_count_actor(theater__logstore *log, uint64_t count)
{
    log->actors_count += count;
    log->reserve_wanted = reserve_for(log->actors_count);
    if (log->reserve_wanted > log->reserve_size && log->keeper_started) {
        (void)pthread_cond_signal(&log->keeper_wake);
    }
}

static void keep_reserve(theater__logstore *log, uint64_t size)
{
    (void)pthread_mutex_lock(&log->mutex);
    bool was_full = log->full;
    log->reserve_dropped = false;
    log->reserve_retry = false;
    (void)pthread_mutex_unlock(&log->mutex);
    if (was_full && !has_plenty(log, size)) {
        return;
    }
    uint64_t there = 0;
    int result = allocate_reserve(log, size, &there);
    (void)pthread_mutex_lock(&log->mutex);
    if (result == 0 && !log->reserve_dropped) {
        log->reserve_size = size;
        log->full = false;
        if (was_full) {
            leave_notice(log, "there is space again; new actors are taken", 0);
        }
    } else if (no_space(result)) {
        log->reserve_size = log->reserve_dropped ? 0 : there;
        log->full = true;
        if (!was_full) {
            leave_notice(log, LOGSTORE_FULL_TEXT, 0);
        }
    } else if (result < 0) {
        log->reserve_size = size; /* not asked for again */
        leave_notice(log, "no space can be kept in reserve", result);
    }
    (void)pthread_mutex_unlock(&log->mutex);
}

/* Under the mutex. The keeper, if it sleeps, has to look at the disk from now on. */
static void begin_full(theater__logstore *log)
{
    if (log->full) {
        return;
    }
    log->full = true;
    leave_notice(log, LOGSTORE_FULL_TEXT, 0);
    if (log->keeper_started) {
        (void)pthread_cond_signal(&log->keeper_wake);
    }
}

bool theater__keeper_release_reserve(theater__logstore *log)
{
    (void)pthread_mutex_lock(&log->mutex);
    bool had = log->reserve_size > 0;
    log->reserve_size = 0;
    log->reserve_dropped = true;
    begin_full(log);
    (void)pthread_mutex_unlock(&log->mutex);
    THEATER_AUTOFREE char *path = theater__path_in(log->directory, RESERVE_NAME);
    if (path == NULL || !had) {
        return false;
    }
    return log->io->unlink(log->io, path) == 0;
}

void theater__keeper_disk_is_full(theater__logstore *log)
{
    (void)pthread_mutex_lock(&log->mutex);
    begin_full(log);
    (void)pthread_mutex_unlock(&log->mutex);
}

/* ---- the segment ahead ----------------------------------------------------------------------- */

/* From *done on, which goes along. */
static int write_pieces(theater__logstore *log, int fd, const uint8_t *zeros, uint64_t *done)
{
    while (*done < log->segment_size) {
        if (theater__idle_is_cancelled(log)) {
            return -ECANCELED;
        }
        uint64_t left = log->segment_size - *done;
        size_t size = left < ZEROS_BYTES ? (size_t)left : ZEROS_BYTES;
        int result = theater__io_write_all(log->io, fd, zeros, size, *done);
        if (result < 0) {
            return result;
        }
        *done += size;
    }
    return 0;
}

typedef struct ahead_file {
    const char *path;
    int fd;
} ahead_file;

/*
 * Around the page cache, as far as that goes: 64 MiB of zeros in it are 25 ms of a processor, the
 * kernel's own writing back included, when sleepers are due. What is left goes through the cache.
 */
static int fill_ahead(theater__logstore *log, void *userdata)
{
    const ahead_file *file = userdata;
    THEATER_AUTOFREE uint8_t *memory = theater__alloc_zeroed(ZEROS_BYTES + LOGSTORE_PAGE_BYTES, 1);
    if (memory == NULL) {
        return -ENOMEM;
    }
    const uint8_t *zeros = memory + (LOGSTORE_PAGE_BYTES - (uintptr_t)memory % LOGSTORE_PAGE_BYTES);
    uint64_t done = 0;
    int direct = log->io->open(log->io, file->path, O_WRONLY | O_DIRECT, 0);
    int result = direct < 0 ? direct : write_pieces(log, direct, zeros, &done);
    if (direct >= 0) {
        (void)log->io->close(log->io, direct);
    }
    if (result < 0 && result != -ECANCELED && !no_space(result)) {
        result = write_pieces(log, file->fd, zeros, &done);
    }
    return result == 0 ? log->io->fdatasync(log->io, file->fd) : result;
}

static void make_ahead(theater__logstore *log)
{
    THEATER_AUTOFREE char *path = theater__path_in(log->directory, AHEAD_NAME);
    int fd =
        path == NULL ? -ENOMEM : log->io->open(log->io, path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    ahead_file file = {.path = path, .fd = fd};
    int result = fd < 0 ? fd : theater__idle_run(log, fill_ahead, &file);
    if (result < 0 && fd >= 0) {
        (void)log->io->close(log->io, fd);
        (void)log->io->unlink(log->io, path);
    }
    (void)pthread_mutex_lock(&log->mutex);
    if (result == 0) {
        log->ahead_fd = fd;
    } else {
        log->ahead_failed = true;
        if (!no_space(result) && result != -ECANCELED) {
            leave_notice(log, "the next segment could not be made ahead", result);
        }
    }
    (void)pthread_mutex_unlock(&log->mutex);
}

int theater__keeper_take_ahead(theater__logstore *log, char **out_path)
{
    (void)pthread_mutex_lock(&log->mutex);
    int fd = log->ahead_fd;
    log->ahead_fd = -1;
    log->ahead_wanted = false;
    log->ahead_failed = false;
    (void)pthread_mutex_unlock(&log->mutex);
    if (fd >= 0) {
        *out_path = theater__path_in(log->directory, AHEAD_NAME);
        if (*out_path == NULL) {
            (void)log->io->close(log->io, fd);
            return -ENOMEM;
        }
    }
    return fd;
}

void theater__keeper_want_ahead(theater__logstore *log, bool is_soon)
{
    (void)pthread_mutex_lock(&log->mutex);
    if (is_soon && log->ahead_fd < 0) {
        atomic_store_explicit(&log->keeper_hurries, true, memory_order_relaxed);
    }
    if (!log->ahead_wanted) {
        log->ahead_wanted = true;
        if (log->keeper_started) {
            (void)pthread_cond_signal(&log->keeper_wake);
        }
    }
    (void)pthread_mutex_unlock(&log->mutex);
}

void theater__keeper_sealed(theater__logstore *log, uint32_t segment)
{
    (void)pthread_mutex_lock(&log->mutex);
    log->sealed_upto = segment;
    if (log->keeper_started) {
        (void)pthread_cond_signal(&log->keeper_wake);
    }
    (void)pthread_mutex_unlock(&log->mutex);
}

/* ---- indexes --------------------------------------------------------------------------------- */

bool theater__keeper_add_span(theater__logstore *log, const theater__log_span *span)
{
    if (log->spans_count == log->spans_capacity) {
        uint32_t capacity = log->spans_capacity == 0 ? 16 : log->spans_capacity * 2;
        theater__log_span *grown =
            theater__realloc_array(log->spans, capacity, sizeof(log->spans[0]));
        if (grown == NULL) {
            return false;
        }
        log->spans = grown;
        log->spans_capacity = capacity;
    }
    log->spans[log->spans_count] = *span;
    log->spans_count++;
    return true;
}

/* The newer of the last two is no longer small beside the older one. */
static bool merge_is_due(const theater__logstore *log)
{
    if (log->spans_count < 2) {
        return false;
    }
    const theater__log_span *older = &log->spans[log->spans_count - 2];
    const theater__log_span *newer = &log->spans[log->spans_count - 1];
    return older->to + 1 == newer->from && newer->count >= older->count / 2;
}

static void index_failed(theater__logstore *log, int result)
{
    log->index_failed = true;
    if (result != -ECANCELED && !no_space(result)) {
        (void)pthread_mutex_lock(&log->mutex);
        leave_notice(log, "a segment could not be indexed; the next start reads it whole", result);
        (void)pthread_mutex_unlock(&log->mutex);
    }
}

static int build_index(theater__logstore *log, void *userdata)
{
    theater__log_span *span = userdata;
    return theater__index_build(log, span->to, &span->count);
}

static void make_index(theater__logstore *log)
{
    theater__log_span span = {.from = log->indexed_upto + 1, .to = log->indexed_upto + 1};
    int result = theater__idle_run(log, build_index, &span);
    if (result == 0 && !theater__keeper_add_span(log, &span)) {
        result = -ENOMEM;
    }
    if (result < 0) {
        index_failed(log, result);
        return;
    }
    log->indexed_upto = span.to;
}

static int merge_indexes(theater__logstore *log, void *userdata)
{
    const theater__log_span *older = &log->spans[log->spans_count - 2];
    return theater__index_merge(log, older, older + 1, userdata);
}

static void merge_last(theater__logstore *log)
{
    theater__log_span merged;
    int result = theater__idle_run(log, merge_indexes, &merged);
    if (result < 0) {
        index_failed(log, result);
        return;
    }
    log->spans_count--;
    log->spans[log->spans_count - 1] = merged;
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* Under the mutex. */
static keeper_job next_job(const theater__logstore *log, uint64_t *out_reserve)
{
    *out_reserve = log->reserve_wanted;
    if (log->failed) {
        return JOB_NONE;
    }
    /* On a full disk also with a whole reserve: it is how space is noticed. */
    if (log->full ? log->reserve_retry : log->reserve_wanted > log->reserve_size) {
        return JOB_RESERVE;
    }
    if (log->ahead_wanted && log->ahead_fd < 0 && !log->ahead_failed && !log->full) {
        return JOB_AHEAD;
    }
    if (log->index_failed || log->full) {
        return JOB_NONE;
    }
    if (merge_is_due(log)) {
        return JOB_MERGE;
    }
    return log->sealed_upto > log->indexed_upto ? JOB_INDEX : JOB_NONE;
}

static void do_job(theater__logstore *log, keeper_job job, uint64_t reserve)
{
    switch (job) {
    case JOB_AHEAD:
        make_ahead(log);
        break;
    case JOB_RESERVE:
        keep_reserve(log, reserve);
        break;
    case JOB_INDEX:
        make_index(log);
        break;
    case JOB_MERGE:
        merge_last(log);
        break;
    case JOB_NONE:
        break;
    }
}

void theater__keeper_work(theater__logstore *log, bool retry)
{
    for (;;) {
        uint64_t reserve = 0;
        (void)pthread_mutex_lock(&log->mutex);
        log->reserve_retry = log->reserve_retry || (retry && log->full);
        keeper_job job = next_job(log, &reserve);
        (void)pthread_mutex_unlock(&log->mutex);
        if (job == JOB_NONE) {
            return;
        }
        do_job(log, job, reserve);
        retry = false;
    }
}

void *theater__keeper_main(void *userdata)
{
    theater__logstore *log = userdata;
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), KEEPER_NICE);
    (void)pthread_mutex_lock(&log->mutex);
    while (!atomic_load_explicit(&log->keeper_stop, memory_order_relaxed)) {
        uint64_t reserve = 0;
        keeper_job job = next_job(log, &reserve);
        if (job != JOB_NONE) {
            (void)pthread_mutex_unlock(&log->mutex);
            do_job(log, job, reserve);
            (void)pthread_mutex_lock(&log->mutex);
            continue;
        }
        if (!log->full || log->failed) {
            (void)pthread_cond_wait(&log->keeper_wake, &log->mutex);
            continue;
        }
        struct timespec until = {0};
        (void)clock_gettime(CLOCK_MONOTONIC, &until); /* tidy-allow: clock: a wait's own end */
        until.tv_sec += FULL_RETRY_SECONDS;
        (void)pthread_cond_timedwait(&log->keeper_wake, &log->mutex, &until);
        log->reserve_retry = true;
    }
    (void)pthread_mutex_unlock(&log->mutex);
    return NULL;
}

/* ---- open and close -------------------------------------------------------------------------- */

void theater__keeper_begin(theater__logstore *log, uint64_t actors_count)
{
    THEATER_AUTOFREE char *ahead = theater__path_in(log->directory, AHEAD_NAME);
    if (ahead != NULL) {
        (void)log->io->unlink(log->io, ahead); /* of a process that was killed */
    }
    log->sealed_upto = log->write_segment - 1;
    theater__keeper_count_actor(log, actors_count);
    keep_reserve(log, log->reserve_wanted);
}

void theater__keeper_end(theater__logstore *log)
{
    if (log->ahead_fd >= 0) {
        (void)log->io->close(log->io, log->ahead_fd);
        log->ahead_fd = -1;
        THEATER_AUTOFREE char *ahead = theater__path_in(log->directory, AHEAD_NAME);
        if (ahead != NULL) {
            (void)log->io->unlink(log->io, ahead);
        }
    }
    theater__free(log->spans);
}
