/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words for the numbers of the byte format, and which class each kind has. Exports, messages
 * and the command line say these words; docs/formats/chain.md lists them.
 */
#include "event.h"

#include <stddef.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const char *const class_names[] = {
    [THEATER_EVENT_GENESIS] = "genesis", [THEATER_EVENT_CALL] = "call",
    [THEATER_EVENT_REQUEST] = "request", [THEATER_EVENT_INPUT] = "input",
    [THEATER_EVENT_AMBIENT] = "ambient", [THEATER_EVENT_END] = "end",
};

static const struct {
    const char *name;
    theater_event_class event_class;
} kinds[] = {
    [THEATER_KIND_GENESIS] = {"genesis", THEATER_EVENT_GENESIS},
    [THEATER_KIND_CALL] = {"call", THEATER_EVENT_CALL},
    [THEATER_KIND_WAIT] = {"wait", THEATER_EVENT_REQUEST},
    [THEATER_KIND_EFFECT] = {"effect", THEATER_EVENT_REQUEST},
    [THEATER_KIND_POST] = {"post", THEATER_EVENT_REQUEST},
    [THEATER_KIND_RETURN] = {"return", THEATER_EVENT_REQUEST},
    [THEATER_KIND_ANSWER] = {"answer", THEATER_EVENT_INPUT},
    [THEATER_KIND_COMPLETION] = {"completion", THEATER_EVENT_INPUT},
    [THEATER_KIND_TERMINATE] = {"terminate", THEATER_EVENT_INPUT},
    [THEATER_KIND_ENGINE] = {"engine", THEATER_EVENT_AMBIENT},
    [THEATER_KIND_STEP] = {"step", THEATER_EVENT_AMBIENT},
    [THEATER_KIND_REBASE] = {"rebase", THEATER_EVENT_AMBIENT},
    [THEATER_KIND_NOTE] = {"note", THEATER_EVENT_AMBIENT},
    [THEATER_KIND_END] = {"end", THEATER_EVENT_END},
};

static const char *const reason_names[] = {
    [THEATER_END_RETURNED] = "returned", [THEATER_END_TRAPPED] = "trapped",
    [THEATER_END_STACK] = "stack",       [THEATER_END_CPU] = "cpu",
    [THEATER_END_LIMIT] = "limit",       [THEATER_END_CANCELLED] = "cancelled",
    [THEATER_END_SHUTDOWN] = "shutdown",
};

static const char *const outcome_names[] = {
    [THEATER_WAIT_DUE] = "due",
    [THEATER_WAIT_COMPLETED] = "completed",
    [THEATER_WAIT_CANCELLED] = "cancelled",
    [THEATER_WAIT_SHUTDOWN] = "shutdown",
    [THEATER_WAIT_WOKEN] = "woken",
    [THEATER_WAIT_OVERDUE] = "overdue",
};

static const char *name_of(const char *const *names, size_t count, size_t number)
{
    return number < count && names[number] != NULL ? names[number] : "?";
}

const char *theater_event_class_name(theater_event_class event_class)
{
    return name_of(class_names, LENGTH(class_names), (size_t)event_class);
}

const char *theater_event_kind_name(theater_event_kind kind)
{
    return (size_t)kind < LENGTH(kinds) && kinds[kind].name != NULL ? kinds[kind].name : "?";
}

const char *theater_end_reason_name(theater_end_reason reason)
{
    return name_of(reason_names, LENGTH(reason_names), (size_t)reason);
}

const char *theater_wait_outcome_name(theater_wait_outcome outcome)
{
    return name_of(outcome_names, LENGTH(outcome_names), (size_t)outcome);
}

theater_event_class theater__kind_class(theater_event_kind kind)
{
    return (size_t)kind < LENGTH(kinds) ? kinds[kind].event_class : (theater_event_class)0;
}
