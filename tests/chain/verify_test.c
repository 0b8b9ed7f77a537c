/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification: whatever is changed, cut, swapped or inserted is found, and the event is named.
 */
#include "story.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HEADER_SIZE 25u

/* The event whose frame holds a byte of the file; header bytes count as event 0. */
static uint64_t event_at(const story *it, size_t file_offset)
{
    uint64_t seq = 0;
    if (file_offset < HEADER_SIZE) {
        return 0;
    }
    while (it->frame_offsets[seq + 1] <= file_offset - HEADER_SIZE) {
        seq++;
    }
    return seq;
}

static void assert_damaged(const theater_chain_report *report, uint64_t bad_seq, const char *where)
{
    char prefix[32];
    (void)snprintf(prefix, sizeof(prefix), "event %" PRIu64 ": ", bad_seq);
    if (report->verdict != THEATER_CHAIN_DAMAGED || report->bad_seq != bad_seq ||
        report->events_count != bad_seq || strncmp(report->message, prefix, strlen(prefix)) != 0) {
        print_error("%s: expected damage in event %" PRIu64 ", found verdict %d, event %" PRIu64
                    ": %s\n",
                    where, bad_seq, report->verdict, report->bad_seq, report->message);
    }
    assert_int_equal(report->verdict, THEATER_CHAIN_DAMAGED);
    assert_int_equal(report->bad_seq, bad_seq);
    assert_int_equal(report->events_count, bad_seq);
    assert_memory_equal(report->message, prefix, strlen(prefix));
}

static theater_head head_of(const story *it, uint64_t seq)
{
    theater_head head = {seq, it->hashes[seq]};
    return head;
}

/* The report on the story's frames, as they are now. */
static theater_chain_report frames_report(const story *it, const theater_head *head)
{
    theater_chain *chain = chain_of(it);
    theater_chain_report report = report_of(chain, head);
    theater_chain_free(chain);
    return report;
}

static void intact__unanchored_without_a_head_anchored_with_one(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_everything(&it);
    theater__buffer file = {0};
    story_file(&it, &file);
    theater_chain *chain = chain_of_bytes(file.data, file.size);
    theater_chain_report report = report_of(chain, NULL);
    assert_int_equal(report.verdict, THEATER_CHAIN_UNANCHORED);
    assert_int_equal(report.events_count, it.writer.next_seq);
    assert_int_equal(report.head.seq, it.writer.next_seq - 1);
    assert_memory_equal(report.head.hash.bytes, it.writer.head.bytes, 32);
    assert_int_equal(strncmp(report.message, "intact, unanchored: ", 20), 0);
    for (uint64_t seq = 0; seq < it.writer.next_seq; seq++) {
        theater_head head = head_of(&it, seq);
        report = report_of(chain, &head);
        assert_int_equal(report.verdict, THEATER_CHAIN_ANCHORED);
    }
    assert_int_equal(theater_chain_actor(chain).bytes[0], 0x11);
    assert_int_equal(theater_chain_verify(chain, NULL, &report, NULL), THEATER_OK);
    assert_int_equal(report.verdict, THEATER_CHAIN_UNANCHORED);
    theater_chain_free(chain);
    theater__buffer_deinit(&file);
    story_end(&it);
}

static void flipped_byte__names_the_event(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_everything(&it);
    theater__buffer file = {0};
    story_file(&it, &file);
    for (size_t i = 0; i < file.size; i++) {
        for (unsigned mask = 1; mask < 256; mask = mask == 0x80 ? 0xff : mask << 1) {
            char where[64];
            (void)snprintf(where, sizeof(where), "byte %zu ^ %02x", i, mask);
            file.data[i] ^= (uint8_t)mask;
            theater_chain *chain = chain_of_bytes(file.data, file.size);
            theater_chain_report report = report_of(chain, NULL);
            assert_damaged(&report, event_at(&it, i), where);
            assert_true(i >= HEADER_SIZE || strstr(report.message, "header") != NULL);
            theater_chain_free(chain);
            file.data[i] ^= (uint8_t)mask;
            if (mask == 0xff) {
                break;
            }
        }
    }
    theater__buffer_deinit(&file);
    story_end(&it);
}

