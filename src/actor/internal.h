/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room share: the turn's fields, a host call in progress, and the pieces
 * that turn.c (the guest's life), import.c (its requests), cursor.c (the recorded events), budget.c
 * (its CPU time) and call.c (what handlers may do) give each other.
 */
#ifndef ACTOR_INTERNAL_H
#define ACTOR_INTERNAL_H

#include <actor/turn.h>
#include <base/arena.h>

/* The view of an actor that host functions get. */
struct theater_actor_store {
    theater_id id;
    const theater__chain_writer *writer; /* NULL: a dummy, or an effect outside a turn */
};

/* What a handler did with a call. */
typedef enum theater__call_decision {
    THEATER__CALL_UNDECIDED = 0,
    THEATER__CALL_RETURNED = 1,
    THEATER__CALL_WAITS = 2,
    THEATER__CALL_ENDS = 3
} theater__call_decision;

/* One call of a host function. Lives on the stack of who makes it. */
struct theater_call {
    const theater__turn_env *env;
    const theater__profile *profile;
    const theater__function *function;
    theater_actor_store store;
    uint64_t seq; /* of the request; for RECORDED the event to be */
    bool has_wall;
    theater_wall wall;
    theater__call_decision decision;
    bool is_misused; /* decided twice, or a wait outside a WAIT function */
    bool has_result;
    theater__buffer *result; /* encoded; the caller's */
    theater__wait_kind wait_kind;
    uint64_t duration_ms;
    theater_wall due_wall;
    theater_end_reason reason;
    char text[THEATER_ERROR_MESSAGE_MAX];
};

void theater__call_init(theater_call *call, const theater__turn_env *env,
                        const theater__profile *profile, const theater__function *function,
                        theater__buffer *result);
/* INTERNAL with a line that names the function, if the handler broke the rules. */
theater_status theater__call_check(const theater_call *call, theater_error *err);

/* Equal readings that are not an event yet. */
typedef struct theater__fold {
    const theater__function *function; /* NULL: none is open */
    theater_wall wall;
    uint64_t count;
    bool has_result;
    theater__buffer args;
    theater__buffer result;
} theater__fold;

struct theater__turn {
    const theater__turn_env *env;
    const theater__profile *profile;
    theater_id actor;
    bool replay_only;

    theater__chain_writer writer;
    uint64_t output_seq;
    uint64_t call_bytes; /* appended by this call in this turn's life */
    theater__fold fold;

    /* The cursor: recorded events of the call, and the one that is next. */
    theater__buffer history;
    theater__chain_reader reader;
    theater_head tail; /* what the history has to end with; not of a replay */
    bool has_next;
    theater_event next;
    uint64_t answers_left; /* of next, if it is an ANSWER that stands for several */

    theater__guest *guest;
    theater__open_request open;
    bool has_delivery; /* the open request has ended: result is for the guest */
    bool delivery_has_result;
    theater__buffer delivery; /* encoded value */

    theater__buffer args;    /* of the request that is being served, encoded */
    theater__buffer result;  /* scratch: what a handler returned, encoded */
    theater__buffer payload; /* scratch */
    theater__arena arena;    /* of decoded values that the engine takes at once */

    /* Why the guest is to be ended from inside one of its callbacks. */
    bool is_ending;
    theater__turn_outcome ending_outcome;
    theater_end_reason ending_reason;
    char ending_text[THEATER_ERROR_MESSAGE_MAX];

    bool is_finished;
    theater_end_reason reason;
    theater__divergence divergence;
    theater_error error;

    /* CPU time of this turn and of the call, see budget.c. */
    theater_mono poll_start;
    bool is_counted_exactly;
    bool has_cpu_base;
    uint64_t cpu_base_ns;
    uint64_t turn_cpu_ns;
    uint64_t call_cpu_ns;
};

/* ---- budget.c ---- */

/* Around each poll of the guest. */
void theater__budget_begin(theater__turn *turn);
void theater__budget_end(theater__turn *turn);
/* The CPU time of the call; out_text says so to people. */
bool theater__budget_is_spent(const theater__turn *turn, char out_text[THEATER_ERROR_MESSAGE_MAX]);
/* The guest's epoch callback. */
theater__epoch_verdict theater__budget_on_epoch(void *userdata);

/* ---- cursor.c ---- */

/* Looks at the next recorded event that matters to the guest, passing ambient ones. OK, NOTFOUND at
 * the end of the history, CORRUPT. */
theater_status theater__cursor_peek(theater__turn *turn, const theater_event **out_event,
                                    theater_error *err);
/* Consumes what peek showed (one answer of a folded event). */
void theater__cursor_advance(theater__turn *turn);
/* Begins at the call's event; consumes it and gives it out. */
theater_status theater__cursor_begin(theater__turn *turn, const theater__turn_options *options,
                                     theater__call_payload *out_call, theater_error *err);

/* ---- import.c ---- */

/* "ntwk:theater/timing.sleep(250)", cut to fit. */
void theater__describe_request(char out_text[THEATER_ERROR_MESSAGE_MAX], theater_text function,
                               theater_bytes args);

theater__import_outcome theater__turn_import(void *userdata, uint32_t import_index,
                                             theater_values args, theater_value *out_result);

/* ---- turn.c ---- */

/* Appends one event; closes an open fold first. */
theater_status theater__turn_append(theater__turn *turn, theater_event_class event_class,
                                    theater_event_kind kind, theater_wall wall,
                                    theater_bytes payload, theater_error *err);
/* Makes the running callback end the guest with this outcome. Returns IMPORT_END. */
theater__import_outcome theater__turn_stop(theater__turn *turn, theater__turn_outcome outcome);
/* Ends the actor from inside a callback: TERMINATE is appended when the guest is gone. */
theater__import_outcome theater__turn_end_guest(theater__turn *turn, theater_end_reason reason,
                                                const char *text);
/* Records a divergence at the next event (or at the end of the history). */
theater__import_outcome theater__turn_diverge(theater__turn *turn, const char *actual);
/* Keeps the error of the machine or of a handler: the turn is abandoned. */
theater__import_outcome theater__turn_abandon(theater__turn *turn, const theater_error *error);
/* Takes the completion at the cursor or just appended as what the open request ends with. */
theater_status theater__turn_take_completion(theater__turn *turn, theater_bytes payload,
                                             theater_error *err);

#endif
