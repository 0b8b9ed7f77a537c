/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory of a store: made or found, locked, identified.
 *
 * The lock is flock() on DIR/theater.lock, so it ends with the process however that ends; the
 * number inside is for the message that the next one gets. The order of making (directory, lock,
 * first segment, store.id last) means that a directory with a store.id is a whole store, and one
 * without is a store that was never finished, which may be made again as long as its log is empty.
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
#include <sys/random.h>
#include <unistd.h>

#define LOCK_NAME "theater.lock"
#define ID_NAME "store.id"
#define ID_NAME_NEW "store.id.new"
#define ID_WORD "theater-store "
/* The word, a version of up to ten digits, a space, an id, a newline. */
#define ID_FILE_SIZE_MAX (sizeof(ID_WORD) + 10 + THEATER_ID_TEXT_SIZE + 2)

static theater_status make_directories(theater__logstore *log, theater_error *err);
static theater_status survey(theater__logstore *log, theater_error *err);
static theater_status take_lock(theater__logstore *log, theater_error *err);
static theater_status make_store(theater__logstore *log, theater_error *err);

theater_status theater__logstore_enter(theater__logstore *log,
                                       const theater__store_options *options, theater_error *err)
{
    bool must_exist = options->must_exist;
    theater_status status = THEATER_OK;
    if (!must_exist) {
        status = make_directories(log, err);
    }
    if (status == THEATER_OK) {
        status = survey(log, err);
    }
    theater_error id_error = THEATER_ERROR_INIT;
    if (status == THEATER_OK && must_exist) {
        /* Nothing is touched, not even the lock, where there is no store. */
        status = theater__store_id_read(log->io, log->directory, log->store_id, err);
    }
    if (status == THEATER_OK) {
        status = take_lock(log, err);
    }
    if (status != THEATER_OK) {
        return status;
    }
    status = theater__store_id_read(log->io, log->directory, log->store_id, &id_error);
    if (status == THEATER_ERR_NOTFOUND && !must_exist) {
        status = make_store(log, err);
    } else if (status != THEATER_OK && err != NULL) {
        *err = id_error;
    }
    if (status == THEATER_OK) {
        status = theater__home_check(log, options->adopt || log->made_store, err);
    }
    log->seed = theater__format_seed(log->store_id);
    return status == THEATER_OK ? theater__compact_settle(log, err) : status;
}

void theater__logstore_leave(theater__logstore *log)
{
    if (log->lock_fd >= 0) {
        (void)log->io->close(log->io, log->lock_fd);
        log->lock_fd = -1;
    }
}

static void unlink_in(theater__logstore *log, const char *name)
{
    THEATER_AUTOFREE char *path = theater__path_in(log->directory, name);
    if (path != NULL) {
        (void)log->io->unlink(log->io, path);
    }
}

/* Removes the directories that were made, the deepest first. */
static void remove_directories(theater__logstore *log)
{
    size_t size = strlen(log->directory);
    THEATER_AUTOFREE char *path = theater__strndup(log->directory, size);
    while (path != NULL && log->made_prefix > 0 && size >= log->made_prefix) {
        path[size] = '\0';
        (void)log->io->rmdir(log->io, path);
        while (size > 0 && path[size - 1] != '/') {
            size--;
        }
        while (size > 0 && path[size - 1] == '/') {
            size--;
        }
    }
}

void theater__logstore_undo(theater__logstore *log)
{
    if (log->made_store) {
        char name[SEGMENT_NAME_SIZE];
        theater__segment_name(1, name);
        unlink_in(log, ID_NAME);
        unlink_in(log, ID_NAME_NEW);
        unlink_in(log, name);
        unlink_in(log, "reserve");
        unlink_in(log, "home");
        unlink_in(log, "home.new");
    }
    if (log->made_lock) {
        unlink_in(log, LOCK_NAME);
    }
    theater__logstore_leave(log);
    remove_directories(log);
}

