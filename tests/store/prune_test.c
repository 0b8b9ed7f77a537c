/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pruning: who goes and who stays, that what stays is what it was to the byte and goes on, and what
 * is refused. What somebody else left, and who looks meanwhile, is in prune_trust_test.c; power
 * cuts are in prune_states_test.c.
 */
#include "pruning.h"

#include "index.h"

#include <stdio.h>
#include <string.h>

/* ---- who goes -------------------------------------------------------------------------------- */

static void prune__what_stays_is_what_it_was_and_goes_on(void **state)
{
    pruning *it = *state;
    pruning_close(it);
    assert_true(pruning_has(it, "00000003.log"));
    theater__prune what = {0};
    theater__pruned pruned = pruning_expect(it, &what);
    assert_int_equal(pruned.actors_count, 2);
    assert_int_equal(pruned.kept_count, 4);
    assert_true(pruned.size_after < pruned.size_before);
    assert_false(pruning_has(it, "00000001.log"));
    assert_false(pruning_has(it, "compact"));
    assert_false(pruning_has(it, "compacted"));
    pruning_expect_actors(it, GONE);
    for (unsigned i = 0; i < ACTORS_COUNT; i += 2) {
        work_expect_durable(it->log, work_step(it->actors[i], it->log, 2, 100));
    }
    pruning_close(it);
    pruning_expect_actors(it, GONE);
}

static void expect_refused(const pruning *it, const theater__prune *what, theater_status status,
                           const char *part)
{
    theater__pruned pruned = {0};
    theater_error err = THEATER_ERROR_INIT;
    uint64_t before = pruning_fingerprint(it);
    assert_int_equal(pruning_run(it, what, &pruned, &err), status);
    if (strstr(err.message, part) == NULL) {
        fail_msg("'%s' is not in '%s'", part, err.message);
    }
    assert_true(pruning_fingerprint(it) == before);
    assert_false(pruning_has(it, "compact"));
    assert_false(pruning_has(it, "compacted"));
}

static void prune__a_named_one_that_may_not_go_keeps_all(void **state)
{
    pruning *it = *state;
    pruning_close(it);
    theater_id ids[2] = {it->actors[1]->id, it->actors[2]->id};
    theater__prune what = {.ids = ids, .ids_count = 2};
    expect_refused(it, &what, THEATER_ERR_INVALID, "has not ended");
    ids[1] = it->actors[5]->id;
    expect_refused(it, &what, THEATER_ERR_INVALID, "outputs that were not given out");
    pruning_expect_actors(it, 0);
    pruning_close(it);
    what.ids_count = 1;
    assert_int_equal(pruning_expect(it, &what).actors_count, 1);
    pruning_expect_actors(it, 1u << 1);
}

/* So that what was interrupted can be said again. */
static void prune__named_ones_that_are_not_there_are_passed_over(void **state)
{
    pruning *it = *state;
    pruning_close(it);
    theater_id ids[3] = {it->actors[1]->id, it->actors[3]->id, it->actors[1]->id};
    ids[2].bytes[0] ^= 1;
    theater__prune what = {.ids = ids, .ids_count = 1};
    assert_int_equal(pruning_expect(it, &what).missing_count, 0);
    what.ids_count = 3;
    theater__pruned pruned = pruning_expect(it, &what);
    assert_int_equal(pruned.actors_count, 1);
    assert_int_equal(pruned.missing_count, 2);
    expect_refused(it, &what, THEATER_ERR_NOTFOUND, "none of the 3 named actors is in store");
    what.ids_count = 1;
    expect_refused(it, &what, THEATER_ERR_NOTFOUND, "there is no actor '");
    ids[0] = it->actors[0]->id;
    what.ids_count = 3;
    expect_refused(it, &what, THEATER_ERR_INVALID, "has not ended");
    pruning_expect_actors(it, GONE);
}

