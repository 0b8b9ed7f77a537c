/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy of a store is noticed: two of one store would run every effect twice. DIR/home holds the
 * number of its own inode. A copy of the file, made with whatever tool, is another file with
 * another inode, and the number in it does not fit. A directory that is renamed, or a mount that
 * moves, keeps its inodes. What is restored from a copy is one, and has to be adopted; that its
 * original is gone for good can only be known to people.
 *
 * An image of a whole disk is not noticed: it copies the inodes as well.
 */
#include "logstore.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOME_NAME "home"
#define HOME_NAME_NEW "home.new"
#define HOME_WORD "theater-home 1 "
#define HOME_SIZE_MAX (sizeof(HOME_WORD) + 24)

/* is_foreign: with a number that fits nothing. */
static int write_home(theater__io *io, const char *directory, bool is_foreign)
{
    THEATER_AUTOFREE char *path = theater__path_in(directory, HOME_NAME);
    THEATER_AUTOFREE char *path_new = theater__path_in(directory, HOME_NAME_NEW);
    if (path == NULL || path_new == NULL) {
        return -ENOMEM;
    }
    /* Not truncated but removed: the new file has to have an inode of its own. */
    (void)io->unlink(io, path_new);
    int fd = io->open(io, path_new, O_RDWR | O_CREAT, 0600);
    if (fd < 0) {
        return fd;
    }
    uint64_t inode = 0;
    char text[HOME_SIZE_MAX];
    int result = is_foreign ? 0 : io->inode(io, fd, &inode);
    if (result == 0) {
        int size = snprintf(text, sizeof(text), HOME_WORD "%llu\n", (unsigned long long)inode);
        THEATER_ASSERT(size > 0 && (size_t)size < sizeof(text));
        result = theater__io_write_all(io, fd, text, (size_t)size, 0);
    }
    if (result == 0) {
        result = io->fdatasync(io, fd);
    }
    (void)io->close(io, fd);
    if (result == 0) {
        result = io->rename(io, path_new, path);
    }
    if (result < 0) {
        (void)io->unlink(io, path_new);
        return result;
    }
    return io->fsync_directory(io, directory);
}

int theater__home_write(theater__io *io, const char *directory)
{
    return write_home(io, directory, false);
}

int theater__home_write_foreign(theater__io *io, const char *directory)
{
    return write_home(io, directory, true);
}

/* 1 if the store is at home, 0 if it is a copy, -ENOENT if it says nothing, else -errno. */
static int is_at_home(theater__io *io, const char *directory)
{
    THEATER_AUTOFREE char *path = theater__path_in(directory, HOME_NAME);
    if (path == NULL) {
        return -ENOMEM;
    }
    int fd = io->open(io, path, O_RDONLY, 0);
    if (fd < 0) {
        return fd;
    }
    char text[HOME_SIZE_MAX + 1] = {0};
    size_t got = 0;
    uint64_t inode = 0;
    int result = theater__io_read_all(io, fd, text, sizeof(text) - 1, 0, &got);
    if (result == 0) {
        result = io->inode(io, fd, &inode);
    }
    (void)io->close(io, fd);
    if (result < 0) {
        return result;
    }
    char expected[HOME_SIZE_MAX];
    (void)snprintf(expected, sizeof(expected), HOME_WORD "%llu\n", (unsigned long long)inode);
    return strcmp(text, expected) == 0;
}

theater_status theater__home_check(theater__logstore *log, bool adopt, theater_error *err)
{
    int result = is_at_home(log->io, log->directory);
    if (result == 1) {
        return THEATER_OK;
    }
    if (result == 0 && !adopt) {
        return theater__fail(err, THEATER_ERR_STORE,
                             "store '%.100s' is a copy; two would run every effect twice: if the "
                             "original will never run again, use --adopt",
                             log->directory);
    }
    if (result == 0 || result == -ENOENT) {
        result = theater__home_write(log->io, log->directory);
        if (result == -ENOSPC || result == -EDQUOT) {
            /* Noticed or not, a start on a full disk has to work; the next one writes it. */
            result = 0;
        }
    }
    if (result == -ENOMEM) {
        return theater__fail_nomem(err);
    }
    if (result < 0) {
        return theater__fail_errno(err, THEATER_ERR_IO, -result,
                                   "'%s/" HOME_NAME "' cannot be read or written", log->directory);
    }
    return THEATER_OK;
}
