/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pruning: who goes and who stays, that what stays is what it was to the byte, and goes on; what is
 * refused; marks and copies that somebody else made; and those who look meanwhile. Power cuts are
 * in states_test.c.
 */
#include "work.h"
/* cmocka first */
#include "compact.h"
#include "crc32c.h"
#include "index.h"
#include "simdisk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACTORS_COUNT 6u
#define SEGMENT_SIZE ((uint64_t)16 << 10)

typedef struct fixture {
    char *directory;
    char store[160];
    char url[170];
    work_actor *actors[ACTORS_COUNT];
    theater__store *log;
} fixture;

static theater_status open_store(fixture *it, theater_error *err)
{
    theater__store_options options = {.url = it->url};
    theater__logstore_options all = {
        .store = &options,
        .directory = it->store,
        .segment_size = SEGMENT_SIZE,
        .threadless = true,
    };
    return theater__logstore_open_with(&all, &it->log, err);
}

static void expect_open(fixture *it)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_status status = open_store(it, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(status, THEATER_OK);
}

static void close_store(fixture *it)
{
    theater__store_close(it->log);
    it->log = NULL;
}

static theater_status prune(const fixture *it, const theater__prune *what, theater__pruned *out,
                            theater_error *err)
{
    theater__logstore_options options = {.directory = it->store, .segment_size = SEGMENT_SIZE};
    return theater__logstore_prune_with(&options, what, out, err);
}

static theater__pruned expect_pruned(const fixture *it, const theater__prune *what)
{
    theater__pruned pruned = {0};
    theater_error err = THEATER_ERROR_INIT;
    theater_status status = prune(it, what, &pruned, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(status, THEATER_OK);
    return pruned;
}

/* Actors 1, 3 and 5 have ended; 5 owes an output. */
static int set_up(void **state)
{
    fixture *it = calloc(1, sizeof(*it)); /* tidy-allow: alloc: a test's fixture */
    it->directory = work_directory();
    (void)snprintf(it->store, sizeof(it->store), "%s/s", it->directory);
    (void)snprintf(it->url, sizeof(it->url), "log:%s", it->store);
    expect_open(it);
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        it->actors[i] = work_actor_new((uint8_t)i);
        it->actors[i]->component = (uint8_t)(0xb0 + i / 2);
    }
    for (unsigned round = 0; round < 12; round++) {
        for (unsigned i = 0; i < ACTORS_COUNT; i++) {
            it->actors[i]->has_ended = round == 11 && i % 2 == 1;
            it->actors[i]->owes_output = round == 11 && i == 5;
            work_expect_durable(it->log, work_step(it->actors[i], it->log,
                                                   round == 11  ? 2
                                                   : round == 0 ? 1
                                                                : round % 3,
                                                   300));
        }
    }
    *state = it;
    return 0;
}

static int tear_down(void **state)
{
    fixture *it = *state;
    theater__store_close(it->log);
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        work_actor_free(it->actors[i]);
    }
    work_remove(it->directory);
    free(it); /* tidy-allow: alloc: a test's fixture */
    return 0;
}

static bool exists(const fixture *it, const char *name)
{
    char path[300];
    struct stat status;
    (void)snprintf(path, sizeof(path), "%s/%s", it->store, name);
    return lstat(path, &status) == 0;
}

/* Opens, takes over where everybody stands now, and compares all chains. gone: a bit for each. */
static void expect_actors(fixture *it, unsigned gone)
{
    expect_open(it);
    unsigned found = 0;
    theater__recovered recovered;
    while (theater__store_recover_next(it->log, &recovered, NULL) == THEATER_OK) {
        unsigned number = recovered.actor.bytes[15];
        assert_true(number < ACTORS_COUNT);
        work_actor *actor = it->actors[number];
        found |= 1u << number;
        assert_int_equal(recovered.next_seq, actor->writer.next_seq);
        assert_memory_equal(&recovered.head, &actor->writer.head, sizeof(recovered.head));
        actor->place = recovered.place;
    }
    assert_int_equal(found, ((1u << ACTORS_COUNT) - 1) & ~gone);
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        if ((gone >> i & 1) == 0) {
            work_expect_read(it->log, it->actors[i], 0);
            theater__read genesis = {
                .actor = it->actors[i]->id, .place = it->actors[i]->place, .genesis_only = true};
            theater__ticket ticket = 0;
            assert_int_equal(theater__store_read(it->log, &genesis, &ticket, NULL), THEATER_OK);
            theater__store_completion completion = work_wait(it->log);
            assert_int_equal(completion.status, THEATER_OK);
            assert_int_equal(completion.first_seq, 0);
            theater__store_completion_deinit(&completion);
        }
    }
}

/* ---- who goes -------------------------------------------------------------------------------- */

static void prune__what_stays_is_what_it_was_and_goes_on(void **state)
{
    fixture *it = *state;
    close_store(it);
    assert_true(exists(it, "00000003.log"));
    theater__prune what = {0};
    theater__pruned pruned = expect_pruned(it, &what);
    assert_int_equal(pruned.actors_count, 2);
    assert_int_equal(pruned.kept_count, 4);
    assert_true(pruned.size_after < pruned.size_before);
    assert_false(exists(it, "00000001.log"));
    assert_false(exists(it, "compact"));
    assert_false(exists(it, "compacted"));
    expect_actors(it, 1u << 1 | 1u << 3);
    for (unsigned i = 0; i < ACTORS_COUNT; i += 2) {
        work_expect_durable(it->log, work_step(it->actors[i], it->log, 2, 100));
    }
    close_store(it);
    expect_actors(it, 1u << 1 | 1u << 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(prune__what_stays_is_what_it_was_and_goes_on, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
