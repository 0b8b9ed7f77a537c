/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors, ids, allocation, the arena, the log, and what a failed assertion does.
 */
#include <base/alloc.h>
#include <base/arena.h>
#include <base/assert.h>
#include <base/error.h>
#include <base/limits.h>
#include <base/list.h>
#include <base/log.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <theater/id.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- statuses and errors --------------------------------------------------------------------- */

static void status__names_and_texts(void **state)
{
    (void)state;
    assert_string_equal(theater_status_name(THEATER_OK), "THEATER_OK");
    assert_string_equal(theater_status_name(THEATER_ERR_FENCED), "THEATER_ERR_FENCED");
    assert_string_equal(theater_status_text(THEATER_ERR_IO), "input/output error");
    assert_string_equal(theater_status_name((theater_status)-99), "THEATER_ERR_UNKNOWN");
    assert_string_equal(theater_status_text((theater_status)1), "unknown status");
}

static void status__numbers_are_a_promise(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int number;
    } promised[] = {
        {"THEATER_OK", 0},
        {"THEATER_ERR_INVALID", -1},
        {"THEATER_ERR_LIMIT", -2},
        {"THEATER_ERR_NOMEM", -3},
        {"THEATER_ERR_IO", -4},
        {"THEATER_ERR_CORRUPT", -5},
        {"THEATER_ERR_NOTFOUND", -6},
        {"THEATER_ERR_EXISTS", -7},
        {"THEATER_ERR_TIMEOUT", -8},
        {"THEATER_ERR_CANCELLED", -9},
        {"THEATER_ERR_TRAP", -10},
        {"THEATER_ERR_ENGINE", -11},
        {"THEATER_ERR_STORE", -12},
        {"THEATER_ERR_FENCED", -13},
        {"THEATER_ERR_DIVERGED", -14},
        {"THEATER_ERR_UNSUPPORTED", -15},
        {"THEATER_ERR_CLOSED", -16},
        {"THEATER_ERR_INTERNAL", -17},
    };
    for (size_t i = 0; i < sizeof promised / sizeof promised[0]; i++) {
        theater_status status = (theater_status)promised[i].number;
        assert_string_equal(theater_status_name(status), promised[i].name);
    }
}

static void fail__writes_status_and_message(void **state)
{
    (void)state;
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater__fail(&err, THEATER_ERR_INVALID, "'%s' is %d", "x", 7),
                     THEATER_ERR_INVALID);
    assert_int_equal(err.status, THEATER_ERR_INVALID);
    assert_int_equal(err.os_errno, 0);
    assert_string_equal(err.message, "'x' is 7");
}

static void fail__without_a_record_gives_the_status(void **state)
{
    (void)state;
    assert_int_equal(theater__fail(NULL, THEATER_ERR_LIMIT, "%s", "x"), THEATER_ERR_LIMIT);
    assert_int_equal(theater__fail_errno(NULL, THEATER_ERR_IO, ENOSPC, "x"), THEATER_ERR_IO);
    assert_int_equal(theater__fail_nomem(NULL), THEATER_ERR_NOMEM);
    assert_int_equal(theater__fail_in(NULL, "x"), THEATER_ERR_INTERNAL);
}

static void fail__control_characters_become_question_marks(void **state)
{
    (void)state;
    theater_error err = THEATER_ERROR_INIT;
    theater__fail(&err, THEATER_ERR_INVALID, "a%sb", "\n\x1b[31m\x7f\t");
    assert_string_equal(err.message, "a??[31m??b");
}

static void fail__long_text_is_cut_at_a_whole_character(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        char text[400];
        memset(text, 'x', shift);
        for (size_t i = shift; i + 4 < sizeof text; i += 4) {
            memcpy(text + i, "\xF0\x9F\x98\x80", 5);
        }
        theater_error err = THEATER_ERROR_INIT;
        theater__fail(&err, THEATER_ERR_INVALID, "%s", text);
        size_t size = strlen(err.message);
        assert_true(size < THEATER_ERROR_MESSAGE_MAX && size > THEATER_ERROR_MESSAGE_MAX - 6);
        assert_int_equal((size - shift) % 4, 0);
    }
}

