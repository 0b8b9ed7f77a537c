/* SPDX-License-Identifier: Apache-2.0 */
/*
 * theater prune: ended actors leave their stores, for good. So it never happens by a word that is
 * too short: an age or ids have to be given. Without --store all stores that run made are gone
 * through, or those of the named actors; what cannot be pruned there does not keep the others from
 * it. Who is named and not there is told and passed over: a prune that was killed is typed again.
 */
#include "commands.h"
#include "output.h"
#include "session.h"
#include "stores.h"
#include "term.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Named actors of one command. */
#define IDS_MAX 1024

typedef struct prune_settings {
    const char *store;
    const char *older_than;
    bool dry_run;
    bool adopt;
    bool json;
} prune_settings;

static const cli_option options[] = {
    {"store", CLI_TEXT, "URL", "log:DIR (default: all stores that run made)",
     offsetof(prune_settings, store), 0, 0},
    {"older-than", CLI_TEXT, "AGE", "ended so long ago: a number and ms, s, m, h or d",
     offsetof(prune_settings, older_than), 0, 0},
    {"dry-run", CLI_FLAG, NULL, "show who would go, and remove nothing",
     offsetof(prune_settings, dry_run), 0, 0},
    {"adopt", CLI_FLAG, NULL, CLI_ADOPT_HELP, offsetof(prune_settings, adopt), 0, 0},
    {"json", CLI_FLAG, NULL, "one JSON object a line", offsetof(prune_settings, json), 0, 0},
    CLI_OPTION_HELP,
};

typedef struct pruning {
    const prune_settings *settings;
    theater_prune_options options;
    bool *is_missing;      /* beside options.ids */
    bool is_quiet_if_none; /* one of all stores */
    int exit_status;       /* the worst so far */
} pruning;

/* ---- ages ------------------------------------------------------------------------------------ */

typedef struct age_unit {
    const char *name;
    uint64_t ms;
} age_unit;

static const age_unit units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
};

/* "30d": a whole number and a unit. */
static bool parse_age(const char *text, uint64_t *out_ms)
{
    char digits[24];
    size_t size = strspn(text, "0123456789");
    uint64_t number = 0;
    if (size >= sizeof(digits)) {
        return false;
    }
    memcpy(digits, text, size);
    digits[size] = '\0';
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(text + size, units[i].name) == 0) {
            return cli_number(digits, &number) &&
                   !__builtin_mul_overflow(number, units[i].ms, out_ms);
        }
    }
    return false;
}

/* ---- what is shown --------------------------------------------------------------------------- */

static void show_actor(const theater_prune_actor *actor, void *userdata)
{
    const pruning *it = userdata;
    char id[THEATER_ID_TEXT_SIZE];
    char ended[CLI_TIME_TEXT_SIZE];
    theater_id_format(actor->id, id);
    cli_time_format(actor->ended, ended);
    if (it->settings->json) {
        cli_out("{\"id\":\"%s\",\"ended\":%" PRIu64 ",\"events\":%" PRIu64 ",\"bytes\":%" PRIu64
                "}\n",
                id, actor->ended.ms, actor->events_count, actor->size);
        return;
    }
    cli_out("%s ended %s, %" PRIu64 " events, %" PRIu64 " bytes\n", id, ended, actor->events_count,
            actor->size);
}

static int show_progress(uint64_t done, uint64_t total, void *userdata)
{
    (void)userdata;
    cli_term_progress("pruning", done, total);
    return cli_is_interrupted();
}

