/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent's side. Three memory files are the child's standard streams:
 *
 *   0   the component, bytes or text
 *   1   the compiled code
 *   2   why not: one line of text
 *
 * and its exit status says which of the last two counts (settings.h). Memory files instead of
 * pipes: nothing to pump, no deadlock, and the result can be mapped as it is. The child gets an
 * empty environment, no other descriptor, and sets its limits itself before it reads a byte.
 */
#include "compile.h"

#include "settings.h"
#include "write.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef THEATER_LIBEXECDIR
#define THEATER_LIBEXECDIR "/usr/libexec/theater"
#endif

/* A child may wait for the CPU this many times longer than it may use it, and some seconds more. */
#define PATIENCE_FACTOR 4u
#define PATIENCE_S 30u

typedef struct child_files {
    int input;
    int code;
    int reason;
} child_files;

static void close_files(const child_files *files)
{
    const int all[] = {files->input, files->code, files->reason};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i] >= 0) {
            close(all[i]);
        }
    }
}

/* Above 2, so that the child's dup2 calls cannot overwrite one another's source. */
static int memory_file(const char *name)
{
    int low = memfd_create(name, MFD_CLOEXEC);
    if (low < 0 || low > 2) {
        return low;
    }
    int high = fcntl(low, F_DUPFD_CLOEXEC, 3);
    close(low);
    return high;
}

static bool write_input(int file, const uint8_t *data, size_t size)
{
    return theater__write_all(file, data, size) && lseek(file, 0, SEEK_SET) == 0;
}

static bool try_path(char out_path[PATH_MAX], const char *directory, const char *rest)
{
    int size = snprintf(out_path, PATH_MAX, "%s/%s", directory, rest);
    return size > 0 && size < PATH_MAX && access(out_path, X_OK) == 0;
}

/* Beside the program or library, in a build tree or in an installed one. */
static bool find_near(char out_path[PATH_MAX], const char *file)
{
    char copy[PATH_MAX];
    int size = snprintf(copy, sizeof copy, "%s", file);
    if (size <= 0 || (size_t)size >= sizeof copy) {
        return false;
    }
    char *slash = strrchr(copy, '/');
    if (slash == NULL) {
        return false;
    }
    *slash = '\0';
    static const char *const PLACES[] = {
        "../libexec/theater-compile",
        "../libexec/theater/theater-compile",
        "../../libexec/theater/theater-compile", /* a library in lib/x86_64-linux-gnu */
        "theater-compile",
    };
    for (size_t i = 0; i < sizeof PLACES / sizeof PLACES[0]; i++) {
        if (try_path(out_path, copy, PLACES[i])) {
            return true;
        }
    }
    return false;
}

static theater_status find_compiler(const theater__engine *engine, char out_path[PATH_MAX],
                                    theater_error *err)
{
    if (engine->compiler_path != NULL) {
        int size = snprintf(out_path, PATH_MAX, "%s", engine->compiler_path);
        if (size > 0 && size < PATH_MAX && access(out_path, X_OK) == 0) {
            return THEATER_OK;
        }
        return theater__fail(err, THEATER_ERR_NOTFOUND, "no executable compiler at '%s'",
                             engine->compiler_path);
    }
    char program[PATH_MAX] = {0};
    ssize_t size = readlink("/proc/self/exe", program, sizeof program - 1);
    if (size > 0 && find_near(out_path, program)) {
        return THEATER_OK;
    }
    Dl_info library;
    if (dladdr((const void *)(uintptr_t)&theater__compile, &library) != 0 &&
        library.dli_fname != NULL && find_near(out_path, library.dli_fname)) {
        return THEATER_OK;
    }
    if (try_path(out_path, THEATER_LIBEXECDIR, "theater-compile")) {
        return THEATER_OK;
    }
    return theater__fail(err, THEATER_ERR_NOTFOUND,
                         "the program 'theater-compile' was not found beside this program nor in "
                         "%s; install it or give its path",
                         THEATER_LIBEXECDIR);
}

