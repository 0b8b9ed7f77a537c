/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See simdisk.h: the log's I/O table over files in memory, and the failures that are asked for.
 */
#include "simdisk_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t simdisk_random(simdisk *disk, uint64_t bound)
{
    /* splitmix64 */
    disk->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = disk->random;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % bound;
}

/* ---- failures -------------------------------------------------------------------------------- */

void simdisk_fail_at(simdisk *disk, simdisk_operation operation, uint64_t k, int os_errno)
{
    disk->fail_operation = operation;
    disk->fail_at = k;
    disk->fail_errno = os_errno;
    disk->fail_count = 0;
    disk->has_failed = false;
    disk->writes_after_failure = 0;
    disk->operations = 0;
}

void simdisk_power_off_at(simdisk *disk, uint64_t k)
{
    disk->power_off_at = k;
    disk->operations = 0;
}

uint64_t simdisk_operations(const simdisk *disk)
{
    return disk->operations;
}

bool simdisk_has_failed(const simdisk *disk)
{
    return disk->has_failed;
}

uint64_t simdisk_writes_after_failure(const simdisk *disk)
{
    return disk->writes_after_failure;
}

void simdisk_short_calls(simdisk *disk, bool on)
{
    disk->short_calls = on;
}

void simdisk_set_lie(simdisk *disk, simdisk_lie lie)
{
    disk->lie = lie;
}

/* Counts a changing operation; the errno that it is to fail with, or 0. */
static int begin(simdisk *disk, simdisk_operation operation)
{
    disk->operations++;
    if (disk->has_failed && operation == SIMDISK_WRITE) {
        disk->writes_after_failure++;
    }
    if (disk->power_off_at != 0 && disk->operations >= disk->power_off_at) {
        return EIO;
    }
    if (disk->fail_at != 0 &&
        (disk->fail_operation == SIMDISK_ANY || disk->fail_operation == operation)) {
        disk->fail_count++;
        if (disk->fail_count == disk->fail_at) {
            disk->has_failed = true;
            return disk->fail_errno;
        }
    }
    return 0;
}

/* ---- names ----------------------------------------------------------------------------------- */

static sim_name *find_name(sim_name *names, const char *name)
{
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        if (strcmp(names[i].name, name) == 0) {
            return &names[i];
        }
    }
    return NULL;
}

void simdisk_set_name(sim_name *names, const char *name, sim_file *file)
{
    sim_name *slot = find_name(names, name);
    if (slot == NULL && file != NULL) {
        slot = find_name(names, "");
        assert_non_null(slot);
        (void)snprintf(slot->name, sizeof(slot->name), "%s", name);
    }
    if (slot != NULL) {
        slot->file = file;
        if (file == NULL) {
            slot->name[0] = '\0';
        }
    }
}

static void change_name(simdisk *disk, const char *name, sim_file *file, bool with_next)
{
    assert_true(strlen(name) > 0 && strlen(name) < NAME_MAX_SIZE);
    assert_true(disk->journal_count < JOURNAL_MAX);
    sim_change *change = &disk->journal[disk->journal_count];
    (void)snprintf(change->name, sizeof(change->name), "%s", name);
    change->file = file;
    change->with_next = with_next;
    disk->journal_count++;
    simdisk_set_name(disk->seen, name, file);
}

static sim_file *new_file(simdisk *disk, bool is_directory)
{
    assert_true(disk->files_count < FILES_MAX);
    sim_file *file = calloc(1, sizeof(*file));
    assert_non_null(file);
    file->is_directory = is_directory;
    if (!is_directory) {
        file->seen = calloc(1, FILE_BYTES_MAX);
        file->safe = calloc(1, FILE_BYTES_MAX);
        file->dirty = calloc(FILE_BYTES_MAX / SECTOR, sizeof(bool));
    }
    disk->files[disk->files_count] = file;
    disk->files_count++;
    return file;
}

static bool is_in(const char *name, const char *directory)
{
    size_t size = strlen(directory);
    return strncmp(name, directory, size) == 0 && name[size] == '/' &&
           strchr(name + size + 1, '/') == NULL;
}

static bool directory_exists(simdisk *disk, const char *name)
{
    const sim_name *slot = find_name(disk->seen, name);
    return slot != NULL && slot->file->is_directory;
}

/* ---- the table ------------------------------------------------------------------------------- */

