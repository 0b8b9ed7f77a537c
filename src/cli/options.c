/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser over the tables of options.h. libc's getopt_long() would need a second list beside the
 * help, keeps its state in globals and calls "--max" an abbreviation of "--max-sleep": a script
 * that relies on that breaks with the next option. Here a name is a name.
 */
#include "options.h"

#include "output.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Column at which the words of an option begin in the help. */
#define HELP_COLUMN 26

static void print_help(const cli_command *command)
{
    cli_out("usage: theater %s [OPTIONS]%s%s\n\n%s\n\n", command->name,
            command->operands[0] != '\0' ? " " : "", command->operands, command->text);
    for (const cli_option *option = command->options; option->name != NULL; option++) {
        int width = option->argument != NULL ? cli_out("  --%s %s", option->name, option->argument)
                                             : cli_out("  --%s", option->name);
        if (width >= HELP_COLUMN) {
            cli_out("\n");
            width = 0;
        }
        cli_out("%*s%s\n", HELP_COLUMN - width, "", option->help);
    }
}

int cli_usage(const cli_command *command, const char *format, ...)
{
    char message[CLI_MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    cli_say("%s; try 'theater %s --help'", message, command->name);
    return CLI_EXIT_USAGE;
}

bool cli_number(const char *text, uint64_t *out_number)
{
    uint64_t number = 0;
    if (text == NULL || text[0] == '\0') {
        return false;
    }
    for (const char *digit = text; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9' || __builtin_mul_overflow(number, (uint64_t)10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*digit - '0'), &number)) {
            return false;
        }
    }
    *out_number = number;
    return true;
}

static const cli_option *find_option(const cli_command *command, const char *name, size_t size)
{
    for (const cli_option *option = command->options; option->name != NULL; option++) {
        if (strlen(option->name) == size && memcmp(option->name, name, size) == 0) {
            return option;
        }
    }
    return NULL;
}

static int set_number(const cli_command *command, const cli_option *option, const char *value,
                      uint64_t *out_number)
{
    uint64_t number = 0;
    uint64_t max = option->max != 0 ? option->max : UINT64_MAX;
    if (!cli_number(value, &number) || number < option->min || number > max) {
        return cli_usage(command, "--%s: '%s' is not a whole number from %" PRIu64 " to %" PRIu64,
                         option->name, value, option->min, max);
    }
    *out_number = number;
    return CLI_EXIT_OK;
}

static int set_option(const cli_command *command, const cli_option *option, const char *value,
                      void *settings)
{
    char *field = (char *)settings + option->offset;
    switch (option->type) {
    case CLI_FLAG:
        *(bool *)(void *)field = true;
        return CLI_EXIT_OK;
    case CLI_TEXT:
        *(const char **)(void *)field = value;
        return CLI_EXIT_OK;
    case CLI_U64:
        return set_number(command, option, value, (uint64_t *)(void *)field);
    case CLI_HELP:
        break;
    }
    return CLI_EXIT_OK;
}

static cli_parsed leave(int exit_status)
{
    return (cli_parsed){.go_on = false, .exit_status = exit_status};
}

static int check_operands(const cli_command *command, int count, char **argv)
{
    if (count < command->operands_min) {
        return cli_usage(command, "%s is missing", command->operands);
    }
    if (command->operands_max >= 0 && count > command->operands_max) {
        return cli_usage(command, "'%s' is one argument too many", argv[command->operands_max]);
    }
    return CLI_EXIT_OK;
}

/* One word that begins with "--"; *at is moved past its value if that is the next word. */
static int parse_option(const cli_command *command, int argc, char **argv, int *at, void *settings,
                        bool *out_help)
{
    const char *name = argv[*at] + 2;
    const char *equals = strchr(name, '=');
    size_t size = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const cli_option *option = find_option(command, name, size);
    if (option == NULL) {
        return cli_usage(command, "there is no option '--%.*s'", (int)size, name);
    }
    if (option->type == CLI_HELP && equals == NULL) {
        *out_help = true;
        return CLI_EXIT_OK;
    }
    if (option->argument == NULL && equals != NULL) {
        return cli_usage(command, "--%s takes no value", option->name);
    }
    const char *value = NULL;
    if (option->argument != NULL) {
        if (equals == NULL && *at + 1 >= argc) {
            return cli_usage(command, "--%s needs a value, %s", option->name, option->argument);
        }
        value = equals != NULL ? equals + 1 : argv[++*at];
    }
    return set_option(command, option, value, settings);
}

cli_parsed cli_parse(const cli_command *command, int argc, char **argv, void *settings)
{
    int operands = 0;
    bool only_operands = false;
    for (int at = 0; at < argc; at++) {
        char *word = argv[at];
        if (only_operands || word[0] != '-' || word[1] == '\0') {
            argv[operands++] = word;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            only_operands = true;
            continue;
        }
        bool help = strcmp(word, "-h") == 0;
        int status = CLI_EXIT_OK;
        if (word[1] == '-') {
            status = parse_option(command, argc, argv, &at, settings, &help);
        } else if (!help) {
            status = cli_usage(command, "there is no option '%s'", word);
        }
        if (help) {
            print_help(command);
            return leave(CLI_EXIT_OK);
        }
        if (status != CLI_EXIT_OK) {
            return leave(status);
        }
    }
    int status = check_operands(command, operands, argv);
    if (status != CLI_EXIT_OK) {
        return leave(status);
    }
    return (cli_parsed){.go_on = true, .operands_count = operands};
}
