/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of actors: slim parts in chunks that never move, an index from ids, live parts that
 * come and go, and the few that are parked.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>

_Static_assert(sizeof(actor) <= 112, "a million evicted actors have to fit");

actor *actor_at(const theater_host *host, uint32_t index)
{
    THEATER_ASSERT(index < host->actors_count);
    return &host->chunks[index / ACTORS_CHUNK][index % ACTORS_CHUNK];
}

static theater_status add_chunk(theater_host *host, theater_error *err)
{
    uint32_t chunks_count = host->actors_count / ACTORS_CHUNK;
    actor **grown = theater__realloc_array(host->chunks, chunks_count + 1, sizeof(*grown));
    if (grown == NULL) {
        return theater__fail_nomem(err);
    }
    host->chunks = grown;
    host->chunks[chunks_count] = theater__alloc_zeroed(ACTORS_CHUNK, sizeof(actor));
    if (host->chunks[chunks_count] == NULL) {
        return theater__fail_nomem(err);
    }
    return THEATER_OK;
}

/* A chunk lives as long as one of its actors does: the next one to come makes it again. */
static void drop_last(theater_host *host)
{
    host->actors_count--;
    if (host->actors_count % ACTORS_CHUNK == 0) {
        theater__free(host->chunks[host->actors_count / ACTORS_CHUNK]);
    }
}

static theater_status reserve_timers(theater_host *host, theater_error *err)
{
    uint32_t ids = host->actors_count + ACTORS_CHUNK;
    theater_status status = theater__timerq_reserve(&host->mono_queue, ids, err);
    if (status == THEATER_OK) {
        status = theater__timerq_reserve(&host->wall_queue, ids, err);
    }
    return status;
}

theater_status actor_add(theater_host *host, const theater_id *id, uint32_t *out_index,
                         theater_error *err)
{
    if (host->actors_count >= ACTORS_MAX) {
        return theater__fail(err, THEATER_ERR_LIMIT, "actors_max: a host holds up to %u actors",
                             ACTORS_MAX);
    }
    if (host->actors_count % ACTORS_CHUNK == 0) {
        theater_status status = reserve_timers(host, err);
        if (status == THEATER_OK) {
            status = add_chunk(host, err);
        }
        if (status != THEATER_OK) {
            return status;
        }
    }
    uint32_t index = host->actors_count++;
    actor *a = actor_at(host, index);
    memset(a, 0, sizeof(*a));
    a->id = *id;
    a->profile = NO_PROFILE;
    a->step_seen_ms = host->step_total_ms;
    a->place = THEATER__PLACE_NONE;
    a->state = THEATER__STATE_IDLE;
    if (!theater__map_add(&host->index, index)) {
        drop_last(host);
        return theater__fail_nomem(err);
    }
    *out_index = index;
    return THEATER_OK;
}

void actor_remove_last(theater_host *host, uint32_t index)
{
    THEATER_ASSERT(index + 1 == host->actors_count);
    THEATER_ASSERT(actor_at(host, index)->live == NULL);
    theater__map_remove(&host->index, index);
    drop_last(host);
}

uint32_t actor_find(const theater_host *host, const theater_id *id)
{
    return theater__map_find(&host->index, id);
}

/* What goes on by itself; a token is somebody else's. */
static bool is_active(theater__state state, uint8_t wait_kind, bool is_parked)
{
    if (is_parked) {
        return false;
    }
    return state == THEATER__STATE_RUNNING || state == THEATER__STATE_ASLEEP ||
           (state == THEATER__STATE_WAITING && wait_kind == WAIT_EFFECT);
}

void actor_set_state(theater_host *host, actor *a, theater__state state, uint8_t wait_kind)
{
    host->active -= is_active((theater__state)a->state, a->wait_kind, a->is_parked);
    host->stats.asleep -= a->state == THEATER__STATE_ASLEEP;
    a->state = (uint8_t)state;
    a->wait_kind = wait_kind;
    host->active += is_active(state, wait_kind, a->is_parked);
    host->stats.asleep += state == THEATER__STATE_ASLEEP;
}

/* An evicted actor is suspended in the last event of its chain: its end is what would come next. */
uint64_t actor_wait_seq(const actor *a)
{
    if (a->state != THEATER__STATE_ASLEEP && a->state != THEATER__STATE_WAITING) {
        return 0;
    }
    if (a->live != NULL && a->live->turn != NULL && theater__turn_open(a->live->turn)->is_open) {
        return theater__turn_open(a->live->turn)->seq;
    }
    return a->next_seq > 0 ? a->next_seq - 1 : 0;
}

