/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every text that a guest may be given by the Timing Host, byte for byte, and what none of them may
 * hold: something of the machine that it runs on.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "timing_policy.h"

typedef struct expectation {
    theater_timing_error error;
    const char *text;
} expectation;

#define TIMING(words)                \
    {                                \
        THEATER_TIMING_ERROR_TIMING, \
        {                            \
            .timing = { words }      \
        }                            \
    }
#define TOO_LONG(duration, max)                    \
    {                                              \
        THEATER_TIMING_ERROR_DURATION_TOO_LONG,    \
        {                                          \
            .duration_too_long = { duration, max } \
        }                                          \
    }
#define TOO_SHORT(duration, min)                    \
    {                                               \
        THEATER_TIMING_ERROR_DURATION_TOO_SHORT,    \
        {                                           \
            .duration_too_short = { duration, min } \
        }                                           \
    }
#define INVALID(timestamp)                     \
    {                                          \
        THEATER_TIMING_ERROR_INVALID_DEADLINE, \
        {                                      \
            .invalid_deadline = { timestamp }  \
        }                                      \
    }
#define ACTOR(kind, detail)           \
    {                                 \
        THEATER_TIMING_ERROR_ACTOR,   \
        {                             \
            .actor = { kind, detail } \
        }                             \
    }

static const expectation expectations[] = {
    {TIMING("the clock is gone"), "Timing error: the clock is gone"},
    {TIMING(NULL), "Timing error: "},
    {TOO_LONG(120000, 60000), "Duration too long: 120000 ms exceeds maximum of 60000 ms"},
    {TOO_LONG(UINT64_MAX, 3600000),
     "Duration too long: 18446744073709551615 ms exceeds maximum of 3600000 ms"},
    {TOO_SHORT(1, 5), "Duration too short: 1 ms is below minimum of 5 ms"},
    {TOO_SHORT(UINT64_MAX - 1, UINT64_MAX),
     "Duration too short: 18446744073709551614 ms is below minimum of 18446744073709551615 ms"},
    {INVALID(0), "Invalid deadline: 0 is in the past"},
    {INVALID(1767225600000), "Invalid deadline: 1767225600000 is in the past"},
    {ACTOR(THEATER_ACTOR_ERROR_OPERATION_TIMEOUT, "30s"),
     "Actor error: Operation timed out after 30s"},
    {ACTOR(THEATER_ACTOR_ERROR_CHANNEL_CLOSED, NULL), "Actor error: Operation channel closed"},
    {ACTOR(THEATER_ACTOR_ERROR_SHUTTING_DOWN, NULL), "Actor error: Actor is shutting down"},
    {ACTOR(THEATER_ACTOR_ERROR_FUNCTION_NOT_FOUND, "run"), "Actor error: Function not found: run"},
    {ACTOR(THEATER_ACTOR_ERROR_TYPE_MISMATCH, "run"),
     "Actor error: Type mismatch for function run"},
    {ACTOR(THEATER_ACTOR_ERROR_INTERNAL, "why"), "Actor error: Internal error: why"},
    {ACTOR(THEATER_ACTOR_ERROR_UNEXPECTED, "what"), "Actor error: Unexpected error: what"},
    {ACTOR(THEATER_ACTOR_ERROR_SERIALIZATION, NULL), "Actor error: Serialization error"},
    {ACTOR(THEATER_ACTOR_ERROR_UPDATE_COMPONENT, "why"),
     "Actor error: Failed to update component: why"},
    {ACTOR(THEATER_ACTOR_ERROR_PAUSED, NULL), "Actor error: Actor is paused"},
};
#define EXPECTATIONS_COUNT (sizeof(expectations) / sizeof(expectations[0]))

static void message__each_text_is_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXPECTATIONS_COUNT; i++) {
        char text[THEATER_TIMING_ERROR_MESSAGE_MAX];
        memset(text, '#', sizeof(text));
        size_t size = theater_timing_error_message(&expectations[i].error, text, sizeof(text));
        assert_string_equal(text, expectations[i].text);
        assert_int_equal(size, strlen(expectations[i].text));
    }
}

