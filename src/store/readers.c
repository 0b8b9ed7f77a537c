/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads that wait for the disk, by threads that have nothing else to do.
 *
 *     owner: read ──> all of it in the page cache? ──yes──> answers ──> poll
 *                          │ no                               ^
 *                          └──> asked ──> a reader ──> answered (descriptor)
 *
 * A record that the system has dropped from its cache takes a disk some milliseconds. Whoever is
 * due meanwhile would wait for a stranger's record, so the owner does not: a read that it cannot
 * have from the cache goes to these threads, unless somebody asked for it `at_once`. They are
 * started as they are needed and stay; each read is a walk from its beginning, with descriptors of
 * its own that it gives back, so that a process with few of them is not robbed of them by what
 * waits.
 */
#include "logstore.h"

#include <base/alloc.h>
#include <base/assert.h>

/* ---- chains of answers ----------------------------------------------------------------------- */

void theater__log_answers_push(theater__log_answers *answers, theater__log_answer *answer)
{
    answer->next = NULL;
    if (answers->first == NULL) {
        answers->last = &answers->first;
    }
    *answers->last = answer;
    answers->last = &answer->next;
}

theater__log_answer *theater__log_answers_pop(theater__log_answers *answers)
{
    theater__log_answer *answer = answers->first;
    if (answer != NULL) {
        answers->first = answer->next;
    }
    return answer;
}

theater__log_answer *theater__log_answers_find(theater__log_answers *answers,
                                               theater__ticket ticket)
{
    theater__log_answer **link = &answers->first;
    while (*link != NULL && (*link)->completion.ticket != ticket) {
        link = &(*link)->next;
    }
    theater__log_answer *found = *link;
    if (found != NULL) {
        *link = found->next;
        answers->last = found->next == NULL ? link : answers->last;
    }
    return found;
}

void theater__log_answers_free(theater__log_answers *answers)
{
    for (;;) {
        theater__log_answer *answer = theater__log_answers_pop(answers);
        if (answer == NULL) {
            return;
        }
        theater__store_completion_deinit(&answer->completion);
        theater__free(answer);
    }
}

/* ---- a reader -------------------------------------------------------------------------------- */

static void do_read(theater__logstore *log, theater__log_answer *answer)
{
    theater__log_reader reader;
    theater__log_reader_init(&reader, log, 1); /* its walk goes back, from segment to segment */
    reader.may_wait = true;
    (void)theater__log_reader_read(&reader, answer);
    theater__log_reader_deinit(&reader);
}

static void *reader_main(void *userdata)
{
    theater__logstore *log = userdata;
    (void)pthread_mutex_lock(&log->mutex);
    while (!atomic_load_explicit(&log->readers_stop, memory_order_relaxed)) {
        theater__log_answer *answer = theater__log_answers_pop(&log->asked);
        if (answer == NULL) {
            log->readers_idle++;
            (void)pthread_cond_wait(&log->readers_wake, &log->mutex);
            log->readers_idle--;
            continue;
        }
        (void)pthread_mutex_unlock(&log->mutex);
        do_read(log, answer);
        (void)pthread_mutex_lock(&log->mutex);
        theater__log_answers_push(&log->answered, answer);
        if (!log->signalled) {
            log->signalled = true;
            (void)pthread_mutex_unlock(&log->mutex);
            theater__logstore_signal(log);
            (void)pthread_mutex_lock(&log->mutex);
        }
    }
    (void)pthread_mutex_unlock(&log->mutex);
    return NULL;
}

/* ---- the owner's side ------------------------------------------------------------------------ */

/* Another one, if those there are have something to do. False if there is none at all. */
static bool has_reader(theater__logstore *log)
{
    (void)pthread_mutex_lock(&log->mutex);
    bool is_busy = log->asked.first != NULL || log->readers_idle == 0;
    (void)pthread_mutex_unlock(&log->mutex);
    if (is_busy && log->readers_count < LOGSTORE_READERS &&
        theater__logstore_thread(log, &log->readers[log->readers_count], reader_main) == 0) {
        log->readers_count++;
    }
    return log->readers_count > 0;
}

bool theater__readers_ask(theater__logstore *log, theater__log_answer *answer)
{
    THEATER_ASSERT(!log->threadless);
    if (!has_reader(log)) {
        return false;
    }
    log->asked_count++;
    (void)pthread_mutex_lock(&log->mutex);
    theater__log_answers_push(&log->asked, answer);
    (void)pthread_cond_signal(&log->readers_wake);
    (void)pthread_mutex_unlock(&log->mutex);
    return true;
}

void theater__readers_take(theater__logstore *log)
{
    for (;;) {
        theater__log_answer *answer = theater__log_answers_pop(&log->answered);
        if (answer == NULL) {
            return;
        }
        THEATER_ASSERT(log->asked_count > 0);
        log->asked_count--;
        theater__log_answers_push(&log->answers, answer);
    }
}

void theater__readers_end(theater__logstore *log)
{
    (void)pthread_mutex_lock(&log->mutex);
    atomic_store_explicit(&log->readers_stop, true, memory_order_relaxed);
    (void)pthread_cond_broadcast(&log->readers_wake);
    (void)pthread_mutex_unlock(&log->mutex);
    while (log->readers_count > 0) {
        log->readers_count--;
        (void)pthread_join(log->readers[log->readers_count], NULL);
    }
}
