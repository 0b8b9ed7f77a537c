/* SPDX-License-Identifier: Apache-2.0 */
/*
 * theater bench sleepers: so many actors asleep at once, and how they wake.
 *
 *     create ──> all asleep ──> (first due) ──> all awake and done ──> chains verified
 *            memory is read here      CPU and lateness up to here
 *
 * Who creates and runs them is bench_lanes.c, in one thread or in one for each shard.
 *
 * Dues that are spread are given out in an order that jumps: actors that were created one after the
 * other, whose records lie side by side, do not wake one after the other.
 */
#include "bench_sleepers.h"
#include "commands.h"
#include "memory.h"
#include "session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NOT_GIVEN UINT64_MAX
/* The host's bound of actors. */
#define COUNT_MAX ((uint64_t)1 << 24)
/* Creating is given so much time before the first is due, unless it is said. */
#define BEGIN_MS 3000u
#define BEGIN_US_EACH 60u
/* Left to the store's groups in flight before memory is read, if nobody is due meanwhile. */
#define SETTLE_MS 500u
/* A prime above COUNT_MAX: steps of it visit every place once. */
#define PLACE_STEP 2654435761u
/* Sleepers behind the baseline, for a figure of bytes each to mean something. */
#define BYTES_EACH_MIN 1000u

static const cli_option options[] = {
    {"count", CLI_U64, "N", "actors (needed)", offsetof(sleepers_settings, count), 1, COUNT_MAX},
    {"sleep", CLI_U64, "MS", "each sleeps so long from its own start",
     offsetof(sleepers_settings, sleep_ms), 1, 0},
    {"due-in", CLI_U64, "MS", "all are due at one instant, so long after the start",
     offsetof(sleepers_settings, due_in_ms), 1, 0},
    {"spread", CLI_U64, "MS", "due times spread evenly over so long, after all are made",
     offsetof(sleepers_settings, spread_ms), 1, 0},
    {"begin-in", CLI_U64, "MS", "with --spread: the first is due then (default: by count)",
     offsetof(sleepers_settings, begin_in_ms), 1, 0},
    {"resident", CLI_U64, "N", "instances in memory at once (default: by vm.max_map_count)",
     offsetof(sleepers_settings, resident), 1, UINT32_MAX},
    {"shards", CLI_U64, "N", "logs, each with a host and a thread (default: by processors)",
     offsetof(sleepers_settings, shards), 1, THEATER_SHARDS_MAX},
    {"verify", CLI_U64, "N", "chains to verify afterwards (default: all)",
     offsetof(sleepers_settings, verify), 0, 0},
    {"store", CLI_TEXT, "URL", "log:DIR or memory: (default: a log that is removed again)",
     offsetof(sleepers_settings, store), 0, 0},
    {"json", CLI_FLAG, NULL, "one JSON object", offsetof(sleepers_settings, json), 0, 0},
    {"quiet", CLI_FLAG, NULL, "no lines of progress", offsetof(sleepers_settings, quiet), 0, 0},
    CLI_OPTION_HELP,
};

/* ---- the plan -------------------------------------------------------------------------------- */

/* When actor i is due, wall time; not with --sleep. */
static uint64_t due_of(const sleepers *s, uint64_t i)
{
    if (s->with->spread_ms == NOT_GIVEN) {
        return s->first_due_ms;
    }
    uint64_t place = i * PLACE_STEP % s->with->count;
    return s->first_due_ms + place * s->with->spread_ms / s->with->count;
}

/* A deadline is exact; a sleep up to a due time begins when the actor gets to run. */
static bool has_deadline(const sleepers *s)
{
    return s->with->due_in_ms != NOT_GIVEN && s->path == NULL;
}

theater_status sleepers_spawn(sleepers_lane *lane, uint64_t number, theater_error *err)
{
    const sleepers *s = lane->all;
    char args[32];
    uint64_t argument = s->with->sleep_ms;
    if (has_deadline(s)) {
        argument = due_of(s, number);
    } else if (s->with->sleep_ms == NOT_GIVEN) {
        uint64_t due_ms = due_of(s, number);
        uint64_t now_ms = bench_wall_ms();
        argument = due_ms > now_ms ? due_ms - now_ms : 1;
    }
    (void)snprintf(args, sizeof(args), "[%" PRIu64 "]", argument);
    return bench_host_spawn(&lane->bench, has_deadline(s) ? "until" : "run", args, err);
}

