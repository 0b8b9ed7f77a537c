/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy of a store that may be in use by another process, without its lock.
 *
 * A log is append-only, so any prefix of it that ends behind a group is a state that a power cut
 * could have left. Copied are the segments that are there when the copy begins, each up to its last
 * intact group; what is acknowledged before the call is in it. Components after the log: an actor's
 * component is there before its first record is. The store's id comes last, so that a copy that was
 * not finished is no store. Then the copy is opened as a start would open it, without indexes: all
 * of it is read and checked.
 *
 * If the store is compacted meanwhile, what was copied is a part of this and a part of that log:
 * it is removed, and the copy begins again.
 */
#include "compact.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

typedef struct backup {
    theater__io *io;
    const char *from;
    const char *to;
    uint32_t seed;
    theater__log_view log;
    theater__buffer bytes;
    theater_status status;
    theater_error *err;
} backup;

static theater_status fail_write(const backup *it, int result)
{
    return theater__fail_errno(it->err, THEATER_ERR_IO, -result, "the copy '%s' cannot be written",
                               it->to);
}

static theater_status write_file(backup *it, const char *directory, const char *name, size_t size)
{
    THEATER_AUTOFREE char *path = theater__path_in(directory, name);
    if (path == NULL) {
        return theater__fail_nomem(it->err);
    }
    int fd = it->io->open(it->io, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0) {
        return fail_write(it, fd);
    }
    int result = theater__io_write_all(it->io, fd, it->bytes.data, size, 0);
    if (result == 0) {
        result = it->io->fdatasync(it->io, fd);
    }
    (void)it->io->close(it->io, fd);
    return result < 0 ? fail_write(it, result) : THEATER_OK;
}

/* Appends a whole small file. NOTFOUND: there is none. */
static theater_status read_file(backup *it, const char *directory, const char *name)
{
    theater__buffer_clear(&it->bytes);
    THEATER_AUTOFREE char *path = theater__path_in(directory, name);
    if (path == NULL) {
        return theater__fail_nomem(it->err);
    }
    int fd = it->io->open(it->io, path, O_RDONLY, 0);
    uint64_t size = 0;
    int result = fd < 0 ? fd : it->io->size(it->io, fd, &size);
    if (result == 0 && size > THEATER__COMPONENT_BYTES_MAX) {
        result = -EFBIG;
    }
    uint8_t *data = NULL;
    if (result == 0 && size > 0) {
        data = theater__buffer_extend(&it->bytes, (size_t)size);
        result = data == NULL ? -ENOMEM : 0;
    }
    if (data != NULL) {
        size_t got = 0;
        result = theater__io_read_all(it->io, fd, data, (size_t)size, 0, &got);
        it->bytes.size -= (size_t)size - got;
    }
    if (fd >= 0) {
        (void)it->io->close(it->io, fd);
    }
    if (result == -ENOMEM) {
        return theater__fail_nomem(it->err);
    }
    theater_status status = result == -ENOENT ? THEATER_ERR_NOTFOUND : THEATER_ERR_IO;
    return result >= 0 ? THEATER_OK
                       : theater__fail_errno(it->err, status, -result, "'%s' cannot be read", path);
}

/* ---- the log --------------------------------------------------------------------------------- */

/* Where the last intact group of those from the beginning ends; 0 if there is not even a header. */
static size_t intact_upto(const backup *it, uint32_t number, theater__scan *scan)
{
    theater__format_segment header;
    theater__scan_init(scan, it->seed, number, it->bytes.data, it->bytes.size);
    if (theater__format_segment_decode(it->bytes.data, it->bytes.size, &header) != THEATER_OK ||
        header.number != number) {
        return 0;
    }
    size_t offset = FORMAT_SEGMENT_HEADER_SIZE;
    theater__format_group group;
    size_t bad = 0;
    while (theater__scan_group_intact(scan, offset, &group, &bad)) {
        offset += FORMAT_GROUP_HEADER_SIZE + group.size;
    }
    return offset;
}

