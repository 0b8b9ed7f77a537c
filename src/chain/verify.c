/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification: walk to the end, compare with a head from elsewhere if there is one, and say in one
 * line what was found. A damaged chain is an answer, not a failure.
 */
#include "foreign.h"
#include "walk.h"

#include <base/assert.h>
#include <base/error.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void damaged(theater_chain_report *report, uint64_t seq, const char *message)
{
    report->verdict = THEATER_CHAIN_DAMAGED;
    report->bad_seq = seq;
    (void)snprintf(report->message, sizeof(report->message), "%s", message);
}

/* Takes an intact event in; false if it is the one that the given head contradicts. */
static bool take_event(theater_chain_report *report, const theater_head *given, uint64_t seq,
                       const theater_hash *hash)
{
    THEATER_ASSERT(seq == report->events_count);
    if (given != NULL && given->seq == seq &&
        memcmp(given->hash.bytes, hash->bytes, sizeof(hash->bytes)) != 0) {
        char message[THEATER_ERROR_MESSAGE_MAX];
        (void)snprintf(message, sizeof(message),
                       "event %" PRIu64 ": its hash is not that of the given head", seq);
        damaged(report, seq, message);
        return false;
    }
    report->events_count++;
    report->head.seq = seq;
    report->head.hash = *hash;
    return true;
}

/* The verdict on a chain in which everything was intact. */
static void conclude(theater_chain_report *report, const theater_head *given)
{
    if (given != NULL && given->seq >= report->events_count) {
        char message[THEATER_ERROR_MESSAGE_MAX];
        (void)snprintf(message, sizeof(message),
                       "event %" PRIu64 ": it is missing: the given head is event %" PRIu64,
                       report->events_count, given->seq);
        damaged(report, report->events_count, message);
        return;
    }
    report->verdict = given != NULL ? THEATER_CHAIN_ANCHORED : THEATER_CHAIN_UNANCHORED;
    (void)snprintf(report->message, sizeof(report->message),
                   given != NULL ? "intact: %" PRIu64 " events, the given head among them"
                                 : "intact, unanchored: %" PRIu64
                                   " events; without a head that was "
                                   "kept elsewhere, a cut tail cannot be seen",
                   report->events_count);
}

/* Ends a walk that status ended: NOTFOUND is the end, CORRUPT a finding, the rest a failure. */
static theater_status finish(theater_status status, uint64_t seq, const theater_head *given,
                             const theater_error *detail, theater_chain_report *report,
                             theater_error *err)
{
    if (status == THEATER_ERR_NOTFOUND) {
        conclude(report, given);
        return THEATER_OK;
    }
    if (status == THEATER_ERR_CORRUPT) {
        damaged(report, seq, detail->message);
        return THEATER_OK;
    }
    return theater__fail(err, status, "%s", detail->message);
}

static theater_status verify_ours(const theater_chain *chain, const theater_head *given,
                                  theater_chain_report *report, theater_error *err)
{
    theater__walk walk;
    theater__walked walked;
    theater_error detail = THEATER_ERROR_INIT;
    theater_status status;
    theater__walk_init(&walk, chain);
    do {
        status = theater__walk_next(&walk, &walked, &detail);
        if (status == THEATER_OK &&
            !take_event(report, given, walked.event.seq, &walked.event.hash)) {
            theater__walk_deinit(&walk);
            return THEATER_OK;
        }
    } while (status == THEATER_OK);
    theater__walk_deinit(&walk);
    return finish(status, walk.reader.next_seq, given, &detail, report, err);
}

/* A SHA-1 stands in the first 20 bytes of a head's hash, with zeros behind. */
static theater_status verify_foreign(const theater_chain *chain, const theater_head *given,
                                     theater_chain_report *report, theater_error *err)
{
    theater__foreign_reader reader;
    theater__foreign_event event;
    theater_error detail = THEATER_ERROR_INIT;
    theater_status status;
    theater__foreign_reader_init(&reader, chain->data, chain->size);
    do {
        status = theater__foreign_read(&reader, &event, &detail);
        if (status == THEATER_OK) {
            theater_hash hash = {{0}};
            memcpy(hash.bytes, event.hash, sizeof(event.hash));
            if (!take_event(report, given, reader.next_seq - 1, &hash)) {
                theater__foreign_reader_deinit(&reader);
                return THEATER_OK;
            }
        }
    } while (status == THEATER_OK);
    theater__foreign_reader_deinit(&reader);
    return finish(status, reader.next_seq, given, &detail, report, err);
}

theater_status theater_chain_verify(const theater_chain *chain,
                                    const theater_chain_verify_options *options,
                                    theater_chain_report *out_report, theater_error *err)
{
    THEATER_ASSERT(chain != NULL);
    THEATER_ASSERT(out_report != NULL);
    const theater_head *given = NULL;
    if (options != NULL) {
        if (options->struct_size < sizeof(*options)) {
            return theater__fail(err, THEATER_ERR_INVALID,
                                 "theater_chain_verify_options: struct_size is %zu, use "
                                 "THEATER_CHAIN_VERIFY_OPTIONS_INIT",
                                 options->struct_size);
        }
        given = options->head;
    }
    theater_chain_report report;
    memset(&report, 0, sizeof(report));
    theater_status status = chain->is_foreign ? verify_foreign(chain, given, &report, err)
                                              : verify_ours(chain, given, &report, err);
    if (status == THEATER_OK) {
        THEATER_ASSERT(report.verdict != 0 && report.message[0] != '\0');
        *out_report = report;
    }
    return status;
}
