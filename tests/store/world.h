/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store on a disk that loses power, with a model beside it: what the tests and the torture
 * command share. A world is one store, its actors, what was submitted and what was acknowledged.
 */
#ifndef TESTS_STORE_WORLD_H
#define TESTS_STORE_WORLD_H

#include "work.h"
/* cmocka first */
#include "logstore.h"
#include "simdisk.h"

#define DIRECTORY "/store"
#define ACTORS_COUNT 4u
#define SUBMISSIONS_MAX 4096u
#define SEGMENT_SIZE ((uint64_t)8 << 10)

typedef struct world {
    simdisk *disk;
    theater__store *store;
    work_actor *actors[ACTORS_COUNT];
    uint32_t acknowledged[ACTORS_COUNT]; /* batches */
    struct {
        uint8_t actor;
        uint32_t batch;
        theater__ticket ticket;
        bool done;
    } submissions[SUBMISSIONS_MAX]; /* since the last start */
    unsigned submissions_count;
    bool is_clean; /* the log was ended properly */
    bool has_flip;
    const char *violation;
    theater_error open_error;
} world;

/* What a case does beside losing power. */
typedef enum world_harm {
    HARM_NONE = 0,
    HARM_SYNC_FAILS = 1,  /* the n-th sync says EIO */
    HARM_WRITE_FAILS = 2, /* one write finds no space */
    HARM_DISK_FILLS = 3,  /* there is only so much space */
    HARM_BIT_FLIPS = 4,   /* a bit of what lies at rest flips: damage, never a silent loss */
    HARM_COUNT
} world_harm;

theater_status open_world(world *it, theater_error *err);
void begin_world(world *it, uint64_t seed);
void end_world(world *it);
void submit_some(world *it);
/* Takes all completions; they must come once each, in order. */
void poll_all(world *it);
/* Opens; the power may go off while it does, several times. Compares with the model. */
void start_world(world *it);
/* One case; true if all promises were kept. */
bool run_case(uint64_t seed, world_harm harm, bool sync_lies, bool may_print);

#endif
