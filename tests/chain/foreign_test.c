/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theater's own files: verified, damage named, written again byte by byte, hostile ones refused.
 */
#include "story.h"

#include "foreign.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int collect(const void *data, size_t size, void *userdata)
{
    theater__buffer_put(userdata, data, size);
    return 0;
}

static theater_chain_report report_on(const char *text, size_t size)
{
    theater_chain *chain = chain_of_bytes((const uint8_t *)text, size);
    theater_chain_report report = report_of(chain, NULL);
    theater_chain_free(chain);
    return report;
}

static void vector__is_intact(void **state)
{
    (void)state;
    theater__buffer file = {0};
    read_vector("theater-chain-1.json", &file);
    theater_chain *chain = chain_of_bytes(file.data, file.size);
    theater_chain_report report = report_of(chain, NULL);
    assert_int_equal(report.verdict, THEATER_CHAIN_UNANCHORED);
    assert_int_equal(report.events_count, 18);
    assert_int_equal(report.head.seq, 17);
    assert_int_equal(report.head.hash.bytes[0], 188);
    assert_int_equal(report.head.hash.bytes[19], 170);
    assert_int_equal(report.head.hash.bytes[20], 0);
    theater_head head = report.head;
    assert_int_equal(report_of(chain, &head).verdict, THEATER_CHAIN_ANCHORED);
    head.seq = 18;
    report = report_of(chain, &head);
    assert_int_equal(report.verdict, THEATER_CHAIN_DAMAGED);
    assert_int_equal(report.bad_seq, 18);
    const theater_id none = {{0}};
    theater_id actor = theater_chain_actor(chain);
    assert_memory_equal(actor.bytes, none.bytes, sizeof(none.bytes));
    assert_int_equal(theater__chain_frames(chain).size, 0);
    theater_chain_free(chain);
    theater__buffer_deinit(&file);
}

static void vector__is_written_again_byte_for_byte(void **state)
{
    (void)state;
    theater__buffer file = {0};
    theater__buffer out = {0};
    read_vector("theater-chain-1.json", &file);
    theater_chain *chain = chain_of_bytes(file.data, file.size);
    export_all(chain, THEATER_CHAIN_THEATER_JSON, &out);
    assert_int_equal(out.size, file.size);
    assert_memory_equal(out.data, file.data, file.size);
    theater_chain_free(chain);
    theater__buffer_deinit(&file);
    theater__buffer_deinit(&out);
}

static void vector__exports_as_text_and_lines(void **state)
{
    (void)state;
    theater__buffer file = {0};
    theater__buffer out = {0};
    read_vector("theater-chain-1.json", &file);
    theater_chain *chain = chain_of_bytes(file.data, file.size);
    export_all(chain, THEATER_CHAIN_TEXT, &out);
    theater__buffer_put_u8(&out, 0);
    assert_non_null(strstr((const char *)out.data,
                           "     2  2025-11-23T08:00:00.123Z  ntwk:theater/timing/sleep  "
                           "{\"Timing\":{\"SleepCall\":{\"duration\":250}}}\n"));
    theater__buffer_clear(&out);
    export_all(chain, THEATER_CHAIN_JSONL, &out);
    theater__buffer_put_u8(&out, 0);
    assert_non_null(strstr((const char *)out.data,
                           "{\"seq\":17,\"type\":\"wasm\",\"wall\":0,\"data\":\"{\\\"Wasm\\\":"
                           "{\\\"WasmCall\\\":{\\\"function_name\\\":\\\"ntwk:theater/actor.init"
                           "\\\",\\\"params\\\":[1,2,255]}}}\",\"hash\":\"bc84321dc64c"));
    theater_error err = THEATER_ERROR_INIT;
    assert_int_equal(theater_chain_export(chain, THEATER_CHAIN_BINARY, collect, &out, &err),
                     THEATER_ERR_UNSUPPORTED);
    size_t position = 0;
    theater_event event;
    assert_int_equal(theater_chain_next(chain, &position, &event, &err), THEATER_ERR_UNSUPPORTED);
    theater_chain_free(chain);
    theater__buffer_deinit(&file);
    theater__buffer_deinit(&out);
}

