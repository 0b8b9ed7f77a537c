/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See escape.h. A failure of a stream stays in it: whoever flushes it asks.
 */
#include "escape.h"

#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Bytes that the lead byte asks for; 0: it is none. */
static size_t wanted_size(unsigned char lead)
{
    if (lead < 0x80) {
        return 1;
    }
    if (lead < 0xc2 || lead > 0xf4) {
        return 0;
    }
    return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
}

size_t cli_character(const char *data, size_t size, uint32_t *out_code)
{
    const unsigned char *bytes = (const unsigned char *)data;
    size_t wanted = wanted_size(bytes[0]);
    if (wanted == 0 || size < wanted) {
        return 0;
    }
    uint32_t code = wanted == 1 ? bytes[0] : bytes[0] & (0x7fu >> wanted);
    for (size_t i = 1; i < wanted; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (bytes[i] & 0x3fu);
    }
    bool is_short = (wanted == 3 && code < 0x800) || (wanted == 4 && code < 0x10000);
    if (is_short || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) {
        return 0;
    }
    *out_code = code;
    return wanted;
}

bool cli_is_unsafe(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c || code == 0x200e ||
           code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

/* ---- for people ------------------------------------------------------------------------------ */

static int escape_one(uint32_t code, bool is_byte, char *out, size_t room)
{
    if (code == '\n' || code == '\t') {
        return snprintf(out, room, "\\%c", code == '\n' ? 'n' : 't');
    }
    bool is_short = is_byte || code < 0x80;
    return snprintf(out, room, is_short ? "\\x%02x" : "\\u%04x", (unsigned)code);
}

size_t cli_escape(const char *data, size_t size, char *out, size_t out_size)
{
    size_t used = 0;
    for (size_t at = 0; at < size && used + CLI_ESCAPE_MAX < out_size;) {
        uint32_t code = (unsigned char)data[at];
        size_t step = cli_character(data + at, size - at, &code);
        if (step == 0 || cli_is_unsafe(code)) {
            used += (size_t)escape_one(code, step == 0, out + used, out_size - used);
        } else {
            memcpy(out + used, data + at, step);
            used += step;
        }
        at += step > 0 ? step : 1;
    }
    out[used] = '\0';
    return used;
}

bool cli_escape_word(const char *text, char *out, size_t out_size)
{
    static const char tick[] = "'\\''"; /* out of the ticks, one by itself, in again */
    size_t used = 0;
    out[used++] = '\'';
    for (const char *at = text; *at != '\0'; at++) {
        size_t step = *at == '\'' ? sizeof(tick) - 1 : 1;
        if (used + step + 2 > out_size) {
            out[0] = '\0';
            return false;
        }
        memcpy(out + used, *at == '\'' ? tick : at, step);
        used += step;
    }
    out[used++] = '\'';
    out[used] = '\0';
    return true;
}

/* ---- as JSON --------------------------------------------------------------------------------- */

void cli_escape_json_string(FILE *stream, const char *data, size_t size)
{
    (void)fputc('"', stream);
    for (size_t at = 0; at < size;) {
        uint32_t code = 0;
        size_t step = cli_character(data + at, size - at, &code);
        if (step == 0) {
            (void)fputs(REPLACEMENT, stream);
        } else if (code == '"' || code == '\\') {
            (void)fprintf(stream, "\\%c", (int)code);
        } else if (code == '\n') {
            (void)fputs("\\n", stream);
        } else if (cli_is_unsafe(code)) {
            (void)fprintf(stream, "\\u%04x", (unsigned)code);
        } else {
            (void)!fwrite(data + at, 1, step, stream);
        }
        at += step > 0 ? step : 1;
    }
    (void)fputc('"', stream);
}

/* Between values and lines: JSON's own white space. */
static bool is_space(uint32_t code)
{
    return code == '\n' || code == '\t' || code == '\r';
}

/* Writes what is whole of it; returns the bytes that are left, the beginning of a character. */
static size_t put_whole(FILE *stream, const char *data, size_t size, bool is_last)
{
    size_t plain = 0;
    size_t at = 0;
    while (at < size) {
        uint32_t code = 0;
        size_t step = cli_character(data + at, size - at, &code);
        if (step > 0 && (!cli_is_unsafe(code) || is_space(code))) {
            at += step;
            continue;
        }
        (void)!fwrite(data + plain, 1, at - plain, stream);
        if (step == 0 && !is_last && size - at < wanted_size((unsigned char)data[at])) {
            return size - at;
        }
        if (step == 0) {
            (void)fputs(REPLACEMENT, stream);
        } else {
            (void)fprintf(stream, "\\u%04x", (unsigned)code);
        }
        at += step > 0 ? step : 1;
        plain = at;
    }
    (void)!fwrite(data + plain, 1, at - plain, stream);
    return 0;
}

void cli_json_put(cli_json_stream *json, const char *data, size_t size)
{
    /* Byte for byte until the character that was cut is over. */
    while (json->held_size > 0 && size > 0) {
        json->held[json->held_size++] = *data++;
        size--;
        size_t left = put_whole(json->stream, json->held, json->held_size, false);
        memmove(json->held, json->held + (json->held_size - left), left);
        json->held_size = left;
    }
    size_t left = put_whole(json->stream, data, size, false);
    if (left > 0) {
        memcpy(json->held, data + (size - left), left);
        json->held_size = left;
    }
}

void cli_json_end(cli_json_stream *json)
{
    (void)put_whole(json->stream, json->held, json->held_size, true);
    json->held_size = 0;
}
