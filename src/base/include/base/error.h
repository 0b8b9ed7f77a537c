/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filling a theater_error. Every function of the family returns the status it wrote, so that a
 * failing path is one line: `return theater__fail(err, THEATER_ERR_INVALID, "…");`.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <theater/error.h>

/* Writes status and message (cut to fit, control characters of user data replaced by '?'). */
theater_status theater__fail(theater_error *err, theater_status status, const char *format, ...)
    THEATER_PRINTF(3, 4);

/* In place of an errno, and greater than all of them: what was opened is no regular file. */
#define THEATER__ENOTREG 4096

/* The same with an errno: "message: strerror". */
theater_status theater__fail_errno(theater_error *err, theater_status status, int os_errno,
                                   const char *format, ...) THEATER_PRINTF(4, 5);

/* What an errno means, or THEATER__ENOTREG. */
const char *theater__errno_text(int os_errno);

/*
 * Puts "context: " in front of the message that err holds; returns err's status. A NULL err knows
 * none: THEATER_ERR_INTERNAL, so whoever passes an optional err on returns the status it was given.
 */
theater_status theater__fail_in(theater_error *err, const char *format, ...) THEATER_PRINTF(2, 3);

/* Out of memory: one fixed text, no formatting. */
theater_status theater__fail_nomem(theater_error *err);

#endif
