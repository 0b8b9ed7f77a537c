/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding and decoding of the log's pieces. Offsets are written out as numbers, in the order of
 * docs/formats/log.md, so that the two can be laid side by side.
 */
#include "format.h"

#include "crc32c.h"

#include <base/assert.h>
#include <string.h>

static const uint8_t index_magic[8] = {'T', 'h', 'e', 'a', 't', 'r', 'I', 'x'};
static const uint8_t mark_magic[8] = {'T', 'h', 'e', 'a', 't', 'r', 'C', 'p'};
static const uint8_t segment_magic[8] = {'T', 'h', 'e', 'a', 't', 'r', 'S', 'g'};
#define GROUP_MAGIC 0x50524754u /* "TGRP" */
#define GROUP_END 0x444e4547u   /* "GEND": a header whose end is missing cannot look whole */

_Static_assert(FORMAT_SEGMENT_HEADER_SIZE % FORMAT_ALIGNMENT == 0, "groups are aligned");
_Static_assert(FORMAT_GROUP_HEADER_SIZE % FORMAT_ALIGNMENT == 0, "records are aligned");
_Static_assert(FORMAT_RECORD_HEADER_SIZE % FORMAT_ALIGNMENT == 0, "frames are aligned");
_Static_assert(FORMAT_SEGMENT_SIZE_MAX < ((uint64_t)1 << 40), "offsets fit into a place");
_Static_assert(FORMAT_RECORD_SIZE_MAX < UINT32_MAX, "a record's size fits its field");

static void put_u32(uint8_t *out, uint32_t number)
{
    for (unsigned i = 0; i < 4; i++) {
        out[i] = (uint8_t)(number >> (8 * i));
    }
}

static void put_u64(uint8_t *out, uint64_t number)
{
    for (unsigned i = 0; i < 8; i++) {
        out[i] = (uint8_t)(number >> (8 * i));
    }
}

static uint32_t get_u32(const uint8_t *data)
{
    uint32_t number = 0;
    for (unsigned i = 0; i < 4; i++) {
        number |= (uint32_t)data[i] << (8 * i);
    }
    return number;
}

static uint64_t get_u64(const uint8_t *data)
{
    return get_u32(data) | (uint64_t)get_u32(data + 4) << 32;
}

static bool is_zero(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] != 0) {
            return false;
        }
    }
    return true;
}

uint32_t theater__format_seed(const uint8_t store_id[FORMAT_STORE_ID_SIZE])
{
    return theater__crc32c(0, store_id, FORMAT_STORE_ID_SIZE);
}

/* ---- segment header -------------------------------------------------------------------------- */

/* The CRC of a segment header stands at 12 and is taken over everything around it. */
static uint32_t segment_crc(const uint8_t *data)
{
    uint32_t crc = theater__crc32c(0, data, 12);
    return theater__crc32c(crc, data + 16, FORMAT_SEGMENT_HEADER_SIZE - 16);
}

void theater__format_segment_encode(const theater__format_segment *segment,
                                    uint8_t out[FORMAT_SEGMENT_HEADER_SIZE])
{
    THEATER_ASSERT(segment->number > 0);
    THEATER_ASSERT(segment->number <= FORMAT_SEGMENT_NUMBER_MAX);
    memset(out, 0, FORMAT_SEGMENT_HEADER_SIZE);
    memcpy(out, segment_magic, sizeof(segment_magic));
    put_u32(out + 8, FORMAT_VERSION);
    memcpy(out + 16, segment->store_id, FORMAT_STORE_ID_SIZE);
    put_u32(out + 32, segment->number);
    memcpy(out + 40, segment->boot, sizeof(segment->boot));
    put_u64(out + 56, segment->wall.ms);
    put_u64(out + 64, segment->first_sequence);
    put_u64(out + 72, segment->previous_group);
    put_u32(out + 12, segment_crc(out));
}

