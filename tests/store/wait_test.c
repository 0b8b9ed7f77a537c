/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who waits for the log, and how it is told: the descriptor speaks of what the committer has done,
 * theater__store_wants_poll() of what was answered at the call; a group is closed at once when
 * somebody waits for it, and that is no matter of the next group. And who reads, what for.
 */
#include "work.h"
/* cmocka first */
#include "io.h"
#include "logstore.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct fixture {
    char *directory;
    char url[128];
    work_actor *actor;
    theater__store *store;
} fixture;

static void open_store(fixture *it, bool threadless)
{
    theater__store_options options = {.url = it->url};
    theater__logstore_options all = {
        .store = &options, .directory = it->url + 4, .threadless = threadless};
    theater_error err = THEATER_ERROR_INIT;
    theater_status status = theater__logstore_open_with(&all, &it->store, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(status, THEATER_OK);
}

static int set_up(void **state)
{
    fixture *it = calloc(1, sizeof(*it)); /* tidy-allow: alloc: a test's fixture */
    it->directory = work_directory();
    (void)snprintf(it->url, sizeof(it->url), "log:%s/s", it->directory);
    it->actor = work_actor_new(1);
    *state = it;
    return 0;
}

static int tear_down(void **state)
{
    fixture *it = *state;
    theater__store_close(it->store);
    work_actor_free(it->actor);
    work_remove(it->directory);
    free(it); /* tidy-allow: alloc: a test's fixture */
    return 0;
}

static bool is_readable(const theater__store *store, int timeout_ms)
{
    struct pollfd wanted = {.fd = theater__store_fd(store), .events = POLLIN};
    return poll(&wanted, 1, timeout_ms) == 1;
}

static void ask(fixture *it)
{
    theater__read read = {.actor = it->actor->id, .place = it->actor->place};
    theater__ticket ticket = 0;
    assert_int_equal(theater__store_read(it->store, &read, &ticket, NULL), THEATER_OK);
}

static void take(fixture *it, int type)
{
    theater__store_completion completion;
    assert_true(theater__store_poll(it->store, &completion));
    assert_int_equal(completion.type, type);
    assert_int_equal(completion.status, THEATER_OK);
    theater__store_completion_deinit(&completion);
}

static bool is_idle(theater__store *store)
{
    theater__store_completion completion;
    return !theater__store_poll(store, &completion) && !theater__store_wants_poll(store);
}

static void told__an_answer_by_asking_and_a_batch_by_the_descriptor(void **state)
{
    fixture *it = *state;
    open_store(it, false);
    work_step(it->actor, it->store, 1, 10);
    assert_true(is_readable(it->store, -1));
    take(it, THEATER__COMPLETED_BATCH);
    assert_true(is_idle(it->store));
    assert_false(is_readable(it->store, 0));
    ask(it);
    assert_false(is_readable(it->store, 0));
    assert_true(theater__store_wants_poll(it->store));
    take(it, THEATER__COMPLETED_READ);
    assert_true(is_idle(it->store));
}

/*
 * None is missed by who waits, and the descriptor is silent afterwards, however the committer's
 * write and the owner's look fall together: who looks all the time takes a batch before it is told
 * of, and is told when there is nothing any more.
 */
static void told__of_each_of_many(void **state)
{
    fixture *it = *state;
    open_store(it, false);
    for (unsigned i = 0; i < 2000; i++) {
        work_step(it->actor, it->store, 1, 10);
        ask(it);
        theater__store_completion completion;
        while (theater__store_inflight(it->store) > 0) {
            while (theater__store_poll(it->store, &completion)) {
                assert_int_equal(completion.status, THEATER_OK);
                theater__store_completion_deinit(&completion);
            }
            if (i % 2 == 0 && theater__store_inflight(it->store) > 0) {
                assert_true(is_readable(it->store, -1));
            }
        }
        /* It may be told of the last one once more, and one look is enough. */
        if (is_readable(it->store, 0)) {
            assert_true(is_idle(it->store));
            assert_false(is_readable(it->store, 0));
        }
    }
}

static bool is_awaited(const fixture *it)
{
    const theater__logstore *log = (const theater__logstore *)it->store;
    assert_non_null(log->open);
    return log->open->is_awaited;
}

static void waited__for_the_open_group_and_not_for_the_next(void **state)
{
    fixture *it = *state;
    open_store(it, true);
    theater__store_hurry(it->store); /* there is none */
    work_step(it->actor, it->store, 1, 10);
    assert_false(is_awaited(it));
    theater__store_hurry(it->store);
    assert_true(is_awaited(it));
    work_step(it->actor, it->store, 1, 10);
    assert_true(is_awaited(it));
    assert_true(theater__store_wants_poll(it->store)); /* who has no thread commits in poll */
    take(it, THEATER__COMPLETED_BATCH);
    take(it, THEATER__COMPLETED_BATCH);
    assert_true(is_idle(it->store));
    work_step(it->actor, it->store, 1, 10);
    assert_false(is_awaited(it));
    take(it, THEATER__COMPLETED_BATCH);
}

/* ---- what a read asks the disk for ----------------------------------------------------------- */

/* The system's I/O, with a note of how far groups were written and reads have asked. */
typedef struct watched_io {
    theater__io io;
    uint64_t written_end;
    uint64_t asked_end;
} watched_io;

static uint64_t larger(uint64_t left, uint64_t right)
{
    return left > right ? left : right;
}

static ssize_t watched_pread(theater__io *io, int fd, void *data, size_t size, uint64_t offset)
{
    watched_io *watched = (watched_io *)io;
    watched->asked_end = larger(watched->asked_end, offset + size);
    return theater__io_system()->pread(io, fd, data, size, offset);
}

static ssize_t watched_pwrite(theater__io *io, int fd, const void *data, size_t size,
                              uint64_t offset)
{
    watched_io *watched = (watched_io *)io;
    if (*(const uint8_t *)data != 0) { /* zeros in front of the log are none */
        watched->written_end = larger(watched->written_end, offset + size);
    }
    return theater__io_system()->pwrite(io, fd, data, size, offset);
}

/* Zeros in front of the log are not in memory: who asks for them waits for the disk. */
static void read__asks_for_no_page_that_is_not_written(void **state)
{
    fixture *it = *state;
    watched_io watched = {.io = *theater__io_system()};
    watched.io.pread = watched_pread;
    watched.io.pwrite = watched_pwrite;
    theater__store_options options = {.url = it->url};
    theater__logstore_options all = {
        .store = &options, .directory = it->url + 4, .io = &watched.io, .threadless = true};
    assert_int_equal(theater__logstore_open_with(&all, &it->store, NULL), THEATER_OK);
    work_actor *other = work_actor_new(2);
    for (unsigned i = 0; i < 40; i++) {
        work_step(it->actor, it->store, 1, 600);
        take(it, THEATER__COMPLETED_BATCH);
        work_step(other, it->store, 1, 20000); /* stands behind it in memory */
        watched.asked_end = 0;
        ask(it);
        assert_in_range(watched.asked_end, 1, (watched.written_end + 4095) / 4096 * 4096);
        take(it, THEATER__COMPLETED_READ);
        take(it, THEATER__COMPLETED_BATCH);
    }
    work_actor_free(other);
    theater__store_close(it->store); /* in front of the I/O that it uses */
    it->store = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(told__an_answer_by_asking_and_a_batch_by_the_descriptor,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(told__of_each_of_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(waited__for_the_open_group_and_not_for_the_next, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(read__asks_for_no_page_that_is_not_written, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
