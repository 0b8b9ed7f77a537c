/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The deadline queue: a 4-ary heap of 64-bit keys that stand inline, ties broken by the order of
 * starting (as long as fewer than 2^31 starts lie between two equals). 20 bytes a timer: 16 in the
 * heap (key, sequence, id), 4 in the table from id to place.
 *
 * Ids are small numbers of the owner (indexes of actors), at most one timer each. The heap knows no
 * clock and no units: keys are what the owner compares (ns of elapsed time, ms of wall time).
 * UINT64_MAX means never: such a timer is kept, and is never due. Pop, start and stop do not
 * allocate within the reserve; theater__timerq_reserve() makes room ahead.
 */
#ifndef TIMERQ_TIMERQ_H
#define TIMERQ_TIMERQ_H

#include <stdbool.h>
#include <stdint.h>
#include <theater/error.h>

typedef struct theater__timerq_entry {
    uint64_t key;
    uint32_t sequence;
    uint32_t id;
} theater__timerq_entry;

typedef struct theater__timerq {
    theater__timerq_entry *heap;
    uint32_t *places; /* id -> place + 1; 0 = no timer */
    uint32_t count;
    uint32_t capacity; /* ids 0..capacity-1 fit */
    uint32_t sequence;
    void *heap_block; /* what heap lies in, shifted to a cache line's border */
} theater__timerq;

void theater__timerq_init(theater__timerq *queue);
void theater__timerq_deinit(theater__timerq *queue);
/* Makes room for ids below ids_count, and as many timers. */
theater_status theater__timerq_reserve(theater__timerq *queue, uint32_t ids_count,
                                       theater_error *err);
/* Starts id's timer, or moves it, then behind its equals; id is within the reserve. */
void theater__timerq_start(theater__timerq *queue, uint32_t id, uint64_t key);
/* False if id had none. */
bool theater__timerq_stop(theater__timerq *queue, uint32_t id);
bool theater__timerq_has(const theater__timerq *queue, uint32_t id);
/* The key of id's timer; false if it has none. */
bool theater__timerq_key(const theater__timerq *queue, uint32_t id, uint64_t *out_key);
/* The least key, UINT64_MAX if there is none. */
uint64_t theater__timerq_next_key(const theater__timerq *queue);
/* The first timer without taking it out; false if there is none. */
bool theater__timerq_peek(const theater__timerq *queue, theater__timerq_entry *out_entry);
/* Takes out the first timer with key <= now; false if there is none. Never is never due. */
bool theater__timerq_pop(theater__timerq *queue, uint64_t now, uint32_t *out_id, uint64_t *out_key);

/*
 * A walk over the timers in the order of their keys that changes nothing:
 * theater__timerq_walk_next() gives them one after the other as long as its frontier has room. The
 * queue must not change meanwhile. The frontier is the caller's memory; k timers need up to 3k + 1
 * places.
 */
typedef struct theater__timerq_walk {
    const theater__timerq *queue;
    uint32_t *frontier; /* places in the heap, themselves a binary heap by key */
    uint32_t frontier_count;
    uint32_t frontier_capacity;
} theater__timerq_walk;

void theater__timerq_walk_begin(theater__timerq_walk *walk, const theater__timerq *queue,
                                uint32_t *frontier, uint32_t frontier_capacity);
/* False at the end, or when the frontier is full. */
bool theater__timerq_walk_next(theater__timerq_walk *walk, theater__timerq_entry *out_entry);

#endif
