/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffers and readers: exact bytes out, nothing but exact bytes in.
 */
#include <base/alloc.h>
#include <base/bytes.h>
#include <base/limits.h>
#include <base/value.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    uint64_t number;
    size_t size;
    uint8_t bytes[10];
} varints[] = {
    {0, 1, {0}},
    {1, 1, {1}},
    {127, 1, {0x7F}},
    {128, 2, {0x80, 1}},
    {300, 2, {0xAC, 2}},
    {16383, 2, {0xFF, 0x7F}},
    {16384, 3, {0x80, 0x80, 1}},
    {UINT32_MAX, 5, {0xFF, 0xFF, 0xFF, 0xFF, 0x0F}},
    {UINT64_MAX, 10, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1}},
};

static void varint__known_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof varints / sizeof varints[0]; i++) {
        theater__buffer buffer = {0};
        theater__buffer_put_varint(&buffer, varints[i].number);
        assert_int_equal(buffer.size, varints[i].size);
        assert_memory_equal(buffer.data, varints[i].bytes, varints[i].size);
        theater__reader reader = theater__reader_of(buffer.data, buffer.size);
        assert_int_equal(theater__reader_varint(&reader), varints[i].number);
        assert_false(reader.failed);
        assert_int_equal(theater__reader_left(&reader), 0);
        theater__buffer_deinit(&buffer);
    }
}

static void varint__every_cut_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof varints / sizeof varints[0]; i++) {
        for (size_t size = 0; size < varints[i].size; size++) {
            theater__reader reader = theater__reader_of(varints[i].bytes, size);
            assert_int_equal(theater__reader_varint(&reader), 0);
            assert_true(reader.failed);
        }
    }
}

static void varint__longer_spellings_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        uint8_t bytes[11];
    } wrong[] = {
        {2, {0x80, 0}},
        {2, {0xFF, 0}},
        {3, {0x80, 0x80, 0}},
        {10, {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0}},
        {10, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2}},
        {11, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x81, 0}},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        theater__reader reader = theater__reader_of(wrong[i].bytes, wrong[i].size);
        assert_int_equal(theater__reader_varint(&reader), 0);
        assert_true(reader.failed);
    }
}

static void buffer__integers_are_little_endian(void **state)
{
    (void)state;
    theater__buffer buffer = {0};
    theater__buffer_put_u8(&buffer, 0x01);
    theater__buffer_put_u16(&buffer, 0x0302);
    theater__buffer_put_u32(&buffer, 0x07060504);
    theater__buffer_put_u64(&buffer, 0x0F0E0D0C0B0A0908);
    theater__buffer_put_sized(&buffer, "abc", 3);
    assert_int_equal(buffer.size, 19);
    for (size_t i = 0; i < 15; i++) {
        assert_int_equal(buffer.data[i], i + 1);
    }
    assert_memory_equal(buffer.data + 15, "\3abc", 4);
    theater__reader reader = theater__reader_of(buffer.data, buffer.size);
    assert_int_equal(theater__reader_u8(&reader), 0x01);
    assert_int_equal(theater__reader_u16(&reader), 0x0302);
    assert_int_equal(theater__reader_u32(&reader), 0x07060504);
    assert_int_equal(theater__reader_u64(&reader), 0x0F0E0D0C0B0A0908);
    theater_bytes bytes = theater__reader_sized(&reader);
    assert_int_equal(bytes.size, 3);
    assert_memory_equal(bytes.data, "abc", 3);
    assert_int_equal(theater__reader_left(&reader), 0);
    theater__buffer_deinit(&buffer);
}

static void buffer__grows_to_any_size(void **state)
{
    (void)state;
    theater__buffer buffer = {0};
    for (uint32_t i = 0; i < 100000; i++) {
        theater__buffer_put_u32(&buffer, i);
    }
    assert_false(buffer.failed);
    assert_int_equal(buffer.size, 400000);
    theater__reader reader = theater__reader_of(buffer.data, buffer.size);
    for (uint32_t i = 0; i < 100000; i++) {
        assert_int_equal(theater__reader_u32(&reader), i);
    }
    theater__buffer_deinit(&buffer);
    theater__buffer_deinit(&buffer);
    theater__buffer_deinit(NULL);
}

static void buffer__failure_sticks_until_cleared(void **state)
{
    (void)state;
    theater__buffer buffer = {0};
    theater__buffer_put(&buffer, "ab", 2);
    theater__alloc_fail_at(1);
    assert_null(theater__buffer_extend(&buffer, 1000));
    theater__alloc_fail_at(0);
    assert_true(buffer.failed);
    theater__buffer_put(&buffer, "cd", 2);
    assert_int_equal(buffer.size, 2);
    theater__buffer_clear(&buffer);
    theater__buffer_put(&buffer, "ef", 2);
    assert_false(buffer.failed);
    assert_memory_equal(buffer.data, "ef", 2);
    theater__buffer_deinit(&buffer);
}

