/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Due times are known, so the cache can be the best one: whoever is due next is replayed before it
 * is due, in time that nobody else wants, and its wake costs a resume. After a start the same
 * prefetch runs over the recovered queue.
 *
 * The nearest `live_max` sleepers are the ones that should be in memory. A look walks the timers in
 * order until it has found some that are not; it is taken when enough places are free to be worth
 * it, so that its cost is spread over them.
 */
#include "internal.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>

/* Sleepers that one look brings in. */
#define PREFETCH_BATCH 32u
/* A sleeper this close is left to its wake: it would not be done before. */
#define PREFETCH_AHEAD_NS 100000u

static bool wants_prefetch(const actor *a)
{
    return a->live == NULL && !a->is_parked && a->state == THEATER__STATE_ASLEEP;
}

/* Brings in up to count of the queue's first sleepers that are not in memory. */
static uint32_t fetch(theater_host *host, const theater__timerq *queue, uint32_t count)
{
    theater__timerq_walk walk;
    theater__timerq_entry entry;
    uint32_t found = 0;
    theater__timerq_walk_begin(&walk, queue, host->frontier, host->live_max * 3 + 8);
    for (uint32_t i = 0; i < host->live_max && found < count; i++) {
        if (!theater__timerq_walk_next(&walk, &entry) || entry.key == UINT64_MAX) {
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
        found++;
    }
    return found;
}

bool prefetch(theater_host *host)
{
    uint32_t batch = host->live_max / 4 < PREFETCH_BATCH ? host->live_max / 4 : PREFETCH_BATCH;
    uint32_t taken_count = host->resident_count + host->entering_count;
    if (batch == 0 || taken_count > host->live_max || host->live_max - taken_count < batch ||
        !host->has_evicted) {
        return false;
    }
    if (theater__timerq_next_key(&host->mono_queue) < host->now.ns + PREFETCH_AHEAD_NS) {
        return false;
    }
    if (host->frontier == NULL) {
        host->frontier =
            theater__alloc_zeroed((size_t)host->live_max * 3 + 8, sizeof(*host->frontier));
        if (host->frontier == NULL) {
            return false;
        }
    }
    uint32_t found = fetch(host, &host->mono_queue, batch);
    if (found < batch) {
        found += fetch(host, &host->wall_queue, batch - found);
    }
    host->stats.prefetches += found;
    host->has_evicted = found > 0;
    return found > 0;
}
