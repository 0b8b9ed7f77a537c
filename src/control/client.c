/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection. Lines come in through a buffer of one line, replies go out through a queue, and
 * the next line is not looked at while an act is on its way or while the last replies are unread:
 * what a client can make the host keep is one reply, or for a subscriber the queue that publish.c
 * bounds.
 *
 *     socket ─> in[4096] ─> request_answer() ─> out ─> socket
 *                  └── waits while reply != NULL or out is long
 */
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>

/* A queue that grew beyond this gives its memory back when it is empty. */
#define OUT_KEPT_BYTES_MAX ((size_t)16 << 10)

theater_status client_new(theater_control *control, int fd, uid_t uid, client **out_client,
                          theater_error *err)
{
    THEATER_ASSERT(fd >= 0);
    client *c = theater__alloc_zeroed(1, sizeof(*c));
    if (c == NULL) {
        return theater__fail_nomem(err);
    }
    c->control = control;
    c->fd = fd;
    c->uid = uid;
    c->interest = EPOLLIN;
    (void)who_by(uid, uid == 0 ? "root" : control->user, NULL, 0, c->by, NULL);
    struct epoll_event event = {.events = c->interest};
    event.data.ptr = c;
    if (epoll_ctl(control->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        theater__free(c);
        return theater__fail_errno(err, THEATER_ERR_IO, errno, "a client cannot be watched");
    }
    theater__list_push(&control->clients, &c->link);
    control->clients_count++;
    *out_client = c;
    return THEATER_OK;
}

void client_drop(client *c)
{
    theater_control *control = c->control;
    if (c->fd < 0) {
        return;
    }
    (void)close(c->fd); /* and out of the epoll set with it: nobody else has the descriptor */
    c->fd = -1;
    if (c->reply != NULL) {
        c->reply->owner = NULL; /* the act goes on, its end is told to nobody */
        c->reply = NULL;
    }
    control->subscribers_count -= c->is_subscribed;
    c->is_subscribed = false;
    control->clients_count--;
    theater__list_remove(&c->link);
    theater__list_push(&control->gone, &c->link);
}

void client_free(client *c)
{
    THEATER_ASSERT(c->fd < 0);
    theater__list_remove(&c->link);
    theater__buffer_deinit(&c->out);
    theater__free(c);
}

/* ---- out ------------------------------------------------------------------------------------- */

size_t client_unsent(const client *c)
{
    return c->out.size - c->out_sent;
}

void client_put(client *c, const theater__buffer *line)
{
    if (c->fd < 0) {
        return;
    }
    if (c->out_sent > 0 && c->out_sent >= client_unsent(c)) {
        size_t left = client_unsent(c);
        memmove(c->out.data, c->out.data + c->out_sent, left);
        c->out.size = left;
        c->out_sent = 0;
    }
    theater__buffer_put(&c->out, line->data, line->size);
    theater__buffer_put_u8(&c->out, '\n');
    if (line->failed || c->out.failed) {
        client_drop(c); /* without memory a reply cannot be whole */
    }
}

/* Sends what the socket takes. False: dropped. */
static bool flush(client *c)
{
    while (client_unsent(c) > 0) {
        ssize_t sent =
            send(c->fd, c->out.data + c->out_sent, client_unsent(c), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0 && errno == EAGAIN) {
            return true;
        }
        if (sent < 0) {
            client_drop(c);
            return false;
        }
        c->out_sent += (size_t)sent;
    }
    c->out_sent = 0;
    if (c->out.capacity > OUT_KEPT_BYTES_MAX) {
        theater__buffer_deinit(&c->out);
        memset(&c->out, 0, sizeof(c->out));
    }
    theater__buffer_clear(&c->out);
    return true;
}

/* ---- in -------------------------------------------------------------------------------------- */

/* False: dropped. */
static bool receive(client *c)
{
    size_t room = sizeof(c->in) - c->in_size;
    if (room == 0 || c->is_eof || c->is_closing) {
        return true;
    }
    ssize_t got = recv(c->fd, c->in + c->in_size, room, MSG_DONTWAIT);
    if (got < 0 && errno != EAGAIN && errno != EINTR) {
        client_drop(c);
        return false;
    }
    if (got > 0) {
        c->in_size += (size_t)got;
        theater__list_remove(&c->link); /* it is no longer the one that was silent longest */
        theater__list_push(&c->control->clients, &c->link);
    }
    c->is_eof = got == 0;
    return true;
}

static size_t line_size(const client *c)
{
    const char *end = c->in_size > 0 ? memchr(c->in, '\n', c->in_size) : NULL;
    return end != NULL ? (size_t)(end - c->in) + 1 : 0;
}

static bool is_held(const client *c)
{
    return c->reply != NULL || c->is_closing || client_unsent(c) > OUT_BYTES_LOW;
}

/* Answers one line. False: there is none to be answered now. */
static bool answer_next(client *c)
{
    if (c->fd < 0 || is_held(c)) {
        return false;
    }
    size_t size = line_size(c);
    if (size == 0 && c->in_size == sizeof(c->in)) {
        request_refuse(c, THEATER_ERR_LIMIT, "line_bytes_max: a request has at most 4096 bytes");
        return false;
    }
    if (size == 0) {
        return false;
    }
    char line[LINE_BYTES_MAX];
    memcpy(line, c->in, size - 1);
    memmove(c->in, c->in + size, c->in_size - size);
    c->in_size -= size;
    request_answer(c, line, size - 1);
    return true;
}

/* ---- both ------------------------------------------------------------------------------------ */

/* Looks for what can be done: a line that was left for later is begun when it can be answered. */
static void set_interest(client *c)
{
    bool wants_in = !c->is_eof && !c->is_closing && c->in_size < sizeof(c->in);
    bool wants_out = client_unsent(c) > 0 || (!is_held(c) && line_size(c) > 0);
    uint32_t interest = (wants_in ? (uint32_t)EPOLLIN : 0) | (wants_out ? (uint32_t)EPOLLOUT : 0);
    if (interest == c->interest) {
        return;
    }
    struct epoll_event event = {.events = interest};
    event.data.ptr = c;
    if (epoll_ctl(c->control->epoll_fd, EPOLL_CTL_MOD, c->fd, &event) != 0) {
        client_drop(c);
        return;
    }
    c->interest = interest;
}

void client_advance(client *c)
{
    if (c->fd < 0 || !flush(c)) {
        return;
    }
    for (uint32_t i = 0; i < REQUESTS_BUDGET && answer_next(c); i++) {
        if (c->fd < 0 || !flush(c)) {
            return;
        }
    }
    if (c->fd < 0 || !flush(c)) {
        return;
    }
    bool has_more = c->reply != NULL || c->is_subscribed || line_size(c) > 0;
    if (client_unsent(c) == 0 && (c->is_closing || (c->is_eof && !has_more))) {
        client_drop(c);
        return;
    }
    set_interest(c);
}

void client_serve(client *c, uint32_t events)
{
    THEATER_ASSERT(c->fd >= 0);
    if (!receive(c)) {
        return;
    }
    client_advance(c);
    /* Gone, in both directions: what it asked for has begun, nobody can be told of it. */
    if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
        client_drop(c);
    }
}
