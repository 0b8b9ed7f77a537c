/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting from indexes: what a start finds with them is what it finds without them, whatever was
 * done to them; they are made in the background, merged, and few; segments made ahead are used and
 * leave nothing behind.
 */
#include "work.h"
/* cmocka first */
#include "crc32c.h"
#include "index.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACTORS_COUNT 40u
#define SEGMENT_SIZE ((uint64_t)16 << 10)

typedef struct many {
    char *directory;
    char url[128];
    work_actor *actors[ACTORS_COUNT];
    unsigned warnings;
} many;

static void count_warning(theater_log_level level, const char *line, void *userdata)
{
    many *it = userdata;
    assert_int_equal(level, THEATER_LOG_WARNING);
    assert_non_null(strstr(line, "index"));
    it->warnings++;
}

static theater__store *open_many(many *it, bool threadless)
{
    theater__store_options options = {.url = it->url};
    options.log.write = count_warning;
    options.log.userdata = it;
    options.log.level_max = THEATER_LOG_WARNING;
    theater__logstore_options all = {.store = &options,
                                     .directory = it->url + 4,
                                     .segment_size = SEGMENT_SIZE,
                                     .threadless = threadless};
    theater__store *store = NULL;
    theater_error err = THEATER_ERROR_INIT;
    it->warnings = 0;
    theater_status status = theater__logstore_open_with(&all, &store, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(status, THEATER_OK);
    return store;
}

static void drain(theater__store *store)
{
    theater__store_completion completion;
    while (theater__store_poll(store, &completion)) {
        assert_int_equal(completion.status, THEATER_OK);
        theater__store_completion_deinit(&completion);
    }
}

/* Some actors are busy, some wrote once, long ago. */
static void write_many(many *it, theater__store *store, unsigned rounds)
{
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < ACTORS_COUNT; i++) {
            if (it->actors[i]->batches_count == 0 || i % 5 == round % 5) {
                work_step(it->actors[i], store, 1 + i % 3, 100);
                drain(store);
            }
        }
    }
}

static void expect_all(many *it, theater__store *store)
{
    unsigned found = 0;
    theater__recovered recovered;
    while (theater__store_recover_next(store, &recovered, NULL) == THEATER_OK) {
        const work_actor *actor = it->actors[recovered.actor.bytes[15]];
        assert_int_equal(recovered.place, actor->place);
        assert_int_equal(recovered.next_seq, actor->writer.next_seq);
        assert_memory_equal(&recovered.head, &actor->writer.head, sizeof(recovered.head));
        assert_int_equal(recovered.standing.delivered_seq, actor->batches_count - 1);
        found++;
    }
    assert_int_equal(found, ACTORS_COUNT);
    for (unsigned i = 0; i < ACTORS_COUNT; i += 7) {
        work_expect_read(store, it->actors[i], 0);
    }
}

static unsigned count_files(const many *it, const char *prefix)
{
    unsigned count = 0;
    DIR *directory = opendir(it->url + 4);
    assert_non_null(directory);
    const struct dirent *entry = NULL;
    while ((entry = readdir(directory)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    }
    closedir(directory);
    return count;
}

static int set_up(void **state)
{
    many *it = calloc(1, sizeof(*it)); /* tidy-allow: alloc: a test's fixture */
    it->directory = work_directory();
    (void)snprintf(it->url, sizeof(it->url), "log:%s/s", it->directory);
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        it->actors[i] = work_actor_new((uint8_t)i);
    }
    *state = it;
    return 0;
}

static int tear_down(void **state)
{
    many *it = *state;
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        work_actor_free(it->actors[i]);
    }
    work_remove(it->directory);
    free(it); /* tidy-allow: alloc: a test's fixture */
    return 0;
}

/* The indexes of the store as it stands, and their names. */
static size_t list_indexes(const many *it, theater__log_span **out_spans)
{
    size_t count = 0;
    assert_int_equal(theater__index_list(theater__io_system(), it->url + 4, out_spans, &count), 0);
    return count;
}

