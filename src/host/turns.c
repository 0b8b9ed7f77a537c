/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One step of a ready actor, and what follows from its outcome. A step is the same for a new actor,
 * a woken one, a recovered one: be resident, give the open request its end if there is one, run,
 * submit.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include <base/assert.h>
#include <base/error.h>
#include <base/value.h>

bool turn_is_urgent(const live *l)
{
    return l->has_end || l->is_cancelled;
}

void turn_ready(theater_host *host, live *l)
{
    if (theater__list_linked(&l->link)) {
        theater__list_remove(&l->link);
    }
    evict_withdraw(host, l);
    l->phase = LIVE_QUEUED;
    /* Who is due goes ahead of who begins: a mass start does not make wakes late. */
    theater__list_push(turn_is_urgent(l) ? &host->urgent : &host->ready, &l->link);
    ring(host);
}

void turn_due(theater_host *host, uint32_t index, theater_mono due_mono, theater_wall due_wall)
{
    actor *a = actor_at(host, index);
    theater_error error = THEATER_ERROR_INIT;
    live *l = actor_make_live(host, index, &error);
    if (l == NULL) {
        actor_park(host, index, &error);
        return;
    }
    l->due_mono = due_mono;
    l->due_wall = due_wall;
    theater_wait_outcome outcome = THEATER_WAIT_DUE;
    /* What a wait of another boot had left is counted from rebase_mono: nothing, if it is that. */
    if (host->options.overdue == THEATER_OVERDUE_FAIL && due_mono.ns <= host->rebase_mono.ns &&
        a->wait_kind == THEATER__WAIT_ELAPSED) {
        outcome = THEATER_WAIT_OVERDUE;
    }
    if (act_end_wait(host, index, 0, outcome, NULL, NULL, NULL)) {
        THEATER_ASSERT(!l->is_due);
        l->is_due = true;
        l->is_absent = l->turn == NULL;
        host->due_count++;
        host->absent_count += l->is_absent;
    }
}

void turn_forget_due(theater_host *host, live *l)
{
    THEATER_ASSERT(host->due_count >= l->is_due && host->absent_count >= l->is_absent);
    host->due_count -= l->is_due;
    host->absent_count -= l->is_absent;
    l->is_due = false;
    l->is_absent = false;
}

/* What was to end the open request has done so, or was for another one. */
static void forget_end(theater_host *host, live *l)
{
    turn_forget_due(host, l);
    l->has_end = false;
}

/* ---- the end of a wait ----------------------------------------------------------------------- */

static bool is_foreign_boot(const theater_host *host, const theater__open_request *open)
{
    return open->kind == THEATER_KIND_WAIT && open->wait_kind == THEATER__WAIT_ELAPSED &&
           memcmp(open->boot, host->env.boot, sizeof(open->boot)) != 0;
}

/* A sleep that was armed on another boot: say on which basis it ended. */
static theater_status note_rebase(theater_host *host, live *l, const theater__open_request *open,
                                  theater_error *err)
{
    theater__rebase rebase;
    memset(&rebase, 0, sizeof(rebase));
    rebase.request_seq = open->seq;
    rebase.remaining_ms = theater__mono_since_ns(l->due_mono, host->rebase_mono) / 1000000u;
    rebase.armed = host->rebase_mono;
    memcpy(rebase.boot, host->env.boot, sizeof(rebase.boot));
    theater__buffer payload = {0};
    theater__rebase_encode(&payload, &rebase);
    theater_bytes bytes = {payload.data, payload.size};
    theater_status status = payload.failed
                                ? theater__fail_nomem(err)
                                : theater__turn_note(l->turn, THEATER_KIND_REBASE, bytes, err);
    theater__buffer_deinit(&payload);
    return status;
}

