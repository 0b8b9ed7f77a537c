/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See work.h. The events are made with fixed times and contents, so the same calls give the same
 * bytes everywhere; only store ids differ from run to run.
 */
#include "work.h"

#include <base/value.h>
#include <chain/payload.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

work_actor *work_actor_new(uint8_t number)
{
    static const theater_hash none = {{0}};
    work_actor *actor = theater__alloc_zeroed(1, sizeof(*actor));
    assert_non_null(actor);
    /* Ids that differ in one byte only are the harder case for telling damaged records apart. */
    memset(actor->id.bytes, 0xa5, sizeof(actor->id.bytes));
    actor->id.bytes[15] = number;
    theater__chain_writer_init(&actor->writer, &none, 0);
    actor->place = THEATER__PLACE_NONE;
    return actor;
}

void work_actor_free(work_actor *actor)
{
    if (actor == NULL) {
        return;
    }
    theater__chain_writer_deinit(&actor->writer);
    theater__buffer_deinit(&actor->frames);
    theater__free(actor);
}

static theater_text text_of(const char *text)
{
    theater_text of = {text, strlen(text)};
    return of;
}

static void encode_genesis(const work_actor *actor, theater__buffer *payload)
{
    theater__genesis *genesis = theater__alloc_zeroed(1, sizeof(*genesis));
    assert_non_null(genesis);
    theater_limits limits = THEATER_LIMITS_INIT;
    genesis->actor = actor->id;
    memset(genesis->component.bytes, actor->component != 0 ? actor->component : 0xc0,
           sizeof(genesis->component.bytes));
    memset(genesis->nonce, actor->id.bytes[15], sizeof(genesis->nonce));
    genesis->semantics = text_of("nan-canonical");
    genesis->engine = text_of("wasmtime 48.0.0");
    genesis->limits = limits;
    theater__genesis_encode(payload, genesis);
    theater__free(genesis);
}

static void encode_note(uint64_t seq, size_t size, theater__buffer *payload)
{
    char *text = theater__alloc(size + 32);
    assert_non_null(text);
    int used = snprintf(text, size + 32, "note %llu ", (unsigned long long)seq);
    assert_true(used > 0);
    for (size_t i = (size_t)used; i < size; i++) {
        text[i] = (char)('a' + (i + seq) % 26);
    }
    size_t length = size > (size_t)used ? size : (size_t)used;
    theater__ambient note = {.first = {text, length}};
    theater__ambient_encode(payload, &note);
    theater__free(text);
}

void work_add_events(work_actor *actor, unsigned count, size_t payload_size)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t seq = actor->writer.next_seq;
        theater__buffer payload = {0};
        if (seq == 0) {
            encode_genesis(actor, &payload);
        } else {
            encode_note(seq, payload_size, &payload);
        }
        static const uint8_t salt[THEATER__SALT_SIZE] = {1, 2, 3};
        theater__event_draft draft = {
            .event_class = seq == 0 ? THEATER_EVENT_GENESIS : THEATER_EVENT_AMBIENT,
            .kind = seq == 0 ? THEATER_KIND_GENESIS : THEATER_KIND_NOTE,
            .wall = {1763884800000u + seq},
            .payload = {payload.data, payload.size},
            .salt = salt,
        };
        theater_error err = THEATER_ERROR_INIT;
        assert_false(payload.failed);
        assert_int_equal(theater__chain_append(&actor->writer, &draft, &err), THEATER_OK);
        theater__buffer_deinit(&payload);
    }
}

theater__batch work_batch(const work_actor *actor)
{
    theater__batch batch = {
        .actor = actor->id,
        .head = actor->writer.head,
        .events_count = actor->writer.frames_count,
        .frames = {actor->writer.frames.data, actor->writer.frames.size},
        .previous_place = actor->place,
    };
    if (actor->batches_count > 0) {
        batch.parent = actor->batches[actor->batches_count - 1].head;
        batch.first_seq = actor->batches[actor->batches_count - 1].next_seq;
    }
    batch.standing.state = THEATER__STATE_ASLEEP;
    batch.standing.wait_kind = THEATER__WAIT_ELAPSED;
    batch.standing.delivered_seq = actor->batches_count;
    batch.standing.duration_ms = UINT64_MAX - actor->batches_count;
    memset(batch.standing.boot, 0x42, sizeof(batch.standing.boot));
    if (actor->has_ended) {
        batch.standing.state = THEATER__STATE_ENDED;
        batch.standing.wait_kind = 0;
    }
    batch.standing.output_seq = actor->owes_output ? actor->batches_count + 1 : 0;
    return batch;
}

