/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of sleep and deadline, one function each, in the order in which they are judged.
 */
#include "timing_policy.h"

#include <string.h>

static theater__timing_verdict reject_too_long(uint64_t duration_ms, uint64_t max_ms,
                                               theater_timing_error *out_error)
{
    memset(out_error, 0, sizeof(*out_error));
    out_error->kind = THEATER_TIMING_ERROR_DURATION_TOO_LONG;
    out_error->of.duration_too_long.duration = duration_ms;
    out_error->of.duration_too_long.max = max_ms;
    return THEATER__TIMING_REJECTED;
}

theater__timing_verdict theater__timing_judge_sleep(const theater__timing_bounds *bounds,
                                                    uint64_t duration_ms,
                                                    theater_timing_error *out_error)
{
    if (duration_ms == 0) {
        return THEATER__TIMING_DONE;
    }
    if (duration_ms < bounds->min_ms) {
        memset(out_error, 0, sizeof(*out_error));
        out_error->kind = THEATER_TIMING_ERROR_DURATION_TOO_SHORT;
        out_error->of.duration_too_short.duration = duration_ms;
        out_error->of.duration_too_short.min = bounds->min_ms;
        return THEATER__TIMING_REJECTED;
    }
    if (duration_ms > bounds->max_ms) {
        return reject_too_long(duration_ms, bounds->max_ms, out_error);
    }
    return THEATER__TIMING_WAIT;
}

theater__timing_verdict theater__timing_judge_deadline(const theater__timing_bounds *bounds,
                                                       theater_wall deadline, theater_wall now,
                                                       theater_timing_error *out_error)
{
    if (deadline.ms <= now.ms) {
        return THEATER__TIMING_DONE;
    }
    uint64_t ahead_ms = deadline.ms - now.ms;
    if (ahead_ms > bounds->max_ms) {
        return reject_too_long(ahead_ms, bounds->max_ms, out_error);
    }
    return THEATER__TIMING_WAIT;
}

bool theater__timing_judge_end(theater_wait_outcome outcome, theater_timing_error *out_error)
{
    memset(out_error, 0, sizeof(*out_error));
    out_error->kind = THEATER_TIMING_ERROR_ACTOR;
    switch (outcome) {
    case THEATER_WAIT_DUE:
    case THEATER_WAIT_COMPLETED:
    case THEATER_WAIT_WOKEN:
        return false;
    case THEATER_WAIT_CANCELLED:
        out_error->of.actor.kind = THEATER_ACTOR_ERROR_CHANNEL_CLOSED;
        return true;
    case THEATER_WAIT_SHUTDOWN:
        out_error->of.actor.kind = THEATER_ACTOR_ERROR_SHUTTING_DOWN;
        return true;
    case THEATER_WAIT_OVERDUE:
        out_error->kind = THEATER_TIMING_ERROR_TIMING;
        out_error->of.timing.text = "the wait came due while the host was not running";
        return true;
    }
    out_error->of.actor.kind = THEATER_ACTOR_ERROR_CHANNEL_CLOSED;
    return true;
}
