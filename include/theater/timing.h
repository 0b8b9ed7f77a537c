/* SPDX-License-Identifier: Apache-2.0 */
/**
 * \file timing.h
 * \brief The Timing Host: `ntwk:theater/timing` { now, sleep, deadline } for guests.
 *
 *     now:      func() -> u64                                    ms since 1970
 *     sleep:    func(duration: u64) -> result<_, string>         ms
 *     deadline: func(timestamp: u64) -> result<_, string>        ms since 1970
 *
 * Bounds are judged before anything waits; a rejected operation gives the guest the error's text
 * and is recorded like every other. `sleep(0)` is ok at once whatever the minimum, a deadline that
 * has come is ok at once. Names and rules are those of Theater's Timing Host module.
 */
#ifndef THEATER_TIMING_H
#define THEATER_TIMING_H

#include <stdint.h>
#include <theater/handler.h>

THEATER_BEGIN_DECLS

/** Bounds of the Timing Host, in ms. */
typedef struct theater_timing_host_config {
    size_t struct_size;
    uint64_t max_sleep_duration; /**< longest sleep, farthest deadline; UINT64_MAX = no bound */
    uint64_t min_sleep_duration; /**< shortest sleep but 0 */
} theater_timing_host_config;
/** One hour and one millisecond. A zero is a zero: write every field or start from this. */
#define THEATER_TIMING_HOST_CONFIG_INIT                \
    {                                                  \
        sizeof(theater_timing_host_config), 3600000, 1 \
    }

typedef struct theater_timing_host theater_timing_host;

/**
 * \brief Makes a Timing Host.
 * \param config   copied; NULL for the defaults
 * \param out_host to be freed with theater_timing_host_free(), or given to a host as handler
 * \param err      optional
 * \retval THEATER_ERR_INVALID the minimum is above the maximum
 */
THEATER_API theater_status theater_timing_host_new(const theater_timing_host_config *config,
                                                   theater_timing_host **out_host,
                                                   theater_error *err);
/** \brief Accepts NULL. */
THEATER_API void theater_timing_host_free(theater_timing_host *host);

/**
 * \brief Adds now, sleep and deadline to a component, unversioned and as `@0.1.0`.
 * \retval THEATER_ERR_EXISTS they are there already
 */
THEATER_API theater_status theater_timing_host_setup_host_functions(
    const theater_timing_host *host, theater_actor_component *component, theater_error *err);
/** \brief Timing needs no exports of the actor: succeeds, adds nothing. */
THEATER_API theater_status theater_timing_host_add_export_functions(
    const theater_timing_host *host, theater_actor_instance *instance, theater_error *err);
/** \brief Says the bounds once to the log of the actor's host; there is nothing to run. */
THEATER_API theater_status theater_timing_host_start(theater_timing_host *host,
                                                     theater_actor_handle actor,
                                                     theater_shutdown_receiver *shutdown,
                                                     theater_error *err);
/** \brief The Timing Host as a handler for theater_host_add_handler(), which then frees it. */
THEATER_API theater_handler theater_timing_host_handler(theater_timing_host *host);

/** The five errors of the specification. */
typedef enum theater_timing_error_kind {
    THEATER_TIMING_ERROR_TIMING = 1,
    THEATER_TIMING_ERROR_DURATION_TOO_LONG = 2,
    THEATER_TIMING_ERROR_DURATION_TOO_SHORT = 3,
    THEATER_TIMING_ERROR_INVALID_DEADLINE = 4, /**< for embedders: `deadline` never raises it */
    THEATER_TIMING_ERROR_ACTOR = 5
} theater_timing_error_kind;

/** What can be wrong with an actor, in Theater's words. */
typedef enum theater_actor_error_kind {
    THEATER_ACTOR_ERROR_OPERATION_TIMEOUT = 1,
    THEATER_ACTOR_ERROR_CHANNEL_CLOSED = 2,
    THEATER_ACTOR_ERROR_SHUTTING_DOWN = 3,
    THEATER_ACTOR_ERROR_FUNCTION_NOT_FOUND = 4,
    THEATER_ACTOR_ERROR_TYPE_MISMATCH = 5,
    THEATER_ACTOR_ERROR_INTERNAL = 6,
    THEATER_ACTOR_ERROR_UNEXPECTED = 7,
    THEATER_ACTOR_ERROR_SERIALIZATION = 8,
    THEATER_ACTOR_ERROR_UPDATE_COMPONENT = 9,
    THEATER_ACTOR_ERROR_PAUSED = 10
} theater_actor_error_kind;

/** A tagged union: read what belongs to `kind`. */
typedef struct theater_timing_error {
    theater_timing_error_kind kind;
    union {
        struct {
            const char *text; /**< borrowed */
        } timing;
        struct {
            uint64_t duration;
            uint64_t max;
        } duration_too_long;
        struct {
            uint64_t duration;
            uint64_t min;
        } duration_too_short;
        struct {
            uint64_t timestamp;
        } invalid_deadline;
        struct {
            theater_actor_error_kind kind;
            const char *detail; /**< borrowed; for the kinds that have one */
        } actor;
    } of;
} theater_timing_error;

/** Room for every message with 64-bit numbers; longer details are cut. */
#define THEATER_TIMING_ERROR_MESSAGE_MAX 256

/**
 * \brief The exact text of an error, as the specification has it.
 * \return bytes written without the NUL; at most size - 1
 */
THEATER_API size_t theater_timing_error_message(const theater_timing_error *error, char *out_text,
                                                size_t size);

THEATER_END_DECLS
#endif
