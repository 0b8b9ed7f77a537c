/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts with a thread of their own: one for each shard of a store that has several. The thread
 * opens the shard, so that all are recovered at once, and drives it as the session's loop drives
 * the others. The host is made before the thread begins and freed after it has ended, so that it
 * has one owner at any time.
 */
#include "session.h"

#include "memory.h"

#include <string.h>

int cli_shards_want(cli_host *host, theater_id id)
{
    theater_id *wanted =
        cli_grow(host->wanted, host->wanted_count, host->wanted_count + 1, sizeof(id));
    if (wanted == NULL) {
        cli_say("%s", theater_status_text(THEATER_ERR_NOMEM));
        return CLI_EXIT_IO;
    }
    host->wanted = wanted;
    host->wanted[host->wanted_count++] = id;
    return CLI_EXIT_OK;
}

static void say_missing(const cli_host *host)
{
    for (size_t i = 0; i < host->wanted_count; i++) {
        theater_actor_info info;
        char text[THEATER_ID_TEXT_SIZE];
        if (theater_host_actor(host->host, host->wanted[i], &info, NULL) != THEATER_OK) {
            theater_id_format(host->wanted[i], text);
            cli_say("store '%s' does not hold actor %s", host->url.text, text);
            cli_session_worsen(host->session, CLI_EXIT_IO);
        }
    }
}

static void *run_host(void *argument)
{
    cli_host *host = argument;
    theater_error error = THEATER_ERROR_INIT;
    if (cli_session_open(host, &error) != THEATER_OK) {
        (void)cli_say_error(&error);
        cli_session_worsen(host->session, CLI_EXIT_IO);
        host->is_done = true;
        return NULL;
    }
    say_missing(host);
    while (!host->is_done && !cli_session_is_stopped(host->session)) {
        cli_session_dispatch(host);
        if (!host->is_done && !host->has_more && !cli_session_wait(host)) {
            cli_session_worsen(host->session, CLI_EXIT_IO);
            break;
        }
    }
    return NULL;
}

void cli_shards_begin(cli_session *session)
{
    for (size_t i = 0; i < session->hosts_count; i++) {
        cli_host *host = session->hosts[i];
        if (!host->is_apart) {
            continue;
        }
        int problem = pthread_create(&host->thread, NULL, run_host, host);
        host->has_thread = problem == 0;
        if (problem != 0) {
            cli_say("shard %u of '%s' gets no thread: %s", (unsigned)host->shard.number,
                    host->url.text, strerrordesc_np(problem));
            cli_session_worsen(session, CLI_EXIT_IO);
        }
    }
}

void cli_shards_end(cli_session *session)
{
    for (size_t i = 0; i < session->hosts_count; i++) {
        if (session->hosts[i]->has_thread) {
            (void)pthread_join(session->hosts[i]->thread, NULL);
            session->hosts[i]->has_thread = false;
        }
    }
}
