/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See cache.h. All files are reached through a descriptor of the checked directory, so that nobody
 * can exchange it between check and use; the verified file is handed on as a descriptor, too.
 *
 * Written as a temporary file and renamed, without fsync: an entry that a crash has torn does not
 * match its sum and is compiled again. Two processes that write the same entry at once may leave
 * the code of one with the sum of the other; that does not match either.
 */
#include "cache.h"

#include "settings.h"
#include "write.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* Attempts to find a name for a temporary file: one is nearly always enough. */
#define TEMPORARY_ATTEMPTS 8u

theater_status theater__cache_hash(const uint8_t *data, size_t size, theater__digest *out,
                                   theater_error *err)
{
    if (EVP_Digest(data, size, out->bytes, NULL, EVP_sha256(), NULL) != 1) {
        return theater__fail(err, THEATER_ERR_INTERNAL, "SHA-256 is not available");
    }
    return THEATER_OK;
}

void theater__cache_hex(const theater__digest *digest, char out_text[THEATER__HEX_SIZE])
{
    static const char DIGITS[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof digest->bytes; i++) {
        out_text[2 * i] = DIGITS[digest->bytes[i] >> 4];
        out_text[2 * i + 1] = DIGITS[digest->bytes[i] & 15];
    }
    out_text[2 * sizeof digest->bytes] = '\0';
}

/* What machine code may use. A file moved between machines would be refused by Wasmtime anyway; the
 * key keeps two machines with one home directory from overwriting each other's entries. */
static void put_cpu(char *out, size_t out_size)
{
#if defined(__x86_64__)
    unsigned a = 0, b = 0, c = 0, d = 0, b7 = 0, c7 = 0, d7 = 0, e = 0;
    (void)__get_cpuid(1, &a, &b, &c, &d); /* b holds the core's number: left out */
    (void)__get_cpuid_count(7, 0, &e, &b7, &c7, &d7);
    snprintf(out, out_size, "x86_64 %08x %08x %08x %08x %08x", c, d, b7, c7, d7);
#else
    snprintf(out, out_size, "%s %lx %lx", (const char *)getauxval(AT_PLATFORM), getauxval(AT_HWCAP),
             getauxval(AT_HWCAP2));
#endif
}

theater_status theater__cache_path(const char *directory, char **out_path, theater_error *err)
{
    THEATER_ASSERT(directory != NULL);
    char cpu[128];
    put_cpu(cpu, sizeof cpu);
    char text[512];
    int size = snprintf(text, sizeof text, "%s\n%s\n%s\n", THEATER__ENGINE_VERSION,
                        theater__settings_semantics(), cpu);
    THEATER_ASSERT(size > 0 && (size_t)size < sizeof text);
    theater__digest key;
    theater_status status = theater__cache_hash((const uint8_t *)text, (size_t)size, &key, err);
    if (status != THEATER_OK) {
        return status;
    }
    char hex[THEATER__HEX_SIZE];
    theater__cache_hex(&key, hex);
    hex[32] = '\0'; /* a name, not a proof */
    size_t path_size = strlen(directory) + 1 + strlen(hex) + 1;
    char *path = theater__alloc(path_size);
    if (path == NULL) {
        return theater__fail_nomem(err);
    }
    snprintf(path, path_size, "%s/%s", directory, hex);
    *out_path = path;
    return THEATER_OK;
}

/* strerror() shares a buffer between threads; this gives constant texts, NULL if it knows none. */
static const char *reason_of(int os_errno)
{
    const char *text = strerrordesc_np(os_errno);
    return text != NULL ? text : "unknown error";
}

static void close_descriptor(const int *descriptor)
{
    if (*descriptor >= 0) {
        close(*descriptor);
    }
}

