/* SPDX-License-Identifier: Apache-2.0 */
/*
 * theater chain show and theater chain export: the same writing, with other defaults. An output
 * file appears whole or not at all: it is written beside its name and moved there when it is
 * complete.
 */
#include "commands.h"
#include "output.h"
#include "stores.h"
#include "term.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct chain_settings {
    const char *store;
    const char *format;
    const char *output;
    bool json;
} chain_settings;

#define STORE_OPTION                                                                    \
    {                                                                                   \
        "store", CLI_TEXT, "URL", "log:DIR that holds the actor (default: looked for)", \
            offsetof(chain_settings, store), 0, 0                                       \
    }
#define OUTPUT_OPTION                                                            \
    {                                                                            \
        "output", CLI_TEXT, "FILE", "write there instead of to standard output", \
            offsetof(chain_settings, output), 0, 0                               \
    }

static const cli_option show_options[] = {
    {"format", CLI_TEXT, "FORMAT", "text, jsonl, theater-json or binary (default: text)",
     offsetof(chain_settings, format), 0, 0},
    {"json", CLI_FLAG, NULL, "the same as --format jsonl", offsetof(chain_settings, json), 0, 0},
    STORE_OPTION,
    OUTPUT_OPTION,
    CLI_OPTION_HELP,
};

static const cli_option export_options[] = {
    {"format", CLI_TEXT, "FORMAT", "text, jsonl, theater-json or binary (default: binary)",
     offsetof(chain_settings, format), 0, 0},
    {"json", CLI_FLAG, NULL, "the same as --format jsonl", offsetof(chain_settings, json), 0, 0},
    STORE_OPTION,
    OUTPUT_OPTION,
    CLI_OPTION_HELP,
};

static bool read_format(const char *text, theater_chain_format *out_format)
{
    static const struct {
        const char *name;
        theater_chain_format format;
    } formats[] = {
        {"text", THEATER_CHAIN_TEXT},
        {"jsonl", THEATER_CHAIN_JSONL},
        {"theater-json", THEATER_CHAIN_THEATER_JSON},
        {"binary", THEATER_CHAIN_BINARY},
    };
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (strcmp(text, formats[i].name) == 0) {
            *out_format = formats[i].format;
            return true;
        }
    }
    return false;
}

/* A damaged chain is exported up to the damage, and the status says it. */
static int say_export_error(const theater_error *error)
{
    int status = cli_say_error(error);
    return error->status == THEATER_ERR_CORRUPT ? CLI_EXIT_DIVERGED : status;
}

static int write_stdout(const theater_chain *chain, theater_chain_format format)
{
    theater_error error = THEATER_ERROR_INIT;
    theater_status status = cli_out_chain(chain, format, &error);
    int flushed = cli_out_flush();
    if (flushed != CLI_EXIT_OK) {
        return flushed;
    }
    return status == THEATER_OK ? CLI_EXIT_OK : say_export_error(&error);
}

static int write_stream(const void *data, size_t size, void *userdata)
{
    FILE *file = userdata;
    return fwrite(data, 1, size, file) != size;
}

static int say_file_error(const char *path)
{
    cli_say("'%s' could not be written: %s", path, strerrordesc_np(errno));
    return CLI_EXIT_IO;
}

/* Writes and closes. */
static int fill_file(const theater_chain *chain, theater_chain_format format, FILE *file,
                     const char *path)
{
    theater_error error = THEATER_ERROR_INIT;
    theater_status status = theater_chain_export(chain, format, write_stream, file, &error);
    bool is_written = ferror(file) == 0 && fflush(file) == 0;
    int exit_status = CLI_EXIT_OK;
    if (!is_written) {
        exit_status = say_file_error(path);
    } else if (status != THEATER_OK) {
        exit_status = say_export_error(&error);
    }
    if (fclose(file) != 0 && exit_status == CLI_EXIT_OK) {
        exit_status = say_file_error(path);
    }
    return exit_status;
}

static int write_file(const theater_chain *chain, theater_chain_format format, const char *path)
{
    char beside[PATH_MAX];
    struct stat found;
    bool is_special = stat(path, &found) == 0 && !S_ISREG(found.st_mode);
    int length = snprintf(beside, sizeof(beside), "%s%s", path, is_special ? "" : ".partial");
    if (length < 0 || (size_t)length >= sizeof(beside)) {
        errno = ENAMETOOLONG;
        return say_file_error(path);
    }
    FILE *file = fopen(beside, "we");
    if (file == NULL) {
        return say_file_error(path);
    }
    int status = fill_file(chain, format, file, path);
    if (!is_special && status == CLI_EXIT_OK && rename(beside, path) != 0) {
        status = say_file_error(path);
    }
    if (!is_special && status != CLI_EXIT_OK) {
        (void)unlink(beside);
    }
    return status;
}

static int write_chain(const cli_command *command, int argc, char **argv,
                       theater_chain_format format)
{
    chain_settings settings = {0};
    theater_chain *chain = NULL;
    cli_parsed parsed = cli_parse(command, argc, argv, &settings);
    if (!parsed.go_on) {
        return parsed.exit_status;
    }
    if (settings.json) {
        format = THEATER_CHAIN_JSONL;
    }
    if (settings.format != NULL && !read_format(settings.format, &format)) {
        return cli_usage(command, "--format: '%s' is not text, jsonl, theater-json or binary",
                         settings.format);
    }
    if (format == THEATER_CHAIN_BINARY && settings.output == NULL && cli_term_has_stdout()) {
        return cli_usage(command, "binary is not written to a terminal: name a file with --output");
    }
    int status = cli_chain_open(argv[0], settings.store, &chain);
    if (status != CLI_EXIT_OK) {
        return status;
    }
    status = settings.output != NULL ? write_file(chain, format, settings.output)
                                     : write_stdout(chain, format);
    theater_chain_free(chain);
    return status;
}

static int run_show(const cli_command *command, int argc, char **argv)
{
    return write_chain(command, argc, argv, THEATER_CHAIN_TEXT);
}

static int run_export(const cli_command *command, int argc, char **argv)
{
    return write_chain(command, argc, argv, THEATER_CHAIN_BINARY);
}

const cli_command cli_command_chain_show = {
    .name = "chain show",
    .operands = "FILE|ID",
    .summary = "print the events of a chain",
    .text = "Prints the events of a chain, one a line. Stops at the first damaged event with exit\n"
            "status 5.",
    .options = show_options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run_show,
};

const cli_command cli_command_chain_export = {
    .name = "chain export",
    .operands = "FILE|ID",
    .summary = "write a chain to a file that verify and replay read",
    .text =
        "Writes a chain out. Stops at the first damaged event with exit status 5; a file that is\n"
        "named with --output then does not appear.",
    .options = export_options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run_export,
};
