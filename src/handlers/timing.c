/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Timing Host: plugs the rules of timing_policy.c into the handler interface.
 *
 * `now` is RECORDED: each reading is an event. `sleep` and `deadline` are WAITs: they are judged,
 * then answered at once or armed. Nothing here reads a clock or waits for anything; the bounds that
 * count are the ones in the actor's genesis, whatever this host is configured to today.
 */
#include <theater/timing.h>

#include <string.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <theater/host.h>

#include "timing_policy.h"

#define CONFIG_MAX_NAME "max_sleep_duration"
#define CONFIG_MIN_NAME "min_sleep_duration"
#define CONFIG_COUNT 2u

static const char *const interfaces[] = {"ntwk:theater/timing", "ntwk:theater/timing@0.1.0"};

struct theater_timing_host {
    theater_timing_host_config config;
    /* The config as values for the genesis: two records of one field each. */
    theater_value numbers[CONFIG_COUNT];
    theater_value records[CONFIG_COUNT];
    bool is_started; /* the bounds were said */
};

static void set_config_value(theater_timing_host *host, size_t index, const char *name,
                             uint64_t number)
{
    host->numbers[index] = theater_value_u64(number);
    host->numbers[index].name.data = name;
    host->numbers[index].name.size = strlen(name);
    host->records[index] = theater_value_of_kind(THEATER_VALUE_RECORD);
    host->records[index].of.items.data = &host->numbers[index];
    host->records[index].of.items.count = 1;
}

theater_status theater_timing_host_new(const theater_timing_host_config *config,
                                       theater_timing_host **out_host, theater_error *err)
{
    THEATER_ASSERT(out_host != NULL);
    theater_timing_host_config chosen = THEATER_TIMING_HOST_CONFIG_INIT;
    if (config != NULL) {
        if (config->struct_size != sizeof(*config)) {
            return theater__fail(err, THEATER_ERR_INVALID,
                                 "the timing config was not made with "
                                 "THEATER_TIMING_HOST_CONFIG_INIT");
        }
        chosen = *config;
    }
    if (chosen.min_sleep_duration > chosen.max_sleep_duration) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "min_sleep_duration %llu ms is above max_sleep_duration %llu ms",
                             (unsigned long long)chosen.min_sleep_duration,
                             (unsigned long long)chosen.max_sleep_duration);
    }
    theater_timing_host *host = theater__alloc_zeroed(1, sizeof(*host));
    if (host == NULL) {
        return theater__fail_nomem(err);
    }
    host->config = chosen;
    set_config_value(host, 0, CONFIG_MAX_NAME, chosen.max_sleep_duration);
    set_config_value(host, 1, CONFIG_MIN_NAME, chosen.min_sleep_duration);
    *out_host = host;
    return THEATER_OK;
}

void theater_timing_host_free(theater_timing_host *host)
{
    theater__free(host);
}

/* ---- what guests call ------------------------------------------------------------------------ */

static theater__timing_bounds bounds_of(const theater_call *call)
{
    theater_timing_host_config defaults = THEATER_TIMING_HOST_CONFIG_INIT;
    theater__timing_bounds bounds = {
        theater_call_config_u64(call, CONFIG_MAX_NAME, defaults.max_sleep_duration),
        theater_call_config_u64(call, CONFIG_MIN_NAME, defaults.min_sleep_duration)};
    return bounds;
}

static theater_status return_ok(theater_call *call, theater_error *err)
{
    theater_value ok = theater_value_result(true, NULL);
    return theater_call_return(call, &ok, err);
}

static theater_status return_err(theater_call *call, const char *text, size_t size,
                                 theater_error *err)
{
    theater_value message = theater_value_text(text, size);
    theater_value result = theater_value_result(false, &message);
    return theater_call_return(call, &result, err);
}

static theater_status on_now(theater_call *call, theater_values args, void *userdata,
                             theater_error *err)
{
    (void)args;
    (void)userdata;
    theater_value now = theater_value_u64(theater_call_now(call).ms);
    return theater_call_return(call, &now, err);
}

static theater_status on_sleep(theater_call *call, theater_values args, void *userdata,
                               theater_error *err)
{
    (void)userdata;
    uint64_t duration_ms = args.data[0].of.u64;
    theater__timing_bounds bounds = bounds_of(call);
    theater_timing_error error;
    char text[THEATER_TIMING_ERROR_MESSAGE_MAX];
    switch (theater__timing_judge_sleep(&bounds, duration_ms, &error)) {
    case THEATER__TIMING_DONE:
        return return_ok(call, err);
    case THEATER__TIMING_WAIT:
        theater_call_wait_for(call, duration_ms);
        return THEATER_OK;
    case THEATER__TIMING_REJECTED:
        break;
    }
    return return_err(call, text, theater_timing_error_message(&error, text, sizeof(text)), err);
}

