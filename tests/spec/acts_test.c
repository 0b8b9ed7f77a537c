/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done to an actor while it waits: cancelled, woken, told of a shutdown, completed, ended.
 * Each is recorded with who did it, also if the actor is not in memory, and replays clean.
 */
#include "stage.h"

#include <poll.h>

static const stage_options plain = {0};
static const stage_options cramped = {.live_max = 1};

static void open_with_sleeper(stage *s, const stage_options *options, theater_id *out_id)
{
    stage_open(s, options);
    *out_id = stage_spawn(s, stage_load(s, "clock.wat"), "sleep", "[18446744073709551615]");
    stage_until(s, *out_id, THEATER_ACTOR_ASLEEP);
}

static void cancel_wait__tells_the_guest(void **state)
{
    (void)state;
    stage s;
    theater_id id;
    open_with_sleeper(&s, &plain, &id);
    assert_int_equal(theater_host_cancel_wait(s.host, id, "test", NULL), THEATER_OK);
    assert_int_equal(theater_host_wake(s.host, id, "late", NULL), THEATER_ERR_NOTFOUND);
    stage_run(&s);
    assert_string_equal(stage_find(&s, id)->result,
                        "{\"err\":\"Actor error: Operation channel closed\"}");
    assert_int_equal(stage_occurrences(&s, id, "\"outcome\":\"cancelled\""), 1);
    assert_int_equal(stage_occurrences(&s, id, "\"by\":\"test\""), 1);
    assert_int_equal(stage_occurrences(&s, id, "late\""), 0);
    stage_audit(&s, id, "clock.wat");
    stage_close(&s);
}

static void wake__is_ok_and_records_who(void **state)
{
    (void)state;
    stage s;
    theater_id id;
    open_with_sleeper(&s, &plain, &id);
    assert_int_equal(theater_host_wake(s.host, id, "the operator", NULL), THEATER_OK);
    stage_run(&s);
    assert_string_equal(stage_find(&s, id)->result, "{\"ok\":0}");
    assert_int_equal(stage_occurrences(&s, id, "\"outcome\":\"woken\""), 1);
    assert_int_equal(stage_occurrences(&s, id, "\"by\":\"the operator\""), 1);
    stage_audit(&s, id, "clock.wat");
    stage_close(&s);
}

static void tell_shutdown__tells_every_sleeper(void **state)
{
    (void)state;
    stage s;
    theater_id first;
    open_with_sleeper(&s, &plain, &first);
    theater_actor_component *component = stage_load(&s, "clock.wat");
    theater_id second = stage_spawn(&s, component, "until", "[18446744073709551615]");
    theater_id done = stage_spawn(&s, component, "sleep", "[0]");
    stage_until(&s, second, THEATER_ACTOR_ASLEEP);
    stage_until(&s, done, THEATER_ACTOR_ENDED);
    assert_int_equal(theater_host_tell_shutdown(s.host, NULL), THEATER_OK);
    assert_int_equal(theater_host_tell_shutdown(s.host, NULL), THEATER_OK);
    stage_run(&s);
    const char *expected = "{\"err\":\"Actor error: Actor is shutting down\"}";
    assert_string_equal(stage_find(&s, first)->result, expected);
    assert_string_equal(stage_find(&s, second)->result, expected);
    assert_string_equal(stage_find(&s, done)->result, "{\"ok\":0}");
    stage_audit(&s, first, "clock.wat");
    stage_audit(&s, second, "clock.wat");
    stage_close(&s);
}

static void cancel__ends_the_actor_with_an_event(void **state)
{
    (void)state;
    stage s;
    theater_id id;
    open_with_sleeper(&s, &plain, &id);
    assert_int_equal(theater_host_cancel(s.host, id, "the operator", NULL), THEATER_OK);
    stage_run(&s);
    const stage_end *end = stage_find(&s, id);
    assert_int_equal(end->reason, THEATER_END_CANCELLED);
    assert_string_equal(end->text, "ended by the operator");
    assert_string_equal(end->result, "");
    assert_int_equal(stage_count(&s, id, THEATER_KIND_TERMINATE), 1);
    assert_int_equal(stage_count(&s, id, THEATER_KIND_END), 1);
    assert_int_equal(stage_count(&s, id, THEATER_KIND_RETURN), 0);
    stage_audit(&s, id, "clock.wat");
    assert_int_equal(theater_host_cancel(s.host, id, NULL, NULL), THEATER_ERR_NOTFOUND);
    assert_int_equal(theater_host_wake(s.host, id, NULL, NULL), THEATER_ERR_NOTFOUND);
    stage_close(&s);
}

