/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The canonical encoding. The table of known bytes is a promise of the chain's format: a change in
 * it breaks every chain that was ever written.
 */
#include <base/alloc.h>
#include <base/limits.h>
#include <base/value.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <cmocka.h>

#include "samples.h"

#define CASES_MAX 96u

typedef struct known {
    theater_value value;
    const char *bytes;
    size_t size;
} known;

static known cases[CASES_MAX];
static size_t cases_count;

#define KNOWN(value, text) add_known((value), (text), sizeof(text) - 1)

static void add_known(theater_value value, const char *bytes, size_t size)
{
    assert_true(cases_count < CASES_MAX);
    cases[cases_count] = (known){value, bytes, size};
    cases_count++;
}

static void add_numbers(void)
{
    KNOWN(sample_bool(false), "\x01\x00");
    KNOWN(sample_bool(true), "\x01\x01");
    KNOWN(sample_signed(THEATER_VALUE_S8, 0), "\x02\x00");
    KNOWN(sample_signed(THEATER_VALUE_S8, -1), "\x02\x01");
    KNOWN(sample_signed(THEATER_VALUE_S8, 1), "\x02\x02");
    KNOWN(sample_signed(THEATER_VALUE_S8, -128), "\x02\xFF\x01");
    KNOWN(sample_signed(THEATER_VALUE_S8, 127), "\x02\xFE\x01");
    KNOWN(sample_unsigned(THEATER_VALUE_U8, 0), "\x03\x00");
    KNOWN(sample_unsigned(THEATER_VALUE_U8, 255), "\x03\xFF\x01");
    KNOWN(sample_signed(THEATER_VALUE_S16, -32768), "\x04\xFF\xFF\x03");
    KNOWN(sample_signed(THEATER_VALUE_S16, 32767), "\x04\xFE\xFF\x03");
    KNOWN(sample_unsigned(THEATER_VALUE_U16, 65535), "\x05\xFF\xFF\x03");
    KNOWN(sample_signed(THEATER_VALUE_S32, INT32_MIN), "\x06\xFF\xFF\xFF\xFF\x0F");
    KNOWN(sample_signed(THEATER_VALUE_S32, INT32_MAX), "\x06\xFE\xFF\xFF\xFF\x0F");
    KNOWN(sample_unsigned(THEATER_VALUE_U32, UINT32_MAX), "\x07\xFF\xFF\xFF\xFF\x0F");
    KNOWN(sample_signed(THEATER_VALUE_S64, INT64_MIN),
          "\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01");
    KNOWN(sample_signed(THEATER_VALUE_S64, INT64_MAX),
          "\x08\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01");
    KNOWN(sample_unsigned(THEATER_VALUE_U64, 250), "\x09\xFA\x01");
    KNOWN(sample_unsigned(THEATER_VALUE_U64, UINT64_MAX),
          "\x09\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01");
    KNOWN(sample_f32(1.5f), "\x0A\x00\x00\xC0\x3F");
    KNOWN(sample_f32(-0.0f), "\x0A\x00\x00\x00\x80");
    KNOWN(sample_f32(-NAN), "\x0A\x00\x00\xC0\x7F");
    KNOWN(sample_f32(INFINITY), "\x0A\x00\x00\x80\x7F");
    KNOWN(sample_f64(1.5), "\x0B\x00\x00\x00\x00\x00\x00\xF8\x3F");
    KNOWN(sample_f64((double)NAN), "\x0B\x00\x00\x00\x00\x00\x00\xF8\x7F");
    KNOWN(sample_f64(-(double)INFINITY), "\x0B\x00\x00\x00\x00\x00\x00\xF0\xFF");
    KNOWN(sample_unsigned(THEATER_VALUE_CHAR, 'a'), "\x0C\x61");
    KNOWN(sample_unsigned(THEATER_VALUE_CHAR, 0xD7FF), "\x0C\xFF\xAF\x03");
    KNOWN(sample_unsigned(THEATER_VALUE_CHAR, 0xE000), "\x0C\x80\xC0\x03");
    KNOWN(sample_unsigned(THEATER_VALUE_CHAR, 0x10FFFF), "\x0C\xFF\xFF\x43");
}

