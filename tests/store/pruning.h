/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store to prune: six actors, of which 1, 3 and 5 have ended, and 5 owes an output. Shared by the
 * tests of pruning on a real file system.
 */
#ifndef TESTS_STORE_PRUNING_H
#define TESTS_STORE_PRUNING_H

#include "work.h"
/* cmocka first */
#include "compact.h"

#define ACTORS_COUNT 6u
/* Who goes: a bit for each. */
#define GONE (1u << 1 | 1u << 3)
#define SEGMENT_SIZE ((uint64_t)16 << 10)

typedef struct pruning {
    char *directory;
    char store[160];
    char url[170];
    work_actor *actors[ACTORS_COUNT];
    theater__store *log;
    theater__io *io; /* that prunes; NULL: the system's */
} pruning;

int pruning_set_up(void **state);
int pruning_tear_down(void **state);
theater_status pruning_open(pruning *it, theater_error *err);
void pruning_expect_open(pruning *it);
void pruning_close(pruning *it);
theater_status pruning_run(const pruning *it, const theater__prune *what, theater__pruned *out,
                           theater_error *err);
theater__pruned pruning_expect(const pruning *it, const theater__prune *what);
/* Whether there is such a name in the store's directory. */
bool pruning_has(const pruning *it, const char *name);
/* Of all segments. */
uint64_t pruning_fingerprint(const pruning *it);
/* Opens, takes over where everybody stands now, and compares all chains. gone: a bit for each. */
void pruning_expect_actors(pruning *it, unsigned gone);

#endif
