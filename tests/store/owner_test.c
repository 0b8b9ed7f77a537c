/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose a store is. What root writes in somebody else's store is the owner's as the rest of it is;
 * and a file that may not be read is told as that, never as damage. The first half needs root; in
 * the second, who is root becomes somebody else for the look.
 */
#include "pruning.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Nobody's. */
#define OWNER ((uid_t)48217)
#define GROUP ((gid_t)48218)

static int give_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return lchown(path, OWNER, GROUP);
}

static void give_all(const char *path)
{
    assert_int_equal(nftw(path, give_one, 8, FTW_PHYS), 0);
}

static unsigned others_count;
static unsigned entries_count;

static int check_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)type;
    (void)where;
    entries_count++;
    if (status->st_uid != OWNER || status->st_gid != GROUP) {
        others_count++;
        print_message("%s is of %u:%u\n", path, (unsigned)status->st_uid, (unsigned)status->st_gid);
    }
    return 0;
}

static void expect_all_of_owner(const char *path)
{
    others_count = 0;
    entries_count = 0;
    assert_int_equal(nftw(path, check_one, 8, FTW_PHYS), 0);
    assert_true(entries_count > 4);
    assert_int_equal(others_count, 0);
}

static uid_t owner_of(const char *path)
{
    struct stat status;
    assert_int_equal(lstat(path, &status), 0);
    return status.st_uid;
}

static bool is_root(void)
{
    return geteuid() == 0;
}

/* ---- what root writes ------------------------------------------------------------------------ */

static int no_moves(theater__io *io, const char *from, const char *to)
{
    (void)io;
    return strstr(from, "/compact/") != NULL ? -EIO : theater__io_system()->rename(io, from, to);
}

static theater__io some_io;

/* Stops behind its mark, with all of the copy in compact/. */
static void interrupt(pruning *it)
{
    theater__prune what = {0};
    theater__pruned pruned;
    some_io = *theater__io_system();
    some_io.rename = no_moves;
    it->io = &some_io;
    assert_int_equal(pruning_run(it, &what, &pruned, NULL), THEATER_ERR_IO);
    assert_true(pruning_has(it, "compacted"));
    it->io = NULL;
}

static void owner__what_root_prunes_stays_the_owners(void **state)
{
    pruning *it = *state;
    if (!is_root()) {
        skip();
    }
    pruning_close(it);
    give_all(it->store);
    interrupt(it);
    expect_all_of_owner(it->store); /* compact/, its segments and the mark */
    pruning_expect_actors(it, GONE);
    pruning_close(it);
    expect_all_of_owner(it->store);
}

static void put_component(pruning *it)
{
    static const uint8_t bytes[] = "(component)";
    const theater_hash digest = theater__sha256(bytes, sizeof(bytes));
    const theater_bytes component = {bytes, sizeof(bytes)};
    assert_int_equal(theater__store_put_component(it->log, &digest, component, NULL), THEATER_OK);
}

/* Segments, indexes, the first component and its directory, the reserve, a torn tail, home. */
static void owner__what_root_runs_stays_the_owners(void **state)
{
    pruning *it = *state;
    char path[300];
    if (!is_root()) {
        skip();
    }
    pruning_close(it);
    give_all(it->store);
    (void)snprintf(path, sizeof(path), "%s/reserve", it->store);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof(path), "%s/home", it->store);
    assert_int_equal(unlink(path), 0);
    pruning_expect_open(it);
    put_component(it);
    for (unsigned i = 0; i < 40; i++) {
        work_expect_durable(it->log, work_step(it->actors[0], it->log, 1, 1000));
        theater__keeper_work((theater__logstore *)it->log, false);
    }
    uint32_t last = ((theater__logstore *)it->log)->write_segment;
    pruning_close(it);
    expect_all_of_owner(it->store);
    (void)snprintf(path, sizeof(path), "%s/%08u.log", it->store, (unsigned)last);
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "torn", 4), 4);
    assert_int_equal(close(fd), 0);
    pruning_expect_open(it);
    pruning_close(it);
    expect_all_of_owner(it->store);
}

