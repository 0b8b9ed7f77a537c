/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Not a sample of the states that a power cut may leave, but each of them: for a short trace, each
 * operation of it at which the power may go off, each prefix of the names that were changed, and
 * for each sector that was written and not synced each thing that it may be then. The traces are
 * those in which a log does something that is hard to take back: it is made, it grows, it goes on
 * to its next segment while an index is made and two are merged, and it recovers from a crash.
 */
#include "world.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>

typedef struct trace {
    void (*prepare)(world *it); /* NULL: the store is not there yet */
    void (*act)(world *it);
} trace;

/* ---- traces ---------------------------------------------------------------------------------- */

static void prepare_nothing(world *it)
{
    (void)it;
}

static void act_grow(world *it)
{
    for (unsigned i = 0; i < 3; i++) {
        (void)submit_batch(it, i % 2, 1 + i, 40);
        poll_all(it);
        theater__logstore_commit_close((theater__logstore *)it->store);
    }
}

/* Groups of more sectors than one, which may be torn anywhere. */
static void act_large(world *it)
{
    (void)submit_batch(it, 0, 2, 700);
    (void)submit_batch(it, 1, 1, 40);
    poll_all(it);
}

static void act_make(world *it)
{
    if (open_world(it, NULL) == THEATER_OK) {
        (void)submit_batch(it, 0, 1, 40);
        poll_all(it);
    }
}

/* Two segments, the second one nearly full. */
static void prepare_full_segment(world *it)
{
    for (unsigned i = 0; i < 2; i++) {
        (void)submit_batch(it, i, 3, 1500);
        poll_all(it);
    }
}

/* Begins the third segment: the second one gets an index, which is merged with the first one's. */
static void act_next_segment(world *it)
{
    (void)submit_batch(it, 2, 2, 400);
    poll_all(it);
}

static void act_one_batch(world *it)
{
    (void)submit_batch(it, 0, 3, 40);
    poll_all(it);
}

/* ---- enumeration ----------------------------------------------------------------------------- */

static void expect_kept(const world *it, const world_cut *first, const world_cut *second)
{
    if (it->violation != NULL) {
        fail_msg("cut at %llu, names %u, choice %llu; then at %llu, names %u, choice %llu: %s %s",
                 (unsigned long long)first->at, first->names, (unsigned long long)first->choice,
                 second == NULL ? 0ull : (unsigned long long)second->at,
                 second == NULL ? 0 : second->names,
                 second == NULL ? 0ull : (unsigned long long)second->choice, it->violation,
                 it->open_error.message);
    }
}

/*
 * The trace up to its cut, a start, and if there is a second cut, that start up to it and another.
 */
static void run(const trace *what, world_cut *first, world_cut *second)
{
    static world it; /* large */
    begin_world(&it, 3);
    if (what->prepare != NULL) {
        assert_int_equal(open_world(&it, NULL), THEATER_OK);
        what->prepare(&it);
    }
    simdisk_power_off_at(it.disk, first->at);
    what->act(&it);
    assert_null(it.violation);
    world_power_off(&it, first);
    if (second != NULL) {
        simdisk_power_off_at(it.disk, second->at);
        (void)open_world(&it, NULL);
        world_power_off(&it, second);
    }
    if (open_and_check(&it, &it.open_error) != THEATER_OK && it.violation == NULL) {
        it.violation = "the store could not be opened";
    }
    expect_kept(&it, first, second);
    /* And it goes on. */
    it.violation = submit_batch(&it, 3, 1, 40) ? NULL : "nothing more was taken";
    poll_all(&it);
    expect_kept(&it, first, second);
    end_world(&it);
}

static unsigned all_states(const trace *what)
{
    unsigned states = 0;
    world_cut first = {.at = 1};
    do {
        run(what, &first, NULL);
        states++;
    } while (world_next_state(&first));
    print_message("%u states of %llu moments\n", states, (unsigned long long)first.at - 1);
    return states;
}

static void states__of_a_log_that_grows(void **state)
{
    (void)state;
    const trace what = {prepare_nothing, act_grow};
    assert_true(all_states(&what) > 50);
    const trace large = {prepare_nothing, act_large};
    assert_true(all_states(&large) > 50);
}

static void states__of_a_store_that_is_made(void **state)
{
    (void)state;
    const trace what = {NULL, act_make};
    assert_true(all_states(&what) > 50);
}

