/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's clock. Setting the date takes rights that a test has not, so steps are tested on
 * the simulated clock; here it is alarms, which must be punctual and never early.
 */
#include <clock/clock.h>

#include <base/alloc.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MS_NS 1000000u
#define BOOT_VARIABLE "THEATER_TEST_BOOT_ID"
#define WAIT_MS 5000

static int setup(void **state)
{
    theater__clock *clock = NULL;
    unsetenv(BOOT_VARIABLE);
    if (theater__clock_open_os(&clock, NULL) != THEATER_OK) {
        return -1;
    }
    *state = clock;
    return 0;
}

static int teardown(void **state)
{
    theater__clock_close(*state);
    unsetenv(BOOT_VARIABLE);
    return 0;
}

static bool readable(theater__clock *clock, int timeout_ms)
{
    struct pollfd pollfd = {.fd = theater__clock_fd(clock), .events = POLLIN};
    return poll(&pollfd, 1, timeout_ms) == 1 && (pollfd.revents & POLLIN) != 0;
}

static void os__is_not_simulated_and_has_an_fd(void **state)
{
    assert_false(theater__clock_is_simulated(*state));
    assert_true(theater__clock_fd(*state) >= 0);
    assert_true((fcntl(theater__clock_fd(*state), F_GETFD) & FD_CLOEXEC) != 0);
    assert_false(readable(*state, 0));
}

static void os__readings_never_go_back(void **state)
{
    uint64_t mono = theater__clock_mono(*state).ns;
    uint64_t wall = theater__clock_wall(*state).ms;
    assert_true(wall > 1600000000000u);
    for (int i = 0; i < 20000; i++) {
        uint64_t mono_now = theater__clock_mono(*state).ns;
        uint64_t wall_now = theater__clock_wall(*state).ms;
        assert_true(mono_now >= mono);
        assert_true(wall_now >= wall);
        mono = mono_now;
        wall = wall_now;
    }
    theater__clock_step step;
    assert_false(theater__clock_take_step(*state, &step));
}

static void os__thread_cpu_time_goes_on(void **state)
{
    uint64_t before = theater__clock_thread_cpu_ns(*state);
    uint64_t after = before;
    for (int i = 0; i < 1000000 && after == before; i++) {
        after = theater__clock_thread_cpu_ns(*state);
    }
    assert_true(after > before);
}

static void os_boot__is_the_machines(void **state)
{
    char text[37] = {0};
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    assert_non_null(file);
    assert_int_equal(fread(text, 1, 36, file), 36);
    fclose(file);
    setenv(BOOT_VARIABLE, text, 1);
    theater__clock *named = NULL;
    assert_int_equal(theater__clock_open_os(&named, NULL), THEATER_OK);
    theater__boot a = theater__clock_boot(*state);
    theater__boot b = theater__clock_boot(named);
    assert_memory_equal(a.bytes, b.bytes, sizeof a.bytes);
    theater__clock_close(named);
}

static void os_boot__can_be_given_by_a_test(void **state)
{
    (void)state;
    setenv(BOOT_VARIABLE, "00112233-4455-6677-8899-AAbbccddeeff", 1);
    theater__clock *clock = NULL;
    assert_int_equal(theater__clock_open_os(&clock, NULL), THEATER_OK);
    theater__boot boot = theater__clock_boot(clock);
    for (size_t i = 0; i < 16; i++) {
        assert_int_equal(boot.bytes[i], i * 0x11);
    }
    theater__clock_close(clock);
}

static void os_boot__nonsense_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "x",
                                        "00112233-4455-6677-8899-aabbccddeefg",
                                        "00112233x4455-6677-8899-aabbccddeeff",
                                        "00112233-4455-6677-8899-aabbccddeeff0",
                                        "------------------------------------"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        setenv(BOOT_VARIABLE, texts[i], 1);
        theater__clock *clock = NULL;
        theater_error err = THEATER_ERROR_INIT;
        assert_int_equal(theater__clock_open_os(&clock, &err), THEATER_ERR_INVALID);
        assert_null(clock);
        assert_true(err.message[0] != '\0');
    }
}

static void os_open__no_memory_leaves_no_fd(void **state)
{
    (void)state;
    int before = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(before);
    theater__clock *clock = NULL;
    theater__alloc_fail_at(1);
    assert_int_equal(theater__clock_open_os(&clock, NULL), THEATER_ERR_NOMEM);
    theater__alloc_fail_at(0);
    int after = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(after);
    assert_int_equal(after, before);
}

