/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures as rows. The names of the JSON object end with the unit and never change; the words of
 * the table may.
 */
#include "bench.h"

#include "term.h"

#include <stdio.h>
#include <string.h>

#define LABEL_WIDTH 34
#define VALUE_WIDTH 16
#define PROGRESS_TERMINAL_NS 1000000000u
#define PROGRESS_FILE_NS 10000000000u

void bench_row_add(bench_report *report, const char *key, const char *label, const char *unit,
                   unsigned decimals, double value)
{
    if (report->rows_count == BENCH_ROWS_MAX) {
        return;
    }
    bench_row *row = &report->rows[report->rows_count++];
    (void)snprintf(row->key, sizeof(row->key), "%s", key);
    (void)snprintf(row->label, sizeof(row->label), "%s", label);
    row->unit = unit;
    row->decimals = decimals;
    row->value = value;
}

static void add_quantile(bench_report *report, const char *key, const char *label,
                         const char *which, uint64_t value_ns)
{
    char full_key[sizeof(report->rows[0].key)];
    char full_label[sizeof(report->rows[0].label)];
    (void)snprintf(full_key, sizeof(full_key), "%s_%s_ms", key, which);
    (void)snprintf(full_label, sizeof(full_label), "%s, %s", label, which);
    bench_row_add(report, full_key, full_label, "ms", 3, (double)value_ns / 1e6);
}

void bench_row_add_lateness(bench_report *report, const char *key, const char *label,
                            const theater_histogram *late)
{
    add_quantile(report, key, label, "min", late->min);
    add_quantile(report, key, label, "p50", theater_histogram_quantile(late, 0.5));
    add_quantile(report, key, label, "p99", theater_histogram_quantile(late, 0.99));
    add_quantile(report, key, label, "max", late->max);
}

static void print_json(const bench_report *report)
{
    cli_out("{\"bench\":\"%s\"", report->name);
    for (size_t i = 0; i < report->rows_count; i++) {
        const bench_row *row = &report->rows[i];
        cli_out(",\"%s\":%.*f", row->key, (int)row->decimals, row->value);
    }
    cli_out("}\n");
}

/* 1234567.8 as 1,234,567.8: rows of a million are read by people. */
static void format_number(double value, unsigned decimals, char *out_text, size_t size)
{
    char plain[48];
    int length = snprintf(plain, sizeof(plain), "%.*f", (int)decimals, value);
    size_t whole = strcspn(plain, ".");
    size_t at = 0;
    for (size_t i = 0; i < (size_t)length && at + 2 < size; i++) {
        bool has_comma = i > 0 && i < whole && (whole - i) % 3 == 0 && plain[i - 1] != '-';
        if (has_comma) {
            out_text[at++] = ',';
        }
        out_text[at++] = plain[i];
    }
    out_text[at] = '\0';
}

static void print_table(const bench_report *report)
{
    cli_out("%sbench %s%s\n", cli_term_bold(), report->name, cli_term_plain());
    for (size_t i = 0; i < report->rows_count; i++) {
        const bench_row *row = &report->rows[i];
        char text[64];
        format_number(row->value, row->decimals, text, sizeof(text));
        cli_out("  %-*s %*s%s%s\n", LABEL_WIDTH, row->label, VALUE_WIDTH, text,
                row->unit[0] != '\0' ? " " : "", row->unit);
    }
}

int bench_report_print(bench_report *report, bool json)
{
    bench_row_add(report, "load", "load of the machine", "", 2, bench_load());
    if (json) {
        print_json(report);
    } else {
        print_table(report);
    }
    return cli_out_flush();
}

bool bench_is_time(uint64_t *last_ns)
{
    uint64_t now_ns = bench_now_ns();
    uint64_t between_ns = cli_term_has_stderr() ? PROGRESS_TERMINAL_NS : PROGRESS_FILE_NS;
    if (*last_ns == 0) {
        *last_ns = now_ns;
    }
    if (now_ns - *last_ns < between_ns) {
        return false;
    }
    *last_ns = now_ns;
    return true;
}
