/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pruning, and the power goes off: at each of its operations, each state that may be left, and for
 * those in which the copy counts already each state again that a cut of the open behind it may
 * leave. And single operations that fail. Whatever happens, an open finds all actors or those that
 * stay, each with its chain to the byte, and the log goes on.
 */
#include "world.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

/* Actors 1 and 2 have ended. */
#define ALL 0xfu
#define STAYING 0x9u
#define COPY_SEGMENT_SIZE (FORMAT_SEGMENT_HEADER_SIZE + (uint64_t)1500)

static const uint8_t component_bytes[] = "(component)";

static void prepare(world *it, uint64_t seed)
{
    begin_world(it, seed);
    assert_int_equal(open_world(it, NULL), THEATER_OK);
    const theater_hash digest = theater__sha256(component_bytes, sizeof(component_bytes));
    const theater_bytes component = {component_bytes, sizeof(component_bytes)};
    assert_int_equal(theater__store_put_component(it->store, &digest, component, NULL), THEATER_OK);
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned number = 0; number < ACTORS_COUNT; number++) {
            it->actors[number]->has_ended = i == 1 && (number == 1 || number == 2);
            /* The log has three segments; the copy two small ones, so that its states are few. */
            assert_true(submit_batch(it, number, 2, number == 1 || number == 2 ? 1200 : 150));
            poll_all(it);
        }
    }
    theater__store_close(it->store);
    it->store = NULL;
}

static theater_status prune(world *it, theater_error *err)
{
    theater__logstore_options options = {
        .directory = DIRECTORY, .io = simdisk_io(it->disk), .segment_size = COPY_SEGMENT_SIZE};
    theater__prune what = {0};
    theater__pruned pruned;
    return theater__logstore_prune_with(&options, &what, &pruned, err);
}

/* Who is there, and stands where it stood; what is wrong otherwise. */
static const char *find_actors(world *it, unsigned *out_found)
{
    theater__recovered recovered;
    *out_found = 0;
    while (theater__store_recover_next(it->store, &recovered, NULL) == THEATER_OK) {
        unsigned number = recovered.actor.bytes[15];
        if (number >= ACTORS_COUNT || (*out_found >> number & 1) != 0) {
            return "an actor that was never there";
        }
        work_actor *actor = it->actors[number];
        if (recovered.next_seq != actor->writer.next_seq ||
            memcmp(&recovered.head, &actor->writer.head, sizeof(recovered.head)) != 0) {
            return "an actor stands where it did not";
        }
        actor->place = recovered.place;
        *out_found |= 1u << number;
    }
    return *out_found == ALL || *out_found == STAYING ? NULL : "neither all nor those that stay";
}

/* What holds after whatever happened; NULL: all of it. */
static const char *check(world *it, unsigned *out_found)
{
    simdisk_power_off_at(it->disk, 0);
    simdisk_fail_at(it->disk, SIMDISK_ANY, 0, 0);
    *out_found = 0;
    if (open_world(it, &it->open_error) != THEATER_OK) {
        return "the store could not be opened";
    }
    const char *violation = find_actors(it, out_found);
    for (unsigned i = 0; i < ACTORS_COUNT && violation == NULL; i++) {
        if ((*out_found >> i & 1) != 0 && !world_reads_back(it, it->actors[i])) {
            violation = "a chain that does not read back as it was written";
        }
    }
    if (violation == NULL &&
        (simdisk_has_name(it->disk, DIRECTORY "/compacted") ||
         simdisk_has_name(it->disk, DIRECTORY "/compact") ||
         (*out_found == STAYING && simdisk_has_name(it->disk, DIRECTORY "/00000001.log")))) {
        violation = "something of a compaction was left";
    }
    it->submissions_count = 0;
    if (violation == NULL && !submit_batch(it, 3, 1, 40)) {
        violation = "nothing more was taken";
    }
    if (violation == NULL) {
        poll_all(it);
        violation = it->violation;
    }
    return violation;
}

typedef struct tally {
    unsigned states;
    unsigned old;
    unsigned new;
} tally;

static void run(world_cut *first, world_cut *second, tally *sum)
{
    static world it; /* large */
    unsigned found = 0;
    prepare(&it, 3);
    simdisk_power_off_at(it.disk, first->at);
    bool is_done = prune(&it, NULL) == THEATER_OK;
    world_power_off(&it, first);
    if (second != NULL) {
        simdisk_power_off_at(it.disk, second->at);
        (void)open_world(&it, NULL);
        world_power_off(&it, second);
    }
    const char *violation = check(&it, &found);
    if (violation == NULL && is_done && found != STAYING) {
        violation = "who was said to be gone is there";
    }
    sum->states++;
    sum->old += found == ALL;
    sum->new += found == STAYING;
    if (violation != NULL) {
        fail_msg("cut at %llu, names %u, choice %llu; then at %llu, names %u, choice %llu: %s %s",
                 (unsigned long long)first->at, first->names, (unsigned long long)first->choice,
                 second == NULL ? 0ull : (unsigned long long)second->at,
                 second == NULL ? 0 : second->names,
                 second == NULL ? 0ull : (unsigned long long)second->choice, violation,
                 it.open_error.message);
    }
    end_world(&it);
}

static void prune_states__of_every_cut(void **state)
{
    (void)state;
    tally sum = {0};
    world_cut first = {.at = 1};
    do {
        run(&first, NULL, &sum);
    } while (world_next_state(&first));
    print_message("%u states of %llu moments: %u old, %u new\n", sum.states,
                  (unsigned long long)first.at - 1, sum.old, sum.new);
    assert_true(sum.old > 50 && sum.new > 20);
}

