/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Default stores: their place, and finding an actor among them. Looking never locks and never
 * writes (theater_store_visit()), so that it works beside running hosts.
 */
#include "stores.h"

#include "memory.h"
#include "output.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Descriptors that removing a tree may hold open; a store is up to three levels deep. */
#define REMOVE_DESCRIPTORS_MAX 8

static theater_status fail(theater_error *err, theater_status status, int os_errno,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));

static theater_status fail(theater_error *err, theater_status status, int os_errno,
                           const char *format, ...)
{
    if (err != NULL) {
        err->status = status;
        err->os_errno = os_errno;
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(err->message, sizeof(err->message), format, arguments);
        va_end(arguments);
    }
    return status;
}

static theater_status state_directory(char *out, size_t size, theater_error *err)
{
    const char *state = secure_getenv("XDG_STATE_HOME");
    const char *home = secure_getenv("HOME");
    int length = -1;
    if (state != NULL && state[0] == '/') { /* a relative one is to be ignored, says XDG */
        length = snprintf(out, size, "%s/theater", state);
    } else if (home != NULL && home[0] == '/') {
        length = snprintf(out, size, "%s/.local/state/theater", home);
    } else {
        return fail(err, THEATER_ERR_IO, 0,
                    "neither XDG_STATE_HOME nor HOME is set: name a store with --store");
    }
    if (length < 0 || (size_t)length >= size) {
        return fail(err, THEATER_ERR_LIMIT, 0, "the path of the state directory is too long");
    }
    return THEATER_OK;
}

static theater_status default_url(theater_id id, cli_url *out_url, theater_error *err)
{
    char directory[PATH_MAX];
    char name[THEATER_ID_TEXT_SIZE];
    theater_status status = state_directory(directory, sizeof(directory), err);
    if (status != THEATER_OK) {
        return status;
    }
    theater_id_format(id, name);
    int length = snprintf(out_url->text, sizeof(out_url->text), "log:%s/%s", directory, name);
    if (length < 0 || (size_t)length >= sizeof(out_url->text)) {
        return fail(err, THEATER_ERR_LIMIT, 0, "the path of the state directory is too long");
    }
    return THEATER_OK;
}

theater_status cli_store_for_run(const char *given, theater_id id, cli_url *out_url,
                                 theater_error *err)
{
    if (given == NULL) {
        return default_url(id, out_url, err);
    }
    int length = snprintf(out_url->text, sizeof(out_url->text), "%s", given);
    if (length < 0 || (size_t)length >= sizeof(out_url->text)) {
        return fail(err, THEATER_ERR_INVALID, 0, "the store's URL is too long");
    }
    return THEATER_OK;
}

const char *cli_store_directory(const cli_url *url)
{
    if (strncmp(url->text, "log:", 4) == 0) {
        return url->text + 4;
    }
    /* A bare path may hold a colon behind a slash; a scheme is a word and a colon. */
    size_t word = strcspn(url->text, ":/");
    return url->text[word] == ':' ? NULL : url->text;
}

uint32_t cli_store_shards(const cli_url *url)
{
    uint32_t count = 1;
    return theater_store_shards(url->text, &count, NULL) == THEATER_OK ? count : 1;
}

theater_status cli_store_at(const cli_url *url, cli_shard shard, cli_url *out_url,
                            theater_error *err)
{
    int length = shard.count <= 1 ? snprintf(out_url->text, sizeof(out_url->text), "%s", url->text)
                                  : snprintf(out_url->text, sizeof(out_url->text), "%s/shard-%03u",
                                             url->text, (unsigned)shard.number);
    if (length < 0 || (size_t)length >= sizeof(out_url->text)) {
        return fail(err, THEATER_ERR_INVALID, 0, "the store's URL is too long");
    }
    return THEATER_OK;
}

cli_shard cli_store_shard_of(const cli_url *url, theater_id id)
{
    uint32_t count = cli_store_shards(url);
    return (cli_shard){.number = theater_store_shard_of(id, count), .count = count};
}

static theater_status make_parents(const char *path, theater_error *err)
{
    char parent[PATH_MAX];
    (void)snprintf(parent, sizeof(parent), "%s", path);
    for (char *slash = strchr(parent + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(parent, 0700) != 0 && errno != EEXIST) {
            return fail(err, THEATER_ERR_IO, errno, "'%s' could not be made: %s", parent,
                        strerrordesc_np(errno));
        }
        *slash = '/';
    }
    return THEATER_OK;
}

