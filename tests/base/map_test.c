/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index from ids to numbers, beside a plain array of what is in it.
 */
#include <base/alloc.h>
#include <base/map.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define IDS 3000u

static theater_id ids[IDS];

static const theater_id *key_of(uint32_t number, const void *userdata)
{
    const theater_id *keys = userdata;
    return &keys[number];
}

static int setup(void **state)
{
    static theater__map map;
    for (uint32_t i = 0; i < IDS; i++) {
        memset(ids[i].bytes, 0, sizeof ids[i].bytes);
        memcpy(ids[i].bytes + 12, &i, sizeof i);
    }
    theater__map_init(&map, 99, key_of, ids);
    *state = &map;
    return 0;
}

static int teardown(void **state)
{
    theater__alloc_fail_at(0);
    theater__map_deinit(*state);
    return 0;
}

static void map__empty_finds_nothing(void **state)
{
    assert_int_equal(theater__map_find(*state, &ids[0]), UINT32_MAX);
    theater__map_deinit(*state);
    theater__map_deinit(NULL);
}

static void map__finds_what_was_added(void **state)
{
    for (uint32_t i = 0; i < IDS; i += 2) {
        assert_true(theater__map_add(*state, i));
    }
    for (uint32_t i = 0; i < IDS; i++) {
        assert_int_equal(theater__map_find(*state, &ids[i]), i % 2 == 0 ? i : UINT32_MAX);
    }
}

static void map__removed_is_gone_and_can_come_back(void **state)
{
    for (uint32_t i = 0; i < IDS; i++) {
        assert_true(theater__map_add(*state, i));
    }
    for (uint32_t i = 0; i < IDS; i += 3) {
        theater__map_remove(*state, i);
    }
    for (uint32_t i = 0; i < IDS; i++) {
        assert_int_equal(theater__map_find(*state, &ids[i]), i % 3 != 0 ? i : UINT32_MAX);
    }
    for (uint32_t i = 0; i < IDS; i += 3) {
        assert_true(theater__map_add(*state, i));
    }
    for (uint32_t i = 0; i < IDS; i++) {
        assert_int_equal(theater__map_find(*state, &ids[i]), i);
    }
}

static void map__churn_does_not_grow_it(void **state)
{
    theater__map *map = *state;
    for (uint32_t round = 0; round < 200; round++) {
        for (uint32_t i = 0; i < 50; i++) {
            assert_true(theater__map_add(map, (round * 50 + i) % IDS));
        }
        for (uint32_t i = 0; i < 50; i++) {
            theater__map_remove(map, (round * 50 + i) % IDS);
        }
    }
    assert_int_equal(map->live, 0);
    assert_true(map->slots_count <= 256);
}

static void map__random_operations_agree_with_a_plain_array(void **state)
{
    theater__map *map = *state;
    static bool there[IDS];
    memset(there, 0, sizeof there);
    uint64_t random = 12345;
    uint32_t live = 0;
    for (uint32_t step = 0; step < 100000; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint32_t number = (uint32_t)(random >> 33) % IDS;
        if (there[number]) {
            theater__map_remove(map, number);
            live--;
        } else {
            assert_true(theater__map_add(map, number));
            live++;
        }
        there[number] = !there[number];
        assert_int_equal(map->live, live);
        uint32_t other = (uint32_t)(random >> 20) % IDS;
        assert_int_equal(theater__map_find(map, &ids[other]), there[other] ? other : UINT32_MAX);
    }
}

static void map__no_memory_changes_nothing(void **state)
{
    theater__map *map = *state;
    theater__alloc_fail_at(1);
    assert_false(theater__map_add(map, 0));
    theater__alloc_fail_at(0);
    uint32_t added = 0;
    while (added < IDS) {
        theater__alloc_fail_at(1);
        if (!theater__map_add(map, added)) {
            assert_int_equal(theater__map_find(map, &ids[added]), UINT32_MAX);
            theater__alloc_fail_at(0);
            assert_true(theater__map_add(map, added));
        }
        added++;
    }
    theater__alloc_fail_at(0);
    for (uint32_t i = 0; i < IDS; i++) {
        assert_int_equal(theater__map_find(map, &ids[i]), i);
    }
}

static void map__seed_decides_the_places(void **state)
{
    theater__map *map = *state;
    theater__map other;
    theater__map_init(&other, 100, key_of, ids);
    for (uint32_t i = 0; i < 100; i++) {
        assert_true(theater__map_add(map, i));
        assert_true(theater__map_add(&other, i));
    }
    assert_int_equal(map->slots_count, other.slots_count);
    assert_memory_not_equal(map->slots, other.slots, map->slots_count * sizeof *map->slots);
    theater__map_deinit(&other);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(map__empty_finds_nothing),
        CASE(map__finds_what_was_added),
        CASE(map__removed_is_gone_and_can_come_back),
        CASE(map__churn_does_not_grow_it),
        CASE(map__random_operations_agree_with_a_plain_array),
        CASE(map__no_memory_changes_nothing),
        CASE(map__seed_decides_the_places),
    };
    return cmocka_run_group_tests_name("base map", tests, NULL, NULL);
}
