/* SPDX-License-Identifier: Apache-2.0 */
/**
 * \file limits.h
 * \brief What one actor may use. The numbers are part of its genesis.
 *
 * Guests are hostile: each of these bounds something that a guest was seen to exhaust. An actor
 * that reaches one gets an ordinary failure (`memory.grow` gives -1) or is ended with an event that
 * names the limit; nobody else is hurt.
 */
#ifndef THEATER_LIMITS_H
#define THEATER_LIMITS_H

#include <stddef.h>
#include <stdint.h>
#include <theater/export.h>

/** Limits of one actor. Start from THEATER_LIMITS_INIT; fields are only ever appended. */
typedef struct theater_limits {
    size_t struct_size;            /**< sizeof(theater_limits) */
    uint64_t memory_bytes_max;     /**< each linear memory; beyond it memory.grow gives -1 */
    uint64_t table_elements_max;   /**< each table; beyond it table.grow gives -1 */
    uint32_t instances_max;        /**< core instances of one component instance */
    uint32_t tables_max;           /**< tables of one component instance */
    uint32_t memories_max;         /**< linear memories of one component instance */
    uint32_t handles_max;          /**< resources the guest may hold of the host's */
    uint64_t host_call_bytes_max;  /**< what one host call may move (host-call fuel) */
    uint64_t turn_cpu_ms_max;      /**< CPU time from a wake to the next suspension */
    uint64_t call_cpu_ms_max;      /**< CPU time of one call, which a replay spends again */
    uint64_t call_chain_bytes_max; /**< bytes of events that one call may append */
    uint64_t state_bytes_max;      /**< the state an actor passes from call to call */
} theater_limits;

/** The defaults: every stock guest that was tried passes them, no attack that was tried does. */
#define THEATER_LIMITS_INIT                                                                    \
    {                                                                                          \
        sizeof(theater_limits), (uint64_t)64 << 20, 20000, 64, 16, 4, 1000, (uint64_t)1 << 20, \
            5000, 60000, (uint64_t)64 << 20, (uint64_t)1 << 20                                 \
    }

#endif
