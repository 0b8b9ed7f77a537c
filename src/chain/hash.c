/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests by OpenSSL, and the text form of hashes.
 *
 * The low-level SHA256_ functions are used although OpenSSL 3 calls them deprecated, for three
 * reasons. They need no EVP_MD: a fetched one would have to live in a global (there are none here:
 * two hosts share a process) or be carried by every reader and writer. They cannot fail and
 * allocate nothing, so appending an event has one way less to fail. And they are what makes an
 * event cheap; a 95 byte preimage takes (OpenSSL 3.0.22, SHA-NI)
 *
 *     100 ns   SHA256_Transform over blocks that are padded here
 *     114 ns   SHA256_Init, _Update, _Final; 127 ns with two updates
 *     163 ns   a fetched EVP_MD and a context that is used again; 212 ns with EVP_Digest
 *     580 ns   SHA256(), which fetches each time
 *
 * What is hashed is one contiguous piece in a buffer with room for SHA-256's padding:
 *
 *     0        8         9                41            45
 *     +--------+---------+----------------+-------------+---------
 *     | tag    | version | parent's hash  | size (u32)  | event ...
 *     +--------+---------+----------------+-------------+---------
 *
 * Every field in front of the event has a fixed size, so no two different (parent, event) pairs
 * give the same bytes; the tag keeps our hashes apart from those of any other protocol.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "hash.h"

#include <base/assert.h>
#include <base/error.h>

#include <endian.h>
#include <openssl/sha.h>
#include <string.h>

static const char preimage_tag[8] = {'t', 'h', 'e', 'a', 't', 'e', 'r', '\0'};

#define BLOCK_BYTES ((size_t)64)

_Static_assert(sizeof(preimage_tag) + 1 + sizeof(theater_hash) + 4 == THEATER__PREIMAGE_PREFIX_SIZE,
               "the prefix is tag, version, parent, size");
_Static_assert(sizeof(theater_hash) == SHA256_DIGEST_LENGTH, "a hash is a SHA-256");
_Static_assert(BLOCK_BYTES == SHA256_CBLOCK, "SHA-256 works by blocks of 64 bytes");
_Static_assert(sizeof(SHA_LONG) == 4, "the state is eight words");
_Static_assert(sizeof(SHA_CTX) <= sizeof(((theater__sha1 *)0)->state), "SHA-1 state fits");
_Static_assert(_Alignof(SHA_CTX) <= 16, "SHA-1 state is aligned");

theater_hash theater__sha256(const void *data, size_t size)
{
    THEATER_ASSERT(data != NULL || size == 0);
    SHA256_CTX context;
    theater_hash hash;
    SHA256_Init(&context);
    SHA256_Update(&context, data, size);
    SHA256_Final(hash.bytes, &context);
    return hash;
}

theater_hash theater__payload_hash(const uint8_t salt[THEATER__SALT_SIZE], const uint8_t *payload,
                                   size_t size)
{
    THEATER_ASSERT(salt != NULL);
    THEATER_ASSERT(payload != NULL || size == 0);
    SHA256_CTX context;
    theater_hash hash;
    SHA256_Init(&context);
    SHA256_Update(&context, salt, THEATER__SALT_SIZE);
    SHA256_Update(&context, payload, size);
    SHA256_Final(hash.bytes, &context);
    return hash;
}

void theater__preimage_prefix(uint8_t out_prefix[THEATER__PREIMAGE_PREFIX_SIZE],
                              const theater_hash *parent, size_t event_size)
{
    THEATER_ASSERT(parent != NULL);
    THEATER_ASSERT(event_size <= UINT32_MAX);
    memcpy(out_prefix, preimage_tag, sizeof(preimage_tag));
    out_prefix[8] = (uint8_t)THEATER__CHAIN_VERSION;
    memcpy(out_prefix + 9, parent->bytes, sizeof(parent->bytes));
    out_prefix[41] = (uint8_t)(event_size & 0xff);
    out_prefix[42] = (uint8_t)((event_size >> 8) & 0xff);
    out_prefix[43] = (uint8_t)((event_size >> 16) & 0xff);
    out_prefix[44] = (uint8_t)((event_size >> 24) & 0xff);
}

