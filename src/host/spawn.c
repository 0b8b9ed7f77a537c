/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New actors: arguments read by the export's type, genesis and call appended, the first turn made
 * ready. The actor exists for the outside when its first batch is durable; before that a crash
 * leaves nothing of it.
 */
#include "internal.h"

#include <string.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <base/type.h>
#include <base/value.h>

#define DEFAULT_EXPORT "ntwk:theater/actor.init"

/* ---- arguments ------------------------------------------------------------------------------- */

/* actor.init(state: option<list<u8>>, params: tuple<string>): the state and the actor's id. */
static void encode_init_args(theater__buffer *buffer, theater_bytes state, theater_id id)
{
    char text[THEATER_ID_TEXT_SIZE];
    theater_id_format(id, text);
    theater_value state_value = theater_value_of_kind(THEATER_VALUE_BYTES);
    state_value.of.bytes = state;
    theater_value id_value = theater_value_text(text, strlen(text));
    theater_value args[2];
    args[0] = theater_value_option(state.data != NULL ? &state_value : NULL);
    args[1] = theater_value_of_kind(THEATER_VALUE_TUPLE);
    args[1].of.items.data = &id_value;
    args[1].of.items.count = 1;
    theater__values_encode(buffer, args, 2);
}

static bool is_init(const theater__signature *signature)
{
    return signature->params_count == 2 &&
           signature->params[0].type->kind == THEATER_VALUE_OPTION &&
           signature->params[0].type->members[0].type->kind == THEATER_VALUE_BYTES &&
           signature->params[1].type->kind == THEATER_VALUE_TUPLE &&
           signature->params[1].type->members_count == 1 &&
           signature->params[1].type->members[0].type->kind == THEATER_VALUE_STRING;
}

static theater_status encode_args(theater__buffer *buffer, const theater__export *export,
                                  const theater_spawn_options *options, theater_id id,
                                  theater_error *err)
{
    if (options->args_json == NULL && is_init(&export->signature)) {
        encode_init_args(buffer, options->state, id);
        return buffer->failed ? theater__fail_nomem(err) : THEATER_OK;
    }
    const char *json = options->args_json != NULL ? options->args_json : "[]";
    theater__arena arena = {0};
    theater_values values = {NULL, 0};
    theater_status status =
        theater__values_from_json(json, strlen(json), &export->signature, &arena, &values, err);
    if (status == THEATER_OK) {
        theater__values_encode(buffer, values.data, values.count);
        status = buffer->failed ? theater__fail_nomem(err) : THEATER_OK;
    }
    theater__arena_deinit(&arena);
    return status;
}

/* ---- events ---------------------------------------------------------------------------------- */

static void fill_genesis(const theater_host *host, const theater_actor_component *component,
                         const theater_spawn_options *options, theater_id id, theater__genesis *out)
{
    memset(out, 0, sizeof(*out));
    out->actor = id;
    out->component = component->digest;
    out->semantics.data = theater__engine_semantics();
    out->semantics.size = strlen(out->semantics.data);
    out->engine.data = theater__engine_version();
    out->engine.size = strlen(out->engine.data);
    out->limits = options->limits;
    out->handlers_count = host->handlers_count;
    for (uint32_t i = 0; i < host->handlers_count; i++) {
        out->handlers[i].name.data = host->handlers[i].name;
        out->handlers[i].name.size = strlen(host->handlers[i].name);
        out->handlers[i].config.data = host->handlers[i].config.data;
        out->handlers[i].config.size = host->handlers[i].config.size;
    }
    out->is_simulated = host->env.is_simulated;
}

static theater_status append(theater_host *host, theater__chain_writer *writer,
                             theater_event_class event_class, theater_event_kind kind,
                             const theater__buffer *payload, theater_error *err)
{
    if (payload->failed) {
        return theater__fail_nomem(err);
    }
    uint8_t salt[THEATER__SALT_SIZE];
    theater__event_draft draft = {
        event_class, kind, theater__clock_wall(host->clock), {payload->data, payload->size},
        false,       NULL};
    if (theater__event_is_external(&draft)) {
        entropy_fill(host, salt, sizeof(salt));
        draft.salt = salt;
    }
    return theater__chain_append(writer, &draft, err);
}

