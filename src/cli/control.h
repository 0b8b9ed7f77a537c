/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket from both sides: hosts of `run` and `resume` open one beside their log, and
 * the commands that look or act ask it first. The protocol is docs/formats/control.md; its replies
 * are read with json-c, as strictly as if they were a guest's.
 */
#ifndef CLI_CONTROL_H
#define CLI_CONTROL_H

#include "output.h"
#include "stores.h"

#include <json-c/json.h>

/* "DIR/control.sock" and its NUL. */
#define CLI_CONTROL_PATH_MAX (CLI_URL_MAX + 16)
/* A reply: a page of 256 actors has some 80 KiB, with every reason for parking 150. */
#define CLI_REPLY_BYTES_MAX ((size_t)1 << 20)
/* Who only looks has the disk to look at as well. */
#define CLI_LOOK_SECONDS_MAX 2
/* The event of an act may wait for a slow disk and for a guest's turn. */
#define CLI_ACT_SECONDS_MAX 30

typedef struct cli_control {
    int fd; /* -1: no host answers */
    char *in;
    size_t in_size;
} cli_control;

/* Where the control socket of a store is; false: such stores have none. */
bool cli_control_path(const cli_url *url, char *out_path, size_t size);

/*
 * Connects to the host that runs a store. OK; NOTFOUND: there is none; otherwise it cannot be
 * asked, and err says why.
 */
theater_status cli_control_connect(const cli_url *url, int seconds_max, cli_control *out_control,
                                   theater_error *err);
void cli_control_close(cli_control *control);

/*
 * Sends one line and reads one. The reply is the caller's to put. A failure that the host answered
 * is a failure of this function, with its status and message; CLOSED and TIMEOUT: it did not
 * answer.
 */
theater_status cli_control_ask(cli_control *control, const char *request,
                               struct json_object **out_reply, theater_error *err);

/* An actor as a reply has it. Texts borrow from the object. */
theater_status cli_control_actor(struct json_object *object, theater_actor_info *out_info,
                                 theater_error *err);

/* Visits the actors of the host that runs a store, page by page. */
theater_status cli_control_visit(cli_control *control, theater_actor_visit_fn *visit,
                                 void *userdata, theater_error *err);

#endif
