/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the measurements of `theater bench` share. Each is a command of its own (bench_<what>.c):
 *
 *     bench_machine.c   clocks, memory, CPU and disk as the kernel tells them: the other side
 *     bench_host.c      a host in a store of its own that is gone afterwards, on Ctrl-C too
 *     bench_report.c    rows of figures: a table for people, one JSON object for machines
 *
 * What is measured goes through include/ alone, as in any other program.
 */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "options.h"
#include "output.h"
#include "stores.h"

/* ---- bench_machine.c ------------------------------------------------------------------------- */

/* Elapsed time (BOOTTIME), and the wall clock, as the host reads them. */
uint64_t bench_now_ns(void);
uint64_t bench_wall_ms(void);

typedef struct bench_usage {
    double user_s; /* of this process, all threads */
    double system_s;
    uint64_t rss_bytes;
    uint64_t rss_max_bytes;  /* VmHWM */
    uint64_t rss_anon_bytes; /* what is not of files */
    double machine_s;        /* of all processors, and of that: */
    double stolen_s;         /* when somebody wanted to run and the hypervisor ran others */
} bench_usage;

/* Zeros where the kernel does not tell. with_trim: memory that was freed is given back before. */
void bench_usage_get(bench_usage *out_usage, bool with_trim);
double bench_load(void);
/* Those this process may run on; at least 1. */
uint32_t bench_processors(void);
/* Bytes of the files in a directory. */
uint64_t bench_directory_bytes(const char *path);

/*
 * How late a bare timerfd is: absolute, BOOTTIME, count waits of ms each. False: a line was said.
 */
bool bench_raw_lateness(uint64_t ms, uint64_t count, theater_histogram *late);
/*
 * Bare pwrite + fdatasync of so many bytes into a file of zeros, for so long; 0: a line was said.
 */
double bench_raw_commits_per_s(const char *directory, size_t size, uint64_t duration_ms);

/* ---- bench_host.c ---------------------------------------------------------------------------- */

typedef struct bench_place {
    cli_url url;
    bool is_made; /* a directory in $TMPDIR (or /tmp), removed at the end */
} bench_place;

/* given: NULL for a fresh log in the temporary directory. The exit status; a line was said. */
int bench_place_init(bench_place *place, const char *given);
void bench_place_deinit(bench_place *place);

typedef struct bench_host {
    theater_host *host;
    theater_actor_component *component;
    uint64_t ended;
    uint64_t failed;                         /* ended otherwise than well */
    char failure[THEATER_ERROR_MESSAGE_MAX]; /* of the first of them */
} bench_host;

/*
 * Opened, empty; has_durable: with the function of bench_guest_rate_durable, which no other command
 * offers. The exit status; a line was said.
 */
int bench_host_open(bench_host *b, const bench_place *place, cli_shard shard, uint64_t live_max,
                    bool has_durable);
void bench_host_close(bench_host *b);
/* A built-in component, or a file. */
int bench_host_load(bench_host *b, const char *text, const char *path);
/* LIMIT: the store has too much in flight; dispatch and try again. */
theater_status bench_host_spawn(bench_host *b, const char *export_name, const char *args,
                                theater_error *err);
/*
 * One iteration, and up to timeout_ms of waiting if there is nothing to do. *out_more may be NULL.
 * The exit status; a line was said.
 */
int bench_host_step(bench_host *b, int timeout_ms, bool *out_more);
theater_host_stats bench_host_stats(const bench_host *b);
/* CLI_EXIT_OK, or what follows from actors that did not end well; a line was said. */
int bench_host_verdict(const bench_host *b);

/* ---- bench_report.c -------------------------------------------------------------------------- */

#define BENCH_ROWS_MAX 48u

typedef struct bench_row {
    char key[40];   /* "created_per_s" */
    char label[40]; /* "created" */
    const char *unit;
    unsigned decimals;
    double value;
} bench_row;

typedef struct bench_report {
    const char *name;
    bench_row rows[BENCH_ROWS_MAX];
    size_t rows_count;
} bench_report;

void bench_row_add(bench_report *report, const char *key, const char *label, const char *unit,
                   unsigned decimals, double value);
/* Median, p99 and greatest of a histogram of ns, in ms: <key>_p50_ms and so on. */
void bench_row_add_lateness(bench_report *report, const char *key, const char *label,
                            const theater_histogram *late);
/* Adds the machine's load and prints. The exit status of writing it. */
int bench_report_print(bench_report *report, bool json);

/* Whether it is time for a line of progress: one a second on a terminal, else one in ten. */
bool bench_is_time(uint64_t *last_ns);

/* ---- components ------------------------------------------------------------------------------ */

/*
 * bench_guests.c. sleepers: run(ms), until(timestamp) -> result<_, string>. rate: nap(ms) for ever,
 * with and without waiting until each is durable.
 */
extern const char bench_guest_sleepers[];
extern const char bench_guest_rate[];
extern const char bench_guest_rate_durable[];

#endif
