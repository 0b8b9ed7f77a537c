/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A component with the host functions that it may import: the specification's ActorComponent.
 *
 * Handlers add functions under the interface names that guests write, with or without a version;
 * the chain knows a function by its id, which has none ("ntwk:theater/timing.sleep"), so that a
 * guest that moves to another version of an interface still reads the same chain.
 */
#ifndef ACTOR_COMPONENT_H
#define ACTOR_COMPONENT_H

#include <engine/engine.h>
#include <theater/handler.h>

/* One host function, as it was added. Lives as long as its component. */
typedef struct theater__function {
    char *interface; /* as added, NUL-terminated */
    char *name;
    char *id; /* interface without version, '.', name */
    size_t id_size;
    char *signature; /* NULL: any */
    theater_function_kind kind;
    theater_function_fn *call;
    theater_finish_fn *finish;
    void *userdata;
    const char *handler; /* name of the handler that added it, borrowed; NULL: none */
} theater__function;

struct theater_actor_component {
    theater__component *code; /* NULL: a dummy */
    theater_hash digest;
    theater__function **functions; /* in the order of adding */
    size_t functions_count;
    size_t functions_capacity;
    const theater__function **imports; /* by import index, after linking; NULL: traps when called */
    const char *handler;               /* of functions that are being added */
};

struct theater_actor_instance {
    const theater__component *code; /* NULL: a dummy */
};

/* Takes code (NULL for a dummy), also when it fails. */
theater_status theater__actor_component_new(theater__component *code,
                                            theater_actor_component **out_component,
                                            theater_error *err);

/* Functions added from now on belong to the handler of this name, which is borrowed. */
void theater__actor_component_set_handler(theater_actor_component *component, const char *handler);

/*
 * Gives each import its function and builds the linker. UNSUPPORTED names every import that nobody
 * offers, or that is offered with another type.
 */
theater_status theater__actor_component_link(theater_actor_component *component, bool trap_unknown,
                                             theater_error *err);

/* By id; NULL if there is none. */
const theater__function *theater__actor_component_function(const theater_actor_component *component,
                                                           theater_text id);

#endif
