/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text of others on its way to a terminal. An actor, a file name or a result must not be able to
 * move the cursor, to fake a line or to turn one around. Unsafe are C0, DEL, C1, the marks that
 * steer the direction of text, the line and paragraph separators, U+FEFF, and bytes that are no
 * UTF-8.
 *
 *     for people    \n, \t, \x1b, \u202e; bytes that are none: \xff
 *     as JSON       \u001b, \u202e inside of strings; bytes that are none become U+FFFD
 *
 * The library writes JSON with C0 escaped and everything else as it is, since some of it is hashed;
 * what the command prints goes through here. It stays the same JSON: all of these characters can
 * stand inside of strings alone.
 */
#ifndef CLI_ESCAPE_H
#define CLI_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The longest escape: six bytes, and the NUL that snprintf writes. */
#define CLI_ESCAPE_MAX 7

/*
 * The character at the start: its bytes, 0 if there is none (overlong forms, surrogates and what
 * lies beyond U+10FFFF are none). size is at least 1.
 */
size_t cli_character(const char *data, size_t size, uint32_t *out_code);
/* A terminal would act on it. */
bool cli_is_unsafe(uint32_t code);

/* For people. Returns what was written, whole characters, as far as there is room; with a NUL. */
size_t cli_escape(const char *data, size_t size, char *out, size_t out_size);

/*
 * One word of a shell's, in ticks, which holds text as it is. Returns false if there is no room;
 * out is an empty text then.
 */
bool cli_escape_word(const char *text, char *out, size_t out_size);

/* A JSON string with its quotes. */
void cli_escape_json_string(FILE *stream, const char *data, size_t size);

/* JSON that comes in pieces, cut anywhere. */
typedef struct cli_json_stream {
    FILE *stream;
    char held[4]; /* a character whose end is still to come */
    size_t held_size;
} cli_json_stream;

void cli_json_put(cli_json_stream *json, const char *data, size_t size);
/* After the last piece. */
void cli_json_end(cli_json_stream *json);

#endif
