/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/vectors/chain-v1.txt is a promise: chains written today are read by every later version,
 * and the same events give the same bytes everywhere. It holds the story of story_everything(), one
 * line an event: number, hash, frame. If this fails, the format has changed: a new version number,
 * not a new vector.
 *
 * THEATER_REBASE=1 in the environment writes the file anew.
 */
#include "story.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The head of that chain. */
#define CHAIN_V1_HEAD "22:3b41dadce23167a31702187990e0b24fbcf0a8d87189207a0da1e622c4fd8737"

static void put_text(theater__buffer *out, const char *text)
{
    theater__buffer_put(out, text, strlen(text));
}

static void put_hex(theater__buffer *out, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char digits[3];
        (void)snprintf(digits, sizeof(digits), "%02x", data[i]);
        put_text(out, digits);
    }
}

/* The vector as text. */
static void describe(const story *it, theater__buffer *out)
{
    theater__buffer file = {0};
    story_file(it, &file);
    put_text(out,
             "# A chain of format version 1 with every kind of event (docs/formats/chain.md).\n"
             "# First the header of a file, then a line an event: seq, hash, frame.\n"
             "header ");
    put_hex(out, file.data, 25);
    put_text(out, "\n");
    for (uint64_t seq = 0; seq < it->writer.next_seq; seq++) {
        char number[32];
        (void)snprintf(number, sizeof(number), "%" PRIu64 " ", seq);
        put_text(out, number);
        put_hex(out, it->hashes[seq].bytes, sizeof(it->hashes[seq].bytes));
        put_text(out, " ");
        put_hex(out, it->writer.frames.data + it->frame_offsets[seq],
                it->frame_offsets[seq + 1] - it->frame_offsets[seq]);
        put_text(out, "\n");
    }
    assert_false(out->failed);
    theater__buffer_deinit(&file);
}

static void rebase(const theater__buffer *text)
{
    FILE *file = fopen(THEATER_TEST_VECTORS "/chain-v1.txt", "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text->data, 1, text->size, file), text->size);
    assert_int_equal(fclose(file), 0);
}

static void chain_v1__the_same_events_give_the_same_bytes(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_everything(&it);
    theater__buffer text = {0};
    theater__buffer expected = {0};
    describe(&it, &text);
    if (getenv("THEATER_REBASE") != NULL) {
        rebase(&text);
    }
    read_vector("chain-v1.txt", &expected);
    assert_int_equal(text.size, expected.size);
    assert_memory_equal(text.data, expected.data, expected.size);
    theater__buffer_deinit(&expected);
    theater__buffer_deinit(&text);
    story_end(&it);
}

static int hex_digit(uint8_t c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Joins the header and the frames of the vector: the last word of each line that is no comment. */
static void join(const theater__buffer *text, theater__buffer *file)
{
    size_t at = 0;
    while (at < text->size) {
        const uint8_t *end = memchr(text->data + at, '\n', text->size - at);
        assert_non_null(end);
        size_t line_end = (size_t)(end - text->data);
        const uint8_t *blank = memrchr(text->data + at, ' ', line_end - at);
        if (text->data[at] != '#') {
            assert_non_null(blank);
            for (const uint8_t *c = blank + 1; c < end; c += 2) {
                theater__buffer_put_u8(file, (uint8_t)(hex_digit(c[0]) << 4 | hex_digit(c[1])));
            }
        }
        at = line_end + 1;
    }
}

static void chain_v1__is_read_and_verified(void **state)
{
    (void)state;
    theater__buffer text = {0};
    theater__buffer file = {0};
    read_vector("chain-v1.txt", &text);
    join(&text, &file);
    theater_head head;
    /* Written down here a second time, so that the vector cannot change unseen. */
    assert_int_equal(theater_head_parse(CHAIN_V1_HEAD, &head, NULL), THEATER_OK);
    theater_chain *chain = chain_of_bytes(file.data, file.size);
    theater_chain_report report = report_of(chain, &head);
    if (report.verdict != THEATER_CHAIN_ANCHORED) {
        char hash[THEATER_HASH_TEXT_SIZE];
        theater_hash_format(&report.head.hash, hash);
        print_error("%s; the head is %" PRIu64 ":%s\n", report.message, report.head.seq, hash);
    }
    assert_int_equal(report.verdict, THEATER_CHAIN_ANCHORED);
    assert_int_equal(report.events_count, 23);
    theater_chain_free(chain);
    theater__buffer_deinit(&text);
    theater__buffer_deinit(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chain_v1__the_same_events_give_the_same_bytes),
        cmocka_unit_test(chain_v1__is_read_and_verified),
    };
    return cmocka_run_group_tests_name("chain_vector", tests, NULL, NULL);
}
