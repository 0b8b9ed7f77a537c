/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log store from inside: what its files share.
 *
 *     logstore.c   open, close, submit, poll     owner's thread
 *     commit.c     write, sync, complete         committer's thread
 *     read.c       records by place              owner's thread, or
 *     readers.c    if that would wait for the disk: readers' threads
 *     recover.c    the actors at open            owner's thread, before the committer exists
 *     segment.c    names, headers, files of segments
 *     lock.c       the directory: make, lock, identify
 *     component.c  components/
 *     scan.c       walking through a segment's bytes, damaged or not
 *     collect.c    looking from outside, without a theater__logstore
 *     list.c       the actors, from outside as well
 *     home.c       is this a copy?
 *     backup.c     copying a store that may be in use
 *     prune.c, compact.c, settle.c   a log without some of its ended actors takes its place
 *     view.c       which segments are the log, for those who look without the lock
 *     shards.c     above all of these: a directory of several logs
 *     each.c       all actors in one walk
 *     keeper.c     segments ahead, the reserve, indexes      keeper's thread, long work in others
 *     idle.c       how that long work keeps out of the way
 *     index.c, index_build.c   what a start needs of sealed segments
 *
 * A batch becomes a record in memory at once, at the place where it will stand on disk. Records are
 * gathered in a group; the committer takes a whole group, writes it with one call, syncs, and hands
 * it back as completions. While it does, the next group gathers.
 *
 *     submit ──> open group ──┐
 *                queue ───────┴─> writing ──(pwrite, fdatasync)──> done ──> poll
 *
 * Threads: each field below says who may touch it. What both sides touch stands under `mutex`,
 * which is never held during I/O.
 */
#ifndef STORE_LOGSTORE_H
#define STORE_LOGSTORE_H

#include "backend.h"
#include "format.h"
#include "io.h"

#include <base/map.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

/*
 * An idle log is closed after this long: so much later at most is a flipped bit told from a tear.
 */
#define LOGSTORE_CLOSE_AFTER_MS 50
/* What the page cache and disks take as one piece: part of one costs reading the rest of it. */
#define LOGSTORE_PAGE_BYTES 4096u
/* Buffers of groups that are larger than this are not kept for the next group. */
#define LOGSTORE_SPARE_BYTES_MAX ((size_t)4 << 20)
/* Spare groups: one gathers, one is written, one is handed out. */
#define LOGSTORE_SPARE_GROUPS_MAX 4u
/* Segments open for reading at once; one descriptor each, chosen by number modulo this. */
#define LOGSTORE_READ_FILES 32u
/* Threads for reads that wait for the disk, made as they are needed; so many reads it is asked for
 * at once. */
#define LOGSTORE_READERS 8u
/*
 * Trails remembered (below); a power of two. 8192 of 128 bytes are 1 MiB, touched as they are used.
 */
#define LOGSTORE_TRAILS 8192u
/* Bytes read at once in front of and behind a wanted record, if neighbours are near. */
#define LOGSTORE_WINDOW_BYTES ((size_t)256 << 10)

/*
 * Zeros are written in front of the log in steps that grow with the segment, from the smallest to
 * the largest: a store of one actor stays small, and a busy one pays for a step every 1,000 writes.
 */
#define LOGSTORE_ZEROS_BYTES_MIN ((uint64_t)64 << 10)
#define LOGSTORE_ZEROS_BYTES_MAX ((uint64_t)1 << 20)
/*
 * Space that is kept for those who run and sleep when the disk is full: an actor that wakes once
 * more and ends writes three records of some hundred bytes. Between these bounds for a store.
 */
#define LOGSTORE_RESERVE_BYTES_PER_ACTOR 4096u
#define LOGSTORE_RESERVE_BYTES_MIN ((uint64_t)64 << 10)
#define LOGSTORE_RESERVE_BYTES_MAX ((uint64_t)64 << 20)
/* Beside the reserve itself, so much has to be free until a full disk is taken for one no more. */
#define LOGSTORE_RESERVE_MARGIN_BYTES ((uint64_t)1 << 20)
#define LOGSTORE_FULL_TEXT \
    "the disk is full; new actors are refused, those that are there go on out of the reserve"

