/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's clock: CLOCK_BOOTTIME for elapsed time, CLOCK_REALTIME for the date.
 *
 *     theater__clock_fd() = epoll --+-- timerfd CLOCK_BOOTTIME, armed at the next elapsed due
 *                                   +-- timerfd CLOCK_REALTIME, armed at the next wall due, or far
 *                                       away, and cancelled when the date is set
 *
 * One fd for the embedder's loop to poll; absolute times, so that nothing is lost between computing
 * and arming. Poll timeouts would not do: the kernel pads them by 0.1 % of the wait and counts ms.
 * The realtime timer is never disarmed, since its cancellation is how a set date is noticed. It
 * also is how a suspend is noticed: the kernel counts waking up as setting the clock.
 *
 * What the two timers were last set to is kept, so that arming what is armed costs nothing. An
 * alarm that fired is spent: the same due armed again has to fire again.
 *
 * A suspend is seen in the distance of CLOCK_BOOTTIME, which goes on meanwhile, to CLOCK_MONOTONIC,
 * which stands still. That is a third clock to read, so it is read only when the date was set.
 */
#include <clock/clock.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

#define NS_PER_S 1000000000u
#define MS_PER_S 1000u
#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_TEXT_SIZE 36u
#define FAR_AWAY_S 9000000000 /* in 2255; the kernel ends at 2^63 ns, and a wake too many is none */
#define SAMPLES_MAX 8         /* tries to read both clocks without being interrupted between */
#define SAMPLE_NS_MAX 20000000u

#define NOT_ARMED UINT64_MAX /* for the elapsed timer: disarmed; for the wall timer: far away */

_Static_assert(sizeof(time_t) == 8, "seconds until 2255 fit");

typedef struct os_clock {
    theater__clock clock; /* first, so that the pointers are the same */
    int epoll;
    int mono_timer;
    int wall_timer;
    uint64_t armed_mono_ns;
    uint64_t armed_wall_ms;
    bool wall_spent;       /* fired or was cancelled: whatever is armed next has to be set */
    uint64_t suspended_ms; /* as of the last time the date was set */
} os_clock;

static os_clock *of(theater__clock *clock)
{
    THEATER_ASSERT(!theater__clock_is_simulated(clock));
    return (os_clock *)(void *)clock;
}

/* ---- readings -------------------------------------------------------------------------------- */

static uint64_t read_ns(clockid_t id)
{
    struct timespec time = {0};
    int failed = clock_gettime(id, &time);
    THEATER_ASSERT(failed == 0); /* the ids are constants and the pointer is ours */
    if (time.tv_sec < 0) {
        return 0; /* a date before 1970 */
    }
    return clock_add(clock_multiply((uint64_t)time.tv_sec, NS_PER_S), (uint64_t)time.tv_nsec);
}

static uint64_t os_mono_ns(theater__clock *clock)
{
    (void)clock;
    return read_ns(CLOCK_BOOTTIME);
}

static int64_t offset_ms(uint64_t wall_ns, uint64_t mono_ns)
{
    return ((int64_t)wall_ns - (int64_t)mono_ns) / (int64_t)CLOCK_NS_PER_MS;
}

/*
 * The wall, and its distance to elapsed time. If a thread is interrupted between the two readings,
 * the distance is off by as long as that took: harmless below THEATER__CLOCK_HOLD_MS, a step that
 * never was above it. So a distance that changed is measured again until the readings were close.
 */
static clock_sample os_sample(theater__clock *clock)
{
    os_clock *os = of(clock);
    uint64_t wall_ns = read_ns(CLOCK_REALTIME);
    uint64_t mono_ns = read_ns(CLOCK_BOOTTIME);
    int64_t offset = offset_ms(wall_ns, mono_ns);
    int64_t change = offset - clock->offset_base_ms;
    int64_t hold = (int64_t)THEATER__CLOCK_HOLD_MS;
    bool suspicious = change <= -hold || change >= hold;
    for (unsigned i = 0; suspicious && i < SAMPLES_MAX; i++) {
        uint64_t before_ns = read_ns(CLOCK_BOOTTIME);
        wall_ns = read_ns(CLOCK_REALTIME);
        mono_ns = read_ns(CLOCK_BOOTTIME);
        offset = offset_ms(wall_ns, mono_ns);
        suspicious = theater__mono_since_ns((theater_mono){mono_ns}, (theater_mono){before_ns}) >
                     SAMPLE_NS_MAX;
    }
    return (clock_sample){wall_ns / CLOCK_NS_PER_MS, offset, os->suspended_ms};
}

