/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log store beside the system calls it is made of and beside SQLite, on the same disk, in the
 * same run, round by round in turn.
 *
 *     log_bench [--json] [--directory DIR] [--commits N] [--open GIB [--sleepers N]]
 *
 * commit     one batch at a time, each waited for: through the store, as a bare pwrite + fdatasync
 *            of as many bytes (into a file of zeros, the fastest there is, and at the end of a file
 *            that grows), and as an SQLite transaction (WAL, synchronous=FULL) of as many bytes
 * writers    256 actors, each with one batch in flight, by events in a batch
 * stream     the same actors, nobody waits
 * submit     CPU of the owner's thread for one submit, and for one completion
 * open       with --open, only this: a store with so many sleepers and so many GiB of history is
 *            made, its pages are dropped from the cache, and it is opened: until the first sleeper
 *            is known, until all are, and until one's chain was read
 */
#include <store/store.h>

#include <base/alloc.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef BENCH_SQLITE
#include <sqlite3.h>
#endif

#define ROUNDS 5u
#define WRITERS 256u
#define EVENT_SIZE 64u /* a frame of a sleep's request or completion */
#define COMMIT_EVENTS 3u
/* A group header, a record header, three frames: what one commit of the log writes. */
#define COMMIT_BYTES (64u + 216u + COMMIT_EVENTS * EVENT_SIZE)
#define EVENTS_MAX 32u
#define ROUND_NS UINT64_C(500000000)

typedef struct settings {
    bool json;
    const char *parent;
    uint32_t commits;
    uint32_t open_gib;
    uint32_t sleepers;
} settings;

typedef struct writer {
    theater_id id;
    theater_hash head;
    uint64_t next_seq;
    uint64_t place;
} writer;

static writer writers[WRITERS];
static uint8_t frames[EVENTS_MAX * EVENT_SIZE];

static uint64_t now_ns(clockid_t clock)
{
    struct timespec time = {0};
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
    double left = 0;
    double right = 0;
    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return (left > right) - (left < right);
}

static double median(double rounds[ROUNDS])
{
    qsort(rounds, ROUNDS, sizeof rounds[0], compare_doubles);
    return rounds[ROUNDS / 2];
}

static void must(bool fine, const char *what)
{
    if (!fine) {
        (void)fprintf(stderr, "log_bench: %s\n", what);
        exit(1);
    }
}

/* ---- the store ------------------------------------------------------------------------------- */

static void submit(theater__store *store, writer *it, uint32_t events)
{
    theater__batch batch = {
        .actor = it->id,
        .parent = it->head,
        .first_seq = it->next_seq,
        .events_count = events,
        .frames = {frames, (size_t)events * EVENT_SIZE},
        .previous_place = it->place,
        .userdata = it,
    };
    batch.standing.state = THEATER__STATE_ASLEEP;
    it->next_seq += events;
    memcpy(it->head.bytes, &it->next_seq, sizeof it->next_seq);
    it->head.bytes[31] = 1;
    batch.head = it->head;
    theater__ticket ticket = 0;
    must(theater__store_submit(store, &batch, &ticket, &it->place, NULL) == THEATER_OK, "submit");
}

static writer *wait_one(theater__store *store)
{
    theater__store_completion completion;
    while (!theater__store_poll(store, &completion)) {
        struct pollfd wanted = {.fd = theater__store_fd(store), .events = POLLIN};
        (void)poll(&wanted, 1, -1);
    }
    must(completion.status == THEATER_OK, completion.error.message);
    return completion.userdata;
}

static double commit_store(theater__store *store, uint32_t commits)
{
    uint64_t start = now_ns(CLOCK_MONOTONIC);
    for (uint32_t i = 0; i < commits; i++) {
        submit(store, &writers[0], COMMIT_EVENTS);
        (void)wait_one(store);
    }
    return (double)(now_ns(CLOCK_MONOTONIC) - start) / commits;
}

/* Events per second with one batch of each writer in flight. */
static double run_writers(theater__store *store, uint32_t events)
{
    uint64_t done = 0;
    uint64_t start = now_ns(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < WRITERS; i++) {
        submit(store, &writers[i], events);
    }
    uint64_t end = start;
    while (end - start < ROUND_NS) {
        writer *it = wait_one(store);
        submit(store, it, events);
        done++;
        end = now_ns(CLOCK_MONOTONIC);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        (void)wait_one(store);
    }
    return (double)done * events * 1e9 / (double)(end - start);
}

