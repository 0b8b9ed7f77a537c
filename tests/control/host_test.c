/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host offers beneath a control socket: acts that say when they are durable, descriptors
 * of others in its loop, and hosts that are frozen.
 */
#include "desk.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

typedef struct told {
    unsigned count;
    theater_acted last;
    char message[THEATER_ERROR_MESSAGE_MAX];
} told;

static void on_acted(const theater_acted *acted, void *userdata)
{
    told *t = userdata;
    t->count++;
    t->last = *acted;
    if (acted->message != NULL) {
        (void)strncpy(t->message, acted->message, sizeof(t->message) - 1);
    }
}

static theater_id spawn_sleeper(desk *d)
{
    theater_id id = desk_spawn(d, EXAMPLE_GUESTS, "sleep.wat", "run", "[3600000]");
    desk_until(d, id, THEATER_ACTOR_ASLEEP);
    return id;
}

/* ---- acts ------------------------------------------------------------------------------------ */

static void act__is_told_once_with_its_event(void **state)
{
    (void)state;
    desk d;
    told t = {0};
    desk_open(&d, NULL);
    theater_id id = spawn_sleeper(&d);
    assert_int_equal(theater_host_act(d.host, THEATER_ACT_WAKE, id, "test", on_acted, &t, NULL),
                     THEATER_OK);
    assert_int_equal(t.count, 0);
    while (t.count == 0) {
        desk_pump(&d);
    }
    assert_int_equal(t.last.status, THEATER_OK);
    assert_int_equal(t.last.kind, THEATER_ACT_WAKE);
    assert_int_equal(t.last.seq, 4);
    assert_int_equal(desk_occurrences(&d, id, "\"outcome\":\"woken\""), 1);
    desk_until(&d, id, THEATER_ACTOR_ENDED);
    assert_int_equal(theater_host_act(d.host, THEATER_ACT_CANCEL, id, "test", on_acted, &t, NULL),
                     THEATER_ERR_NOTFOUND);
    desk_close(&d);
    assert_int_equal(t.count, 1);
}

/* An actor that is ended before its wait could be: one act is done, the other is told why not. */
static void act__that_another_overtakes_is_told_so(void **state)
{
    (void)state;
    desk d;
    told woken = {0};
    told ended = {0};
    desk_open(&d, NULL);
    theater_id id = spawn_sleeper(&d);
    assert_int_equal(theater_host_act(d.host, THEATER_ACT_WAKE, id, "a", on_acted, &woken, NULL),
                     THEATER_OK);
    assert_int_equal(theater_host_act(d.host, THEATER_ACT_WAKE, id, "b", on_acted, &woken, NULL),
                     THEATER_ERR_NOTFOUND);
    assert_int_equal(theater_host_act(d.host, THEATER_ACT_CANCEL, id, "c", on_acted, &ended, NULL),
                     THEATER_OK);
    while (ended.count == 0) {
        desk_pump(&d);
    }
    assert_int_equal(woken.count, 1);
    assert_int_equal(woken.last.status, THEATER_ERR_NOTFOUND);
    assert_string_equal(woken.message, "the actor has ended");
    assert_int_equal(ended.last.status, THEATER_OK);
    assert_int_equal(desk_occurrences(&d, id, "\"woken\""), 0);
    desk_close(&d);
}

static void act__is_told_when_the_host_goes(void **state)
{
    (void)state;
    desk d;
    told t = {0};
    desk_open(&d, NULL);
    theater_id id = spawn_sleeper(&d);
    assert_int_equal(theater_host_act(d.host, THEATER_ACT_CANCEL, id, NULL, on_acted, &t, NULL),
                     THEATER_OK);
    desk_close(&d);
    assert_int_equal(t.count, 1);
    assert_int_equal(t.last.status, THEATER_ERR_CLOSED);
}

/* ---- frozen ---------------------------------------------------------------------------------- */

