/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All actors of a store in one walk over the log, from outside: no lock, no trust, no index. Given
 * are the records' frames as they lie in the log, so the actors' chains are interleaved and each is
 * in order; who checks them keeps a head and a number for each actor, as is done here.
 *
 * A group that is broken at the very end of the log is being written, or was torn: it is passed
 * over. One that is broken elsewhere is damage. What a damaged record says of its actor is believed
 * if there is such an actor; else the damage is the store's, and whose event is missing shows at
 * the next record of that actor, which does not follow.
 *
 * If the log is compacted meanwhile, what was listed of it is gone. Nothing broken is told before
 * that is ruled out; the walk begins again, in the copy, and what was given already is passed over.
 * An id that is met again may be another actor's by then, who is known by how it began.
 */
#include "compact.h"

#include <base/alloc.h>
#include <base/error.h>
#include <stdio.h>
#include <string.h>

/* How the actors stand, and the head behind the first record of each: no two have the same. */
typedef struct each_actors {
    theater__log_actors list;
    theater_hash *begun; /* beside list.items; zeros: not met */
    uint32_t begun_capacity;
} each_actors;

typedef struct each_walk {
    theater__io *io;
    const char *directory;
    uint32_t seed;
    uint32_t first;     /* the segment that the log began with */
    bool is_compacted;  /* it was compacted meanwhile: to be begun again */
    each_actors actors; /* in this walk over the log, */
    each_actors given;  /* and before: who was given up to where */
    theater__store_each_fn *visit;
    void *userdata;
} each_walk;

static void actors_init(each_actors *all)
{
    memset(all, 0, sizeof(*all));
    theater__log_actors_init(&all->list);
}

static void actors_deinit(each_actors *all)
{
    theater__log_actors_deinit(&all->list);
    theater__free(all->begun);
}

/* begun: NULL to leave it as it is. False without memory. */
static bool actors_put(each_actors *all, const theater__recovered *actor, const theater_hash *begun)
{
    if (!theater__log_actors_put(&all->list, actor)) {
        return false;
    }
    if (all->begun_capacity < all->list.capacity) {
        uint32_t capacity = all->list.capacity;
        theater_hash *grown = theater__realloc_array(all->begun, capacity, sizeof(all->begun[0]));
        if (grown == NULL) {
            return false;
        }
        memset(grown + all->begun_capacity, 0, (capacity - all->begun_capacity) * sizeof(grown[0]));
        all->begun = grown;
        all->begun_capacity = capacity;
    }
    if (begun != NULL) {
        all->begun[theater__map_find(&all->list.map, &actor->actor)] = *begun;
    }
    return true;
}

static const theater__recovered *actors_find(each_actors *all, const theater_id *id)
{
    return theater__log_actors_find(&all->list, id);
}

/* Whether the one that has this id in both is one and the same. */
static bool is_same(const each_actors *left, const each_actors *right, const theater_id *id)
{
    uint32_t a = theater__map_find(&left->list.map, id);
    uint32_t b = theater__map_find(&right->list.map, id);
    return a != UINT32_MAX && b != UINT32_MAX &&
           memcmp(&left->begun[a], &right->begun[b], sizeof(left->begun[a])) == 0;
}

/* Non-zero stops the walk. */
static int tell_damage(each_walk *walk, const theater_id *actor, uint64_t place, const char *what,
                       const char *verb)
{
    if (theater__view_first(walk->io, walk->directory) != walk->first) {
        walk->is_compacted = true;
        return 1;
    }
    char name[SEGMENT_NAME_SIZE];
    char text[THEATER_ERROR_MESSAGE_MAX];
    theater__segment_name(format_place_segment(place), name);
    (void)snprintf(text, sizeof(text), "%s at %s:%llu %s", what, name,
                   (unsigned long long)format_place_offset(place), verb);
    theater__store_piece piece = {.damage = text};
    if (actor != NULL) {
        piece.has_actor = true;
        piece.actor = *actor;
    }
    return walk->visit(&piece, walk->userdata);
}

