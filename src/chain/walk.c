/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar of a chain. Links show that nobody changed what was written; this shows that what was
 * written is a possible life of an actor:
 *
 *     chain  = genesis { call | ambient } [ end ]
 *     call   = CALL { ANSWER | POST | request | ambient } ( RETURN | TERMINATE | end )
 *     request = ( WAIT | EFFECT ) { ambient } ( COMPLETION | TERMINATE | end )
 *
 * A chain may stop after any event: its actor is then running, or asleep. An erased payload is
 * taken on trust where its content would matter, except for the genesis, without which nothing says
 * whose chain it is.
 */
#include "walk.h"

#include "fast_read.h"

#include <base/assert.h>
#include <base/error.h>
#include <base/value.h>

#include <inttypes.h>
#include <string.h>

void theater__walk_init(theater__walk *walk, const theater_chain *chain)
{
    THEATER_ASSERT(walk != NULL && chain != NULL);
    THEATER_ASSERT(!chain->is_foreign);
    memset(walk, 0, sizeof(*walk));
    walk->chain = chain;
    theater_bytes frames = theater__chain_frames(chain);
    theater__chain_reader_init(&walk->reader, frames.data, frames.size, NULL, 0);
}

void theater__walk_deinit(theater__walk *walk)
{
    if (walk != NULL) {
        theater__arena_deinit(&walk->arena);
    }
}

/* ---- grammar --------------------------------------------------------------------------------- */

/* What is wrong with an event of this kind in this place; NULL if nothing. */
static const char *place_fault(const theater__walk *walk, const theater_event *event)
{
    if (walk->has_ended) {
        return "it stands behind the end";
    }
    if (event->seq == 0 && event->kind != THEATER_KIND_GENESIS) {
        return "it is the first and no genesis";
    }
    switch (event->kind) {
    case THEATER_KIND_GENESIS:
        if (event->seq != 0) {
            return "it is a second genesis";
        }
        return event->is_redacted ? "the genesis was erased: nothing says whose chain this is"
                                  : NULL;
    case THEATER_KIND_CALL:
        return walk->is_in_call ? "it begins a call inside of a call" : NULL;
    case THEATER_KIND_WAIT:
    case THEATER_KIND_EFFECT:
    case THEATER_KIND_POST:
    case THEATER_KIND_RETURN:
    case THEATER_KIND_ANSWER:
        if (!walk->is_in_call) {
            return "it stands outside of a call";
        }
        return walk->has_open ? "the guest is waiting and cannot have done this" : NULL;
    case THEATER_KIND_COMPLETION:
        return walk->has_open ? NULL : "it completes a request that is not open";
    case THEATER_KIND_TERMINATE:
        return walk->is_in_call ? NULL : "it ends a call that is not open";
    case THEATER_KIND_REBASE:
        return walk->has_open && walk->open_kind == THEATER_KIND_WAIT
                   ? NULL
                   : "it moves a wait that is not open";
    case THEATER_KIND_ENGINE:
    case THEATER_KIND_STEP:
    case THEATER_KIND_NOTE:
    case THEATER_KIND_END:
    default:
        return NULL;
    }
}

/* The same for what the decoded payload says. */
static const char *payload_fault(const theater__walk *walk, const theater__walked *walked)
{
    if (walked->event.is_redacted) {
        return NULL;
    }
    switch (walked->event.kind) {
    case THEATER_KIND_GENESIS:
        return walk->chain->has_header &&
                       memcmp(walk->chain->actor.bytes, walk->genesis.actor.bytes,
                              sizeof(walk->genesis.actor.bytes)) != 0
                   ? "the header of the file names another actor than the genesis"
                   : NULL;
    case THEATER_KIND_COMPLETION:
        return walked->of.completion.request_seq != walk->open_seq
                   ? "it completes another request than the open one"
                   : NULL;
    case THEATER_KIND_REBASE:
        return walked->of.rebase.request_seq != walk->open_seq
                   ? "it moves another wait than the open one"
                   : NULL;
    default:
        return NULL;
    }
}

/* ---- payloads -------------------------------------------------------------------------------- */