static void flipped_byte__every_value_of_every_size_names_the_event(void **state)
{
    (void)state;
    /*
     * Sizes are where one byte can shift all that follows: short payloads beside, of all lengths.
     */
    for (size_t size = 0; size <= 34; size++) {
        char text[40] = "";
        memset(text, 'p', size);
        story it;
        story_begin(&it);
        story_genesis(&it, 0x11);
        it.is_private = true;
        story_ambient(&it, THEATER_KIND_NOTE, text, "");
        story_ambient(&it, THEATER_KIND_NOTE, "behind", "");
        theater__buffer file = {0};
        story_file(&it, &file);
        for (size_t i = HEADER_SIZE + it.frame_offsets[1]; i < file.size; i++) {
            for (unsigned mask = 1; mask < 256; mask++) {
                file.data[i] ^= (uint8_t)mask;
                theater_chain *chain = chain_of_bytes(file.data, file.size);
                theater_chain_report report = report_of(chain, NULL);
                assert_damaged(&report, event_at(&it, i), "short payload");
                theater_chain_free(chain);
                file.data[i] ^= (uint8_t)mask;
            }
        }
        theater__buffer_deinit(&file);
        story_end(&it);
    }
}

static void flipped_byte__in_an_erased_payload_names_the_event(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_genesis(&it, 0x11);
    it.is_private = true;
    story_ambient(&it, THEATER_KIND_NOTE, "secret", "");
    story_ambient(&it, THEATER_KIND_NOTE, "behind", "");
    theater__buffer erased = {0};
    assert_int_equal(
        theater__chain_redact(it.writer.frames.data, it.writer.frames.size, 1, &erased, NULL),
        THEATER_OK);
    size_t shorter = it.writer.frames.size - erased.size;
    for (size_t i = 0; i < erased.size; i++) {
        for (unsigned mask = 1; mask < 256; mask++) {
            uint64_t seq = i < it.frame_offsets[1] ? 0 : i < it.frame_offsets[2] - shorter ? 1 : 2;
            erased.data[i] ^= (uint8_t)mask;
            theater_chain *chain = NULL;
            assert_int_equal(
                theater__chain_from_frames(erased.data, erased.size, NULL, &chain, NULL),
                THEATER_OK);
            theater_chain_report report = report_of(chain, NULL);
            assert_damaged(&report, seq, "erased payload");
            theater_chain_free(chain);
            erased.data[i] ^= (uint8_t)mask;
        }
    }
    theater__buffer_deinit(&erased);
    story_end(&it);
}

static void cut__inside_of_a_frame_is_damage_on_a_border_it_needs_a_head(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_everything(&it);
    theater__buffer file = {0};
    story_file(&it, &file);
    theater_head last = head_of(&it, it.writer.next_seq - 1);
    for (size_t size = 1; size < file.size; size++) {
        theater_chain *chain = chain_of_bytes(file.data, size);
        uint64_t seq = event_at(&it, size);
        bool is_border = size > HEADER_SIZE && it.frame_offsets[seq] == size - HEADER_SIZE;
        theater_chain_report report = report_of(chain, NULL);
        if (is_border) {
            assert_int_equal(report.verdict, THEATER_CHAIN_UNANCHORED);
            assert_int_equal(report.events_count, seq);
        } else {
            assert_damaged(&report, seq, "cut");
        }
        report = report_of(chain, &last);
        assert_damaged(&report, seq, "cut with a head");
        theater_chain_free(chain);
    }
    theater_chain *none = NULL;
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater__chain_from_file_bytes(NULL, 0, &none, &err), THEATER_ERR_CORRUPT);
    theater__buffer_deinit(&file);
    story_end(&it);
}

