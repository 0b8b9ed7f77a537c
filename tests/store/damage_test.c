/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking from outside at stores that are damaged, torn, cut, or in use.
 *
 * The centre is exhaustive: every byte of a small log is flipped, one at a time, and the chains of
 * both of its actors are collected and verified. Whose record or headers are hit is DAMAGED, with
 * an event's number in the damaged record (or behind it); who is not hit is intact. And recovery
 * refuses the store, except where only the closing group is hit, which it repairs.
 */
#include "work.h"
/* cmocka first */
#include "logstore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct story {
    char *directory;
    char url[160];
    char path[160]; /* of the first segment */
    uint8_t store_id[16];
    work_actor *a;
    work_actor *b;
    uint8_t *bytes;
    size_t size;
    size_t last_group; /* offset of the closing group */
} story;

static theater__store *open_threadless(const story *it, theater_status *out_status,
                                       theater_error *err)
{
    theater__store_options options = {.url = it->url};
    theater__logstore_options all = {
        .store = &options, .directory = it->url + 4, .threadless = true};
    theater__store *store = NULL;
    *out_status = theater__logstore_open_with(&all, &store, err);
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

static void read_file(story *it)
{
    int fd = open(it->path, O_RDONLY);
    struct stat status;
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    it->size = (size_t)status.st_size;
    theater__free(it->bytes);
    it->bytes = theater__alloc(it->size);
    assert_int_equal(read(fd, it->bytes, it->size), it->size);
    close(fd);
}

static void write_file(const story *it, const uint8_t *data, size_t size)
{
    int fd = open(it->path, O_WRONLY | O_TRUNC | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), size);
    close(fd);
}

static void write_byte(int fd, size_t offset, uint8_t value)
{
    assert_int_equal(pwrite(fd, &value, 1, (off_t)offset), 1);
}

/* Two sessions, several groups, records with and without events, closing groups in between. */
static int set_up(void **state)
{
    story *it = theater__alloc_zeroed(1, sizeof(*it));
    it->directory = work_directory();
    (void)snprintf(it->url, sizeof(it->url), "log:%s/s", it->directory);
    (void)snprintf(it->path, sizeof(it->path), "%s/s/00000001.log", it->directory);
    it->a = work_actor_new(1);
    it->b = work_actor_new(2);
    theater_status status = THEATER_OK;
    theater__store *store = open_threadless(it, &status, NULL);
    assert_int_equal(status, THEATER_OK);
    work_step(it->a, store, 2, 20);
    drain(store);
    work_step(it->b, store, 1, 20);
    work_step(it->a, store, 0, 20);
    work_step(it->b, store, 2, 300);
    drain(store);
    theater__store_close(store);
    store = open_threadless(it, &status, NULL);
    assert_int_equal(status, THEATER_OK);
    work_step(it->a, store, 2, 30);
    work_step(it->b, store, 1, 20);
    drain(store);
    work_step(it->a, store, 1, 30);
    drain(store);
    theater__store_close(store);
    read_file(it);
    it->last_group = it->size - FORMAT_GROUP_HEADER_SIZE;
    assert_int_equal(theater__store_id_read(theater__io_system(), it->url + 4, it->store_id, NULL),
                     THEATER_OK);
    *state = it;
    return 0;
}

static int tear_down(void **state)
{
    story *it = *state;
    work_actor_free(it->a);
    work_actor_free(it->b);
    theater__free(it->bytes);
    work_remove(it->directory);
    theater__free(it);
    return 0;
}

/* ---- looking --------------------------------------------------------------------------------- */

typedef struct finding {
    theater_status status;
    theater_chain_report report;
    char damage[THEATER_ERROR_MESSAGE_MAX];
} finding;

