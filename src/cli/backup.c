/* SPDX-License-Identifier: Apache-2.0 */
/*
 * theater backup: copies of stores, which may be in use. One store becomes the target; all stores
 * become directories in it, under the names they have, as in $XDG_STATE_HOME/theater.
 */
#include "commands.h"
#include "output.h"
#include "stores.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct backup_settings {
    const char *store;
    bool json;
} backup_settings;

static const cli_option options[] = {
    {"store", CLI_TEXT, "URL", "log:DIR (default: all stores that run made)",
     offsetof(backup_settings, store), 0, 0},
    {"json", CLI_FLAG, NULL, "one JSON object a line", offsetof(backup_settings, json), 0, 0},
    CLI_OPTION_HELP,
};

typedef struct copying {
    const backup_settings *settings;
    const char *target; /* a directory */
    int exit_status;    /* the worst so far */
} copying;

static void print_copy(const copying *it, const cli_url *url, const char *directory)
{
    char copy[CLI_URL_MAX];
    (void)snprintf(copy, sizeof(copy), "log:%s", directory);
    if (it->settings->json) {
        cli_out("{\"store\":");
        cli_out_json_text(url->text, strlen(url->text));
        cli_out(",\"copy\":");
        cli_out_json_text(copy, strlen(copy));
        cli_out("}\n");
        return;
    }
    cli_out_text(url->text, strlen(url->text));
    cli_out(" is copied to ");
    cli_out_text(copy, strlen(copy));
    cli_out("\n");
}

static theater_status copy_store(copying *it, const cli_url *url, const char *directory,
                                 theater_error *err)
{
    theater_status status = theater_store_backup(url->text, directory, err);
    if (status == THEATER_OK) {
        print_copy(it, url, directory);
    }
    return status;
}

/* One of all: a directory that run is just making, or removing, is no store yet, or no more. */
static int copy_default(const cli_url *url, void *userdata)
{
    copying *it = userdata;
    theater_error error = THEATER_ERROR_INIT;
    char directory[PATH_MAX];
    const char *name = strrchr(url->text, '/') + 1; /* state directory, slash, id */
    int length = snprintf(directory, sizeof(directory), "%s/%s", it->target, name);
    if (length < 0 || (size_t)length >= sizeof(directory)) {
        cli_say("the path of the copy is too long");
        it->exit_status = CLI_EXIT_IO;
        return 1;
    }
    theater_status status = copy_store(it, url, directory, &error);
    if (status != THEATER_OK && status != THEATER_ERR_NOTFOUND) {
        (void)cli_say_error(&error);
        it->exit_status = CLI_EXIT_IO;
    }
    return 0;
}

static int copy_all(copying *it)
{
    theater_error error = THEATER_ERROR_INIT;
    if (mkdir(it->target, 0700) != 0 && errno != EEXIST) {
        cli_say("the copy '%s' cannot be written: %s", it->target, strerrordesc_np(errno));
        return CLI_EXIT_IO;
    }
    if (cli_stores_visit(copy_default, it, &error) != THEATER_OK) {
        return cli_say_error(&error);
    }
    return it->exit_status;
}

static int run(const cli_command *command, int argc, char **argv)
{
    backup_settings settings = {0};
    theater_error error = THEATER_ERROR_INIT;
    cli_url url;
    cli_url target;
    theater_id nobody = {{0}};
    cli_parsed parsed = cli_parse(command, argc, argv, &settings);
    if (!parsed.go_on) {
        return parsed.exit_status;
    }
    if (cli_store_for_run(argv[0], nobody, &target, &error) != THEATER_OK) {
        return cli_say_error(&error);
    }
    copying it = {.settings = &settings, .target = cli_store_directory(&target)};
    if (it.target == NULL || it.target[0] == '\0') {
        return cli_usage(command, "'%s' is not a directory for the copy", argv[0]);
    }
    if (settings.store == NULL) {
        return copy_all(&it);
    }
    if (cli_store_for_run(settings.store, nobody, &url, &error) != THEATER_OK ||
        copy_store(&it, &url, it.target, &error) != THEATER_OK) {
        return cli_say_error(&error);
    }
    return CLI_EXIT_OK;
}

const cli_command cli_command_backup = {
    .name = "backup",
    .operands = "TARGET",
    .summary = "copy stores, at rest or in use",
    .text =
        "Copies a store into the directory TARGET, which is new or empty, and checks the copy.\n"
        "Without --store: all stores, each into a directory of its name in TARGET. A copy is run\n"
        "with 'theater resume --adopt' only, if the original will never run again.",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