/* Whether the visitor has this piece already, from before a compaction. */
static bool is_given(each_walk *walk, const theater__format_record *record)
{
    const theater__recovered *given = actors_find(&walk->given, &record->actor);
    return given != NULL && is_same(&walk->given, &walk->actors, &record->actor) &&
           record->first_seq + record->events_count <= given->next_seq;
}

static int visit_record(each_walk *walk, uint64_t place, const theater__format_record *record,
                        theater_status *out_status, theater_error *err)
{
    int stop = 0;
    if (!theater__record_follows(actors_find(&walk->actors, &record->actor), record)) {
        stop = tell_damage(walk, &record->actor, place,
                           "a record of this actor in front of the one", "is missing");
    }
    if (stop != 0) {
        return stop;
    }
    theater__recovered now = {
        .actor = record->actor,
        .head = record->head,
        .next_seq = record->first_seq + record->events_count,
        .place = place,
    };
    if (!actors_put(&walk->actors, &now, record->first_seq == 0 ? &record->head : NULL)) {
        *out_status = theater__fail_nomem(err);
        return 1;
    }
    if (is_given(walk, record)) {
        return 0;
    }
    theater__store_piece piece = {
        .has_actor = true,
        .actor = record->actor,
        .parent = record->parent,
        .head = record->head,
        .first_seq = record->first_seq,
        .events_count = record->events_count,
        .frames = record->frames,
    };
    return walk->visit(&piece, walk->userdata);
}

/* What lies in [from, to), records or not. */
static int visit_group(each_walk *walk, const theater__scan *scan, size_t from, size_t to,
                       theater_status *out_status, theater_error *err)
{
    theater__scan inside = *scan;
    inside.offset = from;
    inside.group_end = to;
    theater__scan_item item;
    int stop = 0;
    while (stop == 0 && inside.offset < to && theater__scan_next(&inside, &item)) {
        if (item.type == SCAN_RECORD) {
            stop = visit_record(walk, item.place, &item.record, out_status, err);
        } else if (item.type == SCAN_BAD_RECORD) {
            bool known = item.size >= FORMAT_RECORD_HEADER_SIZE &&
                         actors_find(&walk->actors, &item.record.actor) != NULL;
            stop = tell_damage(walk, known ? &item.record.actor : NULL, item.place, "the record",
                               "is damaged");
        }
    }
    return stop;
}

static int visit_segment(each_walk *walk, uint32_t number, const theater__buffer *bytes,
                         bool is_first, bool is_last, theater_status *out_status,
                         theater_error *err)
{
    theater__format_segment header;
    int stop = 0;
    if (theater__format_segment_decode(bytes->data, bytes->size, &header) != THEATER_OK ||
        header.number != number || theater__format_seed(header.store_id) != walk->seed) {
        theater__format_group any;
        theater__scan probe;
        theater__scan_init(&probe, walk->seed, number, bytes->data, bytes->size);
        if (is_last &&
            theater__scan_find_group(&probe, FORMAT_SEGMENT_HEADER_SIZE, &any) == SIZE_MAX) {
            return 0; /* it is being made */
        }
        stop =
            tell_damage(walk, NULL, format_place(number, 0), "the segment's header", "is damaged");
    } else if (is_first && header.previous_group != THEATER__PLACE_NONE) {
        stop = tell_damage(walk, NULL, format_place(number, 0), "the segment in front of the one",
                           "is missing");
    }
    theater__scan scan;
    theater__scan_init(&scan, walk->seed, number, bytes->data, bytes->size);
    size_t offset = FORMAT_SEGMENT_HEADER_SIZE;
    while (stop == 0 && offset < bytes->size) {
        theater__format_group group;
        size_t bad = 0;
        size_t begin = offset + FORMAT_GROUP_HEADER_SIZE;
        bool intact = theater__scan_group_intact(&scan, offset, &group, &bad);
        size_t end = intact ? begin + group.size : SIZE_MAX;
        if (!intact && theater__all_zero(bytes->data + offset, bytes->size - offset)) {
            return 0;
        }
        if (!intact) {
            theater__format_group next;
            end = theater__scan_find_group(&scan, offset + FORMAT_ALIGNMENT, &next);
            if (end == SIZE_MAX && is_last) {
                return 0;
            }
            end = end == SIZE_MAX ? bytes->size : end;
            if (bad == offset) {
                stop = tell_damage(walk, NULL, format_place(number, offset), "the group's header",
                                   "is damaged");
            }
        }
        if (stop == 0 && begin < end) {
            stop = visit_group(walk, &scan, begin, end, out_status, err);
        }
        offset = end;
    }
    return stop;
}