static void fail__text_that_just_fits_keeps_its_last_character(void **state)
{
    (void)state;
    char text[THEATER_ERROR_MESSAGE_MAX];
    memset(text, 'x', sizeof text);
    memcpy(text + sizeof text - 3, "\xC3\xA9", 3);
    theater_error err = THEATER_ERROR_INIT;
    theater__fail(&err, THEATER_ERR_INVALID, "%s", text);
    assert_string_equal(err.message, text);
}

static void fail__may_wrap_its_own_message(void **state)
{
    (void)state;
    theater_error err = THEATER_ERROR_INIT;
    theater__fail(&err, THEATER_ERR_IO, "inner");
    theater__fail(&err, THEATER_ERR_STORE, "outer: %s", err.message);
    assert_string_equal(err.message, "outer: inner");
    assert_int_equal(err.status, THEATER_ERR_STORE);
}

static void fail_errno__adds_the_systems_words(void **state)
{
    (void)state;
    theater_error err = THEATER_ERROR_INIT;
    theater__fail_errno(&err, THEATER_ERR_IO, ENOENT, "'%s' could not be opened", "a.wasm");
    assert_string_equal(err.message, "'a.wasm' could not be opened: No such file or directory");
    assert_int_equal(err.os_errno, ENOENT);
}

static void fail_in__puts_context_in_front(void **state)
{
    (void)state;
    theater_error err = THEATER_ERROR_INIT;
    theater__fail_errno(&err, THEATER_ERR_IO, EIO, "read");
    assert_int_equal(theater__fail_in(&err, "segment %d", 3), THEATER_ERR_IO);
    assert_string_equal(err.message, "segment 3: read: Input/output error");
    assert_int_equal(err.os_errno, EIO);
}

static void fail_in__long_context_is_cut(void **state)
{
    (void)state;
    theater_error err = THEATER_ERROR_INIT;
    theater__fail(&err, THEATER_ERR_IO, "inner");
    char text[400];
    memset(text, 'c', sizeof text);
    text[sizeof text - 1] = '\0';
    theater__fail_in(&err, "%s", text);
    assert_int_equal(strlen(err.message), THEATER_ERROR_MESSAGE_MAX - 1);
}

static void fail_nomem__has_a_fixed_text(void **state)
{
    (void)state;
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater__fail_nomem(&err), THEATER_ERR_NOMEM);
    assert_string_equal(err.message, "out of memory");
}

/* ---- assertions ------------------------------------------------------------------------------ */

/* What a child that fails this assertion writes to stderr; returns how it ended. */
static int failed_child(char *out_text, size_t room)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        THEATER_ASSERT(1 + 1 == 3);
        _exit(0);
    }
    close(ends[1]);
    size_t size = 0;
    ssize_t got = 0;
    do {
        got = read(ends[0], out_text + size, room - 1 - size);
        size += got > 0 ? (size_t)got : 0;
    } while (got > 0);
    out_text[size] = '\0';
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void assert__writes_one_line_and_aborts(void **state)
{
    (void)state;
    char text[1024];
    int status = failed_child(text, sizeof text);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "core_test.c:"));
    assert_non_null(strstr(text, ": failed_child: assertion '1 + 1 == 3' failed\n"));
}

/* ---- ids ------------------------------------------------------------------------------------- */

static void id__text_and_back(void **state)
{
    (void)state;
    theater_id id;
    char text[THEATER_ID_TEXT_SIZE];
    assert_int_equal(theater_id_parse("00112233-4455-6677-8899-AABBccddeeff", &id, NULL),
                     THEATER_OK);
    for (size_t i = 0; i < 16; i++) {
        assert_int_equal(id.bytes[i], i * 0x11);
    }
    theater_id_format(id, text);
    assert_string_equal(text, "00112233-4455-6677-8899-aabbccddeeff");
}

