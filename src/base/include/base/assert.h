/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assertions for our own mistakes, in every build. Bytes that come from a guest, a disk or a socket
 * never reach one: those are statuses (theater/error.h).
 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

/* Writes "file:line: function: assertion 'text' failed" to stderr with write(2) and aborts. */
__attribute__((noreturn, cold)) void theater__assert_failed(const char *file, int line,
                                                            const char *function, const char *text);

#define THEATER_ASSERT(condition)       \
    (__builtin_expect(!!(condition), 1) \
         ? (void)0                      \
         : theater__assert_failed(__FILE__, __LINE__, __func__, #condition))

#define THEATER_UNREACHABLE(text) theater__assert_failed(__FILE__, __LINE__, __func__, text)

#endif
