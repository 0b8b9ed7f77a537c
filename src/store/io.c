/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operating system behind the log's I/O table. One system call a function and no policy: what a
 * failure means is decided by the callers. Files are made and opened with more, since anyone may
 * have been there, and since what root makes is the owner's. Only interruption by a signal is
 * answered here, by calling again: nothing was done yet then, and no dirty page has been given up.
 */
#include "io.h"

#include <base/assert.h>
#include <base/error.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

/* Read with one call: a kernel that is not preempted copies all of it before anybody else runs. */
#define PIECE_BYTES ((size_t)256 << 10)

/* What was there and is gone when it is opened is made again; nobody does that for long. */
#define CREATE_TRIES_MAX 8u

static int open_again(const char *path, int flags, mode_t mode)
{
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

/* ---- whose it is ----------------------------------------------------------------------------- */

/*
 * A store belongs to whom its directory belongs to, who has to be able to open what root makes in
 * it. Given away is only what was made just now: a file that is there already may be anybody's. So
 * the directory is held meanwhile, and not looked up by its name again.
 */
static int open_parent(const char *path, const char **out_name)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (size >= sizeof(directory)) {
        return -ENAMETOOLONG;
    }
    memcpy(directory, path, size);
    directory[size] = '\0';
    *out_name = slash == NULL ? path : slash + 1;
    return open_again(size > 0 ? directory : ".", O_PATH | O_DIRECTORY, 0);
}

/* Where nothing can be given away, on some file systems, it stays root's. */
static void give_to_owner(int fd, int parent)
{
    struct stat above;
    struct stat status;
    if (fstat(parent, &above) == 0 && fstat(fd, &status) == 0 &&
        (above.st_uid != status.st_uid || above.st_gid != status.st_gid) &&
        fchown(fd, above.st_uid, above.st_gid) < 0) {
        return;
    }
}

static int open_at(int parent, const char *name, int flags, mode_t mode)
{
    int fd;
    do {
        fd = openat(parent, name, flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

/* As open_again() with O_CREAT. */
static int open_as_root(const char *path, int flags, mode_t mode)
{
    const char *name = NULL;
    int parent = open_parent(path, &name);
    if (parent < 0) {
        return parent;
    }
    int fd = -ENOENT;
    for (unsigned i = 0; fd == -ENOENT && i < CREATE_TRIES_MAX; i++) {
        fd = open_at(parent, name, flags | O_EXCL, mode);
        if (fd >= 0) {
            give_to_owner(fd, parent);
        } else if (fd == -EEXIST && (flags & O_EXCL) == 0) {
            fd = open_at(parent, name, flags & ~O_CREAT, 0); /* and if it was just removed, again */
        }
    }
    (void)close(parent);
    return fd;
}

/* Another directory in its place would hold something, or nothing that matters. */
static bool is_empty(DIR *directory)
{
    bool found = false;
    const struct dirent *entry = NULL;
    do {
        /* The stream is this call's own: no other thread can be reading from it. */
        entry = readdir(directory); /* NOLINT(concurrency-mt-unsafe) */
        found =
            entry != NULL && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    } while (entry != NULL && !found);
    return !found;
}

static int mkdir_as_root(const char *path, mode_t mode)
{
    const char *name = NULL;
    int parent = open_parent(path, &name);
    if (parent < 0) {
        return parent;
    }
    int result = mkdirat(parent, name, mode) < 0 ? -errno : 0;
    int fd = result < 0 ? result : open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (directory != NULL) {
        if (is_empty(directory)) {
            give_to_owner(fd, parent);
        }
        (void)closedir(directory);
    } else if (fd >= 0) {
        (void)close(fd);
    }
    (void)close(parent);
    return result;
}

/* ---- the table ------------------------------------------------------------------------------- */

/*
 * Whoever can write to a store's directory may have put anything there: a FIFO would hold us until
 * somebody comes to its other end, a link would lead what we write elsewhere. The directory itself
 * may be a link: that is the user's.
 */
static int system_open(theater__io *io, const char *path, int flags, mode_t mode)
{
    (void)io;
    struct stat status;
    flags |= O_NOFOLLOW | O_NONBLOCK;
    int fd = (flags & O_CREAT) != 0 && geteuid() == 0 ? open_as_root(path, flags, mode)
                                                      : open_again(path, flags, mode);
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

/* By the kernel, the file system, or a filter of system calls. */
static bool is_refused(int os_errno)
{
    return os_errno == EOPNOTSUPP || os_errno == ENOSYS || os_errno == EINVAL || os_errno == EPERM;
}

/*
 * A file system that cannot tell is asked in the way that waits. So is the end of a file: Linux 5.9
 * and 5.10 give 0 for what is not there yet as well.
 */
static ssize_t system_pread_cached(theater__io *io, int fd, void *data, size_t size,
                                   uint64_t offset)
{
    struct iovec into = {.iov_base = data, .iov_len = size};
    ssize_t got = preadv2(fd, &into, 1, (off_t)offset, RWF_NOWAIT);
    if (got == 0 || (got < 0 && (is_refused(errno)))) {
        return system_pread(io, fd, data, size, offset);
    }
    return got < 0 ? -errno : got;
}

static void system_will_jump(theater__io *io, int fd)
{
    (void)io;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
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

static int system_mkdir_inside(theater__io *io, const char *path, mode_t mode)
{
    return geteuid() == 0 ? mkdir_as_root(path, mode) : system_mkdir(io, path, mode);
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
        .pread_cached = system_pread_cached,
        .will_jump = system_will_jump,
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
        .mkdir_inside = system_mkdir_inside,
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

typedef ssize_t pread_fn(theater__io *io, int fd, void *data, size_t size, uint64_t offset);

static int read_pieces(pread_fn *read_piece, theater__io *io, int fd, void *data, size_t size,
                       uint64_t offset, size_t *out_got)
{
    THEATER_ASSERT(fd >= 0);
    THEATER_ASSERT(data != NULL || size == 0);
    uint8_t *bytes = data;
    size_t got_all = 0;
    while (got_all < size) {
        size_t piece = size - got_all < PIECE_BYTES ? size - got_all : PIECE_BYTES;
        ssize_t got = read_piece(io, fd, bytes + got_all, piece, offset + got_all);
        if (got == -EINTR) {
            continue;
        }
        if (got < 0) {
            return (int)got;
        }
        if (got == 0) {
            break;
        }
        THEATER_ASSERT((size_t)got <= piece);
        got_all += (size_t)got;
    }
    *out_got = got_all;
    return 0;
}

int theater__io_read_all(theater__io *io, int fd, void *data, size_t size, uint64_t offset,
                         size_t *out_got)
{
    return read_pieces(io->pread, io, fd, data, size, offset, out_got);
}

int theater__io_read_cached(theater__io *io, int fd, void *data, size_t size, uint64_t offset,
                            size_t *out_got)
{
    return read_pieces(io->pread_cached, io, fd, data, size, offset, out_got);
}
