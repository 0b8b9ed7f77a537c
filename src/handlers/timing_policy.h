/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the Timing Host decides, apart from how it is plugged in: pure functions from bounds,
 * request and reading to a verdict. Source of the rules: the specification's Timing Host module,
 * and theater/timing.h.
 */
#ifndef HANDLERS_TIMING_POLICY_H
#define HANDLERS_TIMING_POLICY_H

#include <theater/timing.h>

typedef enum theater__timing_verdict {
    THEATER__TIMING_DONE = 1,    /* ok at once */
    THEATER__TIMING_WAIT = 2,    /* ok when its time has come */
    THEATER__TIMING_REJECTED = 3 /* *out_error says why */
} theater__timing_verdict;

typedef struct theater__timing_bounds {
    uint64_t max_ms; /* UINT64_MAX = no bound */
    uint64_t min_ms;
} theater__timing_bounds;

theater__timing_verdict theater__timing_judge_sleep(const theater__timing_bounds *bounds,
                                                    uint64_t duration_ms,
                                                    theater_timing_error *out_error);

/* now is the reading that stands in the event. */
theater__timing_verdict theater__timing_judge_deadline(const theater__timing_bounds *bounds,
                                                       theater_wall deadline, theater_wall now,
                                                       theater_timing_error *out_error);

/* What a guest is told of a wait that did not simply come due; false if it is told ok. */
bool theater__timing_judge_end(theater_wait_outcome outcome, theater_timing_error *out_error);

/* The text that a guest gets for a rejected deadline: the same error, in its own words. */
size_t theater__timing_deadline_message(const theater_timing_error *error, char *out_text,
                                        size_t size);

#endif
