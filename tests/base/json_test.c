/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values as JSON text, and types as WIT text, byte for byte.
 */
#include <base/alloc.h>
#include <base/limits.h>
#include <base/type.h>
#include <base/value.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "samples.h"

static void expect_json(theater_value value, const char *text)
{
    theater__buffer buffer = {0};
    theater__value_to_json(&buffer, &value);
    assert_false(buffer.failed);
    theater__buffer_put_u8(&buffer, 0);
    assert_string_equal((const char *)buffer.data, text);
    theater__buffer_deinit(&buffer);
}

static void to_json__integers_are_exact(void **state)
{
    (void)state;
    expect_json(sample_bool(true), "true");
    expect_json(sample_bool(false), "false");
    expect_json(sample_signed(THEATER_VALUE_S8, -128), "-128");
    expect_json(sample_unsigned(THEATER_VALUE_U8, 255), "255");
    expect_json(sample_signed(THEATER_VALUE_S64, INT64_MIN), "-9223372036854775808");
    expect_json(sample_unsigned(THEATER_VALUE_U64, UINT64_MAX), "18446744073709551615");
}

static void to_json__floats_read_back(void **state)
{
    (void)state;
    expect_json(sample_f64(0.1), "0.1");
    expect_json(sample_f64(0.1 + 0.2), "0.30000000000000004");
    expect_json(sample_f64(-0.0), "-0");
    expect_json(sample_f64(1e300), "1e+300");
    expect_json(sample_f64(5e-324), "4.94065645841247e-324");
    expect_json(sample_f64(250), "250");
    expect_json(sample_f32(0.1f), "0.1");
    expect_json(sample_f32(16777217.0f), "16777216");
    expect_json(sample_f32(3.4028235e38f), "3.4028235e+38");
}

static void to_json__numbers_that_json_has_not_are_strings(void **state)
{
    (void)state;
    expect_json(sample_f64((double)NAN), "\"NaN\"");
    expect_json(sample_f64((double)INFINITY), "\"Infinity\"");
    expect_json(sample_f32(-INFINITY), "\"-Infinity\"");
}

static void to_json__locale_does_not_matter(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "ps_AF.UTF-8"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (setlocale(LC_NUMERIC, names[i]) != NULL) {
            expect_json(sample_f64(1.5), "1.5");
        }
    }
    setlocale(LC_NUMERIC, "C");
    expect_json(sample_f64(1.5), "1.5");
}

