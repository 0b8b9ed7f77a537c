/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Residency is a cache: with room for one instance or for all, in one run or interrupted between
 * any two turns, the chains are the same to the byte.
 */
#include "harness.h"
#include "internal.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <base/alloc.h>

#define ACTORS_COUNT 12u

/* Nothing is in the page cache then: the linker puts this under the store. */
static bool is_cold;
ssize_t __real_preadv2(int fd, const struct iovec *into, int count, off_t offset, int flags);
ssize_t __wrap_preadv2(int fd, const struct iovec *into, int count, off_t offset, int flags);
ssize_t __wrap_preadv2(int fd, const struct iovec *into, int count, off_t offset, int flags)
{
    if (is_cold) {
        errno = EAGAIN;
        return -1;
    }
    return __real_preadv2(fd, into, count, offset, flags);
}

/* Whoever waits for the disk stands here while the gate is closed; the test itself does not. */
static atomic_bool is_gate_closed;
static atomic_uint standing_count;
ssize_t __real_pread(int fd, void *data, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *data, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *data, size_t size, off_t offset)
{
    bool is_test = gettid() == getpid();
    standing_count += !is_test;
    while (is_gate_closed && !is_test) {
        (void)poll(NULL, 0, 1);
    }
    return __real_pread(fd, data, size, offset);
}

typedef struct text {
    char *data;
    size_t size;
} text;

static int append_text(const void *data, size_t size, void *userdata)
{
    text *t = userdata;
    t->data = realloc(t->data, t->size + size + 1);
    assert_non_null(t->data);
    memcpy(t->data + t->size, data, size);
    t->size += size;
    t->data[t->size] = '\0';
    return 0;
}

static theater_host_options virtual_options(uint32_t live_max)
{
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    options.clock = THEATER_CLOCK_VIRTUAL;
    options.seed = 7;
    options.live_max = live_max;
    return options;
}

static theater_host_stats stats_of(const harness *h)
{
    theater_host_stats stats = {.struct_size = sizeof(stats)};
    theater_host_stats_get(h->host, &stats);
    return stats;
}

/* All chains of the run in one text. */
static text run_all(uint32_t live_max, uint64_t *out_evictions)
{
    harness h;
    theater_host_options options = virtual_options(live_max);
    harness_open(&h, &options, true);
    theater_actor_component *talker = harness_load(&h, GUESTS, "attacks.wat");
    theater_id ids[ACTORS_COUNT];
    for (size_t i = 0; i < ACTORS_COUNT; i++) {
        char args[32];
        snprintf(args, sizeof(args), "[%zu]", 1000 + i * 37);
        ids[i] = harness_spawn(&h, talker, "talk", args, NULL);
    }
    harness_run(&h);
    assert_int_equal(h.ends_count, ACTORS_COUNT);
    assert_int_equal(strlen(h.log), ACTORS_COUNT * 4);
    *out_evictions = stats_of(&h).evictions;
    text all = {NULL, 0};
    for (size_t i = 0; i < ACTORS_COUNT; i++) {
        theater_error err = THEATER_ERROR_INIT;
        theater_chain *chain = NULL;
        assert_int_equal(theater_chain_open_store(h.directory, ids[i], &chain, &err), THEATER_OK);
        assert_int_equal(theater_chain_export(chain, THEATER_CHAIN_JSONL, append_text, &all, &err),
                         THEATER_OK);
        theater_chain_free(chain);
    }
    harness_close(&h);
    return all;
}

static void residency__is_never_visible_in_a_chain(void **state)
{
    (void)state;
    uint64_t evictions_one = 0;
    uint64_t evictions_all = 0;
    uint64_t evictions_cold = 0;
    text one = run_all(1, &evictions_one);
    text all = run_all(1000, &evictions_all);
    /* Virtual time stands while the disk is waited for, and nobody overtakes. */
    is_cold = true;
    text cold = run_all(4, &evictions_cold);
    is_cold = false;
    print_message("%llu evictions with room for one, %llu with room for all\n",
                  (unsigned long long)evictions_one, (unsigned long long)evictions_all);
    assert_true(evictions_one > ACTORS_COUNT);
    assert_int_equal(evictions_all, 0);
    assert_true(evictions_cold > ACTORS_COUNT);
    assert_string_equal(one.data, all.data);
    assert_string_equal(one.data, cold.data);
    free(one.data);
    free(all.data);
    free(cold.data);
}

