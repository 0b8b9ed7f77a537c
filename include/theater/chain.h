/* SPDX-License-Identifier: Apache-2.0 */
/**
 * \file chain.h
 * \brief Reading, verifying, exporting and re-executing an actor's event chain.
 *
 * A chain is the tamper-evident record of everything that an actor was told and everything that it
 * asked for. Each event is bound to the one before it:
 *
 *     hash = SHA-256("theater\0" || version || hash of the event before || size || event)
 *
 * so a changed, missing, added or moved event is found and named. What a hash chain alone cannot
 * show is that its tail was cut off on an event's border: for that, compare with a head that was
 * kept elsewhere (theater_chain_verify_options::head).
 *
 * The byte format is docs/formats/chain.md.
 */
#ifndef THEATER_CHAIN_H
#define THEATER_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <theater/error.h>
#include <theater/id.h>
#include <theater/time.h>
#include <theater/value.h>

THEATER_BEGIN_DECLS

/** The hash of an event: SHA-256. */
typedef struct theater_hash {
    uint8_t bytes[32];
} theater_hash;

/** Bytes of a hash as hexadecimal text, terminating NUL included. */
#define THEATER_HASH_TEXT_SIZE 65

/**
 * A place in a chain: the hash of the event with that number. For Theater's own files, whose hashes
 * are SHA-1, the first 20 bytes hold it and the others are zero.
 */
typedef struct theater_head {
    uint64_t seq;
    theater_hash hash;
} theater_head;

/** How replay treats an event. The numbers are part of the byte format. */
typedef enum theater_event_class {
    THEATER_EVENT_GENESIS = 1, /**< the first event: what the actor is and what it is bound to */
    THEATER_EVENT_CALL = 2,    /**< an export is called; a fresh instance begins */
    THEATER_EVENT_REQUEST = 3, /**< what the guest asked for; checked on replay */
    THEATER_EVENT_INPUT = 4,   /**< what the guest was told; consumed in order on replay */
    THEATER_EVENT_AMBIENT = 5, /**< about the actor; replay passes over it */
    THEATER_EVENT_END = 6      /**< the last event */
} theater_event_class;

/** What happened. The numbers are part of the byte format; each kind has one class. */
typedef enum theater_event_kind {
    THEATER_KIND_GENESIS = 1,    /**< genesis */
    THEATER_KIND_CALL = 2,       /**< call: export, arguments */
    THEATER_KIND_WAIT = 3,       /**< request: function, arguments, what is waited for */
    THEATER_KIND_EFFECT = 4,     /**< request: function, arguments; its result follows */
    THEATER_KIND_POST = 5,       /**< request: function, arguments; has no result (a log line) */
    THEATER_KIND_RETURN = 6,     /**< request: the call's result */
    THEATER_KIND_ANSWER = 7,     /**< input: function, arguments and result in one event, a count */
    THEATER_KIND_COMPLETION = 8, /**< input: how a wait or an effect ended, and its result */
    THEATER_KIND_TERMINATE = 9,  /**< input: the environment ended the call (budget, cancel) */
    THEATER_KIND_ENGINE = 10,    /**< ambient: another engine version goes on from here */
    THEATER_KIND_STEP = 11,      /**< ambient: the wall clock was stepped */
    THEATER_KIND_REBASE = 12, /**< ambient: a sleep's due time was moved to another boot's clock */
    THEATER_KIND_NOTE = 13,   /**< ambient: parked, adopted and the like, in words */
    THEATER_KIND_END = 14     /**< end: the reason */
} theater_event_kind;

/** How a wait ended; in completion events. */
typedef enum theater_wait_outcome {
    THEATER_WAIT_DUE = 1,       /**< its time came */
    THEATER_WAIT_COMPLETED = 2, /**< the embedder (or the effect) completed it */
    THEATER_WAIT_CANCELLED = 3, /**< someone cancelled it */
    THEATER_WAIT_SHUTDOWN = 4,  /**< the host was shut down with the policy to tell its actors */
    THEATER_WAIT_WOKEN = 5,     /**< someone woke it before its time */
    THEATER_WAIT_OVERDUE = 6 /**< it came due while nobody ran, under a policy other than `late` */
} theater_wait_outcome;

