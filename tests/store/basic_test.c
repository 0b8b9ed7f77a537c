/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every store promises, for both kinds: batches in order, reads, fences, standings,
 * components, and for the log also that all of it is there after it was closed.
 */
#include "work.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct fixture {
    theater__store *store;
    char *directory; /* NULL: memory */
    char url[128];
} fixture;

static int set_up_memory(void **state)
{
    fixture *it = theater__alloc_zeroed(1, sizeof(*it));
    (void)snprintf(it->url, sizeof(it->url), "memory:");
    it->store = work_open(it->url);
    *state = it;
    return 0;
}

static int set_up_log(void **state)
{
    fixture *it = theater__alloc_zeroed(1, sizeof(*it));
    it->directory = work_directory();
    (void)snprintf(it->url, sizeof(it->url), "log:%s/store", it->directory);
    it->store = work_open(it->url);
    *state = it;
    return 0;
}

static int tear_down(void **state)
{
    fixture *it = *state;
    theater__store_close(it->store);
    if (it->directory != NULL) {
        work_remove(it->directory);
    }
    theater__free(it);
    return 0;
}

/* ---- both kinds ------------------------------------------------------------------------------ */

static void submit__completes_in_order(void **state)
{
    fixture *it = *state;
    work_actor *a = work_actor_new(1);
    work_actor *b = work_actor_new(2);
    theater__ticket tickets[40];
    for (unsigned i = 0; i < 40; i++) {
        tickets[i] = work_step(i % 3 == 0 ? b : a, it->store, 1 + i % 4, i * 20);
        assert_true(theater__store_inflight(it->store) > 0);
    }
    for (unsigned i = 0; i < 40; i++) {
        work_expect_durable(it->store, tickets[i]);
    }
    assert_int_equal(theater__store_inflight(it->store), 0);
    assert_null(theater__store_failure(it->store));
    theater__store_completion completion;
    assert_false(theater__store_poll(it->store, &completion));
    work_actor_free(a);
    work_actor_free(b);
}

static void submit__gives_userdata_back(void **state)
{
    fixture *it = *state;
    work_actor *actor = work_actor_new(1);
    work_add_events(actor, 1, 0);
    theater__batch batch = work_batch(actor);
    batch.userdata = actor;
    theater__ticket ticket = 0;
    uint64_t place = 0;
    assert_int_equal(theater__store_submit(it->store, &batch, &ticket, &place, NULL), THEATER_OK);
    theater__store_completion completion = work_wait(it->store);
    assert_ptr_equal(completion.userdata, actor);
    work_actor_free(actor);
}

static void read__from_any_event(void **state)
{
    fixture *it = *state;
    work_actor *a = work_actor_new(1);
    work_actor *b = work_actor_new(2);
    for (unsigned i = 0; i < 60; i++) {
        work_step(a, it->store, (i + 1) % 5, i % 7 == 0 ? 6000 : 100);
        work_step(b, it->store, 1, 300);
        if (i % 10 == 9) {
            /* In flight, or just written: both must answer. */
            work_expect_read(it->store, a, a->writer.next_seq - 2);
        }
    }
    for (uint64_t seq = 0; seq <= a->writer.next_seq + 1; seq++) {
        work_expect_read(it->store, a, seq);
    }
    work_expect_read(it->store, b, 0);
    work_actor_free(a);
    work_actor_free(b);
}

static void read__genesis_only(void **state)
{
    fixture *it = *state;
    work_actor *actor = work_actor_new(1);
    work_actor *other = work_actor_new(2);
    work_step(other, it->store, 2, 10);
    for (unsigned i = 0; i < 5; i++) {
        work_step(actor, it->store, 2, 10);
    }
    theater__read read = {.actor = actor->id, .place = actor->place, .genesis_only = true};
    theater__ticket ticket = 0;
    assert_int_equal(theater__store_read(it->store, &read, &ticket, NULL), THEATER_OK);
    theater__store_completion completion = work_wait(it->store);
    while (completion.type != THEATER__COMPLETED_READ) {
        completion = work_wait(it->store);
    }
    assert_int_equal(completion.status, THEATER_OK);
    assert_int_equal(completion.first_seq, 0);
    assert_int_equal(completion.frames.size, actor->batches[0].frames_end);
    assert_memory_equal(completion.frames.data, actor->frames.data, completion.frames.size);
    theater__store_completion_deinit(&completion);
    work_actor_free(actor);
    work_actor_free(other);
}

