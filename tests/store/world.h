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
    theater__ticket stale_ticket; /* of a batch that must be fenced; 0: none */
    bool is_clean;                /* the log was ended properly */
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

/* What is to happen in a case; equal ones happen equally, to the byte. */
typedef struct world_case {
    uint64_t seed;
    world_harm harm;
    simdisk_lie lie;
} world_case;

/* The case of a number: its harm follows from its seed, so that the seed alone reproduces it. */
world_case world_case_of(uint64_t seed);

typedef struct world_verdict {
    const char *violation; /* of a promise; NULL: all were kept */
    char detail[THEATER_ERROR_MESSAGE_MAX];
    uint64_t fingerprint; /* of the disk at the end */
    uint64_t crashes;
} world_verdict;

world_verdict run_case(const world_case *what);
/* One line with the seed, for whoever is to look at a broken promise. */
void print_verdict(const world_case *what, const world_verdict *verdict);

theater_status open_world(world *it, theater_error *err);
void begin_world(world *it, uint64_t seed);
void end_world(world *it);
/* A batch of an actor; false if it was not taken. */
bool submit_batch(world *it, unsigned number, unsigned events, size_t payload_size);
void submit_some(world *it);
/* Takes all completions; they must come once each, in order. */
void poll_all(world *it);
/* Reads a chain back: the same bytes, or, where a bit flipped, an error. */
bool world_reads_back(world *it, const work_actor *actor);
/* Opens without an accident, and compares with the model. */
theater_status open_and_check(world *it, theater_error *err);
/* The same, but the power may go off while it opens, several times. */
void start_world(world *it);

/*
 * One power cut of all that there may be. In: where, and what is left. Out: whether it came, and
 * how many others there are.
 */
typedef struct world_cut {
    uint64_t at; /* operation */
    unsigned names;
    uint64_t choice;
    bool reached;
    unsigned names_count;
    uint64_t choices_count;
} world_cut;

/* Closes the store, if it is open, with the power off; then what the cut says is left. */
void world_power_off(world *it, world_cut *cut);
/* The next state of a cut, or of the next operation; false behind the last one. */
bool world_next_state(world_cut *cut);

#endif
