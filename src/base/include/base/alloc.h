/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All allocation of the library. Sizes are overflow-checked, failure is NULL, and a test can make
 * the k-th allocation of a thread fail. `THEATER_CLEANUP(f)` frees a scope's pointer on the way
 * out.
 */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *theater__alloc(size_t size) __attribute__((malloc, warn_unused_result));
void *theater__alloc_zeroed(size_t count, size_t size) __attribute__((malloc, warn_unused_result));
/* NULL and the old block untouched on failure or if count * size overflows. */
void *theater__realloc_array(void *block, size_t count, size_t size)
    __attribute__((warn_unused_result));
void *theater__memdup(const void *data, size_t size) __attribute__((warn_unused_result));
/* Copies size bytes and appends a NUL. */
char *theater__strndup(const char *data, size_t size) __attribute__((warn_unused_result));
void theater__free(void *block);

/* Test hook: the k-th allocation from now (1 = the next) on this thread fails; 0 = none. */
void theater__alloc_fail_at(uint64_t k);
/* How many allocations this thread has made since the last theater__alloc_fail_at(). */
uint64_t theater__alloc_count(void);

/* For __attribute__((cleanup)): frees *(void **)pointer. */
void theater__free_pointer(void *pointer);
#define THEATER_CLEANUP(function) __attribute__((cleanup(function)))
#define THEATER_AUTOFREE THEATER_CLEANUP(theater__free_pointer)

#endif
