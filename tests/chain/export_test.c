/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exports: for people, for programs, and for Theater byte by byte.
 */
#include "story.h"

#include "exporter.h"

#include <stdio.h>
#include <string.h>

static void assert_export(const theater_chain *chain, theater_chain_format format,
                          const char *expected)
{
    theater__buffer out = {0};
    export_all(chain, format, &out);
    theater__buffer_put_u8(&out, 0);
    assert_string_equal((const char *)out.data, expected);
    theater__buffer_deinit(&out);
}

static void assert_story(const story *it, theater_chain_format format, const char *expected)
{
    theater_chain *chain = chain_of(it);
    assert_export(chain, format, expected);
    theater_chain_free(chain);
}

static void text__one_aligned_line_an_event(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_everything(&it);
    /* A long log line is event 11; it is compared by itself below. */
    theater_chain *chain = chain_of(&it);
    theater__buffer out = {0};
    export_all(chain, THEATER_CHAIN_TEXT, &out);
    char *text = (char *)theater__buffer_extend(&out, 1);
    assert_non_null(text);
    *text = '\0';
    text = (char *)out.data;
    char *cut = strstr(text, "(\"xxx");
    assert_non_null(cut);
    char *rest = strchr(cut, '\n');
    *cut = '\0';
    assert_string_equal(
        text,
        "     0  2025-11-23T08:00:00.123Z  genesis  genesis     actor "
        "11111111-1111-1111-1111-111111111111, component c0c0c0c0c0c0..., engine wasmtime 48.0.0, "
        "handlers timing runtime\n"
        "     1  2025-11-23T08:00:00.123Z  call     call        my:app/main.run(\"world\")\n"
        "     2  2025-11-23T08:00:00.123Z  input    answer      ntwk:theater/timing.now() = "
        "1763884800123 x3\n"
        "     3  2025-11-23T08:00:00.123Z  request  wait        ntwk:theater/timing.sleep(250) "
        "until +250 ms\n"
        "     4  2025-11-23T08:00:00.123Z  ambient  rebase      of 3: 120 ms remain\n"
        "     5  2025-11-23T08:00:00.373Z  input    completion  of 3: due, 0.052 ms late = "
        "{\"ok\":null}\n"
        "     6  2025-11-23T08:00:00.373Z  request  wait        "
        "ntwk:theater/timing.deadline(1763884800473) until 2025-11-23T08:00:00.473Z\n"
        "     7  2025-11-23T08:00:00.373Z  ambient  step        -3600000 ms\n"
        "     8  2025-11-23T08:00:00.373Z  input    completion  of 6: cancelled by operator = "
        "{\"err\":\"Actor error: Operation channel closed\"}\n"
        "     9  2025-11-23T08:00:00.373Z  input    answer      ntwk:theater/timing.sleep(3) = "
        "{\"err\":\"Duration too short: 3 ms is below minimum of 5 ms\"}\n"
        "    10  2025-11-23T08:00:00.373Z  request  post        "
        "ntwk:theater/runtime.log(\"tick 1\")\n"
        "    11  2025-11-23T08:00:00.373Z  request  post        ntwk:theater/runtime.log");
    assert_string_equal(
        rest,
        "\n"
        "    12  2025-11-23T08:00:00.373Z  request  post        ntwk:theater/runtime.log(\"a "
        "secret\")\n"
        "    13  2025-11-23T08:00:00.373Z  request  effect      my:app/db.lookup(\"world\")\n"
        "    14  2025-11-23T08:00:00.373Z  input    completion  of 13: completed by operator = "
        "18446744073709551615\n"
        "    15  2025-11-23T08:00:00.373Z  request  wait        "
        "my:app/approval.wait(18446744073709551615) until completed\n"
        "    16  2025-11-23T08:00:00.373Z  input    completion  of 15: woken by operator\n"
        "    17  2025-11-23T08:00:00.373Z  request  return      18446744073709551615, state 11 "
        "bytes\n"
        "    18  2025-11-23T08:00:00.373Z  ambient  engine      wasmtime 48.0.0 -> wasmtime "
        "48.0.1\n"
        "    19  2025-11-23T08:00:00.373Z  ambient  note        parked\n"
        "    20  2025-11-23T08:00:00.373Z  call     call        my:app/main.spin()\n"
        "    21  2025-11-23T08:00:00.373Z  input    terminate   cpu: turn_cpu_ms_max (5000) "
        "reached\n"
        "    22  2025-11-23T08:00:00.373Z  end      end         cpu: turn_cpu_ms_max (5000) "
        "reached\n");
    theater__buffer_deinit(&out);
    theater_chain_free(chain);
    story_end(&it);
}

