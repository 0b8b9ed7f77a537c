/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads of what is not in the page cache: somebody else waits for the disk, and the owner for
 * nobody. The I/O of these tests has nothing in its cache, and a disk whose reads stand at a gate.
 */
#include "work.h"
/* cmocka first */
#include "io.h"
#include "logstore.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct cold_io {
    theater__io io;
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    bool is_open;
    unsigned standing_count; /* reads at the gate */
    int fails_with;          /* each read; 0: none */
} cold_io;

typedef struct fixture {
    char *directory;
    char url[128];
    cold_io disk;
    work_actor *actor;
    theater__store *store;
} fixture;

static ssize_t cold_pread_cached(theater__io *io, int fd, void *data, size_t size, uint64_t offset)
{
    (void)io;
    (void)fd;
    (void)data;
    (void)size;
    (void)offset;
    return -EAGAIN;
}

static ssize_t cold_pread(theater__io *io, int fd, void *data, size_t size, uint64_t offset)
{
    cold_io *disk = (cold_io *)io;
    (void)pthread_mutex_lock(&disk->mutex);
    disk->standing_count++;
    (void)pthread_cond_broadcast(&disk->moved);
    while (!disk->is_open) {
        (void)pthread_cond_wait(&disk->moved, &disk->mutex);
    }
    disk->standing_count--;
    int fails_with = disk->fails_with;
    (void)pthread_mutex_unlock(&disk->mutex);
    return fails_with != 0 ? -fails_with : theater__io_system()->pread(io, fd, data, size, offset);
}

static void set_gate(fixture *it, bool is_open, int fails_with)
{
    (void)pthread_mutex_lock(&it->disk.mutex);
    it->disk.is_open = is_open;
    it->disk.fails_with = fails_with;
    (void)pthread_cond_broadcast(&it->disk.moved);
    (void)pthread_mutex_unlock(&it->disk.mutex);
}

static void await_standing(fixture *it, unsigned count)
{
    (void)pthread_mutex_lock(&it->disk.mutex);
    while (it->disk.standing_count < count) {
        (void)pthread_cond_wait(&it->disk.moved, &it->disk.mutex);
    }
    (void)pthread_mutex_unlock(&it->disk.mutex);
}

/* An actor of three batches, on the disk; the gate is closed. */
static int set_up(void **state)
{
    fixture *it = calloc(1, sizeof(*it)); /* tidy-allow: alloc: a test's fixture */
    it->directory = work_directory();
    (void)snprintf(it->url, sizeof(it->url), "log:%s/s", it->directory);
    it->disk.io = *theater__io_system();
    it->disk.io.pread = cold_pread;
    it->disk.io.pread_cached = cold_pread_cached;
    it->disk.is_open = true;
    (void)pthread_mutex_init(&it->disk.mutex, NULL);
    (void)pthread_cond_init(&it->disk.moved, NULL);
    theater__store_options options = {.url = it->url};
    theater__logstore_options all = {
        .store = &options, .directory = it->url + 4, .io = &it->disk.io};
    assert_int_equal(theater__logstore_open_with(&all, &it->store, NULL), THEATER_OK);
    it->actor = work_actor_new(1);
    for (unsigned i = 0; i < 3; i++) {
        work_expect_durable(it->store, work_step(it->actor, it->store, 2, 100));
    }
    set_gate(it, false, 0);
    *state = it;
    return 0;
}

static int tear_down(void **state)
{
    fixture *it = *state;
    set_gate(it, true, 0);
    theater__store_close(it->store);
    work_actor_free(it->actor);
    work_remove(it->directory);
    (void)pthread_mutex_destroy(&it->disk.mutex);
    (void)pthread_cond_destroy(&it->disk.moved);
    free(it); /* tidy-allow: alloc: a test's fixture */
    return 0;
}

static theater__ticket ask(fixture *it)
{
    theater__read read = {.actor = it->actor->id, .place = it->actor->place, .whole = true};
    theater__ticket ticket = 0;
    assert_int_equal(theater__store_read(it->store, &read, &ticket, NULL), THEATER_OK);
    return ticket;
}

static void expect_whole(const fixture *it, theater__store_completion *completion)
{
    assert_int_equal(completion->type, THEATER__COMPLETED_READ);
    assert_string_equal(completion->error.message, "");
    assert_int_equal(completion->status, THEATER_OK);
    assert_int_equal(completion->first_seq, 0);
    assert_true(completion->frames.size > 0 && completion->frames.size <= it->actor->frames.size);
    assert_memory_equal(completion->frames.data, it->actor->frames.data, completion->frames.size);
    theater__store_completion_deinit(completion);
}

