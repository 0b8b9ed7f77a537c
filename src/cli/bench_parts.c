/* SPDX-License-Identifier: Apache-2.0 */
/*
 * theater bench log, theater bench timers: the two parts under a host whose cost depends on the
 * machine most. The log stands beside the bare system calls, round by round in turn, since a disk
 * is not the same from one minute to the next; of the rounds the median is told.
 */
#include "bench.h"
#include "commands.h"
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 5u
#define BATCH_EVENTS 3u
/* What such a commit writes into a log: a group's header, a record's header, three events. */
#define COMMIT_BYTES ((size_t)472)
#define ROUND_MS 600u

typedef struct parts_settings {
    uint64_t writers;
    uint64_t count;
    bool json;
} parts_settings;

static const cli_option log_options[] = {
    {"writers", CLI_U64, "N", "actors with a batch in flight (default: 256)",
     offsetof(parts_settings, writers), 1, 65536},
    {"json", CLI_FLAG, NULL, "one JSON object", offsetof(parts_settings, json), 0, 0},
    CLI_OPTION_HELP,
};

static const cli_option timers_options[] = {
    {"count", CLI_U64, "N", "timers in the queue (default: 1000000)",
     offsetof(parts_settings, count), 1, 1 << 24},
    {"json", CLI_FLAG, NULL, "one JSON object", offsetof(parts_settings, json), 0, 0},
    CLI_OPTION_HELP,
};

static int compare_numbers(const void *a, const void *b)
{
    double left = 0;
    double right = 0;
    memcpy(&left, a, sizeof(left));
    memcpy(&right, b, sizeof(right));
    return (left > right) - (left < right);
}

static double median(double rounds[ROUNDS])
{
    qsort(rounds, ROUNDS, sizeof(rounds[0]), compare_numbers);
    return rounds[ROUNDS / 2];
}

/* Each round in a store of its own. */
static int measure_store(uint64_t writers, double *out_commits_per_s)
{
    bench_place place;
    int status = bench_place_init(&place, NULL);
    if (status != CLI_EXIT_OK) {
        return status;
    }
    theater_error error = THEATER_ERROR_INIT;
    theater_store_figures figures;
    theater_store_load load = THEATER_STORE_LOAD_INIT;
    load.store_url = place.url.text;
    load.writers_count = (uint32_t)writers;
    load.events_count = BATCH_EVENTS;
    load.duration_ms = ROUND_MS;
    if (theater_measure_store(&load, &figures, &error) == THEATER_OK) {
        *out_commits_per_s = (double)figures.commits * 1e9 / (double)figures.elapsed_ns;
    } else {
        status = cli_say_error(&error);
    }
    bench_place_deinit(&place);
    return status;
}

static int measure_raw(double *out_commits_per_s)
{
    bench_place place;
    int status = bench_place_init(&place, NULL);
    if (status == CLI_EXIT_OK) {
        const char *directory = cli_store_directory(&place.url);
        *out_commits_per_s = bench_raw_commits_per_s(directory, COMMIT_BYTES, ROUND_MS);
        status = *out_commits_per_s > 0 ? CLI_EXIT_OK : CLI_EXIT_IO;
        bench_place_deinit(&place);
    }
    return status;
}

static int run_log(const cli_command *command, int argc, char **argv)
{
    parts_settings with = {.writers = 256};
    bench_report report = {.name = "log"};
    double one[ROUNDS];
    double raw[ROUNDS];
    double many[ROUNDS];
    cli_parsed parsed = cli_parse(command, argc, argv, &with);
    if (!parsed.go_on) {
        return parsed.exit_status;
    }
    int status = cli_interrupt_init() ? CLI_EXIT_OK : CLI_EXIT_IO;
    for (size_t i = 0; i < ROUNDS && status == CLI_EXIT_OK; i++) {
        status = measure_store(1, &one[i]);
        status = status == CLI_EXIT_OK ? measure_raw(&raw[i]) : status;
        status = status == CLI_EXIT_OK ? measure_store(with.writers, &many[i]) : status;
        status = cli_is_interrupted() ? CLI_EXIT_INTERRUPTED : status;
    }
    if (status != CLI_EXIT_OK) {
        return status;
    }
    double one_per_s = median(one);
    double raw_per_s = median(raw);
    double many_per_s = median(many);
    bench_row_add(&report, "one_per_s", "log, one at a time", "commits/s", 0, one_per_s);
    bench_row_add(&report, "raw_per_s", "bare pwrite + fdatasync", "commits/s", 0, raw_per_s);
    bench_row_add(&report, "one_of_raw_percent", "log, of the bare calls", "%", 1,
                  one_per_s / raw_per_s * 100);
    bench_row_add(&report, "writers", "writers", "", 0, (double)with.writers);
    bench_row_add(&report, "many_per_s", "log, all of them", "commits/s", 0, many_per_s);
    bench_row_add(&report, "many_events_per_s", "log, all of them", "events/s", 0,
                  many_per_s * BATCH_EVENTS);
    return bench_report_print(&report, with.json);
}

static int run_timers(const cli_command *command, int argc, char **argv)
{
    parts_settings with = {.count = 1000000};
    bench_report report = {.name = "timers"};
    double start[ROUNDS];
    double renew[ROUNDS];
    cli_parsed parsed = cli_parse(command, argc, argv, &with);
    if (!parsed.go_on) {
        return parsed.exit_status;
    }
    for (size_t i = 0; i < ROUNDS; i++) {
        theater_error error = THEATER_ERROR_INIT;
        theater_timer_figures figures;
        if (theater_measure_timers((uint32_t)with.count, with.count, &figures, &error) !=
            THEATER_OK) {
            return cli_say_error(&error);
        }
        start[i] = figures.start_ns;
        renew[i] = figures.renew_ns;
    }
    bench_row_add(&report, "timers", "timers", "", 0, (double)with.count);
    bench_row_add(&report, "start_ns", "start one", "ns", 1, median(start));
    bench_row_add(&report, "renew_ns", "expire one and start it again", "ns", 1, median(renew));
    return bench_report_print(&report, with.json);
}

const cli_command cli_command_bench_log = {
    .name = "bench log",
    .operands = "",
    .summary = "measure commits to the log a second",
    .text = "Commits batches of three events to a log in the temporary directory: one at a time,\n"
            "beside a bare pwrite + fdatasync of as many bytes, and many writers at once.",
    .options = log_options,
    .operands_min = 0,
    .operands_max = 0,
    .run = run_log,
};

const cli_command cli_command_bench_timers = {
    .name = "bench timers",
    .operands = "",
    .summary = "measure the deadline queue",
    .text =
        "Fills the deadline queue and lets the earliest timer expire and start again, as often\n"
        "as there are timers. CPU time of one operation.",
    .options = timers_options,
    .operands_min = 0,
    .operands_max = 0,
    .run = run_timers,
};
