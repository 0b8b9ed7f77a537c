/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in an event's payload, kind by kind. The tables are in docs/formats/chain.md.
 *
 * Decoding is straight-line code over a reader whose failure is sticky, and one check at the end:
 * nothing was short, nothing is left, every range held. One value has one spelling: varints are
 * shortest, flags are 0 or 1, fields that a kind does not have are not written.
 *
 * The texts of endings come from traps, that is from guests: the encoder makes them valid and
 * short, so that whatever an engine says can be recorded and read back.
 */
#include <chain/payload.h>

#include "fast_read.h"

#include <base/assert.h>
#include <base/error.h>
#include <base/limits.h>
#include <base/value.h>

#include <string.h>

#define GENESIS_VERSION 1u
#define GENESIS_FLAG_SIMULATED 1u
#define LIMITS_COUNT 11u

/* ---- small parts ----------------------------------------------------------------------------- */

static void put_text(theater__buffer *buffer, theater_text text)
{
    THEATER_ASSERT(text.data != NULL || text.size == 0);
    theater__buffer_put_sized(buffer, text.data, text.size);
}

static void put_bytes(theater__buffer *buffer, theater_bytes bytes)
{
    THEATER_ASSERT(bytes.data != NULL || bytes.size == 0);
    theater__buffer_put_sized(buffer, bytes.data, bytes.size);
}

/* 0, or 1 and the sized bytes. */
static void put_optional(theater__buffer *buffer, bool has, theater_bytes bytes)
{
    theater__buffer_put_u8(buffer, has ? 1 : 0);
    if (has) {
        put_bytes(buffer, bytes);
    }
}

static theater_text read_text(theater__reader *reader)
{
    theater_bytes bytes = fast_sized(reader);
    theater_text text = {(const char *)bytes.data, bytes.size};
    if (bytes.size > 0 && !theater__utf8_valid(bytes.data, bytes.size)) {
        reader->failed = true;
    }
    return text;
}

/* A text that may not be empty: the name of something. */
static theater_text read_name(theater__reader *reader)
{
    theater_text text = read_text(reader);
    if (text.size == 0) {
        reader->failed = true;
    }
    return text;
}

static bool read_bool(theater__reader *reader)
{
    uint8_t byte = fast_u8(reader);
    if (byte > 1) {
        reader->failed = true;
    }
    return byte == 1;
}

static theater_bytes read_optional(theater__reader *reader, bool *out_has)
{
    theater_bytes none = {NULL, 0};
    *out_has = read_bool(reader);
    return *out_has ? fast_sized(reader) : none;
}

static void read_array(theater__reader *reader, uint8_t *out, size_t size)
{
    const uint8_t *bytes = theater__reader_take(reader, size);
    if (bytes != NULL) {
        memcpy(out, bytes, size);
    }
}

static uint32_t read_varint32(theater__reader *reader)
{
    uint64_t number = fast_varint(reader);
    if (number > UINT32_MAX) {
        reader->failed = true;
    }
    return (uint32_t)number;
}

/* The one check of every decoder. */
static theater_status finish(const theater__reader *reader, const char *what, theater_error *err)
{
    if (reader->failed) {
        return theater__fail(err, THEATER_ERR_CORRUPT, "the payload of its %s is malformed", what);
    }
    if (theater__reader_left(reader) != 0) {
        return theater__fail(err, THEATER_ERR_CORRUPT,
                             "the payload of its %s has %zu bytes too many", what,
                             theater__reader_left(reader));
    }
    return THEATER_OK;
}

/* ---- genesis --------------------------------------------------------------------------------- */

static void put_limits(theater__buffer *buffer, const theater_limits *limits)
{
    theater__buffer_put_varint(buffer, LIMITS_COUNT);
    theater__buffer_put_varint(buffer, limits->memory_bytes_max);
    theater__buffer_put_varint(buffer, limits->table_elements_max);
    theater__buffer_put_varint(buffer, limits->instances_max);
    theater__buffer_put_varint(buffer, limits->tables_max);
    theater__buffer_put_varint(buffer, limits->memories_max);
    theater__buffer_put_varint(buffer, limits->handles_max);
    theater__buffer_put_varint(buffer, limits->host_call_bytes_max);
    theater__buffer_put_varint(buffer, limits->turn_cpu_ms_max);
    theater__buffer_put_varint(buffer, limits->call_cpu_ms_max);
    theater__buffer_put_varint(buffer, limits->call_chain_bytes_max);
    theater__buffer_put_varint(buffer, limits->state_bytes_max);
}

