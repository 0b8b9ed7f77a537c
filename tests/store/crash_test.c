/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log on a disk that loses power: random work, a cut at a random operation (also while the
 * store is being opened), a new start, more work. After each start:
 *
 * - what was recovered is a prefix of what was submitted, over all actors together;
 * - it holds every batch whose completion said OK;
 * - every chain in it reads back byte for byte.
 *
 * The store runs without its thread here, so that a seed gives the same run each time. A failing
 * run prints its seed; THEATER_SEED and THEATER_CASES in the environment choose others. A disk that
 * lies about its syncs must be caught, or the test would be blind.
 */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A few thousand cases take some seconds. */
#define CASES_DEFAULT 2500u

static uint64_t number_from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name); /* NOLINT(concurrency-mt-unsafe): one thread */
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void crash__keeps_every_promise(void **state)
{
    (void)state;
    uint64_t seed = number_from_environment("THEATER_SEED", 1);
    uint64_t cases = number_from_environment("THEATER_CASES", CASES_DEFAULT);
    print_message("seeds %llu to %llu\n", (unsigned long long)seed,
                  (unsigned long long)(seed + cases - 1));
    unsigned broken = 0;
    for (uint64_t i = 0; i < cases; i++) {
        broken += !run_case(seed + i, (world_harm)((seed + i) % HARM_COUNT), false, true);
    }
    assert_int_equal(broken, 0);
}

/*
 * Three batches, the power cut at the k-th operation, and one certain state of the disk after it.
 */
static void run_chosen(uint64_t power_off_at, unsigned names, uint64_t mask, bool *out_reached,
                       unsigned *out_names, unsigned *out_bits)
{
    static world it; /* large */
    begin_world(&it, 3);
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(open_world(&it, &err), THEATER_OK);
    simdisk_power_off_at(it.disk, power_off_at);
    for (unsigned i = 0; i < 3; i++) {
        submit_some(&it);
        poll_all(&it);
        theater__logstore_commit_close((theater__logstore *)it.store);
    }
    *out_reached = simdisk_operations(it.disk) >= power_off_at;
    theater__store_close(it.store);
    it.store = NULL;
    simdisk_crash_chosen(it.disk, names, mask, out_names, out_bits);
    start_world(&it);
    if (it.violation != NULL) {
        fail_msg("cut at %llu, names %u, mask %llx: %s", (unsigned long long)power_off_at, names,
                 (unsigned long long)mask, it.violation);
    }
    end_world(&it);
}

/* Not a sample of the states that a power cut may leave, but each of them. */
static void crash__all_states_of_a_short_trace(void **state)
{
    (void)state;
    unsigned states = 0;
    bool reached = true;
    for (uint64_t k = 1; reached; k++) {
        unsigned names_count = 0;
        unsigned bits = 1;
        for (unsigned names = 0; names <= names_count; names++) {
            for (uint64_t mask = 0; mask < (uint64_t)1 << bits; mask++) {
                run_chosen(k, names, mask, &reached, &names_count, &bits);
                assert_true(bits <= 16);
                states++;
            }
        }
    }
    print_message("%u states\n", states);
    assert_true(states > 100);
}

static void crash__a_disk_that_lies_is_caught(void **state)
{
    (void)state;
    unsigned broken = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        broken += !run_case(seed, HARM_NONE, true, false);
    }
    assert_true(broken > 0);
}

/* ---- single failures ------------------------------------------------------------------------- */

/* Three sessions of work with the k-th operation failing; true if the failure was reached. */
static bool run_failing(simdisk_operation operation, uint64_t k, int os_errno, bool power_cut)
{
    static world it; /* large */
    begin_world(&it, k);
    start_world(&it);
    assert_null(it.violation);
    simdisk_fail_at(it.disk, operation, k, os_errno);
    for (unsigned i = 0; i < 40; i++) {
        submit_some(&it);
        poll_all(&it);
        assert_null(it.violation);
    }
    const theater_error *failure = theater__store_failure(it.store);
    bool reached = simdisk_has_failed(it.disk);
    bool stopped = failure != NULL;
    /* What the keeper does may fail without harm, and one write without space has its reserve. */
    assert_true(reached || !stopped);
    if (stopped) {
        assert_int_equal(failure->status, THEATER_ERR_STORE);
        assert_int_equal(failure->os_errno, os_errno);
        assert_non_null(strstr(failure->message, os_errno == ENOSPC ? "full" : "has stopped"));
        assert_int_equal(simdisk_writes_after_failure(it.disk), 0);
        /* It stays so, and says so at once. */
        work_actor *actor = it.actors[0];
        work_add_events(actor, 1, 10);
        theater__ticket ticket = 0;
        theater_error err = THEATER_ERROR_INIT;
        assert_int_equal(work_submit(actor, it.store, &ticket, &err), THEATER_ERR_STORE);
        assert_string_equal(err.message, theater__store_failure(it.store)->message);
        assert_int_equal(theater__store_inflight(it.store), 0);
    }
    theater__store_close(it.store);
    it.store = NULL;
    if (stopped) {
        assert_int_equal(simdisk_writes_after_failure(it.disk), 0);
    }
    if (power_cut) {
        simdisk_crash(it.disk);
    } else {
        simdisk_kill(it.disk);
    }
    start_world(&it);
    assert_null(it.violation);
    end_world(&it);
    return reached;
}

