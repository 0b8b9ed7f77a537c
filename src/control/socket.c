/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket's name. An address of AF_UNIX holds 107 bytes of a path, and paths are longer: a long
 * one is named through a descriptor of its directory, /proc/self/fd/N/control.sock, which touches
 * nobody's working directory.
 *
 * A new socket is bound beside the name and renamed to it, so that a client meets the old one or
 * the new one and never a half-made one. It is born with mode 0600: Linux gives a bound name the
 * mode of the socket's own inode, which fchmod() sets beforehand, whatever the umask is.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <base/assert.h>
#include <base/error.h>

/* Connections that the kernel keeps for us while we do not look. */
#define BACKLOG 16
#define NEW_SUFFIX ".new"

/* A directory and a name in it. */
typedef struct place {
    int directory_fd;
    char name[SOCKET_NAME_MAX];
} place;

static theater_status place_open(const char *path, place *out_place, theater_error *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    size_t directory_size = slash != NULL ? (size_t)(slash - path) : 0;
    char directory[PATH_MAX];
    if (name[0] == '\0' || strlen(name) + sizeof(NEW_SUFFIX) > SOCKET_NAME_MAX ||
        directory_size + 2 > sizeof(directory)) {
        return theater__fail(err, THEATER_ERR_INVALID, "'%s' is no path for a control socket",
                             path);
    }
    const char *parent = slash == NULL ? "." : "/";
    (void)snprintf(directory, sizeof(directory), "%.*s",
                   directory_size > 0 ? (int)directory_size : 1,
                   directory_size > 0 ? path : parent);
    out_place->directory_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (out_place->directory_fd < 0) {
        theater_status status = errno == ENOENT ? THEATER_ERR_NOTFOUND : THEATER_ERR_IO;
        return theater__fail_errno(err, status, errno, "the directory '%s' cannot be opened",
                                   directory);
    }
    (void)snprintf(out_place->name, sizeof(out_place->name), "%s", name);
    return THEATER_OK;
}

static struct sockaddr_un address_of(const place *at, const char *suffix)
{
    struct sockaddr_un address;
    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;
    int size = snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s%s",
                        at->directory_fd, at->name, suffix);
    THEATER_ASSERT(size > 0 && (size_t)size < sizeof(address.sun_path));
    return address;
}

/* A connection, or a negative errno. */
static int connect_to(const place *at, int flags)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd < 0) {
        return -errno;
    }
    struct sockaddr_un address = address_of(at, "");
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        int error = errno;
        (void)close(fd);
        return -error;
    }
    return fd;
}

theater_status socket_peer(int fd, uid_t *out_uid, theater_error *err)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return theater__fail_errno(err, THEATER_ERR_IO, errno, "the other end is unknown");
    }
    *out_uid = peer.uid;
    return THEATER_OK;
}

/* ---- listening ------------------------------------------------------------------------------- */

static theater_status check_directory(const place *at, const char *path, theater_error *err)
{
    struct stat found;
    if (fstat(at->directory_fd, &found) != 0) {
        return theater__fail_errno(err, THEATER_ERR_IO, errno, "'%s' cannot be looked at", path);
    }
    if ((found.st_mode & S_IWOTH) != 0) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "everybody may write where '%s' is to be: chmod 0700 its directory",
                             path);
    }
    return THEATER_OK;
}

/* Whether the name is free, or that of a process that died. */
static theater_status check_name(const place *at, const char *path, theater_error *err)
{
    struct stat found;
    if (fstatat(at->directory_fd, at->name, &found, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? THEATER_OK
                               : theater__fail_errno(err, THEATER_ERR_IO, errno,
                                                     "'%s' cannot be looked at", path);
    }
    if (!S_ISSOCK(found.st_mode)) {
        return theater__fail(err, THEATER_ERR_EXISTS, "'%s' is there, and no socket", path);
    }
    int fd = connect_to(at, SOCK_NONBLOCK);
    if (fd >= 0 || fd == -EAGAIN) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return theater__fail(err, THEATER_ERR_EXISTS, "another process answers at '%s'", path);
    }
    return fd == -ECONNREFUSED || fd == -ENOENT
               ? THEATER_OK
               : theater__fail_errno(err, THEATER_ERR_IO, -fd, "'%s' cannot be replaced", path);
}

