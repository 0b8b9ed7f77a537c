/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An act on one actor. The host that runs the store is asked if it answers; a store at rest is
 * opened by a frozen host of our own, which takes its lock: between the two nobody can slip in
 * unseen, since the lock is refused then, and the socket is asked once more.
 */
#include "act.h"

#include "control.h"
#include "session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define REQUEST_BYTES_MAX 512

/* What is known of an act that was done. */
typedef struct outcome {
    theater_status status;
    uint64_t seq;
    char by[THEATER_CONTROL_BY_SIZE];
    char message[THEATER_ERROR_MESSAGE_MAX];
    bool is_told;
} outcome;

static const char *verb_of(theater_act_kind kind)
{
    return kind == THEATER_ACT_WAKE     ? "wake"
           : kind == THEATER_ACT_CANCEL ? "cancel"
                                        : "cancel-wait";
}

static const char *done_of(theater_act_kind kind)
{
    return kind == THEATER_ACT_WAKE     ? "woken"
           : kind == THEATER_ACT_CANCEL ? "ended"
                                        : "wait cancelled";
}

static void print_outcome(theater_act_kind kind, const cli_act_settings *settings,
                          const cli_url *url, const char *id, const outcome *done)
{
    if (!settings->json) {
        cli_out("%s %s at event %" PRIu64 " by %s\n", id, done_of(kind), done->seq, done->by);
        return;
    }
    cli_out("{\"id\":\"%s\",\"act\":\"%s\",\"seq\":%" PRIu64 ",\"by\":", id, verb_of(kind),
            done->seq);
    cli_out_json_text(done->by, strlen(done->by));
    cli_out(",\"store\":");
    cli_out_json_text(url->text, strlen(url->text));
    cli_out("}\n");
}

/* ---- at a running host ----------------------------------------------------------------------- */

static theater_status take_reply(struct json_object *reply, outcome *out, theater_error *err)
{
    struct json_object *seq = NULL;
    struct json_object *by = NULL;
    if (!json_object_object_get_ex(reply, "seq", &seq) ||
        !json_object_object_get_ex(reply, "by", &by)) {
        err->status = THEATER_ERR_INTERNAL;
        (void)snprintf(err->message, sizeof(err->message), "the host's reply cannot be read");
        return err->status;
    }
    out->seq = json_object_get_uint64(seq);
    (void)snprintf(out->by, sizeof(out->by), "%s", json_object_get_string(by));
    return THEATER_OK;
}

/* The request is made by json-c, since the name is the user's. */
static theater_status ask(cli_control *control, theater_act_kind kind, const char *by,
                          const char *id, outcome *out, theater_error *err)
{
    char request[REQUEST_BYTES_MAX];
    struct json_object *reply = NULL;
    struct json_object *name = by != NULL ? json_object_new_string(by) : NULL;
    int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
    const char *name_text = name != NULL ? json_object_to_json_string_ext(name, flags) : NULL;
    (void)snprintf(request, sizeof(request), "{\"do\":\"%s\",\"id\":\"%s\"%s%s}\n", verb_of(kind),
                   id, name_text != NULL ? ",\"by\":" : "", name_text != NULL ? name_text : "");
    (void)json_object_put(name);
    theater_status status = cli_control_ask(control, request, &reply, err);
    if (status == THEATER_OK) {
        status = take_reply(reply, out, err);
        (void)json_object_put(reply);
    }
    return status;
}

/* NOTFOUND with *out_has_host false: there is no host to ask. */
static theater_status act_running(const cli_url *url, theater_act_kind kind, const char *by,
                                  const char *id, outcome *out, bool *out_has_host,
                                  theater_error *err)
{
    cli_control control = {.fd = -1};
    theater_status status = cli_control_connect(url, CLI_ACT_SECONDS_MAX, &control, err);
    *out_has_host = status != THEATER_ERR_NOTFOUND;
    if (status == THEATER_OK) {
        status = ask(&control, kind, by, id, out, err);
        cli_control_close(&control);
    }
    return status;
}

/* ---- at a store at rest ---------------------------------------------------------------------- */