static void head__of_another_history_names_the_event(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_everything(&it);
    theater_chain *chain = chain_of(&it);
    for (uint64_t seq = 0; seq < it.writer.next_seq; seq++) {
        theater_head head = head_of(&it, seq);
        head.hash.bytes[31] ^= 1;
        theater_chain_report report = report_of(chain, &head);
        assert_damaged(&report, seq, "head");
        assert_non_null(strstr(report.message, "given head"));
    }
    theater_chain_free(chain);
    story_end(&it);
}

static void events__swapped_removed_or_doubled_are_named(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_everything(&it);
    const uint8_t *frames = it.writer.frames.data;
    const size_t *at = it.frame_offsets;
    for (uint64_t seq = 0; seq + 1 < it.writer.next_seq; seq++) {
        size_t first = at[seq + 1] - at[seq];
        size_t second = at[seq + 2] - at[seq + 1];
        theater__buffer forged = {0};
        /* what: 0 swapped, 1 removed, 2 doubled */
        for (int what = 0; what < 3; what++) {
            theater__buffer_clear(&forged);
            theater__buffer_put(&forged, frames, at[seq]);
            if (what == 0) {
                theater__buffer_put(&forged, frames + at[seq + 1], second);
                theater__buffer_put(&forged, frames + at[seq], first);
            } else if (what == 1) {
                theater__buffer_put(&forged, frames + at[seq + 1], second);
            } else {
                theater__buffer_put(&forged, frames + at[seq], first);
                theater__buffer_put(&forged, frames + at[seq], first);
                theater__buffer_put(&forged, frames + at[seq + 1], second);
            }
            theater__buffer_put(&forged, frames + at[seq + 2], it.writer.frames.size - at[seq + 2]);
            theater_chain *chain = NULL;
            assert_int_equal(
                theater__chain_from_frames(forged.data, forged.size, NULL, &chain, NULL),
                THEATER_OK);
            theater_chain_report report = report_of(chain, NULL);
            assert_damaged(&report, what == 2 ? seq + 1 : seq, "moved");
            theater_chain_free(chain);
        }
        theater__buffer_deinit(&forged);
    }
    story_end(&it);
}

static void events__of_another_actor_are_named(void **state)
{
    (void)state;
    story mine;
    story theirs;
    story_begin(&mine);
    story_begin(&theirs);
    story_genesis(&mine, 0x11);
    story_genesis(&theirs, 0x22);
    for (int i = 0; i < 4; i++) {
        story_ambient(&mine, THEATER_KIND_NOTE, "note", "");
        story_ambient(&theirs, THEATER_KIND_NOTE, "note", "");
    }
    /* The same events, the same sizes, another genesis: only the links differ. */
    for (uint64_t seq = 1; seq < 5; seq++) {
        memcpy(mine.writer.frames.data + mine.frame_offsets[seq],
               theirs.writer.frames.data + theirs.frame_offsets[seq],
               theirs.frame_offsets[seq + 1] - theirs.frame_offsets[seq]);
        theater_chain_report report = frames_report(&mine, NULL);
        assert_damaged(&report, 1, "inserted");
        assert_string_equal(report.message, "event 1: its hash does not link to event 0");
    }
    story_end(&mine);
    story_end(&theirs);
}

static void header__of_another_actor_is_damage(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_genesis(&it, 0x33); /* story_file() writes 0x11 */
    theater__buffer file = {0};
    story_file(&it, &file);
    theater_chain *chain = chain_of_bytes(file.data, file.size);
    theater_chain_report report = report_of(chain, NULL);
    assert_damaged(&report, 0, "actor");
    assert_non_null(strstr(report.message, "header"));
    theater_chain_free(chain);
    theater__buffer_deinit(&file);
    story_end(&it);
}

static void file__of_another_kind_is_refused(void **state)
{
    (void)state;
    static const char *const files[] = {"x",
                                        "hello, world\n",
                                        "{",
                                        "{}",
                                        "[]",
                                        "{\"a\":1}",
                                        "TXXATER\n",
                                        "\x7f"
                                        "ELF\2\1\1",
                                        "TX",
                                        "{\"event\": []}",
                                        " ",
                                        "THEATRE play"};
    for (size_t i = 0; i < LENGTH(files); i++) {
        theater_chain *chain = NULL;
        theater_error err = THEATER_ERROR_INIT;
        assert_int_equal(theater__chain_from_file_bytes((const uint8_t *)files[i], strlen(files[i]),
                                                        &chain, &err),
                         THEATER_ERR_CORRUPT);
        assert_null(chain);
    }
}

