/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The desk (desk.h): nothing here blocks for longer than a millisecond, since the host and its
 * clients share the thread, and whoever waits for the other pumps it.
 */
#include "desk.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Iterations after which a test is taken to hang. */
#define PUMPS_MAX 200000

/* ---- the host -------------------------------------------------------------------------------- */

static bool on_finished(const theater_finished *finished, void *userdata)
{
    desk *d = userdata;
    d->finished_count++;
    if (d->control != NULL) {
        theater_control_finished(d->control, finished);
    }
    return true;
}

static void on_line(const theater_runtime_line *line, void *userdata)
{
    desk *d = userdata;
    d->lines_count++;
    if (d->control != NULL) {
        theater_control_line(d->control, line);
    }
}

void desk_open_host(desk *d, bool is_frozen)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    options.store_url = d->url;
    options.compiler_path = COMPILER;
    options.is_frozen = is_frozen;
    assert_int_equal(theater_host_new(&options, &d->host, &err), THEATER_OK);
    theater_timing_host_config config = THEATER_TIMING_HOST_CONFIG_INIT;
    theater_timing_host *timing = NULL;
    assert_int_equal(theater_timing_host_new(&config, &timing, &err), THEATER_OK);
    theater_handler handler = theater_timing_host_handler(timing);
    assert_int_equal(theater_host_add_handler(d->host, &handler, &err), THEATER_OK);
    assert_int_equal(theater_runtime_handler(on_line, d, &handler, &err), THEATER_OK);
    assert_int_equal(theater_host_add_handler(d->host, &handler, &err), THEATER_OK);
    theater_host_on_finished(d->host, on_finished, d);
    if (theater_host_open(d->host, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
}

void desk_open(desk *d, const theater_control_options *options)
{
    theater_error err = THEATER_ERROR_INIT;
    memset(d, 0, sizeof(*d));
    (void)snprintf(d->directory, sizeof(d->directory), "/tmp/theater-control-XXXXXX");
    assert_non_null(mkdtemp(d->directory));
    (void)snprintf(d->url, sizeof(d->url), "log:%s/s", d->directory);
    (void)snprintf(d->path, sizeof(d->path), "%s/control.sock", d->directory);
    desk_open_host(d, false);
    if (theater_control_open(d->host, d->path, options, &d->control, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
}

void desk_close_host(desk *d)
{
    theater_control_close(d->control);
    d->control = NULL;
    theater_host_free(d->host);
    d->host = NULL;
}

void desk_close(desk *d)
{
    char command[sizeof(d->directory) + 16];
    desk_close_host(d);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", d->directory);
    assert_int_equal(system(command), 0);
}

theater_id desk_spawn(desk *d, const char *directory, const char *guest, const char *export_name,
                      const char *args)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_actor_component *component = NULL;
    theater_spawn_options options = THEATER_SPAWN_OPTIONS_INIT;
    theater_id id;
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", directory, guest);
    options.export_name = export_name;
    options.args_json = args;
    if (theater_host_load_component_file(d->host, path, &component, &err) != THEATER_OK ||
        theater_host_spawn(d->host, component, &options, &id, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
    return id;
}

void desk_pump(desk *d)
{
    theater_error err = THEATER_ERROR_INIT;
    struct pollfd ready = {theater_host_fd(d->host), POLLIN, 0};
    (void)poll(&ready, 1, 1);
    if (theater_host_dispatch(d->host, NULL, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
}

void desk_until(desk *d, theater_id id, theater_actor_state state)
{
    theater_actor_info info;
    for (int i = 0; i < PUMPS_MAX; i++) {
        desk_pump(d);
        assert_int_equal(theater_host_actor(d->host, id, &info, NULL), THEATER_OK);
        if (info.state == state) {
            return;
        }
    }
    fail_msg("the actor stays %s", theater_actor_state_name(info.state));
}

typedef struct text_buffer {
    char *data;
    size_t size;
} text_buffer;

static int append_text(const void *data, size_t size, void *userdata)
{
    text_buffer *text = userdata;
    text->data = realloc(text->data, text->size + size + 1);
    assert_non_null(text->data);
    memcpy(text->data + text->size, data, size);
    text->size += size;
    text->data[text->size] = '\0';
    return 0;
}

unsigned desk_occurrences(const desk *d, theater_id id, const char *text)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_chain *chain = NULL;
    text_buffer lines = {NULL, 0};
    if (theater_chain_open_store(d->url, id, &chain, &err) != THEATER_OK ||
        theater_chain_export(chain, THEATER_CHAIN_JSONL, append_text, &lines, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
    unsigned count = 0;
    for (const char *at = lines.data; (at = strstr(at, text)) != NULL; at += strlen(text)) {
        count++;
    }
    free(lines.data);
    theater_chain_free(chain);
    return count;
}

/* ---- callers --------------------------------------------------------------------------------- */

void caller_open(desk *d, caller *c)
{
    theater_error err = THEATER_ERROR_INIT;
    memset(c, 0, sizeof(*c));
    if (theater_control_connect(d->path, &c->fd, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(fcntl(c->fd, F_SETFL, O_NONBLOCK), 0);
    c->in = calloc(1, DESK_LINE_MAX + 1);
    assert_non_null(c->in);
}

void caller_close(caller *c)
{
    assert_int_equal(close(c->fd), 0);
    free(c->in);
    c->in = NULL;
}

void caller_send(desk *d, caller *c, const void *data, size_t size)
{
    const char *at = data;
    for (int i = 0; i < PUMPS_MAX && size > 0; i++) {
        ssize_t sent = send(c->fd, at, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) {
            return; /* refused: caller_line() says so */
        }
        at += sent > 0 ? sent : 0;
        size -= sent > 0 ? (size_t)sent : 0;
        desk_pump(d);
    }
    assert_int_equal(size, 0);
}

const char *caller_line(desk *d, caller *c)
{
    static char line[DESK_LINE_MAX + 1];
    for (int i = 0; i < PUMPS_MAX; i++) {
        char *end = memchr(c->in, '\n', c->in_size);
        if (end != NULL) {
            size_t size = (size_t)(end - c->in);
            memcpy(line, c->in, size);
            line[size] = '\0';
            c->in_size -= size + 1;
            memmove(c->in, end + 1, c->in_size);
            return line;
        }
        if (c->is_over) {
            return NULL;
        }
        ssize_t got = recv(c->fd, c->in + c->in_size, DESK_LINE_MAX - c->in_size, 0);
        c->is_over = got == 0 || (got < 0 && errno != EAGAIN);
        c->in_size += got > 0 ? (size_t)got : 0;
        desk_pump(d);
    }
    fail_msg("the host does not answer");
    return NULL;
}

const char *caller_ask(desk *d, caller *c, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof(text) - 1, format, args);
    va_end(args);
    assert_true(size > 0 && (size_t)size < sizeof(text) - 1);
    text[size] = '\n';
    caller_send(d, c, text, (size_t)size + 1);
    return caller_line(d, c);
}
