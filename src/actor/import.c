/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request of the guest: led by the chain while it has events, live behind its end.
 *
 *   replayed    the next event has to be this very request; its recorded answer is given
 *   live        the handler is asked; what it decides is appended, and then given
 *
 * This runs on the guest's fiber: no large locals, no I/O. PURE functions leave no trace and run in
 * both worlds. An EFFECT without a result is a POST: the guest goes on at once.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <base/value.h>

/* A virtual clock stands still between waits: a guest that polls it would spin for ever. */
#define VIRTUAL_READINGS_MAX 10000u

/* "ntwk:theater/timing.sleep(250)", cut to fit. */
void theater__describe_request(char out_text[THEATER_ERROR_MESSAGE_MAX], theater_text function,
                               theater_bytes args)
{
    theater__arena arena = {0};
    theater__buffer json = {0};
    theater__reader reader = theater__reader_of(args.data, args.size);
    theater_values values = {NULL, 0};
    theater__buffer_put(&json, function.data, function.size);
    theater__buffer_put_u8(&json, '(');
    if (theater__values_decode(&reader, &arena, &values, NULL) == THEATER_OK) {
        for (size_t i = 0; i < values.count && json.size < THEATER_ERROR_MESSAGE_MAX; i++) {
            if (i > 0) {
                theater__buffer_put(&json, ", ", 2);
            }
            theater__value_to_json(&json, &values.data[i]);
        }
    }
    theater__buffer_put_u8(&json, ')');
    size_t size =
        json.size < THEATER_ERROR_MESSAGE_MAX - 1 ? json.size : THEATER_ERROR_MESSAGE_MAX - 1;
    memcpy(out_text, json.failed ? (const uint8_t *)"?" : json.data, json.failed ? 1 : size);
    out_text[json.failed ? 1 : size] = '\0';
    theater__buffer_deinit(&json);
    theater__arena_deinit(&arena);
}

static bool is_post(const theater__turn *turn, const theater__function *function, uint32_t index)
{
    const theater__import *import =
        theater__component_import(turn->profile->component->code, index);
    return function->kind == THEATER_FUNCTION_EFFECT && import->signature.result == NULL;
}

static bool bytes_equal(theater_bytes a, const theater__buffer *b)
{
    return a.size == b->size && (a.size == 0 || memcmp(a.data, b->data, a.size) == 0);
}

static bool text_equals(theater_text a, const char *data, size_t size)
{
    return a.size == size && memcmp(a.data, data, size) == 0;
}

static theater_bytes buffer_bytes(const theater__buffer *buffer)
{
    theater_bytes bytes = {buffer->data, buffer->size};
    return bytes;
}

/* Decodes a recorded result for the engine, which takes it before it gives control back. */
static theater__import_outcome give(theater__turn *turn, bool has_result, theater_bytes result,
                                    theater_value *out_result)
{
    if (!has_result) {
        return THEATER__IMPORT_RETURN;
    }
    theater_error error = THEATER_ERROR_INIT;
    theater__reader reader = theater__reader_of(result.data, result.size);
    theater_status status = theater__value_decode(&reader, &turn->arena, out_result, &error);
    if (status == THEATER_ERR_CORRUPT) {
        turn->error = error;
        return theater__turn_stop(turn, THEATER__TURN_CORRUPT);
    }
    return status == THEATER_OK ? THEATER__IMPORT_RETURN : theater__turn_abandon(turn, &error);
}

/* ---- replayed -------------------------------------------------------------------------------- */

/* What is left to say when the guest's request is not what the chain has next. */
static theater__import_outcome diverge(theater__turn *turn, const theater__function *function)
{
    char actual[THEATER_ERROR_MESSAGE_MAX];
    theater_text id = {function->id, function->id_size};
    theater__describe_request(actual, id, buffer_bytes(&turn->args));
    return theater__turn_diverge(turn, actual);
}

/* After a consumed event: an end by the environment stands where it happened. */
static bool next_is_terminate(theater__turn *turn)
{
    const theater_event *event = NULL;
    return theater__cursor_peek(turn, &event, NULL) == THEATER_OK &&
           event->kind == THEATER_KIND_TERMINATE;
}

