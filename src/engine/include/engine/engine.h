/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only room that sees Wasmtime. Three things live here:
 *
 *   engine     one per host: configuration, compile cache, the epoch that preempts guests
 *   component  one per component digest: compiled code, its import and export lists with types, its
 *              linker; shared by all its actors
 *   guest      one per running call: a fresh instance and the suspended call in it
 *
 * A guest is driven by polling, never by threads:
 *
 *   guest_start ── poll ──> YIELDED   preempted: poll again when its turn comes
 *                     ├───> WAITING   inside an async import: guest_complete(), then poll
 *                     ├───> DONE      guest_result() holds the values
 *                     └───> TRAPPED   guest_trap() says how; the guest is dead
 *
 * guest_delete() is allowed in every state, also in the middle of a wait: that is how actors are
 * evicted and killed. An instance is never used for another call (what it stands on is,
 * wasm_store.c).
 *
 * Hazards (each has a test): a host callback runs on the guest's fiber and may use less than
 * THEATER__CALLBACK_STACK_MAX of stack; arguments are dead once an async callback has returned; a
 * live guest costs six memory maps, and the process dies near vm.max_map_count, so the host caps
 * them.
 *
 * Traps are signals: opening an engine installs handlers for SIGILL, SIGSEGV, SIGFPE and SIGBUS,
 * once a process. Whoever installs others later has to call these for faults that are not their
 * own.
 *
 * Threads: one owner per engine and all below it, except theater__engine_bump().
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <base/log.h>
#include <base/type.h>
#include <theater/limits.h>

/* Stack that a host callback may use on the guest's fiber; the margin below is 512 KiB. */
#define THEATER__CALLBACK_STACK_MAX ((size_t)64 << 10)

/* SHA-256 of a component's bytes as they were given (a .wat text: of the text). */
typedef struct theater__digest {
    uint8_t bytes[32];
} theater__digest;

/* For theater__engine_options: no pool. */
#define THEATER__POOLED_GUESTS_NONE UINT32_MAX

typedef struct theater__engine theater__engine;
typedef struct theater__component theater__component;
typedef struct theater__guest theater__guest;

typedef struct theater__engine_options {
    const char *cache_directory; /* of compiled code, made with mode 0700; NULL: no cache */
    const char *compiler_path; /* theater-compile; NULL: looked for beside the program and library,
                                    then in the installed libexec directory */
    uint64_t compile_memory_max; /* address space of the compiling child, bytes; 0 = default */
    uint64_t compile_cpu_s_max;  /* CPU seconds of the compiling child; 0 = default */
    theater__log log;
    /* Guests at a time whose stacks, memories and tables come from a pool, which makes a call of a
     * small component cost a sixth; all others, and all that exceed a slot, are served on demand.
     * Nobody can tell by what a guest computes. 0 = default, less if the machine has no room;
     * THEATER__POOLED_GUESTS_NONE: none. */
    uint32_t pooled_guests_max;
    uint32_t engines_count; /* in this process, of which each gets its part of the maps; 0: 1 */
} theater__engine_options;

theater_status theater__engine_open(const theater__engine_options *options,
                                    theater__engine **out_engine, theater_error *err);
/* All components and guests are gone before. */
void theater__engine_close(theater__engine *engine);
/* Makes every running guest ask epoch() soon. Any thread; async-signal-safe. */
void theater__engine_bump(theater__engine *engine);
/* "wasmtime 48.0.8": informs, never binds. */
const char *theater__engine_version(void);
/* The settings that change what a guest computes, as one line of text: bound by every genesis. */
const char *theater__engine_semantics(void);
/* Memory maps that this process may have: vm.max_map_count. Who hosts guests caps them by it. */
uint64_t theater__engine_maps_max(void);
/* Guests that the pool can hold, 0 without one, and how many it holds now. */
uint32_t theater__engine_pooled_max(const theater__engine *engine);
uint32_t theater__engine_pooled(const theater__engine *engine);

/* ---- components ------------------------------------------------------------------------------ */

/*
 * Loads a component from .wasm bytes or .wat text: from the cache if a sound entry is there, else
 * compiled in a child process under limits and put there. A core module, an invalid file, a failed
 * or killed compilation each give one clear line.
 */
theater_status theater__component_open(theater__engine *engine, const uint8_t *data, size_t size,
                                       theater__component **out_component, theater_error *err);
/* No guest of it is left. */
void theater__component_close(theater__component *component);
theater__digest theater__component_digest(const theater__component *component);

/* One imported function. */
typedef struct theater__import {
    theater_text
        interface;     /* "ntwk:theater/timing" or "ntwk:theater/timing@0.1.0"; "" at the root */
    theater_text name; /* "sleep", "[method]pollable.block" */
    theater__signature signature;
} theater__import;