static finding look_at(const char *url, const work_actor *actor)
{
    finding found = {0};
    theater__buffer frames = {0};
    theater_error err = THEATER_ERROR_INIT;
    found.status = theater__store_collect(url, &actor->id, &frames, found.damage, &err);
    if (found.status == THEATER_OK) {
        theater_chain *chain = NULL;
        assert_int_equal(theater__chain_from_frames(frames.data, frames.size,
                                                    found.damage[0] != '\0' ? found.damage : NULL,
                                                    &chain, NULL),
                         THEATER_OK);
        assert_int_equal(theater_chain_verify(chain, NULL, &found.report, NULL), THEATER_OK);
        theater_chain_free(chain);
    }
    theater__buffer_deinit(&frames);
    return found;
}

static void expect_intact(const char *url, const work_actor *actor, const char *where)
{
    finding found = look_at(url, actor);
    if (found.status != THEATER_OK || found.report.verdict != THEATER_CHAIN_UNANCHORED) {
        print_message("%s, actor %u: %s\n", where, actor->id.bytes[15], found.damage);
    }
    assert_int_equal(found.status, THEATER_OK);
    assert_string_equal(found.damage, "");
    assert_int_equal(found.report.verdict, THEATER_CHAIN_UNANCHORED);
    assert_int_equal(found.report.events_count, actor->writer.next_seq);
    assert_memory_equal(&found.report.head.hash, &actor->writer.head, sizeof(theater_hash));
}

/* from, to: the events that may be named. */
static void expect_damaged(const char *url, const work_actor *actor, const char *where,
                           uint64_t from, uint64_t to)
{
    finding found = look_at(url, actor);
    bool right = found.status == THEATER_OK && found.report.verdict == THEATER_CHAIN_DAMAGED &&
                 found.report.bad_seq >= from && found.report.bad_seq <= to;
    if (!right) {
        print_message("%s, actor %u: status %d, verdict %d, event %llu (%llu to %llu), %s\n", where,
                      actor->id.bytes[15], found.status, found.report.verdict,
                      (unsigned long long)found.report.bad_seq, (unsigned long long)from,
                      (unsigned long long)to, found.damage);
    }
    assert_true(right);
}

/* ---- every byte ------------------------------------------------------------------------------ */

/* What the log has at an offset. */
typedef struct piece {
    size_t begin;
    size_t end;
    bool is_header;
    theater__format_record record;
} piece;

#define PIECES_MAX 64u

static unsigned list_pieces(const story *it, piece *pieces)
{
    unsigned count = 1;
    pieces[0].begin = 0;
    pieces[0].end = FORMAT_SEGMENT_HEADER_SIZE;
    pieces[0].is_header = true;
    theater__scan scan;
    theater__scan_init(&scan, theater__format_seed(it->store_id), 1, it->bytes, it->size);
    theater__scan_item item;
    while (theater__scan_next(&scan, &item)) {
        assert_true(item.type == SCAN_GROUP || item.type == SCAN_RECORD);
        assert_true(count < PIECES_MAX);
        pieces[count].begin = (size_t)format_place_offset(item.place);
        pieces[count].is_header = item.type == SCAN_GROUP;
        pieces[count].end = item.type == SCAN_GROUP ? pieces[count].begin + FORMAT_GROUP_HEADER_SIZE
                                                    : pieces[count].begin + item.size;
        pieces[count].record = item.record;
        count++;
    }
    assert_int_equal(pieces[count - 1].end, it->size);
    return count;
}

/* The first event of the actor behind a header; true if there is a record of it at all. */
static bool first_behind(const piece *pieces, unsigned count, unsigned header,
                         const work_actor *actor, uint64_t *out_seq)
{
    for (unsigned i = header + 1; i < count; i++) {
        if (!pieces[i].is_header &&
            memcmp(&pieces[i].record.actor, &actor->id, sizeof(actor->id)) == 0) {
            *out_seq = pieces[i].record.first_seq;
            return true;
        }
    }
    return false;
}

