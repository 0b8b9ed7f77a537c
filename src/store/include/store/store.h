/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where chains live. One interface for all stores, asynchronous from end to end: nothing here waits
 * for a disk or a server.
 *
 *     submit(batch) ── ticket, place ──>  …  poll ──> {ticket, ok | fenced | failed}
 *     read(place)   ── ticket ─────────>  …  poll ──> {ticket, frames}
 *
 * A batch is some consecutive events of one actor and its standing after them. Several batches of
 * one actor may be in flight; they become durable in order, and when one fails all later ones of
 * that actor fail too. A completion with OK is the promise: what it covers survives kill -9 (level
 * `durable`), and only then may the outside see it (output commit).
 *
 * A place is the store's own name for the record that a batch became, chosen at submit. The host
 * keeps it in its record of the actor and gives it back with the next batch and with reads, so that
 * the store needs no index of its own: a million actors cost it no memory.
 *
 * Threads: the owner's thread for everything; a store may have threads inside. Completions are
 * handed out by theater__store_poll(), those of batches in their order and a read when it is
 * answered, or one read by theater__store_take_read(); never from inside another call.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <base/limits.h>
#include <base/log.h>
#include <chain/chain.h>

#define THEATER__PLACE_NONE UINT64_MAX

/*
 * What one read gives at most, unless a single record is larger: a longer chain is read in several
 * steps, each beginning where the last one ended, so that no actor can fill the host's memory. A
 * read with `whole` gives all or fails: replay needs a call's events at once, and one call's events
 * are as many as its actor was granted (call_chain_bytes_max), which may be more than this.
 */
#define THEATER__STORE_READ_BYTES_MAX ((size_t)64 << 20)

typedef uint64_t theater__ticket;

/*
 * How an actor stands after a batch: all that is needed to schedule it without reading its chain.
 */
typedef enum theater__state {
    THEATER__STATE_RUNNING = 1, /* between two suspensions: to be continued at once after a start */
    THEATER__STATE_ASLEEP = 2,  /* a timer ends its wait */
    THEATER__STATE_WAITING = 3, /* the embedder, or an effect, ends its wait */
    THEATER__STATE_IDLE = 4,    /* no call is running and none is queued */
    THEATER__STATE_ENDED = 5
} theater__state;

typedef struct theater__standing {
    theater__state state;
    uint8_t wait_kind;      /* theater__wait_kind; 0 = no wait is open */
    uint64_t wait_seq;      /* its request */
    uint64_t call_seq;      /* the event of the running (or last) call; 0 = none yet */
    uint64_t output_seq;    /* the last event that the outside sees (post, effect, return, end) */
    uint64_t delivered_seq; /* outputs up to this event were given out */
    uint64_t duration_ms;   /* ELAPSED */
    theater_mono due_mono;  /* ELAPSED: on the clock of boot */
    theater_wall due_wall;  /* WALL: when. ELAPSED: armed wall + duration, for another boot */
    uint8_t boot[16];       /* ELAPSED */
} theater__standing;

typedef struct theater__batch {
    theater_id actor;
    theater_hash parent;   /* expected head */
    theater_hash head;     /* after the batch */
    uint64_t first_seq;    /* of the first event; the next one if there are none */
    uint32_t events_count; /* 0: only the standing changes */
    theater_bytes frames;  /* chain/chain.h; copied */
    theater__standing standing;
    uint64_t previous_place; /* of the actor's last batch; THEATER__PLACE_NONE for its first */
    void *userdata;          /* given back with the completion */
    bool is_awaited; /* somebody goes on when it is durable: others are not to be gathered first */
} theater__batch;

typedef enum theater__completion_type {
    THEATER__COMPLETED_BATCH = 1,
    THEATER__COMPLETED_READ = 2
} theater__completion_type;

typedef struct theater__store_completion {
    theater__completion_type type;
    theater__ticket ticket;
    void *userdata;
    theater_status
        status; /* OK, FENCED, STORE (the store has stopped), CORRUPT, LIMIT (read), NOMEM */
    theater_error error; /* set unless OK */
    /* READ, OK: frames from the record that holds the wanted event to the end, or to the limit. */
    theater__buffer frames;
    theater_hash parent; /* the head before them */
    uint64_t first_seq;
} theater__store_completion;

typedef struct theater__store theater__store;

typedef struct theater__store_options {
    const char *url; /* "log:DIR", "memory:" */
    bool must_exist; /* do not make a new one */
    bool adopt;      /* open it though it is a copy of another one (else STORE) */
    /* Of a store of several shards (below): which one is opened, and how many there are, or are to
     * be made. 0 shards: 1. Another number than the store has is INVALID. */
    uint32_t shard;
    uint32_t shards_count;
    theater__log log;
    /* Identity of this boot and the wall time: written into new files, for people. */
    uint8_t boot[16];
    theater_wall wall;
} theater__store_options;

