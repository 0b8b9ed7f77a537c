/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every kind of value, in as an argument, out to an import, in as its result, out as the call's
 * result. Compared by the canonical encoding, which has one form a value.
 */
#include "harness.h"

#include <base/value.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "test:echo/guest."

/* The import's answer: its argument, or what a test puts in its place. */
static const theater_value *substitute;

static theater__import_outcome echo(harness *test, const theater__import *import,
                                    theater_values args, theater_value *out_result)
{
    (void)test;
    (void)import;
    *out_result = substitute != NULL ? *substitute : args.data[0];
    return THEATER__IMPORT_RETURN;
}

static int setup(void **state)
{
    substitute = NULL;
    harness_setup(state);
    harness *test = *state;
    test->on_import = echo;
    harness_load(test, "echo.wat");
    harness_link(test);
    return 0;
}

static void assert_same(const theater_value *a, const theater_value *b)
{
    theater__buffer left = {0};
    theater__buffer right = {0};
    theater__value_encode(&left, a);
    theater__value_encode(&right, b);
    assert_false(left.failed);
    assert_false(right.failed);
    assert_int_equal(left.size, right.size);
    assert_memory_equal(left.data, right.data, left.size);
    theater__buffer_deinit(&left);
    theater__buffer_deinit(&right);
}

static void echoes(harness *test, const char *name, theater_value value)
{
    char export[64];
    snprintf(export, sizeof export, PREFIX "%s", name);
    theater__guest_status status = harness_call(test, export, &value, 1);
    if (status == THEATER__GUEST_TRAPPED) {
        theater__trap trap = theater__guest_trap(test->guest);
        print_error("%s: %.*s\n", name, (int)trap.text.size, trap.text.data);
    }
    assert_int_equal(status, THEATER__GUEST_DONE);
    assert_int_equal(test->imports_count, 1);
    assert_same(theater__guest_result(test->guest), &value);
}

static theater_value number(theater_value_kind kind, uint64_t bits)
{
    theater_value value = theater_value_u64(bits);
    value.kind = kind;
    return value;
}

static theater_value text(const char *data)
{
    return theater_value_text(data, strlen(data));
}

static theater_value named(theater_value value, const char *name)
{
    value.name = (theater_text){name, strlen(name)};
    return value;
}

static theater_value of_case(theater_value_kind kind, const char *name,
                             const theater_value *payload)
{
    theater_value value = {0};
    value.kind = kind;
    value.case_name = (theater_text){name, strlen(name)};
    if (kind == THEATER_VALUE_VARIANT) {
        value.of.items = (theater_values){payload, payload != NULL ? 1 : 0};
    }
    return value;
}

static theater_value of_items(theater_value_kind kind, const theater_value *items, size_t count)
{
    theater_value value = {0};
    value.kind = kind;
    value.of.items = (theater_values){items, count};
    return value;
}

static void values__integers_keep_every_bit(void **state)
{
    harness *test = *state;
    static const uint64_t U64[] = {0,          1,        UINT32_MAX,      (uint64_t)INT64_MAX + 1,
                                   UINT64_MAX, 10000000, 9007199254740993};
    for (size_t i = 0; i < sizeof U64 / sizeof U64[0]; i++) {
        echoes(test, "u64", number(THEATER_VALUE_U64, U64[i]));
        echoes(test, "s64", number(THEATER_VALUE_S64, U64[i]));
    }
    echoes(test, "u8", number(THEATER_VALUE_U8, 255));
    echoes(test, "u16", number(THEATER_VALUE_U16, 65535));
    echoes(test, "u32", number(THEATER_VALUE_U32, UINT32_MAX));
    echoes(test, "s8", number(THEATER_VALUE_S8, (uint64_t)-128));
    echoes(test, "s8", number(THEATER_VALUE_S8, 127));
    echoes(test, "s16", number(THEATER_VALUE_S16, (uint64_t)-32768));
    echoes(test, "s32", number(THEATER_VALUE_S32, (uint64_t)INT32_MIN));
    echoes(test, "char", number(THEATER_VALUE_CHAR, 0x10ffff));
    echoes(test, "char", number(THEATER_VALUE_CHAR, 0xd7ff));
    theater_value yes = {.kind = THEATER_VALUE_BOOL, .of = {.boolean = true}};
    echoes(test, "bool", yes);
    yes.of.boolean = false;
    echoes(test, "bool", yes);
}