static void index__a_start_finds_the_same_with_and_without(void **state)
{
    many *it = *state;
    theater__store *store = open_many(it, true);
    write_many(it, store, 60);
    uint32_t segments = format_place_segment(((theater__logstore *)store)->end);
    assert_true(segments > 12);
    assert_int_equal(((theater__logstore *)store)->indexed_upto, segments - 1);
    theater__store_close(store);
    theater__log_span *spans = NULL;
    size_t count = list_indexes(it, &spans);
    assert_true(count >= 1 && count <= 5);
    assert_int_equal(spans[0].from, 1);
    assert_int_equal(spans[count - 1].to, segments - 1);
    store = open_many(it, true);
    assert_int_equal(it->warnings, 0);
    expect_all(it, store);
    theater__store_close(store);
    for (size_t i = 0; i < count; i++) {
        char path[256];
        char name[INDEX_NAME_SIZE];
        theater__index_name(&spans[i], name);
        (void)snprintf(path, sizeof(path), "%s/%s", it->url + 4, name);
        assert_int_equal(unlink(path), 0);
    }
    theater__free(spans);
    store = open_many(it, true);
    assert_int_equal(it->warnings, 0);
    expect_all(it, store);
    /* They are made again when there is time. */
    theater__keeper_work((theater__logstore *)store, false);
    assert_int_equal(((theater__logstore *)store)->indexed_upto, segments - 1);
    write_many(it, store, 3);
    theater__store_close(store);
    store = open_many(it, true);
    expect_all(it, store);
    theater__store_close(store);
}

/* Every byte of every index, flipped: a warning, the same actors, and a new index in its place. */
static void index__damaged_ones_are_told_and_not_believed(void **state)
{
    many *it = *state;
    theater__store *store = open_many(it, true);
    write_many(it, store, 12);
    theater__store_close(store);
    theater__log_span *spans = NULL;
    size_t count = list_indexes(it, &spans);
    assert_true(count >= 1);
    for (size_t i = 0; i < count; i++) {
        char path[256];
        char name[INDEX_NAME_SIZE];
        theater__index_name(&spans[i], name);
        (void)snprintf(path, sizeof(path), "%s/%s", it->url + 4, name);
        struct stat status;
        assert_int_equal(stat(path, &status), 0);
        for (off_t at = 0; at < status.st_size; at += at < 64 ? 1 : 37) {
            store = open_many(it, true);
            theater__keeper_work((theater__logstore *)store, false);
            theater__store_close(store);
            int fd = open(path, O_RDWR);
            if (fd < 0) {
                break; /* merged otherwise meanwhile: the others have their turn */
            }
            uint8_t byte = 0;
            assert_int_equal(pread(fd, &byte, 1, at), 1);
            byte ^= 0x20;
            assert_int_equal(pwrite(fd, &byte, 1, at), 1);
            close(fd);
            store = open_many(it, true);
            assert_int_equal(it->warnings, 1);
            expect_all(it, store);
            theater__store_close(store);
        }
    }
    theater__free(spans);
}

/* Fields of the header, to be added to; what lies behind it is set. */
#define FORGE_SEQUENCE 32u
#define FORGE_END 48u

/* Writes the first index again, with right CRCs, one field of its header or first entry changed. */
static void forge_index(const many *it, size_t at, uint64_t value)
{
    theater__log_span *spans = NULL;
    char path[256];
    char name[INDEX_NAME_SIZE];
    uint8_t id[FORMAT_STORE_ID_SIZE];
    assert_true(list_indexes(it, &spans) > 0);
    theater__index_name(&spans[0], name);
    theater__free(spans);
    (void)snprintf(path, sizeof(path), "%s/%s", it->url + 4, name);
    assert_int_equal(theater__store_id_read(theater__io_system(), it->url + 4, id, NULL),
                     THEATER_OK);
    uint32_t seed = theater__format_seed(id);
    static uint8_t bytes[64 << 10];
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    ssize_t size = read(fd, bytes, sizeof(bytes));
    assert_true(size > 64 + (ssize_t)FORMAT_INDEX_ENTRY_SIZE && size < (ssize_t)sizeof(bytes));
    theater__format_index index;
    assert_true(theater__format_index_decode(seed, bytes, (size_t)size, &index));
    index.sequence += at == FORGE_SEQUENCE ? value : 0;
    index.end += at == FORGE_END ? value : 0;
    for (unsigned i = 0; i < 8 && at >= FORMAT_INDEX_HEADER_SIZE; i++) {
        bytes[at + i] = (uint8_t)(value >> 8 * i);
    }
    index.crc = theater__crc32c(seed, bytes + 64, (size_t)size - 64);
    theater__format_index_encode(seed, &index, bytes);
    assert_int_equal(pwrite(fd, bytes, (size_t)size, 0), size);
    close(fd);
}

