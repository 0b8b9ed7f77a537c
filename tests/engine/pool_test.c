/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool: who goes there, that nobody can tell, and that nothing is left behind. Guests that the
 * other tests run are pooled, too, and run a second time on demand (CMakeLists.txt).
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t MIB = (uint64_t)1 << 20;

/* A pool of so many guests, and a component in it. */
static void open_with(harness *test, uint32_t pooled_guests_max, const char *name)
{
    harness_close_engine(test);
    test->pooled_guests_max = pooled_guests_max;
    harness_open_engine(test);
    harness_load(test, name);
    harness_link(test);
}

static theater__guest *start(harness *test, const char *export, const theater_value *args,
                             size_t count)
{
    size_t index = 0;
    theater__guest *guest = NULL;
    assert_int_equal(theater__component_find_export(test->component, export, &index, &test->err),
                     THEATER_OK);
    assert_int_equal(theater__guest_start(test->component, index, (theater_values){args, count},
                                          &test->limits, &test->ops, test, &guest, &test->err),
                     THEATER_OK);
    return guest;
}

static theater__guest *sleeper(harness *test)
{
    theater_value ms = theater_value_u64(5);
    theater__guest *guest = start(test, "run", &ms, 1);
    assert_int_equal(theater__guest_poll(guest), THEATER__GUEST_WAITING);
    return guest;
}

static void wake(harness *test, theater__guest *guest)
{
    theater_value ok = theater_value_result(true, NULL);
    assert_int_equal(theater__guest_complete(guest, &ok, &test->err), THEATER_OK);
    assert_int_equal(theater__guest_poll(guest), THEATER__GUEST_DONE);
    assert_true(theater__guest_result(guest)->is_ok);
    theater__guest_delete(guest);
}

static void pool__beyond_its_slots_guests_are_served_on_demand(void **state)
{
    enum {
        SLOTS = 4,
        COUNT = 12
    };
    harness *test = *state;
    open_with(test, SLOTS, "sleep.wat");
    assert_int_equal(theater__engine_pooled_max(test->engine), SLOTS);
    theater__guest *guests[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        guests[i] = sleeper(test);
        assert_int_equal(theater__engine_pooled(test->engine), i < SLOTS ? i + 1 : SLOTS);
    }
    /* A slot that comes free is taken by the next one. */
    theater__guest_delete(guests[1]);
    assert_int_equal(theater__engine_pooled(test->engine), SLOTS - 1);
    guests[1] = sleeper(test);
    assert_int_equal(theater__engine_pooled(test->engine), SLOTS);
    for (size_t i = 0; i < COUNT; i++) {
        wake(test, guests[(i * 5) % COUNT]);
    }
    assert_int_equal(theater__engine_pooled(test->engine), 0);
    assert_string_equal(test->log, "");
}

static void pool__can_be_left_out(void **state)
{
    harness *test = *state;
    open_with(test, THEATER__POOLED_GUESTS_NONE, "sleep.wat");
    assert_int_equal(theater__engine_pooled_max(test->engine), 0);
    theater__guest *guest = sleeper(test);
    assert_int_equal(theater__engine_pooled(test->engine), 0);
    wake(test, guest);
}

/* Calls hostile.wat's export with no arguments and tells its u32 and way. */
static uint64_t grown(harness *test, const char *export, bool pooled)
{
    theater__guest *guest = start(test, export, NULL, 0);
    assert_int_equal(theater__engine_pooled(test->engine), pooled ? 1 : 0);
    assert_int_equal(theater__guest_poll(guest), THEATER__GUEST_DONE);
    uint64_t number = theater__guest_result(guest)->of.u64;
    theater__guest_delete(guest);
    return number;
}

