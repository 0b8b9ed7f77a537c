/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See power.h. A promise that is broken is kept as a text, so that a test can also ask for one.
 */
#include "power.h"

#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "logstore.h"

#define DIRECTORY "/store"
#define SEGMENT_SIZE ((uint64_t)32 << 10)
#define START_MS 1767225600000u
#define NS_PER_MS 1000000u

/* ---- the disk under the store ---------------------------------------------------------------- */

static simdisk *the_disk; /* NULL: the real one */

theater_status __real_theater__store_open(const theater__store_options *options,
                                          theater__store **out_store, theater_error *err);
theater_status __wrap_theater__store_open(const theater__store_options *options,
                                          theater__store **out_store, theater_error *err);

theater_status __wrap_theater__store_open(const theater__store_options *options,
                                          theater__store **out_store, theater_error *err)
{
    if (the_disk == NULL) {
        return __real_theater__store_open(options, out_store, err);
    }
    theater__logstore_options all = {
        .store = options,
        .directory = DIRECTORY,
        .io = simdisk_io(the_disk),
        .segment_size = SEGMENT_SIZE,
        .threadless = true,
    };
    return theater__logstore_open_with(&all, out_store, err);
}

/* ---- what the outside is told ---------------------------------------------------------------- */

static void violate(power *p, const char *what)
{
    if (p->violation == NULL) {
        p->violation = what;
    }
}

static power_member *find(power *p, theater_id id)
{
    for (size_t i = 0; i < p->members_count; i++) {
        if (memcmp(&p->members[i].id, &id, sizeof(id)) == 0) {
            return &p->members[i];
        }
    }
    violate(p, "an actor that nobody spawned");
    return NULL;
}

static bool equal_heads(theater_head a, theater_head b)
{
    return a.seq == b.seq && memcmp(&a.hash, &b.hash, sizeof(a.hash)) == 0;
}

static void on_line(const theater_runtime_line *line, void *userdata)
{
    power *p = userdata;
    power_member *member = find(p, line->actor);
    if (member == NULL) {
        return;
    }
    unsigned number =
        line->text.data[0] == 'z' ? POWER_LINES - 1 : (unsigned)(line->text.data[0] - 'a');
    if (number >= POWER_LINES || line->text.size != 1) {
        violate(p, "a line that nobody said");
        return;
    }
    if (number < member->session_lines) {
        violate(p, "a line that was given twice, or out of order");
    }
    if (member->lines[number] != 0 && member->lines[number] != line->seq) {
        violate(p, "a line that was said twice");
    }
    member->session_lines = number + 1;
    member->lines[number] = line->seq;
}

static bool on_finished(const theater_finished *finished, void *userdata)
{
    power *p = userdata;
    power_member *member = find(p, finished->id);
    if (member == NULL) {
        return true;
    }
    if (finished->reason != THEATER_END_RETURNED) {
        violate(p, "an actor ended otherwise than by its return");
    }
    if (member->session_ended) {
        violate(p, "an end that was given twice in one run");
    }
    if (member->is_noted) {
        violate(p, "an end that was given again, though it was noted that it had been");
    }
    if (member->has_ended && !equal_heads(member->head, finished->head)) {
        violate(p, "an actor that ended twice");
    }
    member->has_ended = true;
    member->session_ended = true;
    member->head = finished->head;
    member->ends_count++;
    return true;
}

static void on_parked(theater_id id, theater_status status, const char *reason, void *userdata)
{
    power *p = userdata;
    (void)id;
    (void)reason;
    p->parked_count++;
    p->parked_status = status;
}

static void on_durable(theater_status status, void *userdata)
{
    power *p = userdata;
    p->is_asking = false;
    for (size_t i = 0; i < p->asked_count && status == THEATER_OK; i++) {
        power_member *member = &p->members[i];
        member->is_promised = member->is_promised || member->asked.seq > 0;
        member->is_noted = member->is_noted || member->asked_ended;
        if (member->asked.seq >= member->promised.seq) {
            member->promised = member->asked;
        }
    }
}

