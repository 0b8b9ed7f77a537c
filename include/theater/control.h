/* SPDX-License-Identifier: Apache-2.0 */
/**
 * \file control.h
 * \brief A control socket: looking at the actors of a running host, and acting on them.
 *
 * \code
 * theater_host_open → theater_control_open → theater_host_run … → theater_control_close
 * \endcode
 *
 * The socket lies in the file system, is readable by its owner alone, and answers its owner and
 * root alone. A request is one line of JSON, its reply is one line of JSON
 * (docs/formats/control.md). The host's own loop serves it, a few requests at a time; a client that
 * is slow, silent or gone costs the host nothing but a bounded queue. All functions belong to the
 * host's owner thread.
 */
#ifndef THEATER_CONTROL_H
#define THEATER_CONTROL_H

#include <theater/host.h>
#include <theater/runtime.h>

THEATER_BEGIN_DECLS

/** A control socket that is open. */
typedef struct theater_control theater_control;

/** Settings of a control socket. Start from THEATER_CONTROL_OPTIONS_INIT. */
typedef struct theater_control_options {
    size_t struct_size;
    uint32_t clients_max;     /**< connections at once; 0: 32. One more and the one that was silent
                                   longest makes room */
    uint32_t queue_bytes_max; /**< what a subscriber may leave unread; 0: 262144 */
} theater_control_options;
#define THEATER_CONTROL_OPTIONS_INIT          \
    {                                         \
        sizeof(theater_control_options), 0, 0 \
    }

/** Bytes of who did something, as it stands in a chain, terminating NUL included. */
#define THEATER_CONTROL_BY_SIZE 64

/**
 * \brief Opens a control socket and has the host's loop serve it.
 *
 * The socket of a process that died is replaced, one that answers is not. Paths of any length are
 * fine.
 *
 * \param host        borrowed until theater_control_close()
 * \param path        such as DIR/control.sock in the directory of the store
 * \param options     NULL for the defaults
 * \param out_control set on success; to be closed before the host is freed
 * \param err         optional
 * \retval THEATER_ERR_EXISTS  somebody answers there, or something else has that name
 * \retval THEATER_ERR_INVALID everybody may write in that directory
 * \retval THEATER_ERR_IO      the socket cannot be made
 */
THEATER_API theater_status theater_control_open(theater_host *host, const char *path,
                                                const theater_control_options *options,
                                                theater_control **out_control, theater_error *err);
/** \brief Drops all clients and removes the socket. Accepts NULL. */
THEATER_API void theater_control_close(theater_control *control);

/** \brief Passes the end of an actor on to subscribers; call it in theater_finished_fn. */
THEATER_API void theater_control_finished(theater_control *control,
                                          const theater_finished *finished);
/** \brief Passes a line on to subscribers; call it in theater_runtime_log_fn. */
THEATER_API void theater_control_line(theater_control *control, const theater_runtime_line *line);

/**
 * \brief Connects to the control socket of another process, and makes sure whose it is.
 * \param path   as it was opened
 * \param out_fd set on success: a blocking stream socket, the caller's to close
 * \param err    optional
 * \retval THEATER_ERR_NOTFOUND nobody answers there: no socket, or that of a dead process
 * \retval THEATER_ERR_INVALID  it belongs neither to this user nor to root
 */
THEATER_API theater_status theater_control_connect(const char *path, int *out_fd,
                                                   theater_error *err);

/**
 * \brief Who this process is, in the words that a control socket would use: `uid 1000 (ann)`, with
 *        a name `uid 1000 (ann): deploy`.
 * \param name   NULL, or at most 24 bytes of UTF-8 without control characters
 * \param out_by set on success
 * \param err    optional
 * \retval THEATER_ERR_INVALID the name is none
 */
THEATER_API theater_status theater_control_by(const char *name,
                                              char out_by[THEATER_CONTROL_BY_SIZE],
                                              theater_error *err);

THEATER_END_DECLS
#endif
