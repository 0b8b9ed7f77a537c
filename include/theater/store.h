/* SPDX-License-Identifier: Apache-2.0 */
/**
 * \file store.h
 * \brief Stores as files: what a program does to one beside running it.
 *
 * A store is named by its URL, as in theater_host_options: `log:DIR`, or a directory alone. A host
 * that runs it, in this process or another one, is not disturbed by what is here.
 */
#ifndef THEATER_STORE_H
#define THEATER_STORE_H

#include <theater/error.h>
#include <theater/export.h>

THEATER_BEGIN_DECLS

/**
 * \brief Copies a store, at rest or in use, into a directory of its own, and checks the copy.
 *
 * All that was acknowledged before the call is in the copy, components included; of what is
 * recorded meanwhile a part may be. The copy knows that it is one: two of one store would run every
 * effect twice, so a host opens it with `store_adopt` only. Looking at it needs nothing.
 *
 * Waits for the disk; memory is bounded by the largest component and one segment (64 MiB), and what
 * a start needs for the actors. Any thread.
 *
 * \param url       the store; not locked, nothing is written to it
 * \param directory for the copy: a new one, whose parent exists, or an empty one. After a failure
 *                  what was copied so far is left in it, which is no store
 * \param err       optional
 * \retval THEATER_ERR_NOTFOUND there is no such store; a memory store has no files
 * \retval THEATER_ERR_EXISTS   the directory is not empty
 * \retval THEATER_ERR_CORRUPT  the store is damaged, the message says where; so is no copy of it
 * \retval THEATER_ERR_IO       the store cannot be read, or the copy cannot be written
 */
THEATER_API theater_status theater_store_backup(const char *url, const char *directory,
                                                theater_error *err);

THEATER_END_DECLS
#endif