void power_ask(power *p)
{
    if (p->is_asking) {
        return;
    }
    p->asked_count = p->members_count;
    for (size_t i = 0; i < p->members_count; i++) {
        power_member *member = &p->members[i];
        theater_actor_info info;
        memset(&member->asked, 0, sizeof(member->asked));
        member->asked_ended = member->session_ended;
        if (theater_host_actor(p->host, member->id, &info, NULL) == THEATER_OK) {
            member->asked = info.head;
        } else if (member->is_promised) {
            violate(p, "an actor that was promised is not there");
        }
    }
    p->is_asking = theater_host_on_durable(p->host, on_durable, p, NULL) == THEATER_OK;
}

/* ---- life ------------------------------------------------------------------------------------ */

void power_begin(power *p, uint64_t seed)
{
    memset(p, 0, sizeof(*p));
    p->disk = simdisk_new(seed);
    p->boot = 1;
    p->boot_wall_ms = START_MS;
    the_disk = p->disk;
}

void power_end(power *p)
{
    theater_host_free(p->host);
    simdisk_free(p->disk);
    the_disk = NULL;
}

static theater_status add_handlers(power *p, theater_error *err)
{
    theater_timing_host_config config = THEATER_TIMING_HOST_CONFIG_INIT;
    theater_timing_host *timing = NULL;
    theater_status status = theater_timing_host_new(&config, &timing, err);
    if (status != THEATER_OK) {
        return status;
    }
    theater_handler handler = theater_timing_host_handler(timing);
    status = theater_host_add_handler(p->host, &handler, err);
    if (status == THEATER_OK) {
        status = theater_runtime_handler(on_line, p, &handler, err);
    }
    return status == THEATER_OK ? theater_host_add_handler(p->host, &handler, err) : status;
}

theater_status power_on(power *p, theater_error *err)
{
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    options.clock = THEATER_CLOCK_VIRTUAL;
    options.virtual_start.ms = p->boot_wall_ms;
    options.seed = p->boot;
    options.live_max = p->live_max;
    options.compiler_path = COMPILER;
    for (size_t i = 0; i < p->members_count; i++) {
        p->members[i].session_lines = 0;
        p->members[i].session_ended = false;
    }
    theater_status status = theater_host_new(&options, &p->host, err);
    if (status == THEATER_OK) {
        status = add_handlers(p, err);
    }
    if (status == THEATER_OK) {
        theater_host_on_finished(p->host, on_finished, p);
        theater_host_on_parked(p->host, on_parked, p);
        status = host_prepare(p->host, err);
    }
    if (status == THEATER_OK) {
        theater__clock_advance(p->host->clock, p->elapsed_ns);
        status = theater_host_open(p->host, err);
    }
    return status;
}

void power_off(power *p, uint64_t pause_ms, bool is_reboot)
{
    if (p->host != NULL && p->host->clock != NULL) {
        p->elapsed_ns =
            theater__mono_since_ns(theater__clock_mono(p->host->clock), p->host->opened_mono);
    }
    theater_host_free(p->host);
    p->host = NULL;
    p->talker = NULL;
    p->elapsed_ns += pause_ms * NS_PER_MS;
    if (is_reboot) {
        p->boot++;
        p->boot_wall_ms += p->elapsed_ns / NS_PER_MS;
        p->elapsed_ns = 0;
    }
}

theater_status power_load(power *p, theater_error *err)
{
    return theater_host_load_component_file(p->host, GUESTS "/attacks.wat", &p->talker, err);
}

