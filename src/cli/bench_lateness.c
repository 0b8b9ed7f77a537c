/* SPDX-License-Identifier: Apache-2.0 */
/*
 * theater bench lateness: one idle actor that sleeps, beside a bare timerfd: half of its waits
 * before the actor's and half behind, so that what changes on the machine meanwhile meets both.
 */
#include "bench.h"
#include "commands.h"
#include "memory.h"
#include "session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LENGTHS_MAX 8u
#define SLEEP_MS_MAX 3600000u
#define WAIT_MS 200

typedef struct lateness_settings {
    const char *sleeps;
    uint64_t count;
    bool json;
} lateness_settings;

static const cli_option options[] = {
    {"sleep", CLI_TEXT, "LIST", "lengths in ms, with commas (default: 10,100)",
     offsetof(lateness_settings, sleeps), 0, 0},
    {"count", CLI_U64, "N", "sleeps of each length (default: 100)",
     offsetof(lateness_settings, count), 1, 1000000},
    {"json", CLI_FLAG, NULL, "one JSON object", offsetof(lateness_settings, json), 0, 0},
    CLI_OPTION_HELP,
};

typedef struct lateness {
    const lateness_settings *with;
    uint64_t lengths[LENGTHS_MAX];
    size_t lengths_count;
    bench_place place;
    bench_host bench;
    theater_histogram *late; /* room for one */
} lateness;

static bool parse_lengths(const char *text, lateness *l)
{
    char copy[64];
    int size = snprintf(copy, sizeof(copy), "%s", text);
    char *at = copy;
    while (at != NULL && size > 0 && (size_t)size < sizeof(copy)) {
        char *comma = strchr(at, ',');
        if (comma != NULL) {
            *comma = '\0';
        }
        uint64_t *length = &l->lengths[l->lengths_count];
        if (l->lengths_count == LENGTHS_MAX || !cli_number(at, length) || *length == 0 ||
            *length > SLEEP_MS_MAX) {
            return false;
        }
        l->lengths_count++;
        at = comma != NULL ? comma + 1 : NULL;
    }
    return l->lengths_count > 0;
}

/* One after the other: an actor that sleeps once, and the next when it is over. */
static int run_actors(lateness *l, uint64_t ms)
{
    char args[32];
    (void)snprintf(args, sizeof(args), "[%" PRIu64 "]", ms);
    for (uint64_t i = 0; i < l->with->count && !cli_is_interrupted(); i++) {
        theater_error error = THEATER_ERROR_INIT;
        uint64_t wanted = l->bench.ended + 1;
        if (bench_host_spawn(&l->bench, "run", args, &error) != THEATER_OK) {
            return cli_say_error(&error);
        }
        while (l->bench.ended < wanted && !cli_is_interrupted()) {
            int status = bench_host_step(&l->bench, WAIT_MS, NULL);
            if (status != CLI_EXIT_OK) {
                return status;
            }
        }
    }
    return CLI_EXIT_OK;
}

/* Its own host and store, so that the host's histogram holds these waits alone. */
static int measure_actors(lateness *l, uint64_t ms)
{
    int status = bench_place_init(&l->place, NULL);
    if (status != CLI_EXIT_OK) {
        return status;
    }
    status = bench_host_open(&l->bench, &l->place, (cli_shard){.count = 1}, 0, false);
    if (status == CLI_EXIT_OK) {
        status = bench_host_load(&l->bench, bench_guest_sleepers, NULL);
    }
    if (status == CLI_EXIT_OK) {
        status = run_actors(l, ms);
    }
    if (status == CLI_EXIT_OK) {
        status = bench_host_verdict(&l->bench);
        theater_host_lateness(l->bench.host, l->late);
    }
    bench_host_close(&l->bench);
    bench_place_deinit(&l->place);
    return status;
}

static int measure_length(lateness *l, uint64_t ms, theater_histogram *raw, bench_report *report)
{
    char key[32];
    char label[32];
    uint64_t half = (l->with->count + 1) / 2;
    memset(raw, 0, sizeof(*raw));
    if (!bench_raw_lateness(ms, half, raw)) {
        return CLI_EXIT_IO;
    }
    int status = measure_actors(l, ms);
    if (status != CLI_EXIT_OK || cli_is_interrupted()) {
        return status;
    }
    if (!bench_raw_lateness(ms, half, raw)) {
        return CLI_EXIT_IO;
    }
    (void)snprintf(key, sizeof(key), "sleep_%" PRIu64 "ms_late", ms);
    (void)snprintf(label, sizeof(label), "sleep(%" PRIu64 "), late", ms);
    bench_row_add_lateness(report, key, label, l->late);
    (void)snprintf(key, sizeof(key), "timerfd_%" PRIu64 "ms_late", ms);
    (void)snprintf(label, sizeof(label), "bare timerfd, %" PRIu64 " ms, late", ms);
    bench_row_add_lateness(report, key, label, raw);
    return CLI_EXIT_OK;
}

static int run(const cli_command *command, int argc, char **argv)
{
    lateness_settings with = {.sleeps = "10,100", .count = 100};
    lateness l = {.with = &with};
    bench_report report = {.name = "lateness"};
    cli_parsed parsed = cli_parse(command, argc, argv, &with);
    if (!parsed.go_on) {
        return parsed.exit_status;
    }
    if (!parse_lengths(with.sleeps, &l)) {
        return cli_usage(command, "--sleep: '%s' is not up to %u numbers from 1 to %u, with commas",
                         with.sleeps, LENGTHS_MAX, SLEEP_MS_MAX);
    }
    theater_histogram *both = cli_grow(NULL, 0, 2, sizeof(*both));
    if (both == NULL) {
        cli_say("%s", theater_status_text(THEATER_ERR_NOMEM));
        return CLI_EXIT_IO;
    }
    l.late = &both[0];
    int status = cli_interrupt_init() ? CLI_EXIT_OK : CLI_EXIT_IO;
    for (size_t i = 0; i < l.lengths_count && status == CLI_EXIT_OK; i++) {
        status = measure_length(&l, l.lengths[i], &both[1], &report);
        status = cli_is_interrupted() ? CLI_EXIT_INTERRUPTED : status;
    }
    cli_release(both);
    return status == CLI_EXIT_OK ? bench_report_print(&report, with.json) : status;
}

const cli_command cli_command_bench_lateness = {
    .name = "bench lateness",
    .operands = "",
    .summary = "measure how late one idle actor wakes",
    .text = "Lets one actor after the other sleep on an otherwise idle host with a durable store, "
            "and\nprints how late it woke beside how late a bare timerfd is in the same run.",
    .options = options,
    .operands_min = 0,
    .operands_max = 0,
    .run = run,
};