/* Segments that one index covers, both included, and its entries. */
typedef struct theater__log_span {
    uint32_t from;
    uint32_t to;
    uint64_t count;
} theater__log_span;

/* One submitted batch, waiting for its group. */
typedef struct theater__log_entry {
    theater__ticket ticket;
    void *userdata;
    uint64_t size;
} theater__log_entry;

typedef struct theater__log_group {
    struct theater__log_group *next;
    uint64_t place;
    theater__buffer bytes; /* group header (filled in by the committer), then records */
    uint32_t records_count;
    theater__log_entry *entries;
    uint32_t entries_count;
    uint32_t entries_capacity;
    uint32_t delivered; /* entries that poll has handed out */
    bool is_awaited;    /* by one of its batches at least */
    bool failed;
} theater__log_group;

/* A first-in first-out chain of groups. */
typedef struct theater__log_queue {
    theater__log_group *first;
    theater__log_group *last;
} theater__log_queue;

/* What a batch needs to know of the record before it: saves reading that record again. */
typedef struct theater__log_trail {
    uint64_t place; /* 0: empty; no record stands at place 0 */
    theater_id actor;
    theater_hash head;
    uint64_t next_seq;
    uint64_t genesis;
    uint64_t call_seq;
    uint64_t call;
} theater__log_trail;

/* A completion that did not come from a group: a read, or a fenced batch. */
typedef struct theater__log_answer {
    struct theater__log_answer *next;
    theater__store_completion completion;
    theater__read read;       /* what was asked, if it was a read */
    theater__log_trail trail; /* of the record it began with, for the owner; place 0: none */
} theater__log_answer;

/* Answers in order; last is where the next one is put, unless there is none. */
typedef struct theater__log_answers {
    theater__log_answer *first;
    theater__log_answer **last;
} theater__log_answers;

/* Bytes of one segment that were read last. */
typedef struct theater__log_window {
    uint8_t *data;
    size_t capacity;
    uint32_t segment;
    uint64_t offset;
    size_t size;
} theater__log_window;

/* Who reads records: the owner's thread, or one that may wait for the disk. */
typedef struct theater__log_reader {
    struct theater__logstore *log;
    bool may_wait;
    bool would_wait;      /* the last read was given up, since it may not */
    unsigned files_count; /* of the descriptors below, how many it may use */
    theater__log_window window;
    struct {
        uint32_t segment;
        int fd;
    } files[LOGSTORE_READ_FILES];
} theater__log_reader;

/* What recovery found: the log's end and its actors. */
typedef struct theater__log_actors {
    theater__map map;
    theater__recovered *items;
    uint32_t count;
    uint32_t capacity;
    uint32_t next; /* to be given out */
} theater__log_actors;

