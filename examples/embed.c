/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest program that embeds Theater: a host with a Timing Host, one actor, run to its end.
 *
 *     embed examples/guests/sleep.wat
 *
 * README.md shows it from the first #include on; a test keeps the two the same.
 */
#include <inttypes.h>
#include <stdio.h>
#include <theater.h>

static bool on_finished(const theater_finished *finished, void *userdata)
{
    (void)userdata;
    if (finished->result != NULL && finished->result->is_ok) {
        printf("it slept %" PRIu64 " ms\n", finished->result->of.items.data[0].of.u64);
    }
    return true; /* acknowledged: it is not reported again */
}

static bool run(theater_host *host, const char *path, theater_error *err)
{
    const theater_timing_host_config bounds = {sizeof(bounds), 60000, 5};
    theater_timing_host *timing = NULL;
    theater_actor_component *component = NULL;
    if (theater_timing_host_new(&bounds, &timing, err) != THEATER_OK) {
        return false;
    }
    theater_handler handler = theater_timing_host_handler(timing); /* which the host frees */
    theater_spawn_options actor = THEATER_SPAWN_OPTIONS_INIT;
    actor.export_name = "run";
    actor.args_json = "[250]";
    theater_host_on_finished(host, on_finished, NULL);
    return theater_host_add_handler(host, &handler, err) == THEATER_OK &&
           theater_host_open(host, err) == THEATER_OK &&
           theater_host_load_component_file(host, path, &component, err) == THEATER_OK &&
           theater_host_spawn(host, component, &actor, NULL, err) == THEATER_OK &&
           theater_host_run(host, err) == THEATER_OK;
}

int main(int argc, char **argv)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_host *host = NULL;
    bool ok = theater_host_new(NULL, &host, &err) == THEATER_OK &&
              run(host, argc > 1 ? argv[1] : "sleep.wat", &err);
    theater_host_free(host);
    return ok ? 0 : (fprintf(stderr, "%s\n", err.message), 1);
}
