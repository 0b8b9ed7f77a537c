/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of a client: what it asks for, what it is answered. Everything in it is foreign: it is
 * read with a bound on depth, as strict JSON and as UTF-8, and a line that is none ends the
 * connection, since nobody knows what the next one would mean.
 *
 * Nothing is said before it is durable: a look shows what was recorded when it was taken, and is
 * sent when that cannot be lost any more; an act is answered when its event cannot.
 */
#include "internal.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <base/value.h>

/* "18446744073709551615" and its NUL. */
#define NUMBER_TEXT_SIZE 21
/* Number, colon, hash. */
#define HEAD_TEXT_SIZE (NUMBER_TEXT_SIZE + THEATER_HASH_TEXT_SIZE)

/* A request, taken apart. The texts borrow from the JSON object. */
typedef struct request {
    const char *verb;
    bool has_id;
    theater_id id;
    const char *name; /* NULL: none */
    size_t name_size;
    uint64_t from;
} request;

typedef void answer_fn(client *c, const request *asked);

/* ---- words of JSON --------------------------------------------------------------------------- */

void json_put(theater__buffer *line, const char *text)
{
    theater__buffer_put(line, text, strlen(text));
}

void json_put_text(theater__buffer *line, const char *text)
{
    theater__json_put_string(line, text, strlen(text));
}

void json_put_u64(theater__buffer *line, uint64_t number)
{
    char text[NUMBER_TEXT_SIZE];
    (void)snprintf(text, sizeof(text), "%" PRIu64, number);
    json_put(line, text);
}

void json_put_id(theater__buffer *line, theater_id id)
{
    char text[THEATER_ID_TEXT_SIZE];
    theater_id_format(id, text);
    json_put_text(line, text);
}

void json_put_head(theater__buffer *line, const theater_head *head)
{
    char hash[THEATER_HASH_TEXT_SIZE];
    char text[HEAD_TEXT_SIZE];
    theater_hash_format(&head->hash, hash);
    (void)snprintf(text, sizeof(text), "%" PRIu64 ":%s", head->seq, hash);
    json_put_text(line, text);
}

static void put_actor(theater__buffer *line, const theater_actor_info *info)
{
    json_put(line, "{\"id\":");
    json_put_id(line, info->id);
    json_put(line, ",\"state\":");
    json_put_text(line, theater_actor_state_name(info->state));
    json_put(line, info->is_resident ? ",\"resident\":true" : ",\"resident\":false");
    json_put(line, ",\"due\":");
    if (info->has_due) {
        json_put_u64(line, info->due.ms);
    } else {
        json_put(line, "null");
    }
    json_put(line, ",\"events\":");
    json_put_u64(line, info->head.seq + 1);
    json_put(line, ",\"head\":");
    json_put_head(line, &info->head);
    json_put(line, ",\"wait\":");
    if (info->wait_seq != 0) {
        json_put_u64(line, info->wait_seq);
    } else {
        json_put(line, "null");
    }
    json_put(line, ",\"parked\":");
    if (info->parked_reason != NULL) {
        json_put_text(line, info->parked_reason);
    } else {
        json_put(line, "null");
    }
    json_put(line, "}");
}

/* ---- replies --------------------------------------------------------------------------------- */

static void send_line(client *c, theater__buffer *line)
{
    client_put(c, line);
    theater__buffer_deinit(line);
}

static void begin_reply(theater__buffer *line, const char *verb)
{
    json_put(line, "{\"ok\":true,\"do\":");
    json_put_text(line, verb);
}

static void send_failure(client *c, theater_status status, const char *message)
{
    theater__buffer line = {0};
    char code[16];
    (void)snprintf(code, sizeof(code), "%d", (int)status);
    json_put(&line, "{\"ok\":false,\"status\":");
    json_put_text(&line, theater_status_name(status));
    json_put(&line, ",\"code\":");
    json_put(&line, code);
    json_put(&line, ",\"message\":");
    json_put_text(&line, message);
    json_put(&line, "}");
    send_line(c, &line);
}