static void pool__growth_fails_at_the_same_place_everywhere(void **state)
{
    static const uint64_t MEMORIES_MIB[] = {1, 2, 64, 255, 256, 257, 300};
    harness *test = *state;
    uint64_t pages[2][sizeof MEMORIES_MIB / sizeof MEMORIES_MIB[0]];
    uint64_t elements[2][2];
    for (size_t way = 0; way < 2; way++) {
        bool pool = way == 1;
        open_with(test, pool ? 2 : THEATER__POOLED_GUESTS_NONE, "hostile.wat");
        for (size_t i = 0; i < sizeof MEMORIES_MIB / sizeof MEMORIES_MIB[0]; i++) {
            test->limits.memory_bytes_max = MEMORIES_MIB[i] * MIB;
            pages[way][i] = grown(test, "grow-memory", pool && MEMORIES_MIB[i] <= 256);
        }
        test->limits.memory_bytes_max = 64 * MIB;
        test->limits.table_elements_max = 20000;
        elements[way][0] = grown(test, "grow-table", pool);
        test->limits.table_elements_max = 100000; /* more than a slot has */
        elements[way][1] = grown(test, "grow-table", false);
        test->limits.table_elements_max = 20000;
    }
    assert_memory_equal(pages[0], pages[1], sizeof pages[0]);
    assert_memory_equal(elements[0], elements[1], sizeof elements[0]);
    assert_int_equal(pages[0][2], 1024);
    assert_int_equal(pages[0][6], 4800);
}

/* A memory that holds something makes its first byte the sum of what a new one must not have. */
static const char DIRTY[] =
    "(component"
    " (core module $m (memory 2) (table 4 funcref) (func $f) (elem declare func $f)"
    "  (data (i32.const 70000) \"abc\")"
    "  (func (export \"run\") (result i32)"
    "   (local i32)"
    "   (local.set 0 (i32.add (i32.load8_u (i32.const 70000)) (i32.load (i32.const 100000))))"
    "   (local.set 0 (i32.add (local.get 0) (i32.sub (memory.size) (i32.const 2))))"
    "   (local.set 0 (i32.add (local.get 0) (i32.eqz (ref.is_null (table.get (i32.const 1))))))"
    "   (i32.store8 (i32.const 70000) (i32.const 1)) (i32.store (i32.const 100000) (i32.const 77))"
    "   (table.set (i32.const 1) (ref.func $f))"
    "   (if (i32.ne (i32.const -1) (memory.grow (i32.const 40)))"
    "    (then (memory.fill (i32.const 131072) (i32.const 255) (i32.const 2621440))))"
    "   (local.get 0)))"
    " (core instance $i (instantiate $m))"
    " (func (export \"run\") (result u32) (canon lift (core func $i \"run\"))))";

static void pool__a_slot_is_as_good_as_new(void **state)
{
    harness *test = *state;
    open_with(test, 2, "sleep.wat");
    assert_int_equal(harness_load_text(test, DIRTY), THEATER_OK);
    harness_link(test);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(grown(test, "run", true), 'a');
    }
}

/* Six instances, two memories, two tables; returns 'a' if what it finds is new, and dirties it. */
static const char SMALL[] =
    "(component"
    " (core module $m (memory 1) (table 4 funcref) (global $g (mut i32) (i32.const 96))"
    "  (func $f) (elem declare func $f)"
    "  (func (export \"run\") (result i32)"
    "   (global.set $g (i32.add (global.get $g) (i32.const 1)))"
    "   (if (i32.load (i32.const 40000)) (then unreachable))"
    "   (if (i32.eqz (ref.is_null (table.get (i32.const 1)))) (then unreachable))"
    "   (i32.store (i32.const 40000) (i32.const 77))"
    "   (table.set (i32.const 1) (ref.func $f))"
    "   (global.get $g)))"
    " (core module $e)"
    " (core instance $i (instantiate $m)) (core instance $j (instantiate $m))"
    " (core instance (instantiate $e)) (core instance (instantiate $e))"
    " (core instance (instantiate $e)) (core instance (instantiate $e))"
    " (func (export \"run\") (result u32) (canon lift (core func $i \"run\"))))";
#define SMALL_INSTANCES 6

/* More of them than any store serves, one after another: what each may have is counted alone. */
static void pool__guests_in_one_store_know_nothing_of_each_other(void **state)
{
    harness *test = *state;
    open_with(test, 2, "sleep.wat");
    assert_int_equal(harness_load_text(test, SMALL), THEATER_OK);
    harness_link(test);
    const uint32_t instances_max = test->limits.instances_max;
    for (size_t i = 0; i < 100; i++) {
        test->limits.instances_max = i % 3 == 0 ? instances_max : SMALL_INSTANCES;
        test->limits.memories_max = 2;
        test->limits.tables_max = 2;
        assert_int_equal(grown(test, "run", true), 'a');
        test->limits.instances_max = SMALL_INSTANCES - 1; /* those that are over were allowed it */
        theater__guest *guest = start(test, "run", NULL, 0);
        assert_int_equal(theater__guest_poll(guest), THEATER__GUEST_TRAPPED);
        assert_int_equal(theater__guest_trap(guest).kind, THEATER__TRAP_LIMIT);
        theater__guest_delete(guest);
    }
}