static theater_status decode_payload(theater__walk *walk, theater__walked *out, theater_error *err)
{
    theater_bytes payload = out->event.payload;
    switch (out->event.kind) {
    case THEATER_KIND_GENESIS:
        return theater__genesis_decode(payload, &walk->genesis, err);
    case THEATER_KIND_CALL:
        return theater__call_decode(payload, &out->of.call, err);
    case THEATER_KIND_WAIT:
    case THEATER_KIND_EFFECT:
    case THEATER_KIND_POST:
        return theater__request_decode(payload, out->event.kind, &out->of.request, err);
    case THEATER_KIND_RETURN:
        return theater__return_decode(payload, &out->of.ret, err);
    case THEATER_KIND_ANSWER:
        return theater__answer_decode(payload, &out->of.answer, err);
    case THEATER_KIND_COMPLETION:
        return theater__completion_decode(payload, &out->of.completion, err);
    case THEATER_KIND_TERMINATE:
    case THEATER_KIND_END:
        return theater__ending_decode(payload, &out->of.ending, err);
    case THEATER_KIND_ENGINE:
    case THEATER_KIND_NOTE:
        return theater__ambient_decode(payload, &out->of.ambient, err);
    case THEATER_KIND_STEP:
        return theater__step_decode(payload, &out->of.delta_ms, err);
    case THEATER_KIND_REBASE:
        return theater__rebase_decode(payload, &out->of.rebase, err);
    default:
        THEATER_UNREACHABLE("the reader lets only known kinds pass");
    }
}

/* True if a u64 and nothing else stands there. */
static bool decode_lone_u64(const uint8_t *data, size_t size, theater_value *out)
{
    if (size < 2 || data[0] != THEATER_VALUE_U64) {
        return false;
    }
    theater__reader reader = theater__reader_of(data + 1, size - 1);
    *out = theater_value_u64(fast_varint(&reader));
    return !reader.failed && reader.offset == reader.size;
}

/*
 * Nearly all chains are full of calls without arguments, or with a time, and are read without the
 * arena: it would be a fifth of verification.
 */
static theater_status decode_args(theater__walk *walk, theater_bytes bytes, theater_values *out,
                                  theater_error *err)
{
    if (bytes.size == 1 && bytes.data[0] == 0) {
        return THEATER_OK;
    }
    if (bytes.size > 2 && bytes.data[0] == 1 &&
        decode_lone_u64(bytes.data + 1, bytes.size - 1, &walk->lone_arg)) {
        out->data = &walk->lone_arg;
        out->count = 1;
        return THEATER_OK;
    }
    theater__reader reader = theater__reader_of(bytes.data, bytes.size);
    theater_status status = theater__values_decode(&reader, &walk->arena, out, err);
    if (status == THEATER_OK && theater__reader_left(&reader) != 0) {
        return theater__fail(err, THEATER_ERR_CORRUPT, "bytes follow its values");
    }
    return status;
}

/* The two results that nearly all chains are full of, a clock reading and an ok without a value. */
static bool decode_common_result(theater_bytes bytes, theater_value *out)
{
    static const uint8_t unit_ok[] = {THEATER_VALUE_RESULT, 1, 0};
    if (bytes.size == sizeof(unit_ok) && memcmp(bytes.data, unit_ok, sizeof(unit_ok)) == 0) {
        *out = theater_value_result(true, NULL);
        return true;
    }
    return decode_lone_u64(bytes.data, bytes.size, out);
}

static theater_status decode_result(theater__walk *walk, theater_bytes bytes, theater__walked *out,
                                    theater_error *err)
{
    out->has_result = true;
    if (decode_common_result(bytes, &out->result)) {
        return THEATER_OK;
    }
    theater__reader reader = theater__reader_of(bytes.data, bytes.size);
    theater_status status = theater__value_decode(&reader, &walk->arena, &out->result, err);
    if (status == THEATER_OK && theater__reader_left(&reader) != 0) {
        return theater__fail(err, THEATER_ERR_CORRUPT, "bytes follow its result");
    }
    return status;
}

static theater_status decode_configs(theater__walk *walk, theater_error *err)
{
    theater_status status = THEATER_OK;
    for (uint32_t i = 0; status == THEATER_OK && i < walk->genesis.handlers_count; i++) {
        theater_values config = {NULL, 0};
        status = decode_args(walk, walk->genesis.handlers[i].config, &config, err);
    }
    return status;
}

/* The values that stand encoded in the payload. */
static theater_status decode_values(theater__walk *walk, theater__walked *out, theater_error *err)
{
    theater_status status;
    switch (out->event.kind) {
    case THEATER_KIND_GENESIS:
        return decode_configs(walk, err);
    case THEATER_KIND_CALL:
        return decode_args(walk, out->of.call.args, &out->args, err);
    case THEATER_KIND_WAIT:
    case THEATER_KIND_EFFECT:
    case THEATER_KIND_POST:
        return decode_args(walk, out->of.request.args, &out->args, err);
    case THEATER_KIND_RETURN:
        return out->of.ret.has_result ? decode_result(walk, out->of.ret.result, out, err)
                                      : THEATER_OK;
    case THEATER_KIND_ANSWER:
        status = decode_args(walk, out->of.answer.args, &out->args, err);
        return status == THEATER_OK && out->of.answer.has_result
                   ? decode_result(walk, out->of.answer.result, out, err)
                   : status;
    case THEATER_KIND_COMPLETION:
        return out->of.completion.has_result
                   ? decode_result(walk, out->of.completion.result, out, err)
                   : THEATER_OK;
    default:
        return THEATER_OK;
    }
}