/* ---- watching -------------------------------------------------------------------------------- */

static void say_progress(sleepers *s, const sleepers_sum *sum)
{
    if (s->with->quiet || !bench_is_time(&s->said_ns)) {
        return;
    }
    bench_usage usage;
    bench_usage_get(&usage, false);
    double passed_s = (double)(bench_now_ns() - s->start_ns) / 1e9;
    cli_note("%.0f s: created %" PRIu64 " of %" PRIu64 " (%.0f/s), asleep %" PRIu64
             ", done %" PRIu64 ", RSS %.0f MiB",
             passed_s, sum->created, s->with->count,
             s->all_asleep_ns == 0
                 ? (double)sum->created / passed_s
                 : (double)s->with->count * 1e9 / (double)(s->all_asleep_ns - s->start_ns),
             sum->asleep, sum->ended, (double)usage.rss_bytes / (1 << 20));
}

static void note_baseline(sleepers *s, const sleepers_sum *sum)
{
    uint64_t resident = s->with->resident != 0 ? s->with->resident : sum->resident;
    uint64_t settled = sum->asleep + sum->ended;
    bool is_full = sum->evictions > resident && sum->created > 2 * resident + BENCH_STARTERS_MAX;
    if (s->baseline_count == 0 && is_full && sum->created < settled + BENCH_SPAWN_BATCH) {
        bench_usage_get(&s->baseline, true);
        s->baseline_count = sum->created;
    }
}

/* Memory is read a little later, if there is time for that. */
static void note_asleep(sleepers *s, const sleepers_sum *sum)
{
    uint64_t now_ms = bench_wall_ms();
    uint64_t first_ms =
        s->with->sleep_ms != NOT_GIVEN ? s->start_wall_ms + s->with->sleep_ms : s->first_due_ms;
    s->all_asleep_ns = sum->asleep_ns;
    s->is_asleep_in_time = now_ms < first_ms;
    bool has_time = now_ms + (uint64_t)2 * SETTLE_MS < first_ms;
    s->settled_wall_ms = now_ms + (has_time ? SETTLE_MS : 0);
}

void sleepers_watch(sleepers *s)
{
    sleepers_sum sum = sleepers_lanes_sum(s);
    note_baseline(s, &sum);
    if (s->all_asleep_ns == 0 && sum.lanes_asleep == s->lanes_count) {
        note_asleep(s, &sum);
    }
    if (s->all_asleep_ns != 0 && !s->is_asleep_read && bench_wall_ms() >= s->settled_wall_ms) {
        bench_usage_get(&s->asleep, s->is_asleep_in_time);
        s->is_asleep_read = true;
    }
    say_progress(s, &sum);
}

/* ---- afterwards ------------------------------------------------------------------------------ */

typedef struct id_list {
    theater_id *ids;
    uint64_t count;
    uint64_t seen;
    uint64_t total;
    uint64_t wanted;
} id_list;

/* Every k-th, so that a sample is one of all. */
static int take_id(const theater_actor_info *info, void *userdata)
{
    id_list *list = userdata;
    if (list->seen * list->wanted / list->total == list->count && list->count < list->wanted) {
        list->ids[list->count++] = info->id;
    }
    list->seen++;
    return 0;
}

/*
 * The first wait's end, held against the plan. A reading is rounded down: up to 1 ms is no proof.
 */
static bool is_early(const sleepers *s, const theater_chain *chain, uint64_t i)
{
    size_t position = 0;
    theater_event event;
    uint64_t armed_ms = 0;
    while (theater_chain_next(chain, &position, &event, NULL) == THEATER_OK) {
        if (event.kind == THEATER_KIND_WAIT) {
            armed_ms = event.wall.ms;
        } else if (event.kind == THEATER_KIND_COMPLETION) {
            uint64_t due_ms =
                s->with->sleep_ms != NOT_GIVEN ? armed_ms + s->with->sleep_ms : due_of(s, i);
            return event.wall.ms + (has_deadline(s) ? 0 : 1) < due_ms;
        }
    }
    return false;
}

