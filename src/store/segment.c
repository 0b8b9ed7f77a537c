/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments as files: their names, their listing, their bytes, and how a new one is made so that it
 * is durable before the first group in it is promised to anyone.
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

#define SEGMENT_DIGITS 8u

char *theater__path_in(const char *directory, const char *name)
{
    size_t directory_size = strlen(directory);
    size_t name_size = strlen(name);
    char *path = theater__alloc(directory_size + name_size + 2);
    if (path == NULL) {
        return NULL;
    }
    memcpy(path, directory, directory_size);
    path[directory_size] = '/';
    memcpy(path + directory_size + 1, name, name_size + 1);
    return path;
}

bool theater__is_denied(int os_errno)
{
    return os_errno == EACCES || os_errno == EPERM;
}

bool theater__ends_look(const theater_error *error)
{
    return error->status == THEATER_ERR_NOMEM || theater__is_denied(error->os_errno);
}

theater_status theater__fail_as(theater_error *err, const theater_error *error)
{
    if (err != NULL) {
        *err = *error;
    }
    return error->status;
}

theater_status theater__fail_denied(theater_error *err, int os_errno, const char *path)
{
    return theater__fail_errno(err, THEATER_ERR_IO, os_errno,
                               "'%s' may not be read by this user; be its owner, or have root "
                               "chown it",
                               path);
}

theater_status theater__fail_denied_segment(theater_error *err, int os_errno, const char *directory,
                                            uint32_t number)
{
    char name[SEGMENT_NAME_SIZE];
    theater__segment_name(number, name);
    THEATER_AUTOFREE char *path = theater__path_in(directory, name);
    return path == NULL ? theater__fail_nomem(err) : theater__fail_denied(err, os_errno, path);
}

typedef struct emptying {
    theater__io *io;
    const char *directory;
} emptying;

static int remove_file(const char *name, void *userdata)
{
    const emptying *it = userdata;
    THEATER_AUTOFREE char *path = theater__path_in(it->directory, name);
    int result = path == NULL ? -ENOMEM : it->io->unlink(it->io, path);
    return result == -EISDIR ? 0 : result;
}

int theater__remove_files(theater__io *io, const char *directory)
{
    emptying it = {io, directory};
    return io->list(io, directory, remove_file, &it);
}

int theater__replace_file(theater__io *io, const char *directory, const char *name,
                          const char *text, size_t size)
{
    char name_new[NAME_MAX + 1];
    int length = snprintf(name_new, sizeof(name_new), "%s.new", name);
    THEATER_ASSERT(length > 0 && (size_t)length < sizeof(name_new));
    THEATER_AUTOFREE char *path = theater__path_in(directory, name);
    THEATER_AUTOFREE char *path_new = theater__path_in(directory, name_new);
    if (path == NULL || path_new == NULL) {
        return -ENOMEM;
    }
    int fd = io->open(io, path_new, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0) {
        return fd;
    }
    int result = theater__io_write_all(io, fd, text, size, 0);
    if (result == 0) {
        result = io->fdatasync(io, fd);
    }
    (void)io->close(io, fd);
    if (result == 0) {
        result = io->rename(io, path_new, path);
    }
    if (result == 0) {
        result = io->fsync_directory(io, directory);
    }
    return result;
}

void theater__segment_name(uint32_t number, char out_name[SEGMENT_NAME_SIZE])
{
    THEATER_ASSERT(number > 0);
    THEATER_ASSERT(number <= FORMAT_SEGMENT_NUMBER_MAX);
    (void)snprintf(out_name, SEGMENT_NAME_SIZE, "%08u.log", (unsigned)number);
}

/* ---- listing --------------------------------------------------------------------------------- */

typedef struct segment_listing {
    uint32_t *numbers;
    size_t count;
    size_t capacity;
} segment_listing;

/* The number of a segment's file name, 0 for any other name. */
static uint32_t parse_name(const char *name)
{
    uint32_t number = 0;
    for (unsigned i = 0; i < SEGMENT_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return 0;
        }
        number = number * 10 + (uint32_t)(name[i] - '0');
    }
    if (strcmp(name + SEGMENT_DIGITS, ".log") != 0 || number > FORMAT_SEGMENT_NUMBER_MAX) {
        return 0;
    }
    return number;
}

