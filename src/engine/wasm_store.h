/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wasmtime's stores, each of which serves guests of one component, one after another.
 */
#ifndef ENGINE_WASM_STORE_H
#define ENGINE_WASM_STORE_H

#include "internal.h"

/* The guests that one store serves: the eighth part of a store's cost is little enough, and each of
 * them holds its slot of the pool until the store goes. */
#define THEATER__WASM_STORE_GUESTS_MAX 8u
/*
 * Memories and tables of a guest that is over, at most: what a small component in Rust begins with.
 */
#define THEATER__WASM_STORE_GUEST_BYTES_MAX ((uint64_t)20 << 16)
/* Slots beside those of the living, for guests that are over: this part of them, at least one. */
#define THEATER__WASM_STORE_OVER_SHARE 4u

struct theater__wasm_store {
    wasmtime_store_t *wasm;
    theater__component *component;
    theater__way way;
    theater__guest *guest;          /* whom it serves now; NULL: spare */
    theater_limits limits;          /* of each of its guests */
    theater_engine_limits_t growth; /* wasm keeps a pointer */
    uint32_t over_count;            /* guests before the one it serves */
};

/* Slots that the pool has beside those of the living. */
uint32_t theater__wasm_store_over_max(uint32_t pooled_max);

/* One for a guest whose component, limits and way are known; NULL without memory. */
theater__wasm_store *theater__wasm_store_take(theater__guest *guest);
/* The guest's call is gone. Kept for the next one if the guest has come to its end and has left
 * little behind. */
void theater__wasm_store_leave(theater__guest *guest);
/* Spare ones of a component. */
void theater__wasm_store_drop_spares(theater__component *component);

#endif