static void add_compounds(void)
{
    static theater_value one;
    static theater_value two[2];
    static theater_value fields[2];
    static theater_value flags[2];
    static theater_value red;
    static theater_value fields_of_cases[1];
    static theater_value some;
    one = theater_value_u64(1);
    two[0] = theater_value_u64(1);
    two[1] = sample_string("b");
    fields[0] = sample_named("x", theater_value_u64(7));
    fields[1] = sample_named("y", sample_bool(true));
    flags[0] = sample_named("r", sample_bool(true));
    flags[1] = sample_named("w", sample_bool(true));
    red = sample_case(THEATER_VALUE_ENUM, "red", NULL);
    fields_of_cases[0] = sample_named("color", red);
    some = theater_value_option(&one);
    KNOWN(sample_string(""), "\x0D\x00");
    KNOWN(sample_string("h\xC3\xA9"), "\x0D\x03h\xC3\xA9");
    KNOWN(sample_bytes(NULL, 0), "\x0E\x00");
    KNOWN(sample_bytes("\x00\xFF", 2), "\x0E\x02\x00\xFF");
    KNOWN(sample_items(THEATER_VALUE_LIST, NULL, 0), "\x0F\x00");
    KNOWN(sample_items(THEATER_VALUE_LIST, &one, 1), "\x0F\x01\x09\x01");
    KNOWN(sample_items(THEATER_VALUE_TUPLE, two, 2), "\x10\x02\x09\x01\x0D\x01"
                                                     "b");
    KNOWN(sample_items(THEATER_VALUE_RECORD, fields, 2), "\x11\x02\x01x\x09\x07\x01y\x01\x01");
    KNOWN(sample_items(THEATER_VALUE_RECORD, fields_of_cases, 1), "\x11\x01\x05"
                                                                  "color\x13\x03red");
    KNOWN(sample_case(THEATER_VALUE_VARIANT, "c", &one), "\x12\x01"
                                                         "c\x01\x09\x01");
    KNOWN(sample_case(THEATER_VALUE_VARIANT, "none", NULL), "\x12\x04none\x00");
    KNOWN(red, "\x13\x03red");
    KNOWN(theater_value_option(NULL), "\x14\x00");
    KNOWN(some, "\x14\x01\x09\x01");
    KNOWN(theater_value_option(&some), "\x14\x01\x14\x01\x09\x01");
    KNOWN(theater_value_result(true, &one), "\x15\x01\x01\x09\x01");
    KNOWN(theater_value_result(true, NULL), "\x15\x01\x00");
    KNOWN(theater_value_result(false, NULL), "\x15\x00\x00");
    KNOWN(sample_items(THEATER_VALUE_FLAGS, NULL, 0), "\x16\x00");
    KNOWN(sample_items(THEATER_VALUE_FLAGS, flags, 2), "\x16\x02\x01r\x01\x01\x01w\x01\x01");
}

static int setup_cases(void **state)
{
    (void)state;
    cases_count = 0;
    add_numbers();
    add_compounds();
    return 0;
}

static theater_status decode(const void *bytes, size_t size, theater__arena *arena,
                             theater_value *out_value, theater_error *err)
{
    theater__reader reader = theater__reader_of(bytes, size);
    theater_status status = theater__value_decode(&reader, arena, out_value, err);
    if (status == THEATER_OK) {
        assert_int_equal(theater__reader_left(&reader), 0);
    }
    return status;
}

static void expect_encoding(const theater_value *value, const void *bytes, size_t size)
{
    theater__buffer buffer = {0};
    theater__value_encode(&buffer, value);
    assert_false(buffer.failed);
    assert_int_equal(buffer.size, size);
    assert_memory_equal(buffer.data, bytes, size);
    theater__buffer_deinit(&buffer);
}

