/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The actors of a log from outside, each with how it stands: no lock, no trust, nothing written.
 *
 *     index-00000001-00000040.idx ──> taken over, if it is whole     (segments 1 to 40: headers)
 *     index-00000041-00000041.idx     damaged, or gone: not used
 *     00000041.log, 00000042.log  ──> walked, record by record
 *
 * So a listing costs what a start does, and gives what a walk over the whole log would: an index is
 * made of records that were checked. What is broken inside of segments that an index stands for is
 * not looked for; that is verify's.
 *
 * The log may be in use. A group counts if it is whole, or if something follows it: only then is it
 * not being written. Damage is what lies in front of a place that a later group calls durable, and
 * is believed when a second look finds the same: indexes are merged, and bytes are written, while
 * they are read; if the log was compacted meanwhile, the look is none. The actors that can be read
 * are given in any case, in the order of their ids.
 */
#include "compact.h"
#include "index.h"

#include <base/alloc.h>
#include <base/error.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Looks until two agree; a log that is written faster than it is read is believed after these. */
#define LIST_LOOKS_MAX 6

/* The first thing that is broken; it counts once a later group says that it was durable. */
typedef struct damage {
    bool is_found;
    bool is_promised;
    uint64_t place;
    char text[THEATER_ERROR_MESSAGE_MAX];
} damage;

typedef struct listing {
    theater__io *io;
    const char *directory;
    uint32_t seed;
    bool without_indexes;
    theater__log_view log;
    theater__log_span *spans;
    size_t spans_count;
    theater__buffer bytes; /* of the segment at hand */
    theater__log_actors actors;
    damage broken;
} listing;

static void listing_deinit(listing *list)
{
    theater__free(list->log.numbers);
    theater__free(list->spans);
    theater__buffer_deinit(&list->bytes);
    theater__log_actors_deinit(&list->actors);
}

/* ---- damage ---------------------------------------------------------------------------------- */

static void note(listing *list, uint64_t place, const char *what)
{
    damage *broken = &list->broken;
    if (broken->is_found) {
        return;
    }
    char name[SEGMENT_NAME_SIZE];
    theater__segment_name(format_place_segment(place), name);
    broken->is_found = true;
    broken->place = place;
    (void)snprintf(broken->text, sizeof(broken->text), "%s at %s:%llu", what, name,
                   (unsigned long long)format_place_offset(place));
}

/* What a group says of the places in front of it. */
static void hear(listing *list, const theater__format_group *group)
{
    damage *broken = &list->broken;
    /* A segment's header is synced before its first group is written. */
    bool is_behind_header = format_place_offset(broken->place) == 0 && group->place > broken->place;
    if (broken->is_found && (is_behind_header || group->durable_upto > broken->place)) {
        broken->is_promised = true;
    }
}

/* ---- what is there --------------------------------------------------------------------------- */

/* OK; CORRUPT, UNSUPPORTED, or IO if it cannot be read at all; and what ends the look. */
static theater_status read_header(const listing *list, uint32_t number,
                                  theater__format_segment *out_header, theater_error *error)
{
    uint8_t bytes[FORMAT_SEGMENT_HEADER_SIZE];
    size_t got = 0;
    int result = theater__view_head(&list->log, list->io, list->directory, number, bytes,
                                    sizeof(bytes), &got);
    if (result == -ENOMEM) {
        return theater__fail_nomem(error);
    }
    if (theater__is_denied(-result)) {
        return theater__fail_denied_segment(error, -result, list->directory, number);
    }
    return result < 0 ? THEATER_ERR_IO : theater__format_segment_decode(bytes, got, out_header);
}

/* From the id in the first intact segment header, else the one in store.id. */
static theater_status find_seed(listing *list, theater_error *err)
{
    for (size_t i = 0; i < list->log.count; i++) {
        theater__format_segment header;
        theater_error error = THEATER_ERROR_INIT;
        theater_status status = read_header(list, list->log.numbers[i], &header, &error);
        if (theater__ends_look(&error)) {
            return theater__fail_as(err, &error);
        }
        if (status == THEATER_ERR_UNSUPPORTED) {
            return theater__fail(err, status, "store '%s' was written by a newer version",
                                 list->directory);
        }
        if (status == THEATER_OK) {
            list->seed = theater__format_seed(header.store_id);
            return THEATER_OK;
        }
    }
    uint8_t id[FORMAT_STORE_ID_SIZE];
    theater_status status = theater__store_id_read(list->io, list->directory, id, err);
    if (status == THEATER_OK) {
        list->seed = theater__format_seed(id);
    }
    return status;
}

