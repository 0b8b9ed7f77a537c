/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What depends on a terminal being there: emphasis and hints. Nothing of it ever reaches a file or
 * a pipe; NO_COLOR (https://no-color.org) and TERM=dumb switch emphasis off.
 */
#ifndef CLI_TERM_H
#define CLI_TERM_H

#include <stdbool.h>

bool cli_term_has_stderr(void);
bool cli_term_has_stdout(void);
/* Escape sequences for headings on stdout, or empty texts. */
const char *cli_term_bold(void);
const char *cli_term_plain(void);

#endif
