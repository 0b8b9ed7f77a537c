/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine as the kernel tells it, and the bare system calls that a figure is held against. This
 * side of a comparison must not be the library's own, so clocks are read here.
 */
#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* A log writes into zeroed blocks; a bare file gets as many before it is measured. */
#define RAW_FILE_BYTES ((size_t)8 << 20)
#define RAW_RECORD_MAX 4096u

static uint64_t read_clock_ns(clockid_t id)
{
    struct timespec now = {0};
    /* tidy-allow: clock: a measurement looks from outside, the command sees include/ alone */
    (void)clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t bench_now_ns(void)
{
    return read_clock_ns(CLOCK_BOOTTIME);
}

uint64_t bench_wall_ms(void)
{
    return read_clock_ns(CLOCK_REALTIME) / 1000000u;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static uint64_t field_bytes(const char *line, const char *name)
{
    size_t size = strlen(name);
    return strncmp(line, name, size) == 0 ? strtoull(line + size, NULL, 10) * 1024 : 0;
}

/* "cpu" of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal, in ticks. */
#define STAT_FIELDS 8u
#define STAT_STEAL 7u

static void read_machine(bench_usage *out_usage)
{
    char line[256];
    FILE *file = fopen("/proc/stat", "re");
    if (file != NULL && fgets(line, sizeof(line), file) != NULL && strncmp(line, "cpu ", 4) == 0) {
        double ticks_per_s = (double)sysconf(_SC_CLK_TCK);
        char *at = line + 4;
        for (unsigned i = 0; i < STAT_FIELDS; i++) {
            double time_s = (double)strtoull(at, &at, 10) / ticks_per_s;
            out_usage->machine_s += time_s;
            out_usage->stolen_s += i == STAT_STEAL ? time_s : 0;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

void bench_usage_get(bench_usage *out_usage, bool with_trim)
{
    char line[128];
    struct rusage usage;
    memset(out_usage, 0, sizeof(*out_usage));
    if (with_trim) {
        (void)malloc_trim(0);
    }
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        out_usage->user_s = seconds(usage.ru_utime);
        out_usage->system_s = seconds(usage.ru_stime);
    }
    read_machine(out_usage);
    FILE *file = fopen("/proc/self/status", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        out_usage->rss_bytes += field_bytes(line, "VmRSS:");
        out_usage->rss_max_bytes += field_bytes(line, "VmHWM:");
        out_usage->rss_anon_bytes += field_bytes(line, "RssAnon:");
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

uint32_t bench_processors(void)
{
    cpu_set_t allowed;
    bool is_known = sched_getaffinity(0, sizeof(allowed), &allowed) == 0;
    return is_known && CPU_COUNT(&allowed) > 0 ? (uint32_t)CPU_COUNT(&allowed) : 1;
}

double bench_load(void)
{
    double load = 0;
    return getloadavg(&load, 1) == 1 ? load : 0;
}

uint64_t bench_directory_bytes(const char *path)
{
    uint64_t bytes = 0;
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return 0;
    }
    struct dirent *entry = NULL;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own */
    while ((entry = readdir(directory)) != NULL) {
        struct stat info;
        if (fstatat(dirfd(directory), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(info.st_mode)) {
            bytes += (uint64_t)info.st_blocks * 512;
        }
    }
    (void)closedir(directory);
    return bytes;
}

/* ---- bare system calls ----------------------------------------------------------------------- */

static bool say_errno(const char *what)
{
    cli_say("%s: %s", what, strerrordesc_np(errno));
    return false;
}

bool bench_raw_lateness(uint64_t ms, uint64_t count, theater_histogram *late)
{
    int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
    bool is_fine = fd >= 0;
    for (uint64_t i = 0; i < count && is_fine; i++) {
        uint64_t expirations = 0;
        uint64_t due_ns = bench_now_ns() + ms * 1000000u;
        struct itimerspec at;
        memset(&at, 0, sizeof(at));
        at.it_value.tv_sec = (time_t)(due_ns / 1000000000u);
        at.it_value.tv_nsec = (long)(due_ns % 1000000000u);
        is_fine = timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, NULL) == 0 &&
                  read(fd, &expirations, sizeof(expirations)) == sizeof(expirations);
        if (is_fine) {
            theater_histogram_add(late, bench_now_ns() - due_ns);
        }
    }
    if (!is_fine && errno != EINTR) {
        (void)say_errno("a timerfd failed");
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_fine;
}

static bool fill_with_zeros(int fd)
{
    static const uint8_t zeros[1 << 16];
    for (size_t done = 0; done < RAW_FILE_BYTES; done += sizeof(zeros)) {
        if (pwrite(fd, zeros, sizeof(zeros), (off_t)done) != (ssize_t)sizeof(zeros)) {
            return false;
        }
    }
    return fsync(fd) == 0;
}

double bench_raw_commits_per_s(const char *directory, size_t size, uint64_t duration_ms)
{
    char path[PATH_MAX];
    uint8_t record[RAW_RECORD_MAX];
    size_t fits = size < sizeof(record) ? size : sizeof(record);
    memset(record, 0x5a, sizeof(record));
    int length = snprintf(path, sizeof(path), "%s/raw", directory);
    int fd = length > 0 && (size_t)length < sizeof(path)
                 ? open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)
                 : -1;
    bool is_fine = fd >= 0 && fill_with_zeros(fd);
    uint64_t commits = 0;
    uint64_t begin_ns = bench_now_ns();
    uint64_t now_ns = begin_ns;
    for (off_t offset = 0; is_fine && now_ns - begin_ns < duration_ms * 1000000u; commits++) {
        is_fine = pwrite(fd, record, fits, offset) == (ssize_t)fits && fdatasync(fd) == 0;
        offset = (offset + (off_t)fits) % (off_t)(RAW_FILE_BYTES - RAW_RECORD_MAX);
        now_ns = bench_now_ns();
    }
    if (!is_fine) {
        (void)say_errno("the bare file failed");
    }
    if (fd >= 0) {
        (void)close(fd);
        (void)unlink(path);
    }
    return is_fine && now_ns > begin_ns ? (double)commits * 1e9 / (double)(now_ns - begin_ns) : 0;
}
