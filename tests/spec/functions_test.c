/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handler interface: the four kinds of functions, live, after a restart and when they are
 * executed again, and what becomes of a handler that breaks its contract.
 */
#include "stage.h"

typedef enum behaviour {
    BEHAVES = 0,
    FAILS = 1,         /* returns an error of the host's own */
    DECIDES_TWICE = 2, /* returns two results */
    WAITS_UNASKED = 3, /* waits in a function that is no WAIT */
    WRONG_TYPE = 4,    /* returns a string for a number */
    NO_RESULT = 5,     /* returns nothing */
    LATER = 6          /* an EFFECT that is completed by its token */
} behaviour;

/* A handler of one function a kind. Each adds 1. */
typedef struct kinds {
    behaviour behaviour;
    bool start_fails;
    unsigned pure_count;
    unsigned recorded_count;
    unsigned effect_count;
    unsigned post_count;
    unsigned wait_count;
    unsigned start_count;
    uint64_t bonus; /* of the config, as the actor's genesis has it */
    uint64_t posted;
    theater_token token; /* of the last effect or wait */
    theater_wall wall;
} kinds;

static theater_status answer(kinds *k, theater_call *call, theater_values args, theater_error *err)
{
    theater_value number = theater_value_u64(args.data[0].of.u64 + 1);
    const theater_value text = theater_value_text("one", 3);
    switch (k->behaviour) {
    case FAILS:
        if (err != NULL) {
            err->status = THEATER_ERR_NOMEM;
            memcpy(err->message, "the desk is on fire", sizeof("the desk is on fire"));
        }
        return THEATER_ERR_NOMEM;
    case DECIDES_TWICE:
        (void)theater_call_return(call, &number, NULL);
        (void)theater_call_return(call, &number, NULL);
        return THEATER_OK;
    case WAITS_UNASKED:
        theater_call_wait_token(call);
        return THEATER_OK;
    case WRONG_TYPE:
        return theater_call_return(call, &text, err);
    case NO_RESULT:
    case LATER:
        return THEATER_OK;
    case BEHAVES:
        break;
    }
    return theater_call_return(call, &number, err);
}

static theater_status on_pure(theater_call *call, theater_values args, void *userdata,
                              theater_error *err)
{
    kinds *k = userdata;
    k->pure_count++;
    return answer(k, call, args, err);
}

static theater_status on_recorded(theater_call *call, theater_values args, void *userdata,
                                  theater_error *err)
{
    kinds *k = userdata;
    k->recorded_count++;
    k->bonus = theater_call_config_u64(call, "bonus", 1000);
    assert_true(theater_call_config_u64(call, "malus", 1000) == 1000);
    return answer(k, call, args, err);
}

static theater_status on_effect(theater_call *call, theater_values args, void *userdata,
                                theater_error *err)
{
    kinds *k = userdata;
    k->effect_count++;
    k->token = theater_call_token(call);
    k->wall = theater_call_now(call);
    return answer(k, call, args, err);
}

static theater_status on_post(theater_call *call, theater_values args, void *userdata,
                              theater_error *err)
{
    kinds *k = userdata;
    (void)call;
    (void)err;
    k->post_count++;
    k->posted = args.data[0].of.u64;
    return THEATER_OK;
}

static theater_status on_wait(theater_call *call, theater_values args, void *userdata,
                              theater_error *err)
{
    kinds *k = userdata;
    (void)args;
    (void)err;
    k->wait_count++;
    k->token = theater_call_token(call);
    theater_call_wait_for(call, 50);
    return THEATER_OK;
}

/* When nobody answered, the answer is 7. */
static theater_status on_wait_end(theater_call *call, const theater_wait_end *end, void *userdata,
                                  theater_error *err)
{
    const theater_value seven = theater_value_u64(7);
    (void)userdata;
    return theater_call_return(call, end->value != NULL ? end->value : &seven, err);
}

