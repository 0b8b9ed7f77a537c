/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The growing buffer and the bounded reader that every canonical encoding goes through.
 *
 * Invariants. Buffer: size <= capacity; data is NULL only while capacity is 0; once failed, it
 * stays as it is until it is cleared. Reader: offset <= size; once failed, every read gives zero or
 * NULL and the offset stands still, so a decoder can look at the flag once, at its end.
 *
 * Varint (LEB128): seven bits a byte, least significant first, the top bit says that more follow.
 *
 *     300 = 0b10_0101100   ->   1010 1100   0000 0010
 *                               ^ more      ^ last, and never zero unless it stands alone
 */
#include <base/bytes.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/limits.h>
#include <string.h>

#define CAPACITY_FIRST 64u
#define VARINT_BYTES_MAX 10u

void theater__buffer_deinit(theater__buffer *buffer)
{
    if (buffer == NULL) {
        return;
    }
    theater__free(buffer->data);
    *buffer = (theater__buffer){0};
}

void theater__buffer_clear(theater__buffer *buffer)
{
    THEATER_ASSERT(buffer->size <= buffer->capacity);
    buffer->size = 0;
    buffer->failed = false;
}

/* Makes the capacity at least wanted, doubling, so that n bytes cost O(n) to append. */
static bool grow(theater__buffer *buffer, size_t wanted)
{
    size_t capacity = buffer->capacity > 0 ? buffer->capacity : CAPACITY_FIRST;
    while (capacity < wanted) {
        capacity *= 2; /* wanted is at most THEATER__BUFFER_BYTES_MAX: no overflow */
    }
    uint8_t *data = theater__realloc_array(buffer->data, capacity, 1);
    if (data == NULL) {
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

uint8_t *theater__buffer_extend(theater__buffer *buffer, size_t size)
{
    THEATER_ASSERT(buffer->size <= buffer->capacity);
    THEATER_ASSERT(buffer->size <= THEATER__BUFFER_BYTES_MAX);
    if (buffer->failed) {
        return NULL;
    }
    if (size > THEATER__BUFFER_BYTES_MAX - buffer->size) {
        buffer->failed = true;
        return NULL;
    }
    if (buffer->data == NULL || size > buffer->capacity - buffer->size) {
        if (!grow(buffer, buffer->size + size)) {
            buffer->failed = true;
            return NULL;
        }
    }
    uint8_t *at = buffer->data + buffer->size;
    buffer->size += size;
    return at;
}

void theater__buffer_put(theater__buffer *buffer, const void *data, size_t size)
{
    uint8_t *at = theater__buffer_extend(buffer, size);
    if (at != NULL && size > 0) {
        memcpy(at, data, size);
    }
}

/* The low size bytes of a number, least significant first. */
static void put_little_endian(theater__buffer *buffer, uint64_t number, size_t size)
{
    THEATER_ASSERT(size >= 1 && size <= 8);
    uint8_t *at = theater__buffer_extend(buffer, size);
    if (at == NULL) {
        return;
    }
    for (size_t i = 0; i < size; i++) {
        at[i] = (uint8_t)(number >> (8 * i));
    }
}

void theater__buffer_put_u8(theater__buffer *buffer, uint8_t number)
{
    put_little_endian(buffer, number, 1);
}

void theater__buffer_put_u16(theater__buffer *buffer, uint16_t number)
{
    put_little_endian(buffer, number, 2);
}

void theater__buffer_put_u32(theater__buffer *buffer, uint32_t number)
{
    put_little_endian(buffer, number, 4);
}

void theater__buffer_put_u64(theater__buffer *buffer, uint64_t number)
{
    put_little_endian(buffer, number, 8);
}

void theater__buffer_put_varint(theater__buffer *buffer, uint64_t number)
{
    uint8_t bytes[VARINT_BYTES_MAX];
    size_t size = 0;
    while (number >= 0x80u) {
        bytes[size] = (uint8_t)(number | 0x80u);
        number >>= 7;
        size++;
    }
    bytes[size] = (uint8_t)number;
    size++;
    THEATER_ASSERT(size <= VARINT_BYTES_MAX);
    theater__buffer_put(buffer, bytes, size);
}

void theater__buffer_put_sized(theater__buffer *buffer, const void *data, size_t size)
{
    theater__buffer_put_varint(buffer, size);
    theater__buffer_put(buffer, data, size);
}

size_t theater__reader_left(const theater__reader *reader)
{
    THEATER_ASSERT(reader->offset <= reader->size);
    return reader->failed ? 0 : reader->size - reader->offset;
}

const uint8_t *theater__reader_take(theater__reader *reader, size_t size)
{
    static const uint8_t nothing = 0;
    THEATER_ASSERT(reader->offset <= reader->size);
    if (reader->failed || size > reader->size - reader->offset) {
        reader->failed = true;
        return NULL;
    }
    if (reader->data == NULL) {
        return &nothing; /* zero bytes of nothing are there: NULL would say that they are not */
    }
    const uint8_t *at = reader->data + reader->offset;
    reader->offset += size;
    return at;
}

static uint64_t read_little_endian(theater__reader *reader, size_t size)
{
    THEATER_ASSERT(size >= 1 && size <= 8);
    const uint8_t *at = theater__reader_take(reader, size);
    if (at == NULL) {
        return 0;
    }
    uint64_t number = 0;
    for (size_t i = 0; i < size; i++) {
        number |= (uint64_t)at[i] << (8 * i);
    }
    return number;
}

uint8_t theater__reader_u8(theater__reader *reader)
{
    return (uint8_t)read_little_endian(reader, 1);
}

uint16_t theater__reader_u16(theater__reader *reader)
{
    return (uint16_t)read_little_endian(reader, 2);
}

uint32_t theater__reader_u32(theater__reader *reader)
{
    return (uint32_t)read_little_endian(reader, 4);
}

uint64_t theater__reader_u64(theater__reader *reader)
{
    return read_little_endian(reader, 8);
}

uint64_t theater__reader_varint(theater__reader *reader)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < VARINT_BYTES_MAX; i++) {
        const uint8_t *at = theater__reader_take(reader, 1);
        if (at == NULL) {
            return 0;
        }
        bool last = (*at & 0x80u) == 0;
        bool overlong = last && *at == 0 && i > 0;
        bool overflow = i == VARINT_BYTES_MAX - 1 && *at > 1;
        if (overlong || overflow) {
            break;
        }
        number |= (uint64_t)(*at & 0x7Fu) << (7 * i);
        if (last) {
            return number;
        }
    }
    reader->failed = true;
    return 0;
}

theater_bytes theater__reader_sized(theater__reader *reader)
{
    theater_bytes bytes = {0};
    uint64_t size = theater__reader_varint(reader);
    if (reader->failed || size > theater__reader_left(reader)) {
        reader->failed = true;
        return bytes;
    }
    bytes.data = theater__reader_take(reader, (size_t)size);
    bytes.size = (size_t)size;
    return bytes;
}