static void read_limits(theater__reader *reader, theater_limits *out)
{
    if (fast_varint(reader) != LIMITS_COUNT) {
        reader->failed = true;
    }
    out->struct_size = sizeof(*out);
    out->memory_bytes_max = fast_varint(reader);
    out->table_elements_max = fast_varint(reader);
    out->instances_max = read_varint32(reader);
    out->tables_max = read_varint32(reader);
    out->memories_max = read_varint32(reader);
    out->handles_max = read_varint32(reader);
    out->host_call_bytes_max = fast_varint(reader);
    out->turn_cpu_ms_max = fast_varint(reader);
    out->call_cpu_ms_max = fast_varint(reader);
    out->call_chain_bytes_max = fast_varint(reader);
    out->state_bytes_max = fast_varint(reader);
}

void theater__genesis_encode(theater__buffer *buffer, const theater__genesis *genesis)
{
    THEATER_ASSERT(buffer != NULL && genesis != NULL);
    THEATER_ASSERT(genesis->handlers_count <= THEATER__GENESIS_HANDLERS_MAX);
    theater__buffer_put_u8(buffer, GENESIS_VERSION);
    theater__buffer_put_u8(buffer, genesis->is_simulated ? GENESIS_FLAG_SIMULATED : 0);
    theater__buffer_put(buffer, genesis->actor.bytes, sizeof(genesis->actor.bytes));
    theater__buffer_put(buffer, genesis->component.bytes, sizeof(genesis->component.bytes));
    theater__buffer_put(buffer, genesis->nonce, sizeof(genesis->nonce));
    put_text(buffer, genesis->semantics);
    put_text(buffer, genesis->engine);
    put_limits(buffer, &genesis->limits);
    theater__buffer_put_varint(buffer, genesis->handlers_count);
    for (uint32_t i = 0; i < genesis->handlers_count; i++) {
        THEATER_ASSERT(genesis->handlers[i].name.size > 0);
        put_text(buffer, genesis->handlers[i].name);
        put_bytes(buffer, genesis->handlers[i].config);
    }
}

theater_status theater__genesis_decode(theater_bytes payload, theater__genesis *out,
                                       theater_error *err)
{
    THEATER_ASSERT(out != NULL);
    THEATER_ASSERT(payload.data != NULL || payload.size == 0);
    theater__reader reader = theater__reader_of(payload.data, payload.size);
    theater__genesis genesis = {0};
    uint8_t version = fast_u8(&reader);
    if (!reader.failed && version != GENESIS_VERSION) {
        return theater__fail(err, THEATER_ERR_CORRUPT, "its genesis has the unknown version %u",
                             version);
    }
    uint8_t flags = fast_u8(&reader);
    if ((flags & ~GENESIS_FLAG_SIMULATED) != 0) {
        reader.failed = true;
    }
    genesis.is_simulated = (flags & GENESIS_FLAG_SIMULATED) != 0;
    read_array(&reader, genesis.actor.bytes, sizeof(genesis.actor.bytes));
    read_array(&reader, genesis.component.bytes, sizeof(genesis.component.bytes));
    read_array(&reader, genesis.nonce, sizeof(genesis.nonce));
    genesis.semantics = read_text(&reader);
    genesis.engine = read_text(&reader);
    read_limits(&reader, &genesis.limits);
    genesis.handlers_count = read_varint32(&reader);
    if (genesis.handlers_count > THEATER__GENESIS_HANDLERS_MAX) {
        reader.failed = true;
    }
    for (uint32_t i = 0; !reader.failed && i < genesis.handlers_count; i++) {
        genesis.handlers[i].name = read_name(&reader);
        genesis.handlers[i].config = fast_sized(&reader);
    }
    theater_status status = finish(&reader, "genesis", err);
    if (status == THEATER_OK) {
        *out = genesis;
    }
    return status;
}

/* ---- call and return ------------------------------------------------------------------------- */

void theater__call_encode(theater__buffer *buffer, const theater__call_payload *call)
{
    THEATER_ASSERT(buffer != NULL && call != NULL);
    THEATER_ASSERT(call->export_name.size > 0);
    put_text(buffer, call->export_name);
    put_bytes(buffer, call->args);
    put_bytes(buffer, call->state);
}