static void prune__a_store_in_use_is_refused(void **state)
{
    pruning *it = *state;
    theater__prune what = {0};
    expect_refused(it, &what, THEATER_ERR_STORE, "is in use by process");
}

/* The last event of each actor was recorded at this time: tests/store/work.c. */
static void prune__age_counts_from_the_last_event(void **state)
{
    pruning *it = *state;
    pruning_close(it);
    theater_wall last = {1763884800000u + it->actors[1]->writer.next_seq - 1};
    theater__prune what = {.has_before = true, .before = {last.ms - 1}};
    uint64_t before = pruning_fingerprint(it);
    theater__pruned pruned = pruning_expect(it, &what);
    assert_int_equal(pruned.actors_count, 0);
    assert_int_equal(pruned.kept_count, ACTORS_COUNT);
    assert_true(pruned.size_before == pruned.size_after);
    assert_true(pruning_fingerprint(it) == before); /* nobody goes: nothing is written anew */
    what.before = last;
    what.dry_run = true;
    pruned = pruning_expect(it, &what);
    assert_int_equal(pruned.actors_count, 2);
    assert_true(pruning_fingerprint(it) == before);
    what.dry_run = false;
    assert_int_equal(pruning_expect(it, &what).records_size, pruned.records_size);
    pruning_expect_actors(it, GONE);
}

static void put_component(pruning *it, uint8_t byte)
{
    theater_hash digest;
    static const uint8_t bytes[] = "(component)";
    const theater_bytes component = {bytes, sizeof(bytes)};
    memset(digest.bytes, byte, sizeof(digest.bytes));
    assert_int_equal(theater__store_put_component(it->log, &digest, component, NULL), THEATER_OK);
}

static bool has_component(const pruning *it, uint8_t byte)
{
    char name[100];
    char text[THEATER_HASH_TEXT_SIZE];
    theater_hash digest;
    memset(digest.bytes, byte, sizeof(digest.bytes));
    theater_hash_format(&digest, text);
    (void)snprintf(name, sizeof(name), "components/%s.wasm", text);
    return pruning_has(it, name);
}

/* 0xb0 is that of actors 0 and 1, 0xb1 of 2 and 3, 0xb2 of 4 and 5; nobody has 0xee. */
static void prune__components_go_that_nobody_needs(void **state)
{
    pruning *it = *state;
    for (unsigned i = 0; i < 3; i++) {
        put_component(it, (uint8_t)(0xb0 + i));
    }
    put_component(it, 0xee);
    for (unsigned i = 2; i < 5; i += 2) { /* 2 and 4 end as well, and all of 0xb1 */
        it->actors[i]->has_ended = true;
        work_expect_durable(it->log, work_step(it->actors[i], it->log, 1, 10));
    }
    pruning_close(it);
    theater__prune what = {0};
    theater__pruned pruned = pruning_expect(it, &what);
    assert_int_equal(pruned.actors_count, 4);
    assert_int_equal(pruned.components_count, 2);
    assert_true(has_component(it, 0xb0));
    assert_false(has_component(it, 0xb1));
    assert_true(has_component(it, 0xb2));
    assert_false(has_component(it, 0xee));
    pruning_expect_actors(it, 0x1eu);
}

/* ---- the new log ----------------------------------------------------------------------------- */

typedef struct links {
    uint64_t genesis[ACTORS_COUNT];
    uint64_t call[ACTORS_COUNT];
    uint64_t place[ACTORS_COUNT];
    unsigned records;
} links;

/* The call of all these batches is event 0. */
static theater_status check_links(uint64_t place, const theater__format_record *record,
                                  void *userdata, theater_error *err)
{
    (void)err;
    links *all = userdata;
    unsigned number = record->actor.bytes[15];
    if (record->previous == THEATER__PLACE_NONE) {
        all->genesis[number] = place;
    } else {
        assert_true(record->previous == all->place[number]);
    }
    assert_true(record->genesis == all->genesis[number]);
    if (record->first_seq == 0) {
        all->call[number] = place;
    }
    assert_true(record->call == all->call[number]);
    all->place[number] = place;
    all->records++;
    return THEATER_OK;
}