static int sim_open(theater__io *io, const char *path, int flags, mode_t mode)
{
    (void)mode;
    simdisk *disk = (simdisk *)io;
    sim_name *slot = find_name(disk->seen, path);
    sim_file *file = slot == NULL ? NULL : slot->file;
    if (file == NULL && (flags & O_CREAT) == 0) {
        return -ENOENT;
    }
    if ((flags & O_DIRECT) != 0 && !disk->knows_direct) {
        return -EINVAL;
    }
    if (file != NULL && (flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) {
        return -EEXIST;
    }
    if (file == NULL || (flags & O_TRUNC) != 0) {
        int failure = begin(disk, SIMDISK_ANY);
        if (failure != 0) {
            return -failure;
        }
        char parent[NAME_MAX_SIZE];
        (void)snprintf(parent, sizeof(parent), "%s", path);
        *strrchr(parent, '/') = '\0';
        if (!directory_exists(disk, parent)) {
            return -ENOENT;
        }
        /* A truncated file is a new one: its old bytes are gone or not, never half. */
        file = new_file(disk, false);
        change_name(disk, path, file, false);
    }
    for (unsigned i = 0; i < DESCRIPTORS_MAX; i++) {
        if (disk->descriptors[i] == NULL) {
            disk->descriptors[i] = file;
            disk->are_direct[i] = (flags & O_DIRECT) != 0;
            return DESCRIPTOR_FIRST + (int)i;
        }
    }
    return -EMFILE;
}

static sim_file *file_of(simdisk *disk, int fd)
{
    assert_in_range(fd, DESCRIPTOR_FIRST, DESCRIPTOR_FIRST + DESCRIPTORS_MAX - 1);
    sim_file *file = disk->descriptors[fd - DESCRIPTOR_FIRST];
    assert_non_null(file);
    return file;
}

static int sim_close(theater__io *io, int fd)
{
    simdisk *disk = (simdisk *)io;
    (void)file_of(disk, fd);
    disk->descriptors[fd - DESCRIPTOR_FIRST] = NULL;
    return 0;
}

/* What a call does of what it was asked for; true: a signal came first. */
static bool shorten(simdisk *disk, size_t *size)
{
    if (!disk->short_calls || *size <= 1) {
        return false;
    }
    if (simdisk_random(disk, 8) == 0) {
        return true;
    }
    *size = 1 + simdisk_random(disk, *size);
    return false;
}

static ssize_t sim_pread(theater__io *io, int fd, void *data, size_t size, uint64_t offset)
{
    simdisk *disk = (simdisk *)io;
    const sim_file *file = file_of(disk, fd);
    if (shorten(disk, &size)) {
        return -EINTR;
    }
    if (offset >= file->seen_size) {
        return 0;
    }
    size_t left = file->seen_size - (size_t)offset;
    size_t count = size < left ? size : left;
    memcpy(data, file->seen + offset, count);
    return (ssize_t)count;
}

/* These sectors are about to change: what is not synced of them may reach the disk before. */
static void touch(simdisk *disk, sim_file *file, size_t first, size_t last)
{
    for (size_t at = first; at <= last; at++) {
        bool is_new = file->dirty[at] && disk->versions_count < VERSIONS_MAX &&
                      memcmp(file->seen + at * SECTOR, file->safe + at * SECTOR, SECTOR) != 0;
        if (is_new) {
            sim_version *version = &disk->versions[disk->versions_count];
            version->file = file;
            version->sector = at;
            memcpy(version->bytes, file->seen + at * SECTOR, SECTOR);
            disk->versions_count++;
        }
        file->dirty[at] = true;
    }
}

static void put(simdisk *disk, sim_file *file, const void *data, size_t size, uint64_t offset)
{
    assert_true(offset + size <= FILE_BYTES_MAX);
    if (size > 0) {
        touch(disk, file, (size_t)offset / SECTOR, (size_t)(offset + size - 1) / SECTOR);
    }
    memcpy(file->seen + offset, data, size);
    if (offset + size > file->seen_size) {
        file->seen_size = (size_t)(offset + size);
    }
}

void simdisk_set_capacity(simdisk *disk, uint64_t bytes)
{
    disk->capacity = bytes;
}

uint64_t simdisk_used(const simdisk *disk)
{
    uint64_t used = 0;
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        if (disk->seen[i].name[0] != '\0' && !disk->seen[i].file->is_directory) {
            used += disk->seen[i].file->seen_size;
        }
    }
    return used;
}

/* Whether the file may grow to this size. */
static bool has_space(const simdisk *disk, const sim_file *file, uint64_t size)
{
    return disk->capacity == 0 || size <= file->seen_size ||
           simdisk_used(disk) + (size - file->seen_size) <= disk->capacity;
}

