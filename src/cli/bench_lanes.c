/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lanes of `theater bench sleepers`: hosts side by side, each with its shard and its thread.
 *
 * A lane creates only as fast as its actors get to sleep: what is spawned and does not sleep yet is
 * bounded, so that memory is what sleepers need and not what a queue of starters does. It goes on
 * being driven when all of its own sleep, since somebody may be due while others still create.
 */
#include "bench_sleepers.h"

#include "memory.h"
#include "session.h"

#include <poll.h>
#include <string.h>

static void publish(sleepers_lane *lane)
{
    theater_host_stats stats = bench_host_stats(&lane->bench);
    lane->seen.created = lane->created;
    lane->seen.asleep = stats.asleep;
    lane->seen.ended = lane->bench.ended;
    lane->seen.wakes = stats.wakes;
    lane->seen.resident = stats.resident;
    lane->seen.evictions = stats.evictions;
    /* Who was overdue at once did not sleep, who ended did not wait for the others. */
    uint64_t past = stats.wakes > lane->bench.ended ? stats.wakes : lane->bench.ended;
    if (lane->seen.asleep_ns == 0 && lane->created == lane->count &&
        stats.asleep + past >= lane->count) {
        lane->seen.asleep_ns = bench_now_ns();
    }
    if (lane->seen.done_ns == 0 && lane->bench.ended >= lane->count) {
        lane->seen.done_ns = bench_now_ns();
    }
}

/* *out_is_full: the actors have to get on first. */
static int feed(sleepers_lane *lane, bool *out_is_full)
{
    theater_host_stats stats = bench_host_stats(&lane->bench);
    uint64_t settled = stats.asleep + lane->bench.ended;
    *out_is_full = lane->created > settled + BENCH_STARTERS_MAX / lane->all->lanes_count;
    for (uint32_t i = 0; i < BENCH_SPAWN_BATCH && lane->created < lane->count && !*out_is_full;
         i++) {
        theater_error error = THEATER_ERROR_INIT;
        theater_status status = sleepers_spawn(lane, lane->first + lane->created, &error);
        if (status == THEATER_ERR_LIMIT) {
            *out_is_full = true;
        } else if (status != THEATER_OK) {
            return cli_say_error(&error);
        } else {
            lane->created++;
        }
    }
    return CLI_EXIT_OK;
}

static bool is_stopped(const sleepers *s)
{
    return s->is_broken || cli_is_interrupted();
}

static void run_lane(sleepers_lane *lane)
{
    sleepers *s = lane->all;
    while (lane->bench.ended < lane->count && !is_stopped(s)) {
        bool is_full = false;
        int status = feed(lane, &is_full);
        if (status == CLI_EXIT_OK) {
            bool is_waiting = is_full || lane->created == lane->count;
            status = bench_host_step(&lane->bench, is_waiting ? BENCH_WAIT_MS : 0, NULL);
        }
        publish(lane);
        if (status != CLI_EXIT_OK) {
            lane->exit_status = status;
            s->is_broken = true;
        }
        if (lane->shard.number == 0) {
            sleepers_watch(s);
        }
    }
}

static void *run_thread(void *argument)
{
    run_lane(argument);
    return NULL;
}

sleepers_sum sleepers_lanes_sum(const sleepers *s)
{
    sleepers_sum sum = {0};
    for (uint32_t i = 0; i < s->lanes_count; i++) {
        const sleepers_lane *lane = &s->lanes[i];
        uint64_t asleep_ns = lane->seen.asleep_ns;
        uint64_t done_ns = lane->seen.done_ns;
        sum.created += lane->seen.created;
        sum.asleep += lane->seen.asleep;
        sum.ended += lane->seen.ended;
        sum.wakes += lane->seen.wakes;
        sum.resident += lane->seen.resident;
        sum.evictions += lane->seen.evictions;
        sum.asleep_ns = asleep_ns > sum.asleep_ns ? asleep_ns : sum.asleep_ns;
        sum.done_ns = done_ns > sum.done_ns ? done_ns : sum.done_ns;
        sum.lanes_asleep += asleep_ns != 0;
        sum.lanes_done += done_ns != 0;
    }
    return sum;
}

/* ---- all of them ----------------------------------------------------------------------------- */

int sleepers_lanes_open(sleepers *s)
{
    s->lanes_count = (uint32_t)s->with->shards;
    s->lanes = cli_grow(NULL, 0, s->lanes_count, sizeof(s->lanes[0]));
    if (s->lanes == NULL) {
        s->lanes_count = 0;
        cli_say("%s", theater_status_text(THEATER_ERR_NOMEM));
        return CLI_EXIT_IO;
    }
    int status = CLI_EXIT_OK;
    for (uint32_t i = 0; i < s->lanes_count && status == CLI_EXIT_OK; i++) {
        sleepers_lane *lane = &s->lanes[i];
        lane->all = s;
        lane->shard = (cli_shard){.number = i, .count = s->lanes_count};
        lane->first = s->with->count * i / s->lanes_count;
        lane->count = s->with->count * (i + 1) / s->lanes_count - lane->first;
        status = bench_host_open(&lane->bench, &s->place, lane->shard, s->with->resident, false);
        if (status == CLI_EXIT_OK) {
            status = bench_host_load(&lane->bench, bench_guest_sleepers, s->path);
        }
    }
    return status;
}

void sleepers_lanes_close(sleepers *s)
{
    for (uint32_t i = 0; i < s->lanes_count; i++) {
        bench_host_close(&s->lanes[i].bench);
    }
    cli_release(s->lanes);
    s->lanes = NULL;
    s->lanes_count = 0;
}

int sleepers_lanes_run(sleepers *s)
{
    int status = CLI_EXIT_OK;
    for (uint32_t i = 1; i < s->lanes_count; i++) {
        sleepers_lane *lane = &s->lanes[i];
        int problem = pthread_create(&lane->thread, NULL, run_thread, lane);
        lane->has_thread = problem == 0;
        if (problem != 0) {
            cli_say("shard %u gets no thread: %s", (unsigned)i, strerrordesc_np(problem));
            status = CLI_EXIT_IO;
            s->is_broken = true;
        }
    }
    run_lane(&s->lanes[0]);
    while (sleepers_lanes_sum(s).lanes_done < s->lanes_count && !is_stopped(s)) {
        (void)poll(NULL, 0, BENCH_WAIT_MS);
        sleepers_watch(s);
    }
    for (uint32_t i = 0; i < s->lanes_count; i++) {
        sleepers_lane *lane = &s->lanes[i];
        if (lane->has_thread) {
            (void)pthread_join(lane->thread, NULL);
            lane->has_thread = false;
        }
        status = lane->exit_status > status ? lane->exit_status : status;
    }
    return status;
}