static void show_log(theater_log_level level, const char *line, void *userdata)
{
    (void)level;
    (void)userdata;
    cli_say("%s", line);
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void show_json(const pruning *it, const cli_url *url, const theater_prune_report *report)
{
    cli_out("{\"store\":");
    cli_out_json_text(url->text, strlen(url->text));
    cli_out(",\"dry_run\":%s,\"actors\":%" PRIu64 ",\"kept\":%" PRIu64 ",\"components\":%" PRIu64
            ",\"record_bytes\":%" PRIu64,
            it->settings->dry_run ? "true" : "false", report->actors_count, report->kept_count,
            report->components_count, report->records_size);
    cli_out(",\"bytes_before\":%" PRIu64, report->size_before);
    if (!it->settings->dry_run) {
        cli_out(",\"bytes_after\":%" PRIu64, report->size_after);
    }
    cli_out("}\n");
}

static void show_report(const pruning *it, const cli_url *url, const theater_prune_report *report)
{
    if (report->actors_count == 0 && it->is_quiet_if_none) {
        return;
    }
    if (it->settings->json) {
        show_json(it, url, report);
        return;
    }
    cli_out_text(url->text, strlen(url->text));
    if (report->actors_count == 0) {
        cli_out(": nobody %s, %" PRIu64 " actor%s stay%s\n",
                it->settings->dry_run ? "would go" : "goes", report->kept_count,
                plural(report->kept_count), report->kept_count == 1 ? "s" : "");
    } else if (it->settings->dry_run) {
        cli_out(": %" PRIu64 " actor%s would go, with %" PRIu64 " bytes of records; %" PRIu64
                " would stay; %" PRIu64 " bytes now\n",
                report->actors_count, plural(report->actors_count), report->records_size,
                report->kept_count, report->size_before);
    } else {
        cli_out(": %" PRIu64 " actor%s pruned, %" PRIu64 " stay%s; %" PRIu64
                " bytes before, %" PRIu64 " after\n",
                report->actors_count, plural(report->actors_count), report->kept_count,
                report->kept_count == 1 ? "s" : "", report->size_before, report->size_after);
    }
}

/* ---- the named ------------------------------------------------------------------------------- */

static int compare_ids(const void *left, const void *right)
{
    const theater_id *a = left;
    const theater_id *b = right;
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* Each once. How many there are then. */
static size_t sort_ids(theater_id *ids, size_t count)
{
    size_t kept = 0;
    if (count > 1) {
        qsort(ids, count, sizeof(ids[0]), compare_ids);
    }
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || compare_ids(&ids[i], &ids[kept - 1]) != 0) {
            ids[kept] = ids[i];
            kept++;
        }
    }
    return kept;
}

static int meet_actor(const theater_actor_info *info, void *userdata)
{
    const pruning *it = userdata;
    const theater_id *found =
        bsearch(&info->id, it->options.ids, it->options.ids_count, sizeof(info->id), compare_ids);
    if (found != NULL) {
        it->is_missing[found - it->options.ids] = false;
    }
    return 0;
}

/* Before they are pruned: afterwards none of them is there. */
static void look_for_named(pruning *it, const cli_url *url)
{
    size_t count = it->options.ids_count;
    memset(it->is_missing, 1, count * sizeof(it->is_missing[0]));
    /* What cannot be read is not pruned either, and that says why. */
    if (count > 0 && theater_store_visit(url->text, meet_actor, it, NULL) != THEATER_OK) {
        memset(it->is_missing, 0, count * sizeof(it->is_missing[0]));
    }
}

static void show_missing(const pruning *it)
{
    for (size_t i = 0; i < it->options.ids_count; i++) {
        char id[THEATER_ID_TEXT_SIZE];
        theater_id_format(it->options.ids[i], id);
        if (it->is_missing[i]) {
            cli_out(it->settings->json ? "{\"id\":\"%s\",\"not_there\":true}\n"
                                       : "%s is not there\n",
                    id);
        }
    }
}

/* ---- stores ---------------------------------------------------------------------------------- */

static theater_status prune_store(pruning *it, const cli_url *url, theater_error *err)
{
    theater_prune_report report = {.struct_size = sizeof(report)};
    theater_status status = theater_store_prune(url->text, &it->options, &report, err);
    cli_term_progress("", 0, 0);
    if (status == THEATER_OK) {
        show_report(it, url, &report);
    }
    return status;
}

static theater_status prune_given(pruning *it, theater_error *err)
{
    static const theater_id nobody = {{0}};
    cli_url url;
    theater_status status = cli_store_for_run(it->settings->store, nobody, &url, err);
    if (status == THEATER_OK) {
        look_for_named(it, &url);
        status = prune_store(it, &url, err);
    }
    if (status == THEATER_OK) {
        show_missing(it);
    }
    return status;
}

/* One of all: a directory that run is just making, or removing, is no store yet, or no more. */
static int prune_default(const cli_url *url, void *userdata)
{
    pruning *it = userdata;
    theater_error error = THEATER_ERROR_INIT;
    theater_status status = prune_store(it, url, &error);
    if (status == THEATER_OK || status == THEATER_ERR_NOTFOUND) {
        return 0;
    }
    it->exit_status = cli_say_error(&error);
    return status == THEATER_ERR_CANCELLED;
}

static int say_none(size_t count, const theater_error *first)
{
    theater_error error = *first;
    if (count > 1) {
        (void)snprintf(error.message, sizeof(error.message),
                       "none of the %zu named actors is in a store that run made: name their "
                       "store with --store",
                       count);
    }
    return cli_say_error(&error);
}