static void walk_with(pruning *it, uint32_t first, theater__compact_record_fn *visit,
                      void *userdata)
{
    theater__logstore *log = (theater__logstore *)it->log;
    theater__compact_progress silent = {0};
    theater__compact_walk walk = {
        .log = log,
        .directory = it->store,
        .first = first,
        .last = log->write_segment,
        .visit = visit,
        .userdata = userdata,
        .progress = &silent,
    };
    theater_error err = THEATER_ERROR_INIT;
    theater_status status = theater__compact_walk_log(&walk, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(status, THEATER_OK);
}

static unsigned walk(pruning *it, uint32_t first)
{
    links all = {0};
    walk_with(it, first, check_links, &all);
    return all.records;
}

static void prune__links_lead_to_the_new_places(void **state)
{
    pruning *it = *state;
    unsigned before = walk(it, 1);
    uint32_t last = ((theater__logstore *)it->log)->write_segment;
    pruning_close(it);
    theater__prune what = {0};
    (void)pruning_expect(it, &what);
    pruning_expect_actors(it, GONE);
    assert_int_equal(walk(it, last + 1), before * 4 / 6);
}

typedef struct record_sum {
    uint64_t staying; /* bytes */
    uint64_t end_max; /* offset in a segment */
} record_sum;

static theater_status sum_record(uint64_t place, const theater__format_record *record,
                                 void *userdata, theater_error *err)
{
    (void)err;
    record_sum *sum = userdata;
    uint64_t end = format_place_offset(place) + record->size;
    sum->staying += (GONE >> record->actor.bytes[15] & 1) == 0 ? record->size : 0;
    sum->end_max = end > sum->end_max ? end : sum->end_max;
    return THEATER_OK;
}

/* Of two large records the second one begins a group, whose header is what is too much. */
static void prune__no_record_ends_behind_a_full_segment(void **state)
{
    pruning *it = *state;
    record_sum before = {0};
    record_sum after = {0};
    for (unsigned i = 0; i < 2; i++) {
        work_expect_durable(it->log, work_step(it->actors[0], it->log, 1, 600000));
    }
    walk_with(it, 1, sum_record, &before);
    uint32_t last = ((theater__logstore *)it->log)->write_segment;
    pruning_close(it);
    theater__logstore_options options = {
        .directory = it->store,
        .segment_size = FORMAT_SEGMENT_HEADER_SIZE + FORMAT_GROUP_HEADER_SIZE + before.staying,
    };
    theater__prune what = {0};
    theater__pruned pruned;
    assert_int_equal(theater__logstore_prune_with(&options, &what, &pruned, NULL), THEATER_OK);
    pruning_expect_actors(it, GONE);
    walk_with(it, last + 1, sum_record, &after);
    assert_true(after.staying == before.staying);
    assert_in_range(after.end_max, 1, options.segment_size);
}

static void prune__again_and_to_the_last_one_and_ids_are_free(void **state)
{
    pruning *it = *state;
    pruning_close(it);
    theater__prune what = {0};
    (void)pruning_expect(it, &what);
    pruning_expect_actors(it, GONE);
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        if (i != 1 && i != 3) {
            it->actors[i]->has_ended = true;
            it->actors[i]->owes_output = false;
            work_expect_durable(it->log, work_step(it->actors[i], it->log, 1, 20));
        }
    }
    pruning_close(it);
    theater__pruned pruned = pruning_expect(it, &what);
    assert_int_equal(pruned.actors_count, 4);
    assert_int_equal(pruned.kept_count, 0);
    assert_true(pruned.size_after < 2 * FORMAT_SEGMENT_HEADER_SIZE);
    assert_int_equal(pruning_expect(it, &what).actors_count, 0);
    pruning_expect_actors(it, 0x3f);
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        work_rewind(it->actors[i], 0);
        it->actors[i]->has_ended = false;
        work_expect_durable(it->log, work_step(it->actors[i], it->log, 3, 20));
    }
    pruning_close(it);
    pruning_expect_actors(it, 0);
}

