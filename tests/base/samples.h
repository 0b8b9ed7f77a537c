/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of every kind, and a generator of random ones, for the tests of this room.
 */
#ifndef BASE_SAMPLES_H
#define BASE_SAMPLES_H

#include <base/arena.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <theater/value.h>

static inline theater_text sample_text(const char *text)
{
    return (theater_text){text, strlen(text)};
}

static inline theater_value sample_signed(theater_value_kind kind, int64_t number)
{
    theater_value value = {.kind = kind};
    value.of.s64 = number;
    return value;
}

static inline theater_value sample_unsigned(theater_value_kind kind, uint64_t number)
{
    theater_value value = {.kind = kind};
    value.of.u64 = number;
    return value;
}

static inline theater_value sample_bool(bool is)
{
    theater_value value = {.kind = THEATER_VALUE_BOOL};
    value.of.boolean = is;
    return value;
}

static inline theater_value sample_f32(float number)
{
    theater_value value = {.kind = THEATER_VALUE_F32};
    value.of.f32 = number;
    return value;
}

static inline theater_value sample_f64(double number)
{
    theater_value value = {.kind = THEATER_VALUE_F64};
    value.of.f64 = number;
    return value;
}

static inline theater_value sample_string(const char *text)
{
    return theater_value_text(text, strlen(text));
}

static inline theater_value sample_bytes(const void *data, size_t size)
{
    theater_value value = {.kind = THEATER_VALUE_BYTES};
    value.of.bytes = (theater_bytes){data, size};
    return value;
}

static inline theater_value sample_items(theater_value_kind kind, const theater_value *items,
                                         size_t count)
{
    theater_value value = {.kind = kind};
    value.of.items = (theater_values){items, count};
    return value;
}

static inline theater_value sample_case(theater_value_kind kind, const char *name,
                                        const theater_value *payload)
{
    theater_value value = sample_items(kind, payload, payload != NULL ? 1 : 0);
    value.case_name = sample_text(name);
    return value;
}

static inline theater_value sample_named(const char *name, theater_value value)
{
    value.name = sample_text(name);
    return value;
}

static inline bool sample_text_equal(theater_text a, theater_text b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

#endif