theater_status power_spawn(power *p, uint64_t duration_ms, theater_error *err)
{
    assert_true(p->members_count < POWER_MEMBERS_MAX);
    power_member *member = &p->members[p->members_count];
    theater_spawn_options options = THEATER_SPAWN_OPTIONS_INIT;
    char args[32];
    (void)snprintf(args, sizeof(args), "[%llu]", (unsigned long long)duration_ms);
    memset(member, 0, sizeof(*member));
    /* An id of its own, whether or not an earlier one of the same number was lost. */
    member->id.bytes[0] = 0xac;
    member->id.bytes[14] = (uint8_t)(p->members_count >> 8);
    member->id.bytes[15] = (uint8_t)p->members_count;
    member->duration_ms = duration_ms;
    options.id = &member->id;
    options.export_name = "talk";
    options.args_json = args;
    theater_status status = theater_host_spawn(p->host, p->talker, &options, NULL, err);
    p->members_count += status == THEATER_OK;
    return status;
}

/* ---- looking --------------------------------------------------------------------------------- */

/*
 * Each wait ended once and not before its time, one return, one end; the promised event is in it.
 */
static void check_events(power *p, const power_member *member, theater_chain *chain)
{
    unsigned counts[THEATER_KIND_END + 1] = {0};
    uint64_t armed_ms = 0;
    bool has_promised = member->promised.seq == 0;
    size_t position = 0;
    theater_event event;
    while (theater_chain_next(chain, &position, &event, NULL) == THEATER_OK) {
        if (event.kind <= THEATER_KIND_END) {
            counts[event.kind]++;
        }
        has_promised =
            has_promised || (event.seq == member->promised.seq &&
                             memcmp(&event.hash, &member->promised.hash, sizeof(event.hash)) == 0);
        if (event.kind == THEATER_KIND_WAIT) {
            armed_ms = event.wall.ms;
        } else if (event.kind == THEATER_KIND_COMPLETION &&
                   event.wall.ms < armed_ms + member->duration_ms) {
            violate(p, "a wake that is early");
        }
    }
    if (!has_promised) {
        violate(p, "an event that was said to be durable is lost");
    }
    if (counts[THEATER_KIND_WAIT] != POWER_LINES - 1 ||
        counts[THEATER_KIND_COMPLETION] != POWER_LINES - 1) {
        violate(p, "a wake that is lost or doubled");
    }
    if (counts[THEATER_KIND_RETURN] != 1 || counts[THEATER_KIND_END] != 1) {
        violate(p, "a life without exactly one end");
    }
}

static void check_member(power *p, const power_member *member)
{
    theater_actor_info info;
    if (theater_host_actor(p->host, member->id, &info, NULL) != THEATER_OK) {
        if (member->is_promised || member->has_ended || member->lines[0] != 0) {
            violate(p, "an actor that the outside knows is lost");
        }
        return; /* its spawn was in flight */
    }
    bool has_all = member->has_ended;
    for (unsigned i = 0; i < POWER_LINES; i++) {
        has_all = has_all && member->lines[i] != 0;
    }
    if (info.state != THEATER_ACTOR_ENDED || !has_all) {
        violate(p, "an actor that did not finish, or of which something was not given out");
        return;
    }
    theater_chain *chain = NULL;
    theater_chain_report report;
    if (theater_host_chain(p->host, member->id, &chain, NULL) != THEATER_OK) {
        violate(p, "a chain that cannot be read");
        return;
    }
    if (theater_chain_verify(chain, NULL, &report, NULL) != THEATER_OK ||
        report.verdict != THEATER_CHAIN_UNANCHORED || !equal_heads(report.head, member->head)) {
        violate(p, "a chain that does not verify, or not up to the head that was given out");
    }
    check_events(p, member, chain);
    theater_chain_free(chain);
}

void power_check(power *p)
{
    theater_error err = THEATER_ERROR_INIT;
    if (theater_host_run(p->host, &err) != THEATER_OK) {
        violate(p, "the host did not run to its end");
    }
    theater_host_stats stats = {.struct_size = sizeof(stats)};
    theater_host_stats_get(p->host, &stats);
    if (stats.actors > p->members_count) {
        violate(p, "more actors than were spawned");
    }
    for (size_t i = 0; i < p->members_count; i++) {
        check_member(p, &p->members[i]);
    }
}
