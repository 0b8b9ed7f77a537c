/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One iteration of the host, and the two ways to drive it.
 *
 *   completions ─> due timers ─> ready actors ─> completions ─> arm the alarms
 *
 * Each part is bounded, and elapsed time is read again in between, so that neither a storm of wakes
 * nor a spinning guest keeps the others waiting. With a virtual clock there is one rule more: when
 * nothing is ready, time jumps to the next due instant.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <base/assert.h>
#include <base/error.h>

/* The clock, the bell, the store, those of others: see host.epoll_fd. */
#define DESCRIPTORS_MAX 4

/* Waits for one of the descriptors (0: only looks), and takes note of alarms and of the bell. One
 * call for all of them: a busy host has no time to ask each. */
static theater_status wait_for_events(theater_host *host, int timeout_ms, theater_error *err)
{
    struct epoll_event events[DESCRIPTORS_MAX];
    int got = epoll_wait(host->epoll_fd, events, DESCRIPTORS_MAX, timeout_ms);
    if (got < 0 && errno != EINTR) {
        return theater__fail_errno(err, THEATER_ERR_IO, errno, "waiting for events failed");
    }
    for (int i = 0; i < got; i++) {
        if (events[i].data.fd == theater__clock_fd(host->clock)) {
            theater__clock_acknowledge(host->clock);
        } else if (events[i].data.fd == host->event_fd) {
            uint64_t count = 0;
            ssize_t size = read(host->event_fd, &count, sizeof(count));
            (void)size;
            host->is_rung = false;
        }
    }
    return THEATER_OK;
}

void ring(theater_host *host)
{
    if (!host->is_iterating && !host->is_rung) {
        host->is_rung = true;
        theater_host_wake_up(host);
    }
}

static void notice_step(theater_host *host)
{
    theater__clock_step step;
    if (theater__clock_take_step(host->clock, &step)) {
        host->step_total_ms += step.delta_ms;
        theater__log_write(&host->log, THEATER_LOG_INFO,
                           "the wall clock was stepped by %lld ms; deadlines are judged again",
                           (long long)step.delta_ms);
    }
}

/* Enough of those who are due wait for their turn: the next ones lose nothing in the queue. */
static bool is_storm(const theater_host *host)
{
    return host->due_count >= DUE_WAITING_MAX ||
           host->absent_count >= DUE_ABSENT_MAX + theater__store_waiting_reads(host->store);
}

/*
 * When somebody is due, on the clock of elapsed time. The date is read when the first deadline is
 * another one, and again in pop_due(); whether it has come is for pop_due() and the wait to say.
 */
static uint64_t next_due_ns(theater_host *host)
{
    uint64_t mono_ns = theater__timerq_next_key(&host->mono_queue);
    uint64_t wall_ms = theater__timerq_next_key(&host->wall_queue);
    if (wall_ms == UINT64_MAX) {
        return mono_ns;
    }
    if (wall_ms != host->wall_next_ms) {
        theater_mono now = theater__clock_mono(host->clock);
        theater_wall wall = theater__clock_wall(host->clock);
        host->wall_next_ms = wall_ms;
        host->wall_next_ns =
            theater__mono_add_ms(now, theater__wall_since_ms((theater_wall){wall_ms}, wall)).ns;
    }
    return mono_ns < host->wall_next_ns ? mono_ns : host->wall_next_ns;
}

static void pop_due(theater_host *host)
{
    uint32_t index = NO_ACTOR;
    uint64_t key = 0;
    uint32_t popped = 0;
    host->now = theater__clock_mono(host->clock);
    while (popped < POP_BUDGET && !is_storm(host) &&
           theater__timerq_pop(&host->mono_queue, host->now.ns, &index, &key)) {
        turn_due(host, index, (theater_mono){key}, THEATER__WALL_NEVER);
        popped++;
    }
    if (theater__timerq_next_key(&host->wall_queue) == UINT64_MAX) {
        return;
    }
    theater_wall wall = theater__clock_wall(host->clock);
    host->wall_next_ms = UINT64_MAX; /* it may have been stepped */
    while (popped < POP_BUDGET && !is_storm(host) &&
           theater__timerq_pop(&host->wall_queue, wall.ms, &index, &key)) {
        turn_due(host, index, THEATER__MONO_NEVER, (theater_wall){key});
        popped++;
    }
}

