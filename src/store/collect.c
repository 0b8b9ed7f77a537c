/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at a log from outside: no lock, no trust, nothing written. It may be in use, and it may
 * be damaged in any way; both must not be confused.
 *
 * Damage is what is broken in front of a place that a later group calls durable. What is broken
 * behind that is a write which is going on right now, or was torn: it is passed over, together with
 * the rest of its group, as recovery would. And because bytes may be read while they are written,
 * damage is only believed when a second look finds the same.
 *
 * Whose damage is it? A damaged record still says much about itself: its actor, the record before
 * it, the head before it, the actor's genesis. If two of these are ours, it is ours: its frames are
 * given as they stand, so that the chain's own check can name the event. If they fit another actor,
 * which stands just there, it is that one's. What is too broken to tell, or lies where it does not
 * belong, is held against every actor until a later record of ours follows our last one without a
 * gap: nobody is given a shorter chain and told that it is whole.
 */
#include "compact.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <stdio.h>
#include <string.h>

/* Looks until two agree; a log that is written faster than it is read is believed after these. */
#define COLLECT_LOOKS_MAX 6

/* Something broken. It counts once a later group says that the log was durable behind it. */
typedef struct damage_note {
    bool found;
    bool promised;
    uint64_t place;
    char text[THEATER_ERROR_MESSAGE_MAX];
} damage_note;

/* Where the actor stands after its last record that was taken. */
typedef struct position {
    size_t frames_size;
    uint64_t next_seq;
    theater_hash head;
    uint64_t place;
    uint64_t genesis;
    bool begun;
} position;

/* A damaged record, while it is found out whether it is someone else's. */
typedef struct suspect {
    uint64_t place;
    theater__format_record record; /* without frames */
    unsigned disagreements;
    bool has_predecessor; /* an intact record fits in front of it, and is still its actor's last */
    theater_id predecessor; /* that actor */
    bool id_seen;           /* its actor has an intact record in front of it */
} suspect;

/* More damaged records than this are held against everyone. */
#define SUSPECTS_MAX 64u

typedef struct suspect_list {
    suspect items[SUSPECTS_MAX];
    unsigned count;
    bool settled; /* complete since the last look: this look compares the whole log with it */
} suspect_list;

typedef struct collection {
    const theater_id *actor;
    theater__buffer *frames;
    position now;
    position before_group; /* to go back to if the group turns out to be torn */
    bool seen;             /* there is a trace of the actor */
    bool maybe_seen;       /* a damaged first record may be its own */
    suspect_list *suspects;
    damage_note ours;    /* ends the collection */
    damage_note doubt;   /* may have been ours */
    damage_note headers; /* of a group or segment: is held against records of ours behind it */
} collection;

/* ---- damage ---------------------------------------------------------------------------------- */

static void note(damage_note *damage, uint64_t place, const char *what, const char *verb)
{
    if (damage->found) {
        return;
    }
    damage->found = true;
    damage->promised = false;
    damage->place = place;
    char name[SEGMENT_NAME_SIZE];
    theater__segment_name(format_place_segment(place), name);
    (void)snprintf(damage->text, sizeof(damage->text), "%s at %s:%llu %s", what, name,
                   (unsigned long long)format_place_offset(place), verb);
}

static void promise(damage_note *damage, uint64_t durable_upto)
{
    if (damage->found && durable_upto > damage->place) {
        damage->promised = true;
    }
}

/* ---- whose record is it ---------------------------------------------------------------------- */