/* Whoever can write to a store can make CRCs that fit. */
static void index__made_on_purpose_is_told_and_not_believed(void **state)
{
    many *it = *state;
    static const struct {
        size_t at;
        uint64_t value;
    } forged[] = {
        {FORGE_SEQUENCE, 3},   {FORGE_END, 8},
        {64 + 48, UINT64_MAX},               /* next event */
        {64 + 48, 0},          {64 + 56, 0}, /* place */
        {64 + 56, UINT64_MAX}, {64 + 56, ((uint64_t)1 << 40) | 4097},
        {64 + 80, UINT64_MAX}, /* call */
        {64 + 88, UINT64_MAX}, /* delivered */
    };
    theater__store *store = open_many(it, true);
    write_many(it, store, 20);
    theater__store_close(store);
    for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
        forge_index(it, forged[i].at, forged[i].value);
        store = open_many(it, true);
        assert_int_equal(it->warnings, 1);
        expect_all(it, store);
        theater__keeper_work((theater__logstore *)store, false);
        theater__store_close(store);
    }
}

/* ---- listing from outside -------------------------------------------------------------------- */

typedef struct seen {
    theater__recovered actors[ACTORS_COUNT];
    unsigned count;
} seen;

static int see(const theater__recovered *actor, void *userdata)
{
    seen *it = userdata;
    assert_true(it->count < ACTORS_COUNT);
    it->actors[it->count] = *actor;
    it->count++;
    return 0;
}

/* By indexes and by a walk over all of the log; both end with the same status. */
static theater_status list_both(const many *it, seen *out_seen)
{
    seen walked = {.count = 0};
    theater_error err = THEATER_ERROR_INIT;
    theater_error err_walk = THEATER_ERROR_INIT;
    out_seen->count = 0;
    theater_status status = theater__logstore_list_with(it->url + 4, false, see, out_seen, &err);
    assert_int_equal(theater__logstore_list_with(it->url + 4, true, see, &walked, &err_walk),
                     status);
    assert_int_equal(out_seen->count, walked.count);
    for (unsigned i = 0; i < walked.count; i++) {
        const theater__recovered *a = &out_seen->actors[i];
        const theater__recovered *b = &walked.actors[i];
        assert_memory_equal(&a->actor, &b->actor, sizeof(a->actor));
        assert_memory_equal(&a->head, &b->head, sizeof(a->head));
        assert_int_equal(a->next_seq, b->next_seq);
        assert_int_equal(a->place, b->place);
        assert_int_equal(a->standing.state, b->standing.state);
        assert_int_equal(a->standing.delivered_seq, b->standing.delivered_seq);
        assert_int_equal(a->standing.due_wall.ms, b->standing.due_wall.ms);
    }
    return status;
}

static void expect_listed(many *it, theater_status status)
{
    seen found;
    assert_int_equal(list_both(it, &found), status);
    assert_int_equal(found.count, ACTORS_COUNT);
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        assert_int_equal(found.actors[i].actor.bytes[15], i);
        assert_int_equal(found.actors[i].place, it->actors[i]->place);
    }
}