bool simdisk_flip(simdisk *disk)
{
    for (unsigned tries = 0; tries < 100; tries++) {
        const sim_name *name = &disk->seen[simdisk_random(disk, NAMES_MAX)];
        const char *end = strrchr(name->name, '.');
        if (end == NULL || (strcmp(end, ".log") != 0 && strcmp(end, ".idx") != 0) ||
            name->file->seen_size == 0) {
            continue;
        }
        size_t at = simdisk_random(disk, name->file->seen_size);
        uint8_t bit = (uint8_t)(1u << simdisk_random(disk, 8));
        name->file->seen[at] ^= bit;
        name->file->safe[at] ^= bit;
        return true;
    }
    return false;
}

static void sim_will_jump(theater__io *io, int fd)
{
    (void)file_of((simdisk *)io, fd);
}

static ssize_t sim_pwrite(theater__io *io, int fd, const void *data, size_t size, uint64_t offset)
{
    simdisk *disk = (simdisk *)io;
    sim_file *file = file_of(disk, fd);
    if (disk->are_direct[fd - DESCRIPTOR_FIRST] &&
        ((uintptr_t)data % SECTOR != 0 || size % SECTOR != 0 || offset % SECTOR != 0)) {
        return -EINVAL;
    }
    int failure = begin(disk, SIMDISK_WRITE);
    if (failure != 0) {
        /* A part of it may have got through all the same. */
        put(disk, file, data, simdisk_random(disk, size + 1), offset);
        return -failure;
    }
    if (!has_space(disk, file, offset + size)) {
        return -ENOSPC;
    }
    if (shorten(disk, &size)) {
        return -EINTR;
    }
    put(disk, file, data, size, offset);
    return (ssize_t)size;
}

void simdisk_forget_versions(simdisk *disk, const sim_file *file)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < disk->versions_count; i++) {
        if (disk->versions[i].file != file) {
            disk->versions[kept] = disk->versions[i];
            kept++;
        }
    }
    disk->versions_count = kept;
}

static void make_safe(simdisk *disk, sim_file *file)
{
    for (size_t at = 0; at < FILE_BYTES_MAX / SECTOR; at++) {
        if (file->dirty[at]) {
            memcpy(file->safe + at * SECTOR, file->seen + at * SECTOR, SECTOR);
        }
    }
    file->safe_size = file->seen_size;
    memset(file->dirty, 0, FILE_BYTES_MAX / SECTOR * sizeof(bool));
    simdisk_forget_versions(disk, file);
}

static int sim_fdatasync(theater__io *io, int fd)
{
    simdisk *disk = (simdisk *)io;
    int failure = begin(disk, SIMDISK_SYNC);
    if (failure != 0) {
        return -failure;
    }
    if (disk->lie != SIMDISK_LIE_SYNC) {
        make_safe(disk, file_of(disk, fd));
    }
    return 0;
}

static int sim_fsync_directory(theater__io *io, const char *path)
{
    simdisk *disk = (simdisk *)io;
    int failure = begin(disk, SIMDISK_SYNC);
    if (failure != 0) {
        return -failure;
    }
    unsigned kept = 0;
    for (unsigned i = 0; i < disk->journal_count; i++) {
        sim_change *change = &disk->journal[i];
        if (is_in(change->name, path) && disk->lie != SIMDISK_LIE_NAMES) {
            simdisk_set_name(disk->safe, change->name, change->file);
        } else {
            disk->journal[kept] = *change;
            kept++;
        }
    }
    disk->journal_count = kept;
    return 0;
}

static int sim_ftruncate(theater__io *io, int fd, uint64_t size)
{
    simdisk *disk = (simdisk *)io;
    sim_file *file = file_of(disk, fd);
    int failure = begin(disk, SIMDISK_ANY);
    if (failure != 0) {
        return -failure;
    }
    if (size < file->seen_size) {
        touch(disk, file, (size_t)size / SECTOR, (file->seen_size - 1) / SECTOR);
        memset(file->seen + size, 0, file->seen_size - (size_t)size);
    }
    file->seen_size = (size_t)size;
    return 0;
}

static int sim_allocate(theater__io *io, int fd, uint64_t size)
{
    simdisk *disk = (simdisk *)io;
    sim_file *file = file_of(disk, fd);
    int failure = begin(disk, SIMDISK_WRITE);
    if (failure != 0) {
        return -failure;
    }
    /* Reserves are larger than these files, and nobody reads them. */
    size = size < FILE_BYTES_MAX / 8 ? size : FILE_BYTES_MAX / 8;
    if (!has_space(disk, file, size)) {
        return -ENOSPC;
    }
    file->seen_size = size > file->seen_size ? (size_t)size : file->seen_size;
    return 0;
}

static int sim_space(theater__io *io, const char *path, uint64_t *out_bytes)
{
    (void)path;
    simdisk *disk = (simdisk *)io;
    *out_bytes = disk->capacity == 0 ? (uint64_t)1 << 40 : 0;
    return 0;
}

