/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appending and reading back, one event at a time.
 */
#include "story.h"

#include "event.h"
#include "hash.h"

#include <string.h>

static theater__event_draft draft_of(const void *payload, size_t size)
{
    static const uint8_t salt[THEATER__SALT_SIZE] = "0123456789abcde";
    theater__event_draft draft = {
        .event_class = THEATER_EVENT_AMBIENT,
        .kind = THEATER_KIND_NOTE,
        .wall = {STORY_WALL},
        .payload = {payload, size},
        .salt = salt,
    };
    return draft;
}

static void append__reads_back_with_the_same_hashes(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_everything(&it);
    theater__chain_reader reader;
    theater__chain_reader_init(&reader, it.writer.frames.data, it.writer.frames.size, NULL, 0);
    theater_event event;
    theater_error err = THEATER_ERROR_INIT;
    for (uint64_t seq = 0; seq < it.writer.next_seq; seq++) {
        assert_int_equal(theater__chain_read(&reader, &event, &err), THEATER_OK);
        assert_int_equal(event.seq, seq);
        assert_int_equal(reader.offset, it.frame_offsets[seq + 1]);
        assert_memory_equal(event.hash.bytes, it.hashes[seq].bytes, 32);
        assert_false(event.is_redacted);
    }
    assert_int_equal(theater__chain_read(&reader, &event, &err), THEATER_ERR_NOTFOUND);
    assert_memory_equal(reader.head.bytes, it.writer.head.bytes, 32);
    assert_int_equal(it.writer.frames_count, it.writer.next_seq);
    story_end(&it);
}

static void append__payloads_up_to_the_limit_are_inline(void **state)
{
    (void)state;
    uint8_t payload[THEATER__PAYLOAD_INLINE_MAX + 1];
    memset(payload, 0x77, sizeof(payload));
    for (size_t size = 0; size <= sizeof(payload); size++) {
        theater__chain_writer writer;
        theater__chain_writer_init(&writer, NULL, 0);
        theater__event_draft draft = draft_of(payload, size);
        bool is_external = size > THEATER__PAYLOAD_INLINE_MAX;
        assert_int_equal(theater__event_is_external(&draft), is_external);
        assert_int_equal(theater__chain_append(&writer, &draft, NULL), THEATER_OK);
        theater__chain_reader reader;
        theater_event event;
        theater__chain_reader_init(&reader, writer.frames.data, writer.frames.size, NULL, 0);
        assert_int_equal(theater__chain_read(&reader, &event, NULL), THEATER_OK);
        assert_int_equal(event.is_external, is_external);
        assert_int_equal(event.payload.size, size);
        if (size > 0) {
            assert_memory_equal(event.payload.data, payload, size);
        }
        theater__chain_writer_deinit(&writer);
    }
}

static void append__too_long_a_payload_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    theater__chain_writer writer;
    theater__chain_writer_init(&writer, NULL, 0);
    uint8_t *payload = theater__alloc_zeroed(1, THEATER__PAYLOAD_BYTES_MAX + 1);
    assert_non_null(payload);
    theater__event_draft draft = draft_of(payload, THEATER__PAYLOAD_BYTES_MAX + 1);
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater__chain_append(&writer, &draft, &err), THEATER_ERR_LIMIT);
    assert_non_null(strstr(err.message, "payload_bytes_max"));
    assert_int_equal(writer.next_seq, 0);
    assert_int_equal(writer.frames.size, 0);
    draft.payload.size--;
    assert_int_equal(theater__chain_append(&writer, &draft, &err), THEATER_OK);
    assert_int_equal(writer.next_seq, 1);
    theater__free(payload);
    theater__chain_writer_deinit(&writer);
}

static void append__a_failed_allocation_changes_nothing(void **state)
{
    (void)state;
    theater__chain_writer writer;
    theater__chain_writer_init(&writer, NULL, 0);
    uint8_t payload[200] = {0};
    theater__event_draft draft = draft_of(payload, sizeof(payload));
    int failures = 0;
    for (int i = 0; i < 200; i++) {
        theater_hash head = writer.head;
        uint64_t seq = writer.next_seq;
        size_t size = writer.frames.size;
        theater_error err = THEATER_ERROR_INIT;
        theater__alloc_fail_at(1);
        theater_status status = theater__chain_append(&writer, &draft, &err);
        theater__alloc_fail_at(0);
        if (status != THEATER_OK) {
            failures++;
            assert_int_equal(status, THEATER_ERR_NOMEM);
            assert_memory_equal(writer.head.bytes, head.bytes, 32);
            assert_int_equal(writer.next_seq, seq);
            assert_int_equal(writer.frames.size, size);
            assert_false(writer.frames.failed);
            assert_int_equal(theater__chain_append(&writer, &draft, &err), THEATER_OK);
        }
    }
    assert_true(failures > 0);
    theater__chain_reader reader;
    theater_event event;
    theater__chain_reader_init(&reader, writer.frames.data, writer.frames.size, NULL, 0);
    for (uint64_t seq = 0; seq < 200; seq++) {
        assert_int_equal(theater__chain_read(&reader, &event, NULL), THEATER_OK);
    }
    theater__chain_writer_deinit(&writer);
}

