/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening what cannot be opened: each case is one line that names the directory and says what to
 * do, and leaves things as they were.
 */
#include "work.h"
/* cmocka first */
#include "logstore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct fixture {
    char *directory;
    char path[128]; /* directory/a */
    char url[160];
} fixture;

static int set_up(void **state)
{
    fixture *it = theater__alloc_zeroed(1, sizeof(*it));
    it->directory = work_directory();
    (void)snprintf(it->path, sizeof(it->path), "%s/a", it->directory);
    (void)snprintf(it->url, sizeof(it->url), "log:%s", it->path);
    *state = it;
    return 0;
}

static int tear_down(void **state)
{
    fixture *it = *state;
    work_remove(it->directory);
    theater__free(it);
    return 0;
}

static void expect_refused(const char *url, bool must_exist, theater_status status,
                           const char *says)
{
    theater__store_options options = {.url = url, .must_exist = must_exist};
    theater__store *store = NULL;
    theater_error err = THEATER_ERROR_INIT;
    theater_status got = theater__store_open(&options, &store, &err);
    if (got != status || strstr(err.message, says) == NULL) {
        print_message("%s: %d %s\n", url, got, err.message);
    }
    assert_int_equal(got, status);
    assert_int_equal(err.status, status);
    assert_non_null(strstr(err.message, says));
    assert_null(strchr(err.message, '\n'));
    assert_null(store);
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void put_file(const char *directory, const char *name, const void *data, size_t size)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), size);
    close(fd);
}

static void put_text(const char *directory, const char *name, const char *text)
{
    put_file(directory, name, text, strlen(text));
}

/* A store with one actor in it. */
static void make_store(const fixture *it)
{
    theater__store *store = work_open(it->url);
    work_actor *actor = work_actor_new(1);
    work_expect_durable(store, work_step(actor, store, 2, 10));
    work_actor_free(actor);
    theater__store_close(store);
}

/* ---- making ---------------------------------------------------------------------------------- */

static void open__makes_directories_for_the_owner_alone(void **state)
{
    fixture *it = *state;
    char url[200];
    char path[200];
    (void)snprintf(url, sizeof(url), "log:%s/b//c/", it->path);
    theater__store *store = work_open(url);
    (void)snprintf(path, sizeof(path), "log:%s/b/c", it->path);
    assert_string_equal(theater__store_url(store), path);
    theater__store_close(store);
    struct stat status;
    static const char *const names[] = {"", "/b", "/b/c"};
    for (unsigned i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof(path), "%s%s", it->path, names[i]);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0700);
    }
    static const char *const files[] = {"theater.lock", "store.id", "00000001.log"};
    for (unsigned i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof(path), "%s/b/c/%s", it->path, files[i]);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0600);
    }
}

static void open__must_exist_makes_nothing(void **state)
{
    fixture *it = *state;
    expect_refused(it->url, true, THEATER_ERR_NOTFOUND, "there is no store at '");
    assert_false(exists(it->path));
    assert_int_equal(mkdir(it->path, 0700), 0);
    expect_refused(it->url, true, THEATER_ERR_NOTFOUND, "there is no store at '");
    assert_int_equal(rmdir(it->path), 0);
    make_store(it);
    theater__store_options options = {.url = it->url, .must_exist = true};
    theater__store *store = NULL;
    assert_int_equal(theater__store_open(&options, &store, NULL), THEATER_OK);
    theater__store_close(store);
}

static void open__goes_on_with_what_an_interrupted_start_left(void **state)
{
    fixture *it = *state;
    assert_int_equal(mkdir(it->path, 0700), 0);
    put_text(it->path, "theater.lock", "12345\n");
    put_text(it->path, "store.id.new", "theater-st");
    put_text(it->path, "00000001.log", "Theatr");
    make_store(it);
    theater__store_close(work_open(it->url));
}

/* ---- refusing -------------------------------------------------------------------------------- */

static void open__not_a_directory(void **state)
{
    fixture *it = *state;
    put_text(it->directory, "a", "a file");
    expect_refused(it->url, false, THEATER_ERR_INVALID, "is not a directory");
    char url[200];
    (void)snprintf(url, sizeof(url), "%s/b", it->url);
    expect_refused(url, false, THEATER_ERR_IO, "Not a directory");
}

static void open__foreign_directory_is_left_alone(void **state)
{
    fixture *it = *state;
    assert_int_equal(mkdir(it->path, 0755), 0);
    put_text(it->path, "thesis.txt", "precious");
    expect_refused(it->url, false, THEATER_ERR_INVALID, "holds other files and is no store");
    assert_int_equal(unlink(strcat(it->path, "/thesis.txt")), 0); /* tidy-allow: string: fits */
    it->path[strlen(it->path) - strlen("/thesis.txt")] = '\0';
    /* Nothing else was in it: it can be removed. */
    assert_int_equal(rmdir(it->path), 0);
}

static void open__log_without_an_id_is_not_made_anew(void **state)
{
    fixture *it = *state;
    make_store(it);
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/store.id", it->path);
    assert_int_equal(unlink(path), 0);
    expect_refused(it->url, false, THEATER_ERR_CORRUPT, "has a log and no store.id");
}

