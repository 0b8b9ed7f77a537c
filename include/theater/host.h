/* SPDX-License-Identifier: Apache-2.0 */
/**
 * \file host.h
 * \brief The host: many actors, one thread, one store.
 *
 * \code
 * theater_host_new → add_handler … → open (recovers) → load_component, spawn … → run
 * \endcode
 *
 * A program either gives its thread away with theater_host_run(), or keeps its own loop: poll
 * theater_host_fd() for reading, then call theater_host_dispatch(). One thread owns a host and
 * everything that belongs to it; only theater_host_stop() and theater_host_wake_up() may come from
 * elsewhere, or from a signal handler.
 *
 * Stopping is at any moment as safe as being killed: sleepers are in the store already.
 *
 * One thread too few? A store can be made with several shards (theater/store.h): each is run by a
 * host of its own, in a thread or a process of its own, and they know nothing of each other.
 */
#ifndef THEATER_HOST_H
#define THEATER_HOST_H

#include <stdbool.h>
#include <theater/chain.h>
#include <theater/handler.h>
#include <theater/limits.h>
#include <theater/log.h>

THEATER_BEGIN_DECLS

/** Which clock a host runs on. */
typedef enum theater_clock_kind {
    THEATER_CLOCK_REAL = 0,
    THEATER_CLOCK_VIRTUAL = 1 /**< jumps to the next due time whenever nothing can run */
} theater_clock_kind;

/** What happens to a sleeper that came due while no host ran. */
typedef enum theater_overdue_policy {
    THEATER_OVERDUE_LATE = 0, /**< it wakes at once; the lateness is recorded */
    THEATER_OVERDUE_FAIL = 1  /**< its wait fails */
} theater_overdue_policy;

/** Settings of a host. Start from THEATER_HOST_OPTIONS_INIT. Strings are copied. */
typedef struct theater_host_options {
    size_t struct_size;
    const char *store_url; /**< "log:DIR", a directory, "memory:"; NULL: "memory:" */
    bool store_must_exist; /**< refuse instead of making a store */
    theater_clock_kind clock;
    theater_wall virtual_start; /**< VIRTUAL: where wall time begins; 0: 2026-01-01 */
    uint64_t seed;              /**< VIRTUAL: of ids and salts, so that chains repeat */
    theater_overdue_policy overdue;
    uint32_t live_max; /**< instances in memory; 0, and the most: vm.max_map_count / 8 / hosts */
    bool trap_unknown_imports;   /**< trap by name at the call instead of refusing the component */
    const char *cache_directory; /**< compiled code; NULL: $XDG_CACHE_HOME/theater, "" for none */
    const char *compiler_path;   /**< theater-compile; NULL: found beside the library */
    theater_log_fn *log;         /**< may be NULL */
    void *log_userdata;
    theater_log_level log_level_max;
    bool is_frozen; /**< nothing runs by itself: no sleeper wakes, nothing is given out, nothing is
                         spawned; what theater_host_act() records is taken up by the next host */
    bool store_adopt; /**< open the store though it is a copy of another one, and make it one of its
                           own. For whoever knows that the original will never run again: two of
                           one store run every effect twice */
    uint32_t shard;   /**< which shard of the store this host runs, from 0 */
    uint32_t shards_count; /**< shards of the store: as many as a new one gets, for good; what an
                                old one has, see theater_store_shards(); 0: 1 */
    uint32_t hosts_count;  /**< hosts of this process, which share its memory maps: each has its
                                part of what live_max may be and of the engine's pool. 0: 1, or as
                                many as the store has shards; never fewer than these */
} theater_host_options;
#define THEATER_HOST_OPTIONS_INIT                                                            \
    {                                                                                        \
        sizeof(theater_host_options), NULL, false, THEATER_CLOCK_REAL, {0}, 0,               \
            THEATER_OVERDUE_LATE, 0, false, NULL, NULL, NULL, NULL, THEATER_LOG_INFO, false, \
            false, 0, 0, 0                                                                   \
    }

/**
 * \brief Makes a host that has no store open yet.
 * \param options  NULL for the defaults
 * \param out_host to be freed with theater_host_free()
 * \param err      optional
 * \retval THEATER_ERR_INVALID no such shard; several shards and a virtual clock, which cannot jump
 *                             in several threads at once
 * \retval THEATER_ERR_LIMIT   more than THEATER_SHARDS_MAX shards
 */