theater_status theater__format_segment_decode(const uint8_t *data, size_t size,
                                              theater__format_segment *out_segment)
{
    if (size < FORMAT_SEGMENT_HEADER_SIZE ||
        memcmp(data, segment_magic, sizeof(segment_magic)) != 0) {
        return THEATER_ERR_CORRUPT;
    }
    if (get_u32(data + 12) != segment_crc(data)) {
        return THEATER_ERR_CORRUPT;
    }
    theater__format_segment segment = {0};
    segment.version = get_u32(data + 8);
    if (segment.version > FORMAT_VERSION) {
        return THEATER_ERR_UNSUPPORTED;
    }
    memcpy(segment.store_id, data + 16, FORMAT_STORE_ID_SIZE);
    segment.number = get_u32(data + 32);
    memcpy(segment.boot, data + 40, sizeof(segment.boot));
    segment.wall.ms = get_u64(data + 56);
    segment.first_sequence = get_u64(data + 64);
    segment.previous_group = get_u64(data + 72);
    if (segment.version == 0 || segment.number == 0 || segment.number > FORMAT_SEGMENT_NUMBER_MAX ||
        segment.first_sequence == 0 || segment.first_sequence > FORMAT_SEQUENCE_LIMIT) {
        return THEATER_ERR_CORRUPT;
    }
    *out_segment = segment;
    return THEATER_OK;
}

/* ---- group header ---------------------------------------------------------------------------- */

/* The CRC of a group header stands at 4 and is taken over everything behind it. */
static uint32_t group_crc(uint32_t seed, const uint8_t *data)
{
    return theater__crc32c(seed, data + 8, FORMAT_GROUP_HEADER_SIZE - 8);
}

void theater__format_group_encode(uint32_t seed, const theater__format_group *group,
                                  uint8_t out[FORMAT_GROUP_HEADER_SIZE])
{
    THEATER_ASSERT(group->sequence > 0);
    THEATER_ASSERT(group->place % FORMAT_ALIGNMENT == 0);
    memset(out, 0, FORMAT_GROUP_HEADER_SIZE);
    put_u32(out, GROUP_MAGIC);
    put_u64(out + 8, group->sequence);
    put_u64(out + 16, group->place);
    put_u64(out + 24, group->durable_upto);
    put_u64(out + 32, group->previous);
    put_u32(out + 40, group->size);
    put_u32(out + 44, group->records_count);
    put_u32(out + 60, GROUP_END);
    put_u32(out + 4, group_crc(seed, out));
}

bool theater__format_group_decode(uint32_t seed, uint64_t place, const uint8_t *data, size_t size,
                                  theater__format_group *out_group)
{
    if (size < FORMAT_GROUP_HEADER_SIZE || get_u32(data) != GROUP_MAGIC ||
        get_u32(data + 4) != group_crc(seed, data)) {
        return false;
    }
    theater__format_group group = {
        .sequence = get_u64(data + 8),
        .place = get_u64(data + 16),
        .durable_upto = get_u64(data + 24),
        .previous = get_u64(data + 32),
        .size = get_u32(data + 40),
        .records_count = get_u32(data + 44),
    };
    if (group.place != place || group.sequence == 0 || group.sequence >= FORMAT_SEQUENCE_LIMIT ||
        group.durable_upto > place || group.size % FORMAT_ALIGNMENT != 0 ||
        (group.size == 0) != (group.records_count == 0) || !is_zero(data + 48, 12) ||
        get_u32(data + 60) != GROUP_END) {
        return false;
    }
    *out_group = group;
    return true;
}

/* ---- record ---------------------------------------------------------------------------------- */

/* The CRC of a record stands at 4; it covers the place, the size, and everything behind itself. */
static uint32_t record_crc(uint32_t seed, uint64_t place, const uint8_t *data, size_t size)
{
    uint8_t place_bytes[8];
    put_u64(place_bytes, place);
    uint32_t crc = theater__crc32c(seed, place_bytes, sizeof(place_bytes));
    crc = theater__crc32c(crc, data, 4);
    return theater__crc32c(crc, data + 8, size - 8);
}

static void put_standing(uint8_t *out, const theater__standing *standing)
{
    out[0] = (uint8_t)standing->state;
    out[1] = standing->wait_kind;
    put_u64(out + 8, standing->wait_seq);
    put_u64(out + 16, standing->call_seq);
    put_u64(out + 24, standing->delivered_seq);
    put_u64(out + 32, standing->duration_ms);
    put_u64(out + 40, standing->due_mono.ns);
    put_u64(out + 48, standing->due_wall.ms);
    memcpy(out + 56, standing->boot, sizeof(standing->boot));
    put_u64(out + 72, standing->output_seq);
}

