/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures: the histogram against a sorted array, what a host says about its wakes, chains of actors
 * that are here, and that what is measured of a store is not measured over somebody's actors.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_COUNT 20000u

static int compare_values(const void *a, const void *b)
{
    uint64_t left = 0;
    uint64_t right = 0;
    memcpy(&left, a, sizeof(left));
    memcpy(&right, b, sizeof(right));
    return (left > right) - (left < right);
}

static void histogram__quantiles_are_within_a_64th_above(void **state)
{
    (void)state;
    static uint64_t values[VALUES_COUNT];
    static theater_histogram histogram;
    memset(&histogram, 0, sizeof(histogram));
    uint64_t random = 88172645463325252u;
    for (size_t i = 0; i < VALUES_COUNT; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        values[i] = random >> (random & 63u); /* of every size */
        theater_histogram_add(&histogram, values[i]);
    }
    qsort(values, VALUES_COUNT, sizeof(values[0]), compare_values);
    assert_int_equal(histogram.count, VALUES_COUNT);
    assert_int_equal(histogram.min, values[0]);
    assert_int_equal(histogram.max, values[VALUES_COUNT - 1]);
    for (unsigned percent = 1; percent <= 100; percent++) {
        uint64_t exact = values[(size_t)VALUES_COUNT * percent / 100 - 1];
        uint64_t said = theater_histogram_quantile(&histogram, percent / 100.0);
        assert_true(said >= exact);
        assert_true(said - exact <= exact / 64 + 1);
    }
    assert_int_equal(theater_histogram_quantile(&histogram, 0), values[0]);
    assert_int_equal(theater_histogram_quantile(&histogram, 1), values[VALUES_COUNT - 1]);
}

static void histogram__ends_of_the_range(void **state)
{
    (void)state;
    static theater_histogram histogram;
    memset(&histogram, 0, sizeof(histogram));
    assert_int_equal(theater_histogram_quantile(&histogram, 0.5), 0);
    theater_histogram_add(&histogram, 0);
    theater_histogram_add(&histogram, UINT64_MAX);
    assert_int_equal(theater_histogram_quantile(&histogram, 0.5), 0);
    assert_true(theater_histogram_quantile(&histogram, 1) == UINT64_MAX);
}

static void histogram__merged_is_as_if_all_were_added_to_one(void **state)
{
    (void)state;
    static theater_histogram parts[2];
    static theater_histogram merged;
    static theater_histogram all;
    memset(parts, 0, sizeof(parts));
    memset(&merged, 0, sizeof(merged));
    memset(&all, 0, sizeof(all));
    for (uint64_t i = 1; i < 2000; i++) {
        theater_histogram_add(&parts[i % 2], i * i);
        theater_histogram_add(&all, i * i);
    }
    theater_histogram_merge(&merged, &parts[0]);
    theater_histogram_merge(&merged, &parts[1]);
    assert_memory_equal(&merged, &all, sizeof(all));
    memset(&parts[0], 0, sizeof(parts[0]));
    theater_histogram_merge(&merged, &parts[0]); /* an empty one has no least value */
    assert_memory_equal(&merged, &all, sizeof(all));
}

static void host_lateness__counts_what_ended_by_time(void **state)
{
    (void)state;
    static theater_histogram late;
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    options.clock = THEATER_CLOCK_VIRTUAL;
    harness_open(&h, &options, false);
    theater_actor_component *sleeper = harness_load(&h, EXAMPLE_GUESTS, "sleep.wat");
    for (unsigned i = 1; i <= 10; i++) {
        char args[16];
        (void)snprintf(args, sizeof(args), "[%u]", i * 100);
        (void)harness_spawn(&h, sleeper, "run", args, NULL);
    }
    theater_host_lateness(h.host, &late);
    assert_int_equal(late.count, 0);
    harness_run(&h);
    theater_host_lateness(h.host, &late);
    assert_int_equal(late.count, 10);
    assert_int_equal(late.max, 0); /* time jumps to the very instant */
    theater_host_stats stats = {.struct_size = sizeof(stats)};
    theater_host_stats_get(h.host, &stats);
    assert_int_equal(stats.asleep, 0);
    harness_close(&h);
}