static int spawn(const theater__engine *engine, const char *path, const child_files *files,
                 pid_t *out_child)
{
    char memory[32];
    char cpu[32];
    char program[] = "theater-compile";
    snprintf(memory, sizeof memory, "%" PRIu64, engine->compile_memory_max);
    snprintf(cpu, sizeof cpu, "%" PRIu64, engine->compile_cpu_s_max);
    char *arguments[] = {program, memory, cpu, NULL};
    char *environment[] = {NULL};

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int result = posix_spawn_file_actions_init(&actions);
    if (result != 0) {
        return result;
    }
    result = posix_spawnattr_init(&attributes);
    if (result != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return result;
    }
    sigset_t all;
    sigset_t none;
    sigfillset(&all);
    sigemptyset(&none);
    (void)posix_spawnattr_setsigdefault(&attributes, &all);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    result = posix_spawn_file_actions_adddup2(&actions, files->input, 0);
    result = result != 0 ? result : posix_spawn_file_actions_adddup2(&actions, files->code, 1);
    result = result != 0 ? result : posix_spawn_file_actions_adddup2(&actions, files->reason, 2);
    result = result != 0 ? result : posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    result = result != 0
                 ? result
                 : posix_spawn(out_child, path, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return result;
}

/* Waits for the child, kills it when patience ends. False if its status is not to be had. */
static bool await_child(pid_t child, uint64_t patience_s, siginfo_t *out_info, bool *out_killed)
{
    int handle = (int)syscall(SYS_pidfd_open, child, 0);
    struct pollfd watch = {.fd = handle, .events = POLLIN, .revents = 0};
    uint64_t patience_ms = patience_s * 1000;
    int timeout_ms = patience_ms < INT_MAX ? (int)patience_ms : INT_MAX;
    int ready = 0;
    if (handle >= 0) {
        do { /* a signal restarts the wait: late, never early */
            ready = poll(&watch, 1, timeout_ms);
        } while (ready < 0 && errno == EINTR);
        close(handle);
        *out_killed = ready == 0;
        if (ready <= 0) {
            (void)kill(child, SIGKILL);
        }
    }
    int result = 0;
    do {
        result = waitid(P_PID, (id_t)child, out_info, WEXITED);
    } while (result != 0 && errno == EINTR);
    return result == 0;
}

/* The child's line, in err. */
static theater_status fail_with_reason(int file, theater_status status, theater_error *err)
{
    char line[THEATER_ERROR_MESSAGE_MAX] = {0};
    ssize_t size = pread(file, line, sizeof line - 1, 0);
    line[strcspn(line, "\n")] = '\0';
    if (size <= 0 || line[0] == '\0') {
        return theater__fail(err, THEATER_ERR_ENGINE, "the compiler failed without a reason");
    }
    if (strstr(line, "component model async") != NULL) {
        return theater__fail(err, THEATER_ERR_UNSUPPORTED,
                             "the component needs async features (WASI 0.3), which this host does "
                             "not offer; build it for WASI 0.2: %s",
                             line);
    }
    return theater__fail(err, status, "%s", line);
}

static theater_status judge(const theater__engine *engine, const child_files *files,
                            const siginfo_t *info, bool killed, theater_error *err)
{
    if (info->si_code == CLD_EXITED && info->si_status == THEATER__COMPILE_EXIT_DONE) {
        return THEATER_OK;
    }
    if (info->si_code == CLD_EXITED && info->si_status == THEATER__COMPILE_EXIT_REFUSED) {
        return fail_with_reason(files->reason, THEATER_ERR_INVALID, err);
    }
    if (info->si_code == CLD_EXITED) {
        return fail_with_reason(files->reason, THEATER_ERR_ENGINE, err);
    }
    if (killed || info->si_status == SIGXCPU || info->si_status == SIGKILL) {
        return theater__fail(err, THEATER_ERR_LIMIT,
                             "compiling took longer than %" PRIu64
                             " s of CPU time (limit compile_cpu_s_max)",
                             engine->compile_cpu_s_max);
    }
    return theater__fail(err, THEATER_ERR_LIMIT,
                         "the compiler was ended by signal %d; it may use %" PRIu64
                         " bytes of memory (limit compile_memory_max)",
                         info->si_status, engine->compile_memory_max);
}

static theater_status run_child(const theater__engine *engine, const char *path,
                                const child_files *files, theater_error *err)
{
    pid_t child = -1;
    int result = spawn(engine, path, files, &child);
    if (result != 0) {
        return theater__fail_errno(err, THEATER_ERR_ENGINE, result, "'%s' did not start", path);
    }
    siginfo_t info = {0};
    bool killed = false;
    uint64_t patience_s = engine->compile_cpu_s_max * PATIENCE_FACTOR + PATIENCE_S;
    if (!await_child(child, patience_s, &info, &killed)) {
        return theater__fail_errno(err, THEATER_ERR_ENGINE, errno,
                                   "the compiler's exit status was lost (is SIGCHLD ignored?)");
    }
    return judge(engine, files, &info, killed, err);
}

theater_status theater__compile(const theater__engine *engine, const uint8_t *data, size_t size,
                                int *out_file, size_t *out_size, theater_error *err)
{
    THEATER_ASSERT(data != NULL && size > 0);
    char path[PATH_MAX];
    theater_status status = find_compiler(engine, path, err);
    if (status != THEATER_OK) {
        return status;
    }
    THEATER_CLEANUP(close_files)
    child_files files = {
        .input = memory_file("theater-component"),
        .code = memory_file("theater-code"),
        .reason = memory_file("theater-reason"),
    };
    if (files.input < 0 || files.code < 0 || files.reason < 0 ||
        !write_input(files.input, data, size)) {
        return theater__fail_errno(err, THEATER_ERR_IO, errno, "memory files were not to be had");
    }
    status = run_child(engine, path, &files, err);
    if (status != THEATER_OK) {
        return status;
    }
    struct stat made;
    if (fstat(files.code, &made) != 0 || made.st_size <= 0) {
        return theater__fail(err, THEATER_ERR_ENGINE, "the compiler gave no code");
    }
    *out_file = files.code;
    *out_size = (size_t)made.st_size;
    files.code = -1; /* the caller's now */
    return THEATER_OK;
}
