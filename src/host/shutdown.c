/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shutdown controllers and receivers: a ring of receivers, each told once. Freeing either side
 * leaves the other usable.
 */
#include <theater/shutdown.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <base/list.h>

struct theater_shutdown_controller {
    theater__list receivers;
    bool is_signalled;
};

struct theater_shutdown_receiver {
    theater__list link; /* not linked: a dummy, or its controller is gone */
    theater_shutdown_controller *controller;
    theater_shutdown_fn *callback;
    void *userdata;
    bool is_signalled;
    bool is_confirmed;
};

theater_status theater_shutdown_controller_new(theater_shutdown_controller **out_controller,
                                               theater_error *err)
{
    THEATER_ASSERT(out_controller != NULL);
    theater_shutdown_controller *controller = theater__alloc_zeroed(1, sizeof(*controller));
    if (controller == NULL) {
        return theater__fail_nomem(err);
    }
    theater__list_init(&controller->receivers);
    *out_controller = controller;
    return THEATER_OK;
}

static void tell(theater_shutdown_receiver *receiver)
{
    if (receiver->is_signalled) {
        return;
    }
    receiver->is_signalled = true;
    if (receiver->callback != NULL) {
        receiver->callback(receiver, receiver->userdata);
    }
}

void theater_shutdown_controller_signal(theater_shutdown_controller *controller)
{
    THEATER_ASSERT(controller != NULL);
    controller->is_signalled = true;
    /* A callback may free its own receiver: begin again after each one that was told. */
    bool has_told = true;
    while (has_told) {
        has_told = false;
        for (theater__list *link = controller->receivers.next; link != &controller->receivers;
             link = link->next) {
            theater_shutdown_receiver *receiver =
                THEATER__LIST_OWNER(link, theater_shutdown_receiver, link);
            if (!receiver->is_signalled) {
                tell(receiver);
                has_told = true;
                break;
            }
        }
    }
}

void theater_shutdown_controller_free(theater_shutdown_controller *controller)
{
    if (controller == NULL) {
        return;
    }
    theater_shutdown_controller_signal(controller);
    theater__list *link = NULL;
    while ((link = theater__list_pop(&controller->receivers)) != NULL) {
        THEATER__LIST_OWNER(link, theater_shutdown_receiver, link)->controller = NULL;
    }
    theater__free(controller);
}

theater_status theater_shutdown_controller_subscribe(theater_shutdown_controller *controller,
                                                     theater_shutdown_receiver **out_receiver,
                                                     theater_error *err)
{
    THEATER_ASSERT(controller != NULL);
    THEATER_ASSERT(out_receiver != NULL);
    theater_shutdown_receiver *receiver = theater_shutdown_receiver_dummy();
    if (receiver == NULL) {
        return theater__fail_nomem(err);
    }
    receiver->controller = controller;
    receiver->is_signalled = controller->is_signalled;
    theater__list_push(&controller->receivers, &receiver->link);
    *out_receiver = receiver;
    return THEATER_OK;
}

uint32_t theater_shutdown_controller_pending(const theater_shutdown_controller *controller)
{
    uint32_t count = 0;
    for (const theater__list *link = controller->receivers.next; link != &controller->receivers;
         link = link->next) {
        const theater_shutdown_receiver *receiver =
            (const theater_shutdown_receiver *)(const void *)((const char *)link -
                                                              offsetof(theater_shutdown_receiver,
                                                                       link));
        count += receiver->is_signalled && !receiver->is_confirmed;
    }
    return count;
}

theater_shutdown_receiver *theater_shutdown_receiver_dummy(void)
{
    return theater__alloc_zeroed(1, sizeof(theater_shutdown_receiver));
}

void theater_shutdown_receiver_free(theater_shutdown_receiver *receiver)
{
    if (receiver == NULL) {
        return;
    }
    if (theater__list_linked(&receiver->link)) {
        theater__list_remove(&receiver->link);
    }
    theater__free(receiver);
}

bool theater_shutdown_receiver_is_signalled(const theater_shutdown_receiver *receiver)
{
    return receiver->is_signalled;
}

void theater_shutdown_receiver_on_signal(theater_shutdown_receiver *receiver,
                                         theater_shutdown_fn *callback, void *userdata)
{
    THEATER_ASSERT(receiver != NULL);
    receiver->callback = callback;
    receiver->userdata = userdata;
    if (receiver->is_signalled && callback != NULL) {
        callback(receiver, userdata);
    }
}

void theater_shutdown_receiver_confirm(theater_shutdown_receiver *receiver)
{
    THEATER_ASSERT(receiver != NULL);
    receiver->is_confirmed = true;
}