theater_status theater__call_decode(theater_bytes payload, theater__call_payload *out,
                                    theater_error *err)
{
    THEATER_ASSERT(out != NULL);
    THEATER_ASSERT(payload.data != NULL || payload.size == 0);
    theater__reader reader = theater__reader_of(payload.data, payload.size);
    theater__call_payload call = {0};
    call.export_name = read_name(&reader);
    call.args = fast_sized(&reader);
    call.state = fast_sized(&reader);
    theater_status status = finish(&reader, "call", err);
    if (status == THEATER_OK) {
        *out = call;
    }
    return status;
}

void theater__return_encode(theater__buffer *buffer, const theater__return *ret)
{
    THEATER_ASSERT(buffer != NULL && ret != NULL);
    put_optional(buffer, ret->has_result, ret->result);
    put_bytes(buffer, ret->state);
}

theater_status theater__return_decode(theater_bytes payload, theater__return *out,
                                      theater_error *err)
{
    THEATER_ASSERT(out != NULL);
    THEATER_ASSERT(payload.data != NULL || payload.size == 0);
    theater__reader reader = theater__reader_of(payload.data, payload.size);
    theater__return ret = {0};
    ret.result = read_optional(&reader, &ret.has_result);
    ret.state = fast_sized(&reader);
    theater_status status = finish(&reader, "return", err);
    if (status == THEATER_OK) {
        *out = ret;
    }
    return status;
}

/* ---- requests and what answers them ---------------------------------------------------------- */

/* True if the wait is timed by elapsed time: then it says when it was armed, and in which boot. */
static bool is_armed(const theater__request *request)
{
    return request->wait_kind == THEATER__WAIT_ELAPSED ||
           (request->wait_kind == THEATER__WAIT_TOKEN && request->duration_ms != UINT64_MAX);
}

static void put_wait(theater__buffer *buffer, const theater__request *request)
{
    THEATER_ASSERT(request->wait_kind >= THEATER__WAIT_ELAPSED &&
                   request->wait_kind <= THEATER__WAIT_TOKEN);
    theater__buffer_put_u8(buffer, (uint8_t)request->wait_kind);
    if (request->wait_kind == THEATER__WAIT_WALL) {
        theater__buffer_put_varint(buffer, request->due_wall.ms);
        return;
    }
    theater__buffer_put_varint(buffer, request->duration_ms);
    if (is_armed(request)) {
        theater__buffer_put_varint(buffer, request->armed.ns);
        theater__buffer_put(buffer, request->boot, sizeof(request->boot));
    }
}

static void read_wait(theater__reader *reader, theater__request *out)
{
    uint8_t wait_kind = fast_u8(reader);
    if (wait_kind < THEATER__WAIT_ELAPSED || wait_kind > THEATER__WAIT_TOKEN) {
        reader->failed = true;
        return;
    }
    out->wait_kind = (theater__wait_kind)wait_kind;
    if (out->wait_kind == THEATER__WAIT_WALL) {
        out->due_wall.ms = fast_varint(reader);
        return;
    }
    out->duration_ms = fast_varint(reader);
    if (is_armed(out)) {
        out->armed.ns = fast_varint(reader);
        read_array(reader, out->boot, sizeof(out->boot));
    }
}

void theater__request_encode(theater__buffer *buffer, theater_event_kind kind,
                             const theater__request *request)
{
    THEATER_ASSERT(buffer != NULL && request != NULL);
    THEATER_ASSERT(kind == THEATER_KIND_WAIT || kind == THEATER_KIND_EFFECT ||
                   kind == THEATER_KIND_POST);
    THEATER_ASSERT(request->function.size > 0);
    put_text(buffer, request->function);
    put_bytes(buffer, request->args);
    if (kind == THEATER_KIND_WAIT) {
        put_wait(buffer, request);
    }
}

