/* SPDX-License-Identifier: Apache-2.0 */
/*
 * theater verify: is this chain as it was written? Offline, without the component and without trust
 * in the store. A cut tail on an event's border can only be seen with a head that was kept
 * elsewhere.
 */
#include "commands.h"
#include "output.h"
#include "stores.h"

#include <inttypes.h>
#include <string.h>

typedef struct verify_settings {
    const char *store;
    const char *head;
    bool json;
} verify_settings;

static const cli_option options[] = {
    {"store", CLI_TEXT, "URL", "log:DIR that holds the actor (default: looked for)",
     offsetof(verify_settings, store), 0, 0},
    {"head", CLI_TEXT, "SEQ:HASH", "a head kept elsewhere, as run --json prints it",
     offsetof(verify_settings, head), 0, 0},
    {"json", CLI_FLAG, NULL, "one JSON object", offsetof(verify_settings, json), 0, 0},
    CLI_OPTION_HELP,
};

static const char *verdict_word(theater_chain_verdict verdict)
{
    switch (verdict) {
    case THEATER_CHAIN_ANCHORED:
        return "anchored";
    case THEATER_CHAIN_UNANCHORED:
        return "unanchored";
    case THEATER_CHAIN_DAMAGED:
        break;
    }
    return "damaged";
}

static void print_json(const theater_chain_report *report, const char *head)
{
    cli_out("{\"verdict\":\"%s\",\"events\":%" PRIu64 ",\"head\":", verdict_word(report->verdict),
            report->events_count);
    if (report->events_count > 0) {
        cli_out("\"%s\"", head);
    } else {
        cli_out("null");
    }
    if (report->verdict == THEATER_CHAIN_DAMAGED) {
        cli_out(",\"seq\":%" PRIu64, report->bad_seq);
    }
    cli_out(",\"message\":");
    cli_out_json_text(report->message, strlen(report->message));
    cli_out("}\n");
}

static int print_report(const theater_chain_report *report, bool json)
{
    char head[CLI_HEAD_TEXT_SIZE];
    cli_head_format(&report->head, head);
    bool is_damaged = report->verdict == THEATER_CHAIN_DAMAGED;
    if (json) {
        print_json(report, head);
    } else if (is_damaged) {
        cli_out("damaged: %s\n", report->message);
    } else {
        cli_out("intact, %s: %" PRIu64 " events, head %s\n", verdict_word(report->verdict),
                report->events_count, head);
    }
    return is_damaged ? CLI_EXIT_DIVERGED : CLI_EXIT_OK;
}

static int run(const cli_command *command, int argc, char **argv)
{
    verify_settings settings = {0};
    theater_error error = THEATER_ERROR_INIT;
    theater_head head;
    theater_chain *chain = NULL;
    theater_chain_report report;
    theater_chain_verify_options verify = THEATER_CHAIN_VERIFY_OPTIONS_INIT;
    cli_parsed parsed = cli_parse(command, argc, argv, &settings);
    if (!parsed.go_on) {
        return parsed.exit_status;
    }
    if (settings.head != NULL) {
        if (theater_head_parse(settings.head, &head, &error) != THEATER_OK) {
            return cli_usage(command, "--head: %s", error.message);
        }
        verify.head = &head;
    }
    int status = cli_chain_open(argv[0], settings.store, &chain);
    if (status != CLI_EXIT_OK) {
        return status;
    }
    if (theater_chain_verify(chain, &verify, &report, &error) != THEATER_OK) {
        status = cli_say_error(&error);
    } else {
        status = print_report(&report, settings.json);
    }
    theater_chain_free(chain);
    return status;
}

const cli_command cli_command_verify = {
    .name = "verify",
    .operands = "FILE|ID",
    .summary = "check that a chain is as it was written",
    .text = "Checks every link, the genesis and the order of all events of a chain, offline. Exit\n"
            "status 5 and the first damaged event if it is not as it was written.",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
