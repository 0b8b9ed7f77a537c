/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room share: the host, its actors, and who calls whom.
 *
 *   loop.c       one iteration: completions, due timers, ready actors, alarms
 *   turns.c      one step of a ready actor: become resident, run, meet the outcome
 *   residency.c  who is in memory: loading by replay, taking down
 *   evict.c      who gives up its place
 *   prefetch.c   bringing the nearest due into memory before they are due
 *   commit.c     batches to the store, completions from it
 *   outputs.c    what the outside sees, once it is durable
 *   recover.c    the actors of a store that was opened
 *   acts.c       cancel, wake, complete
 *   acted.c      who did so, and waits until it is durable
 *   watch.c      descriptors of others, served by the loop
 *
 * An actor has two parts. The slim one (struct actor, about a hundred bytes) is there for every
 * actor; the live one is made when it has something to do and freed when it has not: an evicted
 * sleeper is its slim part, a timer and a slot of the index.
 */
#ifndef HOST_INTERNAL_H
#define HOST_INTERNAL_H

#include <stdatomic.h>

#include <actor/turn.h>
#include <base/list.h>
#include <base/map.h>
#include <clock/clock.h>
#include <clock/ticker.h>
#include <store/store.h>
#include <theater/host.h>
#include <theater/measure.h>
#include <timerq/timerq.h>

#define NO_ACTOR UINT32_MAX
#define NO_PROFILE UINT32_MAX
/* Standing of an actor that waits for an effect; beside theater__wait_kind. */
#define WAIT_EFFECT 4u

/* Actors in one chunk of the table: chunks never move, so pointers to actors stay good. */
#define ACTORS_CHUNK 4096u
/* 2^24 actors of about 130 bytes each: the bound of one process. */
#define ACTORS_MAX (1u << 24)
/* Who did it, as it stands in a chain. */
#define BY_MAX 64u
/* How long a guest runs before others get their turn: to the next timer, within these bounds. */
#define SLICE_MIN_NS 1000000u
#define SLICE_MAX_NS 10000000u
/* How long those that are due may keep the others waiting. */
#define PATIENCE_NS 10000000u
/* After so long actors are no longer stepped before the clocks and the store were looked at. */
#define ROUND_NS 10000000u
/* Timers popped and actors stepped in one iteration, before the clock is read again. */
#define POP_BUDGET 256u
/* Who is due and has not run yet has a live part: in a storm the others stay in the queue. */
#define DUE_WAITING_MAX 1024u
/*
 * Of them, those that have to be brought into memory. Few, so that what is brought in for a wake is
 * still in the processor's cache when it runs, and when it is taken down: with 1,024 of them each
 * wake cost half as much again.
 */
#define DUE_ABSENT_MAX 8u
#define STEP_BUDGET 256u
/* Turns taken down in one idle iteration: each costs some 50 us, and someone may come due. */
#define SWEEP_BUDGET 4u
/* Bytes a running guest may gather before they are submitted. */
#define FLUSH_BYTES ((size_t)64 << 10)

typedef struct live live;
typedef struct act_note act_note; /* acted.c */
typedef struct watch watch;       /* watch.c */

/* The slim part. */
typedef struct actor {
    theater_id id;
    theater_hash head; /* of the last submitted event */
    uint64_t next_seq;
    uint64_t place; /* of the last submitted batch */
    uint64_t call_seq;
    uint64_t delivered_seq;
    int64_t step_seen_ms; /* how far its chain knows the wall clock was stepped, see host */
    live *live;           /* NULL: nothing to do, or evicted */
    uint32_t profile;     /* NO_PROFILE until its genesis was read */
    uint8_t state;        /* theater__state */
    uint8_t wait_kind;
    bool is_parked;
    bool is_started; /* its handlers' start callbacks ran */
} actor;

