/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room share.
 *
 *   control.c   opening, the room's own epoll set, who comes and who goes
 *   client.c    one connection: lines in, a bounded queue out
 *   request.c   one line: what is asked, what is answered
 *   publish.c   what subscribers are told
 *   socket.c    the name in the file system, and who is at the other end
 *   who.c       who did it, as it stands in a chain
 *
 *     host's loop ── watch ── epoll_fd ──┬── listening socket
 *                                        └── client, client, …
 *
 * A client's requests are answered in order: while an act is on its way, or while replies are
 * unread, no further line of that client is taken up. So its queue is bounded without a count, but
 * for a subscriber, who is told that it lags, and is let go.
 */
#ifndef CONTROL_INTERNAL_H
#define CONTROL_INTERNAL_H

#include <sys/stat.h>
#include <sys/types.h>

#include <base/bytes.h>
#include <base/list.h>
#include <theater/control.h>

/* Of the protocol; docs/formats/control.md. */
#define PROTOCOL_VERSION 1u
/* Connections at once, each with a buffer of a line: a person and some tools. */
#define CLIENTS_MAX_DEFAULT 32u
/* A request: the longest has an id and a name. Its newline counts. */
#define LINE_BYTES_MAX 4096u
/* A request is an object of plain values. */
#define JSON_DEPTH_MAX 4
/* Actors in one reply to `ps`: some 80 KiB. */
#define PAGE_ACTORS_MAX 256u
/* Unsent bytes behind which a client's next request waits. */
#define OUT_BYTES_LOW ((size_t)16 << 10)
/* Requests of one client in one iteration of the host. */
#define REQUESTS_BUDGET 8u
/* Unsent bytes behind which a subscriber lags. */
#define QUEUE_BYTES_MAX_DEFAULT (256u << 10)
/* A result or a line that is longer is left out of its event, which says so: the chain has it. */
#define PUBLISHED_BYTES_MAX ((size_t)64 << 10)
/* Connections taken in one iteration of the host. */
#define ACCEPTS_BUDGET 8u
/* Bytes of the user's name, and of the name that a client gives itself: both fit into `by`. */
#define USER_BYTES_MAX 20u
#define NAME_BYTES_MAX 24u
/* "control.sock", with room. */
#define SOCKET_NAME_MAX 64u

typedef struct client client;

/* A reply that waits until what it says is durable: of an act whose event is under way, or of a
 * look, which is composed already. Outlives its client. */
typedef struct pending {
    client *owner; /* NULL: it has gone */
    char by[THEATER_CONTROL_BY_SIZE];
    theater__buffer line; /* a look's */
} pending;

struct client {
    theater__list link; /* in control.clients, or .gone */
    theater_control *control;
    int fd;
    uid_t uid;
    char by[THEATER_CONTROL_BY_SIZE]; /* without a name of its own */
    char in[LINE_BYTES_MAX];
    size_t in_size;
    theater__buffer out;
    size_t out_sent;
    uint32_t interest; /* what epoll looks for */
    pending *reply;    /* NULL: none is waited for */
    bool is_subscribed;
    bool is_eof;     /* it sends no more */
    bool is_closing; /* to be dropped when all is sent */
};

typedef struct control_socket {
    int fd;
    int directory_fd;
    char name[SOCKET_NAME_MAX];
    dev_t device; /* what it is to be removed by: another may have taken the name */
    ino_t inode;
} control_socket;

struct theater_control {
    theater_host *host;
    control_socket socket;
    int epoll_fd;
    int spare_fd; /* to be spent when no other is left */
    bool is_watched;
    theater__list clients; /* who was silent longest comes first */
    theater__list gone;    /* dropped; freed when nobody can name them any more */
    uint32_t clients_count;
    uint32_t subscribers_count;
    uint32_t clients_max;
    uint32_t queue_bytes_max;
    uid_t uid;
    char user[USER_BYTES_MAX + 1];
};

/* ---- socket.c ---- */
theater_status socket_listen(const char *path, control_socket *out_socket, theater_error *err);
void socket_close(control_socket *socket);
/* The user at the other end. */
theater_status socket_peer(int fd, uid_t *out_uid, theater_error *err);

/* ---- who.c ---- */
void who_user(uid_t uid, char out_user[USER_BYTES_MAX + 1]);
theater_status who_by(uid_t uid, const char *user, const char *name, size_t name_size,
                      char out_by[THEATER_CONTROL_BY_SIZE], theater_error *err);

/* ---- client.c ---- */
theater_status client_new(theater_control *control, int fd, uid_t uid, client **out_client,
                          theater_error *err);
/* Readable or writable. May drop it. */
void client_serve(client *c, uint32_t events);
/* Takes up what waits, sends what can be sent. May drop it. */
void client_advance(client *c);
/* Puts a line into the queue; a newline is added. Call client_advance() afterwards. */
void client_put(client *c, const theater__buffer *line);
size_t client_unsent(const client *c);
/* Closes it; the memory stays until control_reap(). */
void client_drop(client *c);
void client_free(client *c);

/* ---- request.c ---- */
/* Answers one line, or begins the act whose end will answer it. */
void request_answer(client *c, const char *line, size_t size);
void request_refuse(client *c, theater_status status, const char *message);

/* ---- control.c ---- */
void control_reap(theater_control *control);

/* ---- words of JSON ---- */
void json_put(theater__buffer *line, const char *text);
void json_put_u64(theater__buffer *line, uint64_t number);
void json_put_text(theater__buffer *line, const char *text);
void json_put_id(theater__buffer *line, theater_id id);
void json_put_head(theater__buffer *line, const theater_head *head);

#endif