static void flipped_bit__names_the_event_or_changes_no_meaning(void **state)
{
    (void)state;
    theater__buffer file = {0};
    read_vector("theater-chain-1.json", &file);
    char *text = (char *)file.data;
    const char *last_events = strstr(text, "\n  ],");
    assert_non_null(last_events);
    uint64_t seq = 0;
    for (size_t i = 20; i + 6 < file.size; i++) {
        uint8_t before = file.data[i];
        if (memcmp(file.data + i, "\n    {", 6) == 0) {
            seq++; /* the first event's brace lies before byte 20 */
        }
        /* One bit of each byte, another for each: a file is 28,000 of them. */
        file.data[i] ^= (uint8_t)(1u << i % 8);
        theater_chain_report report = report_on(text, file.size);
        /* No single bit turns one white space into another here, so nothing goes unnoticed. */
        assert_int_equal(report.verdict, THEATER_CHAIN_DAMAGED);
        if (text + i < last_events) {
            /* What stands between two events may be counted to the second. */
            bool is_between = strchr(",} \n", before) != NULL;
            assert_in_range(report.bad_seq, seq, seq + (is_between ? 1 : 0));
        }
        file.data[i] = before;
    }
    theater__buffer_deinit(&file);
}

static void cut__anywhere_is_damage(void **state)
{
    (void)state;
    theater__buffer file = {0};
    read_vector("theater-chain-1.json", &file);
    for (size_t size = 12; size < file.size; size += size < 1500 || size > 27500 ? 1 : 101) {
        theater_chain_report report = report_on((const char *)file.data, size);
        assert_int_equal(report.verdict, THEATER_CHAIN_DAMAGED);
    }
    theater__buffer_deinit(&file);
}

/* ---- hand-made files ------------------------------------------------------------------------- */

/* Writes events by our writer; what a text or description holds is the tests' business. */
static void make(theater__buffer *out, const char *const *descriptions, size_t count)
{
    static theater__sink sink;
    theater__foreign_writer writer;
    theater__sink_init(&sink, collect, out);
    theater__foreign_begin(&writer, &sink);
    for (size_t i = 0; i < count; i++) {
        theater__foreign_event event = {0};
        event.event_type = text_of("wasm");
        event.timestamp = UINT64_MAX;
        event.has_description = descriptions[i] != NULL;
        event.description = text_of(descriptions[i] != NULL ? descriptions[i] : "");
        theater__foreign_put(&writer, &event);
    }
    theater__foreign_end(&writer);
    assert_int_equal(theater__sink_flush(&sink, NULL), THEATER_OK);
    theater__buffer_put_u8(out, 0);
    out->size--;
}

static void hash__escapes_as_serde_json_does(void **state)
{
    (void)state;
    /* By Theater's own rule: SHA-1 of this text. */
    static const char compact[] =
        "{\"hash\":[],\"parent_hash\":null,\"event_type\":\"t\\\"\\\\/\",\"data\":[0,9,10,99,100,"
        "255],\"timestamp\":18446744073709551615,\"description\":\"\\b\\f\\n\\r\\t\\u0000\\u000b"
        "\\u001f \x7f \xc3\xa9 \xf0\x9f\x98\x80\"}";
    theater__sha1 sha1;
    uint8_t expected[THEATER__SHA1_SIZE];
    theater__sha1_init(&sha1);
    theater__sha1_update(&sha1, compact, sizeof(compact) - 1);
    theater__sha1_final(&sha1, expected);

    static const uint8_t data[] = {0, 9, 10, 99, 100, 255};
    static const char description[] = "\b\f\n\r\t\0\v\x1f \x7f \xc3\xa9 \xf0\x9f\x98\x80";
    theater__foreign_event event = {0};
    event.event_type = text_of("t\"\\/");
    event.data.data = data;
    event.data.size = sizeof(data);
    event.timestamp = UINT64_MAX;
    event.has_description = true;
    event.description.data = description;
    event.description.size = sizeof(description) - 1;
    uint8_t hash[THEATER__SHA1_SIZE];
    theater__foreign_hash(&event, hash);
    assert_memory_equal(hash, expected, sizeof(hash));
}

