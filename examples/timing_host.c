/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The specification's example of a TimingHost, in C: a Timing Host with bounds of its own sets up a
 * component and is started, both with dummies, as it would be by a host.
 *
 * Rust's `await?` is a status here: nothing of this blocks.
 */
#include <stdio.h>
#include <theater.h>

static theater_status example(theater_error *err)
{
    /* Create a timing host with specific constraints */
    theater_timing_host_config config = THEATER_TIMING_HOST_CONFIG_INIT;
    config.max_sleep_duration = 60000; /* 60 seconds */
    config.min_sleep_duration = 5;     /* 5 milliseconds */

    theater_timing_host *timing_host = NULL;
    theater_status status = theater_timing_host_new(&config, &timing_host, err);
    if (status != THEATER_OK) {
        return status;
    }

    /* Set up host functions for an actor component */
    theater_actor_component *actor_component = theater_actor_component_dummy();
    theater_shutdown_receiver *shutdown_receiver = theater_shutdown_receiver_dummy();
    status = THEATER_ERR_NOMEM;
    if (actor_component != NULL && shutdown_receiver != NULL) {
        status = theater_timing_host_setup_host_functions(timing_host, actor_component, err);
    }
    if (status == THEATER_OK) {
        printf("sleep: %s\n",
               theater_actor_component_has_function(actor_component, "ntwk:theater/timing", "sleep")
                   ? "there"
                   : "missing");
    }

    /* Start the timing host */
    if (status == THEATER_OK) {
        theater_actor_handle actor_handle = theater_actor_handle_dummy();
        status = theater_timing_host_start(timing_host, actor_handle, shutdown_receiver, err);
    }

    theater_shutdown_receiver_free(shutdown_receiver);
    theater_actor_component_free(actor_component);
    theater_timing_host_free(timing_host);
    return status;
}

int main(void)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_status status = example(&err);
    printf("%s\n", theater_status_text(status));
    return status == THEATER_OK ? 0 : 1;
}
