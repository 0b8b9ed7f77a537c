/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where stores are when nobody says it. `run` gives each actor a store of its own,
 *
 *     $XDG_STATE_HOME/theater/<id>      (else ~/.local/state/theater/<id>)
 *
 * because a store belongs to one process: so any number of them run at once. What looks for an
 * actor looks through all of these. A directory there that is not named by an id is somebody
 * else's.
 */
#ifndef CLI_STORES_H
#define CLI_STORES_H

#include <limits.h>
#include <stdbool.h>
#include <theater.h>

/* "log:", a path and its NUL. */
#define CLI_URL_MAX (PATH_MAX + 8)

typedef struct cli_url {
    char text[CLI_URL_MAX];
} cli_url;

/* The URL that was given, or the default one for a new actor. */
theater_status cli_store_for_run(const char *given, theater_id id, cli_url *out_url,
                                 theater_error *err);

/*
 * Makes the directory of a log store; *out_is_made: it was not there before, it is ours to remove.
 */
theater_status cli_store_make(const cli_url *url, bool with_parents, bool *out_is_made,
                              theater_error *err);
/* Removes a directory of cli_store_make() and what is in it. */
void cli_store_remove(const cli_url *url);

/* Visits every default store in the order of their names; non-zero stops. No stores: no visits. */
typedef int cli_store_visit_fn(const cli_url *url, void *userdata);
theater_status cli_stores_visit(cli_store_visit_fn *visit, void *userdata, theater_error *err);

/* The default store that holds an actor. NOTFOUND says where was looked. */
theater_status cli_store_find(theater_id id, cli_url *out_url, theater_error *err);

/* One of how many shards. */
typedef struct cli_shard {
    uint32_t number;
    uint32_t count;
} cli_shard;

/* The only one of a store that is not, or cannot be read: whoever opens it has the words for it. */
uint32_t cli_store_shards(const cli_url *url);
/* A shard's log as a store of its own, for looking; of a store of one shard the store itself. */
theater_status cli_store_at(const cli_url *url, cli_shard shard, cli_url *out_url,
                            theater_error *err);
/* The shard in which an actor lives. */
cli_shard cli_store_shard_of(const cli_url *url, theater_id id);

/* The directory of a "log:" URL or of a bare path; NULL for other kinds of stores. */
const char *cli_store_directory(const cli_url *url);

/*
 * A chain from what the user named: with a store an id; without one a file, else an id that is
 * looked up. The exit status when it fails; then a line was said.
 */
int cli_chain_open(const char *target, const char *store, theater_chain **out_chain);

#endif
