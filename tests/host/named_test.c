/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What broke elsewhere, one test each, in virtual time: timers that were lost, doubled, leaked or
 * never fired in the systems that people would use instead. Others of this list stand where they
 * belong: slow actors in many_test.c and orders_test.c, long durations and thirty naps in
 * tests/spec, subscribers in tests/control, crashes between any two operations in power_test.c.
 */
#include "harness.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <base/alloc.h>

#include "internal.h"

#define START_MS 1700000000000u
#define HOUR_MS 3600000u
#define NS_PER_MS 1000000u

static theater_host_options virtual_options(uint32_t live_max)
{
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    options.clock = THEATER_CLOCK_VIRTUAL;
    options.virtual_start.ms = START_MS;
    options.live_max = live_max;
    return options;
}

static theater_id spawn_sleep(harness *h, uint64_t duration_ms)
{
    char args[32];
    (void)snprintf(args, sizeof(args), "[%llu]", (unsigned long long)duration_ms);
    return harness_spawn(h, harness_load(h, EXAMPLE_GUESTS, "sleep.wat"), "run", args, NULL);
}

static theater_host_stats stats_of(const harness *h)
{
    theater_host_stats stats = {.struct_size = sizeof(stats)};
    theater_host_stats_get(h->host, &stats);
    return stats;
}

static uint64_t elapsed_ms(const harness *h, theater_mono since)
{
    return theater__mono_since_ns(theater__clock_mono(h->host->clock), since) / NS_PER_MS;
}

/* Events of a kind in a chain, which has to be whole; the kind of the last one. */
static unsigned count_kind(harness *h, theater_id id, theater_event_kind kind,
                           theater_event_kind *out_last)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_chain *chain = NULL;
    theater_chain_report report;
    theater_event event;
    unsigned count = 0;
    size_t position = 0;
    assert_int_equal(theater_host_chain(h->host, id, &chain, &err), THEATER_OK);
    assert_int_equal(theater_chain_verify(chain, NULL, &report, &err), THEATER_OK);
    assert_int_equal(report.verdict, THEATER_CHAIN_UNANCHORED);
    while (theater_chain_next(chain, &position, &event, &err) == THEATER_OK) {
        count += event.kind == kind;
        *out_last = event.kind;
    }
    theater_chain_free(chain);
    return count;
}

/* ---- crash between completion and the guest seeing it ---------------------------------------- */

static void on_acted(const theater_acted *acted, void *userdata)
{
    assert_int_equal(acted->status, THEATER_OK);
    ++*(unsigned *)userdata;
}

/* A frozen host records the end of a wait and does not run the guest: the state of such a crash. */
static void completion__that_the_guest_had_not_seen_is_seen_once(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = virtual_options(100);
    harness_open(&h, &options, true);
    theater_id id =
        harness_spawn(&h, harness_load(&h, GUESTS, "attacks.wat"), "talk", "[50]", NULL);
    harness_settle(&h);
    theater_host_options frozen = options;
    frozen.is_frozen = true;
    harness_reopen(&h, &frozen);
    unsigned acted = 0;
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater_host_act(h.host, THEATER_ACT_WAKE, id, "test", on_acted, &acted, &err),
                     THEATER_OK);
    harness_run(&h);
    assert_int_equal(acted, 1);
    theater_event_kind last = THEATER_KIND_GENESIS;
    assert_int_equal(count_kind(&h, id, THEATER_KIND_COMPLETION, &last), 1);
    assert_int_equal(last, THEATER_KIND_COMPLETION); /* recorded, and nobody has seen it */
    for (unsigned i = 0; i < 2; i++) {               /* the second host finds nothing to do */
        harness_reopen(&h, &options);
        harness_run(&h);
        assert_string_equal(h.log, "abcz");
        assert_int_equal(h.ends_count, 1);
        assert_int_equal(count_kind(&h, id, THEATER_KIND_COMPLETION, &last), 3);
        assert_int_equal(count_kind(&h, id, THEATER_KIND_WAIT, &last), 3);
    }
    harness_close(&h);
}