static void os_arm__elapsed_alarm_is_never_early(void **state)
{
    for (uint64_t i = 0; i < 200; i++) {
        uint64_t due_ns = theater__clock_mono(*state).ns + 1 + i * 12347;
        theater__clock_arm(*state, (theater_mono){due_ns}, THEATER__WALL_NEVER);
        assert_true(readable(*state, WAIT_MS));
        assert_true(theater__clock_mono(*state).ns >= due_ns);
        theater__clock_acknowledge(*state);
        assert_false(readable(*state, 0));
    }
}

static void os_arm__wall_alarm_is_never_early(void **state)
{
    for (uint64_t i = 0; i < 100; i++) {
        uint64_t due_ms = theater__clock_wall(*state).ms + 1 + i % 5;
        theater__clock_arm(*state, THEATER__MONO_NEVER, (theater_wall){due_ms});
        assert_true(readable(*state, WAIT_MS));
        assert_true(theater__clock_wall(*state).ms >= due_ms);
        theater__clock_acknowledge(*state);
        assert_false(readable(*state, 0));
    }
}

static void os_arm__past_instants_fire_at_once(void **state)
{
    theater__clock_arm(*state, (theater_mono){0}, THEATER__WALL_NEVER);
    assert_true(readable(*state, WAIT_MS));
    theater__clock_acknowledge(*state);
    theater__clock_arm(*state, THEATER__MONO_NEVER, (theater_wall){0});
    assert_true(readable(*state, WAIT_MS));
}

static void os_arm__a_spent_alarm_can_be_armed_again(void **state)
{
    for (int i = 0; i < 3; i++) {
        theater__clock_arm(*state, (theater_mono){1}, (theater_wall){1});
        assert_true(readable(*state, WAIT_MS));
        theater__clock_acknowledge(*state);
        assert_false(readable(*state, 0));
    }
}

static void os_arm__never_disarms(void **state)
{
    theater__clock_arm(*state, (theater_mono){1}, (theater_wall){1});
    assert_true(readable(*state, WAIT_MS));
    theater__clock_arm(*state, THEATER__MONO_NEVER, THEATER__WALL_NEVER);
    assert_false(readable(*state, 20));
}

static void os_arm__moving_later_takes_the_later(void **state)
{
    uint64_t now_ns = theater__clock_mono(*state).ns;
    theater__clock_arm(*state, (theater_mono){now_ns + 5 * MS_NS}, THEATER__WALL_NEVER);
    theater__clock_arm(*state, (theater_mono){now_ns + 60 * MS_NS}, THEATER__WALL_NEVER);
    assert_true(readable(*state, WAIT_MS));
    assert_true(theater__clock_mono(*state).ns >= now_ns + 60 * MS_NS);
}

static void os_arm__far_instants_are_taken(void **state)
{
    static const uint64_t instants[] = {1ull << 32, 1ull << 53, UINT64_MAX - 1, UINT64_MAX / 2};
    for (size_t i = 0; i < 4; i++) {
        uint64_t wall_ms = theater__clock_wall(*state).ms + instants[i];
        wall_ms = wall_ms < instants[i] ? UINT64_MAX - 1 : wall_ms;
        uint64_t mono_ns = theater__clock_mono(*state).ns + instants[i];
        mono_ns = mono_ns < instants[i] ? UINT64_MAX - 1 : mono_ns;
        mono_ns += mono_ns < UINT64_MAX / 2 ? 3600000000000u : 0;
        theater__clock_arm(*state, (theater_mono){mono_ns}, (theater_wall){wall_ms});
        assert_false(readable(*state, 0));
    }
}

static void os_acknowledge__without_an_alarm_is_harmless(void **state)
{
    theater__clock_acknowledge(*state);
    theater__clock_acknowledge(*state);
    theater__clock_step step;
    assert_false(theater__clock_take_step(*state, &step));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(os__is_not_simulated_and_has_an_fd),
        CASE(os__readings_never_go_back),
        CASE(os__thread_cpu_time_goes_on),
        CASE(os_boot__is_the_machines),
        CASE(os_boot__can_be_given_by_a_test),
        CASE(os_boot__nonsense_is_refused),
        CASE(os_open__no_memory_leaves_no_fd),
        CASE(os_arm__elapsed_alarm_is_never_early),
        CASE(os_arm__wall_alarm_is_never_early),
        CASE(os_arm__past_instants_fire_at_once),
        CASE(os_arm__a_spent_alarm_can_be_armed_again),
        CASE(os_arm__never_disarms),
        CASE(os_arm__moving_later_takes_the_later),
        CASE(os_arm__far_instants_are_taken),
        CASE(os_acknowledge__without_an_alarm_is_harmless),
    };
    return cmocka_run_group_tests_name("os clock", tests, NULL, NULL);
}