/* Never shorter than before: the two clocks are read one after the other. */
static void measure_suspend(os_clock *os)
{
    uint64_t running_ns = read_ns(CLOCK_MONOTONIC);
    uint64_t elapsed_ns = read_ns(CLOCK_BOOTTIME);
    uint64_t suspended_ms = 0;
    if (elapsed_ns > running_ns) {
        suspended_ms = (elapsed_ns - running_ns) / CLOCK_NS_PER_MS;
    }
    if (suspended_ms > os->suspended_ms) {
        os->suspended_ms = suspended_ms;
    }
}

static uint64_t os_thread_cpu_ns(theater__clock *clock)
{
    (void)clock;
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* ---- alarms ---------------------------------------------------------------------------------- */

static int os_fd(const theater__clock *clock)
{
    const os_clock *os = (const os_clock *)(const void *)clock;
    return os->epoll;
}

static struct timespec far_away(void)
{
    return (struct timespec){.tv_sec = FAR_AWAY_S};
}

static struct timespec instant_of(uint64_t seconds, uint64_t rest_ns)
{
    if (seconds >= FAR_AWAY_S) {
        return far_away();
    }
    struct timespec instant = {.tv_sec = (time_t)seconds, .tv_nsec = (long)rest_ns};
    if (seconds == 0 && rest_ns == 0) {
        instant.tv_nsec = 1; /* zero would disarm */
    }
    return instant;
}

static void set_mono(os_clock *os, uint64_t due_ns)
{
    struct itimerspec setting = {{0}, {0}};
    if (due_ns != NOT_ARMED) {
        setting.it_value = instant_of(due_ns / NS_PER_S, due_ns % NS_PER_S);
    }
    int failed = timerfd_settime(os->mono_timer, TFD_TIMER_ABSTIME, &setting, NULL);
    THEATER_ASSERT(failed == 0);
    os->armed_mono_ns = due_ns;
}

static void set_wall_at(os_clock *os, struct timespec instant)
{
    struct itimerspec setting = {{0}, instant};
    int flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
    int failed = timerfd_settime(os->wall_timer, flags, &setting, NULL);
    if (failed != 0) {
        /*
         * The date was set since the last read: the timer is set all the same, but the notice is
         * used up. So that the loop comes by and looks at its queues, the timer fires at once.
         */
        THEATER_ASSERT(errno == ECANCELED);
        setting.it_value = instant_of(0, 0);
        failed = timerfd_settime(os->wall_timer, flags, &setting, NULL);
        THEATER_ASSERT(failed == 0 || errno == ECANCELED);
        measure_suspend(os);
    }
}

static void set_wall(os_clock *os, uint64_t due_ms)
{
    if (due_ms == NOT_ARMED) {
        set_wall_at(os, far_away());
    } else {
        set_wall_at(os, instant_of(due_ms / MS_PER_S, due_ms % MS_PER_S * CLOCK_NS_PER_MS));
    }
    os->armed_wall_ms = due_ms;
    os->wall_spent = false;
}

static void os_arm(theater__clock *clock, theater_mono due_mono, theater_wall due_wall)
{
    os_clock *os = of(clock);
    if (due_mono.ns != os->armed_mono_ns) {
        set_mono(os, due_mono.ns);
    }
    if (due_wall.ms != os->armed_wall_ms || os->wall_spent) {
        set_wall(os, due_wall.ms);
    }
}

/* Reads a timer; 0 if it fired, else an errno (EAGAIN if nothing happened). */
static int drain(int timer)
{
    uint64_t expirations = 0;
    ssize_t size = 0;
    do {
        size = read(timer, &expirations, sizeof expirations);
    } while (size < 0 && errno == EINTR);
    return size < 0 ? errno : 0;
}

static void os_acknowledge(theater__clock *clock)
{
    os_clock *os = of(clock);
    if (drain(os->mono_timer) == 0) {
        os->armed_mono_ns = NOT_ARMED; /* spent, and a spent timer is a disarmed one */
    }
    int problem = drain(os->wall_timer);
    THEATER_ASSERT(problem == 0 || problem == EAGAIN || problem == ECANCELED);
    if (problem == EAGAIN) {
        return;
    }
    if (problem == ECANCELED) {
        measure_suspend(os);
    }
    os->wall_spent = true; /* it still notices that the date is set */
    clock_sample sample = os_sample(clock);
    clock_observe(clock, &sample);
}

/* ---- opening --------------------------------------------------------------------------------- */

static void close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

static void os_close(theater__clock *clock)
{
    os_clock *os = of(clock);
    close_fd(os->epoll);
    close_fd(os->wall_timer);
    close_fd(os->mono_timer);
    theater__free(os);
}

static const clock_ops os_ops = {
    .close = os_close,
    .mono_ns = os_mono_ns,
    .sample = os_sample,
    .thread_cpu_ns = os_thread_cpu_ns,
    .fd = os_fd,
    .arm = os_arm,
    .acknowledge = os_acknowledge,
};

static theater_status read_boot_id(char text[BOOT_ID_TEXT_SIZE], theater_error *err)
{
    int fd = open(BOOT_ID_PATH, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return theater__fail_errno(err, THEATER_ERR_IO, errno, "'%s' could not be opened",
                                   BOOT_ID_PATH);
    }
    ssize_t size = read(fd, text, BOOT_ID_TEXT_SIZE);
    int problem = size < 0 ? errno : EIO;
    close(fd);
    if (size != (ssize_t)BOOT_ID_TEXT_SIZE) {
        return theater__fail_errno(err, THEATER_ERR_IO, problem, "'%s' could not be read",
                                   BOOT_ID_PATH);
    }
    return THEATER_OK;
}

/* 36 characters with dashes, as a UUID is written; not more than hexadecimal digits is asked. */
static bool parse_boot_id(const char text[BOOT_ID_TEXT_SIZE], theater__boot *out_boot)
{
    size_t nibbles = 0;
    theater__boot boot = {{0}};
    for (size_t i = 0; i < BOOT_ID_TEXT_SIZE; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        const char *digits = "0123456789abcdef";
        const char *digit = text[i] != '\0' ? strchr(digits, text[i] | 0x20) : NULL;
        if (dash != (text[i] == '-') || (!dash && digit == NULL)) {
            return false;
        }
        if (!dash) {
            unsigned shift = nibbles % 2 == 0 ? 4 : 0;
            boot.bytes[nibbles / 2] |= (uint8_t)((size_t)(digit - digits) << shift);
            nibbles++;
        }
    }
    THEATER_ASSERT(nibbles == 2 * sizeof boot.bytes);
    *out_boot = boot;
    return true;
}

static theater_status find_boot_id(theater__boot *out_boot, theater_error *err)
{
    char text[BOOT_ID_TEXT_SIZE] = {0};
    const char *given = secure_getenv("THEATER_TEST_BOOT_ID");
    if (given != NULL) {
        if (strlen(given) != BOOT_ID_TEXT_SIZE) {
            return theater__fail(err, THEATER_ERR_INVALID,
                                 "THEATER_TEST_BOOT_ID '%.64s' has to be a UUID", given);
        }
        memcpy(text, given, sizeof text);
    } else {
        theater_status status = read_boot_id(text, err);
        if (status != THEATER_OK) {
            return status;
        }
    }
    if (!parse_boot_id(text, out_boot)) {
        return theater__fail(err, THEATER_ERR_INVALID, "the boot id '%.36s' is no UUID", text);
    }
    return THEATER_OK;
}

static bool watch(int epoll, int timer)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = timer};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event) == 0;
}

