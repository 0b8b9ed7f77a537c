/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the moment at which a copy counts until it is the log. That moment is one rename:
 *
 *     compact/00000005.log …         written, synced, read back
 *     compacted.new                  written, synced
 *     ──────────────────────────     up to here the old log counts; an open removes the copy
 *     compacted                      the mark; from here on the copy does
 *     00000005.log …                 moved out of compact/, directory synced, all of them seen
 *     00000001.log …, index-…        removed, directory synced
 *     components/…                   removed, those that the mark names
 *     compact/                       removed, directory synced
 *     compacted                      removed, directory synced
 *
 * Every step can be done again, so an open that finds a mark does them all, wherever the last one
 * was interrupted. Nothing is removed before all that takes its place is there and whole.
 *
 * The mark and what lies in compact/ may be anyone's: files are opened without following links,
 * have to be regular ones, and are believed as far as their checksums and the store's id go. A mark
 * that is damaged is refused: whether the old log is still whole, only people can tell.
 *
 * An older program knows no marks. In a store that is half finished it finds a gap, or a segment
 * that does not follow, and refuses. If nothing was moved yet it goes on with the old log; then
 * that has grown behind the end that the mark knows, and it is the copy that is removed.
 */
#include "compact.h"

#include "crc32c.h"
#include "index.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* ---- the mark -------------------------------------------------------------------------------- */

int theater__compact_write_mark(theater__logstore *log, theater__format_mark *mark,
                                const theater_hash *components)
{
    THEATER_ASSERT(mark->components_count <= FORMAT_MARK_COMPONENTS_MAX);
    size_t size = (size_t)mark->components_count * sizeof(*components);
    mark->components_crc = theater__crc32c(log->seed, components, size);
    THEATER_AUTOFREE uint8_t *bytes = theater__alloc(FORMAT_MARK_HEADER_SIZE + size);
    THEATER_AUTOFREE char *path_new = theater__path_in(log->directory, COMPACT_MARK_NAME ".new");
    if (bytes == NULL || path_new == NULL) {
        return -ENOMEM;
    }
    theater__format_mark_encode(mark, bytes);
    if (size > 0) {
        memcpy(bytes + FORMAT_MARK_HEADER_SIZE, components, size);
    }
    (void)log->io->unlink(log->io, path_new); /* it could be a link */
    /*
     * The name of the copy's directory first: what says that it is there must not be there alone.
     */
    int result = log->io->fsync_directory(log->io, log->directory);
    return result < 0 ? result
                      : theater__replace_file(log->io, log->directory, COMPACT_MARK_NAME,
                                              (const char *)bytes, FORMAT_MARK_HEADER_SIZE + size);
}

static int load_mark(theater__io *io, const char *path, theater__buffer *bytes)
{
    int fd = io->open(io, path, O_RDONLY, 0);
    if (fd < 0) {
        return fd;
    }
    uint64_t size = 0;
    int result = io->size(io, fd, &size);
    if (result == 0 && size > FORMAT_MARK_HEADER_SIZE +
                                  (uint64_t)FORMAT_MARK_COMPONENTS_MAX * sizeof(theater_hash)) {
        result = -EINVAL;
    }
    if (result == 0 && size > 0) {
        uint8_t *data = theater__buffer_extend(bytes, (size_t)size);
        size_t got = 0;
        result = data == NULL ? -ENOMEM : theater__io_read_all(io, fd, data, (size_t)size, 0, &got);
        bytes->size = result == 0 ? got : 0;
    }
    (void)io->close(io, fd);
    return result;
}

theater_status theater__compact_read_mark(theater__io *io, const char *directory,
                                          theater__format_mark *out_mark,
                                          theater__buffer *out_digests, theater_error *err)
{
    THEATER_AUTOFREE char *path = theater__path_in(directory, COMPACT_MARK_NAME);
    if (path == NULL) {
        return theater__fail_nomem(err);
    }
    theater__buffer_clear(out_digests);
    int result = load_mark(io, path, out_digests);
    if (result == -ENOENT || result == -ENOTDIR) {
        return theater__fail(err, THEATER_ERR_NOTFOUND, "there is no '%s'", path);
    }
    if (result == -ENOMEM) {
        return theater__fail_nomem(err);
    }
    if (theater__is_denied(-result)) {
        return theater__fail_denied(err, -result, path);
    }
    if (result < 0 && result != -EINVAL && result != -THEATER__ENOTREG) {
        return theater__fail_errno(err, THEATER_ERR_IO, -result, "'%s' cannot be read", path);
    }
    theater_status status =
        result < 0 ? THEATER_ERR_CORRUPT
                   : theater__format_mark_decode(out_digests->data, out_digests->size, out_mark);
    if (status == THEATER_ERR_UNSUPPORTED) {
        return theater__fail(err, status, "'%s' is newer than this program", path);
    }
    size_t size = out_digests->size - FORMAT_MARK_HEADER_SIZE;
    if (status != THEATER_OK ||
        out_mark->components_crc != theater__crc32c(theater__format_seed(out_mark->store_id),
                                                    out_digests->data + FORMAT_MARK_HEADER_SIZE,
                                                    size)) {
        return theater__fail(err, THEATER_ERR_CORRUPT,
                             "'%s' is damaged; restore the store from a backup", path);
    }
    memmove(out_digests->data, out_digests->data + FORMAT_MARK_HEADER_SIZE, size);
    out_digests->size = size;
    return THEATER_OK;
}

