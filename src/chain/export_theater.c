/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our events as Theater would have recorded them. Theater writes two events where we write one that
 * holds question and answer, and nothing where we record what it does not know (genesis, steps of
 * the clock, changes of engine). What becomes what:
 *
 *     ANSWER of timing           its Call, then its Result or Error; as often as the fold counts
 *     WAIT, later COMPLETION     its Call, later its Result or Error
 *     POST of runtime.log        Runtime Log, level info
 *     CALL, RETURN               WasmCall, WasmResult
 *     the end of an open call    WasmError
 *     any other function         Custom Call, Custom Result: an embedder's own
 *     an erased payload          Custom Redacted
 *
 * A WasmCall's params are the bytes of the compact JSON of its arguments, except that a single
 * list<u8> stands for itself: what was handed over as bytes stays those bytes. The same holds for
 * results. The wording of descriptions is hashed, and therefore exactly Theater's.
 */
#include "exporter.h"

#include <base/assert.h>

#include <string.h>

typedef enum operation {
    OPERATION_NOW,
    OPERATION_SLEEP,
    OPERATION_DEADLINE
} operation;

/* How Theater names the parts of each timing operation. */
static const struct {
    const char *function;
    const char *event_type;
    const char *noun;      /* SleepCall, SleepResult */
    const char *member;    /* of both */
    const char *operation; /* of Error */
    const char *call_description;
} operations[] = {
    [OPERATION_NOW] = {"ntwk:theater/timing.now", "ntwk:theater/timing/now", "Now", "timestamp",
                       "now", "Getting current timestamp"},
    [OPERATION_SLEEP] = {"ntwk:theater/timing.sleep", "ntwk:theater/timing/sleep", "Sleep",
                         "duration", "sleep", "Sleeping for "},
    [OPERATION_DEADLINE] = {"ntwk:theater/timing.deadline", "ntwk:theater/timing/deadline",
                            "Deadline", "timestamp", "deadline", "Waiting until timestamp: "},
};

/* ---- events ---------------------------------------------------------------------------------- */

static theater_text text_of(const char *text)
{
    theater_text of = {text, strlen(text)};
    return of;
}

static bool is_text(theater_text text, const char *expected)
{
    return text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0;
}

/* The event whose data stands in text, and whose description, if any, in description. */
static void put_event(theater__exporter *exporter, theater_text event_type, uint64_t timestamp,
                      bool has_description)
{
    if (exporter->text.failed || (has_description && exporter->description.failed)) {
        return;
    }
    theater__foreign_event event = {0};
    event.event_type = event_type;
    event.data.data = exporter->text.data;
    event.data.size = exporter->text.size;
    event.timestamp = timestamp;
    event.has_description = has_description;
    if (has_description) {
        event.description.data = (const char *)exporter->description.data;
        event.description.size = exporter->description.size;
    }
    theater__foreign_put(&exporter->foreign, &event);
}

static void describe(theater__exporter *exporter, const char *before, theater_text text)
{
    theater__draft_begin(exporter, &exporter->description);
    theater__sink_put_text(&exporter->draft, before);
    theater__sink_put(&exporter->draft, text.data, text.size);
    theater__draft_end(exporter);
}

static void describe_number(theater__exporter *exporter, const char *before, uint64_t number,
                            const char *after)
{
    theater__draft_begin(exporter, &exporter->description);
    theater__sink_put_text(&exporter->draft, before);
    theater__sink_put_u64(&exporter->draft, number);
    theater__sink_put_text(&exporter->draft, after);
    theater__draft_end(exporter);
}

/* ---- timing ---------------------------------------------------------------------------------- */

/* Which timing operation a function is; false if none, or if the arguments are not its own. */
static bool is_timing(theater_text function, theater_values args, operation *out)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (is_text(function, operations[i].function)) {
            *out = (operation)i;
            return i == OPERATION_NOW ? args.count == 0
                                      : args.count == 1 && args.data[0].kind == THEATER_VALUE_U64;
        }
    }
    return false;
}

/* Begins {"Timing":{"<noun><suffix>":{ and, but for NowCall, the number. */
static void begin_timing(theater__exporter *exporter, operation op, const char *suffix,
                         const uint64_t *number)
{
    theater__draft_begin(exporter, &exporter->text);
    theater__sink_put_text(&exporter->draft, "{\"Timing\":{\"");
    theater__sink_put_text(&exporter->draft, operations[op].noun);
    theater__sink_put_text(&exporter->draft, suffix);
    theater__sink_put_text(&exporter->draft, "\":{");
    if (number != NULL) {
        theater__sink_put_text(&exporter->draft, "\"");
        theater__sink_put_text(&exporter->draft, operations[op].member);
        theater__sink_put_text(&exporter->draft, "\":");
        theater__sink_put_u64(&exporter->draft, *number);
    }
}

