/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acts whose doer waits for their end. A note hangs on the actor's live part from the moment the
 * act was accepted:
 *
 *     accepted ──> recorded (its event has a seq) ──> durable: the callback, OK
 *         └─────────────────┴── parked, ended by itself, fenced, host freed: the callback, why not
 *
 * The live part outlives the note: it is kept while something is to be run or is in flight.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>

struct act_note {
    act_note *next;
    theater_act_kind kind;
    uint64_t seq; /* 0: not recorded yet */
    theater_acted_fn *callback;
    void *userdata;
};

static theater_status act(theater_host *host, theater_act_kind kind, theater_id id, const char *by,
                          theater_error *err)
{
    switch (kind) {
    case THEATER_ACT_WAKE:
        return theater_host_wake(host, id, by, err);
    case THEATER_ACT_CANCEL_WAIT:
        return theater_host_cancel_wait(host, id, by, err);
    case THEATER_ACT_CANCEL:
        return theater_host_cancel(host, id, by, err);
    }
    return theater__fail(err, THEATER_ERR_INVALID, "there is no act %d", (int)kind);
}

theater_status theater_host_act(theater_host *host, theater_act_kind kind, theater_id id,
                                const char *by, theater_acted_fn *callback, void *userdata,
                                theater_error *err)
{
    THEATER_ASSERT(host != NULL);
    THEATER_ASSERT(callback != NULL);
    act_note *note = theater__alloc_zeroed(1, sizeof(*note));
    if (note == NULL) {
        return theater__fail_nomem(err);
    }
    theater_status status = act(host, kind, id, by, err);
    if (status != THEATER_OK) {
        theater__free(note);
        return status;
    }
    live *l = actor_at(host, actor_find(host, &id))->live;
    THEATER_ASSERT(l != NULL);
    note->kind = kind;
    note->callback = callback;
    note->userdata = userdata;
    note->next = l->acts;
    l->acts = note;
    return THEATER_OK;
}

void acts_recorded(live *l, bool is_actors_end, uint64_t seq)
{
    THEATER_ASSERT(seq > 0);
    for (act_note *note = l->acts; note != NULL; note = note->next) {
        if (note->seq == 0 && (note->kind == THEATER_ACT_CANCEL) == is_actors_end) {
            note->seq = seq;
        }
    }
}

/* Takes out those whose event lies in [first, last]; 0 stands for no event yet. */
static act_note *take(live *l, uint64_t first_seq, uint64_t last_seq)
{
    act_note *taken = NULL;
    act_note **at = &l->acts;
    while (*at != NULL) {
        act_note *note = *at;
        if (note->seq < first_seq || note->seq > last_seq) {
            at = &note->next;
            continue;
        }
        *at = note->next;
        note->next = taken;
        taken = note;
    }
    return taken;
}

/* The callbacks may act on the same actor: the notes are no longer on it. */
static void tell(theater_host *host, uint32_t index, act_note *notes, theater_status status,
                 const char *message)
{
    while (notes != NULL) {
        act_note *note = notes;
        notes = note->next;
        theater_acted acted;
        memset(&acted, 0, sizeof(acted));
        acted.id = actor_at(host, index)->id;
        acted.kind = note->kind;
        acted.status = status;
        acted.seq = status == THEATER_OK ? note->seq : 0;
        acted.message = message;
        note->callback(&acted, note->userdata);
        theater__free(note);
    }
}

void acts_durable(theater_host *host, live *l, uint64_t last_seq)
{
    if (l->acts != NULL) {
        tell(host, l->index, take(l, 1, last_seq), THEATER_OK, NULL);
    }
}

void acts_refused(theater_host *host, live *l, const theater_error *error)
{
    for (act_note **at = &l->acts; *at != NULL; at = &(*at)->next) {
        act_note *note = *at;
        if (note->seq == 0 && note->kind != THEATER_ACT_CANCEL) {
            theater_error copy = *error;
            *at = note->next;
            note->next = NULL;
            tell(host, l->index, note, copy.status, copy.message);
            return; /* a wait has one end: there is no second one */
        }
    }
}

void acts_failed(theater_host *host, live *l, uint64_t first_seq, const theater_error *error)
{
    if (l->acts == NULL) {
        return;
    }
    THEATER_ASSERT(error->status != THEATER_OK);
    theater_error copy = *error; /* a callback may write where it comes from */
    l->inflight++;               /* nor may it be let go between the two */
    act_note *notes = take(l, 0, 0);
    tell(host, l->index, notes, copy.status, copy.message);
    if (first_seq != UINT64_MAX) {
        tell(host, l->index, take(l, first_seq, UINT64_MAX), copy.status, copy.message);
    }
    l->inflight--;
}