static void encode__known_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < cases_count; i++) {
        expect_encoding(&cases[i].value, cases[i].bytes, cases[i].size);
    }
}

static void decode__known_bytes_and_back(void **state)
{
    (void)state;
    theater__arena arena = {0};
    for (size_t i = 0; i < cases_count; i++) {
        theater_value value = {0};
        assert_int_equal(decode(cases[i].bytes, cases[i].size, &arena, &value, NULL), THEATER_OK);
        assert_int_equal(value.kind, cases[i].value.kind);
        expect_encoding(&value, cases[i].bytes, cases[i].size);
        theater__arena_reset(&arena);
    }
    theater__arena_deinit(&arena);
}

static void decode__every_cut_is_refused(void **state)
{
    (void)state;
    theater__arena arena = {0};
    for (size_t i = 0; i < cases_count; i++) {
        for (size_t size = 0; size < cases[i].size; size++) {
            THEATER_AUTOFREE uint8_t *exact = theater__memdup(cases[i].bytes, size);
            theater__reader reader = theater__reader_of(exact, size);
            theater_value value = {0};
            theater_error err = THEATER_ERROR_INIT;
            assert_int_equal(theater__value_decode(&reader, &arena, &value, &err),
                             THEATER_ERR_CORRUPT);
            assert_int_equal(value.kind, 0);
            assert_memory_equal(err.message, "value refused at byte ", 22);
        }
        theater__arena_reset(&arena);
    }
    theater__arena_deinit(&arena);
}

static void decode__parts_are_where_they_belong(void **state)
{
    (void)state;
    theater__arena arena = {0};
    theater_value value = {0};
    static const char record[] = "\x11\x02\x05"
                                 "color\x13\x03red\x01n\x02\x01";
    assert_int_equal(decode(record, sizeof record - 1, &arena, &value, NULL), THEATER_OK);
    assert_int_equal(value.of.items.count, 2);
    const theater_value *items = value.of.items.data;
    assert_true(sample_text_equal(items[0].name, sample_text("color")));
    assert_true(sample_text_equal(items[0].case_name, sample_text("red")));
    assert_true(sample_text_equal(items[1].name, sample_text("n")));
    assert_int_equal(items[1].of.s64, -1);
    theater__arena_deinit(&arena);
}

/* ---- what is refused ------------------------------------------------------------------------- */

typedef struct refused {
    const char *bytes;
    size_t size;
    const char *message;
} refused;

#define REFUSED(text, why)                                     \
    {                                                          \
        (text), sizeof(text) - 1, "value refused at byte " why \
    }
#define SHORT "it ends early, or a length is spelled wrong"

