/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Due times are known, so the cache can be the best one: whoever is due next is replayed before it
 * is due, in time that nobody else wants, and its wake costs a resume. After a start the same
 * prefetch runs over the recovered queue.
 *
 * The nearest `live_max` sleepers are the ones that should be in memory. A look walks the timers in
 * order until it has found some that are not; it is taken when enough places are free to be worth
 * it, so that its cost is spread over them.
 *
 * While many are due soon, those who are due later than that wait: sleepers that are brought in
 * long before push each other out of the processor's cache, and each wake pays for it. A host in
 * which few are due soon has the time to bring in as many as there are places.
 */
#include "internal.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>

/* Sleepers that one look brings in. */
#define PREFETCH_BATCH 32u
/* A sleeper this close is left to its wake: it would not be done before. */
#define PREFETCH_AHEAD_NS 100000u

/* How many are many, and how soon is soon: 4,000 a second. */
#define PREFETCH_MANY 32u
#define PREFETCH_REACH_MS 8u
/* A look that came to the end of its reach finds nothing new before. Some of the many are due
 * meanwhile, so the next look comes. */
#define PREFETCH_PAUSE_NS 2000000u

static bool wants_prefetch(const actor *a)
{
    return a->live == NULL && !a->is_parked && a->state == THEATER__STATE_ASLEEP;
}

typedef struct prefetch_look {
    uint32_t count;   /* of sleepers that may be brought in still */
    uint32_t found;   /* that were */
    bool has_reached; /* the end of its reach: there are others behind it */
} prefetch_look;

/* Brings in the queue's first sleepers that are not in memory; if many are due by soon, those. */
static void fetch(theater_host *host, const theater__timerq *queue, uint64_t soon,
                  prefetch_look *it)
{
    theater__timerq_walk walk;
    theater__timerq_entry entry;
    bool are_many = false;
    theater__timerq_walk_begin(&walk, queue, host->frontier, host->live_max * 3 + 8);
    for (uint32_t i = 0; i < host->live_max && it->count > 0; i++) {
        if (!theater__timerq_walk_next(&walk, &entry) || entry.key == UINT64_MAX) {
            break;
        }
        bool is_soon = entry.key <= soon;
        are_many = are_many || (is_soon && i + 1 >= PREFETCH_MANY);
        if (are_many && !is_soon) {
            it->has_reached = true;
            break;
        }
        if (!wants_prefetch(actor_at(host, entry.id))) {
            continue;
        }
        live *l = actor_make_live(host, entry.id, NULL);
        if (l == NULL) {
            break; /* no memory to spare: they are loaded when they are due */
        }
        turn_ready(host, l);
        it->count--;
        it->found++;
    }
}

/* Over both queues. */
static prefetch_look look_around(theater_host *host, uint32_t count)
{
    prefetch_look it = {.count = count};
    theater_wall wall = theater__clock_wall(host->clock);
    fetch(host, &host->mono_queue, theater__mono_add_ms(host->now, PREFETCH_REACH_MS).ns, &it);
    fetch(host, &host->wall_queue, theater__wall_add_ms(wall, PREFETCH_REACH_MS).ms, &it);
    return it;
}

bool prefetch(theater_host *host)
{
    uint32_t batch = host->live_max / 4 < PREFETCH_BATCH ? host->live_max / 4 : PREFETCH_BATCH;
    uint32_t taken_count = host->resident_count + host->entering_count;
    if (batch == 0 || taken_count > host->live_max || host->live_max - taken_count < batch ||
        !host->has_evicted) {
        return false;
    }
    if (theater__store_waiting_reads(host->store) >= PREFETCH_BATCH) {
        return false; /* who is due waits behind them */
    }
    if (theater__timerq_next_key(&host->mono_queue) < host->now.ns + PREFETCH_AHEAD_NS) {
        return false;
    }
    if (host->now.ns < host->prefetch_again.ns) {
        return false;
    }
    if (host->frontier == NULL) {
        host->frontier =
            theater__alloc_zeroed((size_t)host->live_max * 3 + 8, sizeof(*host->frontier));
        if (host->frontier == NULL) {
            return false;
        }
    }
    prefetch_look it = look_around(host, batch);
    host->stats.prefetches += it.found;
    host->has_evicted = it.found > 0 || it.has_reached;
    if (it.count > 0 && it.has_reached) {
        host->prefetch_again = (theater_mono){host->now.ns + PREFETCH_PAUSE_NS};
    }
    return it.found > 0;
}
