/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store of several shards: one log each, so that as many threads, each with a host of its own,
 * write at once. A store of one shard is a log and nothing else; one of more is a directory of
 * logs:
 *
 *     DIR/shards        "theater-shards 1 4\n": the number, fixed when the store is made
 *     DIR/shard-000     a whole log store, with its own lock, id, home and components
 *     DIR/shard-001     …
 *
 * Which shard an actor lives in is a function of its id alone, so nothing has to be looked up. That
 * the number never changes follows.
 *
 * Making goes through all shards first and writes `shards` last: before, nothing runs in any of
 * them. A start that was interrupted is finished by the next one that asks for shards, and refused
 * by one that does not. The lock of the first shard is held meanwhile, so that two starts cannot
 * agree on different numbers. A number that was damaged does not fit the directories that are
 * there.
 *
 * Whoever only looks takes the number as it is: what is missing of a damaged store must not hide
 * the rest.
 */
#include "shards.h"

#include "crc32c.h"
#include "logstore.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define SHARDS_NAME "shards"
#define SHARDS_NAME_NEW "shards.new"
#define SHARDS_WORD "theater-shards "
/* The word, a version of one digit, a number of up to ten, blanks, a newline. */
#define SHARDS_SIZE_MAX (sizeof(SHARDS_WORD) + 16)
#define SHARD_WORD "shard-"
#define SHARD_NAME_SIZE (sizeof(SHARD_WORD) + 3)

_Static_assert(THEATER__SHARDS_MAX <= 64, "the survey has one bit for each");

uint32_t theater__shard_of(const theater_id *actor, uint32_t shards_count)
{
    THEATER_ASSERT(shards_count > 0);
    return theater__crc32c(0, actor->bytes, sizeof(actor->bytes)) % shards_count;
}

/* ---- names and the number -------------------------------------------------------------------- */

static char *shard_path(const char *directory, uint32_t shard)
{
    char name[SHARD_NAME_SIZE + 8];
    (void)snprintf(name, sizeof(name), SHARD_WORD "%03u", (unsigned)shard);
    return theater__path_in(directory, name);
}

/* UINT32_MAX: it is not the name of a shard. */
static uint32_t shard_number(const char *name)
{
    size_t word = strlen(SHARD_WORD);
    if (strncmp(name, SHARD_WORD, word) != 0 || strlen(name) != SHARD_NAME_SIZE - 1 ||
        strspn(name + word, "0123456789") != 3) {
        return UINT32_MAX;
    }
    return (uint32_t)(name[word] - '0') * 100 + (uint32_t)(name[word + 1] - '0') * 10 +
           (uint32_t)(name[word + 2] - '0');
}

static int format_count(char text[SHARDS_SIZE_MAX], uint32_t count)
{
    return snprintf(text, SHARDS_SIZE_MAX, SHARDS_WORD "1 %u\n", (unsigned)count);
}

static theater_status parse_count(const char *directory, const char *text, uint32_t *out_count,
                                  theater_error *err)
{
    char expected[SHARDS_SIZE_MAX];
    for (uint32_t count = 2; count <= THEATER__SHARDS_MAX; count++) {
        (void)format_count(expected, count);
        if (strcmp(text, expected) == 0) {
            *out_count = count;
            return THEATER_OK;
        }
    }
    size_t word = strlen(SHARDS_WORD);
    if (strncmp(text, SHARDS_WORD, word) == 0 && text[word] >= '2' && text[word] <= '9') {
        return theater__fail(err, THEATER_ERR_UNSUPPORTED,
                             "'%s/" SHARDS_NAME "' is newer than this program", directory);
    }
    return theater__fail(err, THEATER_ERR_CORRUPT, "'%s/" SHARDS_NAME "' is damaged", directory);
}

/* 1 if there is no such file: a store of one shard, or none. */
static theater_status read_count(theater__io *io, const char *directory, uint32_t *out_count,
                                 theater_error *err)
{
    THEATER_AUTOFREE char *path = theater__path_in(directory, SHARDS_NAME);
    if (path == NULL) {
        return theater__fail_nomem(err);
    }
    int fd = io->open(io, path, O_RDONLY, 0);
    if (fd == -ENOENT || fd == -ENOTDIR) {
        *out_count = 1;
        return THEATER_OK;
    }
    char text[SHARDS_SIZE_MAX + 1] = {0};
    size_t got = 0;
    int result = fd < 0 ? fd : theater__io_read_all(io, fd, text, sizeof(text) - 1, 0, &got);
    if (fd >= 0) {
        (void)io->close(io, fd);
    }
    return result < 0
               ? theater__fail_errno(err, THEATER_ERR_IO, -result, "'%s' cannot be read", path)
               : parse_count(directory, text, out_count, err);
}

