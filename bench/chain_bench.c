/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a chain costs: appending (encode, hash, frame), verifying, exporting. One thread, memory
 * only.
 *
 *     chain_bench [--events N] [--json]
 *
 * The chain is that of an actor which reads the clock and sleeps in turn: answers of 46 bytes,
 * waits of 74, completions of 26. Each figure is the median of several rounds; "hash alone" is the
 * same number of SHA-256 of the same sizes, the floor below which nothing here can go.
 */
#include <base/alloc.h>
#include <base/value.h>
#include <chain/chain.h>
#include <chain/payload.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 7
#define MEASURES_MAX 8
#define BATCH_EVENTS 64u

typedef struct measure {
    const char *what;
    double ns_per_event;
} measure;

typedef struct bench {
    uint64_t events_count;
    theater__chain_writer writer;
    theater__buffer payload;
    theater__buffer values;
    measure measures[MEASURES_MAX];
    size_t measures_count;
} bench;

static double now_s(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static void must(bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "chain_bench: %s failed\n", what);
        exit(1);
    }
}

static void note(bench *it, const char *what, double *seconds)
{
    qsort(seconds, ROUNDS, sizeof(seconds[0]), by_size);
    it->measures[it->measures_count].what = what;
    it->measures[it->measures_count].ns_per_event =
        seconds[ROUNDS / 2] * 1e9 / (double)it->events_count;
    it->measures_count++;
}

static theater_text text_of(const char *text)
{
    theater_text of = {text, strlen(text)};
    return of;
}

static void append(bench *it, theater_event_class event_class, theater_event_kind kind,
                   uint64_t wall_ms)
{
    static const uint8_t salt[THEATER__SALT_SIZE] = {0};
    theater__event_draft draft = {event_class, kind, {wall_ms}, {NULL, 0}, false, salt};
    draft.payload.data = it->payload.data;
    draft.payload.size = it->payload.size;
    must(theater__chain_append(&it->writer, &draft, NULL) == THEATER_OK, "append");
    theater__buffer_clear(&it->payload);
    theater__buffer_clear(&it->values);
}

static void append_genesis(bench *it)
{
    static theater__genesis genesis;
    theater_limits limits = THEATER_LIMITS_INIT;
    genesis.limits = limits;
    genesis.engine = text_of("bench");
    theater__genesis_encode(&it->payload, &genesis);
    append(it, THEATER_EVENT_GENESIS, THEATER_KIND_GENESIS, 0);
    theater__call_payload call = {text_of("run"), {(const uint8_t *)"", 1}, {NULL, 0}};
    theater__call_encode(&it->payload, &call);
    append(it, THEATER_EVENT_CALL, THEATER_KIND_CALL, 0);
}

static void append_now(bench *it, uint64_t wall_ms)
{
    theater_value now = theater_value_u64(wall_ms);
    theater__values_encode(&it->values, NULL, 0);
    theater__value_encode(&it->values, &now);
    theater__answer answer = {text_of("ntwk:theater/timing.now"),
                              {it->values.data, 1},
                              true,
                              {it->values.data + 1, it->values.size - 1},
                              1};
    theater__answer_encode(&it->payload, &answer);
    append(it, THEATER_EVENT_INPUT, THEATER_KIND_ANSWER, wall_ms);
}

static void append_sleep(bench *it, uint64_t wall_ms)
{
    theater_value duration = theater_value_u64(250);
    theater__values_encode(&it->values, &duration, 1);
    theater__request request = {.function = text_of("ntwk:theater/timing.sleep"),
                                .args = {it->values.data, it->values.size},
                                .wait_kind = THEATER__WAIT_ELAPSED,
                                .duration_ms = 250,
                                .armed = {wall_ms * 1000000}};
    theater__request_encode(&it->payload, THEATER_KIND_WAIT, &request);
    append(it, THEATER_EVENT_REQUEST, THEATER_KIND_WAIT, wall_ms);
    theater_value ok = theater_value_result(true, NULL);
    theater__value_encode(&it->values, &ok);
    theater__completion completion = {
        it->writer.next_seq - 1,           THEATER_WAIT_DUE, 52000, {NULL, 0}, true,
        {it->values.data, it->values.size}};
    theater__completion_encode(&it->payload, &completion);
    append(it, THEATER_EVENT_INPUT, THEATER_KIND_COMPLETION, wall_ms + 250);
}

static void measure_append(bench *it)
{
    double seconds[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        theater__chain_writer_deinit(&it->writer);
        theater__chain_writer_init(&it->writer, NULL, 0);
        append_genesis(it);
        double start = now_s();
        for (uint64_t wall = 1763884800000; it->writer.next_seq < it->events_count; wall += 251) {
            append_now(it, wall);
            append_sleep(it, wall);
        }
        seconds[round] = now_s() - start;
    }
    note(it, "append, values and payload encoded", seconds);
}