static int sim_inode(theater__io *io, int fd, uint64_t *out_inode)
{
    simdisk *disk = (simdisk *)io;
    const sim_file *file = file_of(disk, fd);
    unsigned number = 0;
    while (disk->files[number] != file) {
        number++;
    }
    *out_inode = number + 1;
    return 0;
}

static int sim_size(theater__io *io, int fd, uint64_t *out_size)
{
    *out_size = file_of((simdisk *)io, fd)->seen_size;
    return 0;
}

static int sim_rename(theater__io *io, const char *from, const char *to)
{
    simdisk *disk = (simdisk *)io;
    int failure = begin(disk, SIMDISK_ANY);
    const sim_name *slot = find_name(disk->seen, from);
    if (failure != 0 || slot == NULL) {
        return failure != 0 ? -failure : -ENOENT;
    }
    sim_file *file = slot->file;
    change_name(disk, from, NULL, true);
    change_name(disk, to, file, false);
    return 0;
}

static int sim_unlink(theater__io *io, const char *path)
{
    simdisk *disk = (simdisk *)io;
    int failure = begin(disk, SIMDISK_ANY);
    if (failure != 0 || find_name(disk->seen, path) == NULL) {
        return failure != 0 ? -failure : -ENOENT;
    }
    change_name(disk, path, NULL, false);
    return 0;
}

static int sim_mkdir(theater__io *io, const char *path, mode_t mode)
{
    (void)mode;
    simdisk *disk = (simdisk *)io;
    if (find_name(disk->seen, path) != NULL) {
        return -EEXIST;
    }
    int failure = begin(disk, SIMDISK_ANY);
    if (failure != 0) {
        return -failure;
    }
    change_name(disk, path, new_file(disk, true), false);
    return 0;
}

static int sim_rmdir(theater__io *io, const char *path)
{
    simdisk *disk = (simdisk *)io;
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        if (is_in(disk->seen[i].name, path)) {
            return -ENOTEMPTY;
        }
    }
    return sim_unlink(io, path);
}

static int sim_is_directory(theater__io *io, const char *path)
{
    const sim_name *slot = find_name(((simdisk *)io)->seen, path);
    if (slot == NULL) {
        return -ENOENT;
    }
    return slot->file->is_directory ? 0 : -ENOTDIR;
}

static int sim_list(theater__io *io, const char *path, theater__io_name_fn *visit, void *userdata)
{
    simdisk *disk = (simdisk *)io;
    const sim_name *slot = find_name(disk->seen, path);
    if (slot == NULL) {
        return -ENOENT;
    }
    if (!slot->file->is_directory) {
        return -ENOTDIR;
    }
    int result = 0;
    for (unsigned i = 0; i < NAMES_MAX && result == 0; i++) {
        if (is_in(disk->seen[i].name, path)) {
            result = visit(strrchr(disk->seen[i].name, '/') + 1, userdata);
        }
    }
    return result;
}

static int sim_lock(theater__io *io, int fd)
{
    (void)file_of((simdisk *)io, fd);
    return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

simdisk *simdisk_new(uint64_t seed)
{
    static const theater__io table = {
        .open = sim_open,
        .close = sim_close,
        .pread = sim_pread,
        .pread_cached = sim_pread,
        .will_jump = sim_will_jump,
        .pwrite = sim_pwrite,
        .fdatasync = sim_fdatasync,
        .fsync_directory = sim_fsync_directory,
        .ftruncate = sim_ftruncate,
        .allocate = sim_allocate,
        .size = sim_size,
        .space = sim_space,
        .inode = sim_inode,
        .rename = sim_rename,
        .unlink = sim_unlink,
        .mkdir = sim_mkdir,
        .mkdir_inside = sim_mkdir,
        .rmdir = sim_rmdir,
        .is_directory = sim_is_directory,
        .list = sim_list,
        .lock = sim_lock,
    };
    simdisk *disk = calloc(1, sizeof(*disk));
    assert_non_null(disk);
    disk->io = table;
    disk->random = seed;
    disk->knows_direct = (seed * UINT64_C(0x9e3779b97f4a7c15)) >> 62 != 0; /* three of four */
    return disk;
}

void simdisk_free(simdisk *disk)
{
    for (unsigned i = 0; i < disk->files_count; i++) {
        free(disk->files[i]->seen);
        free(disk->files[i]->safe);
        free(disk->files[i]->dirty);
        free(disk->files[i]);
    }
    free(disk);
}

theater__io *simdisk_io(simdisk *disk)
{
    return &disk->io;
}
