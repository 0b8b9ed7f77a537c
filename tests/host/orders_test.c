/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders of events that have to come out the same: a note between two batches and a kill, a spawn
 * while something is read, a park in the middle of a recovery, a restart on another boot, a program
 * that polls and one that does not.
 */
#include "harness.h"

#include <actor/turn.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 5000

static uint64_t now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_BOOTTIME, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static uint64_t wall_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* ---- acme:desk/calls: `ask` is an effect, `take` waits for a token --------------------------- */

typedef struct desk {
    bool fails;
    bool answers;
    bool starts_fail;
    unsigned asked;
} desk;

static theater_status on_ask(theater_call *call, theater_values args, void *userdata,
                             theater_error *err)
{
    (void)args;
    desk *d = userdata;
    d->asked++;
    if (d->fails) {
        err->status = THEATER_ERR_IO;
        snprintf(err->message, sizeof(err->message), "the line is dead");
        return THEATER_ERR_IO;
    }
    theater_value answer = theater_value_u64(42);
    return d->answers ? theater_call_return(call, &answer, err) : THEATER_OK;
}

static theater_status on_take(theater_call *call, theater_values args, void *userdata,
                              theater_error *err)
{
    (void)args;
    (void)userdata;
    (void)err;
    theater_call_wait_token(call);
    return THEATER_OK;
}

static theater_status desk_setup(void *self, theater_actor_component *component, theater_error *err)
{
    theater_function ask = THEATER_FUNCTION_INIT;
    ask.interface = "acme:desk/calls";
    ask.name = "ask";
    ask.kind = THEATER_FUNCTION_EFFECT;
    ask.call = on_ask;
    ask.userdata = self;
    theater_function take = ask;
    take.name = "take";
    take.kind = THEATER_FUNCTION_WAIT;
    take.call = on_take;
    theater_status status = theater_actor_component_add_function(component, &ask, err);
    return status == THEATER_OK ? theater_actor_component_add_function(component, &take, err)
                                : status;
}

static theater_status desk_start(void *self, theater_actor_handle actor,
                                 theater_shutdown_receiver *shutdown, theater_error *err)
{
    (void)actor;
    (void)shutdown;
    if (((desk *)self)->starts_fail) {
        err->status = THEATER_ERR_IO;
        snprintf(err->message, sizeof(err->message), "the desk is closed");
        return THEATER_ERR_IO;
    }
    return THEATER_OK;
}

static theater_handler desk_handler(desk *d)
{
    theater_handler handler = THEATER_HANDLER_INIT;
    handler.name = "desk";
    handler.self = d;
    handler.setup = desk_setup;
    handler.start = desk_start;
    return handler;
}

static theater_actor_state state_of(harness *h, theater_id id)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_actor_info info;
    assert_int_equal(theater_host_actor(h->host, id, &info, &err), THEATER_OK);
    return info.state;
}

static void dispatch_until(harness *h, theater_id id, theater_actor_state state)
{
    uint64_t begin = now_ms();
    while (state_of(h, id) != state && now_ms() - begin < PATIENCE_MS) {
        theater_error err = THEATER_ERROR_INIT;
        assert_int_equal(theater_host_dispatch(h->host, NULL, &err), THEATER_OK);
    }
    assert_int_equal(state_of(h, id), state);
    /* What is in flight gets its time: nothing here waits for more than a flush. */
    for (size_t i = 0; i < 50; i++) {
        theater_error err = THEATER_ERROR_INIT;
        struct pollfd ready = {theater_host_fd(h->host), POLLIN, 0};
        (void)poll(&ready, 1, 1);
        assert_int_equal(theater_host_dispatch(h->host, NULL, &err), THEATER_OK);
    }
}

static int take_id(const theater_actor_info *info, void *userdata)
{
    *(theater_id *)userdata = info->id;
    return 0;
}

static theater_id only_actor(const harness *h)
{
    theater_id id = {{0}};
    theater_host_visit(h->host, take_id, &id);
    return id;
}

/* ---- a note between two batches -------------------------------------------------------------- */

static void mark_line(const theater_runtime_line *line, void *userdata)
{
    (void)line;
    ((harness *)userdata)->parked_count = 1; /* here: the line was given out */
}

/* Wakes the actor before its first batch is durable; while it works the note of its line is
 * written, and before it suspends again the process is killed. */
