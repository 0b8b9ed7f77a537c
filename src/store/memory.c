/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store that ends with its process. It keeps what the log keeps, record by record, so that a
 * host sees the same answers from both: places, reads that begin at a record's border, completions
 * at the next poll. A batch is taken when it is submitted; only its completion waits.
 *
 * A place is the actor's number and the record's number in it: `actor + 1 << 32 | record`; none
 * is 0, as none is in the log.
 */
#include "backend.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <base/map.h>
#include <string.h>
#include <sys/random.h>

typedef struct memory_record {
    uint64_t first_seq;
    theater_hash parent;
    size_t frames_end; /* in the actor's frames */
} memory_record;

typedef struct memory_actor {
    theater_id id;
    theater_hash head;
    uint64_t next_seq;
    theater__buffer frames;
    memory_record *records;
    uint32_t records_count;
    uint32_t records_capacity;
} memory_actor;

typedef struct memory_completion {
    struct memory_completion *next;
    uint64_t size; /* that it stands for in the bytes in flight */
    theater__store_completion completion;
} memory_completion;

typedef struct memory_component {
    struct memory_component *next;
    theater_hash digest;
    theater__buffer bytes;
} memory_component;

typedef struct memory_store {
    theater__store base;
    theater__map map;
    memory_actor *actors;
    uint32_t actors_count;
    uint32_t actors_capacity;
    memory_completion *first;
    memory_completion **last;
    memory_component *components;
    theater__ticket next_ticket;
    uint64_t inflight;
} memory_store;

static const theater__store_operations memory_operations;

static uint64_t place_of(uint32_t actor, uint32_t record)
{
    return ((uint64_t)actor + 1) << 32 | record;
}

static const theater_id *actor_key(uint32_t number, const void *userdata)
{
    const memory_store *memory = userdata;
    return &memory->actors[number].id;
}

theater_status theater__memory_open(const theater__store_options *options,
                                    theater__store **out_store, theater_error *err)
{
    memory_store *memory = theater__alloc_zeroed(1, sizeof(*memory));
    char *url = theater__strndup("memory:", strlen("memory:"));
    if (memory == NULL || url == NULL) {
        theater__free(memory);
        theater__free(url);
        return theater__fail_nomem(err);
    }
    memory->base.operations = &memory_operations;
    memory->base.url = url;
    memory->base.log = options->log;
    memory->last = &memory->first;
    memory->next_ticket = 1;
    uint64_t seed = 0;
    /* Without random numbers yet (early boot) the map works all the same, with a known seed. */
    (void)!getrandom(&seed, sizeof(seed), GRND_NONBLOCK);
    theater__map_init(&memory->map, seed, actor_key, memory);
    *out_store = &memory->base;
    return THEATER_OK;
}

static void memory_close(theater__store *store)
{
    memory_store *memory = (memory_store *)store;
    for (uint32_t i = 0; i < memory->actors_count; i++) {
        theater__buffer_deinit(&memory->actors[i].frames);
        theater__free(memory->actors[i].records);
    }
    theater__free(memory->actors);
    theater__map_deinit(&memory->map);
    while (memory->first != NULL) {
        memory_completion *waiting = memory->first;
        memory->first = waiting->next;
        theater__store_completion_deinit(&waiting->completion);
        theater__free(waiting);
    }
    while (memory->components != NULL) {
        memory_component *component = memory->components;
        memory->components = component->next;
        theater__buffer_deinit(&component->bytes);
        theater__free(component);
    }
    theater__free(memory);
}

static theater_status memory_recover_next(theater__store *store, theater__recovered *out_actor,
                                          theater_error *err)
{
    (void)store;
    (void)out_actor;
    return theater__fail(err, THEATER_ERR_NOTFOUND, "no further actor");
}

/* ---- batches --------------------------------------------------------------------------------- */

static memory_actor *find_actor(memory_store *memory, const theater_id *id)
{
    uint32_t number = theater__map_find(&memory->map, id);
    return number == UINT32_MAX ? NULL : &memory->actors[number];
}

