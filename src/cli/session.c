/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The poll loop, what is printed when an actor ends, and the interrupt. The command reads no clock:
 * that a wait is long is seen by poll() coming back empty after HINT_AFTER_MS.
 */
#include "session.h"

#include "control.h"
#include "memory.h"
#include "term.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A terminal is told until when an actor sleeps if nothing happens for so long. */
#define HINT_AFTER_MS 2000

/* What a signal handler can reach has to be global. */
static atomic_bool is_interrupted;
static int interrupt_fd = -1;

/* ---- the interrupt --------------------------------------------------------------------------- */

/* Wakes whoever waits in poll(), in all threads: nobody ever reads it. Safe in a signal handler. */
static void ring(void)
{
    uint64_t one = 1;
    (void)!write(interrupt_fd, &one, sizeof(one));
}

static void on_signal(int number)
{
    (void)number;
    int saved = errno;
    is_interrupted = true;
    ring();
    errno = saved;
}

bool cli_interrupt_init(void)
{
    interrupt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    /* No SA_RESTART: what is held, say by a reader that takes nothing, is to end as well. */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    if (interrupt_fd < 0 || sigemptyset(&action.sa_mask) != 0 ||
        sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGTERM, &action, NULL) != 0) {
        cli_say("signals cannot be handled: %s", strerrordesc_np(errno));
        return false;
    }
    return true;
}

bool cli_is_interrupted(void)
{
    return is_interrupted;
}

/* ---- what hosts tell ------------------------------------------------------------------------- */

static void on_log(theater_log_level level, const char *line, void *userdata)
{
    (void)level;
    (void)userdata;
    cli_note("%s", line);
}

static void on_guest_line(const theater_runtime_line *line, void *userdata)
{
    const cli_host *host = userdata;
    if (!host->session->settings->quiet) {
        cli_say_guest(line, host->session->settings->json);
    }
    if (host->control != NULL) {
        theater_control_line(host->control, line);
    }
}

static int exit_of_end(const theater_finished *finished)
{
    if (finished->reason == THEATER_END_SHUTDOWN) {
        return CLI_EXIT_OK;
    }
    if (finished->reason != THEATER_END_RETURNED) {
        return CLI_EXIT_ENDED;
    }
    const theater_value *result = finished->result;
    bool is_error = result != NULL && result->kind == THEATER_VALUE_RESULT && !result->is_ok;
    return is_error ? CLI_EXIT_GUEST : CLI_EXIT_OK;
}

static bool print_json(const cli_host *host, const theater_finished *finished, const char *id)
{
    char head[CLI_HEAD_TEXT_SIZE];
    bool is_whole = true;
    cli_head_format(&finished->head, head);
    cli_out("{\"id\":\"%s\",\"reason\":\"%s\",\"result\":", id,
            theater_end_reason_name(finished->reason));
    if (finished->result != NULL) {
        is_whole = cli_out_value(finished->result);
    } else {
        cli_out("null");
    }
    if (finished->text.size > 0) {
        cli_out(",\"text\":");
        cli_out_json_text(finished->text.data, finished->text.size);
    }
    cli_out(",\"seq\":%" PRIu64 ",\"head\":\"%s\",\"events\":%" PRIu64 ",\"store\":",
            finished->result_seq, head, finished->head.seq + 1);
    cli_out_json_text(host->url.text, strlen(host->url.text));
    cli_out("}\n");
    return is_whole;
}

static bool print_result(const cli_host *host, const theater_finished *finished)
{
    char id[THEATER_ID_TEXT_SIZE];
    theater_id_format(finished->id, id);
    if (host->session->settings->json) {
        return print_json(host, finished, id);
    }
    bool is_whole = true;
    if (finished->result != NULL) {
        cli_out("%s%s", host->session->with_id ? id : "", host->session->with_id ? " " : "");
        is_whole = cli_out_value(finished->result);
        cli_out("\n");
    }
    if (finished->reason == THEATER_END_SHUTDOWN) {
        if (host->session->settings->verbose) {
            cli_note("actor %s ended itself", id);
        }
    } else if (finished->reason != THEATER_END_RETURNED) {
        cli_say("actor %s was ended (%s): %.*s", id, theater_end_reason_name(finished->reason),
                (int)finished->text.size, finished->text.size > 0 ? finished->text.data : "");
    }
    return is_whole;
}