static theater_status setup(void *self, theater_actor_component *component, theater_error *err)
{
    const struct {
        const char *name;
        theater_function_kind kind;
        theater_function_fn *call;
        theater_finish_fn *finish;
    } rows[] = {
        {"pure", THEATER_FUNCTION_PURE, on_pure, NULL},
        {"recorded", THEATER_FUNCTION_RECORDED, on_recorded, NULL},
        {"effect", THEATER_FUNCTION_EFFECT, on_effect, NULL},
        {"post", THEATER_FUNCTION_EFFECT, on_post, NULL},
        {"wait", THEATER_FUNCTION_WAIT, on_wait, on_wait_end},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        theater_function function = THEATER_FUNCTION_INIT;
        function.interface = "acme:kinds/all";
        function.name = rows[i].name;
        function.kind = rows[i].kind;
        function.call = rows[i].call;
        function.finish = rows[i].finish;
        function.userdata = self;
        theater_status status = theater_actor_component_add_function(component, &function, err);
        if (status != THEATER_OK) {
            return status;
        }
    }
    return THEATER_OK;
}

static theater_status start(void *self, theater_actor_handle actor,
                            theater_shutdown_receiver *shutdown, theater_error *err)
{
    kinds *k = self;
    assert_non_null(actor.host);
    assert_non_null(shutdown);
    k->start_count++;
    if (k->start_fails) {
        if (err != NULL) {
            err->status = THEATER_ERR_IO;
            memcpy(err->message, "not now", sizeof("not now"));
        }
        return THEATER_ERR_IO;
    }
    return THEATER_OK;
}

static theater_handler handler_of(kinds *k, uint64_t bonus)
{
    static theater_value number;
    static theater_value record;
    theater_handler handler = THEATER_HANDLER_INIT;
    number = theater_value_u64(bonus);
    number.name.data = "bonus";
    number.name.size = 5;
    record = theater_value_of_kind(THEATER_VALUE_RECORD);
    record.of.items.data = &number;
    record.of.items.count = 1;
    handler.name = "kinds";
    handler.self = k;
    handler.setup = setup;
    handler.start = start;
    handler.config = &record;
    handler.config_count = 1;
    return handler;
}

static void open_with(stage *s, kinds *k, uint64_t bonus)
{
    const theater_handler handler = handler_of(k, bonus);
    const stage_options options = {.handler = &handler};
    memset(k, 0, sizeof(*k));
    stage_open(s, &options);
}

static void reopen_with(stage *s, kinds *k, uint64_t bonus)
{
    const theater_handler handler = handler_of(k, bonus);
    const stage_options options = {.handler = &handler};
    stage_reopen(s, &options);
}

static const char *call(stage *s, const char *export_name)
{
    return stage_call(s, "functions.wat", export_name, "[1]");
}

/* ---- the kinds ------------------------------------------------------------------------------- */

static void pure__leaves_no_trace_and_runs_again(void **state)
{
    (void)state;
    stage s;
    kinds k;
    open_with(&s, &k, 0);
    assert_string_equal(call(&s, "pure"), "2");
    assert_int_equal(stage_occurrences(&s, s.ends[0].id, "acme:kinds"), 0);
    assert_int_equal(k.pure_count, 2); /* live, and in the audit */
    stage_close(&s);
}

static void recorded__is_asked_once(void **state)
{
    (void)state;
    stage s;
    kinds k;
    open_with(&s, &k, 0);
    assert_string_equal(call(&s, "recorded"), "2");
    assert_int_equal(stage_occurrences(&s, s.ends[0].id, "acme:kinds/all.recorded"), 1);
    assert_int_equal(k.recorded_count, 1);
    stage_close(&s);
}

static void post__is_given_out_once(void **state)
{
    (void)state;
    stage s;
    kinds k;
    open_with(&s, &k, 0);
    assert_string_equal(call(&s, "post"), "0");
    assert_int_equal(stage_count(&s, s.ends[0].id, THEATER_KIND_POST), 1);
    assert_int_equal(k.post_count, 1);
    assert_int_equal(k.posted, 1);
    reopen_with(&s, &k, 0);
    stage_run(&s);
    assert_int_equal(k.post_count, 1);
    stage_close(&s);
}

static void effect__runs_when_its_request_is_durable(void **state)
{
    (void)state;
    stage s;
    kinds k;
    open_with(&s, &k, 0);
    assert_string_equal(call(&s, "effect"), "2");
    assert_int_equal(stage_count(&s, s.ends[0].id, THEATER_KIND_EFFECT), 1);
    assert_int_equal(k.effect_count, 1);
    assert_int_equal(k.token.seq, 2);
    assert_int_equal(k.wall.ms, STAGE_START_MS);
    stage_close(&s);
}

