/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public functions over stores as files. They need no host: the store room does all of it.
 */
#include "internal.h"

#include <base/assert.h>
#include <base/error.h>
#include <base/limits.h>
#include <theater/store.h>

_Static_assert(THEATER_SHARDS_MAX == THEATER__SHARDS_MAX, "one limit, two names");

theater_status theater_store_shards(const char *url, uint32_t *out_count, theater_error *err)
{
    THEATER_ASSERT(url != NULL);
    THEATER_ASSERT(out_count != NULL);
    return theater__store_shards(url, out_count, err);
}

uint32_t theater_store_shard_of(theater_id id, uint32_t shards_count)
{
    THEATER_ASSERT(shards_count > 0);
    return theater__shard_of(&id, shards_count);
}

theater_status theater_store_backup(const char *url, const char *directory, theater_error *err)
{
    THEATER_ASSERT(url != NULL);
    THEATER_ASSERT(directory != NULL);
    return theater__store_backup(url, directory, err);
}

/* What is asked for in the words of the store room, and back. */
typedef struct pruning {
    const theater_prune_options *options;
} pruning;

static void visit_actor(const theater__prune_actor *found, void *userdata)
{
    const pruning *it = userdata;
    theater_prune_actor told = {
        .id = found->actor,
        .events_count = found->events_count,
        .ended = found->ended,
        .size = found->size,
    };
    it->options->visit(&told, it->options->userdata);
}

static int visit_progress(uint64_t done, uint64_t total, void *userdata)
{
    const pruning *it = userdata;
    return it->options->progress(done, total, it->options->userdata);
}

/* The machine's time, by which actors are old. */
static theater_status read_clock(theater__prune *what, theater_error *err)
{
    theater__clock *clock = NULL;
    theater_status status = theater__clock_open_os(&clock, err);
    if (status == THEATER_OK) {
        theater__boot boot = theater__clock_boot(clock);
        what->wall = theater__clock_wall(clock);
        memcpy(what->boot, boot.bytes, sizeof(what->boot));
        theater__clock_close(clock);
    }
    return status;
}

theater_status theater_store_prune(const char *url, const theater_prune_options *options,
                                   theater_prune_report *out_report, theater_error *err)
{
    THEATER_ASSERT(url != NULL);
    theater_prune_options defaults = THEATER_PRUNE_OPTIONS_INIT;
    pruning it = {.options = options != NULL ? options : &defaults};
    if (it.options->struct_size != sizeof(*it.options) ||
        (out_report != NULL && out_report->struct_size != sizeof(*out_report))) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "the options were not made with THEATER_PRUNE_OPTIONS_INIT, or the "
                             "report has no size");
    }
    theater__prune what = {
        .ids = it.options->ids,
        .ids_count = it.options->ids != NULL ? it.options->ids_count : 0,
        .has_before = it.options->older_than_ms > 0,
        .dry_run = it.options->dry_run,
        .adopt = it.options->store_adopt,
        .visit = it.options->visit != NULL ? visit_actor : NULL,
        .progress = it.options->progress != NULL ? visit_progress : NULL,
        .userdata = &it,
        .log = {it.options->log, it.options->log_userdata, THEATER_LOG_WARNING},
    };
    theater__pruned pruned;
    theater_status status = read_clock(&what, err);
    if (status == THEATER_OK) {
        uint64_t now_ms = what.wall.ms;
        uint64_t age_ms = it.options->older_than_ms;
        what.before.ms = age_ms < now_ms ? now_ms - age_ms : 0;
        status = theater__store_prune(url, &what, &pruned, err);
    }
    if (status == THEATER_OK && out_report != NULL) {
        out_report->actors_count = pruned.actors_count;
        out_report->kept_count = pruned.kept_count;
        out_report->components_count = pruned.components_count;
        out_report->records_size = pruned.records_size;
        out_report->size_before = pruned.size_before;
        out_report->size_after = pruned.size_after;
    }
    return status;
}
