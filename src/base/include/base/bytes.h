/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer to write canonical encodings into, and a reader that takes foreign bytes
 * apart without ever going past their end.
 *
 * Both keep a sticky failure flag, so that an encoder or decoder is straight-line code with one
 * check at its end: after a failed allocation a buffer ignores writes; after a short or malformed
 * read a reader returns zeros. Integers are little-endian; varints are LEB128 of at most ten bytes
 * in their shortest form (a longer spelling of the same number is refused: one value, one
 * encoding).
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <theater/value.h>

typedef struct theater__buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
    bool failed; /* an allocation failed: what is in data is not to be used */
} theater__buffer;

void theater__buffer_deinit(theater__buffer *buffer);
/* Keeps the memory, forgets content and failure. */
void theater__buffer_clear(theater__buffer *buffer);
/* Room for size more bytes; returns where to write them, NULL (and failed) without memory. */
uint8_t *theater__buffer_extend(theater__buffer *buffer, size_t size);
void theater__buffer_put(theater__buffer *buffer, const void *data, size_t size);
void theater__buffer_put_u8(theater__buffer *buffer, uint8_t number);
void theater__buffer_put_u16(theater__buffer *buffer, uint16_t number);
void theater__buffer_put_u32(theater__buffer *buffer, uint32_t number);
void theater__buffer_put_u64(theater__buffer *buffer, uint64_t number);
void theater__buffer_put_varint(theater__buffer *buffer, uint64_t number);
/* varint length, then the bytes. */
void theater__buffer_put_sized(theater__buffer *buffer, const void *data, size_t size);

typedef struct theater__reader {
    const uint8_t *data;
    size_t size;
    size_t offset;
    bool failed; /* read past the end, or a malformed varint */
} theater__reader;

static inline theater__reader theater__reader_of(const uint8_t *data, size_t size)
{
    theater__reader reader = {data, size, 0, false};
    return reader;
}
size_t theater__reader_left(const theater__reader *reader);
/* Borrowed pointer to the next size bytes; NULL and failed if there are fewer. */
const uint8_t *theater__reader_take(theater__reader *reader, size_t size);
uint8_t theater__reader_u8(theater__reader *reader);
uint16_t theater__reader_u16(theater__reader *reader);
uint32_t theater__reader_u32(theater__reader *reader);
uint64_t theater__reader_u64(theater__reader *reader);
uint64_t theater__reader_varint(theater__reader *reader);
/* varint length, then that many bytes, borrowed. */
theater_bytes theater__reader_sized(theater__reader *reader);

#endif
