/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exports: one loop over the verified events, one function a format. An export never gives out an
 * event that verification would not have passed; what is before the damage has been written when
 * the damage is reported.
 */
#include "exporter.h"

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>
#include <base/value.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- shared parts ---------------------------------------------------------------------------- */

theater__exporter *theater__exporter_new(const theater_chain *chain, theater_chain_write_fn *write,
                                         void *userdata)
{
    THEATER_ASSERT(chain != NULL && write != NULL);
    theater__exporter *exporter = theater__alloc_zeroed(1, sizeof(*exporter));
    if (exporter == NULL) {
        return NULL;
    }
    exporter->chain = chain;
    theater__sink_init(&exporter->sink, write, userdata);
    if (!chain->is_foreign) {
        theater__walk_init(&exporter->walk, chain);
    }
    return exporter;
}

void theater__exporter_free(theater__exporter *exporter)
{
    if (exporter == NULL) {
        return;
    }
    theater__walk_deinit(&exporter->walk);
    theater__buffer_deinit(&exporter->text);
    theater__buffer_deinit(&exporter->value);
    theater__buffer_deinit(&exporter->description);
    theater__free(exporter);
}

static int put_to_buffer(const void *data, size_t size, void *userdata)
{
    theater__buffer_put(userdata, data, size);
    return 0;
}

void theater__draft_begin(theater__exporter *exporter, theater__buffer *buffer)
{
    THEATER_ASSERT(exporter != NULL && buffer != NULL);
    bool has_failed = buffer->failed;
    theater__buffer_clear(buffer);
    buffer->failed = has_failed; /* reported once, at the end of the event */
    theater__sink_init(&exporter->draft, put_to_buffer, buffer);
}

void theater__draft_end(theater__exporter *exporter)
{
    THEATER_ASSERT(exporter->draft.write == put_to_buffer);
    theater_status status = theater__sink_flush(&exporter->draft, NULL);
    THEATER_ASSERT(status == THEATER_OK);
}

void theater__put_value(theater__exporter *exporter, theater__sink *sink,
                        const theater_value *value)
{
    THEATER_ASSERT(exporter != NULL && value != NULL);
    bool has_failed = exporter->value.failed;
    theater__buffer_clear(&exporter->value);
    theater__value_to_json(&exporter->value, value);
    if (!exporter->value.failed) {
        theater__sink_put(sink, exporter->value.data, exporter->value.size);
    }
    exporter->value.failed |= has_failed;
}

void theater__put_values(theater__exporter *exporter, theater__sink *sink, theater_values values,
                         const char *separator)
{
    THEATER_ASSERT(values.data != NULL || values.count == 0);
    for (size_t i = 0; i < values.count; i++) {
        if (i > 0) {
            theater__sink_put_text(sink, separator);
        }
        theater__put_value(exporter, sink, &values.data[i]);
    }
}

void theater__wall_format(theater_wall wall, char out_text[THEATER__TIME_TEXT_SIZE])
{
    static const uint64_t year_10000_ms = 253402300800000;
    if (wall.ms >= year_10000_ms) {
        (void)snprintf(out_text, THEATER__TIME_TEXT_SIZE, "@%" PRIu64, wall.ms);
        return;
    }
    /* Days to a date of the Gregorian calendar, in eras of 400 years that begin in March. */
    uint64_t seconds = wall.ms / 1000;
    uint32_t days = (uint32_t)(seconds / 86400) + 719468;
    uint32_t era = days / 146097;
    uint32_t day_of_era = days % 146097;
    uint32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t month_from_march = (5 * day_of_year + 2) / 153;
    uint32_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    uint32_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    uint32_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
    uint32_t second_of_day = (uint32_t)(seconds % 86400);
    (void)snprintf(out_text, THEATER__TIME_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", year,
                   month, day, second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60,
                   (unsigned)(wall.ms % 1000));
}

/* ---- the loops ------------------------------------------------------------------------------- */

static bool is_out_of_memory(const theater__exporter *exporter)
{
    return exporter->text.failed || exporter->value.failed || exporter->description.failed;
}

