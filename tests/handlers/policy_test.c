/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of sleep and deadline, at and around every bound. The numbers are those at which other
 * timers wrapped: 2^31 and 2^32 ms, 49.7 days, 2^36 ms, a century, the largest u64.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "timing_policy.h"

#define CENTURY_MS ((uint64_t)36525 * 86400000u)
#define NOW_MS 1767225600000u

static const uint64_t landmarks[] = {
    1,
    2,
    4,
    5,
    6,
    59999,
    60000,
    60001,
    3600000,
    ((uint64_t)1 << 31) - 1,
    (uint64_t)1 << 31,
    4294080000u, /* 49.7 days */
    UINT32_MAX,
    (uint64_t)1 << 32,
    (uint64_t)1 << 36,
    CENTURY_MS,
    (uint64_t)1 << 63,
    UINT64_MAX - 1,
    UINT64_MAX,
};
#define LANDMARKS_COUNT (sizeof(landmarks) / sizeof(landmarks[0]))

/* The rule, said once more and differently: what the specification's table has. */
static theater__timing_verdict expected_sleep(uint64_t min, uint64_t max, uint64_t duration)
{
    bool is_short = duration != 0 && duration < min;
    bool is_long = !is_short && duration > max;
    if (is_short || is_long) {
        return THEATER__TIMING_REJECTED;
    }
    return duration == 0 ? THEATER__TIMING_DONE : THEATER__TIMING_WAIT;
}

static void check_sleep(uint64_t min, uint64_t max, uint64_t duration)
{
    const theater__timing_bounds bounds = {max, min};
    theater_timing_error error;
    theater__timing_verdict verdict = theater__timing_judge_sleep(&bounds, duration, &error);
    assert_int_equal(verdict, expected_sleep(min, max, duration));
    if (verdict != THEATER__TIMING_REJECTED) {
        return;
    }
    if (duration < min) {
        assert_int_equal(error.kind, THEATER_TIMING_ERROR_DURATION_TOO_SHORT);
        assert_int_equal(error.of.duration_too_short.duration, duration);
        assert_int_equal(error.of.duration_too_short.min, min);
    } else {
        assert_int_equal(error.kind, THEATER_TIMING_ERROR_DURATION_TOO_LONG);
        assert_int_equal(error.of.duration_too_long.duration, duration);
        assert_int_equal(error.of.duration_too_long.max, max);
    }
}

/* Every pair of landmarks as bounds, every landmark and its neighbours as duration. */
static void judge_sleep__keeps_the_bounds_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < LANDMARKS_COUNT; i++) {
        for (size_t j = i; j < LANDMARKS_COUNT; j++) {
            for (size_t k = 0; k < LANDMARKS_COUNT; k++) {
                check_sleep(landmarks[i], landmarks[j], landmarks[k]);
                check_sleep(landmarks[i], landmarks[j], landmarks[k] - 1);
                check_sleep(0, landmarks[j], landmarks[k]);
            }
            check_sleep(landmarks[i], landmarks[j], 0);
        }
    }
}

static void judge_sleep__is_inclusive_at_both_bounds(void **state)
{
    (void)state;
    const theater__timing_bounds bounds = {60000, 5};
    theater_timing_error error;
    assert_int_equal(theater__timing_judge_sleep(&bounds, 4, &error), THEATER__TIMING_REJECTED);
    assert_int_equal(theater__timing_judge_sleep(&bounds, 5, &error), THEATER__TIMING_WAIT);
    assert_int_equal(theater__timing_judge_sleep(&bounds, 60000, &error), THEATER__TIMING_WAIT);
    assert_int_equal(theater__timing_judge_sleep(&bounds, 60001, &error), THEATER__TIMING_REJECTED);
}

static void judge_sleep__zero_is_done_whatever_the_minimum(void **state)
{
    (void)state;
    const uint64_t minima[] = {0, 1, 5, UINT64_MAX};
    theater_timing_error error;
    for (size_t i = 0; i < sizeof(minima) / sizeof(minima[0]); i++) {
        const theater__timing_bounds bounds = {UINT64_MAX, minima[i]};
        assert_int_equal(theater__timing_judge_sleep(&bounds, 0, &error), THEATER__TIMING_DONE);
    }
    const theater__timing_bounds nothing = {0, 0};
    assert_int_equal(theater__timing_judge_sleep(&nothing, 0, &error), THEATER__TIMING_DONE);
    assert_int_equal(theater__timing_judge_sleep(&nothing, 1, &error), THEATER__TIMING_REJECTED);
    assert_int_equal(error.kind, THEATER_TIMING_ERROR_DURATION_TOO_LONG);
}

