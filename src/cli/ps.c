/* SPDX-License-Identifier: Apache-2.0 */
/*
 * theater ps: the actors of one store or of all default stores. A host that runs a store is asked;
 * a store at rest, or one whose host does not answer, is read without locking it: what is shown
 * then is what is on the disk.
 */
#include "commands.h"
#include "control.h"
#include "output.h"
#include "stores.h"
#include "term.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct ps_settings {
    const char *store;
    bool sleeping;
    bool json;
} ps_settings;

static const cli_option options[] = {
    {"store", CLI_TEXT, "URL", "log:DIR (default: all stores that run made)",
     offsetof(ps_settings, store), 0, 0},
    {"sleeping", CLI_FLAG, NULL, "only those that are asleep", offsetof(ps_settings, sleeping), 0,
     0},
    {"json", CLI_FLAG, NULL, "one JSON object a line", offsetof(ps_settings, json), 0, 0},
    CLI_OPTION_HELP,
};

typedef struct listing {
    const ps_settings *settings;
    const char *url;
    bool has_heading;
    uint64_t visited; /* of this store */
    int exit_status;
} listing;

static void print_json(const listing *list, const theater_actor_info *info, const char *id)
{
    char head[CLI_HEAD_TEXT_SIZE];
    cli_head_format(&info->head, head);
    cli_out("{\"id\":\"%s\",\"state\":\"%s\",\"due\":", id, theater_actor_state_name(info->state));
    if (info->has_due) {
        cli_out("%" PRIu64, info->due.ms);
    } else {
        cli_out("null");
    }
    cli_out(",\"events\":%" PRIu64 ",\"head\":\"%s\",\"parked\":", info->head.seq + 1, head);
    if (info->parked_reason != NULL) {
        cli_out_json_text(info->parked_reason, strlen(info->parked_reason));
    } else {
        cli_out("null");
    }
    cli_out(",\"store\":");
    cli_out_json_text(list->url, strlen(list->url));
    cli_out("}\n");
}

static void print_row(listing *list, const theater_actor_info *info, const char *id)
{
    char due[CLI_TIME_TEXT_SIZE] = "-";
    if (!list->has_heading) {
        cli_out("%s%-36s  %-8s  %-24s  %6s%s\n", cli_term_bold(), "ID", "STATE", "DUE", "EVENTS",
                cli_term_plain());
        list->has_heading = true;
    }
    if (info->has_due) {
        cli_time_format(info->due, due);
    }
    cli_out("%s  %-8s  %-24s  %6" PRIu64 "\n", id, theater_actor_state_name(info->state), due,
            info->head.seq + 1);
}

static int print_actor(const theater_actor_info *info, void *userdata)
{
    listing *list = userdata;
    char id[THEATER_ID_TEXT_SIZE];
    theater_id_format(info->id, id);
    list->visited++;
    if (list->settings->sleeping && info->state != THEATER_ACTOR_ASLEEP) {
        return 0;
    }
    if (list->settings->json) {
        print_json(list, info, id);
    } else {
        print_row(list, info, id);
    }
    return 0;
}

/* False: there is no host, or it did not answer and nothing was printed yet. */
static bool print_running(listing *list, const cli_url *url)
{
    theater_error error = THEATER_ERROR_INIT;
    cli_control control = {.fd = -1};
    if (cli_control_connect(url, CLI_LOOK_SECONDS_MAX, &control, &error) != THEATER_OK) {
        return false;
    }
    list->visited = 0;
    theater_status status = cli_control_visit(&control, print_actor, list, &error);
    cli_control_close(&control);
    if (status == THEATER_OK || list->visited == 0) {
        return status == THEATER_OK;
    }
    (void)cli_say_error(&error);
    list->exit_status = CLI_EXIT_IO;
    return true;
}

static void print_shard(listing *list, const cli_url *url, cli_shard shard)
{
    theater_error error = THEATER_ERROR_INIT;
    cli_url at;
    theater_status status = cli_store_at(url, shard, &at, &error);
    if (status == THEATER_OK && print_running(list, &at)) {
        return;
    }
    if (status == THEATER_OK) {
        status = theater_store_visit(at.text, print_actor, list, &error);
    }
    /* A directory that run is just making, or removing, is no store yet, or no more. */
    bool is_passing = status == THEATER_ERR_NOTFOUND && list->settings->store == NULL;
    if (status != THEATER_OK && !is_passing) {
        (void)cli_say_error(&error);
        list->exit_status = CLI_EXIT_IO;
    }
}

/* Each shard has a host of its own, or is at rest. */
static int print_store(const cli_url *url, void *userdata)
{
    listing *list = userdata;
    uint32_t count = cli_store_shards(url);
    list->url = url->text;
    for (uint32_t i = 0; i < count; i++) {
        print_shard(list, url, (cli_shard){.number = i, .count = count});
    }
    return 0;
}

static int run(const cli_command *command, int argc, char **argv)
{
    ps_settings settings = {0};
    theater_error error = THEATER_ERROR_INIT;
    cli_url url;
    cli_parsed parsed = cli_parse(command, argc, argv, &settings);
    if (!parsed.go_on) {
        return parsed.exit_status;
    }
    listing list = {.settings = &settings};
    theater_id none = {{0}};
    if (settings.store == NULL) {
        if (cli_stores_visit(print_store, &list, &error) != THEATER_OK) {
            return cli_say_error(&error);
        }
    } else if (cli_store_for_run(settings.store, none, &url, &error) != THEATER_OK) {
        return cli_say_error(&error);
    } else {
        (void)print_store(&url, &list);
    }
    return list.exit_status;
}

const cli_command cli_command_ps = {
    .name = "ps",
    .operands = "",
    .summary = "list the actors of stores",
    .text = "Lists actors with their state and, for sleepers, the time at which they wake (UTC).",
    .options = options,
    .operands_min = 0,
    .operands_max = 0,
    .run = run,
};