static void text__is_safe_for_a_terminal(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_genesis(&it, 0x11);
    story_ambient(&it, THEATER_KIND_NOTE,
                  "\x1b[31m red\r\n\x7f \xc2\x9b CSI \xe2\x80\xae bidi \xe2\x80\x8b zero "
                  "\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x98\x80 '\\'",
                  "");
    theater_chain *chain = chain_of(&it);
    theater__buffer out = {0};
    export_all(chain, THEATER_CHAIN_TEXT, &out);
    theater__buffer_put_u8(&out, 0);
    const char *line = strstr((const char *)out.data, "\\u{1b}");
    assert_non_null(line);
    assert_string_equal(line, "\\u{1b}[31m red\\u{d}\\u{a}\\u{7f} \\u{9b} CSI \\u{202e} bidi "
                              "\\u{200b} zero \xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x98\x80 '\\'\n");
    for (size_t i = 0; i + 1 < out.size; i++) {
        assert_true(out.data[i] >= 0x20 || out.data[i] == '\n');
    }
    theater__buffer_deinit(&out);
    theater_chain_free(chain);
    story_end(&it);
}

static void text__long_details_are_cut_and_say_so(void **state)
{
    (void)state;
    char line[3001];
    for (size_t i = 0; i + 1 < sizeof(line); i += 3) {
        memcpy(line + i, "\xe2\x82\xac", 3);
    }
    line[sizeof(line) - 1] = '\0';
    story it;
    story_begin(&it);
    story_genesis(&it, 0x11);
    story_ambient(&it, THEATER_KIND_NOTE, line, "");
    theater_chain *chain = chain_of(&it);
    theater__buffer out = {0};
    export_all(chain, THEATER_CHAIN_TEXT, &out);
    theater__buffer_put_u8(&out, 0);
    assert_non_null(strstr((const char *)out.data, "\xe2\x82\xac ... (1974 more bytes)\n"));
    assert_true(theater__utf8_valid(out.data, out.size - 1));
    theater__buffer_deinit(&out);
    theater_chain_free(chain);
    story_end(&it);
}

static void text__an_erased_payload_says_so(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_genesis(&it, 0x11);
    it.is_private = true;
    story_ambient(&it, THEATER_KIND_NOTE, "secret", "");
    theater__buffer erased = {0};
    assert_int_equal(
        theater__chain_redact(it.writer.frames.data, it.writer.frames.size, 1, &erased, NULL),
        THEATER_OK);
    theater_chain *chain = NULL;
    assert_int_equal(theater__chain_from_frames(erased.data, erased.size, NULL, &chain, NULL),
                     THEATER_OK);
    theater__buffer out = {0};
    export_all(chain, THEATER_CHAIN_TEXT, &out);
    theater__buffer_put_u8(&out, 0);
    assert_non_null(strstr((const char *)out.data,
                           "     1  2025-11-23T08:00:00.123Z  ambient  note        (erased)\n"));
    theater_chain_free(chain);
    theater__buffer_deinit(&out);
    theater__buffer_deinit(&erased);
    story_end(&it);
}