/*
 * Loads a segment and says how much of it is copied; 0: it is still being made.
 *
 * In front of a later segment only zeros may follow what is intact. At the end of the log the last
 * write may be under way, but a group that is intact behind one that is not means damage, unless
 * the one was written while the file was being read: then it is intact the next time.
 */
static theater_status load_segment(backup *it, uint32_t number, bool is_first, bool is_last,
                                   size_t *out_size)
{
    size_t before = 0;
    bool is_second = false;
    for (;;) {
        theater__scan scan;
        theater__format_group group;
        theater_status status =
            theater__view_load(&it->log, it->io, it->from, number, &it->bytes, it->err);
        if (status != THEATER_OK) {
            return status;
        }
        size_t size = intact_upto(it, number, &scan);
        /* Of a write that is under way the header may be there and its records not yet. */
        size_t behind = size != 0 ? size + FORMAT_ALIGNMENT : FORMAT_SEGMENT_HEADER_SIZE;
        bool is_whole = is_last ? theater__scan_find_group(&scan, behind, &group) == SIZE_MAX
                                : theater__all_zero(it->bytes.data + size, it->bytes.size - size);
        if (is_whole && (size > 0 || (is_last && !is_first))) {
            *out_size = size;
            return THEATER_OK;
        }
        if (is_second && size <= before) {
            char name[SEGMENT_NAME_SIZE];
            theater__segment_name(number, name);
            return theater__fail(it->err, THEATER_ERR_CORRUPT,
                                 "store '%s' is damaged at %s:%zu; run 'theater verify'", it->from,
                                 name, size);
        }
        before = size;
        is_second = true; /* bytes are read while they are written: one look is not believed */
    }
}

static theater_status copy_segments(backup *it)
{
    theater_status status = theater__view_open(it->io, it->from, &it->log, it->err);
    for (size_t i = 0; status == THEATER_OK && i < it->log.count; i++) {
        size_t size = 0;
        uint32_t number = it->log.numbers[i];
        status = load_segment(it, number, i == 0, i + 1 == it->log.count, &size);
        if (status == THEATER_OK && size > 0) {
            char name[SEGMENT_NAME_SIZE];
            theater__segment_name(number, name);
            status = write_file(it, it->to, name, size);
        }
    }
    return status;
}

/* ---- components ------------------------------------------------------------------------------ */

static int copy_component(const char *name, void *userdata)
{
    backup *it = userdata;
    const char *end = strrchr(name, '.');
    if (end == NULL || strcmp(end, ".wasm") != 0) {
        return 0; /* being written */
    }
    THEATER_AUTOFREE char *from = theater__path_in(it->from, "components");
    THEATER_AUTOFREE char *to = theater__path_in(it->to, "components");
    if (from == NULL || to == NULL) {
        it->status = theater__fail_nomem(it->err);
        return 1;
    }
    it->status = read_file(it, from, name);
    if (it->status == THEATER_ERR_NOTFOUND) {
        it->status = THEATER_OK; /* pruned since it was listed: no record that is left names it */
        return 0;
    }
    if (it->status != THEATER_OK) {
        return 1;
    }
    theater_hash digest = theater__sha256(it->bytes.data, it->bytes.size);
    char text[THEATER_HASH_TEXT_SIZE];
    theater_hash_format(&digest, text);
    if ((size_t)(end - name) != strlen(text) || strncmp(name, text, strlen(text)) != 0) {
        it->status =
            theater__fail(it->err, THEATER_ERR_CORRUPT,
                          "'%s/%s' is damaged: its content does not fit its name", from, name);
        return 1;
    }
    it->status = write_file(it, to, name, it->bytes.size);
    return it->status != THEATER_OK;
}

