/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library's only way to the heap.
 *
 * One place, so that sizes are checked for overflow in one place and a test can make the k-th
 * allocation of its thread fail and see what the caller does then. The two counters of that test
 * hook are thread-local and the only mutable state here: a test that fails its own allocations
 * leaves the threads beside it alone. Outside tests they cost one increment and one comparison.
 *
 * A size of zero gives a real block of one byte: NULL always and only means failure.
 */
#include <base/alloc.h>

#include <stdlib.h>
#include <string.h>

static _Thread_local uint64_t made;    /* allocations since the last theater__alloc_fail_at() */
static _Thread_local uint64_t fail_at; /* the one that fails; 0 = none */

/* Counts one allocation; true if it is the one that has to fail. */
static bool fails(void)
{
    made++;
    return made == fail_at;
}

void *theater__alloc(size_t size)
{
    if (fails()) {
        return NULL;
    }
    return malloc(size > 0 ? size : 1);
}

void *theater__alloc_zeroed(size_t count, size_t size)
{
    size_t total = 0;
    if (fails() || __builtin_mul_overflow(count, size, &total)) {
        return NULL;
    }
    return calloc(1, total > 0 ? total : 1);
}

void *theater__realloc_array(void *block, size_t count, size_t size)
{
    size_t total = 0;
    if (fails() || __builtin_mul_overflow(count, size, &total)) {
        return NULL;
    }
    return realloc(block, total > 0 ? total : 1);
}

void *theater__memdup(const void *data, size_t size)
{
    void *copy = theater__alloc(size);
    if (copy != NULL && size > 0) {
        memcpy(copy, data, size);
    }
    return copy;
}

char *theater__strndup(const char *data, size_t size)
{
    if (size == SIZE_MAX) {
        return NULL;
    }
    char *copy = theater__alloc(size + 1);
    if (copy == NULL) {
        return NULL;
    }
    if (size > 0) {
        memcpy(copy, data, size);
    }
    copy[size] = '\0';
    return copy;
}

void theater__free(void *block)
{
    free(block);
}

void theater__alloc_fail_at(uint64_t k)
{
    made = 0;
    fail_at = k;
}

uint64_t theater__alloc_count(void)
{
    return made;
}

void theater__free_pointer(void *pointer)
{
    void *block = NULL;
    memcpy(&block, pointer, sizeof block); /* the caller's pointer may be of any type */
    free(block);
}