static void flip(const many *it, const char *name, off_t at)
{
    char path[256];
    uint8_t byte = 0;
    (void)snprintf(path, sizeof(path), "%s/%s", it->url + 4, name);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x20;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/*
 * Whether anything is damaged or not, and whether it is in use: what a walk over all of it gives.
 */
static void list__by_indexes_is_what_a_walk_gives(void **state)
{
    many *it = *state;
    theater__store *store = open_many(it, true);
    write_many(it, store, 60);
    expect_listed(it, THEATER_OK); /* in use: zeros behind the end */
    write_many(it, store, 1);
    expect_listed(it, THEATER_OK);
    theater__store_close(store);
    expect_listed(it, THEATER_OK);
    theater__log_span *spans = NULL;
    size_t count = list_indexes(it, &spans);
    char name[INDEX_NAME_SIZE];
    for (size_t i = 0; i < count; i++) {
        theater__index_name(&spans[i], name);
        for (off_t at = 0; at < 64 + 3 * (off_t)FORMAT_INDEX_ENTRY_SIZE; at += 13) {
            flip(it, name, at);
            expect_listed(it, THEATER_OK);
            flip(it, name, at);
        }
    }
    forge_index(it, 64 + 48, UINT64_MAX);
    expect_listed(it, THEATER_OK);
    theater__index_name(&spans[0], name);
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", it->url + 4, name);
    assert_int_equal(unlink(path), 0);
    expect_listed(it, THEATER_OK);
    theater__free(spans);
}

/* The last group is torn: its records do not count, and nothing is damaged. */
static void list__a_torn_tail_is_no_damage(void **state)
{
    many *it = *state;
    theater__store *store = open_many(it, true);
    write_many(it, store, 60);
    theater__store_close(store);
    seen whole;
    seen torn;
    assert_int_equal(list_both(it, &whole), THEATER_OK);
    store = open_many(it, true);
    uint64_t end = ((theater__logstore *)store)->end;
    work_step(it->actors[3], store, 1, 100);
    drain(store);
    theater__store_close(store);
    char name[SEGMENT_NAME_SIZE];
    theater__segment_name(format_place_segment(end), name);
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", it->url + 4, name);
    assert_int_equal(truncate(path, (off_t)format_place_offset(end) + 200), 0);
    assert_int_equal(list_both(it, &torn), THEATER_OK);
    assert_int_equal(torn.count, whole.count);
    assert_int_equal(torn.actors[3].place, whole.actors[3].place);
}

/* Damage that was promised: what can be read is given, and the status says it. */
static void list__damage_is_told_after_all_that_can_be_read(void **state)
{
    many *it = *state;
    theater__store *store = open_many(it, true);
    write_many(it, store, 60);
    uint32_t last = format_place_segment(((theater__logstore *)store)->end);
    theater__store_close(store);
    char name[SEGMENT_NAME_SIZE];
    theater__segment_name(last, name);
    flip(it, name, FORMAT_SEGMENT_HEADER_SIZE + 8); /* the first group of the last segment */
    seen found;
    assert_int_equal(list_both(it, &found), THEATER_ERR_CORRUPT);
    assert_int_equal(found.count, ACTORS_COUNT);
    flip(it, name, FORMAT_SEGMENT_HEADER_SIZE + 8);
    expect_listed(it, THEATER_OK);
    flip(it, "00000002.log", 20); /* a header in front */
    expect_listed(it, THEATER_ERR_CORRUPT);
    flip(it, "00000002.log", 20);
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/00000002.log", it->url + 4);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(list_both(it, &found), THEATER_ERR_CORRUPT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(list_both(it, &found), THEATER_ERR_CORRUPT);
}

/*
 * Somebody writes, seals, indexes and merges all the time: nothing looks damaged or goes missing.
 */
static void list__while_it_is_written(void **state)
{
    many *it = *state;
    theater__store *store = open_many(it, false);
    uint64_t next_seqs[ACTORS_COUNT] = {0};
    for (unsigned round = 0; round < 150; round++) {
        for (unsigned i = 0; i < ACTORS_COUNT; i++) {
            (void)work_step(it->actors[i], store, 1, 60);
        }
        seen found = {.count = 0};
        theater_error err = THEATER_ERROR_INIT;
        assert_int_equal(
            theater__logstore_list_with(it->url + 4, round % 4 == 0, see, &found, &err),
            THEATER_OK);
        for (unsigned i = 0; i < found.count; i++) {
            uint8_t number = found.actors[i].actor.bytes[15];
            assert_true(found.actors[i].next_seq >= next_seqs[number]);
            next_seqs[number] = found.actors[i].next_seq;
        }
        drain(store);
    }
    theater__store_close(store);
    expect_listed(it, THEATER_OK);
}

/* An index says nothing about a segment that is not the one it was made of. */
static void index__a_missing_or_broken_segment_is_still_seen(void **state)
{
    many *it = *state;
    theater__store *store = open_many(it, true);
    write_many(it, store, 20);
    theater__store_close(store);
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/00000002.log", it->url + 4);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    uint8_t byte = 0;
    assert_int_equal(pread(fd, &byte, 1, 40), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 40), 1);
    close(fd);
    theater__store_options options = {.url = it->url};
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater__store_open(&options, &store, &err), THEATER_ERR_CORRUPT);
    assert_non_null(strstr(err.message, "00000002.log:0"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(theater__store_open(&options, &store, &err), THEATER_ERR_CORRUPT);
    assert_non_null(strstr(err.message, "a segment is missing"));
}

/* A segment that was damaged before it was indexed gets no index. */
static void index__no_index_of_a_damaged_segment(void **state)
{
    many *it = *state;
    theater__store *store = open_many(it, true);
    write_many(it, store, 20);
    theater__logstore *log = (theater__logstore *)store;
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/00000002.log", it->url + 4);
    int fd = open(path, O_RDWR);
    uint8_t byte = 0;
    assert_int_equal(pread(fd, &byte, 1, 4400), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 4400), 1);
    close(fd);
    uint64_t count = 0;
    assert_int_equal(theater__index_build(log, 2, &count), -EBADMSG);
    assert_int_equal(theater__index_build(log, 3, &count), 0);
    assert_int_equal(count_files(it, "index.new"), 0);
    theater__store_close(store);
}

