/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text into json-c's tree, without the liberties that json-c takes.
 *
 * json-c in its strict mode builds a tree that is well-formed, but says something else than the
 * text where the text is unusual: integers beyond 64 bits become the nearest that fits, of two
 * members with one name the later wins, half a surrogate pair becomes U+FFFD; and it takes NaN,
 * Infinity,
 * -01, 1. and raw control characters. Someone's argument would silently be another one. So, after
 * json-c has accepted a text, a scan over its tokens refuses these. The scan can be simple, since
 * brackets and quotes are known to match by then; foreign bytes reach no assertion all the same.
 */
#include "json_text.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <base/value.h>
#include <stdbool.h>
#include <string.h>

/* json-c counts the level of a scalar, and one more than it uses. */
#define TOKENER_DEPTH ((int)THEATER__JSON_DEPTH_MAX + 2)

_Static_assert(THEATER__PAYLOAD_BYTES_MAX < INT32_MAX, "json-c takes the size as an int");

typedef struct scan_frame {
    json_object *keys; /* an object's member names so far; NULL for an array */
    bool key_next;
} scan_frame;

typedef struct scan {
    const char *text;
    size_t size;
    size_t at;
    scan_frame frames[THEATER__JSON_DEPTH_MAX + 1];
    size_t depth;
} scan;

void theater__json_put(json_object **json)
{
    json_object_put(*json);
}

static void free_tokener(json_tokener **tokener)
{
    if (*tokener != NULL) {
        json_tokener_free(*tokener);
    }
}

static theater_status refuse(const scan *state, const char *why, theater_error *err)
{
    return theater__fail(err, THEATER_ERR_INVALID, "JSON at byte %zu: %s", state->at, why);
}

static bool is_digit(const scan *state, size_t at)
{
    return at < state->size && state->text[at] >= '0' && state->text[at] <= '9';
}

static size_t skip_digits(const scan *state, size_t at)
{
    while (is_digit(state, at)) {
        at++;
    }
    return at;
}

/* Decimal digits that mean at most limit, written without a sign. */
static bool at_most(const char *digits, size_t size, const char *limit)
{
    size_t limit_size = strlen(limit);
    return size < limit_size || (size == limit_size && memcmp(digits, limit, size) <= 0);
}

/* number = [ "-" ] ( "0" / 1-9 *digit ) [ "." 1*digit ] [ e [ sign ] 1*digit ] */
static const char *scan_number(scan *state)
{
    bool negative = state->text[state->at] == '-';
    size_t first = state->at + (negative ? 1 : 0);
    size_t at = skip_digits(state, first);
    size_t digits = at - first;
    if (digits == 0 || (digits > 1 && state->text[first] == '0')) {
        return "this is no number in JSON";
    }
    bool whole = true;
    if (at < state->size && state->text[at] == '.') {
        whole = false;
        if (!is_digit(state, at + 1)) {
            return "a digit is missing after the point";
        }
        at = skip_digits(state, at + 1);
    }
    if (at < state->size && (state->text[at] == 'e' || state->text[at] == 'E')) {
        whole = false;
        at++;
        at += at < state->size && (state->text[at] == '+' || state->text[at] == '-') ? 1 : 0;
        at = skip_digits(state, at);
    }
    const char *limit = negative ? "9223372036854775808" : "18446744073709551615";
    if (whole && !at_most(state->text + first, digits, limit)) {
        return "a whole number of more than 64 bits";
    }
    state->at = at;
    return NULL;
}

/* Four hexadecimal digits; json-c has seen that they are. */
static unsigned hex4(const scan *state, size_t at)
{
    unsigned number = 0;
    for (size_t i = at; i < at + 4 && i < state->size; i++) {
        unsigned letter = (unsigned char)state->text[i];
        unsigned digit = letter <= '9' ? letter - '0' : (letter | 0x20u) - 'a' + 10;
        number = number << 4 | (digit & 15u);
    }
    return number;
}

/* One escape; *at goes behind it. */
static const char *scan_escape(const scan *state, size_t *at)
{
    bool unicode = *at + 1 < state->size && state->text[*at + 1] == 'u';
    if (!unicode) {
        *at += 2;
        return NULL;
    }
    unsigned unit = hex4(state, *at + 2);
    *at += 6;
    if (unit < 0xD800u || unit > 0xDFFFu) {
        return NULL;
    }
    bool paired = unit < 0xDC00u && *at + 1 < state->size && state->text[*at] == '\\' &&
                  state->text[*at + 1] == 'u';
    unsigned low = paired ? hex4(state, *at + 2) : 0;
    if (low < 0xDC00u || low > 0xDFFFu) {
        return "half a surrogate pair";
    }
    *at += 6;
    return NULL;
}

/* From quote to quote. */
static const char *scan_string(scan *state)
{
    size_t at = state->at + 1;
    while (at < state->size && state->text[at] != '"') {
        if ((unsigned char)state->text[at] < 0x20u) {
            return "a control character in a string; write it as \\u00XX";
        }
        if (state->text[at] != '\\') {
            at++;
            continue;
        }
        const char *why = scan_escape(state, &at);
        if (why != NULL) {
            return why;
        }
    }
    state->at = at + 1;
    return NULL;
}

