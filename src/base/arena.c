/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bump allocator of one turn.
 *
 *     blocks -> [ being filled ....>      ] -> [ full ] -> [ one large request ] -> NULL
 *
 * The first block is small: most arenas see a few values and are gone, and a large block would cost
 * them a slow path of the allocator, each of a thousand residents 16 KiB. Requests that do not fit
 * a block of the usual size get one of their own, which goes second in the chain, so that the block
 * being filled keeps its rest. A reset keeps one block, of the usual size if there is one: turn
 * after turn then runs without an allocation, and one large turn does not hold its memory.
 *
 * Invariant: used counts what was handed out, rounded up to the alignment, and never exceeds the
 * bound; headers and the unused ends of blocks come on top.
 */
#include <base/arena.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/limits.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ALIGNMENT 16u
#define FIRST_BYTES ((size_t)512)      /* a few values; what malloc has at hand */
#define BLOCK_BYTES ((size_t)16 << 10) /* most turns fit in one */

struct theater__arena_block {
    theater__arena_block *next;
    size_t size; /* bytes of data */
    size_t used;
    alignas(ALIGNMENT) uint8_t data[];
};

_Static_assert(sizeof(theater__arena_block) % ALIGNMENT == 0, "data starts aligned");
_Static_assert(FIRST_BYTES > sizeof(theater__arena_block), "a block has room");
_Static_assert(BLOCK_BYTES > FIRST_BYTES, "blocks grow");

#define FIRST_DATA_BYTES (FIRST_BYTES - sizeof(theater__arena_block))
#define BLOCK_DATA_BYTES (BLOCK_BYTES - sizeof(theater__arena_block))

static size_t block_size(const theater__arena *arena, size_t wanted)
{
    if (arena->blocks == NULL && wanted <= FIRST_DATA_BYTES) {
        return FIRST_DATA_BYTES;
    }
    return wanted <= BLOCK_DATA_BYTES ? BLOCK_DATA_BYTES : wanted;
}

/* A new block, put where the drawing says; NULL without memory. */
static theater__arena_block *add_block(theater__arena *arena, size_t wanted)
{
    size_t data_size = block_size(arena, wanted);
    bool own = data_size > BLOCK_DATA_BYTES;
    theater__arena_block *block = theater__alloc(sizeof *block + data_size);
    if (block == NULL) {
        return NULL;
    }
    block->size = data_size;
    block->used = 0;
    if (own && arena->blocks != NULL) {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    } else {
        block->next = arena->blocks;
        arena->blocks = block;
    }
    return block;
}

void *theater__arena_alloc(theater__arena *arena, size_t size)
{
    size_t used_max = arena->used_max > 0 ? arena->used_max : THEATER__ARENA_BYTES_MAX;
    THEATER_ASSERT(arena->used <= used_max);
    if (size > used_max - arena->used) {
        return NULL;
    }
    size_t wanted = (size > 0 ? size + (ALIGNMENT - 1) : ALIGNMENT) & ~(size_t)(ALIGNMENT - 1);
    if (wanted < size || wanted > used_max - arena->used) {
        return NULL;
    }
    theater__arena_block *block = arena->blocks;
    if (block == NULL || wanted > block->size - block->used) {
        block = add_block(arena, wanted);
        if (block == NULL) {
            return NULL;
        }
    }
    THEATER_ASSERT(wanted <= block->size - block->used);
    void *at = block->data + block->used;
    block->used += wanted;
    arena->used += wanted;
    return at;
}

void *theater__arena_array(theater__arena *arena, size_t count, size_t size)
{
    size_t total = 0;
    if (__builtin_mul_overflow(count, size, &total)) {
        return NULL;
    }
    void *at = theater__arena_alloc(arena, total);
    if (at != NULL) {
        memset(at, 0, total);
    }
    return at;
}

void theater__arena_reset(theater__arena *arena)
{
    theater__arena_block *kept = NULL;
    theater__arena_block *block = arena->blocks;
    while (block != NULL) {
        theater__arena_block *next = block->next;
        bool is_kept =
            block->size <= BLOCK_DATA_BYTES && (kept == NULL || kept->size < block->size);
        if (is_kept) {
            theater__free(kept);
            kept = block;
        } else {
            theater__free(block);
        }
        block = next;
    }
    if (kept != NULL) {
        kept->next = NULL;
        kept->used = 0;
    }
    arena->blocks = kept;
    arena->used = 0;
}

void theater__arena_deinit(theater__arena *arena)
{
    if (arena == NULL) {
        return;
    }
    theater__arena_reset(arena);
    theater__free(arena->blocks);
    arena->blocks = NULL;
}
