/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole host over a disk that loses power, with virtual time, and beside it what the outside has
 * been told: lines, ends, and what it was promised to be durable. Time goes on over restarts as it
 * does on a machine: a process that was killed finds the same boot, a power cut ends the boot.
 *
 * The host is the real one; the linker puts the simulated disk under its store (`--wrap`).
 */
#ifndef TESTS_HOST_POWER_H
#define TESTS_HOST_POWER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <theater.h>

#include "simdisk.h"

#define POWER_MEMBERS_MAX 32u
#define POWER_LINES 4u /* of `talk` in attacks.wat: a, b, c, z, with a wait between two */

/* One actor, as the outside knows it. */
typedef struct power_member {
    theater_id id;
    uint64_t duration_ms;
    bool is_promised;            /* its spawn was said to be durable */
    theater_head promised;       /* the last event of which that was said */
    uint64_t lines[POWER_LINES]; /* their events; 0: not given out */
    bool has_ended;
    theater_head head;
    uint64_t ends_count;
    bool is_noted; /* it was said to be durable that the end was given out */
    /* As they stood when durability was asked for. */
    theater_head asked;
    bool asked_ended;
    /* In this session. */
    unsigned session_lines;
    bool session_ended;
} power_member;

typedef struct power {
    simdisk *disk;
    theater_host *host; /* NULL: off */
    theater_actor_component *talker;
    uint32_t live_max;
    uint64_t boot;         /* its number */
    uint64_t boot_wall_ms; /* when it began */
    uint64_t elapsed_ns;   /* since it began, while no host runs */
    power_member members[POWER_MEMBERS_MAX];
    size_t members_count;
    size_t asked_count; /* members there were when durability was asked for */
    bool is_asking;
    size_t parked_count;
    theater_status parked_status;
    const char *violation; /* of a promise; NULL: all were kept */
} power;

void power_begin(power *p, uint64_t seed);
void power_end(power *p);
/* Opens the host on what the disk holds, at the time it is. */
theater_status power_on(power *p, theater_error *err);
/* The host is gone, with or without a proper end. Time goes on for so long; another boot or not. */
void power_off(power *p, uint64_t pause_ms, bool is_reboot);
theater_status power_load(power *p, theater_error *err);
theater_status power_spawn(power *p, uint64_t duration_ms, theater_error *err);
/* Asks to be told when all that was recorded so far is durable. */
void power_ask(power *p);
/* Runs to the end and looks at every chain: what was promised is in it, once and not early. */
void power_check(power *p);

#endif
