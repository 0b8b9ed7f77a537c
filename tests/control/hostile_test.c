/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket as an enemy meets it: every byte of a client is foreign. Whatever comes, the
 * host goes on, and the next client is answered.
 */
#include "desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FUZZ_ROUNDS 2000
#define FUZZ_SEED 20260101u

static void assert_answers(desk *d)
{
    caller c;
    caller_open(d, &c);
    assert_has(caller_ask(d, &c, "{\"do\":\"hello\"}"), "\"ok\":true");
    caller_close(&c);
}

/* Refused with a line, and the connection ends behind it. */
static void assert_refused(desk *d, const void *data, size_t size, const char *part)
{
    caller c;
    caller_open(d, &c);
    caller_send(d, &c, data, size);
    const char *line = caller_line(d, &c);
    assert_has(line, "\"ok\":false");
    assert_has(line, part);
    assert_null(caller_line(d, &c));
    caller_close(&c);
    assert_answers(d);
}

static void line__that_is_none_ends_the_connection(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "\n",
        "hello\n",
        "[]\n",
        "7\n",
        "{\"do\":\"hello\"\n",
        "{\"do\":\"hello\"}}\n",
        "{\"do\":\"hello\"} {\"do\":\"hello\"}\n",
        "{'do':'hello'}\n",
        "{\"do\":\"hello\",}\n",
        "{\"do\":\"h\xff\"}\n",
        "{\"do\":[[[[[[[[[[]]]]]]]]]]}\n",
        "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}\n",
        "\x1b[2J\n",
    };
    desk d;
    desk_open(&d, NULL);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_refused(&d, lines[i], strlen(lines[i]), "THEATER_ERR_INVALID");
    }
    static const char nul[] = "{\"do\":\"hello\"}\0{}\n";
    assert_refused(&d, nul, sizeof(nul) - 1, "THEATER_ERR_INVALID");
    desk_close(&d);
}

static void line__has_a_named_limit(void **state)
{
    (void)state;
    static char line[5000];
    desk d;
    desk_open(&d, NULL);
    memset(line, ' ', sizeof(line));
    assert_refused(&d, line, sizeof(line), "line_bytes_max");
    /* One that just fits is answered. */
    caller c;
    caller_open(&d, &c);
    memcpy(line, "{\"do\":\"hello\"}", 14);
    line[4095] = '\n';
    caller_send(&d, &c, line, 4096);
    assert_has(caller_line(&d, &c), "\"ok\":true");
    caller_close(&c);
    desk_close(&d);
}

static void request__with_wrong_members_is_refused_and_the_next_is_answered(void **state)
{
    (void)state;
    static const char id[] = "00000000-0000-4000-8000-000000000001";
    desk d;
    caller c;
    desk_open(&d, NULL);
    caller_open(&d, &c);
    assert_has(caller_ask(&d, &c, "{}"), "THEATER_ERR_INVALID");
    assert_has(caller_ask(&d, &c, "{\"do\":1}"), "THEATER_ERR_INVALID");
    assert_has(caller_ask(&d, &c, "{\"do\":\"ps\\u0000\"}"), "THEATER_ERR_INVALID");
    assert_has(caller_ask(&d, &c, "{\"do\":\"ps\",\"from\":-1}"), "THEATER_ERR_INVALID");
    assert_has(caller_ask(&d, &c, "{\"do\":\"ps\",\"from\":1.5}"), "THEATER_ERR_INVALID");
    assert_has(caller_ask(&d, &c, "{\"do\":\"ps\",\"from\":99999999999999999999999}"),
               "\"actors\":[]");
    assert_has(caller_ask(&d, &c, "{\"do\":\"wake\",\"id\":7}"), "THEATER_ERR_INVALID");
    assert_has(caller_ask(&d, &c, "{\"do\":\"wake\",\"id\":\"%s\",\"by\":\"\"}", id),
               "THEATER_ERR_INVALID");
    assert_has(caller_ask(&d, &c, "{\"do\":\"wake\",\"id\":\"%s\",\"by\":\"a\\nb\"}", id),
               "THEATER_ERR_INVALID");
    assert_has(caller_ask(&d, &c, "{\"do\":\"wake\",\"id\":\"%s\",\"by\":\"%025d\"}", id, 0),
               "THEATER_ERR_INVALID");
    assert_has(caller_ask(&d, &c, "{\"do\":\"hello\",\"more\":{\"x\":1}}"), "\"ok\":true");
    caller_close(&c);
    desk_close(&d);
}

static void client__may_send_byte_by_byte(void **state)
{
    (void)state;
    static const char line[] = "{\"do\":\"hello\"}\n";
    desk d;
    caller c;
    desk_open(&d, NULL);
    caller_open(&d, &c);
    for (size_t i = 0; i + 1 < sizeof(line); i++) {
        caller_send(&d, &c, line + i, 1);
    }
    assert_has(caller_line(&d, &c), "\"ok\":true");
    caller_close(&c);
    desk_close(&d);
}