static void texts__other_spellings_mean_the_same(void **state)
{
    (void)state;
    static const char *const descriptions[] = {"A\xc3\xa9\xf0\x9f\x98\x80/\"\x01", NULL};
    theater__buffer file = {0};
    make(&file, descriptions, 2);
    assert_int_equal(report_on((const char *)file.data, file.size).verdict,
                     THEATER_CHAIN_UNANCHORED);
    /* The same text with other escapes, keys in another order, and without white space. */
    char *found = strstr((char *)file.data, "A\xc3\xa9\xf0\x9f\x98\x80/\\\"\\u0001");
    assert_non_null(found);
    theater__buffer other = {0};
    theater__buffer_put(&other, file.data, (size_t)(found - (char *)file.data));
    static const char spelling[] = "\\u0041\\u00e9\\uD83D\\ude00\\/\\u0022\\u0001";
    theater__buffer_put(&other, spelling, sizeof(spelling) - 1);
    found += strlen("A\xc3\xa9\xf0\x9f\x98\x80/\\\"\\u0001");
    theater__buffer_put(&other, found, strlen(found));
    assert_int_equal(report_on((const char *)other.data, other.size).verdict,
                     THEATER_CHAIN_UNANCHORED);
    theater__buffer compact = {0};
    bool is_in_text = false;
    for (size_t i = 0; i < other.size; i++) {
        is_in_text ^= other.data[i] == '"';
        if (is_in_text || (other.data[i] != ' ' && other.data[i] != '\n')) {
            theater__buffer_put_u8(&compact, other.data[i]);
        }
    }
    assert_int_equal(report_on((const char *)compact.data, compact.size).verdict,
                     THEATER_CHAIN_UNANCHORED);
    theater__buffer_deinit(&compact);
    theater__buffer_deinit(&other);
    theater__buffer_deinit(&file);
}

#define H20 "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]"
#define EVENT(members) "{\"events\":[{" members "}],\"current_hash\":" H20 "}"
#define REST ",\"event_type\":\"wasm\",\"data\":[],\"timestamp\":0,\"description\":null"