static int verify_one(sleepers *s, const sleepers_lane *lane, theater_id id, uint64_t i)
{
    theater_error error = THEATER_ERROR_INIT;
    theater_chain *chain = NULL;
    theater_chain_report report;
    theater_status status = theater_host_chain(lane->bench.host, id, &chain, &error);
    if (status == THEATER_OK) {
        status = theater_chain_verify(chain, NULL, &report, &error);
    }
    if (status == THEATER_OK && report.verdict == THEATER_CHAIN_DAMAGED) {
        s->damaged++;
    } else if (status == THEATER_OK) {
        s->verified++;
        s->early += is_early(s, chain, i);
    }
    theater_chain_free(chain);
    return status == THEATER_OK ? CLI_EXIT_OK : cli_say_error(&error);
}

static int verify_lane(sleepers *s, const sleepers_lane *lane, uint64_t wanted)
{
    id_list list = {.total = lane->count, .wanted = wanted};
    list.ids = cli_grow(NULL, 0, wanted + 1, sizeof(list.ids[0]));
    if (list.ids == NULL) {
        cli_say("%s", theater_status_text(THEATER_ERR_NOMEM));
        return CLI_EXIT_IO;
    }
    theater_host_visit(lane->bench.host, take_id, &list);
    int status = CLI_EXIT_OK;
    for (uint64_t i = 0; i < list.count && status == CLI_EXIT_OK && !cli_is_interrupted(); i++) {
        uint64_t place = (i * list.total + list.wanted - 1) / list.wanted;
        status = verify_one(s, lane, list.ids[i], lane->first + place);
        if (!s->with->quiet && bench_is_time(&s->said_ns)) {
            cli_note("verified %" PRIu64 " chains", s->verified);
        }
    }
    cli_release(list.ids);
    return status;
}

static int verify(sleepers *s)
{
    uint64_t count = s->with->verify < s->with->count ? s->with->verify : s->with->count;
    int status = CLI_EXIT_OK;
    for (uint32_t i = 0; i < s->lanes_count && status == CLI_EXIT_OK; i++) {
        uint64_t wanted = count * (i + 1) / s->lanes_count - count * i / s->lanes_count;
        wanted = wanted < s->lanes[i].count ? wanted : s->lanes[i].count;
        status = verify_lane(s, &s->lanes[i], wanted);
    }
    return status;
}

static void add_memory(const sleepers *s, bench_report *report)
{
    double mib = 1 << 20;
    uint64_t behind = s->with->count - s->baseline_count;
    bench_row_add(report, "rss_asleep_mib", "RSS, all asleep", "MiB", 1,
                  (double)s->asleep.rss_bytes / mib);
    bench_row_add(report, "rss_anon_asleep_mib", "RSS of no file, all asleep", "MiB", 1,
                  (double)s->asleep.rss_anon_bytes / mib);
    bench_row_add(report, "rss_max_mib", "RSS, greatest", "MiB", 1,
                  (double)s->done.rss_max_bytes / mib);
    if (s->baseline_count > 0 && behind >= BYTES_EACH_MIN) {
        double bytes = (double)s->asleep.rss_anon_bytes - (double)s->baseline.rss_anon_bytes;
        bench_row_add(report, "sleeper_bytes", "memory of a sleeper", "B", 1,
                      bytes / (double)behind);
    }
}