static void judge_sleep__no_bound_takes_every_u64(void **state)
{
    (void)state;
    const theater__timing_bounds bounds = {UINT64_MAX, 1};
    theater_timing_error error;
    for (size_t i = 0; i < LANDMARKS_COUNT; i++) {
        assert_int_equal(theater__timing_judge_sleep(&bounds, landmarks[i], &error),
                         THEATER__TIMING_WAIT);
    }
}

static void judge_deadline__what_has_come_is_done(void **state)
{
    (void)state;
    const theater__timing_bounds bounds = {0, 5};
    const theater_wall now = {NOW_MS};
    theater_timing_error error;
    for (uint64_t ago = 0; ago < 3; ago++) {
        const theater_wall deadline = {NOW_MS - ago};
        assert_int_equal(theater__timing_judge_deadline(&bounds, deadline, now, &error),
                         THEATER__TIMING_DONE);
    }
    const theater_wall zero = {0};
    assert_int_equal(theater__timing_judge_deadline(&bounds, zero, now, &error),
                     THEATER__TIMING_DONE);
}

/* A minimum bounds sleeps only; the maximum bounds the distance, and nothing wraps. */
static void judge_deadline__the_distance_is_bounded(void **state)
{
    (void)state;
    const theater_wall now = {NOW_MS};
    theater_timing_error error;
    for (size_t i = 0; i < LANDMARKS_COUNT; i++) {
        for (size_t j = 0; j < LANDMARKS_COUNT; j++) {
            uint64_t max = landmarks[i];
            uint64_t ahead =
                landmarks[j] > UINT64_MAX - NOW_MS ? UINT64_MAX - NOW_MS : landmarks[j];
            const theater__timing_bounds bounds = {max, max};
            const theater_wall deadline = {NOW_MS + ahead};
            theater__timing_verdict verdict =
                theater__timing_judge_deadline(&bounds, deadline, now, &error);
            assert_int_equal(verdict,
                             ahead > max ? THEATER__TIMING_REJECTED : THEATER__TIMING_WAIT);
            if (ahead > max) {
                assert_int_equal(error.kind, THEATER_TIMING_ERROR_DURATION_TOO_LONG);
                assert_int_equal(error.of.duration_too_long.duration, ahead);
                assert_int_equal(error.of.duration_too_long.max, max);
            }
        }
    }
}

static void judge_end__only_cancels_and_shutdowns_are_errors(void **state)
{
    (void)state;
    theater_timing_error error;
    assert_false(theater__timing_judge_end(THEATER_WAIT_DUE, &error));
    assert_false(theater__timing_judge_end(THEATER_WAIT_COMPLETED, &error));
    assert_false(theater__timing_judge_end(THEATER_WAIT_WOKEN, &error));
    assert_true(theater__timing_judge_end(THEATER_WAIT_CANCELLED, &error));
    assert_int_equal(error.kind, THEATER_TIMING_ERROR_ACTOR);
    assert_int_equal(error.of.actor.kind, THEATER_ACTOR_ERROR_CHANNEL_CLOSED);
    assert_true(theater__timing_judge_end(THEATER_WAIT_SHUTDOWN, &error));
    assert_int_equal(error.kind, THEATER_TIMING_ERROR_ACTOR);
    assert_int_equal(error.of.actor.kind, THEATER_ACTOR_ERROR_SHUTTING_DOWN);
    assert_true(theater__timing_judge_end(THEATER_WAIT_OVERDUE, &error));
    assert_int_equal(error.kind, THEATER_TIMING_ERROR_TIMING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judge_sleep__keeps_the_bounds_everywhere),
        cmocka_unit_test(judge_sleep__is_inclusive_at_both_bounds),
        cmocka_unit_test(judge_sleep__zero_is_done_whatever_the_minimum),
        cmocka_unit_test(judge_sleep__no_bound_takes_every_u64),
        cmocka_unit_test(judge_deadline__what_has_come_is_done),
        cmocka_unit_test(judge_deadline__the_distance_is_bounded),
        cmocka_unit_test(judge_end__only_cancels_and_shutdowns_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
