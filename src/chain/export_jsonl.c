/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For programs: one JSON object a line. Numbers are exact, values have the JSON of the component
 * model (base/value.h), bytes that are no values are hexadecimal text. An answer that stands for
 * several becomes that many lines, told apart by "fold" and "of". Every member is documented in
 * docs/formats/chain.md.
 */
#include "exporter.h"

#include <base/assert.h>
#include <base/value.h>

#include <inttypes.h>
#include <stdio.h>

/* Each of these writes `,"name":` and a value. */
static void put_name(theater__sink *sink, const char *name)
{
    theater__sink_put_text(sink, ",\"");
    theater__sink_put_text(sink, name);
    theater__sink_put_text(sink, "\":");
}

static void put_number(theater__sink *sink, const char *name, uint64_t number)
{
    put_name(sink, name);
    theater__sink_put_u64(sink, number);
}

static void put_string(theater__sink *sink, const char *name, theater_text text)
{
    put_name(sink, name);
    theater__sink_put_json_string(sink, text.data, text.size);
}

static void put_word(theater__sink *sink, const char *name, const char *word)
{
    put_name(sink, name);
    theater__sink_put_text(sink, "\"");
    theater__sink_put_text(sink, word);
    theater__sink_put_text(sink, "\"");
}

static void put_hex(theater__sink *sink, const char *name, const uint8_t *data, size_t size)
{
    put_name(sink, name);
    theater__sink_put_text(sink, "\"");
    theater__sink_put_hex(sink, data, size);
    theater__sink_put_text(sink, "\"");
}

static void put_args(theater__exporter *exporter)
{
    put_name(&exporter->sink, "args");
    theater__sink_put_text(&exporter->sink, "[");
    theater__put_values(exporter, &exporter->sink, exporter->walked.args, ",");
    theater__sink_put_text(&exporter->sink, "]");
}

static void put_result(theater__exporter *exporter)
{
    if (exporter->walked.has_result) {
        put_name(&exporter->sink, "result");
        theater__put_value(exporter, &exporter->sink, &exporter->walked.result);
    }
}

static void put_limits(theater__sink *sink, const theater_limits *limits)
{
    put_name(sink, "limits");
    theater__sink_put_text(sink, "{\"memory_bytes_max\":");
    theater__sink_put_u64(sink, limits->memory_bytes_max);
    put_number(sink, "table_elements_max", limits->table_elements_max);
    put_number(sink, "instances_max", limits->instances_max);
    put_number(sink, "tables_max", limits->tables_max);
    put_number(sink, "memories_max", limits->memories_max);
    put_number(sink, "handles_max", limits->handles_max);
    put_number(sink, "host_call_bytes_max", limits->host_call_bytes_max);
    put_number(sink, "turn_cpu_ms_max", limits->turn_cpu_ms_max);
    put_number(sink, "call_cpu_ms_max", limits->call_cpu_ms_max);
    put_number(sink, "call_chain_bytes_max", limits->call_chain_bytes_max);
    put_number(sink, "state_bytes_max", limits->state_bytes_max);
    theater__sink_put_text(sink, "}");
}

/* A handler's configuration, decoded into the arena of the walk like all values of the event. */
static void put_config(theater__exporter *exporter, theater_bytes config)
{
    theater_values values = {NULL, 0};
    theater__reader reader = theater__reader_of(config.data, config.size);
    theater__sink_put_text(&exporter->sink, "[");
    if (theater__values_decode(&reader, &exporter->walk.arena, &values, NULL) == THEATER_OK) {
        theater__put_values(exporter, &exporter->sink, values, ",");
    } else {
        exporter->value.failed = true; /* the walk decoded it before: only memory can be short */
    }
    theater__sink_put_text(&exporter->sink, "]");
}