theater_status theater__request_decode(theater_bytes payload, theater_event_kind kind,
                                       theater__request *out, theater_error *err)
{
    THEATER_ASSERT(out != NULL);
    THEATER_ASSERT(kind == THEATER_KIND_WAIT || kind == THEATER_KIND_EFFECT ||
                   kind == THEATER_KIND_POST);
    theater__reader reader = theater__reader_of(payload.data, payload.size);
    theater__request request = {0};
    request.function = read_name(&reader);
    request.args = fast_sized(&reader);
    if (kind == THEATER_KIND_WAIT) {
        read_wait(&reader, &request);
    }
    theater_status status = finish(&reader, theater_event_kind_name(kind), err);
    if (status == THEATER_OK) {
        *out = request;
    }
    return status;
}

void theater__answer_encode(theater__buffer *buffer, const theater__answer *answer)
{
    THEATER_ASSERT(buffer != NULL && answer != NULL);
    THEATER_ASSERT(answer->function.size > 0);
    THEATER_ASSERT(answer->count >= 1 && answer->count <= THEATER__ANSWER_COUNT_MAX);
    put_text(buffer, answer->function);
    put_bytes(buffer, answer->args);
    put_optional(buffer, answer->has_result, answer->result);
    theater__buffer_put_varint(buffer, answer->count);
}

theater_status theater__answer_decode(theater_bytes payload, theater__answer *out,
                                      theater_error *err)
{
    THEATER_ASSERT(out != NULL);
    THEATER_ASSERT(payload.data != NULL || payload.size == 0);
    theater__reader reader = theater__reader_of(payload.data, payload.size);
    theater__answer answer = {0};
    answer.function = read_name(&reader);
    answer.args = fast_sized(&reader);
    answer.result = read_optional(&reader, &answer.has_result);
    answer.count = fast_varint(&reader);
    if (answer.count < 1 || answer.count > THEATER__ANSWER_COUNT_MAX) {
        reader.failed = true;
    }
    theater_status status = finish(&reader, "answer", err);
    if (status == THEATER_OK) {
        *out = answer;
    }
    return status;
}

void theater__completion_encode(theater__buffer *buffer, const theater__completion *completion)
{
    THEATER_ASSERT(buffer != NULL && completion != NULL);
    THEATER_ASSERT(completion->outcome >= THEATER_WAIT_DUE &&
                   completion->outcome <= THEATER_WAIT_OVERDUE);
    theater__buffer_put_varint(buffer, completion->request_seq);
    theater__buffer_put_u8(buffer, (uint8_t)completion->outcome);
    theater__buffer_put_varint(buffer, completion->late_ns);
    put_text(buffer, completion->by);
    put_optional(buffer, completion->has_result, completion->result);
}

theater_status theater__completion_decode(theater_bytes payload, theater__completion *out,
                                          theater_error *err)
{
    THEATER_ASSERT(out != NULL);
    THEATER_ASSERT(payload.data != NULL || payload.size == 0);
    theater__reader reader = theater__reader_of(payload.data, payload.size);
    theater__completion completion = {0};
    completion.request_seq = fast_varint(&reader);
    uint8_t outcome = fast_u8(&reader);
    if (outcome < THEATER_WAIT_DUE || outcome > THEATER_WAIT_OVERDUE) {
        reader.failed = true;
    }
    completion.outcome = (theater_wait_outcome)outcome;
    completion.late_ns = fast_varint(&reader);
    completion.by = read_text(&reader);
    completion.result = read_optional(&reader, &completion.has_result);
    theater_status status = finish(&reader, "completion", err);
    if (status == THEATER_OK) {
        *out = completion;
    }
    return status;
}

/* ---- endings --------------------------------------------------------------------------------- */

/* How many bytes of a text fit: at most the limit, not ending inside a character. */
static size_t cut_size(const uint8_t *data, size_t size)
{
    if (size <= THEATER__REASON_BYTES_MAX) {
        return size;
    }
    size_t cut = THEATER__REASON_BYTES_MAX;
    while (cut > 0 && (data[cut] & 0xc0) == 0x80) {
        cut--;
    }
    return cut;
}

void theater__ending_encode(theater__buffer *buffer, const theater__ending *ending)
{
    THEATER_ASSERT(buffer != NULL && ending != NULL);
    THEATER_ASSERT(ending->reason >= THEATER_END_RETURNED &&
                   ending->reason <= THEATER_END_SHUTDOWN);
    theater__buffer_put_u8(buffer, (uint8_t)ending->reason);
    uint8_t clean[THEATER__REASON_BYTES_MAX];
    const uint8_t *data = (const uint8_t *)ending->text.data;
    size_t size = cut_size(data, ending->text.size);
    if (size > 0) {
        memcpy(clean, data, size);
    }
    if (!theater__utf8_valid(clean, size)) {
        for (size_t i = 0; i < size; i++) {
            clean[i] = clean[i] < 0x80 ? clean[i] : '?';
        }
    }
    theater__buffer_put_sized(buffer, clean, size);
}

