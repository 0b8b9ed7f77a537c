/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The harness: one host with the handlers that tests need, everything it reports kept in the order
 * in which it came. What goes wrong in here fails the test at once, with the library's own message.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static bool on_finished(const theater_finished *finished, void *userdata)
{
    harness *h = userdata;
    if ((h->ends_count & (h->ends_count - 1)) == 0) { /* room doubles at powers of two */
        size_t room = h->ends_count == 0 ? 1 : h->ends_count * 2;
        h->ends = realloc(h->ends, room * sizeof(*h->ends));
        assert_non_null(h->ends);
    }
    harness_end *end = &h->ends[h->ends_count++];
    memset(end, 0, sizeof(*end));
    end->id = finished->id;
    end->reason = finished->reason;
    h->head = finished->head;
    snprintf(end->text, sizeof(end->text), "%.*s", (int)finished->text.size, finished->text.data);
    const theater_value *result = finished->result;
    if (result != NULL && result->kind == THEATER_VALUE_RESULT && result->of.items.count == 1) {
        result = &result->of.items.data[0];
    }
    if (result != NULL && result->kind == THEATER_VALUE_U64) {
        end->number = result->of.u64;
    }
    return !h->keeps_ends;
}

static void on_parked(theater_id id, theater_status status, const char *reason, void *userdata)
{
    harness *h = userdata;
    (void)id;
    (void)status;
    h->parked_count++;
    snprintf(h->parked_reason, sizeof(h->parked_reason), "%s", reason);
}

static void on_line(const theater_runtime_line *line, void *userdata)
{
    harness *h = userdata;
    size_t used = strlen(h->log);
    if (used + 1 < sizeof(h->log) && line->text.size > 0) {
        h->log[used] = line->text.data[0];
        h->log[used + 1] = '\0';
    }
    if (h->on_line != NULL) {
        h->on_line(line, h);
    }
}

static void on_log(theater_log_level level, const char *line, void *userdata)
{
    (void)userdata;
    if (level <= THEATER_LOG_WARNING) {
        print_message("log: %s\n", line);
    }
}

static void add_handlers(harness *h)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_timing_host_config config = THEATER_TIMING_HOST_CONFIG_INIT;
    config.max_sleep_duration = UINT64_MAX;
    theater_timing_host *timing = NULL;
    assert_int_equal(theater_timing_host_new(&config, &timing, &err), THEATER_OK);
    theater_handler handler = theater_timing_host_handler(timing);
    assert_int_equal(theater_host_add_handler(h->host, &handler, &err), THEATER_OK);
    assert_int_equal(theater_runtime_handler(on_line, h, &handler, &err), THEATER_OK);
    assert_int_equal(theater_host_add_handler(h->host, &handler, &err), THEATER_OK);
    if (h->handler != NULL) {
        assert_int_equal(theater_host_add_handler(h->host, h->handler, &err), THEATER_OK);
    }
}

static void open_host(harness *h, theater_host_options *options)
{
    theater_error err = THEATER_ERROR_INIT;
    char url[sizeof(h->directory) + 8] = "memory:";
    if (h->directory[0] != '\0') {
        snprintf(url, sizeof(url), "log:%s", h->directory);
    }
    options->store_url = url;
    options->log = on_log;
    options->compiler_path = COMPILER;
    assert_int_equal(theater_host_new(options, &h->host, &err), THEATER_OK);
    add_handlers(h);
    theater_host_on_finished(h->host, on_finished, h);
    theater_host_on_parked(h->host, on_parked, h);
    if (theater_host_open(h->host, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
    options->store_url = NULL;
}

void harness_open(harness *h, theater_host_options *options, bool has_log)
{
    harness_open_with(h, options, has_log, NULL);
}

void harness_open_with(harness *h, theater_host_options *options, bool has_log,
                       const theater_handler *handler)
{
    memset(h, 0, sizeof(*h));
    h->handler = handler;
    if (has_log) {
        snprintf(h->directory, sizeof(h->directory), "/tmp/theater-host-XXXXXX");
        assert_non_null(mkdtemp(h->directory));
    }
    open_host(h, options);
}

void harness_reopen(harness *h, theater_host_options *options)
{
    theater_host_free(h->host);
    open_host(h, options);
}

void harness_close(harness *h)
{
    theater_host_free(h->host);
    free(h->ends);
    if (h->directory[0] != '\0') {
        char command[128];
        snprintf(command, sizeof(command), "rm -rf '%s'", h->directory);
        assert_int_equal(system(command), 0);
    }
}

theater_actor_component *harness_load(harness *h, const char *directory, const char *name)
{
    char path[512];
    theater_error err = THEATER_ERROR_INIT;
    theater_actor_component *component = NULL;
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    if (theater_host_load_component_file(h->host, path, &component, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
    return component;
}

theater_id harness_spawn(harness *h, theater_actor_component *component, const char *export_name,
                         const char *args, const theater_limits *limits)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_spawn_options options = THEATER_SPAWN_OPTIONS_INIT;
    theater_id id;
    options.export_name = export_name;
    options.args_json = args;
    if (limits != NULL) {
        options.limits = *limits;
    }
    if (theater_host_spawn(h->host, component, &options, &id, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
    return id;
}

const harness_end *harness_find(const harness *h, theater_id id)
{
    for (size_t i = 0; i < h->ends_count; i++) {
        if (memcmp(&h->ends[i].id, &id, sizeof(id)) == 0) {
            return &h->ends[i];
        }
    }
    fail_msg("the actor did not end");
    return NULL;
}

void harness_run(harness *h)
{
    theater_error err = THEATER_ERROR_INIT;
    if (theater_host_run(h->host, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
}

void harness_settle(harness *h)
{
    do {
        commit_poll(h->host);
        theater__list *link = NULL;
        while ((link = theater__list_pop(&h->host->ready)) != NULL) {
            turn_step(h->host, THEATER__LIST_OWNER(link, live, link));
        }
    } while (!theater__list_empty(&h->host->ready) || h->host->loading_count > 0 ||
             theater__store_inflight(h->host->store) > 0);
    assert_int_equal(h->host->failure.status, THEATER_OK);
}
