/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both clocks have in common: readings that do not run backward, and the notice of steps.
 *
 * Linux slews CLOCK_REALTIME and CLOCK_BOOTTIME together, so their difference (the offset) stands
 * still however NTP disciplines the machine; it changes when the date is set, and only then. Hence
 * a step is a change of the offset, and no rate or drift has to be guessed:
 *
 *     offset   ______________            held or let pass: less than THEATER__CLOCK_HOLD_MS
 *                            |____
 *                                 |                a step: delta = new offset - base
 *                                 |______________  and from here on this is the base
 *
 * Small changes do not move the base, so that many small ones add up to a step in the end, and the
 * deltas reported add up to the truth. A reading that would be earlier than the last one is held at
 * the last one, unless a step was just seen.
 */
#include <clock/clock.h>

#include <base/assert.h>
#include <stddef.h>

#include "internal.h"

uint64_t clock_add(uint64_t a, uint64_t b)
{
    uint64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

uint64_t clock_multiply(uint64_t a, uint64_t b)
{
    uint64_t product = 0;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static int64_t signed_add(int64_t a, int64_t b)
{
    int64_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum)) {
        return a < 0 ? INT64_MIN : INT64_MAX;
    }
    return sum;
}

static int64_t signed_subtract(int64_t a, int64_t b)
{
    int64_t difference = 0;
    if (__builtin_sub_overflow(a, b, &difference)) {
        return a < b ? INT64_MIN : INT64_MAX;
    }
    return difference;
}

void clock_start(theater__clock *clock, const clock_ops *ops)
{
    THEATER_ASSERT(clock->ops == NULL);
    THEATER_ASSERT(ops != NULL);
    clock->ops = ops;
    clock_sample sample = ops->sample(clock);
    clock->offset_base_ms = sample.offset_ms;
    clock->suspend_base_ms = sample.suspended_ms;
    clock->wall_last_ms = sample.wall_ms;
    clock->mono_last_ns = ops->mono_ns(clock);
}

static void note_step(theater__clock *clock, const clock_sample *sample, int64_t delta_ms,
                      uint64_t suspended_ms)
{
    if (!clock->step_pending) {
        clock->step = (theater__clock_step){0};
    }
    clock->step_pending = true;
    clock->step.delta_ms = signed_add(clock->step.delta_ms, delta_ms);
    clock->step.suspended_ms = clock_add(clock->step.suspended_ms, suspended_ms);
    clock->step.at = (theater_wall){sample->wall_ms};
    clock->offset_base_ms = sample->offset_ms;
    clock->suspend_base_ms = sample->suspended_ms;
    if (sample->wall_ms < clock->wall_last_ms) {
        clock->wall_last_ms = sample->wall_ms; /* the one case where readings go back */
    }
}

void clock_observe(theater__clock *clock, const clock_sample *sample)
{
    int64_t hold = (int64_t)THEATER__CLOCK_HOLD_MS;
    int64_t delta = signed_subtract(sample->offset_ms, clock->offset_base_ms);
    uint64_t suspended = 0;
    if (sample->suspended_ms > clock->suspend_base_ms) {
        suspended = sample->suspended_ms - clock->suspend_base_ms;
    }
    uint64_t behind = 0;
    if (sample->wall_ms < clock->wall_last_ms) {
        behind = clock->wall_last_ms - sample->wall_ms;
    }
    bool stepped = delta >= hold || delta <= -hold || behind >= THEATER__CLOCK_HOLD_MS;
    if (stepped || suspended >= THEATER__CLOCK_HOLD_MS) {
        note_step(clock, sample, stepped ? delta : 0, suspended);
    }
}

void theater__clock_close(theater__clock *clock)
{
    if (clock != NULL) {
        clock->ops->close(clock);
    }
}

theater__boot theater__clock_boot(const theater__clock *clock)
{
    THEATER_ASSERT(clock != NULL);
    return clock->boot;
}

theater_mono theater__clock_mono(theater__clock *clock)
{
    THEATER_ASSERT(clock != NULL);
    uint64_t ns = clock->ops->mono_ns(clock);
    if (ns > clock->mono_last_ns) {
        clock->mono_last_ns = ns;
    }
    return (theater_mono){clock->mono_last_ns};
}

theater_wall theater__clock_wall(theater__clock *clock)
{
    THEATER_ASSERT(clock != NULL);
    clock_sample sample = clock->ops->sample(clock);
    clock_observe(clock, &sample);
    if (sample.wall_ms > clock->wall_last_ms) {
        clock->wall_last_ms = sample.wall_ms;
    }
    THEATER_ASSERT(clock->wall_last_ms >= sample.wall_ms);
    return (theater_wall){clock->wall_last_ms};
}

uint64_t theater__clock_thread_cpu_ns(theater__clock *clock)
{
    THEATER_ASSERT(clock != NULL);
    return clock->ops->thread_cpu_ns(clock);
}

int theater__clock_fd(const theater__clock *clock)
{
    THEATER_ASSERT(clock != NULL);
    return clock->ops->fd(clock);
}

void theater__clock_arm(theater__clock *clock, theater_mono due_mono, theater_wall due_wall)
{
    THEATER_ASSERT(clock != NULL);
    clock->ops->arm(clock, due_mono, due_wall);
}

void theater__clock_acknowledge(theater__clock *clock)
{
    THEATER_ASSERT(clock != NULL);
    clock->ops->acknowledge(clock);
}

bool theater__clock_take_step(theater__clock *clock, theater__clock_step *out_step)
{
    THEATER_ASSERT(clock != NULL);
    THEATER_ASSERT(out_step != NULL);
    if (!clock->step_pending) {
        return false;
    }
    clock->step_pending = false;
    *out_step = clock->step;
    return true;
}

theater_mono theater__mono_add_ms(theater_mono from, uint64_t duration_ms)
{
    return (theater_mono){clock_add(from.ns, clock_multiply(duration_ms, CLOCK_NS_PER_MS))};
}

theater_wall theater__wall_add_ms(theater_wall from, uint64_t duration_ms)
{
    return (theater_wall){clock_add(from.ms, duration_ms)};
}

uint64_t theater__wall_since_ms(theater_wall a, theater_wall b)
{
    return a.ms > b.ms ? a.ms - b.ms : 0;
}

uint64_t theater__mono_since_ns(theater_mono a, theater_mono b)
{
    return a.ns > b.ns ? a.ns - b.ns : 0;
}
