/* SPDX-License-Identifier: Apache-2.0 */
/**
 * \file error.h
 * \brief Status codes and the caller-owned error record.
 *
 * Three kinds of failure are kept apart. A programmer's error (a NULL where none may be, a call on
 * the wrong thread) is an assertion. An operating error (a full disk, a missing file) is a negative
 * theater_status with a theater_error. A guest's error (a rejected sleep, a trap) is data: the
 * guest or its result carries it, and the chain records it.
 */
#ifndef THEATER_ERROR_H
#define THEATER_ERROR_H

#include <theater/export.h>

THEATER_BEGIN_DECLS

/**
 * Every status: X(name, number, words). Numbers are negative, stable and never reused.
 */
#define THEATER_STATUS_MAP(X)                                   \
    X(OK, 0, "ok")                                              \
    X(ERR_INVALID, -1, "invalid argument")                      \
    X(ERR_LIMIT, -2, "a named limit was reached")               \
    X(ERR_NOMEM, -3, "out of memory")                           \
    X(ERR_IO, -4, "input/output error")                         \
    X(ERR_CORRUPT, -5, "damaged or forged data")                \
    X(ERR_NOTFOUND, -6, "not found")                            \
    X(ERR_EXISTS, -7, "exists already")                         \
    X(ERR_TIMEOUT, -8, "timed out")                             \
    X(ERR_CANCELLED, -9, "cancelled")                           \
    X(ERR_TRAP, -10, "the guest trapped or was ended")          \
    X(ERR_ENGINE, -11, "the WebAssembly engine failed")         \
    X(ERR_STORE, -12, "the store failed")                       \
    X(ERR_FENCED, -13, "another writer owns this actor")        \
    X(ERR_DIVERGED, -14, "re-execution differs from the chain") \
    X(ERR_UNSUPPORTED, -15, "not supported here")               \
    X(ERR_CLOSED, -16, "closed")                                \
    X(ERR_INTERNAL, -17, "internal error")

/** Result of every fallible function: 0 or one of the negative THEATER_ERR_ values. */
typedef enum theater_status {
#define THEATER_STATUS_ENUM(name, number, words) THEATER_##name = number,
    THEATER_STATUS_MAP(THEATER_STATUS_ENUM)
#undef THEATER_STATUS_ENUM
} theater_status;

/** Bytes of theater_error::message, terminating NUL included. */
#define THEATER_ERROR_MESSAGE_MAX 256

/**
 * What went wrong, for people. Owned by the caller, of fixed size: nothing to free, and it works
 * when memory is exhausted. Functions write it only when they fail.
 */
typedef struct theater_error {
    theater_status status;                   /**< the status the function returned */
    int os_errno;                            /**< errno of the failed system call, else 0 */
    char message[THEATER_ERROR_MESSAGE_MAX]; /**< one line; user data stands in 'ticks' */
} theater_error;

/* clang-format off */
/** An error record that says nothing yet. */
#define THEATER_ERROR_INIT {THEATER_OK, 0, {0}}
/* clang-format on */

/**
 * \brief The symbolic name of a status, such as `THEATER_ERR_IO`.
 * \return static text, never NULL, also for numbers that are no status
 */
THEATER_API const char *theater_status_name(theater_status status);

/**
 * \brief The meaning of a status in a few words, such as `input/output error`.
 * \return static text, never NULL
 */
THEATER_API const char *theater_status_text(theater_status status);

THEATER_END_DECLS
#endif