/* The first and the last of three reads come in their turn, behind a batch; the one between them is
 * taken. */
static void take_read__takes_that_one_alone(void **state)
{
    fixture *it = *state;
    work_actor *actor = work_actor_new(1);
    theater__ticket batch = work_step(actor, it->store, 3, 10);
    theater__read read = {
        .actor = actor->id, .place = actor->place, .genesis_only = true, .at_once = true};
    theater__ticket tickets[3];
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(theater__store_read(it->store, &read, &tickets[i], NULL), THEATER_OK);
    }
    theater__store_completion completion;
    for (size_t i = 3; i-- > 1;) {
        theater__store_take_read(it->store, tickets[i], &completion);
        assert_int_equal(completion.ticket, tickets[i]);
        assert_int_equal(completion.status, THEATER_OK);
        assert_int_equal(completion.frames.size, actor->frames.size);
        theater__store_completion_deinit(&completion);
    }
    theater__ticket again = 0;
    assert_int_equal(theater__store_read(it->store, &read, &again, NULL), THEATER_OK);
    bool has_seen[3] = {false};
    for (size_t i = 0; i < 3; i++) { /* the kinds differ in whether reads come ahead of batches */
        completion = work_wait(it->store);
        has_seen[0] = has_seen[0] || completion.ticket == batch;
        has_seen[1] = has_seen[1] || completion.ticket == tickets[0];
        has_seen[2] = has_seen[2] || completion.ticket == again;
        theater__store_completion_deinit(&completion);
    }
    assert_true(has_seen[0] && has_seen[1] && has_seen[2]);
    assert_false(theater__store_poll(it->store, &completion));
    work_actor_free(actor);
}

static void read__wrong_actor_or_place_is_corrupt(void **state)
{
    fixture *it = *state;
    work_actor *a = work_actor_new(1);
    work_actor *b = work_actor_new(2);
    work_expect_durable(it->store, work_step(a, it->store, 1, 10));
    work_expect_durable(it->store, work_step(b, it->store, 1, 10));
    const uint64_t places[] = {b->place, 0, UINT64_MAX, a->place + 1, a->place + 4096};
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        theater__read read = {.actor = a->id, .place = places[i]};
        theater__ticket ticket = 0;
        assert_int_equal(theater__store_read(it->store, &read, &ticket, NULL), THEATER_OK);
        theater__store_completion completion = work_wait(it->store);
        assert_int_equal(completion.status, THEATER_ERR_CORRUPT);
        assert_true(completion.error.message[0] != '\0');
        assert_null(completion.frames.data);
    }
    work_actor_free(a);
    work_actor_free(b);
}

static void submit__wrong_parent_is_fenced_and_so_is_what_follows(void **state)
{
    fixture *it = *state;
    work_actor *actor = work_actor_new(1);
    work_expect_durable(it->store, work_step(actor, it->store, 2, 10));
    work_add_events(actor, 1, 10);
    theater__batch batch = work_batch(actor);
    batch.parent.bytes[0] ^= 1;
    theater__ticket ticket = 0;
    uint64_t place = 0;
    assert_int_equal(theater__store_submit(it->store, &batch, &ticket, &place, NULL), THEATER_OK);
    batch.parent = batch.head;
    batch.first_seq++;
    batch.head.bytes[0] ^= 1;
    batch.previous_place = place;
    theater__ticket later = 0;
    assert_int_equal(theater__store_submit(it->store, &batch, &later, &place, NULL), THEATER_OK);
    theater__store_completion completion = work_wait(it->store);
    assert_int_equal(completion.ticket, ticket);
    assert_int_equal(completion.status, THEATER_ERR_FENCED);
    assert_true(completion.error.message[0] != '\0');
    completion = work_wait(it->store);
    assert_int_equal(completion.ticket, later);
    assert_int_equal(completion.status, THEATER_ERR_FENCED);
    /* The chain itself is as it was: the right batch still goes through. */
    theater__ticket right = 0;
    assert_int_equal(work_submit(actor, it->store, &right, NULL), THEATER_OK);
    work_expect_durable(it->store, right);
    work_expect_read(it->store, actor, 0);
    work_actor_free(actor);
}