static void prune__indexes_are_made_anew(void **state)
{
    pruning *it = *state;
    assert_true(((theater__logstore *)it->log)->spans_count > 0);
    uint32_t last = ((theater__logstore *)it->log)->write_segment;
    pruning_close(it);
    theater__prune what = {0};
    (void)pruning_expect(it, &what);
    theater__log_span *spans = NULL;
    size_t count = 0;
    assert_int_equal(theater__index_list(theater__io_system(), it->store, &spans, &count), 0);
    assert_int_equal(count, 0);
    theater__free(spans);
    pruning_expect_actors(it, GONE);
    theater__keeper_work((theater__logstore *)it->log, false);
    assert_int_equal(theater__index_list(theater__io_system(), it->store, &spans, &count), 0);
    assert_true(count > 0);
    assert_int_equal(spans[0].from, last + 1);
    theater__free(spans);
    pruning_close(it);
    pruning_expect_actors(it, GONE);
    assert_true(((theater__logstore *)it->log)->spans_count > 0);
}

/* ---- what is refused, or stops --------------------------------------------------------------- */

static theater__io some_io;
static uint64_t some_space;

static int little_space(theater__io *io, const char *path, uint64_t *out_bytes)
{
    (void)io;
    (void)path;
    *out_bytes = some_space;
    return 0;
}

static void prune__without_space_the_store_stays(void **state)
{
    pruning *it = *state;
    pruning_close(it);
    some_io = *theater__io_system();
    some_io.space = little_space;
    some_space = 4096;
    it->io = &some_io;
    theater__prune what = {0};
    expect_refused(it, &what, THEATER_ERR_IO, "which takes 1");
    some_space = (uint64_t)1 << 30;
    (void)pruning_expect(it, &what);
    pruning_expect_actors(it, GONE);
}

static int stop_at(uint64_t done, uint64_t total, void *userdata)
{
    unsigned *left = userdata;
    assert_true(done <= total);
    (*left)--;
    return *left == 0;
}

static void prune__a_stop_leaves_the_store_as_it_was(void **state)
{
    pruning *it = *state;
    pruning_close(it);
    for (unsigned at = 1;; at++) {
        unsigned left = at;
        theater__prune what = {.progress = stop_at, .userdata = &left};
        theater__pruned pruned;
        uint64_t before = pruning_fingerprint(it);
        theater_status status = pruning_run(it, &what, &pruned, NULL);
        assert_false(pruning_has(it, "compact"));
        if (status == THEATER_OK) {
            assert_true(at > 6);
            break;
        }
        assert_int_equal(status, THEATER_ERR_CANCELLED);
        assert_true(pruning_fingerprint(it) == before);
    }
    pruning_expect_actors(it, GONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(prune__what_stays_is_what_it_was_and_goes_on,
                                        pruning_set_up, pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__a_named_one_that_may_not_go_keeps_all,
                                        pruning_set_up, pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__named_ones_that_are_not_there_are_passed_over,
                                        pruning_set_up, pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__a_store_in_use_is_refused, pruning_set_up,
                                        pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__age_counts_from_the_last_event, pruning_set_up,
                                        pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__components_go_that_nobody_needs, pruning_set_up,
                                        pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__links_lead_to_the_new_places, pruning_set_up,
                                        pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__no_record_ends_behind_a_full_segment, pruning_set_up,
                                        pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__again_and_to_the_last_one_and_ids_are_free,
                                        pruning_set_up, pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__indexes_are_made_anew, pruning_set_up,
                                        pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__without_space_the_store_stays, pruning_set_up,
                                        pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__a_stop_leaves_the_store_as_it_was, pruning_set_up,
                                        pruning_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
