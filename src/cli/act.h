/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What wake and cancel have in common: finding the store, asking the host that runs it, and if
 * there is none, opening it frozen, so that the one event is recorded and nothing else happens.
 */
#ifndef CLI_ACT_H
#define CLI_ACT_H

#include "options.h"
#include "session.h"

#include <theater.h>

typedef struct cli_act_settings {
    const char *store;
    const char *by;
    bool adopt;
    bool json;
} cli_act_settings;

#define CLI_OPTIONS_ACT(type, base)                                                  \
    {"store",                                                                        \
     CLI_TEXT,                                                                       \
     "URL",                                                                          \
     "log:DIR that holds the actor (default: looked for)",                           \
     offsetof(type, base.store),                                                     \
     0,                                                                              \
     0},                                                                             \
        {"by",                                                                       \
         CLI_TEXT,                                                                   \
         "NAME",                                                                     \
         "stands in the chain behind your user's id",                                \
         offsetof(type, base.by),                                                    \
         0,                                                                          \
         0},                                                                         \
        {"adopt", CLI_FLAG, NULL, CLI_ADOPT_HELP, offsetof(type, base.adopt), 0, 0}, \
    {                                                                                \
        "json", CLI_FLAG, NULL, "one JSON object", offsetof(type, base.json), 0, 0   \
    }

/* Does it and says so; the exit status. */
int cli_act(const cli_command *command, theater_act_kind kind, const cli_act_settings *settings,
            const char *id_text);

#endif