static void to_json__strings_are_escaped(void **state)
{
    (void)state;
    expect_json(sample_string("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
    expect_json(sample_string("\b\t\n\f\r\v\x1f\x7f"), "\"\\b\\t\\n\\f\\r\\u000b\\u001f\x7f\"");
    expect_json(theater_value_text("\0", 1), "\"\\u0000\"");
    expect_json(sample_string("h\xC3\xA9 \xF0\x9F\x98\x80"), "\"h\xC3\xA9 \xF0\x9F\x98\x80\"");
    expect_json(sample_string(""), "\"\"");
    expect_json(theater_value_text(NULL, 0), "\"\"");
}

static void put_string__invalid_utf8_is_replaced(void **state)
{
    (void)state;
    expect_json(sample_string("a\xFF"
                              "b"),
                "\"a\xEF\xBF\xBD"
                "b\"");
    expect_json(sample_string("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    expect_json(sample_string("\xC3"), "\"\xEF\xBF\xBD\"");
}

static void to_json__chars_of_every_length(void **state)
{
    (void)state;
    expect_json(sample_unsigned(THEATER_VALUE_CHAR, 'x'), "\"x\"");
    expect_json(sample_unsigned(THEATER_VALUE_CHAR, '"'), "\"\\\"\"");
    expect_json(sample_unsigned(THEATER_VALUE_CHAR, 0xE9), "\"\xC3\xA9\"");
    expect_json(sample_unsigned(THEATER_VALUE_CHAR, 0x20AC), "\"\xE2\x82\xAC\"");
    expect_json(sample_unsigned(THEATER_VALUE_CHAR, 0x1F600), "\"\xF0\x9F\x98\x80\"");
}

static void to_json__lists_tuples_bytes(void **state)
{
    (void)state;
    theater_value items[2] = {theater_value_u64(1), sample_string("b")};
    expect_json(sample_items(THEATER_VALUE_LIST, NULL, 0), "[]");
    expect_json(sample_items(THEATER_VALUE_TUPLE, items, 2), "[1,\"b\"]");
    theater_value inner = sample_items(THEATER_VALUE_LIST, items, 1);
    theater_value lists[3] = {inner, inner, sample_items(THEATER_VALUE_LIST, NULL, 0)};
    expect_json(sample_items(THEATER_VALUE_LIST, lists, 3), "[[1],[1],[]]");
    expect_json(sample_bytes("\x00\x7F\xFF", 3), "[0,127,255]");
    expect_json(sample_bytes(NULL, 0), "[]");
}

static void to_json__records_flags_enums(void **state)
{
    (void)state;
    theater_value red = sample_case(THEATER_VALUE_ENUM, "red", NULL);
    theater_value fields[2] = {sample_named("x-y", theater_value_u64(7)),
                               sample_named("color", red)};
    expect_json(sample_items(THEATER_VALUE_RECORD, fields, 2), "{\"x-y\":7,\"color\":\"red\"}");
    expect_json(sample_items(THEATER_VALUE_RECORD, NULL, 0), "{}");
    expect_json(red, "\"red\"");
    theater_value flags[2] = {sample_named("r", sample_bool(true)),
                              sample_named("w", sample_bool(true))};
    expect_json(sample_items(THEATER_VALUE_FLAGS, flags, 2), "[\"r\",\"w\"]");
    expect_json(sample_items(THEATER_VALUE_FLAGS, NULL, 0), "[]");
    theater_value with_flags[1] = {
        sample_named("mode", sample_items(THEATER_VALUE_FLAGS, flags, 1))};
    expect_json(sample_items(THEATER_VALUE_RECORD, with_flags, 1), "{\"mode\":[\"r\"]}");
}

static void to_json__results_and_variants(void **state)
{
    (void)state;
    theater_value number = theater_value_u64(250);
    theater_value text = sample_string("no");
    expect_json(theater_value_result(true, &number), "{\"ok\":250}");
    expect_json(theater_value_result(false, &text), "{\"err\":\"no\"}");
    expect_json(theater_value_result(true, NULL), "{\"ok\":null}");
    expect_json(theater_value_result(false, NULL), "{\"err\":null}");
    expect_json(sample_case(THEATER_VALUE_VARIANT, "a", &number), "{\"a\":250}");
    expect_json(sample_case(THEATER_VALUE_VARIANT, "a", NULL), "\"a\"");
    theater_value results[2] = {theater_value_result(true, NULL),
                                theater_value_result(true, &number)};
    expect_json(sample_items(THEATER_VALUE_LIST, results, 2), "[{\"ok\":null},{\"ok\":250}]");
}

static void to_json__options_of_options_can_be_told_apart(void **state)
{
    (void)state;
    theater_value number = theater_value_u64(5);
    theater_value none = theater_value_option(NULL);
    theater_value some = theater_value_option(&number);
    theater_value some_none = theater_value_option(&none);
    theater_value some_some = theater_value_option(&some);
    expect_json(none, "null");
    expect_json(some, "5");
    expect_json(some_none, "{\"some\":null}");
    expect_json(some_some, "{\"some\":5}");
    expect_json(theater_value_option(&some_none), "{\"some\":{\"some\":null}}");
}

static void to_json__no_value_or_too_deep_fails(void **state)
{
    (void)state;
    theater_value nothing = {0};
    theater__buffer buffer = {0};
    theater__value_to_json(&buffer, &nothing);
    assert_true(buffer.failed);
    theater_value levels[THEATER__VALUE_DEPTH_MAX + 2];
    levels[0] = theater_value_u64(1);
    for (size_t i = 1; i < THEATER__VALUE_DEPTH_MAX + 2; i++) {
        levels[i] = theater_value_option(&levels[i - 1]);
    }
    theater__buffer_clear(&buffer);
    theater__value_to_json(&buffer, &levels[THEATER__VALUE_DEPTH_MAX]);
    assert_false(buffer.failed);
    theater__buffer_clear(&buffer);
    theater__value_to_json(&buffer, &levels[THEATER__VALUE_DEPTH_MAX + 1]);
    assert_true(buffer.failed);
    theater__buffer_deinit(&buffer);
}

/* ---- the public writer ----------------------------------------------------------------------- */

static int append(const void *data, size_t size, void *userdata)
{
    theater__buffer_put(userdata, data, size);
    return 0;
}

static int stop(const void *data, size_t size, void *userdata)
{
    (void)data;
    (void)size;
    (void)userdata;
    return 1;
}

static void write_json__gives_the_text_stops_and_runs_out(void **state)
{
    (void)state;
    theater_value number = theater_value_u64(UINT64_MAX);
    theater__buffer buffer = {0};
    assert_int_equal(theater_value_write_json(&number, append, &buffer, NULL), THEATER_OK);
    assert_int_equal(buffer.size, 20);
    assert_memory_equal(buffer.data, "18446744073709551615", 20);
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater_value_write_json(&number, stop, NULL, &err), THEATER_ERR_CANCELLED);
    assert_string_equal(err.message, "writing the value was stopped");
    theater__alloc_fail_at(1);
    assert_int_equal(theater_value_write_json(&number, append, &buffer, &err), THEATER_ERR_NOMEM);
    theater__alloc_fail_at(0);
    theater__buffer_deinit(&buffer);
}

/* ---- types ----------------------------------------------------------------------------------- */

static void expect_type(const theater__type *type, const char *text)
{
    theater__buffer buffer = {0};
    theater__type_to_text(&buffer, type);
    theater__buffer_put_u8(&buffer, 0);
    assert_false(buffer.failed);
    assert_string_equal((const char *)buffer.data, text);
    theater__buffer_deinit(&buffer);
}

static void type_to_text__as_wit_spells_it(void **state)
{
    (void)state;
    theater__type u64 = {.kind = THEATER_VALUE_U64};
    theater__type string = {.kind = THEATER_VALUE_STRING};
    theater__type bytes = {.kind = THEATER_VALUE_BYTES};
    theater__type handle = {0};
    theater__type_member pair[] = {{{"a", 1}, &u64}, {{"b", 1}, &string}};
    theater__type_member ok[] = {{{0}, &u64}, {{0}, NULL}};
    theater__type_member err[] = {{{0}, NULL}, {{0}, &string}};
    theater__type_member neither[] = {{{0}, NULL}, {{0}, NULL}};
    theater__type_member names[] = {{{"r", 1}, NULL}, {{"w", 1}, NULL}};
    theater__type_member mixed[] = {{{"none", 4}, NULL}, {{"at", 2}, &u64}};
    theater__type option = {THEATER_VALUE_OPTION, pair, 1};
    theater__type_member of_option[] = {{{0}, &option}};
    expect_type(&u64, "u64");
    expect_type(&bytes, "list<u8>");
    expect_type(&handle, "(a handle, stream or future)");
    expect_type(&(theater__type){THEATER_VALUE_LIST, pair, 1}, "list<u64>");
    expect_type(&(theater__type){THEATER_VALUE_LIST, of_option, 1}, "list<option<u64>>");
    expect_type(&(theater__type){THEATER_VALUE_TUPLE, pair, 2}, "tuple<u64, string>");
    expect_type(&(theater__type){THEATER_VALUE_RESULT, pair, 2}, "result<u64, string>");
    expect_type(&(theater__type){THEATER_VALUE_RESULT, ok, 2}, "result<u64>");
    expect_type(&(theater__type){THEATER_VALUE_RESULT, err, 2}, "result<_, string>");
    expect_type(&(theater__type){THEATER_VALUE_RESULT, neither, 2}, "result");
    expect_type(&(theater__type){THEATER_VALUE_RECORD, pair, 2}, "record { a: u64, b: string }");
    expect_type(&(theater__type){THEATER_VALUE_ENUM, names, 2}, "enum { r, w }");
    expect_type(&(theater__type){THEATER_VALUE_FLAGS, names, 2}, "flags { r, w }");
    expect_type(&(theater__type){THEATER_VALUE_VARIANT, mixed, 2}, "variant { none, at(u64) }");
    expect_type(&(theater__type){.kind = THEATER_VALUE_FLAGS}, "flags {}");
}

static void type_to_text__too_deep_ends_in_dots(void **state)
{
    (void)state;
    theater__type levels[40];
    theater__type_member members[40];
    levels[0] = (theater__type){.kind = THEATER_VALUE_U8};
    for (size_t i = 1; i < 40; i++) {
        members[i] = (theater__type_member){{0}, &levels[i - 1]};
        levels[i] = (theater__type){THEATER_VALUE_LIST, &members[i], 1};
    }
    theater__buffer buffer = {0};
    theater__type_to_text(&buffer, &levels[39]);
    theater__buffer_put_u8(&buffer, 0);
    assert_non_null(strstr((const char *)buffer.data, "list<...>"));
    theater__buffer_deinit(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_json__integers_are_exact),
        cmocka_unit_test(to_json__floats_read_back),
        cmocka_unit_test(to_json__numbers_that_json_has_not_are_strings),
        cmocka_unit_test(to_json__locale_does_not_matter),
        cmocka_unit_test(to_json__strings_are_escaped),
        cmocka_unit_test(put_string__invalid_utf8_is_replaced),
        cmocka_unit_test(to_json__chars_of_every_length),
        cmocka_unit_test(to_json__lists_tuples_bytes),
        cmocka_unit_test(to_json__records_flags_enums),
        cmocka_unit_test(to_json__results_and_variants),
        cmocka_unit_test(to_json__options_of_options_can_be_told_apart),
        cmocka_unit_test(to_json__no_value_or_too_deep_fails),
        cmocka_unit_test(write_json__gives_the_text_stops_and_runs_out),
        cmocka_unit_test(type_to_text__as_wit_spells_it),
        cmocka_unit_test(type_to_text__too_deep_ends_in_dots),
    };
    return cmocka_run_group_tests_name("base json", tests, NULL, NULL);
}