/* ---- removing a copy ------------------------------------------------------------------------- */

/* Removes DIR/compact with what is in it. */
static int remove_copy(theater__logstore *log)
{
    THEATER_AUTOFREE char *path = theater__path_in(log->directory, COMPACT_NAME);
    if (path == NULL) {
        return -ENOMEM;
    }
    int result = log->io->is_directory(log->io, path);
    if (result < 0) {
        return result == -ENOENT ? 0 : result;
    }
    result = theater__remove_files(log->io, path);
    /* Of one that may not be read nothing is known; if it is empty it can be removed. */
    return result == 0 || theater__is_denied(-result) ? log->io->rmdir(log->io, path) : result;
}

int theater__compact_discard(theater__logstore *log)
{
    THEATER_AUTOFREE char *path_new = theater__path_in(log->directory, COMPACT_MARK_NAME ".new");
    if (path_new == NULL) {
        return -ENOMEM;
    }
    (void)log->io->unlink(log->io, path_new);
    int result = remove_copy(log);
    return result == 0 ? log->io->fsync_directory(log->io, log->directory) : result;
}

/* Nobody is kept from working by what is left in a directory that is no part of the log any more:
 * the next open tries again. */
static void tell_left(const theater__logstore *log)
{
    theater__log_write(&log->base.log, THEATER_LOG_WARNING,
                       "store '%s': '" COMPACT_NAME
                       "', which a compaction left, cannot be removed; "
                       "see what is in it",
                       log->directory);
}

/* Somebody put other things there: a directory, or a file that stays while it is open elsewhere. */
static bool is_of_others(int result)
{
    return result == -EISDIR || result == -ENOTEMPTY || result == -EEXIST || result == -EPERM ||
           result == -EACCES;
}

/* ---- the copy takes the log's place ---------------------------------------------------------- */

static theater_status fail_finish(const theater__logstore *log, int result, theater_error *err)
{
    return result == -ENOMEM
               ? theater__fail_nomem(err)
               : theater__fail_errno(err, THEATER_ERR_IO, -result,
                                     "the compaction of store '%s' cannot be finished; the next "
                                     "open goes on with it",
                                     log->directory);
}

static theater_status fail_missing(const theater__logstore *log, uint32_t number,
                                   theater_error *err)
{
    char name[SEGMENT_NAME_SIZE];
    theater__segment_name(number, name);
    return theater__fail(err, THEATER_ERR_CORRUPT,
                         "store '%s' is damaged: it was compacted, and %s is missing or no segment "
                         "of it; restore it from a backup",
                         log->directory, name);
}

/* Whether segment `number` of the copy is a file in directory; 1, 0 or -errno. */
static int is_there(theater__logstore *log, const char *directory, uint32_t number)
{
    char name[SEGMENT_NAME_SIZE];
    theater__segment_name(number, name);
    THEATER_AUTOFREE char *path = theater__path_in(directory, name);
    if (path == NULL) {
        return -ENOMEM;
    }
    int fd = log->io->open(log->io, path, O_RDONLY, 0);
    if (fd == -ENOENT || fd == -ENOTDIR) {
        return 0;
    }
    uint64_t size = 0;
    int result = fd < 0 ? fd : log->io->size(log->io, fd, &size);
    if (fd >= 0) {
        (void)log->io->close(log->io, fd);
    }
    theater__format_segment header;
    if (result == 0) {
        result = theater__segment_header(log->io, directory, number, &header);
    }
    if (result == 0 && memcmp(header.store_id, log->store_id, sizeof(header.store_id)) != 0) {
        result = -EBADMSG;
    }
    return result < 0 ? result : 1;
}

