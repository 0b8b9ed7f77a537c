/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host to be measured: the handlers of `theater run`, the timing one without bounds, so that any
 * component can be measured and a store that is kept can be resumed. For the rate with waiting one
 * function of the bench's own besides: an effect, so that the guest goes on when all before it is
 * durable.
 */
#include "bench.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the place ------------------------------------------------------------------------------- */

int bench_place_init(bench_place *place, const char *given)
{
    memset(place, 0, sizeof(*place));
    theater_error error = THEATER_ERROR_INIT;
    if (given != NULL) {
        theater_id nobody = {{0}};
        return cli_store_for_run(given, nobody, &place->url, &error) == THEATER_OK
                   ? CLI_EXIT_OK
                   : cli_say_error(&error);
    }
    const char *parent = secure_getenv("TMPDIR");
    int length = snprintf(place->url.text, sizeof(place->url.text), "log:%s/theater-bench-XXXXXX",
                          parent != NULL && parent[0] == '/' ? parent : "/tmp");
    if (length < 0 || (size_t)length >= PATH_MAX) {
        cli_say("TMPDIR is too long");
        return CLI_EXIT_IO;
    }
    if (mkdtemp(place->url.text + strlen("log:")) == NULL) {
        cli_say("'%s' could not be made: %s; name a store with --store",
                place->url.text + strlen("log:"), strerrordesc_np(errno));
        return CLI_EXIT_IO;
    }
    place->is_made = true;
    return CLI_EXIT_OK;
}

void bench_place_deinit(bench_place *place)
{
    if (place->is_made) {
        cli_store_remove(&place->url);
        place->is_made = false;
    }
}

/* ---- what the host tells --------------------------------------------------------------------- */

static void keep_failure(bench_host *b, const char *what, const char *text, size_t size)
{
    if (b->failed++ == 0) {
        (void)snprintf(b->failure, sizeof(b->failure), "%s%s%.*s", what, size > 0 ? ": " : "",
                       (int)size, size > 0 ? text : "");
    }
}

static bool on_finished(const theater_finished *finished, void *userdata)
{
    bench_host *b = userdata;
    const theater_value *result = finished->result;
    bool is_error = result != NULL && result->kind == THEATER_VALUE_RESULT && !result->is_ok;
    b->ended++;
    if (finished->reason != THEATER_END_RETURNED) {
        keep_failure(b, theater_end_reason_name(finished->reason), finished->text.data,
                     finished->text.size);
    } else if (is_error) {
        bool has_text =
            result->of.items.count == 1 && result->of.items.data[0].kind == THEATER_VALUE_STRING;
        theater_text text = has_text ? result->of.items.data[0].of.text : (theater_text){NULL, 0};
        keep_failure(b, "returned an error", text.data, text.size);
    }
    return true;
}

static void on_parked(theater_id id, theater_status status, const char *reason, void *userdata)
{
    bench_host *b = userdata;
    (void)id;
    (void)status;
    b->ended++;
    keep_failure(b, "set aside", reason, strlen(reason));
}

static void on_log(theater_log_level level, const char *line, void *userdata)
{
    (void)level;
    (void)userdata;
    cli_note("%s", line);
}

int bench_host_verdict(const bench_host *b)
{
    if (b->failed == 0) {
        return CLI_EXIT_OK;
    }
    cli_say("%llu actors did not end well; the first one %s", (unsigned long long)b->failed,
            b->failure);
    return CLI_EXIT_ENDED;
}

/* ---- the host -------------------------------------------------------------------------------- */

static theater_status run_durable(theater_call *call, theater_values args, void *userdata,
                                  theater_error *err)
{
    (void)args;
    (void)userdata;
    theater_value result = theater_value_u64(0);
    return theater_call_return(call, &result, err);
}

static theater_status setup_durable(void *self, theater_actor_component *component,
                                    theater_error *err)
{
    theater_function function = THEATER_FUNCTION_INIT;
    (void)self;
    function.interface = "theater:bench/wait";
    function.name = "durable";
    function.signature = "func() -> u64";
    function.kind = THEATER_FUNCTION_EFFECT;
    function.call = run_durable;
    return theater_actor_component_add_function(component, &function, err);
}

/* Lines of guests are not what is measured. */
static void drop_line(const theater_runtime_line *line, void *userdata)
{
    (void)line;
    (void)userdata;
}

