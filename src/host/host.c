/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's beginning and end: options, clock, engine, store, and taking them down in reverse.
 */
#include "internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>

#define VIRTUAL_START_MS 1767225600000u /* 2026-01-01T00:00:00Z */
#define MAPS_PER_LIVE 8u

/* ---- the environment of turns ---------------------------------------------------------------- */

static theater_wall env_wall(void *userdata)
{
    return theater__clock_wall(((theater_host *)userdata)->clock);
}

static theater_mono env_mono(void *userdata)
{
    return theater__clock_mono(((theater_host *)userdata)->clock);
}

static uint64_t env_cpu_ns(void *userdata)
{
    return theater__clock_thread_cpu_ns(((theater_host *)userdata)->clock);
}

static void env_random(void *userdata, uint8_t *out_bytes, size_t size)
{
    entropy_fill(userdata, out_bytes, size);
}

/* The slice is over: somebody is due, or waits. */
static bool env_preempt(void *userdata)
{
    theater_host *host = userdata;
    return theater__clock_mono(host->clock).ns >= host->slice_end.ns;
}

static void on_tick(void *userdata)
{
    theater__engine_bump(((theater_host *)userdata)->engine);
}

/* ---- options --------------------------------------------------------------------------------- */

static theater_status copy_string(char **out_copy, const char *text, theater_error *err)
{
    if (text == NULL) {
        return THEATER_OK;
    }
    *out_copy = theater__strndup(text, strlen(text));
    return *out_copy != NULL ? THEATER_OK : theater__fail_nomem(err);
}

/* $XDG_CACHE_HOME/theater, else ~/.cache/theater, else none. */
static theater_status default_cache(char **out_directory, theater_error *err)
{
    const char *base = secure_getenv("XDG_CACHE_HOME");
    const char *home = secure_getenv("HOME");
    theater__buffer path = {0};
    if (base != NULL && base[0] == '/') {
        theater__buffer_put(&path, base, strlen(base));
    } else if (home != NULL && home[0] == '/') {
        theater__buffer_put(&path, home, strlen(home));
        theater__buffer_put(&path, "/.cache", 7);
    } else {
        return THEATER_OK;
    }
    theater__buffer_put(&path, "/theater", 9); /* with its NUL */
    theater_status status = path.failed ? theater__fail_nomem(err)
                                        : copy_string(out_directory, (const char *)path.data, err);
    theater__buffer_deinit(&path);
    return status;
}

static theater_status copy_options(theater_host *host, const theater_host_options *options,
                                   theater_error *err)
{
    host->options = *options;
    host->options.shards_count = options->shards_count != 0 ? options->shards_count : 1;
    uint32_t hosts_min = host->options.shards_count; /* of one process, it is assumed */
    host->options.hosts_count = options->hosts_count > hosts_min ? options->hosts_count : hosts_min;
    theater_status status = copy_string(
        &host->store_url, options->store_url != NULL ? options->store_url : "memory:", err);
    if (status == THEATER_OK) {
        status = copy_string(&host->compiler_path, options->compiler_path, err);
    }
    if (status == THEATER_OK && options->cache_directory == NULL) {
        status = default_cache(&host->cache_directory, err);
    } else if (status == THEATER_OK && options->cache_directory[0] != '\0') {
        status = copy_string(&host->cache_directory, options->cache_directory, err);
    }
    host->log.write = options->log;
    host->log.userdata = options->log_userdata;
    host->log.level_max = options->log_level_max;
    return status;
}

static theater_status check_shards(const theater_host_options *options, theater_error *err)
{
    uint32_t count = options->shards_count != 0 ? options->shards_count : 1;
    if (count > THEATER__SHARDS_MAX) {
        return theater__fail(err, THEATER_ERR_LIMIT, "shards_max: a store has up to %u shards, %u",
                             THEATER__SHARDS_MAX, (unsigned)count);
    }
    if (options->shard >= count) {
        return theater__fail(err, THEATER_ERR_INVALID, "there is no shard %u of %u",
                             (unsigned)options->shard, (unsigned)count);
    }
    if (count > 1 && options->clock == THEATER_CLOCK_VIRTUAL) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "a virtual clock cannot jump in several threads at once: use a store "
                             "of one shard");
    }
    return THEATER_OK;
}

/* Of so many hosts each has its part of what the process may hold. */
static uint32_t live_max_of_machine(uint32_t hosts_count)
{
    uint64_t lives = theater__engine_maps_max() / MAPS_PER_LIVE / hosts_count;
    return lives > UINT32_MAX ? UINT32_MAX : (uint32_t)(lives > 0 ? lives : 1);
}

/* ---- making ---------------------------------------------------------------------------------- */

