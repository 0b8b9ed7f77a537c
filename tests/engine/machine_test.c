/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine without memory: the guest is ended with kind MACHINE, never told -1, so that what is
 * recorded of a guest cannot depend on the machine it ran on. In child processes, whose address
 * space is limited; not under AddressSanitizer, which needs all of it.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The address space that is in use now, in bytes. */
static uint64_t address_space(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    if (file == NULL || fscanf(file, "%lu", &pages) != 1) {
        _exit(90);
    }
    fclose(file);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void limit_to(uint64_t bytes)
{
    struct rlimit limit = {bytes, bytes};
    if (setrlimit(RLIMIT_AS, &limit) != 0) {
        _exit(91);
    }
}

static theater__guest *start(harness *test, const char *export)
{
    size_t index = 0;
    theater__guest *guest = NULL;
    if (theater__component_find_export(test->component, export, &index, NULL) != THEATER_OK ||
        theater__guest_start(test->component, index, (theater_values){NULL, 0}, &test->limits,
                             &test->ops, test, &guest, NULL) != THEATER_OK) {
        _exit(92);
    }
    return guest;
}

/* No room for the guest's memory and stack: its instantiation fails. */
static void instantiate_without_memory(void *argument)
{
    harness *test = argument;
    theater__guest *guest = start(test, "grow-memory");
    limit_to(address_space() + ((uint64_t)4 << 20));
    if (theater__guest_poll(guest) != THEATER__GUEST_TRAPPED) {
        _exit(1);
    }
    theater__trap trap = theater__guest_trap(guest);
    _exit(trap.kind == THEATER__TRAP_MACHINE ? 0 : 2);
}

static void machine__no_room_for_a_guest(void **state)
{
    harness *test = *state;
    harness_close_engine(test); /* a guest in the pool has its room already */
    test->pooled_guests_max = THEATER__POOLED_GUESTS_NONE;
    harness_open_engine(test);
    harness_load(test, "hostile.wat");
    harness_link(test);
    int status = harness_fork(instantiate_without_memory, test);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* While the guest sleeps, the machine loses its memory: RLIMIT_DATA counts pages made writable. */
static theater__import_outcome lose_memory(harness *test, const theater__import *import,
                                           theater_values args, theater_value *out_result)
{
    (void)import;
    (void)args;
    struct rlimit limit = {4096, 4096};
    if (setrlimit(RLIMIT_DATA, &limit) != 0) {
        _exit(93);
    }
    *out_result = theater_value_u64(test->imports_count);
    return THEATER__IMPORT_RETURN;
}

static void grow_without_memory(void *argument)
{
    harness *test = argument;
    test->on_import = lose_memory;
    theater__guest *guest = start(test, "run");
    theater__guest_status status = theater__guest_poll(guest);
    if (status != THEATER__GUEST_TRAPPED) {
        _exit(1);
    }
    theater__trap trap = theater__guest_trap(guest);
    _exit(trap.kind == THEATER__TRAP_MACHINE ? 0 : 2);
}

static void machine__no_memory_for_growth(void **state)
{
    harness *test = *state;
    static const char TEXT[] =
        "(component (import \"lose\" (func $lose (result u64)))"
        " (core func $lose-core (canon lower (func $lose)))"
        " (core module $m (import \"\" \"lose\" (func $lose (result i64))) (memory 1)"
        "  (func (export \"run\") (result i32)"
        "   (drop (call $lose)) (memory.grow (i32.const 512))))"
        " (core instance $i (instantiate $m (with \"\" (instance"
        "  (export \"lose\" (func $lose-core))))))"
        " (func (export \"run\") (result u32) (canon lift (core func $i \"run\"))))";
    assert_int_equal(harness_load_text(test, TEXT), THEATER_OK);
    harness_link(test);
    int status = harness_fork(grow_without_memory, test);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int setup(void **state)
{
    harness_setup(state);
    harness *test = *state;
    harness_load(test, "hostile.wat");
    harness_link(test);
    return 0;
}

/* Where address space is rationed there is no pool, and everything works without. */
static void open_rationed(void *argument)
{
    harness *test = argument;
    harness_close_engine(test);
    limit_to((uint64_t)64 << 30);
    harness_open_engine(test);
    harness_load(test, "hostile.wat");
    harness_link(test);
    theater__guest *guest = start(test, "grow-memory");
    bool good = theater__engine_pooled_max(test->engine) == 0 &&
                theater__guest_poll(guest) == THEATER__GUEST_DONE;
    _exit(good ? 0 : 1);
}

static void machine__no_pool_in_a_limited_address_space(void **state)
{
    harness *test = *state;
    int status = harness_fork(open_rationed, test);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
#if defined(__SANITIZE_ADDRESS__)
    print_message("skipped: AddressSanitizer needs the whole address space\n");
    return 0;
#endif
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(machine__no_room_for_a_guest),
        TEST(machine__no_memory_for_growth),
        TEST(machine__no_pool_in_a_limited_address_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