/* ---- 999 of 1,000 timers --------------------------------------------------------------------- */

static void timers__a_thousand_fire_and_not_999(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = virtual_options(10);
    harness_open(&h, &options, true);
    theater_id ids[1000];
    for (unsigned i = 0; i < 1000; i++) { /* half of them together, half of them apart */
        ids[i] = spawn_sleep(&h, i % 2 == 0 ? 5000 : 4000 + 2 * i);
        if (i % 100 == 99) {
            harness_settle(&h);
        }
    }
    harness_settle(&h);
    harness_reopen(&h, &options);
    harness_run(&h);
    assert_int_equal(h.ends_count, 1000);
    assert_int_equal(stats_of(&h).wakes, 1000);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(harness_find(&h, ids[i])->number, i % 2 == 0 ? 5000 : 4000 + 2 * i);
    }
    harness_close(&h);
}

/* ---- already overdue, past due --------------------------------------------------------------- */

typedef struct pair {
    theater_id deadline;
    theater_id sleeper;
} pair;

static pair spawn_pair(harness *h)
{
    char args[32];
    pair p;
    (void)snprintf(args, sizeof(args), "[%llu]", (unsigned long long)START_MS + HOUR_MS);
    p.deadline = harness_spawn(h, harness_load(h, GUESTS, "deadline.wat"), "until", args, NULL);
    p.sleeper = spawn_sleep(h, HOUR_MS);
    harness_settle(h);
    return p;
}

/* The timers are armed by a host that begins two hours later, on another boot. */
static void overdue__what_is_past_when_it_is_armed_fires_at_once(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = virtual_options(100);
    harness_open(&h, &options, true);
    pair p = spawn_pair(&h);
    options.virtual_start.ms = START_MS + 2 * (uint64_t)HOUR_MS;
    options.seed = 2;
    harness_reopen(&h, &options);
    theater_mono before = theater__clock_mono(h.host->clock);
    harness_run(&h);
    assert_int_equal(h.ends_count, 2);
    assert_int_equal(harness_find(&h, p.deadline)->number, START_MS + 2 * (uint64_t)HOUR_MS);
    assert_int_equal(harness_find(&h, p.sleeper)->number, 2 * HOUR_MS);
    assert_int_equal(elapsed_ms(&h, before), 0);
    assert_int_equal(stats_of(&h).late_max_ns, (uint64_t)HOUR_MS * NS_PER_MS);
    harness_close(&h);
}

/* A guest that asks for a past instant, or for one that passes while it is being armed. */
static void overdue__a_deadline_in_the_past_is_no_wait(void **state)
{
    (void)state;
    static const char *const args[] = {"[0]", "[1]", "[1699999999999]", "[1700000000000]"};
    harness h;
    theater_host_options options = virtual_options(100);
    harness_open(&h, &options, true);
    theater_actor_component *component = harness_load(&h, GUESTS, "deadline.wat");
    for (unsigned i = 0; i < 4; i++) {
        theater_id id = harness_spawn(&h, component, "until", args[i], NULL);
        harness_run(&h);
        theater_event_kind last = THEATER_KIND_GENESIS;
        assert_int_equal(harness_find(&h, id)->number, START_MS);
        assert_int_equal(count_kind(&h, id, THEATER_KIND_WAIT, &last), 0);
    }
    harness_close(&h);
}

/* ---- wake after pause ------------------------------------------------------------------------ */