static theater_status add_to_epoll(theater_host *host, int fd, theater_error *err)
{
    struct epoll_event event;
    memset(&event, 0, sizeof(event));
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (fd >= 0 && epoll_ctl(host->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        return theater__fail_errno(err, THEATER_ERR_IO, errno, "epoll_ctl failed");
    }
    return THEATER_OK;
}

static theater_status make_descriptors(theater_host *host, theater_error *err)
{
    host->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    host->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (host->epoll_fd < 0 || host->event_fd < 0) {
        return theater__fail_errno(err, THEATER_ERR_IO, errno,
                                   "making the event descriptors failed");
    }
    return add_to_epoll(host, host->event_fd, err);
}

static theater_status make_shutdown(theater_host *host, theater_error *err)
{
    theater_status status = theater_shutdown_controller_new(&host->shutdown, err);
    if (status == THEATER_OK) {
        status = theater_shutdown_controller_subscribe(host->shutdown, &host->receiver, err);
    }
    return status;
}

static const theater_id *actor_key(uint32_t number, const void *userdata)
{
    return &actor_at(userdata, number)->id;
}

theater_status theater_host_new(const theater_host_options *options, theater_host **out_host,
                                theater_error *err)
{
    THEATER_ASSERT(out_host != NULL);
    theater_host_options defaults = THEATER_HOST_OPTIONS_INIT;
    const theater_host_options *chosen = options != NULL ? options : &defaults;
    if (chosen->struct_size != sizeof(*chosen)) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "the host options were not made with THEATER_HOST_OPTIONS_INIT");
    }
    theater_status status = check_shards(chosen, err);
    if (status != THEATER_OK) {
        return status;
    }
    theater_host *host = theater__alloc_zeroed(1, sizeof(*host));
    if (host == NULL) {
        return theater__fail_nomem(err);
    }
    host->epoll_fd = -1;
    host->event_fd = -1;
    theater__list_init(&host->urgent);
    theater__list_init(&host->ready);
    theater__list_init(&host->starved_due);
    theater__list_init(&host->starved);
    theater__list_init(&host->stalled);
    theater__list_init(&host->flights);
    theater__list_init(&host->waiters);
    theater__timerq_init(&host->mono_queue);
    theater__timerq_init(&host->wall_queue);
    status = copy_options(host, chosen, err);
    if (status == THEATER_OK) {
        status = make_descriptors(host, err);
    }
    if (status == THEATER_OK) {
        status = make_shutdown(host, err);
    }
    if (status == THEATER_OK) {
        uint32_t live_max = live_max_of_machine(host->options.hosts_count);
        host->live_max =
            chosen->live_max != 0 && chosen->live_max < live_max ? chosen->live_max : live_max;
        status = evict_open(host, err);
    }
    if (status != THEATER_OK) {
        theater_host_free(host);
        return status;
    }
    uint64_t seed = 0;
    entropy_fill(host, (uint8_t *)&seed, sizeof(seed));
    theater__map_init(&host->index, seed, actor_key, host);
    *out_host = host;
    return THEATER_OK;
}

/* ---- opening --------------------------------------------------------------------------------- */

static theater_status open_clock(theater_host *host, theater_error *err)
{
    if (host->options.clock == THEATER_CLOCK_VIRTUAL) {
        theater_wall start = host->options.virtual_start;
        start.ms = start.ms != 0 ? start.ms : VIRTUAL_START_MS;
        return theater__clock_open_simulated(start, host->options.seed, &host->clock, err);
    }
    theater_status status = theater__clock_open_os(&host->clock, err);
    return status == THEATER_OK ? add_to_epoll(host, theater__clock_fd(host->clock), err) : status;
}

static void make_env(theater_host *host)
{
    host->env.userdata = host;
    host->env.wall = env_wall;
    host->env.mono = env_mono;
    host->env.cpu_ns = env_cpu_ns;
    host->env.preempt = env_preempt;
    host->env.random = env_random;
    host->env.is_simulated = theater__clock_is_simulated(host->clock);
    theater__boot boot = theater__clock_boot(host->clock);
    memcpy(host->env.boot, boot.bytes, sizeof(host->env.boot));
    host->opened_mono = theater__clock_mono(host->clock);
    host->now = host->opened_mono;
    host->next_due_ns = UINT64_MAX;
}

static theater_status make_registry(theater_host *host, theater_error *err)
{
    theater_status status = theater__actor_component_new(NULL, &host->registry, err);
    return status == THEATER_OK ? handlers_setup(host, host->registry, err) : status;
}

theater_status host_prepare(theater_host *host, theater_error *err)
{
    if (host->engine != NULL) {
        return THEATER_OK;
    }
    theater__engine_options options;
    memset(&options, 0, sizeof(options));
    options.cache_directory = host->cache_directory;
    options.compiler_path = host->compiler_path;
    options.engines_count = host->options.hosts_count;
    options.log = host->log;
    theater_status status = THEATER_OK;
    if (host->clock == NULL) {
        status = open_clock(host, err);
    }
    if (status == THEATER_OK) {
        make_env(host);
        status = theater__engine_open(&options, &host->engine, err);
    }
    if (status == THEATER_OK) {
        status = theater__ticker_open(on_tick, host, &host->ticker, err);
    }
    if (status == THEATER_OK) {
        status = make_registry(host, err);
    }
    return status;
}