static theater_status write_count(theater__io *io, const char *directory, uint32_t count,
                                  theater_error *err)
{
    char text[SHARDS_SIZE_MAX];
    int size = format_count(text, count);
    THEATER_ASSERT(size > 0 && (size_t)size < sizeof(text));
    /* The shards' own names first: what says that they are there must not be there alone. */
    int result = io->fsync_directory(io, directory);
    if (result == 0) {
        result = theater__replace_file(io, directory, SHARDS_NAME, text, (size_t)size);
    }
    if (result == -ENOMEM) {
        return theater__fail_nomem(err);
    }
    return result < 0 ? theater__fail_errno(err, THEATER_ERR_IO, -result,
                                            "store '%s' cannot be made", directory)
                      : THEATER_OK;
}

/* ---- what is there --------------------------------------------------------------------------- */

typedef struct survey_findings {
    bool has_id;
    bool has_shards;  /* the file */
    uint64_t shards;  /* the directories, a bit each */
    bool has_further; /* one with a number that no store has */
    bool has_foreign;
} survey_findings;

static int survey_name(const char *name, void *userdata)
{
    survey_findings *found = userdata;
    uint32_t number = shard_number(name);
    if (strcmp(name, "store.id") == 0) {
        found->has_id = true;
    } else if (strcmp(name, SHARDS_NAME) == 0) {
        found->has_shards = true;
    } else if (number < THEATER__SHARDS_MAX) {
        found->shards |= (uint64_t)1 << number;
    } else if (number != UINT32_MAX) {
        found->has_further = true;
    } else if (strcmp(name, SHARDS_NAME_NEW) != 0) {
        found->has_foreign = true;
    }
    return 0;
}

/* What is no directory holds nothing: the log that is opened there has the words for it. */
static theater_status survey(theater__io *io, const char *directory, survey_findings *out_found,
                             theater_error *err)
{
    memset(out_found, 0, sizeof(*out_found));
    int result = io->list(io, directory, survey_name, out_found);
    if (result < 0 && result != -ENOENT && result != -ENOTDIR) {
        return theater__fail_errno(err, THEATER_ERR_IO, -result, "the store '%s' cannot be read",
                                   directory);
    }
    return THEATER_OK;
}

static theater_status fail_unfinished(const char *directory, theater_error *err)
{
    return theater__fail(err, THEATER_ERR_STORE,
                         "'%s' holds shards of a store that was not made, or not copied, to the "
                         "end; use the same --shards again, or remove it",
                         directory);
}

static uint64_t mask_of(uint32_t count)
{
    return count == 64 ? UINT64_MAX : ((uint64_t)1 << count) - 1;
}

/* The number, and that just so many directories are there. */
static theater_status read_whole(theater__io *io, const char *directory,
                                 const survey_findings *found, uint32_t *out_count,
                                 theater_error *err)
{
    uint32_t count = 0;
    theater_status status = read_count(io, directory, &count, err);
    if (status != THEATER_OK || count == 1) {
        *out_count = count;
        return status;
    }
    uint64_t missing = mask_of(count) & ~found->shards;
    if (missing != 0) {
        return theater__fail(err, THEATER_ERR_CORRUPT,
                             "store '%s' has %u shards, and " SHARD_WORD
                             "%03u is missing; restore it from a backup",
                             directory, (unsigned)count, (unsigned)__builtin_ctzll(missing));
    }
    if (found->has_id || found->has_further || (found->shards & ~mask_of(count)) != 0) {
        return theater__fail(err, THEATER_ERR_CORRUPT,
                             "store '%s' holds more than the %u shards that its '" SHARDS_NAME
                             "' tells of",
                             directory, (unsigned)count);
    }
    *out_count = count;
    return THEATER_OK;
}

/* ---- making ---------------------------------------------------------------------------------- */

/* Opens a shard that holds nothing yet, or makes it. */
static theater_status make_shard(const theater__logstore_options *options, uint32_t shard,
                                 theater__store **out_store, theater_error *err)
{
    THEATER_AUTOFREE char *path = shard_path(options->directory, shard);
    if (path == NULL) {
        return theater__fail_nomem(err);
    }
    theater__logstore_options all = *options;
    all.directory = path;
    all.is_shard = true;
    all.threadless = true;
    theater__store *store = NULL;
    theater__recovered found;
    theater_status status = theater__logstore_open_with(&all, &store, err);
    if (status != THEATER_OK) {
        return status;
    }
    status = theater__store_recover_next(store, &found, err);
    if (status == THEATER_ERR_NOTFOUND) {
        *out_store = store;
        return THEATER_OK;
    }
    theater__store_close(store);
    return status != THEATER_OK
               ? status
               : theater__fail(err, THEATER_ERR_CORRUPT,
                               "'%s' holds actors, and there is no '%s/" SHARDS_NAME
                               "' that says how many shards there are; restore it from a backup",
                               path, options->directory);
}