static bool get_standing(const uint8_t *data, theater__standing *out_standing)
{
    out_standing->state = (theater__state)data[0];
    out_standing->wait_kind = data[1];
    out_standing->wait_seq = get_u64(data + 8);
    out_standing->call_seq = get_u64(data + 16);
    out_standing->delivered_seq = get_u64(data + 24);
    out_standing->duration_ms = get_u64(data + 32);
    out_standing->due_mono.ns = get_u64(data + 40);
    out_standing->due_wall.ms = get_u64(data + 48);
    memcpy(out_standing->boot, data + 56, sizeof(out_standing->boot));
    out_standing->output_seq = get_u64(data + 72);
    return data[0] >= THEATER__STATE_RUNNING && data[0] <= THEATER__STATE_ENDED &&
           is_zero(data + 2, 6);
}

/* Apart from get_standing(): of a damaged record it is asked how many of its fields are wrong. */
static bool sequences_fit(const theater__standing *standing)
{
    return standing->wait_seq < FORMAT_SEQUENCE_LIMIT &&
           standing->call_seq < FORMAT_SEQUENCE_LIMIT &&
           standing->delivered_seq < FORMAT_SEQUENCE_LIMIT &&
           standing->output_seq < FORMAT_SEQUENCE_LIMIT;
}

void theater__format_record_encode(uint32_t seed, uint64_t place,
                                   const theater__format_record *record, uint8_t *out)
{
    THEATER_ASSERT(record->size == format_record_size(record->frames.size));
    THEATER_ASSERT(place % FORMAT_ALIGNMENT == 0);
    THEATER_ASSERT(record->standing.state >= THEATER__STATE_RUNNING &&
                   record->standing.state <= THEATER__STATE_ENDED);
    memset(out, 0, FORMAT_RECORD_HEADER_SIZE);
    put_u32(out, record->size);
    out[8] = FORMAT_RECORD_BATCH;
    out[10] = (uint8_t)FORMAT_RECORD_HEADER_SIZE;
    put_u32(out + 12, record->events_count);
    memcpy(out + 16, record->actor.bytes, sizeof(record->actor.bytes));
    put_u64(out + 32, record->first_seq);
    memcpy(out + 40, record->parent.bytes, sizeof(record->parent.bytes));
    memcpy(out + 72, record->head.bytes, sizeof(record->head.bytes));
    put_u64(out + 104, record->previous);
    put_u64(out + 112, record->genesis);
    put_u64(out + 120, record->call);
    put_u32(out + 128, (uint32_t)record->frames.size);
    put_standing(out + 136, &record->standing);
    if (record->frames.size > 0) {
        memcpy(out + FORMAT_RECORD_HEADER_SIZE, record->frames.data, record->frames.size);
    }
    size_t used = FORMAT_RECORD_HEADER_SIZE + record->frames.size;
    memset(out + used, 0, record->size - used);
    put_u32(out + 4, record_crc(seed, place, out, record->size));
}

uint32_t theater__format_record_size_field(const uint8_t *data)
{
    return get_u32(data);
}

unsigned theater__format_record_peek(const uint8_t *data, size_t size,
                                     theater__format_record *out_record)
{
    THEATER_ASSERT(size >= FORMAT_RECORD_HEADER_SIZE);
    memset(out_record, 0, sizeof(*out_record));
    out_record->size = get_u32(data);
    out_record->events_count = get_u32(data + 12);
    memcpy(out_record->actor.bytes, data + 16, sizeof(out_record->actor.bytes));
    out_record->first_seq = get_u64(data + 32);
    memcpy(out_record->parent.bytes, data + 40, sizeof(out_record->parent.bytes));
    memcpy(out_record->head.bytes, data + 72, sizeof(out_record->head.bytes));
    out_record->previous = get_u64(data + 104);
    out_record->genesis = get_u64(data + 112);
    out_record->call = get_u64(data + 120);
    bool standing_fits = get_standing(data + 136, &out_record->standing);
    uint64_t frames_size = get_u32(data + 128);
    bool sizes_agree =
        out_record->size == format_record_size(frames_size) && out_record->size <= size;
    if (frames_size > size - FORMAT_RECORD_HEADER_SIZE) {
        frames_size = size - FORMAT_RECORD_HEADER_SIZE;
    }
    out_record->frames.data = data + FORMAT_RECORD_HEADER_SIZE;
    out_record->frames.size = (size_t)frames_size;
    return (unsigned)!sizes_agree + (unsigned)!standing_fits +
           (unsigned)(data[8] != FORMAT_RECORD_BATCH) + (unsigned)(data[9] != 0) +
           (unsigned)(data[10] != FORMAT_RECORD_HEADER_SIZE) + (unsigned)(data[11] != 0) +
           (unsigned)(get_u32(data + 132) != 0);
}

