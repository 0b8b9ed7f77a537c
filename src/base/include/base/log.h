/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the library says what it does: a callback of the embedder. The library never prints.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <theater/log.h>

typedef struct theater__log {
    theater_log_fn *write; /* may be NULL: nothing is said */
    void *userdata;
    theater_log_level level_max; /* what is more detailed than this is not formatted */
} theater__log;

void theater__log_write(const theater__log *log, theater_log_level level, const char *format, ...)
    THEATER_PRINTF(3, 4);

#endif
