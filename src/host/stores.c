/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public functions over stores as files. They need no host: the store room does all of it.
 */
#include "internal.h"

#include <base/assert.h>
#include <base/limits.h>
#include <theater/store.h>

_Static_assert(THEATER_SHARDS_MAX == THEATER__SHARDS_MAX, "one limit, two names");

theater_status theater_store_shards(const char *url, uint32_t *out_count, theater_error *err)
{
    THEATER_ASSERT(url != NULL);
    THEATER_ASSERT(out_count != NULL);
    return theater__store_shards(url, out_count, err);
}

uint32_t theater_store_shard_of(theater_id id, uint32_t shards_count)
{
    THEATER_ASSERT(shards_count > 0);
    return theater__shard_of(&id, shards_count);
}

theater_status theater_store_backup(const char *url, const char *directory, theater_error *err)
{
    THEATER_ASSERT(url != NULL);
    THEATER_ASSERT(directory != NULL);
    return theater__store_backup(url, directory, err);
}
