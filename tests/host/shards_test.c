/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store of several shards is run by a host for each, every one in a thread of its own: who may be
 * in which, and that they share nothing.
 */
#include "harness.h"

#include "internal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARDS 2u
#define SLEEPERS 40u

static theater_host_options options_of(uint32_t shard)
{
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    options.shard = shard;
    options.shards_count = SHARDS;
    return options;
}

/* One host on each shard of one new store. */
static void open_both(harness h[SHARDS])
{
    theater_host_options options = options_of(0);
    harness_open(&h[0], &options, true);
    for (uint32_t i = 1; i < SHARDS; i++) {
        options = options_of(i);
        memset(&h[i], 0, sizeof(h[i]));
        memcpy(h[i].directory, h[0].directory, sizeof(h[i].directory));
        harness_reopen(&h[i], &options);
    }
}

static void close_both(harness h[SHARDS])
{
    for (uint32_t i = SHARDS; i-- > 0;) {
        if (i > 0) {
            h[i].directory[0] = '\0'; /* the first one's to remove */
        }
        harness_close(&h[i]);
    }
}

/* What the process can hold is divided by all hosts in it, whether they run one store or many. */
static void hosts__of_one_process_share_its_places(void **state)
{
    (void)state;
    enum {
        HOSTS = 128
    };
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open(&h, &options, false);
    uint32_t live_max = h.host->live_max;
    uint32_t pooled_max = theater__engine_pooled_max(h.host->engine);
    options.hosts_count = HOSTS;
    harness_reopen(&h, &options);
    assert_int_equal(h.host->live_max, live_max / HOSTS);
    assert_true(theater__engine_pooled_max(h.host->engine) <= pooled_max);
    uint64_t slots = (uint64_t)HOSTS * theater__engine_pooled_max(h.host->engine);
    assert_true(slots <= theater__engine_maps_max() / 4);
    options.live_max = live_max; /* more than its part is not given */
    harness_reopen(&h, &options);
    assert_int_equal(h.host->live_max, live_max / HOSTS);
    options = options_of(0);
    options.hosts_count = 1; /* the store's other shard is assumed to be there */
    harness_reopen(&h, &options);
    assert_int_equal(h.host->live_max, live_max / SHARDS);
    harness_close(&h);
}

static void options__that_make_no_sense_are_refused(void **state)
{
    (void)state;
    theater_host *host = NULL;
    theater_error err = THEATER_ERROR_INIT;
    theater_host_options options = options_of(2);
    assert_int_equal(theater_host_new(&options, &host, &err), THEATER_ERR_INVALID);
    assert_string_equal(err.message, "there is no shard 2 of 2");
    options = options_of(0);
    options.shards_count = THEATER_SHARDS_MAX + 1;
    assert_int_equal(theater_host_new(&options, &host, &err), THEATER_ERR_LIMIT);
    options = options_of(0);
    options.clock = THEATER_CLOCK_VIRTUAL;
    assert_int_equal(theater_host_new(&options, &host, &err), THEATER_ERR_INVALID);
    assert_non_null(strstr(err.message, "a virtual clock cannot jump"));
    assert_null(host);
}

/* What a process has for instances, its hosts have together. */
static void options__shards_divide_the_room_for_instances(void **state)
{
    (void)state;
    theater_host *one = NULL;
    theater_host *of_two = NULL;
    theater_host_options options = options_of(1);
    assert_int_equal(theater_host_new(NULL, &one, NULL), THEATER_OK);
    assert_int_equal(theater_host_new(&options, &of_two, NULL), THEATER_OK);
    assert_int_equal(of_two->live_max, one->live_max / SHARDS);
    assert_int_equal(theater_host_open(one, NULL), THEATER_OK);
    assert_int_equal(theater_host_open(of_two, NULL), THEATER_OK);
    assert_true(theater__engine_pooled_max(one->engine) == 0 ||
                theater__engine_pooled_max(of_two->engine) <=
                    theater__engine_pooled_max(one->engine));
    theater_host_free(one);
    theater_host_free(of_two);
}