static void check_chain(harness *h, theater_id id, uint64_t events_count)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_chain *chain = NULL;
    theater_chain_report report;
    assert_int_equal(theater_host_chain(h->host, id, &chain, &err), THEATER_OK);
    assert_int_equal(theater_chain_verify(chain, NULL, &report, &err), THEATER_OK);
    assert_int_equal(report.verdict, THEATER_CHAIN_UNANCHORED);
    assert_int_equal(report.events_count, events_count);
    assert_memory_equal(theater_chain_actor(chain).bytes, id.bytes, sizeof(id.bytes));
    theater_chain_free(chain);
}

static void chain_of_a_host(bool has_log)
{
    harness h;
    bool more = false;
    theater_error err = THEATER_ERROR_INIT;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open(&h, &options, has_log);
    theater_actor_component *sleeper = harness_load(&h, EXAMPLE_GUESTS, "sleep.wat");
    theater_id id = harness_spawn(&h, sleeper, "run", "[20]", NULL);
    check_chain(&h, id, 2); /* genesis, call: it has not run yet */
    assert_int_equal(theater_host_dispatch(h.host, &more, &err), THEATER_OK);
    check_chain(&h, id, 4); /* now, sleep */
    harness_run(&h);
    check_chain(&h, id, 8); /* its end, now, return, end */
    theater_chain *chain = NULL;
    theater_id other = id;
    other.bytes[0] ^= 1;
    assert_int_equal(theater_host_chain(h.host, other, &chain, &err), THEATER_ERR_NOTFOUND);
    harness_close(&h);
}

static void host_chain__at_every_point_of_a_life(void **state)
{
    (void)state;
    chain_of_a_host(true);
    chain_of_a_host(false);
}

static void measure__refuses_what_makes_no_sense(void **state)
{
    (void)state;
    theater_timer_figures timers;
    theater_store_figures figures;
    theater_store_load load = THEATER_STORE_LOAD_INIT;
    assert_int_equal(theater_measure_timers(0, 1, &timers, NULL), THEATER_ERR_INVALID);
    assert_int_equal(theater_measure_timers(1, 0, &timers, NULL), THEATER_ERR_INVALID);
    assert_int_equal(theater_measure_store(&load, &figures, NULL), THEATER_ERR_INVALID);
    load.store_url = "memory:";
    load.writers_count = 65537;
    assert_int_equal(theater_measure_store(&load, &figures, NULL), THEATER_ERR_LIMIT);
}

static void measure__never_in_a_store_that_is_used(void **state)
{
    (void)state;
    harness h;
    char url[128];
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open(&h, &options, true);
    (void)harness_spawn(&h, harness_load(&h, EXAMPLE_GUESTS, "sleep.wat"), "run", "[1]", NULL);
    harness_run(&h);
    theater_host_free(h.host);
    h.host = NULL;
    (void)snprintf(url, sizeof(url), "log:%s", h.directory);
    theater_store_figures figures;
    theater_store_load load = THEATER_STORE_LOAD_INIT;
    load.store_url = url;
    load.duration_ms = 10;
    assert_int_equal(theater_measure_store(&load, &figures, NULL), THEATER_ERR_EXISTS);
    harness_close(&h);
}

static void measure__gives_figures(void **state)
{
    (void)state;
    theater_timer_figures timers = {0, 0};
    theater_store_figures figures = {0, 0};
    theater_store_load load = THEATER_STORE_LOAD_INIT;
    load.store_url = "memory:";
    load.writers_count = 8;
    load.duration_ms = 10;
    assert_int_equal(theater_measure_store(&load, &figures, NULL), THEATER_OK);
    assert_true(figures.commits >= 8);
    assert_true(figures.elapsed_ns >= 10000000u);
    assert_int_equal(theater_measure_timers(10000, 10000, &timers, NULL), THEATER_OK);
    assert_true(timers.start_ns > 0 && timers.renew_ns > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histogram__quantiles_are_within_a_64th_above),
        cmocka_unit_test(histogram__ends_of_the_range),
        cmocka_unit_test(histogram__merged_is_as_if_all_were_added_to_one),
        cmocka_unit_test(host_lateness__counts_what_ended_by_time),
        cmocka_unit_test(host_chain__at_every_point_of_a_life),
        cmocka_unit_test(measure__refuses_what_makes_no_sense),
        cmocka_unit_test(measure__never_in_a_store_that_is_used),
        cmocka_unit_test(measure__gives_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
