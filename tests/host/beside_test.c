/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Beside guests that run and run: a deadline is as punctual as a sleep, and the program's
 * descriptors are looked at.
 */
#include "harness.h"

#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SPINNERS_COUNT 4u
#define PAIRS_COUNT 25u
/*
 * A slice is 10 ms at the most and is cut short for who is due; without that, deadlines were 10 ms
 * late in the middle. Bound by the sleeps of the same run, since the machine may be busy, and by
 * the millisecond that dates are counted in, rounded twice.
 */
#define MORE_LATE_MS 2u

static void spin(harness *h, theater_id out_ids[SPINNERS_COUNT])
{
    theater_limits limits = THEATER_LIMITS_INIT;
    limits.turn_cpu_ms_max = 60000;
    theater_actor_component *hostile = harness_load(h, GUESTS, "attacks.wat");
    for (size_t i = 0; i < SPINNERS_COUNT; i++) {
        out_ids[i] = harness_spawn(h, hostile, "spin", "[]", &limits);
    }
}

static void stop(harness *h, const theater_id ids[SPINNERS_COUNT])
{
    for (size_t i = 0; i < SPINNERS_COUNT; i++) {
        assert_int_equal(theater_host_cancel(h->host, ids[i], NULL, NULL), THEATER_OK);
    }
    harness_run(h);
}

static int compare(const void *a, const void *b)
{
    uint64_t left = 0;
    uint64_t right = 0;
    memcpy(&left, a, sizeof(left));
    memcpy(&right, b, sizeof(right));
    return (left > right) - (left < right);
}

static uint64_t median(uint64_t values[PAIRS_COUNT])
{
    qsort(values, PAIRS_COUNT, sizeof(values[0]), compare);
    return values[PAIRS_COUNT / 2];
}

static void deadline__is_as_punctual_as_a_sleep(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open(&h, &options, false);
    theater_actor_component *deadline = harness_load(&h, GUESTS, "deadline.wat");
    theater_actor_component *sleeper = harness_load(&h, EXAMPLE_GUESTS, "sleep.wat");
    theater_id spinners[SPINNERS_COUNT];
    theater_id sleeps[PAIRS_COUNT];
    theater_id deadlines[PAIRS_COUNT];
    uint64_t due_ms[PAIRS_COUNT];
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
    uint64_t now_ms = (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
    for (size_t i = 0; i < PAIRS_COUNT; i++) {
        char args[32];
        due_ms[i] = now_ms + 300 + 17 * i;
        snprintf(args, sizeof(args), "[%llu]", (unsigned long long)due_ms[i]);
        deadlines[i] = harness_spawn(&h, deadline, "until", args, NULL);
        snprintf(args, sizeof(args), "[%zu]", 308 + 17 * i);
        sleeps[i] = harness_spawn(&h, sleeper, "run", args, NULL);
    }
    harness_settle(&h);
    spin(&h, spinners);
    while (h.ends_count < 2 * PAIRS_COUNT) {
        assert_int_equal(theater_host_dispatch(h.host, NULL, NULL), THEATER_OK);
    }
    uint64_t late_sleeps[PAIRS_COUNT];
    uint64_t late_deadlines[PAIRS_COUNT];
    for (size_t i = 0; i < PAIRS_COUNT; i++) {
        late_sleeps[i] = harness_find(&h, sleeps[i])->number - (308 + 17 * i);
        late_deadlines[i] = harness_find(&h, deadlines[i])->number - due_ms[i];
    }
    uint64_t sleep_ms = median(late_sleeps);
    uint64_t deadline_ms = median(late_deadlines);
    print_message("late by %llu ms, deadlines by %llu ms\n", (unsigned long long)sleep_ms,
                  (unsigned long long)deadline_ms);
    assert_true(deadline_ms <= sleep_ms + MORE_LATE_MS);
    stop(&h, spinners);
    harness_close(&h);
}

static void on_readable(int fd, void *userdata)
{
    char byte = 0;
    assert_int_equal(read(fd, &byte, 1), 1);
    ++*(size_t *)userdata;
}

/* Each dispatch is a slice or a round of them: 10 ms. */
static void watch__is_served_every_other_dispatch(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open(&h, &options, false);
    theater_id spinners[SPINNERS_COUNT];
    size_t count = 0;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(theater_host_watch(h.host, ends[0], on_readable, &count, NULL), THEATER_OK);
    spin(&h, spinners);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(theater_host_dispatch(h.host, NULL, NULL), THEATER_OK);
    }
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(write(ends[1], "x", 1), 1);
        assert_int_equal(theater_host_dispatch(h.host, NULL, NULL), THEATER_OK);
        assert_int_equal(theater_host_dispatch(h.host, NULL, NULL), THEATER_OK);
        assert_int_equal(count, i + 1);
    }
    stop(&h, spinners);
    theater_host_unwatch(h.host, ends[0]);
    (void)close(ends[0]);
    (void)close(ends[1]);
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadline__is_as_punctual_as_a_sleep),
        cmocka_unit_test(watch__is_served_every_other_dispatch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
