/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU time: how it is counted, and who is ended by it. There are two budgets. A turn's counts from
 * a wake to the next suspension and is judged at epoch checks. A call's counts all of its turns,
 * and what is replayed, which is the same work: an evicted turn has no more left than one that
 * stayed. It ends live turns alone, at an epoch check or behind the request that they make next.
 *
 * CPU time is a system call to read, and most polls are shorter than that. So they are counted by
 * elapsed time, which is no less, until one of them is long: then CPU time is read at the beginning
 * and at the end of each, until they are short again. What the estimate adds on a busy machine is
 * one slice now and then.
 */
#include "internal.h"

#include <stdio.h>

/* What may be counted by elapsed time, where the CPU's was not read when the poll began. */
#define ESTIMATE_NS_MAX 10000000u
/* From a poll as long as this one on, reading the CPU time at each is no cost to speak of. */
#define EXACT_FROM_NS 200000u
/* A simulated clock has no CPU time: each epoch check stands for the ticker's millisecond. */
#define SIMULATED_CHECK_NS 1000000u

void theater__budget_begin(theater__turn *turn)
{
    turn->poll_start = turn->env->mono(turn->env->userdata);
    turn->has_cpu_base = turn->is_counted_exactly;
    if (turn->has_cpu_base) {
        turn->cpu_base_ns = turn->env->cpu_ns(turn->env->userdata);
    }
}

static uint64_t elapsed_in_poll(const theater__turn *turn)
{
    return turn->env->mono(turn->env->userdata).ns - turn->poll_start.ns;
}

/* CPU since the poll began, or since it was asked last. */
static uint64_t cpu_since_last_check(theater__turn *turn)
{
    uint64_t now_ns = turn->env->cpu_ns(turn->env->userdata);
    uint64_t used_ns = now_ns - turn->cpu_base_ns;
    if (!turn->has_cpu_base) {
        used_ns = elapsed_in_poll(turn);
        used_ns = used_ns < ESTIMATE_NS_MAX ? used_ns : ESTIMATE_NS_MAX;
    }
    turn->has_cpu_base = true;
    turn->is_counted_exactly = used_ns >= EXACT_FROM_NS / 2;
    turn->cpu_base_ns = now_ns;
    return used_ns;
}

/*
 * A turn that is replayed was paid for when it was live. An audit has no such promise, since the
 * component may differ; but its machine may be slower than the one of the recording. So it ends a
 * guest that uses up a turn's budget between two events, and lets one go on that advances.
 */
static void count(theater__turn *turn, uint64_t used_ns)
{
    if (turn->replay_only || !theater__turn_is_replaying(turn)) {
        turn->turn_cpu_ns += used_ns;
    }
    turn->call_cpu_ns += used_ns;
}

void theater__budget_end(theater__turn *turn)
{
    if (turn->env->is_simulated) {
        return;
    }
    uint64_t used_ns = 0;
    if (turn->has_cpu_base || elapsed_in_poll(turn) >= EXACT_FROM_NS) {
        used_ns = cpu_since_last_check(turn);
    } else {
        used_ns = elapsed_in_poll(turn);
    }
    count(turn, used_ns);
}

static void describe(char out_text[THEATER_ERROR_MESSAGE_MAX], const char *name, uint64_t max_ms)
{
    (void)snprintf(out_text, THEATER_ERROR_MESSAGE_MAX,
                   "%s: %llu ms of CPU time were used up; return the state and be called again",
                   name, (unsigned long long)max_ms);
}

bool theater__budget_is_spent(const theater__turn *turn, char out_text[THEATER_ERROR_MESSAGE_MAX])
{
    uint64_t max_ms = turn->profile->limits.call_cpu_ms_max;
    if (turn->call_cpu_ns / 1000000u < max_ms) {
        return false;
    }
    describe(out_text, "call_cpu_ms_max", max_ms);
    return true;
}

static void end_by_turn_budget(theater__turn *turn)
{
    char text[THEATER_ERROR_MESSAGE_MAX];
    describe(text, "turn_cpu_ms_max", turn->profile->limits.turn_cpu_ms_max);
    if (!turn->replay_only) {
        (void)theater__turn_end_guest(turn, THEATER_END_CPU, text);
    } else if (theater__turn_is_replaying(turn)) {
        (void)theater__turn_diverge(turn, text);
    } else {
        (void)theater__turn_stop(turn, THEATER__TURN_REPLAYED);
    }
}

theater__epoch_verdict theater__budget_on_epoch(void *userdata)
{
    theater__turn *turn = userdata;
    const theater_limits *limits = &turn->profile->limits;
    uint64_t used_ns = turn->env->is_simulated ? SIMULATED_CHECK_NS : cpu_since_last_check(turn);
    count(turn, used_ns);
    if (turn->turn_cpu_ns / 1000000u >= limits->turn_cpu_ms_max) {
        end_by_turn_budget(turn);
        return THEATER__EPOCH_END;
    }
    char text[THEATER_ERROR_MESSAGE_MAX];
    bool is_live = !turn->replay_only && !theater__turn_is_replaying(turn);
    if (is_live && theater__budget_is_spent(turn, text)) {
        (void)theater__turn_end_guest(turn, THEATER_END_CPU, text);
        return THEATER__EPOCH_END;
    }
    return turn->env->preempt(turn->env->userdata) ? THEATER__EPOCH_YIELD : THEATER__EPOCH_CONTINUE;
}
