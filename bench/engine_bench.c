/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the engine room costs, without anything above it: an import that answers at once, one that
 * may wait and does not, one that suspends and is resumed, and the whole life of a call; what a
 * byte costs on its way through an actor, and what memory a guest takes while it sleeps. Medians of
 * several rounds; --json for machines; --on-demand without the pool.
 *
 *   engine_bench [--json] [--rounds N] [--on-demand]
 */
#include <engine/engine.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS_MAX 101u
#define SLEEPERS_COUNT 400u
#define IMPORTS_MAX 64u
#define ECHO_BYTES ((size_t)1 << 20)

typedef struct bench {
    theater__engine *engine;
    theater__component *component;
    bool suspend; /* sleep waits, else it answers at once */
    bool json;
    size_t rounds;
    size_t printed; /* lines */
} bench;

typedef struct measure {
    const char *name;
    const char *export;
    bool suspend;
    uint64_t calls;   /* of the export */
    uint64_t imports; /* in one call */
    const char *unit;
} measure;

static const measure MEASURES[] = {
    {"sync import, now() -> u64", "now", false, 1, 200000, "ns/import"},
    {"async import that answers at once", "sleep", false, 1, 200000, "ns/import"},
    {"async import, suspended and resumed", "sleep", true, 1, 100000, "ns/import"},
    {"sync import of a 64-byte string", "log", false, 1, 100000, "ns/import"},
    {"sync import of a 4096-byte list<u8>", "put", false, 1, 2000, "ns/import"},
    {"start, call of nothing, delete", "nothing", false, 5000, 1, "ns/call"},
    {"start, now, sleep replayed, delete", "wake", false, 5000, 1, "ns/call"},
    {"start, now, sleep suspended, delete", "wake", true, 5000, 1, "ns/call"},
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void check(theater_status status, const theater_error *err)
{
    if (status != THEATER_OK) {
        fprintf(stderr, "engine_bench: %s\n", err->message);
        exit(1);
    }
}

static theater__import_outcome on_import(void *userdata, uint32_t index, theater_values args,
                                         theater_value *out_result)
{
    const bench *run = userdata;
    (void)args;
    if (index == 0) {
        *out_result = theater_value_u64(1700000000000);
        return THEATER__IMPORT_RETURN;
    }
    if (index != 1) {
        return THEATER__IMPORT_RETURN;
    }
    if (run->suspend) {
        return THEATER__IMPORT_WAIT;
    }
    *out_result = theater_value_result(true, NULL);
    return THEATER__IMPORT_RETURN;
}

static theater__epoch_verdict on_epoch(void *userdata)
{
    (void)userdata;
    return THEATER__EPOCH_CONTINUE;
}

static void call(bench *run, size_t export, uint64_t imports)
{
    static const theater_limits LIMITS = THEATER_LIMITS_INIT;
    static const theater__guest_ops OPS = {on_import, on_epoch};
    theater_error err = THEATER_ERROR_INIT;
    theater__guest *guest = NULL;
    theater_value count = theater_value_u64(imports);
    theater_value ok = theater_value_result(true, NULL);
    check(theater__guest_start(run->component, export, (theater_values){&count, 1}, &LIMITS, &OPS,
                               run, &guest, &err),
          &err);
    theater__guest_status status = theater__guest_poll(guest);
    while (status == THEATER__GUEST_WAITING) {
        check(theater__guest_complete(guest, &ok, &err), &err);
        status = theater__guest_poll(guest);
    }
    if (status != THEATER__GUEST_DONE) {
        fprintf(stderr, "engine_bench: the guest ended with status %d\n", (int)status);
        exit(1);
    }
    theater__guest_delete(guest);
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static void print(bench *run, const char *name, double number, const char *unit)
{
    if (run->json) {
        printf("%s{\"name\":\"%s\",\"unit\":\"%s\",\"value\":%.1f}",
               run->printed == 0 ? "[" : ",\n ", name, unit, number);
    } else {
        printf("%-38s %10.*f %s\n", name, number < 100 ? 1 : 0, number, unit);
    }
    run->printed++;
}

/* Nanoseconds for one unit: the median of the rounds. */
static double median_of(bench *run, const measure *what, size_t rounds)
{
    double results[ROUNDS_MAX];
    size_t export = 0;
    theater_error err = THEATER_ERROR_INIT;
    check(theater__component_find_export(run->component, what->export, &export, &err), &err);
    run->suspend = what->suspend;
    call(run, export, what->imports); /* warm */
    for (size_t round = 0; round < rounds; round++) {
        uint64_t begin = now_ns();
        for (uint64_t i = 0; i < what->calls; i++) {
            call(run, export, what->imports);
        }
        uint64_t units = what->calls * what->imports;
        results[round] = (double)(now_ns() - begin) / (double)units;
    }
    qsort(results, rounds, sizeof results[0], compare);
    return results[rounds / 2];
}

/* Opens and links a component; without modes every import is SYNC. */
static void load(bench *run, const char *path, const theater__import_mode *modes)
{
    static char text[65536];
    theater_error err = THEATER_ERROR_INIT;
    FILE *file = fopen(path, "rb");
    size_t size = file != NULL ? fread(text, 1, sizeof text, file) : 0;
    if (file == NULL || size == 0 || size == sizeof text) {
        fprintf(stderr, "engine_bench: %s was not read\n", path);
        exit(1);
    }
    fclose(file);
    check(theater__component_open(run->engine, (const uint8_t *)text, size, &run->component, &err),
          &err);
    theater__import_mode all[IMPORTS_MAX];
    size_t count = theater__component_imports_count(run->component);
    for (size_t i = 0; i < count && i < IMPORTS_MAX; i++) {
        all[i] = modes != NULL ? modes[i] : THEATER__IMPORT_SYNC;
    }
    check(theater__component_link(run->component, all, count, &err), &err);
}

static theater__import_outcome on_echo(void *userdata, uint32_t index, theater_values args,
                                       theater_value *out_result)
{
    (void)userdata;
    (void)index;
    *out_result = args.data[0];
    return THEATER__IMPORT_RETURN;
}

/* One byte in as an argument, out to an import, in as its result, out as the call's result. */
static void measure_bytes(bench *run)
{
    static const theater_limits LIMITS = THEATER_LIMITS_INIT;
    static const theater__guest_ops OPS = {on_echo, on_epoch};
    static uint8_t data[ECHO_BYTES];
    load(run, THEATER_GUESTS "/echo.wat", NULL);
    theater_value bytes = {.kind = THEATER_VALUE_BYTES, .of = {.bytes = {data, sizeof data}}};
    theater_error err = THEATER_ERROR_INIT;
    size_t export = 0;
    double results[ROUNDS_MAX];
    check(theater__component_find_export(run->component, "test:echo/guest.bytes", &export, &err),
          &err);
    for (size_t round = 0; round < run->rounds; round++) {
        theater__guest *guest = NULL;
        uint64_t begin = now_ns();
        check(theater__guest_start(run->component, export, (theater_values){&bytes, 1}, &LIMITS,
                                   &OPS, run, &guest, &err),
              &err);
        if (theater__guest_poll(guest) != THEATER__GUEST_DONE) {
            fprintf(stderr, "engine_bench: the echo did not return\n");
            exit(1);
        }
        theater__guest_delete(guest);
        results[round] = (double)(now_ns() - begin) / (double)sizeof data / 4;
    }
    theater__component_close(run->component);
    qsort(results, run->rounds, sizeof results[0], compare);
    print(run, "1 MiB list<u8>, in and out", results[run->rounds / 2], "ns/byte");
}

/* Bytes of anonymous memory that this process has in RAM. */
static uint64_t resident(void)
{
    char line[128];
    unsigned long long kibibytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        (void)sscanf(line, "RssAnon: %llu", &kibibytes);
    }
    if (file != NULL) {
        fclose(file);
    }
    return kibibytes * 1024;
}

/* What guests that sleep take, those in the pool or the others. */
static void measure_sleepers(bench *run)
{
    static const theater_limits LIMITS = THEATER_LIMITS_INIT;
    static const theater__guest_ops OPS = {on_import, on_epoch};
    static theater__guest *guests[SLEEPERS_COUNT];
    theater_value one = theater_value_u64(1);
    theater_error err = THEATER_ERROR_INIT;
    size_t export = 0;
    run->suspend = true;
    check(theater__component_find_export(run->component, "wake", &export, &err), &err);
    uint64_t before = resident();
    for (size_t i = 0; i < SLEEPERS_COUNT; i++) {
        check(theater__guest_start(run->component, export, (theater_values){&one, 1}, &LIMITS, &OPS,
                                   run, &guests[i], &err),
              &err);
        (void)theater__guest_poll(guests[i]);
    }
    print(run, "a guest that sleeps", (double)(resident() - before) / SLEEPERS_COUNT, "bytes");
    for (size_t i = 0; i < SLEEPERS_COUNT; i++) {
        theater__guest_delete(guests[i]);
    }
    double left = (double)resident() - (double)before;
    print(run, "what stays of it", left > 0 ? left / SLEEPERS_COUNT : 0, "bytes");
}

static void measure_all(bench *run, uint32_t pooled_guests_max)
{
    theater__engine_options options = {.compiler_path = THEATER_COMPILER,
                                       .pooled_guests_max = pooled_guests_max};
    theater_error err = THEATER_ERROR_INIT;
    uint64_t begin = now_ns();
    check(theater__engine_open(&options, &run->engine, &err), &err);
    print(run, "open the engine", (double)(now_ns() - begin), "ns");
    const theater__import_mode modes[] = {THEATER__IMPORT_SYNC, THEATER__IMPORT_ASYNC,
                                          THEATER__IMPORT_SYNC, THEATER__IMPORT_SYNC};
    load(run, THEATER_GUESTS "/bench.wat", modes);
    measure_sleepers(run);
    for (size_t i = 0; i < sizeof MEASURES / sizeof MEASURES[0]; i++) {
        const measure *what = &MEASURES[i];
        print(run, what->name, median_of(run, what, run->rounds), what->unit);
    }
    theater__component_close(run->component);
    measure_bytes(run);
    theater__engine_close(run->engine);
    if (run->json) {
        printf("]\n");
    }
}

int main(int argc, char **argv)
{
    bench run = {.rounds = 9};
    uint32_t pooled = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            run.json = true;
        } else if (strcmp(argv[i], "--on-demand") == 0) {
            pooled = THEATER__POOLED_GUESTS_NONE;
        } else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            run.rounds = (size_t)strtoul(argv[++i], NULL, 10);
        } else {
            fprintf(stderr, "usage: engine_bench [--json] [--rounds N] [--on-demand]\n");
            return 2;
        }
    }
    if (run.rounds == 0 || run.rounds > ROUNDS_MAX) {
        fprintf(stderr, "engine_bench: 1 to %u rounds\n", ROUNDS_MAX);
        return 2;
    }
    measure_all(&run, pooled);
    return 0;
}
