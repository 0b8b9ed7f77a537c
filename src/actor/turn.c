/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a turn: from a fresh instance to the end of its call.
 *
 *   new ──> run ──> SUSPENDED ── complete ──> run …
 *                   YIELDED ────────────────> run …
 *                   FINISHED | DIVERGED | ABANDONED | CORRUPT | REPLAYED
 *
 * How a guest's end is recorded says how replay meets it. A return and a trap are the guest's own
 * doing: replay runs into them again and compares. A budget, an exhausted stack, a cancel come from
 * outside: they are a TERMINATE behind the last request, and replay stops there. What the machine
 * did (no memory) is never recorded: the turn is abandoned as if it had not begun.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <base/limits.h>
#include <base/value.h>

static const theater__guest_ops guest_ops = {theater__turn_import, theater__budget_on_epoch};

static void copy_text(char out_text[THEATER_ERROR_MESSAGE_MAX], const char *text, size_t size)
{
    size_t fits = size < THEATER_ERROR_MESSAGE_MAX - 1 ? size : THEATER_ERROR_MESSAGE_MAX - 1;
    /* Never cut a character in two: the text goes into a payload that has to be UTF-8. */
    while (fits < size && fits > 0 && ((uint8_t)text[fits] & 0xc0) == 0x80) {
        fits--;
    }
    if (fits > 0) {
        memcpy(out_text, text, fits);
    }
    out_text[fits] = '\0';
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static theater_status start_guest(theater__turn *turn, const theater__call_payload *call,
                                  theater_error *err)
{
    THEATER_AUTOFREE char *name = theater__strndup(call->export_name.data, call->export_name.size);
    if (name == NULL) {
        return theater__fail_nomem(err);
    }
    size_t export_index = 0;
    theater__component *code = turn->profile->component->code;
    theater_status status = theater__component_find_export(code, name, &export_index, err);
    if (status != THEATER_OK) {
        return status;
    }
    theater_values args;
    theater__reader reader = theater__reader_of(call->args.data, call->args.size);
    status = theater__values_decode(&reader, &turn->arena, &args, err);
    if (status != THEATER_OK) {
        return status;
    }
    return theater__guest_start(code, export_index, args, &turn->profile->limits, &guest_ops, turn,
                                &turn->guest, err);
}

theater_status theater__turn_new(const theater__turn_options *options, theater__turn **out_turn,
                                 theater_error *err)
{
    THEATER_ASSERT(options->profile->component != NULL);
    THEATER_ASSERT(options->call_seq > 0);
    theater__turn *turn = theater__alloc_zeroed(1, sizeof(*turn));
    if (turn == NULL) {
        return theater__fail_nomem(err);
    }
    turn->env = options->env;
    turn->profile = options->profile;
    turn->actor = options->actor;
    turn->replay_only = options->replay_only;
    turn->tail = options->head;
    theater__chain_writer_init(&turn->writer, &options->head.hash, options->head.seq + 1);
    theater__call_payload call;
    theater_status status = theater__cursor_begin(turn, options, &call, err);
    if (status == THEATER_OK) {
        status = start_guest(turn, &call, err);
    }
    if (status != THEATER_OK) {
        theater__turn_free(turn);
        return status;
    }
    *out_turn = turn;
    return THEATER_OK;
}

void theater__turn_free(theater__turn *turn)
{
    if (turn == NULL) {
        return;
    }
    if (turn->guest != NULL) {
        theater__guest_delete(turn->guest);
    }
    theater__chain_writer_deinit(&turn->writer);
    theater__buffer_deinit(&turn->fold.args);
    theater__buffer_deinit(&turn->fold.result);
    theater__buffer_deinit(&turn->history);
    theater__buffer_deinit(&turn->delivery);
    theater__buffer_deinit(&turn->args);
    theater__buffer_deinit(&turn->result);
    theater__buffer_deinit(&turn->payload);
    theater__arena_deinit(&turn->arena);
    theater__free(turn);
}

/* ---- appending ------------------------------------------------------------------------------- */

static theater_status append_now(theater__turn *turn, const theater__event_draft *given,
                                 theater_error *err)
{
    theater__event_draft draft = *given;
    uint8_t salt[THEATER__SALT_SIZE];
    if (theater__event_is_external(&draft)) {
        turn->env->random(turn->env->userdata, salt, sizeof(salt));
        draft.salt = salt;
    }
    size_t before = turn->writer.frames.size;
    theater_status status = theater__chain_append(&turn->writer, &draft, err);
    if (status == THEATER_OK) {
        turn->call_bytes += turn->writer.frames.size - before;
    }
    return status;
}

theater_status theater__turn_flush(theater__turn *turn, theater_error *err)
{
    theater__fold *fold = &turn->fold;
    if (fold->function == NULL) {
        return THEATER_OK;
    }
    theater__answer answer;
    memset(&answer, 0, sizeof(answer));
    answer.function.data = fold->function->id;
    answer.function.size = fold->function->id_size;
    answer.args.data = fold->args.data;
    answer.args.size = fold->args.size;
    answer.has_result = fold->has_result;
    answer.result.data = fold->result.data;
    answer.result.size = fold->result.size;
    answer.count = fold->count;
    theater__buffer payload = turn->payload; /* lend the scratch's memory */
    theater__buffer_clear(&payload);
    theater__answer_encode(&payload, &answer);
    turn->payload = payload;
    if (payload.failed) {
        return theater__fail_nomem(err);
    }
    theater__event_draft draft = {THEATER_EVENT_INPUT,
                                  THEATER_KIND_ANSWER,
                                  fold->wall,
                                  {payload.data, payload.size},
                                  false,
                                  NULL};
    theater_status status = append_now(turn, &draft, err);
    if (status == THEATER_OK) {
        fold->function = NULL;
    }
    return status;
}

theater_status theater__turn_append(theater__turn *turn, theater_event_class event_class,
                                    theater_event_kind kind, theater_wall wall,
                                    theater_bytes payload, theater_error *err)
{
    /* The payload may stand in the scratch that closing a fold wants: keep it. */
    theater__buffer kept = {0};
    if (turn->fold.function != NULL) {
        theater__buffer_put(&kept, payload.data, payload.size);
        if (kept.failed) {
            return theater__fail_nomem(err);
        }
        payload.data = kept.data;
    }
    theater_status status = theater__turn_flush(turn, err);
    if (status == THEATER_OK) {
        theater__event_draft draft = {event_class, kind, wall, payload, false, NULL};
        status = append_now(turn, &draft, err);
    }
    theater__buffer_deinit(&kept);
    return status;
}

theater_status theater__turn_note(theater__turn *turn, theater_event_kind kind,
                                  theater_bytes payload, theater_error *err)
{
    return theater__turn_append(turn, THEATER_EVENT_AMBIENT, kind,
                                turn->env->wall(turn->env->userdata), payload, err);
}

static theater_status append_ending(theater__turn *turn, theater_event_class event_class,
                                    theater_event_kind kind, theater_wall wall,
                                    theater_end_reason reason, const char *text, theater_error *err)
{
    theater__ending ending = {reason, {text, strlen(text)}};
    theater__buffer payload = {0};
    theater__ending_encode(&payload, &ending);
    if (payload.failed) {
        theater__buffer_deinit(&payload);
        return theater__fail_nomem(err);
    }
    theater_bytes bytes = {payload.data, payload.size};
    theater_status status = theater__turn_append(turn, event_class, kind, wall, bytes, err);
    theater__buffer_deinit(&payload);
    return status;
}

/* ---- stopping a guest from inside its callbacks ---------------------------------------------- */

theater__import_outcome theater__turn_stop(theater__turn *turn, theater__turn_outcome outcome)
{
    turn->is_ending = true;
    turn->ending_outcome = outcome;
    return THEATER__IMPORT_END;
}

theater__import_outcome theater__turn_end_guest(theater__turn *turn, theater_end_reason reason,
                                                const char *text)
{
    turn->ending_reason = reason;
    copy_text(turn->ending_text, text, strlen(text));
    return theater__turn_stop(turn, THEATER__TURN_FINISHED);
}

theater__import_outcome theater__turn_abandon(theater__turn *turn, const theater_error *error)
{
    turn->error = *error;
    return theater__turn_stop(turn, THEATER__TURN_ABANDONED);
}

/* The next recorded event in words. */
static void describe_next(theater__turn *turn, char out_text[THEATER_ERROR_MESSAGE_MAX],
                          uint64_t *out_seq)
{
    const theater_event *event = NULL;
    if (theater__cursor_peek(turn, &event, NULL) != THEATER_OK) {
        *out_seq = turn->reader.next_seq;
        copy_text(out_text, "the end of the chain", strlen("the end of the chain"));
        return;
    }
    *out_seq = event->seq;
    theater_text function = {NULL, 0};
    theater_bytes args = {NULL, 0};
    theater__answer answer;
    theater__request request;
    if (event->kind == THEATER_KIND_ANSWER &&
        theater__answer_decode(event->payload, &answer, NULL) == THEATER_OK) {
        function = answer.function;
        args = answer.args;
    } else if (event->event_class == THEATER_EVENT_REQUEST && event->kind != THEATER_KIND_RETURN &&
               theater__request_decode(event->payload, event->kind, &request, NULL) == THEATER_OK) {
        function = request.function;
        args = request.args;
    }
    if (function.size > 0) {
        theater__describe_request(out_text, function, args);
    } else {
        (void)snprintf(out_text, THEATER_ERROR_MESSAGE_MAX, "%s",
                       theater_event_kind_name(event->kind));
    }
}

theater__import_outcome theater__turn_diverge(theater__turn *turn, const char *actual)
{
    copy_text(turn->divergence.actual, actual, strlen(actual));
    describe_next(turn, turn->divergence.expected, &turn->divergence.seq);
    return theater__turn_stop(turn, THEATER__TURN_DIVERGED);
}

/* ---- how a call ends ------------------------------------------------------------------------- */

/* REPLAYED if the recorded event is this very end; the divergence otherwise; live: 0. */
static theater__turn_outcome meet_recorded_end(theater__turn *turn, theater_event_kind kind,
                                               theater_bytes payload, const char *actual)
{
    const theater_event *event = NULL;
    theater_status status = theater__cursor_peek(turn, &event, &turn->error);
    if (status == THEATER_ERR_NOTFOUND) {
        return turn->replay_only ? THEATER__TURN_REPLAYED : (theater__turn_outcome)0;
    }
    if (status != THEATER_OK) {
        return THEATER__TURN_CORRUPT;
    }
    bool is_same = event->kind == kind && event->payload.size == payload.size &&
                   memcmp(event->payload.data, payload.data, payload.size) == 0;
    if (!is_same) {
        (void)theater__turn_diverge(turn, actual);
        return THEATER__TURN_DIVERGED;
    }
    theater__cursor_advance(turn);
    return THEATER__TURN_REPLAYED;
}

static theater__turn_outcome abandon(theater__turn *turn, const theater_error *error)
{
    (void)theater__turn_abandon(turn, error);
    return THEATER__TURN_ABANDONED;
}

static theater__turn_outcome finish(theater__turn *turn, theater_end_reason reason)
{
    turn->output_seq = turn->writer.next_seq - 1;
    turn->is_finished = true;
    turn->reason = reason;
    return THEATER__TURN_FINISHED;
}

/* TERMINATE and END in one go: they stand in one batch, so that no crash comes between them. */
static theater__turn_outcome finish_terminated(theater__turn *turn, theater_end_reason reason,
                                               const char *text)
{
    theater_error error = THEATER_ERROR_INIT;
    theater_wall wall = turn->env->wall(turn->env->userdata);
    if (append_ending(turn, THEATER_EVENT_INPUT, THEATER_KIND_TERMINATE, wall, reason, text,
                      &error) != THEATER_OK ||
        append_ending(turn, THEATER_EVENT_END, THEATER_KIND_END, wall, reason, text, &error) !=
            THEATER_OK) {
        return abandon(turn, &error);
    }
    return finish(turn, reason);
}

/* A stack or limit that ran out: from outside, so it is an input. Replay that comes here without
 * the chain saying so has left it. */
static theater__turn_outcome finish_exhausted(theater__turn *turn, theater_end_reason reason,
                                              const char *text)
{
    if (!theater__turn_is_replaying(turn)) {
        return turn->replay_only ? THEATER__TURN_REPLAYED : finish_terminated(turn, reason, text);
    }
    const theater_event *event = NULL;
    if (theater__cursor_peek(turn, &event, NULL) == THEATER_OK &&
        event->kind == THEATER_KIND_TERMINATE) {
        return THEATER__TURN_REPLAYED;
    }
    (void)theater__turn_diverge(turn, text);
    return THEATER__TURN_DIVERGED;
}

static theater__turn_outcome finish_returned(theater__turn *turn)
{
    const theater_value *result = theater__guest_result(turn->guest);
    theater__return ret;
    memset(&ret, 0, sizeof(ret));
    theater__buffer_clear(&turn->result);
    if (result != NULL) {
        theater__value_encode(&turn->result, result);
        ret.has_result = true;
        ret.result.data = turn->result.data;
        ret.result.size = turn->result.size;
    }
    theater__buffer payload = {0};
    theater__return_encode(&payload, &ret);
    theater_error error = THEATER_ERROR_INIT;
    theater__turn_outcome outcome;
    theater_bytes bytes = {payload.data, payload.size};
    if (payload.failed || turn->result.failed) {
        (void)theater__fail_nomem(&error);
        outcome = abandon(turn, &error);
    } else if (payload.size > THEATER__PAYLOAD_BYTES_MAX) {
        outcome = finish_exhausted(turn, THEATER_END_LIMIT,
                                   "payload_bytes_max: the result of the call is too large");
    } else {
        outcome = meet_recorded_end(turn, THEATER_KIND_RETURN, bytes, "return with another result");
    }
    if (outcome == (theater__turn_outcome)0) {
        theater_wall wall = turn->env->wall(turn->env->userdata);
        theater_status status = theater__turn_append(turn, THEATER_EVENT_REQUEST,
                                                     THEATER_KIND_RETURN, wall, bytes, &error);
        if (status == THEATER_OK) {
            status = append_ending(turn, THEATER_EVENT_END, THEATER_KIND_END, wall,
                                   THEATER_END_RETURNED, "", &error);
        }
        outcome = status == THEATER_OK ? finish(turn, THEATER_END_RETURNED) : abandon(turn, &error);
    }
    theater__buffer_deinit(&payload);
    return outcome;
}

/* The guest's own trap: replay has to meet the same one. */
static theater__turn_outcome finish_trapped(theater__turn *turn, const char *text)
{
    theater__ending ending = {THEATER_END_TRAPPED, {text, strlen(text)}};
    theater__buffer payload = {0};
    theater__ending_encode(&payload, &ending);
    theater_error error = THEATER_ERROR_INIT;
    theater__turn_outcome outcome;
    if (payload.failed) {
        (void)theater__fail_nomem(&error);
        outcome = abandon(turn, &error);
    } else {
        char actual[THEATER_ERROR_MESSAGE_MAX + 16];
        (void)snprintf(actual, sizeof(actual), "trap: %s", text);
        theater_bytes bytes = {payload.data, payload.size};
        outcome = meet_recorded_end(turn, THEATER_KIND_END, bytes, actual);
    }
    if (outcome == (theater__turn_outcome)0) {
        theater_wall wall = turn->env->wall(turn->env->userdata);
        outcome = append_ending(turn, THEATER_EVENT_END, THEATER_KIND_END, wall,
                                THEATER_END_TRAPPED, text, &error) == THEATER_OK
                      ? finish(turn, THEATER_END_TRAPPED)
                      : abandon(turn, &error);
    }
    theater__buffer_deinit(&payload);
    return outcome;
}

static theater__turn_outcome on_trap(theater__turn *turn)
{
    theater__trap trap = theater__guest_trap(turn->guest);
    char text[THEATER_ERROR_MESSAGE_MAX];
    copy_text(text, trap.text.data, trap.text.size);
    theater_error error = THEATER_ERROR_INIT;
    switch (trap.kind) {
    case THEATER__TRAP_HOST:
        THEATER_ASSERT(turn->is_ending);
        return turn->ending_outcome == THEATER__TURN_FINISHED
                   ? finish_terminated(turn, turn->ending_reason, turn->ending_text)
                   : turn->ending_outcome;
    case THEATER__TRAP_GUEST:
        return finish_trapped(turn, text);
    case THEATER__TRAP_STACK:
        return finish_exhausted(turn, THEATER_END_STACK, text);
    case THEATER__TRAP_LIMIT:
        return finish_exhausted(turn, THEATER_END_LIMIT, text);
    case THEATER__TRAP_MACHINE:
        break;
    }
    (void)theater__fail(&error, THEATER_ERR_NOMEM, "the turn was abandoned: %s", text);
    return abandon(turn, &error);
}

/* ---- running --------------------------------------------------------------------------------- */

/* Gives the guest the end of its open request. */
static theater_status deliver(theater__turn *turn)
{
    THEATER_ASSERT(turn->open.is_open);
    theater__arena_reset(&turn->arena);
    theater_value value;
    theater_status status = THEATER_OK;
    if (turn->delivery_has_result) {
        theater__reader reader = theater__reader_of(turn->delivery.data, turn->delivery.size);
        status = theater__value_decode(&reader, &turn->arena, &value, &turn->error);
    }
    if (status == THEATER_OK) {
        status = theater__guest_complete(turn->guest, turn->delivery_has_result ? &value : NULL,
                                         &turn->error);
    }
    turn->open.is_open = false;
    turn->has_delivery = false;
    turn->turn_cpu_ns = 0;
    return status;
}

/* An end by the environment before the guest asked for anything. */
static bool ends_at_once(theater__turn *turn)
{
    const theater_event *event = NULL;
    return theater__cursor_peek(turn, &event, NULL) == THEATER_OK &&
           event->kind == THEATER_KIND_TERMINATE;
}

/*
 * A call whose turns are all too short for an epoch check is judged here, behind the request that
 * it just made. One that was only replayed to where it waits is not: it was let wait there.
 */
static theater__turn_outcome on_waiting(theater__turn *turn, uint64_t first_new_seq)
{
    THEATER_ASSERT(turn->open.is_open);
    if (turn->replay_only) {
        return THEATER__TURN_REPLAYED;
    }
    char text[THEATER_ERROR_MESSAGE_MAX];
    if (turn->open.seq >= first_new_seq && theater__budget_is_spent(turn, text)) {
        return finish_terminated(turn, THEATER_END_CPU, text);
    }
    return THEATER__TURN_SUSPENDED;
}

theater__turn_outcome theater__turn_run(theater__turn *turn)
{
    THEATER_ASSERT(!turn->is_finished);
    THEATER_ASSERT(!turn->is_ending);
    if (turn->open.is_open) {
        if (!turn->has_delivery) {
            return turn->replay_only ? THEATER__TURN_REPLAYED : THEATER__TURN_SUSPENDED;
        }
        if (deliver(turn) != THEATER_OK) {
            return THEATER__TURN_ABANDONED;
        }
    } else if (ends_at_once(turn)) {
        return THEATER__TURN_REPLAYED;
    }
    uint64_t first_new_seq = turn->writer.next_seq;
    theater__budget_begin(turn);
    theater__guest_status state = theater__guest_poll(turn->guest);
    theater__budget_end(turn);
    switch (state) {
    case THEATER__GUEST_WAITING:
        return on_waiting(turn, first_new_seq);
    case THEATER__GUEST_YIELDED:
        return THEATER__TURN_YIELDED;
    case THEATER__GUEST_DONE:
        return finish_returned(turn);
    case THEATER__GUEST_TRAPPED:
        return on_trap(turn);
    }
    THEATER_UNREACHABLE("a guest has four states");
}

/* ---- ends of requests ------------------------------------------------------------------------ */

theater_status theater__turn_take_completion(theater__turn *turn, theater_bytes payload,
                                             theater_error *err)
{
    theater__completion completion;
    theater_status status = theater__completion_decode(payload, &completion, err);
    if (status != THEATER_OK) {
        return status;
    }
    if (completion.request_seq != turn->open.seq) {
        return theater__fail(err, THEATER_ERR_CORRUPT,
                             "a completion names event %llu, the open request is event %llu",
                             (unsigned long long)completion.request_seq,
                             (unsigned long long)turn->open.seq);
    }
    theater__buffer_clear(&turn->delivery);
    theater__buffer_put(&turn->delivery, completion.result.data, completion.result.size);
    if (turn->delivery.failed) {
        return theater__fail_nomem(err);
    }
    turn->has_delivery = true;
    turn->delivery_has_result = completion.has_result;
    return THEATER_OK;
}

static theater_status append_completion(theater__turn *turn, const theater__turn_end *end,
                                        theater_wall wall, bool has_result, theater_error *err)
{
    theater__completion completion;
    memset(&completion, 0, sizeof(completion));
    completion.request_seq = turn->open.seq;
    completion.outcome = end->outcome;
    completion.late_ns = end->late_ns;
    if (end->by != NULL) {
        completion.by.data = end->by;
        completion.by.size = strlen(end->by);
    }
    completion.has_result = has_result;
    completion.result.data = turn->result.data;
    completion.result.size = turn->result.size;
    theater__buffer payload = {0};
    theater__completion_encode(&payload, &completion);
    theater_bytes bytes = {payload.data, payload.size};
    theater_status status = THEATER_OK;
    if (payload.failed) {
        status = theater__fail_nomem(err);
    } else {
        status = theater__turn_append(turn, THEATER_EVENT_INPUT, THEATER_KIND_COMPLETION, wall,
                                      bytes, err);
    }
    if (status == THEATER_OK) {
        status = theater__turn_take_completion(turn, bytes, err);
    }
    theater__buffer_deinit(&payload);
    return status;
}

/* The result type of the function in this component; NULL if it has none. */
static const theater__type *result_type(const theater__turn *turn,
                                        const theater__function *function)
{
    const theater_actor_component *component = turn->profile->component;
    size_t count = theater__component_imports_count(component->code);
    for (size_t i = 0; i < count; i++) {
        if (component->imports[i] == function) {
            return theater__component_import(component->code, i)->signature.result;
        }
    }
    return NULL;
}

/* An embedder's value becomes one of exactly the import's type, or is refused before it is
 * recorded: it goes through JSON, whose reader knows types. */
static theater_status encode_typed(theater__turn *turn, const theater_value *value,
                                   bool *out_has_result, theater_error *err)
{
    const theater__type *type = result_type(turn, turn->open.function);
    theater__buffer_clear(&turn->result);
    *out_has_result = type != NULL;
    if (type == NULL) {
        return THEATER_OK;
    }
    if (value == NULL) {
        return theater__fail(err, THEATER_ERR_INVALID, "'%s' has a result: give its value",
                             turn->open.function->id);
    }
    theater__type_member param = {{"value", 5}, type};
    theater__signature signature = {&param, 1, NULL};
    theater__buffer json = {0};
    theater_values typed = {NULL, 0};
    theater__arena_reset(&turn->arena);
    theater__buffer_put_u8(&json, '[');
    theater__value_to_json(&json, value);
    theater__buffer_put_u8(&json, ']');
    theater_status status = json.failed
                                ? theater__fail_nomem(err)
                                : theater__values_from_json((const char *)json.data, json.size,
                                                            &signature, &turn->arena, &typed, err);
    theater__buffer_deinit(&json);
    if (status == THEATER_OK) {
        THEATER_ASSERT(typed.count == 1);
        theater__value_encode(&turn->result, &typed.data[0]);
        status = turn->result.failed ? theater__fail_nomem(err) : THEATER_OK;
    }
    return status;
}

theater_status theater__turn_complete(theater__turn *turn, const theater__turn_end *end,
                                      theater_error *err)
{
    THEATER_ASSERT(turn->open.is_open);
    THEATER_ASSERT(!turn->has_delivery);
    THEATER_ASSERT(!theater__turn_is_replaying(turn));
    const theater__function *function = turn->open.function;
    theater_wall wall = turn->env->wall(turn->env->userdata);
    bool has_result = false;
    theater_status status = THEATER_OK;
    if (function->finish == NULL) {
        if (end->outcome != THEATER_WAIT_COMPLETED) {
            return theater__fail(err, THEATER_ERR_UNSUPPORTED,
                                 "'%s' can only be completed with a value: its handler has no "
                                 "finish callback",
                                 function->id);
        }
        status = encode_typed(turn, end->value, &has_result, err);
    } else {
        theater_call call;
        theater__call_init(&call, turn->env, turn->profile, function, &turn->result);
        call.store.id = turn->actor;
        call.store.writer = &turn->writer;
        call.seq = turn->open.seq;
        call.has_wall = true;
        call.wall = wall;
        theater_wait_end wait_end = {end->outcome, end->value};
        status = function->finish(&call, &wait_end, function->userdata, err);
        if (status == THEATER_OK) {
            status = theater__call_check(&call, err);
        }
        has_result = call.has_result;
    }
    if (status != THEATER_OK) {
        return status;
    }
    return append_completion(turn, end, wall, has_result, err);
}

theater_status theater__turn_terminate(theater__turn *turn, theater_end_reason reason,
                                       const char *text, theater_error *err)
{
    THEATER_ASSERT(!turn->is_finished);
    if (finish_terminated(turn, reason, text) != THEATER__TURN_FINISHED) {
        if (err != NULL) {
            *err = turn->error;
        }
        return turn->error.status;
    }
    return THEATER_OK;
}

/* ---- looking --------------------------------------------------------------------------------- */

bool theater__turn_is_replaying(const theater__turn *turn)
{
    return turn->has_next || turn->reader.offset < turn->reader.size;
}

const theater__open_request *theater__turn_open(const theater__turn *turn)
{
    return &turn->open;
}

theater_bytes theater__turn_open_args(const theater__turn *turn)
{
    THEATER_ASSERT(turn->open.is_open);
    theater_bytes args = {turn->args.data, turn->args.size};
    return args;
}

const theater__divergence *theater__turn_divergence(const theater__turn *turn)
{
    return &turn->divergence;
}

theater_end_reason theater__turn_reason(const theater__turn *turn)
{
    return turn->reason;
}

const theater_error *theater__turn_error(const theater__turn *turn)
{
    return &turn->error;
}

const theater__chain_writer *theater__turn_writer(const theater__turn *turn)
{
    return &turn->writer;
}

void theater__turn_taken(theater__turn *turn)
{
    theater__buffer_clear(&turn->writer.frames);
    turn->writer.frames_count = 0;
}

size_t theater__turn_pending_size(const theater__turn *turn)
{
    return turn->writer.frames.size;
}

bool theater__turn_is_long(const theater__turn *turn)
{
    return turn->call_bytes >= THEATER__LONG_CALL_BYTES ||
           turn->call_cpu_ns >= THEATER__LONG_CALL_CPU_NS;
}

uint64_t theater__turn_call_cpu_ns(const theater__turn *turn)
{
    return turn->call_cpu_ns;
}

bool theater__turn_is_pooled(const theater__turn *turn)
{
    return theater__guest_is_pooled(turn->guest);
}

uint64_t theater__turn_output_seq(const theater__turn *turn)
{
    return turn->output_seq;
}
