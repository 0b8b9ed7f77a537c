/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stage: see stage.h. What a callback is told is copied at once, since it borrows; what a test
 * asks of a chain is asked of the store, never of the host that wrote it.
 */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- what it is told ------------------------------------------------------------------------- */

typedef struct text_buffer {
    char *data;
    size_t size;
    size_t capacity;
} text_buffer;

static int append_text(const void *data, size_t size, void *userdata)
{
    text_buffer *buffer = userdata;
    if (buffer->size + size + 1 > buffer->capacity) {
        buffer->capacity = 2 * (buffer->size + size + 1);
        buffer->data = realloc(buffer->data, buffer->capacity);
        assert_non_null(buffer->data);
    }
    memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    buffer->data[buffer->size] = '\0';
    return 0;
}

static bool on_finished(const theater_finished *finished, void *userdata)
{
    stage *s = userdata;
    assert_true(s->ends_count < STAGE_LINES_MAX);
    stage_end *end = &s->ends[s->ends_count++];
    memset(end, 0, sizeof(*end));
    end->id = finished->id;
    end->reason = finished->reason;
    end->head = finished->head;
    assert_true(finished->text.size < sizeof(end->text));
    if (finished->text.size > 0) {
        memcpy(end->text, finished->text.data, finished->text.size);
    }
    if (finished->result != NULL) {
        text_buffer json = {NULL, 0, 0};
        assert_int_equal(theater_value_write_json(finished->result, append_text, &json, NULL),
                         THEATER_OK);
        assert_true(json.size < sizeof(end->result));
        memcpy(end->result, json.data, json.size + 1);
        free(json.data);
    }
    return !s->keeps_results;
}

static void on_parked(theater_id id, theater_status status, const char *reason, void *userdata)
{
    stage *s = userdata;
    assert_true(s->parked_count < STAGE_LINES_MAX);
    s->parked[s->parked_count++] = id;
    s->parked_status = status;
    (void)snprintf(s->parked_reason, sizeof(s->parked_reason), "%s", reason);
}

static void on_line(const theater_runtime_line *line, void *userdata)
{
    stage *s = userdata;
    assert_true(s->lines_count < STAGE_LINES_MAX);
    assert_int_equal(line->text.size, 1);
    stage_line *kept = &s->lines[s->lines_count++];
    kept->actor = line->actor;
    kept->seq = line->seq;
    kept->letter = line->text.data[0];
}

/* ---- the desk -------------------------------------------------------------------------------- */

static theater_status on_ask(theater_call *call, theater_values args, void *userdata,
                             theater_error *err)
{
    (void)args;
    (void)err;
    ((stage *)userdata)->asked_count++;
    theater_call_wait_token(call);
    return THEATER_OK;
}

static theater_status desk_setup(void *self, theater_actor_component *component, theater_error *err)
{
    theater_function ask = THEATER_FUNCTION_INIT;
    ask.interface = "acme:desk/answers";
    ask.name = "ask";
    ask.signature = "func(question: u64) -> u64";
    ask.kind = THEATER_FUNCTION_WAIT;
    ask.call = on_ask;
    ask.userdata = self;
    return theater_actor_component_add_function(component, &ask, err);
}

/* ---- opening and closing --------------------------------------------------------------------- */

static void add_handlers(stage *s, const stage_options *options)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_timing_host_config config = THEATER_TIMING_HOST_CONFIG_INIT;
    config.max_sleep_duration = options->max_sleep != 0 ? options->max_sleep : UINT64_MAX;
    config.min_sleep_duration = options->min_sleep;
    theater_timing_host *timing = NULL;
    assert_int_equal(theater_timing_host_new(&config, &timing, &err), THEATER_OK);
    theater_handler handler = theater_timing_host_handler(timing);
    assert_int_equal(theater_host_add_handler(s->host, &handler, &err), THEATER_OK);
    assert_int_equal(theater_runtime_handler(on_line, s, &handler, &err), THEATER_OK);
    assert_int_equal(theater_host_add_handler(s->host, &handler, &err), THEATER_OK);
    if (options->handler != NULL) {
        assert_int_equal(theater_host_add_handler(s->host, options->handler, &err), THEATER_OK);
    }
    if (!options->without_desk) {
        theater_handler desk = THEATER_HANDLER_INIT;
        desk.name = "desk";
        desk.self = s;
        desk.setup = desk_setup;
        assert_int_equal(theater_host_add_handler(s->host, &desk, &err), THEATER_OK);
    }
}

