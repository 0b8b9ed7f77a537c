/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Payload codecs: what is encoded is decoded, whatever is decoded encodes to the same bytes, and
 * nothing else is accepted.
 */
#include "story.h"

#include <base/limits.h>

#include <inttypes.h>
#include <string.h>

/* Decodes what a name says into a value of a type; if that worked, encodes it again. */
#define RECODE(name, type)                                                             \
    static theater_status recode_##name(theater_bytes payload, theater__buffer *again, \
                                        theater_error *err)                            \
    {                                                                                  \
        static type decoded;                                                           \
        theater_status status = theater__##name##_decode(payload, &decoded, err);      \
        if (status == THEATER_OK) {                                                    \
            theater__##name##_encode(again, &decoded);                                 \
        }                                                                              \
        return status;                                                                 \
    }

RECODE(genesis, theater__genesis)
RECODE(call, theater__call_payload)
RECODE(answer, theater__answer)
RECODE(completion, theater__completion)
RECODE(ending, theater__ending)
RECODE(return, theater__return)
RECODE(ambient, theater__ambient)
RECODE(rebase, theater__rebase)

static theater_status recode_step(theater_bytes payload, theater__buffer *again, theater_error *err)
{
    int64_t delta_ms = 0;
    theater_status status = theater__step_decode(payload, &delta_ms, err);
    if (status == THEATER_OK) {
        theater__step_encode(again, delta_ms);
    }
    return status;
}

static theater_status recode_request(theater_event_kind kind, theater_bytes payload,
                                     theater__buffer *again, theater_error *err)
{
    theater__request request;
    theater_status status = theater__request_decode(payload, kind, &request, err);
    if (status == THEATER_OK) {
        theater__request_encode(again, kind, &request);
    }
    return status;
}

/* The one function through which all hostile bytes of this file go. */
static theater_status recode(theater_event_kind kind, theater_bytes payload, theater__buffer *again,
                             theater_error *err)
{
    theater__buffer_clear(again);
    switch (kind) {
    case THEATER_KIND_GENESIS:
        return recode_genesis(payload, again, err);
    case THEATER_KIND_CALL:
        return recode_call(payload, again, err);
    case THEATER_KIND_WAIT:
    case THEATER_KIND_EFFECT:
    case THEATER_KIND_POST:
        return recode_request(kind, payload, again, err);
    case THEATER_KIND_RETURN:
        return recode_return(payload, again, err);
    case THEATER_KIND_ANSWER:
        return recode_answer(payload, again, err);
    case THEATER_KIND_COMPLETION:
        return recode_completion(payload, again, err);
    case THEATER_KIND_TERMINATE:
    case THEATER_KIND_END:
        return recode_ending(payload, again, err);
    case THEATER_KIND_ENGINE:
    case THEATER_KIND_NOTE:
        return recode_ambient(payload, again, err);
    case THEATER_KIND_STEP:
        return recode_step(payload, again, err);
    case THEATER_KIND_REBASE:
        return recode_rebase(payload, again, err);
    default:
        fail();
        return THEATER_ERR_INTERNAL;
    }
}

/* Accepted bytes have to encode to themselves. */
static bool is_accepted(theater_event_kind kind, const uint8_t *data, size_t size,
                        theater__buffer *again)
{
    theater_bytes payload = {data, size};
    theater_error err = THEATER_ERROR_INIT;
    theater_status status = recode(kind, payload, again, &err);
    if (status != THEATER_OK) {
        assert_int_equal(status, THEATER_ERR_CORRUPT);
        assert_true(err.message[0] != '\0');
        return false;
    }
    assert_int_equal(again->size, size);
    assert_memory_equal(again->data, data, size);
    return true;
}