/* Sees that each segment of the copy is in one of the two directories, in front of any change. */
static theater_status check_all_there(theater__logstore *log, const char *compact,
                                      const theater__format_mark *mark, theater_error *err)
{
    int result = log->io->is_directory(log->io, compact);
    if (theater__is_denied(-result)) {
        return theater__fail_denied(err, -result, compact);
    }
    if (result < 0 && result != -ENOENT) {
        return theater__fail(err, THEATER_ERR_CORRUPT, "'%s' is not a directory", compact);
    }
    for (uint32_t number = mark->new_first; number <= mark->new_last; number++) {
        const char *directory = compact;
        result = is_there(log, compact, number);
        if (result == 0) {
            directory = log->directory;
            result = is_there(log, directory, number);
        }
        if (result == -ENOMEM) {
            return theater__fail_nomem(err);
        }
        if (theater__is_denied(-result)) {
            return theater__fail_denied_segment(err, -result, directory, number);
        }
        if (result <= 0) {
            return fail_missing(log, number, err);
        }
    }
    return THEATER_OK;
}

/* The last one first: whoever sees the first one sees them all. */
static int move_all(theater__logstore *log, const char *compact, const theater__format_mark *mark)
{
    for (uint32_t number = mark->new_last; number >= mark->new_first; number--) {
        char name[SEGMENT_NAME_SIZE];
        theater__segment_name(number, name);
        THEATER_AUTOFREE char *from = theater__path_in(compact, name);
        THEATER_AUTOFREE char *to = theater__path_in(log->directory, name);
        if (from == NULL || to == NULL) {
            return -ENOMEM;
        }
        int result = log->io->rename(log->io, from, to);
        if (result < 0 && result != -ENOENT && result != -ENOTDIR) {
            return result;
        }
    }
    return log->io->fsync_directory(log->io, log->directory);
}

static theater_status visit_nothing(uint64_t place, const theater__format_record *record,
                                    void *userdata, theater_error *err)
{
    (void)place;
    (void)record;
    (void)userdata;
    (void)err;
    return THEATER_OK;
}

/* The copy as the log, read whole: it may have lain there for a while. */
static theater_status check_whole(theater__logstore *log, const theater__format_mark *mark,
                                  theater_error *err)
{
    theater__compact_progress silent = {0};
    theater__compact_walk walk = {
        .log = log,
        .directory = log->directory,
        .first = mark->new_first,
        .last = mark->new_last,
        .visit = visit_nothing,
        .progress = &silent,
    };
    theater_status status = theater__compact_walk_log(&walk, err);
    if (status == THEATER_OK && walk.sequence != mark->new_sequence) {
        status = fail_missing(log, mark->new_last, err);
    }
    return status;
}

/* Segments in front of the copy, and all indexes: they tell of these. */
static int remove_old(theater__logstore *log, const theater__format_mark *mark)
{
    uint32_t *numbers = NULL;
    size_t count = 0;
    theater__log_span *spans = NULL;
    size_t spans_count = 0;
    int result = theater__index_list(log->io, log->directory, &spans, &spans_count);
    for (size_t i = 0; i < spans_count && result == 0; i++) {
        result = theater__index_remove(log, &spans[i]);
    }
    theater__free(spans);
    if (result == 0 &&
        theater__segment_list(log->io, log->directory, &numbers, &count, NULL) != THEATER_OK) {
        result = -EIO;
    }
    for (size_t i = 0; i < count && result == 0; i++) {
        if (numbers[i] < mark->new_first) {
            char name[SEGMENT_NAME_SIZE];
            theater__segment_name(numbers[i], name);
            THEATER_AUTOFREE char *path = theater__path_in(log->directory, name);
            result = path == NULL ? -ENOMEM : log->io->unlink(log->io, path);
        }
    }
    theater__free(numbers);
    return result == 0 ? log->io->fsync_directory(log->io, log->directory) : result;
}

static int remove_components(theater__logstore *log, const theater_hash *digests, uint32_t count)
{
    THEATER_AUTOFREE char *directory = theater__path_in(log->directory, "components");
    if (directory == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        char name[THEATER_HASH_TEXT_SIZE + 8];
        char text[THEATER_HASH_TEXT_SIZE];
        theater_hash_format(&digests[i], text);
        (void)snprintf(name, sizeof(name), "%s.wasm", text);
        THEATER_AUTOFREE char *path = theater__path_in(directory, name);
        int result = path == NULL ? -ENOMEM : log->io->unlink(log->io, path);
        if (result < 0 && result != -ENOENT) {
            return result;
        }
    }
    return count > 0 ? log->io->fsync_directory(log->io, directory) : 0;
}

static int remove_mark(theater__logstore *log)
{
    THEATER_AUTOFREE char *path = theater__path_in(log->directory, COMPACT_MARK_NAME);
    int result = path == NULL ? -ENOMEM : log->io->unlink(log->io, path);
    return result == 0 ? log->io->fsync_directory(log->io, log->directory) : result;
}