/* Events per second when nobody waits, all of them durable at the end. */
static double run_stream(theater__store *store, uint32_t events, double *out_submit_ns,
                         double *out_poll_ns)
{
    const uint32_t count = 100000;
    uint64_t start = now_ns(CLOCK_MONOTONIC);
    uint64_t cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
    for (uint32_t i = 0; i < count; i++) {
        submit(store, &writers[i % WRITERS], events);
    }
    uint64_t submitted = now_ns(CLOCK_THREAD_CPUTIME_ID);
    for (uint32_t i = 0; i < count; i++) {
        (void)wait_one(store);
    }
    uint64_t polled = now_ns(CLOCK_THREAD_CPUTIME_ID);
    uint64_t end = now_ns(CLOCK_MONOTONIC);
    *out_submit_ns = (double)(submitted - cpu) / count;
    *out_poll_ns = (double)(polled - submitted) / count;
    return (double)count * events * 1e9 / (double)(end - start);
}

/* ---- the others ------------------------------------------------------------------------------ */

static double commit_raw(int fd, uint64_t *offset, uint32_t commits)
{
    static uint8_t bytes[COMMIT_BYTES];
    uint64_t start = now_ns(CLOCK_MONOTONIC);
    for (uint32_t i = 0; i < commits; i++) {
        must(pwrite(fd, bytes, sizeof bytes, (off_t)*offset) == (ssize_t)sizeof bytes, "pwrite");
        must(fdatasync(fd) == 0, "fdatasync");
        *offset += sizeof bytes;
    }
    return (double)(now_ns(CLOCK_MONOTONIC) - start) / commits;
}

/* A file of so many zeros, on the disk. */
static int open_zeros(const char *path, uint64_t size)
{
    static const uint8_t zeros[65536];
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    must(fd >= 0, "open");
    for (uint64_t at = 0; at < size; at += sizeof zeros) {
        must(pwrite(fd, zeros, sizeof zeros, (off_t)at) == (ssize_t)sizeof zeros, "pwrite");
    }
    must(fsync(fd) == 0, "fsync");
    return fd;
}

#ifdef BENCH_SQLITE
static sqlite3_stmt *open_sqlite(const char *path, sqlite3 **out_db)
{
    sqlite3_stmt *insert = NULL;
    must(sqlite3_open(path, out_db) == SQLITE_OK, "sqlite3_open");
    must(sqlite3_exec(*out_db,
                      "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                      "CREATE TABLE log(seq INTEGER PRIMARY KEY, record BLOB)",
                      NULL, NULL, NULL) == SQLITE_OK,
         "sqlite3_exec");
    must(sqlite3_prepare_v2(*out_db, "INSERT INTO log(record) VALUES(?)", -1, &insert, NULL) ==
             SQLITE_OK,
         "sqlite3_prepare");
    return insert;
}

static double commit_sqlite(sqlite3_stmt *insert, uint32_t commits)
{
    static uint8_t bytes[COMMIT_BYTES];
    uint64_t start = now_ns(CLOCK_MONOTONIC);
    for (uint32_t i = 0; i < commits; i++) {
        must(sqlite3_bind_blob(insert, 1, bytes, sizeof bytes, SQLITE_STATIC) == SQLITE_OK,
             "sqlite3_bind");
        must(sqlite3_step(insert) == SQLITE_DONE, "sqlite3_step");
        must(sqlite3_reset(insert) == SQLITE_OK, "sqlite3_reset");
    }
    return (double)(now_ns(CLOCK_MONOTONIC) - start) / commits;
}
#endif

/* ---- the run --------------------------------------------------------------------------------- */

static void row(const settings *how, const char *name, const char *unit, double value)
{
    if (how->json) {
        printf("{\"name\":\"%s\",\"unit\":\"%s\",\"value\":%.3f}\n", name, unit, value);
    } else {
        printf("%-44s %12.1f %s\n", name, value, unit);
    }
    (void)fflush(stdout);
}