/* Leaves 600 handles of a resource of its own. */
static const char LEAVES_HANDLES[] =
    "(component (type $r (resource (rep i32))) (core func $new (canon resource.new $r))"
    " (core module $m (import \"\" \"new\" (func $n (param i32) (result i32)))"
    "  (func (export \"run\") (result i32) (local i32)"
    "   (loop (drop (call $n (i32.const 1)))"
    "    (br_if 0 (i32.lt_u"
    "     (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 600))))"
    "   (i32.const 97)))"
    " (core instance $i (instantiate $m (with \"\" (instance (export \"new\" (func $new))))))"
    " (func (export \"run\") (result u32) (canon lift (core func $i \"run\"))))";

static void pool__handles_that_were_left_count_for_nobody_else(void **state)
{
    harness *test = *state;
    open_with(test, 16, "sleep.wat");
    assert_int_equal(harness_load_text(test, LEAVES_HANDLES), THEATER_OK);
    harness_link(test);
    test->limits.handles_max = 1000;
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(grown(test, "run", true), 'a');
    }
    test->limits.handles_max = 599;
    theater__guest *guest = start(test, "run", NULL, 0);
    assert_int_equal(theater__guest_poll(guest), THEATER__GUEST_TRAPPED);
    assert_int_equal(theater__guest_trap(guest).kind, THEATER__TRAP_LIMIT);
    theater__guest_delete(guest);
}

/* A store that has let one component have a few instances lets no other have more. */
static void pool__stores_are_of_one_component(void **state)
{
    harness *test = *state;
    open_with(test, 2, "sleep.wat");
    theater__component *sleeps = test->component;
    test->component = NULL;
    assert_int_equal(harness_load_text(test, SMALL), THEATER_OK);
    harness_link(test);
    theater__component *small = test->component;
    test->limits.instances_max = SMALL_INSTANCES - 1;
    for (size_t i = 0; i < 20; i++) {
        test->component = sleeps;
        wake(test, sleeper(test));
        test->component = small;
        theater__guest *guest = start(test, "run", NULL, 0);
        assert_int_equal(theater__guest_poll(guest), THEATER__GUEST_TRAPPED);
        assert_int_equal(theater__guest_trap(guest).kind, THEATER__TRAP_LIMIT);
        theater__guest_delete(guest);
    }
    theater__component_close(sleeps);
}

/* Sleepers stand in stores that have served others; whatever those hold, the living have theirs. */
static void pool__those_who_are_over_hold_no_slot_of_the_living(void **state)
{
    enum {
        SLOTS = 64,
        ROUNDS = 40
    };
    harness *test = *state;
    open_with(test, SLOTS, "sleep.wat");
    theater__guest *guests[SLOTS] = {NULL};
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < SLOTS; i++) {
            /* Ends, then begins: a store goes from hand to hand. Some are taken down asleep. */
            if (guests[i] != NULL && (i + round) % 7 == 0) {
                theater__guest_delete(guests[i]);
            } else if (guests[i] != NULL) {
                wake(test, guests[i]);
            }
            guests[i] = sleeper(test);
            assert_true(theater__guest_is_pooled(guests[i]));
        }
        assert_int_equal(theater__engine_pooled(test->engine), SLOTS);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        wake(test, guests[i]);
    }
    assert_int_equal(theater__engine_pooled(test->engine), 0);
    assert_string_equal(test->log, "");
}

static void pool__components_take_turns_in_a_slot(void **state)
{
    harness *test = *state;
    open_with(test, 1, "sleep.wat");
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(harness_load_text(test, DIRTY), THEATER_OK);
        harness_link(test);
        assert_int_equal(grown(test, "run", true), 'a');
        harness_load(test, "sleep.wat");
        harness_link(test);
        wake(test, sleeper(test));
    }
}

