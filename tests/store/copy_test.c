/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies: made by theater__store_backup() of a store at rest, in use and damaged; made by other
 * means and noticed; adopted. And the walk over all actors, which is how a copy is compared here.
 */
#include "work.h"
/* cmocka first */
#include "logstore.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACTORS_COUNT 5u

typedef struct original {
    char *directory;
    char url[128];
    char copy[128];
    char copy_url[136];
    work_actor *actors[ACTORS_COUNT];
    theater__store *store;
} original;

static int set_up(void **state)
{
    original *it = calloc(1, sizeof(*it)); /* tidy-allow: alloc: a test's fixture */
    it->directory = work_directory();
    (void)snprintf(it->url, sizeof(it->url), "log:%s/s", it->directory);
    (void)snprintf(it->copy, sizeof(it->copy), "%s/copy", it->directory);
    (void)snprintf(it->copy_url, sizeof(it->copy_url), "log:%s", it->copy);
    it->store = work_open(it->url);
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        it->actors[i] = work_actor_new((uint8_t)i);
    }
    for (unsigned round = 0; round < 6; round++) {
        for (unsigned i = 0; i < ACTORS_COUNT; i++) {
            work_expect_durable(it->store,
                                work_step(it->actors[i], it->store, (round + 1) % 3, 50));
        }
    }
    *state = it;
    return 0;
}

static int tear_down(void **state)
{
    original *it = *state;
    theater__store_close(it->store);
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        work_actor_free(it->actors[i]);
    }
    work_remove(it->directory);
    free(it); /* tidy-allow: alloc: a test's fixture */
    return 0;
}

/* ---- the walk -------------------------------------------------------------------------------- */

typedef struct walk_findings {
    theater__buffer frames[ACTORS_COUNT];
    unsigned damages;
    unsigned damages_without_actor;
    unsigned pieces_max; /* stop after so many; 0 = never */
    unsigned pieces;
} walk_findings;

static int take_piece(const theater__store_piece *piece, void *userdata)
{
    walk_findings *found = userdata;
    found->pieces++;
    if (piece->damage != NULL) {
        assert_non_null(strstr(piece->damage, "00000001.log:"));
        found->damages++;
        found->damages_without_actor += !piece->has_actor;
        return 0;
    }
    unsigned number = piece->actor.bytes[15];
    assert_true(piece->has_actor && number < ACTORS_COUNT);
    theater__buffer_put(&found->frames[number], piece->frames.data, piece->frames.size);
    if (piece->events_count > 0 && found->damages == 0) {
        theater__chain_reader reader;
        theater_event event;
        theater__chain_reader_init(&reader, piece->frames.data, piece->frames.size, &piece->parent,
                                   piece->first_seq);
        for (uint32_t i = 0; i < piece->events_count; i++) {
            assert_int_equal(theater__chain_read(&reader, &event, NULL), THEATER_OK);
            assert_int_equal(event.seq, piece->first_seq + i);
        }
    }
    return found->pieces == found->pieces_max;
}

static void forget(walk_findings *found)
{
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        theater__buffer_deinit(&found->frames[i]);
    }
    memset(found, 0, sizeof(*found));
}

static void expect_same(const original *it, const char *url)
{
    walk_findings found = {0};
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater__store_collect_each(url, take_piece, &found, &err), THEATER_OK);
    assert_int_equal(found.damages, 0);
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        assert_int_equal(found.frames[i].size, it->actors[i]->frames.size);
        assert_memory_equal(found.frames[i].data, it->actors[i]->frames.data, found.frames[i].size);
    }
    forget(&found);
}

static void each__gives_every_chain_in_order(void **state)
{
    original *it = *state;
    expect_same(it, it->url); /* in use */
    theater__store_close(it->store);
    it->store = NULL;
    expect_same(it, it->url);
    walk_findings found = {.pieces_max = 3};
    assert_int_equal(theater__store_collect_each(it->url, take_piece, &found, NULL),
                     THEATER_ERR_CANCELLED);
    assert_int_equal(found.pieces, 3);
    forget(&found);
    assert_int_equal(theater__store_collect_each(it->copy_url, take_piece, &found, NULL),
                     THEATER_ERR_NOTFOUND);
}

/* Any byte of the log behind its header and in front of its closing group. */
static void each__tells_of_damage_anywhere(void **state)
{
    original *it = *state;
    theater__store_close(it->store);
    it->store = NULL;
    char path[200];
    (void)snprintf(path, sizeof(path), "%s/s/00000001.log", it->directory);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    int fd = open(path, O_RDWR);
    for (off_t at = 4096; at < status.st_size - 64; at += 13) {
        uint8_t byte = 0;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        walk_findings found = {0};
        assert_int_equal(theater__store_collect_each(it->url, take_piece, &found, NULL),
                         THEATER_OK);
        assert_true(found.damages > 0);
        forget(&found);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
}

/* ---- copies ---------------------------------------------------------------------------------- */

static theater_status open_copy(const original *it, bool adopt, theater__store **out_store,
                                theater_error *err)
{
    theater__store_options options = {.url = it->copy_url, .must_exist = true, .adopt = adopt};
    memset(err, 0, sizeof(*err));
    return theater__store_open(&options, out_store, err);
}

static void expect_noticed_and_adopted(const original *it)
{
    theater__store *copy = NULL;
    theater_error err;
    assert_int_equal(open_copy(it, false, &copy, &err), THEATER_ERR_STORE);
    assert_non_null(strstr(err.message, "is a copy; two would run every effect twice"));
    assert_non_null(strstr(err.message, "--adopt"));
    assert_int_equal(open_copy(it, true, &copy, &err), THEATER_OK);
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        work_expect_read(copy, it->actors[i], 0);
    }
    theater__store_close(copy);
    /* It is at home from now on. */
    assert_int_equal(open_copy(it, false, &copy, &err), THEATER_OK);
    theater__store_close(copy);
}

