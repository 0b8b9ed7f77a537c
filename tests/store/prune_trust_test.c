/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pruning that is interrupted behind its mark: what is seen meanwhile and who finishes it; marks
 * and copies that somebody else made, which remove nothing; and those who look while it happens.
 */
#include "canary.h"
#include "pruning.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static theater__io some_io;
static unsigned renames_left;

static int few_renames(theater__io *io, const char *from, const char *to)
{
    if (strstr(from, "/compact/") != NULL && renames_left == 0) {
        return -EIO;
    }
    renames_left -= strstr(from, "/compact/") != NULL;
    return theater__io_system()->rename(io, from, to);
}

/* A store whose copy counts, of which so many segments were moved. */
static void interrupt(pruning *it, unsigned moved)
{
    theater__prune what = {0};
    theater__pruned pruned;
    theater_error err = THEATER_ERROR_INIT;
    some_io = *theater__io_system();
    some_io.rename = few_renames;
    renames_left = moved;
    it->io = &some_io;
    pruning_close(it);
    assert_int_equal(pruning_run(it, &what, &pruned, &err), THEATER_ERR_IO);
    assert_non_null(strstr(err.message, "the next open goes on with it"));
    assert_true(pruning_has(it, "compacted"));
    it->io = NULL;
}

static unsigned damages_of(const pruning *it);

/* What is seen without the lock: those that stay, whole; those that went not at all. */
static void expect_seen(const pruning *it, unsigned gone)
{
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        theater__buffer frames = {0};
        char damage[THEATER_ERROR_MESSAGE_MAX] = "";
        theater_status status =
            theater__store_collect(it->url, &it->actors[i]->id, &frames, damage, NULL);
        assert_string_equal(damage, "");
        if ((gone >> i & 1) != 0) {
            assert_int_equal(status, THEATER_ERR_NOTFOUND);
        } else {
            assert_int_equal(status, THEATER_OK);
            assert_int_equal(frames.size, it->actors[i]->frames.size);
            assert_memory_equal(frames.data, it->actors[i]->frames.data, frames.size);
        }
        theater__buffer_deinit(&frames);
    }
    assert_int_equal(damages_of(it), 0);
}

static void prune__half_finished_it_is_seen_whole_and_finished_by_an_open(void **state)
{
    pruning *it = *state;
    interrupt(it, 1);
    expect_seen(it, GONE);
    char copy[200];
    (void)snprintf(copy, sizeof(copy), "%s/copy", it->directory);
    theater_error err = THEATER_ERROR_INIT;
    theater_status status = theater__store_backup(it->url, copy, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(status, THEATER_OK);
    pruning_expect_actors(it, GONE);
    assert_false(pruning_has(it, "compacted"));
    assert_false(pruning_has(it, "compact"));
    assert_false(pruning_has(it, "00000001.log"));
    expect_seen(it, GONE);
}

static void hide(const pruning *it, const char *name, bool back)
{
    char here[300];
    char there[300];
    (void)snprintf(here, sizeof(here), "%s/%s", it->store, name);
    (void)snprintf(there, sizeof(there), "%s/%s", it->directory, name);
    assert_int_equal(back ? rename(there, here) : rename(here, there), 0);
}

/* A program that knows no marks opens the store behind one: with little, and with a new segment. */
static void prune__an_old_program_that_went_on_is_not_overwritten(void **state)
{
    pruning *it = *state;
    for (unsigned round = 0; round < 2; round++) {
        interrupt(it, 0);
        hide(it, "compact", false);
        hide(it, "compacted", false);
        pruning_expect_actors(it, 0);
        work_expect_durable(it->log,
                            work_step(it->actors[0], it->log, 1, round == 0 ? 20 : SEGMENT_SIZE));
        pruning_close(it);
        hide(it, "compact", true);
        hide(it, "compacted", true);
        pruning_expect_actors(it, 0);
        assert_false(pruning_has(it, "compacted"));
        assert_false(pruning_has(it, "compact"));
    }
}

/* ---- marks and copies of others -------------------------------------------------------------- */

static void put_file(const pruning *it, const char *name, const void *data, size_t size)
{
    char path[300];
    (void)snprintf(path, sizeof(path), "%s/%s", it->store, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), (ssize_t)size);
    (void)close(fd);
}

