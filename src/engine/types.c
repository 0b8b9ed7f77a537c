/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A type is walked with a stack of our own, bounded by THEATER__VALUE_DEPTH_MAX: what is nested
 * deeper, and what has no meaning outside its store (resources, streams), is left as kind 0, and a
 * function that mentions it cannot be served or called.
 *
 * Each step of the walk owns one Wasmtime type, takes it apart and pushes its members:
 *
 *     stack: [ record ][ list ]          members are built left to right, depth first;
 *     nodes: record ─ a ─ list ─ u8      a list of u8 becomes BYTES after its element is known
 */
#include "types.h"

#include <string.h>

typedef struct step {
    wasmtime_component_valtype_t type; /* owned */
    theater__type *node;
    theater__type_member *members; /* the node's, writable */
    size_t next;
} step;

typedef struct walk {
    theater__type_builder *builder;
    step steps[THEATER__VALUE_DEPTH_MAX];
    size_t depth;
} walk;

theater_text theater__types_text(theater__arena *arena, const char *data, size_t size)
{
    char *copy = theater__arena_alloc(arena, size);
    if (copy == NULL) {
        return (theater_text){NULL, 0};
    }
    if (size > 0) {
        memcpy(copy, data, size);
    }
    return (theater_text){copy, size};
}

static theater_value_kind kind_of(wasmtime_component_valtype_kind_t kind)
{
    switch (kind) {
    case WASMTIME_COMPONENT_VALTYPE_BOOL:
        return THEATER_VALUE_BOOL;
    case WASMTIME_COMPONENT_VALTYPE_S8:
        return THEATER_VALUE_S8;
    case WASMTIME_COMPONENT_VALTYPE_S16:
        return THEATER_VALUE_S16;
    case WASMTIME_COMPONENT_VALTYPE_S32:
        return THEATER_VALUE_S32;
    case WASMTIME_COMPONENT_VALTYPE_S64:
        return THEATER_VALUE_S64;
    case WASMTIME_COMPONENT_VALTYPE_U8:
        return THEATER_VALUE_U8;
    case WASMTIME_COMPONENT_VALTYPE_U16:
        return THEATER_VALUE_U16;
    case WASMTIME_COMPONENT_VALTYPE_U32:
        return THEATER_VALUE_U32;
    case WASMTIME_COMPONENT_VALTYPE_U64:
        return THEATER_VALUE_U64;
    case WASMTIME_COMPONENT_VALTYPE_F32:
        return THEATER_VALUE_F32;
    case WASMTIME_COMPONENT_VALTYPE_F64:
        return THEATER_VALUE_F64;
    case WASMTIME_COMPONENT_VALTYPE_CHAR:
        return THEATER_VALUE_CHAR;
    case WASMTIME_COMPONENT_VALTYPE_STRING:
        return THEATER_VALUE_STRING;
    case WASMTIME_COMPONENT_VALTYPE_LIST:
        return THEATER_VALUE_LIST;
    case WASMTIME_COMPONENT_VALTYPE_RECORD:
        return THEATER_VALUE_RECORD;
    case WASMTIME_COMPONENT_VALTYPE_TUPLE:
        return THEATER_VALUE_TUPLE;
    case WASMTIME_COMPONENT_VALTYPE_VARIANT:
        return THEATER_VALUE_VARIANT;
    case WASMTIME_COMPONENT_VALTYPE_ENUM:
        return THEATER_VALUE_ENUM;
    case WASMTIME_COMPONENT_VALTYPE_OPTION:
        return THEATER_VALUE_OPTION;
    case WASMTIME_COMPONENT_VALTYPE_RESULT:
        return THEATER_VALUE_RESULT;
    case WASMTIME_COMPONENT_VALTYPE_FLAGS:
        return THEATER_VALUE_FLAGS;
    default: /* resources, streams, futures, maps, lists of fixed length: not ours */
        return (theater_value_kind)0;
    }
}

