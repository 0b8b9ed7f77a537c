/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one operation of a guest costs, through the public interface alone: a component that calls,
 * a host that records. Each figure counts from the start of the call to its end being durable at
 * the store's level, so a durable figure holds its share of the disk.
 *
 *   calls    a host function that answers at once: pure, folded, distinct
 *   suspend  a wait that is due, from suspension to resumption
 *   wakes    a wake of an actor that is not in memory: read, verified, replayed, resumed, recorded
 *   replay   a call with a history of 1,000 events
 *   rate     sleeps of 1 ms on the real clock, until all of it is durable
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage.h"

#define HISTORY_EVENTS 1000u

static const char *store_word(bool is_durable)
{
    return is_durable ? "log" : "memory";
}

/* ---- calls and suspensions ------------------------------------------------------------------- */

typedef struct loop {
    const char *name;
    const char *export_name;
    uint64_t count; /* of the loop, each actor */
    const char *more_args;
    uint32_t actors;
    bool is_virtual;
    bool has_tokens;
} loop;

static void measure_loop(bench *b, const loop *it, bool is_durable)
{
    char name[64];
    char args[64];
    (void)snprintf(name, sizeof(name), "%s, %s", it->name, store_word(is_durable));
    (void)snprintf(args, sizeof(args), "[%" PRIu64 "%s]", it->count, it->more_args);
    stage s;
    stage_options options = {.is_durable = is_durable, .is_virtual = it->is_virtual};
    stage_open(b, &s, &options);
    theater_actor_component *component = stage_load(&s, "bench.wat");
    for (uint32_t round = 0; round < b->rounds; round++) {
        bench_progress(b, name, round);
        for (uint32_t i = 0; i < it->actors; i++) {
            (void)stage_spawn(&s, component, it->export_name, args);
        }
        double begin = bench_now_s();
        double begin_cpu = bench_cpu_s();
        if (it->has_tokens) {
            stage_run_tokens(&s, (uint64_t)(round + 1) * it->actors);
        } else {
            stage_run(&s);
        }
        double count = (double)(it->count * it->actors);
        bench_note_cpu(b, name, "us", (s.ended_s - begin) * 1e6 / count,
                       (bench_cpu_s() - begin_cpu) * 1e6 / count);
    }
    stage_close(&s);
}

static void run_calls(bench *b)
{
    static const loop loops[] = {
        {"pure function, nothing recorded", "same", 300000, "", 1, false, false},
        {"now, folded", "now", 300000, "", 1, false, false},
        {"now's path, distinct readings", "next", 100000, "", 1, false, false},
        {"sleep(0), folded", "sleep", 300000, ",0", 1, false, false},
        {"now and sleep(0) in turn, both", "now-sleep", 50000, "", 1, false, false},
    };
    for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
        measure_loop(b, &loops[i], false);
        measure_loop(b, &loops[i], true);
    }
}

static void run_suspend(bench *b)
{
    static const loop loops[] = {
        {"wait due at once, 1 actor", "nap", 20000, "", 1, false, false},
        {"wait due at once, 64 actors", "nap", 1000, "", 64, false, false},
        {"wait completed by token, 1 actor", "pause", 20000, "", 1, false, true},
    };
    static const loop simulated = {
        "sleep(1), virtual clock, 1 actor", "sleep", 20000, ",1", 1, true, false};
    measure_loop(b, &simulated, false);
    for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
        measure_loop(b, &loops[i], false);
        measure_loop(b, &loops[i], true);
    }
}

/* ---- wakes ----------------------------------------------------------------------------------- */

typedef struct wakes {
    const char *name;
    const char *guest;
    const char *export_name;
    const char *args;
    uint32_t actors;
    uint32_t wakes_each;
} wakes;

/* One place in memory: every wake is a replay. The creation of the actors is not counted. */
static void measure_wakes(bench *b, const wakes *it, bool is_durable)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "%s, %s", it->name, store_word(is_durable));
    for (uint32_t round = 0; round < b->rounds; round++) {
        bench_progress(b, name, round);
        stage s;
        stage_options options = {.is_durable = is_durable, .is_virtual = true, .live_max = 1};
        stage_open(b, &s, &options);
        theater_actor_component *component = stage_load(&s, it->guest);
        for (uint32_t i = 0; i < it->actors; i++) {
            (void)stage_spawn(&s, component, it->export_name, it->args);
        }
        while (stage_stats(&s).wakes == 0) {
            (void)stage_step(&s, -1);
        }
        theater_host_stats before = stage_stats(&s);
        double begin = bench_now_s();
        double begin_cpu = bench_cpu_s();
        stage_run(&s);
        double passed = bench_now_s() - begin;
        double passed_cpu = bench_cpu_s() - begin_cpu;
        theater_host_stats after = stage_stats(&s);
        double count = (double)(after.wakes - before.wakes);
        bench_must(after.wakes == (uint64_t)it->actors * it->wakes_each, "a wake is missing");
        bench_must(after.replays - before.replays + 1 >= after.wakes - before.wakes,
                   "a wake was not a replay");
        bench_note_cpu(b, name, "wakes/s", count / passed, passed_cpu * 1e6 / count);
        stage_close(&s);
    }
}