static size_t get_file(const pruning *it, const char *name, uint8_t *data, size_t size)
{
    char path[300];
    (void)snprintf(path, sizeof(path), "%s/%s", it->store, name);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t got = read(fd, data, size);
    (void)close(fd);
    assert_true(got > 0);
    return (size_t)got;
}

/* The open fails and says so, and nothing was removed. */
static void expect_mark_refused(pruning *it, theater_status status)
{
    uint64_t before = pruning_fingerprint(it);
    theater_error err = THEATER_ERROR_INIT;
    theater_status opened = pruning_open(it, &err);
    if (opened != status) {
        fail_msg("%d: %s", (int)opened, err.message);
    }
    assert_true(pruning_fingerprint(it) == before);
    assert_true(pruning_has(it, "compacted"));
}

static void prune__a_damaged_mark_removes_nothing(void **state)
{
    pruning *it = *state;
    uint8_t mark[4096];
    interrupt(it, 0);
    size_t size = get_file(it, "compacted", mark, sizeof(mark));
    assert_true(size >= FORMAT_MARK_HEADER_SIZE);
    for (size_t at = 0; at < size; at++) {
        for (unsigned bit = 0; bit < 8; bit += 3) {
            mark[at] ^= (uint8_t)(1u << bit);
            put_file(it, "compacted", mark, size);
            mark[at] ^= (uint8_t)(1u << bit);
            expect_mark_refused(it, THEATER_ERR_CORRUPT);
        }
    }
    for (size_t cut = 0; cut < size; cut += 7) {
        put_file(it, "compacted", mark, cut);
        expect_mark_refused(it, THEATER_ERR_CORRUPT);
    }
    memset(mark + size, 0, sizeof(mark) - size);
    put_file(it, "compacted", mark, sizeof(mark));
    expect_mark_refused(it, THEATER_ERR_CORRUPT);
    put_file(it, "compacted", mark, size);
    pruning_expect_actors(it, GONE);
}

/* Sound by all checksums, and telling of what is not so. */
static void prune__a_mark_that_lies_removes_nothing(void **state)
{
    pruning *it = *state;
    uint8_t original[4096];
    interrupt(it, 0);
    size_t size = get_file(it, "compacted", original, sizeof(original));
    theater__format_mark sound;
    assert_int_equal(theater__format_mark_decode(original, size, &sound), THEATER_OK);
    assert_int_equal(sound.components_count, 0);
    for (unsigned i = 0; i < 5; i++) {
        theater__format_mark mark = sound;
        uint8_t bytes[FORMAT_MARK_HEADER_SIZE];
        switch (i) {
        case 0: /* of another store */
            mark.store_id[3] ^= 1;
            break;
        case 1: /* a segment more */
            mark.new_last++;
            break;
        case 2: /* all that there could be */
            mark.new_last = FORMAT_SEGMENT_NUMBER_MAX;
            break;
        case 3: /* an old log that ends elsewhere, so that the copy begins elsewhere */
            mark.old_last++;
            mark.new_first++;
            mark.new_last += 2;
            break;
        default: /* a copy that is longer than it is */
            mark.new_sequence++;
            break;
        }
        theater__format_mark_encode(&mark, bytes);
        put_file(it, "compacted", bytes, sizeof(bytes));
        theater_error err = THEATER_ERROR_INIT;
        theater_status status = pruning_open(it, &err);
        assert_int_equal(status, THEATER_ERR_CORRUPT);
        assert_true(pruning_has(it, "00000001.log"));
        assert_true(pruning_has(it, "compacted"));
        /* Whoever looks does not go through millions of segments that are not there. */
        uint32_t first = theater__view_first(theater__io_system(), it->store);
        assert_int_equal(first, i < 4 ? 1 : sound.new_first);
    }
    put_file(it, "compacted", original, size);
    pruning_expect_actors(it, GONE);
}

/* The file system's own, or a file that a network file system keeps while somebody reads it. */
static void prune__what_others_put_beside_the_copy_holds_nobody(void **state)
{
    pruning *it = *state;
    char path[300];
    interrupt(it, 0);
    (void)snprintf(path, sizeof(path), "%s/compact/lost+found", it->store);
    assert_int_equal(mkdir(path, 0700), 0);
    pruning_expect_actors(it, GONE);
    assert_false(pruning_has(it, "compacted"));
    assert_true(pruning_has(it, "compact"));
    assert_int_equal(rmdir(path), 0);
    pruning_close(it);
    pruning_expect_actors(it, GONE);
    assert_false(pruning_has(it, "compact"));
}