static theater_status encode_call(theater__buffer *buffer, const char *export_name,
                                  const theater__buffer *args, theater_error *err)
{
    theater__call_payload call;
    memset(&call, 0, sizeof(call));
    call.export_name.data = export_name;
    call.export_name.size = strlen(export_name);
    call.args.data = args->data;
    call.args.size = args->size;
    theater__call_encode(buffer, &call);
    return buffer->failed ? theater__fail_nomem(err) : THEATER_OK;
}

static theater_status append_call(theater_host *host, theater__chain_writer *writer,
                                  const char *export_name, const theater__buffer *args,
                                  theater_error *err)
{
    theater__buffer payload = {0};
    theater_status status = encode_call(&payload, export_name, args, err);
    if (status == THEATER_OK) {
        status = append(host, writer, THEATER_EVENT_CALL, THEATER_KIND_CALL, &payload, err);
    }
    theater__buffer_deinit(&payload);
    return status;
}

static theater_status append_genesis(theater_host *host, theater__chain_writer *writer,
                                     const theater__genesis *genesis, theater_error *err)
{
    theater__buffer payload = {0};
    theater__genesis_encode(&payload, genesis);
    theater_status status =
        append(host, writer, THEATER_EVENT_GENESIS, THEATER_KIND_GENESIS, &payload, err);
    theater__buffer_deinit(&payload);
    return status;
}

/* ---- the actor ------------------------------------------------------------------------------- */

static theater_status begin(theater_host *host, uint32_t index, const theater__chain_writer *writer,
                            theater_error *err)
{
    theater_hash zeros;
    memset(&zeros, 0, sizeof(zeros));
    actor *a = actor_at(host, index);
    live *l = actor_make_live(host, index, err);
    if (l == NULL) {
        return THEATER_ERR_NOMEM;
    }
    l->standing.state = THEATER__STATE_RUNNING;
    l->standing.call_seq = 1;
    theater__buffer_put(&l->history, writer->frames.data, writer->frames.size);
    theater_status status = l->history.failed ? theater__fail_nomem(err)
                                              : commit_frames(host, l, writer, &zeros, 0, err);
    if (status != THEATER_OK) {
        actor_free_live(host, l);
        return status;
    }
    actor_set_state(host, a, THEATER__STATE_RUNNING, 0);
    turn_ready(host, l);
    return THEATER_OK;
}

static theater_status create(theater_host *host, theater_actor_component *component,
                             const theater_spawn_options *options, theater_id id,
                             const char *export_name, const theater__buffer *args,
                             theater_error *err)
{
    theater__genesis genesis;
    fill_genesis(host, component, options, id, &genesis);
    entropy_fill(host, genesis.nonce, sizeof(genesis.nonce));
    uint32_t profile = NO_PROFILE;
    theater_status status = profile_intern(host, &genesis, &profile, err);
    if (status != THEATER_OK) {
        return status;
    }
    host->profiles[profile]->component = component;
    theater_hash zeros;
    memset(&zeros, 0, sizeof(zeros));
    theater__chain_writer writer;
    theater__chain_writer_init(&writer, &zeros, 0);
    status = append_genesis(host, &writer, &genesis, err);
    if (status == THEATER_OK) {
        status = append_call(host, &writer, export_name, args, err);
    }
    /* Before it is added: a callback may spawn others, and what is taken back is the last one. */
    if (status == THEATER_OK) {
        status = handlers_start(host, id, err);
    }
    uint32_t index = NO_ACTOR;
    if (status == THEATER_OK) {
        status = actor_add(host, &id, &index, err);
    }
    if (status == THEATER_OK) {
        actor *a = actor_at(host, index);
        a->profile = profile;
        a->is_started = true;
        status = begin(host, index, &writer, err);
        if (status != THEATER_OK) {
            actor_remove_last(host, index);
        }
    }
    theater__chain_writer_deinit(&writer);
    return status;
}

