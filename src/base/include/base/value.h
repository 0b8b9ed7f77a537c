/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The canonical encoding of values, used in every chain payload, and their JSON form.
 *
 * Encoding (docs/formats/chain.md, "Values"): one kind byte, then
 *   BOOL                    0|1
 *   S8 S16 S32 S64          zigzag varint
 *   U8 U16 U32 U64 CHAR     varint
 *   F32 F64                 little-endian bits, every NaN as the canonical quiet NaN
 *   STRING BYTES            varint size, bytes
 *   LIST TUPLE              varint count, values
 *   RECORD FLAGS            varint count, then (sized name, value) each
 *   ENUM                    sized name
 *   VARIANT                 sized name, 0|1, value
 *   OPTION                  0|1, value
 *   RESULT                  0 err|1 ok, 0|1, value
 *
 * Decoding checks ranges (a U8 of 300 is refused), UTF-8, that names are not empty,
 * THEATER__VALUE_DEPTH_MAX and THEATER__VALUE_ITEMS_MAX. Encoding a value that decoding would
 * refuse fails the buffer, as a lack of memory does: a chain never holds what cannot be read back.
 */
#ifndef BASE_VALUE_H
#define BASE_VALUE_H

#include <base/arena.h>
#include <base/bytes.h>
#include <theater/value.h>

void theater__value_encode(theater__buffer *buffer, const theater_value *value);
/* varint count, then each value. */
void theater__values_encode(theater__buffer *buffer, const theater_value *values, size_t count);

/*
 * Strings borrow from the reader's bytes, arrays come from arena. THEATER_ERR_CORRUPT if malformed,
 * THEATER_ERR_LIMIT if the arena is full. After a failure the reader's place means nothing.
 */
theater_status theater__value_decode(theater__reader *reader, theater__arena *arena,
                                     theater_value *out_value, theater_error *err);
theater_status theater__values_decode(theater__reader *reader, theater__arena *arena,
                                      theater_values *out_values, theater_error *err);

/*
 * Appends compact JSON. Integers are exact; f32/f64 that are not finite become "NaN", "Infinity",
 * "-Infinity" as strings. BYTES is an array of numbers. result: {"ok":X} / {"err":X} (null for no
 * payload). variant: {"case":X} or "case". enum: "name". flags: ["a","b"]. option: X or null
 * (an option of an option: {"some":X} or null). char: a string of one character.
 */
void theater__value_to_json(theater__buffer *buffer, const theater_value *value);
/* A JSON string literal with its quotes; invalid UTF-8 becomes U+FFFD. */
void theater__json_put_string(theater__buffer *buffer, const char *data, size_t size);

/* True for well-formed UTF-8 without surrogates or overlong forms. */
bool theater__utf8_valid(const uint8_t *data, size_t size);

#endif
