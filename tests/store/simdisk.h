/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk in memory that can lose power. Reads see everything that was written; what a power cut
 * leaves is decided by a seeded generator, within what a real disk and file system may do:
 *
 * - a sector of 512 bytes, on some days of 4096, that was written and not synced is there or not,
 *   each on its own and so in any order; one that was written several times may be what it was in
 *   between;
 * - a file that grew without a sync has its old size, its new one, or one in between, and what was
 *   not written of it is zeros;
 * - names that were made, renamed or removed without a sync of their directory are as they were, or
 *   as they became, up to some point in the order of these changes.
 *
 * Besides, single operations can be made to fail, and reads and writes can be cut short. Around the
 * page cache (O_DIRECT) it takes whole sectors only, or it has no such way, by its seed.
 */
#ifndef TESTS_STORE_SIMDISK_H
#define TESTS_STORE_SIMDISK_H

#include "io.h"

#include <stdbool.h>

typedef struct simdisk simdisk;

simdisk *simdisk_new(uint64_t seed);
void simdisk_free(simdisk *disk);
theater__io *simdisk_io(simdisk *disk);

/* Which operations count for simdisk_fail_at(). */
typedef enum simdisk_operation {
    SIMDISK_ANY = 0, /* all that change something: the two below, open, rename, unlink, mkdir, … */
    SIMDISK_WRITE = 1,
    SIMDISK_SYNC = 2
} simdisk_operation;

/* The k-th operation of that kind from now (1 = the next) fails with os_errno; 0 = none. */
void simdisk_fail_at(simdisk *disk, simdisk_operation operation, uint64_t k, int os_errno);
/* The k-th changing operation from now, and all after it, fail: the power is off. 0 = never. */
void simdisk_power_off_at(simdisk *disk, uint64_t k);
/* Changing operations since the last call of one of the two above. */
uint64_t simdisk_operations(const simdisk *disk);
bool simdisk_has_failed(const simdisk *disk);
/* Writes that were tried since the last failure that was asked for. */
uint64_t simdisk_writes_after_failure(const simdisk *disk);
/* Every read and write may do less than asked, or nothing yet since a signal came (EINTR). */
void simdisk_short_calls(simdisk *disk, bool on);
/* A disk that says it has synced and has not: for seeing that a test finds what it is there for. */
typedef enum simdisk_lie {
    SIMDISK_LIE_NONE = 0,
    SIMDISK_LIE_SYNC = 1, /* about files */
    SIMDISK_LIE_NAMES = 2 /* about directories */
} simdisk_lie;
void simdisk_set_lie(simdisk *disk, simdisk_lie lie);
/* There is space for so many bytes in all files together; 0 = for any number. */
void simdisk_set_capacity(simdisk *disk, uint64_t bytes);
uint64_t simdisk_used(const simdisk *disk);
/* Flips a bit of a segment or an index; false if there is none with content. */
bool simdisk_flip(simdisk *disk);
/*
 * Cuts the power and leaves one certain state of all that there may be: so many changes of names
 * are kept, and `choice` says digit by digit what each sector and each size is that may be one of
 * several things. Says how many changes there are, and how many choices with so many of them kept.
 */
void simdisk_crash_chosen(simdisk *disk, unsigned names, uint64_t choice, unsigned *out_names,
                          uint64_t *out_choices);
/* Of all that can be read: equal runs leave equal disks. */
uint64_t simdisk_fingerprint(const simdisk *disk);
/* Cuts the power and starts again: all descriptors are closed, what was not synced may be gone. */
void simdisk_crash(simdisk *disk);
/* Ends the process instead: all descriptors are closed, everything written is there. */
void simdisk_kill(simdisk *disk);
/* Names there are at all, files and directories. */
unsigned simdisk_names_count(const simdisk *disk);
bool simdisk_has_name(const simdisk *disk, const char *name);
/* The next number of the disk's generator, below bound. */
uint64_t simdisk_random(simdisk *disk, uint64_t bound);

#endif