static memory_actor *add_actor(memory_store *memory, const theater_id *id)
{
    if (memory->actors_count == memory->actors_capacity) {
        uint32_t capacity = memory->actors_capacity == 0 ? 16 : memory->actors_capacity * 2;
        memory_actor *grown =
            theater__realloc_array(memory->actors, capacity, sizeof(memory->actors[0]));
        if (grown == NULL) {
            return NULL;
        }
        memory->actors = grown;
        memory->actors_capacity = capacity;
    }
    THEATER_ASSERT(memory->actors != NULL);
    memory_actor *actor = &memory->actors[memory->actors_count];
    memset(actor, 0, sizeof(*actor));
    actor->id = *id;
    if (!theater__map_add(&memory->map, memory->actors_count)) {
        return NULL;
    }
    memory->actors_count++;
    return actor;
}

static bool add_record(memory_actor *actor, const theater__batch *batch)
{
    if (actor->records_count == actor->records_capacity) {
        uint32_t capacity = actor->records_capacity == 0 ? 4 : actor->records_capacity * 2;
        memory_record *grown =
            theater__realloc_array(actor->records, capacity, sizeof(actor->records[0]));
        if (grown == NULL) {
            return false;
        }
        actor->records = grown;
        actor->records_capacity = capacity;
    }
    size_t size_before = actor->frames.size;
    theater__buffer_put(&actor->frames, batch->frames.data, batch->frames.size);
    if (actor->frames.failed) {
        actor->frames.size = size_before;
        actor->frames.failed = false;
        return false;
    }
    memory_record *record = &actor->records[actor->records_count];
    record->first_seq = batch->first_seq;
    record->parent = batch->parent;
    record->frames_end = actor->frames.size;
    actor->records_count++;
    actor->head = batch->head;
    actor->next_seq = batch->first_seq + batch->events_count;
    return true;
}

static memory_completion *new_completion(memory_store *memory, theater__completion_type type,
                                         void *userdata)
{
    memory_completion *waiting = theater__alloc_zeroed(1, sizeof(*waiting));
    if (waiting == NULL) {
        return NULL;
    }
    waiting->completion.type = type;
    waiting->completion.ticket = memory->next_ticket;
    waiting->completion.userdata = userdata;
    waiting->completion.status = THEATER_OK;
    return waiting;
}

static void queue_completion(memory_store *memory, memory_completion *waiting)
{
    memory->next_ticket++;
    memory->inflight += waiting->size;
    *memory->last = waiting;
    memory->last = &waiting->next;
}

/* True if the batch goes on where the store says that the actor stands. */
static bool follows(const memory_actor *actor, uint32_t number, const theater__batch *batch)
{
    static const theater_hash no_parent = {{0}};
    if (actor == NULL) {
        return batch->previous_place == THEATER__PLACE_NONE && batch->first_seq == 0 &&
               memcmp(&batch->parent, &no_parent, sizeof(no_parent)) == 0;
    }
    uint64_t place = place_of(number, actor->records_count - 1);
    return batch->previous_place == place && batch->first_seq == actor->next_seq &&
           memcmp(&batch->parent, &actor->head, sizeof(actor->head)) == 0;
}