static theater__import_outcome replay_answer(theater__turn *turn, const theater__function *function,
                                             theater_value *out_result)
{
    theater__answer answer;
    if (theater__answer_decode(turn->next.payload, &answer, &turn->error) != THEATER_OK) {
        return theater__turn_stop(turn, THEATER__TURN_CORRUPT);
    }
    if (!text_equals(answer.function, function->id, function->id_size) ||
        !bytes_equal(answer.args, &turn->args)) {
        return diverge(turn, function);
    }
    theater__cursor_advance(turn);
    theater__import_outcome outcome = give(turn, answer.has_result, answer.result, out_result);
    if (outcome == THEATER__IMPORT_RETURN && next_is_terminate(turn)) {
        return theater__turn_stop(turn, THEATER__TURN_REPLAYED);
    }
    return outcome;
}

static void open_from_event(theater__turn *turn, const theater_event *event,
                            const theater__request *request, const theater__function *function)
{
    theater__open_request *open = &turn->open;
    memset(open, 0, sizeof(*open));
    open->is_open = true;
    open->seq = event->seq;
    open->kind = event->kind;
    open->wait_kind = request->wait_kind;
    open->duration_ms = request->duration_ms;
    open->armed = request->armed;
    memcpy(open->boot, request->boot, sizeof(open->boot));
    open->armed_wall = event->wall;
    open->due_wall = request->due_wall;
    open->function = function;
}

/* The open request's end, if the chain has it already. */
static theater__import_outcome replay_completion(theater__turn *turn, theater_value *out_result)
{
    const theater_event *event = NULL;
    theater_status status = theater__cursor_peek(turn, &event, &turn->error);
    if (status == THEATER_ERR_NOTFOUND) {
        return THEATER__IMPORT_WAIT;
    }
    if (status != THEATER_OK) {
        return theater__turn_stop(turn, THEATER__TURN_CORRUPT);
    }
    if (event->kind == THEATER_KIND_TERMINATE) {
        return theater__turn_stop(turn, THEATER__TURN_REPLAYED);
    }
    if (event->kind != THEATER_KIND_COMPLETION ||
        theater__turn_take_completion(turn, event->payload, &turn->error) != THEATER_OK) {
        return theater__turn_stop(turn, THEATER__TURN_CORRUPT);
    }
    theater__cursor_advance(turn);
    turn->has_delivery = false;
    turn->open.is_open = false;
    theater__import_outcome outcome =
        give(turn, turn->delivery_has_result, buffer_bytes(&turn->delivery), out_result);
    if (outcome == THEATER__IMPORT_RETURN && next_is_terminate(turn)) {
        return theater__turn_stop(turn, THEATER__TURN_REPLAYED);
    }
    return outcome;
}

static theater__import_outcome replay_request(theater__turn *turn,
                                              const theater__function *function,
                                              theater_value *out_result)
{
    theater__request request;
    theater_event event = turn->next;
    if (theater__request_decode(event.payload, event.kind, &request, &turn->error) != THEATER_OK) {
        return theater__turn_stop(turn, THEATER__TURN_CORRUPT);
    }
    if (!text_equals(request.function, function->id, function->id_size) ||
        !bytes_equal(request.args, &turn->args)) {
        return diverge(turn, function);
    }
    theater__cursor_advance(turn);
    if (event.kind == THEATER_KIND_POST) {
        return next_is_terminate(turn) ? theater__turn_stop(turn, THEATER__TURN_REPLAYED)
                                       : THEATER__IMPORT_RETURN;
    }
    open_from_event(turn, &event, &request, function);
    return replay_completion(turn, out_result);
}

static bool kind_fits(const theater__function *function, bool post, theater_event_kind kind)
{
    switch (function->kind) {
    case THEATER_FUNCTION_RECORDED:
        return kind == THEATER_KIND_ANSWER;
    case THEATER_FUNCTION_WAIT:
        return kind == THEATER_KIND_ANSWER || kind == THEATER_KIND_WAIT;
    case THEATER_FUNCTION_EFFECT:
        return kind == (post ? THEATER_KIND_POST : THEATER_KIND_EFFECT);
    case THEATER_FUNCTION_PURE:
        break;
    }
    return false;
}

