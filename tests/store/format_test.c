/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log's bytes: CRC-32C against RFC 3720, every field there and back, every flipped bit refused,
 * and the bytes of one record, group and segment header pinned down: they are a promise of the
 * format.
 */
#include "work.h"
/* cmocka first */
#include "crc32c.h"
#include "logstore.h"

#include <string.h>

static const uint8_t store_id[FORMAT_STORE_ID_SIZE] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                       8, 9, 10, 11, 12, 13, 14, 15};

/* ---- CRC ------------------------------------------------------------------------------------- */

static void crc32c__vectors_of_rfc_3720(void **state)
{
    (void)state;
    uint8_t zeros[32] = {0};
    uint8_t ones[32];
    uint8_t up[32];
    uint8_t down[32];
    memset(ones, 0xff, sizeof(ones));
    for (unsigned i = 0; i < 32; i++) {
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    static const uint8_t scsi_read[48] = {
        0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
        0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18, 0x28, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00};
    const struct {
        const uint8_t *data;
        size_t size;
        uint32_t crc;
    } vectors[] = {
        {zeros, 32, 0x8a9136aau},     {ones, 32, 0x62a8ab43u},
        {up, 32, 0x46dd794eu},        {down, 32, 0x113fdb5cu},
        {scsi_read, 48, 0xd9963a56u}, {(const uint8_t *)"123456789", 9, 0xe3069283u},
    };
    for (unsigned i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        assert_int_equal(theater__crc32c(0, vectors[i].data, vectors[i].size), vectors[i].crc);
        assert_int_equal(theater__crc32c_by_table(0, vectors[i].data, vectors[i].size),
                         vectors[i].crc);
    }
}

static void crc32c__both_paths_agree_however_it_is_cut(void **state)
{
    (void)state;
    uint8_t data[300];
    for (unsigned i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 7 + i / 11);
    }
    for (size_t size = 0; size <= sizeof(data); size++) {
        uint32_t whole = theater__crc32c(0, data, size);
        assert_int_equal(theater__crc32c_by_table(0, data, size), whole);
        size_t cut = size * 3 / 7;
        uint32_t first = theater__crc32c(0, data, cut);
        assert_int_equal(theater__crc32c(first, data + cut, size - cut), whole);
        assert_int_equal(theater__crc32c_by_table(first, data + cut, size - cut), whole);
    }
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static theater__format_record some_record(void)
{
    static const uint8_t frames[] = {9, 8, 7, 6, 5};
    theater__format_record record = {
        .size = (uint32_t)format_record_size(sizeof(frames)),
        .first_seq = 0x1122334455667788,
        .events_count = 3,
        .previous = format_place(1, 4160),
        .genesis = format_place(1, 4096),
        .call = format_place(2, 8192),
        .frames = {frames, sizeof(frames)},
    };
    memset(record.actor.bytes, 0xaa, sizeof(record.actor.bytes));
    memset(record.parent.bytes, 0xbb, sizeof(record.parent.bytes));
    memset(record.head.bytes, 0xcc, sizeof(record.head.bytes));
    record.standing.state = THEATER__STATE_WAITING;
    record.standing.wait_kind = 2;
    record.standing.wait_seq = 11;
    record.standing.call_seq = 12;
    record.standing.delivered_seq = 13;
    record.standing.output_seq = 14;
    record.standing.duration_ms = UINT64_MAX;
    record.standing.due_mono.ns = 15;
    record.standing.due_wall.ms = 16;
    memset(record.standing.boot, 0xdd, sizeof(record.standing.boot));
    return record;
}

static void record__there_and_back(void **state)
{
    (void)state;
    uint32_t seed = theater__format_seed(store_id);
    uint64_t place = format_place(3, 65536);
    theater__format_record in = some_record();
    uint8_t bytes[224];
    assert_int_equal(in.size, sizeof(bytes));
    theater__format_record_encode(seed, place, &in, bytes);
    theater__format_record out;
    assert_true(theater__format_record_decode(seed, place, bytes, sizeof(bytes), &out));
    assert_int_equal(out.size, in.size);
    assert_memory_equal(&out.actor, &in.actor, sizeof(in.actor));
    assert_memory_equal(&out.parent, &in.parent, sizeof(in.parent));
    assert_memory_equal(&out.head, &in.head, sizeof(in.head));
    assert_int_equal(out.first_seq, in.first_seq);
    assert_int_equal(out.events_count, in.events_count);
    assert_int_equal(out.previous, in.previous);
    assert_int_equal(out.genesis, in.genesis);
    assert_int_equal(out.call, in.call);
    assert_int_equal(out.frames.size, in.frames.size);
    assert_memory_equal(out.frames.data, in.frames.data, in.frames.size);
    assert_int_equal(out.standing.state, in.standing.state);
    assert_int_equal(out.standing.wait_kind, in.standing.wait_kind);
    assert_int_equal(out.standing.wait_seq, in.standing.wait_seq);
    assert_int_equal(out.standing.call_seq, in.standing.call_seq);
    assert_int_equal(out.standing.delivered_seq, in.standing.delivered_seq);
    assert_int_equal(out.standing.output_seq, in.standing.output_seq);
    assert_int_equal(out.standing.duration_ms, in.standing.duration_ms);
    assert_int_equal(out.standing.due_mono.ns, in.standing.due_mono.ns);
    assert_int_equal(out.standing.due_wall.ms, in.standing.due_wall.ms);
    assert_memory_equal(out.standing.boot, in.standing.boot, sizeof(in.standing.boot));
}

static void record__no_flipped_bit_other_place_or_other_store_is_accepted(void **state)
{
    (void)state;
    uint32_t seed = theater__format_seed(store_id);
    uint64_t place = format_place(3, 65536);
    theater__format_record in = some_record();
    theater__format_record out;
    uint8_t bytes[224];
    theater__format_record_encode(seed, place, &in, bytes);
    for (unsigned bit = 0; bit < sizeof(bytes) * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(theater__format_record_decode(seed, place, bytes, sizeof(bytes), &out));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t size = 0; size < sizeof(bytes); size++) {
        assert_false(theater__format_record_decode(seed, place, bytes, size, &out));
    }
    assert_false(theater__format_record_decode(seed, place + 8, bytes, sizeof(bytes), &out));
    assert_false(theater__format_record_decode(seed + 1, place, bytes, sizeof(bytes), &out));
    assert_true(theater__format_record_decode(seed, place, bytes, sizeof(bytes), &out));
}

/* With the right CRC, as whoever made the bytes on purpose would have it. */
static bool is_taken(const theater__format_record *record)
{
    uint8_t bytes[224];
    theater__format_record out;
    uint32_t seed = theater__format_seed(store_id);
    theater__format_record_encode(seed, format_place(3, 65536), record, bytes);
    return theater__format_record_decode(seed, format_place(3, 65536), bytes, sizeof(bytes), &out);
}

static void record__no_sequence_number_that_would_wrap_is_accepted(void **state)
{
    (void)state;
    theater__format_record record = some_record();
    static const uint64_t firsts[] = {UINT64_MAX, UINT64_MAX - 3, (uint64_t)1 << 63,
                                      ((uint64_t)1 << 63) - 3};
    for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
        record.first_seq = firsts[i];
        assert_false(is_taken(&record));
    }
    record.first_seq = ((uint64_t)1 << 63) - 4;
    assert_true(is_taken(&record));
    /* A record behind which the actor has no event at all. */
    record = some_record();
    record.first_seq = 0;
    record.events_count = 0;
    record.frames.size = 0;
    record.size = FORMAT_RECORD_HEADER_SIZE;
    assert_false(is_taken(&record));
    record = some_record();
    uint64_t *fields[] = {&record.standing.wait_seq, &record.standing.call_seq,
                          &record.standing.delivered_seq, &record.standing.output_seq};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        uint64_t kept = *fields[i];
        *fields[i] = UINT64_MAX;
        assert_false(is_taken(&record));
        *fields[i] = (uint64_t)1 << 63;
        assert_false(is_taken(&record));
        *fields[i] = kept;
    }
    assert_true(is_taken(&record));
}