static void submit__wrong_sequence_is_fenced(void **state)
{
    fixture *it = *state;
    work_actor *actor = work_actor_new(1);
    work_expect_durable(it->store, work_step(actor, it->store, 2, 10));
    work_add_events(actor, 1, 10);
    theater__batch batch = work_batch(actor);
    batch.first_seq++;
    theater__ticket ticket = 0;
    uint64_t place = 0;
    assert_int_equal(theater__store_submit(it->store, &batch, &ticket, &place, NULL), THEATER_OK);
    assert_int_equal(place, THEATER__PLACE_NONE);
    theater__store_completion completion = work_wait(it->store);
    assert_int_equal(completion.status, THEATER_ERR_FENCED);
    work_actor_free(actor);
}

static void submit__nonsense_is_invalid(void **state)
{
    fixture *it = *state;
    work_actor *actor = work_actor_new(1);
    work_add_events(actor, 1, 10);
    theater__ticket ticket = 77;
    uint64_t place = 77;
    theater__batch batch = work_batch(actor);
    batch.events_count = 0;
    assert_int_equal(theater__store_submit(it->store, &batch, &ticket, &place, NULL),
                     THEATER_ERR_INVALID);
    batch = work_batch(actor);
    batch.frames.size = 0;
    assert_int_equal(theater__store_submit(it->store, &batch, &ticket, &place, NULL),
                     THEATER_ERR_INVALID);
    batch = work_batch(actor);
    batch.standing.state = 0;
    assert_int_equal(theater__store_submit(it->store, &batch, &ticket, &place, NULL),
                     THEATER_ERR_INVALID);
    batch = work_batch(actor);
    batch.events_count = 0;
    batch.frames.size = 0;
    batch.head = batch.parent;
    assert_int_equal(theater__store_submit(it->store, &batch, &ticket, &place, NULL),
                     THEATER_ERR_INVALID);
    batch = work_batch(actor);
    batch.first_seq = UINT64_MAX;
    assert_int_equal(theater__store_submit(it->store, &batch, &ticket, &place, NULL),
                     THEATER_ERR_INVALID);
    assert_int_equal(ticket, 77);
    assert_int_equal(place, 77);
    assert_int_equal(theater__store_inflight(it->store), 0);
    work_actor_free(actor);
}

static void component__is_kept_by_digest(void **state)
{
    fixture *it = *state;
    static const char text[] = "(component)";
    theater_bytes bytes = {(const uint8_t *)text, strlen(text)};
    theater_hash digest = theater__sha256(bytes.data, bytes.size);
    theater__buffer got = {0};
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater__store_get_component(it->store, &digest, &got, &err),
                     THEATER_ERR_NOTFOUND);
    assert_int_equal(theater__store_put_component(it->store, &digest, bytes, &err), THEATER_OK);
    assert_int_equal(theater__store_put_component(it->store, &digest, bytes, &err), THEATER_OK);
    assert_int_equal(theater__store_get_component(it->store, &digest, &got, &err), THEATER_OK);
    assert_int_equal(got.size, bytes.size);
    assert_memory_equal(got.data, bytes.data, bytes.size);
    theater__buffer_deinit(&got);
}

/* Five records of 16 MiB are more than one read gives: the rest comes with the next one. */
static void read__long_chain_comes_in_steps(void **state)
{
    fixture *it = *state;
    work_actor *actor = work_actor_new(1);
    work_expect_durable(it->store, work_step(actor, it->store, 1, 10));
    for (unsigned i = 0; i < 5; i++) {
        work_expect_durable(it->store, work_step(actor, it->store, 4, ((size_t)4 << 20) - 64));
    }
    uint64_t from_seq = 0;
    size_t got = 0;
    unsigned steps = 0;
    while (got < actor->frames.size) {
        theater__read read = {.actor = actor->id, .place = actor->place, .from_seq = from_seq};
        theater__ticket ticket = 0;
        assert_int_equal(theater__store_read(it->store, &read, &ticket, NULL), THEATER_OK);
        theater__store_completion completion = work_wait(it->store);
        assert_int_equal(completion.status, THEATER_OK);
        assert_int_equal(completion.first_seq, from_seq);
        assert_true(completion.frames.size > 0);
        assert_true(completion.frames.size <= THEATER__STORE_READ_BYTES_MAX);
        assert_memory_equal(completion.frames.data, actor->frames.data + got,
                            completion.frames.size);
        got += completion.frames.size;
        for (uint32_t i = 0; i < actor->batches_count; i++) {
            if (actor->batches[i].frames_end == got) {
                from_seq = actor->batches[i].next_seq;
            }
        }
        theater__store_completion_deinit(&completion);
        steps++;
    }
    assert_int_equal(got, actor->frames.size);
    assert_int_equal(steps, 2);

    /* A replay needs all of it, and asks for all of it. */
    theater__read all = {.actor = actor->id, .place = actor->place, .whole = true};
    theater__ticket ticket = 0;
    assert_int_equal(theater__store_read(it->store, &all, &ticket, NULL), THEATER_OK);
    theater__store_completion completion = work_wait(it->store);
    assert_int_equal(completion.status, THEATER_OK);
    assert_int_equal(completion.first_seq, 0);
    assert_int_equal(completion.frames.size, actor->frames.size);
    assert_memory_equal(completion.frames.data, actor->frames.data, actor->frames.size);
    theater__store_completion_deinit(&completion);
    work_actor_free(actor);
}