void request_refuse(client *c, theater_status status, const char *message)
{
    send_failure(c, status, message);
    c->is_closing = true;
}

static void on_durable(theater_status status, void *userdata)
{
    pending *look = userdata;
    client *c = look->owner;
    if (c != NULL) {
        c->reply = NULL;
        if (status == THEATER_OK) {
            client_put(c, &look->line);
        } else {
            send_failure(c, status, "the host stopped before what it knows was durable");
        }
    }
    theater__buffer_deinit(&look->line);
    theater__free(look);
    if (c != NULL) {
        client_advance(c);
    }
}

/* Takes the line. */
static void send_when_durable(client *c, theater__buffer *line)
{
    theater_error error = THEATER_ERROR_INIT;
    pending *look = theater__alloc_zeroed(1, sizeof(*look));
    if (look == NULL) {
        (void)theater__fail_nomem(&error);
    } else {
        look->owner = c;
        look->line = *line;
    }
    if (look == NULL ||
        theater_host_on_durable(c->control->host, on_durable, look, &error) != THEATER_OK) {
        theater__buffer_deinit(line);
        theater__free(look);
        send_failure(c, error.status, error.message);
        return;
    }
    c->reply = look;
}

/* ---- looking --------------------------------------------------------------------------------- */

static void answer_hello(client *c, const request *asked)
{
    theater_host *host = c->control->host;
    theater_host_stats stats = {.struct_size = sizeof(stats)};
    theater_host_stats_get(host, &stats);
    theater__buffer line = {0};
    begin_reply(&line, asked->verb);
    json_put(&line, ",\"protocol\":");
    json_put_u64(&line, PROTOCOL_VERSION);
    json_put(&line, ",\"theater\":");
    json_put_text(&line, theater_version());
    json_put(&line, ",\"engine\":");
    json_put_text(&line, theater_engine_name());
    json_put(&line, ",\"level\":");
    json_put_text(&line, theater_host_level(host));
    json_put(&line, ",\"pid\":");
    json_put_u64(&line, (uint64_t)getpid());
    json_put(&line, ",\"you\":");
    json_put_text(&line, c->by);
    json_put(&line, ",\"actors\":");
    json_put_u64(&line, stats.actors);
    json_put(&line, ",\"resident\":");
    json_put_u64(&line, stats.resident);
    json_put(&line, ",\"parked\":");
    json_put_u64(&line, stats.parked);
    json_put(&line, ",\"wakes\":");
    json_put_u64(&line, stats.wakes);
    json_put(&line, ",\"events\":");
    json_put_u64(&line, stats.events);
    json_put(&line, "}");
    send_when_durable(c, &line);
}

typedef struct page {
    theater__buffer *line;
    uint32_t count;
    bool has_more;
} page;

static int put_to_page(const theater_actor_info *info, void *userdata)
{
    page *p = userdata;
    if (p->count == PAGE_ACTORS_MAX) {
        p->has_more = true;
        return 1;
    }
    if (p->count > 0) {
        json_put(p->line, ",");
    }
    put_actor(p->line, info);
    p->count++;
    return 0;
}

static void answer_ps(client *c, const request *asked)
{
    theater__buffer line = {0};
    page p = {&line, 0, false};
    begin_reply(&line, asked->verb);
    json_put(&line, ",\"actors\":[");
    theater_host_visit_from(c->control->host, asked->from, put_to_page, &p);
    json_put(&line, "],\"next\":");
    if (p.has_more) {
        json_put_u64(&line, asked->from + p.count);
    } else {
        json_put(&line, "null");
    }
    json_put(&line, "}");
    send_when_durable(c, &line);
}