typedef enum live_phase {
    LIVE_QUEUED = 1,    /* in the ready list, or starved for a place in memory */
    LIVE_LOADING = 2,   /* a read is under way */
    LIVE_SUSPENDED = 3, /* its turn waits in a request */
    LIVE_OVER = 4       /* nothing to run: only batches in flight or outputs to give */
} live_phase;

/* Why an actor is read. One of a kind at a time: completions are told apart by it, not by order. */
typedef enum read_purpose {
    READ_LOAD = 0,    /* to make its turn resident */
    READ_OUTPUTS = 1, /* to give out what a dead process did not */
    READ_PURPOSES_COUNT = 2
} read_purpose;

typedef struct reading {
    live *owner;
    read_purpose purpose;
    bool is_under_way;
    bool genesis_only;
} reading;

/* The live part. */
struct live {
    theater__list link; /* in host.urgent, ready, starved or stalled */
    uint32_t index;
    live_phase phase;
    theater__turn *turn;
    uint32_t inflight;           /* batches and reads */
    theater__standing standing;  /* as the next batch will say it */
    theater__standing submitted; /* as the last batch said it: a note may say no more */
    reading readings[READ_PURPOSES_COUNT];
    theater__buffer history; /* of a spawned actor: its first turn needs no read */
    bool is_on_offer;        /* it may be evicted, and holds a seat: evict.c */
    uint32_t seat;

    bool has_end; /* how the open request ends, once there is a turn to record it */
    theater_wait_outcome end_outcome;
    char end_by[BY_MAX];
    theater__buffer end_value; /* encoded; empty: none */
    uint64_t end_seq;          /* the request it is for; 0: whichever is open */
    bool is_due;               /* by its timer, and counted in host.due_count */
    bool is_absent;            /* and it was not in memory then: in host.absent_count, too */
    bool is_own_end;           /* an effect's handler gave it */
    theater_mono due_mono;     /* DUE: when it should have been */
    theater_wall due_wall;

    bool is_cancelled; /* the actor is to be ended */
    char cancel_by[BY_MAX];
    bool is_effect_begun;
    uint64_t stays_ns; /* dropped while it worked: not again before it has worked so long */
    act_note *acts;    /* whose doer waits until they are durable */
};

/* One batch in flight. */
typedef struct flight {
    theater__list link; /* in host.flights */
    uint64_t number;    /* from 1, in the order of submitting */
    uint32_t index;
    bool has_outputs;
    bool is_awaited;        /* has outputs, or its end begins an effect or answers who acted */
    theater__buffer frames; /* if it has outputs */
    theater_hash parent;
    uint64_t first_seq;
    uint64_t last_seq; /* durable with it */
} flight;

typedef struct parked_note {
    uint32_t index;
    theater_status status;
    char reason[THEATER_ERROR_MESSAGE_MAX];
} parked_note;

/* Who may be evicted, see evict.c. */
typedef enum evict_queue {
    EVICT_ON_DEMAND = 0,
    EVICT_POOLED = 1,
    EVICT_LONG = 2,    /* expensive to bring back, whatever its place */
    EVICT_YIELDED = 3, /* no sleepers: preempted, and to begin again if they go */
    EVICT_QUEUES = 4
} evict_queue;

typedef struct evictor {
    theater__timerq queues[EVICT_QUEUES]; /* least key: the farthest due, the least worked */
    uint32_t *seats;                      /* the index of who sits there, or the next free seat */
    uint32_t free_seat;
} evictor;

typedef struct handler_entry {
    theater_handler handler;
    char *name;
    theater__buffer config; /* encoded values, for genesis */
} handler_entry;

struct theater_host {
    theater_host_options options; /* strings are the host's */
    char *store_url;
    char *cache_directory;
    char *compiler_path;
    theater__log log;

    handler_entry *handlers;
    uint32_t handlers_count;
    theater_shutdown_controller *shutdown;
    theater_shutdown_receiver *receiver; /* what handlers are given */
    theater_finished_fn *on_finished;
    void *on_finished_userdata;
    theater_parked_fn *on_parked;
    void *on_parked_userdata;