static void id__nonsense_is_refused_and_shown(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "x",
                                        "00112233445566778899aabbccddeeff",
                                        "00112233-4455-6677-8899-aabbccddeef",
                                        "00112233-4455-6677-8899-aabbccddeeff0",
                                        "00112233-4455-6677-8899-aabbccddeefg",
                                        " 0112233-4455-6677-8899-aabbccddeeff",
                                        "{0112233-4455-6677-8899-aabbccddeef}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        theater_id id = {{7}};
        theater_error err = THEATER_ERROR_INIT;
        assert_int_equal(theater_id_parse(texts[i], &id, &err), THEATER_ERR_INVALID);
        assert_int_equal(id.bytes[0], 7);
        assert_non_null(strstr(err.message, "is no actor id"));
    }
}

static void id_new__gives_another_each_time(void **state)
{
    (void)state;
    theater_id a;
    theater_id b;
    assert_int_equal(theater_id_new(&a, NULL), THEATER_OK);
    assert_int_equal(theater_id_new(&b, NULL), THEATER_OK);
    assert_memory_not_equal(a.bytes, b.bytes, 16);
    assert_int_equal(a.bytes[6] >> 4, 4); /* version: random */
    assert_int_equal(a.bytes[8] >> 6, 2); /* variant: RFC 4122 */
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void alloc__zero_bytes_are_a_block(void **state)
{
    (void)state;
    void *blocks[] = {
        theater__alloc(0),        theater__alloc_zeroed(0, 8),        theater__alloc_zeroed(8, 0),
        theater__memdup(NULL, 0), theater__realloc_array(NULL, 0, 8), theater__strndup(NULL, 0)};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        assert_non_null(blocks[i]);
        theater__free(blocks[i]);
    }
    theater__free(NULL);
}

static void alloc__overflow_is_null(void **state)
{
    (void)state;
    size_t volatile many = SIZE_MAX;
    assert_null(theater__alloc_zeroed(many / 2, 3));
    assert_null(theater__realloc_array(NULL, many / 2, 3));
    assert_null(theater__strndup("", many));
    char *block = theater__strndup("kept", 4);
    assert_null(theater__realloc_array(block, many, 2));
    assert_string_equal(block, "kept");
    theater__free(block);
}

static void alloc__copies(void **state)
{
    (void)state;
    char *text = theater__strndup("abcdef", 3);
    assert_string_equal(text, "abc");
    theater__free(text);
    uint8_t *bytes = theater__memdup("\1\2\3", 3);
    assert_memory_equal(bytes, "\1\2\3", 3);
    theater__free(bytes);
}

static void alloc_fail_at__fails_exactly_the_kth(void **state)
{
    (void)state;
    for (uint64_t k = 1; k <= 4; k++) {
        theater__alloc_fail_at(k);
        for (uint64_t i = 1; i <= 6; i++) {
            void *block = theater__alloc(8);
            assert_int_equal(block == NULL, i == k);
            theater__free(block);
        }
        assert_int_equal(theater__alloc_count(), 6);
    }
    theater__alloc_fail_at(0);
    assert_int_equal(theater__alloc_count(), 0);
}

static void alloc__cleanup_frees_on_the_way_out(void **state)
{
    (void)state;
    THEATER_AUTOFREE char *text = theater__strndup("freed by the leak checker's measure", 10);
    THEATER_AUTOFREE uint8_t *nothing = NULL;
    assert_non_null(text);
    assert_null(nothing);
}

/* ---- arena ----------------------------------------------------------------------------------- */

static void arena__is_aligned_and_apart(void **state)
{
    (void)state;
    theater__arena arena = {0};
    uint8_t *before = NULL;
    for (size_t size = 0; size < 300; size++) {
        uint8_t *at = theater__arena_alloc(&arena, size);
        assert_non_null(at);
        assert_int_equal((uintptr_t)at % 16, 0);
        assert_ptr_not_equal(at, before);
        memset(at, 0xAB, size);
        before = at;
    }
    theater__arena_deinit(&arena);
}

