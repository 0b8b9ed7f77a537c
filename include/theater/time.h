/* SPDX-License-Identifier: Apache-2.0 */
/**
 * \file time.h
 * \brief The two kinds of time, as types that do not mix.
 *
 * Elapsed time (theater_mono) is what `sleep` waits for: CLOCK_BOOTTIME, which goes on while the
 * machine is suspended and knows nothing of anyone setting the date. Wall time (theater_wall) is
 * what `now` returns and `deadline` waits for: milliseconds since 1970, which may be stepped.
 * Giving one where the other is wanted does not compile; conversions live in the clock room alone.
 */
#ifndef THEATER_TIME_H
#define THEATER_TIME_H

#include <stdint.h>
#include <theater/export.h>

/** Elapsed time: nanoseconds of CLOCK_BOOTTIME (or of the simulated clock). */
typedef struct theater_mono {
    uint64_t ns; /**< nanoseconds since boot; UINT64_MAX = never */
} theater_mono;

/** Wall time: milliseconds since 1970-01-01T00:00:00Z. */
typedef struct theater_wall {
    uint64_t ms; /**< milliseconds since the epoch; UINT64_MAX = never */
} theater_wall;

#endif