/* Every payload of the story, in the reader's words. */
static void each_payload(void (*visit)(const theater_event *event, theater__buffer *scratch))
{
    story it;
    story_begin(&it);
    story_everything(&it);
    theater__chain_reader reader;
    theater_event event;
    theater__buffer scratch = {0};
    uint32_t kinds = 0;
    theater__chain_reader_init(&reader, it.writer.frames.data, it.writer.frames.size, NULL, 0);
    while (theater__chain_read(&reader, &event, NULL) == THEATER_OK) {
        kinds |= 1u << event.kind;
        visit(&event, &scratch);
    }
    assert_int_equal(kinds, 0x7ffe); /* all fourteen were there */
    theater__buffer_deinit(&scratch);
    story_end(&it);
}

static void visit_canonical(const theater_event *event, theater__buffer *scratch)
{
    assert_true(is_accepted(event->kind, event->payload.data, event->payload.size, scratch));
}

static void payloads__decode_and_encode_to_the_same_bytes(void **state)
{
    (void)state;
    each_payload(visit_canonical);
}

static void visit_cut(const theater_event *event, theater__buffer *scratch)
{
    for (size_t size = 0; size < event->payload.size; size++) {
        assert_false(is_accepted(event->kind, event->payload.data, size, scratch));
    }
    uint8_t longer[1024];
    assert_in_range(event->payload.size, 1, sizeof(longer) - 1);
    memcpy(longer, event->payload.data, event->payload.size);
    longer[event->payload.size] = 0;
    assert_false(is_accepted(event->kind, longer, event->payload.size + 1, scratch));
}

static void payloads__cut_or_longer_ones_are_refused(void **state)
{
    (void)state;
    each_payload(visit_cut);
}

static void visit_flipped(const theater_event *event, theater__buffer *scratch)
{
    uint8_t flipped[1024];
    assert_in_range(event->payload.size, 1, sizeof(flipped));
    memcpy(flipped, event->payload.data, event->payload.size);
    for (size_t i = 0; i < event->payload.size; i++) {
        for (unsigned mask = 1; mask < 256; mask++) {
            flipped[i] ^= (uint8_t)mask;
            (void)is_accepted(event->kind, flipped, event->payload.size, scratch);
            flipped[i] ^= (uint8_t)mask;
        }
    }
}

static void payloads__any_changed_byte_is_refused_or_canonical(void **state)
{
    (void)state;
    each_payload(visit_flipped);
}

static void payloads__random_bytes_do_no_harm(void **state)
{
    (void)state;
    uint64_t seed = 20261123;
    theater__buffer scratch = {0};
    uint8_t bytes[64];
    for (int round = 0; round < 200000; round++) {
        size_t size = next_random(&seed) % sizeof(bytes);
        for (size_t i = 0; i < size; i++) {
            /* Small numbers are lengths and kinds: more of them get further. */
            uint64_t number = next_random(&seed);
            bytes[i] = (uint8_t)((number & 0x300) != 0 ? number & 0x0f : number);
        }
        theater_event_kind kind = (theater_event_kind)(1 + next_random(&seed) % 14);
        (void)is_accepted(kind, bytes, size, &scratch);
    }
    theater__buffer_deinit(&scratch);
}

static void answer__count_has_bounds(void **state)
{
    (void)state;
    const uint8_t zero[] = {1, 'f', 1, 0, 0, 0};
    const uint8_t one[] = {1, 'f', 1, 0, 0, 1};
    const uint8_t most[] = {1, 'f', 1, 0, 0, 0x80, 0x80, 0x40};
    const uint8_t more[] = {1, 'f', 1, 0, 0, 0x81, 0x80, 0x40};
    theater__buffer scratch = {0};
    assert_false(is_accepted(THEATER_KIND_ANSWER, zero, sizeof(zero), &scratch));
    assert_true(is_accepted(THEATER_KIND_ANSWER, one, sizeof(one), &scratch));
    assert_true(is_accepted(THEATER_KIND_ANSWER, most, sizeof(most), &scratch));
    assert_false(is_accepted(THEATER_KIND_ANSWER, more, sizeof(more), &scratch));
    theater__buffer_deinit(&scratch);
}

