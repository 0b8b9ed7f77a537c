/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compile cache: an entry is used if it is sound, and made again if it is anything else.
 */
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char TEXT[] = "(component (core module $m (func (export \"f\") (result i32) "
                           "i32.const 7)) (core instance $i (instantiate $m)) "
                           "(func (export \"f\") (result u32) (canon lift (core func $i \"f\"))))";

/* The path of the only entry with this ending, "" if there is none. */
static void find_entry(const harness *test, const char *ending, char *out_path, size_t out_size)
{
    out_path[0] = '\0';
    DIR *outer = opendir(test->directory);
    assert_non_null(outer);
    char key[400] = "";
    for (struct dirent *entry = readdir(outer); entry != NULL; entry = readdir(outer)) {
        if (entry->d_name[0] != '.') {
            snprintf(key, sizeof key, "%s/%s", test->directory, entry->d_name);
        }
    }
    closedir(outer);
    DIR *inner = key[0] != '\0' ? opendir(key) : NULL;
    if (inner == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(inner); entry != NULL; entry = readdir(inner)) {
        size_t size = strlen(entry->d_name);
        assert_null(strstr(entry->d_name, "tmp"));
        if (size > strlen(ending) && strcmp(entry->d_name + size - strlen(ending), ending) == 0) {
            snprintf(out_path, out_size, "%s/%s", key, entry->d_name);
        }
    }
    closedir(inner);
}

/* Opens and calls; true if it was compiled, which only shows in the entry being written anew. */
static bool compiles(harness *test)
{
    char path[1024];
    struct stat before = {0};
    struct stat after = {0};
    find_entry(test, ".cwasm", path, sizeof path);
    (void)(path[0] != '\0' && stat(path, &before));
    assert_int_equal(harness_load_text(test, TEXT), THEATER_OK);
    harness_link(test);
    assert_int_equal(harness_call(test, "f", NULL, 0), THEATER__GUEST_DONE);
    assert_int_equal(theater__guest_result(test->guest)->of.u64, 7);
    harness_unload(test);
    find_entry(test, ".cwasm", path, sizeof path);
    assert_int_equal(stat(path, &after), 0);
    return before.st_ino != after.st_ino;
}

static void flip_byte(const char *path, off_t where)
{
    int file = open(path, O_RDWR);
    assert_true(file >= 0);
    uint8_t byte = 0;
    assert_int_equal(pread(file, &byte, 1, where), 1);
    byte ^= 1;
    assert_int_equal(pwrite(file, &byte, 1, where), 1);
    close(file);
}

static void cache__second_opening_compiles_nothing(void **state)
{
    harness *test = *state;
    assert_true(compiles(test));
    assert_false(compiles(test));
    harness_close_engine(test);
    harness_open_engine(test);
    assert_false(compiles(test));
    assert_string_equal(test->log, "");
}