static bool show_finished(const theater_finished *finished, const cli_host *host)
{
    cli_session *session = host->session;
    bool is_mine = !session->has_only ||
                   memcmp(session->only.bytes, finished->id.bytes, sizeof(finished->id.bytes)) == 0;
    if (host->control != NULL) {
        theater_control_finished(host->control, finished);
    }
    if (!is_mine || session->is_broken) {
        return false;
    }
    bool is_whole = print_result(host, finished);
    if (cli_out_flush() != CLI_EXIT_OK || !is_whole) {
        session->is_broken = true;
        cli_session_worsen(session, CLI_EXIT_IO);
        ring();
        return false;
    }
    session->reported++;
    session->is_over = session->has_only;
    cli_session_worsen(session, exit_of_end(finished));
    return true;
}

/* Written and flushed before another thread writes. */
static bool on_finished(const theater_finished *finished, void *userdata)
{
    flockfile(stdout);
    bool is_acknowledged = show_finished(finished, userdata);
    funlockfile(stdout);
    return is_acknowledged;
}

static void on_parked(theater_id id, theater_status status, const char *reason, void *userdata)
{
    cli_host *host = userdata;
    cli_session *session = host->session;
    char text[THEATER_ID_TEXT_SIZE];
    theater_id_format(id, text);
    if (session->has_only && memcmp(session->only.bytes, id.bytes, sizeof(id.bytes)) != 0) {
        return;
    }
    cli_say("actor %s is parked: %s", text, reason);
    if (session->settings->json) {
        flockfile(stdout);
        cli_out("{\"id\":\"%s\",", text);
        cli_out_error(status, reason);
        cli_out(",\"store\":");
        cli_out_json_text(host->url.text, strlen(host->url.text));
        cli_out("}\n");
        funlockfile(stdout);
    }
    session->reported++;
    session->is_over = session->has_only;
    cli_session_worsen(session, status == THEATER_ERR_DIVERGED ? CLI_EXIT_DIVERGED : CLI_EXIT_IO);
}

/* ---- hosts ----------------------------------------------------------------------------------- */

void cli_session_init(cli_session *session, const cli_host_settings *settings)
{
    memset(session, 0, sizeof(*session));
    session->settings = settings;
}

void cli_session_drop(cli_session *session)
{
    cli_host *host = session->hosts[--session->hosts_count];
    theater_control_close(host->control);
    theater_host_free(host->host);
    cli_release(host->wanted);
    cli_release(host);
}

void cli_session_deinit(cli_session *session)
{
    while (session->hosts_count > 0) {
        cli_session_drop(session);
    }
}

void cli_session_worsen(cli_session *session, int exit_status)
{
    int before = session->exit_status;
    while (exit_status > before &&
           !atomic_compare_exchange_weak(&session->exit_status, &before, exit_status)) {
    }
}

bool cli_session_is_stopped(const cli_session *session)
{
    return is_interrupted || session->is_over || session->is_broken;
}

static int read_clock(const char *text, theater_host_options *options)
{
    if (text == NULL || strcmp(text, "real") == 0) {
        return CLI_EXIT_OK;
    }
    const char *start = text + strlen("virtual");
    bool is_virtual = strncmp(text, "virtual", strlen("virtual")) == 0;
    if (!is_virtual || (start[0] != '\0' && start[0] != '@') ||
        (start[0] == '@' && !cli_number(start + 1, &options->virtual_start.ms))) {
        cli_say("--clock: '%s' is neither real nor virtual nor virtual@MS", text);
        return CLI_EXIT_USAGE;
    }
    options->clock = THEATER_CLOCK_VIRTUAL;
    return CLI_EXIT_OK;
}

static int add_handlers(cli_host *host, const cli_host_settings *settings)
{
    theater_error error = THEATER_ERROR_INIT;
    theater_timing_host_config config = THEATER_TIMING_HOST_CONFIG_INIT;
    config.max_sleep_duration = settings->max_sleep;
    config.min_sleep_duration = settings->min_sleep;
    theater_timing_host *timing = NULL;
    if (theater_timing_host_new(&config, &timing, &error) != THEATER_OK) {
        return cli_say_error(&error);
    }
    theater_handler handler = theater_timing_host_handler(timing);
    if (theater_host_add_handler(host->host, &handler, &error) != THEATER_OK ||
        theater_runtime_handler(on_guest_line, host, &handler, &error) != THEATER_OK ||
        theater_host_add_handler(host->host, &handler, &error) != THEATER_OK) {
        return cli_say_error(&error);
    }
    return CLI_EXIT_OK;
}

