/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests. SHA-256 binds our own events, SHA-1 is what Theater's own files are linked with.
 */
#ifndef CHAIN_HASH_H
#define CHAIN_HASH_H

#include "event.h"

#include <chain/chain.h>

#define THEATER__SHA1_SIZE 20u

/* A SHA-1 in pieces. Opaque words, so that OpenSSL's headers stay in hash.c. */
typedef struct theater__sha1 {
    _Alignas(16) uint8_t state[112];
} theater__sha1;

void theater__sha1_init(theater__sha1 *sha1);
void theater__sha1_update(theater__sha1 *sha1, const void *data, size_t size);
void theater__sha1_final(theater__sha1 *sha1, uint8_t out_digest[THEATER__SHA1_SIZE]);

/* SHA-256(salt || payload): what stands in an event for a payload that lies beside it. */
theater_hash theater__payload_hash(const uint8_t salt[THEATER__SALT_SIZE], const uint8_t *payload,
                                   size_t size);

/* Bytes in front of the event in what is hashed: tag, version, parent, size. */
#define THEATER__PREIMAGE_PREFIX_SIZE 45u

/* Room for a preimage and for the padding that SHA-256 puts behind it, in whole blocks. */
#define THEATER__PREIMAGE_CAPACITY \
    (((size_t)THEATER__PREIMAGE_PREFIX_SIZE + THEATER__EVENT_SIZE_MAX + 9 + 63) / 64 * 64)

/* SHA-256 of the first size bytes of a buffer of that capacity; pads in place. */
theater_hash theater__preimage_hash(uint8_t preimage[THEATER__PREIMAGE_CAPACITY], size_t size);

/* Writes that prefix, so that an event can be encoded right behind it and hashed in one piece. */
void theater__preimage_prefix(uint8_t out_prefix[THEATER__PREIMAGE_PREFIX_SIZE],
                              const theater_hash *parent, size_t event_size);

#endif