/* Each of the named in the default store that holds it. */
static int prune_named(pruning *it)
{
    const theater_prune_options all = it->options;
    theater_error first = THEATER_ERROR_INIT;
    size_t missing_count = 0;
    int exit_status = CLI_EXIT_OK;
    it->options.ids_count = 1;
    for (size_t i = 0; i < all.ids_count && exit_status != CLI_EXIT_INTERRUPTED; i++) {
        theater_error error = THEATER_ERROR_INIT;
        cli_url url;
        it->options.ids = &all.ids[i];
        theater_status status = cli_store_find(all.ids[i], &url, &error);
        if (status == THEATER_OK) {
            status = prune_store(it, &url, &error);
        }
        it->is_missing[i] = status == THEATER_ERR_NOTFOUND;
        missing_count += it->is_missing[i];
        if (status == THEATER_ERR_NOTFOUND && missing_count == 1) {
            first = error;
        }
        if (status != THEATER_OK && status != THEATER_ERR_NOTFOUND) {
            exit_status = cli_say_error(&error);
        }
    }
    it->options = all;
    if (missing_count == all.ids_count) {
        return say_none(missing_count, &first);
    }
    show_missing(it);
    return exit_status;
}

static int prune_all(pruning *it)
{
    theater_error error = THEATER_ERROR_INIT;
    if (it->options.ids != NULL) {
        return prune_named(it);
    }
    it->is_quiet_if_none = true;
    return cli_stores_visit(prune_default, it, &error) == THEATER_OK ? it->exit_status
                                                                     : cli_say_error(&error);
}

static int read_ids(const cli_command *command, char **argv, int count, theater_id *ids)
{
    for (int i = 0; i < count; i++) {
        if (theater_id_parse(argv[i], &ids[i], NULL) != THEATER_OK) {
            return cli_usage(command, "'%s' is not the id of an actor", argv[i]);
        }
    }
    return CLI_EXIT_OK;
}

static int run(const cli_command *command, int argc, char **argv)
{
    static theater_id ids[IDS_MAX];
    static bool is_missing[IDS_MAX];
    prune_settings settings = {0};
    theater_error error = THEATER_ERROR_INIT;
    cli_parsed parsed = cli_parse(command, argc, argv, &settings);
    if (!parsed.go_on) {
        return parsed.exit_status;
    }
    theater_prune_options defaults = THEATER_PRUNE_OPTIONS_INIT;
    pruning it = {.settings = &settings, .options = defaults, .is_missing = is_missing};
    if (settings.older_than == NULL && parsed.operands_count == 0) {
        return cli_usage(command, "what was pruned is gone for good: name actors, or an age with "
                                  "--older-than");
    }
    if (settings.dry_run && settings.adopt) {
        return cli_usage(command, "a dry run changes nothing, so it adopts no copy: leave out "
                                  "--adopt, or --dry-run");
    }
    if (settings.older_than != NULL && !parse_age(settings.older_than, &it.options.older_than_ms)) {
        return cli_usage(command, "--older-than: '%s' is not a number and ms, s, m, h or d, as 30d",
                         settings.older_than);
    }
    int status = read_ids(command, argv, parsed.operands_count, ids);
    if (status != CLI_EXIT_OK || !cli_interrupt_init()) {
        return status != CLI_EXIT_OK ? status : CLI_EXIT_IO;
    }
    it.options.ids = parsed.operands_count > 0 ? ids : NULL;
    it.options.ids_count = sort_ids(ids, (size_t)parsed.operands_count);
    it.options.dry_run = settings.dry_run;
    it.options.store_adopt = settings.adopt;
    it.options.visit = settings.dry_run ? show_actor : NULL;
    it.options.progress = show_progress;
    it.options.log = show_log;
    it.options.userdata = &it;
    if (settings.store == NULL) {
        return prune_all(&it);
    }
    return prune_given(&it, &error) == THEATER_OK ? CLI_EXIT_OK : cli_say_error(&error);
}

const cli_command cli_command_prune = {
    .name = "prune",
    .operands = "[ID...]",
    .summary = "remove ended actors from stores",
    .text =
        "Removes actors that have ended, and whose outputs were all given out, with their\n"
        "chains, for good: the named ones, or those that ended longer ago than AGE; with both,\n"
        "the named ones that did. The store must not be in use. Without --store: all stores.",
    .options = options,
    .operands_min = 0,
    .operands_max = IDS_MAX,
    .run = run,
};
