/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the engine room costs, without anything above it: an import that answers at once, one that
 * may wait and does not, one that suspends and is resumed, and the whole life of a call. Medians of
 * several rounds; --json for machines.
 *
 *   engine_bench [--json] [--rounds N]
 */
#include <engine/engine.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS_MAX 101u

typedef struct bench {
    theater__engine *engine;
    theater__component *component;
    bool suspend; /* sleep waits, else it answers at once */
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
    {"sync import, now() -> u64", "now", false, 1, 200000, "import"},
    {"async import that answers at once", "sleep", false, 1, 200000, "import"},
    {"async import, suspended and resumed", "sleep", true, 1, 100000, "import"},
    {"sync import of a 64-byte string", "log", false, 1, 100000, "import"},
    {"sync import of a 4096-byte list<u8>", "put", false, 1, 2000, "import"},
    {"start, call of nothing, delete", "nothing", false, 5000, 1, "call"},
    {"start, now, sleep replayed, delete", "wake", false, 5000, 1, "call"},
    {"start, now, sleep suspended, delete", "wake", true, 5000, 1, "call"},
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

static void open_component(bench *run)
{
    static char text[65536];
    theater_error err = THEATER_ERROR_INIT;
    FILE *file = fopen(THEATER_GUESTS "/bench.wat", "rb");
    size_t size = file != NULL ? fread(text, 1, sizeof text, file) : 0;
    if (file == NULL || size == 0 || size == sizeof text) {
        fprintf(stderr, "engine_bench: %s/bench.wat was not read\n", THEATER_GUESTS);
        exit(1);
    }
    fclose(file);
    theater__engine_options options = {.compiler_path = THEATER_COMPILER};
    check(theater__engine_open(&options, &run->engine, &err), &err);
    check(theater__component_open(run->engine, (const uint8_t *)text, size, &run->component, &err),
          &err);
    const theater__import_mode modes[] = {THEATER__IMPORT_SYNC, THEATER__IMPORT_ASYNC,
                                          THEATER__IMPORT_SYNC, THEATER__IMPORT_SYNC};
    check(theater__component_link(run->component, modes, 4, &err), &err);
}

int main(int argc, char **argv)
{
    bool json = false;
    size_t rounds = 9;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            rounds = (size_t)strtoul(argv[++i], NULL, 10);
        } else {
            fprintf(stderr, "usage: engine_bench [--json] [--rounds N]\n");
            return 2;
        }
    }
    if (rounds == 0 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "engine_bench: 1 to %u rounds\n", ROUNDS_MAX);
        return 2;
    }
    bench run = {0};
    open_component(&run);
    size_t count = sizeof MEASURES / sizeof MEASURES[0];
    for (size_t i = 0; i < count; i++) {
        const measure *what = &MEASURES[i];
        double ns = median_of(&run, what, rounds);
        if (json) {
            printf("%s{\"name\":\"%s\",\"ns\":%.1f,\"per\":\"%s\"}%s\n", i == 0 ? "[" : " ",
                   what->name, ns, what->unit, i + 1 < count ? "," : "]");
        } else {
            printf("%-38s %10.0f ns/%s\n", what->name, ns, what->unit);
        }
    }
    theater__component_close(run.component);
    theater__engine_close(run.engine);
    return 0;
}
