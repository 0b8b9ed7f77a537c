/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleeps in a row on the machine's own clock: what each of them is late adds up, and so would any
 * rounding to ticks or whole milliseconds, or a round trip to a disk between two of them.
 *
 * The bound is the specification's: 3.0 s, not more than 3.05, that is 1.6 ms for each of the
 * thirty, of which an idle machine takes 0.1. A shared machine may take a core away for longer than
 * that, and this is not what is asked here: so three rows are slept, and the best of them counts.
 * Whatever makes each sleep late makes all three rows late. That none is early holds for each.
 */
#include "stage.h"

#include <stdio.h>

#define NAPS_MS 3000u
#define NAPS_MS_MAX 3050u
#define ROWS 3u

static void naps__thirty_of_100_ms_on_the_machines_clock_take_3000_to_3050_ms(void **state)
{
    (void)state;
    const stage_options real = {.real_clock = true};
    unsigned long long best = 0;
    for (unsigned i = 0; i < ROWS && (i == 0 || best > NAPS_MS_MAX); i++) {
        stage s;
        stage_open(&s, &real);
        unsigned long long took = 0;
        const char *result = stage_call(&s, "clock.wat", "naps", "[30, 100]");
        assert_int_equal(sscanf(result, "{\"ok\":%llu}", &took), 1);
        print_message("%llu ms\n", took);
        assert_true(took >= NAPS_MS);
        best = i == 0 || took < best ? took : best;
        stage_close(&s);
    }
    assert_true(best <= NAPS_MS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(naps__thirty_of_100_ms_on_the_machines_clock_take_3000_to_3050_ms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
