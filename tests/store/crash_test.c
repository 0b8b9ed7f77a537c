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
#include "work.h"
/* cmocka first */
#include "logstore.h"
#include "simdisk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIRECTORY "/store"
#define ACTORS_COUNT 4u
#define SUBMISSIONS_MAX 4096u
#define SEGMENT_SIZE ((uint64_t)8 << 10)
/* A few thousand cases take some seconds. */
#define CASES_DEFAULT 2500u

typedef struct world {
    simdisk *disk;
    theater__store *store;
    work_actor *actors[ACTORS_COUNT];
    uint32_t acknowledged[ACTORS_COUNT]; /* batches */
    struct {
        uint8_t actor;
        uint32_t batch;
        theater__ticket ticket;
        bool done;
    } submissions[SUBMISSIONS_MAX]; /* since the last start */
    unsigned submissions_count;
    const char *violation;
    theater_error open_error;
} world;

static theater_status open_world(world *it, theater_error *err)
{
    theater__store_options options = {.url = "log:" DIRECTORY};
    theater__logstore_options all = {
        .store = &options,
        .directory = DIRECTORY,
        .io = simdisk_io(it->disk),
        .segment_size = SEGMENT_SIZE,
        .threadless = true,
    };
    return theater__logstore_open_with(&all, &it->store, err);
}

static void begin_world(world *it, uint64_t seed)
{
    memset(it, 0, sizeof(*it));
    it->disk = simdisk_new(seed);
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        it->actors[i] = work_actor_new((uint8_t)i);
    }
}

static void end_world(world *it)
{
    theater__store_close(it->store);
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        work_actor_free(it->actors[i]);
    }
    simdisk_free(it->disk);
}

/* ---- work ------------------------------------------------------------------------------------ */

static void submit_some(world *it)
{
    unsigned number = (unsigned)simdisk_random(it->disk, ACTORS_COUNT);
    work_actor *actor = it->actors[number];
    unsigned events = (unsigned)simdisk_random(it->disk, 4);
    work_add_events(actor, events, simdisk_random(it->disk, 6) == 0 ? 3000 : 40);
    theater__ticket ticket = 0;
    if (work_submit(actor, it->store, &ticket, NULL) != THEATER_OK) {
        return;
    }
    it->submissions[it->submissions_count].actor = (uint8_t)number;
    it->submissions[it->submissions_count].batch = actor->batches_count;
    it->submissions[it->submissions_count].ticket = ticket;
    it->submissions[it->submissions_count].done = false;
    it->submissions_count++;
}

/* Takes all completions; they must come once each, in order. */
static void poll_all(world *it)
{
    theater__store_completion completion;
    while (theater__store_poll(it->store, &completion)) {
        unsigned i = 0;
        while (i < it->submissions_count && it->submissions[i].done) {
            i++;
        }
        if (i == it->submissions_count || it->submissions[i].ticket != completion.ticket) {
            it->violation = "a completion out of order, or one too many";
            return;
        }
        it->submissions[i].done = true;
        if (completion.status == THEATER_OK) {
            it->acknowledged[it->submissions[i].actor] = it->submissions[i].batch;
        } else if (theater__store_failure(it->store) == NULL) {
            it->violation = "a failed batch in a store that has not stopped";
        }
        theater__store_completion_deinit(&completion);
    }
}

static void work_a_while(world *it)
{
    uint64_t steps = 1 + simdisk_random(it->disk, 24);
    for (uint64_t i = 0; i < steps; i++) {
        submit_some(it);
        if (simdisk_random(it->disk, 3) == 0) {
            poll_all(it);
        }
        if (simdisk_random(it->disk, 8) == 0) {
            theater__logstore_commit_close((theater__logstore *)it->store);
        }
    }
    if (simdisk_random(it->disk, 2) == 0) {
        poll_all(it);
    }
}

/* ---- checking -------------------------------------------------------------------------------- */

/* How many batches of each actor were recovered. */
static void recover_counts(world *it, uint32_t counts[ACTORS_COUNT])
{
    memset(counts, 0, ACTORS_COUNT * sizeof(counts[0]));
    theater__recovered recovered;
    while (theater__store_recover_next(it->store, &recovered, NULL) == THEATER_OK) {
        unsigned number = recovered.actor.bytes[15];
        if (number >= ACTORS_COUNT) {
            it->violation = "an actor that was never there";
            return;
        }
        const work_actor *actor = it->actors[number];
        uint32_t count = 0;
        for (uint32_t i = 1; i <= actor->batches_count; i++) {
            if (actor->batches[i - 1].place == recovered.place &&
                actor->batches[i - 1].next_seq == recovered.next_seq &&
                memcmp(&actor->batches[i - 1].head, &recovered.head, sizeof(theater_hash)) == 0 &&
                recovered.standing.delivered_seq == i - 1) {
                count = i;
            }
        }
        if (count == 0) {
            it->violation = "an actor stands where it never stood";
            return;
        }
        counts[number] = count;
    }
}