static void expect_for(const story *it, const piece *pieces, unsigned count, unsigned hit,
                       const work_actor *actor, const char *where)
{
    const piece *struck = &pieces[hit];
    if (!struck->is_header) {
        if (memcmp(&struck->record.actor, &actor->id, sizeof(actor->id)) == 0) {
            expect_damaged(it->url, actor, where, struck->record.first_seq,
                           struck->record.first_seq + struck->record.events_count);
        } else {
            expect_intact(it->url, actor, where);
        }
        return;
    }
    uint64_t seq = actor->writer.next_seq;
    bool behind = first_behind(pieces, count, hit, actor, &seq);
    if (behind || hit + 1 == count) {
        expect_damaged(it->url, actor, where, seq, seq);
    } else {
        expect_intact(it->url, actor, where);
    }
}

static void flip__every_byte_is_named(void **state)
{
    story *it = *state;
    piece pieces[PIECES_MAX] = {0};
    unsigned count = list_pieces(it, pieces);
    assert_true(count > 10);
    expect_intact(it->url, it->a, "as it is");
    expect_intact(it->url, it->b, "as it is");
    int fd = open(it->path, O_RDWR);
    assert_true(fd >= 0);
    for (unsigned hit = 0; hit < count; hit++) {
        for (size_t offset = pieces[hit].begin; offset < pieces[hit].end; offset++) {
            char where[64];
            (void)snprintf(where, sizeof(where), "offset %zu (piece %u)", offset, hit);
            uint8_t flipped = it->bytes[offset] ^ (uint8_t)(1u << offset % 8);
            write_byte(fd, offset, flipped);
            expect_for(it, pieces, count, hit, it->a, where);
            expect_for(it, pieces, count, hit, it->b, where);
            write_byte(fd, offset, it->bytes[offset]);
            /* Most of the header is one long run of zeros: not each of them needs its turn. */
            if (hit == 0 && offset >= 128 && offset + 100 < pieces[hit].end) {
                offset += 96;
            }
        }
    }
    close(fd);
}

static void flip__recovery_refuses_and_says_where(void **state)
{
    story *it = *state;
    for (size_t offset = 0; offset < it->last_group; offset += offset < 4096 ? 61 : 7) {
        uint8_t kept = it->bytes[offset];
        it->bytes[offset] ^= 0x10;
        write_file(it, it->bytes, it->size);
        it->bytes[offset] = kept;
        theater_status status = THEATER_OK;
        theater_error err = THEATER_ERROR_INIT;
        theater__store *store = open_threadless(it, &status, &err);
        assert_null(store);
        assert_int_equal(status, THEATER_ERR_CORRUPT);
        assert_non_null(strstr(err.message, "00000001.log:"));
        assert_non_null(strstr(err.message, "theater verify"));
    }
    /* Nothing was changed by any of that. */
    write_file(it, it->bytes, it->size);
    expect_intact(it->url, it->a, "after it was refused");
    theater_status status = THEATER_OK;
    theater__store *store = open_threadless(it, &status, NULL);
    assert_non_null(store);
    theater__store_close(store);
}

/* Larger damage: a sector of zeros, of ones, and pieces of the log in other places. */
static void damage__sectors(void **state)
{
    story *it = *state;
    uint8_t *damaged = theater__alloc(it->size);
    for (unsigned fill = 0; fill < 3; fill++) {
        for (size_t offset = 4096; offset + 512 < it->last_group; offset += 128) {
            memcpy(damaged, it->bytes, it->size);
            if (fill == 2) {
                memcpy(damaged + offset, it->bytes + 4096, 512);
            } else {
                memset(damaged + offset, fill == 0 ? 0x00 : 0xff, 512);
            }
            if (memcmp(damaged, it->bytes, it->size) == 0) {
                continue;
            }
            write_file(it, damaged, it->size);
            finding a = look_at(it->url, it->a);
            finding b = look_at(it->url, it->b);
            bool a_hurt = a.status != THEATER_OK || a.report.verdict == THEATER_CHAIN_DAMAGED;
            bool b_hurt = b.status != THEATER_OK || b.report.verdict == THEATER_CHAIN_DAMAGED;
            assert_true(a_hurt || b_hurt);
            /* Nobody is told a shorter chain than there was and that it is intact. */
            assert_true(a_hurt || a.report.events_count == it->a->writer.next_seq);
            assert_true(b_hurt || b.report.events_count == it->b->writer.next_seq);
        }
    }
    theater__free(damaged);
}

