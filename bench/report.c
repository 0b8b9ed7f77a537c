/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options, samples and printing of the host's benchmarks; see report.h.
 */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double bench_now_s(void)
{
    return seconds_of(CLOCK_BOOTTIME);
}

double bench_cpu_s(void)
{
    return seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t bench_wall_ms(void)
{
    return (uint64_t)(seconds_of(CLOCK_REALTIME) * 1e3);
}

void bench_must(bool is_true, const char *what)
{
    if (!is_true) {
        (void)fprintf(stderr, "bench: %s\n", what);
        exit(1);
    }
}

void bench_check(theater_status status, const theater_error *err)
{
    if (status != THEATER_OK) {
        (void)fprintf(stderr, "bench: %s: %s\n", theater_status_name(status), err->message);
        exit(1);
    }
}

void bench_progress(const bench *b, const char *what, uint32_t round)
{
    (void)fprintf(stderr, "%s: %s: %s, round %" PRIu32 " of %" PRIu32 "\n", b->program, b->part,
                  what, round + 1, b->rounds);
}

static bench_figure *figure_of(bench *b, const char *name, const char *unit)
{
    for (size_t i = 0; i < b->figures_count; i++) {
        if (strcmp(b->figures[i].name, name) == 0) {
            return &b->figures[i];
        }
    }
    bench_must(b->figures_count < BENCH_FIGURES_MAX, "figures_max reached");
    bench_figure *figure = &b->figures[b->figures_count++];
    (void)snprintf(figure->name, sizeof(figure->name), "%s", name);
    (void)snprintf(figure->unit, sizeof(figure->unit), "%s", unit);
    return figure;
}

static bench_figure *note(bench *b, const char *name, const char *unit, double value)
{
    bench_figure *figure = figure_of(b, name, unit);
    bench_must(figure->samples_count < BENCH_ROUNDS_MAX, "rounds_max reached");
    double load = 0;
    (void)getloadavg(&load, 1);
    figure->samples[figure->samples_count++] = value;
    figure->load_sum += load;
    return figure;
}

void bench_note(bench *b, const char *name, const char *unit, double value)
{
    (void)note(b, name, unit, value);
}

void bench_note_cpu(bench *b, const char *name, const char *unit, double value, double cpu_us)
{
    bench_figure *figure = note(b, name, unit, value);
    figure->cpu[figure->cpu_count++] = cpu_us;
}

int bench_compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

void bench_note_spread(bench *b, const char *name, const char *unit, double *values, size_t count)
{
    bench_must(count > 0, "nothing was measured");
    qsort(values, count, sizeof(values[0]), bench_compare);
    char full[64];
    (void)snprintf(full, sizeof(full), "%s, p50", name);
    bench_note(b, full, unit, values[count / 2]);
    (void)snprintf(full, sizeof(full), "%s, p99", name);
    bench_note(b, full, unit, values[count * 99 / 100 < count ? count * 99 / 100 : count - 1]);
    (void)snprintf(full, sizeof(full), "%s, max", name);
    bench_note(b, full, unit, values[count - 1]);
}

/* ---- printing -------------------------------------------------------------------------------- */

static double median_of(const double *sorted, size_t count)
{
    size_t middle = count / 2;
    return count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

static int digits_of(double value)
{
    return value >= 1000 ? 0 : value >= 10 ? 1 : 3;
}

static void print_table(const bench *b)
{
    (void)printf("%-46s %-9s %11s %11s %11s %9s %3s %5s\n", b->program, "unit", "median", "min",
                 "max", "CPU us", "n", "load");
    for (size_t i = 0; i < b->figures_count; i++) {
        const bench_figure *f = &b->figures[i];
        double median = median_of(f->samples, f->samples_count);
        int digits = digits_of(median);
        char cpu[24] = "";
        if (f->cpu_count > 0) {
            double cpu_us = median_of(f->cpu, f->cpu_count);
            (void)snprintf(cpu, sizeof(cpu), "%.*f", digits_of(cpu_us), cpu_us);
        }
        (void)printf("%-46s %-9s %11.*f %11.*f %11.*f %9s %3zu %5.1f\n", f->name, f->unit, digits,
                     median, digits, f->samples[0], digits, f->samples[f->samples_count - 1], cpu,
                     f->samples_count, f->load_sum / (double)f->samples_count);
    }
}

static void print_json(const bench *b)
{
    (void)printf("{\"bench\":\"%s\",\"version\":\"%s\",\"engine\":\"%s\",\"figures\":[", b->program,
                 theater_version(), theater_engine_name());
    for (size_t i = 0; i < b->figures_count; i++) {
        const bench_figure *f = &b->figures[i];
        (void)printf("%s\n {\"name\":\"%s\",\"unit\":\"%s\",\"median\":%.6g,\"min\":%.6g,"
                     "\"max\":%.6g,",
                     i > 0 ? "," : "", f->name, f->unit, median_of(f->samples, f->samples_count),
                     f->samples[0], f->samples[f->samples_count - 1]);
        if (f->cpu_count > 0) {
            (void)printf("\"cpu_us\":%.6g,", median_of(f->cpu, f->cpu_count));
        }
        (void)printf("\"n\":%zu,\"load\":%.2f}", f->samples_count,
                     f->load_sum / (double)f->samples_count);
    }
    (void)printf("\n]}\n");
}

/* ---- options --------------------------------------------------------------------------------- */

static bool read_options(bench *b, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--json") == 0) {
            b->is_json = true;
        } else if (strcmp(argv[i], "--long") == 0) {
            b->is_long = true;
        } else if (strcmp(argv[i], "--only") == 0 && has_value) {
            b->only = argv[++i];
        } else if (strcmp(argv[i], "--dir") == 0 && has_value) {
            b->directory = argv[++i];
        } else if (strcmp(argv[i], "--rounds") == 0 && has_value) {
            char *end = NULL;
            unsigned long rounds = strtoul(argv[++i], &end, 10);
            if (*end != '\0' || rounds == 0 || rounds > BENCH_ROUNDS_MAX) {
                return false;
            }
            b->rounds = (uint32_t)rounds;
        } else {
            return false;
        }
    }
    return true;
}

