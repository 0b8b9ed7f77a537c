/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is in memory. Residency is a cache: an actor that is not resident is made so by replaying its
 * call from the chain, and one that sleeps is dropped without a trace. The cap is a matter of life
 * (a guest costs memory maps, and the process dies when they run out), so a place is always taken
 * from the sleeper that is due last before a new one is given.
 */
#include "internal.h"

#include <string.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>

/* ---- leaving --------------------------------------------------------------------------------- */

/* Of so many that get a place one is not due, even if somebody who is always wants one. */
#define OTHERS_SHARE 8u

void residency_admit(theater_host *host)
{
    bool is_turn_of_others = ++host->admissions % OTHERS_SHARE == 0;
    theater__list *link =
        theater__list_pop(is_turn_of_others ? &host->starved : &host->starved_due);
    if (link == NULL) {
        link = theater__list_pop(is_turn_of_others ? &host->starved_due : &host->starved);
    }
    if (link != NULL) {
        turn_ready(host, THEATER__LIST_OWNER(link, live, link));
    }
}

static bool bury(theater_host *host, theater__turn *turn)
{
    if (host->graveyard_count == host->graveyard_capacity) {
        uint32_t capacity = host->graveyard_capacity == 0 ? 64 : host->graveyard_capacity * 2;
        theater__turn **grown =
            theater__realloc_array(host->graveyard, capacity, sizeof(theater__turn *));
        if (grown == NULL) {
            return false;
        }
        host->graveyard = grown;
        host->graveyard_capacity = capacity;
    }
    host->graveyard[host->graveyard_count++] = turn;
    return true;
}

bool residency_sweep(theater_host *host, uint32_t count)
{
    while (host->graveyard_count > 0 && count > 0) {
        theater__turn_free(host->graveyard[--host->graveyard_count]);
        host->resident_count--;
        count--;
    }
    return host->graveyard_count > 0;
}

/*
 * Taking an instance down costs more than waking one, so it waits until nobody is due; but not if
 * it came from the pool, where it costs little and the slot is what the next one wants.
 */
void residency_leave(theater_host *host, live *l)
{
    THEATER_ASSERT(l->turn != NULL);
    THEATER_ASSERT(host->resident_count > 0);
    evict_withdraw(host, l);
    if (theater__turn_is_pooled(l->turn) || !bury(host, l->turn)) {
        theater__turn_free(l->turn);
        host->resident_count--;
    }
    l->turn = NULL;
    host->has_evicted = true; /* the next in the order of dues may take its place */
    residency_admit(host);
}

/* When the actor will be wanted, on the clock of elapsed time. */
static uint64_t wanted_ns(theater_host *host, const live *l)
{
    const theater__open_request *open = theater__turn_open(l->turn);
    if (open->kind == THEATER_KIND_WAIT && open->wait_kind == THEATER__WAIT_ELAPSED) {
        return recover_due(host, &l->standing).ns; /* it may have been armed on another boot */
    }
    if (open->kind == THEATER_KIND_WAIT && open->wait_kind == THEATER__WAIT_WALL) {
        theater_wall now = theater__clock_wall(host->clock);
        return theater__mono_add_ms(host->now, theater__wall_since_ms(open->due_wall, now)).ns;
    }
    return UINT64_MAX - 1;
}

/* A batch in flight does not hold it: what is read back may be in flight, too. But an effect is
 * begun from its turn when its request is durable. */
static bool is_needed(const live *l)
{
    return l->inflight > 0 && theater__turn_open(l->turn)->kind == THEATER_KIND_EFFECT;
}

void residency_offer(theater_host *host, live *l)
{
    if (l->phase != LIVE_SUSPENDED || l->has_end || l->is_cancelled || l->turn == NULL ||
        theater__list_linked(&l->link) || /* its batch is stalled */
        is_needed(l)) {
        return;
    }
    evict_offer(host, l, wanted_ns(host, l));
    residency_admit(host); /* it can give its place now */
}

static void drop_turn(theater_host *host, live *l)
{
    theater__turn_free(l->turn);
    l->turn = NULL;
    host->resident_count--;
    host->stats.evictions++;
    host->has_evicted = true;
}

/* Drops a sleeper, for somebody who is due also a guest that was preempted, or parks it if what it
 * did cannot be written down; false if nobody gave up a place. */
static bool evict_one(theater_host *host, bool is_for_due)
{
    live *l = evict_choose(host, is_for_due);
    if (l == NULL) {
        return false;
    }
    if (l->phase == LIVE_QUEUED) {
        THEATER_ASSERT(!turn_is_urgent(l)); /* it would be in the way of itself */
        theater__list_remove(&l->link);
        uint32_t index = l->index;
        if (!commit_turn(host, l)) { /* what it did goes on from its chain */
            return actor_at(host, index)->is_parked;
        }
        l->stays_ns = 2 * theater__turn_call_cpu_ns(l->turn); /* or it would never get on */
        drop_turn(host, l);
        theater__list_push(&host->starved, &l->link);
        return true;
    }
    THEATER_ASSERT(l->phase == LIVE_SUSPENDED && !is_needed(l));
    l->phase = LIVE_OVER;
    drop_turn(host, l);
    actor_settle(host, l->index);
    return true;
}

