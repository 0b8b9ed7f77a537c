/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A turn: one guest, one call, and the cursor that leads it through its chain.
 *
 * This is the one mechanism. A turn always begins with a fresh instance and the recorded events of
 * its call. As long as there are events, each request of the guest is compared with the next one
 * and each answer comes from it; when they are used up the turn is live and appends. So the same
 * code
 *
 *   starts a new actor      history = genesis, call
 *   wakes an evicted one    history = … the wait that it sleeps in
 *   recovers after a kill   history = whatever was durable
 *   re-executes for audit   history = the whole call; nothing may be left to do (replay_only)
 *
 *              ┌──────────── history ────────────┐┌──── live ────
 *   events     call  answer  wait  completion …  │ answer  wait …
 *   guest      ──────────────── replayed ────────┘ ─ appended ──
 *
 * The turn does no I/O, reads no clock but through its environment, and knows no store: what it
 * appended stands in its writer until the host takes it.
 */
#ifndef ACTOR_TURN_H
#define ACTOR_TURN_H

#include <actor/component.h>
#include <chain/chain.h>
#include <chain/payload.h>

/* What the host lends to all its turns. */
typedef struct theater__turn_env {
    void *userdata;
    theater_wall (*wall)(void *userdata); /* a fresh reading, as guests may see it */
    theater_mono (*mono)(void *userdata);
    uint64_t (*cpu_ns)(void *userdata); /* of this thread */
    bool (*preempt)(void *userdata);    /* in an epoch check: should the guest give way? */
    void (*random)(void *userdata, uint8_t *out_bytes, size_t size);
    uint8_t boot[16];
    bool is_simulated;
} theater__turn_env;

/* One handler's configuration, as a genesis has it. */
typedef struct theater__profile_handler {
    char *name;
    theater_values config; /* in the profile's arena */
} theater__profile_handler;

/* What a genesis binds, shared by all actors that are equal in it. */
typedef struct theater__profile {
    theater_actor_component *component; /* borrowed from the host */
    theater_hash component_digest;
    theater_limits limits;
    theater__arena arena;
    theater__buffer config_bytes;
    theater__profile_handler *handlers;
    uint32_t handlers_count;
} theater__profile;

/* From a decoded genesis; component may be NULL until it is loaded. */
theater_status theater__profile_init(theater__profile *profile, const theater__genesis *genesis,
                                     theater_error *err);
void theater__profile_deinit(theater__profile *profile);
bool theater__profile_equal(const theater__profile *profile, const theater__genesis *genesis);

typedef enum theater__turn_outcome {
    THEATER__TURN_SUSPENDED = 1, /* in an open request; see theater__turn_open() */
    THEATER__TURN_YIELDED = 2,   /* preempted */
    THEATER__TURN_FINISHED = 3,  /* the call is over and recorded; so is the actor's end */
    THEATER__TURN_DIVERGED = 4,  /* see theater__turn_divergence(); nothing was appended */
    THEATER__TURN_ABANDONED = 5, /* the machine failed; nothing was appended since the last take */
    THEATER__TURN_CORRUPT = 6,   /* the history is damaged */
    THEATER__TURN_REPLAYED = 7   /* replay_only: all of the history was passed, clean */
} theater__turn_outcome;

/* The request that a suspended turn waits in. */
typedef struct theater__open_request {
    bool is_open;
    uint64_t seq;
    theater_event_kind kind; /* WAIT or EFFECT */
    theater__wait_kind wait_kind;
    uint64_t duration_ms;
    theater_mono armed;
    uint8_t boot[16];
    theater_wall armed_wall;
    theater_wall due_wall;
    const theater__function *function;
} theater__open_request;

typedef struct theater__divergence {
    uint64_t seq;
    char expected[THEATER_ERROR_MESSAGE_MAX];
    char actual[THEATER_ERROR_MESSAGE_MAX];
} theater__divergence;

typedef struct theater__turn theater__turn;