/* ---- foreign bytes with right checksums ------------------------------------------------------ */

static int visit_nothing(const theater__recovered *actor, void *userdata)
{
    (void)actor;
    (void)userdata;
    return 0;
}

static void listing_ignored(const char *url)
{
    theater_status status = theater__store_list(url, visit_nothing, NULL, NULL);
    assert_true(status == THEATER_OK || status == THEATER_ERR_CORRUPT);
}

/* Reads every recovered actor: whatever the answers are, they are answers. */
static void use_store(theater__store *store)
{
    theater__recovered recovered;
    while (theater__store_recover_next(store, &recovered, NULL) == THEATER_OK) {
        for (unsigned i = 0; i < 3; i++) {
            theater__read read = {
                .actor = recovered.actor,
                .place = recovered.place,
                .from_seq = i == 0 ? 0 : recovered.next_seq - 1,
                .genesis_only = i == 2,
            };
            theater__ticket ticket = 0;
            assert_int_equal(theater__store_read(store, &read, &ticket, NULL), THEATER_OK);
            theater__store_completion completion;
            assert_true(theater__store_poll(store, &completion));
            assert_true(completion.status == THEATER_OK ||
                        completion.status == THEATER_ERR_CORRUPT);
            theater__store_completion_deinit(&completion);
        }
    }
}

static uint64_t some_number(uint64_t *random, uint64_t near)
{
    static const uint64_t special[] = {0, 1, 4096, 8192, UINT64_MAX, UINT64_MAX - 1, 1ull << 40};
    *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    uint64_t number = *random >> 33;
    return number % 3 == 0 ? near + number % 17 - 8
                           : special[number % (sizeof(special) / sizeof(special[0]))];
}

static void hostile__any_field_with_a_right_checksum(void **state)
{
    story *it = *state;
    piece pieces[PIECES_MAX] = {0};
    unsigned count = list_pieces(it, pieces);
    uint32_t seed = theater__format_seed(it->store_id);
    uint64_t random = 1;
    for (unsigned turn = 0; turn < 1500; turn++) {
        const piece *changed = &pieces[turn % count];
        uint8_t *bytes = theater__memdup(it->bytes, it->size);
        uint64_t place = format_place(1, changed->begin);
        if (changed->is_header && changed->begin > 0) {
            theater__format_group group;
            assert_true(theater__format_group_decode(seed, place, bytes + changed->begin,
                                                     it->size - changed->begin, &group));
            uint64_t *fields[] = {&group.sequence, &group.durable_upto, &group.previous};
            uint64_t *field = fields[turn / count % 3];
            *field = some_number(&random, *field);
            group.sequence += group.sequence == 0;
            group.size = turn % 5 == 0 ? (uint32_t)some_number(&random, group.size) : group.size;
            group.records_count += turn % 7 == 0;
            theater__format_group_encode(seed, &group, bytes + changed->begin);
        } else if (!changed->is_header) {
            theater__format_record record = changed->record;
            record.frames.data = it->bytes + changed->begin + FORMAT_RECORD_HEADER_SIZE;
            uint64_t *fields[] = {&record.first_seq, &record.previous, &record.genesis,
                                  &record.call, &record.standing.call_seq};
            uint64_t *field = fields[turn / count % 5];
            *field = some_number(&random, *field);
            record.events_count =
                turn % 5 == 0 ? (uint32_t)some_number(&random, 1) : record.events_count;
            theater__format_record_encode(seed, place, &record, bytes + changed->begin);
        }
        write_file(it, bytes, it->size);
        (void)look_at(it->url, it->a);
        (void)look_at(it->url, it->b);
        listing_ignored(it->url);
        theater_status status = THEATER_OK;
        theater__store *store = open_threadless(it, &status, NULL);
        if (store != NULL) {
            use_store(store);
        }
        theater__store_close(store);
        theater__free(bytes);
    }
}

