/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text into json-c's tree, strictly. Private to this room, so that no other depends on json-c.
 */
#ifndef BASE_JSON_TEXT_H
#define BASE_JSON_TEXT_H

#include <base/limits.h>
#include <json-c/json.h>
#include <stddef.h>
#include <theater/error.h>

/* Values nest in an array of arguments, and bytes or flags are an array more. */
#define THEATER__JSON_DEPTH_MAX (THEATER__VALUE_DEPTH_MAX + 3u)

/* Parses exactly one JSON text as RFC 8259 has it; what *out_json gets is for json_object_put(). */
theater_status theater__json_parse(const char *json, size_t size, json_object **out_json,
                                   theater_error *err);

/* For __attribute__((cleanup)). */
void theater__json_put(json_object **json);

#endif