static void message__is_cut_to_what_fits(void **state)
{
    (void)state;
    const theater_timing_error error = TOO_LONG(120000, 60000);
    char text[16];
    memset(text, '#', sizeof(text));
    assert_int_equal(theater_timing_error_message(&error, text, 9), 8);
    assert_string_equal(text, "Duration");
    assert_int_equal(text[9], '#');
    assert_int_equal(theater_timing_error_message(&error, text, 1), 0);
    assert_string_equal(text, "");
    text[0] = '#';
    assert_int_equal(theater_timing_error_message(&error, text, 0), 0);
    assert_int_equal(text[0], '#');
}

/* A text of the embedder's that is longer than the room for it. */
static void message__long_details_are_cut(void **state)
{
    (void)state;
    char detail[2 * THEATER_TIMING_ERROR_MESSAGE_MAX];
    char text[THEATER_TIMING_ERROR_MESSAGE_MAX];
    memset(detail, 'x', sizeof(detail) - 1);
    detail[sizeof(detail) - 1] = '\0';
    const theater_timing_error error = ACTOR(THEATER_ACTOR_ERROR_INTERNAL, detail);
    assert_int_equal(theater_timing_error_message(&error, text, sizeof(text)), sizeof(text) - 1);
    assert_int_equal(strlen(text), sizeof(text) - 1);
}

static void deadline_message__has_its_own_words_for_too_long(void **state)
{
    (void)state;
    char text[THEATER_TIMING_ERROR_MESSAGE_MAX];
    const char *expected =
        "Deadline too far in the future: 60001 ms from now exceeds maximum of 60000 ms";
    const theater_timing_error too_long = TOO_LONG(60001, 60000);
    assert_int_equal(theater__timing_deadline_message(&too_long, text, sizeof(text)),
                     strlen(expected));
    assert_string_equal(text, expected);
    const theater_timing_error closed = ACTOR(THEATER_ACTOR_ERROR_CHANNEL_CLOSED, NULL);
    (void)theater__timing_deadline_message(&closed, text, sizeof(text));
    assert_string_equal(text, "Actor error: Operation channel closed");
    (void)theater__timing_deadline_message(&too_long, text, 9);
    assert_string_equal(text, "Deadline");
}

static void assert_says_nothing_of_the_machine(const char *text)
{
    char host[256] = {0};
    assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
    assert_null(strchr(text, '/'));
    assert_null(strstr(text, "errno"));
    assert_true(host[0] == '\0' || strstr(text, host) == NULL);
    for (int number = 1; number < 134; number++) {
        const char *words = strerrordesc_np(number);
        const char *name = strerrorname_np(number);
        assert_true(words == NULL || strstr(text, words) == NULL);
        assert_true(name == NULL || strstr(text, name) == NULL);
    }
}

/* With a full disk and a failed call behind it, the text is the same. */
static void message__says_nothing_of_the_machine(void **state)
{
    (void)state;
    const theater_wait_outcome outcomes[] = {THEATER_WAIT_CANCELLED, THEATER_WAIT_SHUTDOWN,
                                             THEATER_WAIT_OVERDUE};
    char text[THEATER_TIMING_ERROR_MESSAGE_MAX];
    errno = ENOSPC;
    for (size_t i = 0; i < EXPECTATIONS_COUNT; i++) {
        (void)theater_timing_error_message(&expectations[i].error, text, sizeof(text));
        assert_says_nothing_of_the_machine(text);
        (void)theater__timing_deadline_message(&expectations[i].error, text, sizeof(text));
        assert_says_nothing_of_the_machine(text);
    }
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
        theater_timing_error error;
        assert_true(theater__timing_judge_end(outcomes[i], &error));
        (void)theater_timing_error_message(&error, text, sizeof(text));
        assert_says_nothing_of_the_machine(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message__each_text_is_exact),
        cmocka_unit_test(message__is_cut_to_what_fits),
        cmocka_unit_test(message__long_details_are_cut),
        cmocka_unit_test(deadline_message__has_its_own_words_for_too_long),
        cmocka_unit_test(message__says_nothing_of_the_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