static void entry__no_sequence_number_that_would_wrap_is_accepted(void **state)
{
    (void)state;
    theater__recovered entry = {.next_seq = 1, .place = format_place(1, 4160)};
    theater__recovered out;
    entry.standing.state = THEATER__STATE_IDLE;
    uint8_t bytes[FORMAT_INDEX_ENTRY_SIZE];
    theater__format_entry_encode(&entry, bytes);
    assert_true(theater__format_entry_decode(bytes, &out));
    static const uint64_t nexts[] = {0, UINT64_MAX, (uint64_t)1 << 63};
    for (size_t i = 0; i < sizeof(nexts) / sizeof(nexts[0]); i++) {
        entry.next_seq = nexts[i];
        theater__format_entry_encode(&entry, bytes);
        assert_false(theater__format_entry_decode(bytes, &out));
    }
    entry.next_seq = 1;
    entry.standing.delivered_seq = UINT64_MAX;
    theater__format_entry_encode(&entry, bytes);
    assert_false(theater__format_entry_decode(bytes, &out));
}

/* The next group's would be zero, which the encoder rightly asserts that it is not. */
static void group__no_sequence_that_would_wrap_is_accepted(void **state)
{
    (void)state;
    uint32_t seed = theater__format_seed(store_id);
    theater__format_group group = {.place = format_place(1, 4096)};
    theater__format_group out_group;
    uint8_t bytes[FORMAT_SEGMENT_HEADER_SIZE];
    static const uint64_t sequences[] = {UINT64_MAX, (uint64_t)1 << 63};
    for (size_t i = 0; i < 2; i++) {
        group.sequence = sequences[i];
        theater__format_group_encode(seed, &group, bytes);
        assert_false(
            theater__format_group_decode(seed, group.place, bytes, sizeof(bytes), &out_group));
    }
    static const uint64_t firsts[] = {0, UINT64_MAX, ((uint64_t)1 << 63) + 1};
    for (size_t i = 0; i < 3; i++) {
        theater__format_segment segment = {.number = 1, .first_sequence = firsts[i]};
        theater__format_segment out = {0};
        theater__format_segment_encode(&segment, bytes);
        assert_int_equal(theater__format_segment_decode(bytes, sizeof(bytes), &out),
                         THEATER_ERR_CORRUPT);
    }
    theater__format_index index = {.from = 1, .to = 1, .sequence = UINT64_MAX, .end = 4160};
    theater__format_index out_index;
    index.last_group = format_place(1, 4096);
    theater__format_index_encode(seed, &index, bytes);
    assert_false(theater__format_index_decode(seed, bytes, sizeof(bytes), &out_index));
    index.sequence = 1;
    theater__format_index_encode(seed, &index, bytes);
    assert_true(theater__format_index_decode(seed, bytes, sizeof(bytes), &out_index));
}

