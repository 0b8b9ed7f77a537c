/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ended actors leave the store. Who may go has ended and has nothing left to be given out; who goes
 * was named, or recorded its last event long enough ago. Nothing in a log can be taken out of it,
 * so the log is copied without them (compact.c), and the copy takes its place (settle.c):
 *
 *     open, with the lock ── one walk over the log: sizes, ends, components ── choose ── visit
 *          nobody goes, or it is only asked ──> close
 *          space? ── copy, read back ── mark ── finish ── close
 *
 * The walk checks what recovery checks, but of all segments, whether an index stands for them or
 * not: from a damaged log nothing is copied, since the copy would hide that. A component goes if no
 * actor that stays names it in its genesis; if one of these cannot be read, all components stay.
 *
 * A stop is asked for between segments, and heard until the mark is written.
 */
#include "compact.h"
#include "index.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <chain/payload.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Beside the copy: its mark, and blocks that a file system takes for itself. */
#define SPACE_MARGIN_BYTES ((uint64_t)1 << 20)

/* Components that actors of this log name; keyed by the first half of their digests. */
typedef struct component_list {
    theater__map map;
    theater_hash *digests;
    bool *used; /* by one that stays */
    uint32_t count;
    uint32_t capacity;
    bool unknown; /* one that stays could not be asked */
} component_list;

typedef struct prune_run {
    theater__logstore *log;
    const theater__prune *what;
    theater__compact_fate *fates; /* beside log->actors */
    theater__log_actors seen;
    component_list components;
    theater__genesis *genesis; /* large */
    theater_hash *unused;      /* digests of components/ that nobody names */
    uint32_t unused_count;
    theater__compact_progress progress;
    theater__pruned result;
    uint64_t stay_size;
} prune_run;

/* ---- components ------------------------------------------------------------------------------ */

static const theater_id *component_key(uint32_t number, const void *userdata)
{
    const component_list *all = userdata;
    return (const theater_id *)(const void *)all->digests[number].bytes;
}

_Static_assert(sizeof(theater_id) <= sizeof(theater_hash), "a key is a part of a digest");

/* UINT32_MAX without memory. */
static uint32_t component_number(component_list *all, const theater_hash *digest)
{
    theater_id key;
    memcpy(key.bytes, digest->bytes, sizeof(key.bytes));
    uint32_t number = theater__map_find(&all->map, &key);
    if (number != UINT32_MAX) {
        return number;
    }
    if (all->count == all->capacity) {
        uint32_t capacity = all->capacity == 0 ? 16 : all->capacity * 2;
        theater_hash *digests =
            theater__realloc_array(all->digests, capacity, sizeof(all->digests[0]));
        all->digests = digests != NULL ? digests : all->digests;
        bool *used = digests == NULL
                         ? NULL
                         : theater__realloc_array(all->used, capacity, sizeof(all->used[0]));
        if (used == NULL) {
            return UINT32_MAX;
        }
        all->used = used;
        all->capacity = capacity;
    }
    all->digests[all->count] = *digest;
    all->used[all->count] = false;
    if (!theater__map_add(&all->map, all->count)) {
        return UINT32_MAX;
    }
    return all->count++;
}

static bool is_used(const component_list *all, const theater_hash *digest)
{
    theater_id key;
    memcpy(key.bytes, digest->bytes, sizeof(key.bytes));
    uint32_t number = theater__map_find(&all->map, &key);
    return number != UINT32_MAX && all->used[number];
}