/* A part of the log itself as its copy: that does not begin a log, so the mark is void. */
static void prune__a_mark_of_the_log_itself_is_void(void **state)
{
    pruning *it = *state;
    uint8_t bytes[FORMAT_MARK_HEADER_SIZE];
    theater__format_mark mark;
    interrupt(it, 0);
    assert_int_equal(get_file(it, "compacted", bytes, sizeof(bytes)), sizeof(bytes));
    assert_int_equal(theater__format_mark_decode(bytes, sizeof(bytes), &mark), THEATER_OK);
    mark.old_first = 1;
    mark.old_last = 1;
    mark.new_first = 2;
    mark.new_last = 3;
    theater__format_mark_encode(&mark, bytes);
    put_file(it, "compacted", bytes, sizeof(bytes));
    pruning_expect_actors(it, 0);
    assert_false(pruning_has(it, "compacted"));
}

static void prune__links_and_pipes_are_not_followed(void **state)
{
    pruning *it = *state;
    char mark[300];
    char compact[300];
    char there[300];
    (void)snprintf(mark, sizeof(mark), "%s/compacted", it->store);
    (void)snprintf(compact, sizeof(compact), "%s/compact", it->store);
    (void)snprintf(there, sizeof(there), "%s/there", it->directory);
    interrupt(it, 0);
    assert_int_equal(rename(mark, there), 0);
    assert_int_equal(symlink(there, mark), 0);
    expect_mark_refused(it, THEATER_ERR_CORRUPT);
    assert_int_equal(unlink(mark), 0);
    assert_int_equal(mkfifo(mark, 0600), 0);
    expect_mark_refused(it, THEATER_ERR_CORRUPT);
    assert_int_equal(unlink(mark), 0);
    assert_int_equal(mkdir(mark, 0700), 0);
    expect_mark_refused(it, THEATER_ERR_CORRUPT);
    assert_int_equal(rmdir(mark), 0);
    assert_int_equal(rename(there, mark), 0);
    /* The directory of the copy, and a segment in it. */
    assert_int_equal(rename(compact, there), 0);
    assert_int_equal(symlink(there, compact), 0);
    expect_mark_refused(it, THEATER_ERR_CORRUPT);
    assert_int_equal(unlink(compact), 0);
    assert_int_equal(rename(there, compact), 0);
    uint32_t *numbers = NULL;
    size_t count = 0;
    assert_int_equal(theater__segment_list(theater__io_system(), compact, &numbers, &count, NULL),
                     THEATER_OK);
    char segment[330];
    (void)snprintf(segment, sizeof(segment), "%s/%08u.log", compact, (unsigned)numbers[0]);
    theater__free(numbers);
    assert_int_equal(rename(segment, there), 0);
    assert_int_equal(symlink(there, segment), 0);
    expect_mark_refused(it, THEATER_ERR_CORRUPT);
    assert_int_equal(unlink(segment), 0);
    expect_mark_refused(it, THEATER_ERR_CORRUPT);
    assert_int_equal(mkfifo(segment, 0600), 0);
    expect_mark_refused(it, THEATER_ERR_CORRUPT);
    assert_int_equal(unlink(segment), 0);
    assert_int_equal(rename(there, segment), 0);
    pruning_expect_actors(it, GONE);
}

/* A bit of a segment of the copy that flipped while it lay there. */
static void prune__a_copy_that_was_damaged_since_removes_nothing(void **state)
{
    pruning *it = *state;
    interrupt(it, 0);
    uint32_t *numbers = NULL;
    size_t count = 0;
    char compact[300];
    char name[40];
    static uint8_t bytes[64 << 10];
    (void)snprintf(compact, sizeof(compact), "%s/compact", it->store);
    assert_int_equal(theater__segment_list(theater__io_system(), compact, &numbers, &count, NULL),
                     THEATER_OK);
    (void)snprintf(name, sizeof(name), "compact/%08u.log", (unsigned)numbers[0]);
    theater__free(numbers);
    size_t size = get_file(it, name, bytes, sizeof(bytes));
    bytes[FORMAT_SEGMENT_HEADER_SIZE + 500] ^= 4;
    put_file(it, name, bytes, size);
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(pruning_open(it, &err), THEATER_ERR_CORRUPT);
    assert_true(pruning_has(it, "00000001.log"));
    assert_true(pruning_has(it, "compacted"));
}