static int bind_and_listen(int fd, const place *at, struct stat *out_found)
{
    struct sockaddr_un address = address_of(at, NEW_SUFFIX);
    char name[SOCKET_NAME_MAX];
    (void)snprintf(name, sizeof(name), "%.*s%s", (int)(SOCKET_NAME_MAX - sizeof(NEW_SUFFIX)),
                   at->name, NEW_SUFFIX);
    (void)unlinkat(at->directory_fd, name, 0); /* of a process that died in between */
    if (fchmod(fd, 0600) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        return -errno;
    }
    if (listen(fd, BACKLOG) != 0 ||
        fstatat(at->directory_fd, name, out_found, AT_SYMLINK_NOFOLLOW) != 0 ||
        renameat(at->directory_fd, name, at->directory_fd, at->name) != 0) {
        int error = errno;
        (void)unlinkat(at->directory_fd, name, 0);
        return -error;
    }
    return 0;
}

static theater_status listen_at(const place *at, const char *path, control_socket *out_socket,
                                theater_error *err)
{
    theater_status status = check_directory(at, path, err);
    if (status == THEATER_OK) {
        status = check_name(at, path, err);
    }
    if (status != THEATER_OK) {
        return status;
    }
    struct stat found = {0};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int result = fd >= 0 ? bind_and_listen(fd, at, &found) : -errno;
    if (result < 0) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return theater__fail_errno(err, THEATER_ERR_IO, -result, "'%s' cannot be made", path);
    }
    out_socket->fd = fd;
    out_socket->directory_fd = at->directory_fd;
    memcpy(out_socket->name, at->name, sizeof(out_socket->name));
    out_socket->device = found.st_dev;
    out_socket->inode = found.st_ino;
    return THEATER_OK;
}

theater_status socket_listen(const char *path, control_socket *out_socket, theater_error *err)
{
    place at = {.directory_fd = -1};
    theater_status status = place_open(path, &at, err);
    if (status != THEATER_OK) {
        return status;
    }
    status = listen_at(&at, path, out_socket, err);
    if (status != THEATER_OK) {
        (void)close(at.directory_fd);
    }
    return status;
}

void socket_close(control_socket *socket)
{
    struct stat found;
    if (socket->fd < 0) {
        return;
    }
    if (fstatat(socket->directory_fd, socket->name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
        found.st_dev == socket->device && found.st_ino == socket->inode) {
        (void)unlinkat(socket->directory_fd, socket->name, 0);
    }
    (void)close(socket->fd);
    (void)close(socket->directory_fd);
    socket->fd = -1;
}

/* ---- connecting ------------------------------------------------------------------------------ */

theater_status theater_control_connect(const char *path, int *out_fd, theater_error *err)
{
    THEATER_ASSERT(path != NULL);
    THEATER_ASSERT(out_fd != NULL);
    place at = {.directory_fd = -1};
    uid_t uid = 0;
    theater_status status = place_open(path, &at, err);
    if (status != THEATER_OK) {
        return status;
    }
    int fd = connect_to(&at, 0);
    (void)close(at.directory_fd);
    if (fd == -ENOENT || fd == -ECONNREFUSED || fd == -ENOTSOCK || fd == -ENOTDIR) {
        return theater__fail(err, THEATER_ERR_NOTFOUND, "nobody answers at '%s'", path);
    }
    if (fd < 0) {
        return theater__fail_errno(err, THEATER_ERR_IO, -fd, "'%s' cannot be reached", path);
    }
    status = socket_peer(fd, &uid, err);
    if (status == THEATER_OK && uid != geteuid() && uid != 0) {
        status = theater__fail(err, THEATER_ERR_INVALID,
                               "'%s' belongs to user %lu, who is neither you nor root", path,
                               (unsigned long)uid);
    }
    if (status != THEATER_OK) {
        (void)close(fd);
        return status;
    }
    *out_fd = fd;
    return THEATER_OK;
}
