/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ended a guest, told apart in this order:
 *
 *   1. a callback of ours ended it: it has left kind and text in guest->cause
 *   2. the machine failed: a growth we allowed, an allocation, a system call
 *   3. the code of Wasmtime's trap
 *   4. the text of the error, for limits, which carry no code
 *
 * Texts of GUEST, STACK and LIMIT are deterministic: the innermost cause, without backtrace. They
 * are recorded, and compared when a guest is executed again.
 */
#include "trap.h"

#include "wasm_store.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wasmtime/trap.h>

/* Beginnings of texts which say that a limit of the store was reached. */
static const char *const LIMIT_TEXTS[] = {
    "resource limit exceeded", "cannot allocate another handle", "cannot lend resource",
    "memory minimum size of",  "table minimum size of",
};
static const char FUEL_TEXT[] = "too much data is being copied";

static bool begins(const wasm_byte_vec_t *text, const char *with)
{
    size_t size = strlen(with);
    return text->size >= size && memcmp(text->data, with, size) == 0;
}

static bool names_limit(const wasm_byte_vec_t *text)
{
    for (size_t i = 0; i < sizeof LIMIT_TEXTS / sizeof LIMIT_TEXTS[0]; i++) {
        if (begins(text, LIMIT_TEXTS[i])) {
            return true;
        }
    }
    return false;
}

theater_status theater__trap_fail(wasmtime_error_t *error, theater_status status,
                                  const char *context, theater_error *err)
{
    THEATER_ASSERT(error != NULL);
    theater_engine_error_t parts;
    theater_engine_error_read(error, &parts);
    wasmtime_error_delete(error);
    status = parts.out_of_memory ? THEATER_ERR_NOMEM : status;
    theater__fail(err, status, "%s: %.*s", context, (int)parts.text.size, parts.text.data);
    wasm_byte_vec_delete(&parts.text);
    return status;
}

/* Keeps what fits, whole characters only. */
static void set_text(theater__guest *guest, theater__trap *trap, theater__trap_kind kind,
                     const char *data, size_t size)
{
    size_t kept = size < sizeof guest->trap_text ? size : sizeof guest->trap_text;
    while (kept > 0 && kept < size && ((uint8_t)data[kept] & 0xc0) == 0x80) {
        kept--;
    }
    if (kept > 0) {
        memmove(guest->trap_text, data, kept);
    }
    trap->kind = kind;
    trap->text = (theater_text){guest->trap_text, kept};
}

wasmtime_error_t *theater__trap_end(theater__guest *guest, theater__trap_kind kind,
                                    const char *format, ...)
{
    THEATER_ASSERT(kind != 0);
    if (guest->cause.kind == 0) { /* the first cause is the one */
        char text[THEATER__REASON_BYTES_MAX];
        va_list arguments;
        va_start(arguments, format);
        int size = vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        THEATER_ASSERT(size >= 0);
        size_t kept = (size_t)size < sizeof text ? (size_t)size : sizeof text - 1;
        set_text(guest, &guest->cause, kind, text, kept);
    }
    return wasmtime_error_new("ended by the host");
}

static theater__trap_kind kind_of(const theater__guest *guest, const theater_engine_error_t *parts)
{
    if (guest->store->growth.machine_failed || parts->out_of_memory) {
        return THEATER__TRAP_MACHINE;
    }
    if (parts->trap_code == WASMTIME_TRAP_CODE_STACK_OVERFLOW) {
        return THEATER__TRAP_STACK;
    }
    return names_limit(&parts->text) ? THEATER__TRAP_LIMIT : THEATER__TRAP_GUEST;
}

void theater__trap_of(theater__guest *guest, wasmtime_error_t *error)
{
    THEATER_ASSERT(error != NULL);
    THEATER_ASSERT(guest->trap.kind == 0);
    theater_engine_error_t parts;
    theater_engine_error_read(error, &parts);
    wasmtime_error_delete(error);
    if (guest->cause.kind == 0 && begins(&parts.text, FUEL_TEXT)) {
        wasmtime_error_delete(theater__trap_end(guest, THEATER__TRAP_LIMIT, THEATER__MOVED_TEXT,
                                                guest->limits.host_call_bytes_max));
    }
    if (guest->cause.kind != 0) {
        guest->trap = guest->cause;
    } else {
        set_text(guest, &guest->trap, kind_of(guest, &parts), parts.text.data, parts.text.size);
    }
    wasm_byte_vec_delete(&parts.text);
    THEATER_ASSERT(guest->trap.kind != 0);
}