bool theater__format_record_decode(uint32_t seed, uint64_t place, const uint8_t *data, size_t size,
                                   theater__format_record *out_record)
{
    if (size < FORMAT_RECORD_HEADER_SIZE) {
        return false;
    }
    theater__format_record record;
    if (theater__format_record_peek(data, size, &record) > 0) {
        return false;
    }
    if (get_u32(data + 4) != record_crc(seed, place, data, record.size)) {
        return false;
    }
    /* Behind a record its actor has an event, and a next one that does not wrap. */
    if (record.first_seq >= FORMAT_SEQUENCE_LIMIT - record.events_count ||
        (record.first_seq == 0 && record.events_count == 0) ||
        (record.events_count == 0 && record.frames.size != 0) || !sequences_fit(&record.standing)) {
        return false;
    }
    *out_record = record;
    return true;
}

/* ---- index ----------------------------------------------------------------------------------- */

/* The CRC of an index header stands at 12. */
static uint32_t index_crc(uint32_t seed, const uint8_t *data)
{
    uint32_t crc = theater__crc32c(seed, data, 12);
    return theater__crc32c(crc, data + 16, FORMAT_INDEX_HEADER_SIZE - 16);
}

void theater__format_index_encode(uint32_t seed, const theater__format_index *index,
                                  uint8_t out[FORMAT_INDEX_HEADER_SIZE])
{
    THEATER_ASSERT(index->from > 0);
    THEATER_ASSERT(index->from <= index->to);
    memset(out, 0, FORMAT_INDEX_HEADER_SIZE);
    memcpy(out, index_magic, sizeof(index_magic));
    put_u32(out + 8, FORMAT_VERSION);
    put_u32(out + 16, index->from);
    put_u32(out + 20, index->to);
    put_u64(out + 24, index->count);
    put_u64(out + 32, index->sequence);
    put_u64(out + 40, index->last_group);
    put_u64(out + 48, index->end);
    put_u32(out + 56, index->crc);
    put_u32(out + 12, index_crc(seed, out));
}

bool theater__format_index_decode(uint32_t seed, const uint8_t *data, size_t size,
                                  theater__format_index *out_index)
{
    if (size < FORMAT_INDEX_HEADER_SIZE || memcmp(data, index_magic, sizeof(index_magic)) != 0 ||
        get_u32(data + 8) != FORMAT_VERSION || get_u32(data + 12) != index_crc(seed, data) ||
        get_u32(data + 60) != 0) {
        return false;
    }
    theater__format_index index = {
        .from = get_u32(data + 16),
        .to = get_u32(data + 20),
        .count = get_u64(data + 24),
        .sequence = get_u64(data + 32),
        .last_group = get_u64(data + 40),
        .end = get_u64(data + 48),
        .crc = get_u32(data + 56),
    };
    if (index.from == 0 || index.from > index.to || index.to > FORMAT_SEGMENT_NUMBER_MAX ||
        index.sequence == 0 || index.sequence >= FORMAT_SEQUENCE_LIMIT ||
        index.count > UINT32_MAX || format_place_segment(index.last_group) != index.to ||
        index.end > FORMAT_SEGMENT_SIZE_MAX || index.end % FORMAT_ALIGNMENT != 0 ||
        index.end <= format_place_offset(index.last_group)) {
        return false;
    }
    *out_index = index;
    return true;
}

void theater__format_entry_encode(const theater__recovered *entry,
                                  uint8_t out[FORMAT_INDEX_ENTRY_SIZE])
{
    memset(out, 0, FORMAT_INDEX_ENTRY_SIZE);
    memcpy(out, entry->actor.bytes, sizeof(entry->actor.bytes));
    memcpy(out + 16, entry->head.bytes, sizeof(entry->head.bytes));
    put_u64(out + 48, entry->next_seq);
    put_u64(out + 56, entry->place);
    put_standing(out + 64, &entry->standing);
}