static void run_child(harness *h)
{
    theater_actor_component *component = harness_load(h, GUESTS, "orders.wat");
    theater_error err = THEATER_ERROR_INIT;
    theater_id id = harness_spawn(h, component, "say-nap-work", "[3600000, 8000000000]", NULL);
    h->on_line = mark_line;
    while (theater_host_wake(h->host, id, "test", &err) != THEATER_OK) {
        assert_int_equal(theater_host_dispatch(h->host, NULL, &err), THEATER_OK);
    }
    uint64_t begin = now_ms();
    while (h->parked_count == 0 || now_ms() - begin < 300) {
        assert_int_equal(theater_host_dispatch(h->host, NULL, &err), THEATER_OK);
    }
    (void)raise(SIGKILL);
}

static void note__says_no_more_than_the_last_batch(void **state)
{
    (void)state;
    harness h;
    desk d = {0};
    theater_handler handler = desk_handler(&d);
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open_with(&h, &options, true, &handler);
    theater_host_free(h.host);
    h.host = NULL;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        harness_reopen(&h, &options);
        run_child(&h);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    harness_reopen(&h, &options);
    theater_error err = THEATER_ERROR_INIT;
    theater_id id = only_actor(&h);
    dispatch_until(&h, id, THEATER_ACTOR_ASLEEP);
    theater_actor_info info;
    assert_int_equal(theater_host_actor(h.host, id, &info, &err), THEATER_OK);
    assert_true(info.has_due);
    assert_int_equal(theater_host_cancel_wait(h.host, id, "test", &err), THEATER_OK);
    harness_close(&h);
}

/* ---- reads for different ends at the same time ----------------------------------------------- */