static void answer_show(client *c, const request *asked)
{
    theater_error error = THEATER_ERROR_INIT;
    theater_actor_info info;
    if (theater_host_actor(c->control->host, asked->id, &info, &error) != THEATER_OK) {
        send_failure(c, error.status, error.message);
        return;
    }
    theater__buffer line = {0};
    begin_reply(&line, asked->verb);
    json_put(&line, ",\"actor\":");
    put_actor(&line, &info);
    json_put(&line, "}");
    send_when_durable(c, &line);
}

static void answer_subscribe(client *c, const request *asked)
{
    theater__buffer line = {0};
    c->control->subscribers_count += !c->is_subscribed;
    c->is_subscribed = true;
    begin_reply(&line, asked->verb);
    json_put(&line, ",\"queue_bytes_max\":");
    json_put_u64(&line, c->control->queue_bytes_max);
    json_put(&line, "}");
    send_line(c, &line);
}

/* ---- acting ---------------------------------------------------------------------------------- */

static const char *verb_of(theater_act_kind kind)
{
    return kind == THEATER_ACT_WAKE     ? "wake"
           : kind == THEATER_ACT_CANCEL ? "cancel"
                                        : "cancel-wait";
}

static void on_acted(const theater_acted *acted, void *userdata)
{
    pending *act = userdata;
    client *c = act->owner;
    if (c == NULL) {
        theater__free(act);
        return;
    }
    c->reply = NULL;
    if (acted->status == THEATER_OK) {
        theater__buffer line = {0};
        begin_reply(&line, verb_of(acted->kind));
        json_put(&line, ",\"id\":");
        json_put_id(&line, acted->id);
        json_put(&line, ",\"seq\":");
        json_put_u64(&line, acted->seq);
        json_put(&line, ",\"by\":");
        json_put_text(&line, act->by);
        json_put(&line, "}");
        send_line(c, &line);
    } else {
        send_failure(c, acted->status, acted->message);
    }
    theater__free(act);
    client_advance(c);
}

static void begin_act(client *c, const request *asked, theater_act_kind kind)
{
    theater_error error = THEATER_ERROR_INIT;
    pending *act = theater__alloc_zeroed(1, sizeof(*act));
    if (act == NULL) {
        (void)theater__fail_nomem(&error);
        send_failure(c, error.status, error.message);
        return;
    }
    theater_status status = who_by(c->uid, c->uid == c->control->uid ? c->control->user : "root",
                                   asked->name, asked->name_size, act->by, &error);
    if (status == THEATER_OK) {
        act->owner = c;
        status =
            theater_host_act(c->control->host, kind, asked->id, act->by, on_acted, act, &error);
    }
    if (status != THEATER_OK) {
        theater__free(act);
        send_failure(c, error.status, error.message);
        return;
    }
    c->reply = act;
}

static void answer_wake(client *c, const request *asked)
{
    begin_act(c, asked, THEATER_ACT_WAKE);
}

static void answer_cancel(client *c, const request *asked)
{
    begin_act(c, asked, THEATER_ACT_CANCEL);
}

static void answer_cancel_wait(client *c, const request *asked)
{
    begin_act(c, asked, THEATER_ACT_CANCEL_WAIT);
}

static void answer_resume(client *c, const request *asked)
{
    theater_error error = THEATER_ERROR_INIT;
    if (theater_host_resume(c->control->host, asked->id, &error) != THEATER_OK) {
        send_failure(c, error.status, error.message);
        return;
    }
    theater__buffer line = {0};
    begin_reply(&line, asked->verb);
    json_put(&line, ",\"id\":");
    json_put_id(&line, asked->id);
    json_put(&line, "}");
    send_line(c, &line);
}

/* ---- reading --------------------------------------------------------------------------------- */

