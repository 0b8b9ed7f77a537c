/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket of a host: opening, closing, and letting clients in. The room has an epoll set
 * of its own, which the host's loop watches: the host does not know that there are clients.
 *
 * Nobody waits here. A client that is dropped is freed at the end of the iteration, since the
 * events that were fetched with its last one may still name it.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>

#define EVENTS_MAX 16
#define CLIENTS_MAX 1024u
#define QUEUE_BYTES_MAX (64u << 20)

void control_reap(theater_control *control)
{
    while (!theater__list_empty(&control->gone)) {
        client_free(THEATER__LIST_OWNER(control->gone.next, client, link));
    }
}

/* ---- letting in ------------------------------------------------------------------------------ */

/* Who was silent longest, wants nothing and is told nothing, makes room. */
static bool make_room(theater_control *control)
{
    for (theater__list *at = control->clients.next; at != &control->clients; at = at->next) {
        client *c = THEATER__LIST_OWNER(at, client, link);
        if (c->reply == NULL && !c->is_subscribed) {
            client_drop(c);
            return true;
        }
    }
    return false;
}

/* The client may be gone: then it is told nothing. */
static void refuse(int fd, const char *message)
{
    theater__buffer line = {0};
    json_put(&line, "{\"ok\":false,\"status\":\"THEATER_ERR_LIMIT\",\"code\":-2,\"message\":");
    json_put_text(&line, message);
    json_put(&line, "}\n");
    if (!line.failed) {
        (void)!send(fd, line.data, line.size, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    theater__buffer_deinit(&line);
    (void)close(fd);
}

static void let_in(theater_control *control, int fd)
{
    uid_t uid = 0;
    theater_error error = THEATER_ERROR_INIT;
    client *c = NULL;
    if (socket_peer(fd, &uid, &error) != THEATER_OK || (uid != control->uid && uid != 0)) {
        theater_host_log(control->host, THEATER_LOG_WARNING,
                         "user %lu was not let in to the control socket", (unsigned long)uid);
        (void)close(fd);
        return;
    }
    if (control->clients_count >= control->clients_max && !make_room(control)) {
        refuse(fd, "clients_max: as many clients as there may be wait or listen");
        return;
    }
    if (client_new(control, fd, uid, &c, &error) != THEATER_OK) {
        refuse(fd, error.message);
    }
}

/*
 * Without a descriptor to spare the waiting client would wake the loop for ever: the one that was
 * put by is spent on turning it away.
 */
static void turn_away(theater_control *control)
{
    if (control->spare_fd >= 0) {
        (void)close(control->spare_fd);
    }
    int fd = accept4(control->socket.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        refuse(fd, "the host has no file descriptor left");
    }
    control->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void accept_some(theater_control *control)
{
    for (uint32_t i = 0; i < ACCEPTS_BUDGET; i++) {
        int fd = accept4(control->socket.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            let_in(control, fd);
        } else if (errno == EMFILE || errno == ENFILE) {
            turn_away(control);
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

static void on_readable(int fd, void *userdata)
{
    theater_control *control = userdata;
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(fd, events, EVENTS_MAX, 0);
    for (int i = 0; i < count; i++) {
        client *c = events[i].data.ptr;
        if (c == NULL) {
            accept_some(control);
        } else if (c->fd >= 0) {
            client_serve(c, events[i].events);
        }
    }
    control_reap(control);
}

/* ---- opening and closing --------------------------------------------------------------------- */

static theater_status take_options(theater_control *control, const theater_control_options *options,
                                   theater_error *err)
{
    control->clients_max = CLIENTS_MAX_DEFAULT;
    control->queue_bytes_max = QUEUE_BYTES_MAX_DEFAULT;
    if (options == NULL) {
        return THEATER_OK;
    }
    if (options->struct_size != sizeof(*options)) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "the options were not made with THEATER_CONTROL_OPTIONS_INIT");
    }
    if (options->clients_max > CLIENTS_MAX || options->queue_bytes_max > QUEUE_BYTES_MAX) {
        return theater__fail(err, THEATER_ERR_LIMIT,
                             "clients_max is at most %u, queue_bytes_max at most %u", CLIENTS_MAX,
                             QUEUE_BYTES_MAX);
    }
    if (options->clients_max != 0) {
        control->clients_max = options->clients_max;
    }
    if (options->queue_bytes_max != 0) {
        control->queue_bytes_max = options->queue_bytes_max;
    }
    return THEATER_OK;
}

static theater_status begin(theater_control *control, const char *path, theater_error *err)
{
    control->uid = geteuid();
    who_user(control->uid, control->user);
    theater_status status = socket_listen(path, &control->socket, err);
    if (status != THEATER_OK) {
        return status;
    }
    control->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    control->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    event.data.ptr = NULL;
    if (control->epoll_fd < 0 ||
        epoll_ctl(control->epoll_fd, EPOLL_CTL_ADD, control->socket.fd, &event) != 0) {
        return theater__fail_errno(err, THEATER_ERR_IO, errno,
                                   "the control socket cannot be watched");
    }
    status = theater_host_watch(control->host, control->epoll_fd, on_readable, control, err);
    control->is_watched = status == THEATER_OK;
    return status;
}

theater_status theater_control_open(theater_host *host, const char *path,
                                    const theater_control_options *options,
                                    theater_control **out_control, theater_error *err)
{
    THEATER_ASSERT(host != NULL && path != NULL);
    THEATER_ASSERT(out_control != NULL);
    theater_control *control = theater__alloc_zeroed(1, sizeof(*control));
    if (control == NULL) {
        return theater__fail_nomem(err);
    }
    control->host = host;
    control->socket.fd = -1;
    control->epoll_fd = -1;
    control->spare_fd = -1;
    theater__list_init(&control->clients);
    theater__list_init(&control->gone);
    theater_status status = take_options(control, options, err);
    if (status == THEATER_OK) {
        status = begin(control, path, err);
    }
    if (status != THEATER_OK) {
        theater_control_close(control);
        return status;
    }
    *out_control = control;
    return THEATER_OK;
}

void theater_control_close(theater_control *control)
{
    if (control == NULL) {
        return;
    }
    if (control->is_watched) {
        theater_host_unwatch(control->host, control->epoll_fd);
    }
    socket_close(&control->socket);
    while (!theater__list_empty(&control->clients)) {
        client_drop(THEATER__LIST_OWNER(control->clients.next, client, link));
    }
    control_reap(control);
    THEATER_ASSERT(control->clients_count == 0 && control->subscribers_count == 0);
    if (control->epoll_fd >= 0) {
        (void)close(control->epoll_fd);
    }
    if (control->spare_fd >= 0) {
        (void)close(control->spare_fd);
    }
    theater__free(control);
}
