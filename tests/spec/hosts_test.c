/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What outlives a host and what does not: bounds, results, log lines, actors whose handler is
 * missing; equal runs, two hosts, and what re-execution finds.
 */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>

static const stage_options plain = {0};

static bool same_id(theater_id a, theater_id b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

/* ---- genesis --------------------------------------------------------------------------------- */

static void genesis__keeps_the_bounds_of_an_actor(void **state)
{
    (void)state;
    const stage_options generous = {.max_sleep = 1000, .min_sleep = 1};
    const stage_options strict = {.max_sleep = 50, .min_sleep = 20};
    stage s;
    stage_open(&s, &generous);
    theater_id old = stage_spawn(&s, stage_load(&s, "clock.wat"), "naps", "[3, 100]");
    stage_until(&s, old, THEATER_ACTOR_ASLEEP);
    stage_reopen(&s, &strict);
    theater_id new = stage_spawn(&s, stage_load(&s, "clock.wat"), "naps", "[3, 100]");
    stage_run(&s);
    assert_non_null(strstr(stage_find(&s, old)->result, "\"ok\":"));
    assert_string_equal(stage_find(&s, new)->result,
                        "{\"err\":\"Duration too long: 100 ms exceeds maximum of 50 ms\"}");
    assert_int_equal(stage_count(&s, old, THEATER_KIND_COMPLETION), 3);
    stage_audit(&s, old, "clock.wat");
    stage_audit(&s, new, "clock.wat");
    stage_close(&s);
}

static void spawn__of_an_id_that_is_there(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, &plain);
    theater_actor_component *component = stage_load(&s, "clock.wat");
    theater_actor_component *other = stage_load(&s, "init.wat");
    theater_id id = stage_spawn(&s, component, "sleep", "[18446744073709551615]");
    for (int round = 0; round < 2; round++) {
        theater_spawn_options options = THEATER_SPAWN_OPTIONS_INIT;
        theater_id again;
        options.id = &id;
        options.export_name = "sleep";
        options.args_json = "[18446744073709551615]";
        assert_int_equal(theater_host_spawn(s.host, component, &options, &again, NULL), THEATER_OK);
        assert_true(same_id(id, again));
        options.limits.turn_cpu_ms_max = 1;
        assert_int_equal(theater_host_spawn(s.host, component, &options, NULL, NULL),
                         THEATER_ERR_EXISTS);
        options = (theater_spawn_options)THEATER_SPAWN_OPTIONS_INIT;
        options.id = &id;
        assert_int_equal(theater_host_spawn(s.host, other, &options, NULL, NULL),
                         THEATER_ERR_EXISTS);
        /* Once in the host that made it, once in one that found it in its store. */
        stage_until(&s, id, THEATER_ACTOR_ASLEEP);
        stage_reopen(&s, &plain);
        component = stage_load(&s, "clock.wat");
        other = stage_load(&s, "init.wat");
    }
    assert_int_equal(theater_host_cancel(s.host, id, NULL, NULL), THEATER_OK);
    stage_run(&s);
    assert_int_equal(stage_count(&s, id, THEATER_KIND_GENESIS), 1);
    assert_int_equal(stage_count(&s, id, THEATER_KIND_CALL), 1);
    stage_audit(&s, id, "clock.wat");
    stage_close(&s);
}

/* ---- missing handlers ------------------------------------------------------------------------ */

