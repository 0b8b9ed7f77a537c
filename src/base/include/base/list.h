/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A doubly linked ring with the links inside its members. The head is a link of its own; an empty
 * ring points to itself; a member that is in no ring has NULL links.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <base/assert.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct theater__list {
    struct theater__list *next;
    struct theater__list *prev;
} theater__list;

#define THEATER__LIST_OWNER(link, type, member) \
    ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void theater__list_init(theater__list *head)
{
    head->next = head;
    head->prev = head;
}

static inline bool theater__list_empty(const theater__list *head)
{
    return head->next == head;
}

static inline bool theater__list_linked(const theater__list *link)
{
    return link->next != NULL;
}

static inline void theater__list_push(theater__list *head, theater__list *link)
{
    THEATER_ASSERT(head->prev != NULL); /* it was initialised */
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static inline void theater__list_remove(theater__list *link)
{
    THEATER_ASSERT(link->prev != NULL && link->next != NULL); /* it is in a ring */
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = NULL;
    link->prev = NULL;
}

/* The first member, taken out; NULL if there is none. */
static inline theater__list *theater__list_pop(theater__list *head)
{
    theater__list *first = head->next;
    if (first == head) {
        return NULL;
    }
    theater__list_remove(first);
    return first;
}

#endif