static int visit_name(const char *name, void *userdata)
{
    segment_listing *listing = userdata;
    uint32_t number = parse_name(name);
    if (number == 0) {
        return 0;
    }
    if (listing->count == listing->capacity) {
        size_t capacity = listing->capacity == 0 ? 16 : listing->capacity * 2;
        uint32_t *grown = theater__realloc_array(listing->numbers, capacity, sizeof(uint32_t));
        if (grown == NULL) {
            return -ENOMEM;
        }
        listing->numbers = grown;
        listing->capacity = capacity;
    }
    listing->numbers[listing->count] = number;
    listing->count++;
    return 0;
}

static int compare_numbers(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

theater_status theater__segment_list(theater__io *io, const char *directory, uint32_t **out_numbers,
                                     size_t *out_count, theater_error *err)
{
    segment_listing listing = {0};
    int result = io->list(io, directory, visit_name, &listing);
    if (result < 0) {
        theater__free(listing.numbers);
        if (result == -ENOMEM) {
            return theater__fail_nomem(err);
        }
        if (theater__is_denied(-result)) {
            return theater__fail_denied(err, -result, directory);
        }
        theater_status status = result == -ENOENT ? THEATER_ERR_NOTFOUND : THEATER_ERR_IO;
        return theater__fail_errno(err, status, -result, "the store '%s' cannot be read",
                                   directory);
    }
    if (listing.count > 1) {
        qsort(listing.numbers, listing.count, sizeof(uint32_t), compare_numbers);
    }
    *out_numbers = listing.numbers;
    *out_count = listing.count;
    return THEATER_OK;
}

/* ---- reading whole --------------------------------------------------------------------------- */

static theater_status load_file(theater__io *io, int fd, const char *path,
                                theater__buffer *out_bytes, theater_error *err)
{
    uint64_t size = 0;
    int result = io->size(io, fd, &size);
    if (result < 0) {
        return theater__fail_errno(err, THEATER_ERR_IO, -result, "'%s' cannot be read", path);
    }
    if (size > FORMAT_SEGMENT_SIZE_MAX) {
        return theater__fail(err, THEATER_ERR_CORRUPT, "'%s' is longer than a segment can be",
                             path);
    }
    if (size == 0) {
        return THEATER_OK;
    }
    uint8_t *data = theater__buffer_extend(out_bytes, (size_t)size);
    if (data == NULL) {
        return theater__fail_nomem(err);
    }
    size_t got = 0;
    result = theater__io_read_all(io, fd, data, (size_t)size, 0, &got);
    if (result < 0) {
        return theater__fail_errno(err, THEATER_ERR_IO, -result, "'%s' cannot be read", path);
    }
    /* It may have been cut meanwhile by the process that owns it: what is there counts. */
    out_bytes->size -= (size_t)size - got;
    return THEATER_OK;
}

theater_status theater__segment_load(theater__io *io, const char *directory, uint32_t number,
                                     theater__buffer *out_bytes, theater_error *err)
{
    char name[SEGMENT_NAME_SIZE];
    theater__segment_name(number, name);
    THEATER_AUTOFREE char *path = theater__path_in(directory, name);
    if (path == NULL) {
        return theater__fail_nomem(err);
    }
    theater__buffer_clear(out_bytes);
    int fd = io->open(io, path, O_RDONLY, 0);
    if (theater__is_denied(-fd)) {
        return theater__fail_denied(err, -fd, path);
    }
    if (fd < 0) {
        theater_status status = fd == -ENOENT ? THEATER_ERR_NOTFOUND : THEATER_ERR_IO;
        return theater__fail_errno(err, status, -fd, "'%s' cannot be opened", path);
    }
    theater_status status = load_file(io, fd, path, out_bytes, err);
    (void)io->close(io, fd);
    return status;
}

int theater__segment_header(theater__io *io, const char *directory, uint32_t number,
                            theater__format_segment *out_header)
{
    char name[SEGMENT_NAME_SIZE];
    theater__segment_name(number, name);
    THEATER_AUTOFREE char *path = theater__path_in(directory, name);
    if (path == NULL) {
        return -ENOMEM;
    }
    int fd = io->open(io, path, O_RDONLY, 0);
    if (fd < 0) {
        return fd;
    }
    uint8_t bytes[FORMAT_SEGMENT_HEADER_SIZE];
    uint64_t size = 0;
    size_t got = 0;
    int result = io->size(io, fd, &size);
    if (result == 0) {
        result = theater__io_read_all(io, fd, bytes, sizeof(bytes), 0, &got);
    }
    (void)io->close(io, fd);
    if (result < 0) {
        return result;
    }
    bool fine = theater__format_segment_decode(bytes, got, out_header) == THEATER_OK &&
                out_header->number == number;
    return fine ? 0 : -EBADMSG;
}

/* ---- making ---------------------------------------------------------------------------------- */

/* Header in front of a file full of zeros, then its name. */
static int use_ahead(theater__logstore *log, int fd, const char *ahead, const char *path,
                     const uint8_t header[FORMAT_SEGMENT_HEADER_SIZE])
{
    theater__io *io = log->io;
    int result = theater__io_write_all(io, fd, header, FORMAT_SEGMENT_HEADER_SIZE, 0);
    if (result == 0) {
        result = io->fdatasync(io, fd);
    }
    return result == 0 ? io->rename(io, ahead, path) : result;
}

static int make_new(theater__logstore *log, const char *path,
                    const uint8_t header[FORMAT_SEGMENT_HEADER_SIZE])
{
    /* What an interrupted start left of this segment holds no group and is overwritten. */
    int fd = log->io->open(log->io, path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0) {
        return fd;
    }
    int result = theater__io_write_all(log->io, fd, header, FORMAT_SEGMENT_HEADER_SIZE, 0);
    if (result == 0) {
        result = log->io->fdatasync(log->io, fd);
    }
    if (result < 0) {
        (void)log->io->close(log->io, fd);
        return result;
    }
    return fd;
}

void theater__segment_encode(const theater__logstore *log, uint32_t number, uint64_t first_sequence,
                             uint64_t previous_group, uint8_t out[FORMAT_SEGMENT_HEADER_SIZE])
{
    theater__format_segment header = {
        .number = number,
        .version = FORMAT_VERSION,
        .wall = log->wall,
        .first_sequence = first_sequence,
        .previous_group = previous_group,
    };
    memcpy(header.store_id, log->store_id, sizeof(header.store_id));
    memcpy(header.boot, log->boot, sizeof(header.boot));
    theater__format_segment_encode(&header, out);
}

int theater__segment_make(theater__logstore *log, uint32_t number, uint64_t *out_allocated)
{
    if (number > FORMAT_SEGMENT_NUMBER_MAX) {
        return -EFBIG;
    }
    uint8_t bytes[FORMAT_SEGMENT_HEADER_SIZE];
    theater__segment_encode(log, number, log->sequence + 1, log->previous_group, bytes);

    char name[SEGMENT_NAME_SIZE];
    theater__segment_name(number, name);
    THEATER_AUTOFREE char *path = theater__path_in(log->directory, name);
    if (path == NULL) {
        return -ENOMEM;
    }
    THEATER_AUTOFREE char *ahead = NULL;
    int fd = theater__keeper_take_ahead(log, &ahead);
    int result = 0;
    *out_allocated = FORMAT_SEGMENT_HEADER_SIZE;
    if (fd >= 0) {
        result = use_ahead(log, fd, ahead, path, bytes);
        *out_allocated = log->segment_size;
    } else {
        fd = make_new(log, path, bytes);
        if (fd < 0) {
            return fd;
        }
    }
    if (result == 0) {
        result = log->io->fsync_directory(log->io, log->directory);
    }
    if (result < 0) {
        (void)log->io->close(log->io, fd);
        return result;
    }
    return fd;
}
