/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expire and re-arm with a full deadline queue, beside libuv's timers in the same run.
 *
 *     timerq_bench [--json] [--timers N] [--operations N]
 *
 * One operation takes out the earliest timer and starts it again at a random distance. For libuv,
 * whose clock is the machine's, all timers lie within one second, so that the loop is never idle,
 * and the thread's CPU time is divided by the callbacks that ran. The stall is the longest single
 * operation, again in CPU time of the thread, so that the scheduler does not count.
 */
#include <timerq/timerq.h>

#include <base/alloc.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef BENCH_LIBUV
#include <uv.h>
#endif

#define ROUNDS 5u
#define SPAN_NS 1000000000u
#define SPAN_MS 1000u

typedef struct settings {
    bool json;
    uint32_t timers;
    uint32_t operations;
} settings;

typedef struct outcome {
    const char *name;
    double median_ns;
    double best_ns;
    double stall_us; /* negative: not measured */
} outcome;

static uint64_t random_state = 1;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static uint64_t thread_ns(void)
{
    struct timespec time = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
    double left = 0;
    double right = 0;
    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return (left > right) - (left < right);
}

static outcome summary(const char *name, double rounds[ROUNDS], double stall_us)
{
    qsort(rounds, ROUNDS, sizeof rounds[0], compare_doubles);
    return (outcome){name, rounds[ROUNDS / 2], rounds[0], stall_us};
}

static void expire_and_start(theater__timerq *queue)
{
    uint32_t id = 0;
    uint64_t key = 0;
    if (!theater__timerq_pop(queue, UINT64_MAX - 1, &id, &key)) {
        abort();
    }
    theater__timerq_start(queue, id, key + 1 + next_random() % SPAN_NS);
}

static double longest_us(theater__timerq *queue, uint32_t operations)
{
    uint64_t longest = 0;
    for (uint32_t i = 0; i < operations; i++) {
        uint64_t begin = thread_ns();
        expire_and_start(queue);
        uint64_t taken = thread_ns() - begin;
        longest = taken > longest ? taken : longest;
    }
    return (double)longest / 1e3;
}

static outcome measure_timerq(const settings *with)
{
    theater__timerq queue;
    theater__timerq_init(&queue);
    if (theater__timerq_reserve(&queue, with->timers, NULL) != THEATER_OK) {
        abort();
    }
    for (uint32_t id = 0; id < with->timers; id++) {
        theater__timerq_start(&queue, id, 1 + next_random() % SPAN_NS);
    }
    double rounds[ROUNDS];
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint64_t begin = thread_ns();
        for (uint32_t i = 0; i < with->operations; i++) {
            expire_and_start(&queue);
        }
        rounds[round] = (double)(thread_ns() - begin) / with->operations;
    }
    double stall_us = longest_us(&queue, with->operations / 4 + 1);
    theater__timerq_deinit(&queue);
    return summary("theater timerq", rounds, stall_us);
}

#ifdef BENCH_LIBUV
typedef struct uv_run_state {
    uint64_t expired;
    uint64_t wanted;
} uv_run_state;

static void on_timer(uv_timer_t *timer)
{
    uv_run_state *state = timer->data;
    state->expired++;
    uv_timer_start(timer, on_timer, 1 + next_random() % SPAN_MS, 0);
    if (state->expired >= state->wanted) {
        uv_stop(timer->loop);
    }
}

static outcome measure_libuv(const settings *with)
{
    uv_loop_t loop;
    uv_timer_t *timers = theater__alloc_zeroed(with->timers, sizeof *timers);
    if (timers == NULL || uv_loop_init(&loop) != 0) {
        abort();
    }
    uv_run_state state = {0, with->operations};
    for (uint32_t i = 0; i < with->timers; i++) {
        uv_timer_init(&loop, &timers[i]);
        timers[i].data = &state;
        uv_timer_start(&timers[i], on_timer, 1 + next_random() % SPAN_MS, 0);
    }
    double rounds[ROUNDS];
    for (uint32_t round = 0; round < ROUNDS; round++) {
        state.expired = 0;
        uint64_t begin = thread_ns();
        while (state.expired < state.wanted) {
            uv_run(&loop, UV_RUN_ONCE);
        }
        rounds[round] = (double)(thread_ns() - begin) / (double)state.expired;
    }
    for (uint32_t i = 0; i < with->timers; i++) {
        uv_close((uv_handle_t *)&timers[i], NULL);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    theater__free(timers);
    return summary("libuv " LIBUV_VERSION, rounds, -1);
}
#endif

static void print_json(const settings *with, const outcome *outcomes, size_t count)
{
    printf("{\"bench\":\"timerq\",\"timers\":%" PRIu32 ",\"operations\":%" PRIu32 ",\"results\":[",
           with->timers, with->operations);
    for (size_t i = 0; i < count; i++) {
        printf("%s{\"name\":\"%s\",\"median_ns\":%.1f,\"best_ns\":%.1f", i > 0 ? "," : "",
               outcomes[i].name, outcomes[i].median_ns, outcomes[i].best_ns);
        if (outcomes[i].stall_us >= 0) {
            printf(",\"stall_us\":%.1f", outcomes[i].stall_us);
        }
        printf("}");
    }
    printf("]}\n");
}

static void print_table(const settings *with, const outcome *outcomes, size_t count)
{
    printf("expire + re-arm, %" PRIu32 " timers, %" PRIu32 " operations a round, %u rounds\n",
           with->timers, with->operations, ROUNDS);
    printf("%-20s %12s %12s %12s\n", "", "median ns", "best ns", "stall us");
    for (size_t i = 0; i < count; i++) {
        printf("%-20s %12.1f %12.1f ", outcomes[i].name, outcomes[i].median_ns,
               outcomes[i].best_ns);
        if (outcomes[i].stall_us >= 0) {
            printf("%12.1f\n", outcomes[i].stall_us);
        } else {
            printf("%12s\n", "-");
        }
    }
}

static bool read_count(int argc, char **argv, int *at, uint32_t *out_count)
{
    if (*at + 1 >= argc) {
        return false;
    }
    (*at)++;
    char *end = NULL;
    unsigned long number = strtoul(argv[*at], &end, 10);
    if (*end != '\0' || number == 0 || number > 100000000u) {
        return false;
    }
    *out_count = (uint32_t)number;
    return true;
}

int main(int argc, char **argv)
{
    settings with = {.json = false, .timers = 1000000, .operations = 1000000};
    for (int i = 1; i < argc; i++) {
        bool understood = true;
        if (strcmp(argv[i], "--json") == 0) {
            with.json = true;
        } else if (strcmp(argv[i], "--timers") == 0) {
            understood = read_count(argc, argv, &i, &with.timers);
        } else if (strcmp(argv[i], "--operations") == 0) {
            understood = read_count(argc, argv, &i, &with.operations);
        } else {
            understood = false;
        }
        if (!understood) {
            fprintf(stderr, "usage: timerq_bench [--json] [--timers N] [--operations N]\n");
            return 2;
        }
    }
    outcome outcomes[2];
    size_t count = 0;
    outcomes[count] = measure_timerq(&with);
    count++;
#ifdef BENCH_LIBUV
    outcomes[count] = measure_libuv(&with);
    count++;
#endif
    if (with.json) {
        print_json(&with, outcomes, count);
    } else {
        print_table(&with, outcomes, count);
    }
    return 0;
}