/* Before the first instruction of its guest. */
static void cancel__of_an_actor_that_has_not_begun(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, &plain);
    theater_id id = stage_spawn(&s, stage_load(&s, "clock.wat"), "sleep", "[10]");
    assert_int_equal(theater_host_cancel(s.host, id, NULL, NULL), THEATER_OK);
    stage_run(&s);
    assert_int_equal(stage_find(&s, id)->reason, THEATER_END_CANCELLED);
    stage_audit(&s, id, "clock.wat");
    stage_close(&s);
}

/* Of sleepers with one place in memory, all but one are evicted. */
static void cancel__and_its_kin_of_evicted_sleepers(void **state)
{
    (void)state;
    stage s;
    theater_id ids[5];
    theater_host_stats stats = {.struct_size = sizeof(stats)};
    stage_open(&s, &cramped);
    theater_actor_component *component = stage_load(&s, "clock.wat");
    for (size_t i = 0; i < 5; i++) {
        ids[i] = stage_spawn(&s, component, "sleep", "[18446744073709551615]");
    }
    for (size_t i = 0; i < 5; i++) {
        stage_until(&s, ids[i], THEATER_ACTOR_ASLEEP);
    }
    theater_host_stats_get(s.host, &stats);
    assert_true(stats.evictions >= 4);
    assert_true(stats.resident <= 1);
    assert_int_equal(theater_host_cancel(s.host, ids[0], "a", NULL), THEATER_OK);
    assert_int_equal(theater_host_cancel_wait(s.host, ids[1], "b", NULL), THEATER_OK);
    assert_int_equal(theater_host_wake(s.host, ids[2], "c", NULL), THEATER_OK);
    assert_int_equal(theater_host_cancel(s.host, ids[3], "d", NULL), THEATER_OK);
    assert_int_equal(theater_host_tell_shutdown(s.host, NULL), THEATER_OK);
    stage_run(&s);
    assert_int_equal(s.ends_count, 5);
    assert_string_equal(stage_find(&s, ids[0])->text, "ended by a");
    assert_string_equal(stage_find(&s, ids[1])->result,
                        "{\"err\":\"Actor error: Operation channel closed\"}");
    assert_string_equal(stage_find(&s, ids[2])->result, "{\"ok\":0}");
    assert_string_equal(stage_find(&s, ids[3])->text, "ended by d");
    assert_string_equal(stage_find(&s, ids[4])->result,
                        "{\"err\":\"Actor error: Actor is shutting down\"}");
    for (size_t i = 0; i < 5; i++) {
        stage_audit(&s, ids[i], "clock.wat");
    }
    stage_close(&s);
}

static void note_durable(theater_status status, void *userdata)
{
    *(bool *)userdata = status == THEATER_OK;
}

/* Sleepers, one of them evicted, that are ended when the alarm has rung for the first and no
 * iteration has seen it yet: only the machine's clock goes on while nobody looks. When all is
 * durable and there is nothing to do, nothing but the alarm can ring. */
