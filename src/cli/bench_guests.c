/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The components that are measured when none is named: one page of memory, a few lines, so that
 * what is measured is the machine and not the guest.
 */
#include "bench.h"

/* Text laid out by hand. */
/* clang-format off */

#define LIBC \
    "  (core module $libc\n" \
    "    (memory (export \"memory\") 1)\n" \
    "    (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))\n" \
    "  (core instance $libc (instantiate $libc))\n" \
    "  (alias core export $libc \"memory\" (core memory $mem))\n" \
    "  (alias core export $libc \"realloc\" (core func $realloc))\n"

#define LOWER(name) \
    "  (alias export $timing \"" name "\" (func $" name "))\n" \
    "  (core func $" name "_core (canon lower (func $" name ")\n" \
    "    (memory $mem) (realloc $realloc) string-encoding=utf8))\n"

/* The rejection of a deadline is what until() gives back: where the host put it. */
const char bench_guest_sleepers[] =
    "(component\n"
    "  (import \"ntwk:theater/timing\" (instance $timing\n"
    "    (export \"sleep\" (func (param \"duration\" u64) (result (result (error string)))))\n"
    "    (export \"deadline\"\n"
    "      (func (param \"timestamp\" u64) (result (result (error string)))))))\n"
    LIBC
    LOWER("sleep")
    LOWER("deadline")
    "  (core module $guest\n"
    "    (import \"host\" \"sleep\" (func $sleep (param i64 i32)))\n"
    "    (import \"host\" \"deadline\" (func $deadline (param i64 i32)))\n"
    "    (func (export \"run\") (param $ms i64) (call $sleep (local.get $ms) (i32.const 16)))\n"
    "    (func (export \"until\") (param $timestamp i64) (result i32)\n"
    "      (call $deadline (local.get $timestamp) (i32.const 16))\n"
    "      (i32.const 16)))\n"
    "  (core instance $guest (instantiate $guest (with \"host\" (instance\n"
    "    (export \"sleep\" (func $sleep_core)) (export \"deadline\" (func $deadline_core))))))\n"
    "  (func (export \"run\") (param \"ms\" u64) (canon lift (core func $guest \"run\")))\n"
    "  (func (export \"until\") (param \"timestamp\" u64) (result (result (error string)))\n"
    "    (canon lift (core func $guest \"until\") (memory $mem) string-encoding=utf8)))\n";

#define RATE_BEGIN \
    "(component\n" \
    "  (import \"ntwk:theater/timing\" (instance $timing\n" \
    "    (export \"sleep\" (func (param \"duration\" u64) (result (result (error string)))))))\n"

#define RATE_END \
    "  (func (export \"nap\") (param \"ms\" u64) (canon lift (core func $guest \"nap\"))))\n"

const char bench_guest_rate[] =
    RATE_BEGIN
    LIBC
    LOWER("sleep")
    "  (core module $guest\n"
    "    (import \"host\" \"sleep\" (func $sleep (param i64 i32)))\n"
    "    (func (export \"nap\") (param $ms i64)\n"
    "      (loop $again (call $sleep (local.get $ms) (i32.const 16)) (br $again))))\n"
    "  (core instance $guest (instantiate $guest (with \"host\" (instance\n"
    "    (export \"sleep\" (func $sleep_core))))))\n"
    RATE_END;

/* An effect runs when everything before it is durable, and the guest waits for its result. */
const char bench_guest_rate_durable[] =
    RATE_BEGIN
    "  (import \"theater:bench/wait\" (instance $wait\n"
    "    (export \"durable\" (func (result u64)))))\n"
    LIBC
    LOWER("sleep")
    "  (alias export $wait \"durable\" (func $durable))\n"
    "  (core func $durable_core (canon lower (func $durable)))\n"
    "  (core module $guest\n"
    "    (import \"host\" \"sleep\" (func $sleep (param i64 i32)))\n"
    "    (import \"host\" \"durable\" (func $durable (result i64)))\n"
    "    (func (export \"nap\") (param $ms i64)\n"
    "      (loop $again\n"
    "        (call $sleep (local.get $ms) (i32.const 16))\n"
    "        (drop (call $durable))\n"
    "        (br $again))))\n"
    "  (core instance $guest (instantiate $guest (with \"host\" (instance\n"
    "    (export \"sleep\" (func $sleep_core)) (export \"durable\" (func $durable_core))))))\n"
    RATE_END;