static void values__floats_keep_zeros_and_infinities(void **state)
{
    harness *test = *state;
    static const double NUMBERS[] = {0.0, -0.0, 0.1, -1e300, INFINITY, -INFINITY, (double)NAN};
    for (size_t i = 0; i < sizeof NUMBERS / sizeof NUMBERS[0]; i++) {
        theater_value wide = {.kind = THEATER_VALUE_F64, .of = {.f64 = NUMBERS[i]}};
        echoes(test, "f64", wide);
        theater_value narrow = {.kind = THEATER_VALUE_F32, .of = {.f32 = (float)NUMBERS[i]}};
        echoes(test, "f32", narrow);
    }
}

static void values__texts_and_bytes(void **state)
{
    harness *test = *state;
    echoes(test, "string", text(""));
    echoes(test, "string", text("zwölf Boxkämpfer \xf0\x9f\xa5\x8a"));
    echoes(test, "string", theater_value_text("a\0b", 3));
    theater_value bytes = {.kind = THEATER_VALUE_BYTES};
    echoes(test, "bytes", bytes);
    bytes.of.bytes = (theater_bytes){(const uint8_t *)"\0\1\xff", 3};
    echoes(test, "bytes", bytes);
}

static void values__lists_and_tuples(void **state)
{
    harness *test = *state;
    const theater_value numbers[] = {number(THEATER_VALUE_U32, 1), number(THEATER_VALUE_U32, 0),
                                     number(THEATER_VALUE_U32, UINT32_MAX)};
    echoes(test, "numbers", of_items(THEATER_VALUE_LIST, numbers, 3));
    echoes(test, "numbers", of_items(THEATER_VALUE_LIST, NULL, 0));
    const theater_value strings[] = {text("a"), text(""), text("ccc")};
    echoes(test, "strings", of_items(THEATER_VALUE_LIST, strings, 3));
    const theater_value pair[] = {number(THEATER_VALUE_U8, 9), text("nine")};
    echoes(test, "pair", of_items(THEATER_VALUE_TUPLE, pair, 2));
}

static void values__named_types(void **state)
{
    harness *test = *state;
    echoes(test, "the-color", of_case(THEATER_VALUE_ENUM, "green", NULL));
    echoes(test, "the-shape", of_case(THEATER_VALUE_VARIANT, "none", NULL));
    theater_value radius = {.kind = THEATER_VALUE_F64, .of = {.f64 = 1.5}};
    echoes(test, "the-shape", of_case(THEATER_VALUE_VARIANT, "circle", &radius));
    const theater_value name = text("blob");
    echoes(test, "the-shape", of_case(THEATER_VALUE_VARIANT, "named", &name));
    const theater_value set = {.kind = THEATER_VALUE_BOOL, .of = {.boolean = true}};
    const theater_value flags[] = {named(set, "read"), named(set, "run")};
    echoes(test, "the-access", of_items(THEATER_VALUE_FLAGS, flags, 2));
    echoes(test, "the-access", of_items(THEATER_VALUE_FLAGS, NULL, 0));
    const theater_value item[] = {
        named(number(THEATER_VALUE_U32, 3), "id"),
        named(of_case(THEATER_VALUE_ENUM, "blue", NULL), "color"),
        named(of_case(THEATER_VALUE_VARIANT, "named", &name), "shape"),
    };
    const theater_value items[] = {of_items(THEATER_VALUE_RECORD, item, 3),
                                   of_items(THEATER_VALUE_RECORD, item, 3)};
    echoes(test, "the-item", items[0]);
    echoes(test, "items", of_items(THEATER_VALUE_LIST, items, 2));
}