static void hostile__files_are_damaged_and_harm_nobody(void **state)
{
    (void)state;
    static const char *const files[] = {
        "{\"events\"",
        "{\"events\":",
        "{\"events\":[",
        "{\"events\":[]",
        "{\"events\":[]}",
        "{\"events\":[],\"current_hash\":" H20 "}",
        "{\"events\":[],\"current_hash\":null} x",
        "{\"events\":[],\"current_hash\":null}}",
        "{\"events\":[],\"current_hash\":null,}",
        "{\"events\":[],,\"current_hash\":null}",
        "{\"events\":[],\"events\":[],\"current_hash\":null}",
        "{\"current_hash\":null,\"current_hash\":null,\"events\":[]}",
        "{\"events\":[],\"current_hash\":null,\"more\":1}",
        "{\"events\":{},\"current_hash\":null}",
        "{\"events\":[null],\"current_hash\":null}",
        "{\"events\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        "{\"current_hash\":null}",
        EVENT(""),
        EVENT("\"hash\":" H20 ",\"parent_hash\":null" REST),
        EVENT("\"hash\":[],\"parent_hash\":null" REST),
        EVENT("\"hash\":[256],\"parent_hash\":null" REST),
        EVENT("\"hash\":[-1],\"parent_hash\":null" REST),
        EVENT("\"hash\":[1.0],\"parent_hash\":null" REST),
        EVENT("\"hash\":[01],\"parent_hash\":null" REST),
        EVENT("\"hash\":[1e2],\"parent_hash\":null" REST),
        EVENT("\"hash\":[99999999999999999999999],\"parent_hash\":null" REST),
        EVENT("\"hash\":" H20 ",\"hash\":" H20 ",\"parent_hash\":null" REST),
        EVENT("\"hash\":" H20 ",\"parent_hash\":" H20 REST),
        EVENT("\"hash\":" H20 ",\"parent_hash\":null,\"x\":1" REST),
        EVENT("\"hash\":" H20 ",\"parent_hash\":null"),
        EVENT("\"hash\":" H20 ",\"parent_hash\":null,\"event_type\":null,\"data\":[],"
              "\"timestamp\":0,\"description\":null"),
        EVENT("\"hash\":" H20 ",\"parent_hash\":null,\"event_type\":\"a\",\"data\":\"b\","
              "\"timestamp\":0,\"description\":null"),
        EVENT("\"hash\":" H20 ",\"parent_hash\":null,\"event_type\":\"a\",\"data\":[],"
              "\"timestamp\":18446744073709551616,\"description\":null"),
        EVENT("\"hash\":" H20 ",\"parent_hash\":null,\"event_type\":\"\\ud800\",\"data\":[],"
              "\"timestamp\":1,\"description\":null"),
        EVENT("\"hash\":" H20 ",\"parent_hash\":null,\"event_type\":\"\\udc00\",\"data\":[],"
              "\"timestamp\":1,\"description\":null"),
        EVENT("\"hash\":" H20 ",\"parent_hash\":null,\"event_type\":\"\\ud800\\u0041\",\"data\":[],"
              "\"timestamp\":1,\"description\":null"),
        EVENT("\"hash\":" H20 ",\"parent_hash\":null,\"event_type\":\"\\x41\",\"data\":[],"
              "\"timestamp\":1,\"description\":null"),
        EVENT("\"hash\":" H20 ",\"parent_hash\":null,\"event_type\":\"\xff\",\"data\":[],"
              "\"timestamp\":1,\"description\":null"),
        EVENT("\"hash\":" H20 ",\"parent_hash\":null,\"event_type\":\"\n\",\"data\":[],"
              "\"timestamp\":1,\"description\":null"),
        EVENT("\"hash\":" H20 ",\"parent_hash\":null,\"event_type\":\"\\"),
        EVENT("\"hash\":" H20 ",\"parent_hash\":null,\"event_type\":\"\\u00"),
    };
    for (size_t i = 0; i < LENGTH(files); i++) {
        theater_chain_report report = report_on(files[i], strlen(files[i]));
        if (report.verdict != THEATER_CHAIN_DAMAGED || report.bad_seq != 0) {
            print_error("%s: %s\n", files[i], report.message);
        }
        assert_int_equal(report.verdict, THEATER_CHAIN_DAMAGED);
        assert_int_equal(report.bad_seq, 0);
    }
    const char none[] = "{\"events\":[],\"current_hash\":null}";
    assert_int_equal(report_on(none, sizeof(none) - 1).verdict, THEATER_CHAIN_UNANCHORED);
    const char turned[] = "{ \"current_hash\" : null , \"events\" : [ ] } \n";
    assert_int_equal(report_on(turned, sizeof(turned) - 1).verdict, THEATER_CHAIN_UNANCHORED);
}

static void events__removed_swapped_or_relinked_are_named(void **state)
{
    (void)state;
    static const char *const descriptions[] = {"a", "b", "c"};
    theater__buffer file = {0};
    make(&file, descriptions, 3);
    const char *text = (const char *)file.data;
    const char *second = strstr(strstr(text, "\n    {") + 1, "\n    {");
    const char *third = strstr(second + 1, "\n    {");
    const char *end = strstr(third, "\n  ],");
    theater__buffer forged = {0};
    theater__buffer_put(&forged, text, (size_t)(second - text));
    theater__buffer_put(&forged, third, strlen(third));
    theater_chain_report report = report_on((const char *)forged.data, forged.size);
    assert_int_equal(report.bad_seq, 1);
    assert_string_equal(report.message, "event 1: its parent_hash does not link to event 0");

    /* The last one cut off: current_hash still tells. */
    theater__buffer_clear(&forged);
    theater__buffer_put(&forged, text, (size_t)(third - text - 1));
    theater__buffer_put(&forged, end, strlen(end));
    report = report_on((const char *)forged.data, forged.size);
    assert_int_equal(report.verdict, THEATER_CHAIN_DAMAGED);
    assert_int_equal(report.bad_seq, 2);
    assert_non_null(strstr(report.message, "current_hash"));
    theater__buffer_deinit(&forged);
    theater__buffer_deinit(&file);
}

static void hostile__mutated_files_harm_nobody(void **state)
{
    (void)state;
    theater__buffer file = {0};
    read_vector("theater-chain-1.json", &file);
    uint64_t seed = 20261124;
    uint8_t *mutant = theater__alloc(file.size);
    assert_non_null(mutant);
    static const char tokens[] = "{}[],:\"\\u0 \n-1.e9null";
    for (int round = 0; round < 2000; round++) {
        memcpy(mutant, file.data, file.size);
        size_t edits = 1 + next_random(&seed) % 8;
        for (size_t i = 0; i < edits; i++) {
            size_t at = 12 + next_random(&seed) % (file.size - 12);
            mutant[at] = (uint8_t)tokens[next_random(&seed) % (sizeof(tokens) - 1)];
        }
        theater_chain_report report = report_on((const char *)mutant, file.size);
        assert_int_not_equal(report.verdict, THEATER_CHAIN_ANCHORED);
    }
    theater__free(mutant);
    theater__buffer_deinit(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vector__is_intact),
        cmocka_unit_test(vector__is_written_again_byte_for_byte),
        cmocka_unit_test(vector__exports_as_text_and_lines),
        cmocka_unit_test(flipped_bit__names_the_event_or_changes_no_meaning),
        cmocka_unit_test(cut__anywhere_is_damage),
        cmocka_unit_test(hash__escapes_as_serde_json_does),
        cmocka_unit_test(texts__other_spellings_mean_the_same),
        cmocka_unit_test(hostile__files_are_damaged_and_harm_nobody),
        cmocka_unit_test(events__removed_swapped_or_relinked_are_named),
        cmocka_unit_test(hostile__mutated_files_harm_nobody),
    };
    return cmocka_run_group_tests_name("chain_foreign", tests, NULL, NULL);
}
