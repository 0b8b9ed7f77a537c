/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real process on a real disk, killed at any moment: it tells of each acknowledged batch through
 * a pipe, and after each kill everything it told of is there, and every chain verifies. Besides,
 * the committer's thread under load, with reads of what is still in flight.
 */
#include "work.h"
/* cmocka first */
#include "format.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ACTORS_COUNT 3u
#define KILLS 20u

/* One line through the pipe. */
typedef struct acknowledgement {
    uint32_t actor;
    uint64_t next_seq;
} acknowledgement;

typedef struct inflight {
    theater__ticket ticket;
    acknowledgement what;
} inflight;

/* ---- the writer ------------------------------------------------------------------------------ */

/* Goes on where the recovered actor stands. Only what the next batch needs is taken over. */
static void take_over(work_actor *actor, const theater__recovered *recovered)
{
    theater__chain_writer_deinit(&actor->writer);
    theater__chain_writer_init(&actor->writer, &recovered->head, recovered->next_seq);
    actor->place = recovered->place;
    actor->batches_count = 1;
    actor->batches[0].next_seq = recovered->next_seq;
    actor->batches[0].head = recovered->head;
}

static void write_until_killed(const char *url, int pipe_fd)
{
    theater__store *store = work_open(url);
    work_actor *actors[ACTORS_COUNT];
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        actors[i] = work_actor_new((uint8_t)i);
    }
    theater__recovered recovered;
    while (theater__store_recover_next(store, &recovered, NULL) == THEATER_OK) {
        take_over(actors[recovered.actor.bytes[15]], &recovered);
    }
    inflight waiting[64];
    uint64_t taken = 0;
    uint64_t finished = 0;
    for (unsigned step = 0; step < WORK_BATCHES_MAX; step++) {
        unsigned number = step % ACTORS_COUNT;
        inflight *next = &waiting[taken % 64];
        next->ticket = work_step(actors[number], store, 1 + step % 3, step % 11 * 90);
        next->what.actor = number;
        next->what.next_seq = actors[number]->writer.next_seq;
        taken++;
        while (taken - finished > step % 40) {
            work_expect_durable(store, waiting[finished % 64].ticket);
            const acknowledgement *told = &waiting[finished % 64].what;
            assert_int_equal(write(pipe_fd, told, sizeof(*told)), sizeof(*told));
            finished++;
        }
    }
    _exit(0);
}

/* ---- the killer ------------------------------------------------------------------------------ */

static void check_store(const char *url, const uint64_t acknowledged[ACTORS_COUNT])
{
    theater__store *store = work_open(url);
    uint64_t found[ACTORS_COUNT] = {0};
    theater__recovered recovered;
    while (theater__store_recover_next(store, &recovered, NULL) == THEATER_OK) {
        found[recovered.actor.bytes[15]] = recovered.next_seq;
    }
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        assert_true(found[i] >= acknowledged[i]);
        if (found[i] == 0) {
            continue;
        }
        work_actor *actor = work_actor_new((uint8_t)i);
        theater__buffer frames = {0};
        char damage[THEATER_ERROR_MESSAGE_MAX];
        assert_int_equal(theater__store_collect(url, &actor->id, &frames, damage, NULL),
                         THEATER_OK);
        assert_string_equal(damage, "");
        theater_chain *chain = NULL;
        theater_chain_report report;
        assert_int_equal(theater__chain_from_frames(frames.data, frames.size, NULL, &chain, NULL),
                         THEATER_OK);
        assert_int_equal(theater_chain_verify(chain, NULL, &report, NULL), THEATER_OK);
        assert_int_equal(report.verdict, THEATER_CHAIN_UNANCHORED);
        assert_int_equal(report.events_count, found[i]);
        theater_chain_free(chain);
        theater__buffer_deinit(&frames);
        work_actor_free(actor);
    }
    theater__store_close(store);
}