/* A restart on the real clock: sleepers go on, nothing is said twice. */
static void restart__continues_where_it_stopped(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    options.live_max = 2;
    harness_open(&h, &options, true);
    theater_actor_component *talker = harness_load(&h, GUESTS, "attacks.wat");
    for (size_t i = 0; i < 5; i++) {
        (void)harness_spawn(&h, talker, "talk", "[40]", NULL);
    }
    theater_error err = THEATER_ERROR_INIT;
    for (size_t round = 0; round < 40 && h.ends_count < 5; round++) {
        bool more = true;
        for (size_t i = 0; i < 200 && (more || i < 20); i++) {
            assert_int_equal(theater_host_dispatch(h.host, &more, &err), THEATER_OK);
        }
        if (round % 4 == 3) {
            harness_run(&h);
        } else {
            harness_reopen(&h, &options);
        }
    }
    assert_int_equal(h.ends_count, 5);
    assert_int_equal(h.parked_count, 0);
    print_message("log: %s\n", h.log);
    assert_int_equal(strlen(h.log), 5 * 4);
    harness_close(&h);
}

/*
 * Its beginning is being read to learn what it is; meanwhile a spawn of the same actor learns it.
 * Then its whole call still has to be read, not the beginning taken for it.
 */
static void cold__a_spawn_of_one_that_is_being_loaded_harms_nobody(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open(&h, &options, true);
    theater_actor_component *talker = harness_load(&h, GUESTS, "attacks.wat");
    theater_id id = harness_spawn(&h, talker, "talk", "[100]", NULL);
    theater_error err = THEATER_ERROR_INIT;
    while (stats_of(&h).wakes == 0) {
        assert_int_equal(theater_host_dispatch(h.host, NULL, &err), THEATER_OK);
    }
    harness_settle(&h);
    is_cold = true;
    is_gate_closed = true;
    standing_count = 0;
    harness_reopen(&h, &options);
    talker = harness_load(&h, GUESTS, "attacks.wat");
    while (standing_count == 0) {
        assert_int_equal(theater_host_dispatch(h.host, NULL, &err), THEATER_OK);
    }
    theater_spawn_options again = THEATER_SPAWN_OPTIONS_INIT;
    again.export_name = "talk";
    again.args_json = "[100]";
    again.id = &id;
    theater_id same;
    assert_int_equal(theater_host_spawn(h.host, talker, &again, &same, &err), THEATER_OK);
    is_gate_closed = false;
    harness_run(&h);
    is_cold = false;
    assert_int_equal(h.parked_count, 0);
    assert_int_equal(h.ends_count, 1);
    harness_close(&h);
}

static void settle(harness *h)
{
    bool more = true;
    while (more) {
        assert_int_equal(theater_host_dispatch(h->host, &more, NULL), THEATER_OK);
    }
}

static bool is_pooled(const harness *h, theater_id id)
{
    const live *l = actor_at(h->host, actor_find(h->host, &id))->live;
    return l != NULL && l->turn != NULL && theater__turn_is_pooled(l->turn);
}

/* More sleepers than places, more places than the pool has slots: those who come last are due last,
 * so each gives up its place for the next one, and none of them may be left without a slot. */
static void pool__is_for_those_who_come_and_go(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    options.live_max = 1500;
    harness_open(&h, &options, false);
    theater_actor_component *sleeper = harness_load(&h, EXAMPLE_GUESTS, "sleep.wat");
    theater_id last = {{0}};
    uint32_t slots = theater__engine_pooled_max(h.host->engine);
    assert_in_range(slots, 1, options.live_max - 1);
    for (size_t i = 0; i < options.live_max + 100; i++) {
        last = harness_spawn(&h, sleeper, "run", "[3600000]", NULL);
        settle(&h);
        assert_true(is_pooled(&h, last) || i < options.live_max);
    }
    assert_int_equal(stats_of(&h).resident, options.live_max);
    assert_int_equal(stats_of(&h).evictions, 100);
    assert_int_equal(theater__engine_pooled(h.host->engine), slots);
    harness_close(&h);
}

