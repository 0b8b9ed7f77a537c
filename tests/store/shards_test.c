/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stores of several shards: made, opened, looked at, copied; made while the power goes off; and
 * refused, with a line that says what to do.
 */
#include "work.h"
/* cmocka first */
#include "logstore.h"
#include "shards.h"
#include "simdisk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHARDS 3u
#define ACTORS_COUNT 24u
#define SIMULATED "/store"

typedef struct fixture {
    char *directory;
    char path[128];
    char url[136];
} fixture;

static int set_up(void **state)
{
    fixture *it = theater__alloc_zeroed(1, sizeof(*it));
    it->directory = work_directory();
    (void)snprintf(it->path, sizeof(it->path), "%s/s", it->directory);
    (void)snprintf(it->url, sizeof(it->url), "log:%s", it->path);
    *state = it;
    return 0;
}

static int tear_down(void **state)
{
    fixture *it = *state;
    work_remove(it->directory);
    theater__free(it);
    return 0;
}

static theater_status open_shard(const char *url, uint32_t shard, uint32_t count, bool must_exist,
                                 theater__store **out_store, theater_error *err)
{
    theater__store_options options = {
        .url = url, .must_exist = must_exist, .shard = shard, .shards_count = count};
    return theater__store_open(&options, out_store, err);
}

static theater__store *expect_open(const char *url, uint32_t shard, uint32_t count)
{
    theater__store *store = NULL;
    theater_error err = THEATER_ERROR_INIT;
    if (open_shard(url, shard, count, false, &store, &err) != THEATER_OK) {
        fail_msg("%s", err.message);
    }
    return store;
}

static void expect_refused(const char *url, uint32_t count, bool must_exist, theater_status status,
                           const char *says)
{
    theater__store *store = NULL;
    theater_error err = THEATER_ERROR_INIT;
    theater_status got = open_shard(url, 0, count, must_exist, &store, &err);
    if (got != status || strstr(err.message, says) == NULL) {
        print_message("%u shards: %d %s\n", (unsigned)count, got, err.message);
    }
    assert_int_equal(got, status);
    assert_non_null(strstr(err.message, says));
}

static void put_text(const fixture *it, const char *name, const char *text)
{
    char path[200];
    (void)snprintf(path, sizeof(path), "%s/%s", it->path, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static const char *path_in(const fixture *it, const char *name)
{
    static char path[200];
    (void)snprintf(path, sizeof(path), "%s/%s", it->path, name);
    return path;
}

/* A store with an actor in every shard; all shards are open at once meanwhile. */
static void make_store(const fixture *it)
{
    theater__store *stores[SHARDS];
    for (uint32_t i = 0; i < SHARDS; i++) {
        stores[i] = expect_open(it->url, i, SHARDS);
    }
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        work_actor *actor = work_actor_new((uint8_t)i);
        theater__store *store = stores[theater__shard_of(&actor->id, SHARDS)];
        work_expect_durable(store, work_step(actor, store, 3, 40));
        work_actor_free(actor);
    }
    for (uint32_t i = 0; i < SHARDS; i++) {
        theater__store_close(stores[i]);
    }
}

/* ---- the function ---------------------------------------------------------------------------- */

/* Stored actors are found by it: it never changes. docs/formats/log.md has these, too. */
static void shard_of__is_the_one_that_is_documented(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        uint32_t of_2;
        uint32_t of_4;
        uint32_t of_7;
    } vectors[] = {
        {"00000000-0000-4000-8000-000000000001", 1, 3, 0},
        {"00000000-0000-4000-8000-000000000002", 1, 3, 3},
        {"7f41cd87-768d-40f9-91e4-b250892f92f4", 0, 0, 2},
    };
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        theater_id id;
        assert_int_equal(theater_id_parse(vectors[i].id, &id, NULL), THEATER_OK);
        assert_int_equal(theater__shard_of(&id, 1), 0);
        assert_int_equal(theater__shard_of(&id, 2), vectors[i].of_2);
        assert_int_equal(theater__shard_of(&id, 4), vectors[i].of_4);
        assert_int_equal(theater__shard_of(&id, 7), vectors[i].of_7);
    }
}

static void shard_of__spreads_ids_that_differ_in_their_last_byte(void **state)
{
    (void)state;
    for (uint32_t count = 2; count <= 8; count++) {
        unsigned hits[8] = {0};
        for (unsigned i = 0; i < 256; i++) {
            theater_id id = {{0}};
            id.bytes[15] = (uint8_t)i;
            hits[theater__shard_of(&id, count)]++;
        }
        for (uint32_t i = 0; i < count; i++) {
            assert_in_range(hits[i], 256 / count / 2, 2 * 256 / count);
        }
    }
}

/* ---- looking and copying --------------------------------------------------------------------- */

