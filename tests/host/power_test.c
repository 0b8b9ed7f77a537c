/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole host that is cut off at any operation of its disk, again and again: killed, or the power
 * with all that was not synced; on the same boot or on another one; with room in memory for all of
 * its actors or for one. In the end each actor that the outside knows of has slept each of its
 * sleeps once and not too short, has said each line once and ended once, and every event that was
 * said to be durable is in its chain. Without the sync this is not so, and that has to be seen.
 *
 * THEATER_SEED and THEATER_CASES choose others; a failing case prints its seed.
 */
#include "power.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Some seconds, with sanitizers too. */
#define CASES_DEFAULT 150u
/* Without the sync of files something is lost in most cases. */
#define CANARY_CASES 10u

static uint64_t number_from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name); /* NOLINT(concurrency-mt-unsafe): one thread */
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

/* What the cases came across: a test of moments that never come would be none. */
typedef struct sights {
    unsigned sessions;
    unsigned members;
    unsigned promised; /* before the last session */
    unsigned lost;     /* spawned and never promised */
    unsigned repeated; /* ends that were given, and again after a cut */
} sights;

static uint64_t dice(power *p, uint64_t bound)
{
    return simdisk_random(p->disk, bound);
}

static void spawn_some(power *p)
{
    uint64_t count = dice(p, 5);
    for (uint64_t i = 0; i < count && p->members_count < POWER_MEMBERS_MAX; i++) {
        if (power_spawn(p, 1 + dice(p, 400), NULL) != THEATER_OK) {
            return;
        }
    }
}

/* Until the power goes off, or for a while. */
static void run_a_while(power *p)
{
    uint64_t iterations = 1 + dice(p, 60);
    bool more = true;
    for (uint64_t i = 0; i < iterations; i++) {
        if (theater_host_dispatch(p->host, &more, NULL) != THEATER_OK) {
            return;
        }
        if (dice(p, 4) == 0) {
            power_ask(p);
        }
    }
}

static void session(power *p)
{
    p->live_max = dice(p, 2) == 0 ? 1 : 100;
    if (dice(p, 8) != 0) {
        simdisk_power_off_at(p->disk, 1 + dice(p, 80));
    }
    if (power_on(p, NULL) == THEATER_OK) {
        if (power_load(p, NULL) == THEATER_OK) {
            spawn_some(p);
        }
        run_a_while(p);
    }
    simdisk_power_off_at(p->disk, dice(p, 3) == 0 ? 0 : 1); /* a proper end, or none */
    bool is_cut = dice(p, 3) != 0;
    power_off(p, dice(p, 2) == 0 ? dice(p, 1000) : 0, is_cut || dice(p, 4) == 0);
    if (is_cut) {
        simdisk_crash(p->disk);
    } else {
        simdisk_kill(p->disk);
    }
}

static void look(power *p, sights *seen)
{
    seen->members += (unsigned)p->members_count;
    for (size_t i = 0; i < p->members_count; i++) {
        seen->lost += p->members[i].ends_count == 0;
        seen->repeated += p->members[i].ends_count > 1;
    }
}

static const char *run_case(uint64_t seed, simdisk_lie lie, sights *seen)
{
    static power p;
    power_begin(&p, seed);
    simdisk_set_lie(p.disk, lie);
    simdisk_short_calls(p.disk, seed % 3 == 0);
    uint64_t sessions = 2 + dice(&p, 5);
    for (uint64_t i = 0; i < sessions && p.violation == NULL; i++) {
        session(&p);
        seen->sessions++;
    }
    for (size_t i = 0; i < p.members_count; i++) {
        seen->promised += p.members[i].is_promised;
    }
    theater_error err = THEATER_ERROR_INIT;
    for (unsigned i = 0; i < 2 && p.violation == NULL; i++) { /* the second time nothing is left */
        p.live_max = 100;
        if (power_on(&p, &err) != THEATER_OK) {
            p.violation = "the host could not be opened after a crash";
            break;
        }
        power_check(&p);
        power_ask(&p);
        (void)theater_host_run(p.host, NULL);
        power_off(&p, 0, false);
    }
    if (p.parked_count > 0 && p.violation == NULL) {
        p.violation = "an actor was parked";
    }
    const char *violation = p.violation;
    look(&p, seen);
    power_end(&p);
    return violation;
}

static void power__cut_at_any_moment_loses_doubles_and_hurries_nothing(void **state)
{
    (void)state;
    uint64_t seed = number_from_environment("THEATER_SEED", 1);
    uint64_t cases = number_from_environment("THEATER_CASES", CASES_DEFAULT);
    print_message("seeds %llu to %llu\n", (unsigned long long)seed,
                  (unsigned long long)(seed + cases - 1));
    unsigned broken = 0;
    sights seen = {0};
    for (uint64_t i = 0; i < cases; i++) {
        const char *violation = run_case(seed + i, SIMDISK_LIE_NONE, &seen);
        if (violation != NULL) {
            print_message("seed %llu: %s\n", (unsigned long long)(seed + i), violation);
            broken++;
        }
    }
    print_message(
        "%u runs of %u actors: %u promised before the last run, %u lost before they were, "
        "%u ends given again after a cut\n",
        seen.sessions, seen.members, seen.promised, seen.lost, seen.repeated);
    assert_int_equal(broken, 0);
    if (cases >= CASES_DEFAULT) {
        assert_true(seen.promised > 0 && seen.lost > 0 && seen.repeated > 0);
    }
}

static void canary__a_host_without_the_sync_is_caught(void **state)
{
    (void)state;
    unsigned broken = 0;
    sights seen = {0};
    uint64_t first = 0;
    const char *first_violation = NULL;
    for (uint64_t seed = 1; seed <= CANARY_CASES; seed++) {
        const char *violation = run_case(seed, SIMDISK_LIE_SYNC, &seen);
        if (violation != NULL && broken++ == 0) {
            first = seed;
            first_violation = violation;
        }
    }
    print_message("%u of %u broken; seed %llu: %s\n", broken, CANARY_CASES,
                  (unsigned long long)first, first_violation != NULL ? first_violation : "");
    assert_true(broken > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power__cut_at_any_moment_loses_doubles_and_hurries_nothing),
        cmocka_unit_test(canary__a_host_without_the_sync_is_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
