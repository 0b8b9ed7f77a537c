/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mass wake in a process that may open few files: more sleepers come due at one instant than it
 * has descriptors, places in memory or segments that it could keep open, and all of them get to
 * their end without a stop on the way. With THEATER_TEST_LONG they are 100,000.
 */
#include "harness.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "internal.h"

#ifdef __SANITIZE_ADDRESS__ /* an instance costs ten times as much */
#define CROWD_SHORT 3000u
#else
#define CROWD_SHORT 20000u
#endif
#define CROWD_LONG 100000u
/* Standard streams, the host's and the store's own, LOGSTORE_READ_FILES segments, and few more. */
#define DESCRIPTORS_MAX 64u
#define PLACES 500u
/* Dispatches in which somebody has to have ended: each steps up to STEP_BUDGET actors. */
#define ROUNDS_MAX 1000u

static void crowd__a_mass_wake_under_a_small_descriptor_limit_gets_to_its_end(void **state)
{
    (void)state;
    bool is_long = getenv("THEATER_TEST_LONG") != NULL; /* NOLINT(concurrency-mt-unsafe) */
    uint32_t count = is_long ? CROWD_LONG : CROWD_SHORT;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit small = {DESCRIPTORS_MAX, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);

    harness h;
    theater_error err = THEATER_ERROR_INIT;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    options.clock = THEATER_CLOCK_VIRTUAL;
    options.live_max = PLACES;
    harness_open(&h, &options, true);
    theater_actor_component *sleeper = harness_load(&h, EXAMPLE_GUESTS, "sleep.wat");
    for (uint32_t i = 0; i < count; i++) {
        (void)harness_spawn(&h, sleeper, "run", "[3600000]", NULL);
        if (i % 1000 == 999) {
            harness_settle(&h);
        }
    }
    harness_settle(&h);
    assert_int_equal(h.host->stats.asleep, count);
    size_t ended = 0;
    uint32_t rounds = 0;
    while (h.ends_count < count) {
        assert_int_equal(theater_host_dispatch(h.host, NULL, &err), THEATER_OK);
        rounds = h.ends_count > ended ? 0 : rounds + 1;
        if (rounds > ROUNDS_MAX && theater__store_inflight(h.host->store) == 0 &&
            theater__store_waiting_reads(h.host->store) == 0) {
            fail_msg("it stands still behind %zu of %u", ended, count);
        }
        ended = h.ends_count;
    }
    harness_run(&h);
    assert_int_equal(h.ends_count, count);
    assert_int_equal(h.parked_count, 0);
    assert_int_equal(h.host->stats.wakes, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(h.ends[i].number, 3600000);
    }
    harness_close(&h);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crowd__a_mass_wake_under_a_small_descriptor_limit_gets_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