/*
 * Places in memory of one host. They are the process's: the hosts of one process have equal parts,
 * as have the shards of a store, wherever they run. 0: the library's own choice.
 */
static uint32_t live_max_of(const cli_host *host)
{
    uint64_t all = host->session->settings->live_max;
    uint32_t sharing = host->session->hosts_expected;
    if (all == 0) {
        return 0;
    }
    sharing = sharing > host->shard.count ? sharing : host->shard.count;
    all /= sharing > 0 ? sharing : 1;
    return all > UINT32_MAX ? UINT32_MAX : all > 0 ? (uint32_t)all : 1;
}

static int make_host(cli_host *host, const cli_host_settings *settings, bool must_exist)
{
    theater_error error = THEATER_ERROR_INIT;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    int status = read_clock(settings->clock, &options);
    if (status != CLI_EXIT_OK) {
        return status;
    }
    options.store_url = host->url.text;
    options.store_must_exist = must_exist;
    options.seed = settings->seed;
    options.shard = host->shard.number;
    options.shards_count = host->shard.count;
    options.hosts_count = host->session->hosts_expected;
    options.live_max = live_max_of(host);
    options.is_frozen = settings->is_frozen;
    options.store_adopt = settings->adopt;
    options.trap_unknown_imports = settings->trap_unknown_imports;
    options.log = on_log;
    options.log_level_max = settings->quiet     ? THEATER_LOG_ERROR
                            : settings->verbose ? THEATER_LOG_INFO
                                                : THEATER_LOG_WARNING;
    if (theater_host_new(&options, &host->host, &error) != THEATER_OK) {
        return cli_say_error(&error);
    }
    theater_host_on_finished(host->host, on_finished, host);
    theater_host_on_parked(host->host, on_parked, host);
    return add_handlers(host, settings);
}

void cli_session_share(cli_session *session, size_t hosts_count)
{
    session->hosts_expected = hosts_count < CLI_HOSTS_MAX ? (uint32_t)hosts_count : CLI_HOSTS_MAX;
    if (session->settings->verbose && hosts_count > 1) {
        char all[32] = "the";
        if (session->settings->live_max != 0) {
            (void)snprintf(all, sizeof(all), "%" PRIu64, session->settings->live_max);
        }
        cli_note("%u hosts share %s places in memory", (unsigned)session->hosts_expected, all);
    }
}

int cli_session_add(cli_session *session, const cli_url *url, cli_shard shard, bool must_exist,
                    cli_host **out_host)
{
    cli_host *host =
        session->hosts_count < CLI_HOSTS_MAX ? cli_grow(NULL, 0, 1, sizeof(*host)) : NULL;
    if (host == NULL) {
        cli_say("%s", theater_status_text(THEATER_ERR_NOMEM));
        return CLI_EXIT_IO;
    }
    host->session = session;
    host->shard = shard;
    if (url != NULL) {
        host->url = *url;
    } else {
        memcpy(host->url.text, "memory:", sizeof("memory:"));
    }
    session->hosts[session->hosts_count++] = host;
    int status = make_host(host, session->settings, must_exist);
    if (status != CLI_EXIT_OK) {
        cli_session_drop(session);
        return status;
    }
    *out_host = host;
    return CLI_EXIT_OK;
}

/*
 * Without a control socket the actors run all the same: that it cannot be made is said, not more.
 * With a simulated clock there is nothing to look at: it is over as soon as it can be.
 */
theater_status cli_session_open(cli_host *host, theater_error *err)
{
    const cli_host_settings *settings = host->session->settings;
    theater_error error = THEATER_ERROR_INIT;
    char path[CLI_CONTROL_PATH_MAX];
    cli_url at;
    theater_status status = theater_host_open(host->host, err);
    if (status != THEATER_OK || settings->no_control || theater_host_fd(host->host) < 0 ||
        cli_store_at(&host->url, host->shard, &at, NULL) != THEATER_OK ||
        !cli_control_path(&at, path, sizeof(path))) {
        return status;
    }
    if (theater_control_open(host->host, path, NULL, &host->control, &error) != THEATER_OK &&
        !settings->quiet) {
        cli_note("going on without a control socket: %s", error.message);
    }
    return THEATER_OK;
}

