/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What others do to an actor: complete, wake, cancel, resume, tell of a shutdown. An end of a wait
 * is kept until the actor's turn can record it; the first one kept is the one recorded, later ones
 * find the request no longer open.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include <base/assert.h>
#include <base/error.h>
#include <base/value.h>

static void copy_by(char out_by[BY_MAX], const char *by)
{
    size_t size = by != NULL ? strnlen(by, BY_MAX - 1) : 0;
    while (size > 0 && !theater__utf8_valid((const uint8_t *)by, size)) {
        size--;
    }
    if (size > 0) {
        memcpy(out_by, by, size);
    }
    out_by[size] = '\0';
}

/* Somebody has something for it: it goes on, ahead of those that only run or want a place. One that
 * is read, or at its turn (queued and in no list), finds it by itself. */
static void hurry(theater_host *host, live *l)
{
    bool is_at_its_turn =
        l->phase == LIVE_QUEUED && l->turn != NULL && !theater__list_linked(&l->link);
    if (l->phase != LIVE_LOADING && !is_at_its_turn) {
        turn_ready(host, l);
    }
}

bool act_end_wait(theater_host *host, uint32_t index, uint64_t seq, theater_wait_outcome outcome,
                  const char *by, const theater__buffer *value, theater_error *err)
{
    live *l = actor_make_live(host, index, err);
    if (l == NULL) {
        return false;
    }
    if (l->has_end) {
        (void)theater__fail(err, THEATER_ERR_NOTFOUND, "that wait has ended already");
        return false;
    }
    theater__buffer_clear(&l->end_value);
    if (value != NULL) {
        theater__buffer_put(&l->end_value, value->data, value->size);
        if (l->end_value.failed) {
            (void)theater__fail_nomem(err);
            return false;
        }
    }
    l->has_end = true;
    l->is_own_end = false;
    l->end_seq = seq;
    l->end_outcome = outcome;
    copy_by(l->end_by, by);
    hurry(host, l);
    return true;
}

/* The actor, if it is here, not parked and not ended. */
static theater_status find_acting(theater_host *host, const theater_id *id, uint32_t *out_index,
                                  theater_error *err)
{
    uint32_t index = actor_find(host, id);
    char text[THEATER_ID_TEXT_SIZE];
    theater_id_format(*id, text);
    if (index == NO_ACTOR) {
        return theater__fail(err, THEATER_ERR_NOTFOUND, "there is no actor %s", text);
    }
    const actor *a = actor_at(host, index);
    if (a->is_parked) {
        return theater__fail(err, THEATER_ERR_CLOSED, "actor %s is parked; resume it first", text);
    }
    if (a->state == THEATER__STATE_ENDED) {
        return theater__fail(err, THEATER_ERR_NOTFOUND, "actor %s has ended", text);
    }
    *out_index = index;
    return THEATER_OK;
}

static theater_status end_any_wait(theater_host *host, theater_id id, uint64_t seq,
                                   theater_wait_outcome outcome, const char *by,
                                   const theater__buffer *value, theater_error *err)
{
    uint32_t index = NO_ACTOR;
    theater_status status = find_acting(host, &id, &index, err);
    if (status != THEATER_OK) {
        return status;
    }
    const actor *a = actor_at(host, index);
    if (a->state != THEATER__STATE_ASLEEP && a->state != THEATER__STATE_WAITING) {
        return theater__fail(err, THEATER_ERR_NOTFOUND, "the actor does not wait for anything");
    }
    if (seq != 0 && seq != actor_wait_seq(a)) {
        return theater__fail(err, THEATER_ERR_NOTFOUND,
                             "request %llu of the actor is not open (any more)",
                             (unsigned long long)seq);
    }
    theater_error error = THEATER_ERROR_INIT;
    if (!act_end_wait(host, index, seq, outcome, by, value, &error)) {
        if (err != NULL) {
            *err = error;
        }
        return error.status;
    }
    return THEATER_OK;
}

theater_status theater_host_complete(theater_host *host, theater_token token,
                                     const theater_value *value, const char *by, theater_error *err)
{
    THEATER_ASSERT(host != NULL);
    THEATER_ASSERT(token.seq != 0);
    theater__buffer encoded = {0};
    if (value != NULL) {
        theater__value_encode(&encoded, value);
        if (encoded.failed) {
            return theater__fail_nomem(err);
        }
    }
    theater_status status =
        end_any_wait(host, token.actor, token.seq, THEATER_WAIT_COMPLETED, by, &encoded, err);
    theater__buffer_deinit(&encoded);
    return status;
}

theater_status theater_host_cancel_wait(theater_host *host, theater_id id, const char *by,
                                        theater_error *err)
{
    THEATER_ASSERT(host != NULL);
    return end_any_wait(host, id, 0, THEATER_WAIT_CANCELLED, by, NULL, err);
}

theater_status theater_host_wake(theater_host *host, theater_id id, const char *by,
                                 theater_error *err)
{
    THEATER_ASSERT(host != NULL);
    return end_any_wait(host, id, 0, THEATER_WAIT_WOKEN, by, NULL, err);
}

theater_status theater_host_cancel(theater_host *host, theater_id id, const char *by,
                                   theater_error *err)
{
    THEATER_ASSERT(host != NULL);
    uint32_t index = NO_ACTOR;
    theater_status status = find_acting(host, &id, &index, err);
    if (status != THEATER_OK) {
        return status;
    }
    live *l = actor_make_live(host, index, err);
    if (l == NULL) {
        return THEATER_ERR_NOMEM;
    }
    if (!l->is_cancelled) {
        l->is_cancelled = true;
        copy_by(l->cancel_by, by);
        hurry(host, l);
    }
    return THEATER_OK;
}

theater_status theater_host_tell_shutdown(theater_host *host, theater_error *err)
{
    THEATER_ASSERT(host != NULL);
    for (uint32_t i = 0; i < host->actors_count; i++) {
        const actor *a = actor_at(host, i);
        bool is_waiting = a->state == THEATER__STATE_ASLEEP || a->state == THEATER__STATE_WAITING;
        if (!is_waiting || a->is_parked || (a->live != NULL && a->live->has_end)) {
            continue;
        }
        theater_error error = THEATER_ERROR_INIT;
        if (!act_end_wait(host, i, 0, THEATER_WAIT_SHUTDOWN, "shutdown", NULL, &error)) {
            if (err != NULL) {
                *err = error;
            }
            return error.status;
        }
    }
    return THEATER_OK;
}

theater_status theater_host_resume(theater_host *host, theater_id id, theater_error *err)
{
    THEATER_ASSERT(host != NULL);
    uint32_t index = actor_find(host, &id);
    if (index == NO_ACTOR || !actor_at(host, index)->is_parked) {
        return theater__fail(err, THEATER_ERR_NOTFOUND, "no parked actor has that id");
    }
    theater_status status = shard_check(host, &id, THEATER_ERR_CORRUPT, err);
    if (status != THEATER_OK) {
        return status;
    }
    live *l = actor_make_live(host, index, err);
    if (l == NULL) {
        return THEATER_ERR_NOMEM;
    }
    actor_unpark(host, index);
    if (actor_at(host, index)->state == THEATER__STATE_ENDED) {
        (void)recover_outputs(host, l); /* only its end is left to be given out */
        return THEATER_OK;
    }
    /* Replayed to where it stood; its timer is armed again from what it waits in. */
    turn_ready(host, l);
    return THEATER_OK;
}