static void states__of_a_change_of_segments_with_its_indexes(void **state)
{
    (void)state;
    const trace what = {prepare_full_segment, act_next_segment};
    static world it; /* large */
    begin_world(&it, 3);
    assert_int_equal(open_world(&it, NULL), THEATER_OK);
    what.prepare(&it);
    assert_true(simdisk_has_name(it.disk, DIRECTORY "/00000002.log"));
    assert_true(simdisk_has_name(it.disk, DIRECTORY "/index-00000001-00000001.idx"));
    assert_false(simdisk_has_name(it.disk, DIRECTORY "/00000003.log"));
    what.act(&it);
    assert_true(simdisk_has_name(it.disk, DIRECTORY "/00000003.log"));
    assert_true(simdisk_has_name(it.disk, DIRECTORY "/index-00000001-00000002.idx"));
    end_world(&it);
    assert_true(all_states(&what) > 50);
}

/* A crash, and another one while the log recovers from it: every state of the one after the other.
 */
static void states__of_a_recovery_that_is_cut_itself(void **state)
{
    (void)state;
    const trace what = {prepare_nothing, act_one_batch};
    unsigned states = 0;
    world_cut first = {.at = 1};
    do {
        world_cut second = {.at = 1};
        do {
            run(&what, &first, &second);
            states++;
        } while (world_next_state(&second));
    } while (world_next_state(&first));
    print_message("%u states\n", states);
    assert_true(states > 500);
}

/* ---- failures -------------------------------------------------------------------------------- */

/* Whatever fails while a store is opened, the next open finds all of it. */
static void states__of_an_open_in_which_an_operation_fails(void **state)
{
    (void)state;
    static world it; /* large */
    bool has_failed = true;
    for (uint64_t k = 1; has_failed; k++) {
        begin_world(&it, 3);
        assert_int_equal(open_world(&it, NULL), THEATER_OK);
        act_grow(&it);
        theater__store_close(it.store);
        it.store = NULL;
        simdisk_fail_at(it.disk, SIMDISK_ANY, k, EIO);
        (void)open_world(&it, NULL);
        has_failed = simdisk_has_failed(it.disk);
        theater__store_close(it.store);
        it.store = NULL;
        simdisk_fail_at(it.disk, SIMDISK_ANY, 0, 0);
        assert_int_equal(open_and_check(&it, NULL), THEATER_OK);
        if (it.violation != NULL) {
            fail_msg("operation %llu: %s", (unsigned long long)k, it.violation);
        }
        end_world(&it);
    }
}

/* ---- components ------------------------------------------------------------------------------ */

/*
 * A process is killed while it puts a component, another one puts the same, and then the power goes
 * off: what was put is there, whatever the first one left half done.
 */
static void put_twice(uint64_t killed_at, world_cut *last, bool *out_reached)
{
    static const uint8_t bytes[] = "(component)";
    const theater_bytes component = {bytes, sizeof(bytes)};
    const theater_hash digest = theater__sha256(bytes, sizeof(bytes));
    static world it; /* large */
    begin_world(&it, 3);
    assert_int_equal(open_world(&it, NULL), THEATER_OK);
    simdisk_power_off_at(it.disk, killed_at);
    (void)theater__store_put_component(it.store, &digest, component, NULL);
    *out_reached = simdisk_operations(it.disk) >= killed_at;
    theater__store_close(it.store);
    simdisk_kill(it.disk);
    assert_int_equal(open_world(&it, NULL), THEATER_OK);
    assert_int_equal(theater__store_put_component(it.store, &digest, component, NULL), THEATER_OK);
    world_power_off(&it, last);
    assert_int_equal(open_world(&it, NULL), THEATER_OK);
    theater__buffer found = {0};
    theater_error err = THEATER_ERROR_INIT;
    if (theater__store_get_component(it.store, &digest, &found, &err) != THEATER_OK) {
        fail_msg("killed at %llu, names %u, choice %llu: %s", (unsigned long long)killed_at,
                 last->names, (unsigned long long)last->choice, err.message);
    }
    theater__buffer_deinit(&found);
    end_world(&it);
}

static void states__of_a_component_that_was_put_by_a_killed_process_too(void **state)
{
    (void)state;
    unsigned states = 0;
    bool reached = true;
    for (uint64_t killed_at = 1; reached; killed_at++) {
        world_cut last = {.at = 1};
        do {
            put_twice(killed_at, &last, &reached);
            states++;
        } while (world_next_state(&last) && last.at == 1);
    }
    print_message("%u states\n", states);
    assert_true(states > 10);
}

int main(void)
{
    /* Each of many thousand short lives asks for the same blocks: they are kept, not given back. */
    (void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states__of_a_log_that_grows),
        cmocka_unit_test(states__of_a_store_that_is_made),
        cmocka_unit_test(states__of_a_change_of_segments_with_its_indexes),
        cmocka_unit_test(states__of_a_recovery_that_is_cut_itself),
        cmocka_unit_test(states__of_an_open_in_which_an_operation_fails),
        cmocka_unit_test(states__of_a_component_that_was_put_by_a_killed_process_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