static const struct verb {
    const char *name;
    bool needs_id;
    answer_fn *answer;
} verbs[] = {
    {"hello", false, answer_hello},  {"ps", false, answer_ps},
    {"show", true, answer_show},     {"wake", true, answer_wake},
    {"cancel", true, answer_cancel}, {"cancel-wait", true, answer_cancel_wait},
    {"resume", true, answer_resume}, {"subscribe", false, answer_subscribe},
};
#define VERBS_COUNT (sizeof(verbs) / sizeof(verbs[0]))

/* A text without a NUL in it; NULL: absent, or no such text (then *out_bad). */
static const char *take_text(struct json_object *object, const char *key, size_t *out_size,
                             bool *out_bad)
{
    struct json_object *found = NULL;
    if (!json_object_object_get_ex(object, key, &found)) {
        return NULL;
    }
    if (!json_object_is_type(found, json_type_string)) {
        *out_bad = true;
        return NULL;
    }
    const char *text = json_object_get_string(found);
    *out_size = (size_t)json_object_get_string_len(found);
    *out_bad = *out_bad || strlen(text) != *out_size;
    return *out_bad ? NULL : text;
}

static theater_status take_apart(struct json_object *object, request *out, theater_error *err)
{
    bool is_bad = false;
    size_t size = 0;
    struct json_object *from = NULL;
    memset(out, 0, sizeof(*out));
    out->verb = take_text(object, "do", &size, &is_bad);
    const char *id = take_text(object, "id", &size, &is_bad);
    out->name = take_text(object, "by", &out->name_size, &is_bad);
    if (is_bad || out->verb == NULL) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "a request is an object with the texts 'do', 'id', 'by'");
    }
    if (id != NULL) {
        theater_status status = theater_id_parse(id, &out->id, err);
        if (status != THEATER_OK) {
            return status;
        }
        out->has_id = true;
    }
    if (json_object_object_get_ex(object, "from", &from)) {
        if (!json_object_is_type(from, json_type_int) || json_object_get_int64(from) < 0) {
            return theater__fail(err, THEATER_ERR_INVALID, "'from' is a whole number from 0 on");
        }
        out->from = (uint64_t)json_object_get_int64(from);
    }
    return THEATER_OK;
}

static void answer_object(client *c, struct json_object *object)
{
    request asked;
    theater_error error = THEATER_ERROR_INIT;
    if (take_apart(object, &asked, &error) != THEATER_OK) {
        send_failure(c, error.status, error.message);
        return;
    }
    for (size_t i = 0; i < VERBS_COUNT; i++) {
        if (strcmp(verbs[i].name, asked.verb) != 0) {
            continue;
        }
        if (verbs[i].needs_id && !asked.has_id) {
            send_failure(c, THEATER_ERR_INVALID, "that needs the 'id' of an actor");
        } else {
            verbs[i].answer(c, &asked);
        }
        return;
    }
    (void)theater__fail(&error, THEATER_ERR_UNSUPPORTED, "there is no request '%.32s'", asked.verb);
    send_failure(c, error.status, error.message);
}

void request_answer(client *c, const char *line, size_t size)
{
    THEATER_ASSERT(c->reply == NULL);
    THEATER_ASSERT(size < LINE_BYTES_MAX);
    struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
    if (tokener == NULL) {
        request_refuse(c, THEATER_ERR_NOMEM, theater_status_text(THEATER_ERR_NOMEM));
        return;
    }
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    char text[LINE_BYTES_MAX];
    memcpy(text, line, size);
    text[size] = '\0'; /* a number at the end of its text is only then complete */
    struct json_object *object = json_tokener_parse_ex(tokener, text, (int)size + 1);
    bool is_whole = json_tokener_get_error(tokener) == json_tokener_success &&
                    json_tokener_get_parse_end(tokener) >= size;
    if (is_whole && json_object_is_type(object, json_type_object)) {
        answer_object(c, object);
    } else {
        request_refuse(c, THEATER_ERR_INVALID, "a request is one line with one JSON object");
    }
    (void)json_object_put(object);
    json_tokener_free(tokener);
}
