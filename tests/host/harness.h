/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host with timing and runtime for tests, which keeps what it is told: finished actors, log
 * lines.
 */
#ifndef TESTS_HOST_HARNESS_H
#define TESTS_HOST_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <theater.h>

typedef struct harness_end {
    theater_id id;
    theater_end_reason reason;
    char text[THEATER_ERROR_MESSAGE_MAX];
    uint64_t number; /* a u64 result, or the payload of an ok one */
} harness_end;

typedef struct harness {
    theater_host *host;
    char directory[64]; /* of the store; empty: memory */
    harness_end *ends;
    size_t ends_count;
    char log[4096]; /* first bytes of each line, one after the other */
    size_t parked_count;
    char parked_reason[THEATER_ERROR_MESSAGE_MAX];
    const theater_handler *handler;  /* one more; may be NULL */
    theater_head head;               /* of the actor that ended last */
    bool keeps_ends;                 /* results are not acknowledged */
    theater_runtime_log_fn *on_line; /* told of each line too; may be NULL */
} harness;

/* options->store_url is the harness's: a fresh directory if has_log, else memory. */
void harness_open(harness *h, theater_host_options *options, bool has_log);
/* The same with one handler more, in this host and those that are opened again. */
void harness_open_with(harness *h, theater_host_options *options, bool has_log,
                       const theater_handler *handler);
/* Closes the host and opens another one on the same store. */
void harness_reopen(harness *h, theater_host_options *options);
void harness_close(harness *h);
theater_actor_component *harness_load(harness *h, const char *directory, const char *name);
theater_id harness_spawn(harness *h, theater_actor_component *component, const char *export_name,
                         const char *args, const theater_limits *limits);
const harness_end *harness_find(const harness *h, theater_id id);
void harness_run(harness *h);
/* Until everyone waits, without letting virtual time go on: its jumps are what run() is for. */
void harness_settle(harness *h);

#endif
