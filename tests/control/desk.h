/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host with a control socket and clients of it in one process and one thread: the client's calls
 * pump the host until it has answered.
 */
#ifndef TESTS_CONTROL_DESK_H
#define TESTS_CONTROL_DESK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <theater.h>

#define DESK_LINE_MAX ((size_t)1 << 18)

typedef struct desk {
    char directory[64]; /* of its own; the store is in it */
    char url[80];
    char path[80]; /* of the socket */
    theater_host *host;
    theater_control *control;
    uint64_t finished_count;
    uint64_t lines_count;
} desk;

/* A connection, non-blocking, with what came and was not taken yet. */
typedef struct caller {
    int fd;
    char *in;
    size_t in_size;
    bool is_over; /* the host closed it */
} caller;

void desk_open(desk *d, const theater_control_options *options);
/* The host without its socket; frozen or not. */
void desk_open_host(desk *d, bool is_frozen);
void desk_close_host(desk *d);
void desk_close(desk *d);
theater_id desk_spawn(desk *d, const char *directory, const char *guest, const char *export_name,
                      const char *args);
/* One iteration. */
void desk_pump(desk *d);
void desk_until(desk *d, theater_id id, theater_actor_state state);
/* How often a text stands in the actor's chain, as JSON lines from the disk. */
unsigned desk_occurrences(const desk *d, theater_id id, const char *text);

void caller_open(desk *d, caller *c);
void caller_close(caller *c);
/* Sends as much as there is, pumping the host. */
void caller_send(desk *d, caller *c, const void *data, size_t size);
/* The next line without its newline, borrowed until the next call; NULL: the host closed. */
const char *caller_line(desk *d, caller *c);
/* Sends a line made from a format, and returns the next line. */
const char *caller_ask(desk *d, caller *c, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define assert_has(text, part)                                  \
    do {                                                        \
        const char *line_ = (text);                             \
        assert_non_null(line_);                                 \
        if (strstr(line_, (part)) == NULL) {                    \
            fail_msg("'%s' is not in '%.500s'", (part), line_); \
        }                                                       \
    } while (0)

#endif
