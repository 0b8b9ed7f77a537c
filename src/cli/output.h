/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stdout is data, stderr is people. Everything that the command writes goes through here:
 *
 *     stdout   text and JSON, buffered by stdio; cli_out_flush() says whether it arrived
 *     stderr   lines "theater: …", and the lines of guests with control characters escaped
 *
 * A reader that went away (EPIPE) ends the command with status 4 and without a word; any other
 * failure of stdout (a full disk) with status 4 and one line.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <theater.h>

/* Exit statuses: theater(1). */
enum {
    CLI_EXIT_OK = 0,
    CLI_EXIT_GUEST = 1,    /* the guest returned an error */
    CLI_EXIT_USAGE = 2,    /* wrong usage: options, arguments, a component that cannot be run */
    CLI_EXIT_ENDED = 3,    /* the guest trapped or was ended */
    CLI_EXIT_IO = 4,       /* store, input or output; cannot be replayed here */
    CLI_EXIT_DIVERGED = 5, /* verification failed, or re-execution differs */
    CLI_EXIT_INTERRUPTED = 130
};

/* Longest line of our own on stderr, the library's messages included. */
#define CLI_MESSAGE_MAX 1024
/* "SEQ:HASH" and its NUL: 20 digits, a colon, a hash. */
#define CLI_HEAD_TEXT_SIZE (21 + THEATER_HASH_TEXT_SIZE)
/* "2026-01-01T00:00:00.000Z" and its NUL, with room for years that nobody will see. */
#define CLI_TIME_TEXT_SIZE 40

/* ---- stdout ---------------------------------------------------------------------------------- */

/* Returns the characters written, 0 on failure (which cli_out_flush() reports). */
int cli_out(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_out_bytes(const void *data, size_t size);
/* A JSON string with its quotes. Bytes that are no UTF-8 become U+FFFD. */
void cli_out_json_text(const char *data, size_t size);
/* Text of others for people, with what a terminal would act on escaped. */
void cli_out_text(const char *data, size_t size);
/* A value as JSON, by its type. False: it cannot be written; a line was said. */
bool cli_out_value(const theater_value *value);
/* JSON of others, with what a terminal would act on escaped. */
void cli_out_json(const char *data, size_t size);
/* A chain; JSON lines as cli_out_json() has them, the other formats as the library writes them. */
theater_status cli_out_chain(const theater_chain *chain, theater_chain_format format,
                             theater_error *err);
/* CLI_EXIT_OK, or CLI_EXIT_IO when something did not arrive. Says it once. */
int cli_out_flush(void);

/*
 * With --json a program learns of failures on stdout, too, as one object each:
 *
 *     {"error":{"status":"THEATER_ERR_STORE","code":-12,"message":"…"}}
 *
 * Those of the library when they are said; at the end what was said last, if the command failed and
 * stdout got nothing.
 */
void cli_out_set_json(bool is_json);
void cli_out_end(int exit_status);
/* The "error" member alone, without braces around it. */
void cli_out_error(theater_status status, const char *message);

/* ---- stderr ---------------------------------------------------------------------------------- */

/*
 * "theater: …" with control characters escaped. What is said last is what a failure's JSON says, if
 * nothing better is known; cli_note() is for what is no failure.
 */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "interrupted; to go on: theater resume …", which can be pasted. store, id: may be NULL. */
void cli_say_how_to_go_on(const char *store, const char *id);
/* Says an error of the library; returns the exit status that belongs to it. */
int cli_say_error(const theater_error *error);
/* A line of a guest: `[3f2a77c1] text`, or as one JSON object. */
void cli_say_guest(const theater_runtime_line *line, bool json);

/* ---- words ----------------------------------------------------------------------------------- */

int cli_exit_of(theater_status status);
void cli_head_format(const theater_head *head, char out_text[CLI_HEAD_TEXT_SIZE]);
/* UTC, with milliseconds. */
void cli_time_format(theater_wall wall, char out_text[CLI_TIME_TEXT_SIZE]);

#endif