/* "<64 hexadecimal digits>.wasm"; false for any other name. */
static bool parse_component(const char *name, theater_hash *out_digest)
{
    char text[THEATER_HASH_TEXT_SIZE] = {0};
    char again[THEATER_HASH_TEXT_SIZE];
    if (strlen(name) != THEATER_HASH_TEXT_SIZE - 1 + strlen(".wasm") ||
        strcmp(name + THEATER_HASH_TEXT_SIZE - 1, ".wasm") != 0) {
        return false;
    }
    memcpy(text, name, THEATER_HASH_TEXT_SIZE - 1);
    for (size_t i = 0; i < sizeof(out_digest->bytes); i++) {
        char digits[3] = {text[2 * i], text[2 * i + 1], '\0'};
        out_digest->bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    theater_hash_format(out_digest, again);
    return strcmp(text, again) == 0;
}

static int visit_component(const char *name, void *userdata)
{
    prune_run *run = userdata;
    theater_hash digest;
    if (!parse_component(name, &digest) || is_used(&run->components, &digest) ||
        run->unused_count == FORMAT_MARK_COMPONENTS_MAX) {
        return 0;
    }
    if ((run->unused_count & (run->unused_count + 1)) == 0) { /* 0, 1, 3, 7, …: it is full */
        theater_hash *grown = theater__realloc_array(
            run->unused, 2 * ((size_t)run->unused_count + 1), sizeof(run->unused[0]));
        if (grown == NULL) {
            return -ENOMEM;
        }
        run->unused = grown;
    }
    run->unused[run->unused_count] = digest;
    run->unused_count++;
    return 0;
}

/* What lies in components/ and is named by nobody who stays. */
static theater_status find_unused(prune_run *run, theater_error *err)
{
    for (uint32_t i = 0; i < run->log->actors.count; i++) {
        const theater__compact_fate *fate = &run->fates[i];
        if (!fate->goes && fate->component == UINT32_MAX) {
            run->components.unknown = true;
        } else if (!fate->goes) {
            run->components.used[fate->component] = true;
        }
    }
    THEATER_AUTOFREE char *path = theater__path_in(run->log->directory, "components");
    int result = path == NULL ? -ENOMEM : 0;
    if (result == 0 && !run->components.unknown) {
        result = run->log->io->list(run->log->io, path, visit_component, run);
    }
    if (result == -ENOMEM) {
        return theater__fail_nomem(err);
    }
    return result < 0 && result != -ENOENT
               ? theater__fail_errno(err, THEATER_ERR_IO, -result, "'%s' cannot be read", path)
               : THEATER_OK;
}

/* ---- the walk over the log ------------------------------------------------------------------- */

/* The component that the genesis in front of these frames names. */
static theater_status read_genesis(prune_run *run, const theater__format_record *record,
                                   theater__compact_fate *fate, theater_error *err)
{
    theater__chain_reader reader;
    theater_event event;
    theater__chain_reader_init(&reader, record->frames.data, record->frames.size, &record->parent,
                               record->first_seq);
    if (theater__chain_read(&reader, &event, NULL) != THEATER_OK ||
        event.kind != THEATER_KIND_GENESIS ||
        theater__genesis_decode(event.payload, run->genesis, NULL) != THEATER_OK) {
        return THEATER_OK; /* of a newer version, perhaps: its component is not known */
    }
    fate->component = component_number(&run->components, &run->genesis->component);
    return fate->component == UINT32_MAX ? theater__fail_nomem(err) : THEATER_OK;
}

/* When the last of these events was recorded. */
static theater_status read_end(const prune_run *run, uint64_t place,
                               const theater__format_record *record, theater__compact_fate *fate,
                               theater_error *err)
{
    theater__chain_reader reader;
    theater_event event = {0};
    theater_status status = THEATER_OK;
    theater__chain_reader_init(&reader, record->frames.data, record->frames.size, &record->parent,
                               record->first_seq);
    for (uint32_t i = 0; i < record->events_count && status == THEATER_OK; i++) {
        status = theater__chain_read(&reader, &event, err);
    }
    if (status != THEATER_OK) {
        char name[SEGMENT_NAME_SIZE];
        theater__segment_name(format_place_segment(place), name);
        return theater__fail(err, THEATER_ERR_CORRUPT,
                             "store '%s' is damaged: events that do not fit their record at "
                             "%s:%llu; run 'theater verify'",
                             run->log->directory, name,
                             (unsigned long long)format_place_offset(place));
    }
    fate->ended = event.wall;
    fate->has_ended = true;
    return THEATER_OK;
}

static theater_status fail_unfit(const prune_run *run, uint64_t place, theater_error *err)
{
    char name[SEGMENT_NAME_SIZE];
    theater__segment_name(format_place_segment(place), name);
    return theater__fail(err, THEATER_ERR_CORRUPT,
                         "store '%s' is damaged: a record that does not follow its actor's last "
                         "one at %s:%llu; run 'theater verify'",
                         run->log->directory, name, (unsigned long long)format_place_offset(place));
}

static bool may_go(const theater__standing *standing)
{
    return standing->state == THEATER__STATE_ENDED &&
           standing->output_seq <= standing->delivered_seq;
}

static theater_status plan_record(uint64_t place, const theater__format_record *record,
                                  void *userdata, theater_error *err)
{
    prune_run *run = userdata;
    uint32_t number = theater__map_find(&run->log->actors.map, &record->actor);
    if (number == UINT32_MAX ||
        !theater__record_follows(theater__log_actors_find(&run->seen, &record->actor), record)) {
        return fail_unfit(run, place, err);
    }
    if (!theater__log_actors_put_record(&run->seen, place, record)) {
        return theater__fail_nomem(err);
    }
    theater__compact_fate *fate = &run->fates[number];
    theater_status status = THEATER_OK;
    fate->size += record->size;
    if (record->events_count > 0 && record->first_seq == 0) {
        status = read_genesis(run, record, fate, err);
    }
    if (status == THEATER_OK && record->events_count > 0 &&
        may_go(&run->log->actors.items[number].standing)) {
        fate->has_ended = false;
        if (record->first_seq + record->events_count == run->log->actors.items[number].next_seq) {
            status = read_end(run, place, record, fate, err);
        }
    }
    return status;
}

/* What an index said and what the segments say is the same. */
static theater_status check_seen(prune_run *run, theater_error *err)
{
    const theater__log_actors *actors = &run->log->actors;
    for (uint32_t i = 0; i < actors->count; i++) {
        const theater__recovered *item = &actors->items[i];
        const theater__recovered *seen = theater__log_actors_find(&run->seen, &item->actor);
        if (seen == NULL || seen->place != item->place || seen->next_seq != item->next_seq ||
            memcmp(&seen->head, &item->head, sizeof(seen->head)) != 0 ||
            seen->standing.state != item->standing.state ||
            seen->standing.output_seq != item->standing.output_seq ||
            seen->standing.delivered_seq != item->standing.delivered_seq) {
            return fail_unfit(run, item->place, err);
        }
    }
    return THEATER_OK;
}

/* ---- who goes -------------------------------------------------------------------------------- */

static theater_status choose_named(prune_run *run, const theater_id *id, theater_error *err)
{
    char text[THEATER_ID_TEXT_SIZE];
    theater_id_format(*id, text);
    uint32_t number = theater__map_find(&run->log->actors.map, id);
    if (number == UINT32_MAX) {
        run->result.missing_count++;
        return THEATER_OK;
    }
    const theater__standing *standing = &run->log->actors.items[number].standing;
    if (standing->state != THEATER__STATE_ENDED) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "actor '%s' has not ended, and stays; resume or cancel it first",
                             text);
    }
    if (!may_go(standing)) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "actor '%s' has ended with outputs that were not given out yet, and "
                             "stays; 'theater resume' gives them out",
                             text);
    }
    run->fates[number].goes = true;
    return THEATER_OK;
}

