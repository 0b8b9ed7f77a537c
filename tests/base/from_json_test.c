/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON by types: what is accepted comes back out as written, what is refused says why, exactly.
 */
#include <base/alloc.h>
#include <base/limits.h>
#include <base/type.h>
#include <base/value.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NAME(text)             \
    {                          \
        text, sizeof(text) - 1 \
    }
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define COMPOUND(word, of_kind, of_members) \
    static const theater__type t_##word = {(of_kind), (of_members), COUNT(of_members)}

static const theater__type t_bool = {.kind = THEATER_VALUE_BOOL};
static const theater__type t_s8 = {.kind = THEATER_VALUE_S8};
static const theater__type t_u8 = {.kind = THEATER_VALUE_U8};
static const theater__type t_s16 = {.kind = THEATER_VALUE_S16};
static const theater__type t_u16 = {.kind = THEATER_VALUE_U16};
static const theater__type t_s32 = {.kind = THEATER_VALUE_S32};
static const theater__type t_u32 = {.kind = THEATER_VALUE_U32};
static const theater__type t_s64 = {.kind = THEATER_VALUE_S64};
static const theater__type t_u64 = {.kind = THEATER_VALUE_U64};
static const theater__type t_f32 = {.kind = THEATER_VALUE_F32};
static const theater__type t_f64 = {.kind = THEATER_VALUE_F64};
static const theater__type t_char = {.kind = THEATER_VALUE_CHAR};
static const theater__type t_string = {.kind = THEATER_VALUE_STRING};
static const theater__type t_bytes = {.kind = THEATER_VALUE_BYTES};
static const theater__type t_handle = {0};

static const theater__type_member of_u64[] = {{{0}, &t_u64}};
COMPOUND(list, THEATER_VALUE_LIST, of_u64);
COMPOUND(option, THEATER_VALUE_OPTION, of_u64);
static const theater__type_member of_option[] = {{{0}, &t_option}};
COMPOUND(option_option, THEATER_VALUE_OPTION, of_option);
static const theater__type_member of_pair[] = {{{0}, &t_u64}, {{0}, &t_string}};
COMPOUND(tuple, THEATER_VALUE_TUPLE, of_pair);
COMPOUND(result, THEATER_VALUE_RESULT, of_pair);
static const theater__type_member of_nothing[] = {{{0}, NULL}, {{0}, NULL}};
COMPOUND(bare_result, THEATER_VALUE_RESULT, of_nothing);
static const theater__type_member of_names[] = {
    {NAME("red"), NULL}, {NAME("green"), NULL}, {NAME("blue"), NULL}};
COMPOUND(enum, THEATER_VALUE_ENUM, of_names);
COMPOUND(flags, THEATER_VALUE_FLAGS, of_names);
static const theater__type_member of_cases[] = {{NAME("none"), NULL}, {NAME("at"), &t_u64}};
COMPOUND(variant, THEATER_VALUE_VARIANT, of_cases);
static const theater__type_member of_fields[] = {{NAME("x"), &t_u64}, {NAME("color"), &t_enum}};
COMPOUND(record, THEATER_VALUE_RECORD, of_fields);
static const theater__type_member of_record[] = {{{0}, &t_record}};
COMPOUND(records, THEATER_VALUE_LIST, of_record);
static const theater__type_member of_deep[] = {{NAME("list"), &t_records},
                                               {NAME("kind"), &t_variant}};
COMPOUND(deep, THEATER_VALUE_RECORD, of_deep);

static theater_status read_one(const theater__type *type, const char *json, size_t size,
                               theater__arena *arena, theater_value *out_value, theater_error *err)
{
    theater__type_member param = {NAME("p"), type};
    theater__signature signature = {&param, 1, NULL};
    theater_values values = {0};
    THEATER_AUTOFREE char *exact = theater__memdup(json, size); /* no NUL behind it */
    theater_status status = theater__values_from_json(exact, size, &signature, arena, &values, err);
    if (status == THEATER_OK) {
        assert_int_equal(values.count, 1);
        *out_value = values.data[0];
    }
    return status;
}

/* ---- accepted -------------------------------------------------------------------------------- */