theater_status work_submit(work_actor *actor, theater__store *store, theater__ticket *out_ticket,
                           theater_error *err)
{
    theater__batch batch = work_batch(actor);
    uint64_t place = 0;
    theater_status status = theater__store_submit(store, &batch, out_ticket, &place, err);
    if (status != THEATER_OK) {
        return status;
    }
    assert_true(actor->batches_count < WORK_BATCHES_MAX);
    theater__buffer_put(&actor->frames, batch.frames.data, batch.frames.size);
    actor->place = place;
    actor->batches[actor->batches_count].next_seq = actor->writer.next_seq;
    actor->batches[actor->batches_count].frames_end = actor->frames.size;
    actor->batches[actor->batches_count].head = actor->writer.head;
    actor->batches[actor->batches_count].place = place;
    actor->batches_count++;
    theater__buffer_clear(&actor->writer.frames);
    actor->writer.frames_count = 0;
    return THEATER_OK;
}

theater__ticket work_step(work_actor *actor, theater__store *store, unsigned events,
                          size_t payload_size)
{
    theater__ticket ticket = 0;
    theater_error err = THEATER_ERROR_INIT;
    work_add_events(actor, events, payload_size);
    theater_status status = work_submit(actor, store, &ticket, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(status, THEATER_OK);
    return ticket;
}

void work_rewind(work_actor *actor, uint32_t batches_count)
{
    static const theater_hash none = {{0}};
    assert_true(batches_count <= actor->batches_count);
    theater__chain_writer_deinit(&actor->writer);
    if (batches_count == 0) {
        theater__chain_writer_init(&actor->writer, &none, 0);
        actor->frames.size = 0;
        actor->place = THEATER__PLACE_NONE;
    } else {
        theater__chain_writer_init(&actor->writer, &actor->batches[batches_count - 1].head,
                                   actor->batches[batches_count - 1].next_seq);
        actor->frames.size = actor->batches[batches_count - 1].frames_end;
        actor->place = actor->batches[batches_count - 1].place;
    }
    actor->batches_count = batches_count;
}

/* ---- waiting --------------------------------------------------------------------------------- */

theater__store_completion work_wait(theater__store *store)
{
    theater__store_completion completion;
    while (!theater__store_poll(store, &completion)) {
        int fd = theater__store_fd(store);
        assert_true(fd >= 0);
        struct pollfd wanted = {.fd = fd, .events = POLLIN};
        /* A disk under load may take seconds; half a minute without an answer is a hang. */
        assert_int_equal(poll(&wanted, 1, 30000), 1);
    }
    return completion;
}

void work_expect_durable(theater__store *store, theater__ticket ticket)
{
    theater__store_completion completion = work_wait(store);
    assert_string_equal(completion.error.message, "");
    assert_int_equal(completion.status, THEATER_OK);
    assert_int_equal(completion.type, THEATER__COMPLETED_BATCH);
    assert_int_equal(completion.ticket, ticket);
    theater__store_completion_deinit(&completion);
}

void work_expect_read(theater__store *store, const work_actor *actor, uint64_t from_seq)
{
    theater__read read = {.actor = actor->id, .place = actor->place, .from_seq = from_seq};
    theater__ticket ticket = 0;
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater__store_read(store, &read, &ticket, &err), THEATER_OK);
    theater__store_completion completion = work_wait(store);
    while (completion.type != THEATER__COMPLETED_READ) {
        theater__store_completion_deinit(&completion);
        completion = work_wait(store);
    }
    assert_int_equal(completion.ticket, ticket);
    assert_string_equal(completion.error.message, "");
    assert_int_equal(completion.status, THEATER_OK);
    uint32_t i = 0;
    while (i < actor->batches_count && actor->batches[i].next_seq <= from_seq) {
        i++;
    }
    static const theater_hash none = {{0}};
    size_t begin = i == 0 ? 0 : actor->batches[i - 1].frames_end;
    assert_int_equal(completion.first_seq, i == 0 ? 0 : actor->batches[i - 1].next_seq);
    assert_memory_equal(&completion.parent, i == 0 ? &none : &actor->batches[i - 1].head,
                        sizeof(none));
    assert_int_equal(completion.frames.size, actor->frames.size - begin);
    if (completion.frames.size > 0) {
        assert_memory_equal(completion.frames.data, actor->frames.data + begin,
                            completion.frames.size);
    }
    theater__store_completion_deinit(&completion);
}

/* ---- stores and directories ------------------------------------------------------------------ */

theater__store *work_open(const char *url)
{
    theater__store_options options = {.url = url};
    theater__store *store = NULL;
    theater_error err = THEATER_ERROR_INIT;
    theater_status status = theater__store_open(&options, &store, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(status, THEATER_OK);
    assert_non_null(store);
    return store;
}

char *work_directory(void)
{
    /* In memory if it can be: what these tests ask of a disk is not how fast it syncs. */
    static const char *const templates[] = {"/dev/shm/theater-store-XXXXXX",
                                            "/tmp/theater-store-XXXXXX"};
    for (unsigned i = 0; i < 2; i++) {
        char *directory = theater__strndup(templates[i], strlen(templates[i]));
        assert_non_null(directory);
        if (mkdtemp(directory) != NULL) {
            return directory;
        }
        theater__free(directory);
    }
    fail_msg("no directory for temporary files");
    return NULL;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

void work_remove(char *directory)
{
    /* Sixteen descriptors at once are more than these trees are deep. */
    assert_int_equal(nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    theater__free(directory);
}