/* ---- those who look meanwhile ---------------------------------------------------------------- */

typedef struct looking {
    pruning *it;
    theater__buffer frames[ACTORS_COUNT];
    unsigned pieces;
    unsigned prune_at; /* 0: never */
    unsigned damages;
} looking;

static int take_piece(const theater__store_piece *piece, void *userdata)
{
    looking *look = userdata;
    look->pieces++;
    look->damages += piece->damage != NULL;
    if (piece->damage == NULL) {
        unsigned number = piece->actor.bytes[15];
        assert_true(number < ACTORS_COUNT);
        theater__buffer_put(&look->frames[number], piece->frames.data, piece->frames.size);
    }
    if (look->pieces == look->prune_at) {
        theater__prune what = {0};
        (void)pruning_expect(look->it, &what);
    }
    return 0;
}

static void look_end(looking *look)
{
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        theater__buffer_deinit(&look->frames[i]);
    }
}

static unsigned damages_of(const pruning *it)
{
    looking look = {0};
    assert_int_equal(theater__store_collect_each(it->url, take_piece, &look, NULL), THEATER_OK);
    look_end(&look);
    return look.damages;
}

static void remove_file(const pruning *it, const char *name)
{
    char path[300];
    (void)snprintf(path, sizeof(path), "%s/%s", it->store, name);
    assert_int_equal(unlink(path), 0);
}

/* With and without an index that stands for it. */
static void prune__a_log_that_lost_its_beginning_is_damaged(void **state)
{
    pruning *it = *state;
    pruning_close(it);
    remove_file(it, "00000001.log");
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(pruning_open(it, &err), THEATER_ERR_CORRUPT);
    assert_non_null(strstr(err.message, "segments are missing in front at 00000002.log"));
    assert_true(damages_of(it) > 0);
    theater__buffer frames = {0};
    char damage[THEATER_ERROR_MESSAGE_MAX];
    assert_int_equal(theater__store_collect(it->url, &it->actors[0]->id, &frames, damage, NULL),
                     THEATER_OK);
    assert_non_null(strstr(damage, "the segment in front of the one at 00000002.log:0 is missing"));
    theater__buffer_deinit(&frames);
}

/* The store is pruned between any two pieces of a walk over it. */
static void prune__a_walk_that_loses_its_segments_begins_again(void **state)
{
    pruning *it = *state;
    unsigned prune_at = 1;
    for (bool came_to_it = true; came_to_it; prune_at += 5) {
        looking look = {.it = it, .prune_at = prune_at};
        pruning_close(it);
        assert_int_equal(theater__store_collect_each(it->url, take_piece, &look, NULL), THEATER_OK);
        came_to_it = look.pieces >= prune_at;
        assert_int_equal(look.damages, 0);
        for (unsigned i = 0; i < ACTORS_COUNT; i++) {
            if (i != 1 && i != 3) {
                assert_int_equal(look.frames[i].size, it->actors[i]->frames.size);
                assert_memory_equal(look.frames[i].data, it->actors[i]->frames.data,
                                    look.frames[i].size);
            }
        }
        look_end(&look);
        pruning_expect_actors(it, came_to_it ? GONE : 0);
        for (unsigned i = 1; i < 4 && came_to_it; i += 2) { /* they come again, and end */
            uint32_t batches = it->actors[i]->batches_count;
            work_rewind(it->actors[i], 0);
            for (uint32_t k = 0; k < batches; k++) {
                it->actors[i]->has_ended = k + 1 == batches;
                work_expect_durable(it->log, work_step(it->actors[i], it->log, 1, 300));
            }
        }
    }
    assert_true(prune_at > 30);
}

/* Of each look at an actor's frames: how many pieces began it. */
typedef struct respawning {
    pruning *it;
    unsigned pieces;
    unsigned beginnings;    /* of actor 1 */
    theater__buffer frames; /* since the last of these */
    unsigned damages;
} respawning;

/* Actor 1 goes as soon as all of it was given, and another one with its id comes at once. */
static void respawn(respawning *it)
{
    theater__prune what = {0};
    work_actor *actor = it->it->actors[1];
    (void)pruning_expect(it->it, &what);
    pruning_expect_open(it->it);
    work_rewind(actor, 0);
    actor->component = 0xcc; /* it is another one */
    actor->has_ended = false;
    for (unsigned i = 0; i < 14; i++) {
        work_expect_durable(it->it->log, work_step(actor, it->it->log, 2, 200));
    }
    pruning_close(it->it);
}