theater_status cli_store_make(const cli_url *url, bool with_parents, bool *out_is_made,
                              theater_error *err)
{
    const char *path = cli_store_directory(url);
    *out_is_made = false;
    if (path == NULL || path[0] == '\0') {
        return THEATER_OK;
    }
    theater_status status = with_parents ? make_parents(path, err) : THEATER_OK;
    if (status == THEATER_OK && mkdir(path, 0700) == 0) {
        *out_is_made = true;
    } else if (status == THEATER_OK && errno != EEXIST) {
        status = fail(err, THEATER_ERR_STORE, errno, "store '%s' could not be made: %s", path,
                      strerrordesc_np(errno));
    }
    return status;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void cli_store_remove(const cli_url *url)
{
    const char *path = cli_store_directory(url);
    int flags = FTW_DEPTH | FTW_PHYS | FTW_MOUNT;
    if (path == NULL) {
        return;
    }
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the hosts are gone, and their threads with them */
    if (nftw(path, remove_entry, REMOVE_DESCRIPTORS_MAX, flags) != 0) {
        cli_say("'%s' could not be removed", path);
    }
}

static int is_store_name(const struct dirent *entry)
{
    theater_id id;
    return theater_id_parse(entry->d_name, &id, NULL) == THEATER_OK;
}

theater_status cli_stores_visit(cli_store_visit_fn *visit, void *userdata, theater_error *err)
{
    char directory[PATH_MAX];
    theater_status status = state_directory(directory, sizeof(directory), err);
    if (status != THEATER_OK) {
        return status;
    }
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, is_store_name, alphasort);
    if (count < 0) {
        return errno == ENOENT ? THEATER_OK
                               : fail(err, THEATER_ERR_IO, errno, "'%s' could not be read: %s",
                                      directory, strerrordesc_np(errno));
    }
    int stop = 0;
    for (int i = 0; i < count; i++) {
        cli_url url;
        int length =
            snprintf(url.text, sizeof(url.text), "log:%s/%s", directory, entries[i]->d_name);
        if (stop == 0 && length > 0 && (size_t)length < sizeof(url.text)) {
            stop = visit(&url, userdata);
        }
        cli_release(entries[i]);
    }
    cli_release(entries);
    return THEATER_OK;
}

/* ---- finding an actor ------------------------------------------------------------------------ */

typedef struct search {
    theater_id id;
    bool is_found;
    cli_url url;
} search;

static int compare_actor(const theater_actor_info *info, void *userdata)
{
    search *wanted = userdata;
    wanted->is_found = memcmp(info->id.bytes, wanted->id.bytes, sizeof(info->id.bytes)) == 0;
    return wanted->is_found;
}

static int search_store(const cli_url *url, void *userdata)
{
    search *wanted = userdata;
    /* A store that cannot be read is no reason not to look into the others. */
    (void)theater_store_visit(url->text, compare_actor, wanted, NULL);
    if (wanted->is_found) {
        wanted->url = *url;
    }
    return wanted->is_found;
}

theater_status cli_store_find(theater_id id, cli_url *out_url, theater_error *err)
{
    struct stat found;
    theater_status status = default_url(id, out_url, err);
    if (status != THEATER_OK) {
        return status;
    }
    /* The usual case, and the only one for a store so damaged that it cannot be listed. */
    if (stat(cli_store_directory(out_url), &found) == 0 && S_ISDIR(found.st_mode)) {
        return THEATER_OK;
    }
    search wanted = {.id = id};
    status = cli_stores_visit(search_store, &wanted, err);
    if (status != THEATER_OK) {
        return status;
    }
    if (!wanted.is_found) {
        char directory[PATH_MAX];
        char name[THEATER_ID_TEXT_SIZE];
        theater_id_format(id, name);
        status = state_directory(directory, sizeof(directory), err);
        return status != THEATER_OK
                   ? status
                   : fail(err, THEATER_ERR_NOTFOUND, 0,
                          "no store in '%.120s' holds actor %s: name its store with --store",
                          directory, name);
    }
    *out_url = wanted.url;
    return THEATER_OK;
}

static int open_by_id(theater_id id, const char *store, theater_chain **out_chain)
{
    theater_error error = THEATER_ERROR_INIT;
    cli_url url;
    theater_status status = store != NULL ? cli_store_for_run(store, id, &url, &error)
                                          : cli_store_find(id, &url, &error);
    if (status == THEATER_OK) {
        status = theater_chain_open_store(url.text, id, out_chain, &error);
    }
    return status == THEATER_OK ? CLI_EXIT_OK : cli_say_error(&error);
}

int cli_chain_open(const char *target, const char *store, theater_chain **out_chain)
{
    theater_error error = THEATER_ERROR_INIT;
    struct stat found;
    theater_id id;
    bool is_id = theater_id_parse(target, &id, NULL) == THEATER_OK;
    if (store != NULL && !is_id) {
        cli_say("'%s' is not the id of an actor, which --store needs", target);
        return CLI_EXIT_USAGE;
    }
    if (store != NULL || (is_id && (stat(target, &found) != 0 || S_ISDIR(found.st_mode)))) {
        return open_by_id(id, store, out_chain);
    }
    if (theater_chain_open_file(target, out_chain, &error) == THEATER_OK) {
        return CLI_EXIT_OK;
    }
    if (error.status == THEATER_ERR_CORRUPT) {
        cli_say("'%s': %s", target, error.message);
        return CLI_EXIT_DIVERGED;
    }
    return cli_say_error(&error);
}