THEATER_API theater_status theater_host_new(const theater_host_options *options,
                                            theater_host **out_host, theater_error *err);
/** \brief Stops at once, as safe as a kill; what is in flight is waited for. Accepts NULL. */
THEATER_API void theater_host_free(theater_host *host);

/**
 * \brief Registers a handler. Before theater_host_open(), so that recovered actors find it.
 * \param handler copied; its release callback is the host's to call, also if this fails
 * \retval THEATER_ERR_EXISTS one of that name is there
 */
THEATER_API theater_status theater_host_add_handler(theater_host *host,
                                                    const theater_handler *handler,
                                                    theater_error *err);

/** \brief Says a line through the host's log callback; for handlers. */
THEATER_API void theater_host_log(const theater_host *host, theater_log_level level,
                                  const char *format, ...) THEATER_PRINTF(3, 4);

/** How an actor stands. */
typedef enum theater_actor_state {
    THEATER_ACTOR_RUNNING = 1, /**< between a wake and the next suspension */
    THEATER_ACTOR_ASLEEP = 2,  /**< until a due time */
    THEATER_ACTOR_WAITING = 3, /**< until it is completed */
    THEATER_ACTOR_IDLE = 4,    /**< no call to run */
    THEATER_ACTOR_PARKED = 5,  /**< set aside; `parked_reason` says why; retried by resume */
    THEATER_ACTOR_ENDED = 6
} theater_actor_state;

/** \brief The word for a state, such as `asleep`. */
THEATER_API const char *theater_actor_state_name(theater_actor_state state);

/** What is known of an actor. Borrows until the next use of the host. */
typedef struct theater_actor_info {
    theater_id id;
    theater_actor_state state;
    bool is_resident; /**< its instance is in memory */
    theater_head head;
    bool has_due;
    theater_wall due;          /**< when it wakes, in wall time as seen now */
    const char *parked_reason; /**< NULL unless parked */
    bool has_output;   /**< of a store at rest: something was recorded and not yet given out */
    uint64_t wait_seq; /**< of the open wait or effect: {id, wait_seq} is its token, also after a
                            restart; 0: none is open */
} theater_actor_info;

/** The end of an actor, also of one that a dead process spawned. Borrows during the callback. */
typedef struct theater_finished {
    theater_id id;
    theater_end_reason reason;
    const theater_value *result; /**< RETURNED: what its last call returned; NULL if nothing */
    theater_text text;           /**< other reasons: what happened, one line */
    theater_head head;           /**< of its chain, as verify wants it */
    uint64_t result_seq;         /**< the event of the result: the same if it is reported twice */
} theater_finished;

/**
 * \brief Called for every actor that ended, when that is durable.
 *
 * \return true: acknowledged, it is not reported again; false: kept, and reported again after the
 *         next theater_host_open()
 */
typedef bool theater_finished_fn(const theater_finished *finished, void *userdata);
/** \brief Before theater_host_open(). Without a callback results are kept. */
THEATER_API void theater_host_on_finished(theater_host *host, theater_finished_fn *callback,
                                          void *userdata);

/** \brief Called when an actor is parked, with the reason. */
typedef void theater_parked_fn(theater_id id, theater_status status, const char *reason,
                               void *userdata);
/** \brief Before theater_host_open(). */
THEATER_API void theater_host_on_parked(theater_host *host, theater_parked_fn *callback,
                                        void *userdata);

/**
 * \brief Opens the store and takes up every actor in it where it stopped.
 * \retval THEATER_ERR_STORE   the store cannot be opened; another process holds it; it is a copy
 *                             (see `store_adopt`)
 * \retval THEATER_ERR_CORRUPT it is damaged
 * \retval THEATER_ERR_INVALID it has another number of shards, which the message names
 */
THEATER_API theater_status theater_host_open(theater_host *host, theater_error *err);

/**
 * \brief Loads a component and sets it up with every handler. Compiles it if it is new here.
 * \param data          .wasm bytes or .wat text; kept in the store by its digest
 * \param out_component the host's; the same for the same bytes
 * \retval THEATER_ERR_INVALID     no component
 * \retval THEATER_ERR_UNSUPPORTED an import that no handler offers; the message names it
 */
