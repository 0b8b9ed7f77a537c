/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of this room share: an engine with a cache of its own in a temporary directory,
 * and a host whose two answers a test sets.
 */
#ifndef TESTS_ENGINE_HARNESS_H
#define TESTS_ENGINE_HARNESS_H

/* cmocka's header needs these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <engine/engine.h>

#define HARNESS_LOG_MAX 4096

typedef struct harness {
    theater__engine *engine;
    theater__component *component;
    char directory[64]; /* the cache */
    char log[HARNESS_LOG_MAX];
    theater_error err;
    theater_limits limits;
    uint32_t pooled_guests_max; /* for harness_open_engine() */
    theater__guest *guest;
    theater__guest_ops ops;
    /* What the host does. */
    theater__import_outcome (*on_import)(struct harness *test, const theater__import *import,
                                         theater_values args, theater_value *out_result);
    theater__epoch_verdict verdict;
    uint64_t imports_count; /* calls of an import */
    uint64_t epochs_count;  /* questions at an epoch */
    uint64_t epochs_max;    /* after so many answers the verdict is END; 0: never */
    uint64_t last_number;   /* the first argument of the last call, if it was a u64 */
    size_t last_size;       /* or its size, if it was a string or bytes */
} harness;

/* cmocka fixtures: *state is a harness. */
int harness_setup(void **state);
int harness_teardown(void **state);

void harness_open_engine(harness *test);
void harness_close_engine(harness *test);

/* Reads tests/guests/<name>; the caller frees with harness_free(). */
char *harness_read(const char *name, size_t *out_size);
void harness_free(char *text);

/* Opens tests/guests/<name>, replacing the component before. */
void harness_load(harness *test, const char *name);
theater_status harness_load_text(harness *test, const char *text);
/* Serves imports called "sleep" as ASYNC, all others as SYNC. */
void harness_link(harness *test);
void harness_unload(harness *test);

/* Starts a call; the guest is deleted by harness_end() or by the next start. */
void harness_start(harness *test, const char *export, const theater_value *args, size_t count);
void harness_end(harness *test);
/* Start and one poll. */
theater__guest_status harness_call(harness *test, const char *export, const theater_value *args,
                                   size_t count);
theater__guest_status harness_call_number(harness *test, const char *export,
                                          theater_value_kind kind, uint64_t number);
/* Polls a YIELDED guest again until it is something else. */
theater__guest_status harness_poll_on(harness *test);

void assert_trap(const harness *test, theater__trap_kind kind, const char *text);
void assert_text(const char *text, const char *part);

/* A child process that runs body; returns its wait status. */
int harness_fork(void (*body)(void *argument), void *argument);

/* Something that bumps the epoch every millisecond, in a thread. */
typedef struct harness_bumper harness_bumper;
harness_bumper *harness_bump_start(theater__engine *engine);
void harness_bump_stop(harness_bumper *bumper);

#endif