static bool is_resident(const harness *h, theater_id id)
{
    const live *l = actor_at(h->host, actor_find(h->host, &id))->live;
    return l != NULL && l->turn != NULL;
}

/* Three places. Whoever worked long is due last, and stays; of two, one has to go. */
static void long_call__stays_within_its_share(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    options.live_max = 3;
    harness_open(&h, &options, false);
    theater_actor_component *worker = harness_load(&h, GUESTS, "attacks.wat");
    theater_actor_component *sleeper = harness_load(&h, EXAMPLE_GUESTS, "sleep.wat");
    theater_id first = harness_spawn(&h, worker, "toil", "[200000000,3000000]", NULL);
    settle(&h);
    for (size_t i = 0; i < 5; i++) {
        theater_id next = harness_spawn(&h, sleeper, "run", "[1000000]", NULL);
        settle(&h);
        assert_true(is_resident(&h, next));
        assert_true(is_resident(&h, first));
    }
    theater_id second = harness_spawn(&h, worker, "toil", "[200000000,3100000]", NULL);
    settle(&h);
    assert_true(is_resident(&h, first) && is_resident(&h, second));
    (void)harness_spawn(&h, sleeper, "run", "[1000000]", NULL);
    settle(&h);
    assert_true(is_resident(&h, first));
    assert_false(is_resident(&h, second));
    harness_close(&h);
}

/*
 * Bringing a long call back takes many slices. Meanwhile the actor is what it was, asleep: it can
 * be woken, and its wait ended in any other way.
 */
static void replay__of_a_sleeper_leaves_it_asleep(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        harness h;
        theater_host_options options = THEATER_HOST_OPTIONS_INIT;
        harness_open(&h, &options, true);
        theater_actor_component *worker = harness_load(&h, GUESTS, "attacks.wat");
        theater_id id = harness_spawn(&h, worker, "toil", "[300000000,3600000]", NULL);
        harness_settle(&h);
        harness_reopen(&h, &options);
        const actor *a = actor_at(h.host, actor_find(h.host, &id));
        bool is_replaying = false;
        while (!is_replaying) {
            assert_int_equal(theater_host_dispatch(h.host, NULL, NULL), THEATER_OK);
            is_replaying = a->live != NULL && a->live->turn != NULL &&
                           theater__turn_is_replaying(a->live->turn);
            assert_true(is_replaying || a->live == NULL || a->live->turn == NULL);
        }
        theater_actor_info info;
        theater_error err = THEATER_ERROR_INIT;
        assert_int_equal(theater_host_actor(h.host, id, &info, &err), THEATER_OK);
        assert_int_equal(info.state, THEATER_ACTOR_ASLEEP);
        assert_int_equal(info.wait_seq, 2);
        theater_status status = way == 0 ? theater_host_wake(h.host, id, "somebody", &err)
                                         : theater_host_cancel_wait(h.host, id, "somebody", &err);
        if (status != THEATER_OK) {
            fail_msg("%s", err.message);
        }
        harness_run(&h);
        assert_int_equal(harness_find(&h, id)->reason, THEATER_END_RETURNED);
        harness_close(&h);
    }
}

/* All places are taken by guests that run for ever, and nobody sleeps in memory: who is due comes
 * in all the same, long before the first of them is ended by its budget. */
