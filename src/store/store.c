/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs and dispatch. A URL is `log:DIR`, `memory:`, or a directory alone, which means `log:`; a
 * word and a colon that is none of the known kinds is refused instead of being taken for a
 * directory, so that a typing mistake does not make one.
 */
#include "format.h"
#include "shards.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <string.h>

typedef enum store_kind {
    STORE_KIND_LOG = 1,
    STORE_KIND_MEMORY = 2
} store_kind;

static theater_status parse_url(const char *url, store_kind *out_kind, const char **out_rest,
                                theater_error *err);

theater_status theater__store_open(const theater__store_options *options,
                                   theater__store **out_store, theater_error *err)
{
    THEATER_ASSERT(options != NULL);
    THEATER_ASSERT(out_store != NULL);
    store_kind kind = STORE_KIND_LOG;
    const char *rest = NULL;
    theater_status status = parse_url(options->url, &kind, &rest, err);
    if (status != THEATER_OK) {
        return status;
    }
    switch (kind) {
    case STORE_KIND_LOG:
        return theater__shards_open(rest, options, out_store, err);
    case STORE_KIND_MEMORY:
        return theater__memory_open(options, out_store, err);
    }
    THEATER_UNREACHABLE("store kind");
}

void theater__store_close(theater__store *store)
{
    if (store == NULL) {
        return;
    }
    char *url = store->url;
    store->operations->close(store);
    theater__free(url);
}

const char *theater__store_level(const theater__store *store)
{
    return store->operations->level;
}

const char *theater__store_url(const theater__store *store)
{
    return store->url;
}

theater_status theater__store_recover_next(theater__store *store, theater__recovered *out_actor,
                                           theater_error *err)
{
    THEATER_ASSERT(out_actor != NULL);
    return store->operations->recover_next(store, out_actor, err);
}

theater_status theater__store_submit(theater__store *store, const theater__batch *batch,
                                     theater__ticket *out_ticket, uint64_t *out_place,
                                     theater_error *err)
{
    THEATER_ASSERT(batch != NULL);
    THEATER_ASSERT(out_ticket != NULL);
    THEATER_ASSERT(out_place != NULL);
    theater_status status = theater__batch_check(batch, err);
    if (status != THEATER_OK) {
        return status;
    }
    return store->operations->submit(store, batch, out_ticket, out_place, err);
}

void theater__store_hurry(theater__store *store)
{
    store->operations->hurry(store);
}

theater_status theater__store_read(theater__store *store, const theater__read *read,
                                   theater__ticket *out_ticket, theater_error *err)
{
    THEATER_ASSERT(read != NULL);
    THEATER_ASSERT(out_ticket != NULL);
    return store->operations->read(store, read, out_ticket, err);
}

bool theater__store_wants_poll(const theater__store *store)
{
    return store->operations->wants_poll(store);
}

int theater__store_fd(const theater__store *store)
{
    return store->operations->fd(store);
}

uint32_t theater__store_waiting_reads(const theater__store *store)
{
    return store->operations->waiting_reads != NULL ? store->operations->waiting_reads(store) : 0;
}

bool theater__store_poll(theater__store *store, theater__store_completion *out_completion)
{
    THEATER_ASSERT(out_completion != NULL);
    return store->operations->poll(store, out_completion);
}

void theater__store_take_read(theater__store *store, theater__ticket ticket,
                              theater__store_completion *out_completion)
{
    THEATER_ASSERT(out_completion != NULL);
    store->operations->take_read(store, ticket, out_completion);
}

void theater__store_completion_deinit(theater__store_completion *completion)
{
    if (completion == NULL) {
        return;
    }
    theater__buffer_deinit(&completion->frames);
}

uint64_t theater__store_inflight(const theater__store *store)
{
    return store->operations->inflight(store);
}

const theater_error *theater__store_failure(const theater__store *store)
{
    return store->operations->failure(store);
}

theater_status theater__store_put_component(theater__store *store, const theater_hash *digest,
                                            theater_bytes bytes, theater_error *err)
{
    if (bytes.size > THEATER__COMPONENT_BYTES_MAX) {
        return theater__fail(err, THEATER_ERR_LIMIT,
                             "a component of %zu bytes exceeds COMPONENT_BYTES_MAX", bytes.size);
    }
    return store->operations->put_component(store, digest, bytes, err);
}

theater_status theater__store_get_component(theater__store *store, const theater_hash *digest,
                                            theater__buffer *out_bytes, theater_error *err)
{
    return store->operations->get_component(store, digest, out_bytes, err);
}

/* The directory of a store that has one. */
static theater_status parse_directory(const char *url, const char **out_directory,
                                      theater_error *err)
{
    store_kind kind = STORE_KIND_LOG;
    theater_status status = parse_url(url, &kind, out_directory, err);
    if (status == THEATER_OK && kind == STORE_KIND_MEMORY) {
        return theater__fail(err, THEATER_ERR_NOTFOUND, "a memory store ends with its process");
    }
    return status;
}