static void submit__beyond_the_bytes_in_flight_is_a_limit(void **state)
{
    fixture *it = *state;
    work_actor *actor = work_actor_new(1);
    work_add_events(actor, 1, 10);
    theater__batch batch = work_batch(actor);
    /* Refused by its size alone, before a byte of it is looked at. */
    batch.frames.size = THEATER__STORE_INFLIGHT_MAX + 1;
    theater__ticket ticket = 0;
    uint64_t place = 0;
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater__store_submit(it->store, &batch, &ticket, &place, &err),
                     THEATER_ERR_LIMIT);
    assert_non_null(strstr(err.message, "STORE_INFLIGHT_MAX"));
    theater__store_completion completion;
    assert_false(theater__store_poll(it->store, &completion));
    work_actor_free(actor);
}

/* ---- memory only ----------------------------------------------------------------------------- */

static void memory__names_its_level_and_url(void **state)
{
    fixture *it = *state;
    assert_string_equal(theater__store_level(it->store), "memory");
    assert_string_equal(theater__store_url(it->store), "memory:");
    assert_int_equal(theater__store_fd(it->store), -1);
    theater__recovered recovered;
    assert_int_equal(theater__store_recover_next(it->store, &recovered, NULL),
                     THEATER_ERR_NOTFOUND);
}

/* ---- log only -------------------------------------------------------------------------------- */

static void log__names_its_level_and_url(void **state)
{
    fixture *it = *state;
    assert_string_equal(theater__store_level(it->store), "durable");
    assert_string_equal(theater__store_url(it->store), it->url);
    assert_true(theater__store_fd(it->store) >= 0);
}

static void log__reopened_gives_all_actors_where_they_stood(void **state)
{
    fixture *it = *state;
    enum {
        actors_count = 50
    };
    work_actor *actors[actors_count];
    for (unsigned i = 0; i < actors_count; i++) {
        actors[i] = work_actor_new((uint8_t)i);
    }
    for (unsigned i = 0; i < 400; i++) {
        work_actor *actor = actors[i * i % actors_count];
        work_step(actor, it->store, actor->batches_count == 0 ? 1 : i % 3, 50);
    }
    /* Closing waits for what is in flight. */
    theater__store_close(it->store);
    it->store = work_open(it->url);
    theater__recovered recovered;
    unsigned found = 0;
    while (theater__store_recover_next(it->store, &recovered, NULL) == THEATER_OK) {
        const work_actor *actor = actors[recovered.actor.bytes[15]];
        theater__batch last = work_batch(actor);
        assert_int_equal(recovered.next_seq, actor->writer.next_seq);
        assert_memory_equal(&recovered.head, &actor->writer.head, sizeof(recovered.head));
        assert_int_equal(recovered.place, actor->place);
        assert_int_equal(recovered.standing.state, THEATER__STATE_ASLEEP);
        assert_int_equal(recovered.standing.delivered_seq, last.standing.delivered_seq - 1);
        assert_int_equal(recovered.standing.duration_ms, last.standing.duration_ms + 1);
        assert_memory_equal(recovered.standing.boot, last.standing.boot, 16);
        found++;
    }
    unsigned expected = 0;
    for (unsigned i = 0; i < actors_count; i++) {
        expected += actors[i]->batches_count > 0;
    }
    assert_int_equal(found, expected);
    assert_true(found > 10);
    for (unsigned i = 0; i < actors_count; i++) {
        if (actors[i]->batches_count > 0) {
            work_step(actors[i], it->store, 2, 400);
            work_expect_read(it->store, actors[i], 0);
        }
        work_actor_free(actors[i]);
    }
}