static void complete(stage *s, theater_token token, uint64_t number)
{
    theater_error err = THEATER_ERROR_INIT;
    const theater_value value = theater_value_u64(number);
    if (theater_host_complete(s->host, token, &value, "test", &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
}

static void until_effect(stage *s, const kinds *k, unsigned count)
{
    while (k->effect_count < count) {
        assert_int_equal(theater_host_dispatch(s->host, NULL, NULL), THEATER_OK);
    }
}

/* At least once, each time with the same token; completed once. */
static void effect__is_begun_again_after_a_restart(void **state)
{
    (void)state;
    stage s;
    kinds k;
    open_with(&s, &k, 0);
    k.behaviour = LATER;
    theater_id id = stage_spawn(&s, stage_load(&s, "functions.wat"), "effect", "[1]");
    until_effect(&s, &k, 1);
    theater_token first = k.token;
    theater_actor_info info;
    assert_int_equal(theater_host_actor(s.host, id, &info, NULL), THEATER_OK);
    assert_int_equal(info.wait_seq, first.seq);
    reopen_with(&s, &k, 0);
    until_effect(&s, &k, 2);
    assert_memory_equal(&first, &k.token, sizeof(first));
    complete(&s, k.token, 30);
    stage_run(&s);
    assert_string_equal(stage_find(&s, id)->result, "30");
    assert_int_equal(stage_count(&s, id, THEATER_KIND_COMPLETION), 1);
    stage_audit(&s, id, "functions.wat");
    assert_int_equal(k.effect_count, 2);
    stage_close(&s);
}

static void wait__ends_by_time_or_by_completion(void **state)
{
    (void)state;
    stage s;
    kinds k;
    open_with(&s, &k, 0);
    assert_string_equal(call(&s, "wait"), "7");
    theater_id id = stage_spawn(&s, stage_load(&s, "functions.wat"), "wait", "[1]");
    stage_until(&s, id, THEATER_ACTOR_ASLEEP);
    complete(&s, k.token, 8);
    stage_run(&s);
    assert_string_equal(stage_find(&s, id)->result, "8");
    stage_audit(&s, id, "functions.wat");
    assert_int_equal(k.wait_count, 2);
    stage_close(&s);
}

static void all__in_one_call(void **state)
{
    (void)state;
    stage s;
    kinds k;
    open_with(&s, &k, 0);
    assert_string_equal(call(&s, "all"), "7");
    assert_int_equal(k.recorded_count + k.effect_count + k.post_count + k.wait_count, 4);
    assert_int_equal(stage_occurrences(&s, s.ends[0].id, "\"args\":[3]"), 1); /* the effect's */
    stage_close(&s);
}

static void config__is_the_one_in_genesis(void **state)
{
    (void)state;
    stage s;
    kinds k;
    open_with(&s, &k, 5);
    k.behaviour = FAILS; /* spawned with a bonus of 5, and set aside */
    theater_id id = stage_spawn(&s, stage_load(&s, "functions.wat"), "recorded", "[1]");
    stage_run(&s);
    assert_int_equal(k.bonus, 5);
    k.behaviour = BEHAVES;
    k.bonus = 0;
    reopen_with(&s, &k, 6);
    stage_run(&s);
    assert_string_equal(stage_find(&s, id)->result, "2");
    assert_int_equal(k.bonus, 5);
    assert_string_equal(call(&s, "recorded"), "2");
    assert_int_equal(k.bonus, 6);
    stage_close(&s);
}

/* ---- broken contracts ------------------------------------------------------------------------ */

/* The actor is set aside with nothing recorded, its neighbour goes on; later it is tried again. */
static void expect_parked(const char *export_name, behaviour b, const char *reason)
{
    stage s;
    kinds k;
    open_with(&s, &k, 0);
    k.behaviour = b;
    theater_id id = stage_spawn(&s, stage_load(&s, "functions.wat"), export_name, "[1]");
    theater_id other = stage_spawn(&s, stage_load(&s, "clock.wat"), "sleep", "[10]");
    stage_run(&s);
    assert_string_equal(stage_find(&s, other)->result, "{\"ok\":10}");
    assert_int_equal(s.parked_count, 1);
    if (strstr(s.parked_reason, reason) == NULL) {
        fail_msg("%s of behaviour %d: parked with '%s'", export_name, (int)b, s.parked_reason);
    }
    assert_int_equal(stage_count(&s, id, THEATER_KIND_ANSWER), 0);
    assert_int_equal(stage_count(&s, id, THEATER_KIND_END), 0);
    k.behaviour = BEHAVES;
    assert_int_equal(theater_host_resume(s.host, id, NULL), THEATER_OK);
    stage_run(&s);
    assert_string_equal(stage_find(&s, id)->result, "2");
    stage_audit(&s, id, "functions.wat");
    stage_close(&s);
}

static void recorded__a_broken_handler_parks_its_actor(void **state)
{
    (void)state;
    expect_parked("recorded", FAILS, "the desk is on fire");
    expect_parked("recorded", DECIDES_TWICE, "broke its contract");
    expect_parked("recorded", WAITS_UNASKED, "broke its contract");
    expect_parked("recorded", WRONG_TYPE, "not of its type");
    expect_parked("recorded", NO_RESULT, "not of its type");
}

static void pure__a_broken_handler_parks_its_actor(void **state)
{
    (void)state;
    expect_parked("pure", FAILS, "the desk is on fire");
    expect_parked("pure", WRONG_TYPE, "not of its type");
    expect_parked("pure", NO_RESULT, "not of its type");
}

static void effect__a_broken_handler_parks_its_actor(void **state)
{
    (void)state;
    expect_parked("effect", FAILS, "the desk is on fire");
    expect_parked("effect", DECIDES_TWICE, "broke its contract");
    expect_parked("effect", WAITS_UNASKED, "broke its contract");
    expect_parked("effect", WRONG_TYPE, "acme:kinds/all.effect: ");
}

static void start__a_failure_parks_and_is_tried_again(void **state)
{
    (void)state;
    stage s;
    kinds k;
    open_with(&s, &k, 0);
    theater_id id = stage_spawn(&s, stage_load(&s, "functions.wat"), "wait", "[1]");
    stage_until(&s, id, THEATER_ACTOR_ASLEEP);
    assert_int_equal(k.start_count, 1);
    k.start_fails = true;
    reopen_with(&s, &k, 0);
    stage_run(&s);
    assert_int_equal(s.parked_count, 1);
    assert_string_equal(s.parked_reason, "not now");
    k.start_fails = false;
    assert_int_equal(theater_host_resume(s.host, id, NULL), THEATER_OK);
    stage_run(&s);
    assert_int_equal(k.start_count, 3);
    assert_string_equal(stage_find(&s, id)->result, "7");
    stage_audit(&s, id, "functions.wat");
    stage_close(&s);
}

static void start__a_failure_refuses_the_spawn(void **state)
{
    (void)state;
    stage s;
    kinds k;
    theater_error err = THEATER_ERROR_INIT;
    theater_spawn_options options = THEATER_SPAWN_OPTIONS_INIT;
    open_with(&s, &k, 0);
    k.start_fails = true;
    options.export_name = "pure";
    options.args_json = "[1]";
    assert_int_equal(
        theater_host_spawn(s.host, stage_load(&s, "functions.wat"), &options, NULL, &err),
        THEATER_ERR_IO);
    assert_string_equal(err.message, "not now");
    k.start_fails = false;
    assert_string_equal(call(&s, "pure"), "2");
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pure__leaves_no_trace_and_runs_again),
        cmocka_unit_test(recorded__is_asked_once),
        cmocka_unit_test(post__is_given_out_once),
        cmocka_unit_test(effect__runs_when_its_request_is_durable),
        cmocka_unit_test(effect__is_begun_again_after_a_restart),
        cmocka_unit_test(wait__ends_by_time_or_by_completion),
        cmocka_unit_test(all__in_one_call),
        cmocka_unit_test(config__is_the_one_in_genesis),
        cmocka_unit_test(recorded__a_broken_handler_parks_its_actor),
        cmocka_unit_test(pure__a_broken_handler_parks_its_actor),
        cmocka_unit_test(effect__a_broken_handler_parks_its_actor),
        cmocka_unit_test(start__a_failure_parks_and_is_tried_again),
        cmocka_unit_test(start__a_failure_refuses_the_spawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
