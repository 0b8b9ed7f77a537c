/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log's bytes: segment headers, group headers, records (docs/formats/log.md is the full text).
 *
 *     00000001.log   segment header 4 KiB │ group │ group │ … │ zeros or the end of the file
 *     group          group header 64 B    │ record │ record │ …
 *     record         record header 216 B  │ frames │ zeros up to a multiple of 8
 *
 * Everything is little-endian and lies on a multiple of 8. Each piece has a CRC-32C that also
 * covers what it must not be mistaken for: the store's id and the place where it stands. So a piece
 * of another store, of another place or of a guest's payload is not taken for one of ours.
 *
 * Pure code: no I/O, no allocation. Decoding takes foreign bytes and never asserts on them.
 */
#ifndef STORE_FORMAT_H
#define STORE_FORMAT_H

#include <store/store.h>

#define FORMAT_VERSION 1u
#define FORMAT_SEGMENT_HEADER_SIZE 4096u
#define FORMAT_GROUP_HEADER_SIZE 64u
#define FORMAT_RECORD_HEADER_SIZE 216u
#define FORMAT_ALIGNMENT 8u
#define FORMAT_STORE_ID_SIZE 16u

/* A segment is full here; only a single record that is larger than this makes a longer one. */
#define FORMAT_SEGMENT_SIZE ((uint64_t)64 << 20)
/* A record's bytes: what may be in flight at once is more than enough for one batch. */
#define FORMAT_RECORD_SIZE_MAX ((uint64_t)THEATER__STORE_INFLIGHT_MAX)
/* The largest file that is read as a segment: the largest record alone in it, and its headers. */
#define FORMAT_SEGMENT_SIZE_MAX (FORMAT_SEGMENT_SIZE + FORMAT_RECORD_SIZE_MAX + 65536u)
/*
 * Sequence numbers, of events and of groups, are below this. Nobody gets there by counting; a file
 * made on purpose does, and what it says is added to.
 */
#define FORMAT_SEQUENCE_LIMIT ((uint64_t)1 << 63)
/* 24 bits of a place; 2^24 segments of 64 MiB are a pebibyte. */
#define FORMAT_SEGMENT_NUMBER_MAX (((uint32_t)1 << 24) - 2u)

/* A place is a segment's number and a byte offset in it; places of one store only ever grow. */
static inline uint64_t format_place(uint32_t segment, uint64_t offset)
{
    return ((uint64_t)segment << 40) | offset;
}

static inline uint32_t format_place_segment(uint64_t place)
{
    return (uint32_t)(place >> 40);
}

static inline uint64_t format_place_offset(uint64_t place)
{
    return place & (((uint64_t)1 << 40) - 1);
}

/* Where every CRC of one store begins. */
uint32_t theater__format_seed(const uint8_t store_id[FORMAT_STORE_ID_SIZE]);

/* ---- segment header -------------------------------------------------------------------------- */

typedef struct theater__format_segment {
    uint8_t store_id[FORMAT_STORE_ID_SIZE];
    uint32_t number;
    uint32_t version;
    uint8_t boot[16]; /* for people, as is the wall time */
    theater_wall wall;
    uint64_t first_sequence; /* of its first group */
    uint64_t previous_group; /* place of the last group of the segment before, or NONE */
} theater__format_segment;

void theater__format_segment_encode(const theater__format_segment *segment,
                                    uint8_t out[FORMAT_SEGMENT_HEADER_SIZE]);
/* CORRUPT, or UNSUPPORTED for an intact header of a newer version; says nothing about identity. */
theater_status theater__format_segment_decode(const uint8_t *data, size_t size,
                                              theater__format_segment *out_segment);

/* ---- group header ---------------------------------------------------------------------------- */

typedef struct theater__format_group {
    uint64_t sequence;     /* 1, 2, 3, … over the whole log */
    uint64_t place;        /* its own */
    uint64_t durable_upto; /* everything in front of this place was durable when this was written */
    uint64_t previous;     /* place of the group before, or NONE */
    uint32_t size;         /* bytes of records that follow; 0 in a closing group */
    uint32_t records_count;
} theater__format_group;

void theater__format_group_encode(uint32_t seed, const theater__format_group *group,
                                  uint8_t out[FORMAT_GROUP_HEADER_SIZE]);
/* False unless all of it is intact and it was written for this very place. */
bool theater__format_group_decode(uint32_t seed, uint64_t place, const uint8_t *data, size_t size,
                                  theater__format_group *out_group);

/* ---- record ---------------------------------------------------------------------------------- */

