/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists of a component, filled when it is opened.
 */
#ifndef ENGINE_COMPONENT_H
#define ENGINE_COMPONENT_H

#include "internal.h"

/* Reads imports and exports from the loaded code into the component's arena. */
theater_status theater__component_describe(theater__component *component, theater_error *err);

#endif