static theater_status memory_submit(theater__store *store, const theater__batch *batch,
                                    theater__ticket *out_ticket, uint64_t *out_place,
                                    theater_error *err)
{
    memory_store *memory = (memory_store *)store;
    if (batch->frames.size > THEATER__STORE_INFLIGHT_MAX - memory->inflight) {
        return theater__fail(err, THEATER_ERR_LIMIT, "STORE_INFLIGHT_MAX bytes are in flight");
    }
    memory_completion *waiting = new_completion(memory, THEATER__COMPLETED_BATCH, batch->userdata);
    if (waiting == NULL) {
        return theater__fail_nomem(err);
    }
    uint64_t place = THEATER__PLACE_NONE;
    memory_actor *actor = find_actor(memory, &batch->actor);
    uint32_t number = actor == NULL ? memory->actors_count : (uint32_t)(actor - memory->actors);
    if (!follows(actor, number, batch)) {
        waiting->completion.status =
            theater__fail(&waiting->completion.error, THEATER_ERR_FENCED,
                          "the batch does not follow the actor's last one");
    } else {
        if (actor == NULL) {
            actor = add_actor(memory, &batch->actor);
        }
        if (actor == NULL || !add_record(actor, batch)) {
            /* An actor without a record would be taken for one that has a head. */
            if (actor != NULL && actor->records_count == 0) {
                theater__map_remove(&memory->map, number);
                theater__free(actor->records);
                theater__buffer_deinit(&actor->frames);
                memory->actors_count--;
            }
            theater__free(waiting);
            return theater__fail_nomem(err);
        }
        place = place_of(number, actor->records_count - 1);
        waiting->size = batch->frames.size;
    }
    *out_ticket = waiting->completion.ticket;
    *out_place = place;
    queue_completion(memory, waiting);
    return THEATER_OK;
}

/* ---- reads ----------------------------------------------------------------------------------- */

/* Fills the completion with the frames of records [from, to). */
static void fill_read(const memory_actor *actor, uint32_t from, uint32_t to,
                      theater__store_completion *completion)
{
    size_t begin = from == 0 ? 0 : actor->records[from - 1].frames_end;
    size_t end = actor->records[to - 1].frames_end;
    theater__buffer_put(&completion->frames, actor->frames.data + begin, end - begin);
    if (completion->frames.failed) {
        theater__buffer_deinit(&completion->frames);
        completion->status = theater__fail_nomem(&completion->error);
        return;
    }
    completion->parent = actor->records[from].parent;
    completion->first_seq = actor->records[from].first_seq;
}

/* The first record that holds from_seq, bounded so that a read is at most READ_BYTES_MAX. */
static void read_actor(const memory_actor *actor, const theater__read *read,
                       theater__store_completion *completion)
{
    uint32_t last = (uint32_t)(read->place & UINT32_MAX);
    uint32_t from = 0;
    uint32_t to = last + 1;
    if (read->genesis_only) {
        fill_read(actor, 0, 1, completion);
        return;
    }
    uint64_t next_seq = to < actor->records_count ? actor->records[to].first_seq : actor->next_seq;
    if (read->from_seq >= next_seq) {
        completion->parent = to < actor->records_count ? actor->records[to].parent : actor->head;
        completion->first_seq = next_seq;
        return;
    }
    /* Records without events share their first_seq with the next one: the last of them counts. */
    uint32_t low = 0;
    uint32_t high = to;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (actor->records[middle].first_seq <= read->from_seq) {
            low = middle;
        } else {
            high = middle;
        }
    }
    from = low;
    size_t begin = from == 0 ? 0 : actor->records[from - 1].frames_end;
    while (!read->whole && to - from > 1 &&
           actor->records[to - 1].frames_end - begin > THEATER__STORE_READ_BYTES_MAX) {
        to--;
    }
    fill_read(actor, from, to, completion);
}

static theater_status memory_read(theater__store *store, const theater__read *read,
                                  theater__ticket *out_ticket, theater_error *err)
{
    memory_store *memory = (memory_store *)store;
    memory_completion *waiting = new_completion(memory, THEATER__COMPLETED_READ, read->userdata);
    if (waiting == NULL) {
        return theater__fail_nomem(err);
    }
    const memory_actor *actor = find_actor(memory, &read->actor);
    if (actor == NULL || (uint64_t)(actor - memory->actors) + 1 != read->place >> 32 ||
        (read->place & UINT32_MAX) >= actor->records_count) {
        waiting->completion.status = theater__fail(&waiting->completion.error, THEATER_ERR_CORRUPT,
                                                   "there is no record of this actor at place %llu",
                                                   (unsigned long long)read->place);
    } else {
        read_actor(actor, read, &waiting->completion);
    }
    *out_ticket = waiting->completion.ticket;
    queue_completion(memory, waiting);
    return THEATER_OK;
}