static const refused refusals[] = {
    REFUSED("", "0: " SHORT),
    REFUSED("\x00", "1: a kind of value that is none"),
    REFUSED("\x17\x00", "1: a kind of value that is none"),
    REFUSED("\xFF\x00", "1: a kind of value that is none"),
    REFUSED("\x01\x02", "2: a byte that is 0 or 1 is neither"),
    REFUSED("\x02\x80\x02", "3: a number is outside its type"),
    REFUSED("\x03\xAC\x02", "3: a number is outside its type"),
    REFUSED("\x04\x80\x80\x04", "4: a number is outside its type"),
    REFUSED("\x05\x80\x80\x04", "4: a number is outside its type"),
    REFUSED("\x06\x80\x80\x80\x80\x10", "6: a number is outside its type"),
    REFUSED("\x07\x80\x80\x80\x80\x10", "6: a number is outside its type"),
    REFUSED("\x09\x80\x00", "3: " SHORT),
    REFUSED("\x0A\x01\x00\xC0\x7F", "5: a NaN is not the canonical one"),
    REFUSED("\x0A\x00\x00\xC0\xFF", "5: a NaN is not the canonical one"),
    REFUSED("\x0B\x01\x00\x00\x00\x00\x00\xF8\x7F", "9: a NaN is not the canonical one"),
    REFUSED("\x0C\x80\xB0\x03", "4: a number is outside its type"),
    REFUSED("\x0C\xFF\xBF\x03", "4: a number is outside its type"),
    REFUSED("\x0C\x80\x80\x44", "4: a number is outside its type"),
    REFUSED("\x0D\x01\xFF", "3: a text is not UTF-8"),
    REFUSED("\x0D\x02\xC0\x80", "4: a text is not UTF-8"),
    REFUSED("\x0D\x05"
            "abcd",
            "2: " SHORT),
    REFUSED("\x0E\x05"
            "abcd",
            "2: " SHORT),
    REFUSED("\x0F\x02\x09\x01", "2: more items than bytes"),
    REFUSED("\x0F\xFF\xFF\xFF\xFF\x0F", "6: more items than bytes"),
    REFUSED("\x10\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", "11: more items than bytes"),
    REFUSED("\x11\x01\x00\x09\x01", "3: a name is empty"),
    REFUSED("\x11\x01\x01\xFF\x09\x01", "4: a text is not UTF-8"),
    REFUSED("\x12\x00\x00", "2: a name is empty"),
    REFUSED("\x12\x01\x61\x02", "4: a byte that is 0 or 1 is neither"),
    REFUSED("\x13\x00", "2: a name is empty"),
    REFUSED("\x13\x01\xFF", "3: a text is not UTF-8"),
    REFUSED("\x14\x02", "2: a byte that is 0 or 1 is neither"),
    REFUSED("\x14\x01", "2: " SHORT),
    REFUSED("\x15\x02\x00", "2: a byte that is 0 or 1 is neither"),
    REFUSED("\x15\x00\x02", "3: a byte that is 0 or 1 is neither"),
    REFUSED("\x16\x01\x01r\x01\x00", "6: a flag that is listed is not set"),
    REFUSED("\x16\x01\x01r\x09\x01", "6: a flag that is listed is not set"),
};

static void decode__malformed_is_refused_with_its_place(void **state)
{
    (void)state;
    theater__arena arena = {0};
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        theater_value value = {0};
        theater_error err = THEATER_ERROR_INIT;
        assert_int_equal(decode(refusals[i].bytes, refusals[i].size, &arena, &value, &err),
                         THEATER_ERR_CORRUPT);
        assert_string_equal(err.message, refusals[i].message);
    }
    theater__arena_deinit(&arena);
}

static void encode__what_decoding_would_refuse_fails(void **state)
{
    (void)state;
    theater_value number = theater_value_u64(1);
    theater_value unnamed[1] = {theater_value_u64(1)};
    theater_value unset[1] = {sample_named("r", sample_bool(false))};
    theater_value no_flag[1] = {sample_named("r", theater_value_u64(1))};
    theater_value two[2] = {number, number};
    theater_value wrong[] = {
        {0},
        {.kind = (theater_value_kind)23},
        sample_signed(THEATER_VALUE_S8, 128),
        sample_signed(THEATER_VALUE_S8, -129),
        sample_unsigned(THEATER_VALUE_U8, 256),
        sample_signed(THEATER_VALUE_S16, 32768),
        sample_unsigned(THEATER_VALUE_U16, 65536),
        sample_signed(THEATER_VALUE_S32, (int64_t)INT32_MAX + 1),
        sample_unsigned(THEATER_VALUE_U32, (uint64_t)UINT32_MAX + 1),
        sample_unsigned(THEATER_VALUE_CHAR, 0xD800),
        sample_unsigned(THEATER_VALUE_CHAR, 0x110000),
        sample_string("\xFF"),
        sample_case(THEATER_VALUE_ENUM, "", NULL),
        sample_case(THEATER_VALUE_ENUM, "\xFF", NULL),
        sample_case(THEATER_VALUE_VARIANT, "", &number),
        sample_items(THEATER_VALUE_RECORD, unnamed, 1),
        sample_items(THEATER_VALUE_FLAGS, unset, 1),
        sample_items(THEATER_VALUE_FLAGS, no_flag, 1),
        sample_items(THEATER_VALUE_OPTION, two, 2),
        sample_items(THEATER_VALUE_RESULT, two, 2),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        theater__buffer buffer = {0};
        theater__value_encode(&buffer, &wrong[i]);
        assert_true(buffer.failed);
        theater__buffer_deinit(&buffer);
    }
}