/** Why an actor or a call ended; in terminate and end events. */
typedef enum theater_end_reason {
    THEATER_END_RETURNED = 1,  /**< its last call returned */
    THEATER_END_TRAPPED = 2,   /**< the guest trapped */
    THEATER_END_STACK = 3,     /**< the guest exhausted its call stack */
    THEATER_END_CPU = 4,       /**< a CPU budget was used up */
    THEATER_END_LIMIT = 5,     /**< another named limit was reached */
    THEATER_END_CANCELLED = 6, /**< someone ended it */
    THEATER_END_SHUTDOWN = 7   /**< the guest asked for its own shutdown */
} theater_end_reason;

/** \brief The word for a class, such as `request`; `?` for unknown numbers. */
THEATER_API const char *theater_event_class_name(theater_event_class event_class);
/** \brief The word for a kind, such as `wait`; `?` for unknown numbers. */
THEATER_API const char *theater_event_kind_name(theater_event_kind kind);
/** \brief The word for an end's reason, such as `returned`. */
THEATER_API const char *theater_end_reason_name(theater_end_reason reason);
/** \brief The word for a wait's outcome, such as `due`. */
THEATER_API const char *theater_wait_outcome_name(theater_wait_outcome outcome);

/** One event, as it is read from a chain. Borrows from the chain. */
typedef struct theater_event {
    uint64_t seq;
    theater_event_class event_class;
    theater_event_kind kind;
    theater_wall wall;     /**< when it was recorded, as `now` would have said */
    theater_bytes payload; /**< encoded by kind, see docs/formats/chain.md; empty if redacted */
    bool is_external;      /**< the payload lies beside the event, bound by a salted hash */
    bool is_redacted;      /**< external, and erased: the links still verify */
    theater_hash hash;     /**< of this event */
} theater_event;

/** A chain in memory. */
typedef struct theater_chain theater_chain;

/**
 * \brief Loads a chain from a file: our binary export, or Theater's own JSON.
 *
 * Nothing is verified yet; a file that is neither is refused.
 *
 * \param path      NUL-terminated
 * \param out_chain to be freed with theater_chain_free()
 * \param err       optional
 * \retval THEATER_ERR_NOTFOUND, THEATER_ERR_IO  the file cannot be read
 * \retval THEATER_ERR_CORRUPT                   the file is no chain
 */
THEATER_API theater_status theater_chain_open_file(const char *path, theater_chain **out_chain,
                                                   theater_error *err);

/**
 * \brief Loads an actor's chain from a store, without locking it and without trusting it.
 *
 * Works on the store of a running host, and on a damaged one: what is there of the actor is loaded,
 * and theater_chain_verify() names what is wrong.
 *
 * \param url       `log:DIR` or a directory
 * \param id        the actor
 * \param out_chain to be freed with theater_chain_free()
 * \param err       optional
 * \retval THEATER_ERR_NOTFOUND the store, or the actor in it, does not exist
 * \retval THEATER_ERR_IO       a file of the store may not be read by this user
 * \retval THEATER_ERR_STORE    the store is pruned again and again meanwhile; try again
 */
THEATER_API theater_status theater_chain_open_store(const char *url, theater_id id,
                                                    theater_chain **out_chain, theater_error *err);

/** \brief Frees a chain; accepts NULL. */
THEATER_API void theater_chain_free(theater_chain *chain);

/** \brief The actor that the chain says it belongs to (all zeros for Theater's own files). */
THEATER_API theater_id theater_chain_actor(const theater_chain *chain);

/** What verification compares with. */
typedef struct theater_chain_verify_options {
    size_t struct_size;
    const theater_head *head; /**< NULL, or a head that was kept elsewhere */
} theater_chain_verify_options;
#define THEATER_CHAIN_VERIFY_OPTIONS_INIT          \
    {                                              \
        sizeof(theater_chain_verify_options), NULL \
    }

/** What verification found. */
typedef enum theater_chain_verdict {
    THEATER_CHAIN_ANCHORED = 1,   /**< intact, and it holds the given head */
    THEATER_CHAIN_UNANCHORED = 2, /**< intact; a cut tail could not be seen */
    THEATER_CHAIN_DAMAGED = 3     /**< see bad_seq and message */
} theater_chain_verdict;