theater_status theater__ending_decode(theater_bytes payload, theater__ending *out,
                                      theater_error *err)
{
    THEATER_ASSERT(out != NULL);
    THEATER_ASSERT(payload.data != NULL || payload.size == 0);
    theater__reader reader = theater__reader_of(payload.data, payload.size);
    theater__ending ending = {0};
    uint8_t reason = fast_u8(&reader);
    if (reason < THEATER_END_RETURNED || reason > THEATER_END_SHUTDOWN) {
        reader.failed = true;
    }
    ending.reason = (theater_end_reason)reason;
    ending.text = read_text(&reader);
    if (ending.text.size > THEATER__REASON_BYTES_MAX) {
        reader.failed = true;
    }
    theater_status status = finish(&reader, "end", err);
    if (status == THEATER_OK) {
        *out = ending;
    }
    return status;
}

/* ---- ambient --------------------------------------------------------------------------------- */

void theater__ambient_encode(theater__buffer *buffer, const theater__ambient *ambient)
{
    THEATER_ASSERT(buffer != NULL && ambient != NULL);
    put_text(buffer, ambient->first);
    put_text(buffer, ambient->second);
}

theater_status theater__ambient_decode(theater_bytes payload, theater__ambient *out,
                                       theater_error *err)
{
    THEATER_ASSERT(out != NULL);
    THEATER_ASSERT(payload.data != NULL || payload.size == 0);
    theater__reader reader = theater__reader_of(payload.data, payload.size);
    theater__ambient ambient = {0};
    ambient.first = read_text(&reader);
    ambient.second = read_text(&reader);
    theater_status status = finish(&reader, "note", err);
    if (status == THEATER_OK) {
        *out = ambient;
    }
    return status;
}

void theater__step_encode(theater__buffer *buffer, int64_t delta_ms)
{
    THEATER_ASSERT(buffer != NULL);
    uint64_t zigzag = ((uint64_t)delta_ms << 1) ^ (delta_ms < 0 ? UINT64_MAX : 0);
    theater__buffer_put_varint(buffer, zigzag);
}

theater_status theater__step_decode(theater_bytes payload, int64_t *out_delta_ms,
                                    theater_error *err)
{
    THEATER_ASSERT(out_delta_ms != NULL);
    THEATER_ASSERT(payload.data != NULL || payload.size == 0);
    theater__reader reader = theater__reader_of(payload.data, payload.size);
    uint64_t zigzag = fast_varint(&reader);
    theater_status status = finish(&reader, "step", err);
    if (status == THEATER_OK) {
        *out_delta_ms = (int64_t)((zigzag >> 1) ^ ((zigzag & 1) != 0 ? UINT64_MAX : 0));
    }
    return status;
}

void theater__rebase_encode(theater__buffer *buffer, const theater__rebase *rebase)
{
    THEATER_ASSERT(buffer != NULL && rebase != NULL);
    theater__buffer_put_varint(buffer, rebase->request_seq);
    theater__buffer_put_varint(buffer, rebase->remaining_ms);
    theater__buffer_put_varint(buffer, rebase->armed.ns);
    theater__buffer_put(buffer, rebase->boot, sizeof(rebase->boot));
}

theater_status theater__rebase_decode(theater_bytes payload, theater__rebase *out,
                                      theater_error *err)
{
    THEATER_ASSERT(out != NULL);
    THEATER_ASSERT(payload.data != NULL || payload.size == 0);
    theater__reader reader = theater__reader_of(payload.data, payload.size);
    theater__rebase rebase = {0};
    rebase.request_seq = fast_varint(&reader);
    rebase.remaining_ms = fast_varint(&reader);
    rebase.armed.ns = fast_varint(&reader);
    read_array(&reader, rebase.boot, sizeof(rebase.boot));
    theater_status status = finish(&reader, "rebase", err);
    if (status == THEATER_OK) {
        *out = rebase;
    }
    return status;
}