/* ---- several segments ------------------------------------------------------------------------ */

static void segments__a_chain_over_many_files(void **state)
{
    story *it = *state;
    theater__store_options options = {.url = it->url};
    theater__logstore_options all = {.store = &options,
                                     .directory = it->url + 4,
                                     .segment_size = (uint64_t)8 << 10,
                                     .threadless = true};
    theater__store *store = NULL;
    assert_int_equal(theater__logstore_open_with(&all, &store, NULL), THEATER_OK);
    uint64_t before = it->a->writer.next_seq;
    for (unsigned i = 0; i < 40; i++) {
        work_step(it->a, store, 2, 200);
        drain(store);
    }
    work_expect_read(store, it->a, 0);
    theater__store_close(store);
    expect_intact(it->url, it->a, "many segments");
    expect_intact(it->url, it->b, "many segments");
    assert_int_equal(theater__logstore_open_with(&all, &store, NULL), THEATER_OK);
    work_expect_read(store, it->a, 3);
    theater__store_close(store);

    /* One that is gone, and one whose header is gone. */
    char path[200];
    char moved[200];
    (void)snprintf(path, sizeof(path), "%s/00000003.log", it->url + 4);
    (void)snprintf(moved, sizeof(moved), "%s/kept", it->directory);
    assert_int_equal(rename(path, moved), 0);
    expect_damaged(it->url, it->a, "segment 3 is gone", before, it->a->writer.next_seq);
    expect_intact(it->url, it->b, "segment 3 is gone");
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater__logstore_open_with(&all, &store, &err), THEATER_ERR_CORRUPT);
    assert_non_null(strstr(err.message, "00000003.log"));
    assert_int_equal(rename(moved, path), 0);
    int fd = open(path, O_RDWR);
    write_byte(fd, 20, 0x99);
    close(fd);
    expect_damaged(it->url, it->a, "segment 3 has no header", before, it->a->writer.next_seq);
    assert_int_equal(theater__logstore_open_with(&all, &store, &err), THEATER_ERR_CORRUPT);
    assert_non_null(strstr(err.message, "00000003.log:"));
}

/* ---- tails ----------------------------------------------------------------------------------- */

static unsigned warnings;

static void count_warning(theater_log_level level, const char *line, void *userdata)
{
    (void)userdata;
    assert_int_equal(level, THEATER_LOG_WARNING);
    assert_non_null(strstr(line, "torn-00000001-"));
    warnings++;
}

