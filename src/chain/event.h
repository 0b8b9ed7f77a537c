/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One event's bytes, without links: what stands between the size and the check of a frame.
 */
#ifndef CHAIN_EVENT_H
#define CHAIN_EVENT_H

#include <base/limits.h>
#include <chain/chain.h>

/* seq and wall are varints of at most ten bytes; class, kind and flags take one each. */
#define THEATER__EVENT_HEADER_SIZE_MAX 23u
#define THEATER__EVENT_SIZE_MAX (THEATER__EVENT_HEADER_SIZE_MAX + THEATER__PAYLOAD_INLINE_MAX)

#define THEATER__EVENT_FLAG_EXTERNAL 1u

#define THEATER__VARINT_SIZE_MAX 10u

_Static_assert(THEATER__PAYLOAD_INLINE_MAX >= sizeof(theater_hash),
               "the hash of an external payload stands where an inline one would");

/* The class that each kind has; 0 for numbers that are no kind. */
theater_event_class theater__kind_class(theater_event_kind kind);

/* Writes a LEB128 varint; returns the bytes written, at most THEATER__VARINT_SIZE_MAX. */
size_t theater__varint_put(uint8_t *out, uint64_t number);

#endif
