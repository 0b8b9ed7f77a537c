/* SPDX-License-Identifier: Apache-2.0 */
/*
 * theater run: one component, one actor, until its call ends. The id is chosen first, because it
 * names the default store. What fails before the actor is recorded leaves nothing behind: a
 * directory that was made for it is removed again.
 */
#include "commands.h"
#include "session.h"

#include <string.h>

typedef struct run_settings {
    cli_host_settings host;
    const char *store;
    const char *id;
    const char *invoke;
    const char *args;
    uint64_t cpu_budget_ms; /* 0: the library's default */
    uint64_t memory_max;    /* 0: the library's default */
    uint64_t shards;        /* 0: as many as the store has, 1 for a new one */
} run_settings;

static const cli_option options[] = {
    {"store", CLI_TEXT, "URL", "log:DIR or memory: (default: a log of its own, by id)",
     offsetof(run_settings, store), 0, 0},
    {"shards", CLI_U64, "N", "logs that a new store gets, for so many threads (default: 1)",
     offsetof(run_settings, shards), 1, THEATER_SHARDS_MAX},
    {"clock", CLI_TEXT, "KIND", "real, virtual or virtual@MS since 1970 (default: real)",
     offsetof(run_settings, host.clock), 0, 0},
    {"seed", CLI_U64, "N", "of ids and salts with a virtual clock (default: 0)",
     offsetof(run_settings, host.seed), 0, 0},
    {"max-sleep", CLI_U64, "MS", "longest sleep, farthest deadline (default: 3600000)",
     offsetof(run_settings, host.max_sleep), 0, 0},
    {"min-sleep", CLI_U64, "MS", "shortest sleep but 0 (default: 1)",
     offsetof(run_settings, host.min_sleep), 0, 0},
    {"id", CLI_TEXT, "UUID", "the actor's id (default: a new random one)",
     offsetof(run_settings, id), 0, 0},
    {"invoke", CLI_TEXT, "NAME", "export to call (default: ntwk:theater/actor.init)",
     offsetof(run_settings, invoke), 0, 0},
    {"args", CLI_TEXT, "JSON", "array of its arguments (default: [])", offsetof(run_settings, args),
     0, 0},
    {"cpu-budget", CLI_U64, "MS", "CPU time of the call (default: 60000)",
     offsetof(run_settings, cpu_budget_ms), 1, 0},
    {"memory-max", CLI_U64, "BYTES", "each memory of the guest (default: 67108864)",
     offsetof(run_settings, memory_max), 1, 0},
    CLI_OPTIONS_HOST(run_settings, host),
    CLI_OPTIONS_TALK(run_settings, host),
    CLI_OPTION_HELP,
};

/* Virtual and without a store: ids come from the seed, and nothing is kept. */
static bool is_rehearsal(const run_settings *settings)
{
    return settings->store == NULL && settings->host.clock != NULL &&
           strcmp(settings->host.clock, "real") != 0;
}

static int choose_id(const cli_command *command, const run_settings *settings, theater_id *out_id)
{
    theater_error error = THEATER_ERROR_INIT;
    if (settings->args != NULL && settings->invoke == NULL) {
        return cli_usage(command, "--args needs --invoke");
    }
    if (settings->host.min_sleep > settings->host.max_sleep) {
        return cli_usage(command, "--min-sleep is above --max-sleep");
    }
    if (settings->id != NULL && theater_id_parse(settings->id, out_id, NULL) != THEATER_OK) {
        return cli_usage(command, "--id: '%s' is no UUID", settings->id);
    }
    if (settings->id == NULL && theater_id_new(out_id, &error) != THEATER_OK) {
        return cli_say_error(&error);
    }
    return CLI_EXIT_OK;
}

/* A component that is not there is wrong usage; everything else by its status. */
static int say_load_error(const theater_error *error)
{
    if (error->status == THEATER_ERR_UNSUPPORTED) {
        cli_say("%s (--trap-unknown-imports)", error->message);
        return CLI_EXIT_USAGE;
    }
    int status = cli_say_error(error);
    return error->status == THEATER_ERR_NOTFOUND ? CLI_EXIT_USAGE : status;
}

static int spawn(cli_session *session, cli_host *host, const run_settings *settings,
                 const char *path, const theater_id *id)
{
    theater_error error = THEATER_ERROR_INIT;
    theater_actor_component *component = NULL;
    theater_spawn_options spawn_options = THEATER_SPAWN_OPTIONS_INIT;
    spawn_options.id = id;
    spawn_options.export_name = settings->invoke;
    spawn_options.args_json = settings->args;
    if (settings->cpu_budget_ms != 0) {
        spawn_options.limits.call_cpu_ms_max = settings->cpu_budget_ms;
        spawn_options.limits.turn_cpu_ms_max = settings->cpu_budget_ms;
    }
    if (settings->memory_max != 0) {
        spawn_options.limits.memory_bytes_max = settings->memory_max;
    }
    if (theater_host_load_component_file(host->host, path, &component, &error) != THEATER_OK ||
        theater_host_spawn(host->host, component, &spawn_options, &session->only, &error) !=
            THEATER_OK) {
        return say_load_error(&error);
    }
    session->has_only = true;
    return CLI_EXIT_OK;
}

