/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What depends on a terminal being there: emphasis and hints. Nothing of it ever reaches a file or
 * a pipe; NO_COLOR (https://no-color.org) and TERM=dumb switch emphasis off.
 */
#ifndef CLI_TERM_H
#define CLI_TERM_H

#include <stdbool.h>
#include <stdint.h>

bool cli_term_has_stderr(void);
bool cli_term_has_stdout(void);
/* Escape sequences for headings on stdout, or empty texts. */
const char *cli_term_bold(void);
const char *cli_term_plain(void);
/*
 * On a terminal, how far something is, in one line of stderr that is written over; of 0: clears it.
 */
void cli_term_progress(const char *what, uint64_t done, uint64_t total);

#endif
