/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Timing Host's own interface against dummies: config, set-up, start. And the dummies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <theater.h>

static theater_timing_host *make(uint64_t max, uint64_t min)
{
    theater_timing_host_config config = THEATER_TIMING_HOST_CONFIG_INIT;
    theater_timing_host *host = NULL;
    config.max_sleep_duration = max;
    config.min_sleep_duration = min;
    assert_int_equal(theater_timing_host_new(&config, &host, NULL), THEATER_OK);
    return host;
}

/* A number of the config as it goes into the genesis of every actor. */
static uint64_t bound(const theater_timing_host *host, const char *name)
{
    theater_handler handler = theater_timing_host_handler((theater_timing_host *)(uintptr_t)host);
    for (size_t i = 0; i < handler.config_count; i++) {
        const theater_value *field = &handler.config[i].of.items.data[0];
        if (field->name.size == strlen(name) && memcmp(field->name.data, name, strlen(name)) == 0) {
            return field->of.u64;
        }
    }
    fail_msg("the config has no '%s'", name);
    return 0;
}

/* ---- config ---------------------------------------------------------------------------------- */

static void new__without_config_has_the_defaults(void **state)
{
    (void)state;
    theater_timing_host *host = NULL;
    assert_int_equal(theater_timing_host_new(NULL, &host, NULL), THEATER_OK);
    assert_int_equal(bound(host, "max_sleep_duration"), 3600000);
    assert_int_equal(bound(host, "min_sleep_duration"), 1);
    theater_timing_host_free(host);
    const theater_timing_host_config config = THEATER_TIMING_HOST_CONFIG_INIT;
    assert_int_equal(config.max_sleep_duration, 3600000);
    assert_int_equal(config.min_sleep_duration, 1);
}

static void new__takes_numbers_as_they_are(void **state)
{
    (void)state;
    const uint64_t pairs[][2] = {{60000, 5}, {0, 0}, {7, 7}, {UINT64_MAX, UINT64_MAX}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        theater_timing_host *host = make(pairs[i][0], pairs[i][1]);
        assert_true(bound(host, "max_sleep_duration") == pairs[i][0]);
        assert_true(bound(host, "min_sleep_duration") == pairs[i][1]);
        theater_timing_host_free(host);
    }
}

static void new__refuses_a_minimum_above_the_maximum(void **state)
{
    (void)state;
    theater_timing_host_config config = THEATER_TIMING_HOST_CONFIG_INIT;
    theater_timing_host *host = NULL;
    theater_error err = THEATER_ERROR_INIT;
    config.max_sleep_duration = 4;
    config.min_sleep_duration = 5;
    assert_int_equal(theater_timing_host_new(&config, &host, &err), THEATER_ERR_INVALID);
    assert_null(host);
    assert_int_equal(err.status, THEATER_ERR_INVALID);
    assert_string_equal(err.message, "min_sleep_duration 5 ms is above max_sleep_duration 4 ms");
    config.max_sleep_duration = 0;
    config.min_sleep_duration = 1;
    assert_int_equal(theater_timing_host_new(&config, &host, NULL), THEATER_ERR_INVALID);
}

static void new__refuses_a_config_of_another_size(void **state)
{
    (void)state;
    theater_timing_host_config config = THEATER_TIMING_HOST_CONFIG_INIT;
    theater_timing_host *host = NULL;
    theater_error err = THEATER_ERROR_INIT;
    const size_t sizes[] = {0, sizeof(size_t), sizeof(config) - 1, sizeof(config) + 1};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        config.struct_size = sizes[i];
        assert_int_equal(theater_timing_host_new(&config, &host, &err), THEATER_ERR_INVALID);
        assert_null(host);
    }
    assert_non_null(strstr(err.message, "THEATER_TIMING_HOST_CONFIG_INIT"));
}

static void free__accepts_null(void **state)
{
    (void)state;
    theater_timing_host_free(NULL);
}

/* ---- methods against dummies ----------------------------------------------------------------- */

static void setup__adds_three_functions_under_both_names(void **state)
{
    (void)state;
    const char *const interfaces[] = {"ntwk:theater/timing", "ntwk:theater/timing@0.1.0"};
    const char *const names[] = {"now", "sleep", "deadline"};
    theater_timing_host *host = make(60000, 5);
    theater_actor_component *component = theater_actor_component_dummy();
    assert_non_null(component);
    for (size_t i = 0; i < 6; i++) {
        assert_false(
            theater_actor_component_has_function(component, interfaces[i / 3], names[i % 3]));
    }
    assert_int_equal(theater_timing_host_setup_host_functions(host, component, NULL), THEATER_OK);
    for (size_t i = 0; i < 6; i++) {
        assert_true(
            theater_actor_component_has_function(component, interfaces[i / 3], names[i % 3]));
    }
    assert_false(theater_actor_component_has_function(component, interfaces[0], "wake"));
    assert_false(theater_actor_component_has_function(component, interfaces[0], ""));
    assert_false(theater_actor_component_has_function(component, "ntwk:theater", "now"));
    assert_false(
        theater_actor_component_has_function(component, "ntwk:theater/timing@0.2.0", "now"));
    theater_actor_component_free(component);
    theater_timing_host_free(host);
}