/* With the lock of the first shard held. Somebody else may have been faster. */
static theater_status make_others(const theater__logstore_options *options, theater__io *io,
                                  uint32_t count, theater_error *err)
{
    survey_findings found;
    theater_status status = survey(io, options->directory, &found, err);
    if (status != THEATER_OK || found.has_shards) {
        return status;
    }
    if (found.has_further || (found.shards & ~mask_of(count)) != 0) {
        return theater__fail(err, THEATER_ERR_STORE,
                             "the making of store '%s' began with more than %u shards; use the "
                             "same --shards again, or remove it",
                             options->directory, (unsigned)count);
    }
    for (uint32_t i = 1; i < count && status == THEATER_OK; i++) {
        theater__store *store = NULL;
        status = make_shard(options, i, &store, err);
        theater__store_close(store);
    }
    return status == THEATER_OK ? write_count(io, options->directory, count, err) : status;
}

static theater_status make(const theater__logstore_options *options, theater__io *io,
                           uint32_t count, theater_error *err)
{
    theater__store *first = NULL;
    theater_status status = make_shard(options, 0, &first, err);
    if (status == THEATER_OK) {
        status = make_others(options, io, count, err);
    }
    theater__store_close(first);
    return status;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* A store of so many shards where there is none, or where one was begun. */
static theater_status make_if_none(const theater__logstore_options *options, theater__io *io,
                                   uint32_t wanted, survey_findings *found, theater_error *err)
{
    const char *directory = options->directory;
    if (found->has_shards || found->has_id) {
        return THEATER_OK;
    }
    bool is_begun = found->shards != 0 || found->has_further;
    if (is_begun && (wanted == 1 || options->store->must_exist)) {
        return fail_unfinished(directory, err);
    }
    if (wanted == 1) {
        return THEATER_OK; /* a log */
    }
    if (options->store->must_exist) {
        return theater__fail(err, THEATER_ERR_NOTFOUND, "there is no store at '%s'", directory);
    }
    if (found->has_foreign) {
        return theater__fail(
            err, THEATER_ERR_INVALID,
            "'%s' holds other files and is no store; name a new or an empty directory", directory);
    }
    theater_status status = make(options, io, wanted, err);
    return status == THEATER_OK ? survey(io, directory, found, err) : status;
}

static theater_status open_shard(const theater__logstore_options *options,
                                 theater__store **out_store, theater_error *err)
{
    THEATER_AUTOFREE char *path = shard_path(options->directory, options->store->shard);
    if (path == NULL) {
        return theater__fail_nomem(err);
    }
    theater__store_options store = *options->store;
    theater__logstore_options all = *options;
    store.must_exist = true;
    all.store = &store;
    all.directory = path;
    return theater__logstore_open_with(&all, out_store, err);
}

theater_status theater__shards_open_with(const theater__logstore_options *options,
                                         theater__store **out_store, theater_error *err)
{
    const theater__store_options *store = options->store;
    theater__io *io = options->io != NULL ? options->io : theater__io_system();
    uint32_t wanted = store->shards_count != 0 ? store->shards_count : 1;
    THEATER_ASSERT(wanted <= THEATER__SHARDS_MAX);
    THEATER_ASSERT(store->shard < wanted);
    survey_findings found;
    uint32_t count = 1;
    theater_status status = survey(io, options->directory, &found, err);
    if (status == THEATER_OK) {
        status = make_if_none(options, io, wanted, &found, err);
    }
    if (status == THEATER_OK && found.has_shards) {
        status = read_whole(io, options->directory, &found, &count, err);
    }
    if (status != THEATER_OK) {
        return status;
    }
    if (count != wanted) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "store '%s' has %u shard%s, a number that is fixed when it is made: "
                             "use --shards %u, not %u",
                             options->directory, (unsigned)count, count == 1 ? "" : "s",
                             (unsigned)count, (unsigned)wanted);
    }
    return count == 1 ? theater__logstore_open_with(options, out_store, err)
                      : open_shard(options, out_store, err);
}

