/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Components by digest, as DIR/components/<64 hexadecimal digits>.wasm. A file is written under
 * another name, synced and renamed, so it is there whole or not at all; it is checked against its
 * name whenever it is read. A name that is there may be the work of a process that was killed
 * before it had synced it, so the directories are synced in any case.
 */
#include "logstore.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define COMPONENTS_NAME "components"

/* DIR/components/<digest><suffix>; NULL without memory. */
static char *component_path(const theater__logstore *log, const theater_hash *digest,
                            const char *suffix)
{
    char hex[THEATER_HASH_TEXT_SIZE];
    theater_hash_format(digest, hex);
    char name[sizeof(COMPONENTS_NAME) + THEATER_HASH_TEXT_SIZE + 8];
    int size = snprintf(name, sizeof(name), COMPONENTS_NAME "/%s%s", hex, suffix);
    THEATER_ASSERT(size > 0 && (size_t)size < sizeof(name));
    return theater__path_in(log->directory, name);
}

/* Appends the whole file; -errno, -EFBIG if it is no component by its size. */
static int load_component(theater__logstore *log, const char *path, theater__buffer *out_bytes)
{
    int fd = log->io->open(log->io, path, O_RDONLY, 0);
    if (fd < 0) {
        return fd;
    }
    uint64_t size = 0;
    int result = log->io->size(log->io, fd, &size);
    if (result == 0 && size > THEATER__COMPONENT_BYTES_MAX) {
        result = -EFBIG;
    }
    if (result == 0 && size > 0) {
        uint8_t *data = theater__buffer_extend(out_bytes, (size_t)size);
        size_t got = 0;
        result =
            data == NULL ? -ENOMEM : theater__io_read_all(log->io, fd, data, (size_t)size, 0, &got);
        out_bytes->size -= data == NULL ? 0 : (size_t)size - got;
    }
    (void)log->io->close(log->io, fd);
    return result;
}

/* Makes what stands in components/ durable, and that there is such a directory. */
static int sync_names(theater__logstore *log)
{
    THEATER_AUTOFREE char *directory = theater__path_in(log->directory, COMPONENTS_NAME);
    if (directory == NULL) {
        return -ENOMEM;
    }
    int result = log->io->fsync_directory(log->io, directory);
    return result == 0 ? log->io->fsync_directory(log->io, log->directory) : result;
}

static int write_component(theater__logstore *log, const char *path, const char *path_new,
                           theater_bytes bytes)
{
    THEATER_AUTOFREE char *directory = theater__path_in(log->directory, COMPONENTS_NAME);
    if (directory == NULL) {
        return -ENOMEM;
    }
    int result = log->io->mkdir_inside(log->io, directory, 0700);
    if (result < 0 && result != -EEXIST) {
        return result;
    }
    int fd = log->io->open(log->io, path_new, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0) {
        return fd;
    }
    result = theater__io_write_all(log->io, fd, bytes.data, bytes.size, 0);
    if (result == 0) {
        result = log->io->fdatasync(log->io, fd);
    }
    (void)log->io->close(log->io, fd);
    if (result == 0) {
        result = log->io->rename(log->io, path_new, path);
    }
    if (result < 0) {
        (void)log->io->unlink(log->io, path_new);
    }
    return result;
}

theater_status theater__logstore_put_component(theater__store *store, const theater_hash *digest,
                                               theater_bytes bytes, theater_error *err)
{
    theater__logstore *log = (theater__logstore *)store;
    THEATER_AUTOFREE char *path = component_path(log, digest, ".wasm");
    THEATER_AUTOFREE char *path_new = component_path(log, digest, ".new");
    if (path == NULL || path_new == NULL) {
        return theater__fail_nomem(err);
    }
    theater__buffer present = {0};
    int result = load_component(log, path, &present);
    bool equal = result == 0 && present.size == bytes.size &&
                 (bytes.size == 0 || memcmp(present.data, bytes.data, bytes.size) == 0);
    theater__buffer_deinit(&present);
    result = equal ? 0 : write_component(log, path, path_new, bytes);
    if (result == 0) {
        result = sync_names(log);
    }
    if (result == -ENOMEM) {
        return theater__fail_nomem(err);
    }
    if (result < 0) {
        return theater__fail_errno(err, THEATER_ERR_STORE, -result,
                                   "a component cannot be kept in store '%s'", log->directory);
    }
    return THEATER_OK;
}

theater_status theater__logstore_get_component(theater__store *store, const theater_hash *digest,
                                               theater__buffer *out_bytes, theater_error *err)
{
    theater__logstore *log = (theater__logstore *)store;
    THEATER_AUTOFREE char *path = component_path(log, digest, ".wasm");
    if (path == NULL) {
        return theater__fail_nomem(err);
    }
    theater__buffer bytes = {0};
    theater_status status = THEATER_OK;
    int result = load_component(log, path, &bytes);
    if (result == -ENOMEM) {
        status = theater__fail_nomem(err);
    } else if (result == -ENOENT || result == -ENOTDIR) {
        status = theater__fail(err, THEATER_ERR_NOTFOUND, "the store has no component '%s'", path);
    } else if (result < 0 && result != -EFBIG) {
        status = theater__fail_errno(err, THEATER_ERR_STORE, -result, "'%s' cannot be read", path);
    } else {
        theater_hash found = theater__sha256(bytes.data, bytes.size);
        if (result == -EFBIG || memcmp(&found, digest, sizeof(found)) != 0) {
            status = theater__fail(err, THEATER_ERR_CORRUPT,
                                   "'%s' is damaged: its content does not fit its name", path);
        }
    }
    if (status == THEATER_OK) {
        theater__buffer_put(out_bytes, bytes.data, bytes.size);
        status = out_bytes->failed ? theater__fail_nomem(err) : THEATER_OK;
    }
    theater__buffer_deinit(&bytes);
    return status;
}