typedef struct theater__logstore {
    theater__store base;

    /* Fixed after open. */
    theater__io *io;
    char *directory;
    uint8_t store_id[FORMAT_STORE_ID_SIZE];
    uint32_t seed;
    uint64_t segment_size;
    bool threadless; /* poll commits; for simulations */
    bool is_shard;
    uint8_t boot[16];
    theater_wall wall;
    int lock_fd;
    bool made_lock;     /* by this open, as are: */
    bool made_store;    /* the first segment and store.id */
    size_t made_prefix; /* length of the first directory on the path that was not there; 0 = none */

    /* Owner's thread only. */
    theater__ticket next_ticket;
    uint64_t inflight;
    theater__log_answers answers;
    theater__log_group *delivering; /* taken from done */
    theater__log_trail *trails;
    theater__log_reader reader;
    uint32_t asked_count; /* reads that are with the readers */
    pthread_t readers[LOGSTORE_READERS];
    uint32_t readers_count;
    theater__log_actors actors;
    theater_error failure_seen; /* a copy, so that it can be lent */

    /* Committer's thread only (the owner's before it starts and after it has ended). */
    int write_fd;
    uint32_t write_segment;
    uint64_t sequence;       /* of the last group written */
    uint64_t previous_group; /* its place */
    uint64_t durable_upto;
    uint64_t allocated;  /* bytes of the segment that are on the disk, written or zeros */
    uint32_t last_count; /* records of the last group: see gather() */
    uint32_t gather_us;  /* how long the next group is left open, or its first piece */

    /* Keeper's thread only (the owner's before it starts and after it has ended). */
    theater__log_span *spans; /* indexes, without gaps between them */
    uint32_t spans_count;
    uint32_t spans_capacity;
    uint32_t indexed_upto;
    bool index_failed;
    struct { /* of the thread that works in idle time, while there is one */
        int64_t piece_began_ns;
        size_t work;
    } idle;

    /* Shared, under mutex. */
    pthread_mutex_t mutex;
    theater__log_queue queue;    /* to be written; its last may still be open */
    theater__log_group *open;    /* takes records; last of queue or NULL */
    theater__log_group *writing; /* readable, not writable: it changes behind its bytes alone */
    theater__log_queue done;
    theater__log_group *spare;
    uint32_t spare_count;
    uint64_t end;   /* where the next group or record will stand */
    bool unclosed;  /* the last group has records: a closing group is due */
    bool waiting;   /* the committer sleeps and wants to be woken */
    bool gathering; /* it sleeps, and wants to be woken for a batch that is waited for */
    bool signalled; /* done_fd is readable, or about to be */
    bool failed;
    bool stopping;
    theater_error failure;
    bool full;             /* the disk: new actors are refused */
    bool reserve_retry;    /* the keeper is to see whether it still is */
    bool reserve_dropped;  /* by the committer, while the keeper may have been making it */
    uint64_t reserve_size; /* 0: none */
    uint64_t reserve_wanted;
    uint64_t actors_count;
    uint32_t sealed_upto; /* the last segment that takes no more groups */
    bool ahead_wanted;
    bool ahead_failed;
    int ahead_fd;     /* -1: none */
    char notice[192]; /* for the owner's thread to tell; empty: none */
    pthread_cond_t keeper_wake;
    theater__log_answers asked;    /* for the readers */
    theater__log_answers answered; /* by them */
    uint32_t readers_idle;
    _Atomic bool readers_stop; /* set under the mutex */
    pthread_cond_t readers_wake;

    int wake_fd; /* to the committer */
    int done_fd; /* to the owner */
    pthread_t thread;
    bool thread_started;
    pthread_t keeper;
    bool keeper_started;
    _Atomic bool keeper_stop;
    _Atomic bool keeper_hurries; /* what it does is waited for: without rests */
} theater__logstore;

/* How a log is opened; the last three are for tests: other I/O, small segments, no thread. */
typedef struct theater__logstore_options {
    const theater__store_options *store;
    const char *directory;
    bool is_shard;         /* the directory lies in that of the store, and is its owner's */
    theater__io *io;       /* NULL: the system's */
    uint64_t segment_size; /* 0: FORMAT_SEGMENT_SIZE */
    bool threadless;
} theater__logstore_options;

theater_status theater__logstore_open_with(const theater__logstore_options *options,
                                           theater__store **out_store, theater_error *err);

/* ---- logstore.c ------------------------------------------------------------------------------ */

/* With all signals blocked: they are the embedder's, whose handlers run on its own threads. 0 or an
 * errno. */
int theater__logstore_thread(theater__logstore *log, pthread_t *out_thread, void *(*main)(void *));
/* To the descriptor that poll waits for; after `signalled` was found false and set. */
void theater__logstore_signal(theater__logstore *log);

/* ---- commit.c -------------------------------------------------------------------------------- */

void *theater__logstore_commit_main(void *userdata);
/* The calling thread runs under that policy of SCHED_OTHER's kind, unless it inherited another one
 * than that: a host with real-time threads has decided for itself. */
void theater__logstore_step_back(int policy);
/* Writes and syncs the first group of the queue; false if there was none. */
bool theater__logstore_commit_one(theater__logstore *log);
/* Writes a closing group if one is due. */
void theater__logstore_commit_close(theater__logstore *log);
void theater__logstore_queue_push(theater__log_queue *queue, theater__log_group *group);
theater__log_group *theater__logstore_queue_pop(theater__log_queue *queue);
void theater__logstore_group_free(theater__log_group *group);

