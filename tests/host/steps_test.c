/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The date is set while actors wait. A deadline follows the wall clock wherever it goes, a sleep
 * does not notice, and both chains say that there was a step.
 */
#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "internal.h"

#define START_MS 1700000000000u
#define HOUR_MS 3600000u

static theater_host_options virtual_options(void)
{
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    options.clock = THEATER_CLOCK_VIRTUAL;
    options.virtual_start.ms = START_MS;
    return options;
}

static uint64_t count_steps(harness *h, theater_id id, int64_t *out_delta_ms)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_chain *chain = NULL;
    theater_chain_report report;
    assert_int_equal(theater_chain_open_store(h->directory, id, &chain, &err), THEATER_OK);
    assert_int_equal(theater_chain_verify(chain, NULL, &report, &err), THEATER_OK);
    if (report.verdict != THEATER_CHAIN_UNANCHORED) {
        fail_msg("%s", report.message);
    }
    uint64_t count = 0;
    size_t position = 0;
    theater_event event;
    while (theater_chain_next(chain, &position, &event, &err) == THEATER_OK) {
        if (event.kind == THEATER_KIND_STEP) {
            count++;
            assert_int_equal(theater__step_decode(event.payload, out_delta_ms, &err), THEATER_OK);
        }
    }
    theater_chain_free(chain);
    return count;
}

typedef struct pair {
    theater_id deadline;
    theater_id sleeper;
} pair;

static pair begin(harness *h)
{
    char args[32];
    pair p;
    snprintf(args, sizeof(args), "[%llu]", (unsigned long long)START_MS + HOUR_MS);
    p.deadline = harness_spawn(h, harness_load(h, GUESTS, "deadline.wat"), "until", args, NULL);
    p.sleeper =
        harness_spawn(h, harness_load(h, EXAMPLE_GUESTS, "sleep.wat"), "run", "[3600000]", NULL);
    harness_settle(h);
    return p;
}

static void step__forward_ends_a_deadline_and_not_a_sleep(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = virtual_options();
    harness_open(&h, &options, true);
    pair p = begin(&h);
    theater__clock_set_wall(h.host->clock, (theater_wall){START_MS + 2 * HOUR_MS});
    theater_mono before = theater__clock_mono(h.host->clock);
    harness_run(&h);
    assert_int_equal(harness_find(&h, p.deadline)->number, START_MS + 2 * HOUR_MS);
    theater_mono after = theater__clock_mono(h.host->clock);
    assert_true(after.ns - before.ns >= (uint64_t)HOUR_MS * 1000000u);
    int64_t delta_ms = 0;
    assert_int_equal(count_steps(&h, p.deadline, &delta_ms), 1);
    assert_int_equal(delta_ms, 2 * HOUR_MS);
    assert_int_equal(count_steps(&h, p.sleeper, &delta_ms), 1);
    harness_close(&h);
}

static void step__backward_makes_a_deadline_wait_longer(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = virtual_options();
    harness_open(&h, &options, true);
    pair p = begin(&h);
    theater__clock_set_wall(h.host->clock, (theater_wall){START_MS - HOUR_MS});
    theater_mono before = theater__clock_mono(h.host->clock);
    harness_run(&h);
    assert_int_equal(harness_find(&h, p.deadline)->number, START_MS + HOUR_MS);
    theater_mono after = theater__clock_mono(h.host->clock);
    assert_true(after.ns - before.ns >= 2ull * HOUR_MS * 1000000u);
    int64_t delta_ms = 0;
    assert_int_equal(count_steps(&h, p.deadline, &delta_ms), 1);
    assert_int_equal(delta_ms, -(int64_t)HOUR_MS);
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(step__forward_ends_a_deadline_and_not_a_sleep),
        cmocka_unit_test(step__backward_makes_a_deadline_wait_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
