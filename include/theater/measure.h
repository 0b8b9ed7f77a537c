/* SPDX-License-Identifier: Apache-2.0 */
/**
 * \file measure.h
 * \brief Figures: how late a host's wakes are, and what the parts under it cost on this machine.
 */
#ifndef THEATER_MEASURE_H
#define THEATER_MEASURE_H

#include <stddef.h>
#include <stdint.h>
#include <theater/actor.h>
#include <theater/chain.h>
#include <theater/error.h>

THEATER_BEGIN_DECLS

/** Steps of a histogram within one power of two: a value is known to 1/64 of itself. */
#define THEATER_HISTOGRAM_STEPS 64u
/** Counters of a histogram: one a value below 64, then 64 a power of two, up to 2^64. */
#define THEATER_HISTOGRAM_COUNTERS (THEATER_HISTOGRAM_STEPS * 59u)

/**
 * A log-linear histogram: fixed memory, the same relative error everywhere, and adding a value is
 * a few instructions. Zeroed memory is an empty one.
 */
typedef struct theater_histogram {
    uint64_t count; /**< values added */
    uint64_t min;   /**< exact; 0 if there are none */
    uint64_t max;   /**< exact; 0 if there are none */
    uint64_t counters[THEATER_HISTOGRAM_COUNTERS];
} theater_histogram;

/** \brief Counts a value. */
THEATER_API void theater_histogram_add(theater_histogram *histogram, uint64_t value);
/** \brief Adds all values of one to another: of the hosts of several shards, say. */
THEATER_API void theater_histogram_merge(theater_histogram *histogram,
                                         const theater_histogram *other);
/**
 * \brief The value that a part of all values does not exceed.
 * \param histogram borrowed
 * \param part      0.5 for the median, 0.99, …; 0 gives the least, 1 the greatest
 * \return at most 1/64 above the exact answer, never above max; 0 if there are no values
 */
THEATER_API uint64_t theater_histogram_quantile(const theater_histogram *histogram, double part);

/**
 * \brief How late the waits that ended by their time were, in ns, since the host was made.
 *
 * Lateness of a `deadline` is known to the millisecond, since that is how wall time is counted.
 *
 * \param host    borrowed, owner thread only
 * \param out_all copied; some 30 KiB
 */
THEATER_API void theater_host_lateness(const theater_host *host, theater_histogram *out_all);

/**
 * \brief The same of one actor, from its chain: a sleeper costs no memory for its histogram.
 *
 * \param chain   borrowed; events that are redacted are passed over
 * \param out_all set on success only; some 30 KiB
 * \param err     optional
 * \retval THEATER_ERR_CORRUPT a completion cannot be read
 * \retval THEATER_ERR_NOMEM   out of memory
 */
THEATER_API theater_status theater_chain_lateness(const theater_chain *chain,
                                                  theater_histogram *out_all, theater_error *err);

/** What theater_measure_timers() found. CPU time of the calling thread. */
typedef struct theater_timer_figures {
    double start_ns; /**< one timer started, while the queue fills */
    double renew_ns; /**< the earliest one expires and is started again, in the full queue */
} theater_timer_figures;

/**
 * \brief Measures the deadline queue with so many timers in it.
 * \param timers_count  up to 2^24
 * \param renewals      expirations to measure, at least 1
 * \param out_figures   set on success only
 * \param err           optional
 * \retval THEATER_ERR_INVALID a count of 0, or too many timers
 * \retval THEATER_ERR_NOMEM   out of memory
 */
THEATER_API theater_status theater_measure_timers(uint32_t timers_count, uint64_t renewals,
                                                  theater_timer_figures *out_figures,
                                                  theater_error *err);

/** What to measure of a store. Start from THEATER_STORE_LOAD_INIT. */
typedef struct theater_store_load {
    size_t struct_size;
    const char *store_url;  /**< an empty store; what is written into it is of no use */
    uint32_t writers_count; /**< each has one batch in flight and sends the next when it is done */
    uint32_t events_count;  /**< in a batch; 64 bytes each */
    uint64_t duration_ms;
} theater_store_load;
#define THEATER_STORE_LOAD_INIT                      \
    {                                                \
        sizeof(theater_store_load), NULL, 1, 3, 1000 \
    }

/** What theater_measure_store() found. */
typedef struct theater_store_figures {
    uint64_t commits;    /**< batches that became durable */
    uint64_t elapsed_ns; /**< from the first submission to the last completion */
} theater_store_figures;

/**
 * \brief Measures how many batches a second a store makes durable. Blocks for the duration.
 * \param load        what is sent
 * \param out_figures set on success only
 * \param err         optional
 * \retval THEATER_ERR_INVALID a count of 0
 * \retval THEATER_ERR_LIMIT   more than 65536 writers, or than 4096 events in a batch
 * \retval THEATER_ERR_EXISTS  the store holds actors
 * \retval THEATER_ERR_STORE   it cannot be opened, or has stopped
 */
THEATER_API theater_status theater_measure_store(const theater_store_load *load,
                                                 theater_store_figures *out_figures,
                                                 theater_error *err);

THEATER_END_DECLS
#endif