static int take_respawned(const theater__store_piece *piece, void *userdata)
{
    respawning *it = userdata;
    it->pieces++;
    it->damages += piece->damage != NULL;
    if (piece->damage != NULL || piece->actor.bytes[15] != 1) {
        return 0;
    }
    if (piece->first_seq == 0) {
        it->beginnings++;
        theater__buffer_clear(&it->frames);
    }
    theater__buffer_put(&it->frames, piece->frames.data, piece->frames.size);
    if (it->frames.size == it->it->actors[1]->frames.size && it->beginnings == 1) {
        respawn(it);
    }
    return 0;
}

/* Whoever has the id of one that was pruned during the walk has its own beginning. */
static void prune__a_walk_gives_whoever_has_the_id_next_whole(void **state)
{
    pruning *it = *state;
    respawning look = {.it = it};
    for (unsigned i = 0; i < 60; i++) { /* segments behind the last piece of actor 1 */
        work_expect_durable(it->log, work_step(it->actors[0], it->log, 1, 900));
    }
    pruning_close(it);
    theater_error err = THEATER_ERROR_INIT;
    theater_status status = theater__store_collect_each(it->url, take_respawned, &look, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(status, THEATER_OK);
    assert_int_equal(look.damages, 0);
    assert_int_equal(look.beginnings, 2);
    assert_int_equal(look.frames.size, it->actors[1]->frames.size);
    assert_memory_equal(look.frames.data, it->actors[1]->frames.data, look.frames.size);
    theater__buffer_deinit(&look.frames);
}

typedef struct readers {
    pruning *it;
    atomic_bool stop;
    atomic_uint looks;
    const char *wrong;
    char detail[THEATER_ERROR_MESSAGE_MAX];
} readers;

static int find_first(const theater__recovered *actor, void *userdata)
{
    unsigned *found = userdata;
    *found += actor->actor.bytes[15] == 0;
    return 0;
}

/* A copy that is made meanwhile is one of the old log or of the new one. */
static const char *back_up(readers *all)
{
    const pruning *it = all->it;
    char copy[200];
    char url[210];
    theater_error err = THEATER_ERROR_INIT;
    (void)snprintf(copy, sizeof(copy), "%s/copy%u", it->directory, atomic_load(&all->looks));
    (void)snprintf(url, sizeof(url), "log:%s", copy);
    if (theater__store_backup(it->url, copy, &err) != THEATER_OK) {
        (void)snprintf(all->detail, sizeof(all->detail), "%s", err.message);
        return "a copy was not made";
    }
    theater__buffer frames = {0};
    theater_status status =
        theater__store_collect(url, &it->actors[0]->id, &frames, all->detail, NULL);
    bool same = status == THEATER_OK && frames.size == it->actors[0]->frames.size;
    theater__buffer_deinit(&frames);
    return same && all->detail[0] == '\0' ? NULL : "a copy holds something else";
}

/* One look of each kind at actor 0, which stays as it is. */
static const char *look_once(readers *all)
{
    pruning *it = all->it;
    theater__buffer frames = {0};
    unsigned found = 0;
    theater_error err = THEATER_ERROR_INIT;
    all->detail[0] = '\0';
    theater_status status =
        theater__store_collect(it->url, &it->actors[0]->id, &frames, all->detail, &err);
    bool same = status == THEATER_OK && frames.size == it->actors[0]->frames.size &&
                memcmp(frames.data, it->actors[0]->frames.data, frames.size) == 0;
    theater__buffer_deinit(&frames);
    if (all->detail[0] != '\0') {
        return "there was damage";
    }
    if (!same) {
        (void)snprintf(all->detail, sizeof(all->detail), "%s", err.message);
        return "a chain was not what it is";
    }
    if (theater__store_list(it->url, find_first, &found, NULL) != THEATER_OK || found != 1) {
        return "an actor was not listed";
    }
    return back_up(all);
}

static void *look_on(void *userdata)
{
    readers *all = userdata;
    while (!atomic_load(&all->stop)) {
        if (all->wrong == NULL) {
            all->wrong = look_once(all);
        }
        atomic_fetch_add(&all->looks, 1);
    }
    return NULL;
}

static void prune__who_looks_meanwhile_sees_no_damage(void **state)
{
    pruning *it = *state;
    readers all = {.it = it};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, look_on, &all), 0);
    for (unsigned round = 0; round < 60; round++) {
        theater__prune what = {0};
        unsigned looks = atomic_load(&all.looks);
        pruning_close(it);
        (void)pruning_expect(it, &what);
        while (atomic_load(&all.looks) == looks) { /* so that none meets it too often */
            (void)sched_yield();
        }
        pruning_expect_open(it);
        work_rewind(it->actors[1], 0);
        it->actors[1]->has_ended = true;
        work_expect_durable(it->log, work_step(it->actors[1], it->log, 4, 900));
    }
    atomic_store(&all.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    if (all.wrong != NULL) {
        fail_msg("%s: %s", all.wrong, all.detail);
    }
}

