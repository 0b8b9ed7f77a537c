/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing all of something. Inline, because the room and the compiling child, which is a program of
 * its own and links nothing of the room, both need it.
 */
#ifndef ENGINE_WRITE_H
#define ENGINE_WRITE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

static inline bool theater__write_all(int file, const void *data, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t count = write(file, (const char *)data + done, size - done);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return false;
        }
        done += (size_t)count;
    }
    return true;
}

#endif
