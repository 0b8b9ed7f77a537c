/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timing interface from the guest's side, in virtual time: what it is told, how long it takes,
 * and what of it stands in the chain.
 */
#include "stage.h"

#include <stdio.h>

#define SLEEP "\"function\":\"ntwk:theater/timing.sleep\""
#define DEADLINE "\"function\":\"ntwk:theater/timing.deadline\""
#define NOW "\"function\":\"ntwk:theater/timing.now\""

static const stage_options bounded = {.max_sleep = 60000, .min_sleep = 5};
static const stage_options unbounded = {0};

/* One call with bounds of 5 and 60,000 ms, its result, and how often its operation was recorded. */
static void expect(const char *export_name, const char *args, const char *result,
                   const char *operation)
{
    stage s;
    stage_open(&s, &bounded);
    assert_string_equal(stage_call(&s, "clock.wat", export_name, args), result);
    assert_int_equal(stage_occurrences(&s, s.ends[0].id, operation), 1);
    stage_close(&s);
}

static void sleep__takes_exactly_its_time(void **state)
{
    (void)state;
    expect("sleep", "[5]", "{\"ok\":5}", SLEEP);
    expect("sleep", "[250]", "{\"ok\":250}", SLEEP);
    expect("sleep", "[60000]", "{\"ok\":60000}", SLEEP);
}

static void sleep__rejected_ones_are_told_and_recorded(void **state)
{
    (void)state;
    expect("sleep", "[1]", "{\"err\":\"Duration too short: 1 ms is below minimum of 5 ms\"}",
           SLEEP);
    expect("sleep", "[4]", "{\"err\":\"Duration too short: 4 ms is below minimum of 5 ms\"}",
           SLEEP);
    expect("sleep", "[60001]",
           "{\"err\":\"Duration too long: 60001 ms exceeds maximum of 60000 ms\"}", SLEEP);
    expect("sleep", "[18446744073709551615]",
           "{\"err\":\"Duration too long: 18446744073709551615 ms exceeds maximum of 60000 ms\"}",
           SLEEP);
}

static void sleep__zero_is_ok_at_once(void **state)
{
    (void)state;
    expect("sleep", "[0]", "{\"ok\":0}", SLEEP);
}

static void deadline__waits_for_the_instant(void **state)
{
    (void)state;
    expect("ahead", "[1]", "{\"ok\":1}", DEADLINE); /* the minimum is for sleeps */
    expect("ahead", "[250]", "{\"ok\":250}", DEADLINE);
    expect("ahead", "[60000]", "{\"ok\":60000}", DEADLINE);
    expect("until", "[1767225601000]", "{\"ok\":1000}", DEADLINE);
}

static void deadline__what_has_come_is_ok_at_once(void **state)
{
    (void)state;
    expect("ahead", "[0]", "{\"ok\":0}", DEADLINE);
    expect("until", "[0]", "{\"ok\":0}", DEADLINE);
    expect("until", "[1767225599999]", "{\"ok\":0}", DEADLINE);
}

static void deadline__too_far_is_told_in_its_own_words(void **state)
{
    (void)state;
    expect("ahead", "[60001]",
           "{\"err\":\"Deadline too far in the future: 60001 ms from now exceeds maximum of 60000 "
           "ms\"}",
           DEADLINE);
    expect("until", "[18446744073709551615]",
           "{\"err\":\"Deadline too far in the future: 18446742306483951615 ms from now exceeds "
           "maximum of 60000 ms\"}",
           DEADLINE);
}

static void chain__every_operation_is_an_event(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, &bounded);
    theater_id id = stage_spawn(&s, stage_load(&s, "clock.wat"), "naps", "[3, 10]");
    stage_run(&s);
    assert_int_equal(stage_count(&s, id, THEATER_KIND_GENESIS), 1);
    assert_int_equal(stage_count(&s, id, THEATER_KIND_CALL), 1);
    assert_int_equal(stage_count(&s, id, THEATER_KIND_ANSWER), 2); /* now */
    assert_int_equal(stage_count(&s, id, THEATER_KIND_WAIT), 3);
    assert_int_equal(stage_count(&s, id, THEATER_KIND_COMPLETION), 3);
    assert_int_equal(stage_count(&s, id, THEATER_KIND_RETURN), 1);
    assert_int_equal(stage_count(&s, id, THEATER_KIND_END), 1);
    assert_int_equal(stage_occurrences(&s, id, NOW), 2);
    stage_audit(&s, id, "clock.wat");
    stage_close(&s);
}

static void naps__thirty_of_100_ms_take_3_s(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, &bounded);
    assert_string_equal(stage_call(&s, "clock.wat", "naps", "[30, 100]"), "{\"ok\":3000}");
    stage_close(&s);
}

/* Equal readings are one event with a count; an export has them all. */
static void ask__9999_equal_readings_are_one_event(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, &bounded);
    theater_id id = stage_spawn(&s, stage_load(&s, "clock.wat"), "ask", "[9999]");
    stage_run(&s);
    assert_string_equal(stage_find(&s, id)->result, "1767225600000");
    assert_int_equal(stage_count(&s, id, THEATER_KIND_ANSWER), 1);
    assert_int_equal(stage_occurrences(&s, id, NOW), 9999);
    stage_audit(&s, id, "clock.wat");
    stage_close(&s);
}

