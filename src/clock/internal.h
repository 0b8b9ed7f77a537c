/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two clocks of this room give to the part that they share (clock.c).
 */
#ifndef CLOCK_INTERNAL_H
#define CLOCK_INTERNAL_H

#include <clock/clock.h>

#define CLOCK_NS_PER_MS 1000000u

/* Both clocks, looked at together. */
typedef struct clock_sample {
    uint64_t wall_ms;
    int64_t offset_ms;     /* wall minus elapsed: changes only when the date is set */
    uint64_t suspended_ms; /* how long the machine has been suspended since it was started */
} clock_sample;

typedef struct clock_ops {
    void (*close)(theater__clock *clock);
    uint64_t (*mono_ns)(theater__clock *clock);
    clock_sample (*sample)(theater__clock *clock);
    uint64_t (*thread_cpu_ns)(theater__clock *clock);
    int (*fd)(const theater__clock *clock);
    void (*arm)(theater__clock *clock, theater_mono due_mono, theater_wall due_wall);
    void (*acknowledge)(theater__clock *clock);
} clock_ops;

struct theater__clock {
    const clock_ops *ops;
    theater__boot boot;
    uint64_t mono_last_ns;
    uint64_t wall_last_ms;    /* the last reading that was given */
    int64_t offset_base_ms;   /* as of the last step that was reported, or of the start */
    uint64_t suspend_base_ms; /* likewise */
    bool step_pending;
    theater__clock_step step;
};

/* To be called by an _open_ once its own part works: takes the first sample as the base. */
void clock_start(theater__clock *clock, const clock_ops *ops);
/* Compares a sample with the base, and notes a step. */
void clock_observe(theater__clock *clock, const clock_sample *sample);

uint64_t clock_add(uint64_t a, uint64_t b);      /* saturating */
uint64_t clock_multiply(uint64_t a, uint64_t b); /* saturating */

#endif
