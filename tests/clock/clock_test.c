/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic, and everything that can be seen on the simulated clock: jumps, steps, held readings.
 */
#include <clock/clock.h>

#include <base/alloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define START_MS 1700000000000u
#define SECOND_NS 1000000000u

static int setup(void **state)
{
    theater__clock *clock = NULL;
    theater_wall start = {START_MS};
    if (theater__clock_open_simulated(start, 42, &clock, NULL) != THEATER_OK) {
        return -1;
    }
    *state = clock;
    return 0;
}

static int teardown(void **state)
{
    theater__clock_close(*state);
    return 0;
}

static void set(theater__clock *clock, uint64_t ms)
{
    theater__clock_set_wall(clock, (theater_wall){ms});
}

static void jump(theater__clock *clock, uint64_t mono_ns, uint64_t wall_ms)
{
    theater__clock_jump(clock, (theater_mono){mono_ns}, (theater_wall){wall_ms});
}

static uint64_t wall(theater__clock *clock)
{
    return theater__clock_wall(clock).ms;
}

static uint64_t mono(theater__clock *clock)
{
    return theater__clock_mono(clock).ns;
}

static void expect_step(theater__clock *clock, int64_t delta_ms, uint64_t at_ms)
{
    theater__clock_step step;
    assert_true(theater__clock_take_step(clock, &step));
    assert_int_equal(step.delta_ms, delta_ms);
    assert_int_equal(step.at.ms, at_ms);
    assert_int_equal(step.suspended_ms, 0);
}

static void expect_no_step(theater__clock *clock)
{
    theater__clock_step step;
    assert_false(theater__clock_take_step(clock, &step));
}

static void mono_add_ms__saturates(void **state)
{
    (void)state;
    assert_int_equal(theater__mono_add_ms((theater_mono){5}, 2).ns, 2000005);
    assert_int_equal(theater__mono_add_ms((theater_mono){5}, UINT64_MAX).ns, UINT64_MAX);
    assert_int_equal(theater__mono_add_ms((theater_mono){UINT64_MAX}, 0).ns, UINT64_MAX);
    assert_int_equal(theater__mono_add_ms((theater_mono){UINT64_MAX - 1}, 1).ns, UINT64_MAX);
    assert_int_equal(theater__mono_add_ms((theater_mono){0}, 18446744073709u).ns,
                     18446744073709000000u);
    assert_int_equal(theater__mono_add_ms((theater_mono){0}, 18446744073710u).ns, UINT64_MAX);
}

static void wall_add_ms__saturates(void **state)
{
    (void)state;
    assert_int_equal(theater__wall_add_ms((theater_wall){5}, 2).ms, 7);
    assert_int_equal(theater__wall_add_ms((theater_wall){5}, UINT64_MAX).ms, UINT64_MAX);
    assert_int_equal(theater__wall_add_ms((theater_wall){5}, UINT64_MAX - 5).ms, UINT64_MAX);
}

static void since__is_zero_for_what_comes_later(void **state)
{
    (void)state;
    assert_int_equal(theater__wall_since_ms((theater_wall){7}, (theater_wall){5}), 2);
    assert_int_equal(theater__wall_since_ms((theater_wall){5}, (theater_wall){7}), 0);
    assert_int_equal(theater__mono_since_ns((theater_mono){7}, (theater_mono){5}), 2);
    assert_int_equal(theater__mono_since_ns((theater_mono){5}, (theater_mono){7}), 0);
}

static void simulated__starts_where_it_was_told_and_stands_still(void **state)
{
    assert_true(theater__clock_is_simulated(*state));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wall(*state), START_MS);
        assert_int_equal(mono(*state), SECOND_NS);
        assert_int_equal(theater__clock_thread_cpu_ns(*state), 0);
    }
    assert_int_equal(theater__clock_fd(*state), -1);
    expect_no_step(*state);
}

static void simulated__boot_follows_the_seed(void **state)
{
    theater__clock *same = NULL;
    theater__clock *other = NULL;
    theater_wall start = {1};
    assert_int_equal(theater__clock_open_simulated(start, 42, &same, NULL), THEATER_OK);
    assert_int_equal(theater__clock_open_simulated(start, 43, &other, NULL), THEATER_OK);
    theater__boot mine = theater__clock_boot(*state);
    theater__boot theirs = theater__clock_boot(same);
    theater__boot another = theater__clock_boot(other);
    assert_memory_equal(mine.bytes, theirs.bytes, sizeof mine.bytes);
    assert_memory_not_equal(mine.bytes, another.bytes, sizeof mine.bytes);
    theater__clock_close(same);
    theater__clock_close(other);
}

