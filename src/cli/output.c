/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that the command writes. Text of others (guests, file names, the library's messages
 * that quote them) is escaped on its way to a terminal (escape.h). A line goes to stderr with one
 * call, so that lines of several processes do not mix.
 */
#include "output.h"

#include "escape.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Longest line of a guest that is shown whole; the chain has all of it. */
#define GUEST_LINE_MAX 8192

/* Of the process; several threads say and print. */
static atomic_bool is_json;
static atomic_bool has_output;
static char said_last[CLI_MESSAGE_MAX]; /* under stderr's lock */

int cli_out(const char *format, ...)
{
    va_list arguments;
    has_output = true;
    va_start(arguments, format);
    int written = vprintf(format, arguments);
    va_end(arguments);
    return written > 0 ? written : 0;
}

void cli_out_bytes(const void *data, size_t size)
{
    has_output = has_output || size > 0;
    /* A failure stays in the stream until cli_out_flush(). */
    (void)!fwrite(data, 1, size, stdout);
}

void cli_out_json_text(const char *data, size_t size)
{
    cli_escape_json_string(stdout, data, size);
}

void cli_out_json(const char *data, size_t size)
{
    cli_json_stream out = {.stream = stdout};
    cli_json_put(&out, data, size);
    cli_json_end(&out);
}

static int write_bytes(const void *data, size_t size, void *userdata)
{
    (void)userdata;
    cli_out_bytes(data, size);
    return ferror(stdout);
}

static int write_json(const void *data, size_t size, void *userdata)
{
    has_output = has_output || size > 0;
    cli_json_put(userdata, data, size);
    return ferror(stdout);
}

bool cli_out_value(const theater_value *value)
{
    theater_error error = THEATER_ERROR_INIT;
    cli_json_stream out = {.stream = stdout};
    theater_status status = theater_value_write_json(value, write_json, &out, &error);
    cli_json_end(&out);
    if (status == THEATER_OK) {
        return true;
    }
    if (ferror(stdout) == 0) {
        cli_say("%s", error.message);
    }
    return false;
}

theater_status cli_out_chain(const theater_chain *chain, theater_chain_format format,
                             theater_error *err)
{
    if (format != THEATER_CHAIN_JSONL) {
        return theater_chain_export(chain, format, write_bytes, NULL, err);
    }
    cli_json_stream out = {.stream = stdout};
    theater_status status = theater_chain_export(chain, format, write_json, &out, err);
    cli_json_end(&out);
    return status;
}

int cli_out_flush(void)
{
    static bool is_said = false;
    errno = 0;
    if (fflush(stdout) == 0 && ferror(stdout) == 0) {
        return CLI_EXIT_OK;
    }
    if (errno != EPIPE && !is_said) {
        const char *reason = errno != 0 ? strerrordesc_np(errno) : "it is closed";
        cli_say("standard output could not be written: %s", reason);
    }
    is_said = true;
    return CLI_EXIT_IO;
}

void cli_out_text(const char *data, size_t size)
{
    char piece[CLI_MESSAGE_MAX];
    while (size > 0) {
        size_t step =
            size < sizeof(piece) / CLI_ESCAPE_MAX ? size : sizeof(piece) / CLI_ESCAPE_MAX - 1;
        while (step < size && step > 1 && ((unsigned char)data[step] & 0xc0) == 0x80) {
            step--; /* whole characters */
        }
        cli_out_bytes(piece, cli_escape(data, step, piece, sizeof(piece)));
        data += step;
        size -= step;
    }
}

static void say(bool is_kept, const char *format, va_list arguments)
{
    char message[CLI_MESSAGE_MAX];
    char line[2 * CLI_MESSAGE_MAX];
    (void)vsnprintf(message, sizeof(message), format, arguments);
    (void)cli_escape(message, strlen(message), line, sizeof(line));
    flockfile(stderr);
    if (is_kept) {
        memcpy(said_last, message, sizeof(said_last));
    }
    (void)fprintf(stderr, "theater: %s\n", line);
    funlockfile(stderr);
}

void cli_say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(true, format, arguments);
    va_end(arguments);
}

void cli_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(false, format, arguments);
    va_end(arguments);
}

void cli_say_how_to_go_on(const char *store, const char *id)
{
    char word[CLI_MESSAGE_MAX / 2] = "";
    bool has_room = store == NULL || cli_escape_word(store, word, sizeof(word));
    cli_say("interrupted; to go on: theater resume%s%s%s%s", store != NULL ? " --store " : "",
            has_room ? word : "URL", id != NULL ? " " : "", id != NULL ? id : "");
}

