/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches to the store and completions from it. A batch is what a turn appended since the last one
 * and how its actor stands behind it; nothing waits for it but what the outside is to see.
 */
#include "internal.h"

#include <string.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>

void commit_fail(theater_host *host, const theater_error *error)
{
    if (host->failure.status == THEATER_OK) {
        host->failure = *error;
        host->failure.status = THEATER_ERR_STORE;
        theater__log_write(&host->log, THEATER_LOG_ERROR, "the store has stopped: %s",
                           error->message);
    }
}

static flight *flight_new(uint32_t index)
{
    flight *f = theater__alloc_zeroed(1, sizeof(*f));
    if (f != NULL) {
        f->index = index;
    }
    return f;
}

void flight_free(flight *f)
{
    if (f != NULL) {
        if (theater__list_linked(&f->link)) {
            theater__list_remove(&f->link);
        }
        theater__buffer_deinit(&f->frames);
        theater__free(f);
    }
}

/* Its open request is an effect, which is begun when the request is durable. */
static bool begins_effect(const live *l)
{
    const theater__open_request *open = l->turn != NULL ? theater__turn_open(l->turn) : NULL;
    return open != NULL && open->is_open && open->kind == THEATER_KIND_EFFECT;
}

/* Hands a batch over; on success the actor's head, place and call are those behind it. */
static theater_status submit(theater_host *host, live *l, const theater__chain_writer *writer,
                             const theater__standing *standing, const theater_hash *parent,
                             uint64_t first_seq, flight *f, theater_error *err)
{
    actor *a = actor_at(host, l->index);
    theater__batch batch;
    memset(&batch, 0, sizeof(batch));
    batch.actor = a->id;
    batch.parent = *parent;
    batch.head = writer != NULL ? writer->head : *parent;
    batch.first_seq = first_seq;
    batch.events_count = writer != NULL ? writer->frames_count : 0;
    if (writer != NULL) {
        batch.frames.data = writer->frames.data;
        batch.frames.size = writer->frames.size;
    }
    batch.standing = *standing;
    batch.previous_place = a->place;
    batch.userdata = f;
    batch.is_awaited = l->acts != NULL || begins_effect(l);
    theater__ticket ticket = 0;
    uint64_t place = THEATER__PLACE_NONE;
    theater_status status = theater__store_submit(host->store, &batch, &ticket, &place, err);
    if (status != THEATER_OK) {
        return status;
    }
    if (theater__store_wants_poll(host->store)) {
        ring(host);
    }
    l->inflight++;
    f->number = ++host->flights_made;
    f->is_awaited = batch.is_awaited || f->has_outputs;
    host->awaited_count += f->is_awaited;
    theater__list_push(&host->flights, &f->link);
    a->place = place;
    a->call_seq = standing->call_seq;
    l->submitted = *standing;
    if (writer != NULL) {
        a->head = writer->head;
        a->next_seq = writer->next_seq;
        host->stats.events += writer->frames_count;
    }
    f->last_seq = a->next_seq - 1;
    return THEATER_OK;
}

/* Keeps the frames of a batch that the outside will see a part of. */
static bool keep_outputs(flight *f, const theater__chain_writer *writer, const theater_hash *parent,
                         uint64_t first_seq, uint64_t output_seq)
{
    f->has_outputs = output_seq >= first_seq;
    if (!f->has_outputs) {
        return true;
    }
    f->parent = *parent;
    f->first_seq = first_seq;
    theater__buffer_put(&f->frames, writer->frames.data, writer->frames.size);
    return !f->frames.failed;
}

bool commit_turn(theater_host *host, live *l)
{
    theater_error error = THEATER_ERROR_INIT;
    if (theater__turn_flush(l->turn, &error) != THEATER_OK) {
        actor_park(host, l->index, &error);
        return false;
    }
    actor *a = actor_at(host, l->index);
    const theater__chain_writer *writer = theater__turn_writer(l->turn);
    if (writer->frames_count == 0) {
        return true;
    }
    THEATER_ASSERT(writer->next_seq - writer->frames_count == a->next_seq);
    uint64_t output_seq = theater__turn_output_seq(l->turn);
    flight *f = flight_new(l->index);
    if (f == NULL || !keep_outputs(f, writer, &a->head, a->next_seq, output_seq)) {
        flight_free(f);
        (void)theater__fail_nomem(&error);
        actor_park(host, l->index, &error);
        return false;
    }
    if (f->has_outputs) {
        l->standing.output_seq = output_seq;
    }
    theater_status status = submit(host, l, writer, &l->standing, &a->head, a->next_seq, f, &error);
    if (status != THEATER_OK) {
        flight_free(f);
        if (status == THEATER_ERR_LIMIT) {
            theater__list_push(&host->stalled, &l->link); /* tried again when some are durable */
        } else {
            commit_fail(host, &error);
        }
        return false;
    }
    theater__turn_taken(l->turn);
    return true;
}

theater_status commit_frames(theater_host *host, live *l, const theater__chain_writer *writer,
                             const theater_hash *parent, uint64_t first_seq, theater_error *err)
{
    flight *f = flight_new(l->index);
    if (f == NULL) {
        return theater__fail_nomem(err);
    }
    theater_status status = submit(host, l, writer, &l->standing, parent, first_seq, f, err);
    if (status != THEATER_OK) {
        flight_free(f);
    }
    return status;
}