live *actor_make_live(theater_host *host, uint32_t index, theater_error *err)
{
    actor *a = actor_at(host, index);
    if (a->live == NULL) {
        live *l = theater__alloc_zeroed(1, sizeof(*l));
        if (l == NULL) {
            (void)theater__fail_nomem(err);
            return NULL;
        }
        l->index = index;
        l->phase = LIVE_OVER;
        l->standing.state = (theater__state)a->state;
        l->standing.wait_kind = a->wait_kind;
        l->standing.call_seq = a->call_seq;
        l->standing.delivered_seq = a->delivered_seq;
        l->standing.output_seq = a->delivered_seq;
        l->submitted = l->standing;
        for (uint32_t i = 0; i < READ_PURPOSES_COUNT; i++) {
            l->readings[i].owner = l;
            l->readings[i].purpose = (read_purpose)i;
        }
        a->live = l;
        host->lives_count++;
    }
    return a->live;
}

void actor_free_live(theater_host *host, live *l)
{
    actor *a = actor_at(host, l->index);
    THEATER_ASSERT(a->live == l);
    THEATER_ASSERT(l->inflight == 0);
    if (l->turn != NULL) {
        residency_leave(host, l);
    }
    if (theater__list_linked(&l->link)) {
        theater__list_remove(&l->link);
    }
    theater__buffer_deinit(&l->history);
    theater__buffer_deinit(&l->end_value);
    turn_forget_due(host, l);
    theater__free(l);
    a->live = NULL;
    host->lives_count--;
}

void actor_settle(theater_host *host, uint32_t index)
{
    actor *a = actor_at(host, index);
    live *l = a->live;
    if (l != NULL && l->phase == LIVE_OVER && l->inflight == 0 && l->turn == NULL) {
        actor_free_live(host, l);
    }
}

const parked_note *actor_parked_note(const theater_host *host, uint32_t index)
{
    for (size_t i = 0; i < host->parked_count; i++) {
        if (host->parked[i].index == index) {
            return &host->parked[i];
        }
    }
    return NULL;
}

/* Set aside with chain and due kept: what was not submitted is forgotten, as after a kill. */
void actor_park(theater_host *host, uint32_t index, const theater_error *error)
{
    actor *a = actor_at(host, index);
    THEATER_ASSERT(!a->is_parked);
    host->active -= is_active((theater__state)a->state, a->wait_kind, false);
    a->is_parked = true;
    host->stats.parked++;
    (void)theater__timerq_stop(&host->mono_queue, index);
    (void)theater__timerq_stop(&host->wall_queue, index);
    parked_note *grown =
        theater__realloc_array(host->parked, host->parked_count + 1, sizeof(*grown));
    if (grown != NULL) {
        host->parked = grown;
        parked_note *note = &host->parked[host->parked_count++];
        note->index = index;
        note->status = error->status;
        memcpy(note->reason, error->message, sizeof(note->reason));
    }
    live *l = a->live;
    if (l != NULL) {
        if (theater__list_linked(&l->link)) {
            theater__list_remove(&l->link);
        }
        l->phase = LIVE_OVER;
        if (l->turn != NULL) {
            residency_leave(host, l);
        } else {
            residency_admit(host); /* the place that was kept for it */
        }
        acts_failed(host, l, a->next_seq, error);
        actor_settle(host, index);
    }
    if (host->on_parked != NULL) {
        host->on_parked(a->id, error->status, error->message, host->on_parked_userdata);
        return;
    }
    char text[THEATER_ID_TEXT_SIZE];
    theater_id_format(a->id, text);
    theater__log_write(&host->log, THEATER_LOG_WARNING, "actor %s is parked: %s", text,
                       error->message);
}

void actor_unpark(theater_host *host, uint32_t index)
{
    actor *a = actor_at(host, index);
    THEATER_ASSERT(a->is_parked);
    a->is_parked = false;
    host->stats.parked--;
    host->active += is_active((theater__state)a->state, a->wait_kind, false);
    for (size_t i = 0; i < host->parked_count; i++) {
        if (host->parked[i].index == index) {
            host->parked[i] = host->parked[--host->parked_count];
            return;
        }
    }
}