typedef struct accepted {
    const theater__type *type;
    const char *json;
    const char *again; /* NULL: as it was, without the brackets of the arguments */
} accepted;

static const accepted accepts[] = {
    {&t_bool, "[true]", NULL},
    {&t_bool, "[false]", NULL},
    {&t_s8, "[-128]", NULL},
    {&t_s8, "[127]", NULL},
    {&t_u8, "[0]", NULL},
    {&t_u8, "[255]", NULL},
    {&t_s16, "[-32768]", NULL},
    {&t_u16, "[65535]", NULL},
    {&t_s32, "[-2147483648]", NULL},
    {&t_s32, "[2147483647]", NULL},
    {&t_u32, "[4294967295]", NULL},
    {&t_s64, "[-9223372036854775808]", NULL},
    {&t_s64, "[9223372036854775807]", NULL},
    {&t_u64, "[9223372036854775808]", NULL},
    {&t_u64, "[18446744073709551615]", NULL},
    {&t_u64, " [ 9007199254740993 ] \n", "9007199254740993"},
    {&t_u64, "[-0]", "0"},
    {&t_f64, "[0.1]", NULL},
    {&t_f64, "[250]", NULL},
    {&t_f64, "[1e3]", "1000"},
    {&t_f64, "[-2.5E-3]", "-0.0025"},
    {&t_f64, "[18446744073709551615]", "1.8446744073709552e+19"},
    {&t_f64, "[\"NaN\"]", NULL},
    {&t_f64, "[\"Infinity\"]", NULL},
    {&t_f64, "[\"-Infinity\"]", NULL},
    {&t_f32, "[0.1]", NULL},
    {&t_f32, "[\"NaN\"]", NULL},
    {&t_char, "[\"x\"]", NULL},
    {&t_char, "[\"\xC3\xA9\"]", NULL},
    {&t_char, "[\"\xE2\x82\xAC\"]", NULL},
    {&t_char, "[\"\\ud83d\\ude00\"]", "\"\xF0\x9F\x98\x80\""},
    {&t_char, "[\"\\u0000\"]", NULL},
    {&t_string, "[\"\"]", NULL},
    {&t_string, "[\"a\\u0000b\\n\\\"\"]", NULL},
    {&t_string, "[\"\\/\\u00e9\"]", "\"/\xC3\xA9\""},
    {&t_bytes, "[[]]", NULL},
    {&t_bytes, "[[0,127,255]]", NULL},
    {&t_list, "[[]]", NULL},
    {&t_list, "[[1,2,3]]", NULL},
    {&t_tuple, "[[1,\"b\"]]", NULL},
    {&t_record, "[{\"x\":1,\"color\":\"red\"}]", NULL},
    {&t_record, "[{\"color\":\"red\",\"x\":1}]", "{\"x\":1,\"color\":\"red\"}"},
    {&t_record, "[{\"\\u0078\":1,\"color\":\"red\"}]", "{\"x\":1,\"color\":\"red\"}"},
    {&t_option, "[null]", NULL},
    {&t_option, "[5]", NULL},
    {&t_option_option, "[null]", NULL},
    {&t_option_option, "[{\"some\":null}]", NULL},
    {&t_option_option, "[{\"some\":5}]", NULL},
    {&t_result, "[{\"ok\":5}]", NULL},
    {&t_result, "[{\"err\":\"no\"}]", NULL},
    {&t_bare_result, "[{\"ok\":null}]", NULL},
    {&t_bare_result, "[{\"err\":null}]", NULL},
    {&t_variant, "[\"none\"]", NULL},
    {&t_variant, "[{\"at\":7}]", NULL},
    {&t_enum, "[\"green\"]", NULL},
    {&t_flags, "[[]]", NULL},
    {&t_flags, "[[\"blue\",\"red\"]]", "[\"red\",\"blue\"]"},
    {&t_deep, "[{\"list\":[{\"x\":1,\"color\":\"red\"}],\"kind\":{\"at\":2}}]", NULL},
};

