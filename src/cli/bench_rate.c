/* SPDX-License-Identifier: Apache-2.0 */
/*
 * theater bench rate: how many durable sleeps of 1 ms a host does in a second. Twice: nobody waits
 * for the disk (a sleep's events are written while it sleeps), and everybody does, by an effect
 * behind each sleep, which runs when all before it is durable.
 */
#include "bench.h"
#include "commands.h"
#include "session.h"

#include <stdio.h>

#define WAIT_MS 50
/* Actors that were spawned run before it counts. */
#define WARM_UP_NS 300000000u
#define ACTORS_MAX 100000u
#define SPAWN_BATCH 256u

typedef struct rate_settings {
    uint64_t actors;
    uint64_t seconds;
    bool json;
} rate_settings;

static const cli_option options[] = {
    {"actors", CLI_U64, "N", "actors that sleep again and again (default: 64)",
     offsetof(rate_settings, actors), 1, ACTORS_MAX},
    {"seconds", CLI_U64, "S", "time to count, for each of the two (default: 3)",
     offsetof(rate_settings, seconds), 1, 3600},
    {"json", CLI_FLAG, NULL, "one JSON object", offsetof(rate_settings, json), 0, 0},
    CLI_OPTION_HELP,
};

static int run_for(bench_host *b, uint64_t duration_ns)
{
    uint64_t end_ns = bench_now_ns() + duration_ns;
    while (bench_now_ns() < end_ns && !cli_is_interrupted()) {
        int status = bench_host_step(b, WAIT_MS, NULL);
        if (status != CLI_EXIT_OK) {
            return status;
        }
    }
    return CLI_EXIT_OK;
}

static int spawn_all(bench_host *b, uint64_t count)
{
    for (uint64_t i = 0; i < count && !cli_is_interrupted();) {
        theater_error error = THEATER_ERROR_INIT;
        theater_status status = bench_host_spawn(b, "nap", "[1]", &error);
        if (status != THEATER_OK && status != THEATER_ERR_LIMIT) {
            return cli_say_error(&error);
        }
        i += status == THEATER_OK ? 1 : 0;
        if (status == THEATER_ERR_LIMIT || i % SPAWN_BATCH == 0) {
            int stepped = bench_host_step(b, status == THEATER_ERR_LIMIT ? WAIT_MS : 0, NULL);
            if (stepped != CLI_EXIT_OK) {
                return stepped;
            }
        }
    }
    return run_for(b, WARM_UP_NS);
}

static int count_wakes(bench_host *b, const rate_settings *with, const char *key, const char *label,
                       bench_report *report)
{
    char name[40];
    char words[40];
    bench_usage before;
    bench_usage after;
    int status = spawn_all(b, with->actors);
    if (status != CLI_EXIT_OK) {
        return status;
    }
    uint64_t wakes = bench_host_stats(b).wakes;
    uint64_t begin_ns = bench_now_ns();
    bench_usage_get(&before, false);
    status = run_for(b, with->seconds * 1000000000u);
    bench_usage_get(&after, false);
    wakes = bench_host_stats(b).wakes - wakes;
    double passed_s = (double)(bench_now_ns() - begin_ns) / 1e9;
    double cpu_s = after.user_s + after.system_s - before.user_s - before.system_s;
    (void)snprintf(name, sizeof(name), "%s_per_s", key);
    bench_row_add(report, name, label, "sleeps/s", 0, (double)wakes / passed_s);
    (void)snprintf(name, sizeof(name), "%s_cpu_us", key);
    (void)snprintf(words, sizeof(words), "%s, CPU", label);
    bench_row_add(report, name, words, "us", 2, wakes > 0 ? cpu_s * 1e6 / (double)wakes : 0);
    return status == CLI_EXIT_OK ? bench_host_verdict(b) : status;
}

static int measure(const rate_settings *with, bool is_durable, bench_report *report)
{
    bench_place place;
    bench_host b;
    int status = bench_place_init(&place, NULL);
    if (status != CLI_EXIT_OK) {
        return status;
    }
    status = bench_host_open(&b, &place, (cli_shard){.count = 1}, 0, true);
    if (status == CLI_EXIT_OK) {
        status =
            bench_host_load(&b, is_durable ? bench_guest_rate_durable : bench_guest_rate, NULL);
    }
    if (status == CLI_EXIT_OK) {
        status = count_wakes(&b, with, is_durable ? "waited" : "free",
                             is_durable ? "each waits until durable" : "nobody waits", report);
    }
    bench_host_close(&b);
    bench_place_deinit(&place);
    return status;
}

static int run(const cli_command *command, int argc, char **argv)
{
    rate_settings with = {.actors = 64, .seconds = 3};
    bench_report report = {.name = "rate"};
    cli_parsed parsed = cli_parse(command, argc, argv, &with);
    if (!parsed.go_on) {
        return parsed.exit_status;
    }
    if (!cli_interrupt_init()) {
        return CLI_EXIT_IO;
    }
    bench_row_add(&report, "actors", "actors, sleeps of 1 ms", "", 0, (double)with.actors);
    int status = measure(&with, false, &report);
    if (status == CLI_EXIT_OK && !cli_is_interrupted()) {
        status = measure(&with, true, &report);
    }
    if (cli_is_interrupted() && status == CLI_EXIT_OK) {
        return CLI_EXIT_INTERRUPTED;
    }
    return status == CLI_EXIT_OK ? bench_report_print(&report, with.json) : status;
}

const cli_command cli_command_bench_rate = {
    .name = "bench rate",
    .operands = "",
    .summary = "measure durable sleeps a second",
    .text = "Lets actors sleep 1 ms again and again in a durable store: once so that nobody waits\n"
            "for the disk, once so that each waits until its sleep is durable.",
    .options = options,
    .operands_min = 0,
    .operands_max = 0,
    .run = run,
};
