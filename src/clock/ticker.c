/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that waits on a timerfd and calls back.
 *
 * Two instants, both atomic:
 *
 *     wanted    when the owner wants the next callback; NEVER = disarmed. Written by the owner.
 *     planned   when the thread will look next, however it came to that. Written by both.
 *
 * The owner arms before each guest turn and disarms after it, hundreds of thousands of times a
 * second; a system call each time would cost more than many turns. So arming only stores `wanted`,
 * and sets the timer if the thread would look too late (planned > wanted); disarming only stores.
 * The thread, when it has looked, plans anew. A busy owner thus costs the thread one look a slice,
 * and an idle one a last look, after which the thread sleeps until it is armed again.
 *
 * Why no wake-up is lost: the owner stores `wanted` before it loads `planned`; the thread stores
 * `planned` and sets the timer before it loads `wanted` again. All are sequentially consistent, so
 * one of the two sees the other's store, and whoever does sets the timer to the earlier instant.
 */
#include <clock/ticker.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NEVER UINT64_MAX
#define NS_PER_S 1000000000u
#define FAR_AWAY_S 9000000000u /* beyond what the kernel's 2^63 ns hold, "never" is as good */

struct theater__ticker {
    _Atomic uint64_t wanted_ns;
    _Atomic uint64_t planned_ns;
    atomic_bool closing;
    int timer;
    pthread_t thread;
    theater__ticker_fn *tick;
    void *userdata;
};

static uint64_t now_ns(void)
{
    struct timespec time = {0};
    int failed = clock_gettime(CLOCK_BOOTTIME, &time);
    THEATER_ASSERT(failed == 0);
    return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

static void set_timer(const theater__ticker *ticker, uint64_t at_ns)
{
    struct itimerspec setting = {{0}, {0}};
    if (at_ns != NEVER) {
        uint64_t seconds = at_ns / NS_PER_S;
        setting.it_value.tv_sec = (time_t)(seconds < FAR_AWAY_S ? seconds : FAR_AWAY_S);
        setting.it_value.tv_nsec = (long)(at_ns % NS_PER_S);
        if (at_ns == 0) {
            setting.it_value.tv_nsec = 1; /* zero would disarm */
        }
    }
    int failed = timerfd_settime(ticker->timer, TFD_TIMER_ABSTIME, &setting, NULL);
    THEATER_ASSERT(failed == 0);
}

/* Calls back if it is time to, for a deadline of wanted; returns when to look next. */
static uint64_t look(const theater__ticker *ticker, uint64_t wanted)
{
    if (wanted == NEVER) {
        return NEVER;
    }
    uint64_t now = now_ns();
    if (now < wanted) {
        return wanted;
    }
    ticker->tick(ticker->userdata);
    return now + THEATER__TICKER_REPEAT_NS;
}

/*
 * Makes the timer fire at that instant, or earlier if the owner has armed since wanted was loaded.
 * (While a callback is repeated, wanted lies in the past and stays the same: no reason to hurry.)
 */
static void plan(theater__ticker *ticker, uint64_t at_ns, uint64_t wanted)
{
    atomic_store(&ticker->planned_ns, at_ns);
    set_timer(ticker, at_ns);
    uint64_t wanted_now = atomic_load(&ticker->wanted_ns);
    if (wanted_now != wanted && wanted_now < at_ns) {
        atomic_store(&ticker->planned_ns, wanted_now);
        set_timer(ticker, wanted_now);
    }
}

static void *run(void *argument)
{
    theater__ticker *ticker = argument;
    while (!atomic_load(&ticker->closing)) {
        uint64_t expirations = 0;
        ssize_t size = read(ticker->timer, &expirations, sizeof expirations);
        THEATER_ASSERT(size == (ssize_t)sizeof expirations || errno == EINTR);
        if (!atomic_load(&ticker->closing)) {
            uint64_t wanted = atomic_load(&ticker->wanted_ns);
            plan(ticker, look(ticker, wanted), wanted);
        }
    }
    return NULL;
}

/* The embedder's signals are for the embedder's threads. */
static int start_thread(theater__ticker *ticker)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    int problem = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (problem != 0) {
        return problem;
    }
    problem = pthread_create(&ticker->thread, NULL, run, ticker);
    int restored = pthread_sigmask(SIG_SETMASK, &before, NULL);
    THEATER_ASSERT(restored == 0);
    return problem;
}

theater_status theater__ticker_open(theater__ticker_fn *tick, void *userdata,
                                    theater__ticker **out_ticker, theater_error *err)
{
    THEATER_ASSERT(tick != NULL);
    THEATER_ASSERT(out_ticker != NULL);
    theater__ticker *ticker = theater__alloc_zeroed(1, sizeof *ticker);
    if (ticker == NULL) {
        return theater__fail_nomem(err);
    }
    atomic_init(&ticker->wanted_ns, NEVER);
    atomic_init(&ticker->planned_ns, NEVER);
    atomic_init(&ticker->closing, false);
    ticker->tick = tick;
    ticker->userdata = userdata;
    theater_status status = THEATER_OK;
    ticker->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
    if (ticker->timer < 0) {
        status = theater__fail_errno(err, THEATER_ERR_IO, errno,
                                     "the preemption timer could not be made");
        goto fail;
    }
    int problem = start_thread(ticker);
    if (problem != 0) {
        status = theater__fail_errno(err, THEATER_ERR_IO, problem,
                                     "the preemption thread could not be started");
        goto fail;
    }
    (void)pthread_setname_np(ticker->thread, "theater-ticker"); /* a name is a courtesy */
    *out_ticker = ticker;
    return THEATER_OK;

fail:
    if (ticker->timer >= 0) {
        close(ticker->timer);
    }
    theater__free(ticker);
    return status;
}

void theater__ticker_close(theater__ticker *ticker)
{
    if (ticker == NULL) {
        return;
    }
    atomic_store(&ticker->closing, true);
    set_timer(ticker, 0);
    int problem = pthread_join(ticker->thread, NULL);
    THEATER_ASSERT(problem == 0);
    close(ticker->timer);
    theater__free(ticker);
}

void theater__ticker_arm(theater__ticker *ticker, theater_mono at)
{
    THEATER_ASSERT(ticker != NULL);
    atomic_store(&ticker->wanted_ns, at.ns);
    if (at.ns < atomic_load(&ticker->planned_ns)) {
        atomic_store(&ticker->planned_ns, at.ns);
        set_timer(ticker, at.ns);
    }
}

void theater__ticker_disarm(theater__ticker *ticker)
{
    THEATER_ASSERT(ticker != NULL);
    atomic_store(&ticker->wanted_ns, NEVER);
}
