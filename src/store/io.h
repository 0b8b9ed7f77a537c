/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that the log asks of an operating system, as a table of functions. The real one is
 * theater__io_system(); tests put a simulated disk or a failing one in its place, and the log
 * cannot tell the difference.
 *
 * Every function returns 0 (or a count, or a descriptor) on success and a negative errno on
 * failure. pread and pwrite may do less than asked, as the system calls do; the `_all` helpers go
 * on from there. The store's threads and the owner's call at the same time, on different
 * descriptors or different ranges.
 */
#ifndef STORE_IO_H
#define STORE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct theater__io theater__io;
/* Called with each name of a directory, "." and ".." left out; non-zero stops and is returned. */
typedef int theater__io_name_fn(const char *name, void *userdata);

struct theater__io {
    /*
     * A regular file, else -THEATER__ENOTREG: links are not followed, and nothing is waited for. If
     * root makes it, it belongs to whom the directory belongs to that it lies in.
     */
    int (*open)(theater__io *io, const char *path, int flags, mode_t mode);
    int (*close)(theater__io *io, int fd);
    ssize_t (*pread)(theater__io *io, int fd, void *data, size_t size, uint64_t offset);
    /* The same without waiting for the disk: -EAGAIN if it would. */
    ssize_t (*pread_cached)(theater__io *io, int fd, void *data, size_t size, uint64_t offset);
    /* Reads of fd will jump about: what lies behind them is not to be read as well. Advice. */
    void (*will_jump)(theater__io *io, int fd);
    ssize_t (*pwrite)(theater__io *io, int fd, const void *data, size_t size, uint64_t offset);
    int (*fdatasync)(theater__io *io, int fd);
    int (*fsync_directory)(theater__io *io, const char *path);
    int (*ftruncate)(theater__io *io, int fd, uint64_t size);
    /* Makes the file at least so long, with space on the disk for all of it. */
    int (*allocate)(theater__io *io, int fd, uint64_t size);
    int (*size)(theater__io *io, int fd, uint64_t *out_size);
    /* Bytes that could still be written below path. */
    int (*space)(theater__io *io, const char *path, uint64_t *out_bytes);
    /* A number that a copy of the file does not have. */
    int (*inode)(theater__io *io, int fd, uint64_t *out_inode);
    int (*rename)(theater__io *io, const char *from, const char *to);
    int (*unlink)(theater__io *io, const char *path);
    int (*mkdir)(theater__io *io, const char *path, mode_t mode);
    /* The same for a directory inside of a store's, which belongs to whom that one belongs to. */
    int (*mkdir_inside)(theater__io *io, const char *path, mode_t mode);
    int (*rmdir)(theater__io *io, const char *path);
    /*
     * 0 if path is a directory itself; -ENOENT, or -ENOTDIR for anything else, a link to one too.
     */
    int (*is_directory)(theater__io *io, const char *path);
    int (*list)(theater__io *io, const char *path, theater__io_name_fn *visit, void *userdata);
    /* An exclusive lock for as long as fd is open; -EWOULDBLOCK if another holds it. */
    int (*lock)(theater__io *io, int fd);
};

/* The operating system's. Has no state; lives as long as the process. */
theater__io *theater__io_system(void);

/* Writes all of it, in as many calls as it takes. */
int theater__io_write_all(theater__io *io, int fd, const void *data, size_t size, uint64_t offset);
/* Reads up to size bytes; out_got is less only at the end of the file. */
int theater__io_read_all(theater__io *io, int fd, void *data, size_t size, uint64_t offset,
                         size_t *out_got);
/* The same without waiting for the disk; -EAGAIN if there is anything that it would wait for. */
int theater__io_read_cached(theater__io *io, int fd, void *data, size_t size, uint64_t offset,
                            size_t *out_got);

#endif
