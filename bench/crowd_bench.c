/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many actors in one durable store: all due at one instant, with and without a guest that spins
 * beside them, also after a kill -9; what a sleeper costs in memory, and how fast they are made.
 *
 *   1,000 and 10,000 wait with `deadline` for one wall instant. "late" is the latest wake as the
 *   host counts it (wall ms), "out" is when the last result was durable and reported.
 *
 *   100,000 wait in a store of 10 GB, which takes three minutes to write (--long).
 */
#include <dirent.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stage.h"

/* Actors that are spawned between two iterations. */
#define SPAWN_BATCH 256u
/* Sleeps for the figures about memory: nobody wakes while they are taken. */
#define LONG_ARGS "[1,86400000]"

static void spawn_many(stage *s, const char *export_name, const char *args, uint32_t count)
{
    theater_actor_component *component = stage_load(s, "sleeper.wat");
    for (uint32_t i = 0; i < count; i++) {
        (void)stage_spawn(s, component, export_name, args);
        if (i % SPAWN_BATCH == SPAWN_BATCH - 1) {
            (void)stage_step(s, 0);
        }
    }
}

/* ---- due together ---------------------------------------------------------------------------- */

/* Time enough to create them on a busy machine. */
static uint64_t instant_for(uint32_t count)
{
    return bench_wall_ms() + 700 + (uint64_t)count * 6 / 10;
}

static void note_crowd(bench *b, const stage *s, const char *name, uint64_t due_ms, uint32_t count)
{
    char full[64];
    theater_host_stats stats = stage_stats(s);
    bench_must(stats.wakes == count, "not everybody was asleep before the instant came");
    (void)snprintf(full, sizeof(full), "%s, latest wake", name);
    bench_note(b, full, "ms", (double)stats.late_max_ns / 1e6);
    (void)snprintf(full, sizeof(full), "%s, last out", name);
    double now_wall = (double)bench_wall_ms();
    double last_wall = now_wall - (bench_now_s() - s->ended_s) * 1e3;
    bench_note(b, full, "ms", last_wall - (double)due_ms);
}

static void together(bench *b, uint32_t count, bool has_spinner)
{
    char name[48];
    (void)snprintf(name, sizeof(name), "%" PRIu32 " due together%s", count,
                   has_spinner ? " + spinner" : "");
    for (uint32_t round = 0; round < b->rounds; round++) {
        bench_progress(b, name, round);
        stage s;
        stage_options options = {.is_durable = true};
        stage_open(b, &s, &options);
        theater_id spinner = {{0}};
        uint64_t due_ms = instant_for(count) + (has_spinner ? 300 : 0);
        char args[32];
        (void)snprintf(args, sizeof(args), "[%" PRIu64 "]", due_ms);
        spawn_many(&s, "until", args, count);
        if (has_spinner) {
            stage_run_until(&s, THEATER_ACTOR_ASLEEP, count);
            spinner = stage_spawn(&s, stage_load(&s, "sleeper.wat"), "spin", "[]");
        }
        while (s.ended_count < count) {
            (void)stage_step(&s, -1);
        }
        note_crowd(b, &s, name, due_ms, count);
        if (has_spinner) {
            theater_error err = THEATER_ERROR_INIT;
            bench_check(theater_host_cancel(s.host, spinner, "the benchmark", &err), &err);
        }
        stage_run(&s);
        stage_close(&s);
    }
}

static void run_together(bench *b)
{
    together(b, 1000, false);
    together(b, 10000, false);
}

static void run_spinner(bench *b)
{
    together(b, 1000, true);
    together(b, 10000, true);
}

/* ---- after a kill ---------------------------------------------------------------------------- */

/* The process that is killed: makes the sleepers, says so, waits for its end. */
static _Noreturn void be_killed(const char *directory, const char *count_text, const char *args)
{
    static bench b;
    b.program = "crowd_bench";
    stage s;
    stage_options options = {.directory = directory};
    uint32_t count = (uint32_t)strtoul(count_text, NULL, 10);
    stage_open(&b, &s, &options);
    spawn_many(&s, "until", args, count);
    stage_run_until(&s, THEATER_ACTOR_ASLEEP, count);
    /* An idle log closes its last group within 100 ms. */
    for (double end = bench_now_s() + 0.2; bench_now_s() < end;) {
        (void)stage_step(&s, 50);
    }
    (void)!write(STDOUT_FILENO, "k", 1);
    for (;;) {
        (void)stage_step(&s, 1000);
    }
}

