/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the benchmarks of the host share: options, samples, and the two ways to print them.
 *
 * A part notes samples under a name; a name with several samples (one a round) is printed as their
 * median with the least and the greatest beside it, and with the machine's load while they were
 * taken: a figure from a busy machine has to look like one.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <theater.h>

#define BENCH_ROUNDS_MAX 101u
#define BENCH_FIGURES_MAX 96u

typedef struct bench bench;

/* One thing that is measured, by the name that --only takes. */
typedef struct bench_part {
    const char *name;
    void (*run)(bench *b);
    bool is_long; /* only with --long */
} bench_part;

typedef struct bench_figure {
    char name[64];
    char unit[24];
    double samples[BENCH_ROUNDS_MAX];
    size_t samples_count;
    double cpu[BENCH_ROUNDS_MAX]; /* beside each sample */
    size_t cpu_count;
    double load_sum;
} bench_figure;

struct bench {
    const char *program;
    const char *part;
    const char *only;
    const char *directory; /* where durable stores are made */
    uint32_t rounds;
    bool is_json;
    bool is_long;
    bench_figure figures[BENCH_FIGURES_MAX];
    size_t figures_count;
};

/* Reads the options, runs the parts, prints. Returns the exit status. */
int bench_main(int argc, char **argv, const char *program, uint32_t rounds, const bench_part *parts,
               size_t parts_count);
/* One sample of a figure. */
void bench_note(bench *b, const char *name, const char *unit, double value);
/* The same, and what it took of the processors, in us per operation, all threads together: unlike
 * the sample itself it hardly depends on what else the machine does. */
void bench_note_cpu(bench *b, const char *name, const char *unit, double value, double cpu_us);
/* Notes p50, p99 and the maximum of values, which are sorted. */
void bench_note_spread(bench *b, const char *name, const char *unit, double *values, size_t count);
/* The order of two doubles, for qsort(). */
int bench_compare(const void *a, const void *b);
/* A line of progress on stderr. */
void bench_progress(const bench *b, const char *what, uint32_t round);
/* Ends the program if something that must work did not. */
void bench_check(theater_status status, const theater_error *err);
void bench_must(bool is_true, const char *what);

/* Seconds of elapsed time (BOOTTIME), of this process's CPU time. */
double bench_now_s(void);
double bench_cpu_s(void);
uint64_t bench_wall_ms(void);

#endif
