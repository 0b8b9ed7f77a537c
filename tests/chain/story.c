/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains for tests. Everything that a real host would take from a clock or from the machine's
 * randomness is fixed here, so that a chain is a function of the calls that told it, and a frame's
 * bytes can be written down as a vector.
 */
#include "story.h"

#include <stdio.h>
#include <string.h>

void story_begin(story *it)
{
    memset(it, 0, sizeof(*it));
    theater__chain_writer_init(&it->writer, NULL, 0);
    it->wall_ms = STORY_WALL;
}

void story_end(story *it)
{
    theater__chain_writer_deinit(&it->writer);
    theater__buffer_deinit(&it->payload);
    theater__buffer_deinit(&it->values);
}

void story_append(story *it, theater_event_kind kind)
{
    static const theater_event_class classes[] = {
        [THEATER_KIND_GENESIS] = THEATER_EVENT_GENESIS,
        [THEATER_KIND_CALL] = THEATER_EVENT_CALL,
        [THEATER_KIND_WAIT] = THEATER_EVENT_REQUEST,
        [THEATER_KIND_EFFECT] = THEATER_EVENT_REQUEST,
        [THEATER_KIND_POST] = THEATER_EVENT_REQUEST,
        [THEATER_KIND_RETURN] = THEATER_EVENT_REQUEST,
        [THEATER_KIND_ANSWER] = THEATER_EVENT_INPUT,
        [THEATER_KIND_COMPLETION] = THEATER_EVENT_INPUT,
        [THEATER_KIND_TERMINATE] = THEATER_EVENT_INPUT,
        [THEATER_KIND_ENGINE] = THEATER_EVENT_AMBIENT,
        [THEATER_KIND_STEP] = THEATER_EVENT_AMBIENT,
        [THEATER_KIND_REBASE] = THEATER_EVENT_AMBIENT,
        [THEATER_KIND_NOTE] = THEATER_EVENT_AMBIENT,
        [THEATER_KIND_END] = THEATER_EVENT_END,
    };
    uint64_t seq = it->writer.next_seq;
    uint8_t salt[THEATER__SALT_SIZE];
    for (size_t i = 0; i < sizeof(salt); i++) {
        salt[i] = (uint8_t)(0xa0 + i + seq);
    }
    theater__event_draft draft = {
        .event_class = classes[kind],
        .kind = kind,
        .wall = {it->wall_ms},
        .payload = {it->payload.data, it->payload.size},
        .is_private = it->is_private,
        .salt = salt,
    };
    theater_error err = THEATER_ERROR_INIT;
    assert_false(it->payload.failed);
    assert_in_range(seq, 0, STORY_EVENTS_MAX - 1);
    it->frame_offsets[seq] = it->writer.frames.size;
    assert_int_equal(theater__chain_append(&it->writer, &draft, &err), THEATER_OK);
    it->frame_offsets[seq + 1] = it->writer.frames.size;
    it->hashes[seq] = it->writer.head;
    it->is_private = false;
    theater__buffer_clear(&it->payload);
    theater__buffer_clear(&it->values);
}

theater_text text_of(const char *text)
{
    theater_text of = {text, strlen(text)};
    return of;
}

static theater_bytes bytes_of(const char *text)
{
    theater_bytes of = {(const uint8_t *)text, strlen(text)};
    return of;
}

/* Offsets, since the buffer of values may move while it grows. */
static theater_bytes span(const story *it, size_t from, size_t to)
{
    theater_bytes of = {it->values.data + from, to - from};
    return of;
}

void story_genesis(story *it, uint8_t actor)
{
    theater_value bounds[2] = {theater_value_u64(5), theater_value_u64(60000)};
    theater__values_encode(&it->values, bounds, 2);
    size_t first = it->values.size;
    theater__values_encode(&it->values, NULL, 0);
    theater__genesis genesis = {0};
    memset(genesis.actor.bytes, actor, sizeof(genesis.actor.bytes));
    memset(genesis.component.bytes, 0xc0, sizeof(genesis.component.bytes));
    memset(genesis.nonce, 0x17, sizeof(genesis.nonce));
    genesis.semantics = text_of("nan-canonical,relaxed-simd-deterministic");
    genesis.engine = text_of("wasmtime 48.0.0");
    theater_limits limits = THEATER_LIMITS_INIT;
    genesis.limits = limits;
    genesis.handlers_count = 2;
    genesis.handlers[0].name = text_of("timing");
    genesis.handlers[0].config = span(it, 0, first);
    genesis.handlers[1].name = text_of("runtime");
    genesis.handlers[1].config = span(it, first, it->values.size);
    theater__genesis_encode(&it->payload, &genesis);
    story_append(it, THEATER_KIND_GENESIS);
}

