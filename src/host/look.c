/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking: what an actor is doing, what the host has done. Nothing here changes anything.
 */
#include "internal.h"

#include <string.h>

#include <base/assert.h>
#include <base/error.h>

const char *theater_actor_state_name(theater_actor_state state)
{
    switch (state) {
    case THEATER_ACTOR_RUNNING:
        return "running";
    case THEATER_ACTOR_ASLEEP:
        return "asleep";
    case THEATER_ACTOR_WAITING:
        return "waiting";
    case THEATER_ACTOR_IDLE:
        return "idle";
    case THEATER_ACTOR_PARKED:
        return "parked";
    case THEATER_ACTOR_ENDED:
        return "ended";
    }
    return "?";
}

static theater_actor_state state_of(theater__state state)
{
    switch (state) {
    case THEATER__STATE_RUNNING:
        return THEATER_ACTOR_RUNNING;
    case THEATER__STATE_ASLEEP:
        return THEATER_ACTOR_ASLEEP;
    case THEATER__STATE_WAITING:
        return THEATER_ACTOR_WAITING;
    case THEATER__STATE_IDLE:
        return THEATER_ACTOR_IDLE;
    case THEATER__STATE_ENDED:
        return THEATER_ACTOR_ENDED;
    }
    return THEATER_ACTOR_IDLE;
}

/* A timer's instant as wall time: of elapsed time only as things stand now. */
static bool due_of(const theater_host *host, uint32_t index, theater_wall *out_due)
{
    uint64_t key = 0;
    if (theater__timerq_key(&host->wall_queue, index, &key)) {
        out_due->ms = key;
        return true;
    }
    if (!theater__timerq_key(&host->mono_queue, index, &key)) {
        return false;
    }
    theater_mono now = theater__clock_mono(host->clock);
    uint64_t left_ns = theater__mono_since_ns((theater_mono){key}, now);
    *out_due = theater__wall_add_ms(theater__clock_wall(host->clock), left_ns / 1000000u);
    return true;
}

static void fill_info(const theater_host *host, uint32_t index, theater_actor_info *out_info)
{
    const actor *a = actor_at(host, index);
    memset(out_info, 0, sizeof(*out_info));
    out_info->id = a->id;
    out_info->state = a->is_parked ? THEATER_ACTOR_PARKED : state_of((theater__state)a->state);
    out_info->is_resident = a->live != NULL && a->live->turn != NULL;
    out_info->head.seq = a->next_seq > 0 ? a->next_seq - 1 : 0;
    out_info->head.hash = a->head;
    out_info->has_due = due_of(host, index, &out_info->due);
    const parked_note *note = a->is_parked ? actor_parked_note(host, index) : NULL;
    out_info->parked_reason = note != NULL ? note->reason : NULL;
    out_info->wait_seq = actor_wait_seq(a);
}

theater_status theater_host_actor(theater_host *host, theater_id id, theater_actor_info *out_info,
                                  theater_error *err)
{
    THEATER_ASSERT(host != NULL);
    uint32_t index = actor_find(host, &id);
    if (index == NO_ACTOR) {
        char text[THEATER_ID_TEXT_SIZE];
        theater_id_format(id, text);
        return theater__fail(err, THEATER_ERR_NOTFOUND, "there is no actor %s", text);
    }
    fill_info(host, index, out_info);
    return THEATER_OK;
}

void theater_host_visit_from(theater_host *host, uint64_t position, theater_actor_visit_fn *visit,
                             void *userdata)
{
    THEATER_ASSERT(host != NULL);
    THEATER_ASSERT(visit != NULL);
    for (uint64_t i = position; i < host->actors_count; i++) {
        theater_actor_info info;
        fill_info(host, (uint32_t)i, &info);
        if (visit(&info, userdata) != 0) {
            return;
        }
    }
}

void theater_host_visit(theater_host *host, theater_actor_visit_fn *visit, void *userdata)
{
    theater_host_visit_from(host, 0, visit, userdata);
}

void theater_host_stats_get(const theater_host *host, theater_host_stats *out_stats)
{
    THEATER_ASSERT(host != NULL);
    theater_host_stats stats = host->stats;
    stats.actors = host->actors_count;
    stats.resident = host->resident_count - host->graveyard_count;
    size_t size = out_stats->struct_size;
    THEATER_ASSERT(size >= sizeof(size_t));
    size = size < sizeof(stats) ? size : sizeof(stats);
    stats.struct_size = size;
    memcpy(out_stats, &stats, size);
}

const char *theater_host_level(const theater_host *host)
{
    return host->store != NULL ? theater__store_level(host->store) : "none";
}

const char *theater_engine_name(void)
{
    return theater__engine_version();
}

const char *theater_version(void)
{
    return THEATER_VERSION_TEXT;
}

typedef struct listing {
    theater_actor_visit_fn *visit;
    void *userdata;
} listing;

static int on_listed(const theater__recovered *found, void *userdata)
{
    const listing *l = userdata;
    theater_actor_info info;
    memset(&info, 0, sizeof(info));
    info.id = found->actor;
    info.state = state_of(found->standing.state);
    info.head.seq = found->next_seq > 0 ? found->next_seq - 1 : 0;
    info.head.hash = found->head;
    info.has_due = found->standing.state == THEATER__STATE_ASLEEP;
    info.due = found->standing.due_wall;
    info.has_output = found->standing.output_seq > found->standing.delivered_seq;
    info.wait_seq = found->standing.wait_seq;
    return l->visit(&info, l->userdata);
}

theater_status theater_store_visit(const char *url, theater_actor_visit_fn *visit, void *userdata,
                                   theater_error *err)
{
    THEATER_ASSERT(url != NULL);
    THEATER_ASSERT(visit != NULL);
    listing l = {visit, userdata};
    return theater__store_list(url, on_listed, &l, err);
}