THEATER_API theater_status theater_host_load_component(theater_host *host, const void *data,
                                                       size_t size,
                                                       theater_actor_component **out_component,
                                                       theater_error *err);
/** \brief The same from a file. */
THEATER_API theater_status theater_host_load_component_file(theater_host *host, const char *path,
                                                            theater_actor_component **out_component,
                                                            theater_error *err);

/** What to spawn. Start from THEATER_SPAWN_OPTIONS_INIT. Everything is copied. */
typedef struct theater_spawn_options {
    size_t struct_size;
    const theater_id *id;    /**< NULL: a new random one */
    const char *export_name; /**< NULL: ntwk:theater/actor.init */
    const char *args_json;   /**< a JSON array, read by the export's type; NULL: `[]`, or for
                                  actor.init the state and the id */
    theater_bytes state;     /**< actor.init: the initial state; data NULL = none */
    theater_limits limits;
} theater_spawn_options;
#define THEATER_SPAWN_OPTIONS_INIT                                                      \
    {                                                                                   \
        sizeof(theater_spawn_options), NULL, NULL, NULL, {NULL, 0}, THEATER_LIMITS_INIT \
    }

/**
 * \brief Creates an actor and starts its call. Returns before anything ran.
 * \param component of this host
 * \param options   NULL for the defaults
 * \param out_id    set on success; may be NULL
 * \retval THEATER_ERR_INVALID  arguments of the wrong type; min > max of limits; an id that lives
 *                              in another shard than the host's
 * \retval THEATER_ERR_NOTFOUND no such export; the message lists what there is
 * \retval THEATER_ERR_EXISTS   that id is there with another genesis (with an equal one: OK)
 * \retval THEATER_ERR_LIMIT    actors_max
 *
 * An id that is there is read back, which waits for the disk. Also from inside callbacks.
 */
THEATER_API theater_status theater_host_spawn(theater_host *host,
                                              theater_actor_component *component,
                                              const theater_spawn_options *options,
                                              theater_id *out_id, theater_error *err);

/**
 * \brief Runs until nothing is left to do (every actor ended, idle, parked or waiting for a token
 *        that only the caller can complete) or theater_host_stop().
 * \retval THEATER_ERR_CANCELLED stopped
 * \retval THEATER_ERR_STORE     the store has stopped
 */
THEATER_API theater_status theater_host_run(theater_host *host, theater_error *err);

/** \brief A descriptor to poll for reading. With a virtual clock it is for durability alone. */
THEATER_API int theater_host_fd(const theater_host *host);

/**
 * \brief Does what can be done now, in bounded time, and arms the descriptor.
 * \param out_more true: call again soon, something could run; may be NULL
 */
THEATER_API theater_status theater_host_dispatch(theater_host *host, bool *out_more,
                                                 theater_error *err);
/** \brief Actors that still can do something by themselves: running, asleep, or reporting. */
THEATER_API uint64_t theater_host_active(const theater_host *host);

/** \brief Called when a watched descriptor is readable; may end watches, not free the host. */
typedef void theater_watch_fn(int fd, void *userdata);
/**
 * \brief Serves a descriptor of the caller's in the host's own loop: theater_host_run() and
 *        theater_host_dispatch() call back while it is readable, and so is theater_host_fd().
 *
 * A busy host looks once in a few iterations. It does not keep theater_host_run() from returning.
 *
 * \param fd       borrowed until theater_host_unwatch() or theater_host_free()
 * \param callback on the owner's thread
 * \retval THEATER_ERR_EXISTS  it is watched already
 * \retval THEATER_ERR_LIMIT   watches_max (64)
 * \retval THEATER_ERR_INVALID it cannot be polled
 */
THEATER_API theater_status theater_host_watch(theater_host *host, int fd,
                                              theater_watch_fn *callback, void *userdata,
                                              theater_error *err);
/** \brief Ends a watch, before the descriptor is closed; what is not watched is left alone. */
THEATER_API void theater_host_unwatch(theater_host *host, int fd);