static void make_and_kill(const char *directory, uint32_t count, const char *args)
{
    int out[2];
    bench_must(pipe(out) == 0, "no pipe");
    pid_t child = fork();
    bench_must(child >= 0, "no child process");
    if (child == 0) {
        char count_text[16];
        (void)snprintf(count_text, sizeof(count_text), "%" PRIu32, count);
        (void)dup2(out[1], STDOUT_FILENO);
        (void)execl("/proc/self/exe", "crowd_bench", "--be-killed", directory, count_text, args,
                    (char *)NULL);
        _exit(127);
    }
    (void)close(out[1]);
    char byte = 0;
    bench_must(read(out[0], &byte, 1) == 1, "the process that makes the sleepers failed");
    (void)close(out[0]);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
}

static void after_kill(bench *b, uint32_t count)
{
    char name[48];
    (void)snprintf(name, sizeof(name), "%" PRIu32 " due after kill -9", count);
    for (uint32_t round = 0; round < b->rounds; round++) {
        bench_progress(b, name, round);
        stage owner; /* of the directory alone */
        memset(&owner, 0, sizeof(owner));
        (void)snprintf(owner.directory, sizeof(owner.directory), "%s/theater-bench-XXXXXX",
                       b->directory);
        bench_must(mkdtemp(owner.directory) != NULL, "no directory for a store: see --dir");
        uint64_t due_ms = instant_for(count) + 1500;
        char args[32];
        (void)snprintf(args, sizeof(args), "[%" PRIu64 "]", due_ms);
        make_and_kill(owner.directory, count, args);
        stage s;
        stage_options options = {.directory = owner.directory};
        double begin = bench_now_s();
        stage_open(b, &s, &options);
        char full[64];
        (void)snprintf(full, sizeof(full), "%s, open", name);
        bench_note(b, full, "ms", (bench_now_s() - begin) * 1e3);
        while (s.ended_count < count) {
            (void)stage_step(&s, -1);
        }
        note_crowd(b, &s, name, due_ms, count);
        stage_close(&s);
        stage_close(&owner);
    }
}

static void run_kill(bench *b)
{
    after_kill(b, 1000);
    after_kill(b, 10000);
}

/* ---- a long history -------------------------------------------------------------------------- */

#define HISTORY_BYTES 10e9
#define HISTORY_SLEEPS "[150000,1]"
#define HISTORY_SLEEPERS 100000u

static double bytes_in(const char *directory)
{
    double bytes = 0;
    DIR *opened = opendir(directory);
    bench_must(opened != NULL, "the store cannot be listed");
    for (const struct dirent *entry = readdir(opened); entry != NULL; entry = readdir(opened)) {
        struct stat about;
        if (fstatat(dirfd(opened), entry->d_name, &about, 0) == 0 && S_ISREG(about.st_mode)) {
            bytes += (double)about.st_size;
        }
    }
    (void)closedir(opened);
    return bytes;
}

/* Actors that slept a hundred thousand times each in virtual time, and have ended. */
static void write_history(bench *b, const char *directory)
{
    uint32_t count = 0;
    for (double bytes = 0; bytes < HISTORY_BYTES; bytes = bytes_in(directory)) {
        char progress[48];
        (void)snprintf(progress, sizeof(progress), "history, %.1f of %.0f GB", bytes / 1e9,
                       HISTORY_BYTES / 1e9);
        bench_progress(b, progress, 0);
        stage s;
        stage_options options = {.is_virtual = true, .directory = directory};
        stage_open(b, &s, &options);
        for (uint32_t i = 0; i < 10; i++) {
            count++;
            (void)stage_spawn(&s, stage_load(&s, "sleeper.wat"), "sleep", HISTORY_SLEEPS);
            stage_run(&s);
        }
        stage_close(&s);
    }
    bench_note(b, "history, actors that have ended", "actors", count);
}

/* Killed while all sleep, opened when all are due: how long until the first has woken, and is every
 * one told of once? */