static void open_host(stage *s, const stage_options *options)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_host_options host_options = THEATER_HOST_OPTIONS_INIT;
    char url[sizeof(s->directory) + 8];
    (void)snprintf(url, sizeof(url), "log:%s", s->directory);
    host_options.store_url = options->in_memory ? "memory:" : url;
    host_options.clock = options->real_clock ? THEATER_CLOCK_REAL : THEATER_CLOCK_VIRTUAL;
    host_options.seed = options->seed;
    host_options.live_max = options->live_max;
    host_options.compiler_path = COMPILER;
    host_options.log = options->log;
    host_options.log_userdata = options->log_userdata;
    s->keeps_results = options->keeps_results;
    assert_int_equal(theater_host_new(&host_options, &s->host, &err), THEATER_OK);
    add_handlers(s, options);
    theater_host_on_finished(s->host, on_finished, s);
    theater_host_on_parked(s->host, on_parked, s);
    if (theater_host_open(s->host, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
}

void stage_open(stage *s, const stage_options *options)
{
    memset(s, 0, sizeof(*s));
    (void)snprintf(s->directory, sizeof(s->directory), "/tmp/theater-spec-XXXXXX");
    assert_non_null(mkdtemp(s->directory));
    open_host(s, options);
}

void stage_reopen(stage *s, const stage_options *options)
{
    theater_host_free(s->host);
    s->host = NULL;
    s->ends_count = 0;
    s->lines_count = 0;
    s->parked_count = 0;
    s->asked_count = 0;
    open_host(s, options);
}

void stage_close(stage *s)
{
    theater_host_free(s->host);
    char command[sizeof(s->directory) + 16];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", s->directory);
    assert_int_equal(system(command), 0);
}

/* ---- driving --------------------------------------------------------------------------------- */

char *stage_read_guest(const char *guest, size_t *out_size)
{
    char path[512];
    text_buffer text = {NULL, 0, 0};
    char piece[4096];
    size_t got = 0;
    (void)snprintf(path, sizeof(path), "%s/%s", GUESTS, guest);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    while ((got = fread(piece, 1, sizeof(piece), file)) > 0) {
        (void)append_text(piece, got, &text);
    }
    assert_int_equal(fclose(file), 0);
    *out_size = text.size;
    return text.data;
}

theater_actor_component *stage_load(stage *s, const char *guest)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_actor_component *component = NULL;
    size_t size = 0;
    char *text = stage_read_guest(guest, &size);
    if (theater_host_load_component(s->host, text, size, &component, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
    free(text);
    return component;
}

theater_id stage_spawn(stage *s, theater_actor_component *component, const char *export_name,
                       const char *args)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_spawn_options options = THEATER_SPAWN_OPTIONS_INIT;
    theater_id id;
    options.export_name = export_name;
    options.args_json = args;
    if (theater_host_spawn(s->host, component, &options, &id, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
    return id;
}

void stage_run(stage *s)
{
    theater_error err = THEATER_ERROR_INIT;
    if (theater_host_run(s->host, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
}

void stage_until(stage *s, theater_id id, theater_actor_state state)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_actor_info info;
    do {
        if (theater_host_dispatch(s->host, NULL, &err) != THEATER_OK) {
            fail_msg("%s", err.message);
        }
        assert_int_equal(theater_host_actor(s->host, id, &info, NULL), THEATER_OK);
        if (info.state == THEATER_ACTOR_ENDED && state != THEATER_ACTOR_ENDED) {
            fail_msg("the actor has ended");
        }
    } while (info.state != state);
}

const stage_end *stage_find(const stage *s, theater_id id)
{
    const stage_end *found = NULL;
    for (size_t i = 0; i < s->ends_count; i++) {
        if (memcmp(&s->ends[i].id, &id, sizeof(id)) == 0) {
            assert_null(found); /* reported once */
            found = &s->ends[i];
        }
    }
    if (found == NULL) {
        fail_msg("the actor did not end; %zu are parked: %s", s->parked_count, s->parked_reason);
    }
    return found;
}

const char *stage_call(stage *s, const char *guest, const char *export_name, const char *args)
{
    theater_id id = stage_spawn(s, stage_load(s, guest), export_name, args);
    stage_run(s);
    const stage_end *end = stage_find(s, id);
    assert_int_equal(end->reason, THEATER_END_RETURNED);
    stage_audit(s, id, guest);
    return end->result;
}

/* ---- chains ---------------------------------------------------------------------------------- */

theater_chain *stage_chain(const stage *s, theater_id id)
{
    char url[sizeof(s->directory) + 8];
    theater_error err = THEATER_ERROR_INIT;
    theater_chain *chain = NULL;
    (void)snprintf(url, sizeof(url), "log:%s", s->directory);
    if (theater_chain_open_store(url, id, &chain, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
    return chain;
}

void stage_audit(stage *s, theater_id id, const char *guest)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_chain *chain = stage_chain(s, id);
    theater_chain_report links;
    theater_replay_report again;
    theater_chain_verify_options options = THEATER_CHAIN_VERIFY_OPTIONS_INIT;
    options.head = &stage_find(s, id)->head;
    assert_int_equal(theater_chain_verify(chain, &options, &links, &err), THEATER_OK);
    if (links.verdict != THEATER_CHAIN_ANCHORED) {
        fail_msg("verify: %s", links.message);
    }
    size_t size = 0;
    char *text = stage_read_guest(guest, &size);
    if (theater_chain_replay(s->host, chain, text, size, &again, &err) != THEATER_OK) {
        fail_msg("replay: %s", err.message);
    }
    if (!again.is_clean) {
        fail_msg("replay: %s", again.message);
    }
    assert_int_equal(again.calls_count, 1);
    assert_int_equal(again.events_count, links.events_count);
    free(text);
    theater_chain_free(chain);
}

unsigned stage_count(const stage *s, theater_id id, theater_event_kind kind)
{
    theater_chain *chain = stage_chain(s, id);
    theater_event event;
    size_t position = 0;
    unsigned count = 0;
    while (theater_chain_next(chain, &position, &event, NULL) == THEATER_OK) {
        count += event.kind == kind;
    }
    theater_chain_free(chain);
    return count;
}

unsigned stage_occurrences(const stage *s, theater_id id, const char *text)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_chain *chain = stage_chain(s, id);
    text_buffer lines = {NULL, 0, 0};
    if (theater_chain_export(chain, THEATER_CHAIN_JSONL, append_text, &lines, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
    unsigned count = 0;
    for (const char *at = lines.data; (at = strstr(at, text)) != NULL; at += strlen(text)) {
        count++;
    }
    free(lines.data);
    theater_chain_free(chain);
    return count;
}