static void spinners__keep_nobody_out_who_is_due(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    theater_limits limits = THEATER_LIMITS_INIT;
    options.live_max = 3;
    limits.turn_cpu_ms_max = 400;
    harness_open(&h, &options, true);
    theater_actor_component *hostile = harness_load(&h, GUESTS, "attacks.wat");
    theater_actor_component *sleeper = harness_load(&h, EXAMPLE_GUESTS, "sleep.wat");
    for (size_t i = 0; i < 8; i++) {
        (void)harness_spawn(&h, sleeper, "run", "[100]", NULL);
    }
    harness_settle(&h);
    theater_id cancelled = harness_spawn(&h, hostile, "spin", "[]", &limits);
    for (size_t i = 0; i < 6; i++) { /* the same, but half of them write a chain */
        (void)harness_spawn(&h, hostile, i % 2 == 0 ? "spin" : "ask", "[]", &limits);
    }
    while (h.host->resident_count < 3 || !theater__list_empty(&h.host->urgent)) {
        assert_int_equal(theater_host_dispatch(h.host, NULL, NULL), THEATER_OK);
    }
    assert_int_equal(theater_host_cancel(h.host, cancelled, "somebody", NULL), THEATER_OK);
    harness_run(&h);
    assert_int_equal(h.ends_count, 15);
    for (size_t i = 0; i < 9; i++) {
        assert_true(h.ends[i].reason == THEATER_END_RETURNED ||
                    h.ends[i].reason == THEATER_END_CANCELLED);
    }
    for (size_t i = 9; i < 15; i++) {
        assert_int_equal(h.ends[i].reason, THEATER_END_CPU);
    }
    assert_int_equal(h.parked_count, 0);
    harness_close(&h);
}

/* Guests that run and run, one behind the other: the last of them is to be ended, and waits for
 * none of the others. */
static void cancelled__goes_ahead_of_those_who_only_run(void **state)
{
    (void)state;
    enum {
        SPINNERS_COUNT = 6
    };
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    theater_id ids[SPINNERS_COUNT];
    harness_open(&h, &options, true);
    theater_actor_component *hostile = harness_load(&h, GUESTS, "attacks.wat");
    for (size_t i = 0; i < SPINNERS_COUNT; i++) {
        ids[i] = harness_spawn(&h, hostile, "spin", "[]", NULL);
    }
    while (h.host->resident_count < SPINNERS_COUNT) {
        assert_int_equal(theater_host_dispatch(h.host, NULL, NULL), THEATER_OK);
    }
    live *last = THEATER__LIST_OWNER(h.host->ready.prev, live, link);
    assert_true(last->is_on_offer); /* it ran, and would give its place to somebody who is due */
    theater_id id = actor_at(h.host, last->index)->id;
    assert_int_equal(theater_host_cancel(h.host, id, "somebody", NULL), THEATER_OK);
    assert_false(last->is_on_offer);
    assert_true(&last->link == h.host->urgent.next);
    while (h.ends_count == 0) {
        assert_int_equal(theater_host_dispatch(h.host, NULL, NULL), THEATER_OK);
    }
    for (size_t i = 0; i < SPINNERS_COUNT; i++) {
        (void)theater_host_cancel(h.host, ids[i], NULL, NULL);
    }
    harness_run(&h);
    assert_int_equal(h.ends_count, SPINNERS_COUNT);
    assert_memory_equal(&h.ends[0].id, &id, sizeof(id));
    for (size_t i = 0; i < SPINNERS_COUNT; i++) {
        assert_int_equal(h.ends[i].reason, THEATER_END_CANCELLED);
    }
    harness_close(&h);
}

/* Some wake all the time and there are as many who work as there are places: who gives up a place
 * again and again for those who are due comes to an end, too. */
static void work_beside(size_t sippers_count, size_t workers_count, uint32_t places)
{
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    theater_id sippers[32];
    harness_open(&h, &options, true);
    theater_actor_component *hostile = harness_load(&h, GUESTS, "attacks.wat");
    for (size_t i = 0; i < sippers_count; i++) {
        sippers[i] = harness_spawn(&h, hostile, "sip", "[1000,1000000]", NULL);
    }
    for (size_t i = 0; i < 200; i++) { /* until it costs something to bring one back */
        assert_int_equal(theater_host_dispatch(h.host, NULL, NULL), THEATER_OK);
    }
    options.live_max = places;
    harness_reopen(&h, &options);
    hostile = harness_load(&h, GUESTS, "attacks.wat");
    for (size_t i = 0; i < workers_count; i++) {
        (void)harness_spawn(&h, hostile, "toil", "[100000000,1]", NULL);
    }
    time_t begin = time(NULL);
    while (h.ends_count < workers_count && time(NULL) < begin + 20) {
        assert_int_equal(theater_host_dispatch(h.host, NULL, NULL), THEATER_OK);
    }
    assert_int_equal(h.ends_count, workers_count);
    for (size_t i = 0; i < sippers_count; i++) {
        assert_int_equal(theater_host_cancel(h.host, sippers[i], NULL, NULL), THEATER_OK);
    }
    harness_run(&h);
    harness_close(&h);
}

