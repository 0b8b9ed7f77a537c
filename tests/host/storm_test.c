/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many more actors come due at one instant than have a place in memory. Those that wait for their
 * turn stay what they were, a slim part and a timer: memory does not grow with the storm.
 */
#include "harness.h"
#include "internal.h"

#define ACTORS_COUNT 3000u
#define PLACES 4u
#define DUE_TOGETHER "[3600000]"

static void step(harness *h)
{
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater_host_dispatch(h->host, NULL, &err), THEATER_OK);
}

static void storm(bool has_log)
{
    harness h;
    uint32_t lives_max = 0;
    uint32_t due_max = 0;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    options.clock = THEATER_CLOCK_VIRTUAL;
    options.live_max = PLACES;
    harness_open(&h, &options, has_log);
    theater_actor_component *sleeper = harness_load(&h, EXAMPLE_GUESTS, "sleep.wat");
    for (uint32_t i = 0; i < ACTORS_COUNT; i++) {
        (void)harness_spawn(&h, sleeper, "run", DUE_TOGETHER, NULL);
    }
    while (h.host->stats.asleep < ACTORS_COUNT && h.ends_count == 0) {
        step(&h);
    }
    assert_int_equal(h.ends_count, 0);
    while (h.ends_count < ACTORS_COUNT) {
        step(&h);
        lives_max = h.host->lives_count > lives_max ? h.host->lives_count : lives_max;
        due_max = h.host->due_count > due_max ? h.host->due_count : due_max;
    }
    harness_run(&h);
    assert_true(due_max > 0);
    assert_true(h.host->stats.replays >= ACTORS_COUNT - PLACES); /* it was a storm */
    assert_true(due_max <= DUE_ABSENT_MAX + PLACES);
    if (!has_log) { /* with one, those who have ended and are not durable yet come to it */
        assert_true(lives_max <= DUE_ABSENT_MAX + PLACES + STEP_BUDGET);
    }
    assert_int_equal(h.host->due_count, 0);
    assert_int_equal(h.host->absent_count, 0);
    assert_int_equal(h.host->stats.wakes, ACTORS_COUNT);
    harness_close(&h);
}

static void storm__of_more_than_have_a_place(void **state)
{
    (void)state;
    storm(false);
    storm(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storm__of_more_than_have_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