static void buffer__has_a_bound(void **state)
{
    (void)state;
    theater__buffer buffer = {0};
    assert_null(theater__buffer_extend(&buffer, THEATER__BUFFER_BYTES_MAX + 1));
    assert_true(buffer.failed);
    theater__buffer_clear(&buffer);
    assert_null(theater__buffer_extend(&buffer, SIZE_MAX));
    theater__buffer_deinit(&buffer);
}

static void buffer__nothing_is_something_to_extend_by(void **state)
{
    (void)state;
    theater__buffer buffer = {0};
    assert_non_null(theater__buffer_extend(&buffer, 0));
    theater__buffer_put(&buffer, NULL, 0);
    assert_int_equal(buffer.size, 0);
    assert_false(buffer.failed);
    theater__buffer_deinit(&buffer);
}

static void reader__never_goes_past_the_end(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3};
    theater__reader reader = theater__reader_of(bytes, sizeof bytes);
    assert_int_equal(theater__reader_u32(&reader), 0);
    assert_true(reader.failed);
    assert_int_equal(theater__reader_u8(&reader), 0); /* stays failed, though a byte is there */
    assert_null(theater__reader_take(&reader, 0));
    assert_int_equal(theater__reader_left(&reader), 0);
}

static void reader__takes_nothing_of_nothing(void **state)
{
    (void)state;
    theater__reader reader = theater__reader_of(NULL, 0);
    assert_non_null(theater__reader_take(&reader, 0));
    assert_false(reader.failed);
    assert_null(theater__reader_take(&reader, 1));
    assert_true(reader.failed);
}

static void reader_sized__lies_about_length_are_refused(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {4, 1, 2, 3};
    theater__reader reader = theater__reader_of(bytes, sizeof bytes);
    theater_bytes got = theater__reader_sized(&reader);
    assert_true(reader.failed);
    assert_null(got.data);
    assert_int_equal(got.size, 0);
    static const uint8_t huge[] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1};
    reader = theater__reader_of(huge, sizeof huge);
    theater__reader_sized(&reader);
    assert_true(reader.failed);
}

static void utf8__well_formed_and_not(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        bool valid;
    } cases[] = {
        {"", 0, true},
        {"plain", 5, true},
        {"a\0b", 3, true},
        {"\xC2\x80", 2, true},
        {"\xDF\xBF", 2, true},
        {"\xE0\xA0\x80", 3, true},
        {"\xED\x9F\xBF", 3, true},
        {"\xEE\x80\x80", 3, true},
        {"\xEF\xBF\xBF", 3, true},
        {"\xF0\x90\x80\x80", 4, true},
        {"\xF4\x8F\xBF\xBF", 4, true},
        {"sixteen bytes \xC3\xA9", 16, true},
        {"\x80", 1, false},
        {"\xBF", 1, false},
        {"\xC0\x80", 2, false},
        {"\xC1\xBF", 2, false},
        {"\xC2", 1, false},
        {"\xC2x", 2, false},
        {"\xE0\x9F\xBF", 3, false},
        {"\xED\xA0\x80", 3, false},
        {"\xED\xBF\xBF", 3, false},
        {"\xE2\x82", 2, false},
        {"\xF0\x8F\xBF\xBF", 4, false},
        {"\xF4\x90\x80\x80", 4, false},
        {"\xF5\x80\x80\x80", 4, false},
        {"\xFF", 1, false},
        {"\xFE\xFE", 2, false},
        {"eight by\x80", 9, false},
        {"seven b\x80", 8, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool valid = theater__utf8_valid((const uint8_t *)cases[i].text, cases[i].size);
        assert_int_equal(valid, cases[i].valid);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(varint__known_bytes),
        cmocka_unit_test(varint__every_cut_fails),
        cmocka_unit_test(varint__longer_spellings_are_refused),
        cmocka_unit_test(buffer__integers_are_little_endian),
        cmocka_unit_test(buffer__grows_to_any_size),
        cmocka_unit_test(buffer__failure_sticks_until_cleared),
        cmocka_unit_test(buffer__has_a_bound),
        cmocka_unit_test(buffer__nothing_is_something_to_extend_by),
        cmocka_unit_test(reader__never_goes_past_the_end),
        cmocka_unit_test(reader__takes_nothing_of_nothing),
        cmocka_unit_test(reader_sized__lies_about_length_are_refused),
        cmocka_unit_test(utf8__well_formed_and_not),
    };
    return cmocka_run_group_tests_name("base bytes", tests, NULL, NULL);
}