static void from_json__accepted_comes_back_out(void **state)
{
    (void)state;
    theater__arena arena = {0};
    for (size_t i = 0; i < COUNT(accepts); i++) {
        theater_value value = {0};
        theater_error err = THEATER_ERROR_INIT;
        const char *json = accepts[i].json;
        theater_status status = read_one(accepts[i].type, json, strlen(json), &arena, &value, &err);
        assert_string_equal(err.message, "");
        assert_int_equal(status, THEATER_OK);
        theater__buffer buffer = {0};
        theater__value_to_json(&buffer, &value);
        theater__buffer_put_u8(&buffer, 0);
        if (accepts[i].again != NULL) {
            assert_string_equal((const char *)buffer.data, accepts[i].again);
        } else {
            assert_int_equal(buffer.size - 1, strlen(json) - 2);
            assert_memory_equal(buffer.data, json + 1, buffer.size - 1);
        }
        theater__buffer_deinit(&buffer);
        theater__arena_reset(&arena);
    }
    theater__arena_deinit(&arena);
}

/* ---- refused --------------------------------------------------------------------------------- */

typedef struct refused {
    const theater__type *type;
    const char *json;
    const char *message;
} refused;

static const refused refusals[] = {
    /* numbers */
    {&t_u64, "[250.0]", "parameter 'p': expected u64 (whole number, not negative), got 250.0"},
    {&t_u64, "[1e3]", "parameter 'p': expected u64 (whole number, not negative), got 1e3"},
    {&t_u64, "[-1]", "parameter 'p': expected u64 (whole number, not negative), got -1"},
    {&t_u64, "[\"1\"]", "parameter 'p': expected u64 (whole number, not negative), got a string"},
    {&t_u64, "[null]", "parameter 'p': expected u64 (whole number, not negative), got null"},
    {&t_u64, "[true]", "parameter 'p': expected u64 (whole number, not negative), got true"},
    {&t_u64, "[[1]]",
     "parameter 'p': expected u64 (whole number, not negative), got an array of 1"},
    {&t_u64, "[{}]", "parameter 'p': expected u64 (whole number, not negative), got an object"},
    {&t_s64, "[9223372036854775808]",
     "parameter 'p': expected s64 (whole number), got 9223372036854775808"},
    {&t_u8, "[256]", "parameter 'p': expected u8 (0 to 255), got 256"},
    {&t_u8, "[-1]", "parameter 'p': expected u8 (0 to 255), got -1"},
    {&t_s8, "[128]", "parameter 'p': expected s8 (-128 to 127), got 128"},
    {&t_s8, "[-129]", "parameter 'p': expected s8 (-128 to 127), got -129"},
    {&t_s8, "[18446744073709551615]",
     "parameter 'p': expected s8 (-128 to 127), got 18446744073709551615"},
    {&t_u16, "[65536]", "parameter 'p': expected u16 (0 to 65535), got 65536"},
    {&t_s16, "[32768]", "parameter 'p': expected s16 (-32768 to 32767), got 32768"},
    {&t_u32, "[4294967296]", "parameter 'p': expected u32 (0 to 4294967295), got 4294967296"},
    {&t_s32, "[2147483648]",
     "parameter 'p': expected s32 (-2147483648 to 2147483647), got 2147483648"},
    {&t_f64, "[\"x\"]",
     "parameter 'p': expected f64 (a number, \"NaN\", \"Infinity\" or \"-Infinity\"), "
     "got a string"},
    {&t_f64, "[1e400]",
     "parameter 'p': expected f64 (a number, \"NaN\", \"Infinity\" or \"-Infinity\"), got 1e400"},
    {&t_f32, "[1e39]",
     "parameter 'p': expected f32 (a number, \"NaN\", \"Infinity\" or \"-Infinity\"), got 1e39"},
    {&t_u64, "[18446744073709551616]",
     "arguments: JSON at byte 1: a whole number of more than 64 bits"},
    {&t_f64, "[18446744073709551616]",
     "arguments: JSON at byte 1: a whole number of more than 64 bits"},
    {&t_s64, "[-9223372036854775809]",
     "arguments: JSON at byte 1: a whole number of more than 64 bits"},
    {&t_u64, "[99999999999999999999999999]",
     "arguments: JSON at byte 1: a whole number of more than 64 bits"},
    {&t_u64, "[-01]", "arguments: JSON at byte 1: this is no number in JSON"},
    {&t_u64, "[00]", "arguments: JSON at byte 1: this is no number in JSON"},
    {&t_f64, "[1.]", "arguments: JSON at byte 1: a digit is missing after the point"},
    {&t_f64, "[NaN]", "arguments: JSON at byte 1: JSON has no such number; write it as a string"},
    {&t_f64, "[Infinity]",
     "arguments: JSON at byte 1: JSON has no such number; write it as a string"},
    {&t_f64, "[-Infinity]", "arguments: JSON at byte 1: this is no number in JSON"},
    /* other leaves */
    {&t_bool, "[1]", "parameter 'p': expected bool (true or false), got 1"},
    {&t_bool, "[\"true\"]", "parameter 'p': expected bool (true or false), got a string"},
    {&t_char, "[\"\"]", "parameter 'p': expected char (a string of one character), got a string"},
    {&t_char, "[\"ab\"]", "parameter 'p': expected char (a string of one character), got a string"},
    {&t_char, "[7]", "parameter 'p': expected char (a string of one character), got 7"},
    {&t_string, "[7]", "parameter 'p': expected string, got 7"},
    {&t_string, "[null]", "parameter 'p': expected string, got null"},
    {&t_bytes, "[\"abc\"]",
     "parameter 'p': expected list<u8> (an array of numbers from 0 to 255), got a string"},
    {&t_bytes, "[[1,256]]", "parameter 'p[1]': expected u8 (0 to 255), got 256"},
    {&t_bytes, "[[1.5]]", "parameter 'p[0]': expected u8 (0 to 255), got 1.5"},
    {&t_bytes, "[[null]]", "parameter 'p[0]': expected u8 (0 to 255), got null"},
    {&t_enum, "[\"pink\"]",
     "parameter 'p': case 'pink' is unknown; there are 'red', 'green', 'blue'"},
    {&t_enum, "[0]", "parameter 'p': expected enum (one of its names as a string), got 0"},
    {&t_flags, "[\"red\"]", "parameter 'p': expected flags (an array of names), got a string"},
    {&t_flags, "[[1]]", "parameter 'p': expected flags (an array of names), got an array of 1"},
    {&t_flags, "[[\"pink\"]]",
     "parameter 'p': flag 'pink' is unknown; there are 'red', 'green', 'blue'"},
    {&t_flags, "[[\"red\",\"red\"]]", "parameter 'p': flag 'red' is given twice"},
    {&t_handle, "[1]", "parameter 'p': a handle, stream or future cannot be given as JSON"},
    /* what has items */
    {&t_list, "[1]", "parameter 'p': expected list (an array), got 1"},
    {&t_list, "[[1,2,\"x\"]]",
     "parameter 'p[2]': expected u64 (whole number, not negative), got a string"},
    {&t_tuple, "[[1]]", "parameter 'p': expected tuple (an array of 2), got an array of 1"},
    {&t_tuple, "[{}]", "parameter 'p': expected tuple (an array of 2), got an object"},
    {&t_tuple, "[[1,2]]", "parameter 'p[1]': expected string, got 2"},
    {&t_record, "[[]]", "parameter 'p': expected record (an object), got an array of 0"},
    {&t_record, "[{\"x\":1}]", "parameter 'p.color': the field is missing"},
    {&t_record, "[{}]", "parameter 'p.x': the field is missing"},
    {&t_record, "[{\"x\":1,\"color\":\"red\",\"y\":2}]", "parameter 'p': field 'y' is unknown"},
    {&t_record, "[{\"x\":1,\"x\":2,\"color\":\"red\"}]",
     "arguments: JSON at byte 8: 'x' is given twice"},
    {&t_record, "[{\"x\":1,\"\\u0078\":2,\"color\":\"red\"}]",
     "arguments: JSON at byte 8: 'x' is given twice"},
    {&t_record, "[{\"x\\u0000\":1}]", "arguments: JSON at byte 2: a NUL character in a name"},
    {&t_record, "[{\"x\":1,\"color\":\"pink\"}]",
     "parameter 'p.color': case 'pink' is unknown; there are 'red', 'green', 'blue'"},
    {&t_option, "[\"x\"]",
     "parameter 'p': expected u64 (whole number, not negative), got a string"},
    {&t_option_option, "[5]",
     "parameter 'p': expected option of an option ({\"some\": ...} or null), got 5"},
    {&t_option_option, "[{\"none\":5}]",
     "parameter 'p': expected option of an option ({\"some\": ...} or null), got an object"},
    {&t_result, "[5]", "parameter 'p': expected result ({\"ok\": ...} or {\"err\": ...}), got 5"},
    {&t_result, "[{\"ok\":1,\"err\":\"\"}]",
     "parameter 'p': expected result ({\"ok\": ...} or {\"err\": ...}), got an object"},
    {&t_result, "[{\"Ok\":1}]",
     "parameter 'p': expected result ({\"ok\": ...} or {\"err\": ...}), got an object"},
    {&t_result, "[{\"err\":1}]", "parameter 'p': expected string, got 1"},
    {&t_bare_result, "[{\"ok\":1}]",
     "parameter 'p': expected null, since this case has no value, got 1"},
    {&t_variant, "[7]",
     "parameter 'p': expected variant ({\"case\": ...}, or \"case\" for one without a value), "
     "got 7"},
    {&t_variant, "[\"gone\"]", "parameter 'p': case 'gone' is unknown; there are 'none', 'at'"},
    {&t_variant, "[{\"gone\":1}]", "parameter 'p': case 'gone' is unknown; there are 'none', 'at'"},
    {&t_variant, "[\"at\"]", "parameter 'p': case 'at' needs a value: {\"case\": ...}"},
    {&t_variant, "[{\"none\":null}]", "parameter 'p': case 'none' has no value: write \"case\""},
    {&t_variant, "[{\"at\":\"x\"}]",
     "parameter 'p.at': expected u64 (whole number, not negative), got a string"},
    {&t_deep,
     "[{\"list\":[{\"x\":1,\"color\":\"red\"},{\"x\":-1,\"color\":\"red\"}],"
     "\"kind\":\"none\"}]",
     "parameter 'p.list[1].x': expected u64 (whole number, not negative), got -1"},
    /* the arguments as a whole */
    {&t_u64, "[]", "arguments: expected an array of 1 for (p: u64), got an array of 0"},
    {&t_u64, "[1,2]", "arguments: expected an array of 1 for (p: u64), got an array of 2"},
    {&t_u64, "{}", "arguments: expected an array of 1 for (p: u64), got an object"},
    {&t_u64, "5", "arguments: expected an array of 1 for (p: u64), got 5"},
    {&t_u64, "null", "arguments: expected an array of 1 for (p: u64), got null"},
    /* text that is no JSON */
    {&t_u64, "", "arguments: JSON at byte 0: it ends early"},
    {&t_u64, "[", "arguments: JSON at byte 1: it ends early"},
    {&t_u64, "[1", "arguments: JSON at byte 2: it ends early"},
    {&t_u64, "[\"", "arguments: JSON at byte 2: it ends early"},
    {&t_u64, "[1]x", "arguments: JSON at byte 3: unexpected character"},
    {&t_u64, "[1] [2]", "arguments: JSON at byte 4: unexpected character"},
    {&t_u64, "[1,]", "arguments: JSON at byte 3: unexpected character"},
    {&t_u64, "['a']", "arguments: JSON at byte 1: unexpected character"},
    {&t_u64, "[/**/1]", "arguments: JSON at byte 1: unexpected character"},
    {&t_u64, "[1 2]", "arguments: JSON at byte 3: array value separator ',' expected"},
    {&t_u64, "[tru]", "arguments: JSON at byte 4: boolean expected"},
    {&t_string, "[\"\\ud800\"]", "arguments: JSON at byte 1: half a surrogate pair"},
    {&t_string, "[\"\\ude00\\ud83d\"]", "arguments: JSON at byte 1: half a surrogate pair"},
    {&t_string, "[\"\\ud83dx\"]", "arguments: JSON at byte 1: half a surrogate pair"},
    {&t_string, "[\"a\nb\"]",
     "arguments: JSON at byte 1: a control character in a string; write it as \\u00XX"},
    {&t_string, "[\"\xFF\"]", "arguments: JSON has to be UTF-8"},
    {&t_string, "[\"\xED\xA0\x80\"]", "arguments: JSON has to be UTF-8"},
};