static theater_status walk_all(each_walk *walk, const theater__log_view *log, theater_error *err)
{
    const uint32_t *numbers = log->numbers;
    theater__buffer bytes = {0};
    theater_status status = THEATER_OK;
    int stop = 0;
    for (size_t i = 0; i < log->count && status == THEATER_OK && stop == 0; i++) {
        if (i > 0 && numbers[i] != numbers[i - 1] + 1) {
            stop = tell_damage(walk, NULL, format_place(numbers[i - 1] + 1, 0), "the segment",
                               "is missing");
        }
        theater_error error = THEATER_ERROR_INIT;
        theater_status loaded =
            theater__view_load(log, walk->io, walk->directory, numbers[i], &bytes, &error);
        if (stop == 0 && loaded != THEATER_OK && theater__ends_look(&error)) {
            status = theater__fail_as(err, &error);
        } else if (loaded != THEATER_OK && stop == 0) {
            stop = tell_damage(walk, NULL, format_place(numbers[i], 0), "the segment",
                               "cannot be read");
        } else if (stop == 0) {
            stop =
                visit_segment(walk, numbers[i], &bytes, i == 0, i + 1 == log->count, &status, err);
        }
    }
    theater__buffer_deinit(&bytes);
    if (status == THEATER_OK && stop != 0 && !walk->is_compacted) {
        status = theater__fail(err, THEATER_ERR_CANCELLED, "the walk was stopped");
    }
    return status;
}

/* What was given in this walk is passed over in the next one. False without memory. */
static bool keep_given(each_walk *walk)
{
    bool fine = true;
    for (uint32_t i = 0; i < walk->actors.list.count && fine; i++) {
        const theater__recovered *now = &walk->actors.list.items[i];
        const theater__recovered *given = actors_find(&walk->given, &now->actor);
        if (given == NULL || given->next_seq < now->next_seq ||
            !is_same(&walk->given, &walk->actors, &now->actor)) {
            fine = actors_put(&walk->given, now, &walk->actors.begun[i]);
        }
    }
    actors_deinit(&walk->actors);
    actors_init(&walk->actors);
    return fine;
}

static theater_status walk_once(each_walk *walk, theater_error *err)
{
    theater__log_view log;
    walk->is_compacted = false;
    walk->first = theater__view_first(walk->io, walk->directory);
    theater_status status = theater__view_open(walk->io, walk->directory, &log, err);
    if (status == THEATER_OK) {
        status = walk_all(walk, &log, err);
    }
    theater__free(log.numbers);
    if (status == THEATER_OK && walk->is_compacted && !keep_given(walk)) {
        status = theater__fail_nomem(err);
    }
    return status;
}

theater_status theater__logstore_collect_each(const char *directory, theater__store_each_fn *visit,
                                              void *userdata, theater_error *err)
{
    each_walk walk = {
        .io = theater__io_system(), .directory = directory, .visit = visit, .userdata = userdata};
    uint8_t id[FORMAT_STORE_ID_SIZE];
    theater_status status = theater__store_id_read(walk.io, directory, id, err);
    if (status != THEATER_OK) {
        return status;
    }
    walk.seed = theater__format_seed(id);
    actors_init(&walk.actors);
    actors_init(&walk.given);
    unsigned walks_count = 0;
    do {
        status = walk_once(&walk, err);
        walks_count++;
    } while (status == THEATER_OK && walk.is_compacted && walks_count < VIEW_LOOKS_MAX);
    if (status == THEATER_OK && walk.is_compacted) {
        status = theater__view_fail_busy(directory, err);
    }
    actors_deinit(&walk.actors);
    actors_deinit(&walk.given);
    return status;
}
