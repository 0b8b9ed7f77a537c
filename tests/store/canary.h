/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protections that can be taken away, and a log that is never at rest: what a torture is worth is
 * shown by what it catches. Nothing of this is in the store itself; the linker puts these functions
 * between the store's files (`--wrap`), and with all switches off they only pass on. The sync is
 * taken away by the disk (simdisk_set_lie()).
 */
#ifndef TESTS_STORE_CANARY_H
#define TESTS_STORE_CANARY_H

#include <stdbool.h>
#include <store/store.h>

typedef struct canary {
    bool without_crc;   /* every checksum is the same */
    bool without_fence; /* a batch follows whatever it says it follows */
    bool fixed_random;  /* store ids are drawn from `random`, so that equal runs are equal bytes */
    uint64_t random;
    const theater__batch *stale; /* being submitted: what the fence is to stop */
    bool never_rests;            /* whenever one looks, the log was compacted since */
    uint32_t compactions;
} canary;

extern canary the_canary;

#endif
