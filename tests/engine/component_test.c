/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening components: what is read from them, and what is refused with which words.
 */
#include "harness.h"

#include <stdio.h>
#include <string.h>

static void component_open__lists_imports_and_exports_with_types(void **state)
{
    harness *test = *state;
    harness_load(test, "sleep.wat");
    assert_int_equal(theater__component_imports_count(test->component), 3);
    const theater__import *sleep = theater__component_import(test->component, 1);
    assert_int_equal(sleep->interface.size, strlen("ntwk:theater/timing"));
    assert_memory_equal(sleep->interface.data, "ntwk:theater/timing", sleep->interface.size);
    assert_int_equal(sleep->name.size, 5);
    assert_memory_equal(sleep->name.data, "sleep", 5);
    assert_int_equal(sleep->signature.params_count, 1);
    assert_int_equal(sleep->signature.params[0].type->kind, THEATER_VALUE_U64);
    assert_memory_equal(sleep->signature.params[0].name.data, "duration", 8);
    const theater__type *result = sleep->signature.result;
    assert_int_equal(result->kind, THEATER_VALUE_RESULT);
    assert_int_equal(result->members_count, 2);
    assert_null(result->members[0].type);
    assert_int_equal(result->members[1].type->kind, THEATER_VALUE_STRING);

    assert_int_equal(theater__component_exports_count(test->component), 1);
    const theater__export *run = theater__component_export(test->component, 0);
    assert_int_equal(run->interface.size, 0);
    assert_memory_equal(run->name.data, "run", 3);
    assert_int_equal(run->signature.result->members[0].type->kind, THEATER_VALUE_U64);
}

static void component_open__names_members_of_every_type(void **state)
{
    harness *test = *state;
    harness_load(test, "echo.wat");
    size_t index = 0;
    assert_int_equal(theater__component_find_export(test->component, "test:echo/guest.the-item",
                                                    &index, &test->err),
                     THEATER_OK);
    const theater__type *item = theater__component_export(test->component, index)->signature.result;
    assert_int_equal(item->kind, THEATER_VALUE_RECORD);
    assert_int_equal(item->members_count, 3);
    assert_memory_equal(item->members[1].name.data, "color", 5);
    const theater__type *color = item->members[1].type;
    assert_int_equal(color->kind, THEATER_VALUE_ENUM);
    assert_memory_equal(color->members[2].name.data, "blue", 4);
    assert_null(color->members[2].type);
    const theater__type *shape = item->members[2].type;
    assert_int_equal(shape->kind, THEATER_VALUE_VARIANT);
    assert_null(shape->members[0].type);
    assert_int_equal(shape->members[1].type->kind, THEATER_VALUE_F64);
    assert_int_equal(theater__component_find_export(test->component, "test:echo/guest.bytes",
                                                    &index, &test->err),
                     THEATER_OK);
    const theater__type *bytes =
        theater__component_export(test->component, index)->signature.result;
    assert_int_equal(bytes->kind, THEATER_VALUE_BYTES);
}

static void component_open__digest_is_that_of_the_text(void **state)
{
    harness *test = *state;
    assert_int_equal(harness_load_text(test, "(component)"), THEATER_OK);
    /* sha256 of the eleven bytes above */
    static const uint8_t EXPECTED[4] = {0xfa, 0x69, 0xab, 0xd0};
    theater__digest digest = theater__component_digest(test->component);
    assert_memory_equal(digest.bytes, EXPECTED, sizeof EXPECTED);
}

static void refuses(harness *test, const char *text, theater_status status, const char *words)
{
    assert_int_equal(harness_load_text(test, text), status);
    assert_null(test->component);
    assert_text(test->err.message, words);
    assert_null(strchr(test->err.message, '\n'));
}