/** \brief OK: durable. THEATER_ERR_STORE, THEATER_ERR_CLOSED: that is not known any more. */
typedef void theater_durable_fn(theater_status status, void *userdata);
/**
 * \brief Calls back once all that the host has recorded so far is durable: for whoever shows to the
 *        outside what theater_host_actor() or theater_host_visit() says.
 *
 * Never from inside this call; at the latest by theater_host_free().
 *
 * \param callback never called if this fails, otherwise once
 * \retval THEATER_ERR_STORE the store has stopped
 */
THEATER_API theater_status theater_host_on_durable(theater_host *host, theater_durable_fn *callback,
                                                   void *userdata, theater_error *err);

/** \brief Makes theater_host_run() return soon. Any thread, signal handlers too. */
THEATER_API void theater_host_stop(theater_host *host);
/** \brief Makes the descriptor readable. Any thread, signal handlers too. */
THEATER_API void theater_host_wake_up(theater_host *host);

/**
 * \brief Completes a wait or an effect. The first completion that is recorded wins.
 * \param value copied; the function's result, or what its finish callback is given; may be NULL
 * \param by    who does it, for the chain; may be NULL
 * \retval THEATER_ERR_NOTFOUND no such actor, or that request is not open (any more)
 * \retval THEATER_ERR_INVALID  no value where the function has a result; a value of another type is
 *         said to the log, and the wait stays open
 */
THEATER_API theater_status theater_host_complete(theater_host *host, theater_token token,
                                                 const theater_value *value, const char *by,
                                                 theater_error *err);
/** \brief Ends an actor's open wait with the outcome CANCELLED. */
THEATER_API theater_status theater_host_cancel_wait(theater_host *host, theater_id id,
                                                    const char *by, theater_error *err);
/** \brief Ends an actor's open wait before its time, with the outcome WOKEN. */
THEATER_API theater_status theater_host_wake(theater_host *host, theater_id id, const char *by,
                                             theater_error *err);
/** \brief Ends an actor, with an event. */
THEATER_API theater_status theater_host_cancel(theater_host *host, theater_id id, const char *by,
                                               theater_error *err);
/** What can be done to an actor. */
typedef enum theater_act_kind {
    THEATER_ACT_WAKE = 1,        /**< theater_host_wake() */
    THEATER_ACT_CANCEL_WAIT = 2, /**< theater_host_cancel_wait() */
    THEATER_ACT_CANCEL = 3       /**< theater_host_cancel() */
} theater_act_kind;

/** How an act went. Borrows during the callback. */
typedef struct theater_acted {
    theater_id id;
    theater_act_kind kind;
    theater_status status; /**< OK: its event is durable */
    uint64_t seq;          /**< OK: that event */
    const char *message;   /**< otherwise: why there is none, one line */
} theater_acted;

/**
 * \brief Called once for each accepted act, at the latest by theater_host_free().
 *
 * With THEATER_ERR_CLOSED it is not known whether the act is in the chain; with any other failure
 * it is not.
 */
typedef void theater_acted_fn(const theater_acted *acted, void *userdata);
/**
 * \brief Does something to an actor and says when that is durable.
 * \param by       who does it, for the chain; may be NULL
 * \param callback never called if this fails, otherwise once
 * \retval THEATER_ERR_NOTFOUND no such actor, it has ended, it does not wait for anything
 * \retval THEATER_ERR_CLOSED   it is parked
 */
THEATER_API theater_status theater_host_act(theater_host *host, theater_act_kind kind,
                                            theater_id id, const char *by,
                                            theater_acted_fn *callback, void *userdata,
                                            theater_error *err);
/** \brief Tries a parked actor again. */
THEATER_API theater_status theater_host_resume(theater_host *host, theater_id id,
                                               theater_error *err);
/** \brief Ends every open wait that has a finish callback with the outcome SHUTDOWN: the policy
 * that  tells the actors. Others stay as they are. */
THEATER_API theater_status theater_host_tell_shutdown(theater_host *host, theater_error *err);
/** \brief The host's shutdown, to subscribe to or to signal. The host's own. */
THEATER_API theater_shutdown_controller *theater_host_shutdown(theater_host *host);

/** \brief Looks an actor up. */
THEATER_API theater_status theater_host_actor(theater_host *host, theater_id id,
                                              theater_actor_info *out_info, theater_error *err);