static uint64_t late_ns(theater_host *host, const live *l, const theater__open_request *open)
{
    if (open->wait_kind == THEATER__WAIT_ELAPSED) {
        theater_mono now = theater__clock_mono(host->clock);
        THEATER_ASSERT(now.ns >= l->due_mono.ns); /* never early */
        uint64_t late = now.ns - l->due_mono.ns;
        if (is_foreign_boot(host, open)) {
            /* It may have come due while the machine was off: that only the wall clock knows. */
            theater_wall due = theater__wall_add_ms(open->armed_wall, open->duration_ms);
            uint64_t late_by_wall =
                theater__wall_since_ms(theater__clock_wall(host->clock), due) * 1000000u;
            late = late > late_by_wall ? late : late_by_wall;
        }
        return late;
    }
    theater_wall now = theater__clock_wall(host->clock);
    return theater__wall_since_ms(now, open->due_wall) * 1000000u;
}

static theater_status end_request(theater_host *host, live *l, theater_error *err)
{
    const theater__open_request *open = theater__turn_open(l->turn);
    theater__turn_end end;
    memset(&end, 0, sizeof(end));
    end.outcome = l->end_outcome;
    end.by = l->end_by[0] != '\0' ? l->end_by : NULL;
    theater_status status = THEATER_OK;
    bool by_time = l->end_outcome == THEATER_WAIT_DUE || l->end_outcome == THEATER_WAIT_OVERDUE;
    if (by_time) {
        if (is_foreign_boot(host, open)) {
            status = note_rebase(host, l, open, err);
        }
        end.late_ns = late_ns(host, l, open);
        host->stats.wakes++;
        theater_histogram_add(&host->lateness, end.late_ns);
        if (end.late_ns > host->stats.late_max_ns) {
            host->stats.late_max_ns = end.late_ns;
        }
    } else {
        (void)theater__timerq_stop(&host->mono_queue, l->index);
        (void)theater__timerq_stop(&host->wall_queue, l->index);
    }
    theater_value value;
    theater__arena arena = {0};
    if (status == THEATER_OK && l->end_value.size > 0) {
        theater__reader reader = theater__reader_of(l->end_value.data, l->end_value.size);
        status = theater__value_decode(&reader, &arena, &value, err);
        end.value = &value;
    }
    if (status == THEATER_OK) {
        status = theater__turn_complete(l->turn, &end, err);
    }
    if (status == THEATER_OK && l->acts != NULL) {
        acts_recorded(l, false, theater__turn_writer(l->turn)->next_seq - 1);
    }
    theater__arena_deinit(&arena);
    forget_end(host, l);
    theater__buffer_clear(&l->end_value);
    if (status == THEATER_OK) {
        l->is_effect_begun = false;
        /* Nobody can end it twice. What the store knows is changed by the next batch only. */
        actor_set_state(host, actor_at(host, l->index), THEATER__STATE_RUNNING, 0);
    }
    return status;
}

/* ---- outcomes -------------------------------------------------------------------------------- */

/* Starts the timer of a wait; l->standing is that of the wait. */
static void arm(theater_host *host, live *l, const theater__open_request *open)
{
    if (open->kind != THEATER_KIND_WAIT) {
        return;
    }
    if (open->wait_kind == THEATER__WAIT_ELAPSED) {
        theater__timerq_start(&host->mono_queue, l->index, recover_due(host, &l->standing).ns);
    } else if (open->wait_kind == THEATER__WAIT_WALL) {
        theater__timerq_start(&host->wall_queue, l->index, open->due_wall.ms);
    }
}

static void stand(theater_host *host, live *l, const theater__open_request *open)
{
    actor *a = actor_at(host, l->index);
    theater__standing *standing = &l->standing;
    bool is_effect = open->kind == THEATER_KIND_EFFECT;
    uint8_t wait_kind = is_effect ? WAIT_EFFECT : (uint8_t)open->wait_kind;
    bool has_timer = !is_effect && open->wait_kind != THEATER__WAIT_TOKEN;
    standing->state = has_timer ? THEATER__STATE_ASLEEP : THEATER__STATE_WAITING;
    standing->wait_kind = wait_kind;
    standing->wait_seq = open->seq;
    standing->duration_ms = open->duration_ms;
    standing->due_mono = theater__mono_add_ms(open->armed, open->duration_ms);
    standing->due_wall = open->wait_kind == THEATER__WAIT_WALL
                             ? open->due_wall
                             : theater__wall_add_ms(open->armed_wall, open->duration_ms);
    memcpy(standing->boot, open->boot, sizeof(standing->boot));
    actor_set_state(host, a, standing->state, wait_kind);
}