static void bench_commits(const settings *how, const char *directory, theater__store *store)
{
    char path[512];
    double by_store[ROUNDS];
    double by_raw[ROUNDS];
    double by_growing[ROUNDS];
    (void)snprintf(path, sizeof path, "%s/raw", directory);
    int fd = open_zeros(path, (uint64_t)how->commits * ROUNDS * COMMIT_BYTES);
    (void)snprintf(path, sizeof path, "%s/growing", directory);
    int growing_fd = open_zeros(path, 0);
    uint64_t offset = 0;
    uint64_t growing_offset = 0;
#ifdef BENCH_SQLITE
    double by_sqlite[ROUNDS];
    sqlite3 *db = NULL;
    (void)snprintf(path, sizeof path, "%s/sqlite", directory);
    sqlite3_stmt *insert = open_sqlite(path, &db);
#endif
    for (unsigned i = 0; i < ROUNDS; i++) {
        by_store[i] = commit_store(store, how->commits);
        by_raw[i] = commit_raw(fd, &offset, how->commits);
        by_growing[i] = commit_raw(growing_fd, &growing_offset, how->commits);
#ifdef BENCH_SQLITE
        by_sqlite[i] = commit_sqlite(insert, how->commits);
#endif
    }
    double log_ns = median(by_store);
    double raw_ns = median(by_raw);
    row(how, "commit, one at a time: log", "us", log_ns / 1000);
    row(how, "commit, one at a time: raw pwrite+fdatasync", "us", raw_ns / 1000);
    row(how, "commit, log in percent of raw speed", "%", raw_ns / log_ns * 100);
    row(how, "commit, raw at the end of a growing file", "us", median(by_growing) / 1000);
#ifdef BENCH_SQLITE
    double sqlite_ns = median(by_sqlite);
    row(how, "commit, one at a time: SQLite WAL FULL", "us", sqlite_ns / 1000);
    row(how, "commit, SQLite in percent of raw speed", "%", raw_ns / sqlite_ns * 100);
    (void)sqlite3_finalize(insert);
    (void)sqlite3_close(db);
#endif
    (void)close(fd);
    (void)close(growing_fd);
}

static void bench_writers(const settings *how, theater__store *store)
{
    static const uint32_t sizes[] = {1, 4, 8, 32};
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        double rounds[ROUNDS];
        char name[64];
        for (unsigned k = 0; k < ROUNDS; k++) {
            rounds[k] = run_writers(store, sizes[i]);
        }
        (void)snprintf(name, sizeof name, "256 writers, batches of %" PRIu32, sizes[i]);
        row(how, name, "events/s", median(rounds));
    }
    double streams[ROUNDS];
    double submits[ROUNDS];
    double polls[ROUNDS];
    for (unsigned k = 0; k < ROUNDS; k++) {
        streams[k] = run_stream(store, COMMIT_EVENTS, &submits[k], &polls[k]);
    }
    row(how, "nobody waits, batches of 3", "events/s", median(streams));
    row(how, "submit of 3 events, CPU of the owner", "ns", median(submits));
    row(how, "completion, CPU of the owner", "ns", median(polls));
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static settings parse(int argc, char **argv)
{
    settings how = {.parent = ".", .commits = 200, .sleepers = 100000};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            how.json = true;
        } else if (strcmp(argv[i], "--directory") == 0 && i + 1 < argc) {
            how.parent = argv[++i];
        } else if (strcmp(argv[i], "--commits") == 0 && i + 1 < argc) {
            how.commits = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--open") == 0 && i + 1 < argc) {
            how.open_gib = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--sleepers") == 0 && i + 1 < argc) {
            how.sleepers = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else {
            must(false, "usage: log_bench [--json] [--directory DIR] [--commits N] "
                        "[--open GIB [--sleepers N]]");
        }
    }
    must(how.commits > 0, "--commits has to be 1 or more");
    must(how.sleepers > 0, "--sleepers has to be 1 or more");
    return how;
}

/* ---- open ------------------------------------------------------------------------------------ */

/* Writes the history: the sleepers in turn, as if each woke again and again. */
static void write_history(const settings *how, theater__store *store, writer *sleepers)
{
    uint64_t wanted = (uint64_t)how->open_gib << 30;
    uint64_t written = 0;
    uint64_t inflight = 0;
    uint32_t turn = 0;
    while (written < wanted || sleepers[how->sleepers - 1].next_seq == 0) {
        /* Not all as often as all others: every 16th only at the beginning. */
        writer *it = &sleepers[turn % how->sleepers];
        turn++;
        if (it->next_seq > 0 && turn % 16 == 0) {
            continue;
        }
        submit(store, it, COMMIT_EVENTS);
        written += COMMIT_BYTES - 64;
        inflight++;
        while (inflight > 4096) {
            (void)wait_one(store);
            inflight--;
        }
    }
    while (inflight > 0) {
        (void)wait_one(store);
        inflight--;
    }
}