/* Of a store whose copy counts, wherever its segments lie. */
static void prune__a_backup_of_a_half_finished_one_is_whole(void **state)
{
    pruning *it = *state;
    for (unsigned moved = 0; moved < 3; moved++) {
        char copy[200];
        (void)snprintf(copy, sizeof(copy), "%s/copy%u", it->directory, moved);
        interrupt(it, moved);
        theater_error err = THEATER_ERROR_INIT;
        theater_status status = theater__store_backup(it->url, copy, &err);
        assert_string_equal(err.message, "");
        assert_int_equal(status, THEATER_OK);
        pruning_expect_actors(it, GONE);
        work_rewind(it->actors[1], 0);
        work_rewind(it->actors[3], 0);
        for (unsigned i = 1; i < 4; i += 2) {
            it->actors[i]->has_ended = true;
            work_expect_durable(it->log, work_step(it->actors[i], it->log, 2, 900));
        }
    }
}

static void expect_busy(theater_status status, theater_error *err)
{
    if (status != THEATER_ERR_STORE || strstr(err->message, "try again") == NULL) {
        fail_msg("%d: %s", (int)status, err->message);
    }
    memset(err, 0, sizeof(*err));
}

/* What was seen is of several logs: it is not given out as an answer. */
static void prune__who_never_finds_the_log_at_rest_is_told(void **state)
{
    pruning *it = *state;
    looking look = {0};
    unsigned found = 0;
    char copy[200];
    char damage[THEATER_ERROR_MESSAGE_MAX] = "";
    theater_error err = THEATER_ERROR_INIT;
    theater__buffer frames = {0};
    pruning_close(it);
    the_canary.never_rests = true;
    expect_busy(theater__store_list(it->url, find_first, &found, &err), &err);
    assert_int_equal(found, 0);
    expect_busy(theater__store_collect(it->url, &it->actors[0]->id, &frames, damage, &err), &err);
    assert_string_equal(damage, "");
    theater__buffer_deinit(&frames);
    (void)snprintf(copy, sizeof(copy), "%s/copy", it->directory);
    expect_busy(theater__store_backup(it->url, copy, &err), &err);
    /* A walk asks only if something seems to be broken. */
    remove_file(it, "00000002.log");
    expect_busy(theater__store_collect_each(it->url, take_piece, &look, &err), &err);
    assert_int_equal(look.damages, 0);
    the_canary.never_rests = false;
    look_end(&look);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            prune__half_finished_it_is_seen_whole_and_finished_by_an_open, pruning_set_up,
            pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__an_old_program_that_went_on_is_not_overwritten,
                                        pruning_set_up, pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__a_damaged_mark_removes_nothing, pruning_set_up,
                                        pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__a_mark_that_lies_removes_nothing, pruning_set_up,
                                        pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__a_mark_of_the_log_itself_is_void, pruning_set_up,
                                        pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__what_others_put_beside_the_copy_holds_nobody,
                                        pruning_set_up, pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__links_and_pipes_are_not_followed, pruning_set_up,
                                        pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__a_copy_that_was_damaged_since_removes_nothing,
                                        pruning_set_up, pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__a_log_that_lost_its_beginning_is_damaged,
                                        pruning_set_up, pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__a_walk_that_loses_its_segments_begins_again,
                                        pruning_set_up, pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__a_walk_gives_whoever_has_the_id_next_whole,
                                        pruning_set_up, pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__who_looks_meanwhile_sees_no_damage, pruning_set_up,
                                        pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__who_never_finds_the_log_at_rest_is_told,
                                        pruning_set_up, pruning_tear_down),
        cmocka_unit_test_setup_teardown(prune__a_backup_of_a_half_finished_one_is_whole,
                                        pruning_set_up, pruning_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
