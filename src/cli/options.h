/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands and their options as tables. One table is the parser, the help text and what the test of
 * the man pages compares with, so that the three cannot drift apart.
 *
 *     cli_option table ──┬── cli_parse():  --name VALUE, --name=VALUE, flags, operands, `--`
 *                        └── cli_help():   usage, one line an option
 *
 * An option writes into the command's settings at an offset; numbers are judged here, once. Options
 * may stand after operands. Operands are moved to the front of argv, so nothing is allocated.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum cli_option_type {
    CLI_FLAG = 1, /* bool */
    CLI_TEXT = 2, /* const char *, NULL if not given */
    CLI_U64 = 3,  /* uint64_t: decimal digits only, between min and max */
    CLI_HELP = 4  /* prints the help */
} cli_option_type;

typedef struct cli_option {
    const char *name; /* without the dashes; NULL ends a table */
    cli_option_type type;
    const char *argument; /* what the help calls the value; NULL for flags */
    const char *help;     /* one line */
    size_t offset;        /* in the settings */
    uint64_t min;         /* U64 */
    uint64_t max;         /* U64; 0: no bound */
} cli_option;

#define CLI_OPTION_HELP                                  \
    {"help", CLI_HELP, NULL, "show this text", 0, 0, 0}, \
    {                                                    \
        NULL, CLI_FLAG, NULL, NULL, 0, 0, 0              \
    }

typedef struct cli_command {
    const char *name;     /* "run", "chain show" */
    const char *operands; /* "COMPONENT" */
    const char *summary;  /* for the list of commands */
    const char *text;     /* for its own help: what it does, exit statuses that need a word */
    const cli_option *options;
    int operands_min;
    int operands_max; /* -1: any number */
    int (*run)(const struct cli_command *command, int argc, char **argv);
} cli_command;

/* What parsing says: go on with the command, or leave with an exit status. */
typedef struct cli_parsed {
    bool go_on;
    int exit_status;    /* !go_on */
    int operands_count; /* at the front of argv */
} cli_parsed;

/* Reads argv, which does not hold the names of program and command. */
cli_parsed cli_parse(const cli_command *command, int argc, char **argv, void *settings);

/* One line on stderr with the way to the help; returns the status for wrong usage. */
int cli_usage(const cli_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Strict: digits only, no sign, no blanks, no overflow. */
bool cli_number(const char *text, uint64_t *out_number);

#endif