static void texts__have_to_be_utf8_and_names_not_empty(void **state)
{
    (void)state;
    const uint8_t good[] = {2, 0xc3, 0xa9, 0};
    const uint8_t broken[] = {2, 0xc3, 0x28, 0};
    const uint8_t surrogate[] = {3, 0xed, 0xa0, 0x80, 0};
    const uint8_t nameless[] = {0, 1, 0};
    const uint8_t named[] = {1, 'f', 1, 0};
    theater__buffer scratch = {0};
    assert_true(is_accepted(THEATER_KIND_NOTE, good, sizeof(good), &scratch));
    assert_false(is_accepted(THEATER_KIND_NOTE, broken, sizeof(broken), &scratch));
    assert_false(is_accepted(THEATER_KIND_NOTE, surrogate, sizeof(surrogate), &scratch));
    assert_false(is_accepted(THEATER_KIND_POST, nameless, sizeof(nameless), &scratch));
    assert_true(is_accepted(THEATER_KIND_POST, named, sizeof(named), &scratch));
    theater__buffer_deinit(&scratch);
}

static void wait__holds_what_its_kind_has(void **state)
{
    (void)state;
    theater__request request = {
        .function = text_of("f"),
        .duration_ms = UINT64_MAX,
        .armed = {77},
        .due_wall = {88},
    };
    memset(request.boot, 9, sizeof(request.boot));
    static const struct {
        theater__wait_kind kind;
        uint64_t duration_ms;
        bool has_armed;
        bool has_due;
    } cases[] = {
        {THEATER__WAIT_ELAPSED, UINT64_MAX, true, false},
        {THEATER__WAIT_WALL, 0, false, true},
        {THEATER__WAIT_TOKEN, UINT64_MAX, false, false},
        {THEATER__WAIT_TOKEN, 500, true, false},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        theater__buffer buffer = {0};
        theater__request out;
        request.wait_kind = cases[i].kind;
        request.duration_ms = cases[i].duration_ms;
        theater__request_encode(&buffer, THEATER_KIND_WAIT, &request);
        theater_bytes payload = {buffer.data, buffer.size};
        assert_int_equal(theater__request_decode(payload, THEATER_KIND_WAIT, &out, NULL),
                         THEATER_OK);
        assert_int_equal(out.wait_kind, cases[i].kind);
        assert_true(out.duration_ms == cases[i].duration_ms);
        assert_int_equal(out.armed.ns, cases[i].has_armed ? 77 : 0);
        assert_int_equal(out.boot[15], cases[i].has_armed ? 9 : 0);
        assert_int_equal(out.due_wall.ms, cases[i].has_due ? 88 : 0);
        theater__buffer_deinit(&buffer);
    }
}

static void step__holds_every_difference(void **state)
{
    (void)state;
    static const int64_t deltas[] = {0, 1, -1, 3600000, -3600000, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < LENGTH(deltas); i++) {
        theater__buffer buffer = {0};
        int64_t out = 7;
        theater__step_encode(&buffer, deltas[i]);
        theater_bytes payload = {buffer.data, buffer.size};
        assert_int_equal(theater__step_decode(payload, &out, NULL), THEATER_OK);
        assert_true(out == deltas[i]);
        theater__buffer_deinit(&buffer);
    }
}

static void ending__any_text_is_recorded_readably(void **state)
{
    (void)state;
    char text[THEATER__REASON_BYTES_MAX + 10];
    memset(text, 'a', sizeof(text));
    memcpy(text + THEATER__REASON_BYTES_MAX - 1, "\xe2\x82\xac", 3); /* cut inside of it */
    theater__ending ending = {THEATER_END_TRAPPED, {text, sizeof(text)}};
    theater__buffer buffer = {0};
    theater__ending out;
    theater__ending_encode(&buffer, &ending);
    theater_bytes payload = {buffer.data, buffer.size};
    assert_int_equal(theater__ending_decode(payload, &out, NULL), THEATER_OK);
    assert_int_equal(out.text.size, THEATER__REASON_BYTES_MAX - 1);

    theater__buffer_clear(&buffer);
    ending.text.data = "bad \xff byte";
    ending.text.size = 10;
    theater__ending_encode(&buffer, &ending);
    payload.data = buffer.data;
    payload.size = buffer.size;
    assert_int_equal(theater__ending_decode(payload, &out, NULL), THEATER_OK);
    assert_memory_equal(out.text.data, "bad ? byte", 10);
    theater__buffer_deinit(&buffer);
}

