/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host for tests through the public interface alone: virtual time, a store in a directory of its
 * own, the Timing Host, the runtime's log and `acme:desk/answers`, whose `ask` waits for a token.
 * It keeps what it is told.
 */
#ifndef TESTS_SPEC_STAGE_H
#define TESTS_SPEC_STAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <theater.h>

#define STAGE_START_MS 1767225600000u /* where virtual time begins: 2026-01-01 */
#define STAGE_TEXT_MAX 256
#define STAGE_LINES_MAX 64

typedef struct stage_options {
    uint64_t max_sleep; /* 0: no bound */
    uint64_t min_sleep;
    uint64_t seed;
    uint32_t live_max;
    bool real_clock;
    bool in_memory; /* no chains to look at */
    bool without_desk;
    bool keeps_results;             /* on_finished does not acknowledge */
    const theater_handler *handler; /* one more; may be NULL */
    theater_log_fn *log;            /* may be NULL */
    void *log_userdata;
} stage_options;

typedef struct stage_end {
    theater_id id;
    theater_end_reason reason;
    char result[STAGE_TEXT_MAX]; /* JSON; empty: none */
    char text[STAGE_TEXT_MAX];
    theater_head head;
} stage_end;

typedef struct stage_line {
    theater_id actor;
    uint64_t seq;
    char letter;
} stage_line;

typedef struct stage {
    theater_host *host;
    char directory[64];
    bool keeps_results;
    stage_end ends[STAGE_LINES_MAX];
    size_t ends_count;
    stage_line lines[STAGE_LINES_MAX];
    size_t lines_count;
    theater_id parked[STAGE_LINES_MAX];
    size_t parked_count;
    theater_status parked_status;
    char parked_reason[THEATER_ERROR_MESSAGE_MAX];
    unsigned asked_count; /* live calls of `ask` */
} stage;

void stage_open(stage *s, const stage_options *options);
/* Another host on the same store; what was told is forgotten. */
void stage_reopen(stage *s, const stage_options *options);
void stage_close(stage *s);

theater_actor_component *stage_load(stage *s, const char *guest);
theater_id stage_spawn(stage *s, theater_actor_component *component, const char *export_name,
                       const char *args);
/* Runs to the end. */
void stage_run(stage *s);
/* Dispatches until the actor is in that state, and its chain is in the store. */
void stage_until(stage *s, theater_id id, theater_actor_state state);
const stage_end *stage_find(const stage *s, theater_id id);

/*
 * One call from spawn to end in a stage that is open; the result as JSON, borrowed from the stage.
 */
const char *stage_call(stage *s, const char *guest, const char *export_name, const char *args);

theater_chain *stage_chain(const stage *s, theater_id id);
/* Verified, anchored by the reported head, and clean when it is executed again. */
void stage_audit(stage *s, theater_id id, const char *guest);
/* Events of a kind. */
unsigned stage_count(const stage *s, theater_id id, theater_event_kind kind);
/* How often a text stands in the chain's export as JSON lines. */
unsigned stage_occurrences(const stage *s, theater_id id, const char *text);
/* The text of a guest; to be freed. */
char *stage_read_guest(const char *guest, size_t *out_size);

#endif
