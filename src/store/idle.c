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
 * pieces with longer rests between them; if more of it waits than it can do like that, without.
 */
#include "logstore.h"

#include <poll.h>
#include <sched.h>
#include <time.h>

#define PIECE_NS 200000
#define REST_NS 600000
/* Steps between two looks at the clock; the largest, a record, takes about a microsecond. */
#define STEPS_PER_LOOK 32u
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

static bool is_behind(theater__logstore *log)
{
    (void)pthread_mutex_lock(&log->mutex);
    bool behind = log->sealed_upto >= log->indexed_upto + BEHIND_SEGMENTS;
    (void)pthread_mutex_unlock(&log->mutex);
    return behind;
}

int theater__idle_run(theater__logstore *log, theater__idle_fn *run, void *userdata)
{
    work it = {.log = log, .run = run, .userdata = userdata};
    pthread_t thread;
    log->idle.has_rests = !log->threadless && !is_behind(log);
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

void theater__idle_step(theater__logstore *log)
{
    log->idle.steps++;
    if (log->idle.steps % STEPS_PER_LOOK != 0 || !log->idle.has_rests ||
        theater__idle_is_cancelled(log) || now_ns() - log->idle.piece_began_ns < PIECE_NS) {
        return;
    }
    (void)ppoll(NULL, 0, &(struct timespec){.tv_nsec = REST_NS}, NULL); /* for nothing */
    log->idle.piece_began_ns = now_ns();
}
