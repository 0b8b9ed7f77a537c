/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A 4-ary heap of 16-byte entries, so that the four children of a node lie in one cache line:
 *
 *     place       0 | 1  2  3  4 | 5  6  7  8 | 9 10 11 12 | ...
 *     child of    - | 0  0  0  0 | 1  1  1  1 | 2  2  2  2 | ...
 *                   ^ on a line's border (64 bytes)
 *
 * Half as deep as a binary heap, and a level costs one line instead of two. Keys stand in the heap
 * itself: comparing never follows a pointer into an actor. `places` finds a timer by its id, so
 * that one can be moved or stopped; it is the price of every move of an entry, four bytes each.
 *
 * Comparing takes branches on purpose. Half of them are mispredicted, but a guess lets the
 * processor run ahead to the next level's line; code without branches waits for one line after the
 * other, and was twice as slow with a million timers. Asking ahead for the four lines of the level
 * after the next gains a quarter.
 *
 * Order: key, then sequence, the number of the start. Sequences are compared by their signed
 * difference, so they may wrap around: equal keys keep the order of their starts as long as fewer
 * than 2^31 starts lie between the first and the last of them. Beyond that, the order of equals is
 * any; keys are always in order.
 *
 * Invariant: for each place p > 0, heap[(p - 1) / 4] comes before heap[p]; places[heap[p].id] is
 * p + 1; all other places are 0.
 */
#include <timerq/timerq.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <string.h>

#define ARITY 4u
#define LINE_BYTES 64u
#define IDS_FIRST 64u
#define IDS_MAX (UINT32_MAX / 2) /* places and the arithmetic of growing stay in 32 bits */
#define NO_PLACE 0u

_Static_assert(sizeof(theater__timerq_entry) == 16, "16 bytes a timer in the heap");
_Static_assert(ARITY * sizeof(theater__timerq_entry) == LINE_BYTES, "four children are a line");

static inline bool before(const theater__timerq_entry *a, const theater__timerq_entry *b)
{
    if (a->key != b->key) {
        return a->key < b->key;
    }
    return (int32_t)(a->sequence - b->sequence) < 0;
}

static inline void put(theater__timerq *queue, uint32_t place, theater__timerq_entry entry)
{
    queue->heap[place] = entry;
    queue->places[entry.id] = place + 1;
}

/* Puts entry at place or above it, where it belongs. */
static void sift_up(theater__timerq *queue, uint32_t place, theater__timerq_entry entry)
{
    while (place > 0) {
        uint32_t parent = (place - 1) / ARITY;
        if (!before(&entry, &queue->heap[parent])) {
            break;
        }
        put(queue, place, queue->heap[parent]);
        place = parent;
    }
    put(queue, place, entry);
}

/* The first of the children of a place, of which there is at least one. */
static inline uint32_t first_child(const theater__timerq *queue, uint32_t children)
{
    const theater__timerq_entry *heap = queue->heap;
    if (queue->count - children >= ARITY) {
        uint32_t left = children + (before(&heap[children + 1], &heap[children]) ? 1 : 0);
        uint32_t right = children + 2 + (before(&heap[children + 3], &heap[children + 2]) ? 1 : 0);
        return before(&heap[right], &heap[left]) ? right : left;
    }
    uint32_t first = children;
    for (uint32_t i = children + 1; i < queue->count; i++) {
        first = before(&heap[i], &heap[first]) ? i : first;
    }
    return first;
}

/* Asks for the four lines of which the next level will want one, while this level is compared. */
static inline void prefetch_grandchildren(const theater__timerq *queue, uint64_t children)
{
    uint64_t grandchildren = children * ARITY + 1;
    for (uint64_t i = 0; i < ARITY && grandchildren + i * ARITY < queue->count; i++) {
        __builtin_prefetch(&queue->heap[grandchildren + i * ARITY]);
    }
}

/* Puts entry at place or below it, where it belongs. */
static void sift_down(theater__timerq *queue, uint32_t place, theater__timerq_entry entry)
{
    uint64_t children = (uint64_t)place * ARITY + 1;
    while (children < queue->count) {
        prefetch_grandchildren(queue, children);
        uint32_t first = first_child(queue, (uint32_t)children);
        if (!before(&queue->heap[first], &entry)) {
            break;
        }
        put(queue, place, queue->heap[first]);
        place = first;
        children = (uint64_t)place * ARITY + 1;
    }
    put(queue, place, entry);
}

/* Takes out what is at place, and fills the gap with the last entry. */
static void remove_at(theater__timerq *queue, uint32_t place)
{
    THEATER_ASSERT(place < queue->count);
    queue->places[queue->heap[place].id] = NO_PLACE;
    queue->count--;
    if (place == queue->count) {
        return;
    }
    theater__timerq_entry last = queue->heap[queue->count];
    bool up = place > 0 && before(&last, &queue->heap[(place - 1) / ARITY]);
    if (up) {
        sift_up(queue, place, last);
    } else {
        sift_down(queue, place, last);
    }
}