typedef enum theater__format_record_type {
    FORMAT_RECORD_BATCH = 1
} theater__format_record_type;

typedef struct theater__format_record {
    uint32_t size; /* with header and padding */
    theater_id actor;
    uint64_t first_seq;
    uint32_t events_count;
    theater_hash parent;
    theater_hash head;
    uint64_t previous; /* place of the actor's record before, or NONE */
    uint64_t genesis;  /* place of the actor's first record */
    uint64_t call;     /* place of the record that holds standing.call_seq, or NONE: not known */
    theater__standing standing;
    theater_bytes frames; /* decoded: borrowed from the record's bytes */
} theater__format_record;

/* Bytes of a record with so many bytes of frames. */
static inline uint64_t format_record_size(uint64_t frames_size)
{
    uint64_t size = FORMAT_RECORD_HEADER_SIZE + frames_size;
    return (size + FORMAT_ALIGNMENT - 1) & ~(uint64_t)(FORMAT_ALIGNMENT - 1);
}

/* Writes record->size bytes, which must be format_record_size(frames). */
void theater__format_record_encode(uint32_t seed, uint64_t place,
                                   const theater__format_record *record, uint8_t *out);
/* False unless a whole, intact record stands there, none of whose sequence numbers can wrap. */
bool theater__format_record_decode(uint32_t seed, uint64_t place, const uint8_t *data, size_t size,
                                   theater__format_record *out_record);
/*
 * The fields as they stand, unchecked, of at least FORMAT_RECORD_HEADER_SIZE bytes; frames are cut
 * to what is there. For looking at damaged records. Returns how many of the fields that are known
 * beforehand (sizes, type, reserved bytes, standing) are wrong: at most one if one byte is.
 */
unsigned theater__format_record_peek(const uint8_t *data, size_t size,
                                     theater__format_record *out_record);
/* The size field alone, of at least 4 bytes. */
uint32_t theater__format_record_size_field(const uint8_t *data);

/* ---- index ----------------------------------------------------------------------------------- */

#define FORMAT_INDEX_HEADER_SIZE 64u
#define FORMAT_INDEX_ENTRY_SIZE 144u

/* What some sealed segments leave behind, without their records: index.c. */
typedef struct theater__format_index {
    uint32_t from; /* segments, both included */
    uint32_t to;
    uint64_t count;      /* entries, sorted by actor */
    uint64_t sequence;   /* of the last group of `to` */
    uint64_t last_group; /* its place */
    uint64_t end;        /* offset behind it in `to` */
    uint32_t crc;        /* of all entries, from the seed */
} theater__format_index;

void theater__format_index_encode(uint32_t seed, const theater__format_index *index,
                                  uint8_t out[FORMAT_INDEX_HEADER_SIZE]);
bool theater__format_index_decode(uint32_t seed, const uint8_t *data, size_t size,
                                  theater__format_index *out_index);
void theater__format_entry_encode(const theater__recovered *entry,
                                  uint8_t out[FORMAT_INDEX_ENTRY_SIZE]);
/*
 * False if it has no standing, or a sequence number that could wrap; the CRC of an index is over
 * all its entries at once.
 */
bool theater__format_entry_decode(const uint8_t data[FORMAT_INDEX_ENTRY_SIZE],
                                  theater__recovered *out_entry);

/* ---- mark of a compaction -------------------------------------------------------------------- */

#define FORMAT_MARK_HEADER_SIZE 80u
/* Digests of components behind the header: more that are not used wait for the next compaction. */
#define FORMAT_MARK_COMPONENTS_MAX 65536u

/* What says that a copy of a log without some of its actors takes the log's place: settle.c. */
typedef struct theater__format_mark {
    uint8_t store_id[FORMAT_STORE_ID_SIZE];
    uint32_t old_first; /* segments of the log that was copied, both included */
    uint32_t old_last;
    uint32_t new_first; /* those of the copy: old_last + 1 */
    uint32_t new_last;
    uint64_t old_sequence; /* of the last group of the log */
    uint64_t new_sequence; /* of that of the copy */
    uint32_t components_count;
    uint32_t components_crc; /* of all digests, from the seed */
} theater__format_mark;

void theater__format_mark_encode(const theater__format_mark *mark,
                                 uint8_t out[FORMAT_MARK_HEADER_SIZE]);
/* CORRUPT, or UNSUPPORTED for an intact one of a newer version; says nothing about identity. */
theater_status theater__format_mark_decode(const uint8_t *data, size_t size,
                                           theater__format_mark *out_mark);

#endif