static void kill__nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    char *directory = theater__strndup("/tmp/theater-kill-XXXXXX", 24);
    assert_non_null(mkdtemp(directory));
    char url[64];
    (void)snprintf(url, sizeof(url), "log:%s/s", directory);
    uint64_t acknowledged[ACTORS_COUNT] = {0};
    for (unsigned round = 0; round < KILLS; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(ends[0]);
            write_until_killed(url, ends[1]);
        }
        close(ends[1]);
        acknowledgement told;
        unsigned count = 0;
        /* The kill comes after so many acknowledgements, while more is on its way. */
        unsigned enough = round == 0 ? 1 : round * round * 7 % 97;
        while (read(ends[0], &told, sizeof(told)) == (ssize_t)sizeof(told)) {
            acknowledged[told.actor] = told.next_seq;
            count++;
            if (count == enough + 1) {
                assert_int_equal(kill(child, SIGKILL), 0);
            }
        }
        close(ends[0]);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        check_store(url, acknowledged);
    }
    assert_true(acknowledged[0] > KILLS);
    work_remove(directory);
}

/* ---- threads --------------------------------------------------------------------------------- */

static void committer__under_load_with_reads_of_what_is_in_flight(void **state)
{
    (void)state;
    char *directory = work_directory();
    char url[128];
    (void)snprintf(url, sizeof(url), "log:%s/s", directory);
    theater__store *store = work_open(url);
    work_actor *actors[ACTORS_COUNT];
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        actors[i] = work_actor_new((uint8_t)i);
    }
    theater__ticket expected = 1;
    for (unsigned step = 0; step < 9000; step++) {
        work_actor *actor = actors[step % ACTORS_COUNT];
        work_step(actor, store, 1, 20);
        if (step % 100 == 99) {
            theater__read read = {.actor = actor->id, .place = actor->place};
            read.from_seq = actor->writer.next_seq - 5;
            theater__ticket ticket = 0;
            assert_int_equal(theater__store_read(store, &read, &ticket, NULL), THEATER_OK);
        }
        theater__store_completion completion;
        while (theater__store_poll(store, &completion)) {
            assert_int_equal(completion.status, THEATER_OK);
            if (completion.type == THEATER__COMPLETED_BATCH) {
                assert_true(completion.ticket >= expected);
                expected = completion.ticket + 1;
            } else {
                assert_true(completion.frames.size > 0);
            }
            theater__store_completion_deinit(&completion);
        }
    }
    while (theater__store_inflight(store) > 0) {
        theater__store_completion completion = work_wait(store);
        assert_int_equal(completion.status, THEATER_OK);
        theater__store_completion_deinit(&completion);
    }
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        work_expect_read(store, actors[i], 0);
        work_actor_free(actors[i]);
    }
    theater__store_close(store);
    work_remove(directory);
}

/* An idle log says that it is durable, without anyone asking: so a flip is told from a tear. */
static void committer__closes_an_idle_log(void **state)
{
    (void)state;
    char *directory = work_directory();
    char url[128];
    char path[160];
    (void)snprintf(url, sizeof(url), "log:%s/s", directory);
    (void)snprintf(path, sizeof(path), "%s/s/00000001.log", directory);
    theater__store *store = work_open(url);
    work_actor *actor = work_actor_new(1);
    work_expect_durable(store, work_step(actor, store, 1, 20));
    uint64_t closed = format_place_offset(actor->place) + format_record_size(actor->frames.size) +
                      FORMAT_GROUP_HEADER_SIZE;
    /*
     * The descriptor never becomes readable for a closing group: poll() with nothing to wait for is
     * the clock here. 50 ms is what it takes; a hundred times that is a hang.
     */
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    char magic[5] = "";
    for (unsigned i = 0; i < 500 && strcmp(magic, "TGRP") != 0; i++) {
        (void)poll(NULL, 0, 10);
        assert_true(pread(fd, magic, 4, (off_t)(closed - FORMAT_GROUP_HEADER_SIZE)) >= 0);
    }
    assert_string_equal(magic, "TGRP");
    close(fd);
    /* Zeros lie behind it for as long as the store is open, and no longer. */
    struct stat status = {0};
    assert_int_equal(stat(path, &status), 0);
    assert_true((uint64_t)status.st_size > closed);
    theater__store_close(store);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, closed);
    work_actor_free(actor);
    work_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kill__nothing_acknowledged_is_lost),
        cmocka_unit_test(committer__under_load_with_reads_of_what_is_in_flight),
        cmocka_unit_test(committer__closes_an_idle_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
