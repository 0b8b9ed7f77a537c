/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For people: one aligned line an event.
 *
 *     3  2026-11-23T19:20:52.123Z  request  wait        my:app/clock.wait(250) until +250 ms
 *
 * A chain holds what guests said, so a line is made safe for a terminal: control characters and
 * those that reorder or hide text are written as escapes, and what is long is cut with a note of
 * how much was left out.
 */
#include "exporter.h"

#include <base/assert.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Bytes of details on a line: some screen lines; the other formats have everything. */
#define DETAILS_SIZE_MAX 1024u

/* ---- terminal-safe text ---------------------------------------------------------------------- */

/* Decodes one character; returns its bytes, 0 if there is none. */
static size_t decode_character(const uint8_t *data, size_t size, uint32_t *out)
{
    uint8_t first = data[0];
    size_t length = first < 0x80             ? 1
                    : (first & 0xe0) == 0xc0 ? 2
                    : (first & 0xf0) == 0xe0 ? 3
                    : (first & 0xf8) == 0xf0 ? 4
                                             : 0;
    if (length == 0 || length > size) {
        return 0;
    }
    uint32_t code = length == 1 ? first : (uint32_t)(first & (0x7f >> length));
    for (size_t i = 1; i < length; i++) {
        if ((data[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (data[i] & 0x3f);
    }
    *out = code;
    return length;
}

/* Characters that steer a terminal, turn the direction of text, or cannot be seen. */
static bool is_unsafe(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0xad || code == 0x61c ||
           (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2060 && code <= 0x206f) || code == 0xfeff ||
           (code >= 0xfff9 && code <= 0xfffb) || (code >= 0xe0000 && code <= 0xe007f);
}

/* Writes text with escapes, cut on a character's border behind DETAILS_SIZE_MAX bytes. */
static void put_safe(theater__sink *sink, const uint8_t *data, size_t size)
{
    size_t at = 0;
    while (at < size && at < DETAILS_SIZE_MAX) {
        uint32_t code = data[at];
        size_t length = decode_character(data + at, size - at, &code);
        if (length > 0 && !is_unsafe(code)) {
            theater__sink_put(sink, data + at, length);
        } else {
            char escape[16];
            (void)snprintf(escape, sizeof(escape), length == 0 ? "\\x%02x" : "\\u{%x}",
                           (unsigned)code);
            theater__sink_put_text(sink, escape);
        }
        at += length > 0 ? length : 1;
    }
    if (at < size) {
        char note[48];
        (void)snprintf(note, sizeof(note), " ... (%zu more bytes)", size - at);
        theater__sink_put_text(sink, note);
    }
}

/* ---- details --------------------------------------------------------------------------------- */

static void put_span(theater__sink *sink, theater_text text)
{
    theater__sink_put(sink, text.data, text.size);
}

static void put_call(theater__exporter *exporter, theater_text function)
{
    theater__sink *draft = &exporter->draft;
    put_span(draft, function);
    theater__sink_put_text(draft, "(");
    theater__put_values(exporter, draft, exporter->walked.args, ", ");
    theater__sink_put_text(draft, ")");
}

static void put_result(theater__exporter *exporter, const char *before)
{
    if (exporter->walked.has_result) {
        theater__sink_put_text(&exporter->draft, before);
        theater__put_value(exporter, &exporter->draft, &exporter->walked.result);
    }
}

static void put_genesis(theater__exporter *exporter)
{
    theater__sink *draft = &exporter->draft;
    const theater__genesis *genesis = &exporter->walk.genesis;
    char id[THEATER_ID_TEXT_SIZE];
    theater_id_format(genesis->actor, id);
    theater__sink_put_text(draft, "actor ");
    theater__sink_put_text(draft, id);
    theater__sink_put_text(draft, ", component ");
    theater__sink_put_hex(draft, genesis->component.bytes, 6);
    theater__sink_put_text(draft, "..., engine ");
    put_span(draft, genesis->engine);
    theater__sink_put_text(draft, genesis->handlers_count > 0 ? ", handlers" : ", no handlers");
    for (uint32_t i = 0; i < genesis->handlers_count; i++) {
        theater__sink_put_text(draft, " ");
        put_span(draft, genesis->handlers[i].name);
    }
    if (genesis->is_simulated) {
        theater__sink_put_text(draft, ", simulated clock");
    }
}

static void put_wait(theater__exporter *exporter)
{
    theater__sink *draft = &exporter->draft;
    const theater__request *request = &exporter->walked.of.request;
    char time[THEATER__TIME_TEXT_SIZE];
    put_call(exporter, request->function);
    switch (request->wait_kind) {
    case THEATER__WAIT_ELAPSED:
        theater__sink_put_text(draft, " until +");
        theater__sink_put_u64(draft, request->duration_ms);
        theater__sink_put_text(draft, " ms");
        break;
    case THEATER__WAIT_WALL:
        theater__wall_format(request->due_wall, time);
        theater__sink_put_text(draft, " until ");
        theater__sink_put_text(draft, time);
        break;
    case THEATER__WAIT_TOKEN:
    default:
        theater__sink_put_text(draft, " until completed");
        if (request->duration_ms != UINT64_MAX) {
            theater__sink_put_text(draft, " or +");
            theater__sink_put_u64(draft, request->duration_ms);
            theater__sink_put_text(draft, " ms");
        }
        break;
    }
}

static void put_completion(theater__exporter *exporter)
{
    theater__sink *draft = &exporter->draft;
    const theater__completion *completion = &exporter->walked.of.completion;
    char late[48];
    theater__sink_put_text(draft, "of ");
    theater__sink_put_u64(draft, completion->request_seq);
    theater__sink_put_text(draft, ": ");
    theater__sink_put_text(draft, theater_wait_outcome_name(completion->outcome));
    if (completion->by.size > 0) {
        theater__sink_put_text(draft, " by ");
        put_span(draft, completion->by);
    }
    if (completion->outcome == THEATER_WAIT_DUE || completion->outcome == THEATER_WAIT_OVERDUE) {
        (void)snprintf(late, sizeof(late), ", %" PRIu64 ".%03" PRIu64 " ms late",
                       completion->late_ns / 1000000, completion->late_ns / 1000 % 1000);
        theater__sink_put_text(draft, late);
    }
    put_result(exporter, " = ");
}

static void put_answer(theater__exporter *exporter)
{
    put_call(exporter, exporter->walked.of.answer.function);
    put_result(exporter, " = ");
    if (exporter->walked.of.answer.count > 1) {
        theater__sink_put_text(&exporter->draft, " x");
        theater__sink_put_u64(&exporter->draft, exporter->walked.of.answer.count);
    }
}

static void put_return(theater__exporter *exporter)
{
    if (!exporter->walked.has_result) {
        theater__sink_put_text(&exporter->draft, "no result");
    }
    put_result(exporter, "");
    if (exporter->walked.of.ret.state.size > 0) {
        theater__sink_put_text(&exporter->draft, ", state ");
        theater__sink_put_u64(&exporter->draft, exporter->walked.of.ret.state.size);
        theater__sink_put_text(&exporter->draft, " bytes");
    }
}

static void put_ending(theater__exporter *exporter)
{
    const theater__ending *ending = &exporter->walked.of.ending;
    theater__sink_put_text(&exporter->draft, theater_end_reason_name(ending->reason));
    if (ending->text.size > 0) {
        theater__sink_put_text(&exporter->draft, ": ");
        put_span(&exporter->draft, ending->text);
    }
}

static void put_ambient(theater__exporter *exporter)
{
    const theater__ambient *ambient = &exporter->walked.of.ambient;
    bool is_engine = exporter->walked.event.kind == THEATER_KIND_ENGINE;
    put_span(&exporter->draft, ambient->first);
    if (is_engine || ambient->second.size > 0) {
        theater__sink_put_text(&exporter->draft, is_engine ? " -> " : " ");
        put_span(&exporter->draft, ambient->second);
    }
}

static void put_details(theater__exporter *exporter)
{
    theater__sink *draft = &exporter->draft;
    const theater__walked *walked = &exporter->walked;
    char step[32];
    switch (walked->event.kind) {
    case THEATER_KIND_GENESIS:
        put_genesis(exporter);
        break;
    case THEATER_KIND_CALL:
        put_call(exporter, walked->of.call.export_name);
        break;
    case THEATER_KIND_WAIT:
        put_wait(exporter);
        break;
    case THEATER_KIND_EFFECT:
    case THEATER_KIND_POST:
        put_call(exporter, walked->of.request.function);
        break;
    case THEATER_KIND_RETURN:
        put_return(exporter);
        break;
    case THEATER_KIND_ANSWER:
        put_answer(exporter);
        break;
    case THEATER_KIND_COMPLETION:
        put_completion(exporter);
        break;
    case THEATER_KIND_TERMINATE:
    case THEATER_KIND_END:
        put_ending(exporter);
        break;
    case THEATER_KIND_ENGINE:
    case THEATER_KIND_NOTE:
        put_ambient(exporter);
        break;
    case THEATER_KIND_STEP:
        (void)snprintf(step, sizeof(step), "%+" PRId64 " ms", walked->of.delta_ms);
        theater__sink_put_text(draft, step);
        break;
    case THEATER_KIND_REBASE:
        theater__sink_put_text(draft, "of ");
        theater__sink_put_u64(draft, walked->of.rebase.request_seq);
        theater__sink_put_text(draft, ": ");
        theater__sink_put_u64(draft, walked->of.rebase.remaining_ms);
        theater__sink_put_text(draft, " ms remain");
        break;
    default:
        THEATER_UNREACHABLE("the walk lets only known kinds pass");
    }
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* The draft, made safe, and the end of the line. */
static void put_line(theater__exporter *exporter, const char *columns)
{
    theater__sink_put_text(&exporter->sink, columns);
    if (!exporter->text.failed) {
        put_safe(&exporter->sink, exporter->text.data, exporter->text.size);
    }
    theater__sink_put(&exporter->sink, "\n", 1);
}

void theater__export_event_text(theater__exporter *exporter)
{
    THEATER_ASSERT(exporter != NULL);
    const theater_event *event = &exporter->walked.event;
    char time[THEATER__TIME_TEXT_SIZE];
    char columns[128];
    theater__wall_format(event->wall, time);
    (void)snprintf(columns, sizeof(columns), "%6" PRIu64 "  %-24s  %-7s  %-10s  ", event->seq, time,
                   theater_event_class_name(event->event_class),
                   theater_event_kind_name(event->kind));
    theater__draft_begin(exporter, &exporter->text);
    if (event->is_redacted) {
        theater__sink_put_text(&exporter->draft, "(erased)");
    } else {
        put_details(exporter);
    }
    theater__draft_end(exporter);
    put_line(exporter, columns);
}

void theater__export_foreign_text(theater__exporter *exporter, uint64_t seq,
                                  const theater__foreign_event *event)
{
    THEATER_ASSERT(exporter != NULL && event != NULL);
    theater_wall wall = {event->timestamp};
    char time[THEATER__TIME_TEXT_SIZE];
    char columns[96];
    theater__wall_format(wall, time);
    (void)snprintf(columns, sizeof(columns), "%6" PRIu64 "  %-24s  ", seq, time);
    theater__draft_begin(exporter, &exporter->text);
    put_span(&exporter->draft, event->event_type);
    theater__sink_put_text(&exporter->draft, "  ");
    theater__sink_put(&exporter->draft, event->data.data, event->data.size);
    theater__draft_end(exporter);
    put_line(exporter, columns);
}