static theater_status on_deadline(theater_call *call, theater_values args, void *userdata,
                                  theater_error *err)
{
    (void)userdata;
    theater_wall deadline = {args.data[0].of.u64};
    theater__timing_bounds bounds = bounds_of(call);
    theater_timing_error error;
    char text[THEATER_TIMING_ERROR_MESSAGE_MAX];
    switch (theater__timing_judge_deadline(&bounds, deadline, theater_call_now(call), &error)) {
    case THEATER__TIMING_DONE:
        return return_ok(call, err);
    case THEATER__TIMING_WAIT:
        theater_call_wait_until(call, deadline);
        return THEATER_OK;
    case THEATER__TIMING_REJECTED:
        break;
    }
    return return_err(call, text, theater__timing_deadline_message(&error, text, sizeof(text)),
                      err);
}

static theater_status on_end(theater_call *call, const theater_wait_end *end, void *userdata,
                             theater_error *err)
{
    (void)userdata;
    theater_timing_error error;
    char text[THEATER_TIMING_ERROR_MESSAGE_MAX];
    if (!theater__timing_judge_end(end->outcome, &error)) {
        return return_ok(call, err);
    }
    return return_err(call, text, theater_timing_error_message(&error, text, sizeof(text)), err);
}

/* ---- the specification's methods ------------------------------------------------------------- */

static const theater_function functions[] = {
    {sizeof(theater_function), NULL, "now", "func() -> u64", THEATER_FUNCTION_RECORDED, on_now,
     NULL, NULL},
    {sizeof(theater_function), NULL, "sleep", "func(duration: u64) -> result<_, string>",
     THEATER_FUNCTION_WAIT, on_sleep, on_end, NULL},
    {sizeof(theater_function), NULL, "deadline", "func(timestamp: u64) -> result<_, string>",
     THEATER_FUNCTION_WAIT, on_deadline, on_end, NULL},
};

theater_status theater_timing_host_setup_host_functions(const theater_timing_host *host,
                                                        theater_actor_component *component,
                                                        theater_error *err)
{
    THEATER_ASSERT(host != NULL);
    THEATER_ASSERT(component != NULL);
    for (size_t i = 0; i < sizeof(interfaces) / sizeof(interfaces[0]); i++) {
        for (size_t j = 0; j < sizeof(functions) / sizeof(functions[0]); j++) {
            theater_function function = functions[j];
            function.interface = interfaces[i];
            theater_status status = theater_actor_component_add_function(component, &function, err);
            if (status != THEATER_OK) {
                return status;
            }
        }
    }
    return THEATER_OK;
}

theater_status theater_timing_host_add_export_functions(const theater_timing_host *host,
                                                        theater_actor_instance *instance,
                                                        theater_error *err)
{
    THEATER_ASSERT(host != NULL);
    THEATER_ASSERT(instance != NULL);
    (void)err;
    return THEATER_OK;
}

theater_status theater_timing_host_start(theater_timing_host *host, theater_actor_handle actor,
                                         theater_shutdown_receiver *shutdown, theater_error *err)
{
    THEATER_ASSERT(host != NULL);
    (void)shutdown;
    (void)err;
    if (!host->is_started && actor.host != NULL) {
        host->is_started = true;
        theater_host_log(actor.host, THEATER_LOG_INFO,
                         "timing: sleeps of %llu to %llu ms are allowed",
                         (unsigned long long)host->config.min_sleep_duration,
                         (unsigned long long)host->config.max_sleep_duration);
    }
    return THEATER_OK;
}

/* ---- as a handler ---------------------------------------------------------------------------- */

static theater_status handler_setup(void *self, theater_actor_component *component,
                                    theater_error *err)
{
    return theater_timing_host_setup_host_functions(self, component, err);
}

static theater_status handler_add_exports(void *self, theater_actor_instance *instance,
                                          theater_error *err)
{
    return theater_timing_host_add_export_functions(self, instance, err);
}

static theater_status handler_start(void *self, theater_actor_handle actor,
                                    theater_shutdown_receiver *shutdown, theater_error *err)
{
    return theater_timing_host_start(self, actor, shutdown, err);
}

static void handler_release(void *self)
{
    theater_timing_host_free(self);
}

theater_handler theater_timing_host_handler(theater_timing_host *host)
{
    theater_handler handler = THEATER_HANDLER_INIT;
    handler.name = "timing";
    handler.self = host;
    handler.setup = handler_setup;
    handler.add_exports = handler_add_exports;
    handler.start = handler_start;
    handler.release = handler_release;
    handler.config = host->records;
    handler.config_count = CONFIG_COUNT;
    return handler;
}