static void cancel__of_one_that_has_just_come_due(void **state)
{
    (void)state;
    static const stage_options options = {.live_max = 1, .real_clock = true};
    stage s;
    bool more = true;
    bool is_durable = false;
    stage_open(&s, &options);
    theater_actor_component *component = stage_load(&s, "clock.wat");
    theater_id first = stage_spawn(&s, component, "sleep", "[1000]");
    theater_id second = stage_spawn(&s, component, "sleep", "[1020]");
    stage_until(&s, first, THEATER_ACTOR_ASLEEP);
    stage_until(&s, second, THEATER_ACTOR_ASLEEP);
    assert_int_equal(theater_host_on_durable(s.host, note_durable, &is_durable, NULL), THEATER_OK);
    struct pollfd alarm = {theater_host_fd(s.host), POLLIN, 0};
    while (theater_host_dispatch(s.host, &more, NULL) == THEATER_OK && (more || !is_durable)) {
        (void)poll(&alarm, 1, more ? 0 : 1000);
    }
    assert_int_equal(poll(&alarm, 1, -1), 1);
    assert_int_equal(theater_host_cancel(s.host, second, NULL, NULL), THEATER_OK);
    assert_int_equal(theater_host_cancel(s.host, first, NULL, NULL), THEATER_OK);
    stage_run(&s);
    assert_int_equal(stage_find(&s, first)->reason, THEATER_END_CANCELLED);
    assert_int_equal(stage_find(&s, second)->reason, THEATER_END_CANCELLED);
    stage_audit(&s, first, "clock.wat");
    stage_audit(&s, second, "clock.wat");
    stage_close(&s);
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static theater_token open_token(const stage *s, theater_id id)
{
    theater_actor_info info;
    assert_int_equal(theater_host_actor(s->host, id, &info, NULL), THEATER_OK);
    assert_int_equal(info.state, THEATER_ACTOR_WAITING);
    assert_true(info.wait_seq > 0);
    const theater_token token = {id, info.wait_seq};
    return token;
}

static theater_status complete(stage *s, theater_token token, uint64_t number)
{
    const theater_value value = theater_value_u64(number);
    return theater_host_complete(s->host, token, &value, "desk", NULL);
}

/* run() ends while the actor waits; what the program completes makes the host active again. */
static void complete__makes_the_host_active(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, &plain);
    theater_id id = stage_spawn(&s, stage_load(&s, "desk.wat"), "run", "[1]");
    stage_run(&s);
    assert_int_equal(theater_host_active(s.host), 0);
    theater_token first = open_token(&s, id);
    assert_int_equal(complete(&s, first, 40), THEATER_OK);
    assert_true(theater_host_active(s.host) > 0);
    assert_int_equal(complete(&s, first, 1), THEATER_ERR_NOTFOUND);
    stage_run(&s);
    assert_int_equal(theater_host_active(s.host), 0);
    theater_token second = open_token(&s, id);
    assert_true(second.seq > first.seq);
    assert_int_equal(complete(&s, first, 1), THEATER_ERR_NOTFOUND);
    assert_int_equal(complete(&s, second, 2), THEATER_OK);
    stage_run(&s);
    assert_string_equal(stage_find(&s, id)->result, "42");
    assert_int_equal(s.asked_count, 2);
    stage_audit(&s, id, "desk.wat");
    assert_int_equal(s.asked_count, 2); /* an audit asks nobody */
    stage_close(&s);
}

static void complete__finds_the_token_after_a_restart(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, &plain);
    theater_id id = stage_spawn(&s, stage_load(&s, "desk.wat"), "run", "[1]");
    stage_run(&s);
    theater_token before = open_token(&s, id);
    stage_reopen(&s, &plain);
    stage_run(&s);
    theater_token after = open_token(&s, id);
    assert_true(before.seq == after.seq);
    assert_int_equal(complete(&s, after, 40), THEATER_OK);
    stage_run(&s);
    assert_int_equal(s.asked_count, 1); /* the second question only */
    stage_reopen(&s, &plain);
    assert_int_equal(complete(&s, open_token(&s, id), 2), THEATER_OK);
    stage_run(&s);
    assert_string_equal(stage_find(&s, id)->result, "42");
    assert_int_equal(s.asked_count, 0);
    stage_audit(&s, id, "desk.wat");
    stage_close(&s);
}

/* A token of a question that was answered long ago, for an actor that is not in memory. */
static void complete__with_an_old_token_changes_nothing(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, &plain);
    theater_id id = stage_spawn(&s, stage_load(&s, "desk.wat"), "run", "[1]");
    stage_run(&s);
    theater_token first = open_token(&s, id);
    assert_int_equal(complete(&s, first, 40), THEATER_OK);
    stage_run(&s);
    stage_reopen(&s, &plain);
    assert_int_equal(complete(&s, first, 1), THEATER_ERR_NOTFOUND);
    assert_int_equal(complete(&s, open_token(&s, id), 2), THEATER_OK);
    stage_run(&s);
    assert_string_equal(stage_find(&s, id)->result, "42");
    stage_audit(&s, id, "desk.wat");
    stage_close(&s);
}