static void cache__is_private(void **state)
{
    harness *test = *state;
    assert_true(compiles(test));
    char path[1024];
    struct stat status;
    find_entry(test, ".cwasm", path, sizeof path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    *strrchr(path, '/') = '\0';
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
}

static void is_made_again(harness *test)
{
    assert_true(compiles(test));
    assert_text(test->log, "compiling again");
    test->log[0] = '\0';
    assert_false(compiles(test));
    assert_string_equal(test->log, "");
}

static void cache__damaged_entries_are_made_again(void **state)
{
    harness *test = *state;
    char code[1024];
    char sum[1024];
    assert_true(compiles(test));
    find_entry(test, ".cwasm", code, sizeof code);
    find_entry(test, ".sum", sum, sizeof sum);
    struct stat status;
    assert_int_equal(stat(code, &status), 0);
    for (off_t where = 0; where < status.st_size; where += status.st_size / 7) {
        flip_byte(code, where);
        is_made_again(test);
    }
    assert_int_equal(truncate(code, status.st_size / 2), 0);
    is_made_again(test);
    assert_int_equal(truncate(code, 0), 0);
    is_made_again(test);
    flip_byte(sum, 5);
    is_made_again(test);
    assert_int_equal(truncate(sum, 10), 0);
    is_made_again(test);
    assert_int_equal(unlink(sum), 0);
    is_made_again(test);
    assert_int_equal(unlink(code), 0);
    is_made_again(test);
}

static void cache__entries_that_others_may_write_are_made_again(void **state)
{
    harness *test = *state;
    char code[1024];
    assert_true(compiles(test));
    find_entry(test, ".cwasm", code, sizeof code);
    assert_int_equal(chmod(code, 0620), 0);
    is_made_again(test);
    if (geteuid() == 0) { /* a foreign owner can only be had by root */
        assert_int_equal(chown(code, 12345, 12345), 0);
        is_made_again(test);
    }
    char other[1100];
    snprintf(other, sizeof other, "%s.moved", code);
    assert_int_equal(rename(code, other), 0);
    assert_int_equal(symlink(other, code), 0);
    is_made_again(test);
    assert_int_equal(unlink(other), 0);
}

static void cache__directories_that_others_may_write_are_not_used(void **state)
{
    harness *test = *state;
    char path[1024];
    assert_true(compiles(test));
    find_entry(test, ".cwasm", path, sizeof path);
    *strrchr(path, '/') = '\0';
    assert_int_equal(chmod(path, 0777), 0);
    assert_int_equal(harness_load_text(test, TEXT), THEATER_OK);
    assert_text(test->log, "writable by others");
    assert_int_equal(chmod(path, 0700), 0);
}

/* Wasmtime itself refuses code of other settings; the sum is right in this one. */
static void cache__foreign_code_is_made_again(void **state)
{
    harness *test = *state;
    char code[1024];
    char sum[1024];
    assert_true(compiles(test));
    find_entry(test, ".cwasm", code, sizeof code);
    find_entry(test, ".sum", sum, sizeof sum);
    static const char JUNK[] = "no machine code at all";
    static const char JUNK_SUM[] = "f5c5062119d5159aaa6d2b55bd9e50c9"
                                   "646f38b53dcdff27e3f5fdfbec1ee39e";
    int file = open(code, O_WRONLY | O_TRUNC);
    assert_int_equal(write(file, JUNK, sizeof JUNK - 1), sizeof JUNK - 1);
    close(file);
    file = open(sum, O_WRONLY | O_TRUNC);
    assert_int_equal(write(file, JUNK_SUM, sizeof JUNK_SUM - 1), sizeof JUNK_SUM - 1);
    close(file);
    is_made_again(test);
}

static void cache__that_cannot_be_written_is_no_error(void **state)
{
    harness *test = *state;
    harness_close_engine(test);
    theater__engine_options options = {.cache_directory = "/proc/no/such/place"};
    assert_int_equal(theater__engine_open(&options, &test->engine, &test->err), THEATER_OK);
    assert_int_equal(harness_load_text(test, TEXT), THEATER_OK);
    harness_close_engine(test);
    options.cache_directory = NULL;
    assert_int_equal(theater__engine_open(&options, &test->engine, &test->err), THEATER_OK);
    assert_int_equal(harness_load_text(test, TEXT), THEATER_OK);
}

static void open_and_call(void *argument)
{
    harness *test = argument;
    for (int i = 0; i < 5; i++) {
        theater__component *component = NULL;
        theater_status status = theater__component_open(test->engine, (const uint8_t *)TEXT,
                                                        sizeof TEXT - 1, &component, &test->err);
        if (status != THEATER_OK) {
            _exit(1);
        }
        theater__component_close(component);
    }
}

static void cache__two_processes_fill_it_at_once(void **state)
{
    harness *test = *state;
    pid_t children[4];
    for (size_t i = 0; i < 4; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            open_and_call(test);
            _exit(0);
        }
    }
    for (size_t i = 0; i < 4; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    test->log[0] = '\0';
    assert_false(compiles(test));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(cache__second_opening_compiles_nothing),
        TEST(cache__is_private),
        TEST(cache__damaged_entries_are_made_again),
        TEST(cache__entries_that_others_may_write_are_made_again),
        TEST(cache__directories_that_others_may_write_are_not_used),
        TEST(cache__foreign_code_is_made_again),
        TEST(cache__that_cannot_be_written_is_no_error),
        TEST(cache__two_processes_fill_it_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
