/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room that walk values have in common.
 */
#ifndef BASE_KINDS_H
#define BASE_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <theater/value.h>

/* The shortest encoding of a value: a kind byte and one more. */
#define THEATER__VALUE_BYTES_MIN 2u

static inline bool theater__kind_has_items(theater_value_kind kind)
{
    switch (kind) {
    case THEATER_VALUE_LIST:
    case THEATER_VALUE_TUPLE:
    case THEATER_VALUE_RECORD:
    case THEATER_VALUE_FLAGS:
    case THEATER_VALUE_VARIANT:
    case THEATER_VALUE_OPTION:
    case THEATER_VALUE_RESULT:
        return true;
    default:
        return false;
    }
}

/* Whether each item carries the name of its place. */
static inline bool theater__kind_names_items(theater_value_kind kind)
{
    return kind == THEATER_VALUE_RECORD || kind == THEATER_VALUE_FLAGS;
}

/* Bytes of the well-formed character at data, 0 if it is malformed or cut; size is at least 1. */
size_t theater__utf8_length(const uint8_t *data, size_t size);

#endif
