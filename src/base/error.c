/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statuses as text, and filling an error record.
 *
 * A message is formatted into a local array first and copied then, for two reasons: arguments may
 * point into the record that is being written (wrapping an error's own message), and what the
 * caller sees is written in one go. Two rules hold for every message, whatever went into it: no
 * control characters (a message is one line in a log, even if a component's name holds newlines or
 * escape sequences), and no half character at the end when it was cut.
 */
#include <base/error.h>

#include <base/assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NOMEM_TEXT "out of memory"

_Static_assert(sizeof NOMEM_TEXT <= THEATER_ERROR_MESSAGE_MAX, "the fixed text fits");

const char *theater_status_name(theater_status status)
{
    switch (status) {
#define THEATER_STATUS_NAME(name, number, words) \
    case THEATER_##name:                         \
        return "THEATER_" #name;
        THEATER_STATUS_MAP(THEATER_STATUS_NAME)
#undef THEATER_STATUS_NAME
    }
    return "THEATER_ERR_UNKNOWN";
}

const char *theater_status_text(theater_status status)
{
    switch (status) {
#define THEATER_STATUS_TEXT(name, number, words) \
    case THEATER_##name:                         \
        return words;
        THEATER_STATUS_MAP(THEATER_STATUS_TEXT)
#undef THEATER_STATUS_TEXT
    }
    return "unknown status";
}

/* How many bytes to keep of text that was cut at size, so that it ends with a whole character. */
static size_t whole_characters(const char *text, size_t size)
{
    size_t start = size;
    while (start > 0 && size - start < 4 && ((unsigned char)text[start - 1] & 0xC0u) == 0x80u) {
        start--;
    }
    if (start == 0) {
        return size;
    }
    unsigned char lead = (unsigned char)text[start - 1];
    size_t wanted = lead >= 0xF0u ? 4 : lead >= 0xE0u ? 3 : lead >= 0xC0u ? 2 : 1;
    return size - (start - 1) < wanted ? start - 1 : size;
}

static void clean(char message[THEATER_ERROR_MESSAGE_MAX], bool cut)
{
    size_t size = strlen(message);
    if (cut) {
        size = whole_characters(message, size);
        message[size] = '\0';
    }
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)message[i] < 0x20u || message[i] == 0x7F) {
            message[i] = '?';
        }
    }
}

static void set(theater_error *err, theater_status status, int os_errno,
                char message[THEATER_ERROR_MESSAGE_MAX], bool cut)
{
    clean(message, cut);
    err->status = status;
    err->os_errno = os_errno;
    memcpy(err->message, message, THEATER_ERROR_MESSAGE_MAX);
}

/* True if the text did not fit (or could not be formatted at all). */
static bool was_cut(int length, size_t room)
{
    return length < 0 || (size_t)length >= room;
}

theater_status theater__fail(theater_error *err, theater_status status, const char *format, ...)
{
    THEATER_ASSERT(status != THEATER_OK);
    THEATER_ASSERT(format != NULL);
    if (err == NULL) {
        return status;
    }
    char message[THEATER_ERROR_MESSAGE_MAX] = {0};
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    set(err, status, 0, message, was_cut(length, sizeof message));
    return status;
}

const char *theater__errno_text(int os_errno)
{
    const char *words =
        os_errno == THEATER__ENOTREG ? "it is not a regular file" : strerrordesc_np(os_errno);
    return words != NULL ? words : "unknown error";
}

theater_status theater__fail_errno(theater_error *err, theater_status status, int os_errno,
                                   const char *format, ...)
{
    THEATER_ASSERT(status != THEATER_OK);
    THEATER_ASSERT(format != NULL);
    if (err == NULL) {
        return status;
    }
    char message[THEATER_ERROR_MESSAGE_MAX] = {0};
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    bool cut = was_cut(length, sizeof message);
    if (!cut) {
        size_t used = (size_t)length;
        int added =
            snprintf(message + used, sizeof message - used, ": %s", theater__errno_text(os_errno));
        cut = was_cut(added, sizeof message - used);
    }
    set(err, status, os_errno != THEATER__ENOTREG ? os_errno : 0, message, cut);
    return status;
}

theater_status theater__fail_in(theater_error *err, const char *format, ...)
{
    THEATER_ASSERT(format != NULL);
    if (err == NULL) {
        return THEATER_ERR_INTERNAL;
    }
    THEATER_ASSERT(err->status != THEATER_OK);
    char message[THEATER_ERROR_MESSAGE_MAX] = {0};
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    bool cut = was_cut(length, sizeof message);
    if (!cut) {
        size_t used = (size_t)length;
        int added = snprintf(message + used, sizeof message - used, ": %s", err->message);
        cut = was_cut(added, sizeof message - used);
    }
    set(err, err->status, err->os_errno, message, cut);
    return err->status;
}

theater_status theater__fail_nomem(theater_error *err)
{
    if (err != NULL) {
        err->status = THEATER_ERR_NOMEM;
        err->os_errno = 0;
        memcpy(err->message, NOMEM_TEXT, sizeof NOMEM_TEXT);
    }
    return THEATER_ERR_NOMEM;
}