/** The answer of theater_chain_verify(). */
typedef struct theater_chain_report {
    theater_chain_verdict verdict;
    uint64_t events_count; /**< intact events, folded readings counted once */
    theater_head head;     /**< the last intact event */
    uint64_t bad_seq;      /**< DAMAGED: the first event that is not as it was written */
    char message[THEATER_ERROR_MESSAGE_MAX]; /**< one line for people, always set */
} theater_chain_report;

/**
 * \brief Checks every link, the genesis, the order and shape of all events. Offline.
 * \param chain      the chain
 * \param options    NULL for the defaults
 * \param out_report set on success; a damaged chain is a success of this function
 * \param err        optional
 * \retval THEATER_ERR_NOMEM out of memory
 */
THEATER_API theater_status theater_chain_verify(const theater_chain *chain,
                                                const theater_chain_verify_options *options,
                                                theater_chain_report *out_report,
                                                theater_error *err);

/** Export formats. */
typedef enum theater_chain_format {
    THEATER_CHAIN_TEXT = 1,         /**< one line an event, for people */
    THEATER_CHAIN_JSONL = 2,        /**< one JSON object a line; folded readings expanded */
    THEATER_CHAIN_THEATER_JSON = 3, /**< the file that Theater itself writes */
    THEATER_CHAIN_BINARY = 4        /**< the chain as it is; verify and replay read it */
} theater_chain_format;

/**
 * \brief Receives a piece of an export, in order.
 * \return 0 to go on, anything else stops the export with THEATER_ERR_CANCELLED
 */
typedef int theater_chain_write_fn(const void *data, size_t size, void *userdata);

/**
 * \brief Writes a chain out. Stops at the first damaged event with THEATER_ERR_CORRUPT.
 *
 * What comes before the damage has been written then. Memory is bounded by the largest event.
 *
 * \param chain    the chain
 * \param format   Theater's own files cannot become THEATER_CHAIN_BINARY
 * \param write    called with pieces in order, some kilobytes each
 * \param userdata passed to \p write
 * \param err      optional
 * \retval THEATER_ERR_CORRUPT     the chain is damaged; the message names the event
 * \retval THEATER_ERR_CANCELLED   \p write asked to stop
 * \retval THEATER_ERR_UNSUPPORTED the chain has no such form
 * \retval THEATER_ERR_NOMEM       out of memory
 */
THEATER_API theater_status theater_chain_export(const theater_chain *chain,
                                                theater_chain_format format,
                                                theater_chain_write_fn *write, void *userdata,
                                                theater_error *err);

/**
 * \brief Visits the events in order, each verified against the one before.
 *
 * Going on from where the last call stopped costs one event; any other position costs a walk from
 * the beginning. The chain remembers the place: one thread at a time.
 *
 * \param chain     the chain
 * \param position  0 for the first event; moved on
 * \param out_event borrows from the chain
 * \param err       optional
 * \retval THEATER_ERR_NOTFOUND no further event
 * \retval THEATER_ERR_CORRUPT  the next event is damaged
 * \retval THEATER_ERR_INVALID  no event begins at that position
 * \retval THEATER_ERR_UNSUPPORTED the chain is one of Theater's own files
 */
THEATER_API theater_status theater_chain_next(const theater_chain *chain, size_t *position,
                                              theater_event *out_event, theater_error *err);

/** \brief Writes 64 lower-case characters and a NUL. */
THEATER_API void theater_hash_format(const theater_hash *hash,
                                     char out_text[THEATER_HASH_TEXT_SIZE]);
/**
 * \brief Reads `SEQ:HASH`, as `run --json` prints it.
 * \param text     NUL-terminated; the hash has 64 hexadecimal characters, or 40 for a SHA-1
 * \param out_head set on success only
 * \param err      optional
 * \retval THEATER_ERR_INVALID the text is no head
 */
THEATER_API theater_status theater_head_parse(const char *text, theater_head *out_head,
                                              theater_error *err);

THEATER_END_DECLS
#endif