/*
 * In a wait that the store has: an evicted, recovered or resumed actor is back where it stood. Its
 * timer runs, unless it was parked or the store had it as running.
 */
static bool on_suspended_again(theater_host *host, live *l, const theater__open_request *open)
{
    l->submitted = l->standing;
    if (open->kind != THEATER_KIND_EFFECT) {
        bool is_armed = theater__timerq_has(&host->mono_queue, l->index) ||
                        theater__timerq_has(&host->wall_queue, l->index);
        if (!is_armed) { /* a timer that is moved goes behind its equals */
            arm(host, l, open);
        }
        return true;
    }
    if (l->is_effect_begun) {
        return true;
    }
    uint32_t index = l->index;
    outputs_begin_effect(host, l); /* recovered: its request is durable already */
    l = actor_at(host, index)->live;
    return l != NULL && l->phase == LIVE_SUSPENDED;
}

static void on_suspended(theater_host *host, live *l)
{
    const theater__open_request *open = theater__turn_open(l->turn);
    const actor *a = actor_at(host, l->index);
    bool is_new = theater__turn_writer(l->turn)->next_seq != a->next_seq;
    l->phase = LIVE_SUSPENDED;
    stand(host, l, open);
    if (l->has_end || l->is_cancelled) {
        turn_ready(host, l);
        return;
    }
    if (!is_new) {
        if (on_suspended_again(host, l, open)) {
            residency_offer(host, l);
        }
        return;
    }
    arm(host, l, open);
    if (commit_turn(host, l)) {
        residency_offer(host, l);
    }
}

static void on_finished(theater_host *host, live *l)
{
    actor *a = actor_at(host, l->index);
    (void)theater__timerq_stop(&host->mono_queue, l->index);
    (void)theater__timerq_stop(&host->wall_queue, l->index);
    theater_end_reason reason = theater__turn_reason(l->turn);
    host->stats.terminated +=
        reason == THEATER_END_CPU || reason == THEATER_END_STACK || reason == THEATER_END_LIMIT;
    l->standing.state = THEATER__STATE_ENDED;
    l->standing.wait_kind = 0;
    l->standing.wait_seq = 0;
    actor_set_state(host, a, THEATER__STATE_ENDED, 0);
    l->phase = LIVE_OVER;
    if (l->acts != NULL) {
        theater_error error = THEATER_ERROR_INIT;
        (void)theater__fail(&error, THEATER_ERR_NOTFOUND, "the actor has ended");
        acts_failed(host, l, UINT64_MAX, &error);
    }
    if (commit_turn(host, l)) {
        residency_leave(host, l);
        actor_settle(host, l->index);
    }
}

/* A frozen host records the end of a wait; who opens the store next runs the actor. */
static void halt(theater_host *host, live *l)
{
    l->standing.state = THEATER__STATE_RUNNING;
    l->standing.wait_kind = 0;
    l->standing.wait_seq = 0;
    actor_set_state(host, actor_at(host, l->index), THEATER__STATE_RUNNING, 0);
    l->phase = LIVE_OVER;
    if (commit_turn(host, l)) {
        residency_leave(host, l);
        actor_settle(host, l->index);
    }
}

/* Amid a replay it is what the store has it as, perhaps a sleeper: who wakes it finds it so. */
static void on_yielded(theater_host *host, live *l)
{
    l->phase = LIVE_QUEUED;
    if (!theater__turn_is_replaying(l->turn)) {
        l->standing.state = THEATER__STATE_RUNNING;
        l->standing.wait_kind = 0;
        actor_set_state(host, actor_at(host, l->index), THEATER__STATE_RUNNING, 0);
        if (theater__turn_pending_size(l->turn) >= FLUSH_BYTES && !commit_turn(host, l)) {
            return;
        }
    }
    turn_ready(host, l);
    if (!turn_is_urgent(l) && theater__turn_call_cpu_ns(l->turn) >= l->stays_ns) {
        evict_offer_yielded(host, l);
    }
    if (!theater__list_empty(&host->starved_due)) {
        residency_admit(host);
    }
}

