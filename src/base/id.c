/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Actor ids: UUIDs in their canonical text. libuuid reads, writes and makes them; what is added
 * here is an error that names the text.
 */
#include <base/assert.h>
#include <base/error.h>
#include <string.h>
#include <theater/id.h>
#include <uuid/uuid.h>

_Static_assert(sizeof(theater_id) == sizeof(uuid_t), "an id is the 16 bytes of a UUID");
_Static_assert(THEATER_ID_TEXT_SIZE == UUID_STR_LEN, "and its text has 36 characters");

theater_status theater_id_new(theater_id *out_id, theater_error *err)
{
    THEATER_ASSERT(out_id != NULL);
    (void)err; /* the generator has no failure to report: it falls back by itself */
    uuid_generate_random(out_id->bytes);
    return THEATER_OK;
}

void theater_id_format(theater_id id, char out_text[THEATER_ID_TEXT_SIZE])
{
    THEATER_ASSERT(out_text != NULL);
    uuid_unparse_lower(id.bytes, out_text);
    THEATER_ASSERT(out_text[THEATER_ID_TEXT_SIZE - 1] == '\0');
}

theater_status theater_id_parse(const char *text, theater_id *out_id, theater_error *err)
{
    THEATER_ASSERT(text != NULL);
    THEATER_ASSERT(out_id != NULL);
    uuid_t bytes;
    if (uuid_parse(text, bytes) != 0) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "'%.64s' is no actor id: 36 characters such as "
                             "'6f1c1b1e-0f0a-4f6e-9d57-2c7f5a3f9a10' are wanted",
                             text);
    }
    memcpy(out_id->bytes, bytes, sizeof bytes);
    return THEATER_OK;
}