static void open__damaged_id(void **state)
{
    fixture *it = *state;
    static const char *const texts[] = {
        "",
        "theater-store\n",
        "theater-store 0 00010203-0405-4607-8809-0a0b0c0d0e0f\n",
        "theater-store 1 00010203-0405-4607-8809-0a0b0c0d0e0\n",
        "theater-store 1 00010203-0405-4607-8809-0a0b0c0d0exx\n",
        "theater-store 1 00010203-0405-4607-8809-0a0b0c0d0e0f",
        "theater-store 1 00010203-0405-4607-8809-0a0b0c0d0e0f\n and more of it, beyond any measure",
    };
    make_store(it);
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        put_text(it->path, "store.id", texts[i]);
        expect_refused(it->url, false, THEATER_ERR_CORRUPT, "store.id' is damaged");
    }
    put_text(it->path, "store.id", "theater-store 1 00010203-0405-4607-8809-0a0b0c0d0e0f\n");
    expect_refused(it->url, false, THEATER_ERR_CORRUPT, "a segment of another store");
}

static void open__newer_version(void **state)
{
    fixture *it = *state;
    make_store(it);
    put_text(it->path, "store.id", "theater-store 2 00010203-0405-4607-8809-0a0b0c0d0e0f\n");
    expect_refused(it->url, false, THEATER_ERR_UNSUPPORTED, "has format version 2; this program");
}

static void open__empty_or_missing_segment(void **state)
{
    fixture *it = *state;
    make_store(it);
    put_text(it->path, "00000001.log", "");
    expect_refused(it->url, false, THEATER_ERR_CORRUPT, "00000001.log:0");
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/00000001.log", it->path);
    assert_int_equal(unlink(path), 0);
    expect_refused(it->url, false, THEATER_ERR_CORRUPT, "it has no segments");
}

static void open__endless_segment(void **state)
{
    fixture *it = *state;
    make_store(it);
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/00000001.log", it->path);
    assert_int_equal(truncate(path, (off_t)1 << 32), 0);
    expect_refused(it->url, false, THEATER_ERR_CORRUPT, "longer than a segment can be");
}

/* ---- in use ---------------------------------------------------------------------------------- */

static void open__in_use_names_the_process(void **state)
{
    fixture *it = *state;
    theater__store *store = work_open(it->url);
    char says[128];
    (void)snprintf(says, sizeof(says),
                   "is in use by process %d; stop it first or use another --store", (int)getpid());
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        expect_refused(it->url, false, THEATER_ERR_STORE, says);
        expect_refused(it->url, true, THEATER_ERR_STORE, says);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    /* Within one process it is the same. */
    expect_refused(it->url, false, THEATER_ERR_STORE, says);
    theater__store_close(store);
    theater__store_close(work_open(it->url));
}

/* As another user, since root may write everywhere; true if that can be done here. */
static void in_child_without_rights(void (*what)(const fixture *it), const fixture *it)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) {
            _exit(77);
        }
        what(it);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void expect_unwritable(const fixture *it)
{
    expect_refused(it->url, false, THEATER_ERR_IO, "cannot be");
    expect_refused(it->url, true, THEATER_ERR_IO, "cannot be");
}

static void expect_unmakeable(const fixture *it)
{
    expect_refused(it->url, false, THEATER_ERR_IO, "Permission denied");
}

static void open__read_only_directory(void **state)
{
    fixture *it = *state;
    make_store(it);
    assert_int_equal(chmod(it->directory, 0755), 0);
    char path[160];
    static const char *const files[] = {"theater.lock", "store.id", "00000001.log"};
    for (unsigned i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", it->path, files[i]);
        assert_int_equal(chmod(path, 0444), 0);
    }
    assert_int_equal(chmod(it->path, 0555), 0);
    in_child_without_rights(expect_unwritable, it);
    assert_int_equal(chmod(it->path, 0700), 0);
}

static void open__directory_that_cannot_be_made(void **state)
{
    fixture *it = *state;
    assert_int_equal(chmod(it->directory, 0555), 0);
    in_child_without_rights(expect_unmakeable, it);
    assert_int_equal(chmod(it->directory, 0700), 0);
    assert_false(exists(it->path));
}

/* ---- files that are none --------------------------------------------------------------------- */

typedef enum oddity {
    ODD_FIFO,
    ODD_LINK,
    ODD_DIRECTORY,
    ODD_END
} oddity;

#define VICTIM_TEXT "somebody else's"

/* Puts something that is no file in the place of one; a link leads to the victim. */
static void put_oddity(const fixture *it, const char *name, oddity kind)
{
    char path[256];
    char victim[256];
    (void)snprintf(path, sizeof(path), "%s/%s", it->path, name);
    (void)snprintf(victim, sizeof(victim), "%s/victim", it->directory);
    assert_true(unlink(path) == 0 || errno == ENOENT);
    if (kind == ODD_FIFO) {
        assert_int_equal(mkfifo(path, 0600), 0);
    } else if (kind == ODD_LINK) {
        assert_int_equal(symlink(victim, path), 0);
    } else {
        assert_int_equal(mkdir(path, 0700), 0);
    }
}

