/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Indexes of sealed segments: what a start needs to know of them, in a file beside them.
 *
 *     index-00000001-00000040.idx   index-00000041-00000043.idx   00000044.log (scanned)
 *
 * An index is derived, and only derived: it can be removed at any time and costs a slower start. It
 * is made from a segment in the background when that is sealed, checked record by record while it
 * is made. Two neighbours are merged when the newer one is no longer small beside the older one, so
 * there are few of them, a start reads at most about twice what one full index would be, and the
 * bytes written for indexes stay in proportion to the log however many actors there are.
 */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include "logstore.h"

/* "index-NNNNNNNN-NNNNNNNN.idx" and the suffix of one that is being made. */
#define INDEX_NAME_SIZE 40

/* ---- index.c: files -------------------------------------------------------------------------- */

void theater__index_name(const theater__log_span *span, char out_name[INDEX_NAME_SIZE]);
/* All that are there by their names, sorted by `from`, then by `to` descending. 0 or -errno. */
int theater__index_list(theater__io *io, const char *directory, theater__log_span **out_spans,
                        size_t *out_count);
/* Where an index is read: in a log that is open, or from outside. */
typedef struct theater__index_source {
    theater__io *io;
    const char *directory;
    uint32_t seed;
} theater__index_source;

/*
 * Puts what an index says into actors. False (out_nomem tells why) if it is damaged, or if the
 * segments do not end as it says: nothing was changed then.
 */
bool theater__index_read(const theater__index_source *from, const theater__log_span *span,
                         theater__log_actors *actors, theater__format_index *out_index,
                         bool *out_nomem);
/* The same, into log->actors. */
bool theater__index_load(theater__logstore *log, const theater__log_span *span,
                         theater__format_index *out_index, bool *out_nomem);
/* Removes one. */
int theater__index_remove(theater__logstore *log, const theater__log_span *span);

/* ---- index_build.c: making them -------------------------------------------------------------- */

/* Makes the index of one sealed segment; 0 or -errno, -EBADMSG if the segment is damaged. */
int theater__index_build(theater__logstore *log, uint32_t segment, uint64_t *out_count);
/* Makes one of two neighbours and removes them. */
int theater__index_merge(theater__logstore *log, const theater__log_span *older,
                         const theater__log_span *newer, theater__log_span *out_merged);

#endif
