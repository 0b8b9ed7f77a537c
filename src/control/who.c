/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who did it. What the kernel says of the other end stands in front, what the client says of itself
 * behind: `uid 1000 (ann): deploy`. The user's name is looked up once, when the socket is opened,
 * since a lookup may ask the network; nobody but that user and root is ever let in.
 */
#include "internal.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <base/error.h>
#include <base/value.h>

/* An entry of the user database. */
#define ENTRY_BYTES_MAX 4096u

_Static_assert(sizeof("uid 4294967295 (): ") + USER_BYTES_MAX + NAME_BYTES_MAX <=
                   THEATER_CONTROL_BY_SIZE,
               "nobody's name is cut");

static bool is_plain(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return false;
        }
    }
    return theater__utf8_valid((const uint8_t *)text, size);
}

void who_user(uid_t uid, char out_user[USER_BYTES_MAX + 1])
{
    struct passwd entry;
    struct passwd *found = NULL;
    char text[ENTRY_BYTES_MAX];
    const char *name = uid == 0 ? "root" : "?";
    if (uid != 0 && getpwuid_r(uid, &entry, text, sizeof(text), &found) == 0 && found != NULL &&
        is_plain(found->pw_name, strnlen(found->pw_name, USER_BYTES_MAX))) {
        name = found->pw_name;
    }
    (void)snprintf(out_user, USER_BYTES_MAX + 1, "%.*s", (int)USER_BYTES_MAX, name);
}

theater_status who_by(uid_t uid, const char *user, const char *name, size_t name_size,
                      char out_by[THEATER_CONTROL_BY_SIZE], theater_error *err)
{
    if (name == NULL) {
        (void)snprintf(out_by, THEATER_CONTROL_BY_SIZE, "uid %lu (%s)", (unsigned long)uid, user);
        return THEATER_OK;
    }
    if (name_size == 0 || name_size > NAME_BYTES_MAX || !is_plain(name, name_size)) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "a name for 'by' has 1 to %u bytes and no control characters",
                             NAME_BYTES_MAX);
    }
    (void)snprintf(out_by, THEATER_CONTROL_BY_SIZE, "uid %lu (%s): %.*s", (unsigned long)uid, user,
                   (int)name_size, name);
    return THEATER_OK;
}

theater_status theater_control_by(const char *name, char out_by[THEATER_CONTROL_BY_SIZE],
                                  theater_error *err)
{
    char user[USER_BYTES_MAX + 1];
    who_user(geteuid(), user);
    return who_by(geteuid(), user, name, name != NULL ? strnlen(name, NAME_BYTES_MAX + 1) : 0,
                  out_by, err);
}