/* ---- the loop -------------------------------------------------------------------------------- */

void cli_session_dispatch(cli_host *host)
{
    theater_error error = THEATER_ERROR_INIT;
    host->has_more = false;
    if (theater_host_dispatch(host->host, &host->has_more, &error) != THEATER_OK) {
        cli_session_worsen(host->session, cli_say_error(&error));
        host->is_done = true;
        return;
    }
    host->is_done = theater_host_active(host->host) == 0 && !host->has_more;
    /* A simulated clock has no descriptor: time passes by calling. */
    host->has_more = host->has_more || theater_host_fd(host->host) < 0;
}

bool cli_session_wait(const cli_host *host)
{
    struct pollfd fds[2] = {{.fd = interrupt_fd, .events = POLLIN},
                            {.fd = theater_host_fd(host->host), .events = POLLIN}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) {
        cli_say("poll failed: %s", strerrordesc_np(errno));
        return false;
    }
    return true;
}

/* Tells a person at a terminal why nothing happens. */
static void hint(const cli_session *session, theater_wall *said)
{
    theater_actor_info info;
    char due[CLI_TIME_TEXT_SIZE];
    if (session->settings->quiet || session->settings->json || !session->has_only ||
        theater_host_actor(session->hosts[0]->host, session->only, &info, NULL) != THEATER_OK ||
        info.state != THEATER_ACTOR_ASLEEP || !info.has_due || info.due.ms == said->ms) {
        return;
    }
    *said = info.due;
    cli_time_format(info.due, due);
    cli_note("asleep until %s; to stop and go on later, press Ctrl-C", due);
}

/* Waits for any host or the interrupt; marks who is to be called. False: poll() failed. */
static bool wait_for_hosts(cli_session *session, bool with_hint, theater_wall *said)
{
    struct pollfd fds[CLI_HOSTS_MAX + 1] = {{.fd = interrupt_fd, .events = POLLIN}};
    bool has_more = false;
    for (size_t i = 0; i < session->hosts_count; i++) {
        const cli_host *host = session->hosts[i];
        bool is_mine = !host->is_done && !host->is_apart;
        fds[i + 1].fd = is_mine ? theater_host_fd(host->host) : -1;
        fds[i + 1].events = POLLIN;
        has_more = has_more || (is_mine && host->has_more);
    }
    int timeout_ms = has_more ? 0 : with_hint ? HINT_AFTER_MS : -1;
    int ready = poll(fds, (nfds_t)session->hosts_count + 1, timeout_ms);
    if (ready < 0 && errno != EINTR) {
        cli_say("poll failed: %s", strerrordesc_np(errno));
        return false;
    }
    if (ready == 0 && !has_more) {
        hint(session, said);
    }
    for (size_t i = 0; i < session->hosts_count && ready > 0; i++) {
        cli_host *host = session->hosts[i];
        if (!host->is_apart) {
            host->has_more = host->has_more || fds[i + 1].revents != 0;
        }
    }
    return true;
}

/* The hosts that have no thread of their own. */
static void drive_mine(cli_session *session)
{
    theater_wall said = {0};
    bool has_terminal = cli_term_has_stderr();
    while (!cli_session_is_stopped(session)) {
        size_t left = 0;
        bool is_quiet_wait = true;
        for (size_t i = 0; i < session->hosts_count; i++) {
            cli_host *host = session->hosts[i];
            if (host->is_apart) {
                continue;
            }
            if (!host->is_done && host->has_more) {
                cli_session_dispatch(host);
                is_quiet_wait = false;
            }
            left += host->is_done ? 0 : 1;
        }
        if (left == 0 || cli_session_is_stopped(session)) {
            break;
        }
        bool with_hint = has_terminal && (!is_quiet_wait || said.ms == 0);
        if (!wait_for_hosts(session, with_hint, &said)) {
            cli_session_worsen(session, CLI_EXIT_IO);
            break;
        }
    }
}

void cli_session_drive(cli_session *session)
{
    for (size_t i = 0; i < session->hosts_count; i++) {
        session->hosts[i]->has_more = true;
    }
    cli_shards_begin(session);
    drive_mine(session);
    cli_shards_end(session);
    for (size_t i = 0; i < session->hosts_count && is_interrupted; i++) {
        theater_host_stop(session->hosts[i]->host);
    }
}
