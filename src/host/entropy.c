/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random bytes for ids and salts: the kernel's, or, on a virtual clock, a stream that a seed
 * decides, so that the same run gives the same chains.
 */
#include "internal.h"

#include <string.h>
#include <sys/random.h>

#include <base/assert.h>

static void fill_seeded(theater_host *host, uint8_t *out_bytes, size_t size)
{
    while (size > 0) {
        uint64_t block[2] = {host->options.seed, host->entropy_counter++};
        theater_hash hash = theater__sha256(block, sizeof(block));
        size_t piece = size < sizeof(hash.bytes) ? size : sizeof(hash.bytes);
        memcpy(out_bytes, hash.bytes, piece);
        out_bytes += piece;
        size -= piece;
    }
}

void entropy_fill(theater_host *host, uint8_t *out_bytes, size_t size)
{
    if (host->options.clock == THEATER_CLOCK_VIRTUAL) {
        fill_seeded(host, out_bytes, size);
        return;
    }
    THEATER_ASSERT(size <= 256); /* up to here getrandom neither fails nor gives less */
    ssize_t got = getrandom(out_bytes, size, 0);
    THEATER_ASSERT(got == (ssize_t)size);
}

/* A version 4 UUID. */
theater_id entropy_id(theater_host *host)
{
    theater_id id;
    entropy_fill(host, id.bytes, sizeof(id.bytes));
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40);
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    return id;
}
