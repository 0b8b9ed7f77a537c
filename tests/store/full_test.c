/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that is full, for real: a small tmpfs of this process's own, and a file that takes what is
 * left of it. Those who are there go on out of the reserve, new ones are refused, and when the
 * reserve is gone as well the store stops with everything that was acknowledged. It can be opened
 * as it is, and goes on once there is space. Without the right to mount, these tests are skipped.
 */
#include "work.h"
/* cmocka first */
#include "logstore.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACTORS_COUNT 100u

typedef struct small_disk {
    char *directory;
    char url[128];
    char filler[128];
    work_actor *actors[ACTORS_COUNT + 1]; /* one more, which is refused */
    bool mounted;
} small_disk;

static int set_up(void **state)
{
    small_disk *it = calloc(1, sizeof(*it)); /* tidy-allow: alloc: a test's fixture */
    it->directory = work_directory();
    (void)snprintf(it->url, sizeof(it->url), "log:%s/s", it->directory);
    (void)snprintf(it->filler, sizeof(it->filler), "%s/filler", it->directory);
    for (unsigned i = 0; i <= ACTORS_COUNT; i++) {
        it->actors[i] = work_actor_new((uint8_t)i);
    }
    /* In a name space of its own the mount ends with the process, however that ends. */
    it->mounted = unshare(CLONE_NEWNS) == 0 &&
                  mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                  mount("tmpfs", it->directory, "tmpfs", 0, "size=4m,mode=700") == 0;
    *state = it;
    return 0;
}

static int tear_down(void **state)
{
    small_disk *it = *state;
    for (unsigned i = 0; i <= ACTORS_COUNT; i++) {
        work_actor_free(it->actors[i]);
    }
    if (it->mounted) {
        assert_int_equal(umount(it->directory), 0);
    }
    work_remove(it->directory);
    free(it); /* tidy-allow: alloc: a test's fixture */
    return 0;
}

static void fill(const small_disk *it)
{
    static const uint8_t bytes[4096] = {1};
    int fd = open(it->filler, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(fd >= 0);
    while (write(fd, bytes, sizeof(bytes)) > 0) {
    }
    assert_int_equal(errno, ENOSPC);
    close(fd);
}

static theater__store *begin(small_disk *it)
{
    theater__store *store = work_open(it->url);
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        work_expect_durable(store, work_step(it->actors[i], store, 2, 100));
    }
    return store;
}

/* Steps of the actors in turn, until one fails: how many were acknowledged, and by whom. */
static unsigned step_until_stopped(small_disk *it, theater__store *store, unsigned max)
{
    unsigned count = 0;
    while (count < max) {
        work_actor *actor = it->actors[count % ACTORS_COUNT];
        uint32_t before = actor->batches_count;
        (void)work_step(actor, store, 1, 100);
        theater__store_completion completion = work_wait(store);
        if (completion.status != THEATER_OK) {
            assert_int_equal(completion.status, THEATER_ERR_STORE);
            assert_non_null(strstr(completion.error.message, "is full; make space, then resume"));
            work_rewind(actor, before);
            return count;
        }
        count++;
    }
    return count;
}

/* Everything acknowledged is there; a batch that failed may be there or not, and is not here. */
static void expect_all(small_disk *it, theater__store *store)
{
    unsigned found = 0;
    theater__recovered recovered;
    while (theater__store_recover_next(store, &recovered, NULL) == THEATER_OK) {
        const work_actor *actor = it->actors[recovered.actor.bytes[15]];
        assert_int_equal(recovered.place, actor->place);
        assert_memory_equal(&recovered.head, &actor->writer.head, sizeof(recovered.head));
        found++;
    }
    assert_int_equal(found, ACTORS_COUNT);
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        work_expect_read(store, it->actors[i], 0);
    }
}

static theater_status try_new_actor(small_disk *it, theater__store *store, theater_error *err)
{
    work_actor *actor = it->actors[ACTORS_COUNT];
    work_add_events(actor, 1, 10);
    theater__batch batch = work_batch(actor);
    theater__ticket ticket = 0;
    uint64_t place = 0;
    memset(err, 0, sizeof(*err));
    theater_status status = theater__store_submit(store, &batch, &ticket, &place, err);
    work_rewind(actor, 0);
    if (status == THEATER_OK) {
        work_expect_durable(store, ticket);
    }
    return status;
}

