/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Components by digest, and profiles by genesis: each is loaded once, however many actors share it.
 * A component is put into the store before the first actor of it, so that `resume` needs no file.
 */
#include "internal.h"

#include <string.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <base/limits.h>

static theater_actor_component *find_component(const theater_host *host, const theater_hash *digest)
{
    for (size_t i = 0; i < host->components_count; i++) {
        if (memcmp(&host->components[i]->digest, digest, sizeof(*digest)) == 0) {
            return host->components[i];
        }
    }
    return NULL;
}

static theater_status keep_component(theater_host *host, theater_actor_component *component,
                                     theater_error *err)
{
    theater_actor_component **grown = theater__realloc_array(
        host->components, host->components_count + 1, sizeof(theater_actor_component *));
    if (grown == NULL) {
        return theater__fail_nomem(err);
    }
    host->components = grown;
    host->components[host->components_count++] = component;
    return THEATER_OK;
}

/* Code, functions of all handlers, linker. */
static theater_status build_component(theater_host *host, const void *data, size_t size,
                                      theater_actor_component **out_component, theater_error *err)
{
    theater__component *code = NULL;
    theater_status status = theater__component_open(host->engine, data, size, &code, err);
    if (status != THEATER_OK) {
        return status;
    }
    theater_actor_component *component = NULL;
    status = theater__actor_component_new(code, &component, err);
    if (status != THEATER_OK) {
        return status;
    }
    status = handlers_setup(host, component, err);
    if (status == THEATER_OK) {
        status = theater__actor_component_link(component, host->options.trap_unknown_imports, err);
    }
    if (status == THEATER_OK) {
        status = keep_component(host, component, err);
    }
    if (status != THEATER_OK) {
        theater_actor_component_free(component);
        return status;
    }
    *out_component = component;
    return THEATER_OK;
}

theater_status component_load(theater_host *host, const void *data, size_t size,
                              theater_actor_component **out_component, theater_error *err)
{
    if (size > THEATER__COMPONENT_BYTES_MAX) {
        return theater__fail(err, THEATER_ERR_LIMIT,
                             "component_bytes_max: the component has %zu bytes, %zu are allowed",
                             size, (size_t)THEATER__COMPONENT_BYTES_MAX);
    }
    theater_hash digest = theater__sha256(data, size);
    theater_actor_component *component = find_component(host, &digest);
    if (component == NULL) {
        theater_status status = build_component(host, data, size, &component, err);
        if (status != THEATER_OK) {
            return status;
        }
        THEATER_ASSERT(memcmp(&component->digest, &digest, sizeof(digest)) == 0);
    }
    *out_component = component;
    return THEATER_OK;
}

theater_status theater_host_load_component(theater_host *host, const void *data, size_t size,
                                           theater_actor_component **out_component,
                                           theater_error *err)
{
    THEATER_ASSERT(host != NULL);
    THEATER_ASSERT(out_component != NULL);
    if (host->store == NULL) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "call theater_host_open() before a component is loaded");
    }
    theater_actor_component *component = NULL;
    theater_status status = component_load(host, data, size, &component, err);
    if (status != THEATER_OK) {
        return status;
    }
    theater_bytes bytes = {data, size};
    status = theater__store_put_component(host->store, &component->digest, bytes, err);
    if (status == THEATER_OK) {
        *out_component = component;
    }
    return status;
}

theater_status component_by_digest(theater_host *host, const theater_hash *digest,
                                   theater_actor_component **out_component, theater_error *err)
{
    theater_actor_component *component = find_component(host, digest);
    if (component != NULL) {
        *out_component = component;
        return THEATER_OK;
    }
    theater__buffer bytes = {0};
    theater_status status = theater__store_get_component(host->store, digest, &bytes, err);
    if (status == THEATER_OK) {
        status = component_load(host, bytes.data, bytes.size, out_component, err);
    }
    theater__buffer_deinit(&bytes);
    return status;
}

theater_status profile_intern(theater_host *host, const theater__genesis *genesis,
                              uint32_t *out_profile, theater_error *err)
{
    for (uint32_t i = 0; i < host->profiles_count; i++) {
        if (theater__profile_equal(host->profiles[i], genesis)) {
            *out_profile = i;
            return THEATER_OK;
        }
    }
    theater__profile **grown = theater__realloc_array(host->profiles, host->profiles_count + 1,
                                                      sizeof(theater__profile *));
    if (grown == NULL) {
        return theater__fail_nomem(err);
    }
    host->profiles = grown;
    theater__profile *profile = theater__alloc_zeroed(1, sizeof(*profile));
    if (profile == NULL) {
        return theater__fail_nomem(err);
    }
    theater_status status = theater__profile_init(profile, genesis, err);
    if (status != THEATER_OK) {
        theater__free(profile);
        return status;
    }
    *out_profile = host->profiles_count;
    host->profiles[host->profiles_count++] = profile;
    return THEATER_OK;
}

void components_free(theater_host *host)
{
    for (uint32_t i = 0; i < host->profiles_count; i++) {
        theater__profile_deinit(host->profiles[i]);
        theater__free(host->profiles[i]);
    }
    theater__free(host->profiles);
    host->profiles = NULL;
    host->profiles_count = 0;
    for (size_t i = 0; i < host->components_count; i++) {
        theater_actor_component_free(host->components[i]);
    }
    theater__free(host->components);
    host->components = NULL;
    host->components_count = 0;
}