static void workers__get_done_beside_those_who_are_due(void **state)
{
    (void)state;
    work_beside(3, 4, 4);
}

/* The only one in the list tries to enter and finds no place. */
static void starve(theater_host *host, theater__list *list)
{
    theater__list *link = theater__list_pop(list);
    assert_non_null(link);
    live *l = THEATER__LIST_OWNER(link, live, link);
    turn_step(host, l);
    assert_true(l->turn == NULL && theater__list_linked(&l->link));
}

/*
 * Somebody who is due is always without a place, and one who is not due wants one, too: of eight
 * that may try it is one. What a run shows depends on who finds a place by chance (up to
 * DUE_ABSENT_MAX wait for one, so with more places than that there are moments without any), so
 * here each tries by itself.
 */
static void admission__is_for_others_though_somebody_is_always_due(void **state)
{
    (void)state;
    enum {
        DUE_COUNT = 4,
        SHARE = 8
    };
    harness h;
    theater_host_options options = virtual_options(1);
    theater_id due[DUE_COUNT];
    harness_open(&h, &options, false);
    theater_actor_component *sleeper = harness_load(&h, EXAMPLE_GUESTS, "sleep.wat");
    for (size_t i = 0; i < DUE_COUNT; i++) {
        due[i] = harness_spawn(&h, sleeper, "run", "[1000]", NULL);
        harness_settle(&h);
    }
    theater_host *host = h.host;
    assert_true(is_resident(&h, due[DUE_COUNT - 1])); /* and keeps its place: it is about to run */
    assert_int_equal(theater_host_wake(host, due[DUE_COUNT - 1], NULL, NULL), THEATER_OK);
    theater__list *holder = theater__list_pop(&host->urgent);
    for (size_t i = 0; i < DUE_COUNT - 1; i++) {
        assert_int_equal(theater_host_wake(host, due[i], NULL, NULL), THEATER_OK);
        starve(host, &host->urgent);
    }
    theater_id other = harness_spawn(&h, sleeper, "run", "[1000]", NULL);
    starve(host, &host->ready);
    for (size_t round = 0; round < 3; round++) {
        size_t tries = 1;
        residency_admit(host);
        while (theater__list_empty(&host->ready) && tries < SHARE) {
            starve(host, &host->urgent);
            assert_false(theater__list_empty(&host->starved_due));
            residency_admit(host);
            tries++;
        }
        assert_false(theater__list_empty(&host->ready));
        assert_true(round == 0 || tries == SHARE); /* and all others are for those who are due */
        starve(host, &host->ready);
    }
    theater__list_push(&host->urgent, holder);
    harness_run(&h);
    assert_int_equal(h.ends_count, DUE_COUNT + 1);
    (void)harness_find(&h, other);
    harness_close(&h);
}

typedef struct both {
    harness *h;
    theater_id due;
} both;

static void cancel_other(theater_id id, theater_status status, const char *reason, void *userdata)
{
    (void)id;
    (void)reason;
    const both *b = userdata;
    assert_int_equal(status, THEATER_ERR_NOMEM);
    b->h->parked_count++;
    assert_int_equal(theater_host_cancel(b->h->host, b->due, NULL, NULL), THEATER_OK);
}

/* There is no memory to write down what the preempted guest did that is to go for somebody who is
 * due: it is parked, its place is free, and who is due gets it, though nobody else is there to let
 * it in. Also if the program acts on who is due when it is told of the other one. */
