/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One or many hosts driven by one poll loop: `run` has one, `resume` one for each store.
 *
 *     poll(fd of the interrupt, fd of host 1, fd of host 2, …)
 *         └─ readable, or it said "more" ──> theater_host_dispatch() ──> finished, parked, lines
 *
 * A shard of several of one store has a thread of its own instead, with the same loop for one host
 * (shards.c). What threads share is the session's status, which is atomic, and the two streams: a
 * line is written and flushed under the stream's lock.
 *
 * Results are written and flushed before they are acknowledged: a result that stdout did not take
 * is kept by the store and shown again by `theater resume`.
 *
 * A signal only sets a flag and wakes poll(); hosts are stopped by the loop. A second SIGINT kills,
 * which is as safe.
 */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "options.h"
#include "output.h"
#include "stores.h"

#include <pthread.h>
#include <stdatomic.h>

/* Hosts at once: each takes a handful of descriptors, and 1024 is the usual limit of a process. */
#define CLI_HOSTS_MAX 128

/* What run, resume and replay have in common; part of their settings. */
typedef struct cli_host_settings {
    bool json;
    bool quiet;
    bool verbose;
    bool trap_unknown_imports;
    bool no_control; /* no control socket beside the log */
    bool is_frozen;
    bool adopt;        /* a copy of a store is opened, too */
    uint64_t live_max; /* 0: the library's */
    const char *clock; /* NULL: real */
    uint64_t seed;
    uint64_t max_sleep;
    uint64_t min_sleep;
} cli_host_settings;

#define CLI_HOST_SETTINGS_INIT               \
    {                                        \
        .max_sleep = 3600000, .min_sleep = 1 \
    }

#define CLI_ADOPT_HELP "open a store that is a copy: its original will never run again"

/* Rows for their option tables; base is where the cli_host_settings lie in the settings. */
#define CLI_OPTIONS_HOST(type, base)                                                             \
    {"live-max",                                                                                 \
     CLI_U64,                                                                                    \
     "N",                                                                                        \
     "instances in memory at once (default: by vm.max_map_count)",                               \
     offsetof(type, base.live_max),                                                              \
     1,                                                                                          \
     UINT32_MAX},                                                                                \
        {"no-control",                                                                           \
         CLI_FLAG,                                                                               \
         NULL,                                                                                   \
         "no control socket in the store",                                                       \
         offsetof(type, base.no_control),                                                        \
         0,                                                                                      \
         0},                                                                                     \
        {"adopt", CLI_FLAG, NULL, CLI_ADOPT_HELP, offsetof(type, base.adopt), 0, 0},             \
    {                                                                                            \
        "trap-unknown-imports", CLI_FLAG, NULL, "trap at the call instead of refusing to start", \
            offsetof(type, base.trap_unknown_imports), 0, 0                                      \
    }
#define CLI_OPTIONS_TALK(type, base)                                                              \
    {"json", CLI_FLAG, NULL, "one JSON object a line", offsetof(type, base.json), 0, 0},          \
        {"quiet",                                                                                 \
         CLI_FLAG,                                                                                \
         NULL,                                                                                    \
         "no lines of guests, no hints, only errors",                                             \
         offsetof(type, base.quiet),                                                              \
         0,                                                                                       \
         0},                                                                                      \
    {                                                                                             \
        "verbose", CLI_FLAG, NULL, "what the library does, too", offsetof(type, base.verbose), 0, \
            0                                                                                     \
    }

typedef struct cli_session cli_session;

/* One store, or one shard of it, and its host. */
typedef struct cli_host {
    cli_session *session;
    theater_host *host;
    theater_control *control; /* NULL: none */
    cli_url url;              /* of the store */
    cli_shard shard;
    bool is_apart; /* opened and driven by a thread of its own */
    bool has_thread;
    pthread_t thread;
    theater_id *wanted; /* is_apart: the user named these; who is not there is said */
    size_t wanted_count;
    bool is_done;  /* nothing more to do, or failed */
    bool has_more; /* wants to be called again at once */
} cli_host;

struct cli_session {
    const cli_host_settings *settings;
    cli_host *hosts[CLI_HOSTS_MAX];
    size_t hosts_count;
    uint32_t hosts_expected; /* that share what a process can hold; set before they are added */
    bool has_only;           /* run: */
    theater_id only;         /* the one actor whose end is waited for; others stay in their store */
    bool with_id;            /* resume: lines begin with the id */
    atomic_bool is_over;     /* run: it finished or was parked */
    _Atomic uint64_t reported; /* results shown, actors parked */
    atomic_int exit_status;    /* the worst so far */
    atomic_bool is_broken;     /* stdout does not take results */
};

void cli_session_init(cli_session *session, const cli_host_settings *settings);
/* Frees the hosts. */
void cli_session_deinit(cli_session *session);

/*
 * So many hosts are to be added, which share the places in memory: before any of them is. A process
 * has one number of memory maps, however many stores it opens.
 */
void cli_session_share(cli_session *session, size_t hosts_count);
/*
 * A host with the handlers timing and runtime, not opened. url may be NULL for replay. The wrong
 * values of --clock and of the bounds end here, with a line and the exit status.
 */
int cli_session_add(cli_session *session, const cli_url *url, cli_shard shard, bool must_exist,
                    cli_host **out_host);
/* Opens its store, and a control socket in it if it is a log and there is real time to wait. */
theater_status cli_session_open(cli_host *host, theater_error *err);
/* Removes the host that was added last. */
void cli_session_drop(cli_session *session);

/* Until every host is done, or interrupted, or stdout is closed. Results go to stdout. */
void cli_session_drive(cli_session *session);

/* Any thread. */
void cli_session_worsen(cli_session *session, int exit_status);
/* Interrupted, over or broken. Any thread. */
bool cli_session_is_stopped(const cli_session *session);
/* One iteration of a host that is not done. */
void cli_session_dispatch(cli_host *host);
/* Waits for a host that has no more to do at once; false: poll() failed, a line was said. */
bool cli_session_wait(const cli_host *host);

/* ---- shards.c: hosts with a thread of their own ---------------------------------------------- */

/* Names an actor that the user expects in a host that is apart. The exit status. */
int cli_shards_want(cli_host *host, theater_id id);
/* Starts their threads, each of which opens its host and drives it. */
void cli_shards_begin(cli_session *session);
/* Waits until all of them are done or stopped. */
void cli_shards_end(cli_session *session);

/* SIGINT and SIGTERM from now on. False: no descriptor for it; a line was said. */
bool cli_interrupt_init(void);
bool cli_is_interrupted(void);

#endif
