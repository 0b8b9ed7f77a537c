/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands, one file each. A new one is a table in its file and a row in main.c.
 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "options.h"

extern const cli_command cli_command_run;
extern const cli_command cli_command_resume;
extern const cli_command cli_command_ps;
extern const cli_command cli_command_show;
extern const cli_command cli_command_wake;
extern const cli_command cli_command_cancel;
extern const cli_command cli_command_verify;
extern const cli_command cli_command_replay;
extern const cli_command cli_command_chain_show;
extern const cli_command cli_command_chain_export;
extern const cli_command cli_command_backup;
extern const cli_command cli_command_prune;
extern const cli_command cli_command_bench_sleepers;
extern const cli_command cli_command_bench_lateness;
extern const cli_command cli_command_bench_rate;
extern const cli_command cli_command_bench_log;
extern const cli_command cli_command_bench_timers;

#endif
