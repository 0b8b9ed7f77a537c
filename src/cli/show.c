/* SPDX-License-Identifier: Apache-2.0 */
/*
 * theater show: one actor. How it stands is asked of the host that runs it, or read from the store
 * at rest; what it is and what it waits in is read from its chain, which the store has in either
 * case.
 *
 *     host or store ──> state, due, head      chain, as JSON lines ──> component, call, request
 *                                             chain, as text or JSON lines ──> its last events
 */
#include "commands.h"
#include "control.h"
#include "memory.h"
#include "term.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Kinds of events have numbers from 1 to here; docs/formats/chain.md. */
#define KINDS_MAX 32
#define TAIL_DEFAULT 10
#define TAIL_MAX 1000
/* Arguments of a call or of a request that are shown to a person. */
#define ARGUMENTS_SHOWN_MAX 200
#define REQUEST_BYTES_MAX 128
#define LABEL_WIDTH 10
#define DISTANCE_TEXT_SIZE 64

typedef struct show_settings {
    const char *store;
    uint64_t events;
    bool json;
} show_settings;

static const cli_option options[] = {
    {"store", CLI_TEXT, "URL", "log:DIR that holds the actor (default: looked for)",
     offsetof(show_settings, store), 0, 0},
    {"events", CLI_U64, "N", "how many of its last events (default: 10)",
     offsetof(show_settings, events), 0, TAIL_MAX},
    {"json", CLI_FLAG, NULL, "one JSON object", offsetof(show_settings, json), 0, 0},
    CLI_OPTION_HELP,
};

/* A line that grows, and the last lines before it. */
typedef struct line_buffer {
    char *data;
    size_t size;
    size_t capacity;
} line_buffer;

typedef struct actor_view {
    theater_actor_info info;
    char parked_reason[THEATER_ERROR_MESSAGE_MAX];
    bool is_found;
    bool is_running; /* a host answered */
    const char *url;
    uint64_t events_max;

    uint64_t counts[KINDS_MAX];
    theater_histogram late; /* ns */
    struct json_object *genesis;
    struct json_object *call;
    struct json_object *request; /* what it waits in; NULL: nothing */
    line_buffer line;
    line_buffer *tail; /* a ring of events_max lines */
    uint64_t tail_count;
    bool has_no_memory;
} actor_view;

/* ---- how it stands --------------------------------------------------------------------------- */

static void keep_info(actor_view *view, const theater_actor_info *info)
{
    view->info = *info;
    view->is_found = true;
    if (info->parked_reason != NULL) {
        (void)snprintf(view->parked_reason, sizeof(view->parked_reason), "%s", info->parked_reason);
        view->info.parked_reason = view->parked_reason;
    }
}

/* A failure of the host's is one; that it does not answer is none: the disk is read then. */
static theater_status ask_host(actor_view *view, const cli_url *url, const char *id,
                               theater_error *err)
{
    cli_control control = {.fd = -1};
    char request[REQUEST_BYTES_MAX];
    struct json_object *reply = NULL;
    struct json_object *actor = NULL;
    if (cli_control_connect(url, CLI_LOOK_SECONDS_MAX, &control, err) != THEATER_OK) {
        return THEATER_OK;
    }
    (void)snprintf(request, sizeof(request), "{\"do\":\"show\",\"id\":\"%s\"}\n", id);
    theater_status status = cli_control_ask(&control, request, &reply, err);
    if (status == THEATER_OK) {
        theater_actor_info info;
        (void)json_object_object_get_ex(reply, "actor", &actor);
        status = cli_control_actor(actor, &info, err);
        if (status == THEATER_OK) {
            keep_info(view, &info);
            view->is_running = true;
        }
        (void)json_object_put(reply);
    }
    cli_control_close(&control);
    return status == THEATER_ERR_TIMEOUT || status == THEATER_ERR_CLOSED ? THEATER_OK : status;
}

static int compare_actor(const theater_actor_info *info, void *userdata)
{
    actor_view *view = userdata;
    if (memcmp(info->id.bytes, view->info.id.bytes, sizeof(info->id.bytes)) == 0) {
        keep_info(view, info);
    }
    return view->is_found;
}

