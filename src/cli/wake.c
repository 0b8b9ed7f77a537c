/* SPDX-License-Identifier: Apache-2.0 */
/*
 * theater wake: ends an actor's wait before its time.
 */
#include "act.h"
#include "commands.h"

typedef struct wake_settings {
    cli_act_settings act;
} wake_settings;

static const cli_option options[] = {
    CLI_OPTIONS_ACT(wake_settings, act),
    CLI_OPTION_HELP,
};

static int run(const cli_command *command, int argc, char **argv)
{
    wake_settings settings = {0};
    cli_parsed parsed = cli_parse(command, argc, argv, &settings);
    if (!parsed.go_on) {
        return parsed.exit_status;
    }
    return cli_act(command, THEATER_ACT_WAKE, &settings.act, argv[0]);
}

const cli_command cli_command_wake = {
    .name = "wake",
    .operands = "ID",
    .summary = "end an actor's wait before its time",
    .text =
        "Wakes an actor that sleeps or waits; the chain shows who did it. It goes on at once if\n"
        "a host runs its store, otherwise when it is resumed.",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