/* Who is due goes first; but those that only run get a slice now and then, whatever is due. */
static live *next_ready(theater_host *host)
{
    bool is_patient = host->step_mono.ns - host->ready_mono.ns < PATIENCE_NS;
    if (theater__list_empty(&host->urgent) && host->loading_count > 0) {
        commit_poll(host); /* who is due may have been loaded: it does not wait for a slice */
    }
    theater__list *link = is_patient ? theater__list_pop(&host->urgent) : NULL;
    if (link == NULL) {
        link = theater__list_pop(&host->ready);
        host->ready_mono = host->step_mono;
    }
    if (link == NULL) {
        link = theater__list_pop(&host->urgent);
    }
    return link != NULL ? THEATER__LIST_OWNER(link, live, link) : NULL;
}

static void step_ready(theater_host *host)
{
    theater_mono begin = host->now;
    host->step_mono = begin;
    host->next_due_ns = next_due_ns(host);
    for (uint32_t i = 0; i < STEP_BUDGET; i++) {
        live *l = next_ready(host);
        if (l == NULL) {
            break;
        }
        turn_step(host, l);
        host->next_due_ns = next_due_ns(host);
        /* Deadlines, completions and the program are not to wait for a round of spinning guests. */
        bool is_over = theater__mono_since_ns(host->step_mono, begin) >= ROUND_NS;
        if (host->failure.status != THEATER_OK || is_over) {
            break;
        }
        bool is_due = host->next_due_ns <= host->step_mono.ns;
        if (is_due && theater__list_empty(&host->urgent) && !host->options.is_frozen) {
            pop_due(host); /* who is due now waits for nobody's round */
            host->next_due_ns = next_due_ns(host);
        }
    }
    if (!host->env.is_simulated) {
        theater__ticker_disarm(host->ticker);
    }
}

/*
 * The outside is told when something is durable, and acts on it at the instant at which it was
 * told: until then virtual time stands. A sleep that nobody is told of does not wait for the disk.
 */
static bool is_awaited(const theater_host *host)
{
    return host->awaited_count > 0 || !theater__list_empty(&host->waiters) ||
           !theater__list_empty(&host->stalled);
}

/* Virtual time: nothing is ready, so the next due instant is now. */
static bool jump(theater_host *host)
{
    uint64_t mono = theater__timerq_next_key(&host->mono_queue);
    uint64_t wall = theater__timerq_next_key(&host->wall_queue);
    if (mono == UINT64_MAX && wall == UINT64_MAX) {
        return false;
    }
    theater__clock_jump(host->clock, (theater_mono){mono}, (theater_wall){wall});
    return true;
}

static bool has_more(theater_host *host)
{
    if (!theater__list_empty(&host->urgent) || !theater__list_empty(&host->ready) ||
        residency_sweep(host, SWEEP_BUDGET)) {
        return true;
    }
    if (theater__store_wants_poll(host->store)) {
        return true;
    }
    if (host->options.is_frozen) {
        return false;
    }
    if (theater__clock_is_simulated(host->clock)) {
        return !is_awaited(host) && jump(host);
    }
    return prefetch(host);
}

/* Somebody came due while the others ran: an alarm would ring at once, and later than a look. */
static bool is_due(theater_host *host)
{
    return !host->options.is_frozen && !is_storm(host) &&
           next_due_ns(host) <= theater__clock_mono(host->clock).ns;
}

/* Alarms are for a host that waits; one that goes on looks at its timers itself. */
static void arm(theater_host *host)
{
    theater_mono due_mono = {theater__timerq_next_key(&host->mono_queue)};
    theater_wall due_wall = {theater__timerq_next_key(&host->wall_queue)};
    if (is_storm(host)) {
        /* An alarm that has passed would ring at once: there is somebody to run, or a completion
         * to come. */
        due_mono = THEATER__MONO_NEVER;
        due_wall = THEATER__WALL_NEVER;
    }
    theater__clock_arm(host->clock, due_mono, due_wall);
}