/* Ours, and nobody else can write to it. */
static bool is_private(const struct stat *status)
{
    return status->st_uid == geteuid() && (status->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* Makes each directory of the path that is missing, 0700. */
static void make_directories(const char *path)
{
    THEATER_AUTOFREE char *copy = theater__strndup(path, strlen(path));
    if (copy == NULL) {
        return;
    }
    for (char *slash = strchr(copy + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(copy, 0700);
        *slash = '/';
    }
    (void)mkdir(copy, 0700);
}

static int open_directory(const theater__engine *engine, bool make)
{
    if (engine->cache_directory == NULL) {
        return -1;
    }
    if (make) {
        make_directories(engine->cache_directory);
    }
    int directory = open(engine->cache_directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0) {
        if (make || errno != ENOENT) {
            theater__log_write(&engine->log, THEATER_LOG_WARNING,
                               "compile cache '%s' is not usable: %s", engine->cache_directory,
                               reason_of(errno));
        }
        return -1;
    }
    struct stat status;
    if (fstat(directory, &status) != 0 || !is_private(&status)) {
        theater__log_write(&engine->log, THEATER_LOG_WARNING,
                           "compile cache '%s' is writable by others and not used",
                           engine->cache_directory);
        close(directory);
        return -1;
    }
    return directory;
}

/* The descriptor of a private regular file and its size, or -1. */
static int open_private(int directory, const char *name, size_t *out_size, bool *out_foreign)
{
    int file = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        *out_foreign = *out_foreign || errno != ENOENT;
        return -1;
    }
    struct stat status;
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || !is_private(&status) ||
        status.st_size <= 0) {
        *out_foreign = true;
        close(file);
        return -1;
    }
    *out_size = (size_t)status.st_size;
    return file;
}

/* Whether the file's content has the hash that the .sum beside it names. */
static bool matches_sum(int file, size_t size, int sum)
{
    char expected[THEATER__HEX_SIZE] = {0};
    if (read(sum, expected, sizeof expected - 1) != (ssize_t)(sizeof expected - 1)) {
        return false;
    }
    void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
    if (data == MAP_FAILED) {
        return false;
    }
    theater__digest digest;
    bool hashed = theater__cache_hash(data, size, &digest, NULL) == THEATER_OK;
    munmap(data, size);
    char actual[THEATER__HEX_SIZE];
    theater__cache_hex(&digest, actual);
    return hashed && memcmp(actual, expected, sizeof actual) == 0;
}

int theater__cache_find(const theater__engine *engine, const theater__digest *digest)
{
    THEATER_CLEANUP(close_descriptor) int directory = open_directory(engine, false);
    if (directory < 0) {
        return -1;
    }
    char hex[THEATER__HEX_SIZE];
    theater__cache_hex(digest, hex);
    char name[THEATER__HEX_SIZE + 8];
    bool foreign = false;
    size_t size = 0;
    size_t sum_size = 0;
    snprintf(name, sizeof name, "%s.sum", hex);
    THEATER_CLEANUP(close_descriptor) int sum = open_private(directory, name, &sum_size, &foreign);
    snprintf(name, sizeof name, "%s.cwasm", hex);
    int file = open_private(directory, name, &size, &foreign);
    if (file >= 0 && sum >= 0 && matches_sum(file, size, sum)) {
        return file;
    }
    if (file >= 0 || sum >= 0 || foreign) {
        theater__log_write(&engine->log, THEATER_LOG_WARNING,
                           "compile cache entry '%s/%s' is not to be trusted; compiling again",
                           engine->cache_directory, name);
    }
    close_descriptor(&file);
    return -1;
}

/* Writes beside the name and renames over it. */
static bool put_file(int directory, const char *name, const uint8_t *data, size_t size)
{
    char temporary[64];
    int file = -1;
    for (unsigned attempt = 0; file < 0 && attempt < TEMPORARY_ATTEMPTS; attempt++) {
        snprintf(temporary, sizeof temporary, ".tmp.%ld.%u", (long)getpid(), attempt);
        file = openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                      0600);
        if (file < 0 &&
            errno == EEXIST) { /* left by a process that was killed and had our number */
            (void)unlinkat(directory, temporary, 0);
        }
    }
    if (file < 0) {
        return false;
    }
    bool written = theater__write_all(file, data, size);
    written = close(file) == 0 && written;
    if (written && renameat(directory, temporary, directory, name) == 0) {
        return true;
    }
    int reason = errno;
    (void)unlinkat(directory, temporary, 0);
    errno = reason;
    return false;
}

void theater__cache_store(const theater__engine *engine, const theater__digest *digest,
                          const uint8_t *data, size_t size)
{
    THEATER_CLEANUP(close_descriptor) int directory = open_directory(engine, true);
    theater__digest sum;
    if (directory < 0 || theater__cache_hash(data, size, &sum, NULL) != THEATER_OK) {
        return;
    }
    char sum_hex[THEATER__HEX_SIZE];
    theater__cache_hex(&sum, sum_hex);
    char hex[THEATER__HEX_SIZE];
    theater__cache_hex(digest, hex);
    char name[THEATER__HEX_SIZE + 8];
    snprintf(name, sizeof name, "%s.cwasm", hex);
    bool kept = put_file(directory, name, data, size);
    snprintf(name, sizeof name, "%s.sum", hex);
    kept = kept && put_file(directory, name, (const uint8_t *)sum_hex, sizeof sum_hex - 1);
    if (!kept) {
        theater__log_write(&engine->log, THEATER_LOG_WARNING,
                           "compiled code was not kept in '%s': %s", engine->cache_directory,
                           reason_of(errno));
    }
}