/* A value of another type is not recorded, and the right one can still be given. */
static void complete__with_a_wrong_value_leaves_the_wait_open(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, &plain);
    theater_id id = stage_spawn(&s, stage_load(&s, "desk.wat"), "run", "[1]");
    stage_run(&s);
    const theater_value text = theater_value_text("forty", 5);
    (void)theater_host_complete(s.host, open_token(&s, id), &text, "desk", NULL);
    stage_run(&s);
    assert_int_equal(stage_count(&s, id, THEATER_KIND_COMPLETION), 0);
    assert_int_equal(complete(&s, open_token(&s, id), 40), THEATER_OK);
    stage_run(&s);
    assert_int_equal(complete(&s, open_token(&s, id), 2), THEATER_OK);
    stage_run(&s);
    assert_string_equal(stage_find(&s, id)->result, "42");
    stage_audit(&s, id, "desk.wat");
    stage_close(&s);
}

typedef struct grudge {
    theater_host *host;
    theater_id id;
    unsigned count;
} grudge;

static void cancel_who_is_named(theater_log_level level, const char *line, void *userdata)
{
    grudge *g = userdata;
    if (level == THEATER_LOG_ERROR && strstr(line, "a wait was not ended") != NULL) {
        g->count++;
        assert_int_equal(theater_host_cancel(g->host, g->id, "the log", NULL), THEATER_OK);
    }
}

/* Whoever reads in the log that a value was of no use may end the actor there and then. */
static void complete__with_a_wrong_value_and_cancelled_for_it(void **state)
{
    (void)state;
    stage s;
    grudge g = {0};
    const stage_options options = {.log = cancel_who_is_named, .log_userdata = &g};
    stage_open(&s, &options);
    g.host = s.host;
    g.id = stage_spawn(&s, stage_load(&s, "desk.wat"), "run", "[1]");
    stage_run(&s);
    const theater_value text = theater_value_text("forty", 5);
    (void)theater_host_complete(s.host, open_token(&s, g.id), &text, "desk", NULL);
    stage_run(&s);
    assert_int_equal(g.count, 1);
    assert_int_equal(stage_find(&s, g.id)->reason, THEATER_END_CANCELLED);
    stage_audit(&s, g.id, "desk.wat");
    stage_close(&s);
}

static void acts__on_nobody_are_refused(void **state)
{
    (void)state;
    stage s;
    theater_id nobody = {{1}};
    const theater_token token = {nobody, 3};
    stage_open(&s, &plain);
    assert_int_equal(theater_host_cancel(s.host, nobody, NULL, NULL), THEATER_ERR_NOTFOUND);
    assert_int_equal(theater_host_cancel_wait(s.host, nobody, NULL, NULL), THEATER_ERR_NOTFOUND);
    assert_int_equal(theater_host_wake(s.host, nobody, NULL, NULL), THEATER_ERR_NOTFOUND);
    assert_int_equal(theater_host_resume(s.host, nobody, NULL), THEATER_ERR_NOTFOUND);
    assert_int_equal(complete(&s, token, 1), THEATER_ERR_NOTFOUND);
    assert_int_equal(theater_host_tell_shutdown(s.host, NULL), THEATER_OK);
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cancel_wait__tells_the_guest),
        cmocka_unit_test(wake__is_ok_and_records_who),
        cmocka_unit_test(tell_shutdown__tells_every_sleeper),
        cmocka_unit_test(cancel__ends_the_actor_with_an_event),
        cmocka_unit_test(cancel__of_an_actor_that_has_not_begun),
        cmocka_unit_test(cancel__and_its_kin_of_evicted_sleepers),
        cmocka_unit_test(cancel__of_one_that_has_just_come_due),
        cmocka_unit_test(complete__makes_the_host_active),
        cmocka_unit_test(complete__finds_the_token_after_a_restart),
        cmocka_unit_test(complete__with_an_old_token_changes_nothing),
        cmocka_unit_test(complete__with_a_wrong_value_leaves_the_wait_open),
        cmocka_unit_test(complete__with_a_wrong_value_and_cancelled_for_it),
        cmocka_unit_test(acts__on_nobody_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