static void values__options_and_results(void **state)
{
    harness *test = *state;
    const theater_value words = text("words");
    echoes(test, "maybe", theater_value_option(NULL));
    echoes(test, "maybe", theater_value_option(&words));
    const theater_value seven = number(THEATER_VALUE_U32, 7);
    const theater_value some = theater_value_option(&seven);
    const theater_value none = theater_value_option(NULL);
    echoes(test, "maybe-maybe", theater_value_option(NULL));
    echoes(test, "maybe-maybe", theater_value_option(&none));
    echoes(test, "maybe-maybe", theater_value_option(&some));
    const theater_value big = number(THEATER_VALUE_U64, UINT64_MAX);
    echoes(test, "outcome", theater_value_result(true, &big));
    echoes(test, "outcome", theater_value_result(false, &words));
    echoes(test, "done", theater_value_result(true, NULL));
    echoes(test, "done", theater_value_result(false, NULL));
}

static void refuses(harness *test, const char *name, theater_value value)
{
    char export[64];
    size_t index = 0;
    snprintf(export, sizeof export, PREFIX "%s", name);
    assert_int_equal(theater__component_find_export(test->component, export, &index, NULL),
                     THEATER_OK);
    theater__guest *guest = NULL;
    assert_int_equal(theater__guest_start(test->component, index, (theater_values){&value, 1},
                                          &test->limits, &test->ops, test, &guest, &test->err),
                     THEATER_ERR_INVALID);
    assert_null(guest);
    assert_string_equal(test->err.message, "parameter 'v' is not of its type");
    /* The same value as an import's answer: the guest is ended, the process lives. */
    substitute = &value;
    theater_value good = number(THEATER_VALUE_U64, 1);
    if (strcmp(name, "u64") == 0) {
        assert_int_equal(harness_call(test, PREFIX "u64", &good, 1), THEATER__GUEST_TRAPPED);
        assert_trap(test, THEATER__TRAP_MACHINE, "the result of 'u64' is not of its type");
    }
    substitute = NULL;
}

static void values__of_another_type_are_refused(void **state)
{
    harness *test = *state;
    refuses(test, "u64", text("1"));
    refuses(test, "u64", number(THEATER_VALUE_U32, 1));
    refuses(test, "u64", (theater_value){0});
    refuses(test, "u8", number(THEATER_VALUE_U8, 256));
    refuses(test, "s8", number(THEATER_VALUE_S8, 128));
    refuses(test, "s32", number(THEATER_VALUE_S32, (uint64_t)INT32_MIN - 1));
    refuses(test, "char", number(THEATER_VALUE_CHAR, 0xd800));
    refuses(test, "char", number(THEATER_VALUE_CHAR, 0x110000));
    refuses(test, "string", theater_value_text("\xff\xfe", 2));
    refuses(test, "the-color", of_case(THEATER_VALUE_ENUM, "mauve", NULL));
    refuses(test, "the-shape", of_case(THEATER_VALUE_VARIANT, "circle", NULL));
    refuses(test, "the-shape", of_case(THEATER_VALUE_VARIANT, "cube", NULL));
    const theater_value words = text("words");
    refuses(test, "the-shape", of_case(THEATER_VALUE_VARIANT, "circle", &words));
    refuses(test, "the-shape", of_case(THEATER_VALUE_VARIANT, "none", &words));
    refuses(test, "maybe-maybe", theater_value_option(&words));
    refuses(test, "done", theater_value_result(true, &words));
    refuses(test, "outcome", theater_value_result(true, NULL));
    const theater_value pair[] = {number(THEATER_VALUE_U8, 9), text("nine")};
    refuses(test, "pair", of_items(THEATER_VALUE_TUPLE, pair, 1));
    refuses(test, "numbers", of_items(THEATER_VALUE_LIST, pair, 2));
    refuses(test, "the-item", of_items(THEATER_VALUE_RECORD, pair, 2));
    const theater_value set = {.kind = THEATER_VALUE_BOOL, .of = {.boolean = true}};
    const theater_value flags[] = {named(set, "fly")};
    refuses(test, "the-access", of_items(THEATER_VALUE_FLAGS, flags, 1));
    const theater_value misnamed[] = {
        named(number(THEATER_VALUE_U32, 3), "no"),
        named(of_case(THEATER_VALUE_ENUM, "blue", NULL), "color"),
        named(of_case(THEATER_VALUE_VARIANT, "none", NULL), "shape"),
    };
    refuses(test, "the-item", of_items(THEATER_VALUE_RECORD, misnamed, 3));
}

