/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program outside of the tree: sees the installed headers and libraries alone. It makes one call
 * into each side of the library that needs nothing but itself, so that linking is what it tests.
 */
#include <theater.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    theater_id id;
    char text[THEATER_ID_TEXT_SIZE];
    theater_error err = THEATER_ERROR_INIT;

    if (theater_id_parse("00000000-0000-4000-8000-000000000001", &id, &err) != THEATER_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    theater_id_format(id, text);
    if (strcmp(text, "00000000-0000-4000-8000-000000000001") != 0) {
        fprintf(stderr, "formatted as %s\n", text);
        return 1;
    }
    if (theater_id_parse("no id", &id, &err) != THEATER_ERR_INVALID) {
        return 1;
    }
    return strcmp(theater_status_name(THEATER_ERR_LIMIT), "THEATER_ERR_LIMIT") != 0;
}