/* An id that is there: fine if it is the same actor with the same call. */
static theater_status meet_existing(theater_host *host, uint32_t index,
                                    const theater_actor_component *component,
                                    const theater_spawn_options *options, const char *export_name,
                                    const theater__buffer *args, theater_error *err)
{
    theater__genesis genesis;
    fill_genesis(host, component, options, actor_at(host, index)->id, &genesis);
    theater__buffer wanted = {0};
    theater__buffer found = {0};
    theater_status status = encode_call(&wanted, export_name, args, err);
    if (status == THEATER_OK) {
        status = profile_read(host, index, &found, err);
    }
    if (status == THEATER_OK) {
        const theater__profile *profile = host->profiles[actor_at(host, index)->profile];
        bool is_same = theater__profile_equal(profile, &genesis) && found.size == wanted.size &&
                       memcmp(found.data, wanted.data, wanted.size) == 0;
        if (!is_same) {
            char text[THEATER_ID_TEXT_SIZE];
            theater_id_format(genesis.actor, text);
            status = theater__fail(err, THEATER_ERR_EXISTS,
                                   "actor %s exists, with another component, call, limits or "
                                   "handlers; choose another id",
                                   text);
        }
    }
    theater__buffer_deinit(&wanted);
    theater__buffer_deinit(&found);
    return status;
}

static theater_status check_options(const theater_host *host,
                                    const theater_actor_component *component,
                                    const theater_spawn_options *options, theater_error *err)
{
    if (host->store == NULL || component->code == NULL) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "open the host and load a component before an actor is spawned");
    }
    if (host->options.is_frozen) {
        return theater__fail(err, THEATER_ERR_CLOSED, "the host is frozen: it runs nothing");
    }
    if (options->struct_size != sizeof(*options) ||
        options->limits.struct_size != sizeof(options->limits)) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "the spawn options were not made with THEATER_SPAWN_OPTIONS_INIT");
    }
    if (host->failure.status != THEATER_OK) {
        return theater__fail(err, THEATER_ERR_STORE, "%s", host->failure.message);
    }
    if (options->state.size > options->limits.state_bytes_max) {
        return theater__fail(
            err, THEATER_ERR_LIMIT, "state_bytes_max: the state has %zu bytes, %llu are allowed",
            options->state.size, (unsigned long long)options->limits.state_bytes_max);
    }
    return THEATER_OK;
}

/*
 * One of this host's shard. A seed gives the same ids again in a store that an earlier host of that
 * seed has filled.
 */
static theater_id new_id(theater_host *host)
{
    theater_id id = entropy_id(host);
    while (shard_check(host, &id, THEATER_ERR_INVALID, NULL) != THEATER_OK ||
           actor_find(host, &id) != NO_ACTOR) {
        id = entropy_id(host);
    }
    return id;
}

theater_status theater_host_spawn(theater_host *host, theater_actor_component *component,
                                  const theater_spawn_options *options, theater_id *out_id,
                                  theater_error *err)
{
    THEATER_ASSERT(host != NULL);
    THEATER_ASSERT(component != NULL);
    theater_spawn_options defaults = THEATER_SPAWN_OPTIONS_INIT;
    const theater_spawn_options *chosen = options != NULL ? options : &defaults;
    theater_status status = check_options(host, component, chosen, err);
    if (status != THEATER_OK) {
        return status;
    }
    const char *export_name = chosen->export_name != NULL ? chosen->export_name : DEFAULT_EXPORT;
    size_t export_index = 0;
    status = theater__component_find_export(component->code, export_name, &export_index, err);
    if (status != THEATER_OK) {
        return status;
    }
    theater_id id = chosen->id != NULL ? *chosen->id : new_id(host);
    status = shard_check(host, &id, THEATER_ERR_INVALID, err);
    if (status != THEATER_OK) {
        return status;
    }
    theater__buffer args = {0};
    status = encode_args(&args, theater__component_export(component->code, export_index), chosen,
                         id, err);
    if (status == THEATER_OK) {
        uint32_t index = actor_find(host, &id);
        status = index != NO_ACTOR
                     ? meet_existing(host, index, component, chosen, export_name, &args, err)
                     : create(host, component, chosen, id, export_name, &args, err);
    }
    theater__buffer_deinit(&args);
    if (status == THEATER_OK && out_id != NULL) {
        *out_id = id;
    }
    return status;
}