static void park_diverged(theater_host *host, live *l)
{
    const theater__divergence *d = theater__turn_divergence(l->turn);
    theater_error error = THEATER_ERROR_INIT;
    (void)theater__fail(&error, THEATER_ERR_DIVERGED,
                        "event %llu: the chain has %.80s, the component did %.80s",
                        (unsigned long long)d->seq, d->expected, d->actual);
    actor_park(host, l->index, &error);
}

static void park_replayed(theater_host *host, live *l)
{
    theater_error error = THEATER_ERROR_INIT;
    (void)theater__fail(&error, THEATER_ERR_CORRUPT,
                        "its chain has an end that its standing in the store does not know");
    actor_park(host, l->index, &error);
}

/* ---- a step ---------------------------------------------------------------------------------- */

static theater_status cancel(theater_host *host, live *l, theater_error *err)
{
    char text[BY_MAX + 32];
    (void)snprintf(text, sizeof(text), "ended by %s",
                   l->cancel_by[0] != '\0' ? l->cancel_by : "the host's program");
    l->is_cancelled = false;
    theater_status status = theater__turn_terminate(l->turn, THEATER_END_CANCELLED, text, err);
    if (status == THEATER_OK) {
        acts_recorded(l, true, theater__turn_writer(l->turn)->next_seq - 1);
        on_finished(host, l);
    }
    return status;
}

/*
 * A time that came is judged by the wait that is open, not by the timer: the date may have been set
 * back since, and a standing may come from anywhere. Never early.
 */
static bool has_come(theater_host *host, live *l, const theater__open_request *open)
{
    if (l->end_outcome != THEATER_WAIT_DUE && l->end_outcome != THEATER_WAIT_OVERDUE) {
        return true;
    }
    if (open->kind == THEATER_KIND_WAIT && open->wait_kind == THEATER__WAIT_WALL) {
        return theater__clock_wall(host->clock).ms >= open->due_wall.ms;
    }
    if (open->kind == THEATER_KIND_WAIT && open->wait_kind == THEATER__WAIT_ELAPSED) {
        theater_mono due = recover_due(host, &l->standing);
        l->due_mono = due;
        return due.ns <= host->now.ns || due.ns <= theater__clock_mono(host->clock).ns;
    }
    return false; /* nothing that time ends */
}

/* The open wait goes on: what was to end it does not. */
static void wait_on(theater_host *host, live *l, const theater__open_request *open)
{
    forget_end(host, l);
    l->phase = LIVE_SUSPENDED;
    arm(host, l, open);
    if (l->is_cancelled) { /* by who was told that an end was refused */
        turn_ready(host, l);
        return;
    }
    /* It may have been taken out of the stalled list. */
    if (theater__turn_pending_size(l->turn) == 0 || commit_turn(host, l)) {
        residency_offer(host, l);
    }
}

/* Until the next timer, within bounds: a storm of due timers may not cut guests to nothing. */
static void begin_slice(theater_host *host)
{
    host->step_mono = theater__clock_mono(host->clock);
    uint64_t now_ns = host->step_mono.ns;
    uint64_t end_ns = theater__list_empty(&host->urgent) ? host->next_due_ns : 0;
    end_ns = end_ns > now_ns + SLICE_MIN_NS ? end_ns : now_ns + SLICE_MIN_NS;
    end_ns = end_ns < now_ns + SLICE_MAX_NS ? end_ns : now_ns + SLICE_MAX_NS;
    host->slice_end.ns = end_ns;
    if (!host->env.is_simulated) {
        theater__ticker_arm(host->ticker, host->slice_end);
    } else if (!host->is_ticking) {
        /* The ticker runs on the machine's time, where a slice of simulated time has no end. It
         * ticks from turn to turn: arming it for each would call it at once, each time. */
        theater__ticker_arm(host->ticker, (theater_mono){1});
        host->is_ticking = true;
    }
}