static void expect_victim(const fixture *it)
{
    char victim[256];
    char text[64] = {0};
    (void)snprintf(victim, sizeof(victim), "%s/victim", it->directory);
    int fd = open(victim, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, text, sizeof(text) - 1), strlen(VICTIM_TEXT));
    assert_string_equal(text, VICTIM_TEXT);
    close(fd);
}

static int count_actor(const theater__recovered *actor, void *userdata)
{
    (void)actor;
    ++*(unsigned *)userdata;
    return 0;
}

static int pass_piece(const theater__store_piece *piece, void *userdata)
{
    *(bool *)userdata = *(bool *)userdata || piece->damage != NULL;
    return 0;
}

/* Nothing of it waits for the other end of a FIFO, or writes through a link. */
static void look_from_outside(const fixture *it, const char *name)
{
    char target[256];
    char damage[THEATER_ERROR_MESSAGE_MAX];
    unsigned count = 0;
    bool is_damaged = false;
    theater_id id = {{0}};
    theater__buffer frames = {0};
    theater_error err = THEATER_ERROR_INIT;
    (void)theater__store_list(it->url, count_actor, &count, NULL);
    (void)theater__store_collect(it->url, &id, &frames, damage, NULL);
    theater__buffer_deinit(&frames);
    theater_status each = theater__store_collect_each(it->url, pass_piece, &is_damaged, &err);
    bool is_read = strcmp(name, "store.id") == 0 || strcmp(name, "00000001.log") == 0;
    assert_int_equal(each != THEATER_OK || is_damaged, is_read);
    (void)snprintf(target, sizeof(target), "%s/copy", it->directory);
    theater_status copied = theater__store_backup(it->url, target, &err);
    assert_int_equal(copied != THEATER_OK, is_read);
    if (is_read) {
        assert_non_null(strstr(err.message, "is not a regular file"));
    }
    if (exists(target)) {
        work_remove(theater__strndup(target, strlen(target)));
    }
}

static void open__files_that_are_none_are_refused(void **state)
{
    fixture *it = *state;
    static const char *const names[] = {"store.id", "theater.lock", "home", "00000001.log"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        for (oddity kind = ODD_FIFO; kind < ODD_END; kind++) {
            put_text(it->directory, "victim", VICTIM_TEXT);
            make_store(it);
            put_oddity(it, names[i], kind);
            expect_refused(it->url, true, THEATER_ERR_IO, "is not a regular file");
            expect_refused(it->url, true, THEATER_ERR_IO, names[i]);
            look_from_outside(it, names[i]);
            expect_victim(it);
            work_remove(theater__strndup(it->path, strlen(it->path)));
        }
    }
}

static void take_warning(theater_log_level level, const char *line, void *userdata)
{
    (void)level;
    (void)snprintf(userdata, THEATER_ERROR_MESSAGE_MAX, "%s", line);
}

/* What only helps is done without. */
static void open__helpers_that_are_no_files_are_left_alone(void **state)
{
    fixture *it = *state;
    static const char *const names[] = {"reserve", "ahead.new", "index.new", "home.new",
                                        "store.id.new"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        for (oddity kind = ODD_FIFO; kind < ODD_DIRECTORY; kind++) {
            put_text(it->directory, "victim", VICTIM_TEXT);
            make_store(it);
            put_oddity(it, names[i], kind);
            look_from_outside(it, names[i]);
            char warning[THEATER_ERROR_MESSAGE_MAX] = "";
            theater__store_options options = {.url = it->url, .must_exist = true};
            theater__store *store = NULL;
            options.log.write = take_warning;
            options.log.userdata = warning;
            options.log.level_max = THEATER_LOG_WARNING;
            assert_int_equal(theater__store_open(&options, &store, NULL), THEATER_OK);
            theater__store_close(store);
            assert_int_equal(strstr(warning, "is not a regular file") != NULL, i == 0);
            expect_victim(it);
            work_remove(theater__strndup(it->path, strlen(it->path)));
        }
    }
}

/* The user's own link to a store is followed. */
static void open__a_store_behind_a_link(void **state)
{
    fixture *it = *state;
    char link[256];
    char url[300];
    make_store(it);
    (void)snprintf(link, sizeof(link), "%s/link", it->directory);
    (void)snprintf(url, sizeof(url), "log:%s", link);
    assert_int_equal(symlink(it->path, link), 0);
    theater__store_close(work_open(url));
    unsigned count = 0;
    assert_int_equal(theater__store_list(url, count_actor, &count, NULL), THEATER_OK);
    assert_int_equal(count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(open__makes_directories_for_the_owner_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(open__must_exist_makes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open__goes_on_with_what_an_interrupted_start_left, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(open__not_a_directory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open__foreign_directory_is_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open__log_without_an_id_is_not_made_anew, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(open__damaged_id, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open__newer_version, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open__empty_or_missing_segment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open__endless_segment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open__in_use_names_the_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open__read_only_directory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open__directory_that_cannot_be_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open__files_that_are_none_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open__helpers_that_are_no_files_are_left_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(open__a_store_behind_a_link, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
