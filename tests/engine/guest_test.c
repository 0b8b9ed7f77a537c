/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a call: done, waiting, yielded, trapped, and deleted in each of these.
 */
#include "harness.h"

#include <string.h>

static int setup(void **state)
{
    harness_setup(state);
    harness *test = *state;
    harness_load(test, "sleep.wat");
    harness_link(test);
    return 0;
}

static void guest__sleeps_and_returns(void **state)
{
    harness *test = *state;
    assert_int_equal(harness_call_number(test, "run", THEATER_VALUE_U64, 250),
                     THEATER__GUEST_WAITING);
    assert_int_equal(test->last_number, 250);
    assert_int_equal(theater__guest_poll(test->guest), THEATER__GUEST_WAITING);
    theater_value ok = theater_value_result(true, NULL);
    assert_int_equal(theater__guest_complete(test->guest, &ok, &test->err), THEATER_OK);
    assert_int_equal(theater__guest_poll(test->guest), THEATER__GUEST_DONE);
    const theater_value *result = theater__guest_result(test->guest);
    assert_int_equal(result->kind, THEATER_VALUE_RESULT);
    assert_true(result->is_ok);
    assert_int_equal(result->of.items.data[0].of.u64, 2); /* the counter stood at 1, then at 3 */
    assert_int_equal(test->imports_count, 3);
}

static void guest__hands_on_an_error_of_the_host(void **state)
{
    harness *test = *state;
    assert_int_equal(harness_call_number(test, "run", THEATER_VALUE_U64, 250),
                     THEATER__GUEST_WAITING);
    theater_value words = theater_value_text("not now", 7);
    theater_value error = theater_value_result(false, &words);
    assert_int_equal(theater__guest_complete(test->guest, &error, &test->err), THEATER_OK);
    assert_int_equal(theater__guest_poll(test->guest), THEATER__GUEST_DONE);
    const theater_value *result = theater__guest_result(test->guest);
    assert_false(result->is_ok);
    assert_int_equal(result->of.items.data[0].of.text.size, 7);
    assert_memory_equal(result->of.items.data[0].of.text.data, "not now", 7);
}

static theater__import_outcome at_once(harness *test, const theater__import *import,
                                       theater_values args, theater_value *out_result)
{
    (void)args;
    *out_result = import->signature.params_count == 0 ? theater_value_u64(test->imports_count)
                                                      : theater_value_result(true, NULL);
    return THEATER__IMPORT_RETURN;
}

static void guest__async_import_that_answers_does_not_suspend(void **state)
{
    harness *test = *state;
    test->on_import = at_once;
    assert_int_equal(harness_call_number(test, "run", THEATER_VALUE_U64, 0), THEATER__GUEST_DONE);
    assert_int_equal(test->imports_count, 3);
}

static void guest__completion_of_a_wrong_type_is_refused_and_can_be_repeated(void **state)
{
    harness *test = *state;
    assert_int_equal(harness_call_number(test, "run", THEATER_VALUE_U64, 1),
                     THEATER__GUEST_WAITING);
    theater_value wrong = theater_value_u64(1);
    assert_int_equal(theater__guest_complete(test->guest, &wrong, &test->err), THEATER_ERR_INVALID);
    assert_string_equal(test->err.message, "the result of 'sleep' is not of its type");
    theater_value half = theater_value_result(false, &wrong);
    assert_int_equal(theater__guest_complete(test->guest, &half, &test->err), THEATER_ERR_INVALID);
    assert_int_equal(theater__guest_complete(test->guest, NULL, &test->err), THEATER_ERR_INVALID);
    assert_int_equal(theater__guest_poll(test->guest), THEATER__GUEST_WAITING);
    theater_value ok = theater_value_result(true, NULL);
    assert_int_equal(theater__guest_complete(test->guest, &ok, &test->err), THEATER_OK);
    assert_int_equal(theater__guest_poll(test->guest), THEATER__GUEST_DONE);
}

static void guest__arguments_are_checked(void **state)
{
    harness *test = *state;
    theater_value number = theater_value_u64(1);
    theater_value numbers[2] = {number, number};
    theater__guest *guest = NULL;
    assert_int_equal(theater__guest_start(test->component, 0, (theater_values){numbers, 2},
                                          &test->limits, &test->ops, test, &guest, &test->err),
                     THEATER_ERR_INVALID);
    assert_string_equal(test->err.message, "'run' takes 1 parameters, 2 were given");
    theater_value words = theater_value_text("1", 1);
    assert_int_equal(theater__guest_start(test->component, 0, (theater_values){&words, 1},
                                          &test->limits, &test->ops, test, &guest, &test->err),
                     THEATER_ERR_INVALID);
    assert_string_equal(test->err.message, "parameter 'ms' is not of its type");
    assert_null(guest);
}