void theater__timerq_init(theater__timerq *queue)
{
    THEATER_ASSERT(queue != NULL);
    *queue = (theater__timerq){0};
}

void theater__timerq_deinit(theater__timerq *queue)
{
    if (queue == NULL) {
        return;
    }
    theater__free(queue->heap_block);
    theater__free(queue->places);
    *queue = (theater__timerq){0};
}

/* Where in a block the heap has to start for heap[1] to lie on a line's border. */
static theater__timerq_entry *aligned_heap(void *block)
{
    uintptr_t second = (uintptr_t)block + sizeof(theater__timerq_entry);
    uintptr_t shift = (LINE_BYTES - second % LINE_BYTES) % LINE_BYTES;
    return (theater__timerq_entry *)(void *)((char *)block + shift);
}

theater_status theater__timerq_reserve(theater__timerq *queue, uint32_t ids_count,
                                       theater_error *err)
{
    THEATER_ASSERT(queue != NULL);
    THEATER_ASSERT(queue->count <= queue->capacity);
    if (ids_count <= queue->capacity) {
        return THEATER_OK;
    }
    if (ids_count > IDS_MAX) {
        return theater__fail(err, THEATER_ERR_LIMIT, "%u timers are more than timers_max (%u)",
                             ids_count, IDS_MAX);
    }
    uint32_t capacity = queue->capacity + queue->capacity / 2;
    capacity = capacity < ids_count ? ids_count : capacity;
    capacity = capacity < IDS_FIRST ? IDS_FIRST : capacity;
    size_t heap_bytes = (size_t)capacity * sizeof(theater__timerq_entry) + LINE_BYTES;
    void *block = theater__alloc(heap_bytes);
    if (block == NULL) {
        return theater__fail_nomem(err);
    }
    uint32_t *places = theater__realloc_array(queue->places, capacity, sizeof *places);
    if (places == NULL) {
        theater__free(block);
        return theater__fail_nomem(err);
    }
    memset(places + queue->capacity, 0, (size_t)(capacity - queue->capacity) * sizeof *places);
    queue->places = places;
    theater__timerq_entry *heap = aligned_heap(block);
    if (queue->count > 0) {
        memcpy(heap, queue->heap, (size_t)queue->count * sizeof *heap);
    }
    theater__free(queue->heap_block);
    queue->heap_block = block;
    queue->heap = heap;
    queue->capacity = capacity;
    return THEATER_OK;
}

void theater__timerq_start(theater__timerq *queue, uint32_t id, uint64_t key)
{
    THEATER_ASSERT(id < queue->capacity);
    theater__timerq_entry entry = {key, queue->sequence, id};
    queue->sequence++;
    uint32_t place = queue->places[id];
    if (place == NO_PLACE) {
        THEATER_ASSERT(queue->count < queue->capacity);
        queue->count++;
        sift_up(queue, queue->count - 1, entry);
        return;
    }
    place--;
    THEATER_ASSERT(queue->heap[place].id == id);
    if (before(&entry, &queue->heap[place])) {
        sift_up(queue, place, entry);
    } else {
        sift_down(queue, place, entry);
    }
}

bool theater__timerq_stop(theater__timerq *queue, uint32_t id)
{
    if (!theater__timerq_has(queue, id)) {
        return false;
    }
    remove_at(queue, queue->places[id] - 1);
    THEATER_ASSERT(queue->places[id] == NO_PLACE);
    return true;
}

bool theater__timerq_has(const theater__timerq *queue, uint32_t id)
{
    return id < queue->capacity && queue->places[id] != NO_PLACE;
}

bool theater__timerq_key(const theater__timerq *queue, uint32_t id, uint64_t *out_key)
{
    if (!theater__timerq_has(queue, id)) {
        return false;
    }
    *out_key = queue->heap[queue->places[id] - 1].key;
    return true;
}

uint64_t theater__timerq_next_key(const theater__timerq *queue)
{
    return queue->count > 0 ? queue->heap[0].key : UINT64_MAX;
}

bool theater__timerq_peek(const theater__timerq *queue, theater__timerq_entry *out_entry)
{
    THEATER_ASSERT(out_entry != NULL);
    if (queue->count == 0) {
        return false;
    }
    *out_entry = queue->heap[0];
    return true;
}

bool theater__timerq_pop(theater__timerq *queue, uint64_t now, uint32_t *out_id, uint64_t *out_key)
{
    THEATER_ASSERT(out_id != NULL && out_key != NULL);
    if (queue->count == 0 || queue->heap[0].key > now || queue->heap[0].key == UINT64_MAX) {
        return false;
    }
    *out_id = queue->heap[0].id;
    *out_key = queue->heap[0].key;
    remove_at(queue, 0);
    THEATER_ASSERT(queue->places[*out_id] == NO_PLACE);
    return true;
}
