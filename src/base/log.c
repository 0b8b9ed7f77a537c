/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line to the embedder. Formatted on the stack, so that "out of memory" can be said too; cut at
 * LINE_BYTES_MAX; control characters become '?', so that nothing a guest chose can forge a line.
 */
#include <base/log.h>

#include <base/assert.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#define LINE_BYTES_MAX 1024u /* an error message of 256 with its context, four times */

void theater__log_write(const theater__log *log, theater_log_level level, const char *format, ...)
{
    THEATER_ASSERT(format != NULL);
    THEATER_ASSERT(level >= THEATER_LOG_ERROR && level <= THEATER_LOG_DEBUG);
    if (log == NULL || log->write == NULL || level > log->level_max) {
        return;
    }
    char line[LINE_BYTES_MAX] = {0};
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length < 0) {
        return;
    }
    for (char *at = line; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20u || *at == 0x7F) {
            *at = '?';
        }
    }
    log->write(level, line, log->userdata);
}
