/* SPDX-License-Identifier: Apache-2.0 */
/*
 * theater replay: executes a chain again with a component and compares every request. Nothing is
 * waited for and nothing is written; any component may be given, so that a changed one is compared.
 */
#include "commands.h"
#include "output.h"
#include "session.h"
#include "stores.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct replay_settings {
    cli_host_settings host;
    const char *store;
    const char *component;
} replay_settings;

static const cli_option options[] = {
    {"component", CLI_TEXT, "FILE", "the component to compare with (needed)",
     offsetof(replay_settings, component), 0, 0},
    {"store", CLI_TEXT, "URL", "log:DIR that holds the actor (default: looked for)",
     offsetof(replay_settings, store), 0, 0},
    {"trap-unknown-imports", CLI_FLAG, NULL, "trap at the call instead of refusing to start",
     offsetof(replay_settings, host.trap_unknown_imports), 0, 0},
    CLI_OPTIONS_TALK(replay_settings, host),
    CLI_OPTION_HELP,
};

/* A file's bytes; size 0: data is a text of no length. */
typedef struct file_view {
    const void *data;
    size_t size;
} file_view;

static int map_file(const char *path, file_view *out_view)
{
    struct stat found;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &found) != 0 || !S_ISREG(found.st_mode)) {
        cli_say("component '%s' could not be read: %s", path,
                fd < 0 ? strerrordesc_np(errno) : "it is no regular file");
        if (fd >= 0) {
            (void)close(fd);
        }
        return CLI_EXIT_USAGE;
    }
    *out_view = (file_view){.data = "", .size = (size_t)found.st_size};
    if (found.st_size > 0) {
        out_view->data = mmap(NULL, out_view->size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    (void)close(fd);
    if (out_view->data == MAP_FAILED) {
        cli_say("component '%s' could not be read: %s", path, strerrordesc_np(errno));
        return CLI_EXIT_IO;
    }
    return CLI_EXIT_OK;
}

static void unmap_file(const file_view *view)
{
    if (view->size > 0) {
        (void)munmap((void *)(uintptr_t)view->data, view->size);
    }
}

static void print_json(const theater_replay_report *report)
{
    cli_out("{\"clean\":%s,\"events\":%" PRIu64 ",\"calls\":%" PRIu64,
            report->is_clean ? "true" : "false", report->events_count, report->calls_count);
    if (!report->is_clean) {
        cli_out(",\"seq\":%" PRIu64 ",\"expected\":", report->seq);
        cli_out_json_text(report->expected, strlen(report->expected));
        cli_out(",\"actual\":");
        cli_out_json_text(report->actual, strlen(report->actual));
    }
    cli_out(",\"message\":");
    cli_out_json_text(report->message, strlen(report->message));
    cli_out("}\n");
}

static int print_report(const theater_replay_report *report, bool json)
{
    if (json) {
        print_json(report);
    } else if (report->is_clean) {
        cli_out("clean: %" PRIu64 " events, %" PRIu64 " calls\n", report->events_count,
                report->calls_count);
    } else {
        cli_out("diverged at event %" PRIu64 "\nexpected: %s\nactual:   %s\n", report->seq,
                report->expected, report->actual);
    }
    return report->is_clean ? CLI_EXIT_OK : CLI_EXIT_DIVERGED;
}

static int replay(cli_session *session, const replay_settings *settings, const theater_chain *chain)
{
    theater_error error = THEATER_ERROR_INIT;
    theater_replay_report report;
    cli_host *host = NULL;
    file_view view;
    int status = map_file(settings->component, &view);
    if (status != CLI_EXIT_OK) {
        return status;
    }
    status = cli_session_add(session, NULL, (cli_shard){.count = 1}, false, &host);
    if (status == CLI_EXIT_OK) {
        theater_status replayed =
            theater_chain_replay(host->host, chain, view.data, view.size, &report, &error);
        if (replayed == THEATER_OK) {
            status = print_report(&report, settings->host.json);
        } else {
            status = cli_say_error(&error);
            status = replayed == THEATER_ERR_CORRUPT ? CLI_EXIT_DIVERGED : status;
        }
    }
    unmap_file(&view);
    return status;
}

static int run(const cli_command *command, int argc, char **argv)
{
    replay_settings settings = {.host = CLI_HOST_SETTINGS_INIT};
    theater_chain *chain = NULL;
    cli_parsed parsed = cli_parse(command, argc, argv, &settings);
    if (!parsed.go_on) {
        return parsed.exit_status;
    }
    if (settings.component == NULL) {
        return cli_usage(command, "--component FILE is missing");
    }
    int status = cli_chain_open(argv[0], settings.store, &chain);
    if (status != CLI_EXIT_OK) {
        return status;
    }
    /* What guests log was shown when it happened. */
    settings.host.quiet = settings.host.quiet || !settings.host.verbose;
    cli_session session;
    cli_session_init(&session, &settings.host);
    status = replay(&session, &settings, chain);
    cli_session_deinit(&session);
    theater_chain_free(chain);
    return status;
}

const cli_command cli_command_replay = {
    .name = "replay",
    .operands = "FILE|ID",
    .summary = "execute a chain again and compare",
    .text =
        "Executes a chain again with a component and compares every request. Nothing is waited\n"
        "for or written. Exit status 5, with the event where they part, if they differ.",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