static void arena__array_is_zeroed_and_checked(void **state)
{
    (void)state;
    theater__arena arena = {0};
    memset(theater__arena_alloc(&arena, 1000), 0xFF, 1000);
    theater__arena_reset(&arena);
    uint64_t *numbers = theater__arena_array(&arena, 100, sizeof *numbers);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(numbers[i], 0);
    }
    assert_null(theater__arena_array(&arena, SIZE_MAX / 2, 3));
    assert_null(theater__arena_alloc(&arena, SIZE_MAX));
    assert_null(theater__arena_alloc(&arena, SIZE_MAX - 8));
    theater__arena_deinit(&arena);
}

static void arena__bound_counts_what_was_handed_out(void **state)
{
    (void)state;
    theater__arena arena = {.used_max = 64};
    assert_non_null(theater__arena_alloc(&arena, 17));
    assert_int_equal(arena.used, 32);
    assert_null(theater__arena_alloc(&arena, 33));
    assert_non_null(theater__arena_alloc(&arena, 32));
    assert_null(theater__arena_alloc(&arena, 0));
    theater__arena_reset(&arena);
    assert_non_null(theater__arena_alloc(&arena, 64));
    theater__arena_deinit(&arena);
}

static void arena__default_bound_is_the_named_one(void **state)
{
    (void)state;
    theater__arena arena = {0};
    assert_null(theater__arena_alloc(&arena, THEATER__ARENA_BYTES_MAX + 1));
    assert_non_null(theater__arena_alloc(&arena, THEATER__ARENA_BYTES_MAX));
    assert_null(theater__arena_alloc(&arena, 1));
    theater__arena_deinit(&arena);
}

static void arena__large_request_leaves_the_small_block_in_use(void **state)
{
    (void)state;
    theater__arena arena = {0};
    uint8_t *first = theater__arena_alloc(&arena, 16);
    memset(theater__arena_alloc(&arena, 1 << 20), 1, 1 << 20);
    uint8_t *second = theater__arena_alloc(&arena, 16);
    assert_ptr_equal(second, first + 16);
    theater__arena_deinit(&arena);
}

static void arena__reset_keeps_one_block(void **state)
{
    (void)state;
    theater__arena arena = {0};
    for (int i = 0; i < 100; i++) {
        assert_non_null(theater__arena_alloc(&arena, 4096));
    }
    assert_non_null(theater__arena_alloc(&arena, 1 << 20));
    theater__arena_reset(&arena);
    assert_int_equal(arena.used, 0);
    theater__alloc_fail_at(0);
    assert_non_null(theater__arena_alloc(&arena, 4096));
    assert_int_equal(theater__alloc_count(), 0);
    theater__arena_deinit(&arena);
    theater__arena_deinit(&arena);
    theater__arena_deinit(NULL);
}

static void arena__no_memory_is_null_and_goes_on(void **state)
{
    (void)state;
    theater__arena arena = {0};
    theater__alloc_fail_at(1);
    assert_null(theater__arena_alloc(&arena, 8));
    assert_int_equal(arena.used, 0);
    assert_non_null(theater__arena_alloc(&arena, 8));
    theater__alloc_fail_at(0);
    theater__arena_deinit(&arena);
}

/* ---- list and log ---------------------------------------------------------------------------- */

typedef struct member {
    int number;
    theater__list link;
} member;