void story_call(story *it, const char *export_name, const theater_value *args, size_t count,
                const char *state)
{
    theater__values_encode(&it->values, args, count);
    theater__call_payload call = {text_of(export_name), span(it, 0, it->values.size),
                                  bytes_of(state)};
    theater__call_encode(&it->payload, &call);
    story_append(it, THEATER_KIND_CALL);
}

void story_answer(story *it, const char *function, const theater_value *args, size_t count,
                  const theater_value *result, uint64_t folds)
{
    theater__values_encode(&it->values, args, count);
    size_t first = it->values.size;
    if (result != NULL) {
        theater__value_encode(&it->values, result);
    }
    theater__answer answer = {text_of(function), span(it, 0, first), result != NULL,
                              span(it, first, it->values.size), folds};
    theater__answer_encode(&it->payload, &answer);
    story_append(it, THEATER_KIND_ANSWER);
}

void story_now(story *it, uint64_t folds)
{
    theater_value now = theater_value_u64(it->wall_ms);
    story_answer(it, "ntwk:theater/timing.now", NULL, 0, &now, folds);
}

void story_answer_unit(story *it, const char *function, uint64_t number, const char *error)
{
    theater_value arg = theater_value_u64(number);
    theater_value text = theater_value_text(error, error != NULL ? strlen(error) : 0);
    theater_value result = theater_value_result(error == NULL, error != NULL ? &text : NULL);
    story_answer(it, function, &arg, 1, &result, 1);
}

void story_wait(story *it, const char *function, theater__wait_kind wait_kind, uint64_t number)
{
    theater_value arg = theater_value_u64(number);
    theater__values_encode(&it->values, &arg, 1);
    theater__request request = {
        .function = text_of(function),
        .args = span(it, 0, it->values.size),
        .wait_kind = wait_kind,
        .duration_ms = number,
        .armed = {123456789},
        .due_wall = {number},
    };
    memset(request.boot, 0xb0, sizeof(request.boot));
    theater__request_encode(&it->payload, THEATER_KIND_WAIT, &request);
    story_append(it, THEATER_KIND_WAIT);
}

void story_complete(story *it, uint64_t request_seq, theater_wait_outcome outcome,
                    const theater_value *result)
{
    if (result != NULL) {
        theater__value_encode(&it->values, result);
    }
    theater__completion completion = {
        .request_seq = request_seq,
        .outcome = outcome,
        .late_ns = outcome == THEATER_WAIT_DUE ? 52000 : 0,
        .by = text_of(outcome == THEATER_WAIT_DUE ? "" : "operator"),
        .has_result = result != NULL,
        .result = span(it, 0, it->values.size),
    };
    theater__completion_encode(&it->payload, &completion);
    story_append(it, THEATER_KIND_COMPLETION);
}

void story_complete_unit(story *it, uint64_t request_seq, theater_wait_outcome outcome,
                         const char *error)
{
    theater_value text = theater_value_text(error, error != NULL ? strlen(error) : 0);
    theater_value result = theater_value_result(error == NULL, error != NULL ? &text : NULL);
    story_complete(it, request_seq, outcome, &result);
}

void story_request(story *it, theater_event_kind kind, const char *function,
                   const theater_value *args, size_t count)
{
    theater__values_encode(&it->values, args, count);
    theater__request request = {.function = text_of(function),
                                .args = span(it, 0, it->values.size)};
    theater__request_encode(&it->payload, kind, &request);
    story_append(it, kind);
}

void story_log(story *it, const char *line)
{
    theater_value arg = theater_value_text(line, strlen(line));
    story_request(it, THEATER_KIND_POST, "ntwk:theater/runtime.log", &arg, 1);
}

void story_return(story *it, const theater_value *result, const char *state)
{
    if (result != NULL) {
        theater__value_encode(&it->values, result);
    }
    theater__return ret = {result != NULL, span(it, 0, it->values.size), bytes_of(state)};
    theater__return_encode(&it->payload, &ret);
    story_append(it, THEATER_KIND_RETURN);
}

void story_ending(story *it, theater_event_kind kind, theater_end_reason reason, const char *text)
{
    theater__ending ending = {reason, text_of(text)};
    theater__ending_encode(&it->payload, &ending);
    story_append(it, kind);
}

void story_ambient(story *it, theater_event_kind kind, const char *first, const char *second)
{
    theater__ambient ambient = {text_of(first), text_of(second)};
    theater__ambient_encode(&it->payload, &ambient);
    story_append(it, kind);
}

void story_step(story *it, int64_t delta_ms)
{
    theater__step_encode(&it->payload, delta_ms);
    story_append(it, THEATER_KIND_STEP);
}

void story_rebase(story *it, uint64_t request_seq, uint64_t remaining_ms)
{
    theater__rebase rebase = {request_seq, remaining_ms, {5000}, {0}};
    memset(rebase.boot, 0xb1, sizeof(rebase.boot));
    theater__rebase_encode(&it->payload, &rebase);
    story_append(it, THEATER_KIND_REBASE);
}

