/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking a running host. Every wait has an end: a host that is stopped or busy keeps a command that
 * looks for two seconds, one that acts for thirty.
 */
#include "control.h"

#include "memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define SOCKET_NAME "control.sock"
/* Objects in lists in an object; values of guests do not come this way. */
#define REPLY_DEPTH_MAX 8
#define REQUEST_BYTES_MAX 256

bool cli_control_path(const cli_url *url, char *out_path, size_t size)
{
    const char *directory = cli_store_directory(url);
    if (directory == NULL || directory[0] == '\0') {
        return false;
    }
    int length = snprintf(out_path, size, "%s/%s", directory, SOCKET_NAME);
    return length > 0 && (size_t)length < size;
}

static theater_status fail(theater_error *err, theater_status status, const char *message)
{
    err->status = status;
    err->os_errno = 0;
    (void)snprintf(err->message, sizeof(err->message), "%s", message);
    return status;
}

theater_status cli_control_connect(const cli_url *url, int seconds_max, cli_control *out_control,
                                   theater_error *err)
{
    char path[CLI_CONTROL_PATH_MAX];
    int fd = -1;
    if (!cli_control_path(url, path, sizeof(path))) {
        return fail(err, THEATER_ERR_NOTFOUND, "such a store has no control socket");
    }
    theater_status status = theater_control_connect(path, &fd, err);
    if (status != THEATER_OK) {
        return status;
    }
    struct timeval patience = {.tv_sec = seconds_max};
    char *in = cli_grow(NULL, 0, CLI_REPLY_BYTES_MAX, 1);
    if (in == NULL || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0) {
        (void)close(fd);
        cli_release(in);
        return fail(err, THEATER_ERR_NOMEM, theater_status_text(THEATER_ERR_NOMEM));
    }
    *out_control = (cli_control){.fd = fd, .in = in};
    return THEATER_OK;
}

void cli_control_close(cli_control *control)
{
    if (control->fd >= 0) {
        (void)close(control->fd);
        cli_release(control->in);
        control->in = NULL;
        control->fd = -1;
    }
}

/* ---- one line each way ----------------------------------------------------------------------- */

static theater_status fail_unanswered(theater_error *err, int error)
{
    if (error == EAGAIN) {
        return fail(
            err, THEATER_ERR_TIMEOUT,
            "the host of the store did not answer in time; what was asked may still happen");
    }
    return fail(err, THEATER_ERR_CLOSED,
                "the host of the store went away before it answered; see theater show");
}

static theater_status send_line(cli_control *control, const char *request, theater_error *err)
{
    size_t size = strlen(request);
    size_t sent = 0;
    while (sent < size) {
        ssize_t step = send(control->fd, request + sent, size - sent, MSG_NOSIGNAL);
        if (step < 0 && errno != EINTR) {
            return fail_unanswered(err, errno);
        }
        sent += step > 0 ? (size_t)step : 0;
    }
    return THEATER_OK;
}

/* The first line, without its newline; *out_size with it. */
static theater_status receive_line(cli_control *control, size_t *out_size, theater_error *err)
{
    size_t seen = 0;
    for (;;) {
        const char *end = control->in_size > seen
                              ? memchr(control->in + seen, '\n', control->in_size - seen)
                              : NULL;
        if (end != NULL) {
            *out_size = (size_t)(end - control->in) + 1;
            return THEATER_OK;
        }
        seen = control->in_size;
        if (seen == CLI_REPLY_BYTES_MAX) {
            return fail(err, THEATER_ERR_LIMIT, "the host's reply is too long");
        }
        ssize_t got = recv(control->fd, control->in + seen, CLI_REPLY_BYTES_MAX - seen, 0);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return fail_unanswered(err, got == 0 ? EPIPE : errno);
        }
        control->in_size += got > 0 ? (size_t)got : 0;
    }
}

static const char *text_of(struct json_object *object, const char *key)
{
    struct json_object *found = NULL;
    bool is_text = json_object_object_get_ex(object, key, &found) &&
                   json_object_is_type(found, json_type_string);
    return is_text ? json_object_get_string(found) : NULL;
}

static bool number_of(struct json_object *object, const char *key, uint64_t *out_number)
{
    struct json_object *found = NULL;
    if (!json_object_object_get_ex(object, key, &found) ||
        !json_object_is_type(found, json_type_int)) {
        return false;
    }
    *out_number = json_object_get_uint64(found);
    return true;
}

static struct json_object *parse(const char *line, size_t size)
{
    struct json_tokener *tokener = json_tokener_new_ex(REPLY_DEPTH_MAX);
    if (tokener == NULL) {
        return NULL;
    }
    struct json_object *object = json_tokener_parse_ex(tokener, line, (int)size);
    if (json_tokener_get_error(tokener) != json_tokener_success ||
        !json_object_is_type(object, json_type_object)) {
        (void)json_object_put(object);
        object = NULL;
    }
    json_tokener_free(tokener);
    return object;
}