static void genesis__too_many_handlers_are_refused(void **state)
{
    (void)state;
    static theater__genesis genesis;
    genesis.handlers_count = THEATER__GENESIS_HANDLERS_MAX;
    theater_limits limits = THEATER_LIMITS_INIT;
    genesis.limits = limits;
    for (uint32_t i = 0; i < THEATER__GENESIS_HANDLERS_MAX; i++) {
        genesis.handlers[i].name = text_of("h");
    }
    theater__buffer buffer = {0};
    theater__buffer scratch = {0};
    theater__genesis_encode(&buffer, &genesis);
    assert_true(is_accepted(THEATER_KIND_GENESIS, buffer.data, buffer.size, &scratch));
    size_t count_at = buffer.size - 3 * (size_t)THEATER__GENESIS_HANDLERS_MAX - 1;
    assert_int_equal(buffer.data[count_at], THEATER__GENESIS_HANDLERS_MAX);
    buffer.data[count_at]++;
    theater__buffer_put(&buffer, "\1h\0", 3);
    assert_false(is_accepted(THEATER_KIND_GENESIS, buffer.data, buffer.size, &scratch));
    theater__buffer_deinit(&buffer);
    theater__buffer_deinit(&scratch);
}

static void genesis__keeps_every_field(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_genesis(&it, 0x42);
    theater__chain_reader reader;
    theater_event event;
    static theater__genesis genesis;
    theater__chain_reader_init(&reader, it.writer.frames.data, it.writer.frames.size, NULL, 0);
    assert_int_equal(theater__chain_read(&reader, &event, NULL), THEATER_OK);
    assert_int_equal(theater__genesis_decode(event.payload, &genesis, NULL), THEATER_OK);
    theater_limits limits = THEATER_LIMITS_INIT;
    assert_int_equal(genesis.actor.bytes[15], 0x42);
    assert_int_equal(genesis.component.bytes[31], 0xc0);
    assert_int_equal(genesis.nonce[15], 0x17);
    assert_memory_equal(genesis.engine.data, "wasmtime 48.0.0", 15);
    assert_int_equal(genesis.limits.struct_size, sizeof(limits));
    assert_int_equal(genesis.limits.memory_bytes_max, limits.memory_bytes_max);
    assert_int_equal(genesis.limits.handles_max, limits.handles_max);
    assert_int_equal(genesis.limits.state_bytes_max, limits.state_bytes_max);
    assert_int_equal(genesis.handlers_count, 2);
    assert_memory_equal(genesis.handlers[1].name.data, "runtime", 7);
    assert_int_equal(genesis.handlers[1].config.size, 1);
    assert_false(genesis.is_simulated);
    story_end(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payloads__decode_and_encode_to_the_same_bytes),
        cmocka_unit_test(payloads__cut_or_longer_ones_are_refused),
        cmocka_unit_test(payloads__any_changed_byte_is_refused_or_canonical),
        cmocka_unit_test(payloads__random_bytes_do_no_harm),
        cmocka_unit_test(answer__count_has_bounds),
        cmocka_unit_test(texts__have_to_be_utf8_and_names_not_empty),
        cmocka_unit_test(wait__holds_what_its_kind_has),
        cmocka_unit_test(step__holds_every_difference),
        cmocka_unit_test(ending__any_text_is_recorded_readably),
        cmocka_unit_test(genesis__too_many_handlers_are_refused),
        cmocka_unit_test(genesis__keeps_every_field),
    };
    return cmocka_run_group_tests_name("chain_payload", tests, NULL, NULL);
}
