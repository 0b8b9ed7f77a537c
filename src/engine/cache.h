/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled code on disk. Wasmtime runs what it is given, one flipped bit included; so an entry is
 * trusted only if it is ours (owner, mode) and its SHA-256 is the one recorded when it was written.
 *
 *   <cache_directory>/<engine key>/<digest>.cwasm   machine code
 *                                  <digest>.sum     SHA-256 of it, hex
 *
 * The engine key hashes what compiled code depends on: version, settings, architecture, features of
 * the CPU. A cache that fails is never an error of the caller: the component is compiled again.
 */
#ifndef ENGINE_CACHE_H
#define ENGINE_CACHE_H

#include "internal.h"

/* "<directory>/<engine key>", owned by the caller. */
theater_status theater__cache_path(const char *directory, char **out_path, theater_error *err);

/* The entry's file, open for reading and verified; -1 if there is none to be trusted. */
int theater__cache_find(const theater__engine *engine, const theater__digest *digest);

/* Keeps compiled code; failures are logged and forgotten. */
void theater__cache_store(const theater__engine *engine, const theater__digest *digest,
                          const uint8_t *data, size_t size);

/* SHA-256, and as hex with a NUL. */
theater_status theater__cache_hash(const uint8_t *data, size_t size, theater__digest *out,
                                   theater_error *err);
void theater__cache_hex(const theater__digest *digest, char out_text[THEATER__HEX_SIZE]);

#endif