/* The failure that a reply tells of; OK if it tells of none. */
static theater_status judge(struct json_object *reply, theater_error *err)
{
    struct json_object *is_ok = NULL;
    struct json_object *code = NULL;
    if (json_object_object_get_ex(reply, "ok", &is_ok) && json_object_get_boolean(is_ok)) {
        return THEATER_OK;
    }
    const char *message = text_of(reply, "message");
    int number = json_object_object_get_ex(reply, "code", &code) ? json_object_get_int(code) : 0;
    return fail(err, number < 0 ? (theater_status)number : THEATER_ERR_INTERNAL,
                message != NULL ? message : "the host's reply cannot be read");
}

theater_status cli_control_ask(cli_control *control, const char *request,
                               struct json_object **out_reply, theater_error *err)
{
    size_t size = 0;
    theater_status status = send_line(control, request, err);
    if (status == THEATER_OK) {
        status = receive_line(control, &size, err);
    }
    if (status != THEATER_OK) {
        return status;
    }
    struct json_object *reply = parse(control->in, size);
    memmove(control->in, control->in + size, control->in_size - size);
    control->in_size -= size;
    if (reply == NULL) {
        return fail(err, THEATER_ERR_INTERNAL, "the host's reply is no JSON");
    }
    status = judge(reply, err);
    if (status != THEATER_OK) {
        (void)json_object_put(reply);
        return status;
    }
    *out_reply = reply;
    return THEATER_OK;
}

/* ---- actors ---------------------------------------------------------------------------------- */

static bool state_of(const char *name, theater_actor_state *out_state)
{
    for (int state = THEATER_ACTOR_RUNNING; state <= THEATER_ACTOR_ENDED && name != NULL; state++) {
        if (strcmp(theater_actor_state_name((theater_actor_state)state), name) == 0) {
            *out_state = (theater_actor_state)state;
            return true;
        }
    }
    return false;
}

theater_status cli_control_actor(struct json_object *object, theater_actor_info *out_info,
                                 theater_error *err)
{
    theater_actor_info info = {0};
    struct json_object *resident = NULL;
    const char *id = text_of(object, "id");
    const char *head = text_of(object, "head");
    if (id == NULL || theater_id_parse(id, &info.id, NULL) != THEATER_OK || head == NULL ||
        theater_head_parse(head, &info.head, NULL) != THEATER_OK ||
        !state_of(text_of(object, "state"), &info.state)) {
        return fail(err, THEATER_ERR_INTERNAL, "the host's reply has no actor in it");
    }
    info.is_resident = json_object_object_get_ex(object, "resident", &resident) &&
                       json_object_get_boolean(resident);
    info.has_due = number_of(object, "due", &info.due.ms);
    info.parked_reason = text_of(object, "parked");
    (void)number_of(object, "wait", &info.wait_seq);
    *out_info = info;
    return THEATER_OK;
}

/* One page; *position moves on, *out_more says whether there is another. */
static theater_status visit_page(struct json_object *reply, theater_actor_visit_fn *visit,
                                 void *userdata, uint64_t *position, bool *out_more,
                                 theater_error *err)
{
    struct json_object *actors = NULL;
    uint64_t next = 0;
    *out_more = number_of(reply, "next", &next) && next > *position;
    *position = next;
    if (!json_object_object_get_ex(reply, "actors", &actors) ||
        !json_object_is_type(actors, json_type_array)) {
        return fail(err, THEATER_ERR_INTERNAL, "the host's reply has no actors in it");
    }
    for (size_t i = 0; i < json_object_array_length(actors); i++) {
        theater_actor_info info;
        theater_status status = cli_control_actor(json_object_array_get_idx(actors, i), &info, err);
        if (status != THEATER_OK) {
            return status;
        }
        if (visit(&info, userdata) != 0) {
            *out_more = false;
            break;
        }
    }
    return THEATER_OK;
}

theater_status cli_control_visit(cli_control *control, theater_actor_visit_fn *visit,
                                 void *userdata, theater_error *err)
{
    uint64_t position = 0;
    bool has_more = true;
    theater_status status = THEATER_OK;
    while (has_more && status == THEATER_OK) {
        char request[REQUEST_BYTES_MAX];
        struct json_object *reply = NULL;
        (void)snprintf(request, sizeof(request), "{\"do\":\"ps\",\"from\":%" PRIu64 "}\n",
                       position);
        status = cli_control_ask(control, request, &reply, err);
        if (status == THEATER_OK) {
            status = visit_page(reply, visit, userdata, &position, &has_more, err);
            (void)json_object_put(reply);
        }
    }
    return status;
}
