/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See simdisk.h: what a power cut leaves. The same walk over all that was not synced serves chance
 * (a draw for each sector) and choice (a digit of a number for each), so that all states can be
 * counted through.
 */
#include "simdisk_inside.h"

#include <string.h>

static void start_again(simdisk *disk)
{
    memset(disk->descriptors, 0, sizeof(disk->descriptors));
    disk->power_off_at = 0;
    disk->fail_at = 0;
    disk->operations = 0;
}

/* Sectors that are there or not together. */
static size_t crash_grain(simdisk *disk)
{
    return disk->is_chosen || simdisk_random(disk, 2) == 0 ? 1 : 4096 / SECTOR;
}

/* One of so many: what is left of the choice says which. */
static uint64_t choose(simdisk *disk, uint64_t base)
{
    uint64_t digit = disk->choice % base;
    disk->choice /= base;
    assert_false(__builtin_mul_overflow(disk->choices, base, &disk->choices));
    return digit;
}

/* All that a sector may be after a crash, each once; the first is what it was at the last sync. */
static unsigned candidates_of(const simdisk *disk, const sim_file *file, size_t at,
                              const uint8_t *out_candidates[CANDIDATES_MAX])
{
    unsigned count = 1;
    out_candidates[0] = file->safe + at * SECTOR;
    for (unsigned i = 0; i <= disk->versions_count && count < CANDIDATES_MAX; i++) {
        const uint8_t *bytes = file->seen + at * SECTOR;
        if (i < disk->versions_count) {
            const sim_version *version = &disk->versions[i];
            bytes = version->file == file && version->sector == at ? version->bytes : NULL;
        }
        bool is_new = bytes != NULL;
        for (unsigned j = 0; j < count && is_new; j++) {
            is_new = memcmp(out_candidates[j], bytes, SECTOR) != 0;
        }
        if (is_new) {
            out_candidates[count] = bytes;
            count++;
        }
    }
    return count;
}

/* What the sector is now, or NULL: it stays what it was at the last sync. */
static const uint8_t *survivor(simdisk *disk, const sim_file *file, size_t at, bool keeps)
{
    if (!disk->is_chosen && !keeps) {
        return NULL;
    }
    const uint8_t *candidates[CANDIDATES_MAX];
    unsigned count = candidates_of(disk, file, at, candidates);
    if (disk->is_chosen) {
        uint64_t chosen = count > 1 ? choose(disk, count) : 0;
        return chosen == 0 ? NULL : candidates[chosen];
    }
    if (count > 2 && simdisk_random(disk, 4) == 0) {
        return candidates[1 + simdisk_random(disk, count - 1)];
    }
    return file->seen + at * SECTOR;
}

static void crash_file(simdisk *disk, sim_file *file)
{
    size_t before = file->safe_size;
    size_t after = file->seen_size;
    size_t largest = before > after ? before : after;
    uint64_t kept_of_8 = disk->is_chosen ? 0 : simdisk_random(disk, 9);
    size_t grain = crash_grain(disk);
    size_t size = before;
    bool keeps = false;
    for (size_t at = 0; at * SECTOR < largest; at++) {
        if (!file->dirty[at]) {
            continue;
        }
        if (!disk->is_chosen && (at % grain == 0 || !file->dirty[at - 1])) {
            keeps = simdisk_random(disk, 8) < kept_of_8;
        }
        const uint8_t *bytes = survivor(disk, file, at, keeps);
        if (bytes == NULL) {
            continue;
        }
        memcpy(file->safe + at * SECTOR, bytes, SECTOR);
        if ((at + 1) * SECTOR > size) {
            size = (at + 1) * SECTOR < after ? (at + 1) * SECTOR : after;
        }
    }
    bool has_choice = before != after; /* the same whatever was chosen before */
    bool takes_size =
        disk->is_chosen ? has_choice && choose(disk, 2) == 1 : simdisk_random(disk, 2) == 0;
    if (size != after && takes_size) {
        size = after;
    }
    memset(file->safe + size, 0, FILE_BYTES_MAX - size);
    file->safe_size = size;
    memcpy(file->seen, file->safe, FILE_BYTES_MAX);
    file->seen_size = size;
    memset(file->dirty, 0, FILE_BYTES_MAX / SECTOR * sizeof(bool));
    simdisk_forget_versions(disk, file);
}

/* Whether the file has a name: what nobody can open may be anything. */
static bool is_named(const simdisk *disk, const sim_file *file)
{
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        if (disk->seen[i].file == file && disk->seen[i].name[0] != '\0') {
            return true;
        }
    }
    return false;
}

static void crash_with(simdisk *disk, unsigned kept)
{
    while (kept > 0 && disk->journal[kept - 1].with_next) {
        kept--;
    }
    for (unsigned i = 0; i < kept; i++) {
        simdisk_set_name(disk->safe, disk->journal[i].name, disk->journal[i].file);
    }
    disk->journal_count = 0;
    memcpy(disk->seen, disk->safe, sizeof(disk->seen));
    for (unsigned i = 0; i < disk->files_count; i++) {
        if (!disk->files[i]->is_directory && is_named(disk, disk->files[i])) {
            crash_file(disk, disk->files[i]);
        }
    }
    start_again(disk);
}

void simdisk_crash(simdisk *disk)
{
    crash_with(disk, (unsigned)simdisk_random(disk, disk->journal_count + 1));
}

void simdisk_crash_chosen(simdisk *disk, unsigned names, uint64_t choice, unsigned *out_names,
                          uint64_t *out_choices)
{
    *out_names = disk->journal_count;
    assert_true(disk->versions_count < VERSIONS_MAX); /* or some state would be left out */
    disk->is_chosen = true;
    disk->choice = choice;
    disk->choices = 1;
    crash_with(disk, names < disk->journal_count ? names : disk->journal_count);
    *out_choices = disk->choices;
    disk->is_chosen = false;
}

uint64_t simdisk_fingerprint(const simdisk *disk)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        const sim_name *name = &disk->seen[i];
        if (name->name[0] == '\0' || name->file->is_directory) {
            continue;
        }
        for (size_t at = 0; at < name->file->seen_size; at++) {
            hash = (hash ^ name->file->seen[at]) * UINT64_C(0x100000001b3);
        }
    }
    return hash;
}

void simdisk_kill(simdisk *disk)
{
    start_again(disk);
}

unsigned simdisk_names_count(const simdisk *disk)
{
    unsigned count = 0;
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        count += disk->seen[i].name[0] != '\0';
    }
    return count;
}

bool simdisk_has_name(const simdisk *disk, const char *name)
{
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        if (strcmp(disk->seen[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}