/* Remembers the member name that stands from start to state->at, quotes included. */
static theater_status add_key(scan *state, size_t start, theater_error *err)
{
    scan_frame *top = &state->frames[state->depth - 1];
    THEATER_CLEANUP(free_tokener) json_tokener *tokener = json_tokener_new();
    if (tokener == NULL) {
        return theater__fail_nomem(err);
    }
    size_t size = state->at - start;
    THEATER_CLEANUP(theater__json_put)
    json_object *key = json_tokener_parse_ex(tokener, state->text + start, (int)size);
    if (key == NULL) {
        return theater__fail_nomem(err); /* the same text was read once already */
    }
    const char *name = json_object_get_string(key);
    if ((size_t)json_object_get_string_len(key) != strlen(name)) {
        state->at = start;
        return refuse(state, "a NUL character in a name", err);
    }
    if (json_object_object_get_ex(top->keys, name, NULL)) {
        return theater__fail(err, THEATER_ERR_INVALID, "JSON at byte %zu: '%s' is given twice",
                             start, name);
    }
    if (json_object_object_add(top->keys, name, NULL) != 0) {
        return theater__fail_nomem(err);
    }
    top->key_next = false;
    return THEATER_OK;
}

static theater_status push(scan *state, bool object, theater_error *err)
{
    if (state->depth > THEATER__JSON_DEPTH_MAX) {
        return refuse(state, "nested too deeply", err);
    }
    scan_frame *frame = &state->frames[state->depth];
    *frame = (scan_frame){.key_next = object};
    if (object) {
        frame->keys = json_object_new_object();
        if (frame->keys == NULL) {
            return theater__fail_nomem(err);
        }
    }
    state->depth++;
    return THEATER_OK;
}

static void pop(scan *state)
{
    if (state->depth > 0) {
        state->depth--;
        json_object_put(state->frames[state->depth].keys);
    }
}

static theater_status scan_token(scan *state, theater_error *err)
{
    char first = state->text[state->at];
    size_t start = state->at;
    scan_frame *top = state->depth > 0 ? &state->frames[state->depth - 1] : NULL;
    const char *why = NULL;
    switch (first) {
    case '"':
        why = scan_string(state);
        if (why == NULL && top != NULL && top->key_next) {
            return add_key(state, start, err);
        }
        break;
    case '{':
    case '[':
        state->at++;
        return push(state, first == '{', err);
    case '}':
    case ']':
        state->at++;
        pop(state);
        break;
    case ',':
        state->at++;
        if (top != NULL) {
            top->key_next = top->keys != NULL;
        }
        break;
    case 'N':
    case 'I':
        why = "JSON has no such number; write it as a string";
        break;
    default:
        if (first == '-' || (first >= '0' && first <= '9')) {
            why = scan_number(state);
        } else {
            state->at++; /* white space, a colon, letters of true, false, null */
        }
        break;
    }
    return why != NULL ? refuse(state, why, err) : THEATER_OK;
}

static theater_status scan_all(const char *json, size_t size, theater_error *err)
{
    scan state = {.text = json, .size = size};
    theater_status status = THEATER_OK;
    while (status == THEATER_OK && state.at < state.size) {
        status = scan_token(&state, err);
    }
    while (state.depth > 0) {
        pop(&state);
    }
    return status;
}

static theater_status check_bytes(const char *json, size_t size, theater_error *err)
{
    if (size > THEATER__PAYLOAD_BYTES_MAX) {
        return theater__fail(err, THEATER_ERR_LIMIT,
                             "JSON of %zu bytes is longer than payload_bytes_max (%zu)", size,
                             THEATER__PAYLOAD_BYTES_MAX);
    }
    if (!theater__utf8_valid((const uint8_t *)json, size)) {
        return theater__fail(err, THEATER_ERR_INVALID, "JSON has to be UTF-8");
    }
    if (size > 0 && memchr(json, '\0', size) != NULL) {
        return theater__fail(err, THEATER_ERR_INVALID, "JSON holds a NUL byte");
    }
    return THEATER_OK;
}

theater_status theater__json_parse(const char *json, size_t size, json_object **out_json,
                                   theater_error *err)
{
    THEATER_ASSERT(json != NULL || size == 0);
    THEATER_ASSERT(out_json != NULL);
    theater_status status = check_bytes(json, size, err);
    if (status != THEATER_OK) {
        return status;
    }
    THEATER_CLEANUP(free_tokener) json_tokener *tokener = json_tokener_new_ex(TOKENER_DEPTH);
    if (tokener == NULL) {
        return theater__fail_nomem(err);
    }
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    json_object *tree = json_tokener_parse_ex(tokener, size > 0 ? json : "", (int)size);
    enum json_tokener_error problem = json_tokener_get_error(tokener);
    if (problem == json_tokener_continue) {
        /* A number at the very end goes on until something else is seen: a NUL, to json-c. */
        tree = json_tokener_parse_ex(tokener, "", 1);
        problem = json_tokener_get_error(tokener);
    }
    if (problem == json_tokener_continue || problem == json_tokener_error_parse_eof) {
        return theater__fail(err, THEATER_ERR_INVALID, "JSON at byte %zu: it ends early", size);
    }
    if (problem == json_tokener_error_depth) {
        return theater__fail(err, THEATER_ERR_LIMIT,
                             "JSON is nested deeper than value_depth_max (%u)",
                             THEATER__VALUE_DEPTH_MAX);
    }
    if (problem != json_tokener_success) {
        return theater__fail(err, THEATER_ERR_INVALID, "JSON at byte %zu: %s",
                             json_tokener_get_parse_end(tokener), json_tokener_error_desc(problem));
    }
    status = scan_all(json, size, err);
    if (status != THEATER_OK) {
        json_object_put(tree);
        return status;
    }
    *out_json = tree;
    return THEATER_OK;
}