static void open__an_actor_without_its_handler_is_parked(void **state)
{
    (void)state;
    const stage_options without = {.without_desk = true};
    stage s;
    stage_open(&s, &plain);
    theater_id asker = stage_spawn(&s, stage_load(&s, "desk.wat"), "run", "[1]");
    stage_run(&s);
    stage_reopen(&s, &without);
    theater_id sleeper = stage_spawn(&s, stage_load(&s, "clock.wat"), "sleep", "[10]");
    const theater_token token = {asker, 2};
    const theater_value value = theater_value_u64(1);
    assert_int_equal(theater_host_complete(s.host, token, &value, NULL, NULL), THEATER_OK);
    stage_run(&s);
    assert_int_equal(s.parked_count, 1);
    assert_true(same_id(s.parked[0], asker));
    assert_int_equal(s.parked_status, THEATER_ERR_UNSUPPORTED);
    assert_string_equal(s.parked_reason, "the actor was made with the handler 'desk', which this "
                                         "host does not have; add it and resume");
    theater_actor_info info;
    assert_int_equal(theater_host_actor(s.host, asker, &info, NULL), THEATER_OK);
    assert_int_equal(info.state, THEATER_ACTOR_PARKED);
    assert_string_equal(info.parked_reason, s.parked_reason);
    assert_string_equal(stage_find(&s, sleeper)->result, "{\"ok\":10}");
    /* Resuming tries again, and parks it again with the same reason. */
    assert_int_equal(theater_host_cancel(s.host, asker, NULL, NULL), THEATER_ERR_CLOSED);
    assert_int_equal(theater_host_resume(s.host, asker, NULL), THEATER_OK);
    stage_run(&s);
    assert_int_equal(s.parked_count, 2);
    /* A host that has the handler goes on with it. */
    stage_reopen(&s, &plain);
    for (uint64_t number = 20; number < 22; number++) {
        stage_run(&s);
        assert_int_equal(theater_host_actor(s.host, asker, &info, NULL), THEATER_OK);
        assert_int_equal(info.state, THEATER_ACTOR_WAITING);
        const theater_token open = {asker, info.wait_seq};
        const theater_value answer = theater_value_u64(number);
        assert_int_equal(theater_host_complete(s.host, open, &answer, NULL, NULL), THEATER_OK);
    }
    stage_run(&s);
    assert_int_equal(s.parked_count, 0);
    assert_string_equal(stage_find(&s, asker)->result, "41");
    stage_audit(&s, asker, "desk.wat");
    stage_close(&s);
}

/* A sleeper of a missing handler: it is found out when it comes due, and others are not kept. */
static void open__a_sleeper_without_its_handler_is_parked(void **state)
{
    (void)state;
    const stage_options without = {.without_desk = true};
    stage s;
    stage_open(&s, &plain);
    theater_id old = stage_spawn(&s, stage_load(&s, "clock.wat"), "naps", "[2, 100]");
    stage_until(&s, old, THEATER_ACTOR_ASLEEP);
    stage_reopen(&s, &without);
    theater_id new = stage_spawn(&s, stage_load(&s, "clock.wat"), "sleep", "[500]");
    stage_run(&s);
    assert_int_equal(s.parked_count, 1);
    assert_true(same_id(s.parked[0], old));
    assert_string_equal(stage_find(&s, new)->result, "{\"ok\":500}");
    stage_reopen(&s, &plain);
    stage_run(&s);
    assert_int_equal(s.parked_count, 0);
    assert_non_null(strstr(stage_find(&s, old)->result, "\"ok\":"));
    stage_audit(&s, old, "clock.wat");
    stage_close(&s);
}

/* ---- results and lines ----------------------------------------------------------------------- */

static void on_finished__is_repeated_until_acknowledged(void **state)
{
    (void)state;
    const stage_options keeps = {.keeps_results = true};
    stage s;
    stage_open(&s, &keeps);
    theater_id returned = stage_spawn(&s, stage_load(&s, "clock.wat"), "sleep", "[10]");
    theater_id cancelled =
        stage_spawn(&s, stage_load(&s, "clock.wat"), "sleep", "[18446744073709551615]");
    stage_until(&s, cancelled, THEATER_ACTOR_ASLEEP);
    assert_int_equal(theater_host_cancel(s.host, cancelled, NULL, NULL), THEATER_OK);
    stage_run(&s);
    theater_head head = stage_find(&s, returned)->head;
    for (int round = 0; round < 2; round++) {
        stage_reopen(&s, round == 0 ? &keeps : &plain);
        stage_run(&s);
        assert_int_equal(s.ends_count, 2);
        assert_string_equal(stage_find(&s, returned)->result, "{\"ok\":10}");
        assert_memory_equal(&stage_find(&s, returned)->head, &head, sizeof(head));
        assert_int_equal(stage_find(&s, cancelled)->reason, THEATER_END_CANCELLED);
    }
    stage_audit(&s, returned, "clock.wat");
    stage_audit(&s, cancelled, "clock.wat");
    stage_reopen(&s, &plain);
    stage_run(&s);
    assert_int_equal(s.ends_count, 0);
    stage_close(&s);
}

static void expect_lines(const stage *s, theater_id id, const char *letters)
{
    size_t next = 0;
    uint64_t last_seq = 0;
    for (size_t i = 0; i < s->lines_count; i++) {
        if (same_id(s->lines[i].actor, id)) {
            assert_int_equal(s->lines[i].letter, letters[next]);
            assert_true(s->lines[i].seq > last_seq);
            last_seq = s->lines[i].seq;
            next++;
        }
    }
    assert_int_equal(next, strlen(letters));
}

