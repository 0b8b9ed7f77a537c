/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every attack that was seen to hurt a host through the engine. The guest gets an ordinary failure
 * or a trap of the right kind; the process goes on.
 */
#include "harness.h"

#include <string.h>

static int setup(void **state)
{
    harness_setup(state);
    harness *test = *state;
    harness_load(test, "hostile.wat");
    harness_link(test);
    return 0;
}

/* ---- loops ----------------------------------------------------------------------------------- */

static void loops_are_preempted_and_ended(harness *test, const char *export)
{
    harness_bumper *bumper = harness_bump_start(test->engine);
    test->verdict = THEATER__EPOCH_YIELD;
    assert_int_equal(harness_call(test, export, NULL, 0), THEATER__GUEST_YIELDED);
    assert_int_equal(theater__guest_poll(test->guest), THEATER__GUEST_YIELDED);
    harness_end(test); /* in the middle of a yield */

    test->epochs_max = 5;
    assert_int_equal(harness_call(test, export, NULL, 0), THEATER__GUEST_YIELDED);
    assert_int_equal(harness_poll_on(test), THEATER__GUEST_TRAPPED);
    assert_trap(test, THEATER__TRAP_HOST, "ended by the host");
    assert_int_equal(test->epochs_count, 6);

    test->verdict = THEATER__EPOCH_CONTINUE; /* never gives way, and is ended all the same */
    assert_int_equal(harness_call(test, export, NULL, 0), THEATER__GUEST_TRAPPED);
    assert_int_equal(test->epochs_count, 6);
    harness_bump_stop(bumper);
}

static void hostile__endless_loop(void **state)
{
    loops_are_preempted_and_ended(*state, "spin");
}

static void hostile__endless_calls_of_the_host(void **state)
{
    loops_are_preempted_and_ended(*state, "call-forever");
}

static void hostile__endless_loop_in_a_start_function(void **state)
{
    harness *test = *state;
    harness_load(test, "start-spin.wat");
    harness_link(test);
    loops_are_preempted_and_ended(test, "run");
}

/* ---- memory ---------------------------------------------------------------------------------- */

static uint64_t number_of(harness *test, const char *export)
{
    assert_int_equal(harness_call(test, export, NULL, 0), THEATER__GUEST_DONE);
    return theater__guest_result(test->guest)->of.u64;
}

static void hostile__memory_stops_at_the_limit(void **state)
{
    harness *test = *state;
    test->limits.memory_bytes_max = (uint64_t)4 << 20;
    assert_int_equal(number_of(test, "grow-memory"), 64);
    assert_int_equal(number_of(test, "grow-absurdly"), UINT64_MAX); /* -1, and no trap */
}

static void hostile__tables_stop_at_the_limit(void **state)
{
    harness *test = *state;
    test->limits.table_elements_max = 1000;
    assert_int_equal(number_of(test, "grow-table"), 901);
    assert_int_equal(number_of(test, "grow-narrow"), UINT64_MAX);
}

static void hostile__instantiation_beyond_a_limit(void **state)
{
    harness *test = *state;
    test->limits.memory_bytes_max = 65536;
    assert_int_equal(harness_call(test, "trap", NULL, 0), THEATER__GUEST_TRAPPED);
    assert_trap(test, THEATER__TRAP_LIMIT, "memory minimum size of 2 pages exceeds memory limits");
    theater_limits limits = THEATER_LIMITS_INIT;
    test->limits = limits;
    test->limits.instances_max = 1;
    assert_int_equal(harness_call(test, "trap", NULL, 0), THEATER__GUEST_TRAPPED);
    assert_trap(test, THEATER__TRAP_LIMIT, "instance count too high");
    test->limits = limits;
    test->limits.tables_max = 1;
    assert_int_equal(harness_call(test, "trap", NULL, 0), THEATER__GUEST_TRAPPED);
    assert_trap(test, THEATER__TRAP_LIMIT, "table count too high");
    test->limits = limits;
    test->limits.memories_max = 0;
    assert_int_equal(harness_call(test, "trap", NULL, 0), THEATER__GUEST_TRAPPED);
    assert_trap(test, THEATER__TRAP_LIMIT, "memory count too high");
    test->limits = limits;
    test->limits.table_elements_max = 0;
    assert_int_equal(harness_call(test, "trap", NULL, 0), THEATER__GUEST_TRAPPED);
    assert_trap(test, THEATER__TRAP_LIMIT, "table minimum size");
}

/* ---- stack ----------------------------------------------------------------------------------- */

/* Touches nearly all of what a callback may use, so that an overflow cannot go unnoticed. */
static __attribute__((noinline)) unsigned use_stack(void)
{
    volatile uint8_t room[THEATER__CALLBACK_STACK_MAX - 4096];
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof room; i += 512) {
        room[i] = (uint8_t)i;
        sum += room[i];
    }
    return sum;
}

static theater__import_outcome import_with_much_stack(harness *test, const theater__import *import,
                                                      theater_values args,
                                                      theater_value *out_result)
{
    (void)import;
    (void)args;
    *out_result = theater_value_u64(use_stack() + test->imports_count);
    return THEATER__IMPORT_RETURN;
}

static void hostile__endless_recursion(void **state)
{
    harness *test = *state;
    assert_int_equal(harness_call(test, "fall", NULL, 0), THEATER__GUEST_TRAPPED);
    assert_trap(test, THEATER__TRAP_STACK, "call stack exhausted");
}

static bool dives(harness *test, uint32_t depth)
{
    theater__guest_status status = harness_call_number(test, "dive", THEATER_VALUE_U32, depth);
    if (status == THEATER__GUEST_TRAPPED) {
        assert_trap(test, THEATER__TRAP_STACK, "call stack exhausted");
    }
    return status == THEATER__GUEST_DONE;
}