static int usage(const char *program, const bench_part *parts, size_t parts_count)
{
    (void)fprintf(stderr,
                  "usage: %s [--json] [--long] [--only PART] [--rounds 1..%u] [--dir DIR]\n"
                  "parts:",
                  program, BENCH_ROUNDS_MAX);
    for (size_t i = 0; i < parts_count; i++) {
        (void)fprintf(stderr, " %s%s", parts[i].name, parts[i].is_long ? " (--long)" : "");
    }
    (void)fprintf(stderr,
                  "\n--dir is where durable stores are made and removed; $TMPDIR or /tmp\n");
    return 2;
}

int bench_main(int argc, char **argv, const char *program, uint32_t rounds, const bench_part *parts,
               size_t parts_count)
{
    static bench b;
    b.program = program;
    b.rounds = rounds;
    b.directory = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe): before any thread */
    b.directory = b.directory != NULL ? b.directory : "/tmp";
    if (!read_options(&b, argc, argv)) {
        return usage(program, parts, parts_count);
    }
    bool has_run = false;
    for (size_t i = 0; i < parts_count; i++) {
        bool is_named = b.only != NULL && strcmp(b.only, parts[i].name) == 0;
        if (is_named || (b.only == NULL && (b.is_long || !parts[i].is_long))) {
            b.part = parts[i].name;
            parts[i].run(&b);
            has_run = true;
        }
    }
    if (!has_run) {
        return usage(program, parts, parts_count);
    }
    for (size_t i = 0; i < b.figures_count; i++) {
        qsort(b.figures[i].samples, b.figures[i].samples_count, sizeof(double), bench_compare);
        qsort(b.figures[i].cpu, b.figures[i].cpu_count, sizeof(double), bench_compare);
    }
    (b.is_json ? print_json : print_table)(&b);
    return 0;
}
