/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains as bytes. Three encodings, from the inside out (docs/formats/chain.md):
 *
 *   event   varint seq · u8 class · u8 kind · varint wall ms · u8 flags · payload (to the end);
 *           flags bit 0: here stands SHA-256(salt || payload), 32 bytes, and the payload beside
 *   frame   varint event size · event · first 8 bytes of the event's hash · varint beside size ·
 *           beside (16 bytes of salt, then the payload; empty if inline; if the payload was erased,
 *           the 8 bytes of hash with every bit inverted, a mark that no single damaged byte makes)
 *   chain   frames one after the other; a file has a header in front
 *
 * The 8 bytes of hash in each frame are what lets verification name the damaged event, and not only
 * the batch it stands in; the whole hash of the last event is the head.
 *
 * A writer appends; a reader walks and checks. Neither does I/O nor knows time.
 */
#ifndef CHAIN_CHAIN_H
#define CHAIN_CHAIN_H

#include <base/bytes.h>
#include <theater/chain.h>

#define THEATER__CHAIN_VERSION 1u
#define THEATER__SALT_SIZE 16u
#define THEATER__CHECK_SIZE 8u

/* SHA-256 of data, by OpenSSL; shared by the rooms above. */
theater_hash theater__sha256(const void *data, size_t size);

/* The hash of one encoded event behind parent. */
theater_hash theater__event_hash(const theater_hash *parent, const uint8_t *event, size_t size);

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct theater__chain_writer {
    theater_hash head; /* of the last event appended; zeros before genesis */
    uint64_t next_seq;
    theater__buffer frames; /* what was appended since theater__chain_writer_take() */
    uint32_t frames_count;
} theater__chain_writer;

/* One event to be. Fields of one scalar type stand in a struct so that they cannot be swapped. */
typedef struct theater__event_draft {
    theater_event_class event_class;
    theater_event_kind kind;
    theater_wall wall;
    theater_bytes payload;
    bool is_private; /* external whatever its size */
    const uint8_t
        *salt; /* THEATER__SALT_SIZE fresh random bytes; needed if the payload is external */
} theater__event_draft;

void theater__chain_writer_init(theater__chain_writer *writer, const theater_hash *head,
                                uint64_t next_seq);
void theater__chain_writer_deinit(theater__chain_writer *writer);
/* True if the draft will need a salt. */
bool theater__event_is_external(const theater__event_draft *draft);
/*
 * Moves what was appended since the last take into frames, whose old content is dropped and whose
 * memory the writer goes on with: a writer and a store that swap two buffers never allocate. frames
 * is a zeroed buffer or one from an earlier take. Head and next_seq stay.
 */
void theater__chain_writer_take(theater__chain_writer *writer, theater__buffer *frames);
/* Appends; LIMIT past THEATER__PAYLOAD_BYTES_MAX, NOMEM; the writer is unchanged on failure. */
theater_status theater__chain_append(theater__chain_writer *writer,
                                     const theater__event_draft *draft, theater_error *err);

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct theater__chain_reader {
    const uint8_t *frames;
    size_t size;
    size_t offset;     /* of the next frame */
    theater_hash head; /* of the event before the next */
    uint64_t next_seq;
} theater__chain_reader;

/* Begins behind parent (zeros and 0: at genesis). */
void theater__chain_reader_init(theater__chain_reader *reader, const uint8_t *frames, size_t size,
                                const theater_hash *parent, uint64_t first_seq);
/*
 * The next event, with link, sequence, class, kind and the beside bytes checked. NOTFOUND at the
 * end; CORRUPT names the event ("event 17: …"). The reader is unchanged on failure.
 */
theater_status theater__chain_read(theater__chain_reader *reader, theater_event *out_event,
                                   theater_error *err);

/*
 * Erases the external payload of event seq: out (empty) receives the frames without it. The links
 * still verify, since they bind its salted hash. UNSUPPORTED if the payload stands in the event,
 * NOTFOUND, CORRUPT up to seq, NOMEM. Erasing twice gives the same bytes.
 */
theater_status theater__chain_redact(const uint8_t *frames, size_t size, uint64_t seq,
                                     theater__buffer *out, theater_error *err);

/* ---- whole chains ---------------------------------------------------------------------------- */

/*
 * A chain from frames that begin at genesis. damage is NULL, or what the loader found broken behind
 * the last frame ("record at 00000001.log:8192 is damaged"): verification reports it as event
 * next_seq. Copies.
 */
theater_status theater__chain_from_frames(const uint8_t *frames, size_t size, const char *damage,
                                          theater_chain **out_chain, theater_error *err);
/* A chain from a file's bytes, ours (header and frames) or Theater's JSON. Copies. */
theater_status theater__chain_from_file_bytes(const uint8_t *data, size_t size,
                                              theater_chain **out_chain, theater_error *err);
/* The frames, borrowed; size 0 for Theater's own files. */
theater_bytes theater__chain_frames(const theater_chain *chain);

#endif
