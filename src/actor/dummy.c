/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The specification's dummies: real objects that belong to nobody. A handler can be set up, started
 * and asked with them; what needs a host answers CLOSED.
 */
#include <theater/actor.h>

#include <string.h>

#include <actor/component.h>
#include <base/alloc.h>

#include "internal.h"

theater_actor_component *theater_actor_component_dummy(void)
{
    theater_actor_component *component = NULL;
    (void)theater__actor_component_new(NULL, &component, NULL);
    return component;
}

theater_actor_instance *theater_actor_instance_dummy(void)
{
    return theater__alloc_zeroed(1, sizeof(theater_actor_instance));
}

void theater_actor_instance_free(theater_actor_instance *instance)
{
    theater__free(instance);
}

theater_actor_store *theater_actor_store_dummy(void)
{
    return theater__alloc_zeroed(1, sizeof(theater_actor_store));
}

void theater_actor_store_free(theater_actor_store *store)
{
    theater__free(store);
}

theater_id theater_actor_store_id(const theater_actor_store *store)
{
    return store->id;
}

theater_head theater_actor_store_head(const theater_actor_store *store)
{
    theater_head head;
    memset(&head, 0, sizeof(head));
    if (store->writer != NULL && store->writer->next_seq > 0) {
        head.seq = store->writer->next_seq - 1;
        head.hash = store->writer->head;
    }
    return head;
}

theater_actor_handle theater_actor_handle_dummy(void)
{
    theater_actor_handle handle;
    memset(&handle, 0, sizeof(handle));
    return handle;
}