static void spawn_again__while_its_end_is_read(void **state)
{
    (void)state;
    harness h;
    desk d = {0};
    theater_handler handler = desk_handler(&d);
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open_with(&h, &options, true, &handler);
    theater_actor_component *component = harness_load(&h, GUESTS, "orders.wat");
    h.keeps_ends = true;
    theater_id id = harness_spawn(&h, component, "nap", "[30]", NULL);
    harness_run(&h);
    assert_int_equal(h.ends_count, 1);
    h.keeps_ends = false;
    h.ends_count = 0;
    harness_reopen(&h, &options);
    component = harness_load(&h, GUESTS, "orders.wat");
    theater_spawn_options again = THEATER_SPAWN_OPTIONS_INIT;
    again.id = &id;
    again.export_name = "nap";
    again.args_json = "[30]";
    theater_error err = THEATER_ERROR_INIT;
    if (theater_host_spawn(h.host, component, &again, NULL, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
    harness_run(&h);
    assert_int_equal(h.parked_count, 0);
    assert_int_equal(h.ends_count, 1);
    harness_close(&h);
}

/* A parked actor can be asked who it is, and resumed afterwards. */
static void spawn_again__of_a_parked_actor(void **state)
{
    (void)state;
    harness h;
    desk d = {.fails = true};
    theater_handler handler = desk_handler(&d);
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open_with(&h, &options, true, &handler);
    theater_actor_component *component = harness_load(&h, GUESTS, "orders.wat");
    theater_id id = harness_spawn(&h, component, "ask", "[]", NULL);
    harness_run(&h);
    assert_int_equal(h.parked_count, 1);
    theater_spawn_options again = THEATER_SPAWN_OPTIONS_INIT;
    again.id = &id;
    again.export_name = "ask";
    again.args_json = "[]";
    theater_error err = THEATER_ERROR_INIT;
    if (theater_host_spawn(h.host, component, &again, NULL, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
    d.fails = false;
    d.answers = true;
    assert_int_equal(theater_host_resume(h.host, id, &err), THEATER_OK);
    harness_run(&h);
    assert_int_equal(harness_find(&h, id)->number, 42);
    harness_close(&h);
}

/* ---- parks ----------------------------------------------------------------------------------- */

static void effect__that_fails_in_a_recovery_is_parked(void **state)
{
    (void)state;
    harness h;
    desk d = {0};
    theater_handler handler = desk_handler(&d);
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open_with(&h, &options, true, &handler);
    theater_actor_component *component = harness_load(&h, GUESTS, "orders.wat");
    theater_id id = harness_spawn(&h, component, "ask", "[]", NULL);
    dispatch_until(&h, id, THEATER_ACTOR_WAITING);
    assert_int_equal(d.asked, 1);
    d.fails = true;
    harness_reopen(&h, &options);
    harness_run(&h);
    assert_int_equal(h.parked_count, 1);
    assert_int_equal(d.asked, 2);
    d.fails = false;
    d.answers = true;
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater_host_resume(h.host, id, &err), THEATER_OK);
    harness_run(&h);
    assert_int_equal(d.asked, 3);
    assert_int_equal(harness_find(&h, id)->number, 42);
    harness_close(&h);
}

/* ---- a program with a loop of its own -------------------------------------------------------- */

static bool is_readable(const harness *h)
{
    struct pollfd ready = {theater_host_fd(h->host), POLLIN, 0};
    return poll(&ready, 1, 0) == 1;
}

static void dispatch_all(harness *h)
{
    while (is_readable(h)) {
        theater_error err = THEATER_ERROR_INIT;
        assert_int_equal(theater_host_dispatch(h->host, NULL, &err), THEATER_OK);
    }
}

static void descriptor__is_readable_when_there_is_work(void **state)
{
    (void)state;
    harness h;
    desk d = {0};
    theater_handler handler = desk_handler(&d);
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open_with(&h, &options, false, &handler);
    theater_actor_component *component = harness_load(&h, GUESTS, "orders.wat");
    dispatch_all(&h);
    theater_id id = harness_spawn(&h, component, "take", "[]", NULL);
    theater_id sleeper = harness_spawn(&h, component, "nap", "[3600000]", NULL);
    assert_true(is_readable(&h));
    dispatch_all(&h);
    assert_int_equal(state_of(&h, id), THEATER_ACTOR_WAITING);
    theater_error err = THEATER_ERROR_INIT;
    theater_actor_info info;
    assert_int_equal(theater_host_actor(h.host, id, &info, &err), THEATER_OK);
    theater_token token = {id, info.wait_seq};
    theater_value answer = theater_value_u64(7);
    assert_int_equal(theater_host_complete(h.host, token, &answer, "test", &err), THEATER_OK);
    assert_true(is_readable(&h));
    dispatch_all(&h);
    assert_int_equal(harness_find(&h, id)->number, 7);
    assert_int_equal(theater_host_wake(h.host, sleeper, "test", &err), THEATER_OK);
    assert_true(is_readable(&h));
    dispatch_all(&h);
    assert_int_equal(state_of(&h, sleeper), THEATER_ACTOR_ENDED);
    assert_false(is_readable(&h));
    harness_close(&h);
}

static void descriptor__is_readable_after_opening(void **state)
{
    (void)state;
    harness h;
    desk d = {0};
    theater_handler handler = desk_handler(&d);
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open_with(&h, &options, true, &handler);
    theater_actor_component *component = harness_load(&h, GUESTS, "orders.wat");
    theater_id id = harness_spawn(&h, component, "nap", "[1000]", NULL);
    dispatch_until(&h, id, THEATER_ACTOR_ASLEEP);
    harness_reopen(&h, &options);
    uint64_t begin = now_ms();
    while (h.ends_count == 0 && now_ms() - begin < PATIENCE_MS) {
        struct pollfd ready = {theater_host_fd(h.host), POLLIN, 0};
        theater_error err = THEATER_ERROR_INIT;
        if (poll(&ready, 1, PATIENCE_MS) == 1) {
            assert_int_equal(theater_host_dispatch(h.host, NULL, &err), THEATER_OK);
        }
    }
    assert_int_equal(h.ends_count, 1);
    assert_true(now_ms() - begin < PATIENCE_MS);
    harness_close(&h);
}

/* ---- places in memory ------------------------------------------------------------------------ */

static void live_max__holds_while_many_are_loaded(void **state)
{
    (void)state;
    harness h;
    desk d = {0};
    theater_handler handler = desk_handler(&d);
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open_with(&h, &options, true, &handler);
    theater_actor_component *component = harness_load(&h, GUESTS, "orders.wat");
    for (size_t i = 0; i < 40; i++) {
        (void)harness_spawn(&h, component, "work", "[30, 1]", NULL);
    }
    theater_error err = THEATER_ERROR_INIT;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(theater_host_dispatch(h.host, NULL, &err), THEATER_OK);
    }
    options.live_max = 3;
    harness_reopen(&h, &options);
    h.ends_count = 0;
    uint64_t resident_max = 0;
    uint64_t begin = now_ms();
    while (theater_host_active(h.host) > 0 && now_ms() - begin < 4 * PATIENCE_MS) {
        assert_int_equal(theater_host_dispatch(h.host, NULL, &err), THEATER_OK);
        theater_host_stats stats = {.struct_size = sizeof(stats)};
        theater_host_stats_get(h.host, &stats);
        resident_max = stats.resident > resident_max ? stats.resident : resident_max;
    }
    print_message("%llu at the most\n", (unsigned long long)resident_max);
    assert_int_equal(theater_host_active(h.host), 0);
    assert_true(resident_max <= 3);
    harness_close(&h);
}

/* ---- another boot ---------------------------------------------------------------------------- */

#define OTHER_BOOT "01234567-89ab-cdef-0123-456789abcdef"

/* In a process of another boot, whose clock of elapsed time is ahead by a day. */
static int resume_on_another_boot(harness *h, theater_host_options *options, desk *d, uint64_t due)
{
    (void)setenv("THEATER_TEST_BOOT_ID", OTHER_BOOT, 1);
    theater_error err = THEATER_ERROR_INIT;
    d->starts_fail = true;
    harness_reopen(h, options);
    theater_id id = only_actor(h);
    if (theater_host_wake(h->host, id, "test", &err) != THEATER_OK) {
        return 1;
    }
    while (state_of(h, id) != THEATER_ACTOR_PARKED) {
        if (theater_host_dispatch(h->host, NULL, &err) != THEATER_OK) {
            return 2;
        }
    }
    d->starts_fail = false;
    if (theater_host_resume(h->host, id, &err) != THEATER_OK) {
        return 3;
    }
    uint64_t begin = wall_ms();
    while (h->ends_count == 0 && wall_ms() - begin < PATIENCE_MS) {
        if (theater_host_dispatch(h->host, NULL, &err) != THEATER_OK) {
            return 4;
        }
    }
    return h->ends_count == 1 && wall_ms() >= due ? 0 : 5;
}

/* The chain says when it was armed, on a clock that is not there any more. */
static void resume__on_another_boot_is_never_early(void **state)
{
    (void)state;
    harness h;
    desk d = {0};
    theater_handler handler = desk_handler(&d);
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open_with(&h, &options, true, &handler);
    theater_actor_component *component = harness_load(&h, GUESTS, "orders.wat");
    theater_id id = harness_spawn(&h, component, "nap", "[2000]", NULL);
    uint64_t due = wall_ms() + 2000;
    dispatch_until(&h, id, THEATER_ACTOR_ASLEEP);
    theater_host_free(h.host);
    h.host = NULL;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        /* A namespace of time begins with the next child; not everybody has the right to one. */
        const char *path = "/proc/self/timens_offsets";
        FILE *offsets = unshare(CLONE_NEWTIME) == 0 ? fopen(path, "w") : NULL;
        if (offsets == NULL || fputs("boottime 86400 0", offsets) < 0 || fclose(offsets) != 0) {
            _exit(77);
        }
        pid_t there = fork();
        if (there == 0) {
            _exit(resume_on_another_boot(&h, &options, &d, due));
        }
        int result = 0;
        _exit(waitpid(there, &result, 0) == there && WIFEXITED(result) ? WEXITSTATUS(result) : 99);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    harness_reopen(&h, &options);
    harness_close(&h);
    if (WEXITSTATUS(status) == 77) {
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void overdue__fails_on_another_boot_too(void **state)
{
    (void)state;
    harness h;
    desk d = {0};
    theater_handler handler = desk_handler(&d);
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    options.overdue = THEATER_OVERDUE_FAIL;
    harness_open_with(&h, &options, true, &handler);
    theater_actor_component *component = harness_load(&h, GUESTS, "orders.wat");
    theater_id id = harness_spawn(&h, component, "nap", "[1500]", NULL);
    dispatch_until(&h, id, THEATER_ACTOR_ASLEEP);
    theater_host_free(h.host);
    h.host = NULL;
    (void)poll(NULL, 0, 1600);
    assert_int_equal(setenv("THEATER_TEST_BOOT_ID", OTHER_BOOT, 1), 0);
    harness_reopen(&h, &options);
    harness_run(&h);
    assert_int_equal(unsetenv("THEATER_TEST_BOOT_ID"), 0);
    assert_int_equal(harness_find(&h, id)->number, 1);
    harness_close(&h);
}

/* ---- what is due while others work ----------------------------------------------------------- */

static void deadline__is_not_late_because_others_work(void **state)
{
    (void)state;
    harness h;
    desk d = {0};
    theater_handler handler = desk_handler(&d);
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open_with(&h, &options, false, &handler);
    theater_actor_component *component = harness_load(&h, GUESTS, "orders.wat");
    char args[32];
    snprintf(args, sizeof(args), "[%llu]", (unsigned long long)(wall_ms() + 300));
    theater_id waiter = harness_spawn(&h, component, "until", args, NULL);
    for (size_t i = 0; i < 80; i++) {
        (void)harness_spawn(&h, component, "work", "[1, 100000000000]", NULL);
    }
    theater_error err = THEATER_ERROR_INIT;
    uint64_t begin = now_ms();
    while (state_of(&h, waiter) != THEATER_ACTOR_ENDED && now_ms() - begin < PATIENCE_MS) {
        assert_int_equal(theater_host_dispatch(h.host, NULL, &err), THEATER_OK);
    }
    theater_host_stats stats = {.struct_size = sizeof(stats)};
    theater_host_stats_get(h.host, &stats);
    print_message("late by %llu ms\n", (unsigned long long)(stats.late_max_ns / 1000000));
    assert_true(stats.late_max_ns < 200000000);
    harness_close(&h);
}

/* ---- budgets and audits ---------------------------------------------------------------------- */

/*
 * Turns of work with waits between, beside a neighbour that takes the place if there is one alone.
 */
static theater_end_reason end_of_work(theater_clock_kind clock, bool has_log, uint32_t live_max,
                                      const char *args, const theater_limits *limits)
{
    harness h;
    desk d = {0};
    theater_handler handler = desk_handler(&d);
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    options.clock = clock;
    options.live_max = live_max;
    harness_open_with(&h, &options, has_log, &handler);
    theater_actor_component *component = harness_load(&h, GUESTS, "orders.wat");
    theater_id id = harness_spawn(&h, component, "work", args, limits);
    (void)harness_spawn(&h, component, "work", "[60, 1]", NULL);
    harness_run(&h);
    theater_end_reason reason = harness_find(&h, id)->reason;
    harness_close(&h);
    return reason;
}

static void budget_of_events__is_that_of_the_call_not_of_the_instance(void **state)
{
    (void)state;
    theater_limits limits = THEATER_LIMITS_INIT;
    limits.call_chain_bytes_max = 1500;
    assert_int_equal(end_of_work(THEATER_CLOCK_VIRTUAL, false, 100, "[30, 1]", &limits),
                     THEATER_END_LIMIT);
    assert_int_equal(end_of_work(THEATER_CLOCK_VIRTUAL, false, 1, "[30, 1]", &limits),
                     THEATER_END_LIMIT);
}

/* Simulated time has no CPU time, but epoch checks; those that come while the host waits for the
 * disk are nobody's. Two of three turns paid for one. */
static void budget_of_cpu__is_not_spent_by_the_disk(void **state)
{
    (void)state;
    theater_limits limits = THEATER_LIMITS_INIT;
    limits.call_cpu_ms_max = 400;
    assert_int_equal(end_of_work(THEATER_CLOCK_VIRTUAL, true, 100, "[1000, 1]", &limits),
                     THEATER_END_RETURNED);
}

/* Thirty turns, no one of them near its budget. */
static void budget_of_cpu__is_that_of_the_call_not_of_the_instance(void **state)
{
    (void)state;
    theater_limits limits = THEATER_LIMITS_INIT;
    limits.call_cpu_ms_max = 200;
    assert_int_equal(end_of_work(THEATER_CLOCK_REAL, false, 100, "[30, 60000000]", &limits),
                     THEATER_END_CPU);
    assert_int_equal(end_of_work(THEATER_CLOCK_REAL, false, 1, "[30, 60000000]", &limits),
                     THEATER_END_CPU);
}

/* No turn uses up its budget; all of them together do, in one instance that is replayed. */
static void audit__counts_the_cpu_of_a_turn_by_the_turn(void **state)
{
    (void)state;
    harness h;
    desk d = {0};
    theater_handler handler = desk_handler(&d);
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open_with(&h, &options, true, &handler);
    theater_actor_component *component = harness_load(&h, GUESTS, "orders.wat");
    theater_limits limits = THEATER_LIMITS_INIT;
    limits.turn_cpu_ms_max = 1000;
    theater_id id = harness_spawn(&h, component, "work", "[30, 60000000]", &limits);
    harness_run(&h);
    assert_int_equal(harness_find(&h, id)->reason, THEATER_END_RETURNED);
    theater_error err = THEATER_ERROR_INIT;
    theater_chain *chain = NULL;
    assert_int_equal(theater_chain_open_store(h.directory, id, &chain, &err), THEATER_OK);
    static char text[1 << 16];
    FILE *file = fopen(GUESTS "/orders.wat", "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof(text), file);
    assert_int_equal(fclose(file), 0);
    theater_replay_report report;
    if (theater_chain_replay(h.host, chain, text, size, &report, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
    print_message("%s\n", report.message);
    assert_true(report.is_clean);
    theater_chain_free(chain);
    harness_close(&h);
}

static theater_wall no_wall(void *userdata)
{
    (void)userdata;
    return (theater_wall){1};
}

static theater_mono no_mono(void *userdata)
{
    (void)userdata;
    return (theater_mono){1};
}

static bool never(void *userdata)
{
    (void)userdata;
    return false;
}

/* Up to the wait: the completion and what follows are missing, as if a read had been cut off. */
static size_t size_before_completion(theater_bytes frames)
{
    theater__chain_reader reader;
    theater_event event;
    size_t size = 0;
    theater__chain_reader_init(&reader, frames.data, frames.size, NULL, 0);
    while (theater__chain_read(&reader, &event, NULL) == THEATER_OK &&
           event.kind != THEATER_KIND_COMPLETION) {
        size = reader.offset;
    }
    return size;
}

static void turn__does_not_go_on_from_the_middle_of_its_chain(void **state)
{
    (void)state;
    harness h;
    desk d = {0};
    theater_handler handler = desk_handler(&d);
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    options.clock = THEATER_CLOCK_VIRTUAL;
    harness_open_with(&h, &options, false, &handler);
    theater_actor_component *component = harness_load(&h, GUESTS, "orders.wat");
    theater_id id = harness_spawn(&h, component, "nap", "[5]", NULL);
    harness_run(&h);
    theater_error err = THEATER_ERROR_INIT;
    theater_chain *chain = NULL;
    assert_int_equal(theater_host_chain(h.host, id, &chain, &err), THEATER_OK);
    theater_bytes frames = theater__chain_frames(chain);
    size_t position = 0;
    theater_event event;
    theater__genesis genesis;
    theater__profile profile;
    assert_int_equal(theater_chain_next(chain, &position, &event, &err), THEATER_OK);
    assert_int_equal(theater__genesis_decode(event.payload, &genesis, &err), THEATER_OK);
    assert_int_equal(theater__profile_init(&profile, &genesis, &err), THEATER_OK);
    profile.component = component;
    theater__turn_env env = {.wall = no_wall, .mono = no_mono, .preempt = never};
    theater__turn_options turn_options = {
        .env = &env, .profile = &profile, .actor = id, .call_seq = 1, .history = frames.data};
    turn_options.history_size = size_before_completion(frames);
    turn_options.head = h.head; /* of the whole chain */
    theater__turn *turn = NULL;
    assert_int_equal(theater__turn_new(&turn_options, &turn, &err), THEATER_OK);
    assert_int_equal(theater__turn_run(turn), THEATER__TURN_CORRUPT);
    print_message("%s\n", theater__turn_error(turn)->message);
    theater__turn_free(turn);
    theater__profile_deinit(&profile);
    theater_chain_free(chain);
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(note__says_no_more_than_the_last_batch),
        cmocka_unit_test(spawn_again__while_its_end_is_read),
        cmocka_unit_test(spawn_again__of_a_parked_actor),
        cmocka_unit_test(effect__that_fails_in_a_recovery_is_parked),
        cmocka_unit_test(descriptor__is_readable_when_there_is_work),
        cmocka_unit_test(descriptor__is_readable_after_opening),
        cmocka_unit_test(live_max__holds_while_many_are_loaded),
        cmocka_unit_test(resume__on_another_boot_is_never_early),
        cmocka_unit_test(overdue__fails_on_another_boot_too),
        cmocka_unit_test(deadline__is_not_late_because_others_work),
        cmocka_unit_test(budget_of_events__is_that_of_the_call_not_of_the_instance),
        cmocka_unit_test(budget_of_cpu__is_not_spent_by_the_disk),
        cmocka_unit_test(budget_of_cpu__is_that_of_the_call_not_of_the_instance),
        cmocka_unit_test(audit__counts_the_cpu_of_a_turn_by_the_turn),
        cmocka_unit_test(turn__does_not_go_on_from_the_middle_of_its_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