static theater_status add_handlers(bench_host *b, bool has_durable, theater_error *err)
{
    theater_timing_host_config config = THEATER_TIMING_HOST_CONFIG_INIT;
    config.max_sleep_duration = UINT64_MAX;
    theater_timing_host *timing = NULL;
    theater_status status = theater_timing_host_new(&config, &timing, err);
    if (status == THEATER_OK) {
        theater_handler handler = theater_timing_host_handler(timing);
        status = theater_host_add_handler(b->host, &handler, err);
    }
    if (status == THEATER_OK) {
        theater_handler handler = THEATER_HANDLER_INIT;
        status = theater_runtime_handler(drop_line, NULL, &handler, err);
        status = status == THEATER_OK ? theater_host_add_handler(b->host, &handler, err) : status;
    }
    if (status == THEATER_OK && has_durable) {
        theater_handler handler = THEATER_HANDLER_INIT;
        handler.name = "bench";
        handler.setup = setup_durable;
        status = theater_host_add_handler(b->host, &handler, err);
    }
    return status;
}

int bench_host_open(bench_host *b, const bench_place *place, cli_shard shard, uint64_t live_max,
                    bool has_durable)
{
    theater_error error = THEATER_ERROR_INIT;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    memset(b, 0, sizeof(*b));
    options.store_url = place->url.text;
    options.shard = shard.number;
    options.shards_count = shard.count;
    if (live_max != 0) {
        options.live_max = live_max > shard.count ? (uint32_t)(live_max / shard.count) : 1;
    }
    options.log = on_log;
    options.log_level_max = THEATER_LOG_WARNING;
    theater_status status = theater_host_new(&options, &b->host, &error);
    if (status == THEATER_OK) {
        status = add_handlers(b, has_durable, &error);
    }
    if (status == THEATER_OK) {
        theater_host_on_finished(b->host, on_finished, b);
        theater_host_on_parked(b->host, on_parked, b);
        status = theater_host_open(b->host, &error);
    }
    if (status != THEATER_OK) {
        (void)cli_say_error(&error);
        return CLI_EXIT_IO;
    }
    if (bench_host_stats(b).actors != 0) {
        cli_say("'%s' holds actors; name an empty store", place->url.text);
        return CLI_EXIT_USAGE;
    }
    return CLI_EXIT_OK;
}

void bench_host_close(bench_host *b)
{
    theater_host_free(b->host);
    b->host = NULL;
}

int bench_host_load(bench_host *b, const char *text, const char *path)
{
    theater_error error = THEATER_ERROR_INIT;
    theater_status status =
        path != NULL
            ? theater_host_load_component_file(b->host, path, &b->component, &error)
            : theater_host_load_component(b->host, text, strlen(text), &b->component, &error);
    if (status == THEATER_OK) {
        return CLI_EXIT_OK;
    }
    int exit_status = cli_say_error(&error);
    return status == THEATER_ERR_NOTFOUND || status == THEATER_ERR_UNSUPPORTED ? CLI_EXIT_USAGE
                                                                               : exit_status;
}

theater_status bench_host_spawn(bench_host *b, const char *export_name, const char *args,
                                theater_error *err)
{
    theater_spawn_options options = THEATER_SPAWN_OPTIONS_INIT;
    options.export_name = export_name;
    options.args_json = args;
    options.limits.call_chain_bytes_max = UINT64_MAX / 2;
    options.limits.call_cpu_ms_max = UINT64_MAX / 2;
    return theater_host_spawn(b->host, b->component, &options, NULL, err);
}

int bench_host_step(bench_host *b, int timeout_ms, bool *out_more)
{
    theater_error error = THEATER_ERROR_INIT;
    bool has_more = false;
    if (theater_host_dispatch(b->host, &has_more, &error) != THEATER_OK) {
        return cli_say_error(&error);
    }
    if (!has_more && timeout_ms != 0) {
        struct pollfd ready = {.fd = theater_host_fd(b->host), .events = POLLIN};
        (void)poll(&ready, 1, timeout_ms); /* an interrupt ends it: the caller looks */
    }
    if (out_more != NULL) {
        *out_more = has_more;
    }
    return CLI_EXIT_OK;
}

theater_host_stats bench_host_stats(const bench_host *b)
{
    theater_host_stats stats = {.struct_size = sizeof(stats)};
    theater_host_stats_get(b->host, &stats);
    return stats;
}
