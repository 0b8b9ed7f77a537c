/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile actors beside an honest one: each attack ends its own actor with an event that names the
 * limit, the neighbour sleeps and wakes as if nobody else were there, and every chain verifies and
 * executes again.
 */
#include "harness.h"
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct attack {
    const char *export_name;
    const char *args;
    theater_end_reason reason;
    const char *text; /* what the end says, somewhere */
} attack;

static const attack attacks[] = {
    {"spin", "[]", THEATER_END_CPU, "turn_cpu_ms_max"},
    {"ask", "[]", THEATER_END_CPU, "turn_cpu_ms_max"},
    {"shout", "[]", THEATER_END_LIMIT, "call_chain_bytes_max"},
    {"recurse", "[]", THEATER_END_STACK, "call stack exhausted"},
    {"recurse-to", "[100000000]", THEATER_END_STACK, "call stack exhausted"},
    {"long-line", "[]", THEATER_END_LIMIT, "host_call_bytes_max"},
    {"fall", "[1]", THEATER_END_TRAPPED, "unreachable"},
};

static theater_limits small_limits(void)
{
    theater_limits limits = THEATER_LIMITS_INIT;
#ifdef __SANITIZE_ADDRESS__ /* a stack that is checked takes its time to fill */
    limits.turn_cpu_ms_max = 2000;
#else
    limits.turn_cpu_ms_max = 200;
#endif
    limits.call_chain_bytes_max = 1 << 20;
    return limits;
}

static void check_chain(harness *h, theater_id id, const char *file)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_chain *chain = NULL;
    theater_chain_report report;
    assert_int_equal(theater_chain_open_store(h->directory, id, &chain, &err), THEATER_OK);
    assert_int_equal(theater_chain_verify(chain, NULL, &report, &err), THEATER_OK);
    if (report.verdict != THEATER_CHAIN_UNANCHORED) {
        fail_msg("%s", report.message);
    }
    char command[512];
    snprintf(command, sizeof(command), "%s", file);
    FILE *f = fopen(command, "rb");
    assert_non_null(f);
    static char bytes[65536];
    size_t size = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    theater_replay_report replay;
    if (theater_chain_replay(h->host, chain, bytes, size, &replay, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
    if (!replay.is_clean) {
        fail_msg("%s", replay.message);
    }
    theater_chain_free(chain);
}

static void attack__hurts_nobody_but_itself(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    theater_limits limits = small_limits();
    harness_open(&h, &options, true);
    theater_actor_component *hostile = harness_load(&h, GUESTS, "attacks.wat");
    theater_actor_component *honest = harness_load(&h, EXAMPLE_GUESTS, "sleep.wat");
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        theater_id neighbour = harness_spawn(&h, honest, "run", "[50]", NULL);
        theater_id id =
            harness_spawn(&h, hostile, attacks[i].export_name, attacks[i].args, &limits);
        harness_run(&h);
        const harness_end *end = harness_find(&h, id);
        print_message("%s: %s\n", attacks[i].export_name, end->text);
        assert_int_equal(end->reason, attacks[i].reason);
        assert_non_null(strstr(end->text, attacks[i].text));
        const harness_end *other = harness_find(&h, neighbour);
        assert_int_equal(other->reason, THEATER_END_RETURNED);
        assert_true(other->number >= 50);
        check_chain(&h, id, GUESTS "/attacks.wat");
        check_chain(&h, neighbour, EXAMPLE_GUESTS "/sleep.wat");
    }
    assert_int_equal(h.parked_count, 0);
    harness_close(&h);
}

/* 100,000 rounds are some 50 us: no turn lives to see an epoch check, and all together are worth
 * many budgets. With one place in memory each wake of the two replays what came before. */
