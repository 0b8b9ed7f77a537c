/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The deadline queue, by cases and beside a plain model: an array of what was started, searched for
 * the least. THEATER_TEST_SEED repeats a random run; the seed is printed first.
 */
#include <timerq/timerq.h>

#include <base/alloc.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <cmocka.h>

#define NEVER UINT64_MAX

static int setup(void **state)
{
    static theater__timerq queue;
    theater__timerq_init(&queue);
    *state = &queue;
    return theater__timerq_reserve(&queue, 16, NULL) == THEATER_OK ? 0 : -1;
}

static int teardown(void **state)
{
    theater__alloc_fail_at(0);
    theater__timerq_deinit(*state);
    return 0;
}

static void expect_pop(theater__timerq *queue, uint64_t now, uint32_t wanted_id,
                       uint64_t wanted_key)
{
    uint32_t id = 0;
    uint64_t key = 0;
    assert_true(theater__timerq_pop(queue, now, &id, &key));
    assert_int_equal(id, wanted_id);
    assert_int_equal(key, wanted_key);
}

static void expect_nothing(theater__timerq *queue, uint64_t now)
{
    uint32_t id = 77;
    uint64_t key = 78;
    assert_false(theater__timerq_pop(queue, now, &id, &key));
    assert_int_equal(id, 77);
    assert_int_equal(key, 78);
}

static void timerq_pop__empty_queue_has_nothing(void **state)
{
    expect_nothing(*state, NEVER);
    assert_int_equal(theater__timerq_next_key(*state), NEVER);
    theater__timerq_entry entry;
    assert_false(theater__timerq_peek(*state, &entry));
}

static void timerq_pop__zeroed_queue_has_nothing(void **state)
{
    (void)state;
    theater__timerq queue = {0};
    expect_nothing(&queue, NEVER);
    assert_false(theater__timerq_has(&queue, 0));
    assert_false(theater__timerq_stop(&queue, 0));
    theater__timerq_deinit(&queue);
    theater__timerq_deinit(NULL);
}

static void timerq_pop__earliest_first(void **state)
{
    theater__timerq_start(*state, 0, 30);
    theater__timerq_start(*state, 1, 10);
    theater__timerq_start(*state, 2, 20);
    expect_pop(*state, 100, 1, 10);
    expect_pop(*state, 100, 2, 20);
    expect_pop(*state, 100, 0, 30);
    expect_nothing(*state, 100);
}

static void timerq_pop__not_before_its_key(void **state)
{
    theater__timerq_start(*state, 3, 50);
    expect_nothing(*state, 49);
    expect_pop(*state, 50, 3, 50);
}

static void timerq_pop__equal_deadlines_keep_start_order(void **state)
{
    static const uint32_t order[] = {7, 2, 9, 0, 15, 4, 1};
    for (size_t i = 0; i < 7; i++) {
        theater__timerq_start(*state, order[i], 5);
    }
    for (size_t i = 0; i < 7; i++) {
        expect_pop(*state, 5, order[i], 5);
    }
}

static void timerq_pop__equal_deadlines_keep_order_over_sequence_wrap(void **state)
{
    theater__timerq *queue = *state;
    queue->sequence = UINT32_MAX - 2;
    for (uint32_t id = 0; id < 8; id++) {
        theater__timerq_start(queue, id, 5);
    }
    assert_int_equal(queue->sequence, 5);
    for (uint32_t id = 0; id < 8; id++) {
        expect_pop(queue, 5, id, 5);
    }
}

static void timerq_pop__never_is_kept_and_never_due(void **state)
{
    theater__timerq_start(*state, 1, NEVER);
    theater__timerq_start(*state, 2, NEVER - 1);
    expect_pop(*state, NEVER, 2, NEVER - 1);
    expect_nothing(*state, NEVER);
    assert_true(theater__timerq_has(*state, 1));
    assert_int_equal(theater__timerq_next_key(*state), NEVER);
    assert_true(theater__timerq_stop(*state, 1));
}

static void timerq_pop__key_zero_is_due_at_zero(void **state)
{
    theater__timerq_start(*state, 0, 0);
    expect_pop(*state, 0, 0, 0);
}

static void timerq_start__again_moves_it(void **state)
{
    theater__timerq_start(*state, 0, 10);
    theater__timerq_start(*state, 1, 20);
    theater__timerq_start(*state, 0, 30);
    assert_int_equal(((theater__timerq *)*state)->count, 2);
    expect_pop(*state, 100, 1, 20);
    expect_pop(*state, 100, 0, 30);
}

static void timerq_start__moved_earlier_comes_first(void **state)
{
    for (uint32_t id = 0; id < 10; id++) {
        theater__timerq_start(*state, id, 100 + id);
    }
    theater__timerq_start(*state, 9, 1);
    expect_pop(*state, 1, 9, 1);
    expect_pop(*state, 100, 0, 100);
}

static void timerq_start__moved_to_the_same_key_goes_behind_its_equals(void **state)
{
    theater__timerq_start(*state, 0, 10);
    theater__timerq_start(*state, 1, 10);
    theater__timerq_start(*state, 0, 10);
    expect_pop(*state, 10, 1, 10);
    expect_pop(*state, 10, 0, 10);
}