/* ---- read.c ---------------------------------------------------------------------------------- */

theater_status theater__logstore_read(theater__store *store, const theater__read *read,
                                      theater__ticket *out_ticket, theater_error *err);
/* The trail that ends at place, from memory or from the record itself. */
theater_status theater__logstore_trail(theater__logstore *log, uint64_t place,
                                       theater__log_trail *out_trail, theater_error *err);
void theater__logstore_remember(theater__logstore *log, const theater__log_trail *trail);
void theater__log_reader_init(theater__log_reader *reader, theater__logstore *log,
                              unsigned files_count);
void theater__log_reader_deinit(theater__log_reader *reader);
/* Does answer->read and fills in the answer; false if it was given up (would_wait). */
bool theater__log_reader_read(theater__log_reader *reader, theater__log_answer *answer);
/* Queues an answer for the next poll. */
void theater__logstore_answer(theater__logstore *log, theater__log_answer *answer);

/* ---- readers.c ------------------------------------------------------------------------------- */

/* Hands a read over; false if there is nobody to do it. Owner's thread, as the next two. */
bool theater__readers_ask(theater__logstore *log, theater__log_answer *answer);
/* Takes what they have answered into log->answers. Under the mutex. */
void theater__readers_take(theater__logstore *log);
/* Ends them; what was asked is left. */
void theater__readers_end(theater__logstore *log);
void theater__log_answers_push(theater__log_answers *answers, theater__log_answer *answer);
theater__log_answer *theater__log_answers_pop(theater__log_answers *answers);
/* Takes out the one of that ticket; NULL if it is not there. */
theater__log_answer *theater__log_answers_find(theater__log_answers *answers,
                                               theater__ticket ticket);
void theater__log_answers_free(theater__log_answers *answers);

/* ---- keeper.c -------------------------------------------------------------------------------- */

/* Before the threads start: the reserve, and where indexing goes on. */
void theater__keeper_begin(theater__logstore *log, uint64_t actors_count);
/* After they have ended. */
void theater__keeper_end(theater__logstore *log);
void *theater__keeper_main(void *userdata);
/* All jobs there are, in place of the thread. retry: see whether a full disk still is. */
void theater__keeper_work(theater__logstore *log, bool retry);
/* Further actors, for the size of the reserve. Under the mutex. */
void theater__keeper_count_actor(theater__logstore *log, uint64_t count);
/* A write found no space: gives up the reserve. False if there was none (left). */
bool theater__keeper_release_reserve(theater__logstore *log);
/* There is no space for more than what has to be written. */
void theater__keeper_disk_is_full(theater__logstore *log);
/* The descriptor and the path of a segment full of zeros; negative if there is none. */
int theater__keeper_take_ahead(theater__logstore *log, char **out_path);
/* is_soon: what the keeper is at is not to rest any more until then. */
void theater__keeper_want_ahead(theater__logstore *log, bool is_soon);
void theater__keeper_sealed(theater__logstore *log, uint32_t segment);
/* Takes note of an index that is there. False without memory. */
bool theater__keeper_add_span(theater__logstore *log, const theater__log_span *span);

/* ---- idle.c ---------------------------------------------------------------------------------- */

/* A part of the keeper's work that takes long. It does not take the mutex; 0 or -errno. */
typedef int theater__idle_fn(theater__logstore *log, void *userdata);
/* Runs it in idle time, and waits for it: keeper's thread. Its result. */
int theater__idle_run(theater__logstore *log, theater__idle_fn *run, void *userdata);
/* Inside of it, after each small step, which has looked at so many bytes: may rest. */
void theater__idle_step(theater__logstore *log, size_t bytes);
/* Inside of it: the log is being closed, what is begun may be left. */
bool theater__idle_is_cancelled(const theater__logstore *log);

/* ---- scan.c ---------------------------------------------------------------------------------- */