static void put_timing_call(theater__exporter *exporter, operation op, uint64_t number)
{
    begin_timing(exporter, op, "Call", op != OPERATION_NOW ? &number : NULL);
    theater__sink_put_text(&exporter->draft, "}}}");
    theater__draft_end(exporter);
    if (op == OPERATION_NOW) {
        describe(exporter, operations[op].call_description, text_of(""));
    } else {
        describe_number(exporter, operations[op].call_description, number,
                        op == OPERATION_SLEEP ? " ms" : "");
    }
    put_event(exporter, text_of(operations[op].event_type), exporter->walked.event.wall.ms, true);
}

static void describe_success(theater__exporter *exporter, operation op, uint64_t number)
{
    if (op == OPERATION_NOW) {
        describe_number(exporter, "Current timestamp: ", number, "");
    } else if (op == OPERATION_SLEEP) {
        describe_number(exporter, "Successfully slept for ", number, " ms");
    } else if (exporter->walked.event.kind == THEATER_KIND_ANSWER) {
        describe(exporter, "Deadline already passed, continuing immediately", text_of(""));
    } else {
        theater__draft_begin(exporter, &exporter->description);
        theater__sink_put_text(&exporter->draft, "Deadline wait completed at ");
        theater__sink_put_u64(&exporter->draft, exporter->walked.event.wall.ms);
        theater__sink_put_text(&exporter->draft, ". Target was ");
        theater__sink_put_u64(&exporter->draft, number);
        theater__draft_end(exporter);
    }
}

static void put_timing_result(theater__exporter *exporter, operation op, uint64_t number)
{
    begin_timing(exporter, op, "Result", &number);
    theater__sink_put_text(&exporter->draft, op == OPERATION_NOW ? "}}}" : ",\"success\":true}}}");
    theater__draft_end(exporter);
    describe_success(exporter, op, number);
    put_event(exporter, text_of(operations[op].event_type), exporter->walked.event.wall.ms, true);
}

static void put_timing_error(theater__exporter *exporter, operation op, theater_text message)
{
    theater__draft_begin(exporter, &exporter->text);
    theater__sink_put_text(&exporter->draft, "{\"Timing\":{\"Error\":{\"operation\":\"");
    theater__sink_put_text(&exporter->draft, operations[op].operation);
    theater__sink_put_text(&exporter->draft, "\",\"message\":");
    theater__sink_put_json_string(&exporter->draft, message.data, message.size);
    theater__sink_put_text(&exporter->draft, "}}}");
    theater__draft_end(exporter);
    describe(exporter, "", message);
    put_event(exporter, text_of(operations[op].event_type), exporter->walked.event.wall.ms, true);
}

/* How sleep or deadline ended, by the result that the guest was given. */
static void put_timing_end(theater__exporter *exporter, operation op, uint64_t number)
{
    const theater__walked *walked = &exporter->walked;
    const theater_value *result = &walked->result;
    if (walked->has_result && result->kind == THEATER_VALUE_RESULT && !result->is_ok) {
        bool has_text =
            result->of.items.count == 1 && result->of.items.data[0].kind == THEATER_VALUE_STRING;
        put_timing_error(exporter, op,
                         has_text ? result->of.items.data[0].of.text : text_of("error"));
        return;
    }
    put_timing_result(exporter, op, number);
}

/* ---- functions that Theater does not know ---------------------------------------------------- */

/* `package/interface.function` with a slash before the function; into value, which is free here. */
static theater_text custom_event_type(theater__exporter *exporter, theater_text function)
{
    const char *bracket = memchr(function.data, '[', function.size);
    size_t end = bracket != NULL ? (size_t)(bracket - function.data) : function.size;
    const char *dot = memrchr(function.data, '.', end);
    bool has_failed = exporter->value.failed;
    theater__buffer_clear(&exporter->value);
    theater__buffer_put(&exporter->value, function.data, function.size);
    exporter->value.failed |= has_failed;
    if (dot != NULL && !exporter->value.failed) {
        exporter->value.data[dot - function.data] = '/';
    }
    theater_text type = {(const char *)exporter->value.data, exporter->value.size};
    return exporter->value.failed ? text_of("") : type;
}

