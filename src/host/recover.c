/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The actors of a store that was opened. Nothing is replayed here: the standing of each says what
 * it needs. Runners are made ready, sleepers get their timer, effects are begun again, outputs that
 * the last process did not note as given are given.
 */
#include "internal.h"

#include <string.h>

#include <base/assert.h>
#include <base/error.h>

/* Of another boot: what was left of it by the wall clock when this host began. */
theater_mono recover_due(const theater_host *host, const theater__standing *standing)
{
    if (memcmp(standing->boot, host->env.boot, sizeof(standing->boot)) == 0) {
        return standing->due_mono;
    }
    uint64_t remaining_ms = theater__wall_since_ms(standing->due_wall, host->rebase_wall);
    if (remaining_ms > standing->duration_ms) {
        remaining_ms = standing->duration_ms;
    }
    if (standing->due_mono.ns == UINT64_MAX) {
        return THEATER__MONO_NEVER;
    }
    return theater__mono_add_ms(host->rebase_mono, remaining_ms);
}

bool recover_outputs(theater_host *host, live *l)
{
    theater_error error = THEATER_ERROR_INIT;
    if (residency_read(host, l, READ_OUTPUTS, false, &error) != THEATER_OK) {
        actor_park(host, l->index, &error);
        return false;
    }
    return true;
}

static theater_status schedule(theater_host *host, uint32_t index,
                               const theater__standing *standing, theater_error *err)
{
    bool has_outputs = standing->output_seq > standing->delivered_seq;
    bool is_effect =
        standing->state == THEATER__STATE_WAITING && standing->wait_kind == WAIT_EFFECT;
    bool is_running = standing->state == THEATER__STATE_RUNNING;
    if (standing->state == THEATER__STATE_ASLEEP) {
        if (standing->wait_kind == THEATER__WAIT_WALL) {
            theater__timerq_start(&host->wall_queue, index, standing->due_wall.ms);
        } else {
            theater__timerq_start(&host->mono_queue, index, recover_due(host, standing).ns);
        }
    }
    if (!has_outputs && !is_effect && !is_running) {
        host->has_evicted = true;
        return THEATER_OK;
    }
    if (host->options.is_frozen && !has_outputs) {
        return THEATER_OK; /* nothing runs by itself */
    }
    live *l = actor_make_live(host, index, err);
    if (l == NULL) {
        return THEATER_ERR_NOMEM;
    }
    l->standing = *standing;
    l->submitted = *standing;
    if (host->options.is_frozen) {
        l->inflight++; /* never let go: its standing says what is still to be given out */
        return THEATER_OK;
    }
    if (has_outputs && !recover_outputs(host, l)) {
        return THEATER_OK;
    }
    if ((is_running && !has_outputs) || is_effect) {
        turn_ready(host, l);
    }
    return THEATER_OK;
}

/* Nobody looks for it here: what it would do may be done by the one that is where it belongs. */
static bool park_if_misplaced(theater_host *host, uint32_t index)
{
    theater_error error = THEATER_ERROR_INIT;
    if (shard_check(host, &actor_at(host, index)->id, THEATER_ERR_CORRUPT, &error) == THEATER_OK) {
        return false;
    }
    actor_park(host, index, &error);
    return true;
}

static theater_status recover_one(theater_host *host, const theater__recovered *found,
                                  theater_error *err)
{
    uint32_t index = NO_ACTOR;
    theater_status status = actor_add(host, &found->actor, &index, err);
    if (status != THEATER_OK) {
        return status;
    }
    actor *a = actor_at(host, index);
    a->head = found->head;
    a->next_seq = found->next_seq;
    a->place = found->place;
    a->call_seq = found->standing.call_seq;
    a->delivered_seq = found->standing.delivered_seq;
    actor_set_state(host, a, found->standing.state, found->standing.wait_kind);
    return park_if_misplaced(host, index) ? THEATER_OK
                                          : schedule(host, index, &found->standing, err);
}

theater_status shard_check(const theater_host *host, const theater_id *id, theater_status otherwise,
                           theater_error *err)
{
    uint32_t count = host->options.shards_count;
    uint32_t shard = theater__shard_of(id, count);
    if (shard == host->options.shard) {
        return THEATER_OK;
    }
    return theater__fail(err, otherwise, "its id belongs to shard %u of %u, this is shard %u",
                         (unsigned)shard, (unsigned)count, (unsigned)host->options.shard);
}

theater_status recover_all(theater_host *host, theater_error *err)
{
    THEATER_ASSERT(host->actors_count == 0);
    /*
     * In this order: elapsed time that passes between the two makes a wait longer, never shorter.
     */
    host->rebase_wall = theater__clock_wall(host->clock);
    host->rebase_mono = theater__clock_mono(host->clock);
    for (;;) {
        theater__recovered found;
        theater_status status = theater__store_recover_next(host->store, &found, err);
        if (status == THEATER_ERR_NOTFOUND) {
            return THEATER_OK;
        }
        if (status == THEATER_OK) {
            status = recover_one(host, &found, err);
        }
        if (status != THEATER_OK) {
            return status;
        }
    }
}