static void put_genesis(theater__exporter *exporter)
{
    theater__sink *sink = &exporter->sink;
    const theater__genesis *genesis = &exporter->walk.genesis;
    char id[THEATER_ID_TEXT_SIZE];
    theater_id_format(genesis->actor, id);
    put_word(sink, "actor", id);
    put_hex(sink, "component", genesis->component.bytes, sizeof(genesis->component.bytes));
    put_string(sink, "semantics", genesis->semantics);
    put_string(sink, "engine", genesis->engine);
    put_name(sink, "simulated");
    theater__sink_put_text(sink, genesis->is_simulated ? "true" : "false");
    put_hex(sink, "nonce", genesis->nonce, sizeof(genesis->nonce));
    put_limits(sink, &genesis->limits);
    put_name(sink, "handlers");
    theater__sink_put_text(sink, "[");
    for (uint32_t i = 0; i < genesis->handlers_count; i++) {
        theater__sink_put_text(sink, i > 0 ? ",{\"name\":" : "{\"name\":");
        theater__sink_put_json_string(sink, genesis->handlers[i].name.data,
                                      genesis->handlers[i].name.size);
        put_name(sink, "config");
        put_config(exporter, genesis->handlers[i].config);
        theater__sink_put_text(sink, "}");
    }
    theater__sink_put_text(sink, "]");
}

static void put_armed(theater__sink *sink, theater_mono armed, const uint8_t boot[16])
{
    put_number(sink, "armed_ns", armed.ns);
    put_hex(sink, "boot", boot, 16);
}

static void put_request(theater__exporter *exporter)
{
    theater__sink *sink = &exporter->sink;
    const theater__request *request = &exporter->walked.of.request;
    put_string(sink, "function", request->function);
    put_args(exporter);
    if (exporter->walked.event.kind != THEATER_KIND_WAIT) {
        return;
    }
    if (request->wait_kind == THEATER__WAIT_ELAPSED) {
        put_word(sink, "wait", "elapsed");
        put_number(sink, "duration_ms", request->duration_ms);
        put_armed(sink, request->armed, request->boot);
    } else if (request->wait_kind == THEATER__WAIT_WALL) {
        put_word(sink, "wait", "wall");
        put_number(sink, "due_ms", request->due_wall.ms);
    } else {
        put_word(sink, "wait", "token");
        if (request->duration_ms != UINT64_MAX) {
            put_number(sink, "timeout_ms", request->duration_ms);
            put_armed(sink, request->armed, request->boot);
        }
    }
}

static void put_completion(theater__exporter *exporter)
{
    theater__sink *sink = &exporter->sink;
    const theater__completion *completion = &exporter->walked.of.completion;
    put_number(sink, "request", completion->request_seq);
    put_word(sink, "outcome", theater_wait_outcome_name(completion->outcome));
    put_number(sink, "late_ns", completion->late_ns);
    put_string(sink, "by", completion->by);
    put_result(exporter);
}

static void put_ambient(theater__exporter *exporter)
{
    bool is_engine = exporter->walked.event.kind == THEATER_KIND_ENGINE;
    put_string(&exporter->sink, is_engine ? "old" : "text", exporter->walked.of.ambient.first);
    if (is_engine || exporter->walked.of.ambient.second.size > 0) {
        put_string(&exporter->sink, is_engine ? "new" : "detail",
                   exporter->walked.of.ambient.second);
    }
}