/*
 * Opens or makes a store. Errors are one line that says what to do: no such directory, a read-only
 * one, no space, held by process N, damaged at FILE:OFFSET.
 */
theater_status theater__store_open(const theater__store_options *options,
                                   theater__store **out_store, theater_error *err);
/* Waits for what is in flight, closes the last group; accepts NULL. */
void theater__store_close(theater__store *store);
/* "durable" or "memory": the level as it is promised and printed. */
const char *theater__store_level(const theater__store *store);
/* The URL in its full form. */
const char *theater__store_url(const theater__store *store);

/* ---- recovery: after open and before anything else, until NOTFOUND --------------------------- */

typedef struct theater__recovered {
    theater_id actor;
    theater_hash head;
    uint64_t next_seq;
    uint64_t place;
    theater__standing standing;
} theater__recovered;

theater_status theater__store_recover_next(theater__store *store, theater__recovered *out_actor,
                                           theater_error *err);

/* ---- batches and reads ----------------------------------------------------------------------- */

/*
 * Takes a batch. Fails at once (nothing will complete) with LIMIT when THEATER__STORE_INFLIGHT_MAX
 * bytes are in flight, with STORE when the store has stopped.
 */
theater_status theater__store_submit(theater__store *store, const theater__batch *batch,
                                     theater__ticket *out_ticket, uint64_t *out_place,
                                     theater_error *err);

/* Somebody goes on when all that was submitted so far is durable: as if the last batch had been
 * submitted with is_awaited. */
void theater__store_hurry(theater__store *store);

typedef struct theater__read {
    theater_id actor;
    uint64_t place;    /* of the actor's last batch, which may still be in flight */
    uint64_t from_seq; /* reading begins at the record that holds this event */
    bool genesis_only; /* only the actor's first record */
    bool at_once; /* answered with the next poll, in the order of the calls: the call may wait */
    bool whole;   /* up to the end, however much it is; LIMIT above THEATER__BUFFER_BYTES_MAX */
    void *userdata;
} theater__read;

theater_status theater__store_read(theater__store *store, const theater__read *read,
                                   theater__ticket *out_ticket, theater_error *err);

/*
 * Readable when batches, or reads that had to wait for a disk, have completed since
 * theater__store_poll() last said false; -1: the store has no descriptor. What is answered at the
 * call, as reads mostly are, makes nothing readable: a system call for each would cost more than
 * the read. So who is about to wait for the descriptor asks theater__store_wants_poll(), and polls
 * if that says so.
 */
int theater__store_fd(const theater__store *store);
/* There is something to poll that no descriptor tells of. */
bool theater__store_wants_poll(const theater__store *store);
/* Reads that wait for a disk: their completions will come late. */
uint32_t theater__store_waiting_reads(const theater__store *store);
/* The next completion; false if there is none. The caller deinits it. */
bool theater__store_poll(theater__store *store, theater__store_completion *out_completion);
/*
 * Takes the completion of that read, which was asked for `at_once`, out of its turn. For who cannot
 * go on without the answer and must not be told anything else meanwhile.
 */
void theater__store_take_read(theater__store *store, theater__ticket ticket,
                              theater__store_completion *out_completion);
void theater__store_completion_deinit(theater__store_completion *completion);
/* Bytes submitted and not yet completed. */
uint64_t theater__store_inflight(const theater__store *store);
/* Set once the store has stopped (an fsync failed, the disk is full): why. NULL while it works. */
const theater_error *theater__store_failure(const theater__store *store);

/* ---- components: content-addressed, so that `resume` needs no other file --------------------- */

/* Durable on return. An existing equal one is left alone. */
theater_status theater__store_put_component(theater__store *store, const theater_hash *digest,
                                            theater_bytes bytes, theater_error *err);
/* CORRUPT if what is there has another digest. */
theater_status theater__store_get_component(theater__store *store, const theater_hash *digest,
                                            theater__buffer *out_bytes, theater_error *err);

/* ---- shards: a log, a lock and a thread each; the number is fixed when the store is made ----- */

/* Where an actor lives, of so many: of its id alone. docs/formats/log.md has the function. */
uint32_t theater__shard_of(const theater_id *actor, uint32_t shards_count);
/* How many a store has; 1 for those of memory. NOTFOUND: there is none; STORE: half made. */
theater_status theater__store_shards(const char *url, uint32_t *out_count, theater_error *err);