static void on_acted(const theater_acted *acted, void *userdata)
{
    outcome *out = userdata;
    out->is_told = true;
    out->status = acted->status;
    out->seq = acted->seq;
    (void)snprintf(out->message, sizeof(out->message), "%s",
                   acted->message != NULL ? acted->message : "");
}

static theater_status act_frozen(theater_host *host, theater_act_kind kind, theater_id id,
                                 outcome *out, theater_error *err)
{
    theater_status status = theater_host_open(host, err);
    if (status == THEATER_OK) {
        status = theater_host_act(host, kind, id, out->by, on_acted, out, err);
    }
    if (status == THEATER_OK) {
        status = theater_host_run(host, err);
    }
    if (status == THEATER_OK && (!out->is_told || out->status != THEATER_OK)) {
        status = out->is_told ? out->status : THEATER_ERR_INTERNAL;
        err->status = status;
        (void)snprintf(err->message, sizeof(err->message), "%s",
                       out->is_told ? out->message : "the act was not recorded");
    }
    return status;
}

static theater_status act_at_rest(const cli_url *url, theater_act_kind kind,
                                  const cli_act_settings *with, theater_id id, outcome *out,
                                  theater_error *err)
{
    cli_host_settings settings = CLI_HOST_SETTINGS_INIT;
    settings.quiet = true;
    settings.is_frozen = true;
    settings.no_control = true;
    settings.adopt = with->adopt;
    cli_session session;
    cli_host *host = NULL;
    cli_session_init(&session, &settings);
    int exit_status = cli_session_add(&session, url, cli_store_shard_of(url, id), true, &host);
    theater_status status = THEATER_ERR_INTERNAL;
    if (exit_status == CLI_EXIT_OK) {
        theater_host_on_parked(host->host, NULL, NULL); /* the reason comes with the outcome */
        status = act_frozen(host->host, kind, id, out, err);
    }
    cli_session_deinit(&session);
    return status;
}

/* ---- either ---------------------------------------------------------------------------------- */

static theater_status act(const cli_url *url, theater_act_kind kind, const cli_act_settings *with,
                          theater_id id, const char *id_text, outcome *out, theater_error *err)
{
    const char *by = with->by;
    bool has_host = false;
    cli_url at;
    theater_status status = cli_store_at(url, cli_store_shard_of(url, id), &at, err);
    if (status == THEATER_OK) {
        status = act_running(&at, kind, by, id_text, out, &has_host, err);
    }
    if (has_host || status == THEATER_ERR_INVALID) {
        return status;
    }
    status = theater_control_by(by, out->by, err);
    if (status == THEATER_OK) {
        status = act_at_rest(url, kind, with, id, out, err);
    }
    if (status != THEATER_ERR_STORE) {
        return status;
    }
    /* Somebody has the lock: one that has come since, or one without a control socket. */
    theater_error second = THEATER_ERROR_INIT;
    theater_status again = act_running(&at, kind, by, id_text, out, &has_host, &second);
    if (has_host) {
        *err = second;
        return again;
    }
    return status;
}

int cli_act(const cli_command *command, theater_act_kind kind, const cli_act_settings *settings,
            const char *id_text)
{
    theater_error error = THEATER_ERROR_INIT;
    theater_id id;
    cli_url url;
    outcome done = {0};
    char text[THEATER_ID_TEXT_SIZE];
    if (theater_id_parse(id_text, &id, NULL) != THEATER_OK) {
        return cli_usage(command, "'%s' is not the id of an actor", id_text);
    }
    if (theater_control_by(settings->by, done.by, &error) != THEATER_OK) {
        return cli_usage(command, "--by: %s", error.message);
    }
    theater_id_format(id, text);
    theater_status status = settings->store != NULL
                                ? cli_store_for_run(settings->store, id, &url, &error)
                                : cli_store_find(id, &url, &error);
    if (status == THEATER_OK) {
        status = act(&url, kind, settings, id, text, &done, &error);
    }
    if (status != THEATER_OK) {
        return cli_say_error(&error);
    }
    print_outcome(kind, settings, &url, text, &done);
    return CLI_EXIT_OK;
}
