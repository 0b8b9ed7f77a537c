/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gives up its place in memory: of the sleepers on offer the one that is due last. There are
 * three queues. Places are of two kinds: a slot of the engine's pool costs a newcomer half of
 * what an instance on demand does, but the pool is smaller than the cap: left to their due times
 * alone, sleepers that came first would keep its slots while all who come and go are served on
 * demand. So when the pool is full, its own sleeper that is due last goes, though another may be
 * due later: the pool is for those who move.
 *
 * A long call is expensive to bring back: thousands of events, or as much CPU time. It stands in a
 * queue of its own and goes when nobody else can, or when such calls hold more than their share of
 * the places.
 *
 * Guests that run and run are not to keep out those who are due: when nobody sleeps in memory, one
 * that was preempted goes, the one that has worked least, and begins again from its chain. It is
 * always the same one that pays, so the others come to their ends.
 *
 * Whoever is on offer holds a seat, a number below live_max: the queues cost memory by the cap, not
 * by the number of actors.
 */
#include "internal.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>

/* Of all places, what long calls may hold before the one of them that is due last goes first. */
#define LONG_SHARE 2u

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

static void leave_queue(evictor *all, uint32_t seat)
{
    bool is_found = false;
    for (size_t i = 0; i < EVICT_QUEUES; i++) {
        is_found = theater__timerq_stop(&all->queues[i], seat) || is_found;
    }
    THEATER_ASSERT(is_found);
}

static void take_seat(theater_host *host, live *l, evict_queue which, uint64_t key)
{
    evictor *all = &host->evictor;
    if (l->is_on_offer) {
        leave_queue(all, l->seat);
    } else {
        THEATER_ASSERT(all->free_seat < host->live_max);
        l->seat = all->free_seat;
        l->is_on_offer = true;
        all->free_seat = all->seats[l->seat];
        all->seats[l->seat] = l->index;
    }
    theater__timerq_start(&all->queues[which], l->seat, key);
}

static evict_queue queue_of(const theater__turn *turn)
{
    if (theater__turn_is_long(turn)) {
        return EVICT_LONG;
    }
    return theater__turn_is_pooled(turn) ? EVICT_POOLED : EVICT_ON_DEMAND;
}

void evict_offer(theater_host *host, live *l, uint64_t wanted_ns)
{
    take_seat(host, l, queue_of(l->turn), key_of(wanted_ns));
}

void evict_offer_yielded(theater_host *host, live *l)
{
    take_seat(host, l, EVICT_YIELDED, theater__turn_call_cpu_ns(l->turn));
}

void evict_withdraw(theater_host *host, live *l)
{
    if (!l->is_on_offer) {
        return;
    }
    evictor *all = &host->evictor;
    leave_queue(all, l->seat);
    all->seats[l->seat] = all->free_seat;
    all->free_seat = l->seat;
    l->is_on_offer = false;
}

/* Which of the queues the next one to go is in. */
static const theater__timerq *choose(const theater_host *host)
{
    const theater__timerq *on_demand = &host->evictor.queues[EVICT_ON_DEMAND];
    const theater__timerq *pooled = &host->evictor.queues[EVICT_POOLED];
    const theater__timerq *lasting = &host->evictor.queues[EVICT_LONG];
    if (lasting->count > host->live_max / LONG_SHARE || on_demand->count + pooled->count == 0) {
        return lasting;
    }
    uint32_t slots = theater__engine_pooled_max(host->engine);
    if (slots > 0 && theater__engine_pooled(host->engine) >= slots && pooled->count > 0) {
        return pooled;
    }
    return theater__timerq_next_key(pooled) < theater__timerq_next_key(on_demand) ? pooled
                                                                                  : on_demand;
}

live *evict_choose(theater_host *host, bool is_for_due)
{
    theater__timerq_entry entry;
    if (!theater__timerq_peek(choose(host), &entry) &&
        !(is_for_due && theater__timerq_peek(&host->evictor.queues[EVICT_YIELDED], &entry))) {
        return NULL;
    }
    live *l = actor_at(host, host->evictor.seats[entry.id])->live;
    THEATER_ASSERT(l != NULL && l->is_on_offer && l->seat == entry.id);
    evict_withdraw(host, l);
    return l;
}