static theater_status open_timers(os_clock *os, theater_error *err)
{
    int flags = TFD_NONBLOCK | TFD_CLOEXEC;
    os->mono_timer = timerfd_create(CLOCK_BOOTTIME, flags);
    if (os->mono_timer < 0) {
        return theater__fail_errno(err, THEATER_ERR_IO, errno,
                                   "a timer on CLOCK_BOOTTIME could not be made");
    }
    os->wall_timer = timerfd_create(CLOCK_REALTIME, flags);
    if (os->wall_timer < 0) {
        return theater__fail_errno(err, THEATER_ERR_IO, errno,
                                   "a timer on CLOCK_REALTIME could not be made");
    }
    os->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (os->epoll < 0 || !watch(os->epoll, os->mono_timer) || !watch(os->epoll, os->wall_timer)) {
        return theater__fail_errno(err, THEATER_ERR_IO, errno,
                                   "the clock's timers could not be watched");
    }
    return THEATER_OK;
}

theater_status theater__clock_open_os(theater__clock **out_clock, theater_error *err)
{
    THEATER_ASSERT(out_clock != NULL);
    os_clock *os = theater__alloc_zeroed(1, sizeof *os);
    if (os == NULL) {
        return theater__fail_nomem(err);
    }
    os->epoll = -1;
    os->mono_timer = -1;
    os->wall_timer = -1;
    os->armed_mono_ns = NOT_ARMED;
    theater_status status = find_boot_id(&os->clock.boot, err);
    if (status == THEATER_OK) {
        status = open_timers(os, err);
    }
    if (status != THEATER_OK) {
        goto fail;
    }
    set_wall(os, NOT_ARMED);
    measure_suspend(os);
    clock_start(&os->clock, &os_ops);
    *out_clock = &os->clock;
    return THEATER_OK;

fail:
    close_fd(os->epoll);
    close_fd(os->wall_timer);
    close_fd(os->mono_timer);
    theater__free(os);
    return status;
}
