/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The crash simulation as a command of its own, for as many cases as one likes:
 *
 *     torture [--cases N] [--seed N]
 *
 * Prints its first seed first, then how far it is; a failing case prints its seed and its harm, and
 * --seed with that number and --cases 1 runs it again. Exit status 1 if any promise was broken.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define CASES_DEFAULT 100000u
#define PROGRESS_CASES 5000u

int main(int argc, char **argv)
{
    uint64_t seed = 0;
    uint64_t cases = CASES_DEFAULT;
    (void)!getrandom(&seed, 4, 0);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--cases") == 0 && i + 1 < argc) {
            cases = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 10);
        } else {
            (void)fprintf(stderr, "usage: torture [--cases N] [--seed N]\n");
            return 2;
        }
    }
    printf("seed %llu, %llu cases\n", (unsigned long long)seed, (unsigned long long)cases);
    (void)fflush(stdout);
    uint64_t broken = 0;
    uint64_t crashes = 0;
    time_t start = time(NULL);
    for (uint64_t i = 0; i < cases; i++) {
        world_case what = world_case_of(seed + i);
        world_verdict verdict = run_case(&what);
        crashes += verdict.crashes;
        if (verdict.violation != NULL) {
            print_verdict(&what, &verdict);
            broken++;
        }
        if ((i + 1) % PROGRESS_CASES == 0) {
            printf("%llu of %llu, %llu broken, %lld s\n", (unsigned long long)(i + 1),
                   (unsigned long long)cases, (unsigned long long)broken,
                   (long long)(time(NULL) - start));
            (void)fflush(stdout);
        }
    }
    printf("%llu cases with %llu crashes in %lld s, %llu broken\n", (unsigned long long)cases,
           (unsigned long long)crashes, (long long)(time(NULL) - start),
           (unsigned long long)broken);
    return broken > 0;
}