static void due__gets_the_place_of_who_cannot_be_written_down(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        harness h;
        theater_host_options options = THEATER_HOST_OPTIONS_INIT;
        options.live_max = 1;
        harness_open(&h, &options, false);
        theater_actor_component *hostile = harness_load(&h, GUESTS, "attacks.wat");
        theater_actor_component *sleeper = harness_load(&h, EXAMPLE_GUESTS, "sleep.wat");
        theater_id due = harness_spawn(&h, sleeper, "run", "[3600000]", NULL);
        settle(&h);
        theater_id busy = harness_spawn(&h, hostile, "ask", "[]", NULL);
        do {
            assert_int_equal(theater_host_dispatch(h.host, NULL, NULL), THEATER_OK);
        } while (!is_resident(&h, busy));
        both b = {&h, due};
        if (way == 1) {
            theater_host_on_parked(h.host, cancel_other, &b);
        }
        assert_int_equal(theater_host_wake(h.host, due, NULL, NULL), THEATER_OK);
        theater__list *link = theater__list_pop(&h.host->urgent);
        theater__alloc_fail_at(1);
        turn_step(h.host, THEATER__LIST_OWNER(link, live, link));
        theater__alloc_fail_at(0);
        assert_int_equal(h.parked_count, 1);
        assert_true(theater__list_empty(&h.host->urgent)); /* on its way in, and in no list */
        for (size_t i = 0; i < 100 && h.ends_count == 0; i++) {
            assert_int_equal(theater_host_dispatch(h.host, NULL, NULL), THEATER_OK);
        }
        assert_int_equal(h.ends_count, 1);
        assert_int_equal(harness_find(&h, due)->reason,
                         way == 0 ? THEATER_END_RETURNED : THEATER_END_CANCELLED);
        harness_close(&h);
    }
}

/* All are absent; timers of their own, the first due at first_ns, the next every so often. */
static void stand_in_line(harness *h, uint64_t first_ns, uint64_t every_ns)
{
    for (uint32_t i = 0; i < h->host->actors_count; i++) {
        assert_null(actor_at(h->host, i)->live);
        theater__timerq_start(&h->host->mono_queue, i, first_ns + i * every_ns);
    }
}

/* How many are brought in at that moment. */
static uint64_t brought_in(harness *h, uint64_t now_ns)
{
    uint64_t before = stats_of(h).prefetches;
    h->host->now = (theater_mono){now_ns};
    while (prefetch(h->host)) {
    }
    return stats_of(h).prefetches - before;
}

/* A flow of ten each ms: those of the next 8 ms. One each 10 ms: all, there is time. */
static void prefetch__reaches_as_far_as_is_needed(void **state)
{
    (void)state;
    enum {
        ACTORS = 300
    };
    const uint64_t ms = 1000000;
    const uint64_t first = 3600000 * ms * 24;
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    options.live_max = ACTORS * 2;
    harness_open(&h, &options, true);
    theater_actor_component *sleep = harness_load(&h, EXAMPLE_GUESTS, "sleep.wat");
    for (size_t i = 0; i < ACTORS; i++) {
        harness_spawn(&h, sleep, "run", "[3600000]", NULL);
    }
    settle(&h);
    harness_reopen(&h, &options);
    stand_in_line(&h, first, ms / 10);
    assert_int_equal(brought_in(&h, first - 3 * ms), 51);
    assert_int_equal(brought_in(&h, first - 3 * ms + ms / 2), 0); /* not looked again so soon */
    assert_int_equal(brought_in(&h, first - 3 * ms + 3 * ms / 2), 0);
    assert_int_equal(brought_in(&h, first - ms), 20);
    harness_reopen(&h, &options);
    stand_in_line(&h, first, 10 * ms);
    assert_int_equal(brought_in(&h, first - 3 * ms), ACTORS);
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(residency__is_never_visible_in_a_chain),
        cmocka_unit_test(restart__continues_where_it_stopped),
        cmocka_unit_test(cold__a_spawn_of_one_that_is_being_loaded_harms_nobody),
        cmocka_unit_test(pool__is_for_those_who_come_and_go),
        cmocka_unit_test(long_call__stays_within_its_share),
        cmocka_unit_test(spinners__keep_nobody_out_who_is_due),
        cmocka_unit_test(replay__of_a_sleeper_leaves_it_asleep),
        cmocka_unit_test(cancelled__goes_ahead_of_those_who_only_run),
        cmocka_unit_test(workers__get_done_beside_those_who_are_due),
        cmocka_unit_test(admission__is_for_others_though_somebody_is_always_due),
        cmocka_unit_test(prefetch__reaches_as_far_as_is_needed),
        cmocka_unit_test(due__gets_the_place_of_who_cannot_be_written_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