static void setup__twice_is_refused_and_harms_nothing(void **state)
{
    (void)state;
    theater_error err = THEATER_ERROR_INIT;
    theater_timing_host *first = make(60000, 5);
    theater_timing_host *second = make(1, 1);
    theater_actor_component *component = theater_actor_component_dummy();
    assert_int_equal(theater_timing_host_setup_host_functions(first, component, &err), THEATER_OK);
    assert_int_equal(theater_timing_host_setup_host_functions(first, component, &err),
                     THEATER_ERR_EXISTS);
    assert_non_null(strstr(err.message, "ntwk:theater/timing"));
    assert_int_equal(theater_timing_host_setup_host_functions(second, component, NULL),
                     THEATER_ERR_EXISTS);
    assert_true(theater_actor_component_has_function(component, "ntwk:theater/timing", "now"));
    theater_actor_component *other = theater_actor_component_dummy();
    assert_int_equal(theater_timing_host_setup_host_functions(first, other, NULL), THEATER_OK);
    theater_actor_component_free(other);
    theater_actor_component_free(component);
    theater_timing_host_free(second);
    theater_timing_host_free(first);
}

static void add_export_functions__succeeds_and_adds_nothing(void **state)
{
    (void)state;
    theater_timing_host *host = make(60000, 5);
    theater_actor_instance *instance = theater_actor_instance_dummy();
    assert_non_null(instance);
    assert_int_equal(theater_timing_host_add_export_functions(host, instance, NULL), THEATER_OK);
    assert_int_equal(theater_timing_host_add_export_functions(host, instance, NULL), THEATER_OK);
    assert_false(theater_actor_instance_has_export(instance, "run"));
    theater_actor_instance_free(instance);
    theater_timing_host_free(host);
}

static void start__with_dummies_succeeds(void **state)
{
    (void)state;
    theater_timing_host *host = make(60000, 5);
    theater_shutdown_receiver *receiver = theater_shutdown_receiver_dummy();
    assert_non_null(receiver);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            theater_timing_host_start(host, theater_actor_handle_dummy(), receiver, NULL),
            THEATER_OK);
    }
    assert_int_equal(theater_timing_host_start(host, theater_actor_handle_dummy(), NULL, NULL),
                     THEATER_OK);
    theater_shutdown_receiver_free(receiver);
    theater_timing_host_free(host);
}

typedef struct said {
    char lines[4][128];
    size_t count;
} said;

static void on_log(theater_log_level level, const char *line, void *userdata)
{
    said *s = userdata;
    assert_int_equal(level, THEATER_LOG_INFO);
    assert_true(s->count < 4);
    assert_true(strlen(line) < sizeof(s->lines[0]));
    memcpy(s->lines[s->count++], line, strlen(line) + 1);
}

static void start__says_the_bounds_once(void **state)
{
    (void)state;
    said s;
    memset(&s, 0, sizeof(s));
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    theater_host *owner = NULL;
    options.log = on_log;
    options.log_userdata = &s;
    assert_int_equal(theater_host_new(&options, &owner, NULL), THEATER_OK);
    theater_timing_host *host = make(60000, 5);
    theater_actor_handle actor = theater_actor_handle_dummy();
    actor.host = owner;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(theater_timing_host_start(host, actor, NULL, NULL), THEATER_OK);
    }
    assert_int_equal(s.count, 1);
    assert_string_equal(s.lines[0], "timing: sleeps of 5 to 60000 ms are allowed");
    theater_timing_host_free(host);
    theater_host_free(owner);
}

static void handler__is_complete(void **state)
{
    (void)state;
    theater_timing_host *host = make(60000, 5);
    theater_handler handler = theater_timing_host_handler(host);
    assert_string_equal(handler.name, "timing");
    assert_int_equal(handler.struct_size, sizeof(handler));
    theater_actor_component *component = theater_actor_component_dummy();
    theater_actor_instance *instance = theater_actor_instance_dummy();
    assert_int_equal(handler.setup(handler.self, component, NULL), THEATER_OK);
    assert_int_equal(handler.add_exports(handler.self, instance, NULL), THEATER_OK);
    assert_int_equal(handler.start(handler.self, theater_actor_handle_dummy(), NULL, NULL),
                     THEATER_OK);
    assert_true(theater_actor_component_has_function(component, "ntwk:theater/timing", "sleep"));
    theater_actor_instance_free(instance);
    theater_actor_component_free(component);
    handler.release(handler.self);
}

