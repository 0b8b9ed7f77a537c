/* SPDX-License-Identifier: Apache-2.0 */
/*
 * theater-compile MEMORY-BYTES CPU-SECONDS: the compiling child, see compile.c for its streams. Not
 * meant to be started by people. Limits come first, before a byte of the component is looked at.
 */
#include "settings.h"
#include "write.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* The largest compiled code seen is 34 MB. */
#define CODE_BYTES_MAX ((rlim_t)1 << 30)
#define FILES_MAX 32u

static int refuse(const char *what, int status)
{
    (void)!write(2, what, strlen(what));
    (void)!write(2, "\n", 1);
    return status;
}

/* The innermost cause, one line. */
static int refuse_error(wasmtime_error_t *error)
{
    theater_engine_error_t parts;
    theater_engine_error_read(error, &parts);
    (void)!write(2, parts.text.data, parts.text.size);
    (void)!write(2, "\n", 1);
    return parts.out_of_memory ? THEATER__COMPILE_EXIT_FAILED : THEATER__COMPILE_EXIT_REFUSED;
}

static bool limit(int resource, rlim_t soft, rlim_t hard)
{
    struct rlimit wanted = {.rlim_cur = soft, .rlim_max = hard};
    return setrlimit((__rlimit_resource_t)resource, &wanted) == 0;
}

static bool read_number(const char *text, unsigned long long *out)
{
    char *end = NULL;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *out > 0;
}

/* True if the bytes are no WebAssembly binary: then they are read as text. */
static bool is_text(const uint8_t *data, size_t size)
{
    return size < 4 || memcmp(data, "\0asm", 4) != 0;
}

static int compile(const uint8_t *data, size_t size)
{
    wasmtime_error_t *error = NULL;
    wasm_engine_t *engine = theater__settings_engine(THEATER__NO_POOL, &error);
    if (engine == NULL) {
        (void)refuse_error(error);
        return THEATER__COMPILE_EXIT_FAILED;
    }
    wasm_byte_vec_t binary = {0, NULL};
    if (is_text(data, size)) {
        error = wasmtime_wat2wasm((const char *)data, size, &binary);
        if (error != NULL) {
            return refuse_error(error);
        }
        data = (const uint8_t *)binary.data;
        size = binary.size;
    }
    if (size >= 8 && memcmp(data + 4, "\1\0\0\0", 4) == 0) {
        return refuse("this is a core WebAssembly module; a component is needed ('wasm-tools "
                      "component new' makes one)",
                      THEATER__COMPILE_EXIT_REFUSED);
    }
    wasmtime_component_t *component = NULL;
    error = wasmtime_component_new(engine, data, size, &component);
    if (error != NULL) {
        return refuse_error(error);
    }
    wasm_byte_vec_t code;
    error = wasmtime_component_serialize(component, &code);
    if (error != NULL) {
        return refuse_error(error);
    }
    if (!theater__write_all(1, code.data, code.size)) {
        return refuse("compiled code could not be written", THEATER__COMPILE_EXIT_FAILED);
    }
    return THEATER__COMPILE_EXIT_DONE; /* the process ends: nothing is freed */
}

int main(int argc, char **argv)
{
    unsigned long long memory = 0;
    unsigned long long cpu_s = 0;
    if (argc != 3 || !read_number(argv[1], &memory) || !read_number(argv[2], &cpu_s)) {
        return refuse("usage: theater-compile MEMORY-BYTES CPU-SECONDS (started by theater only)",
                      THEATER__COMPILE_EXIT_FAILED);
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGXFSZ, SIG_IGN);
    if (!limit(RLIMIT_AS, memory, memory) || !limit(RLIMIT_CPU, cpu_s, cpu_s + 1) ||
        !limit(RLIMIT_FSIZE, CODE_BYTES_MAX, CODE_BYTES_MAX) || !limit(RLIMIT_CORE, 0, 0) ||
        !limit(RLIMIT_NOFILE, FILES_MAX, FILES_MAX)) {
        return refuse("the compiler could not limit itself", THEATER__COMPILE_EXIT_FAILED);
    }
    struct stat input;
    if (fstat(0, &input) != 0 || input.st_size <= 0) {
        return refuse("no component on standard input", THEATER__COMPILE_EXIT_FAILED);
    }
    size_t size = (size_t)input.st_size;
    void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, 0, 0);
    if (data == MAP_FAILED) {
        return refuse("the component could not be mapped", THEATER__COMPILE_EXIT_FAILED);
    }
    return compile(data, size);
}