int cli_say_error(const theater_error *error)
{
    theater_status status = error->status != THEATER_OK ? error->status : THEATER_ERR_IO;
    const char *message = error->message[0] != '\0' ? error->message : theater_status_text(status);
    cli_say("%s", message);
    if (is_json) {
        flockfile(stdout);
        cli_out("{");
        cli_out_error(status, message);
        cli_out("}\n");
        funlockfile(stdout);
    }
    return cli_exit_of(status);
}

/* ---- failures as JSON ------------------------------------------------------------------------ */

void cli_out_set_json(bool is_wanted)
{
    is_json = is_wanted;
}

void cli_out_error(theater_status status, const char *message)
{
    cli_out("\"error\":{\"status\":\"%s\",\"code\":%d,\"message\":", theater_status_name(status),
            (int)status);
    cli_out_json_text(message, strlen(message));
    cli_out("}");
}

static theater_status status_of(int exit_status)
{
    switch (exit_status) {
    case CLI_EXIT_USAGE:
        return THEATER_ERR_INVALID;
    case CLI_EXIT_ENDED:
        return THEATER_ERR_TRAP;
    case CLI_EXIT_DIVERGED:
        return THEATER_ERR_DIVERGED;
    case CLI_EXIT_INTERRUPTED:
        return THEATER_ERR_CANCELLED;
    default:
        return THEATER_ERR_IO;
    }
}

void cli_out_end(int exit_status)
{
    if (is_json && exit_status != CLI_EXIT_OK && !has_output) {
        cli_out("{");
        cli_out_error(status_of(exit_status), said_last);
        cli_out("}\n");
    }
}

void cli_say_guest(const theater_runtime_line *line, bool json)
{
    char id[THEATER_ID_TEXT_SIZE];
    theater_id_format(line->actor, id);
    flockfile(stderr);
    if (json) {
        (void)fprintf(stderr,
                      "{\"id\":\"%s\",\"seq\":%" PRIu64 ",\"wall\":%" PRIu64 ",\"log\":", id,
                      line->seq, line->wall.ms);
        cli_escape_json_string(stderr, line->text.data, line->text.size);
        (void)fputs("}\n", stderr);
    } else {
        char text[GUEST_LINE_MAX];
        size_t size = line->text.size < sizeof(text) ? line->text.size : sizeof(text);
        size_t used = cli_escape(line->text.data, size, text, sizeof(text));
        bool is_cut = size < line->text.size || used + CLI_ESCAPE_MAX >= sizeof(text);
        (void)fprintf(stderr, "[%.8s] %s%s\n", id, text, is_cut ? " …" : "");
    }
    funlockfile(stderr);
}

int cli_exit_of(theater_status status)
{
    switch (status) {
    case THEATER_OK:
        return CLI_EXIT_OK;
    case THEATER_ERR_INVALID:
    case THEATER_ERR_UNSUPPORTED:
        return CLI_EXIT_USAGE;
    case THEATER_ERR_TRAP:
        return CLI_EXIT_ENDED;
    case THEATER_ERR_DIVERGED:
        return CLI_EXIT_DIVERGED;
    case THEATER_ERR_CANCELLED:
        return CLI_EXIT_INTERRUPTED;
    default:
        return CLI_EXIT_IO;
    }
}

void cli_head_format(const theater_head *head, char out_text[CLI_HEAD_TEXT_SIZE])
{
    char hash[THEATER_HASH_TEXT_SIZE];
    theater_hash_format(&head->hash, hash);
    (void)snprintf(out_text, CLI_HEAD_TEXT_SIZE, "%" PRIu64 ":%s", head->seq, hash);
}

void cli_time_format(theater_wall wall, char out_text[CLI_TIME_TEXT_SIZE])
{
    struct tm parts = {0};
    char date[CLI_TIME_TEXT_SIZE];
    time_t seconds = (time_t)(wall.ms / 1000);
    if (wall.ms == UINT64_MAX || gmtime_r(&seconds, &parts) == NULL ||
        strftime(date, sizeof(date) - 8, "%Y-%m-%dT%H:%M:%S", &parts) == 0) {
        (void)snprintf(out_text, CLI_TIME_TEXT_SIZE, "never");
        return;
    }
    (void)snprintf(out_text, CLI_TIME_TEXT_SIZE, "%.30s.%03uZ", date, (unsigned)(wall.ms % 1000));
}
