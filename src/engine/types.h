/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wasmtime's types as trees of base/type.h.
 */
#ifndef ENGINE_TYPES_H
#define ENGINE_TYPES_H

#include "internal.h"

/* Builds types in one arena, counting nodes against THEATER__TYPE_NODES_MAX. */
typedef struct theater__type_builder {
    theater__arena *arena;
    size_t nodes;
} theater__type_builder;

/* A function's signature; THEATER_ERR_LIMIT if the component's types are too large. */
theater_status theater__types_signature(theater__type_builder *builder,
                                        const wasmtime_component_func_type_t *function,
                                        theater__signature *out, theater_error *err);

/* A copy in the arena; data is NULL without memory. */
theater_text theater__types_text(theater__arena *arena, const char *data, size_t size);

/* What a walk over a signature is to find. */
typedef enum theater__type_trait {
    THEATER__TRAIT_OPAQUE, /* a resource, or anything else without a kind */
    THEATER__TRAIT_LIST    /* an array of values; bytes are none */
} theater__type_trait;
bool theater__types_params_have(const theater__signature *signature, theater__type_trait trait);
bool theater__types_result_has(const theater__signature *signature, theater__type_trait trait);

#endif
