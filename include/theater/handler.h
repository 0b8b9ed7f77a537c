/* SPDX-License-Identifier: Apache-2.0 */
/**
 * \file handler.h
 * \brief How host functions are added: the extension point on which timing and runtime stand too.
 *
 * A handler offers functions of one or more interfaces to guests. For each function it says how the
 * chain treats it; in return the function is as durable, evictable and auditable as `sleep`:
 *
 * | kind     | your callback runs                  | the chain holds              | replay        |
 * | -------- | ----------------------------------- | ---------------------------- | ------------- |
 * | PURE     | at every call, on replay too        | nothing                      | runs it again |
 * | RECORDED | at the call                         | one event: call and result   | gives it back |
 * | EFFECT   | when durable; possibly again        | the request, then its result | gives it back |
 * | WAIT     | at the call: answers, or waits      | the request, then its end    | gives it back |
 *
 * An EFFECT may run again after a crash: (actor, seq) is its idempotency key. An EFFECT whose
 * function has no result does not suspend the guest (a log line). A WAIT ends at its due time, or
 * when the program completes its token; whichever is recorded first wins, and what comes later
 * changes nothing.
 *
 * Callbacks run on the host's thread and must not block. They run on the guest's stack: use less
 * than 32 KiB of it. They never read a clock: theater_call_now() is the host's reading, and is
 * recorded.
 */
#ifndef THEATER_HANDLER_H
#define THEATER_HANDLER_H

#include <theater/actor.h>
#include <theater/chain.h>
#include <theater/shutdown.h>
#include <theater/value.h>

THEATER_BEGIN_DECLS

/** How the chain treats a function; see the table above. */
typedef enum theater_function_kind {
    THEATER_FUNCTION_PURE = 1,
    THEATER_FUNCTION_RECORDED = 2,
    THEATER_FUNCTION_EFFECT = 3,
    THEATER_FUNCTION_WAIT = 4
} theater_function_kind;

/** One call of a host function. Valid during the callback it is given to. */
typedef struct theater_call theater_call;

/** Names one open wait or effect, also after a restart: the actor and the request's event. */
typedef struct theater_token {
    theater_id actor;
    uint64_t seq;
} theater_token;

/**
 * \brief Serves one call.
 *
 * Ends with exactly one of theater_call_return(), a theater_call_wait_…() (WAIT only) or
 * theater_call_end(); a function without a result may simply return THEATER_OK. An EFFECT may
 * return THEATER_OK without a result and be completed later, by its token.
 *
 * \param call     valid until the callback returns
 * \param args     one value a parameter, of the types that the guest's import declares
 * \param userdata what the function was added with
 * \param err      to be filled when something else than THEATER_OK is returned
 * \return THEATER_OK; anything else is the host's own failure (no memory): the turn is abandoned
 *         and nothing is recorded, the guest never sees it
 */
typedef theater_status theater_function_fn(theater_call *call, theater_values args, void *userdata,
                                           theater_error *err);

/** How a wait ended, for theater_finish_fn. */
typedef struct theater_wait_end {
    theater_wait_outcome outcome;
    const theater_value *value; /**< COMPLETED: what it was completed with; may be NULL */
} theater_wait_end;

/**
 * \brief Turns the end of a wait into the guest's result, with theater_call_return().
 * Needed for WAIT functions that can end without a value. No guest is there: only the record is
 * made.
 */
typedef theater_status theater_finish_fn(theater_call *call, const theater_wait_end *end,
                                         void *userdata, theater_error *err);

/** One function. Start from THEATER_FUNCTION_INIT. Strings are copied. */
typedef struct theater_function {
    size_t struct_size;
    const char
        *interface;   /**< "acme:db/lookup" or with "@1.2.0"; the chain names it without version */
    const char *name; /**< "find" */
    const char
        *signature; /**< as WIT spells it: "func(key: string) -> option<string>"; an import of
                                another type is refused. NULL: any */
    theater_function_kind kind;
    theater_function_fn *call;
    theater_finish_fn *finish; /**< WAIT; NULL: the completing value is the result */
    void *userdata;
} theater_function;
#define THEATER_FUNCTION_INIT                                                               \
    {                                                                                       \
        sizeof(theater_function), NULL, NULL, NULL, THEATER_FUNCTION_PURE, NULL, NULL, NULL \
    }

/**
 * \brief Adds a function to what a component may import.
 * \param component borrowed
 * \param function  copied
 * \param err       optional
 * \retval THEATER_ERR_EXISTS  that interface and name are there already
 * \retval THEATER_ERR_INVALID a missing field
 */
THEATER_API theater_status theater_actor_component_add_function(theater_actor_component *component,
                                                                const theater_function *function,
                                                                theater_error *err);

/** A handler. Start from THEATER_HANDLER_INIT. Callbacks other than setup may be NULL. */
typedef struct theater_handler {
    size_t struct_size;
    const char *name; /**< short and stable: it stands in every genesis */
    void *self;       /**< first argument of the callbacks */
    /** Adds the functions; once a component. */
    theater_status (*setup)(void *self, theater_actor_component *component, theater_error *err);
    /** Looks at what the component exports; once a component. */
    theater_status (*add_exports)(void *self, theater_actor_instance *instance, theater_error *err);
    /** An actor begins, or goes on after a start of the host. */
    theater_status (*start)(void *self, theater_actor_handle actor,
                            theater_shutdown_receiver *shutdown, theater_error *err);
    /** Called by theater_host_free(). */
    void (*release)(void *self);
    /** What binds an actor: goes into its genesis, and is what theater_call_config_u64() gives for
     *  ever after, whatever the handler is configured to later. Records of one named u64 each. */
    const theater_value *config;
    size_t config_count;
} theater_handler;
#define THEATER_HANDLER_INIT                                                 \
    {                                                                        \
        sizeof(theater_handler), NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0 \
    }

/** \brief What the actor is: its id and chain, as the specification's ActorStore. */
THEATER_API const theater_actor_store *theater_call_store(const theater_call *call);
/** \brief The token of this request; WAIT and EFFECT. Also the idempotency key. */
THEATER_API theater_token theater_call_token(const theater_call *call);
/** \brief The wall clock, as `now` gives it. One reading a call; it stands in the call's event. */
THEATER_API theater_wall theater_call_now(theater_call *call);
/**
 * \brief A number of the handler's config by name, as the actor's genesis has it, else fallback.
 */
THEATER_API uint64_t theater_call_config_u64(const theater_call *call, const char *name,
                                             uint64_t fallback);

/** \brief The result; copied. NULL for a function without one. */
THEATER_API theater_status theater_call_return(theater_call *call, const theater_value *result,
                                               theater_error *err);
/** \brief WAIT: until so much time has passed, from now. UINT64_MAX waits for ever. */
THEATER_API void theater_call_wait_for(theater_call *call, uint64_t duration_ms);
/** \brief WAIT: until the wall clock shows this instant, however it is set meanwhile. */
THEATER_API void theater_call_wait_until(theater_call *call, theater_wall due);
/** \brief WAIT: until theater_host_complete() is called with the token. */
THEATER_API void theater_call_wait_token(theater_call *call);
/** \brief Ends the actor, with a reason that its chain holds. */
THEATER_API void theater_call_end(theater_call *call, theater_end_reason reason, const char *text);

THEATER_END_DECLS
#endif