static void list__first_in_first_out(void **state)
{
    (void)state;
    theater__list head;
    theater__list_init(&head);
    member members[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    assert_true(theater__list_empty(&head));
    assert_null(theater__list_pop(&head));
    for (int i = 0; i < 3; i++) {
        assert_false(theater__list_linked(&members[i].link));
        theater__list_push(&head, &members[i].link);
        assert_true(theater__list_linked(&members[i].link));
    }
    theater__list_remove(&members[1].link);
    assert_int_equal(THEATER__LIST_OWNER(theater__list_pop(&head), member, link)->number, 0);
    assert_int_equal(THEATER__LIST_OWNER(theater__list_pop(&head), member, link)->number, 2);
    assert_true(theater__list_empty(&head));
}

typedef struct heard {
    int lines;
    theater_log_level level;
    char line[2048];
} heard;

static void hear(theater_log_level level, const char *line, void *userdata)
{
    heard *log = userdata;
    log->lines++;
    log->level = level;
    snprintf(log->line, sizeof log->line, "%s", line);
}

static void log__says_what_matters_enough(void **state)
{
    (void)state;
    heard said = {0};
    theater__log log = {hear, &said, THEATER_LOG_WARNING};
    theater__log_write(&log, THEATER_LOG_INFO, "not %d", 1);
    assert_int_equal(said.lines, 0);
    theater__log_write(&log, THEATER_LOG_WARNING, "'%s' parked", "a\nb\x1b");
    assert_int_equal(said.lines, 1);
    assert_int_equal(said.level, THEATER_LOG_WARNING);
    assert_string_equal(said.line, "'a?b?' parked");
}

static void log__long_line_is_cut(void **state)
{
    (void)state;
    heard said = {0};
    theater__log log = {hear, &said, THEATER_LOG_DEBUG};
    theater__log_write(&log, THEATER_LOG_DEBUG, "%2000d", 1);
    assert_int_equal(strlen(said.line), 1023);
}

static void log__nobody_listens(void **state)
{
    (void)state;
    theater__log log = {NULL, NULL, THEATER_LOG_DEBUG};
    theater__log_write(&log, THEATER_LOG_ERROR, "x");
    theater__log_write(NULL, THEATER_LOG_ERROR, "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status__names_and_texts),
        cmocka_unit_test(status__numbers_are_a_promise),
        cmocka_unit_test(fail__writes_status_and_message),
        cmocka_unit_test(fail__without_a_record_gives_the_status),
        cmocka_unit_test(fail__control_characters_become_question_marks),
        cmocka_unit_test(fail__long_text_is_cut_at_a_whole_character),
        cmocka_unit_test(fail__text_that_just_fits_keeps_its_last_character),
        cmocka_unit_test(fail__may_wrap_its_own_message),
        cmocka_unit_test(fail_errno__adds_the_systems_words),
        cmocka_unit_test(fail_in__puts_context_in_front),
        cmocka_unit_test(fail_in__long_context_is_cut),
        cmocka_unit_test(fail_nomem__has_a_fixed_text),
        cmocka_unit_test(assert__writes_one_line_and_aborts),
        cmocka_unit_test(id__text_and_back),
        cmocka_unit_test(id__nonsense_is_refused_and_shown),
        cmocka_unit_test(id_new__gives_another_each_time),
        cmocka_unit_test(alloc__zero_bytes_are_a_block),
        cmocka_unit_test(alloc__overflow_is_null),
        cmocka_unit_test(alloc__copies),
        cmocka_unit_test(alloc_fail_at__fails_exactly_the_kth),
        cmocka_unit_test(alloc__cleanup_frees_on_the_way_out),
        cmocka_unit_test(arena__is_aligned_and_apart),
        cmocka_unit_test(arena__array_is_zeroed_and_checked),
        cmocka_unit_test(arena__bound_counts_what_was_handed_out),
        cmocka_unit_test(arena__default_bound_is_the_named_one),
        cmocka_unit_test(arena__large_request_leaves_the_small_block_in_use),
        cmocka_unit_test(arena__reset_keeps_one_block),
        cmocka_unit_test(arena__no_memory_is_null_and_goes_on),
        cmocka_unit_test(list__first_in_first_out),
        cmocka_unit_test(log__says_what_matters_enough),
        cmocka_unit_test(log__long_line_is_cut),
        cmocka_unit_test(log__nobody_listens),
    };
    return cmocka_run_group_tests_name("base core", tests, NULL, NULL);
}
