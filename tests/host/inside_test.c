/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a callback may do to its host: ask for what waits for the disk. Nobody is told anything
 * while a callback runs, so that results come in their order and no callback stands in another.
 */
#include "harness.h"

#include "internal.h"

#include <stdio.h>

#define ACTORS_COUNT 300u

typedef struct teller {
    harness *h;
    theater_actor_component *component;
    uint32_t depth; /* of callbacks inside callbacks */
    uint32_t depth_max;
    uint32_t told;
    uint32_t asked;
} teller;

static theater_id nth(uint32_t n)
{
    theater_id id = {{0}};
    memcpy(id.bytes, &n, sizeof(n));
    return id;
}

static theater_status spawn(teller *t, theater_id id, theater_error *err)
{
    theater_spawn_options options = THEATER_SPAWN_OPTIONS_INIT;
    options.id = &id;
    options.export_name = "run";
    options.args_json = "[1]";
    return theater_host_spawn(t->h->host, t->component, &options, NULL, err);
}

/* A worker that is given a job twice, as queues do: it spawns it again, from inside the result of
 * another one. */
static bool on_finished(const theater_finished *finished, void *userdata)
{
    teller *t = userdata;
    t->depth++;
    t->depth_max = t->depth > t->depth_max ? t->depth : t->depth_max;
    t->told++;
    theater_id other = nth((t->told * 7u) % ACTORS_COUNT);
    theater_error err = THEATER_ERROR_INIT;
    theater_chain *chain = NULL;
    if (spawn(t, other, &err) != THEATER_OK || spawn(t, finished->id, &err) != THEATER_OK ||
        theater_host_chain(t->h->host, other, &chain, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
    theater_chain_free(chain);
    t->asked++;
    t->depth--;
    return true;
}

static void callbacks__that_ask_the_store_are_not_nested(void **state)
{
    (void)state;
    for (int has_log = 0; has_log < 2; has_log++) {
        harness h;
        theater_host_options options = THEATER_HOST_OPTIONS_INIT;
        harness_open(&h, &options, has_log != 0);
        teller t = {&h, harness_load(&h, EXAMPLE_GUESTS, "sleep.wat"), 0, 0, 0, 0};
        h.host->on_finished = on_finished;
        h.host->on_finished_userdata = &t;
        for (uint32_t i = 0; i < ACTORS_COUNT; i++) {
            assert_int_equal(spawn(&t, nth(i), NULL), THEATER_OK);
        }
        harness_run(&h);
        assert_int_equal(t.told, ACTORS_COUNT);
        assert_int_equal(t.asked, ACTORS_COUNT);
        assert_int_equal(t.depth_max, 1);
        harness_close(&h);
    }
}

static void callbacks__of_a_store_that_was_opened_are_not_nested(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open(&h, &options, true);
    h.keeps_ends = true;
    teller t = {&h, harness_load(&h, EXAMPLE_GUESTS, "sleep.wat"), 0, 0, 0, 0};
    for (uint32_t i = 0; i < ACTORS_COUNT; i++) {
        assert_int_equal(spawn(&t, nth(i), NULL), THEATER_OK);
    }
    harness_run(&h);
    harness_reopen(&h, &options);
    t.component = harness_load(&h, EXAMPLE_GUESTS, "sleep.wat");
    h.host->on_finished = on_finished;
    h.host->on_finished_userdata = &t;
    harness_run(&h);
    assert_int_equal(t.told, ACTORS_COUNT);
    assert_int_equal(t.depth_max, 1);
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(callbacks__that_ask_the_store_are_not_nested),
        cmocka_unit_test(callbacks__of_a_store_that_was_opened_are_not_nested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
