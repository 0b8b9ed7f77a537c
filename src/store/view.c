/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files are the log, for whoever looks without the lock. Mostly all segments that there are.
 * But a compaction may be under way, or have been interrupted: from the moment its mark is there,
 * the log is the copy, each segment of which is in DIR/compact or already in DIR. And what was
 * listed may be gone when it is read: then the log begins with another segment than before, and the
 * look begins again.
 *
 *     first = theater__view_first()  ──>  look  ──>  theater__view_first() == first ?
 */
#include "compact.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

static int read_head(theater__io *io, const char *directory, uint32_t number, uint8_t *data,
                     size_t size, size_t *out_got)
{
    char name[SEGMENT_NAME_SIZE];
    theater__segment_name(number, name);
    THEATER_AUTOFREE char *path = theater__path_in(directory, name);
    int fd = path == NULL ? -ENOMEM : io->open(io, path, O_RDONLY, 0);
    if (fd < 0) {
        return fd;
    }
    int result = theater__io_read_all(io, fd, data, size, 0, out_got);
    (void)io->close(io, fd);
    return result;
}

/*
 * OK: it is in DIR or in DIR/compact; and if it is in neither, it was moved in between. IO if it
 * may not be read; NOTFOUND for whatever else.
 */
static theater_status find_segment(theater__io *io, const char *directory, uint32_t number,
                                   theater_error *err)
{
    THEATER_AUTOFREE char *compact = theater__path_in(directory, COMPACT_NAME);
    const char *const places[] = {directory, compact, directory};
    uint8_t byte = 0;
    size_t got = 0;
    for (unsigned i = 0; i < 3 && compact != NULL; i++) {
        int result = read_head(io, places[i], number, &byte, 1, &got);
        if (theater__is_denied(-result)) {
            return theater__fail_denied_segment(err, -result, places[i], number);
        }
        if (result == 0) {
            return THEATER_OK;
        }
    }
    return compact == NULL ? theater__fail_nomem(err) : THEATER_ERR_NOTFOUND;
}

/*
 * The mark, if there is one that is this store's and tells of what is there: anyone may have made
 * it, and it can name millions of segments. NOTFOUND, without words: there is none. IO: it, or what
 * it tells of, may not be read, so what the log is cannot be known.
 */
static theater_status find_mark(theater__io *io, const char *directory,
                                theater__format_mark *out_mark, theater_error *err)
{
    theater__buffer digests = {0};
    uint8_t id[FORMAT_STORE_ID_SIZE];
    theater_error error = THEATER_ERROR_INIT;
    theater_status status = theater__compact_read_mark(io, directory, out_mark, &digests, &error);
    theater__buffer_deinit(&digests);
    if (status == THEATER_OK && theater__store_id_read(io, directory, id, NULL) == THEATER_OK &&
        memcmp(id, out_mark->store_id, sizeof(id)) != 0) {
        return THEATER_ERR_NOTFOUND;
    }
    if (status == THEATER_OK) {
        status = find_segment(io, directory, out_mark->new_first, &error);
    }
    if (status == THEATER_OK) {
        status = find_segment(io, directory, out_mark->new_last, &error);
    }
    if (status == THEATER_OK) {
        return status;
    }
    return theater__ends_look(&error) ? theater__fail_as(err, &error) : THEATER_ERR_NOTFOUND;
}

static theater_status number_all(const theater__format_mark *mark, theater__log_view *out_view,
                                 theater_error *err)
{
    size_t count = (size_t)(mark->new_last - mark->new_first) + 1;
    out_view->numbers = theater__alloc_zeroed(count, sizeof(out_view->numbers[0]));
    if (out_view->numbers == NULL) {
        return theater__fail_nomem(err);
    }
    for (size_t i = 0; i < count; i++) {
        out_view->numbers[i] = mark->new_first + (uint32_t)i;
    }
    out_view->count = count;
    out_view->is_marked = true;
    return THEATER_OK;
}

theater_status theater__view_open(theater__io *io, const char *directory,
                                  theater__log_view *out_view, theater_error *err)
{
    memset(out_view, 0, sizeof(*out_view));
    theater__format_mark mark = {0};
    theater_status status = find_mark(io, directory, &mark, err);
    if (status == THEATER_ERR_NOTFOUND) {
        return theater__segment_list(io, directory, &out_view->numbers, &out_view->count, err);
    }
    return status == THEATER_OK ? number_all(&mark, out_view, err) : status;
}

theater_status theater__view_load(const theater__log_view *view, theater__io *io,
                                  const char *directory, uint32_t number,
                                  theater__buffer *out_bytes, theater_error *err)
{
    if (!view->is_marked) {
        return theater__segment_load(io, directory, number, out_bytes, err);
    }
    theater_error error = THEATER_ERROR_INIT;
    theater_status status = theater__segment_load(io, directory, number, out_bytes, &error);
    THEATER_AUTOFREE char *compact = theater__path_in(directory, COMPACT_NAME);
    if (compact == NULL) {
        return theater__fail_nomem(err);
    }
    if (status == THEATER_ERR_NOTFOUND) {
        status = theater__segment_load(io, compact, number, out_bytes, &error);
    }
    if (status != THEATER_OK && theater__ends_look(&error)) {
        return theater__fail_as(err, &error);
    }
    /* If it is in neither, it was moved in between. */
    return status == THEATER_OK ? status
                                : theater__segment_load(io, directory, number, out_bytes, err);
}

int theater__view_head(const theater__log_view *view, theater__io *io, const char *directory,
                       uint32_t number, uint8_t *data, size_t size, size_t *out_got)
{
    int result = read_head(io, directory, number, data, size, out_got);
    if (result != -ENOENT || !view->is_marked) {
        return result;
    }
    THEATER_AUTOFREE char *compact = theater__path_in(directory, COMPACT_NAME);
    result = compact == NULL ? -ENOMEM : read_head(io, compact, number, data, size, out_got);
    /* If it is in neither, it was moved in between. */
    return result == -ENOENT ? read_head(io, directory, number, data, size, out_got) : result;
}

uint32_t theater__view_first(theater__io *io, const char *directory)
{
    theater__format_mark mark = {0};
    theater_status status = find_mark(io, directory, &mark, NULL);
    if (status != THEATER_ERR_NOTFOUND) {
        return status == THEATER_OK ? mark.new_first : 0;
    }
    uint32_t *numbers = NULL;
    size_t count = 0;
    if (theater__segment_list(io, directory, &numbers, &count, NULL) != THEATER_OK) {
        return 0;
    }
    uint32_t first = count > 0 ? numbers[0] : 0;
    theater__free(numbers);
    return first;
}

theater_status theater__view_fail_busy(const char *directory, theater_error *err)
{
    return theater__fail(err, THEATER_ERR_STORE,
                         "store '%s' is busy: it is compacted again and again while it is looked "
                         "at; try again",
                         directory);
}
