/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host in a program that has a loop of its own: poll(2) waits for the host's descriptor and for
 * the program's, here a timer that ticks every 50 ms while an actor sleeps.
 *
 *     own_loop examples/guests/sleep.wat
 *
 * The host's descriptor becomes readable when it wants to be called; theater_host_dispatch() then
 * does what can be done at once and comes back. Nothing else is asked of the loop.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <theater.h>
#include <unistd.h>

#define TICK_NS 50000000

static bool on_finished(const theater_finished *finished, void *userdata)
{
    (void)userdata;
    if (finished->result != NULL && finished->result->is_ok) {
        printf("the actor slept %" PRIu64 " ms\n", finished->result->of.items.data[0].of.u64);
    }
    return true;
}

static bool start_actor(theater_host *host, const char *path, theater_error *err)
{
    theater_timing_host *timing = NULL;
    theater_actor_component *component = NULL;
    if (theater_timing_host_new(NULL, &timing, err) != THEATER_OK) {
        return false;
    }
    theater_handler handler = theater_timing_host_handler(timing);
    theater_spawn_options actor = THEATER_SPAWN_OPTIONS_INIT;
    actor.export_name = "run";
    actor.args_json = "[250]";
    theater_host_on_finished(host, on_finished, NULL);
    return theater_host_add_handler(host, &handler, err) == THEATER_OK &&
           theater_host_open(host, err) == THEATER_OK &&
           theater_host_load_component_file(host, path, &component, err) == THEATER_OK &&
           theater_host_spawn(host, component, &actor, NULL, err) == THEATER_OK;
}

static uint64_t read_ticks(int timer)
{
    uint64_t ticks = 0;
    return read(timer, &ticks, sizeof(ticks)) == (ssize_t)sizeof(ticks) ? ticks : 0;
}

/*
 * The program's loop. The first dispatch comes before the first poll: the actor has yet to begin.
 */
static bool loop(theater_host *host, int timer, uint64_t *out_ticks, theater_error *err)
{
    struct pollfd fds[2] = {{theater_host_fd(host), POLLIN, 0}, {timer, POLLIN, 0}};
    do {
        if (theater_host_dispatch(host, NULL, err) != THEATER_OK) {
            return false;
        }
        if (theater_host_active(host) == 0) {
            return true;
        }
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            return false;
        }
        if ((fds[1].revents & POLLIN) != 0) {
            *out_ticks += read_ticks(timer);
        }
    } while (true);
}

static int fail(const char *what)
{
    (void)fprintf(stderr, "%s\n", what);
    return 1;
}

int main(int argc, char **argv)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_host *host = NULL;
    uint64_t ticks = 0;
    const struct itimerspec every = {{0, TICK_NS}, {0, TICK_NS}};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (argc != 2 || timer < 0 || timerfd_settime(timer, 0, &every, NULL) != 0) {
        return fail("usage: own_loop COMPONENT");
    }
    bool ok = theater_host_new(NULL, &host, &err) == THEATER_OK &&
              start_actor(host, argv[1], &err) && loop(host, timer, &ticks, &err);
    theater_host_free(host);
    (void)close(timer);
    if (!ok) {
        return fail(err.message);
    }
    printf("meanwhile the program's own timer ticked %" PRIu64 " times\n", ticks);
    return 0;
}
