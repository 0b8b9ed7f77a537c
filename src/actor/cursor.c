/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cursor: walks the recorded events of one call and shows the next one that matters to the
 * guest. Ambient events are about the actor, not for it, and are passed over. A folded answer is
 * shown as often as it counts. Every event's link is checked on the way.
 */
#include "internal.h"

#include <string.h>

#include <base/assert.h>
#include <base/error.h>

/* A turn that went on from the middle of its chain would say other things behind its end. */
static bool ends_at_tail(const theater__turn *turn)
{
    return turn->replay_only ||
           (turn->reader.next_seq == turn->tail.seq + 1 &&
            memcmp(&turn->reader.head, &turn->tail.hash, sizeof(turn->tail.hash)) == 0);
}

/* The next event of the reader that is not ambient. */
static theater_status read_next(theater__turn *turn, theater_error *err)
{
    for (;;) {
        /* Asked at every call of a live guest, answered by the status alone: no text is made. */
        if (turn->reader.offset == turn->reader.size) {
            if (ends_at_tail(turn)) {
                return THEATER_ERR_NOTFOUND;
            }
            return theater__fail(err, THEATER_ERR_CORRUPT,
                                 "its history ends before event %llu, its chain does not",
                                 (unsigned long long)turn->reader.next_seq);
        }
        theater_status status = theater__chain_read(&turn->reader, &turn->next, err);
        if (status != THEATER_OK) {
            return status;
        }
        if (turn->next.event_class != THEATER_EVENT_AMBIENT) {
            return THEATER_OK;
        }
    }
}

theater_status theater__cursor_peek(theater__turn *turn, const theater_event **out_event,
                                    theater_error *err)
{
    if (!turn->has_next) {
        theater_status status = read_next(turn, err);
        if (status != THEATER_OK) {
            return status;
        }
        turn->has_next = true;
        turn->answers_left = 1;
        if (turn->next.kind == THEATER_KIND_ANSWER) {
            theater__answer answer;
            status = theater__answer_decode(turn->next.payload, &answer, err);
            if (status != THEATER_OK) {
                return status;
            }
            turn->answers_left = answer.count;
        }
        if (turn->next.is_redacted) {
            return theater__fail(err, THEATER_ERR_UNSUPPORTED,
                                 "event %llu was redacted: this chain can be verified, but not "
                                 "executed again",
                                 (unsigned long long)turn->next.seq);
        }
    }
    *out_event = &turn->next;
    return THEATER_OK;
}

void theater__cursor_advance(theater__turn *turn)
{
    THEATER_ASSERT(turn->has_next);
    THEATER_ASSERT(turn->answers_left > 0);
    turn->answers_left--;
    if (turn->answers_left == 0) {
        turn->has_next = false;
        turn->turn_cpu_ns = 0; /* it goes along its chain: see budget.c */
    }
}

/* What is behind the call's event begins a new call, which is another turn's. */
theater_status theater__cursor_begin(theater__turn *turn, const theater__turn_options *options,
                                     theater__call_payload *out_call, theater_error *err)
{
    theater__buffer_put(&turn->history, options->history, options->history_size);
    if (turn->history.failed) {
        return theater__fail_nomem(err);
    }
    theater__chain_reader_init(&turn->reader, turn->history.data, turn->history.size,
                               &options->history_parent, options->history_first_seq);
    for (;;) {
        theater_event event;
        theater_status status = theater__chain_read(&turn->reader, &event, err);
        if (status == THEATER_ERR_NOTFOUND) {
            return theater__fail(err, THEATER_ERR_CORRUPT,
                                 "the chain of this actor has no event %llu",
                                 (unsigned long long)options->call_seq);
        }
        if (status != THEATER_OK) {
            return status;
        }
        if (event.seq < options->call_seq) {
            continue;
        }
        if (event.seq != options->call_seq || event.kind != THEATER_KIND_CALL ||
            event.is_redacted) {
            return theater__fail(err, THEATER_ERR_CORRUPT,
                                 "event %llu is not the call it should be",
                                 (unsigned long long)event.seq);
        }
        /* An evicted turn has the same budget left as one that stayed. */
        turn->call_bytes = turn->reader.size - turn->reader.offset;
        return theater__call_decode(event.payload, out_call, err);
    }
}
