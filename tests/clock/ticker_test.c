/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The preemption alarm: it calls back, not before its time, again and again, and not when disarmed.
 */
#include <clock/clock.h>
#include <clock/ticker.h>

#include <base/alloc.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define MS_NS 1000000u
#define WAIT_MS 5000

typedef struct fixture {
    theater__clock *clock;
    theater__ticker *ticker;
    sem_t ticked;
    atomic_uint ticks;
    atomic_bool blocks_signals;
} fixture;

static void on_tick(void *userdata)
{
    fixture *test = userdata;
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    atomic_store(&test->blocks_signals, sigismember(&mask, SIGTERM) == 1 &&
                                            sigismember(&mask, SIGCHLD) == 1 &&
                                            sigismember(&mask, SIGUSR1) == 1);
    atomic_fetch_add(&test->ticks, 1);
    sem_post(&test->ticked);
}

static int setup(void **state)
{
    static fixture test;
    memset(&test, 0, sizeof test);
    sem_init(&test.ticked, 0, 0);
    if (theater__clock_open_os(&test.clock, NULL) != THEATER_OK ||
        theater__ticker_open(on_tick, &test, &test.ticker, NULL) != THEATER_OK) {
        return -1;
    }
    *state = &test;
    return 0;
}

static int teardown(void **state)
{
    fixture *test = *state;
    theater__ticker_close(test->ticker);
    theater__clock_close(test->clock);
    sem_destroy(&test->ticked);
    return 0;
}

static uint64_t now_ns(const fixture *test)
{
    return theater__clock_mono(test->clock).ns;
}

static void arm_in(const fixture *test, uint64_t ns)
{
    theater__ticker_arm(test->ticker, (theater_mono){now_ns(test) + ns});
}

/* Waits for one callback, not for a time; the bound is for a test that fails. */
static bool wait_tick(fixture *test)
{
    struct timespec until = {0};
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    int result = 0;
    do {
        result = sem_timedwait(&test->ticked, &until);
    } while (result != 0 && errno == EINTR);
    return result == 0;
}

static void pass_ms(int ms)
{
    (void)poll(NULL, 0, ms);
}

static void ticker__calls_back_never_early(void **state)
{
    fixture *test = *state;
    for (uint64_t i = 0; i < 50; i++) {
        theater__ticker_disarm(test->ticker);
        pass_ms(2); /* a repeat that had begun is over */
        while (sem_trywait(&test->ticked) == 0) {
        }
        uint64_t at_ns = now_ns(test) + 100000 + i * 20000;
        theater__ticker_arm(test->ticker, (theater_mono){at_ns});
        assert_true(wait_tick(test));
        assert_true(now_ns(test) >= at_ns);
    }
}

static void ticker__past_instant_calls_back_at_once(void **state)
{
    fixture *test = *state;
    theater__ticker_arm(test->ticker, (theater_mono){0});
    assert_true(wait_tick(test));
}

static void ticker__repeats_until_disarmed(void **state)
{
    fixture *test = *state;
    arm_in(test, MS_NS);
    for (int i = 0; i < 5; i++) {
        assert_true(wait_tick(test));
    }
    theater__ticker_disarm(test->ticker);
    pass_ms(5);
    unsigned ticks = atomic_load(&test->ticks);
    pass_ms(20);
    assert_int_equal(atomic_load(&test->ticks), ticks);
}

static void ticker__disarmed_before_its_time_does_not_call(void **state)
{
    fixture *test = *state;
    arm_in(test, 20 * MS_NS);
    theater__ticker_disarm(test->ticker);
    pass_ms(40);
    assert_int_equal(atomic_load(&test->ticks), 0);
}

static void ticker__never_armed_never_calls(void **state)
{
    fixture *test = *state;
    theater__ticker_arm(test->ticker, (theater_mono){UINT64_MAX});
    pass_ms(10);
    assert_int_equal(atomic_load(&test->ticks), 0);
}

static void ticker__earlier_instant_moves_it(void **state)
{
    fixture *test = *state;
    arm_in(test, 3600ull * 1000 * MS_NS);
    arm_in(test, 2 * MS_NS);
    assert_true(wait_tick(test));
}

static void ticker__later_instant_moves_it(void **state)
{
    fixture *test = *state;
    arm_in(test, 5 * MS_NS);
    uint64_t at_ns = now_ns(test) + 40 * MS_NS;
    theater__ticker_arm(test->ticker, (theater_mono){at_ns});
    assert_true(wait_tick(test));
    assert_true(now_ns(test) >= at_ns);
}

static void ticker__busy_owner_loses_no_alarm(void **state)
{
    fixture *test = *state;
    for (int round = 0; round < 100; round++) {
        for (int turn = 0; turn < 500; turn++) {
            arm_in(test, MS_NS);
            theater__ticker_disarm(test->ticker);
        }
        theater__ticker_disarm(test->ticker);
        while (sem_trywait(&test->ticked) == 0) {
        }
        arm_in(test, 50000 + (uint64_t)round * 1000);
        assert_true(wait_tick(test));
    }
}

static void ticker__thread_leaves_signals_to_others(void **state)
{
    fixture *test = *state;
    sigset_t mine;
    pthread_sigmask(SIG_BLOCK, NULL, &mine);
    assert_int_equal(sigismember(&mine, SIGTERM), 0);
    arm_in(test, 0);
    assert_true(wait_tick(test));
    assert_true(atomic_load(&test->blocks_signals));
}

static void ticker_close__while_it_repeats(void **state)
{
    fixture *test = *state;
    for (int i = 0; i < 20; i++) {
        theater__ticker *other = NULL;
        assert_int_equal(theater__ticker_open(on_tick, test, &other, NULL), THEATER_OK);
        theater__ticker_arm(other, (theater_mono){0});
        theater__ticker_close(other);
    }
    theater__ticker_close(NULL);
}

static void ticker_open__no_memory_is_a_status(void **state)
{
    (void)state;
    theater__ticker *ticker = NULL;
    theater__alloc_fail_at(1);
    assert_int_equal(theater__ticker_open(on_tick, NULL, &ticker, NULL), THEATER_ERR_NOMEM);
    theater__alloc_fail_at(0);
    assert_null(ticker);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(ticker__calls_back_never_early),
        CASE(ticker__past_instant_calls_back_at_once),
        CASE(ticker__repeats_until_disarmed),
        CASE(ticker__disarmed_before_its_time_does_not_call),
        CASE(ticker__never_armed_never_calls),
        CASE(ticker__earlier_instant_moves_it),
        CASE(ticker__later_instant_moves_it),
        CASE(ticker__busy_owner_loses_no_alarm),
        CASE(ticker__thread_leaves_signals_to_others),
        CASE(ticker_close__while_it_repeats),
        CASE(ticker_open__no_memory_is_a_status),
    };
    return cmocka_run_group_tests_name("ticker", tests, NULL, NULL);
}