static void take__swaps_buffers_and_goes_on(void **state)
{
    (void)state;
    theater__chain_writer writer;
    theater__chain_writer_init(&writer, NULL, 0);
    theater__event_draft draft = draft_of("abc", 3);
    theater__buffer first = {0};
    theater__buffer second = {0};
    assert_int_equal(theater__chain_append(&writer, &draft, NULL), THEATER_OK);
    theater__chain_writer_take(&writer, &first);
    theater_hash between = writer.head;
    assert_int_equal(writer.frames_count, 0);
    assert_int_equal(writer.frames.size, 0);
    assert_int_equal(theater__chain_append(&writer, &draft, NULL), THEATER_OK);
    theater__chain_writer_take(&writer, &second);

    theater__chain_reader reader;
    theater_event event;
    theater__chain_reader_init(&reader, second.data, second.size, &between, 1);
    assert_int_equal(theater__chain_read(&reader, &event, NULL), THEATER_OK);
    assert_int_equal(event.seq, 1);
    /* Given back, the memory is used again: no allocation in a steady state. */
    theater__chain_writer_take(&writer, &first);
    theater__alloc_fail_at(1);
    assert_int_equal(theater__chain_append(&writer, &draft, NULL), THEATER_OK);
    theater__alloc_fail_at(0);
    theater__buffer_deinit(&first);
    theater__buffer_deinit(&second);
    theater__chain_writer_deinit(&writer);
}

static void read__failure_leaves_the_reader_where_it_was(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_genesis(&it, 0x11);
    story_ambient(&it, THEATER_KIND_NOTE, "a", "b");
    it.writer.frames.data[it.writer.frames.size - 3] ^= 1;
    theater__chain_reader reader;
    theater_event event;
    theater_error err = THEATER_ERROR_INIT;
    theater__chain_reader_init(&reader, it.writer.frames.data, it.writer.frames.size, NULL, 0);
    assert_int_equal(theater__chain_read(&reader, &event, &err), THEATER_OK);
    theater__chain_reader before = reader;
    assert_int_equal(theater__chain_read(&reader, &event, &err), THEATER_ERR_CORRUPT);
    assert_string_equal(err.message, "event 1: its hash does not link to event 0");
    assert_memory_equal(&reader, &before, sizeof(reader));
    assert_int_equal(event.seq, 0);
    story_end(&it);
}

/* An event's bytes as they are, framed with a hash that is right: what a forger could write. */
static void put_forged(theater__buffer *frames, const uint8_t *event, size_t size,
                       const void *beside, size_t beside_size)
{
    theater_hash parent = {{0}};
    theater_hash hash = theater__event_hash(&parent, event, size);
    theater__buffer_put_sized(frames, event, size);
    theater__buffer_put(frames, hash.bytes, THEATER__CHECK_SIZE);
    theater__buffer_put_sized(frames, beside, beside_size);
}

static theater_status read_forged(const uint8_t *event, size_t size, const void *beside,
                                  size_t beside_size, theater_error *err)
{
    theater__buffer frames = {0};
    put_forged(&frames, event, size, beside, beside_size);
    theater__chain_reader reader;
    theater_event read;
    theater__chain_reader_init(&reader, frames.data, frames.size, NULL, 0);
    theater_status status = theater__chain_read(&reader, &read, err);
    theater__buffer_deinit(&frames);
    return status;
}

static void read__refuses_what_no_writer_writes(void **state)
{
    (void)state;
    static const struct {
        uint8_t event[12];
        size_t size;
        size_t beside_size;
        theater_status status;
    } cases[] = {
        {{0, 5, 13, 9, 0}, 5, 0, THEATER_OK},
        {{0, 5, 13, 9, 0, 'x'}, 6, 0, THEATER_OK},
        {{0, 5, 13, 9, 2}, 5, 0, THEATER_ERR_CORRUPT},       /* an unknown flag */
        {{0, 5, 13, 9, 0x80}, 5, 0, THEATER_ERR_CORRUPT},    /* another */
        {{0, 5, 13, 9, 1}, 5, 0, THEATER_ERR_CORRUPT},       /* external without a hash */
        {{0, 4, 13, 9, 0}, 5, 0, THEATER_ERR_CORRUPT},       /* class of another kind */
        {{0, 5, 0, 9, 0}, 5, 0, THEATER_ERR_CORRUPT},        /* no kind */
        {{0, 0, 15, 9, 0}, 5, 0, THEATER_ERR_CORRUPT},       /* no kind, no class */
        {{1, 5, 13, 9, 0}, 5, 0, THEATER_ERR_CORRUPT},       /* another number */
        {{0x80, 0, 5, 13, 9, 0}, 6, 0, THEATER_ERR_CORRUPT}, /* a longer spelling of 0 */
        {{0, 5, 13, 0x89, 0, 0}, 6, 0, THEATER_ERR_CORRUPT}, /* a longer spelling of 9 */
        {{0, 5, 13, 9}, 4, 0, THEATER_ERR_CORRUPT},          /* no flags */
        {{0}, 0, 0, THEATER_ERR_CORRUPT},                    /* nothing */
        {{0, 5, 13, 9, 0}, 5, 8, THEATER_ERR_CORRUPT},       /* bytes beside an inline payload */
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        uint8_t beside[8] = {0};
        theater_error err = THEATER_ERROR_INIT;
        theater_status status =
            read_forged(cases[i].event, cases[i].size, beside, cases[i].beside_size, &err);
        if (status != cases[i].status) {
            print_error("case %zu: %d %s\n", i, status, err.message);
        }
        assert_int_equal(status, cases[i].status);
        assert_true(status == THEATER_OK || strncmp(err.message, "event 0: ", 9) == 0);
    }
}

