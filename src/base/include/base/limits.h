/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every bound of the library, with its reason. Reaching one is THEATER_ERR_LIMIT with the name of
 * the limit in the message. What an actor may use is in theater/limits.h and in its genesis; what
 * is here protects the host itself and is the same for everyone.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/* Nesting of a component value: deeper types do not occur, and decoding keeps its own stack. */
#define THEATER__VALUE_DEPTH_MAX 32u

/* Items in all lists of one value: bounds the host memory that a 1 MiB argument can unfold into. */
#define THEATER__VALUE_ITEMS_MAX (1u << 20)

/* Memory of one turn's decoded values: 64 MiB holds the largest argument with its item arrays. */
#define THEATER__ARENA_BYTES_MAX ((size_t)64 << 20)

/*
 * A growing buffer: a GiB is more than any export holds; past it, a buffer fails as without memory.
 */
#define THEATER__BUFFER_BYTES_MAX ((size_t)1 << 30)

/* One event's payload, external ones included: state is at most 1 MiB, with room around it. */
#define THEATER__PAYLOAD_BYTES_MAX ((size_t)4 << 20)

/* Payloads up to this size stand in the event; longer ones lie beside it, bound by their hash. */
#define THEATER__PAYLOAD_INLINE_MAX 256u

/* A component file: CPython components are 18 MB; 256 MiB leaves room and bounds the compiler. */
#define THEATER__COMPONENT_BYTES_MAX ((size_t)256 << 20)

/* Text of a trap or refusal as it is kept in the chain. */
#define THEATER__REASON_BYTES_MAX 1024u

/* Bytes of batches that were submitted and are not durable yet: beyond it actors have to wait. */
#define THEATER__STORE_INFLIGHT_MAX ((uint64_t)256 << 20)

/* Shards of a store, with three threads each: as many as machines have processors. */
#define THEATER__SHARDS_MAX 64u

#endif