theater_status theater__walk_open_args(theater__walk *walk, theater__walked *walked,
                                       theater_error *err)
{
    THEATER_ASSERT(walk != NULL && walked != NULL);
    THEATER_ASSERT(walked->event.kind == THEATER_KIND_COMPLETION);
    if (walk->open.function.size == 0) {
        return THEATER_OK; /* the request was erased */
    }
    return decode_args(walk, walk->open.args, &walked->args, err);
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* Remembers what the event opens and closes. */
static void follow(theater__walk *walk, theater__walked *out)
{
    theater_event_kind kind = out->event.kind;
    bool closes =
        kind == THEATER_KIND_RETURN || kind == THEATER_KIND_TERMINATE || kind == THEATER_KIND_END;
    if (kind == THEATER_KIND_CALL) {
        walk->is_in_call = true;
        walk->call_name = out->of.call.export_name;
    }
    out->call_name = walk->call_name;
    out->ends_call = closes && walk->is_in_call;
    if (kind == THEATER_KIND_WAIT || kind == THEATER_KIND_EFFECT) {
        walk->has_open = true;
        walk->open_seq = out->event.seq;
        walk->open_kind = kind;
        walk->open = out->of.request;
    }
    if (kind == THEATER_KIND_COMPLETION) {
        walk->has_open = false;
    }
    if (closes) {
        theater_text none = {NULL, 0};
        walk->call_name = none;
        walk->is_in_call = false;
        walk->has_open = false;
    }
    if (kind == THEATER_KIND_END) {
        walk->has_ended = true;
    }
    THEATER_ASSERT(!walk->has_open || walk->is_in_call);
}

static theater_status check_event(theater__walk *walk, theater__walked *out, theater_error *err)
{
    theater_error detail; /* written only on failure */
    const char *fault = place_fault(walk, &out->event);
    theater_status status = THEATER_OK;
    if (out->event.is_redacted) {
        memset(&out->of, 0, sizeof(out->of));
    } else if (fault == NULL) {
        status = decode_payload(walk, out, &detail);
        if (status == THEATER_OK) {
            fault = payload_fault(walk, out);
        }
        if (status == THEATER_OK && fault == NULL) {
            status = decode_values(walk, out, &detail);
        }
    }
    if (status == THEATER_ERR_NOMEM) {
        return theater__fail_nomem(err);
    }
    if (status != THEATER_OK) {
        fault = detail.message;
    }
    if (fault != NULL) {
        return theater__fail(err, THEATER_ERR_CORRUPT, "event %" PRIu64 ": %s", out->event.seq,
                             fault);
    }
    return THEATER_OK;
}

/* No frames are left: is that the end, or is something missing? */
static theater_status check_end(const theater__walk *walk, theater_error *err)
{
    uint64_t seq = walk->reader.next_seq;
    if (walk->chain->damage != NULL) {
        return theater__fail(err, THEATER_ERR_CORRUPT, "event %" PRIu64 ": %s", seq,
                             walk->chain->damage);
    }
    if (seq == 0) {
        return theater__fail(err, THEATER_ERR_CORRUPT,
                             "event 0: it is missing: the chain has no genesis");
    }
    return theater__fail(err, THEATER_ERR_NOTFOUND, "the chain has no event %" PRIu64, seq);
}

theater_status theater__walk_next(theater__walk *walk, theater__walked *out, theater_error *err)
{
    THEATER_ASSERT(walk != NULL && out != NULL);
    THEATER_ASSERT(walk->chain != NULL);
    if (walk->chain->header_damage[0] != '\0') {
        return theater__fail(err, THEATER_ERR_CORRUPT, "event 0: %s", walk->chain->header_damage);
    }
    if (walk->reader.offset == walk->reader.size) {
        return check_end(walk, err);
    }
    theater__chain_reader before = walk->reader;
    theater_values none = {NULL, 0};
    out->args = none;
    out->has_result = false;
    if (walk->arena.used > 0) {
        theater__arena_reset(&walk->arena);
    }
    theater_status status = theater__chain_read(&walk->reader, &out->event, err);
    if (status != THEATER_OK) {
        return status;
    }
    status = check_event(walk, out, err);
    if (status != THEATER_OK) {
        walk->reader = before;
        return status;
    }
    out->frame_offset = before.offset;
    out->frame_size = walk->reader.offset - before.offset;
    follow(walk, out);
    return THEATER_OK;
}