static void call_budget__counts_turns_too_short_to_be_checked(void **state)
{
    (void)state;
    for (uint32_t places = 0; places < 2; places++) {
        harness h;
        theater_host_options options = THEATER_HOST_OPTIONS_INIT;
        theater_limits limits = small_limits();
        limits.call_cpu_ms_max = 40;
        options.live_max = places == 0 ? options.live_max : 1;
        harness_open(&h, &options, true);
        theater_actor_component *hostile = harness_load(&h, GUESTS, "attacks.wat");
        theater_id ids[2];
        for (size_t i = 0; i < 2; i++) {
            ids[i] = harness_spawn(&h, hostile, "sip", "[100000,20000]", &limits);
        }
        harness_run(&h);
        for (size_t i = 0; i < 2; i++) {
            const harness_end *end = harness_find(&h, ids[i]);
            assert_int_equal(end->reason, THEATER_END_CPU);
            assert_non_null(strstr(end->text, "call_cpu_ms_max"));
            check_chain(&h, ids[i], GUESTS "/attacks.wat");
        }
        assert_int_equal(h.parked_count, 0);
        harness_close(&h);
    }
}

/* Somewhere between the guest's bound of stack and the end of the fiber a host call once aborted
 * the process: walk through the depths around it. */
static void host_call__at_the_bottom_of_the_stack_is_survived(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open(&h, &options, false);
    theater_actor_component *hostile = harness_load(&h, GUESTS, "attacks.wat");
    size_t exhausted = 0;
    size_t count = 0;
    for (uint64_t depth = 1000; depth < 40000; depth += 250) {
        char args[32];
        snprintf(args, sizeof(args), "[%llu]", (unsigned long long)depth);
        theater_id id = harness_spawn(&h, hostile, "recurse-to", args, NULL);
        harness_run(&h);
        theater_end_reason reason = harness_find(&h, id)->reason;
        assert_true(reason == THEATER_END_RETURNED || reason == THEATER_END_STACK);
        exhausted += reason == THEATER_END_STACK;
        count++;
    }
    print_message("%zu of %zu depths exhausted the stack\n", exhausted, count);
    assert_true(exhausted > 0 && exhausted < count);
    harness_close(&h);
}

static void table_grow__stops_at_its_limit(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    theater_limits limits = THEATER_LIMITS_INIT;
    limits.table_elements_max = 5000;
    harness_open(&h, &options, false);
    theater_actor_component *hostile = harness_load(&h, GUESTS, "attacks.wat");
    theater_id id = harness_spawn(&h, hostile, "tables", "[]", &limits);
    harness_run(&h);
    assert_int_equal(harness_find(&h, id)->reason, THEATER_END_RETURNED);
    assert_true(harness_find(&h, id)->number <= 5000);
    harness_close(&h);
}

/* Each reading is 20 ms of CPU time behind the one before: a slow machine, or a busy one. */
static uint64_t slow_cpu_ns(void *userdata)
{
    (void)userdata;
    static uint64_t used_ns = 0;
    used_ns += 20000000u;
    return used_ns;
}

/* What was recorded in 200 ms of CPU time may take longer to execute again: an audit ends a guest
 * that makes no progress along its chain, not one that is slow. */
static void audit__of_a_budget_that_ran_out_may_be_slower_than_the_recording(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    theater_limits limits = small_limits();
    harness_open(&h, &options, true);
    theater_actor_component *hostile = harness_load(&h, GUESTS, "attacks.wat");
    theater_id id = harness_spawn(&h, hostile, "ask", "[]", &limits);
    harness_run(&h);
    assert_int_equal(harness_find(&h, id)->reason, THEATER_END_CPU);
    h.host->env.cpu_ns = slow_cpu_ns;
    check_chain(&h, id, GUESTS "/attacks.wat");
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attack__hurts_nobody_but_itself),
        cmocka_unit_test(audit__of_a_budget_that_ran_out_may_be_slower_than_the_recording),
        cmocka_unit_test(call_budget__counts_turns_too_short_to_be_checked),
        cmocka_unit_test(host_call__at_the_bottom_of_the_stack_is_survived),
        cmocka_unit_test(table_grow__stops_at_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
