/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the fuzz target without libFuzzer: on the files that are named, else on seeded mutations of
 * a chain with every kind and of Theater's vector.
 *
 *     test_chain_fuzz [--rounds N] [--seed N] [FILE...]
 */
#include "story.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
    static uint8_t data[1u << 20];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    size_t size = fread(data, 1, sizeof(data), file);
    (void)fclose(file);
    return LLVMFuzzerTestOneInput(data, size);
}

/*
 * Changes a copy in a few places: bits, bytes, numbers that matter, pieces moved, removed, doubled.
 */
static size_t mutate(uint8_t *data, size_t size, uint64_t *seed)
{
    static const uint8_t telling[] = {0, 1, 2, 7, 8, 15, 16, 0x7f, 0x80, 0xff};
    size_t edits = 1 + next_random(seed) % 4;
    for (size_t i = 0; i < edits && size > 2; i++) {
        size_t at = 1 + next_random(seed) % (size - 1);
        size_t length = next_random(seed) % (size - at) % 64;
        switch (next_random(seed) % 6) {
        case 0:
            data[at] ^= (uint8_t)(1u << next_random(seed) % 8);
            break;
        case 1:
            data[at] = (uint8_t)next_random(seed);
            break;
        case 2:
            data[at] = telling[next_random(seed) % sizeof(telling)];
            break;
        case 3:
            memmove(data + at, data + at + length, size - at - length);
            size -= length;
            break;
        case 4:
            memmove(data + 1 + next_random(seed) % (size - length - 1), data + at, length);
            break;
        default:
            size -= next_random(seed) % 8 == 0 ? length : 0;
            break;
        }
    }
    return size;
}

static void run_mutations(uint64_t seed, uint64_t rounds)
{
    story it;
    theater__buffer seeds[3] = {{0}, {0}, {0}};
    story_begin(&it);
    story_everything(&it);
    theater__buffer_put_u8(&seeds[0], 0);
    story_file(&it, &seeds[0]);
    theater__buffer_put_u8(&seeds[1], 1);
    theater__buffer_put(&seeds[1], it.writer.frames.data, it.writer.frames.size);
    theater__buffer_put_u8(&seeds[2], 0);
    read_vector("theater-chain-1.json", &seeds[2]);
    uint8_t *mutant = theater__alloc(seeds[2].size);
    if (mutant == NULL) {
        abort();
    }
    for (size_t i = 0; i < 3; i++) {
        (void)LLVMFuzzerTestOneInput(seeds[i].data, seeds[i].size);
    }
    for (uint64_t round = 0; round < rounds; round++) {
        /* Mended frames get deepest; Theater's file is large and slow. */
        uint64_t choice = next_random(&seed) % 16;
        const theater__buffer *from = &seeds[choice == 0 ? 2 : choice < 4 ? 0 : 1];
        memcpy(mutant, from->data, from->size);
        size_t size = mutate(mutant, from->size, &seed);
        (void)LLVMFuzzerTestOneInput(mutant, size);
    }
    theater__free(mutant);
    for (size_t i = 0; i < 3; i++) {
        theater__buffer_deinit(&seeds[i]);
    }
    story_end(&it);
}

int main(int argc, char **argv)
{
    uint64_t rounds = 20000;
    uint64_t seed = (uint64_t)time(NULL);
    int first = 1;
    while (first + 1 < argc && strncmp(argv[first], "--", 2) == 0) {
        uint64_t number = strtoull(argv[first + 1], NULL, 10);
        if (strcmp(argv[first], "--rounds") == 0) {
            rounds = number;
        } else {
            seed = number;
        }
        first += 2;
    }
    for (int i = first; i < argc; i++) {
        if (run_file(argv[i]) != 0) {
            return 1;
        }
    }
    if (first == argc) {
        (void)printf("seed %" PRIu64 ", %" PRIu64 " rounds; and seed 1\n", seed, rounds);
        (void)fflush(stdout);
        run_mutations(1, rounds);
        run_mutations(seed, rounds);
    }
    return 0;
}