/**
 * \brief The chain of an actor of an open host, out of any store, as far as it was recorded.
 *
 * Waits for the disk. Also from inside callbacks.
 *
 * \param host      owner thread only
 * \param id        the actor
 * \param out_chain to be freed with theater_chain_free()
 * \param err       optional
 * \retval THEATER_ERR_NOTFOUND no such actor
 * \retval THEATER_ERR_CORRUPT  what the store holds of it cannot be read
 */
THEATER_API theater_status theater_host_chain(theater_host *host, theater_id id,
                                              theater_chain **out_chain, theater_error *err);
/** \brief Visits all actors; non-zero stops. */
typedef int theater_actor_visit_fn(const theater_actor_info *info, void *userdata);
/** \brief Visits all actors in the order of their first appearance. */
THEATER_API void theater_host_visit(theater_host *host, theater_actor_visit_fn *visit,
                                    void *userdata);
/** \brief The same from a position on (0: the first): positions never change, so pages fit. */
THEATER_API void theater_host_visit_from(theater_host *host, uint64_t position,
                                         theater_actor_visit_fn *visit, void *userdata);

/** What a host did so far. */
typedef struct theater_host_stats {
    size_t struct_size;
    uint64_t actors;   /**< known, ended ones included */
    uint64_t resident; /**< instances in memory */
    uint64_t evictions;
    uint64_t replays;     /**< turns that began by replaying */
    uint64_t wakes;       /**< waits that came due */
    uint64_t events;      /**< appended */
    uint64_t late_max_ns; /**< the latest wake */
    uint64_t parked;
    uint64_t terminated; /**< actors ended by a limit */
    uint64_t prefetches; /**< sleepers that were brought into memory before they were due */
    uint64_t asleep;     /**< actors that sleep, in memory or not, parked ones included */
} theater_host_stats;
/** \brief Fills what fits into out_stats->struct_size. */
THEATER_API void theater_host_stats_get(const theater_host *host, theater_host_stats *out_stats);
/** \brief The durability level of the open store: "durable" or "memory". */
THEATER_API const char *theater_host_level(const theater_host *host);
/** \brief "wasmtime 48.0.8". */
THEATER_API const char *theater_engine_name(void);
/** \brief Version of the library, "0.1.0". */
THEATER_API const char *theater_version(void);

/**
 * \brief Lists the actors of a store without opening it: no lock, nothing is written.
 *
 * Reads what a start would: indexes where there are some, and the log behind them. Of one log,
 * actors come in the order of their ids.
 *
 * \return THEATER_OK; THEATER_ERR_CORRUPT if the store is damaged, after all actors that can be
 * read were visited; THEATER_ERR_CANCELLED if visit stopped it; THEATER_ERR_NOTFOUND if there is
 * none; THEATER_ERR_IO if a file of it may not be read by this user; THEATER_ERR_STORE if it is
 * pruned again and again meanwhile: try again
 */
THEATER_API theater_status theater_store_visit(const char *url, theater_actor_visit_fn *visit,
                                               void *userdata, theater_error *err);

/** What re-execution found. */
typedef struct theater_replay_report {
    bool is_clean;         /**< every request was as recorded */
    uint64_t events_count; /**< events that were passed */
    uint64_t calls_count;
    uint64_t seq;                             /**< not clean: the event where they part */
    char expected[THEATER_ERROR_MESSAGE_MAX]; /**< not clean: what the chain has */
    char actual[THEATER_ERROR_MESSAGE_MAX];   /**< not clean: what the component did */
    char message[THEATER_ERROR_MESSAGE_MAX];  /**< one line for people, always set */
} theater_replay_report;

/**
 * \brief Executes a chain again and compares every request. Nothing is waited for or written.
 *
 * \param host       a host whose handlers are registered; it need not be open
 * \param chain      verified on the way
 * \param data       the component's bytes: any, so that a changed one can be compared
 * \param out_report set on success; a divergence is a success of this function
 * \retval THEATER_ERR_CORRUPT the chain is damaged
 */
THEATER_API theater_status theater_chain_replay(theater_host *host, const theater_chain *chain,
                                                const void *data, size_t size,
                                                theater_replay_report *out_report,
                                                theater_error *err);

THEATER_END_DECLS
#endif