/* The owner's start was interrupted, and root's goes on with it. */
static void owner__shards_that_root_makes_are_the_owners(void **state)
{
    pruning *it = *state;
    char path[200];
    theater__store *store = NULL;
    if (!is_root()) {
        skip();
    }
    (void)snprintf(path, sizeof(path), "%s/many", it->directory);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chown(path, OWNER, GROUP), 0);
    theater__store_options options = {.url = path, .shards_count = 3};
    assert_int_equal(theater__store_open(&options, &store, NULL), THEATER_OK);
    theater__store_close(store);
    expect_all_of_owner(path);
}

/* A file that is there already may be anybody's: whoever gives it away gives away what is in it. */
static void owner__what_is_there_is_not_given_away(void **state)
{
    pruning *it = *state;
    char path[300];
    if (!is_root()) {
        skip();
    }
    pruning_close(it);
    give_all(it->store);
    (void)snprintf(path, sizeof(path), "%s/reserve", it->store);
    assert_int_equal(chown(path, 0, 0), 0);
    pruning_expect_open(it);
    pruning_close(it);
    assert_int_equal(owner_of(path), 0);
}

/* Who makes a store owns it, wherever it is; its files are its owner's, whoever makes them. */
static void owner__a_new_store_is_its_makers(void **state)
{
    pruning *it = *state;
    char path[300];
    if (!is_root()) {
        skip();
    }
    assert_int_equal(chown(it->directory, OWNER, GROUP), 0);
    (void)snprintf(path, sizeof(path), "%s/new", it->directory);
    theater__store_close(work_open(path));
    assert_int_equal(owner_of(path), 0);
    (void)snprintf(path, sizeof(path), "%s/new/store.id", it->directory);
    assert_int_equal(owner_of(path), 0);
}

/* ---- what may not be read -------------------------------------------------------------------- */

static int take_actor(const theater__recovered *actor, void *userdata)
{
    (void)actor;
    (void)userdata;
    return 0;
}

static int take_piece(const theater__store_piece *piece, void *userdata)
{
    *(bool *)userdata = *(bool *)userdata || piece->damage != NULL;
    return 0;
}

/* The store is somebody's, and so is whoever looks from here on. */
static void become_owner(const pruning *it)
{
    if (is_root()) {
        give_all(it->directory);
        assert_int_equal(setegid(GROUP), 0);
        assert_int_equal(seteuid(OWNER), 0);
    }
}

static void become_root(void)
{
    if (getuid() == 0) {
        assert_int_equal(seteuid(0), 0);
        assert_int_equal(setegid(0), 0);
    }
}

static void expect_denied(theater_status status, const theater_error *err, const char *what,
                          const char *name)
{
    if (status != THEATER_ERR_IO || err->os_errno != EACCES || strstr(err->message, name) == NULL ||
        strstr(err->message, "its owner") == NULL) {
        become_root();
        fail_msg("%s: %d, '%s' is not in '%s'", what, (int)status, name, err->message);
    }
}

/* Every way to look at the store says the same of it. */
static void expect_all_denied(pruning *it, const char *name)
{
    theater_error err = THEATER_ERROR_INIT;
    bool is_damaged = false;
    char damage[THEATER_ERROR_MESSAGE_MAX] = "";
    char copy[200];
    theater__buffer frames = {0};
    become_owner(it);
    expect_denied(theater__store_list(it->url, take_actor, NULL, &err), &err, "list", name);
    expect_denied(theater__store_collect_each(it->url, take_piece, &is_damaged, &err), &err, "each",
                  name);
    theater_status status =
        theater__store_collect(it->url, &it->actors[0]->id, &frames, damage, &err);
    expect_denied(status, &err, "collect", name);
    theater__buffer_deinit(&frames);
    (void)snprintf(copy, sizeof(copy), "%s/copy", it->directory);
    expect_denied(theater__store_backup(it->url, copy, &err), &err, "backup", name);
    status = pruning_open(it, &err);
    expect_denied(status, &err, "open", name);
    become_root();
    assert_false(is_damaged);
    assert_string_equal(damage, "");
    if (access(copy, F_OK) == 0) {
        work_remove(theater__strndup(copy, strlen(copy)));
    }
}

