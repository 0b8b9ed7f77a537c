/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking the queue in order without changing it: best first. The frontier holds the places whose
 * parents were given already, as a binary heap by the same order; giving one out puts its children
 * in. The first k timers of a million cost O(k log k), whatever lies behind them.
 */
#include <timerq/timerq.h>

#include <base/assert.h>

#define ARITY 4u

static bool place_before(const theater__timerq *queue, uint32_t a, uint32_t b)
{
    const theater__timerq_entry *x = &queue->heap[a];
    const theater__timerq_entry *y = &queue->heap[b];
    return x->key != y->key ? x->key < y->key : (int32_t)(x->sequence - y->sequence) < 0;
}

static void frontier_push(theater__timerq_walk *walk, uint32_t place)
{
    uint32_t at = walk->frontier_count++;
    while (at > 0) {
        uint32_t parent = (at - 1) / 2;
        if (!place_before(walk->queue, place, walk->frontier[parent])) {
            break;
        }
        walk->frontier[at] = walk->frontier[parent];
        at = parent;
    }
    walk->frontier[at] = place;
}

static uint32_t frontier_pop(theater__timerq_walk *walk)
{
    uint32_t first = walk->frontier[0];
    uint32_t last = walk->frontier[--walk->frontier_count];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = at * 2 + 1;
        if (child >= walk->frontier_count) {
            break;
        }
        if (child + 1 < walk->frontier_count &&
            place_before(walk->queue, walk->frontier[child + 1], walk->frontier[child])) {
            child++;
        }
        if (!place_before(walk->queue, walk->frontier[child], last)) {
            break;
        }
        walk->frontier[at] = walk->frontier[child];
        at = child;
    }
    walk->frontier[at] = last;
    return first;
}

void theater__timerq_walk_begin(theater__timerq_walk *walk, const theater__timerq *queue,
                                uint32_t *frontier, uint32_t frontier_capacity)
{
    THEATER_ASSERT(frontier_capacity > 0);
    walk->queue = queue;
    walk->frontier = frontier;
    walk->frontier_capacity = frontier_capacity;
    walk->frontier_count = 0;
    if (queue->count > 0) {
        frontier_push(walk, 0);
    }
}

bool theater__timerq_walk_next(theater__timerq_walk *walk, theater__timerq_entry *out_entry)
{
    if (walk->frontier_count == 0 || walk->frontier_capacity - walk->frontier_count + 1 < ARITY) {
        return false;
    }
    uint32_t place = frontier_pop(walk);
    *out_entry = walk->queue->heap[place];
    uint64_t child = (uint64_t)place * ARITY + 1;
    for (uint32_t i = 0; i < ARITY && child + i < walk->queue->count; i++) {
        frontier_push(walk, (uint32_t)(child + i));
    }
    return true;
}
