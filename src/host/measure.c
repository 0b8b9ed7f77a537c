/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts under the host cost on this machine, for `theater bench` and for whoever sizes
 * one: the deadline queue, and a store. The other side of a comparison is the caller's affair.
 */
#include <theater/measure.h>

#include <poll.h>
#include <string.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <clock/clock.h>
#include <store/store.h>
#include <timerq/timerq.h>

#define TIMERS_MAX (1u << 24)
/* Due times lie within this much of the earliest. */
#define TIMERS_SPAN_NS 1000000000u
#define WRITERS_MAX 65536u
#define BATCH_EVENTS_MAX 4096u
/* A frame of a sleep's request or completion. */
#define EVENT_SIZE 64u
/* Without a completion for so long the store's failure is looked at. */
#define POLL_MS 1000

/* ---- timers ---------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void run_timers(theater__timerq *queue, theater__clock *clock, uint32_t timers_count,
                       uint64_t renewals, theater_timer_figures *out_figures)
{
    uint64_t state = 1;
    uint64_t begin_ns = theater__clock_thread_cpu_ns(clock);
    for (uint32_t id = 0; id < timers_count; id++) {
        theater__timerq_start(queue, id, 1 + next_random(&state) % TIMERS_SPAN_NS);
    }
    uint64_t filled_ns = theater__clock_thread_cpu_ns(clock);
    for (uint64_t i = 0; i < renewals; i++) {
        uint32_t id = 0;
        uint64_t key = 0;
        bool is_there = theater__timerq_pop(queue, UINT64_MAX - 1, &id, &key);
        THEATER_ASSERT(is_there);
        theater__timerq_start(queue, id, key + 1 + next_random(&state) % TIMERS_SPAN_NS);
    }
    uint64_t end_ns = theater__clock_thread_cpu_ns(clock);
    out_figures->start_ns = (double)(filled_ns - begin_ns) / timers_count;
    out_figures->renew_ns = (double)(end_ns - filled_ns) / (double)renewals;
}

theater_status theater_measure_timers(uint32_t timers_count, uint64_t renewals,
                                      theater_timer_figures *out_figures, theater_error *err)
{
    THEATER_ASSERT(out_figures != NULL);
    if (timers_count == 0 || renewals == 0 || timers_count > TIMERS_MAX) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "timers are measured with 1 to %u of them, and 1 or more renewals",
                             TIMERS_MAX);
    }
    theater__clock *clock = NULL;
    theater__timerq queue;
    theater__timerq_init(&queue);
    theater_status status = theater__clock_open_os(&clock, err);
    if (status == THEATER_OK) {
        status = theater__timerq_reserve(&queue, timers_count, err);
    }
    if (status == THEATER_OK) {
        run_timers(&queue, clock, timers_count, renewals, out_figures);
    }
    theater__timerq_deinit(&queue);
    theater__clock_close(clock);
    return status;
}

/* ---- a store --------------------------------------------------------------------------------- */

typedef struct writer {
    theater_id id;
    theater_hash head;
    uint64_t next_seq;
    uint64_t place;
} writer;

typedef struct store_run {
    theater__store *store;
    theater__clock *clock;
    writer *writers;
    theater__buffer frames; /* of every batch */
    uint32_t events_count;
    uint64_t commits;
} store_run;

static theater_status submit(store_run *run, writer *from, theater_error *err)
{
    theater__batch batch;
    memset(&batch, 0, sizeof(batch));
    batch.actor = from->id;
    batch.parent = from->head;
    batch.first_seq = from->next_seq;
    batch.events_count = run->events_count;
    batch.frames.data = run->frames.data;
    batch.frames.size = run->frames.size;
    batch.previous_place = from->place;
    batch.standing.state = THEATER__STATE_ASLEEP;
    batch.userdata = from;
    batch.is_awaited = true;
    from->next_seq += run->events_count;
    /* No two heads are equal, and none is that of a real event. */
    memcpy(from->head.bytes, &from->next_seq, sizeof(from->next_seq));
    from->head.bytes[31] = 1;
    batch.head = from->head;
    theater__ticket ticket = 0;
    return theater__store_submit(run->store, &batch, &ticket, &from->place, err);
}

