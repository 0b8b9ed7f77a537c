/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a steady flow of wakes can be at best on this machine: the other side of `theater bench
 * sleepers --spread`. As many threads as it has shards wait for due times that are spread at
 * random, by nothing but ppoll(), and take so much CPU at each wake; there is no guest, no chain,
 * no disk.
 *
 * Who takes 2 us a wake shows the machine's own hiccups; who takes what a sleeper of theater takes
 * of its host's thread (60 us) shows what they become in a queue at the same load. p99 of a flow is
 * to be read beside these figures: on a machine whose processors are shared with others they are
 * often several milliseconds.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "report.h"

#define THREADS_MAX 64u
#define WAKES_PER_S 16667u /* 1,000,000 in a minute, all threads together */
#define SPREAD_S 6.0
#define WAKES_COUNT ((size_t)(WAKES_PER_S * SPREAD_S))

typedef struct flow_thread {
    pthread_t thread;
    double *dues_s; /* of BOOTTIME, sorted; late_ms overwrites them as they pass */
    size_t count;
    double cpu_s;
} flow_thread;

static double thread_cpu_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void wait_until(double due_s)
{
    for (double left_s = due_s - bench_now_s(); left_s > 0; left_s = due_s - bench_now_s()) {
        struct timespec left = {(time_t)left_s, 0};
        left.tv_nsec = (long)((left_s - (double)left.tv_sec) * 1e9);
        (void)ppoll(NULL, 0, &left, NULL);
    }
}

static void *serve(void *userdata)
{
    flow_thread *it = userdata;
    for (size_t i = 0; i < it->count; i++) {
        wait_until(it->dues_s[i]);
        it->dues_s[i] = (bench_now_s() - it->dues_s[i]) * 1e3;
        for (double end_s = thread_cpu_s() + it->cpu_s; thread_cpu_s() < end_s;) {
        }
    }
    return NULL;
}

static void measure(bench *b, double cpu_us, const char *name)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t threads_count = processors < 1 ? 1 : (uint32_t)processors;
    threads_count = threads_count < THREADS_MAX ? threads_count : THREADS_MAX;
    double *late_ms = calloc(WAKES_COUNT, sizeof(*late_ms));
    bench_must(late_ms != NULL, "no memory");
    unsigned short seed[3] = {1, 2, 3};
    for (uint32_t round = 0; round < b->rounds; round++) {
        bench_progress(b, name, round);
        flow_thread threads[THREADS_MAX];
        double begin_s = bench_now_s() + 0.1;
        size_t share = WAKES_COUNT / threads_count;
        for (uint32_t t = 0; t < threads_count; t++) {
            threads[t] = (flow_thread){.dues_s = late_ms + t * share, .count = share};
            threads[t].cpu_s = cpu_us / 1e6;
            for (size_t i = 0; i < share; i++) {
                threads[t].dues_s[i] = begin_s + SPREAD_S * erand48(seed);
            }
            qsort(threads[t].dues_s, share, sizeof(*late_ms), bench_compare);
        }
        for (uint32_t t = 0; t < threads_count; t++) {
            int result = pthread_create(&threads[t].thread, NULL, serve, &threads[t]);
            bench_must(result == 0, "no thread");
        }
        for (uint32_t t = 0; t < threads_count; t++) {
            (void)pthread_join(threads[t].thread, NULL);
        }
        bench_note_spread(b, name, "ms", late_ms, share * threads_count);
    }
    free(late_ms);
}

static void run_idle(bench *b)
{
    measure(b, 2, "raw flow, 2 us a wake, late");
}

static void run_busy(bench *b)
{
    measure(b, 60, "raw flow, 60 us a wake, late");
}

int main(int argc, char **argv)
{
    static const bench_part parts[] = {
        {"idle", run_idle, false},
        {"busy", run_busy, false},
    };
    return bench_main(argc, argv, "flow_bench", 3, parts, sizeof(parts) / sizeof(parts[0]));
}