static void values__a_mebibyte_of_state_goes_in_and_out(void **state)
{
    harness *test = *state;
    size_t size = (size_t)1 << 20;
    uint8_t *data = test_malloc(size);
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)(i * 31);
    }
    theater_value bytes = {.kind = THEATER_VALUE_BYTES, .of = {.bytes = {data, size}}};
    echoes(test, "bytes", bytes);
    /* One byte more cannot be given to an import. */
    test->limits.host_call_bytes_max = size - 1;
    assert_int_equal(harness_call(test, PREFIX "bytes", &bytes, 1), THEATER__GUEST_TRAPPED);
    assert_trap(test, THEATER__TRAP_LIMIT,
                "one host call moved more than 1048575 bytes (limit host_call_bytes_max)");
    test_free(data);
}

static const theater_value *expected_args;

/* Compares what arrives with what was sent; the answer is the first and the third of them. */
static theater__import_outcome take_many(harness *test, const theater__import *import,
                                         theater_values args, theater_value *out_result)
{
    static theater_value pair[2];
    if (import->signature.params_count == 1) {
        return echo(test, import, args, out_result);
    }
    for (size_t i = 0; i < args.count; i++) {
        assert_same(&args.data[i], &expected_args[i]);
    }
    pair[0] = expected_args[0];
    pair[1] = expected_args[2];
    *out_result = of_items(THEATER_VALUE_TUPLE, pair, 2);
    return THEATER__IMPORT_RETURN;
}

static void values__at_the_edges_of_the_abi(void **state)
{
    harness *test = *state;
    harness_load(test, "edges.wat");
    harness_link(test);
    test->on_import = take_many;
    theater_value many[17];
    for (size_t i = 0; i < 17; i++) {
        many[i] = i % 3 == 0   ? number(THEATER_VALUE_U8, 200 + i)
                  : i % 3 == 1 ? number(THEATER_VALUE_U64, UINT64_MAX - i)
                               : text("zw\303\266lf \360\237\245\212");
    }
    expected_args = many;
    assert_int_equal(harness_call(test, "many", many, 17), THEATER__GUEST_DONE);
    const theater_value pair[] = {many[0], many[2]};
    theater_value expected = of_items(THEATER_VALUE_TUPLE, pair, 2);
    assert_same(theater__guest_result(test->guest), &expected);

    const theater_value set = {.kind = THEATER_VALUE_BOOL, .of = {.boolean = true}};
    const theater_value flags[] = {named(set, "f0"), named(set, "f7"), named(set, "f8"),
                                   named(set, "f31")};
    theater_value value = of_items(THEATER_VALUE_FLAGS, flags, 4);
    assert_int_equal(harness_call(test, "flags", &value, 1), THEATER__GUEST_DONE);
    assert_same(theater__guest_result(test->guest), &value);

    const theater_value enums[] = {of_case(THEATER_VALUE_ENUM, "e0", NULL),
                                   of_case(THEATER_VALUE_ENUM, "e255", NULL),
                                   of_case(THEATER_VALUE_ENUM, "e299", NULL)};
    value = of_items(THEATER_VALUE_LIST, enums, 3);
    assert_int_equal(harness_call(test, "enums", &value, 1), THEATER__GUEST_DONE);
    assert_same(theater__guest_result(test->guest), &value);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(values__integers_keep_every_bit),
        TEST(values__floats_keep_zeros_and_infinities),
        TEST(values__texts_and_bytes),
        TEST(values__lists_and_tuples),
        TEST(values__named_types),
        TEST(values__options_and_results),
        TEST(values__of_another_type_are_refused),
        TEST(values__a_mebibyte_of_state_goes_in_and_out),
        TEST(values__at_the_edges_of_the_abi),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
