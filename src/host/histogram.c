/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of HdrHistogram with its parameters fixed: 64 linear steps in each power of two.
 *
 *     value      0 … 63 | 64 … 127 | 128 … 255 | 256 … 511 | …
 *     step            1 |        1 |         2 |         4 | …
 *     counters       64 |       64 |        64 |        64 | …   59 rows, up to 2^64 - 1
 */
#include "internal.h"

#include <string.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>

#define STEPS_LOG2 6u

_Static_assert(1u << STEPS_LOG2 == THEATER_HISTOGRAM_STEPS, "a row is a power of two");

static uint32_t counter_of(uint64_t value)
{
    if (value < THEATER_HISTOGRAM_STEPS) {
        return (uint32_t)value;
    }
    uint32_t shift = 63u - (uint32_t)__builtin_clzll(value) - STEPS_LOG2;
    return shift * THEATER_HISTOGRAM_STEPS + (uint32_t)(value >> shift);
}

/* The greatest value that a counter counts. */
static uint64_t last_value_of(uint32_t counter)
{
    if (counter < 2 * THEATER_HISTOGRAM_STEPS) {
        return counter;
    }
    uint32_t shift = counter / THEATER_HISTOGRAM_STEPS - 1;
    uint64_t step = THEATER_HISTOGRAM_STEPS + counter % THEATER_HISTOGRAM_STEPS;
    return ((step + 1) << shift) - 1; /* the last one wraps to 2^64 - 1, as it should */
}

void theater_histogram_add(theater_histogram *histogram, uint64_t value)
{
    uint32_t counter = counter_of(value);
    THEATER_ASSERT(counter < THEATER_HISTOGRAM_COUNTERS);
    histogram->counters[counter]++;
    histogram->min = histogram->count == 0 || value < histogram->min ? value : histogram->min;
    histogram->max = value > histogram->max ? value : histogram->max;
    histogram->count++;
}

void theater_histogram_merge(theater_histogram *histogram, const theater_histogram *other)
{
    if (other->count == 0) {
        return;
    }
    for (uint32_t i = 0; i < THEATER_HISTOGRAM_COUNTERS; i++) {
        histogram->counters[i] += other->counters[i];
    }
    histogram->min =
        histogram->count == 0 || other->min < histogram->min ? other->min : histogram->min;
    histogram->max = other->max > histogram->max ? other->max : histogram->max;
    histogram->count += other->count;
}

uint64_t theater_histogram_quantile(const theater_histogram *histogram, double part)
{
    THEATER_ASSERT(part >= 0 && part <= 1);
    double exact = part * (double)histogram->count;
    uint64_t wanted = (uint64_t)exact;
    wanted += (double)wanted < exact || wanted == 0;
    if (histogram->count == 0 || part == 0) {
        return histogram->min;
    }
    uint64_t passed = 0;
    for (uint32_t i = 0; i < THEATER_HISTOGRAM_COUNTERS; i++) {
        passed += histogram->counters[i];
        if (passed >= wanted) {
            uint64_t value = last_value_of(i);
            return value < histogram->max ? value : histogram->max;
        }
    }
    return histogram->max;
}

void theater_host_lateness(const theater_host *host, theater_histogram *out_all)
{
    THEATER_ASSERT(host != NULL);
    *out_all = host->lateness;
}

/* A completion by time says how late it was. */
static theater_status add_completion(const theater_event *event, theater_histogram *all,
                                     theater_error *err)
{
    theater__completion completion;
    theater_status status = theater__completion_decode(event->payload, &completion, err);
    if (status == THEATER_OK &&
        (completion.outcome == THEATER_WAIT_DUE || completion.outcome == THEATER_WAIT_OVERDUE)) {
        theater_histogram_add(all, completion.late_ns);
    }
    return status;
}

theater_status theater_chain_lateness(const theater_chain *chain, theater_histogram *out_all,
                                      theater_error *err)
{
    THEATER_ASSERT(chain != NULL);
    THEATER_ASSERT(out_all != NULL);
    THEATER_AUTOFREE theater_histogram *all = theater__alloc_zeroed(1, sizeof(*all));
    if (all == NULL) {
        return theater__fail_nomem(err);
    }
    theater_event event;
    size_t position = 0;
    theater_status status = THEATER_OK;
    while (status == THEATER_OK) {
        status = theater_chain_next(chain, &position, &event, err);
        if (status == THEATER_OK && event.kind == THEATER_KIND_COMPLETION && !event.is_redacted) {
            status = add_completion(&event, all, err);
        }
    }
    if (status != THEATER_ERR_NOTFOUND) {
        return status;
    }
    memcpy(out_all, all, sizeof(*all));
    return THEATER_OK;
}
