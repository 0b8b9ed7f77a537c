/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a handler may do with a call. The callbacks decide once; a second decision, or a wait from a
 * function that was not added as one, is the handler's mistake and abandons the turn with a line
 * that names the function. Results are encoded at once: what the guest gets is decoded from the
 * very bytes that the chain holds.
 */
#include <theater/handler.h>

#include <string.h>

#include <base/assert.h>
#include <base/error.h>
#include <base/value.h>

#include "internal.h"

void theater__call_init(theater_call *call, const theater__turn_env *env,
                        const theater__profile *profile, const theater__function *function,
                        theater__buffer *result)
{
    memset(call, 0, sizeof(*call));
    call->env = env;
    call->profile = profile;
    call->function = function;
    call->result = result;
    theater__buffer_clear(result);
}

const theater_actor_store *theater_call_store(const theater_call *call)
{
    return &call->store;
}

theater_token theater_call_token(const theater_call *call)
{
    theater_token token = {call->store.id, call->seq};
    return token;
}

theater_wall theater_call_now(theater_call *call)
{
    if (!call->has_wall) {
        call->wall = call->env->wall(call->env->userdata);
        call->has_wall = true;
    }
    return call->wall;
}

static bool text_equals(theater_text text, const char *other)
{
    return text.size == strlen(other) && memcmp(text.data, other, text.size) == 0;
}

static theater_values config_of(const theater__profile *profile, const char *handler)
{
    for (uint32_t i = 0; i < profile->handlers_count; i++) {
        if (strcmp(profile->handlers[i].name, handler) == 0) {
            return profile->handlers[i].config;
        }
    }
    theater_values none = {NULL, 0};
    return none;
}

uint64_t theater_call_config_u64(const theater_call *call, const char *name, uint64_t fallback)
{
    if (call->function->handler == NULL) {
        return fallback;
    }
    theater_values config = config_of(call->profile, call->function->handler);
    for (size_t i = 0; i < config.count; i++) {
        const theater_value *value = &config.data[i];
        /* A config is a list of pairs: the encoding keeps names inside tuples only. */
        if (value->kind == THEATER_VALUE_RECORD && value->of.items.count == 1 &&
            value->of.items.data[0].kind == THEATER_VALUE_U64 &&
            text_equals(value->of.items.data[0].name, name)) {
            return value->of.items.data[0].of.u64;
        }
    }
    return fallback;
}

static bool decide(theater_call *call, theater__call_decision decision)
{
    if (call->decision != THEATER__CALL_UNDECIDED) {
        call->is_misused = true;
        return false;
    }
    call->decision = decision;
    return true;
}

theater_status theater_call_return(theater_call *call, const theater_value *result,
                                   theater_error *err)
{
    if (!decide(call, THEATER__CALL_RETURNED)) {
        return theater__fail(err, THEATER_ERR_INVALID, "'%s' decided its call twice",
                             call->function->id);
    }
    call->has_result = result != NULL;
    if (result != NULL) {
        theater__value_encode(call->result, result);
        if (call->result->failed) {
            return theater__fail_nomem(err);
        }
    }
    return THEATER_OK;
}

static void decide_wait(theater_call *call, theater__wait_kind kind)
{
    bool needs_finish = kind != THEATER__WAIT_TOKEN;
    if (call->function->kind != THEATER_FUNCTION_WAIT ||
        (needs_finish && call->function->finish == NULL)) {
        call->is_misused = true;
    } else if (decide(call, THEATER__CALL_WAITS)) {
        call->wait_kind = kind;
    }
}

void theater_call_wait_for(theater_call *call, uint64_t duration_ms)
{
    decide_wait(call, THEATER__WAIT_ELAPSED);
    call->duration_ms = duration_ms;
}

void theater_call_wait_until(theater_call *call, theater_wall due)
{
    decide_wait(call, THEATER__WAIT_WALL);
    call->due_wall = due;
}

void theater_call_wait_token(theater_call *call)
{
    decide_wait(call, THEATER__WAIT_TOKEN);
    call->duration_ms = UINT64_MAX;
}

void theater_call_end(theater_call *call, theater_end_reason reason, const char *text)
{
    if (decide(call, THEATER__CALL_ENDS)) {
        call->reason = reason;
        size_t size = strnlen(text, sizeof(call->text) - 1);
        memcpy(call->text, text, size);
        call->text[size] = '\0';
    }
}

theater_status theater__call_check(const theater_call *call, theater_error *err)
{
    if (call->is_misused) {
        return theater__fail(err, THEATER_ERR_INTERNAL,
                             "the handler of '%s' broke its contract: one decision a call, and "
                             "timed waits from WAIT functions with a finish callback only",
                             call->function->id);
    }
    return THEATER_OK;
}

theater_status theater__effect_run(const theater__turn_env *env, const theater__profile *profile,
                                   const theater__function *function, theater_token token,
                                   theater_wall wall, theater_values args, bool *out_has_result,
                                   theater__buffer *out_result, theater_error *err)
{
    THEATER_ASSERT(function->kind == THEATER_FUNCTION_EFFECT);
    theater_call call;
    theater__call_init(&call, env, profile, function, out_result);
    call.store.id = token.actor;
    call.seq = token.seq;
    call.has_wall = true;
    call.wall = wall;
    theater_status status = function->call(&call, args, function->userdata, err);
    if (status != THEATER_OK) {
        return status;
    }
    status = theater__call_check(&call, err);
    if (status != THEATER_OK) {
        return status;
    }
    *out_has_result = call.decision == THEATER__CALL_RETURNED && call.has_result;
    return THEATER_OK;
}