/* ---- bounds ---------------------------------------------------------------------------------- */

#define DEEPEST THEATER__VALUE_DEPTH_MAX

/* Options in options: depth of them, around a number. */
static void nest(theater_value *levels, size_t depth)
{
    levels[0] = theater_value_u64(1);
    for (size_t i = 1; i <= depth; i++) {
        levels[i] = theater_value_option(&levels[i - 1]);
    }
}

static void depth__the_deepest_goes_both_ways(void **state)
{
    (void)state;
    theater_value levels[DEEPEST + 1];
    nest(levels, DEEPEST);
    theater__buffer buffer = {0};
    theater__value_encode(&buffer, &levels[DEEPEST]);
    assert_false(buffer.failed);
    theater__arena arena = {0};
    theater_value value = {0};
    assert_int_equal(decode(buffer.data, buffer.size, &arena, &value, NULL), THEATER_OK);
    expect_encoding(&value, buffer.data, buffer.size);
    theater__arena_deinit(&arena);
    theater__buffer_deinit(&buffer);
}

static void depth__one_more_is_refused_both_ways(void **state)
{
    (void)state;
    theater_value levels[DEEPEST + 2];
    nest(levels, DEEPEST + 1);
    theater__buffer buffer = {0};
    theater__value_encode(&buffer, &levels[DEEPEST + 1]);
    assert_true(buffer.failed);
    theater__buffer_clear(&buffer);
    for (size_t i = 0; i < DEEPEST + 1; i++) {
        theater__buffer_put(&buffer, "\x14\x01", 2);
    }
    theater__buffer_put(&buffer, "\x09\x01", 2);
    theater__arena arena = {0};
    theater_value value = {0};
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(decode(buffer.data, buffer.size, &arena, &value, &err), THEATER_ERR_CORRUPT);
    assert_string_equal(err.message,
                        "value refused at byte 66: nested deeper than value_depth_max (32)");
    theater__arena_deinit(&arena);
    theater__buffer_deinit(&buffer);
}

/* An empty list of lists of items, count of them, as bytes. */
static void put_many(theater__buffer *buffer, size_t count)
{
    theater__buffer_put_u8(buffer, THEATER_VALUE_LIST);
    theater__buffer_put_varint(buffer, count);
    for (size_t i = 0; i < count; i++) {
        theater__buffer_put(buffer, "\x01\x01", 2);
    }
}

static void items__the_most_and_one_more(void **state)
{
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        theater__buffer buffer = {0};
        put_many(&buffer, THEATER__VALUE_ITEMS_MAX + more);
        theater__arena arena = {0};
        theater_value value = {0};
        theater_error err = THEATER_ERROR_INIT;
        theater_status status = decode(buffer.data, buffer.size, &arena, &value, &err);
        assert_int_equal(status, more == 0 ? THEATER_OK : THEATER_ERR_CORRUPT);
        if (more == 0) {
            expect_encoding(&value, buffer.data, buffer.size);
        } else {
            assert_string_equal(err.message, "value refused at byte 4: more items than "
                                             "value_items_max (1048576)");
        }
        theater__arena_deinit(&arena);
        theater__buffer_deinit(&buffer);
    }
}

