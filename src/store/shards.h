/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory as the user names it: one log, or several shards with a log each (shards.c). What
 * takes a directory here decides which it is and calls theater__logstore_* for each log.
 */
#ifndef STORE_SHARDS_H
#define STORE_SHARDS_H

#include "backend.h"

struct theater__logstore_options;

theater_status theater__shards_open(const char *directory, const theater__store_options *options,
                                    theater__store **out_store, theater_error *err);
/* The same for tests; options->directory is that of the whole store. */
theater_status theater__shards_open_with(const struct theater__logstore_options *options,
                                         theater__store **out_store, theater_error *err);
theater_status theater__shards_count(const char *directory, uint32_t *out_count,
                                     theater_error *err);
theater_status theater__shards_collect(const char *directory, const theater_id *actor,
                                       theater__buffer *out_frames,
                                       char out_damage[THEATER_ERROR_MESSAGE_MAX],
                                       theater_error *err);
theater_status theater__shards_list(const char *directory, theater__store_list_fn *visit,
                                    void *userdata, theater_error *err);
theater_status theater__shards_each(const char *directory, theater__store_each_fn *visit,
                                    void *userdata, theater_error *err);
theater_status theater__shards_backup(const char *directory, const char *target,
                                      theater_error *err);
theater_status theater__shards_prune(const char *directory, const theater__prune *what,
                                     theater__pruned *out_pruned, theater_error *err);

#endif