static void from_json__refused_says_why(void **state)
{
    (void)state;
    theater__arena arena = {0};
    for (size_t i = 0; i < COUNT(refusals); i++) {
        theater_value value = {0};
        theater_error err = THEATER_ERROR_INIT;
        const char *json = refusals[i].json;
        theater_status status =
            read_one(refusals[i].type, json, strlen(json), &arena, &value, &err);
        assert_string_equal(err.message, refusals[i].message);
        assert_int_equal(status, refusals[i].type == &t_handle ? THEATER_ERR_UNSUPPORTED
                                                               : THEATER_ERR_INVALID);
        assert_int_equal(value.kind, 0);
        theater__arena_reset(&arena);
    }
    theater__arena_deinit(&arena);
}

static void from_json__nul_byte_is_refused(void **state)
{
    (void)state;
    theater__arena arena = {0};
    theater_value value = {0};
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(read_one(&t_u64, "[1]\0", 4, &arena, &value, &err), THEATER_ERR_INVALID);
    assert_string_equal(err.message, "arguments: JSON holds a NUL byte");
    theater__arena_deinit(&arena);
}

static void from_json__every_cut_is_refused(void **state)
{
    (void)state;
    theater__arena arena = {0};
    for (size_t i = 0; i < COUNT(accepts); i++) {
        size_t whole = strlen(accepts[i].json);
        while (accepts[i].json[whole - 1] != ']') {
            whole--;
        }
        for (size_t size = 0; size < whole; size++) {
            theater_value value = {0};
            assert_int_equal(read_one(accepts[i].type, accepts[i].json, size, &arena, &value, NULL),
                             THEATER_ERR_INVALID);
        }
        theater__arena_reset(&arena);
    }
    theater__arena_deinit(&arena);
}