static int find_actor(actor_view *view, const cli_url *url, const char *id)
{
    theater_error error = THEATER_ERROR_INIT;
    cli_url at;
    cli_shard shard = cli_store_shard_of(url, view->info.id);
    if (cli_store_at(url, shard, &at, &error) != THEATER_OK ||
        ask_host(view, &at, id, &error) != THEATER_OK) {
        return cli_say_error(&error);
    }
    if (!view->is_found &&
        theater_store_visit(at.text, compare_actor, view, &error) != THEATER_OK &&
        !view->is_found) { /* a visit that was stopped is no success */
        return cli_say_error(&error);
    }
    if (!view->is_found) {
        error.status = THEATER_ERR_NOTFOUND;
        (void)snprintf(error.message, sizeof(error.message),
                       "store '%.150s' does not hold actor %s", url->text, id);
        return cli_say_error(&error);
    }
    return CLI_EXIT_OK;
}

/* ---- what its chain says --------------------------------------------------------------------- */

static bool line_put(line_buffer *line, const char *data, size_t size)
{
    if (line->size + size + 1 > line->capacity) {
        size_t capacity = 2 * (line->size + size + 1);
        char *grown = cli_grow(line->data, line->capacity, capacity, 1);
        if (grown == NULL) {
            return false;
        }
        line->data = grown;
        line->capacity = capacity;
    }
    memcpy(line->data + line->size, data, size);
    line->size += size;
    line->data[line->size] = '\0';
    return true;
}

/* The finished line becomes the newest of the ring, the oldest one's memory the next line. */
static void keep_tail(actor_view *view)
{
    if (view->events_max > 0) {
        line_buffer *slot = &view->tail[view->tail_count % view->events_max];
        line_buffer oldest = *slot;
        *slot = view->line;
        view->line = oldest;
        view->tail_count++;
    }
    view->line.size = 0;
}

static bool seq_is(struct json_object *event, uint64_t seq)
{
    struct json_object *found = NULL;
    return json_object_object_get_ex(event, "seq", &found) && json_object_get_uint64(found) == seq;
}

/* Only the lines that may be wanted are taken apart. */
static void keep_parts(actor_view *view)
{
    char wait[32];
    (void)snprintf(wait, sizeof(wait), "{\"seq\":%" PRIu64 ",", view->info.wait_seq);
    bool is_genesis = strncmp(view->line.data, "{\"seq\":0,", 9) == 0;
    bool is_request = view->info.wait_seq != 0 && strncmp(view->line.data, wait, strlen(wait)) == 0;
    bool is_call = strstr(view->line.data, "\"class\":\"call\"") != NULL;
    if (!is_genesis && !is_request && !is_call) {
        return;
    }
    struct json_object *event = json_tokener_parse(view->line.data);
    struct json_object **slot = is_genesis ? &view->genesis
                                : is_call  ? &view->call
                                           : &view->request;
    if (event == NULL || (is_request && !seq_is(event, view->info.wait_seq))) {
        (void)json_object_put(event);
        return;
    }
    (void)json_object_put(*slot);
    *slot = event;
}

static int take_lines(const char *data, size_t size, actor_view *view, bool with_parts,
                      bool with_tail)
{
    while (size > 0) {
        const char *end = memchr(data, '\n', size);
        size_t step = end != NULL ? (size_t)(end - data) : size;
        if (!line_put(&view->line, data, step)) {
            view->has_no_memory = true;
            return 1;
        }
        if (end != NULL) {
            if (with_parts) {
                keep_parts(view);
            }
            if (with_tail) {
                keep_tail(view);
            }
            view->line.size = 0;
            step++;
        }
        data += step;
        size -= step;
    }
    return 0;
}

static int take_json(const void *data, size_t size, void *userdata)
{
    return take_lines(data, size, userdata, true, false);
}

static int take_json_and_tail(const void *data, size_t size, void *userdata)
{
    return take_lines(data, size, userdata, true, true);
}

static int take_text_tail(const void *data, size_t size, void *userdata)
{
    return take_lines(data, size, userdata, false, true);
}

static void count_events(actor_view *view, const theater_chain *chain)
{
    theater_event event;
    size_t position = 0;
    while (theater_chain_next(chain, &position, &event, NULL) == THEATER_OK) {
        if (event.kind > 0 && (unsigned)event.kind < KINDS_MAX) {
            view->counts[event.kind]++;
        }
    }
}

