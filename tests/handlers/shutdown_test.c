/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shutdown controller: each receiver is told once, whenever it subscribed, and either side may
 * be freed at any moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <theater.h>

static void count(theater_shutdown_receiver *receiver, void *userdata)
{
    assert_true(theater_shutdown_receiver_is_signalled(receiver));
    (*(int *)userdata)++;
}

static void free_it(theater_shutdown_receiver *receiver, void *userdata)
{
    (*(int *)userdata)++;
    theater_shutdown_receiver_free(receiver);
}

static void confirm_it(theater_shutdown_receiver *receiver, void *userdata)
{
    (*(int *)userdata)++;
    theater_shutdown_receiver_confirm(receiver);
}

static theater_shutdown_controller *make(void)
{
    theater_shutdown_controller *controller = NULL;
    assert_int_equal(theater_shutdown_controller_new(&controller, NULL), THEATER_OK);
    return controller;
}

static theater_shutdown_receiver *subscribe(theater_shutdown_controller *controller,
                                            theater_shutdown_fn *callback, int *told)
{
    theater_shutdown_receiver *receiver = NULL;
    assert_int_equal(theater_shutdown_controller_subscribe(controller, &receiver, NULL),
                     THEATER_OK);
    if (callback != NULL) {
        theater_shutdown_receiver_on_signal(receiver, callback, told);
    }
    return receiver;
}

static void signal__tells_every_receiver_once(void **state)
{
    (void)state;
    int told = 0;
    theater_shutdown_controller *controller = make();
    theater_shutdown_receiver *first = subscribe(controller, count, &told);
    theater_shutdown_receiver *second = subscribe(controller, count, &told);
    theater_shutdown_receiver *silent = subscribe(controller, NULL, NULL);
    assert_false(theater_shutdown_receiver_is_signalled(first));
    assert_int_equal(theater_shutdown_controller_pending(controller), 0);
    theater_shutdown_controller_signal(controller);
    theater_shutdown_controller_signal(controller);
    assert_int_equal(told, 2);
    assert_true(theater_shutdown_receiver_is_signalled(silent));
    theater_shutdown_receiver_free(first);
    theater_shutdown_receiver_free(second);
    theater_shutdown_receiver_free(silent);
    theater_shutdown_controller_free(controller);
    assert_int_equal(told, 2);
}

static void pending__counts_who_was_told_and_is_not_done(void **state)
{
    (void)state;
    theater_shutdown_controller *controller = make();
    theater_shutdown_receiver *first = subscribe(controller, NULL, NULL);
    theater_shutdown_receiver *second = subscribe(controller, NULL, NULL);
    theater_shutdown_receiver *early = subscribe(controller, NULL, NULL);
    theater_shutdown_receiver_confirm(early);
    theater_shutdown_controller_signal(controller);
    assert_int_equal(theater_shutdown_controller_pending(controller), 2);
    theater_shutdown_receiver_confirm(first);
    theater_shutdown_receiver_confirm(first);
    assert_int_equal(theater_shutdown_controller_pending(controller), 1);
    theater_shutdown_receiver_free(second); /* is its confirmation */
    assert_int_equal(theater_shutdown_controller_pending(controller), 0);
    theater_shutdown_receiver_free(first);
    theater_shutdown_receiver_free(early);
    theater_shutdown_controller_free(controller);
}

static void signal__a_callback_may_free_or_confirm(void **state)
{
    (void)state;
    int told = 0;
    theater_shutdown_controller *controller = make();
    for (int i = 0; i < 5; i++) {
        (void)subscribe(controller, free_it, &told);
    }
    theater_shutdown_receiver *kept = subscribe(controller, confirm_it, &told);
    (void)subscribe(controller, free_it, &told);
    theater_shutdown_controller_signal(controller);
    assert_int_equal(told, 7);
    assert_int_equal(theater_shutdown_controller_pending(controller), 0);
    theater_shutdown_receiver_free(kept);
    theater_shutdown_controller_free(controller);
}

static void subscribe__after_the_signal_is_told_at_once(void **state)
{
    (void)state;
    int told = 0;
    theater_shutdown_controller *controller = make();
    theater_shutdown_controller_signal(controller);
    theater_shutdown_receiver *late = subscribe(controller, NULL, NULL);
    assert_true(theater_shutdown_receiver_is_signalled(late));
    assert_int_equal(theater_shutdown_controller_pending(controller), 1);
    theater_shutdown_receiver_on_signal(late, count, &told);
    assert_int_equal(told, 1);
    theater_shutdown_controller_signal(controller);
    assert_int_equal(told, 1);
    (void)subscribe(controller, free_it, &told);
    assert_int_equal(told, 2);
    theater_shutdown_receiver_free(late);
    theater_shutdown_controller_free(controller);
}

static void free__of_the_controller_signals_and_leaves_receivers(void **state)
{
    (void)state;
    int told = 0;
    theater_shutdown_controller *controller = make();
    theater_shutdown_receiver *receiver = subscribe(controller, count, &told);
    theater_shutdown_controller_free(controller);
    assert_int_equal(told, 1);
    assert_true(theater_shutdown_receiver_is_signalled(receiver));
    theater_shutdown_receiver_confirm(receiver);
    theater_shutdown_receiver_free(receiver);
}

static void dummy__is_never_signalled(void **state)
{
    (void)state;
    int told = 0;
    theater_shutdown_receiver *receiver = theater_shutdown_receiver_dummy();
    assert_non_null(receiver);
    theater_shutdown_receiver_on_signal(receiver, count, &told);
    assert_false(theater_shutdown_receiver_is_signalled(receiver));
    theater_shutdown_receiver_confirm(receiver);
    theater_shutdown_receiver_free(receiver);
    assert_int_equal(told, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signal__tells_every_receiver_once),
        cmocka_unit_test(pending__counts_who_was_told_and_is_not_done),
        cmocka_unit_test(signal__a_callback_may_free_or_confirm),
        cmocka_unit_test(subscribe__after_the_signal_is_told_at_once),
        cmocka_unit_test(free__of_the_controller_signals_and_leaves_receivers),
        cmocka_unit_test(dummy__is_never_signalled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