static void pool__a_component_that_exceeds_a_slot_runs_on_demand(void **state)
{
    static const char TEXT[] =
        "(component (core module $m (memory 1) (memory 1) (memory 1)"
        "  (func (export \"run\") (result i32) (i32.const 3)))"
        " (core instance $i (instantiate $m))"
        " (func (export \"run\") (result u32) (canon lift (core func $i \"run\"))))";
    harness *test = *state;
    open_with(test, 4, "sleep.wat");
    assert_int_equal(harness_load_text(test, TEXT), THEATER_OK);
    harness_link(test);
    assert_int_equal(grown(test, "run", false), 3);
}

static void pool__traps_and_ends_free_the_slot(void **state)
{
    harness *test = *state;
    open_with(test, 1, "hostile.wat");
    for (size_t i = 0; i < 50; i++) {
        theater__guest *guest = start(test, "fall", NULL, 0);
        assert_int_equal(theater__engine_pooled(test->engine), 1);
        assert_int_equal(theater__guest_poll(guest), THEATER__GUEST_TRAPPED);
        assert_int_equal(theater__guest_trap(guest).kind, THEATER__TRAP_STACK);
        theater__guest_delete(guest);
        guest = start(test, "spin", NULL, 0);
        test->verdict = THEATER__EPOCH_END;
        theater__engine_bump(test->engine); /* reaches guests in the pool, too */
        assert_int_equal(theater__guest_poll(guest), THEATER__GUEST_TRAPPED);
        assert_int_equal(theater__guest_trap(guest).kind, THEATER__TRAP_HOST);
        test->verdict = THEATER__EPOCH_CONTINUE;
        theater__guest_delete(guest);
    }
    assert_int_equal(theater__engine_pooled(test->engine), 0);
}

static size_t count_lines(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t lines = 0;
    for (int byte = getc(file); byte != EOF; byte = getc(file)) {
        lines += byte == '\n' ? 1 : 0;
    }
    fclose(file);
    return lines;
}

static unsigned long resident_kib(void)
{
    char line[128];
    unsigned long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        (void)sscanf(line, "RssAnon: %lu", &kib);
    }
    fclose(file);
    return kib;
}

static void pool__ten_thousand_lives_leave_nothing(void **state)
{
    harness *test = *state;
    open_with(test, 8, "sleep.wat");
    size_t maps = 0;
    unsigned long kib = 0;
    for (size_t i = 0; i < 10000; i++) {
        if (i == 1000) { /* warm by now */
            maps = count_lines("/proc/self/maps");
            kib = resident_kib();
        }
        theater__guest *guest = sleeper(test);
        theater__guest *other = sleeper(test);
        theater__guest_delete(guest); /* in its wait */
        wake(test, other);
    }
    assert_true(count_lines("/proc/self/maps") <= maps + 8);
#if !defined(__SANITIZE_ADDRESS__) /* it keeps what was freed for a while */
    assert_true(resident_kib() <= kib + 1024);
#else
    (void)kib;
#endif
}

static void pool__what_a_deep_guest_has_touched_goes_back(void **state)
{
#if !defined(__SANITIZE_ADDRESS__)
    harness *test = *state;
    open_with(test, 64, "hostile.wat");
    theater__guest *guests[64];
    unsigned long before = resident_kib();
    for (size_t i = 0; i < 64; i++) {
        guests[i] = start(test, "fall", NULL, 0);
        assert_int_equal(theater__guest_poll(guests[i]), THEATER__GUEST_TRAPPED);
    }
    for (size_t i = 0; i < 64; i++) {
        theater__guest_delete(guests[i]);
    }
    assert_true(resident_kib() - before < 64 * 100);
#else
    (void)state;
#endif
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(pool__beyond_its_slots_guests_are_served_on_demand),
        TEST(pool__can_be_left_out),
        TEST(pool__growth_fails_at_the_same_place_everywhere),
        TEST(pool__a_slot_is_as_good_as_new),
        TEST(pool__guests_in_one_store_know_nothing_of_each_other),
        TEST(pool__handles_that_were_left_count_for_nobody_else),
        TEST(pool__stores_are_of_one_component),
        TEST(pool__those_who_are_over_hold_no_slot_of_the_living),
        TEST(pool__components_take_turns_in_a_slot),
        TEST(pool__a_component_that_exceeds_a_slot_runs_on_demand),
        TEST(pool__traps_and_ends_free_the_slot),
        TEST(pool__ten_thousand_lives_leave_nothing),
        TEST(pool__what_a_deep_guest_has_touched_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