static void loader_damage__is_the_next_event(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_everything(&it);
    theater_chain *chain = NULL;
    assert_int_equal(theater__chain_from_frames(it.writer.frames.data, it.frame_offsets[4],
                                                "record at 00000001.log:8192 is damaged", &chain,
                                                NULL),
                     THEATER_OK);
    theater_chain_report report = report_of(chain, NULL);
    assert_damaged(&report, 4, "loader");
    assert_string_equal(report.message, "event 4: record at 00000001.log:8192 is damaged");
    size_t position = 0;
    theater_event event;
    theater_error err = THEATER_ERROR_INIT;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(theater_chain_next(chain, &position, &event, &err), THEATER_OK);
    }
    assert_int_equal(theater_chain_next(chain, &position, &event, &err), THEATER_ERR_CORRUPT);
    assert_string_equal(err.message, "event 4: record at 00000001.log:8192 is damaged");
    theater_chain_free(chain);
    story_end(&it);
}

static void options__have_their_size(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_genesis(&it, 1);
    theater_chain *chain = chain_of(&it);
    theater_chain_verify_options options = {1, NULL};
    theater_chain_report report;
    assert_int_equal(theater_chain_verify(chain, &options, &report, NULL), THEATER_ERR_INVALID);
    theater_chain_free(chain);
    story_end(&it);
}

/* ---- grammar --------------------------------------------------------------------------------- */

/*
 * Lives that are none. Each letter appends an event: G genesis, C call, A answer, L log, S sleep,
 * D deadline, E effect, c completion of the last request, x completion of event 1, R return,
 * T terminate, b rebase of the last request, B rebase of event 1, N note, V engine, P step, Z end.
 */
static void tell(story *it, const char *letters)
{
    uint64_t request = 0;
    for (const char *letter = letters; *letter != '\0'; letter++) {
        if (strchr("SDE", *letter) != NULL) {
            request = it->writer.next_seq;
        }
        switch (*letter) {
        case 'G':
            story_genesis(it, 0x11);
            break;
        case 'C':
            story_call(it, "run", NULL, 0, "");
            break;
        case 'A':
            story_now(it, 1);
            break;
        case 'L':
            story_log(it, "line");
            break;
        case 'S':
            story_wait(it, "ntwk:theater/timing.sleep", THEATER__WAIT_ELAPSED, 9);
            break;
        case 'D':
            story_wait(it, "ntwk:theater/timing.deadline", THEATER__WAIT_WALL, 9);
            break;
        case 'E':
            story_request(it, THEATER_KIND_EFFECT, "f", NULL, 0);
            break;
        case 'c':
        case 'x':
            story_complete_unit(it, *letter == 'c' ? request : 1, THEATER_WAIT_DUE, NULL);
            break;
        case 'R':
            story_return(it, NULL, "");
            break;
        case 'T':
            story_ending(it, THEATER_KIND_TERMINATE, THEATER_END_CPU, "");
            break;
        case 'b':
        case 'B':
            story_rebase(it, *letter == 'b' ? request : 1, 5);
            break;
        case 'N':
        case 'V':
            story_ambient(it, *letter == 'N' ? THEATER_KIND_NOTE : THEATER_KIND_ENGINE, "a", "b");
            break;
        case 'P':
            story_step(it, 5);
            break;
        case 'Z':
            story_ending(it, THEATER_KIND_END, THEATER_END_RETURNED, "");
            break;
        default:
            fail();
        }
    }
}