static void add_life(const sleepers *s, bench_report *report, const theater_histogram *late)
{
    double count = (double)s->with->count;
    double created_s = (double)(s->all_asleep_ns - s->start_ns) / 1e9;
    bench_row_add(report, "count", "sleepers", "", 0, count);
    bench_row_add(report, "shards", "shards, a thread each", "", 0, (double)s->lanes_count);
    bench_row_add(report, "created_s", "created and asleep in", "s", 2, created_s);
    bench_row_add(report, "created_per_s", "created", "/s", 0, count / created_s);
    add_memory(s, report);
    bench_row_add_lateness(report, "late", "late", late);
    bench_row_add(report, "early", "early", "", 0, (double)s->early);
    if (s->with->due_in_ms != NOT_GIVEN) {
        uint64_t start_to_done_ms = (s->done_ns - s->start_ns) / 1000000u;
        bench_row_add(report, "done_after_due_s", "all done and durable after due", "s", 2,
                      ((double)start_to_done_ms - (double)s->with->due_in_ms) / 1e3);
    }
    bench_row_add(report, "cpu_user_us", "CPU of a sleeper, user", "us", 1,
                  (s->done.user_s - s->start.user_s) * 1e6 / count);
    bench_row_add(report, "cpu_system_us", "CPU of a sleeper, system", "us", 1,
                  (s->done.system_s - s->start.system_s) * 1e6 / count);
    /* Since all were asleep. Who is due then cannot be on time: 1 % of it is p99. */
    double machine_s = s->done.machine_s - s->asleep.machine_s;
    bench_row_add(report, "stolen_percent", "processors taken by the hypervisor", "%", 1,
                  machine_s > 0 ? (s->done.stolen_s - s->asleep.stolen_s) * 100 / machine_s : 0);
}

static void add_work(const sleepers *s, bench_report *report)
{
    theater_host_stats sum = {0};
    uint64_t store_bytes = 0;
    bool has_files = cli_store_directory(&s->place.url) != NULL;
    for (uint32_t i = 0; i < s->lanes_count; i++) {
        theater_host_stats stats = bench_host_stats(&s->lanes[i].bench);
        cli_url at;
        if (has_files && cli_store_at(&s->place.url, s->lanes[i].shard, &at, NULL) == THEATER_OK) {
            store_bytes += bench_directory_bytes(cli_store_directory(&at));
        }
        sum.evictions += stats.evictions;
        sum.replays += stats.replays;
        sum.prefetches += stats.prefetches;
        sum.events += stats.events;
    }
    bench_row_add(report, "evictions", "evictions", "", 0, (double)sum.evictions);
    bench_row_add(report, "replays", "replays", "", 0, (double)sum.replays);
    bench_row_add(report, "prefetches", "of them ahead of the due time", "", 0,
                  (double)sum.prefetches);
    bench_row_add(report, "events", "events", "", 0, (double)sum.events);
    if (has_files) {
        bench_row_add(report, "store_mib", "store", "MiB", 1, (double)store_bytes / (1 << 20));
    }
    bench_row_add(report, "verified", "chains verified", "", 0, (double)s->verified);
    bench_row_add(report, "damaged", "chains damaged", "", 0, (double)s->damaged);
}

/* Whoever was due while others were still being made woke beside that: the figures say less. */
static void say_if_slow(const sleepers *s)
{
    uint64_t created_ms = (s->all_asleep_ns - s->start_ns) / 1000000u;
    if (s->with->sleep_ms != NOT_GIVEN || s->start_wall_ms + created_ms <= s->first_due_ms) {
        return;
    }
    cli_note("creating them took %.1f s, the first was due after %.1f s: wakes and creation shared "
             "the time; give --%s %" PRIu64,
             (double)created_ms / 1e3, (double)(s->first_due_ms - s->start_wall_ms) / 1e3,
             s->with->due_in_ms != NOT_GIVEN ? "due-in" : "begin-in",
             (created_ms * 5 / 4 / 1000 + 1) * 1000);
}