static void export_event_binary(theater__exporter *exporter)
{
    const theater__walked *walked = &exporter->walked;
    if (walked->event.seq == 0) {
        uint8_t version = THEATER__CHAIN_VERSION;
        theater__sink_put(&exporter->sink, theater__file_magic, THEATER__FILE_MAGIC_SIZE);
        theater__sink_put(&exporter->sink, &version, 1);
        theater__sink_put(&exporter->sink, exporter->walk.genesis.actor.bytes,
                          sizeof(exporter->walk.genesis.actor.bytes));
    }
    theater__sink_put(&exporter->sink,
                      theater__chain_frames(exporter->chain).data + walked->frame_offset,
                      walked->frame_size);
}

static theater_status export_ours(theater__exporter *exporter, theater_chain_format format,
                                  theater_error *err)
{
    theater_status status;
    if (format == THEATER_CHAIN_THEATER_JSON) {
        theater__foreign_begin(&exporter->foreign, &exporter->sink);
    }
    while ((status = theater__walk_next(&exporter->walk, &exporter->walked, err)) == THEATER_OK) {
        if (format == THEATER_CHAIN_TEXT) {
            theater__export_event_text(exporter);
        } else if (format == THEATER_CHAIN_JSONL) {
            theater__export_event_jsonl(exporter);
        } else if (format == THEATER_CHAIN_THEATER_JSON) {
            theater__export_event_theater(exporter);
        } else {
            export_event_binary(exporter);
        }
        if (is_out_of_memory(exporter)) {
            return theater__fail_nomem(err);
        }
        if (exporter->sink.is_stopped) {
            return THEATER_OK;
        }
    }
    if (status == THEATER_ERR_NOTFOUND) {
        if (format == THEATER_CHAIN_THEATER_JSON) {
            theater__foreign_end(&exporter->foreign);
        }
        return THEATER_OK;
    }
    return status;
}

static theater_status export_foreign(theater__exporter *exporter, theater_chain_format format,
                                     theater_error *err)
{
    theater__foreign_reader reader;
    theater__foreign_event event;
    theater_status status;
    theater__foreign_reader_init(&reader, exporter->chain->data, exporter->chain->size);
    if (format == THEATER_CHAIN_THEATER_JSON) {
        theater__foreign_begin(&exporter->foreign, &exporter->sink);
    }
    while ((status = theater__foreign_read(&reader, &event, err)) == THEATER_OK &&
           !exporter->sink.is_stopped && !is_out_of_memory(exporter)) {
        if (format == THEATER_CHAIN_TEXT) {
            theater__export_foreign_text(exporter, reader.next_seq - 1, &event);
        } else if (format == THEATER_CHAIN_JSONL) {
            theater__export_foreign_jsonl(exporter, reader.next_seq - 1, &event);
        } else {
            theater__foreign_put(&exporter->foreign, &event);
        }
    }
    if (status == THEATER_ERR_NOTFOUND) {
        status = THEATER_OK;
        if (format == THEATER_CHAIN_THEATER_JSON) {
            theater__foreign_end(&exporter->foreign);
        }
    }
    theater__foreign_reader_deinit(&reader);
    return status == THEATER_OK && is_out_of_memory(exporter) ? theater__fail_nomem(err) : status;
}

theater_status theater_chain_export(const theater_chain *chain, theater_chain_format format,
                                    theater_chain_write_fn *write, void *userdata,
                                    theater_error *err)
{
    THEATER_ASSERT(chain != NULL);
    THEATER_ASSERT(write != NULL);
    if (format < THEATER_CHAIN_TEXT || format > THEATER_CHAIN_BINARY) {
        return theater__fail(err, THEATER_ERR_INVALID, "%d is no export format", (int)format);
    }
    if (chain->is_foreign && format == THEATER_CHAIN_BINARY) {
        return theater__fail(err, THEATER_ERR_UNSUPPORTED,
                             "Theater's own files cannot become binary chains of ours: they hold "
                             "less than those bind");
    }
    theater__exporter *exporter = theater__exporter_new(chain, write, userdata);
    if (exporter == NULL) {
        return theater__fail_nomem(err);
    }
    theater_status status = chain->is_foreign ? export_foreign(exporter, format, err)
                                              : export_ours(exporter, format, err);
    /* What came before the damage goes out as well; the damage is what is reported. */
    theater_status flushed =
        theater__sink_flush(&exporter->sink, status == THEATER_OK ? err : NULL);
    theater__exporter_free(exporter);
    return status != THEATER_OK ? status : flushed;
}
