/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A clock that stands still until it is told to move. Host code above it is the same as over the
 * machine's clock; a test, or `--clock virtual`, jumps from one due instant to the next.
 *
 * Wall time is kept as whole ms and the ns beyond them, so that the two clocks keep their distance
 * over any number of jumps of odd length. Elapsed time saturates one below "never", after 584
 * years; the wall goes on to where it was sent even then.
 */
#include <clock/clock.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>

#include "internal.h"

#define MONO_START_NS 1000000000u
#define MONO_LAST_NS (UINT64_MAX - 1)
#define WALL_LAST_MS (UINT64_MAX - 1)

typedef struct simulated_clock {
    theater__clock clock; /* first, so that the pointers are the same */
    uint64_t mono_ns;
    uint64_t wall_ms;
    uint32_t wall_rest_ns; /* below one ms */
    int64_t set_ms;        /* the sum of what theater__clock_set_wall() changed */
} simulated_clock;

static simulated_clock *of(theater__clock *clock)
{
    THEATER_ASSERT(theater__clock_is_simulated(clock));
    return (simulated_clock *)(void *)clock;
}

static void simulated_close(theater__clock *clock)
{
    theater__free(of(clock));
}

static uint64_t simulated_mono_ns(theater__clock *clock)
{
    return of(clock)->mono_ns;
}

static clock_sample simulated_sample(theater__clock *clock)
{
    const simulated_clock *simulated = of(clock);
    return (clock_sample){.wall_ms = simulated->wall_ms, .offset_ms = simulated->set_ms};
}

static uint64_t simulated_thread_cpu_ns(theater__clock *clock)
{
    (void)clock;
    return 0; /* a simulated run has to be the same on a slow machine */
}

static int simulated_fd(const theater__clock *clock)
{
    (void)clock;
    return -1;
}

static void simulated_arm(theater__clock *clock, theater_mono due_mono, theater_wall due_wall)
{
    (void)clock;
    (void)due_mono;
    (void)due_wall;
}

static void simulated_acknowledge(theater__clock *clock)
{
    (void)clock;
}

static const clock_ops simulated_ops = {
    .close = simulated_close,
    .mono_ns = simulated_mono_ns,
    .sample = simulated_sample,
    .thread_cpu_ns = simulated_thread_cpu_ns,
    .fd = simulated_fd,
    .arm = simulated_arm,
    .acknowledge = simulated_acknowledge,
};

bool theater__clock_is_simulated(const theater__clock *clock)
{
    THEATER_ASSERT(clock != NULL);
    return clock->ops == &simulated_ops;
}

/* SplitMix64: spreads one seed over as many words as are wanted. */
static uint64_t next_random(uint64_t *state)
{
    *state += 0x9E3779B97F4A7C15u;
    uint64_t word = *state;
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9u;
    word = (word ^ (word >> 27)) * 0x94D049BB133111EBu;
    return word ^ (word >> 31);
}

theater_status theater__clock_open_simulated(theater_wall start, uint64_t seed,
                                             theater__clock **out_clock, theater_error *err)
{
    THEATER_ASSERT(out_clock != NULL);
    THEATER_ASSERT(start.ms <= WALL_LAST_MS);
    simulated_clock *simulated = theater__alloc_zeroed(1, sizeof *simulated);
    if (simulated == NULL) {
        return theater__fail_nomem(err);
    }
    simulated->mono_ns = MONO_START_NS;
    simulated->wall_ms = start.ms;
    uint64_t state = seed;
    uint64_t word = 0;
    for (size_t i = 0; i < sizeof simulated->clock.boot.bytes; i++) {
        word = i % 8 == 0 ? next_random(&state) : word >> 8;
        simulated->clock.boot.bytes[i] = (uint8_t)word;
    }
    clock_start(&simulated->clock, &simulated_ops);
    *out_clock = &simulated->clock;
    return THEATER_OK;
}

static void advance_mono(simulated_clock *simulated, uint64_t ns)
{
    uint64_t sum = clock_add(simulated->mono_ns, ns);
    simulated->mono_ns = sum < MONO_LAST_NS ? sum : MONO_LAST_NS;
}

void theater__clock_advance(theater__clock *clock, uint64_t ns)
{
    simulated_clock *simulated = of(clock);
    advance_mono(simulated, ns);
    uint64_t rest = simulated->wall_rest_ns + ns % CLOCK_NS_PER_MS;
    uint64_t sum = clock_add(simulated->wall_ms, ns / CLOCK_NS_PER_MS + rest / CLOCK_NS_PER_MS);
    simulated->wall_ms = sum < WALL_LAST_MS ? sum : WALL_LAST_MS;
    simulated->wall_rest_ns = (uint32_t)(rest % CLOCK_NS_PER_MS);
    THEATER_ASSERT(simulated->wall_rest_ns < CLOCK_NS_PER_MS);
}

void theater__clock_jump(theater__clock *clock, theater_mono due_mono, theater_wall due_wall)
{
    simulated_clock *simulated = of(clock);
    uint64_t until_mono_ns = theater__mono_since_ns(due_mono, (theater_mono){simulated->mono_ns});
    uint64_t until_wall_ms = theater__wall_since_ms(due_wall, (theater_wall){simulated->wall_ms});
    uint64_t until_wall_ns = clock_multiply(until_wall_ms, CLOCK_NS_PER_MS);
    until_wall_ns -= until_wall_ms > 0 ? simulated->wall_rest_ns : 0;
    bool mono_never = due_mono.ns == UINT64_MAX;
    bool wall_never = due_wall.ms == UINT64_MAX;
    if (!mono_never && (wall_never || until_mono_ns <= until_wall_ns)) {
        theater__clock_advance(clock, until_mono_ns);
        return;
    }
    if (wall_never) {
        return;
    }
    if (due_wall.ms > simulated->wall_ms) {
        advance_mono(simulated, until_wall_ns);
        simulated->wall_ms = due_wall.ms; /* exact, also where the distance in ns saturated */
        simulated->wall_rest_ns = 0;
    }
}

void theater__clock_set_wall(theater__clock *clock, theater_wall wall)
{
    simulated_clock *simulated = of(clock);
    THEATER_ASSERT(wall.ms <= WALL_LAST_MS);
    uint64_t distance =
        wall.ms > simulated->wall_ms ? wall.ms - simulated->wall_ms : simulated->wall_ms - wall.ms;
    int64_t change = distance > INT64_MAX ? INT64_MAX : (int64_t)distance;
    if (wall.ms < simulated->wall_ms) {
        change = -change;
    }
    if (__builtin_add_overflow(simulated->set_ms, change, &simulated->set_ms)) {
        simulated->set_ms = change > 0 ? INT64_MAX : INT64_MIN;
    }
    simulated->wall_ms = wall.ms;
    simulated->wall_rest_ns = 0;
    clock_sample sample = simulated_sample(clock);
    clock_observe(clock, &sample);
}