static void arena__full_is_a_named_limit(void **state)
{
    (void)state;
    theater__buffer buffer = {0};
    put_many(&buffer, 1000);
    theater__arena arena = {.used_max = 4096};
    theater_value value = {0};
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(decode(buffer.data, buffer.size, &arena, &value, &err), THEATER_ERR_LIMIT);
    assert_string_equal(err.message, "values take more memory than arena_bytes_max (4096 bytes)");
    theater__arena_deinit(&arena);
    theater__buffer_deinit(&buffer);
}

/* ---- arrays of values ------------------------------------------------------------------------ */

static void values__round_trip(void **state)
{
    (void)state;
    theater_value values[CASES_MAX];
    for (size_t i = 0; i < cases_count; i++) {
        values[i] = cases[i].value;
    }
    theater__buffer buffer = {0};
    theater__values_encode(&buffer, values, cases_count);
    assert_false(buffer.failed);
    theater__arena arena = {0};
    theater__reader reader = theater__reader_of(buffer.data, buffer.size);
    theater_values decoded = {0};
    assert_int_equal(theater__values_decode(&reader, &arena, &decoded, NULL), THEATER_OK);
    assert_int_equal(decoded.count, cases_count);
    theater__buffer again = {0};
    theater__values_encode(&again, decoded.data, decoded.count);
    assert_int_equal(again.size, buffer.size);
    assert_memory_equal(again.data, buffer.data, buffer.size);
    theater__buffer_deinit(&again);
    theater__buffer_deinit(&buffer);
    theater__arena_deinit(&arena);
}

static void values__none_is_one_byte(void **state)
{
    (void)state;
    theater__buffer buffer = {0};
    theater__values_encode(&buffer, NULL, 0);
    assert_int_equal(buffer.size, 1);
    theater__arena arena = {0};
    theater__reader reader = theater__reader_of(buffer.data, buffer.size);
    theater_values decoded = {.count = 9};
    assert_int_equal(theater__values_decode(&reader, &arena, &decoded, NULL), THEATER_OK);
    assert_int_equal(decoded.count, 0);
    theater__arena_deinit(&arena);
    theater__buffer_deinit(&buffer);
}

static void values__cut_or_lying_count_is_refused(void **state)
{
    (void)state;
    static const refused wrong[] = {
        REFUSED("", "0: " SHORT),
        REFUSED("\x80", "1: " SHORT),
        REFUSED("\x02\x09\x01", "1: more items than bytes"),
        REFUSED("\x01\x09", "1: more items than bytes"),
    };
    theater__arena arena = {0};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        theater__reader reader = theater__reader_of((const uint8_t *)wrong[i].bytes, wrong[i].size);
        theater_values decoded = {.count = 9};
        theater_error err = THEATER_ERROR_INIT;
        assert_int_equal(theater__values_decode(&reader, &arena, &decoded, &err),
                         THEATER_ERR_CORRUPT);
        assert_string_equal(err.message, wrong[i].message);
        assert_int_equal(decoded.count, 9);
    }
    theater__arena_deinit(&arena);
}

/* ---- torture and random ---------------------------------------------------------------------- */

static void torture__kth_allocation_of_a_round_trip_fails(void **state)
{
    (void)state;
    theater_value values[CASES_MAX];
    for (size_t i = 0; i < cases_count; i++) {
        values[i] = cases[i].value;
    }
    bool whole = false;
    uint64_t k = 0;
    while (!whole) {
        k++;
        assert_true(k < 100);
        theater__buffer buffer = {0};
        theater__arena arena = {0};
        theater__alloc_fail_at(k);
        theater__values_encode(&buffer, values, cases_count);
        if (!buffer.failed) {
            theater__reader reader = theater__reader_of(buffer.data, buffer.size);
            theater_values decoded = {0};
            theater_error err = THEATER_ERROR_INIT;
            theater_status status = theater__values_decode(&reader, &arena, &decoded, &err);
            whole = status == THEATER_OK;
            assert_true(whole || status == THEATER_ERR_NOMEM);
        }
        theater__alloc_fail_at(0);
        theater__arena_deinit(&arena);
        theater__buffer_deinit(&buffer);
    }
    assert_true(k > 2);
}

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9E3779B97F4A7C15u;
    uint64_t word = *state;
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9u;
    word = (word ^ (word >> 27)) * 0x94D049BB133111EBu;
    return word ^ (word >> 31);
}