bool theater__format_entry_decode(const uint8_t data[FORMAT_INDEX_ENTRY_SIZE],
                                  theater__recovered *out_entry)
{
    memset(out_entry, 0, sizeof(*out_entry));
    memcpy(out_entry->actor.bytes, data, sizeof(out_entry->actor.bytes));
    memcpy(out_entry->head.bytes, data + 16, sizeof(out_entry->head.bytes));
    out_entry->next_seq = get_u64(data + 48);
    out_entry->place = get_u64(data + 56);
    return out_entry->next_seq > 0 && out_entry->next_seq < FORMAT_SEQUENCE_LIMIT &&
           get_standing(data + 64, &out_entry->standing) && sequences_fit(&out_entry->standing);
}

/* ---- mark of a compaction -------------------------------------------------------------------- */

/* The CRC of a mark's header stands at 12, and begins with the store id that stands in it. */
static uint32_t mark_crc(const uint8_t *data)
{
    uint32_t crc = theater__crc32c(theater__format_seed(data + 16), data, 12);
    return theater__crc32c(crc, data + 16, FORMAT_MARK_HEADER_SIZE - 16);
}

void theater__format_mark_encode(const theater__format_mark *mark,
                                 uint8_t out[FORMAT_MARK_HEADER_SIZE])
{
    THEATER_ASSERT(mark->old_first > 0 && mark->old_first <= mark->old_last);
    THEATER_ASSERT(mark->new_first == mark->old_last + 1 && mark->new_first <= mark->new_last);
    memset(out, 0, FORMAT_MARK_HEADER_SIZE);
    memcpy(out, mark_magic, sizeof(mark_magic));
    put_u32(out + 8, FORMAT_VERSION);
    memcpy(out + 16, mark->store_id, FORMAT_STORE_ID_SIZE);
    put_u32(out + 32, mark->old_first);
    put_u32(out + 36, mark->old_last);
    put_u32(out + 40, mark->new_first);
    put_u32(out + 44, mark->new_last);
    put_u64(out + 48, mark->old_sequence);
    put_u64(out + 56, mark->new_sequence);
    put_u32(out + 64, mark->components_count);
    put_u32(out + 68, mark->components_crc);
    put_u32(out + 12, mark_crc(out));
}

theater_status theater__format_mark_decode(const uint8_t *data, size_t size,
                                           theater__format_mark *out_mark)
{
    if (size < FORMAT_MARK_HEADER_SIZE || memcmp(data, mark_magic, sizeof(mark_magic)) != 0 ||
        get_u32(data + 12) != mark_crc(data)) {
        return THEATER_ERR_CORRUPT;
    }
    if (get_u32(data + 8) > FORMAT_VERSION) {
        return THEATER_ERR_UNSUPPORTED;
    }
    theater__format_mark mark = {
        .old_first = get_u32(data + 32),
        .old_last = get_u32(data + 36),
        .new_first = get_u32(data + 40),
        .new_last = get_u32(data + 44),
        .old_sequence = get_u64(data + 48),
        .new_sequence = get_u64(data + 56),
        .components_count = get_u32(data + 64),
        .components_crc = get_u32(data + 68),
    };
    memcpy(mark.store_id, data + 16, FORMAT_STORE_ID_SIZE);
    if (get_u32(data + 8) == 0 || mark.old_first == 0 || mark.old_first > mark.old_last ||
        mark.old_last >= FORMAT_SEGMENT_NUMBER_MAX || mark.new_first != mark.old_last + 1 ||
        mark.new_first > mark.new_last || mark.new_last > FORMAT_SEGMENT_NUMBER_MAX ||
        mark.old_sequence >= mark.new_sequence || mark.new_sequence >= FORMAT_SEQUENCE_LIMIT ||
        mark.components_count > FORMAT_MARK_COMPONENTS_MAX || !is_zero(data + 72, 8) ||
        size != FORMAT_MARK_HEADER_SIZE + (size_t)mark.components_count * sizeof(theater_hash)) {
        return THEATER_ERR_CORRUPT;
    }
    *out_mark = mark;
    return THEATER_OK;
}
