/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See pruning.h. The store is opened without threads, so that what is on the disk is the same each
 * time; its segments are small, so that six actors fill several.
 */
#include "pruning.h"

#include "crc32c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

theater_status pruning_open(pruning *it, theater_error *err)
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

void pruning_expect_open(pruning *it)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_status status = pruning_open(it, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(status, THEATER_OK);
}

void pruning_close(pruning *it)
{
    theater__store_close(it->log);
    it->log = NULL;
}

theater_status pruning_run(const pruning *it, const theater__prune *what, theater__pruned *out,
                           theater_error *err)
{
    theater__logstore_options options = {
        .directory = it->store, .io = it->io, .segment_size = SEGMENT_SIZE};
    return theater__logstore_prune_with(&options, what, out, err);
}

theater__pruned pruning_expect(const pruning *it, const theater__prune *what)
{
    theater__pruned pruned = {0};
    theater_error err = THEATER_ERROR_INIT;
    theater_status status = pruning_run(it, what, &pruned, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(status, THEATER_OK);
    return pruned;
}

/* Actors 1, 3 and 5 have ended; 5 owes an output. */
int pruning_set_up(void **state)
{
    pruning *it = calloc(1, sizeof(*it)); /* tidy-allow: alloc: a test's pruning */
    it->directory = work_directory();
    (void)snprintf(it->store, sizeof(it->store), "%s/s", it->directory);
    (void)snprintf(it->url, sizeof(it->url), "log:%s", it->store);
    pruning_expect_open(it);
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

int pruning_tear_down(void **state)
{
    pruning *it = *state;
    theater__store_close(it->log);
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        work_actor_free(it->actors[i]);
    }
    work_remove(it->directory);
    free(it); /* tidy-allow: alloc: a test's pruning */
    return 0;
}

bool pruning_has(const pruning *it, const char *name)
{
    char path[300];
    struct stat status;
    (void)snprintf(path, sizeof(path), "%s/%s", it->store, name);
    return lstat(path, &status) == 0;
}

void pruning_expect_actors(pruning *it, unsigned gone)
{
    pruning_expect_open(it);
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

/* Bytes of all segments. */
uint64_t pruning_fingerprint(const pruning *it)
{
    uint32_t *numbers = NULL;
    size_t count = 0;
    uint32_t crc = 0;
    assert_int_equal(theater__segment_list(theater__io_system(), it->store, &numbers, &count, NULL),
                     THEATER_OK);
    for (size_t i = 0; i < count; i++) {
        theater__buffer bytes = {0};
        assert_int_equal(
            theater__segment_load(theater__io_system(), it->store, numbers[i], &bytes, NULL),
            THEATER_OK);
        crc = theater__crc32c(crc, bytes.data, bytes.size);
        theater__buffer_deinit(&bytes);
    }
    theater__free(numbers);
    return (uint64_t)count << 32 | crc;
}
