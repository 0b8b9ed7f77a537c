/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C (Castagnoli, reflected polynomial 0x82f63b78): finds every single flipped byte and every
 * burst up to 32 bits. It protects against disks, not against people; those meet the hash chain.
 */
#ifndef STORE_CRC32C_H
#define STORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from crc (0 to begin), so that pieces may be fed one after the other. */
uint32_t theater__crc32c(uint32_t crc, const void *data, size_t size);
/* The path without the processor's instruction; for its test. */
uint32_t theater__crc32c_by_table(uint32_t crc, const void *data, size_t size);

#endif