static void run_history(bench *b)
{
    stage owner; /* of the directory alone */
    memset(&owner, 0, sizeof(owner));
    (void)snprintf(owner.directory, sizeof(owner.directory), "%s/theater-bench-XXXXXX",
                   b->directory);
    bench_must(mkdtemp(owner.directory) != NULL, "no directory for a store: see --dir");
    write_history(b, owner.directory);
    bench_note(b, "history, bytes", "GB", bytes_in(owner.directory) / 1e9);
    uint64_t due_ms = bench_wall_ms() + 30000;
    char args[32];
    (void)snprintf(args, sizeof(args), "[%" PRIu64 "]", due_ms);
    make_and_kill(owner.directory, HISTORY_SLEEPERS, args);
    while (bench_wall_ms() < due_ms) {
        (void)usleep(100000);
    }
    stage s;
    stage_options options = {.directory = owner.directory, .live_max = 1000};
    double begin = bench_now_s();
    stage_open(b, &s, &options);
    bench_note(b, "100,000 due in 10 GB after kill -9, open", "ms", (bench_now_s() - begin) * 1e3);
    while (s.ended_count == 0) {
        (void)stage_step(&s, -1);
    }
    bench_note(b, "100,000 due in 10 GB after kill -9, first out", "s", bench_now_s() - begin);
    stage_run(&s);
    bench_note(b, "100,000 due in 10 GB after kill -9, last out", "s", s.ended_s - begin);
    bench_must(s.ended_count == HISTORY_SLEEPERS, "not everybody was told of once");
    stage_close(&s);
    stage_close(&owner);
}

/* ---- memory and creation --------------------------------------------------------------------- */

static double rss_anon_bytes(void)
{
    char line[128];
    double kib = 0;
    (void)malloc_trim(0); /* what is free is not what a sleeper costs */
    FILE *file = fopen("/proc/self/status", "r");
    bench_must(file != NULL, "no /proc/self/status");
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "RssAnon:", 8) == 0) {
            kib = strtod(line + 8, NULL);
        }
    }
    (void)fclose(file);
    bench_must(kib > 0, "no RssAnon in /proc/self/status");
    return kib * 1024;
}

/* Bytes that `count` further sleepers cost each, behind the first thousand. */
static double bytes_each(stage *s, uint32_t count, double *out_rate)
{
    spawn_many(s, "sleep", LONG_ARGS, 1000);
    stage_run_until(s, THEATER_ACTOR_ASLEEP, 1000);
    double before = rss_anon_bytes();
    double begin = bench_now_s();
    spawn_many(s, "sleep", LONG_ARGS, count);
    stage_run_until(s, THEATER_ACTOR_ASLEEP, 1000 + count);
    *out_rate = count / (bench_now_s() - begin);
    return (rss_anon_bytes() - before) / count;
}

static void memory(bench *b, const char *name, uint32_t live_max, uint32_t count)
{
    for (uint32_t round = 0; round < b->rounds; round++) {
        bench_progress(b, name, round);
        stage s;
        stage_options options = {.is_durable = true, .live_max = live_max};
        stage_open(b, &s, &options);
        char full[64];
        double rate = 0;
        double bytes = bytes_each(&s, count, &rate);
        (void)snprintf(full, sizeof(full), "%s, memory", name);
        bench_note(b, full, "B/actor", bytes);
        (void)snprintf(full, sizeof(full), "%s, creation", name);
        bench_note(b, full, "actors/s", rate);
        stage_close(&s);
    }
}

static void run_memory(bench *b)
{
    memory(b, "resident sleeper", 8000, 4000);
    memory(b, "evicted sleeper", 100, 100000);
}

int main(int argc, char **argv)
{
    static const bench_part parts[] = {
        {"together", run_together, false}, {"spinner", run_spinner, false},
        {"kill", run_kill, false},         {"memory", run_memory, false},
        {"history", run_history, true},
    };
    if (argc == 5 && strcmp(argv[1], "--be-killed") == 0) {
        be_killed(argv[2], argv[3], argv[4]);
    }
    return bench_main(argc, argv, "crowd_bench", 3, parts, sizeof(parts) / sizeof(parts[0]));
}