/* The machine or the process stood still, and time did not: past due in both queues. */
static void pause__what_came_due_meanwhile_wakes_once_and_in_order(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = virtual_options(3);
    harness_open(&h, &options, true);
    pair p = spawn_pair(&h);
    theater_id ids[20];
    for (unsigned i = 0; i < 20; i++) {
        ids[i] = spawn_sleep(&h, 2000 - i * 100);
    }
    harness_settle(&h);
    theater__clock_advance(h.host->clock, (uint64_t)3 * HOUR_MS * NS_PER_MS);
    theater_mono before = theater__clock_mono(h.host->clock);
    harness_run(&h);
    assert_int_equal(h.ends_count, 22);
    assert_int_equal(stats_of(&h).wakes, 22);
    assert_int_equal(elapsed_ms(&h, before), 0);
    assert_int_equal(harness_find(&h, p.deadline)->number, START_MS + 3 * (uint64_t)HOUR_MS);
    assert_int_equal(harness_find(&h, p.sleeper)->number, 3 * HOUR_MS);
    assert_memory_equal(&h.ends[0].id, &ids[19], sizeof(ids[19])); /* who was due first is first */
    assert_int_equal(stats_of(&h).late_max_ns, ((uint64_t)3 * HOUR_MS - 100) * NS_PER_MS);
    harness_close(&h);
}

/* ---- cancelled timers ------------------------------------------------------------------------ */

static void cancel__leaves_no_timer_and_no_memory(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = virtual_options(10);
    harness_open(&h, &options, true);
    theater_error err = THEATER_ERROR_INIT;
    theater_id ids[200];
    for (unsigned i = 0; i < 200; i++) {
        ids[i] = spawn_sleep(&h, HOUR_MS + i);
    }
    harness_settle(&h);
    assert_int_equal(stats_of(&h).asleep, 200);
    theater_mono before = theater__clock_mono(h.host->clock);
    for (unsigned i = 0; i < 200; i++) {
        theater_status status = i % 2 == 0 ? theater_host_cancel_wait(h.host, ids[i], "test", &err)
                                           : theater_host_cancel(h.host, ids[i], "test", &err);
        assert_int_equal(status, THEATER_OK);
    }
    harness_run(&h);
    assert_int_equal(h.ends_count, 200);
    assert_int_equal(elapsed_ms(&h, before), 0); /* nothing was left to jump to */
    assert_int_equal(theater__timerq_next_key(&h.host->mono_queue), UINT64_MAX);
    assert_int_equal(theater__timerq_next_key(&h.host->wall_queue), UINT64_MAX);
    for (size_t i = 0; i < EVICT_QUEUES; i++) {
        assert_int_equal(h.host->evictor.queues[i].count, 0);
    }
    assert_int_equal(stats_of(&h).asleep, 0);
    assert_int_equal(stats_of(&h).wakes, 0);
    assert_int_equal(h.host->lives_count, 0);
    assert_int_equal(h.host->resident_count, 0);
    harness_close(&h);
}

/* ---- durations ------------------------------------------------------------------------------- */

/* Through a store and a restart, where a 32-bit number of ms or a signed one would show. */
static void durations__of_any_size_survive_a_restart_to_the_ms(void **state)
{
    (void)state;
    static const uint64_t durations[] = {
        ((uint64_t)1 << 31) - 1, (uint64_t)1 << 31,
        ((uint64_t)1 << 31) + 1, ((uint64_t)1 << 32) - 1, /* 49.7 days */
        (uint64_t)1 << 32,       ((uint64_t)1 << 32) + 1,
        (uint64_t)1 << 36,       (uint64_t)36525 * 86400000u, /* 100 years */
    };
    enum {
        COUNT = sizeof(durations) / sizeof(durations[0])
    };
    for (unsigned other_boot = 0; other_boot < 2; other_boot++) {
        harness h;
        theater_host_options options = virtual_options(2);
        harness_open(&h, &options, true);
        theater_id ids[COUNT];
        for (unsigned i = 0; i < COUNT; i++) {
            ids[i] = spawn_sleep(&h, durations[i]);
        }
        theater_id forever = spawn_sleep(&h, UINT64_MAX);
        harness_settle(&h);
        options.seed += other_boot;
        harness_reopen(&h, &options);
        harness_run(&h);
        assert_int_equal(h.ends_count, COUNT);
        for (unsigned i = 0; i < COUNT; i++) {
            assert_int_equal(harness_find(&h, ids[i])->number, durations[i]);
        }
        theater_actor_info info;
        assert_int_equal(theater_host_actor(h.host, forever, &info, NULL), THEATER_OK);
        assert_int_equal(info.state, THEATER_ACTOR_ASLEEP);
        harness_close(&h);
    }
}