/* A shard that was opened as a store of its own would take actors that nobody finds again. */
static theater_status refuse_shard(const char *directory, theater_error *err)
{
    size_t size = strlen(directory);
    while (size > 1 && directory[size - 1] == '/') {
        size--;
    }
    THEATER_AUTOFREE char *path = theater__strndup(directory, size);
    THEATER_AUTOFREE char *above = path != NULL ? theater__path_in(path, "..") : NULL;
    if (above == NULL) {
        return theater__fail_nomem(err);
    }
    const char *slash = strrchr(path, '/');
    uint32_t count = 1;
    if (shard_number(slash != NULL ? slash + 1 : path) == UINT32_MAX ||
        read_count(theater__io_system(), above, &count, NULL) != THEATER_OK || count == 1) {
        return THEATER_OK;
    }
    return theater__fail(err, THEATER_ERR_INVALID,
                         "'%s' is one of the %u shards of a store; name the directory above it",
                         path, (unsigned)count);
}

theater_status theater__shards_open(const char *directory, const theater__store_options *options,
                                    theater__store **out_store, theater_error *err)
{
    theater__logstore_options all = {.store = options, .directory = directory};
    theater_status status = refuse_shard(directory, err);
    return status == THEATER_OK ? theater__shards_open_with(&all, out_store, err) : status;
}

theater_status theater__shards_count(const char *directory, uint32_t *out_count, theater_error *err)
{
    survey_findings found;
    theater_status status = survey(theater__io_system(), directory, &found, err);
    if (status != THEATER_OK) {
        return status;
    }
    if (found.has_shards) {
        return read_whole(theater__io_system(), directory, &found, out_count, err);
    }
    if (found.has_id) {
        *out_count = 1;
        return THEATER_OK;
    }
    return found.shards != 0
               ? fail_unfinished(directory, err)
               : theater__fail(err, THEATER_ERR_NOTFOUND, "there is no store at '%s'", directory);
}

/* ---- looking, and copying -------------------------------------------------------------------- */

theater_status theater__shards_collect(const char *directory, const theater_id *actor,
                                       theater__buffer *out_frames,
                                       char out_damage[THEATER_ERROR_MESSAGE_MAX],
                                       theater_error *err)
{
    uint32_t count = 1;
    theater_status status = read_count(theater__io_system(), directory, &count, err);
    if (status != THEATER_OK || count == 1) {
        return status != THEATER_OK
                   ? status
                   : theater__logstore_collect(directory, actor, out_frames, out_damage, err);
    }
    THEATER_AUTOFREE char *path = shard_path(directory, theater__shard_of(actor, count));
    return path == NULL ? theater__fail_nomem(err)
                        : theater__logstore_collect(path, actor, out_frames, out_damage, err);
}

/* What is done with each shard's directory. */
typedef struct task {
    theater__store_list_fn *list;
    theater__store_each_fn *each;
    void *userdata;
    const char *target; /* backup: the directory of the whole copy */
} task;

static theater_status do_one(const task *what, const char *directory, const char *target,
                             theater_error *err)
{
    if (what->list != NULL) {
        return theater__logstore_list(directory, what->list, what->userdata, err);
    }
    if (what->each != NULL) {
        return theater__logstore_collect_each(directory, what->each, what->userdata, err);
    }
    return theater__logstore_backup(directory, target, err);
}

static theater_status do_all(const task *what, const char *directory, uint32_t count,
                             theater_error *err)
{
    theater_status worst = THEATER_OK;
    for (uint32_t i = 0; i < count; i++) {
        THEATER_AUTOFREE char *path = shard_path(directory, i);
        THEATER_AUTOFREE char *target =
            what->target != NULL ? shard_path(what->target, i) : theater__strndup("", 0);
        theater_error error = THEATER_ERROR_INIT;
        theater_status status = path == NULL || target == NULL ? theater__fail_nomem(&error)
                                                               : do_one(what, path, target, &error);
        if (status != THEATER_OK && worst == THEATER_OK && err != NULL) {
            *err = error;
        }
        worst = worst == THEATER_OK ? status : worst;
        /* A listing gives what can be read of the others, too. */
        if (status != THEATER_OK && !(what->list != NULL && status == THEATER_ERR_CORRUPT)) {
            return worst;
        }
    }
    return worst;
}

static theater_status look(const task *what, const char *directory, theater_error *err)
{
    uint32_t count = 1;
    theater_status status = read_count(theater__io_system(), directory, &count, err);
    if (status != THEATER_OK) {
        return status;
    }
    return count == 1 ? do_one(what, directory, NULL, err) : do_all(what, directory, count, err);
}

theater_status theater__shards_list(const char *directory, theater__store_list_fn *visit,
                                    void *userdata, theater_error *err)
{
    task what = {.list = visit, .userdata = userdata};
    return look(&what, directory, err);
}