static void run(theater_host *host, live *l)
{
    begin_slice(host);
    switch (theater__turn_run(l->turn)) {
    case THEATER__TURN_SUSPENDED:
        on_suspended(host, l);
        return;
    case THEATER__TURN_YIELDED:
        on_yielded(host, l);
        return;
    case THEATER__TURN_FINISHED:
        on_finished(host, l);
        return;
    case THEATER__TURN_DIVERGED:
        park_diverged(host, l);
        return;
    case THEATER__TURN_ABANDONED:
    case THEATER__TURN_CORRUPT: {
        theater_error error = *theater__turn_error(l->turn);
        actor_park(host, l->index, &error);
        return;
    }
    case THEATER__TURN_REPLAYED:
        park_replayed(host, l);
        return;
    }
    THEATER_UNREACHABLE("a turn has seven outcomes");
}

/*
 * Nothing was recorded: the end is one that the function cannot return. If the host's program gave
 * it, the wait stays open for a better one; if the handler did or the time, nobody else will.
 */
static void refuse_end(theater_host *host, live *l, theater_error *error)
{
    const theater__open_request *open = theater__turn_open(l->turn);
    if (l->is_own_end || l->end_outcome == THEATER_WAIT_DUE ||
        l->end_outcome == THEATER_WAIT_OVERDUE) {
        (void)theater__fail_in(error, "%s", open->function->id);
        actor_park(host, l->index, error);
        return;
    }
    theater__log_write(&host->log, THEATER_LOG_ERROR, "a wait was not ended: %s", error->message);
    theater_error copy = *error;
    uint32_t index = l->index;
    wait_on(host, l, open);
    if (actor_at(host, index)->live != NULL) {
        acts_refused(host, actor_at(host, index)->live, &copy); /* may act on it again at once */
    }
}

/* The wall clock was stepped since the actor was told last: its chain says so before the next wake
 * or reading, by all steps together. */
static theater_status note_steps(theater_host *host, live *l, theater_error *err)
{
    actor *a = actor_at(host, l->index);
    int64_t delta_ms = host->step_total_ms - a->step_seen_ms;
    if (delta_ms == 0 || theater__turn_is_replaying(l->turn)) {
        return THEATER_OK;
    }
    theater__buffer payload = {0};
    theater__step_encode(&payload, delta_ms);
    theater_bytes bytes = {payload.data, payload.size};
    theater_status status = payload.failed
                                ? theater__fail_nomem(err)
                                : theater__turn_note(l->turn, THEATER_KIND_STEP, bytes, err);
    theater__buffer_deinit(&payload);
    if (status == THEATER_OK) {
        a->step_seen_ms = host->step_total_ms;
    }
    return status;
}

void turn_step(theater_host *host, live *l)
{
    THEATER_ASSERT(l->phase == LIVE_QUEUED);
    evict_withdraw(host, l);
    if (l->turn == NULL && !residency_enter(host, l)) {
        return;
    }
    theater_error error = THEATER_ERROR_INIT;
    theater_status status = THEATER_OK;
    const theater__open_request *open = theater__turn_open(l->turn);
    if (l->is_cancelled) {
        status = cancel(host, l, &error);
        if (status == THEATER_OK) {
            return;
        }
    } else if (open->is_open && l->has_end) {
        if (l->end_seq != 0 && l->end_seq != open->seq) {
            forget_end(host, l); /* it was for a request that is closed */
        } else if (!has_come(host, l, open)) {
            wait_on(host, l, open);
            return;
        } else {
            status = note_steps(host, l, &error);
            status = status == THEATER_OK ? end_request(host, l, &error) : status;
            if (status == THEATER_OK && host->options.is_frozen) {
                halt(host, l);
                return;
            }
        }
    }
    if (status == THEATER_ERR_INVALID || status == THEATER_ERR_UNSUPPORTED) {
        refuse_end(host, l, &error);
        return;
    }
    if (status == THEATER_OK && !open->is_open) {
        status = note_steps(host, l, &error);
    }
    if (status != THEATER_OK) {
        actor_park(host, l->index, &error);
        return;
    }
    run(host, l);
}
