/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two files of `theater bench sleepers` share: bench_sleepers.c has the plan, the figures
 * and the report, bench_lanes.c the hosts, one for each shard, that create the actors and run them.
 *
 * A lane is a host with its part of the plan. The first lane is driven by the main thread, which
 * also watches all of them; the others have a thread each. A host's figures are for its own thread,
 * so each lane publishes what is to be watched after every step.
 */
#ifndef CLI_BENCH_SLEEPERS_H
#define CLI_BENCH_SLEEPERS_H

#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>

/* Spawned and not asleep yet, at the most, in all lanes together. */
#define BENCH_STARTERS_MAX 1024u
#define BENCH_SPAWN_BATCH 256u
#define BENCH_WAIT_MS 200

typedef struct sleepers_settings {
    uint64_t count;
    uint64_t sleep_ms;
    uint64_t due_in_ms;
    uint64_t spread_ms;
    uint64_t begin_in_ms;
    uint64_t resident;
    uint64_t verify;
    uint64_t shards;
    const char *store;
    bool json;
    bool quiet;
} sleepers_settings;

typedef struct sleepers sleepers;

typedef struct sleepers_lane {
    sleepers *all;
    cli_shard shard;
    uint64_t first; /* its actors in the plan: count from this one on */
    uint64_t count;
    uint64_t created;
    bench_host bench;
    pthread_t thread;
    bool has_thread;
    int exit_status;
    /* Published. */
    struct {
        _Atomic uint64_t created;
        _Atomic uint64_t asleep;
        _Atomic uint64_t ended;
        _Atomic uint64_t wakes;
        _Atomic uint64_t resident;
        _Atomic uint64_t evictions;
        _Atomic uint64_t asleep_ns; /* when all of its actors slept; 0: not yet */
        _Atomic uint64_t done_ns;   /* when all had ended */
    } seen;
} sleepers_lane;

struct sleepers {
    const sleepers_settings *with;
    const char *path; /* of the component; NULL: the built-in one */
    bench_place place;
    sleepers_lane *lanes;
    uint32_t lanes_count;
    atomic_bool is_broken; /* a lane has failed: all end */
    uint64_t start_ns;
    uint64_t start_wall_ms;
    uint64_t first_due_ms; /* wall; not with --sleep */
    uint64_t all_asleep_ns;
    uint64_t settled_wall_ms; /* when memory is read */
    bool is_asleep_read;
    bool is_asleep_in_time; /* nobody was due yet */
    uint64_t done_ns;
    uint64_t said_ns;
    bench_usage start;
    bench_usage baseline; /* RSS when the places in memory were taken */
    uint64_t baseline_count;
    bench_usage asleep;
    bench_usage done;
    uint64_t verified;
    uint64_t damaged;
    uint64_t early;
};

/* What all lanes have published, together. */
typedef struct sleepers_sum {
    uint64_t created;
    uint64_t asleep;
    uint64_t ended;
    uint64_t wakes;
    uint64_t resident;
    uint64_t evictions;
    uint64_t asleep_ns;    /* of the last one */
    uint64_t done_ns;      /* of the last one */
    uint32_t lanes_asleep; /* lanes of which all actors slept */
    uint32_t lanes_done;
} sleepers_sum;

/* Lanes with their hosts, opened, the component loaded. The exit status. */
int sleepers_lanes_open(sleepers *s);
void sleepers_lanes_close(sleepers *s);
/* Creates all actors and runs them to their ends, or until it is interrupted. The exit status. */
int sleepers_lanes_run(sleepers *s);
sleepers_sum sleepers_lanes_sum(const sleepers *s);

/* bench_sleepers.c: the plan's actor of that number. Any thread. */
theater_status sleepers_spawn(sleepers_lane *lane, uint64_t number, theater_error *err);
/* After each step of the main thread. */
void sleepers_watch(sleepers *s);

#endif
