/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One kind of emphasis, bold headings, is all that this command needs: state is said in words,
 * never by colour alone.
 */
#include "term.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool cli_term_has_stderr(void)
{
    return isatty(STDERR_FILENO) == 1;
}

bool cli_term_has_stdout(void)
{
    return isatty(STDOUT_FILENO) == 1;
}

static bool has_emphasis(void)
{
    const char *no_color = secure_getenv("NO_COLOR");
    const char *terminal = secure_getenv("TERM");
    bool is_wanted = no_color == NULL || no_color[0] == '\0';
    return is_wanted && terminal != NULL && strcmp(terminal, "dumb") != 0 && cli_term_has_stdout();
}

const char *cli_term_bold(void)
{
    return has_emphasis() ? "\x1b[1m" : "";
}

const char *cli_term_plain(void)
{
    return has_emphasis() ? "\x1b[0m" : "";
}

void cli_term_progress(const char *what, uint64_t done, uint64_t total)
{
    if (!cli_term_has_stderr()) {
        return;
    }
    if (total == 0) {
        (void)fputs("\r\x1b[K", stderr);
    } else {
        unsigned percent = done >= total ? 100 : (unsigned)((double)done * 100 / (double)total);
        (void)fprintf(stderr, "\rtheater: %s, %u %%", what, percent);
    }
    (void)fflush(stderr);
}