static void log__each_line_once_and_in_order(void **state)
{
    (void)state;
    const stage_options cramped = {.live_max = 1};
    const stage_options *const kinds[] = {&plain, &cramped};
    for (size_t i = 0; i < 2; i++) {
        stage s;
        theater_id ids[3];
        stage_open(&s, kinds[i]);
        for (size_t j = 0; j < 3; j++) {
            ids[j] = stage_spawn(&s, stage_load(&s, "clock.wat"), "talk", "[8, 10]");
        }
        stage_run(&s);
        for (size_t j = 0; j < 3; j++) {
            expect_lines(&s, ids[j], "abcdefgh");
            assert_int_equal(stage_count(&s, ids[j], THEATER_KIND_POST), 8);
            stage_audit(&s, ids[j], "clock.wat");
        }
        assert_int_equal(s.lines_count, 24); /* the audit said nothing */
        stage_close(&s);
    }
}

/* A host that ends between the lines: the next one goes on with the next letter. */
static void log__goes_on_after_a_restart(void **state)
{
    (void)state;
    char letters[32] = {0};
    size_t count = 0;
    stage s;
    stage_open(&s, &plain);
    theater_id id = stage_spawn(&s, stage_load(&s, "clock.wat"), "talk", "[6, 100]");
    for (int round = 0; round < 3; round++) {
        while (s.lines_count < 2) {
            assert_int_equal(theater_host_dispatch(s.host, NULL, NULL), THEATER_OK);
        }
        for (size_t i = 0; i < s.lines_count; i++) {
            letters[count++] = s.lines[i].letter;
        }
        if (round < 2) {
            stage_reopen(&s, &plain);
        }
    }
    size_t seen = s.lines_count;
    stage_run(&s);
    for (size_t i = seen; i < s.lines_count; i++) {
        letters[count++] = s.lines[i].letter;
    }
    /* A line whose delivery was not noted yet may come again; none is lost, none out of order. */
    char expected = 'a';
    for (size_t i = 0; i < count; i++) {
        assert_true(letters[i] == expected || letters[i] == expected - 1);
        expected = (char)(letters[i] + 1);
    }
    assert_int_equal(expected, 'g');
    stage_audit(&s, id, "clock.wat");
    stage_close(&s);
}

/* ---- the same again -------------------------------------------------------------------------- */

typedef struct bytes {
    uint8_t data[1 << 16];
    size_t size;
} bytes;

static int append(const void *data, size_t size, void *userdata)
{
    bytes *b = userdata;
    assert_true(b->size + size <= sizeof(b->data));
    memcpy(b->data + b->size, data, size);
    b->size += size;
    return 0;
}

static theater_id run_with_seed(uint64_t seed, bytes *out_bytes)
{
    const stage_options options = {.seed = seed, .live_max = 1};
    stage s;
    stage_open(&s, &options);
    theater_actor_component *component = stage_load(&s, "clock.wat");
    theater_id first = stage_spawn(&s, component, "talk", "[5, 7]");
    theater_id second = stage_spawn(&s, component, "naps", "[9, 5]");
    stage_run(&s);
    out_bytes->size = 0;
    const theater_id ids[] = {first, second};
    for (size_t i = 0; i < 2; i++) {
        stage_audit(&s, ids[i], "clock.wat");
        theater_chain *chain = stage_chain(&s, ids[i]);
        assert_int_equal(theater_chain_export(chain, THEATER_CHAIN_BINARY, append, out_bytes, NULL),
                         THEATER_OK);
        theater_chain_free(chain);
    }
    stage_close(&s);
    return first;
}

static void seed__equal_runs_are_equal_byte_for_byte(void **state)
{
    (void)state;
    static bytes a;
    static bytes b;
    theater_id first = run_with_seed(7, &a);
    theater_id again = run_with_seed(7, &b);
    assert_true(same_id(first, again));
    assert_true(a.size > 500);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    theater_id other = run_with_seed(8, &b);
    assert_false(same_id(first, other));
}