static void simulated__no_memory_is_a_status(void **state)
{
    (void)state;
    theater__clock *clock = NULL;
    theater_error err = THEATER_ERROR_INIT;
    theater__alloc_fail_at(1);
    assert_int_equal(theater__clock_open_simulated((theater_wall){1}, 1, &clock, &err),
                     THEATER_ERR_NOMEM);
    theater__alloc_fail_at(0);
    assert_null(clock);
    theater__clock_close(NULL);
}

static void advance__moves_both(void **state)
{
    theater__clock_advance(*state, 1500000);
    assert_int_equal(mono(*state), SECOND_NS + 1500000);
    assert_int_equal(wall(*state), START_MS + 1);
    theater__clock_advance(*state, 500000);
    assert_int_equal(wall(*state), START_MS + 2);
    expect_no_step(*state);
}

static void jump__to_the_elapsed_due(void **state)
{
    jump(*state, SECOND_NS + 250000001, START_MS + 1000);
    assert_int_equal(mono(*state), SECOND_NS + 250000001);
    assert_int_equal(wall(*state), START_MS + 250);
}

static void jump__to_the_wall_due_exactly(void **state)
{
    theater__clock_advance(*state, 300001);
    jump(*state, UINT64_MAX, START_MS + 5);
    assert_int_equal(wall(*state), START_MS + 5);
    assert_int_equal(mono(*state), SECOND_NS + 5000000);
}

static void jump__one_ns_before_the_wall_due_is_not_there_yet(void **state)
{
    jump(*state, SECOND_NS + 4999999, START_MS + 5);
    assert_int_equal(wall(*state), START_MS + 4);
    jump(*state, UINT64_MAX, START_MS + 5);
    assert_int_equal(wall(*state), START_MS + 5);
    assert_int_equal(mono(*state), SECOND_NS + 5000000);
}

static void jump__never_goes_back(void **state)
{
    jump(*state, 5, UINT64_MAX);
    jump(*state, UINT64_MAX, 5);
    jump(*state, UINT64_MAX, START_MS);
    jump(*state, SECOND_NS + 10, 5);
    assert_int_equal(mono(*state), SECOND_NS);
    assert_int_equal(wall(*state), START_MS);
}

static void jump__never_and_never_stands_still(void **state)
{
    jump(*state, UINT64_MAX, UINT64_MAX);
    assert_int_equal(mono(*state), SECOND_NS);
    assert_int_equal(wall(*state), START_MS);
}

static void jump__over_a_hundred_years(void **state)
{
    uint64_t years_ms = 3155760000000u;
    jump(*state, UINT64_MAX, START_MS + years_ms);
    assert_int_equal(wall(*state), START_MS + years_ms);
    assert_int_equal(mono(*state), SECOND_NS + years_ms * 1000000);
    expect_no_step(*state);
}

static void jump__beyond_what_elapsed_time_can_say(void **state)
{
    jump(*state, UINT64_MAX, UINT64_MAX - 1);
    assert_int_equal(wall(*state), UINT64_MAX - 1);
    assert_int_equal(mono(*state), UINT64_MAX - 1);
    theater__clock_advance(*state, UINT64_MAX);
    assert_int_equal(mono(*state), UINT64_MAX - 1);
    assert_int_equal(wall(*state), UINT64_MAX - 1);
}

static void jump__equal_dues_reach_both(void **state)
{
    jump(*state, SECOND_NS + 7000000, START_MS + 7);
    assert_int_equal(mono(*state), SECOND_NS + 7000000);
    assert_int_equal(wall(*state), START_MS + 7);
}

static void set_wall__forward_is_a_step(void **state)
{
    set(*state, START_MS + 3600000);
    expect_step(*state, 3600000, START_MS + 3600000);
    expect_no_step(*state);
    assert_int_equal(wall(*state), START_MS + 3600000);
    assert_int_equal(mono(*state), SECOND_NS);
}

static void set_wall__backward_is_a_step_and_is_shown(void **state)
{
    assert_int_equal(wall(*state), START_MS);
    set(*state, START_MS - 5000);
    expect_step(*state, -5000, START_MS - 5000);
    assert_int_equal(wall(*state), START_MS - 5000);
}

