/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See world.h. After each start:
 *
 * - what was recovered is a prefix of what was submitted, over all actors together;
 * - it holds every batch whose completion said OK, and none that had to be fenced;
 * - every chain in it reads back byte for byte.
 */
#include "world.h"

#include "canary.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* States of one moment: more would be a trace that is not short. */
#define CHOICES_MAX 65536u

theater_status open_world(world *it, theater_error *err)
{
    theater__store_options options = {.url = "log:" DIRECTORY};
    theater__logstore_options all = {
        .store = &options,
        .directory = DIRECTORY,
        .io = simdisk_io(it->disk),
        .segment_size = SEGMENT_SIZE,
        .threadless = true,
    };
    return theater__logstore_open_with(&all, &it->store, err);
}

void begin_world(world *it, uint64_t seed)
{
    memset(it, 0, sizeof(*it));
    the_canary.fixed_random = true;
    the_canary.random = seed;
    it->disk = simdisk_new(seed);
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        it->actors[i] = work_actor_new((uint8_t)i);
    }
}

void end_world(world *it)
{
    theater__store_close(it->store);
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        work_actor_free(it->actors[i]);
    }
    simdisk_free(it->disk);
    the_canary.fixed_random = false;
}

/* ---- work ------------------------------------------------------------------------------------ */

bool submit_batch(world *it, unsigned number, unsigned events, size_t payload_size)
{
    work_actor *actor = it->actors[number];
    work_add_events(actor, events, payload_size);
    theater__ticket ticket = 0;
    if (work_submit(actor, it->store, &ticket, NULL) != THEATER_OK) {
        return false;
    }
    assert_true(it->submissions_count < SUBMISSIONS_MAX);
    it->submissions[it->submissions_count].actor = (uint8_t)number;
    it->submissions[it->submissions_count].batch = actor->batches_count;
    it->submissions[it->submissions_count].ticket = ticket;
    it->submissions[it->submissions_count].done = false;
    it->submissions_count++;
    return true;
}

void submit_some(world *it)
{
    unsigned number = (unsigned)simdisk_random(it->disk, ACTORS_COUNT);
    unsigned events = (unsigned)simdisk_random(it->disk, 4);
    (void)submit_batch(it, number, events, simdisk_random(it->disk, 6) == 0 ? 3000 : 40);
}

/* A writer that stands elsewhere than its actor does: behind, ahead, or at another's record. */
static void submit_stale(world *it)
{
    unsigned number = (unsigned)simdisk_random(it->disk, ACTORS_COUNT);
    const work_actor *actor = it->actors[number];
    if (actor->batches_count == 0 || it->stale_ticket != 0) {
        return;
    }
    theater__batch batch = work_batch(actor);
    batch.events_count = 0;
    batch.frames = (theater_bytes){NULL, 0};
    switch (simdisk_random(it->disk, 3)) {
    case 0:
        batch.parent.bytes[simdisk_random(it->disk, sizeof(batch.parent.bytes))] ^= 1;
        break;
    case 1:
        batch.first_seq++;
        break;
    default:
        batch.actor.bytes[15] ^= 1;
        break;
    }
    batch.head = batch.parent;
    uint64_t place = 0;
    the_canary.stale = &batch;
    if (theater__store_submit(it->store, &batch, &it->stale_ticket, &place, NULL) != THEATER_OK) {
        it->stale_ticket = 0; /* the store has stopped, or the power is off */
    }
    the_canary.stale = NULL;
}

/* The completion of a stale batch, which does not stand in the order of the others. */
static bool is_stale(world *it, const theater__store_completion *completion)
{
    if (it->stale_ticket == 0 || completion->ticket != it->stale_ticket) {
        return false;
    }
    it->stale_ticket = 0;
    if (completion->status != THEATER_ERR_FENCED) {
        it->violation = "a batch was taken that does not follow its actor's last one";
    }
    return true;
}

void poll_all(world *it)
{
    theater__store_completion completion;
    while (theater__store_poll(it->store, &completion)) {
        if (is_stale(it, &completion)) {
            continue;
        }
        unsigned i = 0;
        while (i < it->submissions_count && it->submissions[i].done) {
            i++;
        }
        if (i == it->submissions_count || it->submissions[i].ticket != completion.ticket) {
            it->violation = "a completion out of order, or one too many";
            return;
        }
        it->submissions[i].done = true;
        if (completion.status == THEATER_OK) {
            it->acknowledged[it->submissions[i].actor] = it->submissions[i].batch;
        } else if (theater__store_failure(it->store) == NULL) {
            it->violation = "a failed batch in a store that has not stopped";
        }
        theater__store_completion_deinit(&completion);
    }
}