static void ask__10000_equal_readings_are_a_named_error(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, &bounded);
    theater_id id = stage_spawn(&s, stage_load(&s, "clock.wat"), "ask", "[10001]");
    theater_id other = stage_spawn(&s, stage_load(&s, "clock.wat"), "sleep", "[10]");
    stage_run(&s);
    const stage_end *end = stage_find(&s, id);
    assert_int_equal(end->reason, THEATER_END_LIMIT);
    assert_string_equal(end->text, "virtual_readings_max: 10000 equal readings of a virtual clock "
                                   "without a wait");
    assert_string_equal(stage_find(&s, other)->result, "{\"ok\":10}");
    stage_audit(&s, id, "clock.wat");
    stage_close(&s);
}

/* ---- durations without a bound --------------------------------------------------------------- */

static void expect_unbounded(const char *export_name, uint64_t duration)
{
    stage s;
    char args[32];
    char result[48];
    (void)snprintf(args, sizeof(args), "[%llu]", (unsigned long long)duration);
    (void)snprintf(result, sizeof(result), "{\"ok\":%llu}", (unsigned long long)duration);
    stage_open(&s, &unbounded);
    assert_string_equal(stage_call(&s, "clock.wat", export_name, args), result);
    stage_close(&s);
}

static void sleep__huge_durations_end_when_they_should(void **state)
{
    (void)state;
    const uint64_t durations[] = {(uint64_t)1 << 31, UINT32_MAX, (uint64_t)1 << 32,
                                  (uint64_t)1 << 36, (uint64_t)36525 * 86400000u};
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        expect_unbounded("sleep", durations[i]);
        expect_unbounded("ahead", durations[i]);
    }
}

static void dispatch_some(stage *s)
{
    theater_error err = THEATER_ERROR_INIT;
    for (int i = 0; i < 200; i++) {
        assert_int_equal(theater_host_dispatch(s->host, NULL, &err), THEATER_OK);
    }
}

/* Beyond what the clock can say: asleep for ever, whoever else sleeps, until it is cancelled. */
static void sleep__the_longest_are_for_ever(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, &unbounded);
    theater_actor_component *component = stage_load(&s, "clock.wat");
    const char *const args[] = {"[18446744073709551615]", "[18446744073709551614]",
                                "[9223372036854775808]"};
    theater_id ids[3];
    for (size_t i = 0; i < 3; i++) {
        ids[i] = stage_spawn(&s, component, "sleep", args[i]);
    }
    theater_id far = stage_spawn(&s, component, "until", "[18446744073709551615]");
    theater_id century = stage_spawn(&s, component, "sleep", "[3155760000000]");
    stage_until(&s, century, THEATER_ACTOR_ENDED);
    while (s.ends_count == 0) {
        dispatch_some(&s);
    }
    dispatch_some(&s);
    assert_int_equal(s.ends_count, 1);
    for (size_t i = 0; i < 3; i++) {
        stage_until(&s, ids[i], THEATER_ACTOR_ASLEEP);
        assert_int_equal(theater_host_cancel_wait(s.host, ids[i], "test", NULL), THEATER_OK);
    }
    stage_until(&s, far, THEATER_ACTOR_ASLEEP);
    assert_int_equal(theater_host_cancel_wait(s.host, far, "test", NULL), THEATER_OK);
    stage_run(&s);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(stage_find(&s, ids[i])->result,
                            "{\"err\":\"Actor error: Operation channel closed\"}");
        stage_audit(&s, ids[i], "clock.wat");
    }
    assert_string_equal(stage_find(&s, far)->result,
                        "{\"err\":\"Actor error: Operation channel closed\"}");
    stage_audit(&s, far, "clock.wat");
    stage_close(&s);
}

/* ---- names and exports ----------------------------------------------------------------------- */

static void import__versioned_and_alone(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, &bounded);
    assert_string_equal(stage_call(&s, "only-now.wat", "run", "[]"), "1767225600000");
    assert_int_equal(stage_occurrences(&s, s.ends[0].id, NOW), 1);
    stage_close(&s);
}

static void init__gets_state_and_id(void **state)
{
    (void)state;
    const uint8_t bytes[] = {41, 2, 3};
    stage s;
    stage_open(&s, &bounded);
    theater_actor_component *component = stage_load(&s, "init.wat");
    theater_id without = stage_spawn(&s, component, NULL, NULL);
    theater_spawn_options options = THEATER_SPAWN_OPTIONS_INIT;
    theater_id with;
    options.state.data = bytes;
    options.state.size = sizeof(bytes);
    assert_int_equal(theater_host_spawn(s.host, component, &options, &with, NULL), THEATER_OK);
    stage_run(&s);
    assert_string_equal(stage_find(&s, without)->result, "{\"ok\":[[7]]}");
    assert_string_equal(stage_find(&s, with)->result, "{\"ok\":[[42,2,3]]}");
    stage_audit(&s, without, "init.wat");
    stage_audit(&s, with, "init.wat");
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sleep__takes_exactly_its_time),
        cmocka_unit_test(sleep__rejected_ones_are_told_and_recorded),
        cmocka_unit_test(sleep__zero_is_ok_at_once),
        cmocka_unit_test(deadline__waits_for_the_instant),
        cmocka_unit_test(deadline__what_has_come_is_ok_at_once),
        cmocka_unit_test(deadline__too_far_is_told_in_its_own_words),
        cmocka_unit_test(chain__every_operation_is_an_event),
        cmocka_unit_test(naps__thirty_of_100_ms_take_3_s),
        cmocka_unit_test(ask__9999_equal_readings_are_one_event),
        cmocka_unit_test(ask__10000_equal_readings_are_a_named_error),
        cmocka_unit_test(sleep__huge_durations_end_when_they_should),
        cmocka_unit_test(sleep__the_longest_are_for_ever),
        cmocka_unit_test(import__versioned_and_alone),
        cmocka_unit_test(init__gets_state_and_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