static int read_chain(actor_view *view, bool json)
{
    theater_error error = THEATER_ERROR_INIT;
    theater_chain *chain = NULL;
    if (theater_chain_open_store(view->url, view->info.id, &chain, &error) != THEATER_OK) {
        return cli_say_error(&error);
    }
    count_events(view, chain);
    theater_status status = theater_chain_lateness(chain, &view->late, &error);
    if (status == THEATER_OK) {
        status = theater_chain_export(chain, THEATER_CHAIN_JSONL,
                                      json ? take_json_and_tail : take_json, view, &error);
    }
    if (status == THEATER_OK && !json && view->events_max > 0) {
        status = theater_chain_export(chain, THEATER_CHAIN_TEXT, take_text_tail, view, &error);
    }
    theater_chain_free(chain);
    if (view->has_no_memory) {
        cli_say("%s", theater_status_text(THEATER_ERR_NOMEM));
        return CLI_EXIT_IO;
    }
    if (status != THEATER_OK) {
        int exit_status = cli_say_error(&error);
        return error.status == THEATER_ERR_CORRUPT ? CLI_EXIT_DIVERGED : exit_status;
    }
    return CLI_EXIT_OK;
}

/* ---- for people ------------------------------------------------------------------------------ */

static const char *text_in(struct json_object *object, const char *key)
{
    struct json_object *found = NULL;
    bool has = object != NULL && json_object_object_get_ex(object, key, &found);
    return has ? json_object_get_string(found) : NULL;
}

/* "3 h 12 min": the two largest parts. */
static void distance_format(uint64_t ms, char out_text[DISTANCE_TEXT_SIZE])
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"min", 60000}, {"s", 1000}, {"ms", 1}};
    for (size_t i = 0; i + 1 < sizeof(units) / sizeof(units[0]); i++) {
        if (ms < units[i].ms) {
            continue;
        }
        uint64_t rest = ms % units[i].ms / units[i + 1].ms;
        if (rest > 0 && units[i + 1].ms > 1) {
            (void)snprintf(out_text, DISTANCE_TEXT_SIZE, "%" PRIu64 " %s %" PRIu64 " %s",
                           ms / units[i].ms, units[i].name, rest, units[i + 1].name);
        } else {
            (void)snprintf(out_text, DISTANCE_TEXT_SIZE, "%" PRIu64 " %s", ms / units[i].ms,
                           units[i].name);
        }
        return;
    }
    (void)snprintf(out_text, DISTANCE_TEXT_SIZE, "%" PRIu64 " ms", ms);
}

static void print_due(theater_wall due)
{
    char utc[CLI_TIME_TEXT_SIZE];
    char local[CLI_TIME_TEXT_SIZE] = "?";
    char distance[DISTANCE_TEXT_SIZE];
    struct tm parts = {0};
    struct timespec now = {0};
    time_t seconds = (time_t)(due.ms / 1000);
    cli_time_format(due, utc);
    if (due.ms == UINT64_MAX || localtime_r(&seconds, &parts) == NULL) {
        cli_out("%-*s %s\n", LABEL_WIDTH, "due", utc);
        return;
    }
    (void)strftime(local, sizeof(local), "%Y-%m-%d %H:%M:%S %Z", &parts);
    /* tidy-allow: clock: how far away it is, for a person; nothing is decided by it */
    (void)clock_gettime(CLOCK_REALTIME, &now);
    uint64_t now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    bool is_past = due.ms < now_ms;
    distance_format(is_past ? now_ms - due.ms : due.ms - now_ms, distance);
    cli_out("%-*s %s (%s%s%s), %s\n", LABEL_WIDTH, "due", local, is_past ? "" : "in ", distance,
            is_past ? " ago" : "", utc);
}

/* `name(1,"two")`: arguments as they stand in the chain, without the brackets of their array. */
static void print_function(const char *label, const char *prefix, const char *name,
                           struct json_object *event)
{
    struct json_object *found = NULL;
    const char *args = "";
    if (name == NULL) {
        return;
    }
    if (json_object_object_get_ex(event, "args", &found) &&
        json_object_is_type(found, json_type_array)) {
        int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
        args = json_object_to_json_string_ext(found, flags);
    }
    size_t size = strlen(args) >= 2 ? strlen(args) - 2 : 0;
    bool is_cut = size > ARGUMENTS_SHOWN_MAX;
    cli_out("%-*s %s", LABEL_WIDTH, label, prefix);
    cli_out_text(name, strlen(name));
    cli_out("(");
    cli_out_text(size > 0 ? args + 1 : "", is_cut ? ARGUMENTS_SHOWN_MAX : size);
    cli_out("%s)\n", is_cut ? "..." : "");
}