static theater_status iterate(theater_host *host, bool *out_more, theater_error *err)
{
    host->is_iterating = true;
    watches_serve(host, host->is_busy);
    notice_step(host);
    commit_poll(host);
    if (!host->options.is_frozen) {
        pop_due(host);
    }
    step_ready(host);
    commit_poll(host);
    notice_step(host);
    host->is_iterating = false;
    if (host->failure.status != THEATER_OK) {
        if (err != NULL) {
            *err = host->failure;
        }
        return host->failure.status;
    }
    *out_more = has_more(host) || is_due(host);
    host->is_busy = *out_more;
    if (host->is_ticking && !*out_more && theater__store_inflight(host->store) == 0) {
        theater__ticker_disarm(host->ticker);
        host->is_ticking = false;
    }
    if (!host->options.is_frozen && !host->is_busy) {
        arm(host);
    }
    return THEATER_OK;
}

theater_status theater_host_dispatch(theater_host *host, bool *out_more, theater_error *err)
{
    THEATER_ASSERT(host != NULL);
    if (host->store == NULL) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "call theater_host_open() before the host is run");
    }
    bool more = false;
    theater_status status = wait_for_events(host, 0, err);
    status = status == THEATER_OK ? iterate(host, &more, err) : status;
    if (status == THEATER_OK && more) {
        theater_host_wake_up(host);
    }
    if (status == THEATER_OK && out_more != NULL) {
        *out_more = more;
    }
    return status;
}

/* Live parts without a turn: they load, report, or have something in flight. */
static uint32_t busy_count(const theater_host *host)
{
    return host->lives_count - (host->resident_count - host->graveyard_count);
}

static bool is_done(const theater_host *host)
{
    bool is_idle = theater__list_empty(&host->urgent) && theater__list_empty(&host->ready) &&
                   theater__list_empty(&host->stalled) && theater__store_inflight(host->store) == 0;
    if (host->options.is_frozen) {
        return is_idle && host->loading_count == 0;
    }
    return is_idle && host->active == 0 && busy_count(host) == 0;
}

theater_status theater_host_run(theater_host *host, theater_error *err)
{
    THEATER_ASSERT(host != NULL);
    if (host->store == NULL) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "call theater_host_open() before the host is run");
    }
    int timeout_ms = 0;
    for (;;) {
        if (atomic_load(&host->is_stopping)) {
            atomic_store(&host->is_stopping, false);
            return theater__fail(err, THEATER_ERR_CANCELLED, "the host was stopped");
        }
        bool more = false;
        theater_status status = wait_for_events(host, timeout_ms, err);
        status = status == THEATER_OK ? iterate(host, &more, err) : status;
        if (status == THEATER_OK && !more) {
            /* Virtual time has nowhere to go when only waits without an end are left. */
            bool is_stuck = theater__clock_is_simulated(host->clock) &&
                            theater__store_inflight(host->store) == 0;
            if (is_done(host) || is_stuck) {
                return THEATER_OK;
            }
        }
        if (status != THEATER_OK) {
            return status;
        }
        timeout_ms = more ? 0 : -1;
    }
}

int theater_host_fd(const theater_host *host)
{
    return host->epoll_fd;
}

uint64_t theater_host_active(const theater_host *host)
{
    /* A wait that was just completed is not active by itself, but its actor is about to go on. */
    bool is_settling = host->store != NULL && !is_done(host);
    return host->active > 0 || !is_settling ? host->active : 1;
}

void theater_host_wake_up(theater_host *host)
{
    uint64_t one = 1;
    int kept = errno; /* may run in a signal handler */
    ssize_t done = write(host->event_fd, &one, sizeof(one));
    (void)done; /* EAGAIN: it rings already */
    errno = kept;
}

void theater_host_stop(theater_host *host)
{
    atomic_store(&host->is_stopping, true);
    theater_host_wake_up(host);
}