static void put_members(theater__exporter *exporter)
{
    theater__sink *sink = &exporter->sink;
    const theater__walked *walked = &exporter->walked;
    char delta[24];
    switch (walked->event.kind) {
    case THEATER_KIND_GENESIS:
        put_genesis(exporter);
        break;
    case THEATER_KIND_CALL:
        put_string(sink, "export", walked->of.call.export_name);
        put_args(exporter);
        put_hex(sink, "state", walked->of.call.state.data, walked->of.call.state.size);
        break;
    case THEATER_KIND_WAIT:
    case THEATER_KIND_EFFECT:
    case THEATER_KIND_POST:
        put_request(exporter);
        break;
    case THEATER_KIND_RETURN:
        put_result(exporter);
        put_hex(sink, "state", walked->of.ret.state.data, walked->of.ret.state.size);
        break;
    case THEATER_KIND_ANSWER:
        put_string(sink, "function", walked->of.answer.function);
        put_args(exporter);
        put_result(exporter);
        break;
    case THEATER_KIND_COMPLETION:
        put_completion(exporter);
        break;
    case THEATER_KIND_TERMINATE:
    case THEATER_KIND_END:
        put_word(sink, "reason", theater_end_reason_name(walked->of.ending.reason));
        put_string(sink, "text", walked->of.ending.text);
        break;
    case THEATER_KIND_ENGINE:
    case THEATER_KIND_NOTE:
        put_ambient(exporter);
        break;
    case THEATER_KIND_STEP:
        (void)snprintf(delta, sizeof(delta), "%" PRId64, walked->of.delta_ms);
        put_name(sink, "delta_ms");
        theater__sink_put_text(sink, delta);
        break;
    case THEATER_KIND_REBASE:
        put_number(sink, "request", walked->of.rebase.request_seq);
        put_number(sink, "remaining_ms", walked->of.rebase.remaining_ms);
        put_armed(sink, walked->of.rebase.armed, walked->of.rebase.boot);
        break;
    default:
        THEATER_UNREACHABLE("the walk lets only known kinds pass");
    }
}

static void put_line(theater__exporter *exporter, uint64_t fold, uint64_t count)
{
    theater__sink *sink = &exporter->sink;
    const theater_event *event = &exporter->walked.event;
    theater__sink_put_text(sink, "{\"seq\":");
    theater__sink_put_u64(sink, event->seq);
    if (count > 1) {
        put_number(sink, "fold", fold);
        put_number(sink, "of", count);
    }
    put_word(sink, "class", theater_event_class_name(event->event_class));
    put_word(sink, "kind", theater_event_kind_name(event->kind));
    put_number(sink, "wall", event->wall.ms);
    if (event->is_external) {
        put_name(sink, "external");
        theater__sink_put_text(sink, "true");
    }
    if (event->is_redacted) {
        put_name(sink, "redacted");
        theater__sink_put_text(sink, "true");
    } else {
        put_members(exporter);
    }
    put_hex(sink, "hash", event->hash.bytes, sizeof(event->hash.bytes));
    theater__sink_put_text(sink, "}\n");
}

void theater__export_event_jsonl(theater__exporter *exporter)
{
    THEATER_ASSERT(exporter != NULL);
    const theater__walked *walked = &exporter->walked;
    bool is_folded = walked->event.kind == THEATER_KIND_ANSWER && !walked->event.is_redacted;
    uint64_t count = is_folded ? walked->of.answer.count : 1;
    THEATER_ASSERT(count >= 1 && count <= THEATER__ANSWER_COUNT_MAX);
    for (uint64_t fold = 0; fold < count && !exporter->sink.is_stopped; fold++) {
        put_line(exporter, fold, count);
    }
}

void theater__export_foreign_jsonl(theater__exporter *exporter, uint64_t seq,
                                   const theater__foreign_event *event)
{
    THEATER_ASSERT(exporter != NULL && event != NULL);
    theater__sink *sink = &exporter->sink;
    theater__sink_put_text(sink, "{\"seq\":");
    theater__sink_put_u64(sink, seq);
    put_string(sink, "type", event->event_type);
    put_number(sink, "wall", event->timestamp);
    if (theater__utf8_valid(event->data.data, event->data.size)) {
        theater_text text = {(const char *)event->data.data, event->data.size};
        put_string(sink, "data", text);
    } else {
        put_hex(sink, "data_hex", event->data.data, event->data.size);
    }
    if (event->has_description) {
        put_string(sink, "description", event->description);
    }
    put_hex(sink, "hash", event->hash, sizeof(event->hash));
    theater__sink_put_text(sink, "}\n");
}