/* The same payload again and again, taken away in batches as a store does: the writer alone. */
static void measure_append_only(bench *it)
{
    double seconds[ROUNDS];
    uint8_t payload[36] = {0};
    theater__event_draft draft = {THEATER_EVENT_INPUT,
                                  THEATER_KIND_ANSWER,
                                  {1763884800000},
                                  {payload, sizeof(payload)},
                                  false,
                                  NULL};
    for (int round = 0; round < ROUNDS; round++) {
        theater__chain_writer writer;
        theater__buffer batch = {0};
        theater__chain_writer_init(&writer, NULL, 0);
        double start = now_s();
        for (uint64_t i = 0; i < it->events_count; i++) {
            must(theater__chain_append(&writer, &draft, NULL) == THEATER_OK, "append");
            if (writer.frames_count == BATCH_EVENTS) {
                theater__chain_writer_take(&writer, &batch);
            }
        }
        seconds[round] = now_s() - start;
        theater__buffer_deinit(&batch);
        theater__chain_writer_deinit(&writer);
    }
    note(it, "append, hash and frame (46-byte events)", seconds);
}

static void measure_hash(bench *it)
{
    double seconds[ROUNDS];
    uint8_t preimage[95] = {0};
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_s();
        for (uint64_t i = 0; i < it->events_count; i++) {
            theater_hash hash = theater__sha256(preimage, sizeof(preimage));
            preimage[9] = hash.bytes[0];
        }
        seconds[round] = now_s() - start;
    }
    note(it, "hash alone (95 bytes)", seconds);
}

static void measure_verify(bench *it)
{
    double read_seconds[ROUNDS];
    double verify_seconds[ROUNDS];
    theater_chain *chain = NULL;
    must(theater__chain_from_frames(it->writer.frames.data, it->writer.frames.size, NULL, &chain,
                                    NULL) == THEATER_OK,
         "load");
    for (int round = 0; round < ROUNDS; round++) {
        theater__chain_reader reader;
        theater_event event;
        uint64_t count = 0;
        theater__chain_reader_init(&reader, it->writer.frames.data, it->writer.frames.size, NULL,
                                   0);
        double start = now_s();
        while (theater__chain_read(&reader, &event, NULL) == THEATER_OK) {
            count++;
        }
        read_seconds[round] = now_s() - start;
        must(count == it->writer.next_seq, "read");
        theater_chain_report report;
        start = now_s();
        must(theater_chain_verify(chain, NULL, &report, NULL) == THEATER_OK, "verify");
        verify_seconds[round] = now_s() - start;
        must(report.verdict == THEATER_CHAIN_UNANCHORED, report.message);
    }
    theater_chain_free(chain);
    note(it, "read, links only", read_seconds);
    note(it, "verify, everything", verify_seconds);
}

static int swallow(const void *data, size_t size, void *userdata)
{
    (void)data;
    *(uint64_t *)userdata += size;
    return 0;
}

static void measure_exports(bench *it)
{
    static const struct {
        theater_chain_format format;
        const char *what;
    } formats[] = {
        {THEATER_CHAIN_TEXT, "export text"},
        {THEATER_CHAIN_JSONL, "export jsonl"},
        {THEATER_CHAIN_THEATER_JSON, "export theater-json"},
    };
    theater_chain *chain = NULL;
    must(theater__chain_from_frames(it->writer.frames.data, it->writer.frames.size, NULL, &chain,
                                    NULL) == THEATER_OK,
         "load");
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        double seconds[ROUNDS];
        for (int round = 0; round < ROUNDS; round++) {
            uint64_t size = 0;
            double start = now_s();
            must(theater_chain_export(chain, formats[i].format, swallow, &size, NULL) == THEATER_OK,
                 formats[i].what);
            seconds[round] = now_s() - start;
        }
        note(it, formats[i].what, seconds);
    }
    theater_chain_free(chain);
}

static void print_table(const bench *it, double bytes_per_event)
{
    (void)printf("%" PRIu64 " events, %.1f bytes each in frames, median of %d rounds\n",
                 it->events_count, bytes_per_event, ROUNDS);
    for (size_t i = 0; i < it->measures_count; i++) {
        double ns = it->measures[i].ns_per_event;
        (void)printf("%-42s %9.1f ns/event %9.2f M events/s\n", it->measures[i].what, ns, 1e3 / ns);
    }
}

static void print_json(const bench *it, double bytes_per_event)
{
    (void)printf("{\"bench\":\"chain\",\"events\":%" PRIu64 ",\"bytes_per_event\":%.1f",
                 it->events_count, bytes_per_event);
    (void)printf(",\"ns_per_event\":{");
    for (size_t i = 0; i < it->measures_count; i++) {
        (void)printf("%s\"%s\":%.1f", i > 0 ? "," : "", it->measures[i].what,
                     it->measures[i].ns_per_event);
    }
    (void)printf("}}\n");
}

int main(int argc, char **argv)
{
    static bench it;
    bool is_json = false;
    it.events_count = 300000;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            is_json = true;
        } else if (strcmp(argv[i], "--events") == 0 && i + 1 < argc) {
            it.events_count = strtoull(argv[++i], NULL, 10);
        } else {
            it.events_count = 0;
        }
        if (it.events_count < 10) {
            (void)fprintf(stderr, "usage: chain_bench [--events N] [--json]\n");
            return 2;
        }
    }
    measure_append(&it);
    double bytes_per_event = (double)it.writer.frames.size / (double)it.writer.next_seq;
    measure_append_only(&it);
    measure_hash(&it);
    measure_verify(&it);
    measure_exports(&it);
    if (is_json) {
        print_json(&it, bytes_per_event);
    } else {
        print_table(&it, bytes_per_event);
    }
    theater__chain_writer_deinit(&it.writer);
    theater__buffer_deinit(&it.payload);
    theater__buffer_deinit(&it.values);
    return 0;
}
