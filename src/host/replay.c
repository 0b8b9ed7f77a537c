/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification by re-execution: each call of a chain becomes a turn that may only replay. The turn
 * is the one that runs actors; nothing here knows how events are compared.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include <base/assert.h>
#include <base/error.h>

/* The environment of an audit: a clock nobody sees. */
static bool never_preempt(void *userdata)
{
    (void)userdata;
    return false;
}

typedef struct auditing {
    theater_host *host;
    const theater_chain *chain;
    theater__turn_env env;
    theater__profile profile;
    theater_id actor;
    theater_replay_report *report;
} auditing;

static theater_status read_genesis(auditing *audit, theater_error *err)
{
    size_t position = 0;
    theater_event event;
    theater__genesis genesis;
    theater_status status = theater_chain_next(audit->chain, &position, &event, err);
    if (status == THEATER_ERR_NOTFOUND) {
        return theater__fail(err, THEATER_ERR_UNSUPPORTED,
                             "this chain has no events that can be executed again");
    }
    if (status == THEATER_OK) {
        status = theater__genesis_decode(event.payload, &genesis, err);
    }
    if (status != THEATER_OK) {
        return status;
    }
    audit->actor = genesis.actor;
    theater_text semantics = {theater__engine_semantics(), strlen(theater__engine_semantics())};
    if (genesis.semantics.size != semantics.size ||
        memcmp(genesis.semantics.data, semantics.data, semantics.size) != 0) {
        return theater__fail(err, THEATER_ERR_UNSUPPORTED,
                             "the actor was made with other engine settings than this build has");
    }
    return theater__profile_init(&audit->profile, &genesis, err);
}

/* Links and grammar: what is executed is a possible life of an actor, with one genesis and end. */
static theater_status check_intact(const theater_chain *chain, theater_error *err)
{
    theater_chain_report report;
    theater_status status = theater_chain_verify(chain, NULL, &report, err);
    if (status == THEATER_OK && report.verdict == THEATER_CHAIN_DAMAGED) {
        return theater__fail(err, THEATER_ERR_CORRUPT, "%s", report.message);
    }
    return status;
}

/* Runs one call to the end of what the chain has of it. Yields are for others: there are none. */
static theater__turn_outcome run_to_end(theater_host *host, theater__turn *turn)
{
    theater__turn_outcome outcome = THEATER__TURN_YIELDED;
    while (outcome == THEATER__TURN_YIELDED) {
        theater__ticker_arm(host->ticker, theater__clock_mono(host->clock));
        outcome = theater__turn_run(turn);
    }
    theater__ticker_disarm(host->ticker);
    return outcome;
}

static theater_status replay_call(auditing *audit, uint64_t call_seq, bool *out_clean,
                                  theater_error *err)
{
    theater_bytes frames = theater__chain_frames(audit->chain);
    theater__turn_options options;
    memset(&options, 0, sizeof(options));
    options.env = &audit->env;
    options.profile = &audit->profile;
    options.actor = audit->actor;
    options.history = frames.data;
    options.history_size = frames.size;
    options.call_seq = call_seq;
    options.replay_only = true;
    theater__turn *turn = NULL;
    theater_status status = theater__turn_new(&options, &turn, err);
    if (status == THEATER_ERR_NOTFOUND) {
        /* The component has no such export: that is a difference, not a failure. */
        *out_clean = false;
        audit->report->seq = call_seq;
        (void)snprintf(audit->report->expected, sizeof(audit->report->expected), "call");
        (void)snprintf(audit->report->actual, sizeof(audit->report->actual), "%s",
                       err != NULL ? err->message : "no such export");
        return THEATER_OK;
    }
    if (status != THEATER_OK) {
        return status;
    }
    *out_clean = true;
    switch (run_to_end(audit->host, turn)) {
    case THEATER__TURN_DIVERGED: {
        const theater__divergence *divergence = theater__turn_divergence(turn);
        *out_clean = false;
        audit->report->seq = divergence->seq;
        memcpy(audit->report->expected, divergence->expected, sizeof(divergence->expected));
        memcpy(audit->report->actual, divergence->actual, sizeof(divergence->actual));
        break;
    }
    case THEATER__TURN_REPLAYED:
    case THEATER__TURN_SUSPENDED:
    case THEATER__TURN_FINISHED:
    case THEATER__TURN_YIELDED:
        break;
    case THEATER__TURN_ABANDONED:
    case THEATER__TURN_CORRUPT:
        status = theater__turn_error(turn)->status;
        if (err != NULL) {
            *err = *theater__turn_error(turn);
        }
        break;
    }
    theater__turn_free(turn);
    return status;
}

static theater_status replay_calls(auditing *audit, theater_error *err)
{
    theater_replay_report *report = audit->report;
    size_t position = 0;
    bool is_clean = true;
    while (is_clean) {
        theater_event event;
        theater_status status = theater_chain_next(audit->chain, &position, &event, err);
        if (status == THEATER_ERR_NOTFOUND) {
            break;
        }
        if (status != THEATER_OK) {
            return status;
        }
        report->events_count++;
        if (event.kind != THEATER_KIND_CALL) {
            continue;
        }
        report->calls_count++;
        theater_error error = THEATER_ERROR_INIT;
        status = replay_call(audit, event.seq, &is_clean, &error);
        if (status != THEATER_OK) {
            if (err != NULL) {
                *err = error;
            }
            return status;
        }
    }
    report->is_clean = is_clean;
    return THEATER_OK;
}

static void say(theater_replay_report *report)
{
    if (report->is_clean) {
        (void)snprintf(report->message, sizeof(report->message), "clean: %llu events, %llu calls",
                       (unsigned long long)report->events_count,
                       (unsigned long long)report->calls_count);
    } else {
        (void)snprintf(report->message, sizeof(report->message),
                       "diverged at event %llu: expected %.90s, actual %.90s",
                       (unsigned long long)report->seq, report->expected, report->actual);
    }
}

theater_status theater_chain_replay(theater_host *host, const theater_chain *chain,
                                    const void *data, size_t size,
                                    theater_replay_report *out_report, theater_error *err)
{
    THEATER_ASSERT(host != NULL);
    THEATER_ASSERT(chain != NULL);
    theater_status status = host_prepare(host, err);
    if (status != THEATER_OK) {
        return status;
    }
    theater_replay_report report;
    memset(&report, 0, sizeof(report));
    auditing audit;
    memset(&audit, 0, sizeof(audit));
    audit.host = host;
    audit.chain = chain;
    audit.env = host->env;
    audit.env.preempt = never_preempt;
    audit.report = &report;
    status = read_genesis(&audit, err);
    if (status == THEATER_OK) {
        status = check_intact(chain, err);
        if (status != THEATER_OK) {
            theater__profile_deinit(&audit.profile);
            return status;
        }
        status = component_load(host, data, size, &audit.profile.component, err);
        if (status == THEATER_OK) {
            status = replay_calls(&audit, err);
        }
        theater__profile_deinit(&audit.profile);
    }
    if (status == THEATER_OK) {
        say(&report);
        *out_report = report;
    }
    return status;
}