static void print_counts(const actor_view *view)
{
    const char *before = " (";
    cli_out("%-*s %" PRIu64, LABEL_WIDTH, "events", view->info.head.seq + 1);
    for (int kind = 1; kind < KINDS_MAX; kind++) {
        if (view->counts[kind] > 0) {
            cli_out("%s%" PRIu64 " %s", before, view->counts[kind],
                    theater_event_kind_name((theater_event_kind)kind));
            before = ", ";
        }
    }
    cli_out("%s\n", before[0] == ',' ? ")" : "");
}

static double late_ms(const actor_view *view, double part)
{
    return (double)theater_histogram_quantile(&view->late, part) / 1e6;
}

/* Of an actor that never woke by time there is nothing to say. */
static void print_lateness(const actor_view *view)
{
    if (view->late.count > 0) {
        cli_out("%-*s p50 %.3f ms, p99 %.3f ms, max %.3f ms, of %" PRIu64 " by time\n", LABEL_WIDTH,
                "wakes late", late_ms(view, 0.5), late_ms(view, 0.99), late_ms(view, 1),
                view->late.count);
    }
}

static void print_json_lateness(const actor_view *view)
{
    cli_out(",\"late\":{\"wakes\":%" PRIu64, view->late.count);
    if (view->late.count > 0) {
        cli_out(",\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f", late_ms(view, 0.5),
                late_ms(view, 0.99), late_ms(view, 1));
    }
    cli_out("}");
}

static void print_tail(const actor_view *view, const char *before, const char *between)
{
    uint64_t count = view->tail_count < view->events_max ? view->tail_count : view->events_max;
    for (uint64_t i = 0; i < count; i++) {
        const line_buffer *line = &view->tail[(view->tail_count - count + i) % view->events_max];
        cli_out("%s", i > 0 ? between : before);
        cli_out_json(line->data, line->size); /* lines for people have nothing unsafe in them */
    }
}

static void print_text(const actor_view *view, const char *id)
{
    char head[CLI_HEAD_TEXT_SIZE];
    char prefix[48];
    cli_head_format(&view->info.head, head);
    cli_out("%-*s %s\n", LABEL_WIDTH, "actor", id);
    cli_out("%-*s %s%s\n", LABEL_WIDTH, "state", theater_actor_state_name(view->info.state),
            view->info.is_resident ? ", in memory" : "");
    if (view->info.parked_reason != NULL) {
        cli_out("%-*s %s\n", LABEL_WIDTH, "reason", view->info.parked_reason);
    }
    if (view->info.has_due) {
        print_due(view->info.due);
    }
    if (view->request != NULL) {
        (void)snprintf(prefix, sizeof(prefix), "event %" PRIu64 ", ", view->info.wait_seq);
        print_function("waits in", prefix, text_in(view->request, "function"), view->request);
    }
    print_function("call", "", text_in(view->call, "export"), view->call);
    const char *component = text_in(view->genesis, "component");
    cli_out("%-*s %s\n", LABEL_WIDTH, "component", component != NULL ? component : "?");
    print_counts(view);
    print_lateness(view);
    cli_out("%-*s %s\n", LABEL_WIDTH, "head", head);
    cli_out("%-*s %s, %s\n", LABEL_WIDTH, "store", view->url,
            view->is_running ? "run by a host" : "at rest");
    print_tail(view, "\n", "\n");
    cli_out("%s", view->tail_count > 0 ? "\n" : "");
}

/* ---- for programs ---------------------------------------------------------------------------- */

static void print_member(const char *name, struct json_object *event, const char *key)
{
    struct json_object *found = NULL;
    int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
    bool has = event != NULL && json_object_object_get_ex(event, key, &found);
    const char *text = has ? json_object_to_json_string_ext(found, flags) : "null";
    cli_out("\"%s\":", name);
    cli_out_json(text, strlen(text));
}

static void print_json_function(const char *name, struct json_object *event, const char *key)
{
    cli_out(",\"%s\":", name);
    if (event == NULL) {
        cli_out("null");
        return;
    }
    cli_out("{");
    print_member(key, event, key);
    cli_out(",");
    print_member("args", event, "args");
    cli_out("}");
}