void commit_note(theater_host *host, live *l)
{
    actor *a = actor_at(host, l->index);
    /* As the chain in the store stands, not as the turn does: it may be ahead of its last batch. */
    theater__standing standing = l->submitted;
    standing.delivered_seq = a->delivered_seq;
    theater_error error = THEATER_ERROR_INIT;
    flight *f = flight_new(l->index);
    theater_status status =
        f == NULL ? theater__fail_nomem(&error)
                  : submit(host, l, NULL, &standing, &a->head, a->next_seq, f, &error);
    if (status != THEATER_OK) {
        /* A note that is lost costs a repeated output after a crash, nothing else. */
        flight_free(f);
        if (status != THEATER_ERR_LIMIT) {
            commit_fail(host, &error);
        }
    }
}

/* ---- completions ----------------------------------------------------------------------------- */

/* Gives out what frames hold, and notes that. The caller settles the actor. */
static void give_outputs(theater_host *host, live *l, const theater__buffer *frames,
                         const theater_hash *parent, uint64_t first_seq)
{
    actor *a = actor_at(host, l->index);
    l->inflight++; /* callbacks may act on this actor: keep its live part */
    uint64_t given = outputs_give(host, l->index, frames, parent, first_seq, a->delivered_seq);
    l->inflight--;
    if (given > a->delivered_seq) {
        a->delivered_seq = given;
        l->standing.delivered_seq = given;
        commit_note(host, l);
    }
}

static void batch_completed(theater_host *host, const theater__store_completion *completion)
{
    flight *f = completion->userdata;
    uint32_t index = f->index;
    actor *a = actor_at(host, index);
    live *l = a->live;
    THEATER_ASSERT(l != NULL && l->inflight > 0 && host->awaited_count >= f->is_awaited);
    l->inflight--;
    host->awaited_count -= f->is_awaited;
    if (completion->status == THEATER_ERR_FENCED) {
        if (!a->is_parked) {
            actor_park(host, index, &completion->error);
        }
    } else if (completion->status != THEATER_OK) {
        commit_fail(host, &completion->error);
    } else if (f->has_outputs && !host->options.is_frozen && host->failure.status == THEATER_OK) {
        give_outputs(host, l, &f->frames, &f->parent, f->first_seq);
    }
    if (l->acts != NULL) {
        l->inflight++;
        if (completion->status == THEATER_OK) {
            acts_durable(host, l, f->last_seq);
        } else {
            acts_failed(host, l, 1, &completion->error);
        }
        l->inflight--;
    }
    flight_free(f);
    if (a->live != NULL) {
        residency_offer(host, a->live);
        actor_settle(host, index);
    }
}

/* Outputs that a dead process recorded and did not give, also those of an actor that is parked. */
static void outputs_read(theater_host *host, live *l, const theater__store_completion *completion)
{
    uint32_t index = l->index;
    if (completion->status == THEATER_OK && host->failure.status != THEATER_OK) {
        return; /* the next host gives them, in their order */
    }
    if (completion->status == THEATER_OK) {
        give_outputs(host, l, &completion->frames, &completion->parent, completion->first_seq);
    } else if (!actor_at(host, index)->is_parked) {
        actor_park(host, index, &completion->error);
    }
    const actor *a = actor_at(host, index);
    if (a->live != NULL && a->state == THEATER__STATE_RUNNING && !a->is_parked &&
        a->live->phase == LIVE_OVER) {
        turn_ready(host, a->live);
    }
}

static void read_completed(theater_host *host, theater__store_completion *completion)
{
    reading *done = completion->userdata;
    live *l = done->owner;
    uint32_t index = l->index;
    THEATER_ASSERT(done->is_under_way && l->inflight > 0 && host->loading_count > 0);
    done->is_under_way = false;
    l->inflight--;
    host->loading_count--;
    const theater_error *failure = theater__store_failure(host->store);
    if (completion->status != THEATER_OK && failure != NULL) {
        host->entering_count -= done->purpose == READ_LOAD;
        commit_fail(host, failure); /* everybody's, not this actor's */
        return;
    }
    switch (done->purpose) {
    case READ_LOAD:
        host->entering_count--;
        if (l->phase == LIVE_LOADING) {
            residency_loaded(host, l, completion);
        } else {
            residency_admit(host); /* parked meanwhile: the place that was kept is free */
        }
        break;
    case READ_OUTPUTS:
        outputs_read(host, l, completion);
        break;
    case READ_PURPOSES_COUNT:
        THEATER_UNREACHABLE("a number of purposes is none");
    }
    actor_settle(host, index);
}

static void retry_stalled(theater_host *host)
{
    theater__list again;
    theater__list_init(&again);
    theater__list *link = NULL;
    while ((link = theater__list_pop(&host->stalled)) != NULL) {
        theater__list_push(&again, link);
    }
    while ((link = theater__list_pop(&again)) != NULL) {
        live *l = THEATER__LIST_OWNER(link, live, link);
        live_phase phase = l->phase;
        if (!commit_turn(host, l)) {
            continue;
        }
        if (phase == LIVE_QUEUED) {
            turn_ready(host, l);
        } else if (phase == LIVE_OVER) {
            residency_leave(host, l);
            actor_settle(host, l->index);
        } else {
            residency_offer(host, l);
        }
    }
}

void commit_poll(theater_host *host)
{
    theater__store_completion completion;
    bool has_some = false;
    while (theater__store_poll(host->store, &completion)) {
        has_some = true;
        if (completion.type == THEATER__COMPLETED_BATCH) {
            batch_completed(host, &completion);
        } else {
            read_completed(host, &completion);
        }
        theater__store_completion_deinit(&completion);
    }
    if (has_some && !theater__list_empty(&host->stalled)) {
        retry_stalled(host);
    }
    if (!theater__list_empty(&host->waiters)) {
        durable_tell(host);
    }
}