static void wall_format__the_calendar(void **state)
{
    (void)state;
    static const struct {
        uint64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {951782399999, "2000-02-28T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {951868800000, "2000-03-01T00:00:00.000Z"},
        {1767225599999, "2025-12-31T23:59:59.999Z"},
        {1767225600000, "2026-01-01T00:00:00.000Z"},
        {4107542400000, "2100-03-01T00:00:00.000Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {253402300800000, "@253402300800000"},
        {UINT64_MAX, "@18446744073709551615"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char text[THEATER__TIME_TEXT_SIZE];
        theater_wall wall = {cases[i].ms};
        theater__wall_format(wall, text);
        assert_string_equal(text, cases[i].text);
    }
}

/* ---- jsonl ----------------------------------------------------------------------------------- */

/* The lines without their hashes, which chain-v1.txt pins down. */
static const char *const jsonl_lines[] = {
    "{\"seq\":0,\"class\":\"genesis\",\"kind\":\"genesis\",\"wall\":1763884800123,"
    "\"actor\":\"11111111-1111-1111-1111-111111111111\",\"component\":"
    "\"c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0\",\"semantics\":"
    "\"nan-canonical,relaxed-simd-deterministic\",\"engine\":\"wasmtime 48.0.0\","
    "\"simulated\":false,\"nonce\":\"17171717171717171717171717171717\",\"limits\":"
    "{\"memory_bytes_max\":67108864,\"table_elements_max\":20000,\"instances_max\":64,"
    "\"tables_max\":16,\"memories_max\":4,\"handles_max\":1000,\"host_call_bytes_max\":1048576,"
    "\"turn_cpu_ms_max\":5000,\"call_cpu_ms_max\":60000,\"call_chain_bytes_max\":67108864,"
    "\"state_bytes_max\":1048576},\"handlers\":[{\"name\":\"timing\",\"config\":[5,60000]},"
    "{\"name\":\"runtime\",\"config\":[]}],\"hash\":\"",
    "{\"seq\":1,\"class\":\"call\",\"kind\":\"call\",\"wall\":1763884800123,\"export\":"
    "\"my:app/main.run\",\"args\":[\"world\"],\"state\":\"7374617465206265666f7265\",\"hash\":"
    "\"",
    "{\"seq\":2,\"fold\":0,\"of\":3,\"class\":\"input\",\"kind\":\"answer\",\"wall\":"
    "1763884800123,\"function\":\"ntwk:theater/timing.now\",\"args\":[],\"result\":"
    "1763884800123,\"hash\":\"",
    "{\"seq\":2,\"fold\":2,\"of\":3,\"class\":\"input\",",
    "{\"seq\":3,\"class\":\"request\",\"kind\":\"wait\",\"wall\":1763884800123,\"function\":"
    "\"ntwk:theater/timing.sleep\",\"args\":[250],\"wait\":\"elapsed\",\"duration_ms\":250,"
    "\"armed_ns\":123456789,\"boot\":\"b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0\",\"hash\":\"",
    "{\"seq\":4,\"class\":\"ambient\",\"kind\":\"rebase\",\"wall\":1763884800123,\"request\":3,"
    "\"remaining_ms\":120,\"armed_ns\":5000,\"boot\":\"b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1\","
    "\"hash\":\"",
    "{\"seq\":5,\"class\":\"input\",\"kind\":\"completion\",\"wall\":1763884800373,\"request\":"
    "3,\"outcome\":\"due\",\"late_ns\":52000,\"by\":\"\",\"result\":{\"ok\":null},\"hash\":\"",
    "{\"seq\":6,\"class\":\"request\",\"kind\":\"wait\",\"wall\":1763884800373,\"function\":"
    "\"ntwk:theater/timing.deadline\",\"args\":[1763884800473],\"wait\":\"wall\",\"due_ms\":"
    "1763884800473,\"hash\":\"",
    "{\"seq\":7,\"class\":\"ambient\",\"kind\":\"step\",\"wall\":1763884800373,\"delta_ms\":"
    "-3600000,\"hash\":\"",
    "{\"seq\":12,\"class\":\"request\",\"kind\":\"post\",\"wall\":1763884800373,\"external\":"
    "true,\"function\":\"ntwk:theater/runtime.log\",\"args\":[\"a secret\"],\"hash\":\"",
    "{\"seq\":13,\"class\":\"request\",\"kind\":\"effect\",\"wall\":1763884800373,\"function\":"
    "\"my:app/db.lookup\",\"args\":[\"world\"],\"hash\":\"",
    "{\"seq\":14,\"class\":\"input\",\"kind\":\"completion\",\"wall\":1763884800373,"
    "\"request\":13,\"outcome\":\"completed\",\"late_ns\":0,\"by\":\"operator\",\"result\":"
    "18446744073709551615,\"hash\":\"",
    "{\"seq\":15,\"class\":\"request\",\"kind\":\"wait\",\"wall\":1763884800373,\"function\":"
    "\"my:app/approval.wait\",\"args\":[18446744073709551615],\"wait\":\"token\",\"hash\":\"",
    "{\"seq\":17,\"class\":\"request\",\"kind\":\"return\",\"wall\":1763884800373,\"result\":"
    "18446744073709551615,\"state\":\"7374617465206166746572\",\"hash\":\"",
    "{\"seq\":18,\"class\":\"ambient\",\"kind\":\"engine\",\"wall\":1763884800373,\"old\":"
    "\"wasmtime 48.0.0\",\"new\":\"wasmtime 48.0.1\",\"hash\":\"",
    "{\"seq\":19,\"class\":\"ambient\",\"kind\":\"note\",\"wall\":1763884800373,\"text\":"
    "\"parked\",\"hash\":\"",
    "{\"seq\":22,\"class\":\"end\",\"kind\":\"end\",\"wall\":1763884800373,\"reason\":\"cpu\","
    "\"text\":\"turn_cpu_ms_max (5000) reached\",\"hash\":\"",
};

static void jsonl__every_kind(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_everything(&it);
    theater_chain *chain = chain_of(&it);
    theater__buffer out = {0};
    export_all(chain, THEATER_CHAIN_JSONL, &out);
    theater__buffer_put_u8(&out, 0);
    const char *text = (const char *)out.data;
    for (size_t i = 0; i < LENGTH(jsonl_lines); i++) {
        if (strstr(text, jsonl_lines[i]) == NULL) {
            print_error("missing: %s\nin: %s\n", jsonl_lines[i], text);
        }
        assert_non_null(strstr(text, jsonl_lines[i]));
    }
    size_t count = 0;
    for (size_t i = 0; i < out.size; i++) {
        count += out.data[i] == '\n' ? 1 : 0;
    }
    assert_int_equal(count, it.writer.next_seq + 2); /* one answer stands for three */
    theater__buffer_deinit(&out);
    theater_chain_free(chain);
    story_end(&it);
}

/* ---- binary ---------------------------------------------------------------------------------- */

static void binary__loads_and_verifies_to_the_same_head(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_everything(&it);
    theater_chain *chain = chain_of(&it);
    theater__buffer file = {0};
    theater__buffer expected = {0};
    theater__buffer again = {0};
    story_file(&it, &expected);
    export_all(chain, THEATER_CHAIN_BINARY, &file);
    assert_int_equal(file.size, expected.size);
    assert_memory_equal(file.data, expected.data, expected.size);
    theater_chain *loaded = chain_of_bytes(file.data, file.size);
    theater_head head = {it.writer.next_seq - 1, it.writer.head};
    assert_int_equal(report_of(loaded, &head).verdict, THEATER_CHAIN_ANCHORED);
    export_all(loaded, THEATER_CHAIN_BINARY, &again);
    assert_int_equal(again.size, file.size);
    assert_memory_equal(again.data, file.data, file.size);
    theater_chain_free(loaded);
    theater_chain_free(chain);
    theater__buffer_deinit(&file);
    theater__buffer_deinit(&again);
    theater__buffer_deinit(&expected);
    story_end(&it);
}

/* ---- the ends of exports --------------------------------------------------------------------- */

static int collect(const void *data, size_t size, void *userdata)
{
    theater__buffer_put(userdata, data, size);
    return 0;
}

static int stop_at_once(const void *data, size_t size, void *userdata)
{
    (void)data;
    (void)size;
    ++*(int *)userdata;
    return 1;
}

static void export__stops_at_the_damage_and_gives_what_is_before(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_everything(&it);
    it.writer.frames.data[it.frame_offsets[5] + 3] ^= 4;
    theater_chain *chain = chain_of(&it);
    for (int format = THEATER_CHAIN_TEXT; format <= THEATER_CHAIN_BINARY; format++) {
        theater__buffer out = {0};
        theater_error err = THEATER_ERROR_INIT;
        assert_int_equal(
            theater_chain_export(chain, (theater_chain_format)format, collect, &out, &err),
            THEATER_ERR_CORRUPT);
        assert_memory_equal(err.message, "event 5: ", 9);
        assert_true(out.size > 0);
        if (format == THEATER_CHAIN_BINARY) {
            assert_int_equal(out.size, 25 + it.frame_offsets[5]);
        }
        theater__buffer_deinit(&out);
    }
    theater_chain_free(chain);
    story_end(&it);
}

static void export__stops_when_the_receiver_says_so(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_genesis(&it, 0x11);
    story_call(&it, "run", NULL, 0, "");
    story_now(&it, THEATER__ANSWER_COUNT_MAX); /* 200 MB of lines if nobody stopped it */
    theater_chain *chain = chain_of(&it);
    for (int format = THEATER_CHAIN_TEXT; format <= THEATER_CHAIN_BINARY; format++) {
        int calls = 0;
        theater_error err = THEATER_ERROR_INIT;
        assert_int_equal(
            theater_chain_export(chain, (theater_chain_format)format, stop_at_once, &calls, &err),
            THEATER_ERR_CANCELLED);
        assert_int_equal(calls, 1);
    }
    assert_int_equal(theater_chain_export(chain, (theater_chain_format)9, stop_at_once, NULL, NULL),
                     THEATER_ERR_INVALID);
    theater_chain_free(chain);
    story_end(&it);
}

static void export__a_failed_allocation_is_reported(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_everything(&it);
    theater_chain *chain = chain_of(&it);
    for (int format = THEATER_CHAIN_TEXT; format <= THEATER_CHAIN_BINARY; format++) {
        theater__buffer good = {0};
        export_all(chain, (theater_chain_format)format, &good);
        for (uint64_t k = 1;; k++) {
            uint8_t *copy = theater__alloc(good.size);
            theater__buffer out = {copy, 0, good.size, false};
            assert_non_null(copy);
            theater_error err = THEATER_ERROR_INIT;
            theater__alloc_fail_at(k);
            theater_status status =
                theater_chain_export(chain, (theater_chain_format)format, collect, &out, &err);
            theater__alloc_fail_at(0);
            if (status == THEATER_OK) {
                assert_int_equal(out.size, good.size);
                assert_memory_equal(out.data, good.data, good.size);
            } else {
                assert_int_equal(status, THEATER_ERR_NOMEM);
            }
            theater__buffer_deinit(&out);
            if (status == THEATER_OK) {
                break;
            }
            assert_in_range(k, 1, 1000);
        }
        theater__buffer_deinit(&good);
    }
    theater_chain_free(chain);
    story_end(&it);
}

/* ---- theater-json ---------------------------------------------------------------------------- */

/* What Theater's own run did that tests/vectors/theater-chain-1.json recorded. */
static void tell_vector(story *it)
{
    static const uint8_t params[] = {1, 2, 255};
    theater_value arg = {.kind = THEATER_VALUE_BYTES, .of.bytes = {params, sizeof(params)}};
    story_genesis(it, 0x11);
    story_call(it, "my:app/main.run", NULL, 0, "");
    story_now(it, 1);
    story_wait(it, "ntwk:theater/timing.sleep", THEATER__WAIT_ELAPSED, 250);
    it->wall_ms = 1763884800373;
    story_complete_unit(it, 3, THEATER_WAIT_DUE, NULL);
    story_answer_unit(it, "ntwk:theater/timing.sleep", 0, NULL);
    story_answer_unit(it, "ntwk:theater/timing.sleep", 3,
                      "Duration too short: 3 ms is below minimum of 5 ms");
    story_answer_unit(it, "ntwk:theater/timing.sleep", UINT64_MAX,
                      "Duration too long: 18446744073709551615 ms exceeds maximum of 60000 ms");
    story_answer_unit(it, "ntwk:theater/timing.deadline", 1763884800123, NULL);
    story_wait(it, "ntwk:theater/timing.deadline", THEATER__WAIT_WALL, 1763884800473);
    it->wall_ms = 1763884800474;
    story_complete_unit(it, 9, THEATER_WAIT_DUE, NULL);
    story_answer_unit(it, "ntwk:theater/timing.deadline", 1763884860475,
                      "Deadline too far in the future: 60001 ms from now exceeds maximum of 60000 "
                      "ms");
    it->wall_ms = 1763884800475;
    story_log(it, "tick 1");
    story_return(it, NULL, "");
    story_call(it, "ntwk:theater/actor.init", &arg, 1, "");
}

/*
 * Theater's vector has a call only at its end: its operations come from no call. Ours always do. So
 * the two events around them (call 1, return 13) are left out here, and everything else has to be
 * Theater's file byte by byte: mapping, wording, hashes, layout.
 */
static void theater_json__is_the_vector_byte_for_byte(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    tell_vector(&it);
    theater_chain *chain = chain_of(&it);
    theater__buffer expected = {0};
    theater__buffer out = {0};
    read_vector("theater-chain-1.json", &expected);

    theater__exporter *exporter = theater__exporter_new(chain, collect, &out);
    assert_non_null(exporter);
    theater__foreign_begin(&exporter->foreign, &exporter->sink);
    while (theater__walk_next(&exporter->walk, &exporter->walked, NULL) == THEATER_OK) {
        uint64_t seq = exporter->walked.event.seq;
        if (seq != 1 && seq != 13) {
            theater__export_event_theater(exporter);
        }
    }
    theater__foreign_end(&exporter->foreign);
    assert_int_equal(theater__sink_flush(&exporter->sink, NULL), THEATER_OK);
    theater__exporter_free(exporter);

    assert_int_equal(out.size, expected.size);
    assert_memory_equal(out.data, expected.data, expected.size);
    theater_chain_free(chain);
    theater__buffer_deinit(&out);
    theater__buffer_deinit(&expected);
    story_end(&it);
}

/* The data and descriptions of an export to Theater's format, one event a line. */
static void assert_foreign(const story *it, const char *expected)
{
    theater_chain *chain = chain_of(it);
    theater__buffer json = {0};
    export_all(chain, THEATER_CHAIN_THEATER_JSON, &json);
    theater_chain_free(chain);

    theater__buffer lines = {0};
    theater__foreign_reader reader;
    theater__foreign_event event;
    theater_error err = THEATER_ERROR_INIT;
    theater_status status;
    theater__foreign_reader_init(&reader, json.data, json.size);
    while ((status = theater__foreign_read(&reader, &event, &err)) == THEATER_OK) {
        theater__buffer_put(&lines, event.event_type.data, event.event_type.size);
        theater__buffer_put(&lines, " ", 1);
        theater__buffer_put(&lines, event.data.data, event.data.size);
        if (event.has_description) {
            theater__buffer_put(&lines, " ", 1);
            theater__buffer_put(&lines, event.description.data, event.description.size);
        }
        theater__buffer_put(&lines, event.timestamp == 0 ? " @0\n" : "\n",
                            event.timestamp == 0 ? 4 : 1);
    }
    assert_int_equal(status, THEATER_ERR_NOTFOUND);
    theater__foreign_reader_deinit(&reader);
    theater__buffer_put_u8(&lines, 0);
    assert_string_equal((const char *)lines.data, expected);
    theater__buffer_deinit(&lines);
    theater__buffer_deinit(&json);
}

static void theater_json__calls_results_and_errors(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {7, 8};
    theater_value list = {.kind = THEATER_VALUE_BYTES, .of.bytes = {bytes, 2}};
    theater_value number = theater_value_u64(5);
    theater_value ok = theater_value_result(true, &number);
    story it;
    story_begin(&it);
    story_genesis(&it, 0x11);
    story_call(&it, "run", &number, 1, "");
    story_return(&it, &ok, "");
    story_call(&it, "f", NULL, 0, "");
    story_return(&it, NULL, "");
    story_call(&it, "g", &list, 1, "");
    story_return(&it, &list, "");
    story_call(&it, "spin", NULL, 0, "");
    story_ending(&it, THEATER_KIND_TERMINATE, THEATER_END_CPU, "too \"long\"");
    story_call(&it, "trap", NULL, 0, "");
    story_ending(&it, THEATER_KIND_END, THEATER_END_TRAPPED, "");
    assert_foreign(
        &it,
        /* params are the bytes of "[5]", "[]", and 7 8 themselves */
        "wasm {\"Wasm\":{\"WasmCall\":{\"function_name\":\"run\",\"params\":[91,53,93]}}} @0\n"
        "wasm {\"Wasm\":{\"WasmResult\":{\"function_name\":\"run\",\"result\":"
        "[123,34,111,107,34,58,53,125]}}} @0\n"
        "wasm {\"Wasm\":{\"WasmCall\":{\"function_name\":\"f\",\"params\":[91,93]}}} @0\n"
        "wasm {\"Wasm\":{\"WasmResult\":{\"function_name\":\"f\",\"result\":[]}}} @0\n"
        "wasm {\"Wasm\":{\"WasmCall\":{\"function_name\":\"g\",\"params\":[7,8]}}} @0\n"
        "wasm {\"Wasm\":{\"WasmResult\":{\"function_name\":\"g\",\"result\":[7,8]}}} @0\n"
        "wasm {\"Wasm\":{\"WasmCall\":{\"function_name\":\"spin\",\"params\":[91,93]}}} @0\n"
        "wasm {\"Wasm\":{\"WasmError\":{\"function_name\":\"spin\",\"message\":\"too "
        "\\\"long\\\"\"}}} @0\n"
        "wasm {\"Wasm\":{\"WasmCall\":{\"function_name\":\"trap\",\"params\":[91,93]}}} @0\n"
        "wasm {\"Wasm\":{\"WasmError\":{\"function_name\":\"trap\",\"message\":\"trapped\"}}} "
        "@0\n");
    story_end(&it);
}

static void theater_json__functions_of_an_embedder(void **state)
{
    (void)state;
    theater_value name = theater_value_text("x", 1);
    theater_value number = theater_value_u64(5);
    story it;
    story_begin(&it);
    story_genesis(&it, 0x11);
    story_call(&it, "run", NULL, 0, "");
    story_request(&it, THEATER_KIND_EFFECT, "my:app/db.lookup", &name, 1);
    story_complete(&it, 2, THEATER_WAIT_COMPLETED, &number);
    story_answer(&it, "wasi:random/random.get-random-u64", NULL, 0, &number, 1);
    story_request(&it, THEATER_KIND_POST, "wasi:io/streams.[method]output-stream.write", &name, 1);
    story_answer(&it, "plain", &name, 1, NULL, 1);
    /* A timing function with arguments that timing does not have is none of Theater's. */
    story_answer(&it, "ntwk:theater/timing.sleep", &name, 1, NULL, 1);
    assert_foreign(
        &it,
        "wasm {\"Wasm\":{\"WasmCall\":{\"function_name\":\"run\",\"params\":[91,93]}}} @0\n"
        "my:app/db/lookup {\"Custom\":{\"Call\":{\"function\":\"my:app/db.lookup\",\"args\":"
        "[\"x\"]}}}\n"
        "my:app/db/lookup {\"Custom\":{\"Result\":{\"function\":\"my:app/db.lookup\",\"result\":"
        "5}}}\n"
        "wasi:random/random/get-random-u64 {\"Custom\":{\"Call\":{\"function\":"
        "\"wasi:random/random.get-random-u64\",\"args\":[]}}}\n"
        "wasi:random/random/get-random-u64 {\"Custom\":{\"Result\":{\"function\":"
        "\"wasi:random/random.get-random-u64\",\"result\":5}}}\n"
        "wasi:io/streams/[method]output-stream.write {\"Custom\":{\"Call\":{\"function\":"
        "\"wasi:io/streams.[method]output-stream.write\",\"args\":[\"x\"]}}}\n"
        "plain {\"Custom\":{\"Call\":{\"function\":\"plain\",\"args\":[\"x\"]}}}\n"
        "plain {\"Custom\":{\"Result\":{\"function\":\"plain\",\"result\":null}}}\n"
        "ntwk:theater/timing/sleep {\"Custom\":{\"Call\":{\"function\":"
        "\"ntwk:theater/timing.sleep\",\"args\":[\"x\"]}}}\n"
        "ntwk:theater/timing/sleep {\"Custom\":{\"Result\":{\"function\":"
        "\"ntwk:theater/timing.sleep\",\"result\":null}}}\n");
    story_end(&it);
}

static void theater_json__folds_cancels_and_controls(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_genesis(&it, 0x11);
    story_call(&it, "run", NULL, 0, "");
    story_now(&it, 2);
    story_wait(&it, "ntwk:theater/timing.sleep", THEATER__WAIT_ELAPSED, 9);
    story_rebase(&it, 3, 4);
    story_complete_unit(&it, 3, THEATER_WAIT_CANCELLED, "Actor error: Operation channel closed");
    story_log(&it, "a\x01\x08\x0c\n\r\t\"\\/\x7f\xc3\xa9");
    assert_foreign(
        &it,
        "wasm {\"Wasm\":{\"WasmCall\":{\"function_name\":\"run\",\"params\":[91,93]}}} @0\n"
        "ntwk:theater/timing/now {\"Timing\":{\"NowCall\":{}}} Getting current timestamp\n"
        "ntwk:theater/timing/now {\"Timing\":{\"NowResult\":{\"timestamp\":1763884800123}}} "
        "Current timestamp: 1763884800123\n"
        "ntwk:theater/timing/now {\"Timing\":{\"NowCall\":{}}} Getting current timestamp\n"
        "ntwk:theater/timing/now {\"Timing\":{\"NowResult\":{\"timestamp\":1763884800123}}} "
        "Current timestamp: 1763884800123\n"
        "ntwk:theater/timing/sleep {\"Timing\":{\"SleepCall\":{\"duration\":9}}} Sleeping for 9 "
        "ms\n"
        "ntwk:theater/timing/sleep {\"Timing\":{\"Error\":{\"operation\":\"sleep\",\"message\":"
        "\"Actor error: Operation channel closed\"}}} Actor error: Operation channel closed\n"
        "ntwk:theater/runtime/log {\"Runtime\":{\"Log\":{\"level\":\"info\",\"message\":"
        "\"a\\u0001\\b\\f\\n\\r\\t\\\"\\\\/\x7f\xc3\xa9\"}}} Actor log: "
        "a\x01\x08\x0c\n\r\t\"\\/\x7f\xc3\xa9\n");
    story_end(&it);
}

static void theater_json__an_empty_chain(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_genesis(&it, 0x11);
    assert_story(&it, THEATER_CHAIN_THEATER_JSON,
                 "{\n  \"events\": [],\n  \"current_hash\": null\n}");
    story_end(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text__one_aligned_line_an_event),
        cmocka_unit_test(text__is_safe_for_a_terminal),
        cmocka_unit_test(text__long_details_are_cut_and_say_so),
        cmocka_unit_test(text__an_erased_payload_says_so),
        cmocka_unit_test(wall_format__the_calendar),
        cmocka_unit_test(jsonl__every_kind),
        cmocka_unit_test(binary__loads_and_verifies_to_the_same_head),
        cmocka_unit_test(export__stops_at_the_damage_and_gives_what_is_before),
        cmocka_unit_test(export__stops_when_the_receiver_says_so),
        cmocka_unit_test(export__a_failed_allocation_is_reported),
        cmocka_unit_test(theater_json__is_the_vector_byte_for_byte),
        cmocka_unit_test(theater_json__calls_results_and_errors),
        cmocka_unit_test(theater_json__functions_of_an_embedder),
        cmocka_unit_test(theater_json__folds_cancels_and_controls),
        cmocka_unit_test(theater_json__an_empty_chain),
    };
    return cmocka_run_group_tests_name("chain_export", tests, NULL, NULL);
}
