/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open addressing with linear probing over numbers whose keys stand in the owner's records.
 *
 * A slot holds number + 1, so that zeroed memory is an empty table; REMOVED marks a place that
 * probing has to walk past. The table is rebuilt when live and removed slots together pass three
 * quarters: twice as large if the live ones are the reason, at the same size if the removed ones
 * are. Hashing is SipHash-1-3 under a key made from the map's seed: whoever may choose actor ids
 * could otherwise choose a million of them that meet in one slot.
 *
 * Invariants: slots_count is 0 or a power of two; live <= used < slots_count, so probing always
 * meets an empty slot.
 */
#include <base/map.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <stddef.h>
#include <string.h>

#define EMPTY 0u
#define REMOVED UINT32_MAX
#define NOT_FOUND UINT32_MAX
#define SLOTS_FIRST 16u
#define SLOTS_MAX (1u << 31)
#define NUMBER_MAX (UINT32_MAX - 2u) /* number + 1 stays below REMOVED */

typedef struct sip_state {
    uint64_t v0;
    uint64_t v1;
    uint64_t v2;
    uint64_t v3;
} sip_state;

static inline uint64_t rotate(uint64_t word, unsigned bits)
{
    return (word << bits) | (word >> (64 - bits));
}

static inline void sip_round(sip_state *sip)
{
    sip->v0 += sip->v1;
    sip->v1 = rotate(sip->v1, 13) ^ sip->v0;
    sip->v0 = rotate(sip->v0, 32);
    sip->v2 += sip->v3;
    sip->v3 = rotate(sip->v3, 16) ^ sip->v2;
    sip->v0 += sip->v3;
    sip->v3 = rotate(sip->v3, 21) ^ sip->v0;
    sip->v2 += sip->v1;
    sip->v1 = rotate(sip->v1, 17) ^ sip->v2;
    sip->v2 = rotate(sip->v2, 32);
}

static inline void sip_take(sip_state *sip, uint64_t word)
{
    sip->v3 ^= word;
    sip_round(sip);
    sip->v0 ^= word;
}

/* SipHash-1-3 of 16 bytes. The hash never leaves the process, so byte order does not matter. */
static uint64_t hash_id(const theater_id *id, uint64_t seed)
{
    uint64_t words[2];
    memcpy(words, id->bytes, sizeof words);
    uint64_t second_key = seed * 0x9E3779B97F4A7C15u + 1;
    sip_state sip = {
        .v0 = seed ^ 0x736f6d6570736575u,
        .v1 = second_key ^ 0x646f72616e646f6du,
        .v2 = seed ^ 0x6c7967656e657261u,
        .v3 = second_key ^ 0x7465646279746573u,
    };
    sip_take(&sip, words[0]);
    sip_take(&sip, words[1]);
    sip_take(&sip, (uint64_t)sizeof(theater_id) << 56);
    sip.v2 ^= 0xFFu;
    sip_round(&sip);
    sip_round(&sip);
    sip_round(&sip);
    return sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
}

void theater__map_init(theater__map *map, uint64_t seed, theater__map_key_fn *key,
                       const void *userdata)
{
    THEATER_ASSERT(map != NULL);
    THEATER_ASSERT(key != NULL);
    *map = (theater__map){.seed = seed, .key = key, .userdata = userdata};
}

void theater__map_deinit(theater__map *map)
{
    if (map == NULL) {
        return;
    }
    theater__free(map->slots);
    map->slots = NULL;
    map->slots_count = 0;
    map->used = 0;
    map->live = 0;
}

static inline bool holds(const theater__map *map, uint32_t slot, const theater_id *id)
{
    const theater_id *other = map->key(slot - 1, map->userdata);
    return memcmp(other->bytes, id->bytes, sizeof id->bytes) == 0;
}

/* The index of id's slot, or NOT_FOUND. */
static uint32_t find_slot(const theater__map *map, const theater_id *id)
{
    if (map->live == 0) {
        return NOT_FOUND;
    }
    uint32_t mask = map->slots_count - 1;
    uint32_t at = (uint32_t)hash_id(id, map->seed) & mask;
    while (map->slots[at] != EMPTY) {
        uint32_t slot = map->slots[at];
        if (slot != REMOVED && holds(map, slot, id)) {
            return at;
        }
        at = (at + 1) & mask;
    }
    return NOT_FOUND;
}

uint32_t theater__map_find(const theater__map *map, const theater_id *id)
{
    THEATER_ASSERT(id != NULL);
    uint32_t at = find_slot(map, id);
    return at == NOT_FOUND ? UINT32_MAX : map->slots[at] - 1;
}

/* Puts a number whose key is not there into the first empty slot of its probe. */
static void place(const theater__map *map, uint32_t *slots, uint32_t slots_count, uint32_t number)
{
    const theater_id *id = map->key(number, map->userdata);
    uint32_t mask = slots_count - 1;
    uint32_t at = (uint32_t)hash_id(id, map->seed) & mask;
    while (slots[at] != EMPTY) {
        at = (at + 1) & mask;
    }
    slots[at] = number + 1;
}

static bool rebuild(theater__map *map, uint32_t slots_count)
{
    THEATER_ASSERT((slots_count & (slots_count - 1)) == 0);
    THEATER_ASSERT(map->live < slots_count);
    uint32_t *slots = theater__alloc_zeroed(slots_count, sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < map->slots_count; i++) {
        uint32_t slot = map->slots[i];
        if (slot != EMPTY && slot != REMOVED) {
            place(map, slots, slots_count, slot - 1);
        }
    }
    theater__free(map->slots);
    map->slots = slots;
    map->slots_count = slots_count;
    map->used = map->live;
    return true;
}

bool theater__map_add(theater__map *map, uint32_t number)
{
    THEATER_ASSERT(number <= NUMBER_MAX);
    THEATER_ASSERT(find_slot(map, map->key(number, map->userdata)) == NOT_FOUND);
    uint32_t threshold = map->slots_count / 4 * 3;
    if (map->used + 1 > threshold) {
        uint32_t slots_count = map->slots_count > 0 ? map->slots_count : SLOTS_FIRST;
        if (map->live >= threshold / 2 && map->slots_count > 0) {
            if (slots_count == SLOTS_MAX) {
                return false;
            }
            slots_count *= 2;
        }
        if (!rebuild(map, slots_count)) {
            return false;
        }
    }
    place(map, map->slots, map->slots_count, number);
    map->live++;
    map->used++;
    THEATER_ASSERT(map->live <= map->used);
    THEATER_ASSERT(map->used < map->slots_count);
    return true;
}

void theater__map_remove(theater__map *map, uint32_t number)
{
    THEATER_ASSERT(number <= NUMBER_MAX);
    uint32_t at = find_slot(map, map->key(number, map->userdata));
    THEATER_ASSERT(at != NOT_FOUND);
    THEATER_ASSERT(map->slots[at] == number + 1);
    uint32_t after = map->slots[(at + 1) & (map->slots_count - 1)];
    map->live--;
    if (after == EMPTY) {
        map->slots[at] = EMPTY; /* the end of every probe that comes by here */
        map->used--;
    } else {
        map->slots[at] = REMOVED;
    }
}