    theater__clock *clock;
    theater__ticker *ticker;
    theater__engine *engine;
    theater__store *store;
    theater__turn_env env;
    theater_mono opened_mono;
    int64_t step_total_ms;    /* what the wall clock was stepped by since the host opened */
    theater_mono rebase_mono; /* waits of another boot go on from here */
    theater_wall rebase_wall; /* the wall clock at that instant */

    theater_actor_component *registry; /* every handler's functions, without code */
    theater__profile no_profile;       /* of actors whose genesis was not read yet */
    theater_actor_component **components;
    size_t components_count;
    theater__profile **profiles;
    uint32_t profiles_count;

    actor **chunks;
    uint32_t actors_count;
    theater__map index;
    theater__timerq mono_queue; /* ns */
    theater__timerq wall_queue; /* ms */
    evictor evictor;

    theater__list urgent;      /* ready, and a wait of theirs has ended */
    theater__list ready;       /* ready: new ones, and those that gave way */
    theater__list starved_due; /* want to be resident, no place: a wait of theirs has ended */
    theater__list starved;     /* the others that do */
    theater__list stalled;     /* the store has too much in flight */
    theater__list flights;     /* batches in flight, the oldest first */
    uint64_t admissions;       /* of who was starved */
    uint64_t flights_made;
    uint32_t awaited_count; /* flights whose end somebody goes on from */
    theater__list waiters;  /* for what was in flight when they came, see durable.c */
    uint32_t lives_count;
    uint32_t due_count;      /* lives whose timer was popped and whose wait's end is not recorded */
    uint32_t absent_count;   /* of them, those that were not in memory */
    uint32_t loading_count;  /* reads under way */
    uint32_t resident_count; /* turns in memory, those in the graveyard included */
    uint32_t entering_count; /* turns on their way into memory: they have a place already */
    theater__turn **graveyard; /* turns that are over: taken down when nobody is waiting */
    uint32_t graveyard_count;
    uint32_t graveyard_capacity;
    uint32_t live_max;
    uint32_t *frontier;          /* scratch of prefetch.c */
    bool has_evicted;            /* there may be sleepers that are not in memory */
    theater_mono prefetch_again; /* not before */
    uint64_t active;             /* see theater_host_active() */

    parked_note *parked;
    size_t parked_count;

    int epoll_fd;
    int event_fd;
    watch *watches; /* NULL: none yet */
    uint32_t watches_count;
    uint32_t watch_skips;
    theater_mono watched_mono; /* when they were looked at last */
    int watch_epoll_fd;
    bool is_iterating; /* who is made ready now is looked at before the host waits */
    bool is_rung;      /* event_fd was rung for somebody who was made ready outside */
    atomic_bool is_stopping;
    bool is_busy;            /* the last iteration left something to run */
    theater_mono now;        /* of this iteration */
    theater_mono step_mono;  /* when the running step began */
    theater_mono ready_mono; /* when somebody who was not due ran last */
    theater_mono slice_end;  /* of the guest that runs */
    bool is_ticking;         /* VIRTUAL: the ticker repeats until there is nothing to run */
    uint64_t next_due_ns;    /* the earliest timer, for preemption */
    uint64_t wall_next_ms;   /* the earliest deadline; UINT64_MAX: to be looked up again */
    uint64_t wall_next_ns;   /* that, on the clock of elapsed time */
    theater_error failure;   /* the store has stopped */
    uint64_t entropy_counter;
    theater_host_stats stats;
    theater_histogram lateness; /* of waits that ended by their time, ns */
};

/* ---- actors.c: the table ---- */
actor *actor_at(const theater_host *host, uint32_t index);
theater_status actor_add(theater_host *host, const theater_id *id, uint32_t *out_index,
                         theater_error *err);