typedef struct theater__turn_options {
    const theater__turn_env *env;    /* borrowed */
    const theater__profile *profile; /* borrowed; its component is loaded */
    theater_id actor;
    theater_head head;      /* of the chain's last event */
    const uint8_t *history; /* copied: frames that hold the call's event and all later */
    size_t history_size;
    theater_hash history_parent; /* the head before them */
    uint64_t history_first_seq;
    uint64_t call_seq; /* the event to begin with */
    bool replay_only;
} theater__turn_options;

theater_status theater__turn_new(const theater__turn_options *options, theater__turn **out_turn,
                                 theater_error *err);
void theater__turn_free(theater__turn *turn);

/* Runs until the guest waits, gives way or is done. */
theater__turn_outcome theater__turn_run(theater__turn *turn);

/* True while recorded events are left: what runs now was paid for before. */
bool theater__turn_is_replaying(const theater__turn *turn);
const theater__open_request *theater__turn_open(const theater__turn *turn);
/* The encoded arguments of the open request. */
theater_bytes theater__turn_open_args(const theater__turn *turn);
const theater__divergence *theater__turn_divergence(const theater__turn *turn);
/* FINISHED: why, and the text. */
theater_end_reason theater__turn_reason(const theater__turn *turn);
/* ABANDONED, CORRUPT: what happened. */
const theater_error *theater__turn_error(const theater__turn *turn);

/* How an open request ends. */
typedef struct theater__turn_end {
    theater_wait_outcome outcome;
    uint64_t late_ns;
    const char *by;             /* NULL: nobody */
    const theater_value *value; /* COMPLETED */
} theater__turn_end;

/*
 * Records the end of the open request, by the function's finish callback; the next run gives it to
 * the guest. The turn is SUSPENDED.
 */
theater_status theater__turn_complete(theater__turn *turn, const theater__turn_end *end,
                                      theater_error *err);

/*
 * Ends the actor from outside (cancel): appends TERMINATE and END behind the head, also before or
 * amid replaying. An audit stops there, whatever the guest would have done next.
 */
theater_status theater__turn_terminate(theater__turn *turn, theater_end_reason reason,
                                       const char *text, theater_error *err);

/* Appends an ambient event. */
theater_status theater__turn_note(theater__turn *turn, theater_event_kind kind,
                                  theater_bytes payload, theater_error *err);

/*
 * What was appended and not yet taken. Closes an open fold first. The host submits the frames and
 * then calls theater__turn_taken().
 */
theater_status theater__turn_flush(theater__turn *turn, theater_error *err);
const theater__chain_writer *theater__turn_writer(const theater__turn *turn);
void theater__turn_taken(theater__turn *turn);
/*
 * What a turn costs to replay, from where on a call is long: 3,000 sleeps or so, or as much CPU
 * time as they take. Such a turn is kept in memory while others can go.
 */
#define THEATER__LONG_CALL_BYTES ((uint64_t)512 << 10)
#define THEATER__LONG_CALL_CPU_NS ((uint64_t)5000000)
bool theater__turn_is_long(const theater__turn *turn);
/* CPU time of the call in this turn's life, replay included: what it costs to begin it again. */
uint64_t theater__turn_call_cpu_ns(const theater__turn *turn);
/* Its guest has a slot of the engine's pool. */
bool theater__turn_is_pooled(const theater__turn *turn);
/* Bytes that wait in the writer: a guest that never suspends is flushed in pieces. */
size_t theater__turn_pending_size(const theater__turn *turn);
/* The last appended event that the outside sees; 0 if none. */
uint64_t theater__turn_output_seq(const theater__turn *turn);

/* ---- calls outside a turn -------------------------------------------------------------------- */

/* Runs an effect whose request is durable. The result, if it gives one at once, is appended to
 * out_result (encoded) and *out_has_result is set. */
theater_status theater__effect_run(const theater__turn_env *env, const theater__profile *profile,
                                   const theater__function *function, theater_token token,
                                   theater_wall wall, theater_values args, bool *out_has_result,
                                   theater__buffer *out_result, theater_error *err);

#endif