/* The trace is what it is meant to be: three segments, then two, and a component that goes. */
static void prune_states__trace_goes_from_three_segments_to_two(void **state)
{
    (void)state;
    static world it; /* large */
    prepare(&it, 3);
    assert_true(simdisk_has_name(it.disk, DIRECTORY "/00000003.log"));
    assert_false(simdisk_has_name(it.disk, DIRECTORY "/00000004.log"));
    unsigned names_before = simdisk_names_count(it.disk);
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(prune(&it, &err), THEATER_OK);
    assert_false(simdisk_has_name(it.disk, DIRECTORY "/00000001.log"));
    assert_false(simdisk_has_name(it.disk, DIRECTORY "/00000003.log"));
    assert_true(simdisk_has_name(it.disk, DIRECTORY "/00000004.log"));
    assert_true(simdisk_has_name(it.disk, DIRECTORY "/00000005.log"));
    assert_false(simdisk_has_name(it.disk, DIRECTORY "/00000006.log"));
    /* A segment, the index of the first two, the component, and the reserve. */
    assert_int_equal(simdisk_names_count(it.disk), names_before - 4);
    end_world(&it);
}

/* The first operation at which a cut may leave the mark. */
static uint64_t find_mark(void)
{
    static world it; /* large */
    bool found = false;
    uint64_t at = 0;
    while (!found) {
        at++;
        world_cut first = {.at = at, .names = UINT32_MAX};
        prepare(&it, 3);
        simdisk_power_off_at(it.disk, at);
        (void)prune(&it, NULL);
        world_power_off(&it, &first);
        found = simdisk_has_name(it.disk, DIRECTORY "/compacted");
        assert_true(found || first.reached);
        end_world(&it);
    }
    return at;
}

/* Of what was not synced nothing or all: behind the mark, it is of no file that counts. */
static bool next_extreme(world_cut *cut)
{
    if (cut->choice == 0 && cut->choices_count > 2) {
        cut->choice = cut->choices_count - 2;
    }
    return world_next_state(cut);
}

/* A cut behind the mark, and another one while the open finishes what was begun. */
static void prune_states__of_a_finishing_that_is_cut_itself(void **state)
{
    (void)state;
    tally sum = {0};
    world_cut first = {.at = find_mark()};
    do {
        world_cut second = {.at = 1};
        do {
            run(&first, &second, &sum);
        } while (next_extreme(&second));
    } while (next_extreme(&first));
    print_message("%u states: %u old, %u new\n", sum.states, sum.old, sum.new);
    assert_true(sum.old > 10 && sum.new > 500);
}

/* Each operation fails once, for want of space or for good: nothing is lost, whatever was said. */
static void prune_states__of_every_operation_that_fails(void **state)
{
    (void)state;
    static const int failures[] = {ENOSPC, EIO};
    static world it; /* large */
    unsigned failed = 0;
    for (unsigned i = 0; i < 2; i++) {
        bool has_failed = true;
        for (uint64_t k = 1; has_failed; k++) {
            unsigned found = 0;
            theater_error err = THEATER_ERROR_INIT;
            prepare(&it, 3);
            simdisk_fail_at(it.disk, SIMDISK_ANY, k, failures[i]);
            theater_status status = prune(&it, &err);
            has_failed = simdisk_has_failed(it.disk);
            failed += status != THEATER_OK;
            const char *violation = check(&it, &found);
            if (violation != NULL || (status == THEATER_OK && found != STAYING)) {
                fail_msg("operation %llu: %s %s", (unsigned long long)k, violation, err.message);
            }
            end_world(&it);
        }
    }
    assert_true(failed > 40);
}

/* These tests find what they are there for: a disk that says that it has synced, and has not. */
static void prune_states__a_disk_that_lies_is_found(void **state)
{
    (void)state;
    static const simdisk_lie lies[] = {SIMDISK_LIE_SYNC, SIMDISK_LIE_NAMES};
    static world it; /* large */
    for (unsigned i = 0; i < 2; i++) {
        unsigned violations = 0;
        for (uint64_t seed = 1; seed <= 400; seed++) {
            unsigned found = 0;
            prepare(&it, seed);
            simdisk_set_lie(it.disk, lies[i]);
            simdisk_power_off_at(it.disk, 10 + seed % 50);
            bool is_done = prune(&it, NULL) == THEATER_OK;
            simdisk_crash(it.disk);
            violations += check(&it, &found) != NULL || (is_done && found != STAYING);
            end_world(&it);
        }
        assert_true(violations > 0);
    }
}

/* Short reads and writes, and signals in between. */
static void prune_states__calls_that_do_less_than_asked(void **state)
{
    (void)state;
    static world it; /* large */
    for (uint64_t seed = 1; seed <= 40; seed++) {
        unsigned found = 0;
        prepare(&it, seed);
        simdisk_short_calls(it.disk, true);
        assert_int_equal(prune(&it, NULL), THEATER_OK);
        assert_null(check(&it, &found));
        assert_int_equal(found, STAYING);
        end_world(&it);
    }
}

int main(void)
{
    /* Each of many thousand short lives asks for the same blocks: they are kept, not given back. */
    (void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prune_states__trace_goes_from_three_segments_to_two),
        cmocka_unit_test(prune_states__of_every_cut),
        cmocka_unit_test(prune_states__of_a_finishing_that_is_cut_itself),
        cmocka_unit_test(prune_states__of_every_operation_that_fails),
        cmocka_unit_test(prune_states__a_disk_that_lies_is_found),
        cmocka_unit_test(prune_states__calls_that_do_less_than_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
