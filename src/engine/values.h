/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between Wasmtime's values and ours. "Lift" is from the guest, "lower" is to it, as the component
 * model says it.
 */
#ifndef ENGINE_VALUES_H
#define ENGINE_VALUES_H

#include "internal.h"

typedef enum theater__converted {
    THEATER__CONVERTED = 0,
    THEATER__CONVERT_MISMATCH, /* the value is not of the type */
    THEATER__CONVERT_TOO_MUCH, /* the budget is spent */
    THEATER__CONVERT_NOMEM
} theater__converted;

/*
 * What one host call may move. Counted are the bytes of strings, and of every other leaf its width:
 * 1 for bool, u8, s8, enum, and the tags of variant, option and result; 2, 4, 8 for the wider ones;
 * one byte for eight flags. A list<u8> thus costs its bytes. Names are not counted.
 */
typedef struct theater__budget {
    uint64_t bytes;
    uint64_t items;
} theater__budget;

static inline theater__budget theater__budget_of(uint64_t bytes)
{
    return (theater__budget){bytes, THEATER__VALUE_ITEMS_MAX};
}

/* out borrows texts and bytes from val and names from type; arrays come from arena. Scalars,
 * strings, bytes and enums allocate nothing. */
theater__converted theater__value_lift(const theater__type *type,
                                       const wasmtime_component_val_t *val, theater__arena *arena,
                                       theater__budget *budget, theater_value *out);

/* *out has to hold a value that needs no deletion; it holds one to be deleted afterwards, complete
 * or not. Nothing of value is borrowed. */
theater__converted theater__value_lower(const theater__type *type, const theater_value *value,
                                        wasmtime_component_val_t *out);

/* Words for a message. */
const char *theater__converted_text(theater__converted converted);

#endif