static theater_status find_files(listing *list, theater_error *err)
{
    theater_status status = theater__view_open(list->io, list->directory, &list->log, err);
    if (status == THEATER_OK && list->log.count == 0) {
        status =
            theater__fail(err, THEATER_ERR_NOTFOUND, "there is no store at '%s'", list->directory);
    }
    if (status == THEATER_OK && !list->without_indexes) {
        /* Without them it is slower, not worse. */
        (void)theater__index_list(list->io, list->directory, &list->spans, &list->spans_count);
    }
    return status == THEATER_OK ? find_seed(list, err) : status;
}

/* ---- one segment ----------------------------------------------------------------------------- */

/* Takes over the intact records in [from, to) of one group. False without memory. */
static bool take_group(listing *list, const theater__scan *scan, size_t from, size_t to)
{
    theater__scan inside = *scan;
    inside.offset = from;
    inside.group_end = to;
    theater__scan_item item;
    while (inside.offset < to && theater__scan_next(&inside, &item)) {
        if (item.type == SCAN_RECORD &&
            !theater__log_actors_put_record(&list->actors, item.place, &item.record)) {
            return false;
        }
    }
    return true;
}

/* False without memory. */
static bool take_segment(listing *list, uint32_t number, bool is_last)
{
    const theater__buffer *bytes = &list->bytes;
    theater__scan scan;
    theater__scan_init(&scan, list->seed, number, bytes->data, bytes->size);
    size_t offset = FORMAT_SEGMENT_HEADER_SIZE;
    while (offset < bytes->size) {
        theater__format_group group;
        size_t bad = 0;
        size_t begin = offset + FORMAT_GROUP_HEADER_SIZE;
        size_t end = SIZE_MAX;
        if (theater__scan_group_intact(&scan, offset, &group, &bad)) {
            hear(list, &group);
            end = begin + group.size;
        } else if (theater__all_zero(bytes->data + offset, bytes->size - offset)) {
            return true;
        } else {
            note(list, format_place(number, bad), bad == offset ? "a group" : "a record");
            end = theater__scan_find_group(&scan, offset + FORMAT_ALIGNMENT, &group);
            end = end == SIZE_MAX && !is_last ? bytes->size : end;
        }
        if (end == SIZE_MAX) {
            return true;
        }
        if (begin < end && !take_group(list, &scan, begin, end)) {
            return false;
        }
        offset = end;
    }
    return true;
}

static void check_header(listing *list, uint32_t number, theater_status status,
                         const theater__format_segment *header)
{
    if (status != THEATER_OK || header->number != number ||
        theater__format_seed(header->store_id) != list->seed) {
        note(list, format_place(number, 0), "the segment's header");
    } else if (number == list->log.numbers[0] && header->previous_group != THEATER__PLACE_NONE) {
        note(list, format_place(number, 0), "segments are missing in front");
    }
}

