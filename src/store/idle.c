/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work in idle time: what takes long and nobody waits for, beside those who are due.
 *
 * It is done by a thread of its own under SCHED_IDLE. Whoever runs like that may stand still for
 * seconds on a busy machine, and not with a mutex in hand: so the work takes none, and the keeper
 * waits for the thread.
 *
 * SCHED_IDLE is not enough to be out of the way. A scheduler that keeps account (EEVDF, Linux 6.6
 * and later) lets a woken thread wait that has just had more than its share, and beside a thread of
 * so little weight that debt is paid off slowly: the host stands until the next tick or the one
 * after it, 4 to 10 ms. Only a thread that sleeps is in nobody's way. So work is done in short
 * pieces with longer rests between them; if somebody waits for more of it, without.
 */
#include "logstore.h"

#include <poll.h>
#include <sched.h>
#include <time.h>

#define PIECE_NS 200000
#define REST_NS 600000
/* Bytes looked at between two looks at the clock: some microseconds. */
#define BYTES_PER_LOOK ((size_t)16 << 10)
/* Sealed segments without an index, from which on there are no rests: one more than is in work. */
#define BEHIND_SEGMENTS 2u

typedef struct work {
    theater__logstore *log;
    theater__idle_fn *run;
    void *userdata;
    int result;
} work;

static int64_t now_ns(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* tidy-allow: clock: the length of a piece */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void *work_main(void *userdata)
{
    work *it = userdata;
    theater__logstore_step_back(SCHED_IDLE);
    it->log->idle.piece_began_ns = now_ns();
    it->result = it->run(it->log, it->userdata);
    return NULL;
}

/* The segment ahead may be wanted during the work, too: theater__keeper_want_ahead(). */
static void set_pace(theater__logstore *log)
{
    (void)pthread_mutex_lock(&log->mutex);
    bool hurries = log->threadless || log->sealed_upto >= log->indexed_upto + BEHIND_SEGMENTS;
    atomic_store_explicit(&log->keeper_hurries, hurries, memory_order_relaxed);
    (void)pthread_mutex_unlock(&log->mutex);
}

int theater__idle_run(theater__logstore *log, theater__idle_fn *run, void *userdata)
{
    work it = {.log = log, .run = run, .userdata = userdata};
    pthread_t thread;
    set_pace(log);
    if (!log->threadless && pthread_create(&thread, NULL, work_main, &it) == 0) {
        (void)pthread_join(thread, NULL);
        return it.result;
    }
    return run(log, userdata);
}

bool theater__idle_is_cancelled(const theater__logstore *log)
{
    return atomic_load_explicit(&log->keeper_stop, memory_order_relaxed);
}

void theater__idle_step(theater__logstore *log, size_t bytes)
{
    log->idle.work += bytes;
    if (log->idle.work < BYTES_PER_LOOK) {
        return;
    }
    log->idle.work = 0;
    if (atomic_load_explicit(&log->keeper_hurries, memory_order_relaxed) ||
        theater__idle_is_cancelled(log) || now_ns() - log->idle.piece_began_ns < PIECE_NS) {
        return;
    }
    (void)ppoll(NULL, 0, &(struct timespec){.tv_nsec = REST_NS}, NULL); /* for nothing */
    log->idle.piece_began_ns = now_ns();
}
