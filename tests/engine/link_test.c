/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linking: each import is served, trapped by name, or refused by name.
 */
#include "harness.h"

#include <string.h>

static theater_status link_all(harness *test, theater__import_mode mode)
{
    theater__import_mode modes[8];
    size_t count = theater__component_imports_count(test->component);
    for (size_t i = 0; i < count; i++) {
        modes[i] = mode;
    }
    return theater__component_link(test->component, modes, count, &test->err);
}

static void link__refuses_unknown_imports_by_full_name(void **state)
{
    harness *test = *state;
    harness_load(test, "sleep.wat");
    theater__import_mode modes[3] = {THEATER__IMPORT_SYNC, THEATER__IMPORT_UNKNOWN,
                                     THEATER__IMPORT_ASYNC};
    assert_int_equal(theater__component_link(test->component, modes, 3, &test->err),
                     THEATER_ERR_UNSUPPORTED);
    assert_text(test->err.message, "ntwk:theater/timing.sleep");
    assert_text(test->err.message, "handler");
    assert_null(strstr(test->err.message, "timing.now"));
    assert_null(strstr(test->err.message, "timing.deadline"));
    assert_int_equal(link_all(test, THEATER__IMPORT_UNKNOWN), THEATER_ERR_UNSUPPORTED);
    assert_text(test->err.message,
                "ntwk:theater/timing.now, ntwk:theater/timing.sleep, ntwk:theater/timing.deadline");
    /* A refusal leaves the component as it was. */
    modes[1] = THEATER__IMPORT_ASYNC;
    assert_int_equal(theater__component_link(test->component, modes, 3, &test->err), THEATER_OK);
}

static void link__counts_the_names_that_do_not_fit(void **state)
{
    harness *test = *state;
    harness_load(test, "echo.wat");
    theater__import_mode modes[64] = {THEATER__IMPORT_UNKNOWN};
    size_t count = theater__component_imports_count(test->component);
    assert_true(count > 20 && count < 64);
    assert_int_equal(theater__component_link(test->component, modes, count, &test->err),
                     THEATER_ERR_UNSUPPORTED);
    assert_text(test->err.message, "test:echo/host.bool, ");
    assert_text(test->err.message, " more; register a handler");
}

static void link__traps_by_name_when_called(void **state)
{
    harness *test = *state;
    harness_load(test, "sleep.wat");
    theater__import_mode modes[3] = {THEATER__IMPORT_SYNC, THEATER__IMPORT_TRAP,
                                     THEATER__IMPORT_TRAP};
    assert_int_equal(theater__component_link(test->component, modes, 3, &test->err), THEATER_OK);
    assert_int_equal(harness_call_number(test, "run", THEATER_VALUE_U64, 5),
                     THEATER__GUEST_TRAPPED);
    assert_trap(test, THEATER__TRAP_GUEST, "ntwk:theater/timing.sleep is not offered by this host");
    assert_int_equal(test->imports_count, 1);
}

static void link__root_functions_have_no_interface(void **state)
{
    harness *test = *state;
    assert_int_equal(harness_load_text(test, "(component (import \"lonely\" (func)))"), THEATER_OK);
    assert_int_equal(theater__component_import(test->component, 0)->interface.size, 0);
    assert_int_equal(link_all(test, THEATER__IMPORT_UNKNOWN), THEATER_ERR_UNSUPPORTED);
    assert_text(test->err.message, "offer: lonely;");
    assert_int_equal(link_all(test, THEATER__IMPORT_SYNC), THEATER_OK);
}

static void link__refuses_resources_unless_their_interface_traps(void **state)
{
    harness *test = *state;
    harness_load(test, "resource.wat");
    assert_int_equal(link_all(test, THEATER__IMPORT_SYNC), THEATER_ERR_UNSUPPORTED);
    assert_text(test->err.message, "test:db/types.[method]handle.size");
    assert_text(test->err.message, "test:db/types.handle");
    assert_int_equal(link_all(test, THEATER__IMPORT_TRAP), THEATER_OK);
    assert_int_equal(harness_call(test, "run", NULL, 0), THEATER__GUEST_DONE);
    assert_int_equal(theater__guest_result(test->guest)->of.u64, 7);
    assert_int_equal(harness_call(test, "touch", NULL, 0), THEATER__GUEST_TRAPPED);
    assert_trap(test, THEATER__TRAP_GUEST, "test:db/sql.ping is not offered by this host");
}

static void link__refuses_modules(void **state)
{
    harness *test = *state;
    assert_int_equal(harness_load_text(test, "(component (import \"m\" (core module)))"),
                     THEATER_OK);
    assert_int_equal(link_all(test, THEATER__IMPORT_TRAP), THEATER_ERR_UNSUPPORTED);
    assert_text(test->err.message, "offer: m;");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(link__refuses_unknown_imports_by_full_name),
        TEST(link__counts_the_names_that_do_not_fit),
        TEST(link__traps_by_name_when_called),
        TEST(link__root_functions_have_no_interface),
        TEST(link__refuses_resources_unless_their_interface_traps),
        TEST(link__refuses_modules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