/* ---- completions ----------------------------------------------------------------------------- */

/* All is as durable as it will be. */
static void memory_hurry(theater__store *store)
{
    (void)store;
}

static bool memory_wants_poll(const theater__store *store)
{
    return ((const memory_store *)store)->first != NULL;
}

static int memory_fd(const theater__store *store)
{
    (void)store;
    return -1;
}

static bool memory_poll(theater__store *store, theater__store_completion *out_completion)
{
    memory_store *memory = (memory_store *)store;
    memory_completion *waiting = memory->first;
    if (waiting == NULL) {
        return false;
    }
    memory->first = waiting->next;
    if (memory->first == NULL) {
        memory->last = &memory->first;
    }
    THEATER_ASSERT(memory->inflight >= waiting->size);
    memory->inflight -= waiting->size;
    *out_completion = waiting->completion;
    theater__free(waiting);
    return true;
}

/* It was answered when it was asked. */
static void memory_take_read(theater__store *store, theater__ticket ticket,
                             theater__store_completion *out_completion)
{
    memory_store *memory = (memory_store *)store;
    memory_completion **link = &memory->first;
    while (*link != NULL && (*link)->completion.ticket != ticket) {
        link = &(*link)->next;
    }
    memory_completion *found = *link;
    THEATER_ASSERT(found != NULL && found->size == 0);
    *link = found->next;
    if (*link == NULL) {
        memory->last = link;
    }
    *out_completion = found->completion;
    theater__free(found);
}

static uint64_t memory_inflight(const theater__store *store)
{
    return ((const memory_store *)store)->inflight;
}

static const theater_error *memory_failure(const theater__store *store)
{
    (void)store;
    return NULL;
}

/* ---- components ------------------------------------------------------------------------------ */

static memory_component *find_component(memory_store *memory, const theater_hash *digest)
{
    memory_component *component = memory->components;
    while (component != NULL && memcmp(&component->digest, digest, sizeof(*digest)) != 0) {
        component = component->next;
    }
    return component;
}

static theater_status memory_put_component(theater__store *store, const theater_hash *digest,
                                           theater_bytes bytes, theater_error *err)
{
    memory_store *memory = (memory_store *)store;
    if (find_component(memory, digest) != NULL) {
        return THEATER_OK;
    }
    memory_component *component = theater__alloc_zeroed(1, sizeof(*component));
    if (component == NULL) {
        return theater__fail_nomem(err);
    }
    theater__buffer_put(&component->bytes, bytes.data, bytes.size);
    if (component->bytes.failed) {
        theater__buffer_deinit(&component->bytes);
        theater__free(component);
        return theater__fail_nomem(err);
    }
    component->digest = *digest;
    component->next = memory->components;
    memory->components = component;
    return THEATER_OK;
}

static theater_status memory_get_component(theater__store *store, const theater_hash *digest,
                                           theater__buffer *out_bytes, theater_error *err)
{
    const memory_component *component = find_component((memory_store *)store, digest);
    if (component == NULL) {
        return theater__fail(err, THEATER_ERR_NOTFOUND, "the store has no such component");
    }
    theater__buffer_put(out_bytes, component->bytes.data, component->bytes.size);
    return out_bytes->failed ? theater__fail_nomem(err) : THEATER_OK;
}

static const theater__store_operations memory_operations = {
    .level = "memory",
    .close = memory_close,
    .recover_next = memory_recover_next,
    .submit = memory_submit,
    .read = memory_read,
    .hurry = memory_hurry,
    .wants_poll = memory_wants_poll,
    .fd = memory_fd,
    .poll = memory_poll,
    .take_read = memory_take_read,
    .inflight = memory_inflight,
    .failure = memory_failure,
    .put_component = memory_put_component,
    .get_component = memory_get_component,
};
