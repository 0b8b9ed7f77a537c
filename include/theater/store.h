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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <theater/error.h>
#include <theater/export.h>
#include <theater/id.h>
#include <theater/log.h>
#include <theater/time.h>

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
 * \retval THEATER_ERR_STORE    the store is pruned again and again meanwhile; try again
 */
THEATER_API theater_status theater_store_backup(const char *url, const char *directory,
                                                theater_error *err);

/** An actor that goes, or would go. */
typedef struct theater_prune_actor {
    theater_id id;
    uint64_t events_count;
    theater_wall ended; /**< when its last event was recorded, as `now` would have said */
    uint64_t size;      /**< bytes of its records in the log */
} theater_prune_actor;

/** \brief Called for each actor that goes, before anything is written. */
typedef void theater_prune_actor_fn(const theater_prune_actor *actor, void *userdata);
/**
 * \brief Called now and then; bytes of all the reading and writing that is to be done.
 * \return non-zero to stop: the store stays as it was. Once the new log counts, it is not called
 */
typedef int theater_prune_progress_fn(uint64_t done, uint64_t total, void *userdata);

/** What is to be pruned. Start from THEATER_PRUNE_OPTIONS_INIT, which means: all that may go. */
typedef struct theater_prune_options {
    size_t struct_size;
    /**
     * Only these, each of which has to be one that may go; those that are not there are passed
     * over, unless none of them is. NULL: all.
     */
    const theater_id *ids;
    size_t ids_count;
    uint64_t older_than_ms; /**< only those whose last event was recorded so long ago; 0: all */
    bool dry_run;           /**< only look; the store must not be in use all the same */
    theater_prune_actor_fn *visit;       /**< may be NULL */
    theater_prune_progress_fn *progress; /**< may be NULL */
    void *userdata;
    theater_log_fn *log; /**< what an open has to say (a torn end that was cut); may be NULL */
    void *log_userdata;
    bool store_adopt; /**< as in theater_host_options */
} theater_prune_options;
#define THEATER_PRUNE_OPTIONS_INIT                                                            \
    {                                                                                         \
        sizeof(theater_prune_options), NULL, 0, 0, false, NULL, NULL, NULL, NULL, NULL, false \
    }

/** What was pruned, or would be. Set struct_size before the call. */
typedef struct theater_prune_report {
    size_t struct_size;
    uint64_t actors_count;     /**< that went */
    uint64_t kept_count;       /**< that stay */
    uint64_t components_count; /**< that no actor needs any more, and went too */
    uint64_t records_size;     /**< bytes of records of the actors that went */
    uint64_t size_before;      /**< bytes of segments, indexes and components */
    uint64_t size_after;       /**< the same afterwards; as before if nothing went */
} theater_prune_report;

/**
 * \brief Removes ended actors, with their chains, from a store that nobody has open.
 *
 * An actor may go when it has ended and everything it gave out was delivered. Nothing can be taken
 * out of a log, so the log is written anew without them, checked, and put in place of the old one
 * in one step; so much space is needed meanwhile. An interruption at any point, by a kill or a
 * power cut, leaves the old store or the new one: the next open finishes or forgets what was begun.
 * If nobody goes, nothing is written.
 *
 * What was pruned is gone: its chain, its result, and that its id was ever taken. Copies that were
 * made before still have it.
 *
 * Waits for the disk. Memory is some segments (64 MiB) and what a start needs for the actors,
 * twice. Any thread. A store of shards is pruned shard by shard; each is whole or untouched.
 *
 * \param url        the store
 * \param options    NULL for the defaults
 * \param out_report optional, set on success only
 * \param err        optional
 * \retval THEATER_ERR_NOTFOUND  there is no such store, or none of the named actors in it
 * \retval THEATER_ERR_INVALID   a named actor has not ended, or has outputs to give out
 * \retval THEATER_ERR_STORE     the store is in use, or is a copy
 * \retval THEATER_ERR_CORRUPT   the store is damaged, the message says where; nothing was written
 * \retval THEATER_ERR_IO        among others: there is no space; the message says how much it takes
 * \retval THEATER_ERR_CANCELLED progress said so
 */
THEATER_API theater_status theater_store_prune(const char *url,
                                               const theater_prune_options *options,
                                               theater_prune_report *out_report,
                                               theater_error *err);

THEATER_END_DECLS
#endif