/* With its threads: made ahead, indexed, and nothing of it left behind at the end. */
static void keeper__works_beside_the_log(void **state)
{
    many *it = *state;
    theater__store *store = open_many(it, false);
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned i = 0; i < ACTORS_COUNT; i++) {
            work_expect_durable(store, work_step(it->actors[i], store, 1, 60));
        }
    }
    theater__logstore *log = (theater__logstore *)store;
    /* The keeper is behind by what it has not come to yet; it gets there by itself. */
    bool done = false;
    for (unsigned i = 0; i < 500 && !done; i++) {
        (void)pthread_mutex_lock(&log->mutex);
        uint32_t sealed = log->sealed_upto;
        (void)pthread_mutex_unlock(&log->mutex);
        theater__log_span *spans = NULL;
        size_t count = list_indexes(it, &spans);
        done = count > 0 && spans[count - 1].to == sealed;
        theater__free(spans);
        (void)poll(NULL, 0, 10);
    }
    assert_true(done);
    theater__store_close(store);
    assert_int_equal(count_files(it, "ahead"), 0);
    assert_int_equal(count_files(it, "index.new"), 0);
    assert_int_equal(count_files(it, "torn"), 0);
    store = open_many(it, false);
    assert_int_equal(it->warnings, 0);
    expect_all(it, store);
    theater__store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(index__a_start_finds_the_same_with_and_without, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(index__damaged_ones_are_told_and_not_believed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(index__made_on_purpose_is_told_and_not_believed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(index__a_missing_or_broken_segment_is_still_seen, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(list__by_indexes_is_what_a_walk_gives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(list__a_torn_tail_is_no_damage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(list__damage_is_told_after_all_that_can_be_read, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(list__while_it_is_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(index__no_index_of_a_damaged_segment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeper__works_beside_the_log, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