static theater_status choose(prune_run *run, theater_error *err)
{
    const theater__prune *what = run->what;
    theater_status status = THEATER_OK;
    for (size_t i = 0; i < what->ids_count && status == THEATER_OK; i++) {
        status = choose_named(run, &what->ids[i], err);
    }
    if (status == THEATER_OK && !what->is_part) {
        status = theater__prune_check_named(run->log->directory, what, &run->result, err);
    }
    for (uint32_t i = 0; i < run->log->actors.count && status == THEATER_OK; i++) {
        theater__compact_fate *fate = &run->fates[i];
        const theater__recovered *actor = &run->log->actors.items[i];
        bool asked = what->ids_count > 0 ? fate->goes : may_go(&actor->standing);
        /* One that never recorded an event has no age. */
        fate->goes =
            asked && (!what->has_before || (fate->has_ended && fate->ended.ms <= what->before.ms));
        if (fate->goes) {
            run->result.actors_count++;
            run->result.records_size += fate->size;
        } else {
            run->result.kept_count++;
            run->stay_size += fate->size;
        }
    }
    return status;
}

static void visit_chosen(const prune_run *run)
{
    for (uint32_t i = 0; run->what->visit != NULL && i < run->log->actors.count; i++) {
        if (run->fates[i].goes) {
            theater__prune_actor actor = {
                .actor = run->log->actors.items[i].actor,
                .events_count = run->log->actors.items[i].next_seq,
                .ended = run->fates[i].ended,
                .size = run->fates[i].size,
            };
            run->what->visit(&actor, run->what->userdata);
        }
    }
}

/* ---- sizes ----------------------------------------------------------------------------------- */

typedef struct size_sum {
    theater__io *io;
    const char *directory;
    uint64_t bytes;
} size_sum;

