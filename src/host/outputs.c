/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output commit: log lines, effects and results are read out of the events that have become
 * durable, in chain order, by the same code whether this process appended them or a dead one did.
 * What was given out is noted behind it; a kill between the two repeats it with the same seq.
 *
 * Without memory nothing is left out: the host stops in front of what it cannot give, and the next
 * one begins there.
 */
#include "internal.h"

#include <string.h>

#include <base/assert.h>
#include <base/error.h>
#include <base/value.h>

typedef struct giving {
    theater_host *host;
    uint32_t index;
    theater__arena arena;
    bool has_return;
    theater_value result; /* borrows from the frames */
    bool has_result;
    uint64_t result_seq;
} giving;

static const theater__profile *profile_of(const theater_host *host, const actor *a)
{
    return a->profile != NO_PROFILE ? host->profiles[a->profile] : &host->no_profile;
}

/* Runs the handler of a request that needs no answer. False without memory: it is to run again. */
static bool give_post(giving *g, const theater_event *event)
{
    theater_host *host = g->host;
    const actor *a = actor_at(host, g->index);
    theater__request request;
    theater_error error = THEATER_ERROR_INIT;
    theater_values args;
    if (event->is_redacted ||
        theater__request_decode(event->payload, event->kind, &request, &error) != THEATER_OK) {
        return true;
    }
    const theater__function *function =
        theater__actor_component_function(host->registry, request.function);
    theater__reader reader = theater__reader_of(request.args.data, request.args.size);
    theater_status status = theater__values_decode(&reader, &g->arena, &args, &error);
    if (status == THEATER_ERR_NOMEM) {
        return false;
    }
    if (function == NULL || function->kind != THEATER_FUNCTION_EFFECT || status != THEATER_OK) {
        theater__log_write(&host->log, THEATER_LOG_WARNING,
                           "event %llu asks for '%.*s', which this host does not have",
                           (unsigned long long)event->seq, (int)request.function.size,
                           request.function.data);
        return true;
    }
    theater_token token = {a->id, event->seq};
    theater__buffer result = {0};
    bool has_result = false;
    status = theater__effect_run(&host->env, profile_of(host, a), function, token, event->wall,
                                 args, &has_result, &result, &error);
    if (status != THEATER_OK && status != THEATER_ERR_NOMEM) {
        theater__log_write(&host->log, THEATER_LOG_ERROR, "'%s' failed: %s", function->id,
                           error.message);
    }
    theater__buffer_deinit(&result);
    return status != THEATER_ERR_NOMEM;
}

/* False without memory. */
static bool take_return(giving *g, const theater_event *event)
{
    theater__return ret;
    if (event->is_redacted || theater__return_decode(event->payload, &ret, NULL) != THEATER_OK) {
        return true;
    }
    g->has_return = true;
    g->result_seq = event->seq;
    theater__reader reader = theater__reader_of(ret.result.data, ret.result.size);
    theater_status status =
        ret.has_result ? theater__value_decode(&reader, &g->arena, &g->result, NULL) : THEATER_OK;
    g->has_result = ret.has_result && status == THEATER_OK;
    return status != THEATER_ERR_NOMEM;
}

/* True if the embedder acknowledged it. */
static bool give_end(giving *g, const theater_event *event)
{
    theater_host *host = g->host;
    const actor *a = actor_at(host, g->index);
    theater__ending ending;
    theater_finished finished;
    memset(&finished, 0, sizeof(finished));
    if (host->on_finished == NULL ||
        theater__ending_decode(event->payload, &ending, NULL) != THEATER_OK) {
        return false;
    }
    finished.id = a->id;
    finished.reason = ending.reason;
    finished.text = ending.text;
    finished.result = g->has_result ? &g->result : NULL;
    finished.head.seq = event->seq;
    finished.head.hash = event->hash;
    finished.result_seq = g->has_return ? g->result_seq : event->seq;
    return host->on_finished(&finished, host->on_finished_userdata);
}

/* What comes behind it may not be given: that would count this one as given too. */
static void stop_without_memory(theater_host *host, const theater_event *event)
{
    theater_error error = THEATER_ERROR_INIT;
    (void)theater__fail(&error, THEATER_ERR_NOMEM,
                        "no memory to give out event %llu of an actor; nothing is lost, open the "
                        "store again",
                        (unsigned long long)event->seq);
    commit_fail(host, &error);
}

uint64_t outputs_give(theater_host *host, uint32_t index, const theater__buffer *frames,
                      const theater_hash *parent, uint64_t first_seq, uint64_t after)
{
    giving g;
    memset(&g, 0, sizeof(g));
    g.host = host;
    g.index = index;
    uint64_t given = after;
    theater__chain_reader reader;
    theater_event event;
    theater__chain_reader_init(&reader, frames->data, frames->size, parent, first_seq);
    while (theater__chain_read(&reader, &event, NULL) == THEATER_OK) {
        if (event.seq <= after) {
            continue;
        }
        if (event.kind == THEATER_KIND_POST) {
            if (!give_post(&g, &event)) {
                stop_without_memory(host, &event);
                break;
            }
            given = event.seq;
        } else if (event.kind == THEATER_KIND_EFFECT) {
            live *l = actor_at(host, index)->live;
            if (l != NULL && l->turn != NULL && theater__turn_open(l->turn)->is_open &&
                theater__turn_open(l->turn)->seq == event.seq) {
                outputs_begin_effect(host, l);
            }
            given = event.seq;
        } else if (event.kind == THEATER_KIND_RETURN) {
            if (!take_return(&g, &event)) {
                stop_without_memory(host, &event);
                break;
            }
        } else if (event.kind == THEATER_KIND_END) {
            if (!give_end(&g, &event)) {
                break;
            }
            given = event.seq;
        }
    }
    theater__arena_deinit(&g.arena);
    return given;
}

void outputs_begin_effect(theater_host *host, live *l)
{
    const theater__open_request *open = theater__turn_open(l->turn);
    actor *a = actor_at(host, l->index);
    THEATER_ASSERT(open->is_open && open->kind == THEATER_KIND_EFFECT);
    l->is_effect_begun = true;
    theater_bytes encoded = theater__turn_open_args(l->turn);
    theater__reader reader = theater__reader_of(encoded.data, encoded.size);
    theater__arena arena = {0};
    theater__buffer result = {0};
    theater_values args;
    theater_error error = THEATER_ERROR_INIT;
    bool has_result = false;
    theater_token token = {a->id, open->seq};
    theater_status status = theater__values_decode(&reader, &arena, &args, &error);
    if (status == THEATER_OK) {
        status = theater__effect_run(&host->env, profile_of(host, a), open->function, token,
                                     open->armed_wall, args, &has_result, &result, &error);
    }
    if (status != THEATER_OK) {
        l->is_effect_begun = false; /* resume tries it again */
        actor_park(host, l->index, &error);
    } else if (has_result) {
        l->is_own_end =
            act_end_wait(host, l->index, token.seq, THEATER_WAIT_COMPLETED, NULL, &result, NULL);
    }
    theater__buffer_deinit(&result);
    theater__arena_deinit(&arena);
}
