/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking through the bytes of one segment, intact or not. Intact pieces are given as they are;
 * where something is broken the walk says so and finds its way back: to the next group header that
 * is intact for its place, and inside a group to the next such record. Both carry the store's id
 * and their own place in their CRC, so neither old bytes nor a guest's payload that imitates the
 * format is taken for a continuation.
 *
 * The bytes may be anyone's. Looking for a record costs a CRC over every candidate's size, which a
 * hostile file could make quadratic: it has a budget, and what is not found within it is damage.
 */
#include "logstore.h"

#include <base/assert.h>
#include <string.h>

/* Times the segment's own size that looking for records may read. */
#define SCAN_BUDGET_FACTOR 8u

bool theater__all_zero(const uint8_t *data, size_t size)
{
    /* Compared with itself one byte further on: as fast as memcmp is. */
    return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

void theater__scan_init(theater__scan *scan, uint32_t seed, uint32_t segment, const uint8_t *data,
                        size_t size)
{
    THEATER_ASSERT(segment > 0);
    memset(scan, 0, sizeof(*scan));
    scan->data = data;
    scan->size = size;
    scan->segment = segment;
    scan->seed = seed;
    scan->offset = FORMAT_SEGMENT_HEADER_SIZE;
    scan->budget = (uint64_t)size * SCAN_BUDGET_FACTOR;
}

static bool group_at(const theater__scan *scan, size_t offset, theater__format_group *out_group)
{
    if (offset >= scan->size || scan->size - offset < FORMAT_GROUP_HEADER_SIZE) {
        return false;
    }
    return theater__format_group_decode(scan->seed, format_place(scan->segment, offset),
                                        scan->data + offset, scan->size - offset, out_group);
}

size_t theater__scan_find_group(const theater__scan *scan, size_t offset,
                                theater__format_group *out_group)
{
    while (offset < scan->size && scan->size - offset >= FORMAT_GROUP_HEADER_SIZE) {
        if (group_at(scan, offset, out_group)) {
            return offset;
        }
        offset += FORMAT_ALIGNMENT;
    }
    return SIZE_MAX;
}

bool theater__scan_group_intact(const theater__scan *scan, size_t offset,
                                theater__format_group *out_group, size_t *out_bad)
{
    *out_bad = offset;
    if (!group_at(scan, offset, out_group) ||
        out_group->size > scan->size - offset - FORMAT_GROUP_HEADER_SIZE) {
        return false;
    }
    size_t at = offset + FORMAT_GROUP_HEADER_SIZE;
    size_t end = at + out_group->size;
    for (uint32_t i = 0; i < out_group->records_count; i++) {
        theater__format_record record;
        *out_bad = at;
        if (!theater__format_record_decode(scan->seed, format_place(scan->segment, at),
                                           scan->data + at, end - at, &record)) {
            return false;
        }
        at += record.size;
    }
    *out_bad = at;
    return at == end;
}

/* Between groups: the next group, a damaged one, or the tail. */
static bool next_group(theater__scan *scan, theater__scan_item *item)
{
    if (scan->offset >= scan->size) {
        return false;
    }
    item->place = format_place(scan->segment, scan->offset);
    item->data = scan->data + scan->offset;
    size_t left = scan->size - scan->offset;
    if (group_at(scan, scan->offset, &item->group) &&
        item->group.size <= left - FORMAT_GROUP_HEADER_SIZE) {
        item->type = SCAN_GROUP;
        item->size = FORMAT_GROUP_HEADER_SIZE + item->group.size;
        scan->group_bad = false;
        scan->group_end = scan->offset + item->size;
        scan->offset += FORMAT_GROUP_HEADER_SIZE;
        return true;
    }
    theater__format_group group;
    size_t found = theater__scan_find_group(scan, scan->offset + FORMAT_ALIGNMENT, &group);
    if (found == SIZE_MAX) {
        item->type = SCAN_TAIL;
        item->size = left;
        scan->offset = scan->size;
        return !theater__all_zero(item->data, item->size);
    }
    item->type = SCAN_BAD_GROUP;
    item->size = found - scan->offset;
    scan->group_bad = true;
    scan->group_end = found;
    /* Its records begin behind its header, if they are still there. */
    scan->offset += item->size < FORMAT_GROUP_HEADER_SIZE ? item->size : FORMAT_GROUP_HEADER_SIZE;
    return true;
}

static bool record_at(const theater__scan *scan, size_t offset, theater__format_record *out_record)
{
    return theater__format_record_decode(scan->seed, format_place(scan->segment, offset),
                                         scan->data + offset, scan->group_end - offset, out_record);
}

/* Where the next intact record of this group begins; the group's end if there is none. */
static size_t find_record(theater__scan *scan, size_t offset)
{
    theater__format_record record;
    while (offset < scan->group_end && scan->group_end - offset >= FORMAT_RECORD_HEADER_SIZE) {
        const uint8_t *data = scan->data + offset;
        size_t left = scan->group_end - offset;
        if (theater__format_record_peek(data, left, &record) == 0) {
            if (scan->budget < record.size) {
                break;
            }
            scan->budget -= record.size;
            if (record_at(scan, offset, &record)) {
                return offset;
            }
        }
        offset += FORMAT_ALIGNMENT;
    }
    return scan->group_end;
}

static void next_record(theater__scan *scan, theater__scan_item *item)
{
    THEATER_ASSERT(scan->offset < scan->group_end);
    item->place = format_place(scan->segment, scan->offset);
    item->data = scan->data + scan->offset;
    item->in_bad_group = scan->group_bad;
    if (record_at(scan, scan->offset, &item->record)) {
        item->type = SCAN_RECORD;
        item->size = item->record.size;
    } else {
        item->type = SCAN_BAD_RECORD;
        item->size = find_record(scan, scan->offset + FORMAT_ALIGNMENT) - scan->offset;
        if (item->size >= FORMAT_RECORD_HEADER_SIZE) {
            item->disagreements =
                theater__format_record_peek(item->data, item->size, &item->record);
        }
    }
    scan->offset += item->size;
}

bool theater__scan_next(theater__scan *scan, theater__scan_item *out_item)
{
    memset(out_item, 0, sizeof(*out_item));
    if (scan->group_end != 0 && scan->offset < scan->group_end) {
        next_record(scan, out_item);
        return true;
    }
    scan->group_end = 0;
    return next_group(scan, out_item);
}