static int count_actor(const theater__recovered *actor, void *userdata)
{
    unsigned *seen = userdata;
    seen[actor->actor.bytes[15]]++;
    return 0;
}

static int stop_at_once(const theater__recovered *actor, void *userdata)
{
    (void)actor;
    return ++*(unsigned *)userdata > 0;
}

static int count_piece(const theater__store_piece *piece, void *userdata)
{
    assert_null(piece->damage);
    ((unsigned *)userdata)[piece->actor.bytes[15]]++;
    return 0;
}

static void expect_all(const char *url)
{
    theater_error err = THEATER_ERROR_INIT;
    unsigned listed[ACTORS_COUNT] = {0};
    unsigned pieces[ACTORS_COUNT] = {0};
    assert_int_equal(theater__store_list(url, count_actor, listed, &err), THEATER_OK);
    assert_int_equal(theater__store_collect_each(url, count_piece, pieces, &err), THEATER_OK);
    for (unsigned i = 0; i < ACTORS_COUNT; i++) {
        work_actor *actor = work_actor_new((uint8_t)i);
        theater__buffer frames = {0};
        char damage[THEATER_ERROR_MESSAGE_MAX];
        assert_int_equal(listed[i], 1);
        assert_int_equal(pieces[i], 1);
        assert_int_equal(theater__store_collect(url, &actor->id, &frames, damage, &err),
                         THEATER_OK);
        assert_true(frames.size > 0 && damage[0] == '\0');
        theater__buffer_deinit(&frames);
        work_actor_free(actor);
    }
}

static void look__goes_through_all_shards(void **state)
{
    const fixture *it = *state;
    make_store(it);
    expect_all(it->url);
    uint32_t count = 0;
    assert_int_equal(theater__store_shards(it->url, &count, NULL), THEATER_OK);
    assert_int_equal(count, SHARDS);
    unsigned visits = 0;
    assert_int_equal(theater__store_list(it->url, stop_at_once, &visits, NULL),
                     THEATER_ERR_CANCELLED);
    assert_int_equal(visits, 1);
    assert_int_equal(theater__store_shards("memory:", &count, NULL), THEATER_OK);
    assert_int_equal(count, 1);
    assert_int_equal(theater__store_shards(it->directory, &count, NULL), THEATER_ERR_NOTFOUND);
}

static void backup__copies_all_shards(void **state)
{
    const fixture *it = *state;
    char target[140];
    theater_error err = THEATER_ERROR_INIT;
    (void)snprintf(target, sizeof(target), "%s/copy", it->directory);
    make_store(it);
    theater__store *store = expect_open(it->url, 1, SHARDS); /* in use */
    assert_int_equal(theater__store_backup(it->url, target, &err), THEATER_OK);
    theater__store_close(store);
    expect_all(target);
    for (uint32_t i = 0; i < SHARDS; i++) {
        theater__store_options options = {.url = target, .shard = i, .shards_count = SHARDS};
        assert_int_equal(theater__store_open(&options, &store, &err), THEATER_ERR_STORE);
        assert_non_null(strstr(err.message, "use --adopt"));
        options.adopt = true;
        assert_int_equal(theater__store_open(&options, &store, &err), THEATER_OK);
        theater__store_close(store);
    }
    assert_int_equal(theater__store_backup(it->url, target, &err), THEATER_ERR_EXISTS);
}

/* ---- refusing -------------------------------------------------------------------------------- */

static void open__another_number_is_refused(void **state)
{
    const fixture *it = *state;
    make_store(it);
    expect_refused(it->url, 2, false, THEATER_ERR_INVALID, "has 3 shards");
    expect_refused(it->url, 2, false, THEATER_ERR_INVALID, "use --shards 3, not 2");
    expect_refused(it->url, 0, true, THEATER_ERR_INVALID, "use --shards 3, not 1");
    char url[200];
    (void)snprintf(url, sizeof(url), "%s/one", it->directory);
    theater__store_close(work_open(url));
    expect_refused(url, 2, false, THEATER_ERR_INVALID, "has 1 shard, a number");
    (void)snprintf(url, sizeof(url), "log:%s/shard-001/", it->path);
    expect_refused(url, 0, true, THEATER_ERR_INVALID, "is one of the 3 shards of a store");
    (void)snprintf(url, sizeof(url), "%s/none", it->directory);
    expect_refused(url, 2, true, THEATER_ERR_NOTFOUND, "there is no store at");
    expect_refused(it->directory, 2, false, THEATER_ERR_INVALID, "holds other files");
}

