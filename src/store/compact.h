/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compaction from inside: what prune.c, compact.c, settle.c and view.c share.
 *
 *     prune.c      which actors go; then
 *     compact.c    the others' records are copied:   DIR/compact/00000005.log …
 *     settle.c     the copy counts:                  DIR/compacted
 *                  it takes the log's place:         DIR/00000005.log …, the old segments go
 *     view.c       what the log is meanwhile, seen from outside
 */
#ifndef STORE_COMPACT_H
#define STORE_COMPACT_H

#include "logstore.h"

#define COMPACT_NAME "compact"
#define COMPACT_MARK_NAME "compacted"

/* How far a long job is; non-zero asks it to stop. */
typedef struct theater__compact_progress {
    theater__prune_progress_fn *tell; /* or NULL */
    void *userdata;
    uint64_t done;
    uint64_t total;
} theater__compact_progress;

/* CANCELLED if whoever is told wants it to stop. */
theater_status theater__compact_tell(theater__compact_progress *progress, uint64_t bytes,
                                     theater_error *err);

/* ---- compact.c ------------------------------------------------------------------------------- */

/* Called with every record of a log; what is not OK ends the walk. */
typedef theater_status theater__compact_record_fn(uint64_t place,
                                                  const theater__format_record *record,
                                                  void *userdata, theater_error *err);

/* A walk over a whole log at rest, in which nothing may be broken. */
typedef struct theater__compact_walk {
    theater__logstore *log;
    const char *directory; /* the store's, or that of the copy */
    uint32_t first;
    uint32_t last;
    theater__compact_record_fn *visit;
    void *userdata;
    theater__compact_progress *progress;
    uint64_t sequence; /* of the last group that was met */
} theater__compact_walk;

theater_status theater__compact_walk_log(theater__compact_walk *walk, theater_error *err);

/* What becomes of an actor; beside each of log->actors. */
typedef struct theater__compact_fate {
    uint64_t size;      /* of its records */
    theater_wall ended; /* when its last event was recorded */
    uint32_t component; /* a number of the plan; UINT32_MAX: not known */
    bool has_ended;     /* the above is known */
    bool goes;
    uint64_t place; /* of its last record, in the copy */
    uint64_t genesis;
    uint64_t call_old; /* the record that holds its last call, in the log and in the copy */
    uint64_t call;
} theater__compact_fate;

/* Bytes that a copy with so many bytes of records takes at most. */
uint64_t theater__compact_space(const theater__logstore *log, uint64_t records_size);
/*
 * Copies the records of all actors that stay into DIR/compact, synced, and reads it back. walk: as
 * it went over the log; out: segments and sequence of the copy.
 */
theater_status theater__compact_copy(const theater__compact_walk *walk,
                                     theater__compact_fate *fates, theater__format_mark *out_mark,
                                     theater_error *err);

/* ---- settle.c -------------------------------------------------------------------------------- */

/* Makes the copy count, once it and its directory are synced; 0 or -errno. */
int theater__compact_write_mark(theater__logstore *log, theater__format_mark *mark,
                                const theater_hash *components);
/*
 * Puts the copy that the mark tells of in the log's place and removes the mark. checked: it was
 * just read back.
 */
theater_status theater__compact_finish(theater__logstore *log, const theater__format_mark *mark,
                                       const theater_hash *components, bool checked,
                                       theater_error *err);
/* Removes an unfinished copy; 0 or -errno. */
int theater__compact_discard(theater__logstore *log);
/*
 * The mark in a directory, with its digests (to be deinited). NOTFOUND: none, CORRUPT, UNSUPPORTED.
 */
theater_status theater__compact_read_mark(theater__io *io, const char *directory,
                                          theater__format_mark *out_mark,
                                          theater__buffer *out_digests, theater_error *err);

/* ---- view.c ---------------------------------------------------------------------------------- */

/* The segments that are the log, for those who look without the lock. */
typedef struct theater__log_view {
    uint32_t *numbers; /* to be freed */
    size_t count;
    bool is_marked; /* some of them may still lie in DIR/compact */
} theater__log_view;

theater_status theater__view_open(theater__io *io, const char *directory,
                                  theater__log_view *out_view, theater_error *err);
theater_status theater__view_load(const theater__log_view *view, theater__io *io,
                                  const char *directory, uint32_t number,
                                  theater__buffer *out_bytes, theater_error *err);
/* The first bytes of a segment; 0 or -errno. */
int theater__view_head(const theater__log_view *view, theater__io *io, const char *directory,
                       uint32_t number, uint8_t *data, size_t size, size_t *out_got);
/*
 * The number of the segment that begins the log now, 0 if there is none, or none that can be read.
 * Another one than before a look: the log was compacted meanwhile, and what the look has found is
 * of no log at all.
 */
uint32_t theater__view_first(theater__io *io, const char *directory);
/* STORE: each of so many looks was none. What the last one has found is not given out. */
#define VIEW_LOOKS_MAX 8u
theater_status theater__view_fail_busy(const char *directory, theater_error *err);

#endif
