/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a genesis promises: a nonce that nobody could know before, so that a short input cannot be
 * guessed from the hash of the first event, and no two actors begin alike.
 */
#include "harness.h"

#include <string.h>

#include <chain/payload.h>

static theater__genesis genesis_of(const harness *h, theater_id id)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_chain *chain = NULL;
    theater_event event;
    theater__genesis genesis;
    size_t position = 0;
    assert_int_equal(theater_chain_open_store(h->directory, id, &chain, &err), THEATER_OK);
    assert_int_equal(theater_chain_next(chain, &position, &event, &err), THEATER_OK);
    assert_int_equal(theater__genesis_decode(event.payload, &genesis, &err), THEATER_OK);
    theater_chain_free(chain);
    return genesis;
}

static void genesis__has_a_nonce_of_its_own(void **state)
{
    (void)state;
    harness h;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    harness_open(&h, &options, true);
    theater_actor_component *component = harness_load(&h, EXAMPLE_GUESTS, "sleep.wat");
    theater_id a = harness_spawn(&h, component, "run", "[1]", NULL);
    theater_id b = harness_spawn(&h, component, "run", "[1]", NULL);
    harness_run(&h);
    static const uint8_t zeros[16];
    theater__genesis first = genesis_of(&h, a);
    theater__genesis second = genesis_of(&h, b);
    assert_memory_not_equal(first.nonce, zeros, sizeof(zeros));
    assert_memory_not_equal(first.nonce, second.nonce, sizeof(zeros));
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(genesis__has_a_nonce_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
