/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work for stores under test: an actor of the tests keeps its chain as a model and makes batches
 * from it, so that what comes back can be compared byte for byte. Chains are real ones (genesis,
 * then log lines): theater_chain_verify() has an opinion about them.
 */
#ifndef TESTS_STORE_WORK_H
#define TESTS_STORE_WORK_H

/* cmocka wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/alloc.h>
#include <store/store.h>

#define WORK_BATCHES_MAX 4096u

typedef struct work_actor {
    theater_id id;
    theater__chain_writer writer; /* its frames are those of the next batch */
    theater__buffer frames;       /* all frames submitted */
    uint64_t place;               /* of the last batch submitted */
    bool has_ended;               /* the batches from now on say so */
    bool owes_output;             /* and that something was not given out */
    uint8_t component;            /* a byte of its digest; 0: 0xc0 */
    uint32_t batches_count;
    struct {
        uint64_t next_seq; /* behind the batch */
        size_t frames_end;
        theater_hash head;
        uint64_t place;
    } batches[WORK_BATCHES_MAX];
} work_actor;

/* An actor with this number as its id. To be freed with work_actor_free(). */
work_actor *work_actor_new(uint8_t number);
void work_actor_free(work_actor *actor);
/* Adds events to the next batch; the first one of all is genesis. payload_size: of each event. */
void work_add_events(work_actor *actor, unsigned count, size_t payload_size);
/* The batch of what was added (or of a standing alone), with nothing submitted yet. */
theater__batch work_batch(const work_actor *actor);
/* Submits it and remembers it; the status of the submit. */
theater_status work_submit(work_actor *actor, theater__store *store, theater__ticket *out_ticket,
                           theater_error *err);
/* Adds, submits, and expects that to be taken. Returns the ticket. */
theater__ticket work_step(work_actor *actor, theater__store *store, unsigned events,
                          size_t payload_size);
/* Goes back to having submitted only so many batches. */
void work_rewind(work_actor *actor, uint32_t batches_count);

/* Waits for one completion, as long as it takes (ctest ends a test that hangs). */
theater__store_completion work_wait(theater__store *store);
/* Waits for a batch's completion and expects it to be OK. */
void work_expect_durable(theater__store *store, theater__ticket ticket);
/* Reads everything from from_seq on and compares it with the model. */
void work_expect_read(theater__store *store, const work_actor *actor, uint64_t from_seq);

/* Opens with URL, expecting success. */
theater__store *work_open(const char *url);
/* A fresh directory of this test process, NUL-terminated; removed by work_remove(). */
char *work_directory(void);
void work_remove(char *directory);

#endif
