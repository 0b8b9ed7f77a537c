/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The specification's example of a TimingError, in C: an enum with fields is a tagged union, and
 * `match` is a switch over its kind.
 */
#include <inttypes.h>
#include <stdio.h>
#include <theater.h>

static void handle(const theater_timing_error *error)
{
    switch (error->kind) {
    case THEATER_TIMING_ERROR_DURATION_TOO_LONG:
        printf("Duration %" PRIu64 " ms exceeds maximum of %" PRIu64 " ms\n",
               error->of.duration_too_long.duration, error->of.duration_too_long.max);
        break;
    case THEATER_TIMING_ERROR_DURATION_TOO_SHORT:
        printf("Duration %" PRIu64 " ms is below minimum of %" PRIu64 " ms\n",
               error->of.duration_too_short.duration, error->of.duration_too_short.min);
        break;
    default:
        printf("Other error\n");
        break;
    }
}

/* What a guest would be given as its `err`. */
static void say(const theater_timing_error *error)
{
    char text[THEATER_TIMING_ERROR_MESSAGE_MAX];
    (void)theater_timing_error_message(error, text, sizeof(text));
    printf("%s\n", text);
}

int main(void)
{
    /* Create a duration too long error */
    const theater_timing_error too_long = {
        .kind = THEATER_TIMING_ERROR_DURATION_TOO_LONG,
        .of.duration_too_long = {.duration = 120000, .max = 60000},
    };

    /* Create a duration too short error */
    const theater_timing_error too_short = {
        .kind = THEATER_TIMING_ERROR_DURATION_TOO_SHORT,
        .of.duration_too_short = {.duration = 1, .min = 5},
    };

    const theater_timing_error invalid_deadline = {
        .kind = THEATER_TIMING_ERROR_INVALID_DEADLINE,
        .of.invalid_deadline = {.timestamp = 1},
    };

    /* Handle different error types */
    const theater_timing_error *const errors[] = {&too_long, &too_short, &invalid_deadline};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        handle(errors[i]);
        say(errors[i]);
    }
    return 0;
}
