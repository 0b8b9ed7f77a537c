/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host for a benchmark, made through the public interface alone: timing without an upper bound,
 * and the benchmark's own interface `bench:host/calls`:
 *
 *   same: func() -> u64   PURE      nothing is recorded: the way to the host and back
 *   next: func() -> u64   RECORDED  reads the clock as `now` does, and no two results are equal
 *   nap: func()           WAIT      until an instant that has come when it is waited for
 *   pause: func()         WAIT      until stage_step() completes its token, at once
 *   sync: func() -> u64   EFFECT    runs when everything before it is durable
 */
#ifndef BENCH_STAGE_H
#define BENCH_STAGE_H

#include "report.h"

typedef struct stage_options {
    bool is_durable;
    bool is_virtual;
    uint32_t live_max;
    const char *directory; /* an existing store instead of a fresh one; is not removed */
} stage_options;

typedef struct stage {
    theater_host *host;
    char directory[256];
    bool is_borrowed;
    uint64_t ended_count;
    double ended_s; /* when the last one ended */
    uint64_t counter;
    bool has_token;
    theater_token token;
} stage;

void stage_open(const bench *b, stage *s, const stage_options *options);
void stage_close(stage *s);
theater_actor_component *stage_load(stage *s, const char *name);
theater_id stage_spawn(stage *s, theater_actor_component *component, const char *export_name,
                       const char *args);
/* Until every actor has ended. */
void stage_run(stage *s);
/* The same with pauses: until so many have ended. */
void stage_run_tokens(stage *s, uint64_t ended_count);
/* Until so many actors are in a state, and nothing more can be done at once. */
void stage_run_until(stage *s, theater_actor_state state, uint64_t count);
/* One iteration, and the wait for the next if there is nothing to do. False: nothing was. */
bool stage_step(stage *s, int timeout_ms);
theater_host_stats stage_stats(const stage *s);

#endif
