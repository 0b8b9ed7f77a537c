/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiling in a child process, theater-compile: a compiler fed by strangers needs much memory (370
 * MB for a JavaScript engine) and is the largest program in reach of an attacker; in a child it can
 * be limited, and all it took is given back when it ends.
 */
#ifndef ENGINE_COMPILE_H
#define ENGINE_COMPILE_H

#include "internal.h"

/* Compiles; *out_file is a memory file with the code, owned by the caller. */
theater_status theater__compile(const theater__engine *engine, const uint8_t *data, size_t size,
                                int *out_file, size_t *out_size, theater_error *err);

#endif
