/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public functions over stores as files. They need no host: the store room does all of it.
 */
#include "internal.h"

#include <base/assert.h>
#include <theater/store.h>

theater_status theater_store_backup(const char *url, const char *directory, theater_error *err)
{
    THEATER_ASSERT(url != NULL);
    THEATER_ASSERT(directory != NULL);
    return theater__store_backup(url, directory, err);
}