static void hostile__host_call_at_the_end_of_the_stack(void **state)
{
    harness *test = *state;
    test->on_import = import_with_much_stack;
    uint32_t good = 1;
    uint32_t bad = 1000000;
    assert_true(dives(test, good));
    assert_false(dives(test, bad));
    while (bad - good > 1) {
        uint32_t middle = good + (bad - good) / 2;
        if (dives(test, middle)) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    assert_true(good > 1000);
    for (uint32_t depth = good - 20; depth <= good; depth++) {
        assert_true(dives(test, depth));
        assert_int_equal(test->imports_count, 1);
    }
}

/* ---- what a host call moves ------------------------------------------------------------------ */

static theater__import_outcome count_size(harness *test, const theater__import *import,
                                          theater_values args, theater_value *out_result)
{
    (void)test;
    (void)import;
    (void)args;
    (void)out_result;
    return THEATER__IMPORT_RETURN;
}

static void moved_too_much(harness *test, const char *export, uint64_t size)
{
    assert_int_equal(harness_call_number(test, export, THEATER_VALUE_U32, size),
                     THEATER__GUEST_TRAPPED);
    assert_trap(test, THEATER__TRAP_LIMIT,
                "one host call moved more than 1048576 bytes (limit host_call_bytes_max)");
    assert_int_equal(test->imports_count, 0);
}

static void hostile__large_texts_and_lists(void **state)
{
    harness *test = *state;
    test->on_import = count_size;
    static const char *const EXPORTS[] = {"log-size", "put-size"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(
            harness_call_number(test, EXPORTS[i], THEATER_VALUE_U32, (uint64_t)1 << 20),
            THEATER__GUEST_DONE);
        assert_int_equal(test->last_size, 1 << 20);
        moved_too_much(test, EXPORTS[i], ((uint64_t)1 << 20) + 1); /* our count */
        moved_too_much(test, EXPORTS[i], (uint64_t)4 << 20);
        moved_too_much(test, EXPORTS[i], (uint64_t)48 << 20); /* Wasmtime's fuel */
    }
}

static void hostile__forged_lengths_and_bad_text(void **state)
{
    harness *test = *state;
    test->on_import = count_size;
    assert_int_equal(harness_call(test, "log-forged", NULL, 0), THEATER__GUEST_TRAPPED);
    assert_trap(test, THEATER__TRAP_GUEST, "string pointer/length out of bounds of memory");
    assert_int_equal(harness_call(test, "put-forged", NULL, 0), THEATER__GUEST_TRAPPED);
    assert_trap(test, THEATER__TRAP_GUEST, "list pointer/length out of bounds of memory");
    assert_int_equal(harness_call(test, "give-forged", NULL, 0), THEATER__GUEST_TRAPPED);
    assert_trap(test, THEATER__TRAP_GUEST, "list pointer/length out of bounds of memory");
    assert_int_equal(harness_call(test, "log-bad-text", NULL, 0), THEATER__GUEST_TRAPPED);
    assert_trap(test, THEATER__TRAP_GUEST, "utf-8");
    assert_int_equal(test->imports_count, 0);
}

static void hostile__results_are_bounded_by_the_state(void **state)
{
    harness *test = *state;
    uint64_t max = test->limits.state_bytes_max + test->limits.host_call_bytes_max;
    assert_int_equal(harness_call_number(test, "give", THEATER_VALUE_U32, max),
                     THEATER__GUEST_DONE);
    assert_int_equal(theater__guest_result(test->guest)->of.bytes.size, max);
    assert_int_equal(harness_call_number(test, "give", THEATER_VALUE_U32, max + 1),
                     THEATER__GUEST_TRAPPED);
    assert_trap(test, THEATER__TRAP_LIMIT, "the call's result is too large");
}

/* ---- traps ----------------------------------------------------------------------------------- */

static void hostile__traps_have_one_deterministic_line(void **state)
{
    harness *test = *state;
    assert_int_equal(harness_call(test, "trap", NULL, 0), THEATER__GUEST_TRAPPED);
    assert_trap(test, THEATER__TRAP_GUEST, "wasm trap: wasm `unreachable` instruction executed");
    assert_int_equal(harness_call_number(test, "divide", THEATER_VALUE_U32, 0),
                     THEATER__GUEST_TRAPPED);
    assert_trap(test, THEATER__TRAP_GUEST, "wasm trap: integer divide by zero");
    theater_value ms = theater_value_u64(9);
    assert_int_equal(harness_call(test, "sleep-then-trap", &ms, 1), THEATER__GUEST_WAITING);
    theater_value ok = theater_value_result(true, NULL);
    assert_int_equal(theater__guest_complete(test->guest, &ok, &test->err), THEATER_OK);
    assert_int_equal(theater__guest_poll(test->guest), THEATER__GUEST_TRAPPED);
    assert_trap(test, THEATER__TRAP_GUEST, "wasm trap: wasm `unreachable` instruction executed");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(hostile__endless_loop),
        TEST(hostile__endless_calls_of_the_host),
        TEST(hostile__endless_loop_in_a_start_function),
        TEST(hostile__memory_stops_at_the_limit),
        TEST(hostile__tables_stop_at_the_limit),
        TEST(hostile__instantiation_beyond_a_limit),
        TEST(hostile__endless_recursion),
        TEST(hostile__host_call_at_the_end_of_the_stack),
        TEST(hostile__large_texts_and_lists),
        TEST(hostile__forged_lengths_and_bad_text),
        TEST(hostile__results_are_bounded_by_the_state),
        TEST(hostile__traps_have_one_deterministic_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
