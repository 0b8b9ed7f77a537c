/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors of others in the host's loop: a control socket, a program's own pipe. They lie in an
 * epoll set of their own that lies in the host's, so that the host's descriptor becomes readable
 * with them, and one look without waiting says who it is.
 *
 *     host.epoll_fd ──┬── event_fd, clock, store
 *                     └── watch_epoll_fd ── fd, fd, …
 *
 * A busy host looks once in so many iterations, or milliseconds: those that are due go first.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>

/* Descriptors of one host: a program that has more has a loop of its own. */
#define WATCHES_MAX 64u
/* Iterations without a look while there is something to run. */
#define BUSY_ITERATIONS_MAX 8u
/* Time without a look, if iterations are long. */
#define BUSY_NS_MAX 5000000u
#define EVENTS_MAX 16

struct watch {
    int fd;
    theater_watch_fn *callback;
    void *userdata;
};

static watch *find(const theater_host *host, int fd)
{
    for (uint32_t i = 0; i < host->watches_count; i++) {
        if (host->watches[i].fd == fd) {
            return &host->watches[i];
        }
    }
    return NULL;
}

static theater_status make_set(theater_host *host, theater_error *err)
{
    if (host->watches != NULL) {
        return THEATER_OK;
    }
    watch *watches = theater__alloc_zeroed(WATCHES_MAX, sizeof(*watches));
    if (watches == NULL) {
        return theater__fail_nomem(err);
    }
    struct epoll_event event = {.events = EPOLLIN};
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    event.data.fd = epoll_fd;
    if (epoll_fd < 0 || epoll_ctl(host->epoll_fd, EPOLL_CTL_ADD, epoll_fd, &event) != 0) {
        theater_status status =
            theater__fail_errno(err, THEATER_ERR_IO, errno, "watching descriptors failed");
        if (epoll_fd >= 0) {
            (void)close(epoll_fd);
        }
        theater__free(watches);
        return status;
    }
    host->watch_epoll_fd = epoll_fd;
    host->watches = watches;
    return THEATER_OK;
}

theater_status theater_host_watch(theater_host *host, int fd, theater_watch_fn *callback,
                                  void *userdata, theater_error *err)
{
    THEATER_ASSERT(host != NULL);
    THEATER_ASSERT(callback != NULL);
    theater_status status = make_set(host, err);
    if (status != THEATER_OK) {
        return status;
    }
    if (find(host, fd) != NULL) {
        return theater__fail(err, THEATER_ERR_EXISTS, "descriptor %d is watched already", fd);
    }
    if (host->watches_count == WATCHES_MAX) {
        return theater__fail(err, THEATER_ERR_LIMIT,
                             "watches_max: a host watches up to %u descriptors", WATCHES_MAX);
    }
    struct epoll_event event = {.events = EPOLLIN};
    event.data.fd = fd;
    if (epoll_ctl(host->watch_epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        return theater__fail_errno(err, THEATER_ERR_INVALID, errno,
                                   "descriptor %d cannot be watched", fd);
    }
    host->watches[host->watches_count++] = (watch){fd, callback, userdata};
    return THEATER_OK;
}

void theater_host_unwatch(theater_host *host, int fd)
{
    THEATER_ASSERT(host != NULL);
    watch *found = find(host, fd);
    if (found != NULL) {
        (void)epoll_ctl(host->watch_epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        *found = host->watches[--host->watches_count];
    }
}

void watches_serve(theater_host *host, bool is_busy)
{
    if (host->watches_count == 0) {
        return;
    }
    theater_mono now = theater__clock_mono(host->clock);
    bool is_long_ago = theater__mono_since_ns(now, host->watched_mono) >= BUSY_NS_MAX;
    host->watch_skips++;
    if (is_busy && host->watch_skips < BUSY_ITERATIONS_MAX && !is_long_ago) {
        return;
    }
    host->watch_skips = 0;
    host->watched_mono = now;
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(host->watch_epoll_fd, events, EVENTS_MAX, 0);
    for (int i = 0; i < count; i++) {
        /* A callback may have ended the watch of one behind it. */
        const watch *found = find(host, events[i].data.fd);
        if (found != NULL) {
            watch called = *found;
            called.callback(called.fd, called.userdata);
        }
    }
}

void watches_free(theater_host *host)
{
    if (host->watches != NULL) {
        (void)close(host->watch_epoll_fd);
        theater__free(host->watches);
        host->watches = NULL;
    }
}
