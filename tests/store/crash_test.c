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
 * run prints its seed; THEATER_SEED and THEATER_CASES in the environment choose others. With one of
 * its protections taken away the store must be caught, or the test would be blind.
 */
#include "world.h"

#include "canary.h"

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
        world_case what = world_case_of(seed + i);
        world_verdict verdict = run_case(&what);
        if (verdict.violation != NULL) {
            print_verdict(&what, &verdict);
            broken++;
        }
    }
    assert_int_equal(broken, 0);
}

/* ---- canaries -------------------------------------------------------------------------------- */

/* Without one of its protections a store has to break a promise within so many cases. */
#define CANARY_CASES 400u

/*
 * Looks for a case that is broken, and runs its seed a second time: it has to break the same
 * promise, with the same bytes on the disk.
 */
static void expect_caught(const char *what_is_missing, simdisk_lie lie)
{
    unsigned broken = 0;
    world_case first = {0};
    world_verdict first_verdict = {0};
    for (uint64_t seed = 1; seed <= CANARY_CASES; seed++) {
        world_case what = world_case_of(seed);
        what.lie = lie;
        world_verdict verdict = run_case(&what);
        if (verdict.violation != NULL && broken++ == 0) {
            first = what;
            first_verdict = verdict;
        }
    }
    print_message("without %s: %u of %u broken\n", what_is_missing, broken, CANARY_CASES);
    assert_true(broken > 0);
    print_verdict(&first, &first_verdict);
    world_verdict again = run_case(&first);
    assert_ptr_equal(again.violation, first_verdict.violation);
    assert_string_equal(again.detail, first_verdict.detail);
    assert_int_equal(again.fingerprint, first_verdict.fingerprint);
    assert_int_equal(again.crashes, first_verdict.crashes);
}

static void canary__without_the_sync_is_caught(void **state)
{
    (void)state;
    expect_caught("the sync of files", SIMDISK_LIE_SYNC);
}

static void canary__without_the_sync_of_directories_is_caught(void **state)
{
    (void)state;
    expect_caught("the sync of directories", SIMDISK_LIE_NAMES);
}

static void canary__without_the_crc_is_caught(void **state)
{
    (void)state;
    the_canary.without_crc = true;
    expect_caught("checksums", SIMDISK_LIE_NONE);
    the_canary.without_crc = false;
}

static void canary__without_the_fence_is_caught(void **state)
{
    (void)state;
    the_canary.without_fence = true;
    expect_caught("the fence", SIMDISK_LIE_NONE);
    the_canary.without_fence = false;
}

/* The same seed is the same run, also where nothing is broken. */
static void seed__gives_the_same_run(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        world_case what = world_case_of(seed);
        world_verdict one = run_case(&what);
        world_verdict two = run_case(&what);
        world_case other = world_case_of(seed + HARM_COUNT);
        assert_int_equal(one.fingerprint, two.fingerprint);
        assert_true(run_case(&other).fingerprint != one.fingerprint);
    }
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
        cmocka_unit_test(canary__without_the_sync_is_caught),
        cmocka_unit_test(canary__without_the_sync_of_directories_is_caught),
        cmocka_unit_test(canary__without_the_crc_is_caught),
        cmocka_unit_test(canary__without_the_fence_is_caught),
        cmocka_unit_test(seed__gives_the_same_run),
        cmocka_unit_test(failure__kth_write_stops_the_store),
        cmocka_unit_test(failure__kth_write_on_a_full_disk),
        cmocka_unit_test(failure__kth_sync_stops_the_store),
        cmocka_unit_test(failure__kth_operation_of_an_open_leaves_nothing),
        cmocka_unit_test(failure__kth_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
