/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command's only use of the heap of its own: arrays that grow. The library's allocator is not
 * public, on purpose.
 */
#ifndef CLI_MEMORY_H
#define CLI_MEMORY_H

#include <stddef.h>

/* A larger array, the new part zeroed; NULL without memory (the old one stays). */
void *cli_grow(void *array, size_t old_count, size_t new_count, size_t size);
/* Accepts NULL. */
void cli_release(void *array);

#endif
