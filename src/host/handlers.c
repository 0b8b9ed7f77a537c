/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry of handlers. Registered before the store is opened, so that a recovered actor finds
 * what it was made with; an actor whose genesis names a handler that is not here is parked.
 */
#include "internal.h"

#include <string.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <base/value.h>

static bool is_config(const theater_value *value)
{
    return value->kind == THEATER_VALUE_RECORD && value->of.items.count == 1 &&
           value->of.items.data[0].kind == THEATER_VALUE_U64;
}

static theater_status check(const theater_host *host, const theater_handler *handler,
                            theater_error *err)
{
    if (handler->struct_size != sizeof(*handler) || handler->name == NULL ||
        handler->name[0] == '\0' || handler->setup == NULL) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "a handler needs a name and a setup callback; start from "
                             "THEATER_HANDLER_INIT");
    }
    for (size_t i = 0; i < handler->config_count; i++) {
        if (!is_config(&handler->config[i])) {
            return theater__fail(err, THEATER_ERR_INVALID,
                                 "the config of handler '%s' has to be records of one u64 each",
                                 handler->name);
        }
    }
    if (host->store != NULL) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "handler '%s' has to be added before the host opens its store",
                             handler->name);
    }
    for (uint32_t i = 0; i < host->handlers_count; i++) {
        if (strcmp(host->handlers[i].name, handler->name) == 0) {
            return theater__fail(err, THEATER_ERR_EXISTS, "a handler '%s' was added already",
                                 handler->name);
        }
    }
    if (host->handlers_count >= THEATER__GENESIS_HANDLERS_MAX) {
        return theater__fail(err, THEATER_ERR_LIMIT, "handlers_max: a host takes up to %u handlers",
                             THEATER__GENESIS_HANDLERS_MAX);
    }
    return THEATER_OK;
}

static theater_status add(theater_host *host, const theater_handler *handler, theater_error *err)
{
    handler_entry *grown =
        theater__realloc_array(host->handlers, host->handlers_count + 1, sizeof(*grown));
    if (grown == NULL) {
        return theater__fail_nomem(err);
    }
    host->handlers = grown;
    handler_entry *entry = &host->handlers[host->handlers_count];
    memset(entry, 0, sizeof(*entry));
    entry->name = theater__strndup(handler->name, strlen(handler->name));
    theater__values_encode(&entry->config, handler->config, handler->config_count);
    if (entry->name == NULL || entry->config.failed) {
        theater__free(entry->name);
        theater__buffer_deinit(&entry->config);
        return theater__fail_nomem(err);
    }
    entry->handler = *handler;
    entry->handler.name = entry->name;
    entry->handler.config = NULL;
    host->handlers_count++;
    return THEATER_OK;
}

theater_status theater_host_add_handler(theater_host *host, const theater_handler *handler,
                                        theater_error *err)
{
    THEATER_ASSERT(host != NULL);
    THEATER_ASSERT(handler != NULL);
    theater_status status = check(host, handler, err);
    if (status == THEATER_OK) {
        status = add(host, handler, err);
    }
    if (status != THEATER_OK && handler->release != NULL) {
        handler->release(handler->self);
    }
    return status;
}

theater_status handlers_setup(theater_host *host, theater_actor_component *component,
                              theater_error *err)
{
    theater_actor_instance instance = {component->code};
    for (uint32_t i = 0; i < host->handlers_count; i++) {
        theater_handler *handler = &host->handlers[i].handler;
        theater__actor_component_set_handler(component, host->handlers[i].name);
        theater_status status = handler->setup(handler->self, component, err);
        if (status == THEATER_OK && handler->add_exports != NULL) {
            status = handler->add_exports(handler->self, &instance, err);
        }
        if (status != THEATER_OK) {
            return status;
        }
    }
    theater__actor_component_set_handler(component, NULL);
    return THEATER_OK;
}

theater_status handlers_start(theater_host *host, theater_id id, theater_error *err)
{
    theater_actor_handle handle = {host, id};
    for (uint32_t i = 0; i < host->handlers_count; i++) {
        theater_handler *handler = &host->handlers[i].handler;
        if (handler->start != NULL) {
            theater_status status = handler->start(handler->self, handle, host->receiver, err);
            if (status != THEATER_OK) {
                return status;
            }
        }
    }
    return THEATER_OK;
}

static bool has_handler(const theater_host *host, const char *name)
{
    for (uint32_t i = 0; i < host->handlers_count; i++) {
        if (strcmp(host->handlers[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

bool handlers_cover(const theater_host *host, const theater__profile *profile, theater_error *err)
{
    for (uint32_t i = 0; i < profile->handlers_count; i++) {
        if (!has_handler(host, profile->handlers[i].name)) {
            (void)theater__fail(err, THEATER_ERR_UNSUPPORTED,
                                "the actor was made with the handler '%s', which this host does "
                                "not have; add it and resume",
                                profile->handlers[i].name);
            return false;
        }
    }
    return true;
}

void handlers_free(theater_host *host)
{
    for (uint32_t i = 0; i < host->handlers_count; i++) {
        handler_entry *entry = &host->handlers[i];
        if (entry->handler.release != NULL) {
            entry->handler.release(entry->handler.self);
        }
        theater__free(entry->name);
        theater__buffer_deinit(&entry->config);
    }
    theater__free(host->handlers);
    host->handlers = NULL;
    host->handlers_count = 0;
}
