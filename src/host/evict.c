/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gives up its place in memory: of the sleepers on offer the one that is due last. There are
 * two queues, since places are of two kinds. A slot of the engine's pool costs a newcomer half of
 * what an instance on demand does, but the pool is smaller than the cap: left to their due times
 * alone, sleepers that came first would keep its slots while all who come and go are served on
 * demand. So when the pool is full, its own sleeper that is due last goes, though another may be
 * due later: the pool is for those who move.
 *
 * A sleeper on offer holds a seat, a number below live_max: the queues cost memory by the cap, not
 * by the number of actors.
 */
#include "internal.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>

theater_status evict_open(theater_host *host, theater_error *err)
{
    evictor *all = &host->evictor;
    all->seats = theater__alloc_zeroed(host->live_max, sizeof(*all->seats));
    if (all->seats == NULL) {
        return theater__fail_nomem(err);
    }
    /* Free seats are a list: each holds the next one. */
    for (uint32_t seat = 0; seat < host->live_max; seat++) {
        all->seats[seat] = seat + 1;
    }
    theater_status status = THEATER_OK;
    for (size_t i = 0; i < EVICT_QUEUES && status == THEATER_OK; i++) {
        status = theater__timerq_reserve(&all->queues[i], host->live_max, err);
    }
    return status;
}

void evict_close(theater_host *host)
{
    for (size_t i = 0; i < EVICT_QUEUES; i++) {
        theater__timerq_deinit(&host->evictor.queues[i]);
    }
    theater__free(host->evictor.seats);
}

/* The queue's least key is the farthest due; never is kept apart, since it is never popped. */
static uint64_t key_of(uint64_t wanted_ns)
{
    return UINT64_MAX - 1 - (wanted_ns < UINT64_MAX ? wanted_ns : UINT64_MAX - 1);
}

void evict_offer(theater_host *host, live *l, uint64_t wanted_ns)
{
    evictor *all = &host->evictor;
    if (!l->is_on_offer) {
        THEATER_ASSERT(all->free_seat < host->live_max);
        l->seat = all->free_seat;
        l->is_on_offer = true;
        all->free_seat = all->seats[l->seat];
        all->seats[l->seat] = l->index;
    }
    theater__timerq *queue = &all->queues[theater__turn_is_pooled(l->turn)];
    theater__timerq_start(queue, l->seat, key_of(wanted_ns));
}

void evict_withdraw(theater_host *host, live *l)
{
    if (!l->is_on_offer) {
        return;
    }
    evictor *all = &host->evictor;
    bool found = theater__timerq_stop(&all->queues[0], l->seat);
    found = theater__timerq_stop(&all->queues[1], l->seat) || found;
    THEATER_ASSERT(found);
    all->seats[l->seat] = all->free_seat;
    all->free_seat = l->seat;
    l->is_on_offer = false;
}

/* Which of the queues the next one to go is in. */
static const theater__timerq *choose(const theater_host *host)
{
    const theater__timerq *on_demand = &host->evictor.queues[0];
    const theater__timerq *pooled = &host->evictor.queues[1];
    uint32_t slots = theater__engine_pooled_max(host->engine);
    if (slots > 0 && theater__engine_pooled(host->engine) >= slots && pooled->count > 0) {
        return pooled;
    }
    return theater__timerq_next_key(pooled) < theater__timerq_next_key(on_demand) ? pooled
                                                                                  : on_demand;
}

live *evict_choose(theater_host *host)
{
    theater__timerq_entry entry;
    if (!theater__timerq_peek(choose(host), &entry)) {
        return NULL;
    }
    live *l = actor_at(host, host->evictor.seats[entry.id])->live;
    THEATER_ASSERT(l != NULL && l->is_on_offer && l->seat == entry.id);
    evict_withdraw(host, l);
    return l;
}
