/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wasmtime's errors in our words: what ended a guest, and why, in a text that is the same whenever
 * the guest is executed again.
 */
#ifndef ENGINE_TRAP_H
#define ENGINE_TRAP_H

#include "internal.h"

#include <inttypes.h>

/* One text for both ways of noticing: Wasmtime's fuel and our own count. */
#define THEATER__MOVED_TEXT \
    "one host call moved more than %" PRIu64 " bytes (limit host_call_bytes_max)"

/*
 * Consumes error; "context: its innermost cause" in err. Memory trouble becomes THEATER_ERR_NOMEM.
 */
theater_status theater__trap_fail(wasmtime_error_t *error, theater_status status,
                                  const char *context, theater_error *err);

/* Consumes error, fills guest->trap. */
void theater__trap_of(theater__guest *guest, wasmtime_error_t *error);

/* Records why a callback ends the guest, and makes the error that does it. */
wasmtime_error_t *theater__trap_end(theater__guest *guest, theater__trap_kind kind,
                                    const char *format, ...) THEATER_PRINTF(3, 4);

#endif