/* ---- entering -------------------------------------------------------------------------------- */

static theater_status begin_turn(theater_host *host, live *l, const theater__buffer *history,
                                 const theater_hash *parent, uint64_t first_seq, theater_error *err)
{
    actor *a = actor_at(host, l->index);
    if (a->call_seq == 0 || a->next_seq == 0) {
        return theater__fail(err, THEATER_ERR_CORRUPT, "its standing in the store names no call");
    }
    theater__turn_options options;
    memset(&options, 0, sizeof(options));
    options.env = &host->env;
    options.profile = host->profiles[a->profile];
    options.actor = a->id;
    options.head.seq = a->next_seq - 1;
    options.head.hash = a->head;
    options.history = history->data;
    options.history_size = history->size;
    options.history_parent = *parent;
    options.history_first_seq = first_seq;
    options.call_seq = a->call_seq;
    theater_status status = theater__turn_new(&options, &l->turn, err);
    if (status == THEATER_OK) {
        host->resident_count++;
        host->stats.replays += l->history.data == NULL;
    }
    return status;
}

static bool begin_spawned(theater_host *host, live *l)
{
    theater_hash zeros;
    memset(&zeros, 0, sizeof(zeros));
    theater_error error = THEATER_ERROR_INIT;
    theater_status status = begin_turn(host, l, &l->history, &zeros, 0, &error);
    theater__buffer_deinit(&l->history);
    if (status != THEATER_OK) {
        actor_park(host, l->index, &error);
        return false;
    }
    return true;
}

theater_status residency_read(theater_host *host, live *l, read_purpose purpose, bool genesis_only,
                              theater_error *err)
{
    reading *under_way = &l->readings[purpose];
    if (under_way->is_under_way) {
        return THEATER_OK; /* nothing was appended since: it will do */
    }
    const actor *a = actor_at(host, l->index);
    theater__read read;
    memset(&read, 0, sizeof(read));
    read.actor = a->id;
    read.place = a->place;
    read.from_seq = purpose == READ_OUTPUTS ? a->delivered_seq + 1 : a->call_seq;
    read.genesis_only = genesis_only;
    /* A turn is replayed from all events of its call, or not at all, and outputs that were cut off
     * would be given by nobody. */
    read.whole = true;
    /* Who was not given what was shown does not go on before that; and with virtual time a chain
     * does not tell how fast a disk was. */
    read.at_once = purpose == READ_OUTPUTS || theater__clock_is_simulated(host->clock);
    read.userdata = under_way;
    theater__ticket ticket = 0;
    theater_status status = theater__store_read(host->store, &read, &ticket, err);
    if (status == THEATER_OK) {
        under_way->is_under_way = true;
        under_way->genesis_only = genesis_only;
        l->inflight++;
        host->loading_count++;
        host->entering_count += purpose == READ_LOAD;
        ring(host); /* what is answered at once makes no descriptor readable */
    }
    return status;
}

static void begin_load(theater_host *host, live *l)
{
    theater_error error = THEATER_ERROR_INIT;
    bool genesis_only = actor_at(host, l->index)->profile == NO_PROFILE;
    if (residency_read(host, l, READ_LOAD, genesis_only, &error) != THEATER_OK) {
        actor_park(host, l->index, &error);
        return;
    }
    l->phase = LIVE_LOADING;
}

static bool is_full(const theater_host *host, const live *l)
{
    return host->resident_count + host->entering_count >= host->live_max &&
           !l->readings[READ_LOAD].is_under_way; /* its place is kept */
}

static bool make_room(theater_host *host, const live *l)
{
    while (is_full(host, l)) {
        if (host->graveyard_count > 0) {
            (void)residency_sweep(host, 1);
        } else if (!evict_one(host, turn_is_urgent(l))) {
            return false;
        }
    }
    return true;
}

bool residency_enter(theater_host *host, live *l)
{
    THEATER_ASSERT(l->turn == NULL);
    bool has_room = make_room(host, l);
    if (theater__list_linked(&l->link)) {
        theater__list_remove(&l->link); /* who was told of a parked one acted on this one */
    }
    if (!has_room) {
        l->phase = LIVE_QUEUED;
        theater__list_push(turn_is_urgent(l) ? &host->starved_due : &host->starved, &l->link);
        return false;
    }
    if (l->history.data != NULL) {
        return begin_spawned(host, l);
    }
    begin_load(host, l);
    return false;
}

/* ---- loading --------------------------------------------------------------------------------- */