/* ---- a creation that fails ------------------------------------------------------------------- */

static theater_status spawn_limited(harness *h, theater_actor_component *component,
                                    const theater_limits *limits, size_t state_size)
{
    static const uint8_t bytes[4096];
    theater_spawn_options options = THEATER_SPAWN_OPTIONS_INIT;
    theater_error err = THEATER_ERROR_INIT;
    options.export_name = "run";
    options.args_json = "[10]";
    options.limits = *limits;
    options.state.data = bytes;
    options.state.size = state_size;
    theater_status status = theater_host_spawn(h->host, component, &options, NULL, &err);
    assert_true((status == THEATER_OK) == (err.message[0] == '\0'));
    return status;
}

static void limit__a_creation_that_fails_harms_no_sleeper(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = virtual_options(5);
    harness_open(&h, &options, true);
    theater_id ids[20];
    for (unsigned i = 0; i < 20; i++) {
        ids[i] = spawn_sleep(&h, 1000 + i);
    }
    harness_settle(&h);
    uint32_t actors_count = h.host->actors_count;
    theater_actor_component *component = harness_load(&h, EXAMPLE_GUESTS, "sleep.wat");
    theater_limits limits = THEATER_LIMITS_INIT;
    limits.state_bytes_max = 100;
    assert_int_equal(spawn_limited(&h, component, &limits, 101), THEATER_ERR_LIMIT);
    /* Without memory, at any moment of it. */
    theater_status status = THEATER_ERR_NOMEM;
    uint64_t k = 1;
    for (; status != THEATER_OK; k++) {
        theater__alloc_fail_at(k);
        status = spawn_limited(&h, component, &limits, 0);
        theater__alloc_fail_at(0);
        assert_true(status == THEATER_OK || status == THEATER_ERR_NOMEM);
        assert_int_equal(h.host->actors_count, actors_count + (status == THEATER_OK));
    }
    assert_true(k > 5);
    /* Taken, and ended at once, since its memory does not fit. */
    limits.memory_bytes_max = 1;
    assert_int_equal(spawn_limited(&h, component, &limits, 0), THEATER_OK);
    harness_run(&h);
    assert_int_equal(h.ends_count, 22);
    assert_int_equal(h.parked_count, 0);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(harness_find(&h, ids[i])->reason, THEATER_END_RETURNED);
        assert_int_equal(harness_find(&h, ids[i])->number, 1000 + i);
    }
    harness_close(&h);
}

/* ---- those that end at their wake ------------------------------------------------------------ */

/* Taking down an instance costs more than a wake, unless it came from the pool (these may have more
 * memory than a slot of it): it waits as long as somebody is due. */
static void storm__those_that_end_at_their_wake_delay_no_other(void **state)
{
    (void)state;
    enum {
        COUNT = 600
    };
    harness h;
    theater_host_options options = virtual_options(2 * COUNT);
    theater_limits limits = THEATER_LIMITS_INIT;
    limits.memory_bytes_max = (uint64_t)1 << 30;
    harness_open(&h, &options, false);
    theater_actor_component *component = harness_load(&h, EXAMPLE_GUESTS, "sleep.wat");
    for (unsigned i = 0; i < COUNT; i++) {
        (void)harness_spawn(&h, component, "run", "[1000]", &limits);
    }
    harness_settle(&h);
    uint32_t graveyard_max = 0;
    uint32_t graveyard_before = 0;
    while (h.ends_count < COUNT) {
        theater_error err = THEATER_ERROR_INIT;
        assert_int_equal(theater_host_dispatch(h.host, NULL, &err), THEATER_OK);
        uint32_t count = h.host->graveyard_count;
        graveyard_max = count > graveyard_max ? count : graveyard_max;
        if (h.host->due_count > 0) {
            assert_true(count >= graveyard_before);
        }
        graveyard_before = count;
    }
    assert_true(graveyard_max > COUNT / 2);
    assert_int_equal(stats_of(&h).late_max_ns, 0);
    harness_run(&h);
    assert_int_equal(h.host->graveyard_count, 0);
    harness_close(&h);
}

