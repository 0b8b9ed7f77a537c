/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types of the component model as plain data, and JSON read by them. The engine room builds these
 * trees once a component; they live in its arena and are read-only afterwards.
 */
#ifndef BASE_TYPE_H
#define BASE_TYPE_H

#include <base/arena.h>
#include <theater/value.h>

typedef struct theater__type theater__type;

/* A field, flag, case, enum case or tuple item; type is NULL for a case or flag without one. */
typedef struct theater__type_member {
    theater_text name;
    const theater__type *type;
} theater__type_member;

struct theater__type {
    theater_value_kind
        kind; /* BYTES for list<u8>; 0 for what JSON cannot give (resources, streams) */
    /* LIST, OPTION: one. RESULT: two, ok then err. RECORD, TUPLE, VARIANT, ENUM, FLAGS: all. */
    const theater__type_member *members;
    size_t members_count;
};

/* One function's signature. */
typedef struct theater__signature {
    const theater__type_member *params;
    size_t params_count;
    const theater__type *result; /* NULL: none */
} theater__signature;

/*
 * Reads JSON text by a signature: an array with one item a parameter. Numbers are exact (a u64 up
 * to 2^64-1, no silent rounding; 250.0 is no integer). Messages name the parameter and say what was
 * expected. Values live in arena and may borrow from it only.
 */
theater_status theater__values_from_json(const char *json, size_t size,
                                         const theater__signature *signature, theater__arena *arena,
                                         theater_values *out_values, theater_error *err);

/* The type as WIT spells it, such as `result<u64, string>`, appended. */
struct theater__buffer;
void theater__type_to_text(struct theater__buffer *buffer, const theater__type *type);

#endif