static void timerq_stop__takes_out_the_middle(void **state)
{
    for (uint32_t id = 0; id < 10; id++) {
        theater__timerq_start(*state, id, id);
    }
    assert_true(theater__timerq_stop(*state, 4));
    assert_false(theater__timerq_stop(*state, 4));
    assert_false(theater__timerq_has(*state, 4));
    for (uint32_t id = 0; id < 10; id++) {
        if (id != 4) {
            expect_pop(*state, 100, id, id);
        }
    }
}

static void timerq_stop__unknown_and_out_of_reserve_are_false(void **state)
{
    assert_false(theater__timerq_stop(*state, 3));
    assert_false(theater__timerq_stop(*state, 1000000));
    assert_false(theater__timerq_has(*state, UINT32_MAX));
}

static void timerq_peek__shows_and_keeps(void **state)
{
    theater__timerq_start(*state, 5, 50);
    theater__timerq_entry entry;
    assert_true(theater__timerq_peek(*state, &entry));
    assert_int_equal(entry.id, 5);
    assert_int_equal(entry.key, 50);
    assert_true(theater__timerq_has(*state, 5));
}

static void timerq_reserve__keeps_timers_and_their_order(void **state)
{
    for (uint32_t id = 0; id < 16; id++) {
        theater__timerq_start(*state, id, 7);
    }
    assert_int_equal(theater__timerq_reserve(*state, 5000, NULL), THEATER_OK);
    theater__timerq_start(*state, 4999, 6);
    expect_pop(*state, 7, 4999, 6);
    for (uint32_t id = 0; id < 16; id++) {
        expect_pop(*state, 7, id, 7);
    }
}

static void timerq_reserve__puts_children_on_one_cache_line(void **state)
{
    const theater__timerq *queue = *state;
    assert_int_equal((uintptr_t)&queue->heap[1] % 64, 0);
}

static void timerq_reserve__too_many_is_a_named_limit(void **state)
{
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater__timerq_reserve(*state, UINT32_MAX, &err), THEATER_ERR_LIMIT);
    assert_string_equal(err.message, "4294967295 timers are more than timers_max (2147483647)");
}

static void timerq_reserve__failed_allocation_changes_nothing(void **state)
{
    theater__timerq_start(*state, 3, 30);
    for (uint64_t k = 1; k <= 2; k++) {
        theater_error err = THEATER_ERROR_INIT;
        theater__alloc_fail_at(k);
        assert_int_equal(theater__timerq_reserve(*state, 100000, &err), THEATER_ERR_NOMEM);
        assert_string_equal(err.message, "out of memory");
    }
    theater__alloc_fail_at(0);
    expect_pop(*state, 30, 3, 30);
}

static void timerq__within_the_reserve_nothing_is_allocated(void **state)
{
    theater__alloc_fail_at(0);
    for (uint32_t id = 0; id < 16; id++) {
        theater__timerq_start(*state, id, 100 - id);
    }
    theater__timerq_stop(*state, 3);
    expect_pop(*state, 100, 15, 85);
    assert_int_equal(theater__alloc_count(), 0);
}

/* ---- beside a model -------------------------------------------------------------------------- */

#define MODEL_IDS 300u

typedef struct model {
    bool running[MODEL_IDS];
    uint64_t key[MODEL_IDS];
    uint64_t started[MODEL_IDS];
    uint64_t starts;
} model;

static uint64_t seed_of_run(void)
{
    const char *given = getenv("THEATER_TEST_SEED");
    uint64_t seed = 0;
    if (given != NULL) {
        seed = strtoull(given, NULL, 10);
    } else if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        seed = 1;
    }
    return seed;
}

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9E3779B97F4A7C15u;
    uint64_t word = *state;
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9u;
    word = (word ^ (word >> 27)) * 0x94D049BB133111EBu;
    return word ^ (word >> 31);
}

static bool model_first(const model *plain, uint32_t *out_id)
{
    bool found = false;
    for (uint32_t id = 0; id < MODEL_IDS; id++) {
        if (!plain->running[id]) {
            continue;
        }
        bool earlier =
            !found || plain->key[id] < plain->key[*out_id] ||
            (plain->key[id] == plain->key[*out_id] && plain->started[id] < plain->started[*out_id]);
        if (earlier) {
            *out_id = id;
            found = true;
        }
    }
    return found;
}

static void check_heap(const theater__timerq *queue, const model *plain)
{
    uint32_t running = 0;
    for (uint32_t id = 0; id < MODEL_IDS; id++) {
        assert_int_equal(theater__timerq_has(queue, id), plain->running[id]);
        running += plain->running[id] ? 1 : 0;
    }
    assert_int_equal(queue->count, running);
    for (uint32_t place = 0; place < queue->count; place++) {
        assert_int_equal(queue->places[queue->heap[place].id], place + 1);
        assert_true(queue->heap[place].key >= queue->heap[place > 0 ? (place - 1) / 4 : 0].key);
    }
}

