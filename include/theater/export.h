/* SPDX-License-Identifier: Apache-2.0 */
/**
 * \file export.h
 * \brief Symbol visibility and the few compiler attributes that the public headers use.
 *
 * libtheater is built with hidden visibility: what a program may call is marked THEATER_API and
 * nothing else leaves the shared library, Wasmtime's symbols included.
 */
#ifndef THEATER_EXPORT_H
#define THEATER_EXPORT_H

#if defined(__GNUC__)
#define THEATER_API __attribute__((visibility("default")))
#define THEATER_NODISCARD __attribute__((warn_unused_result))
#define THEATER_PRINTF(fmt_index, first_index) \
    __attribute__((format(printf, fmt_index, first_index)))
#else
#define THEATER_API
#define THEATER_NODISCARD
#define THEATER_PRINTF(fmt_index, first_index)
#endif

#ifdef __cplusplus
#define THEATER_BEGIN_DECLS extern "C" {
#define THEATER_END_DECLS }
#else
#define THEATER_BEGIN_DECLS
#define THEATER_END_DECLS
#endif

#endif