void story_everything(story *it)
{
    char long_line[301];
    memset(long_line, 'x', sizeof(long_line) - 1);
    long_line[sizeof(long_line) - 1] = '\0';
    theater_value name = theater_value_text("world", 5);
    theater_value number = theater_value_u64(UINT64_MAX);

    story_genesis(it, 0x11);
    story_call(it, "my:app/main.run", &name, 1, "state before");
    story_now(it, 3);
    story_wait(it, "ntwk:theater/timing.sleep", THEATER__WAIT_ELAPSED, 250);
    story_rebase(it, 3, 120);
    it->wall_ms += 250;
    story_complete_unit(it, 3, THEATER_WAIT_DUE, NULL);
    story_wait(it, "ntwk:theater/timing.deadline", THEATER__WAIT_WALL, it->wall_ms + 100);
    story_step(it, -3600000);
    story_complete_unit(it, 6, THEATER_WAIT_CANCELLED, "Actor error: Operation channel closed");
    story_answer_unit(it, "ntwk:theater/timing.sleep", 3,
                      "Duration too short: 3 ms is below minimum of 5 ms");
    story_log(it, "tick 1");
    story_log(it, long_line);
    it->is_private = true;
    story_log(it, "a secret");
    story_request(it, THEATER_KIND_EFFECT, "my:app/db.lookup", &name, 1);
    story_complete(it, 13, THEATER_WAIT_COMPLETED, &number);
    story_wait(it, "my:app/approval.wait", THEATER__WAIT_TOKEN, UINT64_MAX);
    story_complete(it, 15, THEATER_WAIT_WOKEN, NULL);
    story_return(it, &number, "state after");
    story_ambient(it, THEATER_KIND_ENGINE, "wasmtime 48.0.0", "wasmtime 48.0.1");
    story_ambient(it, THEATER_KIND_NOTE, "parked", "");
    story_call(it, "my:app/main.spin", NULL, 0, "");
    story_ending(it, THEATER_KIND_TERMINATE, THEATER_END_CPU, "turn_cpu_ms_max (5000) reached");
    story_ending(it, THEATER_KIND_END, THEATER_END_CPU, "turn_cpu_ms_max (5000) reached");
}

void story_file(const story *it, theater__buffer *out)
{
    static const char magic[] = "THEATER\n";
    theater__buffer_put(out, magic, sizeof(magic) - 1);
    theater__buffer_put_u8(out, 1);
    for (size_t i = 0; i < sizeof(theater_id); i++) {
        theater__buffer_put_u8(out, 0x11);
    }
    theater__buffer_put(out, it->writer.frames.data, it->writer.frames.size);
    assert_false(out->failed);
}

theater_chain *chain_of_bytes(const uint8_t *data, size_t size)
{
    theater_chain *chain = NULL;
    theater_error err = THEATER_ERROR_INIT;
    theater_status status = theater__chain_from_file_bytes(data, size, &chain, &err);
    if (status != THEATER_OK) {
        print_error("loading failed: %s\n", err.message);
    }
    assert_int_equal(status, THEATER_OK);
    return chain;
}

theater_chain *chain_of(const story *it)
{
    theater_chain *chain = NULL;
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater__chain_from_frames(it->writer.frames.data, it->writer.frames.size,
                                                NULL, &chain, &err),
                     THEATER_OK);
    return chain;
}

static int collect(const void *data, size_t size, void *userdata)
{
    theater__buffer_put(userdata, data, size);
    return 0;
}

void export_all(const theater_chain *chain, theater_chain_format format, theater__buffer *out)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_status status = theater_chain_export(chain, format, collect, out, &err);
    if (status != THEATER_OK) {
        print_error("export failed: %s\n", err.message);
    }
    assert_int_equal(status, THEATER_OK);
    assert_false(out->failed);
}

theater_chain_report report_of(const theater_chain *chain, const theater_head *head)
{
    theater_chain_verify_options options = THEATER_CHAIN_VERIFY_OPTIONS_INIT;
    theater_chain_report report;
    theater_error err = THEATER_ERROR_INIT;
    options.head = head;
    assert_int_equal(theater_chain_verify(chain, &options, &report, &err), THEATER_OK);
    assert_true(report.message[0] != '\0');
    return report;
}

uint64_t next_random(uint64_t *state)
{
    /* splitmix64 */
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void read_vector(const char *name, theater__buffer *out)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", THEATER_TEST_VECTORS, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    uint8_t block[4096];
    size_t size;
    while ((size = fread(block, 1, sizeof(block), file)) > 0) {
        theater__buffer_put(out, block, size);
    }
    assert_int_equal(ferror(file), 0);
    assert_int_equal(fclose(file), 0);
    assert_false(out->failed);
}