theater_hash theater__preimage_hash(uint8_t preimage[THEATER__PREIMAGE_CAPACITY], size_t size)
{
    THEATER_ASSERT(preimage != NULL);
    THEATER_ASSERT(size + 9 <= THEATER__PREIMAGE_CAPACITY);
    /* A one bit, zeros up to the end of a block, and in its last 8 bytes the size in bits. */
    size_t padded = (size + 9 + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    uint64_t bits = htobe64((uint64_t)size * 8);
    preimage[size] = 0x80;
    memset(preimage + size + 1, 0, padded - size - 1 - sizeof(bits));
    memcpy(preimage + padded - sizeof(bits), &bits, sizeof(bits));

    SHA256_CTX context;
    theater_hash hash;
    SHA256_Init(&context);
    for (size_t at = 0; at < padded; at += BLOCK_BYTES) {
        SHA256_Transform(&context, preimage + at);
    }
    for (size_t i = 0; i < 8; i++) {
        uint32_t word = htobe32(context.h[i]);
        memcpy(hash.bytes + 4 * i, &word, sizeof(word));
    }
    return hash;
}

theater_hash theater__event_hash(const theater_hash *parent, const uint8_t *event, size_t size)
{
    THEATER_ASSERT(event != NULL);
    THEATER_ASSERT(size <= THEATER__EVENT_SIZE_MAX);
    uint8_t preimage[THEATER__PREIMAGE_CAPACITY];
    theater__preimage_prefix(preimage, parent, size);
    memcpy(preimage + THEATER__PREIMAGE_PREFIX_SIZE, event, size);
    return theater__preimage_hash(preimage, THEATER__PREIMAGE_PREFIX_SIZE + size);
}

void theater__sha1_init(theater__sha1 *sha1)
{
    SHA1_Init((SHA_CTX *)(void *)sha1->state);
}

void theater__sha1_update(theater__sha1 *sha1, const void *data, size_t size)
{
    SHA1_Update((SHA_CTX *)(void *)sha1->state, data, size);
}

void theater__sha1_final(theater__sha1 *sha1, uint8_t out_digest[THEATER__SHA1_SIZE])
{
    SHA1_Final(out_digest, (SHA_CTX *)(void *)sha1->state);
}

void theater_hash_format(const theater_hash *hash, char out_text[THEATER_HASH_TEXT_SIZE])
{
    THEATER_ASSERT(hash != NULL);
    THEATER_ASSERT(out_text != NULL);
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof(hash->bytes); i++) {
        out_text[2 * i] = digits[hash->bytes[i] >> 4];
        out_text[2 * i + 1] = digits[hash->bytes[i] & 15];
    }
    out_text[THEATER_HASH_TEXT_SIZE - 1] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

/*
 * Decimal digits up to ':'; false if there are none, if the number overflows, or without a colon.
 */
static bool parse_seq(const char **text, uint64_t *out_seq)
{
    const char *p = *text;
    uint64_t seq = 0;
    if (*p == ':') {
        return false;
    }
    for (; *p != ':'; p++) {
        if (*p < '0' || *p > '9' || __builtin_mul_overflow(seq, 10u, &seq) ||
            __builtin_add_overflow(seq, (uint64_t)(*p - '0'), &seq)) {
            return false;
        }
    }
    *text = p + 1;
    *out_seq = seq;
    return true;
}

theater_status theater_head_parse(const char *text, theater_head *out_head, theater_error *err)
{
    THEATER_ASSERT(text != NULL);
    THEATER_ASSERT(out_head != NULL);
    static const char expected[] = "a head is SEQ:HASH, a number and 64 (for Theater's own files "
                                   "40) hexadecimal characters";
    theater_head head = {0};
    const char *hex = text;
    if (!parse_seq(&hex, &head.seq)) {
        return theater__fail(err, THEATER_ERR_INVALID, "%s", expected);
    }
    size_t length = strlen(hex);
    if (length != 2 * sizeof(head.hash.bytes) && length != (size_t)2 * THEATER__SHA1_SIZE) {
        return theater__fail(err, THEATER_ERR_INVALID, "%s", expected);
    }
    for (size_t i = 0; i < length / 2; i++) {
        int high = hex_digit(hex[2 * i]);
        int low = hex_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0) {
            return theater__fail(err, THEATER_ERR_INVALID, "%s", expected);
        }
        head.hash.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *out_head = head;
    return THEATER_OK;
}