static void print_json(const actor_view *view, const char *id)
{
    char head[CLI_HEAD_TEXT_SIZE];
    cli_head_format(&view->info.head, head);
    cli_out("{\"id\":\"%s\",\"state\":\"%s\",\"resident\":%s,\"due\":", id,
            theater_actor_state_name(view->info.state), view->info.is_resident ? "true" : "false");
    if (view->info.has_due) {
        cli_out("%" PRIu64, view->info.due.ms);
    } else {
        cli_out("null");
    }
    cli_out(",\"events\":%" PRIu64 ",\"head\":\"%s\",\"parked\":", view->info.head.seq + 1, head);
    if (view->info.parked_reason != NULL) {
        cli_out_json_text(view->info.parked_reason, strlen(view->info.parked_reason));
    } else {
        cli_out("null");
    }
    cli_out(",\"store\":");
    cli_out_json_text(view->url, strlen(view->url));
    cli_out(",\"running\":%s,", view->is_running ? "true" : "false");
    print_member("component", view->genesis, "component");
    print_json_function("call", view->call, "export");
    cli_out(",\"wait\":");
    if (view->info.wait_seq != 0) {
        cli_out("%" PRIu64, view->info.wait_seq);
    } else {
        cli_out("null");
    }
    print_json_function("waits_in", view->request, "function");
    cli_out(",\"counts\":{");
    const char *before = "";
    for (int kind = 1; kind < KINDS_MAX; kind++) {
        if (view->counts[kind] > 0) {
            cli_out("%s\"%s\":%" PRIu64, before, theater_event_kind_name((theater_event_kind)kind),
                    view->counts[kind]);
            before = ",";
        }
    }
    cli_out("}");
    print_json_lateness(view);
    cli_out(",\"tail\":[");
    print_tail(view, "", ",");
    cli_out("]}\n");
}

/* ---- the command ----------------------------------------------------------------------------- */

static void view_deinit(actor_view *view)
{
    (void)json_object_put(view->genesis);
    (void)json_object_put(view->call);
    (void)json_object_put(view->request);
    cli_release(view->line.data);
    for (uint64_t i = 0; view->tail != NULL && i < view->events_max; i++) {
        cli_release(view->tail[i].data);
    }
    cli_release(view->tail);
}

static int show(actor_view *view, const cli_url *url, const char *id, bool json)
{
    view->url = url->text;
    if (view->events_max > 0) {
        view->tail = cli_grow(NULL, 0, view->events_max, sizeof(*view->tail));
        if (view->tail == NULL) {
            cli_say("%s", theater_status_text(THEATER_ERR_NOMEM));
            return CLI_EXIT_IO;
        }
    }
    int status = find_actor(view, url, id);
    if (status == CLI_EXIT_OK) {
        status = read_chain(view, json);
    }
    if (status == CLI_EXIT_OK && json) {
        print_json(view, id);
    } else if (status == CLI_EXIT_OK) {
        print_text(view, id);
    }
    return status;
}

static int run(const cli_command *command, int argc, char **argv)
{
    show_settings settings = {.events = TAIL_DEFAULT};
    theater_error error = THEATER_ERROR_INIT;
    cli_url url;
    char id[THEATER_ID_TEXT_SIZE];
    actor_view view = {0};
    cli_parsed parsed = cli_parse(command, argc, argv, &settings);
    if (!parsed.go_on) {
        return parsed.exit_status;
    }
    if (theater_id_parse(argv[0], &view.info.id, NULL) != THEATER_OK) {
        return cli_usage(command, "'%s' is not the id of an actor", argv[0]);
    }
    theater_id_format(view.info.id, id);
    theater_status found = settings.store != NULL
                               ? cli_store_for_run(settings.store, view.info.id, &url, &error)
                               : cli_store_find(view.info.id, &url, &error);
    if (found != THEATER_OK) {
        return cli_say_error(&error);
    }
    view.events_max = settings.events;
    int status = show(&view, &url, id, settings.json);
    view_deinit(&view);
    return status;
}

const cli_command cli_command_show = {
    .name = "show",
    .operands = "ID",
    .summary = "show one actor: state, due time, what it waits in",
    .text =
        "Shows how an actor stands, what it is and waits in, and the last events of its chain.\n"
        "A host that runs it is asked; otherwise its store is read.",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