theater_status theater__compact_finish(theater__logstore *log, const theater__format_mark *mark,
                                       const theater_hash *components, bool checked,
                                       theater_error *err)
{
    THEATER_AUTOFREE char *compact = theater__path_in(log->directory, COMPACT_NAME);
    if (compact == NULL) {
        return theater__fail_nomem(err);
    }
    theater_status status = check_all_there(log, compact, mark, err);
    if (status != THEATER_OK) {
        return status;
    }
    int result = move_all(log, compact, mark);
    if (result == 0 && !checked) {
        status = check_whole(log, mark, err);
        if (status != THEATER_OK) {
            return status;
        }
    }
    if (result == 0) {
        result = remove_old(log, mark);
    }
    if (result == 0) {
        result = remove_components(log, components, mark->components_count);
    }
    if (result == 0) {
        result = theater__compact_discard(log);
        if (is_of_others(result)) {
            tell_left(log);
            result = 0;
        }
    }
    if (result == 0) {
        result = remove_mark(log);
    }
    return result < 0 ? fail_finish(log, result, err) : THEATER_OK;
}

/* ---- at an open ------------------------------------------------------------------------------ */

/* Whether a program that knows no marks has gone on with the log that was copied. */
static theater_status has_gone_on(theater__logstore *log, const theater__format_mark *mark,
                                  bool *out_gone_on, theater_error *err)
{
    theater__buffer bytes = {0};
    *out_gone_on = false;
    theater_status status =
        theater__segment_load(log->io, log->directory, mark->old_last, &bytes, err);
    if (status == THEATER_OK) {
        theater__scan scan;
        theater__format_group group;
        size_t at = FORMAT_SEGMENT_HEADER_SIZE;
        theater__scan_init(&scan, log->seed, mark->old_last, bytes.data, bytes.size);
        while ((at = theater__scan_find_group(&scan, at, &group)) != SIZE_MAX) {
            *out_gone_on = *out_gone_on || group.sequence > mark->old_sequence;
            at += FORMAT_ALIGNMENT;
        }
    }
    theater__buffer_deinit(&bytes);
    /* Or with a segment that has the number of the copy's first one, which begins a log. */
    theater__format_segment header;
    if (theater__segment_header(log->io, log->directory, mark->new_first, &header) == 0 &&
        header.previous_group != THEATER__PLACE_NONE) {
        *out_gone_on = true;
    }
    /* It is gone: then the copy's segments are all in its place already. */
    return status == THEATER_ERR_NOTFOUND ? THEATER_OK : status;
}

static theater_status give_up(theater__logstore *log, theater_error *err)
{
    theater__log_write(&log->base.log, THEATER_LOG_WARNING,
                       "store '%s': it was written to since it was compacted; what was compacted "
                       "is removed, prune again",
                       log->directory);
    int result = remove_mark(log);
    if (result == 0) {
        result = theater__compact_discard(log);
    }
    return result < 0 ? fail_finish(log, result, err) : THEATER_OK;
}

/* Without a mark, what was copied is nothing. Nobody is kept from working by it. */
static theater_status remove_unfinished(theater__logstore *log)
{
    THEATER_AUTOFREE char *path = theater__path_in(log->directory, COMPACT_NAME);
    if (path == NULL || log->io->is_directory(log->io, path) == -ENOENT) {
        return THEATER_OK;
    }
    if (theater__compact_discard(log) < 0) {
        tell_left(log);
    }
    return THEATER_OK;
}

theater_status theater__compact_settle(theater__logstore *log, theater_error *err)
{
    theater__format_mark mark = {0};
    theater__buffer digests = {0};
    theater_error none = THEATER_ERROR_INIT;
    bool gone_on = false;
    theater_status status =
        theater__compact_read_mark(log->io, log->directory, &mark, &digests, &none);
    if (status == THEATER_ERR_NOTFOUND) {
        theater__buffer_deinit(&digests);
        return remove_unfinished(log);
    }
    if (status == THEATER_OK && memcmp(mark.store_id, log->store_id, sizeof(mark.store_id)) != 0) {
        status =
            theater__fail(&none, THEATER_ERR_CORRUPT,
                          "'%s/" COMPACT_MARK_NAME "' belongs to another store", log->directory);
    }
    if (status != THEATER_OK) {
        if (err != NULL) {
            *err = none;
        }
    } else {
        status = has_gone_on(log, &mark, &gone_on, err);
    }
    if (status == THEATER_OK) {
        /* Digests are bytes: any place is aligned for them. */
        status = gone_on
                     ? give_up(log, err)
                     : theater__compact_finish(log, &mark, (const void *)digests.data, false, err);
    }
    theater__buffer_deinit(&digests);
    return status;
}