uint32_t actor_find(const theater_host *host, const theater_id *id);
/* Takes back the actor that was added last. */
void actor_remove_last(theater_host *host, uint32_t index);
/* Changes the state and keeps the count of active actors. */
void actor_set_state(theater_host *host, actor *a, theater__state state, uint8_t wait_kind);
/* The open request of an actor that waits, in memory or not; 0: it does not. */
uint64_t actor_wait_seq(const actor *a);
live *actor_make_live(theater_host *host, uint32_t index, theater_error *err);
/* Frees the live part if nothing needs it any more. */
void actor_settle(theater_host *host, uint32_t index);
void actor_free_live(theater_host *host, live *l);
void actor_park(theater_host *host, uint32_t index, const theater_error *error);
void actor_unpark(theater_host *host, uint32_t index);
const parked_note *actor_parked_note(const theater_host *host, uint32_t index);

/* ---- handlers.c ---- */
theater_status handlers_setup(theater_host *host, theater_actor_component *component,
                              theater_error *err);
theater_status handlers_start(theater_host *host, theater_id id, theater_error *err);
bool handlers_cover(const theater_host *host, const theater__profile *profile, theater_error *err);
void handlers_free(theater_host *host);

/* ---- components.c ---- */
theater_status component_by_digest(theater_host *host, const theater_hash *digest,
                                   theater_actor_component **out_component, theater_error *err);
theater_status component_load(theater_host *host, const void *data, size_t size,
                              theater_actor_component **out_component, theater_error *err);
/* The profile of a genesis, interned. Its component may not be loaded yet. */
theater_status profile_intern(theater_host *host, const theater__genesis *genesis,
                              uint32_t *out_profile, theater_error *err);
void components_free(theater_host *host);

/* ---- residency.c ---- */
/*
 * Brings the actor's turn into memory: at once from its history, or by a read. True: it is there.
 */
bool residency_enter(theater_host *host, live *l);
/* Reads the first record of an actor and waits for it: its profile is known then, and out_call gets
 * the payload of its call. For the rare question whether two actors are equal. */
theater_status profile_read(theater_host *host, uint32_t index, theater__buffer *out_call,
                            theater_error *err);
/* Begins a read of that purpose, unless one is under way. On failure nothing was begun. */
theater_status residency_read(theater_host *host, live *l, read_purpose purpose, bool genesis_only,
                              theater_error *err);
/* A place in memory may be free: who waited longest for one tries again. */
void residency_admit(theater_host *host);
/* A read that residency_enter() began has completed. */
void residency_loaded(theater_host *host, live *l, theater__store_completion *completion);
/*
 * Reads an actor from its beginning, the first record alone or all of it, and waits for it. Nobody
 * is told anything meanwhile, so it may be asked from inside callbacks. The caller deinits
 * out_completion, whatever is returned.
 */
theater_status residency_ask(theater_host *host, uint32_t index, bool genesis_only,
                             theater__store_completion *out_completion, theater_error *err);
/* Takes down up to so many turns that are over; false if there are none left. */
bool residency_sweep(theater_host *host, uint32_t count);
/* The turn is no longer needed in memory. */
void residency_leave(theater_host *host, live *l);
/* The actor is suspended: it may be evicted from now on, if nothing needs its turn. */
void residency_offer(theater_host *host, live *l);

/* ---- evict.c ---- */
theater_status evict_open(theater_host *host, theater_error *err);
void evict_close(theater_host *host);
/* The sleeper may be evicted; it will be wanted then. Again: it is wanted at another time. */
void evict_offer(theater_host *host, live *l, uint64_t wanted_ns);
/* It was preempted: it may be evicted for somebody who is due. */
void evict_offer_yielded(theater_host *host, live *l);
/* It may not any more, if it was on offer. */
void evict_withdraw(theater_host *host, live *l);
/* Who is to go now, no longer on offer; NULL if there is nobody. A preempted guest goes for
 * somebody who is due alone. */
live *evict_choose(theater_host *host, bool is_for_due);

