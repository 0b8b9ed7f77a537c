/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a genesis binds, kept once for all actors that are equal in it: a million actors of one
 * component have a million ids and one profile.
 */
#include <actor/turn.h>

#include <string.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/bytes.h>
#include <base/error.h>
#include <base/value.h>

static theater_status read_handler(theater__profile *profile, size_t index,
                                   const theater__genesis_handler *handler, theater_error *err)
{
    theater__profile_handler *out = &profile->handlers[index];
    out->name = theater__strndup(handler->name.data, handler->name.size);
    if (out->name == NULL) {
        return theater__fail_nomem(err);
    }
    profile->handlers_count = (uint32_t)index + 1;
    /* Values borrow from the bytes they are decoded from: those have to live as long. */
    size_t size = handler->config.size;
    uint8_t *bytes = theater__arena_alloc(&profile->arena, size);
    if (bytes == NULL) {
        return theater__fail_nomem(err);
    }
    if (size > 0) {
        memcpy(bytes, handler->config.data, size);
    }
    theater__reader reader = theater__reader_of(bytes, size);
    return theater__values_decode(&reader, &profile->arena, &out->config, err);
}

/* All handler names and configurations in one string of bytes, to compare profiles by. */
static void put_config(theater__buffer *buffer, const theater__genesis *genesis)
{
    for (uint32_t i = 0; i < genesis->handlers_count; i++) {
        theater__buffer_put_sized(buffer, genesis->handlers[i].name.data,
                                  genesis->handlers[i].name.size);
        theater__buffer_put_sized(buffer, genesis->handlers[i].config.data,
                                  genesis->handlers[i].config.size);
    }
}

theater_status theater__profile_init(theater__profile *profile, const theater__genesis *genesis,
                                     theater_error *err)
{
    memset(profile, 0, sizeof(*profile));
    profile->component_digest = genesis->component;
    profile->limits = genesis->limits;
    put_config(&profile->config_bytes, genesis);
    profile->handlers =
        theater__alloc_zeroed((size_t)genesis->handlers_count + 1, sizeof(*profile->handlers));
    if (profile->handlers == NULL || profile->config_bytes.failed) {
        theater__profile_deinit(profile);
        return theater__fail_nomem(err);
    }
    for (uint32_t i = 0; i < genesis->handlers_count; i++) {
        theater_status status = read_handler(profile, i, &genesis->handlers[i], err);
        if (status != THEATER_OK) {
            theater__profile_deinit(profile);
            return status;
        }
    }
    THEATER_ASSERT(profile->handlers_count == genesis->handlers_count);
    return THEATER_OK;
}

void theater__profile_deinit(theater__profile *profile)
{
    THEATER_ASSERT(profile->handlers_count == 0 || profile->handlers != NULL);
    for (uint32_t i = 0; i < profile->handlers_count; i++) {
        theater__free(profile->handlers[i].name);
    }
    theater__free(profile->handlers);
    theater__buffer_deinit(&profile->config_bytes);
    theater__arena_deinit(&profile->arena);
    memset(profile, 0, sizeof(*profile));
}

static bool limits_equal(const theater_limits *a, const theater_limits *b)
{
    return a->memory_bytes_max == b->memory_bytes_max &&
           a->table_elements_max == b->table_elements_max && a->instances_max == b->instances_max &&
           a->tables_max == b->tables_max && a->memories_max == b->memories_max &&
           a->handles_max == b->handles_max && a->host_call_bytes_max == b->host_call_bytes_max &&
           a->turn_cpu_ms_max == b->turn_cpu_ms_max && a->call_cpu_ms_max == b->call_cpu_ms_max &&
           a->call_chain_bytes_max == b->call_chain_bytes_max &&
           a->state_bytes_max == b->state_bytes_max;
}

bool theater__profile_equal(const theater__profile *profile, const theater__genesis *genesis)
{
    if (memcmp(&profile->component_digest, &genesis->component, sizeof(genesis->component)) != 0 ||
        !limits_equal(&profile->limits, &genesis->limits)) {
        return false;
    }
    theater__buffer config = {0};
    put_config(&config, genesis);
    bool is_equal =
        !config.failed && config.size == profile->config_bytes.size &&
        (config.size == 0 || memcmp(config.data, profile->config_bytes.data, config.size) == 0);
    theater__buffer_deinit(&config);
    return is_equal;
}
