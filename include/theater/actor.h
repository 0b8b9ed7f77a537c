/* SPDX-License-Identifier: Apache-2.0 */
/**
 * \file actor.h
 * \brief The specification's ActorComponent, ActorInstance, ActorStore and ActorHandle.
 *
 * Each has a `_dummy()`: a real object that belongs to no host, does what it can and answers
 * THEATER_ERR_CLOSED to the rest. Handlers can be tried against them.
 */
#ifndef THEATER_ACTOR_H
#define THEATER_ACTOR_H

#include <stdbool.h>
#include <theater/chain.h>
#include <theater/error.h>
#include <theater/id.h>

THEATER_BEGIN_DECLS

typedef struct theater_host theater_host;

/** A component and the host functions that it may import. Owned by its host, or a dummy. */
typedef struct theater_actor_component theater_actor_component;
/** What a component exports, as handlers are shown it. */
typedef struct theater_actor_instance theater_actor_instance;
/** An actor as a host function sees it: its id and the state of its chain. */
typedef struct theater_actor_store theater_actor_store;

/** An actor of a host, by value. A zeroed one is theater_actor_handle_dummy(). */
typedef struct theater_actor_handle {
    theater_host *host; /**< borrowed; NULL for the dummy */
    theater_id id;
} theater_actor_handle;

/** \brief A component without code. \return NULL without memory; free it with _free() */
THEATER_API theater_actor_component *theater_actor_component_dummy(void);
/** \brief Frees a dummy; components of a host are the host's. Accepts NULL. */
THEATER_API void theater_actor_component_free(theater_actor_component *component);
/** \brief Whether a function can be imported: interface with or without version, name. */
THEATER_API bool theater_actor_component_has_function(const theater_actor_component *component,
                                                      const char *interface, const char *name);
/** \brief SHA-256 of the component's bytes; zeros for a dummy. */
THEATER_API theater_hash theater_actor_component_digest(const theater_actor_component *component);

/** \brief An instance that exports nothing. \return NULL without memory; free it with _free() */
THEATER_API theater_actor_instance *theater_actor_instance_dummy(void);
/** \brief Frees a dummy. Accepts NULL. */
THEATER_API void theater_actor_instance_free(theater_actor_instance *instance);
/** \brief Whether it exports a function: "run", "ntwk:theater/actor.init". */
THEATER_API bool theater_actor_instance_has_export(const theater_actor_instance *instance,
                                                   const char *name);

/** \brief A store of nobody: a zero id and an empty chain. \return NULL without memory */
THEATER_API theater_actor_store *theater_actor_store_dummy(void);
/** \brief Frees a dummy. Accepts NULL. */
THEATER_API void theater_actor_store_free(theater_actor_store *store);
/** \brief The actor's id. */
THEATER_API theater_id theater_actor_store_id(const theater_actor_store *store);
/** \brief The last recorded event. Folded readings that are still open are not in it. */
THEATER_API theater_head theater_actor_store_head(const theater_actor_store *store);

/** \brief A handle to no actor: every use answers THEATER_ERR_CLOSED. */
THEATER_API theater_actor_handle theater_actor_handle_dummy(void);

THEATER_END_DECLS
#endif
