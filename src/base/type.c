/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types as WIT spells them. A tree again, and again a stack: a frame is a type whose members are
 * being written, between the bracket that opened it and the one that will close it.
 *
 * Types here have no names of their own, so records, variants, enums and flags are spelled out in
 * place: `record { a: u64, b: string }`. That is not WIT that parses, but it is what a reader of an
 * error message needs.
 */
#include <base/type.h>

#include <base/assert.h>
#include <base/bytes.h>
#include <base/limits.h>
#include <string.h>

typedef struct type_frame {
    const theater__type *type;
    size_t next;
} type_frame;

static void put(theater__buffer *buffer, const char *text)
{
    theater__buffer_put(buffer, text, strlen(text));
}

/* The word for a kind; bytes are a list to everyone else. */
static const char *kind_word(theater_value_kind kind)
{
    static const char *const words[] = {
        [0] = "(a handle, stream or future)",
        [THEATER_VALUE_BOOL] = "bool",
        [THEATER_VALUE_S8] = "s8",
        [THEATER_VALUE_U8] = "u8",
        [THEATER_VALUE_S16] = "s16",
        [THEATER_VALUE_U16] = "u16",
        [THEATER_VALUE_S32] = "s32",
        [THEATER_VALUE_U32] = "u32",
        [THEATER_VALUE_S64] = "s64",
        [THEATER_VALUE_U64] = "u64",
        [THEATER_VALUE_F32] = "f32",
        [THEATER_VALUE_F64] = "f64",
        [THEATER_VALUE_CHAR] = "char",
        [THEATER_VALUE_STRING] = "string",
        [THEATER_VALUE_BYTES] = "list<u8>",
        [THEATER_VALUE_LIST] = "list",
        [THEATER_VALUE_TUPLE] = "tuple",
        [THEATER_VALUE_RECORD] = "record",
        [THEATER_VALUE_VARIANT] = "variant",
        [THEATER_VALUE_ENUM] = "enum",
        [THEATER_VALUE_OPTION] = "option",
        [THEATER_VALUE_RESULT] = "result",
        [THEATER_VALUE_FLAGS] = "flags",
    };
    THEATER_ASSERT((size_t)kind < sizeof words / sizeof words[0]);
    return words[kind];
}

static bool has_angles(theater_value_kind kind)
{
    return kind == THEATER_VALUE_LIST || kind == THEATER_VALUE_TUPLE ||
           kind == THEATER_VALUE_OPTION || kind == THEATER_VALUE_RESULT;
}

static bool has_braces(theater_value_kind kind)
{
    return kind == THEATER_VALUE_RECORD || kind == THEATER_VALUE_VARIANT ||
           kind == THEATER_VALUE_ENUM || kind == THEATER_VALUE_FLAGS;
}

/* How many members are written: `result<u64>` for a result without an error's payload. */
static size_t written_count(const theater__type *type)
{
    if (type->kind != THEATER_VALUE_RESULT) {
        return has_angles(type->kind) || has_braces(type->kind) ? type->members_count : 0;
    }
    THEATER_ASSERT(type->members_count == 2);
    if (type->members[1].type != NULL) {
        return 2;
    }
    return type->members[0].type != NULL ? 1 : 0;
}

/* What stands in front of the member's type; a case without one is written whole. */
static void put_member_start(theater__buffer *buffer, const type_frame *frame)
{
    const theater__type_member *member = &frame->type->members[frame->next];
    put(buffer, frame->next > 0 ? ", " : has_braces(frame->type->kind) ? " { " : "<");
    if (has_braces(frame->type->kind)) {
        theater__buffer_put(buffer, member->name.data, member->name.size);
    } else if (member->type == NULL) {
        put(buffer, "_");
    }
    if (member->type != NULL && frame->type->kind == THEATER_VALUE_RECORD) {
        put(buffer, ": ");
    }
    if (member->type != NULL && frame->type->kind == THEATER_VALUE_VARIANT) {
        put(buffer, "(");
    }
}

static void put_close(theater__buffer *buffer, const theater__type *type)
{
    if (written_count(type) > 0) {
        put(buffer, has_braces(type->kind) ? " }" : ">");
    } else if (has_braces(type->kind)) {
        put(buffer, " {}");
    }
}

void theater__type_to_text(theater__buffer *buffer, const theater__type *type)
{
    THEATER_ASSERT(buffer != NULL);
    THEATER_ASSERT(type != NULL);
    type_frame stack[THEATER__VALUE_DEPTH_MAX + 1];
    stack[0] = (type_frame){type, 0};
    size_t depth = 1;
    put(buffer, kind_word(type->kind));
    while (depth > 0 && !buffer->failed) {
        type_frame *top = &stack[depth - 1];
        if (top->next == written_count(top->type)) {
            put_close(buffer, top->type);
            depth--;
            if (depth > 0 && stack[depth - 1].type->kind == THEATER_VALUE_VARIANT) {
                put(buffer, ")");
            }
            continue;
        }
        const theater__type *inner = top->type->members[top->next].type;
        put_member_start(buffer, top);
        top->next++;
        if (inner == NULL) {
            continue;
        }
        if (depth > THEATER__VALUE_DEPTH_MAX) {
            put(buffer, "...");
            continue;
        }
        put(buffer, kind_word(inner->kind));
        stack[depth] = (type_frame){inner, 0};
        depth++;
    }
}
