/* SPDX-License-Identifier: Apache-2.0 */
/*
 * theater(1): which command it is. Exit statuses are the same for all commands (output.h).
 */
#include "commands.h"
#include "output.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <theater.h>
#include <unistd.h>

/* "chain export" and its NUL, with room. */
#define COMMAND_NAME_MAX 32

static const cli_command *const commands[] = {
    &cli_command_run,
    &cli_command_resume,
    &cli_command_ps,
    &cli_command_show,
    &cli_command_wake,
    &cli_command_cancel,
    &cli_command_verify,
    &cli_command_replay,
    &cli_command_chain_show,
    &cli_command_chain_export,
    &cli_command_backup,
    &cli_command_prune,
    &cli_command_bench_sleepers,
    &cli_command_bench_lateness,
    &cli_command_bench_rate,
    &cli_command_bench_log,
    &cli_command_bench_timers,
};
#define COMMANDS_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_help(void)
{
    cli_out("usage: theater COMMAND [OPTIONS] [ARGUMENTS]\n\n"
            "Runs WebAssembly component actors with durable, auditable time.\n\n");
    for (size_t i = 0; i < COMMANDS_COUNT; i++) {
        cli_out("  %-16s %s\n", commands[i]->name, commands[i]->summary);
    }
    cli_out(
        "\n  --help           show this text; 'theater COMMAND --help' that of a command\n"
        "  --version        show the versions of theater and of its engine\n\n"
        "Exit status: 0 ok, 1 the guest returned an error, 2 wrong usage, 3 the guest trapped\n"
        "or was ended, 4 store or I/O, 5 verification failed or divergence, 130 interrupted.\n");
}

static int misuse(const char *what, const char *word)
{
    cli_say("%s%s%s%s; try 'theater --help'", what, word != NULL ? " '" : "",
            word != NULL ? word : "", word != NULL ? "'" : "");
    return CLI_EXIT_USAGE;
}

/* Commands have one word, or two: "chain show". */
static const cli_command *find_command(int argc, char **argv, int *out_words)
{
    char name[COMMAND_NAME_MAX];
    for (int words = 1; words <= 2 && words <= argc; words++) {
        int size = words == 1 ? snprintf(name, sizeof(name), "%s", argv[0])
                              : snprintf(name, sizeof(name), "%s %s", argv[0], argv[1]);
        for (size_t i = 0; i < COMMANDS_COUNT && size > 0; i++) {
            if (strcmp(commands[i]->name, name) == 0) {
                *out_words = words;
                return commands[i];
            }
        }
    }
    return NULL;
}

/* Words that name no command alone. */
typedef struct family {
    const char *name;
    const char *members;
} family;

static const family families[] = {
    {"chain", "show or export"},
    {"bench", "sleepers, lateness, rate, log or timers"},
};

static int meet_family(const family *f, const char *word)
{
    char text[CLI_MESSAGE_MAX];
    if (word != NULL && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
        print_help();
        return CLI_EXIT_OK;
    }
    (void)snprintf(text, sizeof(text), "%s is followed by %s%s", f->name, f->members,
                   word != NULL ? ", not by" : "");
    return misuse(text, word);
}

static int dispatch(int argc, char **argv)
{
    if (argc < 1) {
        return misuse("a command is missing", NULL);
    }
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        print_help();
        return CLI_EXIT_OK;
    }
    if (strcmp(argv[0], "--version") == 0) {
        cli_out("theater %s (%s)\n", theater_version(), theater_engine_name());
        return CLI_EXIT_OK;
    }
    int words = 0;
    const cli_command *command = find_command(argc, argv, &words);
    if (command != NULL) {
        return command->run(command, argc - words, argv + words);
    }
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        if (strcmp(argv[0], families[i].name) == 0) {
            return meet_family(&families[i], argc > 1 ? argv[1] : NULL);
        }
    }
    return misuse(argv[0][0] == '-' ? "there is no option" : "there is no command", argv[0]);
}

/*
 * A file that is opened gets the lowest free descriptor: without stdout, a store's log would, and
 * results would be printed into it. What holds the place can only be read, so that whoever prints
 * is told that nobody gets it. False: there is nothing to hold it with.
 */
static bool hold_standard_descriptors(void)
{
    int fd = STDIN_FILENO;
    while (fd <= STDERR_FILENO) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd) {
            return false;
        }
        fd++;
    }
    return true;
}

int main(int argc, char **argv)
{
    if (!hold_standard_descriptors()) {
        return CLI_EXIT_IO;
    }
    /* A reader that goes away is an error of write(), not the end in the middle of something. */
    (void)signal(SIGPIPE, SIG_IGN);
    /* Whole lines, so that those of several processes do not mix. */
    (void)setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
    /* Also of a command line that is wrong elsewhere. */
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            cli_out_set_json(true);
        }
    }
    int status = dispatch(argc - 1, argv + 1);
    cli_out_end(status);
    int flushed = cli_out_flush();
    return status == CLI_EXIT_OK ? flushed : status;
}
