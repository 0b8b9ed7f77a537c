/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The preemption alarm: a thread that calls back at an absolute instant and then every repeat,
 * until it is disarmed. The host arms it before it lets a guest run and disarms it afterwards; the
 * callback bumps the engine's epoch. It repeats because a bump that lands between arming and the
 * guest's resume is swallowed (Wasmtime sets deadline = current + delta after the resume).
 *
 * Arming is on the hot path: when an armed instant is later than the wanted one it is moved, when
 * it is earlier it is left (an early bump costs a callback, nothing else). Disarming is lazy: one
 * callback that had begun may still end after it.
 *
 * Instants are the machine's CLOCK_BOOTTIME, also for a host on a simulated clock.
 * One owner arms, disarms and closes.
 */
#ifndef CLOCK_TICKER_H
#define CLOCK_TICKER_H

#include <theater/error.h>
#include <theater/time.h>

#define THEATER__TICKER_REPEAT_NS 1000000u

typedef struct theater__ticker theater__ticker;

typedef void theater__ticker_fn(void *userdata); /* on the ticker's thread; must only do atomics */

theater_status theater__ticker_open(theater__ticker_fn *tick, void *userdata,
                                    theater__ticker **out_ticker, theater_error *err);
/* Joins the thread. */
void theater__ticker_close(theater__ticker *ticker);
void theater__ticker_arm(theater__ticker *ticker, theater_mono at);
void theater__ticker_disarm(theater__ticker *ticker);

#endif