static void group__there_and_back_and_no_flipped_bit(void **state)
{
    (void)state;
    uint32_t seed = theater__format_seed(store_id);
    theater__format_group in = {
        .sequence = 7,
        .place = format_place(2, 4096),
        .durable_upto = format_place(1, 9000),
        .previous = format_place(1, 8000),
        .size = 416,
        .records_count = 2,
    };
    uint8_t bytes[FORMAT_GROUP_HEADER_SIZE];
    theater__format_group_encode(seed, &in, bytes);
    theater__format_group out;
    assert_true(theater__format_group_decode(seed, in.place, bytes, sizeof(bytes), &out));
    assert_memory_equal(&in, &out, sizeof(in));
    for (unsigned bit = 0; bit < sizeof(bytes) * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(theater__format_group_decode(seed, in.place, bytes, sizeof(bytes), &out));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_false(theater__format_group_decode(seed, in.place + 8, bytes, sizeof(bytes), &out));
    assert_false(theater__format_group_decode(seed, in.place, bytes, sizeof(bytes) - 1, &out));
}

static void segment__there_and_back_and_no_flipped_bit(void **state)
{
    (void)state;
    theater__format_segment in = {
        .number = 9,
        .wall = {1763884800000u},
        .first_sequence = 12,
        .previous_group = format_place(8, 5000),
    };
    memcpy(in.store_id, store_id, sizeof(store_id));
    memset(in.boot, 0x33, sizeof(in.boot));
    uint8_t bytes[FORMAT_SEGMENT_HEADER_SIZE];
    theater__format_segment_encode(&in, bytes);
    theater__format_segment out = {0};
    assert_int_equal(theater__format_segment_decode(bytes, sizeof(bytes), &out), THEATER_OK);
    assert_int_equal(out.version, FORMAT_VERSION);
    assert_int_equal(out.number, in.number);
    assert_int_equal(out.wall.ms, in.wall.ms);
    assert_int_equal(out.first_sequence, in.first_sequence);
    assert_int_equal(out.previous_group, in.previous_group);
    assert_memory_equal(out.store_id, in.store_id, sizeof(in.store_id));
    assert_memory_equal(out.boot, in.boot, sizeof(in.boot));
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] ^= (uint8_t)(1u << i % 8);
        assert_int_equal(theater__format_segment_decode(bytes, sizeof(bytes), &out),
                         THEATER_ERR_CORRUPT);
        bytes[i] ^= (uint8_t)(1u << i % 8);
    }
    assert_int_equal(theater__format_segment_decode(bytes, sizeof(bytes) - 1, &out),
                     THEATER_ERR_CORRUPT);
    assert_int_equal(theater__format_segment_decode(NULL, 0, &out), THEATER_ERR_CORRUPT);
}