static int add_size(const char *name, void *userdata)
{
    size_sum *sum = userdata;
    const char *end = strrchr(name, '.');
    if (end == NULL ||
        (strcmp(end, ".log") != 0 && strcmp(end, ".idx") != 0 && strcmp(end, ".wasm") != 0)) {
        return 0;
    }
    THEATER_AUTOFREE char *path = theater__path_in(sum->directory, name);
    int fd = path == NULL ? -ENOMEM : sum->io->open(sum->io, path, O_RDONLY, 0);
    uint64_t size = 0;
    if (fd >= 0) {
        if (sum->io->size(sum->io, fd, &size) == 0) {
            sum->bytes += size;
        }
        (void)sum->io->close(sum->io, fd);
    }
    return 0;
}

/* Of segments, indexes and components; what cannot be seen counts nothing. */
static uint64_t size_of_store(theater__logstore *log)
{
    THEATER_AUTOFREE char *components = theater__path_in(log->directory, "components");
    size_sum sum = {log->io, log->directory, 0};
    (void)log->io->list(log->io, log->directory, add_size, &sum);
    if (components != NULL) {
        sum.directory = components;
        (void)log->io->list(log->io, components, add_size, &sum);
    }
    return sum.bytes;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool is_no_space(const theater_error *error)
{
    return error->os_errno == ENOSPC || error->os_errno == EDQUOT;
}

static theater_status fail_space(const prune_run *run, uint64_t needed, theater_error *err)
{
    return theater__fail_errno(
        err, THEATER_ERR_IO, ENOSPC,
        "store '%.100s' is as it was: without them it is written anew first, "
        "which takes %llu bytes",
        run->log->directory, (unsigned long long)needed);
}

/* The copy, and the mark. Without one or the other nothing has happened. */
static theater_status make_copy(prune_run *run, const theater__compact_walk *walk,
                                theater__format_mark *out_mark, theater_error *err)
{
    theater__logstore *log = run->log;
    uint64_t needed = theater__compact_space(log, run->stay_size) + SPACE_MARGIN_BYTES;
    uint64_t space = 0;
    if (log->io->space(log->io, log->directory, &space) == 0 && space < needed) {
        return fail_space(run, needed, err);
    }
    theater_error error = THEATER_ERROR_INIT;
    theater_status status = theater__compact_copy(walk, run->fates, out_mark, &error);
    if (status == THEATER_OK) {
        out_mark->components_count = run->unused_count;
        int result = theater__compact_write_mark(log, out_mark, run->unused);
        status = result < 0 ? theater__fail_errno(&error, THEATER_ERR_IO, -result,
                                                  "store '%s' cannot be written", log->directory)
                            : THEATER_OK;
    }
    if (status == THEATER_OK) {
        return THEATER_OK;
    }
    /* If the mark is there all the same (its directory could not be synced), the copy stays. */
    theater__format_mark mark = {0};
    theater__buffer digests = {0};
    if (theater__compact_read_mark(log->io, log->directory, &mark, &digests, NULL) ==
        THEATER_ERR_NOTFOUND) {
        (void)theater__compact_discard(log);
    }
    theater__buffer_deinit(&digests);
    if (is_no_space(&error)) {
        return fail_space(run, needed, err);
    }
    if (err != NULL) {
        *err = error;
    }
    return status;
}

static theater_status rewrite(prune_run *run, const theater__compact_walk *walk, theater_error *err)
{
    theater__logstore *log = run->log;
    theater__format_mark mark = {0};
    theater_status status = make_copy(run, walk, &mark, err);
    if (status != THEATER_OK) {
        return status;
    }
    /* The log that is open is no more. */
    (void)log->io->close(log->io, log->write_fd);
    log->write_fd = -1;
    log->spans_count = 0;
    status = theater__compact_finish(log, &mark, run->unused, true, err);
    THEATER_AUTOFREE char *reserve = theater__path_in(log->directory, "reserve");
    if (status == THEATER_OK && reserve != NULL) {
        /* It was made for all of them; the next open makes one for those that are left. */
        (void)log->io->unlink(log->io, reserve);
    }
    return status;
}

static theater_status plan(prune_run *run, theater__compact_walk *walk, theater_error *err)
{
    theater__logstore *log = run->log;
    run->fates = theater__alloc_zeroed((size_t)log->actors.count + 1, sizeof(run->fates[0]));
    run->genesis = theater__alloc_zeroed(1, sizeof(*run->genesis));
    if (run->fates == NULL || run->genesis == NULL) {
        return theater__fail_nomem(err);
    }
    for (uint32_t i = 0; i < log->actors.count; i++) {
        run->fates[i].component = UINT32_MAX;
        run->fates[i].call_old = THEATER__PLACE_NONE;
        run->fates[i].call = THEATER__PLACE_NONE;
    }
    uint32_t *numbers = NULL;
    size_t count = 0;
    theater_status status = theater__segment_list(log->io, log->directory, &numbers, &count, err);
    if (status == THEATER_OK) {
        walk->first = count > 0 ? numbers[0] : 1;
    }
    theater__free(numbers);
    if (status == THEATER_OK) {
        status = theater__compact_walk_log(walk, err);
    }
    if (status == THEATER_OK) {
        status = check_seen(run, err);
    }
    if (status == THEATER_OK) {
        status = choose(run, err);
    }
    return status == THEATER_OK && run->result.actors_count > 0 ? find_unused(run, err) : status;
}

static theater_status prune_open(prune_run *run, theater_error *err)
{
    theater__logstore *log = run->log;
    if (log->sequence > FORMAT_SEQUENCE_LIMIT / 2) {
        return theater__fail(err, THEATER_ERR_CORRUPT,
                             "store '%s' is damaged: no log has so many groups", log->directory);
    }
    if (!run->what->dry_run) {
        /* So that the log says of all its groups that they are durable. */
        theater__logstore_commit_close(log);
    }
    run->result.size_before = size_of_store(log);
    /* Read, and if somebody goes read again for the copy, which is then read back. */
    run->progress.total = (run->what->dry_run ? 1 : 3) * run->result.size_before;
    theater__compact_walk walk = {
        .log = log,
        .directory = log->directory,
        .last = log->write_segment,
        .visit = plan_record,
        .userdata = run,
        .progress = &run->progress,
    };
    theater_status status = log->failed ? THEATER_ERR_STORE : plan(run, &walk, err);
    if (log->failed && err != NULL) {
        *err = log->failure;
    }
    if (status != THEATER_OK) {
        return status;
    }
    visit_chosen(run);
    run->progress.total = 2 * run->progress.done + theater__compact_space(log, run->stay_size);
    run->result.components_count = run->unused_count;
    if (run->result.actors_count > 0 && !run->what->dry_run) {
        status = rewrite(run, &walk, err);
    }
    run->result.size_after = size_of_store(log);
    return status;
}

theater_status theater__prune_check_named(const char *directory, const theater__prune *what,
                                          const theater__pruned *found, theater_error *err)
{
    char text[THEATER_ID_TEXT_SIZE];
    if (what->ids_count == 0 || found->missing_count < what->ids_count) {
        return THEATER_OK;
    }
    theater_id_format(what->ids[0], text);
    return what->ids_count == 1
               ? theater__fail(err, THEATER_ERR_NOTFOUND, "there is no actor '%s' in store '%s'",
                               text, directory)
               : theater__fail(err, THEATER_ERR_NOTFOUND,
                               "none of the %zu named actors is in store '%s'", what->ids_count,
                               directory);
}

theater_status theater__logstore_prune_with(const theater__logstore_options *options,
                                            const theater__prune *what, theater__pruned *out_pruned,
                                            theater_error *err)
{
    theater__store_options store = {
        .must_exist = true,
        .adopt = what->adopt,
        .log = what->log,
        .wall = what->wall,
    };
    theater__logstore_options all = *options;
    theater__store *opened = NULL;
    memcpy(store.boot, what->boot, sizeof(store.boot));
    all.store = &store;
    all.threadless = true;
    theater_status status = theater__logstore_open_with(&all, &opened, err);
    if (status != THEATER_OK) {
        return status;
    }
    prune_run run = {
        .log = (theater__logstore *)opened,
        .what = what,
        .progress = {.tell = what->progress, .userdata = what->userdata},
    };
    theater__log_actors_init(&run.seen);
    theater__map_init(&run.components.map, run.seen.map.seed, component_key, &run.components);
    status = prune_open(&run, err);
    if (status == THEATER_OK) {
        *out_pruned = run.result;
    }
    theater__log_actors_deinit(&run.seen);
    theater__map_deinit(&run.components.map);
    theater__free(run.components.digests);
    theater__free(run.components.used);
    theater__free(run.genesis);
    theater__free(run.fates);
    theater__free(run.unused);
    theater__store_close(opened);
    return status;
}

theater_status theater__logstore_prune(const char *directory, const theater__prune *what,
                                       theater__pruned *out_pruned, theater_error *err)
{
    theater__logstore_options options = {.directory = directory};
    return theater__logstore_prune_with(&options, what, out_pruned, err);
}