typedef enum theater__scan_type {
    SCAN_END = 0,   /* nothing further */
    SCAN_GROUP = 1, /* an intact group header; its records follow */
    SCAN_BAD_GROUP =
        2,           /* a damaged one; what looks like its records follows, up to the next group */
    SCAN_RECORD = 3, /* an intact record */
    SCAN_BAD_RECORD = 4, /* bytes inside a group that are none */
    SCAN_TAIL = 5        /* bytes behind the last group, not all zero */
} theater__scan_type;

typedef struct theater__scan_item {
    theater__scan_type type;
    uint64_t place;
    size_t size; /* bytes from there that it stands for */
    const uint8_t *data;
    theater__format_group group; /* GROUP */
    theater__format_record
        record;             /* RECORD; BAD_RECORD of at least a header's size: as it stands */
    unsigned disagreements; /* BAD_RECORD: see theater__format_record_peek() */
    bool in_bad_group;      /* RECORD, BAD_RECORD */
} theater__scan_item;

typedef struct theater__scan {
    const uint8_t *data;
    size_t size;
    uint32_t segment;
    uint32_t seed;
    size_t offset;
    size_t group_end; /* 0: between groups */
    bool group_bad;
    uint64_t budget; /* bytes of CRC that looking for the next intact record may still cost */
} theater__scan;

void theater__scan_init(theater__scan *scan, uint32_t seed, uint32_t segment, const uint8_t *data,
                        size_t size);
/* The next piece, in the order of places; false at the end. */
bool theater__scan_next(theater__scan *scan, theater__scan_item *out_item);
/* Offset of the first intact group header at or behind offset; SIZE_MAX if there is none. */
size_t theater__scan_find_group(const theater__scan *scan, size_t offset,
                                theater__format_group *out_group);
/*
 * The group at offset if all of it is intact; if not, out_bad is where it is broken (offset itself,
 * or that of a record).
 */
bool theater__scan_group_intact(const theater__scan *scan, size_t offset,
                                theater__format_group *out_group, size_t *out_bad);
bool theater__all_zero(const uint8_t *data, size_t size);

/* ---- recover.c ------------------------------------------------------------------------------- */

/* Reads the log, cuts a torn tail, opens the last segment for writing, fills log->actors. */
theater_status theater__logstore_recover(theater__logstore *log, theater_error *err);
void theater__log_actors_init(theater__log_actors *actors);
void theater__log_actors_deinit(theater__log_actors *actors);
theater__recovered *theater__log_actors_find(theater__log_actors *actors, const theater_id *id);
/* Takes over how an actor stands; false without memory. */
bool theater__log_actors_put(theater__log_actors *actors, const theater__recovered *actor);
/* The same, as the record at place says. */
bool theater__log_actors_put_record(theater__log_actors *actors, uint64_t place,
                                    const theater__format_record *record);

/* Whether a record follows how its actor stood (NULL: there was none) without a gap. */
bool theater__record_follows(const theater__recovered *before,
                             const theater__format_record *record);

/* ---- segment.c ------------------------------------------------------------------------------- */

/* Writes "NNNNNNNN.log". */
#define SEGMENT_NAME_SIZE 16
void theater__segment_name(uint32_t number, char out_name[SEGMENT_NAME_SIZE]);
/*
 * Sorted numbers of the segments in a directory; to be freed. IO or NOTFOUND if it can't be read.
 */
theater_status theater__segment_list(theater__io *io, const char *directory, uint32_t **out_numbers,
                                     size_t *out_count, theater_error *err);
/* Who may not read a file learns nothing about it; least of all that it is damaged. */
bool theater__is_denied(int os_errno);
/* A look ends with such a failure, or for want of memory; with any other the file is damaged. */
bool theater__ends_look(const theater_error *error);
/* Hands over an error; its status. */
theater_status theater__fail_as(theater_error *err, const theater_error *error);
/* IO, with what to do about it. */
theater_status theater__fail_denied(theater_error *err, int os_errno, const char *path);
theater_status theater__fail_denied_segment(theater_error *err, int os_errno, const char *directory,
                                            uint32_t number);
