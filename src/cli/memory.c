/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrays that grow. Overflow of count times size is refused like memory that is not there.
 */
#include "memory.h"

#include <stdlib.h>
#include <string.h>

void *cli_grow(void *array, size_t old_count, size_t new_count, size_t size)
{
    /* tidy-allow: alloc: the command may use include/ alone, theater__alloc is the library's */
    void *grown = reallocarray(array, new_count, size);
    if (grown != NULL) {
        memset((char *)grown + old_count * size, 0, (new_count - old_count) * size);
    }
    return grown;
}

void cli_release(void *array)
{
    /* tidy-allow: alloc: the counterpart of cli_grow() */
    free(array);
}