static theater__import_outcome replay(theater__turn *turn, const theater__function *function,
                                      bool post, theater_value *out_result)
{
    THEATER_ASSERT(turn->has_next);
    if (turn->next.kind == THEATER_KIND_TERMINATE) {
        return theater__turn_stop(turn, THEATER__TURN_REPLAYED);
    }
    if (!kind_fits(function, post, turn->next.kind)) {
        return diverge(turn, function);
    }
    if (turn->next.kind == THEATER_KIND_ANSWER) {
        return replay_answer(turn, function, out_result);
    }
    return replay_request(turn, function, out_result);
}

/* ---- live ------------------------------------------------------------------------------------ */

static bool fold_matches(const theater__turn *turn, const theater__function *function,
                         const theater_call *call)
{
    const theater__fold *fold = &turn->fold;
    return fold->function == function && fold->count < THEATER__ANSWER_COUNT_MAX &&
           fold->wall.ms == call->wall.ms && fold->has_result == call->has_result &&
           bytes_equal(buffer_bytes(&fold->args), &turn->args) &&
           bytes_equal(buffer_bytes(&fold->result), &turn->result);
}

/* An answer is not an event yet: equal ones behind it are counted into it. */
static theater__import_outcome live_answer(theater__turn *turn, const theater__function *function,
                                           theater_call *call, theater_value *out_result)
{
    theater__fold *fold = &turn->fold;
    (void)theater_call_now(call);
    if (fold_matches(turn, function, call)) {
        fold->count++;
        if (turn->env->is_simulated && fold->count >= VIRTUAL_READINGS_MAX) {
            return theater__turn_end_guest(
                turn, THEATER_END_LIMIT,
                "virtual_readings_max: 10000 equal readings of a virtual "
                "clock without a wait");
        }
    } else {
        theater_error error = THEATER_ERROR_INIT;
        if (theater__turn_flush(turn, &error) != THEATER_OK) {
            return theater__turn_abandon(turn, &error);
        }
        theater__buffer_clear(&fold->args);
        theater__buffer_put(&fold->args, turn->args.data, turn->args.size);
        theater__buffer_clear(&fold->result);
        theater__buffer_put(&fold->result, turn->result.data, turn->result.size);
        if (fold->args.failed || fold->result.failed) {
            (void)theater__fail_nomem(&error);
            return theater__turn_abandon(turn, &error);
        }
        fold->function = function;
        fold->wall = call->wall;
        fold->has_result = call->has_result;
        fold->count = 1;
    }
    if (turn->call_bytes > turn->profile->limits.call_chain_bytes_max) {
        return theater__turn_end_guest(turn, THEATER_END_LIMIT,
                                       "call_chain_bytes_max: this call appended too many events; "
                                       "return the state and be called again");
    }
    return give(turn, call->has_result, buffer_bytes(&turn->result), out_result);
}

/* Appends the request's event and opens it (a POST opens nothing). */
static theater__import_outcome live_request(theater__turn *turn, const theater__function *function,
                                            theater_event_kind kind, theater_call *call)
{
    theater__request request;
    memset(&request, 0, sizeof(request));
    request.function.data = function->id;
    request.function.size = function->id_size;
    request.args = buffer_bytes(&turn->args);
    request.wait_kind = call->wait_kind;
    request.duration_ms = call->duration_ms;
    request.due_wall = call->due_wall;
    if (kind == THEATER_KIND_WAIT && call->wait_kind == THEATER__WAIT_ELAPSED) {
        request.armed = turn->env->mono(turn->env->userdata);
        memcpy(request.boot, turn->env->boot, sizeof(request.boot));
    }
    theater_error error = THEATER_ERROR_INIT;
    theater_wall wall = theater_call_now(call);
    theater__buffer_clear(&turn->payload);
    theater__request_encode(&turn->payload, kind, &request);
    if (turn->payload.failed) {
        (void)theater__fail_nomem(&error);
        return theater__turn_abandon(turn, &error);
    }
    if (theater__turn_append(turn, THEATER_EVENT_REQUEST, kind, wall, buffer_bytes(&turn->payload),
                             &error) != THEATER_OK) {
        return error.status == THEATER_ERR_LIMIT
                   ? theater__turn_end_guest(turn, THEATER_END_LIMIT, error.message)
                   : theater__turn_abandon(turn, &error);
    }
    theater_event event;
    memset(&event, 0, sizeof(event));
    event.seq = turn->writer.next_seq - 1;
    event.kind = kind;
    event.wall = wall;
    if (kind != THEATER_KIND_WAIT) {
        turn->output_seq = event.seq;
    }
    if (turn->call_bytes > turn->profile->limits.call_chain_bytes_max) {
        return theater__turn_end_guest(turn, THEATER_END_LIMIT,
                                       "call_chain_bytes_max: this call appended too many events; "
                                       "return the state and be called again");
    }
    if (kind == THEATER_KIND_POST) {
        return THEATER__IMPORT_RETURN;
    }
    open_from_event(turn, &event, &request, function);
    return THEATER__IMPORT_WAIT;
}

