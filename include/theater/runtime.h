/* SPDX-License-Identifier: Apache-2.0 */
/**
 * \file runtime.h
 * \brief `ntwk:theater/runtime` { log, shutdown } for guests.
 */
#ifndef THEATER_RUNTIME_H
#define THEATER_RUNTIME_H

#include <theater/handler.h>

THEATER_BEGIN_DECLS

/** One line that an actor logged. It is durable in its chain before anyone sees it. */
typedef struct theater_runtime_line {
    theater_id actor;
    uint64_t seq;      /**< its event: a line that is given twice after a crash has the same one */
    theater_wall wall; /**< when it was logged */
    theater_text text; /**< UTF-8; may hold control characters */
} theater_runtime_line;

/** \brief Receives the lines of all actors, each actor's in order. */
typedef void theater_runtime_log_fn(const theater_runtime_line *line, void *userdata);

/**
 * \brief The runtime interface as a handler.
 * \param log         may be NULL: lines are only recorded
 * \param userdata    given to log
 * \param out_handler for theater_host_add_handler()
 * \param err         optional
 */
THEATER_API theater_status theater_runtime_handler(theater_runtime_log_fn *log, void *userdata,
                                                   theater_handler *out_handler,
                                                   theater_error *err);

THEATER_END_DECLS
#endif