static theater_status walk_segment(listing *list, size_t index, theater_error *err)
{
    uint32_t number = list->log.numbers[index];
    theater_error error = THEATER_ERROR_INIT;
    theater_status status =
        theater__view_load(&list->log, list->io, list->directory, number, &list->bytes, &error);
    if (status != THEATER_OK && theater__ends_look(&error)) {
        return theater__fail_as(err, &error);
    }
    if (status != THEATER_OK) {
        /* There is no group that could promise it, and none is needed: the file is there. */
        note(list, format_place(number, 0), "the segment");
        list->broken.is_promised = true;
        return THEATER_OK;
    }
    theater__format_segment header = {0};
    check_header(list, number,
                 theater__format_segment_decode(list->bytes.data, list->bytes.size, &header),
                 &header);
    return take_segment(list, number, index + 1 == list->log.count) ? THEATER_OK
                                                                    : theater__fail_nomem(err);
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* The best index that begins at this segment; *out_to is 0 if there is none that can be used. */
static theater_status use_index(listing *list, uint32_t number, uint32_t *out_to,
                                theater_error *err)
{
    theater__index_source from = {list->io, list->directory, list->seed};
    uint32_t last = list->log.numbers[list->log.count - 1];
    *out_to = 0;
    for (size_t i = 0; i < list->spans_count; i++) {
        const theater__log_span *span = &list->spans[i];
        theater__format_index index;
        bool is_nomem = false;
        if (span->from != number || span->to >= last) {
            continue;
        }
        if (theater__index_read(&from, span, &list->actors, &index, &is_nomem)) {
            *out_to = index.to;
            return THEATER_OK;
        }
        if (is_nomem) {
            return theater__fail_nomem(err);
        }
    }
    return THEATER_OK;
}

static void check_gap(listing *list, size_t index)
{
    if (index > 0 && list->log.numbers[index] != list->log.numbers[index - 1] + 1) {
        note(list, format_place(list->log.numbers[index - 1] + 1, 0), "a segment is missing:");
    }
}

/*
 * Of the segments that an index stands for, from *index on, there are only the headers to be seen.
 * *index is the last of them then.
 */
static theater_status look_at_headers(listing *list, size_t *index, uint32_t to, theater_error *err)
{
    const theater__log_view *log = &list->log;
    size_t first = *index;
    for (size_t i = first; i < log->count && log->numbers[i] <= to; i++) {
        theater__format_segment header = {0};
        theater_error error = THEATER_ERROR_INIT;
        if (i > first) {
            check_gap(list, i);
        }
        theater_status status = read_header(list, log->numbers[i], &header, &error);
        if (theater__ends_look(&error)) {
            return theater__fail_as(err, &error);
        }
        check_header(list, log->numbers[i], status, &header);
        list->broken.is_promised = list->broken.is_found; /* all of them were durable */
        *index = i;
    }
    return THEATER_OK;
}

static theater_status look(listing *list, theater_error *err)
{
    theater_status status = find_files(list, err);
    for (size_t i = 0; status == THEATER_OK && i < list->log.count; i++) {
        uint32_t to = 0;
        check_gap(list, i);
        status = use_index(list, list->log.numbers[i], &to, err);
        if (status == THEATER_OK) {
            status = to == 0 ? walk_segment(list, i, err) : look_at_headers(list, &i, to, err);
        }
    }
    return status;
}

static int compare_actors(const void *left, const void *right)
{
    const theater__recovered *a = left;
    const theater__recovered *b = right;
    return memcmp(&a->actor, &b->actor, sizeof(a->actor));
}

static theater_status give(listing *list, theater__store_list_fn *visit, void *userdata,
                           theater_error *err)
{
    theater__log_actors *actors = &list->actors;
    if (actors->count > 1) {
        qsort(actors->items, actors->count, sizeof(actors->items[0]), compare_actors);
    }
    for (uint32_t i = 0; i < actors->count; i++) {
        if (visit(&actors->items[i], userdata) != 0) {
            return theater__fail(err, THEATER_ERR_CANCELLED, "the listing was stopped");
        }
    }
    return list->broken.is_promised
               ? theater__fail(err, THEATER_ERR_CORRUPT,
                               "store '%s' is damaged: %s; run 'theater verify'", list->directory,
                               list->broken.text)
               : THEATER_OK;
}

theater_status theater__logstore_list_with(const char *directory, bool without_indexes,
                                           theater__store_list_fn *visit, void *userdata,
                                           theater_error *err)
{
    char before[THEATER_ERROR_MESSAGE_MAX] = "";
    unsigned compactions = 0;
    for (int i = 1;; i++) {
        listing list = {
            .io = theater__io_system(), .directory = directory, .without_indexes = without_indexes};
        theater__log_actors_init(&list.actors);
        uint32_t first = theater__view_first(list.io, directory);
        theater_status status = look(&list, err);
        bool is_none = theater__view_first(list.io, directory) != first;
        bool is_sure = !is_none && (status != THEATER_OK || !list.broken.is_promised ||
                                    i >= LIST_LOOKS_MAX || strcmp(before, list.broken.text) == 0);
        compactions += is_none;
        if (status == THEATER_OK && is_sure) {
            status = give(&list, visit, userdata, err);
        }
        memcpy(before, list.broken.text, sizeof(before));
        listing_deinit(&list);
        if (is_sure) {
            return status;
        }
        if (compactions == VIEW_LOOKS_MAX) {
            return theater__view_fail_busy(directory, err);
        }
    }
}

theater_status theater__logstore_list(const char *directory, theater__store_list_fn *visit,
                                      void *userdata, theater_error *err)
{
    return theater__logstore_list_with(directory, false, visit, userdata, err);
}
