/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated disk from inside. Files are small, so each keeps two images (what reads see, what is
 * safe) and a mark for each dirty sector. A dirty sector that is written again leaves a version in
 * between: the disk may have taken that one. Names point to files; changes of names wait in a
 * journal until their directory is synced, and a power cut keeps a prefix of that journal.
 */
#ifndef TESTS_STORE_SIMDISK_INSIDE_H
#define TESTS_STORE_SIMDISK_INSIDE_H

#include "work.h"
/* cmocka first */
#include "simdisk.h"

#define SECTOR 512u
#define FILE_BYTES_MAX ((size_t)64 << 10)
#define NAMES_MAX 64u
#define FILES_MAX 256u
#define JOURNAL_MAX 256u
#define DESCRIPTORS_MAX 64u
#define NAME_MAX_SIZE 96u
/* Between two syncs sectors are written again a few times; what does not fit is not offered. */
#define VERSIONS_MAX 64u
/* What one sector may be after a crash: as it was, as it is, and versions in between. */
#define CANDIDATES_MAX 8u
/* Descriptors of this disk are told from real ones by their numbers. */
#define DESCRIPTOR_FIRST 100000

typedef struct sim_file {
    uint8_t *seen;
    uint8_t *safe;
    bool *dirty; /* sectors */
    size_t seen_size;
    size_t safe_size;
    bool is_directory;
} sim_file;

typedef struct sim_name {
    char name[NAME_MAX_SIZE]; /* empty: free */
    sim_file *file;
} sim_name;

/* A name that begins (file) or ends (NULL) to be there; a rename is two of these at once. */
typedef struct sim_change {
    char name[NAME_MAX_SIZE];
    sim_file *file;
    bool with_next; /* one step with the one behind it */
} sim_change;

/* What a sector held for a while between two syncs. */
typedef struct sim_version {
    const sim_file *file;
    size_t sector;
    uint8_t bytes[SECTOR];
} sim_version;

struct simdisk {
    theater__io io;
    uint64_t random;
    sim_file *files[FILES_MAX];
    unsigned files_count;
    sim_name seen[NAMES_MAX];
    sim_name safe[NAMES_MAX];
    sim_change journal[JOURNAL_MAX];
    unsigned journal_count;
    sim_file *descriptors[DESCRIPTORS_MAX];
    bool are_direct[DESCRIPTORS_MAX]; /* which of them take whole, aligned sectors only */
    bool knows_direct;                /* not every file system does */
    sim_version versions[VERSIONS_MAX];
    unsigned versions_count;
    uint64_t operations;
    uint64_t power_off_at;
    simdisk_operation fail_operation;
    uint64_t fail_at;
    int fail_errno;
    uint64_t fail_count;
    bool has_failed;
    uint64_t writes_after_failure;
    bool short_calls;
    simdisk_lie lie;
    uint64_t capacity;
    bool is_chosen;   /* the state after a crash: by these */
    uint64_t choice;  /* digits that were not used yet */
    uint64_t choices; /* the product of their bases */
};

void simdisk_set_name(sim_name *names, const char *name, sim_file *file);
/* What is on the disk is no longer in between. */
void simdisk_forget_versions(simdisk *disk, const sim_file *file);

#endif