theater_status theater_host_open(theater_host *host, theater_error *err)
{
    THEATER_ASSERT(host != NULL);
    if (host->store != NULL) {
        return theater__fail(err, THEATER_ERR_EXISTS, "the host is open already");
    }
    theater_status status = host_prepare(host, err);
    if (status != THEATER_OK) {
        return status;
    }
    theater__store_options options;
    memset(&options, 0, sizeof(options));
    options.url = host->store_url;
    options.must_exist = host->options.store_must_exist;
    options.adopt = host->options.store_adopt;
    options.shard = host->options.shard;
    options.shards_count = host->options.shards_count;
    options.log = host->log;
    memcpy(options.boot, host->env.boot, sizeof(options.boot));
    options.wall = theater__clock_wall(host->clock);
    status = theater__store_open(&options, &host->store, err);
    if (status == THEATER_OK) {
        status = add_to_epoll(host, theater__store_fd(host->store), err);
    }
    if (status == THEATER_OK) {
        theater_error error = THEATER_ERROR_INIT;
        status = recover_all(host, &error);
        if (status != THEATER_OK) {
            commit_fail(host, &error); /* it knows a part of its actors only: it may not run */
            if (err != NULL) {
                *err = error;
            }
        }
        theater_host_wake_up(host); /* no alarm is armed yet */
    }
    return status;
}

/* ---- the end --------------------------------------------------------------------------------- */

static void free_lives(theater_host *host)
{
    theater_error closed = THEATER_ERROR_INIT;
    (void)theater__fail(&closed, THEATER_ERR_CLOSED, "the host was closed before that was durable");
    for (uint32_t i = 0; i < host->actors_count; i++) {
        live *l = actor_at(host, i)->live;
        if (l != NULL) {
            l->inflight = 0; /* the store is closed: nothing will complete */
            acts_failed(host, l, 1, host->failure.status != THEATER_OK ? &host->failure : &closed);
            actor_free_live(host, l);
        }
    }
}

/* Batches whose completion nobody will take any more; what they hold is durable. */
static void free_flights(theater_host *host)
{
    theater__list *link = NULL;
    while ((link = theater__list_pop(&host->flights)) != NULL) {
        flight_free(THEATER__LIST_OWNER(link, flight, link));
    }
}

void theater_host_free(theater_host *host)
{
    if (host == NULL) {
        return;
    }
    theater__store_close(host->store);
    durable_close(host);
    free_flights(host);
    theater__ticker_close(host->ticker);
    /* Nobody may be let in from the starved list while everyone is let go. */
    theater__list_init(&host->starved_due);
    theater__list_init(&host->starved);
    free_lives(host);
    (void)residency_sweep(host, UINT32_MAX);
    theater__free(host->graveyard);
    theater__free(host->frontier);
    components_free(host);
    theater_actor_component_free(host->registry);
    handlers_free(host);
    theater_shutdown_receiver_free(host->receiver);
    theater_shutdown_controller_free(host->shutdown);
    theater__engine_close(host->engine);
    theater__clock_close(host->clock);
    for (uint32_t i = 0; i * ACTORS_CHUNK < host->actors_count; i++) {
        theater__free(host->chunks[i]);
    }
    theater__free(host->chunks);
    theater__map_deinit(&host->index);
    theater__timerq_deinit(&host->mono_queue);
    theater__timerq_deinit(&host->wall_queue);
    evict_close(host);
    theater__free(host->parked);
    watches_free(host);
    theater__free(host->store_url);
    theater__free(host->cache_directory);
    theater__free(host->compiler_path);
    if (host->epoll_fd >= 0) {
        (void)close(host->epoll_fd);
    }
    if (host->event_fd >= 0) {
        (void)close(host->event_fd);
    }
    theater__free(host);
}

void theater_host_on_finished(theater_host *host, theater_finished_fn *callback, void *userdata)
{
    THEATER_ASSERT(host != NULL);
    host->on_finished = callback;
    host->on_finished_userdata = userdata;
}

void theater_host_on_parked(theater_host *host, theater_parked_fn *callback, void *userdata)
{
    THEATER_ASSERT(host != NULL);
    host->on_parked = callback;
    host->on_parked_userdata = userdata;
}

theater_shutdown_controller *theater_host_shutdown(theater_host *host)
{
    return host->shutdown;
}

void theater_host_log(const theater_host *host, theater_log_level level, const char *format, ...)
{
    char line[THEATER_ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    theater__log_write(&host->log, level, "%s", line);
}