static theater_status adopt_genesis(theater_host *host, actor *a,
                                    const theater__store_completion *completion, theater_error *err)
{
    theater__chain_reader reader;
    theater_event event;
    theater__genesis genesis;
    theater__chain_reader_init(&reader, completion->frames.data, completion->frames.size,
                               &completion->parent, completion->first_seq);
    theater_status status = theater__chain_read(&reader, &event, err);
    if (status == THEATER_OK) {
        status = theater__genesis_decode(event.payload, &genesis, err);
    }
    if (status != THEATER_OK) {
        return theater__fail_in(err, "genesis");
    }
    if (memcmp(&genesis.actor, &a->id, sizeof(a->id)) != 0) {
        return theater__fail(err, THEATER_ERR_CORRUPT, "its genesis belongs to another actor");
    }
    theater_text semantics = {theater__engine_semantics(), strlen(theater__engine_semantics())};
    if (genesis.semantics.size != semantics.size ||
        memcmp(genesis.semantics.data, semantics.data, semantics.size) != 0) {
        return theater__fail(err, THEATER_ERR_UNSUPPORTED,
                             "the actor was made with other engine settings than this build has");
    }
    return profile_intern(host, &genesis, &a->profile, err);
}

/* The profile's component, from the store if this host has not loaded it yet. */
static theater_status complete_profile(theater_host *host, actor *a, theater_error *err)
{
    theater__profile *profile = host->profiles[a->profile];
    if (!handlers_cover(host, profile, err)) {
        return THEATER_ERR_UNSUPPORTED;
    }
    if (profile->component == NULL) {
        theater_status status =
            component_by_digest(host, &profile->component_digest, &profile->component, err);
        if (status != THEATER_OK) {
            return status;
        }
    }
    if (a->is_started) {
        return THEATER_OK;
    }
    theater_status status = handlers_start(host, a->id, err);
    a->is_started = status == THEATER_OK;
    return status;
}

/* The second event of the first record is the actor's first call. */
static theater_status copy_call(const theater__store_completion *completion,
                                theater__buffer *out_call, theater_error *err)
{
    theater__chain_reader reader;
    theater_event event;
    theater__chain_reader_init(&reader, completion->frames.data, completion->frames.size,
                               &completion->parent, completion->first_seq);
    theater_status status = theater__chain_read(&reader, &event, err);
    if (status == THEATER_OK) {
        status = theater__chain_read(&reader, &event, err);
    }
    if (status == THEATER_OK && event.kind == THEATER_KIND_CALL) {
        theater__buffer_put(out_call, event.payload.data, event.payload.size);
    }
    return status;
}

theater_status residency_ask(theater_host *host, uint32_t index, bool genesis_only,
                             theater__store_completion *out_completion, theater_error *err)
{
    const actor *a = actor_at(host, index);
    theater__read read;
    memset(&read, 0, sizeof(read));
    memset(out_completion, 0, sizeof(*out_completion));
    read.actor = a->id;
    read.place = a->place;
    read.genesis_only = genesis_only;
    read.at_once = true;
    read.whole = true;
    theater__ticket ticket = 0;
    theater_status status = theater__store_read(host->store, &read, &ticket, err);
    if (status != THEATER_OK) {
        return status;
    }
    theater__store_take_read(host->store, ticket, out_completion);
    if (out_completion->status != THEATER_OK && err != NULL) {
        *err = out_completion->error;
    }
    return out_completion->status;
}

theater_status profile_read(theater_host *host, uint32_t index, theater__buffer *out_call,
                            theater_error *err)
{
    actor *a = actor_at(host, index);
    theater__store_completion completion;
    theater_status status = residency_ask(host, index, true, &completion, err);
    if (status == THEATER_OK && a->profile == NO_PROFILE) {
        status = adopt_genesis(host, a, &completion, err);
    }
    if (status == THEATER_OK) {
        status = copy_call(&completion, out_call, err);
    }
    theater__store_completion_deinit(&completion);
    if (status == THEATER_OK && (out_call->size == 0 || out_call->failed)) {
        return theater__fail(err, THEATER_ERR_CORRUPT,
                             "the beginning of the actor with that id cannot be read");
    }
    return status;
}

void residency_loaded(theater_host *host, live *l, theater__store_completion *completion)
{
    actor *a = actor_at(host, l->index);
    theater_error error = completion->error;
    theater_status status = completion->status;
    if (status == THEATER_OK && a->profile == NO_PROFILE) {
        status = adopt_genesis(host, a, completion, &error);
    }
    if (status == THEATER_OK && l->readings[READ_LOAD].genesis_only) {
        begin_load(host, l); /* the profile may have become known by others meanwhile */
        return;
    }
    if (status == THEATER_OK) {
        status = complete_profile(host, a, &error);
    }
    if (status == THEATER_OK) {
        status = begin_turn(host, l, &completion->frames, &completion->parent,
                            completion->first_seq, &error);
    }
    if (status != THEATER_OK) {
        actor_park(host, l->index, &error);
        return;
    }
    turn_ready(host, l);
}
