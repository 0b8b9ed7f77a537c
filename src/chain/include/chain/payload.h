/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in an event's payload, kind by kind. Encoders append to a buffer, decoders check
 * every byte (a payload may come from anyone) and borrow from it; trailing bytes are refused, and
 * so is every second spelling: a decoded payload encodes to the bytes it came from. Values inside
 * stay encoded (base/value.h): replay compares bytes, and only what is delivered is decoded.
 *
 * Encoders write only the fields that the kind has (a WAIT's by its wait_kind) and decoders leave
 * the others zero. Texts have to be UTF-8; names of functions, exports and handlers are not empty.
 * Errors are CORRUPT and do not know the event's number: callers put it in front.
 */
#ifndef CHAIN_PAYLOAD_H
#define CHAIN_PAYLOAD_H

#include <base/bytes.h>
#include <theater/chain.h>
#include <theater/limits.h>

/* One handler that the actor was given, with its configuration (canonical values). */
typedef struct theater__genesis_handler {
    theater_text name;    /* "timing" */
    theater_bytes config; /* encoded by theater__values_encode */
} theater__genesis_handler;

#define THEATER__GENESIS_HANDLERS_MAX 64u

typedef struct theater__genesis {
    theater_id actor;
    theater_hash component; /* SHA-256 of the component's bytes */
    theater_text semantics; /* theater__engine_semantics() */
    theater_text engine;    /* theater__engine_version(): informs */
    theater_limits limits;
    uint32_t handlers_count;
    theater__genesis_handler handlers[THEATER__GENESIS_HANDLERS_MAX];
    bool is_simulated; /* the clock was a simulated one */
    uint8_t nonce[16]; /* random: two actors never share a genesis */
} theater__genesis;

typedef struct theater__call_payload {
    theater_text export_name; /* "ntwk:theater/actor.init" */
    theater_bytes args;       /* theater__values_encode */
    theater_bytes state;      /* the state passed in; for exports that take none, empty */
} theater__call_payload;

typedef enum theater__wait_kind {
    THEATER__WAIT_ELAPSED = 1, /* sleep */
    THEATER__WAIT_WALL = 2,    /* deadline */
    THEATER__WAIT_TOKEN = 3    /* until the embedder completes it */
} theater__wait_kind;

/* WAIT, EFFECT, POST: function and args; the rest for WAIT only. */
typedef struct theater__request {
    theater_text function; /* "ntwk:theater/timing.sleep": unversioned */
    theater_bytes args;
    theater__wait_kind wait_kind;
    uint64_t duration_ms;  /* ELAPSED; also TOKEN: a timeout, UINT64_MAX = none */
    theater_mono armed;    /* ELAPSED, TOKEN with timeout: when armed; due = armed + duration */
    uint8_t boot[16];      /* ELAPSED, TOKEN with timeout: the boot that armed belongs to */
    theater_wall due_wall; /* WALL: when */
} theater__request;

/*
 * How many equal answers one event may stand for: a fold is closed there, since exports expand it
 * and a chain of a few bytes must not unfold without end. The encoder asserts it.
 */
#define THEATER__ANSWER_COUNT_MAX (1u << 20)

typedef struct theater__answer {
    theater_text function;
    theater_bytes args;
    bool has_result;
    theater_bytes result; /* one encoded value */
    uint64_t count; /* 1 to THEATER__ANSWER_COUNT_MAX equal consecutive answers in this one event */
} theater__answer;

typedef struct theater__completion {
    uint64_t request_seq;
    theater_wait_outcome outcome;
    uint64_t late_ns; /* DUE, OVERDUE: actual wake minus due */
    theater_text by;  /* who completed, cancelled or woke it; empty for DUE */
    bool has_result;
    theater_bytes result;
} theater__completion;

/* TERMINATE and END. */
typedef struct theater__ending {
    theater_end_reason reason;
    theater_text
        text; /* in words; the encoder cuts it to THEATER__REASON_BYTES_MAX and cleans it */
} theater__ending;

typedef struct theater__return {
    bool has_result;
    theater_bytes result;
    theater_bytes
        state; /* the state after the call, taken out of result by the host's convention */
} theater__return;

/* ENGINE {old, new}; NOTE {text in first}. */
typedef struct theater__ambient {
    theater_text first;
    theater_text second;
} theater__ambient;

/* STEP: delta. REBASE: the remaining time of the wait request_seq on a new boot's clock. */
typedef struct theater__rebase {
    uint64_t request_seq;
    uint64_t remaining_ms;
    theater_mono armed;
    uint8_t boot[16];
} theater__rebase;

void theater__genesis_encode(theater__buffer *buffer, const theater__genesis *genesis);
theater_status theater__genesis_decode(theater_bytes payload, theater__genesis *out,
                                       theater_error *err);
void theater__call_encode(theater__buffer *buffer, const theater__call_payload *call);
theater_status theater__call_decode(theater_bytes payload, theater__call_payload *out,
                                    theater_error *err);
void theater__request_encode(theater__buffer *buffer, theater_event_kind kind,
                             const theater__request *request);
theater_status theater__request_decode(theater_bytes payload, theater_event_kind kind,
                                       theater__request *out, theater_error *err);
void theater__answer_encode(theater__buffer *buffer, const theater__answer *answer);
theater_status theater__answer_decode(theater_bytes payload, theater__answer *out,
                                      theater_error *err);
void theater__completion_encode(theater__buffer *buffer, const theater__completion *completion);
theater_status theater__completion_decode(theater_bytes payload, theater__completion *out,
                                          theater_error *err);
void theater__ending_encode(theater__buffer *buffer, const theater__ending *ending);
theater_status theater__ending_decode(theater_bytes payload, theater__ending *out,
                                      theater_error *err);
void theater__return_encode(theater__buffer *buffer, const theater__return *ret);
theater_status theater__return_decode(theater_bytes payload, theater__return *out,
                                      theater_error *err);
void theater__ambient_encode(theater__buffer *buffer, const theater__ambient *ambient);
theater_status theater__ambient_decode(theater_bytes payload, theater__ambient *out,
                                       theater_error *err);
void theater__step_encode(theater__buffer *buffer, int64_t delta_ms);
theater_status theater__step_decode(theater_bytes payload, int64_t *out_delta_ms,
                                    theater_error *err);
void theater__rebase_encode(theater__buffer *buffer, const theater__rebase *rebase);
theater_status theater__rebase_decode(theater_bytes payload, theater__rebase *out,
                                      theater_error *err);

#endif