static bool same_id(const theater_id *a, const theater_id *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static bool same_hash(const theater_hash *a, const theater_hash *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static unsigned differing_bytes(const theater_id *a, const theater_id *b)
{
    unsigned count = 0;
    for (size_t i = 0; i < sizeof(a->bytes); i++) {
        count += a->bytes[i] != b->bytes[i];
    }
    return count;
}

/* Takes down a damaged record for the next look. */
static void suspect_add(suspect_list *all, const theater__scan_item *item)
{
    if (all->settled || all->count == SUSPECTS_MAX || item->size < FORMAT_RECORD_HEADER_SIZE) {
        return;
    }
    suspect *it = &all->items[all->count];
    memset(it, 0, sizeof(*it));
    it->place = item->place;
    it->record = item->record;
    it->record.frames.data = NULL;
    it->record.frames.size = 0;
    it->disagreements = item->disagreements;
    all->count++;
}

/* From the next look on, the list is complete when a damaged record is come to. */
static void suspects_settle(suspect_list *all)
{
    for (unsigned i = 0; i < all->count; i++) {
        all->items[i].has_predecessor = false;
        all->items[i].id_seen = false;
    }
    all->settled = true;
}

/* Compares an intact record with all suspects behind it. */
static void suspects_compare(suspect_list *all, uint64_t place,
                             const theater__format_record *record)
{
    for (unsigned i = 0; i < all->count; i++) {
        suspect *it = &all->items[i];
        if (place >= it->place) {
            continue;
        }
        bool id = same_id(&record->actor, &it->record.actor);
        unsigned signs = (unsigned)id + (unsigned)(it->record.previous == place) +
                         (unsigned)same_hash(&it->record.parent, &record->head) +
                         (unsigned)(it->record.genesis == record->genesis);
        it->id_seen = it->id_seen || id;
        if (signs >= 3) {
            it->has_predecessor = true;
            it->predecessor = record->actor;
        } else if (it->has_predecessor && same_id(&it->predecessor, &record->actor)) {
            /* Its actor has gone on since: this is an old record in a wrong place. */
            it->has_predecessor = false;
        }
    }
}

/* How many of the four fields of a first record say that this is one. */
static unsigned first_signs(const theater__format_record *record, uint64_t place)
{
    static const theater_hash no_parent = {{0}};
    return (unsigned)(record->previous == THEATER__PLACE_NONE) +
           (unsigned)same_hash(&record->parent, &no_parent) + (unsigned)(record->first_seq == 0) +
           (unsigned)(record->genesis == place);
}

static bool is_someone_elses(const suspect_list *all, uint64_t place)
{
    for (unsigned i = 0; all->settled && i < all->count; i++) {
        const suspect *it = &all->items[i];
        if (it->place == place) {
            return it->disagreements <= 1 &&
                   (it->has_predecessor || (!it->id_seen && first_signs(&it->record, place) >= 3));
        }
    }
    return false;
}

typedef enum ownership {
    OWNER_OTHER,
    OWNER_UNKNOWN,
    OWNER_LIKELY, /* could be our genesis, if no other one turns up */
    OWNER_US
} ownership;

static ownership owner_of(const collection *collector, const theater__scan_item *item)
{
    if (item->size < FORMAT_RECORD_HEADER_SIZE) {
        return OWNER_UNKNOWN;
    }
    const position *now = &collector->now;
    const theater__format_record *record = &item->record;
    bool id = same_id(&record->actor, collector->actor);
    unsigned signs = id;
    if (now->begun) {
        signs += record->previous == now->place;
        signs += same_hash(&record->parent, &now->head);
        signs += record->genesis == now->genesis;
        if (signs >= 2) {
            return OWNER_US;
        }
    } else {
        unsigned first = first_signs(record, item->place);
        if (id && first >= 1) {
            return OWNER_US;
        }
        if (first == 4 && differing_bytes(&record->actor, collector->actor) == 1) {
            return OWNER_LIKELY;
        }
    }
    if (id) {
        return OWNER_US;
    }
    return is_someone_elses(collector->suspects, item->place) ? OWNER_OTHER : OWNER_UNKNOWN;
}

/* ---- records --------------------------------------------------------------------------------- */

static bool take_frames(collection *collector, const theater__format_record *record, uint64_t place)
{
    theater__buffer_put(collector->frames, record->frames.data, record->frames.size);
    if (collector->frames->failed) {
        return false;
    }
    position *now = &collector->now;
    now->frames_size = collector->frames->size;
    now->next_seq = record->first_seq + record->events_count;
    now->head = record->head;
    now->place = place;
    now->genesis = now->begun ? now->genesis : place;
    now->begun = true;
    return true;
}

/* An intact record of the actor. False without memory. */
static bool visit_record(collection *collector, const theater__scan_item *item)
{
    const theater__format_record *record = &item->record;
    position *now = &collector->now;
    collector->seen = true;
    if (collector->ours.found) {
        return true;
    }
    if (collector->headers.found) {
        collector->ours = collector->headers;
        return true;
    }
    bool follows = now->begun
                       ? record->previous == now->place && record->first_seq == now->next_seq &&
                             same_hash(&record->parent, &now->head)
                       : record->previous == THEATER__PLACE_NONE && record->first_seq == 0;
    if (!follows) {
        if (collector->doubt.found) {
            collector->ours = collector->doubt;
        } else {
            note(&collector->ours, item->place, "a record of this actor in front of the one",
                 "is missing");
        }
        return true;
    }
    collector->doubt.found = false;
    return take_frames(collector, record, item->place);
}

/* Bytes in a group that are no intact record. False without memory. */
static bool visit_bad_record(collection *collector, const theater__scan_item *item)
{
    ownership owner = owner_of(collector, item);
    collector->seen = collector->seen || owner == OWNER_US;
    collector->maybe_seen = collector->maybe_seen || owner == OWNER_LIKELY;
    if (collector->ours.found || owner == OWNER_OTHER) {
        return true;
    }
    if (owner != OWNER_US) {
        note(&collector->doubt, item->place,
             owner == OWNER_LIKELY ? "the first record, probably of this actor," : "a record",
             "is damaged");
        return true;
    }
    note(&collector->ours, item->place, "the record", "is damaged");
    if (item->disagreements == 0 && !collector->headers.found) {
        return take_frames(collector, &item->record, item->place);
    }
    return true;
}

/* ---- segments -------------------------------------------------------------------------------- */

static void visit_group(collection *collector, const theater__scan_item *item)
{
    promise(&collector->ours, item->group.durable_upto);
    promise(&collector->doubt, item->group.durable_upto);
    promise(&collector->headers, item->group.durable_upto);
    if (!collector->ours.found) {
        collector->before_group = collector->now;
    }
}

/*
 * The closing group is the one piece of a log whose every byte is known beforehand. If what stands
 * at the end differs from it in a single byte, and its last word is there, that was no torn write.
 */
static bool is_damaged_closing(const theater__scan *scan, const theater__scan_item *tail,
                               const theater__format_group *last)
{
    if (tail->size < FORMAT_GROUP_HEADER_SIZE || last->sequence == 0 ||
        !theater__all_zero(tail->data + FORMAT_GROUP_HEADER_SIZE,
                           tail->size - FORMAT_GROUP_HEADER_SIZE)) {
        return false;
    }
    theater__format_group closing = {
        .sequence = last->sequence + 1,
        .place = tail->place,
        .durable_upto = tail->place,
        .previous = last->place,
    };
    uint8_t expected[FORMAT_GROUP_HEADER_SIZE];
    theater__format_group_encode(scan->seed, &closing, expected);
    unsigned differences = 0;
    for (size_t i = 0; i < sizeof(expected); i++) {
        differences += expected[i] != tail->data[i];
    }
    return differences == 1 && tail->data[FORMAT_GROUP_HEADER_SIZE - 1] != 0;
}

static void visit_tail(collection *collector, const theater__scan *scan,
                       const theater__scan_item *tail, const theater__format_group *last)
{
    if (collector->ours.found) {
        return;
    }
    note(&collector->doubt, tail->place, "the end of the log", "is damaged");
    if (is_damaged_closing(scan, tail, last)) {
        collector->doubt.promised = true;
    }
}

/* One segment's bytes. False without memory. */
static bool visit_segment(collection *collector, uint32_t seed, uint32_t number, bool is_first,
                          const theater__buffer *bytes)
{
    theater__format_segment header;
    theater_status status = theater__format_segment_decode(bytes->data, bytes->size, &header);
    if (status != THEATER_OK || header.number != number ||
        theater__format_seed(header.store_id) != seed) {
        note(&collector->headers, format_place(number, 0), "the segment's header", "is damaged");
    } else if (is_first && header.previous_group != THEATER__PLACE_NONE) {
        note(&collector->headers, format_place(number, 0), "the segment in front of the one",
             "is missing");
    }
    theater__scan scan;
    theater__scan_init(&scan, seed, number, bytes->data, bytes->size);
    theater__scan_item item;
    theater__format_group last = {0};
    while (theater__scan_next(&scan, &item)) {
        bool fine = true;
        switch (item.type) {
        case SCAN_GROUP:
            visit_group(collector, &item);
            last = item.group;
            break;
        case SCAN_BAD_GROUP:
            if (!collector->ours.found) {
                collector->before_group = collector->now;
            }
            note(&collector->headers, item.place, "the group's header", "is damaged");
            break;
        case SCAN_RECORD:
            suspects_compare(collector->suspects, item.place, &item.record);
            fine = !same_id(&item.record.actor, collector->actor) || visit_record(collector, &item);
            break;
        case SCAN_BAD_RECORD:
            suspect_add(collector->suspects, &item);
            fine = visit_bad_record(collector, &item);
            break;
        case SCAN_TAIL:
            visit_tail(collector, &scan, &item, &last);
            break;
        case SCAN_END:
            break;
        }
        if (!fine) {
            return false;
        }
    }
    return true;
}

/* ---- the whole store ------------------------------------------------------------------------- */

/* A store as it is seen from outside. */
typedef struct outside_view {
    theater__io *io;
    const char *directory;
    uint32_t seed;
    theater__log_view log;
    theater__buffer bytes;
} outside_view;

static void outside_deinit(outside_view *outside)
{
    theater__free(outside->log.numbers);
    theater__buffer_deinit(&outside->bytes);
}

static theater_status load(outside_view *outside, uint32_t number, theater_error *err)
{
    return theater__view_load(&outside->log, outside->io, outside->directory, number,
                              &outside->bytes, err);
}

/* The id that stands in the first intact segment header, else the one in store.id. */
static theater_status find_seed(outside_view *outside, theater_error *err)
{
    for (size_t i = 0; i < outside->log.count; i++) {
        theater_error error = THEATER_ERROR_INIT;
        theater_status status = load(outside, outside->log.numbers[i], &error);
        if (status != THEATER_OK && theater__ends_look(&error)) {
            return theater__fail_as(err, &error);
        }
        theater__format_segment header;
        if (status != THEATER_OK) {
            continue;
        }
        status = theater__format_segment_decode(outside->bytes.data, outside->bytes.size, &header);
        if (status == THEATER_ERR_UNSUPPORTED) {
            return theater__fail(err, status, "store '%s' was written by a newer version",
                                 outside->directory);
        }
        if (status == THEATER_OK) {
            outside->seed = theater__format_seed(header.store_id);
            return THEATER_OK;
        }
    }
    uint8_t id[FORMAT_STORE_ID_SIZE];
    theater_status status = theater__store_id_read(outside->io, outside->directory, id, err);
    if (status == THEATER_OK) {
        outside->seed = theater__format_seed(id);
    }
    return status;
}

static theater_status outside_init(outside_view *outside, const char *directory, theater_error *err)
{
    memset(outside, 0, sizeof(*outside));
    outside->io = theater__io_system();
    outside->directory = directory;
    theater_status status = theater__view_open(outside->io, directory, &outside->log, err);
    if (status == THEATER_OK && outside->log.count == 0) {
        status = theater__fail(err, THEATER_ERR_NOTFOUND, "there is no store at '%s'", directory);
    }
    return status == THEATER_OK ? find_seed(outside, err) : status;
}

/* One look at all segments. */
static theater_status look(outside_view *outside, collection *collector, theater_error *err)
{
    for (size_t i = 0; i < outside->log.count; i++) {
        uint32_t number = outside->log.numbers[i];
        if (i > 0 && number != outside->log.numbers[i - 1] + 1) {
            note(&collector->headers, format_place(outside->log.numbers[i - 1] + 1, 0),
                 "the segment", "is missing");
        }
        theater_error error = THEATER_ERROR_INIT;
        theater_status status = load(outside, number, &error);
        if (status != THEATER_OK && theater__ends_look(&error)) {
            return theater__fail_as(err, &error);
        }
        if (status != THEATER_OK) {
            note(&collector->headers, format_place(number, 0), "the segment", "cannot be read");
        }
        if (!visit_segment(collector, outside->seed, number, i == 0, &outside->bytes)) {
            return theater__fail_nomem(err);
        }
    }
    if (collector->ours.found && !collector->ours.promised) {
        /* Torn, or being written: as if the group were not there. */
        collector->now = collector->before_group;
        collector->frames->size = collector->now.frames_size;
        collector->ours.found = false;
    }
    if (!collector->ours.found && collector->doubt.found && collector->doubt.promised) {
        collector->ours = collector->doubt;
    }
    return THEATER_OK;
}

static theater_status collect_once(outside_view *outside, collection *collector,
                                   char out_damage[THEATER_ERROR_MESSAGE_MAX], theater_error *err)
{
    theater_status status = look(outside, collector, err);
    if (status != THEATER_OK) {
        return status;
    }
    bool broken = collector->ours.found;
    if (!collector->seen && !(broken && collector->maybe_seen)) {
        char text[THEATER_ID_TEXT_SIZE];
        theater_id_format(*collector->actor, text);
        return theater__fail(err, THEATER_ERR_NOTFOUND, "there is no actor '%s' in store '%s'",
                             text, outside->directory);
    }
    (void)snprintf(out_damage, THEATER_ERROR_MESSAGE_MAX, "%s", broken ? collector->ours.text : "");
    return THEATER_OK;
}

/* Looks again and again, until two looks find the same. */
static theater_status collect_surely(const char *directory, const theater_id *actor,
                                     suspect_list *suspects, theater__buffer *out_frames,
                                     char out_damage[THEATER_ERROR_MESSAGE_MAX], theater_error *err)
{
    char before[THEATER_ERROR_MESSAGE_MAX] = "";
    theater_status status = THEATER_OK;
    for (int i = 0; i < COLLECT_LOOKS_MAX && status == THEATER_OK; i++) {
        outside_view outside;
        collection collector = {.actor = actor, .frames = out_frames, .suspects = suspects};
        collector.now.place = THEATER__PLACE_NONE;
        collector.before_group = collector.now;
        theater__buffer_clear(out_frames);
        status = outside_init(&outside, directory, err);
        if (status == THEATER_OK) {
            status = collect_once(&outside, &collector, out_damage, err);
        }
        outside_deinit(&outside);
        if (out_damage[0] == '\0' || strcmp(before, out_damage) == 0) {
            return status;
        }
        memcpy(before, out_damage, sizeof(before));
        suspects_settle(suspects);
    }
    return status;
}

/* A log that was compacted meanwhile was no log while it was looked at. */
static bool is_same_log(const char *directory, uint32_t *first)
{
    uint32_t before = *first;
    *first = theater__view_first(theater__io_system(), directory);
    return before == *first;
}

theater_status theater__logstore_collect(const char *directory, const theater_id *actor,
                                         theater__buffer *out_frames,
                                         char out_damage[THEATER_ERROR_MESSAGE_MAX],
                                         theater_error *err)
{
    suspect_list *suspects = theater__alloc_zeroed(1, sizeof(*suspects));
    if (suspects == NULL) {
        return theater__fail_nomem(err);
    }
    uint32_t first = theater__view_first(theater__io_system(), directory);
    theater_status status = THEATER_OK;
    bool is_sure = false;
    for (unsigned i = 0; i < VIEW_LOOKS_MAX && !is_sure; i++) {
        memset(suspects, 0, sizeof(*suspects));
        out_damage[0] = '\0';
        status = collect_surely(directory, actor, suspects, out_frames, out_damage, err);
        is_sure = is_same_log(directory, &first);
    }
    theater__free(suspects);
    if (!is_sure) {
        theater__buffer_clear(out_frames);
        out_damage[0] = '\0';
        return theater__view_fail_busy(directory, err);
    }
    return status;
}
