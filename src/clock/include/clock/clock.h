/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only room that reads a clock. A theater__clock is either the machine's (CLOCK_BOOTTIME,
 * CLOCK_REALTIME, two absolute timerfds) or simulated (time stands still until it is told to jump).
 * Everything above it is the same code over either.
 *
 * Readings. Elapsed time never runs backward. Wall readings are in one order for the whole host:
 * a backward difference of less than THEATER__CLOCK_HOLD_MS is held (the last reading is given
 * again), a larger one, or a suspend of the machine, is a step that theater__clock_take_step()
 * reports once.
 *
 * Alarms. One timer for each clock, absolute. When either fires, or the date was set
 * (TFD_TIMER_CANCEL_ON_SET), the clock's pollable fd is readable until
 * theater__clock_acknowledge(). Sub-millisecond duties: an alarm is armed at the exact due instant,
 * never before it.
 *
 * Threads: one owner. The fd may be polled by anyone.
 */
#ifndef CLOCK_CLOCK_H
#define CLOCK_CLOCK_H

#include <stdbool.h>
#include <theater/error.h>
#include <theater/time.h>

/* Backward wall differences below this are held instead of shown. */
#define THEATER__CLOCK_HOLD_MS 1000u

#define THEATER__MONO_NEVER ((theater_mono){UINT64_MAX})
#define THEATER__WALL_NEVER ((theater_wall){UINT64_MAX})

/* Identity of one boot: elapsed times are comparable only within it. */
typedef struct theater__boot {
    uint8_t bytes[16];
} theater__boot;

typedef struct theater__clock theater__clock;

/*
 * A jump of the wall clock against elapsed time: new minus expected, in ms. The sum of all deltas
 * is how far the date was set in all. A suspend alone has a delta of 0, since elapsed time counts
 * it.
 */
typedef struct theater__clock_step {
    int64_t delta_ms;
    theater_wall at;
    uint64_t
        suspended_ms; /* how long the machine was suspended, if THEATER__CLOCK_HOLD_MS or more */
} theater__clock_step;

/*
 * The machine's clock. The boot id is /proc/sys/kernel/random/boot_id, or, for tests, the 36
 * characters in the environment variable THEATER_TEST_BOOT_ID.
 */
theater_status theater__clock_open_os(theater__clock **out_clock, theater_error *err);

/*
 * A simulated clock: wall starts at start, elapsed time at one second. The boot id is derived from
 * seed. Its fd is -1; it never fires by itself, theater__clock_jump() moves it.
 */
theater_status theater__clock_open_simulated(theater_wall start, uint64_t seed,
                                             theater__clock **out_clock, theater_error *err);
void theater__clock_close(theater__clock *clock);

bool theater__clock_is_simulated(const theater__clock *clock);
theater__boot theater__clock_boot(const theater__clock *clock);

/* Fresh readings. */
theater_mono theater__clock_mono(theater__clock *clock);
theater_wall theater__clock_wall(theater__clock *clock);

/* CPU time of the calling thread, in ns; for the simulated clock a counter that stands still. */
uint64_t theater__clock_thread_cpu_ns(theater__clock *clock);

/* -1 if simulated. Level-triggered readable when an alarm fired or the date was set. */
int theater__clock_fd(const theater__clock *clock);

/* Arms or moves the alarms; NEVER disarms. Cheap if nothing changes (no system call). */
void theater__clock_arm(theater__clock *clock, theater_mono due_mono, theater_wall due_wall);

/* Clears the fd. To be called whenever the fd was readable, before looking at the queues. */
void theater__clock_acknowledge(theater__clock *clock);

/* True once after a step was seen (by a reading or by the alarm's cancellation). */
bool theater__clock_take_step(theater__clock *clock, theater__clock_step *out_step);

/*
 * Simulated only: moves to the earlier of the two instants (never backward). Wall and elapsed move
 * together, the wall rounded down to its ms, so that a wall due is reached when wall == due.
 */
void theater__clock_jump(theater__clock *clock, theater_mono due_mono, theater_wall due_wall);
/* Simulated only: what an operator or NTP does to a machine. */
void theater__clock_set_wall(theater__clock *clock, theater_wall wall);
/* Simulated only: elapsed time goes on by so much (and the wall with it). */
void theater__clock_advance(theater__clock *clock, uint64_t ns);

/* Saturating: never wraps; UINT64_MAX = never. */
theater_mono theater__mono_add_ms(theater_mono from, uint64_t duration_ms);
theater_wall theater__wall_add_ms(theater_wall from, uint64_t duration_ms);
/* a - b, 0 if b is later. */
uint64_t theater__wall_since_ms(theater_wall a, theater_wall b);
uint64_t theater__mono_since_ns(theater_mono a, theater_mono b);

#endif
