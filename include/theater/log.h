/* SPDX-License-Identifier: Apache-2.0 */
/**
 * \file log.h
 * \brief What the library tells its embedder while it works.
 *
 * The library never prints. These lines are for operators; the event chain is not a log.
 */
#ifndef THEATER_LOG_H
#define THEATER_LOG_H

#include <theater/export.h>

THEATER_BEGIN_DECLS

/** How much a line matters; smaller is more urgent. */
typedef enum theater_log_level {
    THEATER_LOG_ERROR = 1,   /**< something was lost or stopped */
    THEATER_LOG_WARNING = 2, /**< something is set aside or degraded */
    THEATER_LOG_INFO = 3,    /**< a start, a stop, a setting */
    THEATER_LOG_DEBUG = 4    /**< every turn */
} theater_log_level;

/**
 * \brief Receives one line.
 * \param level    how much it matters
 * \param line     NUL-terminated, without a newline; valid during the call
 * \param userdata what was registered
 */
typedef void theater_log_fn(theater_log_level level, const char *line, void *userdata);

THEATER_END_DECLS
#endif