static void runtime__offers_log_and_shutdown_under_both_names(void **state)
{
    (void)state;
    theater_handler handler;
    assert_int_equal(theater_runtime_handler(NULL, NULL, &handler, NULL), THEATER_OK);
    theater_actor_component *component = theater_actor_component_dummy();
    assert_int_equal(handler.setup(handler.self, component, NULL), THEATER_OK);
    assert_true(theater_actor_component_has_function(component, "ntwk:theater/runtime", "log"));
    assert_true(
        theater_actor_component_has_function(component, "ntwk:theater/runtime@0.1.0", "shutdown"));
    assert_int_equal(handler.setup(handler.self, component, NULL), THEATER_ERR_EXISTS);
    theater_actor_component_free(component);
    handler.release(handler.self);
}

/* ---- dummies --------------------------------------------------------------------------------- */

static void dummies__are_inert(void **state)
{
    (void)state;
    const theater_hash no_hash = {{0}};
    const theater_id no_id = {{0}};
    theater_actor_component *component = theater_actor_component_dummy();
    theater_hash digest = theater_actor_component_digest(component);
    assert_memory_equal(&digest, &no_hash, sizeof(digest));
    theater_actor_component_free(component);
    theater_actor_store *store = theater_actor_store_dummy();
    theater_id id = theater_actor_store_id(store);
    theater_head head = theater_actor_store_head(store);
    assert_memory_equal(&id, &no_id, sizeof(id));
    assert_int_equal(head.seq, 0);
    assert_memory_equal(&head.hash, &no_hash, sizeof(no_hash));
    theater_actor_store_free(store);
    theater_actor_handle handle = theater_actor_handle_dummy();
    assert_null(handle.host);
    assert_memory_equal(&handle.id, &no_id, sizeof(no_id));
}

static void dummies__free_accepts_null(void **state)
{
    (void)state;
    theater_actor_component_free(NULL);
    theater_actor_instance_free(NULL);
    theater_actor_store_free(NULL);
    theater_shutdown_receiver_free(NULL);
    theater_shutdown_controller_free(NULL);
    theater_host_free(NULL);
    theater_chain_free(NULL);
}

static theater_status never(theater_call *call, theater_values args, void *userdata,
                            theater_error *err)
{
    (void)call;
    (void)args;
    (void)userdata;
    (void)err;
    return THEATER_ERR_INTERNAL;
}

static void add_function__refuses_what_is_incomplete(void **state)
{
    (void)state;
    theater_actor_component *component = theater_actor_component_dummy();
    theater_function whole = THEATER_FUNCTION_INIT;
    whole.interface = "acme:db/lookup";
    whole.name = "find";
    whole.call = never;
    theater_function parts[4] = {whole, whole, whole, whole};
    parts[0].interface = NULL;
    parts[1].name = NULL;
    parts[2].call = NULL;
    parts[3].struct_size = 0;
    for (size_t i = 0; i < 4; i++) {
        theater_error err = THEATER_ERROR_INIT;
        assert_int_equal(theater_actor_component_add_function(component, &parts[i], &err),
                         THEATER_ERR_INVALID);
        assert_int_not_equal(err.message[0], '\0');
    }
    assert_int_equal(theater_actor_component_add_function(component, &whole, NULL), THEATER_OK);
    assert_int_equal(theater_actor_component_add_function(component, &whole, NULL),
                     THEATER_ERR_EXISTS);
    theater_actor_component_free(component);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new__without_config_has_the_defaults),
        cmocka_unit_test(new__takes_numbers_as_they_are),
        cmocka_unit_test(new__refuses_a_minimum_above_the_maximum),
        cmocka_unit_test(new__refuses_a_config_of_another_size),
        cmocka_unit_test(free__accepts_null),
        cmocka_unit_test(setup__adds_three_functions_under_both_names),
        cmocka_unit_test(setup__twice_is_refused_and_harms_nothing),
        cmocka_unit_test(add_export_functions__succeeds_and_adds_nothing),
        cmocka_unit_test(start__with_dummies_succeeds),
        cmocka_unit_test(start__says_the_bounds_once),
        cmocka_unit_test(handler__is_complete),
        cmocka_unit_test(runtime__offers_log_and_shutdown_under_both_names),
        cmocka_unit_test(dummies__are_inert),
        cmocka_unit_test(dummies__free_accepts_null),
        cmocka_unit_test(add_function__refuses_what_is_incomplete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
