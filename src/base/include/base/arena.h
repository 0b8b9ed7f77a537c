/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of one turn: handed out by bumping a pointer, taken back all at once. Decoded values and
 * the arguments of a host call live here. A named bound keeps a guest from growing it without end.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

typedef struct theater__arena_block theater__arena_block;

typedef struct theater__arena {
    theater__arena_block *blocks; /* the one being filled first */
    size_t used;                  /* bytes handed out since the last reset */
    size_t used_max;              /* bound on that; 0 = THEATER__ARENA_BYTES_MAX */
} theater__arena;

/* 16-byte aligned, not zeroed; NULL without memory or past the bound. size 0 gives a pointer. */
void *theater__arena_alloc(theater__arena *arena, size_t size);
/* count * size, overflow-checked, zeroed. */
void *theater__arena_array(theater__arena *arena, size_t count, size_t size);
/* Takes everything back; keeps one block for the next turn. */
void theater__arena_reset(theater__arena *arena);
void theater__arena_deinit(theater__arena *arena);

#endif