static void step(theater__timerq *queue, model *plain, uint64_t *random)
{
    uint32_t id = (uint32_t)(next_random(random) % MODEL_IDS);
    uint64_t choice = next_random(random) % 10;
    if (choice < 5) {
        uint64_t key = next_random(random) % 64;
        key = key == 63 ? NEVER : key; /* few keys, so that many are equal */
        theater__timerq_start(queue, id, key);
        plain->running[id] = true;
        plain->key[id] = key;
        plain->started[id] = plain->starts++;
    } else if (choice < 7) {
        assert_int_equal(theater__timerq_stop(queue, id), plain->running[id]);
        plain->running[id] = false;
    } else {
        uint64_t now = next_random(random) % 80;
        now = now == 79 ? NEVER : now;
        uint32_t first = 0;
        bool any = model_first(plain, &first);
        assert_int_equal(theater__timerq_next_key(queue), any ? plain->key[first] : NEVER);
        if (any && plain->key[first] <= now && plain->key[first] != NEVER) {
            expect_pop(queue, now, first, plain->key[first]);
            plain->running[first] = false;
        } else {
            expect_nothing(queue, now);
        }
    }
}

static void run_beside_model(uint64_t seed)
{
    theater__timerq queue;
    theater__timerq_init(&queue);
    assert_int_equal(theater__timerq_reserve(&queue, MODEL_IDS, NULL), THEATER_OK);
    uint64_t random = seed;
    queue.sequence = (uint32_t)next_random(&random); /* anywhere, near the wrap included */
    if (seed % 2 == 0) {
        queue.sequence = UINT32_MAX - 1000;
    }
    model plain = {0};
    for (uint32_t i = 0; i < 20000; i++) {
        step(&queue, &plain, &random);
        if (i % 500 == 0) {
            check_heap(&queue, &plain);
        }
    }
    check_heap(&queue, &plain);
    theater__timerq_deinit(&queue);
}

static void timerq__fixed_seeds_agree_with_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        run_beside_model(seed);
    }
}

static void timerq__fresh_seed_agrees_with_the_model(void **state)
{
    (void)state;
    uint64_t seed = seed_of_run();
    print_message("THEATER_TEST_SEED=%" PRIu64 "\n", seed);
    run_beside_model(seed);
}

static void timerq_walk__gives_the_order_of_pops_and_changes_nothing(void **state)
{
    (void)state;
    enum {
        TIMERS = 1000,
        FIRST = 200
    };
    theater__timerq queue;
    static uint32_t frontier[FIRST * 3 + 4];
    theater__timerq_init(&queue);
    assert_int_equal(theater__timerq_reserve(&queue, TIMERS, NULL), THEATER_OK);
    for (uint32_t id = 0; id < TIMERS; id++) {
        theater__timerq_start(&queue, id, (id * 7919u) % 313u);
    }
    theater__timerq_walk walk;
    theater__timerq_entry walked[FIRST];
    theater__timerq_walk_begin(&walk, &queue, frontier, FIRST * 3 + 4);
    for (uint32_t i = 0; i < FIRST; i++) {
        assert_true(theater__timerq_walk_next(&walk, &walked[i]));
    }
    assert_int_equal(queue.count, TIMERS);
    for (uint32_t i = 0; i < FIRST; i++) {
        uint32_t id = 0;
        uint64_t key = 0;
        assert_true(theater__timerq_pop(&queue, UINT64_MAX - 1, &id, &key));
        assert_int_equal(id, walked[i].id);
        assert_int_equal(key, walked[i].key);
    }
    theater__timerq_deinit(&queue);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(timerq_pop__empty_queue_has_nothing),
        CASE(timerq_pop__zeroed_queue_has_nothing),
        CASE(timerq_pop__earliest_first),
        CASE(timerq_pop__not_before_its_key),
        CASE(timerq_pop__equal_deadlines_keep_start_order),
        CASE(timerq_pop__equal_deadlines_keep_order_over_sequence_wrap),
        CASE(timerq_pop__never_is_kept_and_never_due),
        CASE(timerq_pop__key_zero_is_due_at_zero),
        CASE(timerq_start__again_moves_it),
        CASE(timerq_start__moved_earlier_comes_first),
        CASE(timerq_start__moved_to_the_same_key_goes_behind_its_equals),
        CASE(timerq_stop__takes_out_the_middle),
        CASE(timerq_stop__unknown_and_out_of_reserve_are_false),
        CASE(timerq_peek__shows_and_keeps),
        CASE(timerq_reserve__keeps_timers_and_their_order),
        CASE(timerq_reserve__puts_children_on_one_cache_line),
        CASE(timerq_reserve__too_many_is_a_named_limit),
        CASE(timerq_reserve__failed_allocation_changes_nothing),
        CASE(timerq__within_the_reserve_nothing_is_allocated),
        CASE(timerq_walk__gives_the_order_of_pops_and_changes_nothing),
        CASE(timerq__fixed_seeds_agree_with_the_model),
        CASE(timerq__fresh_seed_agrees_with_the_model),
    };
    return cmocka_run_group_tests_name("timerq", tests, NULL, NULL);
}
