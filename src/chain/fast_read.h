/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of base/bytes.h with its commonest cases inline. Verification reads some twenty small
 * numbers an event; as calls they cost half as much as the hash does. Meaning and failure are those
 * of the functions that are called for everything else.
 */
#ifndef CHAIN_FAST_READ_H
#define CHAIN_FAST_READ_H

#include <base/bytes.h>

#include <endian.h>
#include <string.h>

static inline uint8_t fast_u8(theater__reader *reader)
{
    if (!reader->failed && reader->offset < reader->size) {
        return reader->data[reader->offset++];
    }
    return theater__reader_u8(reader);
}

/*
 * Numbers of up to eight bytes out of one load: the lowest high bit that is not set ends the
 * number, what is above is cleared, and the groups of seven bits move together in three steps.
 * Longer, cut and overlong ones take the call.
 */
static inline uint64_t fast_varint(theater__reader *reader)
{
    size_t left = reader->failed ? 0 : reader->size - reader->offset;
    if (left > 0 && reader->data[reader->offset] < 0x80) {
        return reader->data[reader->offset++];
    }
    if (left >= 8) {
        uint64_t bytes;
        memcpy(&bytes, reader->data + reader->offset, sizeof(bytes));
        bytes = le64toh(bytes);
        uint64_t stops = ~bytes & 0x8080808080808080u;
        if (stops != 0) {
            unsigned size = (unsigned)__builtin_ctzll(stops) / 8 + 1;
            bool is_overlong = (bytes >> (8 * (size - 1)) & 0xff) == 0;
            uint64_t x = bytes & (stops ^ (stops - 1)) & 0x7f7f7f7f7f7f7f7fu;
            x = (x & 0x007f007f007f007fu) | (x & 0x7f007f007f007f00u) >> 1;
            x = (x & 0x00003fff00003fffu) | (x & 0x3fff00003fff0000u) >> 2;
            x = (x & 0x000000000fffffffu) | (x & 0x0fffffff00000000u) >> 4;
            if (!is_overlong) {
                reader->offset += size;
                return x;
            }
        }
    }
    return theater__reader_varint(reader);
}

static inline theater_bytes fast_sized(theater__reader *reader)
{
    if (!reader->failed && reader->offset < reader->size) {
        size_t size = reader->data[reader->offset];
        if (size < 0x80 && size <= reader->size - reader->offset - 1) {
            theater_bytes bytes = {reader->data + reader->offset + 1, size};
            reader->offset += 1 + size;
            return bytes;
        }
    }
    return theater__reader_sized(reader);
}

#endif