/* Asks the handler of a PURE, RECORDED or WAIT function. */
static theater__import_outcome live_call(theater__turn *turn, const theater__function *function,
                                         theater_values args, theater_value *out_result)
{
    theater_call call;
    theater_error error = THEATER_ERROR_INIT;
    theater__call_init(&call, turn->env, turn->profile, function, &turn->result);
    call.store.id = turn->actor;
    call.store.writer = &turn->writer;
    call.seq = turn->writer.next_seq + (turn->fold.function != NULL ? 1 : 0);
    if (function->call(&call, args, function->userdata, &error) != THEATER_OK ||
        theater__call_check(&call, &error) != THEATER_OK) {
        return theater__turn_abandon(turn, &error);
    }
    switch (call.decision) {
    case THEATER__CALL_ENDS:
        return theater__turn_end_guest(turn, call.reason, call.text);
    case THEATER__CALL_WAITS:
        return live_request(turn, function, THEATER_KIND_WAIT, &call);
    case THEATER__CALL_UNDECIDED: /* a function without a result */
    case THEATER__CALL_RETURNED:
        break;
    }
    if (function->kind == THEATER_FUNCTION_PURE) {
        return give(turn, call.has_result, buffer_bytes(&turn->result), out_result);
    }
    return live_answer(turn, function, &call, out_result);
}

static theater__import_outcome live(theater__turn *turn, const theater__function *function,
                                    bool post, theater_values args, theater_value *out_result)
{
    if (function->kind != THEATER_FUNCTION_EFFECT) {
        return live_call(turn, function, args, out_result);
    }
    theater_call call;
    theater__call_init(&call, turn->env, turn->profile, function, &turn->result);
    return live_request(turn, function, post ? THEATER_KIND_POST : THEATER_KIND_EFFECT, &call);
}

theater__import_outcome theater__turn_import(void *userdata, uint32_t import_index,
                                             theater_values args, theater_value *out_result)
{
    theater__turn *turn = userdata;
    const theater__function *function = turn->profile->component->imports[import_index];
    THEATER_ASSERT(function != NULL);
    THEATER_ASSERT(!turn->is_ending);
    theater__arena_reset(&turn->arena);
    if (function->kind == THEATER_FUNCTION_PURE) {
        return live_call(turn, function, args, out_result);
    }
    theater__buffer_clear(&turn->args);
    theater__values_encode(&turn->args, args.data, args.count);
    theater_error error = THEATER_ERROR_INIT;
    if (turn->args.failed) {
        (void)theater__fail_nomem(&error);
        return theater__turn_abandon(turn, &error);
    }
    const theater_event *event = NULL;
    theater_status status = theater__cursor_peek(turn, &event, &error);
    if (status == THEATER_ERR_NOTFOUND) {
        if (turn->replay_only) {
            return theater__turn_stop(turn, THEATER__TURN_REPLAYED);
        }
        return live(turn, function, is_post(turn, function, import_index), args, out_result);
    }
    if (status != THEATER_OK) {
        turn->error = error;
        return theater__turn_stop(turn, THEATER__TURN_CORRUPT);
    }
    return replay(turn, function, is_post(turn, function, import_index), out_result);
}