/* ---- the directory --------------------------------------------------------------------------- */

/* Makes path's last component if it is not there, and makes that durable in the one above. */
static int make_directory(theater__logstore *log, char *path, size_t size)
{
    bool is_inside = log->is_shard && size == strlen(log->directory);
    int result = is_inside ? log->io->mkdir_inside(log->io, path, 0700)
                           : log->io->mkdir(log->io, path, 0700);
    if (result == -EEXIST) {
        return 0;
    }
    if (result < 0) {
        return result;
    }
    if (log->made_prefix == 0) {
        log->made_prefix = size;
    }
    size_t above = size;
    while (above > 0 && path[above - 1] != '/') {
        above--;
    }
    if (above == 0) {
        return log->io->fsync_directory(log->io, ".");
    }
    char kept = path[above];
    path[above] = '\0';
    result = log->io->fsync_directory(log->io, path);
    path[above] = kept;
    return result;
}

static theater_status make_directories(theater__logstore *log, theater_error *err)
{
    size_t size = strlen(log->directory);
    while (size > 1 && log->directory[size - 1] == '/') {
        size--;
    }
    log->directory[size] = '\0';
    THEATER_AUTOFREE char *path = theater__strndup(log->directory, size);
    if (path == NULL) {
        return theater__fail_nomem(err);
    }
    for (size_t i = 1; i <= size; i++) {
        if (path[i] != '/' && path[i] != '\0') {
            continue;
        }
        if (path[i - 1] == '/') {
            continue;
        }
        char kept = path[i];
        path[i] = '\0';
        int result = make_directory(log, path, i);
        path[i] = kept;
        if (result < 0) {
            return theater__fail_errno(err, THEATER_ERR_IO, -result,
                                       "the directory of store '%s' cannot be made",
                                       log->directory);
        }
    }
    return THEATER_OK;
}

typedef struct survey_findings {
    bool has_id;
    bool has_foreign;
} survey_findings;

static bool is_ours(const char *name)
{
    static const char *const ours[] = {LOCK_NAME,   ID_NAME_NEW, "components",   "reserve",
                                       "ahead.new", "index.new", "home",         "home.new",
                                       "compact",   "compacted", "compacted.new"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (strcmp(name, ours[i]) == 0) {
            return true;
        }
    }
    if (strncmp(name, "torn-", 5) == 0 || strncmp(name, "index-", 6) == 0) {
        return true;
    }
    const char *end = strrchr(name, '.');
    return end != NULL && strcmp(end, ".log") == 0 &&
           strspn(name, "0123456789") == (size_t)(end - name);
}

static int survey_name(const char *name, void *userdata)
{
    survey_findings *findings = userdata;
    if (strcmp(name, ID_NAME) == 0) {
        findings->has_id = true;
    } else if (!is_ours(name)) {
        findings->has_foreign = true;
    }
    return 0;
}

/* Refuses what is no directory, and a directory that is someone else's. */
static theater_status survey(theater__logstore *log, theater_error *err)
{
    survey_findings findings = {0};
    int result = log->io->list(log->io, log->directory, survey_name, &findings);
    if (result == -ENOENT) {
        return theater__fail(err, THEATER_ERR_NOTFOUND, "there is no store at '%s'",
                             log->directory);
    }
    if (result == -ENOTDIR) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "'%s' is not a directory; a store needs one of its own",
                             log->directory);
    }
    if (result < 0) {
        return theater__fail_errno(err, THEATER_ERR_IO, -result, "the store '%s' cannot be read",
                                   log->directory);
    }
    if (findings.has_foreign && !findings.has_id) {
        return theater__fail(
            err, THEATER_ERR_INVALID,
            "'%s' holds other files and is no store; name a new or an empty directory",
            log->directory);
    }
    return THEATER_OK;
}

/* ---- the lock -------------------------------------------------------------------------------- */