static void log__descriptor_is_readable_when_poll_has_something(void **state)
{
    fixture *it = *state;
    work_actor *actor = work_actor_new(1);
    for (unsigned i = 0; i < 200; i++) {
        work_step(actor, it->store, 1, 10);
        if (i % 3 == 0) {
            work_expect_read(it->store, actor, 0);
        }
        theater__store_completion completion = work_wait(it->store);
        theater__store_completion_deinit(&completion);
        while (theater__store_poll(it->store, &completion)) {
            theater__store_completion_deinit(&completion);
        }
    }
    while (theater__store_inflight(it->store) > 0) {
        theater__store_completion completion = work_wait(it->store);
        theater__store_completion_deinit(&completion);
    }
    work_actor_free(actor);
}

static void log__damaged_component_is_noticed_and_replaced(void **state)
{
    fixture *it = *state;
    static const char text[] = "(component)";
    theater_bytes bytes = {(const uint8_t *)text, strlen(text)};
    theater_hash digest = theater__sha256(bytes.data, bytes.size);
    assert_int_equal(theater__store_put_component(it->store, &digest, bytes, NULL), THEATER_OK);
    char hex[THEATER_HASH_TEXT_SIZE];
    char path[512];
    theater_hash_format(&digest, hex);
    (void)snprintf(path, sizeof(path), "%s/components/%s.wasm", it->url + 4, hex);
    assert_int_equal(truncate(path, 3), 0);
    theater__buffer got = {0};
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater__store_get_component(it->store, &digest, &got, &err),
                     THEATER_ERR_CORRUPT);
    assert_non_null(strstr(err.message, "damaged"));
    assert_int_equal(theater__store_put_component(it->store, &digest, bytes, NULL), THEATER_OK);
    assert_int_equal(theater__store_get_component(it->store, &digest, &got, &err), THEATER_OK);
    theater__buffer_deinit(&got);
}

/* ---- URLs ------------------------------------------------------------------------------------ */

static void url__unknown_ones_are_refused_with_what_to_do(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        theater_status status;
        const char *says;
    } cases[] = {
        {NULL, THEATER_ERR_INVALID, "use log:DIR"},
        {"", THEATER_ERR_INVALID, "use log:DIR"},
        {"log:", THEATER_ERR_INVALID, "names no directory"},
        {"memory:x", THEATER_ERR_INVALID, "nothing may stand behind"},
        {"lgo:/tmp/x", THEATER_ERR_INVALID, "'lgo:/tmp/x'"},
        {"postgres://x", THEATER_ERR_UNSUPPORTED, "PostgreSQL"},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        theater__store_options options = {.url = cases[i].url};
        theater__store *store = NULL;
        theater_error err = THEATER_ERROR_INIT;
        assert_int_equal(theater__store_open(&options, &store, &err), cases[i].status);
        assert_non_null(strstr(err.message, cases[i].says));
        assert_null(store);
    }
}

#define BOTH(test)                                             \
    {#test " (memory)", test, set_up_memory, tear_down, NULL}, \
    {                                                          \
#test " (log)", test, set_up_log, tear_down, NULL      \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(submit__completes_in_order),
        BOTH(submit__gives_userdata_back),
        BOTH(read__from_any_event),
        BOTH(read__genesis_only),
        BOTH(take_read__takes_that_one_alone),
        BOTH(read__wrong_actor_or_place_is_corrupt),
        BOTH(submit__wrong_parent_is_fenced_and_so_is_what_follows),
        BOTH(submit__wrong_sequence_is_fenced),
        BOTH(submit__nonsense_is_invalid),
        BOTH(read__long_chain_comes_in_steps),
        BOTH(submit__beyond_the_bytes_in_flight_is_a_limit),
        BOTH(component__is_kept_by_digest),
        cmocka_unit_test_setup_teardown(memory__names_its_level_and_url, set_up_memory, tear_down),
        cmocka_unit_test_setup_teardown(log__names_its_level_and_url, set_up_log, tear_down),
        cmocka_unit_test_setup_teardown(log__reopened_gives_all_actors_where_they_stood, set_up_log,
                                        tear_down),
        cmocka_unit_test_setup_teardown(log__descriptor_is_readable_when_poll_has_something,
                                        set_up_log, tear_down),
        cmocka_unit_test_setup_teardown(log__damaged_component_is_noticed_and_replaced, set_up_log,
                                        tear_down),
        cmocka_unit_test(url__unknown_ones_are_refused_with_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