static theater_status await(store_run *run, writer **out_writer, theater_error *err)
{
    theater__store_completion completion;
    while (!theater__store_poll(run->store, &completion)) {
        struct pollfd wanted = {.fd = theater__store_fd(run->store), .events = POLLIN};
        (void)poll(&wanted, 1, POLL_MS);
    }
    theater_status status = completion.status;
    if (status != THEATER_OK && err != NULL) {
        *err = completion.error;
    }
    *out_writer = completion.userdata;
    run->commits++;
    theater__store_completion_deinit(&completion);
    return status;
}

static theater_status run_store(store_run *run, const theater_store_load *load,
                                theater_store_figures *out_figures, theater_error *err)
{
    theater_status status = THEATER_OK;
    theater_mono begin = theater__clock_mono(run->clock);
    uint64_t end_ns = theater__mono_add_ms(begin, load->duration_ms).ns;
    uint32_t inflight = 0;
    for (; inflight < load->writers_count && status == THEATER_OK; inflight++) {
        status = submit(run, &run->writers[inflight], err);
    }
    while (inflight > 0 && status == THEATER_OK) {
        writer *done = NULL;
        status = await(run, &done, err);
        if (status == THEATER_OK && theater__clock_mono(run->clock).ns < end_ns) {
            status = submit(run, done, err);
        } else {
            inflight--;
        }
    }
    out_figures->commits = run->commits;
    out_figures->elapsed_ns = theater__mono_since_ns(theater__clock_mono(run->clock), begin);
    return status;
}

static theater_status prepare(store_run *run, const theater_store_load *load, theater_error *err)
{
    run->events_count = load->events_count;
    run->writers = theater__alloc_zeroed(load->writers_count, sizeof(*run->writers));
    uint8_t *bytes = theater__buffer_extend(&run->frames, (size_t)load->events_count * EVENT_SIZE);
    if (run->writers == NULL || bytes == NULL) {
        return theater__fail_nomem(err);
    }
    memset(bytes, 0x5a, (size_t)load->events_count * EVENT_SIZE);
    for (uint32_t i = 0; i < load->writers_count; i++) {
        memcpy(run->writers[i].id.bytes, &i, sizeof(i));
        run->writers[i].id.bytes[15] = 1;
        run->writers[i].place = THEATER__PLACE_NONE;
    }
    theater_status status = theater__clock_open_os(&run->clock, err);
    if (status != THEATER_OK) {
        return status;
    }
    theater__store_options options;
    theater__recovered found;
    memset(&options, 0, sizeof(options));
    options.url = load->store_url;
    options.wall = theater__clock_wall(run->clock);
    status = theater__store_open(&options, &run->store, err);
    if (status != THEATER_OK) {
        return status;
    }
    status = theater__store_recover_next(run->store, &found, err);
    if (status == THEATER_OK) {
        return theater__fail(err, THEATER_ERR_EXISTS,
                             "store '%s' holds actors; measure in an empty one", load->store_url);
    }
    return status == THEATER_ERR_NOTFOUND ? THEATER_OK : status;
}

theater_status theater_measure_store(const theater_store_load *load,
                                     theater_store_figures *out_figures, theater_error *err)
{
    THEATER_ASSERT(load != NULL);
    THEATER_ASSERT(out_figures != NULL);
    if (load->struct_size != sizeof(*load) || load->store_url == NULL || load->writers_count == 0 ||
        load->events_count == 0) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "a store is measured with a URL, 1 or more writers and events");
    }
    if (load->writers_count > WRITERS_MAX || load->events_count > BATCH_EVENTS_MAX) {
        return theater__fail(err, THEATER_ERR_LIMIT,
                             "a store is measured with up to %u writers and %u events in a batch",
                             WRITERS_MAX, BATCH_EVENTS_MAX);
    }
    store_run run;
    theater_store_figures figures;
    memset(&run, 0, sizeof(run));
    theater_status status = prepare(&run, load, err);
    if (status == THEATER_OK) {
        status = run_store(&run, load, &figures, err);
    }
    theater__store_close(run.store);
    theater__clock_close(run.clock);
    theater__buffer_deinit(&run.frames);
    theater__free(run.writers);
    if (status == THEATER_OK) {
        *out_figures = figures;
    }
    return status;
}