static void work_a_while(world *it)
{
    uint64_t steps = 1 + simdisk_random(it->disk, 24);
    for (uint64_t i = 0; i < steps; i++) {
        submit_some(it);
        if (simdisk_random(it->disk, 12) == 0) {
            submit_stale(it);
        }
        if (simdisk_random(it->disk, 3) == 0) {
            poll_all(it);
        }
        if (simdisk_random(it->disk, 8) == 0) {
            theater__logstore_commit_close((theater__logstore *)it->store);
        }
    }
    if (simdisk_random(it->disk, 2) == 0) {
        poll_all(it);
    }
}

/* ---- checking -------------------------------------------------------------------------------- */

/* How many batches of each actor were recovered. */
static void recover_counts(world *it, uint32_t counts[ACTORS_COUNT])
{
    memset(counts, 0, ACTORS_COUNT * sizeof(counts[0]));
    theater__recovered recovered;
    while (theater__store_recover_next(it->store, &recovered, NULL) == THEATER_OK) {
        unsigned number = recovered.actor.bytes[15];
        if (number >= ACTORS_COUNT) {
            it->violation = "an actor that was never there";
            return;
        }
        const work_actor *actor = it->actors[number];
        uint32_t count = 0;
        for (uint32_t i = 1; i <= actor->batches_count; i++) {
            if (actor->batches[i - 1].place == recovered.place &&
                actor->batches[i - 1].next_seq == recovered.next_seq &&
                memcmp(&actor->batches[i - 1].head, &recovered.head, sizeof(theater_hash)) == 0 &&
                recovered.standing.delivered_seq == i - 1) {
                count = i;
            }
        }
        if (count == 0) {
            it->violation = "an actor stands where it never stood";
            return;
        }
        counts[number] = count;
    }
}

bool world_reads_back(world *it, const work_actor *actor)
{
    theater__read read = {.actor = actor->id, .place = actor->place};
    theater__ticket ticket = 0;
    theater__store_completion completion;
    if (theater__store_read(it->store, &read, &ticket, NULL) != THEATER_OK ||
        !theater__store_poll(it->store, &completion)) {
        return false;
    }
    bool same = completion.status == THEATER_OK && completion.frames.size == actor->frames.size &&
                (actor->frames.size == 0 ||
                 memcmp(completion.frames.data, actor->frames.data, actor->frames.size) == 0);
    bool told = it->has_flip && completion.status == THEATER_ERR_CORRUPT;
    theater__store_completion_deinit(&completion);
    return same || told;
}

static void check_chains(world *it)
{
    for (unsigned i = 0; i < ACTORS_COUNT && it->violation == NULL; i++) {
        if (it->actors[i]->batches_count > 0 && !world_reads_back(it, it->actors[i])) {
            it->violation = "a chain that does not read back as it was written";
        }
    }
}

/* Compares what a start has found with the model, and takes the model back to it. */
static void check_start(world *it)
{
    uint32_t counts[ACTORS_COUNT];
    recover_counts(it, counts);
    bool gone = false;
    for (unsigned i = 0; i < it->submissions_count && it->violation == NULL; i++) {
        bool there = it->submissions[i].batch <= counts[it->submissions[i].actor];
        if (there && gone) {
            it->violation = "not a prefix: a later batch is there and an earlier one is not";
        }
        gone = gone || !there;
    }
    for (unsigned i = 0; i < ACTORS_COUNT && it->violation == NULL; i++) {
        if (counts[i] < it->acknowledged[i]) {
            it->violation = "an acknowledged batch is lost";
            return;
        }
        work_rewind(it->actors[i], counts[i]);
        it->acknowledged[i] = counts[i];
    }
    it->submissions_count = 0;
    it->stale_ticket = 0;
    if (it->violation == NULL) {
        check_chains(it);
    }
}

theater_status open_and_check(world *it, theater_error *err)
{
    theater_status status = open_world(it, err);
    if (status == THEATER_OK) {
        simdisk_power_off_at(it->disk, 0);
        check_start(it);
    }
    return status;
}

void start_world(world *it)
{
    theater_error err = THEATER_ERROR_INIT;
    for (unsigned attempt = 0; attempt < 4; attempt++) {
        simdisk_set_capacity(it->disk, 0); /* someone has made space */
        if (attempt < 3 && simdisk_random(it->disk, 3) == 0) {
            simdisk_power_off_at(it->disk, 1 + simdisk_random(it->disk, 12));
        }
        memset(&err, 0, sizeof(err));
        if (open_and_check(it, &err) == THEATER_OK) {
            return;
        }
        if (it->has_flip && err.status == THEATER_ERR_CORRUPT) {
            return; /* told, and located: what a flipped bit may cost */
        }
        if (err.status == THEATER_ERR_CORRUPT) {
            break;
        }
        simdisk_crash(it->disk);
    }
    it->open_error = err;
    it->violation = "the store could not be opened after a crash";
}