static theater_status copy_components(backup *it)
{
    THEATER_AUTOFREE char *from = theater__path_in(it->from, "components");
    THEATER_AUTOFREE char *to = theater__path_in(it->to, "components");
    if (from == NULL || to == NULL) {
        return theater__fail_nomem(it->err);
    }
    int result = it->io->mkdir_inside(it->io, to, 0700);
    if (result < 0 && result != -EEXIST) {
        return fail_write(it, result);
    }
    it->status = THEATER_OK;
    result = it->io->list(it->io, from, copy_component, it);
    if (it->status != THEATER_OK) {
        return it->status;
    }
    if (result < 0 && result != -ENOENT) {
        return theater__fail_errno(it->err, THEATER_ERR_IO, -result, "'%s' cannot be read", from);
    }
    result = it->io->fsync_directory(it->io, to);
    return result < 0 ? fail_write(it, result) : THEATER_OK;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int refuse_name(const char *name, void *userdata)
{
    (void)name;
    (void)userdata;
    return 1;
}

theater_status theater__backup_target(theater__io *io, const char *target, theater_error *err)
{
    int result = io->mkdir(io, target, 0700);
    if (result == -EEXIST) {
        result = io->list(io, target, refuse_name, NULL);
        if (result > 0) {
            return theater__fail(err, THEATER_ERR_EXISTS,
                                 "'%s' is not empty; name a new directory for the copy", target);
        }
    }
    return result < 0 ? theater__fail_errno(err, THEATER_ERR_IO, -result,
                                            "the copy '%s' cannot be written", target)
                      : THEATER_OK;
}

/* Removes what was copied so far. */
static theater_status empty_target(backup *it)
{
    THEATER_AUTOFREE char *components = theater__path_in(it->to, "components");
    int result = components == NULL ? -ENOMEM : theater__remove_files(it->io, it->to);
    if (result == 0) {
        result = theater__remove_files(it->io, components);
    }
    return result < 0 && result != -ENOENT ? fail_write(it, result) : THEATER_OK;
}

/* Log and components, of one and the same log. */
static theater_status copy_all(backup *it)
{
    uint32_t first = theater__view_first(it->io, it->from);
    for (unsigned i = 0; i < VIEW_LOOKS_MAX; i++) {
        theater_status status = copy_segments(it);
        theater__free(it->log.numbers);
        it->log.numbers = NULL;
        if (status == THEATER_OK) {
            status = copy_components(it);
        }
        uint32_t now = theater__view_first(it->io, it->from);
        if (now == first) {
            return status;
        }
        first = now;
        status = empty_target(it);
        if (status != THEATER_OK) {
            return status;
        }
    }
    return theater__view_fail_busy(it->from, it->err);
}

/* Reads all of it as a start without indexes does, and marks it as what it is. */
static theater_status verify_copy(const backup *it)
{
    theater__store_options options = {.url = it->to, .must_exist = true};
    theater__logstore_options all = {.store = &options, .directory = it->to, .threadless = true};
    theater__store *store = NULL;
    theater_status status = theater__logstore_open_with(&all, &store, it->err);
    if (status != THEATER_OK) {
        return theater__fail_in(it->err, "the copy");
    }
    theater__store_close(store);
    int result = theater__home_write_foreign(it->io, it->to);
    return result < 0 ? fail_write(it, result) : THEATER_OK;
}

theater_status theater__logstore_backup(const char *directory, const char *target,
                                        theater_error *err)
{
    backup it = {.io = theater__io_system(), .from = directory, .to = target, .err = err};
    uint8_t id[FORMAT_STORE_ID_SIZE];
    theater_status status = theater__store_id_read(it.io, directory, id, err);
    if (status == THEATER_OK) {
        it.seed = theater__format_seed(id);
        status = theater__backup_target(it.io, target, err);
    }
    if (status == THEATER_OK) {
        status = copy_all(&it);
    }
    if (status == THEATER_OK) {
        status = read_file(&it, directory, "store.id");
    }
    if (status == THEATER_OK) {
        status = write_file(&it, target, "store.id", it.bytes.size);
    }
    if (status == THEATER_OK) {
        int result = it.io->fsync_directory(it.io, target);
        status = result < 0 ? fail_write(&it, result) : verify_copy(&it);
    }
    theater__buffer_deinit(&it.bytes);
    return status;
}
