/* SPDX-License-Identifier: Apache-2.0 */
/**
 * \file id.h
 * \brief The identity of an actor: a UUID.
 */
#ifndef THEATER_ID_H
#define THEATER_ID_H

#include <stdint.h>
#include <theater/error.h>

THEATER_BEGIN_DECLS

/** An actor's id: the 16 bytes of a UUID in network order. */
typedef struct theater_id {
    uint8_t bytes[16]; /**< RFC 4122 byte order */
} theater_id;

/** Bytes that theater_id_format() writes, terminating NUL included. */
#define THEATER_ID_TEXT_SIZE 37

/**
 * \brief A new random id.
 * \param out_id set on success only
 * \param err    optional
 */
THEATER_API theater_status theater_id_new(theater_id *out_id, theater_error *err);

/**
 * \brief Writes the canonical text of an id, 36 lower-case characters and a NUL.
 * \param id       the id
 * \param out_text at least THEATER_ID_TEXT_SIZE bytes
 */
THEATER_API void theater_id_format(theater_id id, char out_text[THEATER_ID_TEXT_SIZE]);

/**
 * \brief Reads the canonical text of an id; upper case is accepted.
 * \param text   NUL-terminated
 * \param out_id set on success only
 * \param err    optional
 * \retval THEATER_ERR_INVALID the text is no UUID
 */
THEATER_API theater_status theater_id_parse(const char *text, theater_id *out_id,
                                            theater_error *err);

THEATER_END_DECLS
#endif