static void cold__a_read_holds_up_nobody(void **state)
{
    fixture *it = *state;
    work_actor *other = work_actor_new(2);
    theater__ticket ticket = ask(it);
    await_standing(it, 1);
    for (unsigned i = 0; i < 50; i++) {
        assert_false(theater__store_wants_poll(it->store));
        work_expect_durable(it->store, work_step(other, it->store, 1, 10));
    }
    theater__store_completion completion;
    assert_false(theater__store_poll(it->store, &completion));
    set_gate(it, true, 0);
    completion = work_wait(it->store); /* by the descriptor */
    assert_int_equal(completion.ticket, ticket);
    expect_whole(it, &completion);
    work_actor_free(other);
}

static void cold__many_are_asked_for_at_once_and_each_is_answered(void **state)
{
    enum {
        MANY = 40
    };
    fixture *it = *state;
    theater__ticket first = ask(it);
    for (unsigned i = 1; i < MANY; i++) {
        assert_int_equal(ask(it), first + i);
    }
    assert_int_equal(theater__store_waiting_reads(it->store), MANY);
    await_standing(it, LOGSTORE_READERS);
    set_gate(it, true, 0);
    bool seen[MANY] = {false};
    for (unsigned i = 0; i < MANY; i++) {
        theater__store_completion completion = work_wait(it->store);
        assert_in_range(completion.ticket, first, first + MANY - 1);
        assert_false(seen[completion.ticket - first]);
        seen[completion.ticket - first] = true;
        expect_whole(it, &completion);
    }
    theater__store_completion none;
    assert_false(theater__store_poll(it->store, &none));
}

/* Who has to have it now waits himself, and overtakes the others. */
static void cold__one_can_be_had_at_once(void **state)
{
    fixture *it = *state;
    theater__ticket before = ask(it);
    await_standing(it, 1);
    set_gate(it, true, 0);
    theater__read read = {
        .actor = it->actor->id, .place = it->actor->place, .whole = true, .at_once = true};
    theater__ticket wanted = 0;
    assert_int_equal(theater__store_read(it->store, &read, &wanted, NULL), THEATER_OK);
    assert_true(theater__store_wants_poll(it->store));
    theater__store_completion completion;
    theater__store_take_read(it->store, wanted, &completion);
    assert_int_equal(completion.ticket, wanted);
    expect_whole(it, &completion);
    completion = work_wait(it->store);
    assert_int_equal(completion.ticket, before);
    expect_whole(it, &completion);
    assert_int_equal(theater__store_waiting_reads(it->store), 0);
}

static void cold__the_actor_goes_on_after_it(void **state)
{
    fixture *it = *state;
    set_gate(it, true, 0);
    for (unsigned i = 0; i < 20; i++) {
        work_expect_read(it->store, it->actor, 0);
        work_expect_durable(it->store, work_step(it->actor, it->store, 1, 300));
    }
    work_expect_read(it->store, it->actor, 3);
}

static void cold__a_failing_disk_is_an_answer(void **state)
{
    static const int failures[] = {EIO, EAGAIN}; /* also one that means something else elsewhere */
    fixture *it = *state;
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        set_gate(it, true, failures[i]);
        theater__ticket ticket = ask(it);
        theater__store_completion completion = work_wait(it->store);
        assert_int_equal(completion.ticket, ticket);
        assert_int_equal(completion.status, THEATER_ERR_STORE);
        assert_non_null(strstr(completion.error.message, "cannot be read"));
        theater__store_completion_deinit(&completion);
    }
    set_gate(it, true, 0);
    work_expect_read(it->store, it->actor, 0);
}

/* What was asked for and not taken goes with the store; the last ones were not begun. */
static void cold__a_store_is_closed_with_reads_under_way(void **state)
{
    fixture *it = *state;
    for (unsigned i = 0; i < 3 * LOGSTORE_READERS; i++) {
        (void)ask(it);
    }
    await_standing(it, LOGSTORE_READERS);
    set_gate(it, true, 0);
    theater__store_close(it->store);
    it->store = NULL;
}

#define COLD_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        COLD_TEST(cold__a_read_holds_up_nobody),
        COLD_TEST(cold__many_are_asked_for_at_once_and_each_is_answered),
        COLD_TEST(cold__one_can_be_had_at_once),
        COLD_TEST(cold__the_actor_goes_on_after_it),
        COLD_TEST(cold__a_failing_disk_is_an_answer),
        COLD_TEST(cold__a_store_is_closed_with_reads_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