/* Opens with what stands in the file and expects the first `batches` batches of a, and no more. */
static void expect_recovered(story *it, uint32_t batches, bool torn)
{
    theater__store_options options = {.url = it->url};
    options.log.write = count_warning;
    options.log.level_max = THEATER_LOG_DEBUG;
    theater__logstore_options all = {
        .store = &options, .directory = it->url + 4, .threadless = true};
    theater__store *store = NULL;
    theater_error err = THEATER_ERROR_INIT;
    warnings = 0;
    theater_status status = theater__logstore_open_with(&all, &store, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(status, THEATER_OK);
    assert_int_equal(warnings, torn);
    theater__recovered recovered;
    while (theater__store_recover_next(store, &recovered, NULL) == THEATER_OK) {
        if (recovered.actor.bytes[15] == 1) {
            assert_int_equal(recovered.next_seq, it->a->batches[batches - 1].next_seq);
            assert_int_equal(recovered.place, it->a->batches[batches - 1].place);
        }
    }
    /* Not a byte of the torn write is left to be found later. */
    theater__store_close(store);
    warnings = 0;
    assert_int_equal(theater__logstore_open_with(&all, &store, &err), THEATER_OK);
    assert_int_equal(warnings, 0);
    theater__store_close(store);
}

static void remove_torn_files(const story *it)
{
    /* All tails of this test begin at one offset, so they are numbered up to their maximum. */
    char path[256];
    for (unsigned i = 1; i <= 16; i++) {
        int size =
            snprintf(path, sizeof(path), "%s/torn-00000001-%zu", it->url + 4, it->last_group);
        if (i > 1) {
            (void)snprintf(path + size, sizeof(path) - (size_t)size, "-%u.bin", i);
        } else {
            (void)snprintf(path + size, sizeof(path) - (size_t)size, ".bin");
        }
        (void)unlink(path);
    }
}

/* The last group of a process that was killed before it closed its log, cut and torn everywhere. */
static void torn__last_group_at_every_byte(void **state)
{
    story *it = *state;
    theater_status status = THEATER_OK;
    theater__store *store = open_threadless(it, &status, NULL);
    uint32_t before = it->a->batches_count;
    size_t begin = it->size;
    work_step(it->a, store, 3, 40);
    drain(store);
    read_file(it);
    it->size = format_place_offset(((theater__logstore *)store)->end); /* no zeros */
    it->last_group = begin;
    assert_true(it->size > begin + 300);
    theater__store_close(store);
    uint8_t *torn = theater__alloc(it->size);
    for (size_t cut = begin; cut < it->size; cut++) {
        /* The file ends there. */
        write_file(it, it->bytes, cut);
        expect_recovered(it, before, cut > begin);
        /* Zeros from there on, as if its size had been written first. */
        memcpy(torn, it->bytes, it->size);
        memset(torn + cut, 0, it->size - cut);
        bool same = memcmp(torn, it->bytes, it->size) == 0;
        write_file(it, torn, it->size);
        expect_recovered(it, same ? before + 1 : before, !same && cut > begin);
        /* A flipped byte in a group that nobody has called durable yet looks like a torn one. */
        memcpy(torn, it->bytes, it->size);
        torn[cut] ^= 0x04;
        write_file(it, torn, it->size);
        expect_recovered(it, before, true);
        remove_torn_files(it);
    }
    write_file(it, it->bytes, it->size);
    expect_recovered(it, before + 1, false);
    theater__free(torn);
}

/* The same cuts, looked at from outside: whatever the tail is, it is not damage. */
static void torn__last_group_is_no_damage_from_outside(void **state)
{
    story *it = *state;
    theater_status status = THEATER_OK;
    theater__store *store = open_threadless(it, &status, NULL);
    size_t begin = it->size;
    uint64_t next_seq = it->a->writer.next_seq;
    work_step(it->b, store, 1, 40);
    work_step(it->a, store, 3, 40);
    drain(store);
    read_file(it);
    it->size = format_place_offset(((theater__logstore *)store)->end); /* no zeros */
    theater__store_close(store);
    for (size_t cut = begin; cut < it->size; cut++) {
        write_file(it, it->bytes, cut);
        finding found = look_at(it->url, it->a);
        assert_int_equal(found.status, THEATER_OK);
        assert_string_equal(found.damage, "");
        assert_int_equal(found.report.verdict, THEATER_CHAIN_UNANCHORED);
        assert_int_equal(found.report.events_count, next_seq);
    }
}

static void cut__on_a_border_is_intact_and_shorter(void **state)
{
    story *it = *state;
    piece pieces[PIECES_MAX] = {0};
    unsigned count = list_pieces(it, pieces);
    unsigned last = 0;
    for (unsigned i = 0; i < count; i++) {
        last = pieces[i].is_header && pieces[i].begin < it->last_group ? i : last;
    }
    write_file(it, it->bytes, pieces[last].begin);
    finding found = look_at(it->url, it->a);
    assert_int_equal(found.report.verdict, THEATER_CHAIN_UNANCHORED);
    assert_true(found.report.events_count < it->a->writer.next_seq);
}

/* ---- in use ---------------------------------------------------------------------------------- */

static void live__a_store_in_use_is_never_damaged(void **state)
{
    story *it = *state;
    theater__store *store = work_open(it->url);
    theater__recovered recovered;
    while (theater__store_recover_next(store, &recovered, NULL) == THEATER_OK) {
    }
    for (unsigned i = 0; i < 300; i++) {
        work_step(it->a, store, 3, 700);
        work_step(it->b, store, 1, 30);
        finding found = look_at(it->url, i % 2 == 0 ? it->a : it->b);
        assert_int_equal(found.status, THEATER_OK);
        assert_string_equal(found.damage, "");
        assert_int_equal(found.report.verdict, THEATER_CHAIN_UNANCHORED);
        drain(store);
    }
    theater__store_close(store);
    expect_intact(it->url, it->a, "closed");
    expect_intact(it->url, it->b, "closed");
}

/* ---- listing --------------------------------------------------------------------------------- */

typedef struct listing {
    unsigned count;
    uint64_t next_seq[4];
} listing;

static int visit(const theater__recovered *actor, void *userdata)
{
    listing *list = userdata;
    list->next_seq[actor->actor.bytes[15]] = actor->next_seq;
    list->count++;
    return 0;
}

static int visit_one(const theater__recovered *actor, void *userdata)
{
    (void)actor;
    listing *list = userdata;
    list->count++;
    return 1;
}

static void list__gives_each_actor_once(void **state)
{
    story *it = *state;
    listing list = {0};
    assert_int_equal(theater__store_list(it->url, visit, &list, NULL), THEATER_OK);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.next_seq[1], it->a->writer.next_seq);
    assert_int_equal(list.next_seq[2], it->b->writer.next_seq);
    list.count = 0;
    assert_int_equal(theater__store_list(it->url, visit_one, &list, NULL), THEATER_ERR_CANCELLED);
    assert_int_equal(list.count, 1);
}

