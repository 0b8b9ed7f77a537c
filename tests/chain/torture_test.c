/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The k-th allocation fails, for every k that there is: nothing leaks (the sanitizers say so),
 * nothing half-made is returned, and the answer is NOMEM, never a verdict on the chain.
 */
#include "story.h"

#include <string.h>

typedef theater_status attempt_fn(const theater__buffer *file);

static theater_status attempt_load(const theater__buffer *file)
{
    theater_chain *chain = NULL;
    theater_error err = THEATER_ERROR_INIT;
    theater_status status = theater__chain_from_file_bytes(file->data, file->size, &chain, &err);
    assert_int_equal(status == THEATER_OK, chain != NULL);
    assert_int_equal(err.status, status);
    theater_chain_free(chain);
    return status;
}

static theater_status attempt_damaged_load(const theater__buffer *file)
{
    theater_chain *chain = NULL;
    theater_status status =
        theater__chain_from_frames(file->data, file->size, "damage", &chain, NULL);
    assert_int_equal(status == THEATER_OK, chain != NULL);
    theater_chain_free(chain);
    return status;
}

static theater_status attempt_verify(const theater__buffer *file)
{
    theater_chain *chain = NULL;
    theater_chain_report report;
    theater_status status = theater__chain_from_file_bytes(file->data, file->size, &chain, NULL);
    if (status == THEATER_OK) {
        status = theater_chain_verify(chain, NULL, &report, NULL);
        assert_true(status != THEATER_OK || report.verdict == THEATER_CHAIN_UNANCHORED);
    }
    theater_chain_free(chain);
    return status;
}

static theater_status attempt_redact(const theater__buffer *file)
{
    theater__buffer out = {0};
    theater_status status = theater__chain_redact(file->data + 25, file->size - 25, 12, &out, NULL);
    theater__buffer_deinit(&out);
    return status;
}

static void torture(attempt_fn *attempt, const theater__buffer *file)
{
    for (uint64_t k = 1;; k++) {
        theater__alloc_fail_at(k);
        theater_status status = attempt(file);
        theater__alloc_fail_at(0);
        if (status == THEATER_OK) {
            assert_true(k > 1);
            return;
        }
        assert_int_equal(status, THEATER_ERR_NOMEM);
        assert_in_range(k, 1, 10000);
    }
}

static void allocations__each_may_fail_with_our_files(void **state)
{
    (void)state;
    story it;
    story_begin(&it);
    story_everything(&it);
    theater__buffer file = {0};
    story_file(&it, &file);
    torture(attempt_load, &file);
    torture(attempt_damaged_load, &file);
    torture(attempt_verify, &file);
    torture(attempt_redact, &file);
    theater__buffer_deinit(&file);
    story_end(&it);
}

static void allocations__each_may_fail_with_theaters_files(void **state)
{
    (void)state;
    theater__buffer file = {0};
    read_vector("theater-chain-1.json", &file);
    torture(attempt_load, &file);
    torture(attempt_verify, &file);
    theater__buffer_deinit(&file);
}

static void encoders__without_memory_only_mark_the_buffer(void **state)
{
    (void)state;
    theater__buffer buffer = {0};
    theater__ambient ambient = {text_of("a"), text_of("b")};
    theater__alloc_fail_at(1);
    theater__ambient_encode(&buffer, &ambient);
    theater__alloc_fail_at(0);
    assert_true(buffer.failed);
    theater__buffer_deinit(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations__each_may_fail_with_our_files),
        cmocka_unit_test(allocations__each_may_fail_with_theaters_files),
        cmocka_unit_test(encoders__without_memory_only_mark_the_buffer),
    };
    return cmocka_run_group_tests_name("chain_torture", tests, NULL, NULL);
}