static void frozen__records_the_one_event_and_runs_nothing(void **state)
{
    (void)state;
    desk d;
    told t = {0};
    theater_error err = THEATER_ERROR_INIT;
    theater_actor_info info;
    desk_open(&d, NULL);
    theater_id first = spawn_sleeper(&d);
    theater_id second = desk_spawn(&d, EXAMPLE_GUESTS, "sleep.wat", "run", "[300]");
    desk_until(&d, second, THEATER_ACTOR_ASLEEP);
    theater_id third = spawn_sleeper(&d);
    desk_close_host(&d);

    d.finished_count = 0;
    desk_open_host(&d, true);
    assert_int_equal(theater_host_act(d.host, THEATER_ACT_WAKE, first, "me", on_acted, &t, &err),
                     THEATER_OK);
    assert_int_equal(theater_host_run(d.host, &err), THEATER_OK);
    assert_int_equal(t.count, 1);
    assert_int_equal(t.last.status, THEATER_OK);
    assert_int_equal(theater_host_actor(d.host, first, &info, NULL), THEATER_OK);
    assert_int_equal(info.state, THEATER_ACTOR_RUNNING);
    assert_int_equal(info.head.seq, 4);
    for (int i = 0; i < 400; i++) {
        desk_pump(&d);
    }
    assert_int_equal(theater_host_actor(d.host, second, &info, NULL), THEATER_OK);
    assert_int_equal(info.head.seq, 3); /* due by now, and not woken */
    /* One that was woken can be ended, and the guest has not run in between. */
    assert_int_equal(theater_host_act(d.host, THEATER_ACT_CANCEL, first, "me", on_acted, &t, &err),
                     THEATER_OK);
    assert_int_equal(theater_host_run(d.host, &err), THEATER_OK);
    assert_int_equal(t.count, 2);
    assert_int_equal(t.last.seq, 6);
    assert_int_equal(d.finished_count, 0);
    desk_close_host(&d);

    desk_open_host(&d, false);
    desk_until(&d, second, THEATER_ACTOR_ENDED);
    while (d.finished_count < 2) {
        desk_pump(&d); /* the end that was recorded is given out, once */
    }
    assert_int_equal(theater_host_actor(d.host, third, &info, NULL), THEATER_OK);
    assert_int_equal(info.state, THEATER_ACTOR_ASLEEP);
    desk_close(&d);
    assert_int_equal(d.finished_count, 2);
}

static void frozen__refuses_to_spawn(void **state)
{
    (void)state;
    desk d;
    theater_actor_component *component = NULL;
    desk_open(&d, NULL);
    desk_close_host(&d);
    desk_open_host(&d, true);
    assert_int_equal(
        theater_host_load_component_file(d.host, EXAMPLE_GUESTS "/sleep.wat", &component, NULL),
        THEATER_OK);
    assert_int_equal(theater_host_spawn(d.host, component, NULL, NULL, NULL), THEATER_ERR_CLOSED);
    desk_close(&d);
}

/* ---- watches --------------------------------------------------------------------------------- */

static void on_byte(int fd, void *userdata)
{
    char byte = 0;
    theater_host **host = userdata;
    assert_int_equal(read(fd, &byte, 1), 1);
    if (byte == 's') {
        theater_host_stop(*host);
    } else {
        theater_host_unwatch(*host, fd);
    }
}

static void watch__is_served_by_run_and_by_dispatch(void **state)
{
    (void)state;
    desk d;
    int ends[2];
    desk_open(&d, NULL);
    (void)spawn_sleeper(&d);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(theater_host_watch(d.host, ends[0], on_byte, &d.host, NULL), THEATER_OK);
    assert_int_equal(theater_host_watch(d.host, ends[0], on_byte, &d.host, NULL),
                     THEATER_ERR_EXISTS);
    assert_int_equal(theater_host_watch(d.host, -1, on_byte, &d.host, NULL), THEATER_ERR_INVALID);
    assert_int_equal(write(ends[1], "s", 1), 1);
    assert_int_equal(theater_host_run(d.host, NULL), THEATER_ERR_CANCELLED);

    assert_int_equal(write(ends[1], "u", 1), 1);
    struct pollfd ready = {theater_host_fd(d.host), POLLIN, 0};
    assert_int_equal(poll(&ready, 1, 1000), 1);
    assert_int_equal(theater_host_dispatch(d.host, NULL, NULL), THEATER_OK);
    /* It ended its own watch: what comes now is nobody's. */
    assert_int_equal(write(ends[1], "s", 1), 1);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(theater_host_dispatch(d.host, NULL, NULL), THEATER_OK);
    }
    char byte = 0;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
    desk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(act__is_told_once_with_its_event),
        cmocka_unit_test(act__that_another_overtakes_is_told_so),
        cmocka_unit_test(act__is_told_when_the_host_goes),
        cmocka_unit_test(frozen__records_the_one_event_and_runs_nothing),
        cmocka_unit_test(frozen__refuses_to_spawn),
        cmocka_unit_test(watch__is_served_by_run_and_by_dispatch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