static void run_all_failing(simdisk_operation operation, int os_errno)
{
    for (unsigned power_cut = 0; power_cut < 2; power_cut++) {
        uint64_t k = 1;
        while (run_failing(operation, k, os_errno, power_cut == 1)) {
            k++;
        }
        assert_true(k > 20);
    }
}

static void failure__kth_write_stops_the_store(void **state)
{
    (void)state;
    run_all_failing(SIMDISK_WRITE, EIO);
}

static void failure__kth_write_on_a_full_disk(void **state)
{
    (void)state;
    run_all_failing(SIMDISK_WRITE, ENOSPC);
}

static void failure__kth_sync_stops_the_store(void **state)
{
    (void)state;
    run_all_failing(SIMDISK_SYNC, EIO);
}

static void failure__kth_operation_of_an_open_leaves_nothing(void **state)
{
    (void)state;
    for (uint64_t k = 1;; k++) {
        static world it; /* large */
        begin_world(&it, k);
        theater_error err = THEATER_ERROR_INIT;
        simdisk_fail_at(it.disk, SIMDISK_ANY, k, EDQUOT);
        theater_status status = open_world(&it, &err);
        if (status == THEATER_OK) {
            assert_true(k > 5);
            end_world(&it);
            return;
        }
        assert_true(err.message[0] != '\0');
        assert_int_equal(simdisk_names_count(it.disk), 0);
        /* And it can be made afterwards. */
        simdisk_fail_at(it.disk, SIMDISK_ANY, 0, 0);
        assert_int_equal(open_world(&it, &err), THEATER_OK);
        end_world(&it);
    }
}

/* The k-th allocation of everything that the owner's thread does fails: an error, and no harm. */
static void failure__kth_allocation(void **state)
{
    (void)state;
    for (uint64_t k = 1;; k++) {
        static world it; /* large */
        begin_world(&it, 7);
        start_world(&it);
        work_actor *actor = it.actors[0];
        work_step(actor, it.store, 3, 400);
        poll_all(&it);
        it.submissions_count = 0;
        it.violation = NULL;
        work_add_events(actor, 2, 400);
        theater__batch batch = work_batch(actor);
        theater__ticket ticket = 0;
        uint64_t place = 0;
        theater__read read = {.actor = actor->id, .place = actor->place};
        theater__store *other = NULL;
        theater__alloc_fail_at(k);
        theater_status submitted = theater__store_submit(it.store, &batch, &ticket, &place, NULL);
        theater__store_completion completion = {0};
        while (theater__store_poll(it.store, &completion)) {
            assert_int_equal(completion.status, THEATER_OK);
        }
        theater_status read_status = theater__store_read(it.store, &read, &ticket, NULL);
        bool has_read = theater__store_poll(it.store, &completion);
        theater__store_close(it.store);
        it.store = NULL;
        theater_status opened = open_world(&it, NULL);
        other = it.store;
        uint64_t made = theater__alloc_count();
        theater__alloc_fail_at(0);
        assert_true(submitted == THEATER_OK || submitted == THEATER_ERR_NOMEM);
        assert_true(opened == THEATER_OK || opened == THEATER_ERR_NOMEM);
        assert_true(has_read == (read_status == THEATER_OK));
        if (has_read) {
            assert_true(completion.status == THEATER_OK || completion.status == THEATER_ERR_NOMEM);
            theater__store_completion_deinit(&completion);
        }
        it.store = opened == THEATER_OK ? other : NULL;
        end_world(&it);
        if (made < k) {
            assert_true(k > 20);
            return;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crash__keeps_every_promise),
        cmocka_unit_test(crash__all_states_of_a_short_trace),
        cmocka_unit_test(crash__a_disk_that_lies_is_caught),
        cmocka_unit_test(failure__kth_write_stops_the_store),
        cmocka_unit_test(failure__kth_write_on_a_full_disk),
        cmocka_unit_test(failure__kth_sync_stops_the_store),
        cmocka_unit_test(failure__kth_operation_of_an_open_leaves_nothing),
        cmocka_unit_test(failure__kth_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
