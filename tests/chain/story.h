/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains for tests: a story appends events one by one with fixed times, salts and ids, so that the
 * same calls give the same bytes everywhere. It remembers where each frame begins.
 */
#ifndef TESTS_CHAIN_STORY_H
#define TESTS_CHAIN_STORY_H

/* cmocka wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/alloc.h>
#include <base/bytes.h>
#include <base/value.h>
#include <chain/chain.h>
#include <chain/payload.h>

#define STORY_EVENTS_MAX 64u
#define STORY_WALL 1763884800123u

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

typedef struct story {
    theater__chain_writer writer;
    theater__buffer payload; /* of the next event */
    theater__buffer values;  /* its encoded arguments and result, one after the other */
    uint64_t wall_ms;
    bool is_private;
    size_t frame_offsets[STORY_EVENTS_MAX + 1]; /* one past the last: the end */
    theater_hash hashes[STORY_EVENTS_MAX];
} story;

void story_begin(story *it);
void story_end(story *it);
/* Appends an event with what stands in payload, and empties that. */
void story_append(story *it, theater_event_kind kind);

void story_genesis(story *it, uint8_t actor);
void story_call(story *it, const char *export_name, const theater_value *args, size_t count,
                const char *state);
void story_answer(story *it, const char *function, const theater_value *args, size_t count,
                  const theater_value *result, uint64_t folds);
void story_now(story *it, uint64_t folds);
/* A WAIT: ELAPSED for sleep, WALL for deadline. */
void story_wait(story *it, const char *function, theater__wait_kind wait_kind, uint64_t number);
void story_complete(story *it, uint64_t request_seq, theater_wait_outcome outcome,
                    const theater_value *result);
/* result<_, string>: ok if error is NULL. Borrows static memory of the story. */
void story_complete_unit(story *it, uint64_t request_seq, theater_wait_outcome outcome,
                         const char *error);
void story_answer_unit(story *it, const char *function, uint64_t number, const char *error);
void story_request(story *it, theater_event_kind kind, const char *function,
                   const theater_value *args, size_t count);
void story_log(story *it, const char *line);
void story_return(story *it, const theater_value *result, const char *state);
void story_ending(story *it, theater_event_kind kind, theater_end_reason reason, const char *text);
void story_ambient(story *it, theater_event_kind kind, const char *first, const char *second);
void story_step(story *it, int64_t delta_ms);
void story_rebase(story *it, uint64_t request_seq, uint64_t remaining_ms);

/* One chain with every kind, folded readings, a long and a private payload. */
void story_everything(story *it);

theater_text text_of(const char *text);
/* A file of ours: header, then the frames. */
void story_file(const story *it, theater__buffer *out);
/* To be freed; asserts that loading succeeds. */
theater_chain *chain_of_bytes(const uint8_t *data, size_t size);
theater_chain *chain_of(const story *it);
/* The whole of an export. */
void export_all(const theater_chain *chain, theater_chain_format format, theater__buffer *out);
theater_chain_report report_of(const theater_chain *chain, const theater_head *head);

/* A small seeded generator: tests print the seed, and the same seed gives the same run. */
uint64_t next_random(uint64_t *state);

/* The whole of a file of tests/vectors; to be deinited. */
void read_vector(const char *name, theater__buffer *out);

#endif
