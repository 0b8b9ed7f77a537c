/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking frames that nobody vouches for. Each event is checked against the one before it, in an
 * order that gives the most telling message: shape of the frame, number, link, class and kind, then
 * the bytes beside. Nothing that fails moves the reader.
 *
 * An erased payload has a mark of its own (the frame's check inverted) instead of nothing at all:
 * were it nothing, one flipped byte in a size would turn a payload into an erased one and the
 * damage would be blamed on the next event.
 */
#include "event.h"
#include "fast_read.h"
#include "hash.h"

#include <base/assert.h>
#include <base/error.h>

#include <inttypes.h>
#include <string.h>

/* One frame taken apart; everything borrowed. */
typedef struct frame {
    theater_bytes event;
    const uint8_t *check;
    theater_bytes beside;
    size_t size;
} frame;

void theater__chain_reader_init(theater__chain_reader *reader, const uint8_t *frames, size_t size,
                                const theater_hash *parent, uint64_t first_seq)
{
    THEATER_ASSERT(reader != NULL);
    THEATER_ASSERT(frames != NULL || size == 0);
    THEATER_ASSERT(parent != NULL || first_seq == 0);
    memset(reader, 0, sizeof(*reader));
    reader->frames = frames;
    reader->size = size;
    reader->next_seq = first_seq;
    if (parent != NULL) {
        reader->head = *parent;
    }
}

static theater_status split_frame(const theater__chain_reader *reader, frame *out,
                                  theater_error *err)
{
    const uint8_t *start = reader->frames + reader->offset;
    theater__reader bytes = theater__reader_of(start, reader->size - reader->offset);
    uint64_t event_size = fast_varint(&bytes);
    if (!bytes.failed && event_size > THEATER__EVENT_SIZE_MAX) {
        return theater__fail(err, THEATER_ERR_CORRUPT,
                             "event %" PRIu64 ": its size %" PRIu64 " is not one that events have",
                             reader->next_seq, event_size);
    }
    frame split = {0};
    split.event.size = (size_t)event_size;
    split.event.data = theater__reader_take(&bytes, split.event.size);
    split.check = theater__reader_take(&bytes, THEATER__CHECK_SIZE);
    split.beside = fast_sized(&bytes);
    if (bytes.failed) {
        return theater__fail(err, THEATER_ERR_CORRUPT,
                             "event %" PRIu64 ": it is cut off, or its size is damaged",
                             reader->next_seq);
    }
    split.size = bytes.offset;
    *out = split;
    return THEATER_OK;
}

static theater_status decode_event(const theater__chain_reader *reader, theater_bytes bytes,
                                   theater_event *out, theater_error *err)
{
    theater__reader fields = theater__reader_of(bytes.data, bytes.size);
    uint8_t flags;
    out->seq = fast_varint(&fields);
    out->event_class = (theater_event_class)fast_u8(&fields);
    out->kind = (theater_event_kind)fast_u8(&fields);
    out->wall.ms = fast_varint(&fields);
    flags = fast_u8(&fields);
    out->is_external = (flags & THEATER__EVENT_FLAG_EXTERNAL) != 0;
    out->payload.size = theater__reader_left(&fields);
    out->payload.data = theater__reader_take(&fields, out->payload.size);
    bool is_sized = out->is_external ? out->payload.size == sizeof(theater_hash)
                                     : out->payload.size <= THEATER__PAYLOAD_INLINE_MAX;
    if (fields.failed || (flags & ~THEATER__EVENT_FLAG_EXTERNAL) != 0 || !is_sized) {
        return theater__fail(err, THEATER_ERR_CORRUPT, "event %" PRIu64 ": its bytes are malformed",
                             reader->next_seq);
    }
    if (out->seq != reader->next_seq) {
        return theater__fail(err, THEATER_ERR_CORRUPT,
                             "event %" PRIu64 ": event %" PRIu64 " stands in its place",
                             reader->next_seq, out->seq);
    }
    return THEATER_OK;
}

static theater_status check_link(const theater__chain_reader *reader, const frame *split,
                                 const theater_hash *hash, theater_error *err)
{
    if (memcmp(hash->bytes, split->check, THEATER__CHECK_SIZE) == 0) {
        return THEATER_OK;
    }
    if (reader->next_seq == 0) {
        return theater__fail(err, THEATER_ERR_CORRUPT,
                             "event 0: its hash is not the hash of its bytes");
    }
    return theater__fail(err, THEATER_ERR_CORRUPT,
                         "event %" PRIu64 ": its hash does not link to event %" PRIu64,
                         reader->next_seq, reader->next_seq - 1);
}

static bool is_erasure_mark(const frame *split)
{
    if (split->beside.size != THEATER__CHECK_SIZE) {
        return false;
    }
    for (size_t i = 0; i < THEATER__CHECK_SIZE; i++) {
        uint8_t inverted = (uint8_t)(split->check[i] ^ 0xffu);
        if (split->beside.data[i] != inverted) {
            return false;
        }
    }
    return true;
}

/* Puts the payload where the event says it is. */
static theater_status resolve_payload(const frame *split, theater_event *event, theater_error *err)
{
    if (!event->is_external) {
        if (split->beside.size != 0) {
            return theater__fail(err, THEATER_ERR_CORRUPT,
                                 "event %" PRIu64 ": bytes lie beside it that are not part of it",
                                 event->seq);
        }
        return THEATER_OK;
    }
    if (is_erasure_mark(split)) {
        event->is_redacted = true;
        event->payload.data = NULL;
        event->payload.size = 0;
        return THEATER_OK;
    }
    if (split->beside.size < THEATER__SALT_SIZE ||
        split->beside.size - THEATER__SALT_SIZE > THEATER__PAYLOAD_BYTES_MAX) {
        return theater__fail(err, THEATER_ERR_CORRUPT,
                             "event %" PRIu64 ": the size of the payload beside it is damaged",
                             event->seq);
    }
    const uint8_t *payload = split->beside.data + THEATER__SALT_SIZE;
    size_t size = split->beside.size - THEATER__SALT_SIZE;
    theater_hash bound = theater__payload_hash(split->beside.data, payload, size);
    if (memcmp(bound.bytes, event->payload.data, sizeof(bound.bytes)) != 0) {
        return theater__fail(
            err, THEATER_ERR_CORRUPT,
            "event %" PRIu64 ": the payload beside it is not the one it is bound to", event->seq);
    }
    event->payload.data = payload;
    event->payload.size = size;
    return THEATER_OK;
}

theater_status theater__chain_read(theater__chain_reader *reader, theater_event *out_event,
                                   theater_error *err)
{
    THEATER_ASSERT(reader != NULL && out_event != NULL);
    THEATER_ASSERT(reader->offset <= reader->size);
    if (reader->offset == reader->size) {
        return theater__fail(err, THEATER_ERR_NOTFOUND, "the chain has no event %" PRIu64,
                             reader->next_seq);
    }
    frame split = {0};
    theater_status status = split_frame(reader, &split, err);
    if (status != THEATER_OK) {
        return status;
    }
    theater_event event = {0};
    status = decode_event(reader, split.event, &event, err);
    if (status != THEATER_OK) {
        return status;
    }
    event.hash = theater__event_hash(&reader->head, split.event.data, split.event.size);
    status = check_link(reader, &split, &event.hash, err);
    if (status != THEATER_OK) {
        return status;
    }
    theater_event_class expected = theater__kind_class(event.kind);
    if (expected == 0 || event.event_class != expected) {
        return theater__fail(err, THEATER_ERR_CORRUPT,
                             "event %" PRIu64 ": kind %d and class %d do not belong together",
                             event.seq, (int)event.kind, (int)event.event_class);
    }
    status = resolve_payload(&split, &event, err);
    if (status != THEATER_OK) {
        return status;
    }
    reader->offset += split.size;
    reader->head = event.hash;
    reader->next_seq++;
    *out_event = event;
    return THEATER_OK;
}

theater_status theater__chain_redact(const uint8_t *frames, size_t size, uint64_t seq,
                                     theater__buffer *out, theater_error *err)
{
    THEATER_ASSERT(frames != NULL || size == 0);
    THEATER_ASSERT(out != NULL && out->size == 0);
    theater__chain_reader reader;
    theater__chain_reader_init(&reader, frames, size, NULL, 0);
    theater_event event;
    memset(&event, 0, sizeof(event));
    size_t start;
    do {
        start = reader.offset;
        theater_status status = theater__chain_read(&reader, &event, err);
        if (status != THEATER_OK) {
            return status;
        }
    } while (event.seq != seq);
    if (!event.is_external) {
        return theater__fail(err, THEATER_ERR_UNSUPPORTED,
                             "event %" PRIu64 ": its payload stands in the event and cannot be "
                             "erased without breaking the chain",
                             seq);
    }
    size_t beside_size =
        event.is_redacted ? THEATER__CHECK_SIZE : THEATER__SALT_SIZE + event.payload.size;
    uint8_t length[THEATER__VARINT_SIZE_MAX];
    size_t kept = reader.offset - beside_size - theater__varint_put(length, beside_size);
    THEATER_ASSERT(kept > start);
    theater__buffer_put(out, frames, kept);
    theater__buffer_put_varint(out, THEATER__CHECK_SIZE);
    for (size_t i = 0; i < THEATER__CHECK_SIZE; i++) {
        theater__buffer_put_u8(out, (uint8_t)~event.hash.bytes[i]);
    }
    theater__buffer_put(out, frames + reader.offset, size - reader.offset);
    return out->failed ? theater__fail_nomem(err) : THEATER_OK;
}
