/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From actor ids to small numbers: an open-addressing index without keys of its own. The keys stand
 * in the owner's records already, so a slot is 4 bytes and a million actors cost 8 MB of index.
 * The owner gives a function that returns the key of a number. Hashing is keyed per map: ids may be
 * chosen by strangers.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stdint.h>
#include <theater/id.h>

typedef const theater_id *theater__map_key_fn(uint32_t number, const void *userdata);

typedef struct theater__map {
    uint32_t *slots;      /* number + 1; 0 = empty; UINT32_MAX = removed */
    uint32_t slots_count; /* power of two */
    uint32_t used;        /* live + removed */
    uint32_t live;
    uint64_t seed;
    theater__map_key_fn *key;
    const void *userdata;
} theater__map;

void theater__map_init(theater__map *map, uint64_t seed, theater__map_key_fn *key,
                       const void *userdata);
void theater__map_deinit(theater__map *map);
/* The number stored for id, or UINT32_MAX. */
uint32_t theater__map_find(const theater__map *map, const theater_id *id);
/* Adds number under its key, which must not be there yet; false without memory. */
bool theater__map_add(theater__map *map, uint32_t number);
/* Takes out number, whose key must still be readable. */
void theater__map_remove(theater__map *map, uint32_t number);

#endif
