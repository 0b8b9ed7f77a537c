/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How late a wait ends on this machine, three ways in one run: a guest's sleep, as its chain has
 * it; the same wait on a timerfd alone (absolute, CLOCK_BOOTTIME), which nobody who uses one can
 * beat; a libuv timer where its development package is there. One wait at a time, nothing beside
 * it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#ifdef BENCH_LIBUV
#include <uv.h>
#endif

#include "stage.h"

#define SAMPLES_MAX 300u

typedef struct lateness {
    double late_ms[SAMPLES_MAX];
    size_t count;
    char line[4096]; /* of an export, pieces put together */
    size_t line_size;
} lateness;

/* ---- a guest's sleep ------------------------------------------------------------------------- */

static void take_line(lateness *l)
{
    static const char key[] = "\"late_ns\":";
    l->line[l->line_size] = '\0';
    const char *found = strstr(l->line, key);
    if (found != NULL && l->count < SAMPLES_MAX) {
        l->late_ms[l->count] = strtod(found + sizeof(key) - 1, NULL) / 1e6;
        l->count++;
    }
    l->line_size = 0;
}

static int take_export(const void *data, size_t size, void *userdata)
{
    lateness *l = userdata;
    const char *text = data;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\n') {
            take_line(l);
        } else if (l->line_size + 1 < sizeof(l->line)) {
            l->line[l->line_size] = text[i];
            l->line_size++;
        }
    }
    return 0;
}

static void sleep_in_guest(const bench *b, lateness *l, uint32_t ms, uint32_t count)
{
    stage s;
    stage_options options = {.is_durable = true};
    stage_open(b, &s, &options);
    char args[48];
    (void)snprintf(args, sizeof(args), "[%" PRIu32 ",%" PRIu32 "]", count, ms);
    theater_id id = stage_spawn(&s, stage_load(&s, "sleeper.wat"), "sleep", args);
    stage_run(&s);
    theater_error err = THEATER_ERROR_INIT;
    theater_chain *chain = NULL;
    bench_check(theater_chain_open_store(s.directory, id, &chain, &err), &err);
    l->count = 0;
    bench_check(theater_chain_export(chain, THEATER_CHAIN_JSONL, take_export, l, &err), &err);
    theater_chain_free(chain);
    bench_must(l->count == count, "a completion is missing in the chain");
    stage_close(&s);
}

/* ---- a timerfd alone ------------------------------------------------------------------------- */

static void sleep_on_timerfd(lateness *l, uint32_t ms, uint32_t count)
{
    int timer = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK);
    int poll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    bench_must(timer >= 0 && poll >= 0 && epoll_ctl(poll, EPOLL_CTL_ADD, timer, &event) == 0,
               "no timerfd");
    for (l->count = 0; l->count < count; l->count++) {
        struct timespec armed;
        (void)clock_gettime(CLOCK_BOOTTIME, &armed);
        uint64_t due_ns = (uint64_t)armed.tv_sec * 1000000000u + (uint64_t)armed.tv_nsec +
                          (uint64_t)ms * 1000000u;
        struct itimerspec at = {
            .it_value = {(time_t)(due_ns / 1000000000u), (long)(due_ns % 1000000000u)}};
        bench_must(timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL) == 0, "timerfd_settime");
        bench_must(epoll_wait(poll, &event, 1, -1) == 1, "epoll_wait");
        struct timespec now;
        (void)clock_gettime(CLOCK_BOOTTIME, &now);
        uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
        bench_must(now_ns >= due_ns, "a timerfd was early");
        l->late_ms[l->count] = (double)(now_ns - due_ns) / 1e6;
    }
    (void)close(timer);
    (void)close(poll);
}

/* ---- libuv ----------------------------------------------------------------------------------- */

#ifdef BENCH_LIBUV
typedef struct uv_state {
    lateness *l;
    uint32_t ms;
    uint32_t wanted;
    double armed_s;
} uv_state;

static void on_uv_timer(uv_timer_t *timer)
{
    uv_state *state = timer->data;
    lateness *l = state->l;
    double now = bench_now_s();
    l->late_ms[l->count] = (now - state->armed_s) * 1e3 - state->ms;
    l->count++;
    if (l->count < state->wanted) {
        uv_update_time(timer->loop);
        state->armed_s = bench_now_s();
        (void)uv_timer_start(timer, on_uv_timer, state->ms, 0);
    }
}

static void sleep_in_libuv(lateness *l, uint32_t ms, uint32_t count)
{
    uv_loop_t loop;
    uv_timer_t timer;
    uv_state state = {l, ms, count, 0};
    bench_must(uv_loop_init(&loop) == 0 && uv_timer_init(&loop, &timer) == 0, "no libuv loop");
    timer.data = &state;
    l->count = 0;
    uv_update_time(&loop);
    state.armed_s = bench_now_s();
    (void)uv_timer_start(&timer, on_uv_timer, ms, 0);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&loop);
}
#endif

/* ---- parts ----------------------------------------------------------------------------------- */

static void note(bench *b, lateness *l, const char *who, const char *what)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "%s, %s late", what, who);
    if (l->count == 1) {
        bench_note(b, name, "ms", l->late_ms[0]);
    } else {
        bench_note_spread(b, name, "ms", l->late_ms, l->count);
    }
}

static void measure(bench *b, const char *what, uint32_t ms, uint32_t count, uint32_t rounds)
{
    static lateness l;
    bench_must(count <= SAMPLES_MAX, "too many samples");
    for (uint32_t round = 0; round < rounds; round++) {
        bench_progress(b, what, round);
        sleep_in_guest(b, &l, ms, count);
        note(b, &l, "guest", what);
        sleep_on_timerfd(&l, ms, count);
        note(b, &l, "timerfd", what);
#ifdef BENCH_LIBUV
        sleep_in_libuv(&l, ms, count);
        note(b, &l, "libuv", what);
#endif
    }
}

static void run_10(bench *b)
{
    measure(b, "10 ms", 10, 300, b->rounds);
}

static void run_100(bench *b)
{
    measure(b, "100 ms", 100, 100, b->rounds);
}

static void run_20000(bench *b)
{
    measure(b, "20 s", 20000, 1, 1);
}

int main(int argc, char **argv)
{
    static const bench_part parts[] = {
        {"10ms", run_10, false},
        {"100ms", run_100, false},
        {"20s", run_20000, true},
    };
    return bench_main(argc, argv, "late_bench", 3, parts, sizeof(parts) / sizeof(parts[0]));
}
