/* SPDX-License-Identifier: Apache-2.0 */
/**
 * \file store.h
 * \brief Stores as files: what a program does to one beside running it.
 *
 * A store is named by its URL, as in theater_host_options: `log:DIR`, or a directory alone. A host
 * that runs it, in this process or another one, is not disturbed by what is here.
 */
#ifndef THEATER_STORE_H
#define THEATER_STORE_H

#include <theater/error.h>
#include <theater/export.h>
#include <theater/id.h>

THEATER_BEGIN_DECLS

/** Shards that a store can have. */
#define THEATER_SHARDS_MAX 64u

/**
 * \brief How many shards a store has.
 *
 * A store of one shard, the usual one, is a log. One of several has a log for each, so that as many
 * hosts run it at once, each in a thread of its own: theater_host_options::shard. The number is
 * fixed when the store is made. Shard K of `log:DIR` is `log:DIR/shard-00K`, three digits, for
 * whoever looks at it alone; what takes the URL of a store goes through all of them by itself.
 *
 * Any thread.
 *
 * \param url       the store; `memory:` has one
 * \param out_count from 1 to THEATER_SHARDS_MAX; set on success only
 * \param err       optional
 * \retval THEATER_ERR_NOTFOUND there is no such store
 * \retval THEATER_ERR_STORE    a start was interrupted while it made the shards; the next one that
 *                              asks for the same number goes on with it
 * \retval THEATER_ERR_CORRUPT  what says how many there are is damaged, or a shard is missing; what
 *                              is there can still be looked at
 */
THEATER_API theater_status theater_store_shards(const char *url, uint32_t *out_count,
                                                theater_error *err);

/**
 * \brief Which shard an actor lives in: a function of its id alone, the same for ever.
 * \param id           the actor
 * \param shards_count of the store, at least 1
 * \return from 0 to shards_count - 1
 */
THEATER_API uint32_t theater_store_shard_of(theater_id id, uint32_t shards_count);

/**
 * \brief Copies a store, at rest or in use, into a directory of its own, and checks the copy.
 *
 * All that was acknowledged before the call is in the copy, of every shard, components included; of
 * what is recorded meanwhile a part may be. The copy knows that it is one: two of one store would
 * run every effect twice, so a host opens it with `store_adopt` only. Looking at it needs nothing.
 *
 * Waits for the disk; memory is bounded by the largest component and one segment (64 MiB), and what
 * a start needs for the actors. Any thread.
 *
 * \param url       the store; not locked, nothing is written to it
 * \param directory for the copy: a new one, whose parent exists, or an empty one. After a failure
 *                  what was copied so far is left in it, which is no store
 * \param err       optional
 * \retval THEATER_ERR_NOTFOUND there is no such store; a memory store has no files
 * \retval THEATER_ERR_EXISTS   the directory is not empty
 * \retval THEATER_ERR_CORRUPT  the store is damaged, the message says where; so is no copy of it
 * \retval THEATER_ERR_IO       the store cannot be read, or the copy cannot be written
 */
THEATER_API theater_status theater_store_backup(const char *url, const char *directory,
                                                theater_error *err);

THEATER_END_DECLS
#endif