static void from_json__several_parameters_are_named(void **state)
{
    (void)state;
    theater__type_member params[] = {{NAME("duration"), &t_u64}, {{0}, &t_string}};
    theater__signature signature = {params, 2, NULL};
    theater__arena arena = {0};
    theater_values values = {0};
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater__values_from_json("[1,\"x\"]", 7, &signature, &arena, &values, &err),
                     THEATER_OK);
    assert_int_equal(values.count, 2);
    assert_int_equal(values.data[0].of.u64, 1);
    assert_int_equal(theater__values_from_json("[-1,2]", 6, &signature, &arena, &values, &err),
                     THEATER_ERR_INVALID);
    assert_string_equal(err.message,
                        "parameter 'duration': expected u64 (whole number, not negative), got -1");
    assert_int_equal(theater__values_from_json("[1,2]", 5, &signature, &arena, &values, &err),
                     THEATER_ERR_INVALID);
    assert_string_equal(err.message, "parameter '2': expected string, got 2");
    assert_int_equal(theater__values_from_json("[1]", 3, &signature, &arena, &values, &err),
                     THEATER_ERR_INVALID);
    assert_string_equal(err.message, "arguments: expected an array of 2 for "
                                     "(duration: u64, string), got an array of 1");
    theater__arena_deinit(&arena);
}

