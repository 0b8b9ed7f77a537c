/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See harness.h. The host answers a u64 function with a counter and everything else with nothing,
 * unless the test has said otherwise.
 */
#include "harness.h"

#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void keep_log(theater_log_level level, const char *line, void *userdata)
{
    harness *test = userdata;
    size_t used = strlen(test->log);
    snprintf(test->log + used, sizeof test->log - used, "%d %s\n", (int)level, line);
}

static theater__import_outcome on_import(void *userdata, uint32_t index, theater_values args,
                                         theater_value *out_result)
{
    harness *test = userdata;
    const theater__import *import = theater__component_import(test->component, index);
    test->imports_count++;
    if (args.count > 0 && args.data[0].kind == THEATER_VALUE_U64) {
        test->last_number = args.data[0].of.u64;
    }
    if (args.count > 0 && args.data[0].kind == THEATER_VALUE_STRING) {
        test->last_size = args.data[0].of.text.size;
    }
    if (args.count > 0 && args.data[0].kind == THEATER_VALUE_BYTES) {
        test->last_size = args.data[0].of.bytes.size;
    }
    if (test->on_import != NULL) {
        return test->on_import(test, import, args, out_result);
    }
    if (import->name.size == 5 && memcmp(import->name.data, "sleep", 5) == 0) {
        return THEATER__IMPORT_WAIT;
    }
    *out_result = theater_value_u64(test->imports_count);
    return THEATER__IMPORT_RETURN;
}

static theater__epoch_verdict on_epoch(void *userdata)
{
    harness *test = userdata;
    test->epochs_count++;
    if (test->epochs_max != 0 && test->epochs_count > test->epochs_max) {
        return THEATER__EPOCH_END;
    }
    return test->verdict;
}

void harness_open_engine(harness *test)
{
    theater__engine_options options = {
        .cache_directory = test->directory,
        .log = {keep_log, test, THEATER_LOG_DEBUG},
        .pooled_guests_max = test->pooled_guests_max,
    };
    if (getenv("THEATER_TEST_ON_DEMAND") != NULL) { /* every test runs both ways */
        options.pooled_guests_max = THEATER__POOLED_GUESTS_NONE;
    }
    theater_status status = theater__engine_open(&options, &test->engine, &test->err);
    assert_int_equal(status, THEATER_OK);
}

void harness_close_engine(harness *test)
{
    harness_unload(test);
    theater__engine_close(test->engine);
    test->engine = NULL;
}

int harness_setup(void **state)
{
    harness *test = calloc(1, sizeof *test);
    theater_limits limits = THEATER_LIMITS_INIT;
    test->limits = limits;
    test->ops = (theater__guest_ops){on_import, on_epoch};
    snprintf(test->directory, sizeof test->directory, "/tmp/theater-engine-XXXXXX");
    assert_non_null(mkdtemp(test->directory));
    harness_open_engine(test);
    *state = test;
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

int harness_teardown(void **state)
{
    harness *test = *state;
    harness_close_engine(test);
    nftw(test->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(test);
    return 0;
}

char *harness_read(const char *name, size_t *out_size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", THEATER_GUESTS, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t room = (size_t)1 << 20;
    char *text = malloc(room);
    *out_size = fread(text, 1, room - 1, file);
    text[*out_size] = '\0';
    fclose(file);
    return text;
}

void harness_free(char *text)
{
    free(text);
}

void harness_unload(harness *test)
{
    harness_end(test);
    theater__component_close(test->component);
    test->component = NULL;
}

theater_status harness_load_text(harness *test, const char *text)
{
    harness_unload(test);
    return theater__component_open(test->engine, (const uint8_t *)text, strlen(text),
                                   &test->component, &test->err);
}

void harness_load(harness *test, const char *name)
{
    size_t size = 0;
    char *text = harness_read(name, &size);
    theater_status status = harness_load_text(test, text);
    if (status != THEATER_OK) {
        print_error("%s: %s\n", name, test->err.message);
    }
    harness_free(text);
    assert_int_equal(status, THEATER_OK);
}

void harness_link(harness *test)
{
    theater__import_mode modes[128];
    size_t count = theater__component_imports_count(test->component);
    assert_true(count <= 128);
    for (size_t i = 0; i < count; i++) {
        const theater__import *import = theater__component_import(test->component, i);
        bool sleeps = import->name.size == 5 && memcmp(import->name.data, "sleep", 5) == 0;
        modes[i] = sleeps ? THEATER__IMPORT_ASYNC : THEATER__IMPORT_SYNC;
    }
    theater_status status = theater__component_link(test->component, modes, count, &test->err);
    if (status != THEATER_OK) {
        print_error("%s\n", test->err.message);
    }
    assert_int_equal(status, THEATER_OK);
}

void harness_start(harness *test, const char *export, const theater_value *args, size_t count)
{
    size_t index = 0;
    harness_end(test);
    test->epochs_count = 0;
    test->imports_count = 0;
    theater_status status =
        theater__component_find_export(test->component, export, &index, &test->err);
    assert_int_equal(status, THEATER_OK);
    status = theater__guest_start(test->component, index, (theater_values){args, count},
                                  &test->limits, &test->ops, test, &test->guest, &test->err);
    if (status != THEATER_OK) {
        print_error("%s\n", test->err.message);
    }
    assert_int_equal(status, THEATER_OK);
}

void harness_end(harness *test)
{
    theater__guest_delete(test->guest);
    test->guest = NULL;
}

theater__guest_status harness_call(harness *test, const char *export, const theater_value *args,
                                   size_t count)
{
    harness_start(test, export, args, count);
    return theater__guest_poll(test->guest);
}

theater__guest_status harness_call_number(harness *test, const char *export,
                                          theater_value_kind kind, uint64_t number)
{
    theater_value value = theater_value_u64(number);
    value.kind = kind;
    return harness_call(test, export, &value, 1);
}

theater__guest_status harness_poll_on(harness *test)
{
    theater__guest_status status = THEATER__GUEST_YIELDED;
    while (status == THEATER__GUEST_YIELDED) {
        status = theater__guest_poll(test->guest);
    }
    return status;
}

void assert_text(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        print_error("'%s' does not contain '%s'\n", text, part);
        fail();
    }
}

void assert_trap(const harness *test, theater__trap_kind kind, const char *text)
{
    theater__trap trap = theater__guest_trap(test->guest);
    char copy[2048] = {0};
    assert_true(trap.text.size < sizeof copy);
    memcpy(copy, trap.text.data, trap.text.size);
    if (trap.kind != kind) {
        print_error("trap %d '%s'\n", (int)trap.kind, copy);
    }
    assert_int_equal(trap.kind, kind);
    assert_null(strchr(copy, '\n'));
    assert_text(copy, text);
}

int harness_fork(void (*body)(void *argument), void *argument)
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        body(argument);
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

struct harness_bumper {
    pthread_t thread;
    theater__engine *engine;
    atomic_bool stop;
};

static void *bump(void *argument)
{
    harness_bumper *bumper = argument;
    while (!atomic_load(&bumper->stop)) {
        theater__engine_bump(bumper->engine);
        (void)poll(NULL, 0, 1);
    }
    return NULL;
}

harness_bumper *harness_bump_start(theater__engine *engine)
{
    harness_bumper *bumper = calloc(1, sizeof *bumper);
    bumper->engine = engine;
    assert_int_equal(pthread_create(&bumper->thread, NULL, bump, bumper), 0);
    return bumper;
}

void harness_bump_stop(harness_bumper *bumper)
{
    atomic_store(&bumper->stop, true);
    pthread_join(bumper->thread, NULL);
    free(bumper);
}