static void clients__the_one_that_was_silent_longest_makes_room(void **state)
{
    (void)state;
    enum {
        CLIENTS = 3
    };
    caller callers[CLIENTS];
    desk d;
    theater_control_options options = THEATER_CONTROL_OPTIONS_INIT;
    options.clients_max = CLIENTS;
    desk_open(&d, &options);
    for (int i = 0; i < CLIENTS; i++) {
        caller_open(&d, &callers[i]);
        assert_has(caller_ask(&d, &callers[i], "{\"do\":\"hello\"}"), "\"ok\":true");
    }
    assert_has(caller_ask(&d, &callers[0], "{\"do\":\"hello\"}"), "\"ok\":true");
    assert_answers(&d); /* the one in the middle went: it was the longest without a word */
    assert_null(caller_line(&d, &callers[1]));
    assert_has(caller_ask(&d, &callers[2], "{\"do\":\"hello\"}"), "\"ok\":true");
    /* Subscribers are not turned out: the new one is. */
    caller_close(&callers[1]);
    caller_open(&d, &callers[1]);
    for (int i = 0; i < CLIENTS; i++) {
        assert_has(caller_ask(&d, &callers[i], "{\"do\":\"subscribe\"}"), "\"ok\":true");
    }
    caller late;
    caller_open(&d, &late);
    assert_has(caller_line(&d, &late), "clients_max");
    assert_null(caller_line(&d, &late));
    caller_close(&late);
    for (int i = 0; i < CLIENTS; i++) {
        caller_close(&callers[i]);
    }
    assert_answers(&d);
    desk_close(&d);
}

/* Requests without end and not one reply read: the host keeps one reply, and goes on. */
static void client__that_never_reads_is_not_served_further(void **state)
{
    (void)state;
    desk d;
    caller c;
    desk_open(&d, NULL);
    for (int i = 0; i < 256; i++) {
        (void)desk_spawn(&d, EXAMPLE_GUESTS, "sleep.wat", "run", "[3600000]");
    }
    caller_open(&d, &c);
    size_t sent = 0;
    for (int i = 0; i < 5000; i++) {
        ssize_t step = send(c.fd, "{\"do\":\"ps\"}\n", 12, MSG_NOSIGNAL);
        sent += step > 0 ? (size_t)step : 0;
        if (i % 100 == 0) {
            desk_pump(&d);
        }
    }
    assert_true(sent < 5000 * 12u); /* its requests wait in the kernel, which has enough of them */
    assert_answers(&d);
    caller_close(&c);
    assert_answers(&d);
    desk_close(&d);
}

/* ---- fuzz ------------------------------------------------------------------------------------ */

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static size_t make_mess(uint32_t *seed, char *out, size_t size)
{
    static const char *const pieces[] = {
        "{\"do\":\"ps\"}\n",
        "{\"do\":\"wake\",\"id\":\"00000000-0000-4000-8000-000000000001\"}\n",
        "{\"do\":\"subscribe\"}\n",
        "{\"do\":\"hello\",\"by\":\"x\"}\n",
        "\n",
        "\"",
        "\\u0000",
        "{",
        "}",
        "[[[[[[[",
        "\xff\xfe",
        "1e999",
        "{\"do\":\"cancel\",\"id\":\"\"}\n",
        "null",
        "{\"do\":\"show\"",
    };
    size_t used = 0;
    uint32_t count = next_random(seed) % 12;
    for (uint32_t i = 0; i < count; i++) {
        const char *piece = pieces[next_random(seed) % (sizeof(pieces) / sizeof(pieces[0]))];
        size_t step = strlen(piece);
        if (used + step > size) {
            break;
        }
        memcpy(out + used, piece, step);
        used += step;
    }
    for (uint32_t i = next_random(seed) % 3; i > 0 && used > 0; i--) {
        out[next_random(seed) % used] = (char)next_random(seed);
    }
    return used;
}

static void fuzz__nothing_that_is_sent_harms_the_host(void **state)
{
    (void)state;
    desk d;
    char mess[4096];
    uint32_t seed = FUZZ_SEED;
    desk_open(&d, NULL);
    theater_id id = desk_spawn(&d, EXAMPLE_GUESTS, "sleep.wat", "run", "[3600000]");
    desk_until(&d, id, THEATER_ACTOR_ASLEEP);
    for (int i = 0; i < FUZZ_ROUNDS; i++) {
        int fd = -1;
        assert_int_equal(theater_control_connect(d.path, &fd, NULL), THEATER_OK);
        size_t size = make_mess(&seed, mess, sizeof(mess));
        size_t half = size > 0 ? next_random(&seed) % size : 0;
        (void)!send(fd, mess, half, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (next_random(&seed) % 2 == 0) {
            desk_pump(&d);
        }
        (void)!send(fd, mess + half, size - half, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (next_random(&seed) % 4 == 0) {
            (void)shutdown(fd, next_random(&seed) % 2 == 0 ? SHUT_WR : SHUT_RDWR);
        }
        desk_pump(&d);
        (void)recv(fd, mess, sizeof(mess), MSG_DONTWAIT);
        assert_int_equal(close(fd), 0);
    }
    assert_answers(&d);
    desk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line__that_is_none_ends_the_connection),
        cmocka_unit_test(line__has_a_named_limit),
        cmocka_unit_test(request__with_wrong_members_is_refused_and_the_next_is_answered),
        cmocka_unit_test(client__may_send_byte_by_byte),
        cmocka_unit_test(clients__the_one_that_was_silent_longest_makes_room),
        cmocka_unit_test(client__that_never_reads_is_not_served_further),
        cmocka_unit_test(fuzz__nothing_that_is_sent_harms_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