/* ---- looking from outside: no lock, no trust, nothing is written ----------------------------- */
/*
 * All of these: STORE if the store is pruned again and again meanwhile; IO if it may not be read.
 */

/*
 * Collects the frames of one actor from its genesis on, in order, from a store at rest or in use.
 * Damage is not a failure: out_damage (if not empty) says what is broken behind the last frame,
 * with file and offset. NOTFOUND: no such store, or no trace of that actor.
 */
theater_status theater__store_collect(const char *url, const theater_id *actor,
                                      theater__buffer *out_frames,
                                      char out_damage[THEATER_ERROR_MESSAGE_MAX],
                                      theater_error *err);
/*
 * Lists the actors of a store, by their ids: called once for each with its last standing; non-zero
 * stops. CORRUPT: the store is damaged; those that can be read were given all the same.
 */
typedef int theater__store_list_fn(const theater__recovered *actor, void *userdata);
theater_status theater__store_list(const char *url, theater__store_list_fn *visit, void *userdata,
                                   theater_error *err);

/*
 * Some consecutive events of one actor, or damage. Lent for the call.
 */
typedef struct theater__store_piece {
    bool has_actor; /* false: damage that may be anyone's */
    theater_id actor;
    const char *damage; /* what is broken, with file and offset; the rest is zeros then. Or NULL */
    theater_hash parent;
    theater_hash head;
    uint64_t first_seq;
    uint32_t events_count;
    theater_bytes frames; /* what theater__chain_reader_init() takes, with parent and first_seq */
} theater__store_piece;

/*
 * Gives all events of all actors in one walk: the pieces of one actor in order, those of different
 * actors as they lie. A piece with first_seq 0 begins an actor, also where another one had its id,
 * which was pruned during the walk. Memory is that of one segment and some bytes for each actor.
 * Non-zero stops the walk (CANCELLED). NOTFOUND: no such store.
 */
typedef int theater__store_each_fn(const theater__store_piece *piece, void *userdata);
theater_status theater__store_collect_each(const char *url, theater__store_each_fn *visit,
                                           void *userdata, theater_error *err);

/*
 * Copies a store at rest or in use to target, a directory that is new or empty, and checks the
 * copy. All that was acknowledged before the call is in it. It is a copy: it opens with `adopt`
 * only. A target without store.id was not finished. CORRUPT: the store is damaged.
 */
theater_status theater__store_backup(const char *url, const char *target, theater_error *err);

/* ---- compaction: with the lock, so nobody else has the store open ---------------------------- */

/* Once for each actor that goes, before anything is written. */
typedef struct theater__prune_actor {
    theater_id actor;
    uint64_t events_count;
    theater_wall ended; /* when its last event was recorded */
    uint64_t size;      /* of its records */
} theater__prune_actor;

typedef void theater__prune_actor_fn(const theater__prune_actor *actor, void *userdata);
/* Non-zero: stop, as long as nothing has changed. */
typedef int theater__prune_progress_fn(uint64_t done, uint64_t total, void *userdata);

typedef struct theater__prune {
    /*
     * Only these, each of which has to be one that may go; 0: all. Those that are not there are
     * passed over, so that what was interrupted can be asked for again, unless none of them is.
     */
    const theater_id *ids;
    size_t ids_count;
    bool is_part;    /* of several shards: here it may be that none of them is there */
    bool has_before; /* only those whose last event was not recorded after this: */
    theater_wall before;
    bool dry_run;                         /* nothing is removed */
    bool adopt;                           /* as when a store is opened, as are boot and wall */
    theater__prune_actor_fn *visit;       /* or NULL */
    theater__prune_progress_fn *progress; /* or NULL */
    void *userdata;
    theater__log log;
    uint8_t boot[16];
    theater_wall wall;
} theater__prune;

typedef struct theater__pruned {
    uint64_t actors_count; /* that went, or would go */
    uint64_t kept_count;
    uint64_t missing_count;    /* of the named ones: they are not there */
    uint64_t components_count; /* that no actor of the store needs any more */
    uint64_t records_size;     /* of those that went */
    uint64_t size_before;      /* of segments, indexes and components */
    uint64_t size_after;       /* the same if nothing was removed */
} theater__pruned;

/*
 * Removes ended actors whose outputs were all given out, with their chains, by writing the log anew
 * without them. Their ids are free again. INVALID: a named actor may not go; NOTFOUND: no such
 * store, or none of the named actors; STORE: it is in use, or a copy; IO: the disk is too full, the
 * message says how much it takes; CORRUPT; CANCELLED. After a failure the store is as it was,
 * unless the message says that the next open goes on.
 */
theater_status theater__store_prune(const char *url, const theater__prune *what,
                                    theater__pruned *out_pruned, theater_error *err);

#endif