static void run_wakes(bench *b)
{
    static const wakes last = {
        "evicted wake, then the end", "sleeper.wat", "sleep", "[1,1000]", 3000, 1};
    static const wakes four = {
        "evicted wakes, four a call", "sleeper.wat", "sleep", "[4,1000]", 1000, 4};
    measure_wakes(b, &last, false);
    measure_wakes(b, &last, true);
    measure_wakes(b, &four, false);
    measure_wakes(b, &four, true);
}

/* ---- replay ---------------------------------------------------------------------------------- */

static void *read_guest(const char *name, size_t *out_size)
{
    static char text[65536];
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", BENCH_GUESTS, name);
    FILE *file = fopen(path, "rb");
    bench_must(file != NULL, "a guest was not found");
    *out_size = fread(text, 1, sizeof(text), file);
    bench_must(fclose(file) == 0 && *out_size > 0, "a guest was not read");
    return text;
}

static double replay_s(stage *s, theater_id id)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_chain *chain = NULL;
    theater_replay_report report;
    size_t size = 0;
    const void *data = read_guest("bench.wat", &size);
    bench_check(theater_chain_open_store(s->directory, id, &chain, &err), &err);
    double begin = bench_now_s();
    bench_check(theater_chain_replay(s->host, chain, data, size, &report, &err), &err);
    double passed = bench_now_s() - begin;
    bench_must(report.is_clean, report.message);
    theater_chain_free(chain);
    return passed;
}

static void run_replay(bench *b)
{
    stage s;
    stage_options options = {.is_durable = true, .is_virtual = true};
    stage_open(b, &s, &options);
    theater_actor_component *component = stage_load(&s, "bench.wat");
    theater_id tiny = stage_spawn(&s, component, "history", "[1,1]");
    theater_id one = stage_spawn(&s, component, "history", "[1000,1]");
    theater_id many = stage_spawn(&s, component, "history", "[101000,1]");
    stage_run(&s);
    for (uint32_t round = 0; round < b->rounds; round++) {
        bench_progress(b, "theater_chain_replay", round);
        bench_note(b, "theater_chain_replay, 1 event", "us", replay_s(&s, tiny) * 1e6);
        double thousand = replay_s(&s, one);
        bench_note(b, "theater_chain_replay, 1,000 events", "us", thousand * 1e6);
        double rate = 100000 / (replay_s(&s, many) - thousand);
        bench_note(b, "theater_chain_replay, each further event", "events/s", rate);
    }
    stage_close(&s);
    static const wakes history = {
        "evicted wake behind 1,000 events", "bench.wat", "history", "[1000,1000]", 100, 1};
    measure_wakes(b, &history, false);
    measure_wakes(b, &history, true);
}

/* ---- rate ------------------------------------------------------------------------------------ */

static void measure_rate(bench *b, uint32_t actors, uint32_t sleeps_each, bool has_sync)
{
    char name[64];
    char args[32];
    (void)snprintf(name, sizeof(name), "1 ms sleeps, %" PRIu32 " actors, log%s", actors,
                   has_sync ? ", each waited for" : "");
    (void)snprintf(args, sizeof(args), "[%" PRIu32 ",1]", sleeps_each);
    stage s;
    stage_options options = {.is_durable = true};
    stage_open(b, &s, &options);
    theater_actor_component *component = stage_load(&s, "bench.wat");
    for (uint32_t round = 0; round < b->rounds; round++) {
        bench_progress(b, name, round);
        for (uint32_t i = 0; i < actors; i++) {
            (void)stage_spawn(&s, component, has_sync ? "sleep-sync" : "sleep", args);
        }
        double begin = bench_now_s();
        double begin_cpu = bench_cpu_s();
        stage_run(&s);
        double sleeps = (double)actors * sleeps_each;
        bench_note_cpu(b, name, "sleeps/s", sleeps / (s.ended_s - begin),
                       (bench_cpu_s() - begin_cpu) * 1e6 / sleeps);
    }
    stage_close(&s);
}

static void run_rate(bench *b)
{
    measure_rate(b, 1, 1000, false);
    measure_rate(b, 64, 1000, false);
    measure_rate(b, 512, 500, false);
    measure_rate(b, 1, 200, true);
    measure_rate(b, 64, 100, true);
    measure_rate(b, 512, 50, true);
}

int main(int argc, char **argv)
{
    static const bench_part parts[] = {
        {"calls", run_calls, false},   {"suspend", run_suspend, false}, {"wakes", run_wakes, false},
        {"replay", run_replay, false}, {"rate", run_rate, false},
    };
    return bench_main(argc, argv, "host_bench", 5, parts, sizeof(parts) / sizeof(parts[0]));
}