static void from_json__no_parameters_is_an_empty_array(void **state)
{
    (void)state;
    theater__signature signature = {NULL, 0, NULL};
    theater__arena arena = {0};
    theater_values values = {.count = 9};
    assert_int_equal(theater__values_from_json("[]", 2, &signature, &arena, &values, NULL),
                     THEATER_OK);
    assert_int_equal(values.count, 0);
    theater__arena_deinit(&arena);
}

/* ---- bounds ---------------------------------------------------------------------------------- */

static void nested(theater__buffer *json, size_t depth)
{
    for (size_t i = 0; i < depth + 1; i++) {
        theater__buffer_put_u8(json, '[');
    }
    for (size_t i = 0; i < depth + 1; i++) {
        theater__buffer_put_u8(json, ']');
    }
}

static void from_json__depth_has_a_bound(void **state)
{
    (void)state;
    theater__type levels[60];
    theater__type_member members[60];
    levels[0] = t_u64;
    for (size_t i = 1; i < 60; i++) {
        members[i] = (theater__type_member){{0}, &levels[i - 1]};
        levels[i] = (theater__type){THEATER_VALUE_LIST, &members[i], 1};
    }
    static const struct {
        size_t depth;
        theater_status status;
    } wanted[] = {{THEATER__VALUE_DEPTH_MAX, THEATER_OK},
                  {THEATER__VALUE_DEPTH_MAX + 1, THEATER_ERR_LIMIT},
                  {THEATER__VALUE_DEPTH_MAX + 2, THEATER_ERR_LIMIT},
                  {THEATER__VALUE_DEPTH_MAX + 20, THEATER_ERR_LIMIT}};
    for (size_t i = 0; i < COUNT(wanted); i++) {
        theater__buffer json = {0};
        nested(&json, wanted[i].depth);
        theater__arena arena = {0};
        theater_value value = {0};
        theater_error err = THEATER_ERROR_INIT;
        assert_int_equal(read_one(&levels[wanted[i].depth], (const char *)json.data, json.size,
                                  &arena, &value, &err),
                         wanted[i].status);
        if (wanted[i].status != THEATER_OK) {
            assert_non_null(strstr(err.message, "nested deeper than value_depth_max (32)"));
        }
        theater__arena_deinit(&arena);
        theater__buffer_deinit(&json);
    }
}

