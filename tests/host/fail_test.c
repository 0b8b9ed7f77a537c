/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a host in which one thing fails, for every thing that there is: it opens, loads a
 * component, spawns three actors that sleep, runs to its end and is freed, and the k-th allocation,
 * write or sync of all that fails, or the power goes off there. Then it either says so or did not
 * need it; and the next host on the same store, in which nothing fails, brings every actor that was
 * promised to its one end.
 */
#include "power.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base/alloc.h>

#include "internal.h"

#define SLEEPERS_COUNT 3u

typedef struct outcome {
    theater_status status; /* of what failed first, OK: nothing did */
    theater_error error;
    bool store_failed;
} outcome;

static void note(outcome *o, theater_status status, const theater_error *error)
{
    if (status != THEATER_OK && o->status == THEATER_OK) {
        o->status = status;
        o->error = *error;
    }
}

static outcome first_life(power *p)
{
    outcome o = {THEATER_OK, THEATER_ERROR_INIT, false};
    theater_error err = THEATER_ERROR_INIT;
    theater_status status = power_on(p, &err);
    note(&o, status, &err);
    if (status == THEATER_OK) {
        status = power_load(p, &err);
        note(&o, status, &err);
    }
    for (uint64_t i = 0; i < SLEEPERS_COUNT && status == THEATER_OK; i++) {
        note(&o, power_spawn(p, 10 + i, &err), &err);
    }
    if (p->host != NULL && p->host->store != NULL) {
        power_ask(p);
        note(&o, theater_host_run(p->host, &err), &err);
        o.store_failed = theater__store_failure(p->host->store) != NULL;
    }
    power_off(p, 1, false);
    return o;
}

/* A host in which nothing fails, on what the failing one left. */
static void second_life(power *p, const outcome *o, uint64_t k)
{
    theater_error err = THEATER_ERROR_INIT;
    p->parked_count = 0;
    for (size_t i = 0; i < p->members_count && !o->store_failed; i++) {
        p->members[i].is_promised = true; /* freeing a host waits for what is in flight */
    }
    if (power_on(p, &err) != THEATER_OK || power_load(p, &err) != THEATER_OK) {
        fail_msg("the %llu-th: %s", (unsigned long long)k, err.message);
    }
    power_check(p);
    if (p->violation != NULL || p->parked_count > 0) {
        fail_msg("the %llu-th: %s; '%s'", (unsigned long long)k,
                 p->violation != NULL ? p->violation : "an actor was parked", o->error.message);
    }
}

static void expect_clean_error(const outcome *o, uint64_t k)
{
    if (o->status != THEATER_OK && o->error.message[0] == '\0') {
        fail_msg("the %llu-th failed with %d and no word", (unsigned long long)k, (int)o->status);
    }
}

/* ---- the disk -------------------------------------------------------------------------------- */

static void every_operation(simdisk_operation operation, int os_errno, unsigned failures_min)
{
    unsigned failed = 0;
    bool reached = true;
    for (uint64_t k = 1; reached; k++) {
        static power p;
        power_begin(&p, k);
        p.live_max = k % 2 == 0 ? 1 : 100;
        simdisk_fail_at(p.disk, operation, k, os_errno);
        outcome o = first_life(&p);
        reached = simdisk_has_failed(p.disk);
        simdisk_fail_at(p.disk, SIMDISK_ANY, 0, 0);
        failed += o.status != THEATER_OK;
        expect_clean_error(&o, k);
        if (k % 3 == 0) {
            simdisk_crash(p.disk);
        } else {
            simdisk_kill(p.disk);
        }
        second_life(&p, &o, k);
        power_end(&p);
    }
    print_message("%u failures were told\n", failed);
    assert_true(failed >= failures_min);
}

static void host__kth_write_fails(void **state)
{
    (void)state;
    every_operation(SIMDISK_WRITE, EIO, 10);
}

static void host__kth_write_finds_no_space(void **state)
{
    (void)state;
    every_operation(SIMDISK_WRITE, ENOSPC, 1); /* most are saved by the reserve */
}

static void host__kth_sync_fails(void **state)
{
    (void)state;
    every_operation(SIMDISK_SYNC, EIO, 10);
}

static void host__kth_operation_of_any_kind_fails(void **state)
{
    (void)state;
    every_operation(SIMDISK_ANY, EDQUOT, 10);
}

/* Not a draw of moments as in power_test.c, but each: nothing is left of what was not synced, or
 * all, or some. */
static void host__power_goes_off_at_every_operation(void **state)
{
    (void)state;
    unsigned moments = 0;
    for (unsigned left = 0; left < 3; left++) {
        bool reached = true;
        for (uint64_t k = 1; reached; k++) {
            static power p;
            power_begin(&p, k);
            p.live_max = left == 1 ? 1 : 100;
            simdisk_power_off_at(p.disk, k);
            outcome o = first_life(&p);
            reached = simdisk_operations(p.disk) >= k;
            o.store_failed = true; /* what was not promised may be gone */
            expect_clean_error(&o, k);
            unsigned names = 0;
            uint64_t choices = 0;
            if (left == 0) {
                simdisk_crash_chosen(p.disk, 0, 0, &names, &choices);
            } else if (left == 1) {
                simdisk_kill(p.disk);
            } else {
                simdisk_crash(p.disk);
            }
            second_life(&p, &o, k);
            power_end(&p);
            moments++;
        }
    }
    print_message("%u moments\n", moments);
    assert_true(moments > 100);
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* One life without memory at one moment. True if that moment came. */
static bool without_memory(uint64_t k, uint32_t live_max, unsigned *failed)
{
    static power p;
    power_begin(&p, k);
    p.live_max = live_max;
    theater__alloc_fail_at(k);
    outcome o = first_life(&p);
    bool reached = theater__alloc_count() >= k;
    theater__alloc_fail_at(0);
    *failed += o.status != THEATER_OK;
    expect_clean_error(&o, k);
    simdisk_kill(p.disk);
    second_life(&p, &o, k);
    power_end(&p);
    return reached;
}

static void every_allocation(uint32_t live_max)
{
    unsigned failed = 0;
    uint64_t k = 1;
    while (without_memory(k, live_max, &failed)) {
        k++;
    }
    print_message("%llu allocations, %u failures were told\n", (unsigned long long)k - 1, failed);
    assert_true(failed > 100);
}

static void host__kth_allocation_fails(void **state)
{
    (void)state;
    every_allocation(100);
}

/* The same where each wake is a replay. */
static void host__kth_allocation_fails_with_room_for_one(void **state)
{
    (void)state;
    every_allocation(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host__kth_write_fails),
        cmocka_unit_test(host__kth_write_finds_no_space),
        cmocka_unit_test(host__kth_sync_fails),
        cmocka_unit_test(host__kth_operation_of_any_kind_fails),
        cmocka_unit_test(host__power_goes_off_at_every_operation),
        cmocka_unit_test(host__kth_allocation_fails),
        cmocka_unit_test(host__kth_allocation_fails_with_room_for_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