static size_t members_of(const wasmtime_component_valtype_t *type)
{
    switch (type->kind) {
    case WASMTIME_COMPONENT_VALTYPE_LIST:
    case WASMTIME_COMPONENT_VALTYPE_OPTION:
        return 1;
    case WASMTIME_COMPONENT_VALTYPE_RESULT:
        return 2;
    case WASMTIME_COMPONENT_VALTYPE_RECORD:
        return wasmtime_component_record_type_field_count(type->of.record);
    case WASMTIME_COMPONENT_VALTYPE_TUPLE:
        return wasmtime_component_tuple_type_types_count(type->of.tuple);
    case WASMTIME_COMPONENT_VALTYPE_VARIANT:
        return wasmtime_component_variant_type_case_count(type->of.variant);
    case WASMTIME_COMPONENT_VALTYPE_ENUM:
        return wasmtime_component_enum_type_names_count(type->of.enum_);
    case WASMTIME_COMPONENT_VALTYPE_FLAGS:
        return wasmtime_component_flags_type_names_count(type->of.flags);
    default:
        return 0;
    }
}

/* One member of a type, as Wasmtime tells it. */
typedef struct member {
    const char *name; /* not NUL-terminated, NULL if there is none */
    size_t name_size;
    bool has_type;
    wasmtime_component_valtype_t type;
} member;

static void get_member(const wasmtime_component_valtype_t *type, size_t index, member *out)
{
    *out = (member){.name = NULL, .name_size = 0, .has_type = true};
    switch (type->kind) {
    case WASMTIME_COMPONENT_VALTYPE_LIST:
        wasmtime_component_list_type_element(type->of.list, &out->type);
        return;
    case WASMTIME_COMPONENT_VALTYPE_OPTION:
        wasmtime_component_option_type_ty(type->of.option, &out->type);
        return;
    case WASMTIME_COMPONENT_VALTYPE_RESULT:
        out->has_type = index == 0
                            ? wasmtime_component_result_type_ok(type->of.result, &out->type)
                            : wasmtime_component_result_type_err(type->of.result, &out->type);
        return;
    case WASMTIME_COMPONENT_VALTYPE_RECORD:
        (void)wasmtime_component_record_type_field_nth(type->of.record, index, &out->name,
                                                       &out->name_size, &out->type);
        return;
    case WASMTIME_COMPONENT_VALTYPE_TUPLE:
        (void)wasmtime_component_tuple_type_types_nth(type->of.tuple, index, &out->type);
        return;
    case WASMTIME_COMPONENT_VALTYPE_VARIANT:
        (void)wasmtime_component_variant_type_case_nth(type->of.variant, index, &out->name,
                                                       &out->name_size, &out->has_type, &out->type);
        return;
    case WASMTIME_COMPONENT_VALTYPE_ENUM:
        out->has_type = false;
        (void)wasmtime_component_enum_type_names_nth(type->of.enum_, index, &out->name,
                                                     &out->name_size);
        return;
    case WASMTIME_COMPONENT_VALTYPE_FLAGS:
        out->has_type = false;
        (void)wasmtime_component_flags_type_names_nth(type->of.flags, index, &out->name,
                                                      &out->name_size);
        return;
    default:
        THEATER_UNREACHABLE("a type without members");
    }
}

static bool count_nodes(theater__type_builder *builder, size_t count)
{
    if (count > THEATER__TYPE_NODES_MAX - builder->nodes) {
        return false;
    }
    builder->nodes += count;
    return true;
}

/* Fills node for type, which it takes; pushes a step if there are members to build. */
static bool enter(walk *walking, wasmtime_component_valtype_t *type, theater__type *node)
{
    size_t count = members_of(type);
    node->kind = kind_of(type->kind);
    if (count == 0 || walking->depth == THEATER__VALUE_DEPTH_MAX) {
        node->kind = count == 0 ? node->kind : (theater_value_kind)0;
        wasmtime_component_valtype_delete(type);
        return true;
    }
    theater__type_member *members = NULL;
    if (count_nodes(walking->builder, count)) {
        members = theater__arena_array(walking->builder->arena, count, sizeof *members);
    }
    if (members == NULL) {
        wasmtime_component_valtype_delete(type);
        return false;
    }
    node->members = members;
    node->members_count = count;
    walking->steps[walking->depth++] = (step){*type, node, members, 0};
    return true;
}

static void leave(walk *walking)
{
    step *done = &walking->steps[--walking->depth];
    wasmtime_component_valtype_delete(&done->type);
    if (done->node->kind == THEATER_VALUE_LIST &&
        done->node->members[0].type->kind == THEATER_VALUE_U8) {
        done->node->kind = THEATER_VALUE_BYTES;
    }
}

