/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that the command writes. Text of others (guests, file names, the library's messages
 * that quote them) is escaped on its way to a terminal: an actor must not be able to move the
 * cursor or to fake a line. A line goes to stderr with one call, so that lines of several processes
 * do not mix.
 */
#include "output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Longest line of a guest that is shown whole; the chain has all of it. */
#define GUEST_LINE_MAX 8192
/* Longest escape: "\u{10ffff}" is never written, "\xff" and "\u00ff" are. */
#define ESCAPE_MAX 8

int cli_out(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int written = vprintf(format, arguments);
    va_end(arguments);
    return written > 0 ? written : 0;
}

void cli_out_bytes(const void *data, size_t size)
{
    /* A failure stays in the stream until cli_out_flush(). */
    (void)!fwrite(data, 1, size, stdout);
}

/*
 * Bytes of the UTF-8 character at the start, 0 if there is none: overlong forms, surrogates and
 * what lies beyond U+10FFFF are none.
 */
static size_t character_size(const char *data, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)data;
    if (bytes[0] < 0x80) {
        return 1;
    }
    size_t wanted = bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;
    if (bytes[0] < 0xc2 || bytes[0] > 0xf4 || size < wanted) {
        return 0;
    }
    for (size_t i = 1; i < wanted; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool is_bad = (bytes[0] == 0xe0 && bytes[1] < 0xa0) || (bytes[0] == 0xed && bytes[1] > 0x9f) ||
                  (bytes[0] == 0xf0 && bytes[1] < 0x90) || (bytes[0] == 0xf4 && bytes[1] > 0x8f);
    return is_bad ? 0 : wanted;
}

static void write_json_text(FILE *stream, const char *data, size_t size)
{
    (void)fputc('"', stream);
    for (size_t at = 0; at < size;) {
        size_t step = character_size(data + at, size - at);
        unsigned char byte = (unsigned char)data[at];
        if (step == 0) {
            (void)fputs("\xef\xbf\xbd", stream);
            step = 1;
        } else if (byte == '"' || byte == '\\') {
            (void)fprintf(stream, "\\%c", byte);
        } else if (byte == '\n') {
            (void)fputs("\\n", stream);
        } else if (byte < 0x20 || byte == 0x7f) {
            (void)fprintf(stream, "\\u%04x", byte);
        } else {
            (void)!fwrite(data + at, 1, step, stream);
        }
        at += step;
    }
    (void)fputc('"', stream);
}

void cli_out_json_text(const char *data, size_t size)
{
    write_json_text(stdout, data, size);
}

int cli_out_write(const void *data, size_t size, void *userdata)
{
    (void)userdata;
    cli_out_bytes(data, size);
    return ferror(stdout);
}

bool cli_out_value(const theater_value *value)
{
    theater_error error = THEATER_ERROR_INIT;
    if (theater_value_write_json(value, cli_out_write, NULL, &error) == THEATER_OK) {
        return true;
    }
    if (ferror(stdout) == 0) {
        cli_say("%s", error.message);
    }
    return false;
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

/*
 * Copies text with everything escaped that a terminal would act on: C0, DEL, C1 (as U+0080..9F),
 * the marks that reorder a line, and bytes that are no UTF-8. Returns what was written; whole
 * characters.
 */
static size_t escape(const char *data, size_t size, char *out, size_t out_size)
{
    size_t used = 0;
    for (size_t at = 0; at < size && used + ESCAPE_MAX < out_size;) {
        const unsigned char *bytes = (const unsigned char *)data + at;
        size_t step = character_size(data + at, size - at);
        bool is_c1 = step == 2 && bytes[0] == 0xc2 && bytes[1] < 0xa0;
        bool is_bidi = step == 3 && bytes[0] == 0xe2 &&
                       ((bytes[1] == 0x80 && bytes[2] >= 0xa8 && bytes[2] <= 0xae) ||
                        (bytes[1] == 0x81 && bytes[2] >= 0xa6 && bytes[2] <= 0xa9));
        if (step == 1 && bytes[0] == '\n') {
            used += (size_t)snprintf(out + used, out_size - used, "\\n");
        } else if (step == 1 && bytes[0] == '\t') {
            used += (size_t)snprintf(out + used, out_size - used, "\\t");
        } else if (step == 0 || bytes[0] < 0x20 || bytes[0] == 0x7f) {
            used += (size_t)snprintf(out + used, out_size - used, "\\x%02x", bytes[0]);
            step = 1;
        } else if (is_c1) {
            used += (size_t)snprintf(out + used, out_size - used, "\\u%04x", bytes[1]);
        } else if (is_bidi) {
            unsigned code = 0x2000u | (unsigned)(bytes[1] & 0x3f) << 6 | (bytes[2] & 0x3fu);
            used += (size_t)snprintf(out + used, out_size - used, "\\u%04x", code);
        } else {
            memcpy(out + used, bytes, step);
            used += step;
        }
        at += step;
    }
    out[used] = '\0';
    return used;
}

void cli_out_text(const char *data, size_t size)
{
    char piece[CLI_MESSAGE_MAX];
    while (size > 0) {
        size_t step = size < sizeof(piece) / ESCAPE_MAX ? size : sizeof(piece) / ESCAPE_MAX - 1;
        while (step < size && step > 1 && ((unsigned char)data[step] & 0xc0) == 0x80) {
            step--; /* whole characters */
        }
        cli_out_bytes(piece, escape(data, step, piece, sizeof(piece)));
        data += step;
        size -= step;
    }
}

void cli_say(const char *format, ...)
{
    char message[CLI_MESSAGE_MAX];
    char line[2 * CLI_MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    (void)escape(message, strlen(message), line, sizeof(line));
    (void)fprintf(stderr, "theater: %s\n", line);
}

int cli_say_error(const theater_error *error)
{
    cli_say("%s", error->message[0] != '\0' ? error->message : theater_status_text(error->status));
    return error->status != THEATER_OK ? cli_exit_of(error->status) : CLI_EXIT_IO;
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
        write_json_text(stderr, line->text.data, line->text.size);
        (void)fputs("}\n", stderr);
    } else {
        char text[GUEST_LINE_MAX];
        size_t size = line->text.size < sizeof(text) ? line->text.size : sizeof(text);
        size_t used = escape(line->text.data, size, text, sizeof(text));
        bool is_cut = size < line->text.size || used + ESCAPE_MAX >= sizeof(text);
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