static void list__survives_any_flipped_byte(void **state)
{
    story *it = *state;
    for (size_t offset = 0; offset < it->size; offset += offset < 4096 ? 61 : 3) {
        uint8_t kept = it->bytes[offset];
        it->bytes[offset] ^= 0x20;
        write_file(it, it->bytes, it->size);
        it->bytes[offset] = kept;
        listing list = {0};
        /* Nobody was promised the closing group at the end. */
        bool is_closing = offset >= it->size - FORMAT_GROUP_HEADER_SIZE;
        assert_int_equal(theater__store_list(it->url, visit, &list, NULL),
                         is_closing ? THEATER_OK : THEATER_ERR_CORRUPT);
        assert_int_equal(list.count, 2);
    }
}

static void collect__what_is_not_there_is_not_found(void **state)
{
    story *it = *state;
    work_actor *nobody = work_actor_new(0x77);
    memset(nobody->id.bytes, 0x11, sizeof(nobody->id.bytes));
    assert_int_equal(look_at(it->url, nobody).status, THEATER_ERR_NOTFOUND);
    assert_int_equal(look_at("log:/nonexistent/store", it->a).status, THEATER_ERR_NOTFOUND);
    assert_int_equal(look_at("memory:", it->a).status, THEATER_ERR_NOTFOUND);
    char url[256];
    (void)snprintf(url, sizeof(url), "%s", it->directory);
    assert_int_equal(look_at(url, it->a).status, THEATER_ERR_NOTFOUND);
    /* A directory alone means log:. */
    expect_intact(it->url + 4, it->a, "without log:");
    work_actor_free(nobody);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(flip__every_byte_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(flip__recovery_refuses_and_says_where, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage__sectors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hostile__any_field_with_a_right_checksum, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(segments__a_chain_over_many_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(torn__last_group_at_every_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(torn__last_group_is_no_damage_from_outside, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(cut__on_a_border_is_intact_and_shorter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(live__a_store_in_use_is_never_damaged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(list__gives_each_actor_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(list__survives_any_flipped_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(collect__what_is_not_there_is_not_found, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
