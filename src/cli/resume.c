/* SPDX-License-Identifier: Apache-2.0 */
/*
 * theater resume: everything that a crash, a kill or an interrupt left, in one loop, and the shards
 * of a store that has several in a thread each. Each store is opened by a host of its own; one that
 * another process holds, or an actor that cannot go on, does not keep the others from going on.
 */
#include "commands.h"
#include "memory.h"
#include "session.h"

#include <string.h>

typedef struct resume_settings {
    cli_host_settings host;
    const char *store;
} resume_settings;

static const cli_option options[] = {
    {"store", CLI_TEXT, "URL", "log:DIR (default: all stores that run made)",
     offsetof(resume_settings, store), 0, 0},
    CLI_OPTIONS_HOST(resume_settings, host),
    CLI_OPTIONS_TALK(resume_settings, host),
    CLI_OPTION_HELP,
};

static cli_host *find_host(const cli_session *session, const cli_url *url, cli_shard shard)
{
    for (size_t i = 0; i < session->hosts_count; i++) {
        cli_host *host = session->hosts[i];
        if (strcmp(host->url.text, url->text) == 0 && host->shard.number == shard.number) {
            return host;
        }
    }
    return NULL;
}

/*
 * A host for a store, opened, or for a shard of several, which its thread opens. Failures are said
 * and counted, the others go on; NULL then.
 */
static cli_host *open_shard(cli_session *session, const cli_url *url, cli_shard shard)
{
    theater_error error = THEATER_ERROR_INIT;
    cli_host *host = find_host(session, url, shard);
    if (host != NULL) {
        return host; /* two ids of one store */
    }
    if (session->hosts_count == CLI_HOSTS_MAX) {
        cli_say("more than %d stores are unfinished: resume again for '%s'", CLI_HOSTS_MAX,
                url->text);
        cli_session_worsen(session, CLI_EXIT_IO);
        return NULL;
    }
    int status = cli_session_add(session, url, shard, true, &host);
    if (status != CLI_EXIT_OK) {
        cli_session_worsen(session, status);
        return NULL;
    }
    host->is_apart = shard.count > 1;
    if (!host->is_apart && cli_session_open(host, &error) != THEATER_OK) {
        (void)cli_say_error(&error);
        cli_session_worsen(session, CLI_EXIT_IO);
        cli_session_drop(session);
        return NULL;
    }
    return host;
}

static void open_store(cli_session *session, const cli_url *url)
{
    uint32_t count = cli_store_shards(url);
    for (uint32_t i = 0; i < count; i++) {
        (void)open_shard(session, url, (cli_shard){.number = i, .count = count});
    }
}

static int is_unfinished(const theater_actor_info *info, void *userdata)
{
    bool *out_is_unfinished = userdata;
    *out_is_unfinished = info->state != THEATER_ACTOR_ENDED || info->has_output;
    return *out_is_unfinished;
}

/* The stores in which something is left to do, found before any is opened. */
typedef struct unfinished {
    cli_session *session;
    cli_url *urls;
    size_t count;
    size_t hosts_count;
} unfinished;

static int keep_store(unfinished *found, const cli_url *url)
{
    cli_url *urls = cli_grow(found->urls, found->count, found->count + 1, sizeof(*urls));
    if (urls == NULL) {
        cli_say("%s", theater_status_text(THEATER_ERR_NOMEM));
        cli_session_worsen(found->session, CLI_EXIT_IO);
        return 1;
    }
    found->urls = urls;
    found->urls[found->count++] = *url;
    found->hosts_count += cli_store_shards(url);
    return cli_is_interrupted();
}

/* Of the many stores only those are opened, and so locked, in which something is left to do. */
static int visit_store(const cli_url *url, void *userdata)
{
    unfinished *found = userdata;
    theater_error error = THEATER_ERROR_INIT;
    bool has_work = false;
    theater_status status = theater_store_visit(url->text, is_unfinished, &has_work, &error);
    if (has_work) {
        return keep_store(found, url);
    }
    if (status != THEATER_OK && status != THEATER_ERR_NOTFOUND) { /* being made right now */
        (void)cli_say_error(&error);
        cli_session_worsen(found->session, CLI_EXIT_IO);
    }
    return cli_is_interrupted();
}

