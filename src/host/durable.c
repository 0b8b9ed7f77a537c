/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whoever shows what the host knows has to wait like every other output: a look at an actor is true
 * for the outside when the events behind it are durable. A waiter stands behind all batches that
 * were in flight when it came; flights are numbered, so that the first one left says how far all is
 * durable.
 */
#include "internal.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>

typedef struct waiter {
    theater__list link; /* in host.waiters, in the order of coming */
    uint64_t flight;    /* the last that it waits for */
    theater_durable_fn *callback;
    void *userdata;
} waiter;

theater_status theater_host_on_durable(theater_host *host, theater_durable_fn *callback,
                                       void *userdata, theater_error *err)
{
    THEATER_ASSERT(host != NULL);
    THEATER_ASSERT(callback != NULL);
    if (host->failure.status != THEATER_OK) {
        return theater__fail(err, host->failure.status, "%s", host->failure.message);
    }
    waiter *w = theater__alloc_zeroed(1, sizeof(*w));
    if (w == NULL) {
        return theater__fail_nomem(err);
    }
    w->flight = host->flights_made;
    w->callback = callback;
    w->userdata = userdata;
    theater__list_push(&host->waiters, &w->link);
    if (host->store != NULL) {
        theater__store_hurry(host->store);
    }
    theater_host_wake_up(host); /* there may be nothing in flight to wake it */
    return THEATER_OK;
}

static uint64_t durable_upto(theater_host *host)
{
    if (theater__list_empty(&host->flights)) {
        return host->flights_made;
    }
    return THEATER__LIST_OWNER(host->flights.next, flight, link)->number - 1;
}

/* The callbacks may wait again: those who are told now are taken out before. */
static void tell(theater_host *host, uint64_t upto, theater_status status)
{
    theater__list told;
    theater__list *link = NULL;
    theater__list_init(&told);
    while (!theater__list_empty(&host->waiters)) {
        waiter *w = THEATER__LIST_OWNER(host->waiters.next, waiter, link);
        if (w->flight > upto) {
            break;
        }
        theater__list_remove(&w->link);
        theater__list_push(&told, &w->link);
    }
    while ((link = theater__list_pop(&told)) != NULL) {
        waiter *w = THEATER__LIST_OWNER(link, waiter, link);
        w->callback(status, w->userdata);
        theater__free(w);
    }
}

void durable_tell(theater_host *host)
{
    if (host->failure.status != THEATER_OK) {
        tell(host, UINT64_MAX, host->failure.status);
    } else {
        tell(host, durable_upto(host), THEATER_OK);
    }
}

void durable_close(theater_host *host)
{
    if (host->failure.status == THEATER_OK) {
        (void)theater__fail(&host->failure, THEATER_ERR_CLOSED, "the host was freed");
    }
    durable_tell(host);
}