theater_status theater__shards_each(const char *directory, theater__store_each_fn *visit,
                                    void *userdata, theater_error *err)
{
    task what = {.each = visit, .userdata = userdata};
    return look(&what, directory, err);
}

/*
 * Actors know nothing of each other, so copies that were made one after the other fit together. The
 * number comes last, so that a copy that was not finished is no store.
 */
theater_status theater__shards_backup(const char *directory, const char *target, theater_error *err)
{
    theater__io *io = theater__io_system();
    survey_findings found;
    uint32_t count = 1;
    theater_status status = survey(io, directory, &found, err);
    if (status == THEATER_OK) {
        status = read_whole(io, directory, &found, &count, err);
    }
    if (status != THEATER_OK || count == 1) {
        return status != THEATER_OK ? status : theater__logstore_backup(directory, target, err);
    }
    task what = {.target = target};
    status = theater__backup_target(io, target, err);
    if (status == THEATER_OK) {
        status = do_all(&what, directory, count, err);
    }
    return status == THEATER_OK ? write_count(io, target, count, err) : status;
}

/* ---- pruning --------------------------------------------------------------------------------- */

/* Those of the named that live in a shard; false without memory. */
static bool ids_of_shard(const theater__prune *what, uint32_t shard, uint32_t count,
                         theater_id **out_ids, size_t *out_count)
{
    theater_id *ids = theater__alloc_zeroed(what->ids_count, sizeof(ids[0]));
    size_t found = 0;
    for (size_t i = 0; ids != NULL && i < what->ids_count; i++) {
        if (theater__shard_of(&what->ids[i], count) == shard) {
            ids[found] = what->ids[i];
            found++;
        }
    }
    *out_ids = ids;
    *out_count = found;
    return ids != NULL;
}

static theater_status prune_shard(const char *directory, uint32_t shard, uint32_t count,
                                  const theater__prune *what, theater__pruned *sum,
                                  theater_error *err)
{
    theater__prune its_own = *what;
    THEATER_AUTOFREE theater_id *ids = NULL;
    THEATER_AUTOFREE char *path = shard_path(directory, shard);
    if (path == NULL ||
        (what->ids_count > 0 && !ids_of_shard(what, shard, count, &ids, &its_own.ids_count))) {
        return theater__fail_nomem(err);
    }
    if (what->ids_count > 0 && its_own.ids_count == 0) {
        /* Nobody of this shard: it is looked at, so that the sum is one of all. */
        its_own.dry_run = true;
        its_own.has_before = true;
        its_own.before.ms = 0;
        its_own.visit = NULL;
    }
    its_own.ids = ids;
    its_own.is_part = true;
    theater__pruned pruned = {0};
    theater_status status = theater__logstore_prune(path, &its_own, &pruned, err);
    sum->actors_count += pruned.actors_count;
    sum->kept_count += pruned.kept_count;
    sum->missing_count += pruned.missing_count;
    sum->components_count += pruned.components_count;
    sum->records_size += pruned.records_size;
    sum->size_before += pruned.size_before;
    sum->size_after += pruned.size_after;
    return status;
}

static theater_status prune_all(const char *directory, uint32_t count, const theater__prune *what,
                                theater__pruned *out_pruned, theater_error *err)
{
    memset(out_pruned, 0, sizeof(*out_pruned));
    theater_status status = THEATER_OK;
    for (uint32_t i = 0; i < count && status == THEATER_OK; i++) {
        status = prune_shard(directory, i, count, what, out_pruned, err);
    }
    return status == THEATER_OK ? theater__prune_check_named(directory, what, out_pruned, err)
                                : status;
}

/*
 * One shard after the other, each as a whole. What is wrong with a named actor is found out in all
 * of them before the first one changes.
 */
theater_status theater__shards_prune(const char *directory, const theater__prune *what,
                                     theater__pruned *out_pruned, theater_error *err)
{
    uint32_t count = 1;
    theater_status status = refuse_shard(directory, err);
    if (status == THEATER_OK) {
        status = theater__shards_count(directory, &count, err);
    }
    if (status != THEATER_OK || count == 1) {
        return status != THEATER_OK ? status
                                    : theater__logstore_prune(directory, what, out_pruned, err);
    }
    if (what->ids_count > 0 && !what->dry_run) {
        theater__prune question = *what;
        question.dry_run = true;
        question.visit = NULL;
        status = prune_all(directory, count, &question, out_pruned, err);
    }
    return status == THEATER_OK ? prune_all(directory, count, what, out_pruned, err) : status;
}