static int report(sleepers *s)
{
    theater_histogram *late = cli_grow(NULL, 0, 2, sizeof(*late)); /* of all, of one */
    if (late == NULL) {
        cli_say("%s", theater_status_text(THEATER_ERR_NOMEM));
        return CLI_EXIT_IO;
    }
    bench_report rows = {.name = "sleepers"};
    for (uint32_t i = 0; i < s->lanes_count; i++) {
        theater_host_lateness(s->lanes[i].bench.host, &late[1]);
        theater_histogram_merge(&late[0], &late[1]);
    }
    add_life(s, &rows, late);
    add_work(s, &rows);
    cli_release(late);
    say_if_slow(s);
    int status = bench_report_print(&rows, s->with->json);
    if (s->early > 0 || s->damaged > 0) {
        cli_say("%" PRIu64 " woke early, %" PRIu64 " chains are damaged", s->early, s->damaged);
        return CLI_EXIT_DIVERGED;
    }
    return status;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int live(sleepers *s)
{
    uint64_t begin_ms = BEGIN_MS + s->with->count * BEGIN_US_EACH / 1000;
    begin_ms = s->with->begin_in_ms != NOT_GIVEN ? s->with->begin_in_ms : begin_ms;
    begin_ms = s->with->due_in_ms != NOT_GIVEN ? s->with->due_in_ms : begin_ms;
    bench_usage_get(&s->start, false);
    s->start_ns = bench_now_ns();
    s->start_wall_ms = bench_wall_ms();
    s->first_due_ms = s->start_wall_ms + begin_ms;
    int status = sleepers_lanes_run(s);
    s->done_ns = sleepers_lanes_sum(s).done_ns;
    if (!s->is_asleep_read) {
        s->settled_wall_ms = 0;
        sleepers_watch(s);
    }
    bench_usage_get(&s->done, false);
    return status;
}

static int measure(sleepers *s)
{
    int status = sleepers_lanes_open(s);
    if (status == CLI_EXIT_OK) {
        status = live(s);
    }
    for (uint32_t i = 0; i < s->lanes_count && status == CLI_EXIT_OK; i++) {
        status = bench_host_verdict(&s->lanes[i].bench);
    }
    if (status == CLI_EXIT_OK && !cli_is_interrupted()) {
        status = verify(s);
    }
    if (status == CLI_EXIT_OK && !cli_is_interrupted()) {
        status = report(s);
    }
    return status;
}

static int check(const cli_command *command, const sleepers_settings *with)
{
    int modes = (with->sleep_ms != NOT_GIVEN) + (with->due_in_ms != NOT_GIVEN) +
                (with->spread_ms != NOT_GIVEN);
    if (with->count == 0) {
        return cli_usage(command, "--count N is missing");
    }
    if (modes != 1) {
        return cli_usage(command, "one of --sleep, --due-in and --spread is needed");
    }
    if (with->count < with->shards) {
        return cli_usage(command, "--count is below --shards");
    }
    if (with->begin_in_ms != NOT_GIVEN && with->spread_ms == NOT_GIVEN) {
        return cli_usage(command, "--begin-in needs --spread");
    }
    return CLI_EXIT_OK;
}

/* A thread for each processor: what a store on this machine would be made with. */
static uint64_t default_shards(uint64_t count)
{
    uint64_t processors = bench_processors();
    uint64_t shards = processors < THEATER_SHARDS_MAX ? processors : THEATER_SHARDS_MAX;
    return shards < count ? shards : count;
}

static int run(const cli_command *command, int argc, char **argv)
{
    sleepers_settings with = {.sleep_ms = NOT_GIVEN,
                              .due_in_ms = NOT_GIVEN,
                              .spread_ms = NOT_GIVEN,
                              .begin_in_ms = NOT_GIVEN,
                              .verify = UINT64_MAX};
    cli_parsed parsed = cli_parse(command, argc, argv, &with);
    if (!parsed.go_on) {
        return parsed.exit_status;
    }
    int status = check(command, &with);
    if (status != CLI_EXIT_OK) {
        return status;
    }
    with.shards = with.shards != 0 ? with.shards : default_shards(with.count);
    sleepers s = {.with = &with, .path = parsed.operands_count > 0 ? argv[0] : NULL};
    status = cli_interrupt_init() ? bench_place_init(&s.place, with.store) : CLI_EXIT_IO;
    if (status != CLI_EXIT_OK) {
        return status;
    }
    status = measure(&s);
    sleepers_lanes_close(&s);
    bench_place_deinit(&s.place);
    return cli_is_interrupted() && status == CLI_EXIT_OK ? CLI_EXIT_INTERRUPTED : status;
}

const cli_command cli_command_bench_sleepers = {
    .name = "bench sleepers",
    .operands = "[COMPONENT]",
    .summary = "measure many actors that sleep at once",
    .text =
        "Creates actors that sleep, waits until all have woken and ended, and verifies their\n"
        "chains. Memory, time to create, lateness and CPU are printed. A COMPONENT of your own\n"
        "exports run(ms); without one a small built-in one is used.",
    .options = options,
    .operands_min = 0,
    .operands_max = 1,
    .run = run,
};
