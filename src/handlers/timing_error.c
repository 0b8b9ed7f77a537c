/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every text that a guest may see of the Timing Host, and nothing else: no errno, no path, no host
 * name. They are part of the specification and are tested byte for byte.
 */
#include <theater/timing.h>

#include <stdio.h>

#include "timing_policy.h"

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static int actor_message(theater_actor_error_kind kind, const char *detail, char *out_text,
                         size_t size)
{
    const char *text = or_empty(detail);
    switch (kind) {
    case THEATER_ACTOR_ERROR_OPERATION_TIMEOUT:
        return snprintf(out_text, size, "Actor error: Operation timed out after %s", text);
    case THEATER_ACTOR_ERROR_CHANNEL_CLOSED:
        return snprintf(out_text, size, "Actor error: Operation channel closed");
    case THEATER_ACTOR_ERROR_SHUTTING_DOWN:
        return snprintf(out_text, size, "Actor error: Actor is shutting down");
    case THEATER_ACTOR_ERROR_FUNCTION_NOT_FOUND:
        return snprintf(out_text, size, "Actor error: Function not found: %s", text);
    case THEATER_ACTOR_ERROR_TYPE_MISMATCH:
        return snprintf(out_text, size, "Actor error: Type mismatch for function %s", text);
    case THEATER_ACTOR_ERROR_INTERNAL:
        return snprintf(out_text, size, "Actor error: Internal error: %s", text);
    case THEATER_ACTOR_ERROR_UNEXPECTED:
        return snprintf(out_text, size, "Actor error: Unexpected error: %s", text);
    case THEATER_ACTOR_ERROR_SERIALIZATION:
        return snprintf(out_text, size, "Actor error: Serialization error");
    case THEATER_ACTOR_ERROR_UPDATE_COMPONENT:
        return snprintf(out_text, size, "Actor error: Failed to update component: %s", text);
    case THEATER_ACTOR_ERROR_PAUSED:
        return snprintf(out_text, size, "Actor error: Actor is paused");
    }
    return snprintf(out_text, size, "Actor error: Unexpected error: %s", text);
}

static size_t fitted(int written, size_t size)
{
    if (written < 0 || size == 0) {
        return 0;
    }
    return (size_t)written < size ? (size_t)written : size - 1;
}

size_t theater_timing_error_message(const theater_timing_error *error, char *out_text, size_t size)
{
    int written = -1;
    switch (error->kind) {
    case THEATER_TIMING_ERROR_TIMING:
        written = snprintf(out_text, size, "Timing error: %s", or_empty(error->of.timing.text));
        break;
    case THEATER_TIMING_ERROR_DURATION_TOO_LONG:
        written = snprintf(out_text, size, "Duration too long: %llu ms exceeds maximum of %llu ms",
                           (unsigned long long)error->of.duration_too_long.duration,
                           (unsigned long long)error->of.duration_too_long.max);
        break;
    case THEATER_TIMING_ERROR_DURATION_TOO_SHORT:
        written =
            snprintf(out_text, size, "Duration too short: %llu ms is below minimum of %llu ms",
                     (unsigned long long)error->of.duration_too_short.duration,
                     (unsigned long long)error->of.duration_too_short.min);
        break;
    case THEATER_TIMING_ERROR_INVALID_DEADLINE:
        written = snprintf(out_text, size, "Invalid deadline: %llu is in the past",
                           (unsigned long long)error->of.invalid_deadline.timestamp);
        break;
    case THEATER_TIMING_ERROR_ACTOR:
        written = actor_message(error->of.actor.kind, error->of.actor.detail, out_text, size);
        break;
    }
    return fitted(written, size);
}

size_t theater__timing_deadline_message(const theater_timing_error *error, char *out_text,
                                        size_t size)
{
    if (error->kind != THEATER_TIMING_ERROR_DURATION_TOO_LONG) {
        return theater_timing_error_message(error, out_text, size);
    }
    return fitted(snprintf(out_text, size,
                           "Deadline too far in the future: %llu ms from now exceeds maximum of "
                           "%llu ms",
                           (unsigned long long)error->of.duration_too_long.duration,
                           (unsigned long long)error->of.duration_too_long.max),
                  size);
}