/* How the actor is taken up again, in words that can be pasted. */
static void say_how_to_go_on(const cli_session *session, const run_settings *settings)
{
    char id[THEATER_ID_TEXT_SIZE];
    theater_id_format(session->only, id);
    if (cli_store_directory(&session->hosts[0]->url) == NULL) {
        cli_say("interrupted; the store was memory, nothing is kept");
    } else {
        cli_say_how_to_go_on(settings->store, id);
    }
}

static int outcome(const cli_session *session, const run_settings *settings)
{
    theater_actor_info info;
    char id[THEATER_ID_TEXT_SIZE];
    if (session->reported > 0 || session->exit_status != CLI_EXIT_OK) {
        return session->exit_status;
    }
    if (cli_is_interrupted()) {
        say_how_to_go_on(session, settings);
        return CLI_EXIT_INTERRUPTED;
    }
    theater_id_format(session->only, id);
    if (theater_host_actor(session->hosts[0]->host, session->only, &info, NULL) == THEATER_OK) {
        bool has_ended = info.state == THEATER_ACTOR_ENDED;
        cli_say("actor %s %s%s", id,
                has_ended ? "ended before; its result is in its chain: theater "
                            "chain show "
                          : "cannot go on here, it is ",
                has_ended ? id : theater_actor_state_name(info.state));
    }
    return CLI_EXIT_IO;
}

/* The actor's shard alone is opened. An old store has the last word: the library says so. */
static cli_shard choose_shard(const run_settings *settings, const cli_url *url, theater_id id)
{
    uint32_t count = settings->shards != 0 ? (uint32_t)settings->shards : cli_store_shards(url);
    return (cli_shard){.number = theater_store_shard_of(id, count), .count = count};
}

static int run_in(cli_session *session, const run_settings *settings, const cli_url *url,
                  cli_shard shard, const char *path, const theater_id *id, bool *out_is_recorded)
{
    cli_host *host = NULL;
    theater_error error = THEATER_ERROR_INIT;
    int status = cli_session_add(session, url, shard, false, &host);
    if (status != CLI_EXIT_OK) {
        return status;
    }
    if (cli_session_open(host, &error) != THEATER_OK) {
        (void)cli_say_error(&error);
        return CLI_EXIT_IO;
    }
    status = spawn(session, host, settings, path, id);
    if (cli_is_interrupted() && status != CLI_EXIT_OK) {
        return CLI_EXIT_INTERRUPTED; /* the compiler's process gets a terminal's SIGINT too */
    }
    if (status != CLI_EXIT_OK) {
        return status;
    }
    *out_is_recorded = true;
    cli_session_drive(session);
    return outcome(session, settings);
}

static int run(const cli_command *command, int argc, char **argv)
{
    run_settings settings = {.host = CLI_HOST_SETTINGS_INIT};
    theater_error error = THEATER_ERROR_INIT;
    theater_id id = {{0}};
    cli_url url;
    cli_parsed parsed = cli_parse(command, argc, argv, &settings);
    if (!parsed.go_on) {
        return parsed.exit_status;
    }
    int status = choose_id(command, &settings, &id);
    if (status != CLI_EXIT_OK) {
        return status;
    }
    bool rehearse = is_rehearsal(&settings);
    bool is_own = settings.store == NULL && !rehearse;
    bool is_made = false;
    if (cli_store_for_run(rehearse ? "memory:" : settings.store, id, &url, &error) != THEATER_OK ||
        cli_store_make(&url, is_own, &is_made, &error) != THEATER_OK) {
        return cli_say_error(&error);
    }
    bool by_seed = settings.id == NULL && settings.host.clock != NULL &&
                   strcmp(settings.host.clock, "real") != 0;
    bool is_recorded = false;
    cli_session session;
    cli_session_init(&session, &settings.host);
    status = cli_interrupt_init()
                 ? run_in(&session, &settings, &url, choose_shard(&settings, &url, id), argv[0],
                          by_seed ? NULL : &id, &is_recorded)
                 : CLI_EXIT_IO;
    cli_session_deinit(&session);
    if (is_made && !is_recorded) {
        cli_store_remove(&url);
    }
    return status;
}

const cli_command cli_command_run = {
    .name = "run",
    .operands = "COMPONENT",
    .summary = "run a component as an actor",
    .text =
        "Runs a component (.wasm, or .wat text) as an actor until its call ends, and prints the\n"
        "result as one line of JSON. What happens is recorded in a chain that survives a kill.",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