/* ---- prefetch.c ---- */
/* In an idle moment: begins to bring in who is due next. False: there is nobody, or no place. */
bool prefetch(theater_host *host);

/* ---- loop.c ---- */
/* There is something to be done. Outside an iteration the program may go and poll now, and nothing
 * else would tell it. */
void ring(theater_host *host);

/* ---- turns.c ---- */
/* It is waited for: by who is due, or who cancels it. */
bool turn_is_urgent(const live *l);
void turn_ready(theater_host *host, live *l);
void turn_step(theater_host *host, live *l);
/* A timer came due. */
/* It is no longer counted as due. */
void turn_forget_due(theater_host *host, live *l);
void turn_due(theater_host *host, uint32_t index, theater_mono due_mono, theater_wall due_wall);

/* ---- commit.c ---- */
/* Submits what the turn appended, with the standing. False: it has to be tried again (stalled), or
 * the host has failed. */
bool commit_turn(theater_host *host, live *l);
/* Submits frames that stand outside a turn (genesis and call). */
theater_status commit_frames(theater_host *host, live *l, const theater__chain_writer *writer,
                             const theater_hash *parent, uint64_t first_seq, theater_error *err);
/* Submits only the standing: what was given out. */
void commit_note(theater_host *host, live *l);
void commit_poll(theater_host *host);
void commit_fail(theater_host *host, const theater_error *error);
void flight_free(flight *f);

/* ---- durable.c ---- */
/* Calls back those whose batches are durable, or that will never be. */
void durable_tell(theater_host *host);
/* The host is freed: calls back all that wait, and nobody can wait any more. */
void durable_close(theater_host *host);

/* ---- outputs.c ---- */
/* Gives out what frames hold behind `after`; returns the last event given out. */
uint64_t outputs_give(theater_host *host, uint32_t index, const theater__buffer *frames,
                      const theater_hash *parent, uint64_t first_seq, uint64_t after);
/* Begins the effect that the suspended turn waits for. */
void outputs_begin_effect(theater_host *host, live *l);

/* ---- recover.c ---- */
theater_status recover_all(theater_host *host, theater_error *err);
/* When a sleep is due on this boot's clock, whichever boot it was armed on. */
theater_mono recover_due(const theater_host *host, const theater__standing *standing);
/* Reads what a dead process did not give out. False: the actor is parked. */
bool recover_outputs(theater_host *host, live *l);
/* Fails with that status if the actor lives in another shard of the store. */
theater_status shard_check(const theater_host *host, const theater_id *id, theater_status otherwise,
                           theater_error *err);

/* ---- acts.c ---- */
/* Sets how the open request ends, if nothing did before. False: something did. */
bool act_end_wait(theater_host *host, uint32_t index, uint64_t seq, theater_wait_outcome outcome,
                  const char *by, const theater__buffer *value, theater_error *err);

/* ---- acted.c ---- */
/* The event of what was asked for: the end of a wait, or of the actor. */
void acts_recorded(live *l, bool is_actors_end, uint64_t seq);
/* Events up to this one are durable. */
void acts_durable(theater_host *host, live *l, uint64_t last_seq);
/* The end of a wait could not be recorded. */
void acts_refused(theater_host *host, live *l, const theater_error *error);
/* What was not recorded yet will not be, nor what was recorded from first_seq on. */
void acts_failed(theater_host *host, live *l, uint64_t first_seq, const theater_error *error);

/* ---- watch.c ---- */
void watches_serve(theater_host *host, bool is_busy);
void watches_free(theater_host *host);

/* ---- entropy.c ---- */
void entropy_fill(theater_host *host, uint8_t *out_bytes, size_t size);
theater_id entropy_id(theater_host *host);

/* ---- shutdown.c is the public interface only; look.c, files.c, replay.c likewise ---- */

/* host.c, for replay.c: clock, ticker, engine, env without a store. */
theater_status host_prepare(theater_host *host, theater_error *err);

#endif
