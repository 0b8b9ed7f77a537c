/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host of a benchmark; see stage.h.
 */
#include "stage.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- bench:host/calls ------------------------------------------------------------------------ */

static theater_status call_same(theater_call *call, theater_values args, void *userdata,
                                theater_error *err)
{
    (void)args;
    (void)userdata;
    theater_value result = theater_value_u64(1);
    return theater_call_return(call, &result, err);
}

static theater_status call_next(theater_call *call, theater_values args, void *userdata,
                                theater_error *err)
{
    (void)args;
    stage *s = userdata;
    theater_value result = theater_value_u64(theater_call_now(call).ms + s->counter);
    s->counter++;
    return theater_call_return(call, &result, err);
}

static theater_status call_nap(theater_call *call, theater_values args, void *userdata,
                               theater_error *err)
{
    (void)args;
    (void)userdata;
    (void)err;
    theater_call_wait_for(call, 0);
    return THEATER_OK;
}

static theater_status call_pause(theater_call *call, theater_values args, void *userdata,
                                 theater_error *err)
{
    (void)args;
    (void)err;
    stage *s = userdata;
    s->token = theater_call_token(call);
    s->has_token = true;
    theater_call_wait_token(call);
    return THEATER_OK;
}

static theater_status finish_nothing(theater_call *call, const theater_wait_end *end,
                                     void *userdata, theater_error *err)
{
    (void)end;
    (void)userdata;
    return theater_call_return(call, NULL, err);
}

static theater_status setup_calls(void *self, theater_actor_component *component,
                                  theater_error *err)
{
    static const struct {
        const char *name;
        const char *signature;
        theater_function_kind kind;
        theater_function_fn *call;
        theater_finish_fn *finish;
    } functions[] = {
        {"same", "func() -> u64", THEATER_FUNCTION_PURE, call_same, NULL},
        {"next", "func() -> u64", THEATER_FUNCTION_RECORDED, call_next, NULL},
        {"nap", "func()", THEATER_FUNCTION_WAIT, call_nap, finish_nothing},
        {"pause", "func()", THEATER_FUNCTION_WAIT, call_pause, finish_nothing},
        {"sync", "func() -> u64", THEATER_FUNCTION_EFFECT, call_same, NULL},
    };
    theater_status status = THEATER_OK;
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]) && status == THEATER_OK; i++) {
        theater_function function = THEATER_FUNCTION_INIT;
        function.interface = "bench:host/calls";
        function.name = functions[i].name;
        function.signature = functions[i].signature;
        function.kind = functions[i].kind;
        function.call = functions[i].call;
        function.finish = functions[i].finish;
        function.userdata = self;
        status = theater_actor_component_add_function(component, &function, err);
    }
    return status;
}

/* ---- what the host says ---------------------------------------------------------------------- */

static bool on_finished(const theater_finished *finished, void *userdata)
{
    stage *s = userdata;
    if (finished->reason != THEATER_END_RETURNED && finished->reason != THEATER_END_CANCELLED) {
        (void)fprintf(stderr, "bench: an actor ended: %s: %.*s\n",
                      theater_end_reason_name(finished->reason), (int)finished->text.size,
                      finished->text.data);
        exit(1);
    }
    s->ended_count++;
    s->ended_s = bench_now_s();
    return true;
}

static void on_parked(theater_id id, theater_status status, const char *reason, void *userdata)
{
    (void)id;
    (void)userdata;
    (void)fprintf(stderr, "bench: an actor was parked: %s: %s\n", theater_status_name(status),
                  reason);
    exit(1);
}

static void on_log(theater_log_level level, const char *line, void *userdata)
{
    (void)userdata;
    if (level <= THEATER_LOG_WARNING) {
        (void)fprintf(stderr, "bench: %s\n", line);
    }
}

/* ---- the stage ------------------------------------------------------------------------------- */

static void add_handlers(stage *s)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_timing_host_config config = THEATER_TIMING_HOST_CONFIG_INIT;
    config.max_sleep_duration = UINT64_MAX;
    theater_timing_host *timing = NULL;
    bench_check(theater_timing_host_new(&config, &timing, &err), &err);
    theater_handler handler = theater_timing_host_handler(timing);
    bench_check(theater_host_add_handler(s->host, &handler, &err), &err);
    theater_handler calls = THEATER_HANDLER_INIT;
    calls.name = "bench";
    calls.self = s;
    calls.setup = setup_calls;
    bench_check(theater_host_add_handler(s->host, &calls, &err), &err);
}