static void put_custom(theater__exporter *exporter, theater_text function, bool is_call)
{
    theater__sink *draft = &exporter->draft;
    theater__draft_begin(exporter, &exporter->text);
    theater__sink_put_text(draft, is_call ? "{\"Custom\":{\"Call\":{\"function\":"
                                          : "{\"Custom\":{\"Result\":{\"function\":");
    theater__sink_put_json_string(draft, function.data, function.size);
    if (is_call) {
        theater__sink_put_text(draft, ",\"args\":[");
        theater__put_values(exporter, draft, exporter->walked.args, ",");
        theater__sink_put_text(draft, "]}}}");
    } else {
        theater__sink_put_text(draft, ",\"result\":");
        if (exporter->walked.has_result) {
            theater__put_value(exporter, draft, &exporter->walked.result);
        } else {
            theater__sink_put_text(draft, "null");
        }
        theater__sink_put_text(draft, "}}}");
    }
    theater__draft_end(exporter);
    put_event(exporter, custom_event_type(exporter, function), exporter->walked.event.wall.ms,
              false);
}

static void put_redacted(theater__exporter *exporter)
{
    theater__draft_begin(exporter, &exporter->text);
    theater__sink_put_text(&exporter->draft, "{\"Custom\":{\"Redacted\":{\"seq\":");
    theater__sink_put_u64(&exporter->draft, exporter->walked.event.seq);
    theater__sink_put_text(&exporter->draft, ",\"kind\":\"");
    theater__sink_put_text(&exporter->draft, theater_event_kind_name(exporter->walked.event.kind));
    theater__sink_put_text(&exporter->draft, "\"}}}");
    theater__draft_end(exporter);
    put_event(exporter, text_of("ntwk:theater/chain/redacted"), exporter->walked.event.wall.ms,
              false);
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* The JSON text of params (is_list: as an array) or of a result, into description. */
static void draft_json(theater__exporter *exporter, theater_values values, bool is_list)
{
    theater__draft_begin(exporter, &exporter->description);
    theater__sink_put_text(&exporter->draft, is_list ? "[" : "");
    theater__put_values(exporter, &exporter->draft, values, ",");
    theater__sink_put_text(&exporter->draft, is_list ? "]" : "");
    theater__draft_end(exporter);
}

static void put_wasm(theater__exporter *exporter, const char *noun, theater_text function,
                     const char *member, theater_values values, bool is_list)
{
    theater_bytes bytes = {NULL, 0};
    if (values.count == 1 && values.data[0].kind == THEATER_VALUE_BYTES) {
        bytes = values.data[0].of.bytes;
    } else {
        draft_json(exporter, values, is_list);
        if (exporter->description.failed) {
            return;
        }
        bytes.data = exporter->description.data;
        bytes.size = exporter->description.size;
    }
    theater__sink *draft = &exporter->draft;
    theater__draft_begin(exporter, &exporter->text);
    theater__sink_put_text(draft, "{\"Wasm\":{\"");
    theater__sink_put_text(draft, noun);
    theater__sink_put_text(draft, "\":{\"function_name\":");
    theater__sink_put_json_string(draft, function.data, function.size);
    theater__sink_put_text(draft, ",\"");
    theater__sink_put_text(draft, member);
    theater__sink_put_text(draft, "\":");
    theater__foreign_put_bytes(draft, bytes.data, bytes.size);
    theater__sink_put_text(draft, "}}}");
    theater__draft_end(exporter);
    put_event(exporter, text_of("wasm"), 0, false);
}

static void put_wasm_error(theater__exporter *exporter)
{
    const theater__walked *walked = &exporter->walked;
    theater_text message = walked->of.ending.text;
    if (message.size == 0) {
        message = text_of(theater_end_reason_name(walked->of.ending.reason));
    }
    theater__draft_begin(exporter, &exporter->text);
    theater__sink_put_text(&exporter->draft, "{\"Wasm\":{\"WasmError\":{\"function_name\":");
    theater__sink_put_json_string(&exporter->draft, walked->call_name.data, walked->call_name.size);
    theater__sink_put_text(&exporter->draft, ",\"message\":");
    theater__sink_put_json_string(&exporter->draft, message.data, message.size);
    theater__sink_put_text(&exporter->draft, "}}}");
    theater__draft_end(exporter);
    put_event(exporter, text_of("wasm"), 0, false);
}

/* ---- kinds ----------------------------------------------------------------------------------- */

static void put_answer(theater__exporter *exporter)
{
    const theater__walked *walked = &exporter->walked;
    operation op;
    bool is_known = is_timing(walked->of.answer.function, walked->args, &op);
    if (is_known && op == OPERATION_NOW) {
        is_known = walked->has_result && walked->result.kind == THEATER_VALUE_U64;
    }
    for (uint64_t i = 0; i < walked->of.answer.count && !exporter->sink.is_stopped; i++) {
        if (!is_known) {
            put_custom(exporter, walked->of.answer.function, true);
            put_custom(exporter, walked->of.answer.function, false);
        } else if (op == OPERATION_NOW) {
            put_timing_call(exporter, op, 0);
            put_timing_result(exporter, op, walked->result.of.u64);
        } else {
            put_timing_call(exporter, op, walked->args.data[0].of.u64);
            put_timing_end(exporter, op, walked->args.data[0].of.u64);
        }
    }
}

static void put_request(theater__exporter *exporter)
{
    const theater__walked *walked = &exporter->walked;
    theater_text function = walked->of.request.function;
    operation op;
    if (is_text(function, "ntwk:theater/runtime.log") && walked->args.count == 1 &&
        walked->args.data[0].kind == THEATER_VALUE_STRING) {
        theater_text line = walked->args.data[0].of.text;
        theater__draft_begin(exporter, &exporter->text);
        theater__sink_put_text(&exporter->draft,
                               "{\"Runtime\":{\"Log\":{\"level\":\"info\",\"message\":");
        theater__sink_put_json_string(&exporter->draft, line.data, line.size);
        theater__sink_put_text(&exporter->draft, "}}}");
        theater__draft_end(exporter);
        describe(exporter, "Actor log: ", line);
        put_event(exporter, text_of("ntwk:theater/runtime/log"), walked->event.wall.ms, true);
    } else if (walked->event.kind == THEATER_KIND_WAIT && is_timing(function, walked->args, &op) &&
               op != OPERATION_NOW) {
        put_timing_call(exporter, op, walked->args.data[0].of.u64);
    } else {
        put_custom(exporter, function, true);
    }
}

static void put_completion(theater__exporter *exporter)
{
    const theater__request *request = &exporter->walk.open;
    operation op;
    if (theater__walk_open_args(&exporter->walk, &exporter->walked, NULL) != THEATER_OK) {
        exporter->value.failed = true; /* they were decoded before: only memory can be short */
        return;
    }
    if (exporter->walk.open_kind == THEATER_KIND_WAIT &&
        is_timing(request->function, exporter->walked.args, &op) && op != OPERATION_NOW) {
        put_timing_end(exporter, op, exporter->walked.args.data[0].of.u64);
    } else if (request->function.size > 0) {
        put_custom(exporter, request->function, false);
    } else {
        put_redacted(exporter); /* of a request that was erased itself */
    }
}

void theater__export_event_theater(theater__exporter *exporter)
{
    THEATER_ASSERT(exporter != NULL);
    THEATER_ASSERT(exporter->foreign.sink != NULL);
    const theater__walked *walked = &exporter->walked;
    theater_values result = {&walked->result, walked->has_result ? 1 : 0};
    theater_event_class event_class = walked->event.event_class;
    if (event_class == THEATER_EVENT_GENESIS || event_class == THEATER_EVENT_AMBIENT) {
        return;
    }
    if (walked->event.is_redacted) {
        put_redacted(exporter);
        return;
    }
    switch (walked->event.kind) {
    case THEATER_KIND_CALL:
        put_wasm(exporter, "WasmCall", walked->of.call.export_name, "params", walked->args, true);
        break;
    case THEATER_KIND_WAIT:
    case THEATER_KIND_EFFECT:
    case THEATER_KIND_POST:
        put_request(exporter);
        break;
    case THEATER_KIND_RETURN:
        put_wasm(exporter, "WasmResult", walked->call_name, "result", result, false);
        break;
    case THEATER_KIND_ANSWER:
        put_answer(exporter);
        break;
    case THEATER_KIND_COMPLETION:
        put_completion(exporter);
        break;
    case THEATER_KIND_TERMINATE:
    case THEATER_KIND_END:
        if (walked->ends_call) {
            put_wasm_error(exporter);
        }
        break;
    default:
        break;
    }
}