static void guest__can_be_deleted_before_the_first_poll_and_in_a_wait(void **state)
{
    harness *test = *state;
    theater_value number = theater_value_u64(1);
    harness_start(test, "run", &number, 1);
    harness_end(test);
    harness_start(test, "run", &number, 1);
    assert_int_equal(theater__guest_poll(test->guest), THEATER__GUEST_WAITING);
    harness_end(test);
    harness_start(test, "run", &number, 1);
    assert_int_equal(theater__guest_poll(test->guest), THEATER__GUEST_WAITING);
    theater_value ok = theater_value_result(true, NULL);
    assert_int_equal(theater__guest_complete(test->guest, &ok, &test->err), THEATER_OK);
    harness_end(test); /* answered, never told */
}

static theater__import_outcome end_at_sleep(harness *test, const theater__import *import,
                                            theater_values args, theater_value *out_result)
{
    (void)args;
    *out_result = theater_value_u64(test->imports_count);
    return import->signature.params_count == 0 ? THEATER__IMPORT_RETURN : THEATER__IMPORT_END;
}

static void guest__is_ended_by_an_import(void **state)
{
    harness *test = *state;
    test->on_import = end_at_sleep;
    assert_int_equal(harness_call_number(test, "run", THEATER_VALUE_U64, 1),
                     THEATER__GUEST_TRAPPED);
    assert_trap(test, THEATER__TRAP_HOST, "ended by the host");
}

static void guest__sleeps_while_it_is_instantiated(void **state)
{
    harness *test = *state;
    harness_load(test, "start-sleep.wat");
    harness_link(test);
    assert_int_equal(harness_call(test, "run", NULL, 0), THEATER__GUEST_WAITING);
    assert_int_equal(test->last_number, 70);
    assert_int_equal(theater__guest_complete(test->guest, NULL, &test->err), THEATER_OK);
    assert_int_equal(theater__guest_poll(test->guest), THEATER__GUEST_DONE);
    assert_int_equal(theater__guest_result(test->guest)->of.u64, 2);
    assert_int_equal(harness_call(test, "run", NULL, 0), THEATER__GUEST_WAITING);
    harness_end(test); /* in the middle of its instantiation */
}

static void guest__many_sleep_at_once(void **state)
{
    enum {
        COUNT = 200
    };
    harness *test = *state;
    theater__guest *guests[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        theater_value ms = theater_value_u64(i);
        assert_int_equal(theater__guest_start(test->component, 0, (theater_values){&ms, 1},
                                              &test->limits, &test->ops, test, &guests[i],
                                              &test->err),
                         THEATER_OK);
        assert_int_equal(theater__guest_poll(guests[i]), THEATER__GUEST_WAITING);
        assert_int_equal(test->last_number, i);
    }
    for (size_t i = 0; i < COUNT; i++) {
        theater__guest *guest = guests[(i * 7) % COUNT];
        theater_value ok = theater_value_result(true, NULL);
        assert_int_equal(theater__guest_complete(guest, &ok, &test->err), THEATER_OK);
        assert_int_equal(theater__guest_poll(guest), THEATER__GUEST_DONE);
        theater__guest_delete(guest);
    }
}

static void engine__two_of_them_live_side_by_side(void **state)
{
    harness *test = *state;
    void *other_state = NULL;
    harness_setup(&other_state);
    harness *other = other_state;
    harness_load(other, "sleep.wat");
    harness_link(other);
    assert_int_equal(harness_call_number(test, "run", THEATER_VALUE_U64, 1),
                     THEATER__GUEST_WAITING);
    assert_int_equal(harness_call_number(other, "run", THEATER_VALUE_U64, 2),
                     THEATER__GUEST_WAITING);
    assert_int_equal(test->last_number, 1);
    harness_teardown(&other_state);
    theater_value ok = theater_value_result(true, NULL);
    assert_int_equal(theater__guest_complete(test->guest, &ok, &test->err), THEATER_OK);
    assert_int_equal(theater__guest_poll(test->guest), THEATER__GUEST_DONE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(guest__sleeps_and_returns),
        TEST(guest__hands_on_an_error_of_the_host),
        TEST(guest__async_import_that_answers_does_not_suspend),
        TEST(guest__completion_of_a_wrong_type_is_refused_and_can_be_repeated),
        TEST(guest__arguments_are_checked),
        TEST(guest__can_be_deleted_before_the_first_poll_and_in_a_wait),
        TEST(guest__is_ended_by_an_import),
        TEST(guest__sleeps_while_it_is_instantiated),
        TEST(guest__many_sleep_at_once),
        TEST(engine__two_of_them_live_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