/* SHA-256 over one of each: a change of these is a new version of the format. */
static void format__bytes_are_what_they_were(void **state)
{
    (void)state;
    uint32_t seed = theater__format_seed(store_id);
    static uint8_t bytes[FORMAT_SEGMENT_HEADER_SIZE + FORMAT_GROUP_HEADER_SIZE + 224];
    theater__format_segment segment = {.number = 1, .first_sequence = 1};
    segment.previous_group = THEATER__PLACE_NONE;
    memcpy(segment.store_id, store_id, sizeof(store_id));
    theater__format_segment_encode(&segment, bytes);
    theater__format_group group = {
        .sequence = 1,
        .place = format_place(1, 4096),
        .durable_upto = format_place(1, 4096),
        .previous = THEATER__PLACE_NONE,
        .size = 224,
        .records_count = 1,
    };
    theater__format_group_encode(seed, &group, bytes + FORMAT_SEGMENT_HEADER_SIZE);
    theater__format_record record = some_record();
    theater__format_record_encode(seed, format_place(1, 4160), &record,
                                  bytes + FORMAT_SEGMENT_HEADER_SIZE + FORMAT_GROUP_HEADER_SIZE);
    theater_hash hash = theater__sha256(bytes, sizeof(bytes));
    char hex[THEATER_HASH_TEXT_SIZE];
    theater_hash_format(&hash, hex);
    assert_string_equal(hex, "7e3f5682f387660476f26d931315d85f2bb1be261b90cdfdabc530eeacd81a82");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c__vectors_of_rfc_3720),
        cmocka_unit_test(crc32c__both_paths_agree_however_it_is_cut),
        cmocka_unit_test(record__there_and_back),
        cmocka_unit_test(record__no_flipped_bit_other_place_or_other_store_is_accepted),
        cmocka_unit_test(record__no_sequence_number_that_would_wrap_is_accepted),
        cmocka_unit_test(entry__no_sequence_number_that_would_wrap_is_accepted),
        cmocka_unit_test(group__no_sequence_that_would_wrap_is_accepted),
        cmocka_unit_test(group__there_and_back_and_no_flipped_bit),
        cmocka_unit_test(segment__there_and_back_and_no_flipped_bit),
        cmocka_unit_test(format__bytes_are_what_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
