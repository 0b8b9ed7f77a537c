/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiling child: found or not, limited, killed.
 */
#include "harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An engine without a cache, so that every opening compiles. */
static void reopen(harness *test, const theater__engine_options *options)
{
    harness_close_engine(test);
    assert_int_equal(theater__engine_open(options, &test->engine, &test->err), THEATER_OK);
}

/* A component with functions enough to take a compiler some seconds and hundreds of megabytes. */
static char *make_bomb(size_t functions)
{
    size_t room = functions * 1024 + 1024;
    char *text = malloc(room);
    size_t used = (size_t)snprintf(text, room, "(component (core module ");
    for (size_t i = 0; i < functions; i++) {
        used += (size_t)snprintf(text + used, room - used, "(func (param i64 i64) (result i64)");
        for (int k = 0; k < 20; k++) {
            used += (size_t)snprintf(text + used, room - used,
                                     "local.get 0 local.get 1 i64.mul local.set %d ", k & 1);
        }
        used += (size_t)snprintf(text + used, room - used, "local.get 0)");
    }
    snprintf(text + used, room - used, "))");
    return text;
}

static void compile__missing_compiler_is_named(void **state)
{
    harness *test = *state;
    theater__engine_options options = {.compiler_path = "/no/such/theater-compile"};
    reopen(test, &options);
    assert_int_equal(harness_load_text(test, "(component)"), THEATER_ERR_NOTFOUND);
    assert_text(test->err.message, "/no/such/theater-compile");
}

static void compile__given_compiler_is_used(void **state)
{
    harness *test = *state;
    theater__engine_options options = {.compiler_path = THEATER_COMPILER};
    reopen(test, &options);
    assert_int_equal(harness_load_text(test, "(component)"), THEATER_OK);
}

static void compile__a_compiler_that_fails_is_reported(void **state)
{
    harness *test = *state;
    theater__engine_options options = {.compiler_path = "/bin/true"};
    reopen(test, &options);
    assert_int_equal(harness_load_text(test, "(component)"), THEATER_ERR_ENGINE);
    assert_text(test->err.message, "gave no code");
    options.compiler_path = "/bin/false";
    reopen(test, &options);
    assert_int_equal(harness_load_text(test, "(component)"), THEATER_ERR_ENGINE);
    assert_text(test->err.message, "without a reason");
}

static void compile__memory_is_limited(void **state)
{
    harness *test = *state;
    theater__engine_options options = {.compile_memory_max = (uint64_t)192 << 20};
    reopen(test, &options);
    char *bomb = make_bomb(20000);
    theater_status status = harness_load_text(test, bomb);
    free(bomb);
    print_message("%s\n", test->err.message);
    assert_true(status == THEATER_ERR_LIMIT || status == THEATER_ERR_ENGINE);
    assert_null(test->component);
    assert_int_equal(harness_load_text(test, "(component)"), THEATER_OK);
}

static void compile__time_is_limited(void **state)
{
    harness *test = *state;
    theater__engine_options options = {.compile_cpu_s_max = 1};
    reopen(test, &options);
    char *bomb = make_bomb(100000);
    theater_status status = harness_load_text(test, bomb);
    free(bomb);
    assert_int_equal(status, THEATER_ERR_LIMIT);
    assert_text(test->err.message, "longer than 1 s of CPU time (limit compile_cpu_s_max)");
}

static void compile__child_inherits_nothing(void **state)
{
    harness *test = *state;
    char script[128];
    char seen[160];
    snprintf(script, sizeof script, "%s/spy", test->directory);
    snprintf(seen, sizeof seen, "%s/seen", test->directory);
    FILE *file = fopen(script, "w");
    assert_non_null(file);
    fprintf(file,
            "#!/bin/sh\n/usr/bin/env | /bin/grep -v -e ^PWD= -e ^_= -e ^SHLVL= >%s\n"
            "for f in 3 4 5 6 7 8 9; do [ -e /proc/self/fd/$f ] && echo fd $f >>%s; done\n"
            "exit 4\n",
            seen, seen);
    fclose(file);
    assert_int_equal(chmod(script, 0700), 0);
    int leak = open("/dev/null", O_RDONLY); /* not close-on-exec */
    theater__engine_options options = {.compiler_path = script};
    reopen(test, &options);
    assert_int_equal(harness_load_text(test, "(component)"), THEATER_ERR_ENGINE);
    close(leak);
    struct stat status;
    assert_int_equal(stat(seen, &status), 0);
    assert_int_equal(status.st_size, 0);
}

static void engine__says_what_it_is(void **state)
{
    (void)state;
    assert_string_equal(theater__engine_version(), "wasmtime 48.0.8");
    assert_text(theater__engine_semantics(), "nan=canonical");
    assert_null(strchr(theater__engine_semantics(), '\n'));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(compile__missing_compiler_is_named),
        TEST(compile__given_compiler_is_used),
        TEST(compile__a_compiler_that_fails_is_reported),
        TEST(compile__memory_is_limited),
        TEST(compile__time_is_limited),
        TEST(compile__child_inherits_nothing),
        TEST(engine__says_what_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