static void hosts__two_in_one_process_do_not_meet(void **state)
{
    (void)state;
    const stage_options strict = {.max_sleep = 50, .min_sleep = 20};
    stage a;
    stage b;
    stage_open(&a, &plain);
    stage_open(&b, &strict);
    theater_id in_a = stage_spawn(&a, stage_load(&a, "clock.wat"), "naps", "[3, 100]");
    theater_id in_b = stage_spawn(&b, stage_load(&b, "clock.wat"), "naps", "[2, 30]");
    /* Turn and turn about, each with its own time. */
    while (a.ends_count == 0 || b.ends_count == 0) {
        assert_int_equal(theater_host_dispatch(a.host, NULL, NULL), THEATER_OK);
        assert_int_equal(theater_host_dispatch(b.host, NULL, NULL), THEATER_OK);
    }
    assert_string_equal(stage_find(&a, in_a)->result, "{\"ok\":300}");
    assert_string_equal(stage_find(&b, in_b)->result, "{\"ok\":60}");
    stage_audit(&a, in_a, "clock.wat");
    stage_audit(&b, in_b, "clock.wat");
    stage_close(&a);
    stage_call(&b, "clock.wat", "sleep", "[25]");
    stage_close(&b);
}

/* The same code over the other store, with eviction. */
static void memory__is_no_other_world(void **state)
{
    (void)state;
    const stage_options options = {.in_memory = true, .live_max = 1};
    stage s;
    stage_open(&s, &options);
    assert_string_equal(theater_host_level(s.host), "memory");
    theater_actor_component *component = stage_load(&s, "clock.wat");
    theater_id talker = stage_spawn(&s, component, "talk", "[8, 10]");
    theater_id napper = stage_spawn(&s, component, "naps", "[30, 100]");
    theater_id asker = stage_spawn(&s, component, "ask", "[10001]");
    theater_id cancelled = stage_spawn(&s, component, "sleep", "[18446744073709551615]");
    stage_until(&s, cancelled, THEATER_ACTOR_ASLEEP);
    assert_int_equal(theater_host_cancel(s.host, cancelled, NULL, NULL), THEATER_OK);
    stage_run(&s);
    expect_lines(&s, talker, "abcdefgh");
    assert_string_equal(stage_find(&s, talker)->result, "{\"ok\":80}");
    assert_string_equal(stage_find(&s, napper)->result, "{\"ok\":3000}");
    assert_int_equal(stage_find(&s, asker)->reason, THEATER_END_LIMIT);
    assert_int_equal(stage_find(&s, cancelled)->reason, THEATER_END_CANCELLED);
    stage_close(&s);
}

/* A stop is for one run; what was asleep goes on in the next. */
static void stop__ends_one_run(void **state)
{
    (void)state;
    stage s;
    theater_error err = THEATER_ERROR_INIT;
    stage_open(&s, &plain);
    theater_id id = stage_spawn(&s, stage_load(&s, "clock.wat"), "naps", "[30, 100]");
    theater_host_stop(s.host);
    assert_int_equal(theater_host_run(s.host, &err), THEATER_ERR_CANCELLED);
    assert_int_equal(s.ends_count, 0);
    stage_run(&s);
    assert_string_equal(stage_find(&s, id)->result, "{\"ok\":3000}");
    stage_close(&s);
}

static void release_counts(void *self)
{
    (*(unsigned *)self)++;
}

static theater_status setup_nothing(void *self, theater_actor_component *component,
                                    theater_error *err)
{
    (void)self;
    (void)component;
    (void)err;
    return THEATER_OK;
}

static void host__what_comes_too_early_or_late_is_refused(void **state)
{
    (void)state;
    theater_host *host = NULL;
    theater_error err = THEATER_ERROR_INIT;
    unsigned released = 0;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    options.compiler_path = COMPILER;
    options.struct_size--;
    assert_int_equal(theater_host_new(&options, &host, &err), THEATER_ERR_INVALID);
    options.struct_size++;
    assert_int_equal(theater_host_new(&options, &host, &err), THEATER_OK);
    assert_int_equal(theater_host_run(host, &err), THEATER_ERR_INVALID);
    assert_int_equal(theater_host_dispatch(host, NULL, &err), THEATER_ERR_INVALID);
    assert_int_equal(theater_host_active(host), 0);
    theater_handler handler = THEATER_HANDLER_INIT;
    handler.name = "counted";
    handler.self = &released;
    handler.release = release_counts;
    assert_int_equal(theater_host_add_handler(host, &handler, &err), THEATER_ERR_INVALID);
    assert_int_equal(released, 1); /* the host's to call, also if this fails */
    handler.setup = setup_nothing;
    assert_int_equal(theater_host_add_handler(host, &handler, &err), THEATER_OK);
    assert_int_equal(theater_host_add_handler(host, &handler, &err), THEATER_ERR_EXISTS);
    assert_int_equal(released, 2);
    assert_int_equal(theater_host_open(host, &err), THEATER_OK);
    assert_int_equal(theater_host_open(host, &err), THEATER_ERR_EXISTS);
    handler.name = "late";
    assert_int_equal(theater_host_add_handler(host, &handler, &err), THEATER_ERR_INVALID);
    assert_int_equal(theater_host_run(host, &err), THEATER_OK);
    assert_int_equal(released, 3);
    theater_host_free(host);
    assert_int_equal(released, 4);
}

