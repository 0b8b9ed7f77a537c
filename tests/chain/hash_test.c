/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests, the words of the format, and the text of hashes and heads.
 */
#include "story.h"

#include "event.h"
#include "hash.h"

#include <string.h>

static void sha256__known_answers(void **state)
{
    (void)state;
    char text[THEATER_HASH_TEXT_SIZE];
    theater_hash hash = theater__sha256("abc", 3);
    theater_hash_format(&hash, text);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hash = theater__sha256(NULL, 0);
    theater_hash_format(&hash, text);
    assert_string_equal(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void sha1__known_answer_in_pieces(void **state)
{
    (void)state;
    static const uint8_t expected[] = {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e,
                                       0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d};
    theater__sha1 sha1;
    uint8_t digest[THEATER__SHA1_SIZE];
    theater__sha1_init(&sha1);
    theater__sha1_update(&sha1, "a", 1);
    theater__sha1_update(&sha1, "bc", 2);
    theater__sha1_final(&sha1, digest);
    assert_memory_equal(digest, expected, sizeof(expected));
}

static void event_hash__is_the_documented_preimage(void **state)
{
    (void)state;
    theater_hash parent;
    memset(parent.bytes, 0x5a, sizeof(parent.bytes));
    const uint8_t event[] = {1, 2, 3};
    uint8_t preimage[48];
    memcpy(preimage, "theater\0\x01", 9);
    memcpy(preimage + 9, parent.bytes, 32);
    memcpy(preimage + 41, "\x03\0\0\0", 4);
    memcpy(preimage + 45, event, 3);
    theater_hash expected = theater__sha256(preimage, sizeof(preimage));
    theater_hash hash = theater__event_hash(&parent, event, sizeof(event));
    assert_memory_equal(hash.bytes, expected.bytes, sizeof(hash.bytes));
}

static void event_hash__of_every_size_is_padded_right(void **state)
{
    (void)state;
    uint8_t preimage[45 + THEATER__EVENT_SIZE_MAX] = "theater\0\x01";
    theater_hash parent;
    memset(parent.bytes, 0xa5, sizeof(parent.bytes));
    memcpy(preimage + 9, parent.bytes, sizeof(parent.bytes));
    memset(preimage + 45, 0x3c, THEATER__EVENT_SIZE_MAX);
    for (size_t size = 0; size <= THEATER__EVENT_SIZE_MAX; size++) {
        preimage[41] = (uint8_t)size;
        preimage[42] = (uint8_t)(size >> 8);
        theater_hash expected = theater__sha256(preimage, 45 + size);
        theater_hash hash = theater__event_hash(&parent, preimage + 45, size);
        assert_memory_equal(hash.bytes, expected.bytes, sizeof(hash.bytes));
    }
}

static void event_hash__parent_and_size_matter(void **state)
{
    (void)state;
    theater_hash parent = {{0}};
    const uint8_t event[] = {0, 0, 0};
    theater_hash first = theater__event_hash(&parent, event, 2);
    theater_hash longer = theater__event_hash(&parent, event, 3);
    parent.bytes[31] = 1;
    theater_hash other = theater__event_hash(&parent, event, 2);
    assert_memory_not_equal(first.bytes, longer.bytes, 32);
    assert_memory_not_equal(first.bytes, other.bytes, 32);
}

static void head_parse__reads_what_run_prints(void **state)
{
    (void)state;
    theater_head head;
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(
        theater_head_parse("17:BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                           &head, &err),
        THEATER_OK);
    theater_hash expected = theater__sha256("abc", 3);
    assert_int_equal(head.seq, 17);
    assert_memory_equal(head.hash.bytes, expected.bytes, 32);
    assert_int_equal(theater_head_parse("18446744073709551615:"
                                        "a9993e364706816aba3e25717850c26c9cd0d89d",
                                        &head, &err),
                     THEATER_OK);
    assert_true(head.seq == UINT64_MAX);
    assert_int_equal(head.hash.bytes[0], 0xa9);
    assert_int_equal(head.hash.bytes[20], 0);
}

static void head_parse__refuses_everything_else(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        ":",
        "17",
        "17:",
        "17:ba78",
        ":ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "-1:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "1 :ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "18446744073709551616:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "1:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ag",
        "1:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0",
        "1:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad ",
    };
    for (size_t i = 0; i < LENGTH(bad); i++) {
        theater_head head = {77, {{1}}};
        theater_error err = THEATER_ERROR_INIT;
        assert_int_equal(theater_head_parse(bad[i], &head, &err), THEATER_ERR_INVALID);
        assert_int_equal(head.seq, 77);
        assert_true(err.message[0] != '\0');
    }
}

static void names__every_number_has_its_word(void **state)
{
    (void)state;
    assert_string_equal(theater_event_class_name(THEATER_EVENT_REQUEST), "request");
    assert_string_equal(theater_event_kind_name(THEATER_KIND_WAIT), "wait");
    assert_string_equal(theater_end_reason_name(THEATER_END_RETURNED), "returned");
    assert_string_equal(theater_wait_outcome_name(THEATER_WAIT_DUE), "due");
    for (int i = -3; i < 300; i++) {
        bool is_kind = i >= THEATER_KIND_GENESIS && i <= THEATER_KIND_END;
        assert_int_equal(strcmp(theater_event_kind_name((theater_event_kind)i), "?") != 0, is_kind);
        assert_int_equal(theater__kind_class((theater_event_kind)i) != 0, is_kind);
        assert_int_equal(strcmp(theater_event_class_name((theater_event_class)i), "?") != 0,
                         i >= THEATER_EVENT_GENESIS && i <= THEATER_EVENT_END);
        assert_int_equal(strcmp(theater_end_reason_name((theater_end_reason)i), "?") != 0,
                         i >= THEATER_END_RETURNED && i <= THEATER_END_SHUTDOWN);
        assert_int_equal(strcmp(theater_wait_outcome_name((theater_wait_outcome)i), "?") != 0,
                         i >= THEATER_WAIT_DUE && i <= THEATER_WAIT_OVERDUE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256__known_answers),
        cmocka_unit_test(sha1__known_answer_in_pieces),
        cmocka_unit_test(event_hash__is_the_documented_preimage),
        cmocka_unit_test(event_hash__of_every_size_is_padded_right),
        cmocka_unit_test(event_hash__parent_and_size_matter),
        cmocka_unit_test(head_parse__reads_what_run_prints),
        cmocka_unit_test(head_parse__refuses_everything_else),
        cmocka_unit_test(names__every_number_has_its_word),
    };
    return cmocka_run_group_tests_name("chain_hash", tests, NULL, NULL);
}
