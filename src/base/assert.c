/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens when one of our own assertions does not hold: one line to stderr, then abort.
 *
 * The line goes out by write(2) from a buffer on the stack. The heap may be what is broken, the
 * stream's lock may be held by the thread that failed, and the caller may be a signal handler.
 */
#include <base/assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 512u

static size_t put_text(char line[LINE_MAX_BYTES], size_t size, const char *text)
{
    size_t left = LINE_MAX_BYTES - size;
    size_t wanted = strlen(text);
    size_t taken = wanted < left ? wanted : left;
    memcpy(line + size, text, taken);
    return size + taken;
}

static size_t put_number(char line[LINE_MAX_BYTES], size_t size, int number)
{
    char digits[12];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    unsigned rest = number > 0 ? (unsigned)number : 0;
    do {
        at--;
        digits[at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    return put_text(line, size, digits + at);
}

void theater__assert_failed(const char *file, int line_number, const char *function,
                            const char *text)
{
    char line[LINE_MAX_BYTES];
    size_t size = put_text(line, 0, file);
    size = put_text(line, size, ":");
    size = put_number(line, size, line_number);
    size = put_text(line, size, ": ");
    size = put_text(line, size, function);
    size = put_text(line, size, ": assertion '");
    size = put_text(line, size, text);
    size = put_text(line, size, "' failed\n");
    if (line[size - 1] != '\n') {
        line[size - 1] = '\n'; /* cut: still one whole line */
    }
    ssize_t written = write(STDERR_FILENO, line, size);
    (void)written; /* nobody is left to tell */
    abort();
}
