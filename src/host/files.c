/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of the embedder: components and chains. Sizes are bounded before anything is read.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <base/assert.h>
#include <base/error.h>
#include <base/limits.h>

/* A chain file: the call's bound on events, many times over. */
#define CHAIN_FILE_MAX ((size_t)4 << 30)

static theater_status fail_open(const char *path, int os_errno, theater_error *err)
{
    theater_status status = os_errno == ENOENT ? THEATER_ERR_NOTFOUND : THEATER_ERR_IO;
    return theater__fail_errno(err, status, os_errno, "cannot read '%s'", path);
}

static theater_status read_all(int fd, const char *path, size_t size, theater__buffer *out_bytes,
                               theater_error *err)
{
    uint8_t *at = theater__buffer_extend(out_bytes, size);
    if (at == NULL) {
        return theater__fail_nomem(err);
    }
    size_t done = 0;
    while (done < size) {
        ssize_t got = read(fd, at + done, size - done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return theater__fail_errno(err, THEATER_ERR_IO, errno, "cannot read '%s'", path);
        }
        if (got == 0) {
            return theater__fail(err, THEATER_ERR_IO, "'%s' became shorter while it was read",
                                 path);
        }
        done += (size_t)got;
    }
    return THEATER_OK;
}

static theater_status read_file(const char *path, size_t size_max, theater__buffer *out_bytes,
                                theater_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return fail_open(path, errno, err);
    }
    struct stat info;
    theater_status status = THEATER_OK;
    if (fstat(fd, &info) != 0) {
        status = fail_open(path, errno, err);
    } else if (!S_ISREG(info.st_mode)) {
        status = theater__fail(err, THEATER_ERR_IO, "'%s' is not a file", path);
    } else if ((uint64_t)info.st_size > size_max) {
        status = theater__fail(err, THEATER_ERR_LIMIT, "'%s' has %lld bytes, %zu are allowed", path,
                               (long long)info.st_size, size_max);
    } else {
        status = read_all(fd, path, (size_t)info.st_size, out_bytes, err);
    }
    (void)close(fd);
    return status;
}

theater_status theater_host_load_component_file(theater_host *host, const char *path,
                                                theater_actor_component **out_component,
                                                theater_error *err)
{
    THEATER_ASSERT(path != NULL);
    theater__buffer bytes = {0};
    theater_status status = read_file(path, THEATER__COMPONENT_BYTES_MAX, &bytes, err);
    if (status == THEATER_OK) {
        theater_error error = THEATER_ERROR_INIT;
        status = theater_host_load_component(host, bytes.data, bytes.size, out_component, &error);
        if (status != THEATER_OK && err != NULL) {
            *err = error;
            (void)theater__fail_in(err, "'%s'", path);
        }
    }
    theater__buffer_deinit(&bytes);
    return status;
}

theater_status theater_chain_open_file(const char *path, theater_chain **out_chain,
                                       theater_error *err)
{
    THEATER_ASSERT(path != NULL);
    THEATER_ASSERT(out_chain != NULL);
    theater__buffer bytes = {0};
    theater_status status = read_file(path, CHAIN_FILE_MAX, &bytes, err);
    if (status == THEATER_OK) {
        status = theater__chain_from_file_bytes(bytes.data, bytes.size, out_chain, err);
    }
    theater__buffer_deinit(&bytes);
    return status;
}

/* ---- the chain of an actor that is here ------------------------------------------------------ */

theater_status theater_host_chain(theater_host *host, theater_id id, theater_chain **out_chain,
                                  theater_error *err)
{
    THEATER_ASSERT(host != NULL);
    THEATER_ASSERT(out_chain != NULL);
    uint32_t index = actor_find(host, &id);
    if (index == NO_ACTOR) {
        char text[THEATER_ID_TEXT_SIZE];
        theater_id_format(id, text);
        return theater__fail(err, THEATER_ERR_NOTFOUND, "there is no actor %s", text);
    }
    theater__store_completion completion;
    theater_status status = residency_ask(host, index, false, &completion, err);
    if (status == THEATER_OK) {
        status = theater__chain_from_frames(completion.frames.data, completion.frames.size, NULL,
                                            out_chain, err);
    }
    theater__store_completion_deinit(&completion);
    return status;
}

theater_status theater_chain_open_store(const char *url, theater_id id, theater_chain **out_chain,
                                        theater_error *err)
{
    THEATER_ASSERT(url != NULL);
    THEATER_ASSERT(out_chain != NULL);
    theater__buffer frames = {0};
    char damage[THEATER_ERROR_MESSAGE_MAX] = {0};
    theater_status status = theater__store_collect(url, &id, &frames, damage, err);
    if (status == THEATER_OK) {
        status = theater__chain_from_frames(frames.data, frames.size,
                                            damage[0] != '\0' ? damage : NULL, out_chain, err);
    }
    theater__buffer_deinit(&frames);
    return status;
}
