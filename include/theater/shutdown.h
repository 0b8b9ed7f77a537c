/* SPDX-License-Identifier: Apache-2.0 */
/**
 * \file shutdown.h
 * \brief The specification's ShutdownController and ShutdownReceiver.
 *
 * A controller hands out receivers; signalling it tells each of them, and waits, without blocking,
 * until each has confirmed or the grace has passed. Sleepers are not asked: they are in the store.
 *
 * One thread owns a controller and its receivers.
 */
#ifndef THEATER_SHUTDOWN_H
#define THEATER_SHUTDOWN_H

#include <stdbool.h>
#include <stdint.h>
#include <theater/error.h>

THEATER_BEGIN_DECLS

/** Default grace, as in Theater. */
#define THEATER_SHUTDOWN_GRACE_MS 5000u

typedef struct theater_shutdown_controller theater_shutdown_controller;
typedef struct theater_shutdown_receiver theater_shutdown_receiver;

/** \brief Called once, when the controller is signalled (or at once if it was already). */
typedef void theater_shutdown_fn(theater_shutdown_receiver *receiver, void *userdata);

/** \brief A controller nobody has signalled yet. */
THEATER_API theater_status
theater_shutdown_controller_new(theater_shutdown_controller **out_controller, theater_error *err);
/** \brief Frees it; receivers that are left stay valid and are signalled. Accepts NULL. */
THEATER_API void theater_shutdown_controller_free(theater_shutdown_controller *controller);
/** \brief A new receiver, to be freed by its owner. */
THEATER_API theater_status
theater_shutdown_controller_subscribe(theater_shutdown_controller *controller,
                                      theater_shutdown_receiver **out_receiver, theater_error *err);
/** \brief Tells every receiver. A second signal changes nothing. */
THEATER_API void theater_shutdown_controller_signal(theater_shutdown_controller *controller);
/** \brief Receivers that were told and have neither confirmed nor been freed. */
THEATER_API uint32_t
theater_shutdown_controller_pending(const theater_shutdown_controller *controller);

/** \brief A receiver that is never signalled. \return NULL without memory */
THEATER_API theater_shutdown_receiver *theater_shutdown_receiver_dummy(void);
/** \brief Frees a receiver, which counts as its confirmation. Accepts NULL. */
THEATER_API void theater_shutdown_receiver_free(theater_shutdown_receiver *receiver);
/** \brief Whether the controller was signalled. */
THEATER_API bool theater_shutdown_receiver_is_signalled(const theater_shutdown_receiver *receiver);
/** \brief Asks to be called at the signal. */
THEATER_API void theater_shutdown_receiver_on_signal(theater_shutdown_receiver *receiver,
                                                     theater_shutdown_fn *callback, void *userdata);
/** \brief Says that nothing is left to do. */
THEATER_API void theater_shutdown_receiver_confirm(theater_shutdown_receiver *receiver);

THEATER_END_DECLS
#endif
