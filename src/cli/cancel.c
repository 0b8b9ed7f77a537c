/* SPDX-License-Identifier: Apache-2.0 */
/*
 * theater cancel: ends an actor, or only the wait that it is in.
 */
#include "act.h"
#include "commands.h"

typedef struct cancel_settings {
    cli_act_settings act;
    bool wait;
} cancel_settings;

static const cli_option options[] = {
    {"wait", CLI_FLAG, NULL, "only its wait: the actor goes on, and sees that it failed",
     offsetof(cancel_settings, wait), 0, 0},
    CLI_OPTIONS_ACT(cancel_settings, act),
    CLI_OPTION_HELP,
};

static int run(const cli_command *command, int argc, char **argv)
{
    cancel_settings settings = {0};
    cli_parsed parsed = cli_parse(command, argc, argv, &settings);
    if (!parsed.go_on) {
        return parsed.exit_status;
    }
    theater_act_kind kind = settings.wait ? THEATER_ACT_CANCEL_WAIT : THEATER_ACT_CANCEL;
    return cli_act(command, kind, &settings.act, argv[0]);
}

const cli_command cli_command_cancel = {
    .name = "cancel",
    .operands = "ID",
    .summary = "end an actor, or its wait",
    .text =
        "Ends an actor, wherever it stands, for ever. With --wait only what it waits for fails.\n"
        "The chain shows who did it. Works on a store at rest as well.",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