static int drop_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)where;
    int fd = type == FTW_F ? open(path, O_RDONLY) : -1;
    if (fd >= 0) {
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        (void)close(fd);
    }
    return 0;
}

static void open_once(const settings *how, const theater__store_options *options, const char *cache)
{
    theater__store *store = NULL;
    theater_error err = THEATER_ERROR_INIT;
    char name[64];
    uint64_t start = now_ns(CLOCK_MONOTONIC);
    must(theater__store_open(options, &store, &err) == THEATER_OK, err.message);
    theater__recovered first;
    must(theater__store_recover_next(store, &first, &err) == THEATER_OK, err.message);
    double first_ms = (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e6;
    theater__recovered each;
    uint32_t count = 1;
    while (theater__store_recover_next(store, &each, NULL) == THEATER_OK) {
        count++;
    }
    must(count == how->sleepers, "not all were found");
    double all_ms = (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e6;
    theater__read read = {
        .actor = first.actor, .place = first.place, .from_seq = first.next_seq - 1};
    theater__ticket ticket = 0;
    must(theater__store_read(store, &read, &ticket, &err) == THEATER_OK, err.message);
    (void)wait_one(store);
    double read_ms = (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e6;
    (void)snprintf(name, sizeof name, "open, %s: first sleeper known", cache);
    row(how, name, "ms", first_ms);
    (void)snprintf(name, sizeof name, "open, %s: all known", cache);
    row(how, name, "ms", all_ms);
    (void)snprintf(name, sizeof name, "open, %s: one's chain read", cache);
    row(how, name, "ms", read_ms);
    theater__store_close(store);
}

static void bench_open(const settings *how, const char *directory,
                       const theater__store_options *options)
{
    theater__store *store = NULL;
    theater_error err = THEATER_ERROR_INIT;
    must(theater__store_open(options, &store, &err) == THEATER_OK, err.message);
    writer *sleepers = theater__alloc_zeroed(how->sleepers, sizeof *sleepers);
    must(sleepers != NULL, "no memory");
    for (uint32_t i = 0; i < how->sleepers; i++) {
        memcpy(sleepers[i].id.bytes, &i, sizeof i);
        sleepers[i].id.bytes[15] = 1;
        sleepers[i].place = THEATER__PLACE_NONE;
    }
    uint64_t start = now_ns(CLOCK_MONOTONIC);
    write_history(how, store, sleepers);
    row(how, "history written", "s", (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e9);
    theater__store_close(store);
    theater__free(sleepers);
    (void)nftw(directory, drop_one, 16, FTW_PHYS);
    open_once(how, options, "pages dropped");
    open_once(how, options, "pages cached");
}

int main(int argc, char **argv)
{
    settings how = parse(argc, argv);
    char directory[400];
    char url[512];
    (void)snprintf(directory, sizeof directory, "%s/log-bench-XXXXXX", how.parent);
    must(mkdtemp(directory) != NULL, "the directory cannot be written");
    (void)snprintf(url, sizeof url, "log:%s/store", directory);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i].id.bytes[0] = (uint8_t)i;
        writers[i].id.bytes[1] = 1;
        writers[i].place = THEATER__PLACE_NONE;
    }
    theater__store_options options = {.url = url};
    theater__store *store = NULL;
    theater_error err = THEATER_ERROR_INIT;
    if (how.open_gib > 0) {
        bench_open(&how, directory, &options);
        (void)nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        return 0;
    }
    must(theater__store_open(&options, &store, &err) == THEATER_OK, err.message);
    bench_commits(&how, directory, store);
    bench_writers(&how, store);
    theater__store_close(store);
    uint64_t start = now_ns(CLOCK_MONOTONIC);
    must(theater__store_open(&options, &store, &err) == THEATER_OK, err.message);
    double opened_ms = (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e6;
    theater__store_close(store);
    row(&how, "open of what was written, page cache warm", "ms", opened_ms);
    (void)nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
