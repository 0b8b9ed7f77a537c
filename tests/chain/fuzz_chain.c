/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a chain. The first byte chooses how they are taken: as a file, as frames, or as
 * frames whose checks are mended first, so that mutations get behind the hashes to payloads and
 * grammar. Whatever is accepted has to keep its promises: exports of an intact chain succeed, and
 * its binary export verifies to the same head.
 */
#include "story.h"

#include "event.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* Writes into each frame the check that its bytes would have, up to the first malformed one. */
static void mend(uint8_t *frames, size_t size)
{
    theater_hash parent = {{0}};
    size_t offset = 0;
    while (offset < size) {
        theater__reader reader = theater__reader_of(frames + offset, size - offset);
        uint64_t event_size = theater__reader_varint(&reader);
        if (reader.failed || event_size == 0 || event_size > THEATER__EVENT_SIZE_MAX) {
            return;
        }
        const uint8_t *event = theater__reader_take(&reader, (size_t)event_size);
        size_t check_at = offset + reader.offset;
        if (theater__reader_take(&reader, THEATER__CHECK_SIZE) == NULL) {
            return;
        }
        parent = theater__event_hash(&parent, event, (size_t)event_size);
        memcpy(frames + check_at, parent.bytes, THEATER__CHECK_SIZE);
        (void)theater__reader_sized(&reader);
        if (reader.failed) {
            return;
        }
        offset += reader.offset;
    }
}

static int collect(const void *data, size_t size, void *userdata)
{
    theater__buffer *out = userdata;
    theater__buffer_put(out, data, size);
    return out->size > (1u << 22); /* folds may unfold without end */
}

static void try_exports(const theater_chain *chain, const theater_chain_report *report)
{
    bool is_intact = report->verdict != THEATER_CHAIN_DAMAGED;
    for (int format = THEATER_CHAIN_TEXT; format <= THEATER_CHAIN_BINARY; format++) {
        theater__buffer out = {0};
        theater_status status =
            theater_chain_export(chain, (theater_chain_format)format, collect, &out, NULL);
        expect(is_intact || status != THEATER_OK);
        expect(!is_intact || status == THEATER_OK || status == THEATER_ERR_CANCELLED ||
               status == THEATER_ERR_UNSUPPORTED);
        if (status == THEATER_OK && format >= THEATER_CHAIN_THEATER_JSON) {
            theater_chain *again = NULL;
            theater_chain_report second;
            expect(theater__chain_from_file_bytes(out.data, out.size, &again, NULL) == THEATER_OK);
            expect(theater_chain_verify(again, NULL, &second, NULL) == THEATER_OK);
            expect(second.verdict == THEATER_CHAIN_UNANCHORED);
            expect(format != THEATER_CHAIN_BINARY ||
                   memcmp(&second.head, &report->head, sizeof(second.head)) == 0);
            theater_chain_free(again);
        }
        theater__buffer_deinit(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > (1u << 20)) {
        return 0;
    }
    theater_chain *chain = NULL;
    theater_status status;
    uint8_t *copy = theater__alloc(size); /* its last byte is not used */
    expect(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    if (data[0] % 3 == 0) {
        status = theater__chain_from_file_bytes(copy, size - 1, &chain, NULL);
        expect(status == THEATER_OK || status == THEATER_ERR_CORRUPT);
    } else {
        if (data[0] % 3 == 1) {
            mend(copy, size - 1);
        }
        status = theater__chain_from_frames(copy, size - 1, NULL, &chain, NULL);
        expect(status == THEATER_OK);
    }
    if (status == THEATER_OK) {
        theater_chain_report report;
        theater_error err = THEATER_ERROR_INIT;
        expect(theater_chain_verify(chain, NULL, &report, &err) == THEATER_OK);
        expect(report.message[0] != '\0');
        try_exports(chain, &report);
        size_t position = 0;
        theater_event event;
        uint64_t count = 0;
        while (theater_chain_next(chain, &position, &event, &err) == THEATER_OK) {
            expect(event.seq == count++);
        }
    }
    theater_chain_free(chain);
    theater__free(copy);
    return 0;
}