theater_status theater__store_shards(const char *url, uint32_t *out_count, theater_error *err)
{
    THEATER_ASSERT(out_count != NULL);
    store_kind kind = STORE_KIND_LOG;
    const char *rest = NULL;
    theater_status status = parse_url(url, &kind, &rest, err);
    if (status == THEATER_OK && kind == STORE_KIND_MEMORY) {
        *out_count = 1;
        return THEATER_OK;
    }
    return status == THEATER_OK ? theater__shards_count(rest, out_count, err) : status;
}

theater_status theater__store_collect(const char *url, const theater_id *actor,
                                      theater__buffer *out_frames,
                                      char out_damage[THEATER_ERROR_MESSAGE_MAX],
                                      theater_error *err)
{
    THEATER_ASSERT(actor != NULL);
    THEATER_ASSERT(out_frames != NULL);
    const char *directory = NULL;
    theater_status status = parse_directory(url, &directory, err);
    if (status != THEATER_OK) {
        return status;
    }
    out_damage[0] = '\0';
    return theater__shards_collect(directory, actor, out_frames, out_damage, err);
}

theater_status theater__store_list(const char *url, theater__store_list_fn *visit, void *userdata,
                                   theater_error *err)
{
    THEATER_ASSERT(visit != NULL);
    const char *directory = NULL;
    theater_status status = parse_directory(url, &directory, err);
    return status == THEATER_OK ? theater__shards_list(directory, visit, userdata, err) : status;
}

theater_status theater__store_collect_each(const char *url, theater__store_each_fn *visit,
                                           void *userdata, theater_error *err)
{
    THEATER_ASSERT(visit != NULL);
    const char *directory = NULL;
    theater_status status = parse_directory(url, &directory, err);
    return status == THEATER_OK ? theater__shards_each(directory, visit, userdata, err) : status;
}

theater_status theater__store_backup(const char *url, const char *target, theater_error *err)
{
    THEATER_ASSERT(target != NULL);
    const char *directory = NULL;
    theater_status status = parse_directory(url, &directory, err);
    return status == THEATER_OK ? theater__shards_backup(directory, target, err) : status;
}

theater_status theater__store_prune(const char *url, const theater__prune *what,
                                    theater__pruned *out_pruned, theater_error *err)
{
    THEATER_ASSERT(what != NULL);
    THEATER_ASSERT(out_pruned != NULL);
    const char *directory = NULL;
    theater_status status = parse_directory(url, &directory, err);
    return status == THEATER_OK ? theater__shards_prune(directory, what, out_pruned, err) : status;
}

theater_status theater__batch_check(const theater__batch *batch, theater_error *err)
{
    if ((batch->events_count == 0) != (batch->frames.size == 0)) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "a batch of %u events has %zu bytes of frames",
                             (unsigned)batch->events_count, batch->frames.size);
    }
    if (batch->events_count == 0 &&
        memcmp(&batch->parent, &batch->head, sizeof(batch->head)) != 0) {
        return theater__fail(err, THEATER_ERR_INVALID, "a batch without events moved the head");
    }
    if (batch->first_seq == 0 && batch->events_count == 0) {
        return theater__fail(err, THEATER_ERR_INVALID, "a batch began a chain without an event");
    }
    if (batch->first_seq >= FORMAT_SEQUENCE_LIMIT - batch->events_count) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "a batch went past the last sequence number");
    }
    if (batch->standing.state < THEATER__STATE_RUNNING ||
        batch->standing.state > THEATER__STATE_ENDED) {
        return theater__fail(err, THEATER_ERR_INVALID, "a batch had no standing");
    }
    return THEATER_OK;
}

/* ---- URLs ------------------------------------------------------------------------------------ */

/* Length of a leading `word:` (colon included), 0 if there is none. */
static size_t scheme_size(const char *url)
{
    size_t size = 0;
    while (url[size] >= 'a' && url[size] <= 'z') {
        size++;
    }
    return size > 0 && url[size] == ':' ? size + 1 : 0;
}

static bool scheme_is(const char *url, size_t size, const char *scheme)
{
    return strlen(scheme) == size && memcmp(url, scheme, size) == 0;
}

static theater_status parse_url(const char *url, store_kind *out_kind, const char **out_rest,
                                theater_error *err)
{
    if (url == NULL || url[0] == '\0') {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "no store was named; use log:DIR or memory:");
    }
    size_t size = scheme_size(url);
    const char *rest = url + size;
    if (scheme_is(url, size, "memory:")) {
        if (rest[0] != '\0') {
            return theater__fail(err, THEATER_ERR_INVALID,
                                 "'%s' is no store: nothing may stand behind memory:", url);
        }
        *out_kind = STORE_KIND_MEMORY;
        *out_rest = rest;
        return THEATER_OK;
    }
    if (scheme_is(url, size, "postgres:") || scheme_is(url, size, "postgresql:")) {
        return theater__fail(err, THEATER_ERR_UNSUPPORTED,
                             "'%s': this build has no PostgreSQL store; use log:DIR", url);
    }
    if (size > 0 && !scheme_is(url, size, "log:")) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "'%s' is no store this build knows; use log:DIR or memory:", url);
    }
    if (rest[0] == '\0') {
        return theater__fail(err, THEATER_ERR_INVALID, "'%s' names no directory; use log:DIR", url);
    }
    *out_kind = STORE_KIND_LOG;
    *out_rest = rest;
    return THEATER_OK;
}