static theater_status open_unfinished(cli_session *session, theater_error *err)
{
    unfinished found = {.session = session};
    theater_status status = cli_stores_visit(visit_store, &found, err);
    cli_session_share(session, found.hosts_count);
    for (size_t i = 0; i < found.count && status == THEATER_OK && !cli_is_interrupted(); i++) {
        open_store(session, &found.urls[i]);
    }
    cli_release(found.urls);
    return status;
}

static int open_by_id(const cli_command *command, cli_session *session, const char *store,
                      const char *text)
{
    theater_error error = THEATER_ERROR_INIT;
    theater_id id;
    cli_url url;
    if (theater_id_parse(text, &id, NULL) != THEATER_OK) {
        return cli_usage(command, "'%s' is not the id of an actor", text);
    }
    theater_status status = store != NULL ? cli_store_for_run(store, id, &url, &error)
                                          : cli_store_find(id, &url, &error);
    if (status != THEATER_OK) {
        cli_session_worsen(session, cli_say_error(&error));
        return CLI_EXIT_OK;
    }
    cli_host *host = open_shard(session, &url, cli_store_shard_of(&url, id));
    theater_actor_info info;
    if (host != NULL && host->is_apart) {
        cli_session_worsen(session, cli_shards_want(host, id));
    } else if (host != NULL && theater_host_actor(host->host, id, &info, NULL) != THEATER_OK) {
        cli_say("store '%s' does not hold actor %s", url.text, text);
        cli_session_worsen(session, CLI_EXIT_IO);
    }
    return CLI_EXIT_OK;
}

static int open_stores(const cli_command *command, cli_session *session, const char *store,
                       int count, char **ids)
{
    theater_error error = THEATER_ERROR_INIT;
    cli_url url;
    if (count > 0) {
        cli_session_share(session, (size_t)count); /* or fewer, if stores hold several of them */
    }
    for (int i = 0; i < count; i++) {
        int status = open_by_id(command, session, store, ids[i]);
        if (status != CLI_EXIT_OK) {
            return status;
        }
    }
    if (count > 0) {
        return CLI_EXIT_OK;
    }
    theater_id none = {{0}};
    theater_status status = store != NULL ? cli_store_for_run(store, none, &url, &error)
                                          : open_unfinished(session, &error);
    if (status != THEATER_OK) {
        return cli_say_error(&error);
    }
    if (store != NULL) {
        open_store(session, &url);
    }
    return CLI_EXIT_OK;
}

/* What is neither finished nor set aside, and does nothing by itself. */
static int say_waiting(const theater_actor_info *info, void *userdata)
{
    cli_session *session = userdata;
    char id[THEATER_ID_TEXT_SIZE];
    if (info->state == THEATER_ACTOR_WAITING) {
        theater_id_format(info->id, id);
        cli_say("actor %s waits to be completed by the program that runs it", id);
        cli_session_worsen(session, CLI_EXIT_IO);
    }
    return 0;
}

static int run(const cli_command *command, int argc, char **argv)
{
    resume_settings settings = {.host = CLI_HOST_SETTINGS_INIT};
    cli_parsed parsed = cli_parse(command, argc, argv, &settings);
    if (!parsed.go_on) {
        return parsed.exit_status;
    }
    if (!cli_interrupt_init()) {
        return CLI_EXIT_IO;
    }
    cli_session session;
    cli_session_init(&session, &settings.host);
    session.with_id = parsed.operands_count != 1;
    int status = open_stores(command, &session, settings.store, parsed.operands_count, argv);
    if (status == CLI_EXIT_OK) {
        cli_session_drive(&session);
        for (size_t i = 0; i < session.hosts_count && !cli_is_interrupted(); i++) {
            theater_host_visit(session.hosts[i]->host, say_waiting, &session);
        }
        status = session.exit_status;
        if (cli_is_interrupted()) {
            cli_say_how_to_go_on(settings.store, NULL);
            status = CLI_EXIT_INTERRUPTED;
        }
    }
    cli_session_deinit(&session);
    return status;
}

const cli_command cli_command_resume = {
    .name = "resume",
    .operands = "[ID...]",
    .summary = "continue what a crash, kill or shutdown left",
    .text =
        "Continues actors where their chains end, prints their results like run, each after its\n"
        "id, and shows results that nobody was shown yet. Without an ID: all that are left.\n"
        "An actor that cannot go on is set aside with the reason; the others go on.",
    .options = options,
    .operands_min = 0,
    .operands_max = -1,
    .run = run,
};
