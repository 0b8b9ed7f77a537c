/* SPDX-License-Identifier: Apache-2.0 */
/**
 * \file theater.h
 * \brief libtheater: WebAssembly actors with durable, auditable time.
 *
 * Threads. One thread owns a host and all that belongs to it; two hosts in one process are
 * independent. Only theater_host_stop() and theater_host_wake_up() may be called from elsewhere.
 *
 * Ownership. `_new`, `_open` and `_dummy` give an object to the caller, `_free` takes it back and
 * accepts NULL. What is borrowed says how long. Strings and bytes that are passed in are copied.
 *
 * Units. They stand at the end of each name: `_ns`, `_ms`, `_bytes`, `_count`. Elapsed time and
 * wall time are different types (theater/time.h).
 *
 * Errors. Fallible functions return theater_status and take an optional theater_error;
 * out-parameters are written on success only (theater/error.h). The library never prints and never
 * exits.
 */
#ifndef THEATER_H
#define THEATER_H

#include <theater/actor.h>
#include <theater/chain.h>
#include <theater/control.h>
#include <theater/error.h>
#include <theater/export.h>
#include <theater/handler.h>
#include <theater/host.h>
#include <theater/id.h>
#include <theater/limits.h>
#include <theater/log.h>
#include <theater/measure.h>
#include <theater/runtime.h>
#include <theater/shutdown.h>
#include <theater/store.h>
#include <theater/time.h>
#include <theater/timing.h>
#include <theater/value.h>

#endif