/* ---- an absent subscriber -------------------------------------------------------------------- */

static void subscriber__an_absent_one_costs_no_event_order_or_memory(void **state)
{
    (void)state;
    enum {
        COUNT = 500
    };
    harness h;
    theater_host_options options = virtual_options(10);
    harness_open(&h, &options, true);
    theater_host_on_finished(h.host, NULL, NULL); /* nobody is there */
    for (unsigned i = 0; i < COUNT; i++) {
        (void)spawn_sleep(&h, 10 + i);
    }
    harness_run(&h);
    assert_int_equal(h.ends_count, 0);
    assert_int_equal(h.host->lives_count, 0); /* what waits for it is in the store alone */
    for (unsigned i = 0; i < 2; i++) {        /* the second time they were acknowledged */
        harness_reopen(&h, &options);
        harness_run(&h);
        assert_int_equal(h.ends_count, COUNT);
    }
    bool seen[COUNT] = {false};
    for (unsigned i = 0; i < COUNT; i++) {
        assert_in_range(h.ends[i].number, 10, 10 + COUNT - 1);
        assert_false(seen[h.ends[i].number - 10]);
        seen[h.ends[i].number - 10] = true;
    }
    harness_close(&h);
}

/* ---- zombies --------------------------------------------------------------------------------- */

static unsigned entries_of(const char *path)
{
    unsigned count = 0;
    DIR *directory = opendir(path);
    assert_non_null(directory);
    while (readdir(directory) != NULL) {
        count++;
    }
    assert_int_equal(closedir(directory), 0);
    return count;
}

static void shutdown__leaves_no_thread_child_or_descriptor_and_the_sleepers(void **state)
{
    (void)state;
    unsigned threads = 0;
    unsigned descriptors = 0;
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    options.cache_directory = ""; /* so that a child compiles it */
    for (unsigned round = 0; round < 4; round++) {
        if (round == 0) {
            harness_open(&h, &options, true);
        } else {
            harness_reopen(&h, &options);
        }
        for (unsigned i = 0; i < 5; i++) {
            (void)spawn_sleep(&h, HOUR_MS);
        }
        theater_error err = THEATER_ERROR_INIT;
        for (unsigned i = 0; i < 50; i++) {
            assert_int_equal(theater_host_dispatch(h.host, NULL, &err), THEATER_OK);
        }
        assert_int_equal(stats_of(&h).actors, 5 * (round + 1));
        theater_host_free(h.host); /* with sleepers in it */
        h.host = NULL;
        /* The first round starts what belongs to the process: the engine's own threads. */
        if (round == 0) {
            threads = entries_of("/proc/self/task");
            descriptors = entries_of("/proc/self/fd");
        }
        assert_int_equal(entries_of("/proc/self/task"), threads);
        assert_int_equal(entries_of("/proc/self/fd"), descriptors);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child, dead or alive */
    }
    assert_int_equal(h.ends_count, 0);
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(completion__that_the_guest_had_not_seen_is_seen_once),
        cmocka_unit_test(timers__a_thousand_fire_and_not_999),
        cmocka_unit_test(overdue__what_is_past_when_it_is_armed_fires_at_once),
        cmocka_unit_test(overdue__a_deadline_in_the_past_is_no_wait),
        cmocka_unit_test(pause__what_came_due_meanwhile_wakes_once_and_in_order),
        cmocka_unit_test(cancel__leaves_no_timer_and_no_memory),
        cmocka_unit_test(durations__of_any_size_survive_a_restart_to_the_ms),
        cmocka_unit_test(limit__a_creation_that_fails_harms_no_sleeper),
        cmocka_unit_test(storm__those_that_end_at_their_wake_delay_no_other),
        cmocka_unit_test(subscriber__an_absent_one_costs_no_event_order_or_memory),
        cmocka_unit_test(shutdown__leaves_no_thread_child_or_descriptor_and_the_sleepers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