/* Whatever is accepted has to be the one spelling of what it says. */
static bool accepted_is_canonical(const uint8_t *bytes, size_t size, theater__arena *arena)
{
    theater__reader reader = theater__reader_of(bytes, size);
    theater_value value = {0};
    theater_status status = theater__value_decode(&reader, arena, &value, NULL);
    if (status == THEATER_OK) {
        expect_encoding(&value, bytes, reader.offset);
        theater__buffer json = {0};
        theater__value_to_json(&json, &value);
        assert_false(json.failed);
        assert_true(theater__utf8_valid(json.data, json.size));
        theater__buffer_deinit(&json);
    } else {
        assert_int_equal(status, THEATER_ERR_CORRUPT);
    }
    theater__arena_reset(arena);
    return status == THEATER_OK;
}

static void decode_random(uint64_t seed, uint32_t rounds)
{
    uint64_t random = seed;
    theater__arena arena = {0};
    uint32_t accepted = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        size_t size = next_random(&random) % 64;
        THEATER_AUTOFREE uint8_t *bytes = theater__alloc(size);
        for (size_t i = 0; i < size; i++) {
            uint64_t word = next_random(&random);
            /* Mostly small numbers: kinds, counts and sizes are. */
            bytes[i] = (uint8_t)(word % 4 == 0 ? word >> 8 : (word >> 8) % 24);
        }
        accepted += accepted_is_canonical(bytes, size, &arena) ? 1 : 0;
    }
    assert_true(accepted > rounds / 100);
    theater__arena_deinit(&arena);
}

static void decode_damaged(uint64_t seed, uint32_t rounds)
{
    uint64_t random = seed;
    theater__arena arena = {0};
    for (uint32_t round = 0; round < rounds; round++) {
        const known *from = &cases[next_random(&random) % cases_count];
        THEATER_AUTOFREE uint8_t *bytes = theater__memdup(from->bytes, from->size);
        bytes[next_random(&random) % from->size] ^= (uint8_t)(1u << next_random(&random) % 8);
        accepted_is_canonical(bytes, from->size, &arena);
    }
    theater__arena_deinit(&arena);
}

static void fuzz__fixed_seeds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        decode_random(seed, 20000);
        decode_damaged(seed, 20000);
    }
}

static void fuzz__fresh_seed(void **state)
{
    (void)state;
    const char *given = getenv("THEATER_TEST_SEED");
    uint64_t seed = 0;
    if (given != NULL) {
        seed = strtoull(given, NULL, 10);
    } else if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        seed = 1;
    }
    print_message("THEATER_TEST_SEED=%" PRIu64 "\n", seed);
    decode_random(seed, 50000);
    decode_damaged(seed, 50000);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup(f, setup_cases)
    const struct CMUnitTest tests[] = {
        CASE(encode__known_bytes),
        CASE(decode__known_bytes_and_back),
        CASE(decode__every_cut_is_refused),
        CASE(decode__parts_are_where_they_belong),
        CASE(decode__malformed_is_refused_with_its_place),
        CASE(encode__what_decoding_would_refuse_fails),
        CASE(depth__the_deepest_goes_both_ways),
        CASE(depth__one_more_is_refused_both_ways),
        CASE(items__the_most_and_one_more),
        CASE(arena__full_is_a_named_limit),
        CASE(values__round_trip),
        CASE(values__none_is_one_byte),
        CASE(values__cut_or_lying_count_is_refused),
        CASE(torture__kth_allocation_of_a_round_trip_fails),
        CASE(fuzz__fixed_seeds),
        CASE(fuzz__fresh_seed),
    };
    return cmocka_run_group_tests_name("base value", tests, NULL, NULL);
}