static void open__a_store_that_another_host_holds_is_refused(void **state)
{
    (void)state;
    stage s;
    char url[sizeof(s.directory) + 8];
    stage_open(&s, &plain);
    (void)snprintf(url, sizeof(url), "log:%s", s.directory);
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    theater_host *second = NULL;
    options.store_url = url;
    options.compiler_path = COMPILER;
    assert_int_equal(theater_host_new(&options, &second, NULL), THEATER_OK);
    assert_int_equal(theater_host_open(second, NULL), THEATER_ERR_STORE);
    theater_host_free(second);
    stage_close(&s);
}

/* ---- re-execution ---------------------------------------------------------------------------- */

/* The guest with another number in it: the same imports, another sleep. */
static char *changed_guest(const char *guest, const char *from, const char *to, size_t *out_size)
{
    char *text = stage_read_guest(guest, out_size);
    char *at = strstr(text, from);
    assert_non_null(at);
    assert_int_equal(strlen(from), strlen(to));
    memcpy(at, to, strlen(to));
    return text;
}

static void replay__of_a_changed_component_names_where_they_part(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, &plain);
    theater_id id = stage_spawn(&s, stage_load(&s, "init.wat"), NULL, NULL);
    stage_run(&s);
    stage_audit(&s, id, "init.wat");
    size_t size = 0;
    char *text = changed_guest("init.wat", "(i64.const 10)", "(i64.const 99)", &size);
    theater_chain *chain = stage_chain(&s, id);
    theater_replay_report report;
    assert_int_equal(theater_chain_replay(s.host, chain, text, size, &report, NULL), THEATER_OK);
    assert_false(report.is_clean);
    assert_int_equal(report.seq, 2);
    assert_string_equal(report.expected, "ntwk:theater/timing.sleep(10)");
    assert_string_equal(report.actual, "ntwk:theater/timing.sleep(99)");
    assert_string_equal(report.message,
                        "diverged at event 2: expected ntwk:theater/timing.sleep(10), actual "
                        "ntwk:theater/timing.sleep(99)");
    free(text);
    /* The same requests, another result. */
    text = changed_guest("init.wat", "(i32.const 6)", "(i32.const 5)", &size);
    assert_int_equal(theater_chain_replay(s.host, chain, text, size, &report, NULL), THEATER_OK);
    assert_false(report.is_clean);
    assert_string_equal(report.expected, "return");
    assert_int_equal(report.seq, 4);
    free(text);
    theater_chain_free(chain);
    stage_close(&s);
}

/* In real time, through the descriptor: the one path that virtual time does not take. */
static void clock__a_real_sleep_is_never_early(void **state)
{
    (void)state;
    const stage_options real = {.real_clock = true, .max_sleep = 60000, .min_sleep = 5};
    stage s;
    stage_open(&s, &real);
    const char *result = stage_call(&s, "clock.wat", "naps", "[3, 20]");
    unsigned long long took = 0;
    assert_int_equal(sscanf(result, "{\"ok\":%llu}", &took), 1);
    assert_true(took >= 60);
    assert_true(took < 10000);
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(genesis__keeps_the_bounds_of_an_actor),
        cmocka_unit_test(spawn__of_an_id_that_is_there),
        cmocka_unit_test(open__an_actor_without_its_handler_is_parked),
        cmocka_unit_test(open__a_sleeper_without_its_handler_is_parked),
        cmocka_unit_test(on_finished__is_repeated_until_acknowledged),
        cmocka_unit_test(log__each_line_once_and_in_order),
        cmocka_unit_test(log__goes_on_after_a_restart),
        cmocka_unit_test(seed__equal_runs_are_equal_byte_for_byte),
        cmocka_unit_test(hosts__two_in_one_process_do_not_meet),
        cmocka_unit_test(memory__is_no_other_world),
        cmocka_unit_test(stop__ends_one_run),
        cmocka_unit_test(host__what_comes_too_early_or_late_is_refused),
        cmocka_unit_test(open__a_store_that_another_host_holds_is_refused),
        cmocka_unit_test(replay__of_a_changed_component_names_where_they_part),
        cmocka_unit_test(clock__a_real_sleep_is_never_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