static void check_chains(world *it)
{
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        if (it->actors[i]->batches_count > 0) {
            work_expect_read(it->store, it->actors[i], 0);
        }
    }
}

/* Compares what a start has found with the model, and takes the model back to it. */
static void check_start(world *it)
{
    uint32_t counts[ACTORS_COUNT];
    recover_counts(it, counts);
    bool gone = false;
    for (unsigned i = 0; i < it->submissions_count && it->violation == NULL; i++) {
        bool there = it->submissions[i].batch <= counts[it->submissions[i].actor];
        if (there && gone) {
            it->violation = "not a prefix: a later batch is there and an earlier one is not";
        }
        gone = gone || !there;
    }
    for (unsigned i = 0; i < ACTORS_COUNT && it->violation == NULL; i++) {
        if (counts[i] < it->acknowledged[i]) {
            it->violation = "an acknowledged batch is lost";
            return;
        }
        work_rewind(it->actors[i], counts[i]);
        it->acknowledged[i] = counts[i];
    }
    it->submissions_count = 0;
    if (it->violation == NULL) {
        check_chains(it);
    }
}

/* Opens; the power may go off while it does, several times. */
static void start_world(world *it)
{
    theater_error err = THEATER_ERROR_INIT;
    for (unsigned attempt = 0; attempt < 4; attempt++) {
        if (attempt < 3 && simdisk_random(it->disk, 3) == 0) {
            simdisk_power_off_at(it->disk, 1 + simdisk_random(it->disk, 12));
        }
        memset(&err, 0, sizeof(err));
        if (open_world(it, &err) == THEATER_OK) {
            simdisk_power_off_at(it->disk, 0);
            check_start(it);
            return;
        }
        if (err.status == THEATER_ERR_CORRUPT) {
            break;
        }
        simdisk_crash(it->disk);
    }
    it->open_error = err;
    it->violation = "the store could not be opened after a crash";
}

/* One case; true if all promises were kept. */
static bool run_case(uint64_t seed, bool sync_lies, bool may_print)
{
    static world it; /* large */
    begin_world(&it, seed);
    simdisk_short_writes(it.disk, seed % 2 == 0);
    simdisk_sync_lies(it.disk, sync_lies);
    uint64_t crashes = 2 + simdisk_random(it.disk, 3);
    start_world(&it);
    for (uint64_t i = 0; i < crashes && it.violation == NULL; i++) {
        if (simdisk_random(it.disk, 4) != 0) {
            simdisk_power_off_at(it.disk, 1 + simdisk_random(it.disk, 40));
        }
        work_a_while(&it);
        if (simdisk_random(it.disk, 3) != 0) {
            /* No time for a proper end: the write that is going on gets through in part at most. */
            simdisk_power_off_at(it.disk, 1);
        }
        theater__store_close(it.store);
        it.store = NULL;
        if (simdisk_random(it.disk, 4) == 0) {
            simdisk_kill(it.disk);
        } else {
            simdisk_crash(it.disk);
        }
        if (it.violation == NULL) {
            start_world(&it);
        }
    }
    bool kept = it.violation == NULL;
    if (!kept && may_print) {
        print_message("seed %llu: %s %s\n", (unsigned long long)seed, it.violation,
                      it.open_error.message);
    }
    end_world(&it);
    return kept;
}

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
        broken += !run_case(seed + i, false, true);
    }
    assert_int_equal(broken, 0);
}

static void crash__a_disk_that_lies_is_caught(void **state)
{
    (void)state;
    unsigned broken = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        broken += !run_case(seed, true, false);
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
        cmocka_unit_test(crash__a_disk_that_lies_is_caught),
        cmocka_unit_test(failure__kth_write_stops_the_store),
        cmocka_unit_test(failure__kth_write_on_a_full_disk),
        cmocka_unit_test(failure__kth_sync_stops_the_store),
        cmocka_unit_test(failure__kth_operation_of_an_open_leaves_nothing),
        cmocka_unit_test(failure__kth_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