static void full__sleepers_finish_and_new_ones_are_refused(void **state)
{
    small_disk *it = *state;
    if (!it->mounted) {
        print_message("no right to mount a small disk\n");
        skip();
    }
    theater__store *store = begin(it);
    fill(it);
    /* Each of them wakes once more and ends, which is what the reserve is for. */
    assert_int_equal(step_until_stopped(it, store, 3 * ACTORS_COUNT), 3 * ACTORS_COUNT);
    assert_null(theater__store_failure(store));
    unsigned more = step_until_stopped(it, store, 100000);
    assert_true(more < 100000);
    assert_non_null(theater__store_failure(store));
    theater__store_close(store);

    /* Opened as it is: everyone is there, nothing new begins, and it is not pretended otherwise. */
    fill(it);
    theater_error err;
    store = work_open(it->url);
    expect_all(it, store);
    assert_int_equal(try_new_actor(it, store, &err), THEATER_ERR_STORE);
    assert_int_equal(err.os_errno, ENOSPC);
    assert_non_null(strstr(err.message, "no new actor is taken; make space"));
    assert_null(theater__store_failure(store));
    theater__store_close(store);

    /* There is space again: all go on, and new ones begin. */
    assert_int_equal(unlink(it->filler), 0);
    store = work_open(it->url);
    expect_all(it, store);
    assert_int_equal(step_until_stopped(it, store, 3 * ACTORS_COUNT), 3 * ACTORS_COUNT);
    assert_int_equal(try_new_actor(it, store, &err), THEATER_OK);
    theater__store_close(store);
}

static void full__space_is_noticed_while_the_store_is_open(void **state)
{
    small_disk *it = *state;
    if (!it->mounted) {
        print_message("no right to mount a small disk\n");
        skip();
    }
    theater__store *store = begin(it);
    fill(it);
    theater_error err;
    theater_status status = THEATER_OK;
    /* The zeros that lie ready are used up first; then the disk is seen to be full. */
    for (unsigned i = 0; i < 1000 && status == THEATER_OK; i++) {
        assert_int_equal(step_until_stopped(it, store, ACTORS_COUNT), ACTORS_COUNT);
        theater__logstore *log = (theater__logstore *)store;
        (void)pthread_mutex_lock(&log->mutex);
        bool full = log->full;
        (void)pthread_mutex_unlock(&log->mutex);
        status = full ? try_new_actor(it, store, &err) : THEATER_OK;
    }
    assert_int_equal(status, THEATER_ERR_STORE);
    assert_non_null(strstr(err.message, "is full"));
    assert_null(theater__store_failure(store));
    assert_int_equal(unlink(it->filler), 0);
    /* It is asked once a second; ten times that is a failure. */
    for (unsigned i = 0; i < 100 && status != THEATER_OK; i++) {
        (void)poll(NULL, 0, 100);
        status = try_new_actor(it, store, &err);
    }
    assert_string_equal(err.message, "");
    assert_int_equal(status, THEATER_OK);
    assert_int_equal(step_until_stopped(it, store, ACTORS_COUNT), ACTORS_COUNT);
    theater__store_close(store);
}

/* A store cannot be made on a full disk, and nothing of the attempt is left. */
static void full__no_store_is_made(void **state)
{
    small_disk *it = *state;
    if (!it->mounted) {
        print_message("no right to mount a small disk\n");
        skip();
    }
    fill(it);
    theater__store_options options = {.url = it->url};
    theater__store *store = NULL;
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater__store_open(&options, &store, &err), THEATER_ERR_IO);
    assert_int_equal(err.os_errno, ENOSPC);
    struct stat status;
    assert_int_equal(stat(it->url + 4, &status), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(full__sleepers_finish_and_new_ones_are_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(full__space_is_noticed_while_the_store_is_open, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(full__no_store_is_made, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