/* Of a store that cannot be used because of one of its files, that one is named. */
static theater_status fail_file(const char *path, theater_error *err)
{
    return theater__fail_errno(err, THEATER_ERR_IO, THEATER__ENOTREG, "'%s' cannot be opened",
                               path);
}

static theater_status fail_locked(theater__logstore *log, int fd, theater_error *err)
{
    char text[16] = {0};
    size_t got = 0;
    (void)theater__io_read_all(log->io, fd, text, sizeof(text) - 1, 0, &got);
    text[strspn(text, "0123456789")] = '\0';
    return theater__fail(err, THEATER_ERR_STORE,
                         "store '%s' is in use by process %s; stop it first or use another --store",
                         log->directory, text[0] != '\0' ? text : "(unknown)");
}

static theater_status take_lock(theater__logstore *log, theater_error *err)
{
    THEATER_AUTOFREE char *path = theater__path_in(log->directory, LOCK_NAME);
    if (path == NULL) {
        return theater__fail_nomem(err);
    }
    int fd = log->io->open(log->io, path, O_RDWR | O_CREAT | O_EXCL, 0600);
    bool made = fd >= 0;
    if (fd == -EEXIST) {
        fd = log->io->open(log->io, path, O_RDWR, 0);
    }
    if (fd < 0) {
        return fd == -THEATER__ENOTREG
                   ? fail_file(path, err)
                   : theater__fail_errno(err, THEATER_ERR_IO, -fd, "store '%s' cannot be written",
                                         log->directory);
    }
    int result = log->io->lock(log->io, fd);
    if (result < 0) {
        theater_status status =
            result == -EWOULDBLOCK
                ? fail_locked(log, fd, err)
                : theater__fail_errno(err, THEATER_ERR_IO, -result, "store '%s' cannot be locked",
                                      log->directory);
        (void)log->io->close(log->io, fd);
        return status;
    }
    log->lock_fd = fd;
    log->made_lock = made;
    /* In place and of one size: a start on a full disk has to work. */
    char text[16];
    int size = snprintf(text, sizeof(text), "%-14ld\n", (long)getpid());
    result = theater__io_write_all(log->io, fd, text, (size_t)size, 0);
    if (result < 0 && (made || (result != -ENOSPC && result != -EDQUOT))) {
        return theater__fail_errno(err, THEATER_ERR_IO, -result, "store '%s' cannot be written",
                                   log->directory);
    }
    return THEATER_OK;
}

/* ---- the identity ---------------------------------------------------------------------------- */

static theater_status parse_id(const char *directory, const char *text,
                               uint8_t out_id[FORMAT_STORE_ID_SIZE], theater_error *err)
{
    size_t word = strlen(ID_WORD);
    char *end = NULL;
    unsigned long version = 0;
    if (strncmp(text, ID_WORD, word) == 0 && text[word] >= '1' && text[word] <= '9') {
        version = strtoul(text + word, &end, 10);
    }
    if (version > FORMAT_VERSION) {
        return theater__fail(err, THEATER_ERR_UNSUPPORTED,
                             "store '%s' has format version %lu; this program reads up to %u",
                             directory, version, FORMAT_VERSION);
    }
    theater_id id;
    char id_text[THEATER_ID_TEXT_SIZE] = {0};
    if (version == 0 || *end != ' ' || strlen(end) != 1 + THEATER_ID_TEXT_SIZE ||
        end[THEATER_ID_TEXT_SIZE] != '\n') {
        return theater__fail(err, THEATER_ERR_CORRUPT, "'%s/" ID_NAME "' is damaged", directory);
    }
    memcpy(id_text, end + 1, THEATER_ID_TEXT_SIZE - 1);
    if (theater_id_parse(id_text, &id, NULL) != THEATER_OK) {
        return theater__fail(err, THEATER_ERR_CORRUPT, "'%s/" ID_NAME "' is damaged", directory);
    }
    memcpy(out_id, id.bytes, FORMAT_STORE_ID_SIZE);
    return THEATER_OK;
}

