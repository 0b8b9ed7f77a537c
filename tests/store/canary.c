/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See canary.h. The names are the linker's: `--wrap=f` sends calls of f to __wrap_f and gives the
 * original as __real_f.
 */
#include "canary.h"

#include <string.h>
#include <sys/random.h>

#include "compact.h"
#include "crc32c.h"

canary the_canary;

uint32_t __real_theater__crc32c(uint32_t crc, const void *data, size_t size);
uint32_t __wrap_theater__crc32c(uint32_t crc, const void *data, size_t size);
theater_status __real_theater__logstore_trail(theater__logstore *log, uint64_t place,
                                              theater__log_trail *out_trail, theater_error *err);
theater_status __wrap_theater__logstore_trail(theater__logstore *log, uint64_t place,
                                              theater__log_trail *out_trail, theater_error *err);
uint32_t __real_theater__view_first(theater__io *io, const char *directory);
uint32_t __wrap_theater__view_first(theater__io *io, const char *directory);
ssize_t __real_getrandom(void *data, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *data, size_t size, unsigned flags);

uint32_t __wrap_theater__crc32c(uint32_t crc, const void *data, size_t size)
{
    return the_canary.without_crc ? 0 : __real_theater__crc32c(crc, data, size);
}

theater_status __wrap_theater__logstore_trail(theater__logstore *log, uint64_t place,
                                              theater__log_trail *out_trail, theater_error *err)
{
    theater_status status = __real_theater__logstore_trail(log, place, out_trail, err);
    if (status == THEATER_OK && the_canary.without_fence && the_canary.stale != NULL) {
        out_trail->actor = the_canary.stale->actor;
        out_trail->head = the_canary.stale->parent;
        out_trail->next_seq = the_canary.stale->first_seq;
    }
    return status;
}

uint32_t __wrap_theater__view_first(theater__io *io, const char *directory)
{
    uint32_t first = __real_theater__view_first(io, directory);
    if (the_canary.never_rests) {
        the_canary.compactions++;
        first += the_canary.compactions;
    }
    return first;
}

ssize_t __wrap_getrandom(void *data, size_t size, unsigned flags)
{
    if (!the_canary.fixed_random) {
        return __real_getrandom(data, size, flags);
    }
    uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        /* A step of Knuth's generator for each byte: any fixed sequence will do. */
        the_canary.random =
            the_canary.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        bytes[i] = (uint8_t)(the_canary.random >> 56);
    }
    return (ssize_t)size;
}