void stage_open(const bench *b, stage *s, const stage_options *options)
{
    memset(s, 0, sizeof(*s));
    char url[sizeof(s->directory) + 8] = "memory:";
    if (options->directory != NULL) {
        s->is_borrowed = true;
        (void)snprintf(s->directory, sizeof(s->directory), "%s", options->directory);
    } else if (options->is_durable) {
        (void)snprintf(s->directory, sizeof(s->directory), "%s/theater-bench-XXXXXX", b->directory);
        bench_must(mkdtemp(s->directory) != NULL, "no directory for a store: see --dir");
    }
    if (s->directory[0] != '\0') {
        (void)snprintf(url, sizeof(url), "log:%s", s->directory);
    }
    theater_host_options chosen = THEATER_HOST_OPTIONS_INIT;
    chosen.store_url = url;
    chosen.clock = options->is_virtual ? THEATER_CLOCK_VIRTUAL : THEATER_CLOCK_REAL;
    chosen.live_max = options->live_max;
    chosen.compiler_path = BENCH_COMPILER;
    chosen.log = on_log;
    theater_error err = THEATER_ERROR_INIT;
    bench_check(theater_host_new(&chosen, &s->host, &err), &err);
    add_handlers(s);
    theater_host_on_finished(s->host, on_finished, s);
    theater_host_on_parked(s->host, on_parked, s);
    bench_check(theater_host_open(s->host, &err), &err);
}

void stage_close(stage *s)
{
    theater_host_free(s->host);
    s->host = NULL;
    if (s->directory[0] != '\0' && !s->is_borrowed) {
        char command[sizeof(s->directory) + 16];
        (void)snprintf(command, sizeof(command), "rm -rf '%s'", s->directory);
        /* NOLINTNEXTLINE(concurrency-mt-unsafe, cert-env33-c): one thread by now */
        bench_must(system(command) == 0, "a store was not removed");
    }
}

theater_actor_component *stage_load(stage *s, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", BENCH_GUESTS, name);
    theater_error err = THEATER_ERROR_INIT;
    theater_actor_component *component = NULL;
    bench_check(theater_host_load_component_file(s->host, path, &component, &err), &err);
    return component;
}

theater_id stage_spawn(stage *s, theater_actor_component *component, const char *export_name,
                       const char *args)
{
    theater_spawn_options options = THEATER_SPAWN_OPTIONS_INIT;
    options.export_name = export_name;
    options.args_json = args;
    options.limits.call_chain_bytes_max = UINT64_MAX / 2;
    options.limits.turn_cpu_ms_max = 600000;
    options.limits.call_cpu_ms_max = 600000;
    theater_error err = THEATER_ERROR_INIT;
    theater_id id;
    bench_check(theater_host_spawn(s->host, component, &options, &id, &err), &err);
    return id;
}

bool stage_step(stage *s, int timeout_ms)
{
    theater_error err = THEATER_ERROR_INIT;
    bool more = false;
    bench_check(theater_host_dispatch(s->host, &more, &err), &err);
    if (s->has_token) {
        s->has_token = false;
        bench_check(theater_host_complete(s->host, s->token, NULL, NULL, &err), &err);
        return true;
    }
    bool can_wait = theater_host_fd(s->host) >= 0 && theater_host_active(s->host) > 0;
    if (!more && can_wait) {
        struct pollfd ready = {theater_host_fd(s->host), POLLIN, 0};
        (void)poll(&ready, 1, timeout_ms);
    }
    return more;
}

void stage_run(stage *s)
{
    theater_error err = THEATER_ERROR_INIT;
    bench_check(theater_host_run(s->host, &err), &err);
}

void stage_run_tokens(stage *s, uint64_t ended_count)
{
    while (s->ended_count < ended_count) {
        (void)stage_step(s, -1);
    }
}

typedef struct census {
    theater_actor_state state;
    uint64_t count;
} census;

static int count_one(const theater_actor_info *info, void *userdata)
{
    census *c = userdata;
    c->count += info->state == c->state;
    return 0;
}

void stage_run_until(stage *s, theater_actor_state state, uint64_t count)
{
    for (;;) {
        if (stage_step(s, 20)) {
            continue;
        }
        census c = {state, 0};
        theater_host_visit(s->host, count_one, &c);
        if (c.count >= count) {
            return;
        }
    }
}

theater_host_stats stage_stats(const stage *s)
{
    theater_host_stats stats = {.struct_size = sizeof(stats)};
    theater_host_stats_get(s->host, &stats);
    return stats;
}