static void backup__of_a_store_in_use(void **state)
{
    original *it = *state;
    theater_error err = THEATER_ERROR_INIT;
    static const uint8_t content[] = "a component";
    theater_bytes bytes = {content, sizeof(content)};
    theater_hash digest = theater__sha256(bytes.data, bytes.size);
    assert_int_equal(theater__store_put_component(it->store, &digest, bytes, &err), THEATER_OK);
    assert_int_equal(theater__store_backup(it->url, it->copy, &err), THEATER_OK);
    expect_same(it, it->copy_url);
    expect_noticed_and_adopted(it);
    theater__store *copy = NULL;
    theater__buffer got = {0};
    assert_int_equal(open_copy(it, false, &copy, &err), THEATER_OK);
    assert_int_equal(theater__store_get_component(copy, &digest, &got, &err), THEATER_OK);
    assert_int_equal(got.size, bytes.size);
    theater__buffer_deinit(&got);
    theater__store_close(copy);
    /* Never over something. */
    assert_int_equal(theater__store_backup(it->url, it->copy, &err), THEATER_ERR_EXISTS);
    assert_int_equal(theater__store_backup(it->copy_url + 0, it->directory, &err),
                     THEATER_ERR_EXISTS);
    assert_int_equal(theater__store_backup("memory:", it->copy, &err), THEATER_ERR_NOTFOUND);
}

static void backup__of_a_damaged_store_fails(void **state)
{
    original *it = *state;
    theater__store_close(it->store);
    it->store = NULL;
    char path[200];
    (void)snprintf(path, sizeof(path), "%s/s/store.id", it->directory);
    assert_int_equal(unlink(path), 0);
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater__store_backup(it->url, it->copy, &err), THEATER_ERR_NOTFOUND);
    struct stat status;
    assert_int_equal(stat(it->copy, &status), -1);
}

/*
 * Damage in front of something intact is not the end of the log: a copy that ends there would look
 * whole.
 */
static void backup__of_a_damaged_log_is_no_shorter_copy(void **state)
{
    original *it = *state;
    theater__store_close(it->store);
    it->store = NULL;
    char path[200];
    (void)snprintf(path, sizeof(path), "%s/s/00000001.log", it->directory);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    int fd = open(path, O_RDWR);
    for (off_t at = 0; at < status.st_size - 64; at += at < 40 ? 8 : 509) {
        uint8_t byte = 0;
        theater_error err = THEATER_ERROR_INIT;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        assert_int_equal(theater__store_backup(it->url, it->copy, &err), THEATER_ERR_CORRUPT);
        assert_non_null(strstr(err.message, "is damaged at 00000001.log:"));
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        assert_int_equal(rmdir(it->copy), 0); /* damage shows before a byte is written */
    }
    close(fd);
    assert_int_equal(theater__store_backup(it->url, it->copy, NULL), THEATER_OK);
}

/* A write that is under way is seen up to anywhere: what is whole in front of it is copied. */
static void backup__of_a_log_that_is_being_written_ends_in_front_of_that(void **state)
{
    original *it = *state;
    theater__store_close(it->store);
    it->store = NULL;
    char path[200];
    char copy[160];
    (void)snprintf(path, sizeof(path), "%s/s/00000001.log", it->directory);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    for (off_t size = status.st_size; size > status.st_size - 1000; size -= 56) {
        theater_error err = THEATER_ERROR_INIT;
        (void)snprintf(copy, sizeof(copy), "%s/copy%u", it->directory, (unsigned)size);
        assert_int_equal(truncate(path, size), 0);
        theater_status made = theater__store_backup(it->url, copy, &err);
        assert_string_equal(err.message, "");
        assert_int_equal(made, THEATER_OK);
    }
}

static void copy__by_other_means_is_noticed(void **state)
{
    original *it = *state;
    theater__store_close(it->store);
    it->store = NULL;
    char command[400];
    (void)snprintf(command, sizeof(command), "cp -a '%s/s' '%s'", it->directory, it->copy);
    assert_int_equal(system(command), 0); /* NOLINT(concurrency-mt-unsafe,cert-env33-c) */
    expect_noticed_and_adopted(it);
    /* The original, renamed, is no copy. */
    char moved[160];
    (void)snprintf(moved, sizeof(moved), "%s/moved", it->directory);
    assert_int_equal(rename(it->url + 4, moved), 0);
    (void)snprintf(command, sizeof(command), "log:%s", moved);
    theater__store *store = work_open(command);
    theater__store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each__gives_every_chain_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each__tells_of_damage_anywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(backup__of_a_store_in_use, set_up, tear_down),
        cmocka_unit_test_setup_teardown(backup__of_a_damaged_store_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(backup__of_a_damaged_log_is_no_shorter_copy, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            backup__of_a_log_that_is_being_written_ends_in_front_of_that, set_up, tear_down),
        cmocka_unit_test_setup_teardown(copy__by_other_means_is_noticed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