static void open__damage_is_told(void **state)
{
    const fixture *it = *state;
    make_store(it);
    put_text(it, "shards", "theater-shards 1 2\n");
    expect_refused(it->url, 2, false, THEATER_ERR_CORRUPT, "holds more than the 2 shards");
    put_text(it, "shards", "theater-shards 1 4\n");
    expect_refused(it->url, 4, false, THEATER_ERR_CORRUPT, "shard-003 is missing");
    static const char *const broken[] = {"",
                                         "theater-shards 1 3",
                                         "theater-shards 1 03\n",
                                         "theater-shards 1 1\n",
                                         "theater-shards 1 65\n",
                                         "theater-shards 1 3\n\n",
                                         "theater-sharks 1 3\n"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        put_text(it, "shards", broken[i]);
        expect_refused(it->url, SHARDS, false, THEATER_ERR_CORRUPT, "/shards' is damaged");
    }
    put_text(it, "shards", "theater-shards 2 3 of another time\n");
    expect_refused(it->url, SHARDS, false, THEATER_ERR_UNSUPPORTED, "is newer than this program");
    assert_int_equal(unlink(path_in(it, "shards")), 0);
    expect_refused(it->url, SHARDS, true, THEATER_ERR_STORE, "was not made, or not copied");
    expect_refused(it->url, SHARDS, false, THEATER_ERR_CORRUPT, "holds actors, and there is no");
    expect_refused(it->url, 2, false, THEATER_ERR_CORRUPT, "holds actors, and there is no");
    put_text(it, "shards", "theater-shards 1 3\n");
    expect_all(it->url);
}

/* ---- making ---------------------------------------------------------------------------------- */

static void open__goes_on_with_what_an_interrupted_making_left(void **state)
{
    const fixture *it = *state;
    assert_int_equal(mkdir(it->path, 0700), 0);
    assert_int_equal(mkdir(path_in(it, "shard-000"), 0700), 0);
    put_text(it, "shards.new", "theater-sh");
    uint32_t count = 0;
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater__store_shards(it->url, &count, &err), THEATER_ERR_STORE);
    expect_refused(it->url, 1, false, THEATER_ERR_STORE, "use the same --shards again");
    expect_refused(it->url, 1, true, THEATER_ERR_STORE, "use the same --shards again");
    assert_int_equal(mkdir(path_in(it, "shard-002"), 0700), 0);
    expect_refused(it->url, 2, false, THEATER_ERR_STORE, "began with more than 2 shards");
    make_store(it);
    expect_all(it->url);
}

static void open__two_makers_agree(void **state)
{
    const fixture *it = *state;
    char url[200];
    (void)snprintf(url, sizeof(url), "log:%s/shard-000", it->path);
    theater__store *held = work_open(url);
    expect_refused(it->url, 2, false, THEATER_ERR_STORE, "is in use by process");
    theater__store_close(held);
    make_store(it);
}

static theater_status open_simulated(simdisk *disk, uint32_t shard, theater__store **out_store,
                                     theater_error *err)
{
    theater__store_options store = {
        .url = "log:" SIMULATED, .shard = shard, .shards_count = SHARDS};
    theater__logstore_options all = {.store = &store,
                                     .directory = SIMULATED,
                                     .io = simdisk_io(disk),
                                     .segment_size = (uint64_t)8 << 10,
                                     .threadless = true};
    return theater__shards_open_with(&all, out_store, err);
}

/* At every operation of the making, as a power cut and as a kill: the next start finishes it. */
static void open__power_goes_off_while_it_is_made(void **state)
{
    (void)state;
    bool is_over = false;
    for (uint64_t k = 1; !is_over; k++) {
        for (unsigned way = 0; way < 4; way++) {
            simdisk *disk = simdisk_new(k * 4 + way);
            theater__store *store = NULL;
            theater_error err = THEATER_ERROR_INIT;
            simdisk_power_off_at(disk, k);
            is_over =
                open_simulated(disk, 1, &store, &err) == THEATER_OK && simdisk_operations(disk) < k;
            theater__store_close(store);
            if (way == 0) {
                simdisk_kill(disk);
            } else {
                simdisk_crash(disk);
            }
            simdisk_power_off_at(disk, 0);
            for (uint32_t i = 0; i < SHARDS; i++) {
                if (open_simulated(disk, i, &store, &err) != THEATER_OK) {
                    fail_msg("off at %u, way %u, shard %u: %s", (unsigned)k, way, (unsigned)i,
                             err.message);
                }
                theater__store_close(store);
            }
            simdisk_free(disk);
        }
        assert_true(k < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shard_of__is_the_one_that_is_documented),
        cmocka_unit_test(shard_of__spreads_ids_that_differ_in_their_last_byte),
        cmocka_unit_test_setup_teardown(look__goes_through_all_shards, set_up, tear_down),
        cmocka_unit_test_setup_teardown(backup__copies_all_shards, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open__another_number_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open__damage_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open__goes_on_with_what_an_interrupted_making_left, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(open__two_makers_agree, set_up, tear_down),
        cmocka_unit_test(open__power_goes_off_while_it_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