static void from_json__size_has_a_bound(void **state)
{
    (void)state;
    THEATER_AUTOFREE char *json = theater__alloc(THEATER__PAYLOAD_BYTES_MAX + 1);
    memset(json, ' ', THEATER__PAYLOAD_BYTES_MAX + 1);
    memcpy(json, "[5]", 3);
    theater__arena arena = {0};
    theater_value value = {0};
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(read_one(&t_u64, json, THEATER__PAYLOAD_BYTES_MAX, &arena, &value, &err),
                     THEATER_OK);
    assert_int_equal(read_one(&t_u64, json, THEATER__PAYLOAD_BYTES_MAX + 1, &arena, &value, &err),
                     THEATER_ERR_LIMIT);
    assert_string_equal(err.message, "arguments: JSON of 4194305 bytes is longer than "
                                     "payload_bytes_max (4194304)");
    theater__arena_deinit(&arena);
}

static void from_json__items_have_a_bound(void **state)
{
    (void)state;
    theater__buffer json = {0};
    theater__buffer_put(&json, "[[0", 3);
    for (size_t i = 1; i < THEATER__VALUE_ITEMS_MAX + 1; i++) {
        theater__buffer_put(&json, ",0", 2);
    }
    theater__buffer_put(&json, "]]", 2);
    theater__arena arena = {0};
    theater_value value = {0};
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(read_one(&t_list, (const char *)json.data, json.size, &arena, &value, &err),
                     THEATER_ERR_LIMIT);
    assert_string_equal(err.message, "arguments have more items than value_items_max (1048576)");
    theater__arena_deinit(&arena);
    theater__buffer_deinit(&json);
}

static void from_json__full_arena_is_a_named_limit(void **state)
{
    (void)state;
    theater__arena arena = {.used_max = 256};
    theater_value value = {0};
    theater_error err = THEATER_ERROR_INIT;
    const char *json = "[[1,2,3,4,5,6,7,8,9]]";
    assert_int_equal(read_one(&t_list, json, strlen(json), &arena, &value, &err),
                     THEATER_ERR_LIMIT);
    assert_string_equal(err.message, "arguments take more memory than arena_bytes_max (256 bytes)");
    theater__arena_deinit(&arena);
}