theater_status theater__store_id_read(theater__io *io, const char *directory,
                                      uint8_t out_id[FORMAT_STORE_ID_SIZE], theater_error *err)
{
    THEATER_AUTOFREE char *path = theater__path_in(directory, ID_NAME);
    if (path == NULL) {
        return theater__fail_nomem(err);
    }
    int fd = io->open(io, path, O_RDONLY, 0);
    if (fd == -ENOENT || fd == -ENOTDIR) {
        return theater__fail(err, THEATER_ERR_NOTFOUND, "there is no store at '%s'", directory);
    }
    if (theater__is_denied(-fd)) {
        return theater__fail_denied(err, -fd, path);
    }
    if (fd < 0) {
        return fd == -THEATER__ENOTREG
                   ? fail_file(path, err)
                   : theater__fail_errno(err, THEATER_ERR_IO, -fd, "the store '%s' cannot be read",
                                         directory);
    }
    char text[ID_FILE_SIZE_MAX + 1] = {0};
    size_t got = 0;
    int result = theater__io_read_all(io, fd, text, sizeof(text) - 1, 0, &got);
    (void)io->close(io, fd);
    if (result < 0) {
        return theater__fail_errno(err, THEATER_ERR_IO, -result, "the store '%s' cannot be read",
                                   directory);
    }
    return parse_id(directory, text, out_id, err);
}

static int write_id(theater__logstore *log)
{
    theater_id id;
    memcpy(id.bytes, log->store_id, sizeof(id.bytes));
    char id_text[THEATER_ID_TEXT_SIZE];
    theater_id_format(id, id_text);
    char text[ID_FILE_SIZE_MAX];
    int size = snprintf(text, sizeof(text), ID_WORD "%u %s\n", FORMAT_VERSION, id_text);
    THEATER_ASSERT(size > 0 && (size_t)size < sizeof(text));

    return theater__replace_file(log->io, log->directory, ID_NAME, text, (size_t)size);
}

/* A log without store.id is what an interrupted start left, if no group was ever written to it. */
static theater_status check_unused(theater__logstore *log, theater_error *err)
{
    uint32_t *numbers = NULL;
    size_t count = 0;
    theater_status status = theater__segment_list(log->io, log->directory, &numbers, &count, err);
    if (status == THEATER_OK && count > 0) {
        theater__buffer bytes = {0};
        status = theater__segment_load(log->io, log->directory, numbers[0], &bytes, err);
        if (status == THEATER_OK &&
            (count > 1 || numbers[0] != 1 || bytes.size > FORMAT_SEGMENT_HEADER_SIZE)) {
            status = theater__fail(err, THEATER_ERR_CORRUPT, "store '%s' has a log and no " ID_NAME,
                                   log->directory);
        }
        theater__buffer_deinit(&bytes);
    }
    theater__free(numbers);
    return status;
}

static theater_status make_store(theater__logstore *log, theater_error *err)
{
    theater_status status = check_unused(log, err);
    if (status != THEATER_OK) {
        return status;
    }
    if (getrandom(log->store_id, sizeof(log->store_id), 0) != (ssize_t)sizeof(log->store_id)) {
        return theater__fail_errno(err, THEATER_ERR_IO, errno, "no random numbers");
    }
    log->store_id[6] = (uint8_t)((log->store_id[6] & 0x0f) | 0x40);
    log->store_id[8] = (uint8_t)((log->store_id[8] & 0x3f) | 0x80);
    log->made_store = true;
    log->sequence = 0;
    log->previous_group = THEATER__PLACE_NONE;
    int result = theater__segment_make(log, 1, &log->allocated);
    if (result >= 0) {
        (void)log->io->close(log->io, result);
        result = write_id(log);
    }
    if (result == -ENOMEM) {
        return theater__fail_nomem(err);
    }
    if (result < 0) {
        return theater__fail_errno(err, THEATER_ERR_IO, -result, "store '%s' cannot be made",
                                   log->directory);
    }
    return THEATER_OK;
}