static void read__refuses_a_long_inline_payload(void **state)
{
    (void)state;
    uint8_t event[5 + THEATER__PAYLOAD_INLINE_MAX + 1] = {0, 5, 13, 9, 0};
    assert_int_equal(read_forged(event, sizeof(event) - 1, NULL, 0, NULL), THEATER_OK);
    assert_int_equal(read_forged(event, sizeof(event), NULL, 0, NULL), THEATER_ERR_CORRUPT);
}

static void read__a_changed_payload_beside_is_named(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_genesis(&it, 0x11);
    it.is_private = true;
    story_ambient(&it, THEATER_KIND_NOTE, "secret", "");
    it.writer.frames.data[it.writer.frames.size - 2] ^= 1;
    theater__chain_reader reader;
    theater_event event;
    theater_error err = THEATER_ERROR_INIT;
    theater__chain_reader_init(&reader, it.writer.frames.data, it.writer.frames.size, NULL, 0);
    assert_int_equal(theater__chain_read(&reader, &event, &err), THEATER_OK);
    assert_int_equal(theater__chain_read(&reader, &event, &err), THEATER_ERR_CORRUPT);
    assert_string_equal(err.message,
                        "event 1: the payload beside it is not the one it is bound to");
    story_end(&it);
}

static void redact__erases_the_payload_and_keeps_the_links(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_everything(&it);
    theater__buffer once = {0};
    theater__buffer twice = {0};
    theater_error err = THEATER_ERROR_INIT;
    const theater__buffer *frames = &it.writer.frames;
    assert_int_equal(theater__chain_redact(frames->data, frames->size, 12, &once, &err),
                     THEATER_OK);
    assert_true(once.size < frames->size);
    assert_null(memmem(once.data, once.size, "a secret", 8));
    assert_int_equal(theater__chain_redact(once.data, once.size, 12, &twice, &err), THEATER_OK);
    assert_int_equal(once.size, twice.size);
    assert_memory_equal(once.data, twice.data, once.size);

    theater_chain *chain = NULL;
    assert_int_equal(theater__chain_from_frames(once.data, once.size, NULL, &chain, &err),
                     THEATER_OK);
    theater_head head = {it.writer.next_seq - 1, it.writer.head};
    assert_int_equal(report_of(chain, &head).verdict, THEATER_CHAIN_ANCHORED);
    size_t position = 0;
    theater_event event;
    for (uint64_t seq = 0; seq < it.writer.next_seq; seq++) {
        assert_int_equal(theater_chain_next(chain, &position, &event, &err), THEATER_OK);
        assert_int_equal(event.is_redacted, seq == 12);
        assert_true(seq != 12 || event.payload.size == 0);
    }
    theater_chain_free(chain);
    theater__buffer_deinit(&once);
    theater__buffer_deinit(&twice);
    story_end(&it);
}

static void redact__refuses_what_cannot_be_erased(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_everything(&it);
    theater__buffer out = {0};
    theater_error err = THEATER_ERROR_INIT;
    const theater__buffer *frames = &it.writer.frames;
    assert_int_equal(theater__chain_redact(frames->data, frames->size, 10, &out, &err),
                     THEATER_ERR_UNSUPPORTED);
    assert_int_equal(theater__chain_redact(frames->data, frames->size, 99, &out, &err),
                     THEATER_ERR_NOTFOUND);
    assert_int_equal(out.size, 0);
    story_end(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(append__reads_back_with_the_same_hashes),
        cmocka_unit_test(append__payloads_up_to_the_limit_are_inline),
        cmocka_unit_test(append__too_long_a_payload_is_refused_and_changes_nothing),
        cmocka_unit_test(append__a_failed_allocation_changes_nothing),
        cmocka_unit_test(take__swaps_buffers_and_goes_on),
        cmocka_unit_test(read__failure_leaves_the_reader_where_it_was),
        cmocka_unit_test(read__refuses_what_no_writer_writes),
        cmocka_unit_test(read__refuses_a_long_inline_payload),
        cmocka_unit_test(read__a_changed_payload_beside_is_named),
        cmocka_unit_test(redact__erases_the_payload_and_keeps_the_links),
        cmocka_unit_test(redact__refuses_what_cannot_be_erased),
    };
    return cmocka_run_group_tests_name("chain_frames", tests, NULL, NULL);
}