static void set_wall__small_backward_is_held(void **state)
{
    assert_int_equal(wall(*state), START_MS);
    set(*state, START_MS - 999);
    expect_no_step(*state);
    assert_int_equal(wall(*state), START_MS);
    theater__clock_advance(*state, 998000000);
    assert_int_equal(wall(*state), START_MS);
    theater__clock_advance(*state, 2000000);
    assert_int_equal(wall(*state), START_MS + 1);
    expect_no_step(*state);
}

static void set_wall__hold_ends_at_its_limit(void **state)
{
    assert_int_equal(wall(*state), START_MS);
    set(*state, START_MS - 1000);
    expect_step(*state, -1000, START_MS - 1000);
    assert_int_equal(wall(*state), START_MS - 1000);
}

static void set_wall__small_forward_is_no_step(void **state)
{
    set(*state, START_MS + 999);
    expect_no_step(*state);
    assert_int_equal(wall(*state), START_MS + 999);
}

static void set_wall__small_ones_add_up(void **state)
{
    set(*state, START_MS + 600);
    expect_no_step(*state);
    set(*state, START_MS + 1200);
    expect_step(*state, 1200, START_MS + 1200);
    set(*state, START_MS + 1800);
    expect_no_step(*state);
}

static void set_wall__backward_behind_the_last_reading_is_a_step(void **state)
{
    set(*state, START_MS + 900);
    assert_int_equal(wall(*state), START_MS + 900);
    set(*state, START_MS - 200); /* 200 off the base, but 1,100 before what was read */
    expect_step(*state, -200, START_MS - 200);
    assert_int_equal(wall(*state), START_MS - 200);
}

static void set_wall__two_steps_before_they_are_taken_are_one(void **state)
{
    set(*state, START_MS + 5000);
    set(*state, START_MS + 2000);
    expect_step(*state, 2000, START_MS + 2000);
    expect_no_step(*state);
}

static void set_wall__does_not_disturb_elapsed_jumps(void **state)
{
    set(*state, START_MS - 60000);
    jump(*state, SECOND_NS + 10000000, UINT64_MAX);
    assert_int_equal(mono(*state), SECOND_NS + 10000000);
    expect_step(*state, -60000, START_MS - 60000);
    assert_int_equal(wall(*state), START_MS - 60000 + 10);
}

static void set_wall__extremes_saturate(void **state)
{
    set(*state, UINT64_MAX - 1);
    set(*state, 0);
    theater__clock_step step;
    assert_true(theater__clock_take_step(*state, &step));
    assert_int_equal(step.at.ms, 0);
    assert_int_equal(wall(*state), 0);
}

static void arm_and_acknowledge__do_nothing_to_a_simulated_clock(void **state)
{
    theater__clock_arm(*state, (theater_mono){SECOND_NS + 5}, (theater_wall){START_MS + 5});
    theater__clock_acknowledge(*state);
    assert_int_equal(mono(*state), SECOND_NS);
    assert_int_equal(wall(*state), START_MS);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(mono_add_ms__saturates),
        CASE(wall_add_ms__saturates),
        CASE(since__is_zero_for_what_comes_later),
        CASE(simulated__starts_where_it_was_told_and_stands_still),
        CASE(simulated__boot_follows_the_seed),
        CASE(simulated__no_memory_is_a_status),
        CASE(advance__moves_both),
        CASE(jump__to_the_elapsed_due),
        CASE(jump__to_the_wall_due_exactly),
        CASE(jump__one_ns_before_the_wall_due_is_not_there_yet),
        CASE(jump__never_goes_back),
        CASE(jump__never_and_never_stands_still),
        CASE(jump__over_a_hundred_years),
        CASE(jump__beyond_what_elapsed_time_can_say),
        CASE(jump__equal_dues_reach_both),
        CASE(set_wall__forward_is_a_step),
        CASE(set_wall__backward_is_a_step_and_is_shown),
        CASE(set_wall__small_backward_is_held),
        CASE(set_wall__hold_ends_at_its_limit),
        CASE(set_wall__small_forward_is_no_step),
        CASE(set_wall__small_ones_add_up),
        CASE(set_wall__backward_behind_the_last_reading_is_a_step),
        CASE(set_wall__two_steps_before_they_are_taken_are_one),
        CASE(set_wall__does_not_disturb_elapsed_jumps),
        CASE(set_wall__extremes_saturate),
        CASE(arm_and_acknowledge__do_nothing_to_a_simulated_clock),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