static void from_json__long_names_leave_a_whole_message(void **state)
{
    (void)state;
    char name[400];
    memset(name, 'n', sizeof name);
    theater__type_member params[] = {{{name, sizeof name}, &t_u64}};
    theater__signature signature = {params, 1, NULL};
    theater__arena arena = {0};
    theater_values values = {0};
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater__values_from_json("[-1]", 4, &signature, &arena, &values, &err),
                     THEATER_ERR_INVALID);
    assert_non_null(strstr(err.message, "nn': expected u64 (whole number, not negative), got -1"));
    assert_int_equal(theater__values_from_json("[]", 2, &signature, &arena, &values, &err),
                     THEATER_ERR_INVALID);
    assert_non_null(strstr(err.message, "got an array of 0"));
    theater__arena_deinit(&arena);
}

static void from_json__values_outlive_the_text_and_the_types(void **state)
{
    (void)state;
    theater__arena arena = {0};
    char name[] = "red";
    theater__type_member names[] = {{{name, 3}, NULL}};
    theater__type type = {THEATER_VALUE_ENUM, names, 1};
    theater_value value = {0};
    assert_int_equal(read_one(&type, "[\"red\"]", 7, &arena, &value, NULL), THEATER_OK);
    memset(name, 'x', 3);
    assert_memory_equal(value.case_name.data, "red", 3);
    theater__arena_deinit(&arena);
}

static void torture__kth_allocation_fails(void **state)
{
    (void)state;
    const char *json = "[{\"list\":[{\"x\":1,\"color\":\"red\"}],\"kind\":{\"at\":2}}]";
    theater__type_member param = {NAME("p"), &t_deep};
    theater__signature signature = {&param, 1, NULL};
    theater_status status = THEATER_ERR_NOMEM;
    uint64_t k = 0;
    while (status != THEATER_OK) {
        k++;
        assert_true(k < 100);
        theater__arena arena = {0};
        theater_values values = {0};
        theater_error err = THEATER_ERROR_INIT;
        theater__alloc_fail_at(k);
        status = theater__values_from_json(json, strlen(json), &signature, &arena, &values, &err);
        theater__alloc_fail_at(0);
        assert_true(status == THEATER_OK || status == THEATER_ERR_NOMEM);
        theater__arena_deinit(&arena);
    }
    assert_true(k > 1);
}

/* ---- random ---------------------------------------------------------------------------------- */

static void fuzz__damaged_texts_never_crash(void **state)
{
    (void)state;
    static const char letters[] = "[]{}\",:\\u0123456789-+.eEtrufalsn \n\xC3\xA9";
    uint64_t random = 7;
    theater__arena arena = {0};
    for (uint32_t round = 0; round < 60000; round++) {
        const accepted *from = &accepts[round % COUNT(accepts)];
        size_t size = strlen(from->json);
        THEATER_AUTOFREE char *json = theater__memdup(from->json, size);
        for (uint32_t change = 0; change < 1 + round % 3; change++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            json[(random >> 40) % size] = letters[(random >> 20) % (sizeof letters - 1)];
        }
        theater_value value = {0};
        theater_status status = read_one(from->type, json, size, &arena, &value, NULL);
        if (status == THEATER_OK) {
            theater__buffer buffer = {0};
            theater__value_encode(&buffer, &value);
            assert_false(buffer.failed);
            theater__buffer_deinit(&buffer);
        }
        theater__arena_reset(&arena);
    }
    theater__arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_json__accepted_comes_back_out),
        cmocka_unit_test(from_json__refused_says_why),
        cmocka_unit_test(from_json__nul_byte_is_refused),
        cmocka_unit_test(from_json__every_cut_is_refused),
        cmocka_unit_test(from_json__several_parameters_are_named),
        cmocka_unit_test(from_json__no_parameters_is_an_empty_array),
        cmocka_unit_test(from_json__depth_has_a_bound),
        cmocka_unit_test(from_json__size_has_a_bound),
        cmocka_unit_test(from_json__items_have_a_bound),
        cmocka_unit_test(from_json__full_arena_is_a_named_limit),
        cmocka_unit_test(from_json__long_names_leave_a_whole_message),
        cmocka_unit_test(from_json__values_outlive_the_text_and_the_types),
        cmocka_unit_test(torture__kth_allocation_fails),
        cmocka_unit_test(fuzz__damaged_texts_never_crash),
    };
    return cmocka_run_group_tests_name("base from_json", tests, NULL, NULL);
}
