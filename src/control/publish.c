/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What subscribers are told: lines of actors and their ends, in the order in which the host gives
 * them out, which is each actor's chain order, and only when they are durable. Each is made once
 * and copied into every queue.
 *
 * A subscriber that does not read fills its own queue. When the next event does not fit, it is told
 * `lagging`, with the first event that it does not get, and dropped behind that: it has everything
 * up to there, in order, and can read the rest from the chain.
 */
#include "internal.h"

#include <string.h>

#include <base/assert.h>
#include <base/value.h>

static void tell_lagging(client *c, theater_id id, uint64_t seq)
{
    theater__buffer line = {0};
    json_put(&line, "{\"event\":\"lagging\",\"id\":");
    json_put_id(&line, id);
    json_put(&line, ",\"seq\":");
    json_put_u64(&line, seq);
    json_put(&line, "}");
    c->control->subscribers_count--;
    c->is_subscribed = false;
    c->is_closing = true;
    client_put(c, &line);
    theater__buffer_deinit(&line);
}

static void publish(theater_control *control, const theater__buffer *line, theater_id id,
                    uint64_t seq)
{
    theater__list *at = control->clients.next;
    while (at != &control->clients) {
        client *c = THEATER__LIST_OWNER(at, client, link);
        at = at->next;
        if (!c->is_subscribed) {
            continue;
        }
        if (client_unsent(c) + line->size + 1 > control->queue_bytes_max) {
            tell_lagging(c, id, seq);
        } else {
            client_put(c, line);
        }
        client_advance(c);
    }
}

/* Adds the text under that name, or says that it is too long. */
static void put_text(theater__buffer *line, const char *name, theater_text text)
{
    json_put(line, ",\"");
    json_put(line, name);
    json_put(line, "\":");
    if (text.size > PUBLISHED_BYTES_MAX) {
        json_put(line, "null,\"left_out\":true");
    } else {
        theater__json_put_string(line, text.size > 0 ? text.data : "", text.size);
    }
}

static void put_result(theater__buffer *line, const theater_value *result)
{
    json_put(line, ",\"result\":");
    size_t before = line->size;
    if (result == NULL) {
        json_put(line, "null");
        return;
    }
    theater__value_to_json(line, result);
    if (!line->failed && line->size - before > PUBLISHED_BYTES_MAX) {
        line->size = before;
        json_put(line, "null,\"left_out\":true");
    }
}

void theater_control_finished(theater_control *control, const theater_finished *finished)
{
    THEATER_ASSERT(control != NULL && finished != NULL);
    if (control->subscribers_count == 0) {
        return;
    }
    theater__buffer line = {0};
    json_put(&line, "{\"event\":\"finished\",\"id\":");
    json_put_id(&line, finished->id);
    json_put(&line, ",\"seq\":");
    json_put_u64(&line, finished->result_seq);
    json_put(&line, ",\"reason\":");
    json_put_text(&line, theater_end_reason_name(finished->reason));
    put_result(&line, finished->result);
    put_text(&line, "text", finished->text);
    json_put(&line, ",\"head\":");
    json_put_head(&line, &finished->head);
    json_put(&line, "}");
    publish(control, &line, finished->id, finished->result_seq);
    theater__buffer_deinit(&line);
}

void theater_control_line(theater_control *control, const theater_runtime_line *said)
{
    THEATER_ASSERT(control != NULL && said != NULL);
    if (control->subscribers_count == 0) {
        return;
    }
    theater__buffer line = {0};
    json_put(&line, "{\"event\":\"line\",\"id\":");
    json_put_id(&line, said->actor);
    json_put(&line, ",\"seq\":");
    json_put_u64(&line, said->seq);
    json_put(&line, ",\"wall\":");
    json_put_u64(&line, said->wall.ms);
    put_text(&line, "text", said->text);
    json_put(&line, "}");
    publish(control, &line, said->actor, said->seq);
    theater__buffer_deinit(&line);
}