static void deny(const pruning *it, const char *name, bool is_denied)
{
    char path[300];
    (void)snprintf(path, sizeof(path), "%s/%s", it->store, name);
    assert_int_equal(chmod(path, is_denied ? 0 : 0700), 0);
}

/* With an index that stands for it, without one, and at the end. */
static void owner__a_segment_that_may_not_be_read_is_no_damage(void **state)
{
    pruning *it = *state;
    uint32_t last = ((theater__logstore *)it->log)->write_segment;
    char name[SEGMENT_NAME_SIZE];
    pruning_close(it);
    for (uint32_t number = 1; number <= last; number++) {
        theater__segment_name(number, name);
        deny(it, name, true);
        expect_all_denied(it, name);
        deny(it, name, false);
    }
    pruning_expect_actors(it, 0);
}

/* Whether the old log or the copy counts is not known then. */
static void owner__a_mark_or_copy_that_may_not_be_read_is_no_damage(void **state)
{
    pruning *it = *state;
    uint32_t last = ((theater__logstore *)it->log)->write_segment;
    char name[40];
    pruning_close(it);
    interrupt(it);
    deny(it, "compacted", true);
    expect_all_denied(it, "compacted");
    deny(it, "compacted", false);
    deny(it, "compact", true);
    expect_all_denied(it, "compact");
    deny(it, "compact", false);
    (void)snprintf(name, sizeof(name), "compact/%08u.log", (unsigned)last + 1);
    deny(it, name, true);
    expect_all_denied(it, name);
    deny(it, name, false);
    pruning_expect_actors(it, GONE);
}

/* Root's prune was killed before it had given it away. */
static void owner__an_empty_copy_that_may_not_be_read_is_removed(void **state)
{
    pruning *it = *state;
    char path[300];
    theater_error err = THEATER_ERROR_INIT;
    (void)snprintf(path, sizeof(path), "%s/compact", it->store);
    pruning_close(it);
    assert_int_equal(mkdir(path, 0), 0);
    become_owner(it);
    theater_status status = pruning_open(it, &err);
    become_root();
    assert_string_equal(err.message, "");
    assert_int_equal(status, THEATER_OK);
    assert_false(pruning_has(it, "compact"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(owner__what_root_prunes_stays_the_owners, pruning_set_up,
                                        pruning_tear_down),
        cmocka_unit_test_setup_teardown(owner__what_root_runs_stays_the_owners, pruning_set_up,
                                        pruning_tear_down),
        cmocka_unit_test_setup_teardown(owner__shards_that_root_makes_are_the_owners,
                                        pruning_set_up, pruning_tear_down),
        cmocka_unit_test_setup_teardown(owner__what_is_there_is_not_given_away, pruning_set_up,
                                        pruning_tear_down),
        cmocka_unit_test_setup_teardown(owner__a_new_store_is_its_makers, pruning_set_up,
                                        pruning_tear_down),
        cmocka_unit_test_setup_teardown(owner__a_segment_that_may_not_be_read_is_no_damage,
                                        pruning_set_up, pruning_tear_down),
        cmocka_unit_test_setup_teardown(owner__a_mark_or_copy_that_may_not_be_read_is_no_damage,
                                        pruning_set_up, pruning_tear_down),
        cmocka_unit_test_setup_teardown(owner__an_empty_copy_that_may_not_be_read_is_removed,
                                        pruning_set_up, pruning_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