/* One exported function. */
typedef struct theater__export {
    theater_text interface; /* "" at the root */
    theater_text name;
    theater__signature signature;
} theater__export;

size_t theater__component_imports_count(const theater__component *component);
const theater__import *theater__component_import(const theater__component *component, size_t index);
size_t theater__component_exports_count(const theater__component *component);
const theater__export *theater__component_export(const theater__component *component, size_t index);
/*
 * Finds an export by name: "run", "ntwk:theater/actor.init" (also '#' before the function; an
 * interface without a version finds any version). THEATER_ERR_NOTFOUND lists what is there.
 */
theater_status theater__component_find_export(const theater__component *component, const char *name,
                                              size_t *out_index, theater_error *err);

/* How an import is served. */
typedef enum theater__import_mode {
    THEATER__IMPORT_UNKNOWN = 0, /* refused at link time */
    THEATER__IMPORT_SYNC = 1,    /* always answers at once */
    THEATER__IMPORT_ASYNC = 2,   /* may wait */
    THEATER__IMPORT_TRAP = 3     /* traps by name when called */
} theater__import_mode;

/*
 * Builds the component's linker: modes has one entry an import. Once, before the first guest.
 * THEATER_ERR_UNSUPPORTED names every import that is UNKNOWN, or that is no function (a resource
 * the host does not offer), by its full name and says what to do.
 */
theater_status theater__component_link(theater__component *component,
                                       const theater__import_mode *modes, size_t modes_count,
                                       theater_error *err);

/* ---- guests ---------------------------------------------------------------------------------- */

typedef enum theater__import_outcome {
    THEATER__IMPORT_RETURN = 0, /* *out_result is the result (ignored if the function has none) */
    THEATER__IMPORT_WAIT = 1,   /* ASYNC only: the poll gives WAITING */
    THEATER__IMPORT_END = 2     /* the guest is to be ended: the poll gives TRAPPED, kind HOST */
} theater__import_outcome;

typedef enum theater__epoch_verdict {
    THEATER__EPOCH_CONTINUE = 0,
    THEATER__EPOCH_YIELD = 1,
    THEATER__EPOCH_END = 2 /* the poll gives TRAPPED, kind HOST */
} theater__epoch_verdict;

/* What the owner of a guest is asked. Both run on the guest's fiber, see the hazards above. */
typedef struct theater__guest_ops {
    /* args live until the callback returns. *out_result borrows until the callback's owner is asked
     * the next time; the engine converts it before it gives control back. */
    theater__import_outcome (*import)(void *userdata, uint32_t import_index, theater_values args,
                                      theater_value *out_result);
    theater__epoch_verdict (*epoch)(void *userdata);
} theater__guest_ops;

typedef enum theater__guest_status {
    THEATER__GUEST_DONE = 0,
    THEATER__GUEST_WAITING = 1,
    THEATER__GUEST_YIELDED = 2,
    THEATER__GUEST_TRAPPED = 3
} theater__guest_status;

typedef enum theater__trap_kind {
    THEATER__TRAP_GUEST = 1,  /* unreachable, bad memory access, bad bytes: its own doing */
    THEATER__TRAP_STACK = 2,  /* call stack exhausted */
    THEATER__TRAP_LIMIT = 3,  /* a limit: host-call fuel, instances, tables, memories */
    THEATER__TRAP_HOST = 4,   /* ended by IMPORT_END or EPOCH_END: the owner knows why */
    THEATER__TRAP_MACHINE = 5 /* the machine failed (no memory): never the guest's fault */
} theater__trap_kind;

typedef struct theater__trap {
    theater__trap_kind kind;
    theater_text text; /* one line, deterministic for GUEST, STACK and LIMIT; no backtrace */
} theater__trap;

/*
 * Prepares one call of an export, in an instance of its own. The first poll instantiates and then
 * calls; both may suspend. args are copied. ops and userdata are borrowed until guest_delete().
 */
theater_status theater__guest_start(theater__component *component, size_t export_index,
                                    theater_values args, const theater_limits *limits,
                                    const theater__guest_ops *ops, void *userdata,
                                    theater__guest **out_guest, theater_error *err);
theater__guest_status theater__guest_poll(theater__guest *guest);
/* WAITING only: gives the import its result (NULL if it has none); the next poll goes on. */
theater_status theater__guest_complete(theater__guest *guest, const theater_value *result,
                                       theater_error *err);
/* DONE only: the export's result, NULL if it has none; borrowed until guest_delete(). */
const theater_value *theater__guest_result(const theater__guest *guest);
/* TRAPPED only. */
theater__trap theater__guest_trap(const theater__guest *guest);
/* Whether it has a slot of the pool. */
bool theater__guest_is_pooled(const theater__guest *guest);
void theater__guest_delete(theater__guest *guest);

#endif
