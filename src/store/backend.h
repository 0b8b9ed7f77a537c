/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kind of store implements. store.c reads the URL, calls through this table and knows
 * nothing else of the kinds. A store's own structure begins with a theater__store.
 */
#ifndef STORE_BACKEND_H
#define STORE_BACKEND_H

#include <store/store.h>

typedef struct theater__store_operations {
    const char *level; /* "durable" or "memory" */
    void (*close)(theater__store *store);
    theater_status (*recover_next)(theater__store *store, theater__recovered *out_actor,
                                   theater_error *err);
    theater_status (*submit)(theater__store *store, const theater__batch *batch,
                             theater__ticket *out_ticket, uint64_t *out_place, theater_error *err);
    void (*hurry)(theater__store *store);
    theater_status (*read)(theater__store *store, const theater__read *read,
                           theater__ticket *out_ticket, theater_error *err);
    bool (*wants_poll)(const theater__store *store);
    uint32_t (*waiting_reads)(const theater__store *store); /* NULL: there are never any */
    int (*fd)(const theater__store *store);
    bool (*poll)(theater__store *store, theater__store_completion *out_completion);
    void (*take_read)(theater__store *store, theater__ticket ticket,
                      theater__store_completion *out_completion);
    uint64_t (*inflight)(const theater__store *store);
    const theater_error *(*failure)(const theater__store *store);
    theater_status (*put_component)(theater__store *store, const theater_hash *digest,
                                    theater_bytes bytes, theater_error *err);
    theater_status (*get_component)(theater__store *store, const theater_hash *digest,
                                    theater__buffer *out_bytes, theater_error *err);
} theater__store_operations;

struct theater__store {
    const theater__store_operations *operations;
    char *url; /* full form; freed by theater__store_close() */
    theater__log log;
};

theater_status theater__memory_open(const theater__store_options *options,
                                    theater__store **out_store, theater_error *err);
/* directory: of one log; what stands behind "log:" is for shards.h. */
theater_status theater__logstore_collect(const char *directory, const theater_id *actor,
                                         theater__buffer *out_frames,
                                         char out_damage[THEATER_ERROR_MESSAGE_MAX],
                                         theater_error *err);
theater_status theater__logstore_list(const char *directory, theater__store_list_fn *visit,
                                      void *userdata, theater_error *err);

theater_status theater__logstore_collect_each(const char *directory, theater__store_each_fn *visit,
                                              void *userdata, theater_error *err);
theater_status theater__logstore_backup(const char *directory, const char *target,
                                        theater_error *err);
theater_status theater__logstore_prune(const char *directory, const theater__prune *what,
                                       theater__pruned *out_pruned, theater_error *err);

/* A batch must agree with itself whatever the store; INVALID says how it does not. */
theater_status theater__batch_check(const theater__batch *batch, theater_error *err);

#endif