static void component_open__refuses_what_is_none(void **state)
{
    harness *test = *state;
    refuses(test, "", THEATER_ERR_INVALID, "empty");
    refuses(test, "(module)", THEATER_ERR_INVALID, "core WebAssembly module");
    refuses(test, "hello", THEATER_ERR_INVALID, "expected `(`");
    refuses(test, "(component (import \"x\" (func", THEATER_ERR_INVALID, "expected");
    static const uint8_t CUT[] = {0, 'a', 's', 'm', 13, 0, 1, 0, 7, 99};
    assert_int_equal(
        theater__component_open(test->engine, CUT, sizeof CUT, &test->component, &test->err),
        THEATER_ERR_INVALID);
    static const uint8_t CORE[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    assert_int_equal(
        theater__component_open(test->engine, CORE, sizeof CORE, &test->component, &test->err),
        THEATER_ERR_INVALID);
    assert_text(test->err.message, "core WebAssembly module");
}

static void component_open__refuses_async_components_with_advice(void **state)
{
    harness *test = *state;
    size_t size = 0;
    char *text = harness_read("async.wat", &size);
    refuses(test, text, THEATER_ERR_UNSUPPORTED, "WASI 0.2");
    harness_free(text);
    refuses(test, "(component (import \"s\" (func (param \"s\" (stream u8)))))",
            THEATER_ERR_UNSUPPORTED, "async");
}

static void component_open__bounds_the_size_of_types(void **state)
{
    harness *test = *state;
    /* Each type has the one before twice: 2^18 parts. */
    char text[4096] = "(component (type $t0 (tuple u32 u32))";
    for (int i = 1; i < 18; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "(type $t%d (tuple $t%d $t%d))", i, i - 1, i - 1);
    }
    strncat(text, "(import \"f\" (func (param \"v\" $t17))))", 100);
    refuses(test, text, THEATER_ERR_LIMIT, "type_nodes_max");
}

static void component_open__leaves_deeply_nested_types_alone(void **state)
{
    harness *test = *state;
    char text[4096] = "(component (import \"f\" (func (param \"v\" ";
    for (int i = 0; i < 40; i++) {
        strncat(text, "(list ", 7);
    }
    strncat(text, "u32", 4);
    for (int i = 0; i < 40; i++) {
        strncat(text, ")", 2);
    }
    strncat(text, "))))", 5);
    assert_int_equal(harness_load_text(test, text), THEATER_OK);
    theater__import_mode mode = THEATER__IMPORT_SYNC;
    assert_int_equal(theater__component_link(test->component, &mode, 1, &test->err),
                     THEATER_ERR_UNSUPPORTED);
}

static void find_export__takes_every_spelling(void **state)
{
    harness *test = *state;
    harness_load(test, "echo.wat");
    static const char *const GOOD[] = {
        "test:echo/guest.u64",
        "test:echo/guest#u64",
        "test:echo/guest@1.2.3.u64",
        "test:echo/guest@1.2.3#u64",
    };
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        size_t index = SIZE_MAX - 1;
        assert_int_equal(
            theater__component_find_export(test->component, GOOD[i], &index, &test->err),
            THEATER_OK);
        first = i == 0 ? index : first;
        assert_int_equal(index, first);
    }
    static const char *const BAD[] = {
        "u64",
        "",
        ".",
        "#",
        "test:echo/guest",
        "test:echo/guest.",
        "test:echo/guest@1.2.4.u64",
        "test:echo/gues.u64",
        "test:echo/guest.u6",
        "test:echo/guest.u644",
        "run",
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        size_t index = 77;
        assert_int_equal(
            theater__component_find_export(test->component, BAD[i], &index, &test->err),
            THEATER_ERR_NOTFOUND);
        assert_int_equal(index, 77);
        assert_text(test->err.message, "test:echo/guest@1.2.3.bool");
    }
    harness_load(test, "sleep.wat");
    size_t index = 77;
    assert_int_equal(theater__component_find_export(test->component, "run", &index, NULL),
                     THEATER_OK);
    assert_int_equal(index, 0);
    assert_int_equal(harness_load_text(test, "(component)"), THEATER_OK);
    assert_int_equal(theater__component_find_export(test->component, "run", &index, &test->err),
                     THEATER_ERR_NOTFOUND);
    assert_text(test->err.message, "none");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(component_open__lists_imports_and_exports_with_types),
        TEST(component_open__names_members_of_every_type),
        TEST(component_open__digest_is_that_of_the_text),
        TEST(component_open__refuses_what_is_none),
        TEST(component_open__refuses_async_components_with_advice),
        TEST(component_open__bounds_the_size_of_types),
        TEST(component_open__leaves_deeply_nested_types_alone),
        TEST(find_export__takes_every_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