/* All bytes of one segment. CORRUPT if the file is longer than any segment. */
theater_status theater__segment_load(theater__io *io, const char *directory, uint32_t number,
                                     theater__buffer *out_bytes, theater_error *err);
/* The header alone; -EBADMSG if it is not the intact one of this segment. */
int theater__segment_header(theater__io *io, const char *directory, uint32_t number,
                            theater__format_segment *out_header);
/* The header of a segment of this log, made now. */
void theater__segment_encode(const theater__logstore *log, uint32_t number, uint64_t first_sequence,
                             uint64_t previous_group, uint8_t out[FORMAT_SEGMENT_HEADER_SIZE]);
/*
 * Makes segment `number` for the log, header written, file and directory synced; -errno or fd.
 * out_allocated: bytes of it that are on the disk.
 */
int theater__segment_make(theater__logstore *log, uint32_t number, uint64_t *out_allocated);
/* "DIR/name"; NULL without memory. */
char *theater__path_in(const char *directory, const char *name);
/* Removes all files of a directory; directories in it stay. -errno or 0. */
int theater__remove_files(theater__io *io, const char *directory);
/*
 * Puts a small file in its place, synced, whole or not at all, by way of "DIR/name.new"; 0 or
 * -errno.
 */
int theater__replace_file(theater__io *io, const char *directory, const char *name,
                          const char *text, size_t size);

/* ---- lock.c ---------------------------------------------------------------------------------- */

/*
 * Makes or finds the directory, locks it, reads or makes the store's id. Undoes itself on failure.
 */
theater_status theater__logstore_enter(theater__logstore *log,
                                       const theater__store_options *options, theater_error *err);
/* Closes the lock. */
void theater__logstore_leave(theater__logstore *log);
/* Takes back what enter has made, if it made something: the open has failed. */
void theater__logstore_undo(theater__logstore *log);
/* The id in DIR/store.id: NOTFOUND, CORRUPT, UNSUPPORTED. */
theater_status theater__store_id_read(theater__io *io, const char *directory,
                                      uint8_t out_id[FORMAT_STORE_ID_SIZE], theater_error *err);

/* ---- settle.c -------------------------------------------------------------------------------- */

/*
 * Finishes a compaction that was interrupted, or removes what was copied of one. With the lock, in
 * front of everything that reads the log.
 */
theater_status theater__compact_settle(theater__logstore *log, theater_error *err);

/* ---- prune.c --------------------------------------------------------------------------------- */

/* NOTFOUND if all of the named actors are missing. */
theater_status theater__prune_check_named(const char *directory, const theater__prune *what,
                                          const theater__pruned *found, theater_error *err);
/* theater__logstore_prune() with what tests put in place of the system; options->store is not used.
 */
theater_status theater__logstore_prune_with(const theater__logstore_options *options,
                                            const theater__prune *what, theater__pruned *out_pruned,
                                            theater_error *err);

/* ---- home.c ---------------------------------------------------------------------------------- */

/* STORE if this is a copy and not to be adopted. */
theater_status theater__home_check(theater__logstore *log, bool adopt, theater_error *err);
/* Says that the store is at home here, or, of a copy, that it is not; 0 or -errno. */
int theater__home_write(theater__io *io, const char *directory);
int theater__home_write_foreign(theater__io *io, const char *directory);

/* ---- list.c ---------------------------------------------------------------------------------- */

/* theater__logstore_list(), or the same by a walk over the whole log: for tests to compare. */
theater_status theater__logstore_list_with(const char *directory, bool without_indexes,
                                           theater__store_list_fn *visit, void *userdata,
                                           theater_error *err);

/* ---- backup.c -------------------------------------------------------------------------------- */

/* Makes the directory of a copy, or takes one that is empty. */
theater_status theater__backup_target(theater__io *io, const char *target, theater_error *err);

/* ---- component.c ----------------------------------------------------------------------------- */

theater_status theater__logstore_put_component(theater__store *store, const theater_hash *digest,
                                               theater_bytes bytes, theater_error *err);
theater_status theater__logstore_get_component(theater__store *store, const theater_hash *digest,
                                               theater__buffer *out_bytes, theater_error *err);

#endif
