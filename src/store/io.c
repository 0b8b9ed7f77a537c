/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operating system behind the log's I/O table. One system call a function and no policy: what a
 * failure means is decided by the callers. Only interruption by a signal is answered here, by
 * calling again: nothing was done yet then, and no dirty page has been given up.
 */
#include "io.h"

#include <base/assert.h>
#include <base/error.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int open_again(const char *path, int flags, mode_t mode)
{
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

/*
 * Whoever can write to a store's directory may have put anything there: a FIFO would hold us until
 * somebody comes to its other end, a link would lead what we write elsewhere. The directory itself
 * may be a link: that is the user's.
 */
static int system_open(theater__io *io, const char *path, int flags, mode_t mode)
{
    (void)io;
    struct stat status;
    int fd = open_again(path, flags | O_NOFOLLOW | O_NONBLOCK, mode);
    if (fd == -ELOOP || fd == -ENXIO || fd == -EISDIR) { /* a link, a FIFO or socket, a directory */
        return -THEATER__ENOTREG;
    }
    if (fd < 0) {
        return fd;
    }
    int result = fstat(fd, &status) < 0 ? -errno : 0;
    if (result == 0 && !S_ISREG(status.st_mode)) {
        result = -THEATER__ENOTREG;
    }
    if (result < 0) {
        (void)close(fd);
        return result;
    }
    return fd;
}

static int system_close(theater__io *io, int fd)
{
    (void)io;
    return close(fd) < 0 ? -errno : 0;
}

static ssize_t system_pread(theater__io *io, int fd, void *data, size_t size, uint64_t offset)
{
    (void)io;
    ssize_t got = pread(fd, data, size, (off_t)offset);
    return got < 0 ? -errno : got;
}

static ssize_t system_pwrite(theater__io *io, int fd, const void *data, size_t size,
                             uint64_t offset)
{
    (void)io;
    ssize_t put = pwrite(fd, data, size, (off_t)offset);
    return put < 0 ? -errno : put;
}

static int system_fdatasync(theater__io *io, int fd)
{
    (void)io;
    int result;
    do {
        result = fdatasync(fd);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

static int system_fsync_directory(theater__io *io, const char *path)
{
    (void)io;
    int fd = open_again(path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        return fd;
    }
    int result;
    do {
        result = fsync(fd);
    } while (result < 0 && errno == EINTR);
    result = result < 0 ? -errno : 0;
    (void)close(fd);
    return result;
}

static int system_ftruncate(theater__io *io, int fd, uint64_t size)
{
    (void)io;
    int result;
    do {
        result = ftruncate(fd, (off_t)size);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

static int system_allocate(theater__io *io, int fd, uint64_t size)
{
    (void)io;
    int result;
    do {
        result = posix_fallocate(fd, 0, (off_t)size);
    } while (result == EINTR);
    return -result;
}

static int system_space(theater__io *io, const char *path, uint64_t *out_bytes)
{
    (void)io;
    struct statvfs status;
    if (statvfs(path, &status) < 0) {
        return -errno;
    }
    *out_bytes = (uint64_t)status.f_bavail * status.f_frsize;
    return 0;
}

static int system_inode(theater__io *io, int fd, uint64_t *out_inode)
{
    (void)io;
    struct stat status;
    if (fstat(fd, &status) < 0) {
        return -errno;
    }
    *out_inode = (uint64_t)status.st_ino;
    return 0;
}

static int system_size(theater__io *io, int fd, uint64_t *out_size)
{
    (void)io;
    struct stat status;
    if (fstat(fd, &status) < 0) {
        return -errno;
    }
    *out_size = (uint64_t)status.st_size;
    return 0;
}

static int system_rename(theater__io *io, const char *from, const char *to)
{
    (void)io;
    return rename(from, to) < 0 ? -errno : 0;
}

static int system_unlink(theater__io *io, const char *path)
{
    (void)io;
    return unlink(path) < 0 ? -errno : 0;
}

static int system_mkdir(theater__io *io, const char *path, mode_t mode)
{
    (void)io;
    return mkdir(path, mode) < 0 ? -errno : 0;
}

static int system_rmdir(theater__io *io, const char *path)
{
    (void)io;
    return rmdir(path) < 0 ? -errno : 0;
}

static int system_is_directory(theater__io *io, const char *path)
{
    (void)io;
    struct stat status;
    if (lstat(path, &status) < 0) {
        return -errno;
    }
    return S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
}

static int system_list(theater__io *io, const char *path, theater__io_name_fn *visit,
                       void *userdata)
{
    (void)io;
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return -errno;
    }
    int result = 0;
    while (result == 0) {
        errno = 0;
        /* The stream is this call's own: no other thread can be reading from it. */
        const struct dirent *entry = readdir(directory); /* NOLINT(concurrency-mt-unsafe) */
        if (entry == NULL) {
            result = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            result = visit(entry->d_name, userdata);
        }
    }
    (void)closedir(directory);
    return result;
}

static int system_lock(theater__io *io, int fd)
{
    (void)io;
    int result;
    do {
        result = flock(fd, LOCK_EX | LOCK_NB);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

theater__io *theater__io_system(void)
{
    /* Not const only because every function of the table takes the table; nothing writes to it. */
    static theater__io system_io = {
        .open = system_open,
        .close = system_close,
        .pread = system_pread,
        .pwrite = system_pwrite,
        .fdatasync = system_fdatasync,
        .fsync_directory = system_fsync_directory,
        .ftruncate = system_ftruncate,
        .allocate = system_allocate,
        .size = system_size,
        .space = system_space,
        .inode = system_inode,
        .rename = system_rename,
        .unlink = system_unlink,
        .mkdir = system_mkdir,
        .rmdir = system_rmdir,
        .is_directory = system_is_directory,
        .list = system_list,
        .lock = system_lock,
    };
    return &system_io;
}

int theater__io_write_all(theater__io *io, int fd, const void *data, size_t size, uint64_t offset)
{
    THEATER_ASSERT(fd >= 0);
    THEATER_ASSERT(data != NULL || size == 0);
    const uint8_t *bytes = data;
    while (size > 0) {
        ssize_t put = io->pwrite(io, fd, bytes, size, offset);
        if (put == -EINTR) {
            continue;
        }
        if (put < 0) {
            return (int)put;
        }
        if (put == 0) {
            /* A file that takes nothing and gives no reason would otherwise hold us for ever. */
            return -EIO;
        }
        THEATER_ASSERT((size_t)put <= size);
        bytes += put;
        size -= (size_t)put;
        offset += (uint64_t)put;
    }
    return 0;
}

int theater__io_read_all(theater__io *io, int fd, void *data, size_t size, uint64_t offset,
                         size_t *out_got)
{
    THEATER_ASSERT(fd >= 0);
    THEATER_ASSERT(data != NULL || size == 0);
    uint8_t *bytes = data;
    size_t got_all = 0;
    while (got_all < size) {
        ssize_t got = io->pread(io, fd, bytes + got_all, size - got_all, offset + got_all);
        if (got == -EINTR) {
            continue;
        }
        if (got < 0) {
            return (int)got;
        }
        if (got == 0) {
            break;
        }
        THEATER_ASSERT((size_t)got <= size - got_all);
        got_all += (size_t)got;
    }
    *out_got = got_all;
    return 0;
}