static void grammar__possible_lives_are_intact(void **state)
{
    (void)state;
    static const char *const lives[] = {
        "G",    "GZ",    "GNVPZ",     "GC",        "GCR",       "GCRZ",    "GCALRCALRZ",
        "GCS",  "GCScR", "GCDcScEcR", "GCSbcR",    "GCSNVPbbc", "GCSTCRZ", "GCSZ",
        "GCEZ", "GCTZ",  "GCZ",       "GNCNANSNc", "GCETCEcRZ", "GCDbcR",
    };
    for (size_t i = 0; i < LENGTH(lives); i++) {
        story it;
        story_begin(&it);
        tell(&it, lives[i]);
        theater_chain_report report = frames_report(&it, NULL);
        if (report.verdict != THEATER_CHAIN_UNANCHORED) {
            print_error("%s: %s\n", lives[i], report.message);
        }
        assert_int_equal(report.verdict, THEATER_CHAIN_UNANCHORED);
        story_end(&it);
    }
}

static void grammar__impossible_events_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *letters; /* the last one is the impossible one */
        const char *message;
    } lives[] = {
        {"C", "it is the first and no genesis"},
        {"N", "it is the first and no genesis"},
        {"Z", "it is the first and no genesis"},
        {"GG", "it is a second genesis"},
        {"GCG", "it is a second genesis"},
        {"GZN", "it stands behind the end"},
        {"GZC", "it stands behind the end"},
        {"GZZ", "it stands behind the end"},
        {"GCC", "it begins a call inside of a call"},
        {"GCSC", "it begins a call inside of a call"},
        {"GA", "it stands outside of a call"},
        {"GL", "it stands outside of a call"},
        {"GS", "it stands outside of a call"},
        {"GE", "it stands outside of a call"},
        {"GR", "it stands outside of a call"},
        {"GCRA", "it stands outside of a call"},
        {"GCTS", "it stands outside of a call"},
        {"GCSS", "the guest is waiting and cannot have done this"},
        {"GCSE", "the guest is waiting and cannot have done this"},
        {"GCEA", "the guest is waiting and cannot have done this"},
        {"GCSL", "the guest is waiting and cannot have done this"},
        {"GCSR", "the guest is waiting and cannot have done this"},
        {"GCc", "it completes a request that is not open"},
        {"GCScc", "it completes a request that is not open"},
        {"GCSTc", "it completes a request that is not open"},
        {"GCSx", "it completes another request than the open one"},
        {"GT", "it ends a call that is not open"},
        {"GCRT", "it ends a call that is not open"},
        {"GCb", "it moves a wait that is not open"},
        {"GCEb", "it moves a wait that is not open"},
        {"GCSB", "it moves another wait than the open one"},
    };
    for (size_t i = 0; i < LENGTH(lives); i++) {
        story it;
        story_begin(&it);
        tell(&it, lives[i].letters);
        theater_chain_report report = frames_report(&it, NULL);
        assert_damaged(&report, strlen(lives[i].letters) - 1, lives[i].letters);
        assert_non_null(strstr(report.message, lives[i].message));
        story_end(&it);
    }
}

static void payload__that_its_kind_does_not_have_is_named(void **state)
{
    (void)state;
    for (theater_event_kind kind = THEATER_KIND_GENESIS; kind <= THEATER_KIND_END; kind++) {
        story it;
        story_begin(&it);
        if (kind != THEATER_KIND_GENESIS) {
            tell(&it, kind == THEATER_KIND_CALL         ? "G"
                      : kind == THEATER_KIND_COMPLETION ? "GCE"
                      : kind == THEATER_KIND_REBASE     ? "GCS"
                                                        : "GC");
        }
        theater__buffer_put(&it.payload, "\xff\xff\xff", 3);
        story_append(&it, kind);
        theater_chain_report report = frames_report(&it, NULL);
        assert_damaged(&report, it.writer.next_seq - 1, theater_event_kind_name(kind));
        assert_non_null(strstr(report.message, kind == THEATER_KIND_GENESIS ? "unknown version"
                                                                            : "payload of its"));
        story_end(&it);
    }
}

