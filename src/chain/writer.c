/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appending. An event is encoded right behind the prefix of its preimage on the stack, hashed there
 * in one piece, and copied into the frames in one extension of the buffer. That extension is the
 * only thing that can fail, and it comes before anything is changed: a writer whose append failed
 * is the writer it was.
 *
 *     frame   varint event size | event | check (8) | varint beside size | beside
 *     beside  external: salt (16) | payload;  erased: the check, each bit inverted (8)
 */
#include "event.h"
#include "hash.h"

#include <base/assert.h>
#include <base/error.h>

#include <string.h>

void theater__chain_writer_init(theater__chain_writer *writer, const theater_hash *head,
                                uint64_t next_seq)
{
    THEATER_ASSERT(writer != NULL);
    THEATER_ASSERT(head != NULL || next_seq == 0);
    memset(writer, 0, sizeof(*writer));
    if (head != NULL) {
        writer->head = *head;
    }
    writer->next_seq = next_seq;
}

void theater__chain_writer_deinit(theater__chain_writer *writer)
{
    if (writer != NULL) {
        theater__buffer_deinit(&writer->frames);
        memset(writer, 0, sizeof(*writer));
    }
}

void theater__chain_writer_take(theater__chain_writer *writer, theater__buffer *frames)
{
    THEATER_ASSERT(writer != NULL);
    THEATER_ASSERT(frames != NULL && frames != &writer->frames);
    theater__buffer taken = writer->frames;
    writer->frames = *frames;
    theater__buffer_clear(&writer->frames);
    writer->frames_count = 0;
    *frames = taken;
}

bool theater__event_is_external(const theater__event_draft *draft)
{
    THEATER_ASSERT(draft != NULL);
    return draft->is_private || draft->payload.size > THEATER__PAYLOAD_INLINE_MAX;
}

size_t theater__varint_put(uint8_t *out, uint64_t number)
{
    size_t size = 0;
    while (number >= 0x80) {
        out[size++] = (uint8_t)(number | 0x80);
        number >>= 7;
    }
    out[size++] = (uint8_t)number;
    return size;
}

/* Encodes the event; returns its size. */
static size_t encode_event(uint8_t out[THEATER__EVENT_SIZE_MAX], uint64_t seq,
                           const theater__event_draft *draft, bool is_external)
{
    size_t size = theater__varint_put(out, seq);
    out[size++] = (uint8_t)draft->event_class;
    out[size++] = (uint8_t)draft->kind;
    size += theater__varint_put(out + size, draft->wall.ms);
    out[size++] = is_external ? THEATER__EVENT_FLAG_EXTERNAL : 0;
    if (is_external) {
        theater_hash bound =
            theater__payload_hash(draft->salt, draft->payload.data, draft->payload.size);
        memcpy(out + size, bound.bytes, sizeof(bound.bytes));
        size += sizeof(bound.bytes);
    } else if (draft->payload.size > 0) {
        memcpy(out + size, draft->payload.data, draft->payload.size);
        size += draft->payload.size;
    }
    THEATER_ASSERT(size <= THEATER__EVENT_SIZE_MAX);
    return size;
}

/* Appends a whole frame in one extension; false without memory, the frames then as they were. */
static bool put_frame(theater__buffer *frames, const uint8_t *event, size_t event_size,
                      const theater_hash *hash, const theater__event_draft *draft, bool is_external)
{
    uint8_t event_length[THEATER__VARINT_SIZE_MAX];
    uint8_t beside_length[THEATER__VARINT_SIZE_MAX];
    size_t beside_size = is_external ? THEATER__SALT_SIZE + draft->payload.size : 0;
    size_t event_length_size = theater__varint_put(event_length, event_size);
    size_t beside_length_size = theater__varint_put(beside_length, beside_size);
    uint8_t *to =
        theater__buffer_extend(frames, event_length_size + event_size + THEATER__CHECK_SIZE +
                                           beside_length_size + beside_size);
    if (to == NULL) {
        frames->failed = false;
        return false;
    }
    memcpy(to, event_length, event_length_size);
    to += event_length_size;
    memcpy(to, event, event_size);
    to += event_size;
    memcpy(to, hash->bytes, THEATER__CHECK_SIZE);
    to += THEATER__CHECK_SIZE;
    memcpy(to, beside_length, beside_length_size);
    to += beside_length_size;
    if (is_external) {
        memcpy(to, draft->salt, THEATER__SALT_SIZE);
        if (draft->payload.size > 0) {
            memcpy(to + THEATER__SALT_SIZE, draft->payload.data, draft->payload.size);
        }
    }
    return true;
}

theater_status theater__chain_append(theater__chain_writer *writer,
                                     const theater__event_draft *draft, theater_error *err)
{
    THEATER_ASSERT(writer != NULL && draft != NULL);
    THEATER_ASSERT(draft->event_class == theater__kind_class(draft->kind));
    THEATER_ASSERT(draft->payload.data != NULL || draft->payload.size == 0);
    THEATER_ASSERT(writer->next_seq < UINT64_MAX);
    bool is_external = theater__event_is_external(draft);
    THEATER_ASSERT(!is_external || draft->salt != NULL);
    if (draft->payload.size > THEATER__PAYLOAD_BYTES_MAX) {
        return theater__fail(err, THEATER_ERR_LIMIT,
                             "a payload of %zu bytes exceeds payload_bytes_max (%zu)",
                             draft->payload.size, THEATER__PAYLOAD_BYTES_MAX);
    }

    uint8_t preimage[THEATER__PREIMAGE_CAPACITY];
    uint8_t *event = preimage + THEATER__PREIMAGE_PREFIX_SIZE;
    size_t event_size = encode_event(event, writer->next_seq, draft, is_external);
    theater__preimage_prefix(preimage, &writer->head, event_size);
    theater_hash hash =
        theater__preimage_hash(preimage, THEATER__PREIMAGE_PREFIX_SIZE + event_size);
    if (!put_frame(&writer->frames, event, event_size, &hash, draft, is_external)) {
        return theater__fail_nomem(err);
    }
    writer->head = hash;
    writer->next_seq++;
    writer->frames_count++;
    return THEATER_OK;
}
