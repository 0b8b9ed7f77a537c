/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of base/bytes.h with its commonest cases inline. Verification reads some twenty small
 * numbers an event; as calls they cost half as much as the hash does. Meaning and failure are those
 * of the functions that are called for everything else.
 */
#ifndef CHAIN_FAST_READ_H
#define CHAIN_FAST_READ_H

#include <base/bytes.h>

static inline uint8_t fast_u8(theater__reader *reader)
{
    if (!reader->failed && reader->offset < reader->size) {
        return reader->data[reader->offset++];
    }
    return theater__reader_u8(reader);
}

/* Numbers of up to eight bytes; longer, cut and overlong ones take the call. */
static inline uint64_t fast_varint(theater__reader *reader)
{
    if (!reader->failed && reader->size - reader->offset >= 8) {
        const uint8_t *at = reader->data + reader->offset;
        uint64_t number = at[0] & 0x7fu;
        if (at[0] < 0x80) {
            reader->offset++;
            return number;
        }
        for (size_t i = 1; i < 8; i++) {
            number |= (uint64_t)(at[i] & 0x7fu) << (7 * i);
            if (at[i] < 0x80) {
                if (at[i] == 0) {
                    break; /* a longer spelling: refused below */
                }
                reader->offset += i + 1;
                return number;
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