static void values__that_are_none_are_named(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    tell(&it, "GC");
    theater_bytes args = {(const uint8_t *)"\x01\x63", 2}; /* one value of kind 99 */
    theater__request request = {.function = text_of("f"), .args = args};
    theater__request_encode(&it.payload, THEATER_KIND_POST, &request);
    story_append(&it, THEATER_KIND_POST);
    theater_chain_report report = frames_report(&it, NULL);
    assert_damaged(&report, 2, "values");
    story_end(&it);
}

static void genesis__erased_is_damage(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    it.is_private = true;
    story_genesis(&it, 0x11);
    theater_chain_report report = frames_report(&it, NULL);
    assert_int_equal(report.verdict, THEATER_CHAIN_UNANCHORED);
    theater__buffer erased = {0};
    assert_int_equal(
        theater__chain_redact(it.writer.frames.data, it.writer.frames.size, 0, &erased, NULL),
        THEATER_OK);
    theater_chain *chain = NULL;
    assert_int_equal(theater__chain_from_frames(erased.data, erased.size, NULL, &chain, NULL),
                     THEATER_OK);
    report = report_of(chain, NULL);
    assert_damaged(&report, 0, "erased genesis");
    theater_chain_free(chain);
    theater__buffer_deinit(&erased);
    story_end(&it);
}

/* ---- theater_chain_next ---------------------------------------------------------------------- */

static void next__walks_from_any_position(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_everything(&it);
    theater_chain *chain = chain_of(&it);
    theater_event event;
    theater_error err = THEATER_ERROR_INIT;
    size_t position = 0;
    size_t middle = 0;
    for (uint64_t seq = 0; seq < it.writer.next_seq; seq++) {
        middle = seq == 9 ? position : middle;
        assert_int_equal(theater_chain_next(chain, &position, &event, &err), THEATER_OK);
        assert_int_equal(event.seq, seq);
        assert_memory_equal(event.hash.bytes, it.hashes[seq].bytes, 32);
    }
    assert_int_equal(theater_chain_next(chain, &position, &event, &err), THEATER_ERR_NOTFOUND);
    assert_int_equal(theater_chain_next(chain, &middle, &event, &err), THEATER_OK);
    assert_int_equal(event.seq, 9);
    position = 0;
    assert_int_equal(theater_chain_next(chain, &position, &event, &err), THEATER_OK);
    assert_int_equal(event.seq, 0);
    position = 7;
    assert_int_equal(theater_chain_next(chain, &position, &event, &err), THEATER_ERR_INVALID);
    assert_int_equal(position, 7);
    position = SIZE_MAX;
    assert_int_equal(theater_chain_next(chain, &position, &event, &err), THEATER_ERR_INVALID);
    theater_chain_free(chain);
    theater_chain_free(NULL);
    story_end(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intact__unanchored_without_a_head_anchored_with_one),
        cmocka_unit_test(flipped_byte__names_the_event),
        cmocka_unit_test(flipped_byte__every_value_of_every_size_names_the_event),
        cmocka_unit_test(flipped_byte__in_an_erased_payload_names_the_event),
        cmocka_unit_test(cut__inside_of_a_frame_is_damage_on_a_border_it_needs_a_head),
        cmocka_unit_test(head__of_another_history_names_the_event),
        cmocka_unit_test(events__swapped_removed_or_doubled_are_named),
        cmocka_unit_test(events__of_another_actor_are_named),
        cmocka_unit_test(header__of_another_actor_is_damage),
        cmocka_unit_test(file__of_another_kind_is_refused),
        cmocka_unit_test(loader_damage__is_the_next_event),
        cmocka_unit_test(options__have_their_size),
        cmocka_unit_test(grammar__possible_lives_are_intact),
        cmocka_unit_test(grammar__impossible_events_are_named),
        cmocka_unit_test(payload__that_its_kind_does_not_have_is_named),
        cmocka_unit_test(values__that_are_none_are_named),
        cmocka_unit_test(genesis__erased_is_damage),
        cmocka_unit_test(next__walks_from_any_position),
    };
    return cmocka_run_group_tests_name("chain_verify", tests, NULL, NULL);
}