static bool build_member(walk *walking)
{
    step *top = &walking->steps[walking->depth - 1];
    theater__type_member *out = &top->members[top->next];
    theater__arena *arena = walking->builder->arena;
    member found;
    get_member(&top->type, top->next, &found);
    top->next++;
    if (found.name != NULL) {
        out->name = theater__types_text(arena, found.name, found.name_size);
    }
    if (!found.has_type) {
        return found.name == NULL || out->name.data != NULL;
    }
    theater__type *node = theater__arena_array(arena, 1, sizeof *node);
    if (node == NULL || (found.name != NULL && out->name.data == NULL)) {
        wasmtime_component_valtype_delete(&found.type);
        return false;
    }
    out->type = node;
    return enter(walking, &found.type, node);
}

/* Takes type. NULL if the limit or memory is exhausted. */
static const theater__type *build(theater__type_builder *builder,
                                  wasmtime_component_valtype_t *type)
{
    walk walking = {.builder = builder, .depth = 0};
    theater__type *root = theater__arena_array(builder->arena, 1, sizeof *root);
    if (root == NULL || !count_nodes(builder, 1)) {
        wasmtime_component_valtype_delete(type);
        return NULL;
    }
    bool good = enter(&walking, type, root);
    while (walking.depth > 0) {
        const step *top = &walking.steps[walking.depth - 1];
        if (!good || top->next == top->node->members_count) {
            leave(&walking);
        } else {
            good = build_member(&walking);
        }
    }
    return good ? root : NULL;
}

theater_status theater__types_signature(theater__type_builder *builder,
                                        const wasmtime_component_func_type_t *function,
                                        theater__signature *out, theater_error *err)
{
    size_t count = wasmtime_component_func_type_param_count(function);
    theater__type_member *params = theater__arena_array(builder->arena, count, sizeof *params);
    bool good = params != NULL;
    for (size_t i = 0; good && i < count; i++) {
        const char *name = NULL;
        size_t name_size = 0;
        wasmtime_component_valtype_t type;
        (void)wasmtime_component_func_type_param_nth(function, i, &name, &name_size, &type);
        params[i].type = build(builder, &type);
        params[i].name = theater__types_text(builder->arena, name, name_size);
        good = params[i].type != NULL && params[i].name.data != NULL;
    }
    const theater__type *result = NULL;
    wasmtime_component_valtype_t type;
    if (good && wasmtime_component_func_type_result(function, &type)) {
        result = build(builder, &type);
        good = result != NULL;
    }
    if (!good) {
        return theater__fail(err, THEATER_ERR_LIMIT,
                             "the component's types have more than %u parts (limit "
                             "type_nodes_max)",
                             THEATER__TYPE_NODES_MAX);
    }
    *out = (theater__signature){params, count, result};
    return THEATER_OK;
}

static bool has_trait(const theater__type *type, theater__type_trait trait)
{
    if (trait == THEATER__TRAIT_OPAQUE) {
        return type->kind == 0;
    }
    return type->kind == THEATER_VALUE_LIST;
}

static bool tree_has(const theater__type *root, theater__type_trait trait)
{
    /* One level holds the node and which member comes next; the root and THEATER__VALUE_DEPTH_MAX
     * levels of members are all that build() makes. */
    const theater__type *nodes[THEATER__VALUE_DEPTH_MAX + 1];
    size_t nexts[THEATER__VALUE_DEPTH_MAX + 1];
    size_t depth = 1;
    nodes[0] = root;
    nexts[0] = 0;
    if (has_trait(root, trait)) {
        return true;
    }
    while (depth > 0) {
        const theater__type *node = nodes[depth - 1];
        if (nexts[depth - 1] == node->members_count) {
            depth--;
            continue;
        }
        const theater__type *child = node->members[nexts[depth - 1]++].type;
        if (child == NULL) {
            continue;
        }
        if (has_trait(child, trait)) {
            return true;
        }
        THEATER_ASSERT(depth <= THEATER__VALUE_DEPTH_MAX);
        nodes[depth] = child;
        nexts[depth] = 0;
        depth++;
    }
    return false;
}

bool theater__types_params_have(const theater__signature *signature, theater__type_trait trait)
{
    for (size_t i = 0; i < signature->params_count; i++) {
        if (tree_has(signature->params[i].type, trait)) {
            return true;
        }
    }
    return false;
}

bool theater__types_result_has(const theater__signature *signature, theater__type_trait trait)
{
    return signature->result != NULL && tree_has(signature->result, trait);
}
