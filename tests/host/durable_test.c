/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whoever waits for durability is called once: behind the batches that were in flight, never from
 * inside the call, and with CLOSED when the host is freed first.
 */
#include "harness.h"

#include "internal.h"

typedef struct told {
    harness *h;
    size_t count;
    theater_status status;
    uint64_t inflight; /* of the store, when it was called */
    bool asks_again;
} told;

static void on_durable(theater_status status, void *userdata)
{
    told *t = userdata;
    t->count++;
    t->status = status;
    t->inflight = theater__store_inflight(t->h->host->store);
    if (t->asks_again) {
        t->asks_again = false;
        assert_int_equal(theater_host_on_durable(t->h->host, on_durable, t, NULL), THEATER_OK);
    }
}

static void on_closed(theater_status status, void *userdata)
{
    told *t = userdata;
    t->count++;
    t->status = status;
    /* Nobody can wait for a host that is being freed. */
    assert_int_equal(theater_host_on_durable(t->h->host, on_closed, t, NULL), THEATER_ERR_CLOSED);
}

static void on_durable__comes_behind_what_is_in_flight(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open(&h, &options, true);
    theater_actor_component *component = harness_load(&h, EXAMPLE_GUESTS, "sleep.wat");
    (void)harness_spawn(&h, component, "run", "[1]", NULL);
    told t = {&h, 0, THEATER_ERR_INTERNAL, 1, false};
    assert_true(theater__store_inflight(h.host->store) > 0);
    assert_int_equal(theater_host_on_durable(h.host, on_durable, &t, NULL), THEATER_OK);
    assert_int_equal(t.count, 0);
    harness_run(&h);
    assert_int_equal(t.count, 1);
    assert_int_equal(t.status, THEATER_OK);
    harness_close(&h);
}

static void on_durable__with_nothing_in_flight_comes_with_the_next_dispatch(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open(&h, &options, false);
    told t = {&h, 0, THEATER_ERR_INTERNAL, 1, true};
    assert_int_equal(theater_host_on_durable(h.host, on_durable, &t, NULL), THEATER_OK);
    assert_int_equal(t.count, 0);
    assert_int_equal(theater_host_dispatch(h.host, NULL, NULL), THEATER_OK);
    assert_true(t.count >= 1);
    assert_int_equal(t.inflight, 0);
    assert_int_equal(theater_host_dispatch(h.host, NULL, NULL), THEATER_OK);
    assert_int_equal(t.count, 2); /* it had asked again from inside the callback */
    harness_close(&h);
}

static void on_durable__of_a_host_that_is_freed_is_told_so(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open(&h, &options, false);
    told t = {&h, 0, THEATER_OK, 0, false};
    assert_int_equal(theater_host_on_durable(h.host, on_closed, &t, NULL), THEATER_OK);
    harness_close(&h);
    assert_int_equal(t.count, 1);
    assert_int_equal(t.status, THEATER_ERR_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_durable__comes_behind_what_is_in_flight),
        cmocka_unit_test(on_durable__with_nothing_in_flight_comes_with_the_next_dispatch),
        cmocka_unit_test(on_durable__of_a_host_that_is_freed_is_told_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
