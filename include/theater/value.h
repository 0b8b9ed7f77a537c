/* SPDX-License-Identifier: Apache-2.0 */
/**
 * \file value.h
 * \brief Values of the component model, as plain C data.
 *
 * A theater_value is a view: strings and item arrays are borrowed, nothing is to be freed. Who
 * hands one out says how long it lives (a handler's arguments: until its callback returns). Who
 * takes one copies what it keeps before it returns.
 *
 * | kind                | uses                                                                |
 * | ------------------- | ------------------------------------------------------------------- |
 * | BOOL                | `boolean`                                                           |
 * | S8 S16 S32 S64      | `s64` (sign-extended)                                               |
 * | U8 U16 U32 U64 CHAR | `u64` (CHAR: a Unicode scalar value)                                |
 * | F32                 | `f32`                                                               |
 * | F64                 | `f64`                                                               |
 * | STRING              | `text` (UTF-8, not NUL-terminated)                                  |
 * | BYTES               | `bytes`: a `list<u8>`, the only list that is not an array of values |
 * | LIST TUPLE          | `items`                                                             |
 * | RECORD              | `items`, each with its field's `name`                               |
 * | FLAGS               | `items`: one BOOL a declared flag that is set, with its `name`      |
 * | ENUM                | `case_name`                                                         |
 * | VARIANT             | `case_name`; `items` has one value, or none                         |
 * | OPTION              | `items` has one value (some) or none                                |
 * | RESULT              | `is_ok`; `items` has one value, or none                             |
 */
#ifndef THEATER_VALUE_H
#define THEATER_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <theater/error.h>

THEATER_BEGIN_DECLS

/** The kinds. Their numbers are part of the chain's byte format and never change. */
typedef enum theater_value_kind {
    THEATER_VALUE_BOOL = 1,
    THEATER_VALUE_S8 = 2,
    THEATER_VALUE_U8 = 3,
    THEATER_VALUE_S16 = 4,
    THEATER_VALUE_U16 = 5,
    THEATER_VALUE_S32 = 6,
    THEATER_VALUE_U32 = 7,
    THEATER_VALUE_S64 = 8,
    THEATER_VALUE_U64 = 9,
    THEATER_VALUE_F32 = 10,
    THEATER_VALUE_F64 = 11,
    THEATER_VALUE_CHAR = 12,
    THEATER_VALUE_STRING = 13,
    THEATER_VALUE_BYTES = 14,
    THEATER_VALUE_LIST = 15,
    THEATER_VALUE_TUPLE = 16,
    THEATER_VALUE_RECORD = 17,
    THEATER_VALUE_VARIANT = 18,
    THEATER_VALUE_ENUM = 19,
    THEATER_VALUE_OPTION = 20,
    THEATER_VALUE_RESULT = 21,
    THEATER_VALUE_FLAGS = 22
} theater_value_kind;

/** Borrowed text: UTF-8, not NUL-terminated. */
typedef struct theater_text {
    const char *data; /**< may be NULL if size is 0 */
    size_t size;      /**< bytes */
} theater_text;

/** Borrowed bytes. */
typedef struct theater_bytes {
    const uint8_t *data; /**< may be NULL if size is 0 */
    size_t size;         /**< bytes */
} theater_bytes;

typedef struct theater_value theater_value;

/** A borrowed array of values. */
typedef struct theater_values {
    const theater_value *data; /**< may be NULL if count is 0 */
    size_t count;
} theater_values;

/** One value; see the table at the top of this file. Zeroed memory is no value (kind 0). */
struct theater_value {
    theater_value_kind kind;
    bool is_ok;             /**< RESULT */
    theater_text name;      /**< of the field or flag that this value stands in; empty elsewhere */
    theater_text case_name; /**< ENUM, VARIANT: the case that is meant; empty elsewhere */
    union {
        bool boolean;
        int64_t s64;
        uint64_t u64;
        float f32;
        double f64;
        theater_text text;
        theater_bytes bytes;
        theater_values items;
    } of;
};

/** \brief A value of a kind, all else zero. */
static inline theater_value theater_value_of_kind(theater_value_kind kind)
{
    theater_value value;
    memset(&value, 0, sizeof(value));
    value.kind = kind;
    return value;
}

/** \brief A `u64`. */
static inline theater_value theater_value_u64(uint64_t number)
{
    theater_value value = theater_value_of_kind(THEATER_VALUE_U64);
    value.of.u64 = number;
    return value;
}

/** \brief A `string`; borrows the text, which has to be UTF-8. */
static inline theater_value theater_value_text(const char *data, size_t size)
{
    theater_value value = theater_value_of_kind(THEATER_VALUE_STRING);
    value.of.text.data = data;
    value.of.text.size = size;
    return value;
}

/** \brief A `result`; borrows \p payload, NULL for a case without one. */
static inline theater_value theater_value_result(bool is_ok, const theater_value *payload)
{
    theater_value value = theater_value_of_kind(THEATER_VALUE_RESULT);
    value.is_ok = is_ok;
    value.of.items.data = payload;
    value.of.items.count = payload != NULL ? 1 : 0;
    return value;
}

/** \brief An `option`; borrows \p payload, NULL for none. */
static inline theater_value theater_value_option(const theater_value *payload)
{
    theater_value value = theater_value_of_kind(THEATER_VALUE_OPTION);
    value.of.items.data = payload;
    value.of.items.count = payload != NULL ? 1 : 0;
    return value;
}

/**
 * \brief Writes a value as one line of compact JSON, integers exact.
 *
 * A result is {"ok":X} or {"err":X}, an option X or null, a list of u8 an array of numbers; numbers
 * that JSON cannot say (NaN, infinities) are strings.
 *
 * \param value    borrowed
 * \param write    receives the text in pieces; non-zero stops
 * \param userdata given to write
 * \param err      optional
 * \retval THEATER_ERR_CANCELLED write stopped it
 */
THEATER_API theater_status theater_value_write_json(const theater_value *value,
                                                    int (*write)(const void *data, size_t size,
                                                                 void *userdata),
                                                    void *userdata, theater_error *err);

THEATER_END_DECLS
#endif