/* ---- cases ----------------------------------------------------------------------------------- */

static void begin_harm(world *it, world_harm harm)
{
    simdisk_fail_at(it->disk, SIMDISK_ANY, 0, 0);
    switch (harm) {
    case HARM_SYNC_FAILS:
        simdisk_fail_at(it->disk, SIMDISK_SYNC, 1 + simdisk_random(it->disk, 20), EIO);
        break;
    case HARM_WRITE_FAILS:
        simdisk_fail_at(it->disk, SIMDISK_WRITE, 1 + simdisk_random(it->disk, 20), ENOSPC);
        break;
    case HARM_DISK_FILLS:
        simdisk_set_capacity(it->disk, simdisk_used(it->disk) + simdisk_random(it->disk, 12000));
        break;
    case HARM_NONE:
    case HARM_BIT_FLIPS:
    case HARM_COUNT:
        break;
    }
}

/* A clean end, then a bit that flips where nothing is being written. */
static void flip_and_look(world *it)
{
    poll_all(it);
    theater__store_close(it->store);
    it->store = NULL;
    simdisk_power_off_at(it->disk, 0);
    simdisk_crash(it->disk);
    if (it->violation == NULL && it->is_clean && simdisk_flip(it->disk)) {
        it->has_flip = true;
    }
    start_world(it);
}

static void end_session(world *it)
{
    if (simdisk_random(it->disk, 3) != 0) {
        /* No time for a proper end: the write that is going on gets through in part at most. */
        simdisk_power_off_at(it->disk, 1);
    }
    theater__store_close(it->store);
    it->store = NULL;
    if (simdisk_random(it->disk, 4) == 0) {
        simdisk_kill(it->disk);
    } else {
        simdisk_crash(it->disk);
    }
}

world_case world_case_of(uint64_t seed)
{
    world_case what = {.seed = seed, .harm = (world_harm)(seed % HARM_COUNT)};
    return what;
}

world_verdict run_case(const world_case *what)
{
    static world it; /* large */
    begin_world(&it, what->seed);
    simdisk_short_calls(it.disk, what->seed % 2 == 0);
    simdisk_set_lie(it.disk, what->lie);
    world_verdict verdict = {.crashes = 2 + simdisk_random(it.disk, 3)};
    start_world(&it);
    for (uint64_t i = 0; i < verdict.crashes && it.violation == NULL; i++) {
        begin_harm(&it, what->harm);
        if (simdisk_random(it.disk, 4) != 0) {
            simdisk_power_off_at(it.disk, 1 + simdisk_random(it.disk, 40));
        }
        work_a_while(&it);
        end_session(&it);
        simdisk_fail_at(it.disk, SIMDISK_ANY, 0, 0);
        if (it.violation == NULL) {
            start_world(&it);
        }
    }
    if (what->harm == HARM_BIT_FLIPS && it.violation == NULL) {
        work_a_while(&it);
        it.is_clean = theater__store_failure(it.store) == NULL;
        flip_and_look(&it);
    }
    verdict.violation = it.violation;
    (void)snprintf(verdict.detail, sizeof(verdict.detail), "%s", it.open_error.message);
    verdict.fingerprint = simdisk_fingerprint(it.disk);
    end_world(&it);
    return verdict;
}

void print_verdict(const world_case *what, const world_verdict *verdict)
{
    print_message("seed %llu, harm %d: %s %s\n", (unsigned long long)what->seed, (int)what->harm,
                  verdict->violation != NULL ? verdict->violation : "all promises kept",
                  verdict->detail);
}

/* ---- cuts ------------------------------------------------------------------------------------ */

void world_power_off(world *it, world_cut *cut)
{
    cut->reached = simdisk_operations(it->disk) >= cut->at;
    theater__store_close(it->store);
    it->store = NULL;
    simdisk_crash_chosen(it->disk, cut->names, cut->choice, &cut->names_count, &cut->choices_count);
    assert_true(cut->choices_count <= CHOICES_MAX);
}

bool world_next_state(world_cut *cut)
{
    cut->choice++;
    if (cut->choice < cut->choices_count) {
        return true;
    }
    cut->choice = 0;
    cut->names++;
    if (cut->names <= cut->names_count) {
        return true;
    }
    cut->names = 0;
    cut->at++;
    return cut->reached;
}