static void spawn__takes_ids_of_its_shard_alone(void **state)
{
    (void)state;
    harness h[SHARDS];
    open_both(h);
    theater_actor_component *component = harness_load(&h[1], EXAMPLE_GUESTS, "sleep.wat");
    theater_error err = THEATER_ERROR_INIT;
    theater_spawn_options spawn = THEATER_SPAWN_OPTIONS_INIT;
    theater_id elsewhere;
    do {
        assert_int_equal(theater_id_new(&elsewhere, NULL), THEATER_OK);
    } while (theater_store_shard_of(elsewhere, SHARDS) != 0);
    spawn.id = &elsewhere;
    spawn.export_name = "run";
    spawn.args_json = "[1]";
    assert_int_equal(theater_host_spawn(h[1].host, component, &spawn, NULL, &err),
                     THEATER_ERR_INVALID);
    assert_non_null(strstr(err.message, "belongs to shard 0 of 2, this is shard 1"));
    for (unsigned i = 0; i < SLEEPERS; i++) {
        theater_id id = harness_spawn(&h[1], component, "run", "[1]", NULL);
        assert_int_equal(theater_store_shard_of(id, SHARDS), 1);
    }
    close_both(h);
}

static void *run_host(void *argument)
{
    return (void *)(intptr_t)theater_host_run(argument, NULL);
}

static int count_ended(const theater_actor_info *info, void *userdata)
{
    *(unsigned *)userdata += info->state == THEATER_ACTOR_ENDED;
    return 0;
}

static void run__hosts_of_two_shards_run_in_two_threads(void **state)
{
    (void)state;
    harness h[SHARDS];
    pthread_t threads[SHARDS];
    unsigned ended = 0;
    open_both(h);
    for (uint32_t i = 0; i < SHARDS; i++) {
        theater_actor_component *component = harness_load(&h[i], EXAMPLE_GUESTS, "sleep.wat");
        for (unsigned sleeper = 0; sleeper < SLEEPERS; sleeper++) {
            (void)harness_spawn(&h[i], component, "run", "[20]", NULL);
        }
    }
    for (uint32_t i = 0; i < SHARDS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run_host, h[i].host), 0);
    }
    for (uint32_t i = 0; i < SHARDS; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_int_equal((intptr_t)result, THEATER_OK);
        assert_int_equal(h[i].ends_count, SLEEPERS);
        for (size_t end = 0; end < h[i].ends_count; end++) {
            assert_int_equal(h[i].ends[end].reason, THEATER_END_RETURNED);
            assert_true(h[i].ends[end].number >= 20);
        }
    }
    assert_int_equal(theater_store_visit(h[0].directory, count_ended, &ended, NULL), THEATER_OK);
    assert_int_equal(ended, SHARDS * SLEEPERS);
    close_both(h);
}

/* Somebody has renamed the directories. */
static void recover__who_belongs_elsewhere_is_set_aside(void **state)
{
    (void)state;
    harness h[SHARDS];
    open_both(h);
    theater_actor_component *component = harness_load(&h[0], EXAMPLE_GUESTS, "sleep.wat");
    theater_id id = harness_spawn(&h[0], component, "run", "[600000]", NULL);
    theater_host_free(h[0].host);
    theater_host_free(h[1].host);
    h[0].host = NULL;
    h[1].host = NULL;
    char command[256];
    (void)snprintf(command, sizeof(command),
                   "cd '%s' && mv shard-000 x && mv shard-001 shard-000 "
                   "&& mv x shard-001",
                   h[0].directory);
    assert_int_equal(system(command), 0);
    theater_host_options options = options_of(1);
    theater_error err = THEATER_ERROR_INIT;
    theater_actor_info info;
    harness_reopen(&h[1], &options);
    assert_int_equal(h[1].parked_count, 1);
    assert_non_null(strstr(h[1].parked_reason, "belongs to shard 0 of 2, this is shard 1"));
    harness_run(&h[1]);
    assert_int_equal(theater_host_actor(h[1].host, id, &info, &err), THEATER_OK);
    assert_int_equal(info.state, THEATER_ACTOR_PARKED);
    assert_int_equal(theater_host_resume(h[1].host, id, &err), THEATER_ERR_CORRUPT);
    close_both(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts__of_one_process_share_its_places),
        cmocka_unit_test(options__that_make_no_sense_are_refused),
        cmocka_unit_test(options__shards_divide_the_room_for_instances),
        cmocka_unit_test(spawn__takes_ids_of_its_shard_alone),
        cmocka_unit_test(run__hosts_of_two_shards_run_in_two_threads),
        cmocka_unit_test(recover__who_belongs_elsewhere_is_set_aside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
